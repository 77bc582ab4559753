"""Simple-GAN and the InfoGAN baseline: FineGAN's bricks in one stage."""

import pytest
import torch

from finegan_lib.base.errors import InputError
from finegan_lib.models import (
    FineGANConfig,
    FineGANGenerator,
    InfoGANBaselineConfig,
    InfoGANBaselineGenerator,
    SimpleGANConfig,
    SimpleGANGenerator,
)

TINY = {"image_size": 32, "z_dim": 5, "g_dim": 4, "d_dim": 4, "residual_blocks": 1}


def random(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("image_size", [32, 64, 128])
def test_images_of_every_size(image_size):
    torch.manual_seed(0)
    sizes = TINY | {"image_size": image_size}
    for generator in (
        SimpleGANGenerator(SimpleGANConfig(**sizes)),
        InfoGANBaselineGenerator(InfoGANBaselineConfig(**sizes, n_children=3)),
    ):
        images = generator(*generator.sample_codes(2, random()))
        assert images.shape == (2, 3, image_size, image_size)
        assert images.abs().max() <= 1


def test_other_sizes_are_refused():
    with pytest.raises(InputError, match=r"got 100\. The nearest size is 96"):
        SimpleGANConfig(image_size=100)


def test_the_bricks_are_finegans():
    """Stem and stages of the same width have the same weights, but for the code's length."""
    finegan = FineGANGenerator(FineGANConfig(**TINY, n_parents=3, n_children=3))
    baseline = InfoGANBaselineGenerator(InfoGANBaselineConfig(**TINY, n_children=3))
    pairs = (
        (finegan.foreground_stem, baseline.stem, 0),
        (finegan.parent_stage, baseline.first_stage, 5),  # z joins the code: 5 more channels
        (finegan.child_stage, baseline.second_stage, 5),
        (finegan.child_image, baseline.image, 0),
    )
    for theirs, ours, more in pairs:
        theirs, ours = theirs.state_dict(), ours.state_dict()
        assert theirs.keys() == ours.keys()
        for name in theirs:
            longer = [more if name == "join.conv.weight" and i == 1 else 0 for i in range(4)]
            expected = [n + extra for n, extra in zip(theirs[name].shape, longer, strict=False)]
            assert list(ours[name].shape) == expected


def test_noise_and_code_reach_the_image_at_every_stage():
    torch.manual_seed(0)
    generator = InfoGANBaselineGenerator(InfoGANBaselineConfig(**TINY, n_children=3)).eval()
    z, c = (code.requires_grad_() for code in generator.sample_codes(1, random()))
    generator(z, c).sum().backward()
    assert (z.grad != 0).all() and (c.grad != 0).all()
    # With the stem's output held fixed the stages alone still carry both.
    features = generator.stem(c, z).detach()
    for stage in (generator.first_stage, generator.second_stage):
        z.grad = c.grad = None
        features = stage(torch.cat([c, z], 1), features)
        features.sum().backward()
        features = features.detach()
        assert (z.grad != 0).all() and (c.grad != 0).all()


def test_codes_are_one_hot_and_uniform():
    generator = InfoGANBaselineGenerator(InfoGANBaselineConfig(**TINY, n_children=4))
    z, c = generator.sample_codes(4000, random())
    assert z.shape == (4000, 5) and z.std().item() == pytest.approx(1, abs=0.05)
    assert (c.sum(1) == 1).all() and set(c.unique().tolist()) == {0, 1}
    assert torch.allclose(c.mean(0), torch.full((4,), 0.25), atol=0.03)
    (alone,) = SimpleGANGenerator(SimpleGANConfig(**TINY)).sample_codes(2, random())
    assert alone.shape == (2, 5)
