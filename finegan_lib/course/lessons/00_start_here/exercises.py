"""The exercises of this lesson, with answers that must be told apart."""

import numpy as np
import torch
from sklearn.metrics.cluster import contingency_matrix

from ....metrics import nmi
from ...engine.exercises import Choice, Exploration, Fill, Mistake
from ..shared_lab import mean_colour


def _crops():
    random = torch.Generator().manual_seed(0)
    shapes = [(4, 3, 6, 6), (1, 3, 2, 2), (3, 3, 5, 5)]
    return [(torch.randint(256, s, generator=random, dtype=torch.uint8),) for s in shapes]


def _labels():
    some = np.random.default_rng(0)
    true = some.integers(4, size=60)
    noisy = np.where(some.random(60) < 0.5, true, some.integers(3, size=60))
    return [
        (true.tolist(), noisy.tolist()),
        ([0, 0, 1, 1], [1, 1, 0, 0]),  # the same groups, numbered otherwise
        ([0, 0, 1, 1], [0, 1, 0, 1]),  # independent
        ([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 2, 2]),
    ]


def _parts(a, b):
    joint = contingency_matrix(a, b) / len(a)
    p_a, p_b = joint.sum(1), joint.sum(0)
    seen = joint > 0
    information = (joint[seen] * np.log(joint[seen] / np.outer(p_a, p_b)[seen])).sum()
    h_a, h_b, h_ab = (-(p[p > 0] * np.log(p[p > 0])).sum() for p in (p_a, p_b, joint))
    return information, h_a, h_b, h_ab


def _nmi_from_entropies(a, b):
    _, h_a, h_b, h_ab = _parts(a, b)
    return 2 * (h_a + h_b - h_ab) / (h_a + h_b)


def _window(value):
    if isinstance(value, bool | str) or value != int(value) or not 2 <= value <= 32:
        return "answer with the side of the window in pixels, a whole number from 2 to 32"
    if value > 14:
        return (
            "so wide a window lets the background in: go left in the figure, to where the grey "
            "curve is down and the blue one still high"
        )
    return None


EXERCISES = (
    Fill(
        "1",
        "fill in: the mean colour of a picture",
        "my_mean_colour",
        mean_colour,
        mistakes=(
            Mistake(
                lambda crops: crops.float().mean((2, 3)),
                "the values run from 0 to 255; bring them to [0, 1]",
            ),
            Mistake(
                lambda crops: crops.float().mean((0, 2, 3)) / 255,
                "one colour for the whole batch: do not average over the pictures (dimension 0)",
            ),
            Mistake(
                lambda crops: crops.float().mean((1, 2, 3)) / 255,
                "one brightness for each picture: keep the three channels apart (dimension 1)",
            ),
            Mistake(
                lambda crops: crops.float().mean((1, 2)) / 255,
                "you averaged over channels and rows: a batch is (N, 3, S, S), "
                "so the pixels lie in dimensions 2 and 3",
            ),
        ),
        alternative=lambda crops: torch.einsum("nchw->nc", crops / 255) / crops[0, 0].numel(),
        praise="Three numbers for a bird: a very short description.",
        inputs=_crops,
    ),
    Fill(
        "2",
        "fill in: normalised mutual information",
        "my_nmi",
        nmi,
        mistakes=(
            Mistake(
                lambda a, b: float(_parts(a, b)[0]),
                "this is the mutual information in nats: divide it by the mean of the entropies",
            ),
            Mistake(
                lambda a, b: float(_parts(a, b)[0] / np.sqrt(_parts(a, b)[1] * _parts(a, b)[2])),
                "this divides by the geometric mean of the entropies, as JULE does; "
                "here the arithmetic mean is wanted",
            ),
            Mistake(
                lambda a, b: float(_parts(a, b)[0] / (_parts(a, b)[1] + _parts(a, b)[2])),
                "this is half of it: divide by the mean of the two entropies, not by their sum",
            ),
            Mistake(
                lambda a, b: float(_parts(a, b)[0] / _parts(a, b)[3]),
                "this divides by the entropy of the pair; the mean of H(A) and H(B) is wanted",
            ),
        ),
        alternative=_nmi_from_entropies,
        praise="1 for the same groups under other numbers, 0 for groups that tell nothing.",
        inputs=_labels,
    ),
    Choice(
        "3",
        "predict: what k-means on raw pixels finds",
        "my_prediction",
        "c",
        mistakes=(
            Mistake("a", "a species fills a fifth of the picture; what fills the rest?"),
            Mistake("b", "the same silhouette in another place shares few pixels with itself"),
        ),
        alternative="(C)",
        praise="The distance between two pictures adds up pixels, and most are background.",
    ),
    Exploration(
        "4",
        "explore: what a window in the middle sees",
        "my_window",
        6,
        mistakes=(
            Mistake(32, "lets the background in"),
            Mistake(20, "lets the background in"),
            Mistake("small", "a whole number"),
        ),
        alternative=12,
        praise="But who told the window where the bird is? The box did: a human drew it.",
        judge=_window,
    ),
)
