"""The exercises of this lesson, with right answers and typical mistakes."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ....losses import discriminator_loss, hinge_discriminator_loss, hinge_generator_loss
from ...engine.exercises import Build, Choice, Exploration, Fill, Mistake
from . import lab


def _enlarger(settings):
    """What is wrong with a transposed convolution of stride 2, or None."""
    if not isinstance(settings, dict) or set(settings) != {"kernel", "padding"}:
        return 'answer with a dictionary {"kernel": …, "padding": …}'
    kernel, padding = settings["kernel"], settings["padding"]
    whole = all(isinstance(v, int) and not isinstance(v, bool) for v in settings.values())
    if not whole or not 1 <= kernel <= 16 or not 0 <= padding < kernel:
        return (
            "kernel is a whole number from 1 to 16, and padding is a whole number from 0 to "
            "kernel − 1"
        )
    side = 7 * 2 + kernel - 2 * padding
    if side != 16:
        return f"a side of 8 becomes {side}, and 16 is wanted"
    middle = lab.overlaps(kernel, size=24)[kernel:-kernel, kernel:-kernel]
    if len(middle.unique()) > 1:
        counts = ", ".join(f"{v:.0f}" for v in middle.unique())
        return f"the pixels away from the border are painted {counts} times: a checkerboard"
    if kernel < 3:
        return (
            "each pixel is painted equally often, but the copies of the kernel do not "
            "overlap: each 2 × 2 square comes from one pixel only"
        )
    return None


def _block(
    enlarge="nearest", kernel=3, bias=False, norm=True, gate="glu", twice=True, first_norm=False
):
    """A class of up-blocks with a change."""

    class Block(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            out = 2 * b if twice else b
            if enlarge == "transposed":
                self.conv = nn.ConvTranspose2d(a, out, 4, 2, 1, bias=bias)
            else:
                self.conv = nn.Conv2d(a, out, kernel, padding=kernel // 2, bias=bias)
            self.norm = nn.BatchNorm2d(b if gate == "before" else out) if norm else nn.Identity()

        def forward(self, x):
            if enlarge == "bilinear":
                x = F.interpolate(x, scale_factor=2.0, mode="bilinear")
            elif enlarge == "nearest":
                x = F.interpolate(x, scale_factor=2.0)
            x = self.conv(x)
            if enlarge == "late":
                x = F.interpolate(x, scale_factor=2.0)
            if gate == "before":
                return self.norm(F.glu(x, 1))
            x = self.norm(x)
            if gate == "swapped":
                b, a = x.chunk(2, 1)
                return a * b.sigmoid()
            gates = {
                "columns": F.glu,
                "relu": F.relu,
                "leaky": lambda x: F.leaky_relu(x, 0.2),
                "none": lambda x: x,
            }
            return gates.get(gate, lambda x: F.glu(x, 1))(x)

    return Block


class _OwnBlock(nn.Module):
    """Right, written otherwise."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.normalise = nn.BatchNorm2d(n_out * 2)
        self.kernel = nn.Conv2d(n_in, n_out * 2, 3, 1, 1, bias=False)

    def forward(self, x):
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        a, b = self.normalise(self.kernel(x)).chunk(2, 1)
        return a * torch.sigmoid(b)


def _stem(bias=False, norm=True, gate=True, order="maps", twice=True, dim=1):
    """A class of stems with a change."""

    class Stem(nn.Module):
        def __init__(self, z_dim, channels):
            super().__init__()
            n = (2 if twice else 1) * channels * 16
            self.channels = channels
            self.linear = nn.Linear(z_dim, n, bias=bias)
            self.norm = nn.BatchNorm1d(n) if norm else nn.Identity()

        def forward(self, z):
            x = self.norm(self.linear(z))
            x = F.glu(x, dim) if gate else F.relu(x)
            if order == "pixels":
                return x.view(-1, 4, 4, self.channels).permute(0, 3, 1, 2)
            if order == "last":
                return x.view(-1, 4, 4, self.channels)
            return x if order == "flat" else x.view(-1, self.channels, 4, 4)

    return Stem


class _OwnStem(nn.Module):
    """Right, written otherwise."""

    def __init__(self, z_dim, channels):
        super().__init__()
        self.side = 4
        self.layers = nn.Sequential(
            nn.Linear(z_dim, 32 * channels, bias=False), nn.BatchNorm1d(32 * channels), nn.GLU(1)
        )

    def forward(self, z):
        return self.layers(z).unflatten(1, (-1, self.side, self.side))


