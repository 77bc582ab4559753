"""One training step of the systems that the paper compares FineGAN with (Table 1).

Their losses, optimisers, averages and additions are those of :mod:`finegan_lib.systems`; what
differs is what they generate and who judges it:

=============  ==========================================  ====================================
system         generates                                   judged by
=============  ==========================================  ====================================
Simple-GAN     an image from z                             one discriminator
InfoGAN        an image from z and a child code c          one discriminator with a code head,
                                                           both on the **whole** image
LR-GAN         a background and pasted objects             one discriminator, of the finished
                                                           image
StackGAN-v2    the image at several scales                 one discriminator a scale, and the
                                                           colours of the next coarser scale
=============  ==========================================  ====================================
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import losses
from .data.example import TrainingExample
from .models.finegan import CodeDiscriminator, Stage
from .models.gan import GANDiscriminator
from .models.lr_gan import LRGANConfig, LRGANGenerator, LRGANOutput
from .models.simple_gan import (
    InfoGANBaselineConfig,
    InfoGANBaselineGenerator,
    SimpleGANConfig,
    SimpleGANGenerator,
)
from .models.stackgan import StackGANConfig, StackGANGenerator, image_pyramid
from .speed import distributed
from .systems import (
    GANSystem,
    Recipe,
    System,
    adam,
    average_of,
    code_view,
    deceived,
    descend,
    follow,
    frozen,
    image_grid,
    judge_together,
    shown_to_d,
)


def judge(system, real_fake, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """A discriminator's loss: real images against generated ones, a pass for each.

    Args:
        system: whose recipe, noise and augmentation apply.
        real_fake: images to logits, (N, 3, S, S) → (N,).
        real, fake: (N, 3, S, S); no gradient flows to ``fake``.
        generator: random numbers, on the CPU.
    """
    return judge_together(system, one_by_one(real_fake), real, fake, generator)


def deceive(system, real_fake, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    """The generator's side of :func:`judge`."""
    fake_logits = real_fake(shown_to_d(system, fake, generator))
    return deceived(system, one_by_one(real_fake), fake_logits, real, generator)


def one_by_one(real_fake):
    """A network that takes several batches, and works each out in a pass of its own."""
    return lambda *batches: tuple(real_fake(images) for images in batches)


class SimpleGANSystem(GANSystem):
    """Simple-GAN: one generator, one discriminator, the adversarial loss alone."""

    make_generator = SimpleGANGenerator

    def __init__(self, config: SimpleGANConfig | LRGANConfig, recipe: Recipe):
        super().__init__(config, recipe)
        self.noise_sd = recipe.d_noise  # the training loop lowers it

    def step(self, batch: TrainingExample, generator: torch.Generator, hard=False) -> dict:
        """One update of D, then of G. Returns the losses, scalars."""
        real = batch.child_crop
        (z,) = distributed.own_parts(self.generator.draw_codes, len(real), generator)
        output = self.generator(z.to(real))
        fake = self.finished(output)
        loss_d = judge(self, self.discriminator, real, fake, generator)
        descend(self.optimisers["D"], loss_d)
        with frozen(self.discriminator):
            loss_g = deceive(self, self.discriminator, real, fake, generator)
            descend(self.optimisers["G"], loss_g)
        follow(self)
        return {"D": loss_d, "G": loss_g, **self.watch(output)}

    @staticmethod
    def finished(output: Tensor) -> Tensor:
        """The image in what the generator returns."""
        return output

    @staticmethod
    def watch(output: Tensor) -> dict:
        """What else to report of a step."""
        return {}

    def draw(self, n: int, seed: int):
        """The averaged generator's output for n random codes."""
        codes = self.average.draw_codes(n, torch.Generator().manual_seed(seed))
        device = next(self.average.parameters()).device
        return self.average(*(code.to(device) for code in codes))

    @torch.no_grad()
    def picture(self, seed: int = 0) -> Tensor:
        """64 images of the averaged generator in one, (3, H, W) in [0, 1]."""
        return image_grid(self.draw(64, seed), columns=8)


class LRGANSystem(SimpleGANSystem):
    """LR-GAN. Its loss knows nothing of layers: that a mask finds an object is left to chance.

    No term keeps a mask from filling the image or from vanishing (the authors have none either):
    watch ``area``, the mean of the pasted masks, and ``scale``, the mean of the poses' scales.
    """

    make_generator = LRGANGenerator

    @staticmethod
    def finished(output: LRGANOutput) -> Tensor:
        return output.image

    @staticmethod
    def watch(output: LRGANOutput) -> dict:
        masks = torch.stack([pasted.pasted.mask.detach() for pasted in output.objects])
        thetas = torch.stack([pasted.theta.detach() for pasted in output.objects])
        return {
            "area": masks.mean(),
            "scale": (thetas[..., 0, 0].mean() + thetas[..., 1, 1].mean()) / 2,
        }

    @torch.no_grad()
    def picture(self, seed: int = 0) -> Tensor:
        """One image a column; rows: background, each object's f, m, pasted m̂, and the image."""
        output = self.draw(12, seed)
        rows = [output.background]
        for drawn in output.objects:
            masks = (drawn.mask.expand(-1, 3, -1, -1) * 2 - 1, drawn.pasted.mask * 2 - 1)
            rows += [drawn.foreground, masks[0], masks[1].expand(-1, 3, -1, -1)]
            rows += [drawn.pasted.image]
        return image_grid(torch.cat(rows), columns=12)


