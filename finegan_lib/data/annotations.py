"""Open and parse files of annotations: tables, JSON, XML; and the record of one box in them.

Texts are parsed by Python's ``csv``, ``json`` and ``expat``. :mod:`.boxes` recognises the layout of
a file.
"""

import csv
import io
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from ..base.errors import InputError
from ..base.files import disk_errors
from .pictures import IMAGE_SUFFIXES

# An annotation of one picture has a kilobyte; one of a whole set in CVAT's form has megabytes.
MOST_XML_BYTES, MOST_OF_A_SET = 1 << 20, 1 << 28
SHARES, PERCENT = (1, 1), (100, 100)  # frames of boxes that are no pixels
LABEL_FOLDERS = {"labels", "label", "annotations", "annotation", "xml", "xmls", "anns", "ann"}
IMAGE_FOLDERS = {"images", "image", "jpegimages", "imgs", "img", "photos", "pictures"}
SPLITS = {"train": True, "training": True, "trn": True}
SPLITS |= dict.fromkeys(("valid", "validation", "val", "test", "testing"), False)
SPLITS |= dict.fromkeys(("tst", "dev", "eval"), False)


class Entry(NamedTuple):
    """The record of one box in a file, or of a picture without a box.

    Attributes:
        names: the picture's name, and others to try where there is no such picture.
        beside: folders that the names may be relative to.
        box: x1, y1, x2, y2; None where the picture has none.
        label: class, or None.
        frame: (width, height) that the box was measured in; SHARES, PERCENT, or None: not said.
        where: file and line.
        training: whether it is of the training split, or None.
        error: why the box cannot be used, or None.
    """

    names: tuple
    beside: tuple
    box: tuple | None
    label: str | None
    frame: tuple | None
    where: str
    training: bool | None = None
    error: InputError | None = None


class Source(NamedTuple):
    """A file, or the folder of a set of files, and what was read of it.

    Attributes:
        path: of the file or the folder.
        content: JSON's values, or another class of this module or of :mod:`.boxes`.
        files: those of a folder that were read.
    """

    path: Path
    content: object
    files: tuple = ()


class Table(NamedTuple):
    """Rows of texts.

    Attributes:
        header: {plain name: column} of the first line.
        rows: [(number of the line, fields)] of the others.
        first: the fields of the first line.
    """

    header: dict
    rows: list
    first: list


class Node(NamedTuple):
    """An element of XML; ``text`` is the text directly in it."""

    tag: str
    attributes: dict
    children: list
    text: list

    def all(self, tag: str) -> Iterator["Node"]:
        """The elements of that name below this one, in order."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.all(tag)

    def value(self, tag: str) -> str:
        """The text of the first child of that name; KeyError if there is none."""
        for child in self.children:
            if child.tag == tag:
                return "".join(child.text).strip()
        raise KeyError(f"no {tag} in a {self.tag}")


# --------------------------------------------------------------------------------- reading files


def read_text(path) -> str:
    """A text in UTF-8, or in UTF-16 with a byte-order mark; the mark is taken off.

    Raises:
        InputError: for other bytes.
    """
    with disk_errors("read", path):
        data = Path(path).read_bytes()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"cannot read {path}: it is not UTF-8", seen=str(error), cure="Save it as UTF-8."
        ) from error


def csv_rows(path, delimiter=",", text=None):
    """[(number of the line, its fields)], without the empty lines."""
    text = read_text(path) if text is None else text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        return [(reader.line_num, row) for row in reader if any(field.strip() for field in row)]
    except csv.Error as error:
        raise InputError(f"cannot read {path}", seen=str(error), cure="Save it as CSV.") from error


def read_table(path) -> Table:
    """A table. Its separator is the one of , ; tab | that its first line has most often."""
    text = read_text(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t|", key=first.count)
    if told := re.fullmatch(r"\s*\"?sep=([,;\t|])\"?\s*", first):  # Excel's own first line
        delimiter, text = told[1], text.replace(first, "", 1)
    rows = csv_rows(path, delimiter, text)
    header = {}
    for column, name in enumerate(rows[0][1] if rows else []):
        header.setdefault(re.sub(r"[\s_\-#.]", "", name).lower(), column)
    return Table(header, rows[1:], rows[0][1] if rows else [])


def read_xml(data: bytes, most: int = MOST_XML_BYTES) -> Node:
    """The outermost element. A document type, and every entity that could be expanded, is refused.

    Raises:
        ValueError, LookupError, OverflowError, expat.ExpatError: for what cannot be parsed.
    """
    top = Node("", {}, [], [])
    open_ones = [top]

    def refuse(*_):
        raise ValueError("it declares a document type")

    def start(tag, attributes):
        if len(open_ones) > 20:
            raise ValueError("it is nested too deeply")
        node = Node(tag, attributes, [], [])
        open_ones[-1].children.append(node)
        open_ones.append(node)

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, lambda _: open_ones.pop()
    parser.CharacterDataHandler = lambda text: open_ones[-1].text.append(text)
    if len(data) > most:
        raise ValueError(f"it has more than {most} bytes")
    parser.Parse(data, True)
    return top


BAD_XML = (expat.ExpatError, LookupError, ValueError, OverflowError)


def why(error) -> str:
    """An error's own words."""
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


