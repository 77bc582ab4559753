"""The laboratory of the lesson on the background: FineGAN's first stage by itself, and its patches.

The losses and networks are the library's; here are only the loop, a few measurements, and what is
drawn on top of a picture. Everything is seeded.
"""

import copy
import itertools
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .... import losses
from ....data import ToyBirds
from ....figures import noise
from ....models import FineGANConfig, FineGANGenerator
from ....models.blocks import PatchGeometry
from ....models.finegan import BackgroundDiscriminator
from ....systems import update_average
from ... import style
from ..shared_lab import descend

# Sizes at which one stage by itself learns something in seconds: six codes b.
BACKGROUND = FineGANConfig(
    image_size=32,
    n_parents=1,
    n_children=6,
    z_dim=8,
    g_dim=8,
    d_dim=32,
    residual_blocks=0,
    background_gain=2.0,
)

# ------------------------------------------------------------------------------------- patches


def receptive_field(layers) -> int:
    """Pixels along one side that a cell sees, after (kernel, stride) convolutions without padding.

    f = 1 + Σ_l (k_l − 1) · Π_{m<l} s_m; the same as ``PatchGeometry.of(...).receptive_field``.
    """
    strides = itertools.accumulate((stride for _, stride in layers), lambda a, b: a * b, initial=1)
    return 1 + sum((kernel - 1) * jump for (kernel, _), jump in zip(layers, strides, strict=False))


def pixels_that_count(discriminator: BackgroundDiscriminator, row: int, column: int) -> Tensor:
    """(S_b, S_b) bool: the input pixels that the real/fake logit of one cell depends on.

    Found by autograd, from the gradient at a random image, and not from the layers' sizes.
    """
    side = discriminator.input_size
    random = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, side, side, generator=random).requires_grad_()
    _, logits = discriminator(image)
    (gradient,) = torch.autograd.grad(logits[0, row, column], image)
    return (gradient[0] != 0).any(0)


def free_shares(birds: ToyBirds, layer_sets, n: int = 200) -> list[float]:
    """For each stack of (kernel, stride) layers, the share of patches that are surely background.

    Counted over the first n windows of the whole images, with the boxes of the data set.
    """
    box = birds.batch(range(n)).box
    geometries = [PatchGeometry.of(layers, birds.background_size) for layers in layer_sets]
    return [losses.background_patch_weights(box, g).mean().item() for g in geometries]


def bird_share(masks: Tensor, geometry: PatchGeometry) -> Tensor:
    """(N, cells, cells): how much of every patch is bird, for masks (N, S_b, S_b) of 0 and 1."""
    field, stride, _ = geometry
    return F.avg_pool2d(masks.float()[:, None], field, stride)[:, 0]


def window_masks(birds: ToyBirds, indices) -> Tensor:
    """(N, S_b, S_b) bool: where the bird is in the windows of ``birds.batch(indices)``."""
    side = birds.background_size
    masks = []
    for index, mask in zip(indices, birds.scene_masks(indices), strict=True):
        _, _, (x, y), flip = birds.random_view(int(index))
        window = mask[y : y + side, x : x + side]
        masks.append(window.flip(1) if flip else window)
    return torch.stack(masks)


def cells_extent(geometry: PatchGeometry) -> tuple[float, float, float, float]:
    """Where a map of cells lies on its picture, each at the centre of its patch.

    For ``imshow(map, extent=...)`` over ``imshow(picture)``: left, right, bottom, top in pixels.
    """
    field, stride, cells = geometry
    first = field / 2 - 0.5 - stride / 2
    last = first + cells * stride
    return first, last, last, first


def draw_box(axis, box, colour: str = style.FAKE) -> None:
    """The outline x1, y1, x2, y2 (pixels) on a picture shown by ``imshow``."""
    x1, y1, x2, y2 = (float(value) - 0.5 for value in box)  # imshow's pixel 0 is [−0.5, 0.5]
    for width, line in ((3.5, "white"), (1.8, colour)):
        axis.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=line, lw=width)


