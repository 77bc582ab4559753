"""The READMEs: every link leads somewhere, every command exists, the front page is short."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from finegan_lib.__main__ import build_parser
from finegan_lib.course.__main__ import build_parser as course_parser
from finegan_lib.course.engine.colab import repository
from finegan_lib.course.engine.folders import lesson_names
from finegan_lib.course.engine.source import make_notebook
from finegan_lib.data import obtain
from finegan_lib.data.sources import SOURCES
from finegan_lib.training.presets import PRESETS

ROOT = Path(__file__).resolve().parents[1]
MOST_WORDS = 1300
SKIPPED = {".git", ".venv", "runs", "data", ".pytest_cache", "node_modules", "build"}


def pages():
    """Every Markdown page that people write or build, relative to the root."""
    found = [path.relative_to(ROOT) for path in ROOT.rglob("*.md")]
    found = [path for path in found if not SKIPPED & set(path.parts)]
    left_out = ("fuzz_report.md", "survival_report.md", "leader_guide.md")  # reports, a template
    return [path for path in found if path.name not in left_out]


PAGES = sorted(map(str, pages()))


def read(page):
    return (ROOT / page).read_text(encoding="utf-8")


def anchors(text):
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_or_a_heading(page):
    text = re.sub(r"^```.*?^```", "", read(page), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"(https?|mailto):", target):
            continue
        file, _, anchor = target.partition("#")
        place = (ROOT / page).parent / file if file else ROOT / page
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place.read_text(encoding="utf-8")), target


def lesson_text(lesson):
    """The text of a lesson's cells, as the notebook has it."""
    cells = make_notebook(lesson, solved=False).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def command_lines(text):
    """Lines of the code blocks without a language, or of a shell; comments and prompts away."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for block in (block for language, block in blocks if language in ("", "sh", "bash")):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            words = shlex.split(line, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words.pop(0)
            if words and words[0][0] in "!%":  # in a cell of a notebook
                words[0] = words[0][1:]
            if words:
                yield words


COMMANDS = [(page, words) for page in PAGES for words in command_lines(read(page))]
COMMANDS += [
    (lesson, words)
    for lesson in lesson_names()
    for words in command_lines(lesson_text(lesson))
    if words[0] in ("python", "make", "git", "pip") and "--help" not in words  # not a drawing
]


@pytest.mark.parametrize(
    ("page", "words"), COMMANDS, ids=[f"{page}: {' '.join(words)}"[:90] for page, words in COMMANDS]
)
def test_every_command_is_one(page, words, monkeypatch):
    """It is understood by the program that it calls; nothing is run."""
    if words[0] == "torchrun":
        words = ["python", "-m", *words[words.index("--") + 1 :]]
    match words:
        case ["python", "-m", "finegan_lib", *arguments]:
            build_parser().parse_args(arguments)
        case ["python", "-m", "finegan_lib.course", *arguments]:
            course_parser().parse_args(arguments)
        case ["python", script, *arguments] if script.startswith("data_scripts/"):
            assert (ROOT / script).is_file()
            key = script.removeprefix("data_scripts/get_").removesuffix(".py")
            if key == "data_scripts/get":
                key, *arguments = arguments
            if key in SOURCES:
                obtain._parser(key, SOURCES[key]).parse_args(arguments)
            else:
                monkeypatch.setattr(obtain, "_run", lambda work: 0)
                assert obtain.prepare_main(arguments) == 0
        case ["python", script, *_] if script.startswith("tests/"):
            assert (ROOT / script).is_file()
        case ["python", "-m", "pytest", *arguments]:
            assert all((ROOT / a.split("::")[0]).exists() for a in arguments if a[0] != "-")
        case ["python", "-m", "finegan_lib.base.checkup", "--write"]:
            pass
        case ["make", target, *_]:
            assert re.search(rf"^{re.escape(target)}:", read("Makefile"), re.MULTILINE)
        case ["export" | "pip" | "conda" | "git" | "cd" | ".venv/bin/pre-commit", *_]:
            pass
        case _:
            raise AssertionError(f"{page} has a command that no test knows: {' '.join(words)}")


@pytest.mark.parametrize("lesson", lesson_names())
def test_a_cell_for_colab_clones_what_is_not_installed(lesson):
    """The first cell installs ``finegan_lib`` alone: scripts and Makefile are in a clone only."""
    text, clone = lesson_text(lesson), f"!git clone -q {repository()} clone\n%cd clone\n"
    for needs in re.finditer("!(python [a-z_]+/|make )", text):
        assert clone in text[: needs.start()], text[needs.start() :][:80]


def test_every_command_of_a_shipped_file_makes_it():
    """Those in the table of weights/README.md; ``table`` without --run only shows its results."""
    rows = re.findall(r"^\| `.*\| `(.+)` \|$", read("finegan_lib/weights/README.md"), re.MULTILINE)
    assert len(rows) > 8
    for words in map(shlex.split, rows):
        parsed = build_parser().parse_args(words)
        assert words[0] != "table" or parsed.run, words


def test_a_command_that_does_not_exist_is_noticed(monkeypatch):
    for line in (
        "python -m finegan_lib trian",
        "make nothing",
        "python data_scripts/get_dogs.py -x",
    ):
        with pytest.raises((AssertionError, SystemExit)):
            test_every_command_is_one("README.md", line.split(), monkeypatch)


def test_the_front_page_is_short_and_complete():
    text = read("README.md")
    assert len(text.split()) <= MOST_WORDS
    wanted = ["Two commands", "Who it is for", "The lessons", "Where to start", "Six results"]
    wanted += ["The library", "Licence and citation"]
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in wanted] == wanted
    for start in ("I have a laptop", "I have a GPU", "I have photographs of my own"):
        assert f"**{start}.**" in text
    results = text.partition("## Six results")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\| ", results, re.MULTILINE)) == 6 + 2
    for lesson in lesson_names():
        assert f"](notebooks/{lesson}.ipynb)" in text


def test_the_front_page_asks_its_question_and_shows_its_picture_first():
    parts = [part for part in read("README.md").split("\n\n") if part]
    assert parts[0].startswith("# ") and parts[1].rstrip().endswith("?")
    assert parts[2].startswith("![") and "notebooks/stages.png" in parts[2]


def test_every_file_that_a_readme_names_exists():
    """Paths in `code`, relative to the root or to the page's own folder."""
    for page in PAGES:
        for path in re.findall(r"`((?:[\w.]+/)+[\w.]+\.(?:py|json|md|lock|yml))`", read(page)):
            homes = [home for home in (ROOT, (ROOT / page).parent) if (home / path).parent.is_dir()]
            if homes and "NAME" not in path:  # others are paths in a user's own folder
                assert any((home / path).exists() for home in homes), (page, path)


def test_the_table_of_presets_has_every_preset():
    text = read("finegan_lib/commands/README.md").partition("## Presets")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(PRESETS)


def test_a_table_of_modules_has_every_module():
    """Of a package's docstring; a module that is left out is not found by its reader."""
    for path in (ROOT / "finegan_lib").glob("*/__init__.py"):
        text = path.read_text(encoding="utf-8")
        if "\nmodule " in text:
            rows = text.partition("\nmodule ")[2].split("\n=")[1].splitlines()[1:]
            named = {row.split()[0] for row in rows}
            held = {file.stem for file in path.parent.glob("*.py")} - {"__init__"}
            assert named == held, path


def test_help_names_what_the_readme_calls():
    """`python -m finegan_lib --help` lists every command that a README shows."""
    shown = {words[3] for _, words in COMMANDS if words[1:3] == ["-m", "finegan_lib"]}
    listed = subprocess.run(
        [sys.executable, "-m", "finegan_lib", "--help"], capture_output=True, text=True, cwd=ROOT
    ).stdout
    assert all(re.search(rf"\b{name}\b", listed) for name in shown)
