import json

import numpy as np
import pytest

from finegan_lib.base.errors import InputError
from finegan_lib.metrics.code_classifiers import DiscoveryConfig
from finegan_lib.metrics.judges import Judges
from finegan_lib.scoring.scores import EvaluationConfig, evaluate_generator

QUICK = EvaluationConfig(
    n_images=60,
    n_pairs=25,
    discovery=DiscoveryConfig(n_images=300, epochs=8, batch_size=20, width=8),
)


@pytest.fixture(scope="module")
def judges():
    return Judges.load("toy", 32)


def test_a_perfect_generator_scores_nearly_perfectly(oracle, birds, judges):
    scores = evaluate_generator(
        oracle, birds.hierarchy, birds, judges, z_dim=2, seeds=(0, 1), config=QUICK, progress=False
    )
    assert scores["mask_iou"] > 0.8
    assert scores["nmi_parent"] > 0.9
    assert scores["nmi_child"] > 0.85
    assert scores["parents_found"] == 5
    assert scores["children_found"] >= 19
    assert scores["leak"] < 0.02
    matrix = np.array(scores["factor_matrix"])
    assert (matrix.diagonal() > 0.6).all()
    assert min(scores["factor_margins"]) > 3
    assert scores["real_child_nmi"] > scores["controls"]["shuffled_codes"]["real_child_nmi"] + 0.1
    assert set(scores["controls"]) == {"raw_pixels", "centre_crop", "untrained", "shuffled_codes"}
    assert len(scores["per_seed"]["nmi_child"]) == 2
    assert scores["sd"]["nmi_child"] == pytest.approx(
        np.std(scores["per_seed"]["nmi_child"], ddof=1)
    )
    json.dumps(scores)


def test_noise_scores_next_to_nothing(noise, birds, judges):
    scores = evaluate_generator(
        noise, birds.hierarchy, birds, judges, z_dim=3, seeds=(0,), config=QUICK, progress=False
    )
    assert scores["mask_iou"] < 0.2
    assert scores["nmi_parent"] < 0.2
    assert scores["children_found"] <= 3
    assert np.array(scores["factor_matrix"])[:3] == pytest.approx(0)  # only z does anything


def test_judges_of_another_size_are_refused(oracle, birds, judges):
    class Larger:
        child_index, parent_index, image_size = birds.child_index, birds.parent_index, 64

    with pytest.raises(InputError, match="images of 64, judges for 32"):
        evaluate_generator(oracle, birds.hierarchy, Larger(), judges, z_dim=2)
