"""Tiny ImageNet-200: small photographs of 200 kinds of thing, with one box each.

::

    tiny-imagenet-200/
      words.txt                          <class id> TAB <names>
      train/<class id>/images/<name>.JPEG
      train/<class id>/<class id>_boxes.txt    <name> <x1> <y1> <x2> <y2>
      val/images/<name>.JPEG
      val/val_annotations.txt            <name> <class id> <x1> <y1> <x2> <y2>
      test/...                           (no labels and no boxes: not used)

Images have 64 x 64 pixels. Boxes are inclusive corners, counted from 0.
"""

from collections import Counter, defaultdict
from pathlib import Path

from ..base.errors import InputError
from .annotations import read_text
from .layouts import Collection, Photo, find


def read_tiny_imagenet(root) -> Collection:
    """The photographs of the training and validation splits, class by class in order of name.

    Raises:
        InputError: if a part is missing, or a line cannot be used; says which.
    """
    words = find(root, "words.txt")
    train = None if words is None else words.parent / "train"
    if train is None or not train.is_dir():
        raise InputError(
            "this is not Tiny ImageNet: there is no words.txt beside a folder train",
            seen=str(root),
            cure="Give tiny-imagenet-200.zip, or the folder that was in it.",
        )
    names = _class_names(words, sorted(path.name for path in train.iterdir() if path.is_dir()))
    ids = sorted(names, key=names.get)
    validation = _validation_boxes(train.parent / "val")
    if unknown := set(validation) - set(names):
        raise InputError(
            f"{train.parent / 'val'} has images of a class that {train} does not have",
            seen=min(unknown),
            cure="Fetch the archive again.",
        )
    photos = []
    for label, id_ in enumerate(ids):
        for is_training, rows in ((True, _training_boxes(train / id_)), (False, validation[id_])):
            for file, (x1, y1, x2, y2), where in sorted(rows):
                name, box = f"{names[id_]}/{file.name}", (x1, y1, x2 + 1, y2 + 1)
                photos.append(Photo(file, name, box, label, is_training, True, None, where))
    return Collection(photos, [names[id_] for id_ in ids], class_ids=ids)


def _class_names(words, ids):
    """{class id: its first name}. If two classes share a name, the id is written before it."""
    first = dict.fromkeys(ids, "")
    for line in read_text(words).splitlines():
        id_, _, names = line.partition("\t")
        if id_ in first:
            first[id_] = names.split(",")[0].strip().replace(" ", "_").replace("/", "_")
    count = Counter(first.values())
    return {
        id_: name if name and count[name] == 1 else f"{id_}_{name}" for id_, name in first.items()
    }


def _training_boxes(folder):
    """(file, box, where) of each line of ``<class id>_boxes.txt``."""
    path = folder / f"{folder.name}_boxes.txt"
    for (name,), numbers, where in _lines(path, 1):
        yield folder / "images" / name, numbers, where


def _validation_boxes(folder):
    """{class id: [(file, box, where)]} of ``val_annotations.txt``."""
    found = defaultdict(list)
    for (name, id_), numbers, where in _lines(folder / "val_annotations.txt", 2):
        found[id_].append((folder / "images" / name, numbers, where))
    return found


def _lines(path, n_words):
    """(words, four numbers, where) of each line."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields, where = line.split("\t"), f"{path}, line {number}"
        if not line.strip():
            continue
        try:
            words, box = fields[:n_words], tuple(float(part) for part in fields[n_words:])
            if len(box) != 4 or any(Path(word).name != word for word in words):
                raise ValueError
        except ValueError:
            raise InputError(
                f"{where} is malformed", seen=repr(line[:200]), cure="Fetch the archive again."
            ) from None
        yield words, box, where
