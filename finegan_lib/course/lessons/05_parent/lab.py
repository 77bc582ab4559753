"""The laboratory of the lesson on the parent: FineGAN's second stage and the reader of its code.

The losses and networks come from the library or from the student. This file has the training loop
and a few measurements. Everything has a seed.
"""

from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor

from .... import losses
from ....base.errors import InputError
from ....codes import Codes
from ....figures import generate, image_figure, noise
from ....models import FineGANConfig, FineGANGenerator
from ....models.blocks import initialise
from ....models.finegan import CodeDiscriminator, CodeStage, Stage, Stem, stitch
from ....systems import Recipe, code_view
from ...engine.probing import look_at
from ..shared_lab import descend

PARENT = FineGANConfig(
    image_size=32, n_parents=5, n_children=20, z_dim=8, g_dim=4, d_dim=16, residual_blocks=0
)


class ParentRun(NamedTuple):
    """A generator and D_p after training on L_p alone, and the name of the view that D_p saw."""

    generator: FineGANGenerator
    discriminator: CodeDiscriminator
    shown: str

    def generate(self, codes: Codes) -> Stage:
        """The parent stage of some codes."""
        return generate(self.generator, codes).parent

    @torch.no_grad()
    def read(self, stage: Stage, mask_only: bool = False) -> Tensor:
        """(N,) int64: the parent that D_p names. It sees the same view as in training, or masks in
        white."""
        view = _shown(stage, self.shown)
        if mask_only:
            view = stage.mask.expand_as(view)
        return self.discriminator.code_logits(view).argmax(1)


def train_parent(
    recipe: Recipe | None = None,
    *,
    stem=Stem,
    code_stage=CodeStage,
    view=code_view,
    shown: str = "foreground",
    steps: int = 200,
    seed: int = 0,
    config: FineGANConfig = PARENT,
    rate: float = 2e-3,
    batch: int = 16,
) -> ParentRun:
    """Train G and D_p together on the information about p alone, without real birds.

    Args:
        recipe: its additions for masks and for the view of D_p; None: the paper's, without
            additions.
        stem, code_stage: the library's networks, or others that do the same.
        view: what D_p sees of a stage, as `systems.code_view`.
        shown: what D_p reads, "foreground" (M·F, the paper) or "image" (P, to show its fault).
        rate: Adam's, with betas (0.5, 0.999).

    Raises:
        InputError: if ``shown`` is neither.
    """
    recipe = recipe or Recipe()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = with_parts(FineGANGenerator(config), stem, code_stage)
        discriminator = CodeDiscriminator(config, config.n_parents)
    players = [*generator.parameters(), *discriminator.parameters()]
    move = torch.optim.Adam(players, rate, (0.5, 0.999))
    hierarchy, rng = config.hierarchy(), torch.Generator().manual_seed(seed)
    for _ in range(steps):
        codes = hierarchy.sample(batch, config.z_dim, rng=rng)  # tied: b says p, too
        stage = generator(codes).parent
        seen = stage._replace(masked_foreground=_shown(stage, shown))
        logits = discriminator.code_logits(view(seen, recipe, rng, recipe.silhouette))
        loss = losses.information_loss(logits, codes.p_index)
        descend(move, loss + mask_terms(stage.mask, recipe))
    return ParentRun(generator.eval(), discriminator.eval(), shown)


def with_parts(generator: FineGANGenerator, stem=Stem, code_stage=CodeStage) -> FineGANGenerator:
    """The generator. If these classes are not the library's, they replace the parent's stem and
    stage."""
    config, width = generator.config, generator.parent_image.in_channels
    if stem is not Stem:
        sizes = config.n_parents, config.z_dim, config.image_size, config.g_dim
        generator.foreground_stem = stem(*sizes)
        initialise(generator.foreground_stem)
    if code_stage is not CodeStage:
        sizes = config.n_parents, config.g_dim, width, config.residual_blocks
        generator.parent_stage = code_stage(*sizes)
        initialise(generator.parent_stage)
    return generator


def mask_terms(mask: Tensor, recipe: Recipe) -> Tensor:
    """The recipe's additions on one mask (N, 1, S, S), its area and its crispness: a scalar."""
    area = losses.mask_area_loss(mask, recipe.mask_smallest, recipe.mask_largest)
    return recipe.mask_area * area + recipe.mask_binary * losses.mask_binary_loss(mask)


def crispness(mask: Tensor) -> float:
    """1 for masks of 0 and 1, 0 for masks that are 1/2 everywhere: 1 − 4 E[M(1 − M)]."""
    return 1 - 4 * losses.mask_binary_loss(mask).item()


