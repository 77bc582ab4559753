import json
import math

import numpy as np
import pytest
import torch
from safetensors import safe_open

from finegan_lib.base.errors import InputError
from finegan_lib.data import ToyBirds
from finegan_lib.metrics.judges import Judges, JudgesConfig, without_object
from finegan_lib.scoring.judge_training import (
    Examples,
    cut_parts_out,
    degrade,
    free_examples,
    judge_losses,
    mask_loss,
    measure_judges,
    move,
    random_view,
    real_examples,
    train_and_save_judges,
    train_judges,
)


def one_dot(row, column, size=32):
    picture = torch.zeros(1, 1, size, size)
    picture[0, 0, row - 1 : row + 1, column - 1 : column + 1] = 1
    return picture


def centre_of_mass(picture):
    """x, y from the middle of the picture, in pixels, y down."""
    axis = torch.arange(picture.shape[-1]) + 0.5 - picture.shape[-1] / 2
    weight = picture[0, 0] / picture.sum()
    return float((weight * axis).sum()), float((weight.T * axis).sum())


@pytest.mark.parametrize(
    ("mirror", "degrees", "shift", "place"),
    [
        (1, 0, (0, 0), (10, 0)),
        (-1, 0, (0, 0), (-10, 0)),
        (1, 90, (0, 0), (0, -10)),  # anticlockwise: right goes up
        (-1, 90, (0, 0), (0, 10)),  # mirrored first, turned after
        (1, 0, (0.125, 0.25), (14, 8)),
        (-1, 0, (0.125, 0), (-6, 0)),  # moved after the mirror
        (1, 90, (0.125, 0), (4, -10)),  # and after the turn
    ],
)
def test_move_goes_where_it_says(mirror, degrees, shift, place):
    args = (mirror, degrees, 1.0, *shift)
    moved = move(one_dot(16, 26), *(torch.tensor([float(a)]) for a in args))
    assert centre_of_mass(moved) == pytest.approx(place, abs=0.1)


def test_scale_enlarges():
    bar = torch.zeros(1, 1, 32, 32)
    bar[..., 12:20, 12:20] = 1
    one, zero = torch.ones(1), torch.zeros(1)
    assert move(bar, one, zero, one * 1.5, zero, zero).sum() == pytest.approx(64 * 1.5**2, rel=0.1)


def test_pose_targets_follow_the_picture(birds):
    torch.manual_seed(0)
    examples = real_examples(birds)
    _, masks, pose = random_view(examples, tilt_spread=7.0)
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert set(pose[:, 0].tolist()) == {-1.0, 1.0}
    mirrored = pose[:, 0] != examples.flip
    assert 30 < mirrored.sum() < 90
    # centre of mass of the moved mask against x, y of the pose: same sign and scale
    axis = (torch.arange(32) + 0.5) / 32 - 0.5
    x = (masks[:, 0].sum(1) * axis).sum(1) / masks.sum((1, 2, 3))
    y = (masks[:, 0].sum(2) * axis).sum(1) / masks.sum((1, 2, 3))
    assert np.corrcoef(x, pose[:, 1])[0, 1] > 0.6
    assert np.corrcoef(y, pose[:, 2])[0, 1] > 0.6


def test_turning_lifts_the_beak_of_a_bird_that_looks_right(birds):
    torch.manual_seed(1)
    examples = real_examples(birds)
    level = examples._replace(tilt=torch.zeros(120), flip=torch.ones(120))
    line = torch.zeros(120, 1, 32, 32, dtype=torch.bool)
    line[:, :, 15:17, 4:28] = True
    _, lines, pose = random_view(level._replace(masks=line), tilt_spread=1.0)
    for picture, (flip, _, _, tilt) in zip(lines, pose.tolist(), strict=True):
        y, x = picture[0].nonzero().float().T
        rise = -torch.corrcoef(torch.stack([x, y]))[0, 1] * flip  # upwards, the way it looks
        if abs(tilt) > 4:
            assert (rise > 0) == (tilt > 0)


def test_free_examples_have_foreign_plumage_and_empty_pictures(birds):
    free = free_examples(birds, seed=3)
    assert len(free.images) == 120 + 15
    bird = free.parent >= 0
    assert not free.masks[~bird].any()
    assert free.masks[bird].float().mean((1, 2, 3)).min() > 0.03
    foreign = birds.hierarchy.parent_of[free.child[bird]] != free.parent[bird]
    assert foreign.float().mean() == pytest.approx(0.8, abs=0.12)


def test_every_loss_trains_its_own_judge_only(birds):
    torch.manual_seed(0)
    free = free_examples(birds, seed=3)
    judges = Judges(JudgesConfig(width=6), {"tilt_spread": 7.0}).train()
    batch = Examples(*(field[:24] for field in free))
    owners = {"mask": "segmenter"}
    for name in ("mask", "shape", "pose", "appearance", "background"):
        judges.zero_grad()
        judge_losses(judges, batch)[name].backward()
        touched = {key.split(".")[0] for key, p in judges.named_parameters() if p.grad is not None}
        assert touched == {owners.get(name, name)}


