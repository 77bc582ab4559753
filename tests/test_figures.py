"""The figures: what is drawn where, from which codes, and in which mode."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from finegan_lib import figures
from finegan_lib.models import FineGANConfig, FineGANGenerator

ALL = (
    figures.stagewise,
    figures.parent_child_noise,
    figures.parent_by_child,
    figures.background_swap,
)


def generator_of(**sizes):
    torch.manual_seed(0)
    config = FineGANConfig(image_size=32, z_dim=3, g_dim=4, residual_blocks=1, **sizes)
    return FineGANGenerator(config).eval()


@pytest.fixture(scope="module")
def generator():
    return generator_of(n_parents=5, n_children=20)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def grid_of(figure):
    """The arrays shown, row by row; an empty list entry where a cell shows nothing."""
    cells = {}
    for axes in figure.axes:
        place = axes.get_subplotspec()
        row, column = place.rowspan.start, place.colspan.start
        images = axes.get_images()
        cells[row, column] = images[0].get_array().data if images else None
    rows, columns = (max(k) + 1 for k in zip(*cells, strict=True))
    return [[cells[i, j] for j in range(columns)] for i in range(rows)]


def shape_of(figure):
    grid = grid_of(figure)
    assert all(cell is not None for row in grid for cell in row)
    return len(grid), len(grid[0])


def row_names(figure):
    firsts = [axes for axes in figure.axes if axes.get_subplotspec().colspan.start == 0]
    return [axes.get_ylabel() for axes in firsts]


def column_names(figure):
    firsts = [axes for axes in figure.axes if axes.get_subplotspec().rowspan.start == 0]
    return [axes.get_title() for axes in firsts]


SIZES = {
    # more parents and children than are shown
    "many": ({"n_parents": 12, "n_children": 60}, [(6, 10), (15, 8), (5, 10), (4, 8)]),
    "unequal": (
        {"n_parents": 3, "n_children": 7, "children_per_parent": (1, 4, 2)},
        [(6, 7), (1 + 3 + 2, 8), (3, 7), (4, 7)],
    ),
    "one parent": ({"n_parents": 1, "n_children": 2}, [(6, 2), (2, 8), (1, 2), (3, 2)]),
    "one of each": ({"n_parents": 1, "n_children": 1}, [(6, 1), (1, 8), (1, 1), (1, 1)]),
}


@pytest.mark.parametrize("name", SIZES)
def test_every_figure_of_every_hierarchy(name):
    sizes, shapes = SIZES[name]
    generator = generator_of(**sizes)
    for function, shape in zip(ALL, shapes, strict=True):
        figure = function(generator, seed=1)
        assert isinstance(figure, Figure)
        assert figure.get_suptitle()
        assert shape_of(figure) == shape, function.__name__


def test_sizes_can_be_chosen(generator):
    assert shape_of(figures.stagewise(generator, columns=3)) == (6, 3)
    figure = figures.parent_child_noise(generator, columns=2, parents=3, children=1)
    assert shape_of(figure) == (3, 2)
    assert shape_of(figures.parent_by_child(generator, parents=2, children=4)) == (2, 4)
    assert shape_of(figures.background_swap(generator, columns=5)) == (4, 5)


def test_drawing_uses_evaluation_mode_and_restores_the_mode(generator):
    expected = grid_of(figures.stagewise(generator, seed=3, columns=2))
    statistics = {k: v.clone() for k, v in generator.named_buffers()}
    generator.train()
    try:
        found = grid_of(figures.stagewise(generator, seed=3, columns=2))
        assert generator.training
    finally:
        generator.eval()
    assert np.array_equal(np.array(expected[-1]), np.array(found[-1]))
    assert all(statistics[k].equal(v) for k, v in generator.named_buffers())
    figures.generate(generator, generator.config.hierarchy().sample(2, 3))
    assert not generator.training


def test_the_mode_is_restored_after_an_error(generator):
    codes = generator.config.hierarchy().sample(2, 4)  # z is too long
    generator.train()
    try:
        with pytest.raises(ValueError, match="code z"):
            figures.generate(generator, codes)
        assert generator.training
    finally:
        generator.eval()


def test_drawing_leaves_torchs_random_numbers_alone(generator):
    before = torch.get_rng_state()
    seeds = (0, 0, 1)
    first, again, other = (figures.parent_by_child(generator, seed, 2, 2) for seed in seeds)
    assert torch.get_rng_state().equal(before)
    first, again, other = (np.array(grid_of(figure)) for figure in (first, again, other))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_stagewise_stitches_what_it_shows(generator):
    """P = M_p·F_p + (1 − M_p)·B and C = M_c·F_c + (1 − M_c)·P, in pixels of [0, 1]."""
    figure = figures.stagewise(generator, seed=2, columns=4)
    assert [name.split("\n")[-1] for name in row_names(figure)] == [
        "$B$",
        "$M_p$",
        "$P$",
        "$M_c$",
        "$M_c F_c$",
        "$C$",
    ]
    assert column_names(figure) == ["c=0", "c=6", "c=13", "c=19"]
    for column in zip(*grid_of(figure), strict=True):
        _, _, parent, mask, masked, child = (cell * 1.0 for cell in column)
        mask = mask[..., None]
        stitched = (masked * 2 - 1) + (1 - mask) * (parent * 2 - 1)
        assert np.allclose(stitched, child * 2 - 1, atol=1e-5)


def redrawn(generator, z, c, p, b):
    """One child image, (H, W, 3) in [0, 1]."""
    codes = generator.config.hierarchy().codes(z, c, p_index=p, b_index=b)
    return figures.generate(generator, codes).child.image[0].permute(1, 2, 0).numpy() / 2 + 0.5


def test_parent_by_child_has_parents_in_rows(generator):
    figure = figures.parent_by_child(generator, seed=4, children=5)
    assert row_names(figure) == [f"p={p}" for p in range(5)]
    assert column_names(figure) == ["c=0", "c=5", "c=10", "c=14", "c=19"]
    cell = grid_of(figure)[3][1]
    assert np.allclose(cell, redrawn(generator, figures.noise(generator, 1, 4), 5, 3, 0), atol=1e-5)


def test_parent_child_noise_has_one_z_per_column(generator):
    figure = figures.parent_child_noise(generator, seed=4, columns=3)
    assert row_names(figure)[3:6] == ["p=1, c=4", "p=1, c=5", "p=1, c=6"]
    z = figures.noise(generator, 3, 4)
    cell = grid_of(figure)[4][2]
    assert np.allclose(cell, redrawn(generator, z[2:], 5, 1, 0), atol=1e-5)


def test_the_parents_sheet_has_every_parent_in_a_row(generator):
    figure = figures.parents_sheet(generator, seed=4, columns=3, question="A bird?")
    assert shape_of(figure) == (5, 6) and figure.get_suptitle() == "A bird?"
    assert row_names(figure) == [f"parent {p}" for p in range(5)]
    assert column_names(figure) == ["mask", "picture"] * 3
    z = figures.noise(generator, 3, 4)
    cell = grid_of(figure)[2][5]  # the third child of parent 2, with the third z
    assert np.allclose(cell, redrawn(generator, z[2:], 10, None, None), atol=1e-5)


def test_background_swap_fixes_what_it_says(generator):
    figure = figures.background_swap(generator, seed=4, columns=4)
    grid, z = grid_of(figure), figures.noise(generator, 1, 4)
    shown = [0, 6, 13, 19]
    fixed = [int(name.split()[0].split("=")[1]) for name in row_names(figure)]
    assert [name[0] for name in row_names(figure)] == list("bbcc")
    for b, row in zip(fixed[:2], grid[:2], strict=True):
        assert np.allclose(row[2], redrawn(generator, z, shown[2], None, b), atol=1e-5)
    for c, row in zip(fixed[2:], grid[2:], strict=True):
        assert np.allclose(row[2], redrawn(generator, z, c, None, shown[2]), atol=1e-5)


def test_spread_takes_both_ends_and_never_too_many():
    assert figures.spread(20, 4) == [0, 6, 13, 19]
    assert figures.spread(3, 10) == [0, 1, 2]
    assert figures.spread(1, 5) == [0]
    for n in range(1, 40):
        for most in range(1, 12):
            found = figures.spread(n, most)
            assert len(found) == min(n, most) == len(set(found))
            assert 0 <= min(found) <= max(found) < n


def test_the_factor_matrix_is_labelled_row_by_code():
    matrix = np.arange(16).reshape(4, 4) / 16
    figure = figures.factor_matrix(matrix)
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["b", "p", "c", "z"]
    names = ["background", "shape", "appearance", "pose"]
    assert [t.get_text() for t in axes.get_xticklabels()] == names
    assert axes.get_title() and axes.get_xlabel() and axes.get_ylabel()
    written = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in axes.texts}
    assert written[1.5, 2.5] == f"{matrix[1, 2]:.2f}"  # p drawn anew → appearance
    assert np.array_equal(axes.collections[0].get_array().reshape(4, 4), matrix)


def test_masks_are_grey_and_colours_are_clamped():
    _, (left, right) = plt.subplots(1, 2)
    figures.show(left, torch.full((1, 4, 4), 0.25))
    figures.show(right, torch.tensor([-1.0, 0.0, 3.0]).view(3, 1, 1).expand(3, 4, 4))
    (mask,), (image,) = left.get_images(), right.get_images()
    assert mask.get_cmap().name == "gray" and mask.get_clim() == (0, 1)
    assert image.get_array()[0, 0].tolist() == [0, 0.5, 1]


def test_rows_may_be_shorter_than_others():
    cell = torch.zeros(3, 4, 4)
    grid = grid_of(figures.image_figure([[cell], [cell, cell]], ["a", "b"], title="ragged"))
    assert grid[0][1] is None and grid[1][1] is not None


@pytest.mark.parametrize("columns", [1, 10])
def test_no_label_is_cut_off_or_covered(columns):
    """The longest names that the figures use, on a narrow and on a wide page."""
    row = [torch.zeros(3, 4, 4)] * columns
    names = ["p=19, c=199", "b=10 fixed,\np and c vary", "masked child\n$M_c F_c$"]
    title = "Any shape with any appearance: parent codes (rows) × child codes (columns)"
    figure = figures.image_figure([row] * 3, names, ["c=199"] * columns, title)
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    page = figure.bbox
    texts = [figure._suptitle]
    for axes in figure.axes:
        texts += [text for text in (axes.title, axes.yaxis.label) if text.get_text()]
    boxes = [text.get_window_extent(renderer) for text in texts]
    for box in boxes:
        assert box.x0 >= page.x0 and box.x1 <= page.x1
        assert box.y0 >= page.y0 and box.y1 <= page.y1
    pictures = [axes.get_images()[0].get_window_extent(renderer) for axes in figure.axes]
    overlaps = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] + pictures]
    assert not [pair for pair in overlaps if intersect(*pair)]


def intersect(a, b, slack=1.0):
    """Whether two boxes share more than a pixel's breadth."""
    return min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack


def test_the_ablation_marks_what_is_worse_in_every_training():
    results = {
        "everything on": {"good": [0.5, 0.6], "bad": [0.1, 0.2]},
        "one thing": {"good": [0.4, 0.55], "bad": [0.15, 0.3]},
        "another": {"good": [0.3, 0.49], "bad": [0.21, 0.4]},
    }
    panels = {
        "good": figures.Panel("score"),
        "bad": figures.Panel("distance", (0, 0.4), lower_is_better=True),
    }
    drawn = figures.ablation(results, panels)
    assert [axis.get_xlabel() for axis in drawn.axes] == ["score", "distance"]
    assert [list(axis.get_xticks()) for axis in drawn.axes] == [[0, 0.5, 1], [0, 0.2, 0.4]]
    for axis, panel in zip(drawn.axes, panels, strict=True):
        dots = [(line.get_xdata().tolist(), line.get_color()) for line in axis.get_lines()]
        assert [values for values, _ in dots] == [scores[panel] for scores in results.values()]
        blue, orange = figures.PALETTE[:2]
        assert [colour for _, colour in dots] == [blue, blue, orange]
