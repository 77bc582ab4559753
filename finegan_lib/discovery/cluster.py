"""Sort a folder of images into categories: pictures in, a contact sheet and a table out."""

import csv
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..base.errors import InputError
from ..base.files import folder_for, make_folder
from ..data import BirdsFolder, ToyBirds
from ..data.kept_out import TOY_SEED
from ..data.pictures import middle_square, need_pictures, read_rgb
from ..metrics.clustering import agreement, kmeans_labels, raw_pixels, whitening
from ..speed.devices import pick_device
from ..training.pretrained import load_finegan, refuse_toybirds
from .code_classifiers import code_readers, reader_features
from .depict import DEPICT, DEPICT_LARGE, depict
from .jule import JULEConfig, jule

METHODS = ("finegan", "jule", "jule_resnet50", "depict", "depict_large", "kmeans")

JULE = JULEConfig()
JULE_RESNET50 = replace(JULE, backbone="resnet50")


def cluster_images(
    images: Tensor,
    method: str,
    n_clusters: int,
    *,
    config=None,
    checkpoint="toy",
    seed: int = 0,
    folder=None,
    device: str = "auto",
    whiten: int = 0,
    features=None,
    progress: bool = True,
) -> np.ndarray:
    """(N,) int64 clusters of uint8 images (N, 3, S, S) by one of `METHODS`.

    Args:
        config: a `JULEConfig`, `DEPICTConfig` or `DiscoveryConfig` in place of the method's own.
        checkpoint: of the FineGAN, for "finegan".
        folder: where JULE and DEPICT keep their state, to go on after a stop.
        whiten: for "finegan": components of the features' `whitening` (0: the features as they
            are, as in the paper).
        features: for "finegan": a function to use in place of :func:`finegan_features`, such as
            :func:`~finegan_lib.applications.cut_discovery.cut_features`.

    Raises:
        InputError: for an unknown method, images that it cannot use, or ``whiten`` or ``features``
            with a method that has no features of classifiers.
    """
    if (whiten or features) and method != "finegan":
        option = f"--whiten {whiten}" if whiten else "--cut"
        raise InputError(
            "only finegan sorts by features of classifiers",
            seen=f"{option} with {method}",
            cure=f"Leave {option.split()[0]} out, or take --method finegan.",
        )
    device = str(pick_device(device))
    long_run = {"seed": seed, "progress": progress, "folder": folder, "device": device}
    if method in ("jule", "jule_resnet50"):
        config = config or (JULE if method == "jule" else JULE_RESNET50)
        return jule(images, n_clusters, config, **long_run)
    if method in ("depict", "depict_large"):
        config = config or (DEPICT if method == "depict" else DEPICT_LARGE)
        return depict(images, n_clusters, config, **long_run)
    if method == "finegan":
        generator = load_finegan(checkpoint)
        read = features or finegan_features
        found = read(images, generator, config, seed=seed, progress=progress)
        if whiten:
            found = whitening(found, whiten, seed).transform(found)
        return kmeans_labels(found, n_clusters, seed).astype(np.int64)
    if method == "kmeans":
        return kmeans_labels(raw_pixels(images), n_clusters, seed).astype(np.int64)
    raise InputError("unknown method", seen=method, cure=f"Choose one of {', '.join(METHODS)}.")


def finegan_features(images, generator, config=None, *, seed=0, progress=False) -> Tensor:
    """(N, D) features of real images, from two classifiers that saw generated images only.

    φ_p learns the parent code of generated images, φ_c the child code. The features of both are
    concatenated (paper, section 3.3).

    Args:
        images: (N, 3, S, S) uint8.
        generator: a FineGAN in evaluation mode.
        config: `DiscoveryConfig`.
    """
    readers = code_readers(generator, config, seed=seed, progress=progress)
    return reader_features(readers, images, config)


# ------------------------------------------------------------------------- a folder in


def read_images(source, image_size: int = 64, *, n_images: int = 2000, seed: int = 0):
    """Images to be sorted.

    Args:
        source: a :class:`~finegan_lib.data.PictureSet` or another data set of this library, at its
            own size; "toybirds"; a folder in CUB's layout, of which the crops round the boxes are
            taken; or any folder, with whatever images lie in it at any depth, of which the middle
            square is taken.
        image_size: S, pixels; one of ``data.example.IMAGE_SIZES`` for the first two.
        n_images, seed: of ToyBirds.

    Returns:
        images (N, 3, S, S) uint8; names, one per image; and the true categories (N,), or None: of
        ``image_class_labels.txt``, else of one folder a category (:func:`folder_labels`).

    Raises:
        InputError: for a folder without images, a file that cannot be read, or an image_size
            that is not allowed.
    """
    if hasattr(source, "evaluation_crops"):
        names = [f"item {i}" for i in range(len(source))]
        return source.evaluation_crops(), names, source.child_index
    if source == "toybirds":
        birds = ToyBirds(n_images, image_size=image_size, seed=seed, progress=False)
        names = [f"toybird {i}" for i in range(len(birds))]
        return birds.evaluation_crops(), names, birds.child_index
    folder = Path(source)
    if (folder / "images.txt").is_file():
        birds = BirdsFolder(folder, image_size=image_size)
        names = [str(path.relative_to(folder)) for path in birds.paths]
        truth = birds.child_index
        if truth is None:
            truth = folder_labels([path.relative_to(folder / "images") for path in birds.paths])
        return birds.evaluation_crops(), names, truth
    if not folder.is_dir():
        raise InputError(
            "no such folder", seen=str(source), cure='Give a folder of images, or "toybirds".'
        )
    if image_size < 1:
        raise InputError(
            "image_size must be at least 1", seen=image_size, cure="Give pixels, such as 64."
        )
    paths = need_pictures(folder)
    squares = np.stack([middle_square(read_rgb(path), image_size) for path in paths])
    images = torch.from_numpy(squares)
    names = [path.relative_to(folder) for path in paths]
    return images, [str(name) for name in names], folder_labels(names)


