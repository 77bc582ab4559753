from types import SimpleNamespace

import numpy as np
import pytest
import torch

from finegan_lib.bench.scoring import plain_training
from finegan_lib.codes import CodeHierarchy
from finegan_lib.discovery.code_classifiers import discover_categories, untrained_classifier
from finegan_lib.metrics.code_classifiers import (
    DiscoveryConfig,
    generate_labelled_images,
    perturb,
    shift_and_flip,
    shrink,
    train_code_classifier,
    train_code_classifiers,
)

HIERARCHY = CodeHierarchy.equal(2, 4)
SMALL = DiscoveryConfig(n_images=300, epochs=4, batch_size=25, width=8, image_size=16)


def bars(codes):
    """A toy generator: the parent is a horizontal or a vertical bar, the child its colour."""
    n = len(codes.z)
    images = 0.1 * torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(n))
    colours = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1]])
    for image, parent, child in zip(images, codes.p_index, codes.c_index, strict=True):
        where = (slice(6, 10), slice(2, 14)) if parent == 0 else (slice(2, 14), slice(6, 10))
        image[:, where[0], where[1]] = colours[child][:, None, None]
    return SimpleNamespace(child=SimpleNamespace(image=images))


def test_classifiers_find_categories_and_shuffled_codes_do_not():
    images, child, parent = generate_labelled_images(bars, HIERARCHY, 2, SMALL, seed=7)
    truth = child.numpy(), parent.numpy()
    # Taught nonsense, a classifier may still part flat colours: how well depends on the seed.
    found = discover_categories(bars, HIERARCHY, 2, images, *truth, SMALL, seed=1)
    assert found["generated"]["child"]["nmi"] > 0.9
    assert found["generated"]["parent"]["accuracy"] > 0.95
    assert found["shuffled_codes"]["child"]["nmi"] < found["generated"]["child"]["nmi"] - 0.25
    assert found["untrained"]["child"]["nmi"] < found["generated"]["child"]["nmi"] - 0.25
    assert set(found["untrained"]["parent"]) == {
        "nmi", "ami", "accuracy", "nmi_kmeans", "ami_kmeans", "accuracy_kmeans",
    }  # fmt: skip


@pytest.mark.parametrize("tied", [True, False])
def test_parent_code_is_tied_or_free(tied):
    config = DiscoveryConfig(n_images=100, image_size=16, tied_parent=tied)
    _, child, parent = generate_labelled_images(bars, HIERARCHY, 2, config)
    assert (HIERARCHY.parent_of[child] == parent).all() == tied


@pytest.mark.parametrize("tied", [True, False])
def test_background_code_is_tied_or_free(tied):
    """The pictures show b alone, as their colour."""

    def paint(codes):
        image = codes.b_index.float()[:, None, None, None].expand(-1, 3, 16, 16)
        return SimpleNamespace(child=SimpleNamespace(image=image))

    config = DiscoveryConfig(n_images=200, image_size=16, tied_background=tied)
    images, child, _ = generate_labelled_images(paint, HIERARCHY, 2, config)
    assert ((images[:, 0, 0, 0] - child).abs() < 1e-4).all() == tied


def test_seed_decides_the_generated_images():
    first, second, other = (
        generate_labelled_images(bars, HIERARCHY, 2, SMALL, seed=seed)[1] for seed in (3, 3, 4)
    )
    assert first.equal(second)
    assert not first.equal(other)


def test_shift_and_flip_moves_whole_images():
    torch.manual_seed(0)
    images = torch.zeros(200, 1, 8, 8)
    images[:, :, 3, 2] = 1
    moved = shift_and_flip(images, most=1)
    assert moved.sum((1, 2, 3)).eq(1).all()
    places = {(int(y), int(x)) for _, _, y, x in moved.nonzero()}
    # rows 2 to 4; columns 1 to 3, mirrored 4 to 6
    assert places == {(y, x) for y in (2, 3, 4) for x in (1, 2, 3, 4, 5, 6)}


def test_augmentation_stays_in_range_and_differs_per_image():
    torch.manual_seed(0)
    images = perturb(torch.zeros(8, 3, 16, 16))
    assert images.shape == (8, 3, 16, 16)
    assert images.abs().max() <= 1
    assert np.unique(images.mean((1, 2, 3)).numpy().round(4)).size == 8


def test_shrink_averages():
    checkerboard = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(8, 8).expand(1, 3, 16, 16)
    assert shrink(checkerboard, 8)[..., 2:-2, 2:-2].sub(0.5).abs().max() < 0.1
    assert shrink(checkerboard, 16) is checkerboard


def test_classifiers_trained_together_are_what_they_are_alone():
    images = torch.rand(60, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    answers = [torch.arange(60) % 4, torch.arange(60) // 15]
    config = DiscoveryConfig(epochs=2, batch_size=20, width=4)
    together = train_code_classifiers(images, answers, 4, config, seed=3)
    for codes, found in zip(answers, together, strict=True):
        alone = train_code_classifier(images, codes, 4, config, seed=3)
        for name, value in alone.state_dict().items():
            assert torch.equal(value, found.state_dict()[name]), name
    assert not torch.equal(*(found.head.weight for found in together))
    plain = plain_training(images, answers[1], 4, config, seed=3)
    torch.testing.assert_close(plain(images), together[1](images), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda *data: train_code_classifiers(data[0], [data[1]], *data[2:], seed=3),
        lambda *data: untrained_classifier(data[0], *data[2:], seed=3),
        lambda *data: plain_training(*data, seed=3),
    ],
    ids=["trained", "untrained", "plain"],
)
def test_a_classifier_leaves_the_callers_random_numbers_alone(make):
    images = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    config = DiscoveryConfig(epochs=1, batch_size=10, width=4)
    before = torch.get_rng_state()
    make(images, torch.arange(20) % 4, 4, config)
    assert torch.get_rng_state().equal(before)
