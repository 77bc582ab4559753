"""FineGAN: a generator in three stages, three discriminators (paper, section 3, figure 2).

::

    z, b ──► background stage ──────────────────────────────► B
    z, p ──► stem ──► parent stage (p) ──► F_p, M_p ──► P = M_p·F_p + (1 − M_p)·B
                          │ features
                          └──────► child stage (c) ──► F_c, M_c ──► C = M_c·F_c + (1 − M_c)·P

At ``FineGANConfig()``'s sizes the layers, parameter counts and numbers equal the authors'.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.errors import InputError
from ..base.options import option, require_at_least
from ..codes import CodeHierarchy, Codes
from ..data.example import BACKGROUND_LAYERS as BACKGROUND_LAYERS  # imported from here by its users
from ..data.example import (
    SIZES,
    background_layers,
    background_size,
    patch_geometry,
    validate_image_size,
)
from .blocks import (
    BatchNorm2d,
    CodeConv,
    Encoder,
    ResidualBlock,
    SameBlock,
    UpBlock,
    WholeConv,
    conv3x3,
    glu,
    initialise,
    smallest_map,
)
from .convolutions import Conv2d, conv_together, innermost
from .inputs import Tied

VIEW_DIMS = 3  # FineGANConfig.view uses this many numbers of z


@dataclass(frozen=True)
class FineGANConfig:
    """Sizes of a FineGAN. The defaults are the paper's for CUB."""

    image_size: int = option(128, SIZES)
    n_parents: int = option(20, "parent codes, N_p")
    n_children: int = option(200, "child codes, N_c; also the number of background codes")
    children_per_parent: tuple[int, ...] = option(
        (), "number of children of each parent; empty: equal"
    )
    z_dim: int = option(100, "length of the noise z")
    g_dim: int = option(64, "generator width: channels at full resolution")
    d_dim: int = option(64, "discriminator width: channels after the first convolution")
    residual_blocks: int = option(2, "residual blocks in the parent and in the child stage")
    min_head_channels: int = option(
        0, "lower bound on the channels that the image and mask heads read"
    )
    background_gain: float = option(1.0, "factor on b where it meets the noise z (paper: 1)")
    parent_gain: float = option(1.0, "factor on p where it meets the noise z (paper: 1)")
    view: bool = option(
        False, "z's first three numbers mirror and shift the foreground, only that (paper: no)"
    )
    mask_bias: float = option(0.0, "bias added to the mask logits; below 0 masks start small")
    child_norm: str = option(
        "batch", "normalisation of D_c's trunk (paper: batch)", choices=("batch", "spectral")
    )

    def __post_init__(self):
        validate_image_size(self.image_size)
        require_at_least(self, z_dim=1, g_dim=1, d_dim=1, residual_blocks=0, min_head_channels=0)
        if self.view and self.z_dim < VIEW_DIMS:
            raise InputError(
                f"a view takes the first {VIEW_DIMS} numbers of z, so z_dim must be at least that",
                seen=self.z_dim,
                cure="Lengthen z, or leave view out.",
            )
        sizes = self.children_per_parent
        wanted = (self.n_parents, self.n_children)
        if sizes and ((len(sizes), sum(sizes)) != wanted or min(sizes) < 1):
            raise InputError(
                "children_per_parent must have n_parents entries of 1 or more that add up to "
                "n_children",
                seen=f"{len(sizes)} entries, sum {sum(sizes)}, smallest {min(sizes)}, for "
                f"n_parents={self.n_parents}, n_children={self.n_children}",
                cure="Correct the list, or leave it empty for equal shares.",
            )

    def hierarchy(self) -> CodeHierarchy:
        """The child→parent map of these sizes."""
        if self.children_per_parent:
            return CodeHierarchy.of_sizes(self.children_per_parent)
        return CodeHierarchy.equal(self.n_parents, self.n_children)


class Stage(NamedTuple):
    """The output of one stage: images (N, 3, S, S) in [-1, 1], the mask (N, 1, S, S) in [0, 1]."""

    foreground: Tensor
    mask: Tensor
    masked_foreground: Tensor
    image: Tensor


class FineGANOutput(NamedTuple):
    """The three stages. The background stage has a mask of ones and is its own image."""

    background: Stage
    parent: Stage
    child: Stage

    @property
    def image(self) -> Tensor:
        """The finished image C, (N, 3, S, S)."""
        return self.child.image

    @property
    def layers(self) -> dict[str, Stage]:
        """The layers over the background, in order."""
        return {"parent": self.parent, "child": self.child}

    @property
    def behind(self) -> Tensor:
        """The background's image, (N, 3, S, S)."""
        return self.background.image


