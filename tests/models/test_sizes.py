"""Sizes other than 32, 64 and 128: every family builds, trains and samples at them."""

import dataclasses

import pytest
import torch

from finegan_lib.__main__ import main
from finegan_lib.base.errors import InputError
from finegan_lib.bench.doctor import random_batch
from finegan_lib.data import ToyBirds
from finegan_lib.data.example import (
    BACKGROUND_LAYERS,
    IMAGE_SIZES,
    PatchGeometry,
    background_layers,
    background_size,
    validate_image_size,
)
from finegan_lib.models import FineGANConfig
from finegan_lib.models.blocks import Encoder, smallest_map
from finegan_lib.models.finegan import BackgroundDiscriminator, FineGANGenerator
from finegan_lib.training import build_system
from finegan_lib.training.presets import PRESETS

FAMILIES = ("toy", "gan", "infogan", "simple_gan", "infogan_baseline", "lr_gan", "stackgan")


def small(preset, image_size):
    """A preset's run at another size and with as few weights as possible."""
    config = PRESETS[preset]
    model = dataclasses.replace(config.model, image_size=image_size, g_dim=4, d_dim=2, z_dim=4)
    return dataclasses.replace(config, model=model)


@pytest.mark.parametrize("preset", FAMILIES)
@pytest.mark.parametrize("image_size", [48, 80])
def test_every_family_learns_at_other_sizes(preset, image_size):
    system = build_system(small(preset, image_size))
    batch = random_batch(image_size, 4, "cpu")
    report = system.step(batch, torch.Generator().manual_seed(0))
    assert all(value.isfinite() for value in report.values())
    assert system.picture().shape[0] == 3


@pytest.mark.parametrize(
    ("preset", "bad"),
    [
        *((preset, {name: 0}) for preset in FAMILIES for name in ("z_dim", "g_dim", "d_dim")),
        ("toy", {"residual_blocks": -1}),
        ("simple_gan", {"g_dim": 3, "min_head_channels": 0}),  # the head would read no channel
        ("stackgan", {"g_dim": 3, "min_head_channels": 0, "scales": 3}),
        ("lr_gan", {"g_dim": 1}),
        ("lr_gan", {"largest_shear": -0.1}),
        ("infogan", {"n_categories": 0}),
        ("infogan", {"n_continuous": -1}),
        ("infogan_baseline", {"n_children": 0}),
    ],
)
def test_sizes_that_no_network_can_have_are_refused(preset, bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(InputError, match=f"{name} must be at least .*; got {value}"):
        dataclasses.replace(PRESETS[preset].model, **bad)


@pytest.mark.parametrize("g_dim", [1, 2, 3])
def test_a_finegan_whose_heads_would_read_no_channel_is_refused(g_dim):
    narrow = FineGANConfig(image_size=32, n_parents=2, n_children=4, g_dim=g_dim)
    with pytest.raises(InputError, match=f"g_dim must be at least 4; got {g_dim}"):
        FineGANGenerator(narrow)
    FineGANGenerator(dataclasses.replace(narrow, min_head_channels=1))


@pytest.mark.parametrize("image_size", [96, 192, 256])
def test_finegan_draws_and_judges_larger_pictures(image_size):
    torch.manual_seed(0)
    sizes = {"n_parents": 2, "n_children": 4, "z_dim": 4, "g_dim": 4, "d_dim": 2}
    config = FineGANConfig(image_size=image_size, **sizes)
    generator = FineGANGenerator(config)
    codes = config.hierarchy().sample(2, 4, rng=torch.Generator().manual_seed(0))
    drawn = generator(codes).child.image
    assert drawn.shape == (2, 3, image_size, image_size)
    judge = BackgroundDiscriminator(config)
    for cells in judge(drawn):
        assert cells.shape == (2, judge.geometry.cells, judge.geometry.cells)


def test_one_more_block_up_and_down_at_256():
    paper, double = (FineGANConfig(image_size=size) for size in (128, 256))
    with torch.device("meta"):
        stems = [FineGANGenerator(config).foreground_stem for config in (paper, double)]
        trunks = [Encoder(config.image_size, config.d_dim) for config in (paper, double)]
    assert [len(stem.up) for stem in stems] == [5, 6]
    assert stems[1].widths == [*stems[0].widths, 64]
    assert [trunk.out_channels for trunk in trunks] == [512, 512]
    assert len(trunks[1]) - len(trunks[0]) == 3  # convolution, BatchNorm, LeakyReLU


def test_256_pixels_train_from_the_command_and_sample(tmp_path):
    run, out = str(tmp_path / "run"), str(tmp_path / "out")
    train = ["train", "--preset", "toy", "--image-size", "256", "--steps", "2", "--batch-size", "4"]
    train += ["--n-images", "8", "--g-dim", "2", "--d-dim", "2", "--device", "cpu", "--run", run]
    assert main([*train, "--no-progress"]) == 0
    sample = ["sample", "--checkpoint", run, "--n", "2", "--out", out]
    assert main([*sample, "--no-progress"]) == 0


@pytest.mark.parametrize("image_size", [48, 96])
def test_birds_are_drawn_at_other_sizes(image_size):
    birds = ToyBirds(4, image_size=image_size, n_parents=2, n_children=2, progress=False)
    example = birds[0]
    assert example.child_crop.shape == (3, image_size, image_size)
    assert example.full_image.shape[1] == background_size(image_size)


def test_the_paper_sizes_are_as_they_were():
    for size, layers in BACKGROUND_LAYERS.items():
        assert background_layers(size) == layers
    assert [background_size(size) for size in (32, 64, 128)] == [32, 62, 126]
    assert [smallest_map(size) for size in (8, 32, 64, 128)] == [(4, 1), (4, 3), (4, 4), (4, 5)]


def test_the_rule_of_the_patches():
    """At 256 the layers of 128 with one halving more: 70 pixels, 24 x 24 cells, all of 254."""
    assert background_layers(256) == ((4, 2), *BACKGROUND_LAYERS[128])
    for size in IMAGE_SIZES:
        side = background_size(size)
        field, stride, cells = PatchGeometry.of(background_layers(size), side)
        assert field + stride * (cells - 1) == side and size - stride < side <= size


@pytest.mark.parametrize(("image_size", "near"), [(100, 96), (33, 32), (31, 32), (1000, 512)])
def test_the_nearest_size_is_named(image_size, near):
    with pytest.raises(InputError, match=f"got {image_size}. The nearest size is {near}"):
        validate_image_size(image_size)
