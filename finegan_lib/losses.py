"""Every loss of the course: one pure function for each equation.

All functions take logits, never probabilities. They compute in float32 for inputs of every type.
log σ(x) is computed as −softplus(−x), which neither overflows nor reaches log 0; σ is the logistic
function. All functions return scalars to be *minimised*, unless the name says "bound".
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .base.errors import InputError
from .codes import Codes
from .models.blocks import PatchGeometry

# ------------------------------------------------------------------------------------- GAN


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """−E[log D(x)] − E[log(1 − D(G(z)))] with D = σ(logits) (Goodfellow et al., 2014, eq. 1)."""
    return F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()


def minimax_generator_loss(fake_logits: Tensor) -> Tensor:
    """E[log(1 − D(G(z)))], the generator's side of the two-player game (2014, eq. 1).

    Its gradient by the logit is −D: it vanishes where the discriminator is sure (D near 0).
    """
    return -F.softplus(fake_logits.float()).mean()


def non_saturating_generator_loss(fake_logits: Tensor) -> Tensor:
    """−E[log D(G(z))] (Goodfellow et al., 2014, section 3).

    It has the same fixed point as the minimax loss. Its gradient by the logit is D − 1: near −1
    where the discriminator is sure (D near 0).
    """
    return F.softplus(-fake_logits.float()).mean()


def hinge_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """E[max(0, 1 − D(x))] + E[max(0, 1 + D(G(z)))] on raw logits (Lim & Ye, 2017)."""
    return F.relu(1 - real_logits.float()).mean() + F.relu(1 + fake_logits.float()).mean()


def hinge_generator_loss(fake_logits: Tensor) -> Tensor:
    """−E[D(G(z))] on raw logits (Lim & Ye, 2017)."""
    return -fake_logits.float().mean()


def adversarial_losses(kind: str) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """(discriminator loss, generator loss) by name: "bce" (paper) or "hinge"."""
    if kind == "bce":
        return discriminator_loss, non_saturating_generator_loss
    if kind == "hinge":
        return hinge_discriminator_loss, hinge_generator_loss
    raise InputError(
        'adversarial must be "bce" or "hinge"', seen=kind, cure="Choose one of the two."
    )


def relativistic_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """−E[log σ(D(x) − D(G(z)))]: each real image is paired with a generated one (RpGAN).

    (Jolicoeur-Martineau, 2018; in this form Huang et al., R3GAN, 2024, eq. 2.) D only has to order
    the two. It gains nothing when it pushes all generated images away together, so fewer modes are
    lost.

    Args:
        real_logits, fake_logits: (N,); the rows with the same number are a pair.
    """
    return F.softplus(fake_logits.float() - real_logits.float()).mean()


def relativistic_generator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """−E[log σ(D(G(z)) − D(x))]: :func:`relativistic_discriminator_loss` with the signs swapped."""
    return F.softplus(real_logits.float() - fake_logits.float()).mean()


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """E‖∇_x D(x)‖², the squared length of D's gradient by its images (Mescheder et al., 2018).

    On real images it is R1, on generated images R2, each with weight γ/2. It makes D flat where the
    two distributions agree, so training converges there.

    Args:
        logits: (N,), D(images), with their graph.
        images: (N, 3, S, S) that require a gradient.

    Returns:
        A scalar that can be differentiated again.
    """
    (gradient,) = torch.autograd.grad(logits.float().sum(), images, create_graph=True)
    return gradient.float().square().sum((1, 2, 3)).mean()


# ------------------------------------------------------------------------------------- InfoGAN


def information_loss(logits: Tensor, index: Tensor) -> Tensor:
    """−E[log Q(c|x)], the cross-entropy of a categorical code.

    Args:
        logits: (N, K), unnormalised log Q(·|x).
        index: (N,) int64, the code that x was generated from.
    """
    return F.cross_entropy(logits.float(), index)


def categorical_information_bound(logits: Tensor, index: Tensor) -> Tensor:
    """L_I = E[log Q(c|x)] + H(c) ≤ I(c; x), in nats, for c uniform over K values.

    (InfoGAN, eq. 5.) H(c) = log K. It is tight when Q is the true posterior.
    """
    return math.log(logits.shape[1]) - information_loss(logits, index)


def gaussian_information_loss(mean: Tensor, log_variance: Tensor, code: Tensor) -> Tensor:
    """−E[log Q(c|x)] of continuous codes under a diagonal Gaussian, in nats, summed over the codes.

    Args:
        mean, log_variance: (N, K), Q's parameters.
        code: (N, K), the code that x was generated from.
    """
    mean, log_variance, code = mean.float(), log_variance.float(), code.float()
    squared = (code - mean) ** 2 / log_variance.exp()
    return 0.5 * (squared + log_variance + math.log(2 * math.pi)).sum(1).mean()


def gaussian_information_bound(mean: Tensor, log_variance: Tensor, code: Tensor) -> Tensor:
    """L_I = E[log Q(c|x)] + H(c) in nats for codes uniform on [-1, 1], H(c) = log 2 each."""
    return code.shape[1] * math.log(2) - gaussian_information_loss(mean, log_variance, code)


# ------------------------------------------------------------------------------------- C3-GAN


def code_contrast_logits(features: Tensor, centroids: Tensor, temperature: float = 0.1) -> Tensor:
    """cos(h_i, l_j) / τ, (N, K): the similarity of images h and embedded codes l (the centroids).

    Args:
        features: (N, D), of any length; only their direction counts.
        centroids: (K, D), likewise.
        temperature: τ. A small τ makes the nearest centroids count more.
    """
    features, centroids = (
        F.normalize(features.float(), dim=1),
        F.normalize(centroids.float(), dim=1),
    )
    return features @ centroids.T / temperature


def code_contrast_loss(
    features: Tensor, centroids: Tensor, index: Tensor, temperature: float = 0.1
) -> Tensor:
    """−E[log(exp(h·l_c/τ) / Σ_j exp(h·l_j/τ))]: small where an image is nearest to its own code.

    (Kim and Ha, C3-GAN, 2022: InfoNCE between images and codes.) It is
    :func:`information_loss` of :func:`code_contrast_logits`, so it also bounds I(c; x). Features
    and centroids are on a sphere, so a long weight vector gives a code no advantage.

    Args:
        features: (N, D) of images; centroids: (K, D) of all codes.
        index: (N,) int64, the code that each image was generated from.
    """
    return information_loss(code_contrast_logits(features, centroids, temperature), index)


def instance_contrast_loss(views_a: Tensor, views_b: Tensor, temperature: float = 0.1) -> Tensor:
    """NT-Xent (SimCLR, 2020): pulls two views of one image together, and views of others apart.

    For each of the 2N views: −log(exp(cos to its partner/τ) / Σ over the 2N − 1 others), averaged.

    Args:
        views_a, views_b: (N, D) features; rows with the same number are views of one image.
    """
    n = len(views_a)
    both = torch.cat([views_a, views_b])
    logits = code_contrast_logits(both, both, temperature)
    itself = torch.eye(2 * n, dtype=torch.bool, device=logits.device)
    partner = torch.arange(2 * n, device=logits.device).roll(n)
    return F.cross_entropy(logits.masked_fill(itself, -torch.inf), partner)


def assignment_loss(logits: Tensor) -> Tensor:
    """E[H(q(·|x))] − H(E[q(·|x)]), in nats: small if images have one sure code and all are used.

    It is minus the mutual information of image and assigned code, between −log K and 0.

    Args:
        logits: (N, K) of the codes that real images are assigned to.
    """
    log_q = logits.float().log_softmax(1)
    mean = log_q.exp().mean(0)
    each = -(log_q.exp() * log_q).sum(1).mean()
    return each + (mean * mean.clamp_min(1e-12).log()).sum()


# ------------------------------------------------------------------------------------- StackGAN


def colour_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (N, 3) and covariance (N, 3, 3) of each image's colours, over its H·W pixels."""
    pixels = images.float().flatten(2)
    mean = pixels.mean(2)
    centred = pixels - mean[:, :, None]
    return mean, centred @ centred.transpose(1, 2) / pixels.shape[2]


