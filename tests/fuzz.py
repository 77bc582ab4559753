"""Can any file make a reader fail? Every file must be read, or refused with an InputError.

``python tests/fuzz.py [--engine hypothesis|atheris|both] [--inputs 100000] [--seed 0]``

Three kinds of inputs: nearly right files, built by the format's rules with a value or two changed
(:func:`near_json`, :func:`near_table`); right ones with their bytes damaged; and bytes of no form.
Hypothesis draws all three. atheris (libFuzzer with the library's coverage as its guide, ``pip
install atheris``) looks for those that reach new code: of bytes, and of the choices from which
hypothesis builds the nearly right ones. The inputs are shared out among the targets. Exit status:
0, or 1 with the input that did it.
"""

import argparse
import io
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import hypothesis
import numpy as np
import safetensors.torch
import torch
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["CUDA_VISIBLE_DEVICES"] = ""

MOST_MEMORY = 12 << 30  # bytes of addresses; importing torch takes some 4 of them
# Every input writes some files and flushes them: a disk takes ten times as long as memory.
IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

tracing = nullcontext()
if "--one" in sys.argv:  # only for atheris are the library's branches traced: that is slow
    import atheris

    tracing = atheris.instrument_imports(include=["finegan_lib"])

with tracing:
    from finegan_lib.base import checkpoints
    from finegan_lib.base.checkpoints import load_checkpoint, read_metadata, save_checkpoint
    from finegan_lib.base.errors import InputError
    from finegan_lib.base.files import read_json
    from finegan_lib.course.engine import compare as comparing
    from finegan_lib.data import BirdsFolder, cub_folder, layouts, matlab, own
    from finegan_lib.metrics import Judges
    from finegan_lib.metrics.feature_networks import load_network
    from finegan_lib.metrics.judges import JudgesConfig
    from finegan_lib.models import FineGANConfig, FineGANGenerator
    from finegan_lib.models.official import load_official_generator, to_official_generator
    from finegan_lib.training import RunConfig
    from finegan_lib.training.presets import PRESETS
    from finegan_lib.training.pretrained import load_generator
    from finegan_lib.training.run import _step_of_line


class Target(NamedTuple):
    """A reader: what it is fed by (bytes → None), and examples of what it reads."""

    name: str
    read: object
    examples: list[bytes]
    near: object  # strategy of bytes, nearly right ones
    share: int = 10  # of the inputs

    def __repr__(self):
        return self.name  # hypothesis shows it


# -------------------------------------------------------------------------- nearly right inputs

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=3), v)
)
CHANGES = st.sampled_from([0, 0, 1, 1, 2, 3])
# What stands where a number should, and numbers that are none of a photograph's.
ODD = ["", "nan", "inf", "-inf", "-1", "0", "1e400", "1e308", "0x1", "1_0", "１", "9" * 400, "a b"]
ODD += ["1.5", "7", "30", '"', '"1', "ß", "\ufeff1", "../x.png", "no.png", "a.png", "2", "\x85"]


@st.composite
def near_table(draw, rows, separator, odd=tuple(ODD)):
    """Rows of texts as lines, with some of their fields exchanged, dropped or doubled."""
    rows = [list(row) for row in rows]
    for _ in range(draw(CHANGES)):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        place = draw(st.integers(0, len(row)))
        what = draw(st.integers(0, 9))
        if what < 6:
            row[place : place + 1] = [draw(st.sampled_from(odd))]
        elif what < 7:
            row[place : place + 1] = [draw(st.text(max_size=6))]
        elif what < 8:
            del row[place : place + 1]
        elif what < 9:
            rows.append(row)
        else:
            rows.remove(row)
            rows = rows or [[""]]
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\n\n", "\r"]))
    text = end.join(separator.join(row) for row in rows) + end
    return text.encode("utf-8", "surrogatepass")


@st.composite
def near_json(draw, examples):
    """One of some values of JSON with some of its parts exchanged, dropped, renamed or doubled."""
    root = [json.loads(json.dumps(draw(st.sampled_from(examples))))]
    for _ in range(draw(CHANGES)):
        at, key = root, 0
        while isinstance(at[key], dict | list) and at[key] and draw(st.integers(0, 7)):
            at = at[key]
            keys = sorted(at) if isinstance(at, dict) else range(len(at))
            key = draw(st.sampled_from(keys))
        old, what = at[key], draw(st.integers(0, 9))
        if at is root or what < 5:
            at[key] = draw(_like(old))
        elif what < 7:
            at[key] = draw(VALUES)
        elif what < 8:
            del at[key]
        elif isinstance(at, dict):
            at[draw(st.sampled_from(sorted(at)) | st.text(max_size=4))] = old
        else:
            at.insert(key, old)
    return root[0]


def _like(old):
    """Values of an old one's kind."""
    if isinstance(old, bool) or old is None or isinstance(old, dict | list):
        return st.booleans() | st.none() | st.just([]) | st.just({})
    if isinstance(old, int):
        return st.sampled_from([0, 1, 2, 3, 4, 8, 32, 64, 128, -1, 10**6, 10**30]) | st.integers()
    if isinstance(old, float):
        return st.sampled_from([0.0, 0.5, 1.0, 2.0, -1.0, 1e-9, 1e300]) | st.floats()
    return st.sampled_from([old + "x", old[:-1], old.upper(), "", "toy", "\0"]) | st.text()


