"""Every row of the table in finegan_lib.data.check, found by checker and reader alike."""

import io
import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finegan_lib.__main__ import main
from finegan_lib.base.errors import InputError
from finegan_lib.data import BirdsFolder
from finegan_lib.data.check import check_folder, report_text
from finegan_lib.data.pictures import read_rgb

SHAPES = [((60, 40), (10, 5, 40, 30)), ((40, 60), (4, 20, 30, 50)), ((50, 50), (0, 0, 20, 25))]


@pytest.fixture
def folder(small, tmp_path):
    """Three good pictures of two classes; the tests spoil the first, a.png, in line 1."""
    root = tmp_path / "birds"
    names = ["a.png", "b.png", "c.png"]
    for k, (name, (size, box)) in enumerate(zip(names, SHAPES, strict=True)):
        data = small.encoded(small.picture(size, box, k))
        small.write_files(root, {f"images/{name}": data})
    boxes = [(x1, y1, x2 - x1, y2 - y1) for _, (x1, y1, x2, y2) in SHAPES]
    write(root, "images.txt", [f"{k + 1} {name}" for k, name in enumerate(names)])
    lines = [f"{k + 1} {' '.join(map(str, box))}" for k, box in enumerate(boxes)]
    write(root, "bounding_boxes.txt", lines)
    write(root, "image_class_labels.txt", ["1 1", "2 1", "3 2"])
    write(root, "classes.txt", ["1 owl", "2 gull"])
    return root


def write(root, name, lines):
    (root / name).write_text("\n".join(lines) + "\n")


def set_line(root, name, number, line):
    lines = (root / name).read_bytes().splitlines()
    lines[number - 1] = line.encode() if isinstance(line, str) else line
    (root / name).write_bytes(b"\n".join(lines) + b"\n")


def outcomes(result):
    """{(outcome, rule, file line)} of what was found, except for the lone class of every folder."""
    found = set()
    for finding in result["findings"]:
        if finding["rule"] == "classes have one image":
            continue
        place = finding["where"].rpartition(", ")[2]
        file = Path(finding["where"].split(", line")[0].split(", ")[-1]).name
        found.add((finding["outcome"], finding["rule"], f"{file} {place}"))
    return found


