import math

import pytest
import torch
from PIL import Image

from finegan_lib.__main__ import main
from finegan_lib.applications import layers
from finegan_lib.applications.photographs import Pictures
from finegan_lib.applications.segment import (
    Segmenter,
    SegmenterConfig,
    box_masks,
    clear_cut,
    frames_of,
    segment,
    segment_scores,
    segmenter_loss,
    train_segmenter,
)
from finegan_lib.metrics.masks import iou
from finegan_lib.training.pretrained import load_finegan
from tests.applications.small import QUICK_SEGMENTER


def square(left, top, right, bottom, size=8):
    mask = torch.zeros(1, 1, size, size, dtype=torch.bool)
    mask[:, :, top:bottom, left:right] = True
    return mask


def test_the_loss_by_hand():
    logits = torch.zeros(2, 1, 2, 2)
    masks = torch.zeros(2, 1, 2, 2)
    masks[0, 0, 0] = 1
    dice = [2 * 1 / (2 + 2), 0 / 2]  # m = .5 everywhere
    expected = math.log(2) + 1 - sum(dice) / 2
    assert segmenter_loss(logits, masks).item() == pytest.approx(expected)


def test_grey_masks_are_cut_at_half_of_their_maximum():
    masks = torch.tensor([[0.1, 0.4, 0.3, 0.15], [0.9, 1.0, 0.4, 0.0]])[:, None, None]
    assert clear_cut(masks)[:, 0, 0].tolist() == [[0, 1, 1, 0], [1, 1, 0, 0]]


def test_frames_and_boxes_are_each_others_inverse():
    masks = torch.cat([square(1, 2, 5, 8), square(0, 0, 8, 8), square(7, 7, 8, 8)])
    boxes = frames_of(masks)
    assert boxes.tolist() == [[1, 2, 5, 8], [0, 0, 8, 8], [7, 7, 8, 8]]
    assert box_masks(boxes, 8).equal(masks)
    assert frames_of(torch.zeros(1, 1, 8, 8, dtype=torch.bool)).tolist() == [[0, 0, 0, 0]]
    diagonal = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    diagonal[0, 0, 2, 3] = diagonal[0, 0, 5, 6] = True
    assert frames_of(diagonal).tolist() == [[3, 2, 7, 6]]


def test_an_empty_mask_is_no_success_where_there_is_nothing_to_find():
    masks = torch.cat([square(0, 0, 4, 4), square(0, 0, 0, 0)])
    pictures = Pictures(torch.zeros(2, 3, 8, 8), ["a", "b"], {"masks": masks})
    assert segment_scores(masks.float(), pictures)["iou"] == 0.5


def test_scores_of_boxes_by_hand():
    masks = torch.cat([square(0, 0, 4, 4), square(0, 0, 8, 4)]).float()
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4]])
    scores = segment_scores(masks, Pictures(torch.zeros(2, 3, 8, 8), ["a", "b"], {"boxes": boxes}))
    assert scores["inside_box"] == pytest.approx(32 / 48)
    assert scores["box_iou"] == pytest.approx((1 + 0.5) / 2)
    assert scores["box_iou_of_whole"] == pytest.approx(16 / 64)


def test_a_segmenter_learns_masks_from_generated_pictures():
    toy = load_finegan("toy")
    rng = torch.Generator().manual_seed(5)
    drawn = layers(toy, toy.config.hierarchy().sample(40, toy.config.z_dim, rng=rng))
    truth, images = 1 - drawn.gap > 0.5, drawn.over(torch.arange(40), torch.arange(40))
    config = SegmenterConfig(n_birds=100, steps=60, batch_size=8, width=4)
    found = train_segmenter(toy, config).masks(images) > 0.5
    everything = iou(torch.ones_like(truth), truth).mean()
    assert iou(found, truth).mean() > everything + 0.2


def test_masks_do_not_care_which_way_a_bird_looks():
    torch.manual_seed(0)
    segmenter = Segmenter(2).eval()
    images = torch.rand(3, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(segmenter.masks(images.flip(3)), segmenter.masks(images).flip(3))


def test_the_command(checkpoint, pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("finegan_lib.applications.segment.SegmenterConfig", lambda: QUICK_SEGMENTER)
    command = ["segment", str(pictures), "--checkpoint", str(checkpoint), "--no-progress"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert "6 photographs" in capsys.readouterr().out
    assert len(list((tmp_path / "out/masks").iterdir())) == 6
    with Image.open(next((tmp_path / "out/cut").iterdir())) as cut:
        assert cut.size == (32, 32) and cut.mode == "RGBA"
    assert (tmp_path / "out/segment.png").is_file()
    assert main([*command, "--out", str(tmp_path / "out")]) == 2


def test_of_toybirds_the_truth_is_known(checkpoint, tmp_path):
    options = {"checkpoint": checkpoint, "config": QUICK_SEGMENTER, "progress": False}
    result = segment("toybirds", tmp_path / "out", n=12, **options)
    assert result["n"] == 12 and 0 <= result["iou"] <= 1
