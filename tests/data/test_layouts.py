"""Annotations as their publishers write them; a user's own photographs, with and without boxes."""

import json
import os
import time

import numpy as np
import pytest
import torch

from finegan_lib import losses
from finegan_lib.base.errors import InputError
from finegan_lib.data import BirdsFolder, layouts
from finegan_lib.data.obtain import prepare, prepare_main
from finegan_lib.data.pictures import read_rgb, upright_box
from finegan_lib.models.blocks import PatchGeometry

# ------------------------------------------------------------------------------------ Dogs' XML


def test_boxes_and_size_of_an_annotation(small, tmp_path):
    (tmp_path / "a").write_bytes(small.voc_xml([(1, 2, 30, 40), (5, 6, 7, 8)], (50, 60)))
    assert layouts.read_xml_boxes(tmp_path / "a") == ((50, 60), [(1, 2, 30, 40), (5, 6, 7, 8)])
    assert layouts.largest([(0, 0, 2, 2), (1, 1, 4, 4), (5, 5, 8, 8)]) == (1, 1, 4, 4)


LAUGHS = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;">]><annotation><object><bndbox><xmin>&c;</xmin></bndbox></object>
</annotation>"""
OUTSIDE = """<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotation>&a;</annotation>"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (LAUGHS, "declares a document type"),
        (OUTSIDE, "declares a document type"),
        ("<annotation></annotation>", "it holds no box"),
        ("<annotation><object><bndbox><xmin>3</xmin></bndbox></object></annotation>", "no ymin in"),
        ("<a><bndbox><xmin>x</xmin><ymin>1</ymin></bndbox></a>", "could not convert"),
        ("<annotation>", "no element found"),
        ("", "no element found"),
        ("<a>" * 100, "nested too deeply"),
        ("\x00\x01", "not well-formed"),
        ("<a>" + " " * (1 << 20) + "</a>", "it has more than 1048576 bytes"),
        ("<a><size><width>inf</width><height>1</height></size></a>", "cannot convert float inf"),
        ('<?xml version="1.0" encoding="no-such"?><a/>', "unknown encoding: no-such"),
        ('<?xml version="1.0" encoding="hex"?><a/>', "not a text encoding"),
    ],
)
def test_annotations_that_are_refused(tmp_path, text, why):
    (tmp_path / "a").write_text(text)
    with pytest.raises(InputError, match=rf"cannot use the annotation .*a; got .*{why}"):
        layouts.read_xml_boxes(tmp_path / "a")


@pytest.mark.parametrize("missing", ["Images", "Annotation"])
def test_dogs_that_are_not_whole(small, tmp_path, missing):
    archives = small.dogs_files()
    files = {k: v for part in archives.values() for k, v in part.items()}
    small.write_files(tmp_path, {k: v for k, v in files.items() if not k.startswith(missing)})
    with pytest.raises(InputError, match=f"there is no folder {missing}"):
        layouts.read_dogs(tmp_path)


def test_a_dog_without_annotation(small, tmp_path):
    archives = small.dogs_files()
    files = {k: v for part in archives.values() for k, v in part.items()}
    del files["Annotation/n01-Breed_1/n01_2"]
    small.write_files(tmp_path, files)
    with pytest.raises(InputError, match=r"1 images have no annotation.*n01_2\.jpg"):
        layouts.read_dogs(tmp_path)


# --------------------------------------------------------------------------------- orientations


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_with_their_images(small, tmp_path, orientation):
    """Found in the stored pixels, turned by rule, the box frames the red of the upright image."""
    upright = small.picture((60, 40), (10, 5, 25, 35))
    (tmp_path / "x.png").write_bytes(small.encoded(upright, orientation))
    from PIL import Image

    stored_box = small.red_box(Image.open(tmp_path / "x.png"))
    image = read_rgb(tmp_path / "x.png")
    assert upright_box(stored_box, image.size, orientation) == small.red_box(image)
    assert small.red_box(image) == (10, 5, 25, 35)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("kind", ["csv stored", "csv", "coco stored", "coco"])
