"""Generated images as files."""

import csv
from pathlib import Path

import torch
from torchvision.utils import save_image

from .errors import InputError
from .figures import draw
from .pretrained import load_finegan


def write_samples(
    checkpoint, folder, n: int, *, seed=0, tied=True, b=None, p=None, c=None, batch_size=64
) -> list[dict]:
    """Write n images C of a FineGAN as PNGs, and ``codes.csv`` that says what each was drawn from.

    Args:
        checkpoint: name, file or run folder.
        folder: must be new or empty.
        n: number of images.
        seed: of the codes.
        tied: p the parent of c and b = c (as in training), or all free.
        b, p, c: fix a code to one index, whatever the tie says.

    Returns:
        One dictionary per image: ``file``, ``b``, ``p``, ``c``.

    Raises:
        InputError: for a folder that holds files, n below 1, or an index out of range.
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
    generator = load_finegan(checkpoint)
    hierarchy, random = generator.config.hierarchy(), torch.Generator().manual_seed(seed)
    codes = hierarchy.sample(n, generator.config.z_dim, tied=tied, generator=random)
    c_index = codes.c_index if c is None else c
    loose = {} if tied else {"p_index": codes.p_index, "b_index": codes.b_index}
    fixed = {f"{k}_index": v for k, v in (("p", p), ("b", b)) if v is not None}
    codes = hierarchy.codes(codes.z, c_index, **{**loose, **fixed})
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for start in range(0, n, batch_size):
        part = codes.select(slice(start, start + batch_size))
        images = draw(generator, part).child.image / 2 + 0.5
        indices = zip(
            *(code.tolist() for code in (part.b_index, part.p_index, part.c_index)), strict=True
        )
        for image, (b_i, p_i, c_i) in zip(images, indices, strict=True):
            name = f"{len(rows):05d}.png"
            save_image(image, folder / name)
            rows.append({"file": name, "b": b_i, "p": p_i, "c": c_i})
    with open(folder / "codes.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "b", "p", "c"])
        writer.writeheader()
        writer.writerows(rows)
    return rows