def as_bytes(values):
    """A strategy of JSON values → one of their bytes."""
    return values.map(lambda value: json.dumps(value).encode())


@st.composite
def damaged(draw, whole, words):
    """Bytes, or some that a strategy draws, cut and filled in at a few places."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 4]))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 1, 1, 4, 40]))
        data[start : start + length] = draw(words)
    return bytes(data)


@st.composite
def inputs_of(draw, target: Target):
    """All three kinds of inputs."""
    words = [w for e in target.examples for w in e[:9999].replace(b'"', b" ").split()[:200]]
    piece = st.sampled_from([*words, b"\0", b"\n", b" ", b'"', b"{", b"}", b"[", b"]", b","])
    piece |= st.binary(max_size=4) | SCALARS.map(lambda v: json.dumps(v).encode())
    kind = draw(st.integers(0, 9))
    if kind < 5:
        return draw(target.near)
    if kind < 9:
        return draw(damaged(st.sampled_from(target.examples) | target.near, piece))
    return draw(st.lists(piece, max_size=12).map(b"".join) | st.binary(max_size=60))


# ------------------------------------------------------------------------------ targets


def any_of(path, *readers):
    """Give a file to all readers; refuse it if they all do."""
    refused = []
    for reader in readers:
        try:
            reader(path)
        except InputError as error:
            refused.append(error)
    if len(refused) == len(readers):
        raise refused[0]


def paint(folder: Path, *names: str) -> None:
    """Pictures of 30 x 20 pixels."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(folder / name)


def write_parts(folder: Path, names, data: bytes) -> None:
    """Some files, one after the other in the bytes, \\0 between; those beyond the last are gone."""
    parts = data.split(b"\0")
    for name, part in zip(names, parts + [None] * len(names), strict=False):
        (folder / name).unlink(missing_ok=True)
        if part is not None:
            (folder / name).write_bytes(part)


def convert(collection: layouts.Collection, folder: Path) -> None:
    """Write a collection's lists as ``prepare_folder.py`` does, and read them again."""
    rows, sizes, refused, _ = cub_folder._usable(collection, False, layouts.CENTRE, False)
    if refused:
        raise refused[0]
    cub_folder._doubt(rows, sizes)
    cub_folder._link_images(rows, folder / "images", False)
    cub_folder._write_lists(rows, collection.class_names, folder)
    birds = BirdsFolder(folder, image_size=32)
    assert len(birds.boxes) == len(birds.paths) == len(collection.photos)
    assert np.isfinite(birds.boxes).all()


def read_own(photos: Path, boxes: Path) -> layouts.Collection:
    """A user's boxes, all of them; or else those that can be used."""
    with suppress(InputError):
        return own.read_own(photos, boxes)
    return own.read_own(photos, boxes, leave_out=True)


def converted(read, folder: Path):
    """A reader of a collection, and what becomes of what it reads."""

    def whole(root, *arguments):
        collection = read(root, *arguments)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        convert(collection, folder)

    return whole


CUB = ("images.txt", "bounding_boxes.txt", "classes.txt", "image_class_labels.txt")


def annotations(folder: Path) -> Target:
    """The four annotation files of a folder in CUB's layout, one after the other, \\0 between."""
    paint(folder / "images", "a.png", "b c.png")
    read_cub = converted(layouts.read_cub, folder.with_name("annotations-read"))

    def read(data: bytes):
        write_parts(folder, CUB, data)
        birds = BirdsFolder(folder, image_size=32)
        assert len(birds.boxes) == len(birds.paths)
        assert np.isfinite(birds.boxes).all()
        with suppress(InputError):  # it wants more than the data set does
            read_cub(folder)

    boxes = b"1 0.0 0.0 12.5 10\n2 1 2 30 40\n"
    tables = (
        [["1", "a.png"], ["2", "b c.png"]],
        [["1", "0.0", "0.0", "12.5", "10"], ["2", "1", "2", "28", "17"]],
        [["1", "one"], ["2", "two"]],
        [["1", "1"], ["2", "2"]],
    )
    near = st.tuples(*(near_table(rows, " ") for rows in tables), st.integers(2, 4))
    return Target(
        "annotations and boxes",
        read,
        [
            b"1 a.png\n2 b c.png\n\0" + boxes + b"\x001 one\n2 two\n\x001 1\n2 2\n",
            b"1 a.png\n\x001 -1e9 nan inf 1e400\n",
            b"\xef\xbb\xbf2 b c.png\r\n\x002 0x1 1_0 1 1\r\n\0\0\xff",
        ],
        near.map(lambda parts: b"\0".join(parts[: parts[-1]])),
        10,
    )


