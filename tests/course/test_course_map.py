"""The README's pictures: the map shows every lesson, in order; the stages are a network's."""

import matplotlib.pyplot as plt

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
    arrows = [patch for patch in axis.patches if type(patch).__name__ == "FancyArrowPatch"]
    assert len(arrows) == len(numbers) - 1
    assert len(axis.images) == 3
    plt.close(figure)


def test_the_stages_are_three():
    figure = course_map.draw_stages(columns=4)
    assert len(figure.axes) == 3 * 4
    labels = [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()]
    assert labels == ["background", "shape", "appearance"]
    plt.close(figure)


def test_both_are_drawn_and_shown():
    readme = (course_map.ROOT / "README.md").read_text(encoding="utf-8")
    for file in (course_map.FILE, course_map.STAGES_FILE):
        assert 10_000 < file.stat().st_size < 300_000
        assert f"(notebooks/{file.name})" in readme
