"""Training the judges of the toy world, and measuring them (see `judges`)."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from ..base.files import refuse_to_overwrite
from ..base.random_numbers import seeded
from ..metrics.fit import fit, validate_steps
from ..metrics.judges import POSE_NAMES, POSE_SPREAD, Judges, JudgesConfig, without_object
from ..metrics.masks import iou


class Examples(NamedTuple):
    """Pictures with their truth; ``parent`` and ``child`` are -1 where there is no bird.

    ``images`` (N, 3, S, S) uint8; ``masks`` (N, 1, S, S) bool; ``parent``, ``child`` and
    ``background`` (N,) int64; ``flip`` (N,) ±1, +1 looks to the right; ``tilt`` (N,) degrees,
    positive lifts the beak.
    """

    images: Tensor
    masks: Tensor
    parent: Tensor
    child: Tensor
    background: Tensor
    flip: Tensor
    tilt: Tensor


def real_examples(dataset, indices=None) -> Examples:
    """Evaluation crops of ToyBirds as they are."""
    rows = np.arange(len(dataset)) if indices is None else np.asarray(indices)
    images, masks = dataset.evaluation_crops(rows), dataset.masks(rows)
    return _examples(
        dataset, rows, images, masks, dataset.parent_index[rows], dataset.child_index[rows]
    )


def free_examples(dataset, seed: int) -> Examples:
    """ToyBirds with any plumage on any silhouette, and empty backgrounds, for training judges.

    A judge of plumages that is trained on real birds alone could use the shape, since every child
    has one shape. Every picture of the data set is therefore drawn again with a random parent and
    child. Every eighth picture is then drawn once more, from a window beside the bird.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(len(dataset))
    parent = rng.integers(dataset.n_parents, size=len(rows))
    child = rng.integers(dataset.n_children, size=len(rows))
    images, masks = dataset.redraw(rows, parent=parent, child=child)
    with_birds = _examples(dataset, rows, images, masks, parent, child)

    rows = rows[::8]
    corner, side = dataset.crop_window(rows)
    corner[:, 0] += np.where(dataset.pose["x"][rows] < 0.5, 0.5, -0.5)
    images, masks = dataset.render(rows, corner, side, dataset.image_size)
    images, masks = torch.from_numpy(images), torch.from_numpy(masks)
    nothing = np.full(len(rows), -1)
    empty = _examples(dataset, rows, images, masks, nothing, nothing)
    return Examples(*(torch.cat(pair) for pair in zip(with_birds, empty, strict=True)))


def _examples(dataset, rows, images, masks, parent, child) -> Examples:
    labels = (
        torch.from_numpy(np.asarray(a)) for a in (parent, child, dataset.background_index[rows])
    )
    flip = torch.from_numpy(np.where(dataset.pose["flip"][rows], -1, 1).astype(np.float32))
    tilt = torch.from_numpy(np.array(dataset.pose["tilt"][rows]))
    return Examples(images, masks[:, None], *labels, flip, tilt)


def train_judges(dataset, *, seed=0, steps=3000, batch_size=40, progress=True) -> Judges:
    """The five judges, trained together on ToyBirds with free combinations of the factors.

    Args:
        dataset: `ToyBirds`; its sizes become the judges'.
        seed: of the weights, the order and the changes. torch's own random numbers are as before
            when the training is over.
        steps: batches; about a tenth of a second each at 32 pixels on one core.

    Returns:
        Judges in evaluation mode, without accuracies in their metadata (see `measure_judges`).
    """
    examples = free_examples(dataset, seed)
    tilt_spread = float(dataset.pose["tilt"].std())
    config = JudgesConfig(
        dataset.image_size,
        dataset.n_parents,
        dataset.n_children,
        len(dataset.background_names),
    )
    with seeded(seed):
        judges = Judges(config, {"tilt_spread": tilt_spread})

        def losses(step: int) -> dict[str, Tensor]:
            rows = torch.randint(len(examples.images), (batch_size,))
            return judge_losses(judges, Examples(*(field[rows] for field in examples)))

        fit(judges, losses, steps, 4e-3, name="training judges", progress=progress)
    return judges.eval().requires_grad_(False)


def judge_losses(judges: Judges, examples: Examples) -> dict[str, Tensor]:
    """The losses of one augmented batch, one for each judge; each loss trains only its judge."""
    images, masks, pose = random_view(examples, judges.metadata["tilt_spread"])
    logits = judges.segmenter(degrade(images, colour=0.3))
    losses = {"mask": mask_loss(logits, masks)}

    with torch.no_grad():  # half of the silhouettes are true, half the segmenter's
        use_truth = (torch.rand(len(images)) < 0.5)[:, None, None, None]
        silhouettes = torch.where(use_truth, degrade_mask(masks), logits.sigmoid())
    bird = examples.parent >= 0
    losses["shape"] = F.cross_entropy(
        judges.shape(silhouettes[bird]), examples.parent[bird], label_smoothing=0.05
    )
    losses["pose"] = F.mse_loss(judges.pose(silhouettes[bird]), pose[bird])

    images = degrade(images, colour=0.1)
    losses["appearance"] = F.cross_entropy(
        judges.appearance(images[bird], cut_parts_out(silhouettes)[bird]),
        examples.child[bird],
        label_smoothing=0.05,
    )
    second_bird = silhouettes.roll(1, 0) * (torch.rand(len(images)) < 0.5)[:, None, None, None]
    hidden = torch.maximum(silhouettes, second_bird)
    losses["background"] = F.cross_entropy(
        judges.background(without_object(images, hidden)), examples.background, label_smoothing=0.05
    )
    return losses