def test_mask_loss_falls_towards_the_truth():
    truth = torch.zeros(1, 1, 4, 4)
    truth[..., :2] = 1
    right, wrong = (truth * 2 - 1) * 9, (1 - truth * 2) * 9
    assert mask_loss(right, truth) < 0.1
    undecided = math.log(2) + 1 - 2 * 4 / (8 + 8 + 1)
    assert mask_loss(torch.zeros_like(truth), truth) == pytest.approx(undecided, abs=1e-4)
    assert mask_loss(wrong, truth) > 5


def test_object_is_hidden_with_a_margin():
    images, masks = torch.ones(1, 3, 32, 32), one_dot(16, 16)
    hidden = without_object(images, masks)
    assert hidden.shape == (1, 4, 32, 32)
    assert hidden[0, 3].sum() == 36  # 2x2 grown by 2 pixels on every side
    assert hidden[0, 0].sum() == 32 * 32 - 36


def test_cutting_keeps_a_third(birds):
    torch.manual_seed(0)
    masks = real_examples(birds).masks.float()
    cut = cut_parts_out(masks)
    assert (cut <= masks).all()
    left = cut.sum((1, 2, 3)) / masks.sum((1, 2, 3))
    assert left.min() > 1 / 3
    assert 0.1 < (left < 0.99).float().mean() < 0.7


def test_degrade_stays_in_range():
    torch.manual_seed(0)
    images = torch.rand(12, 3, 32, 32) * 2 - 1
    assert degrade(images, colour=0.5).abs().max() <= 1


def test_saved_judges_say_the_same(tmp_path):
    torch.manual_seed(0)
    judges = Judges(JudgesConfig(n_parents=3, n_children=7, width=6), {"mask_iou": 0.5}).eval()
    images = torch.rand(4, 3, 32, 32) * 2 - 1
    judges.save(tmp_path / "new" / "judges.safetensors")
    loaded = Judges.load(tmp_path / "new" / "judges.safetensors", 32)
    assert loaded.metadata == {"mask_iou": 0.5}
    readings = loaded.readings(images)
    assert {name: r.shape[1] for name, r in readings.items()} == {
        "background": 6, "shape": 3, "appearance": 7, "pose": 4,
    }  # fmt: skip
    for name, reading in judges.readings(images).items():
        assert torch.allclose(reading, readings[name], atol=0.02)


def test_wrong_size_or_file_is_named(tmp_path):
    judges = Judges(JudgesConfig(width=6))
    with pytest.raises(InputError, match=r"\(2, 3, 64, 64\)"):
        judges.readings(torch.zeros(2, 3, 64, 64))
    with pytest.raises(InputError, match=r"absent\.safetensors"):
        Judges.load(tmp_path / "absent.safetensors")
    judges.save(tmp_path / "judges.safetensors")
    with pytest.raises(InputError, match="32, wanted 64"):
        Judges.load(tmp_path / "judges.safetensors", 64)
    with pytest.raises(InputError, match=r"32 and 64 pixels.*judges --image-size 128 --out FILE"):
        Judges.load("toy", 128)


def test_the_command_trains_measures_and_saves(tmp_path, monkeypatch):
    out = tmp_path / "judges.safetensors"
    scores = train_and_save_judges(
        out, n_images=100, n_test=60, steps=3, progress=False, cache_dir=tmp_path
    )
    assert {"mask_iou", "parent_accuracy", "child_accuracy", "factor_floor"} <= set(scores)
    with safe_open(out, "pt") as file:
        header = json.loads(file.metadata()["judges"])
    assert header["command"].startswith("python -m finegan_lib judges --image-size 32 --steps 3")
    monkeypatch.setattr("finegan_lib.scoring.judge_training.train_judges", lambda *_, **__: 1 / 0)
    with pytest.raises(InputError, match="this file exists"):  # before any training
        train_and_save_judges(out, n_images=100, progress=False, cache_dir=tmp_path)
    with pytest.raises(InputError, match="cannot write"):
        Judges(JudgesConfig(width=6)).save(tmp_path)


def test_a_training_of_judges_leaves_the_callers_random_numbers_alone(tmp_path):
    birds = ToyBirds(40, cache_dir=tmp_path, progress=False)
    before = torch.get_rng_state()
    train_judges(birds, steps=1, batch_size=8, progress=False)
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize("size", [32, 64])
def test_shipped_judges_judge_well(size, tmp_path):
    birds = ToyBirds(120, image_size=size, seed=123, cache_dir=tmp_path, progress=False)
    judges = Judges.load("toy", size)
    scores = measure_judges(judges, birds)
    assert scores["mask_iou"] > 0.88
    assert scores["empty_area"] < 0.02
    for name in ("parent", "child", "background", "flip", "free_parent", "free_child"):
        assert scores[f"{name}_accuracy"] > 0.85, name
    assert scores["tilt_correlation"] > 0.6  # of the right sign, above all
    assert max(scores["factor_floor"].values()) < 0.25
