"""Pictures that other libraries hold: data sets of torchvision or Hugging Face, or plain lists."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from ..base.errors import InputError
from .folder import Photographs, validate_option
from .layouts import CENTRE
from .lists import scaled, validate_box
from .pictures import Header, validate_size_and_mode
from .plausible import MARGIN, are_shares, suspicion


class PictureSet(Photographs):
    """Any sequence of pictures as a data set to train on, to score and to sort.

    ``train(config, folder, data=pictures)``, ``cluster(pictures, …)`` and
    ``evaluate_quality(checkpoint, data=pictures)`` take one.

    Args:
        source: anything with a length whose items hold a picture: a data set of
            ``torchvision.datasets`` (items are tuples), one of Hugging Face's ``datasets`` (items
            are dictionaries), or a list of either.
        image: where an item's picture is: a key, a place in the tuple, or a function of the item.
            A picture is one of Pillow's, an array (H, W, 3) or (H, W), or a tensor (3, H, W) or
            (1, H, W); uint8, or floats in [0, 1].
        box: likewise its box x1, y1, x2, y2 in pixels, of the picture turned upright. All boxes
            between 0 and 1 are shares of their pictures. None: the middle of each picture, as
            ``centre`` says.
        label: likewise its class, a whole number or a name; None: no classes are known. Every
            item must have one.
        class_names: of the whole numbers; by default those that a data set of either library gives
            its labels, where ``label`` is that key or place.
        centre: without boxes, the object's assumed share of each side, above 0 and at most 1.
        image_size, seed, crop_scale, full_scale: as in :class:`~.folder.Photographs`.
        progress: show a progress bar: every picture is looked at once.

    Attributes:
        sizes, boxes: as in :class:`~.folder.Photographs`.
        paths: a name for each picture; there are no such files.
        child_index, class_names, n_children: as in :class:`~.folder.BirdsFolder`.

    Raises:
        InputError: for an item without a picture, a box that makes no sense, or no class where
            ``label`` says that there is one; with its number.

    Example::

        >>> from torchvision.datasets import Flowers102                         # doctest: +SKIP
        >>> flowers = PictureSet(Flowers102("data", download=True), label=1)    # doctest: +SKIP
        >>> pets = datasets.load_dataset("timm/oxford-iiit-pet")["train"]       # doctest: +SKIP
        >>> pets = PictureSet(pets, image="image", label="label")               # doctest: +SKIP
    """

    def __init__(
        self,
        source,
        *,
        image=0,
        box=None,
        label=None,
        class_names=None,
        centre: float = CENTRE,
        image_size: int = 128,
        seed: int = 0,
        crop_scale: float = 1.5,
        full_scale: float = MARGIN,
        progress: bool = False,
    ):
        super().__init__(image_size, seed, crop_scale, full_scale)
        self.source, self.where = source, (image, box, label)
        _validate_source(source)
        validate_option("centre", centre, 0 < centre <= 1, "0.5 takes half of each side.")
        class_names = _names_of(source, label) if class_names is None else class_names
        found = [
            self._look(index, centre)
            for index in tqdm(range(len(source)), "looking", unit="img", disable=not progress)
        ]
        if not found:
            raise InputError("there is no picture", seen="0 items", cure="Give some.")
        self.sizes = [size for size, _, _ in found]
        self.paths = [Path(f"item {index}") for index in range(len(found))]  # names, no files
        self.boxes = self._checked([box for _, box, _ in found])
        self._name_classes([label for _, _, label in found], class_names)

    def photograph(self, index: int) -> Image.Image:
        """One picture, upright and in RGB."""
        index = range(len(self.source))[index]
        return as_picture(_part(self.source[index], self.where[0], index), index)

    def _look(self, index, centre):
        """(size, box, label) of an item."""
        item, (image, box, label) = self.source[index], self.where
        width, height = as_picture(_part(item, image, index), index).size
        if box is None:
            x, y = (1 - centre) / 2 * width, (1 - centre) / 2 * height
            corners = x, y, width - x, height - y
        else:
            corners = _numbers(_part(item, box, index), index)
        return (width, height), corners, None if label is None else _part(item, label, index)

    def _checked(self, boxes):
        """(N, 4) boxes in pixels, clipped to their pictures."""
        shares = are_shares(boxes)
        if not shares and (doubt := suspicion(boxes, self.sizes)):
            warnings.warn(f"{doubt[0]}: give x1, y1, x2, y2 in pixels", stacklevel=4)
        checked = []
        for index, (box, size) in enumerate(zip(boxes, self.sizes, strict=True)):
            box = scaled(box, size) if shares else box
            header = Header(size, "RGB", 1, False, False)
            checked.append(validate_box(box, header, f"item {index}")[0])
        return np.array(checked, dtype=float)

    def _name_classes(self, labels, class_names):
        self.class_names = self.child_index = self.n_children = self.parent_index = None
        if self.where[2] is None:
            return
        labels = [_label(label, index) for index, label in enumerate(labels)]
        kinds = sorted(set(labels), key=lambda label: (str(type(label)), label))
        if class_names is not None and not all(
            isinstance(k, int) and 0 <= k < len(class_names) for k in kinds
        ):
            raise InputError(
                "class_names must have a name for every label",
                seen=f"{len(class_names)} names, labels {kinds[0]!r} to {kinds[-1]!r}",
                cure="Give one name for each number from 0 on.",
            )
        place = {label: k for k, label in enumerate(kinds)}
        self.child_index = np.array([place[label] for label in labels], dtype=np.int64)
        self.class_names = [str(class_names[k] if class_names else k) for k in kinds]
        self.n_children = len(kinds)

    def summary(self) -> str:
        """One line: how many pictures and classes there are."""
        counts = Counter(self.child_index.tolist() if self.child_index is not None else [])
        return f"{len(self)} pictures" + (f", {len(counts)} classes" if counts else "")


def _validate_source(source):
    """Refuse what has no items by number: a dictionary of splits, or a stream."""
    numbered = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    if isinstance(source, dict | str | bytes) or not numbered:
        splits = f" with {', '.join(map(repr, source))}" if isinstance(source, dict) else ""
        raise InputError(
            "a data set whose items have numbers is needed",
            seen=f"{type(source).__name__}{splits}",
            cure="Give one split of it, such as data['train'], or a list made of a stream.",
        )


def _names_of(source, label):
    """The class names that Hugging Face's features or torchvision's ``classes`` have; else None."""
    if isinstance(label, str):
        return getattr((getattr(source, "features", None) or {}).get(label), "names", None)
    return getattr(source, "classes", None) if label == 1 else None


def _part(item, where, index):
    """What an item holds at a key, at a place, or by a function."""
    try:
        return where(item) if callable(where) else item[where]
    except (KeyError, IndexError, TypeError) as error:
        holds = ", ".join(map(repr, item)) if isinstance(item, dict) else type(item).__name__
        raise InputError(
            f"item {index} holds nothing at {where!r}",
            seen=holds[:200],
            cure="Say with image=, box= and label= where an item's parts are.",
        ) from error


def as_picture(value, index=0) -> Image.Image:
    """A picture of Pillow's, an array or a tensor as an upright picture in RGB.

    Raises:
        InputError: for anything else.
    """
    if isinstance(value, Image.Image):
        validate_size_and_mode(f"of item {index}", value)
        return ImageOps.exif_transpose(value).convert("RGB")
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() else value).numpy()  # no bfloat16 there
        value = value.transpose(1, 2, 0) if value.ndim == 3 else value
    array = np.asarray(value)
    if array.dtype.kind in "bf":  # in [0, 1]; True is white
        array = (array * 255.0).round()
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    fits = array.size and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3))
    if not fits or array.dtype.kind not in "uif" or not 0 <= array.min() <= array.max() <= 255:
        raise InputError(
            f"item {index} has no picture",
            seen=f"{type(value).__name__}, shape {array.shape}, {array.dtype}",
            cure="Give Pillow's pictures, arrays (H, W, 3) or tensors (3, H, W): uint8, or floats "
            "from 0 to 1.",
        )
    picture = Image.fromarray(array.astype(np.uint8)).convert("RGB")
    validate_size_and_mode(f"of item {index}", picture)
    return picture


def _label(label, index):
    """A class as a number or a name of Python's."""
    plain = label.item() if hasattr(label, "item") and np.ndim(label) == 0 else label
    if not isinstance(plain, int | float | str) or plain != plain:
        raise InputError(
            f"item {index} has no class",
            seen=repr(label)[:200],
            cure="Give every item a whole number or a name, or leave label out.",
        )
    return plain


def _numbers(box, index):
    """Four corners as floats."""
    try:
        x1, y1, x2, y2 = (float(number) for number in box)
        return x1, y1, x2, y2
    except (TypeError, ValueError) as error:
        raise InputError(
            f"item {index} has no box", seen=repr(box)[:200], cure="Give x1, y1, x2, y2."
        ) from error
