"""Every problem of a folder of photographs in one pass: ``python -m finegan_lib check FOLDER``.

The rules are those of :mod:`finegan_lib.data.lists`, called with a report that goes on. The outcome
of each input, which the test of its name in ``tests/data/test_check.py`` checks:

====================================== ========= ===================================================
input                                  outcome   how
====================================== ========= ===================================================
truncated, zero-byte or foreign file   refused   file and line of images.txt
16 bits a channel, floats              refused   clipping would hide what is lost
a side below 8 pixels, or a shape      refused   there is nothing to see, and the shorter side is
of more than 50 to 1                             blown up to 152 pixels
more than 120 million pixels           refused   360 MB once decoded, in every worker
20,000 pixels wide, fewer in all       used
greyscale, palette                     used      as RGB
CMYK                                   repaired  as RGB, without colour management
partly transparent                     repaired  the transparency is dropped
animated, several frames               repaired  the first frame
turned by EXIF                         used      upright; **boxes are those of the upright image**
box beyond the edge                    repaired  clipped
all boxes between 0 and 1: shares      repaired  multiplied by the image's size
boxes like percentages, or like        repaired  told: nothing in the folder says what they are
corners taken for sizes
box outside, empty, inverted, NaN      refused   file and line of bounding_boxes.txt
box smaller than a pixel               repaired  told: it looks like a share among pixels, which
                                                 ``prepare_folder.py`` refuses
image id, class id or box line twice   refused   file and line
image listed under two ids             used      one example each: two objects in one picture
image listed in another form           repaired  separators, capital letters, Unicode: told
image listed, but missing              refused   file and line
hidden file or folder, resource fork   used      the folder, without it
image below images/, but not listed    used      the folder, without it; the check names it
path that leads out of images/         refused   file and line
line that is not UTF-8                 refused   file and line
class with one image, or with none     used      no loss of FineGAN looks at classes
read-only disk                         used      reading writes nothing
full disk                              refused   only ``--json`` writes; the old file stays
====================================== ========= ===================================================

"Repaired" means: :class:`~finegan_lib.data.folder.BirdsFolder` makes one warning for each kind,
with the number of images. "Refused" means that it raises at the first.
"""

import os
from collections import Counter
from pathlib import Path

from tqdm.auto import tqdm

from ..base.errors import InputError
from .example import background_size
from .files import printable
from .folder import validate_full_scale
from .lists import (
    Report,
    read_boxes,
    read_classes,
    read_headers,
    read_images,
    validate_folder_files,
)
from .pictures import is_hidden, read_rgb
from .plausible import MARGIN, TOLD_SIZES, background_shares, background_text, background_warning

OUTCOMES = ("refused", "repaired", "used")


def check_folder(
    root,
    *,
    decode: bool = True,
    progress: bool = False,
    image_sizes=TOLD_SIZES,
    full_scale: float = MARGIN,
) -> dict:
    """Look at every image and every line of a folder in CUB's layout.

    Args:
        root: the folder that holds ``images.txt``.
        decode: decode each image whole, as training will; False reads the headers alone.
        progress: show a progress bar.
        image_sizes, full_scale: of the trainings for which the share of windows with a background
            patch is told.

    Returns:
        ``folder``, ``images`` (listed), ``classes`` (None if not known), the numbers of findings
        ``refused``, ``repaired`` and ``used``, ``counts`` (by outcome and rule) and ``findings``:
        dicts with outcome, rule, where (file and line) and message, the refusals first;
        ``background`` {image size: share of training windows with a background patch}, and
        ``warning``, what to do where that is too small, or "".

    Raises:
        InputError: if there is no such folder, or for an image size or a full_scale that no
            training can have.
    """
    validate_full_scale(full_scale)
    for image_size in image_sizes:
        background_size(image_size)  # said before thousands of images are decoded
    root, report = Path(root), Report(stop=False)
    rows, names, labels, boxes, headers = {}, None, None, {}, {}
    if validate_folder_files(root, report):
        rows = read_images(root, report)
        headers = read_headers(rows, report)
        boxes = read_boxes(root, rows, headers, report)
        names, labels = read_classes(root, rows, report)
        if decode:
            _decode({id_: rows[id_] for id_ in headers}, report, progress)
        _name_unlisted(root, rows, report)
    findings = sorted(report.findings, key=lambda finding: OUTCOMES.index(finding.outcome))
    counts = {outcome: Counter() for outcome in OUTCOMES}
    for finding in findings:
        counts[finding.outcome][finding.rule] += 1
    n_classes = len(names) if names else len(set(labels.values())) if labels else None
    return {
        "folder": str(root),
        "images": len(rows),
        "classes": n_classes,
        **{outcome: counts[outcome].total() for outcome in OUTCOMES},
        "counts": {outcome: dict(rules) for outcome, rules in counts.items()},
        "findings": [finding._asdict() for finding in findings],
        **_background(
            [headers[id_].size for id_ in boxes], list(boxes.values()), image_sizes, full_scale
        ),
    }


def _background(sizes, boxes, image_sizes, full_scale):
    if not boxes:
        return {"background": {}, "warning": ""}
    shares = background_shares(sizes, boxes, full_scale, image_sizes)
    warning = background_warning(sizes, boxes, shares, full_scale)
    return {"background": {str(size): share for size, share in shares.items()}, "warning": warning}


def _decode(rows, report, progress):
    for path, where in tqdm(rows.values(), desc="decoding", unit="img", disable=not progress):
        try:
            read_rgb(path, where)
        except InputError as error:
            report.refuse("images cannot be used", where, error)


def _name_unlisted(root, rows, report):
    """Files below images/ that no line names."""
    listed = {os.path.normpath(path) for path, _ in rows.values()}
    for folder, _, names in os.walk(root / "images"):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if is_hidden(path, root):
                continue
            if os.path.normpath(path) not in listed:
                report.use("files are listed nowhere, and not looked at", printable(path))


def report_text(result: dict, most: int = 200) -> str:
    """What the command prints: a line for every problem, then the counts.

    Args:
        result: of :func:`check_folder`.
        most: findings shown of each outcome; findings that are merely unusual are only counted.
    """
    lines = []
    for outcome in ("refused", "repaired"):
        of_kind = [finding for finding in result["findings"] if finding["outcome"] == outcome]
        for finding in of_kind[:most]:
            where, message = finding["where"], finding["message"]
            place = "" if where in message else f"{where}: "
            lines.append(printable(f"{outcome:9} {place}{message}"))
        if len(of_kind) > most:
            lines.append(f"{outcome:9} … and {len(of_kind) - most} more; --json has them all")
    classes = "" if result["classes"] is None else f", {result['classes']} classes"
    lines.append(f"{result['folder']}: {result['images']} images{classes}")
    for outcome in OUTCOMES:
        for rule, n in result["counts"][outcome].items():
            lines.append(f"{outcome:9} {n:6} {rule}")
    if result["background"]:
        lines.append(background_text(result["background"]))
    if result["warning"]:
        lines.append(f"warning: {result['warning']}")
    if not result["refused"]:
        lines.append("Nothing is refused: BirdsFolder reads this folder.")
    return "\n".join(lines)
