"""data_scripts/ end to end: archives on a faulty server, or in the user's hands, to BirdsFolder.

The archives have each data set's original layout; every picture has a red rectangle in its box, so
that the resulting boxes are compared with pixels.
"""

import hashlib
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finegan_lib.__main__ import build_parser
from finegan_lib.base.errors import InputError
from finegan_lib.codes import CodeHierarchy
from finegan_lib.data import BirdsFolder, cub_folder, layouts
from finegan_lib.data import obtain as module
from finegan_lib.data.check import check_folder
from finegan_lib.data.pictures import read_rgb
from finegan_lib.data.sources import SOURCES, Archive

SCRIPTS = Path(__file__).resolve().parents[2] / "data_scripts"


def run(script, *arguments):
    """The exit status of a script, run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [script, *map(str, arguments), "--no-progress"])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    return end.value.code


@pytest.fixture
def publish(server, small, monkeypatch):
    """Puts a small data set on the server and into the table: {archive: {path: bytes}}."""

    def publish(key, archives):
        rows = []
        for name, files in archives.items():
            if name.endswith("zip"):
                data = small.zipped(files)
            else:
                data = small.tarred(files, "w:gz" if name.endswith("gz") else "w:")
            server.files[f"/{name}"] = data
            checksums = {"sha256": hashlib.sha256(data).hexdigest()}
            rows.append(Archive(name, (f"{server.url}/{name}",), len(data), checksums, "this test"))
        source = replace(SOURCES[key], archives=tuple(rows), images=3, classes=2)
        monkeypatch.setitem(SOURCES, key, source)
        return source

    return publish


def boxes_are_right(folder, n):
    """Every box frames its picture's red rectangle, to the pixel."""
    dataset = BirdsFolder(folder, image_size=32)
    assert len(dataset) == n
    for path, box in zip(dataset.paths, dataset.boxes, strict=True):
        image = read_rgb(path)
        pixels = np.asarray(image).astype(int)
        ys, xs = np.nonzero((pixels[..., 0] > 200) & (pixels[..., 2] < 100))
        assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], path
    dataset[0], dataset[n - 1]
    return dataset


def hidden(root):
    return list(root.rglob(".*"))


# ------------------------------------------------------------------------ from archives on a server


def test_cub(publish, server, small, tmp_path, capsys):
    publish("cub", {"CUB_200_2011.tgz": small.cub_files()})
    assert run("get_cub.py", "--root", tmp_path) == 0
    said = capsys.readouterr().out
    for part in ("6 images", "3 classes", "6 boxes", "terms: The photographs", "--preset cub"):
        assert part in said
    folder = tmp_path / "CUB_200_2011"
    dataset = boxes_are_right(folder, 6)
    assert dataset.child_index.tolist() == [0, 0, 1, 1, 2, 2]
    assert dataset.class_names == ["001.Bird", "002.Bird", "003.Bird"]
    assert (folder / "train_test_split.txt").read_text() == "1 0\n2 1\n3 0\n4 1\n5 0\n6 1\n"
    # Not one byte of a picture has changed.
    for name, data in small.cub_files().items():
        if name.endswith(".png"):
            assert (tmp_path / name).read_bytes() == data
    assert check_folder(folder)["refused"] == 0 and not hidden(tmp_path)
    sheet = Image.open(folder / "contact_sheet.png")
    assert sheet.size == (8 * 128, 24 + 128 + 16)
    n_requests = len(server.requests)
    assert run("get_cub.py", "--root", tmp_path) == 0
    assert "Already there, and intact." in capsys.readouterr().out
    assert len(server.requests) == n_requests


def test_dogs(publish, small, tmp_path, capsys):
    publish("dogs", small.dogs_files())
    assert run("get_dogs.py", "--root", tmp_path) == 0
    assert "1 images hold several dogs: the largest box is kept" in capsys.readouterr().out
    dataset = boxes_are_right(tmp_path / "dogs", 3)
    assert dataset.class_names == ["n00-Breed_0", "n01-Breed_1"]
    assert dataset.child_index.tolist() == [0, 0, 1]
    assert (tmp_path / "dogs/train_test_split.txt").read_text() == "1 1\n2 1\n3 0\n"
    assert not hidden(tmp_path)


