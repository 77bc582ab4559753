"""One's own photographs: what is listed, opened, matched, judged and told."""

import io
import json
import shutil
import sys
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, features

from finegan_lib import losses
from finegan_lib.__main__ import main
from finegan_lib.base.errors import InputError
from finegan_lib.data import BirdsFolder, pictures
from finegan_lib.data.boxes import recognise
from finegan_lib.data.check import check_folder
from finegan_lib.data.example import IMAGE_SIZES, patch_geometry
from finegan_lib.data.obtain import prepare, prepare_main
from finegan_lib.data.own import classes_and_splits
from finegan_lib.data.plausible import are_shares, background_share, has_background
from finegan_lib.discovery.cluster import read_images
from finegan_lib.scoring.quality import real_pictures

BOX = [80, 60, 240, 180]


def jpeg(size=(320, 240), kind="JPEG"):
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, kind)
    return buffer.getvalue()


def fill(root, files):
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def table(names, box="80,60,160,120"):
    return "file,x,y,width,height\n" + "".join(f"{name},{box}\n" for name in names)


def made(tmp_path, **options):
    manifest, _ = prepare(tmp_path / "in", tmp_path / "out", progress=False, **options)
    return manifest, BirdsFolder(tmp_path / "out", image_size=32)


# ---------------------------------------------------------------------------- listing and opening

FORK = b"\x00\x05\x16\x07" + bytes(78)


def test_hidden_files_and_resource_forks_are_skipped_by_every_command(tmp_path, capsys):
    files = {f"b{k}.jpg": jpeg() for k in range(3)}
    forks = {"._b0.jpg": FORK, "__MACOSX/._b1.jpg": FORK, "__MACOSX/b9.jpg": jpeg()}
    forks |= {".thumbnails/b0.jpg": jpeg(), "@eaDir/b0.jpg": jpeg()}
    root = fill(tmp_path / "in", files | forks | {"notes.txt": "", "raw.CR2": b"x"})
    listing = pictures.list_pictures(root)
    assert [path.name for path in listing.pictures] == ["b0.jpg", "b1.jpg", "b2.jpg"]
    raw = ".cr2 (a camera's raw file: export it as JPEG)"
    assert listing.unused == Counter({"hidden": 5, ".txt (no picture)": 1, raw: 1})
    manifest, birds = made(tmp_path)
    assert len(birds) == 3 and manifest["unused"]["hidden"] == 5
    assert len(read_images(root)[0]) == 3
    assert len(real_pictures(str(root), 32, progress=False)) == 3
    fill(tmp_path / "out" / "images", {"._b0.jpg": FORK})
    assert check_folder(tmp_path / "out")["counts"]["used"].keys() <= {"classes have one image"}


def test_a_format_is_what_the_bytes_say(tmp_path):
    files = {"a.jfif": jpeg(), "b.JPG": jpeg(), "c.jpg": jpeg(kind="WEBP"), "d.png": jpeg()}
    if features.check("avif"):
        files |= {"e.avif": jpeg(kind="AVIF"), "f.jpg": jpeg(kind="AVIF")}
    fill(tmp_path / "in", files)
    assert len(made(tmp_path)[1]) == len(files)


