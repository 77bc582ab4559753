"""The lesson on training: the bare loop is the trainer's; meters measure what they say."""

import dataclasses
import json
import math

import pytest
import torch

from finegan_lib import course, training
from finegan_lib.base.checkpoints import load_checkpoint
from finegan_lib.base.errors import TrainingDiverged
from finegan_lib.bench import gpu as bench
from finegan_lib.data import TrainingExample
from finegan_lib.systems import FineGANSystem, Recipe, follow, update_average
from finegan_lib.training.presets import PRESETS

lab = course.lab("training")

SMALL = {"n_images": 12, "batch_size": 4}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """ToyBirds drawn once a session, away from the user's own cache."""
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def system():
    return training.build_system(lab.tiny_run(1))


@pytest.fixture
def batch():
    config = lab.tiny_run(1, **SMALL)
    birds = training.build_dataset(config, progress=False)
    return TrainingExample(*birds.batch(range(4)))


# ------------------------------------------------------------------------------------- runs


def test_the_bare_loop_makes_the_trainers_weights_and_losses(tmp_path):
    config = lab.tiny_run(4, **SMALL)
    steps = []
    system, history = lab.play(config, lambda step, _: steps.append(step))
    found = training.train(config, tmp_path, progress=False)
    networks = load_checkpoint(found)[0]["networks"]
    mine = system.state_dict()
    assert mine.keys() == networks.keys()
    assert all(mine[name].equal(networks[name]) for name in networks)
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    for name, values in history.items():
        assert values == pytest.approx([line[name] for line in lines], abs=1e-5)
    assert steps == [1, 2, 3, 4]


def test_a_tiny_run_takes_settings_for_every_part():
    config = lab.tiny_run(7, model={"g_dim": 8}, recipe={"mask_area": 1.0}, batch_size=2)
    assert (config.model.g_dim, config.recipe.mask_area) == (8, 1.0)
    assert (config.loop.batch_size, config.loop.steps) == (2, 7)


def test_smooth_is_a_running_mean():
    assert lab.smooth([4, 2, 6, 0], 2).tolist() == [4, 3, 4, 3]


def test_an_excerpt_is_the_source_without_its_indent():
    assert lab.excerpt(lab.smooth, "end = ", 1) == "end = torch.arange(1, len(values) + 1)"


def test_an_errors_folder_is_left_out(tmp_path):
    error = TrainingDiverged(f"see {tmp_path}/a/b.txt")
    assert lab.first_sentences(error, tmp_path) == "see a/b.txt"


# ------------------------------------------------------------------------------------- who moves


def test_every_update_moves_its_own_weights_only(system, batch):
    moved = {
        update: [part for part, changed in row.items() if changed]
        for update, row in lab.who_moves(system, batch).items()
    }
    assert moved == {
        "1  D_b": ["D_b"],
        "2  D_c": ["D_c trunk", "D_c real/fake"],
        "3  G and readers": ["generator", "D_p trunk", "D_p code", "D_c code"],
        "4  average": ["average"],
    }


def test_only_the_parents_real_fake_head_is_nobodys(system):
    counts = lab.owned(system)
    assert counts.pop("nobody") == sum(p.numel() for p in system.d_parent.real_fake.parameters())
    assert counts["G"] == sum(p.numel() for p in system.generator.parameters())
    assert set(counts) == {"G", "D_b", "D_c", "info"}


# ------------------------------------------------------------------------------------- averages


def test_averaged_is_what_the_library_does(system):
    live, average = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    expected = lab.averaged(average.weight, live.weight, 0.9)
    update_average(average, live, 0.9, buffers=False)
    assert torch.allclose(average.weight, expected)
    assert lab.averaged(torch.tensor(1.0), torch.tensor(2.0), 0.75).item() == 1.25


@pytest.mark.parametrize("warm", [False, True])
def test_the_decays_are_those_of_the_library(warm):
    """An average that starts at 0 and follows a weight of 1 is 1 minus the product of decays."""
    recipe = Recipe(ema_decay=0.5, ema_warmup=warm)
    system = FineGANSystem(lab.MODEL, recipe)
    with torch.no_grad():
        system.average.child_mask.weight.zero_()
        system.generator.child_mask.weight.fill_(1.0)
    decays = lab.average_decays(9, recipe)
    for n in range(9):
        follow(system)
        expected = 1 - decays[: n + 1].prod().item()
        assert system.average.child_mask.weight.mean().item() == pytest.approx(expected, abs=1e-6)
    assert decays[0].item() == pytest.approx(2 / 11 if warm else 0.5)
    assert decays[-1].item() == 0.5