class InfoGANBaselineSystem(System):
    """InfoGAN as FineGAN's baseline: Simple-GAN, and a code c that the image must give away.

    The code head reads the whole image, background and all, where FineGAN's reads a masked
    foreground. As in FineGAN's child stage the information loss trains G and the code head; the
    trunk that the head reads learns from real/fake alone.
    """

    def __init__(self, config: InfoGANBaselineConfig, recipe: Recipe):
        super().__init__(recipe)
        self.config = config
        self.noise_sd = recipe.d_noise  # the training loop lowers it
        self.generator = InfoGANBaselineGenerator(config)
        self.discriminator = CodeDiscriminator(config, config.n_children, config.norm)
        self.average = average_of(self.generator)
        trunk = [*self.discriminator.trunk.parameters(), *self.discriminator.real_fake.parameters()]
        self.optimisers = {
            "G": adam(self.generator.parameters(), recipe),
            "D": adam(trunk, recipe, recipe.slower_d),
            "info": adam(self.discriminator.code.parameters(), recipe),
        }

    def step(self, batch: TrainingExample, generator: torch.Generator, hard=False) -> dict:
        """One update of D, then of G and the code head together. Returns the losses, scalars."""
        real, recipe, discriminator = batch.child_crop, self.recipe, self.discriminator
        codes = distributed.own_parts(self.generator.draw_codes, len(real), generator)
        z, c = (code.to(real) for code in codes)
        fake = self.generator(z, c)
        loss_d = judge(self, discriminator.real_fake_logits, real, fake, generator)
        descend(self.optimisers["D"], loss_d)
        with frozen(discriminator.trunk, discriminator.real_fake):
            loss_g = deceive(self, discriminator.real_fake_logits, real, fake, generator)
            view = code_view(whole_image(fake), recipe, generator)
            information = losses.information_loss(discriminator.code_logits(view), c.argmax(1))
            loss = loss_g + recipe.information_weight * information
            descend([self.optimisers["G"], self.optimisers["info"]], loss)
        follow(self)
        return {"D": loss_d, "G": loss_g, "info": information}

    def real_logits(self, images: Tensor) -> Tensor:
        """D's logits of images, (N, 3, S, S) → (N,)."""
        return self.discriminator.real_fake_logits(images)

    @torch.no_grad()
    def picture(self, seed: int = 0) -> Tensor:
        """One column per child code (at most 40), one z per row, (3, H, W) in [0, 1]."""
        rows, columns = 6, min(self.config.n_children, 40)
        device = next(self.average.parameters()).device
        z = torch.randn(rows, self.config.z_dim, generator=torch.Generator().manual_seed(seed))
        c = torch.eye(self.config.n_children)[:columns].repeat(rows, 1)
        z = z.repeat_interleave(columns, 0)
        return image_grid(self.average(z.to(device), c.to(device)), columns)


def whole_image(images: Tensor) -> Stage:
    """Images as a stage whose mask leaves nothing out."""
    return Stage(images, torch.ones_like(images[:, :1]), images, images)


class StackGANSystem(System):
    """StackGAN-v2, unconditional: a discriminator a scale, and one palette for all scales.

    The real images of every scale are one crop, averaged down.
    """

    def __init__(self, config: StackGANConfig, recipe: Recipe):
        super().__init__(recipe)
        self.config = config
        self.noise_sd = recipe.d_noise  # the training loop lowers it
        self.generator = StackGANGenerator(config)
        self.discriminators = nn.ModuleList(GANDiscriminator(config, s) for s in config.sizes)
        self.average = average_of(self.generator)
        self.optimisers = {"G": adam(self.generator.parameters(), recipe)} | {
            f"D_{size}": adam(discriminator.parameters(), recipe, recipe.slower_d)
            for size, discriminator in zip(config.sizes, self.discriminators, strict=True)
        }

    def step(self, batch: TrainingExample, generator: torch.Generator, hard=False) -> dict:
        """One update of every D, then of G. Returns the losses, scalars."""
        sizes = self.config.sizes
        real = image_pyramid(batch.child_crop, sizes)
        n = len(batch.child_crop)
        (z,) = distributed.own_parts(self.generator.draw_codes, n, generator)
        fake = self.generator(z.to(batch.child_crop))
        report, terms = {}, {}
        for i, size in enumerate(sizes):
            loss = judge(self, self.discriminators[i], real[i], fake[i], generator)
            descend(self.optimisers[f"D_{size}"], loss)
            report[f"D_{size}"] = loss
        with frozen(self.discriminators):
            for i, size in enumerate(sizes):
                loss = deceive(self, self.discriminators[i], real[i], fake[i], generator)
                terms[f"G_{size}"] = loss
            for i in range(1, len(sizes)):
                colour = losses.colour_consistency_loss(fake[i], fake[i - 1])
                terms[f"colour_{sizes[i]}"] = self.recipe.colour_weight * colour
            descend(self.optimisers["G"], sum(terms.values()))
        follow(self)
        return report | terms

    def real_logits(self, images: Tensor) -> Tensor:
        """The finest discriminator's logits of images, (N, 3, S, S) → (N,)."""
        return self.discriminators[-1](images)

    @torch.no_grad()
    def picture(self, seed: int = 0) -> Tensor:
        """Every scale of 12 images, coarse to fine from top to bottom, (3, H, W) in [0, 1]."""
        device = next(self.average.parameters()).device
        (z,) = self.average.draw_codes(12, torch.Generator().manual_seed(seed))
        side = self.config.image_size
        pyramid = [F.interpolate(images, (side, side)) for images in self.average(z.to(device))]
        return image_grid(torch.cat(pyramid), columns=12)
