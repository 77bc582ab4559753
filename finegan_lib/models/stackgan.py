"""StackGAN-v2, unconditional (Zhang et al., 2018, arXiv 1710.10916): one image at several scales.

::

    z ──► stem ──► features at S/2 ──► image at S/2 ──► D at S/2
                        │
                        └─► stage (z), ×2 ──► features at S ──► image at S ──► D at S

Each stage joins the noise to the features once more and doubles the side. Every scale has its own
discriminator, and a loss keeps the colours of consecutive scales equal
(:func:`finegan_lib.losses.colour_consistency_loss`). The authors' three branches end at 64, 128 and
256 pixels. At 128 pixels, two branches remain. Their layers are the authors', except for one more
convolution at the end of the smaller discriminator's trunk.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.errors import InputError
from ..base.options import option, require_at_least
from ..data.example import SIZES, validate_image_size
from .blocks import UpBlock, conv3x3, initialise
from .finegan import CodeStage, Stem


@dataclass(frozen=True)
class StackGANConfig:
    """Sizes of a StackGAN-v2. The defaults are the authors', up to 128 pixels."""

    image_size: int = option(128, f"{SIZES} of the finest scale")
    scales: int = option(2, "scales; each is twice as fine as the one before")
    z_dim: int = option(100, "length of the noise z")
    g_dim: int = option(64, "generator width: channels at the coarsest scale")
    d_dim: int = option(64, "discriminator width: channels after the first convolution")
    residual_blocks: int = option(2, "residual blocks in each stage")
    min_head_channels: int = option(0, "lower bound on the channels that the image heads read")
    norm: str = option(
        "batch", "normalisation of the discriminators", choices=("batch", "spectral")
    )

    def __post_init__(self):
        validate_image_size(self.image_size)
        if not 1 <= self.scales < 10 or self.sizes[0] < 8:  # computed without a list of all scales
            raise InputError(
                "scales must be at least 1, and the coarsest image 8 pixels or more",
                seen=f"scales={self.scales} at image_size={self.image_size}",
                cure="Lower scales, or raise image_size.",
            )
        narrowest = 1 if self.min_head_channels else 2 ** (self.scales - 1)  # halved per scale
        require_at_least(self, z_dim=1, g_dim=narrowest, d_dim=1)
        require_at_least(self, residual_blocks=0, min_head_channels=0)

    @property
    def sizes(self) -> list[int]:
        """The side of every scale's image, in pixels, from coarse to fine."""
        return [self.image_size // 2**i for i in reversed(range(self.scales))]


class UpStage(CodeStage):
    """A code stage that doubles the side: (N, K), (N, C, H, W) → (N, out, 2H, 2W)."""

    def __init__(self, code_dim: int, channels: int, out_channels: int, residual_blocks: int):
        super().__init__(code_dim, channels, out_channels, residual_blocks)
        self.out = UpBlock(channels, out_channels)


class StackGANGenerator(nn.Module):
    """Noise to a pyramid of images: z (N, z_dim) → [(N, 3, s, s) in [-1, 1] for s in sizes]."""

    def __init__(self, config: StackGANConfig):
        super().__init__()
        self.config = config
        widths = [config.g_dim]
        for _ in config.sizes[1:]:
            widths.append(max(widths[-1] // 2, config.min_head_channels))
        self.stem = Stem(0, config.z_dim, config.sizes[0], config.g_dim)
        self.stages = nn.ModuleList(
            UpStage(config.z_dim, wide, narrow, config.residual_blocks)
            for wide, narrow in pairwise(widths)
        )
        self.images = nn.ModuleList(conv3x3(width, 3) for width in widths)
        initialise(self)

    def forward(self, z: Tensor) -> list[Tensor]:
        """The images from coarse to fine; the last one is the result."""
        features = self.stem(z[:, :0], z)
        pyramid = [torch.tanh(self.images[0](features))]
        for stage, image in zip(self.stages, self.images[1:], strict=True):
            features = stage(z, features)
            pyramid.append(torch.tanh(image(features)))
        return pyramid

    def sample_codes(self, n: int, rng: torch.Generator) -> tuple[Tensor]:
        """Random input of :meth:`forward`, on the CPU: z (n, z_dim)."""
        return (torch.randn(n, self.config.z_dim, generator=rng),)


def image_pyramid(images: Tensor, sizes: list[int]) -> list[Tensor]:
    """One batch (N, 3, S, S) averaged down to every size: the real images of each scale."""
    return [F.adaptive_avg_pool2d(images, size) for size in sizes]