def test_heic_is_read_with_its_library(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    fill(tmp_path / "in", {"a.HEIC": jpeg(kind="HEIF"), "b.jpg": jpeg(kind="HEIF")})
    assert made(tmp_path)[1][0].child_crop.shape == (3, 32, 32)


HEIC = b"\0\0\0$ftypheic\0\0\0\0mif1heicheixhevc" + bytes(200)


@pytest.mark.parametrize("there", [False, True])
def test_every_heic_that_is_not_used_is_counted_with_its_reason(
    tmp_path, monkeypatch, capsys, there
):
    """Without the library, how to install it; with it, that these files are damaged."""
    monkeypatch.setattr(pictures, "heic_reader", lambda: there)
    files = {f"IMG_000{k}.JPG": jpeg() for k in range(3)}
    fill(tmp_path / "in", files | {f"IMG_000{k}.HEIC": HEIC for k in range(3, 9)})
    arguments = [str(tmp_path / "in"), "--root", str(tmp_path), "--name", "out", "--no-progress"]
    assert prepare_main(arguments) == 1
    error = capsys.readouterr().err
    assert "6 of 9 images cannot be used" in error and "--leave-out" in error
    assert ("a damaged HEIC file" if there else "pip install 'finegan-lib[heic]'") in error
    assert prepare_main([*arguments, "--leave-out"]) == 0
    assert "6 images cannot be used and are left out" in capsys.readouterr().out
    assert len(BirdsFolder(tmp_path / "out", image_size=32)) == 3


def test_one_picture_is_told_that_it_is_one(tmp_path):
    root = fill(tmp_path / "in", {"a.jpg": jpeg()})
    with pytest.raises(InputError, match="holds one image, and 2 are needed"):
        real_pictures(str(root), 32, progress=False)


@pytest.mark.parametrize(
    ("given", "found", "said"),
    [
        ("a\\b.jpg", "a/b.jpg", "separators"),
        ("B.JPG", "b.jpg", "capital letters"),
        ("gro\u0308.jpg", "gr\u00f6.jpg", "Unicode form"),
        ("b.jpeg", "b.jpg", "ending"),
        ("x/b.jpg", "y/b.jpg", "folder"),
        ("b.jpg ", "b.jpg", "spaces at an end"),
        ("C:\\X\\B.JPG", "y/b.jpg", "separators and capital letters and folder"),
        ("c.jpg", "b.jpg", "spelling"),
        ("b.jpg", "b.jpg", ""),
    ],
)
def test_what_differs_is_named(given, found, said):
    assert pictures.difference(given, found) == said


# ----------------------------------------------------------------------------------------- boxes


def test_shares_are_recognised_wherever_they_come_from(tmp_path, capsys):
    """CSV, COCO and CUB's own lists: box 80, 60, 240, 180 of 320 x 240; a note says it."""
    lists = {"images.txt": "1 a.jpg\n2 b.jpg\n"}
    lists["bounding_boxes.txt"] = "1 .25 .25 .5 .5\n2 .25 .25 .5 .5\n"
    root = fill(tmp_path / "cub", lists | {f"images/{n}.jpg": jpeg() for n in "ab"})
    with pytest.warns(UserWarning, match="2 of 2 boxes are shares of their image"):
        birds = BirdsFolder(root, image_size=32)
    assert birds.boxes.tolist() == [BOX, BOX]
    assert main(["check", str(root), "--no-progress"]) == 0
    assert "2 boxes are shares of their image" in capsys.readouterr().out
    shutil.copytree(root / "images", tmp_path / "in")
    text = table(["a.jpg", "b.jpg"], "0.25,0.25,0.5,0.5")
    manifest, birds = made(tmp_path, boxes=fill(tmp_path, {"b.csv": text}) / "b.csv")
    assert birds.boxes.tolist() == [BOX, BOX]
    assert any("the boxes are shares" in note for note in manifest["notes"])


def test_a_share_among_pixels_is_suspected(tmp_path):
    fill(tmp_path / "in", {"a.jpg": jpeg(), "b.jpg": jpeg()})
    text = table(["a.jpg"]) + "b.jpg,0.25,0.25,0.5,0.5\n"
    with pytest.raises(InputError, match=r"line 3: the box is smaller than a pixel, as a share"):
        made(tmp_path, boxes=fill(tmp_path, {"b.csv": text}) / "b.csv")
    assert not are_shares([(0, 0, 1, 1), (0, 0, 2, 1)]) and not are_shares([])


def test_a_share_among_pixels_is_told_wherever_it_is(tmp_path):
    """Where a layout gives the picture's size, and CUB's lists; shares may overshoot a little."""
    fill(tmp_path / "in", {"a.jpg": jpeg(), "b.jpg": jpeg()})
    text = "file,width,height,x1,y1,x2,y2\na.jpg,320,240,0.25,0.25,0.75,0.75\n"
    text += "b.jpg,320,240,80,60,240,180\n"
    with pytest.raises(InputError, match="line 2: the box is smaller than a pixel, as a share"):
        made(tmp_path, boxes=fill(tmp_path, {"b.csv": text}) / "b.csv")
    lists = {"images.txt": "1 a.jpg\n2 b.jpg\n"}
    lists["bounding_boxes.txt"] = "1 80 60 160 120\n2 .25 .25 .5 .5\n"
    root = fill(tmp_path / "cub", lists | {f"images/{n}.jpg": jpeg() for n in "ab"})
    with pytest.warns(UserWarning, match="1 of 2 boxes are smaller than a pixel, as shares"):
        BirdsFolder(root, image_size=32)
    assert check_folder(root)["repaired"] == 1
    text = table(["a.jpg"], "-.01,.25,.76,.5") + "b.jpg,.25,.25,.5,.77\n"
    birds = made(tmp_path, boxes=fill(tmp_path, {"c.csv": text}) / "c.csv")[1]
    assert birds.boxes.round(3).tolist() == [[0, 60, 240, 180], [80, 60, 240, 240]]


@pytest.mark.parametrize(
    ("box", "said", "unit", "right"),
    [
        ("25,25,50,50", "as percentages would", "percent", BOX),
        ("25,25,50,50", "as percentages would", "pixels", [25, 25, 75, 75]),
        ("180,120,300,220", "if the right and lower edges", "pixels", [180, 120, 320, 240]),
        ("0.25,0.25,0.5,0.5", "", "shares", BOX),
    ],
)
def test_what_boxes_are_measured_in_is_asked_where_they_leave_a_doubt(
    tmp_path, box, said, unit, right
):
    fill(tmp_path / "in", {"a.jpg": jpeg(), "b.jpg": jpeg()})
    boxes = fill(tmp_path, {"b.csv": table(["a.jpg", "b.jpg"], box)}) / "b.csv"
    if said:
        with pytest.raises(InputError, match=f"{said}.*--unit"):
            made(tmp_path, boxes=boxes)
    assert made(tmp_path, boxes=boxes, unit=unit)[1].boxes.tolist() == [right, right]


def test_cubs_lists_of_percentages_are_told(tmp_path):
    lists = {"images.txt": "1 a.jpg\n2 b.jpg\n"}
    lists["bounding_boxes.txt"] = "1 25 25 50 50\n2 25 25 50 50\n"
    root = fill(tmp_path / "cub", lists | {f"images/{n}.jpg": jpeg() for n in "ab"})
    with pytest.warns(UserWarning, match="as percentages would"):
        BirdsFolder(root, image_size=32)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", "file,x,y,w\na.jpg,1,2,3\n", "columns 'file', 'x', 'y', 'w'"),
        ("t.json", '{"images": [], "captions": []}', "JSON with 'images', 'captions'"),
        ("t.csv", b"file,x,y,width,height\n\xfc.jpg,1,2,3,4\n", "not UTF-8"),
    ],
)
def test_files_that_may_hold_boxes_are_told(tmp_path, name, text, said):
    """Beside them the boxes of b.xml are read, or the middle of the picture."""
    fill(tmp_path / "in", {"b.jpg": jpeg(), name: text})
    if said == "not UTF-8":
        with pytest.raises(InputError, match=said):
            made(tmp_path)
    else:
        notes = " | ".join(made(tmp_path)[0]["notes"])
        assert "1 files that may hold boxes are not used" in notes and said in notes


