"""The functions for a notebook: check an answer, show a hint, show the progress board.

A student's answer never raises an error here, so a notebook always runs to its end.
"""

from .exercises import (
    OPEN,
    SOLVED,
    WRONG,
    Verdict,
    find_exercise,
    lesson_exercises,
    lesson_hints,
)
from .folders import find_lesson

MARKS = {SOLVED: "✓", WRONG: "✗", OPEN: "·"}
_states: dict[str, str] = {}  # key → the last verdict's state in this session
_hints_given: dict[str, int] = {}


def grade(key: str, answer) -> Verdict:
    """The verdict on an answer: a function, or a value."""
    exercise = find_exercise(key)
    try:
        return exercise.verdict(exercise.observe(answer))
    except Exception as error:  # an object so strange that even looking at it fails
        return Verdict(WRONG, f"this could not be checked ({type(error).__name__})")


def check(key: str, answer) -> None:
    """Check an answer to exercise ``key`` and print one line: · not solved yet, ✗ what, or ✓."""
    verdict = grade(key, answer)
    _states[key] = verdict.state
    print(line(key, verdict))


def line(key: str, verdict: Verdict) -> str:
    """One line on one exercise."""
    text = {
        OPEN: f'{verdict.message}. The notebook goes on without it; course.hint("{key}") helps.',
        WRONG: verdict.message,
        SOLVED: f"right. {verdict.message}",
    }[verdict.state]
    return f"{MARKS[verdict.state]} {key}  {text}".rstrip()


def hint(key: str) -> None:
    """Print the next hint for an exercise: a small one first, nearly the answer last."""
    find_exercise(key)
    number = key.partition(".")[0]
    hints = lesson_hints(number).get(key, ())
    given = _hints_given.get(key, 0)
    if given < len(hints):
        _hints_given[key] = given + 1
        print(f"hint {given + 1} of {len(hints)}: {hints[given]}")
    else:
        print(f"No more hints. The worked version is solutions/{find_lesson(number)}.ipynb.")


def progress() -> None:
    """Print the progress board of every notebook that has been checked in this session."""
    for number in sorted({key.partition(".")[0] for key in _states}):
        exercises = lesson_exercises(number)
        states = [_states.get(key, OPEN) for key in exercises]
        print(f"{find_lesson(number)}: {states.count(SOLVED)} of {len(states)} solved")
        for (key, exercise), state in zip(exercises.items(), states, strict=True):
            print(f"  {MARKS[state]} {key}  {exercise.title}")
