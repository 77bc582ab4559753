"""The exercises of this lesson, with answers that must be told apart."""

import torch
import torch.nn.functional as F

from ....losses import discriminator_loss, minimax_generator_loss, non_saturating_generator_loss
from ...engine.exercises import Choice, Exploration, Fill, Mistake
from .. import shared_lab
from . import lab

SETTINGS = {"loss", "g_rate", "d_rate", "g_steps", "d_steps"}


def _two_logits():
    return [
        (torch.tensor([2.0, -0.5, 0.3]), torch.tensor([-1.0, 0.7, 0.2, 1.5])),
        (torch.tensor([[0.1], [-3.0]]), torch.tensor([[-0.4], [2.5]])),
        (torch.tensor([-200.0, 1.0]), torch.tensor([200.0, -1.0])),
    ]


def _logits():
    return [(fake,) for _, fake in _two_logits()] + [(torch.tensor([-200.0, 0.5]),)]


def _densities():
    return [
        (torch.tensor([0.1, 0.4, 0.2]), torch.tensor([0.3, 0.1, 0.2])),
        (torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.0]])),
    ]


def _modes(settings):
    if not isinstance(settings, dict) or set(settings) - SETTINGS:
        return f"answer with a dictionary that has only the keys {', '.join(sorted(SETTINGS))}"
    if not all(settings.get(key, 1) in range(1, 6) for key in ("g_steps", "d_steps")):
        return "g_steps and d_steps are whole numbers from 1 to 5"
    if settings.get("loss", "minimax") not in shared_lab.GENERATOR_LOSSES:
        return 'loss is "minimax" or "non-saturating"'
    snapshots, _, _ = lab.ring_gan(**settings)
    found = lab.modes_found(list(snapshots.values())[-1])
    if found >= 7:
        return None
    return (
        f"after 1500 rounds it paints {found} of the 8 modes, and 7 are wanted. "
        "Who is too fast for whom?"
    )


EXERCISES = (
    Fill(
        "1",
        "fill in: the discriminator's loss",
        "my_discriminator_loss",
        discriminator_loss,
        mistakes=(
            Mistake(
                lambda real, fake: -discriminator_loss(real, fake),
                "this is V itself, which D wants large; a loss is minimised, so change the sign",
            ),
            Mistake(
                lambda real, fake: F.softplus(-real).mean() + F.softplus(-fake).mean(),
                "the second term rewards D for calling fakes real: it needs log(1 − D), and "
                "1 − σ(s) = σ(−s)",
            ),
            Mistake(
                lambda real, fake: F.softplus(real).mean() + F.softplus(-fake).mean(),
                "real and fake are swapped: this D calls the real ones fake",
            ),
            Mistake(
                lambda real, fake: F.softplus(-real).sum() + F.softplus(fake).sum(),
                "E[…] is a mean over the batch, not a sum",
            ),
            Mistake(
                lambda real, fake: F.softplus(-real).mean() - (1 + F.softplus(-fake)).log().mean(),
                "this is the slides' log(1 − log D), a slip: it must be log(1 − D)",
            ),
            Mistake(
                lambda real, fake: (
                    -(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())
                ),
                "right for small logits, but for sure ones log meets 0: "
                "use log σ(s) = −softplus(−s)",
            ),
        ),
        alternative=lambda real, fake: (
            F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
            + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
        ),
        praise="It is binary cross-entropy: D is a plain classifier of real and fake.",
        inputs=_two_logits,
        gradients=True,
    ),
    Choice(
        "2",
        "predict: how hard the losses pull",
        "my_ratio",
        "c",
        mistakes=(
            Mistake("a", "both have the same fixed point, but look at their slopes by the logit"),
            Mistake("b", "the slopes are D and 1 − D: put in D = 0.001"),
        ),
        alternative=" C ",
        praise="(1 − D) / D = 999: where the generator is worst, minimax lets go of it.",
    ),
    Fill(
        "3",
        "fill in: the non-saturating loss",
        "my_generator_loss",
        non_saturating_generator_loss,
        mistakes=(
            Mistake(
                minimax_generator_loss,
                "this is the minimax loss, log(1 − D); the non-saturating one is −log D",
            ),
            Mistake(
                lambda fake: -F.softplus(-fake).mean(),
                "the sign: E[log D] shall be large, and a loss is minimised",
            ),
            Mistake(
                lambda fake: F.softplus(fake).mean(),
                "this is −log(1 − D): it drives the generator towards being found out",
            ),
            Mistake(lambda fake: F.softplus(-fake).sum(), "E[…] is a mean, not a sum"),
            Mistake(
                lambda fake: -fake.sigmoid().log().mean(),
                "right for small logits, but for sure ones log meets 0: "
                "use log σ(s) = −softplus(−s)",
            ),
        ),
        alternative=lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake)),
        praise="The generator simply asks to be called real.",
        inputs=_logits,
        gradients=True,
    ),
    Fill(
        "4",
        "fill in: the best discriminator",
        "my_best_d",
        lab.optimal_discriminator,
        mistakes=(
            Mistake(lambda p, q: q / (p + q), "this is the probability of being fake: 1 − D*"),
            Mistake(lambda p, q: p / q, "this is the ratio p/q, which is D/(1 − D), not yet D"),
            Mistake(lambda p, q: (p > q).float(), "D* is not a verdict but a probability"),
        ),
        alternative=lambda p, q: 1 - q / (q + p),
        praise="Bayes' rule for a point that was real or fake with even odds.",
        inputs=_densities,
    ),
    Choice(
        "5",
        "predict: what a collapsed generator does next",
        "my_guess",
        "b",
        mistakes=(
            Mistake("a", "D sees a heap of fakes in one spot: what will it learn to say there?"),
            Mistake("c", "nothing in the loss asks two points of one batch to differ"),
        ),
        alternative="(b)",
        praise="D learns to distrust the spot, and the generator flees to the next.",
    ),
    Exploration(
        "6",
        "explore: settings that find the modes",
        "my_settings",
        {"g_steps": 1, "d_steps": 1},
        mistakes=(
            Mistake({"g_rate": 3e-3, "d_rate": 3e-5}, "of the 8 modes"),
            Mistake({"d_steps": 1000}, "whole numbers from 1 to 5"),
            Mistake({"steps": 10**6}, "only the keys"),
            Mistake([1e-3], "a dictionary"),
        ),
        alternative={"g_rate": 1e-3, "d_rate": 1e-3, "loss": "minimax"},
        praise="A discriminator that keeps up is what keeps a generator honest.",
        judge=_modes,
    ),
)
