"""What others expect of a repository: citation, workflow, forms, hooks and a change log."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

import finegan_lib

ROOT = Path(__file__).resolve().parents[1]

_TEXT = {"type": "string", "minLength": 1}
_AUTHOR = {
    "type": "object",
    "anyOf": [{"required": ["name"]}, {"required": ["family-names", "given-names"]}],
    "properties": dict.fromkeys(("name", "family-names", "given-names"), _TEXT),
    "additionalProperties": False,
}
_AUTHORS = {"type": "array", "minItems": 1, "items": _AUTHOR}
# The keys of CITATION.cff that stand here, by the guide to version 1.2.0 of the format
# (https://github.com/citation-file-format/citation-file-format). Others are refused.
CITATION = {
    "type": "object",
    "required": ["authors", "cff-version", "message", "title", "references"],
    "properties": {
        **dict.fromkeys(("message", "title", "abstract"), _TEXT),
        "cff-version": {"const": "1.2.0"},
        "type": {"const": "software"},
        "license": {"const": "MIT"},
        "keywords": {"type": "array", "uniqueItems": True, "items": _TEXT},
        "authors": _AUTHORS,
        "references": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["authors", "title", "type"],
                "properties": {
                    **dict.fromkeys(("title", "collection-title"), _TEXT),
                    "type": {"const": "conference-paper"},
                    "authors": _AUTHORS,
                    "year": {"type": "integer"},
                    "conference": {"type": "object", "required": ["name"]},
                    "identifiers": {"type": "array", "items": {"required": ["type", "value"]}},
                    "url": {"type": "string", "pattern": "^https://"},
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}


def read_yaml(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_citation_has_the_form_that_readers_of_it_expect():
    citation = read_yaml("CITATION.cff")
    jsonschema.validate(citation, CITATION)
    (paper,) = citation["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Singh", "Ojha", "Lee"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(citation | {"version": finegan_lib.__version__}, CITATION)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(citation | {"authors": [{"family-names": "X"}]}, CITATION)


def test_the_workflow_runs_everything_on_linux_and_the_quick_tests_elsewhere():
    workflow = read_yaml(".github/workflows/tests.yml")
    everything, quick = workflow["jobs"]["everything"], workflow["jobs"]["quick"]
    assert everything["runs-on"] == "ubuntu-latest"
    assert [step["run"] for step in everything["steps"] if "run" in step] == [".ci/run"]
    assert quick["strategy"]["matrix"]["os"] == ["macos-latest", "windows-latest"]
    assert workflow["permissions"] == {"contents": "read"}
    # The quick tests are those of `make test-fast`.
    (fast,) = re.findall(
        r"\$\(BIN\) -m (pytest .*-m \"not slow\")", (ROOT / "Makefile").read_text()
    )
    *_, last = [step["run"] for step in quick["steps"] if "run" in step]
    assert last == f"python -m {fast}".replace("$(WORKERS)", "2")


def test_the_workflow_keeps_the_screenshots_of_the_browser():
    browser = read_yaml(".github/workflows/tests.yml")["jobs"]["browser"]
    assert browser["env"]["FINEGAN_BROWSER"] == "1"
    *_, tests = [step["run"] for step in browser["steps"] if "run" in step]
    for path in tests.removeprefix("python -m pytest ").split():
        assert (ROOT / path).exists()
    assert "tests/browser" in tests
    kept = browser["steps"][-1]
    assert kept["uses"].startswith("actions/upload-artifact@") and kept["if"] == "always()"
    assert kept["with"]["path"] == "runs/browser"  # where tests/browser/ puts them


def test_the_book_is_published_with_a_page_that_draws():
    workflow = read_yaml(".github/workflows/pages.yml")
    (job,) = workflow["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[-1] == "python -m finegan_lib.course book --out runs/book --live"
    assert re.search(r"\[(.*)\]", commands[0])[1].split(",") == ["course", "book", "export"]
    uses = [step["uses"].partition("@")[0] for step in job["steps"] if "uses" in step]
    assert uses[-2:] == ["actions/upload-pages-artifact", "actions/deploy-pages"]
    assert workflow["permissions"]["pages"] == "write"


@pytest.mark.parametrize("form", ["bug", "lesson", "idea"])
def test_the_forms_ask_something(form):
    content = read_yaml(f".github/ISSUE_TEMPLATE/{form}.yml")
    assert content["name"] and content["description"]
    ids = [part["id"] for part in content["body"]]
    assert len(ids) == len(set(ids)) >= 3
    for part in content["body"]:
        assert part["type"] in ("input", "textarea") and part["attributes"]["label"]
    assert any(part.get("validations", {}).get("required") for part in content["body"])


def test_the_hooks_run_what_is_here():
    (local,) = read_yaml(".pre-commit-config.yaml")["repos"]
    entries = [hook["entry"].split() for hook in local["hooks"]]
    assert {entry[0] for entry in entries} == {".ci/python"} and (ROOT / ".ci/python").is_file()
    assert [entry[2] for entry in entries] == ["ruff", "ruff", "finegan_lib.course"]


def test_the_list_of_slow_tests_names_files_that_exist():
    slow = json.loads((ROOT / "tests" / "slow.json").read_text(encoding="utf-8"))
    assert slow and all((ROOT / name.partition("::")[0]).is_file() for name in slow)


def test_the_change_log_knows_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\S+)", text, re.MULTILINE)
    assert versions[0] == "Unreleased" or versions[0] == finegan_lib.__version__
    assert finegan_lib.__version__ in versions
    assert len(versions) == len(set(versions))


@pytest.mark.parametrize("name", ["README.md", "notebooks", "finegan_lib"])
def test_depict_is_cited_by_its_own_number(name):
    """arXiv 1704.06363 is another paper's."""
    place = ROOT / name
    files = [place] if place.is_file() else [*place.rglob("*.py"), *place.rglob("*.ipynb")]
    assert not [file for file in files if "1704.06363" in file.read_text(encoding="utf-8")]


def test_the_seconds_of_a_slow_test_are_those_of_its_call_and_its_fixtures(tmp_path):
    """`--write-slow` in a folder of its own, with a threshold that needs no patience."""
    settings = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
    settings = settings.replace("SLOW_FROM = 0.6", "SLOW_FROM = 0.3")
    (tmp_path / "conftest.py").write_text(settings, encoding="utf-8")
    (tmp_path / "slow.json").write_text('{"test_other.py": null}', encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow", encoding="utf-8")
    (tmp_path / "test_one.py").write_text(
        "import time, pytest\n"
        "def burn():\n"
        "    start = time.process_time()\n"
        "    while time.process_time() < start + 0.4: pass\n"
        "@pytest.fixture\n"
        "def fixture(): burn()\n"
        "def test_call(): burn()\n"
        "def test_fixture(fixture): pass\n"
        "@pytest.fixture(scope='module')\n"
        "def shared(): burn()\n"
        "def test_first(shared): pass\n"
        "def test_second(shared): pass\n"
        "def test_quick(): pass\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--write-slow", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    slow = json.loads((tmp_path / "slow.json").read_text(encoding="utf-8"))
    names = ("call", "fixture", "first", "second")  # each of the last two pays when it runs alone
    assert slow.keys() == {"test_other.py", *(f"test_one.py::test_{name}" for name in names)}
    assert max(slow[f"test_one.py::test_{name}"] for name in names) < 0.8  # nobody pays twice
