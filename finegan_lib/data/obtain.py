"""The commands of ``data_scripts/``: from an address, or from what the user has, to CUB's layout.

``ROOT/archives/`` keeps the downloads, ``ROOT/NAME/`` becomes the data set. A second call finds it
intact and says so at once, without importing PyTorch.
"""

import argparse
import hashlib
import shlex
import shutil
import sys
from pathlib import Path

from ..base.errors import InputError
from ..base.files import disk_errors, print_anywhere
from . import cub_folder, layouts, own
from .archives import extract_into, is_archive
from .boxes import KNOWN
from .download import Patience, digests, download
from .files import scratch_folder
from .sources import SOURCES, Source
from .subset import Subset, read_names

# The largest share of a published data set's images that may be unusable and left out.
LEAVE_OUT = 0.01


def obtain(
    key: str,
    root,
    *,
    given=(),
    name: str | None = None,
    subset: Subset | None = None,
    source: Source | None = None,
    patience: Patience | None = None,
    progress: bool = True,
) -> tuple[dict, bool]:
    """Bring a published data set, or a part of it, below ``root``.

    Args:
        key: of the table, ``"cub"`` for example.
        root: the folder of all data sets.
        given: archives, other files or one folder that the user has; nothing is then downloaded.
        name: of the new folder, by default the table's.
        subset: which part of it, and how small; by default all of it, every file as it is.
        source: the row of the table, by default ``SOURCES[key]``.
        patience: of the downloads.
        progress: show progress bars.

    Returns:
        The manifest, and whether the data set was there already.

    Raises:
        InputError: if it cannot be obtained. Existing files are then unchanged, and a download that
            can be continued is kept.
    """
    source, root, subset = source or SOURCES[key], Path(root), subset or Subset()
    target = root / (name or source.folder)
    manifest = cub_folder.read_manifest(target)
    if manifest and manifest["origin"].get("subset") == subset.record():
        return manifest, True
    if manifest:
        raise InputError(
            "the folder holds another part of the data set, or photographs of another size",
            seen=str(target),
            cure="Give another --name, or move it away.",
        )
    if target.exists():
        raise InputError(
            "the folder exists, but not as this command has written it",
            seen=str(target),
            cure="If it is damaged, move it away and run the command again. If it is a data set in "
            f"CUB's layout of your own, look at it with: python -m finegan_lib check {target}",
        )
    given = [Path(path) for path in given]
    if not given and source.manual:
        raise InputError(
            f"{source.title} cannot be downloaded", seen="no --from", cure=source.manual
        )
    origin = {"homepage": source.homepage, "archives": {}}
    if subset.record():
        origin["subset"] = subset.record()
    if not given:
        given = [
            download(
                archive.urls,
                root / "archives" / archive.name,
                size=archive.size,
                checksums=archive.checksums,
                patience=patience,
                progress=progress,
            )
            for archive in source.archives
        ]
        origin["archives"] = {archive.name: archive.checksums for archive in source.archives}
        verified = True
    else:
        verified = _recognise(given, source, origin, progress)
    with scratch_folder(target) as scratch:
        collection = source.reader(_together(given, scratch / "raw", progress))
        manifest = cub_folder.write_cub_folder(
            subset.of(collection, scratch / "shrunk", progress),
            target,
            title=source.title,
            origin=origin,
            leave_out=LEAVE_OUT,
            decode=not verified,
            progress=progress,
        )
    return manifest, False


def _recognise(given, source, origin, progress):
    """Whether all archives that were given are the published ones; prints it for each."""
    published = {archive.name: archive for archive in source.archives}
    recognised = []
    for path in given:
        if not path.exists():
            raise InputError("no such file or folder", seen=str(path), cure="Look at --from.")
        if path.is_dir():
            recognised.append(False)
            continue
        digest = digests(path, ["sha256"], progress)["sha256"]
        archive = published.get(path.name)
        known = archive is not None and archive.checksums.get("sha256") == digest
        recognised.append(known)
        origin["archives"][path.name] = {"sha256": digest}
        word = "is the published file" if known else "is not a file whose checksum is published"
        print(f"{path.name} {word} (sha256 {digest})")
    return all(recognised)


def _together(given, raw, progress):
    """The one folder that was given, or ``raw`` with everything in it that the archives hold."""
    if len(given) == 1 and given[0].is_dir():
        return given[0]
    raw.mkdir()
    for path in given:
        if path.is_dir():
            raise InputError(
                "--from takes one folder, or archives",
                seen=" ".join(map(str, given)),
                cure="Put everything below one folder.",
            )
        if is_archive(path):
            extract_into(path, raw / path.name.split(".")[0], progress=progress)
        else:
            with disk_errors("copy", path):
                shutil.copyfile(path, raw / path.name)
    return raw


