"""The checkers are themselves checked, exercise by exercise, and the engine with odd answers."""

import ast
import re
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch

from finegan_lib import course
from finegan_lib.base.errors import InputError
from finegan_lib.course.engine import checks, exercises
from finegan_lib.course.engine.exercises import (
    OPEN,
    SOLVED,
    WRONG,
    Build,
    Choice,
    Exploration,
    Fill,
    Mistake,
    compare_values,
    lesson_exercises,
    lesson_hints,
)
from finegan_lib.course.engine.folders import lesson_names
from finegan_lib.course.engine.observe import observe
from finegan_lib.course.engine.source import make_notebook

ALL = [e for name in lesson_names() for e in lesson_exercises(name[:2]).values()]
each = pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.key)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(checks, "_states", {})
    monkeypatch.setattr(checks, "_hints_given", {})


@each
def test_the_reference_passes(exercise):
    assert checks.grade(exercise.key, exercise.solution).state == SOLVED


@each
def test_another_right_answer_passes(exercise):
    assert exercise.alternative is not exercise.solution
    verdict = checks.grade(exercise.key, exercise.alternative)
    assert verdict.state == SOLVED, verdict.message


@each
def test_a_stub_is_open(exercise):
    stub = (lambda *arguments, **more: ...) if isinstance(exercise, Fill) else ...
    assert checks.grade(exercise.key, stub).state == OPEN


@each
def test_every_mistake_gets_its_hint(exercise):
    assert len(exercise.mistakes) >= 2
    for mistake in exercise.mistakes:
        verdict = checks.grade(exercise.key, mistake.answer)
        assert verdict.state == WRONG
        assert mistake.hint in verdict.message


@each
def test_there_are_eight_wrong_answers_a_predictions_options_apart(exercise):
    if not isinstance(exercise, Choice):
        assert len(exercise.mistakes) >= 8


@each
def test_an_exercise_has_hints_and_says_why_it_is_right(exercise):
    assert len(lesson_hints(exercise.key[:2])[exercise.key]) >= 2
    assert exercise.praise.endswith(".")


@pytest.mark.parametrize("name", lesson_names())
def test_a_lesson_has_exercises_of_every_kind(name):
    exercises = lesson_exercises(name[:2])
    assert len(exercises) >= 3
    assert {type(e) for e in exercises.values()} >= {Choice, Fill, Exploration}
    assert list(exercises) == [f"{name[:2]}.{i + 1}" for i in range(len(exercises))]


@pytest.mark.parametrize("name", lesson_names())
def test_what_an_exploration_starts_from_is_not_its_answer(name):
    for exercise in lesson_exercises(name[:2]).values():
        if isinstance(exercise, Exploration):
            assert exercise.starts, exercise.key
            for start in (*exercise.starts, *literals_like(exercise.solution, name)):
                verdict = checks.grade(exercise.key, start)
                assert verdict.state == WRONG, f"{exercise.key} accepts {start}"


def literals_like(answer, name):
    """Dictionaries with the keys of an answer, written out in the lesson's other code cells.

    They are written as literals, or as the keywords of a call.
    """
    if not isinstance(answer, dict):
        return []
    cells = [c for c in make_notebook(name, solved=False).cells if c.cell_type == "code"]
    trees = [ast.parse(c.source) for c in cells if "bootstrap" not in c.metadata.get("tags", [])]
    found = []
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Dict | ast.Call):
            with suppress(ValueError):
                words = {k.arg: k.value for k in getattr(node, "keywords", [])}
                literal = (
                    ast.literal_eval(node)
                    if isinstance(node, ast.Dict)
                    else {k: ast.literal_eval(v) for k, v in words.items() if k in answer}
                )
                if literal and set(literal) <= set(answer):
                    found.append(literal)
    return found


@pytest.mark.parametrize("name", lesson_names())
def test_there_are_two_bugs_to_find_in_a_lesson_on_finegan(name):
    if name[3:] in {"start_here", "gan", "vector_to_picture", "infogan"}:
        return
    kinds = [type(e).__name__ for e in lesson_exercises(name[:2]).values()]
    assert kinds.count("Debug") >= 2


