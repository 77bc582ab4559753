"""InfoGAN (Chen et al., 2016, arXiv 1606.03657): a GAN whose images must show their code."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..base.options import option, require_at_least
from ..codes import one_hot
from .blocks import BatchNorm2d, WholeConv, conv3x3, initialise, smallest_map
from .gan import GANConfig, GANDiscriminator, GANGenerator
from .inputs import Mixed


@dataclass(frozen=True)
class InfoGANConfig(GANConfig):
    """Sizes of an InfoGAN: a GAN's, and those of its codes."""

    n_categories: int = option(10, "values of the categorical code c, one-hot")
    n_continuous: int = option(0, "continuous codes, each uniform on [-1, 1]")

    def __post_init__(self):
        super().__post_init__()
        require_at_least(self, n_categories=1, n_continuous=0)

    @property
    def code_dim(self) -> int:
        """Length of the whole code: the one-hot part, then the continuous one."""
        return self.n_categories + self.n_continuous


class InfoGANGenerator(GANGenerator):
    """Noise and code to image: z (N, z_dim), code (N, code_dim) → (N, 3, S, S) in [-1, 1]."""

    config: InfoGANConfig
    inputs = Mixed()

    def __init__(self, config: InfoGANConfig):
        super().__init__(config, config.code_dim)

    def sample_parts(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """z (n, z_dim), category indices (n,), continuous codes (n, n_continuous) in [-1, 1]."""
        z = torch.randn(n, self.config.z_dim, generator=rng)
        index = torch.randint(self.config.n_categories, (n,), generator=rng)
        continuous = torch.rand(n, self.config.n_continuous, generator=rng) * 2 - 1
        return z, index, continuous

    def sample_codes(self, n: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        """Random input of :meth:`forward`, on the CPU: z (n, z_dim), code (n, code_dim)."""
        z, index, continuous = self.sample_parts(n, rng)
        return z, torch.cat([one_hot(index, self.config.n_categories), continuous], 1)


class InfoGANPosterior(nn.Module):
    """Q(c|x), the head that reads the code back from the discriminator's trunk.

    Features (N, channels, 4, 4) → logits (N, n_categories), mean and log-variance, each
    (N, n_continuous), of a Gaussian over the continuous codes.
    """

    def __init__(self, config: InfoGANConfig, channels: int):
        super().__init__()
        self.n_categories, self.n_continuous = config.n_categories, config.n_continuous
        self.layers = nn.Sequential(
            conv3x3(channels, channels),
            BatchNorm2d(channels),
            nn.LeakyReLU(0.2, inplace=True),
            WholeConv(
                channels,
                self.n_categories + 2 * self.n_continuous,
                smallest_map(config.image_size)[0],
            ),
        )
        initialise(self)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        parts = (self.n_categories, self.n_continuous, self.n_continuous)
        logits, mean, log_variance = self.layers(features).flatten(1).split(parts, 1)
        # A bounded variance: without it the Gaussian likelihood can be made arbitrarily large.
        return logits, mean, 3 * torch.tanh(log_variance)


class InfoGANDiscriminator(GANDiscriminator):
    """The GAN's discriminator with a Q head on its trunk.

    (N, 3, S, S) → real/fake logits (N,), and Q's logits, mean and log-variance.
    """

    def __init__(self, config: InfoGANConfig):
        super().__init__(config)
        self.posterior = InfoGANPosterior(config, self.trunk.out_channels)

    def forward(  # type: ignore[override]  # Q's answers come with the logits
        self, images: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        features = self.trunk(images)
        return self.real_fake(features).flatten(), self.posterior(features)