def _small_preset(classes: int | None) -> str:
    """Options of a training that an ordinary computer can do, on photographs of so many classes.

    The children need not be the classes: photographs of one class vary, too. None: not known.
    """
    children = classes if classes and classes >= 4 else 20
    return f"birds32 --n-parents {min(10, children // 4)} --n-children {children}"


def _say_how_to_train(target: Path, preset: str) -> None:
    folder = shlex.quote(str(target))
    print(f"Train on it: python -m finegan_lib train --preset {preset} --data {folder}")


def main(key: str | None = None, arguments=None) -> int:
    """The command ``get_KEY.py``, or ``get.py KEY``.

    Args:
        key: of the table; None: the first argument.
        arguments: by default those of the command line.

    Returns:
        The exit status: 0, or 1 with one message on stderr.
    """
    print_anywhere()
    if key is None:
        first = argparse.ArgumentParser(
            description="A published data set in CUB's layout. Its own options: get.py NAME --help",
            add_help=False,
        )
        first.add_argument("name", choices=SOURCES, metavar="NAME", help=", ".join(SOURCES))
        given = sys.argv[1:] if arguments is None else list(arguments)
        if given[:1] in (["-h"], ["--help"]):
            first.print_help()
            return 0
        key, arguments = first.parse_args(given[:1]).name, given[1:]
    source = SOURCES[key]
    parsed = _parser(key, source).parse_args(arguments)

    def work():
        subset, name = _wanted(key, source, parsed)
        terms = f"{source.title}\n  homepage: {source.homepage}\n  terms: {source.terms}"
        print(f"{terms}\n  cite: {source.cite}")
        patience = Patience() if source.manual else Patience(parsed.timeout, parsed.attempts)
        manifest, there = obtain(
            key,
            parsed.root,
            given=parsed.given,
            name=name,
            subset=subset,
            source=source,
            patience=patience,
            progress=not parsed.no_progress,
        )
        target = Path(parsed.root) / name
        print("Already there, and intact." if there else "Done.")
        print(cub_folder.summary(manifest, target))
        if (manifest["images"], manifest["classes"]) != (source.images, source.classes):
            print(
                f"  note: the published data set has {source.images} images in "
                f"{source.classes} classes"
            )
        paper = source.parents and not subset.record()
        _say_how_to_train(target, key if paper else _small_preset(manifest["classes"]))

    return _run(work)


def _parser(key, source):
    parser = argparse.ArgumentParser(
        description=f"{source.title} in CUB's layout, ready for training: "
        f"{source.images:,} images, {source.classes} classes, one box each.",
        epilog=source.manual,
    )
    _add_common(parser, f"the data set becomes ROOT/{source.folder}")
    parser.add_argument(
        "--from",
        dest="given",
        nargs="+",
        default=[],
        metavar="PATH",
        help="archives, or one folder, that you have already; nothing is then downloaded",
    )
    if not source.manual:
        parser.add_argument("--timeout", type=float, default=30, help="seconds without an answer")
        parser.add_argument(
            "--attempts", type=int, default=6, help="attempts in a row that bring next to nothing"
        )
    part = parser.add_argument_group("a part of it")
    choice = part.add_mutually_exclusive_group()
    choice.add_argument(
        f"--{source.called}",
        dest="classes",
        nargs="+",
        default=[],
        metavar="CLASS",
        help="one number: so many of the first; several numbers, or ranges as in 51-60: these, "
        "counted from 1; or names",
    )
    if source.groups:
        choice.add_argument("--group", choices=source.groups, help="classes that belong together")
    part.add_argument(
        "--shrink",
        type=int,
        metavar="SIZE",
        help="make photographs as small as they can be while the crop round each object (1.5 "
        "times its box) keeps SIZE pixels: 152 to train at 128 pixels, 76 at 64",
    )
    part.add_argument(
        "--photographs",
        metavar="FILE",
        help="keep these photographs alone: a text file, one name a line, as in images.txt "
        "(data_scripts/cub50.txt: those behind the committed results)",
    )
    part.add_argument(
        "--name",
        help=f"name of the new folder (default: {key} and the number of {source.called}, or that "
        "of the FILE)",
    )
    return parser


def _wanted(key, source, parsed):
    """The part of the data set that the arguments mean, and its folder's name."""
    group = getattr(parsed, "group", None)
    classes = source.groups[group] if group else tuple(parsed.classes)
    listed = read_names(parsed.photographs) if parsed.photographs else ()
    subset = Subset(classes, parsed.shrink, listed)
    name = source.folder
    if listed:
        name = Path(parsed.photographs).stem
    elif subset.record():
        name = f"{group or key}{subset.n_classes(source.classes)}"
    return subset, parsed.name or name


