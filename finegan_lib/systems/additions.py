"""The additions to the paper's step of FineGAN, in groups.

The groups are free codes, contrast, masks, poses and repairs. Each names its source and its effect
("Worth"). The numbers for ToyBirds are from ``results/ablation.json``, which has the commands;
higher is better. Two more groups are in :mod:`.views` (what the code heads see) and
:mod:`.adversarial` (what D_c sees).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .. import losses
from ..base.errors import InputError
from ..codes import Codes, one_hot
from ..data.example import TrainingExample
from ..models.finegan import ContrastiveHead, FineGANOutput, PoseReader, Stage
from . import covering, siblings
from .adversarial import deceived
from .networks import FineGANNetworks
from .parts import descend, frozen, total
from .views import code_view, noisy, random_affine


class FreeCodes(FineGANNetworks):
    """Codes that are not tied, in training.

    Source: our own. In the paper's training, b = c, and p is c's parent. A generator may therefore
    generate one part of the picture by the code of another part.
    Worth, on ToyBirds: without a free b the masks' IoU is 0.51 instead of 0.72. Without free
    children it is 0.71, and the NMI of parents found in real birds 0.16 instead of 0.22. On
    photographs (``results/ablation_cub50.json``), 1 of 50 children differs from every other one
    without free children, 10 to 15 with them.
    """

    def freed(self, codes: Codes, rng: torch.Generator) -> Codes:
        """Codes of a batch with more combinations than the tied ones.

        With ``free_background`` the batch's b in random order; with ``free_child`` any p for the
        last images.
        """
        n = len(codes.z)
        if self.recipe.free_background:
            codes = codes._replace(b=codes.b[torch.randperm(n, generator=rng)])
        first = self.n_real_fake(n)
        if first < n:
            any_p = torch.randint(self.hierarchy.n_parents, (n - first,), generator=rng)
            any_p = one_hot(any_p, self.hierarchy.n_parents).to(codes.p)
            codes = codes._replace(p=torch.cat([codes.p[:first], any_p]))
        return codes

    def for_real_fake(self, images: Tensor) -> Tensor:
        """The images that D_c's real/fake head sees: the first :meth:`n_real_fake`."""
        return images[: self.n_real_fake(len(images))]

    def n_real_fake(self, n: int) -> int:
        """How many images of n, the first, D_c's real/fake head sees: all, unless ``free_child``.

        A child with another child's parent is not a species, so no real image looks like it. But
        the readers must see it; otherwise G generates its plumage only on its own parent's shape.
        """
        return max(1, round(n * (1 - self.recipe.free_child)))


class Contrast(FineGANNetworks):
    """Codes as points in the space of the images' features: D_c as an encoder.

    Source: C3-GAN, Kim and Ha, 2022, and its code.
    Worth: the NMI of sorted ToyBirds is 0.913 instead of 0.895 (``results/tables/table3_toy``).
    """

    def update_contrast(
        self, batch: TrainingExample, fake: FineGANOutput, codes: Codes, rng: torch.Generator
    ) -> Tensor:
        """D_c's trunk and its contrastive head, on codes and on real images: D_c as an encoder.

        As in C3-GAN's code (Kim and Ha, 2022): generated images are pulled to their codes, both
        whole and as masked foregrounds; two views of a real image are pulled together; and a tenth
        of :func:`~finegan_lib.losses.assignment_loss` makes real images choose different codes.
        """
        head, trunk = self.contrastive, self.d_child.trunk
        part = code_view(Stage(*(t.detach() for t in fake.child)), self.recipe, rng)
        other_view = random_affine(batch.child_crop, 0.2, True, rng)
        shown = (fake.child.image.detach(), part, batch.child_crop, other_view)
        whole, part, real, other = (head(trunk(images)) for images in shown)
        loss = losses.code_contrast_loss(whole, head.centroids, codes.c_index)
        loss = loss + losses.code_contrast_loss(part, head.centroids, codes.c_index)
        loss = loss + losses.instance_contrast_loss(real, other)
        assigned = losses.code_contrast_logits(real, head.centroids)
        loss = self.recipe.contrastive_child * (loss + 0.1 * losses.assignment_loss(assigned))
        descend(self.optimisers["D_c"], loss)
        return loss

    def contrast(self, fake: FineGANOutput, codes: Codes, rng: torch.Generator) -> Tensor:
        """G's part of :meth:`update_contrast`: pull the masked foreground to its code."""
        view = code_view(fake.child, self.recipe, rng)
        with frozen(self.contrastive):
            features = self.contrastive(self.d_child.trunk(view))
            return losses.code_contrast_loss(features, self.contrastive.centroids, codes.c_index)


