"""How lessons connect: a lesson uses the student's own part if that passes its check."""

from pathlib import Path

from ...base.errors import InputError
from .checks import grade
from .exercises import SOLVED, Exercise, lesson_exercises
from .folders import find_lesson
from .observe import define
from .statements import needed_for, top_level


def use(lesson: str, name: str, answer=None):
    """The student's own part if it passes its check, else the library's; prints which.

    Args:
        lesson: in which the part is written: "background", "03" or "03_background".
        name: of the class or function, as in that lesson's notebook.
        answer: the student's, in the lesson itself. Left out, it is looked for in the notebook of
            that lesson in the working directory.

    Raises:
        InputError: if that lesson has no such exercise.
    """
    lesson = find_lesson(lesson)
    exercise = _by_name(lesson, name)
    here = answer is not None
    if not here:
        answer = from_notebook(Path(f"{lesson}.ipynb"), name)
    if grade(exercise.key, answer).state == SOLVED:
        print(f"{name}: yours" + ("" if here else f", out of {lesson}.ipynb"))
        return answer
    print(f"{name}: the library's, until yours passes" + ("" if here else f" in {lesson}.ipynb"))
    return exercise.solution


def from_notebook(path: Path, name: str):
    """What a notebook defines under a name, with all that it needs; ``...`` if it does not."""
    try:
        import nbformat  # installed with notebooks; the library does not need it

        source = needed_for(name, top_level(nbformat.read(path, as_version=4)))
        return ... if source is None else define(source, name)
    except (Exception, SystemExit):  # a half-written notebook may hold anything
        return ...


def _by_name(lesson: str, name: str) -> Exercise:
    exercises = {exercise.name: exercise for exercise in lesson_exercises(lesson[:2]).values()}
    if name not in exercises:
        raise InputError(
            "no exercise of this lesson has such a part",
            seen=f"{name!r} in {lesson}",
            cure=f"It has {', '.join(exercises)}.",
        )
    return exercises[name]
