"""A small convolutional GAN (Goodfellow et al., 2014; shapes after DCGAN, Radford et al., 2016)."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from ..base.options import option, require_at_least
from ..data.example import SIZES, validate_image_size
from .blocks import Encoder, WholeConv, conv3x3, initialise
from .finegan import Side, Stem


@dataclass(frozen=True)
class GANConfig:
    """Sizes of a GAN."""

    image_size: int = option(64, SIZES)
    z_dim: int = option(100, "length of the noise z")
    g_dim: int = option(32, "generator width: channels at full resolution")
    d_dim: int = option(32, "discriminator width: channels after the first convolution")
    norm: str = option("batch", "normalisation of the discriminator", choices=("batch", "spectral"))

    def __post_init__(self):
        validate_image_size(self.image_size)
        require_at_least(self, z_dim=1, g_dim=1, d_dim=1)


class GANGenerator(nn.Module):
    """Noise to image: z (N, z_dim) → (N, 3, S, S) in [-1, 1].

    The same stem as one FineGAN stage, so that the chapters' pictures can be compared.

    Args:
        config: sizes.
        code_dim: length of a code that is concatenated with the noise (InfoGAN); 0 for none.
    """

    def __init__(self, config: GANConfig, code_dim: int = 0):
        super().__init__()
        self.config = config
        self.stem = Stem(code_dim, config.z_dim, config.image_size, config.g_dim)
        self.image = conv3x3(config.g_dim, 3)
        initialise(self)

    def forward(self, z: Tensor, code: Tensor | None = None) -> Tensor:
        code = z[:, :0] if code is None else code
        return torch.tanh(self.image(self.stem(code, z)))

    def sample_codes(self, n: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        """Random input of :meth:`forward`, on the CPU: z (n, z_dim)."""
        return (torch.randn(n, self.config.z_dim, generator=rng),)


class NormedSide(Side, Protocol):
    """The sizes of any family that a :class:`GANDiscriminator` needs."""

    @property
    def norm(self) -> str: ...


class GANDiscriminator(nn.Module):
    """Image to logit, high for real: (N, 3, S, S) → (N,).

    Args:
        config: sizes; of this or another family, as long as it has ``d_dim`` and ``norm``.
        image_size: S; 0: the config's.
    """

    def __init__(self, config: NormedSide, image_size: int = 0):
        super().__init__()
        self.trunk = Encoder(image_size or config.image_size, config.d_dim, config.norm)
        self.real_fake = WholeConv(self.trunk.out_channels, 1, self.trunk.side)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.real_fake(self.trunk(images)).flatten()
