"""Real photographs: a folder in the layout of CUB-200-2011, read as a data set.

::

    root/
      images.txt               <image id> <path below images/>
      bounding_boxes.txt       <image id> <x> <y> <width> <height>, pixels of the whole image
      image_class_labels.txt   <image id> <class id>      (optional; training never looks at it)
      classes.txt              <class id> <class name>    (optional)
      images/...

Only the boxes supervise FineGAN: the child discriminator sees a crop round the object, and the
background discriminator learns from the patches of the whole image that no object touches.
``train_test_split.txt`` is ignored: as in the paper's experiments, every image is used.

What becomes of broken images and annotations is listed in :mod:`finegan_lib.data.check`. Each rule
is one function of :mod:`finegan_lib.data.lists`, which both this reader and that command call.
"""

import math
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from ..base.errors import InputError
from ..codes import CodeHierarchy
from .example import TrainingExample, background_size
from .lists import (
    Report,
    index_classes,
    read_boxes,
    read_classes,
    read_headers,
    read_images,
    validate_folder_files,
)
from .pictures import read_rgb, resize_shorter_side
from .plausible import (
    MARGIN,
    background_share,
    background_text,
    background_warning,
    box_in_window,
    random_window,
)


class Photographs(Dataset):
    """Photographs with one bounding box each, cut into training examples.

    ``dataset[i]`` or ``dataset[i, view]`` is a :class:`TrainingExample`, made as the authors of
    FineGAN make it:

    - child crop: the square of side ``crop_scale`` · max(width, height) round the box's centre,
      clipped to the image (so not always square), its shorter side resized to int(S · 76/64); then
      a random S × S window of it, mirrored half the time;
    - full image: the whole image, its shorter side resized to int(S_b · full_scale); then a random
      S_b × S_b window, mirrored half the time by a coin of its own. The box moves along and is
      clipped to the window: where the window misses the object, the box is empty.

    Both come from random numbers seeded by (seed, i, view) alone, so they do not depend on the
    worker or on the order of the calls. A subclass fills in ``sizes`` and ``boxes``, and says in
    :meth:`photograph` what the pixels are.

    Args:
        image_size: S, side of the child crop in pixels, one of ``example.IMAGE_SIZES``.
        seed: for the random windows and mirrorings, at least 0.
        crop_scale: side of the child crop, as a multiple of the longer side of the box.
        full_scale: shorter side of the resized whole image, as a multiple of its window, at
            least 1. With a larger value, more windows lie beside the object.

    Attributes:
        sizes: (width, height) of each upright photograph, in pixels.
        boxes: (N, 4) float64: x1, y1, x2, y2 in pixels of the upright photograph, clipped to it.
    """

    def __init__(self, image_size: int, seed: int, crop_scale: float, full_scale: float):
        self.background_size = background_size(image_size)
        validate_option(
            "crop_scale", crop_scale, 0 < crop_scale < math.inf, "Give a number above 0."
        )
        validate_full_scale(full_scale)
        validate_option("seed", seed, seed >= 0, "Give a whole number, 0 or more.")
        self.image_size, self.seed = image_size, seed
        self.crop_scale, self.full_scale = crop_scale, full_scale

    def photograph(self, index: int) -> Image.Image:
        """One photograph, upright and in RGB."""
        raise NotImplementedError

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, key) -> TrainingExample:
        index, view = key if isinstance(key, tuple) else (key, 0)
        index = range(len(self))[index]
        rng = np.random.default_rng((self.seed, index, int(view)))
        image, box = self.photograph(index), self.boxes[index]

        crop = self._child_crop(image, box)
        window = random_window(crop.size, self.image_size, rng)
        child_crop = _to_tensor(_cut(crop, window, flip=rng.random() < 0.5))

        # The small number makes full_scale = side / S_b give exactly this side.
        side = int(self.background_size * self.full_scale + 1e-6)
        whole = resize_shorter_side(image, side)
        window = random_window(whole.size, self.background_size, rng)
        flip = rng.random() < 0.5
        full_image = _to_tensor(_cut(whole, window, flip))
        box = box_in_window(box, image.size, whole.size, window, flip)
        return TrainingExample(
            child_crop, full_image, torch.tensor(box, dtype=torch.float32), index
        )

    def __getitems__(self, keys) -> list[TrainingExample]:
        """The examples of one batch, as a list. A ``DataLoader`` calls this."""
        return [self[key] for key in keys]

    def batch(self, keys) -> TrainingExample:
        """The examples of several keys, stacked into one."""
        return default_collate(self.__getitems__(keys))

    def background_share(self) -> float:
        """:func:`background_share` of this data set, at its sizes."""
        return background_share(self.sizes, self.boxes, self.image_size, self.full_scale)

    def tell_background(self) -> None:
        """Print :meth:`background_share`, and warn where it is too small to learn from."""
        shares = {self.image_size: self.background_share()}
        print(background_text(shares), file=sys.stderr)
        if text := background_warning(self.sizes, self.boxes, shares, self.full_scale):
            warnings.warn(text, stacklevel=2)

    def evaluation_crops(self, indices=None) -> Tensor:
        """The middle of every child crop, never mirrored: (N, 3, S, S) uint8.

        Args:
            indices: which images, in which order; all by default.
        """
        indices = range(len(self)) if indices is None else [int(i) for i in indices]
        crops = torch.empty(len(indices), 3, self.image_size, self.image_size, dtype=torch.uint8)
        for row, index in enumerate(indices):
            crop = self._child_crop(self.photograph(index), self.boxes[index])
            middle = [(side - self.image_size) // 2 for side in crop.size]
            crops[row] = _pixels(_cut(crop, (*middle, self.image_size), flip=False))
        return crops

    def evaluation_boxes(self, indices=None) -> np.ndarray:
        """The boxes in ``evaluation_crops(indices)``.

        Returns:
            (N, 4) float64: x1, y1, x2, y2 in pixels of the S × S crop, clipped to it.
        """
        indices = range(len(self)) if indices is None else [int(i) for i in indices]
        moved = np.empty((len(indices), 4))
        for row, index in enumerate(indices):
            box = self.boxes[index]
            x1, y1, x2, y2 = self._crop_square(box, self.sizes[index])
            width, height = x2 - x1, y2 - y1
            scale = int(self.image_size * MARGIN) / min(width, height)
            corner = [(int(side * scale) - self.image_size) // 2 for side in (width, height)]
            moved[row] = (box - np.tile((x1, y1), 2)) * scale - np.tile(corner, 2)
        return moved.clip(0, self.image_size)

    def _crop_square(self, box, size) -> tuple[int, int, int, int]:
        x1, y1, x2, y2 = box
        # Whole pixels, rounded down, as in the authors' code.
        half = max(1, int(self.crop_scale / 2 * max(x2 - x1, y2 - y1)))
        x, y = int((x1 + x2) / 2), int((y1 + y2) / 2)
        width, height = size
        return max(0, x - half), max(0, y - half), min(width, x + half), min(height, y + half)

    def _child_crop(self, image: Image.Image, box) -> Image.Image:
        square = self._crop_square(box, image.size)
        return resize_shorter_side(image.crop(square), int(self.image_size * MARGIN))


class BirdsFolder(Photographs):
    """A folder of photographs with one bounding box each (layout: see the module).

    Args:
        root: the folder that holds ``images.txt``.
        image_size: S, side of the child crop in pixels, one of ``example.IMAGE_SIZES``.
        seed: for the random windows and mirrorings, at least 0.
        hierarchy: the parent of each class, where that is known. Without labels it only says how
            many children to train.
        crop_scale: side of the child crop, as a multiple of the longer side of the box.
        full_scale: shorter side of the resized whole image, as a multiple of its window, at
            least 1. With a larger value, more windows lie beside the object.

    Attributes:
        paths: the image files, one per example, in the order of ``images.txt``.
        sizes: (width, height) of each upright image, in pixels.
        boxes: (N, 4) float64: x1, y1, x2, y2 in pixels of the whole image, clipped to it. Where a
            file's EXIF data turn the image, these are pixels of the upright image.
        child_index, parent_index: (N,) int64, or None where unknown. Classes are counted from 0 in
            the order of their ids.
        class_names: names from ``classes.txt``, or None.
        n_children: number of classes, or of the hierarchy's children; None where neither is known.

    Raises:
        InputError: for a missing folder or file, an annotation that makes no sense (with its file
            and line), a box outside its image; and, from ``dataset[i]``, for an image that cannot
            be decoded.

    Warns:
        UserWarning: one for each kind of repair, which counts the images that it touched.
    """

    def __init__(
        self,
        root,
        *,
        image_size: int = 128,
        seed: int = 0,
        hierarchy: CodeHierarchy | None = None,
        crop_scale: float = 1.5,
        full_scale: float = MARGIN,
    ):
        super().__init__(image_size, seed, crop_scale, full_scale)
        self.root, self.hierarchy = Path(root), hierarchy

        report = Report(stop=True)
        validate_folder_files(self.root, report)
        rows = read_images(self.root, report)
        headers = read_headers(rows, report)
        boxes = read_boxes(self.root, rows, headers, report)
        self.paths = [path for path, _ in rows.values()]
        self.boxes = np.array([boxes[id_] for id_ in rows], dtype=float)
        names, labels = read_classes(self.root, rows, report)
        self.class_names, self.child_index, self.n_children = index_classes(names, labels)
        self.sizes = [headers[id_].size for id_ in rows]
        report.warn(self.root, len(rows))
        self.parent_index = None
        if hierarchy is not None:
            self._use(hierarchy)

    def _use(self, hierarchy: CodeHierarchy):
        if self.n_children not in (None, hierarchy.n_children):
            raise InputError(
                f"the hierarchy has {hierarchy.n_children} children, one per class is needed",
                seen=f"{self.n_children} classes in {self.root}",
                cure=f"Give one with {self.n_children} children, or none: the codes of a model "
                "need not be as many as the classes.",
            )
        self.n_children = hierarchy.n_children
        if self.child_index is not None:
            self.parent_index = hierarchy.parent_of.numpy()[self.child_index]

    def photograph(self, index: int) -> Image.Image:
        """One photograph, upright and in RGB; :class:`InputError` if it cannot be decoded."""
        return read_rgb(self.paths[index])


# ---------------------------------------------------------------------------------------- windows


def _cut(image, window, flip):
    x, y, side = window
    cut = image.crop((x, y, x + side, y + side))
    return ImageOps.mirror(cut) if flip else cut


def _pixels(image) -> Tensor:
    """(3, H, W) uint8."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _to_tensor(image) -> Tensor:
    """(3, H, W) float32 in [-1, 1]."""
    return _pixels(image).contiguous().float() / 127.5 - 1


def validate_full_scale(full_scale: float):
    """Raise :class:`InputError` for a whole image that would be smaller than its window."""
    validate_option("full_scale", full_scale, 1 <= full_scale < math.inf, "Give at least 1.")


def validate_option(name, value, good, cure):
    """Raise :class:`InputError`, which names the option and its value, unless it is good."""
    if not good:
        raise InputError(f"{name} is out of range", seen=value, cure=cure)
