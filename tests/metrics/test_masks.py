"""Scores of masks."""

import pytest
import torch

from finegan_lib.metrics.masks import iou


def square(x1, y1, x2, y2, size=8):
    mask = torch.zeros(1, 1, size, size, dtype=torch.bool)
    mask[0, 0, y1:y2, x1:x2] = True
    return mask


def test_intersection_over_union_by_hand():
    a, b = square(0, 0, 4, 4), square(2, 0, 6, 4)
    empty = torch.zeros_like(a)
    found = iou(torch.cat([a, a, a, empty]), torch.cat([b, a, empty, a]))
    assert found.dtype == torch.float32
    assert found.tolist() == pytest.approx([8 / 24, 1, 0, 0])
    assert iou(b, a) == iou(a, b)


def test_two_empty_masks_score_nothing():
    empty = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    assert iou(empty, empty).tolist() == [0]
