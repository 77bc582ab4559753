"""Some classes of a data set, and smaller photographs."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finegan_lib.base.errors import InputError
from finegan_lib.data import BirdsFolder
from finegan_lib.data.layouts import Collection, Photo
from finegan_lib.data.obtain import main
from finegan_lib.data.subset import Subset, choose_classes, read_names, shrink

NAMES = ["001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Auk", "004.Auk"]


def collection(tmp_path, names=NAMES, ids=None):
    photos = [
        Photo(tmp_path / f"{k}.jpg", f"{k}.jpg", (0, 0, 9, 9), k % len(names), True, True, None, "")
        for k in range(2 * len(names))
    ]
    return Collection(photos, list(names), ["a note"], ids)


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (["2"], [0, 1]),  # one number is a count
        (["2-2"], [1]),
        (["4", "2"], [1, 3]),
        (["2,4"], [1, 3]),
        (["1-2", "2-3"], [0, 1, 2]),
        (["Laysan_Albatross"], [1]),
        (["laysan albatross", "001.Black_footed_Albatross"], [0, 1]),
        (["Auk"], [2, 3]),  # two classes have this name
    ],
)
def test_classes_by_number_range_and_name(tmp_path, words, chosen):
    part = choose_classes(collection(tmp_path), words)
    assert part.class_names == [NAMES[k] for k in chosen]
    assert [photo.file.stem for photo in part.photos] == [
        str(k) for k in range(8) if k % 4 in chosen
    ]
    assert sorted({photo.label for photo in part.photos}) == list(range(len(chosen)))
    assert part.notes == ["a note"]
    assert Subset(tuple(words)).n_classes(4) in (len(chosen), len(chosen) - words.count("Auk"))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("5", "no such class; got 1-5. Numbers and ranges go from 1 to 4"),
        ("0-2", "no such class; got 0-2"),
        ("3-2", "no such class; got 3-2"),
        ("Lisan_Albatros", "Did you mean laysan_albatross"),
        ("zebra", "The first is 001.Black_footed"),
    ],
)
def test_classes_that_do_not_exist(tmp_path, word, message):
    with pytest.raises(InputError, match=message):
        choose_classes(collection(tmp_path), [word])


def test_identifiers_of_classes(tmp_path):
    whole = collection(tmp_path, ["bee", "fly"], ["n1", "n2"])
    part = choose_classes(whole, ("n2",))
    assert part.class_names == ["fly"] and part.class_ids == ["n2"]
    with pytest.raises(InputError, match="no classes to choose from"):
        choose_classes(dataclasses.replace(whole, class_names=None), ("n2",))


# (width, height), box, and the size that 152 pixels of the crop leave
CASES = [
    # The crop decides: 1.5 * 200 = 300 pixels become 152; the shorter side keeps 507.
    ((1000, 1000), (100, 100, 300, 250), 1000 * 152 / 300),
    # The shorter side decides: 149 pixels, though the crop could be smaller.
    ((600, 300), (0, 0, 500, 280), 600 * 149 / 300),
    # Too few pixels already: not touched.
    ((200, 149), (10, 10, 100, 100), None),
    ((400, 300), (10, 10, 90, 60), None),
]


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("size", "box", "width"), CASES)
def test_shrunk_photographs_keep_what_the_crop_needs(
    small, tmp_path, size, box, width, orientation, suffix
):
    file = tmp_path / f"bird{suffix}"
    image = small.picture(size, box).resize(size)
    file.write_bytes(small.encoded(image, orientation, "JPEG" if suffix == ".jpg" else "PNG"))
    photo = Photo(file, f"1/bird{suffix}", box, 0, True, False, None, "line 1")
    whole, before = Collection([photo], ["bird"]), file.read_bytes()
    part = shrink(whole, 152, tmp_path / "small", progress=False)
    assert file.read_bytes() == before
    if width is None:
        assert part.photos == whole.photos and part.notes[0].startswith("0 photographs are shrunk")
        return
    (found,) = part.photos
    with Image.open(found.file) as copy:
        assert copy.size[0] == pytest.approx(width, abs=1)
        assert copy.format == ("JPEG" if suffix == ".jpg" else "PNG")
        # The red rectangle lies where the new box says.
        assert np.abs(np.subtract(found.box, small.red_box(copy))).max() < 1.5
        x1, y1, x2, y2 = found.box
        assert 1.5 * max(x2 - x1, y2 - y1) >= 152 and min(copy.size) >= 149
    assert found.file.stat().st_size < len(before) and found.name == photo.name


def test_what_cannot_be_shrunk_is_passed_on(small, tmp_path):
    """The rules of write_cub_folder say what becomes of it."""
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    photos = [
        Photo(tmp_path / name, name, (0, 0, 9, 9), 0, True, True, None, "")
        for name in ("broken.jpg", "missing.jpg")
    ]
    assert shrink(Collection(photos, ["a"]), 76, tmp_path / "s", progress=False).photos == photos
    file = tmp_path / "far.png"
    file.write_bytes(small.encoded(small.picture((500, 500), (0, 0, 9, 9))))
    photo = Photo(file, "far.png", (9, 9, 9, 9), 0, True, True, None, "")
    assert shrink(Collection([photo], ["a"]), 76, tmp_path / "s", progress=False).photos == [photo]


def test_a_full_disk_is_named(small, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    file = tmp_path / "a.png"
    file.write_bytes(small.encoded(small.picture((500, 500), (50, 50, 400, 400))))
    photo = Photo(file, "a.png", (50, 50, 400, 400), 0, True, True, None, "")
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(InputError, match="No space left on device"):
        shrink(Collection([photo], ["a"]), 76, tmp_path / "s", progress=False)


# ------------------------------------------------------------------------------------- the command


@pytest.fixture
def given(small, tmp_path):
    return small.write_files(tmp_path / "given", small.cub_files())


def get_cub(*arguments):
    return main("cub", [*map(str, arguments), "--no-progress"])


def test_a_small_cub(given, tmp_path, capsys):
    options = ("--root", tmp_path, "--from", given, "--species", 2, "--shrink", 32)
    assert get_cub(*options) == 0
    said = capsys.readouterr().out
    assert "4 photographs are shrunk, so that their crops keep 32 pixels" in said
    assert "the published data set has 11788 images in 200 classes" in said
    dataset = BirdsFolder(tmp_path / "cub2", image_size=32)
    assert dataset.class_names == ["001.Bird", "002.Bird"] and len(dataset) == 4
    assert (tmp_path / "cub2/train_test_split.txt").read_text() == "1 0\n2 1\n3 0\n4 1\n"
    assert dataset[0].child_crop.shape == (3, 32, 32)
    assert get_cub(*options) == 0
    assert "Already there, and intact." in capsys.readouterr().out


def test_another_part_under_the_same_name_is_refused(given, tmp_path, capsys):
    assert get_cub("--root", tmp_path, "--from", given, "--species", "1-2") == 0
    before = (tmp_path / "cub2/images.txt").read_text()
    assert get_cub("--root", tmp_path, "--from", given, "--species", "2-3") == 1
    assert "the folder holds another part of the data set" in capsys.readouterr().err
    assert (tmp_path / "cub2/images.txt").read_text() == before
    more = ("--species", "2-3", "--name", "others")
    assert get_cub("--root", tmp_path, "--from", given, *more) == 0
    assert BirdsFolder(tmp_path / "others", image_size=32).class_names == ["002.Bird", "003.Bird"]


def names_of(given, numbers):
    """The names of some photographs of a drawn CUB, by their places."""
    (listed,) = given.rglob("images.txt")
    names = [line.split()[1] for line in listed.read_text().splitlines()]
    return [names[k] for k in numbers]


def test_a_list_of_photographs(given, tmp_path, capsys):
    chosen = names_of(given, (0, 4, 5))  # two of the first and the third species
    listed = tmp_path / "mine.txt"
    listed.write_text("# what I want\n\n" + "\n".join(chosen[::-1]) + "\n", encoding="utf-8")
    options = ("--root", tmp_path, "--from", given, "--photographs", listed)
    assert get_cub(*options) == 0
    dataset = BirdsFolder(tmp_path / "mine", image_size=32)
    kept = [line.split()[1] for line in (tmp_path / "mine/images.txt").read_text().splitlines()]
    assert kept == chosen and dataset.class_names == ["001.Bird", "003.Bird"]
    assert (tmp_path / "mine/image_class_labels.txt").read_text() == "1 1\n2 2\n3 2\n"
    assert get_cub(*options) == 0
    assert "Already there, and intact." in capsys.readouterr().out
    listed.write_text(chosen[0] + "\n", encoding="utf-8")
    assert get_cub(*options) == 1
    assert "the folder holds another part of the data set" in capsys.readouterr().err


def test_a_list_with_a_name_that_is_not_there(given, tmp_path, capsys):
    listed = tmp_path / "mine.txt"
    options = ("--root", tmp_path / "data", "--from", given, "--photographs", listed)
    wanted = [*names_of(given, (0, 4)), "001.Bird/nobody.jpg"]
    listed.write_text("\n".join(wanted), encoding="utf-8")
    assert get_cub(*options) == 1
    said = capsys.readouterr().err
    assert "1 of 3 photographs are not in the data set" in said and "001.Bird/nobody.jpg" in said
    listed.write_text("\n".join(names_of(given, (0, 4))), encoding="utf-8")
    assert get_cub(*options, "--species", "1-2") == 1  # the second name is of the third species
    assert "1 of 2 photographs are not in the data set, or not in its" in capsys.readouterr().err
    listed.write_text("# nothing\n", encoding="utf-8")
    assert get_cub(*options) == 1
    assert "the file names no photographs" in capsys.readouterr().err
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").glob("*"))


def test_the_list_of_the_committed_results():
    names = read_names(Path(__file__).parents[2] / "data_scripts" / "cub50.txt")
    assert len(names) == 2308
    species = [name.partition("/")[0] for name in names]
    assert sorted(set(species)) == list(dict.fromkeys(species))
    assert [name[:3] for name in dict.fromkeys(species)] == [f"{k:03d}" for k in range(1, 51)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--species", "201"), "got 1-201. Numbers and ranges go from 1 to 200"),
        (("--species", "4"), "got 1-4. Numbers and ranges go from 1 to 3"),
        (("--species", "Brid"), "Did you mean bird"),
        (("--shrink", "8"), "not shrunk below 32 pixels; got --shrink 8"),
    ],
)
def test_what_cannot_be_had(given, tmp_path, capsys, options, message):
    assert get_cub("--root", tmp_path / "data", "--from", given, *options) == 1
    assert message in capsys.readouterr().err
    assert not list((tmp_path / "data").glob("*")) if (tmp_path / "data").exists() else True
