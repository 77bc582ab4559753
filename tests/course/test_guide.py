"""The leader's guide names every lesson, section and exercise, with what goes wrong in it."""

import re

import pytest

from finegan_lib.course.engine import folders, guide
from finegan_lib.course.engine.exercises import lesson_exercises
from finegan_lib.course.engine.folders import lesson_names


@pytest.fixture(scope="module")
def text():
    return guide.leader_guide()


def test_nothing_is_left_to_fill_in(text):
    assert "{{" not in text
    for plan in ("Half a day", "One day", "Two days"):
        assert plan in text


def test_every_exercise_and_each_of_its_mistakes_is_there(text):
    for lesson in lesson_names():
        for key, exercise in lesson_exercises(lesson[:2]).items():
            assert f"* **{key}** {exercise.title}" in text
            for mistake in exercise.mistakes:
                assert mistake.hint in text


def test_every_lesson_has_minutes_and_a_question(text):
    for lesson in lesson_names():
        assert f"| [{lesson}]({lesson}.ipynb) |" in text
        assert re.search(rf"^\*\*{lesson[:2]}\. .+\*\*", text, flags=re.MULTILINE)


def test_minutes_of_a_section(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "LESSONS", tmp_path)
    (tmp_path / "01_gan").mkdir()
    words = " ".join(["word"] * 170)
    (tmp_path / "01_gan" / "lesson.py").write_text(
        f"# ---\n# jupyter:\n# ---\n# %% [markdown]\n# {words}\n"
        '# ## A part\n# %%\nx = 1\n# %% exercise="1"\ndef f(): ...\n'
        '# %% tags=["solution"] [markdown]\n# not counted\n',
        encoding="utf-8",
    )
    opening, part = guide.sections("01_gan")
    assert opening == ("Opening", pytest.approx(1.0))
    assert part == ("A part", pytest.approx(2 / 170 + 0.5 + 6, abs=0.02))  # 01.1 is to fill in
