"""The exercises of this lesson, with right answers and typical mistakes."""

from functools import cache

import numpy as np
import torch
from sklearn.metrics.cluster import contingency_matrix

from ....data import ToyBirds
from ....metrics import nmi
from ...engine.exercises import Choice, Exploration, Fill, Mistake
from ..shared_lab import mean_colour
from . import lab

LIMITS = {"species": (0.7, 0.2), "background": (0.5, 0.3)}  # NMI: at least, at most


def _crops():
    rng = torch.Generator().manual_seed(0)
    shapes = [(4, 3, 6, 6), (1, 3, 2, 2), (3, 3, 5, 5)]
    return [(torch.randint(256, s, generator=rng, dtype=torch.uint8),) for s in shapes]


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


@cache
def _scores(window):
    return lab.window_scores(_birds(), window)


@cache
def _birds():
    return ToyBirds(600, image_size=32, seed=7, progress=False)


def _windows(answer):
    """What is wrong with two windows, or None."""
    if not isinstance(answer, dict) or set(answer) != set(LIMITS):
        return 'answer with a dictionary {"species": (left, top, width), "background": (…)}'
    for name, window in answer.items():
        whole = isinstance(window, list | tuple) and len(window) == 3
        if not whole or not all(isinstance(v, int) for v in window):
            return f"{name}: a window is three whole numbers, (left, top, width)"
        left, top, width = window
        if not 4 <= width <= 10:
            return f"{name}: its width is {width}, and 4 to 10 are allowed"
        if min(left, top) < 0 or max(left, top) + width > 32:
            return f"{name}: the window leaves the crop, which has 32 pixels a side"
    for name, (wanted, unwanted) in LIMITS.items():
        species, background = _scores(tuple(answer[name]))
        other = "background" if name == "species" else "species"
        high, low = (species, background) if name == "species" else (background, species)
        if high < wanted or low > unwanted:
            return (
                f"{name}: this window scores {high:.2f} with the {name} (wanted: {wanted} or more) "
                f"and {low:.2f} with the {other} (at most {unwanted})"
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
                lambda crops: crops.float().mean((2, 3)) / 256,
                "the largest value is 255, so divide by 255",
            ),
            Mistake(
                lambda crops: crops.float().mean((2, 3)) / 127.5 - 1,
                "this brings the values to [−1, 1]; here [0, 1] is wanted",
            ),
            Mistake(
                lambda crops: crops.float().sum((2, 3)) / 255,
                "a sum grows with the picture: take the mean over the pixels",
            ),
            Mistake(
                lambda crops: crops.float().flatten(2).median(2).values / 255,
                "this is the median of each channel; the mean is wanted",
            ),
            Mistake(
                lambda crops: crops.mean((2, 3)) / 255,
                "PyTorch computes no mean of uint8: call .float() first",
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
                "this is half of the right value: divide by the mean of the two entropies, not "
                "by their sum",
            ),
            Mistake(
                lambda a, b: float(-_parts(a, b)[0] / ((_parts(a, b)[1] + _parts(a, b)[2]) / 2)),
                "your sign is wrong: information is never negative",
            ),
            Mistake(
                lambda a, b: float(_parts(a, b)[0] / max(_parts(a, b)[1], _parts(a, b)[2])),
                "this divides by the larger entropy; the mean of the two is wanted",
            ),
            Mistake(
                lambda a, b: float(_parts(a, b)[0] / max(min(_parts(a, b)[1:3]), 1e-12)),
                "this divides by the smaller entropy; the mean of the two is wanted",
            ),
            Mistake(
                lambda a, b: float(np.mean(np.asarray(a) == np.asarray(b))),
                "this counts equal numbers, but the numbers of groups are arbitrary",
            ),
            Mistake(
                lambda a, b: float(_parts(a, b)[0] / _parts(a, b)[3]),
                "this divides by the entropy of the pair; the mean of H(A) and H(B) is wanted",
            ),
        ),
        alternative=_nmi_from_entropies,
        praise="NMI is 1 for the same groups with other numbers, and 0 for independent groups.",
        inputs=_labels,
    ),
    Choice(
        "3",
        "predict: what k-means on raw pixels finds",
        "my_prediction",
        "c",
        mistakes=(
            Mistake("a", "the bird fills a fifth of the picture; what fills the rest?"),
            Mistake("b", "two pictures of one silhouette in different places agree in few pixels"),
        ),
        alternative="(C)",
        praise="The distance between two pictures adds up pixels, and most are background.",
    ),
    Exploration(
        "4",
        "explore: what two windows see",
        "my_windows",
        {"species": (13, 13, 6), "background": (0, 0, 8)},
        mistakes=(
            Mistake(
                {"species": (0, 0, 8), "background": (13, 13, 6)}, "species: this window scores"
            ),
            Mistake({"species": (13, 13, 6), "background": (13, 13, 6)}, "background: this window"),
            Mistake({"species": (0, 0, 32), "background": (0, 0, 32)}, "4 to 10 are allowed"),
            Mistake({"species": (15, 15, 2), "background": (0, 0, 8)}, "4 to 10 are allowed"),
            Mistake({"species": (28, 13, 6), "background": (0, 0, 8)}, "leaves the crop"),
            Mistake({"species": 6, "background": (0, 0, 8)}, "three whole numbers"),
            Mistake({"species": (13, 13, 6)}, "a dictionary"),
            Mistake(6, "a dictionary"),
        ),
        alternative={"species": [12, 12, 8], "background": [24, 0, 8]},
        praise="But how do we know where the bird is? From the box, and a human drew it.",
        grade=_windows,
        starts=tuple(
            {"species": centred, "background": centred}
            for centred in ((14, 14, 4), (13, 13, 6), (12, 12, 8), (11, 11, 10))
        ),
    ),
)
