"""What one training step is, for each family: networks, optimisers, losses, and nothing else.

A system draws its codes, updates its discriminators, then its generator, and reports its losses.
The loop around it (:mod:`finegan_lib.training`) is the same for all.
"""

import copy
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.utils import make_grid

from . import losses, siblings
from .augmentation import POLICIES, augment, next_strength, overfitting
from .base.errors import InputError
from .base.options import option
from .codes import Codes, one_hot
from .data.example import TrainingExample
from .models.convolutions import differentiable_twice
from .models.finegan import (
    ContrastiveHead,
    FineGANConfig,
    FineGANGenerator,
    FineGANOutput,
    PoseReader,
    Stage,
    build_discriminators,
)
from .models.gan import GANConfig, GANDiscriminator, GANGenerator
from .models.infogan import InfoGANConfig, InfoGANDiscriminator, InfoGANGenerator
from .speed import distributed
from .speed.distributed import draw, draw_signs


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are the paper's; what goes beyond it is off.

    The additions, each a switch of its own: ``slower_d``, ``final_decay``, ``adversarial="hinge"``,
    ``ema_warmup``, ``ema_buffers``, all from ``relativistic`` on; and in the model
    ``child_norm``, ``min_head_channels``, ``mask_bias``, ``view``, ``background_gain`` and
    ``parent_gain``.
    """

    learning_rate: float = option(2e-4, "Adam's step size")
    slower_d: float = option(1.0, "the discriminators' step size as a fraction of it (paper: 1)")
    final_decay: float = option(0.0, "last fraction of the steps, in which step sizes fall to 0")
    adversarial: str = option("bce", "real/fake loss (paper: bce)", choices=("bce", "hinge"))
    background_weight: float = option(10.0, "weight of D_b's real/fake loss")
    information_weight: float = option(1.0, "weight of the two information losses")
    colour_weight: float = option(
        1.0, "StackGAN: weight of the colour consistency between scales (paper: 1)"
    )
    ema_decay: float = option(0.999, "decay of the running average of G's weights, per step")
    ema_warmup: bool = option(False, "shorter average at the start (paper: no)")
    ema_buffers: bool = option(False, "average G's BatchNorm statistics too (paper: no)")
    hard_pool: int = option(10, "hard-negative phase: batches drawn for one that is kept")
    relativistic: bool = option(
        False, "D_c judges pairs of a real and a drawn image, its loss that of RpGAN (paper: no)"
    )
    r1: float = option(0.0, "weight gamma of the R1 penalty, D_c's gradient at real images")
    r2: float = option(0.0, "weight gamma of the R2 penalty, D_c's gradient at drawn images")
    augment: tuple[str, ...] = option(
        (), "change what D_c judges, real and drawn: any of colour, translation, cutout"
    )
    augment_strength: float = option(
        1.0, "probability of each such change; with augment_target, the one at the start"
    )
    augment_target: float = option(
        0.0, "ADA: let the probability hold E[sign D_c(real)] at this value (0: it stays)"
    )
    augment_ramp: int = option(100_000, "ADA: images in which the probability can go from 0 to 1")
    d_noise: float = option(
        0.0, "sd of noise on all that D_c judges, real and fake; falls to 0 over the run"
    )
    free_background: bool = option(False, "draw b independently of c in training (paper: b = c)")
    free_child: float = option(
        0.0, "fraction of a batch with p drawn apart from c, for the code readers and D_b only"
    )
    contrastive_child: float = option(
        0.0, "weight of C3-GAN's contrastive losses, on a head of D_c's own"
    )
    pose_info: float = option(0.0, "weight of the information about z in the parent mask")
    pose_dims: int = option(4, "how many numbers of z that asks to be readable")
    mask_pull: float = option(0.0, "weight of |M_c - M_p|, pulling the child's mask")
    mask_pull_back: float = option(0.0, "weight of |M_c - M_p|, pulling the parent's mask")
    mask_binary: float = option(0.0, "weight of M(1 - M), on both masks")
    mask_area: float = option(0.0, "weight of the mask area's distance from its range")
    mask_smallest: float = option(0.1, "mask area range, lower end, as a fraction of the image")
    mask_largest: float = option(0.5, "mask area range, upper end, as a fraction of the image")
    mask_lean: float = option(
        0.0, "weight of the parent masks' leaning against the side that z's first number says"
    )
    code_noise: float = option(0.0, "sd of the noise added to what the code heads see")
    code_colour: float = option(
        0.0, "sd of a colour that is added to the whole of each foreground they see"
    )
    code_flip: bool = option(False, "mirror what the code heads see, at random")
    code_affine: float = option(0.0, "random scale, turn and shift of it (0.2: +-20 %, 12 deg.)")
    silhouette: float = option(
        0.0, "fraction of parent foregrounds shown to D_p in one flat colour"
    )
    child_restart: float = option(
        0.0,
        "start a child anew whose foreground differs from a sibling's by less: root mean square, "
        "of pixels in [-1, 1] (0: never)",
    )
    restart_every: int = option(800, "steps between two such comparisons")
    restart_until: float = option(0.6, "fraction of the run after which none is started anew")

    def __post_init__(self):
        sound = {
            "learning_rate": (self.learning_rate > 0, "above 0"),
            "slower_d": (self.slower_d > 0, "above 0"),
            "final_decay": (0 <= self.final_decay <= 1, "in [0, 1]"),
            "ema_decay": (0 <= self.ema_decay <= 1, "in [0, 1]"),
            "hard_pool": (self.hard_pool >= 1, "at least 1"),
            "mask_smallest": (0 <= self.mask_smallest <= self.mask_largest, "in [0, mask_largest]"),
            "silhouette": (0 <= self.silhouette <= 1, "in [0, 1]"),
            "free_child": (0 <= self.free_child < 1, "in [0, 1)"),
            "r1": (self.r1 >= 0, "at least 0"),
            "r2": (self.r2 >= 0, "at least 0"),
            "augment": (
                set(self.augment) <= set(POLICIES) and len(set(self.augment)) == len(self.augment),
                f"some of {', '.join(POLICIES)}, each once",
            ),
            "augment_strength": (0 <= self.augment_strength <= 1, "in [0, 1]"),
            "augment_target": (-1 < self.augment_target < 1, "between -1 and 1"),
            "augment_ramp": (self.augment_ramp >= 1, "at least 1"),
            "restart_every": (self.restart_every >= 1, "at least 1"),
            "restart_until": (0 <= self.restart_until <= 1, "in [0, 1]"),
        }
        for name, (good, wanted) in sound.items():
            if not good:
                raise InputError(
                    f"{name} must be {wanted}",
                    seen=getattr(self, name),
                    cure="Choose another value, or leave the option out.",
                )


@contextmanager
def frozen(*modules: nn.Module):
    """Let gradients flow through the modules without computing any for their weights."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@torch.no_grad()
