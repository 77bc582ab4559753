"""The first two stages on their own: geometry against autograd, and signs that show in training."""

import re
from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
import torch

from finegan_lib import course, losses
from finegan_lib.base.errors import InputError
from finegan_lib.data import ToyBirds
from finegan_lib.models.blocks import PatchGeometry
from finegan_lib.models.finegan import (
    BACKGROUND_LAYERS,
    BackgroundDiscriminator,
    FineGANConfig,
    FineGANGenerator,
    stitch,
)
from finegan_lib.systems import Recipe
from finegan_lib.training.presets import PRESETS
from finegan_lib.training.pretrained import load_finegan

background_lab, parent_lab = course.lab("background"), course.lab("parent")

TINY = replace(background_lab.BACKGROUND, g_dim=4, d_dim=16)
GEOMETRY = PatchGeometry.of(BACKGROUND_LAYERS[32], 32)


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("birds")
    return ToyBirds(40, image_size=32, seed=3, cache_dir=folder, progress=False)


# ------------------------------------------------------------------------------- patches


def test_receptive_field_by_hand_and_by_the_geometry():
    assert background_lab.receptive_field(()) == 1
    assert background_lab.receptive_field(((3, 1),)) == 3
    # 1 + (4 − 1) · 1 + (3 − 1) · 2 + (4 − 1) · 2
    assert background_lab.receptive_field(((4, 2), (3, 1), (4, 1))) == 14
    for layers in BACKGROUND_LAYERS.values():
        field = PatchGeometry.of(layers, 126).receptive_field
        assert background_lab.receptive_field(layers) == field


@pytest.mark.parametrize("image_size", [32, 64])
def test_autograd_finds_the_pixels_that_the_geometry_states(image_size):
    config = FineGANConfig(image_size=image_size, n_parents=1, n_children=2, d_dim=4)
    discriminator = BackgroundDiscriminator(config)
    field, stride, cells = discriminator.geometry
    for row, column in ((0, 0), (2, 5), (cells - 1, 1)):
        seen = background_lab.pixels_that_count(discriminator, row, column)
        expected = torch.zeros_like(seen)
        y, x = row * stride, column * stride
        expected[y : y + field, x : x + field] = True
        assert torch.equal(seen, expected)


def test_larger_patches_leave_fewer_free(birds):
    stacks = [((4, 2),), BACKGROUND_LAYERS[32], ((4, 2), (4, 2), (5, 1))]
    shares = background_lab.free_shares(birds, stacks, n=40)
    assert shares[0] > shares[1] > shares[2] > 0
    geometry = PatchGeometry.of(BACKGROUND_LAYERS[32], 32)
    weights = losses.background_patch_weights(birds.batch(range(40)).box, geometry)
    assert shares[1] == pytest.approx((weights == 1).float().mean().item())


def test_bird_share_by_hand():
    masks = torch.zeros(1, 6, 6, dtype=torch.bool)
    masks[0, 0, 4:] = True  # two pixels at the upper right
    share = background_lab.bird_share(masks, PatchGeometry(4, 2, 2))
    torch.testing.assert_close(share, torch.tensor([[[0.0, 2 / 16], [0.0, 0.0]]]))


def test_window_masks_lie_in_the_boxes_of_the_same_windows(birds):
    masks, boxes = background_lab.window_masks(birds, range(40)), birds.batch(range(40)).box
    assert masks.any((1, 2)).sum() > 15
    widths = []
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.tolist(), strict=True):
        if mask.any():
            y, x = mask.nonzero().T
            assert x1 - 1 <= x.min() and x.max() <= x2 and y1 - 1 <= y.min() and y.max() <= y2
            widths.append((x.max() - x.min() + 1).item() / max(x2 - x1, 1))
    assert sum(widths) / len(widths) > 0.8  # and the boxes are tight


def test_cells_extent_puts_each_cell_at_the_centre_of_its_patch():
    left, right, bottom, top = background_lab.cells_extent(PatchGeometry(14, 2, 10))
    assert (left, right, bottom, top) == (5.5, 25.5, 25.5, 5.5)
    # Cell 0 covers [5.5, 7.5]; the middle of pixels 0 … 13 is 6.5.
    assert (left + (right - left) / 10 / 2) == 6.5


