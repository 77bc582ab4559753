"""The bricks: each against its definition."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from finegan_lib.base.errors import InputError
from finegan_lib.data.example import background_size
from finegan_lib.models.blocks import (
    GLU,
    BatchNorm2d,
    CodeConv,
    Encoder,
    PatchGeometry,
    ResidualBlock,
    SameBlock,
    UpBlock,
    Upsample,
    WholeConv,
    glu,
    initialise,
    validate_image_size,
)
from finegan_lib.models.convolutions import conv_together, up_conv
from finegan_lib.models.finegan import BackgroundDiscriminator, FineGANConfig


@pytest.mark.parametrize("side", [(2, 2), (3, 3), (4, 4), (4, 7), (16, 16)])
def test_code_convolution_equals_the_plain_form(side):
    """Forward and every gradient; small maps are all border."""
    torch.manual_seed(0)
    layer = CodeConv(5, 3, 4).double()
    code = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    features = torch.randn(2, 3, *side, dtype=torch.float64, requires_grad=True)
    inputs = [code, features, layer.conv.weight]
    plain, quick = layer.plain(code, features), layer(code, features)
    torch.testing.assert_close(quick, plain)
    upstream = torch.randn_like(plain)
    for a, b in zip(
        torch.autograd.grad(quick, inputs, upstream),
        torch.autograd.grad(plain, inputs, upstream),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_code_comes_before_the_features():
    layer = CodeConv(1, 1, 1)
    with torch.no_grad():
        layer.conv.weight.zero_()[0, 0, 1, 1] = 2.0
        layer.conv.weight[0, 1, 1, 1] = -1.0
    code, features = torch.tensor([[3.0]]), torch.arange(16.0).view(1, 1, 4, 4)
    torch.testing.assert_close(layer(code, features), 6 - features)


def results(layer, x, upstream):
    """What a layer returns and leaves behind: output, all gradients, running statistics."""
    x = x.clone().requires_grad_()
    out = layer(x)
    out.backward(upstream)
    gradients = [p.grad for p in layer.parameters()]
    return [out.detach(), x.grad, *gradients, *layer.buffers()]


@pytest.mark.parametrize(("dtype", "precision"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_batch_norm_equals_torchs(dtype, precision):
    """Above and below the size from which the sums pay, with means far from 0."""
    torch.manual_seed(0)
    for shape in ((4, 16, 64, 64), (5, 3, 7, 6)):
        ours, theirs = BatchNorm2d(shape[1]).to(dtype), nn.BatchNorm2d(shape[1]).to(dtype)
        with torch.no_grad():
            ours.weight.normal_(1, 0.3), ours.bias.normal_()
        theirs.load_state_dict(ours.state_dict())
        offset = 3 * torch.randn(shape[1], 1, 1, dtype=dtype)
        x, upstream = torch.randn(2, *shape, dtype=dtype)
        assert (x.numel() >= BatchNorm2d.WORTHWHILE) == (shape[0] == 4)
        got, expected = (results(norm, x + offset, upstream) for norm in (ours, theirs))
        for a, b in zip(got, expected, strict=True):
            torch.testing.assert_close(a, b, atol=precision, rtol=precision)
        with torch.no_grad():
            torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), atol=1e-4, rtol=1e-4)


def test_batch_norm_of_a_constant_channel_is_its_bias():
    x = torch.full((4, 8, 64, 64), 3.0)
    out = BatchNorm2d(8)(x)
    torch.testing.assert_close(out, torch.zeros_like(x), atol=1e-2, rtol=0)
    assert out.isfinite().all()


def test_batch_norm_in_other_formats_is_torchs():
    """bfloat16 and channels-last batches go torch's way."""
    torch.manual_seed(0)
    x = torch.randn(4, 16, 32, 32)
    theirs = nn.BatchNorm2d(16)
    assert torch.equal(
        BatchNorm2d(16)(x.bfloat16()).float(), nn.BatchNorm2d(16)(x.bfloat16()).float()
    )
    last = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(BatchNorm2d(16)(last), theirs(last))


@pytest.mark.parametrize(
    "memory_format", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "last"]
)
def test_the_gates_gradient_lies_in_memory_as_its_input(memory_format):
    torch.manual_seed(0)
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64).contiguous(memory_format=memory_format)
    upstream = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    gradients = []
    for gate in (nn.GLU(dim=1), GLU()):
        given = x.clone().requires_grad_()
        out = gate(given)
        out.backward(upstream)
        gradients.append(given.grad)
        assert out.is_contiguous(memory_format=memory_format)
    torch.testing.assert_close(*gradients)
    inner = []
    made = x.requires_grad_() * 1
    made.register_hook(inner.append)
    GLU()(made).backward(upstream)
    assert inner[0].is_contiguous(memory_format=memory_format)


