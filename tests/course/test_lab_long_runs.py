"""The lesson on long runs: accidents end a run as they should, and meters measure what they say."""

import dataclasses
import json

import pytest
import torch

from finegan_lib import course, training
from finegan_lib.base.errors import TrainingDiverged
from finegan_lib.bench import gpu as bench
from finegan_lib.systems import FineGANSystem
from finegan_lib.training.presets import PRESETS

lab = course.lab("long_runs")

SMALL = {"n_images": 12, "batch_size": 4}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """ToyBirds drawn once a session, away from the user's own cache."""
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def test_an_errors_folder_is_left_out(tmp_path):
    error = TrainingDiverged(f"see {tmp_path}/a/b.txt")
    assert lab.first_sentences(error, tmp_path) == "see a/b.txt"


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


def test_only_a_seed_of_every_steps_own_resumes_exactly():
    start = torch.zeros(3)
    for train, exact in ((lab.train_by_step, True), (lab.train_with_one_stream, False)):
        half = train(train(start, 0, 6, 1), 6, 10, 1)
        assert torch.equal(half, train(start, 0, 10, 1)) == exact
        whole, resumed = (line.get_ydata() for line in lab.resumed_figure(train).axes[0].lines)
        assert (list(whole[60:]) == list(resumed)) == exact


def test_a_slow_average_needs_float32():
    live = torch.tensor([1.0] + [2.0] * 2000, dtype=torch.bfloat16)
    assert lab.average_in_float32(live, 0.998).item() == pytest.approx(2 - 0.998**2000, abs=2e-3)
    assert lab.average_as_it_comes(live, 0.998).item() == 1


def test_a_shared_mean_is_the_mean_over_all():
    parts = torch.arange(7.0).split([2, 5])
    means, counts = (torch.tensor([f(p) for p in parts]) for f in (lambda p: p.mean(), len))
    assert lab.shared_mean(means, counts).item() == 3


def test_the_papers_widths_take_more_than_a_night():
    assert lab.night_hours({"g_dim": 64, "d_dim": 64}) == pytest.approx(26.9, abs=0.1)


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


def test_the_bars_are_explained(lesson_text):
    text = lesson_text("long_runs")
    for name in lab.WAYS.values():
        name = name.removeprefix("+ ").split(",")[0]
        assert name[0].upper() + name[1:] in text or name in text.lower(), name
    assert '"Written down plainly" is' in text and '"Channels last" stores' in text


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
    assert counts["update G"] > 2 * counts["generate fakes"]


def test_two_processes_average_to_the_gradient_of_one():
    together = lab.gradients_of_two_processes()
    alone = {norm: lab.gradient(norm, slice(None)) for norm in ("spectral", "batch")}
    assert torch.allclose(together["spectral"], alone["spectral"], rtol=1e-4, atol=1e-5)
    assert alone["spectral"].norm() > 0.1
    far = (together["batch"] - alone["batch"]).norm() / alone["batch"].norm()
    assert far > 0.05
    halves = [lab.gradient("batch", rows) for rows in (slice(0, 8), slice(8, 16))]
    assert torch.allclose(sum(halves) / 2, together["batch"], rtol=1e-4, atol=1e-5)