def colour_consistency_loss(
    fine: Tensor, coarse: Tensor, *, mean_weight: float = 50.0, covariance_weight: float = 250.0
) -> Tensor:
    """λ₁·‖μ_i − μ_{i−1}‖² + λ₂·‖Σ_i − Σ_{i−1}‖² (StackGAN-v2): equal colours on two scales.

    As in the authors' code, the squares are averaged over the batch and over the 3 and 9 numbers,
    and only the finer scale gets a gradient.

    Args:
        fine, coarse: (N, 3, H, W) of two scales, in [-1, 1]; no gradient flows to ``coarse``.
        mean_weight, covariance_weight: λ₁ and λ₂, the authors' by default.
    """
    mean, covariance = colour_statistics(fine)
    coarse_mean, coarse_covariance = colour_statistics(coarse.detach())
    means = F.mse_loss(mean, coarse_mean)
    covariances = F.mse_loss(covariance, coarse_covariance)
    return mean_weight * means + covariance_weight * covariances


# ------------------------------------------------------------------------------------- background


def background_patch_weights(box: Tensor, geometry: PatchGeometry) -> Tensor:
    """1 for every patch whose receptive field lies outside the object's box, 0 for the others.

    Args:
        box: (N, 4), x1, y1, x2, y2 in pixels of the discriminator's input. A box without area
            (x1 = x2 or y1 = y2) covers no patch.
        geometry: of the background discriminator.

    Returns:
        (N, cells, cells), rows are y. With field f and stride s, the box covers the cells
        max(0, ⌈(x1 − f)/s⌉) to min(cells − 1, ⌊x2/s⌋) along x, both included. A cell that only
        touches the box counts as covered. The same holds in y (the authors' arithmetic).
    """
    field, stride, cells = geometry
    first = ((box[:, :2] - field) / stride).ceil().clamp(min=0)
    last = (box[:, 2:] / stride).floor().clamp(max=cells - 1)
    empty = (box[:, :2] >= box[:, 2:]).any(1)
    cell = torch.arange(cells, device=box.device)
    inside = (cell >= first[..., None]) & (cell <= last[..., None])  # (N, 2, cells)
    covered = inside[:, 0, None, :] & inside[:, 1, :, None]
    return 1 - (covered & ~empty[:, None, None]).float()


