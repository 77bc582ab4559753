"""The layouts of the paper's data sets, and a user's own folder, as one list of photographs.

Every function here reads annotations, finds the images, and returns a :class:`Collection` with one
box per image: x1, y1, x2, y2 in pixels of the **upright** image, which is what
:class:`~finegan_lib.data.folder.BirdsFolder` reads. The publishers measured their boxes in the
pixels of the file as it is stored, so boxes of images that EXIF data turn are turned along.

Where a picture holds several objects, it keeps the largest box. The others then count as background
of that picture: a limit of FineGAN's one box per image, and counted in the notes.
"""

import csv
import io
import json
import math
import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from ..base.errors import InputError
from ..base.files import disk_errors
from .matlab import read_matlab

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
# An annotation of Stanford Dogs has a kilobyte.
MOST_XML_BYTES = 1 << 20
# Of classes without names, a number in a file says how many there are. The data set has 196.
MOST_CLASSES = 10_000
# The box of a photograph of which nothing is known, as a part of each side.
CENTRE = 0.5


@dataclass(frozen=True)
class Photo:
    """One example.

    Attributes:
        file: where it lies.
        name: its path below ``images/``.
        box: x1, y1, x2, y2 in pixels, or None for the centre of the image.
        label: index into ``Collection.class_names``, or None.
        training: whether the publisher counts it to the training split, or None.
        stored: whether the box is one of the file as stored, rather than of the upright image.
        frame: (width, height) that the box was measured in, None for the image's own.
        where: file and line of the annotation.
    """

    file: Path
    name: str
    box: tuple | None
    label: int | None
    training: bool | None
    stored: bool
    frame: tuple | None
    where: str


@dataclass
class Collection:
    """What a layout holds.

    Attributes:
        photos: the examples, in order.
        class_names: names of the classes, or None.
        notes: what was found on the way, for the user.
        class_ids: the publisher's identifiers of the classes, or None.
    """

    photos: list[Photo]
    class_names: list[str] | None
    notes: list[str] = field(default_factory=list)
    class_ids: list[str] | None = None


def find(root, name):
    """The topmost file or folder of that name below ``root``, or None."""
    found = []
    for folder, folders, files in os.walk(root):
        found += [Path(folder) / name for entry in (*folders, *files) if entry == name]
    return min(found, key=lambda path: (len(path.parts), path), default=None)


def read_text(path):
    with disk_errors("read", path):
        data = Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"cannot read {path}: it is not UTF-8", seen=str(error), cure="Save it as UTF-8."
        ) from error


# ---------------------------------------------------------------------------------- CUB-200-2011


def read_cub(root) -> Collection:
    """CUB-200-2011: ``images.txt``, ``bounding_boxes.txt``, ``image_class_labels.txt``, …

    Raises:
        InputError: at the first line that cannot be used, with its file and number.
    """
    from .folder import Report, read_classes, read_images

    listed = find(root, "images.txt")
    if listed is None:
        raise InputError(
            "this is not CUB-200-2011: there is no images.txt",
            seen=str(root),
            cure="Give CUB_200_2011.tgz, or the folder that was in it.",
        )
    home, report = listed.parent, Report(stop=True)
    rows = read_images(home, report)
    names, labels = read_classes(home, rows, report)
    boxes = _numbers(home / "bounding_boxes.txt", 4)
    split = {}
    if (home / "train_test_split.txt").is_file():
        split = _numbers(home / "train_test_split.txt", 1)
    ids = sorted(names if names else set((labels or {}).values()))
    order = {class_id: index for index, class_id in enumerate(ids)}
    photos = []
    for id_, (path, where) in rows.items():
        if id_ not in boxes:
            raise InputError(
                f"{home / 'bounding_boxes.txt'} says nothing of an image",
                seen=f"id {id_} ({where})",
                cure="Fetch the data set again.",
            )
        (x, y, width, height), place = boxes[id_]
        label = None if labels is None else order[labels[id_]]
        training = bool(split[id_][0][0]) if id_ in split else None
        name = path.relative_to(home / "images").as_posix()
        box = x, y, x + width, y + height
        photos.append(Photo(path, name, box, label, training, True, None, place))
    return Collection(photos, [names[id_] for id_ in ids] if names else None)


