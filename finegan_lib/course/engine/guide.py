"""The leader's guide, ``solutions/README.md``: plans written by hand, tables out of the lessons."""

import re

from ...base.errors import InputError
from .exercises import (
    Build,
    Choice,
    Debug,
    Exercise,
    Exploration,
    Fill,
    lesson_exercises,
)
from .folders import LESSONS, lesson_names, lesson_source, timings, with_numbers

TEMPLATE = LESSONS / "leader_guide.md"
WORDS_PER_MINUTE = 170
MINUTES_PER_CELL = 0.5
MINUTES_PER_EXERCISE = {Choice: 2, Fill: 6, Build: 15, Debug: 8, Exploration: 8}
KINDS = {
    Choice: "predict",
    Fill: "fill in",
    Build: "build",
    Debug: "find the mistake",
    Exploration: "explore",
}


def leader_guide() -> str:
    """The text of ``solutions/README.md``."""
    text = with_numbers(TEMPLATE.read_text(encoding="utf-8"))
    text = text.replace("{{minutes}}", minutes_table()).replace("{{mistakes}}", mistakes_lists())
    return text.replace("{{questions}}", questions())


def questions() -> str:
    """What every lesson's ``guide.md`` has for a discussion, in the order of the lessons.

    Raises:
        InputError: for a lesson without one.
    """
    texts = []
    for lesson in lesson_names():
        path = LESSONS / lesson / "guide.md"
        if not path.is_file():
            raise InputError(
                "a lesson has no question for the leader's guide",
                seen=lesson,
                cure=f"Write {path.name} in its folder: **{{{{number}}}}. A question?** An answer.",
            )
        texts.append(with_numbers(path.read_text(encoding="utf-8").strip(), lesson))
    return "\n\n".join(texts)


def sections(lesson: str) -> list[tuple[str, float]]:
    """The sections of a lesson, ``##`` headings, with the minutes that they take.

    What stands before the first heading counts as "Opening".
    """
    exercises = lesson_exercises(lesson[:2])
    found = [["Opening", 0.0]]
    for cell in re.split(r"^# %%", lesson_source(lesson), flags=re.MULTILINE)[1:]:
        head, _, body = cell.partition("\n")
        if 'tags=["solution"]' in head:
            continue
        if "[markdown]" not in head:
            key = re.search(r'exercise="(\d+)"', head)
            exercise = exercises[f"{lesson[:2]}.{key[1]}"] if key else None
            found[-1][1] += MINUTES_PER_EXERCISE.get(type(exercise), MINUTES_PER_CELL)
            continue
        for line in body.splitlines():
            heading = re.match(r"# ## (.+)", line)
            if heading:
                found.append([heading[1].strip(), 0.0])
            found[-1][1] += len(line.split()[1:]) / WORDS_PER_MINUTE
    return [(name, minutes) for name, minutes in found]


def minutes_table() -> str:
    """A Markdown table: lesson, its sections with their minutes, sum, computing time."""
    lines = ["| lesson | sections (minutes) | together | computing |", "| --- | --- | --- | --- |"]
    seconds = timings()
    for lesson in lesson_names():
        parts = sections(lesson)
        listed = ", ".join(f"{name} ({max(1, round(minutes))})" for name, minutes in parts)
        together = sum(max(1, round(minutes)) for _, minutes in parts)
        computing = f"{seconds[lesson]} s" if lesson in seconds else "not measured"
        lines.append(f"| [{lesson}]({lesson}.ipynb) | {listed} | {together} min | {computing} |")
    return "\n".join(lines)


def mistakes_lists() -> str:
    """One Markdown list a lesson: each exercise with its typical mistakes and their answers."""
    blocks = []
    for lesson in lesson_names():
        lines = [f"### {lesson}", ""]
        for key, exercise in lesson_exercises(lesson[:2]).items():
            lines.append(f"* **{key}** {exercise.title} ({KINDS[type(exercise)]})")
            texts = [_mistake(exercise, mistake) for mistake in exercise.mistakes]
            lines += [f"  * {text}" for text in dict.fromkeys(texts)]  # two may get one answer
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _mistake(exercise: Exercise, mistake) -> str:
    if isinstance(exercise, Choice):
        return f"answers ({mistake.answer}): {mistake.hint}"
    if isinstance(exercise, Exploration):
        return f"tries `{mistake.answer!r:.60}`: it says “{mistake.hint}”"
    return mistake.hint