def test_own_boxes_of_turned_photographs(small, tmp_path, orientation, kind):
    """An option says which pixels a CSV means; COCO's sizes show it where they differ."""
    from PIL import Image

    small.write_files(
        tmp_path / "in",
        {"x.png": small.encoded(small.picture((60, 40), (10, 5, 25, 35)), orientation)},
    )
    stored, stored_kind = Image.open(tmp_path / "in/x.png"), kind.endswith("stored")
    image = stored if stored_kind else read_rgb(tmp_path / "in/x.png")
    x1, y1, x2, y2 = (int(corner) for corner in small.red_box(image))
    file = tmp_path / ("b.json" if kind.startswith("coco") else "b.csv")
    if kind.startswith("coco"):
        width, height = image.size
        frame = {"id": 7, "file_name": "x.png", "width": width, "height": height}
        box = {"image_id": 7, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        file.write_text(json.dumps({"images": [frame], "annotations": [box]}))
        flag = stored_kind and orientation == 3  # half a turn leaves no trace in the sizes
    else:
        file.write_text(f"file,x1,y1,x2,y2\nx.png,{x1},{y1},{x2},{y2}\n")
        flag = stored_kind
    prepare(tmp_path / "in", tmp_path / "out", boxes=file, stored=flag, progress=False)
    dataset = BirdsFolder(tmp_path / "out", image_size=32)
    assert dataset.boxes.tolist() == [[10, 5, 25, 35]]


@pytest.mark.parametrize("number", ["1e12", "1e308", "10001", "0", "-1"])
def test_a_class_of_any_number_takes_no_memory(small, tmp_path, number):
    """Where no file names the classes, the largest number says how many there are."""
    pictures = {
        f"train/x/{n}.png": small.encoded(small.picture((60, 40), (1, 2, 9, 9))) for n in "ab"
    }
    table = f"a.png,1,2,9,9,{number}\nb.png,1,2,9,9,3\n".encode()
    small.write_files(tmp_path, pictures | {"anno_train.csv": table})
    with pytest.raises(InputError, match=r"line 1: unknown class; got -?\d+\. There are at most"):
        layouts.read_cars(tmp_path)
    small.write_files(tmp_path, {"anno_train.csv": table.replace(number.encode(), b"2")})
    found = layouts.read_cars(tmp_path)
    assert found.class_names == ["class 1", "class 2", "class 3"]
    assert [photo.label for photo in found.photos] == [1, 2]


# ------------------------------------------------------------------------------ own photographs


@pytest.fixture
def photos(small, tmp_path):
    files = {
        f"{'owls' if k < 2 else 'gulls'}/p {k}.png": small.encoded(small.picture(size, box, k))
        for k, (size, box) in enumerate(small.SHAPES)
    }
    return small.write_files(tmp_path / "photos", files | {"notes.txt": b"no picture"})


def csv_lines(small, header="file,x,y,width,height,class", order=(0, 1, 2)):
    lines = [header]
    for k in order:
        x1, y1, x2, y2 = small.SHAPES[k][1]
        name = f"{'owls' if k < 2 else 'gulls'}/p {k}.png"
        lines.append(f"{name},{x1},{y1},{x2 - x1},{y2 - y1},{'night' if k < 2 else 'day'}")
    return "\n".join(lines)


def as_red(small, folder):
    dataset = BirdsFolder(folder, image_size=32)
    for path, box in zip(dataset.paths, dataset.boxes, strict=True):
        assert tuple(box) == small.red_box(read_rgb(path))
    return dataset


def test_boxes_from_csv(small, photos, tmp_path, capsys):
    (tmp_path / "boxes.csv").write_text("\ufeff" + csv_lines(small, order=(2, 0, 1)))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.rglob("*.png")}
    arguments = [str(photos), "--root", str(tmp_path), "--name", "mine", "--no-progress"]
    arguments += ["--boxes", str(tmp_path / "boxes.csv")]
    assert prepare_main(arguments) == 0
    dataset = as_red(small, tmp_path / "mine")
    assert dataset.class_names == ["day", "night"]
    assert dict(zip([p.name for p in dataset.paths], dataset.child_index, strict=True)) == {
        "p 0.png": 1,
        "p 1.png": 1,
        "p 2.png": 0,
    }
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}
    capsys.readouterr()
    assert prepare_main(arguments) == 0
    assert "Already there, and intact." in capsys.readouterr().out
    (photos / "one more.png").write_bytes(small.encoded(small.picture((20, 20), (1, 1, 9, 9))))
    assert prepare_main(arguments[:-2]) == 1
    assert "was not made of these photographs" in capsys.readouterr().err


