"""Boxes in plain texts that belong together: YOLO's files of labels, and CUB's lists.

Readers for rows of :data:`.boxes.LAYOUTS`. PyYAML reads YOLO's ``data.yaml``.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from ..base.errors import InputError
from .annotations import (
    LABEL_FOLDERS,
    SHARES,
    Entry,
    Source,
    bad_file,
    box_round,
    number,
    picture_folders,
    read_text,
    safely,
)
from .lists import Report, lines, read_class_names
from .pictures import is_hidden

TABLES = (".json", ".jsonl", ".csv", ".tsv", ".xml", ".txt")
ENDINGS = (*TABLES, ".yaml", ".yml")
LISTS = ("images.txt", "bounding_boxes.txt")
YOLO_LINE = re.compile(r"\d+(\.0*)?([ \t]+[-+.\deE]+){4,}")
CLASS_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "classes.names", "labels.txt")


class Yolo(NamedTuple):
    """Files of labels, and the names of their classes by number, or None."""

    labels: list
    names: dict | None


def yolo_source(folder: Path, named_by: Path | None = None) -> Source:
    """The files of labels below a folder, and the names of the classes, here or above."""
    labels = _yolo_labels(folder)
    above = [folder, *list(folder.absolute().parents)[:3]] if labels else []
    listed = [p for a in above for p in sorted(a.glob("*.y*ml"))]
    listed += [a / name for a in above for name in CLASS_LISTS if (a / name).is_file()]
    for path in [named_by] if named_by else listed:
        names = _yolo_names(path)
        if names or named_by:
            return Source(folder, Yolo(labels, names), (*labels, path))
    return Source(folder, Yolo(labels, None), tuple(labels))


def _yolo_labels(folder):
    labels = []
    for path in files_below(folder):
        if path.suffix.lower() == ".txt" and path.name not in (*CLASS_LISTS, *LISTS):
            text = _start_of(path)
            if YOLO_LINE.fullmatch(text.strip().split("\n")[0].strip()) or (
                not text.strip() and path.parent.name.lower() == "labels"
            ):
                labels.append(path)
    return labels


def _start_of(path):
    try:
        with open(path, "rb") as file:
            return file.read(400).removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    except OSError:
        return "?"


def _yolo_names(path):
    """{number: name} of ``data.yaml`` or a list of names; None if there is none in it."""
    text = read_text(path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        return dict(enumerate(line.strip() for line in text.splitlines() if line.strip()))
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise bad_file(path, error, "Write it as YOLO's data.yaml, with names.") from error
    names = data.get("names") if isinstance(data, dict) else None
    if isinstance(names, dict):
        return {int(k): str(v) for k, v in names.items() if str(k).isdecimal()}
    return dict(enumerate(map(str, names))) if isinstance(names, list) else None


def yolo_entries(source: Source) -> Iterator[Entry]:
    """YOLO's labels: class, centre and size as shares, or a polygon; a file a picture."""
    names = source.content.names

    def read(fields, where, name, beside):
        kind, *numbers = (number(field) for field in fields)
        if len(numbers) in (4, 5):  # the fifth is a network's confidence
            x, y, w, h = numbers[:4]
            box = x - w / 2, y - h / 2, x + w / 2, y + h / 2
        elif len(numbers) >= 6 and len(numbers) % 2 == 0:
            box = box_round(zip(numbers[::2], numbers[1::2], strict=True))
        else:
            raise ValueError("a class, and 4 numbers or the corners of a polygon, are needed")
        if len(numbers) == 5 and not 0 <= numbers[4] <= 1:
            raise ValueError("turned boxes are read as four corners, not as a fifth number")
        if not all(-0.5 <= n <= 1.5 for n in numbers):
            raise ValueError("YOLO's numbers are shares between 0 and 1; these look like pixels")
        label = (names or {}).get(int(kind), f"class {kind:g}")
        return [Entry(name, beside, box, label, SHARES, where)]

    for path in source.content.labels:
        name, beside = (path.stem,), picture_folders(path)
        for line, text in enumerate(read_text(path).splitlines(), start=1):
            where = f"{path}, line {line}"
            if fields := text.split():
                more = where, name, beside
                yield from safely(lambda f=fields, m=more: read(f, *m), *more)


LIST_FILES = (*LISTS, "image_class_labels.txt", "classes.txt", "train_test_split.txt")


def list_source(home: Path) -> Source:
    """The lists of a folder in CUB's layout."""
    files = (home / name for name in LIST_FILES)
    return Source(home, LISTS, tuple(path for path in files if path.is_file()))


def list_entries(source: Source) -> Iterator[Entry]:
    """The lists of CUB-200-2011 and NABirds: ``images.txt``, ``bounding_boxes.txt`` and others."""
    home, report, found = source.path, Report(stop=False), {}

    def column(name, n, meaning):
        path = home / name
        if not path.is_file():
            return {}
        return {id_: (fields, where) for where, id_, fields in lines(path, n, meaning, report)}

    boxes = column("bounding_boxes.txt", 5, "<image id> <x> <y> <width> <height>")
    labels = column("image_class_labels.txt", 2, "<image id> <class id>")
    split = column("train_test_split.txt", 2, "<image id> <1 for training, else 0>")
    names = read_class_names(home / "classes.txt", report) or {}
    names = {str(id_): name for id_, name in names.items()}
    beside = home / "images", home
    found = column("images.txt", 2, "<image id> <path below images/>")

    def read(name, fields, where, id_):
        x, y, w, h = map(number, fields)
        class_id = labels.get(id_, ([None],))[0][0]
        label = names.get(str(class_id).lstrip("0") or "0", names.get(str(class_id), class_id))
        training = split[id_][0][0] == "1" if id_ in split else None
        return [Entry((name,), beside, (x, y, x + w, y + h), label, None, where, training)]

    for id_, ((name,), _) in found.items():
        if id_ in boxes:
            fields, where = boxes[id_]
            yield from safely(
                lambda n=name, f=fields, w=where, i=id_: read(n, f, w, i), where, (name,), beside
            )
    for finding in report.findings:
        if finding.outcome == "refused":
            error = InputError(finding.message)
            yield Entry((), (), None, None, None, finding.where, error=error)


def files_below(folder):
    """Files that may hold annotations, at any depth."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(n for n in folders if not is_hidden(Path(place, n), place))
        for name in sorted(names):
            path = Path(place) / name
            bare = "." not in name and LABEL_FOLDERS & {part.lower() for part in path.parts}
            fits = name.lower().endswith(ENDINGS) or bare  # Stanford Dogs' XML has no ending
            if fits and not is_hidden(path, place) and path.is_file():
                yield path
