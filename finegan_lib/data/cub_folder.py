"""Writes a collection of photographs as a folder in CUB's layout, and checks that it is intact.

The photographs are hard links, or copies where the disk has none: the originals never change, and
only :mod:`~finegan_lib.data.subset` writes other pixels, where the user asks for smaller ones. (A
hard link is the same file under a second name: do not paint in it.)
``manifest.json`` records every list's SHA-256 and every image's size, so that a quick look shows
whether the folder is whole. It does not find a changed byte within an image; ``check`` does.
"""

import hashlib
import json
import math
import os
import shutil
from pathlib import Path

from tqdm.auto import tqdm

from ..base.errors import InputError
from ..base.files import empty_folder, write_text
from .annotations import PERCENT, SHARES
from .files import new_folder, printable
from .layouts import CENTRE, Collection, area
from .lists import Report, read_boxes, read_classes, read_headers, read_images, validate_box
from .pictures import read_header, read_rgb, told_unused, upright_box
from .plausible import (
    background_shares,
    background_text,
    background_warning,
    is_like_a_share,
    suspicion,
)

MANIFEST = "manifest.json"
FORMAT = 1
LISTS = ("images.txt", "bounding_boxes.txt", "image_class_labels.txt", "classes.txt")
SHEET = "contact_sheet.png"


def write_cub_folder(
    collection: Collection,
    target,
    *,
    title: str = "",
    origin: dict | None = None,
    leave_out: float = 0.0,
    decode: bool = False,
    centre: float = CENTRE,
    progress: bool = True,
) -> dict:
    """Write the folder, whole or not at all, and its contact sheet.

    Args:
        collection: the photographs.
        target: the new folder.
        title: of the contact sheet.
        origin: facts for the manifest, e.g. the archives' checksums.
        leave_out: the greatest share of photographs that may be refused (by the rules of
            :mod:`~finegan_lib.data.check`) and left out; the others are written, with a note.
        decode: decode every image, rather than its header alone, to see whether it is whole.
        centre: the share of each side that the box of a photograph without one has.
        progress: show a progress bar.

    Returns:
        The manifest, see :func:`read_manifest`.

    Raises:
        InputError: if more photographs are refused than may be left out (all are named), if the
            folder exists, or if the disk is full or cannot be written.
    """
    target = Path(target)
    rows, sizes, refused, notes = _usable(collection, decode, centre, progress)
    if len(refused) > leave_out * len(collection.photos) or not rows:
        raise InputError(
            f"{len(refused)} of {len(collection.photos)} images cannot be used",
            seen=f"{in_lines(refused)}\n" if refused else "no image",
            cure="Mend them or move them away"
            + ("." if leave_out else ", or leave them out with --leave-out."),
        )
    if collection.doubtful and (doubt := _doubt(rows, sizes)):
        raise InputError(doubt[0], seen=rows[0][0].where, cure=doubt[1])
    boxes, notes = [box for _, box in rows], [*collection.notes, *notes]
    shares = background_shares(sizes, boxes)
    warning = background_warning(sizes, boxes, shares)
    if refused:
        notes.append(f"{len(refused)} images cannot be used and are left out:{in_lines(refused)}")
    with new_folder(target) as folder:
        files = _link_images(rows, folder / "images", progress)
        _write_lists(rows, collection.class_names, folder)
        labels = {photo.label for photo, _ in rows}
        manifest = {
            "format": FORMAT,
            "title": title,
            "images": len(rows),
            "classes": len(labels) if collection.class_names else None,
            "boxes": len(rows),
            "bytes": sum(files.values()),
            "notes": notes,
            "layout": collection.layout,
            "unused": collection.unused,
            "background": {str(size): share for size, share in shares.items()},
            "warning": warning,
            "origin": origin or {},
            "lists": {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(folder.glob("*.txt"))
            },
            "sizes": files,
        }
        contact_sheet(folder, title=title).save(folder / SHEET)
        write_text(folder / MANIFEST, json.dumps(manifest))
    return manifest


