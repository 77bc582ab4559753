"""The laboratory of the lesson on GANs: a ring of Gaussians, and what two losses pull at.

Everything here is seeded, so that the lesson's pictures can be drawn again.
"""

import math

import torch
from torch import Tensor, nn

from ....losses import (
    discriminator_loss,
)
from ..shared_lab import GENERATOR_LOSSES, digits, mlp, snapshots_of, train_gan


def ring_centres(modes: int = 8, radius: float = 2.0) -> Tensor:
    """(modes, 2): the centres of a ring of Gaussians, the first on the right, anticlockwise."""
    angle = torch.arange(modes) * (2 * math.pi / modes)
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


def ring_points(n: int, random: torch.Generator, *, modes: int = 8, spread: float = 0.1) -> Tensor:
    """(n, 2) points of the ring: a random centre, and a Gaussian of width ``spread`` round it."""
    which = torch.randint(modes, (n,), generator=random)
    return ring_centres(modes)[which] + spread * torch.randn(n, 2, generator=random)


def mode_shares(points: Tensor, *, modes: int = 8, spread: float = 0.1) -> Tensor:
    """(modes,): the share of the points that lie within 3 widths of each centre.

    They add up to less than 1 when points lie between the modes.
    """
    distance = torch.cdist(points, ring_centres(modes))
    return (distance < 3 * spread).float().mean(0)


def modes_found(points: Tensor, *, modes: int = 8, spread: float = 0.1) -> int:
    """How many modes get at least a quarter of the share that a fair sample would give them."""
    return int((mode_shares(points, modes=modes, spread=spread) >= 0.25 / modes).sum())


def optimal_discriminator(p: Tensor, q: Tensor) -> Tensor:
    """D*(x) = p(x) / (p(x) + q(x)), the best answer to a fixed generator (2014, proposition 1).

    Args:
        p, q: densities of the data and of the generator at the same points, of any one shape.
    """
    return p / (p + q)


def ring_gan(
    *,
    steps: int = 1500,
    seed: int = 0,
    loss: str = "non-saturating",
    g_rate: float = 1e-3,
    d_rate: float = 1e-3,
    d_steps: int = 1,
    g_steps: int = 1,
    z_dim: int = 2,
    width: int = 64,
    keep=(),
):
    """Train a GAN of two small networks on the ring of 8 Gaussians.

    Args:
        keep: steps at which 1,000 points of the generator are kept.
        others: as in :func:`train_gan`; ``width``: hidden units.

    Returns:
        (snapshots, generator, discriminator): ``snapshots`` maps a step to (1000, 2) points, the
        last step always among them.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, discriminator = mlp(z_dim, width, width, 2), mlp(2, width, width, 1)
    z = torch.randn(1000, z_dim, generator=torch.Generator().manual_seed(seed))
    snapshots, watch = snapshots_of(generator, z, {*keep, steps})
    train_gan(
        ring_points,
        generator,
        discriminator,
        z_dim,
        steps=steps,
        seed=seed,
        loss=loss,
        g_rate=g_rate,
        d_rate=d_rate,
        d_steps=d_steps,
        g_steps=g_steps,
        watch=watch,
    )
    return snapshots, generator, discriminator


def trained_discriminator(
    p, q, *, steps: int = 1500, seed: int = 0, batch: int = 512, width: int = 64
) -> nn.Module:
    """A discriminator on the line, trained against a generator that stands still.

    Args:
        p, q: (mean, width) of the Gaussians that real and fake points come from.

    Returns:
        A network (N, 1) → (N, 1) logits.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        discriminator = mlp(1, width, width, 1)
    random = torch.Generator().manual_seed(seed)
    move = torch.optim.Adam(discriminator.parameters(), 3e-3)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(move, steps)
    for _ in range(steps):
        real, fake = (m + s * torch.randn(batch, 1, generator=random) for m, s in (p, q))
        move.zero_grad()
        discriminator_loss(discriminator(real), discriminator(fake)).backward()
        move.step()
        fall.step()
    return discriminator


def digits_gan(
    *,
    steps: int = 2500,
    seed: int = 0,
    z_dim: int = 16,
    width: int = 256,
    rate: float = 1e-3,
    noise: float = 0.2,
    keep=(),
):
    """Train a GAN on scikit-learn's digits.

    Args:
        noise: on what D sees; without it D soon knows 1,797 images by heart.

    Returns:
        (snapshots, generator): ``snapshots`` maps the kept steps to (n, 64) images of one z.
    """
    images, _ = digits()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = nn.Sequential(mlp(z_dim, width, width, 64), nn.Tanh())
        discriminator = mlp(64, width, width, 1)
    z = torch.randn(48, z_dim, generator=torch.Generator().manual_seed(seed))
    snapshots, watch = snapshots_of(generator, z, {*keep, steps})

    def draw(n, random):
        return images[torch.randint(len(images), (n,), generator=random)]

    train_gan(
        draw,
        generator,
        discriminator,
        z_dim,
        steps=steps,
        seed=seed,
        batch=64,
        g_rate=rate,
        d_rate=rate,
        noise=noise,
        watch=watch,
    )
    return snapshots, generator


def pull_by_logit(loss: str, logits: Tensor) -> Tensor:
    """|∂loss/∂logit| for one fake point at each logit: how hard the loss pulls at the generator."""
    logits = logits.detach().clone().requires_grad_()
    total = sum(GENERATOR_LOSSES[loss](logit) for logit in logits)
    return torch.autograd.grad(total, logits)[0].abs()


def pull_while_d_learns(moves: int = 400, every: int = 20, seed: int = 0):
    """How hard both losses pull at an untrained generator while D alone learns to see through it.

    Returns:
        (counts, fooled, pulls): numbers of moves of D; the mean of D(G(z)) at each; and for each
        loss the norm of its gradient by the generator's weights.
    """
    random = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, discriminator = mlp(2, 64, 64, 2), mlp(2, 64, 64, 1)
    move_d = torch.optim.Adam(discriminator.parameters(), 1e-3, (0.5, 0.999))
    z = torch.randn(512, 2, generator=random)
    counts, fooled, pulls = [], [], {name: [] for name in GENERATOR_LOSSES}
    for move in range(moves + 1):
        if move % every == 0:
            logits = discriminator(generator(z))
            counts.append(move)
            fooled.append(logits.sigmoid().mean().item())
            for name, loss in GENERATOR_LOSSES.items():
                weights = list(generator.parameters())
                found = torch.autograd.grad(loss(logits), weights, retain_graph=True)
                pulls[name].append(torch.cat([g.flatten() for g in found]).norm().item())
        real, fake = ring_points(256, random), generator(torch.randn(256, 2, generator=random))
        move_d.zero_grad()
        discriminator_loss(discriminator(real), discriminator(fake.detach())).backward()
        move_d.step()
    return counts, fooled, pulls
