"""One photograph, a folder of them, or ToyBirds: what the applications are given to look at."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..base.errors import InputError
from ..data import BirdsFolder, ToyBirds
from ..data.kept_out import TOY_SEED
from ..data.pictures import middle_square, read_rgb
from ..discovery.cluster import read_images


@dataclass(frozen=True)
class Pictures:
    """N pictures in the size of a generator.

    Attributes:
        images: (N, 3, S, S) float32 in [-1, 1].
        names: one per picture.
        truth: what is known of them, for scoring only. Of ToyBirds ``parent`` and ``child`` (N,)
            int64 and ``masks`` (N, 1, S, S) bool; of a folder in CUB's layout ``boxes`` (N, 4), x1,
            y1, x2, y2 in pixels of the crop.
    """

    images: Tensor
    names: list[str]
    truth: dict

    def __len__(self):
        return len(self.names)

    def select(self, rows) -> "Pictures":
        """Those of some rows, a list of int."""
        truth = {name: values[rows] for name, values in self.truth.items()}
        return Pictures(self.images[rows], [self.names[i] for i in rows], truth)


def read_pictures(
    source, image_size: int, *, n: int | None = None, seed: int = 0, shuffled: bool = False
) -> Pictures:
    """Photographs as a generator of side S would make them, in [-1, 1].

    Args:
        source: "toybirds"; an image file; a folder in CUB's layout, whose boxes say where to cut;
            or any folder with images in it. Without a box the middle square is taken; a file that
            lies in a folder in CUB's layout has its box from there.
        image_size: S, pixels.
        n: at most so many, at random; None: all (500 of ToyBirds).
        seed: of that choice, and of ToyBirds, which no preset was trained on.
        shuffled: a folder's photographs are in random order also if all of them are taken.

    Raises:
        InputError: for what is missing or cannot be read, or n below 1.
    """
    if n is not None and n < 1:
        raise InputError("n must be at least 1", seen=n, cure="Ask for one photograph or more.")
    if str(source) == "toybirds":
        return _toybirds(image_size, n or 500, seed)
    path = Path(source)
    if path.is_file():
        return _file(path, image_size)
    if not path.exists():
        raise InputError(
            "no such file or folder",
            seen=str(source),
            cure='Give a photograph, a folder of photographs, or "toybirds".',
        )
    if (path / "images.txt").is_file():
        birds = BirdsFolder(path, image_size=image_size)
        return _of_folder(birds, _some(len(birds), n, seed, shuffled))
    images, names, _ = read_images(path, image_size)
    rows = _some(len(names), n, seed, shuffled)
    return Pictures(_signed(images[rows]), [names[i] for i in rows], {})


def _some(total: int, n: int | None, seed: int, shuffled: bool) -> list[int]:
    if not shuffled and (n is None or n >= total):
        return list(range(total))
    return np.random.default_rng(seed).permutation(total)[:n].tolist()


def _signed(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1


def _toybirds(image_size: int, n: int, seed: int) -> Pictures:
    birds = ToyBirds(n, image_size=image_size, seed=TOY_SEED + seed, progress=False)
    truth = {
        "parent": torch.as_tensor(birds.parent_index).long(),
        "child": torch.as_tensor(birds.child_index).long(),
        "masks": birds.masks()[:, None],
    }
    names = [f"toybird {i}" for i in range(n)]
    return Pictures(_signed(birds.evaluation_crops()), names, truth)


def _file(path: Path, image_size: int) -> Pictures:
    for folder in path.resolve().parents:
        if (folder / "images.txt").is_file():
            birds = BirdsFolder(folder, image_size=image_size)
            rows = [i for i, one in enumerate(birds.paths) if one.resolve() == path.resolve()]
            if rows:
                return _of_folder(birds, rows)
    return Pictures(
        _signed(torch.from_numpy(middle_square(read_rgb(path), image_size)))[None], [path.name], {}
    )


def _of_folder(birds: BirdsFolder, rows: list[int]) -> Pictures:
    names = [str(birds.paths[i].relative_to(birds.root)) for i in rows]
    boxes = torch.tensor(birds.evaluation_boxes(rows), dtype=torch.float32)
    return Pictures(_signed(birds.evaluation_crops(rows)), names, {"boxes": boxes})
