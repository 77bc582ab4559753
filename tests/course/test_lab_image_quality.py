"""What the lesson on quality does to pictures: each spoils what it says, and nothing else."""

import math

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn

from finegan_lib import course
from finegan_lib.experiments.paper import paper_tables, toy_table
from finegan_lib.metrics.reading import Reading
from finegan_lib.scoring.quality import FeatureSums, fid, kid

lab = course.lab("image_quality")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def pictures(n=12, size=16):
    rng = torch.Generator().manual_seed(0)
    return torch.randint(256, (n, 3, size, size), generator=rng, dtype=torch.uint8)


class Eyes(nn.Module):
    """Features: the mean colour; logits: how bright each of the three channels is."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images):
        colour = images.float().mean((2, 3)) / 255
        return Reading(colour, 20 * colour)


# ------------------------------------------------------------------------------ scores


def test_scores_of_the_example_opinions():
    scores = {n: lab.score_of_probabilities(p) for n, p in lab.example_opinions().items()}
    assert all(torch.allclose(p.sum(1), torch.ones(40)) for p in lab.example_opinions().values())
    entropy = -(0.96 * math.log(0.96) + 0.04 * math.log(0.01))
    assert scores["sure, varied"] == pytest.approx(5 * math.exp(-entropy), rel=1e-5)
    assert scores["sure, all the same"] == pytest.approx(1)
    assert scores["sure, varied"] > scores["sure, one favourite"] > scores["unsure, varied"] > 1


def test_unshuffled_splits_of_sorted_pictures_score_low():
    logits = 100 * torch.eye(10).repeat_interleave(20, 0)
    p = logits.softmax(1)
    assert lab.mean_of_parts(p, splits=10) == pytest.approx(1)
    assert lab.mean_of_parts(p, splits=5) == pytest.approx(2)
    assert lab.mean_of_parts(p, splits=1) == pytest.approx(10)
    assert lab.score_in_parts(logits, splits=5) > 8


def test_kid_of_all_pairs_is_the_librarys():
    rng = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(50, 6, generator=rng) + shift for shift in (0, 0.5))
    whole = kid(real, fake, subsets=1, subset_size=50)[0]
    assert lab.kid_by_hand(real, fake) == pytest.approx(whole, rel=1e-6)


def test_kid_is_right_on_average_for_any_n():
    rng = torch.Generator().manual_seed(0)
    real, other = torch.randn(2, 1000, 8, generator=rng)
    mean, sd = lab.score_against_n(lab.kid_by_hand, real, other, [20, 500], repeats=40)
    assert (abs(mean) < 0.02).all() and sd[0] > sd[1]


def test_the_two_terms_of_the_distance():
    """Means 2 apart; deviations 1 and 3 in one of two directions."""
    corners = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]]) * math.sqrt(1.5)
    means, spread = lab.distance_parts(
        corners, corners * torch.tensor([1.0, 3.0]) + torch.tensor([2.0, 0])
    )
    assert (means, spread) == pytest.approx((4, 4))


def test_fid_falls_with_n():
    rng = torch.Generator().manual_seed(0)
    features = torch.randn(1200, 8, generator=rng)
    real = FeatureSums.of(torch.randn(5000, 8, generator=rng))
    mean, sd = lab.score_against_n(fid, real, features, [20, 100, 1000], repeats=3)
    assert mean[0] > mean[1] > mean[2] > 0
    assert sd.shape == (3,) and sd[0] > 0


# ------------------------------------------------------------------------------ pictures


def test_no_strength_no_change():
    images, labels = pictures(), torch.arange(12) % 3
    for kind in ("blur", "noise"):
        assert lab.corrupted(images, labels, kind, 0).equal(images)
    rows = lab.with_species_missing(labels, 0)
    assert sorted(rows.tolist()) == list(range(12))
    assert lab.prepared(images, "nothing").equal(images)


def test_blur_and_noise_do_what_they_say():
    images = pictures()
    soft = lab.blurred(images, 2.0)
    assert soft.dtype == torch.uint8
    assert soft.float().std() < images.float().std() / 3
    grey = torch.full((4, 3, 16, 16), 128, dtype=torch.uint8)
    loud = lab.noisy(grey, 10).float()
    assert loud.std() == pytest.approx(10, rel=0.1) and loud.mean() == pytest.approx(128, abs=1)


@pytest.mark.parametrize(("share", "left"), [(0.5, 5), (0.9, 1), (1, 1)])
def test_missing_species_are_missing_and_the_number_stays(share, left):
    labels = torch.arange(100) % 10
    rows = lab.with_species_missing(labels, share)
    assert len(rows) == 100
    assert len(labels[rows].unique()) == left


def test_copies_are_few_and_equal():
    images, labels = pictures(40), torch.arange(40) % 4
    shown = lab.copies(images, labels, per_species=2)
    assert len(shown) == 40
    _, counts = shown.unique(dim=0, return_counts=True)
    assert counts.tolist() == [5] * 8


def test_preparations():
    images = pictures()
    down = images.int() - lab.prepared(images, "cut off").int()
    assert down.unique().tolist() == [0, 1]
    stripes = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    stripes[..., ::4] = 255
    smooth, ragged = (
        lab.prepared(stripes, how).float() for how in ("shrunk", "shrunk, no antialias")
    )
    assert smooth.shape == ragged.shape == stripes.shape
    assert smooth.sub(stripes.float()).square().mean() > 0
    assert not smooth.equal(ragged)
    jpeg = lab.prepared(images, "JPEG")
    assert jpeg.shape == images.shape and 0 < (jpeg.float() - images.float()).abs().mean() < 60


def test_distances_between_preparations():
    images = pictures(80)
    changes = list(lab.preparation_distances(Eyes(), images).values())
    assert changes[0] == pytest.approx(3 * (0.5 / 255) ** 2, rel=0.2)  # half a grey level darker
    assert min(changes) > 0 and len(changes) == 4


def test_ladder_is_measured_on_spoilt_pictures():
    images, labels = pictures(60), torch.arange(60) % 3
    images[labels == 0, 0] //= 2
    real = lab.statistics(Eyes(), images)
    found = lab.ladder(Eyes(), real, images, labels, [0, 1])
    assert set(found) == set(lab.CORRUPTIONS)
    for scores in found.values():
        assert scores["fid"][0] == pytest.approx(0, abs=1e-6)
    assert found["missing species"]["fid"][1] > 1e-4


def test_plumage_eyes_do_not_see_the_background(tmp_path):
    from finegan_lib.data import ToyBirds

    birds = ToyBirds(80, image_size=32, seed=5, cache_dir=tmp_path, progress=False)
    eyes, rows = lab.PlumageEyes(32).eval(), np.arange(80)
    before = eyes(birds.evaluation_crops())
    swapped = eyes(birds.redraw(rows, background=3)[0])
    other = eyes(birds.redraw(rows, child=(birds.child_index + 7) % 20)[0])
    assert before.features.shape == (80, 72) and before.logits.shape == (80, 20)
    moved = [(r.features - before.features).square().sum() for r in (swapped, other)]
    assert moved[0] < moved[1] / 3
    assert (before.logits.argmax(1).numpy() == birds.child_index).mean() > 0.8


# ------------------------------------------------------------------------------ figures, tables


def test_ellipse_is_two_deviations_along_its_axes():
    points = torch.tensor([[3.0, 3], [-3, -3], [1, -1], [-1, 1]])
    ellipse = lab.gaussian_ellipse(points)
    assert ellipse.angle % 180 == pytest.approx(45)
    assert ellipse.width == pytest.approx(4 * math.sqrt(36 / 3))
    assert ellipse.height == pytest.approx(4 * math.sqrt(4 / 3))


def test_the_papers_tables_are_complete():
    tables = paper_tables()
    assert set(tables["table1_fid"]) == set(lab.SYSTEMS)
    assert tables["table1_inception_score"]["FineGAN"]["birds"] == [52.53, 0.45]
    assert tables["table1_fid"]["StackGAN-v2"]["cars"] == 16.28
    assert tables["table2_inception_score_cub"] == {
        "20": 52.53, "10": 52.11, "40": 49.62, "5": 46.68, "mixed": 51.83,
    }  # fmt: skip
    assert all(found["source"] for found in tables["outside_reproductions"])


def test_our_own_table_is_read_if_there_is_one(tmp_path):
    assert toy_table(1, tmp_path) is None
    text = '{"command": "x", "systems": {"GAN": {"inception_score": 3.5, "fid": [9.0, 8.0]}}}'
    (tmp_path / "table1_toy.json").write_text(text)
    found = toy_table(1, tmp_path)["systems"]
    assert found == {"GAN": {"inception_score": [3.5], "fid": [9.0, 8.0]}}


def test_figures_are_drawn_with_and_without_our_tables():
    tables, rng = paper_tables(), torch.Generator().manual_seed(0)
    shipped = {"inception_score": 9.0, "fid": 5.0, "real_inception_score": 19.0, "real_fid": 0.4}
    table = {"systems": {"FineGAN": {"inception_score": [9.0, 9.5], "fid": [5.0, 4.0]}}}
    assert len(lab.table2_figure(tables, shipped, None, None).axes) == 2
    figure = lab.table2_figure(
        tables, shipped, table, {"systems": {"5": table["systems"]["FineGAN"]}}
    )
    assert len(figure.axes) == 4
    named = [{t.get_text() for t in axis.get_legend().texts} for axis in figure.axes[1:3]]
    assert named == [{"the shipped FineGAN", "other real birds"}, {"FineGAN"}]
    rows = lab.table1(tables).splitlines()
    assert rows[-1].startswith("| FineGAN | 52.53 ± 0.45 |") and rows[-1].endswith("| 16.03 |")
    assert len(rows) == 2 + len(lab.SYSTEMS)
    names = {text.get_text() for text in lab.family_portrait().axes[0].texts}
    assert set(lab.SYSTEMS) <= names
    points = torch.randn(50, 2, generator=rng)
    title = lab.gaussians_figure(points, {"same": points}).axes[0].get_title()
    assert title.endswith("= 0.00") and fid(points, points) == pytest.approx(0, abs=1e-9)
    lab.opinions_figure(lab.example_opinions())
    changes = {"a": 1e-9, "b": 2.0, "c": 30.0, "d": 1.0}
    curve = np.ones(2), np.zeros(2)
    both = {"x": curve, "y": curve}
    assert len(lab.bias_figure([100, 1000], both, both, changes, 0.5).axes) == 3
    sets = {"right": pictures(12), "wrong": pictures(12)}
    lab.eyes_figure(sets, {"one": [1, 3.0], "two": [1, 9.0]})
    images, labels = pictures(40), torch.arange(40) % 4
    real = lab.statistics(Eyes(), images)
    found = lab.ladder(Eyes(), real, images, labels, [0.5, 1])
    assert lab.ladder_figure(images, labels, [0.5, 1], found, 0.1, 3.0)