def test_boxes_from_coco(small, photos, tmp_path):
    images, annotations = [], []
    for k, (_, (x1, y1, x2, y2)) in enumerate(small.SHAPES):
        images.append({"id": 10 + k, "file_name": f"{'owls' if k < 2 else 'gulls'}/p {k}.png"})
        box = [x1, y1, x2 - x1, y2 - y1]
        annotations.append({"image_id": 10 + k, "bbox": box, "category_id": 5 - k})
    annotations.insert(0, {"image_id": 10, "bbox": [0, 0, 2, 2], "category_id": 5})
    annotations.insert(0, {"image_id": 10, "bbox": [0, 0, 60, 40], "iscrowd": 1})
    data = {"images": images, "annotations": annotations}
    data["categories"] = [{"id": 5, "name": "b"}, {"id": 4, "name": "a\nb"}, {"id": 3, "name": "c"}]
    (tmp_path / "coco.json").write_text(json.dumps(data))
    manifest, _ = prepare(photos, tmp_path / "out", boxes=tmp_path / "coco.json", progress=False)
    dataset = as_red(small, tmp_path / "out")
    assert dataset.class_names == ["a b", "b", "c"]
    assert manifest["notes"] == ["1 images have several boxes: the largest is kept"]


def test_classes_from_folders_and_boxes_from_nowhere(photos, tmp_path):
    manifest, _ = prepare(photos, tmp_path / "out", progress=False)
    dataset = BirdsFolder(tmp_path / "out", image_size=32)
    assert dataset.class_names == ["gulls", "owls"] and manifest["images"] == 3
    assert "no boxes: the middle 50% of each side" in manifest["notes"][0]
    sizes = [read_rgb(path).size for path in dataset.paths]
    for (x1, y1, x2, y2), (width, height) in zip(dataset.boxes, sizes, strict=True):
        assert (x1, y1, x2, y2) == (width / 4, height / 4, 3 * width / 4, 3 * height / 4)


@pytest.mark.parametrize("shape", [(300, 300), (400, 300), (300, 400)])
def test_the_middle_box_leaves_background_patches(small, tmp_path, shape):
    """At the paper's sizes: in some windows none, so that a batch needs several pictures."""
    data = small.encoded(small.picture(shape, (0, 0, 1, 1)))
    small.write_files(tmp_path / "in", {"x.png": data})
    prepare(tmp_path / "in", tmp_path / "out", progress=False)
    dataset = BirdsFolder(tmp_path / "out", image_size=128)
    geometry = PatchGeometry(34, 4, 24)
    boxes = torch.stack([dataset[0, draw].box for draw in range(80)])
    weights = losses.background_patch_weights(boxes, geometry)
    assert 0.45 < (weights.flatten(1).sum(1) > 0).float().mean() < 0.8
    assert weights.mean() < 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header does not name the columns"),
        ("a,b\n", "line 1: the header does not name"),
        (
            "file,x,y,width,height\nnothing.png,1,2,3,4",
            r"line 2: no such image; got 'nothing\.png'",
        ),
        ("file,x,y,width,height\nowls/p 0.png,1,2,3", "line 2 is malformed"),
        ("file,x,y,width,height\nowls/p 0.png,1,2,3,x", "line 2 is malformed"),
        ("\n\nfile,x,y,width,height\n\nowls/p 0.png,1,2,3,x", "line 5 is malformed"),
        ("file,x,y,width,height\nowls/p 0.png,1,2,3,4", "has no box for 2 of 3 images"),
        ("file,x,y,width,height\n../photos/owls/p 9.png,1,2,3,4", "no such image"),
    ],
)
def test_csv_files_that_are_refused(photos, tmp_path, text, message):
    (tmp_path / "b.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        prepare(photos, tmp_path / "out", boxes=tmp_path / "b.csv", progress=False)
    assert not (tmp_path / "out").exists()


def test_boxes_that_cannot_be_are_all_named(small, photos, tmp_path, capsys):
    text = csv_lines(small).replace("10,5,30,25", "10,5,nan,25").replace("0,0,20,25", "0,0,-3,25")
    (tmp_path / "b.csv").write_text(text)
    arguments = [str(photos), "--root", str(tmp_path), "--name", "m", "--no-progress"]
    arguments += ["--boxes", str(tmp_path / "b.csv")]
    assert prepare_main(arguments) == 1
    error = capsys.readouterr().err
    assert "2 of 3 images cannot be used" in error and "leave them out with --leave-out" in error
    assert "line 2: a box needs finite numbers" in error
    assert "line 4: the box is empty or inverted" in error
    assert prepare_main([*arguments, "--leave-out"]) == 0
    assert len(BirdsFolder(tmp_path / "m", image_size=32)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "null",
        '{"images": 3, "annotations": []}',
        '{"images": [{}], "annotations": []}',
        '{"images": [[]], "annotations": []}',
        '{"images": [], "annotations": 3}',
        '{"images": [], "annotations": [3]}',
        '{"images": [], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}',
        '{"images": [{"id": 1, "file_name": 3}], "annotations": [{"image_id": 1, "bbox": [1]}]}',
        '{"images": [{"id": [], "file_name": "a"}], "annotations": []}',
        '{"images": [{"id": 1}], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, "x"]}]}',
        '{"images": [{"id": 1, "file_name": "a", "width": "x", "height": 2}], '
        '"annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}',
        "[" * 100_000,
    ],
)
def test_json_that_is_refused(photos, tmp_path, text):
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(InputError, match=r"b\.json"):
        prepare(photos, tmp_path / "out", boxes=tmp_path / "b.json", progress=False)


