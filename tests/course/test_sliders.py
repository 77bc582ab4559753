"""Sliders: each value has a picture of its own; a slider that nobody can move is not shown."""

import io

import matplotlib.pyplot as plt
import pytest
import torch

from finegan_lib import course
from finegan_lib.course import sliders
from finegan_lib.data import ToyBirds
from finegan_lib.models.blocks import PatchGeometry
from finegan_lib.scoring.quality import FeatureSums

pytest.importorskip("ipywidgets")


def line(value):
    figure, axis = plt.subplots(figsize=(1, 1))
    axis.plot([0, value])
    axis.set_ylim(0, 3)
    return figure


def test_moving_a_slider_draws_anew_and_leaves_no_figure_open():
    slider = sliders.Slider(line, "height", [1, 2, 3])
    pictures = {slider.slider.value: slider.image.value}
    for value in (1, 3, 2):
        slider.slider.value = value
        pictures.setdefault(value, slider.image.value)
    assert sorted(pictures) == [1, 2, 3]
    assert len(set(pictures.values())) == 3
    assert slider.image.value == pictures[2]
    assert int(slider.image.width) == plt.imread(io.BytesIO(pictures[2])).shape[1]
    assert plt.get_fignums() == []


def test_nothing_is_shown_where_nobody_can_move_it(capsys, monkeypatch):
    monkeypatch.setenv("FINEGAN_STATIC", "1")
    assert sliders.slide(line, "height", [1, 2]) is None
    assert capsys.readouterr().out == ""
    assert plt.get_fignums() == []


def titles(figure):
    words = [axis.get_title() for axis in figure.axes]
    plt.close(figure)
    return words


def test_the_figures_of_the_lessons_say_what_they_show():
    gan = course.lab("gan")
    near, far = (gan.best_figure(mean) for mean in (0.0, 3.0))
    lines = [figure.axes[0].lines[0].get_ydata() for figure in (near, far)]
    assert lines[0].min() == pytest.approx(0.5, abs=1e-4)  # q = p: D* is 1/2 everywhere
    assert lines[1].max() > 0.99
    assert "3.0" in titles(far)[0] and "0.0" in titles(near)[0]
    snapshots = {10: gan.ring_centres().repeat(10, 1), 20: gan.ring_centres()[:1].repeat(10, 1)}
    assert "8 of 8" in titles(gan.ring_figure(snapshots, 10))[0]
    assert "1 of 8" in titles(gan.ring_figure(snapshots, 20))[0]

    start = course.lab("start_here")
    birds = ToyBirds(60, image_size=32, seed=7, progress=False)
    figure = start.window_figure(birds, 8)
    assert any("species" in title for title in titles(figure))


def test_a_box_forbids_the_patches_under_it_and_no_more_the_farther_it_is_out():
    lab, geometry = course.lab("background"), PatchGeometry(14, 2, 10)
    kept = [
        int(titles(lab.box_figure(torch.zeros(3, 32, 32), geometry, left))[0].partition("%")[0])
        for left in (8, 24, 31)
    ]
    assert kept[0] < kept[1] <= kept[2] < 100


def test_a_thin_mask_shows_what_is_behind():
    lab = course.lab("parent")
    foreground, behind = torch.full((2, 3, 8, 8), 0.6), torch.full((2, 3, 8, 8), -0.6)
    for opacity, wanted in ((0.0, 0.2), (0.5, 0.5), (1.0, 0.8)):  # as colours, from 0 to 1
        figure = lab.opacity_figure(foreground, torch.ones(2, 1, 8, 8), behind, opacity)
        shown = [a.images[0].get_array() for a in figure.axes if a.images]
        assert figure.get_suptitle().replace("\n", " ") == f"A mask at {opacity:.0%} of its opacity"
        assert len(shown) == 6 and abs(float(shown[-1].mean()) - wanted) < 0.02
        plt.close(figure)


def test_few_pictures_have_a_larger_fid():
    lab, rng = course.lab("image_quality"), torch.Generator().manual_seed(0)
    real, other, drawn = torch.randn(3, 1000, 8, generator=rng)
    sets = {"other real birds": other, "drawn": drawn + 1}
    means = []
    for n in (50, 800):
        figure = lab.fid_figure(FeatureSums.of(real), sets, n)
        assert f"{n} pictures" in titles(figure)[0]
        means.append(figure.axes[0].lines[0].get_xdata().mean())
    assert means[0] > 3 * means[1]