def folder_labels(names) -> np.ndarray | None:
    """Categories of pictures in folders, one folder for each category, (N,) int64; else None.

    The category is the name of the folder that a picture lies in, so that ``train/robin`` and
    ``test/robin`` are one. Pictures that lie in no folder, or all in one, have no category.

    Args:
        names: paths of the pictures, relative to what holds them all.
    """
    parents = [Path(name).parent.name for name in names]
    kinds = sorted(set(parents))
    if "" in kinds or len(kinds) < 2:
        return None
    return np.searchsorted(kinds, parents).astype(np.int64)


# ------------------------------------------------------------------------- a sheet and a table out


def cluster(
    source,
    method: str,
    n_clusters: int | None,
    out,
    *,
    checkpoint="toy",
    image_size: int = 64,
    n_images: int = 2000,
    seed: int = 0,
    device: str = "auto",
    config=None,
    whiten: int = 0,
    features=None,
    progress: bool = True,
) -> dict:
    """Sort a folder of images, and write what was found.

    ``out`` gets ``clusters.csv`` (file, cluster), ``clusters.png`` (`contact_sheet`), and, for JULE
    and DEPICT, ``state/``, from which the same call goes on after a stop.

    Args:
        n_clusters: None: as many as the checkpoint has children, for "finegan" alone.
        config, whiten, features: as in `cluster_images`.

    Returns:
        What was done, the size of every cluster, and, where the truth is known, how well the
        clusters agree with it (never used for sorting).

    Raises:
        InputError: for input that cannot be used, an ``out`` that is a file, no ``n_clusters`` for
            a method that needs it, or "toybirds" for a FineGAN that was trained on photographs.
    """
    out = folder_for(out)
    if method == "finegan":
        refuse_toybirds(checkpoint, source)
    if n_clusters is None:
        n_clusters = children_of(checkpoint, method)
    images, names, truth = read_images(source, image_size, n_images=n_images, seed=TOY_SEED + seed)
    labels = cluster_images(
        images,
        method,
        n_clusters,
        config=config,
        checkpoint=checkpoint,
        seed=seed,
        folder=out / "state",
        device=device,
        whiten=whiten,
        features=features,
        progress=progress,
    )
    make_folder(out)
    with open(out / "clusters.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "cluster"])
        writer.writerows(zip(names, labels.tolist(), strict=True))
    sheet = contact_sheet(images, labels, n_clusters)
    found = int((np.bincount(labels, minlength=n_clusters) > 0).sum())
    title = f"{len(images)} images in {found} categories, sorted by {method}; largest first"
    with_title(sheet, title).save(out / "clusters.png")
    result = {
        "source": type(source).__name__ if hasattr(source, "evaluation_crops") else str(source),
        "method": method,
        "n_clusters": n_clusters,
        "seed": seed,
        "images": len(images),
        "image_size": image_size,
        "config": asdict(config) if config else None,
        "whiten": whiten,
        "features": getattr(getattr(features, "func", features), "__name__", None),
        "sizes": np.bincount(labels, minlength=n_clusters).tolist(),
    }
    return result | ({} if truth is None else {"agreement": agreement(truth, labels)})


def children_of(checkpoint, method: str) -> int:
    """How many children a FineGAN has: the number of clusters where none is given.

    Raises:
        InputError: for a method that uses no checkpoint.
    """
    if method != "finegan":
        raise InputError(
            "this method needs a number of clusters",
            seen=method,
            cure="Give --n-clusters, for instance how many kinds you expect.",
        )
    return load_finegan(checkpoint).config.n_children


def with_title(sheet: Image.Image, title: str) -> Image.Image:
    """A picture with a line of text above it."""
    band = 30
    whole = Image.new("RGB", (sheet.width, sheet.height + band), "white")
    whole.paste(sheet, (0, band))
    draw = ImageDraw.Draw(whole)
    draw.text((6, 7), title, fill="black", font=ImageFont.load_default(15))
    return whole


def contact_sheet(images: Tensor, labels, n_clusters: int, columns: int = 12) -> Image.Image:
    """One line of pictures for every cluster, the largest cluster first.

    Args:
        images: (N, 3, S, S) uint8; shown at 64 pixels.
        labels: (N,) clusters.
        columns: pictures of a cluster, evenly spread over its members.
    """
    side, gap, margin = 64, 4, 92
    sizes = np.bincount(labels, minlength=n_clusters)
    shown = [c for c in np.argsort(-sizes, kind="stable") if sizes[c]]
    line = side + gap
    sheet = Image.new("RGB", (margin + columns * line + gap, len(shown) * line + gap), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for row, c in enumerate(shown):
        members = np.flatnonzero(labels == c)
        top = gap + row * line
        text = f"cluster {c}\n{sizes[c]} image{'s' if sizes[c] > 1 else ''}"
        draw.multiline_text((gap + 2, top + 14), text, fill="black", font=font, spacing=4)
        few = np.unique(np.linspace(0, len(members) - 1, min(columns, len(members))).astype(int))
        for column, i in enumerate(members[few]):
            picture = Image.fromarray(images[i].permute(1, 2, 0).numpy())
            picture = picture.resize((side, side), Image.Resampling.BICUBIC)
            sheet.paste(picture, (margin + column * line, top))
    return sheet
