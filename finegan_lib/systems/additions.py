"""What goes beyond the paper in FineGAN's step, in groups.

Free codes, contrast, masks, poses, restarts: each group says where it comes from and what it is
worth. The numbers for ToyBirds are those of ``results/ablation.json``, with the commands that made
them; higher is better. Two more groups stand in :mod:`.views` (what the code heads see) and
:mod:`.judging` (what D_c judges).
"""

import torch
from torch import Tensor, nn

from .. import losses
from ..base.errors import InputError
from ..codes import Codes, one_hot
from ..data.example import TrainingExample
from ..models.finegan import ContrastiveHead, FineGANOutput, PoseReader, Stage
from . import siblings
from .judging import deceived
from .parts import System, descend, frozen
from .views import code_view, noisy, random_affine


class FreeCodes(System):
    """Codes that are not tied, in training.

    Source: our own. In the paper b = c and p is c's parent in training, so a generator may draw a
    part by another part's code.
    Worth, on ToyBirds: without a free b the masks' IoU is 0.51 instead of 0.74. Without free
    children it is 0.71, and the NMI of parents found in real birds 0.17 instead of 0.24.
    """

    def freed(self, codes: Codes, random: torch.Generator) -> Codes:
        """With ``free_background`` any b; with ``free_child`` any p for all but the judged ones."""
        n = len(codes.z)
        if self.recipe.free_background:
            codes = codes._replace(b=codes.b[torch.randperm(n, generator=random)])
        judged = self.n_judged(n)
        if judged < n:
            any_p = torch.randint(self.hierarchy.n_parents, (n - judged,), generator=random)
            any_p = one_hot(any_p, self.hierarchy.n_parents).to(codes.p)
            codes = codes._replace(p=torch.cat([codes.p[:judged], any_p]))
        return codes

    def judged(self, images: Tensor) -> Tensor:
        """The images that D_c judges real or fake: the first :meth:`n_judged`."""
        return images[: self.n_judged(len(images))]

    def n_judged(self, n: int) -> int:
        """How many images of n, the first, D_c judges real or fake: all, unless ``free_child``.

        A child under another's parent is no species, so nothing real is like it; but its parts
        must be readable, or its plumage is drawn on its own parent's shape only.
        """
        return max(1, round(n * (1 - self.recipe.free_child)))


class Contrast(System):
    """Codes as points among the images: D_c as an encoder.

    Source: C3-GAN, Kim and Ha, 2022, and its code.
    Worth: ToyBirds are sorted with an NMI of 0.91 instead of 0.90 (``results/tables/table3_toy``).
    """

    def update_contrast(
        self, batch: TrainingExample, fake: FineGANOutput, codes: Codes, random: torch.Generator
    ) -> Tensor:
        """D_c's trunk and its contrastive head, on codes and on real images: D_c as an encoder.

        As in C3-GAN's code (Kim and Ha, 2022): generated images near their codes, both whole and as
        masked foregrounds; two views of a real image near each other; and a tenth of the entropies
        that make real images choose a code, and not all the same.
        """
        head, trunk = self.contrastive, self.d_child.trunk
        part = code_view(Stage(*(t.detach() for t in fake.child)), self.recipe, random)
        other_view = random_affine(batch.child_crop, 0.2, True, random)
        shown = (fake.child.image.detach(), part, batch.child_crop, other_view)
        whole, part, real, other = (head(trunk(images)) for images in shown)
        loss = losses.code_contrast_loss(whole, head.centroids, codes.c_index)
        loss = loss + losses.code_contrast_loss(part, head.centroids, codes.c_index)
        loss = loss + losses.instance_contrast_loss(real, other)
        assigned = losses.code_contrast_logits(real, head.centroids)
        loss = self.recipe.contrastive_child * (loss + 0.1 * losses.assignment_loss(assigned))
        descend(self.optimisers["D_c"], loss)
        return loss

    def contrast(self, fake: FineGANOutput, codes: Codes, random: torch.Generator) -> Tensor:
        """G's side of :meth:`update_contrast`: the masked foreground near its code."""
        view = code_view(fake.child, self.recipe, random)
        with frozen(self.contrastive):
            features = self.contrastive(self.d_child.trunk(view))
            return losses.code_contrast_loss(features, self.contrastive.centroids, codes.c_index)


