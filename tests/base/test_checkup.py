"""The doctor names the first thing that is wrong, and its cure; every fault is injected."""

import json
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch

from finegan_lib.__main__ import main
from finegan_lib.base import checkup
from finegan_lib.bench.doctor import doctor

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def installed(monkeypatch):
    """Pretend that packages have other versions (None: missing) or requirements."""
    versions, requires = {}, {}
    version, needs = metadata.version, metadata.requires

    def fake_version(name):
        if name in versions and versions[name] is None:
            raise metadata.PackageNotFoundError(name)
        return versions.get(name) or version(name)

    monkeypatch.setattr(metadata, "version", fake_version)
    monkeypatch.setattr(metadata, "requires", lambda name: requires.get(name) or needs(name))
    return versions, requires


def first(folder):
    return (checkup.problems(folder) or [""])[0]


def test_a_sound_machine_has_no_problem(tmp_path):
    assert checkup.problems(tmp_path) == []
    assert not (tmp_path / "cache").exists()  # looked at, not made


def test_an_old_python_is_the_first_thing(monkeypatch, tmp_path):
    monkeypatch.setattr(checkup.sys, "version_info", (3, 9, 18))
    assert first(tmp_path).startswith("Python 3.9 is too old, 3.10 is needed")
    assert "PYTHON=python3.12" in first(tmp_path)


def test_the_checkup_itself_speaks_old_python():
    """No syntax, and nothing at import, that Python 3.8 does not know."""
    import ast

    for name in (
        "base/checkup",
        "__main__",
        "base/errors",
        "base/options",
        "__init__",
        "base/__init__",
    ):
        source = (ROOT / "finegan_lib" / f"{name}.py").read_text(encoding="utf-8")
        ast.parse(source, feature_version=(3, 8))


def test_a_missing_and_an_old_package_are_named(installed, tmp_path):
    versions, _ = installed
    versions["scipy"] = None
    assert first(tmp_path).startswith("the package scipy is missing. To install it, run `make")
    versions["scipy"] = "1.9.3"
    assert "scipy 1.9.3 is too old, 1.11 is needed" in first(tmp_path)
    assert '`pip install "scipy>=1.11"`' in first(tmp_path)


@pytest.mark.parametrize(
    ("torch_version", "wants", "wrong"),
    [
        ("2.4.0", "torch ==2.4.0", False),
        ("2.4.0+cu121", "torch (==2.4.0)", False),
        ("2.4.1", "torch ==2.4.0", True),
        ("2.14.1+cu130", "torch (>=2.14.0)", False),
        ("2.13.0", "torch (>=2.14.0)", True),
        ("2.14.0", "torch (>=2.14.0)", False),
    ],
)
def test_torch_and_torchvision_must_fit(installed, tmp_path, torch_version, wants, wrong):
    versions, requires = installed
    versions["torch"], requires["torchvision"] = torch_version, ["numpy", wants]
    said = first(tmp_path)
    assert (f"was built for {wants}, and torch is {torch_version}" in said) == wrong
    assert ("--force-reinstall" in said) == wrong


def test_a_torchvision_that_cannot_be_imported_is_named(monkeypatch, tmp_path):
    def broken(name):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist\nmore")

    monkeypatch.setattr(checkup.importlib, "import_module", broken)
    assert "torchvision is installed and cannot be imported (operator" in first(tmp_path)
    assert "nms does not exist). Install the two together" in first(tmp_path)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package's shipped files."""
    for name in checkup.digests():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "finegan_lib" / name, tmp_path / "copy" / name)
    shutil.copy(checkup.DIGESTS, tmp_path / "copy" / "weights")
    monkeypatch.setattr(checkup, "PACKAGE", tmp_path / "copy")
    monkeypatch.setattr(checkup, "DIGESTS", tmp_path / "copy" / "weights" / "digests.json")
    monkeypatch.setattr(checkup, "required", dict)
    return tmp_path / "copy"


def test_a_missing_or_changed_shipped_file_is_named(package, tmp_path):
    assert checkup.problems(tmp_path) == []
    judges = package / "weights" / "judges_32.safetensors"
    data = bytearray(judges.read_bytes())
    data[len(data) // 2] ^= 4
    judges.write_bytes(data)
    assert f"the shipped file {judges} is damaged or was changed" in first(tmp_path)
    judges.unlink()
    assert f"the shipped file {judges} is missing. Fetch" in first(tmp_path)
    checkup.DIGESTS.write_text("{")
    assert "digests.json is missing or damaged" in first(tmp_path)


def test_the_noted_digests_are_those_of_the_shipped_files():
    """After new weights: python -m finegan_lib.base.checkup --write"""
    assert json.loads(checkup.DIGESTS.read_text()) == checkup.digests()
    assert "weights/toy.safetensors" in checkup.digests()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    missing = tmp_path / "none"
    assert f"this folder cannot be written to: {missing} (No such file" in first(missing)
    if Path("/proc/version").is_file():  # where not even root can write
        assert "this folder cannot be written to: /proc (" in first("/proc")


def test_little_disk_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(
        checkup.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 8, 1e9)
    )
    assert "this folder has little disk left: 1.0 GB in" in first(tmp_path)
    assert len(checkup.problems(tmp_path)) == 1  # enough for the cache


def test_a_cache_folder_that_is_none_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("FINEGAN_CACHE", str(bad))
        assert "the cache folder cannot be written to" in first(tmp_path)
        assert "FINEGAN_CACHE" in first(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path / "dangling"))
    assert "the cache folder cannot be written to" in first(tmp_path)


def test_a_cuda_build_without_a_device_is_a_note(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    unused, said = checkup.devices()
    assert "no GPU is used" in unused
    assert "built for CUDA 13.0 and finds no device" in said
    assert "nvidia-smi" in said
    monkeypatch.setattr(torch.version, "cuda", None)
    assert checkup.devices() == [unused]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert checkup.devices() == []


def test_the_doctor_says_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("FINEGAN_CACHE", "/dev/null/x")
    assert "cache folder" in doctor(tmp_path, seconds=0)["warnings"][0]
    assert main(["doctor", "--seconds", "0"]) == 0
    assert "to mend first: the cache folder" in capsys.readouterr().out


def test_a_broken_installation_is_one_line_on_any_command(monkeypatch, capsys):
    def broken():
        raise ImportError("libcudart.so.13: cannot open shared object file")

    monkeypatch.setattr("finegan_lib.__main__.build_parser", broken)
    assert main(["train"]) == 2
    assert "cannot be imported: libcudart" in capsys.readouterr().err
    monkeypatch.setattr(checkup, "problems", lambda **_: ["torch and torchvision differ. Do this."])
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == "error: torch and torchvision differ. Do this.\n"


def test_it_works_without_any_package():
    ran = subprocess.run(
        [sys.executable, "-S", "-m", "finegan_lib", "doctor"],
        cwd=ROOT, capture_output=True, text=True, env={"PATH": "", "HOME": "/"},
    )  # fmt: skip
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: the package torch is missing. To install it,")


def test_the_lock_file_pins_every_dependency_and_names_no_host():
    text = (ROOT / ".ci" / "requirements.lock").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pinned = dict(line.split("==") for line in lines)
    assert all(re.fullmatch(r"[\w.+!-]+", v) for v in pinned.values())
    assert "://" not in text
    assert " @ " not in text
    canonical = {re.sub(r"[-_.]+", "-", name).lower(): v for name, v in pinned.items()}
    for name, least in checkup.required().items():
        assert checkup.numbers(canonical[re.sub(r"[-_.]+", "-", name).lower()]) >= (
            checkup.numbers(least)
        )