class Masks(FineGANNetworks):
    """Losses on the masks, which the paper does not have.

    Source: our own; the pull towards 0 and 1 and the range of areas are common in work on
    segmentation without labels.
    Worth, on ToyBirds, masks' IoU and parents' NMI (0.72 and 0.65 with everything on): without the
    pull 0.53 and 0.64, without crispness 0.66 and 0.71, without the area range 0.71 and 0.48,
    without the pull back 0.76 and 0.57, without the lean 0.72 and 0.62.
    """

    def mask_terms(self, fake: FineGANOutput, codes: Codes) -> dict[str, Tensor]:
        """The recipe's additions on the masks, those that are switched on."""
        recipe, masks = self.recipe, (fake.parent.mask, fake.child.mask)
        terms: dict[str, Tensor] = {}
        if recipe.mask_pull:
            terms["pull"] = recipe.mask_pull * losses.mask_pull_loss(masks[1], masks[0])
        if recipe.mask_pull_back:
            terms["pull_back"] = recipe.mask_pull_back * losses.mask_pull_loss(*masks)
        if recipe.mask_binary:
            terms["binary"] = recipe.mask_binary * total(map(losses.mask_binary_loss, masks))
        if recipe.mask_area:
            low, high = recipe.mask_smallest, recipe.mask_largest
            terms["area"] = recipe.mask_area * total(
                losses.mask_area_loss(mask, low, high) for mask in masks
            )
        if recipe.mask_lean:
            side = codes.z[:, 0].sign()
            terms["lean"] = recipe.mask_lean * losses.mask_lean_loss(fake.parent.mask, side)
        return terms


class Poses(FineGANNetworks):
    """InfoGAN's bound for the noise z: the parent mask must show it.

    Source: our own, after InfoGAN.
    Worth: off in every preset. With it, one training on ToyBirds had a masks' IoU of 0.72 and a
    parents' NMI of 0.62; without it, with the same seed, 0.66 and 0.52.
    """

    def pose_loss(self, fake: FineGANOutput, codes: Codes, rng: torch.Generator) -> Tensor:
        """−E[log Q(z|M_p)] per number of z, InfoGAN's bound for the noise itself.

        Without it, G may give every parent a single pose. It reads only the mask, and only the
        first ``pose_dims`` numbers of z: a pose has as many.
        """
        n = self.recipe.pose_dims
        masks = noisy(fake.parent.mask, self.recipe.code_noise, rng)
        mean, log_variance = self.pose_reader(masks)
        return losses.gaussian_information_loss(mean, log_variance, codes.z[:, :n]) / n


