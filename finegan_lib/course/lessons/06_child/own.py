"""The student's own FineGAN: its parts, their probes, and its training."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from .... import losses
from ....codes import Codes
from ....data.example import TrainingExample
from ....figures import generate, show
from ....models.blocks import conv3x3
from ....models.finegan import (
    CodeStage,
    FineGANConfig,
    FineGANOutput,
    Stage,
    Stem,
    build_discriminators,
    stitch,
)
from ....systems import Recipe, descend, update_average
from ....training import RunConfig, build_system
from ....training.presets import TOY
from ... import style
from ...engine.probing import Watched, look_at, projection, set_weights
from ..shared_lab import seeded_batches

# The preset `toy` without the parts that sample random numbers in a step, or that the lessons'
# stages do not have. In this way, the student's step and the library's can be compared exactly.
OWN = replace(
    TOY,
    model=replace(TOY.model, view=False, background_gain=1.0, child_norm="batch", d_dim=24),
    recipe=replace(
        TOY.recipe,
        final_decay=Recipe.final_decay,
        ema_decay=0.98,
        ema_warmup=False,
        d_noise=0.0,
        free_background=False,
        free_child=0.0,
        mask_lean=0.0,
        code_noise=0.0,
        code_flip=False,
        code_affine=0.0,
        silhouette=0.0,
    ),
)
HINGE = {"adversarial": "hinge", "background_weight": 1.0}


# ------------------------------------------------------------------------------------- parts


def head_widths(config: FineGANConfig) -> tuple[int, int]:
    """Channels that the parent's and the child's heads read: g/2 and g/4, but not too few."""
    parent = max(config.g_dim // 2, config.min_head_channels)
    return parent, max(parent // 2, config.min_head_channels)


def as_stage(image: Tensor) -> Stage:
    """A background B as a stage of its own: its mask is 1 everywhere."""
    return Stage(image, torch.ones_like(image[:, :1]), image, image)


class Layer(nn.Module):
    """Two heads and a stitch: features (N, channels, S, S), what is behind → a `Stage`."""

    def __init__(self, channels: int, bias: float):
        super().__init__()
        self.image, self.mask, self.bias = conv3x3(channels, 3), conv3x3(channels, 1), bias

    def forward(self, features: Tensor, behind: Tensor) -> Stage:
        mask = torch.sigmoid(self.mask(features) + self.bias)
        return stitch(torch.tanh(self.image(features)), mask, behind)


class PartsGenerator(nn.Module):
    """FineGAN's generator, made of a stem, a code stage and a layer.

    The same as `FineGANGenerator` without gains and without a view. Codes → `FineGANOutput`.
    """

    def __init__(self, config: FineGANConfig, stem=Stem, code_stage=CodeStage, layer=Layer):
        super().__init__()
        sizes, blocks = (config.z_dim, config.image_size, config.g_dim), config.residual_blocks
        wide, narrow = head_widths(config)
        self.background_stem = stem(config.n_children, *sizes)
        self.background_image = conv3x3(config.g_dim, 3)
        self.foreground_stem = stem(config.n_parents, *sizes)
        self.parent_stage = code_stage(config.n_parents, config.g_dim, wide, blocks)
        self.parent_layer = layer(wide, config.mask_bias)
        self.child_stage = code_stage(config.n_children, wide, narrow, blocks)
        self.child_layer = layer(narrow, config.mask_bias)

    def forward(self, codes: Codes) -> FineGANOutput:
        background = self.background_stem(codes.b, codes.z)
        background = torch.tanh(self.background_image(background))
        features = self.parent_stage(codes.p, self.foreground_stem(codes.p, codes.z))
        parent = self.parent_layer(features, background)
        child = self.child_layer(self.child_stage(codes.c, features), parent.image)
        return FineGANOutput(as_stage(background), parent, child)


def step(
    generator, critics, move, batch: TrainingExample, codes: Codes, additions=None, **recipe
) -> dict[str, Tensor]:
    """FineGAN's three updates with four optimisers, on given codes.

    Args:
        generator: codes → `FineGANOutput`.
        critics: D_b, D_p and D_c.
        move: optimisers "D_b", "D_c", "G" and "info".
        batch: of real images.
        additions: (fake, codes) → further terms of the generator's loss; None: the paper's alone.
        recipe: of the losses, ``adversarial`` and ``background_weight``.

    Returns:
        The losses "D_b" and "D_c", and the generator's terms.
    """
    d_b, d_p, d_c = critics
    fake = generator(codes)
    weights = losses.background_patch_weights(batch.box, d_b.geometry)
    real_aux, real_logits = d_b(batch.full_image)
    _, fake_logits = d_b(d_b.fit(fake.background.image.detach()))
    made = {
        "D_b": losses.background_discriminator_loss(
            real_aux, real_logits, fake_logits, weights, **recipe
        )
    }
    descend(move["D_b"], made["D_b"])
    d_loss = losses.adversarial_losses(recipe.get("adversarial", "bce"))[0]
    real, drawn = batch.child_crop, fake.child.image.detach()
    made["D_c"] = d_loss(d_c.real_fake_logits(real), d_c.real_fake_logits(drawn))
    descend(move["D_c"], made["D_c"])
    terms = losses.finegan_generator_loss(
        *d_b(fake.background.image),
        d_c.real_fake_logits(fake.child.image),
        d_p.code_logits(fake.parent.masked_foreground),
        d_c.code_logits(fake.child.masked_foreground),
        codes,
        **recipe,
    )
    terms |= additions(fake, codes) if additions else {}
    descend([move["G"], move["info"]], sum(terms.values()))
    return made | terms


# ------------------------------------------------------------------------------------- training


def copy_weights(target: nn.Module, source: nn.Module) -> None:
    """Give a network the weights of another one with the same layers, shape by shape, in order."""
    left = list(source.parameters())
    with torch.no_grad():
        for weight in target.parameters():
            found = next(i for i, other in enumerate(left) if other.shape == weight.shape)
            weight.copy_(left.pop(found))


class OwnRun(NamedTuple):
    """A training: its averaged generator, the losses of every step, and pictures at some steps."""

    generator: nn.Module
    curves: dict[str, list[float]]
    looks: dict[int, FineGANOutput]


def train_own(
    generator,
    train_step,
    birds,
    steps: int,
    codes: Codes,
    keep: Sequence[int] = (),
    config: RunConfig = OWN,
) -> OwnRun:
    """Train a generator with a step, from the same weights that the library begins with.

    Args:
        generator: config → network.
        train_step: as :func:`step`.
        birds: a `ToyBirds`.
        codes: what the looks show.
        keep: after how many steps to look.
    """
    with torch.random.fork_rng(devices=[]):
        system = build_system(config)
    live = generator(config.model)
    copy_weights(live, system.generator)
    average = copy.deepcopy(live).eval().requires_grad_(False)
    critics = system.d_background, system.d_parent, system.d_child
    moved = {
        "G": live.parameters(),
        "D_b": critics[0].parameters(),
        "D_c": [*critics[2].trunk.parameters(), *critics[2].real_fake.parameters()],
        "info": [*critics[1].trunk.parameters(), *critics[1].code.parameters()],
    }
    moved["info"] += critics[2].code.parameters()
    rate = config.recipe.learning_rate
    move = {k: torch.optim.Adam(w, rate, (0.5, 0.999), fused=True) for k, w in moved.items()}

    def update(batch, drawn, _):
        given = critics, move, batch, drawn, system.mask_terms
        made = train_step(live, *given, **HINGE)
        update_average(average, live, config.recipe.ema_decay, buffers=True)
        return made

    return _play(update, average, birds, steps, codes, keep, config)


def train_library(
    birds, steps: int, codes: Codes, keep: Sequence[int] = (), config: RunConfig = OWN
) -> OwnRun:
    """The same with the library's generator and its own step (`FineGANSystem`)."""
    with torch.random.fork_rng(devices=[]):
        system = build_system(config)

    def update(batch, drawn, rng):
        made = system.learn(batch, drawn, rng)
        update_average(system.average, system.generator, config.recipe.ema_decay, buffers=True)
        return made

    return _play(update, system.average, birds, steps, codes, keep, config)


