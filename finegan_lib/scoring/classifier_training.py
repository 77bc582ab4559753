"""Training the classifiers that IS, FID and KID use (see `feature_networks`)."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from ..base.errors import InputError
from ..base.files import refuse_to_overwrite
from ..base.random_numbers import seeded
from ..data import BirdsFolder, ToyBirds
from ..data.cache import CachedBirds
from ..data.toybirds import DRAWING_VERSION, stored_crop_size
from ..metrics.code_classifiers import perturb
from ..metrics.feature_networks import (
    PhotoClassifier,
    SmallClassifier,
    ToyClassifier,
    save_network,
)
from ..metrics.fit import fit, validate_steps
from ..metrics.judges import POSE_SPREAD
from ..metrics.reading import to_uint8
from ..speed.devices import pick_device

TILT_SPREAD = 16 / 12**0.5  # degrees: ToyBirds tilt uniformly between −8 and 8


def train_and_save_classifier(
    out: str | Path,
    *,
    data="toybirds",
    image_size=None,
    backbone="inception_v3",
    pretrained=True,
    steps=1000,
    batch_size=64,
    n_images=8000,
    n_test=2000,
    seed=0,
    device="auto",
    progress=True,
) -> dict:
    """The command ``python -m finegan_lib classifier``: train, measure on other pictures, save.

    Args:
        out: safetensors file to write.
        data: "toybirds", or a folder in CUB's layout with labels.
        image_size: of the crops; None: 32 for ToyBirds (or 64), 128 for a folder, as the paper
            generates, but 64 for "small". The backbone enlarges them, as it will enlarge generated
            pictures.
        backbone, pretrained: of the network for photographs (see `PhotoClassifier`); "small" is a
            `SmallClassifier`, which is trained from nothing.
        steps, batch_size: of training.
        n_images, n_test: ToyBirds to train on, and others to be measured on. Of a folder, every
            tenth picture is kept for measuring.
        device: "auto", or a name that torch knows.

    Returns:
        Accuracies on pictures that were not trained on, and the command.

    Raises:
        InputError: if ``out`` exists, for an image size that the network does not have, less than
            one step, a batch of less than two pictures, a folder without labels or of less
            than three pictures, or weights that cannot be fetched.
    """
    refuse_to_overwrite(out)
    validate_steps(steps)
    if batch_size < 2:  # BatchNorm needs two
        raise InputError("batch_size must be at least 2", seen=batch_size, cure="Choose 64 or so.")
    device, small = pick_device(str(device)), backbone == "small"
    torch.manual_seed(seed)
    options = {"steps": steps, "batch_size": batch_size, "seed": seed, "progress": progress}
    if data == "toybirds":
        image_size, chosen = 32 if image_size is None else image_size, ""
        network, scores = _of_toybirds(image_size, n_images, n_test, device, **options)
    else:
        image_size = (64 if small else 128) if image_size is None else image_size
        chosen = f" --backbone {backbone}"
        chosen += "" if small or pretrained else " --from-scratch"
        network, scores = _of_folder(data, image_size, backbone, pretrained, device, **options)
    command = f"python -m finegan_lib classifier --data {data}{chosen} --image-size {image_size}"
    command += f" --steps {steps} --batch-size {batch_size} --seed {seed} --out FILE"
    facts = scores | {"command": command}
    save_network(network, out, **facts)
    return facts


def _of_toybirds(image_size, n_images, n_test, device, *, steps, batch_size, seed, progress):
    """A trained `ToyClassifier`, and its scores on other birds."""
    ToyClassifier.validate_size(image_size)  # before thousands of birds are drawn
    sizes = {"image_size": image_size, "progress": progress}
    training = ToyBirds(n_images, seed=seed + 11, **sizes)
    network = ToyClassifier(image_size, training.n_children, training.n_backgrounds)
    train_toy_classifier(network.to(device), training, steps, batch_size, progress)
    scores = measure_toy_classifier(network, ToyBirds(n_test, seed=seed + 12, **sizes))
    return network, scores | {"n_images": n_images, "drawing_version": DRAWING_VERSION}


def _of_folder(
    data, image_size, backbone, pretrained, device, *, steps, batch_size, seed, progress
):
    """A `SmallClassifier` or `PhotoClassifier` trained on nine tenths of a folder, and its scores
    on the rest."""
    small = backbone == "small"
    folder = (CachedBirds if small else BirdsFolder)(data, image_size=image_size, seed=seed)
    if folder.child_index is None:
        raise InputError(
            "a classifier needs labels",
            seen=f"{data} has no image_class_labels.txt",
            cure="Give a folder in CUB's layout with that file.",
        )
    if len(folder) < 3:  # one is measured on; BatchNorm needs two to learn from
        raise InputError(
            "a classifier needs three pictures at least",
            seen=f"{len(folder)} in {data}",
            cure="Add hundreds.",
        )
    if not small:
        network = PhotoClassifier(folder.n_children, backbone, pretrained).to(device)
        return network, train_photo_classifier(network, folder, steps, batch_size, seed, progress)
    network = SmallClassifier(image_size, folder.n_children).to(device)
    order = np.random.default_rng(seed).permutation(len(folder))
    rows = np.sort(np.delete(order, slice(None, None, 10)))
    options = {"steps": steps, "batch_size": batch_size, "seed": seed, "progress": progress}
    scores = train_small_classifier(network, folder, folder.child_index, rows, **options)
    return network, scores


# ------------------------------------------------------------------------------------- toy birds


def train_toy_classifier(network, birds: ToyBirds, steps, batch_size=64, progress=True) -> None:
    """Child, background and pose together, on the same random crops and flips as a GAN sees."""
    rng, device = np.random.default_rng(birds.seed), next(network.parameters()).device

    def loss(step: int) -> Tensor:
        rows = rng.integers(len(birds), size=batch_size)
        images, targets = views_with_truth(birds, rows, views=step)
        features = network.embed(images.to(device))
        child, background, pose = (target.to(device) for target in targets)
        named = F.cross_entropy(network.child(features), child)
        named = named + F.cross_entropy(network.background(features), background)
        return named + F.mse_loss(network.pose(features), pose)

    fit(network, loss, steps, 4e-3, name="training the classifier", progress=progress)
    network.eval().cpu()


def views_with_truth(birds: ToyBirds, rows, views: int):
    """Training views of ToyBirds and what they show.

    Returns:
        images (N, 3, S, S) in [-1, 1], and (child (N,), background (N,), pose (N, 4)): flip, x, y
        and tilt of the bird *in the view*, in standard deviations (as the judges have them).
    """
    images = birds.batch(rows, views).child_crop
    margin = (stored_crop_size(birds.image_size) - birds.image_size) / 2
    pose = np.empty((len(rows), 4), np.float32)
    for k, row in enumerate(rows.tolist()):
        corner, flipped, _, _ = birds.random_view(row, views)
        side = -1.0 if flipped else 1.0
        facing = -1.0 if birds.pose["flip"][row] else 1.0
        # A window further to the right shows the bird further to the left; a flip swaps sides.
        x, y = (margin - np.array(corner)) / birds.image_size
        pose[k] = side * facing, side * x, y, birds.pose["tilt"][row] / TILT_SPREAD
    pose[:, 1:3] /= POSE_SPREAD["x"]
    truth = (birds.child_index[rows], birds.background_index[rows], pose)
    return images, tuple(torch.from_numpy(np.asarray(t)) for t in truth)


@torch.no_grad()
def measure_toy_classifier(network, birds: ToyBirds, batch_size=200) -> dict:
    """Accuracies of child and background, and ``pose_error``, the mean squared error of the pose in
    units of its variance: 0 is best."""
    right, background_right, error = 0, 0, torch.zeros(4)
    for rows in np.array_split(np.arange(len(birds)), -(-len(birds) // batch_size)):
        images, (child, background, pose) = views_with_truth(birds, rows, views=0)
        features = network.embed(images)
        right += int((network.child(features).argmax(1) == child).sum())
        background_right += int((network.background(features).argmax(1) == background).sum())
        error += (network.pose(features) - pose).square().sum(0)
    return {
        "child_accuracy": right / len(birds),
        "background_accuracy": background_right / len(birds),
        "pose_error": float(error.mean()) / len(birds),
    }


# ------------------------------------------------------------------------------------- photographs


def train_photo_classifier(network, folder, steps, batch_size, seed=0, progress=True) -> dict:
    """Fine-tune on nine tenths of a labelled folder; accuracy on the rest."""
    order = np.random.default_rng(seed).permutation(len(folder))
    test, training = np.sort(order[::10]), np.setdiff1d(order, order[::10])
    device = next(network.parameters()).device
    batches = _photo_batches(folder, training, batch_size, steps, seed)

    def loss(step: int) -> Tensor:
        images, index = next(batches)
        labels = torch.from_numpy(folder.child_index[index]).to(device)
        logits = network(to_uint8(images).to(device)).logits
        return F.cross_entropy(logits, labels, label_smoothing=0.1)

    options = {"name": "fine-tuning", "rise": 0.1, "schedule_steps": steps + 1}
    fit(network, loss, steps, 3e-4, progress=progress, **options)
    network.eval()
    right = 0
    for rows in np.array_split(test, -(-len(test) // batch_size)):
        crops = folder.evaluation_crops(rows).to(device)
        with torch.no_grad():
            seen = network(crops).logits.argmax(1).cpu().numpy()
        right += int((seen == folder.child_index[rows]).sum())
    network.cpu()
    return {"child_accuracy": right / len(test), "n_images": len(training), "n_test": len(test)}


def train_small_classifier(
    network, birds, labels, rows, *, steps=400, batch_size=64, seed=0, progress=True
) -> dict:
    """Train a `SmallClassifier` from nothing on some photographs; accuracy on the others.

    The crops are a GAN's, random windows and flips, and augmented as generated images are before a
    reader learns from them (:func:`finegan_lib.metrics.code_classifiers.perturb`).

    Args:
        network: on its device; left in evaluation mode on the CPU.
        birds: `CachedBirds` of the network's image size.
        labels: (N,) classes of all its photographs.
        rows: those to learn from; with every other one left out the accuracy is NaN.

    Returns:
        ``child_accuracy``, ``n_images`` and ``n_test``.
    """
    device, rng = next(network.parameters()).device, np.random.default_rng(seed)
    labels = torch.as_tensor(np.asarray(labels))

    def loss(step: int) -> Tensor:
        chosen = rng.choice(rows, size=batch_size)
        images = birds.batch([(int(row), step) for row in chosen]).child_crop
        logits = network.child(network.embed(perturb(images).to(device)))
        return F.cross_entropy(logits, labels[chosen].to(device), label_smoothing=0.1)

    options = {"name": "training the set's own classifier", "progress": progress}
    with seeded(seed):
        fit(network, loss, steps, 3e-3, weight_decay=5e-2, schedule_steps=steps + 1, **options)
    network.eval().cpu()
    test, right = np.setdiff1d(np.arange(len(birds)), rows), 0
    for part in np.array_split(test, -(-len(test) // 250) or 1):
        if len(part):
            with torch.no_grad():
                seen = network(birds.evaluation_crops(part)).logits.argmax(1)
            right += int((seen == labels[part]).sum())
    accuracy = right / len(test) if len(test) else float("nan")
    return {"child_accuracy": accuracy, "n_images": len(rows), "n_test": len(test)}


def _photo_batches(folder, rows, batch_size, steps, seed) -> tuple[Tensor, Tensor]:
    """``steps`` batches of (crops, indices), epoch after epoch with new crops and flips."""
    rng, made, epoch = torch.Generator().manual_seed(seed), 0, 0
    while made < steps:
        order = torch.from_numpy(rows)[torch.randperm(len(rows), generator=rng)]
        keys = [(int(row), epoch) for row in order]
        loader = DataLoader(folder, batch_size, sampler=keys, num_workers=0)
        for example in loader:
            if len(example.index) > 1 and made < steps:  # BatchNorm needs two
                made += 1
                yield example.child_crop, example.index
        epoch += 1
