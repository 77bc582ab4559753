"""Generated images as files."""

import csv
from pathlib import Path

import torch
from torchvision.utils import save_image

from .. import figures
from ..base.errors import InputError
from ..base.files import empty_folder, make_folder, refuse_to_overwrite
from ..models.generators import final_image, inputs_of
from ..training.pretrained import load_finegan, load_generator
from .demo import save_figure


def write_samples(
    checkpoint, folder, n: int, *, seed=0, tied=True, b=None, p=None, c=None, batch_size=64
) -> list[dict]:
    """Write n images as PNGs, and ``codes.csv`` that says what each was generated from.

    Args:
        checkpoint: name, file or run folder, of any family.
        folder: must be new or empty.
        n: number of images.
        seed: of the codes.
        tied: FineGAN only: p the parent of c and b = c (as in training), or all free.
        b, p, c: fix a code to one index, also where it would be tied to another code.

    Returns:
        One dictionary per image: ``file``, and of ``b``, ``p`` and ``c`` what the family has.

    Raises:
        InputError: for a folder that holds files, n below 1, an index out of range, or a code
            that the family does not have.
    """
    if n < 1:
        raise InputError("n must be at least 1", seen=n, cure="Ask for one image or more.")
    folder = empty_folder(folder)
    generator = load_generator(checkpoint)
    rng = torch.Generator().manual_seed(seed)
    fixed = {name: index for name, index in (("b", b), ("p", p), ("c", c)) if index is not None}
    batches = _batches(generator, n, rng, tied, fixed, batch_size)
    rows = []
    for images, codes in batches:  # the first one checks the codes, before anything is written
        make_folder(folder)
        for i, image in enumerate(images / 2 + 0.5):
            name = f"{len(rows):05d}.png"
            save_image(image, folder / name)
            rows.append({"file": name, **{code: index[i] for code, index in codes.items()}})
    with open(folder / "codes.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


@torch.no_grad()
def _batches(generator, n, rng, tied, fixed, batch_size):
    """Images in [-1, 1] with the indices of their codes, batch by batch."""
    kind = inputs_of(generator)
    inputs = kind.fixed(generator, n, rng, tied, fixed)
    for start in range(0, n, batch_size):
        part = kind.part(inputs, slice(start, start + batch_size))
        yield final_image(generator(*part)), kind.indices(part)


def write_parents(checkpoint, folder, *, seed=0, columns=6, question="") -> list[Path]:
    """Write :func:`finegan_lib.figures.parents_sheet`, and a form for one person's answers.

    Args:
        checkpoint: name, file or run folder of a FineGAN.
        folder: for ``parents.png`` and ``answers.csv`` (``parent``, and ``answer``, empty).
        seed: of the codes.
        columns: pairs of mask and picture in a row.
        question: stands above the sheet.

    Raises:
        InputError: for columns below 1, a form that is there already, or a checkpoint of another
            family.
    """
    if columns < 1:
        raise InputError("columns must be at least 1", seen=columns, cure="Ask for six.")
    generator, folder = load_finegan(checkpoint), Path(folder)
    form = folder / "answers.csv"
    refuse_to_overwrite(form)  # somebody may have filled it in
    sheet = figures.parents_sheet(generator, seed, columns, question)
    sheet = save_figure(sheet, folder / "parents.png")
    with open(form, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["parent", "answer"])
        writer.writerows([parent, ""] for parent in range(generator.config.n_parents))
    return [sheet, form]