def _play(update, average, birds, steps, codes, keep, config) -> OwnRun:
    size, hierarchy = config.loop.batch_size, config.model.hierarchy()
    curves, looks = {}, {}
    for now, batch, rng in seeded_batches(birds, config.loop, steps):
        drawn = hierarchy.sample(size, config.model.z_dim, rng=rng)
        for name, loss in update(batch, drawn, rng).items():
            curves.setdefault(name, []).append(torch.as_tensor(loss).item())
        if now + 1 in keep:
            looks[now + 1] = generate(average, codes)
    return OwnRun(average, curves, looks)


def own_figure(own: OwnRun, library: OwnRun) -> Figure:
    """Two trainings beside each other: their losses, and the stages of two birds at some steps."""
    figure = plt.figure(figsize=(9.6, 1.15 * (len(own.looks) + 1) + 2.4), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(2.4, 1.15 * (len(own.looks) + 1)))
    terms = {"D_c": "loss of $D_c$", "parent_info": "$L_p$", "child_info": "$L_{c\\_info}$"}
    for axis, (term, title) in zip(above.subplots(1, 3), terms.items(), strict=True):
        axis.plot(library.curves[term], color=style.ORANGE, lw=3, label="the library's")
        axis.plot(own.curves[term], "--", color=style.REAL, lw=1.2, label="yours")
        axis.set(title=title, xlabel="step", ylabel="loss")
    axis.legend()
    last = max(library.looks)
    rows = {f"yours,\n{moment}": look for moment, look in own.looks.items()}
    rows[f"library's,\n{last}"] = library.looks[last]
    names = ["$B$", "$M_p$", "$P$", "$M_c$", "$C$"] * 2
    axes = below.subplots(len(rows), len(names))
    for row, (label, look) in zip(axes, rows.items(), strict=True):
        row[0].set_ylabel(label, rotation=0, ha="right", va="center")
        pieces = [look.background.image, look.parent.mask * 2 - 1, look.parent.image]
        pieces += [look.child.mask * 2 - 1, look.child.image]
        images = [piece[i].expand(3, -1, -1) for i in (0, 1) for piece in pieces]
        for axis, image in zip(row, images, strict=True):
            show(axis, image)
            axis.set(xticks=[], yticks=[])
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name)
    figure.suptitle("The same start, the same birds: your FineGAN and the library's")
    return figure


