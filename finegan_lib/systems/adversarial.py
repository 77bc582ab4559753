"""Real against generated images: the input of D, and its loss. The paper has the cross-entropy.

=====================  ==================================  =======================================
addition               source                              worth
=====================  ==================================  =======================================
``adversarial=hinge``  Lim and Ye, 2017                    ToyBirds, parents' NMI: 0.65; without
                                                           0.51 (``results/ablation.json``)
``d_noise``            Arjovsky and Bottou, 2017           masks' IoU: 0.72; without 0.70
``augment``            DiffAugment, Zhao et al., 2020;     photographs, KID: at full strength from
                       strength: ADA, Karras et al., 2020  the start 0.122; without 0.107
``r1``, ``r2``         Mescheder et al., 2018              photographs, KID: R1 0.097, both 0.122
``relativistic``       RpGAN, Jolicoeur-Martineau, 2018;   photographs, KID: 0.134 with ``r1`` and
                       R3GAN, Huang et al., 2024           ``r2``
=====================  ==================================  =======================================

On photographs (``results/ablation_cub50.json``) each row has two trainings of 1,000 steps, the
whole recipe three, with a KID of 0.099, 0.119 and 0.116: smaller differences than 0.02 may be
chance. In such a short training D does not memorise its photographs: there is nothing to prevent.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .. import losses
from ..models.convolutions import differentiable_twice
from ..speed import distributed
from .augmentation import augment, next_strength, overfitting
from .parts import System, descend
from .views import noisy


def shown_to_d(system: System, images: Tensor, rng: torch.Generator) -> Tensor:
    """Real or generated images as D_c sees them: with the recipe's noise, and augmented."""
    recipe = system.recipe
    images = noisy(images, system.noise_sd, rng)
    strength = getattr(system, "augment_strength", recipe.augment_strength)
    return augment(images, recipe.augment, strength, rng)


class Discriminated(NamedTuple):
    """A discriminator's loss, and the logits of the pairs that it is made of: real (N,), fake (M,).

    Where M < N, the first M real images are the fakes' partners.
    """

    loss: Tensor
    real_logits: Tensor
    fake_logits: Tensor


LogitsOf = Callable[..., tuple[Tensor, ...]]


def discriminate(
    system: System, logits_of: LogitsOf, real: Tensor, fake: Tensor, rng: torch.Generator
) -> Discriminated:
    """A discriminator's loss: real images against generated ones, as the recipe has it.

    Args:
        system: whose recipe, noise and augmentation apply.
        logits_of: of several batches of images, each (N, 3, S, S), their logits, each (N,).
        real: (N, 3, S, S); fake: (M, 3, S, S), M ≤ N; no gradient flows to ``fake``.
        rng: numbers, on the CPU.
    """
    recipe = system.recipe
    real = shown_to_d(system, real, rng)
    fake = shown_to_d(system, fake.detach(), rng)
    penalty: Tensor | float = 0.0
    if not recipe.r1 and not recipe.r2:
        real_logits, fake_logits = logits_of(real, fake)
    else:
        real, fake = real.detach().requires_grad_(), fake.detach().requires_grad_()
        with differentiable_twice():
            real_logits, fake_logits = logits_of(real, fake)
            penalty = recipe.r1 / 2 * losses.gradient_penalty(real_logits, real)
            penalty = penalty + recipe.r2 / 2 * losses.gradient_penalty(fake_logits, fake)
    if recipe.relativistic:
        paired = real_logits[: len(fake_logits)]
        loss = losses.relativistic_discriminator_loss(paired, fake_logits)
    else:
        loss = losses.adversarial_losses(recipe.adversarial)[0](real_logits, fake_logits)
    return Discriminated(loss + penalty, real_logits, fake_logits)


def adapt_strength(system: System, seen: Discriminated) -> None:
    """Let the augmentation's strength follow D's overfitting (ADA), if the recipe says so."""
    recipe, (_, real, fake) = system.recipe, seen
    if not recipe.augment_target:
        return
    r = overfitting(real[: len(fake)], fake) if recipe.relativistic else overfitting(real)
    step = len(real) * distributed.size() / recipe.augment_ramp
    strength = system.augment_strength
    strength.copy_(next_strength(strength, distributed.mean_of(r), recipe.augment_target, step))


def deceived(
    system: System,
    logits_of: LogitsOf,
    fake_logits: Tensor,
    real: Tensor | None,
    rng: torch.Generator,
) -> Tensor:
    """The generator's loss that belongs to :func:`discriminate`, on the logits of its images.

    Only a relativistic D looks at ``real``, child crops (N, 3, S, S).
    """
    recipe = system.recipe
    if not recipe.relativistic:
        return losses.adversarial_losses(recipe.adversarial)[1](fake_logits)
    assert real is not None
    with torch.no_grad():
        (real_logits,) = logits_of(shown_to_d(system, real[: len(fake_logits)], rng))
    return losses.relativistic_generator_loss(real_logits, fake_logits)


def update_d(
    system: System,
    optimiser: str,
    real_fake: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    rng: torch.Generator,
    adapt: bool = True,
) -> Tensor:
    """One update of a discriminator that sees real and generated images in a pass for each.

    Args:
        system: whose recipe, noise and augmentation apply.
        optimiser: name of the discriminator's.
        real_fake: images to logits, (N, 3, S, S) → (N,).
        real, fake: (N, 3, S, S); no gradient flows to ``fake``.
        rng: numbers, on the CPU.
        adapt: whether the augmentation's strength follows this discriminator. One does, of several.

    Returns:
        The loss, a scalar.
    """
    seen = discriminate(system, one_by_one(real_fake), real, fake, rng)
    descend(system.optimisers[optimiser], seen.loss)
    if adapt:
        adapt_strength(system, seen)
    return seen.loss


def deceive(
    system: System,
    real_fake: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    rng: torch.Generator,
) -> Tensor:
    """The generator's loss that belongs to :func:`update_d`."""
    fake_logits = real_fake(shown_to_d(system, fake, rng))
    return deceived(system, one_by_one(real_fake), fake_logits, real, rng)


def one_by_one(real_fake: Callable[[Tensor], Tensor]) -> LogitsOf:
    """A network that takes several batches and computes each of them in a separate pass."""
    return lambda *batches: tuple(real_fake(images) for images in batches)
