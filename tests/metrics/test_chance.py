"""What labels by dice score, and clusters as unequal as others."""

import numpy as np
import pytest

from finegan_lib.base.errors import InputError
from finegan_lib.metrics.chance import (
    chance_scores,
    dice_labels,
    equal_sizes,
    resampled,
    shared_out,
)
from finegan_lib.metrics.clustering import agreement, ami


def test_dice_at_the_size_of_cub():
    """With 200 classes of 11,788 images, random labels get an NMI of about .26."""
    found = chance_scores(equal_sizes(11788, 200), repeats=1, full=False)
    assert found["nmi_arithmetic"] == pytest.approx(0.265, abs=0.005)
    assert found["accuracy"] == pytest.approx(0.042, abs=0.003)


def test_chance_is_subtracted_from_ami_and_ari():
    found = chance_scores([40] * 20, repeats=3)
    assert abs(found["ami"]) < 0.01 and abs(found["ari"]) < 0.01
    assert found["nmi_arithmetic"] > 0.08
    truth = np.repeat(np.arange(5), 20)
    assert agreement(truth, truth)["ami"] == ami(truth, truth) == pytest.approx(1)


def test_unequal_clusters_get_less_by_chance():
    classes = equal_sizes(2000, 50)
    unequal = shared_out(2000, [2.0**-i for i in range(50)])
    equal = chance_scores(classes, repeats=2, full=False)
    lopsided = chance_scores(classes, unequal, repeats=2, full=False)
    assert lopsided["nmi_arithmetic"] < 0.7 * equal["nmi_arithmetic"]
    with pytest.raises(InputError, match="2000 and 1999"):
        chance_scores(classes, [*unequal[:-1], unequal[-1] - 1], repeats=1)


def test_sharing_out():
    assert equal_sizes(10, 4) == [3, 3, 2, 2]
    assert shared_out(10, [1, 1, 2]) == [3, 2, 5]
    assert sum(shared_out(11788, np.random.default_rng(0).random(200))) == 11788
    assert resampled([4, 1], 2) == [4, 1]
    curve = resampled([8, 4, 2, 1], 9)
    assert len(curve) == 9 and curve == sorted(curve, reverse=True)
    assert min(curve) >= 1 and max(curve) <= 8


def test_dice_are_fair_and_repeat():
    labels = dice_labels(60_000, 6, seed=1)
    assert np.bincount(labels) / 60_000 == pytest.approx([1 / 6] * 6, rel=0.05)
    assert (labels == dice_labels(60_000, 6, seed=1)).all()
