"""The lessons' folders: each lesson is one, ``lessons/NN_name``.

In it: ``lesson.py`` (the text and code of its notebook), ``exercises.py`` (what is right, what is
wrong and what to say), ``guide.md`` (a question for a discussion, for the leader's guide) and,
where it needs one, ``lab.py`` (its laboratory: small worlds, meters and drawings). A lesson's
number and name are those of its folder, and are written nowhere else: a text says ``{{number}}``
for its own lesson's and ``{{infogan}}`` for another's.
"""

import importlib
import json
import re
from pathlib import Path
from types import ModuleType

from ...base.errors import InputError

LESSONS = Path(__file__).resolve().parents[1] / "lessons"
TIMINGS = LESSONS / "timings.json"
PACKAGE = "finegan_lib.course.lessons"
OTHER_FIELDS = (  # filled in by others
    "runtime",
    "minutes",
    "mistakes",
    "lessons",
    "questions",
    "repository",
)


def lesson_names() -> list[str]:
    """The lessons in order: "00_start_here", …"""
    return sorted(path.parent.name for path in LESSONS.glob("[0-9][0-9]_*/lesson.py"))


def lesson_source(lesson: str) -> str:
    """The text of ``lesson.py`` of a lesson given by its full name, with its numbers filled in."""
    return with_numbers((LESSONS / lesson / "lesson.py").read_text(encoding="utf-8"), lesson)


def with_numbers(text: str, lesson: str | None = None) -> str:
    """A text with ``{{infogan}}`` replaced by that lesson's number.

    Args:
        lesson: the full name of the lesson that the text is in; its number replaces ``{{number}}``.

    Raises:
        InputError: for a name in such braces that is no lesson's.
    """
    numbers = {name[3:]: name[:2] for name in lesson_names()}
    if lesson:
        numbers["number"] = lesson[:2]

    def number(match):
        if match[1] in OTHER_FIELDS:
            return match[0]
        if match[1] not in numbers:
            raise InputError(
                "no lesson has this name",
                seen=f"{match[0]} in {lesson or 'a text of the course'}",
                cure=f"Choose one of {', '.join(numbers)}.",
            )
        return numbers[match[1]]

    return re.sub(r"\{\{([a-z_]+)\}\}", number, text)


def find_lesson(name: str) -> str:
    """The full name of a lesson given as "01", "gan", "01_gan" or "01_gan.ipynb".

    Raises:
        InputError: if there is none.
    """
    stem = str(name).removesuffix(".ipynb").removesuffix(".py")
    found = [lesson for lesson in lesson_names() if stem in (lesson, lesson[:2], lesson[3:])]
    if not found:
        raise InputError(
            "there is no such lesson", seen=name, cure=f"Choose one of {', '.join(lesson_names())}."
        )
    return found[0]


def lesson_module(name: str, part: str) -> ModuleType:
    """A module out of a lesson's folder.

    A folder's name begins with a digit, so an ``import`` statement cannot name it.

    Args:
        name: of the lesson, as in :func:`find_lesson`.
        part: "exercises", "lab", …

    Raises:
        InputError: if there is no such lesson, or it has no such file.
    """
    lesson = find_lesson(name)
    files = sorted(path.name for path in (LESSONS / lesson).glob("*.py"))
    if f"{part}.py" not in files:
        raise InputError(
            f"this lesson has no {part}.py",
            seen=lesson,
            cure=f"It has {', '.join(files)}.",
        )
    return importlib.import_module(f"{PACKAGE}.{lesson}.{part}")


def lab(name: str) -> ModuleType:
    """A lesson's laboratory, ``lessons/NN_name/lab.py``: small worlds, meters and drawings.

    Args:
        name: of the lesson: "gan", "01" or "01_gan".

    Raises:
        InputError: if there is no such lesson, or it has no laboratory.
    """
    return lesson_module(name, "lab")


def timings() -> dict[str, int]:
    """Measured seconds of CPU time by lesson, as the last rendering found them."""
    return json.loads(TIMINGS.read_text()) if TIMINGS.exists() else {}
