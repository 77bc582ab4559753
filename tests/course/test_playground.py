import io
import sys
from itertools import pairwise
from unittest.mock import MagicMock

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from finegan_lib.course import playground
from finegan_lib.course.playground import CodePanel, MixPanel, picture
from finegan_lib.models import FineGANConfig, FineGANGenerator

CONFIG = FineGANConfig(
    image_size=32, children_per_parent=(1, 3), n_parents=2, n_children=4, z_dim=6, g_dim=4
)


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    generator = FineGANGenerator(CONFIG)
    with torch.no_grad():
        for _ in range(20):  # statistics for BatchNorm
            generator(CONFIG.hierarchy().sample(50, CONFIG.z_dim, tied=False))
    return generator.eval()


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def tile(png, i, columns=3):
    """The i-th enlarged image of a picture, without its caption."""
    side, caption, gap = 160, playground.CAPTION, playground.GAP
    x, y = i % columns * (side + gap), i // columns * (side + caption + gap) + caption
    return pixels(png)[y : y + side, x : x + side]


def test_every_pixel_becomes_an_even_square():
    image = torch.full((3, 32, 32), -1.0)
    image[0, 0, 1] = 1  # one red pixel
    shown = tile(picture({"red": image}, columns=1), 0, columns=1)
    assert (shown[:5, 5:10] == (255, 0, 0)).all()
    assert (shown != 0).any(2).sum() == 25


def test_masks_are_grey_and_captions_are_drawn():
    png = picture({"a mask": torch.full((1, 32, 32), 0.5)}, columns=1)
    assert (tile(png, 0, columns=1) == 128).all()
    assert (pixels(png)[: playground.CAPTION] < 128).any()
    assert not (pixels(picture({"": torch.zeros(1, 32, 32)}))[: playground.CAPTION] < 255).any()


def test_large_images_are_not_made_smaller():
    assert pixels(picture({"": torch.zeros(3, 128, 128)}, columns=1)).shape[1] == 256


def test_p_and_b_follow_c_and_cannot_be_chosen(generator):
    panel = CodePanel(generator)
    for child, parent in enumerate((0, 1, 1, 1)):
        panel.c.value = child
        assert (panel.p.value, panel.b.value) == (parent, child)
        assert panel.codes().p_index == parent and panel.codes().b_index == child
    assert panel.p.disabled and panel.b.disabled


def test_untied_they_stay_and_tied_again_they_follow(generator):
    panel = CodePanel(generator)
    panel.p_follows.value = panel.b_follows.value = False
    assert not panel.p.disabled and not panel.b.disabled
    panel.p.value, panel.b.value, panel.c.value = 1, 2, 3
    codes = panel.codes()
    assert [int(i) for i in (codes.p_index, codes.b_index, codes.c_index)] == [1, 2, 3]
    panel.c.value = 0
    assert (panel.p.value, panel.b.value) == (1, 2)
    panel.p_follows.value = True
    assert (panel.p.value, panel.b.value) == (0, 2)


@pytest.mark.parametrize(
    ("change", "moved", "kept"),
    [
        (lambda panel: setattr(panel.c, "value", 2), [3, 4, 5], [0, 1, 2]),
        (lambda panel: setattr(panel.b, "value", 2), [0, 2, 5], [1, 3, 4]),
        (lambda panel: setattr(panel.p, "value", 1), [1, 2, 3, 4, 5], [0]),
        (lambda panel: setattr(panel.sliders[2], "value", -2.5), [0, 1, 2, 3, 4, 5], []),
        (lambda panel: panel.new_z.click(), [0, 1, 2, 3, 4, 5], []),
    ],
    ids=["c", "b", "p", "slider", "new z"],
)
def test_each_control_changes_the_stages_it_should(generator, change, moved, kept):
    panel = CodePanel(generator)
    panel.p_follows.value = panel.b_follows.value = False
    before = panel.image.value
    change(panel)
    after = panel.image.value
    assert [i for i in range(6) if (tile(before, i) != tile(after, i)).any()] == moved
    assert all((tile(before, i) == tile(after, i)).all() for i in kept)


