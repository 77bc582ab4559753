"""The laboratory of the lesson on long runs: accidents on purpose, and what a step costs.

Training, checkpoints, precision and averaged gradients come from the library. This file causes the
accidents, and measures time and operations.
"""

import dataclasses
import json
import os
import textwrap
import time
from contextlib import contextmanager
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .... import losses
from ....base.checkpoints import load_checkpoint, save_checkpoint
from ....base.files import RESULTS
from ....data import TrainingExample
from ....data.example import background_size
from ....models import FineGANConfig, FineGANGenerator
from ....speed.devices import choose, pick_device
from ....systems import FineGANSystem
from ....training import RunConfig, build_dataset, build_system, hash_seed
from ....training.presets import PRESETS
from ... import style
from ..tiny_finegan import MODEL, averaged, tiny_run  # noqa: F401 (the lesson's)
from .processes import gradient, gradients_of_two_processes  # noqa: F401 (the lesson's)

# ------------------------------------------------------------------------------------- accidents


def first_sentences(error: Exception, folder) -> str:
    """An error's message without the place of a temporary folder, wrapped for reading."""
    return textwrap.fill(str(error).replace(f"{folder}{os.sep}", ""), 96)


@contextmanager
def accident(step: int, deed):
    """A context that calls ``deed(system)`` after the ``step``-th step of every FineGAN."""
    original, taken = FineGANSystem.step, []

    def struck(self, *arguments):
        report = original(self, *arguments)
        taken.append(1)
        if len(taken) == step:
            deed(self)
        return report

    FineGANSystem.step = struck
    try:
        yield
    finally:
        FineGANSystem.step = original


def power_cut(system: FineGANSystem) -> None:
    """The process ends at once and writes nothing more."""
    raise KeyboardInterrupt


@torch.no_grad()
def cosmic_ray(system: FineGANSystem) -> None:
    """Set one weight of the generator to NaN."""
    system.generator.child_image.weight[0, 0, 0, 0] = float("nan")


def same_weights(path_a, path_b) -> bool:
    """Whether two checkpoints hold the same networks, to the last bit."""
    a, b = (load_checkpoint(path)[0]["networks"] for path in (path_a, path_b))
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


def forget_moments(checkpoint, folder, config: RunConfig) -> None:
    """Copy a checkpoint into another run's folder, with new optimisers."""
    state, facts = load_checkpoint(checkpoint)
    fresh = build_system(config).optimisers
    state["optimisers"] = {name: optimiser.state_dict() for name, optimiser in fresh.items()}
    save_checkpoint(Path(folder) / "checkpoints" / Path(checkpoint).name, state, **facts)


# ------------------------------------------------------------------------------------- resuming


def train_by_step(weight: Tensor, first: int, last: int, seed: int) -> Tensor:
    """A training in six lines, (n,) → (n,): the noise of each step has its own seed."""
    for step in range(first, last):
        rng = torch.Generator().manual_seed(hash_seed(seed, step))
        weight = weight - 0.1 * (weight - torch.randn(weight.shape, generator=rng))
    return weight


def train_with_one_stream(weight: Tensor, first: int, last: int, seed: int) -> Tensor:
    """The mistake of an exercise: the random numbers begin again with every start."""
    rng = torch.Generator().manual_seed(seed)
    for _ in range(first, last):
        weight = weight - 0.1 * (weight - torch.randn(weight.shape, generator=rng))
    return weight


def probe_train(answer, weight: Tensor) -> dict:
    """Tests of a function like :func:`train_by_step`: does it resume exactly, and is it random?"""
    whole = answer(weight.clone(), 0, 10, 5)
    if whole is ...:
        return ...

    def noise(seed: int, step: int) -> Tensor:
        """The random numbers of a step, computed from its effect on weights of 0."""
        return answer(torch.zeros_like(weight), step, step + 1, seed) / 0.1

    half = answer(answer(weight.clone(), 0, 6, 5), 6, 10, 5)
    moved = answer(torch.ones_like(weight), 3, 4, 5) - answer(torch.zeros_like(weight), 3, 4, 5)
    same = torch.equal(whole, half)
    seen = {
        "two runs with the same seed": _same(whole, answer(weight.clone(), 0, 10, 5)),
        "how much of a weight is left after a step": moved.mean(),
        "a run, and the same run resumed": "the same" if same else "different",
        "the numbers of two seeds": _same(noise(5, 0), noise(6, 0)),
        "the numbers of two seeds in step 3": _same(noise(5, 3), noise(6, 3)),
        "the numbers of two steps": _same(noise(5, 3), noise(5, 4)),
        "step 0 of seed 6 and step 1 of seed 5": _same(noise(6, 0), noise(5, 1)),
    }
    if not same:
        alone = torch.randn(weight.shape, generator=torch.Generator().manual_seed(5))
        seen["the seed alone"] = _same(noise(5, 0), alone)
    return seen