def test_tiny_imagenet_and_one_group_of_it(publish, small, server, monkeypatch, tmp_path, capsys):
    publish("tiny_imagenet", {"tiny-imagenet-200.zip": small.tiny_files()})
    assert run("get_tiny_imagenet.py", "--root", tmp_path) == 0
    said = capsys.readouterr().out
    assert "6 images" in said and "terms: The photographs are a part of ImageNet" in said
    dataset = boxes_are_right(tmp_path / "tiny_imagenet", 6)
    assert dataset.class_names == ["Chihuahua", "bee", "school_bus"]
    assert dataset.child_index.tolist() == [0, 0, 1, 1, 2, 2]
    split = (tmp_path / "tiny_imagenet/train_test_split.txt").read_text()
    assert split == "1 1\n2 0\n3 1\n4 0\n5 1\n6 0\n"

    # The small archive has one class of these two groups.
    groups = {"insects": ("n02206856",), "vehicles": ("n04146614", "n04487081")}
    monkeypatch.setitem(
        SOURCES, "tiny_imagenet", replace(SOURCES["tiny_imagenet"], groups=groups, classes=200)
    )
    assert run("get_tiny_imagenet.py", "--root", tmp_path, "--group", "insects") == 0
    said = capsys.readouterr().out
    assert "--preset birds32 --n-parents 5 --n-children 20 --data" in said
    assert boxes_are_right(tmp_path / "insects1", 2).class_names == ["bee"]
    assert run("get_tiny_imagenet.py", "--root", tmp_path, "--group", "vehicles") == 1
    assert "there is no such class; got n04487081" in capsys.readouterr().err
    assert not (tmp_path / "vehicles2").exists() and not hidden(tmp_path)
    assert len(server.requests) == 1


