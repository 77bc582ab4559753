"""The map of the course shows every lesson, in order."""

import matplotlib.pyplot as plt

from finegan_lib.course import course_map
from finegan_lib.course.exercises import lesson_names


def test_the_map_shows_every_lesson_and_where_to_go_from_it():
    numbers = [number for number, *_ in course_map.STATIONS]
    assert numbers == [lesson[:2] for lesson in lesson_names()]
    figure = course_map.draw_map()
    (axis,) = figure.axes
    written = " ".join(text.get_text() for text in axis.texts)
    for number, name, about, _, _ in course_map.STATIONS:
        assert f"{number}  {name}" in written
        assert about in written
    arrows = [patch for patch in axis.patches if type(patch).__name__ == "FancyArrowPatch"]
    assert len(arrows) == len(numbers) - 1
    assert len(axis.images) == 3
    plt.close(figure)


def test_the_map_is_drawn():
    assert 10_000 < course_map.FILE.stat().st_size < 200_000
