"""Convolutions in the forms that are fastest on a CPU: other sums, the same numbers.

torch uses oneDNN on a CPU. It fills the processor's registers with the output channels of a pixel,
16 at a time, and it reads maps fastest whose channels are innermost in memory. Wide layers already
run at the machine's limit. This module changes layers with few channels, and layers that read
enlarged maps, into forms that fill the registers or need fewer operations.
"""

import contextlib
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_plain = False  # see differentiable_twice


@contextlib.contextmanager
def differentiable_twice():
    """A context in which all layers use torch's plain forms, which can be differentiated twice.

    A penalty on a gradient (:func:`finegan_lib.losses.gradient_penalty`) needs this. The fast forms
    here and in :mod:`.blocks` can be differentiated only once.
    """
    global _plain
    before, _plain = _plain, True
    try:
        yield
    finally:
        _plain = before


def plain_forms() -> bool:
    """Whether :func:`differentiable_twice` is in force."""
    return _plain


class Conv2d(nn.Conv2d):
    """torch's Conv2d, computed by :func:`convolve`."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) → (N, out, H', W'), equal to torch's up to rounding."""
        return convolve(x, self.weight, self.bias, self.stride, self.padding)


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
) -> Tensor:
    """``conv2d``, in the form that is fastest for its sizes on a CPU."""
    recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]  # these choose the form
    here = x.device.type == "cpu" and bias is None and not (recorded or _plain)
    if here and not torch.is_autocast_enabled("cpu"):
        kernel, stride, padding = tuple(weight.shape[2:]), tuple(stride), tuple(padding)
        if (kernel, stride, padding) == ((3, 3), (1, 1), (1, 1)) and few_channels(x, weight):
            return _ConvolveFew.apply(x, weight)
    return F.conv2d(x, weight, bias, stride, padding)


# ------------------------------------------------------------------------------- few channels

FEW = 8  # channels: half a register or less
WORTHWHILE = 2**15  # pixels in a batch; with fewer, a layer from few to 16 channels gains nothing


def few_channels(x: Tensor, weight: Tensor) -> bool:
    """Whether :class:`_ConvolveFew` is faster: in the forward pass if few channels come out, in the
    backward pass also if few come in, because the input's gradient then has few channels."""
    out_channels, in_channels = weight.shape[:2]
    if out_channels <= FEW:
        return True
    pixels = x.numel() // x.shape[1]
    trained = torch.is_grad_enabled() and x.requires_grad
    return trained and in_channels <= FEW and out_channels <= 2 * FEW and pixels >= WORTHWHILE


def lay_innermost(x: Tensor) -> Tensor:
    """The same map with the channels innermost in memory (torch's channels_last)."""
    if x.shape[1] <= FEW or x.is_contiguous(memory_format=torch.channels_last):
        return x.contiguous(memory_format=torch.channels_last)
    out = torch.empty_like(x, memory_format=torch.channels_last)
    for some, same in zip(out.split(4, 1), x.split(4, 1), strict=True):  # thrice as quick as all
        some.copy_(same)
    return out


def _shifts(n: int) -> Tensor:
    """(3, n·(n + 2)): a kernel's row of three at n places, in as many rows of n + 2."""
    return torch.stack([F.pad(torch.eye(3), (i, n - 1 - i)) for i in range(n)], 1).flatten(1)


SHIFTS = {n: _shifts(n) for n in (2, 4)}


def conv_in_groups(x: Tensor, weight: Tensor) -> Tensor:
    """3×3 convolution, padding 1, of maps with the channels innermost: n pixels of a row at once.

    Few output channels leave most of a register empty. Two or four neighbours in a row are
    therefore computed as one pixel with two or four times as many channels: a convolution with
    stride n, whose kernel has n + 2 columns and contains the original kernel at n places. Only
    three of these columns are not zero, but the convolution is still faster. In memory, one pixel
    of n·out channels is the same as n pixels of out channels, so nothing is moved.

    Args:
        x: (N, in, H, W).
        weight: (out, in, 3, 3).

    Returns:
        (N, out, H, W), the channels innermost again.
    """
    (rows, _, height, width), out = x.shape, len(weight)
    n = 4 if out <= FEW // 2 and width % 4 == 0 else 2
    if out > FEW or width % n:
        return F.conv2d(x, weight, padding=1).contiguous(memory_format=torch.channels_last)
    kernels = (weight.reshape(-1, 3) @ SHIFTS[n].to(weight)).view(out, -1, 3, n, n + 2)
    kernels = kernels.permute(3, 0, 1, 2, 4).reshape(n * out, -1, 3, n + 2)
    groups = F.conv2d(x, kernels, stride=(1, n), padding=1)  # (N, n·out, H, W/n)
    groups = groups.contiguous(memory_format=torch.channels_last)
    return groups.permute(0, 2, 3, 1).reshape(rows, height, width, out).permute(0, 3, 1, 2)


