"""How often the predicted category stays when the background is swapped. No labels are needed.

A category that changes with the background is a category of backgrounds. A classifier that learned
to read child codes from generated images (φ_c of
:func:`finegan_lib.discovery.code_classifiers.code_readers`) predicts the category before and after
the swap:

- **by code**, for a FineGAN: the same bird, drawn again with another background code b;
- **by surroundings**, for any family and for real photographs: the middle of one crop, a disc as
  wide as the object, in the surroundings of another crop. The background inside the disc stays, so
  this swap changes less. It is the only one that an InfoGAN allows.

As a control, the crop moves by one pixel. A background swap changes at least about as many
categories as this.
"""

import numpy as np
import torch
from torch import Tensor

from ..data.plausible import MARGIN
from ..discovery.code_classifiers import as_finegan
from ..metrics.code_classifiers import classify, shrink
from ..models import FineGANGenerator


def disc(size: int, width: float = MARGIN / 1.5) -> Tensor:
    """(1, 1, size, size) in [0, 1]: 1 in a disc in the middle, with a rim of size/16 pixels.

    Args:
        size: pixels.
        width: the disc's diameter in units of ``size``; by default the share of a crop, cut at the
            paper's 1.5 times the box, that the box's longer side takes.
    """
    place = (torch.arange(size) + 0.5) / size - 0.5
    radius = (place[:, None].square() + place[None].square()).sqrt()
    return ((width / 2 - radius) * 16 + 0.5).clamp(0, 1)[None, None]


def donors(n: int, seed: int = 0) -> np.ndarray:
    """(n,) for each image another one, whose surroundings it gets; each gives its own once."""
    order = np.random.default_rng(seed).permutation(n)
    taken = np.empty(n, dtype=np.int64)
    taken[order] = np.roll(order, 1)
    return taken


def swap_surroundings(images: Tensor, other: Tensor) -> Tensor:
    """(N, 3, S, S) in [-1, 1]: the disc in the middle of ``images``, all else of ``other``."""
    inside = disc(images.shape[-1])
    return inside * images + (1 - inside) * other


def moved(images: Tensor) -> Tensor:
    """Images one pixel further to the right."""
    return torch.cat([images[..., :1], images[..., :-1]], 3)


def named(reader, images: Tensor, image_size: int = 32) -> np.ndarray:
    """(N,) the code that a reader finds most likely, of images in [-1, 1] of any size."""
    return classify(reader, shrink(images, image_size))[0].argmax(1).numpy()


def surroundings_scores(reader, images: Tensor, *, image_size: int = 32, seed: int = 0) -> dict:
    """How often the predicted category stays in other surroundings.

    Args:
        reader: of child codes.
        images: (N, 3, S, S) in [-1, 1], real or generated.
        image_size: that the reader sees.

    Returns:
        Shares of the images: ``kept``, the category stays; ``follows``, it becomes the one of the
        image that gave the surroundings; ``moved``, it stays when the image moves by a pixel.
    """
    other = donors(len(images), seed)
    before = named(reader, images, image_size)
    after = named(reader, swap_surroundings(images, images[other]), image_size)
    return {
        "kept": float((after == before).mean()),
        "follows": float(((after == before[other]) & (after != before)).mean()),
        "moved": float((named(reader, moved(images), image_size) == before).mean()),
    }


@torch.no_grad()
def code_swap_scores(
    generator: FineGANGenerator,
    reader,
    *,
    n: int = 1000,
    image_size: int = 32,
    seed: int = 0,
    batch_size: int = 50,
) -> dict:
    """How often the predicted category stays when only the background code b changes.

    p is the parent of c, both b are sampled freely and differ; z stays.

    Returns:
        Shares of the n images: ``kept``; ``right``, the category is the child code; ``moved``.
    """
    hierarchy, rng = generator.config.hierarchy(), torch.Generator().manual_seed(seed)
    device, counts = next(generator.parameters()).device, np.zeros(3)
    for start in range(0, n, batch_size):
        many = min(batch_size, n - start)
        free = hierarchy.sample(many, generator.config.z_dim, tied=False, rng=rng)
        step = torch.randint(1, max(2, hierarchy.n_children), (many,), generator=rng)
        other = (free.b_index + step) % hierarchy.n_children
        first, second = (
            generator(hierarchy.codes(free.z, free.c_index, b_index=b).to(device)).child.image.cpu()
            for b in (free.b_index, other)
        )
        before = named(reader, first, image_size)
        counts += [
            (named(reader, second, image_size) == before).sum(),
            (before == free.c_index.numpy()).sum(),
            (named(reader, moved(first), image_size) == before).sum(),
        ]
    return dict(zip(("kept", "right", "moved"), (counts / n).tolist(), strict=True))


@torch.no_grad()
def fresh_images(generator, n: int, *, seed: int = 0, batch_size: int = 50):
    """Generated images that no reader learnt from, every child equally often, backgrounds free.

    Returns:
        images (n, 3, S, S) in [-1, 1], their child codes (n,), and how many codes there are.
    """
    generate, hierarchy = as_finegan(generator, seed + 1)
    rng, images = torch.Generator().manual_seed(1_000_003 + seed), []
    c = torch.arange(n) % hierarchy.n_children
    for part in c.split(batch_size):
        free = hierarchy.sample(len(part), generator.config.z_dim, tied=False, rng=rng)
        images.append(
            generate(hierarchy.codes(free.z, part, b_index=free.b_index)).child.image.cpu()
        )
    return torch.cat(images), c.numpy(), hierarchy.n_children