def read_all(root):
    """What the reader makes of the folder: its warnings' texts, or the refusal."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = BirdsFolder(root, image_size=32)
        for index in range(len(dataset)):
            dataset[index]
    return [str(warning.message) for warning in caught]


def agree(root, outcome, rule, where, n=1):
    """Checker and reader agree; the finding names file and line."""
    result = check_folder(root)
    expected = {(outcome, rule, where)} if rule else set()
    assert outcomes(result) == expected
    assert result["counts"][outcome].get(rule, 0) == (n if rule else 0)
    if outcome == "refused":
        with pytest.raises(InputError) as error:
            read_all(root)
        told = [f["message"] for f in result["findings"] if f["outcome"] == "refused"]
        if where == LINE:  # what an image's decoding shows has no line, when it is read
            told += [message.replace(f" ({root}/images.txt, line 1)", "") for message in told]
        assert str(error.value) in told
    else:
        said = read_all(root)
        assert len(said) == (outcome == "repaired")
        if said:
            assert f": {n} of 3 {rule} (first: " in said[0]
    return result


def test_a_good_folder(folder):
    result = check_folder(folder)
    assert (result["refused"], result["repaired"], result["images"]) == (0, 0, 3)
    assert result["classes"] == 2 and read_all(folder) == []


# ------------------------------------------------------------------------------------- images

LINE = "images.txt line 1"
CANNOT = "images cannot be used"


def first(root):
    return root / "images" / "a.png"


def save_first(root, image, suffix="PNG", **options):
    image.save(first(root), suffix, **options)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_truncated(folder, small, kind):
    picture = small.picture(*SHAPES[0])
    save_first(folder, picture, kind)
    data = first(folder).read_bytes()
    first(folder).write_bytes(data[: len(data) // 2])
    agree(folder, "refused", CANNOT, LINE)


@pytest.mark.parametrize(
    "data", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff"]
)
def test_zero_bytes_and_foreign_files(folder, data):
    first(folder).write_bytes(data)
    result = agree(folder, "refused", CANNOT, LINE)
    assert "cannot read the image" in result["findings"][0]["message"]


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_more_than_eight_bits(folder, dtype):
    deep = Image.fromarray(np.full((40, 60), 30000, dtype=dtype))
    save_first(folder, deep, "TIFF")
    result = agree(folder, "refused", CANNOT, LINE)
    assert "only 8 bits a channel" in result["findings"][0]["message"]


@pytest.mark.parametrize(
    ("size", "good"),
    [((1, 40), False), ((40, 1), False), ((7, 40), False), ((8, 40), True), ((8, 401), False)],
)
def test_thin_images(folder, size, good):
    save_first(folder, Image.new("RGB", size))
    set_line(folder, "bounding_boxes.txt", 1, "1 0 0 1 1")
    if good:
        agree(folder, "used", "", "")
    else:
        result = agree(folder, "refused", CANNOT, LINE)
        assert "too small or too thin" in result["findings"][0]["message"]


def test_twenty_thousand_pixels(folder):
    save_first(folder, Image.new("RGB", (20_000, 450)))
    agree(folder, "used", "", "")


def test_too_many_pixels(folder, monkeypatch):
    """From the header alone: the bytes after it are never decoded."""
    for width, height in [(20_000, 20_000), (11_000, 11_000)]:
        data = bytearray((folder / "images" / "b.png").read_bytes())
        data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        crc = __import__("zlib").crc32(data[12:29])
        data[29:33] = crc.to_bytes(4, "big")
        first(folder).write_bytes(data)
        result = agree(folder, "refused", CANNOT, LINE)
        assert "120 million pixels" in result["findings"][0]["message"]


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_greyscale_and_palette(folder, small, mode):
    save_first(folder, small.picture(*SHAPES[0]).convert(mode))
    if mode == "P":
        agree(folder, "used", "", "")
    else:
        agree(folder, "used", "images are greyscale", LINE)


def test_cmyk(folder, small):
    save_first(folder, small.picture(*SHAPES[0]).convert("CMYK"), "JPEG")
    rule = "images are in CMYK and are converted: their colours are nearly right"
    agree(folder, "repaired", rule, LINE)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_transparent(folder, small, mode):
    picture = small.picture(*SHAPES[0])
    if mode in ("P", "RGB"):
        transparency = bytes([0, 128, 255]) if mode == "P" else (255, 0, 0)
        save_first(folder, picture.convert(mode), transparency=transparency)
    else:
        alpha = picture.convert(mode)
        alpha.putalpha(40)
        save_first(folder, alpha)
    result = check_folder(folder)
    found = {("repaired", "images are partly transparent, which is ignored", LINE)}
    grey = {("used", "images are greyscale", LINE)} if mode == "LA" else set()
    assert outcomes(result) == found | grey
    assert len(read_all(folder)) == 1
    if mode != "LA":
        colour = np.asarray(read_rgb(first(folder))).astype(int)[20, 20]
        assert np.abs(colour - (255, 0, 0)).max() < 30  # the colour under it is shown


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP"])
def test_animated(folder, small, kind):
    frames = [small.picture(SHAPES[0][0], box) for box in (SHAPES[0][1], (0, 0, 60, 40))]
    save_first(folder, frames[0], kind, save_all=True, append_images=frames[1:], quality=95)
    rule = "images have several frames, of which the first is used"
    if kind == "WEBP":  # its animations always have an alpha channel
        assert ("repaired", rule, LINE) in outcomes(check_folder(folder))
    else:
        agree(folder, "repaired", rule, LINE)
    found = small.red_box(read_rgb(first(folder)))
    assert np.abs(np.subtract(found, SHAPES[0][1])).max() <= 1


@pytest.mark.parametrize("orientation", range(2, 9))
def test_turned_by_exif(folder, small, orientation):
    """The box is that of the upright image: the reader finds the red exactly there."""
    first(folder).write_bytes(small.encoded(small.picture(*SHAPES[0]), orientation))
    agree(folder, "used", "images are turned upright by their EXIF data", LINE)
    dataset = BirdsFolder(folder, image_size=32)
    assert tuple(dataset.boxes[0]) == small.red_box(read_rgb(first(folder))) == SHAPES[0][1]


def test_a_box_of_the_unturned_image_is_explained(folder, small):
    """It fits the file as stored, 60 pixels high, and lies outside the upright one."""
    first(folder).write_bytes(small.encoded(small.picture(*SHAPES[0]), 6))
    set_line(folder, "bounding_boxes.txt", 1, "1 5 45 20 10")
    result = check_folder(folder)
    refusal = result["findings"][0]
    assert refusal["outcome"] == "refused" and "turned by its EXIF data" in refusal["message"]


@pytest.mark.parametrize("exif", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0junk", b"x"])
def test_damaged_exif_data_count_as_upright(folder, small, exif):
    save_first(folder, small.picture(*SHAPES[0]), "JPEG", exif=exif)
    result = check_folder(folder)
    assert result["refused"] == 0 and read_rgb(first(folder)).size == (60, 40)


# -------------------------------------------------------------------------------------- boxes

BOX = "bounding_boxes.txt line 1"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 60 5 10 10", "wholly outside"),
        ("1 5 -10 10 10", "wholly outside"),
        ("1 10 5 0 25", "empty or inverted"),
        ("1 10 5 30 -25", "empty or inverted"),
        ("1 10 5 nan 25", "finite numbers"),
        ("1 10 5 inf 25", "finite numbers"),
        ("1 -inf 5 30 25", "finite numbers"),
        ("1 1e400 5 30 25", "finite numbers"),
    ],
)
def test_boxes_that_cannot_be(folder, line, message):
    set_line(folder, "bounding_boxes.txt", 1, line)
    result = agree(folder, "refused", "boxes cannot be used", BOX)
    assert message in result["findings"][0]["message"]


def test_boxes_beyond_the_edge(folder):
    rule = "boxes reach beyond their image and are clipped to it"
    set_line(folder, "bounding_boxes.txt", 1, "1 -5 -5 500 500")
    agree(folder, "repaired", rule, BOX)
    with pytest.warns(UserWarning, match="1 of 3 boxes"):
        dataset = BirdsFolder(folder, image_size=32)
    assert dataset.boxes[0].tolist() == [0, 0, 60, 40] and dataset.boxes.dtype == np.float64


# --------------------------------------------------------------------------------- names and lines


@pytest.mark.parametrize(
    ("name", "line", "rule", "where"),
    [
        ("images.txt", "2 a.png", "image ids are used twice", "images.txt line 2"),
        ("images.txt", "1 gone.png", "images are missing", "images.txt line 1"),
        ("images.txt", "1 " + "x" * 5000, "images are missing", "images.txt line 1"),
        ("images.txt", "1 a\0.png", "images are missing", "images.txt line 1"),
        ("images.txt", "1 ../a.png", "paths lead out of images/", "images.txt line 1"),
        ("images.txt", "1 /etc/passwd", "paths lead out of images/", "images.txt line 1"),
        ("images.txt", "1", "lines are malformed", "images.txt line 1"),
        ("images.txt", "9" * 5000 + " a.png", "lines are malformed", "images.txt line 1"),
        ("images.txt", b"1 caf\xe9.png", "lines are not UTF-8", "images.txt line 1"),
        ("bounding_boxes.txt", "2 1 1 5 5", "images have two lines", "bounding_boxes.txt line 2"),
        ("bounding_boxes.txt", "1 1 1 5", "lines are malformed", BOX),
        ("bounding_boxes.txt", b"1 1 1 5 \xff", "lines are not UTF-8", BOX),
        ("image_class_labels.txt", "1 7", "class ids are unknown", "image_class_labels.txt line 1"),
        ("image_class_labels.txt", "1 x", "lines are malformed", "image_class_labels.txt line 1"),
        ("classes.txt", "2 owl", "class ids are used twice", "classes.txt line 2"),
    ],
)
def test_lines_that_are_refused(folder, name, line, rule, where):
    set_line(folder, name, 1 if where.endswith("1") else 2, line)
    if rule in ("image ids are used twice", "images have two lines", "class ids are used twice"):
        first_line = line if name != "images.txt" else "2 b.png"
        set_line(folder, name, 1, first_line)
    result = check_folder(folder)
    assert ("refused", rule, where) in outcomes(result)
    with pytest.raises(InputError) as error:
        read_all(folder)
    assert str(error.value) in [f["message"] for f in result["findings"]]


def test_an_image_listed_twice_is_two_examples(folder):
    set_line(folder, "images.txt", 2, "2 a.png")
    set_line(folder, "bounding_boxes.txt", 2, "2 1 1 5 5")
    result = check_folder(folder)
    assert outcomes(result) == {
        ("used", "images are listed twice", "images.txt line 2"),
        ("used", "files are listed nowhere, and not looked at", f"b.png {folder}/images/b.png"),
    }
    assert len(BirdsFolder(folder, image_size=32)) == 3


def test_files_that_are_listed_nowhere(folder):
    path = os.path.join(os.fsencode(folder), b"images", b"caf\xe9.png")
    with open(path, "wb"):
        pass
    result = check_folder(folder)
    (found,) = (f for f in result["findings"] if "listed nowhere" in f["rule"])
    assert found["where"].endswith("caf\\udce9.png") and result["refused"] == 0
    report_text(result).encode("utf-8")
    json.dumps(result).encode("utf-8")


def test_classes_with_one_image_and_with_none(folder):
    write(folder, "classes.txt", ["1 owl", "2 gull", "3 dodo"])
    result = check_folder(folder)
    assert result["counts"]["used"] == {"classes have one image": 1, "classes have no image": 1}
    assert [f["where"] for f in result["findings"]] == ["class 2 (gull)", "class 3 (dodo)"]
    assert BirdsFolder(folder, image_size=32).n_children == 3


def test_missing_files(folder, tmp_path):
    (folder / "bounding_boxes.txt").unlink()
    (folder / "images.txt").unlink()
    result = check_folder(folder)
    assert result["counts"]["refused"] == {"files are missing": 2}
    with pytest.raises(InputError, match="no such folder"):
        check_folder(tmp_path / "nothing")


# --------------------------------------------------------------------------------- the command


def test_everything_in_one_pass(folder, capsys, tmp_path):
    """Six faults of different kinds, all listed, exit status 1, no traceback."""
    first(folder).write_bytes(b"")
    set_line(folder, "bounding_boxes.txt", 2, "2 10 5 nan 25")
    set_line(folder, "image_class_labels.txt", 2, "2 9")
    with open(folder / "images.txt", "ab") as file:
        file.write(b"4 gone.png\n3 c.png\n\xff\n")
    status = main(["check", str(folder), "--json", str(tmp_path / "found.json"), "--no-progress"])
    said = capsys.readouterr()
    assert status == 1 and said.err == ""
    for text in (
        "images.txt, line 1)",
        "images.txt, line 4: the image is missing",
        "images.txt, line 5: an image id is used twice",
        "images.txt, line 6: it is not UTF-8",
        "bounding_boxes.txt, line 2: a box needs finite numbers",
        "image_class_labels.txt, line 2: unknown class id",
    ):
        assert text in said.out
    result = json.loads((tmp_path / "found.json").read_text())
    assert result["refused"] == 6 and len(result["findings"]) == 6 + result["used"]
    assert sum(result["counts"]["refused"].values()) == 6


def test_the_commands_status(folder, capsys):
    assert main(["check", str(folder), "--no-progress"]) == 0
    assert "Nothing is refused" in capsys.readouterr().out
    save_first(folder, Image.new("RGB", (60, 40)), "BMP")
    first(folder).write_bytes(first(folder).read_bytes()[:-200])
    assert main(["check", str(folder), "--no-progress", "--headers-only"]) == 0
    assert main(["check", str(folder), "--no-progress"]) == 1
    assert main(["check", str(folder / "nothing"), "--no-progress"]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"full_scale": 0.5}, "full_scale is out of range; got 0.5"),
        ({"image_sizes": [32, 31]}, "image_size must be 4, 5, 6 or 7 pixels.*got 31"),
    ],
)
def test_sizes_that_no_training_has_are_refused_before_the_pass(
    folder, wrong, message, monkeypatch
):
    monkeypatch.setattr("finegan_lib.data.check.read_images", None)
    with pytest.raises(InputError, match=message):
        check_folder(folder, **wrong)


def test_a_full_and_a_read_only_disk(folder, capsys, tmp_path, monkeypatch):
    """/dev/full is a disk that is always full. The check itself writes nothing."""
    before = sorted(folder.rglob("*"))
    if Path("/dev/full").exists():
        assert main(["check", str(folder), "--no-progress", "--json", "/dev/full"]) == 2
        assert "cannot write /dev/full; got No space left" in capsys.readouterr().err
    kept = tmp_path / "kept.json"
    kept.write_text("old")

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        assert main(["check", str(folder), "--no-progress", "--json", str(kept)]) == 2
    assert "Read-only file system" in capsys.readouterr().err
    assert kept.read_text() == "old" and sorted(folder.rglob("*")) == before
    assert [path.name for path in tmp_path.iterdir()].count("kept.json") == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_read(folder):
    folder.chmod(0o555)
    try:
        assert check_folder(folder)["refused"] == 0 and read_all(folder) == []
    finally:
        folder.chmod(0o755)


def test_foreign_bytes_in_names_do_not_end_the_command(folder, monkeypatch):
    path = os.path.join(os.fsencode(folder), b"images", b"caf\xe9.png")
    Path(os.fsdecode(path)).write_bytes(b"x")
    set_line(folder, "images.txt", 1, b"1 caf\xe9.png")
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "utf-8", errors="strict"))
    assert main(["check", str(folder), "--no-progress"]) == 1
    sys.stdout.flush()
    assert rb"b'1 caf\xe9.png'" in written.getvalue()


def test_long_reports_are_shortened(folder):
    with open(folder / "images.txt", "a") as file:
        file.writelines(f"{k} gone_{k}.png\n" for k in range(10, 40))
    text = report_text(check_folder(folder, decode=False), most=5)
    assert "refused   … and 25 more; --json has them all" in text
    assert "refused       30 images are missing" in text
