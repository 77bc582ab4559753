"""From a lesson's source to its two notebooks.

A lesson's ``lesson.py`` is a jupytext ``py:percent`` file (:mod:`.contents` says what its header
holds). In it:

* a code cell with ``exercise="2"`` holds the second exercise. Between ``### BEGIN SOLUTION`` and
  ``### END SOLUTION`` stands the solution: a function's body, or one assignment. The student's
  notebook has ``return ...`` (``...`` in ``__init__``) or ``name = ...`` in its place. Lines after
  ``### INSTEAD`` stand in the student's notebook as they are: code with a mistake to be found.
* ``### HINT`` lines are shown by ``course.hint``, gentlest first; a line that starts with ``###``
  and three spaces goes on with the last. They are in neither notebook.
* a cell tagged ``solution`` is in the worked notebook alone.
* ``{{runtime}}`` in the first cell becomes the measured running time, ``{{number}}`` the lesson's
  number, ``{{infogan}}`` that of another lesson, ``{{lessons}}`` the table of all and
  ``{{repository}}`` the address to clone.

The badge and the Colab cell are added here, so no lesson repeats them.
"""

import ast
import re

import jupytext
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from ...base.errors import InputError
from .colab import badge_cell, bootstrap_cell, repository
from .contents import facts_in, questions_table
from .folders import lesson_source, timings

TAGS = {"bootstrap", "nbval-check-output", "nbval-skip", "solution"}
BEGIN, INSTEAD, END = "### BEGIN SOLUTION", "### INSTEAD", "### END SOLUTION"


def make_notebook(lesson: str, solved: bool) -> nbformat.NotebookNode:
    """The student's or the worked notebook of a lesson, without outputs.

    Cell ids are made of the lesson's number and the cell's position, so building again changes
    nothing.

    Raises:
        InputError: for marks that do not fit together.
    """
    source = jupytext.reads(lesson_source(lesson), fmt="py:percent")
    facts = facts_in(source.metadata, lesson)
    cells = [c for c in source.cells if not c.source.startswith("# ruff:")]
    title, *rest = [_derive(cell, lesson, solved) for cell in cells]
    title.source = title.source.replace("{{runtime}}", runtime(lesson, facts))
    for cell in filter(None, rest):
        if "{{lessons}}" in cell.source:
            cell.source = cell.source.replace("{{lessons}}", questions_table())
        cell.source = cell.source.replace("{{repository}}", repository())
    folder = "solutions" if solved else "notebooks"
    first = [
        new_markdown_cell(badge_cell(folder, lesson)),
        title,
        new_code_cell(
            bootstrap_cell(lesson, facts.get("extras", ())), metadata={"tags": ["bootstrap"]}
        ),
    ]
    notebook = new_notebook(cells=first + [cell for cell in rest if cell is not None])
    for i, cell in enumerate(notebook.cells):
        cell.id = f"{lesson[:2]}-{i:02d}"
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "finegan": {"lesson": lesson, "solved": solved},
        }
    )
    return notebook


def runtime(lesson: str, facts: dict) -> str:
    """A sentence on how long the notebook runs: measured on a CPU, estimated for a Colab T4."""
    seconds = timings().get(lesson)
    measured = f"{seconds} seconds on a CPU with 2 cores, one of them busy (measured)"
    here = measured if seconds else "not measured yet"
    return f"**Running time**: {here}; about {facts['t4_seconds']} seconds on a Colab T4 (estimate)"


def _derive(cell, lesson: str, solved: bool):
    """A cell of one of the two notebooks, or None if it has no place there."""
    tags = list(cell.metadata.get("tags", []))
    unknown = set(tags) - TAGS
    if unknown:
        raise InputError("unknown tag", seen=f"{unknown} in {lesson}", cure=f"Known: {TAGS}.")
    if "solution" in tags and not solved:
        return None
    metadata = {"tags": tags} if tags else {}
    if cell.cell_type == "markdown":
        return new_markdown_cell(cell.source, metadata=metadata)
    key = cell.metadata.get("exercise")
    if key:
        metadata["exercise"] = f"{lesson[:2]}.{key}"
    code = without_hints(cell.source)
    code = keep_solution(code) if solved else remove_solution(code, lesson)
    return new_code_cell(code, metadata=metadata)


def without_hints(code: str) -> str:
    """Code without its ``### HINT`` lines and the lines that continue them."""
    return "\n".join(line for line in code.splitlines() if not re.match(r"\s*### (HINT |  )", line))


def keep_solution(code: str) -> str:
    """Code without the marks round its solution, and without what stands in its place."""
    kept, inside = [], False
    for line in code.splitlines():
        mark = line.strip()
        if mark in (BEGIN, INSTEAD, END):
            inside = mark == INSTEAD
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def remove_solution(code: str, lesson: str = "") -> str:
    """Code with ``return ...`` or ``name = ...`` where the solution stood.

    Raises:
        InputError: for marks without a partner, or a solution that cannot be replaced.
    """
    kept, region = [], None
    for line in code.splitlines():
        mark = line.strip()
        if mark in (BEGIN, END) and (mark == BEGIN) != (region is None):
            raise InputError("solution marks do not pair up", seen=lesson, cure="Mend the source.")
        if mark == BEGIN:
            region = []
        elif mark == END:
            indent = line[: len(line) - len(line.lstrip())]
            kept += _stub(region, kept, indent, lesson)
            region = None
        elif region is None:
            kept.append(line)
        else:
            region.append(line)
    if region is not None:
        raise InputError("a solution has no end", seen=lesson, cure=f"Add {END}.")
    return "\n".join(kept)


def _stub(region: list[str], before: list[str], indent: str, lesson: str) -> list[str]:
    marks = [line.strip() for line in region]
    if INSTEAD in marks:
        return region[marks.index(INSTEAD) + 1 :]
    if indent:
        heads = [line for line in before if re.match(r"\s*def ", line)]
        word = "..." if heads and "def __init__" in heads[-1] else "return ..."
        return [f"{indent}{word}  # your code in place of this line"]
    body = ast.parse("\n".join(region)).body
    if len(body) != 1 or not isinstance(body[0], ast.Assign):
        raise InputError(
            "a solution outside of a function must be one assignment",
            seen=lesson,
            cure="Make it `name = value`.",
        )
    return [f"{ast.unparse(body[0].targets[0])} = ...  # your answer in place of the dots"]
