"""Small files that are written whole or not at all; the cache folder; text for any terminal."""

import codecs
import errno
import json
import os
import shutil
import sys
import unicodedata
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

PACKAGE = Path(__file__).resolve().parents[1]
WEIGHTS = PACKAGE / "weights"  # the shipped networks
RESULTS = PACKAGE / "results"  # figures of runs, each with its command

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
READ_CURE = "Look at the path, and at whether you may read it."
CURE = "Free some space there, or name a place that can be written to."


# What is printed if the terminal's encoding does not have the character.
PLAIN = {"→": "->", "←": "<-", "…": "...", "×": "x", "−": "-", "–": "-", "—": "-", "·": "*"}
PLAIN |= {"’": "'", "‘": "'", "“": '"', "”": '"', "≤": "<=", "≥": ">=", "±": "+-", "∞": "inf"}


def print_anywhere(*streams) -> None:
    """Let texts be printed to terminals and files of any encoding (cp1252, cp437, ascii, …).

    A character that the encoding does not have is replaced: "→" by "->", "é" by "e", "σ" by
    "sigma", any other by its number. Streams in UTF-8 stay as they are.

    Args:
        streams: text streams; by default standard output and standard error.
    """
    codecs.register_error("plainly", _plainly)
    for stream in streams or (sys.stdout, sys.stderr):
        encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "")
        if hasattr(stream, "reconfigure") and not encoding.startswith("utf"):
            stream.reconfigure(errors="plainly")


def _plainly(error):
    """An error handler of codecs: other characters for those that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character):
    greek = unicodedata.name(character, "").split(" LETTER ")
    if character in PLAIN:
        return PLAIN[character]
    if greek[0] in ("GREEK SMALL", "GREEK CAPITAL") and " " not in greek[-1]:
        return greek[-1].lower() if greek[0].endswith("SMALL") else greek[-1].capitalize()
    parts = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return parts or character.encode("ascii", "backslashreplace").decode()


def cache_folder() -> Path:
    """Where caches and fetched weights are kept: FINEGAN_CACHE, or ~/.cache/finegan_lib."""
    folder = os.environ.get("FINEGAN_CACHE") or Path.home() / ".cache" / "finegan_lib"
    return Path(folder).expanduser()


@contextmanager
def disk_errors(doing: str, path, *, cure: str = CURE, only: tuple = ()):
    """Turn an :class:`OSError` of the body (full, read-only or failing disk) into an InputError.

    Args:
        doing: what the body does, e.g. ``"write the archive"``.
        path: the file or folder that it is about.
        cure: what the user can do.
        only: errors of these numbers, such as DISK_FULL; others pass.

    Raises:
        InputError: see :func:`disk_error`.
    """
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        if only and error.errno not in only:
            raise
        raise disk_error(doing, path, error, cure=cure) from error


def disk_error(doing: str, path, error, *, needs: int = 0, cure: str = CURE) -> InputError:
    """The InputError for an error of the disk: the system's words, and how much space is free.

    Args:
        doing, path, cure: as for :func:`disk_errors`.
        error: what was raised.
        needs: bytes that are to be written, where that is known.
    """
    said, file = getattr(error, "strerror", None) or str(error), getattr(error, "filename", None)
    if file and str(file) != str(path):
        said += f" ({file})"
    if needs:
        said += f"; it takes {needs / 1e6:.1f} MB"
    if doing == "read":
        cure = READ_CURE if cure == CURE else cure
    else:
        folder = Path(path).absolute()
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        said += f", {shutil.disk_usage(folder).free / 1e6:.1f} MB are free"
    return InputError(f"cannot {doing} {path}", seen=said, cure=cure)


def write_json(path, values) -> Path:
    """:func:`write_text` of values as JSON."""
    return write_text(path, json.dumps(values, indent=2) + "\n")


def write_text(path, text: str) -> Path:
    """Write a text file in UTF-8, whole or not at all; its folder is made.

    A path that exists and is not a regular file, such as ``/dev/stdout``, is written directly.

    Raises:
        InputError: if the disk is full or cannot be written. An old file then stays unchanged.
    """
    path = Path(path)
    with disk_errors("write", path):
        make_folder(path.parent)
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return path
        write_whole(path, text)
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all. Its folder must exist.

    Raises:
        OSError: the system's error. An old file then stays unchanged.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def slug(name: str) -> str:
    """A name for a file: lower-case letters and digits; every other character is an underscore."""
    return "".join(c if c.isalnum() else "_" for c in name.lower())


def folder_for(path) -> Path:
    """The path of a folder for output, which exists or can be made; nothing is made yet.

    A command calls this before its work, so that hours are not lost to a wrong name.

    Raises:
        InputError: if it is a file, or lies in one.
    """
    path = Path(path)
    for place in (path, *path.parents):
        if os.path.exists(place) and not os.path.isdir(place):  # these raise nothing
            raise InputError(
                "this is a file, and a folder is needed",
                seen=str(place),
                cure="Name another folder.",
            )
    return path


def make_folder(path) -> Path:
    """Make a folder for output and those above it, unless it is there.

    Raises:
        InputError: if it is a file, or lies in one; if the disk is full or cannot be written.
    """
    path = folder_for(path)
    with disk_errors("write", path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def empty_folder(path) -> Path:
    """The path of a folder for output that does not exist yet, or holds nothing.

    Raises:
        InputError: for a file, or a folder that holds files.
    """
    path = folder_for(path)
    if path.exists() and any(path.iterdir()):
        raise InputError(
            "this folder holds files already",
            seen=str(path),
            cure="Choose a new or an empty folder.",
        )
    return path


def refuse_to_overwrite(path) -> None:
    """Raise :class:`InputError` if there is a file or folder of that name."""
    if Path(path).exists():
        raise InputError(
            "this file exists", seen=str(path), cure="Choose another name, or remove it first."
        )


def read_json(path, *keys: str) -> dict:
    """The JSON object in a file.

    Args:
        path: the file.
        keys: that it must have.

    Raises:
        InputError: if it cannot be read, is not a JSON object, or lacks a key.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError(f"a {type(values).__name__}, not an object")
        if missing := [key for key in keys if key not in values]:
            raise ValueError(f"without {missing[0]!r}")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            "this file of results cannot be read",
            seen=f"{path} ({error})",
            cure="Move it away; what it held is then made again.",
        ) from error
    return values


def refuse_other_facts(path, had: dict, asked: dict, option: str = "--out") -> None:
    """Refuse a kept result that was made with other facts than those asked for.

    Args:
        path: of its file, for the message.
        had: the facts it was made with.
        asked: those that it must have.
        option: the option that names the folder, for the message.

    Raises:
        InputError: if one differs or is missing.
    """
    had, asked = json.loads(json.dumps([had, asked]))  # a tuple and a list are the same fact
    if differ := [key for key in asked if key not in had or had[key] != asked[key]]:
        raise InputError(
            f"the folder holds a result with another {', '.join(differ)}",
            seen=str(path),
            cure=f"Give another folder with {option}, or the settings that it was made with.",
        )
