"""The training loop: bit for bit resumption, bookkeeping, divergence, starting from weights."""

import dataclasses
import json
import math
import shutil
from itertools import chain
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from finegan_lib import families
from finegan_lib.base.checkpoints import load_checkpoint, save_checkpoint
from finegan_lib.base.errors import InputError, TrainingDiverged
from finegan_lib.data import ToyBirds
from finegan_lib.data.kept_out import is_kept_out
from finegan_lib.models import FineGANConfig, GANConfig, InfoGANConfig
from finegan_lib.speed.devices import Execution, pick_device
from finegan_lib.systems import FineGANSystem, GANSystem, Recipe
from finegan_lib.systems.recipe import HELD
from finegan_lib.training import (
    LoopConfig,
    RunConfig,
    StepSampler,
    build_dataset,
    build_system,
    hash_seed,
    train,
)
from finegan_lib.training.build import trained_crops
from finegan_lib.training.export import export
from finegan_lib.training.loop import rate_factor
from finegan_lib.training.run import _some_crops

TINY = {"image_size": 32, "z_dim": 3, "g_dim": 4, "d_dim": 4}
MODELS = {
    "gan": GANConfig(**TINY, norm="spectral"),
    "infogan": InfoGANConfig(**TINY, n_categories=3, n_continuous=1),
    "finegan": FineGANConfig(
        **TINY,
        n_parents=2,
        n_children=4,
        residual_blocks=1,
        child_norm="spectral",
        background_gain=2.0,
        parent_gain=1.5,
        view=True,
    ),
}
# Additions to the paper's recipe: each draws random numbers of its own.
RECIPE = Recipe(
    adversarial="hinge",
    slower_d=0.5,
    ema_decay=0.9,
    ema_warmup=True,
    ema_buffers=True,
    free_background=True,
    free_child=0.25,
    mask_lean=1.0,
    pose_info=0.1,
    pose_dims=2,
    hard_pool=2,
    mask_pull=1.0,
    mask_binary=1.0,
    mask_area=1.0,
    code_noise=0.1,
    code_colour=0.1,
    code_flip=True,
    code_affine=0.2,
    silhouette=0.5,
)
EVERY_STEP = {"log_every": 1, "checkpoint_every": 1, "sample_every": 100, "keep": 50}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """ToyBirds drawn once a session, away from the user's own cache."""
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def folder_of_birds(tmp_path_factory):
    """10 birds in CUB's layout."""
    folder = tmp_path_factory.mktemp("cub")
    hidden = tmp_path_factory.mktemp("hidden")
    birds = ToyBirds(10, n_parents=2, n_children=4, cache_dir=hidden, progress=False)
    birds.write_cub(folder, progress=False)
    return folder


def tiny(family="gan", recipe=None, **loop):
    """A run of 5 steps (an epoch has 3) on 12 birds."""
    unused = families.named(family).system.unused
    recipe = recipe or dataclasses.replace(RECIPE, **{n: getattr(Recipe, n) for n in unused})
    values = {"n_images": 12, "batch_size": 4, "steps": 5, "device": "cpu"} | loop
    return RunConfig(MODELS[family], recipe, LoopConfig(**values))


def go(config, folder, resume=False):
    return train(config, folder, resume=resume, progress=False)


