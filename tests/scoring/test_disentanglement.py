"""MIG, DCI and background leakage on cases whose scores are known."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from finegan_lib.base.errors import InputError
from finegan_lib.data import ToyBirds
from finegan_lib.discovery.code_classifiers import as_finegan, child_images
from finegan_lib.metrics.code_classifiers import DiscoveryConfig
from finegan_lib.models import (
    FineGANConfig,
    FineGANGenerator,
    GANConfig,
    GANGenerator,
    InfoGANBaselineConfig,
    InfoGANBaselineGenerator,
    InfoGANConfig,
    InfoGANGenerator,
)
from finegan_lib.models.generators import sample_freely
from finegan_lib.scoring import disentanglement as d

U, V = np.divmod(np.arange(400), 20)  # two independent factors, 20 values each, every pair once


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "cache"
    return ToyBirds(240, image_size=32, seed=5, cache_dir=folder, progress=False)


# ------------------------------------------------------------------------- MIG and DCI


def test_bins_are_equally_wide_and_categories_stay():
    assert d.discretise([3, 1, 3]).tolist() == [3, 1, 3]
    values = np.array([0.0, 0.04, 0.06, 0.5, 0.94, 1.0])  # 20 bins of 0.05
    assert d.discretise(values).tolist() == [0, 0, 1, 10, 18, 19]


def test_perfect_codes_score_one():
    codes, factors = {"a": (U * 7) % 20, "b": V, "c": (U + V) % 2 * 0}, {"u": U, "v": V}
    assert d.information_matrix(codes, factors) == pytest.approx(
        np.array([[np.log(20), 0], [0, np.log(20)], [0, 0]]), abs=1e-9
    )
    assert d.mig(codes, factors)["mig"] == pytest.approx(1)
    many = {name: np.tile(values, 5) for name, values in codes.items()}
    truth = {name: np.tile(values, 5) for name, values in factors.items()}
    scores = d.dci(many, truth, trees=5)
    for name in ("disentanglement", "completeness", "informativeness"):
        assert scores[name] == pytest.approx(1, abs=1e-9)


def test_a_rotation_scores_low():
    """Two numbers, turned by 45 degrees: both codes have equal information about both factors."""
    rng = np.random.default_rng(0)
    u, v = rng.uniform(-1, 1, (2, 4000))
    turned, factors = {"a": u + v, "b": u - v}, {"u": u, "v": v}
    straight = {"a": u, "b": v}
    assert d.mig(straight, factors)["mig"] > 0.95
    assert d.mig(turned, factors)["mig"] < 0.03
    good, bad = (d.dci(codes, factors, trees=5) for codes in (straight, turned))
    assert good["disentanglement"] > 0.9 and good["completeness"] > 0.9
    assert bad["disentanglement"] < 0.1 and bad["completeness"] < 0.1


def test_mig_by_hand():
    """Two codes that both say all of u: gap 0. One that says half of its entropy: gap 1/2."""
    four = np.repeat(np.arange(4), 100)
    assert d.mig({"a": four, "b": 3 - four}, {"u": four})["mig"] == pytest.approx(0, abs=1e-9)
    halves = d.mig({"a": four // 2, "b": four * 0}, {"u": four})
    assert halves["mig"] == pytest.approx(0.5)
    assert d.mig({"a": four // 2}, {"u": four})["mig"] == pytest.approx(0.5)  # second best: none
    never = d.mig({"a": four}, {"u": four, "constant": four * 0})
    assert never["mig_per_factor"] == pytest.approx({"u": 1, "constant": 0})


def test_two_codes_for_one_factor_are_not_complete():
    """Each code serves u alone (disentangled); u needs both (not complete)."""
    four = np.random.default_rng(0).integers(4, size=4000)
    v = np.random.default_rng(1).integers(4, size=4000)
    scores = d.dci({"a": four // 2, "b": four % 2, "c": v}, {"u": four, "v": v}, trees=5)
    assert scores["disentanglement"] > 0.98
    # u: two codes of three, half each: 1 − log 2 / log 3 = 0.369; v: 1
    assert scores["completeness"] == pytest.approx((0.369 + 1) / 2, abs=0.02)
    assert scores["informativeness"] == pytest.approx(1)


def test_useless_codes_are_not_informative():
    rng = np.random.default_rng(0)
    codes = {"a": rng.normal(size=2000), "b": rng.normal(size=2000)}
    factors = {"u": rng.integers(3, size=2000), "v": rng.integers(3, size=2000)}
    assert d.dci(codes, factors, trees=5)["informativeness"] < 0.06
    with pytest.raises(InputError, match="at least two of each; got 1 codes"):
        d.dci({"a": codes["a"]}, factors)


# ------------------------------------------------------------------------- leakage


def test_shared_information_by_hand():
    b = np.repeat(np.arange(4), 500)
    assert d.shared_information(b * 3, b) == pytest.approx(1)
    assert d.shared_information(np.arange(2000) % 40 // 10 + 10 * b, b) == pytest.approx(1)
    rng = np.random.default_rng(0)
    assert abs(d.shared_information(rng.integers(20, size=2000), b)) < 0.01
    half = d.shared_information(np.where(b < 2, b, 2 + rng.integers(2, size=2000)), b)
    assert half == pytest.approx(
        0.75, abs=0.01
    )  # H = 2 bits, of which b ≥ 2 lose one, half the time


def test_swap_rate_by_hand():
    assert d.swap_rate([0, 1, 2, 3], [0, 1, 3, 2]) == 0.5


def test_probe_above_chance():
    rng = np.random.default_rng(0)
    b = rng.integers(3, size=1200)
    told = rng.normal(size=(1200, 5))
    assert d.probe_accuracy(told, b) < 0.1
    told[:, 2] = np.array([0, 5, 10])[b]
    assert d.probe_accuracy(told, b) > 0.98


class Reader(nn.Module):
    """A classifier that reads nothing but the mean colour of a border, or of the middle."""

    def __init__(self, border: bool):
        super().__init__()
        self.border = border
        self.head = nn.Linear(3, 8, bias=False)
        torch.manual_seed(0)
        nn.init.normal_(self.head.weight, std=30)

    def features(self, images):
        window = images[..., :3, :] if self.border else images[..., 13:19, 13:19]
        return window.mean((2, 3))


def test_leakage_tells_a_reader_of_backgrounds_from_one_of_birds(birds):
    border, middle = (
        d.background_leakage(Reader(border).eval(), birds, n_images=240) for border in (True, False)
    )
    for name in ("answer", "swap", "probe"):
        assert middle[name] < border[name] / 2, name
    assert border["swap"] > 0.6 and middle["swap"] < 0.2
    assert border["swap_control"] < border["swap"] / 2  # a pixel is not a background


def test_swapping_keeps_the_bird_and_changes_the_rest(birds):
    rows = np.arange(40)
    before, after = birds.evaluation_crops(rows), d.swap_backgrounds(birds, rows, seed=1)
    inside = nn.functional.max_pool2d((~birds.masks(rows)[:, None]).float(), 3, 1, 1) == 0
    moved = (before.int() - after.int()).abs().float().mean(1, keepdim=True)
    assert moved[inside].mean() < 2  # of 255; the coverage of a pixel's edge is not quite whole
    assert moved[~birds.masks(rows)[:, None]].mean() > 20


def test_redrawn_factors_are_independent(birds):
    images, factors = d.redrawn_factors(birds, 200, seed=0)
    assert images.shape == (200, 3, 32, 32) and set(factors) == {
        "parent",
        "child",
        "background",
        "flip",
    }
    own = birds.hierarchy.parent_of.numpy()[factors["child"]]
    assert (own == factors["parent"]).mean() < 0.4  # not the species' own silhouette


# ------------------------------------------------------------------------- families


def tiny(generator_class, config):
    torch.manual_seed(0)
    return generator_class(config).eval().requires_grad_(False)


FINEGAN = FineGANConfig(image_size=32, n_parents=5, n_children=20, g_dim=4, d_dim=4, z_dim=3)
BASELINE = InfoGANBaselineConfig(image_size=32, n_children=20, g_dim=4, d_dim=4, z_dim=3)
INFOGAN = InfoGANConfig(image_size=32, n_categories=20, n_continuous=2, g_dim=4, d_dim=4, z_dim=3)


@pytest.mark.parametrize(
    ("generator_class", "config", "names"),
    [
        (FineGANGenerator, FINEGAN, {"b", "p", "c"}),
        (InfoGANBaselineGenerator, BASELINE, {"c"}),
        (InfoGANGenerator, INFOGAN, {"c", "u0", "u1"}),
    ],
)
def test_every_family_with_a_code(generator_class, config, names):
    generator = tiny(generator_class, config)
    inputs, named = sample_freely(generator, 50, torch.Generator().manual_seed(0))
    assert set(named) == names | {"z0", "z1", "z2"}
    c = inputs[0].c if len(inputs) == 1 else inputs[1][:, :20]
    assert c.argmax(1).equal(named["c"]) and named["c"].unique().numel() > 10
    small = DiscoveryConfig(n_images=60, batch_size=30, image_size=32)
    images, codes, n_codes = child_images(generator, small, seed=3)
    assert images.shape == (60, 3, 32, 32) and codes.shape == (60,) and n_codes == 20
    again = child_images(generator, small, seed=3)
    assert again[0].equal(images) and again[1].equal(codes)
    generate, hierarchy = as_finegan(generator)
    assert hierarchy.n_children == 20
    codes = hierarchy.codes(torch.randn(2, 3), torch.tensor([1, 2]))
    assert generate(codes).child.image.shape == (2, 3, 32, 32)


def test_a_family_without_codes_is_refused():
    generator = tiny(GANGenerator, GANConfig(image_size=32, g_dim=4, d_dim=4, z_dim=3))
    with pytest.raises(InputError, match="no categorical code; got GAN"):
        sample_freely(generator, 2, torch.Generator())


@pytest.mark.parametrize(
    ("generator_class", "config"),
    [(FineGANGenerator, FINEGAN), (InfoGANBaselineGenerator, BASELINE)],
)
def test_all_scores_together(generator_class, config, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(d, "load_generator", lambda name: tiny(generator_class, config))
    few = d.DisentanglementConfig(
        n_generated=120,
        n_real=120,
        trees=2,
        discovery=DiscoveryConfig(n_images=100, epochs=1, width=2),
    )
    scores = d.evaluate_disentanglement("toy", seeds=(0, 1), config=few, progress=False)
    assert json.loads(json.dumps(scores)) == scores
    assert ("mask_iou" in scores) == (config is FINEGAN)
    leakage = scores["leakage"]
    assert leakage["swap"] == np.mean([run["leakage"]["swap"] for run in scores["per_seed"]])
    names = {"code", "answer", "swap", "swap_control", "probe", "probe_untrained"}
    assert set(leakage) == names
    assert scores["codes"].keys() >= {"mig", "disentanglement", "completeness"}
    assert "background" in d.summary(scores)


def test_real_images_are_shrunk_to_the_size_that_the_classifier_learnt_at(monkeypatch):
    monkeypatch.setattr(d, "load_generator", lambda name: tiny(FineGANGenerator, FINEGAN))
    sizes, shrink = [], d.real_inputs

    def noted(images, image_size):
        sizes.append(image_size)
        return shrink(images, image_size)

    monkeypatch.setattr(d, "real_inputs", noted)
    discovery = DiscoveryConfig(n_images=60, epochs=1, width=2, image_size=16)
    few = d.DisentanglementConfig(n_generated=60, n_real=60, trees=2, discovery=discovery)
    d.evaluate_disentanglement("toy", seeds=(0,), config=few, progress=False)
    assert len(sizes) == 5 and set(sizes) == {16}


@pytest.mark.parametrize("name", ["n_generated", "n_real", "trees"])
def test_too_few_images_to_learn_from_are_refused(name):
    with pytest.raises(InputError, match=f"{name} must be at least"):
        d.DisentanglementConfig(**{name: 0})