FAULTS = {
    "cut": ([{"cut": 1000}, {"cut": 500}], 0),
    "ignores Range": ([{"cut": 1000}, {"ignore_range": True}], 0),
    "busy, then well": ([{"status": 503}, {"status": 503}], 0),
    "busy": ([{"status": 503}] * 9, 1),
    "not found": ([{"status": 404}], 1),
    "wrong bytes": (["flip"], 1),
    "a page instead": ([{"body": b"<html>please log in</html>"}], 1),
    "silent": ([{"cut": 500, "stall": 9}] + [{"cut": 0, "stall": 9}] * 8, 1),
    "slow": ([{"trickle": 0.05}] * 9, 1),
    "always cut, no Range": ([{"cut": 1000, "ignore_range": True}] * 9, 1),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("key", ["cub", "dogs"])
def test_a_correct_data_set_or_a_clear_error(
    publish, server, small, tmp_path, capsys, sleeps, fault, key
):
    """A half-extracted folder never counts as whole, and the next undisturbed run succeeds."""
    archives = {"CUB_200_2011.tgz": small.cub_files()} if key == "cub" else small.dogs_files()
    archives.pop("lists.tar", None)  # whose Matlab files take a second each to read
    source = publish(key, archives)
    name = source.archives[0].name
    faults, status = FAULTS[fault]
    if faults == ["flip"]:
        body = bytearray(server.files[f"/{name}"])
        body[len(body) // 2] ^= 1
        faults = [{"body": bytes(body)}]
    server.faults[f"/{name}"] = [dict(due) for due in faults]
    options = ("--root", tmp_path, "--timeout", 0.2, "--attempts", 3)
    assert run(f"get_{key}.py", *options) == status
    said, n = capsys.readouterr(), 6 if key == "cub" else 3
    assert "Traceback" not in said.err and not hidden(tmp_path)
    if status:
        assert said.err.startswith("error: ") and said.err.count("\n") == 1
        assert not (tmp_path / source.folder).exists()
        server.faults.clear()
        assert run(f"get_{key}.py", *options) == 0
    boxes_are_right(tmp_path / source.folder, n)


@pytest.mark.parametrize("harm", ["truncated", "escapes", "link", "no images", "bad annotation"])
def test_archives_that_are_published_but_unusable(
    publish, server, small, tmp_path, capsys, monkeypatch, harm
):
    """The checksum agrees, but nothing harmful and nothing incomplete is written."""
    files = small.cub_files()
    if harm == "escapes":
        files["../../escaped.txt"] = b"!"
    if harm == "no images":
        files = {name: data for name, data in files.items() if "images/" not in name}
    if harm == "bad annotation":
        files["CUB_200_2011/bounding_boxes.txt"] = b"1 0 0 5\n"
    source = publish("cub", {"CUB_200_2011.tgz": files})
    if harm in ("truncated", "link"):
        data = server.files["/CUB_200_2011.tgz"][:-200]
        if harm == "link":
            data = tar_with_link()
        server.files["/CUB_200_2011.tgz"] = data
        archive = replace(
            source.archives[0],
            size=len(data),
            checksums={"sha256": hashlib.sha256(data).hexdigest()},
        )
        monkeypatch.setitem(SOURCES, "cub", replace(source, archives=(archive,)))
    root = tmp_path / "deep" / "root"
    assert run("get_cub.py", "--root", root) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "Traceback" not in error
    assert [path.name for path in root.iterdir()] == ["archives"]
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def tar_with_link():
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("CUB_200_2011")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(member)
    return buffer.getvalue()


# ------------------------------------------------------------------------------ what the user has


@pytest.mark.parametrize(
    ("layout", "packed"),
    [
        ("devkit", "folder"),
        ("nested", "zip"),
        ("together", "tgz"),
        ("by_class", "folder"),
        ("by_class", "zip"),
        ("devkit", "tgz"),
    ],
)
def test_cars_in_every_layout(small, tmp_path, capsys, layout, packed):
    files = small.cars_files(layout)
    if packed == "folder":
        given = [small.write_files(tmp_path / "given", files)]
    elif packed == "zip":
        given = [tmp_path / "archive.zip"]
        given[0].write_bytes(small.zipped(files))
    else:  # the authors' several archives, and a file that is none
        loose = {name: data for name, data in files.items() if "/" not in name}
        given = [
            small.write_files(
                tmp_path,
                {
                    "cars_train.tgz": small.tarred(
                        {name: data for name, data in files.items() if name not in loose}
                    )
                },
            )
            / "cars_train.tgz"
        ]
        given += [small.write_files(tmp_path, {n: data}) / n for n, data in loose.items()]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run("get_cars.py", "--root", tmp_path / "data", "--from", *given) == 0
    dataset = boxes_are_right(tmp_path / "data" / "cars", 3)
    assert dataset.class_names == small.CAR_NAMES and dataset.child_index.tolist() == [0, 1, 2]
    split = (tmp_path / "data/cars/train_test_split.txt").read_text()
    assert split == "1 1\n2 1\n3 0\n"
    assert before == {path: path.read_bytes() for path in before}
    assert "the published data set has 16185 images" in capsys.readouterr().out


def test_cars_without_labels_of_the_test_images(small, tmp_path, capsys):
    files = small.cars_files("devkit")
    del files["cars_test_annos_withlabels.mat"]
    given = small.write_files(tmp_path / "given", files)
    assert run("get_cars.py", "--root", tmp_path, "--from", given) == 0
    assert "8,041 test images are left out" in capsys.readouterr().out
    assert boxes_are_right(tmp_path / "cars", 2).n_children == 2


def test_cars_cannot_be_downloaded_and_what_to_do(tmp_path, capsys):
    assert run("get_cars.py", "--root", tmp_path) == 1
    error = capsys.readouterr().err
    assert "pytorch/vision/issues/7545" in error and "--from" in error
    assert "no longer served" in SOURCES["cars"].homepage


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"devkit/cars_train_annos.mat": None}, "not Stanford Cars in a layout that is known"),
        ({"cars_train/00002.jpg": None}, "annotation 2: the image is missing; got 'cars_train/00"),
        ({"devkit/cars_train_annos.mat": b"no mat"}, "cannot read .*cars_train_annos.mat"),
        ({"devkit/cars_meta.mat": b""}, "cannot read .*cars_meta.mat"),
        ({"cars_train/00001.jpg": b"no picture"}, "1 of 3 images cannot be used"),
    ],
)
def test_broken_cars(small, tmp_path, capsys, change, message):
    files = {k: v for k, v in (small.cars_files("devkit") | change).items() if v is not None}
    given = small.write_files(tmp_path / "given", files)
    assert run("get_cars.py", "--root", tmp_path, "--from", given) == 1
    assert re.search(message, capsys.readouterr().err)
    assert not (tmp_path / "cars").exists() and not hidden(tmp_path)


def test_kaggles_cars_with_the_wrong_annotations_are_explained(small, tmp_path, capsys):
    """cars_annos.mat numbers car_ims/; in a folder with cars_train/ it would mix up the cars."""
    files = small.cars_files("nested")
    files = {name: data for name, data in files.items() if not name.endswith(".mat")}
    files["cars_annos.mat"] = small.cars_files("together")["cars_annos.mat"]
    given = small.write_files(tmp_path / "given", files)
    assert run("get_cars.py", "--root", tmp_path, "--from", given) == 1
    assert "the devkit is needed" in capsys.readouterr().err


