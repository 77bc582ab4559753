"""Children that generate the same bird: how to find them in training, and how to restart them.

FineGAN's loss has no term that distributes the real categories over siblings (children of one
parent). The information loss accepts any difference that Q can read, also a faint one. Early in the
training each child therefore settles on a random real category. With k children for k categories, a
share (1 − 1/k)^k of them, about a third, has no child. Longer training does not change this.

The children of each parent are therefore compared at intervals. If two look alike, one gets another
appearance: a new column in the weights where c enters, a mixture of two other children's.
Chance decides again what it generates next. One round finds a part of the missing categories, and
several rounds find more. Vector quantisation treats unused codes in the same way.
"""

from typing import Any

import torch
from torch import Tensor

from ..models.finegan import FineGANGenerator, Stage
from .networks import FineGANNetworks

NOISES = 16  # number of z's for the comparison of two children
SETTLED = 0.1  # fraction of a run before which no child has settled
MOMENTS = ("exp_avg", "exp_avg_sq")  # Adam's running means, of a gradient and of its square
FIRST = MOMENTS[:1]


def foreground_distance(one: Stage, other: Stage) -> Tensor:
    """Root mean square difference of two stages' masked foregrounds, of values in [-1, 1].

    Over the pixels that either mask covers, each as much as it is covered: a scalar in [0, 2].
    Siblings of ToyBirds differ by 0.4 to 0.8.
    """
    squares = (one.masked_foreground - other.masked_foreground).square().sum()
    return (squares / (3 * torch.maximum(one.mask, other.mask).sum())).sqrt()


def distance_table(stages: list[Stage]) -> Tensor:
    """:func:`foreground_distance` of every two of k stages: (k, k)."""
    return torch.tensor([[float(foreground_distance(a, b)) for b in stages] for a in stages])


@torch.no_grad()
def distances(average: FineGANGenerator, parent: int, z: Tensor) -> Tensor:
    """The distances between the k children of a parent: (k, k), :func:`foreground_distance`.

    Args:
        average: the generator, in evaluation mode.
        parent: its index.
        z: (N, z_dim), the same for all children.
    """
    hierarchy, device = average.config.hierarchy(), next(average.parameters()).device
    drawn = [average(hierarchy.codes(z, c).to(device)).child for c in hierarchy.children_of(parent)]
    return distance_table(drawn)


def duplicates(average: FineGANGenerator, least: float, rng: torch.Generator) -> list[int]:
    """The children that differ by less than ``least`` from a sibling of lower index.

    A sibling that is itself such a duplicate does not count.

    Args:
        average: the generator, in evaluation mode.
        least: distance (:func:`foreground_distance`) from which two children count as two.
        rng: numbers, on the CPU.
    """
    z = torch.randn(NOISES, average.config.z_dim, generator=rng)
    hierarchy, found = average.config.hierarchy(), []
    for parent in range(hierarchy.n_parents):
        apart = distances(average, parent, z)
        kept: list[int] = []
        for i, c in enumerate(hierarchy.children_of(parent)):
            if (apart[i, kept] < least).any():
                found.append(c)
            else:
                kept.append(i)
    return found


@torch.no_grad()
def restart(system: FineGANNetworks, children: list[int], rng: torch.Generator) -> None:
    """Give some children of a FineGAN system a new appearance; reset their rows of D_c's reader.

    With w̄ the mean column of the others, and i and j two of them: w ← w̄ + (w_i + w_j − 2 w̄)/√2,
    about as far from the mean as they are. In the running average and in the optimisers' moments,
    the same entries change, and no others. A contrastive head's point of c moves to between those
    of i and j.

    Args:
        system: a ``FineGANSystem``.
        children: their indices; not all of them.
        rng: numbers, on the CPU.
    """
    others = [c for c in range(system.hierarchy.n_children) if c not in children]
    live = system.generator.child_stage.join.conv.weight
    average = system.average.child_stage.join.conv.weight
    blank_reader(system, children)
    for c in children:
        chosen = torch.randperm(len(others), generator=rng)[:2].tolist()
        one, other = others[chosen[0]], others[chosen[-1]]
        for weight in (live, average):
            mean = weight[:, others].mean(1)
            weight[:, c] = mean + (weight[:, one] + weight[:, other] - 2 * mean) / 2**0.5
        if system.recipe.contrastive_child:
            points = system.contrastive.centroids
            points[c] = (points[one] + points[other]) / 2**0.5
    forget(system.optimisers["G"], live, (slice(None), children))


@torch.no_grad()
def blank_reader(
    system: FineGANNetworks, children: list[int], forgotten: tuple[str, ...] = MOMENTS
) -> None:
    """Reset the rows of some children in D_c's reader: each gets the others' mean row.

    The points of a contrastive head are reset in the same way.
    """
    blank_rows(system, system.d_child.code[-1], children, forgotten)
    if system.recipe.contrastive_child:
        _blank(system.optimisers["D_c"], system.contrastive.centroids, children, forgotten)


@torch.no_grad()
def blank_rows(
    system: FineGANNetworks, reader: Any, codes: list[int], forgotten: tuple[str, ...] = MOMENTS
) -> None:
    """Reset the rows of some codes in a reader's last layer: each gets the others' mean row.

    If these are all codes, each gets the mean of all rows: the reader must not know what they were.
    """
    for parameter in (reader.weight, reader.bias):
        _blank(system.optimisers["info"], parameter, codes, forgotten)


def _blank(
    optimiser: torch.optim.Optimizer,
    parameter: Tensor,
    rows: list[int],
    forgotten: tuple[str, ...],
) -> None:
    others = [row for row in range(len(parameter)) if row not in rows]
    if rows:
        parameter[rows] = parameter[others or rows].mean(0)
        forget(optimiser, parameter, rows, forgotten)


def forget(
    optimiser: torch.optim.Optimizer,
    parameter: Tensor,
    where: Any,
    names: tuple[str, ...] = MOMENTS,
) -> None:
    """Set Adam's running moments of some entries of a parameter to 0."""
    state = optimiser.state[parameter]
    for name in names:
        if name in state:
            state[name][where] = 0