class Masks(System):
    """What the paper leaves the masks free to do.

    Source: our own; the pull towards 0 and 1 and the range of areas are common in work on
    segmentation without labels.
    Worth, on ToyBirds, masks' IoU and parents' NMI (0.74 and 0.69 with everything on): without the
    pull 0.53 and 0.64, without crispness 0.66 and 0.72, without the area range 0.71 and 0.48,
    without the pull back 0.76 and 0.57, without the lean 0.72 and 0.62.
    """

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


class Poses(System):
    """Noise that the parent mask must give away: InfoGAN's bound for z itself.

    Source: our own, after InfoGAN. Worth: off in every preset, and not measured.
    """

    def pose_loss(self, fake: FineGANOutput, codes: Codes, random: torch.Generator) -> Tensor:
        """−E[log Q(z|M_p)] per number of z, InfoGAN's bound for the noise itself.

        Without it G may draw every parent in one single pose. It asks only the mask, and only for
        the first ``pose_dims`` numbers: as many as a pose has.
        """
        n = self.recipe.pose_dims
        masks = noisy(fake.parent.mask, self.recipe.code_noise, random)
        mean, log_variance = self.pose_reader(masks)
        return losses.gaussian_information_loss(mean, log_variance, codes.z[:, :n]) / n


class Restarts(System):
    """Children that draw the same bird are started anew (:mod:`.siblings`).

    Source: our own, after unused codes in vector quantisation. Worth: of ToyBirds' 20 species a
    network drew 16 instead of 11 to 13.
    """

    def restart_children(self, random: torch.Generator) -> None:
        """What ``child_restart`` asks for, when it is due (:mod:`finegan_lib.systems.siblings`)."""
        recipe = self.recipe
        due = recipe.child_restart > 0 and int(self.updates) % recipe.restart_every == 0
        if due and siblings.SETTLED <= self.elapsed < recipe.restart_until:
            with torch.autocast(next(self.parameters()).device.type, enabled=False):
                found = siblings.duplicates(self.average, recipe.child_restart, random)
                siblings.restart(self, found, random)


class Additions(FreeCodes, Contrast, Masks, Poses, Restarts):
    """All additions to FineGAN's step, at the points where it calls them."""

    def more_heads(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """Networks beyond the paper's: those that learn with D_c, and those with the readers."""
        recipe, judging, reading = self.recipe, [], []
        if recipe.contrastive_child:
            self.contrastive = ContrastiveHead(self.config, self.d_child.trunk.out_channels)
            judging.append(self.contrastive)
        if recipe.pose_info:
            if recipe.pose_dims > self.config.z_dim:
                raise InputError(
                    f"pose_dims cannot exceed z_dim ({self.config.z_dim})",
                    seen=recipe.pose_dims,
                    cure="Lower pose_dims, or lengthen z.",
                )
            self.pose_reader = PoseReader(self.config, recipe.pose_dims)
            reading.append(self.pose_reader)
        return judging, reading

    def more_updates(self, batch, fake: FineGANOutput, codes: Codes, random) -> dict[str, Tensor]:
        """Updates after D_c's: the contrastive head's."""
        if not self.recipe.contrastive_child:
            return {}
        return {"contrast_D": self.update_contrast(batch, fake, codes, random)}

    def more_terms(
        self, fake: FineGANOutput, codes: Codes, fake_logits: Tensor, real: Tensor | None, random
    ) -> dict[str, Tensor]:
        """Terms of the generator's loss, of those that are switched on.

        A relativistic D_c's term takes the place of the paper's ``child``.
        """
        recipe, terms = self.recipe, {}
        if recipe.relativistic:
            terms["child"] = deceived(self, self.child_logits, fake_logits, real, random)
        terms |= self.mask_terms(fake, codes)
        if recipe.contrastive_child:
            terms["contrast"] = recipe.contrastive_child * self.contrast(fake, codes, random)
        if recipe.pose_info:
            terms["pose_info"] = recipe.pose_info * self.pose_loss(fake, codes, random)
        return terms