def test_an_album_keeps_the_pictures_of_its_steps():
    config = lab.tiny_run(3, **SMALL)
    hierarchy = config.model.hierarchy()
    album = lab.Album([1, 3], hierarchy.codes(torch.zeros(2, config.model.z_dim), [0, 5]))
    lab.play(config, album)
    assert list(album.live) == list(album.average) == [1, 3]
    assert album.live[3].shape == (2, 3, 32, 32)
    assert not album.live[3].equal(album.average[3])


def test_restlessness_is_the_mean_change():
    album = {3: torch.tensor([0.5]), 1: torch.tensor([0.0]), 2: torch.tensor([1.0])}
    assert lab.restlessness(album) == 0.75


# ------------------------------------------------------------------------------------- accidents


def test_a_power_cut_ends_the_run_after_its_step(tmp_path):
    config = lab.tiny_run(4, checkpoint_every=1, keep=9, **SMALL)
    whole = training.train(config, tmp_path / "whole", progress=False)
    original = FineGANSystem.step
    with lab.accident(3, lab.power_cut), pytest.raises(KeyboardInterrupt):
        training.train(config, tmp_path / "cut", progress=False)
    assert FineGANSystem.step is original
    held = sorted((tmp_path / "cut" / "checkpoints").iterdir())
    assert [p.name for p in held] == ["step_00000001.safetensors", "step_00000002.safetensors"]
    lab.forget_moments(held[-1], tmp_path / "forgetful", config)
    again, forgetful = (
        training.train(config, tmp_path / name, resume=True, progress=False)
        for name in ("cut", "forgetful")
    )
    assert lab.same_weights(whole, again)
    assert not lab.same_weights(whole, forgetful)


def test_a_cosmic_ray_is_noticed_at_the_next_step(tmp_path):
    config = lab.tiny_run(3, **SMALL)
    with (
        lab.accident(1, lab.cosmic_ray),
        pytest.raises(TrainingDiverged, match="nan at step 2"),
    ):
        training.train(config, tmp_path, progress=False)


# ------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("failure", lab.FAILURES, ids=lambda f: f.name)
def test_a_failure_can_be_trained_and_differs_from_a_healthy_run(failure):
    config = failure.config(1)
    assert config != lab.HEALTHY.config(1)
    system = training.build_system(config)
    assert len(lab.portrait(system.average)) == 4 + 2 * config.model.n_parents
    assert f"**{failure.name}**" in lab.failure_table()


def test_a_wreck_reports_information_per_unit_of_its_weight():
    """An untrained reader knows nothing: log 3 and log 6, whatever the weight in the loss."""
    ignored = next(f for f in lab.FAILURES if f.name == "code ignored")
    wrecked = lab.wreck(ignored, 1)
    assert wrecked.history["parent_info"][0] == pytest.approx(math.log(3), abs=0.6)
    assert wrecked.history["child_info"][0] == pytest.approx(math.log(6), abs=0.6)


def test_masks_are_born_full_and_small():
    assert lab.rescue({}, steps=1) > 0.15  # one step of five: a fifth of the mean of five
    full = lab.rescue({}, steps=5)
    small = lab.rescue({"mask_bias": -2.0}, steps=5)
    assert full > 0.75
    assert small < 0.3


def test_variety_is_nothing_for_a_generator_of_one_picture(system):
    full = lab.variety(system.average)
    with torch.no_grad():
        for name, weight in system.average.named_parameters():
            if name.endswith(("image.weight", "mask.weight")):
                weight.zero_()
    assert full > 0.01
    assert lab.variety(system.average) == 0


# ------------------------------------------------------------------------------------- hard codes


def test_hardest_takes_the_smallest_first():
    assert lab.hardest(torch.tensor([-0.1, -3.0, -0.5, -2.0]), 2).tolist() == [1, 3]