def test_one_damaged_annotation_of_many_is_told_and_may_be_left_out(tmp_path):
    xml = "<annotation><object><name>owl</name><bndbox><xmin>80</xmin><ymin>60</ymin>"
    xml += "<xmax>240</xmax><ymax>180</ymax></bndbox></object></annotation>"
    files = {"a.jpg": jpeg(), "b.jpg": jpeg(), "a.xml": xml, "b.xml": f"<!DOCTYPE x>{xml}"}
    fill(tmp_path / "in", files)
    with pytest.raises(InputError, match=r"b\.xml; got it declares a document type"):
        made(tmp_path)
    manifest, birds = made(tmp_path, leave_out=True)
    assert birds.boxes.tolist() == [BOX]
    assert any("declares a document type" in note for note in manifest["notes"])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("b.csv", table(["a.jpg"], "80,5,60,160,120"), "more fields than the header has columns"),
        ("b.jpg", jpeg(), "this is a picture, and no file of boxes"),
        ("b.xlsx", b"PK\3\4" + bytes(90), "an archive or a spreadsheet"),
        (
            "b.json",
            '{"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}], '
            '"annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}',
            "the image id 1 is given to several images",
        ),
        ("a.txt", "0 .5 .5 .5 .5 -1.2\n", "turned boxes are read as four corners"),
        (
            "b.json",
            '{"a": {"filename": "a.jpg", "regions": [{"shape_attributes": {"name": "point", '
            '"cx": 1, "cy": 1}}]}}',
            "a point is no box",
        ),
        (
            "b.json",
            '{"images": [{"id": 1, "file_name": "a.jpg"}], '
            '"annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1}]}',
            "the box is round a group of objects; got no other box of this image",
        ),
    ],
)
def test_a_wrong_entry_is_told_why(tmp_path, name, text, said):
    fill(tmp_path / "in", {"a.jpg": jpeg()})
    boxes = fill(tmp_path / "boxes", {name: text})
    with pytest.raises(InputError, match=said):
        made(tmp_path, boxes=boxes if name == "a.txt" else boxes / name)