def test_marks_are_drawn_where_the_patches_are():
    figure, axis = plt.subplots()
    weights = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    background_lab.draw_cells(axis, weights, PatchGeometry(4, 2, 2))
    kept, forbidden = axis.collections[1], axis.collections[3]
    assert kept.get_offsets().tolist() == [[1.5, 1.5]]
    assert sorted(forbidden.get_offsets().tolist()) == [[1.5, 3.5], [3.5, 1.5], [3.5, 3.5]]
    background_lab.draw_box(axis, torch.tensor([2.0, 1.0, 5.0, 4.0]))
    assert axis.lines[0].get_xdata().min() == 1.5 and axis.lines[0].get_ydata().max() == 3.5
    plt.close(figure)


# ------------------------------------------------------------------------------- stage 1


def test_aux_learns_to_tell_the_boxes_inside(birds):
    run = background_lab.train_background(birds, steps=60, config=TINY)
    batch = birds.batch(range(40))
    weights = losses.background_patch_weights(batch.box, run.discriminator.geometry)
    with torch.no_grad():
        aux, _ = run.discriminator(batch.full_image)
    assert aux[weights == 1].mean() > aux[weights == 0].mean() + 0.15
    assert not run.generator.training and not run.discriminator.training


def test_without_the_box_every_patch_is_background(birds):
    run = background_lab.train_background(birds, outside_only=False, steps=60, config=TINY)
    with torch.no_grad():
        aux, _ = run.discriminator(birds.batch(range(40)).full_image)
    assert (aux > 0).float().mean() > 0.95


def test_background_training_is_seeded_and_each_switch_matters(birds):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    runs = [
        background_lab.train_background(birds, steps=3, config=TINY, **changes).generate(6)
        for changes in ({}, {}, {"with_aux": False}, {"seed": 1})
    ]
    assert torch.equal(torch.get_rng_state(), before)
    assert runs[0].shape == (6, 3, 32, 32)
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2]) and not torch.equal(runs[0], runs[3])


def test_the_losses_of_a_faulty_background_step_are_those_of_the_text(lesson_text):
    birds = ToyBirds(600, image_size=32, seed=7, progress=False)
    run = background_lab.train_background(birds, steps=150, step=background_lab.faulty_step)
    d_b, g = run.curves["D_b"], run.curves["G"]
    text = lesson_text("background")
    said = re.search(r"loss falls from (\S+) to (\S+) .* loss rises to (\S+)\. ", text).groups()
    measured = [sum(part) / 10 for part in (d_b[:10], d_b[-10:], g[-10:])]
    assert measured == pytest.approx([float(number) for number in said], rel=0.15)
    batch = birds.batch(range(64))
    weights = losses.background_patch_weights(batch.box, GEOMETRY)
    with torch.no_grad():
        aux, _ = run.discriminator(batch.full_image)
    rest = torch.nn.functional.binary_cross_entropy_with_logits(aux, weights)
    assert rest > 0.8 * sum(d_b[-10:]) / 10  # "what is left is the aux term"


def test_the_windows_with_most_of_a_bird_show_the_wrong_dots(birds):
    """A box that only touches the window shows no mistake; and letters must be large enough."""
    share = background_lab.bird_share(background_lab.window_masks(birds, range(40)), GEOMETRY)
    windows = birds.batch(share.mean((1, 2)).argsort(descending=True)[:4].tolist())
    late = background_lab.late_patch_weights(windows.box, GEOMETRY)
    right = losses.background_patch_weights(windows.box, GEOMETRY)
    assert ((late - right).sum((1, 2)) >= 10).all()
    run = background_lab.train_background(birds, steps=20, config=TINY)
    figure = background_lab.two_mistakes_figure(run, run, windows)
    (legend,) = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    assert min(text.get_fontsize() for text in legend.get_texts()) >= 9


def test_network_and_preset_of_one_name_have_the_stated_sizes(lesson_text):
    assert load_finegan("toy").config == PRESETS["toy64"].model
    network, preset = (m.image_size for m in (load_finegan("toy").config, PRESETS["toy"].model))
    text = lesson_text("background")
    assert f"The *network* `toy` has {network} pixels." in text
    assert f"The *preset* `toy` is a recipe for {preset} pixels." in text
    assert "was made with the preset `toy64`" in lesson_text("training")