def test_given_archives_are_recognised_by_their_checksums(publish, server, small, tmp_path, capsys):
    publish("cub", {"CUB_200_2011.tgz": small.cub_files()})
    given = tmp_path / "CUB_200_2011.tgz"
    given.write_bytes(server.files["/CUB_200_2011.tgz"])
    assert run("get_cub.py", "--root", tmp_path / "a", "--from", given) == 0
    assert "is the published file" in capsys.readouterr().out
    given.write_bytes(small.tarred(small.cub_files() | {"more": b""}))
    assert run("get_cub.py", "--root", tmp_path / "b", "--from", given) == 0
    assert "is not a file whose checksum is published" in capsys.readouterr().out
    assert not server.requests
    assert run("get_cub.py", "--root", tmp_path / "c", "--from", tmp_path / "nothing") == 1
    assert run("get_cub.py", "--root", tmp_path / "c", "--from", tmp_path, given) == 1
    assert "takes one folder, or archives" in capsys.readouterr().err


# ------------------------------------------------------------------------------- intact or not


@pytest.fixture
def birds(publish, small, tmp_path):
    publish("cub", {"CUB_200_2011.tgz": small.cub_files()})
    assert run("get_cub.py", "--root", tmp_path) == 0
    return tmp_path / "CUB_200_2011"


@pytest.mark.parametrize("harm", ["image gone", "image cut", "list changed", "no manifest", "junk"])
def test_a_damaged_folder_is_not_taken_for_whole(birds, capsys, harm):
    image = birds / "images" / "001.Bird" / "Bird_1.png"
    assert cub_folder.read_manifest(birds)
    if harm == "image gone":
        image.unlink()
    if harm == "image cut":
        image.write_bytes(image.read_bytes()[:-1])
    if harm == "list changed":
        text = (birds / "bounding_boxes.txt").read_text()
        (birds / "bounding_boxes.txt").write_text(text.replace("10", "11", 1))
    if harm == "no manifest":
        (birds / "manifest.json").unlink()
    if harm == "junk":
        (birds / "manifest.json").write_text("[]")
    assert cub_folder.read_manifest(birds) is None
    assert run("get_cub.py", "--root", birds.parent) == 1
    error = capsys.readouterr().err
    assert "the folder exists, but not as this command has written it" in error
    assert (birds / "images.txt").exists()  # nothing of the user's is lost