def test_all_reasons_are_told_and_links_to_folders_are_counted(tmp_path):
    root = fill(tmp_path / "in", {"a.jpg": jpeg(), "b.jpg": b"", "c.jpg": jpeg()[:-300]})
    (root / "more").symlink_to(tmp_path)
    manifest, _ = made(tmp_path, leave_out=True)
    (note,) = (note for note in manifest["notes"] if "cannot be used" in note)
    assert "b.jpg; got an empty file" in note and "c.jpg; got image file is truncated" in note
    assert manifest["unused"] == {"links to folders, which are not followed": 1}


def test_two_answers_to_one_question_are_refused(tmp_path):
    root = fill(tmp_path / "in", {"a.jpg": jpeg(), "b.csv": table(["a.jpg"])})
    with pytest.raises(InputError, match="boxes are given, and an assumed box too"):
        made(tmp_path, boxes=root / "b.csv", centre=0.5)
    with pytest.raises(InputError, match="this is a file, and a folder of images is needed"):
        pictures.list_pictures(root / "a.jpg")


def test_the_images_size_is_not_taken_for_the_boxs(tmp_path):
    fill(tmp_path / "in", {"a.jpg": jpeg()})
    text = fill(tmp_path, {"b.csv": table(["a.jpg"], "80,60,320,240")}) / "b.csv"
    with pytest.raises(InputError, match="width and height are those of its image"):
        made(tmp_path, boxes=text)


def test_an_inverted_box_beside_a_good_one_loses(tmp_path):
    """And of several good ones the largest is kept; both are told."""
    fill(tmp_path / "in", {"a.jpg": jpeg(), "b.jpg": jpeg()})
    text = "file,x1,y1,x2,y2\na.jpg,300,200,0,0\na.jpg,80,60,240,180\na.jpg,80,60,90,70\n"
    text += "a.jpg,x,60,90,70\nb.jpg,80,60,240,180\n"
    manifest, birds = made(tmp_path, boxes=fill(tmp_path, {"b.csv": text}) / "b.csv")
    assert birds.boxes.tolist() == [BOX, BOX]
    notes = " | ".join(manifest["notes"])
    assert "1 images have several boxes: the largest is kept" in notes
    assert "1 boxes beside good ones are empty, inverted or outside: not used" in notes
    assert "1 entries beside good boxes cannot be used" in notes and "line 5" in notes


