"""What an exercise is, and how an answer to it is graded.

Five kinds: `Choice` (predict before you see), `Fill` (write a function), `Build` (write a network
or a training step), `Debug` (find the wrong line) and `Exploration` (find values that do
something). Each lesson's exercises stand in its folder, ``exercises.py``, with answers that must be
told apart; the tests go through them all.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache

import torch

from ...base.errors import InputError
from .folders import LESSONS, find_lesson, lesson_module, lesson_source, with_numbers
from .observe import ERROR, STUB, VALUE, observe

OPEN, WRONG, SOLVED = "open", "wrong", "solved"


@dataclass(frozen=True)
class Verdict:
    """``state`` is "open", "wrong" or "solved"; ``message`` says why."""

    state: str
    message: str


@dataclass(frozen=True)
class Mistake:
    """A typical wrong answer, and the message for it."""

    answer: object
    hint: str


@dataclass(frozen=True)
class Exercise:
    """Common to all kinds.

    Args:
        key: its number in the lesson, "2"; :func:`lesson_exercises` makes "01.2" of it.
        title: a few words for the progress board.
        name: of the function or variable in the notebook.
        solution: the reference: a function, or a value.
        mistakes: typical wrong answers; an answer that does the same gets the mistake's hint.
        alternative: an answer written differently that is just as right (for the tests).
        praise: one sentence for a solved exercise, that adds something.
    """

    key: str
    title: str
    name: str
    solution: object
    mistakes: tuple[Mistake, ...]
    alternative: object
    praise: str = ""

    cases = ()
    gradients = False
    probe_path = None

    def observe(self, answer) -> list[dict]:
        """What an answer does, as :func:`verdict` takes it."""
        return observe(answer, self.cases, self.gradients, self.probe_path)

    def verdict(self, seen: list[dict]) -> Verdict:
        """Grade what :func:`observe` wrote down."""
        if all(s["status"] == STUB for s in seen):
            return Verdict(OPEN, "not solved yet")
        for s in seen:
            if s["status"] == ERROR:
                return Verdict(WRONG, self.cause(s["error"]))
            if s["status"] == STUB:
                return Verdict(WRONG, "it returns ... for some inputs")
        problem = self.problem(seen)
        return Verdict(WRONG, problem) if problem else Verdict(SOLVED, self.praise)

    def problem(self, seen: list[dict]) -> str | None:
        """What is wrong with values, or None."""
        raise NotImplementedError

    def cause(self, error: str) -> str:
        """The message for an answer that stopped with an error."""
        return error


@dataclass(frozen=True)
class Choice(Exercise):
    """A prediction: one letter. A mistake's answer is the wrong letter."""

    options: str = "abc"

    def problem(self, seen):
        letter = str(seen[0]["value"]).strip().strip("()").lower()
        if letter == self.solution:
            return None
        if len(letter) != 1 or letter not in self.options:
            return f"{letter!r:.40} is none of the options: answer one of {', '.join(self.options)}"
        return next(m.hint for m in self.mistakes if m.answer == letter)


@dataclass(frozen=True)
class Fill(Exercise):
    """A function to write. It is compared with the library's on test inputs.

    Args:
        inputs: () → list of argument tuples.
        gradients: also compare the gradients of the result's sum by the floating-point arguments.
        tolerance: largest allowed difference, relative and absolute.
    """

    inputs: Callable[[], list[tuple]] = field(default=list)
    gradients: bool = False
    tolerance: float = 1e-4

    @property
    def cases(self):
        return self.inputs()

    def problem(self, seen):
        wanted = self.observe(self.solution)
        problem = self._difference(seen, wanted)
        if not problem:
            return None
        for mistake in self.mistakes:
            made = self.observe(mistake.answer)
            if all(m["status"] == VALUE for m in made) and not self._difference(seen, made):
                return mistake.hint
        return problem

    def cause(self, error):
        for mistake in self.mistakes:
            made = self.observe(mistake.answer)
            if next((m["error"] for m in made if m["status"] == ERROR), None) == error:
                return f"{mistake.hint} ({error})"
        return error

    def _difference(self, seen, wanted) -> str | None:
        for i, (s, w) in enumerate(zip(seen, wanted, strict=True)):
            where = f"test input {i + 1} of {len(wanted)}"
            problem = compare_values(s["value"], w["value"], self.tolerance)
            if problem:
                return f"{where}: {problem}"
            if self.gradients and w["gradients"] is not None:
                if s["gradients"] is None:
                    return (
                        "the values agree, but no gradient flows back to the inputs: "
                        "look for .item(), .detach(), numpy or float()"
                    )
                for got, want in zip(s["gradients"], w["gradients"], strict=True):
                    problem = compare_values(got, want, self.tolerance)
                    if problem:
                        return f"{where}: the values agree, the gradients do not: {problem}"
        return None


