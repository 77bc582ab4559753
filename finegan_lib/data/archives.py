"""Unpack archives of strangers: only files and folders are made, and only in the target.

Sources: the attacks named in the documentation of Python's ``tarfile`` (extraction filters,
PEP 706) and ``zipfile`` (resources limitations). Archives of this kind hold plain files, so
everything else is refused rather than repaired, and modes and owners are not taken over.
"""

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from ..base.errors import InputError
from ..base.files import disk_errors
from .files import byte_bar, new_folder

# The largest of the paper's data sets holds 1.2 GB in some 20,000 members.
MOST_BYTES = 8 * 10**9
MOST_MEMBERS = 200_000
CHUNK = 1 << 20
SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".zip")
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError)
_DAMAGED += (lzma.LZMAError, NotImplementedError, KeyError, IndexError, OSError)


def is_archive(path) -> bool:
    """Whether the name is that of an archive that :func:`extract` takes."""
    return str(path).lower().endswith(SUFFIXES)


def extract(
    archive,
    target,
    *,
    most_bytes: int = MOST_BYTES,
    most_members: int = MOST_MEMBERS,
    progress: bool = False,
) -> Path:
    """Unpack a tar (plain, gzip, bzip2, xz) or zip archive into a new folder.

    The folder appears under its name only when everything in it is complete.

    Args:
        archive: the file.
        target: the folder to make; it must not exist.
        most_bytes: of all files together, unpacked.
        most_members: files and folders.
        progress: show a progress bar.

    Raises:
        InputError: for a damaged archive; a member whose path is absolute or leads out of the
            target, that is a link, a device or a pipe, that is encrypted or comes twice; more bytes
            or members than allowed; a full disk. Then no file remains.
    """
    archive = Path(archive)
    with new_folder(target) as folder:
        extract_into(archive, folder, most_bytes, most_members, progress)
    return Path(target)


def extract_into(archive, folder, most_bytes=MOST_BYTES, most_members=MOST_MEMBERS, progress=False):
    """The same into an existing folder. After an error, the caller removes what is in it."""
    archive = Path(archive)
    with disk_errors("unpack", archive):
        unpacked, members = 0, 0
        size = archive.stat().st_size
        bar = byte_bar(size, f"unpacking {archive.name}", progress)
        with bar, open(archive, "rb") as file:
            try:
                opened = _zip_members if file.read(4) == b"PK\x03\x04" else _tar_members
                file.seek(0)
                for name, open_member in opened(file, archive, most_bytes):
                    members += 1
                    if members > most_members:
                        raise _refused(archive, f"more than {most_members} members", name)
                    place = _place(folder, name, archive)
                    if open_member is None:
                        place.mkdir(parents=True, exist_ok=True)
                        continue
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with open_member() as source:
                        unpacked = _copy(source, place, unpacked, most_bytes, archive, name)
                    bar.update(min(size, file.tell()) - bar.n)
            except _DAMAGED as error:
                # gzip and bzip2 raise OSErrors, too; only those of a disk have a number.
                if isinstance(error, InputError) or getattr(error, "errno", None) is not None:
                    raise
                raise InputError(
                    f"the archive {archive} is damaged, or no tar or zip archive",
                    seen=str(error) or type(error).__name__,
                    cure="Fetch it again.",
                ) from error


def _copy(source, place, unpacked, most_bytes, archive, name):
    """Write one file and count its real bytes, not the size that the archive states."""
    if place.exists():
        raise _refused(archive, "a name comes twice", name)
    with open(place, "xb") as target:
        while chunk := source.read(CHUNK):
            unpacked += len(chunk)
            if unpacked > most_bytes:
                raise _refused(archive, f"more than {most_bytes} bytes", name)
            target.write(chunk)
    return unpacked


def _tar_members(file, archive, most_bytes):
    """(name, function that opens the file, or None for a folder) of each member."""
    with tarfile.open(fileobj=file, mode="r:*") as tar:
        for member in tar:
            if member.isdir():
                yield member.name, None
            elif member.isreg() and not member.issparse():
                yield member.name, lambda member=member: tar.extractfile(member)
            else:
                raise _refused(archive, "a link, device, pipe or sparse file", member.name)
        _validate_end(tar, most_bytes)


def _validate_end(tar, most_bytes):
    """A tar ends in a block of zeros. tarfile accepts any end, even that of an archive cut between
    two files.

    Reading on to the end of the file lets gzip, bzip2 and xz compare their own checksums.
    """
    tar.fileobj.seek(tar.offset)
    block = tar.fileobj.read(tarfile.BLOCKSIZE)
    if block != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("the archive has no end")
    rest = 0
    while chunk := tar.fileobj.read(CHUNK):
        rest += len(chunk)
        if rest > most_bytes:
            raise tarfile.ReadError("the archive has no end")


def _zip_members(file, archive, most_bytes):
    with zipfile.ZipFile(file) as opened:
        for member in opened.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.flag_bits & 1:
                raise _refused(archive, "an encrypted file", member.filename)
            if member.is_dir():
                yield member.filename, None
            elif kind in (0, stat.S_IFREG):
                yield member.filename, lambda member=member: opened.open(member)
            else:
                raise _refused(archive, "a link, device or pipe", member.filename)


def _place(folder, name, archive):
    """The path of a member, below ``folder``."""
    path = PurePosixPath(name)
    parts = [part for part in path.parts if part != "."]
    strange = "\\" in name or "\0" in name or (os.name == "nt" and ":" in name)
    if path.is_absolute() or ".." in parts or strange:
        raise _refused(archive, "a path that leads out of the target", name)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise _refused(archive, "a name that is not UTF-8", name) from None
    return folder.joinpath(*parts)


def _refused(archive, what, name):
    return InputError(
        f"the archive {archive} is not safe to unpack",
        seen=f"{what} (at {name!a})",
        cure="Nothing of it was kept. Fetch it from its authors.",
    )