# ------------------------------------------------------------------------------- stage 2


def test_d_p_learns_to_read_the_parent():
    run = parent_lab.train_parent(steps=80)
    codes = parent_lab.codes_for_parents(run.generator, 20, seed=1)
    right = run.read(run.generate(codes)) == codes.p_index
    assert right.float().mean() > 0.5  # 0.2 by chance


def test_codes_for_parents_are_tied_and_share_their_noise():
    config = FineGANConfig(image_size=32, n_parents=3, n_children=7, z_dim=4, g_dim=4, d_dim=4)
    generator = FineGANGenerator(config)
    codes = parent_lab.codes_for_parents(generator, 2, seed=1)
    assert codes.p_index.tolist() == [0, 0, 1, 1, 2, 2]
    assert codes.c_index.tolist() == codes.b_index.tolist() == [0, 0, 3, 3, 5, 5]
    assert torch.equal(codes.z[:2], codes.z[2:4])
    assert not torch.equal(codes.z[0], codes.z[1])


def test_a_reader_of_masks_sees_nothing_else():
    run = parent_lab.train_parent(steps=2)
    stage = run.generate(parent_lab.codes_for_parents(run.generator, 4))
    other = stitch(-stage.foreground, stage.mask, -stage.image)
    logits = [run.discriminator.code_logits(s.masked_foreground) for s in (stage, other)]
    assert not torch.allclose(*logits)
    assert torch.equal(run.read(stage, mask_only=True), run.read(other, mask_only=True))


def test_what_d_p_is_shown_matters_and_must_be_known():
    weights = [
        parent_lab.train_parent(steps=1, shown=shown).generator.background_image.weight
        for shown in ("foreground", "image")
    ]
    torch.manual_seed(0)
    fresh = FineGANGenerator(parent_lab.PARENT).background_image.weight
    assert torch.equal(weights[0], fresh)  # reading M·F leaves the background stage alone
    assert not torch.equal(weights[1], fresh)
    with pytest.raises(InputError, match="foreground"):
        parent_lab.train_parent(steps=1, shown="mask")


def test_a_faulty_silhouette_shows_in_the_masks_gradient_alone(lesson_text):
    """In the lesson's figure both trainings look alike: half of the views still teach the mask."""
    generator = FineGANGenerator(FineGANConfig(image_size=32, n_parents=2, n_children=2, g_dim=4))
    codes = generator.config.hierarchy().sample(4, generator.config.z_dim)
    stage = generator(codes).parent
    learns = {}
    for silhouette in (0.0, 1.0):
        view = parent_lab.faulty_view(stage, Recipe(), torch.Generator().manual_seed(0), silhouette)
        (slope,) = torch.autograd.grad(view.square().sum(), stage.mask, retain_graph=True)
        learns[silhouette] = bool(slope.any())
    assert learns == {0.0: True, 1.0: False}
    text = lesson_text("parent")
    assert text.count("a silhouette teaches the mask") == 2  # the test, and where it is named


def test_the_masks_additions_by_hand():
    mask = torch.full((2, 1, 4, 4), 0.5)
    mask[1] = 1.0
    recipe = Recipe(mask_area=10.0, mask_binary=4.0, mask_smallest=0.1, mask_largest=0.6)
    # areas 0.5 and 1: (0 + 0.4)/2 · 10; M(1 − M): (1/4 + 0)/2 · 4
    assert parent_lab.mask_terms(mask, recipe).item() == pytest.approx(2.0 + 0.5)
    assert parent_lab.mask_terms(mask, Recipe()).item() == 0
    assert parent_lab.crispness(mask[:1]) == pytest.approx(0)
    assert parent_lab.crispness(mask[1:]) == pytest.approx(1)


def test_the_area_term_pulls_the_masks_into_its_range():
    wide, narrow = (
        parent_lab.train_parent(Recipe(mask_area=weight, mask_largest=0.3), steps=60)
        for weight in (0.0, 20.0)
    )
    areas = [
        run.generate(parent_lab.codes_for_parents(run.generator, 8)).mask.mean().item()
        for run in (wide, narrow)
    ]
    assert areas[1] < 0.4 < areas[0]
