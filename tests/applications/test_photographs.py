import numpy as np
import pytest
import torch
from PIL import Image

from finegan_lib.applications.photographs import read_pictures
from finegan_lib.base.errors import InputError
from finegan_lib.data import BirdsFolder, ToyBirds


def test_a_folder_a_file_and_toybirds(pictures):
    found = read_pictures(pictures, 32)
    assert found.images.shape == (6, 3, 32, 32) and found.names[0] == "bird 0.png"
    assert -1 <= found.images.min() < 0 < found.images.max() <= 1
    some = read_pictures(pictures, 32, n=4, seed=1)
    assert len(some) == 4 == len(set(some.names))
    assert some.names != read_pictures(pictures, 32, n=4, seed=2).names
    rows = [found.names.index(name) for name in some.names]
    assert some.images.equal(found.images[rows])
    one = read_pictures(pictures / "bird 3.png", 32)
    assert one.images.equal(found.images[3:4]) and not one.truth
    birds = read_pictures("toybirds", 32, n=7)
    assert birds.truth["masks"].shape == (7, 1, 32, 32) and birds.truth["child"].shape == (7,)


def test_toybirds_are_none_that_a_preset_trains_on():
    """Picture i of ToyBirds depends on the seed and on i alone; every preset trains on seed 0."""
    trained = ToyBirds(5, image_size=32, seed=0, progress=False).evaluation_crops()
    for seed in (0, 1):
        images = read_pictures("toybirds", 32, n=5, seed=seed).images
        assert not any(images[i].equal(trained[i].float() / 127.5 - 1) for i in range(5))


def test_a_file_of_a_cub_folder_has_its_box(tmp_path):
    ToyBirds(12, image_size=32, progress=False).write_cub(tmp_path / "cub", progress=False)
    folder = BirdsFolder(tmp_path / "cub", image_size=32)
    one = read_pictures(folder.paths[5], 32)
    torch.testing.assert_close(one.images, folder.evaluation_crops([5]).float() / 127.5 - 1)
    some = read_pictures(tmp_path / "cub", 32, n=3)
    assert some.truth["boxes"].shape == (3, 4) and all("images" in name for name in some.names)


def test_the_box_in_the_crop_holds_the_object(tmp_path):
    """A white rectangle, as its box says, must lie in the crop where evaluation_boxes says."""
    (tmp_path / "images").mkdir()
    boxes = [(30, 20, 40, 24), (0, 0, 30, 60), (100, 50, 20, 50)]
    for i, (x, y, width, height) in enumerate(boxes):
        pixels = np.zeros((100, 120, 3), np.uint8)
        pixels[y : y + height, x : x + width] = 255
        Image.fromarray(pixels).save(tmp_path / f"images/{i}.png")
    lines = [f"{i} {' '.join(map(str, box))}\n" for i, box in enumerate(boxes)]
    (tmp_path / "bounding_boxes.txt").write_text("".join(lines))
    (tmp_path / "images.txt").write_text("".join(f"{i} {i}.png\n" for i in range(3)))
    folder = BirdsFolder(tmp_path, image_size=64)
    crops, found = folder.evaluation_crops(), folder.evaluation_boxes()
    for crop, (x1, y1, x2, y2) in zip(crops[:, 0] > 127, found, strict=True):
        down, across = torch.nonzero(crop).unbind(1)
        seen = [across.min(), down.min(), across.max() + 1, down.max() + 1]
        assert [int(side) for side in seen] == pytest.approx([x1, y1, x2, y2], abs=1.6)


def test_what_cannot_be_read_is_said(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        read_pictures(tmp_path / "nowhere", 32)
    with pytest.raises(InputError, match="n must be at least 1"):
        read_pictures(tmp_path, 32, n=0)
