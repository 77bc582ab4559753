"""Variety, masks and swapped backgrounds of generators whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from finegan_lib.models import FineGANConfig, FineGANGenerator, FineGANOutput
from finegan_lib.models.finegan import stitch
from finegan_lib.scoring.surroundings import (
    code_swap_scores,
    disc,
    donors,
    fresh_images,
    surroundings_scores,
    swap_surroundings,
)
from finegan_lib.scoring.variety import (
    child_distances,
    mask_summary,
    parent_overlaps,
    shape_of,
    told_apart,
    twins,
    variety,
)

SHADES = torch.tensor([-0.8, -0.3, 0.3, 0.3])  # of the four children: the last two are twins


class Painter(FineGANGenerator):
    """Squares: parent 0 draws the left half, 1 and 2 the same square in the middle."""

    def __init__(self):
        super().__init__(FineGANConfig(image_size=32, g_dim=4, z_dim=4, n_parents=3, n_children=4))
        self.eval()

    def forward(self, codes):
        n = len(codes.z)
        masks = torch.zeros(3, 1, 32, 32)
        masks[0, :, :, :16] = 1
        masks[1:, :, 8:24, 8:24] = 1
        mask = masks[codes.p_index]
        shade = SHADES[codes.c_index].view(n, 1, 1, 1).expand(n, 3, 32, 32)
        behind = (codes.b_index / 4).view(n, 1, 1, 1).expand(n, 3, 32, 32)
        background = SimpleNamespace(image=behind)
        parent = stitch(shade, mask, behind)
        return FineGANOutput(background, parent, stitch(shade, mask, parent.image))


class Reader(nn.Module):
    """Names the shade, in tenths, at one place."""

    def __init__(self, row, column):
        super().__init__()
        self.place = row, column

    def features(self, images):
        return images[:, 0, self.place[0], self.place[1]]

    def head(self, features):
        shades = torch.linspace(-1, 1, 21)
        return -(features[:, None] - shades).abs()


def test_twins_are_found():
    found = variety(Painter())
    assert found["children"] == 4 and found["children_differ"] == 2
    assert found["child_twins"] == [(2, 3)]
    assert found["parents_differ"] == 1 and found["parent_twins"] == [(1, 2)]
    distances, overlaps = child_distances(Painter()), parent_overlaps(Painter())
    assert float(distances[0, 1]) == pytest.approx(0.5)  # −0.8 and −0.3, wherever the mask is
    assert float(overlaps[0, 1]) == pytest.approx(128 / (512 + 256 - 128))
    assert distances.equal(distances.T) and overlaps.equal(overlaps.T)


def test_pairs_of_a_table():
    alike = torch.eye(3, dtype=torch.bool)
    alike[0, 2] = alike[2, 0] = True
    assert twins(alike) == [(0, 2)]


def test_told_apart_needs_a_majority():
    codes = np.array([0, 0, 1, 1, 2, 2])
    assert told_apart([0, 0, 1, 0, 2, 2], codes, 4) == 2


def test_masks_by_hand():
    found = mask_summary(Painter(), n=40)
    areas = [part["area"] for part in found["per_parent"]]
    assert areas == pytest.approx([0.5, 0.25, 0.25])
    assert [part["rim"] for part in found["per_parent"]] == pytest.approx([62 / 124, 0, 0])
    assert found["undecided"] == found["empty"] == found["full"] == 0
    assert found["one_piece"] == 1


def test_the_shape_of_a_mask():
    mask = np.zeros((10, 10), bool)
    assert shape_of(mask) == (0, 0)
    mask[2:4, 2:5], mask[7, 7:9] = True, True
    assert shape_of(mask) == (6 / 8, 0)
    assert shape_of(np.ones((10, 10), bool)) == (1, 1)


# ------------------------------------------------------------------------- backgrounds


def test_a_reader_of_the_bird_keeps_its_answer_and_one_of_the_corner_does_not():
    painter, options = Painter(), {"n": 60}
    bird = code_swap_scores(painter, Reader(16, 12), **options)
    corner = code_swap_scores(painter, Reader(0, 31), **options)
    assert bird["kept"] == 1 and corner["kept"] == 0
    images, codes, n_codes = fresh_images(painter, 60)
    assert n_codes == 4 and np.bincount(codes).tolist() == [15] * 4
    bird = surroundings_scores(Reader(16, 12), images)
    corner = surroundings_scores(Reader(0, 31), images)
    assert (bird["kept"], bird["follows"], bird["moved"]) == (1, 0, 1)
    assert corner["kept"] < 0.5 and corner["kept"] + corner["follows"] == 1


def test_surroundings_come_from_another_image():
    taken = donors(9, seed=4)
    assert sorted(taken) == list(range(9)) and (taken != np.arange(9)).all()
    images = torch.stack([torch.full((3, 32, 32), float(v)) for v in (-1, 1)])
    swapped = swap_surroundings(images, images.flip(0))
    assert swapped[0, 0, 16, 16] == -1 and swapped[0, 0, 0, 0] == 1
    area = float(disc(64).mean())
    assert area == pytest.approx(np.pi / 4 * (76 / 64 / 1.5) ** 2, rel=0.03)
