"""The laboratory of the lesson on GANs: a ring of Gaussians, and the gradients of two losses.

Everything here has a seed, so the lesson's pictures come out the same again.
"""

import math

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ....losses import discriminator_loss, non_saturating_generator_loss
from ... import style
from ...engine.probing import look_at
from ..shared_lab import GENERATOR_LOSSES, gaussian_density, mlp, snapshots_of, train_gan


def ring_centres(modes: int = 8, radius: float = 2.0) -> Tensor:
    """(modes, 2): the centres of a ring of Gaussians, the first on the right, anticlockwise."""
    angle = torch.arange(modes) * (2 * math.pi / modes)
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


def ring_points(n: int, rng: torch.Generator, *, modes: int = 8, spread: float = 0.1) -> Tensor:
    """(n, 2) points of the ring: a random centre, and a Gaussian of width ``spread`` round it."""
    which = torch.randint(modes, (n,), generator=rng)
    return ring_centres(modes)[which] + spread * torch.randn(n, 2, generator=rng)


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
    """D*(x) = p(x) / (p(x) + q(x)), the best discriminator for a fixed generator (Goodfellow et
    al., 2014, proposition 1).

    Args:
        p, q: densities of the data and of the generator at the same points, of any one shape.
    """
    return p / (p + q)


def found(points: Tensor) -> str:
    """How many modes are found, and the share of the points that lie in any: for a title."""
    inside = mode_shares(points).sum().item()
    return f"{modes_found(points)} of 8 modes,\n{inside:.0%} of the points in them"


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
    """A discriminator of points on a line, trained against a fixed generator.

    Args:
        p, q: (mean, width) of the Gaussians that real and fake points come from.

    Returns:
        A network (N, 1) → (N, 1) logits.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        discriminator = mlp(1, width, width, 1)
    rng = torch.Generator().manual_seed(seed)
    move = torch.optim.Adam(discriminator.parameters(), 3e-3)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(move, steps)
    for _ in range(steps):
        real, fake = (m + s * torch.randn(batch, 1, generator=rng) for m, s in (p, q))
        move.zero_grad()
        discriminator_loss(discriminator(real), discriminator(fake)).backward()
        move.step()
        fall.step()
    return discriminator


# ------------------------------------------------------------------------------------- digits


class DigitGenerator(nn.Module):
    """z (N, z_dim) → images (N, 64) in [-1, 1]: three linear layers, LeakyReLU(0.2) between."""

    def __init__(self, z_dim: int = 16, width: int = 256):
        super().__init__()
        self.layers = nn.Sequential(mlp(z_dim, width, width, 64), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class DigitDiscriminator(nn.Module):
    """Images (N, 64) → logits (N, 1): three linear layers, LeakyReLU(0.2) between them."""

    def __init__(self, width: int = 256):
        super().__init__()
        self.layers = mlp(64, width, width, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def gan_step(generator, discriminator, move_g, move_d, real: Tensor, z: Tensor) -> None:
    """One round of the game: D moves on its loss, then G on the non-saturating one.

    Args:
        move_g, move_d: optimisers of the two networks.
        real: a batch of data; ``z``: the noise of the fakes, the same in both moves.
    """
    move_d.zero_grad()
    fake = generator(z)
    discriminator_loss(discriminator(real), discriminator(fake.detach())).backward()
    move_d.step()
    move_g.zero_grad()
    non_saturating_generator_loss(discriminator(fake)).backward()
    move_g.step()


class Blurred(nn.Module):
    """A discriminator that adds Gaussian noise to all pictures, real or fake.

    Without it, D soon memorises a small set of real pictures.

    Args:
        noise: standard deviation.
        random: where the noise comes from.
    """

    def __init__(self, discriminator: nn.Module, noise: float, rng: torch.Generator):
        super().__init__()
        self.discriminator, self.noise, self.random = discriminator, noise, rng

    def forward(self, images: Tensor) -> Tensor:
        noise = torch.randn(images.shape, generator=self.random)
        return self.discriminator(images + self.noise * noise)


# ------------------------------------------------------------------------------------- probes


def look_at_generator(generator, z_dim: int, width: int):
    """What a class of generators does, for `exercises.Build`; see `probing.look_at`."""
    z = torch.randn(5, z_dim, generator=torch.Generator().manual_seed(1))
    return look_at(generator(z_dim, width), z)


def look_at_discriminator(discriminator, width: int):
    """What a class of discriminators does, for `exercises.Build`; see `probing.look_at`."""
    images = torch.rand(5, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return look_at(discriminator(width), images)


def play(step, rounds: int):
    """Play rounds of the game with a training step, and record which network each step changed.

    Args:
        step: as :func:`gan_step`.

    Returns:
        A dictionary of plain values, from the coarse to the fine; ``...`` if the step returns that.
    """
    torch.manual_seed(0)
    players = {"G": mlp(2, 16, 2), "D": mlp(2, 16, 1)}
    moves = {name: torch.optim.Adam(net.parameters(), 5e-3) for name, net in players.items()}
    rng, log, untouched = torch.Generator().manual_seed(0), [], {"G": True, "D": True}

    def weights(name):
        return torch.cat([w.detach().flatten() for w in players[name].parameters()])

    def slope(name):
        found = [w.grad.flatten() for w in players[name].parameters() if w.grad is not None]
        return torch.cat(found).norm().item() if found else 0.0

    def watch(name, other):
        moves[name].register_step_pre_hook(
            lambda *_: log.append((name, slope(name), slope(other), weights(other)))
        )

    watch("G", "D")
    watch("D", "G")
    for _ in range(rounds):
        start = {name: weights(name) for name in players}
        first = len(log)
        result = step(
            *players.values(),
            *moves.values(),
            ring_points(32, rng),
            torch.randn(32, 2, generator=rng),
        )
        if result is ...:
            return ...
        if [name for name, *_ in log[first:]] == ["D", "G"]:
            # What the other player was when one moved: G as it began, D as it ended.
            untouched["G"] &= bool(log[first][3].equal(start["G"]))
            untouched["D"] &= bool(log[first + 1][3].equal(weights("D")))
    order = ", ".join(name for name, *_ in log[:4])
    moved = [entry for entry in log if entry[0] == "D"]
    return {
        "who moves, in two rounds": order,
        "G is untouched by D's move": untouched["G"],
        "D is untouched by G's move": untouched["D"],
        "a gradient of D's loss in G": bool(moved and moved[0][2] > 0),
        "the size of D's gradients": [size for name, size, *_ in log[:8] if name == "D"],
        "the size of G's gradients": [size for name, size, *_ in log[:8] if name == "G"],
        f"the weights after {rounds} rounds": [weights(name) for name in players],
    }


# ------------------------------------------------------------------------------------- figures


def best_figure(mean: float) -> Figure:
    """D* for data around 0 (sd 1) and a generator around ``mean`` (sd 1), over both densities."""
    x = torch.linspace(-5, 6, 221)
    p, q = gaussian_density(x, 0.0, 1.0), gaussian_density(x, mean, 1.0)
    figure, axis = plt.subplots(figsize=(6.2, 3), layout="constrained")
    axis.plot(x, optimal_discriminator(p, q), color="black", lw=2, label="$D^* = p/(p+q)$")
    axis.fill_between(x, p, color=style.REAL, alpha=0.3, label="data, $p$")
    axis.fill_between(x, q, color=style.FAKE, alpha=0.3, label="generator, $q$")
    axis.set(xlabel="x", ylabel="D(x), or density", ylim=(0, 1.05))
    axis.set_title(f"The generator's mean is {mean:.1f}")
    axis.legend(loc="center left", fontsize=8)
    return figure


def draw_ring(axis, points: Tensor, title: str) -> None:
    """Generated points (n, 2) over the centres of the ring."""
    centres = ring_centres()
    axis.scatter(*centres.T, s=170, facecolors="none", edgecolors=style.REAL, label="real modes")
    axis.scatter(*points.T, s=3, alpha=0.4, color=style.FAKE, label="generated")
    axis.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", title=title, xlabel="$x_1$")


def ring_figure(snapshots: dict[int, Tensor], moment: int) -> Figure:
    """The points of one snapshot of :func:`ring_gan`, over the ring; ``moment`` counts rounds."""
    figure, axis = plt.subplots(figsize=(3.4, 3.6), layout="constrained")
    draw_ring(axis, snapshots[moment], f"round {moment}: {found(snapshots[moment])}")
    axis.set_ylabel("$x_2$")
    return figure


def pull_by_logit(loss: str, logits: Tensor) -> Tensor:
    """|∂loss/∂logit| for one fake point at each logit."""
    logits = logits.detach().clone().requires_grad_()
    total = sum(GENERATOR_LOSSES[loss](logit) for logit in logits)
    return torch.autograd.grad(total, logits)[0].abs()


def pull_while_d_learns(moves: int = 400, every: int = 20, seed: int = 0):
    """The gradients of both losses at an untrained generator, while only D learns.

    Returns:
        (counts, fooled, pulls): numbers of moves of D; the mean of D(G(z)) at each; and for each
        loss the norm of its gradient by the generator's weights.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator, discriminator = mlp(2, 64, 64, 2), mlp(2, 64, 64, 1)
    move_d = torch.optim.Adam(discriminator.parameters(), 1e-3, (0.5, 0.999))
    z = torch.randn(512, 2, generator=rng)
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
        real, fake = ring_points(256, rng), generator(torch.randn(256, 2, generator=rng))
        move_d.zero_grad()
        discriminator_loss(discriminator(real), discriminator(fake.detach())).backward()
        move_d.step()
    return counts, fooled, pulls