def _same(a: Tensor, b: Tensor) -> str:
    return "the same" if torch.allclose(a, b, atol=1e-4) else "different"


def resumed_figure(train) -> Figure:
    """One weight over 100 steps: in a whole run, and in a run that was resumed at step 60."""
    start, steps = torch.zeros(1), range(0, 101)
    whole = [train(start, 0, step, 0).item() for step in steps]
    stopped = train(start, 0, 60, 0)
    resumed = [train(stopped, 60, step, 0).item() for step in steps[60:]]
    figure, axis = plt.subplots(figsize=(6.5, 2.6), layout="constrained")
    axis.plot(steps, whole, color=style.REAL, label="whole run")
    axis.plot(steps[60:], resumed, "--", color=style.FAKE, label="resumed at step 60")
    axis.set(xlabel="step", ylabel="weight", title="The same seed, and not the same run")
    axis.legend()
    return figure


# ------------------------------------------------------------------------------------- precision


def average_in_float32(live: Tensor, decay: float) -> Tensor:
    """The running average of a weight's values (steps,), kept in float32: a number ()."""
    average = live[0].float()
    for value in live[1:]:
        average = decay * average + (1 - decay) * value
    return average


def average_as_it_comes(live: Tensor, decay: float) -> Tensor:
    """The mistake of an exercise: the average has the type of the current weight."""
    average = live[0]
    for value in live[1:]:
        average = decay * average + (1 - decay) * value
    return average


def shared_mean(means: Tensor, counts: Tensor) -> Tensor:
    """The mean over all patches, (), from the processes' means (P,) and their numbers of patches
    (P,)."""
    return (means * counts).sum() / counts.sum()


# ------------------------------------------------------------------------------------- GPU


def autocast_dtypes(config: FineGANConfig, device: str = "cpu") -> dict[str, str]:
    """What a generator's layers return under bfloat16 autocast: kind of layer → dtype."""
    generator, found = FineGANGenerator(config).to(device), {}

    def note(layer, _, output):
        found[type(layer).__name__] = str(output.dtype).removeprefix("torch.")

    kinds = (nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d)
    for layer in generator.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(note)
    codes = config.hierarchy().sample(2, config.z_dim).to(device)
    with torch.autocast(device, torch.bfloat16):
        image = generator(codes).child.image
    weight = next(generator.parameters())
    found |= {"image C": image.dtype, "weights": weight.dtype}
    found["loss"] = losses.hinge_generator_loss(image).dtype
    return {name: str(dtype).removeprefix("torch.") for name, dtype in found.items()}


def step_seconds(config: RunConfig, precision: str, device: str = "auto", steps: int = 4) -> float:
    """Seconds of one training step on the device: the fastest of some steps, after a few warm-up
    steps.

    Args:
        config: of a FineGAN run on ToyBirds.
        precision: "fp32" or "bf16", as the option of the same name.
    """
    device = pick_device(device)
    execution = choose(device, precision=precision)
    system, data = build_system(config).to(device), build_dataset(config, progress=False)
    execution.prepare(system)
    batch = execution.move(TrainingExample(*data.batch(range(config.loop.batch_size))))
    seconds, warm_up = [], max(2, execution.warm_up)
    for step in range(steps + warm_up):
        start = _now(device)
        with execution.autocast():
            system.step(batch, torch.Generator().manual_seed(step))
        seconds.append(_now(device) - start)
    return min(seconds[warm_up:])


