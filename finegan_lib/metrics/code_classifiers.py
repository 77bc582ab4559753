"""Classifiers that name the codes of generated images (paper, section 3.3): their training.

A small CNN learns, from images that a generator makes, the code that each was generated from. It
then reads real images, too. Category discovery (:mod:`finegan_lib.discovery`) uses its answers. In
a training they show which kinds of real image no child generates
(:mod:`finegan_lib.systems.covering`).

The authors did not release the code of their classifiers. Three things that the paper does not say
are decided here: the backbone, the augmentation, and whether codes are tied or free
(`DiscoveryConfig`).
"""

import copy
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur
from tqdm.auto import tqdm

from ..base.options import require_at_least
from ..base.random_numbers import seeded
from .fit import fit


@dataclass(frozen=True)
class DiscoveryConfig:
    """How the two classifiers are trained.

    Raises:
        InputError: for a number below its smallest value.
    """

    n_images: int = 4000  # generated images
    epochs: int = 6  # passes over them, each with new augmentation
    batch_size: int = 50  # images
    learning_rate: float = 3e-3  # peak of a one-cycle schedule, AdamW
    width: int = 16  # channels of the first layer; doubled by every pooling
    image_size: int = 32  # pixels; what the networks see, larger images are averaged down
    # The child classifier's images have p the parent of c, as in training; False: p sampled freely.
    # `training_sets` gives the parent classifier images with a free p, so that it cannot use the
    # plumage instead of the shape. `discovery.code_classifiers.code_readers` trains both
    # classifiers on the child's images.
    tied_parent: bool = True
    tied_background: bool = False  # b = c, as in training; False: b sampled freely
    n_real: int = 2000  # real images that are labelled

    def __post_init__(self):
        require_at_least(self, n_images=1, epochs=1, batch_size=1, width=1, image_size=8, n_real=1)


class CodeClassifier(nn.Module):
    """A small CNN: (N, 3, 32, 32) images in [-1, 1] → (N, n_codes) logits."""

    def __init__(self, n_codes: int, width: int = 16):
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 4 * width]
        layers = []
        for i, (n_in, n_out) in enumerate(pairwise(widths)):
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out)]
            layers += [nn.ReLU(), nn.MaxPool2d(2) if i < 3 else nn.AdaptiveAvgPool2d(1)]
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(widths[-1], n_codes)

    def features(self, images: Tensor) -> Tensor:
        """(N, 4·width) penultimate features, not negative."""
        # On a CPU the first layers are 1.6 times as fast with the channels innermost.
        return self.trunk(images.contiguous(memory_format=torch.channels_last))

    def forward(self, images: Tensor) -> Tensor:
        """(N, n_codes) logits."""
        return self.head(self.features(images))


@torch.no_grad()
def generate_labelled_images(generator, hierarchy, z_dim, config=None, *, seed=0, progress=False):
    """Generated child images with the codes that made them: the training set of the classifiers.

    Returns:
        ``images`` (N, 3, s, s) float32 in [-1, 1] with s = ``config.image_size``, ``child_codes``
        and ``parent_codes`` (N,) int64.
    """
    config = config or DiscoveryConfig()
    rng = torch.Generator().manual_seed(seed)
    images, child_codes, parent_codes = [], [], []
    starts = range(0, config.n_images, config.batch_size)
    for start in tqdm(starts, "generating", disable=not progress, leave=False):
        n = min(config.batch_size, config.n_images - start)
        free = hierarchy.sample(n, z_dim, tied=False, rng=rng)
        codes = hierarchy.codes(
            free.z,
            free.c_index,
            p_index=None if config.tied_parent else free.p_index,
            b_index=None if config.tied_background else free.b_index,
        )
        images.append(shrink(generator(codes).child.image, config.image_size))
        child_codes.append(codes.c_index)
        parent_codes.append(codes.p_index)
    return torch.cat(images), torch.cat(child_codes), torch.cat(parent_codes)


def training_sets(generator, hierarchy, z_dim, config, *, seed=0, progress=False):
    """Yield what each of the two classifiers learns from: the name ("child", then "parent"),
    generated images, their codes at that level, and the number of codes.
    """
    for level in ("child", "parent"):
        drawn = config if level == "child" else replace(config, tied_parent=False)
        if level == "child" or config.tied_parent:  # else the child's images serve both
            images, child_codes, parent_codes = generate_labelled_images(
                generator, hierarchy, z_dim, drawn, seed=seed, progress=progress
            )
        if level == "child":
            yield level, images, child_codes, hierarchy.n_children
        else:
            yield level, images, parent_codes, hierarchy.n_parents


