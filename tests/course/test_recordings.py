"""Recorded trainings: they are small, they are complete, and today's code begins the same way."""

import pytest
import torch

from finegan_lib import course
from finegan_lib.base.errors import InputError
from finegan_lib.base.files import read_json
from finegan_lib.course.__main__ import main
from finegan_lib.course.engine import recordings
from finegan_lib.course.engine.folders import lesson_names, lesson_source

RECORDED = [name for name in lesson_names() if recordings.plans(name)]
PLANS = [(lesson, plan) for lesson in RECORDED for plan in recordings.plans(lesson)]
each_plan = pytest.mark.parametrize(("lesson", "plan"), PLANS, ids=lambda p: str(p)[:20])


def some(n_rows=2, n_columns=3, size=4):
    pictures = torch.rand(n_rows, n_columns, 3, size, size) * 2 - 1
    names = ["a", "b"][:n_rows], ["1", "2", "3"][:n_columns]
    curves = {"D_c": [2.0, 1.0]}
    return recordings.Recording(pictures, *names, 10, {"model": {"g_dim": 4}}, {"D_c": 2.0}, curves)


@pytest.fixture
def lessons(tmp_path, monkeypatch):
    """A lesson's folder for recordings that is empty."""
    monkeypatch.setattr(recordings, "LESSONS", tmp_path)
    (tmp_path / RECORDED[0]).mkdir()
    return tmp_path / RECORDED[0] / "figures"


def test_a_recording_comes_back_as_it_was_kept(lessons):
    made = some()
    file = recordings.keep(RECORDED[0], "try", made)
    assert file == lessons / "try.png" and file.is_file()
    back = recordings.load(RECORDED[0], "try")
    torch.testing.assert_close(back.pictures, made.pictures, atol=1 / 127, rtol=0)
    assert (back.rows, back.columns, back.steps) == (made.rows, made.columns, made.steps)
    assert (back.settings, back.start, back.curves) == (made.settings, made.start, made.curves)
    recordings.keep(RECORDED[0], "another", some(1, 2))
    assert sorted(read_json(lessons / "recorded.json")) == ["another", "try"]
    with pytest.raises(InputError, match="there is no such recording"):
        recordings.load(RECORDED[0], "third")


def test_names_must_fit_the_pictures():
    with pytest.raises(InputError, match="a name for each row"):
        recordings.Recording(torch.zeros(2, 3, 3, 4, 4), ["a"], ["1", "2", "3"], 1, {}, {}, {})


def test_a_curve_is_thinned_to_means():
    assert recordings.thin([1.0, 3.0, 5.0, 7.0, 9.0], 2) == [2.0, 6.0]
    assert recordings.thin([1.0, 3.0], 60) == [1.0, 3.0]


def test_the_command_trains_what_a_lesson_plans(lessons, monkeypatch, capsys):
    plan = recordings.Plan(("try",), lambda steps: {"try": some()}, 10)
    monkeypatch.setattr(
        recordings, "plans", lambda lesson: (plan,) if lesson == RECORDED[0] else ()
    )
    assert main(["record", RECORDED[0]]) == 0
    assert "try.png" in capsys.readouterr().out and (lessons / "try.png").is_file()
    assert main(["record", "start_here"]) == 2
    assert main(["record", "--only", "poem"]) == 2
    said = capsys.readouterr().err
    assert said.count("no training of this name is recorded") == 2 and "Choose of try" in said


@pytest.mark.parametrize("lesson", RECORDED)
def test_what_is_kept_is_what_the_lesson_plans_and_shows(lesson, capsys):
    facts = read_json(recordings.folder(lesson) / recordings.FACTS)
    sources = (lesson_source(name) for name in lesson_names())
    shown = "\n".join(text for text in sources if f'course.recorded("{lesson[3:]}", ' in text)
    steps = {name: plan.steps for plan in recordings.plans(lesson) for name in plan.names}
    assert {name: fact["steps"] for name, fact in facts.items()} == steps
    for name, fact in facts.items():
        assert fact["command"] == f"python -m finegan_lib.course record {lesson[3:]}"
        assert f'"{name}"' in shown
        found = course.recorded(lesson, name)
        said = capsys.readouterr().out
        assert f"{found.steps:,} steps" in said and fact["command"] in said
        assert found.pictures.shape[:2] == (len(found.rows), len(found.columns))
        assert found.pictures.std((0, 1, 2)).mean() > 0.05  # the pictures differ


def test_all_recordings_are_small():
    files = [path for name in RECORDED for path in recordings.folder(name).iterdir()]
    assert sum(path.stat().st_size for path in files) < 1_500_000


@each_plan
def test_todays_code_begins_as_the_recorded_training_did(lesson, plan):
    made = plan.run(2)
    assert tuple(made) == plan.names
    for name, begun in made.items():
        kept = recordings.load(lesson, name)
        assert_agree(begun.settings, kept.settings)
        assert begun.rows == kept.rows or "step" in kept.rows[0]  # the last steps are others
        assert begun.start == pytest.approx(kept.start, rel=0.02, abs=0.02)


def assert_agree(today, kept, name=""):
    """All settings that were kept are today's, but the number of steps; today may have more."""
    if isinstance(kept, dict):
        for key, value in kept.items():
            assert_agree(today[key], value, key)
    elif name != "steps":
        assert (list(today) if isinstance(today, tuple) else today) == kept, name