def background_discriminator_loss(
    real_aux: Tensor,
    real_logits: Tensor,
    fake_logits: Tensor,
    weights: Tensor,
    *,
    adversarial: str = "bce",
    background_weight: float = 10.0,
    n_background: Tensor | None = None,
) -> Tensor:
    """D_b's loss (paper, L_bg_adv and L_bg_aux).

    The real/fake output learns from background patches only. The aux output learns which patches
    are background.

    Args:
        real_aux, real_logits: (N, cells, cells), D_b on real images.
        fake_logits: (N, cells, cells), D_b's real/fake on generated backgrounds.
        weights: (N, cells, cells), 1 for background patches of the real images, else 0.
        adversarial: "bce" or "hinge".
        background_weight: weight of real/fake beside aux (10 in the paper).
        n_background: how many background patches to average over; None: the number in ``weights``.

    Raises:
        InputError: for another ``adversarial``.
    """
    adversarial_losses(adversarial)  # refuses another word
    if adversarial == "bce":
        real, fake = F.softplus(-real_logits.float()), F.softplus(fake_logits.float())
    else:
        real, fake = F.relu(1 - real_logits.float()), F.relu(1 + fake_logits.float())
    n_background = weights.sum() if n_background is None else n_background
    real = (weights * real).sum() / n_background.clamp(min=1)
    aux = F.binary_cross_entropy_with_logits(real_aux.float(), weights)
    return background_weight * (real + fake.mean()) + aux