def bad_file(path, error, cure="Fetch it again.") -> InputError:
    """The error for an annotation that cannot be parsed."""
    return InputError(f"cannot use the annotation {path}", seen=why(error), cure=cure)


def number(text) -> float:
    """A number as a file gives it, also with a comma for the point.

    Raises:
        ValueError, TypeError: if it is none.
    """
    if isinstance(text, bool):
        raise ValueError(f"{text} is no number")
    return float(text.replace(",", ".") if isinstance(text, str) else text)


def split_of(word) -> bool | None:
    """Whether a folder or a column names the training split: "train2017" → True; else None."""
    return SPLITS.get(re.sub(r"[\W_\d]", "", str(word)).lower())


# What Python raises for values of another kind or form than a reader expects.
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def safely(make, where, names=(), beside=()) -> list[Entry]:
    """The entries that ``make()`` gives, or one entry with the reason why there are none."""
    try:
        return make()
    except InputError as error:
        found = error
    except MALFORMED as error:
        seen = f"{type(error).__name__}: {why(error)}"[:300]
        found = InputError(f"{where} cannot be used", seen=seen, cure="Mend it, or take it out.")
    return [Entry(names, beside, None, None, None, where, error=found)]


class RoundMany(InputError):
    """The error for a box round many objects (COCO's crowds, Open Images' groups): never used."""

    def __init__(self, where):
        super().__init__(
            f"{where}: the box is round a group of objects",
            seen="no other box of this image",
            cure="Draw a box round one of them.",
        )


def box_round(points) -> tuple:
    """The box of some (x, y)."""
    xs, ys = zip(*((number(x), number(y)) for x, y in points), strict=True)
    if not all(map(math.isfinite, (*xs, *ys))):
        raise ValueError("a number is not finite")
    return min(xs), min(ys), max(xs), max(ys)


def positive(text):
    """A whole number above 0, or None."""
    try:
        value = number(text)
        return int(value) if math.isfinite(value) and value >= 1 else None
    except (ValueError, TypeError):
        return None


# ------------------------------------------------------------------------------ where pictures are


def picture_folders(label: Path) -> tuple[Path, ...]:
    """Where the picture of a file of labels may be: beside it, or in ``labels/``'s twin.

    ``train/labels/x.txt`` → ``train/labels``, ``train/images``; ``Annotations/x.xml`` →
    ``Annotations``, ``JPEGImages``.
    """
    folders, parts = [label.parent], label.parent.parts
    for place in reversed(range(len(parts))):
        if parts[place].lower() in LABEL_FOLDERS:
            above = Path(*parts[:place])
            names = sorted(name for name in names_in(above) if name.lower() in IMAGE_FOLDERS)
            folders += [above.joinpath(name, *parts[place + 1 :]) for name in names]
            folders.append(above.joinpath(*parts[place + 1 :]))
            break
    return tuple(folders)


def names_in(folder: Path) -> list[str]:
    """The contents of a folder; empty if it is not a folder."""
    return os.listdir(folder) if folder.is_dir() else []


# ------------------------------------------------------------------------------------- tables

FILE = "file filename filepath filepaths image imagename imageid imagepath imagefile img imgpath"
FILE += " path picture photo fname imgname imgfile imgid imagefilename name id"
LABEL = "class label labelname category categoryname species classname labels name classid"
SPLIT = "split set subset dataset partition"
X1, Y1 = "x1 xmin xtl minx bboxx1 bboxxmin left", "y1 ymin ytl miny bboxy1 bboxymin top"
X2, Y2 = "x2 xmax xbr maxx bboxx2 bboxxmax right", "y2 ymax ybr maxy bboxy2 bboxymax bottom"
X, Y = f"x bboxx boxx bboxleft {X1}", f"y bboxy boxy bboxtop {Y1}"
CX, CY = "xcenter xcentre cx centerx centrex", "ycenter ycentre cy centery centrey"
W, H = "w bboxwidth boxwidth bboxw boxw width", "h bboxheight boxheight bboxh boxh height"
FRAME_W = "imagewidth imgwidth imwidth originalwidth width"
FRAME_H = "imageheight imgheight imheight originalheight height"


FORMS = (
    ("x1, y1, x2, y2", ("x0", "y0", "x1", "y1")),
    ("x1, y1, x2, y2", (X1, Y1, X2, Y2)),
    ("centre and size", (CX, CY, W, H)),
    ("x, y, width, height", (X, Y, W, H)),
)