def mask_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Binary cross-entropy plus the soft Dice loss ``1 - 2 Σ m·m̂ / (Σ m + Σ m̂)`` of the batch."""
    soft = logits.sigmoid()
    dice = 1 - 2 * (soft * masks).sum() / (soft.sum() + masks.sum() + 1)
    return F.binary_cross_entropy_with_logits(logits, masks) + dice


def random_view(examples: Examples, tilt_spread: float):
    """Every example mirrored, turned by ±8°, scaled by 0.85 to 1.2, moved by ±1/8, at random.

    Returns:
        images (N, 3, S, S) in [-1, 1], soft masks (N, 1, S, S), pose targets (N, 4): flip, x, y and
        tilt of the moved birds, in standard deviations over real crops.
    """
    n = len(examples.images)
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    degrees = torch.empty(n).uniform_(-8, 8)  # anticlockwise in the picture
    scale = torch.empty(n).uniform_(0.85, 1.2)
    x, y = torch.empty(2, n).uniform_(-0.125, 0.125)  # in sides, y down
    layers = torch.cat([examples.images.float() / 127.5 - 1, examples.masks.float()], 1)
    layers = move(layers, mirror, degrees, scale, x, y)
    flip = examples.flip * mirror
    # Turning the picture anticlockwise lifts the beak of a bird that looks right, and lowers it of
    # one that looks left.
    tilt = examples.tilt + degrees * flip
    pose = [flip, x / POSE_SPREAD["x"], y / POSE_SPREAD["y"], tilt / tilt_spread]
    return layers[:, :3], layers[:, 3:].clamp(0, 1), torch.stack(pose, 1)


def move(layers: Tensor, mirror, degrees, scale, x, y) -> Tensor:
    """(N, C, S, S) mirrored (``mirror`` = -1), turned anticlockwise, scaled, moved by x, y sides.

    The sampling grid holds the inverse map: output position → input position, both in [-1, 1],
    ``input = mirror · R · (output - 2·shift) / scale`` with R a clockwise turn (y points down).
    """
    angle = torch.deg2rad(degrees)
    cos, sin = angle.cos() / scale, angle.sin() / scale
    rows = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    shift = -2 * torch.einsum("nij,nj->ni", rows, torch.stack([x, y], 1))
    theta = torch.cat([rows, shift[:, :, None]], 2)
    theta[:, 0] *= mirror[:, None]
    grid = F.affine_grid(theta, list(layers.shape), align_corners=False)
    return F.grid_sample(layers, grid, padding_mode="reflection", align_corners=False)


def degrade(images: Tensor, colour: float) -> Tensor:
    """Colours changed by about ``colour``, then blur and noise, as in images of an unfinished GAN.

    Brightness, contrast and each colour channel get their own gain and offset.
    """
    n = len(images)
    gain = 1 + colour * (0.6 * torch.randn(n, 1, 1, 1) + 0.4 * torch.randn(n, 3, 1, 1))
    offset = colour * (0.5 * torch.randn(n, 1, 1, 1) + 0.3 * torch.randn(n, 3, 1, 1))
    images = images * gain + offset
    images = blur_some(images)
    noise = 0.12 * torch.rand(n, 1, 1, 1) ** 2 * torch.randn_like(images)
    return (images + noise).clamp(-1, 1)


def blur_some(images: Tensor) -> Tensor:
    """A third of the batch blurred by up to 1 pixel in 32, each call with another width."""
    third, unit = len(images) // 3, images.shape[-1] / 32
    sigma = float(torch.empty(()).uniform_(0.2, 1.0)) * unit
    kernel = 2 * int(2 * unit + 0.5) + 1
    rows = torch.randperm(len(images))
    blurred = gaussian_blur(images[rows[:third]], kernel, sigma)
    return torch.cat([blurred, images[rows[third:]]])[rows.argsort()]


def degrade_mask(masks: Tensor) -> Tensor:
    """True masks made as soft as a segmenter's."""
    return blur_some(masks).clamp(0, 1)


def cut_parts_out(masks: Tensor) -> Tensor:
    """Half of the masks multiplied by another one of the batch, where a third at least remains.

    The outline of the remaining part does not depend on the silhouette.
    """
    cut = masks * masks.roll(1, 0).roll(tuple(torch.randint(-4, 5, (2,)).tolist()), (2, 3))
    enough = cut.sum((1, 2, 3)) > masks.sum((1, 2, 3)) / 3
    chosen = enough & (torch.rand(len(masks)) < 0.5)
    return torch.where(chosen[:, None, None, None], cut, masks)