def flat(node, path=""):
    """Every leaf of a nested state by its path."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    leaves = {}
    for key, value in pairs:
        here = f"{path}/{key}"
        leaves |= flat(value, here) if isinstance(value, dict | list) else {here: value}
    return leaves


def differing(path_a, path_b):
    """Paths of the leaves in which two checkpoints differ, to the last bit."""
    a, b = (flat(load_checkpoint(path)[0]) for path in (path_a, path_b))
    assert a.keys() == b.keys()
    same = {k: a[k].equal(b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k] for k in a}
    return [key for key in a if not same[key]]


def history(folder):
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def losses_by_step(folder):
    """History lines without what depends on the clock."""
    clock = ("seconds", "images_per_s")
    return [{k: v for k, v in line.items() if k not in clock} for line in history(folder)]


def stop_after(monkeypatch, system_class, step):
    """From the given step on every step raises, as if the process had been killed there."""
    original = system_class.step
    done = []

    def killed(self, *args):
        if len(done) == step:
            raise KeyboardInterrupt
        done.append(1)
        return original(self, *args)

    monkeypatch.setattr(system_class, "step", killed)


@pytest.mark.parametrize("family", ["gan", "infogan"])
def test_hard_negatives_are_for_finegan(family):
    with pytest.raises(InputError, match="only FineGAN has a phase of hard negatives"):
        tiny(family, hard_steps=2)


# ------------------------------------------------------------------------------ resume


@pytest.mark.parametrize("family", ["gan", "infogan", "finegan"])
def test_a_resumed_run_equals_an_uninterrupted_one(family, tmp_path):
    """Stopped in the first epoch (of 3 steps), before the hard-negative phase, and in it."""
    hard = 4 if family == "finegan" else 0
    whole = tiny(family, steps=8 - hard, hard_steps=hard, **EVERY_STEP)
    expected = go(whole, tmp_path / "whole")
    for stop in (2, 6):
        steps = min(stop, whole.loop.steps)
        loop = dataclasses.replace(whole.loop, steps=steps, hard_steps=stop - steps)
        folder = tmp_path / f"stopped_{stop}"
        go(dataclasses.replace(whole, loop=loop), folder)
        found = go(whole, folder, resume=True)
        assert found.name == expected.name == "step_00000008.safetensors"
        assert differing(expected, found) == []
        assert losses_by_step(folder) == losses_by_step(tmp_path / "whole")
    networks = load_checkpoint(expected)[0]["networks"]
    assert any(name.startswith("average.") for name in networks)


def test_a_resumed_run_keeps_its_memory_format(tmp_path):
    """A checkpoint holds plain arrays; Adam's moments must lie in memory as their weights do."""
    whole = tiny("finegan", steps=4, memory_format="channels_last", **EVERY_STEP)
    expected = go(whole, tmp_path / "whole")
    half = dataclasses.replace(whole, loop=dataclasses.replace(whole.loop, steps=2))
    go(half, tmp_path / "stopped")
    assert differing(expected, go(whole, tmp_path / "stopped", resume=True)) == []


def test_a_resumed_run_keeps_the_factor_of_its_losses(tmp_path, monkeypatch):
    """In float16 the losses are multiplied by a factor, which grows while nothing overflows."""
    prepare = Execution.prepare

    def scaled(self, system, *args):
        prepare(self, system, *args)
        for optimiser in system.optimisers.values():
            optimiser.scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=2)

    monkeypatch.setattr(Execution, "prepare", scaled)
    whole = tiny(steps=5, **EVERY_STEP)
    expected = go(whole, tmp_path / "whole")
    go(dataclasses.replace(whole, loop=dataclasses.replace(whole.loop, steps=3)), tmp_path / "half")
    assert differing(expected, go(whole, tmp_path / "half", resume=True)) == []
    assert load_checkpoint(expected)[0]["scalers"]["G"]["scale"] == 16.0  # grown twice


