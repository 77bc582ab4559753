"""The laboratory of the lesson on the parent: FineGAN's second stage and the reader of its code.

The losses and networks are the library's; here are only the loop and a few measurements.
Everything is seeded.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .... import losses
from ....base.errors import InputError
from ....codes import Codes
from ....figures import draw, noise
from ....models import FineGANConfig, FineGANGenerator
from ....models.finegan import CodeDiscriminator, Stage
from ....systems import Recipe, code_view
from ..shared_lab import descend

PARENT = FineGANConfig(
    image_size=32, n_parents=5, n_children=20, z_dim=8, g_dim=4, d_dim=16, residual_blocks=0
)


class ParentRun(NamedTuple):
    """A generator and D_p after training on L_p alone, and what D_p was shown."""

    generator: FineGANGenerator
    discriminator: CodeDiscriminator
    shown: str

    def draw(self, codes: Codes) -> Stage:
        """The parent stage of some codes."""
        return draw(self.generator, codes).parent

    @torch.no_grad()
    def read(self, stage: Stage, mask_only: bool = False) -> Tensor:
        """(N,) int64: the parent that D_p names, shown what it was trained on or masks in white."""
        view = _shown(stage, self.shown)
        if mask_only:
            view = stage.mask.expand_as(view)
        return self.discriminator.code_logits(view).argmax(1)


def train_parent(
    recipe: Recipe | None = None,
    *,
    shown: str = "foreground",
    steps: int = 200,
    seed: int = 0,
    config: FineGANConfig = PARENT,
    rate: float = 2e-3,
    batch: int = 16,
) -> ParentRun:
    """G and D_p together on the information about p, and nothing else: no bird is ever shown.

    Args:
        recipe: its additions on masks and on what D_p is shown; None: the paper's, without any.
        shown: what D_p reads, "foreground" (M·F, the paper) or "image" (P, to see what is wrong
            with it).
        rate: Adam's, with betas (0.5, 0.999).

    Raises:
        InputError: if ``shown`` is neither.
    """
    recipe = recipe or Recipe()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = FineGANGenerator(config)
        discriminator = CodeDiscriminator(config, config.n_parents)
    players = [*generator.parameters(), *discriminator.parameters()]
    move = torch.optim.Adam(players, rate, (0.5, 0.999))
    hierarchy, random = config.hierarchy(), torch.Generator().manual_seed(seed)
    for _ in range(steps):
        codes = hierarchy.sample(batch, config.z_dim, generator=random)  # tied: b says p, too
        stage = generator(codes).parent
        view = stage._replace(masked_foreground=_shown(stage, shown))
        logits = discriminator.code_logits(code_view(view, recipe, random, recipe.silhouette))
        loss = losses.information_loss(logits, codes.p_index)
        descend(move, loss + mask_terms(stage.mask, recipe))
    return ParentRun(generator.eval(), discriminator.eval(), shown)


def mask_terms(mask: Tensor, recipe: Recipe) -> Tensor:
    """The recipe's additions on one mask (N, 1, S, S), its area and its crispness: a scalar."""
    area = losses.mask_area_loss(mask, recipe.mask_smallest, recipe.mask_largest)
    return recipe.mask_area * area + recipe.mask_binary * losses.mask_binary_loss(mask)


def crispness(mask: Tensor) -> float:
    """1 for masks of 0 and 1, 0 for masks that are 1/2 everywhere: 1 − 4 E[M(1 − M)]."""
    return 1 - 4 * losses.mask_binary_loss(mask).item()


def codes_for_parents(generator: FineGANGenerator, n_z: int, seed: int = 0) -> Codes:
    """Every p, one row after the other, with the same n_z noises: p = 0 with all z first.

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