def test_one_change_draws_once(generator, monkeypatch):
    panel = CodePanel(generator)
    drawn = []
    monkeypatch.setattr(playground, "picture", lambda tiles: drawn.append(tiles) or b"png")
    panel.c.value = 3  # p and b follow
    panel.new_z.click()  # four sliders move
    assert len(drawn) == 2


def test_the_sliders_are_the_first_numbers_of_z(generator):
    panel = CodePanel(generator)
    panel.sliders[1].value = 1.5
    z = panel.codes().z
    assert z.shape == (1, 6) and z[0, 1] == 1.5
    assert torch.equal(z[0, 4:], panel.z[0, 4:])


def test_short_noise_has_fewer_sliders():
    config = FineGANConfig(image_size=32, n_parents=2, n_children=4, z_dim=2, g_dim=4)
    panel = CodePanel(FineGANGenerator(config).eval())
    assert len(panel.sliders) == 2
    panel.new_z.click()


def test_a_sentence_says_what_the_picture_shows(generator):
    panel = CodePanel(generator)
    panel.c.value = 2
    assert 'role="status"' in panel.words.value
    assert "c = 2, p = 1, b = 2" in panel.words.value
    assert all(w.description for w in (panel.c, panel.p, panel.b, panel.new_z, *panel.sliders))


def test_the_mixture_has_the_shape_of_one_and_the_appearance_of_the_other(generator):
    panel = MixPanel(generator)
    first, second = panel.birds
    for i, bird in enumerate((first, second)):
        assert (tile(panel.image.value, i) == expected_tile(generator, bird, bird, bird)).all()
    assert (tile(panel.image.value, 2) == expected_tile(generator, first, second, first)).all()
    panel.background.value = "second"
    assert (tile(panel.image.value, 2) == expected_tile(generator, first, second, second)).all()
    panel.swap.click()
    assert (tile(panel.image.value, 2) == expected_tile(generator, second, first, first)).all()
    assert f"c = {int(first.c_index)}" in panel.words.value


def expected_tile(generator, *birds):
    image = playground.mix(generator, *birds).child.image[0]
    return tile(picture({"": image}, columns=1), 0, columns=1)


def test_a_new_bird_replaces_one_of_the_two(generator):
    panel = MixPanel(generator)
    first, second = panel.birds
    before = panel.image.value
    panel.new_second.click()
    assert panel.birds[0] is first and panel.birds[1] is not second
    panel.new_first.click()
    assert panel.birds[0] is not first and panel.image.value != before


# ------------------------------------------------------------------------------- where it is shown


@pytest.fixture
def notebook(monkeypatch):
    """As in a notebook that somebody is looking at."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("FINEGAN_STATIC", raising=False)
    monkeypatch.setattr("IPython.get_ipython", MagicMock())
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    return shown


def test_in_a_notebook_both_panels_are_shown(notebook, generator):
    playground.play(generator)
    assert len(notebook) == 2
    assert [type(box).__name__ for box in notebook] == ["VBox", "VBox"]
    assert not plt.get_fignums()


@pytest.mark.parametrize("variable", ["CI", "FINEGAN_STATIC"])
def test_when_stored_or_tested_it_stands_still(notebook, generator, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    playground.play(generator)
    assert_a_figure(notebook)


def test_without_ipywidgets_it_stands_still(notebook, generator, monkeypatch):
    monkeypatch.setattr(
        playground, "find_spec", lambda name: None if name == "ipywidgets" else object()
    )
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    playground.play(generator)
    assert_a_figure(notebook)


def test_outside_of_a_notebook_it_stands_still(notebook, generator, monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    playground.play(generator)
    assert_a_figure(notebook)


def assert_a_figure(shown):
    assert not shown and len(plt.get_fignums()) == 1
    plt.close("all")


def test_the_figure_makes_one_move_from_row_to_row(generator):
    figure = playground.static_figure(generator)
    images = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    rows = [images[i : i + 6] for i in range(0, len(images), 6)]
    moves = [
        [i for i in range(6) if not np.array_equal(above[i], below[i])]
        for above, below in pairwise(rows)
    ]
    plt.close(figure)
    # c with p and b; p alone; b alone (background, and both images on it); z
    assert moves == [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [0, 2, 5], [0, 1, 2, 3, 4, 5]]
