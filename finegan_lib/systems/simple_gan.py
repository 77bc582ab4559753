"""One training step of Simple-GAN and of InfoGAN as FineGAN's baseline (paper, table 1).

The losses, optimisers, averages and additions of the paper's four baselines are FineGAN's; they
differ in the images that they generate and in their discriminators:

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

from typing import Any

import torch
from torch import Tensor, nn

from .. import losses
from ..data.example import TrainingExample
from ..models.finegan import CodeDiscriminator, whole_image
from ..models.simple_gan import (
    InfoGANBaselineConfig,
    InfoGANBaselineGenerator,
    SimpleGANGenerator,
)
from ..speed import distributed
from .adversarial import deceive, update_d
from .gan import GANSystem
from .parts import System, adam, average_of, descend, follow, frozen, image_grid
from .recipe import CODE_VIEWS, FINEGANS_OWN, MEASURES, REPAIRS, Recipe
from .views import code_view


class SimpleGANSystem(GANSystem):
    """Simple-GAN: one generator, one discriminator, the adversarial loss alone."""

    generator: SimpleGANGenerator
    make_generator: type[nn.Module] = SimpleGANGenerator
    unused: tuple[str, ...] = (
        *("information_weight", "colour_weight", "hard_pool", "code_colour"),
        *(*FINEGANS_OWN, *MEASURES, *REPAIRS),
    )
    ignored: tuple[str, ...] = ("background_weight", "free_background", *CODE_VIEWS)

    def step(self, batch: TrainingExample, rng: torch.Generator, hard: bool = False) -> dict:
        """One update of D, then of G. Returns the losses, scalars."""
        real = batch.child_crop
        (z,) = distributed.own_parts(self.generator.sample_codes, len(real), rng)
        output = self.generator(z.to(real))
        fake = self.finished(output)
        loss_d = update_d(self, "D", self.discriminator, real, fake, rng)
        with frozen(self.discriminator):
            loss_g = deceive(self, self.discriminator, real, fake, rng)
            descend(self.optimisers["G"], loss_g)
        follow(self)
        return {"D": loss_d, "G": loss_g, **self.areas(output)}

    @staticmethod
    def finished(output: Any) -> Tensor:
        """The image in the generator's output."""
        return output

    @staticmethod
    def areas(output: Any) -> dict:
        """Further values to report of a step."""
        return {}


class InfoGANBaselineSystem(System):
    """InfoGAN as FineGAN's baseline: Simple-GAN with a code c that the image must show.

    The code head reads the whole image with its background; FineGAN's reads a masked foreground. As
    in FineGAN's child stage, the information loss trains G and the code head. The trunk below the
    head learns only from real/fake.
    """

    generator: InfoGANBaselineGenerator
    unused: tuple[str, ...] = ("colour_weight", "hard_pool", *FINEGANS_OWN, *MEASURES, *REPAIRS)
    ignored: tuple[str, ...] = ("background_weight", "free_background")

    def __init__(self, config: InfoGANBaselineConfig, recipe: Recipe):
        super().__init__(recipe)
        self.config = config
        self.generator = InfoGANBaselineGenerator(config)
        self.discriminator = CodeDiscriminator(config, config.n_children, config.norm)
        self.average = average_of(self.generator)
        trunk = [*self.discriminator.trunk.parameters(), *self.discriminator.real_fake.parameters()]
        self.optimisers = {
            "G": adam(self.generator.parameters(), recipe),
            "D": adam(trunk, recipe, recipe.slower_d),
            "info": adam(self.discriminator.code.parameters(), recipe),
        }

    def step(self, batch: TrainingExample, rng: torch.Generator, hard: bool = False) -> dict:
        """One update of D, then of G and the code head together. Returns the losses, scalars."""
        real, recipe, discriminator = batch.child_crop, self.recipe, self.discriminator
        codes = distributed.own_parts(self.generator.sample_codes, len(real), rng)
        z, c = (code.to(real) for code in codes)
        fake = self.generator(z, c)
        loss_d = update_d(self, "D", discriminator.real_fake_logits, real, fake, rng)
        with frozen(discriminator.trunk, discriminator.real_fake):
            loss_g = deceive(self, discriminator.real_fake_logits, real, fake, rng)
            view = code_view(whole_image(fake), recipe, rng)
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
