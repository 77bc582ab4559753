"""Children that draw the same bird: how to see them in training, and how to start them anew.

Nothing in FineGAN's loss makes siblings (children of one parent) share out the real categories
among them. The information loss is content with any difference that Q can read, however faint, so
each child settles on some real category early on, as if at random: with k children for k categories
a share (1 − 1/k)^k of them, about a third, is drawn by none. Longer training does not change it.

So now and then the children of each parent are compared, and of two that are drawn alike one is
given another appearance: a new column in the weights where c enters, a mixture of two other
children's. Where it then settles is chance again, so one round finds a part of what is missing, and
several find more. So vector quantisation treats codes that nothing uses.
"""

import torch
from torch import Tensor

from ..models.finegan import FineGANGenerator, Stage

NOISES = 16  # z's by which two children are compared
SETTLED = 0.1  # fraction of a run before which no child has settled


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
    """How differently the k children of a parent are drawn: (k, k), :func:`foreground_distance`.

    Args:
        average: the generator, in evaluation mode.
        parent: its index.
        z: (N, z_dim), the same for all children.
    """
    hierarchy, device = average.config.hierarchy(), next(average.parameters()).device
    drawn = [average(hierarchy.codes(z, c).to(device)).child for c in hierarchy.children_of(parent)]
    return distance_table(drawn)


def duplicates(average: FineGANGenerator, least: float, random: torch.Generator) -> list[int]:
    """The children that differ by less than ``least`` from a sibling of lower index.

    A sibling that is itself such a duplicate does not count.

    Args:
        average: the generator, in evaluation mode.
        least: distance (:func:`foreground_distance`) from which two children count as two.
        random: numbers, on the CPU.
    """
    z = torch.randn(NOISES, average.config.z_dim, generator=random)
    hierarchy, found = average.config.hierarchy(), []
    for parent in range(hierarchy.n_parents):
        apart, kept = distances(average, parent, z), []
        for i, c in enumerate(hierarchy.children_of(parent)):
            if (apart[i, kept] < least).any():
                found.append(c)
            else:
                kept.append(i)
    return found


@torch.no_grad()
def restart(system, children: list[int], random: torch.Generator) -> None:
    """Give some children of a FineGAN system a new appearance, and D_c's reader a blank row for it.

    With w̄ the mean column of the others, and i and j two of them: w ← w̄ + (w_i + w_j − 2 w̄)/√2,
    about as far from the mean as they are. The running average and the optimisers' moments change
    in these entries only, as the generator does. A contrastive head's point of c moves to between
    those of i and j.

    Args:
        system: a ``FineGANSystem``.
        children: their indices; not all of them.
        random: numbers, on the CPU.
    """
    others = [c for c in range(system.hierarchy.n_children) if c not in children]
    live = system.generator.child_stage.join.conv.weight
    average = system.average.child_stage.join.conv.weight
    blank_reader(system, children)
    for c in children:
        chosen = torch.randperm(len(others), generator=random)[:2].tolist()
        one, other = others[chosen[0]], others[chosen[-1]]
        for weight in (live, average):
            mean = weight[:, others].mean(1)
            weight[:, c] = mean + (weight[:, one] + weight[:, other] - 2 * mean) / 2**0.5
        if system.recipe.contrastive_child:
            points = system.contrastive.centroids
            points[c] = (points[one] + points[other]) / 2**0.5
    _forget(system.optimisers["G"], live, (slice(None), children))


@torch.no_grad()
def blank_reader(system, children: list[int]) -> None:
    """Let D_c's reader know nothing of some children, not all: each gets the others' mean row.

    So does a contrastive head, with its points.
    """
    others = [c for c in range(system.hierarchy.n_children) if c not in children]
    reader = system.d_child.code[-1]
    blanked = [("info", reader.weight), ("info", reader.bias)]
    if system.recipe.contrastive_child:
        blanked.append(("D_c", system.contrastive.centroids))
    for optimiser, parameter in blanked:
        parameter[children] = parameter[others].mean(0)
        _forget(system.optimisers[optimiser], parameter, children)


def _forget(optimiser: torch.optim.Optimizer, parameter: Tensor, where) -> None:
    """Set Adam's running moments of some entries of a parameter to 0."""
    state = optimiser.state[parameter]
    for name in ("exp_avg", "exp_avg_sq"):
        if name in state:
            state[name][where] = 0