def _numbers(path, n):
    """{id: ((numbers), where)} of a file with an id and n numbers a line."""
    values = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields, where = line.split(), f"{path}, line {number}"
        if not fields:
            continue
        try:
            id_, *numbers = (float(part) for part in fields)
            if len(numbers) != n:
                raise ValueError
            values[int(id_)] = tuple(numbers), where
        except (ValueError, OverflowError):
            raise InputError(
                f"{where} is malformed", seen=repr(line[:200]), cure="Fetch the data set again."
            ) from None
    return values


# --------------------------------------------------------------------------------- Stanford Dogs


def read_dogs(root) -> Collection:
    """Stanford Dogs: ``Images/<class>/<name>.jpg`` and ``Annotation/<class>/<name>``, in XML.

    ``train_list.mat`` names the training split, where it is there. Boxes are scaled where the image
    has another size than its annotation says.

    Raises:
        InputError: if a part is missing or an annotation cannot be read; says which.
    """
    images, annotations = find(root, "Images"), find(root, "Annotation")
    if images is None or annotations is None:
        missing = "Images" if images is None else "Annotation"
        raise InputError(
            f"this is not Stanford Dogs: there is no folder {missing}",
            seen=str(root),
            cure="Give images.tar and annotation.tar, or the folders that were in them.",
        )
    training, folders = _dogs_split(root), sorted(p for p in images.iterdir() if p.is_dir())
    photos, class_names, several, lost = [], [], 0, []
    for folder in folders:
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
        class_names.append(folder.name)
        for file in files:
            annotation = annotations / folder.name / file.stem
            if not annotation.is_file():
                lost.append(file)
                continue
            frame, boxes = read_xml_boxes(annotation)
            several += len(boxes) > 1
            name = f"{folder.name}/{file.name}"
            is_training = None if training is None else name in training
            photos.append(
                Photo(
                    file,
                    name,
                    largest(boxes),
                    len(class_names) - 1,
                    is_training,
                    True,
                    frame,
                    str(annotation),
                )
            )
    if lost:
        raise InputError(
            f"{len(lost)} images have no annotation, or the data set is not whole",
            seen=str(lost[0]),
            cure="Fetch annotation.tar again.",
        )
    notes = [f"{several} images hold several dogs: the largest box is kept"] if several else []
    return Collection(photos, class_names, notes)


def _dogs_split(root):
    """Names of the training images, or None where there is no list."""
    path = find(root, "train_list.mat")
    if path is None:
        return None
    names = _as_list(read_matlab(path).get("file_list"))
    if not names:
        raise InputError(f"{path} has no file_list", seen=str(path), cure="Fetch it again.")
    return {str(name) for name in names}


def read_xml_boxes(path) -> tuple[tuple | None, list[tuple]]:
    """((width, height) or None, boxes x1, y1, x2, y2) of an annotation in Pascal VOC's XML.

    A document type, and with it every entity that could be expanded, is refused.

    Raises:
        InputError: for XML that is damaged, too long, declares entities, or holds no box.
    """
    path = Path(path)
    with disk_errors("read", path), open(path, "rb") as file:
        data = file.read(MOST_XML_BYTES + 1)
    values, boxes, text, tags = {}, [], [], []

    def refuse(*_):
        raise ValueError("it declares a document type")

    def start(tag, _):
        tags.append(tag)
        if len(tags) > 20:
            raise ValueError("it is nested too deeply")
        if tag == "bndbox":
            values.clear()
        text.clear()

    def end(tag):
        tags.pop()
        inside = tags[-1] if tags else ""
        if inside in ("bndbox", "size"):
            values[inside, tag] = "".join(text)
        if tag == "bndbox":
            boxes.append(
                tuple(float(values["bndbox", k]) for k in ("xmin", "ymin", "xmax", "ymax"))
            )
        if tag == "size":
            size.append(tuple(int(float(values["size", k])) for k in ("width", "height")))
        text.clear()

    size = []
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text.append
    try:
        if len(data) > MOST_XML_BYTES:
            raise ValueError(f"it has more than {MOST_XML_BYTES} bytes")
        parser.Parse(data, True)
        if not boxes:
            raise ValueError("it holds no box")
    except KeyError as error:
        raise _bad_xml(path, f"no {error.args[0][1]} in a {error.args[0][0]}") from error
    # LookupError: an encoding that Python does not know, or that is none of texts.
    except (expat.ExpatError, LookupError, ValueError, OverflowError) as error:
        raise _bad_xml(path, str(error)) from error
    frame = size[0] if size and min(size[0]) > 0 else None
    return frame, boxes