def test_a_killed_run_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    """Killed at step 7, the checkpoint is of step 4: steps 5 to 7 are done and logged again."""
    recipe = dataclasses.replace(RECIPE, final_decay=0.8, d_noise=0.3)
    config = tiny("finegan", recipe, steps=9, log_every=1, checkpoint_every=4, sample_every=3)
    expected = go(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_after(patch, FineGANSystem, 7)
        with pytest.raises(KeyboardInterrupt):
            go(config, tmp_path / "killed")
    assert [line["step"] for line in history(tmp_path / "killed")] == [1, 2, 3, 4, 5, 6, 7]
    with open(tmp_path / "killed" / "history.jsonl", "a") as file:
        file.write('{"step": 8, "secon')  # cut off in the middle of a line
    found = go(config, tmp_path / "killed", resume=True)
    assert differing(expected, found) == []
    assert losses_by_step(tmp_path / "killed") == losses_by_step(tmp_path / "whole")
    for name in ("step_00000003.png", "step_00000006.png", "step_00000009.png"):
        pictures = [Image.open(tmp_path / run / "samples" / name) for run in ("whole", "killed")]
        assert pictures[0].tobytes() == pictures[1].tobytes()


def test_step_sizes_fall_to_zero_at_the_end(tmp_path, monkeypatch):
    assert [rate_factor(step, 10, 0.5) for step in (0, 4, 5, 7, 9)] == [1, 1, 1, 0.6, 0.2]
    assert rate_factor(9, 10, 0.0) == 1.0
    seen, original = [], GANSystem.step

    def watched(self, *args):
        seen.append([o.param_groups[0]["lr"] for o in self.optimisers.values()])
        return original(self, *args)

    monkeypatch.setattr(GANSystem, "step", watched)
    recipe = Recipe(learning_rate=0.01, slower_d=0.5, final_decay=0.5)
    go(tiny("gan", recipe, steps=4), tmp_path / "run")
    assert torch.allclose(
        torch.tensor(seen),
        torch.tensor([[0.01, 0.005], [0.01, 0.005], [0.01, 0.005], [0.005, 0.0025]]),
    )


def test_noise_falls_to_zero_over_the_run(tmp_path, monkeypatch):
    seen, original = [], FineGANSystem.step

    def watched(self, *args):
        seen.append(self.noise_sd)
        return original(self, *args)

    monkeypatch.setattr(FineGANSystem, "step", watched)
    go(tiny("finegan", Recipe(d_noise=0.4), steps=4), tmp_path / "run")
    assert seen == pytest.approx([0.4, 0.3, 0.2, 0.1])


def test_bf16_trains_and_keeps_float32_weights(tmp_path):
    found = go(tiny("finegan", steps=2, precision="bf16"), tmp_path / "run")
    networks = load_checkpoint(found)[0]["networks"]
    assert {value.dtype for value in networks.values()} <= {torch.float32, torch.int64}


def test_a_run_killed_before_its_first_checkpoint_starts_again(tmp_path, monkeypatch):
    config = tiny(log_every=1, checkpoint_every=100)
    expected = go(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_after(patch, GANSystem, 3)
        with pytest.raises(KeyboardInterrupt):
            go(config, tmp_path / "killed")
    found = go(config, tmp_path / "killed", resume=True)
    assert differing(expected, found) == []
    assert [line["step"] for line in history(tmp_path / "killed")] == [1, 2, 3, 4, 5]


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    config = tiny(log_every=1)
    newest = go(config, tmp_path)
    before = newest.read_bytes(), history(tmp_path)
    assert go(config, tmp_path, resume=True) == newest
    assert (newest.read_bytes(), history(tmp_path)) == before


def test_the_seed_decides(tmp_path):
    first = go(tiny("finegan"), tmp_path / "a")
    assert differing(first, go(tiny("finegan"), tmp_path / "b")) == []
    other = differing(first, go(tiny("finegan", seed=1), tmp_path / "c"))
    assert "/networks/generator.child_image.weight" in other


def test_the_seed_decides_codes_and_order_too(tmp_path, monkeypatch):
    seen = {}

    def watched(self, batch, generator, hard):
        seen.setdefault(seed, []).append((generator.initial_seed(), tuple(batch.index.tolist())))
        return {"D": torch.zeros(())}

    monkeypatch.setattr(GANSystem, "step", watched)
    for seed in (0, 1):
        go(tiny(seed=seed), tmp_path / str(seed))
    codes, order = zip(*seen[0], *seen[1], strict=True)
    assert len(set(codes)) == len(codes) == 10
    assert len(set(order)) == len(order)


def test_workers_change_nothing(tmp_path):
    first = go(tiny(steps=2), tmp_path / "a")
    assert differing(first, go(tiny(steps=2, workers=2), tmp_path / "b")) == []


def test_hard_negatives_are_drawn_in_every_second_step_of_their_phase(tmp_path, monkeypatch):
    seen = []
    original = FineGANSystem.step
    monkeypatch.setattr(
        FineGANSystem, "step", lambda self, *args: (seen.append(args[2]), original(self, *args))[1]
    )
    go(tiny("finegan", steps=3, hard_steps=4), tmp_path)
    assert seen == [False, False, False, False, True, False, True]


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": {"learning_rate": 0.5}},
        {"model": {"g_dim": 8}},
        {"loop": {"seed": 7}},
        {"loop": {"n_images": 16}},
    ],
)
def test_a_resumed_run_must_be_the_same(tmp_path, change):
    config = tiny(steps=1)
    go(config, tmp_path)
    ((part, values),) = change.items()
    changed = dataclasses.replace(
        config, **{part: dataclasses.replace(getattr(config, part), **values)}
    )
    ((name, value),) = values.items()
    with pytest.raises(InputError, match=f"keep its {name} .*got {name}={value}"):
        go(changed, tmp_path, resume=True)
    assert json.loads((tmp_path / "config.json").read_text()) == json.loads(
        json.dumps(config.to_dict())
    )


