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


def plans(text):
    """Every plan as its rows: start and length in minutes, and what is done."""
    for table in re.findall(r"\| start \| minutes .*\n\|[- |]+\n((?:\|.*\n)+)", text):
        rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
        yield [
            (int(start[:-3]) * 60 + int(start[-2:]), int(minutes), what)
            for start, minutes, what in rows
        ]


def needed(what):
    """The estimated minutes of the sections that a row of a plan names."""
    number = re.match(r"\d\d ", what)
    if not number:
        return 0
    parts = guide.sections(folders.find_lesson(number[0].strip()))
    names = re.findall(r"\*\*(.+?)\*\*", what)
    assert names or what.startswith(number[0] + "whole")
    assert set(names) <= {name for name, _ in parts}, what
    return sum(max(1, round(minutes)) for name, minutes in parts if not names or name in names)


def test_plans_add_up_and_give_their_sections_time_enough(text):
    hours = [3.5, 7, 7, 7]
    assert len(list(plans(text))) == len(hours)
    for plan, length in zip(plans(text), hours, strict=True):
        clock = since_break = 0
        for start, minutes, what in plan:
            assert start == clock, what
            assert needed(what) <= minutes, f"{what}: {needed(what)} minutes"
            since_break = 0 if re.match("break|lunch", what) else since_break + minutes
            assert since_break <= 120, "a break is missing"
            clock += minutes
        assert clock == 60 * length


def test_every_slide_has_its_sections(text):
    table = text.partition("| slide | lesson and section |")[2].partition("\n\n")[0]
    rows = [row.strip("|").split("|")[1].strip() for row in table.splitlines()[2:]]
    assert len(rows) >= 20
    for row in rows:
        for part in row.split("; "):
            assert needed(part) > 0, part


def test_every_exercise_and_each_of_its_mistakes_is_there(text):
    for lesson in lesson_names():
        for key, exercise in lesson_exercises(lesson[:2]).items():
            assert f"* **{key}** {exercise.title}" in text
            for mistake in exercise.mistakes:
                assert mistake.hint in text


def test_an_answer_to_several_mistakes_is_listed_once(text):
    key = next(k for k, e in lesson_exercises("06").items() if e.name == "my_step")
    listed = text.partition(f"* **{key}**")[2].partition("\n* ")[0].strip().splitlines()[1:]
    assert len(listed) == len(set(listed)) >= 8


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