def _bad_xml(path, why):
    return InputError(f"cannot use the annotation {path}", seen=why, cure="Fetch it again.")


def largest(boxes):
    """The box of the largest area, the first of equals."""
    return max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))


# --------------------------------------------------------------------------------- Stanford Cars


def read_cars(root) -> Collection:
    """Stanford Cars, in any of the layouts that are in circulation.

    - the authors': ``cars_train/``, ``cars_test/``, and in a devkit ``cars_train_annos.mat``,
      ``cars_test_annos_withlabels.mat`` and ``cars_meta.mat`` (also nested once more, as in
      ``cars_train/cars_train/``);
    - the authors' second: ``car_ims/`` and ``cars_annos.mat``;
    - by class: ``car_data/train/<class>/`` and ``car_data/test/<class>/`` with ``anno_train.csv``,
      ``anno_test.csv`` and ``names.csv``.

    Boxes are inclusive corners counted from 1, as in Matlab.

    Raises:
        InputError: if none of them is found, if annotations name images that are not there.
    """
    if find(root, "anno_train.csv"):
        return _cars_by_class(root)
    if find(root, "cars_annos.mat") and find(root, "car_ims"):
        return _cars_together(root)
    if find(root, "cars_train_annos.mat"):
        return _cars_devkit(root)
    hint = ""
    if find(root, "cars_annos.mat"):
        hint = (
            " cars_annos.mat numbers the images of car_ims/, not those of cars_train/: the devkit"
        )
        hint += " is needed."
    raise InputError(
        "this is not Stanford Cars in a layout that is known",
        seen=str(root),
        cure="Give cars_train/, cars_test/ and the devkit with cars_train_annos.mat, "
        "cars_test_annos_withlabels.mat and cars_meta.mat; or car_ims/ with cars_annos.mat; or "
        f"car_data/ with anno_train.csv, anno_test.csv and names.csv.{hint}",
    )


def _cars_devkit(root):
    train = find(root, "cars_train_annos.mat")
    test, meta = find(root, "cars_test_annos_withlabels.mat"), find(root, "cars_meta.mat")
    names = _mat_names(meta) if meta else None
    images, photos, notes = _index_images(root), [], []
    for path, folder, training in ((train, "cars_train", True), (test, "cars_test", False)):
        if path is None:
            notes.append(
                "cars_test_annos_withlabels.mat is not there: the 8,041 test images are left out. "
                "The paper trains on all images"
            )
            continue
        for number, row in enumerate(_mat_rows(path, "fname"), start=1):
            where, name = f"{path}, annotation {number}", str(row["fname"])
            file = images.get((folder, name))
            photos.append(_car(row, file, f"{folder}/{name}", training, where))
    return _with_names(photos, names, notes)


def _cars_together(root):
    path = find(root, "cars_annos.mat")
    images, photos = _index_images(root), []
    for number, row in enumerate(_mat_rows(path, "relative_im_path"), start=1):
        where, name = f"{path}, annotation {number}", Path(str(row["relative_im_path"])).name
        training = not _number(row["test"], where) if "test" in row else None
        file = images.get(("car_ims", name))
        photos.append(_car(row, file, f"car_ims/{name}", training, where))
    return _with_names(photos, _mat_names(path), [])