def test_a_resumed_run_must_be_of_the_same_family(tmp_path):
    go(tiny(steps=1), tmp_path)
    with pytest.raises(InputError, match=r"keep its family \(gan\); got infogan"):
        go(tiny("infogan", steps=1), tmp_path, resume=True)


def test_a_folder_with_a_run_is_refused(tmp_path):
    newest = go(tiny(steps=1), tmp_path)
    before = newest.read_bytes()
    with pytest.raises(InputError, match=r"already holds a run.*--resume"):
        go(tiny(steps=1), tmp_path)
    assert newest.read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"family": "vae"}'])
def test_a_damaged_configuration_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="configuration"):
        go(tiny(), tmp_path, resume=True)


# ------------------------------------------------------------------------------ bookkeeping


def test_the_limit_of_minutes_stops_and_leaves_a_checkpoint(tmp_path, monkeypatch):
    """The clock is the test's: every step takes 30 s."""
    clock = [1000.0]
    monkeypatch.setattr("finegan_lib.training.run.time.monotonic", lambda: clock[0])
    original = GANSystem.step

    def slow(self, *args):
        clock[0] += 30
        return original(self, *args)

    monkeypatch.setattr(GANSystem, "step", slow)
    config = tiny(steps=100, minutes=2.0)
    newest = go(config, tmp_path)
    assert newest.name == "step_00000004.safetensors"
    assert load_checkpoint(newest)[1]["seconds"] == 120
    assert go(config, tmp_path, resume=True) == newest  # its time is up: not one step more
    longer = dataclasses.replace(config, loop=dataclasses.replace(config.loop, minutes=3.0))
    assert go(longer, tmp_path, resume=True).name == "step_00000006.safetensors"


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    newest = go(tiny(steps=5, checkpoint_every=1, keep=2), tmp_path)
    names = sorted(path.name for path in newest.parent.iterdir())
    assert names == ["step_00000004.safetensors", "step_00000005.safetensors"]


def test_history_pictures_and_tensorboard_are_written(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    go(tiny("finegan", steps=4, log_every=2, sample_every=2), tmp_path)
    lines = history(tmp_path)
    assert [line["step"] for line in lines] == [2, 4]
    losses = {"D_b", "D_c", "area_p", "area_c", "pull", "binary", "area", "images_per_s"}
    assert losses <= lines[0].keys()
    for step in (2, 4):
        picture = Image.open(tmp_path / "samples" / f"step_{step:08d}.png")
        assert picture.width == 4 * 33 + 1  # one column per child, a pixel between
        assert len(set(picture.tobytes())) > 20
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0}).Reload()
    assert [event.step for event in events.Scalars("D_c")] == [2, 4]
    assert events.Scalars("D_c")[1].value == pytest.approx(lines[1]["D_c"], abs=1e-4)
    assert [event.step for event in events.Images("samples")] == [2, 4]


def test_every_epoch_shows_every_image_once_in_a_new_order():
    sampler = StepSampler(12, 4, seed=0, start=0, stop=6)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 6
    epochs = [list(chain(*batches[:3])), list(chain(*batches[3:]))]
    for number, epoch in enumerate(epochs):
        assert sorted(epoch) == [(i, number) for i in range(12)]
    assert [i for i, _ in epochs[0]] != [i for i, _ in epochs[1]]
    assert list(StepSampler(12, 4, seed=0, start=4, stop=6)) == batches[4:]
    assert list(StepSampler(12, 4, seed=1, start=0, stop=6)) != batches
    assert len(StepSampler(12, 4, seed=0, start=8, stop=6)) == 0


