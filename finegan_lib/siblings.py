"""Children that draw the same bird: how to see them in training, and how to start them anew.

Nothing in FineGAN's loss makes siblings (children of one parent) share out the real categories
among them. The information loss is content with any difference that Q can read, however faint, so
each child settles on some real category early on, as if at random: with k children for k categories
a share (1 − 1/k)^k of them, about a third, is drawn by none. Longer training does not change it.

So now and then the children of each parent are compared, and of two that are drawn alike one is
given another appearance: a new column in the weights where c enters, chosen among random mixtures
of the others'. As in vector quantisation, where a code that nothing uses is placed anew.
"""

import torch
from torch import Tensor

from .codes import Codes
from .models.finegan import FineGANGenerator, Stage

NOISES = 16  # z's by which two children are compared
PROPOSALS = 32  # mixtures that are drawn for a child that starts anew
WELL_DRAWN = 10  # how many of them, those that D_c finds most real, are considered


def foreground_distance(one: Stage, other: Stage) -> Tensor:
    """Root mean square difference of two stages' masked foregrounds, of values in [-1, 1].

    Over the pixels that either mask covers, each as much as it is covered: a scalar in [0, 2].
    Siblings of ToyBirds differ by 0.4 to 0.8.
    """
    squares = (one.masked_foreground - other.masked_foreground).square().sum()
    return (squares / (3 * torch.maximum(one.mask, other.mask).sum())).sqrt()


@torch.no_grad()
def duplicates(
    average: FineGANGenerator, least: float, generator: torch.Generator, n: int = NOISES
) -> list[int]:
    """The children that differ by less than ``least`` from a sibling of lower index.

    Args:
        average: the generator, in evaluation mode.
        least: distance (:func:`foreground_distance`) from which two children count as two.
        generator: random numbers, on the CPU.
        n: number of z's, the same for all children.
    """
    hierarchy, found = average.config.hierarchy(), []
    device = next(average.parameters()).device
    z = torch.randn(n, average.config.z_dim, generator=generator)
    for parent in range(hierarchy.n_parents):
        kept = []
        for c in hierarchy.children_of(parent):
            child = average(hierarchy.codes(z, c).to(device)).child
            if any(foreground_distance(child, other) < least for other in kept):
                found.append(c)
            else:
                kept.append(child)
    return found


@torch.no_grad()
def restart(system, children: list[int], generator: torch.Generator) -> None:
    """Give some children of a FineGAN system a new appearance, and D_c's reader a blank row for it.

    The generator, its running average and the optimisers' moments change in those entries only.

    Args:
        system: a ``FineGANSystem``.
        children: their indices; not all of them.
        generator: random numbers, on the CPU.
    """
    others = [c for c in range(system.hierarchy.n_children) if c not in children]
    live = system.generator.child_stage.join.conv.weight
    average = system.average.child_stage.join.conv.weight
    reader = system.d_child.code[-1]
    for c in children:
        mixture = propose(system, c, others, generator).to(live)
        for weight in (live, average):
            weight[:, c] = torch.einsum("ocij,c->oij", weight[:, : len(mixture)], mixture)
        reader.weight[c] = reader.weight[others].mean(0)
        reader.bias[c] = reader.bias[others].mean()
        others.append(c)
    _forget(system.optimisers["G"], live, (slice(None), children))
    for parameter in (reader.weight, reader.bias):
        _forget(system.optimisers["info"], parameter, children)


@torch.no_grad()
def propose(system, c: int, others: list[int], generator: torch.Generator) -> Tensor:
    """A mixture of child codes, (N_c,), that is well drawn and as unlike c's siblings as can be.

    c enters the generator by a linear map, so a mixture of codes is a code, and a mixture of
    weights. Of :data:`PROPOSALS` random ones D_c chooses the :data:`WELL_DRAWN` most real, and of
    these the one farthest from its nearest sibling is taken.

    Args:
        system: a ``FineGANSystem``.
        c: the child.
        others: the children that may be mixed; those of the same parent are the siblings.
        generator: random numbers, on the CPU.
    """
    hierarchy, average = system.hierarchy, system.average
    n_children, device = hierarchy.n_children, next(average.parameters()).device
    z = torch.randn(NOISES, average.config.z_dim, generator=generator)
    b = torch.randint(n_children, (NOISES,), generator=generator)

    def draw(codes: Codes):
        return average(codes.to(device)).child

    siblings = [k for k in hierarchy.children_of(int(hierarchy.parent_of[c])) if k in others]
    siblings = [draw(hierarchy.codes(z, k, b_index=b)) for k in siblings]
    own, proposals = hierarchy.codes(z, c, b_index=b), []
    for _ in range(PROPOSALS):
        deviation = torch.randn(len(others), generator=generator)
        deviation -= deviation.mean()
        mixture = torch.zeros(n_children)
        # Half as far again from the mean of all as a child is: the new shall differ from the old.
        mixture[others] = 1 / len(others) + 1.5 * deviation / deviation.norm().clamp(min=1e-6)
        child = draw(own._replace(c=mixture.expand(NOISES, -1)))
        realness = float(system.d_child.real_fake_logits(child.image).mean())
        apart = min((float(foreground_distance(child, k)) for k in siblings), default=0.0)
        proposals.append((realness, apart, mixture))
    well_drawn = sorted(proposals, key=lambda proposal: -proposal[0])[:WELL_DRAWN]
    return max(well_drawn, key=lambda proposal: proposal[1])[2]


def _forget(optimiser: torch.optim.Optimizer, parameter: Tensor, where) -> None:
    """Set Adam's running moments of some entries of a parameter to 0."""
    state = optimiser.state[parameter]
    for name in ("exp_avg", "exp_avg_sq"):
        if name in state:
            state[name][where] = 0
