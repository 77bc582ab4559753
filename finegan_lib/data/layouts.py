"""The layouts of the paper's data sets as one list of photographs.

Every function here reads annotations, finds the images, and returns a :class:`Collection` with one
box per image: x1, y1, x2, y2 in pixels of the **upright** image, which is what
:class:`~finegan_lib.data.folder.BirdsFolder` reads. The publishers measured their boxes in the
pixels of the file as it is stored, so the box of an image that EXIF data turn is turned with it.

Where a picture holds several objects, it keeps the largest box. The others then count as background
of that picture: a limit of FineGAN's one box per image, and counted in the notes.
"""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from ..base.errors import InputError
from ..base.files import disk_errors
from .annotations import BAD_XML, MOST_XML_BYTES, bad_file, csv_rows, read_xml
from .labelling import voc_box, voc_frame
from .lists import Report, lines, read_classes, read_images
from .matlab import read_matlab
from .pictures import is_hidden, list_pictures

# Most classes without names: a file gives their number, and a damaged file may give any number.
# The data set has 196.
MOST_CLASSES = 10_000
# The box of a photograph of which nothing is known, as a part of each side.
CENTRE = 0.5


@dataclass(frozen=True)
class Photo:
    """One example.

    Attributes:
        file: its path.
        name: its path below ``images/``.
        box: x1, y1, x2, y2 in pixels, or None for the centre of the image.
        label: index into ``Collection.class_names``, or None.
        training: whether the publisher counts it to the training split, or None.
        stored: whether the box is one of the file as stored, rather than of the upright image.
        frame: (width, height) that the box was measured in, None for the image's own.
        where: file and line of the annotation.
        others: the same picture with its other boxes, of which one may be better.
    """

    file: Path
    name: str
    box: tuple | None
    label: int | None
    training: bool | None
    stored: bool
    frame: tuple | None
    where: str
    others: tuple = ()


@dataclass
class Collection:
    """The contents of a data set.

    Attributes:
        photos: the examples, in order.
        class_names: names of the classes, or None.
        notes: what was found on the way, for the user.
        layout: what the boxes were recognised as, and where they are; "" for a published set.
        sources: the files of the boxes.
        unused: {why: number} of files that are not used.
        doubtful: whether the boxes may be in another unit than pixels; their files do not say.
        class_ids: the publisher's identifiers of the classes, or None.
    """

    photos: list[Photo]
    class_names: list[str] | None
    notes: list[str] = field(default_factory=list)
    class_ids: list[str] | None = None
    layout: str = ""
    sources: list[Path] = field(default_factory=list)
    unused: dict = field(default_factory=dict)
    doubtful: bool = False


def find(root, name):
    """The topmost file or folder of that name below ``root``, or None."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [n for n in folders if not is_hidden(Path(folder, n), folder)]
        found += [Path(folder) / name for entry in (*folders, *files) if entry == name]
    return min(found, key=lambda path: (len(path.parts), path), default=None)


# ---------------------------------------------------------------------------------- CUB-200-2011


def read_cub(root) -> Collection:
    """CUB-200-2011: ``images.txt``, ``bounding_boxes.txt``, ``image_class_labels.txt``, …

    Raises:
        InputError: at the first line that cannot be used, with its file and number.
    """
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
    boxes = _numbers(home / "bounding_boxes.txt", 4, report)
    split = {}
    if (home / "train_test_split.txt").is_file():
        split = _numbers(home / "train_test_split.txt", 1, report)
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


def _numbers(path, n, report):
    """{id: ((numbers), where)} of a file with an id and n numbers a line."""
    values = {}
    for where, id_, fields in lines(path, n + 1, f"<image id> and {n} numbers", report):
        try:
            numbers = [float(field) for field in " ".join(fields).split()]
            if len(numbers) != n:
                raise ValueError
        except ValueError:
            raise InputError(
                f"{where} is malformed", seen=repr(fields)[:200], cure="Fetch the data set again."
            ) from None
        values[id_] = tuple(numbers), where
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
        files = [p for p in list_pictures(folder).pictures if p.parent == folder]
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
    try:
        top = read_xml(data)
        frame = voc_frame(top)
        boxes = [voc_box(box) for box in top.all("bndbox")]
        if not boxes:
            raise ValueError("it holds no box")
    except (*BAD_XML, KeyError) as error:
        raise bad_file(path, error) from error
    return frame, boxes


def largest(boxes):
    """The box of the largest area, the first of equals."""
    return max(boxes, key=area)


def area(box) -> float:
    """Width times height of a box x1, y1, x2, y2."""
    return (box[2] - box[0]) * (box[3] - box[1])


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
    names = [row[0].strip() for _, row in csv_rows(listed)] if listed else None
    images = {}
    for file in _images_below(root):
        if len(file.parts) > 2:
            images[file.parts[-3], file.name] = file
    photos, notes = [], []
    for path, split in ((train, "train"), (test, "test")):
        if path is None:
            notes.append("anno_test.csv is not there: the test images are left out")
            continue
        for place, (number, row) in enumerate(csv_rows(path)):
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
    return list_pictures(root).pictures


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
