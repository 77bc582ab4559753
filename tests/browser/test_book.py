"""The book in a real browser: its front page, and a figure to play with on the lessons' pages.

Needs what test_page.py needs, and Sphinx; run only with FINEGAN_BROWSER=1. Screenshots:
runs/browser/. FINEGAN_BOOK names a book that is built already.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from chromium import Page, static_files
from on_demand import on_demand

from finegan_lib.course.engine.book import PACKAGES, build_book
from finegan_lib.course.engine.contents import lesson_facts
from finegan_lib.course.engine.folders import lesson_names

SHOTS = Path(__file__).resolve().parents[2] / "runs" / "browser"
pytestmark = [pytest.mark.slow, *on_demand(("websocket", "onnxscript", *PACKAGES), ("npm",))]
FIGURES = {lesson: lesson_facts(lesson).get("play") for lesson in lesson_names()}
READY = "document.readyState === 'complete'"
# What sticks out at the right, unless a part of the page around it can be scrolled.
STICKS_OUT = """(() => [...document.querySelectorAll('article *')].filter((e) => {
  const {right, width} = e.getBoundingClientRect();
  if (!width || right <= innerWidth + 1) return false;
  for (let p = e.parentElement; p; p = p.parentElement) {
    if (getComputedStyle(p).overflowX !== 'visible') return false;
  }
  return true;
}).map((e) => e.outerHTML.slice(0, 90)))()"""
BROKEN = "[...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.src)"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The book's address on a plain server of static files."""
    built = os.environ.get("FINEGAN_BOOK")
    folder = built or build_book(tmp_path_factory.mktemp("book") / "html", live=True).parent
    with static_files(folder) as address:
        yield address


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("profile")
    with Page(folder, on_failure=SHOTS / "book_failure.png") as opened:
        yield opened


def show(page, address, width=1280, height=900, scheme="light"):
    page.prefer(scheme)
    page.resize(width, height)
    page.open(address)
    # The playground adds its bird to the address.
    page.wait_for(f"location.href.split('#')[0] === {address!r} && {READY}")
    assert page.value(STICKS_OUT) == []
    assert page.value("document.documentElement.scrollWidth") <= width
    assert page.value(BROKEN) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_front_page_on_wide_and_narrow_windows(page, book, width, scheme):
    show(page, f"{book}/index.html", width, scheme=scheme)
    assert page.value("document.documentElement.dataset.theme") == scheme
    cards = "[...document.querySelectorAll('.sd-card')]"
    pictures = f"{cards}.filter((c) => c.querySelector('img')?.naturalWidth > 100)"
    titles = page.wait_for(f"{pictures}.map((c) => c.querySelector('.sd-card-title').innerText)")
    playground, repository, *lessons = titles
    assert playground.startswith("Mix a bird") and repository == "Work through it"
    assert [title[:2] for title in lessons] == [lesson[:2] for lesson in lesson_names()]
    page.resize(width, min(6000, page.value("document.documentElement.scrollHeight")))
    page.screenshot(SHOTS / f"book_{width}_{scheme}.png")


@pytest.mark.parametrize("lesson", FIGURES)
def test_a_lesson_on_a_narrow_window(page, book, lesson):
    show(page, f"{book}/notebooks/{lesson}.html", 390, 800)
    badge = "document.querySelector('img[alt=\"Open in Colab\"]')"
    assert page.value(f"{badge}.naturalWidth > 50 && {badge}.src.startsWith({book!r})")


@pytest.mark.parametrize(
    "lesson", [lesson for lesson, figure in FIGURES.items() if figure not in (None, "playground")]
)
def test_a_lesson_s_figure_moves(page, book, lesson):
    """With the arrow keys: every slider changes the drawing or the sentence."""
    show(page, f"{book}/notebooks/{lesson}.html")
    box = f"document.querySelector('[data-figure={FIGURES[lesson]}]')"
    page.wait_for(f"{box}?.querySelector('svg') !== null")
    sliders = page.value(f"{box}.querySelectorAll('input').length")
    assert sliders
    seen = {page.value(f"{box}.innerHTML")}
    for i in range(sliders):
        page.value(f"{box}.querySelectorAll('input')[{i}].focus()")
        page.press("ArrowRight")
        page.press("ArrowRight")
        seen.add(page.value(f"{box}.innerHTML"))
    assert len(seen) == sliders + 1
    words = page.value(f"{box}.innerText")
    assert "NaN" not in words and "undefined" not in words
    page.value(f"{box}.scrollIntoView({{block: 'center'}})")
    page.screenshot(SHOTS / f"book_figure_{lesson}.png")


def test_the_playground_draws_in_the_book(page, book):
    show(page, f"{book}/playground.html", 390, 800, "dark")
    page.wait_for("document.querySelector('.playground')?.dataset.milliseconds", 120)
    page.value("document.querySelector('[data-code=c]').scrollIntoView({block: 'end'})")
    page.screenshot(SHOTS / "book_playground.png")
    # The bar at the top does not hide the bird.
    x, y = page.value(
        "(({x, y, width}) => [x + width / 2, y + 4])"
        "(document.querySelector('.fg-large').getBoundingClientRect())"
    )
    assert page.value(f"document.elementFromPoint({x}, {y}).className") == "fg-large"


def test_nothing_went_wrong_and_nothing_came_from_elsewhere(page, book):
    """On any of the pages before."""
    assert page.errors() == []
    elsewhere = [u for u in page.requests() if not u.startswith((book, "data:", "blob:", "about:"))]
    assert elsewhere == []
