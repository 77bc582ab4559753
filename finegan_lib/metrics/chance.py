"""The scores of random labels ("dice"): compare every score of agreement with them.

NMI and best-mapping accuracy are above 0 for random labels. When there are few images in each
cluster, small clusters agree with some class by chance: with 200 clusters for 11,788 images of 200
classes, random labels have an NMI of .26. The value also depends on the clusters' sizes: a few
large clusters and many tiny ones carry less information than equal ones, so random labels of such
sizes score less. AMI and ARI subtract the score of chance.
"""

import numpy as np

from ..base.errors import InputError
from .clustering import agreement, hungarian_accuracy, nmi


def dice_labels(n: int, k: int, seed: int = 0) -> np.ndarray:
    """(n,) int64, each one of 0 … k − 1 with the same probability."""
    return np.random.default_rng(seed).integers(k, size=n)


def equal_sizes(n: int, k: int) -> list[int]:
    """n images shared out over k classes as evenly as possible."""
    return [n // k + (i < n % k) for i in range(k)]


def shared_out(n: int, shares) -> list[int]:
    """n images shared out in proportion to ``shares``, whole numbers that add up to n.

    Rounding down leaves some images over. They go to the classes with the largest remainders.
    """
    exact = n * np.asarray(shares, dtype=float) / np.sum(shares)
    sizes = np.floor(exact).astype(int)
    rest = np.argsort(sizes - exact, kind="stable")[: n - sizes.sum()]
    sizes[rest] += 1
    return sizes.tolist()


def resampled(sizes, k: int) -> list[float]:
    """The shares of k clusters that are as unequal as some other number of clusters.

    The sorted sizes of the clusters are a curve; the shares are its values at k even places.
    """
    ordered = np.sort(np.asarray(sizes, dtype=float))[::-1]
    places = (np.arange(k) + 0.5) / k
    return np.interp(places, (np.arange(len(ordered)) + 0.5) / len(ordered), ordered).tolist()


def chance_scores(
    class_sizes, cluster_sizes=None, *, repeats: int = 5, seed: int = 0, full: bool = True
) -> dict[str, float]:
    """Scores of random labels, mean over some repeats.

    Args:
        class_sizes: images of every true class.
        cluster_sizes: images of every cluster, shuffled over the images; None: every image gets one
            of as many labels as there are classes, each with the same probability.
        repeats: how often.
        full: every score of :func:`agreement`; False: ``nmi_arithmetic`` and ``accuracy`` alone,
            much quicker for many classes.

    Raises:
        InputError: if classes and clusters do not hold the same number of images.
    """
    truth = np.repeat(np.arange(len(class_sizes)), class_sizes)
    if cluster_sizes is not None and sum(cluster_sizes) != len(truth):
        raise InputError(
            "classes and clusters must hold the same images",
            seen=f"{len(truth)} and {sum(cluster_sizes)}",
            cure="Share the same number out: shared_out(n, shares).",
        )
    runs = []
    for repeat in range(repeats):
        if cluster_sizes is None:
            labels = dice_labels(len(truth), len(class_sizes), seed + repeat)
        else:
            labels = np.repeat(np.arange(len(cluster_sizes)), cluster_sizes)
            labels = np.random.default_rng(seed + repeat).permutation(labels)
        runs.append(
            agreement(truth, labels)
            if full
            else {
                "nmi_arithmetic": nmi(truth, labels),
                "accuracy": hungarian_accuracy(truth, labels),
            }
        )
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
