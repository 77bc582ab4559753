"""LR-GAN (Yang et al., ICLR 2017, arXiv 1703.01560): a background, then objects pasted on it.

::

    z_1 ──► background generator ───────────────────────► x_1
    z_1 … z_t ──► LSTM ──► h_t ─┬─► foreground generator ──► f_t, m_t
                                └─► pose: an affine map θ_t, which warps both into f̂_t, m̂_t
    x_t = m̂_t·f̂_t + (1 − m̂_t)·x_{t−1},   t = 2 … T

The idea is FineGAN's (layers, masks) without its codes, without bounding boxes and without a
discriminator of the background: one discriminator sees x_T. Recurrence, pose and composition are
the authors'. The convolutions are FineGAN's blocks; the authors use transposed convolutions.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.errors import InputError
from ..base.options import option, require_at_least
from ..data.example import SIZES, validate_image_size
from .blocks import conv3x3, initialise
from .finegan import Stage, Stem, stitch


@dataclass(frozen=True)
class LRGANConfig:
    """Sizes of an LR-GAN. The defaults are the authors' for CUB, at FineGAN's image size."""

    image_size: int = option(128, SIZES)
    z_dim: int = option(100, "length of the noise z_t of each layer, and of the LSTM's state")
    layers: int = option(2, "layers T: one background and T - 1 pasted objects")
    g_dim: int = option(
        64, "foreground generator width: channels at full resolution; the background's is half"
    )
    d_dim: int = option(64, "discriminator width: channels after the first convolution")
    smallest_scale: float = option(1.2, "lower end of the pose's scale; above 1 shrinks the object")
    largest_scale: float = option(2.4, "upper end of the pose's scale")
    largest_shear: float = option(0.1, "largest off-diagonal entry of the pose")
    largest_shift: float = option(1.0, "largest shift of the pose, in half sides")
    soft_pose: bool = option(
        False, "keep the pose in range by a smooth squash, not by clamping (paper: clamp)"
    )
    norm: str = option("batch", "normalisation of the discriminator", choices=("batch", "spectral"))

    def __post_init__(self):
        validate_image_size(self.image_size)
        require_at_least(self, z_dim=1, g_dim=2, d_dim=1)  # the background's width is g/2
        require_at_least(self, largest_shear=0, largest_shift=0)
        if self.layers < 2:
            raise InputError(
                "layers must be at least 2",
                seen=self.layers,
                cure="One layer is the background alone; ask for one object or more.",
            )
        if not 0 < self.smallest_scale < self.largest_scale:
            raise InputError(
                "the pose's scales must satisfy 0 < smallest_scale < largest_scale",
                seen=f"smallest_scale={self.smallest_scale}, largest_scale={self.largest_scale}",
                cure="Correct one of the two.",
            )


class PastedObject(NamedTuple):
    """One object: as drawn, its pose, and as pasted.

    ``foreground`` (N, 3, S, S) in [-1, 1] and ``mask`` (N, 1, S, S) in [0, 1] before the warp;
    ``theta`` (N, 2, 3); ``pasted``: both after it, and the image so far.
    """

    foreground: Tensor
    mask: Tensor
    theta: Tensor
    pasted: Stage


class LRGANOutput(NamedTuple):
    """``background`` x_1 (N, 3, S, S), the objects in order, and the finished ``image`` x_T."""

    background: Tensor
    objects: tuple[PastedObject, ...]
    image: Tensor

    @property
    def layers(self) -> dict[str, Stage]:
        """The pasted layers over the background, in order."""
        return {f"object_{t}": drawn.pasted for t, drawn in enumerate(self.objects, start=2)}

    @property
    def behind(self) -> Tensor:
        """The background's image, (N, 3, S, S)."""
        return self.background


def warp(images: Tensor, theta: Tensor) -> Tensor:
    """Images (N, C, S, S) resampled bilinearly by affine maps θ (N, 2, 3), zero outside.

    θ maps a place in the *result*, (x, y, 1) with the corners' pixel centres at ±1
    (``align_corners=True``, as in the authors' grid), to a place in the image; the result gets the
    image's value there. For this reason, a scale above 1 **shrinks** the object, and a positive
    shift moves it to the left and up.
    """
    grid = F.affine_grid(theta, list(images.shape), align_corners=True)
    return F.grid_sample(images, grid, padding_mode="zeros", align_corners=True)