def update_average(average: nn.Module, live: nn.Module, decay: float, buffers: bool) -> None:
    """average ← decay·average + (1 − decay)·live, weight by weight.

    BatchNorm's running statistics are averaged too if ``buffers``, else copied.
    """
    pairs = list(zip(average.parameters(), live.parameters(), strict=True))
    copied = list(zip(average.buffers(), live.buffers(), strict=True))
    if buffers:
        pairs += [(kept, new) for kept, new in copied if kept.is_floating_point()]
        copied = [(kept, new) for kept, new in copied if not kept.is_floating_point()]
    torch._foreach_lerp_(*map(list, zip(*pairs, strict=True)), 1 - decay)
    if copied:
        torch._foreach_copy_(*map(list, zip(*copied, strict=True)))


def follow(system: "GANSystem | InfoGANSystem | FineGANSystem") -> None:
    """One step of a system's average behind its generator, as its recipe says.

    With ``ema_warmup`` the decay rises as (1 + n)/(10 + n) in step n until it reaches
    ``ema_decay``: the first pictures then show what was learnt, not how the weights began.
    """
    system.updates += 1
    recipe, n = system.recipe, int(system.updates)
    decay = min(recipe.ema_decay, (1 + n) / (10 + n)) if recipe.ema_warmup else recipe.ema_decay
    update_average(system.average, system.generator, decay, recipe.ema_buffers)


