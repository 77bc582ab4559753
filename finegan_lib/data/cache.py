"""Photographs decoded once: the resized images of a folder as bytes on the disk, read in place.

Decoding a JPEG and resizing it takes many times as long as cutting a window out of the result, and
the result is the same in every epoch. Therefore it is kept: one file of all pixels, which the
operating system maps into memory page by page, and a table that says where each image begins.
"""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm.auto import tqdm

from ..base.errors import InputError
from .example import TrainingExample, split_keys, to_float
from .files import cache_folder_for, fill_cache, make_writable
from .folder import BirdsFolder
from .pictures import read_rgb, resize_shorter_side
from .plausible import box_in_window, random_window

CACHE_VERSION = 1
# Columns of the table: where the crop and the whole image begin in the file of pixels, their
# (width, height), and the (width, height) of the photograph itself.
CROP_AT, WHOLE_AT, CROP, WHOLE, PHOTOGRAPH = 0, 1, slice(2, 4), slice(4, 6), slice(6, 8)


class CachedBirds(BirdsFolder):
    """A :class:`BirdsFolder` that decodes every photograph once, and then never again.

    ``dataset[i, view]`` is the same to the last bit. The cache lies in a folder whose name is a
    digest of every photograph's bytes, the boxes and the sizes, so that a cache is never out of
    date: a changed photograph gets another cache. It is built in a temporary folder and renamed
    when it is complete. It takes 3 bytes a pixel: at 128 pixels about 70 kB for a crop (152 pixels
    wide), and 90 kB for the whole image of a photograph of 4:3.

    Args:
        root, options: see :class:`BirdsFolder`.
        cache_dir: where the caches are; None: FINEGAN_CACHE, or ``~/.cache/finegan_lib``.
        progress: show progress bars.

    Raises:
        InputError: as :class:`BirdsFolder`; for any image that cannot be decoded; if the disk has
            too little room.
    """

    def __init__(self, root, *, cache_dir=None, progress: bool = True, **options):
        super().__init__(root, **options)
        self.cache = cache_folder_for(self._cache_name(progress), cache_dir)
        if not self._load():
            make_writable(self.cache.parent)
            self._build(progress)
            if not self._load():
                raise InputError(
                    "the cache of the photographs was damaged while it was written",
                    seen=str(self.cache),
                    cure="Remove that folder, and try again.",
                )

    def __getstate__(self):
        """The pixels stay on the disk: a worker process maps them anew."""
        return self.__dict__ | {"_table": None, "_pixels": None}

    def __setstate__(self, state):
        self.__dict__.update(state)
        if not self._load():
            raise InputError(
                "the cache of the photographs is gone",
                seen=str(self.cache),
                cure="Start again; it will be built anew.",
            )

    @property
    def n_bytes(self) -> int:
        """Size of the file of pixels."""
        return self._pixels.size

    # ------------------------------------------------------------------ reading

    def __getitem__(self, key) -> TrainingExample:
        index, view = key if isinstance(key, tuple) else (key, 0)
        batch = self.batch([(range(len(self))[index], view)])
        return TrainingExample(*(field[0] for field in batch[:3]), int(batch.index[0]))

    def __getitems__(self, keys) -> list[TrainingExample]:
        """The examples of one batch, as a list. A ``DataLoader`` calls this."""
        batch = self.batch(keys)
        return [TrainingExample(a, b, c, int(i)) for a, b, c, i in zip(*batch, strict=True)]

    def batch(self, keys) -> TrainingExample:
        """The examples of some keys, ``i`` or ``(i, view)``: every field has a leading N."""
        indices, views = split_keys(keys)
        s, s_b = self.image_size, self.background_size
        crops = np.empty((len(indices), 3, s, s), np.uint8)
        windows = np.empty((len(indices), 3, s_b, s_b), np.uint8)
        boxes = np.empty((len(indices), 4), np.float32)
        flips = np.empty((2, len(indices)), bool)
        for row, (index, view) in enumerate(zip(indices, views, strict=True)):
            entry = self._table[index]
            # The random numbers of BirdsFolder.__getitem__, in its order.
            rng = np.random.default_rng((self.seed, index, view))
            x, y, _ = random_window(entry[CROP], s, rng)
            flips[0, row] = rng.random() < 0.5
            crops[row] = self._image(entry[CROP_AT], entry[CROP])[:, y : y + s, x : x + s]
            x, y, _ = window = random_window(entry[WHOLE], s_b, rng)
            flips[1, row] = flip = rng.random() < 0.5
            windows[row] = self._image(entry[WHOLE_AT], entry[WHOLE])[:, y : y + s_b, x : x + s_b]
            boxes[row] = box_in_window(
                self.boxes[index], entry[PHOTOGRAPH], entry[WHOLE], window, flip
            )
        for images, flip in zip((crops, windows), flips, strict=True):
            images[flip] = images[flip, ..., ::-1]
        return TrainingExample(
            to_float(crops), to_float(windows), torch.from_numpy(boxes), torch.tensor(indices)
        )

    def _image(self, start, size) -> np.ndarray:
        width, height = size
        return self._pixels[start : start + 3 * width * height].reshape(3, height, width)

    # ------------------------------------------------------------------ the cache

    def _cache_name(self, progress: bool) -> str:
        settings = (CACHE_VERSION, self.image_size, self.crop_scale, self.full_scale)
        digest = hashlib.sha256(f"{settings} Pillow {Image.__version__}".encode())
        digest.update(self.boxes.tobytes())
        for path in tqdm(self.paths, "checking photographs", unit="img", disable=not progress):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return f"photographs-{self.image_size}px-{len(self)}-{digest.hexdigest()[:16]}"

    def _load(self) -> bool:
        """Map the cache; False if there is none, or its sizes are not what they should be."""
        try:
            self._table = np.load(self.cache / "table.npy")
            self._pixels = np.memmap(self.cache / "pixels.bin", np.uint8, "r")
        except (OSError, ValueError):
            return False
        last = self._table[-1]
        end = last[WHOLE_AT] + 3 * last[WHOLE].prod()
        return self._table.shape == (len(self), 8) and end == self._pixels.size

    def _build(self, progress: bool) -> None:
        fill_cache(self.cache, lambda folder: self._write(folder, progress), self._load)

    def _write(self, folder: Path, progress: bool) -> None:
        table, end = np.empty((len(self), 8), np.int64), 0
        bar = tqdm(self.paths, "decoding photographs, once", unit="img", disable=not progress)
        with open(folder / "pixels.bin", "wb") as file:
            for entry, path, box in zip(table, bar, self.boxes, strict=True):
                photograph = read_rgb(path)
                side = int(self.background_size * self.full_scale + 1e-6)
                images = self._child_crop(photograph, box), resize_shorter_side(photograph, side)
                entry[CROP], entry[WHOLE] = (image.size for image in images)
                entry[PHOTOGRAPH] = photograph.size
                for column, image in zip((CROP_AT, WHOLE_AT), images, strict=True):
                    entry[column] = end
                    end += file.write(np.asarray(image).transpose(2, 0, 1).tobytes())
            file.flush()
            os.fsync(file.fileno())
        np.save(folder / "table.npy", table)