def students_own_code():
    """Networks and training functions that the worked copies define in exercises to build."""
    found = []
    for name in lesson_names():
        exercises = lesson_exercises(name[:2])
        for cell in make_notebook(name, solved=True).cells:
            if type(exercises.get(cell.metadata.get("exercise"))) is Build:
                found += [f"{name[:2]} {node.name}" for node in networks_and_trainings(cell.source)]
    return found


def networks_and_trainings(code):
    """Classes derived from nn.Module, and functions that take a step of an optimiser."""
    for node in ast.parse(code).body:
        bases = [ast.unparse(base) for base in getattr(node, "bases", [])]
        network = any(base.endswith("nn.Module") for base in bases)
        moves = re.search(r"\.step\(\)|\bdescend\(", ast.unparse(node))
        if network or (isinstance(node, ast.FunctionDef) and moves):
            yield node


def test_students_write_a_dozen_networks_and_training_functions():
    assert len(set(students_own_code())) >= 12


def test_what_is_only_called_or_computed_is_no_training_function():
    code = "class A(nn.Module):\n    pass\nclass B:\n    pass\ndef f(x):\n    return x\n"
    code += "def g(o, loss):\n    descend(o, loss)\nx = f(1)\n"
    assert [node.name for node in networks_and_trainings(code)] == ["A", "g"]


# ------------------------------------------------------------------------------- odd answers


def square(x):
    return (x**2).mean()


SQUARE = Fill(
    "99.1",
    "the mean square",
    "square",
    square,
    mistakes=(Mistake(lambda x: (x**2).sum(), "a mean, not a sum"),),
    alternative=None,
    inputs=lambda: [(torch.tensor([1.0, -2.0, 3.0]),), (torch.tensor([0.5, 2.0]),)],
    gradients=True,
)


def verdict_on(answer, exercise=SQUARE):
    return exercise.verdict(observe(answer, exercise.cases, exercise.gradients))


def in_place(x):
    with torch.no_grad():
        x.zero_()
    return x.sum()


def quits(x):
    raise SystemExit(1)


class Strange:
    dtype = "?"

    def __repr__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: (x**2).sum(), "a mean, not a sum"),
        (lambda x: x**2, "got the shape (3,), expected ()"),
        (lambda x: (x**2).mean() + 1, "test input 1 of 2: got 5.667, expected 4.667"),
        (lambda x: (x.detach() ** 2).mean(), "no gradient flows back"),
        (lambda x: (x**2).mean().item(), "no gradient flows back"),
        (lambda x: (x * x.detach()).mean(), "the gradients do not: at [0] got 0.3333, expect"),
        (lambda x: (x**2).mean() / 0, "not finite"),
        (lambda x: None, "is a return missing"),
        (lambda x: "4.7", "not a tensor"),
        (lambda x: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: 0, "TypeError"),
        (lambda x, y: 0, "TypeError"),
        (lambda x: Strange(), "cannot be read"),
        (lambda x: ... if len(x) == 2 else (x**2).mean(), "returns ... for some inputs"),
        (in_place, "got"),
        (quits, "SystemExit"),
        (5, "int is not a function"),
        (None, "NoneType is not a function"),
    ],
)
def test_an_odd_answer_is_wrong_and_told_why(answer, said):
    verdict = verdict_on(answer)
    assert verdict.state == WRONG
    assert said in verdict.message


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: (x**2).mean().reshape(1),
        lambda x: (x**2).mean(0, keepdim=True),
        lambda x: [(x**2).mean()],
        lambda x: x.square_().mean(),
        lambda x: (x.mul_(2) / 2).square().mean(),
    ],
)
def test_one_number_in_brackets_and_work_in_place_are_right(answer):
    assert verdict_on(answer).state == SOLVED, verdict_on(answer).message


def only_three(x):
    return (x.reshape(3) ** 2).mean()


