"""InfoGAN's networks: a GAN's, with a code in and a posterior out."""

import pytest
import torch

from finegan_lib.models import InfoGANConfig, InfoGANDiscriminator, InfoGANGenerator

SIZES = {"z_dim": 5, "g_dim": 4, "d_dim": 4, "n_categories": 6}


@pytest.mark.parametrize("image_size", [32, 64, 128])
@pytest.mark.parametrize("n_continuous", [0, 2])
def test_shapes(image_size, n_continuous):
    torch.manual_seed(0)
    config = InfoGANConfig(image_size=image_size, n_continuous=n_continuous, **SIZES)
    assert config.code_dim == 6 + n_continuous
    images = InfoGANGenerator(config)(torch.randn(2, 5), torch.randn(2, config.code_dim))
    assert images.shape == (2, 3, image_size, image_size)
    real_fake, (logits, mean, log_variance) = InfoGANDiscriminator(config)(images)
    assert real_fake.shape == (2,)
    assert logits.shape == (2, 6)
    assert mean.shape == log_variance.shape == (2, n_continuous)


def test_code_changes_the_image():
    torch.manual_seed(0)
    config = InfoGANConfig(image_size=32, **SIZES)
    generator = InfoGANGenerator(config).eval()
    first, second = generator(torch.randn(1, 5).expand(2, -1), torch.eye(6)[:2])
    assert not torch.allclose(first, second)


def test_variance_is_bounded():
    """e⁻³ ≤ σ² ≤ e³ whatever the features: a density cannot be driven to infinity."""
    torch.manual_seed(0)
    config = InfoGANConfig(image_size=32, n_continuous=3, **SIZES)
    head = InfoGANDiscriminator(config).posterior
    torch.nn.init.normal_(head.layers[-1].weight, std=100)
    _, _, log_variance = head(torch.randn(4, 16, 4, 4))
    assert log_variance.abs().max() <= 3
    assert log_variance.abs().max() > 2.9


def test_both_heads_read_the_same_trunk():
    torch.manual_seed(0)
    config = InfoGANConfig(image_size=32, n_continuous=1, **SIZES)
    network = InfoGANDiscriminator(config).eval()
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    features = network.trunk(images)
    real_fake, posterior = network(images)
    assert torch.equal(real_fake, network.real_fake(features).flatten())
    for a, b in zip(posterior, network.posterior(features), strict=True):
        assert torch.equal(a, b)
