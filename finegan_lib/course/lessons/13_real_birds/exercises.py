"""The exercises of this lesson, with answers that must be told apart."""

import torch

from ...engine.exercises import Choice, Debug, Exploration, Fill, Mistake
from . import lab


def _layers():
    rng = torch.Generator().manual_seed(0)
    cases = []
    for n, s in ((2, 4), (1, 6)):
        paints = [torch.rand(n, 3, s, s, generator=rng) for _ in range(3)]
        masks = [torch.rand(n, 1, s, s, generator=rng) for _ in range(2)]
        cases.append((paints[0], masks[0], paints[1], masks[1], paints[2]))
    return cases


def _masks():
    rng = torch.Generator().manual_seed(1)
    pairs = [(torch.rand(2, n, 1, 6, 6, generator=rng) < 0.4).float() for n in (3, 1)]
    return [tuple(pair) for pair in pairs]


def _arcs():
    return [
        (torch.tensor([2.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.3, 1.0])),
        (
            torch.tensor([1.0, 2.0, -1.0]),
            torch.tensor([0.5, -1.0, 3.0]),
            torch.tensor([0.25, 0.5]),
        ),
    ]


def _without_the_parent(parent_paint, parent_mask, child_paint, child_mask, background):
    parent = parent_paint + (1 - parent_mask) * background  # noqa: F841
    return child_paint + (1 - child_mask) * background


def _masked_twice(parent_paint, parent_mask, child_paint, child_mask, background):
    parent = parent_mask * parent_paint + (1 - parent_mask) * background
    return child_mask * child_paint + (1 - child_mask) * parent


def _over_by_layers(parent_paint, parent_mask, child_paint, child_mask, background):
    gap = (1 - child_mask) * (1 - parent_mask)
    return child_paint + (1 - child_mask) * parent_paint + gap * background


def _counted_twice(found, truth):
    both = (found * truth).sum((1, 2, 3))
    either = (found + truth).sum((1, 2, 3))
    return both / either


def _one_for_all(found, truth):
    both = (found * truth).sum()
    return both / ((found + truth).sum() - both)


def _dice_score(found, truth):
    both = (found * truth).sum((1, 2, 3))
    return 2 * both / (found + truth).sum((1, 2, 3))


def _angle(a, b):
    return torch.arccos(torch.dot(a, b) / (a.norm() * b.norm()))


def _straight(a, b, t):
    return (1 - t)[:, None] * a + t[:, None] * b


def _arc(a, b, t, *, swapped=False, undivided=False, cosine=False):
    angle, t = _angle(a, b), t[:, None]
    first, second = ((1 - t) * angle, t * angle)[:: -1 if swapped else 1]
    wave = torch.cos if cosine else torch.sin
    sums = wave(first) * a + wave(second) * b
    return sums if undivided else sums / angle.sin()


def _arc_by_turning(a, b, t):
    """Along a as far as cos, along what of b is at right angles to a as far as sin."""
    angle = _angle(a, b)
    lengths = a.norm(), b.norm()
    along = a / lengths[0]
    across = b / lengths[1] - along * torch.cos(angle)
    across = across / across.norm()
    rows = []
    for step in t:
        weights = torch.sin((1 - step) * angle), torch.sin(step * angle)
        x = weights[0] * lengths[0] + weights[1] * lengths[1] * torch.cos(angle)
        y = weights[1] * lengths[1] * torch.sin(angle)
        rows.append((x * along + y * across) / torch.sin(angle))
    return torch.stack(rows)


EXERCISES = (
    Choice(
        "1",
        "predict: what few photographs do to D_c",
        "my_guess",
        "b",
        mistakes=(
            Mistake("a", "G sees no photograph; whoever sees each of them hundreds of times is D"),
            Mistake("c", "fewer photographs are easier to learn by heart, not harder"),
        ),
        alternative=" B",
        praise="So some photographs are kept out, and D's score on them is in the log.",
    ),
    Debug(
        "2",
        "debug: a bird over another background",
        "my_over",
        lab.over_any_background,
        mistakes=(
            Mistake(
                _masked_twice,
                "the paint has been multiplied by its mask already: M_c F_c, not F_c",
            ),
            Mistake(
                lambda parent_paint, parent_mask, child_paint, child_mask, background: (
                    child_paint + parent_paint + (1 - child_mask) * (1 - parent_mask) * background
                ),
                "the child lies over the parent: where M_c is 1, nothing of the parent shows",
            ),
        ),
        alternative=_over_by_layers,
        praise="With masks of 0 and 1 the mistake would hardly show; half-transparent rims bleed.",
        inputs=_layers,
        broken=_without_the_parent,
    ),
    Choice(
        "3",
        "predict: swapping the background",
        "my_swap",
        "a",
        mistakes=(
            Mistake("b", "look at the inputs of M_c and F_c: is b among them?"),
            Mistake("c", "b draws the background stage alone; which network reads c?"),
        ),
        alternative="(a)",
        praise="What is left to change is the reader's mind, which sees the background, too.",
    ),
    Exploration(
        "4",
        "explore: labels of no worth that look good",
        "my_sides",
        1600,
        mistakes=(
            Mistake(50, "not yet above"),
            Mistake(2, "not yet above"),
            Mistake(0.5, "a whole number"),
            Mistake(5000, "a whole number"),
        ),
        alternative=2000,
        praise="NMI rises with the number of clusters alone; AMI takes off what dice would score.",
        starts=(50,),
        judge=lab.dice_problem,
    ),
    Fill(
        "5",
        "fill in: the way between two z",
        "my_slerp",
        lab.slerp,
        mistakes=(
            Mistake(_straight, "this is the straight line: in its middle z is too short"),
            Mistake(
                lambda a, b, t: _arc(a, b, t, swapped=True),
                "at t = 0 it must be a: the weights have changed places",
            ),
            Mistake(
                lambda a, b, t: _arc(a, b, t, undivided=True),
                "divide by the sine of the whole angle: at t = 0 it must be a itself",
            ),
            Mistake(
                lambda a, b, t: _arc(a, b, t, cosine=True),
                "sines, not cosines: at t = 0 nothing of b is left",
            ),
        ),
        alternative=_arc_by_turning,
        praise="Numbers of N(0, I) nearly all have the same length, and this way keeps it.",
        inputs=_arcs,
    ),
    Debug(
        "6",
        "debug: how well do masks agree?",
        "my_overlap",
        lab.overlap,
        mistakes=(
            Mistake(_one_for_all, "every pair has a score of its own: keep dimension 0"),
            Mistake(
                _dice_score, "this is the Dice score, 2·both / (sum of both areas), not the IoU"
            ),
        ),
        alternative=lambda found, truth: (
            torch.minimum(found, truth).flatten(1).sum(1)
            / torch.maximum(found, truth).flatten(1).sum(1)
        ),
        praise="Check such a score with two equal masks first: it must be 1.",
        inputs=_masks,
        broken=_counted_twice,
    ),
)