def _usable(collection, decode, centre, progress):
    """([(photo, upright box)], their images' sizes, refusals, notes)."""
    rows, sizes, refused, clipped, turned, beside = [], [], [], 0, 0, 0
    photos = tqdm(collection.photos, desc="looking", unit="img", disable=not progress)
    for photo in photos:
        try:
            header = read_header(photo.file, photo.where)
            if decode:
                read_rgb(photo.file, photo.where)
            photo, box, cut, worse = _best_box(photo, header, centre)
        except InputError as error:
            refused.append(error)
            continue
        clipped, beside = clipped + cut, beside + worse
        turned += header.orientation != 1
        rows.append((photo, box))
        sizes.append(header.size)
    notes = [f"{clipped} boxes reach beyond their image and are clipped to it"] if clipped else []
    if turned:
        notes.append(f"{turned} images are turned by EXIF data; their boxes are the upright ones'")
    if beside:
        notes.append(f"{beside} boxes beside good ones are empty, inverted or outside: not used")
    return rows, sizes, refused, notes


def _best_box(photo, header, centre):
    """(photo, upright box, whether it was clipped, number of unusable boxes beside it).

    Of several boxes it is the largest that can be used.

    Raises:
        InputError: if none can.
    """
    good, errors = [], []
    for candidate in (photo, *photo.others):
        try:
            box = upright(candidate, header, centre)
            _refuse_the_suspicious(candidate, box, header)
            good.append((candidate, *validate_box(box, header, candidate.where)))
        except InputError as error:
            errors.append(error)
    if not good:
        raise errors[0]
    best = max(good, key=lambda found: area(found[1]))
    return *best, len(errors)


def _refuse_the_suspicious(photo, box, header):
    """A box that is a share among pixels, or whose size is that of its image."""
    if photo.box is None:
        return
    if photo.frame not in (SHARES, PERCENT) and is_like_a_share(photo.box):
        x1, y1, x2, y2 = photo.box
        raise InputError(
            f"{photo.where}: the box is smaller than a pixel, as a share of its image would be",
            seen=f"x {x1:g} to {x2:g}, y {y1:g} to {y2:g}",
            cure="Give all boxes in pixels, or all as shares between 0 and 1.",
        )
    x1, y1, x2, y2 = box
    if (x2 - x1, y2 - y1) == header.size and x1 > 0 and y1 > 0:
        raise InputError(
            f"{photo.where}: the box's width and height are those of its image",
            seen=f"x {x1:g}, y {y1:g}, width {x2 - x1:g}, height {y2 - y1:g}",
            cure="Give the box's own width and height.",
        )


def _doubt(rows, sizes):
    """What the boxes show together, as their files give them: see :func:`.plausible.suspicion`."""
    given = [
        (photo.box, photo.frame or size)
        for (photo, _), size in zip(rows, sizes, strict=True)
        if photo.box is not None and photo.frame not in (SHARES, PERCENT)
    ]
    return suspicion([box for box, _ in given], [size for _, size in given])


def in_lines(errors, most: int = 20) -> str:
    """Errors, one a line, after a line's end."""
    more = f"\n  … and {len(errors) - most} more" if len(errors) > most else ""
    return "".join(f"\n  {error}" for error in errors[:most]) + more


def upright(photo, header, centre: float) -> tuple:
    """The photo's box, x1, y1, x2, y2 in pixels of the upright image.

    Args:
        photo: a :class:`~finegan_lib.data.layouts.Photo`.
        header: what :func:`~finegan_lib.data.pictures.read_header` says of its file.
        centre: the share of each side that the box of a photograph without one has.
    """
    width, height = header.size
    if photo.box is None:
        x, y = (1 - centre) / 2 * width, (1 - centre) / 2 * height
        return x, y, width - x, height - y
    stored_size = header.size[::-1] if header.orientation >= 5 else header.size
    stored = photo.stored
    if photo.frame in (stored_size, header.size) and stored_size != header.size:
        stored = photo.frame == stored_size  # the size in which the boxes were drawn shows it
    size = stored_size if stored else header.size
    across, down = (a / b for a, b in zip(size, photo.frame or size, strict=True))
    x1, y1, x2, y2 = photo.box
    box = x1 * across, y1 * down, x2 * across, y2 * down
    return upright_box(box, header.size, header.orientation) if stored else box


