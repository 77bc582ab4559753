"""How well a clustering agrees with the true categories: NMI, AMI, best-mapping accuracy, ARI.

The numbers of the clusters do not matter to any of them. AMI and ARI are 0 for random labels. NMI
and accuracy are above 0 for random labels, more so for more clusters
(:mod:`finegan_lib.metrics.chance`).
"""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer
from torch import Tensor

from ..base.errors import InputError

AVERAGE_METHODS = ("arithmetic", "geometric", "min", "max")


def nmi(labels_a, labels_b, average_method: str = "arithmetic") -> float:
    """Normalised mutual information ``I(A; B) / mean(H(A), H(B))``, in [0, 1].

    Args:
        labels_a, labels_b: (N,) integer labels; the order of the two does not matter.
        average_method: which mean of the two entropies. Papers differ: JULE divides by the
            geometric mean, others by the arithmetic one (the default here and in scikit-learn)
            or by the larger entropy, so a reported NMI means little without this word.

    Raises:
        InputError: for labels of different length or an unknown mean.
    """
    _validate_mean(average_method)
    labels_a, labels_b = _label_pair(labels_a, labels_b)
    return float(normalized_mutual_info_score(labels_a, labels_b, average_method=average_method))


def ami(labels_a, labels_b, average_method: str = "arithmetic") -> float:
    """Adjusted mutual information, at most 1; 0 is what chance gives. Arguments as in `nmi`.

    ``(I(A; B) − E[I]) / (mean(H(A), H(B)) − E[I])``, with E[I] the mean over all orders of one of
    the two labellings (Vinh, Epps and Bailey, JMLR 2010).
    """
    _validate_mean(average_method)
    labels_a, labels_b = _label_pair(labels_a, labels_b)
    return float(adjusted_mutual_info_score(labels_a, labels_b, average_method=average_method))


def _validate_mean(average_method: str) -> None:
    if average_method not in AVERAGE_METHODS:
        raise InputError(
            "unknown mean for the NMI",
            seen=average_method,
            cure=f"Choose one of {', '.join(AVERAGE_METHODS)}.",
        )


def ari(labels_a, labels_b) -> float:
    """Adjusted Rand index, at most 1; 0 is what chance gives. Arguments as in `nmi`."""
    return float(adjusted_rand_score(*_label_pair(labels_a, labels_b)))


def hungarian_accuracy(true, predicted) -> float:
    """Share of images whose cluster is mapped to their class by the best one-to-one mapping.

    ``max over mappings m of mean(m(predicted) == true)``, found by the Hungarian algorithm. The
    numbers of classes and clusters may differ: surplus clusters are mapped to nothing, so all
    their images count as wrong (and surplus classes are never hit).
    """
    counts = contingency_matrix(*_label_pair(true, predicted))
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / counts.sum())


def agreement(truth, labels) -> dict:
    """Every score of a clustering at once: NMI by three means, AMI, best-mapping accuracy, ARI."""
    return {
        **{f"nmi_{mean}": nmi(truth, labels, mean) for mean in ("arithmetic", "geometric", "max")},
        "ami": ami(truth, labels),
        "accuracy": hungarian_accuracy(truth, labels),
        "ari": ari(truth, labels),
    }


def kmeans_labels(features, k: int, seed: int, n_init: int = 4) -> np.ndarray:
    """(N,) cluster indices in [0, k) from k-means on (N, D) features.

    Raises:
        InputError: if there are fewer rows than clusters.
    """
    features = np.asarray(features, dtype=np.float32).reshape(len(features), -1)
    if not 1 <= k <= len(features):
        raise InputError(
            "k-means needs between 1 and N clusters",
            seen=f"k={k}, N={len(features)}",
            cure="Lower k or give more images.",
        )
    return KMeans(k, n_init=n_init, random_state=seed).fit_predict(features)


def whitening(features, components: int, seed: int = 0) -> Pipeline:
    """A map of features, fitted to these: principal components of equal variance, then length 1.

    k-means adds up squared differences, so it mostly follows the few directions in which features
    vary most. After the map all kept directions count alike (Caron et al., Deep Clustering for
    Unsupervised Learning of Visual Features, ECCV 2018, implementation details).

    Args:
        features: (N, D).
        components: of the PCA; at most N − 1 and D of them are kept: N centred rows vary in no more
            than N − 1 directions, and whitening would enlarge rounding errors in another one.

    Returns:
        Its ``transform`` takes features (M, D) to (M, components).

    Raises:
        InputError: for less than one component.
    """
    features = np.asarray(features, dtype=np.float64).reshape(len(features), -1)
    if components < 1:
        raise InputError(
            "whitening needs at least one component", seen=components, cure="Give 48, for instance."
        )
    kept = min(components, max(1, len(features) - 1), features.shape[1])
    whole = make_pipeline(PCA(kept, whiten=True, random_state=seed), Normalizer())
    return whole.fit(features)


def raw_pixels(crops: Tensor) -> np.ndarray:
    """Control: every pixel of (N, 3, S, S) uint8 crops, as (N, 3·S·S) floats in [0, 1]."""
    return crops.flatten(1).float().div(255).numpy()


def centre_crop(crops: Tensor) -> np.ndarray:
    """Control: the pixels of the middle quarter of (N, 3, S, S) crops, where the object is.

    Its score comes from the colours in the middle of the picture alone.
    """
    quarter = crops.shape[-1] // 4
    return raw_pixels(crops[..., quarter:-quarter, quarter:-quarter])


CONTROL_FEATURES = {"raw_pixels": raw_pixels, "centre_crop": centre_crop}


def control_features(crops: Tensor, kind: str) -> np.ndarray:
    """Features which need no learning: ``kind`` is "raw_pixels" or "centre_crop"."""
    if kind not in CONTROL_FEATURES:
        raise InputError(
            "unknown control", seen=kind, cure=f"Choose one of {', '.join(CONTROL_FEATURES)}."
        )
    return CONTROL_FEATURES[kind](crops)


def majority_matches(codes, judged, n_codes: int, agreement: float = 0.5) -> np.ndarray:
    """(n_codes,) the category that at least ``agreement`` of a code's images show, else -1.

    Args:
        codes: (N,) code index of every generated image.
        judged: (N,) category that a judge sees in it.
    """
    codes, judged = _label_pair(codes, judged)
    matches = np.full(n_codes, -1)
    for code in np.unique(codes):
        values, counts = np.unique(judged[codes == code], return_counts=True)
        if counts.max() >= agreement * counts.sum():
            matches[code] = values[counts.argmax()]
    return matches


def _label_pair(labels_a, labels_b):
    labels_a, labels_b = np.asarray(labels_a), np.asarray(labels_b)
    if labels_a.ndim != 1 or labels_a.shape != labels_b.shape or not len(labels_a):
        raise InputError(
            "the two labellings must be non-empty and equally long",
            seen=f"shapes {labels_a.shape} and {labels_b.shape}",
            cure="Give one label per image in each.",
        )
    return labels_a, labels_b
