"""The repository's address, and what stands at the top of every notebook: badge and first cell.

The address stands in one place, ``[project.urls]`` of pyproject.toml.
"""

import math
import os
import re
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import torch

from ... import __version__
from ...errors import InputError
from .folders import timings

ROOT = Path(__file__).resolve().parents[3]
PYPROJECT = ROOT / "pyproject.toml"
_ADDRESS = re.compile(r'^(Repository\s*=\s*")([^"]*)(")', re.MULTILINE)
_VERSION = re.compile(r'^version\s*=\s*"([^"]+)"', re.MULTILINE)


def repository() -> str:
    """The address in pyproject.toml, without a slash at its end."""
    return _ADDRESS.search(PYPROJECT.read_text(encoding="utf-8"))[2].rstrip("/")


def release_tag() -> str:
    """The tag that notebooks point to: v and the version in pyproject.toml."""
    return "v" + _VERSION.search(PYPROJECT.read_text(encoding="utf-8"))[1]


def set_repository(url: str) -> None:
    """Write another address into pyproject.toml.

    Raises:
        InputError: if this is no address of a repository.
    """
    url = url.rstrip("/").removesuffix(".git")
    if not re.fullmatch(r"https://[\w./~:@-]+", url):
        raise InputError(
            "this is no repository's address",
            seen=url,
            cure="Give it in full, such as https://github.com/owner/name.",
        )
    _write_address(url)


def _write_address(url: str) -> None:
    text = PYPROJECT.read_text(encoding="utf-8")
    PYPROJECT.write_text(_ADDRESS.sub(rf"\g<1>{url}\g<3>", text), encoding="utf-8")


def badge_cell(folder: str, lesson: str) -> str:
    """Markdown: a badge that opens the notebook of the release tag on Colab."""
    where = repository().removeprefix("https://github.com/")
    link = f"https://colab.research.google.com/github/{where}/blob/{release_tag()}"
    image = "https://colab.research.google.com/assets/colab-badge.svg"
    return f"[![Open in Colab]({image})]({link}/{folder}/{lesson}.ipynb)"


def bootstrap_cell(lesson: str, extras=()) -> str:
    """The first code cell. Away from Colab it only imports the course."""
    packages = " ".join([f'"git+{repository()}@{release_tag()}"', *extras])
    return f"""from importlib.util import find_spec

if find_spec("google") and find_spec("google.colab"):  # on Colab, whose torch and numpy stay
    %pip install -q --no-deps {packages}

from finegan_lib import course

course.doctor("{lesson[:2]}")"""


def doctor(number: str) -> None:
    """Print one line: versions, device, this notebook's running time; and how to get a GPU."""
    words = [f"finegan_lib {__version__}"]
    words += [f"{name} {_version(name)}" for name in ("torch", "numpy")]
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    else:
        device = f"CPU, {os.cpu_count()} cores, no GPU"
    print(f"{', '.join(words)} · {device} · {_minutes(number)}")
    if not torch.cuda.is_available() and find_spec("google") and find_spec("google.colab"):
        print("GPU off: Runtime → Change runtime type → T4 GPU. This notebook runs without, too.")


def _minutes(number: str) -> str:
    seconds = [time for lesson, time in timings().items() if lesson.startswith(number)]
    if not seconds:
        return "running time not measured yet"
    minutes = math.ceil(seconds[0] / 60)
    return f"about {minutes} minute{'s' if minutes > 1 else ''} on a CPU"


def _version(name: str) -> str:
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return "missing"