def own_boxes(folder: Path) -> Target:
    """Boxes of the user's own photographs: COCO's JSON, or else a CSV file."""
    paint(folder / "photos", "one/a.png", "two/b c.png")
    read_boxes = converted(read_own, folder / "read")

    def read(data: bytes):
        path = folder / ("boxes.json" if data.lstrip()[:1] in (b"{", b"[") else "boxes.csv")
        path.write_bytes(data)
        read_boxes(folder / "photos", path)

    coco = {
        "images": [
            {"id": 1, "file_name": "one/a.png", "width": 30, "height": 20},
            {"id": "x", "file_name": "two/b c.png", "width": 60, "height": 40},
        ],
        "categories": [{"id": 3, "name": "owl"}, {"id": 4, "name": "ß"}],
        "annotations": [
            {"image_id": 1, "category_id": 3, "bbox": [1, 2, 10.5, 8], "iscrowd": 0},
            {"image_id": "x", "category_id": 4, "bbox": [1.0, 2.0, 30.0, 20.0]},
            {"image_id": 1, "category_id": 4, "bbox": [0, 0, 30, 20]},
        ],
    }
    sizes = [["file", "x", "y", "width", "height", "class"], ["one/a.png", "1", "2", "8", "9", "u"]]
    sizes += [["two/b c.png", "0", "0", "30", "20", "v"]]
    corners = [["x1", "y1", "x2", "y2", "name"], ["1", "2", "8", "9.5", "one/a.png"]]
    corners += [["1e0", "2", "30", "20", "./two/b c.png"]]
    odd = (*ODD, "file", "x1", "class", "one/a.png", "one/../one/a.png", "\0")
    polygons = [{"image_id": 1, "segmentation": [[1, 2, 9, 2, 9, 8.5, 1, 8]], "bbox": []}]
    polygons = coco | {"annotations": polygons + coco["annotations"][1:2]}
    bare = [["one/a.png", "1", "2", "8", "9", "u"], ["two/b c.png", "", "", "", "", ""]]
    near = near_table(sizes, ",", odd) | near_table(corners, ",", odd) | near_table(bare, ",", odd)
    near |= as_bytes(near_json([coco, polygons]))
    texts = ["\n".join(map(",".join, rows)).encode() for rows in (sizes, bare)]
    texts += [json.dumps(value).encode() for value in (coco, polygons)]
    return Target("boxes: COCO and CSV", read, texts, near, 12)


def tools_json(folder: Path) -> Target:
    """What labelling tools write as JSON, and some tables of theirs."""
    paint(folder / "photos", "one/a.png", "two/b c.png")
    read_boxes = converted(read_own, folder / "read")

    def read(data: bytes):
        path = folder / ("boxes.json" if data.lstrip()[:1] in (b"{", b"[") else "boxes.tsv")
        if data.startswith(b'{"file_name"'):
            path = folder / "metadata.jsonl"
        path.write_bytes(data)
        read_boxes(folder / "photos", path)

    names = ("one/a.png", "two/b c.png")
    percent = {"x": 10, "y": 10.5, "width": 50, "height": 40, "rotation": 5}
    percent |= {"rectanglelabels": ["owl"]}
    result = {"original_width": 30, "original_height": 20, "value": percent}
    tasks = [
        {"data": {"image": f"/data/upload/4/{n}"}, "annotations": [{"result": [result]}]}
        for n in names
    ]
    short = [{"image": n, "label": [percent, {"points": [[1, 2], [30, 40]]}]} for n in names]
    rect = {"name": "rect", "x": 1, "y": 2, "width": 9, "height": 8}
    shapes = (rect, {"name": "ellipse", "cx": 9, "cy": 9, "rx": 3, "ry": 2.5})
    shapes += ({"name": "polygon", "all_points_x": [1, 9, 5], "all_points_y": [1, 2, 9]},)
    regions = [{"shape_attributes": s, "region_attributes": {"class": "owl"}} for s in shapes]
    via = {n: {"filename": n, "regions": regions} for n in names}
    via_3 = {
        "file": {"1": {"fname": names[0]}, "2": {"fname": names[1]}},
        "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}},
        "metadata": {k: {"vid": k, "xy": [2, 1, 2, 9, 8], "av": {"1": "owl"}} for k in ("1", "2")},
    }
    at = {"x": 9, "y": 8.5, "width": 6, "height": 7}
    create = [{"image": n, "annotations": [{"label": "owl", "coordinates": at}]} for n in names]
    labelme = {"imagePath": names[0], "imageWidth": 30, "imageHeight": 20}
    labelme |= {"shapes": [{"label": "owl", "points": [[1, 2], [9, 8]], "shape_type": "rectangle"}]}
    things = {"bbox": [[1, 2, 9, 8.5]], "categories": [0]}
    of_one = {"file_name": names[0], "objects": things}
    whole = [tasks, short, via, {"_via_img_metadata": via}, via_3, create, labelme, of_one]
    header = ["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax", "split"]
    rows = [header, ["one/a.png", "30", "20", "u", "1", "2", "8", "9", "train"]]
    rows += [["two\\b c.png", "60", "40", "v", "1", "2", "8", "9", "val"]]
    share = [["ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax", "IsGroupOf"]]
    share += [["a", "/m/1", "0.1", "0.5", "0.25", "0.5", "0"]]
    share += [["b c", "/m/1", "0", "1", "0", "1", "1"]]
    odd = (*ODD, "w", "cx", "bbox", "[1, 2, 3, 4]", "0,5", "image", "1;2")
    near = as_bytes(near_json(whole)) | near_table(rows, "\t", odd) | near_table(share, ";", odd)
    examples = [json.dumps(value).encode() for value in whole]
    return Target("boxes: labelling tools", read, examples, near, 12)


