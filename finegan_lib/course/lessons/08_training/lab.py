"""The laboratory of the lesson on training: small FineGANs, runs that go wrong on purpose, meters.

Networks, losses and updates are the library's. Here are only the sizes that make them quick, the
loop of :func:`finegan_lib.training.train` without its folder, and what reads a run afterwards.
"""

import copy
import dataclasses
import inspect
import itertools
import json
import os
import textwrap
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .... import losses
from ....base.checkpoints import load_checkpoint, save_checkpoint
from ....base.files import RESULTS
from ....codes import Codes
from ....data import TrainingExample
from ....data.example import background_size
from ....figures import draw
from ....models import FineGANConfig, FineGANGenerator
from ....speed.devices import choose, pick_device
from ....systems import FineGANSystem, Recipe, follow
from ....training import (
    LoopConfig,
    RunConfig,
    anneal,
    build_dataset,
    build_system,
)
from ....training.presets import PRESETS
from ... import style
from ..shared_lab import seeded_batches
from .processes import gradient, gradients_of_two_processes  # noqa: F401 (the lesson's)

# ------------------------------------------------------------------------------------- tiny runs


# As the preset "toy" was when the runs of this lesson were chosen, and smaller. Its own values, so
# that a better preset does not change what goes wrong here.
MODEL = FineGANConfig(
    image_size=32,
    n_parents=3,
    n_children=6,
    z_dim=8,
    g_dim=4,
    d_dim=8,
    residual_blocks=1,
    min_head_channels=8,
    background_gain=4.0,
    mask_bias=-0.5,
    child_norm="spectral",
)
RECIPE = Recipe(
    learning_rate=2e-3,
    final_decay=0.3,
    adversarial="hinge",
    background_weight=1.0,
    ema_decay=0.998,
    ema_warmup=True,
    ema_buffers=True,
    d_noise=0.3,
    free_background=True,
    mask_pull=2.0,
    mask_binary=1.0,
    mask_area=5.0,
    code_noise=0.2,
    code_flip=True,
    code_affine=0.2,
    silhouette=0.5,
)


def tiny_run(steps: int, *, model=(), recipe=(), **loop) -> RunConfig:
    """A FineGAN on ToyBirds whose step takes a few hundredths of a second.

    Args:
        steps: of the run.
        model, recipe: settings that differ from ``MODEL`` and ``RECIPE``, as dictionaries.
        loop: settings of the loop that differ.
    """
    values = {"n_images": 400, "batch_size": 8, "device": "cpu", "log_every": 1}
    return RunConfig(
        dataclasses.replace(MODEL, **dict(model)),
        dataclasses.replace(RECIPE, **dict(recipe)),
        LoopConfig(steps=steps, **(values | loop)),
    )


class Played(NamedTuple):
    """A system after training, and its losses: name → one number per step."""

    system: FineGANSystem
    history: dict[str, list[float]]


def play(config: RunConfig, watch=None) -> Played:
    """The loop of :func:`finegan_lib.training.train` without a folder: the same weights come out.

    Args:
        config: of the run.
        watch: called as ``watch(step, system)`` after every step; step counts from 1.
    """
    loop, system, data = config.loop, build_system(config), build_dataset(config, progress=False)
    history = {}
    for step, batch, rng in seeded_batches(data, loop, loop.steps):
        anneal(system, step, loop.steps)
        report = system.step(batch, rng)
        for name, value in report.items():
            history.setdefault(name, []).append(value.detach().item())
        if watch:
            watch(step + 1, system)
    return Played(system, history)


def smooth(values, width: int = 15) -> Tensor:
    """Running mean over the last ``width`` values (fewer at the start), as long as the input."""
    total = torch.tensor([0.0, *values], dtype=torch.float64).cumsum(0)
    end = torch.arange(1, len(values) + 1)
    start = (end - width).clamp(min=0)
    return (total[end] - total[start]) / (end - start)


def excerpt(function, start: str, lines: int = 20) -> str:
    """The source of a library's function from the first line that holds ``start``, dedented."""
    source = inspect.getsource(function).splitlines()
    first = next(i for i, line in enumerate(source) if start in line)
    return textwrap.dedent("\n".join(source[first : first + lines])).rstrip()


def first_sentences(error: Exception, folder) -> str:
    """An error's message without the place of a temporary folder, wrapped for reading."""
    return textwrap.fill(str(error).replace(f"{folder}{os.sep}", ""), 96)


# ------------------------------------------------------------------------------------- who moves


