"""One training step of InfoGAN."""

import torch
from torch import Tensor

from .. import losses
from ..codes import one_hot
from ..data.example import TrainingExample
from ..models.infogan import InfoGANConfig, InfoGANDiscriminator, InfoGANGenerator
from ..speed import distributed
from .parts import System, adam, average_of, descend, follow, frozen, image_grid
from .recipe import NOT_PLAIN, Recipe


class InfoGANSystem(System):
    """InfoGAN: V(D, G) − λ·L_I(G, Q).

    As in FineGAN's child discriminator the information loss trains G and the Q head; the trunk that
    Q reads learns from real/fake alone. (InfoGAN's own code lets both losses move the trunk.)
    """

    generator: InfoGANGenerator
    unused: tuple[str, ...] = NOT_PLAIN

    def __init__(self, config: InfoGANConfig, recipe: Recipe):
        super().__init__(recipe)
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

    def sample_codes(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """z (n, z_dim), category indices (n,), continuous codes (n, n_continuous) in [-1, 1]."""
        return self.generator.sample_parts(n, rng)

    def step(self, batch: TrainingExample, rng: torch.Generator, hard: bool = False) -> dict:
        """One update of D, then of G and Q together. Returns the losses, scalars."""
        real = batch.child_crop
        d_loss, g_loss = losses.adversarial_losses(self.recipe.adversarial)
        z, index, continuous = (
            code.to(real.device)
            for code in distributed.own_parts(self.sample_codes, len(real), rng)
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
        z, _, continuous = self.sample_codes(rows, torch.Generator().manual_seed(seed))
        k = config.n_categories
        code = torch.cat([torch.eye(k).repeat(rows, 1), continuous.repeat_interleave(k, 0)], 1)
        z = z.repeat_interleave(k, 0)
        return image_grid(self.average(z.to(device), code.to(device)), columns=k)