def test_the_last_incomplete_batch_is_left_out():
    epoch = list(chain(*StepSampler(10, 4, seed=0, start=0, stop=2)))
    assert len({i for i, _ in epoch}) == 8
    assert {draw for _, draw in epoch} == {0}


def test_hash_seed_tells_neighbours_apart():
    seeds = {hash_seed(a, b, c) for a in range(20) for b in range(20) for c in range(3)}
    assert len(seeds) == 1200
    assert all(0 <= seed < 2**63 for seed in seeds)
    bits = torch.tensor([[seed >> k & 1 for k in range(63)] for seed in seeds]).float().mean(0)
    assert (bits - 0.5).abs().max() < 0.1


def test_settings_that_make_no_sense_are_refused():
    for name in ("batch_size", "log_every", "sample_every", "checkpoint_every", "keep"):
        with pytest.raises(InputError, match=f"{name} must be at least"):
            LoopConfig(**{name: 0})
    with pytest.raises(InputError, match="minutes"):
        LoopConfig(minutes=math.nan)
    with pytest.raises(InputError, match="device"):
        pick_device("abacus")


# ------------------------------------------------------------------------------ divergence


def poison(monkeypatch, step, module="generator", value=math.nan):
    """The update of the given step leaves a NaN in one weight; the step's losses are fine."""
    original = FineGANSystem.step
    done = []

    def poisoned(self, *args):
        report = original(self, *args)
        done.append(1)
        if len(done) == step:
            with torch.no_grad():
                next(getattr(self, module).parameters()).view(-1)[0] = value
        return report

    monkeypatch.setattr(FineGANSystem, "step", poisoned)


@pytest.mark.parametrize(
    ("at", "log_every", "checkpoint_every"),
    [
        (4, 1, 4),  # the poisoned step's own checkpoint is due, and its losses are finite
        (5, 100, 2),  # a checkpoint is due long before the losses are looked at
        (5, 1, 4),  # the losses are looked at first
        (9, 100, 4),  # only the last checkpoint would be bad
    ],
)
def test_no_checkpoint_is_written_from_weights_that_are_not_numbers(
    tmp_path, monkeypatch, at, log_every, checkpoint_every
):
    poison(monkeypatch, at)
    config = tiny("finegan", steps=9, log_every=log_every, checkpoint_every=checkpoint_every)
    with pytest.raises(TrainingDiverged) as caught:
        go(config, tmp_path)
    left = sorted((tmp_path / "checkpoints").glob("*"))
    good = list(range(checkpoint_every, at, checkpoint_every))
    assert [path.name for path in left] == [f"step_{k:08d}.safetensors" for k in good[-2:]]
    assert "\n" not in str(caught.value)
    assert (str(left[-1]) if left else "no good checkpoint") in str(caught.value)
    assert "learning_rate" in str(caught.value)
    for path in left:
        leaves = flat(load_checkpoint(path)[0]).values()
        assert all(x.isfinite().all() for x in leaves if isinstance(x, torch.Tensor))


@pytest.mark.parametrize("module", ["d_background", "d_parent", "d_child", "average"])
def test_a_bad_weight_in_any_network_is_found(tmp_path, monkeypatch, module):
    poison(monkeypatch, 2, module, math.inf)
    with pytest.raises(TrainingDiverged, match=f"{module}.* at step 2"):
        go(tiny("finegan", steps=4, checkpoint_every=1), tmp_path)


# ------------------------------------------------------------------------------ start_from