def yolo(folder: Path) -> Target:
    """YOLO's data.yaml and two files of labels, \\0 between."""
    paint(folder / "photos", "train/images/a.png", "valid/images/a.png")
    read_boxes = converted(read_own, folder / "read")
    parts = ("data.yaml", "train/labels/a.txt", "valid/labels/a.txt")
    for part in parts[1:]:
        (folder / "photos" / part).parent.mkdir()

    def read(data: bytes):
        write_parts(folder / "photos", parts, data)
        read_boxes(folder / "photos", folder / "photos")

    yaml = b"train: ../train/images\nnc: 2\nnames: [owl, gull]\n"
    tables = (
        [["names:"], ["  0: owl"], ["  1: 'gull'"], ["nc: 2"]],
        [["0", "0.5", "0.5", "0.25", "0.5"], ["1", "0.5", "0.5", "0.1", "0.1", "0.9"]],
        [["1", "0.1", "0.1", "0.9", "0.1", "0.9", "0.9", "0.1", "0.8"]],
    )
    odd = (*ODD, "[", "{", "- a", "&a", "*a", "!!python/object:os.system", "0.5", "1e-9")
    near = st.tuples(*(near_table(rows, " ", odd) for rows in tables)).map(b"\0".join)
    examples = [yaml + b"\x000 0.5 0.5 0.5 0.5\n\x001 0.5 0.5 0.2 0.4\n"]
    examples += [b"a: [&a b, *a]\n\0", b"names:\n  x: y\n\x000 0.5 0.5 0.5 0.5"]
    return Target("boxes: YOLO", read, examples, near, 10)


def own_xml(folder: Path) -> Target:
    """Pascal VOC's XML of one picture, or CVAT's of a set."""
    paint(folder / "photos", "a.png")
    read_boxes = converted(read_own, folder / "read")

    def read(data: bytes):
        (folder / "a.xml").write_bytes(data)
        read_boxes(folder / "photos", folder / "a.xml")

    image = "<image name='a.png' width='30' height='20'>"
    image += "<box label='owl' xtl='1' ytl='2' xbr='9' ybr='8.5'/>"
    image += "<polygon label='owl' points='1,2;9,2;5,9'/></image>"
    cvat = f"<annotations><version>1.1</version>{image}</annotations>".encode()
    examples = [xml_of([["30", "20"], ["1", "2", "28", "17"]]), cvat]
    near = near_xml() | damaged(
        st.just(cvat), st.sampled_from([*map(str.encode, ODD), b"''", b"<"])
    )
    return Target("boxes: VOC's and CVAT's XML", read, examples, near, 10)


def dogs_xml(folder: Path) -> Target:
    """An annotation of Stanford Dogs."""
    paint(folder / "Images", "n01-owl/a.jpg", "n02-elk/b.jpg")
    read_dogs = converted(layouts.read_dogs, folder.with_name("dogs-read"))
    for name in ("n01-owl/a", "n02-elk/b"):
        path = folder / "Annotation" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(xml_of([["30", "20"], ["1", "2", "28", "17"]]))

    def read(data: bytes):
        (folder / "Annotation/n01-owl/a").write_bytes(data)
        read_dogs(folder)

    examples = [
        xml_of([["30", "20"], ["1", "2", "28", "17"], ["0", "0", "3", "4"]]),
        b'<!DOCTYPE x [<!ENTITY a "b">]><annotation>&a;</annotation>',
    ]
    return Target("boxes: Dogs' XML", read, examples, near_xml(), 10)


SIZE, BOX = ("width", "height"), ("xmin", "ymin", "xmax", "ymax")


def xml_of(rows, tags=(), head="") -> bytes:
    """An annotation in Pascal VOC's form: a size, and the corners of boxes."""
    size, *boxes = rows
    text = "<size>" + "".join(f"<{t}>{v}</{t}>" for t, v in zip(SIZE, size, strict=False))
    text += "<depth>3</depth></size>"
    for box in boxes:
        inner = "".join(f"<{t}>{v}</{t}>" for t, v in zip(BOX, box, strict=False))
        text += f"<object><name>owl</name><bndbox>{inner}</bndbox></object>"
    for old, new in tags:
        text = text.replace(f"{old}>", f"{new}>")
    return f"{head}<annotation>{text}</annotation>".encode("utf-8", "surrogatepass")


