"""The laboratory of the lesson on InfoGAN: tables, a line, and digits with a code.

On the line, the true posterior P(c|x) is known, so we can compute the mutual information and its
lower bound exactly. For the digits, the posterior is not known, and InfoGAN is trained on the
bound. All information is in nats.
"""

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.colors import to_rgb
from torch import Tensor, nn

from ....losses import (
    categorical_information_bound,
    gaussian_information_loss,
    information_loss,
)
from ... import style
from ..shared_lab import gaussian_density, mlp, train_gan

# ------------------------------------------------------------------------------------- tables


def entropy(p: Tensor, dim: int = -1) -> Tensor:
    """H = −Σ p log p along a dimension; 0 log 0 counts as 0."""
    return torch.special.entr(p).sum(dim)


def mutual_information(joint: Tensor) -> Tensor:
    """I(X; Y) = H(X) − H(X|Y) of a table (the slides' first form).

    Args:
        joint: (rows, columns), p(x, y); rows are values of X. Empty rows and columns may occur.
    """
    p_x, p_y = joint.sum(1), joint.sum(0)
    x_given_y = joint / p_y.clamp(min=torch.finfo(joint.dtype).tiny)
    return entropy(p_x) - (p_y * entropy(x_given_y, 0)).sum()


def count_table(a, b, rows: int, columns: int) -> Tensor:
    """(rows, columns) float64: the share of items with label a (row) and b (column)."""
    index = torch.as_tensor(np.asarray(a)) * columns + torch.as_tensor(np.asarray(b))
    counts = torch.bincount(index, minlength=rows * columns).double()
    return counts.view(rows, columns) / counts.sum()


def example_tables() -> dict[str, Tensor]:
    """Four joint tables p(c, x) of 8 equally likely codes (rows), by name.

    The code is always readable; it is readable most of the time; two codes share a picture; the
    picture contains no code.
    """
    sure = torch.eye(8) / 8
    return {
        "every code\nits own picture": sure,
        "a slip\nnow and then": 0.7 * sure + 0.3 / 64,
        "two codes,\none picture": torch.eye(4).repeat_interleave(2, 0) / 8,
        "the picture\nignores the code": torch.full((8, 8), 1 / 64),
    }


# ------------------------------------------------------------------------------------- the line


@dataclass(frozen=True)
class LineGenerator:
    """G(z, c) = mean_c + width_c · z on a line, z normal, c uniform: a mixture of Gaussians.

    The course has a formula for the posterior of this generator only.
    """

    means: tuple[float, ...] = (-2.2, -0.9, 0.7, 2.2)
    widths: tuple[float, ...] = (0.5, 0.3, 1.1, 0.4)

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """n points (n, 1) and the codes (n,) that made them."""
        c = torch.randint(len(self.means), (n,), generator=rng)
        z = torch.randn(n, generator=rng)
        return (torch.tensor(self.means)[c] + torch.tensor(self.widths)[c] * z)[:, None], c

    def densities(self, x: Tensor) -> Tensor:
        """p(x|c) at the points x (N,): (N, codes)."""
        pairs = zip(self.means, self.widths, strict=True)
        return torch.stack([gaussian_density(x, m, w) for m, w in pairs], 1)

    def posterior(self, x: Tensor) -> Tensor:
        """P(c|x) by Bayes' rule: (N, codes), rows add up to 1."""
        densities = self.densities(x)
        return densities / densities.sum(1, keepdim=True)

    def points(self, n: int = 4001) -> Tensor:
        """(n,) float64 points, evenly spaced, over the whole range of G's points (8 widths)."""
        reach = [(m - 8 * w, m + 8 * w) for m, w in zip(self.means, self.widths, strict=True)]
        low, high = min(a for a, _ in reach), max(b for _, b in reach)
        return torch.linspace(low, high, n, dtype=torch.float64)