@dataclass(frozen=True)
class Build(Fill):
    """A network (a class) or a training step (a function) to write, tried out by the laboratory.

    Args:
        probe: name of a function in the lesson's ``lab.py``, ``probe(answer, *case)``. It returns
            what it has seen, a dictionary of plain values from the coarse to the fine; the message
            names the first that differs from the solution's. It returns ``...`` for an answer that
            does.
        about: item of that dictionary → a sentence that is added to its message.
    """

    probe: str = ""
    about: dict[str, str] = field(default_factory=dict)

    @property
    def probe_path(self):
        if not self.probe:
            return None
        lesson = find_lesson(self.key.partition(".")[0])
        return f"{lesson_module(lesson, 'lab').__name__}:{self.probe}"

    def _difference(self, seen, wanted):
        if not self.probe:
            return super()._difference(seen, wanted)
        for s, w in zip(seen, wanted, strict=True):
            problem = first_difference(s["value"], w["value"], self.tolerance)
            if problem:
                item, text = problem
                return f"{item}: {text}. {self.about.get(item, '')}".strip()
        return None


@dataclass(frozen=True)
class Debug(Build):
    """Code with a wrong line: the student finds and mends it. Untouched, it counts as open.

    Args:
        broken: what the student is given.
    """

    broken: object = None

    def verdict(self, seen):
        verdict = super().verdict(seen)
        untouched = verdict.state == WRONG and same_observations(
            seen, self.observe(self.broken), self.tolerance
        )
        return Verdict(OPEN, "the mistake is still there") if untouched else verdict


def same_observations(seen: list[dict], other: list[dict], tolerance: float) -> bool:
    """Whether two answers did the same."""
    for a, b in zip(seen, other, strict=True):
        if a["status"] != b["status"] or a.get("error") != b.get("error"):
            return False
        for part in ("value", "gradients"):
            if compare_values(a.get(part), b.get(part), tolerance):
                return False
    return True


def first_difference(got, want: dict, tolerance: float) -> tuple[str, str] | None:
    """The first item of what a probe saw that differs, and how; None if all agree."""
    if not isinstance(got, dict):
        return "what it does", compare_values(got, want, tolerance) or "cannot be compared"
    for item, value in want.items():
        problem = compare_values(got.get(item), value, tolerance)
        if problem:
            return item, problem
    return None


@dataclass(frozen=True)
class Exploration(Exercise):
    """A value to find.

    Args:
        grade: value → what is wrong with it, or None. It may compute for a few seconds.
        starts: what the student starts from: the defaults, and what the lesson's own code cells
            use. None of it may be right, or there is nothing to explore.
    """

    grade: Callable[[object], str | None] = lambda value: None
    starts: tuple = ()

    def problem(self, seen):
        try:
            return self.grade(_numbers(seen[0]["value"]))
        except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
            return f"this cannot be used ({error})"


def _numbers(value):
    """A value with plain numbers in place of tensors that hold one, (1,) as well as ()."""
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, torch.Tensor):
        return value.item() if value.numel() == 1 and value.ndim < 2 else _numbers(value.tolist())
    return value