def code_view(stage: Stage, recipe: Recipe, generator: torch.Generator, silhouette=0.0) -> Tensor:
    """What a code head is shown of a stage: its masked foreground M·F, (N, 3, S, S) (paper).

    The recipe's additions take away what the code must not hide in. Pose is not a category: random
    mirroring, turning, scaling and shifting. Nor is a faint pattern: noise. Nor a faint tint: one
    random colour over the whole foreground. Nor, for a parent, is colour: a fraction
    ``silhouette`` of the images shows the mask alone, in one of eight colours.

    Args:
        stage: of the generator's output.
        recipe: the switches.
        generator: random numbers, on the CPU.
        silhouette: fraction of the images that show their mask only.
    """
    images, n = stage.masked_foreground, len(stage.mask)
    device = images.device
    if silhouette > 0:
        flat = (draw(torch.rand, n, generator=generator) < silhouette).to(device)
        colour = draw_signs(n, 3, 1, 1, generator=generator).to(images)
        images = torch.where(flat[:, None, None, None], stage.mask * colour, images)
    if recipe.code_colour > 0:
        tint = draw(torch.randn, n, 3, 1, 1, generator=generator).to(images)
        images = images + recipe.code_colour * tint * stage.mask
    if recipe.code_affine > 0 or recipe.code_flip:
        images = _random_affine(images, recipe.code_affine, recipe.code_flip, generator)
    return noisy(images, recipe.code_noise, generator)


def noisy(images: Tensor, sd: float | Tensor, generator: torch.Generator) -> Tensor:
    """Images with Gaussian noise of standard deviation ``sd`` added; at 0 the images themselves."""
    if not isinstance(sd, Tensor) and sd == 0:
        return images
    return images + sd * draw(torch.randn, *images.shape, generator=generator).to(images)


def _random_affine(images: Tensor, size: float, flip: bool, generator: torch.Generator) -> Tensor:
    n = len(images)
    mirror = draw_signs(n, generator=generator).float()
    if size == 0:
        mirrored = (mirror < 0).to(images.device)[:, None, None, None]
        return torch.where(mirrored, images.flip(3), images)
    scale, angle, dx, dy = (draw(torch.rand, 4, n, generator=generator, batch_dim=1) * 2 - 1) * size
    mirror = mirror if flip else torch.ones_like(dx)
    scale = 1 + scale
    rows = [mirror * scale * angle.cos(), -scale * angle.sin(), dx / 2]
    rows += [mirror * scale * angle.sin(), scale * angle.cos(), dy / 2]
    theta = torch.stack(rows, 1).view(n, 2, 3).to(images)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def shown_to_d(system: "System", images: Tensor, generator: torch.Generator) -> Tensor:
    """What D_c judges of real or drawn images: with the recipe's noise, and augmented."""
    recipe = system.recipe
    images = noisy(images, system.noise_sd, generator)
    strength = getattr(system, "augment_strength", recipe.augment_strength)
    return augment(images, recipe.augment, strength, generator)


def judge_together(
    system: "System", logits_of, real: Tensor, fake: Tensor, generator: torch.Generator
) -> Tensor:
    """A discriminator's loss: real images against drawn ones, as the recipe has it.

    Args:
        system: whose recipe, noise and augmentation apply.
        logits_of: of several batches of images, each (N, 3, S, S), their logits, each (N,).
        real: (N, 3, S, S); fake: (M, 3, S, S), M ≤ N; no gradient flows to ``fake``.
        generator: random numbers, on the CPU.
    """
    recipe = system.recipe
    real = shown_to_d(system, real, generator)
    fake = shown_to_d(system, fake.detach(), generator)
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
    system: "System", logits_of, fake_logits: Tensor, real: Tensor, generator: torch.Generator
) -> Tensor:
    """The generator's side of :func:`judge_together`, on the logits of what it drew.

    Only a relativistic D looks at ``real``, child crops (N, 3, S, S).
    """
    recipe = system.recipe
    if not recipe.relativistic:
        return losses.adversarial_losses(recipe.adversarial)[1](fake_logits)
    with torch.no_grad():
        (real_logits,) = logits_of(shown_to_d(system, real[: len(fake_logits)], generator))
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


class System(nn.Module):
    """What all families have in common: they count their updates, and the count stays on the CPU.

    To ask a GPU for it would be to wait, in every step, for all that the GPU still has to do.
    """

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe
        self.register_buffer("updates", torch.tensor(0))
        if recipe.augment_target:
            self.register_buffer("augment_strength", torch.tensor(recipe.augment_strength))

    def _apply(self, *args, **kwargs):
        count = self.updates
        moved = super()._apply(*args, **kwargs)
        self.updates = count
        return moved