def weights(path, prefix=""):
    networks = load_checkpoint(path)[0]["networks"]
    return {k: v for k, v in networks.items() if k.startswith(prefix)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A FineGAN of 3 steps."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return go(tiny("finegan", steps=3), folder)


def test_a_run_starts_from_all_networks_of_a_checkpoint(trained, tmp_path):
    config = tiny("finegan", steps=0, start_from=str(trained), seed=5)
    started = load_checkpoint(go(config, tmp_path))[0]
    expected = weights(trained)
    assert started["networks"].keys() == expected.keys()
    assert all(started["networks"][k].equal(expected[k]) for k in expected)
    assert started["optimisers"]["G"]["state"] == {}


def test_a_system_is_that_of_its_seed_and_leaves_the_callers_random_numbers_alone():
    config, before = tiny("gan"), torch.get_rng_state()
    one, same = build_system(config).state_dict(), build_system(config).state_dict()
    assert torch.get_rng_state().equal(before)
    assert all(value.equal(same[name]) for name, value in one.items())


def test_a_run_starts_from_an_exported_generator(trained, tmp_path):
    export(trained, tmp_path / "small.safetensors")
    config = tiny("finegan", steps=0, start_from=str(tmp_path / "small.safetensors"))
    started = weights(go(config, tmp_path / "run"))
    fresh = build_system(config).state_dict()
    for name, expected in weights(trained, "average.").items():
        name = name.removeprefix("average.")
        assert started[f"generator.{name}"].equal(expected)
        assert started[f"average.{name}"].equal(expected)
    assert started["d_parent.trunk.0.weight"].equal(fresh["d_parent.trunk.0.weight"])


def test_a_resumed_run_does_not_start_over(trained, tmp_path):
    config = tiny("finegan", steps=2, start_from=str(trained))
    go(config, tmp_path)
    longer = dataclasses.replace(config, loop=dataclasses.replace(config.loop, steps=3))
    found = go(longer, tmp_path, resume=True)
    assert differing(found, go(longer, tmp_path / "whole")) == []


@pytest.mark.parametrize("exported", [False, True])
def test_other_sizes_are_named(trained, tmp_path, exported):
    path = trained
    if exported:
        path = export(trained, tmp_path / "small.safetensors")
    config = tiny("finegan", start_from=str(path))
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, n_children=6))
    with pytest.raises(InputError, match=r"other sizes; got n_children=4 in .*, n_children=6 to"):
        go(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()  # the folder is free for the corrected command


@pytest.mark.parametrize(
    ("option", "here", "wanted"),
    [("augment_target", "0.0", 0.5), ("contrastive_child", "0.0", 1.0), ("pose_dims", "2", 1)],
)
def test_other_switches_are_named(trained, tmp_path, option, here, wanted):
    """The sizes are equal; the switch decides what a checkpoint holds beside the networks."""
    recipe = dataclasses.replace(RECIPE, **{option: wanted})
    config = tiny("finegan", recipe, steps=0, start_from=str(trained))
    with pytest.raises(InputError) as error:
        go(config, tmp_path / "run")
    assert "was trained with other switches" in str(error.value)
    assert f"got {option}={here} in {trained}, {option}={wanted} to train" in str(error.value)
    assert "sizes" not in str(error.value) and "state_dict" not in str(error.value)
    exported = export(trained, tmp_path / "small.safetensors")  # the cure works
    loop = dataclasses.replace(config.loop, start_from=str(exported))
    go(dataclasses.replace(config, loop=loop), tmp_path / "run")


def test_the_switches_that_change_what_a_checkpoint_holds_are_listed():
    """Every other switch of the recipe leaves the names and sizes of the weights as they are."""
    on = {"adversarial": "bce", "augment": ("colour",), "pose_dims": 1}
    on |= dict.fromkeys(("restart_at", "lead_children", "lead_parents"), (0.5,))

    def held(recipe):
        state = build_system(tiny("finegan", recipe)).state_dict()
        return {name: value.shape for name, value in state.items()}

    usual, changing = held(RECIPE), set()
    assert not {*FineGANSystem.unused} & {*HELD}
    for field in dataclasses.fields(Recipe):
        if field.name in FineGANSystem.unused:  # refused
            continue
        value = getattr(RECIPE, field.name)
        other = on.get(field.name, not value if field.type is bool else 1 - bool(value))
        with_it = {"child_restart": 0.3} if field.name == "restart_at" else {}
        try:
            recipe = dataclasses.replace(RECIPE, **{field.name: other}, **with_it)
        except InputError:  # a value that this switch cannot have: half of it can
            recipe = dataclasses.replace(RECIPE, **{field.name: value / 2 or 0.5})
        if held(recipe) != usual:
            changing.add(field.name)
    assert changing == set(HELD)


def test_another_family_or_file_to_start_from_is_refused(trained, tmp_path):
    with pytest.raises(InputError, match="family finegan; got gan"):
        go(tiny("gan", start_from=str(trained)), tmp_path / "run")
    with pytest.raises(InputError, match="no such checkpoint; got nowhere"):
        go(tiny("gan", start_from="nowhere"), tmp_path / "run")
    other = save_checkpoint(tmp_path / "other.safetensors", {"weights": torch.ones(2)})
    with pytest.raises(InputError, match="not the configuration of a run"):
        go(tiny("gan", start_from=str(other)), tmp_path / "run")


# ------------------------------------------------------------------------------ folders


def on_folder(folder, **loop):
    return tiny("finegan", data=str(folder), **{"steps": 3, **loop})


def test_a_folder_in_cubs_layout_trains(folder_of_birds, tmp_path):
    found = go(on_folder(folder_of_birds), tmp_path / "a")
    assert found.name == "step_00000003.safetensors"
    assert differing(found, go(on_folder(folder_of_birds, workers=2), tmp_path / "b")) == []


def test_crop_and_full_scale_reach_the_folder(folder_of_birds):
    plain = build_dataset(on_folder(folder_of_birds))
    assert (plain.crop_scale, plain.full_scale) == (1.5, 76 / 64)
    other = build_dataset(on_folder(folder_of_birds, crop_scale=1.2, full_scale=1.75))
    assert (other.crop_scale, other.full_scale) == (1.2, 1.75)
    assert not plain[0].child_crop.equal(other[0].child_crop)
    with pytest.raises(InputError, match="full_scale"):
        build_dataset(on_folder(folder_of_birds, full_scale=0.5))


def test_fewer_images_than_a_batch_are_refused_before_the_folder_is_taken(
    folder_of_birds, tmp_path
):
    with pytest.raises(InputError, match="10 images for batch_size=16"):
        go(on_folder(folder_of_birds, batch_size=16), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_image_is_named(folder_of_birds, tmp_path, workers):
    """Also from a worker process: one line, without the worker's traceback."""
    shutil.copytree(folder_of_birds, tmp_path / "birds")
    for image in (tmp_path / "birds").glob("images/*/*.jpg"):
        image.write_bytes(image.read_bytes()[:-400])
    with pytest.raises(InputError) as caught:
        go(on_folder(tmp_path / "birds", workers=workers), tmp_path / "run")
    assert str(caught.value).startswith(f"cannot read the image {tmp_path}")
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------ looking at images


def test_crops_of_a_folder_are_evenly_spread_over_what_was_trained_on(folder_of_birds):
    config = tiny("finegan", data=str(folder_of_birds), keep_out=0.4)
    birds, crops = trained_crops(config, 3, progress=False)
    rows = [i for i, path in enumerate(birds.paths) if not is_kept_out(path.name, 0.4)]
    assert 3 < len(rows) < 10
    chosen = [rows[0], rows[(len(rows) - 1) // 2], rows[-1]]
    assert crops.equal(birds.evaluation_crops(chosen))
    assert len(trained_crops(config, 99, progress=False)[1]) == len(rows)
    assert len(trained_crops(config, -1, progress=False)[1]) == 0


def test_crops_of_toybirds_are_the_first_ones():
    birds, crops = trained_crops(tiny("finegan"), 5, progress=False)
    assert crops.equal(birds.evaluation_crops(range(5)))


def test_crops_of_a_folder_that_is_gone_or_elsewhere(folder_of_birds, tmp_path):
    config = tiny("finegan", data=str(tmp_path / "gone"))
    with pytest.raises(InputError, match="--data FOLDER"):
        trained_crops(config, 3, progress=False)
    assert len(trained_crops(config, 3, folder_of_birds, progress=False)[1]) == 3


@pytest.mark.parametrize(("n", "most"), [(10_609, 3000), (64, 64), (100, 64), (5, 64), (7, 1)])
def test_crops_looked_at_in_training_reach_from_the_first_to_the_last(n, most):
    class Numbers:
        """A data set whose crops are their own numbers."""

        def __len__(self):
            return n

        def __getitem__(self, i):
            return SimpleNamespace(child_crop=torch.tensor(range(n)[i]))

    seen = _some_crops(Numbers(), most)
    assert len(seen) == min(n, most) == len(seen.unique())
    assert seen[0] == 0 and (most == 1 or seen[-1] == n - 1)
    assert most == 1 or seen.diff().max() - seen.diff().min() <= 1