def codes_for_parents(generator: FineGANGenerator, n_z: int, seed: int = 0) -> Codes:
    """Codes for every p with the same n_z noises: first p = 0 with all z, then p = 1, and on.

    c is each parent's first child and b = c.
    """
    hierarchy = generator.config.hierarchy()
    z = noise(generator, n_z, seed).repeat(hierarchy.n_parents, 1)
    first = torch.tensor([hierarchy.children_of(p)[0] for p in range(hierarchy.n_parents)])
    return hierarchy.codes(z, first.repeat_interleave(n_z))


def _shown(stage: Stage, shown: str) -> Tensor:
    views = {"foreground": stage.masked_foreground, "image": stage.image}
    if shown not in views:
        raise InputError(
            "there is no such view of a stage",
            seen=shown,
            cure='Choose "foreground" (M·F) or "image" (P).',
        )
    return views[shown]


# ------------------------------------------------------------------------------------- transparency


def opacity_figure(foreground: Tensor, mask: Tensor, behind: Tensor, opacity: float) -> Figure:
    """A stage (pictures (N, 3, S, S), mask (N, 1, S, S)) whose mask is made thinner.

    Args:
        opacity: factor on the mask, 0 to 1.
    """
    stage = stitch(foreground, opacity * mask, behind)
    rows = {"$M_p$": stage.mask, "$M_p F_p$": stage.masked_foreground, "$P$": stage.image}
    columns = [f"p={p}" for p in range(len(mask))]
    title = f"A mask at {opacity:.0%} of its opacity"
    return image_figure([list(r) for r in rows.values()], list(rows), columns, title, size=0.8)


# ---------------------------------------------------------------------------------- with a mistake


def faulty_silhouettes(masked: Tensor, mask: Tensor, flat: Tensor, colour: Tensor) -> Tensor:
    """Some masked foregrounds replaced by silhouettes, with a mistake in it, for the exercise.

    Args:
        masked: M·F, (N, 3, S, S); mask: (N, 1, S, S); flat: (N,) bool, which to replace;
            colour: (N, 3, 1, 1) of ±1.
    """
    silhouette = mask.detach() * colour
    return torch.where(flat[:, None, None, None], silhouette, masked)


def silhouettes(masked: Tensor, mask: Tensor, flat: Tensor, colour: Tensor) -> Tensor:
    """Some masked foregrounds replaced by silhouettes, as `systems.code_view` does it."""
    return torch.where(flat[:, None, None, None], mask * colour, masked)


def faulty_view(stage: Stage, recipe: Recipe, rng: torch.Generator, silhouette=0.0) -> Tensor:
    """`systems.code_view` with the mistake of :func:`faulty_silhouettes`."""
    return code_view(stage._replace(mask=stage.mask.detach()), recipe, rng, silhouette)


def heads(image: Tensor, mask: Tensor, bias: float) -> list[Tensor]:
    """F (N, 3, S, S) in [-1, 1] and M (N, 1, S, S) in [0, 1] of what the two heads give out."""
    return [torch.tanh(image), torch.sigmoid(mask + bias)]


def crossed_heads(image: Tensor, mask: Tensor, bias: float) -> list[Tensor]:
    """:func:`heads` with a mistake in it, for the exercise."""
    return [torch.sigmoid(image), torch.tanh(mask + bias)]


def two_mistakes_figure(
    correct: ParentRun, faulty: ParentRun, shapes: Codes, stage: Stage, behind: Tensor
) -> Figure:
    """Symptoms of two mistakes: masks of two trainings, and a stage with crossed heads.

    Args:
        correct, faulty: runs with silhouettes, the second with :func:`faulty_view`.
        shapes: codes for the masks.
        stage: of the trained network, over ``behind``; its heads are crossed here.
    """
    most = 1 - 1e-4
    crossed = crossed_heads(
        torch.atanh(stage.foreground.clamp(-most, most)), torch.logit(stage.mask, 1e-4), 0.0
    )
    broken = stitch(*crossed, behind)
    n = len(shapes.z)
    rows = {
        "1: masks,\ncorrect": correct.generate(shapes).mask,
        "1: masks,\nmistake": faulty.generate(shapes).mask,
        "2: $F_p$": broken.foreground.repeat_interleave(2, 0)[:n],
        "2: $M_p$": (broken.mask.repeat_interleave(2, 0)[:n] + 1) / 2,
        "2: $P$": broken.image.repeat_interleave(2, 0)[:n].clamp(-1, 1),
    }
    columns = [f"p={p}" for p in shapes.p_index.tolist()]
    title = "Two cases (the masks of the second: black is −1, white is 1)"
    return image_figure([list(r) for r in rows.values()], list(rows), columns, title, size=0.7)


# ------------------------------------------------------------------------------------- probes


def probe_stage(answer, code: Tensor, features: Tensor, out_channels: int, blocks: int):
    """What a code stage does (see `exercises.Build`)."""
    stage = answer(code.shape[1], features.shape[1], out_channels, blocks)
    return look_at(stage, code, features)
