"""The layers that all generators and discriminators here are made of.

Convolutions are 3×3, padding 1, without bias, and are followed by BatchNorm, unless said otherwise
(paper, supplementary material; the same blocks as in StackGAN-v2).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..base.errors import InputError
from ..data.example import PatchGeometry as PatchGeometry  # imported from here by its users
from ..data.example import validate_image_size as validate_image_size
from .convolutions import Conv2d, convolve, innermost, outermost, plain_forms, up_conv


def conv3x3(in_channels: int, out_channels: int) -> nn.Conv2d:
    """3×3 convolution that keeps the size: (N, in, H, W) → (N, out, H, W)."""
    return Conv2d(in_channels, out_channels, 3, padding=1, bias=False)


class BatchNorm2d(nn.BatchNorm2d):
    """torch's BatchNorm2d. In training on a CPU, mean and variance are computed from two fast sums.

    torch's own kernel needs four fifths of its time for these statistics.
    """

    WORTHWHILE = 2**18  # numbers in a batch; for fewer, Python costs more time than it saves

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) → (N, C, H, W), equal to torch's up to rounding."""
        here = self.training and x.device.type == "cpu" and x.dtype == self.weight.dtype
        quick = here and x.is_contiguous() and x.numel() >= self.WORTHWHILE
        if not quick or plain_forms():
            return super().forward(x)
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        running = self.running_mean, self.running_var, self.momentum
        return _NormaliseBatch.apply(x, self.weight, self.bias, *running, self.eps)


class _NormaliseBatch(torch.autograd.Function):
    """Statistics as E[x] and E[x²] − E[x]²; torch's kernels for all the rest, and backwards."""

    @staticmethod
    def forward(ctx, x, weight, bias, running_mean, running_var, momentum, eps):
        # As few operations as possible: on small maps each one costs as much as the sums.
        n, pixels = x.numel() / x.shape[1], x.flatten(2)
        mean = pixels.mean(2).mean(0)
        mean_square = torch.linalg.vector_norm(pixels, dim=2).square_().sum(0).div_(n)
        variance = mean_square.addcmul_(mean, mean, value=-1).clamp_(min=0)
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(variance * (n / (n - 1)), momentum)
        out = F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
        ctx.save_for_backward(x, weight, mean, variance.add_(eps).rsqrt_())
        ctx.eps = eps
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        x, weight, mean, inverse_sd = ctx.saved_tensors
        gradients = torch.ops.aten.native_batch_norm_backward(
            upstream, x, weight, None, None, mean, inverse_sd, True, ctx.eps, [True] * 3
        )
        return *gradients, None, None, None, None


def glu(x: Tensor) -> Tensor:
    """Gated linear unit, first half × sigmoid(second half): (N, 2C, …) → (N, C, …).

    Dauphin et al. (2017). The gradients of torch's own GLU have the channels outermost, also for
    maps with the channels innermost in memory. There this would slow down all earlier layers.
    """
    innermost = x.ndim == 4 and not x.is_contiguous() and not torch.compiler.is_compiling()
    innermost = innermost and not plain_forms()
    if innermost and x.is_contiguous(memory_format=torch.channels_last):
        return _GateInnermost.apply(x)
    return F.glu(x, 1)


class _GateInnermost(torch.autograd.Function):
    """torch's GLU, with a gradient of the same memory layout as its input."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.glu(x, 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        (x,) = ctx.saved_tensors
        gradient = torch.empty_like(x)
        return torch.ops.aten.glu_backward.grad_input(upstream, x, 1, grad_input=gradient)


class GLU(nn.Module):
    """:func:`glu` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return glu(x)


