"""The lesson on training: the bare loop is the trainer's; meters measure what they say."""

import json
import math

import pytest
import torch

from finegan_lib import course, training
from finegan_lib.base.checkpoints import load_checkpoint
from finegan_lib.course.engine.exercises import lesson_exercises
from finegan_lib.data import TrainingExample
from finegan_lib.systems import Recipe, update_average

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
def test_the_share_of_the_initial_weights_is_the_product_of_the_decays(warm):
    shares = lab.initial_share(9, Recipe(ema_decay=0.5, ema_warmup=warm))
    decays = [min(0.5, (1 + n) / (10 + n)) if warm else 0.5 for n in range(1, 10)]
    for n in range(9):
        assert shares[n].item() == pytest.approx(math.prod(decays[: n + 1]), abs=1e-6)


def test_with_batch_norm_one_pass_is_another_verdict_than_two():
    real, fake = torch.rand(2, 4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    apart, together = (
        lab.probe_verdicts(answer, real, fake) for answer in (lab.two_passes, lab.one_pass)
    )
    name = "the logits of the real pictures"
    assert not torch.allclose(apart[name], together[name], atol=1e-2)
    line, curve = (
        lab.company_figure(answer).axes[0].lines[0].get_ydata()
        for answer in (lab.two_passes, lab.one_pass)
    )
    assert max(line) - min(line) < 1e-5
    assert max(curve) - min(curve) > 0.01


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


# ------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize("failure", lab.FAILURES, ids=lambda f: f.name)
def test_a_failure_can_be_trained_and_differs_from_a_healthy_run(failure):
    config = failure.config(1)
    assert config != lab.HEALTHY.config(1)
    system = training.build_system(config)
    assert len(lab.portrait(system.average)) == 4 + 2 * config.model.n_parents
    assert f"**{failure.name}**" in lab.failure_table()


def test_no_cure_solves_the_exercise_below_the_table():
    """The exercise on full masks asks which settings help."""
    (full,) = [f for f in lab.FAILURES if f.name == "masks full"]
    (rescue,) = [e for e in lesson_exercises("08").values() if "masks" in e.title]
    assert rescue.title.endswith("save the masks") and '"save the masks"' in full.cure
    assert not [setting for setting in ("mask_bias", "mask_area") if setting in full.cure]


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