def test_leave_out_reaches_boxes_and_entries(tmp_path, capsys):
    fill(tmp_path / "in", {f"{n}.jpg": jpeg() for n in "abcd"} | {"e.jpg": b"damaged"})
    text = table(["a.jpg", "e.jpg"]) + "b.jpg,1,2,x,4\nc.jpg,10,10,-4,9\nnone.jpg,1,2,3,4\n"
    boxes = str(fill(tmp_path, {"b.csv": text}) / "b.csv")
    arguments = [str(tmp_path / "in"), "--root", str(tmp_path), "--name", "out", "--no-progress"]
    arguments += ["--boxes", boxes]
    assert prepare_main(arguments) == 1
    assert "line 4 is malformed" in capsys.readouterr().err
    assert prepare_main([*arguments, "--leave-out"]) == 0
    told = capsys.readouterr().out
    assert len(BirdsFolder(tmp_path / "out", image_size=32)) == 1
    for words in (
        "1 entries cannot be used and are left out",
        "2 images have no box and are left out: 'b.jpg', 'd.jpg'",
        "1 entries are of pictures that are not in",
        "2 images cannot be used and are left out",
    ):
        assert words in told


def test_unknown_and_mistyped_boxes_get_the_right_cure(tmp_path, capsys):
    root = fill(tmp_path / "in", {"a.jpg": jpeg(), "boxes.csv": table(["a.jpg"])})
    with pytest.raises(InputError, match=r"no such file.*Did you mean .*boxes\.csv"):
        recognise(root / "boxs.csv")
    fill(root, {"x.json": '{"a": 1}', "y.csv": "a,b\n1,2\n", "z.bin": bytes(range(256))})
    for name in ("x.json", "y.csv"):
        with pytest.raises(InputError, match="Known are: CUB-200-2011's and NABirds' lists; YOLO"):
            recognise(root / name)
    with pytest.raises(InputError, match="not UTF-8"):
        recognise(root / "z.bin")
    fill(root, {"more.csv": table(["a.jpg"])})
    with pytest.raises(InputError, match=r"holds boxes 2 times over.*--centre 0\.5"):
        made(tmp_path)
    assert len(made(tmp_path, centre=0.5)[1]) == 1


def test_names_that_fit_no_picture_are_told_the_nearest(tmp_path):
    fill(tmp_path / "in", {"sparrow.jpg": jpeg()})
    boxes = fill(tmp_path, {"b.csv": table(["sparow.jpg"])}) / "b.csv"
    with pytest.raises(InputError, match=r"There is 'sparrow\.jpg', which differs in spelling"):
        made(tmp_path, boxes=boxes)


def test_a_name_that_fits_several_pictures_is_not_guessed(tmp_path):
    files = {"x/1.jpg": jpeg(), "y/1.jpg": jpeg(), "y/2.jpg": jpeg()}
    fill(tmp_path / "in", files)
    boxes = fill(tmp_path, {"b.csv": table(["1.jpg", "2.jpg"])}) / "b.csv"
    manifest, birds = made(tmp_path, boxes=boxes, leave_out=True)
    assert [path.name for path in birds.paths] == ["2.jpg"]
    assert any("1 entries fit several pictures" in note for note in manifest["notes"])


