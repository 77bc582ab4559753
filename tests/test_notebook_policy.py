"""What every notebook must keep to, and nbval does not see."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

from finegan_lib.course.engine.folders import lesson_names, timings
from finegan_lib.course.engine.notebooks import fingerprint
from finegan_lib.course.engine.source import TAGS

ROOT = Path(__file__).resolve().parents[1]
PATHS = sorted(p for folder in ("notebooks", "solutions") for p in (ROOT / folder).glob("*.ipynb"))
ABSOLUTE = re.compile(r"(?<![\w.:/])/(home|root|tmp|work|usr|Users|opt|content)/|[A-Z]:\\\\")


@pytest.fixture(params=PATHS, ids=lambda p: f"{p.parent.name}/{p.stem}")
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def text_of(output):
    return output.get("text") or output.get("data", {}).get("text/plain", "")


def test_every_lesson_has_both_notebooks():
    assert [f"{p.parent.name}/{p.stem}" for p in PATHS] == [
        f"{folder}/{name}" for folder in ("notebooks", "solutions") for name in lesson_names()
    ]


def test_it_is_valid_and_its_tags_are_known(notebook):
    nbformat.validate(notebook)
    assert {tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])} <= TAGS


def test_its_outputs_were_made_by_its_code(notebook):
    assert notebook.metadata.finegan.get("rendered") == fingerprint(notebook), (
        "stale outputs: python -m finegan_lib.course render"
    )


def test_it_was_run_once_from_top_to_bottom(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))


def test_checked_cells_have_outputs_to_check(notebook):
    checked = [
        c for c in code_cells(notebook) if "nbval-check-output" in c.metadata.get("tags", [])
    ]
    assert len(checked) >= 3
    assert all(cell.outputs for cell in checked)


def test_checks_are_checked(notebook):
    for cell in code_cells(notebook):
        if re.search(r"^course\.(check|progress)\(", cell.source, re.MULTILINE):
            assert "nbval-check-output" in cell.metadata.get("tags", [])


def test_nothing_went_wrong_or_was_printed_as_a_warning(notebook):
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        assert "Warning" not in text_of(output)


def test_it_holds_no_widgets_and_no_paths(path, notebook):
    assert "widgets" not in notebook.metadata
    content = path.read_text(encoding="utf-8")
    assert "application/vnd.jupyter.widget" not in content
    texts = [cell.source for cell in notebook.cells] + [text_of(o) for o in outputs(notebook)]
    assert not [t for t in texts if ABSOLUTE.search(t)]


def test_it_is_small(path, notebook):
    assert path.stat().st_size <= 500_000
    assert sum("image/png" in output.get("data", {}) for output in outputs(notebook)) <= 8
    assert all(len(cell.source.splitlines()) <= 25 for cell in code_cells(notebook))
    for cell in code_cells(notebook):
        printed = "".join(text_of(o) for o in cell.outputs if o.output_type == "stream")
        assert len(printed.splitlines()) <= 20


def test_it_states_a_measured_running_time_within_the_limit(path, notebook):
    seconds = timings()[path.stem]
    assert seconds <= 90
    first = notebook.cells[1].source
    assert f"{seconds} seconds on a CPU with 2 cores, one of them busy (measured)" in first
    assert re.search(r"\d+ seconds on a Colab T4 \(estimate\)", first)


def test_magics_stand_only_in_the_first_code_cell(notebook):
    first, *rest = code_cells(notebook)
    assert first.metadata["tags"] == ["bootstrap"]
    for cell in rest:
        ast.parse(cell.source)  # a magic, even a misspelt one, is no Python


def test_a_student_notebook_is_unsolved_and_a_worked_one_solved(path, notebook):
    lines = "".join(text_of(o) for o in outputs(notebook)).splitlines()
    marks = {line[0] for line in lines if re.match(r"[✓✗·] \d\d\.\d", line)}
    assert marks == ({"✓"} if path.parent.name == "solutions" else {"·"})


def test_the_policy_tells_paths_from_addresses_and_formulas():
    assert ABSOLUTE.search("saved in /root/runs") and ABSOLUTE.search("(/tmp/x)")
    assert not ABSOLUTE.search("https://github.com/root/x") and not ABSOLUTE.search("p/(p+q)")
