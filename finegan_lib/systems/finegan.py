"""FineGAN's training step of the paper (section 3), and nothing else.

Additions to the paper are in :mod:`.additions`, :mod:`.views` and :mod:`.adversarial`; the recipe
switches them on. The step calls them at the lines marked with ``# +``. With the paper's recipe,
each of these calls returns its input.
"""

import torch
from torch import Tensor

from .. import losses
from ..codes import Codes
from ..data.example import TrainingExample
from ..models.finegan import FineGANConfig, FineGANGenerator, FineGANOutput, build_discriminators
from ..speed import distributed
from .additions import Additions
from .adversarial import adapt_strength, discriminate, shown_to_d
from .hard_negatives import HardNegatives
from .parts import adam, average_of, descend, follow, frozen, total, weights_of
from .recipe import Recipe
from .views import code_view


class FineGANSystem(HardNegatives, Additions):
    """FineGAN's generator, three discriminators and four optimisers (paper, section 3).

    ======  =======================================  ==================================
    name    weights                                  learns from
    ======  =======================================  ==================================
    D_b     background discriminator                 patches of full images, and B
    D_c     trunk and real/fake head of D_c          child crops, and C
    G       generator                                every term of its loss
    info    all of D_p; the code head of D_c         the two information losses
    ======  =======================================  ==================================
    """

    def __init__(self, config: FineGANConfig, recipe: Recipe):
        super().__init__(recipe)
        self.config, self.hierarchy = config, config.hierarchy()
        self.generator = FineGANGenerator(config)
        self.d_background, self.d_parent, self.d_child = build_discriminators(config)
        self.average = average_of(self.generator)
        real_fake, readers = self.more_heads()  # +
        d_p, d_c, slower = self.d_parent, self.d_child, recipe.slower_d
        self.optimisers = {
            "G": adam(weights_of(self.generator), recipe),
            "D_b": adam(weights_of(self.d_background), recipe, slower),
            "D_c": adam(weights_of(d_c.trunk, d_c.real_fake, *real_fake), recipe, slower),
            "info": adam(weights_of(d_p.trunk, d_p.code, *readers, d_c.code), recipe),
        }

    def step(self, batch: TrainingExample, rng: torch.Generator, hard: bool = False) -> dict:
        """One update of D_b and D_c, then of G together with the code readers.

        Args:
            batch: of real images.
            rng: numbers, on the CPU.
            hard: sample the hardest codes of a larger pool (see :meth:`hard_codes`).

        Returns:
            The losses and mean mask areas, scalars.
        """
        n, device = len(batch.child_crop), batch.child_crop.device
        codes = distributed.own_codes(self.sampler(hard), n, rng).to(device)
        report = self.learn(batch, codes, rng)
        follow(self)
        self.restart_children(rng)  # +
        return report

    def learn(self, batch: TrainingExample, codes: Codes, rng: torch.Generator) -> dict:
        """The updates of a step, on given codes: the part of the step that runs on a GPU."""
        fake = self.generator(codes)
        report = {"D_b": self.update_d_background(batch, fake)}
        report["D_c"] = self.update_d_child(batch, fake, rng)
        report |= self.more_updates(batch, fake, codes, rng)  # +
        return report | self.update_generator(fake, codes, rng, batch.child_crop)

    def sample_codes(self, n: int, rng: torch.Generator) -> Codes:
        """n codes, tied: p the parent of c, and b = c."""
        codes = self.hierarchy.sample(n, self.config.z_dim, rng=rng)
        return self.freed(codes, rng)  # +

    def update_d_background(self, batch: TrainingExample, fake: FineGANOutput) -> Tensor:
        """D_b: real and fake background patches, and which real patches are background."""
        weights = losses.background_patch_weights(batch.box, self.d_background.geometry)
        generated = self.d_background.fit(fake.background.image.detach())
        aux, logits = self.d_background(torch.cat([batch.full_image, generated]))
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
        self, batch: TrainingExample, fake: FineGANOutput, rng: torch.Generator
    ) -> Tensor:
        """D_c: child crops of real images against finished images C."""
        generated = self.for_real_fake(fake.child.image)  # +
        seen = discriminate(self, self.child_logits, batch.child_crop, generated, rng)
        descend(self.optimisers["D_c"], seen.loss)
        adapt_strength(self, seen)  # +
        return seen.loss

    def child_logits(self, *batches: Tensor) -> tuple[Tensor, ...]:
        """D_c's real/fake logits of several batches, in one pass: each (N, 3, S, S) → (N,)."""
        features = self.d_child.trunk.each(*batches)
        return tuple(self.d_child.real_fake(seen).flatten() for seen in features)

    def update_generator(
        self, fake: FineGANOutput, codes: Codes, rng: torch.Generator, real: Tensor | None = None
    ) -> dict:
        """G, with D_p and D_c's code head; ``real``: child crops, for a relativistic D_c."""
        recipe, d_child = self.recipe, self.d_child
        with frozen(self.d_background, d_child.trunk, d_child.real_fake):
            aux, background_logits = self.d_background(fake.background.image)
            parent_view = code_view(fake.parent, recipe, rng, recipe.silhouette)  # +
            shown = shown_to_d(self, self.for_real_fake(fake.child.image), rng)  # +
            child_view = code_view(fake.child, recipe, rng)  # +
            shown_features, code_features = d_child.trunk.each(shown, child_view)
            fake_logits = d_child.real_fake(shown_features).flatten()
            terms = losses.finegan_generator_loss(
                aux,
                background_logits,
                fake_logits,
                self.d_parent.code_logits(parent_view),
                d_child.code(code_features).flatten(1),
                codes,
                adversarial=recipe.adversarial,
                background_weight=recipe.background_weight,
                information_weight=recipe.information_weight,
            )
            terms |= self.more_terms(fake, codes, fake_logits, real, rng)  # +
            descend([self.optimisers["G"], self.optimisers["info"]], total(terms.values()))
        areas = {"area_p": fake.parent.mask, "area_c": fake.child.mask}
        return terms | {name: mask.detach().mean() for name, mask in areas.items()}
