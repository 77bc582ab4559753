"""The exercises of this lesson, with answers that must be told apart."""

from functools import lru_cache

import torch

from ...engine.exercises import Choice, Debug, Exploration, Fill, Mistake
from . import lab, wrong


def _averages():
    rng = torch.Generator().manual_seed(0)
    drawn = torch.randn(2, 3, 2, generator=rng)
    return [
        (drawn[0], drawn[1], 0.9),
        (torch.tensor([1.0]), torch.tensor([2.0]), 0.999),
        (torch.tensor(1.0), torch.tensor(-1.0), 0.0),
    ]


def _pools():
    rng = torch.Generator().manual_seed(1)
    return [
        (torch.tensor([-0.1, -3.0, -0.5, -2.0, -0.01]), 2),
        (-torch.rand(20, generator=rng), 5),
    ]


@lru_cache(maxsize=64)
def _area(changes: tuple) -> float:
    return lab.rescue(dict(changes))


def _masks_saved(changes):
    known = lab.SETTINGS_OF_RESCUE
    if not isinstance(changes, dict) or set(changes) - set(known):
        return f"answer with a dictionary that has only the keys {', '.join(known)}"
    if not changes:
        return "nothing is changed: these are the settings of 'masks full'"
    if not all(isinstance(v, int | float) and abs(v) <= 100 for v in changes.values()):
        return "every setting is a number between -100 and 100"
    if any(v < 0 for name, v in changes.items() if name != "mask_bias"):
        return "weights of losses are not negative"
    area = _area(tuple(sorted(changes.items())))
    if area < 0.1:
        return f"after 40 steps the masks cover {area:.2f} of the picture: now they are empty"
    if area > 0.5:
        return f"after 40 steps the masks still cover {area:.2f} of the picture, more than half"
    return None


EXERCISES = (
    Choice(
        "1",
        "predict: what G's update moves in D_c",
        "my_weights",
        "b",
        mistakes=(
            Mistake(
                "a",
                "Q(c|x) works together with G: which other update would train it to read the code?",
            ),
            Mistake(
                "c",
                "real/fake uses the trunk, too: in G's step, the trunk would learn to call "
                "fakes real",
            ),
        ),
        alternative="B",
        praise="The code head learns together with G; the trunk learns from real/fake alone.",
    ),
    Debug(
        "2",
        "find the mistake: logits that depend on the other pictures",
        "my_verdicts",
        lab.two_passes,
        broken=lab.one_pass,
        probe="probe_verdicts",
        inputs=wrong.for_verdicts,
        mistakes=wrong.VERDICTS,
        alternative=wrong.split_passes,
        praise="In one pass, D compares real and fake halves; G's update has no real half.",
    ),
    Fill(
        "3",
        "fill in: the running average",
        "my_average",
        lab.averaged,
        mistakes=wrong.AVERAGES,
        alternative=lambda average, live, decay: torch.lerp(average, live, 1 - decay),
        praise=(
            "The same is average + (1 − d)(live − average): a small step towards the live weights."
        ),
        inputs=_averages,
    ),
    Debug(
        "4",
        "find the mistake: an average with bad pictures",
        "my_follow",
        lab.follow_all,
        broken=lab.follow_weights,
        probe="probe_follow",
        inputs=lambda: [(torch.tensor(0.9),)],
        mistakes=wrong.FOLLOWERS,
        alternative=wrong.follow_with_averaged_statistics,
        praise=(
            "A network consists of weights and buffers; parameters() returns the weights alone."
        ),
    ),
    Choice(
        "5",
        "predict: the information loss of an ignored code",
        "my_level",
        "c",
        mistakes=(
            Mistake("a", "0 is the loss of a reader that is always sure and right"),
            Mistake("b", "1/20 is the probability of the true code; the loss is −log of it"),
        ),
        alternative="(c)",
        praise=(
            "H(p) = log 20, so the bound on the information is 0: the picture does not show p."
        ),
    ),
    Exploration(
        "6",
        "explore: save the masks",
        "my_rescue",
        {"mask_bias": -0.5},
        mistakes=(
            Mistake({"mask_area": 20.0}, "more than half"),
            Mistake({"mask_binary": 0.0}, "more than half"),
            Mistake({"mask_bias": 1.0, "mask_pull": 0.0}, "more than half"),
            Mistake({"mask_bias": -5.0}, "now they are empty"),
            Mistake({}, "nothing is changed"),
            Mistake({"slower_d": 0.1}, "only the keys"),
            Mistake({"mask_area": -5}, "not negative"),
            Mistake({"mask_bias": "small"}, "a number between -100 and 100"),
            Mistake({"mask_bias": -1e6}, "a number between -100 and 100"),
            Mistake([-0.5], "a dictionary"),
        ),
        alternative={"mask_bias": 0.0, "mask_area": 20},
        praise="Masks stay near their first size, so they should start small, but not too small.",
        grade=_masks_saved,
        starts=({}, dict(lab.FAILURES[0].model), lab.FAILURES[0].recipe | {"mask_pull": 2.0}),
    ),
    Fill(
        "7",
        "fill in: the hardest of the pool",
        "my_hardest",
        lab.hardest,
        mistakes=wrong.HARDEST,
        alternative=lambda log_q, n: torch.topk(log_q, n, largest=False).indices,
        praise="16 of 160: D_c reads this tenth of the generated images worst.",
        inputs=_pools,
    ),
)
