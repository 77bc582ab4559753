"""The message about a full disk is the same everywhere."""

import errno
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from finegan_lib.base import checkpoints
from finegan_lib.base.errors import InputError
from finegan_lib.base.files import DISK_FULL, disk_error, disk_errors, write_text
from finegan_lib.data import ToyBirds, cache, files

WORDS = r"; got No space left on device.*, 3\.5 MB are free\. Free some space"


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def few_bytes_free(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3_500_000))


def a_checkpoint(folder, monkeypatch):
    monkeypatch.setattr(checkpoints, "save_file", full)
    checkpoints.save_checkpoint(folder / "a.safetensors", {"w": torch.ones(2)})


def a_text(folder, monkeypatch):
    monkeypatch.setattr("os.fsync", full)
    write_text(folder / "a.json", "{}")


def photographs(folder, monkeypatch):
    (folder / "images").mkdir()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(folder / "images" / "a.png")
    (folder / "images.txt").write_text("1 a.png\n")
    (folder / "bounding_boxes.txt").write_text("1 2 2 9 9\n")
    monkeypatch.setattr("os.fsync", full)
    cache.CachedBirds(folder, image_size=32, cache_dir=folder / "cache", progress=False)


def toybirds(folder, monkeypatch):
    monkeypatch.setattr(np.lib.format, "open_memmap", full)
    ToyBirds(4, image_size=32, cache_dir=folder / "cache", progress=False)


def a_folder(folder, _):
    with files.new_folder(folder / "new"):
        full()


@pytest.mark.parametrize("write", [a_checkpoint, a_text, photographs, toybirds, a_folder])
def test_a_full_disk_is_told_alike(write, tmp_path, monkeypatch, few_bytes_free):
    with pytest.raises(InputError, match=r"^cannot write .*" + WORDS):
        write(tmp_path, monkeypatch)
    left = {p.name for p in tmp_path.rglob("*")}
    assert left <= {"images", "a.png", "images.txt", "bounding_boxes.txt", "cache"}


def test_the_parts_of_the_message(tmp_path, few_bytes_free):
    error = OSError(errno.ENOSPC, "No space", str(tmp_path / "b"))
    said = str(disk_error("write", tmp_path, error, needs=2_000_000, cure="Do."))
    assert said == (
        f"cannot write {tmp_path}; got No space ({tmp_path}/b); it takes 2.0 MB, "
        "3.5 MB are free. Do."
    )
    missing = OSError(errno.ENOENT, "No such file", str(tmp_path))
    said = str(disk_error("read", tmp_path, missing, cure="Do."))
    assert said == f"cannot read {tmp_path}; got No such file. Do."


def test_other_errors_pass_where_only_a_full_disk_is_meant(tmp_path):
    with pytest.raises(PermissionError), disk_errors("write", tmp_path, only=DISK_FULL):
        raise PermissionError(errno.EACCES, "no")
    with pytest.raises(InputError, match="no"), disk_errors("write", tmp_path):
        raise PermissionError(errno.EACCES, "no")
    with pytest.raises(InputError, match="full"), disk_errors("write", tmp_path, only=DISK_FULL):
        raise OSError(errno.EDQUOT, "full")