def _link_images(rows, images, progress):
    """{path below images/: size in bytes}; a file that comes with several boxes is linked once."""
    sizes = {}
    for photo, _ in tqdm(rows, desc="linking", unit="img", disable=not progress):
        if photo.name in sizes:
            continue
        place = images / photo.name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(os.path.realpath(photo.file), place)
        except OSError:  # another disk, or one without links
            shutil.copyfile(photo.file, place)
        sizes[photo.name] = place.stat().st_size
    return sizes


def _write_lists(rows, class_names, folder):
    lines = {name: [] for name in LISTS[:2]}
    labelled = class_names is not None and all(photo.label is not None for photo, _ in rows)
    split = [photo.training for photo, _ in rows]
    for id_, (photo, (x1, y1, x2, y2)) in enumerate(rows, start=1):
        lines["images.txt"].append(f"{id_} {photo.name}")
        numbers = (f"{number:.8g}" for number in (x1, y1, x2 - x1, y2 - y1))
        lines["bounding_boxes.txt"].append(f"{id_} {' '.join(numbers)}")
    if labelled:
        used = sorted({photo.label for photo, _ in rows})
        number = {label: k for k, label in enumerate(used, start=1)}
        lines["classes.txt"] = [f"{number[k]} {_one_line(class_names[k])}" for k in used]
        lines["image_class_labels.txt"] = [
            f"{id_} {number[photo.label]}" for id_, (photo, _) in enumerate(rows, start=1)
        ]
    if None not in split:
        lines["train_test_split.txt"] = [
            f"{id_} {int(training)}" for id_, training in enumerate(split, start=1)
        ]
    for name, text in lines.items():
        write_text(folder / name, "\n".join(text) + "\n")


def _one_line(name):
    return printable(" ".join(name.split())) or "unnamed"


def write_drawn(birds, folder, progress: bool = True) -> None:
    """What :meth:`~finegan_lib.data.ToyBirds.write_cub` does."""
    import numpy as np
    from PIL import Image

    folder = empty_folder(folder)
    class_names = _drawn_class_names(birds)
    rows = np.argsort(birds.child_index, kind="stable")  # CUB numbers its images class by class
    lines = {name: [] for name in (*LISTS, "train_test_split.txt")}
    counts = np.zeros(birds.n_children, int)
    for name in class_names:
        (folder / "images" / name).mkdir(parents=True, exist_ok=True)
    for image_id, row in enumerate(tqdm(rows, desc="writing", disable=not progress), start=1):
        child = birds.child_index[row]
        counts[child] += 1
        stem = class_names[child].split(".", 1)[1]
        path = f"{class_names[child]}/{stem}_{counts[child]:04d}.jpg"
        pixels = np.moveaxis(np.asarray(birds._scenes[row]), 0, 2)
        Image.fromarray(pixels).save(folder / "images" / path, quality=95, subsampling=0)
        x1, y1, x2, y2 = birds.boxes[row].tolist()
        lines["images.txt"].append(f"{image_id} {path}")
        lines["bounding_boxes.txt"].append(
            f"{image_id} {x1:.2f} {y1:.2f} {x2 - x1:.2f} {y2 - y1:.2f}"
        )
        lines["image_class_labels.txt"].append(f"{image_id} {child + 1}")
        lines["train_test_split.txt"].append(f"{image_id} {counts[child] % 2}")
    lines["classes.txt"] = [f"{k} {name}" for k, name in enumerate(class_names, start=1)]
    for name, text in lines.items():
        (folder / name).write_text("\n".join(text) + "\n")