def prepare_main(arguments=None) -> int:
    """The command ``prepare_folder.py``.

    Returns:
        The exit status: 0, or 1 with one message on stderr.
    """
    print_anywhere()
    parser = argparse.ArgumentParser(
        description="Your own photographs in CUB's layout. Their files are linked or copied, never "
        "changed. Without boxes the middle of each picture stands for the object, and what lies "
        "round it passes for background: fine for objects in the middle with room around them. "
        "Where objects reach further, the background network learns to paint their edges: then "
        "give boxes. Look at the contact sheet before training.",
        epilog=f"{KNOWN} data_scripts/README.md shows an example of each.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="photographs, in subfolders or not")
    _add_common(parser, "the data set becomes ROOT/NAME")
    parser.add_argument("--name", help="name of the data set (default: the folder's)")
    parser.add_argument(
        "--boxes",
        metavar="PATH",
        help="a file of boxes, or the folder of such files, in a layout listed below; by default "
        "what FOLDER itself holds. A table of your own has a header: file, x, y, width, height or "
        "file, x1, y1, x2, y2, perhaps class; paths are relative to FOLDER",
    )
    parser.add_argument(
        "--unit",
        choices=own.UNITS,
        help="what the boxes are measured in; by default pixels, or shares where all numbers lie "
        "between 0 and 1",
    )
    parser.add_argument(
        "--stored-boxes",
        action="store_true",
        help="boxes of images that EXIF data turn are those of the file as stored, not as shown",
    )
    parser.add_argument(
        "--centre",
        type=float,
        metavar="SHARE",
        help="use no boxes: the object's assumed share of each side "
        f"(default, where there are no boxes: {layouts.CENTRE})",
    )
    parser.add_argument(
        "--leave-out",
        action="store_true",
        help="leave out images, boxes and entries that cannot be used, and count them",
    )
    parsed = parser.parse_args(arguments)

    def work():
        target = Path(parsed.root) / (parsed.name or Path(parsed.folder).resolve().name)
        manifest, there = prepare(
            parsed.folder,
            target,
            boxes=parsed.boxes,
            centre=parsed.centre,
            stored=parsed.stored_boxes,
            unit=parsed.unit,
            leave_out=parsed.leave_out,
            progress=not parsed.no_progress,
        )
        print("Already there, and intact." if there else "Done.")
        print(cub_folder.summary(manifest, target))
        _say_how_to_train(target, _small_preset(manifest["classes"]))

    return _run(work)


def prepare(
    folder,
    target,
    *,
    boxes=None,
    centre: float | None = None,
    stored: bool = False,
    unit: str | None = None,
    leave_out: bool = False,
    progress: bool = True,
) -> tuple[dict, bool]:
    """Bring a user's own photographs into CUB's layout.

    Args:
        folder, boxes, centre, stored, unit: see :func:`finegan_lib.data.own.read_own`.
        target: the new folder, outside ``folder``.
        leave_out: leave out images and entries that cannot be used, rather than refuse all.
        progress: show progress bars.

    Returns:
        The manifest, and whether the data set was there already.

    Raises:
        InputError: if it cannot be made, or is there already, but of other photographs.
    """
    folder, target = Path(folder), Path(target)
    if target.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            "the data set would come to lie among the photographs",
            seen=str(target),
            cure="Name a --root outside their folder, or another --name.",
        )
    collection = own.read_own(
        folder, boxes, centre=centre, stored=stored, unit=unit, leave_out=leave_out
    )
    centre = centre or layouts.CENTRE
    origin = {
        "folder": str(folder.resolve()),
        "files": len(collection.photos),
        "boxes": _digest_of(collection.sources) if collection.sources else centre,
        "stored": stored,
        **({"unit": unit} if unit else {}),
    }
    manifest = cub_folder.read_manifest(target)
    if manifest and manifest["origin"] == origin:
        return manifest, True
    if target.exists():
        raise InputError(
            "the folder exists, but was not made of these photographs and boxes, or is damaged",
            seen=str(target),
            cure="Give another --name, or move it away.",
        )
    manifest = cub_folder.write_cub_folder(
        collection,
        target,
        title=target.name,
        origin=origin,
        leave_out=1.0 if leave_out else 0.0,
        decode=True,
        centre=centre,
        progress=progress,
    )
    return manifest, False


def _digest_of(sources) -> str:
    """The SHA-256 of a file of boxes, or of those of several files."""
    files = [path for path in sources if path.is_file()]
    found = [digests(path, ["sha256"])["sha256"] for path in files]
    together = hashlib.sha256(" ".join(found).encode())
    return found[0] if len(found) == 1 else together.hexdigest()


def _add_common(parser, meaning):
    parser.add_argument(
        "--root", default="data", metavar="ROOT", help=f"{meaning} (default: %(default)s)"
    )
    parser.add_argument("--no-progress", action="store_true", help="show no progress bars")


def _run(work) -> int:
    try:
        work()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; run the command again to go on", file=sys.stderr)
        return 130
    return 0