@torch.no_grad()
def measure_judges(judges: Judges, dataset, *, batch_size=200) -> dict:
    """How good judges are on ToyBirds that they were not trained on.

    Returns:
        ``mask_iou`` (mean over images, at threshold 0.5); ``parent_accuracy``, ``child_accuracy``,
        ``background_accuracy``, ``flip_accuracy`` on real birds; ``free_…`` the first two on birds
        with another parent's plumage; ``blurred_…`` the accuracies after a Gaussian blur of 1 pixel
        in 32; ``tilt_correlation``; ``empty_area``, the mean area of the mask where there is no
        bird; ``factor_floor``, see `factor_floor`.
    """
    real = real_examples(dataset)
    readings, masks = _read_all(judges, real.images, batch_size)
    scores = {"mask_iou": float(iou(masks >= 0.5, real.masks).mean())} | _accuracies(readings, real)
    unit = real.images.shape[-1] // 32
    blurred, _ = _read_all(judges, gaussian_blur(real.images, 4 * unit + 1, unit), batch_size)
    scores |= {f"blurred_{name}": value for name, value in _accuracies(blurred, real).items()}
    free = free_examples(dataset, seed=1)
    free_readings, free_masks = _read_all(judges, free.images, batch_size)
    bird = free.parent >= 0
    for name, reading, truth in (("parent", "shape", "parent"), ("child", "appearance", "child")):
        right = free_readings[reading].argmax(1) == getattr(free, truth)
        scores[f"free_{name}_accuracy"] = float(right[bird].float().mean())
    scores["empty_area"] = float((free_masks[~bird] >= 0.5).float().mean())
    pairs = torch.stack([readings["pose"][:, 3], real.tilt])
    scores["tilt_correlation"] = float(torch.corrcoef(pairs)[0, 1])
    scores["factor_floor"] = factor_floor(readings, real, judges.metadata["tilt_spread"])
    return scores


def factor_floor(readings: dict, real: Examples, tilt_spread: float) -> dict[str, float]:
    """The contribution of the judges' own errors to a factor matrix, measured on real images.

    For the categories: the mean squared distance between the readings of two real images of the
    same category, which differ in everything else, divided by that of any two images. For the
    pose: the mean squared error over the variance of the true pose. 0 for a perfect judge.
    """
    floor = {}
    truths = {"background": real.background, "shape": real.parent, "appearance": real.child}
    for factor, truth in truths.items():
        within = sum(float(readings[factor][truth == k].var(0).sum()) for k in truth.unique())
        floor[factor] = within / len(truth.unique()) / float(readings[factor].var(0).sum())
    zero = torch.zeros_like(real.flip)
    pose = torch.stack([real.flip, zero, zero, real.tilt / tilt_spread], 1)
    error = float((readings["pose"] - pose).square().mean(0).sum())
    floor["pose"] = error / len(POSE_NAMES)  # every part has variance 1 over real training crops
    return floor


def _accuracies(readings: dict, real: Examples) -> dict[str, float]:
    right = {
        "parent": readings["shape"].argmax(1) == real.parent,
        "child": readings["appearance"].argmax(1) == real.child,
        "background": readings["background"].argmax(1) == real.background,
        "flip": readings["pose"][:, 0].sign() == real.flip,
    }
    return {f"{name}_accuracy": float(value.float().mean()) for name, value in right.items()}


def _read_all(judges: Judges, images: Tensor, batch_size: int):
    """Readings and masks of (N, 3, S, S) uint8 images."""
    batches = [batch.float() / 127.5 - 1 for batch in images.split(batch_size)]
    readings = [judges.readings(batch) for batch in batches]
    masks = torch.cat([judges.masks(batch) for batch in batches])
    return {name: torch.cat([r[name] for r in readings]) for name in readings[0]}, masks


def train_and_save_judges(
    out: str | Path,
    *,
    image_size=32,
    n_images=8000,
    n_test=2000,
    steps=3000,
    seed=0,
    progress=True,
    **world,
) -> dict:
    """The command ``python -m finegan_lib judges``: train, measure on other pictures, save.

    Args:
        out: safetensors file to write.
        n_images, n_test: ToyBirds to train on, and ToyBirds of another seed to be measured on.
        world: further arguments of `ToyBirds`, such as ``n_parents`` or ``cache_dir``.

    Returns:
        The scores of `measure_judges`.

    Raises:
        InputError: if ``out`` exists, or for less than one step.
    """
    refuse_to_overwrite(out)
    validate_steps(steps)
    # Only training needs the data; judging does not.
    from ..data.toybirds import DRAWING_VERSION, ToyBirds

    world |= {"image_size": image_size, "progress": progress}
    judges = train_judges(
        ToyBirds(n_images, seed=seed + 11, **world), seed=seed, steps=steps, progress=progress
    )
    scores = measure_judges(judges, ToyBirds(n_test, seed=seed + 12, **world))
    options = f"--image-size {image_size} --steps {steps} --seed {seed}"
    judges.metadata |= scores | {
        "command": f"python -m finegan_lib judges {options} --out FILE",
        "n_images": n_images,
        "n_test": n_test,
        "drawing_version": DRAWING_VERSION,
    }
    judges.save(out)
    return scores
