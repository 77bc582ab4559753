"""The table of mutations fits the library; ``python tests/mutations.py`` tries them all."""

import ast
import importlib.util
from pathlib import Path

import pytest

from finegan_lib.course.engine.folders import lesson_names

SPEC = importlib.util.spec_from_file_location("mutations", Path(__file__).with_name("mutations.py"))
mutations = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(mutations)
NAMES = [mutation.name for mutation in mutations.MUTATIONS]


def test_there_are_enough_and_each_has_a_name_of_its_own():
    assert len(set(NAMES)) == len(NAMES) >= 45
    assert len({mutation.file for mutation in mutations.MUTATIONS}) >= 6


@pytest.mark.parametrize("mutation", mutations.MUTATIONS, ids=NAMES)
def test_it_changes_what_the_code_does_and_is_python(mutation):
    sound = (mutations.ROOT / "finegan_lib" / mutation.file).read_text(encoding="utf-8")
    changed = mutations.mutated(mutation)  # raises unless the old text stands there once
    compile(changed, mutation.file, "exec")
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(sound))
    assert mutation.lessons
    assert set(mutation.lessons) <= {name[3:] for name in lesson_names()}


def test_a_text_that_is_gone_is_an_error(capsys, monkeypatch):
    gone = mutations.MUTATIONS[0]._replace(old="no such text")
    monkeypatch.setattr(mutations, "MUTATIONS", (gone,))
    assert mutations.main([]) == 2
    assert "has 0 times: no such text" in capsys.readouterr().err


def write_notebook(folder, code, output):
    """solutions/99_small.ipynb with one checked cell."""
    nbformat = pytest.importorskip("nbformat")
    cell = nbformat.v4.new_code_cell(code, metadata={"tags": ["nbval-check-output"]})
    cell.execution_count = 1
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=output)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    path = folder / "99_small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), path)
    return path


def test_a_broken_library_fails_a_notebook_and_a_sound_one_does_not(tmp_path):
    pytest.importorskip("nbval")
    code = """import torch
from finegan_lib.codes import CodeHierarchy
print(CodeHierarchy.equal(2, 4).codes(torch.zeros(1, 3), 3).p.tolist())"""
    notebook = write_notebook(tmp_path, code, "[[0.0, 1.0]]\n")
    broken = next(m for m in mutations.MUTATIONS if m.name == "parent-of-another-child")
    with mutations.library_copy() as copy:
        assert mutations.run_notebook(notebook, copy) == ""
    with mutations.library_copy(broken) as copy:
        assert mutations.run_notebook(notebook, copy) == "cell 0"


def test_a_notebook_that_does_not_import_the_copy_measures_nothing(tmp_path):
    pytest.importorskip("nbval")
    notebook = write_notebook(tmp_path, "print(1)", "1\n")
    with mutations.library_copy() as copy, pytest.raises(mutations.Failed, match="did not import"):
        mutations.run_notebook(notebook, copy)
