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
"""

import math
import struct
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset

from ..codes import CodeHierarchy
from ..errors import InputError
from .example import TrainingExample, background_size

# Images are resized to this much more than the window that is then cut out of them at random.
MARGIN = 76 / 64
EXIF_ORIENTATION = 0x0112
# What Pillow raises for a damaged file, depending on its format and on where the damage is.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)


class BirdsFolder(Dataset):
    """A folder of photographs with one bounding box each (layout: see the module).

    ``dataset[i]`` or ``dataset[i, draw]`` is a :class:`TrainingExample`, made as the authors of
    FineGAN make it:

    - child crop: the square of side ``crop_scale`` · max(width, height) round the box's centre,
      clipped to the image (so not always square), its shorter side resized to int(S · 76/64); then
      a random S × S window of it, mirrored half the time;
    - full image: the whole image, its shorter side resized to int(S_b · full_scale); then a random
      S_b × S_b window, mirrored half the time by a coin of its own. The box moves along and is
      clipped to the window: where the window misses the object, the box is empty.

    Both are drawn from a generator seeded by (seed, i, draw) alone, so they do not depend on the
    worker or on the order of the calls.

    Args:
        root: the folder that holds ``images.txt``.
        image_size: S, side of the child crop in pixels: 32, 64 or 128.
        seed: for the random windows and mirrorings, at least 0.
        hierarchy: the parent of each class, where that is known. Without labels it only says how
            many children to train.
        crop_scale: side of the child crop, as a multiple of the longer side of the box.
        full_scale: shorter side of the resized whole image, as a multiple of its window, at
            least 1. The larger, the more windows lie beside the object.

    Attributes:
        paths: the image files, one per example, in the order of ``images.txt``.
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
        self.background_size = background_size(image_size)
        _check_option("crop_scale", crop_scale, 0 < crop_scale < math.inf, "Give a number above 0.")
        _check_option("full_scale", full_scale, 1 <= full_scale < math.inf, "Give at least 1.")
        _check_option("seed", seed, seed >= 0, "Give a whole number, 0 or more.")
        self.root = Path(root)
        self.image_size = image_size
        self.seed = seed
        self.hierarchy = hierarchy
        self.crop_scale = crop_scale
        self.full_scale = full_scale

        _check_folder(self.root)
        rows = _read_images(self.root)
        self.paths = [path for path, _ in rows.values()]
        boxes = _read_boxes(self.root / "bounding_boxes.txt", rows)
        self.boxes = _clip_to_images(boxes, self.paths, self.root / "bounding_boxes.txt")
        self.class_names, self.child_index, self.n_children = _read_classes(self.root, rows)
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

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, key) -> TrainingExample:
        index, draw = key if isinstance(key, tuple) else (key, 0)
        index = range(len(self))[index]
        rng = np.random.default_rng((self.seed, index, int(draw)))
        image, box = read_rgb(self.paths[index]), self.boxes[index]

        crop = self._child_crop(image, box)
        window = _random_window(crop.size, self.image_size, rng)
        child_crop = _to_tensor(_cut(crop, window, flip=rng.random() < 0.5))

        # The tiny sum lets full_scale = side / S_b give back that very side.
        side = int(self.background_size * self.full_scale + 1e-6)
        whole = resize_shorter_side(image, side)
        window = _random_window(whole.size, self.background_size, rng)
        flip = rng.random() < 0.5
        full_image = _to_tensor(_cut(whole, window, flip))
        box = _move_box(box, image.size, whole.size, window, flip)
        return TrainingExample(
            child_crop, full_image, torch.tensor(box, dtype=torch.float32), index
        )

    def evaluation_crops(self, indices=None) -> Tensor:
        """The middle of every child crop, never mirrored: (N, 3, S, S) uint8.

        Args:
            indices: which images, in which order; all by default.
        """
        indices = range(len(self)) if indices is None else [int(i) for i in indices]
        crops = torch.empty(len(indices), 3, self.image_size, self.image_size, dtype=torch.uint8)
        for row, index in enumerate(indices):
            crop = self._child_crop(read_rgb(self.paths[index]), self.boxes[index])
            middle = [(side - self.image_size) // 2 for side in crop.size]
            crops[row] = _pixels(_cut(crop, (*middle, self.image_size), flip=False))
        return crops

    def _child_crop(self, image: Image.Image, box) -> Image.Image:
        x1, y1, x2, y2 = box
        # Whole pixels, rounded down, as the authors do.
        half = max(1, int(self.crop_scale / 2 * max(x2 - x1, y2 - y1)))
        x, y = int((x1 + x2) / 2), int((y1 + y2) / 2)
        width, height = image.size
        square = max(0, x - half), max(0, y - half), min(width, x + half), min(height, y + half)
        return resize_shorter_side(image.crop(square), int(self.image_size * MARGIN))


# ------------------------------------------------------------------------------ images and windows


def read_rgb(path: Path) -> Image.Image:
    """The image at ``path``, upright (EXIF applied), in RGB.

    Raises:
        InputError: naming the file, if it is missing, damaged, or has more than 8 bits a channel.
    """
    try:
        image = Image.open(path)
        image.load()
        image = ImageOps.exif_transpose(image)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    if image.mode[0] in "IF":
        raise InputError(
            f"only 8 bits a channel can be read, not the pixel format of {path}",
            seen=image.mode,
            cure="Convert the image to an 8-bit JPEG or PNG.",
        )
    return image.convert("RGB")


def _unreadable(path, error):
    return InputError(
        f"cannot read the image {path}",
        seen=str(error),
        cure="Fetch this file again, or take its lines out of the annotation files.",
    )


def _upright_size(path: Path) -> tuple[int, int]:
    """(width, height) from the header alone, as ``read_rgb`` will turn the image."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    return (height, width) if turned else (width, height)


def resize_shorter_side(image: Image.Image, side: int) -> Image.Image:
    """The image scaled so that its shorter side has ``side`` pixels, the longer rounded down."""
    width, height = image.size
    short = min(width, height)
    size = side * width // short, side * height // short
    return image.resize(size, Image.Resampling.BILINEAR)


def _random_window(size, side, rng):
    """x, y, side of a square window in an image of ``size`` = (width, height)."""
    x, y = (int(rng.integers(0, length - side + 1)) for length in size)
    return x, y, side


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


def _move_box(box, size, resized, window, flip):
    """A box of an image of ``size``, in the pixels of a window of the resized image.

    Returns x1, y1, x2, y2 clipped to [0, side]; x1 = x2 or y1 = y2 if the window misses the box.
    """
    scale = np.array(resized) / np.array(size)
    x, y, side = window
    x1, y1, x2, y2 = np.clip(box * np.tile(scale, 2) - (x, y, x, y), 0, side)
    if flip:
        x1, x2 = side - x2, side - x1
    return x1, y1, x2, y2


# -------------------------------------------------------------------------------- annotation files


def _check_option(name, value, good, cure):
    if not good:
        raise InputError(f"{name} is out of range", seen=value, cure=cure)


def _check_folder(root):
    if not root.is_dir():
        raise InputError(
            "no such folder",
            seen=str(root),
            cure="Give the folder that holds images.txt, bounding_boxes.txt and images/.",
        )
    for name in ["images.txt", "bounding_boxes.txt"]:
        if not (root / name).is_file():
            below = next(root.glob("*/images.txt"), None)
            raise InputError(
                f"the folder has no {name}",
                seen=str(root),
                cure=f"Did you mean {below.parent}?"
                if below
                else "Give a folder in the layout of CUB-200-2011.",
            )


def _lines(path, n_fields, meaning):
    """Yields (where, fields) for each line that is not empty; ``where`` names file and line.

    The first field is an id and a whole number, the last may contain spaces.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read {path}", seen=str(error), cure="Fetch this file again, as plain text."
        ) from error
    for number, line in enumerate(text.splitlines(), start=1):
        where = f"{path}, line {number}"
        fields = line.split(maxsplit=n_fields - 1)
        if not fields:
            continue
        if len(fields) != n_fields or not fields[0].isdecimal():
            raise _bad_line(where, line, meaning)
        yield where, int(fields[0]), [field.strip() for field in fields[1:]]


