"""Signs of a failing training: injected troubles are seen in time, healthy runs raise no alarm."""

import dataclasses
import json
import math

import pytest
import torch

from finegan_lib import families, losses
from finegan_lib.base.checkpoints import load_checkpoint, run_checkpoints, step_of
from finegan_lib.base.errors import TrainingDiverged
from finegan_lib.models import FineGANConfig, GANConfig, LRGANConfig
from finegan_lib.systems import (
    FineGANSystem,
    GANSystem,
    LRGANSystem,
    Recipe,
    SimpleGANSystem,
    descend,
)
from finegan_lib.training import LoopConfig, RunConfig, train
from finegan_lib.training import signs as signs_of
from finegan_lib.training.signs import CURES, LOOK_EVERY, Signs, Symptom

TINY = {"image_size": 32, "z_dim": 3, "g_dim": 4, "d_dim": 4}
FINEGAN = FineGANConfig(
    **TINY, n_parents=2, n_children=4, residual_blocks=1, min_head_channels=4, child_norm="spectral"
)
LR_GAN = LRGANConfig(**TINY, norm="spectral")
HEALTHY = {"D_b": 2.0, "D_c": 1.2, "child": 0.4, "area": 0.0, "area_p": 0.3, "area_c": 0.3}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """ToyBirds drawn once a session, away from the user's own cache."""
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def looks(signs, start, stop, **values):
    """What is said over steps start … stop, as [(step, kind)]."""
    said = []
    for step in range(start, stop + 1):
        if signs.due(step):
            said += [(step, s.kind) for s in signs.look(step, HEALTHY | values)]
    return said


# ------------------------------------------------------------------------------ alone


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("not_finite", {"child": math.nan}),
        ("not_finite", {"D_b": -math.inf}),
        ("exploded", {"child": 3e3}),
        ("exploded", {"child": -3e3}),
        ("masks_empty", {"area_p": 0.001}),
        ("masks_empty", {"area_c": 0.019}),
        ("masks_full", {"area_c": 0.99}),
        ("masks_full", {"area_p": 1.0}),
        ("saturated", {"D_c": 0.0}),
        ("saturated", {"D_b": 0.019}),
    ],
)
def test_every_trouble_is_seen_within_200_steps_once_and_then_present(kind, values):
    signs = Signs("finegan")
    assert looks(signs, 1, 300) == []
    assert signs.healthy_step == 300
    said = looks(signs, 301, 500, **values)
    assert said[0][1] == kind
    assert {k for _, k in said} == {kind}
    assert len(said) == 1 or kind in ("not_finite", "exploded")
    assert signs.present == [kind]
    assert signs.healthy_step == 300
    assert looks(signs, 501, 600) == []
    assert signs.present == []
    assert signs.healthy_step == 600


@pytest.mark.parametrize(
    "values",
    [
        {"D_b": 0.021, "D_c": 0.021},  # sharp, but not sure
        {"area_p": 0.021, "area_c": 0.979},
        {"child": 999.0},
        {"D_c": -5.0},  # no loss of ours: nothing known about it
        {"child": 0.0, "binary": 0.0},  # losses of the generator may well be 0
    ],
)
def test_what_is_within_the_limits_is_no_alarm(values):
    assert looks(Signs("finegan"), 1, 2000, **values) == []


def test_a_trouble_that_passes_is_no_alarm_and_counts_anew():
    signs = Signs("finegan")
    for start in range(0, 1000, 100):
        assert looks(signs, start + 1, start + 80, D_c=0.0) == []
        assert looks(signs, start + 81, start + 100) == []
    said = looks(signs, 1001, 1200, D_c=0.0)
    assert said == [(1120, "saturated")]


def test_two_discriminators_that_take_turns_are_no_saturation():
    signs = Signs("finegan")
    for k in range(40):
        quiet = {"D_b": 0.0} if k % 2 else {"D_c": 0.0}
        assert signs.look(20 * (k + 1), HEALTHY | quiet) == []


