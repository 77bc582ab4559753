"""Check a student's notebook without opening Jupyter.

Answers are found by name, wherever their cell stands. Each runs in a process of its own that knows
neither the exercises nor their answers, fenced in (`observe`), with a time limit and without this
process's environment. Its result is treated as data only. It is read only if it is a small ordinary
file of plain values, and graded here against answers that the process never saw.
"""

import io
import os
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import torch

from ...base.errors import InputError
from .checks import MARKS
from .colab import ROOT
from .exercises import OPEN, SOLVED, WRONG, Exercise, Verdict, lesson_exercises
from .folders import find_lesson
from .notebooks import ONE_THREAD, read
from .observe import ERROR, LARGEST_FILE, STUB, VALUE
from .statements import needed_for, top_level

OBSERVER = Path(__file__).with_name("observe.py")
# The environment variables that an interpreter and its libraries need; no tokens, no passwords.
NEEDED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "SYSTEMROOT")
NEEDED += ("LANG", "LC_ALL", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def compare(file, timeout: float = 60.0) -> list[tuple[Exercise, Verdict]]:
    """The verdict on every exercise of a student's notebook.

    Args:
        file: the notebook. Its lesson stands in its metadata, or else in its file's name.
        timeout: seconds for each exercise.

    Raises:
        InputError: if the file is no notebook, or belongs to no lesson.
    """
    notebook = read(Path(file))
    try:
        about = notebook.metadata.get("finegan", {})
        lesson = str(about.get("lesson") or Path(file).stem)
        statements = top_level(notebook)
    except (AttributeError, TypeError, KeyError) as error:  # JSON, but of another shape
        raise InputError(
            "this file is no notebook",
            seen=f"{file} ({error})",
            cure="Save it again in Jupyter, or take a fresh copy from notebooks/.",
        ) from error
    results = []
    for exercise in lesson_exercises(find_lesson(lesson)[:2]).values():
        results.append((exercise, _verdict(exercise, statements, timeout)))
    return results


def _verdict(exercise: Exercise, statements, timeout: float) -> Verdict:
    try:
        source = needed_for(exercise.name, statements)
    except (RecursionError, MemoryError, ValueError, SyntaxError) as error:
        return Verdict(WRONG, f"its cell cannot be read ({type(error).__name__})")
    if source is None:
        return Verdict(WRONG, f"{exercise.name} is nowhere in the notebook")
    try:
        verdict = exercise.verdict(observe_apart(exercise, source, timeout))
    except Exception as error:  # values so strange that even comparing them fails
        return Verdict(WRONG, f"this could not be checked ({type(error).__name__})")
    # A message may hold the student's text: no escape code may rewrite the lines above it.
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in verdict.message)
    return Verdict(verdict.state, shown)


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
                "probe": exercise.probe_path,
            },
            job,
        )
        environment = {name: os.environ[name] for name in NEEDED if name in os.environ}
        paths = [str(ROOT), environment.get("PYTHONPATH", "")]
        environment |= ONE_THREAD | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "Agg",
            **dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), folder),
        }
        errors = Path(folder) / "errors"
        with open(errors, "wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, str(OBSERVER), str(job), str(result)],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # however much it prints
                stderr=stderr,
                start_new_session=True,
            )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            return _error(f"it ran longer than {timeout:g} seconds")
        finally:
            _end(process)
        return read_result(result, max(1, len(exercise.cases))) or _error(
            f"its process ended early: {_last_line(errors)}"
        )


def read_result(file: Path, cases: int) -> list[dict] | None:
    """What an observer wrote, or an error in its place; None if there is no file.

    Nothing in it is trusted, because the student's code may have written the file.

    Args:
        file: of torch.save.
        cases: how many observations there must be; one is enough if it is an error.
    """
    try:
        # Neither a link nor a pipe, which would never end.
        handle = os.open(
            file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        )
    except FileNotFoundError:
        return None
    except OSError:
        return _error("its result is no file")
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST_FILE:
        os.close(handle)
        return _error("its result is no file of a sensible size")
    with open(handle, "rb") as stream:
        data = stream.read(LARGEST_FILE)
    try:
        seen = torch.load(io.BytesIO(data), weights_only=True)
        if type(seen) is list and seen and all(map(_is_observation, seen)):
            complete = len(seen) == cases or (len(seen) == 1 and seen[0]["status"] == ERROR)
            return seen if complete else _error("its result is not of all test inputs")
    except Exception as error:  # pickled code, a cut file, a structure without end
        return _error(f"its result cannot be read ({type(error).__name__})")
    return _error("its result is not what an observer writes")


def _is_observation(seen) -> bool:
    if type(seen) is not dict:
        return False
    gradients = seen.get("gradients")
    if gradients is not None and not (type(gradients) is list and all(map(_is_plain, gradients))):
        return False
    if seen.get("status") == VALUE:
        return "value" in seen and _is_plain(seen["value"])
    return seen.get("status") == STUB or (
        seen.get("status") == ERROR and type(seen.get("error")) is str
    )


def _is_plain(value) -> bool:
    """Numbers, text, dense tensors in memory, and lists and dictionaries of them."""
    if type(value) is torch.Tensor:
        # A stretched tensor takes no room in its file, and all of the memory when it is compared.
        dense = value.layout == torch.strided and value.device.type == "cpu"
        return dense and not value.is_quantized and value.numel() * 16 <= 4 * LARGEST_FILE
    if type(value) is list:
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    return value is None or type(value) in (bool, int, float, str)


def _end(process) -> None:
    """End a process and all that it has started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _last_line(file: Path) -> str:
    with open(file, "rb") as stream:
        stream.seek(max(0, file.stat().st_size - 2000))
        lines = stream.read().decode(errors="replace").strip().splitlines()
    return (lines or ["no message"])[-1][:200]


def _error(text: str) -> list[dict]:
    return [{"status": ERROR, "error": text}]
