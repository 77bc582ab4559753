"""Folders that are filled whole or not at all, and names that are not text."""

import glob
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from tqdm.auto import tqdm

from ..base.errors import InputError
from ..base.files import cache_folder, disk_errors, make_folder


@contextmanager
def scratch_folder(target):
    """An empty folder beside ``target``, under a hidden name, that is removed afterwards.

    The next process that works here removes the folder of a killed process.

    Raises:
        InputError: if the disk is full or cannot be written to.
    """
    target = Path(target)
    with disk_errors("write", target):
        make_folder(target.parent)
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
    """An empty folder that becomes ``target`` if the body ends without an error, else is removed.

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


def cache_folder_for(name: str, cache_dir=None) -> Path:
    """The folder of the cache of that name, below ``cache_dir`` (by default `cache_folder`)."""
    return Path(cache_dir or cache_folder()).expanduser().absolute() / name


def fill_cache(folder: Path, fill, intact) -> None:
    """Fill a cache's folder, whole or not at all.

    It is filled under another name beside it and renamed. An interruption leaves no half-filled
    cache. If two processes fill one at once, the second to finish keeps the first one's.

    Args:
        folder: the cache.
        fill: called with the folder to fill.
        intact: () → whether the cache is there, and whole; a damaged one is removed.

    Raises:
        InputError: if the disk is full or cannot be written to.
    """
    cure = "Free some space, or name another folder in FINEGAN_CACHE."
    with disk_errors("write the cache", folder, cure=cure):
        _remove_old_leftovers(folder.parent)
        temporary = Path(tempfile.mkdtemp(prefix=f"{folder.name}.tmp-", dir=folder.parent))
        try:
            fill(temporary)
            if folder.exists() and not intact():
                shutil.rmtree(folder)
            try:
                os.rename(temporary, folder)
            except OSError:
                if not intact():
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def make_writable(folder: Path) -> None:
    """Make the folder of all caches, and see that it can be written to.

    Raises:
        InputError: if it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            "the cache folder cannot be written",
            seen=f"{folder} ({error.strerror})",
            cure="Name another folder with cache_dir or the environment variable FINEGAN_CACHE.",
        ) from error


def _remove_old_leftovers(folder, older_than=24 * 3600):
    """Deletes what a killed process left behind, but nothing that a process may still fill."""
    for path in folder.glob("*.tmp-*"):
        files = [path, *path.glob("*")] if path.is_dir() else [path]
        if time.time() - max(file.stat().st_mtime for file in files) > older_than:
            shutil.rmtree(path, ignore_errors=True)


def byte_bar(total: int | None, doing: str, progress: bool) -> tqdm:
    """A progress bar that counts bytes."""
    return tqdm(
        total=total,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        desc=doing,
        disable=not progress,
    )


def _alive(pid):
    if os.name != "posix":
        return True  # on Windows, os.kill(pid, 0) would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def printable(text: str) -> str:
    """The text, with everything escaped that UTF-8 cannot hold (bytes of foreign file names)."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
