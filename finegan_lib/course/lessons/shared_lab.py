"""The lessons' shared laboratory: pictures, digits, small networks and the two-player game.

Everything here trains on one CPU core in seconds and is seeded, so that a lesson's pictures can be
drawn again. What one lesson alone needs lies in the `lab` of its folder.
"""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ...data.example import TrainingExample
from ...losses import (
    discriminator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
)
from ...training import LoopConfig, StepSampler, hash_seed

GENERATOR_LOSSES = {
    "minimax": minimax_generator_loss,
    "non-saturating": non_saturating_generator_loss,
}


# ------------------------------------------------------------------------------------- data


def mean_colour(crops: Tensor) -> Tensor:
    """The mean colour of every picture: (N, 3, S, S) uint8 → (N, 3) float32 in [0, 1]."""
    return crops.float().mean((2, 3)) / 255


def as_signed(crops: Tensor) -> Tensor:
    """uint8 pictures as floats in [-1, 1], the range in which networks and figures take them."""
    return crops.float() / 127.5 - 1


def digits() -> tuple[Tensor, np.ndarray]:
    """1,797 handwritten digits: (1797, 64) float32 in [-1, 1], 8 × 8 each, and (1797,) labels.

    They come with scikit-learn (from the UCI repository; Alpaydin and Kaynak, 1998).
    """
    bunch = load_digits()
    return torch.from_numpy(bunch.data).float() / 8 - 1, bunch.target


# ------------------------------------------------------------------------------------- networks


def mlp(*sizes: int) -> nn.Sequential:
    """Fully connected layers of these sizes, LeakyReLU(0.2) between them."""
    layers = []
    for i, (a, b) in enumerate(itertools.pairwise(sizes)):
        layers += [nn.LeakyReLU(0.2)] if i else []
        layers += [nn.Linear(a, b)]
    return nn.Sequential(*layers)


# ------------------------------------------------------------------------------------- training


def seeded_batches(
    data, loop: LoopConfig, steps: int
) -> Iterator[tuple[int, TrainingExample, torch.Generator]]:
    """The batches of a training of so many steps, and each step's random numbers.

    They are those of :func:`finegan_lib.training.train`, so the same weights come out.

    Args:
        data: a `ToyBirds` or another data set whose items are training examples.
        loop: whose ``batch_size`` and ``seed`` count.

    Yields:
        The step, from 0, its batch, and its source of random numbers (`rng`).
    """
    order = StepSampler(len(data), loop.batch_size, loop.seed, 0, steps)
    for step, batch in enumerate(DataLoader(data, batch_sampler=order)):
        rng = torch.Generator().manual_seed(hash_seed(loop.seed, step, 2))
        yield step, TrainingExample(*batch), rng


def train_gan(
    sample_real,
    generator: nn.Module,
    discriminator: nn.Module,
    z_dim: int,
    *,
    steps: int,
    seed: int = 0,
    batch: int = 128,
    loss: str = "non-saturating",
    g_rate: float = 1e-3,
    d_rate: float = 1e-3,
    d_steps: int = 1,
    g_steps: int = 1,
    noise: float = 0.0,
    watch=None,
    sample_input=None,
    extra: nn.Module | None = None,
) -> None:
    """The two-player game, played in place: ``d_steps`` moves of D, ``g_steps`` of G, and again.

    Args:
        sample_real: (n, rng) → n real points.
        z_dim: length of the Gaussian noise.
        loss: the generator's, "minimax" or "non-saturating".
        g_rate, d_rate: Adam's learning rates, with betas (0.5, 0.999).
        noise: standard deviation of the Gaussian noise on all that D sees, real or fake.
        watch: called as ``watch(step, fake)`` with every step's last fake batch; step counts
            from 1.
        sample_input: (n, rng) → n inputs of the generator, in place of noise alone.
        extra: a further term of the generator's loss, ``extra(what D sees of the fakes, inputs)``;
            its weights learn together with the generator's.
    """
    rng = torch.Generator().manual_seed(seed)
    players = [*generator.parameters(), *(extra.parameters() if extra else ())]
    move_g = torch.optim.Adam(players, g_rate, (0.5, 0.999))
    move_d = torch.optim.Adam(discriminator.parameters(), d_rate, (0.5, 0.999))

    def blur(points):
        return points + noise * torch.randn(points.shape, generator=rng)

    def inputs():
        if sample_input:
            return sample_input(batch, rng)
        return torch.randn(batch, z_dim, generator=rng)

    for step in range(1, steps + 1):
        for _ in range(d_steps):
            fake = generator(inputs()).detach()
            real = sample_real(batch, rng)
            move_d.zero_grad()
            discriminator_loss(discriminator(blur(real)), discriminator(blur(fake))).backward()
            move_d.step()
        for _ in range(g_steps):
            code = inputs()
            fake = generator(code)
            seen = blur(fake)
            g_loss = GENERATOR_LOSSES[loss](discriminator(seen))
            if extra:
                g_loss = g_loss + extra(seen, code)
            move_g.zero_grad()
            g_loss.backward()
            move_g.step()
        if watch:
            watch(step, fake.detach())


def snapshots_of(generator, z: Tensor, steps: set[int]):
    """A dictionary, and the ``watch`` for :func:`train_gan` that fills it.

    At each of the ``steps`` it keeps what the generator makes of the same noise ``z``.
    """
    snapshots = {}

    def watch(step, fake):
        if step in steps:
            with torch.no_grad():
                snapshots[step] = generator(z)

    return snapshots, watch


def gaussian_density(x: Tensor, mean: float, width: float) -> Tensor:
    """The normal density at x."""
    return torch.exp(-0.5 * ((x - mean) / width) ** 2) / (width * math.sqrt(2 * math.pi))


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the gradient of ``loss`` (a scalar)."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
