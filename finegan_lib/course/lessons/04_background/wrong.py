"""Right and wrong networks, steps and losses as students write them, for the tests."""

from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from ....losses import (
    background_discriminator_loss,
    background_generator_loss,
    background_patch_weights,
)
from ....models.blocks import UpBlock
from ....models.finegan import BACKGROUND_LAYERS, BackgroundDiscriminator
from ...engine.exercises import Mistake
from ..shared_lab import descend
from . import lab

# ------------------------------------------------------------------------------------- networks


class OtherStem(nn.Module):
    """The library's stem, written differently; its parts are changed for the mistakes."""

    bias, norm, tail = False, True, None

    def __init__(self, code_dim, z_dim, image_size, width):
        super().__init__()
        widths = lab.stem_widths(image_size, width)
        self.ups = nn.ModuleList(UpBlock(a, b) for a, b in pairwise(widths))
        self.start = nn.Linear(code_dim + z_dim, 32 * widths[0], bias=self.bias)
        if self.norm:
            self.batch = nn.BatchNorm1d(32 * widths[0])

    def gate(self, x):
        value, gate = x.chunk(2, 1)
        return value * gate.sigmoid()

    def together(self, code, z):
        return torch.cat([code, z], 1)

    def unfold(self, x):
        return x.unflatten(1, (-1, 4, 4))

    def forward(self, code, z):
        x = self.start(self.together(code, z))
        x = self.unfold(self.gate(self.batch(x) if self.norm else x))
        for up in self.ups:
            x = up(x)
        return self.tail(x) if self.tail else x


def stem(**changes):
    return type("Stem", (OtherStem,), changes)


class ShallowStem(OtherStem):
    def __init__(self, code_dim, z_dim, image_size, width):
        super().__init__(code_dim, z_dim, image_size, width)
        self.ups = self.ups[:-1]


class OtherCritic(nn.Module):
    """The library's patch critic at 32 pixels, written differently."""

    padding, slope, bias, norm, heads = 0, 0.2, False, None, 2
    finish = staticmethod(lambda logits: logits[:, 0])
    activation = nn.LeakyReLU

    def __init__(self, config):
        super().__init__()
        d, layers, channels = config.d_dim, [], 3
        *trunk, (kernel, _) = BACKGROUND_LAYERS[config.image_size]
        for i, (k, stride) in enumerate(trunk):
            width = d * 2**i
            layers.append(nn.Conv2d(channels, width, k, stride, self.padding, bias=self.bias))
            if self.norm:
                layers.append(self.norm(width))
            if self.activation:
                layers.append(self.activation(*((self.slope,) if self.slope else ())))
            channels = width
        self.body = nn.Sequential(*layers)
        self.tops = nn.ModuleList(nn.Conv2d(channels, 1, kernel) for _ in range(self.heads))

    def forward(self, images):
        x = self.body(images)
        aux, logits = self.finish(self.tops[0](x)), self.finish(self.tops[-1](x))
        return aux, logits


def critic(**changes):
    return type("Critic", (OtherCritic,), changes)


class OneCritic(OtherCritic):
    heads = 1

    def forward(self, images):
        return super().forward(images)[0]


def for_stems():
    rng = torch.Generator().manual_seed(0)
    code = F.one_hot(torch.arange(6) % 3, 3).float()
    return [(code, torch.randn(6, 5, generator=rng), 32, 2)]


def for_critics():
    return [(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1,)]


# ------------------------------------------------------------------------------------- steps


def for_steps():
    rng = torch.Generator().manual_seed(0)
    real = torch.rand(4, 3, 32, 32, generator=rng) * 2 - 1
    box = torch.tensor([[4.0, 6.0, 20.0, 20.0]]).expand(4, 4)
    weights = background_patch_weights(box, BackgroundDiscriminator(lab.PROBE).geometry)
    b = F.one_hot(torch.arange(4) % 3, 3).float()
    return [(real, weights, b, torch.randn(4, 4, generator=rng))]


