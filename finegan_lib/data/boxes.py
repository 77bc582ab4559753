"""Boxes in the layouts of labelling tools and data sets: :data:`LAYOUTS` has one row per layout.

A row knows its layout by its content (``fits``) and gives its boxes as entries. :func:`recognise`
tries the rows in turn, and :mod:`.own` decides how the entries are used. The libraries globox,
Datumaro, pylabel and supervision were considered. They stop at the first bad annotation, read
neither EXIF data nor Label Studio's or NABirds' files, and do not recognise a layout by themselves.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..base.errors import InputError
from ..base.files import disk_errors
from .annotations import (
    BAD_XML,
    MALFORMED,
    MOST_OF_A_SET,
    Entry,
    Source,
    Table,
    bad_file,
    is_retinanet,
    is_table,
    names_in,
    picture_folders,
    read_table,
    read_text,
    read_xml,
    retinanet_entries,
    split_of,
    table_entries,
)
from .label_texts import (
    LISTS,
    TABLES,
    Yolo,
    files_below,
    list_entries,
    list_source,
    yolo_entries,
    yolo_source,
)
from .labelling import (
    coco_entries,
    create_ml_entries,
    cvat_entries,
    has,
    hugging_face_entries,
    is_coco,
    is_create_ml,
    is_hugging_face,
    is_label_studio,
    is_via,
    is_xml,
    label_studio_entries,
    labelme_entries,
    via_entries,
    voc_entries,
)
from .pictures import IMAGE_SUFFIXES


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


class Found(NamedTuple):
    """What a folder holds.

    Attributes:
        groups: [(layout, sources)], one for each layout and file name.
        unknown: [(file, why)] of files that may hold boxes and are not read.
    """

    groups: list
    unknown: list


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
        "boxes (also turned), ellipses and polygons, labels, sizes",
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
        "hugging_face",
        "Hugging Face's `metadata.jsonl`",
        "x, y, width, height of `objects`; their categories",
        is_hugging_face,
        hugging_face_entries,
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
    Layout(
        "retinanet",
        "RetinaNet's CSV, which has no header",
        "file, x1, y1, x2, y2, class, in this order",
        is_retinanet,
        retinanet_entries,
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
    if ending in IMAGE_SUFFIXES:
        raise InputError(
            "this is a picture, and no file of boxes",
            seen=str(path),
            cure="Give a file of boxes, or none: the middle of each picture then stands for it.",
        )
    with disk_errors("read", path), open(path, "rb") as file:
        data = file.read(200)
        head = data.removeprefix(b"\xef\xbb\xbf").lstrip()
        is_markup = ending == ".xml" or head[:1] == b"<"
        data += file.read(MOST_OF_A_SET) if is_markup else b""
    if is_markup:
        try:
            return Source(path, read_xml(data, MOST_OF_A_SET).children[0])
        except BAD_XML as error:
            raise bad_file(path, error) from error
    if head[:1] in (b"{", b"[") or ending == ".json":
        try:
            text = read_text(path)
            if ending == ".jsonl":
                return Source(path, [json.loads(row) for row in text.split("\n") if row.strip()])
            return Source(path, json.loads(text))
        except (ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise bad_file(path, error, "Save it as JSON again.") from error
    if head[:4] == b"PK\3\4" or head[:4] == b"\xd0\xcf\x11\xe0":
        raise InputError(
            f"{path} is an archive or a spreadsheet, no text",
            seen=ending or "no ending",
            cure="Unpack the archive, or save the spreadsheet as CSV.",
        )
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
    if isinstance(source.content, InputError):  # one damaged file of many
        where, beside = str(source.path), picture_folders(source.path)
        return [Entry((source.path.stem,), beside, None, None, None, where, error=source.content)]
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
        if found.groups:
            return only_one(path, found.groups, "Name one of these files with --boxes.")
        if found.unknown:
            raise InputError(
                f"{path} holds no boxes in a layout that is known",
                seen="; ".join(f"{file} ({reason})" for file, reason in found.unknown[:5]),
                cure=KNOWN,
            )
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


def only_one(folder, groups, cure) -> tuple[Layout, list[Source]]:
    """The one group of a folder; :class:`InputError` if there are several."""
    if len(groups) > 1:
        raise InputError(
            f"{folder} holds boxes {len(groups)} times over",
            seen="; ".join(f"{row.title} in {sources[0].path}" for row, sources in groups),
            cure=cure,
        )
    return groups[0]


KNOWN = f"Known are: {'; '.join(row.title for row in LAYOUTS)}."


def find_boxes(folder: Path) -> Found:
    """The boxes in a folder, one group for each layout and file name.

    Files that differ in the split alone (``train/x.csv`` and ``valid/x.csv``) are one group.

    Raises:
        InputError: if the only file that may hold boxes is damaged.
    """
    for home in (folder, *sorted(p.parent for p in folder.glob("*/images.txt"))):
        if all((home / name).is_file() for name in LISTS):
            return Found([(LAYOUTS[0], [list_source(home)])], [])
    groups, damaged, unknown = {}, [], []
    for path in files_below(folder):
        if path.suffix.lower() not in (*TABLES, ""):
            continue
        try:
            source = open_source(path)
            row = layout_of(source)
        except InputError as error:
            damaged += [] if path.suffix.lower() in (".txt", "") else [Source(path, error)]
            continue
        if row is None and path.suffix.lower() not in (".txt", ""):
            unknown.append((path, f"not known: {_shown(source.content)}"))
        elif row is not None:
            words = re.split(r"[\W_]+", path.stem.lower())
            name = "-".join(w for w in words if split_of(w) is None)
            group = groups.setdefault((row.key, "" if row.one_file_each else name), (row, []))
            group[1].append(source)
    labels = yolo_source(folder)
    if row := layout_of(labels):
        groups["yolo", ""] = row, [labels]
    if damaged and not groups:
        raise damaged[0].content
    if groups:
        unknown = []  # captions, notes and the like
    # A damaged file beside others of its kind is one of them: its picture has no other box.
    endings = {
        s.path.suffix: group for (_, name), group in groups.items() if not name for s in group[1]
    }
    for source in damaged:
        row, sources = endings.get(source.path.suffix, (None, []))
        if row is not None and row.one_file_each:
            sources.append(source)
        else:
            unknown.append((source.path, str(source.content)))
    return Found(list(groups.values()), unknown)


def _shown(content):
    """What an unknown file holds, in a few words."""
    if isinstance(content, Table):
        return f"columns {', '.join(map(ascii, content.first))}"[:200]
    keys = content[0] if isinstance(content, list) and content else content
    keys = list(map(ascii, keys))[:9] if isinstance(keys, dict) else []
    return f"JSON with {', '.join(keys)}"[:200] if keys else type(content).__name__
