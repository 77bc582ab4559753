import numpy as np
import pytest
import torch

from finegan_lib.base.errors import InputError
from finegan_lib.metrics.clustering import (
    ari,
    control_features,
    hungarian_accuracy,
    kmeans_labels,
    majority_matches,
    nmi,
    whitening,
)


def test_renumbering_clusters_changes_nothing():
    true, renamed = [0, 0, 1, 1, 2, 2], [2, 2, 0, 0, 1, 1]
    assert nmi(true, renamed) == pytest.approx(1)
    assert ari(true, renamed) == pytest.approx(1)
    assert hungarian_accuracy(true, renamed) == 1


def test_nmi_by_hand_and_its_means_differ():
    # B merges two of A's four equal groups each: H(A) = 2 bits, H(B) = 1, I = 1.
    a, b = [0, 1, 2, 3], [0, 0, 1, 1]
    assert nmi(a, b) == pytest.approx(1 / 1.5)
    assert nmi(a, b, "geometric") == pytest.approx(1 / np.sqrt(2))
    assert nmi(a, b, "min") == pytest.approx(1)
    assert nmi(a, b, "max") == pytest.approx(0.5)


def test_independent_labels_score_nothing():
    assert nmi([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(0, abs=1e-9)
    assert hungarian_accuracy([0, 0, 1, 1], [0, 1, 0, 1]) == 0.5


@pytest.mark.parametrize(
    ("true", "predicted", "accuracy"),
    [
        ([0, 0, 0, 1, 1, 1], [5, 5, 6, 7, 7, 7], 5 / 6),  # a surplus cluster: its image is wrong
        ([0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 1, 1], 4 / 6),  # a class without a cluster
        ([0, 0, 0, 1, 1], [0, 0, 1, 0, 0], 3 / 5),  # greedy 0->0 alone gives only 2/5
    ],
)
def test_hungarian_accuracy_by_hand(true, predicted, accuracy):
    assert hungarian_accuracy(true, predicted) == pytest.approx(accuracy)


def test_kmeans_finds_separate_blobs():
    true = np.repeat([0, 1, 2], 20)
    features = np.eye(3)[true] * 10 + np.random.default_rng(0).normal(size=(60, 3))
    assert hungarian_accuracy(true, kmeans_labels(features, 3, seed=0)) == 1


def test_controls_look_where_they_say():
    crops = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    crops[1, :, :2] = 255  # the border only
    assert control_features(crops, "raw_pixels").shape == (2, 192)
    centre = control_features(crops, "centre_crop")
    assert centre.shape == (2, 48)
    assert (centre[0] == centre[1]).all()


def test_majority_needs_agreement():
    codes = [0, 0, 0, 1, 1, 1]
    judged = [4, 4, 2, 1, 2, 3]
    assert majority_matches(codes, judged, n_codes=3).tolist() == [4, -1, -1]


def test_bad_input_is_named():
    with pytest.raises(InputError, match="harmonic"):
        nmi([0], [0], "harmonic")
    with pytest.raises(InputError, match=r"\(2,\) and \(3,\)"):
        hungarian_accuracy([0, 1], [0, 1, 2])
    with pytest.raises(InputError, match="k=3, N=2"):
        kmeans_labels(np.zeros((2, 1)), 3, seed=0)
    with pytest.raises(InputError, match="colour"):
        control_features(torch.zeros(1, 3, 8, 8), "colour")


def test_whitened_directions_vary_alike():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 3)) * [100, 1, 0.01] + 7
    fitted = whitening(features, 3)
    components = fitted[0].transform(features)
    np.testing.assert_allclose(components.std(0, ddof=1), 1, rtol=1e-3)
    whitened = fitted.transform(features)
    np.testing.assert_allclose(np.linalg.norm(whitened, axis=1), 1, rtol=1e-4)
    assert whitening(features, 48).transform(features[:5]).shape == (5, 3)  # no more than D
    few = whitening(features[:3], 48)
    assert few.transform(features).shape == (500, 2)  # nor than N − 1
    assert few[0].explained_variance_.min() > 1e-6  # each is a direction in which they vary
    with pytest.raises(InputError, match="at least one component; got 0"):
        whitening(features, 0)
