"""The laboratory of the lesson "From a vector to a picture": convolutional networks for 32 pixels.

The up-block is the library's; the stem and the critic are simpler forms of the library's.
Everything has a seed.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ....data import ToyBirds
from ....models.blocks import UpBlock
from ...engine.probing import look_at, set_weights
from ..shared_lab import as_signed

OWL, OWLS, SKY = 3, range(12, 16), 0  # of ToyBirds: one silhouette, its plumages, one background


# ------------------------------------------------------------------------------------- data


def owls(n: int, seed: int = 0) -> Tensor:
    """(n, 3, 32, 32) in [-1, 1]: birds of one silhouette in four plumages before one background.

    Their poses differ. A network can learn this small set in less than a minute.
    """
    birds = ToyBirds(n, image_size=32, seed=seed, progress=False)
    plumage = np.random.default_rng(seed).choice(list(OWLS), n)
    scene = {"parent": np.full(n, OWL), "child": plumage, "background": np.full(n, SKY)}
    return as_signed(birds.redraw(np.arange(n), **scene)[0])


# ------------------------------------------------------------------------------------- enlarging


def overlaps(kernel: int, stride: int = 2, size: int = 8) -> Tensor:
    """How often a transposed convolution paints every pixel: (side, side), whole numbers.

    A constant map goes through a transposed convolution whose weights are all 1; ``size`` is the
    side of the map.
    """
    return F.conv_transpose2d(
        torch.ones(1, 1, size, size), torch.ones(1, 1, kernel, kernel), stride=stride
    )[0, 0]


# ------------------------------------------------------------------------------------- networks


class Stem(nn.Module):
    """z (N, z_dim) → maps (N, channels, 4, 4): a linear layer, BatchNorm, GLU."""

    def __init__(self, z_dim: int, channels: int):
        super().__init__()
        self.channels = channels
        self.linear = nn.Linear(z_dim, 2 * channels * 4 * 4, bias=False)
        self.norm = nn.BatchNorm1d(2 * channels * 4 * 4)

    def forward(self, z: Tensor) -> Tensor:
        return F.glu(self.norm(self.linear(z)), 1).view(-1, self.channels, 4, 4)


class Critic(nn.Module):
    """Images (N, 3, 32, 32) → logits (N,): strided convolutions, all with spectral norm."""

    def __init__(self, width: int):
        super().__init__()
        layers, channels = [], 3
        for out in (width, 2 * width, 4 * width):
            layers += [spectral_norm(nn.Conv2d(channels, out, 4, 2, 1)), nn.LeakyReLU(0.2)]
            channels = out
        self.layers = nn.Sequential(*layers, spectral_norm(nn.Conv2d(channels, 1, 4)))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).flatten()


# ------------------------------------------------------------------------------------- probes


def _maps(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def look_at_block(block, in_channels: int, out_channels: int):
    """What a class of up-blocks does, for `exercises.Build`; see `probing.look_at`."""
    return look_at(block(in_channels, out_channels), _maps(3, in_channels, 4, 4))


def look_at_stem(stem, z_dim: int, channels: int):
    """What a class of stems does, for `exercises.Build`; see `probing.look_at`."""
    return look_at(stem(z_dim, channels), _maps(5, z_dim))


def look_at_critic(critic, width: int):
    """What a class of critics does, for `exercises.Build`; see `probing.look_at`.

    PyTorch finds the largest singular value step by step, one step with each batch. For this
    reason, a few batches go first.
    """
    critic, images = critic(width), _maps(4, 3, 32, 32)
    if isinstance(critic, nn.Module):
        set_weights(critic).train()
        with torch.no_grad():
            for _ in range(60):
                if critic(images) is ...:
                    return ...
    return look_at(critic, images)


__all__ = ["Critic", "Stem", "UpBlock", "look_at_block", "look_at_critic", "look_at_stem"]
__all__ += ["overlaps", "owls"]