def test_a_large_loss_is_only_large_beside_its_usual_size():
    signs = Signs("stackgan")
    assert signs.look(20, {"colour_32": 900.0}) == []
    for step in range(40, 1000, 20):
        assert signs.look(step, {"colour_32": 900.0 + step}) == []  # 1000 and more, but as ever
    assert signs.look(1000, {"colour_32": 1e7}) == []
    assert signs.look(1020, {"colour_32": 1e7}) == []
    (symptom,) = signs.look(1040, {"colour_32": 1e7})
    assert symptom.kind == "exploded"
    assert symptom.fatal


def test_area_is_a_loss_in_finegan_and_a_mask_in_lr_gan():
    assert looks(Signs("finegan"), 1, 400, area=0.0) == []
    assert looks(Signs("lr_gan"), 1, 400, area=0.0) == [(120, "masks_empty")]
    assert looks(Signs("lr_gan"), 1, 400, area=1.0) == [(120, "masks_full")]


def test_every_kind_has_a_cure_in_options_that_exist():
    fields = {f.name for c in (Recipe, FineGANConfig, GANConfig) for f in dataclasses.fields(c)}
    for kind, cure in CURES.items():
        named = {word.strip('(,;:)"').partition("=")[0] for word in cure.split()}
        assert named & fields, kind
    told = {row.key: Symptom("saturated", "", False).message(row.key) for row in families.ROWS}
    for family, cure in told.items():
        plain = family in ("gan", "infogan")  # their steps use no noise
        assert ("d_noise=0.3" in cure) != plain
        assert "slower_d=0.5" in cure and "norm=" in cure
    assert "LR-GAN" in Signs("lr_gan").look(1, {"D": math.nan})[0]._replace(
        kind="masks_full"
    ).message("lr_gan")


# ------------------------------------------------------------------------------ in a run


def run(model, folder, recipe=None, **loop):
    values = {"n_images": 12, "batch_size": 2, "steps": 28, "device": "cpu"}
    values |= {"checkpoint_every": 2, "sample_every": 1000, "log_every": 14} | loop
    config = RunConfig(model, recipe or Recipe(adversarial="hinge"), LoopConfig(**values))
    return train(config, folder, progress=False)