class GANSystem(System):
    """Generator and discriminator of Goodfellow et al. (2014), non-saturating or hinge loss."""

    make_generator = GANGenerator

    def __init__(self, config: GANConfig, recipe: Recipe):
        super().__init__(recipe)
        if type(self) is GANSystem:
            refuse_additions(recipe, "the GAN")
        self.config = config
        self.generator = self.make_generator(config)
        self.discriminator = GANDiscriminator(config)
        self.average = average_of(self.generator)
        self.optimisers = {
            "G": adam(self.generator.parameters(), recipe),
            "D": adam(self.discriminator.parameters(), recipe, recipe.slower_d),
        }

    def step(self, batch: TrainingExample, generator: torch.Generator, hard=False) -> dict:
        """One update of D, then of G. Returns the losses, scalars."""
        real = batch.child_crop
        d_loss, g_loss = losses.adversarial_losses(self.recipe.adversarial)
        z = draw(torch.randn, len(real), self.config.z_dim, generator=generator).to(real)
        fake = self.generator(z)
        loss_d = d_loss(self.discriminator(real), self.discriminator(fake.detach()))
        descend(self.optimisers["D"], loss_d)
        with frozen(self.discriminator):
            loss_g = g_loss(self.discriminator(fake))
            descend(self.optimisers["G"], loss_g)
        follow(self)
        return {"D": loss_d, "G": loss_g}

    def real_logits(self, images: Tensor) -> Tensor:
        """D's logits of images, (N, 3, S, S) → (N,)."""
        return self.discriminator(images)

    @torch.no_grad()
    def picture(self, seed: int = 0) -> Tensor:
        """64 images of the averaged generator in one, (3, H, W) in [0, 1]."""
        device = next(self.average.parameters()).device
        z = torch.randn(64, self.config.z_dim, generator=torch.Generator().manual_seed(seed))
        return image_grid(self.average(z.to(device)), columns=8)