def test_cubs_lists_in_another_form_are_read_and_told(tmp_path):
    """Separators and capital letters as Windows has them; NABirds' ids."""
    long = "0000139e-21dc-4d0c-bfe1-4cae3c85c829"
    lists = {"images.txt": f"{long} 001.owl\\A.JPG\n2 001.owl/b.jpg\n"}
    lists["bounding_boxes.txt"] = f"{long.upper()} 80 60 160 120\n2 80 60 160 120\n"
    root = fill(tmp_path / "cub", lists | {f"images/001.Owl/{n}.jpg": jpeg() for n in "ab"})
    with pytest.warns(UserWarning, match="2 of 2 images are listed under names that differ"):
        birds = BirdsFolder(root, image_size=32)
    assert [path.name for path in birds.paths] == ["a.jpg", "b.jpg"]
    result = check_folder(root)
    assert result["refused"] == 0
    assert any(
        "differs in separators and capital letters" in f["message"] for f in result["findings"]
    )


# ------------------------------------------------------------------------------ classes and splits


def test_folders_of_splits_are_no_classes(tmp_path):
    """Six folders, two classes; the split is kept."""
    files = {
        f"{split}/{kind}/{k}.jpg": jpeg()
        for split, n in (("train", 3), ("valid", 1), ("test", 1))
        for kind in ("ABBOTTS BABBLER", "ABBOTTS BOOBY")
        for k in range(n)
    }
    fill(tmp_path / "in", files)
    _, birds = made(tmp_path)
    assert birds.class_names == ["ABBOTTS BABBLER", "ABBOTTS BOOBY"]
    split = (tmp_path / "out" / "train_test_split.txt").read_text().split()[1::2]
    assert Counter(split) == {"1": 6, "0": 4}
    for path, flag in zip(birds.paths, split, strict=True):
        assert ("train" in path.parts) == (flag == "1")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train/a/1.jpg", "val2017/a/1.jpg"], [("a", True), ("a", False)]),
        (["images/train/a/1.jpg", "images/test/b/1.jpg"], [("a", True), ("b", False)]),
        (["train/1.jpg", "car/1.jpg"], [("train", None), ("car", None)]),
        (["JPEGImages/1.jpg", "JPEGImages/2.jpg"], [("", None), ("", None)]),
        (["a/b/1.jpg", "1.jpg"], [("a/b", None), ("", None)]),
        (["all/a/1.jpg", "all/b/1.jpg"], [("a", None), ("b", None)]),
        (["train/a/1.jpg", "test/b/1.jpg", "x/a/1.jpg"], [("a", True), ("b", False), ("a", None)]),
        (["train/a/1.jpg", "car/b/1.jpg"], [("train/a", None), ("car/b", None)]),
    ],
)
def test_classes_and_splits(names, expected):
    assert list(classes_and_splits(names).values()) == expected


# -------------------------------------------------------------------------------------- background


@pytest.mark.parametrize("image_size", [32, 64, 128, 256])
def test_a_patch_is_background_as_the_loss_has_it(image_size):
    geometry = patch_geometry(image_size)
    rng = np.random.default_rng(0)
    boxes = np.sort(rng.integers(0, image_size + 1, (200, 2, 2)), 1).reshape(200, 4)
    boxes[:20] = 0, 0, image_size, image_size
    weights = losses.background_patch_weights(torch.tensor(boxes).float(), geometry)
    for box, weight in zip(boxes, weights, strict=True):
        assert has_background(box, geometry) == bool(weight.any())


def test_the_share_is_that_of_the_training_windows(tmp_path):
    """Measured on the boxes that the data set hands out; zero where boxes are everything."""
    fill(tmp_path / "in", {"a.jpg": jpeg((200, 150)), "b.jpg": jpeg((150, 300))})
    _, birds = made(tmp_path, centre=0.6)
    geometry = patch_geometry(32)
    seen = [has_background(birds[k, d].box.tolist(), geometry) for k in (0, 1) for d in range(300)]
    found = background_share(birds.sizes, birds.boxes, 32, windows=300)
    assert found == pytest.approx(np.mean(seen), abs=0.08)
    sizes = [(96, 96)] * 3
    assert background_share(sizes, [(0, 0, 96, 96)] * 3, 64) == 0


