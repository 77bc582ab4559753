"""Boxes in the layouts of labelling tools and data sets: :data:`LAYOUTS` has one row per layout.

A row knows its layout by its content (``fits``) and gives its boxes as entries. :func:`recognise`
asks the rows in turn; what becomes of the entries, :mod:`.own` decides. PyYAML reads YOLO's
``data.yaml``. For the layouts themselves globox, Datumaro, pylabel and supervision were weighed:
they stop at the first bad annotation, know neither EXIF data nor Label Studio's or NABirds' files,
and want to be told what a file is.
"""

import difflib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import yaml

from ..base.errors import InputError
from ..base.files import disk_errors
from .annotations import (
    BAD_XML,
    MALFORMED,
    MOST_OF_A_SET,
    SHARES,
    Entry,
    Source,
    Table,
    bad_file,
    box_round,
    is_table,
    names_in,
    number,
    picture_folders,
    read_table,
    read_text,
    read_xml,
    safely,
    split_of,
    table_entries,
)
from .labelling import (
    coco_entries,
    create_ml_entries,
    cvat_entries,
    has,
    is_coco,
    is_create_ml,
    is_label_studio,
    is_via,
    is_xml,
    label_studio_entries,
    labelme_entries,
    via_entries,
    voc_entries,
)
from .lists import Report, lines, read_class_names
from .pictures import is_hidden

ENDINGS = (".json", ".csv", ".tsv", ".txt", ".xml", ".yaml", ".yml")
LISTS = ("images.txt", "bounding_boxes.txt")
YOLO_LINE = re.compile(r"\d+(\.0*)?([ \t]+[-+.\deE]+){4,}")
CLASS_LISTS = ("classes.txt", "obj.names", "_darknet.labels", "classes.names", "labels.txt")


class Layout(NamedTuple):
    """A row of the table.

    Attributes:
        key: a short name.
        title: what people call it.
        read: what is read of it.
        fits: whether a source is of this layout.
        entries: the entries of a source, in order.
        one_file_each: a file holds the boxes of one picture, not of a set.
    """

    key: str
    title: str
    read: str
    fits: Callable[[Source], bool]
    entries: Callable[[Source], Iterator[Entry]]
    one_file_each: bool = False


class Yolo(NamedTuple):
    """Files of labels, and the names of their classes by number, or None."""

    labels: list
    names: dict | None


# ----------------------------------------------------------------------------- folders of texts


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
    for path in _files_below(folder):
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
        if len(numbers) in (4, 5):  # the fifth says how sure a network was
            x, y, w, h = numbers[:4]
            box = x - w / 2, y - h / 2, x + w / 2, y + h / 2
        elif len(numbers) >= 6 and len(numbers) % 2 == 0:
            box = box_round(zip(numbers[::2], numbers[1::2], strict=True))
        else:
            raise ValueError("a class, and 4 numbers or the corners of a polygon, are needed")
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


# ------------------------------------------------------------------------------------- the table


LAYOUTS = (
    Layout(
        "lists",
        "CUB-200-2011's and NABirds' lists",
        "boxes, classes and the training split, by ids",
        lambda source: source.content is LISTS,
        list_entries,
    ),
    Layout(
        "yolo",
        "YOLO (Ultralytics, Darknet, Roboflow)",
        "shares of each picture; class names from `data.yaml` or `classes.txt`; polygons' boxes",
        lambda source: isinstance(source.content, Yolo) and bool(source.content.labels),
        yolo_entries,
    ),
    Layout(
        "voc",
        "Pascal VOC's XML",
        "corners, class names, the size that the box was drawn in",
        lambda source: is_xml(source, "annotation"),
        voc_entries,
        one_file_each=True,
    ),
    Layout(
        "cvat",
        "CVAT's XML for images",
        "boxes and polygons, labels, sizes",
        lambda source: is_xml(source, "annotations"),
        cvat_entries,
    ),
    Layout(
        "coco",
        "COCO's JSON (also of labelling tools)",
        "boxes, class names, sizes; boxes round crowds are not used",
        is_coco,
        coco_entries,
    ),
    Layout(
        "label_studio",
        "Label Studio's JSON, JSON-MIN or CSV",
        "percentages of each picture, turned boxes, labels",
        is_label_studio,
        label_studio_entries,
    ),
    Layout(
        "create_ml",
        "CreateML's JSON",
        "centres and sizes, labels",
        is_create_ml,
        create_ml_entries,
    ),
    Layout(
        "via",
        "VGG Image Annotator's (VIA) JSON or CSV",
        "rectangles, circles, ellipses and polygons; the label among their attributes",
        is_via,
        via_entries,
    ),
    Layout(
        "labelme",
        "LabelMe's JSON",
        "rectangles, circles and polygons, labels, sizes",
        lambda source: has(source, dict, "shapes", "imagePath"),
        labelme_entries,
        one_file_each=True,
    ),
    Layout(
        "open_images",
        "Open Images' CSV",
        "shares of each picture; boxes round groups are not used",
        lambda source: is_table(source, "imageid", "labelname"),
        table_entries,
    ),
    Layout(
        "roboflow",
        "Roboflow's and TensorFlow's CSV",
        "corners, class names, the size that the box was drawn in",
        lambda source: is_table(source, "width", "height", "xmin", "xmax"),
        table_entries,
    ),
    Layout(
        "table",
        "A table of your own: commas, semicolons, tabs or |",
        "`file`, and `x, y, width, height` or `x1, y1, x2, y2`; perhaps `class` and `split`",
        is_table,
        table_entries,
    ),
)


