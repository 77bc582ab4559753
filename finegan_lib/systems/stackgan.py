"""One training step of StackGAN-v2, unconditional."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import losses
from ..data.example import TrainingExample
from ..models.gan import GANDiscriminator
from ..models.stackgan import StackGANConfig, StackGANGenerator, image_pyramid
from ..speed import distributed
from .adversarial import deceive, update_d
from .parts import System, adam, average_of, descend, follow, frozen, image_grid, total
from .recipe import CODE_VIEWS, FINEGANS_OWN, MEASURES, REPAIRS, Recipe


class StackGANSystem(System):
    """StackGAN-v2, unconditional: one discriminator for each scale, equal colours on all scales.

    The real images of every scale are one crop, averaged down.
    """

    generator: StackGANGenerator
    average: StackGANGenerator
    unused: tuple[str, ...] = (
        *("information_weight", "hard_pool", "code_colour"),
        *(*FINEGANS_OWN, *MEASURES, *REPAIRS),
    )
    ignored: tuple[str, ...] = ("background_weight", "free_background", *CODE_VIEWS)

    def __init__(self, config: StackGANConfig, recipe: Recipe):
        super().__init__(recipe)
        self.config = config
        self.generator = StackGANGenerator(config)
        self.discriminators = nn.ModuleList(GANDiscriminator(config, s) for s in config.sizes)
        self.average = average_of(self.generator)
        self.optimisers = {"G": adam(self.generator.parameters(), recipe)} | {
            f"D_{size}": adam(discriminator.parameters(), recipe, recipe.slower_d)
            for size, discriminator in zip(config.sizes, self.discriminators, strict=True)
        }

    def step(self, batch: TrainingExample, rng: torch.Generator, hard: bool = False) -> dict:
        """One update of every D, then of G. Returns the losses, scalars."""
        sizes = self.config.sizes
        real = image_pyramid(batch.child_crop, sizes)
        n = len(batch.child_crop)
        (z,) = distributed.own_parts(self.generator.sample_codes, n, rng)
        fake = self.generator(z.to(batch.child_crop))
        report, terms = {}, {}
        for i, size in enumerate(sizes):
            name, network = f"D_{size}", self.discriminators[i]
            finest = i == len(sizes) - 1
            report[name] = update_d(self, name, network, real[i], fake[i], rng, adapt=finest)
        with frozen(self.discriminators):
            for i, size in enumerate(sizes):
                loss = deceive(self, self.discriminators[i], real[i], fake[i], rng)
                terms[f"G_{size}"] = loss
            for i in range(1, len(sizes)):
                colour = losses.colour_consistency_loss(fake[i], fake[i - 1])
                terms[f"colour_{sizes[i]}"] = self.recipe.colour_weight * colour
            descend(self.optimisers["G"], total(terms.values()))
        follow(self)
        return report | terms

    def real_logits(self, images: Tensor) -> Tensor:
        """The finest discriminator's logits of images, (N, 3, S, S) → (N,)."""
        return self.discriminators[-1](images)

    @torch.no_grad()
    def picture(self, seed: int = 0) -> Tensor:
        """Every scale of 12 images, coarse to fine from top to bottom, (3, H, W) in [0, 1]."""
        device = next(self.average.parameters()).device
        (z,) = self.average.sample_codes(12, torch.Generator().manual_seed(seed))
        side = self.config.image_size
        pyramid = [F.interpolate(images, (side, side)) for images in self.average(z.to(device))]
        return image_grid(torch.cat(pyramid), columns=12)
