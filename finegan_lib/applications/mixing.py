"""Shape and pose of one bird, appearance of another, background of a third: a choice of codes."""

from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..codes import Codes
from ..figures import generate
from ..models import FineGANGenerator, FineGANOutput
from ..models.finegan import Stage, stitch


def mix(
    generator: FineGANGenerator, shape: Codes, appearance: Codes, background: Codes
) -> FineGANOutput:
    """Shape and pose (p, z) of one bird, appearance (c) of another, background (b, z) of a third.

    The background keeps a z of its own, so it is copied pixel by pixel. A foreground depends on no
    background and can be laid over any.

    Args:
        shape, appearance, background: codes of N birds each.

    Returns:
        The three stages of the N mixtures.
    """
    return lay(generate(generator, shape._replace(c=appearance.c)), generate(generator, background))


def lay(front: FineGANOutput, back: FineGANOutput) -> FineGANOutput:
    """The foregrounds of one output over the background of another."""
    parent = stitch(front.parent.foreground, front.parent.mask, back.background.image)
    child = stitch(front.child.foreground, front.child.mask, parent.image)
    return FineGANOutput(back.background, parent, child)


def repaint(generator: FineGANGenerator, codes: Codes, images: Tensor) -> Stage:
    """Lay the child that codes describe over given pictures: M_c·F_c + (1 − M_c)·image.

    Args:
        codes: of N birds, for instance :func:`~finegan_lib.applications.invert`'s with another c.
        images: (N, 3, S, S) in [-1, 1].
    """
    child = generate(generator, codes).child
    return stitch(child.foreground, child.mask, images)


class Layers(NamedTuple):
    """Generated birds taken apart: a bird over any background B is paint + gap·B.

    Attributes:
        background: (N, 3, S, S) in [-1, 1].
        paint: (N, 3, S, S), M_c·F_c + (1 − M_c)·M_p·F_p.
        gap: (N, 1, S, S) in [0, 1], (1 − M_c)·(1 − M_p): what both masks let through. 1 − gap is
            the mask of the whole bird.
    """

    background: Tensor
    paint: Tensor
    gap: Tensor

    def over(self, birds, behind) -> Tensor:
        """Images (n, 3, S, S): the birds of some rows over the backgrounds of others."""
        return self.paint[birds] + self.gap[birds] * self.background[behind]


def free_layers(
    generator: FineGANGenerator, n: int, seed: int, progress: bool = False
) -> tuple[Codes, Layers]:
    """n birds of free codes, b, p and c each sampled by itself, and their :class:`Layers`."""
    sizes, rng = generator.config, torch.Generator().manual_seed(seed)
    codes = sizes.hierarchy().sample(n, sizes.z_dim, tied=False, rng=rng)
    return codes, layers(generator, codes, progress=progress)


def layers(
    generator: FineGANGenerator, codes: Codes, *, batch_size: int = 50, progress: bool = False
) -> Layers:
    """The :class:`Layers` of N birds, on the CPU.

    Once they are generated, N² pictures cost an addition each.
    """
    parts = []
    starts = range(0, len(codes.z), batch_size)
    for start in tqdm(starts, "drawing", disable=not progress, leave=False):
        output = generate(generator, codes.select(slice(start, start + batch_size)))
        parent, child = output.parent, output.child
        paint = child.masked_foreground + (1 - child.mask) * parent.masked_foreground
        gap = (1 - child.mask) * (1 - parent.mask)
        parts.append([part.cpu() for part in (output.background.image, paint, gap)])
    return Layers(*(torch.cat(part) for part in zip(*parts, strict=True)))