def train_code_classifier(images, codes, n_codes, config=None, **options):
    """A `CodeClassifier` trained by cross-entropy on augmented images, in evaluation mode.

    Args:
        images: (N, 3, s, s) in [-1, 1].
        codes: (N,) int64, the answers.
        options: of :func:`train_code_classifiers`.
    """
    return train_code_classifiers(images, [codes], n_codes, config, **options)[0]


def train_code_classifiers(
    images, answers, n_codes, config=None, *, seed=0, name="", progress=False
) -> list[CodeClassifier]:
    """Classifiers that learn different answers for the same images, side by side.

    The result is the same, to the last bit, as that of separate trainings: all start from the same
    weights and see the same batches. The batches are augmented once, for all of them.

    Args:
        images: (N, 3, s, s) in [-1, 1].
        answers: for each classifier its codes, (N,) int64.
        n_codes: how many codes there are.
        config: `DiscoveryConfig`.
        seed: of the weights, the order and the changes. torch's own random numbers are as before
            when the training is over.
    """
    config = config or DiscoveryConfig()
    if not answers:
        return []
    batch_size = min(config.batch_size, len(images))
    per_epoch = len(images) // batch_size
    with seeded(seed):  # the order and the changes, too, come from torch's own numbers
        first = CodeClassifier(n_codes, config.width)
        learners = nn.ModuleList([first, *(copy.deepcopy(first) for _ in answers[1:])])
        learners = learners.to(memory_format=torch.channels_last)

        def epochs():
            for _ in range(config.epochs):
                yield from torch.randperm(len(images))[: per_epoch * batch_size].split(batch_size)

        batches = epochs()

        def losses(step: int) -> dict[str, Tensor]:
            rows = next(batches)
            batch = perturb(images[rows])
            pairs = zip(learners, answers, strict=True)
            return {
                f"loss {i}": F.cross_entropy(learner(batch), codes[rows])
                for i, (learner, codes) in enumerate(pairs, start=1)
            }

        options = {"name": f"classifier {name}", "progress": progress, "leave": False}
        fit(learners, losses, config.epochs * per_epoch, config.learning_rate, **options)
    return list(learners.eval())


def perturb(images: Tensor) -> Tensor:
    """What may differ between a generated and a real image without changing its category.

    Flip, shift (up to an eighth of the side), turn, scale and shear per image; then `recolour`.
    """
    return recolour(turn_and_scale(shift_and_flip(images, most=images.shape[-1] // 8)))


def recolour(images: Tensor) -> Tensor:
    """Brightness, contrast and the balance of the colours, per image; noise; for the whole batch a
    random blur. The object stays in its place."""
    n = len(images)
    gain = 1 + 0.15 * torch.randn(n, 1, 1, 1) + 0.05 * torch.randn(n, 3, 1, 1)
    offset = 0.1 * torch.randn(n, 1, 1, 1)
    images = images * gain + offset
    if torch.rand(()) < 0.5:
        images = gaussian_blur(images, 3, sigma=float(torch.empty(()).uniform_(0.3, 1.0)))
    return (images + 0.05 * torch.rand(n, 1, 1, 1) * torch.randn_like(images)).clamp(-1, 1)


def shift_and_flip(images: Tensor, most: int) -> Tensor:
    """Every image moved by its own whole number of pixels in ±``most``, half of them mirrored."""
    n, _, size, _ = images.shape
    padded = F.pad(images, [most] * 4, mode="replicate")
    x, y = torch.randint(2 * most + 1, (2, n, 1)) + torch.arange(size)
    flip = torch.rand(n) < 0.5
    x[flip] = x[flip].flip(1)
    return padded[torch.arange(n)[:, None, None], :, y[:, :, None], x[:, None, :]].movedim(3, 1)


def turn_and_scale(images: Tensor) -> Tensor:
    """Every image turned (sd 7°), scaled (sd 10 %) and sheared (sd 8 %) about its middle."""
    n = len(images)
    angle, scale, shear = torch.randn(3, n) * torch.tensor([0.12, 0.1, 0.08])[:, None]
    scale = 1 + scale
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = scale * angle.cos(), shear - scale * angle.sin()
    theta[:, 1, 0], theta[:, 1, 1] = scale * angle.sin(), scale * angle.cos()
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def shrink(images: Tensor, size: int) -> Tensor:
    """Images averaged down to ``size`` pixels; smaller ones are enlarged bilinearly."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def real_inputs(images: Tensor, size: int) -> Tensor:
    """Real images, (N, 3, S, S) uint8, as a classifier reads them: :func:`shrink`, in [-1, 1]."""
    return shrink(images.float() / 127.5 - 1, size)


@torch.no_grad()
def classify(classifier, images, batch_size=250):
    """``logits`` (N, n_codes) and ``features`` (N, D) of images in [-1, 1]."""
    features = torch.cat([classifier.features(batch) for batch in images.split(batch_size)])
    return classifier.head(features), features