def test_a_mistake_that_stops_at_a_later_input_gets_its_hint():
    exercise = replace(SQUARE, mistakes=(Mistake(only_three, "3 is only one size"),))
    assert verdict_on(only_three, exercise).message.startswith("3 is only one size (it stopped")


def test_an_answer_cannot_change_the_inputs_of_the_next():
    assert verdict_on(in_place).state == WRONG
    assert verdict_on(square).state == SOLVED


def test_checking_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    verdict_on(lambda x: torch.rand(1))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (np.float32(0.5), torch.tensor(0.5)),
        (np.array([1.0, 2.0]), torch.tensor([1.0, 2.0])),
        (1, 1.0),
        ({"a": [1, 2.0]}, {"a": [1.0, 2]}),
        ([1.0, 2], torch.tensor([1.0, 2.0])),
        ((torch.tensor(1.0), np.float64(2)), torch.tensor([1.0, 2.0])),
        ([[1, 2], [3, 4]], torch.tensor([[1.0, 2.0], [3.0, 4.0]])),
        (np.array([1.0, 2.0]), [1.0, 2.0]),
        (torch.tensor([4]), 4),
    ],
)
def test_equal_values_of_other_types_agree(got, want):
    (seen,), (wanted,) = observe(got, ()), observe(want, ())
    assert compare_values(seen["value"], wanted["value"], 1e-6) is None


@pytest.mark.parametrize(
    ("got", "want"),
    [
        ([1.0], torch.tensor([1.0, 2.0])),
        ([1.0, [2.0]], torch.tensor([1.0, 2.0])),
        ("12", torch.tensor([1.0, 2.0])),
        (torch.tensor([[1.0]]), 1.0),
        (torch.tensor([1.0, 2.0, 3.0]), [1.0, 2.0]),
    ],
)
def test_other_forms_are_not_bent_until_they_fit(got, want):
    (seen,), (wanted,) = observe(got, ()), observe(want, ())
    assert compare_values(seen["value"], wanted["value"], 1e-6)


def test_an_exploration_takes_arrays_and_numbers_in_brackets():
    exercise = Exploration("99.2", "find", "n", 3, (), None, grade=lambda n: None if n == 3 else "")
    for answer in (3, torch.tensor([3]), np.int64(3), np.array([3.0])):
        assert exercise.problem(exercise.observe(answer)) is None


def test_a_difference_is_named_by_its_place():
    got = torch.tensor([[1.0, 2.0], [3.0, 9.0]])
    want = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert compare_values(got, want, 1e-4) == ("at [1, 1] got 9, expected 4 (1 of 4 values differ)")


# ------------------------------------------------------------------------------- what is printed


def test_check_hint_and_progress_print_one_thing_each(capsys):
    course.check("01.2", ...)
    course.check("01.2", "a")
    course.check("01.5", "b")
    lines = capsys.readouterr().out.splitlines()
    assert [line[:6] for line in lines] == ["· 01.2", "✗ 01.2", "✓ 01.5"]
    assert 'course.hint("01.2")' in lines[0]

    hints = lesson_hints("01")["01.2"]
    n = len(hints)
    for _ in range(n + 1):
        course.hint("01.2")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"hint 1 of {n}: {hints[0][:20]}")
    assert lines[-1] == "No more hints. The worked version is solutions/01_gan.ipynb."

    course.progress()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"01_gan: 1 of {len(lesson_exercises('01'))} solved"
    assert [line[2] for line in lines[1:]] == list("·✗··✓·") + ["·"] * (len(lines) - 7)


def test_a_wrong_key_says_which_there_are():
    with pytest.raises(InputError, match=r"01\.1, 01\.2"):
        course.check("01.77", None)


def test_an_error_inside_of_a_lessons_exercises_is_not_hidden(monkeypatch):
    def broken(name, part):
        raise InputError("no such size", seen="7", cure="Give 8.")

    monkeypatch.setattr(exercises, "lesson_module", broken)
    with pytest.raises(InputError, match="no such size"):
        exercises.lesson_exercises.__wrapped__("01")
    assert exercises.lesson_exercises.__wrapped__("99") == {}
