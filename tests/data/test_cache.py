"""The cache of decoded photographs: the same examples, built whole or not at all."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from finegan_lib.base.errors import InputError
from finegan_lib.data.cache import CachedBirds
from finegan_lib.data.folder import BirdsFolder

BOXES = [
    ((200, 150), (60, 40, 50, 30)),
    ((120, 180), (10, 100, 80, 60)),
    ((90, 90), (0, 0, 20, 40)),
]
KEYS = [(i, draw) for draw in range(8) for i in range(3)]


@pytest.fixture
def folder(tmp_path):
    """Three photographs of noise, in which every pixel differs."""
    root, rng = tmp_path / "birds", np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    lines = []
    for id_, (size, box) in enumerate(BOXES, start=1):
        pixels = rng.integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{id_}.jpg")
        lines.append((f"{id_} {id_}.jpg", f"{id_} " + " ".join(map(str, box))))
    for name, column in (("images.txt", 0), ("bounding_boxes.txt", 1)):
        (root / name).write_text("\n".join(line[column] for line in lines) + "\n")
    return root


def cached(folder, **options):
    return CachedBirds(folder, cache_dir=folder.parent / "cache", progress=False, **options)


def caches(folder):
    return sorted(path.name for path in (folder.parent / "cache").iterdir())


def assert_same(example, expected):
    for a, b in zip(example[:3], expected[:3], strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)
    assert example.index == expected.index


@pytest.mark.parametrize("options", [{"image_size": 32}, {"crop_scale": 1.2, "full_scale": 1.5}])
def test_every_example_is_the_same_to_the_last_bit(folder, options):
    plain, quick = BirdsFolder(folder, seed=3, **options), cached(folder, seed=3, **options)
    for key, example in zip(KEYS, quick.__getitems__(KEYS), strict=True):
        assert_same(example, plain[key])
    assert_same(quick[-1], plain[-1])
    with pytest.raises(IndexError):
        quick[3]
    assert torch.equal(quick.evaluation_crops(), plain.evaluation_crops())


def test_photographs_are_decoded_once(folder, monkeypatch):
    quick = cached(folder, image_size=32)
    expected = quick[1, 2]

    def never(path):
        raise AssertionError(f"{path} was decoded again")

    monkeypatch.setattr("finegan_lib.data.cache.read_rgb", never)
    assert_same(cached(folder, image_size=32)[1, 2], expected)
    cached(folder, image_size=32, seed=5)  # other windows, the same pixels
    assert len(caches(folder)) == 1


def test_other_photographs_boxes_or_sizes_are_another_cache(folder):
    options = {"image_size": 32}
    old = cached(folder, **options)[0]
    cached(folder, image_size=64)
    cached(folder, crop_scale=1.2, **options)
    boxes = folder / "bounding_boxes.txt"
    before = boxes.read_text()
    boxes.write_text(before.replace("60 40", "61 40"))
    cached(folder, **options)
    boxes.write_text(before)
    photograph = folder / "images" / "1.jpg"
    Image.open(photograph).rotate(180).save(photograph)
    new = cached(folder, **options)
    assert len(caches(folder)) == 5
    assert not torch.equal(new[0].child_crop, old.child_crop)
    assert_same(new[0], BirdsFolder(folder, **options)[0])


def test_an_interrupted_build_leaves_nothing_and_starts_anew(folder, monkeypatch):
    from finegan_lib.data import cache

    read, seen = cache.read_rgb, []

    def interrupted(path):
        seen.append(path)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return read(path)

    monkeypatch.setattr(cache, "read_rgb", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached(folder)
    assert caches(folder) == []
    assert_same(cached(folder)[2], BirdsFolder(folder)[2])
    assert len(seen) == 2 + 3


@pytest.mark.parametrize("name", ["pixels.bin", "table.npy"])
def test_a_cache_cut_short_is_built_anew(folder, name):
    file = cached(folder).cache / name
    file.write_bytes(file.read_bytes()[:-100])
    assert_same(cached(folder)[2], BirdsFolder(folder)[2])


def test_worker_processes_map_the_same_file(folder):
    quick = cached(folder, image_size=32)
    packed = pickle.dumps(quick)
    assert len(packed) < quick.n_bytes / 5
    assert_same(pickle.loads(packed)[1, 4], quick[1, 4])
    loader = DataLoader(quick, batch_sampler=[KEYS[:4], KEYS[4:8]], num_workers=1)
    for batch, keys in zip(loader, (KEYS[:4], KEYS[4:8]), strict=True):
        expected = quick.batch(keys)
        for a, b in zip(batch, expected, strict=True):
            assert torch.equal(a, b)


def test_a_damaged_photograph_is_named(folder):
    photograph = folder / "images" / "2.jpg"
    photograph.write_bytes(photograph.read_bytes()[:-2000])
    with pytest.raises(InputError, match=r"cannot read the image .*2\.jpg"):
        cached(folder)
    assert caches(folder) == []


def test_a_cache_folder_that_cannot_be_written_is_named(folder):
    (folder.parent / "cache").write_text("a file")
    with pytest.raises(InputError, match="FINEGAN_CACHE"):
        cached(folder)