def _bad_line(where, line, meaning):
    return InputError(f"{where} is malformed", seen=repr(line), cure=f"Write it as: {meaning}.")


def _read_images(root):
    """{image id: (path, line of images.txt)} in the order of the file."""
    rows = {}
    for where, id_, (name,) in _lines(root / "images.txt", 2, "<image id> <path below images/>"):
        if id_ in rows:
            raise InputError(
                f"{where}: an image id is used twice", seen=id_, cure="Number the images uniquely."
            )
        path = root / "images" / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise InputError(
                f"{where}: the path leads out of images/",
                seen=name,
                cure="Keep every image below images/.",
            )
        if not path.is_file():
            raise InputError(
                f"{where}: the image is missing",
                seen=str(path),
                cure="Unpack the images again, or take the line out.",
            )
        rows[id_] = path, where
    if not rows:
        raise InputError(
            "no image is listed", seen=str(root / "images.txt"), cure="List at least one image."
        )
    return rows


def _one_value_per_image(path, n_fields, meaning, rows, parse):
    """What ``parse(where, fields)`` makes of each image's line, in the order of ``rows``."""
    values = {}
    for where, id_, fields in _lines(path, n_fields, meaning):
        if id_ not in rows:
            raise InputError(
                f"{where}: unknown image id", seen=id_, cure="Use an id that images.txt lists."
            )
        if id_ in values:
            raise InputError(
                f"{where}: second line for an image", seen=id_, cure="Keep one line per image."
            )
        values[id_] = parse(where, fields)
    for id_, (_, where) in rows.items():
        if id_ not in values:
            raise InputError(
                f"{path} says nothing of an image", seen=f"id {id_} ({where})", cure="Add its line."
            )
    return [values[id_] for id_ in rows]


