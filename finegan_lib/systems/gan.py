"""One training step of the plain GAN, of the lesson GAN."""

import torch
from torch import Tensor, nn

from .. import losses
from ..data.example import TrainingExample
from ..models.gan import GANConfig, GANDiscriminator, GANGenerator
from ..speed.distributed import sample
from .parts import System, adam, average_of, descend, follow, frozen
from .recipe import NOT_PLAIN, Recipe


class GANSystem(System):
    """Generator and discriminator of Goodfellow et al. (2014), non-saturating or hinge loss."""

    config: GANConfig
    discriminator: GANDiscriminator
    make_generator: type[nn.Module] = GANGenerator
    unused: tuple[str, ...] = ("information_weight", *NOT_PLAIN)

    def __init__(self, config: GANConfig, recipe: Recipe):
        super().__init__(recipe)
        self.config = config
        self.generator = self.make_generator(config)
        self.discriminator = GANDiscriminator(config)
        self.average = average_of(self.generator)
        self.optimisers = {
            "G": adam(self.generator.parameters(), recipe),
            "D": adam(self.discriminator.parameters(), recipe, recipe.slower_d),
        }

    def step(self, batch: TrainingExample, rng: torch.Generator, hard: bool = False) -> dict:
        """One update of D, then of G. Returns the losses, scalars."""
        real = batch.child_crop
        d_loss, g_loss = losses.adversarial_losses(self.recipe.adversarial)
        z = sample(torch.randn, len(real), self.config.z_dim, rng=rng).to(real)
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
