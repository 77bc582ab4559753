"""The course as web pages: every lesson is there, and no link leads nowhere."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from finegan_lib.base.errors import InputError
from finegan_lib.course.engine import book, front_page
from finegan_lib.course.engine.contents import lesson_facts
from finegan_lib.course.engine.folders import lesson_names
from finegan_lib.course.page import build
from finegan_lib.course.page.runtime import NoRuntime


class Links(HTMLParser):
    """Every address and every anchor of a page."""

    def __init__(self, page):
        super().__init__()
        self.targets, self.anchors = [], set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id":
                self.anchors.add(value)
            if (tag, name) in {("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")}:
                self.targets.append(value or "")


@pytest.fixture(scope="module", autouse=True)
def without_npm():
    """The playground stands still here; tests/course/test_page.py and a browser look at it live."""

    def none_here():
        raise NoRuntime("no runtime in this test", seen="none", cure="See the other tests.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "fetch_runtime", none_here)
        yield


@pytest.fixture(scope="module")
def pages(tmp_path_factory, without_npm):
    return book.build_book(tmp_path_factory.mktemp("book") / "html").parent


def test_every_lesson_has_its_page_and_its_worked_copy(pages):
    for folder in ("notebooks", "solutions"):
        found = {page.stem for page in (pages / folder).glob("[0-9]*.html")}
        assert found == set(lesson_names())
    index = (pages / "index.html").read_text(encoding="utf-8")
    for lesson in lesson_names():
        assert f'href="notebooks/{lesson}.html"' in index
        assert f'href="solutions/{lesson}.html"' in index


def test_no_link_leads_nowhere(pages):
    found = [page for page in pages.rglob("*.html") if "_static" not in page.parts]
    html = {page.resolve(): Links(page) for page in found}
    broken = []
    for page, links in html.items():
        for target in links.targets:
            address = urlsplit(target)
            if address.scheme or address.netloc:
                continue
            file = (page.parent / unquote(address.path)).resolve() if address.path else page
            anchors = html[file].anchors if file in html else {address.fragment}
            if not file.exists() or (address.fragment and unquote(address.fragment) not in anchors):
                broken.append(f"{page.name}: {target}")
    assert len(html) > 2 * len(lesson_names())
    assert not broken


def test_formulas_need_no_network(pages):
    page = (pages / "notebooks" / "01_gan.html").read_text(encoding="utf-8")
    assert page.count("<math") > 10
    assert "mathjax.js" not in page.lower()
    assert "cdn" not in page.lower()
    assert not re.search(r"\\(mathbb|frac|sigma)", page.partition("<article")[2])


def test_pages_show_the_outputs(pages):
    page = (pages / "solutions" / "01_gan.html").read_text(encoding="utf-8")
    assert page.count("<img") > 3
    assert "✓ 01.1" in page


def test_the_front_page_shows_what_the_course_is_about(pages):
    text = (pages / "index.html").read_text(encoding="utf-8")
    cards = re.findall(r'<div class="sd-card .*?(?=<div class="sd-col|</section>)', text, re.DOTALL)
    for lesson in lesson_names():
        (card,) = [card for card in cards if f'href="notebooks/{lesson}.html"' in card]
        assert re.search(r"\d+ minutes", card) and re.search(
            rf'src="_images/{lesson}\w*.png"', card
        )
    for name in ("stages.png", "course_map.png", "playground.gif"):
        stem, _, ending = name.partition(".")
        assert re.search(rf'src="_images/{stem}\w*.{ending}"', text)
    assert 'href="playground.html"' in text


def test_the_book_names_its_authors(pages):
    text = (pages / "index.html").read_text(encoding="utf-8")
    assert "By The FineGAN course authors" in text and "not set" not in text


def test_a_lesson_s_figure_to_play_with_ends_its_section(pages):
    """After the exercises, whose answers it may give away."""
    headers = {lesson: lesson_facts(lesson) for lesson in lesson_names()}
    playful = {lesson: facts for lesson, facts in headers.items() if "play" in facts}
    assert len({facts["play"] for facts in playful.values()}) == len(playful) >= 12
    for lesson, facts in playful.items():
        text = (pages / "notebooks" / f"{lesson}.html").read_text(encoding="utf-8")
        figure = facts["play"]
        box = 'class="finegan playground"' if figure == "playground" else f'data-figure="{figure}"'
        assert text.count(box) == 1
        headings = list(re.finditer("<h2[^>]*>(.*?)<a", text))
        titles = [re.sub("<.*?>", "", heading[1]).strip() for heading in headings]
        before = [heading.start() < text.index(box) for heading in headings].count(True)
        assert titles[before - 1].replace("’", "'") == facts["play_in"]


def test_without_the_runtime_the_playground_is_a_picture(pages):
    text = (pages / "playground.html").read_text(encoding="utf-8")
    assert "no runtime in this test" in text
    assert 'src="page/toy_grid.png"' in text and (pages / "page" / "toy_grid.png").exists()


def test_the_badge_needs_no_network(pages):
    for folder in ("notebooks", "solutions"):
        for page in (pages / folder).glob("[0-9]*.html"):
            text = page.read_text(encoding="utf-8")
            assert front_page.COLAB_BADGE not in text
            assert 'src="../_images/colab_badge.svg"' in text


def test_an_earlier_book_is_replaced_and_nothing_else(pages, tmp_path, monkeypatch):
    monkeypatch.setattr(book, "_sphinx", lambda builder, source, out: shutil.copytree(pages, out))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "diary.txt").write_text("kept")
    with pytest.raises(InputError, match="not an earlier book"):
        book.build_book(mine)
    assert (mine / "diary.txt").read_text() == "kept"
    made = tmp_path / "book"
    book.build_book(made)
    (made / "stale.html").write_text("old")
    assert book.build_book(made) == made / "index.html"
    assert not (made / "stale.html").exists()


def test_without_sphinx(monkeypatch, tmp_path):
    monkeypatch.setattr(book, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[book\]'"):
        book.build_book(tmp_path / "out")


def test_a_book_to_publish_must_draw_live(monkeypatch, tmp_path):
    monkeypatch.setattr(book, "write_sources", lambda folder: "no npm here")
    monkeypatch.setattr(book, "_sphinx", lambda *_: None)
    with pytest.raises(InputError, match="would stand still; got no npm here"):
        book.build_book(tmp_path / "out", live=True)
    assert not (tmp_path / "out").exists()


def test_a_broken_link_is_an_error(tmp_path, monkeypatch):
    write = book.write_sources

    def with_a_broken_link(folder: Path):
        write(folder)
        (folder / "index.md").write_text("# A page\n\n[nowhere](missing.md)\n")

    monkeypatch.setattr(book, "lesson_names", list)
    monkeypatch.setattr(book, "write_sources", with_a_broken_link)
    with pytest.raises(InputError, match="broken links"):
        book.build_book(tmp_path / "out")
    assert not (tmp_path / "out").exists()