class Repairs(FineGANNetworks):
    """Idle codes get a kind to generate: between two steps, at set fractions of the run.

    Source: our own; vector quantisation restarts unused codes in the same way. The lead
    (:mod:`.covering`) is a search in a network's weights for a kind that real images show and no
    code generates. A parent is led only if it has no shape of its own, a child only if it generates
    no kind of its own. A move is made only if a second classifier confirms it; the search did not
    follow this classifier.
    Worth: of ToyBirds' 20 species a network generated 11 to 13, 16 with ``child_restart``, and all
    after its idle children were led as well (``weights/README.md``). In one short training each
    (``results/ablation.json``), ``lead_parents`` brought the NMI of parents found in real birds to
    0.51 (four trainings with everything on: 0.16 to 0.28), and ``lead_children`` the children's NMI
    to 0.71 (with everything on and the same seed: 0.62). These were made with an earlier form of
    the lead: it also moved parents that had their shape, and no second classifier tested a move.
    ``results/bench_quality_32.json`` has longer trainings with the present form.
    """

    def restart_children(self, rng: torch.Generator) -> None:
        """Start duplicate children anew, every ``restart_every`` steps (:mod:`.siblings`)."""
        recipe = self.recipe
        due = recipe.child_restart > 0 and int(self.updates) % recipe.restart_every == 0
        due = due and not recipe.restart_at
        if due and siblings.SETTLED <= self.elapsed < recipe.restart_until:
            self.restart_twins(rng)

    def restart_twins(self, rng: torch.Generator) -> list[int]:
        """Restart children that generate the same as a sibling. Returns their indices."""
        with torch.autocast(next(self.parameters()).device.type, enabled=False):
            found = siblings.duplicates(self.average, self.recipe.child_restart, rng)
            siblings.restart(self, found, rng)
        return found

    def repair(self, step: int, stop: int, real_images: Callable[[int], Tensor], seed: int) -> dict:
        """Do the repairs that are due: ``restart_at``, ``lead_parents``, ``lead_children``.

        Returns:
            ``told``, lines to print; ``restarted``, children, if they were compared; and
            ``covered``, the result of :func:`.covering.cover_system`, if codes were led. Empty if
            nothing was due.
        """
        recipe = self.recipe
        facts: dict[str, Any] = {}
        told: list[str] = []
        if is_due(recipe.restart_at, step, stop):
            found = self.restart_twins(torch.Generator().manual_seed(seed))
            told.append(f"{len(found)} children generated the same as a sibling, and start again")
            facts["restarted"] = found
        parents = is_due(recipe.lead_parents, step, stop)
        if parents or is_due(recipe.lead_children, step, stop):
            images = real_images(covering.IN_TRAINING.n_real)
            facts["covered"] = covering.cover_system(
                self, images, covering.IN_TRAINING, parents=parents, seed=seed % 2**32
            )
            told.append(covering.summary(facts["covered"]))
        return {**facts, "told": "\n".join(told)} if told else {}


def is_due(fractions: tuple[float, ...], step: int, stop: int) -> bool:
    """Whether a run of ``stop`` steps reaches one of these fractions with ``step``."""
    return step in {max(1, round(fraction * stop)) for fraction in fractions}


class Additions(FreeCodes, Contrast, Masks, Poses, Repairs):
    """All additions to FineGAN's step, at the points where it calls them."""

    def more_heads(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """Networks beyond the paper's: those that learn with D_c, and those with the readers."""
        recipe = self.recipe
        real_fake: list[nn.Module] = []
        readers: list[nn.Module] = []
        if recipe.contrastive_child:
            self.contrastive = ContrastiveHead(self.config, self.d_child.trunk.out_channels)
            real_fake.append(self.contrastive)
        if recipe.pose_info:
            if recipe.pose_dims > self.config.z_dim:
                raise InputError(
                    f"pose_dims cannot exceed z_dim ({self.config.z_dim})",
                    seen=recipe.pose_dims,
                    cure="Lower pose_dims, or lengthen z.",
                )
            self.pose_reader = PoseReader(self.config, recipe.pose_dims)
            readers.append(self.pose_reader)
        return real_fake, readers

    def more_updates(
        self, batch: TrainingExample, fake: FineGANOutput, codes: Codes, rng: torch.Generator
    ) -> dict[str, Tensor]:
        """Updates after D_c's: the contrastive head's."""
        if not self.recipe.contrastive_child:
            return {}
        return {"contrast_D": self.update_contrast(batch, fake, codes, rng)}

    def more_terms(
        self,
        fake: FineGANOutput,
        codes: Codes,
        fake_logits: Tensor,
        real: Tensor | None,
        rng: torch.Generator,
    ) -> dict[str, Tensor]:
        """Terms of the generator's loss, of those that are switched on.

        A relativistic D_c's term takes the place of the paper's ``child``.
        """
        recipe = self.recipe
        terms: dict[str, Tensor] = {}
        if recipe.relativistic:
            terms["child"] = deceived(self, self.child_logits, fake_logits, real, rng)
        terms |= self.mask_terms(fake, codes)
        if recipe.contrastive_child:
            terms["contrast"] = recipe.contrastive_child * self.contrast(fake, codes, rng)
        if recipe.pose_info:
            terms["pose_info"] = recipe.pose_info * self.pose_loss(fake, codes, rng)
        return terms
