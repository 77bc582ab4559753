"""The laboratory of the lesson on training: small FineGANs, runs with wrong settings, measurements.

Networks, losses and updates are the library's. Here are only small sizes for short runs, the loop
of :func:`finegan_lib.training.train` without its folder, and measurements of a finished run.
"""

import copy
import dataclasses
import inspect
import itertools
import textwrap
from dataclasses import dataclass, field
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ....codes import Codes
from ....data import TrainingExample
from ....figures import generate
from ....models import FineGANGenerator
from ....models.blocks import Encoder
from ....systems import FineGANSystem, Recipe, System, follow, update_average
from ....training import (
    RunConfig,
    anneal,
    build_dataset,
    build_system,
)
from ....training.presets import PRESETS
from ... import style
from ..shared_lab import seeded_batches
from ..tiny_finegan import MODEL, RECIPE, averaged, tiny_run  # noqa: F401 (the lesson's)

# ------------------------------------------------------------------------------------- runs


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
    """Do one step's updates one after the other, and find the weights that each has changed.

    Returns:
        update → part → whether any weight of the part is another than before the update.
    """
    rng = torch.Generator().manual_seed(seed)
    codes = system.sample_codes(len(batch.child_crop), rng)
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
    """How many numbers every optimiser owns; "nobody": those of G and D that belong to none."""
    counts, seen = {}, set()
    for name, optimiser in system.optimisers.items():
        weights = [p for group in optimiser.param_groups for p in group["params"]]
        counts[name] = sum(p.numel() for p in weights)
        seen |= set(map(id, weights))
    every = [p for n, p in system.named_parameters() if not n.startswith("average.")]
    return counts | {"nobody": sum(p.numel() for p in every if id(p) not in seen)}


# ------------------------------------------------------------------------------------- one pass