class Columns(NamedTuple):
    """Which columns of a table hold what; ``form`` says what the four of the box are."""

    file: int | None
    form: str
    box: tuple
    frame: tuple
    label: int | None
    split: int | None


def columns_of(header: dict) -> Columns | None:
    """The columns by their names; None where they name no file or no box."""

    def one(names, taken=()):
        return next(
            (header[n] for n in names.split() if header.get(n, -1) not in (-1, *taken)), None
        )

    def all_of(*names):
        found = tuple(one(name) for name in names)
        return found if None not in found and len(set(found)) == len(found) else None

    file = one(FILE)
    forms = [("x1, y1, x2, y2", (X1, Y1, X2, Y2)), ("x1, y1, x2, y2", ("x0", "y0", "x1", "y1"))]
    forms = [
        *reversed(forms),
        ("centre and size", (CX, CY, W, H)),
        ("x, y, width, height", (X, Y, W, H)),
    ]
    form, box = next(((f, all_of(*names)) for f, names in forms if all_of(*names)), ("", None))
    if box is None and "bbox" in header:
        form, box = "bbox", (header["bbox"],)
    if file is None or box is None:
        return None
    frame = one(FRAME_W, box), one(FRAME_H, box)
    frame = () if None in frame else frame
    return Columns(file, form, box, frame, one(LABEL, (file, *box)), one(SPLIT, (file,)))


def table_entries(source: Source) -> Iterator[Entry]:
    """A table with a column for the file and some for the box."""
    path, (header, rows, first), _ = source
    columns, group = columns_of(header), header.get("isgroupof")
    names = _open_images_names(path.parent) if "labelname" in header else {}
    for line, fields in rows:
        fields = [field.strip() for field in fields]
        where = f"{path}, line {line}"

        def cell(column, fields=fields):
            return fields[column] if column is not None and column < len(fields) else ""

        texts = [cell(column) for column in columns.box]
        label, name = cell(columns.label), cell(columns.file)
        frame = tuple(positive(cell(column)) for column in columns.frame)
        entry = Entry(
            (name,),
            (path.parent,),
            None,
            names.get(label, label) or None,
            frame if frame and all(frame) else None,
            where,
            split_of(cell(columns.split)),
        )
        if group is not None and cell(group).lower() in ("1", "1.0", "true", "yes"):
            entry = entry._replace(error=RoundMany(where))
        elif any(fields[len(first) :]):
            error = InputError(
                f"{where} has more fields than the header has columns",
                seen=repr(",".join(fields)[:200]),
                cure="Put numbers with a decimal comma, and names with commas, in quotation marks.",
            )
            entry = entry._replace(error=error)
        elif any(texts):
            try:
                entry = entry._replace(box=_table_box(columns.form, texts))
            except (ValueError, TypeError):
                error = InputError(
                    f"{where} is malformed",
                    seen=repr(",".join(fields)[:200]),
                    cure=f"Give numbers for {columns.form}.",
                )
                entry = entry._replace(error=error)
        yield entry


def _table_box(form, texts):
    if form == "bbox":
        texts, form = re.findall(r"[-+.\deE]+|nan|inf", texts[0]), "x, y, width, height"
        if len(texts) != 4:
            raise ValueError
    a, b, c, d = map(number, texts)
    if form == "centre and size":
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return (a, b, a + c, b + d) if form == "x, y, width, height" else (a, b, c, d)


def _open_images_names(folder):
    """{machine's name: what people say} from Open Images' list of classes, where it is there."""
    listed = next(iter(sorted(folder.glob("*class-descriptions*.csv"))), None)
    if listed is None:
        return {}
    pairs = (line.split(",", 1) for line in read_text(listed).splitlines())
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}


def is_table(source, *needed):
    table = source.content
    return (
        isinstance(table, Table)
        and all(name in table.header for name in needed)
        and columns_of(table.header) is not None
    )


def is_row(fields) -> bool:
    """Whether fields are a picture's name and four numbers, or empty ones for no box."""
    if len(fields) < 5 or not fields[0].strip().lower().endswith(IMAGE_SUFFIXES):
        return False
    try:
        return all(math.isfinite(number(field or "0")) for field in fields[1:5])
    except ValueError:
        return False


def retinanet_entries(source: Source) -> Iterator[Entry]:
    """A table without a header: file, x1, y1, x2, y2, class."""
    path, (_, rows, first), _ = source
    names = ["file", "x1", "y1", "x2", "y2", "class"][: max(5, len(first))]
    header = {name: column for column, name in enumerate(names)}
    table = Table(header, [(1, first), *rows], names)
    yield from table_entries(Source(path, table))


def is_retinanet(source):
    return isinstance(source.content, Table) and is_row(source.content.first)