@st.composite
def near_xml(draw):
    """Annotations with odd numbers, tags, encodings and parts."""
    rows = [["30", "20"], ["1", "2", "28", "17"], ["0", "0", "3", "4"]][: draw(st.integers(1, 3))]
    odd = [*ODD, "<a/>", "&#50;", "&lt;", "<![CDATA[7]]>", "<!-- -->9", "60", "<xmin>1</xmin>"]
    for _ in range(draw(CHANGES)):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        row[draw(st.integers(0, len(row) - 1))] = draw(st.sampled_from(odd))
    names = ("annotation", "object", "bndbox", "size", "xmin", "width", "é", "x:y")
    tags = st.tuples(st.sampled_from(names), st.sampled_from(names))
    encodings = ("utf-8", "latin-1", "utf-16", "cp037", "hex", "idna", "no such", "shift_jis")
    head = draw(st.sampled_from(["", "", "<?xml version='1.0'?>", "E", "<!DOCTYPE a>"]))
    if head == "E":
        head = f"<?xml version='1.0' encoding='{draw(st.sampled_from(encodings))}'?>"
    return xml_of(rows, [draw(tags)] if draw(st.integers(0, 3)) == 0 else [], head)


CARS = ("anno_train.csv", "anno_test.csv", "names.csv")


def cars_csv(folder: Path) -> Target:
    """Stanford Cars by class, as on Kaggle: three CSV files, \\0 between."""
    paint(folder / "car_data", "train/Fiat 1/a.png", "test/Opel 2/a.png")
    read_cars = converted(layouts.read_cars, folder.with_name("cars-csv-read"))

    def read(data: bytes):
        write_parts(folder, CARS, data)
        read_cars(folder)

    tables = (
        [["a.png", "1", "2", "28", "17", "1"]],
        [["fname", "x1", "y1", "x2", "y2", "class"], ["a.png", "1", "2", "30", "20", "2"]],
        [["Fiat 1"], ["Opel 2"]],
    )
    near = st.tuples(*(near_table(rows, ",") for rows in tables), st.integers(1, 3))
    near = near.map(lambda parts: b"\0".join(parts[: parts[-1]]))
    whole = b"a.png,1,2,28,17,1\n\0a.png,1,2,30,20,2\n\0Fiat 1\nOpel 2\n"
    return Target("boxes: Cars' CSV", read, [whole], near, 10)


def cars_mat(folder: Path) -> Target:
    """Stanford Cars' ``cars_annos.mat``. Its reader is a process of its own."""
    paint(folder / "car_ims", "a.png", "b.png")
    read_cars = converted(layouts.read_cars, folder.with_name("cars-mat-read"))
    reader = MatlabReader()

    def read(data: bytes):
        (folder / "cars_annos.mat").write_bytes(data)
        usual, matlab.subprocess.run = matlab.subprocess.run, reader
        try:
            read_cars(folder)
        finally:
            matlab.subprocess.run = usual

    box = {"bbox_x1": 1, "bbox_y1": 2, "bbox_x2": 28, "bbox_y2": 17}
    rows = [box | {"relative_im_path": f"car_ims/{n}.png", "class": 1, "test": 0} for n in "ab"]
    whole = {"annotations": rows, "class_names": ["Fiat", "Opel"]}
    near = near_json([whole, {"annotations": rows[:1], "class_names": ["Fiat"]}]).map(mat_of)
    return Target("boxes: Cars' .mat", read, [mat_of(whole)], near, 4)


def mat_of(values) -> bytes:
    """Plain values as a Matlab file; those that have no form there as one that holds nothing."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fields that cannot be written
        try:
            savemat(buffer, {k: _mat(v) for k, v in values.items()}, do_compression=True)
        except Exception:  # the writer is not what is tried here
            buffer = io.BytesIO()
            savemat(buffer, {})
    data = buffer.getvalue()
    return b"MATLAB 5.0 MAT-file".ljust(116) + data[116:]  # there it says when it was made


def _mat(value):
    """Lists of like dicts as struct arrays, other lists as cells."""
    if isinstance(value, dict):
        return {key: _mat(part) for key, part in value.items()}
    if not isinstance(value, list):
        return [] if value is None else value
    alike = value and all(isinstance(v, dict) and list(v) == list(value[0]) for v in value)
    names = [(name, object) for name in value[0]] if alike and value[0] else object
    array = np.empty((1, len(value)), dtype=names)
    for place, part in enumerate(value):
        array[0, place] = tuple(map(_mat, part.values())) if names is not object else _mat(part)
    return array


class MatlabReader:
    """``subprocess.run`` of the Matlab reader, without a new interpreter's second for each file."""

    LOOP = """
import runpy, signal, sys
read = runpy.run_path(sys.argv[1])["read"]
for path in sys.stdin:
    signal.alarm(20)
    try:
        text = read(path.removesuffix(chr(10)))
    except Exception:
        text = ""
    print(text, flush=True)
"""

    def __init__(self):
        self.process = None

    def __call__(self, command, **_):
        if self.process is None or self.process.poll() is not None:  # the last file was its end
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-c", self.LOOP, command[-2]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        self.process.stdin.write(command[-1].encode() + b"\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        status = 0 if said.endswith(b"}\n") else self.process.wait() if not said else 1
        return subprocess.CompletedProcess(command, status, said, b"")


def tiny_generator(config: dict):
    """The generator of a configuration of a run, and its weights' shapes."""
    torch.manual_seed(0)
    config = RunConfig.from_dict(config)
    from finegan_lib import families

    return families.named(config.family).generator(config.model)