class _ConvolveFew(torch.autograd.Function):
    """3×3, padding 1, with few input or output channels. Input and output have torch's layout."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        if len(weight) > FEW:
            return F.conv2d(x, weight, padding=1)
        # A copy even where nothing moves: a view could not be changed in place afterwards.
        out = conv_in_groups(lay_innermost(x), weight)
        return out.clone(memory_format=torch.contiguous_format)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        x, weight = ctx.saved_tensors
        by_x = by_weight = None
        laid = lay_innermost(upstream)
        if ctx.needs_input_grad[0]:
            # The transposed convolution is a convolution with the kernel rotated by 180°.
            by_x = conv_in_groups(laid, weight.transpose(0, 1).flip(2, 3)).contiguous()
        if ctx.needs_input_grad[1]:
            if max(weight.shape[:2]) > FEW:
                upstream, x = laid, lay_innermost(x)
            by_weight = _gradient_by_weight(upstream, x, weight, [1, 1], [1, 1])
        return by_x, by_weight


def _gradient_by_weight(
    upstream: Tensor, x: Tensor, weight: Tensor, stride: Any, padding: Any
) -> Tensor:
    plain = [1, 1], False, [0, 0], 1  # dilation, transposed, output padding, groups
    wanted = [False, True, False]
    _, gradient, _ = torch.ops.aten.convolution_backward(
        upstream, x, weight, None, stride, padding, *plain, wanted
    )
    return gradient.contiguous()


# ------------------------------------------------------------------------------- enlarged maps


# Which rows of a 3×3 kernel fall on the same small pixel after nearest ×2: the even output row 2i
# sees the small rows i − 1, i, i (kernel row 0; rows 1 and 2 added), the odd one i, i, i + 1. Then
# the same for rows and columns together: (9 kernel pixels, 4 phases × 4 small pixels).
_ROWS = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])  # phase, small, kernel row
PHASES = torch.einsum("ayr,bxs->rsabyx", _ROWS, _ROWS).reshape(9, 16)


def up_conv(x: Tensor, weight: Tensor) -> Tensor:
    """Nearest ×2 and then a 3×3 convolution, padding 1, computed on the small map.

    A window of the enlarged map covers nine pixels, but only four of them differ; the others are
    copies. Which ones they are depends on whether the output's row and column are even or odd.
    These are four cases ("phases"). Four 2×2 kernels on the small map give the whole output with 16
    multiplications where the plain form needs 36. They are computed as one convolution with 4·out
    channels. Its output is then interleaved: row 2i + dy is row i + dy of the phase dy; the same
    holds for columns.

    Args:
        x: (N, in, H, W).
        weight: (out, in, 3, 3).

    Returns:
        (N, out, 2H, 2W), equal to ``conv2d(interpolate(x, scale_factor=2), weight, padding=1)``.
    """
    (n, _, height, width), (out, channels) = x.shape, weight.shape[:2]
    kernels = (weight.reshape(-1, 9) @ PHASES.to(weight)).view(out, channels, 4, 2, 2)
    kernels = kernels.permute(2, 0, 1, 3, 4).reshape(4 * out, channels, 2, 2)
    phases = F.conv2d(x, kernels, padding=1)  # (N, 4·out, H + 1, W + 1)
    per_image, per_channel, per_row, per_column = phases.stride()
    dy, dx = 2 * out * per_channel + per_row, out * per_channel + per_column
    interleaved = phases.as_strided(
        (n, out, height, 2, width, 2), (per_image, per_channel, per_row, dy, per_column, dx)
    )
    return interleaved.reshape(n, out, 2 * height, 2 * width)


# ------------------------------------------------------------------------------- others


def innermost(x: Tensor) -> Tensor:
    """On a CPU: maps with the channels innermost in memory; their gradients have torch's layout.

    Convolutions of stride 2 are faster in this layout if there is no BatchNorm between them.
    """
    return _laid(x, torch.channels_last, torch.contiguous_format)


def outermost(x: Tensor) -> Tensor:
    """The reverse of :func:`innermost`."""
    return _laid(x, torch.contiguous_format, torch.channels_last)


def _laid(x: Tensor, there: torch.memory_format, back: torch.memory_format) -> Tensor:
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return x
    return _Lay.apply(x, there, back)


class _Lay(torch.autograd.Function):
    """One layout in memory for maps, another for their gradients."""

    @staticmethod
    def forward(ctx, x, there, back):
        ctx.back = back
        return x.contiguous(memory_format=there)

    @staticmethod
    def backward(ctx, upstream):
        return upstream.contiguous(memory_format=ctx.back), None, None


def conv_together(features: Tensor, *convs: nn.Conv2d) -> Tensor:
    """Several convolutions of one shape on the same features, as one; outputs are concatenated.

    A head with one to three channels costs a CPU as much as one with eight.
    """
    weight = torch.cat([conv.weight for conv in convs])
    biases = [conv.bias for conv in convs if conv.bias is not None]
    bias = torch.cat(biases) if biases else None
    return convolve(features, weight, bias, convs[0].stride, convs[0].padding)