class InfoGANSystem(System):
    """InfoGAN: V(D, G) − λ·L_I(G, Q).

    As in FineGAN's child discriminator the information loss trains G and the Q head; the trunk that
    Q reads learns from real/fake alone. (InfoGAN's own code lets both losses move the trunk.)
    """

    def __init__(self, config: InfoGANConfig, recipe: Recipe):
        super().__init__(recipe)
        refuse_additions(recipe, "the course's InfoGAN")
        self.config = config
        self.generator = InfoGANGenerator(config)
        self.discriminator = InfoGANDiscriminator(config)
        self.average = average_of(self.generator)
        head = self.discriminator.posterior
        trunk = [*self.discriminator.trunk.parameters(), *self.discriminator.real_fake.parameters()]
        self.optimisers = {
            "G": adam([*self.generator.parameters(), *head.parameters()], recipe),
            "D": adam(trunk, recipe, recipe.slower_d),
        }

    def draw_codes(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """z (n, z_dim), category indices (n,), continuous codes (n, n_continuous) in [-1, 1]."""
        return self.generator.draw_parts(n, generator)

    def step(self, batch: TrainingExample, generator: torch.Generator, hard=False) -> dict:
        """One update of D, then of G and Q together. Returns the losses, scalars."""
        real = batch.child_crop
        d_loss, g_loss = losses.adversarial_losses(self.recipe.adversarial)
        z, index, continuous = (
            code.to(real.device)
            for code in distributed.own_parts(self.draw_codes, len(real), generator)
        )
        code = torch.cat([one_hot(index, self.config.n_categories).to(z), continuous], 1)
        fake = self.generator(z, code)
        discriminator = self.discriminator
        # The plain GAN's forward: Q has no part in this step.
        real_logits = super(InfoGANDiscriminator, discriminator).forward(real)
        fake_logits = super(InfoGANDiscriminator, discriminator).forward(fake.detach())
        loss_d = d_loss(real_logits, fake_logits)
        descend(self.optimisers["D"], loss_d)
        with frozen(discriminator.trunk, discriminator.real_fake):
            fake_logits, (logits, mean, log_variance) = discriminator(fake)
            loss_g = g_loss(fake_logits)
            information = losses.information_loss(logits, index)
            if self.config.n_continuous:
                information = information + 0.1 * losses.gaussian_information_loss(
                    mean, log_variance, continuous
                )
            descend(self.optimisers["G"], loss_g + self.recipe.information_weight * information)
        follow(self)
        return {"D": loss_d, "G": loss_g, "info": information}

    def real_logits(self, images: Tensor) -> Tensor:
        """D's logits of images, (N, 3, S, S) → (N,)."""
        return self.discriminator(images)[0]

    @torch.no_grad()
    def picture(self, seed: int = 0) -> Tensor:
        """One column per category, one z per row, (3, H, W) in [0, 1]."""
        config, rows = self.config, 6
        device = next(self.average.parameters()).device
        z, _, continuous = self.draw_codes(rows, torch.Generator().manual_seed(seed))
        k = config.n_categories
        code = torch.cat([torch.eye(k).repeat(rows, 1), continuous.repeat_interleave(k, 0)], 1)
        z = z.repeat_interleave(k, 0)
        return image_grid(self.average(z.to(device), code.to(device)), columns=k)


class FineGANSystem(System):
    """FineGAN's generator, three discriminators and four optimisers (paper, section 3).

    ======  =======================================  ==================================
    name    weights                                  learns from
    ======  =======================================  ==================================
    D_b     background discriminator                 patches of full images, and B
    D_c     trunk and real/fake head of D_c          child crops, and C
            (and the contrastive head, if any)
    G       generator                                every term of its loss
    info    all of D_p; the code head of D_c         the two information losses
            (and the pose reader, if there is one)
    ======  =======================================  ==================================
    """

    def __init__(self, config: FineGANConfig, recipe: Recipe):
        super().__init__(recipe)
        self.config = config
        self.hierarchy = config.hierarchy()
        self.noise_sd = recipe.d_noise  # the training loop lowers it
        self.elapsed = 0.0  # and raises this, the fraction of the run that is over
        self.generator = FineGANGenerator(config)
        self.d_background, self.d_parent, self.d_child = build_discriminators(config)
        self.average = average_of(self.generator)
        trunk = [*self.d_child.trunk.parameters(), *self.d_child.real_fake.parameters()]
        if recipe.contrastive_child:
            self.contrastive = ContrastiveHead(config, self.d_child.trunk.out_channels)
            trunk += self.contrastive.parameters()
        readers = [*self.d_parent.trunk.parameters(), *self.d_parent.code.parameters()]
        if recipe.pose_info:
            if recipe.pose_dims > config.z_dim:
                raise InputError(
                    f"pose_dims cannot exceed z_dim ({config.z_dim})",
                    seen=recipe.pose_dims,
                    cure="Lower pose_dims, or lengthen z.",
                )
            self.pose_reader = PoseReader(config, recipe.pose_dims)
            readers += self.pose_reader.parameters()
        self.optimisers = {
            "G": adam(self.generator.parameters(), recipe),
            "D_b": adam(self.d_background.parameters(), recipe, recipe.slower_d),
            "D_c": adam(trunk, recipe, recipe.slower_d),
            "info": adam([*readers, *self.d_child.code.parameters()], recipe),
        }

    def step(self, batch: TrainingExample, generator: torch.Generator, hard=False) -> dict:
        """One update of D_b and D_c, then of G together with the code readers.

        Args:
            batch: of real images.
            generator: random numbers, on the CPU.
            hard: draw the hardest codes of a larger pool (see :meth:`hard_codes`).

        Returns:
            The losses and mean mask areas, scalars.
        """
        n, device = len(batch.child_crop), batch.child_crop.device
        drawn_by = self.hard_codes if hard else self.draw_codes
        codes = distributed.own_codes(drawn_by, n, generator).to(device)
        report = self.learn(batch, codes, generator)
        follow(self)
        self.restart_children(generator)
        return report

    def learn(
        self, batch: TrainingExample, codes: Codes, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The updates of a step, on given codes: all of it that a GPU works on.

        :class:`.devices.RecordedUpdates` may stand in its place.
        """
        fake = self.generator(codes)
        report = {"D_b": self.update_d_background(batch, fake)}
        report["D_c"] = self.update_d_child(batch, fake, generator)
        if self.recipe.contrastive_child:
            report["contrast_D"] = self.update_contrast(batch, fake, codes, generator)
        return report | self.update_generator(fake, codes, generator, batch.child_crop)

    def restart_children(self, generator: torch.Generator) -> None:
        """What ``child_restart`` asks for, when it is due (:mod:`finegan_lib.siblings`)."""
        recipe = self.recipe
        due = recipe.child_restart > 0 and int(self.updates) % recipe.restart_every == 0
        if due and siblings.SETTLED <= self.elapsed < recipe.restart_until:
            with torch.autocast(next(self.parameters()).device.type, enabled=False):
                found = siblings.duplicates(self.average, recipe.child_restart, generator)
                siblings.restart(self, found, generator)

    def draw_codes(self, n: int, generator: torch.Generator) -> Codes:
        """n codes, tied: p the parent of c, and b = c unless the recipe frees it.

        With ``free_child`` the last of them (all but :meth:`n_judged`) have any p.
        """
        codes = self.hierarchy.sample(n, self.config.z_dim, generator=generator)
        if self.recipe.free_background:
            codes = codes._replace(b=codes.b[torch.randperm(n, generator=generator)])
        judged = self.n_judged(n)
        if judged < n:
            any_p = torch.randint(self.hierarchy.n_parents, (n - judged,), generator=generator)
            any_p = one_hot(any_p, self.hierarchy.n_parents).to(codes.p)
            codes = codes._replace(p=torch.cat([codes.p[:judged], any_p]))
        return codes

    def n_judged(self, n: int) -> int:
        """How many images of n, the first, D_c judges real or fake: all, unless ``free_child``.

        A child under another's parent is no species, so nothing real is like it; but its parts
        must be readable, or its plumage is drawn on its own parent's shape only.
        """
        return max(1, round(n * (1 - self.recipe.free_child)))

    @torch.no_grad()
    @distributed.all_have_the_whole_batch()
    def hard_codes(self, n: int, generator: torch.Generator) -> Codes:
        """The n codes, of ``hard_pool`` times as many, that D_c reads worst.

        Worst: the lowest probability of the true c, given the masked child foreground (paper,
        supplementary 7.2, "hard negatives").
        """
        device = next(self.generator.parameters()).device
        pool, confidence = [], []
        for _ in range(self.recipe.hard_pool):
            codes = self.draw_codes(n, generator)
            on_device = codes.to(device)
            _, child = self.generator.draw_foregrounds(on_device, on_device.z.new_zeros(1))
            log_q = self.d_child.code_logits(child.masked_foreground).float().log_softmax(1)
            confidence.append(log_q.gather(1, on_device.c_index[:, None])[:, 0].cpu())
            pool.append(codes)
        pool = Codes(*(torch.cat(parts) for parts in zip(*pool, strict=True)))
        hardest, judged = torch.cat(confidence).argsort(stable=True), self.n_judged(n)
        last = hardest % n >= judged  # stay last: D_c's real/fake head does not see them
        return pool.select(torch.cat([hardest[~last][:judged], hardest[last][: n - judged]]))

    def update_d_background(self, batch: TrainingExample, fake: FineGANOutput) -> Tensor:
        """D_b: real and fake background patches, and which real patches are background."""
        weights = losses.background_patch_weights(batch.box, self.d_background.geometry)
        drawn = self.d_background.fit(fake.background.image.detach())
        aux, logits = self.d_background(torch.cat([batch.full_image, drawn]))
        (real_aux, _), (real_logits, fake_logits) = aux.chunk(2), logits.chunk(2)
        loss = losses.background_discriminator_loss(
            real_aux,
            real_logits,
            fake_logits,
            weights,
            adversarial=self.recipe.adversarial,
            background_weight=self.recipe.background_weight,
            n_background=distributed.mean_of(weights.sum()),
        )
        descend(self.optimisers["D_b"], loss)
        return loss

    def update_d_child(
        self, batch: TrainingExample, fake: FineGANOutput, generator: torch.Generator
    ) -> Tensor:
        """D_c: child crops of real images against finished images C."""
        drawn = fake.child.image[: self.n_judged(len(fake.child.image))]
        loss = judge_together(self, self.child_logits, batch.child_crop, drawn, generator)
        descend(self.optimisers["D_c"], loss)
        return loss

    def child_logits(self, *batches: Tensor) -> tuple[Tensor, ...]:
        """D_c's real/fake logits of several batches, in one pass: each (N, 3, S, S) → (N,)."""
        features = self.d_child.trunk.each(*batches)
        return tuple(self.d_child.real_fake(seen).flatten() for seen in features)

    def real_logits(self, images: Tensor) -> Tensor:
        """D_c's logits of images, (N, 3, S, S) → (N,)."""
        return self.d_child.real_fake_logits(images)

    def update_contrast(
        self, batch: TrainingExample, fake: FineGANOutput, codes: Codes, generator: torch.Generator
    ) -> Tensor:
        """D_c's trunk and its contrastive head, on codes and on real images: D_c as an encoder.

        As in C3-GAN's code (Kim and Ha, 2022): generated images near their codes, both whole and as
        masked foregrounds; two views of a real image near each other; and a tenth of the entropies
        that make real images choose a code, and not all the same.
        """
        head, trunk = self.contrastive, self.d_child.trunk
        part = code_view(Stage(*(t.detach() for t in fake.child)), self.recipe, generator)
        other_view = _random_affine(batch.child_crop, 0.2, True, generator)
        shown = (fake.child.image.detach(), part, batch.child_crop, other_view)
        whole, part, real, other = (head(trunk(images)) for images in shown)
        loss = losses.code_contrast_loss(whole, head.centroids, codes.c_index)
        loss = loss + losses.code_contrast_loss(part, head.centroids, codes.c_index)
        loss = loss + losses.instance_contrast_loss(real, other)
        assigned = losses.code_contrast_logits(real, head.centroids)
        loss = self.recipe.contrastive_child * (loss + 0.1 * losses.assignment_loss(assigned))
        descend(self.optimisers["D_c"], loss)
        return loss

    def update_generator(
        self,
        fake: FineGANOutput,
        codes: Codes,
        generator: torch.Generator,
        real: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """G, and with it D_p and D_c's code head, on the generator's loss.

        ``real``, child crops (N, 3, S, S), is needed by a relativistic D_c only.
        """
        recipe, d_child = self.recipe, self.d_child
        with frozen(self.d_background, d_child.trunk, d_child.real_fake):
            aux, background_logits = self.d_background(fake.background.image)
            judged = fake.child.image[: self.n_judged(len(codes.z))]
            parent_view = code_view(fake.parent, recipe, generator, recipe.silhouette)
            judged = shown_to_d(self, judged, generator)
            child_view = code_view(fake.child, recipe, generator)
            judged_features, code_features = d_child.trunk.each(judged, child_view)
            terms = losses.finegan_generator_loss(
                aux,
                background_logits,
                d_child.real_fake(judged_features).flatten(),
                self.d_parent.code_logits(parent_view),
                d_child.code(code_features).flatten(1),
                codes,
                adversarial=recipe.adversarial,
                background_weight=recipe.background_weight,
                information_weight=recipe.information_weight,
            )
            if recipe.relativistic:
                logits = d_child.real_fake(judged_features).flatten()
                terms["child"] = deceived(self, self.child_logits, logits, real, generator)
            terms |= self.mask_terms(fake, codes)
            if recipe.contrastive_child:
                terms["contrast"] = recipe.contrastive_child * self.contrast(fake, codes, generator)
            if recipe.pose_info:
                terms["pose_info"] = recipe.pose_info * self.pose_loss(fake, codes, generator)
            descend([self.optimisers["G"], self.optimisers["info"]], sum(terms.values()))
        areas = {
            "area_p": fake.parent.mask.detach().mean(),
            "area_c": fake.child.mask.detach().mean(),
        }
        return terms | areas

    def contrast(self, fake: FineGANOutput, codes: Codes, generator: torch.Generator) -> Tensor:
        """G's side of :meth:`update_contrast`: the masked foreground near its code."""
        view = code_view(fake.child, self.recipe, generator)
        with frozen(self.contrastive):
            features = self.contrastive(self.d_child.trunk(view))
            return losses.code_contrast_loss(features, self.contrastive.centroids, codes.c_index)

    @torch.no_grad()
    def picture(self, seed: int = 0) -> Tensor:
        """Children side by side; for one z the rows B, P, C, M_c·F_c, M_p, M_c, then C for others.

        (3, H, W) in [0, 1]; at most 40 children.
        """
        columns, more = min(self.hierarchy.n_children, 40), 3
        device = next(self.average.parameters()).device
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(1 + more, self.config.z_dim, generator=generator)
        c = torch.arange(columns).repeat(1 + more)
        codes = self.hierarchy.codes(z.repeat_interleave(columns, 0), c)
        out = self.average(codes.to(device))
        first = slice(0, columns)
        masks = [s.mask[first].expand(-1, 3, -1, -1) * 2 - 1 for s in (out.parent, out.child)]
        rows = [out.background.image[first], out.parent.image[first], out.child.image[first]]
        rows += [out.child.masked_foreground[first], *masks, out.child.image[columns:]]
        return image_grid(torch.cat(rows), columns)

    def pose_loss(self, fake: FineGANOutput, codes: Codes, generator: torch.Generator) -> Tensor:
        """−E[log Q(z|M_p)] per number of z, InfoGAN's bound for the noise itself.

        Without it G may draw every parent in one single pose. It asks only the mask, and only for
        the first ``pose_dims`` numbers: as many as a pose has.
        """
        n = self.recipe.pose_dims
        masks = noisy(fake.parent.mask, self.recipe.code_noise, generator)
        mean, log_variance = self.pose_reader(masks)
        return losses.gaussian_information_loss(mean, log_variance, codes.z[:, :n]) / n

    def mask_terms(self, fake: FineGANOutput, codes: Codes) -> dict[str, Tensor]:
        """The recipe's additions on the masks, those that are switched on."""
        recipe, masks = self.recipe, (fake.parent.mask, fake.child.mask)
        terms = {}
        if recipe.mask_pull:
            terms["pull"] = recipe.mask_pull * losses.mask_pull_loss(masks[1], masks[0])
        if recipe.mask_pull_back:
            terms["pull_back"] = recipe.mask_pull_back * losses.mask_pull_loss(*masks)
        if recipe.mask_binary:
            terms["binary"] = recipe.mask_binary * sum(map(losses.mask_binary_loss, masks))
        if recipe.mask_area:
            low, high = recipe.mask_smallest, recipe.mask_largest
            terms["area"] = recipe.mask_area * sum(
                losses.mask_area_loss(mask, low, high) for mask in masks
            )
        if recipe.mask_lean:
            side = codes.z[:, 0].sign()
            terms["lean"] = recipe.mask_lean * losses.mask_lean_loss(fake.parent.mask, side)
        return terms


def image_grid(images: Tensor, columns: int) -> Tensor:
    """Images (N, 3, S, S) in [-1, 1] as one picture, (3, H, W) in [0, 1], on the CPU."""
    return make_grid(images.float().cpu() / 2 + 0.5, nrow=columns, padding=1).clamp(0, 1)


def average_of(generator: nn.Module) -> nn.Module:
    """A copy to hold the running average: in evaluation mode, never trained."""
    return copy.deepcopy(generator).eval().requires_grad_(False)


def adam(parameters, recipe: Recipe, factor: float = 1.0) -> torch.optim.Adam:
    """Adam as the paper has it, betas (0.5, 0.999), at ``factor`` times the recipe's step size."""
    parameters = list(parameters)
    fused = not any(p.is_meta for p in parameters)  # torch 2.4 refuses it where there is no memory
    rate = factor * recipe.learning_rate
    return torch.optim.Adam(parameters, lr=rate, betas=(0.5, 0.999), fused=fused)


def descend(optimisers, loss: Tensor) -> None:
    """One step of one optimiser, or of several, down a loss's gradient.

    In float16 gradients would vanish below 6e-8, so there the loss is multiplied by a large number
    first and the gradients are divided by it (Micikevicius et al., 2018). A step whose gradients
    overflow is left out, and the number halved.
    """
    optimisers = optimisers if isinstance(optimisers, list) else [optimisers]
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    scaler = getattr(optimisers[0], "scaler", None)
    (loss if scaler is None else scaler.scale(loss)).backward()
    distributed.average_gradients(optimisers)
    for optimiser in optimisers:
        optimiser.step() if scaler is None else scaler.step(optimiser)
    torch.clear_autocast_cache()  # it holds the weights from before, in 16 bits
    if scaler is not None:
        scaler.update()