def compare_values(got, want, tolerance: float) -> str | None:
    """What differs between two plain values, in words; None if they agree.

    A list is as good as a tensor of its numbers, and one number in brackets, (1,), as one without.
    """
    got = _as_wanted(got, want)
    if isinstance(want, dict | list):
        return _compare_collections(got, want, tolerance)
    if isinstance(want, str) or want is None:
        return None if got == want else f"got {got!r:.60}, expected {want!r}"
    if not isinstance(got, int | float | torch.Tensor):
        kind = "a tensor" if isinstance(want, torch.Tensor) else "a number"
        return f"got {'None (is a return missing?)' if got is None else repr(got)[:60]}, not {kind}"
    got, want = torch.as_tensor(got), torch.as_tensor(want)
    if got.shape != want.shape:
        return f"got the shape {tuple(got.shape)}, expected {tuple(want.shape)}"
    got, want = got.double(), want.double()
    off = ~torch.isclose(got, want, rtol=tolerance, atol=tolerance, equal_nan=True)
    if not off.any():
        return None
    if not got.isfinite().all() and want.isfinite().all():
        return "got a value that is not finite (a logarithm of 0, or an overflow?)"
    at = tuple(int(i) for i in off.nonzero()[0])
    place = f"at {list(at)} " if at else ""
    count = f" ({int(off.sum())} of {off.numel()} values differ)" if at else ""
    return f"{place}got {float(got[at]):.4g}, expected {float(want[at]):.4g}{count}"


def _as_wanted(got, want):
    """A list or tensor in the form that is expected, if it holds as many numbers."""
    if isinstance(want, list) and isinstance(got, torch.Tensor) and got.ndim:
        return list(got)
    if not isinstance(want, int | float | torch.Tensor):
        return got
    if isinstance(got, list) and got:
        with suppress(TypeError, ValueError, RuntimeError):
            parts = [torch.as_tensor(item, dtype=torch.float64) for item in got]
            got = torch.stack(parts)
    alone = isinstance(got, torch.Tensor) and got.shape == (1,)
    return got[0] if alone and torch.as_tensor(want).ndim == 0 else got


def _compare_collections(got, want, tolerance):
    if isinstance(got, dict) and isinstance(want, dict):
        for there, other, word in ((got, want, "missing"), (want, got, "too many")):
            if lacking := [key for key in other if key not in there]:
                return f"{', '.join(lacking)}: {word}"
    if type(got) is not type(want) or len(got) != len(want):
        kind = "dictionary" if isinstance(want, dict) else "tuple or list"
        return f"expected a {kind} of {len(want)} items"
    for key in want if isinstance(want, dict) else range(len(want)):
        problem = compare_values(got[key], want[key], tolerance)
        if problem:
            return f"in item {key!r}: {problem}"
    return None


# ------------------------------------------------------------------------------------- finding


@cache
def lesson_exercises(number: str) -> dict[str, Exercise]:
    """The exercises of lesson "01" by key ("01.1", …), in order; numbers of lessons filled in."""
    try:
        lesson = find_lesson(number)
    except InputError:
        return {}
    if not (LESSONS / lesson / "exercises.py").exists():
        return {}
    exercises = lesson_module(lesson, "exercises").EXERCISES
    return {e.key: e for e in (_numbered(e, lesson) for e in exercises)}


def _numbered(exercise: Exercise, lesson: str) -> Exercise:
    texts = {name: with_numbers(getattr(exercise, name), lesson) for name in ("title", "praise")}
    mistakes = tuple(replace(m, hint=with_numbers(m.hint, lesson)) for m in exercise.mistakes)
    return replace(exercise, key=f"{lesson[:2]}.{exercise.key}", mistakes=mistakes, **texts)


def find_exercise(key) -> Exercise:
    """One exercise by its key.

    Raises:
        InputError: if there is none.
    """
    exercises = lesson_exercises(str(key).partition(".")[0])
    if key not in exercises:
        raise InputError(
            "there is no such exercise",
            seen=key,
            cure=f"Choose one of {', '.join(exercises) or 'the keys in the notebook'}.",
        )
    return exercises[key]


@cache
def lesson_hints(number: str) -> dict[str, tuple[str, ...]]:
    """The hints of a lesson's exercises, out of its ``### HINT`` lines."""
    hints, key = {}, None
    for line in lesson_source(find_lesson(number)).splitlines():
        if line.startswith("# %%"):
            found = re.search(r'exercise="(\d+)"', line)
            key = found and f"{number}.{found[1]}"
        elif key and line.strip().startswith("### HINT "):
            hints.setdefault(key, []).append(line.strip().removeprefix("### HINT "))
        elif key and line.strip().startswith("###   "):
            hints[key][-1] += " " + line.strip().removeprefix("###   ").strip()
    return {key: tuple(lines) for key, lines in hints.items()}
