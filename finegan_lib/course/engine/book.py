"""The course as web pages: the rendered notebooks through Sphinx, with navigation and search.

Nothing is executed: the pages show the outputs that the notebooks hold.
"""

import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import nbformat

from ...base.errors import InputError
from ...base.files import folder_for
from ..page.build import write_page
from .colab import BADGE, ROOT, repository
from .folders import lesson_names
from .front_page import lesson_for_the_book, with_the_badge, write_front_page

PACKAGES = ("sphinx", "myst_nb", "sphinx_book_theme", "latex2mathml", "sphinx_design")

CONF = """\
project = "FineGAN, the course"
author = "The FineGAN course authors"
html_title = project
extensions = ["myst_nb", "sphinx_design", "finegan_lib.course.engine.book"]
html_math_renderer = "mathml"
nb_execution_mode = "off"
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
html_theme = "sphinx_book_theme"
html_theme_options = {{
    "repository_url": "{repository}",
    "use_repository_button": True,
    "navbar_persistent": [],  # the search stands in the sidebar
}}
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_favicon = "extra/page/bird.svg"
html_context = {{"default_mode": "auto"}}  # light or dark, as the reader's system is
html_extra_path = ["extra"]  # the playground's own page
linkcheck_retries = 3
linkcheck_timeout = 20
# The release's own files, which the badges open, are not there before it is published.
linkcheck_ignore = [r"https://colab\\.research\\.google\\.com/github/.*"]
"""

# Room for the code's lines, which are up to 100 characters long.
CSS = """\
.bd-main .bd-content .bd-article-container { max-width: 62rem; }
.bd-article .finegan { --fg-top: 3.5rem; }  /* below the bar at the top */
.bd-article code.literal, code.literal .pre { overflow-wrap: anywhere; white-space: normal; }
.bd-article div.math { margin: 0.6rem 0 1rem; overflow-x: auto; }
.sd-card-img-top { height: 11rem; object-fit: cover; object-position: left top; background: white; }
"""


def build_book(out, *, external: bool = False, live: bool = False) -> Path:
    """Write the course as HTML, and check its links.

    Args:
        out: folder for the pages; what an earlier build left there is replaced.
        external: also ask every other site that a page points to (needs a network).
        live: refuse a playground that stands still because its runtime cannot be fetched.

    Returns:
        The start page.

    Raises:
        InputError: if Sphinx is not installed, ``out`` holds something else, or a link is broken.
    """
    missing = [name for name in PACKAGES if not find_spec(name)]
    if missing:
        raise InputError(
            "the book needs more packages",
            seen=f"no {', '.join(missing)}",
            cure="Install them: pip install -e '.[book]'",
        )
    out = folder_for(out)
    if out.exists() and any(out.iterdir()) and not (out / ".buildinfo").exists():
        raise InputError(
            "this folder is not an earlier book",
            seen=str(out),
            cure="Choose an empty folder, or a new one.",
        )
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "source", Path(folder) / "html"
        problem = write_sources(source)
        if problem and live:
            raise InputError(
                "the book's playground would stand still",
                seen=problem,
                cure="Mend that, or build without --live.",
            )
        if problem:
            print(f"note: the book's playground stands still: {problem}", file=sys.stderr)
        _sphinx("html", source, made)
        if external:
            _sphinx("linkcheck", source, Path(folder) / "links")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(made, out, ignore=shutil.ignore_patterns(".doctrees"))
    return out / "index.html"


def write_sources(folder: Path) -> str:
    """What Sphinx reads: its settings, a start page, the notebooks and the worked copies.

    Returns:
        Why the playground stands still, or "".
    """
    folder.mkdir(parents=True)
    (folder / "_static").mkdir()
    (folder / "_static" / "book.css").write_text(CSS, encoding="utf-8")
    (folder / "conf.py").write_text(CONF.format(repository=repository()), encoding="utf-8")
    page = folder / "extra" / "page"
    page.parent.mkdir()
    problem = write_page(page)
    shutil.copy(BADGE, folder)
    pages = {"notebooks": [], "solutions": ["solutions/README"]}
    for name, listed in pages.items():
        (folder / name).mkdir()
        for lesson in lesson_names():
            path = ROOT / name / f"{lesson}.ipynb"
            lessons = name == "notebooks"
            notebook = lesson_for_the_book(lesson, page) if lessons else with_the_badge(path)
            nbformat.write(notebook, folder / name / path.name)
            listed.append(f"{name}/{lesson}")
    # The leader's guide. notebooks/README.md is about the repository.
    shutil.copy(ROOT / "solutions" / "README.md", folder / "solutions")
    for picture in ("stages.png", "course_map.png", "playground.gif"):
        shutil.copy(ROOT / "notebooks" / picture, folder / "notebooks")
    write_front_page(folder, page, pages)
    return problem


def setup(app) -> dict:
    """Sphinx's entry point: formulas as MathML, which browsers draw without help from the net."""

    def renderer(display):
        def visit(translator, node):
            from docutils.nodes import SkipNode
            from latex2mathml.converter import convert

            formula = convert(node.astext(), display="block" if display else "inline")
            translator.body.append(f'<div class="math">{formula}</div>' if display else formula)
            raise SkipNode

        return visit, None

    app.add_html_math_renderer(
        "mathml", inline_renderers=renderer(False), block_renderers=renderer(True)
    )
    return {"parallel_read_safe": True}


def _sphinx(builder: str, source: Path, out: Path) -> None:
    """One builder; a warning, such as a link that leads nowhere, is an error."""
    from sphinx.cmd.build import main

    doctrees = str(out / ".doctrees")
    arguments = ["-b", builder, "-q", "-W", "--keep-going", "-d", doctrees, str(source), str(out)]
    if main(arguments):
        raise InputError(
            "the book has broken links or pages",
            seen=f"see the {builder} messages above",
            cure="Correct the lesson, render it, and build again.",
        )
