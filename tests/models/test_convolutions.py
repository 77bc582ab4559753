"""Convolutions in other forms: each against torch's."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from finegan_lib.models import convolutions
from finegan_lib.models.convolutions import Conv2d, conv_in_groups, lay_innermost

# Channels in and out: few out, few in, few of both, and many of both, which are left to torch.
FEW = [(8, 4), (16, 8), (8, 16), (5, 3), (20, 7), (8, 8)]
MANY = [(16, 9), (8, 17), (16, 16)]


def both(channels, out, **options):
    """One layer in our form and in torch's."""
    torch.manual_seed(0)
    layers = [kind(channels, out, 3, **options).double() for kind in (Conv2d, nn.Conv2d)]
    layers[1].load_state_dict(layers[0].state_dict())
    return layers


@pytest.mark.parametrize("width", [4, 5, 6, 8])
@pytest.mark.parametrize(("channels", "out"), FEW + MANY)
def test_a_convolution_of_few_channels_is_torchs(channels, out, width, monkeypatch):
    """Values and every gradient, whether two, four or no neighbours are put together."""
    monkeypatch.setattr(convolutions, "WORTHWHILE", 1)
    x = torch.randn(2, channels, 6, width, dtype=torch.float64)
    layers = both(channels, out, padding=1, bias=False)
    given = x.clone().requires_grad_()
    assert convolutions.few_channels(given, layers[0].weight) == ((channels, out) in FEW)
    results = []
    for layer in layers:
        given = x.clone().requires_grad_()
        output = layer(given)
        output.square().sum().backward()
        assert output.is_contiguous() and given.grad.is_contiguous()
        results.append((output, given.grad, layer.weight.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
    with torch.no_grad():
        torch.testing.assert_close(layers[0](x), layers[1](x))


def test_a_single_channel_can_be_changed_in_place():
    """As the critic of StackGAN's third scale does with d_dim=1."""
    layers, slopes = both(4, 1, padding=1, bias=False), []
    for layer in layers:
        x = torch.linspace(-1, 1, 64, dtype=torch.float64).view(1, 4, 4, 4).requires_grad_()
        F.leaky_relu(layer(x), 0.2, inplace=True).sum().backward()
        slopes.append(x.grad)
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("options", [{"bias": True, "padding": 1}, {"stride": 2}, {"padding": 0}])
def test_other_convolutions_are_left_to_torch(options):
    ours, theirs = both(8, 4, **options)
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x), atol=0, rtol=0)


def test_sixteen_channels_from_few_only_where_it_pays():
    """In training, and in large batches of pixels."""
    weight = torch.zeros(16, 8, 3, 3)
    large, small = torch.empty(16, 8, 64, 64), torch.empty(16, 8, 32, 32)
    assert not convolutions.few_channels(large, weight)  # no gradient is asked for
    assert convolutions.few_channels(large.requires_grad_(), weight)
    assert not convolutions.few_channels(small.requires_grad_(), weight)
    with torch.no_grad():
        assert not convolutions.few_channels(large, weight)


@pytest.mark.parametrize("frozen", ["weight", "input"])
def test_no_gradient_that_nobody_asked_for(frozen):
    layer, _ = both(8, 4, padding=1, bias=False)
    x = torch.randn(1, 8, 5, 8, dtype=torch.float64, requires_grad=frozen == "weight")
    layer.requires_grad_(frozen == "input")
    layer(x).sum().backward()
    asked, other = (x, layer.weight) if frozen == "weight" else (layer.weight, x)
    assert other.grad is None
    (expected,) = torch.autograd.grad(F.conv2d(x, layer.weight, padding=1).sum(), asked)
    torch.testing.assert_close(asked.grad, expected)


def test_groups_of_a_row_by_hand():
    """A kernel that looks one pixel to the right: four neighbours at once see theirs, not zero."""
    x = torch.arange(1.0, 9.0).view(1, 1, 1, 8)
    right = torch.zeros(1, 1, 3, 3)
    right[0, 0, 1, 2] = 1
    assert conv_in_groups(x, right).flatten().tolist() == [2, 3, 4, 5, 6, 7, 8, 0]


@pytest.mark.parametrize("channels", [3, 8, 16, 18])
def test_laid_innermost(channels):
    x = torch.randn(2, channels, 3, 5)
    laid = lay_innermost(x)
    assert laid.is_contiguous(memory_format=torch.channels_last) and torch.equal(laid, x)
    assert lay_innermost(laid).data_ptr() == laid.data_ptr()
