"""Pictures on the disk: how every command lists them and opens them.

:func:`list_pictures` walks a folder. :func:`read_header` and :func:`read_rgb` open a file, upright
and in RGB. JPEG (also under ``.jfif``), PNG, GIF, BMP, WebP, TIFF and PPM are always read. AVIF
needs a Pillow that has it (11.3 or newer), HEIC the optional package ``pillow-heif``
(``pip install 'finegan-lib[heic]'``). A file's first bytes say what it is, not its ending.
"""

import functools
import os
import struct
import unicodedata
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, features

from ..base.errors import InputError

ALWAYS = ".jpg .jpeg .jpe .jfif .png .gif .bmp .webp .tif .tiff .ppm .pgm"
IMAGE_SUFFIXES = (*ALWAYS.split(), ".avif", ".heic", ".heif", ".hif")
# Pictures that are never read: raw files have no one right rendering, the others are drawings.
RAW = ".3fr .arw .cr2 .cr3 .dng .erf .nef .nrw .orf .pef .raf .raw .rw2 .sr2 .srw"
OTHERS = ".jxl .jp2 .j2k .psd .psb .xcf .svg .eps .ai .pdf .exr .hdr .tga .ico"
VIDEOS = ".mov .mp4 .avi .m4v .mkv .webm .mpg"
# Folders that programs make for themselves.
FOREIGN_FOLDERS = {"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information"}
EXIF_ORIENTATION = 0x0112
# The operation that turns a stored image upright, by its EXIF orientation (TIFF 6.0, tag 274).
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Below a few pixels there is nothing to see, and an extreme shape would be blown up without end:
# the shorter side becomes 152 pixels, whatever the longer one then is.
MIN_SIDE = 8
MAX_ASPECT = 50
# 360 MB once decoded, in every worker. The largest telephones' pictures have 108 million.
MAX_PIXELS = 120_000_000
# What Pillow raises for a damaged file, depending on its format and on where the damage is.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)


# ---------------------------------------------------------------------------------------- listing


class Listing(NamedTuple):
    """The contents of a folder.

    Attributes:
        pictures: the files that may be read, in the order of their paths.
        unused: {why: number} of all the other files.
        others: the visible files that are no pictures, for readers of annotations.
    """

    pictures: list[Path]
    unused: Counter
    others: list[Path]

    def unused_but(self, read) -> dict[str, int]:
        """``unused`` without those of ``others`` that were read after all, as annotations."""
        unused = Counter(self.unused)
        for path in set(read) & set(self.others):
            unused[_why_not(path.name)] -= 1
        return dict(sorted((+unused).items()))


def told_unused(unused: dict) -> str:
    """One sentence that counts the files that are not used; "" if there are none."""
    if not unused:
        return ""
    kinds = ", ".join(f"{n} {why}" for why, n in unused.items())
    return f"{sum(unused.values())} files are not used: {kinds}"


def list_pictures(root) -> Listing:
    """All pictures below a folder, at any depth, and a count of everything else.

    Hidden files and folders (their names begin with a full stop; among them macOS's resource forks
    ``._x.jpg``) are left out, and so are folders that systems make for themselves (``__MACOSX``).

    Raises:
        InputError: if there is no such folder.
    """
    root = Path(root)
    if root.is_file():
        cure = f"Give the folder that it lies in: {root.parent}."
        raise InputError("this is a file, and a folder of images is needed", seen=root, cure=cure)
    if not root.is_dir():
        raise InputError("no such folder", seen=str(root), cure="Give a folder of images.")
    pictures, unused, others = [], Counter(), []
    for folder, folders, names in os.walk(root):
        for name in [n for n in folders if _is_hidden(n)]:
            folders.remove(name)
            unused["hidden"] += sum(len(files) for _, _, files in os.walk(Path(folder) / name))
        folders.sort()
        unused["links to folders, which are not followed"] += sum(
            os.path.islink(os.path.join(folder, name)) for name in folders
        )
        for name in sorted(names):
            path = Path(folder) / name
            if why := _why_not(name):
                unused[why] += 1
                if not _is_hidden(name):
                    others.append(path)
            elif path.is_file():
                pictures.append(path)
            else:
                unused["links that lead nowhere"] += 1
    return Listing(pictures, +unused, others)


def need_pictures(root, at_least: int = 1, none: str = "no image in this folder") -> list[Path]:
    """The pictures of :func:`list_pictures`.

    Args:
        root: the folder.
        at_least: how many are needed.
        none: what is said where there are none.

    Raises:
        InputError: if there are fewer than ``at_least``; says how many, and what else is there.
    """
    listing = list_pictures(root)
    n = len(listing.pictures)
    if n >= at_least:
        return listing.pictures
    count = "one image" if n == 1 else f"{n} images"
    what = f"the folder holds {count}, and {at_least} are needed" if n else none
    rest = f" ({told_unused(listing.unused_but(()))})" if listing.unused else ""
    needed = "" if at_least == 1 else f" that holds at least {at_least}"
    raise InputError(
        what,
        seen=f"{root}{rest}",
        cure=f"Give a folder{needed}; images end in {', '.join(IMAGE_SUFFIXES)}.",
    )


