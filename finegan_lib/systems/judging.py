"""Real against drawn: what D judges, and its loss. In the paper's recipe, the cross-entropy alone.

=====================  ==================================  =======================================
addition               source                              worth
=====================  ==================================  =======================================
``adversarial=hinge``  Lim and Ye, 2017                    ToyBirds, parents' NMI: 0.69; without
                                                           0.51 (``results/ablation.json``)
``d_noise``            Arjovsky and Bottou, 2017           masks' IoU: 0.74; without 0.70
``augment``            DiffAugment, Zhao et al., 2020;     for photographs, of which there are a
                       strength: ADA, Karras et al., 2020  few thousand (:mod:`.augmentation`)
``r1``, ``r2``         Mescheder et al., 2018              for photographs
``relativistic``       RpGAN, Jolicoeur-Martineau, 2018;   for photographs, with ``r1`` and ``r2``
                       R3GAN, Huang et al., 2024
=====================  ==================================  =======================================
"""

import torch
from torch import Tensor

from .. import losses
from ..base.errors import InputError
from ..models.convolutions import differentiable_twice
from ..speed import distributed
from .augmentation import augment, next_strength, overfitting
from .parts import System
from .recipe import Recipe
from .views import noisy


def shown_to_d(system: System, images: Tensor, random: torch.Generator) -> Tensor:
    """What D_c judges of real or drawn images: with the recipe's noise, and augmented."""
    recipe = system.recipe
    images = noisy(images, system.noise_sd, random)
    strength = getattr(system, "augment_strength", recipe.augment_strength)
    return augment(images, recipe.augment, strength, random)


def judge_together(
    system: System, logits_of, real: Tensor, fake: Tensor, random: torch.Generator
) -> Tensor:
    """A discriminator's loss: real images against drawn ones, as the recipe has it.

    Args:
        system: whose recipe, noise and augmentation apply.
        logits_of: of several batches of images, each (N, 3, S, S), their logits, each (N,).
        real: (N, 3, S, S); fake: (M, 3, S, S), M ≤ N; no gradient flows to ``fake``.
        random: numbers, on the CPU.
    """
    recipe = system.recipe
    real = shown_to_d(system, real, random)
    fake = shown_to_d(system, fake.detach(), random)
    if not recipe.r1 and not recipe.r2:
        real_logits, fake_logits = logits_of(real, fake)
        penalty = 0.0
    else:
        real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
        with differentiable_twice():
            real_logits, fake_logits = logits_of(real, fake)
            penalty = recipe.r1 / 2 * losses.gradient_penalty(real_logits, real)
            penalty = penalty + recipe.r2 / 2 * losses.gradient_penalty(fake_logits, fake)
    paired = real_logits[: len(fake_logits)]
    if recipe.relativistic:
        loss = losses.relativistic_discriminator_loss(paired, fake_logits)
    else:
        loss = losses.adversarial_losses(recipe.adversarial)[0](real_logits, fake_logits)
    if recipe.augment_target:
        r = overfitting(paired, fake_logits) if recipe.relativistic else overfitting(real_logits)
        step = len(real) * distributed.size() / recipe.augment_ramp
        strength = system.augment_strength
        strength.copy_(next_strength(strength, distributed.mean_of(r), recipe.augment_target, step))
    return loss + penalty


def deceived(
    system: System, logits_of, fake_logits: Tensor, real: Tensor, random: torch.Generator
) -> Tensor:
    """The generator's side of :func:`judge_together`, on the logits of what it drew.

    Only a relativistic D looks at ``real``, child crops (N, 3, S, S).
    """
    recipe = system.recipe
    if not recipe.relativistic:
        return losses.adversarial_losses(recipe.adversarial)[1](fake_logits)
    with torch.no_grad():
        (real_logits,) = logits_of(shown_to_d(system, real[: len(fake_logits)], random))
    return losses.relativistic_generator_loss(real_logits, fake_logits)


def refuse_additions(recipe: Recipe, family: str) -> None:
    """For the two plain families: refuse what their step does not look at.

    Raises:
        InputError: for a switch about what D judges.
    """
    for name in ("relativistic", "r1", "r2", "augment"):
        if getattr(recipe, name):
            raise InputError(
                f"{family} is trained without additions to what D judges",
                seen=f"{name}={getattr(recipe, name)}",
                cure="Leave the option out, or choose another family (simple_gan, finegan, ...).",
            )


def judge(system, real_fake, real: Tensor, fake: Tensor, random: torch.Generator) -> Tensor:
    """A discriminator's loss: real images against generated ones, a pass for each.

    Args:
        system: whose recipe, noise and augmentation apply.
        real_fake: images to logits, (N, 3, S, S) → (N,).
        real, fake: (N, 3, S, S); no gradient flows to ``fake``.
        random: numbers, on the CPU.
    """
    return judge_together(system, one_by_one(real_fake), real, fake, random)


def deceive(system, real_fake, real: Tensor, fake: Tensor, random: torch.Generator) -> Tensor:
    """The generator's side of :func:`judge`."""
    fake_logits = real_fake(shown_to_d(system, fake, random))
    return deceived(system, one_by_one(real_fake), fake_logits, real, random)


def one_by_one(real_fake):
    """A network that takes several batches, and works each out in a pass of its own."""
    return lambda *batches: tuple(real_fake(images) for images in batches)