class Upsample(nn.Upsample):
    """Nearest-neighbour ×2: (N, C, H, W) → (N, C, 2H, 2W).

    Autocast computes all resampling in float32. This one only copies numbers, so it keeps the type.
    """

    def __init__(self):
        super().__init__(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == torch.float32:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


class SameBlock(nn.Sequential):
    """Convolution, BatchNorm, GLU: (N, in, H, W) → (N, out, H, W).

    The gated linear unit halves the channels, so the convolution has twice as many outputs.
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(
            conv3x3(in_channels, 2 * out_channels),
            BatchNorm2d(2 * out_channels),
            GLU(),
        )


class UpBlock(nn.Sequential):
    """Nearest-neighbour ×2, then a :class:`SameBlock`: (N, in, H, W) → (N, out, 2H, 2W)."""

    WORTHWHILE = 256  # pixels in a batch

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(
            Upsample(),
            conv3x3(in_channels, 2 * out_channels),
            BatchNorm2d(2 * out_channels),
            GLU(),
        )

    def plain(self, x: Tensor) -> Tensor:
        """The definition: one layer after the other."""
        return super().forward(x)

    def forward(self, x: Tensor) -> Tensor:
        """Equal to :meth:`plain`. It leaves out the enlarged map where this is faster."""
        # The phases are faster if a batch has enough pixels. With fewer than 16 maps of 4×4, making
        # their weights costs more than they save. On a GPU they are slower: it multiplies fast, and
        # moving data costs it more.
        if x.device.type != "cpu" or x.numel() // x.shape[1] < self.WORTHWHILE:
            return self.plain(x)
        _, conv, norm, gate = self
        weight: Any = conv.weight
        return gate(norm(up_conv(x, weight)))


class ResidualBlock(nn.Module):
    """x + f(x) with two convolutions, the first gated: (N, C, H, W) → (N, C, H, W)."""

    def __init__(self, channels: int):
        super().__init__()
        self.block = nn.Sequential(
            conv3x3(channels, 2 * channels),
            BatchNorm2d(2 * channels),
            GLU(),
            conv3x3(channels, channels),
            BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class CodeConv(nn.Module):
    """3×3 convolution over a code and features, "repeat the code over space, then concatenate".

    Args:
        code_channels: length K of the code.
        channels: channels C of the features.
        out_channels: channels that come out.

    The plain form is :meth:`plain`. A map that repeats one vector everywhere gives the same output
    at every pixel, except at the border, where part of the window is padding. The code is therefore
    multiplied with the kernel once. This gives one number for each of the kernel's nine pixels
    ("taps"). A pixel of the output is the sum of the taps that are inside the map. The numbers are
    the same, with K·9 multiplications per output channel instead of K·9·H·W, and 9·H·W additions
    for any number of codes.
    """

    def __init__(self, code_channels: int, channels: int, out_channels: int):
        super().__init__()
        self.code_channels = code_channels
        self.conv = conv3x3(code_channels + channels, out_channels)

    def plain(self, code: Tensor, features: Tensor) -> Tensor:
        """The definition: code (N, K) and features (N, C, H, W) → (N, out, H, W)."""
        height, width = features.shape[2:]
        code_map = code[:, :, None, None].expand(-1, -1, height, width)
        return self.conv(torch.cat([code_map, features], 1))

    def forward(self, code: Tensor, features: Tensor) -> Tensor:
        """Equal to :meth:`plain`, without the repeated code."""
        code_weight, feature_weight = self.conv.weight.tensor_split([self.code_channels], 1)
        taps = (code @ code_weight.transpose(0, 1).flatten(1)).unflatten(1, (-1, 9))  # (N, out, 9)
        inside = F.unfold(features.new_ones(1, 1, *features.shape[2:]), 3, padding=1)[0]
        out = convolve(features, feature_weight, padding=(1, 1))
        if torch.compiler.is_compiling() or not out.is_contiguous():
            return out + (taps @ inside).view(out.shape)
        return torch.addmm(out.flatten(0, 1).flatten(1), taps.flatten(0, 1), inside).view(out.shape)


class WholeConv(nn.Conv2d):
    """A convolution with a kernel as large as its input, that is, one matrix product.

    (N, in, K, K) → (N, out, 1, 1), with the weights of a ``Conv2d``. A matrix product is faster;
    this matters if there is one output for each of thousands of codes.
    """

    def forward(self, x: Tensor) -> Tensor:
        logits = F.linear(x.flatten(1), self.weight.flatten(1), self.bias)
        return logits[:, :, None, None]


def smallest_map(image_size: int) -> tuple[int, int]:
    """(K, n) with S = K · 2ⁿ and K from 4 to 7: side of the smallest map, number of doublings.

    4 for powers of two, as in the paper; 6 for 48, 96 and 192.

    Raises:
        InputError: for any other side.
    """
    doublings, side = 0, image_size
    while side >= 8 and side % 2 == 0:
        doublings, side = doublings + 1, side // 2
    if not 4 <= side < 8 or not doublings:
        validate_image_size(image_size)
    return side, doublings


class Encoder(nn.Sequential):
    """Stride-2 convolutions down to K×K, the trunk of all image discriminators.

    (N, in_channels, S, S) in [-1, 1] → (N, out_channels, K, K), where K is 4 for powers of two
    (:func:`smallest_map`). Convolution 4×4, stride 2, padding 1, channels d, 2d, 4d, … up to 16d,
    the first without normalisation, LeakyReLU 0.2. From 128 pixels on a last 3×3 convolution brings
    16d back to 8d; smaller images end with one that keeps the width.

    Args:
        image_size: S, see ``data.example.IMAGE_SIZES``; for a pyramid's coarse scales also less.
        width: d.
        norm: "batch" as in the paper, or "spectral": no BatchNorm, every weight divided by its
            largest singular value (Miyato et al., 2018).
    """

    def __init__(self, image_size: int, width: int, norm: str = "batch", in_channels: int = 3):
        side, n_down = smallest_map(image_size)
        widths = [width * 2 ** min(i, 4) for i in range(n_down)]
        self.out_channels = min(8 * width, widths[-1])
        layers = [*_down(in_channels, widths[0], norm, first=True)]
        for narrow, wide in pairwise(widths):
            layers += _down(narrow, wide, norm)
        layers += _normed(conv3x3(widths[-1], self.out_channels), norm)
        super().__init__(*layers)
        self.norm, self.side = norm, side

    def forward(self, x: Tensor, sizes: Sequence[int] | None = None) -> Tensor:
        """The features of images: of one batch, or of several in a row, of these ``sizes``."""
        if self.norm != "batch":
            return outermost(super().forward(innermost(x)))
        if sizes is None:
            return super().forward(x)
        for layer in self:
            apart = isinstance(layer, nn.BatchNorm2d)
            x = torch.cat([layer(part) for part in x.split(sizes)]) if apart else layer(x)
        return x

    def each(self, *batches: Tensor) -> Sequence[Tensor]:
        """The features of every batch, in one pass; a BatchNorm still computes each batch alone.

        One pass is faster, and the spectral norms are computed only once.
        """
        sizes = [len(batch) for batch in batches]
        return self(torch.cat(batches), sizes).split(sizes)


def _down(in_channels: int, out_channels: int, norm: str, first: bool = False) -> list[nn.Module]:
    conv = Conv2d(in_channels, out_channels, 4, stride=2, padding=1, bias=False)
    return _normed(conv, "none" if first and norm == "batch" else norm)


def _normed(conv: nn.Conv2d, norm: str) -> list[nn.Module]:
    activation = nn.LeakyReLU(0.2, inplace=True)
    if norm == "batch":
        return [conv, BatchNorm2d(conv.out_channels), activation]
    if norm == "spectral":
        return [spectral_norm(conv), activation]
    if norm == "none":
        return [conv, activation]
    raise InputError(
        'norm must be "batch", "spectral" or "none"', seen=norm, cure="Choose one of the three."
    )


def initialise(module: nn.Module) -> None:
    """Orthogonal weights for convolutions and linear layers, BatchNorm scale ~ N(1, 0.02), no bias.

    As in the authors' code. The random numbers come from torch's global state: seed it first.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            parametrised = nn.utils.parametrize.is_parametrized(layer, "weight")
            made_of: Any = getattr(layer, "parametrizations", None)
            weight = made_of.weight.original if parametrised else layer.weight
            nn.init.orthogonal_(weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
            nn.init.zeros_(layer.bias)
