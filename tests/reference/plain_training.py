"""FineGAN's training step without any shortcut, on the library's own weights and random numbers.

As the authors' trainer goes about it: every network runs with all of its heads, D_p is shown the
stitched parent images too, and the backward pass of the generator's step works out the gradients of
every discriminator's weights, used or not. What the library's step must equal, and what it is
measured against. Nothing here is imported by the library's networks or trainer.
"""

from contextlib import contextmanager, nullcontext
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finegan_lib import losses
from finegan_lib.models import finegan
from finegan_lib.models.blocks import BatchNorm2d, CodeConv, UpBlock, WholeConv
from finegan_lib.models.convolutions import Conv2d
from finegan_lib.systems import FineGANSystem, code_view
from finegan_lib.systems.views import noisy


@contextmanager
def plain_forms():
    """Every network runs layer by layer, in the readable forms."""

    def apart(features: Tensor, *convs) -> Tensor:
        return torch.cat([conv(features) for conv in convs], 1)

    def fetched(maps: Tensor, view: Tensor) -> Tensor:
        return F.grid_sample(maps, view, padding_mode="border", align_corners=False)

    with (
        mock.patch.object(UpBlock, "forward", UpBlock.plain),
        mock.patch.object(CodeConv, "forward", CodeConv.plain),
        mock.patch.object(BatchNorm2d, "forward", nn.BatchNorm2d.forward),
        mock.patch.object(WholeConv, "forward", nn.Conv2d.forward),
        mock.patch.object(Conv2d, "forward", nn.Conv2d.forward),
        mock.patch.object(finegan, "conv_together", apart),
        mock.patch.object(finegan, "fetched", fetched),
    ):
        yield


def plain_optimisers(system: FineGANSystem) -> None:
    """Exchange the optimisers of a fresh system for torch's Adam as it comes."""
    for name, optimiser in system.optimisers.items():
        (group,) = optimiser.param_groups
        system.optimisers[name] = torch.optim.Adam(group["params"], group["lr"], group["betas"])


def plain_step(
    system: FineGANSystem, batch, rng: torch.Generator, once_an_update=nullcontext
) -> dict:
    """What ``system.step(batch, generator)`` does.

    Args:
        once_an_update: context of D_c's passes within an update. The library estimates D_c's
            spectral norms once for both, torch once for each; with ``parametrize.cached`` the plain
            step does as the library, so that the two can be compared to the last digits.
    """
    recipe, sd = system.recipe, system.noise_sd
    d_loss = losses.adversarial_losses(recipe.adversarial)[0]
    d_b, d_p, d_c = system.d_background, system.d_parent, system.d_child
    with plain_forms():
        n = len(batch.child_crop)
        codes = system.sample_codes(n, rng).to(batch.child_crop.device)
        fake = system.generator(codes)
        judged = system.n_real_fake(n)

        weights = losses.background_patch_weights(batch.box, d_b.geometry)
        real_aux, real_logits = d_b(batch.full_image)
        _, fake_logits = d_b(fake.background.image.detach())
        loss_b = losses.background_discriminator_loss(
            real_aux,
            real_logits,
            fake_logits,
            weights,
            adversarial=recipe.adversarial,
            background_weight=recipe.background_weight,
        )
        descend(system, ["D_b"], loss_b)

        with once_an_update():
            real_logits, _ = d_c(noisy(batch.child_crop, sd, rng))
            fake_logits, _ = d_c(noisy(fake.child.image[:judged].detach(), sd, rng))
        loss_c = d_loss(real_logits, fake_logits)
        descend(system, ["D_c"], loss_c)

        aux, background_logits = d_b(fake.background.image)
        parent_view = code_view(fake.parent, recipe, rng, recipe.silhouette)
        with once_an_update():
            child_logits, _ = d_c(noisy(fake.child.image[:judged], sd, rng))
            _, child_code = d_c(code_view(fake.child, recipe, rng))
        d_p(fake.parent.image)  # and nobody looks at the answer
        _, parent_code = d_p(parent_view)
        terms = losses.finegan_generator_loss(
            aux,
            background_logits,
            child_logits,
            parent_code,
            child_code,
            codes,
            adversarial=recipe.adversarial,
            background_weight=recipe.background_weight,
            information_weight=recipe.information_weight,
        )
        terms |= system.mask_terms(fake, codes)
        descend(system, ["G", "info"], sum(terms.values()))
    system.updates += 1
    step = int(system.updates)
    warm = (1 + step) / (10 + step) if recipe.ema_warmup else 1
    decay = min(recipe.ema_decay, warm)
    with torch.no_grad():
        pairs = zip(system.average.parameters(), system.generator.parameters(), strict=True)
        for kept, new in pairs:
            kept.mul_(decay).add_(new, alpha=1 - decay)
        pairs = zip(system.average.buffers(), system.generator.buffers(), strict=True)
        for kept, new in pairs:
            averaged = recipe.ema_buffers and kept.is_floating_point()
            kept.copy_(decay * kept + (1 - decay) * new if averaged else new)
    return {"D_b": loss_b, "D_c": loss_c, **terms}


def descend(system, names, loss: Tensor) -> None:
    for name in names:
        system.optimisers[name].zero_grad()
    loss.backward()
    for name in names:
        system.optimisers[name].step()