def is_hidden(path, root) -> bool:
    """Whether a path is hidden somewhere below ``root``: see :func:`list_pictures`."""
    return any(_is_hidden(part) for part in Path(os.path.relpath(path, root)).parts)


def _is_hidden(name: str) -> bool:
    return (name.startswith(".") and name not in (".", "..")) or name.lower() in FOREIGN_FOLDERS


def _why_not(name: str) -> str:
    """Why a file of this name is not listed among the pictures; empty if it is."""
    if _is_hidden(name):
        return "hidden"
    ending = os.path.splitext(name)[1].lower()
    if ending in IMAGE_SUFFIXES:
        return ""
    if ending in RAW.split():
        return f"{ending} (a camera's raw file: export it as JPEG)"
    if ending in OTHERS.split():
        return f"{ending} (a format that is not read: export it as JPEG or PNG)"
    if ending in VIDEOS.split():
        return f"{ending} (a video)"
    return f"{ending or 'without an ending'} (no picture)"


def in_one_form(name: str) -> str:
    """A path with slashes and in Unicode's composed form (NFC): macOS and Windows write others."""
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def difference(given: str, found: str) -> str:
    """In what way two names that look alike differ, in words."""
    kinds, a, b = [], given, found
    if "\\" in a:
        kinds.append("separators")
        a = a.replace("\\", "/")
    if unicodedata.normalize("NFC", a) != a or unicodedata.normalize("NFC", b) != b:
        kinds.append("Unicode form")
        a, b = (unicodedata.normalize("NFC", text) for text in (a, b))
    if a.strip() != a or b.strip() != b:
        kinds.append("spaces at an end")
        a, b = a.strip(), b.strip()
    (folder_a, _, base_a), (folder_b, _, base_b) = a.rpartition("/"), b.rpartition("/")
    stem_a, stem_b = (os.path.splitext(base)[0] for base in (base_a, base_b))
    if stem_a.casefold() != stem_b.casefold():
        return " and ".join([*kinds, "spelling"])
    if base_a.casefold() != base_b.casefold():
        kinds.append("ending")
    if stem_a != stem_b or (base_a != base_b and base_a.casefold() == base_b.casefold()):
        kinds.append("capital letters")
    if folder_a.casefold() != folder_b.casefold():
        kinds.append("folder")
    elif folder_a != folder_b:
        kinds.append("capital letters")
    return " and ".join(dict.fromkeys(kinds))


def look_alike(path: Path) -> Path | None:
    """A file that is there, and whose path differs from this one's in form alone; None if none.

    Form: separators, capital letters, Unicode's composed or decomposed letters, spaces at an end.
    """
    found = Path(path.anchor or ".")
    for part in in_one_form(str(path)).split("/"):
        if part in ("", "."):
            continue
        if "\0" in part or len(part) > 1000:
            return None
        try:
            exact = (found / part).exists()
            names = [] if exact or not found.is_dir() else os.listdir(found)
        except OSError:
            return None
        key = in_one_form(part).strip().casefold()
        alike = [part] if exact else [n for n in names if in_one_form(n).strip().casefold() == key]
        if len(alike) != 1:
            return None
        found = found / alike[0]
    return found if found.is_file() else None


# ---------------------------------------------------------------------------------------- opening


class Header(NamedTuple):
    """The facts in an image file's header, before it is decoded.

    Attributes:
        size: (width, height) in pixels, upright.
        mode: Pillow's name of the pixel format.
        orientation: EXIF's, 1 to 8; 1 where there is none.
        animated: whether more than one frame follows.
        transparent: whether there is an alpha channel or a transparent colour.
    """

    size: tuple[int, int]
    mode: str
    orientation: int
    animated: bool
    transparent: bool


def read_rgb(path: Path, where: str = "") -> Image.Image:
    """The image at ``path``, upright (EXIF applied), in RGB: of several frames the first.

    Args:
        path: the file.
        where: the line that names it, for the message.

    Raises:
        InputError: naming the file, if it is missing, damaged, too small or too large, or has more
            than 8 bits a channel.
    """
    try:
        with _open(path) as image:
            header = _header(path, image, where)
            image.load()
            if header.orientation in TURNS:
                image = image.transpose(TURNS[header.orientation])
            # Pillow wants a palette with several transparent colours unfolded before it drops them.
            if image.mode == "P" and "transparency" in image.info:
                image = image.convert("RGBA")
            return image.convert("RGB")
    except InputError:
        raise
    except UNREADABLE as error:
        raise _unreadable(path, where, error) from error


def read_header(path: Path, where: str = "") -> Header:
    """The header of an image that can be used.

    Raises:
        InputError: as :func:`read_rgb`, as far as the header tells.
    """
    try:
        with _open(path) as image:
            return _header(path, image, where)
    except InputError:
        raise
    except UNREADABLE as error:
        raise _unreadable(path, where, error) from error