def test_the_gate_of_a_vector_is_torchs():
    x = torch.randn(3, 8)
    assert torch.equal(glu(x), nn.functional.glu(x, 1))


def test_autocast_leaves_an_enlargement_alone():
    x = torch.randn(1, 2, 3, 3).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert Upsample()(x).dtype == torch.bfloat16
    expected = nn.functional.interpolate(x.float(), scale_factor=2)
    assert torch.equal(Upsample()(x).float(), expected)


def test_a_convolution_as_large_as_its_input():
    torch.manual_seed(0)
    layer, x = WholeConv(6, 5, 4).double(), torch.randn(3, 6, 4, 4, dtype=torch.float64)
    expected = nn.Conv2d.forward(layer, x)
    assert layer(x).shape == expected.shape == (3, 5, 1, 1)
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_an_encoder_takes_several_batches(norm):
    """Each gets the features that it would get alone; BatchNorm must not see two batches as one."""
    torch.manual_seed(0)
    encoder, passes = Encoder(32, 4, norm), []
    encoder.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
    one, other = torch.randn(3, 3, 32, 32), 5 + torch.randn(2, 3, 32, 32)
    alone = Encoder(32, 4, norm)
    alone.load_state_dict(encoder.state_dict())
    features = encoder.each(one, other)
    assert passes == [5]
    with nn.utils.parametrize.cached():
        for got, batch in zip(features, (one, other), strict=True):
            torch.testing.assert_close(got, alone(batch))
    for name, statistic in alone.named_buffers():
        if "running" in name:
            torch.testing.assert_close(encoder.get_buffer(name), statistic)


def test_an_encoder_without_batch_norm_is_its_layers_one_by_one():
    """It lays its maps out anew in between; values and every gradient are those of the layers."""
    torch.manual_seed(0)
    encoder, x = Encoder(32, 4, "spectral").double(), torch.randn(2, 3, 32, 32).double()
    results = []
    with nn.utils.parametrize.cached():
        for forward in (encoder, lambda images: nn.Sequential.forward(encoder, images)):
            images = x.clone().requires_grad_()
            features = forward(images)
            gradients = torch.autograd.grad(
                features.square().sum(), [images, *encoder.parameters()], retain_graph=True
            )
            assert all(t.is_contiguous() for t in (features, gradients[0]))
            results.append((features, *gradients))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_gated_blocks():
    """First half × sigmoid(second half)."""
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, 4)
    for block, resized in ((SameBlock(3, 2), x), (UpBlock(3, 2), F.interpolate(x, scale_factor=2))):
        convolution = next(m for m in block if isinstance(m, nn.Conv2d))
        norm = next(m for m in block if isinstance(m, nn.BatchNorm2d))
        linear = norm(convolution(resized))
        torch.testing.assert_close(block(x), linear[:, :2] * torch.sigmoid(linear[:, 2:]))


@pytest.mark.parametrize("side", [(8, 8), (8, 11), (16, 9)])
def test_up_convolution_equals_the_plain_form(side):
    """Forward, running statistics, and every gradient."""
    torch.manual_seed(0)
    block = UpBlock(3, 4).double()
    x = torch.randn(2, 3, *side, dtype=torch.float64, requires_grad=True)
    other = copy.deepcopy(block)
    plain, quick = other.plain(x), block(x)
    assert quick.shape == (2, 4, 2 * side[0], 2 * side[1])
    torch.testing.assert_close(quick, plain)
    torch.testing.assert_close(block[2].running_var, other[2].running_var)
    upstream = torch.randn_like(plain)
    for a, b in zip(
        torch.autograd.grad(quick, [x, *block.parameters()], upstream),
        torch.autograd.grad(plain, [x, *other.parameters()], upstream),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_up_convolution_by_hand(memory):
    """A ramp of one row, and a kernel that looks one pixel to the left or up."""
    x = torch.arange(1.0, 4.0).view(1, 1, 1, 3).repeat(2, 2, 1, 1).contiguous(memory_format=memory)
    left = torch.zeros(1, 2, 3, 3)
    left[0, 0, 1, 0] = 1
    assert up_conv(x, left)[0, 0].tolist() == [[0, 1, 1, 2, 2, 3]] * 2
    up = torch.zeros(1, 2, 3, 3)
    up[0, 1, 0, 1] = 1
    assert up_conv(x, up)[1, 0].tolist() == [[0] * 6, [1, 1, 2, 2, 3, 3]]


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_up_convolution_in_any_memory_format(memory):
    torch.manual_seed(0)
    x, weight = torch.randn(2, 5, 6, 7), torch.randn(4, 5, 3, 3)
    x, weight = x.contiguous(memory_format=memory), weight.contiguous(memory_format=memory)
    plain = F.conv2d(F.interpolate(x, scale_factor=2), weight, padding=1)
    torch.testing.assert_close(up_conv(x, weight), plain, atol=1e-4, rtol=0)


@pytest.mark.parametrize("bias", [False, True])
def test_convolutions_together(bias):
    torch.manual_seed(0)
    convs = [nn.Conv2d(3, n, 3, padding=1, bias=bias) for n in (3, 1)]
    x = torch.randn(2, 3, 5, 5)
    apart = torch.cat([conv(x) for conv in convs], 1)
    torch.testing.assert_close(conv_together(x, *convs), apart)


def test_residual_block_starts_from_the_identity():
    block = ResidualBlock(3)
    nn.init.zeros_(block.block[-1].weight)
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block(x), x)