def background_generator_loss(
    fake_aux: Tensor,
    fake_logits: Tensor,
    *,
    adversarial: str = "bce",
    background_weight: float = 10.0,
) -> Tensor:
    """G_b's loss: D_b should take every patch for real and for background."""
    real_fake = adversarial_losses(adversarial)[1](fake_logits)
    aux = F.softplus(-fake_aux.float()).mean()
    return background_weight * real_fake + aux


# ------------------------------------------------------------------------------------- FineGAN


def finegan_generator_loss(
    fake_aux: Tensor,
    background_logits: Tensor,
    child_logits: Tensor,
    parent_code_logits: Tensor,
    child_code_logits: Tensor,
    codes: Codes,
    *,
    adversarial: str = "bce",
    background_weight: float = 10.0,
    information_weight: float = 1.0,
) -> dict[str, Tensor]:
    """The terms of the generator's loss, L = L_b + L_p + L_c (paper, eq. 1); the caller adds them.

    * ``background``: :func:`background_generator_loss` of B,
    * ``parent_info``: L_p_info, information about p in the masked parent foreground M_p·F_p,
    * ``child``: real/fake of C,
    * ``child_info``: L_c_info, information about c in the masked child foreground M_c·F_c.

    No discriminator sees P, because no real image corresponds to a parent image.
    """
    return {
        "background": background_generator_loss(
            fake_aux,
            background_logits,
            adversarial=adversarial,
            background_weight=background_weight,
        ),
        "parent_info": information_weight * information_loss(parent_code_logits, codes.p_index),
        "child": adversarial_losses(adversarial)[1](child_logits),
        "child_info": information_weight * information_loss(child_code_logits, codes.c_index),
    }


# ------------------------------------------------------------------------------------- masks
# Additions to the paper's recipe: without them small models fill the mask or empty it.


def mask_pull_loss(mask: Tensor, target: Tensor) -> Tensor:
    """E|M − sg(target)|: one mask follows the other (sg: no gradient to the target).

    If the child's mask follows its parent's, it keeps the parent's shape. If the parent's follows
    its child's, it learns what a real silhouette looks like: a discriminator sees the child only.
    """
    return (mask - target.detach()).float().abs().mean()


def mask_binary_loss(mask: Tensor) -> Tensor:
    """E[M(1 − M)]: 0 for a crisp mask, at most 1/4."""
    return (mask * (1 - mask)).float().mean()


def mask_area_loss(mask: Tensor, smallest: float, largest: float) -> Tensor:
    """The distance of each image's mean mask area, a share of it, from [smallest, largest]."""
    area = mask.float().mean((1, 2, 3))
    return (F.relu(smallest - area) + F.relu(area - largest)).mean()


def mask_lean(mask: Tensor) -> Tensor:
    """The lean of each mask, (N,) in [-1, 1]: above 0 if its upper part is on the right.

    It is −1 times the correlation of x and y (downwards) over the mask's pixels, so a mirrored mask
    has the opposite sign.
    """
    mask = mask.float().squeeze(1)
    axis = torch.linspace(-1, 1, mask.shape[-1], device=mask.device)
    area = mask.sum((1, 2)).clamp(min=1e-6)
    along_x, along_y = mask.sum(1) / area[:, None], mask.sum(2) / area[:, None]
    mean_x, mean_y = along_x @ axis, along_y @ axis
    dx, dy = axis - mean_x[:, None], axis - mean_y[:, None]
    product = torch.einsum("nyx,ny,nx->n", mask, dy, dx) / area
    spread = ((along_x * dx**2).sum(1) * (along_y * dy**2).sum(1)).clamp(min=1e-6).sqrt()
    return -product / spread


def mask_lean_loss(mask: Tensor, side: Tensor, least: float = 0.05) -> Tensor:
    """By how much each mask leans less than ``least`` to its ``side``, (N,) of ±1.

    A bird's head is above its tail. A mask that leans to the right therefore shows a bird of any
    kind that looks to the right.
    """
    return F.relu(least - side * mask_lean(mask)).mean()