def stitch(foreground: Tensor, mask: Tensor, behind: Tensor) -> Stage:
    """Put a masked foreground on an image: M·F + (1 − M)·behind (paper, section 3.1)."""
    masked_foreground = mask * foreground
    return Stage(foreground, mask, masked_foreground, masked_foreground + (1 - mask) * behind)


def whole_image(images: Tensor) -> Stage:
    """Images as a stage whose mask leaves nothing out."""
    return Stage(images, torch.ones_like(images[:, :1]), images, images)


def view_grid(z: Tensor, image_size: int) -> Tensor:
    """The source position of each pixel of the foreground: z (N, ≥ 3) → (N, S, S, 2), in [-1, 1].

    The training crops are mirrored and shifted at random (:mod:`finegan_lib.data`). z's first three
    numbers do the same to the generated image, by the same amounts: the image is mirrored if the
    first is below 0, and shifted by whole pixels along x and y, uniformly up to ±6/64 of the side.
    The direction of a bird and its place then do not depend on its kind. The shift has a gradient
    by z, as if it were not rounded.
    """
    mirror = torch.where(z[:, :1] < 0, -1.0, 1.0)
    pixels = (2 * torch.special.ndtr(z[:, 1:VIEW_DIMS]) - 1) * image_size * 6 / 64
    shift = (pixels + (pixels.round() - pixels).detach()) * 2 / image_size
    centres = (2 * torch.arange(image_size, device=z.device) + 1) / image_size - 1
    x, y = mirror * (centres - shift[:, :1]), centres - shift[:, 1:]
    n = image_size
    return torch.stack([x[:, None, :].expand(-1, n, n), y[:, :, None].expand(-1, n, n)], 3)


def fetched(maps: Tensor, view: Tensor) -> Tensor:
    """Maps (N, K, S, S) sampled at a :func:`view_grid` (N, S, S, 2); the border is repeated.

    The grid has whole pixels, so the nearest pixel is exact. A gradient by z needs interpolation.
    """
    mode = "bilinear" if view.requires_grad else "nearest"
    if maps.device.type == "mps":  # torch cannot repeat the border there
        return F.grid_sample(maps, inside(view), mode=mode, align_corners=False)
    return F.grid_sample(maps, view, mode=mode, padding_mode="border", align_corners=False)


def inside(view: Tensor) -> Tensor:
    """A :func:`view_grid` in which places beyond the border become the border's pixels."""
    last = 1 - 1 / view.shape[1]
    return view.clamp(-last, last)


class Stem(nn.Module):
    """From a code and noise to features at full resolution: (N, K), (N, z_dim) → (N, g, S, S).

    A linear layer makes a 4×4 map (:func:`.blocks.smallest_map`); up-blocks double its side and
    halve its channels until g is left (at 128 pixels from 16g at 4×4 to g at 64×64, and g again at
    128×128).
    """

    def __init__(self, code_dim: int, z_dim: int, image_size: int, width: int):
        super().__init__()
        self.side, n_up = smallest_map(image_size)
        self.widths = [width * 2 ** max(min(n_up, 4) - i, 0) for i in range(n_up + 1)]
        numbers = 2 * self.widths[0] * self.side**2
        self.linear = nn.Linear(code_dim + z_dim, numbers, bias=False)
        self.norm = nn.BatchNorm1d(numbers)
        self.up = nn.Sequential(*(UpBlock(a, b) for a, b in pairwise(self.widths)))

    def forward(self, code: Tensor, z: Tensor) -> Tensor:
        x = glu(self.norm(self.linear(torch.cat([code, z], 1))))
        return self.up(x.view(-1, self.widths[0], self.side, self.side))


class CodeStage(nn.Module):
    """Join a code to features and refine: code (N, K), features (N, C, S, S) → (N, out, S, S)."""

    def __init__(self, code_dim: int, channels: int, out_channels: int, residual_blocks: int):
        super().__init__()
        self.join = CodeConv(code_dim, channels, 2 * channels)
        self.join_norm = BatchNorm2d(2 * channels)
        self.residual = nn.Sequential(*(ResidualBlock(channels) for _ in range(residual_blocks)))
        self.out: nn.Module = SameBlock(channels, out_channels)

    def forward(self, code: Tensor, features: Tensor) -> Tensor:
        x = glu(self.join_norm(self.join(code, features)))
        return self.out(self.residual(x))


