import io

import numpy as np
import pytest
import torch
from PIL import Image

from finegan_lib import course
from finegan_lib.course import playground, sliders
from finegan_lib.models.blocks import PatchGeometry

pytest.importorskip("ipywidgets")
GEOMETRY = PatchGeometry(14, 2, 10)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def panel():
    return sliders.SliderPanel(
        {"light": (0.5, 0, 1, 0.25)},
        lambda light: {"grey": torch.full((1, 8, 8), light)},
        lambda light: f"The light is {light:.2f}.",
        columns=1,
    )


def test_a_slider_draws_anew_and_says_what():
    shown = panel()
    assert pixels(shown.image.value)[-1, -1].tolist() == [128] * 3
    assert "The light is 0.50." in shown.sentence.value
    shown.sliders["light"].value = 1.0
    assert pixels(shown.image.value)[-1, -1].tolist() == [255] * 3
    assert "The light is 1.00." in shown.sentence.value and "aria-live" in shown.sentence.value


def test_nothing_is_shown_where_nobody_can_move_it(capsys, monkeypatch):
    monkeypatch.setattr(sliders, "live", lambda: False)
    assert sliders.show_sliders({}, None, None) is None
    assert capsys.readouterr().out == ""


@pytest.fixture
def shown(monkeypatch):
    """The arguments of the panels that a laboratory would show."""
    seen = []
    for name in ("background", "parent"):
        monkeypatch.setattr(course.lab(name), "show_sliders", lambda *a, **k: seen.append(a))
    return seen


def test_the_box_covers_what_its_sliders_say(shown):
    course.lab("background").box_slider(torch.zeros(3, 32, 32), GEOMETRY)
    ((positions, draw, words),) = shown
    values = {name: start for name, (start, *_) in positions.items()}
    assert all(least <= start <= most for start, least, most, _ in positions.values())
    image = draw(**values)["a box, and the patches"]
    assert image.shape == (3, 160, 160)
    everything = words(left=0, top=0, width=32, height=32)
    assert everything.startswith("0%") and not words(**values).startswith("0%")
    moved = draw(**(values | {"left": 2.0}))["a box, and the patches"]
    assert not torch.equal(image, moved)


def test_a_box_is_drawn_where_it_is():
    lab = course.lab("background")
    image = lab.marked(torch.full((3, 32, 32), -1.0), [4, 6, 20, 26], PatchGeometry(32, 1, 1), 5)
    edge = image[:, 6 * 5, 4 * 5 : 20 * 5]
    assert (edge == edge[:, :1]).all() and edge.abs().sum() > 0
    assert (image[:, :5] == -1).all() and (image[:, :, :5] == -1).all()


def test_an_opacity_of_0_shows_the_background_and_of_1_the_foreground(shown):
    foreground, mask = torch.full((1, 3, 8, 8), 0.5), torch.ones(1, 1, 8, 8)
    behind = torch.full((1, 3, 8, 8), -0.5)
    course.lab("parent").opacity_slider(foreground, mask, behind)
    ((_, draw, words),) = shown
    for opacity, wanted in ((0.0, -0.5), (1.0, 0.5), (0.5, 0.0)):
        assert torch.allclose(draw(opacity)["P"], torch.full((3, 8, 8), wanted))
    assert "25% foreground and 75% background" in words(0.25)
    assert playground.picture(draw(0.5))