def _drawn_class_names(birds):
    names = []
    for child in range(birds.n_children):
        species = birds.child_names[child].split(":")[0].title().replace(" ", "_")
        names.append(f"{child + 1:03d}.{species}")
    return names


# ------------------------------------------------------------------------------------ manifest


def read_manifest(folder) -> dict | None:
    """The manifest of an intact folder; None if it has none, or if a file differs from it.

    Every list's checksum and every image's presence and size are compared: some 10,000 images take
    a fraction of a second.
    """
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        lists, sizes = manifest["lists"], manifest["sizes"]
        if manifest["format"] != FORMAT or not set(LISTS[:2]) <= set(lists):
            return None
        for name, digest in lists.items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                return None
        images = os.path.join(folder, "images")
        if any(os.stat(os.path.join(images, name)).st_size != n for name, n in sizes.items()):
            return None
        int(manifest["images"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest


def summary(manifest: dict, folder) -> str:
    """The contents of a data set, in a few lines."""
    folder = Path(folder)
    classes = manifest["classes"] or "no"
    lines = [
        f"{manifest['title'] or folder.name}: {folder}",
        f"  {manifest['images']:6} images ({manifest['bytes'] / 1e6:.1f} MB)",
        f"  {classes:>6} classes",
        f"  {manifest['boxes']:6} boxes",
        f"  contact sheet: {folder / SHEET}",
    ]
    if manifest.get("layout"):
        lines.insert(4, f"         read as {manifest['layout']}")
    notes = list(manifest["notes"])
    if unused := told_unused(manifest.get("unused") or {}):
        notes.append(unused)
    if shares := manifest.get("background"):
        lines.append(f"  {background_text(shares)}")
    lines += [f"  note: {note}" for note in notes]
    if manifest.get("warning"):
        lines.append(f"  warning: {manifest['warning']}")
    return printable("\n".join(lines))


# -------------------------------------------------------------------------------- contact sheet


def contact_sheet(folder, *, columns: int = 8, rows: int = 5, side: int = 128, title: str = ""):
    """A Pillow image of examples spread evenly over the folder, with their boxes and classes.

    Args:
        folder: in CUB's layout.
        columns, rows: how many examples at most.
        side: of each, in pixels.
        title: written above.
    """
    from PIL import Image, ImageDraw, ImageFont

    folder, report = Path(folder), Report(stop=True)
    listed = read_images(folder, report)
    ids = [list(listed)[k] for k in evenly_spaced(len(listed), columns * rows)]
    names, labels = read_classes(folder, listed, report)
    boxes = read_boxes(folder, listed, read_headers({i: listed[i] for i in ids}, report), report)
    rows = math.ceil(len(ids) / columns)
    caption, head = 16, 24
    sheet = Image.new("RGB", (columns * side, head + rows * (side + caption)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    n_classes = f", {len(set(labels.values()))} classes" if labels else ""
    draw.text((6, 6), f"{title or folder.name}: {len(listed)} images{n_classes}", "black", font)
    for place, id_ in enumerate(ids):
        x, y = place % columns * side, head + place // columns * (side + caption)
        image = read_rgb(listed[id_][0])
        scale = (side - 4) / max(image.size)
        size = [max(1, round(length * scale)) for length in image.size]
        sheet.paste(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2), (x + 2, y + 2))
        corners = [corner * scale for corner in boxes[id_]]
        frame = [x + 2 + corners[0], y + 2 + corners[1], x + 1 + corners[2], y + 1 + corners[3]]
        draw.rectangle(
            [frame[0], frame[1], max(frame[0], frame[2]), max(frame[1], frame[3])],
            outline="#E69F00",
            width=2,
        )
        label = names[labels[id_]] if names and labels else listed[id_][0].stem
        label = label.encode("ascii", "replace").decode()[: side // 6 - 1]
        draw.text((x + 3, y + side), label, "black", font)
    return sheet


def evenly_spaced(n: int, most: int) -> list[int]:
    """At most ``most`` of range(n), from the first on, at even distances."""
    count = min(n, most)
    return [k * n // count for k in range(count)]
