"""The repository's address, and the top of every notebook: the badge and the first code cell.

``[project.urls]`` of pyproject.toml is the only place of the address. ``[tool.finegan]`` names what
the badges open: the release's tag, or the default branch if the repository has no such tag.
``python -m finegan_lib.course badges`` asks the repository and writes it there.
"""

import math
import os
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import torch

from ... import __version__
from ...base.errors import InputError
from .folders import timings

ROOT = Path(__file__).resolve().parents[3]
COLAB_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
BADGE = Path(__file__).with_name("colab_badge.svg")  # one that needs no network
PYPROJECT = ROOT / "pyproject.toml"
_ADDRESS = re.compile(r'^(Repository\s*=\s*")([^"]*)(")', re.MULTILINE)
_REVISION = re.compile(r'^(revision\s*=\s*")([^"]*)(")', re.MULTILINE)
SECONDS_TO_ANSWER = 30


def repository() -> str:
    """The address in pyproject.toml, without a slash at its end."""
    return _ADDRESS.search(PYPROJECT.read_text(encoding="utf-8"))[2].rstrip("/")


def release_tag() -> str:
    """The tag of this release: v and the library's version."""
    return f"v{__version__}"


def revision() -> str:
    """What the badges open: the tag or the branch that pyproject.toml names."""
    return _REVISION.search(PYPROJECT.read_text(encoding="utf-8"))[2]


def choose_revision() -> str:
    """Ask the repository for the release's tag, and write what badges open into pyproject.toml.

    Returns:
        The tag, or the default branch of a repository without it.

    Raises:
        InputError: if the repository gives no answer; pyproject.toml is then as it was.
    """
    tag = release_tag()
    listed = _ask("--symref", repository(), "HEAD", f"refs/tags/{tag}")
    branch = re.search(r"^ref: refs/heads/(\S+)\s+HEAD$", listed, re.MULTILINE)
    has_tag = re.search(rf"\srefs/tags/{re.escape(tag)}$", listed, re.MULTILINE)
    chosen = tag if has_tag else branch[1] if branch else "main"
    _write(_REVISION, chosen)
    return chosen


def _ask(*arguments):
    """What ``git ls-remote`` prints."""
    quiet = os.environ | {"GIT_TERMINAL_PROMPT": "0"}  # never ask for a password
    try:
        done = subprocess.run(
            ["git", "ls-remote", *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=quiet,
            timeout=SECONDS_TO_ANSWER,
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise InputError(
            "the repository gives no answer",
            seen=said.strip().splitlines()[0],
            cure=f"Badges keep opening {revision()!r}. Run the command again with a network.",
        ) from error
    return done.stdout


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
    _write(_ADDRESS, url)


def _write(line, value: str) -> None:
    """Put ``value`` between the quotation marks of a line of pyproject.toml."""
    text = PYPROJECT.read_text(encoding="utf-8")
    PYPROJECT.write_text(line.sub(rf"\g<1>{value}\g<3>", text), encoding="utf-8")


def badge_cell(folder: str, lesson: str, picture: str = COLAB_BADGE) -> str:
    """Markdown: a badge that opens the notebook of :func:`revision` on Colab.

    Args:
        folder, lesson: of the notebook.
        picture: the badge's. A notebook uses Colab's own picture: most readers open it on Colab,
            which shows no picture of the repository. A page that is read elsewhere can use
            :data:`BADGE`.
    """
    where = repository().removeprefix("https://github.com/")
    link = f"https://colab.research.google.com/github/{where}/blob/{revision()}"
    return f"[![Open in Colab]({picture})]({link}/{folder}/{lesson}.ipynb)"


def bootstrap_cell(lesson: str, extras=()) -> str:
    """The first code cell. Away from Colab it only imports the course.

    On Colab it installs the release's tag, or the default branch where there is no such tag.
    """
    packages = " ".join([f'"git+{repository()}@{release_tag()}"', *extras])
    newest = " ".join([f'"git+{repository()}"', *extras])
    return f"""from importlib.util import find_spec

if find_spec("google") and find_spec("google.colab"):  # on Colab, whose torch and numpy stay
    %pip install -q --no-deps {packages}
    if not find_spec("finegan_lib"):  # this release has no tag yet: install the newest code
        %pip install -q --no-deps {newest}

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
