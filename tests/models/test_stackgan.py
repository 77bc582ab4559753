"""StackGAN-v2's generator: one image at several scales."""

import pytest
import torch

from finegan_lib.base.errors import InputError
from finegan_lib.models import StackGANConfig, StackGANGenerator
from finegan_lib.models.stackgan import UpStage, image_pyramid

TINY = {"z_dim": 4, "g_dim": 8, "d_dim": 4, "residual_blocks": 1}


@pytest.mark.parametrize(
    ("image_size", "scales", "sizes"),
    [(32, 1, [32]), (32, 2, [16, 32]), (32, 3, [8, 16, 32]), (128, 3, [32, 64, 128])],
)
def test_the_pyramid(image_size, scales, sizes):
    torch.manual_seed(0)
    config = StackGANConfig(image_size=image_size, scales=scales, **TINY)
    assert config.sizes == sizes
    generator = StackGANGenerator(config)
    pyramid = generator(*generator.sample_codes(2, torch.Generator().manual_seed(0)))
    assert [tuple(images.shape) for images in pyramid] == [(2, 3, s, s) for s in sizes]
    assert all(images.abs().max() <= 1 for images in pyramid)


def test_layers_at_the_authors_sizes():
    """1024 channels at 4 pixels, 64 at 64; 32 at 128: the first two branches of the authors'."""
    with torch.device("meta"):
        generator = StackGANGenerator(StackGANConfig())
    assert generator.stem.widths == [1024, 512, 256, 128, 64]
    assert [tuple(head.weight.shape) for head in generator.images] == [(3, 64, 3, 3), (3, 32, 3, 3)]
    (stage,) = generator.stages
    assert stage.join.conv.weight.shape == (128, 164, 3, 3)
    assert len(stage.residual) == 2


def test_channels_have_a_lower_bound():
    generator = StackGANGenerator(
        StackGANConfig(image_size=32, scales=3, min_head_channels=6, **TINY)
    )
    assert [head.in_channels for head in generator.images] == [8, 6, 6]


def test_the_noise_goes_into_every_stage_again():
    torch.manual_seed(0)
    stage = UpStage(4, 8, 2, residual_blocks=1).eval()
    features = torch.randn(2, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    z = torch.zeros(2, 4)
    z[1] = 1.0
    out = stage(z, features[:1].expand(2, -1, -1, -1))
    assert out.shape == (2, 2, 16, 16)
    assert not torch.allclose(out[0], out[1])


def test_finer_images_see_what_coarser_ones_saw():
    """The gradient of the finest image reaches the stem."""
    torch.manual_seed(0)
    generator = StackGANGenerator(StackGANConfig(image_size=32, **TINY))
    pyramid = generator(*generator.sample_codes(2, torch.Generator().manual_seed(0)))
    pyramid[-1].square().sum().backward()
    assert generator.stem.linear.weight.grad.abs().max() > 0
    assert generator.images[0].weight.grad is None  # but not through the coarse image itself


def test_real_images_at_every_scale():
    images = torch.arange(16.0).view(1, 1, 4, 4)
    quarter, half, whole = image_pyramid(images, [1, 2, 4])
    assert quarter.item() == 7.5
    assert half[0, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert whole.equal(images)


def test_impossible_scales_are_refused():
    for sizes in ({"scales": 0}, {"scales": 4, "image_size": 32}, {"scales": 10**30}):
        with pytest.raises(InputError, match=f"scales={sizes['scales']}"):
            StackGANConfig(**sizes)
