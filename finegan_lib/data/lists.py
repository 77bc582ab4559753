"""The annotation files of a folder in CUB's layout, and the rules of what can be used.

Each rule is one function. :class:`~finegan_lib.data.folder.BirdsFolder` calls it with a
:class:`Report` that stops at the first refusal, ``check`` with one that collects them all; the
table of all rules stands in :mod:`finegan_lib.data.check`.
"""

import math
import os
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..base.errors import InputError
from .pictures import Header, difference, in_one_form, look_alike, read_header
from .plausible import are_shares, is_like_a_share, suspicion

# NABirds numbers its images so: 32 hexadecimal digits in five groups.
LONG_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# ------------------------------------------------------------------------ what the rules find


class Finding(NamedTuple):
    """What a rule found in one place.

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


# -------------------------------------------------------------------------------- annotation files


def validate_folder_files(root, report) -> bool:
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


def lines(path, n_fields, meaning, report):
    """Yields (where, fields) for each line that is not empty; ``where`` names file and line.

    The first field is an id (:func:`id_of`), the last may contain spaces. The bytes are split into
    lines, so that no letter of a name ends a line.
    """
    try:
        raw_lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        error = InputError(
            f"cannot read {path}", seen=str(error), cure="Fetch this file again, as plain text."
        )
        report.refuse("files cannot be read", str(path), error)
        return
    for number, raw in enumerate(raw_lines, start=1):
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
        if len(fields) != n_fields or id_of(fields[0]) is None:
            report.refuse("lines are malformed", where, _bad_line(where, line, meaning))
            continue
        yield where, id_of(fields[0]), [field.strip() for field in fields[1:]]


def id_of(field: str):
    """An id as a list gives it: a whole number, or NABirds' long form as text; None if neither."""
    if field.isdecimal() and len(field) <= 18:
        return int(field)
    return field.lower() if LONG_ID.fullmatch(field.lower()) else None


def _bad_line(where, line, meaning):
    shown = line if len(line) <= 200 else f"{line[:200]}…"
    return InputError(f"{where} is malformed", seen=repr(shown), cure=f"Write it as: {meaning}.")


def read_images(root, report) -> dict:
    """{image id: (path, line of images.txt)} in the order of the file."""
    rows, first = {}, {}
    for where, id_, (name,) in lines(
        root / "images.txt", 2, "<image id> <path below images/>", report
    ):
        path = root / "images" / name
        error = _image_error(where, id_, name, rows)
        if error is None and not os.path.isfile(path):  # unlike Path.is_file, it takes any name
            path, alike = _other_form(root / "images", name), path
            if path is None:
                error = "images are missing", where, _missing(where, alike)
            else:
                found = path.relative_to(root / "images").as_posix()
                form = difference(name, found)
                report.repair(
                    "images are listed under names that differ from their files' in form",
                    where,
                    f"{where}: {name!a} is taken for {found!a}, which differs in {form}",
                )
        if error:
            report.refuse(*error)
            continue
        rows[id_] = path, where
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


def _image_error(where, id_, name, rows):
    """(rule, where, error) for a line of images.txt that cannot be used."""
    if id_ in rows:
        error = InputError(
            f"{where}: an image id is used twice", seen=id_, cure="Number the images uniquely."
        )
        return "image ids are used twice", where, error
    if Path(name).is_absolute() or ".." in Path(in_one_form(name)).parts:
        error = InputError(
            f"{where}: the path leads out of images/",
            seen=name,
            cure="Keep every image below images/.",
        )
        return "paths lead out of images/", where, error
    return None


def _other_form(images: Path, name: str) -> Path | None:
    """The one file below ``images`` whose name differs from this one's in form alone."""
    found = look_alike(images.resolve() / name)
    return found and images / found.relative_to(images.resolve())


def _missing(where, path):
    return InputError(
        f"{where}: the image is missing",
        seen=str(path),
        cure="Unpack the images again, or take the line out.",
    )


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
    for where, id_, fields in lines(path, n_fields, meaning, report):
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
        return (x, y, x + width, y + height), where

    path, boxes = root / "bounding_boxes.txt", {}
    given = _one_value_per_image(path, 5, meaning, rows, parse, report)
    shares = are_shares(box for box, _ in given.values())
    known = [id_ for id_ in given if id_ in headers and not shares]
    doubt = suspicion([given[id_][0] for id_ in known], [headers[id_].size for id_ in known])
    for id_ in known if doubt else ():
        report.repair(f"boxes are doubtful: {doubt[0]}", given[id_][1])
    for id_, (box, where) in given.items():
        if id_ not in headers:
            continue  # the image itself is refused
        if shares:
            report.repair("boxes are shares of their image, and are multiplied by its size", where)
            box = scaled(box, headers[id_].size)
        try:
            boxes[id_], clipped = validate_box(box, headers[id_], where)
        except InputError as error:
            report.refuse("boxes cannot be used", where, error)
            continue
        if is_like_a_share(box):
            report.repair(
                "boxes are smaller than a pixel, as shares of their image would be", where
            )
        if clipped:
            report.repair("boxes reach beyond their image and are clipped to it", where)
    return boxes


def scaled(box, factors):
    """A box x1, y1, x2, y2 times (across, down)."""
    across, down = factors
    x1, y1, x2, y2 = box
    return x1 * across, y1 * down, x2 * across, y2 * down


def validate_box(box, header: Header, where: str):
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
            cure="Give x, y, width and height, or the upper left corner before the lower right "
            "one, in pixels.",
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
    names = read_class_names(root / "classes.txt", report)
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


def index_classes(names, labels):
    """(class names or None, (N,) int64 child index or None, number of classes or None)."""
    if names is None and labels is None:
        return None, None, None
    ids = sorted(set(labels.values()) if names is None else names)
    class_names = None if names is None else [names[id_] for id_ in ids]
    if labels is None:
        return class_names, None, len(ids)
    child_index = np.searchsorted(ids, list(labels.values())).astype(np.int64)
    return class_names, child_index, len(ids)


def read_class_names(path, report):
    if not path.is_file():
        return None
    names = {}
    for where, id_, (name,) in lines(path, 2, "<class id> <class name>", report):
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
        class_id = id_of(fields[0])
        if class_id is None:
            report.refuse("lines are malformed", where, _bad_line(where, fields[0], meaning))
            return None
        if names is not None and class_id not in names:
            error = InputError(
                f"{where}: unknown class id",
                seen=fields[0],
                cure="Use an id that classes.txt lists.",
            )
            report.refuse("class ids are unknown", where, error)
            return None
        return class_id

    if not path.is_file():
        return None
    labels = _one_value_per_image(path, 2, meaning, rows, parse, report)
    return {id_: labels[id_] for id_ in rows if id_ in labels}