def _critic(norm="all", slope=0.2, end=None, flat=True, widths=(1, 2, 4), bias=True, batch=False):
    """A class of critics with a change."""

    class Critic(nn.Module):
        def __init__(self, width):
            super().__init__()
            layers, a = [], 3
            for factor in widths:
                conv = nn.Conv2d(a, factor * width, 4, 2, 1, bias=bias)
                layers.append(spectral_norm(conv) if norm in ("all", "all but last") else conv)
                layers += [nn.BatchNorm2d(factor * width)] if batch else []
                layers += [nn.LeakyReLU(slope)] if slope is not None else []
                a = factor * width
            last = nn.Conv2d(a, 1, 4, bias=bias)
            layers.append(spectral_norm(last) if norm == "all" else last)
            self.layers = nn.Sequential(*layers, *([end] if end else []))

        def forward(self, images):
            out = self.layers(images)
            return out.flatten() if flat else out

    return Critic


class _OwnCritic(nn.Module):
    """Right, written otherwise."""

    def __init__(self, width):
        super().__init__()
        self.last = spectral_norm(nn.Conv2d(4 * width, 1, 4))
        sizes = ((3, width), (width, 2 * width), (2 * width, 4 * width))
        self.down = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in sizes
        )

    def forward(self, images):
        for layer in self.down:
            images = F.leaky_relu(layer(images), 0.2)
        return self.last(images)[:, 0, 0, 0]


def _logits():
    return [
        (torch.tensor([2.0, -0.5, 0.3]), torch.tensor([-1.5, 0.7, 0.2, -0.3])),
        (torch.tensor([[0.1], [-3.0]]), torch.tensor([[-0.4], [2.5]])),
    ]