@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
@pytest.mark.parametrize(("image_size", "channels"), [(32, 16), (64, 32), (128, 32)])
def test_encoder_shapes(image_size, channels, norm):
    torch.manual_seed(0)
    encoder = Encoder(image_size, 4, norm)
    assert encoder.out_channels == channels
    assert encoder(torch.randn(2, 3, image_size, image_size)).shape == (2, channels, 4, 4)


def test_encoder_norms():
    layers = {norm: Encoder(32, 4, norm) for norm in ("batch", "spectral", "none")}
    count = {norm: sum(isinstance(m, nn.BatchNorm2d) for m in e) for norm, e in layers.items()}
    assert count == {"batch": 3, "spectral": 0, "none": 0}
    assert isinstance(layers["batch"][1], nn.LeakyReLU)  # none after the first convolution
    spectral = layers["spectral"].train()
    for _ in range(30):  # each pass in training mode is one step of the power iteration
        spectral(torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    for layer in spectral:
        if isinstance(layer, nn.Conv2d):
            largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
            assert largest == pytest.approx(1, abs=0.01)


def test_encoder_rejects_other_norms_and_sizes():
    with pytest.raises(InputError, match="got layer"):
        Encoder(32, 4, "layer")
    for build in (validate_image_size, lambda size: Encoder(size, 4), background_size):
        with pytest.raises(InputError, match=r"got 100\. The nearest size is 96"):
            build(100)


@pytest.mark.parametrize(
    ("image_size", "geometry"),
    [(32, (14, 2, 10)), (64, (22, 4, 11)), (128, (34, 4, 24))],
)
def test_patch_geometry_is_what_the_gradients_see(image_size, geometry):
    """Pixels with a gradient from cell (i, i): rows and columns [i·stride, i·stride + field)."""
    torch.manual_seed(0)
    network = BackgroundDiscriminator(FineGANConfig(image_size=image_size, d_dim=2))
    side = background_size(image_size)
    assert network.geometry == geometry
    assert network.input_size == side
    images = torch.rand(1, 3, side, side, requires_grad=True)
    for cells in network(images):
        assert cells.shape == (1, network.geometry.cells, network.geometry.cells)
        for i in range(network.geometry.cells):
            (gradient,) = torch.autograd.grad(cells[0, i, i], images, retain_graph=True)
            seen = gradient[0].abs().sum(0) > 0
            start = i * network.geometry.stride
            expected = list(range(start, start + network.geometry.receptive_field))
            assert torch.nonzero(seen.any(1)).flatten().tolist() == expected
            assert torch.nonzero(seen.any(0)).flatten().tolist() == expected
    assert expected[-1] == side - 1  # the patches reach the last pixel


def test_first_axis_of_the_cells_is_y():
    torch.manual_seed(0)
    network = BackgroundDiscriminator(FineGANConfig(image_size=32, d_dim=2))
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(images)[1][0, 2, 7], images)
    rows, columns = torch.nonzero(gradient[0].abs().sum(0), as_tuple=True)
    assert (rows.min(), rows.max()) == (4, 17)
    assert (columns.min(), columns.max()) == (14, 27)


def test_patch_geometry_by_hand():
    """3, then 3 wide with stride 2: 3 + (3 − 1) · 1 = 5 pixels, 2 apart."""
    assert PatchGeometry.of([(3, 1), (3, 2)], 11) == (5, 2, 4)
    assert PatchGeometry.of([(3, 2), (3, 1)], 11) == (7, 2, 3)


def test_initialisation():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(2000), nn.Linear(6, 3))
    nn.init.ones_(layers[0].bias)
    nn.init.ones_(layers[1].bias)
    initialise(layers)
    for layer in (layers[0], layers[2]):
        matrix = layer.weight.detach().flatten(1)
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-5, rtol=0)
        assert not layer.bias.any()
    scale = layers[1].weight.detach()
    assert scale.mean().item() == pytest.approx(1, abs=0.003)
    assert scale.std().item() == pytest.approx(0.02, rel=0.1)
    assert not layers[1].bias.any()


def test_initialisation_of_spectral_layers():
    torch.manual_seed(0)
    encoder = Encoder(32, 4, "spectral")
    initialise(encoder)
    matrix = encoder[0].parametrizations.weight.original.detach().flatten(1)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(4), atol=1e-5, rtol=0)
