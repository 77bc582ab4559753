"""Exercises that build and that debug: their cells, their states, and the thread of parts."""

import ast

import nbformat
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook
from torch import nn

from finegan_lib import course
from finegan_lib.base.errors import InputError
from finegan_lib.course.engine import parts, probing, source
from finegan_lib.course.engine.exercises import (
    OPEN,
    SOLVED,
    WRONG,
    Choice,
    Debug,
    Exploration,
    Fill,
    Mistake,
    lesson_exercises,
)
from finegan_lib.course.engine.folders import find_lesson, lesson_names

NETWORK = '''class Net(nn.Module):
    """Twice."""

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        self.layer = nn.Linear(2, 2)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return self.layer(x)
        ### END SOLUTION'''

BROKEN = """def step(x):
    y = x + 1
    ### BEGIN SOLUTION
    return y.abs()
    ### INSTEAD
    return y
    ### END SOLUTION"""


def test_a_class_gets_a_stub_in_each_method_and_can_still_be_made():
    code = source.remove_solution(NETWORK)
    assert code.count("...  # your code in place of this line") == 2
    namespace = {"nn": nn}
    exec(code, namespace)
    assert namespace["Net"]()(1) is ...


def test_broken_code_stands_in_the_students_notebook_alone():
    assert source.remove_solution(BROKEN) == "def step(x):\n    y = x + 1\n    return y"
    assert source.keep_solution(BROKEN) == "def step(x):\n    y = x + 1\n    return y.abs()"


DEBUG = Debug(
    "99.1",
    "mend",
    "step",
    lambda x: (x + 1).abs(),
    mistakes=(Mistake(lambda x: x.abs() + 1, "first the sum"),),
    alternative=None,
    inputs=lambda: [(torch.tensor([-3.0, 2.0]),)],
    broken=lambda x: x + 1,
)


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (lambda x: 1 + x, OPEN, "still there"),
        (lambda x: ..., OPEN, "not solved yet"),
        (lambda x: torch.maximum(x + 1, -x - 1), SOLVED, ""),
        (lambda x: x.abs() + 1, WRONG, "first the sum"),
        (lambda x: x / 0, WRONG, "not finite"),
        (lambda x: 1 / 0, WRONG, "ZeroDivisionError"),
    ],
)
def test_untouched_code_is_open_and_mended_code_is_judged(answer, state, said):
    verdict = DEBUG.verdict(DEBUG.observe(answer))
    assert verdict.state == state
    assert said in verdict.message


def test_weights_are_set_by_shape_so_that_their_order_does_not_matter():
    one = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 3))
    other = nn.ModuleList([nn.Linear(2, 3), nn.Linear(3, 2), nn.BatchNorm1d(2)])
    probing.set_weights(one), probing.set_weights(other)
    assert torch.equal(one[0].weight, other[1].weight)
    assert torch.equal(one[2].weight, other[0].weight)
    assert probing.shapes_of(one) == probing.shapes_of(other)
    assert probing.shapes_of(one)["weight (2, 3)"] == 1


def test_a_look_goes_from_the_coarse_to_the_fine():
    seen = probing.look_at(nn.Linear(3, 2), torch.ones(4, 3))
    assert seen["what it is"] == "an nn.Module"
    assert seen["the shape of what it returns"] == "(4, 2)"
    assert seen["the gradient by its inputs"][0].shape == (4, 3)
    assert seen["the gradient by its weights"]["bias (2,)"].abs().sum() > 0
    assert "no nn.Module" in probing.look_at(abs, torch.ones(1))["what it is"]


def test_a_watched_optimiser_notes_who_moved_and_whose_gradients_there_were():
    mine, other, log = nn.Linear(1, 1), nn.Linear(1, 1), []
    move = probing.Watched("mine", mine.parameters(), log, {"other": other})
    mine(torch.ones(1, 1)).sum().backward()
    move.step()
    other(torch.ones(1, 1)).sum().backward()
    move.step()
    assert [(name, elsewhere) for name, _, elsewhere in log] == [
        ("mine", {"other": False}),
        ("mine", {"other": True}),
    ]