EXERCISES = (
    Choice(
        "1",
        "predict: a constant map through a transposed convolution",
        "my_prediction",
        "b",
        mistakes=(
            Mistake(
                "a",
                "count the copies of the kernel that cover a pixel: is it the same number "
                "everywhere?",
            ),
            Mistake(
                "c",
                "equal weights give steps, not waves: count the copies of the kernel that "
                "cover a pixel",
            ),
        ),
        alternative=" B",
        praise="Copies of 3 pixels at every second pixel overlap at every second pixel.",
    ),
    Exploration(
        "2",
        "explore: a transposed convolution without a checkerboard",
        "my_enlarger",
        {"kernel": 4, "padding": 1},
        mistakes=(
            Mistake({"kernel": 3, "padding": 1}, "becomes 15"),
            Mistake({"kernel": 3, "padding": 0}, "becomes 17"),
            Mistake({"kernel": 2, "padding": 0}, "do not overlap"),
            Mistake({"kernel": 4, "padding": 0}, "becomes 18"),
            Mistake({"kernel": 5, "padding": 1}, "becomes 17"),
            Mistake({"kernel": 4}, "a dictionary"),
            Mistake((4, 1), "a dictionary"),
            Mistake({"kernel": 4.0, "padding": 1}, "a whole number"),
        ),
        alternative={"kernel": 6, "padding": 2},
        praise="DCGAN's layers have a kernel of 4 and stride 2, for this reason.",
        grade=_enlarger,
        starts=({"kernel": 3, "padding": 0}, {"kernel": 3, "padding": 1}),
    ),
    Build(
        "3",
        "build: an up-block",
        "MyUpBlock",
        lab.UpBlock,
        mistakes=(
            Mistake(
                _block(enlarge="transposed"),
                "this is a transposed convolution; repeat the nearest pixel, then convolve",
            ),
            Mistake(
                _block(enlarge="bilinear"),
                "this blurs the map: use the default of F.interpolate, the nearest pixel",
            ),
            Mistake(
                _block(enlarge="none"), "the map does not become larger: F.interpolate is missing"
            ),
            Mistake(_block(enlarge="late"), "enlarge first, then convolve"),
            Mistake(
                _block(gate="columns"),
                "F.glu halves the last dimension, the columns, by default; the channels are "
                "dimension 1: F.glu(x, 1)",
            ),
            Mistake(_block(bias=True), "the convolution has a bias, which BatchNorm removes again"),
            Mistake(_block(norm=False), "BatchNorm is missing"),
            Mistake(
                _block(twice=False),
                "your block returns half the channels: a GLU halves them, so the convolution "
                "must make 2 · out_channels",
            ),
            Mistake(
                _block(gate="relu", twice=False), "this is a ReLU; a GLU is half · σ(other half)"
            ),
            Mistake(_block(gate="swapped"), "the halves are swapped: the second half is the gate"),
            Mistake(
                _block(gate="before"), "BatchNorm comes after the convolution and before the GLU"
            ),
            Mistake(_block(kernel=5), "the kernel is 5 × 5; 3 × 3 is wanted"),
            Mistake(
                _block(gate="none"),
                "the GLU is missing: your block returns twice as many channels as wanted",
            ),
        ),
        alternative=_OwnBlock,
        praise="Each up-block doubles the side, so a larger picture needs more up-blocks.",
        probe="look_at_block",
        inputs=lambda: [(4, 3), (8, 2)],
        tolerance=1e-3,
    ),
    Build(
        "4",
        "build: the stem",
        "MyStem",
        lab.Stem,
        mistakes=(
            Mistake(_stem(bias=True), "the linear layer has a bias, which BatchNorm removes again"),
            Mistake(_stem(norm=False), "BatchNorm is missing"),
            Mistake(
                _stem(gate=False, twice=False), "this is a ReLU; a GLU is half · σ(other half)"
            ),
            Mistake(
                _stem(order="pixels"),
                "your order is pixels, then channels; it must be channels, then pixels: "
                ".view(-1, channels, 4, 4)",
            ),
            Mistake(
                _stem(order="last"),
                "the channels come last; PyTorch's maps are (N, channels, height, width)",
            ),
            Mistake(
                _stem(order="flat"), "it still returns vectors: turn them into maps with .view"
            ),
            Mistake(
                _stem(twice=False),
                "you get half of the numbers: a GLU halves them, so the linear layer must make 2 "
                "· channels · 16",
            ),
            Mistake(_stem(dim=0), "the GLU halves the batch: dimension 1 holds the numbers"),
        ),
        alternative=_OwnStem,
        praise="This is the generator's only linear layer, and it makes only 4 × 4 pixels.",
        probe="look_at_stem",
        inputs=lambda: [(8, 4), (5, 2)],
        tolerance=1e-3,
    ),
    Build(
        "5",
        "build: the critic",
        "MyCritic",
        lab.Critic,
        mistakes=(
            Mistake(_critic(norm="none"), "spectral_norm is missing in all layers"),
            Mistake(_critic(norm="all but last"), "the last layer has no spectral norm"),
            Mistake(
                _critic(norm="none", batch=True),
                "you use BatchNorm in place of spectral_norm; spectral_norm divides the weights",
            ),
            Mistake(_critic(batch=True), "BatchNorm beside spectral_norm undoes it: leave it out"),
            Mistake(
                _critic(slope=0.0), "the slope below 0 is 0, as in a ReLU: write LeakyReLU(0.2)"
            ),
            Mistake(
                _critic(slope=None),
                "without LeakyReLU between them, four convolutions are one linear function",
            ),
            Mistake(_critic(end=nn.Sigmoid()), "a sigmoid at the end: the losses take logits"),
            Mistake(_critic(flat=False), "it returns (N, 1, 1, 1): .flatten() turns it into (N,)"),
            Mistake(
                _critic(widths=(1, 1, 1)), "the channels do not grow: width, 2 · width, 4 · width"
            ),
            Mistake(_critic(bias=False), "the biases are missing; keep nn.Conv2d's own"),
        ),
        alternative=_OwnCritic,
        praise=(
            "Each layer halves the side and doubles the channels; the generator does the opposite."
        ),
        probe="look_at_critic",
        inputs=lambda: [(4,)],
        tolerance=1e-2,
    ),
    Fill(
        "6",
        "fill in: the critic's hinge loss",
        "my_hinge_loss",
        hinge_discriminator_loss,
        mistakes=(
            Mistake(
                lambda real, fake: max(0, 1 - real).mean() + max(0, 1 + fake).mean(),
                "Python's max compares whole tensors; F.relu(x) is max(0, x) for each number",
            ),
            Mistake(
                lambda real, fake: F.relu(1 + real).mean() + F.relu(1 - fake).mean(),
                "real and fake are swapped: this critic calls the real ones fake",
            ),
            Mistake(
                discriminator_loss, "this is lesson {{gan}}'s loss; the hinge has no logarithm"
            ),
            Mistake(
                lambda real, fake: (1 - real).mean() + (1 + fake).mean(),
                "max(0, …) is missing: this loss has no limit and rewards ever larger logits",
            ),
            Mistake(
                lambda real, fake: F.relu(1 - real).sum() + F.relu(1 + fake).sum(),
                "E[…] is a mean over the batch, not a sum",
            ),
            Mistake(lambda real, fake: F.relu(1 - real).mean(), "the fakes' term is missing"),
            Mistake(lambda real, fake: F.relu(1 + fake).mean(), "the real ones' term is missing"),
            Mistake(
                lambda real, fake: hinge_discriminator_loss(real, fake) / 2,
                "this is half of the right value: add the two means",
            ),
            Mistake(
                lambda real, fake: F.relu(1 - real).mean() - F.relu(1 + fake).mean(),
                "the fakes' term has the wrong sign",
            ),
            Mistake(
                lambda real, fake: F.relu(-real).mean() + F.relu(fake).mean(),
                "the margin of 1 is missing: max(0, 1 − s) and max(0, 1 + s)",
            ),
            Mistake(
                lambda real, fake: hinge_generator_loss(real) - hinge_generator_loss(fake),
                "max(0, …) and the margin are missing: this loss has no limit and rewards ever "
                "larger logits",
            ),
        ),
        alternative=lambda real, fake: (1 - real).clamp(min=0).mean() + (fake + 1).clamp(0).mean(),
        praise="Pictures beyond the margin have no gradient for the critic.",
        inputs=_logits,
        gradients=True,
    ),
)
