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
is one function below, which both this reader and that command call.
"""

import math
import os
import struct
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset

from ..base.errors import InputError
from ..codes import CodeHierarchy
from .example import TrainingExample, background_size

# Images are resized to this much more than the window that is then cut out of them at random.
MARGIN = 76 / 64
EXIF_ORIENTATION = 0x0112
# What turns a stored image upright, by its EXIF orientation (TIFF 6.0, tag 274).
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Below a few pixels there is nothing to see, and an extreme shape would be blown up without end:
# the shorter side becomes 152 pixels, whatever the longer one then is.
MIN_SIDE = 8
MAX_ASPECT = 50
# 360 MB once decoded, in every worker. The largest telephones' pictures have 108 million.
MAX_PIXELS = 120_000_000
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

        report = Report(stop=True)
        check_folder_files(self.root, report)
        rows = read_images(self.root, report)
        headers = read_headers(rows, report)
        boxes = read_boxes(self.root, rows, headers, report)
        self.paths = [path for path, _ in rows.values()]
        self.boxes = np.array([boxes[id_] for id_ in rows], dtype=float)
        names, labels = read_classes(self.root, rows, report)
        self.class_names, self.child_index, self.n_children = _index_classes(names, labels)
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

    def evaluation_boxes(self, indices=None) -> np.ndarray:
        """Where the boxes lie in ``evaluation_crops(indices)``.

        Returns:
            (N, 4) float64: x1, y1, x2, y2 in pixels of the S × S crop, clipped to it.
        """
        indices = range(len(self)) if indices is None else [int(i) for i in indices]
        moved = np.empty((len(indices), 4))
        for row, index in enumerate(indices):
            box = self.boxes[index]
            x1, y1, x2, y2 = self._crop_square(box, read_header(self.paths[index]).size)
            width, height = x2 - x1, y2 - y1
            scale = int(self.image_size * MARGIN) / min(width, height)
            corner = [(int(side * scale) - self.image_size) // 2 for side in (width, height)]
            moved[row] = (box - np.tile((x1, y1), 2)) * scale - np.tile(corner, 2)
        return moved.clip(0, self.image_size)

    def _crop_square(self, box, size) -> tuple[int, int, int, int]:
        x1, y1, x2, y2 = box
        # Whole pixels, rounded down, as the authors do.
        half = max(1, int(self.crop_scale / 2 * max(x2 - x1, y2 - y1)))
        x, y = int((x1 + x2) / 2), int((y1 + y2) / 2)
        width, height = size
        return max(0, x - half), max(0, y - half), min(width, x + half), min(height, y + half)

    def _child_crop(self, image: Image.Image, box) -> Image.Image:
        square = self._crop_square(box, image.size)
        return resize_shorter_side(image.crop(square), int(self.image_size * MARGIN))


# ------------------------------------------------------------------------ what the rules find


class Finding(NamedTuple):
    """What a rule says of one place.

    Attributes:
        outcome: ``"used"``, ``"repaired"`` or ``"refused"``.
        rule: a few words, the same for all findings of a kind; "12 of 200 ..." goes before them.
        where: the file, and its line where there is one.
        message: all of it, for a refusal with its cure.
    """

    outcome: str
    rule: str
    where: str
    message: str


class Report:
    """Where the rules below leave their findings.

    Args:
        stop: raise the first refusal, as a reader must; False collects them all.
    """

    def __init__(self, stop: bool):
        self.stop = stop
        self.findings: list[Finding] = []

    def use(self, rule: str, where: str, message: str = ""):
        """Note something unusual that is used as it is."""
        self.findings.append(Finding("used", rule, where, message or rule))

    def repair(self, rule: str, where: str, message: str = ""):
        """Note something that is used after a repair."""
        self.findings.append(Finding("repaired", rule, where, message or rule))

    def refuse(self, rule: str, where: str, error: InputError):
        """Note something that cannot be used: raises ``error`` where the report is to stop."""
        if self.stop:
            raise error
        self.findings.append(Finding("refused", rule, where, str(error)))

    def warn(self, source, n: int):
        """One warning for every kind of repair, with its count."""
        repairs = [finding for finding in self.findings if finding.outcome == "repaired"]
        for rule in dict.fromkeys(finding.rule for finding in repairs):
            places = [finding.where for finding in repairs if finding.rule == rule]
            warnings.warn(
                f"{source}: {len(places)} of {n} {rule} (first: {places[0]})", stacklevel=3
            )


# ------------------------------------------------------------------------------ images and windows


class Header(NamedTuple):
    """What an image file says of itself before it is decoded.

    Attributes:
        size: (width, height) in pixels, upright.
        mode: Pillow's name of the pixel format.
        orientation: EXIF's, 1 to 8; 1 where there is none.
        animated: whether more than one frame follows.
        transparent: whether there is an alpha channel or a transparent colour.
    """

    size: tuple[int, int]
    mode: str
    orientation: int
    animated: bool
    transparent: bool


def read_rgb(path: Path, where: str = "") -> Image.Image:
    """The image at ``path``, upright (EXIF applied), in RGB: of several frames the first.

    Args:
        path: the file.
        where: the line that names it, for the message.

    Raises:
        InputError: naming the file, if it is missing, damaged, too small or too large, or has more
            than 8 bits a channel.
    """
    try:
        with _open(path) as image:
            header = _header(path, image, where)
            image.load()
            if header.orientation in TURNS:
                image = image.transpose(TURNS[header.orientation])
            # Pillow wants a palette with several transparent colours unfolded before it drops them.
            if image.mode == "P" and "transparency" in image.info:
                image = image.convert("RGBA")
            return image.convert("RGB")
    except InputError:
        raise
    except UNREADABLE as error:
        raise _unreadable(path, where, error) from error


def read_header(path: Path, where: str = "") -> Header:
    """The header of an image that can be used.

    Raises:
        InputError: as :func:`read_rgb`, as far as the header tells.
    """
    try:
        with _open(path) as image:
            return _header(path, image, where)
    except InputError:
        raise
    except UNREADABLE as error:
        raise _unreadable(path, where, error) from error


def _check_size_and_mode(path, image, where):
    place = f"{path} ({where})" if where else path
    width, height = image.size
    short, long = min(image.size), max(image.size)
    if short < MIN_SIDE or long > MAX_ASPECT * short:
        raise InputError(
            f"the image {place} is too small or too thin to learn from",
            seen=f"{width} x {height} pixels",
            cure=f"At least {MIN_SIDE} pixels a side are needed, and no side more than "
            f"{MAX_ASPECT} times the other.",
        )
    if width * height > MAX_PIXELS:
        raise InputError(
            f"the image {place} is too large to decode",
            seen=f"{width} x {height} pixels",
            cure=f"Scale it down to at most {MAX_PIXELS // 10**6} million pixels.",
        )
    if image.mode[0] in "IF":
        raise InputError(
            f"only 8 bits a channel can be read, not the pixel format of {place}",
            seen=image.mode,
            cure="Convert the image to an 8-bit JPEG or PNG.",
        )


def _open(path):
    """Pillow's image, not decoded yet. Our own limit stands in for its warning of a large image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of size, and of damaged EXIF data
        return Image.open(path)


