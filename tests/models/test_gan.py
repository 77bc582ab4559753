"""The small GAN."""

import pytest
import torch

from finegan_lib.base.errors import InputError
from finegan_lib.models import GANConfig, GANDiscriminator, GANGenerator


@pytest.mark.parametrize("image_size", [32, 64, 128])
@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_shapes_and_range(image_size, norm):
    torch.manual_seed(0)
    config = GANConfig(image_size=image_size, z_dim=5, g_dim=4, d_dim=4, norm=norm)
    images = GANGenerator(config)(torch.randn(2, 5))
    assert images.shape == (2, 3, image_size, image_size)
    assert images.abs().max() <= 1
    assert GANDiscriminator(config)(images).shape == (2,)


def test_noise_changes_the_image():
    torch.manual_seed(0)
    generator = GANGenerator(GANConfig(image_size=32, z_dim=5, g_dim=4)).eval()
    first, second = generator(torch.randn(2, 5))
    assert not torch.allclose(first, second)


def test_image_size_is_checked():
    with pytest.raises(InputError, match="got 28"):
        GANConfig(image_size=28)