def _now(device: torch.device) -> float:
    if device.type == "cuda":  # a GPU works asynchronously: wait for it
        torch.cuda.synchronize(device)
    return time.monotonic()


# Readable names of bench.GPU_WAYS, for the bars of gpu_figure.
WAYS = {
    "plain": "written down plainly",
    "float32": "this library, float32",
    "TF32": "+ TF32",
    "bfloat16": "+ bfloat16",
    "bfloat16, channels_last": "+ channels last",
    "auto": "+ recorded",
}


def gpu_figure() -> Figure:
    """What ``bench gpu`` measured: milliseconds of a step, with one more option of speed in each
    row."""
    measured = _measured("gpu")
    figure, axes = plt.subplots(1, 3, figsize=(10, 2.7), layout="constrained", sharey=True)
    for axis, (size, result) in zip(axes, measured["sizes"].items(), strict=True):
        milliseconds = [1000 * result["step_s"][way] for way in WAYS]
        bars = axis.barh(list(WAYS.values()), milliseconds, color=style.SKY)
        bars[0].set_color(style.GREY)
        bars[-1].set_color(style.REAL)
        axis.bar_label(bars, [f"{ms:.0f}" for ms in milliseconds], padding=2)
        axis.set(title=f"{size} pixels", xlabel="ms a step", xlim=(0, 1.15 * max(milliseconds)))
    axes[0].invert_yaxis()
    figure.suptitle(f"A training step on an {measured['device'].split()[1]}, measured")
    return figure


def sustained_speeds() -> dict[str, float]:
    """TFLOP/s of whole training steps at the paper's sizes, from the results of ``bench``."""
    paper = _measured("gpu-model")
    speeds = {"2 CPU cores": _measured("step")["sizes"]["128"]["fast_gflop_per_s"] / 1000}
    for card in ("T4", "A100"):
        speeds[f"{card} (estimate)"] = 1000 * paper["step_tflop"] / paper["cards"][card]["step_ms"]
    return speeds | {
        "H100": paper["step_tflop"] / _measured("gpu")["sizes"]["128"]["step_s"]["auto"]
    }


def _measured(what: str) -> dict:
    return json.loads((RESULTS / f"bench_{what.replace('-', '_')}.json").read_text())


def night_hours(widths: dict[str, int]) -> float:
    """Hours of the preset ``cub`` with other widths (``g_dim``, ``d_dim``) on a T4, estimated."""
    plan = PRESETS["cub"]
    plan = dataclasses.replace(plan, model=dataclasses.replace(plan.model, **widths))
    tflop = sum(step_flops(plan).values()) / 1e12
    return tflop * plan.loop.steps / sustained_speeds()["T4 (estimate)"] / 3600


class _Still:
    """An optimiser that does not change the weights, because meta tensors have no values."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        pass

    def step(self) -> None:
        pass


def step_flops(config: RunConfig) -> dict[str, float]:
    """Floating-point operations of one FineGAN training step (a multiply-add counts as two).

    The meta device counts them; its tensors have shapes but no values. It counts convolutions and
    matrix products, forward and backward, but neither BatchNorm nor Adam.
    """
    n, size = config.loop.batch_size, config.model.image_size
    with torch.device("meta"):
        system = FineGANSystem(config.model, config.recipe)
        crops, whole = (
            torch.empty(n, 3, size, size),
            torch.empty(n, 3, *2 * [background_size(size)]),
        )
        batch = TrainingExample(crops, whole, torch.empty(n, 4), torch.empty(n, dtype=torch.long))
    system.hierarchy = config.model.hierarchy()
    system.optimisers = {name: _Still() for name in system.optimisers}
    rng = torch.Generator().manual_seed(0)
    codes, counts = system.sample_codes(n, rng).to("meta"), {}
    fake = _count(counts, "generate fakes", system.generator, codes)
    _count(counts, "update D_b", system.update_d_background, batch, fake)
    _count(counts, "update D_c", system.update_d_child, batch, fake, rng)
    _count(counts, "update G", system.update_generator, fake, codes, rng)
    return counts


def _count(counts: dict, name: str, function, *arguments):
    with FlopCounterMode(display=False) as counter:
        result = function(*arguments)
    counts[name] = float(counter.get_total_flops())
    return result