def _header(path, image, where):
    # First of all: to find EXIF data, Pillow decodes some kinds of file whole.
    _check_size_and_mode(path, image, where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged EXIF data: the image counts as upright
        mode, (width, height) = image.mode, image.size
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        transparent = mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
        animated = bool(getattr(image, "is_animated", False))
    orientation = orientation if orientation in range(1, 9) else 1
    size = (height, width) if orientation >= 5 else (width, height)
    return Header(size, mode, orientation, animated, transparent)


def _unreadable(path, where, error):
    if isinstance(error, Image.DecompressionBombError):
        cure = f"Scale it down to at most {MAX_PIXELS // 10**6} million pixels."
    else:
        cure = "Fetch this file again, or take its lines out of the annotation files."
    place = f"{path} ({where})" if where else path
    return InputError(f"cannot read the image {place}", seen=str(error), cure=cure)


def upright_box(box, size, orientation):
    """A box of an image as its file stores it, in the pixels of the upright image.

    Args:
        box: x1, y1, x2, y2.
        size: (width, height) of the **upright** image.
        orientation: EXIF's, 1 to 8 (TIFF 6.0, tag 274): where the stored first row and column lie.
    """
    x1, y1, x2, y2 = box
    width, height = size
    if orientation >= 5:  # the stored rows are columns
        x1, y1, x2, y2 = y1, x1, y2, x2
    if orientation in (2, 3, 6, 7):  # the stored left, or top, lies on the right
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 7, 8):
        y1, y2 = height - y2, height - y1
    return x1, y1, x2, y2


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


def check_folder_files(root, report) -> bool:
    """Whether the folder and its two necessary files are there."""
    if not root.is_dir():
        raise InputError(
            "no such folder",
            seen=str(root),
            cure="Give the folder that holds images.txt, bounding_boxes.txt and images/.",
        )
    whole = True
    for name in ["images.txt", "bounding_boxes.txt"]:
        if not (root / name).is_file():
            whole = False
            below = next(root.glob("*/images.txt"), None)
            cure = (
                f"Did you mean {below.parent}?"
                if below
                else "Give a folder in the layout of CUB-200-2011, or make one of your photographs "
                "with data_scripts/prepare_folder.py."
            )
            error = InputError(f"the folder has no {name}", seen=str(root), cure=cure)
            report.refuse("files are missing", str(root / name), error)
    return whole