def test_boxes_of_everything_are_told_by_every_command(tmp_path, capsys):
    names = [f"b{k}.jpg" for k in range(4)]
    fill(tmp_path / "in", {name: jpeg((96, 96)) for name in names})
    boxes = fill(tmp_path, {"full.csv": table(names, "0,0,96,96")}) / "full.csv"
    arguments = [str(tmp_path / "in"), "--root", str(tmp_path), "--name", "out", "--no-progress"]
    assert prepare_main([*arguments, "--boxes", str(boxes)]) == 0
    told = capsys.readouterr().out
    assert "with a background patch: 0% at 32 pixels, 0% at 64 pixels, 0% at 128 pixels" in told
    assert "4 of 4 boxes are as large as their image" in told
    assert main(["check", str(tmp_path / "out"), "--no-progress", "--image-size", "48"]) == 0
    told = capsys.readouterr().out
    assert "with a background patch: 0% at 48 pixels" in told and "warning: " in told
    birds = BirdsFolder(tmp_path / "out", image_size=32)
    with pytest.warns(UserWarning, match="next to nothing to learn from"):
        birds.tell_background()
    assert "with a background patch: 0% at 32 pixels" in capsys.readouterr().err


def test_a_larger_full_scale_is_named_where_it_helps(tmp_path):
    fill(tmp_path / "in", {"a.jpg": jpeg(), "b.jpg": jpeg()})
    manifest, _ = made(tmp_path, centre=0.5)
    assert manifest["background"]["32"] < 0.1
    assert "train with --full-scale 2" in manifest["warning"]
    json.dumps(manifest)


def test_every_size_has_a_geometry_near_a_third():
    for size in IMAGE_SIZES:
        geometry = patch_geometry(size)
        assert 0.25 < geometry.receptive_field / size < 0.45
        assert geometry.cells >= 9


# ------------------------------------------------------------------------------------- terminals


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "ascii"])
def test_every_command_prints_under_any_encoding(tmp_path, monkeypatch, encoding):
    """All helps and some outputs, with characters that the terminal does not have."""
    from finegan_lib.__main__ import build_parser
    from finegan_lib.course.__main__ import build_parser as course_parser
    from finegan_lib.course.__main__ import main as course_main

    fill(tmp_path / "in", {"größe → 1.jpg": jpeg(), "größe → 2.jpg": jpeg()})
    written = {}
    for name in ("stdout", "stderr"):
        written[name] = io.BytesIO()
        stream = io.TextIOWrapper(written[name], encoding, errors="strict")
        monkeypatch.setattr(sys, name, stream)
    for parser, run in ((build_parser(), main), (course_parser(), course_main)):
        (commands,) = (a for a in parser._actions if hasattr(a, "choices") and a.choices)
        for command in ["", *commands.choices]:
            with pytest.raises(SystemExit) as end:
                run([command, "--help"] if command else ["--help"])
            assert end.value.code == 0
    arguments = [str(tmp_path / "in"), "--root", str(tmp_path), "--name", "out", "--no-progress"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert prepare_main(arguments) == 0
        with pytest.raises(SystemExit):
            prepare_main(["--help"])
        fill(tmp_path / "out" / "images", {"σ→∞.jpg": b"x"})
        assert main(["check", str(tmp_path / "out"), "--no-progress"]) == 0
        assert main(["check", str(tmp_path / "→"), "--no-progress"]) == 2
        assert main(["doctor", "--seconds", "0"]) == 0
    sys.stdout.flush()
    sys.stderr.flush()
    out, err = (written[name].getvalue().decode(encoding) for name in ("stdout", "stderr"))
    assert "Change runtime type -> GPU" in out or torch.cuda.is_available()
    assert "usage: python -m finegan_lib cluster" in out and "->" in err