def _read_boxes(path, rows):
    """(N, 4) float64: x1, y1, x2, y2, in the order of ``rows``."""
    meaning = "<image id> <x> <y> <width> <height>"

    def parse(where, fields):
        try:
            x, y, width, height = (float(field) for field in fields)
        except ValueError:
            raise _bad_line(where, " ".join(fields), meaning) from None
        if not all(math.isfinite(number) for number in (x, y, width, height)):
            raise InputError(
                f"{where}: a box needs finite numbers",
                seen=" ".join(fields),
                cure="Give x, y, width and height in pixels.",
            )
        if width <= 0 or height <= 0:
            raise InputError(
                f"{where}: the box is empty or inverted",
                seen=f"width {width:g}, height {height:g}",
                cure="Width and height come after x and y, both above 0, in pixels.",
            )
        return x, y, x + width, y + height

    return np.array(_one_value_per_image(path, 5, meaning, rows, parse))


def _clip_to_images(boxes, paths, source):
    """The boxes clipped to their images, with one warning that counts those that changed."""
    sizes = np.array([_upright_size(path) for path in paths], dtype=float)
    clipped = np.clip(boxes, 0, np.tile(sizes, 2))
    outside = (clipped[:, :2] >= clipped[:, 2:]).any(1)
    if outside.any():
        i = int(outside.argmax())
        x1, y1, x2, y2 = boxes[i]
        raise InputError(
            f"{source}: the box of {paths[i]} lies wholly outside the image",
            seen=f"x {x1:g} to {x2:g}, y {y1:g} to {y2:g} in {sizes[i, 0]:g} x {sizes[i, 1]:g}",
            cure="Give the box in pixels of the whole image: x, y, width, height.",
        )
    n_clipped = int((clipped != boxes).any(1).sum())
    if n_clipped:
        warnings.warn(
            f"{source}: {n_clipped} of {len(boxes)} boxes reach beyond their image and were "
            "clipped to it",
            stacklevel=3,
        )
    return clipped


def _read_classes(root, rows):
    """(class names or None, (N,) int64 child index or None, number of classes or None)."""
    names = _read_class_names(root / "classes.txt")
    labels = _read_labels(root / "image_class_labels.txt", rows, names)
    if names is None and labels is None:
        return None, None, None
    ids = sorted(labels) if names is None else sorted(names)
    ids = list(dict.fromkeys(ids))
    class_names = None if names is None else [names[id_] for id_ in ids]
    if labels is None:
        return class_names, None, len(ids)
    child_index = np.searchsorted(ids, labels).astype(np.int64)
    return class_names, child_index, len(ids)


def _read_class_names(path):
    """{class id: name}, or None if there is no such file."""
    if not path.is_file():
        return None
    names = {}
    for where, id_, (name,) in _lines(path, 2, "<class id> <class name>"):
        if id_ in names:
            raise InputError(
                f"{where}: a class id is used twice", seen=id_, cure="Number the classes uniquely."
            )
        names[id_] = name
    return names


def _read_labels(path, rows, names):
    """The class id of each image, in the order of ``rows``; None if there is no such file."""
    meaning = "<image id> <class id>"

    def parse(where, fields):
        if not fields[0].isdecimal():
            raise _bad_line(where, fields[0], meaning)
        if names is not None and int(fields[0]) not in names:
            raise InputError(
                f"{where}: unknown class id",
                seen=fields[0],
                cure="Use an id that classes.txt lists.",
            )
        return int(fields[0])

    return _one_value_per_image(path, 2, meaning, rows, parse) if path.is_file() else None