# ---------------------------------------------------------------------------------- with a mistake


def faulty_step(generator, critics, move, batch, codes, additions=None, **recipe):
    """:func:`step` with a mistake in it, for the exercise: the readers never learn."""
    moves = {name: move[name] for name in ("D_b", "D_c", "G")}
    still = torch.optim.SGD(generator.parameters(), lr=0.0)
    return step(generator, critics, moves | {"info": still}, batch, codes, additions, **recipe)


def last_update(terms: dict[str, Tensor], move) -> None:
    """The last update of a step: G and the readers of the codes, on the sum of the terms."""
    loss = sum(terms.values())
    for name in ("G", "info"):
        move[name].zero_grad()
    loss.backward()
    for name in ("G", "info"):
        move[name].step()


def faulty_update(terms: dict[str, Tensor], move) -> None:
    """:func:`last_update` with a mistake in it, for the exercise."""
    loss = sum(terms.values())
    for name in ("G", "info"):
        move[name].zero_grad()
    loss.backward()
    for name in ("G",):
        move[name].step()


def lay(background: Tensor, parent: list[Tensor], child: list[Tensor]) -> list[Tensor]:
    """P and C of a background and two pairs of foreground and mask."""
    p = parent[1] * parent[0] + (1 - parent[1]) * background
    return [p, child[1] * child[0] + (1 - child[1]) * p]


def lay_on_nothing(background: Tensor, parent: list[Tensor], child: list[Tensor]) -> list[Tensor]:
    """:func:`lay` with a mistake in it, for the exercise."""
    p = parent[1] * parent[0] + (1 - parent[1]) * background
    return [p, child[1] * child[0] + (1 - child[1]) * background]