def exact_terms(line: LineGenerator, q: nn.Module) -> dict[str, float]:
    """The three terms of the identity I = L_I + E[KL(P‖Q)], each integrated separately.

    Args:
        q: (N, 1) → (N, codes) logits of Q(c|x).

    Returns:
        ``information``: H(c) − H(c|x); ``bound``: H(c) + E_x E_{c'~P(c|x)} log Q(c'|x);
        ``gap``: E_x KL(P(·|x)‖Q(·|x)). The last is not computed from the others.
    """
    x = line.points()
    p_x = line.densities(x).mean(1)
    # At both ends, all densities underflow to 0; G generates no point there.
    x, p_x = x[p_x > 1e-30], p_x[p_x > 1e-30]
    p = line.posterior(x)
    with torch.no_grad():
        log_q = q(x[:, None].float()).double().log_softmax(1)
    h_c = math.log(len(line.means))
    kl = (torch.special.xlogy(p, p) - p * log_q).sum(1)
    return {
        "information": h_c - torch.trapezoid(p_x * entropy(p), x).item(),
        "bound": h_c + torch.trapezoid(p_x * (p * log_q).sum(1), x).item(),
        "gap": torch.trapezoid(p_x * kl, x).item(),
    }


def train_q(
    line: LineGenerator,
    *,
    hidden: int = 32,
    steps: int = 1500,
    rate: float = 3e-2,
    seed: int = 0,
    batch: int = 256,
    keep=(),
) -> dict[int, nn.Module]:
    """Q(c|x) as a small network, trained on pairs (c, x) that the generator makes.

    Args:
        hidden: units of the one hidden layer; 0 for none (logits linear in x).
        rate: Adam's learning rate at the start; it falls to 0.
        keep: steps after which a copy is kept (0: before the first).

    Returns:
        Step → network (N, 1) → (N, codes) logits; the last step always among them.
    """
    sizes = (1, hidden, len(line.means)) if hidden else (1, len(line.means))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        q = mlp(*sizes)
    rng = torch.Generator().manual_seed(seed)
    move = torch.optim.Adam(q.parameters(), rate)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(move, max(1, steps))
    kept = {0: copy.deepcopy(q)} if 0 in keep or steps == 0 else {}
    for step in range(1, steps + 1):
        x, c = line.sample(batch, rng)
        move.zero_grad()
        information_loss(q(x), c).backward()
        move.step()
        fall.step()
        if step in keep or step == steps:
            kept[step] = copy.deepcopy(q)
    return kept


# ------------------------------------------------------------------------------------- InfoGAN


