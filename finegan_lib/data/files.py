"""Files that are written whole or not at all, and what is said when a disk will not take them."""

import glob
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError


@contextmanager
def disk_errors(doing: str, path):
    """Turns an :class:`OSError` of the body (full, read-only or failing disk) into our own.

    Args:
        doing: what was tried, e.g. ``"write the archive"``.
        path: the file or folder that it is about.

    Raises:
        InputError: with the system's own words.
    """
    try:
        yield
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"cannot {doing} {path}",
            seen=str(error),
            cure="Free some space there, or name a place that can be written to.",
        ) from error


def write_text(path, text: str) -> Path:
    """Write a text file in UTF-8, whole or not at all; its folder is made.

    A path that exists and is no regular file, such as ``/dev/stdout``, is written to directly.

    Raises:
        InputError: if the disk is full or cannot be written to; an old file then stays as it was.
    """
    path = Path(path)
    with disk_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return path
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with open(partial, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    return path


@contextmanager
def scratch_folder(target):
    """An empty folder beside ``target``, under a hidden name, that is gone afterwards.

    What a killed process has left of its own is removed by the next one that works here.

    Raises:
        InputError: if the disk is full or cannot be written to.
    """
    target = Path(target)
    with disk_errors("write", target):
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target)
        prefix = f".{target.name}.partial-{os.getpid()}-"
        scratch = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
        try:
            scratch.chmod(0o755)
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def new_folder(target):
    """An empty folder that becomes ``target`` when the body has ended well, and is gone otherwise.

    Nobody ever sees a half-filled ``target``.

    Raises:
        InputError: if ``target`` exists, or if the disk is full or cannot be written to.
    """
    target = Path(target)
    if target.exists() or target.is_symlink():
        raise InputError(
            "the folder is there already",
            seen=str(target),
            cure="Move it away, or name another one.",
        )
    with scratch_folder(target) as folder:
        yield folder
        os.rename(folder, target)


def remove_leftovers(target: Path):
    """Removes what processes that no longer live have left of :func:`new_folder`."""
    for folder in target.parent.glob(f".{glob.escape(target.name)}.partial-*"):
        pid = folder.name.split("-")[-2]
        if pid.isdecimal() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid):
    if os.name != "posix":
        return True  # there, the question itself would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def printable(text: str) -> str:
    """The text with whatever cannot be written as UTF-8 (bytes of foreign file names) escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
