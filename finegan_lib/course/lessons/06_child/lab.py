"""The laboratory of the lesson on the child: which weights learn from which loss,
and where the generator writes a code.

The equations of the model are the library's own. These functions show them in seconds.
"""

from collections.abc import Sequence
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor, nn

from .... import losses
from ....codes import Codes
from ....data.example import TrainingExample, background_size
from ....figures import generate
from ....models.finegan import (
    CodeDiscriminator,
    FineGANConfig,
    FineGANGenerator,
    FineGANOutput,
    Stage,
    build_discriminators,
)
from ....systems import FineGANSystem, Recipe
from ....training import RunConfig, anneal, build_system
from ... import style
from ..shared_lab import seeded_batches
from . import own

# The student's own FineGAN, which has a file to itself.
HINGE, OWN, Layer, PartsGenerator = own.HINGE, own.OWN, own.Layer, own.PartsGenerator
head_widths, as_stage, own_figure = own.head_widths, own.as_stage, own.own_figure
train_own, train_library, step = own.train_own, own.train_library, own.step
last_update, faulty_update, faulty_step = own.last_update, own.faulty_update, own.faulty_step
lay, lay_on_nothing, two_mistakes_figure = own.lay, own.lay_on_nothing, own.two_mistakes_figure
probe_layer, probe_generator = own.probe_layer, own.probe_generator
probe_step, probe_update, probe_layers = own.probe_step, own.probe_update, own.probe_layers

TINY = FineGANConfig(
    image_size=32,
    n_parents=2,
    n_children=10,
    z_dim=4,
    g_dim=4,
    d_dim=8,
    residual_blocks=1,
    min_head_channels=4,
    mask_bias=-0.5,
)


# ------------------------------------------------------------------------------------- layers


def layer_shares(parent_mask: Tensor, child_mask: Tensor) -> Tensor:
    """How much of the finished image C each layer supplies, pixel by pixel.

    C = M_c·F_c + (1 − M_c)·P with P = M_p·F_p + (1 − M_p)·B (paper, section 3.1) is a mean of
    three layers, and these are its weights.

    Args:
        parent_mask, child_mask: M_p and M_c, (N, 1, H, W) in [0, 1].

    Returns:
        (N, 3, H, W), the shares of B, F_p and F_c; they add up to 1.
    """
    through = 1 - child_mask
    return torch.cat([through * (1 - parent_mask), through * parent_mask, child_mask], 1)


def parameter_counts(config: FineGANConfig) -> dict[str, int]:
    """Numbers of weights by stage of the generator, and by discriminator (buffers not counted)."""
    with torch.device("meta"):  # shapes alone: nothing is allocated, nothing initialised
        generator = FineGANGenerator(config)
        discriminators = build_discriminators(config)
    parts = stages_of(generator) | dict(zip(("D_b", "D_p", "D_c"), discriminators, strict=True))
    return {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}


def stages_of(generator: FineGANGenerator) -> dict[str, nn.ModuleList]:
    """The modules of a generator by stage: "background", "parent", "child"."""
    g = generator
    stages = {
        "background": (g.background_stem, g.background_image),
        "parent": (g.foreground_stem, g.parent_stage, g.parent_image, g.parent_mask),
        "child": (g.child_stage, g.child_image, g.child_mask),
    }
    return {name: nn.ModuleList(modules) for name, modules in stages.items()}


# ------------------------------------------------------------------------------------- routes

NO_PATH, PASSES, LEARNS = 0, 1, 2
# Row of the table of routes → the update of FineGANSystem in which its loss is minimised.
UPDATES = {
    "D_b": ("D_b",),
    "D_c": ("D_c",),
    "background": ("G", "info"),
    "parent_info": ("G", "info"),
    "child": ("G", "info"),
    "child_info": ("G", "info"),
}