@dataclass(frozen=True)
class CodeLayout:
    """What the generator is given: noise z, a one-hot code, continuous codes in [-1, 1]."""

    z_dim: int = 16
    n_categories: int = 10
    n_continuous: int = 2

    @property
    def length(self) -> int:
        """Numbers in one input."""
        return self.z_dim + self.n_categories + self.n_continuous

    def join(self, z: Tensor, index: Tensor, continuous: Tensor) -> Tensor:
        """The three parts (N, z_dim), (N,) int64 and (N, n_continuous) as inputs (N, length)."""
        return torch.cat([z, torch.eye(self.n_categories)[index], continuous], 1)

    def split(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three parts again: z, category indices, continuous codes."""
        sizes = (self.z_dim, self.n_categories, self.n_continuous)
        z, one_hot, continuous = inputs.split(sizes, 1)
        return z, one_hot.argmax(1), continuous

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """n random inputs: z normal, the category uniform, the rest uniform on [-1, 1]."""
        z = torch.randn(n, self.z_dim, generator=rng)
        index = torch.randint(self.n_categories, (n,), generator=rng)
        continuous = torch.rand(n, self.n_continuous, generator=rng) * 2 - 1
        return self.join(z, index, continuous)


class Information(nn.Module):
    """The term that makes a GAN an InfoGAN: −λ·L_I without its constant H(c), and its Q.

    Args:
        layout: of the codes.
        pixels: numbers in an image.
        weight: λ. Continuous codes count a tenth of it: the paper advises less for them.
    """

    def __init__(self, layout: CodeLayout, pixels: int, weight: float = 1.0, width: int = 256):
        super().__init__()
        self.layout, self.weight = layout, weight
        self.q = mlp(pixels, width, layout.n_categories + 2 * layout.n_continuous)

    def read(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Q(c|x): logits (N, categories), mean and log-variance (N, n_continuous)."""
        k, m = self.layout.n_categories, self.layout.n_continuous
        logits, mean, log_variance = self.q(images).split((k, m, m), 1)
        return logits, mean, 3 * torch.tanh(log_variance)

    def forward(self, images: Tensor, inputs: Tensor) -> Tensor:
        """λ·(−E[log Q(c|x)]) for images made of these inputs."""
        _, index, continuous = self.layout.split(inputs)
        logits, mean, log_variance = self.read(images)
        loss = information_loss(logits, index)
        if self.layout.n_continuous:
            loss = loss + 0.1 * gaussian_information_loss(mean, log_variance, continuous)
        return self.weight * loss

    @torch.no_grad()
    def categories(self, images: Tensor) -> np.ndarray:
        """(N,) the most likely category of every image, painted or real."""
        return self.read(images)[0].argmax(1).numpy()


def train_infogan(
    images: Tensor,
    layout: CodeLayout = CodeLayout(),
    *,
    weight: float = 1.0,
    steps: int = 2500,
    seed: int = 0,
    width: int = 256,
    rate: float = 1e-3,
    noise: float = 0.2,
) -> tuple[nn.Module, Information]:
    """Train the GAN of digits from the lesson on GANs, with a code that must be readable.

    Args:
        images: (N, pixels) in [-1, 1].
        weight: λ; 0 leaves the term out; the result is a plain GAN with a longer input, and Q stays
            untrained.
        steps, seed, width, rate, noise: as in `shared_lab.train_gan`, for both players.

    Returns:
        (generator, information): inputs (N, length) → images (N, pixels), and Q.
    """
    pixels = images.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = nn.Sequential(mlp(layout.length, width, width, pixels), nn.Tanh())
        discriminator = mlp(pixels, width, width, 1)
        information = Information(layout, pixels, weight, width)

    def sample_real(n, rng):
        return images[torch.randint(len(images), (n,), generator=rng)]

    train_gan(
        sample_real,
        generator,
        discriminator,
        layout.z_dim,
        steps=steps,
        seed=seed,
        batch=64,
        g_rate=rate,
        d_rate=rate,
        noise=noise,
        sample_input=layout.sample,
        extra=information if weight else None,
    )
    return generator, information


def measured_bound(
    generator: nn.Module, layout: CodeLayout, *, steps: int = 500, seed: int = 1, width: int = 256
) -> float:
    """L_I of the categorical code, by a new Q that is trained on a finished generator.

    The generator was not trained with this Q, so the result does not depend on their common
    training. Measured on 4,000 images that the Q has not seen.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        pixels = generator(layout.sample(1, rng)).shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        q = mlp(pixels, width, layout.n_categories)
    move = torch.optim.Adam(q.parameters(), 1e-3)
    for _ in range(steps):
        images, index = _painted(generator, layout, 256, rng)
        move.zero_grad()
        information_loss(q(images), index).backward()
        move.step()
    images, index = _painted(generator, layout, 4000, rng)
    with torch.no_grad():
        return categorical_information_bound(q(images), index).item()


@torch.no_grad()
def _painted(generator, layout, n, rng):
    inputs = layout.sample(n, rng)
    return generator(inputs), layout.split(inputs)[1]


# ------------------------------------------------------------------------------------- looking


@torch.no_grad()
def code_grid(generator: nn.Module, layout: CodeLayout, columns: int, seed: int = 3) -> Tensor:
    """(categories, columns, pixels): a row shares a category, a column shares the rest of the
    input."""
    rng = torch.Generator().manual_seed(seed)
    z, _, continuous = layout.split(layout.sample(columns, rng))
    k = layout.n_categories
    index = torch.arange(k).repeat_interleave(columns)
    images = generator(layout.join(z.repeat(k, 1), index, continuous.repeat(k, 1)))
    return images.view(k, columns, -1)


@torch.no_grad()
def code_sweep(
    generator: nn.Module, layout: CodeLayout, which: int, values: Tensor, *, n: int = 1, seed=3
) -> Tensor:
    """Images for several values of one continuous code, all other inputs equal: (categories, n,
    values, pixels).

    Args:
        which: the continuous code that changes; the other continuous codes are 0.
        values: (V,) its values.
        n: noises z for each category, the same for all categories.
    """
    z = torch.randn(n, layout.z_dim, generator=torch.Generator().manual_seed(seed))
    k, v = layout.n_categories, len(values)
    continuous = torch.zeros(k, n, v, layout.n_continuous)
    continuous[..., which] = values
    index = torch.arange(k)[:, None, None].expand(k, n, v)
    z = z[None, :, None].expand(k, n, v, -1)
    parts = (z.flatten(0, 2), index.flatten(), continuous.flatten(0, 2))
    return generator(layout.join(*parts)).view(k, n, v, -1)


def ink(images: Tensor) -> Tensor:
    """How bright digits (…, 64) in [-1, 1] are on average: (…), 0 black to 1 white."""
    return (images.mean(-1) + 1) / 2


def slant(images: Tensor) -> Tensor:
    """How far digits (…, 64) lean: columns to the right for every row upwards, (…).

    The slope of the line of best fit through the ink, column by row: positive leans right (/).
    """
    weight = ((images + 1) / 2).unflatten(-1, (8, 8))
    weight = weight / weight.sum((-2, -1), keepdim=True)
    up = 3.5 - torch.arange(8.0)[:, None]
    right = torch.arange(8.0)[None] - 3.5

    def mean(values):
        return (weight * values).sum((-2, -1))

    covariance = mean(up * right) - mean(up) * mean(right)
    return covariance / (mean(up * up) - mean(up) ** 2)


# ------------------------------------------------------------------------------------- walls

WALLS = (
    "#1b3a6b",
    style.REAL,
    style.SKY,
    style.GREEN,
    "#7a9a01",
    style.ORANGE,
    style.FAKE,
    "#7b2d26",
    style.PURPLE,
    "#444444",
)


def on_walls(images: Tensor, strength: float, seed: int = 0) -> tuple[Tensor, np.ndarray]:
    """White digits on walls of ten colours, sampled independently of the digit.

    Args:
        images: (N, 64) in [-1, 1], the ink.
        strength: 1 for full colours; at 0 all walls have the ten colours' mean.

    Returns:
        (N, 192) in [-1, 1], three 8 × 8 channels one after the other; and (N,) wall indices.
    """
    rng = torch.Generator().manual_seed(seed)
    wall = torch.randint(len(WALLS), (len(images),), generator=rng)
    colours = torch.tensor([to_rgb(colour) for colour in WALLS]) * 2 - 1
    colours = strength * colours + (1 - strength) * colours.mean(0)
    mask = ((images + 1) / 2)[:, None]
    return (mask + (1 - mask) * colours[wall][:, :, None]).flatten(1), wall.numpy()


def show_rows(axis, grid: Tensor, names=None, *, gap: int = 1) -> None:
    """Draw a table of 8 × 8 images on one axis.

    Args:
        grid: (rows, columns, 64) grey or (rows, columns, 192) coloured, in [-1, 1].
        names: of the rows; their numbers by default.
        gap: white pixels between two images.
    """
    rows, columns, pixels = grid.shape
    images = grid.detach().view(rows, columns, pixels // 64, 8, 8).expand(-1, -1, 3, -1, -1)
    canvas = torch.ones(rows, 8 + gap, columns, 8 + gap, 3)
    canvas[:, :8, :, :8] = (images.clamp(-1, 1).permute(0, 3, 1, 4, 2) + 1) / 2
    axis.imshow(canvas.reshape(rows * (8 + gap), columns * (8 + gap), 3)[:-gap, :-gap])
    axis.set(xticks=[], yticks=torch.arange(rows) * (8 + gap) + 3.5)
    axis.set_yticklabels(names or range(rows))
    axis.tick_params(length=0, labelsize=8)
    axis.spines[:].set_visible(False)
