"""The README's pictures: the map shows every lesson, in order; the stages are a network's."""

import matplotlib.pyplot as plt
import pytest
import torch

from finegan_lib.course.engine import course_map
from finegan_lib.course.engine.folders import lesson_names


def test_the_map_shows_every_lesson_and_where_to_go_from_it():
    stations = course_map.stations()
    numbers = [number for number, *_ in stations]
    assert numbers == [lesson[:2] for lesson in lesson_names()]
    figure = course_map.draw_map()
    (axis,) = figure.axes
    written = " ".join(text.get_text() for text in axis.texts)
    for number, name, about, *_ in stations:
        assert f"{number}  {name}" in written
        assert about in written
    figure.draw_without_rendering()
    boxes = [p.get_window_extent() for p in axis.patches if type(p).__name__ == "FancyBboxPatch"]
    for text in axis.texts:
        place = text.get_window_extent()
        for box in boxes:  # what begins in a box ends there
            assert not box.x0 < place.x0 < box.x1 < place.x1 or not box.y0 < place.y0 < box.y1
    arrows = [patch for patch in axis.patches if type(patch).__name__ == "FancyArrowPatch"]
    assert len(arrows) == len(numbers) - 1
    assert len(axis.images) == 3
    plt.close(figure)


def test_the_stages_are_three():
    figure = course_map.draw_stages(["toy"], columns=4)
    assert len(figure.axes) == 3 * 4
    labels = [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()]
    assert labels == ["background", "shape", "appearance"]
    plt.close(figure)


def test_two_networks_stand_side_by_side():
    figure = course_map.draw_stages(["toy", "toy"], columns=2)
    assert len(figure.axes) == 3 * 4
    x = [axis.get_position().x0 for axis in figure.axes[:4]]
    assert x[2] - x[1] > 1.15 * (x[1] - x[0])
    headings = [text for text in figure.texts if "drawn birds" in text.get_text()]
    assert [text.get_position()[0] for text in headings] == pytest.approx([x[0], x[2]])
    plt.close(figure)


def test_both_are_drawn_and_shown():
    root = course_map.ROOT
    shown = {
        course_map.FILE: (root / "notebooks" / "README.md", course_map.FILE.name),
        course_map.STAGES_FILE: (root / "README.md", f"notebooks/{course_map.STAGES_FILE.name}"),
    }
    for file, (readme, link) in shown.items():
        assert 10_000 < file.stat().st_size < 300_000
        assert f"]({link})" in readme.read_text(encoding="utf-8")


def test_the_front_picture_shows_the_chosen_children(monkeypatch):
    monkeypatch.setattr(course_map, "CHOSEN", {"toy": {3: 5, 7: 5, 0: 1, 1: 2, 2: 3}})
    seen, real = [], course_map.figures.generate
    monkeypatch.setattr(
        course_map.figures, "generate", lambda g, codes: seen.append(codes) or real(g, codes)
    )
    plt.close(course_map.draw_stages(["toy"], columns=2))
    assert seen[0].c_index.tolist() == [0, 19]  # with a number of columns: spread
    seen.clear()
    plt.close(course_map.draw_stages(["toy", "toy"]))
    assert seen[0].c_index.tolist() == [3, 7, 0, 1, 2]
    assert torch.equal(seen[0].z[0], seen[0].z[1])  # one seed
    assert not torch.equal(seen[0].z[1], seen[0].z[2])