@functools.cache
def heic_reader() -> bool:
    """Whether HEIC can be read; registers its reader with Pillow."""
    try:
        from pillow_heif import register_heif_opener
    except (ImportError, OSError):
        return False
    register_heif_opener()
    return True


def _open(path):
    """Pillow's image, not decoded yet. Our own limit replaces its warning of a large image."""
    heic_reader()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of size, and of damaged EXIF data
        return Image.open(path)


def _header(path, image, where):
    # This check comes first: to find EXIF data, Pillow decodes some kinds of file whole.
    validate_size_and_mode(path, image, where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged EXIF data: the image counts as upright
        mode, (width, height) = image.mode, image.size
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        transparent = mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
        animated = bool(getattr(image, "is_animated", False))
    orientation = orientation if orientation in range(1, 9) else 1
    size = (height, width) if orientation >= 5 else (width, height)
    return Header(size, mode, orientation, animated, transparent)


def _placed(path, where):
    """A file, and the line that names it."""
    return f"{path} ({where})" if where and where != str(path) else path


def validate_size_and_mode(path, image, where=""):
    """Refuse an image of Pillow's from which nothing can be learnt; ``path`` is what it is called.

    Raises:
        InputError: for one that is too small, too thin or too large, or has more than 8 bits a
            channel.
    """
    place = _placed(path, where)
    width, height = image.size
    short, long = min(image.size), max(image.size)
    if short < MIN_SIDE or long > MAX_ASPECT * short:
        raise InputError(
            f"the image {place} is too small or too thin to learn from",
            seen=f"{width} x {height} pixels",
            cure=f"At least {MIN_SIDE} pixels a side are needed, and no side more than "
            f"{MAX_ASPECT} times the other.",
        )
    if width * height > MAX_PIXELS:
        raise InputError(
            f"the image {place} is too large to decode",
            seen=f"{width} x {height} pixels",
            cure=f"Scale it down to at most {MAX_PIXELS // 10**6} million pixels.",
        )
    if image.mode[0] in "IF":
        raise InputError(
            f"only 8 bits a channel can be read, not the pixel format of the image {place}",
            seen=image.mode,
            cure="Convert the image to an 8-bit JPEG or PNG.",
        )


def _unreadable(path, where, error):
    place = _placed(path, where)
    seen = str(error) or type(error).__name__
    cure = "Fetch this file again, or take its lines out of the annotation files."
    if isinstance(error, Image.DecompressionBombError):
        cure = f"Scale it down to at most {MAX_PIXELS // 10**6} million pixels."
    elif kind := _kind_of_file(path):
        seen, cure = kind
    return InputError(f"cannot read the image {place}", seen=seen, cure=cure)


def _kind_of_file(path):
    """(what a file is, what to do) by its first bytes, where Pillow alone has no good answer."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except (OSError, ValueError):
        return None
    name = os.path.basename(path)
    if not head:
        return "an empty file", "Fetch this file again, or take it out."
    if head[:4] == b"\x00\x05\x16\x07" or name.startswith("._"):
        return "a resource fork that macOS wrote, no picture", "Remove the files that begin with ._"
    if head[4:8] != b"ftyp":
        return None
    brands = head[8:]
    if b"avif" in brands or b"avis" in brands:
        if features.check("avif"):
            return "a damaged AVIF file", "Fetch this file again, or take it out."
        return "an AVIF file", "Bring Pillow up to date: pip install 'pillow>=11.3'."
    if any(brand in brands for brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1")):
        if heic_reader():
            return "a damaged HEIC file", "Fetch this file again, or take it out."
        return "a HEIC file", "To read them: pip install 'finegan-lib[heic]' (pillow-heif)."
    return None


# --------------------------------------------------------------------------- turning and resizing


def upright_box(box, size, orientation):
    """A box of an image as its file stores it, in the pixels of the upright image.

    Args:
        box: x1, y1, x2, y2.
        size: (width, height) of the **upright** image.
        orientation: EXIF's, 1 to 8 (TIFF 6.0, tag 274): where the stored first row and column lie.
    """
    x1, y1, x2, y2 = box
    width, height = size
    if orientation >= 5:  # the stored rows are columns
        x1, y1, x2, y2 = y1, x1, y2, x2
    if orientation in (2, 3, 6, 7):  # the stored left, or top, lies on the right
        x1, x2 = width - x2, width - x1
    if orientation in (3, 4, 7, 8):
        y1, y2 = height - y2, height - y1
    return x1, y1, x2, y2


def resize_shorter_side(image: Image.Image, side: int) -> Image.Image:
    """The image scaled so that its shorter side has ``side`` pixels, the longer rounded down."""
    width, height = image.size
    short = min(width, height)
    size = side * width // short, side * height // short
    return image.resize(size, Image.Resampling.BILINEAR)


def middle_square(image: Image.Image, size: int) -> np.ndarray:
    """(3, size, size) uint8: the shorter side resized to ``size``, the middle cut out."""
    image = resize_shorter_side(image, size)
    left, top = ((side - size) // 2 for side in image.size)
    square = image.crop((left, top, left + size, top + size))
    return np.array(square).transpose(2, 0, 1)
