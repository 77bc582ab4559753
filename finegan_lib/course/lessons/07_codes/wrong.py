"""Wrong answers as students write them, with a message for each, and other right answers."""

import math

import torch

from ....codes import Codes
from ...engine.exercises import Mistake
from . import lab

# ------------------------------------------------------------------------------------- families

FAMILIES = (
    Mistake(
        lambda n, m: torch.arange(n).repeat_interleave(m // n),
        "the remainder is lost: some children have no parent",
    ),
    Mistake(
        lambda n, m: torch.arange(n).flip(0).repeat_interleave(m // n + 1)[:m].flip(0),
        "the first parents get the smaller share here; they should get one child more",
    ),
    Mistake(
        lambda n, m: torch.tensor([m // n + (i < m % n) for i in range(n)]),
        "these are the sizes of the families, (n_parents,); one entry for each child is wanted",
    ),
    Mistake(
        lambda n, m: 1 + lab_parents(n, m), "parents are counted from 0, as all indices in Python"
    ),
)


def lab_parents(n: int, m: int) -> torch.Tensor:
    """The right map."""
    sizes = torch.tensor([m // n + (i < m % n) for i in range(n)])
    return torch.arange(n).repeat_interleave(sizes)


# ------------------------------------------------------------------------------------- bits


def _swapped(sizes):
    return list(lab.code_bits(sizes))[::-1]


BITS = (
    Mistake(_swapped, "right numbers in the wrong order: H(p) first"),
    Mistake(
        lambda sizes: [math.log2(len(sizes)), lab.code_bits(sizes)[1]],
        "log₂ N_p is H(p) of equal families alone",
    ),
    Mistake(
        lambda sizes: [lab.code_bits(sizes)[0], sum(map(math.log2, sizes))],
        "log₂ n_k must be weighed with q_k",
    ),
    Mistake(
        lambda sizes: sum(lab.code_bits(sizes)),
        "two numbers are wanted, H(p) and H(c|p), not their sum",
    ),
)

# ------------------------------------------------------------------------------------- codes


def sampled_one_by_one(hierarchy, n, rng):
    """Right: each code sampled by itself."""
    c, b = torch.randint(hierarchy.n_children, (2, n), generator=rng)
    p = torch.randint(hierarchy.n_parents, (n,), generator=rng)
    return hierarchy.codes(torch.randn(n, 2, generator=rng), c, p_index=p, b_index=b)


def _sampled(c=lambda h, f: f.c_index, p=lambda h, f: f.p_index, b=lambda h, f: f.b_index, z=None):
    def sample(hierarchy, n, rng):
        free = hierarchy.sample(n, 2, tied=False, rng=rng)
        noise = z(free.z) if z else free.z
        return hierarchy.codes(
            noise, c(hierarchy, free), p_index=p(hierarchy, free), b_index=b(hierarchy, free)
        )

    return sample


LABELLED = (
    Mistake(
        _sampled(b=lambda h, f: torch.zeros_like(f.c_index)),
        "one background for all pictures: sample a new one for each picture",
    ),
    Mistake(
        _sampled(b=lambda h, f: (f.c_index + 1) % h.n_children, p=lambda h, f: f.p_index * 0),
        "b still comes from c; and all pictures have one parent",
    ),
    Mistake(_sampled(p=lambda h, f: None), "now b is free, and p is tied to c: pass both of them"),
    Mistake(_sampled(b=lambda h, f: f.p_index), "b comes from p: sample it independently"),
    Mistake(
        _sampled(c=lambda h, f: torch.zeros_like(f.c_index)),
        "all pictures show one child: c must be sampled, too",
    ),
    Mistake(_sampled(p=lambda h, f: torch.zeros_like(f.c_index)), "all pictures have one parent"),
    Mistake(_sampled(z=torch.zeros_like), "all pictures have the same z: the pose must vary, too"),
    Mistake(
        _sampled(b=lambda h, f: f.b_index % h.n_parents),
        "only the first backgrounds occur: there are as many backgrounds as children",
    ),
    Mistake(
        lambda hierarchy, n, rng: hierarchy.sample(n // 2, 2, tied=False, rng=rng),
        "fewer pictures than were asked for",
    ),
)

# ------------------------------------------------------------------------------------- one entry

EFFECTS = (
    Mistake(
        lambda a, b, c: float((a - b).square().sum(1).mean()),
        "divide by the change of all codes together",
    ),
    Mistake(
        lambda a, b, c: float((a - c).square().mean() / (a - b).square().mean().clamp_min(1e-9)),
        "inverted: divide the change of one code by the change of all codes",
    ),
    Mistake(
        lambda a, b, c: float((a - b).square().sum() / (a - c).square().sum(1).mean()),
        "take a mean over the pictures in both, not a sum in one",
    ),
    Mistake(
        lambda a, b, c: float((a - b).abs().sum(1).mean() / (a - c).abs().sum(1).mean()),
        "take the squared distance, not the absolute one",
    ),
)


def rebuilt(before, after, name):
    """Right: field by field."""
    return Codes(*(getattr(after if f == name else before, f) for f in Codes._fields))


def _mixed(before, after, name):
    half = (getattr(before, name) + getattr(after, name)) / 2
    return before._replace(**{name: half})


def _with_family(before, after, name):
    names = ("p", "c") if name in "pc" else (name,)
    return before._replace(**{n: getattr(after, n) for n in names})


def _shuffled(before, after, name):
    return before._replace(**{name: getattr(before, name).roll(1, 0)})


CHANGES = (
    Mistake(lambda a, b, name: b, "all four codes are new: change only one"),
    Mistake(lambda a, b, name: a, "nothing is changed"),
    Mistake(lambda a, b, name: a._replace(b=b.b), "you always take b: take the code called `name`"),
    Mistake(_mixed, "your code is halfway between old and new: take the new one"),
    Mistake(_with_family, "you change p and c together: change one code alone"),
    Mistake(_shuffled, "the new values must come from `after`"),
    Mistake(
        lambda a, b, name: a._replace(**{name: getattr(b, name), "z": b.z}),
        "z is new, too: change one code alone",
    ),
    Mistake(
        lambda a, b, name: a._replace(**{name: torch.zeros_like(getattr(a, name))}),
        "you erase the code; take it from `after`",
    ),
)
