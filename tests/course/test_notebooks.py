"""Building, comparing, badges: the machinery, on the real lessons and on small ones."""

import ast
import functools
import hashlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import finegan_lib
from finegan_lib.base.errors import InputError
from finegan_lib.course.__main__ import main
from finegan_lib.course.engine import colab, notebooks, source
from finegan_lib.course.engine.compare import needed_for, top_level
from finegan_lib.course.engine.exercises import lesson_exercises, lesson_hints
from finegan_lib.course.engine.folders import LESSONS, lesson_names

ROOT = Path(__file__).resolve().parents[2]

EXERCISE = '''def twice(x):
    """2x."""
    ### HINT Add it
    ###      to itself.
    y = x
    ### BEGIN SOLUTION
    return x + y
    ### END SOLUTION'''


def test_the_notebooks_agree_with_their_sources():
    assert main(["build", "--check"]) == 0


def test_a_student_gets_a_stub_and_a_solution_its_code():
    code = source.without_hints(EXERCISE)
    stub = 'def twice(x):\n    """2x."""\n    y = x\n    return ...'
    assert source.remove_solution(code).startswith(stub)
    assert "x + y" not in source.remove_solution(code)
    assert source.keep_solution(code) == 'def twice(x):\n    """2x."""\n    y = x\n    return x + y'


@pytest.mark.parametrize("lesson", lesson_names())
def test_a_lesson_begins_with_its_title(lesson):
    title = source.make_notebook(lesson, solved=False).cells[1].source
    assert title.startswith(f"# {lesson[:2]} · ")


def test_names_of_the_library_in_a_lesson_are_there():
    """`metrics.judges` in a text, `losses.f(…)` in a docstring: a reader looks for it."""
    parts = {part.name for part in pkgutil.iter_modules(finegan_lib.__path__)} - {"codes"}
    called = re.compile(r"`(?:finegan_lib\.)?(\w+(?:\.\w+)+)[`(]")
    missing = [
        (path.parent.name, name)
        for path in sorted(LESSONS.glob("[0-9]*/*.py"))
        for name in called.findall(path.read_text(encoding="utf-8"))
        if name.split(".")[0] in parts | {"evaluation"} and not is_in_library(name)
    ]
    assert not missing


def is_in_library(name: str) -> bool:
    if name.endswith((".py", ".json", ".md")):
        return True
    try:
        return bool(pkgutil.resolve_name(f"finegan_lib.{name}"))
    except (AttributeError, ModuleNotFoundError):
        return False


@pytest.mark.parametrize("lesson", lesson_names())
@pytest.mark.parametrize("solved", [False, True])
def test_stored_outputs_name_the_exercises_as_their_sources_do(lesson, solved):
    cells = notebooks.read(notebooks.notebook_path(lesson, solved)).cells
    codes = [cell for cell in cells if cell.cell_type == "code"]
    said = "".join(output.get("text", "") for cell in codes for output in cell.outputs)
    for key, exercise in lesson_exercises(lesson[:2]).items():
        assert f"{key}  {exercise.title}\n" in said
        assert not solved or exercise.praise in said


@pytest.mark.parametrize("lesson", lesson_names())
def test_no_text_became_a_cell_of_code(lesson):
    """The mark ``[markdown]`` after a cell's tags makes a comment of the whole text."""
    cells = source.make_notebook(lesson, solved=True).cells
    codes = [cell.source for cell in cells if cell.cell_type == "code"]
    assert all(ast.parse(TransformerManager().transform_cell(code)).body for code in codes)


def test_a_value_becomes_dots():
    code = "### BEGIN SOLUTION\nanswer = {\n    'a': 1\n}\n### END SOLUTION"
    assert source.remove_solution(code).startswith("answer = ...")


@pytest.mark.parametrize(
    "code",
    [
        "### BEGIN SOLUTION\nx = 1",
        "x = 1\n### END SOLUTION",
        "### BEGIN SOLUTION\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION",
        "### BEGIN SOLUTION\nprint(1)\n### END SOLUTION",
    ],
)
def test_marks_that_do_not_fit_are_refused(code):
    with pytest.raises(InputError):
        source.remove_solution(code)


