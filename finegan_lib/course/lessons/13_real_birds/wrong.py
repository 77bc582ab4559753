"""Right and wrong answers of this lesson as students write them, for the tests."""

import torch

# ------------------------------------------------------------------------- three layers


def three_layers():
    rng = torch.Generator().manual_seed(0)
    cases = []
    for n, s in ((2, 4), (1, 6)):
        paints = [torch.rand(n, 3, s, s, generator=rng) for _ in range(3)]
        masks = [torch.rand(n, 1, s, s, generator=rng) for _ in range(2)]
        cases.append((paints[0], masks[0], paints[1], masks[1], paints[2]))
    return cases


def over(parent=None, child=None):
    """A stitching whose parent, or whose child, is laid on in another way.

    Args:
        parent: (M_p F_p, M_p, B) → P; child: (M_c F_c, M_c, P, B) → C. None: as it should be.
    """

    def answer(parent_paint, parent_mask, child_paint, child_mask, background):
        below = (
            parent(parent_paint, parent_mask, background)
            if parent
            else parent_paint + (1 - parent_mask) * background
        )
        if child:
            return child(child_paint, child_mask, below, background)
        return child_paint + (1 - child_mask) * below

    return answer


def parent_on_top(parent_paint, parent_mask, child_paint, child_mask, background):
    return over()(child_paint, child_mask, parent_paint, parent_mask, background)


def nothing_hidden(parent_paint, parent_mask, child_paint, child_mask, background):
    return child_paint + parent_paint + (1 - child_mask) * (1 - parent_mask) * background


def masked_twice(parent_paint, parent_mask, child_paint, child_mask, background):
    return over()(
        parent_mask * parent_paint, parent_mask, child_mask * child_paint, child_mask, background
    )


def cut_hard(parent_paint, parent_mask, child_paint, child_mask, background):
    masks = (parent_mask > 0.5).float(), (child_mask > 0.5).float()
    return over()(parent_paint, masks[0], child_paint, masks[1], background)


def by_layers(parent_paint, parent_mask, child_paint, child_mask, background):
    gap = (1 - child_mask) * (1 - parent_mask)
    background *= gap
    return child_paint + (1 - child_mask) * parent_paint + background


# ------------------------------------------------------------------------- the arc


def arcs():
    return [
        (torch.tensor([2.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([0.0, 0.3, 1.0])),
        (
            torch.tensor([1.0, 2.0, -1.0]),
            torch.tensor([0.5, -1.0, 3.0]),
            torch.tensor([0.25, 0.5]),
        ),
    ]


def angle_between(a, b):
    return torch.arccos(torch.dot(a, b) / (a.norm() * b.norm()))


def straight(a, b, t):
    return (1 - t)[:, None] * a + t[:, None] * b


def arc(a, b, t, *, swapped=False, undivided=False, wave=torch.sin, angle=angle_between):
    angle, t = angle(a, b), t[:, None]
    first, second = ((1 - t) * angle, t * angle)[:: -1 if swapped else 1]
    sums = wave(first) * a + wave(second) * b
    return sums if undivided else sums / torch.sin(angle)


def arc_of(**changes):
    return lambda a, b, t: arc(a, b, t, **changes)


def without_a_column(a, b, t):
    angle = angle_between(a, b)
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def stretched(a, b, t):
    """The straight line, every point with the mean length of the ends."""
    points = straight(a, b, t)
    lengths = (1 - t) * a.norm() + t * b.norm()
    return points / points.norm(dim=1, keepdim=True) * lengths[:, None]


def by_turning(a, b, t):
    """Along a as far as cos, along what of b is at right angles to a as far as sin."""
    angle = angle_between(a, b)
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
    return rows


# ------------------------------------------------------------------------- how masks agree


def masks():
    rng = torch.Generator().manual_seed(1)
    pairs = [(torch.rand(2, n, 1, 6, 6, generator=rng) < 0.4).float() for n in (3, 1)]
    return [tuple(pair) for pair in pairs]


def shared_out(either):
    """The area of both masks, divided by something else."""

    def answer(found, truth):
        both, areas = (found * truth).sum((1, 2, 3)), [m.sum((1, 2, 3)) for m in (found, truth)]
        return both / either(*areas, both)

    return answer


def one_for_all(found, truth):
    both = (found * truth).sum()
    return both / ((found + truth).sum() - both)


def by_extremes(found, truth):
    smaller = torch.minimum(found, truth).flatten(1).sum(1)
    return (smaller / torch.maximum(found, truth).flatten(1).sum(1)).numpy()