class Pose(nn.Module):
    """Hidden state to affine map: (N, z_dim) → θ (N, 2, 3), rows (s_x, k_x, t_x), (k_y, s_y, t_y).

    It starts as the same θ for every image: the smallest scale, no shear, no shift.

    The authors clamp the pose to its range. A clamp has no gradient beyond its ends. All objects
    start at the smallest scale, and an object at an end may stay there, because the loss has no
    gradient. ``soft_pose`` uses tanh instead: its gradient is small near the ends but never 0. It
    starts a twentieth of the range above the end.
    """

    low: Tensor
    high: Tensor

    def __init__(self, config: LRGANConfig):
        super().__init__()
        scale = (config.smallest_scale, config.largest_scale)
        shear = (-config.largest_shear, config.largest_shear)
        shift = (-config.largest_shift, config.largest_shift)
        low, high = torch.tensor([scale, shear, shift, shear, scale, shift]).T
        self.register_buffer("low", low.clone(), persistent=False)
        self.register_buffer("high", high.clone(), persistent=False)
        self.soft = config.soft_pose
        self.linear = nn.Linear(config.z_dim, 6)
        self.start()

    @torch.no_grad()
    def start(self) -> None:
        """No weight, and the bias that gives the first pose."""
        self.linear.weight.zero_()
        self.linear.bias.zero_()
        smallest = self.low[0]
        for i in (0, 4):
            self.linear.bias[i] = -1.5 if self.soft else smallest

    def forward(self, hidden: Tensor) -> Tensor:
        theta = self.linear(hidden).float()
        if self.soft:
            middle, half = (self.high + self.low) / 2, (self.high - self.low) / 2
            theta = middle + half * torch.tanh(theta)
        else:
            theta = theta.clamp(self.low, self.high)
        return theta.view(-1, 2, 3)


class LRGANGenerator(nn.Module):
    """T noises to an image, layer upon layer.

    Args:
        config: sizes.

    Example::

        >>> generator = LRGANGenerator(LRGANConfig(image_size=32))
        >>> output = generator(*generator.sample_codes(4, torch.Generator()))
        >>> output.objects[0].pasted.mask.shape
        torch.Size([4, 1, 32, 32])
    """

    def __init__(self, config: LRGANConfig):
        super().__init__()
        self.config = config
        size, z_dim = config.image_size, config.z_dim
        self.background_stem = Stem(0, z_dim, size, config.g_dim // 2)
        self.background_image = conv3x3(config.g_dim // 2, 3)
        self.recurrence = nn.LSTMCell(z_dim, z_dim)
        self.foreground_stem = Stem(0, z_dim, size, config.g_dim)
        self.foreground_image = conv3x3(config.g_dim, 3)
        self.foreground_mask = conv3x3(config.g_dim, 1)
        self.pose = Pose(config)
        initialise(self)
        self.pose.start()

    def forward(self, z: Tensor) -> LRGANOutput:
        """z (N, T, z_dim) to the layers and the finished image.

        Raises:
            InputError: if z has another shape.
        """
        expected = (self.config.layers, self.config.z_dim)
        if z.shape[1:] != expected:
            raise InputError(
                f"z must have shape (N, {expected[0]}, {expected[1]})",
                seen=tuple(z.shape),
                cure="Make it with generator.sample_codes.",
            )
        no_code = z[:, 0, :0]
        # The background reads z_1 itself, the objects the state that remembers all z so far.
        image = torch.tanh(self.background_image(self.background_stem(no_code, z[:, 0])))
        background, objects = image, []
        state = self.recurrence(z[:, 0])
        for z_t in z[:, 1:].unbind(1):
            state = self.recurrence(z_t, state)
            features = self.foreground_stem(no_code, state[0])
            foreground = torch.tanh(self.foreground_image(features))
            mask = torch.sigmoid(self.foreground_mask(features))
            theta = self.pose(state[0])
            # In float32 whatever autocast says: bf16 would place pixels to within 1/128 only.
            pasted = stitch(warp(foreground.float(), theta), warp(mask.float(), theta), image)
            image = pasted.image
            objects.append(PastedObject(foreground, mask, theta, pasted))
        return LRGANOutput(background, tuple(objects), image)

    def sample_codes(self, n: int, rng: torch.Generator) -> tuple[Tensor]:
        """Random input of :meth:`forward`, on the CPU: z (n, T, z_dim)."""
        shape = (n, self.config.layers, self.config.z_dim)
        return (torch.randn(shape, generator=rng),)