def two_mistakes_figure(correct: OwnRun, faulty: OwnRun, output: FineGANOutput) -> Figure:
    """Symptoms of two mistakes: curves of two trainings, and pictures laid in a wrong order.

    Args:
        correct, faulty: runs, the second with :func:`faulty_step`.
        output: of the trained network; its child's mask is made thin here, its layers laid anew.
    """
    figure = plt.figure(figsize=(9.6, 5.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1.1))
    n = len(faulty.curves["child_info"])
    titles = {"parent_info": "$L_p$", "child_info": "$L_{c\\_info}$", "D_c": "loss of $D_c$"}
    for axis, (term, title) in zip(above.subplots(1, 3), titles.items(), strict=True):
        axis.plot(correct.curves[term][:n], color=style.REAL, label="correct")
        axis.plot(faulty.curves[term], "--", color=style.FAKE, label="with a mistake")
        axis.set(title=title, xlabel="step", ylabel="loss")
    axis.set_ylim(top=1.4 * axis.get_ylim()[1])  # room for the legend
    axis.legend()
    above.suptitle("Case 1: the losses of a training step")
    b, parent, child = output.background.image, output.parent, output.child
    layers = b, [parent.foreground, parent.mask], [child.foreground, 0.2 * child.mask]
    rows = {
        "$P$": parent.image,
        "$C$, correct": lay(*layers)[1],
        "$C$, with\na mistake": lay_on_nothing(*layers)[1],
    }
    axes = below.subplots(len(rows), 8)
    for row, (label, images) in zip(axes, rows.items(), strict=True):
        row[0].set_ylabel(label, rotation=0, ha="right", va="center")
        for axis, image in zip(row, images, strict=False):
            show(axis, image)
            axis.set(xticks=[], yticks=[])
    below.suptitle("Case 2: three layers, with a child's mask at a fifth of its opacity")
    return figure


# ------------------------------------------------------------------------------------- probes

PROBE = FineGANConfig(
    image_size=32,
    n_parents=2,
    n_children=4,
    z_dim=4,
    g_dim=4,
    d_dim=4,
    residual_blocks=1,
    mask_bias=-0.5,
)
FLAT = ("background", "parent", "child")


def flat(output: FineGANOutput) -> tuple[Tensor, ...]:
    """The nine tensors that differ between the stages of an output: F, M and image.

    Raises:
        TypeError: if it is no `FineGANOutput`. The training uses its names, so a tuple is no help.
    """
    if not isinstance(output, FineGANOutput):
        raise TypeError(f"a {type(output).__name__} is no FineGANOutput of three stages")
    return tuple(t for s in output for t in (s.foreground, s.mask, s.image))


def probe_layer(answer, features: Tensor, behind: Tensor):
    """What two heads and a stitch do (see `exercises.Build`)."""
    layer = answer(features.shape[1], -0.5)
    return look_at(_OfStage(layer), features, behind) if isinstance(layer, nn.Module) else layer


class _Flattened(nn.Module):
    """A network that gives a stage or an output, as one that gives a tuple of tensors."""

    def __init__(self, network):
        super().__init__()
        self.network = network


class _OfStage(_Flattened):
    def forward(self, features, behind):
        made = self.network(features, behind)
        if made is ... or isinstance(made, Tensor):
            return made
        if not isinstance(made, Stage):  # the generator uses its names
            raise TypeError(f"a {type(made).__name__} is no Stage with four names")
        return tuple(made)


class _OfCodes(_Flattened):
    def forward(self, *codes):
        made = self.network(Codes(*codes))
        return made if made is ... else flat(made)


def probe_generator(answer, z: Tensor, b: Tensor, p: Tensor, c: Tensor):
    """What a whole generator does."""
    generator = answer(PROBE, Stem, CodeStage, Layer)
    wrapped = _OfCodes(generator) if isinstance(generator, nn.Module) else generator
    return look_at(wrapped, z, b, p, c)