def draw_cells(axis, weights: Tensor, geometry: PatchGeometry) -> None:
    """A mark at the centre of every patch: a dot where it is kept, a cross where it is not.

    Args:
        weights: (cells, cells), 1 for a patch that is kept.
    """
    field, stride, cells = geometry
    centre = np.arange(cells) * stride + field / 2 - 0.5
    x, y = np.meshgrid(centre, centre)
    kept = weights.numpy() > 0
    for here, mark, colour, size in ((kept, "o", style.SKY, 16), (~kept, "x", style.FAKE, 18)):
        axis.scatter(x[here], y[here], marker=mark, s=size + 14, color="white", lw=2.6)
        axis.scatter(x[here], y[here], marker=mark, s=size, color=colour, lw=1.4)


# ------------------------------------------------------------------------------------- stage 1


class BackgroundRun(NamedTuple):
    """A background stage (its averaged weights) and its discriminator, in evaluation mode."""

    generator: FineGANGenerator
    discriminator: BackgroundDiscriminator

    @torch.no_grad()
    def draw(self, n: int, seed: int = 0) -> Tensor:
        """(n, 3, S, S) backgrounds in [-1, 1]: the codes b in order, each with a z of its own."""
        n_codes = self.generator.config.n_children
        b = F.one_hot(torch.arange(n) % n_codes, n_codes).float()
        return self.generator.draw_background(noise(self.generator, n, seed), b).image


def train_background(
    birds: ToyBirds,
    *,
    outside_only: bool = True,
    with_aux: bool = True,
    steps: int = 600,
    seed: int = 0,
    config: FineGANConfig = BACKGROUND,
    rate: float = 2e-3,
    batch: int = 16,
) -> BackgroundRun:
    """G_b against D_b and nothing else: no bird is ever asked for.

    Args:
        birds: of the image size of ``config``.
        outside_only: judge real patches outside of the box only (the paper); else every patch of a
            real window passes for background.
        with_aux: also ask G_b that aux call every patch background (the paper).
        rate: Adam's, for both players, with betas (0.5, 0.999). The losses are those of the
            ``toy`` preset: hinge, with weight 1; the weights of G_b are averaged with decay 0.98.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, discriminator = FineGANGenerator(config), BackgroundDiscriminator(config)
    average = copy.deepcopy(generator)
    stage = [*generator.background_stem.parameters(), *generator.background_image.parameters()]
    move_g = torch.optim.Adam(stage, rate, (0.5, 0.999))
    move_d = torch.optim.Adam(discriminator.parameters(), rate, (0.5, 0.999))
    recipe = {"adversarial": "hinge", "background_weight": 1.0}
    hierarchy, random = config.hierarchy(), torch.Generator().manual_seed(seed)
    for step in range(steps):
        real = birds.batch(torch.randint(len(birds), (batch,), generator=random).numpy(), step)
        weights = losses.background_patch_weights(real.box, discriminator.geometry)
        if not outside_only:
            weights = torch.ones_like(weights)
        codes = hierarchy.sample(batch, config.z_dim, generator=random)
        fake = generator.draw_background(codes.z, codes.b).image
        real_aux, real_logits = discriminator(real.full_image)
        _, fake_logits = discriminator(fake.detach())
        loss_d = losses.background_discriminator_loss(
            real_aux, real_logits, fake_logits, weights, **recipe
        )
        descend(move_d, loss_d)
        fake_aux, fake_logits = discriminator(fake)
        loss_g = losses.background_generator_loss(fake_aux, fake_logits, **recipe)
        if not with_aux:
            loss_g = losses.hinge_generator_loss(fake_logits)
        descend(move_g, loss_g)
        update_average(average, generator, 0.98, buffers=True)
    return BackgroundRun(average.eval(), discriminator.eval())