class FineGANGenerator(nn.Module):
    """The three stages of the FineGAN generator (paper, section 3.1).

    Args:
        config: sizes.

    Raises:
        InputError: if ``g_dim`` is below 4 without ``min_head_channels``.

    Example::

        >>> generator = FineGANGenerator(FineGANConfig(image_size=32, n_parents=5, n_children=20))
        >>> codes = generator.config.hierarchy().sample(4, z_dim=100)
        >>> generator(codes).child.image.shape
        torch.Size([4, 3, 32, 32])
    """

    inputs = Tied()

    def __init__(self, config: FineGANConfig):
        super().__init__()
        # Here and not in the config: a background stage alone may be narrower.
        narrowest = 1 if config.min_head_channels else 4  # the stages end with g/2 and g/4 channels
        require_at_least(config, g_dim=narrowest)
        self.config = config
        g, size, z_dim = config.g_dim, config.image_size, config.z_dim
        parent_width = max(g // 2, config.min_head_channels)
        child_width = max(parent_width // 2, config.min_head_channels)
        blocks = config.residual_blocks

        self.background_stem = Stem(config.n_children, z_dim, size, g)
        self.background_image = conv3x3(g, 3)

        self.foreground_stem = Stem(config.n_parents, z_dim, size, g)
        self.parent_stage = CodeStage(config.n_parents, g, parent_width, blocks)
        self.parent_image = conv3x3(parent_width, 3)
        self.parent_mask = conv3x3(parent_width, 1)

        self.child_stage = CodeStage(config.n_children, parent_width, child_width, blocks)
        self.child_image = conv3x3(child_width, 3)
        self.child_mask = conv3x3(child_width, 1)
        initialise(self)

    def forward(self, codes: Codes) -> FineGANOutput:
        """Generate one image per row of the codes.

        Raises:
            InputError: if a code's length is not the one the generator was built for.
        """
        self._check(codes)
        background = self.generate_background(codes.z, codes.b)
        return FineGANOutput(background, *self.generate_foregrounds(codes, background.image))

    def sample_codes(self, n: int, rng: torch.Generator) -> tuple[Codes]:
        """Random input of :meth:`forward`, on the CPU: n tied codes."""
        return (self.config.hierarchy().sample(n, self.config.z_dim, rng=rng),)

    def generate_foregrounds(self, codes: Codes, behind: Tensor) -> tuple[Stage, Stage]:
        """The parent and child stages alone, on top of images (N, 3, S, S); b is not used."""
        view, z = None, codes.z
        if self.config.view:
            view, z = view_grid(z, self.config.image_size), F.pad(z[:, VIEW_DIMS:], (VIEW_DIMS, 0))
        stem = self.foreground_stem(self.config.parent_gain * codes.p, z)
        parent_features = self.parent_stage(codes.p, stem)
        child_features = self.child_stage(codes.c, parent_features)
        p_heads = conv_together(parent_features, self.parent_image, self.parent_mask)
        c_heads = conv_together(child_features, self.child_image, self.child_mask)
        if view is not None:
            p_heads, c_heads = fetched(torch.cat([p_heads, c_heads], 1), view).chunk(2, 1)
        parent = self._lay(p_heads, behind)
        return parent, self._lay(c_heads, parent.image)

    def generate_background(self, z: Tensor, b: Tensor) -> Stage:
        """The background stage alone: z (N, z_dim), b (N, N_c)."""
        features = self.background_stem(self.config.background_gain * b, z)
        image = torch.tanh(self.background_image(features))
        return Stage(image, torch.ones_like(image[:, :1]), image, image)

    def _lay(self, heads: Tensor, behind: Tensor) -> Stage:
        """The stage of the image and mask heads, (N, 3 + 1, S, S), on top of the image behind."""
        image, mask = heads.split([3, 1], 1)
        return stitch(torch.tanh(image), torch.sigmoid(mask + self.config.mask_bias), behind)

    def _check(self, codes: Codes) -> None:
        config = self.config
        expected = (config.z_dim, config.n_children, config.n_parents, config.n_children)
        for name, code, length in zip(Codes._fields, codes, expected, strict=True):
            if code.shape[1] != length:
                raise InputError(
                    f"code {name} must have shape (N, {length})",
                    seen=tuple(code.shape),
                    cure="Sample the codes from generator.config.hierarchy().",
                )


class BackgroundDiscriminator(nn.Module):
    """D_b: two answers for each patch: is it background (aux)? is it real? (paper, section 3.1).

    No normalisation. :func:`..data.example.background_layers` gives the layers: at 128 pixels it
    reads 126×126 images and answers for 24×24 patches of 34 pixels, 4 apart.
    """

    def __init__(self, config: FineGANConfig):
        super().__init__()
        layers = background_layers(config.image_size)
        self.input_size = background_size(config.image_size)
        self.geometry = patch_geometry(config.image_size)
        trunk: list[nn.Module] = []
        channels = 3
        for i, (kernel, stride) in enumerate(layers[:-1]):
            width = config.d_dim * 2**i
            trunk += [Conv2d(channels, width, kernel, stride, bias=False)]
            trunk += [nn.LeakyReLU(0.2, inplace=True)]
            channels = width
        self.trunk = nn.Sequential(*trunk)
        self.aux = nn.Conv2d(channels, 1, layers[-1][0])
        self.real_fake = nn.Conv2d(channels, 1, layers[-1][0])
        initialise(self)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (aux, real/fake), each (N, cells, cells), of images of any size."""
        features = self.trunk(innermost(self.fit(images)))
        aux, real_fake = conv_together(features, self.aux, self.real_fake).contiguous().unbind(1)
        return aux, real_fake

    def fit(self, images: Tensor) -> Tensor:
        """Images of the generator's size resized, so that the patches tile them exactly.

        Bilinear, corners aligned: (N, 3, S, S) → (N, 3, input_size, input_size).
        """
        if images.shape[-1] == self.input_size:
            return images
        size = (self.input_size, self.input_size)
        return F.interpolate(images, size, mode="bilinear", align_corners=True)


class Side(Protocol):
    """The sizes of any family that a :class:`CodeDiscriminator` needs."""

    @property
    def image_size(self) -> int: ...

    @property
    def d_dim(self) -> int: ...


class CodeDiscriminator(nn.Module):
    """D_p and D_c: a shared trunk, a real/fake head and a code head (paper, section 3.1).

    D_p has a real/fake head, as in the authors' release, but no loss uses it: no real image
    corresponds to a parent image.

    Args:
        config: sizes, of a FineGAN or of another family.
        n_codes: N_p for D_p, N_c for D_c.
        norm: normalisation of the trunk, "batch" or "spectral"; the code head keeps BatchNorm.
    """

    def __init__(self, config: Side, n_codes: int, norm: str = "batch"):
        super().__init__()
        self.trunk = Encoder(config.image_size, config.d_dim, norm)
        channels = self.trunk.out_channels
        self.real_fake = WholeConv(channels, 1, self.trunk.side)
        self.code = nn.Sequential(
            conv3x3(channels, channels),
            BatchNorm2d(channels),
            nn.LeakyReLU(0.2, inplace=True),
            WholeConv(channels, n_codes, self.trunk.side),
        )
        initialise(self)

    def real_fake_logits(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) → (N,) logits, high for real."""
        return self.real_fake(self.trunk(images)).flatten()

    def code_logits(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) → (N, n_codes) logits of Q(code | image)."""
        return self.code(self.trunk(images)).flatten(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Both heads on the same images: real/fake (N,) and code (N, n_codes) logits."""
        features = self.trunk(images)
        return self.real_fake(features).flatten(), self.code(features).flatten(1)


class ContrastiveHead(nn.Module):
    """Child codes as points in the space of the images' features, as in C3-GAN. Not in the paper.

    ``features`` maps D_c's trunk features (N, channels, 4, 4) to h (N, 64); ``centroids`` (N_c, 64)
    holds a point l for every code. Both are used on a sphere: only directions count
    (:func:`finegan_lib.losses.code_contrast_loss`).
    """

    def __init__(self, config: FineGANConfig, channels: int, width: int = 64):
        super().__init__()
        self.features = nn.Sequential(
            conv3x3(channels, channels),
            BatchNorm2d(channels),
            nn.LeakyReLU(0.2, inplace=True),
            WholeConv(channels, width, smallest_map(config.image_size)[0]),
            nn.Flatten(),
        )
        initialise(self)
        self.centroids = nn.Parameter(torch.randn(config.n_children, width))

    def forward(self, trunk_features: Tensor) -> Tensor:
        """(N, 64) features h, of any length."""
        return self.features(trunk_features)


class PoseReader(nn.Module):
    """Q(z|M): reads the first numbers of z back from a mask. Not in the paper.

    Masks (N, 1, S, S) → mean and log-variance, each (N, pose_dims), of a Gaussian.
    """

    def __init__(self, config: FineGANConfig, pose_dims: int):
        super().__init__()
        self.trunk = Encoder(config.image_size, config.d_dim // 2, in_channels=1)
        self.out = WholeConv(self.trunk.out_channels, 2 * pose_dims, self.trunk.side)
        initialise(self)

    def forward(self, masks: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.out(self.trunk(masks)).flatten(1).chunk(2, 1)
        # A bounded variance: without it the Gaussian likelihood can be made arbitrarily large.
        return mean, 3 * torch.tanh(log_variance)


def build_discriminators(
    config: FineGANConfig,
) -> tuple[BackgroundDiscriminator, CodeDiscriminator, CodeDiscriminator]:
    """D_b, D_p and D_c of one configuration."""
    return (
        BackgroundDiscriminator(config),
        CodeDiscriminator(config, config.n_parents),
        CodeDiscriminator(config, config.n_children, config.child_norm),
    )