def parts_of(system: FineGANSystem) -> dict[str, nn.Module]:
    """The networks of a system, cut where what they learn from differs."""
    d_parent, d_child = system.d_parent, system.d_child
    generator = {f"G: {name}": part for name, part in stages_of(system.generator).items()}
    return generator | {
        "D_b": system.d_background,
        "D_p: trunk, code": nn.ModuleList([d_parent.trunk, d_parent.code]),
        "D_p: real_fake": d_parent.real_fake,
        "D_c: trunk": d_child.trunk,
        "D_c: real_fake": d_child.real_fake,
        "D_c: code": d_child.code,
    }


def all_losses(
    system: FineGANSystem, batch: TrainingExample, codes: Codes, view: str = "masked"
) -> dict[str, Tensor]:
    """Every loss of one training step, by the keys of ``UPDATES``, with nothing updated.

    Args:
        system: its recipe's additions (noise, mask terms) are left out.
        batch: of real images.
        codes: of the generated ones.
        view: what D_c's code head is shown, "masked" (M_c·F_c, as in the paper) or "image" (C).
    """
    fake, d_background, d_child = system.generator(codes), system.d_background, system.d_child
    weights = losses.background_patch_weights(batch.box, d_background.geometry)
    real_aux, real_logits = d_background(batch.full_image)
    _, fake_logits = d_background(fake.background.image.detach())
    found = {
        "D_b": losses.background_discriminator_loss(real_aux, real_logits, fake_logits, weights),
        "D_c": losses.discriminator_loss(
            d_child.real_fake_logits(batch.child_crop),
            d_child.real_fake_logits(fake.child.image.detach()),
        ),
    }
    return found | losses.finegan_generator_loss(
        *d_background(fake.background.image),
        d_child.real_fake_logits(fake.child.image),
        system.d_parent.code_logits(fake.parent.masked_foreground),
        d_child.code_logits(reader_view(fake.child, view)),
        codes,
    )


def reader_view(stage: Stage, view: str) -> Tensor:
    """What a code head sees of a stage: "masked", its foreground M·F alone, or the "image"."""
    return {"masked": stage.masked_foreground, "image": stage.image}[view]


def gradient_routes(
    system: FineGANSystem, batch: TrainingExample, codes: Codes, view: str = "masked"
) -> tuple[list[str], list[str], np.ndarray]:
    """Which loss reaches which part of the networks, and which part learns from it (by autograd).

    Returns:
        (terms, parts, table): ``table[i, j]`` is ``NO_PATH`` if part j gets no gradient of loss i,
        ``PASSES`` if it gets one that no optimiser of that update uses (the weights stand still),
        ``LEARNS`` if one does.
    """
    found, parts = all_losses(system, batch, codes, view), parts_of(system)
    table = np.zeros((len(found), len(parts)), dtype=int)
    for i, (term, loss) in enumerate(found.items()):
        used = {
            id(weight)
            for name in UPDATES[term]
            for group in system.optimisers[name].param_groups
            for weight in group["params"]
        }
        for j, part in enumerate(parts.values()):
            weights = list(part.parameters())
            pulls = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
            reached = [w for w, g in zip(weights, pulls, strict=True) if g is not None and g.any()]
            if reached:
                table[i, j] = LEARNS if any(id(w) in used for w in reached) else PASSES
    return list(found), list(parts), table


def tiny_routes(view: str = "masked", seed: int = 0):
    """:func:`gradient_routes` of a small fresh system on a batch of random pictures."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        system, n = FineGANSystem(TINY, Recipe()), 4
        size, side = TINY.image_size, background_size(TINY.image_size)
        batch = TrainingExample(
            torch.rand(n, 3, size, size) * 2 - 1,
            torch.rand(n, 3, side, side) * 2 - 1,
            torch.tensor([[8.0, 8.0, 20.0, 20.0]]).expand(n, 4),
            torch.arange(n),
        )
        return gradient_routes(system, batch, system.hierarchy.sample(n, TINY.z_dim), view)


def stages_reached(view: str = "masked") -> dict[str, str]:
    """For each term of the generator's loss the stages it reaches, as letters: "b", "p", "c"."""
    terms, _, table = tiny_routes(view)
    rows = zip(terms, table, strict=True)
    return {
        term: "".join(letter for letter, state in zip("bpc", row, strict=False) if state)
        for term, row in rows
        if term not in ("D_b", "D_c")
    }