def two_passes(d_child, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The logits of real and of generated pictures, each batch by itself."""
    return d_child(real), d_child(fake)


def one_pass(d_child, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """The mistake of an exercise: both batches in one pass, through BatchNorm."""
    logits = d_child(torch.cat([real, fake]))
    return logits[: len(real)], logits[len(real) :]


def _discriminator(seed: int = 0) -> nn.Module:
    """A small critic with BatchNorm: (N, 3, 32, 32) → (N,)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = Encoder(32, 4, "batch")
        return nn.Sequential(trunk, nn.Conv2d(trunk.out_channels, 1, 4), nn.Flatten(0))


def probe_verdicts(answer, real: Tensor, fake: Tensor) -> dict:
    """The logits of a function like :func:`two_passes` for two batches, and their gradient."""
    d_child, fake = _discriminator(), fake.requires_grad_()
    verdicts = answer(d_child, real, fake)
    if verdicts is ...:
        return ...
    first, second = verdicts
    learns = second.requires_grad and torch.autograd.grad(second.sum(), fake, allow_unused=True)[0]
    return {
        "the logits of the real pictures": first.detach(),
        "the logits of the generated pictures": second.detach(),
        "the gradient that reaches the generated pictures": learns.abs().sum()
        if isinstance(learns, Tensor)
        else 0.0,
        "the mode of D_c": "training" if d_child.training else "evaluation",
    }


@torch.no_grad()
def company_figure(verdicts) -> Figure:
    """D_c's mean verdict on the same eight photographs, beside ever brighter generated pictures."""
    rng = torch.Generator().manual_seed(0)
    real = build_dataset(tiny_run(1), progress=False).batch(range(8)).child_crop
    generated, d_child = torch.rand(real.shape, generator=rng) - 0.5, _discriminator()
    shades = torch.linspace(-1, 1, 21)
    means = [verdicts(d_child, real, (generated + s).clamp(-1, 1))[0].mean().item() for s in shades]
    figure, axis = plt.subplots(figsize=(5, 2.6), layout="constrained")
    axis.plot(shades, means, color=style.FAKE)
    axis.set(xlabel="how much brighter the generated pictures are", ylabel="mean logit")
    axis.set_title("The same eight photographs, in other company")
    return figure


# ------------------------------------------------------------------------------------- averages


@torch.no_grad()
def follow_all(average: nn.Module, live: nn.Module, decay: float) -> None:
    """One step of an average that copies BatchNorm's statistics, as the authors' code does."""
    update_average(average, live, decay, buffers=False)


@torch.no_grad()
def follow_weights(average: nn.Module, live: nn.Module, decay: float) -> None:
    """The mistake of an exercise: the running statistics stay as they were."""
    for kept, new in zip(average.parameters(), live.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


def probe_follow(answer, decay: Tensor) -> dict:
    """What a function like :func:`follow_all` does to two small networks."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        average, live = (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)) for _ in range(2))
        live(3 * torch.randn(8, 2) + 1), average(torch.randn(8, 2))
    was, goal = copy.deepcopy(average), copy.deepcopy(live)
    if answer(average, live, decay.item()) is ...:
        return ...

    def nearer(name: str) -> str:
        kept, old, new = (getattr(net[1], name) for net in (average, was, goal))
        return "follows" if ((kept - new).abs() < (old - new).abs()).all() else "does not follow"

    state, before = live.state_dict(), goal.state_dict()
    untouched = all(state[name].equal(before[name]) for name in before)
    return {
        "the live network": "as it was" if untouched else "changed",
        "the averaged weights": _weights(average),
        "the running mean": nearer("running_mean"),
        "the running variance": nearer("running_var"),
    }


def forgetful(system: FineGANSystem) -> FineGANGenerator:
    """The averaged generator with the BatchNorm statistics of its start, which were not updated."""
    average = copy.deepcopy(system.average)
    for layer in average.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_running_stats()
    return average


def initial_share(steps: int, recipe: Recipe) -> Tensor:
    """(steps,) the share of the initial weights in the average, after every step of ``follow``.

    The average follows a weight that is 1 at the start and 0 afterwards; its value is that share.
    """
    system = System(recipe)
    system.generator, system.average = (nn.Linear(1, 1, bias=False) for _ in range(2))
    nn.init.zeros_(system.generator.weight)
    nn.init.ones_(system.average.weight)
    shares = []
    for _ in range(steps):
        follow(system)
        shares.append(system.average.weight.item())
    return torch.tensor(shares)


class Album:
    """A ``watch`` for :func:`play`: pictures of the live and the averaged generator in training.

    Args:
        steps: at which to look.
        codes: what to generate.

    Attributes:
        live, average: step → child images (N, 3, S, S), both generated in evaluation mode.
    """

    def __init__(self, steps, codes: Codes):
        self.steps, self.codes, self.live, self.average = set(steps), codes, {}, {}

    def __call__(self, step: int, system: FineGANSystem) -> None:
        if step in self.steps:
            self.live[step] = generate(system.generator, self.codes).child.image
            self.average[step] = generate(system.average, self.codes).child.image


def restlessness(album: dict[int, Tensor]) -> float:
    """Mean absolute change of a pixel from one picture in an album to the next."""
    images = [album[step] for step in sorted(album)]
    changes = [(a - b).abs().mean() for a, b in itertools.pairwise(images)]
    return torch.stack(changes).mean().item()


# ------------------------------------------------------------------------------------- failures


@dataclass(frozen=True)
class Failure:
    """Wrong settings of a tiny run; in words: the cause, the signs, and what helps."""

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
        "masks start large, and are pushed to 0 or 1",
        "`area_c` near 1; the foreground covers the whole picture, and B is hardly visible in C",
        'see the exercise "save the masks"',
    ),
    Failure(
        "masks empty",
        {"mask_bias": -3.0},
        {"mask_area": 0.0, "mask_binary": 5.0, "information_weight": 0.1},
        "masks start small, the same push, a small weight of the information",
        "`area_c` near 0; for most codes C is B",
        "`mask_area`, a smaller `mask_binary` at the start",
    ),
    Failure(
        "D too strong",
        {"child_norm": "batch"},
        {"adversarial": "bce", "slower_d": 10.0, "learning_rate": 5e-4, "d_noise": 0.0},
        "BCE, BatchNorm in D_c, D's learning rate ten times as large as G's",
        "`D_c` falls towards 0, `child` rises; pictures of noise with a grid",
        "spectral normalisation, hinge, `d_noise`, a smaller `slower_d`",
    ),
    Failure(
        "mode collapse",
        {},
        {"slower_d": 0.05, "learning_rate": 5e-3, "information_weight": 0.0},
        "D's learning rate 1/20 of G's large one, no information",
        "all pictures have the same colours and texture; no curve shows this",
        "a larger `slower_d`, a lower `learning_rate`",
    ),
    Failure(
        "code ignored",
        {},
        {"information_weight": 1e-3},
        "the information has a weight of 1/1000",
        "`parent_info`, `child_info` stay at log N; the pictures do not show p and c",
        "a larger `information_weight`",
    ),
)


def failure_table() -> str:
    """The failures as a Markdown table."""
    lines = ["| failure | cause here | signs | what helps |", "| --- | --- | --- | --- |"]
    lines += [f"| **{f.name}** | {f.made_by} | {f.sign} | {f.cure} |" for f in FAILURES]
    return "\n".join(lines)


class Wreck(NamedTuple):
    """A tiny run: its averaged generator, its losses, and the variety of its pictures."""

    generator: FineGANGenerator
    history: dict[str, list[float]]
    variety: float


def wreck(failure: Failure, steps: int) -> Wreck:
    """Train a tiny FineGAN with wrong settings; information losses are divided by their weight."""
    system, history = play(failure.config(steps))
    weight = system.recipe.information_weight
    for name in ("parent_info", "child_info"):
        history[name] = [value / weight if weight else float("nan") for value in history[name]]
    return Wreck(system.average, history, variety(system.average))


def variety(generator: FineGANGenerator, n: int = 48, seed: int = 0) -> float:
    """How much the mean colour of a picture varies: its standard deviation over n random images."""
    rng = torch.Generator().manual_seed(seed)
    codes = generator.config.hierarchy().sample(n, generator.config.z_dim, rng=rng)
    return generate(generator, codes).child.image.mean((2, 3)).std(0).mean().item()


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
    out = generate(generator, hierarchy.codes(z, c, b_index=b))
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
    """What :meth:`~finegan_lib.systems.FineGANSystem.hard_codes` chooses from, and what it picks.

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
        sampled = system.sample_codes(n, rng)
        seen = system.generator(sampled).child.masked_foreground
        q = system.d_child.code_logits(seen).log_softmax(1)
        log_q.append(q.gather(1, sampled.c_index[:, None])[:, 0])
        codes.append(sampled)
        images.append(seen)
    pool = Codes(*(torch.cat(part) for part in zip(*codes, strict=True)))
    picked = (chosen.z[:, None] == pool.z).all(2).int().argmax(1)  # no two samples share their z
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
