"""The exercises of this lesson, with right answers and typical mistakes."""

import math
from functools import cache

import torch

from ....codes import CodeHierarchy
from ....training.pretrained import load_finegan
from ...engine.exercises import Choice, Debug, Exploration, Fill, Mistake
from . import lab, wrong


def parent_of(n_parents: int, n_children: int) -> torch.Tensor:
    """(n_children,) int64: the map of `CodeHierarchy.equal`."""
    return CodeHierarchy.equal(n_parents, n_children).parent_of


def _dealt(n_parents, n_children):
    """Shares of whole children by rounding: as even as possible, with the larger families at any
    place."""
    return torch.arange(n_children) * n_parents // n_children


def _by_repeating(n_parents, n_children):
    share, remainder = divmod(n_children, n_parents)
    sizes = torch.full((n_parents,), share)
    sizes[:remainder] += 1
    return torch.arange(n_parents).repeat_interleave(sizes)


def _surplus_last(n_parents, n_children):
    share = n_children // n_parents
    return (torch.arange(n_children) // share).clamp(max=n_parents - 1)


def bits(sizes: list[int]) -> list[float]:
    """[H(p), H(c|p)] in bits; `lab.code_bits` as a list."""
    return list(lab.code_bits(sizes))


def _bits(sizes, log):
    """[H(p), H(c|p)] with a logarithm of the caller's choice."""
    shares = [size / sum(sizes) for size in sizes]
    within = sum(q * log(size) for q, size in zip(shares, sizes, strict=True))
    return [-sum(q * log(q) for q in shares), within]


def _unweighted(sizes):
    return [math.log2(len(sizes)), sum(map(math.log2, sizes)) / len(sizes)]


def _all_of_c(sizes):
    return [bits(sizes)[0], math.log2(sum(sizes))]


def _readings():
    rng = torch.Generator().manual_seed(0)
    before, changed, after = (torch.rand(6, 3, generator=rng) for _ in range(3))
    same = torch.eye(4)
    return [
        (before, changed, after),
        (same, same.roll(1, 0) * torch.tensor([[1.0], [0.0], [1.0], [1.0]]), same.flip(0)),
        (before, before, after),
    ]


@cache
def _generator():
    return load_finegan("toy")


def _riddle(answer):
    if isinstance(answer, list) and len(answer) == 3:
        answer = dict(zip("bpc", answer, strict=True))
    if not isinstance(answer, dict) or set(answer) != set("bpc"):
        return "answer with a dictionary that has the keys b, p and c"
    config = _generator().config
    counts = {"b": config.n_children, "p": config.n_parents, "c": config.n_children}
    for name, count in counts.items():
        if answer[name] not in range(count):
            return f"{name} is a whole number from 0 to {count - 1}"
    differences = lab.riddle_differences(_generator(), answer)
    off = [name for name, difference in differences.items() if difference > 0.3]
    if not off:
        return None
    found = [name for name in "bpc" if name not in off]
    kept = f" ({' and '.join(found)} found)" if found else ""
    return f"not yet: look again at {' and '.join(off)}{kept}"


_WRONG = {"b": 0, "p": 1, "c": 17}

EXERCISES = (
    Fill(
        "1",
        "fill in: distribute the children",
        "my_parent_of",
        parent_of,
        mistakes=(
            Mistake(
                lambda n, m: torch.arange(m) // (m // n),
                "with a remainder, this gives children a parent that does not exist; the "
                "authors' code does the same for 196 cars and 20 parents",
            ),
            Mistake(
                _surplus_last,
                "the last parent gets the whole remainder; give the first parents one child more",
            ),
            Mistake(
                lambda n, m: torch.arange(m) % n,
                "the sizes are right, but siblings must be neighbours",
            ),
            Mistake(
                _dealt,
                "even and in order, but the larger families must come first",
            ),
            *wrong.FAMILIES,
        ),
        alternative=_by_repeating,
        praise="For cars: sixteen families of ten and four of nine, and every child has a parent.",
        inputs=lambda: [(5, 20), (20, 196), (3, 7), (4, 4)],
    ),
    Fill(
        "2",
        "fill in: how many bits the codes carry",
        "my_bits",
        bits,
        mistakes=(
            Mistake(
                lambda sizes: _bits(sizes, math.log),
                "these are nats; a bit is a choice between two, so the logarithm has base 2",
            ),
            Mistake(
                _unweighted,
                "parents are not equally frequent: parent k occurs in sizes[k] of N_c samples",
            ),
            Mistake(
                _all_of_c,
                "your second number is H(c), the whole information of c; H(c|p) is H(c) − H(p)",
            ),
            Mistake(
                lambda sizes: [
                    -entropy if i == 0 else entropy for i, entropy in enumerate(bits(sizes))
                ],
                "log p is negative, an entropy is not",
            ),
            *wrong.BITS,
        ),
        alternative=lambda sizes: (lambda h: [h, math.log2(sum(sizes)) - h])(
            _bits(sizes, math.log2)[0]
        ),
        praise=(
            "The sum is always log₂ N_c: a hierarchy distributes bits between p and c, and adds "
            "none."
        ),
        inputs=lambda: [([4, 4, 4, 4, 4],), ([5] * 6 + [20] * 3 + [10] * 11,), ([1, 7],)],
    ),
    Choice(
        "3",
        "predict: a child under a foreign parent",
        "my_hybrid",
        "b",
        mistakes=(
            Mistake(
                "a", "each stage has seen its own code many times; which stage reads both codes?"
            ),
            Mistake(
                "c",
                "the child stage gets c, but it computes its picture from features that "
                "depend on p",
            ),
            Mistake("d", "nothing in the generator averages codes: where does each of them enter?"),
        ),
        alternative="(b)",
        praise="The features contain the shape of p before the child stage reads c.",
        options="abcd",
    ),
    Debug(
        "4",
        "find the mistake: backgrounds that reveal the answer",
        "my_labelled_codes",
        lab.labelled_codes,
        broken=lab.tied_background_codes,
        probe="probe_labelled_codes",
        inputs=lambda: [(torch.tensor(2000),)],
        mistakes=wrong.LABELLED,
        alternative=wrong.sampled_one_by_one,
        praise=(
            "A network learns the easiest feature; here it was the background, in every picture."
        ),
    ),
    Fill(
        "5",
        "fill in: how much a code moves a factor",
        "my_effect",
        lab.total_effect,
        mistakes=(
            Mistake(
                lambda a, b, c: float(
                    (a - b).square().sum(1).sqrt().mean() / (a - c).square().sum(1).sqrt().mean()
                ),
                "the distances are squared: no root before the mean",
            ),
            Mistake(
                lambda a, b, c: float(
                    ((a - b).square().sum(1) / (a - c).square().sum(1).clamp_min(1e-9)).mean()
                ),
                "take a ratio of two means, not the mean of ratios",
            ),
            Mistake(
                lambda a, b, c: lab.total_effect(b, a, c),
                "both distances start from `before`; yours compares `after` with `changed`",
            ),
            Mistake(
                lambda a, b, c: 1 - lab.total_effect(a, b, c),
                "this is 1 − the effect",
            ),
            *wrong.EFFECTS,
        ),
        alternative=lambda a, b, c: float(((a - b) ** 2).mean() / ((a - c) ** 2).mean()),
        praise=(
            "0: the code does not change the factor; 1: it changes it as much as all codes "
            "together."
        ),
        inputs=_readings,
    ),
    Debug(
        "6",
        "find the mistake: an inverted matrix",
        "my_change",
        lab.change_one,
        broken=lab.change_the_others,
        probe="probe_change",
        inputs=lambda: [(torch.tensor(8),)],
        mistakes=wrong.CHANGES,
        alternative=wrong.rebuilt,
        praise=(
            "One code changes and three stay, so every change of a factor comes from this one code."
        ),
    ),
    Choice(
        "7",
        "predict: a pose that depends on the parent",
        "my_column",
        "b",
        mistakes=(
            Mistake(
                "a",
                "keep z and sample p again: an odd parent may replace an even one. Does the pose "
                "change?",
            ),
            Mistake(
                "c",
                "keep p and sample z again: its sign changes in half of the cases. Does the pose "
                "change?",
            ),
        ),
        alternative="B",
        praise="An interaction counts in both rows, so a column may add up to more than 1.",
    ),
    Exploration(
        "8",
        "explore: a bird from hidden codes",
        "my_codes",
        dict(lab.HIDDEN),
        mistakes=(
            Mistake(_WRONG, "look again at"),
            Mistake({"b": 0, "p": 99, "c": 0}, "p is a whole number from 0 to"),
            Mistake({"b": 0.5, "p": 0, "c": 0}, "b is a whole number from 0 to"),
            Mistake({"p": 1, "c": 2}, "a dictionary that has the keys b, p and c"),
            Mistake({"b": 0, "p": 0, "c": 20}, "c is a whole number from 0 to 19"),
            Mistake({"b": -1, "p": 0, "c": 0}, "b is a whole number from 0 to 19"),
            Mistake([4, 3], "a dictionary that has the keys b, p and c"),
            Mistake("b4 p3 c6", "a dictionary that has the keys b, p and c"),
        ),
        alternative=list(lab.HIDDEN.values()),
        praise="You have inverted the generator by eye.",
        grade=_riddle,
        starts=({"b": 0, "p": 0, "c": 0},),
    ),
    Choice(
        "9",
        "predict: species that no code generates",
        "my_share",
        "b",
        mistakes=(
            Mistake("a", "each code would have to depend on the others: which loss requires this?"),
            Mistake(
                "c",
                "one code misses a given species with probability 3/4. How likely is it for all "
                "four codes?",
            ),
            Mistake("d", "3/4 is the chance that *one* code misses it. There are four codes"),
        ),
        alternative="(b)",
        praise="The share is (1 − 1/k)^k: 0.32 for four codes, and near 1/e = 0.37 for many.",
        options="abcd",
    ),
)