def test_the_pool_is_the_librarys(system):
    pool = lab.hard_pool(system, 4, seed=5)
    codes = system.hard_codes(4, torch.Generator().manual_seed(5))
    assert len(pool.log_q) == len(pool.images) == 40
    for mine, library in zip(pool.codes.select(pool.picked), codes, strict=True):
        assert mine.equal(library)


# ------------------------------------------------------------------------------------- settings


def test_the_table_shows_what_differs_and_nothing_else():
    table = lab.preset_table("cub", "dogs").splitlines()
    assert "| model: `n_parents` | 20 | 12 |" in table
    assert "| model: `n_children` | 200 | 120 |" in table
    assert not [line for line in table if "learning_rate" in line]
    assert "| recipe: `ema_warmup` | yes | no |" in lab.preset_table("toy", "cub")


# ------------------------------------------------------------------------------------- GPU


def test_bf16_is_for_convolutions_only():
    kinds = lab.autocast_dtypes(lab.MODEL)
    assert kinds["Conv2d"] == kinds["Linear"] == kinds["image C"] == "bfloat16"
    assert kinds["weights"] == kinds["loss"] == "float32"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_takes_time(precision):
    config = lab.tiny_run(1, **SMALL)
    assert lab.step_seconds(config, precision, device="cpu", steps=1) > 0


def test_the_bars_are_what_was_measured():
    figure = lab.gpu_figure()
    measured = json.loads((lab.RESULTS / "bench_gpu.json").read_text())["sizes"]
    assert [axis.get_title() for axis in figure.axes] == [f"{size} pixels" for size in measured]
    for axis, size in zip(figure.axes, measured.values(), strict=True):
        widths = [bar.get_width() for bar in axis.patches]
        assert widths == [1000 * size["step_s"][way] for way in lab.WAYS]


def test_sustained_speeds_are_those_of_the_benches():
    speeds = lab.sustained_speeds()
    assert list(speeds) == ["2 CPU cores", "T4 (estimate)", "A100 (estimate)", "H100"]
    step = json.loads((lab.RESULTS / "bench_gpu.json").read_text())["sizes"]["128"]["step_s"]
    tflop = bench.gpu_model()["step_tflop"]
    assert speeds["H100"] == pytest.approx(tflop / step["auto"], rel=1e-3)
    assert speeds["2 CPU cores"] < speeds["T4 (estimate)"] < speeds["A100 (estimate)"]


def test_flops_of_a_step_by_hand():
    """Everything is proportional to the batch, except for spectral normalisation's own products.

    Two convolutions are counted by hand: G's background head is 3x3, g → 3 channels, 32x32.
    """
    plain = lab.tiny_run(1, model={"child_norm": "batch"})
    double = dataclasses.replace(plain, loop=dataclasses.replace(plain.loop, batch_size=16))
    one, two = lab.step_flops(plain), lab.step_flops(double)
    assert two == {name: 2 * value for name, value in one.items()}
    counts = {}
    head = torch.nn.Conv2d(4, 3, 3, padding=1, bias=False)
    lab._count(counts, "head", head, torch.zeros(8, 4, 32, 32))
    assert counts["head"] == 2 * 8 * 32 * 32 * 3 * 3 * 3 * 4


def test_a_step_of_the_papers_network_is_counted():
    counts = lab.step_flops(PRESETS["cub"])
    assert 1e12 < sum(counts.values()) < 3e12
    # The update of G passes backwards through it, once by its inputs and once by its weights.
    assert counts["update G"] > 2 * counts["draw fakes"]


def test_two_processes_average_to_the_gradient_of_one():
    together = lab.gradients_of_two_processes()
    alone = {norm: lab.gradient(norm, slice(None)) for norm in ("spectral", "batch")}
    assert torch.allclose(together["spectral"], alone["spectral"], rtol=1e-4, atol=1e-5)
    assert alone["spectral"].norm() > 0.1
    far = (together["batch"] - alone["batch"]).norm() / alone["batch"].norm()
    assert far > 0.05
    halves = [lab.gradient("batch", rows) for rows in (slice(0, 8), slice(8, 16))]
    assert torch.allclose(sum(halves) / 2, together["batch"], rtol=1e-4, atol=1e-5)