def test_parts_are_taken_out_of_the_notebook_beside_or_are_the_librarys(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    lesson = next(n for n in lesson_names() if n.endswith("_parent"))
    library = parts.use("parent", "my_stitch")
    answer = "def helper(a, m, b):\n    return a * m + b - b * m"
    cells = [answer, "def my_stitch(f, m, b):\n    return helper(f, m, b)", "1 / 0"]
    nbformat.write(new_notebook(cells=list(map(new_code_cell, cells))), f"{lesson}.ipynb")
    mine = course.use("parent", "my_stitch")
    assert library is not mine and mine.__name__ == "my_stitch"
    nbformat.write(new_notebook(cells=[new_code_cell("my_stitch = 1 / 0")]), f"{lesson}.ipynb")
    assert course.use("parent", "my_stitch") is library
    assert course.use("parent", "my_stitch", lambda f, m, b: f) is library
    good = lambda f, m, b: torch.lerp(b, f, m)  # noqa: E731
    assert course.use("parent", "my_stitch", good) is good
    ending = f"the library's, until yours passes in {lesson}.ipynb"
    assert capsys.readouterr().out.splitlines() == [
        f"my_stitch: {ending}",
        f"my_stitch: yours, out of {lesson}.ipynb",
        f"my_stitch: {ending}",
        "my_stitch: the library's, until yours passes",
        "my_stitch: yours",
    ]
    with pytest.raises(InputError, match="my_stitch"):
        course.use("parent", "my_stich")


# ------------------------------------------------------------------------------- the lessons

THREAD = ("background", "parent", "child")  # the lessons in which FineGAN is built
lesson = pytest.mark.parametrize("name", THREAD)


def exercises_of(name, kind):
    return [e for e in lesson_exercises(name).values() if isinstance(e, kind)]


@lesson
def test_at_least_two_mistakes_are_to_be_found_and_two_things_to_be_built(name):
    assert len(exercises_of(name, Debug)) >= 2
    built = [e for e in exercises_of(name, Fill) if e.probe_path and not isinstance(e, Debug)]
    assert len(built) >= {"parent": 1}.get(name, 3)


@lesson
def test_an_answer_that_students_really_give_has_a_message_of_its_own(name):
    for exercise in exercises_of(name, Fill):
        hints = [mistake.hint for mistake in exercise.mistakes]
        assert len(hints) >= 8, exercise.key
        assert len(set(hints)) >= len(hints) - 1, exercise.key


@lesson
@pytest.mark.parametrize("answer", ["d", "", "ab", "yes", 1, None, ["a", "b"], True])
def test_what_is_no_letter_is_told_which_there_are(name, answer):
    for exercise in exercises_of(name, Choice):
        if answer == "d" and "d" in exercise.options:
            continue
        verdict = exercise.verdict(exercise.observe(answer))
        assert verdict.state == WRONG
        assert f"answer one of {', '.join(exercise.options)}" in verdict.message


def plain_values(code):
    """Every tuple, list and dictionary of plain values that is written in some code."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Tuple | ast.List | ast.Dict):
            try:
                yield ast.literal_eval(node)
            except ValueError:
                continue


@lesson
def test_nothing_in_a_code_cell_solves_an_explore_exercise(name):
    cells = source.make_notebook(find_lesson(name), solved=False).cells
    code = [c.source for c in cells[3:] if c.cell_type == "code"]
    values = {repr(value): value for cell in code for value in plain_values(cell)}
    for exercise in exercises_of(name, Exploration):
        assert exercise.verdict(exercise.observe(...)).state == OPEN
        for value in values.values():
            assert exercise.problem([{"value": value}]), (exercise.key, value)