def checkpoint_bytes(folder: Path) -> Target:
    """A checkpoint's file, damaged anywhere."""
    folder.mkdir()
    path = folder / "a.safetensors"
    states = [{"networks": {"average.w": torch.arange(3.0)}, "list": [1, None, "x", True]}]
    config = small_configs()[0]
    states.append({"generator": tiny_generator(config).state_dict()})
    examples = [save_checkpoint(path, s, step=3, config=config).read_bytes() for s in states]

    def read(data: bytes):
        path.write_bytes(data)
        any_of(path, load_generator, read_metadata, load_checkpoint)

    # Any change of a byte is seen by the digests; what is built anew is checkpoint_contents.
    return Target("checkpoints: damaged bytes", read, examples, st.sampled_from(examples), 10)


def checkpoint_contents(folder: Path) -> Target:
    """A checkpoint whose digests are right and whose skeleton and metadata are anything."""
    folder.mkdir()
    path = folder / "a.safetensors"
    tensors = {"/generator/w": torch.ones(2), "n": torch.tensor(1)}
    config = small_configs()[0]
    weights = tiny_generator(config).state_dict()
    tensors |= {f"/generator/{name}": tensor.clone() for name, tensor in weights.items()}

    def read(data: bytes):
        skeleton, _, metadata = data.decode("utf-8", "replace").partition("\0")
        header = {"skeleton": skeleton, "metadata": metadata}
        header |= {"header_sha256": checkpoints._header_digest(header)}
        header |= {"sha256": digest}
        safetensors.torch.save_file(tensors, path, metadata=header)
        load_checkpoint(path)
        with suppress(InputError):  # not every state holds a generator
            load_generator(path)

    digest = checkpoints._digest(tensors)
    leaves = [[name, {"tensor": f"/generator/{name}"}] for name in weights]
    skeleton = {"dict": [["generator", {"dict": leaves}]]}
    small = {"dict": [["generator", {"dict": [["w", {"tensor": "/generator/w"}]]}]]}
    metadata = [{"config": c} for c in small_configs()]
    examples = [_pair((skeleton, m)) for m in metadata] + [_pair((small, metadata[0]))]
    examples += [b'{"list": [{"value": 1}]}\0[]', b"[" * 2000, b'{"tensor": "n"}\x00{}']
    near = st.tuples(near_json([skeleton, small]), near_json(metadata[:1])).map(_pair)
    near |= st.tuples(st.just(skeleton), near_json(metadata)).map(_pair)
    return Target("checkpoints: altered contents", read, examples, near, 10)


def _pair(values) -> bytes:
    return b"\0".join(json.dumps(value).encode() for value in values)


def small_configs() -> list[dict]:
    """Configurations of runs of several families, as JSON."""
    names = ("gan", "infogan", "toy", "stackgan")
    configs = [PRESETS[name].to_dict() for name in names]
    for config in configs:
        config["model"] |= {"g_dim": 2, "z_dim": 2}
    return configs


def configs(folder: Path) -> Target:
    """config.json of a run."""
    folder.mkdir()

    def read(data: bytes):
        (folder / "config.json").write_bytes(data)
        config = RunConfig.load(folder)
        assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config

    examples = [json.dumps(config).encode() for config in small_configs()]
    near = as_bytes(near_json(small_configs()))
    return Target("configurations", read, [*examples, b"{}", b"[[[["], near, 14)


def notebooks(folder: Path) -> Target:
    """A student's notebook, up to where its code would run."""
    folder.mkdir()
    path = folder / "01_gan.ipynb"

    def nothing_is_run(*_):
        return [{"status": "stub"}]

    def read(data: bytes):
        path.write_bytes(data)
        with mock.patch.object(comparing, "observe_apart", nothing_is_run):
            comparing.table(comparing.compare(path))

    cell = '{"cell_type": "code", "source": %s, "metadata": {}, "outputs": [], "id": "a"}'
    sources = ["def my_discriminator_loss(a):\\n    return b + a", "my_ratio = 'b'", "%magic\\n!ls"]
    shell = '{"nbformat": 4, "nbformat_minor": 5, "metadata": {"finegan": {"lesson": "01_gan"}}, '
    examples = [
        (shell + '"cells": [' + ", ".join(cell % f'"{s}"' for s in sources) + "]}").encode(),
        (shell + '"cells": [{"cell_type": "code", "source": ["a = 1"]}, 3, {}]}').encode(),
        b'{"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": "a"}]}]}',
        b'{"nbformat": 4, "metadata": [], "cells": {}}',
    ]
    near = as_bytes(near_json([json.loads(example) for example in examples]))
    return Target("notebooks", read, examples, near, 10)


