"""What the repository's README says of the lessons: their table, and the badge of the first one.

Both stand between comments (``<!-- lessons -->``, ``<!-- badge -->``). ``build`` makes them from the
lessons' folders, so a new lesson needs no other place.
"""

import re

import jupytext

from .colab import ROOT, badge_cell
from .folders import lesson_names, lesson_source, timings

README = ROOT / "README.md"


def front_page(text: str) -> str:
    """The README's text with the parts about the lessons made anew."""
    parts = {"badge": badge_cell("notebooks", lesson_names()[0]), "lessons": table()}
    for name, part in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        between = re.compile(f"{start}.*?{end}", re.DOTALL)
        text = between.sub(lambda _, new=f"{start}\n{part}\n{end}": new, text, count=1)
    return text


def table() -> str:
    """A Markdown table: lesson, what one can do afterwards, its computing time.

    The second column is the key ``afterwards`` of a lesson's header.
    """
    lines = ["| lesson | afterwards you can | computing |", "| --- | --- | --- |"]
    seconds = timings()
    for lesson in lesson_names():
        facts = jupytext.reads(lesson_source(lesson), fmt="py:percent").metadata["lesson"]
        link = f"[{lesson[:2]} {facts['title']}](notebooks/{lesson}.ipynb)"
        computing = f"{seconds[lesson]} s" if lesson in seconds else ""
        lines.append(f"| {link} | {facts.get('afterwards', '')} | {computing} |")
    return "\n".join(lines)
