"""A part of a data set: some of its classes, and photographs no larger than a training needs.

The paper trains on crops of 1.5 times the bounding box, resized to 152 pixels for images of 128.
Photographs that keep this many pixels lose nothing in such a training, and take a fiftieth of the
space: fifty species of CUB-200-2011 have 25 MB instead of 1.2 GB for the whole archive.
"""

import difflib
import hashlib
import math
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tqdm.auto import tqdm

from ..base.errors import InputError
from ..base.files import disk_errors
from .annotations import read_text
from .layouts import CENTRE, Collection

# The child crop, as a multiple of the longer side of the box (:class:`BirdsFolder`'s default).
CROP_SCALE = 1.5
# The whole image is resized for a window of 126 pixels where the crop is for one of 128.
WHOLE_IMAGE = 126 / 128
JPEG_QUALITY = 90
LEAST_SHRINK = 32
# For less than a twentieth of the side, decoding and encoding costs more than it saves.
WORTH_IT = 0.95


@dataclass(frozen=True)
class Subset:
    """The part of a data set to use.

    Attributes:
        classes: which classes, in the words of :func:`choose_classes`; empty for all.
        photographs: names of the photographs to keep (:func:`choose_photographs`); empty for all.
        shrink: side in pixels that the crop round each object keeps, None to leave files as they
            are. See :func:`shrink`.
    """

    classes: tuple[str, ...] = ()
    shrink: int | None = None
    photographs: tuple[str, ...] = ()

    def __post_init__(self):
        if self.shrink is not None and self.shrink < LEAST_SHRINK:
            raise InputError(
                f"photographs are not shrunk below {LEAST_SHRINK} pixels",
                seen=f"--shrink {self.shrink}",
                cure="Give 76 to train at 64 pixels, 152 to train at 128.",
            )

    def record(self) -> dict | None:
        """Its entry in the manifest; None if it is the whole data set with unchanged files."""
        if self == Subset():
            return None
        entry = asdict(self) | {"classes": list(self.classes)}
        names = entry.pop("photographs")
        if names:  # thousands of names: their digest is enough to tell two lists apart
            digest = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
            entry["photographs"] = {"number": len(names), "sha256": digest}
        return entry

    def n_classes(self, of: int) -> int:
        """How many classes the words mean, as far as this is known without the list of names.

        Args:
            of: number of classes of the data set.

        Raises:
            InputError: for a number that is out of range.
        """
        if not self.classes:
            return of
        words = _words(self.classes)
        ranges = [_range(word, of) for word in words]
        return len({k for numbers in ranges for k in numbers or ()}) + ranges.count(None)

    def of(self, collection: Collection, folder, progress: bool = True) -> Collection:
        """The part of a collection.

        Args:
            collection: the whole data set.
            folder: an empty folder, for the shrunk photographs.
            progress: show a progress bar.

        Raises:
            InputError: for a class or a photograph that does not exist, or if the disk cannot take
                a file.
        """
        if self.classes:
            collection = choose_classes(collection, self.classes)
        if self.photographs:
            collection = choose_photographs(collection, self.photographs)
        if self.shrink:
            collection = shrink(collection, self.shrink, folder, progress)
        return collection


def choose_classes(collection: Collection, wanted) -> Collection:
    """The photographs of some classes.

    Args:
        collection: photographs with labels.
        wanted: words. One number alone is a count: ``["50"]`` means the first 50 classes. Several
            numbers, and ranges as in ``"51-60"``, are places in the list of classes, from 1 on.
            Other words are names of classes, with or without the number before it
            (``"Laysan_Albatross"``, ``"002.Laysan_Albatross"``, ``"laysan albatross"``), or the
            publisher's identifiers of classes.

    Returns:
        A collection with these classes alone, in the order of the whole one.

    Raises:
        InputError: for a class that does not exist, with the names that come nearest.
    """
    names, ids = collection.class_names, collection.class_ids
    if not names:
        raise InputError(
            "the data set has no classes to choose from",
            seen=" ".join(wanted),
            cure="Leave the option out.",
        )
    chosen = sorted({place for word in _words(wanted) for place in _places(word, names, ids or [])})
    return _with_classes(collection, chosen)


def _with_classes(collection, chosen):
    """The photographs of these classes (indices), with labels that count them alone."""
    names, ids = collection.class_names, collection.class_ids
    order = {place: k for k, place in enumerate(chosen)}
    photos = [
        replace(photo, label=order[photo.label])
        for photo in collection.photos
        if photo.label in order
    ]
    class_ids = ids and [ids[place] for place in chosen]
    return Collection(photos, [names[k] for k in chosen], collection.notes, class_ids)


def read_names(file) -> tuple[str, ...]:
    """Names of photographs from a text file: one a line; empty lines and those with # are skipped.

    Raises:
        InputError: for a file that cannot be read, or that has no name.
    """
    lines = [line.strip() for line in read_text(file).splitlines()]
    names = tuple(dict.fromkeys(line for line in lines if line and not line.startswith("#")))
    if not names:
        raise InputError(
            "the file names no photographs",
            seen=str(file),
            cure="Write one name a line, as in the images.txt of the data set.",
        )
    return names