def results(folder: Path) -> Target:
    """Histories, results of tables, and what an observed answer wrote."""
    folder.mkdir()
    path = folder / "result"

    def read(data: bytes):
        path.write_bytes(data)
        seen = comparing.read_result(path, 1)
        for line in data.decode("utf-8", "replace").splitlines():
            assert _step_of_line(line) == int(_step_of_line(line))
        if seen[0]["status"] != "value":
            read_json(path, "step")

    observed = [{"status": "value", "value": [1.0, torch.ones(2)], "gradients": [None, 2]}]
    odd = [torch.ones(1).expand(10**6), torch.ones(2).to_sparse(), {3: 4}, "x", 10**400, None]

    @st.composite
    def near_observation(draw):
        value = dict(observed[0])
        for _ in range(draw(st.integers(0, 2))):
            key = draw(st.sampled_from(["status", "value", "gradients", "error"]))
            value[key] = draw(st.sampled_from([*odd, "value", "error", ["x"], [odd[0]]]))
        return saved([value] * draw(st.sampled_from([1, 1, 1, 0, 2])))

    lines = [{"step": 20, "D": 0.5, "asked": {"a": [1, "b"]}}]
    near = as_bytes(near_json(lines)) | near_observation()
    examples = [saved(observed), b'{"step": 20, "D": 0.5}\n{"step": 40, "D": NaN}', b'{"a": {}}']
    return Target("results and histories", read, examples, near, 10)


def saved(value, **options) -> bytes:
    """What torch.save writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def weights_of_others(folder: Path) -> Target:
    """The authors' .pth files, judges and classifiers."""
    folder.mkdir()
    torch.manual_seed(0)
    sizes = {"image_size": 32, "n_parents": 2, "n_children": 2, "z_dim": 2, "g_dim": 1}
    config = FineGANConfig(**sizes, residual_blocks=1, min_head_channels=1)
    official = to_official_generator(FineGANGenerator(config))
    official = {f"module.{name}": tensor for name, tensor in official.items()}
    judges = Judges(JudgesConfig(width=1, segmenter_width=1))
    judges.save(folder / "judges.safetensors")
    judges = safetensors.torch.load_file(folder / "judges.safetensors")
    few = {"h_net1.fc.0.weight": torch.ones(4, 3), "img_net1_bg.img.0.weight": torch.ones(3, 2)}
    headers = [{"version": 1, "config": {"width": 1, "segmenter_width": 1}}]
    headers += [{"kind": "toy", "config": {}}]

    def read(data: bytes):
        for suffix in (".pth", ".safetensors"):
            (folder / f"w{suffix}").write_bytes(data)
        readers = (load_official_generator, Judges.load, load_network)
        any_of(
            folder,
            lambda _: load_official_generator(folder / "w.pth"),
            *(lambda _, reader=reader: reader(folder / "w.safetensors") for reader in readers),
        )

    @st.composite
    def near(draw):
        state = dict(draw(st.sampled_from([official, official, judges])))
        for _ in range(draw(CHANGES)):
            name = draw(st.sampled_from(sorted(state)))
            tensor = state.pop(name)
            change = draw(st.sampled_from([0, 1, 2, 3, 4, 5]))
            if change == 0:
                state[name + draw(st.sampled_from(["x", ".0", ""]))] = tensor
            elif change == 1:
                state[name] = tensor.to(draw(st.sampled_from([torch.float16, torch.int64])))
            elif change == 2:
                state[name] = torch.ones(draw(st.lists(st.integers(0, 3), max_size=4)))
            elif change == 3:
                state[name.removeprefix("module.")] = tensor
            elif change == 4:
                state[name] = tensor[:1] if tensor.ndim else tensor[None]
        if draw(st.booleans()):
            return saved(draw(st.sampled_from([state, {"netG": state}, [state], tensor_like])))
        header = draw(near_json(headers))
        return safetensors.torch.save(state, {"judges": json.dumps(header)} | kind_of(header))

    tensor_like = torch.ones(2)
    files = [saved(official), saved(few), saved(few, _use_new_zipfile_serialization=False)]
    files += [
        safetensors.torch.save(few, {key: json.dumps(header)})
        for key, header in zip(("judges", "classifier"), headers, strict=True)
    ]
    return Target("weights of others", read, files, near(), 4)


def kind_of(header) -> dict:
    """The same header as a classifier's."""
    return {"classifier": json.dumps(header)} if isinstance(header, dict) else {}


MAKERS = (
    annotations,
    own_boxes,
    tools_json,
    yolo,
    own_xml,
    dogs_xml,
    cars_csv,
    cars_mat,
    checkpoint_bytes,
    checkpoint_contents,
    configs,
    notebooks,
    results,
    weights_of_others,
)


def all_targets(folder: Path) -> list[Target]:
    """Every target, each with a folder of its own below."""
    return [make(folder / make.__name__) for make in MAKERS]


class Count:
    """Feeds a target, and counts what was read and what was refused."""

    def __init__(self, target: Target):
        self.target, self.read, self.refused = target, 0, 0

    def __call__(self, data: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # clipped boxes, old pickle protocols
            try:
                self.target.read(data)
                self.read += 1
            except InputError:
                self.refused += 1

    @property
    def total(self) -> int:
        return self.read + self.refused


# ------------------------------------------------------------------------------ engines


def by_hypothesis(target: Target, inputs: int, seed: int | None) -> Count:
    """Feed a target from hypothesis; without a seed the same inputs every time."""
    count = Count(target)

    def within_a_minute(data):
        signal.alarm(60)
        try:
            count(data)
        finally:
            signal.alarm(0)

    def too_long(*_):
        raise TimeoutError("this input takes more than a minute")

    before = signal.signal(signal.SIGALRM, too_long)
    feed = from_choices(inputs_of(target), within_a_minute, inputs, derandomize=seed is None)
    if seed is not None:
        feed = hypothesis.seed(seed)(feed)
    try:
        feed()
    finally:
        signal.signal(signal.SIGALRM, before)
    return count


def from_choices(strategy, function, inputs: int, derandomize: bool = False):
    """A test of hypothesis that feeds what a strategy draws."""

    @hypothesis.settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        derandomize=derandomize,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
    )
    @hypothesis.given(strategy)
    def feed(data):
        function(data)

    return feed