def parts(system: FineGANSystem) -> dict[str, nn.Module]:
    """The pieces of a FineGAN whose weights are moved by different updates."""
    return {
        "generator": system.generator,
        "average": system.average,
        "D_b": system.d_background,
        "D_p trunk": system.d_parent.trunk,
        "D_p code": system.d_parent.code,
        "D_p real/fake": system.d_parent.real_fake,
        "D_c trunk": system.d_child.trunk,
        "D_c real/fake": system.d_child.real_fake,
        "D_c code": system.d_child.code,
    }


def who_moves(
    system: FineGANSystem, batch: TrainingExample, seed: int = 0
) -> dict[str, dict[str, bool]]:
    """Do one step's updates one after the other, and see which weights each has changed.

    Returns:
        update → part → whether any weight of the part is another than before the update.
    """
    rng = torch.Generator().manual_seed(seed)
    codes = system.draw_codes(len(batch.child_crop), rng)
    fake = system.generator(codes)
    updates = {
        "1  D_b": lambda: system.update_d_background(batch, fake),
        "2  D_c": lambda: system.update_d_child(batch, fake, rng),
        "3  G and readers": lambda: system.update_generator(fake, codes, rng),
        "4  average": lambda: follow(system),
    }
    moved = {}
    for name, update in updates.items():
        before = {part: _weights(module) for part, module in parts(system).items()}
        update()
        moved[name] = {
            part: not _weights(module).equal(before[part]) for part, module in parts(system).items()
        }
    return moved