def test_file_names_that_lists_cannot_hold_are_escaped(small, tmp_path):
    """Bytes that are no UTF-8, line ends and spaces at the ends; the originals keep their names."""
    names = [b"caf\xe9.png", "größe.png".encode(), b"two\nlines.png", b" space.png", b"a\x85b.png"]
    folder = tmp_path / "in"
    folder.mkdir()
    data = small.encoded(small.picture((40, 40), (5, 5, 20, 20)))
    for name in names:
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(data)
    manifest, _ = prepare(folder, tmp_path / "out", progress=False)
    assert "4 file names that lists cannot hold are escaped" in manifest["notes"]
    dataset = BirdsFolder(tmp_path / "out", image_size=32)
    found = {path.name for path in dataset.paths}
    assert found == {"caf%E9.png", "größe.png", "two%0Alines.png", "%20space.png", "a%85b.png"}
    assert set(os.listdir(os.fsencode(folder))) == set(names)


def test_photographs_are_not_mixed_with_their_data_set(photos, tmp_path):
    for target in (photos, photos / "deep" / "out"):
        with pytest.raises(InputError, match="among the photographs"):
            prepare(photos, target, progress=False)
    with pytest.raises(InputError, match="no such folder"):
        prepare(tmp_path / "nothing", tmp_path / "out", progress=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no image"):
        prepare(tmp_path / "empty", tmp_path / "out", progress=False)
    for centre in (0, 1, np.nan):
        with pytest.raises(InputError, match="share between 0 and 1"):
            prepare(photos, tmp_path / "out", centre=centre, progress=False)


def test_broken_photographs_are_all_named_and_none_is_lost(small, photos, tmp_path, capsys):
    whole = (photos / "owls/p 0.png").read_bytes()
    (photos / "owls/p 0.png").write_bytes(whole[: len(whole) // 2])
    (photos / "owls/p 1.png").write_bytes(b"")
    arguments = [str(photos), "--root", str(tmp_path), "--name", "m", "--no-progress"]
    assert prepare_main(arguments) == 1
    error = capsys.readouterr().err
    assert "2 of 3 images cannot be used" in error
    assert "p 0.png" in error and "p 1.png" in error and "Traceback" not in error
    assert not (tmp_path / "m").exists()
    assert prepare_main([*arguments, "--leave-out"]) == 0
    dataset = BirdsFolder(tmp_path / "m", image_size=32)
    assert dataset.class_names == ["gulls"] and len(dataset) == 1
    assert (photos / "owls/p 1.png").exists()


def test_already_there_is_said_quickly_whatever_the_clock(photos, tmp_path, monkeypatch):
    """The manifest is compared, no image opened."""
    prepare(photos, tmp_path / "out", progress=False)
    from PIL import Image

    def never(*_):
        raise AssertionError("an image was opened")

    monkeypatch.setattr(Image, "open", never)
    monkeypatch.setattr(time, "sleep", never)
    assert prepare(photos, tmp_path / "out", progress=False)[1]
