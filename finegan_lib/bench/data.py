"""Reading photographs: decoded anew, or from the cache."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..data import BirdsFolder, ToyBirds
from ..data.cache import CachedBirds
from ..training import StepSampler, build_system
from .clock import compare, facts
from .doctor import random_batch
from .step import CASES


def data(n_images: int = 100, rounds: int = 5, progress: bool = True) -> dict:
    """Batches of 16 crops of photograph-sized JPEGs (500 × 375), decoded anew or from the cache.

    The photographs are ToyBirds, enlarged. ``share`` is the time for one batch as a fraction of
    the training step at 32 pixels, the fastest step that there is; a GPU's step is shorter still.
    """
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        photographs = _photographs(Path(folder), n_images, progress)
        config = CASES[32][0]
        system, batch = build_system(config), random_batch(32, 16, "cpu")
        train = lambda: system.step(batch, torch.Generator().manual_seed(0))  # noqa: E731
        for size in (32, 128):
            birds = BirdsFolder(photographs, image_size=size)
            start = time.perf_counter()
            cached = CachedBirds(
                photographs, image_size=size, cache_dir=Path(folder) / "cache", progress=progress
            )
            built = time.perf_counter() - start
            batches = list(StepSampler(n_images, 16, 0, 0, 4))

            def decode(birds=birds, batches=batches):
                for keys in batches:
                    torch.utils.data.default_collate([birds[key] for key in keys])

            def read(cached=cached, batches=batches):
                for keys in batches:
                    cached.batch(keys)

            ways = {"decoded": decode, "cached": read} | ({"step": train} if size == 32 else {})
            seconds = compare(ways, rounds, f"data at {size} px", progress)
            per_batch = seconds["cached"] / len(batches)
            results[str(size)] = {
                "speedup": seconds["decoded"] / seconds["cached"],
                "decoded_images_per_s": 16 * len(batches) / seconds["decoded"],
                "cached_images_per_s": 16 * len(batches) / seconds["cached"],
                "build_images_per_s": n_images / built,
                "bytes_per_image": cached.n_bytes / n_images,
                "gb_of_12000_images": 12_000 * cached.n_bytes / n_images / 1e9,
            }
            if size == 32:
                results["32"]["share_of_toy_step"] = per_batch / seconds["step"]
    return facts(rounds=rounds, n_images=n_images, sizes=results)


def _photographs(folder: Path, n: int, progress: bool) -> Path:
    birds = ToyBirds(n, image_size=128, cache_dir=folder / "drawn", progress=progress)
    birds.write_cub(folder / "photographs", progress=progress)
    root = folder / "photographs"
    boxes = []
    for line in (root / "images.txt").read_text().splitlines():
        path = root / "images" / line.split(maxsplit=1)[1]
        with Image.open(path) as image:
            scale = np.array([500, 375]) / image.size
            image.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
        boxes.append(scale)
    lines = []
    text = (root / "bounding_boxes.txt").read_text().splitlines()
    for line, scale in zip(text, boxes, strict=True):
        id_, *box = line.split()
        lines.append(
            " ".join([id_, *(f"{v:.2f}" for v in np.array(box, float) * np.tile(scale, 2))])
        )
    (root / "bounding_boxes.txt").write_text("\n".join(lines) + "\n")
    return root
