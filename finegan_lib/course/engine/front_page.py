"""The book's front page, and what the book adds to a lesson's page: a figure to play with."""

import base64
import itertools
from pathlib import Path

import nbformat

from ...base.errors import InputError
from ..page.build import FIGURE_SCRIPTS, SCRIPTS, SITE, placed, script_tags
from .colab import BADGE, COLAB_BADGE, ROOT, release_tag, repository
from .contents import lesson_facts
from .folders import find_lesson, lesson_names
from .guide import sections

FIGURES = SITE / "figures.html"

FRONT = """\
# FineGAN, the course

Nobody tells a network what a species is. How can it still learn to paint a heron in striped plumage
in front of a sunset, and to change one of these three without the other two? The notebooks build
the answer: a GAN, InfoGAN's bound, FineGAN's three stages, and tests of what they are worth.

![Birds in three stages: a background, a shape, the shape's appearance](notebooks/stages.png)

::::{{grid}} 1 1 2 2
:gutter: 3

:::{{grid-item-card}} Mix a bird in your browser
:link: playground
:link-type: doc
:img-top: notebooks/playground.gif
:img-alt: The playground: codes are chosen, and the bird changes
The network itself, nothing to install: choose a shape, an appearance and a background.
:::

:::{{grid-item-card}} Work through it
:link: {repository}
:img-top: notebooks/course_map.png
:img-alt: The lessons
The repository (release {tag}) has the notebooks with their exercises, and the library.
:::
::::

## The lessons

The minutes are estimated from the text and its exercises.

::::{{grid}} 1 2 3 3
:gutter: 3

{cards}
::::

![The map of the course: which lesson builds on which](notebooks/course_map.png)

```{{toctree}}
:caption: To play with
:hidden:
:maxdepth: 1

playground
```

```{{toctree}}
:caption: Lessons
:hidden:
:maxdepth: 1

{lessons}
```

```{{toctree}}
:caption: Worked solutions
:hidden:
:maxdepth: 1

{solutions}
```
"""

CARD = """\
:::{{grid-item-card}} {number} · {title}
:link: notebooks/{lesson}
:link-type: doc
:img-top: figures/{lesson}.png
:img-alt: A figure of lesson {number}
{question}

*{minutes} minutes*
:::
"""

PLAYGROUND = """\
# Mix a bird

Nobody told this network what a species is. It learnt from pictures alone to generate a background,
a shape and an appearance, one over the other. [Lesson {number}](notebooks/{lesson}) builds it.
Everything here runs in your browser.

```{{raw}} html
<p><a href="page/index.html">The playground on a page of its own</a></p>
{playground}
```
"""


def write_front_page(folder: Path, page: Path, pages: dict[str, list[str]]) -> None:
    """``index.md``, ``playground.md`` and the cards' pictures, below Sphinx's folder of sources.

    Args:
        folder: the sources; ``notebooks/`` lies there already.
        page: the built page (:func:`finegan_lib.course.page.build.write_page`).
        pages: the documents of the two tables of contents, ``notebooks`` and ``solutions``.
    """
    (folder / "figures").mkdir()
    cards = []
    for lesson in lesson_names():
        (folder / "figures" / f"{lesson}.png").write_bytes(best_figure(lesson))
        facts = lesson_facts(lesson)
        cards.append(
            CARD.format(
                lesson=lesson,
                number=lesson[:2],
                title=facts["title"],
                question=facts["question"],
                minutes=round(sum(part for _, part in sections(lesson))),
            )
        )
    front = FRONT.format(
        repository=repository(),
        tag=release_tag(),
        cards="\n".join(cards),
        lessons="\n".join(pages["notebooks"]),
        solutions="\n".join(pages["solutions"]),
    )
    (folder / "index.md").write_text(front, encoding="utf-8")
    whole = find_lesson("child")  # the lesson that has all three stages
    text = PLAYGROUND.format(number=whole[:2], lesson=whole, playground=in_book(page, "page/"))
    (folder / "playground.md").write_text(text, encoding="utf-8")


def best_figure(lesson: str) -> bytes:
    """The PNG of a lesson's card: the first one in or after the cell that its header names.

    Raises:
        InputError: if no such cell holds a picture.
    """
    part = lesson_facts(lesson).get("card", "")
    notebook = nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in itertools.dropwhile(lambda cell: part not in cell.source, code):
        for output in cell.outputs:
            if picture := output.get("data", {}).get("image/png"):
                return base64.b64decode(picture)
    raise InputError(
        f"lesson {lesson} has no picture for its card",
        seen=f"no picture from a cell with {part!r} on",
        cure="Render the lesson, or name another cell as `card` in its header.",
    )


def lesson_for_the_book(lesson: str, page: Path) -> nbformat.NotebookNode:
    """A rendered lesson with its figure to play with, and with the badge's picture beside it.

    Raises:
        InputError: if the lesson lacks the section at whose end the figure stands.
    """
    notebook = with_the_badge(ROOT / "notebooks" / f"{lesson}.ipynb")
    facts = lesson_facts(lesson)
    if "play" not in facts:
        return notebook
    figure, wanted = facts["play"], f"## {facts['play_in']}"
    headings = [_headings(cell) for cell in notebook.cells]
    start = next((i for i, found in enumerate(headings) if wanted in found), None)
    if start is None:
        raise InputError(
            f"lesson {lesson} has no place for its figure",
            seen=f"no heading {wanted!r}",
            cure="Name another section as `play_in` in its header.",
        )
    later = range(start + 1, len(headings))
    end = next((i for i in later if headings[i]), len(headings))
    made = f"```{{raw}} html\n{figure_html(figure, page)}\n```"
    notebook.cells.insert(end, nbformat.v4.new_markdown_cell(made))
    return notebook


def _headings(cell) -> list[str]:
    """The headings of sections, ``##``, in a cell."""
    lines = cell.source.splitlines() if cell.cell_type == "markdown" else []
    return [line.strip() for line in lines if line.startswith("## ")]


def with_the_badge(path: Path) -> nbformat.NotebookNode:
    """A notebook whose Colab badge is the book's own picture, which needs no network."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace(COLAB_BADGE, f"../{BADGE.name}")
    return notebook


def figure_html(figure: str, page: Path) -> str:
    """A lesson's figure, or the playground, for a document in ``notebooks/``."""
    if figure == "playground":
        return in_book(page, "../page/")
    boxes = FIGURES.read_text(encoding="utf-8").strip().split("\n\n")
    (box,) = [box for box in boxes if f'data-figure="{figure}"' in box]
    return "\n".join([_style("../page/"), box, script_tags(FIGURE_SCRIPTS, "../page/")])


def in_book(page: Path, root: str) -> str:
    """The playground with its style and scripts, for a document from which the page is ``root``."""
    live = (page / "ort").is_dir()
    scripts = script_tags(SCRIPTS if live else (), root)
    return "\n".join([_style(root), placed(page, root), scripts])


def _style(root: str) -> str:
    return f'<link rel="stylesheet" href="{root}playground.css">'