def choose_photographs(collection: Collection, names) -> Collection:
    """The photographs with these names, and the classes that they have.

    Args:
        collection: the photographs to choose from.
        names: paths below ``images/``, as the data set's ``images.txt`` has them.

    Returns:
        A collection in the order of the given one. Classes without a photograph are left out.

    Raises:
        InputError: for a name that no photograph has.
    """
    wanted, held = set(names), {photo.name for photo in collection.photos}
    unknown = sorted(wanted - held)
    if unknown:
        near = difflib.get_close_matches(unknown[0], held, 1)
        raise InputError(
            f"{len(unknown)} of {len(wanted)} photographs are not in the data set, or not in its "
            "chosen classes",
            seen=unknown[0],
            cure=f"Did you mean {near[0]}?" if near else f"Its first is {min(held)}.",
        )
    photos = [photo for photo in collection.photos if photo.name in wanted]
    part = replace(collection, photos=photos)
    labels = sorted({photo.label for photo in photos if photo.label is not None})
    return _with_classes(part, labels) if labels else part


def _words(wanted):
    """The single words; one number alone becomes a range from 1 on."""
    words = [word for part in wanted for word in part.split(",") if word]
    return [f"1-{words[0]}"] if len(words) == 1 and words[0].isdecimal() else words


def _range(word, n):
    """The indices, from 0, that a number or a range from 1 to n means; None for other words."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
    if not match:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= n:
        raise InputError(
            "there is no such class", seen=word, cure=f"Numbers and ranges go from 1 to {n}."
        )
    return range(first - 1, last)


def _places(word, names, ids):
    """Indices of the classes that one word means."""
    numbers = _range(word, len(names))
    if numbers is not None:
        return numbers
    if word in ids:
        return [ids.index(word)]
    found = [k for k, name in enumerate(names) if _plain(word) in (_plain(name), _bare(name))]
    if not found:
        near = difflib.get_close_matches(_plain(word), [_bare(name) for name in names], 3, 0.5)
        cure = f"Did you mean {', '.join(near)}?" if near else f"The first is {names[0]}."
        raise InputError("there is no such class", seen=word, cure=cure)
    return found


def _plain(name):
    return name.lower().replace(" ", "_")


def _bare(name):
    """The name without the number that CUB and Stanford Dogs write before it."""
    return _plain(re.sub(r"^(n?\d+)[.\-]", "", name))


def shrink(collection: Collection, size: int, folder, progress: bool = True) -> Collection:
    """Smaller copies of the photographs, with boxes to match.

    A copy is as small as it can be while the child crop (1.5 times the longer side of the box) has
    ``size`` pixels and the shorter side of the photograph 126/128 of that. A photograph that has
    fewer, or hardly more, stays as it is, in the same file. Copies are upright, in RGB, JPEG of
    quality 90 where the original is JPEG, and PNG elsewhere.

    Args:
        collection: the photographs; their files are not changed.
        size: in pixels: 76/64 of the side of the images to train on, so 152 for images of 128.
        folder: where to write the copies; it is made.
        progress: show a progress bar.

    Raises:
        InputError: if the disk cannot take a copy. A photograph that cannot be read is passed on as
            it is: :func:`~finegan_lib.data.cub_folder.write_cub_folder` has rules for those.
    """
    photos, n_shrunk = [], 0
    for photo in tqdm(collection.photos, desc="shrinking", unit="img", disable=not progress):
        try:
            small = _smaller(photo, size)
        except InputError:
            small = None
        photos.append(photo if small is None else _save(photo, *small, Path(folder)))
        n_shrunk += small is not None
    note = f"{n_shrunk} photographs are shrunk, so that their crops keep {size} pixels"
    return replace(collection, photos=photos, notes=[*collection.notes, note])


def _smaller(photo, size):
    """(smaller image, its box), or None where the photograph has no pixels to spare."""
    from PIL import Image

    from .cub_folder import upright
    from .pictures import read_header, read_rgb

    header = read_header(photo.file, photo.where)
    x1, y1, x2, y2 = upright(photo, header, CENTRE)
    longer = max(x2 - x1, y2 - y1)
    if not 0 < longer < math.inf:
        return None
    scale = max(size / (CROP_SCALE * longer), int(size * WHOLE_IMAGE) / min(header.size))
    if scale > WORTH_IT:
        return None
    small = [math.ceil(side * scale) for side in header.size]
    image = read_rgb(photo.file, photo.where)
    image = image.resize(small, Image.Resampling.LANCZOS, reducing_gap=3)
    across, down = (new / old for new, old in zip(small, header.size, strict=True))
    return image, (x1 * across, y1 * down, x2 * across, y2 * down)


def _save(photo, image, box, folder):
    """The photo with ``image`` as its file."""
    name = Path(photo.name)
    is_jpeg = name.suffix.lower() in (".jpg", ".jpeg")
    if not is_jpeg:
        name = name.with_suffix(".png")
    place = folder / name
    with disk_errors("write", place):
        place.parent.mkdir(parents=True, exist_ok=True)
        if is_jpeg:
            image.save(place, "JPEG", quality=JPEG_QUALITY)
        else:
            image.save(place, "PNG")
    return replace(photo, file=place, name=name.as_posix(), box=box, frame=None)