ROW_NAMES = {
    "D_b": "loss of $D_b$",
    "D_c": "loss of $D_c$",
    "background": "$L_b$",
    "parent_info": "$L_p = L_{p\\_info}$",
    "child": "$L_{c\\_adv}$",
    "child_info": "$L_{c\\_info}$",
}


def routes_figure(terms: list[str], parts: list[str], table: np.ndarray) -> Figure:
    """:func:`gradient_routes` as a table. Disc: the part learns. Ring: it passes the gradient."""
    figure, axes = plt.subplots(figsize=(8.8, 4.6), layout="constrained")
    colours = ListedColormap(["#f4f4f4", "#fbe3c0", "#bfe0f2"])
    axes.imshow(table, cmap=colours, vmin=NO_PATH, vmax=LEARNS, aspect="auto")
    for (i, j), state in np.ndenumerate(table):
        face = style.REAL if state == LEARNS else "none"
        edge = {NO_PATH: "none", PASSES: style.ORANGE, LEARNS: style.REAL}[int(state)]
        axes.scatter(j, i, s=150, facecolors=face, edgecolors=edge, linewidths=2.5)
    axes.set_xticks(range(len(parts)), [name.replace(": ", ":\n") for name in parts], fontsize=8.5)
    axes.set_yticks(range(len(terms)), [ROW_NAMES[term] for term in terms])
    axes.set_xticks(np.arange(len(parts) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(terms) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", lw=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.axhline(1.5, color="black", lw=1)
    axes.axvline(2.5, color="black", lw=1)
    axes.set(xlabel="weights", ylabel="loss")
    for label, face, edge in (
        ("learns from it", style.REAL, style.REAL),
        ("lets its gradient pass, stands still", "none", style.ORANGE),
    ):
        axes.scatter([], [], s=110, facecolors=face, edgecolors=edge, linewidths=2.5, label=label)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    figure.suptitle("Who learns from what")
    return figure


# ------------------------------------------------------------------------------------- drawing

# Where each box of the architecture stands: name, as in the code → (x, y, what it makes).
BOXES = {
    "generator.background_stem": (21, 52),
    "generator.background_image": (54, 52),
    "generator.foreground_stem": (21, 32),
    "generator.parent_stage": (37.5, 32),
    "generator.parent_image": (54, 36),
    "generator.parent_mask": (54, 28),
    "generator.child_stage": (37.5, 10),
    "generator.child_image": (54, 14),
    "generator.child_mask": (54, 6),
    "d_background": (88, 52),
    "d_parent.code": (88, 32),
    "d_child.real_fake": (88, 14),
    "d_child.code": (88, 5),
}
_CODES = {"z": (5, 42), "b": (5, 52), "p": (5, 32), "c": (5, 10)}
_IMAGES = {"$B$": (71, 52), "$P$": (71, 32), "$C$": (71, 10)}
_LOSSES = {
    "$L_b$": (104, 52),
    "$L_{p\\_info}$": (104, 32),
    "$L_{c\\_adv}$": (104, 14),
    "$L_{c\\_info}$": (104, 5),
}
_STAGE_COLOURS = {"background": style.GREEN, "parent": style.ORANGE, "child": style.REAL}


def architecture_figure() -> Figure:
    """FineGAN as boxes and arrows, with the names that its parts have in a `FineGANSystem`."""
    figure, axes = plt.subplots(figsize=(9.6, 5.6), layout="constrained")
    axes.set(xlim=(0, 109), ylim=(-1, 62))
    axes.set_axis_off()
    lanes = {"background": (44.5, 15.5), "parent": (22.5, 19.5), "child": (0, 20)}
    for (stage, (low, height)), colour in zip(lanes.items(), _STAGE_COLOURS.values(), strict=True):
        _box(axes, 45.5, low + height / 2, 66, height, colour, alpha=0.1)
        axes.text(13.3, low + height - 0.7, f"{stage} stage", va="top", weight="bold")
    for name, (x, y) in BOXES.items():
        stage = "child" if "child" in name else "background" if "background" in name else "parent"
        _box(axes, x, y, 13.6, 5.4, _STAGE_COLOURS[stage], alpha=0.35)
        text = name.removeprefix("generator.").replace("_", "_\n", 1)
        text = name.replace(".", ".\n") if name.startswith("d_") else text
        axes.text(x, y, text, ha="center", va="center", family="monospace", fontsize=7.5)
    for name, (x, y) in _CODES.items():
        _disc(axes, x, y, f"${name}$", style.PURPLE)
    for name, (x, y) in _IMAGES.items():
        _disc(axes, x, y, name, style.SKY)
    for name, (x, y) in _LOSSES.items():
        axes.text(x, y, name, ha="center", va="center", fontsize=11)
    _draw_arrows(axes)
    figure.suptitle("FineGAN: three stages, three discriminators, four codes")
    return figure


def _draw_arrows(axes) -> None:
    def arrow(start, end, label="", at=(0, 0), bend=0.0, colour="black"):
        arc = {"arrowstyle": "-|>", "color": colour, "lw": 1.1, "shrinkA": 0, "shrinkB": 0}
        arc["connectionstyle"] = f"arc3,rad={bend}"
        axes.annotate("", end, start, arrowprops=arc)
        x, y = (start[0] + end[0]) / 2 + at[0], (start[1] + end[1]) / 2 + at[1]
        axes.text(x, y, label, ha="center", va="center", fontsize=8, color=colour)

    arrow((7, 52), (14, 52))  # codes into stems and stages
    arrow((6.4, 43.8), (14, 50.5))
    arrow((7, 32), (14, 32))
    arrow((6.4, 40.2), (14, 33.5))
    arrow((6.6, 30.6), (32, 29.2), "$p$ again", (2, -3.3), bend=0.18)
    arrow((7, 10), (30.5, 10))
    arrow((28, 52), (47, 52), "features", (0, 1.6))
    arrow((28, 32), (30.5, 32))
    arrow((37.5, 29.2), (37.5, 12.9), "features", (-5, 1))
    for y in (32, 10):
        arrow((44.4, y + 0.8), (47, y + 3.5))
        arrow((44.4, y - 0.8), (47, y - 3.5))
        letter = "p" if y == 32 else "c"
        arrow((61, y + 4), (64.5, y + 1), f"$F_{letter}$", (1.4, 1.2))
        arrow((61, y - 4), (64.5, y - 1), f"$M_{letter}$", (1.4, -1.2))
        axes.text(65.2, y, "×", ha="center", va="center", fontsize=12)
        arrow((66.4, y), (68.8, y))
    arrow((61, 52), (68.8, 52))
    arrow((71, 49.8), (71, 34.2), "stitch\nover $B$", (4.2, 0))
    arrow((71, 29.8), (71, 12.2), "stitch\nover $P$", (4.2, 1))
    arrow((73.2, 52), (81, 52))
    arrow((73.2, 11), (81, 13.5), "$C$", (-0.5, 1.6))
    # A masked foreground is read before the stitch: it has no pixel of what is behind.
    arrow((66, 31), (81, 31), "$M_p F_p$", (2.6, -3.6), bend=0.25)
    arrow((66, 9), (81, 5), "$M_c F_c$", (2, -3.2), bend=0.2)
    for x, y in _LOSSES.values():
        arrow((95, y), (x - 3.6, y))
    arrow((88, 59.4), (88, 55), "full images, boxes", (0, 2.9), colour=style.GREY)
    arrow((88, 21.4), (88, 17), "child crops", (0, 2.9), colour=style.GREY)
    axes.text(88, 9.5, "one trunk", ha="center", va="center", fontsize=7.5, color=style.GREY)


def _box(axes, x, y, width, height, colour, alpha):
    corner = (x - width / 2, y - height / 2)
    shape = FancyBboxPatch(
        corner, width, height, boxstyle="round,pad=0,rounding_size=1", color=colour, alpha=alpha
    )
    axes.add_patch(shape)


def _disc(axes, x, y, text, colour):
    axes.scatter(x, y, s=330, color=colour, zorder=3, alpha=0.6, edgecolors="none")
    axes.text(x, y, text, ha="center", va="center", zorder=4, fontsize=11)


# ------------------------------------------------------------------------------------- training


def train_briefly(
    config: RunConfig, birds, steps: int, codes: Codes, keep: Sequence[int]
) -> tuple[FineGANSystem, dict[int, FineGANOutput]]:
    """The real training step, ``steps`` times, with pictures of the averaged generator.

    Args:
        config: of the run; its own number of steps is not used.
        birds: a `ToyBirds`.
        codes: of the pictures.
        keep: after how many steps to generate pictures; 0 is before the first.

    Returns:
        (system, looks): ``looks`` maps a number of steps to the output for ``codes``.
    """
    config = replace(config, loop=replace(config.loop, steps=steps))
    with torch.random.fork_rng(devices=[]):
        system = build_system(config)
    looks = {0: generate(system.average, codes)} if 0 in keep else {}
    for step, batch, rng in seeded_batches(birds, config.loop, steps):
        anneal(system, step, steps)
        system.step(batch, rng)
        if step + 1 in keep:
            looks[step + 1] = generate(system.average, codes)
    return system, looks


# ------------------------------------------------------------------------------------- hiding


def write_code_somewhere(
    view: str, tied: bool, *, steps: int = 60, batch: int = 32, seed: int = 0
) -> tuple[FineGANGenerator, CodeDiscriminator]:
    """A small generator and a code reader that learn L_c_info alone, without a real/fake loss.

    Args:
        view: what the reader sees, "masked" (M_c·F_c) or "image" (C).
        tied: b = c, as in the paper; else b is shuffled among the images of a batch.

    Returns:
        (generator, reader), in training mode.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, reader = FineGANGenerator(TINY), CodeDiscriminator(TINY, TINY.n_children)
    rng, hierarchy = torch.Generator().manual_seed(seed), TINY.hierarchy()
    weights = [*generator.parameters(), *reader.parameters()]
    optimiser = torch.optim.Adam(weights, 2e-3, (0.5, 0.999))
    for _ in range(steps):
        codes = hierarchy.sample(batch, TINY.z_dim, rng=rng)
        if not tied:
            codes = codes._replace(b=codes.b[torch.randperm(batch, generator=rng)])
        seen = reader_view(generator(codes).child, view)
        loss = losses.information_loss(reader.code_logits(seen), codes.c_index)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return generator, reader


@torch.no_grad()
def whom_the_reader_follows(generator, reader, view: str, n: int = 400, seed: int = 1):
    """Which code a reader names if b and c differ: the bird's c, or the background's b?

    Returns:
        (share that names c, share that names b), over n images in which b ≠ c.
    """
    rng, hierarchy = torch.Generator().manual_seed(seed), TINY.hierarchy()
    codes = hierarchy.sample(n, TINY.z_dim, rng=rng)
    other = torch.randint(1, TINY.n_children, (n,), generator=rng)
    b_index = (codes.c_index + other) % TINY.n_children
    fake = generator(hierarchy.codes(codes.z, codes.c_index, b_index=b_index))
    said = reader.code_logits(reader_view(fake.child, view)).argmax(1)
    return (said == codes.c_index).float().mean().item(), (said == b_index).float().mean().item()