def test_being_there_already_needs_no_torch(birds):
    """PyTorch alone takes longer to import than the answer may take."""
    code = (
        "import sys; from finegan_lib.data.obtain import obtain;"
        f"manifest, there = obtain('cub', {str(birds.parent)!r});"
        "print(there, manifest['images'], 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split() == ["True", "6", "False"], result.stderr


def test_stopped_while_linking(publish, small, tmp_path, monkeypatch, capsys):
    publish("cub", {"CUB_200_2011.tgz": small.cub_files()})
    link, count = os.link, []

    def stopped(*arguments):
        count.append(1)
        if len(count) == 4:
            raise KeyboardInterrupt
        link(*arguments)

    monkeypatch.setattr(os, "link", stopped)
    assert run("get_cub.py", "--root", tmp_path) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["archives"]
    assert run("get_cub.py", "--root", tmp_path) == 0
    boxes_are_right(tmp_path / "CUB_200_2011", 6)


def test_a_full_disk_while_unpacking(publish, small, tmp_path, monkeypatch, capsys):
    from finegan_lib.data import archives

    publish("cub", {"CUB_200_2011.tgz": small.cub_files()})

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(archives, "_copy", full)
        assert run("get_cub.py", "--root", tmp_path) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["archives"]


def test_a_disk_without_hard_links_gets_copies(publish, small, tmp_path, monkeypatch):
    def impossible(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", impossible)
    publish("cub", {"CUB_200_2011.tgz": small.cub_files()})
    assert run("get_cub.py", "--root", tmp_path) == 0
    boxes_are_right(tmp_path / "CUB_200_2011", 6)


def test_few_unusable_images_of_a_published_set_are_left_out(small, tmp_path):
    collection = cub_folder.Collection([], ["a", "b"])
    photos = []
    for k in range(4):
        path = tmp_path / f"{k}.png"
        path.write_bytes(small.encoded(small.picture((40, 40), (5, 5, 20, 20))))
        photos.append(
            layouts.Photo(path, path.name, (5, 5, 20, 20), k % 2, None, True, None, str(k))
        )
    photos[1] = replace(photos[1], box=(50, 5, 60, 20))
    collection.photos = photos
    manifest = cub_folder.write_cub_folder(
        collection, tmp_path / "out", leave_out=0.25, progress=False
    )
    assert (
        manifest["images"] == 3 and "1 images cannot be used and are left" in manifest["notes"][0]
    )
    with pytest.raises(
        InputError, match=r"1 of 4 images cannot be used; got \n  1: the box lies wholly outside"
    ):
        cub_folder.write_cub_folder(collection, tmp_path / "not", leave_out=0.2, progress=False)
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.py")))
def test_every_script_has_help(script):
    result = subprocess.run(
        [sys.executable, SCRIPTS / script, "--help"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SCRIPTS.parent)},
    )
    assert result.returncode == 0 and not result.stderr
    assert ("NAME" if script == "get.py" else "--root") in result.stdout


def test_a_new_row_is_all_that_a_data_set_needs(small, tmp_path, monkeypatch, capsys):
    """One reader and one row: then the command makes the folder, and a part of it."""

    def read_two(folder):
        files = sorted(folder.glob("*.png"))
        rows = [
            layouts.Photo(file, file.name, (5, 5, 20, 20), k, None, True, None, file.name)
            for k, file in enumerate(files)
        ]
        return layouts.Collection(rows, ["first", "second"])

    row = replace(
        SOURCES["cub"], title="Two", reader=read_two, folder="two", images=2, classes=2, archives=()
    )
    monkeypatch.setitem(SOURCES, "two", row)
    given = tmp_path / "given"
    picture = small.encoded(small.picture((40, 40), (5, 5, 20, 20)))
    small.write_files(given, {"a.png": picture, "b.png": picture})
    assert run("get.py", "two", "--root", tmp_path, "--from", given) == 0
    assert "2 images" in capsys.readouterr().out
    assert boxes_are_right(tmp_path / "two", 2).class_names == ["first", "second"]
    assert run("get.py", "two", "--root", tmp_path, "--from", given, "--species", "1") == 0
    assert boxes_are_right(tmp_path / "two1", 1).class_names == ["first"]


def test_the_table():
    for key, source in SOURCES.items():
        assert source.terms and source.cite and source.homepage
        assert bool(source.manual) == (key == "cars")
        assert (source.parents is None) == (key == "tiny_imagenet")
        for ids in source.groups.values():
            assert len(ids) == len(set(ids)) and list(ids) == sorted(ids)
        for archive in source.archives:
            assert bool(archive.urls) != bool(source.manual) and archive.published
            assert archive.size > 100_000
            for kind, digest in archive.checksums.items():
                assert len(bytes.fromhex(digest)) == hashlib.new(kind).digest_size
            assert "sha256" in archive.checksums


@pytest.mark.parametrize(("key", "codes"), [("cub", 200), ("dogs", 120), ("cars", 196)])
def test_the_presets_look_where_the_scripts_write_and_count_as_the_table(key, codes):
    from finegan_lib.training.presets import PRESETS

    source, preset = SOURCES[key], PRESETS[key]
    assert preset.loop.data == f"data/{source.folder}"
    assert (preset.model.n_children, preset.model.n_parents) == (source.classes, source.parents)
    assert source.classes == codes


def test_the_manifest_is_read_back(birds):
    manifest = json.loads((birds / "manifest.json").read_text())
    assert manifest == cub_folder.read_manifest(birds)
    assert (manifest["images"], manifest["classes"], manifest["boxes"]) == (6, 3, 6)
    assert list(manifest["origin"]["archives"]) == ["CUB_200_2011.tgz"]


@pytest.mark.parametrize("most", [1, 3, 7, 40])
def test_evenly_spaced(most):
    found = cub_folder.evenly_spaced(7, most)
    assert found[0] == 0 and len(found) == min(7, most) == len(set(found)) and max(found) < 7
    assert cub_folder.evenly_spaced(10, 5) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("classes", (None, 0, 1, 3, 4, 11, 50, 200))
def test_the_advised_training_has_children_for_every_parent(classes, tmp_path, capsys):
    module._say_how_to_train(tmp_path / "my birds", module._small_preset(classes))
    words = shlex.split(capsys.readouterr().out.partition("-m finegan_lib ")[2])
    settings = build_parser().parse_args(words)
    assert settings.data == str(tmp_path / "my birds")  # the space does not split the path
    hierarchy = CodeHierarchy.equal(settings.n_parents, settings.n_children)
    assert min(hierarchy.children_count) >= 4
    assert (classes or 0) < 4 or settings.n_children == classes
