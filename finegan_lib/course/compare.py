"""Check a student's notebook without opening Jupyter.

Answers are found by name, wherever their cell stands. Each runs in a process of its own that knows
neither the exercises nor their answers (`observe`), with a time limit.
"""

import ast
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from ..errors import InputError
from .checks import MARKS
from .colab import ROOT
from .exercises import OPEN, SOLVED, WRONG, Exercise, Verdict, lesson_exercises
from .notebooks import ONE_THREAD, read
from .source import find_lesson

OBSERVER = Path(__file__).with_name("observe.py")


def compare(file, timeout: float = 60.0) -> list[tuple[Exercise, Verdict]]:
    """The verdict on every exercise of a student's notebook.

    Args:
        file: the notebook. Its lesson stands in its metadata, or else in its file's name.
        timeout: seconds for each exercise.

    Raises:
        InputError: if the file is no notebook, or of no lesson.
    """
    notebook = read(Path(file))
    lesson = notebook.metadata.get("finegan", {}).get("lesson") or Path(file).stem
    statements = top_level(notebook)
    results = []
    for exercise in lesson_exercises(find_lesson(lesson)[:2]).values():
        source = needed_for(exercise.name, statements)
        if source is None:
            verdict = Verdict(WRONG, f"{exercise.name} is nowhere in the notebook")
        else:
            verdict = exercise.verdict(observe_apart(exercise, source, timeout))
        results.append((exercise, verdict))
    return results


def table(results) -> str:
    """The verdicts as text, one line each, and the score."""
    lines = [
        f"{MARKS[verdict.state]} {exercise.key}  {exercise.title:40.40}  {verdict.message}".rstrip()
        for exercise, verdict in results
    ]
    solved = sum(verdict.state == SOLVED for _, verdict in results)
    unsolved = sum(verdict.state == OPEN for _, verdict in results)
    wrong = len(results) - solved - unsolved
    return "\n".join([*lines, f"{solved} solved, {wrong} wrong, {unsolved} open"])


def top_level(notebook) -> list[ast.stmt]:
    """The statements of all code cells that can be parsed; lines with magics are left out."""
    statements = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        lines = (
            "pass" if line.lstrip().startswith(("%", "!", "?")) else line
            for line in cell.source.splitlines()
        )
        try:
            statements += ast.parse("\n".join(lines)).body
        except (SyntaxError, ValueError):
            # A cell that is not Python hides nothing but itself.
            continue
    return statements


def needed_for(name: str, statements: list[ast.stmt]) -> str | None:
    """The imports, definitions and assignments that ``name`` needs, in order; None without it."""
    makers = {}
    for i, statement in enumerate(statements):
        for made in names_made(statement):
            makers.setdefault(made, []).append(i)
    if name not in makers:
        return None
    wanted, open_names = set(), [name]
    while open_names:
        made = open_names.pop()
        # Only the last definition counts, as it would in the notebook.
        for i in makers.get(made, [])[-1:]:
            if i not in wanted:
                wanted.add(i)
                open_names += names_used(statements[i])
    wanted |= {i for i, s in enumerate(statements) if isinstance(s, ast.ImportFrom) and _star(s)}
    return "\n".join(ast.unparse(statements[i]) for i in sorted(wanted))


def names_made(statement: ast.stmt) -> set[str]:
    """The names that a top-level statement defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return set()


def names_used(statement: ast.stmt) -> set[str]:
    """Every name that occurs in a statement."""
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _star(statement: ast.ImportFrom) -> bool:
    return any(alias.name == "*" for alias in statement.names)


def observe_apart(exercise: Exercise, source: str, timeout: float) -> list[dict]:
    """:func:`observe` in another process, which is ended after ``timeout`` seconds."""
    with tempfile.TemporaryDirectory() as folder:
        job, result = Path(folder) / "job", Path(folder) / "result"
        torch.save(
            {
                "source": source,
                "name": exercise.name,
                "cases": list(exercise.cases),
                "gradients": exercise.gradients,
            },
            job,
        )
        environment = os.environ | ONE_THREAD | {"MPLBACKEND": "Agg"}
        paths = [str(ROOT), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        try:
            ran = subprocess.run(
                [sys.executable, str(OBSERVER), str(job), str(result)],
                cwd=folder,
                env=environment,
                timeout=timeout,
                capture_output=True,
                text=True,
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            return [{"status": "error", "error": f"it ran longer than {timeout:g} seconds"}]
        if not result.exists():
            last = (ran.stderr.strip().splitlines() or ["no message"])[-1][:200]
            return [{"status": "error", "error": f"its process ended early: {last}"}]
        try:
            return torch.load(result, weights_only=True)
        except Exception as error:
            raise InputError(
                "the result cannot be read", seen=type(error).__name__, cure="Try again."
            ) from error