def open_source(path: Path) -> Source:
    """A file's content: JSON, a :class:`Node` of XML, a :class:`Table`, or :class:`Yolo`.

    Raises:
        InputError: if it can be none of these.
    """
    ending = path.suffix.lower()
    if ending in (".yaml", ".yml"):
        return yolo_source(path.parent, path)
    with disk_errors("read", path), open(path, "rb") as file:
        data = file.read(MOST_OF_A_SET) if ending == ".xml" else file.read(200)
    head = data[:200].removeprefix(b"\xef\xbb\xbf").lstrip()
    if ending == ".xml":
        try:
            return Source(path, read_xml(data, MOST_OF_A_SET).children[0])
        except BAD_XML as error:
            raise bad_file(path, error) from error
    if head[:1] in (b"{", b"[") or ending == ".json":
        try:
            return Source(path, json.loads(read_text(path)))
        except (ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise bad_file(path, error, "Save it as JSON again.") from error
    return Source(path, read_table(path))


def layout_of(source: Source) -> Layout | None:
    """The first row of the table that a source fits."""
    for row in LAYOUTS:
        with suppress(*MALFORMED):
            if row.fits(source):
                return row
    return None


def entries_of(row: Layout, source: Source) -> list[Entry]:
    """The entries of a source.

    Raises:
        InputError: if its outer form is not what the layout asks for.
    """
    try:
        return list(row.entries(source))
    except InputError:
        raise
    except MALFORMED as error:
        raise bad_file(source.path, error, f"It looks like {row.title}: write it anew.") from error


def recognise(path) -> tuple[Layout, list[Source]]:
    """The layout of a file or of a folder, and what was read.

    Raises:
        InputError: if there is none, if it is none that is known, or if a folder holds several.
    """
    path = Path(path)
    if not path.exists():
        near = difflib.get_close_matches(path.name, names_in(path.absolute().parent), 1)
        hint = f"Did you mean {path.parent / near[0]}?" if near else "Look at --boxes."
        raise InputError("no such file or folder of boxes", seen=str(path), cure=hint)
    if path.is_dir():
        found = find_boxes(path)
        if len(found) > 1:
            raise InputError(
                f"{path} holds boxes {len(found)} times over",
                seen="; ".join(f"{row.title} in {sources[0].path}" for row, sources in found),
                cure="Name one of these files with --boxes.",
            )
        if found:
            return found[0]
    elif path.name in LISTS:
        return LAYOUTS[0], [list_source(path.parent)]
    elif row := layout_of(source := open_source(path)):
        return row, [source]
    elif isinstance(source.content, Table):
        raise InputError(
            f"{path}, line 1: the header does not name the columns",
            seen=", ".join(source.content.header) or "nothing",
            cure="Begin with file,x,y,width,height or file,x1,y1,x2,y2, perhaps with class. "
            + KNOWN,
        )
    raise InputError(f"{path} holds no boxes in a layout that is known", seen="none", cure=KNOWN)


KNOWN = f"Known are: {'; '.join(row.title for row in LAYOUTS)}."


def find_boxes(folder: Path) -> list[tuple[Layout, list[Source]]]:
    """The boxes in a folder, one group for each layout and file name.

    Files that differ in the split alone (``train/x.csv`` and ``valid/x.csv``) are one group.

    Raises:
        InputError: if the only file that may hold boxes is damaged.
    """
    for home in (folder, *sorted(p.parent for p in folder.glob("*/images.txt"))):
        if all((home / name).is_file() for name in LISTS):
            return [(LAYOUTS[0], [list_source(home)])]
    groups, damaged = {}, []
    for path in _files_below(folder):
        if path.suffix.lower() not in (".json", ".csv", ".tsv", ".xml", ".txt"):
            continue
        try:
            source = open_source(path)
            row = layout_of(source)
        except InputError as error:
            damaged += [] if path.suffix.lower() == ".txt" else [error]
            continue
        if row is not None:
            words = re.split(r"[\W_]+", path.stem.lower())
            name = "-".join(w for w in words if split_of(w) is None)
            group = groups.setdefault((row.key, "" if row.one_file_each else name), (row, []))
            group[1].append(source)
    labels = yolo_source(folder)
    if row := layout_of(labels):
        groups["yolo", ""] = row, [labels]
    if damaged and not groups:
        raise damaged[0]
    return list(groups.values())


def _files_below(folder):
    """Files that may hold annotations, at any depth."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(n for n in folders if not is_hidden(Path(place, n), place))
        for name in sorted(names):
            path = Path(place) / name
            if name.lower().endswith(ENDINGS) and not is_hidden(path, place) and path.is_file():
                yield path