def step(
    *,
    fake_for_d=lambda fake: fake.detach(),
    fake_for_g=lambda fake: fake,
    kept=lambda w: w,
    forget=(),
    leave_out=(),
    swap=False,
    recipe=None,
    with_aux=True,
    first="D_b",
):
    """A training step with something changed."""

    def step(stage, critic, move, real, weights, b, z, **given):
        given = given if recipe is None else recipe
        fake, made = stage(b, z), {}

        def update(name, loss):
            made[name] = loss
            if name not in forget:
                move[name].zero_grad()
            loss.backward()
            if name not in leave_out:
                move[{"G": "D_b", "D_b": "G"}[name] if swap else name].step()

        def d_turn():
            real_aux, real_logits = critic(real)
            logits = critic(fake_for_d(fake))[1]
            parts = real_aux, real_logits, logits, kept(weights)
            update("D_b", background_discriminator_loss(*parts, **given))

        def g_turn():
            aux, logits = critic(fake_for_g(fake))
            if not with_aux:
                update("G", -logits.mean())
            else:
                update("G", background_generator_loss(aux, logits, **given))

        for turn in (d_turn, g_turn) if first == "D_b" else (g_turn, d_turn):
            turn()
        return {"D_b": made["D_b"], "G": made["G"]}

    return step


def stale_step(stage, critic, move, real, weights, b, z, **recipe):
    fake = stage(b, z)
    real_aux, real_logits = critic(real)
    _, for_d = critic(fake.detach())
    aux, logits = critic(fake)  # judged by the critic as it was before its update
    loss_d = background_discriminator_loss(real_aux, real_logits, for_d, weights, **recipe)
    descend(move["D_b"], loss_d)
    loss_g = background_generator_loss(aux, logits, **recipe)
    descend(move["G"], loss_g)
    return {"D_b": loss_d, "G": loss_g}


def silent_step(*arguments, **recipe):
    lab.background_step(*arguments, **recipe)


UNDETACHED = (
    "D_b's loss sends a gradient into G: give fake.detach() to D_b, and keep fake itself for G"
)
G_DETACHED = "G gets no gradient: in its update, the input of critic(...) is detached"
STEP_MISTAKES = (
    Mistake(step(fake_for_d=lambda fake: fake), UNDETACHED),
    Mistake(step(fake_for_g=lambda fake: fake.detach()), G_DETACHED),
    Mistake(
        step(forget=("D_b", "G")),
        "zero_grad() is missing: each update also uses the gradients of the steps before",
    ),
    Mistake(
        step(forget=("D_b",)),
        "zero_grad() is missing before D_b's update: G's backward() has left gradients in D_b",
    ),
    Mistake(step(forget=("G",)), "zero_grad() is missing before G's update: its gradients add up"),
    Mistake(
        step(kept=torch.ones_like), "the patch weights are not used: birds count as background"
    ),
    Mistake(
        step(leave_out=("G",)), "G never moves: move['G'].step() is missing after its backward()"
    ),
    Mistake(step(leave_out=("D_b",)), "D_b never moves: move['D_b'].step() is missing"),
    Mistake(step(swap=True), "the optimisers are swapped: each loss updates the wrong network"),
    Mistake(step(recipe={}), "pass **recipe on to both losses: without it they are the paper's"),
    Mistake(
        step(with_aux=False),
        "aux is missing in G's loss: background_generator_loss takes both logits",
    ),
    Mistake(step(first="G"), "D_b moves first, then G computes critic(fake) again"),
    Mistake(
        stale_step,
        "compute critic(fake) again after D_b's update, because D_b's weights have changed",
    ),
    Mistake(silent_step, "it returns no dictionary with both losses"),
)


# ------------------------------------------------------------------------------------- losses


def for_losses():
    rng = torch.Generator().manual_seed(0)
    cases = []
    for share in (0.3, 0.0):  # 0: the box covers everything, and no real patch is kept
        aux, real, fake = torch.randn(3, 4, 5, 5, generator=rng) * 2
        cases.append((aux, real, fake, (torch.rand(4, 5, 5, generator=rng) < share).float()))
    return cases


def loss_with(real_term, *, aux_label=None, sign=1, adversarial=10, aux_weight=1, fake_weight=None):
    """D_b's loss with something changed."""

    def loss(aux, real, fake, w):
        fakes = F.softplus(sign * fake)
        fakes = fakes.mean() if fake_weight is None else (fake_weight(w) * fakes).mean()
        label = w if aux_label is None else aux_label(w)
        aux = F.binary_cross_entropy_with_logits(aux, label)
        return adversarial * (real_term(F.softplus(-real), w) + fakes) + aux_weight * aux

    return loss


def kept_mean(real, w):
    return (w * real).sum() / w.sum().clamp(min=1)


def slip(aux, real, fake, w):
    fakes = -(1 + F.softplus(-fake)).log().mean()
    aux = F.binary_cross_entropy_with_logits(aux, w)
    return 10 * (kept_mean(F.softplus(-real), w) + fakes) + aux


# ------------------------------------------------------------------------------------- patches


def corner(dx, dy):
    """Patch weights whose first forbidden cell is off along x or y."""

    return partial(lab.late_patch_weights, shift=(dx, dy))