@pytest.fixture
def five_times_as_fast(monkeypatch):
    """all of the numbers of steps divided by 5; the true ones are tested above."""
    monkeypatch.setattr(signs_of, "LOOK_EVERY", LOOK_EVERY // 5)
    monkeypatch.setattr(signs_of, "LASTS", {k: n // 5 for k, n in signs_of.LASTS.items()})


def from_step(monkeypatch, system_class, start, trouble):
    """From a step on, ``trouble(system, report)`` after each: it may return another report."""
    original, done = system_class.step, []

    def step(self, *args):
        done.append(1)
        report = original(self, *args)
        return (trouble(self, report) or report) if len(done) >= start else report

    monkeypatch.setattr(system_class, "step", step)


def with_masks(level):
    """A trouble: a bias of the mask logits so large that every mask is 0, or 1."""

    def trouble(system, report):
        generator = system.generator
        generator.config = dataclasses.replace(generator.config, mask_bias=level)
        return report

    return trouble


def warnings_of(folder):
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return {line["step"]: line["warnings"] for line in lines if "warnings" in line}


@pytest.mark.usefixtures("five_times_as_fast")
@pytest.mark.parametrize(("level", "kind"), [(-30.0, "masks_empty"), (30.0, "masks_full")])
def test_collapsed_masks_of_a_finegan_are_told_and_the_run_goes_on(
    tmp_path, monkeypatch, capsys, level, kind
):
    once = []

    def trouble(system, report):
        return None if once.append(1) or len(once) > 1 else with_masks(level)(system, report)

    from_step(monkeypatch, FineGANSystem, 6, trouble)
    newest = run(FINEGAN, tmp_path)
    assert step_of(newest) == 28
    told = capsys.readouterr().err
    assert told.count("step 28: the parent masks") == 1  # 20 steps after the look at 8
    assert "Likely cure: mask_area=5" in told
    assert f"{newest.parent}/step_00000004.safetensors" in told  # from before the trouble
    assert warnings_of(tmp_path) == {28: [kind]}
    held = [step_of(path) for path in run_checkpoints(newest.parent)]
    assert held == [4, 26, 28]


@pytest.mark.usefixtures("five_times_as_fast")
def test_a_pasted_mask_of_lr_gan_that_vanishes_is_told(tmp_path, monkeypatch, capsys):
    original = LRGANSystem.areas

    def empty(output):
        faded = [
            o._replace(pasted=o.pasted._replace(mask=o.pasted.mask * 0)) for o in output.objects
        ]
        return original(output._replace(objects=faded))

    monkeypatch.setattr(LRGANSystem, "areas", staticmethod(empty))
    run(LR_GAN, tmp_path, steps=24)
    told = capsys.readouterr().err
    assert "step 24: the pasted masks are empty" in told
    assert "no term of LR-GAN's loss" in told


@pytest.mark.usefixtures("five_times_as_fast")
def test_a_discriminator_that_is_sure_of_everything_is_told(tmp_path, monkeypatch, capsys):
    """D_c's logits are pushed apart, from step 6 on, by 60 for real and for generated images."""
    done = []

    def sure(self, batch, fake, generator):
        done.append(1)
        shift = 60.0 if len(done) >= 6 else 0.0
        real = self.d_child.real_fake_logits(batch.child_crop) + shift
        generated = self.d_child.real_fake_logits(fake.child.image.detach()) - shift
        loss = losses.adversarial_losses("hinge")[0](real, generated)
        descend(self.optimisers["D_c"], loss)
        return loss

    monkeypatch.setattr(FineGANSystem, "update_d_child", sure)
    newest = run(FINEGAN, tmp_path)
    told = capsys.readouterr().err
    assert told.count("the discriminator D_c is sure of every image (loss 0.000)") == 1
    assert "step 28:" in told
    assert "slower_d=0.5" in told
    assert [step_of(path) for path in run_checkpoints(newest.parent)] == [4, 26, 28]
    assert load_checkpoint(newest)[1]["healthy"] == 4


@pytest.mark.usefixtures("five_times_as_fast")
@pytest.mark.parametrize(
    "model", [GANConfig(**TINY, norm="spectral"), FINEGAN], ids=["gan", "fine"]
)
def test_an_explosion_stops_the_run_and_names_the_checkpoint_from_before(
    tmp_path, monkeypatch, model
):
    system = GANSystem if isinstance(model, GANConfig) else FineGANSystem
    name = "G" if system is GANSystem else "child"
    from_step(monkeypatch, system, 10, lambda system, report: report | {name: torch.tensor(-4e4)})
    with pytest.raises(TrainingDiverged, match=f"the loss {name} has grown to -4e") as caught:
        run(model, tmp_path, log_every=6)
    assert "at step 20" in str(caught.value)
    assert "step_00000008.safetensors" in str(caught.value)
    assert "learning_rate" in str(caught.value)
    assert step_of(run_checkpoints(tmp_path / "checkpoints")[0]) == 8


@pytest.mark.parametrize(
    ("model", "system", "name"),
    [
        (GANConfig(**TINY, norm="spectral"), GANSystem, "D"),
        (FINEGAN, FineGANSystem, "parent_info"),
        (LR_GAN, SimpleGANSystem, "G"),
    ],
    ids=["gan", "finegan", "lr_gan"],
)
def test_a_loss_that_is_no_number_stops_within_a_look(tmp_path, monkeypatch, model, system, name):
    nan = torch.tensor(math.nan)
    from_step(monkeypatch, system, 21, lambda system, report: report | {name: nan})
    with pytest.raises(TrainingDiverged, match=f"the loss {name} is nan at step {2 * LOOK_EVERY}"):
        run(model, tmp_path, steps=60, log_every=1000, checkpoint_every=10)
    # The injected loss harmed no weight, so the checkpoints up to there are sound.
    assert [step_of(p) for p in run_checkpoints(tmp_path / "checkpoints")] == [20, 30]


def test_the_step_before_a_trouble_is_remembered_over_a_resumption(tmp_path, monkeypatch):
    from_step(monkeypatch, FineGANSystem, 21, lambda s, report: report | {"D_c": torch.zeros(())})
    run(FINEGAN, tmp_path, steps=40, checkpoint_every=10)
    config = RunConfig.load(tmp_path)
    longer = dataclasses.replace(config, loop=dataclasses.replace(config.loop, steps=60))
    newest = train(longer, tmp_path, resume=True, progress=False)
    assert [step_of(path) for path in run_checkpoints(newest.parent)] == [20, 50, 60]