def _cars_by_class(root):
    train, test = find(root, "anno_train.csv"), find(root, "anno_test.csv")
    listed = find(root, "names.csv")
    names = [row[0].strip() for _, row in _csv_rows(listed)] if listed else None
    images = {}
    for file in _images_below(root):
        if len(file.parts) > 2:
            images[file.parts[-3], file.name] = file
    photos, notes = [], []
    for path, split in ((train, "train"), (test, "test")):
        if path is None:
            notes.append("anno_test.csv is not there: the test images are left out")
            continue
        for place, (number, row) in enumerate(_csv_rows(path)):
            where = f"{path}, line {number}"
            keys = ("fname", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class")
            if place == 0 and not _is_number(row[1] if len(row) > 1 else ""):
                continue  # a header, in some copies
            if len(row) < 6:
                raise InputError(
                    f"{where} is malformed", seen=repr(row), cure=f"Write it as: {', '.join(keys)}."
                )
            row = dict(zip(keys, row, strict=False))
            name = row["fname"].strip()
            file = images.get((split, name))
            photos.append(_car(row, file, f"{split}/{name}", split == "train", where))
    return _with_names(photos, names, notes)


def _car(row, file, name, training, where):
    """A photo from an annotation with bbox_x1, …, bbox_y2 and class."""
    if file is None:
        raise InputError(
            f"{where}: the image is missing",
            seen=ascii(name),
            cure="Give the image archives too, or unpack them again.",
        )
    x1, y1, x2, y2 = (_number(row[f"bbox_{k}"], where) for k in ("x1", "y1", "x2", "y2"))
    label = _whole(row["class"], where) - 1
    return Photo(file, name, (x1 - 1, y1 - 1, x2, y2), label, training, True, None, where)


def _with_names(photos, names, notes):
    most = len(names) if names else MOST_CLASSES
    for photo in photos:
        if not 0 <= photo.label < most:
            raise InputError(
                f"{photo.where}: unknown class",
                seen=photo.label + 1,
                cure=f"There are {'' if names else 'at most '}{most} classes, counted from 1.",
            )
    count = max((photo.label for photo in photos), default=-1) + 1
    return Collection(photos, names or [f"class {k + 1}" for k in range(count)], notes)


def _index_images(root):
    """{(name of the folder, name of the file): path} of all images below ``root``."""
    return {(file.parent.name, file.name): file for file in _images_below(root)}


def _images_below(root):
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("._"):
                yield Path(folder) / name


def _as_list(value):
    """A Matlab array of one element comes as that element."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _mat_rows(path, name):
    """The records of a struct array, as dicts."""
    rows = _as_list(read_matlab(path).get("annotations"))
    needed = {"bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", name}
    for row in rows or [None]:
        fields = set(row) if isinstance(row, dict) else set()
        if not needed <= fields:
            raise InputError(
                f"{path} does not hold the annotations of Stanford Cars with their classes",
                seen=f"fields {', '.join(sorted(fields)) or 'none'}",
                cure="Give the devkit's files; for the test images cars_test_annos_withlabels.mat.",
            )
    return rows


def _mat_names(path):
    names = _as_list(read_matlab(path).get("class_names"))
    if not names:
        raise InputError(f"{path} has no class_names", seen=str(path), cure="Fetch it again.")
    return [str(name) for name in names]


def _number(value, where):
    try:
        return float(value)
    except (ValueError, TypeError):
        raise InputError(
            f"{where}: a number is missing", seen=repr(value), cure="Fetch the annotations again."
        ) from None


def _whole(value, where):
    number = _number(value, where)
    if not number.is_integer():
        raise InputError(
            f"{where}: a class is a whole number", seen=repr(value), cure="Fetch it again."
        )
    return int(number)


def _is_number(text):
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _csv_rows(path):
    """[(number of the line, its fields)], without the empty lines."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise InputError(f"cannot read {path}", seen=str(error), cure="Save it as CSV.") from error


# --------------------------------------------------------------------------------- own photographs


def read_own(folder, boxes=None, *, centre: float = CENTRE, stored: bool = False) -> Collection:
    """A folder of photographs, with boxes from a file, or none.

    The class of an image is what the file says, else the name of the folder that it lies in, where
    there is more than one such folder.

    Without a file the box is the middle of each picture, ``centre`` of its width and of its height.
    Training then works as ever: the child discriminator sees the middle, and what lies outside it
    passes for background. With the default, 5 to 7 of 10 windows at the paper's scale hold patches
    of it, so hardly a batch is without. It holds for photographs with the object in the middle and
    room around it. Where the object reaches further, its edges are taught as background, and the
    background network learns to paint them: then draw boxes.

    Args:
        folder: images, in subfolders or not.
        boxes: a CSV file with a header (``file``; ``x, y, width, height`` or ``x1, y1, x2, y2``;
            perhaps ``class``), or COCO's JSON; paths are relative to ``folder``.
        centre: the assumed box's share of each side, above 0 and below 1.
        stored: the boxes are those of the files as stored, for images turned by EXIF data. COCO's
            files tell this themselves, by the sizes that they give.

    Raises:
        InputError: for a missing folder or image, an image without a box, a malformed file; with
            its line.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("no such folder", seen=str(folder), cure="Give a folder of images.")
    if not 0 < centre < 1:
        raise InputError(
            "the assumed box needs a share between 0 and 1",
            seen=centre,
            cure="0.5 takes half the width and half the height.",
        )
    files = {os.path.relpath(file, folder): file for file in _images_below(folder)}
    if not files:
        raise InputError("the folder holds no image", seen=str(folder), cure="Give another one.")
    if boxes is None:
        found = {name: [(None, None, None, False, name)] for name in files}
        notes = [f"no boxes: the middle {centre:.0%} of each side stands for the object"]
    else:
        boxes = Path(boxes)
        read = _coco_boxes if boxes.suffix.lower() == ".json" else _csv_boxes
        found, notes = read(boxes, files, stored), []
        _need_all(files, found, boxes)
    return _own_collection(files, found, notes, centre, boxes)


def _own_collection(files, found, notes, centre, boxes):
    labels = {}
    for name in files:
        label = found[name][0][1]
        parent = Path(name).parent.as_posix()
        labels[name] = label if boxes is not None and label else (parent if parent != "." else "")
    classes = sorted(set(labels.values()))
    named = len(classes) > 1 and "" not in classes
    safe = _safe_names(files)
    renamed = sum(Path(name).as_posix() != safe[name] for name in files)
    if renamed:
        notes.append(f"{renamed} file names that lists cannot hold are escaped")
    several = sum(len(entries) > 1 for entries in found.values())
    if several:
        notes.append(f"{several} images have several boxes: the largest is kept")
    photos = []
    for name, file in files.items():
        entries = found[name]
        box = None
        if boxes is not None:
            box = largest([entry[0] for entry in entries])
        entry = next(entry for entry in entries if entry[0] == box)
        label = classes.index(labels[name]) if named else None
        photos.append(Photo(file, safe[name], box, label, None, entry[3], entry[2], entry[4]))
    return Collection(photos, classes if named else None, notes)


def _need_all(files, found, boxes):
    missing = [name for name in files if name not in found]
    if missing:
        shown = ", ".join(ascii(name) for name in missing[:5])
        raise InputError(
            f"{boxes} has no box for {len(missing)} of {len(files)} images",
            seen=shown + (", …" if len(missing) > 5 else ""),
            cure="Add their lines, or move these images away.",
        )


def _safe_names(files):
    """{name: a path that images.txt can hold}: UTF-8, one line, no space at either end."""
    safe = {}
    for name in files:
        text = Path(name).as_posix().encode("utf-8", "surrogateescape")
        text = re.sub(rb"[\x80-\xff]+", _escape_if_foreign, text).decode("utf-8")
        text = re.sub(
            r"[\x00-\x1f\x7f]|^\s+|\s+$", lambda m: "".join(f"%{ord(c):02X}" for c in m[0]), text
        )
        safe[name] = text
    counts = Counter(safe.values())
    clash = next((name for name in files if counts[safe[name]] > 1), None)
    if clash is not None:
        raise InputError(
            "two file names become the same", seen=ascii(clash), cure="Rename one of them."
        )
    return safe


def _escape_if_foreign(match):
    try:
        match[0].decode("utf-8")
        return match[0]
    except UnicodeDecodeError:
        return "".join(f"%{byte:02X}" for byte in match[0]).encode()


_CORNERS, _SIZES = ("x1", "y1", "x2", "y2"), ("x", "y", "width", "height")


def _csv_boxes(path, files, stored):
    """{name: [(box, class, frame, stored, where)]}."""
    rows = _csv_rows(path)
    header = [name.strip().lower() for name in rows[0][1]] if rows else []
    named = next((n for n in ("file", "filename", "image", "path", "name") if n in header), None)
    columns = next((c for c in (_CORNERS, _SIZES) if set(c) <= set(header)), None)
    if named is None or columns is None:
        raise InputError(
            f"{path}, line 1: the header does not name the columns",
            seen=", ".join(header) or "nothing",
            cure="Begin with file,x,y,width,height or file,x1,y1,x2,y2, perhaps with class.",
        )
    known = {Path(name).as_posix(): name for name in files}
    found = defaultdict(list)
    for number, fields in rows[1:]:
        where = f"{path}, line {number}"
        row = dict(zip(header, (field.strip() for field in fields), strict=False))
        name = known.get(os.path.normpath(row.get(named, "")).replace(os.sep, "/"))
        if name is None:
            raise InputError(
                f"{where}: no such image", seen=repr(row.get(named)), cure="Take the line out."
            )
        try:
            box = tuple(float(row[column]) for column in columns)
        except (KeyError, ValueError):
            raise InputError(
                f"{where} is malformed",
                seen=repr(",".join(fields)[:200]),
                cure=f"Give numbers for {', '.join(columns)}.",
            ) from None
        if columns is _SIZES:
            box = box[0], box[1], box[0] + box[2], box[1] + box[3]
        found[name].append((box, row.get("class") or row.get("label"), None, stored, where))
    return found


def _coco_boxes(path, files, stored):
    """The same from COCO's JSON (https://cocodataset.org/#format-data)."""
    try:
        data = json.loads(read_text(path))
        images = {image["id"]: image for image in data["images"]}
        categories = {c["id"]: str(c["name"]) for c in data.get("categories", [])}
        annotations = list(data["annotations"])
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not in COCO's format",
            seen=f"{type(error).__name__}: {error}",
            cure='It needs "images" and "annotations", each with its ids.',
        ) from error
    known = {Path(name).as_posix(): name for name in files}
    found = defaultdict(list)
    for number, annotation in enumerate(annotations):
        where = f"{path}, annotations[{number}]"
        try:
            if annotation.get("iscrowd"):
                continue
            image = images[annotation["image_id"]]
            x, y, width, height = (float(value) for value in annotation["bbox"])
            label = categories.get(annotation.get("category_id"))
            file_name, frame = str(image["file_name"]), _coco_frame(image)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                f"{where} cannot be used",
                seen=f"{type(error).__name__}: {error}",
                cure="It needs image_id of a listed image and bbox: [x, y, width, height].",
            ) from error
        name = known.get(os.path.normpath(file_name).replace(os.sep, "/"))
        if name is None:
            raise InputError(
                f"{where}: no such image", seen=repr(file_name), cure="Give the folder that has it."
            )
        found[name].append(((x, y, x + width, y + height), label, frame, stored, where))
    return found


def _coco_frame(image):
    size = image.get("width"), image.get("height")
    return tuple(int(side) for side in size) if all(size) else None