def one_by_atheris(name: str, inputs: int, seed: int, note: str) -> None:
    """Feed one target from atheris, and leave the counts in a file.

    An input's first byte says whether the others are the file, or hypothesis' choices for a nearly
    right one.
    """
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=IN_MEMORY))
    target = next(t for t in all_targets(folder) if t.name == name)
    corpus = folder / "corpus"
    corpus.mkdir()
    for i, example in enumerate(target.examples):
        (corpus / str(i)).write_bytes(b"\0" + example)
        (corpus / f"choices{i}").write_bytes(b"\1" + np.random.default_rng(i).bytes(600))
    count = Count(target)
    choose = from_choices(target.near, count, inputs).hypothesis.fuzz_one_input

    def feed(data):
        if data[:1] and data[0] % 2:
            choose(data[1:])
        else:
            count(data[1:])
        if count.total >= inputs:
            Path(note).write_text(json.dumps([count.read, count.refused]))
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(0)

    longest = max(4096, *(2 * len(example) for example in target.examples))
    options = ["-runs=-1", f"-seed={seed + 1}", f"-max_len={longest}", "-rss_limit_mb=8000"]
    options += ["-print_final_stats=0", "-timeout=60", f"-artifact_prefix={note}."]
    atheris.Setup([sys.argv[0], *options, "-len_control=0", str(corpus)], feed)
    atheris.Fuzz()


def by_atheris(target: Target, inputs: int, seed: int, folder: Path) -> Count:
    """Feed a target from atheris in a process of its own."""
    note = folder / "note"
    note.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--one", target.name, "--inputs", str(inputs)]
    ran = subprocess.run(
        [*command, "--seed", str(seed), "--out", str(note)], capture_output=True, text=True
    )
    if ran.returncode != 0:
        raise SystemExit(f"{target.name}: {ran.stderr[-3000:]}")
    count = Count(target)
    count.read, count.refused = json.loads(note.read_text())
    return count


REPORT = """# What the readers were fed

Any bytes are read or refused with an `InputError`; any other error would have ended the run and
left no report. How the inputs are made: see `tests/fuzz.py`.

`{command}`

CPython {python}, {versions}.

{table}

{total} inputs in {minutes:.0f} minutes.
"""


def main(arguments=None) -> int:
    """Fuzz every target and print the table."""
    parser = argparse.ArgumentParser(description="Feed the readers what no file should hold.")
    parser.add_argument("--engine", choices=("hypothesis", "atheris", "both"), default="hypothesis")
    parser.add_argument("--inputs", type=int, default=100_000, help="for all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[], metavar="TARGET", help="these alone")
    parser.add_argument("--out", help="write the report to this file")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parsed = parser.parse_args(arguments)
    # What fills the memory shall end here, as an error, and not in the system's killing something.
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    if parsed.one:
        one_by_atheris(parsed.one, parsed.inputs, parsed.seed, parsed.out)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir=IN_MEMORY))
    targets = [t for t in all_targets(folder) if not parsed.only or t.name in parsed.only]
    engines = {"both": ("hypothesis", "atheris")}.get(parsed.engine, (parsed.engine,))
    lines = [
        "| reader | engine | inputs | read | refused | other errors |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    start, total = time.monotonic(), 0
    for target in targets:
        inputs = parsed.inputs * target.share / sum(t.share for t in targets) / len(engines)
        inputs = int(inputs) + 1
        for engine in engines:
            if engine == "atheris":
                count = by_atheris(target, inputs, parsed.seed, folder)
            else:
                count = by_hypothesis(target, inputs, parsed.seed)
            total += count.total
            numbers = f"{count.total} | {count.read} | {count.refused} | 0"
            lines.append(f"| {target.name} | {engine} | {numbers} |")
            print(lines[-1], f"{time.monotonic() - start:.0f} s", flush=True)
    shutil.rmtree(folder)
    used = ["torch", "hypothesis"] + ["atheris"] * ("atheris" in engines)
    command = f"python tests/fuzz.py --engine {parsed.engine} --inputs {parsed.inputs}"
    text = REPORT.format(
        command=f"{command} --seed {parsed.seed} --out tests/fuzz_report.md",
        python=platform.python_version(),
        versions=", ".join(f"{name} {version(name)}" for name in used),
        table="\n".join(lines),
        total=total,
        minutes=(time.monotonic() - start) / 60,
    )
    print(text)
    if parsed.out:
        Path(parsed.out).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
