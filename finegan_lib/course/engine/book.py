"""The course as web pages: the rendered notebooks through Sphinx, with navigation and search.

Nothing is executed: the pages show the outputs that the notebooks hold.
"""

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

from ...base.errors import InputError
from .colab import ROOT, release_tag, repository
from .folders import lesson_names

PACKAGES = ("sphinx", "myst_nb", "sphinx_book_theme", "latex2mathml")

CONF = """\
project = "FineGAN, the course"
html_title = project
extensions = ["myst_nb", "finegan_lib.course.engine.book"]
html_math_renderer = "mathml"
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
html_theme = "sphinx_book_theme"
html_theme_options = {{"repository_url": "{repository}", "use_repository_button": True}}
html_static_path = ["_static"]
html_css_files = ["book.css"]
# The badge's picture lies on another site.
suppress_warnings = ["image.not_readable"]
linkcheck_retries = 3
linkcheck_timeout = 20
# The release's own files, which the badges open, are not there before it is published.
linkcheck_ignore = [r"https://colab\\.research\\.google\\.com/github/.*"]
"""

# Room for the code's lines, which are up to 100 characters long.
CSS = """\
.bd-main .bd-content .bd-article-container { max-width: 62rem; }
.bd-article div.math { margin: 0.6rem 0 1rem; overflow-x: auto; }
"""

INDEX = """\
# FineGAN, the course

How can a network that nobody ever told what a species is learn to paint a heron in striped plumage
before a sunset, and to change any one of the three without touching the others? The notebooks
build the answer: a GAN, InfoGAN's bound, FineGAN's three stages, and what they are worth. Here they
are to be read; [the repository]({repository}) (release {tag}) has them to be worked through.

```{{toctree}}
:caption: Lessons
:maxdepth: 1

{lessons}
```

```{{toctree}}
:caption: Worked solutions
:maxdepth: 1

{solutions}
```
"""


def build_book(out, *, external: bool = False) -> Path:
    """Write the course as HTML, and check its links.

    Args:
        out: folder for the pages; what an earlier build left there is replaced.
        external: also ask every other site that a page points to (needs a network).

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
    out = Path(out)
    if out.exists() and any(out.iterdir()) and not (out / ".buildinfo").exists():
        raise InputError(
            "this folder is not an earlier book",
            seen=str(out),
            cure="Choose an empty folder, or a new one.",
        )
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "source", Path(folder) / "html"
        write_sources(source)
        _sphinx("html", source, made)
        if external:
            _sphinx("linkcheck", source, Path(folder) / "links")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(made, out, ignore=shutil.ignore_patterns(".doctrees"))
    return out / "index.html"


def write_sources(folder: Path) -> None:
    """What Sphinx reads: its settings, a start page, the notebooks and the worked copies."""
    folder.mkdir(parents=True)
    (folder / "_static").mkdir()
    (folder / "_static" / "book.css").write_text(CSS, encoding="utf-8")
    (folder / "conf.py").write_text(CONF.format(repository=repository()), encoding="utf-8")
    pages = {"notebooks": [], "solutions": []}
    for name, listed in pages.items():
        (folder / name).mkdir()
        if name == "solutions":  # the leader's guide; notebooks/README.md is about the repository
            shutil.copy(ROOT / name / "README.md", folder / name)
            listed.append(f"{name}/README")
        for lesson in lesson_names():
            shutil.copy(ROOT / name / f"{lesson}.ipynb", folder / name)
            listed.append(f"{name}/{lesson}")
    index = INDEX.format(
        repository=repository(),
        tag=release_tag(),
        lessons="\n".join(pages["notebooks"]),
        solutions="\n".join(pages["solutions"]),
    )
    (folder / "index.md").write_text(index, encoding="utf-8")


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
