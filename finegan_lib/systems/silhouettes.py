"""Silhouettes of real images, from a network that has seen only generated images.

The generator makes a mask with every image. A small network, the mask reader, learns the child
mask from the image, and then reads masks of real images. The mean of many masks, over a kind of
image or over a parent's images, is a silhouette without plumage and background: kinds of one shape
have one silhouette. A classifier of the parent codes is worse here: it can name only shapes that
some parent generates.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base.random_numbers import seeded
from ..metrics.code_classifiers import DiscoveryConfig, recolour, shrink
from ..metrics.judges import StridedUNet
from ..models.finegan import FineGANGenerator

WIDTH = 8  # channels of the mask reader's first layer
EPOCHS = 3
LEARNING_RATE = 5e-3  # peak of a one-cycle schedule
PER_CODE = 40  # images whose mean silhouette is a parent's


def train_mask_reader(
    generator: FineGANGenerator, config: DiscoveryConfig, seed: int = 0
) -> StridedUNet:
    """A network that reads the child mask of generated images, in evaluation mode.

    Args:
        generator: a FineGAN in evaluation mode; p, c and b are sampled freely.
        config: its ``n_images``, ``batch_size`` and ``image_size`` are used.
    """
    hierarchy, rng = generator.config.hierarchy(), torch.Generator().manual_seed(seed)
    made: list[Tensor] = []
    drawn_masks: list[Tensor] = []
    with torch.no_grad():
        for start in range(0, config.n_images, config.batch_size):
            n = min(config.batch_size, config.n_images - start)
            codes = hierarchy.sample(n, generator.config.z_dim, tied=False, rng=rng)
            drawn = generator(codes).child
            made.append(shrink(drawn.image, config.image_size))
            drawn_masks.append(shrink(drawn.mask, config.image_size).clamp(0, 1))
    images, masks = torch.cat(made), torch.cat(drawn_masks)
    with seeded(seed):  # the weights and the colours come from torch's numbers
        mask_reader = StridedUNet(config.image_size, WIDTH).train()
        mask_reader = mask_reader.to(memory_format=torch.channels_last)
        batches = [
            rows
            for _ in range(EPOCHS)
            for rows in torch.randperm(len(images)).split(config.batch_size)
        ]
        optimiser = torch.optim.AdamW(mask_reader.parameters(), LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, len(batches))
        for rows in batches:
            logits = mask_reader(_innermost(recolour(images[rows])))
            loss = F.binary_cross_entropy_with_logits(logits, masks[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return mask_reader.eval()


@torch.no_grad()
def silhouettes(mask_reader: StridedUNet, images: Tensor, kinds: Tensor, n_kinds: int) -> Tensor:
    """The mean silhouette of each kind: (K, S, S).

    Args:
        images: (N, 3, S, S) in [-1, 1].
        kinds: (N,) int64; none of the kinds is empty.
    """
    read = [mask_reader(_innermost(batch)).sigmoid()[:, 0] for batch in images.split(100)]
    masks = torch.cat(read)
    return torch.stack([oriented(centred(masks[kinds == k])).mean(0) for k in range(n_kinds)])


@torch.no_grad()
def parent_silhouettes(
    mask_reader: StridedUNet, generator: FineGANGenerator, size: int, seed: int = 0
) -> Tensor:
    """The mean silhouette of each parent's images, with its children: (N_p, S, S)."""
    hierarchy, rng = generator.config.hierarchy(), torch.Generator().manual_seed(seed)
    images = []
    for parent in range(hierarchy.n_parents):
        z = torch.randn(PER_CODE, generator.config.z_dim, generator=rng)
        children = torch.tensor(hierarchy.children_of(parent))
        codes = hierarchy.codes(z, children[torch.arange(PER_CODE) % len(children)])
        images.append(shrink(generator(codes).child.image, size))
    parents = torch.arange(hierarchy.n_parents).repeat_interleave(PER_CODE)
    return silhouettes(mask_reader, torch.cat(images), parents, hierarchy.n_parents)


def centred(masks: Tensor) -> Tensor:
    """Masks (N, S, S), each moved by whole pixels so that its centre of mass is in the middle."""
    size = masks.shape[-1]
    offsets = torch.arange(size, dtype=masks.dtype) - (size - 1) / 2
    total = masks.sum((1, 2)).clamp_min(1e-6)
    x = ((masks.sum(1) * offsets).sum(1) / total).round().long()
    y = ((masks.sum(2) * offsets).sum(1) / total).round().long()
    moved = [
        torch.roll(m, (-b, -a), (0, 1))
        for m, a, b in zip(masks, x.tolist(), y.tolist(), strict=True)
    ]
    return torch.stack(moved)


def oriented(masks: Tensor, rounds: int = 6) -> Tensor:
    """Masks (N, S, S), each mirrored if this makes it more similar to the mean of all."""
    mean, mirrored = masks[0], masks.flip(-1)
    for _ in range(rounds):
        better = (mirrored * mean).sum((1, 2)) > (masks * mean).sum((1, 2))
        turned = torch.where(better[:, None, None], mirrored, masks)
        mean = turned.mean(0)
    return turned


def likeness(one: Tensor, other: Tensor) -> Tensor:
    """The similarity of silhouettes, mirrored if that is larger: (A, S, S), (B, S, S) → (A, B) in
    [0, 1].

    The cosine of the angle between them.
    """
    other = F.normalize(other.flatten(1), dim=1)
    turns = (F.normalize(turn.flatten(1), dim=1) @ other.T for turn in (one, one.flip(-1)))
    return torch.maximum(*turns)


def difference(masks: Tensor, silhouette: Tensor) -> Tensor:
    """How much masks (N, S, S) differ from a silhouette (S, S), of values in [0, 1]: a scalar.

    Each mask is centred and compared with the silhouette or its mirror image, whichever is nearer.
    The difference is the mean over the masks of the sum of squared differences, divided by the
    silhouette's area. It has a gradient with respect to the masks.
    """
    sides = torch.stack([silhouette, silhouette.flip(-1)])
    squares = (centred(masks)[:, None] - sides).square().sum((2, 3))
    return squares.amin(1).mean() / silhouette.sum().clamp_min(1.0)


def _innermost(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