def probe_step(answer, images: Tensor, full: Tensor, box: Tensor):
    """What a whole training step does: once with additions, then once without."""
    generator = set_weights(PartsGenerator(PROBE)).train()
    critics = [set_weights(critic).train() for critic in build_discriminators(PROBE)]
    d_b, d_p, d_c = critics
    log, watched = [], {"G": generator, "D_p": d_p}
    trunk = [*d_c.trunk.parameters(), *d_c.real_fake.parameters()]
    readers = [*d_p.trunk.parameters(), *d_p.code.parameters(), *d_c.code.parameters()]
    move = {
        "D_b": Watched("D_b", d_b.parameters(), log, watched),
        "D_c": Watched("D_c", trunk, log, watched),
        "G": Watched("G", generator.parameters(), log, {}),
        "info": Watched("info", readers, log, {}),
    }
    batch = TrainingExample(images, full, box, torch.arange(len(images)))
    rng, hierarchy = torch.Generator().manual_seed(0), PROBE.hierarchy()
    returned = []
    for extra in (lambda fake, codes: {"more": fake.parent.mask.mean()}, None):
        codes = hierarchy.sample(len(images), PROBE.z_dim, rng=rng)
        try:
            returned.append(answer(generator, critics, move, batch, codes, extra, **HINGE))
        except RuntimeError as error:  # which updates came before it tells what is wrong
            made = ", ".join(name for name, *_ in log)
            raise RuntimeError(f"after the updates {made}: {error}" if made else error) from error
    if any(made is ... for made in returned):
        return ...
    if not all(isinstance(made, dict) for made in returned):
        return {"what it returns": f"a {type(returned[0]).__name__}"}
    seen = {"who is moved": sorted({name for name, *_ in log})}
    # G and the readers move at the same time: either may be called first.
    order = ", ".join(name for name, *_ in log).replace("info, G", "G, info")
    seen["the order of the updates"] = order
    early = {name: log[i][2] for i, name in enumerate(("D_b", "D_c")) if len(log) > i}
    seen["whether G or D_p has gradients when D_b and D_c first move"] = early
    seen["the losses"] = [
        {k: torch.as_tensor(v).item() for k, v in made.items()} for made in returned
    ]
    seen["the size of the gradients, update by update"] = sizes(log)
    for name, player in {"G": generator, "D_b": d_b, "D_p": d_p, "D_c": d_c}.items():
        seen[f"the weights of {name} afterwards"] = [
            p.detach().norm().item() for p in player.parameters()
        ]
    return seen


def probe_layers(answer, *layers: Tensor):
    """The result of B, then F_p by M_p, then F_c by M_c, and the gradient of C by each of them."""
    layers = [layer.detach().clone().requires_grad_() for layer in layers]
    made = answer(layers[0], layers[1:3], layers[3:])
    if made is ...:
        return ...
    p, c = made
    if c.requires_grad:
        projection(c).backward()
    names = ("B", "F_p", "M_p", "F_c", "M_c")
    taught = {
        name: torch.zeros_like(layer) if layer.grad is None else layer.grad
        for name, layer in zip(names, layers, strict=True)
    }
    return {"P": p.detach(), "C": c.detach()} | {
        f"the gradient of C by {n}": g for n, g in taught.items()
    }


def sizes(log: list) -> dict[str, list[float]]:
    """The sizes of the gradients in the log of watched optimisers, by optimiser."""
    names = sorted({name for name, *_ in log})
    return {which: [size for name, size, _ in log if name == which] for which in names}


class Toy(nn.Module):
    """One weight, for the exercise on the last update."""

    def __init__(self, start: float):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[start]]))


def probe_update(answer, x: Tensor):
    """What a last update does to a writer, a reader, and their optimisers."""
    writer, reader, log = Toy(1.0), Toy(2.0), []
    move = {
        "G": Watched("G", writer.parameters(), log, {}),
        "info": Watched("info", reader.parameters(), log, {}),
    }
    for _ in range(2):
        terms = {
            "background": (x - writer.weight).square().mean(),
            "parent_info": (x * writer.weight - reader.weight).square().mean(),
            "child": (x * writer.weight).square().mean(),
            "child_info": (x * writer.weight * reader.weight).mean(),
        }
        if answer(terms, move) is ...:
            return ...
    return {
        "who moves": sorted({name for name, *_ in log}),
        "how often each moves": {n: sum(name == n for name, *_ in log) for n in ("G", "info")},
        "the size of the gradients": sizes(log),
        "the weights afterwards": [writer.weight.item(), reader.weight.item()],
    }
