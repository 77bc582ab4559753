"""Category discovery on cut-out objects: what the classifiers see, and that k-means gets it."""

from functools import partial

import numpy as np
import pytest
import torch

from finegan_lib.__main__ import main
from finegan_lib.applications import cut_discovery
from finegan_lib.applications.cut_discovery import CutOutGenerator, cut_features, cut_out
from finegan_lib.discovery.cluster import cluster, cluster_images, finegan_features
from finegan_lib.models import FineGANGenerator
from tests.applications.small import CONFIG, QUICK

CLASSIFIERS = QUICK.classifiers


class Middle:
    """A segmenter whose mask is the middle half, and half as opaque on its left."""

    def masks(self, images):
        size = images.shape[-1]
        masks = torch.zeros(len(images), 1, size, size)
        masks[..., size // 4 : -size // 4, size // 4 : -size // 4] = 1
        masks[..., : size // 2] /= 2
        return masks


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return FineGANGenerator(CONFIG).eval()


@pytest.fixture
def pictures():
    return torch.randint(256, (6, 3, 32, 32), generator=torch.Generator().manual_seed(1)).byte()


@pytest.fixture(autouse=True)
def middle(monkeypatch):
    monkeypatch.setattr(cut_discovery, "load_segmenter", lambda *_, **__: Middle())


def test_what_is_cut_out_lies_on_grey():
    images = torch.rand(3, 3, 8, 8) * 2 - 1
    cut = cut_out(images, Middle(), batch_size=2)
    assert cut[..., 2:6, 4:6].equal(images[..., 2:6, 4:6])
    assert cut[..., 2:6, 2:4].equal(images[..., 2:6, 2:4] / 2)
    assert not cut[..., :2, :].any() and not cut[..., 6:].any()


@torch.no_grad()
def test_only_the_finished_image_is_cut_out(generator):
    codes = CONFIG.hierarchy().sample(4, CONFIG.z_dim, rng=torch.Generator().manual_seed(0))
    whole, cut = generator(codes), CutOutGenerator(generator, Middle())(codes)
    assert cut.image.equal(cut_out(whole.image, Middle())) and not cut.image.equal(whole.image)
    assert cut.parent.image.equal(whole.parent.image)
    assert cut.child.mask.equal(whole.child.mask)


def test_the_second_half_of_the_features_does_not_see_the_surroundings(generator, pictures):
    options = {"checkpoint": "", "seed": 2}
    features = cut_features(pictures, generator, CLASSIFIERS, **options)
    assert features.equal(cut_features(pictures, generator, CLASSIFIERS, **options))
    whole, cut = features.chunk(2, 1)
    assert whole.equal(finegan_features(pictures, generator, CLASSIFIERS, seed=2))
    elsewhere = pictures.clone()
    elsewhere[..., :8, :] = 255 - elsewhere[..., :8, :]
    whole_elsewhere, cut_elsewhere = cut_features(
        elsewhere, generator, CLASSIFIERS, **options
    ).chunk(2, 1)
    assert cut_elsewhere.equal(cut) and not whole_elsewhere.equal(whole)


def test_larger_pictures_are_cut_out_at_the_generators_size(generator, pictures):
    large = pictures.repeat_interleave(2, 2).repeat_interleave(2, 3)
    small = cut_features(pictures, generator, CLASSIFIERS, checkpoint="").chunk(2, 1)[1]
    torch.testing.assert_close(
        cut_features(large, generator, CLASSIFIERS, checkpoint="").chunk(2, 1)[1],
        small,
        atol=0.1,
        rtol=0.1,
    )


def test_k_means_gets_these_features(generator, pictures, monkeypatch):
    asked = []

    def features(images, generator, config, **options):
        asked.append((len(images), config, options))
        return torch.eye(6)[[0, 0, 0, 5, 5, 5]]

    monkeypatch.setattr("finegan_lib.discovery.cluster.load_finegan", lambda _: generator)
    labels = cluster_images(
        pictures, "finegan", 2, config=CLASSIFIERS, seed=3, features=features, progress=False
    )
    assert asked == [(6, CLASSIFIERS, {"seed": 3, "progress": False})]
    assert len(set(labels[:3])) == len(set(labels[3:])) == 1 and labels[0] != labels[5]


def test_the_command(tmp_path, monkeypatch, capsys):
    asked = {}

    def watch(*_, **options):
        asked.update(options)
        return {"images": 1, "sizes": [1]}

    with monkeypatch.context() as patch:
        patch.setattr("finegan_lib.discovery.cluster.cluster", watch)
        words = ["cluster", "toybirds", "--out", str(tmp_path / "a"), "--no-progress"]
        assert main(words) == 0 and asked["features"] is None
        assert main([*words, "--cut", "--checkpoint", "birds"]) == 0
        assert asked["features"].func is cut_features
        assert asked["features"].keywords == {"checkpoint": "birds"}
    few = [*words, "--n-images", "8", "--n-clusters", "2", "--image-size", "32", "--cut"]
    assert main([*few, "--method", "kmeans"]) == 2
    assert "--cut with kmeans" in capsys.readouterr().err
    assert not (tmp_path / "a").exists() or not list((tmp_path / "a").iterdir())


def test_the_result_says_so(tmp_path, generator):
    features = partial(cut_features, checkpoint="toy")
    options = {"n_images": 12, "image_size": 32, "config": CLASSIFIERS, "progress": False}
    found = cluster("toybirds", "finegan", 2, tmp_path / "b", features=features, **options)
    assert found["features"] == "cut_features" and np.sum(found["sizes"]) == 12
