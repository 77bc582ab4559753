"""The table of contents: the header of every lesson, and the tables made from the headers.

A header, ``lesson:`` in the first lines of ``lesson.py``, states ``title`` (a word or two),
``part`` (of the course), ``about`` (a few words for the map), ``question`` (that it answers),
``afterwards`` (what one can do then: "afterwards you can …"), ``t4_seconds`` (an estimate) and, if
needed, ``extras`` (further packages for Colab). For the book it may state ``card`` (a part of the
cell that draws the picture of its card; without it, the lesson's first picture), ``play`` (a figure
of ``page/site/figures.js``, or "playground") and ``play_in`` (the section at whose end the figure
stands).
"""

import jupytext

from ...base.errors import InputError
from .colab import BADGE, ROOT, badge_cell
from .folders import lesson_names, lesson_source

FIELDS = ("title", "part", "about", "question", "afterwards", "t4_seconds")
BEGIN, END = "<!-- lessons: python -m finegan_lib.course build -->", "<!-- end of lessons -->"
BADGE_MARKS = (
    "<!-- badge of the first lesson: python -m finegan_lib.course build -->",
    "<!-- end of badge -->",
)


def facts_in(metadata, lesson: str) -> dict:
    """The header of a lesson out of its source's metadata.

    Raises:
        InputError: if a field is missing.
    """
    facts = dict(metadata.get("lesson", {}))
    missing = [field for field in FIELDS if field not in facts]
    if missing:
        raise InputError(
            "a lesson's header is not complete",
            seen=f"{lesson} has no {', '.join(missing)}",
            cure="See finegan_lib/course/engine/contents.py.",
        )
    return facts


def lesson_facts(lesson: str) -> dict:
    """The header of a lesson given by its full name: see this module's text.

    Raises:
        InputError: if a field is missing.
    """
    return facts_in(jupytext.reads(lesson_source(lesson), fmt="py:percent").metadata, lesson)


def questions_table() -> str:
    """Markdown: every lesson and its question, for the first lesson."""
    rows = ["| lesson | its question |", "| --- | --- |"]
    for lesson in lesson_names():
        facts = lesson_facts(lesson)
        rows.append(f"| {lesson[:2]} {facts['title']} | {facts['question']} |")
    return "\n".join(rows)


def lessons_table(folder: str = "notebooks/") -> str:
    """Markdown: every lesson, linked, and what one can do after it, for the README.

    Args:
        folder: where the notebooks lie, seen from the page that shows the table.
    """
    rows = ["| lesson | afterwards you can |", "| --- | --- |"]
    for lesson in lesson_names():
        facts = lesson_facts(lesson)
        link = f"[{lesson[:2]} {facts['title']}]({folder}{lesson}.ipynb)"
        rows.append(f"| {link} | {facts['afterwards']} |")
    return "\n".join(rows)


def with_table(page: str, folder: str = "notebooks/") -> str:
    """A page with the table of lessons, and the badge of the first, between their marks.

    A part for which a page has no marks is left out.
    """
    picture = BADGE.relative_to(ROOT).as_posix()
    first = badge_cell(folder.rstrip("/"), lesson_names()[0], picture)
    for begin, end, text in ((BEGIN, END, lessons_table(folder)), (*BADGE_MARKS, first)):
        before, mark, rest = page.partition(begin)
        if mark:
            page = f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"
    return page