@pytest.mark.parametrize("lesson", lesson_names())
def test_no_answer_and_no_hint_is_in_the_students_notebook(lesson):
    student = source.make_notebook(lesson, solved=False)
    worked = source.make_notebook(lesson, solved=True)
    text = "\n".join(cell.source for cell in student.cells)
    assert "###  " not in text.replace("####", "") and "### HINT" not in text
    assert "SOLUTION" not in text + "\n".join(cell.source for cell in worked.cells)
    keys = [c.metadata["exercise"] for c in worked.cells if "exercise" in c.metadata]
    assert keys == list(lesson_exercises(lesson[:2])) == list(lesson_hints(lesson[:2]))
    for key, exercise in lesson_exercises(lesson[:2]).items():
        checked = f'course.check("{key}", {exercise.name})'
        assert sum(checked in cell.source for cell in student.cells) == 1


@pytest.mark.parametrize("lesson", lesson_names())
def test_no_figure_is_shown_twice_in_the_course(lesson):
    others = [name for name in lesson_names() if name != lesson]
    shown = pictures_of(lesson)
    assert len(set(shown)) == len(shown)
    assert not set(shown) & {picture for name in others for picture in pictures_of(name)}


@functools.cache
def pictures_of(lesson):
    """The pictures that the worked copy of a lesson shows, as they are stored."""
    cells = notebooks.read(notebooks.notebook_path(lesson, solved=True)).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    found = [
        output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})
    ]
    return [hashlib.sha256(picture.encode()).hexdigest() for picture in found]


def test_building_twice_gives_the_same_and_keeps_outputs():
    lesson = lesson_names()[0]
    first = source.make_notebook(lesson, solved=True)
    i = next(i for i, cell in enumerate(first.cells) if "ToyBirds(" in cell.source)
    first.cells[i].outputs = [new_output("stream", text="kept")]
    again = notebooks.keep_outputs(source.make_notebook(lesson, solved=True), first)
    assert notebooks.text(again) == notebooks.text(first)
    first.cells[i].source += "\n# other code"
    changed = notebooks.keep_outputs(source.make_notebook(lesson, solved=True), first)
    assert changed.cells[i].outputs == []


def test_cleaning_leaves_nothing_of_the_machine():
    output = new_output("stream", text=f"saved {ROOT}/runs/a.png")
    assert notebooks.clean(output).text == "saved runs/a.png"
    error = new_output("stream", name="stderr", text="warning")
    assert notebooks._merge([error, output]) == [output]


# ------------------------------------------------------------------------------- compare


def answers(**code):
    """A notebook for lesson 01 with these cells, under any names, in this order."""
    cells = [new_markdown_cell("# my notebook"), *map(new_code_cell, code.values())]
    return new_notebook(cells=cells, metadata={"finegan": {"lesson": "01_gan"}})


