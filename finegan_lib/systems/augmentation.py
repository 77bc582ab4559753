"""Augmentation of a discriminator's images, real and generated.

A discriminator that sees a few thousand photographs again and again memorises them. Its gradient
then no longer shows how a bird looks. For this reason, each image is changed at random before D
classifies it, in the D step and in the G step. D never sees the same photograph twice. The changes
are differentiable, so G learns through them. Generated images get the same changes as real ones, so
G does not learn to make the changes (Zhao et al., *Differentiable Augmentation for Data-Efficient
GAN Training*, 2020).

The strength of the augmentation can follow D's overfitting (Karras et al., *Training Generative
Adversarial Networks with Limited Data*, 2020, "ADA"): :func:`next_strength`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..speed.distributed import sample

SHIFT = 1 / 8  # largest shift, as a fraction of the side (DiffAugment's translation)
HOLE = 1 / 2  # side of the square that is cut out, as a fraction of the side (its cutout)


def augment(
    images: Tensor,
    policies: tuple[str, ...],
    strength: float | Tensor,
    rng: torch.Generator,
) -> Tensor:
    """Images, each policy applied to each of them with probability ``strength``.

    Args:
        images: (N, 3, S, S) in [-1, 1]; the result may lie a little outside.
        policies: names of :data:`POLICIES`, applied in this order.
        strength: a number in [0, 1], or a scalar tensor.
        rng: numbers, on the CPU.

    Returns:
        (N, 3, S, S), differentiable by ``images``.
    """
    for name in policies:
        chosen = sample(torch.rand, len(images), rng=rng).to(images) < strength
        changed = POLICIES[name](images, rng)
        images = torch.where(chosen[:, None, None, None], changed, images)
    return images


def colour(images: Tensor, rng: torch.Generator) -> Tensor:
    """Brightness, saturation and contrast changed at random, a triple of numbers for each image.

    DiffAugment: brightness + U(−0.5, 0.5), saturation × U(0, 2) around the pixel's grey, contrast
    × U(0.5, 1.5) around the image's mean.
    """
    numbers = sample(torch.rand, 3, len(images), 1, 1, 1, rng=rng, batch_dim=1)
    brightness, saturation, contrast = numbers.to(images)
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + 2 * saturation * (images - grey)
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (0.5 + contrast) * (images - mean)


def translation(images: Tensor, rng: torch.Generator) -> Tensor:
    """Shift each image by whole pixels, up to :data:`SHIFT` of its side. New pixels are grey, 0."""
    n, side = len(images), images.shape[-1]
    largest = round(side * SHIFT)
    numbers = sample(torch.rand, 2, n, rng=rng, batch_dim=1).to(images.device)
    pixels = (numbers * (2 * largest + 1)).floor().clamp(max=2 * largest) - largest
    theta = torch.zeros(n, 2, 3, device=images.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1
    theta[:, :, 2] = 2 * pixels.T / side
    grid = F.affine_grid(theta, list(images.shape), align_corners=False).to(images.dtype)
    return F.grid_sample(images, grid, mode="nearest", align_corners=False)


def cutout(images: Tensor, rng: torch.Generator) -> Tensor:
    """Set a square of side :data:`HOLE` · S to 0 (grey); it may reach over the border."""
    n, side = len(images), images.shape[-1]
    hole = round(side * HOLE)
    numbers = sample(torch.rand, 2, n, rng=rng, batch_dim=1).to(images.device)
    first = (numbers * (side + 1)).floor() - hole // 2
    pixel = torch.arange(side, device=images.device)
    inside = (pixel >= first[..., None]) & (pixel < first[..., None] + hole)  # (2, N, side)
    kept = ~(inside[0, :, :, None] & inside[1, :, None, :])
    return images * kept[:, None].to(images)


POLICIES = {"colour": colour, "translation": translation, "cutout": cutout}


def overfitting(real_logits: Tensor, fake_logits: Tensor | None = None) -> Tensor:
    """ADA's r_t = E[sign(D(x))] over real training images: 0 where D guesses, 1 where it is sure.

    A relativistic D knows differences only: then r_t = E[sign(D(x) − D(G(z)))].

    Args:
        real_logits: (N,).
        fake_logits: (N,), for a relativistic D.
    """
    logits = real_logits if fake_logits is None else real_logits - fake_logits
    return logits.detach().float().sign().mean()


def next_strength(strength: Tensor, r: Tensor, target: float, step: float) -> Tensor:
    """One step up where D overfits (r above ``target``), down elsewhere, within [0, 1] (ADA)."""
    return (strength + step * (r - target).sign()).clamp(0, 1)
