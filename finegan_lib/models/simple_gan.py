"""Simple-GAN and InfoGAN as the FineGAN paper compares with them: one stage, the whole image.

::

    z ──► stem ──► stage (z) ──► stage (z) ──► image            Simple-GAN
    z, c ──► stem ──► stage (z, c) ──► stage (z, c) ──► image   InfoGAN

They are FineGAN's generator without background, parent and masks: its stem, its two code stages and
one image head. No publication describes their layers. Here they use FineGAN's layers, so they
differ from FineGAN only in the stages. (The course's smaller ``gan`` and ``infogan`` end after the
stem.)
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..base.options import option, require_at_least
from ..codes import one_hot
from ..data.example import SIZES, validate_image_size
from .blocks import conv3x3, initialise
from .finegan import CodeStage, Stem
from .inputs import Child


@dataclass(frozen=True)
class SimpleGANConfig:
    """Sizes of a Simple-GAN. The defaults are FineGAN's for CUB."""

    image_size: int = option(128, SIZES)
    z_dim: int = option(100, "length of the noise z")
    g_dim: int = option(64, "generator width: channels at full resolution")
    d_dim: int = option(64, "discriminator width: channels after the first convolution")
    residual_blocks: int = option(2, "residual blocks in each of the two stages")
    min_head_channels: int = option(0, "lower bound on the channels that the image head reads")
    norm: str = option("batch", "normalisation of the discriminator", choices=("batch", "spectral"))

    def __post_init__(self):
        validate_image_size(self.image_size)
        narrowest = 1 if self.min_head_channels else 4  # the stages end with g/2 and g/4 channels
        require_at_least(self, z_dim=1, g_dim=narrowest, d_dim=1)
        require_at_least(self, residual_blocks=0, min_head_channels=0)

    @property
    def code_dim(self) -> int:
        """Length of the code beside the noise: none here."""
        return 0


@dataclass(frozen=True)
class InfoGANBaselineConfig(SimpleGANConfig):
    """Sizes of the paper's InfoGAN baseline: a Simple-GAN's, and its code's."""

    n_children: int = option(200, "child codes, N_c: values of the one code, one-hot")

    def __post_init__(self):
        super().__post_init__()
        require_at_least(self, n_children=1)

    @property
    def code_dim(self) -> int:
        """Length of the one-hot code."""
        return self.n_children


class SimpleGANGenerator(nn.Module):
    """Noise, and a code if there is one, to image: (N, z_dim), (N, code_dim) → (N, 3, S, S).

    Args:
        config: sizes; with an :class:`InfoGANBaselineConfig`, the code is concatenated with the
            noise at each input of the noise.
    """

    def __init__(self, config: SimpleGANConfig):
        super().__init__()
        self.config = config
        first = max(config.g_dim // 2, config.min_head_channels)
        last = max(first // 2, config.min_head_channels)
        blocks, length = config.residual_blocks, config.code_dim + config.z_dim
        self.stem = Stem(config.code_dim, config.z_dim, config.image_size, config.g_dim)
        self.first_stage = CodeStage(length, config.g_dim, first, blocks)
        self.second_stage = CodeStage(length, first, last, blocks)
        self.image = conv3x3(last, 3)
        initialise(self)

    def forward(self, z: Tensor, code: Tensor | None = None) -> Tensor:
        """Images in [-1, 1]."""
        code = z[:, :0] if code is None else code
        both = torch.cat([code, z], 1)
        features = self.second_stage(both, self.first_stage(both, self.stem(code, z)))
        return torch.tanh(self.image(features))

    def sample_codes(self, n: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        """Random input of :meth:`forward`, on the CPU: z (n, z_dim)."""
        return (torch.randn(n, self.config.z_dim, generator=rng),)


class InfoGANBaselineGenerator(SimpleGANGenerator):
    """A Simple-GAN with a one-hot child code: z (N, z_dim), c (N, N_c) → (N, 3, S, S)."""

    config: InfoGANBaselineConfig
    inputs = Child()

    def sample_codes(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random input of :meth:`forward`, on the CPU: z (n, z_dim), c (n, N_c) one-hot."""
        z = torch.randn(n, self.config.z_dim, generator=rng)
        c_index = torch.randint(self.config.n_children, (n,), generator=rng)
        return z, one_hot(c_index, self.config.n_children, "child (c)")