def _lines(path, n_fields, meaning, report):
    """Yields (where, fields) for each line that is not empty; ``where`` names file and line.

    The first field is an id and a whole number, the last may contain spaces. Lines end as bytes do,
    so that no letter of a name ends one.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        error = InputError(
            f"cannot read {path}", seen=str(error), cure="Fetch this file again, as plain text."
        )
        report.refuse("files cannot be read", str(path), error)
        return
    for number, raw in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            error = InputError(
                f"cannot read {where}: it is not UTF-8",
                seen=ascii(raw),
                cure="Name the file in ASCII or UTF-8, on the disk and in the lists.",
            )
            report.refuse("lines are not UTF-8", where, error)
            continue
        fields = line.split(maxsplit=n_fields - 1)
        if not fields:
            continue
        if len(fields) != n_fields or not _is_id(fields[0]):
            report.refuse("lines are malformed", where, _bad_line(where, line, meaning))
            continue
        yield where, int(fields[0]), [field.strip() for field in fields[1:]]


def _is_id(field):
    return field.isdecimal() and len(field) <= 18


def _bad_line(where, line, meaning):
    shown = line if len(line) <= 200 else f"{line[:200]}…"
    return InputError(f"{where} is malformed", seen=repr(shown), cure=f"Write it as: {meaning}.")


def read_images(root, report) -> dict:
    """{image id: (path, line of images.txt)} in the order of the file."""
    rows, first = {}, {}
    for where, id_, (name,) in _lines(
        root / "images.txt", 2, "<image id> <path below images/>", report
    ):
        error = _image_error(root, where, id_, name, rows)
        if error:
            report.refuse(*error)
            continue
        rows[id_] = root / "images" / name, where
        if name in first:
            report.use(
                "images are listed twice",
                where,
                f"{where}: the image of {first[name]} again: one example for each line",
            )
        first.setdefault(name, where)
    if not rows:
        where = str(root / "images.txt")
        error = InputError("no image is listed", seen=where, cure="List at least one image.")
        report.refuse("lists are empty", where, error)
    return rows


def _image_error(root, where, id_, name, rows):
    """(rule, where, error) for a line of images.txt that cannot be used."""
    path = root / "images" / name
    if id_ in rows:
        error = InputError(
            f"{where}: an image id is used twice", seen=id_, cure="Number the images uniquely."
        )
        return "image ids are used twice", where, error
    if Path(name).is_absolute() or ".." in Path(name).parts:
        error = InputError(
            f"{where}: the path leads out of images/",
            seen=name,
            cure="Keep every image below images/.",
        )
        return "paths lead out of images/", where, error
    if not os.path.isfile(path):  # unlike Path.is_file, it takes names that no disk could hold
        error = InputError(
            f"{where}: the image is missing",
            seen=str(path),
            cure="Unpack the images again, or take the line out.",
        )
        return "images are missing", where, error
    return None


def read_headers(rows, report) -> dict:
    """{image id: :class:`Header`} of the images that can be used."""
    headers = {}
    for id_, (path, where) in rows.items():
        try:
            header = headers[id_] = read_header(path, where)
        except InputError as error:
            report.refuse("images cannot be used", where, error)
            continue
        place = f"{path.name}, {where}"
        if header.mode == "CMYK":
            report.repair(
                "images are in CMYK and are converted: their colours are nearly right", place
            )
        if header.animated:
            report.repair("images have several frames, of which the first is used", place)
        if header.transparent:
            report.repair("images are partly transparent, which is ignored", place)
        if header.mode in ("1", "L", "LA"):
            report.use("images are greyscale", place)
        if header.orientation != 1:
            report.use("images are turned upright by their EXIF data", place)
    return headers


def _one_value_per_image(path, n_fields, meaning, rows, parse, report):
    """{image id: what ``parse(where, id_, fields)`` makes of its line}, None being no value."""
    values, seen = {}, set()
    for where, id_, fields in _lines(path, n_fields, meaning, report):
        if id_ not in rows:
            error = InputError(
                f"{where}: unknown image id", seen=id_, cure="Use an id that images.txt lists."
            )
            report.refuse("lines are of images that are not listed, or are refused", where, error)
        elif id_ in seen:
            error = InputError(
                f"{where}: second line for an image", seen=id_, cure="Keep one line per image."
            )
            report.refuse("images have two lines", where, error)
        else:
            seen.add(id_)
            value = parse(where, id_, fields)
            if value is not None:
                values[id_] = value
    for id_, (_, where) in rows.items():
        if id_ not in seen:
            error = InputError(
                f"{path} says nothing of an image", seen=f"id {id_} ({where})", cure="Add its line."
            )
            report.refuse("images have no line", where, error)
    return values


def read_boxes(root, rows, headers, report) -> dict:
    """{image id: (x1, y1, x2, y2)}, clipped to the upright image."""
    meaning = "<image id> <x> <y> <width> <height>"

    def parse(where, id_, fields):
        try:
            x, y, width, height = (float(field) for field in fields)
        except ValueError:
            error = _bad_line(where, " ".join(fields), meaning)
            report.refuse("lines are malformed", where, error)
            return None
        if id_ not in headers:
            return None  # the image itself is refused
        try:
            box, clipped = check_box((x, y, x + width, y + height), headers[id_], where)
        except InputError as error:
            report.refuse("boxes cannot be used", where, error)
            return None
        if clipped:
            report.repair("boxes reach beyond their image and are clipped to it", where)
        return box

    return _one_value_per_image(root / "bounding_boxes.txt", 5, meaning, rows, parse, report)


def check_box(box, header: Header, where: str):
    """The box clipped to its upright image, and whether that changed it.

    Args:
        box: x1, y1, x2, y2 in pixels.
        header: of the image.
        where: the line that gives the box, for the message.

    Raises:
        InputError: for a box that is not finite, empty, inverted, or wholly outside.
    """
    x1, y1, x2, y2 = box
    width, height = header.size
    if not all(map(math.isfinite, box)):
        raise InputError(
            f"{where}: a box needs finite numbers",
            seen=f"x {x1:g}, y {y1:g}, width {x2 - x1:g}, height {y2 - y1:g}",
            cure="Give x, y, width and height in pixels.",
        )
    if x2 <= x1 or y2 <= y1:
        raise InputError(
            f"{where}: the box is empty or inverted",
            seen=f"width {x2 - x1:g}, height {y2 - y1:g}",
            cure="Width and height come after x and y, both above 0, in pixels.",
        )
    clipped = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if clipped[0] >= clipped[2] or clipped[1] >= clipped[3]:
        cure = "Give the box in pixels of the whole image: x, y, width, height."
        if header.orientation != 1:
            cure += " The image is turned by its EXIF data, and the box is that of the upright one."
        raise InputError(
            f"{where}: the box lies wholly outside the image",
            seen=f"x {x1:g} to {x2:g}, y {y1:g} to {y2:g} in {width:g} x {height:g}",
            cure=cure,
        )
    return clipped, clipped != tuple(box)


def read_classes(root, rows, report):
    """({class id: name} or None, {image id: class id} or None), None where the file is missing."""
    names = _read_class_names(root / "classes.txt", report)
    labels = _read_labels(root / "image_class_labels.txt", rows, names, report)
    if labels is not None:
        counts = dict.fromkeys(names or (), 0)
        for label in labels.values():
            counts[label] = counts.get(label, 0) + 1
        for id_, n in counts.items():
            if n < 2:
                name = f"class {id_}" + (f" ({names[id_]})" if names else "")
                report.use(f"classes have {'one image' if n else 'no image'}", name)
    return names, labels


def _index_classes(names, labels):
    """(class names or None, (N,) int64 child index or None, number of classes or None)."""
    if names is None and labels is None:
        return None, None, None
    ids = sorted(set(labels.values()) if names is None else names)
    class_names = None if names is None else [names[id_] for id_ in ids]
    if labels is None:
        return class_names, None, len(ids)
    child_index = np.searchsorted(ids, list(labels.values())).astype(np.int64)
    return class_names, child_index, len(ids)


def _read_class_names(path, report):
    if not path.is_file():
        return None
    names = {}
    for where, id_, (name,) in _lines(path, 2, "<class id> <class name>", report):
        if id_ in names:
            error = InputError(
                f"{where}: a class id is used twice", seen=id_, cure="Number the classes uniquely."
            )
            report.refuse("class ids are used twice", where, error)
            continue
        names[id_] = name
    return names


def _read_labels(path, rows, names, report):
    """{image id: class id} in the order of ``rows``; None if there is no such file."""
    meaning = "<image id> <class id>"

    def parse(where, id_, fields):
        if not _is_id(fields[0]):
            report.refuse("lines are malformed", where, _bad_line(where, fields[0], meaning))
            return None
        if names is not None and int(fields[0]) not in names:
            error = InputError(
                f"{where}: unknown class id",
                seen=fields[0],
                cure="Use an id that classes.txt lists.",
            )
            report.refuse("class ids are unknown", where, error)
            return None
        return int(fields[0])

    if not path.is_file():
        return None
    labels = _one_value_per_image(path, 2, meaning, rows, parse, report)
    return {id_: labels[id_] for id_ in rows if id_ in labels}
