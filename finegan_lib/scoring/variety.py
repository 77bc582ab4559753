"""How many different birds a FineGAN generates, and properties of its masks. No labels are needed.

Children are compared in the same shapes, parents by their masks, both with the same noise. Two that
look alike are twins, although they have different numbers. The distance of two children is
:func:`finegan_lib.systems.siblings.foreground_distance`, of two parents the overlap of their masks.
"""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ..models import FineGANGenerator
from ..systems.siblings import distance_table

CHILDREN_APART = 0.2  # from which two children look like two; the 20 kinds of `toy` keep 0.25
PARENTS_OVERLAP = 0.75  # intersection over union from which two parents are one
EMPTY, FULL = 0.02, 0.9  # areas of a mask that shows nothing, or everything


@torch.no_grad()
def child_distances(
    generator: FineGANGenerator, *, shapes: int = 3, noises: int = 8, seed: int = 0
) -> Tensor:
    """How differently any two children are drawn in the same shape: (N_c, N_c), values in [0, 2].

    Args:
        generator: in evaluation mode.
        shapes: parents in whose shapes all children are drawn, evenly chosen; the mean over them.
        noises: z's, the same for all.
        seed: of the z's.
    """
    hierarchy, device = generator.config.hierarchy(), next(generator.parameters()).device
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(noises, generator.config.z_dim, generator=rng)
    parents = np.unique(np.linspace(0, hierarchy.n_parents - 1, shapes).round().astype(int))
    total = torch.zeros(hierarchy.n_children, hierarchy.n_children)
    for parent in parents.tolist():
        drawn = [
            generator(hierarchy.codes(z, c, p_index=parent).to(device)).child
            for c in range(hierarchy.n_children)
        ]
        total += distance_table(drawn)
    return total / len(parents)


@torch.no_grad()
def parent_overlaps(generator: FineGANGenerator, *, noises: int = 16, seed: int = 0) -> Tensor:
    """Intersection over union of any two parents' masks under the same z: (N_p, N_p), in [0, 1].

    Masks count as they are, between 0 and 1: Σ min / Σ max over the pixels, the mean over z.
    """
    hierarchy, device = generator.config.hierarchy(), next(generator.parameters()).device
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(noises, generator.config.z_dim, generator=rng)
    masks = []
    for parent in range(hierarchy.n_parents):
        child = hierarchy.children_of(parent)[0]
        masks.append(generator(hierarchy.codes(z, child).to(device)).parent.mask.flatten(1).cpu())
    overlaps = torch.eye(len(masks))
    for i, one in enumerate(masks):
        for j, other in enumerate(masks[:i]):
            shared, both = torch.minimum(one, other).sum(1), torch.maximum(one, other).sum(1)
            overlaps[i, j] = overlaps[j, i] = float((shared / both.clamp_min(1e-6)).mean())
    return overlaps


def twins(alike: Tensor) -> list[tuple[int, int]]:
    """The pairs (i, j), i < j, that a symmetric table (k, k) of booleans marks as alike."""
    return [tuple(pair) for pair in torch.nonzero(torch.triu(alike, diagonal=1)).tolist()]


def variety(generator: FineGANGenerator, *, seed: int = 0) -> dict:
    """How many children and parents differ from every other of their kind.

    Returns:
        ``children_differ`` and ``parents_differ``: how many have no twin; ``children``,
        ``parents``: how many there are; ``child_twins``, ``parent_twins``: pairs of indices;
        ``child_distance``: the mean distance of a child to the nearest other one;
        ``parent_overlap``: the mean overlap of a parent with the most similar other one.
    """
    distances, overlaps = (f(generator, seed=seed) for f in (child_distances, parent_overlaps))
    distances.fill_diagonal_(torch.inf)
    overlaps.fill_diagonal_(-torch.inf)
    nearest, closest = distances.min(1).values, overlaps.max(1).values
    return {
        "children_differ": int((nearest >= CHILDREN_APART).sum()),
        "children": len(nearest),
        "child_twins": twins(distances < CHILDREN_APART),
        "child_distance": float(nearest.mean()),
        "parents_differ": int((closest <= PARENTS_OVERLAP).sum()),
        "parents": len(closest),
        "parent_twins": twins(overlaps > PARENTS_OVERLAP),
        "parent_overlap": float(closest.mean()),
    }


def told_apart(answers, codes, n_codes: int) -> int:
    """How many codes are named on more than half of their own images.

    Args:
        answers: (N,) what a reader of codes says of generated images that it did not learn from.
        codes: (N,) what they were generated from.
        n_codes: how many codes there are.
    """
    answers, codes = np.asarray(answers), np.asarray(codes)
    right = np.bincount(codes, answers == codes, minlength=n_codes)
    return int((right > 0.5 * np.bincount(codes, minlength=n_codes)).sum())


@torch.no_grad()
def mask_summary(
    generator: FineGANGenerator, *, n: int = 500, seed: int = 0, batch_size: int = 50
) -> dict:
    """Properties of the masks of n images with tied codes, every child equally often.

    Returns:
        ``area`` and ``area_parent``: mean of the child's and of the parent's mask;
        ``undecided``: share of the child masks' pixels between 0.1 and 0.9;
        ``empty``, ``full``: share of the images whose child mask covers less than 2 %, more than
        90 %; and of the parent masks, cut at 0.5, ``one_piece``: the largest piece's share of the
        area, and ``rim``: the share of the picture's rim that they touch (a ribbon touches much,
        a bird little). ``per_parent`` has the last two and the area for every parent.
    """
    hierarchy, device = generator.config.hierarchy(), next(generator.parameters()).device
    rng = torch.Generator().manual_seed(seed)
    rows = []
    for start in range(0, n, batch_size):
        c = torch.arange(start, min(n, start + batch_size)) % hierarchy.n_children
        z = torch.randn(len(c), generator.config.z_dim, generator=rng)
        codes = hierarchy.codes(z, c)
        output = generator(codes.to(device))
        child, parent = output.child.mask.cpu(), output.parent.mask.cpu()
        between = ((child > 0.1) & (child < 0.9)).float().mean((1, 2, 3))
        areas = child.mean((1, 2, 3)), parent.mean((1, 2, 3))
        shapes = [shape_of(mask[0].numpy() >= 0.5) for mask in parent]
        rows += zip(codes.p_index.tolist(), *areas, between, shapes, strict=True)
    p, area, area_parent, undecided = (np.array([float(r[k]) for r in rows]) for k in range(4))
    one_piece, rim = np.array([row[4] for row in rows]).T
    per_parent = [
        {
            "area": float(area_parent[p == k].mean()),
            "one_piece": float(one_piece[p == k].mean()),
            "rim": float(rim[p == k].mean()),
        }
        for k in range(hierarchy.n_parents)
        if (p == k).any()
    ]
    return {
        "area": float(area.mean()),
        "area_parent": float(area_parent.mean()),
        "undecided": float(undecided.mean()),
        "empty": float((area < EMPTY).mean()),
        "full": float((area > FULL).mean()),
        "one_piece": float(one_piece.mean()),
        "rim": float(rim.mean()),
        "per_parent": per_parent,
    }


def shape_of(mask: np.ndarray) -> tuple[float, float]:
    """The largest piece's share of a boolean mask's (H, W) area, and the share of the rim in it.

    An empty mask is 0 pieces: both are 0.
    """
    pieces, n = ndimage.label(mask)
    if not n:
        return 0.0, 0.0
    rim = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    return float(np.bincount(pieces.flat)[1:].max() / mask.sum()), float(rim.mean())
