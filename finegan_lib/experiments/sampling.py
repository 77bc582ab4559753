"""Generated images as files."""

import csv
from pathlib import Path

import torch
from torchvision.utils import save_image

from ..base.errors import InputError
from ..codes import one_hot
from ..figures import draw
from ..models import FineGANGenerator, InfoGANBaselineGenerator
from ..models.generators import final_image, random_codes
from ..pretrained import load_generator


def write_samples(
    checkpoint, folder, n: int, *, seed=0, tied=True, b=None, p=None, c=None, batch_size=64
) -> list[dict]:
    """Write n images as PNGs, and ``codes.csv`` that says what each was drawn from.

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
    folder = Path(folder)
    if n < 1:
        raise InputError("n must be at least 1", seen=n, cure="Ask for one image or more.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            "this is a file, or a folder that holds files already",
            seen=str(folder),
            cure="Choose a new folder.",
        )
    generator = load_generator(checkpoint)
    random = torch.Generator().manual_seed(seed)
    if isinstance(generator, FineGANGenerator):
        batches = _finegan_batches(generator, n, random, tied, b, p, c, batch_size)
    else:
        batches = _other_batches(generator, n, random, b, p, c, batch_size)
    rows = []
    for images, codes in batches:  # the first one checks the codes, before anything is written
        folder.mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(images / 2 + 0.5):
            name = f"{len(rows):05d}.png"
            save_image(image, folder / name)
            rows.append({"file": name, **{code: index[i] for code, index in codes.items()}})
    with open(folder / "codes.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def _finegan_batches(generator, n, random, tied, b, p, c, batch_size):
    """Images C in [-1, 1] with the indices of their codes, batch by batch."""
    hierarchy = generator.config.hierarchy()
    codes = hierarchy.sample(n, generator.config.z_dim, tied=tied, generator=random)
    c_index = codes.c_index if c is None else c
    loose = {} if tied else {"p_index": codes.p_index, "b_index": codes.b_index}
    fixed = {f"{k}_index": v for k, v in (("p", p), ("b", b)) if v is not None}
    codes = hierarchy.codes(codes.z, c_index, **{**loose, **fixed})
    for start in range(0, n, batch_size):
        part = codes.select(slice(start, start + batch_size))
        indices = {k: getattr(part, f"{k}_index").tolist() for k in "bpc"}
        yield draw(generator, part).child.image, indices


@torch.no_grad()
def _other_batches(generator, n, random, b, p, c, batch_size):
    """The same of the other families, whose only code of these can be the InfoGAN baseline's c."""
    has_c = isinstance(generator, InfoGANBaselineGenerator)
    fixed = [name for name, index in (("b", b), ("p", p), ("c", c)) if index is not None]
    unknown = set(fixed) - ({"c"} if has_c else set())
    if unknown:
        raise InputError(
            "this generator does not have the code to be fixed",
            seen=f"{min(unknown)} for a {type(generator).__name__}",
            cure="Leave the option out, or give a FineGAN's checkpoint.",
        )
    codes = random_codes(generator, n, random)
    if c is not None:
        index = torch.full((n,), c)
        codes = (codes[0], one_hot(index, generator.config.n_children, "child (c)"))
    for start in range(0, n, batch_size):
        part = [code[start : start + batch_size] for code in codes]
        indices = {"c": part[1].argmax(1).tolist()} if has_c else {}
        yield final_image(generator(*part)), indices