def test_compare_finds_answers_and_judges_each(tmp_path, monkeypatch, capsys):
    only = ("01.1", "01.2", "01.3", "01.4")
    exercises = {k: e for k, e in lesson_exercises("01").items() if k in only}
    monkeypatch.setattr(
        "finegan_lib.course.engine.compare.lesson_exercises", lambda number: exercises
    )
    path = tmp_path / "renamed.ipynb"
    notebook = answers(
        magics="%matplotlib inline\nmy_ratio = 'c'",
        broken="def half(",
        slow="import time\ntime.sleep(1000)",
        helper="import torch.nn.functional as F\ndef cost(s):\n    return F.softplus(s).mean()",
        loss="def my_discriminator_loss(real, fake):\n    return cost(-real) + cost(fake)",
        endless="import time\ndef my_generator_loss(fake):\n    time.sleep(1000)",
        stub="def my_best_d(p, q):\n    return ...",
    )
    nbformat.write(notebook, path)
    assert main(["compare", str(path), "--timeout", "20"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[:6] for line in lines[:-1]] == ["✓ 01.1", "✓ 01.2", "✗ 01.3", "· 01.4"]
    assert "longer than 20 seconds" in lines[2]
    assert lines[-1] == "2 solved, 1 wrong, 1 open"


def test_a_students_code_does_not_meet_the_answers():
    # The observer runs as a file, by itself: importing the package would load its checks.
    code = "import runpy, sys; runpy.run_path('finegan_lib/course/engine/observe.py'); "
    code += "print([m for m in sys.modules if m.startswith('finegan_lib')])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("content", ["{ broken", "", "[]", '{"a": 1}'])
def test_a_broken_file_gets_a_clear_error(tmp_path, capsys, content):
    path = tmp_path / "01_gan.ipynb"
    path.write_text(content)
    assert main(["compare", str(path)]) == 2
    assert "this file is no notebook" in capsys.readouterr().err


def test_a_missing_file_and_an_unknown_lesson_get_clear_errors(tmp_path, capsys):
    assert main(["compare", str(tmp_path / "none.ipynb")]) == 2
    nbformat.write(new_notebook(), tmp_path / "poems.ipynb")
    assert main(["compare", str(tmp_path / "poems.ipynb")]) == 2
    said = capsys.readouterr().err
    assert "no such notebook" in said and "no such lesson" in said


def test_only_what_an_answer_needs_is_run():
    cells = [
        "import os\nk = 2",
        "def f(x):\n    return k * g(x)",
        "def g(x):\n    return x",
        "boom()",
    ]
    notebook = new_notebook(cells=[new_code_cell(c) for c in [*cells, "k = 3"]])
    needed = needed_for("f", top_level(notebook))
    assert "os" not in needed and "boom" not in needed and "k = 3" in needed
    namespace = {}
    exec(needed, namespace)
    assert namespace["f"](2) == 6
    assert needed_for("missing", top_level(notebook)) is None


# ------------------------------------------------------------------------------- Colab


@pytest.fixture
def project(tmp_path, monkeypatch):
    copy = tmp_path / "pyproject.toml"
    copy.write_text((ROOT / "pyproject.toml").read_text())
    monkeypatch.setattr(colab, "PYPROJECT", copy)
    return copy


def test_one_address_makes_all_badges(project):
    colab.set_repository("https://github.com/somebody/fork.git")
    assert 'Repository = "https://github.com/somebody/fork"' in project.read_text()
    notebook = source.make_notebook("01_gan", solved=False)
    tag = colab.release_tag()
    where = f"/github/somebody/fork/blob/{colab.revision()}/notebooks/01_gan.ipynb"
    assert where in notebook.cells[0].source
    assert f'"git+https://github.com/somebody/fork@{tag}"' in notebook.cells[2].source


@pytest.mark.parametrize(
    "url", ["somebody/fork", 'https://x"y', "javascript:alert(1)", "file:///x", ""]
)
def test_what_is_no_address_is_refused(project, url):
    with pytest.raises(InputError):
        colab.set_repository(url)


def test_the_first_cell_never_installs_torch_or_its_kin():
    cell = colab.bootstrap_cell("01_gan", ("torchmetrics",))
    install = next(line for line in cell.splitlines() if "%pip" in line)
    assert install.startswith("    %pip install -q --no-deps ")
    assert install.split()[4:] == [
        f'"git+{colab.repository()}@{colab.release_tag()}"',
        "torchmetrics",
    ]


def test_the_first_cell_is_python_once_ipython_has_read_it():
    code = TransformerManager().transform_cell(colab.bootstrap_cell("01_gan"))
    condition = next(n for n in ast.parse(code).body if isinstance(n, ast.If))
    install, fallback = condition.body
    assert "run_line_magic('pip'" in ast.unparse(install)
    assert ast.unparse(fallback.test) == "not find_spec('finegan_lib')"
    assert "run_line_magic('pip'" in ast.unparse(fallback.body)
