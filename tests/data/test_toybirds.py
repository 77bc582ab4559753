"""ToyBirds: what is drawn, what is claimed about it, and the cache it is kept in."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from finegan_lib.base.errors import InputError
from finegan_lib.codes import CodeHierarchy
from finegan_lib.data import ToyBirds
from finegan_lib.data.plumage import PALETTE, plumages
from finegan_lib.data.scenery import to_bird, to_world
from finegan_lib.data.silhouettes import Capsule, Ellipse, Polygon, silhouettes
from finegan_lib.data.toybirds import (
    POSE,
    mean_colour_baseline,
    move_box,
    scene_size,
    stored_crop_size,
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def birds(cache):
    return ToyBirds(60, cache_dir=cache, progress=False)


# ---------------------------------------------------------------------------- solids


def test_solids_measure_distances():
    x, y = np.float32([3.0, 0.0, 0.0]), np.float32([0.0, 0.0, 2.0])
    # A circle of radius 2: one unit outside, two inside, on the outline.
    assert Ellipse(0, 0, 2, 2).distance(x, y) == pytest.approx([1, -2, 0], abs=1e-5)
    # From (-1, 0) to (1, 0), radius 0.5 growing to 1: measured from the nearest end or point.
    capsule = Capsule(-1, 0, 1, 0, 0.5, 1).distance(x, y)
    assert capsule == pytest.approx([1, -0.75, 1.25], abs=1e-6)
    square = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    assert Polygon(square).distance(x, y) == pytest.approx([2, -1, 1], abs=1e-6)
    assert Polygon(square[::-1]).distance(x, y) == pytest.approx([2, -1, 1], abs=1e-6)


def test_a_tilted_ellipse_points_up():
    # y runs down, so a long axis at +45 degrees passes through (1, -1) and not through (1, 1).
    ellipse = Ellipse(0, 0, 2, 0.5, 45)
    inside, outside = ellipse.distance(np.float32([1, 1]), np.float32([-1, 1]))
    assert inside < 0 < outside


# ---------------------------------------------------------------------------- parents, children


def centred(mask, size=48):
    """A silhouette cut to its box, kept in proportion, centred on a square."""
    lines, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    cut = mask[lines[0] : lines[-1] + 1, columns[0] : columns[-1] + 1]
    square = np.zeros((size, size), bool)
    top, left = (size - cut.shape[0]) // 2, (size - cut.shape[1]) // 2
    square[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    return square


def test_no_two_silhouettes_look_alike():
    masks = np.stack([centred(bird.mask(48)).ravel() for bird in silhouettes(20)]).astype(float)
    mirrored = masks.reshape(-1, 48, 48)[:, :, ::-1].reshape(masks.shape)
    for other in (masks, mirrored):
        both = masks @ other.T
        iou = both / (masks.sum(1)[:, None] + other.sum(1) - both)
        assert iou[~np.eye(len(iou), dtype=bool)].max() < 0.65


def test_a_longer_list_of_silhouettes_begins_with_the_shorter_one():
    names = [bird.name for bird in silhouettes(12)]
    assert [bird.name for bird in silhouettes(5)] == names[:5]
    assert [bird.name for bird in silhouettes(9)] == names[:9]
    assert len(set(names)) == 12


@pytest.mark.parametrize("n_parents, n_children", [(5, 20), (20, 200), (40, 800)])
def test_every_child_has_its_own_plumage(n_parents, n_children):
    chosen = plumages(CodeHierarchy.equal(n_parents, n_children))
    assert len(set(chosen)) == n_children
    for plumage in chosen:
        colours = {plumage.main, plumage.second}
        assert len(colours) == 2 and colours <= set(PALETTE)
        assert plumage.belly not in colours and plumage.bar not in colours


def test_siblings_wear_the_same_colours_swapped_and_other_patterns():
    chosen = plumages(CodeHierarchy.equal(5, 20))
    for a, b in zip(chosen[::2], chosen[1::2], strict=True):
        assert (a.main, a.second) == (b.second, b.main)
        assert a.pattern != b.pattern
    assert len({(p.main, p.second, p.pattern) for p in chosen}) == 20


def test_siblings_differ_at_a_glance(birds):
    for parent in range(5):
        row = int(np.flatnonzero(birds.parent_index == parent)[0])
        children = birds.hierarchy.children_of(parent)
        images, masks = birds.redraw([row] * len(children), child=np.array(children))
        images = images.float() / 255
        for k in range(len(children)):
            for j in range(k):
                change = (images[k] - images[j]).abs().mean(0)[masks[k]]
                assert (change > 0.1).float().mean() > 0.4


def test_plumages_follow_an_interleaved_hierarchy():
    # Children of one parent need not be numbered one after the other.
    ordered = plumages(CodeHierarchy([0, 0, 1, 1]))
    mixed = plumages(CodeHierarchy([0, 1, 0, 1]))
    assert mixed == [ordered[0], ordered[2], ordered[1], ordered[3]]


# ---------------------------------------------------------------------------- determinism


def test_a_picture_follows_from_seed_and_index_alone(birds, tmp_path):
    again = ToyBirds(25, cache_dir=tmp_path, progress=False)
    rows = np.arange(25)
    assert torch.equal(again.evaluation_crops(), birds.evaluation_crops(rows))
    assert torch.equal(again.scenes(), birds.scenes(rows))
    assert torch.equal(again.masks(), birds.masks(rows))
    assert (again.pose == birds.pose[:25]).all()
    assert (again.child_index == birds.child_index[:25]).all()
    other = ToyBirds(25, seed=1, cache_dir=tmp_path, progress=False)
    assert not torch.equal(again.scenes(), other.scenes())


def test_another_process_draws_the_same(birds, tmp_path):
    program = (
        "import sys; from finegan_lib.data import ToyBirds;"
        "d = ToyBirds(6, cache_dir=sys.argv[1], progress=False);"
        "d.scenes().numpy().tofile(sys.argv[2])"
    )
    out = tmp_path / "scenes"
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "cache"), str(out)],
        check=True,
        env=environment,
    )
    assert (np.fromfile(out, np.uint8) == birds.scenes(range(6)).numpy().ravel()).all()


def test_the_draw_decides_crop_and_flip(birds):
    first, again = birds[7, 3], birds[7, 3]
    assert all(torch.equal(a, b) for a, b in zip(first[:3], again[:3], strict=True))
    assert torch.equal(birds[7].child_crop, birds[7, 0].child_crop)
    crops = {birds[7, draw].child_crop.numpy().tobytes() for draw in range(20)}
    assert len(crops) > 15


# ---------------------------------------------------------------------------- examples


@pytest.mark.parametrize("size, background", [(32, 32), (64, 62), (128, 126)])
def test_shapes_and_ranges(cache, size, background):
    data = ToyBirds(4, image_size=size, cache_dir=cache, progress=False)
    crop, window, box, index = data[2, 1]
    assert crop.shape == (3, size, size) and window.shape == (3, background, background)
    assert crop.dtype == window.dtype == box.dtype == torch.float32
    assert -1 <= crop.min() < -0.2 and 0.2 < crop.max() <= 1
    assert box.shape == (4,) and index == 2 and isinstance(index, int)
    assert data.evaluation_crops().shape == (4, 3, size, size)
    assert data.evaluation_crops([1]).dtype == torch.uint8
    assert data.masks().shape == (4, size, size) and data.masks().dtype == torch.bool
    assert data.scenes().shape[2] == scene_size(size)


def test_loader_and_batch_agree_with_single_examples(birds):
    loaded = next(iter(DataLoader(birds, batch_size=8)))
    batch = birds.batch(np.arange(8))
    for k in range(8):
        single = birds[k]
        for field in range(3):
            assert torch.equal(loaded[field][k], single[field])
            assert torch.equal(batch[field][k], single[field])
    assert loaded.index.tolist() == batch.index.tolist() == list(range(8))


def test_an_index_outside_is_refused(birds):
    for bad in (60, -1):
        with pytest.raises(IndexError, match=str(bad)):
            birds[bad]
    assert sum(1 for _ in birds) == 60


def test_a_pickled_copy_reads_the_same_files(birds):
    text = pickle.dumps(birds)
    assert len(text) < 100_000  # the pictures themselves stay on disk
    assert torch.equal(pickle.loads(text)[5].child_crop, birds[5].child_crop)


# ---------------------------------------------------------------------------- ground truth


def box_of(mask):
    lines, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], lines[0], columns[-1] + 1, lines[-1] + 1])


def test_boxes_are_tight_round_the_mask(birds):
    rows, size = np.arange(20), 500
    masks = np.concatenate(
        [birds.render([row], np.zeros((1, 2)), np.ones(1), size)[1] for row in rows]
    )
    found = np.stack([box_of(mask) for mask in masks]) / size
    claimed = birds.boxes[rows] / scene_size(32)
    # A pixel of this drawing is 0.002; thin tips cover less than half of their last pixel.
    assert np.abs(found - claimed).max() < 0.006
    assert (claimed[:, :2] <= found[:, :2] + 0.003).all()


def test_the_window_moves_the_box_with_the_bird(birds):
    masks = birds.scene_masks(range(12)).numpy()
    flips = set()
    for row in range(12):
        for draw in range(4):
            _, _, (x, y), flip = birds.random_view(row, draw)
            x1, y1, x2, y2 = box_of(masks[row])
            filled = np.zeros_like(masks[row])
            filled[y1:y2, x1:x2] = True  # the whole bird's box, cut and turned like the picture
            cut = filled[y : y + 32, x : x + 32]
            cut = cut[:, ::-1] if flip else cut
            box = birds[row, draw].box.numpy()
            if cut.any():
                assert np.abs(box_of(cut) - box).max() < 2.5  # thin tips cover no pixel
                flips.add(flip)
            assert (box >= 0).all() and (box <= 32).all()
    assert flips == {True, False}


def test_crop_and_window_are_the_pixels_they_claim(birds):
    (cx, cy), crop_flip, (wx, wy), flip = birds.random_view(3, 2)
    example = birds[3, 2]
    window = birds.scenes([3])[0, :, wy : wy + 32, wx : wx + 32]
    window = window.flip(2) if flip else window
    assert torch.allclose(example.full_image, window / 127.5 - 1, atol=1e-6)
    corner, side = birds.crop_window([3])
    stored = torch.from_numpy(birds.render([3], corner, side, stored_crop_size(32))[0][0])
    crop = stored[:, cy : cy + 32, cx : cx + 32]
    crop = crop.flip(2) if crop_flip else crop
    assert torch.allclose(example.child_crop, crop / 127.5 - 1, atol=1e-6)


def test_move_box_by_hand():
    box = np.float32([10, 20, 30, 26])
    assert move_box(box, (4, 15), 32, False).tolist() == [6, 5, 26, 11]
    assert move_box(box, (4, 15), 32, True).tolist() == [6, 5, 26, 11]
    assert move_box(box, (8, 22), 32, True).tolist() == [10, 0, 30, 4]
    assert move_box(box, (20, 0), 32, False).tolist() == [0, 20, 10, 26]
    assert move_box(box, (20, 0), 32, True).tolist() == [22, 20, 32, 26]
    x1, _, x2, _ = move_box(box, (31, 0), 32, True)
    assert x1 == x2  # left outside: empty


def test_the_bird_lies_whole_and_large_inside_the_evaluation_crop(birds):
    masks = birds.masks()
    border = torch.cat([masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1]], 1)
    assert not border.any()
    area = masks.float().mean((1, 2))
    assert area.min() > 0.1 and area.max() < 0.4
    corner, side = birds.crop_window(np.arange(60))
    assert (corner > 0).all() and (corner + side[:, None] < 1).all()


def test_pose_puts_the_beak_where_it_says():
    pose = np.zeros(4, POSE)
    pose["x"], pose["y"], pose["scale"], pose["stretch"] = 0.5, 0.4, 0.2, [1, 1, 1, 1.1]
    pose["flip"], pose["tilt"] = [False, True, False, True], [0, 0, 30, -10]
    beak = np.float32([0.5])
    x, y = to_world(pose[:, None], beak, 0 * beak)
    # 30 degrees lift the beak: cos 30 * 0.1 to the right, sin 30 * 0.1 up.
    assert x[:3, 0] == pytest.approx([0.6, 0.4, 0.5866], abs=1e-4)
    assert y[:3, 0] == pytest.approx([0.4, 0.4, 0.35], abs=1e-4)
    u, v = to_bird(pose[:, None], x, y)
    assert u == pytest.approx(0.5, abs=1e-5) and v == pytest.approx(0, abs=1e-5)


def test_the_heron_looks_where_the_pose_says(birds):
    for row in np.flatnonzero(birds.parent_index == 1)[:6]:
        mask = birds.scene_masks([row])[0].numpy()
        x = np.flatnonzero(mask.any(0)).mean()
        head = np.flatnonzero(mask[: np.flatnonzero(mask.any(1))[0] + 3].any(0)).mean()
        assert (head < x) == birds.pose["flip"][row]


def test_every_child_belongs_to_its_parent(cache):
    hierarchy = CodeHierarchy([0, 1, 0, 2, 2, 2])
    data = ToyBirds(30, hierarchy=hierarchy, cache_dir=cache, progress=False)
    assert (data.parent_index == hierarchy.parent_of.numpy()[data.child_index]).all()
    assert np.bincount(data.child_index).tolist() == [5] * 6  # every child equally often
    assert data.n_children == len(data.child_names) == len(set(data.child_names)) == 6
    assert data.child_names[2].startswith("songbird 2: ")
    assert data.parent_names == ["songbird", "heron", "duck"]


def test_redraw_changes_one_factor_only(birds):
    rows = np.arange(10)
    images, masks = birds.redraw(rows)
    assert torch.equal(images, birds.evaluation_crops(rows))
    assert torch.equal(masks, birds.masks(rows))
    elsewhere, same = birds.redraw(rows, background=(birds.background_index[rows] + 1) % 10)
    assert torch.equal(masks, same)
    assert (elsewhere != images).any(1)[~masks].float().mean() > 0.9
    child = (birds.child_index[rows] + 1) % 20
    dressed, same = birds.redraw(rows, child=child)
    assert torch.equal(masks, same)
    changed = (dressed != images).any(1)
    assert changed[masks].float().mean() > 0.5
    assert changed[~masks].float().mean() < 0.15  # the soft edge alone
    _, others = birds.redraw(rows, parent=(birds.parent_index[rows] + 1) % 5)
    assert (others != masks).float().mean() > 0.05


def test_backgrounds_are_independent_of_the_birds_and_all_used(cache):
    data = ToyBirds(100, n_backgrounds=10, cache_dir=cache, progress=False)
    assert set(data.background_index) == set(range(10))
    assert len(set(data.background_names)) == 10
    few = ToyBirds(60, cache_dir=cache, progress=False)
    assert set(few.background_index) == set(range(6)) and len(few.background_names) == 6


def test_mean_colour_does_not_give_the_child_away(cache):
    data = ToyBirds(1000, cache_dir=cache, progress=False)
    scores = mean_colour_baseline(data)
    print({name: round(score, 2) for name, score in scores.items()})
    assert scores["child"] < 0.35
    assert scores["parent"] < 0.1 and scores["parent_pixels"] < 0.1
    assert scores["child_masked"] < 0.85


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_images": 0},
        {"image_size": 50},
        {"n_parents": 6, "n_children": 5},
        {"n_parents": 41, "n_children": 41},
        {"seed": -1},
    ],
)
def test_sizes_that_cannot_be(wrong, tmp_path):
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        ToyBirds(**{"n_images": 4, "cache_dir": tmp_path, "progress": False, **wrong})
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="FINEGAN_CACHE"):
        ToyBirds(4, cache_dir=tmp_path / "file", progress=False)


# ---------------------------------------------------------------------------- cache


def test_the_cache_is_read_and_not_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path))
    first = ToyBirds(4, progress=False)
    monkeypatch.setattr(ToyBirds, "_draw_into", lambda *_: pytest.fail("drawn again"))
    assert torch.equal(ToyBirds(4, progress=False).scenes(), first.scenes())
    assert len(list(tmp_path.iterdir())) == 1


def test_different_data_sets_have_different_caches(tmp_path):
    for change in ({}, {"seed": 1}, {"n_images": 5}, {"hierarchy": CodeHierarchy([0, 1, 1])}):
        ToyBirds(**{"n_images": 4, "cache_dir": tmp_path, "progress": False, **change})
    assert len(list(tmp_path.iterdir())) == 4


def test_an_interrupted_drawing_leaves_nothing_and_is_redone(tmp_path, monkeypatch):
    def interrupted(self, folder, progress):
        (folder / "crops.npy").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ToyBirds, "_draw_into", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ToyBirds(4, cache_dir=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())
    assert len(ToyBirds(4, cache_dir=tmp_path, progress=False).scenes()) == 4


def test_a_killed_drawing_and_a_damaged_cache_are_replaced(tmp_path):
    good = ToyBirds(4, cache_dir=tmp_path, progress=False).scenes()
    (folder,) = tmp_path.iterdir()
    leftover = tmp_path / f"{folder.name}.tmp-abc"
    leftover.mkdir()
    os.utime(leftover, (0, 0))  # from long ago
    (folder / "scenes.npy").write_bytes((folder / "scenes.npy").read_bytes()[:1000])
    assert torch.equal(ToyBirds(4, cache_dir=tmp_path, progress=False).scenes(), good)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_two_processes_may_draw_at_once(tmp_path, monkeypatch):
    draw = ToyBirds._draw_into
    with monkeypatch.context() as patch:

        def overtaken(self, folder, progress):
            draw(self, folder, progress)
            patch.setattr(ToyBirds, "_draw_into", draw)
            ToyBirds(4, cache_dir=tmp_path, progress=False)  # the other one finishes first

        patch.setattr(ToyBirds, "_draw_into", overtaken)
        data = ToyBirds(4, cache_dir=tmp_path, progress=False)
    assert len(data.scenes()) == 4
    assert len(list(tmp_path.iterdir())) == 1


# ---------------------------------------------------------------------------- CUB's format


def test_write_cub(birds, tmp_path):
    folder = tmp_path / "cub"
    birds.write_cub(folder, progress=False)
    columns = {
        path.stem: [line.split() for line in path.read_text().splitlines()]
        for path in folder.glob("*.txt")
    }
    assert set(columns) == {
        "images",
        "bounding_boxes",
        "image_class_labels",
        "classes",
        "train_test_split",
    }
    ids = [str(k) for k in range(1, 61)]
    for name in ("images", "bounding_boxes", "image_class_labels", "train_test_split"):
        assert [line[0] for line in columns[name]] == ids
    assert len(columns["classes"]) == 20
    assert columns["classes"][0] == ["1", "001.Songbird_1"]
    assert len(list(folder.glob("images/*/*.jpg"))) == 60
    assert {line[1] for line in columns["train_test_split"]} == {"0", "1"}

    image_id, path = columns["images"][30]
    label = int(columns["image_class_labels"][30][1])
    assert path.split("/")[0] == columns["classes"][label - 1][1]
    rows = np.argsort(birds.child_index, kind="stable")
    row = rows[int(image_id) - 1]
    assert birds.child_index[row] == label - 1
    picture = np.asarray(Image.open(folder / "images" / path)).astype(float)
    error = np.abs(picture.transpose(2, 0, 1) - birds.scenes([row])[0].numpy()).mean()
    assert error < 6  # JPEG's own error on small pictures
    x, y, w, h = (float(value) for value in columns["bounding_boxes"][30][1:])
    assert [x, y, x + w, y + h] == pytest.approx(birds.boxes[row].tolist(), abs=0.03)


def test_write_cub_refuses_a_folder_with_files(birds, tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(InputError, match="empty"):
        birds.write_cub(tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