def _weights(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def owned(system: FineGANSystem) -> dict[str, int]:
    """How many numbers every optimiser owns, and under "nobody" those of G and D that none does."""
    counts, seen = {}, set()
    for name, optimiser in system.optimisers.items():
        weights = [p for group in optimiser.param_groups for p in group["params"]]
        counts[name] = sum(p.numel() for p in weights)
        seen |= set(map(id, weights))
    every = [p for n, p in system.named_parameters() if not n.startswith("average.")]
    return counts | {"nobody": sum(p.numel() for p in every if id(p) not in seen)}


# ------------------------------------------------------------------------------------- averages


def averaged(average: Tensor, live: Tensor, decay: float) -> Tensor:
    """decay·average + (1 − decay)·live: what :func:`~finegan_lib.systems.update_average` does."""
    return decay * average + (1 - decay) * live


def average_decays(steps: int, recipe: Recipe) -> Tensor:
    """(steps,) the decay of every step of :func:`finegan_lib.systems.follow`."""
    n = torch.arange(1, steps + 1, dtype=torch.float64)
    decay = torch.full_like(n, recipe.ema_decay)
    return torch.minimum(decay, (1 + n) / (10 + n)) if recipe.ema_warmup else decay


class Album:
    """A ``watch`` for :func:`play`: what the live and the averaged generator draw, as they learn.

    Args:
        steps: at which to look.
        codes: what to draw.

    Attributes:
        live, average: step → child images (N, 3, S, S), both drawn in evaluation mode.
    """

    def __init__(self, steps, codes: Codes):
        self.steps, self.codes, self.live, self.average = set(steps), codes, {}, {}

    def __call__(self, step: int, system: FineGANSystem) -> None:
        if step in self.steps:
            self.live[step] = draw(system.generator, self.codes).child.image
            self.average[step] = draw(system.average, self.codes).child.image


def restlessness(album: dict[int, Tensor]) -> float:
    """Mean absolute change of a pixel from one picture in an album to the next."""
    images = [album[step] for step in sorted(album)]
    changes = [(a - b).abs().mean() for a, b in itertools.pairwise(images)]
    return torch.stack(changes).mean().item()


# ------------------------------------------------------------------------------------- failures


@contextmanager
def accident(step: int, deed):
    """A context in which ``deed(system)`` is called after the ``step``-th step of every FineGAN."""
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
    """The process ends where it stands; nothing is written any more."""
    raise KeyboardInterrupt


@torch.no_grad()
def cosmic_ray(system: FineGANSystem) -> None:
    """One weight of the generator is no number any more."""
    system.generator.child_image.weight[0, 0, 0, 0] = float("nan")


def same_weights(path_a, path_b) -> bool:
    """Whether two checkpoints hold the same networks, to the last bit."""
    a, b = (load_checkpoint(path)[0]["networks"] for path in (path_a, path_b))
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


def forget_moments(checkpoint, folder, config: RunConfig) -> None:
    """Copy a checkpoint into another run's folder, its optimisers as good as new."""
    state, facts = load_checkpoint(checkpoint)
    fresh = build_system(config).optimisers
    state["optimisers"] = {name: optimiser.state_dict() for name, optimiser in fresh.items()}
    save_checkpoint(Path(folder) / "checkpoints" / Path(checkpoint).name, state, **facts)


@dataclass(frozen=True)
class Failure:
    """Settings that spoil a tiny run; in words: what was done, what one then sees, what helps."""

    name: str
    model: dict = field(default_factory=dict)
    recipe: dict = field(default_factory=dict)
    made_by: str = ""
    sign: str = ""
    cure: str = ""

    def config(self, steps: int) -> RunConfig:
        """The tiny run with these settings."""
        return tiny_run(steps, model=self.model, recipe=self.recipe)


HEALTHY = Failure("healthy")
FAILURES = (
    Failure(
        "masks full",
        {"mask_bias": 2.0},
        {"mask_area": 0.0, "mask_binary": 3.0},
        "masks born large, and pushed to 0 or 1",
        "`area_c` near 1; the foreground paints the whole picture, B hardly shows in C",
        "`mask_bias` below 0, `mask_area`",
    ),
    Failure(
        "masks empty",
        {"mask_bias": -3.0},
        {"mask_area": 0.0, "mask_binary": 5.0, "information_weight": 0.1},
        "masks born small, the same push, little information",
        "`area_c` near 0; C is B, but for a stray blob",
        "`mask_area`, less `mask_binary` while the masks are young",
    ),
    Failure(
        "D too strong",
        {"child_norm": "batch"},
        {"adversarial": "bce", "slower_d": 10.0, "learning_rate": 5e-4, "d_noise": 0.0},
        "BCE, BatchNorm in D_c, D ten times as fast as G",
        "`D_c` sinks towards 0, `child` climbs; pictures like noise with a grid in it",
        "spectral normalisation, hinge, `d_noise`, a smaller `slower_d`",
    ),
    Failure(
        "mode collapse",
        {},
        {"slower_d": 0.05, "learning_rate": 5e-3, "information_weight": 0.0},
        "D twenty times slower than a hasty G, no information",
        "all pictures have the same colours and texture; no curve says so",
        "a D that keeps up, a lower `learning_rate`",
    ),
    Failure(
        "code ignored",
        {},
        {"information_weight": 1e-3},
        "information weighs a thousandth",
        "`parent_info`, `child_info` stay at log N; what p and c change, nobody can read",
        "a larger `information_weight`",
    ),
)


def failure_table() -> str:
    """The failures as a Markdown table."""
    lines = ["| failure | here made by | its look | what helps |", "| --- | --- | --- | --- |"]
    lines += [f"| **{f.name}** | {f.made_by} | {f.sign} | {f.cure} |" for f in FAILURES]
    return "\n".join(lines)


class Wreck(NamedTuple):
    """A tiny run: its averaged generator, its losses, and the variety of its pictures."""

    generator: FineGANGenerator
    history: dict[str, list[float]]
    variety: float


def wreck(failure: Failure, steps: int) -> Wreck:
    """Train a tiny FineGAN the wrong way; the losses of information per unit of their weight."""
    system, history = play(failure.config(steps))
    weight = system.recipe.information_weight
    for name in ("parent_info", "child_info"):
        history[name] = [value / weight if weight else float("nan") for value in history[name]]
    return Wreck(system.average, history, variety(system.average))


def variety(generator: FineGANGenerator, n: int = 48, seed: int = 0) -> float:
    """How much the mean colour of a picture varies: its standard deviation over n random images."""
    rng = torch.Generator().manual_seed(seed)
    codes = generator.config.hierarchy().sample(n, generator.config.z_dim, rng=rng)
    return draw(generator, codes).child.image.mean((2, 3)).std(0).mean().item()


def portrait(generator: FineGANGenerator, seed: int = 0) -> list[Tensor]:
    """One row of a gallery: B, M_p, P, M_c, C of one bird, then C of a child of each parent twice.

    The two of a parent differ in z and b. Images (3, S, S) and masks (1, S, S).
    """
    hierarchy = generator.config.hierarchy()
    children = torch.tensor([hierarchy.children_of(p)[0] for p in range(hierarchy.n_parents)])
    c = children.repeat_interleave(2)
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(2, generator.config.z_dim, generator=rng).repeat(len(children), 1)
    b = torch.arange(len(c)) % hierarchy.n_children
    out = draw(generator, hierarchy.codes(z, c, b_index=b))
    stages = [out.background.image, out.parent.mask, out.parent.image, out.child.mask]
    return [stage[0] for stage in stages] + list(out.child.image)


SETTINGS_OF_RESCUE = ("mask_bias", "mask_area", "mask_pull", "mask_binary", "information_weight")


def rescue(changes: dict, steps: int = 40) -> float:
    """The run "masks full" with some settings changed: its mean child mask area, last 5 steps.

    Args:
        changes: any of ``SETTINGS_OF_RESCUE``.
    """
    settings = FAILURES[0].model | FAILURES[0].recipe | changes
    model = {"mask_bias": settings.pop("mask_bias")}
    history = play(tiny_run(steps, model=model, recipe=settings)).history
    return sum(history["area_c"][-5:]) / 5


# ------------------------------------------------------------------------------------- hard codes


def hardest(log_q: Tensor, n: int) -> Tensor:
    """Rows of the n smallest entries of ``log_q`` (N,), the smallest first; (n,) int64."""
    return log_q.argsort(stable=True)[:n]


class Pool(NamedTuple):
    """What :meth:`~finegan_lib.systems.FineGANSystem.hard_codes` chooses from, and what it takes.

    ``codes`` of N images; ``log_q`` (N,) log Q(true c | M_c·F_c); ``picked`` (n,) rows; ``images``
    (N, 3, S, S), as D_c's reader sees them: masked foregrounds.
    """

    codes: Codes
    log_q: Tensor
    picked: Tensor
    images: Tensor


@torch.no_grad()
def hard_pool(system: FineGANSystem, n: int, seed: int = 0) -> Pool:
    """The pool of a hard step, and what ``hard_codes`` picks of it; the system is left alone."""
    chosen = copy.deepcopy(system).hard_codes(n, torch.Generator().manual_seed(seed))
    system, rng = copy.deepcopy(system), torch.Generator().manual_seed(seed)
    codes, log_q, images = [], [], []
    for _ in range(system.recipe.hard_pool):
        drawn = system.draw_codes(n, rng)
        seen = system.generator(drawn).child.masked_foreground
        q = system.d_child.code_logits(seen).log_softmax(1)
        log_q.append(q.gather(1, drawn.c_index[:, None])[:, 0])
        codes.append(drawn)
        images.append(seen)
    pool = Codes(*(torch.cat(part) for part in zip(*codes, strict=True)))
    picked = (chosen.z[:, None] == pool.z).all(2).int().argmax(1)  # no two draws share their z
    return Pool(pool, torch.cat(log_q), picked, torch.cat(images))


# ------------------------------------------------------------------------------------- settings


def preset_table(*names: str) -> str:
    """Presets side by side as a Markdown table: every setting in which any two of them differ."""
    configs = [PRESETS[name] for name in names]
    lines = [f"| setting | {' | '.join(f'`{name}`' for name in names)} |"]
    lines.append("| --- " * (1 + len(names)) + "|")
    for part in ("model", "recipe", "loop"):
        for setting in dataclasses.fields(getattr(configs[0], part)):
            values = [getattr(getattr(config, part), setting.name) for config in configs]
            if any(value != values[0] for value in values):
                shown = " | ".join(_shown(value) for value in values)
                lines.append(f"| {part}: `{setting.name}` | {shown} |")
    return "\n".join(lines)


def _shown(value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value}"


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
    """Seconds of one training step on the device: the quickest of some, after a few to warm up.

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
    if device.type == "cuda":  # a GPU works behind our back: wait for it
        torch.cuda.synchronize(device)
    return time.monotonic()


# What the bars of gpu_figure are called: the names of bench.GPU_WAYS, for a reader.
WAYS = {
    "plain": "written down plainly",
    "float32": "this library, float32",
    "TF32": "+ TF32",
    "bfloat16": "+ bfloat16",
    "bfloat16, channels_last": "+ channels last",
    "auto": "+ recorded",
}


def gpu_figure() -> Figure:
    """What ``bench gpu`` measured: milliseconds of a step, one option of speed more each time."""
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


class _Still:
    """An optimiser that leaves the weights alone: meta tensors have none to move."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        pass

    def step(self) -> None:
        pass


def step_flops(config: RunConfig) -> dict[str, float]:
    """Floating-point operations of one FineGAN training step (a multiply-add counts as two).

    Counted on the meta device, which knows shapes and no numbers: convolutions and matrix products
    forward and backward, neither BatchNorm nor Adam.
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
    codes, counts = system.draw_codes(n, rng).to("meta"), {}
    fake = _count(counts, "draw fakes", system.generator, codes)
    _count(counts, "update D_b", system.update_d_background, batch, fake)
    _count(counts, "update D_c", system.update_d_child, batch, fake, rng)
    _count(counts, "update G", system.update_generator, fake, codes, rng)
    return counts


def _count(counts: dict, name: str, function, *arguments):
    with FlopCounterMode(display=False) as counter:
        result = function(*arguments)
    counts[name] = float(counter.get_total_flops())
    return result
