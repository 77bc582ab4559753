"""The notebooks' first cells as Colab runs them: a bare environment, an empty folder, no checkout.

Colab is imitated by an environment that has this one's packages but for the library and what Colab
lacks, by a module ``google.colab``, and by a clone of this working tree as the address.
"""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest

from finegan_lib.base.errors import InputError
from finegan_lib.course.engine import colab, source
from finegan_lib.course.engine.folders import lesson_names, timings

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("torch", "torchvision", "numpy")
EXTRAS = {"torchmetrics", "lightning-utilities"}
# Of what is installed here, Colab has neither the library nor these.
MISSING_ON_COLAB = re.compile(
    r"(finegan|__editable__|torchmetrics|lightning_utilities|torch_fidelity|pytorch_fid|jupytext"
    r"|nbval|myst|sphinx|latex2mathml|jupyterlab|pytest|hypothesis|ruff)",
    re.IGNORECASE,
)
UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|Connection (broken|refused|reset)"
    r"|Temporary failure in name resolution|Could not find a version .* setuptools",
)

# Runs in the bare environment: the cells named in cells.json, then writes report.json.
RUNNER = """
import io, json, sys
from contextlib import redirect_stdout
from importlib.metadata import version
from importlib.util import find_spec
from IPython.core.interactiveshell import InteractiveShell

kept, cells, report_path = json.load(open(sys.argv[1]))
def state():
    return {name: [version(name), find_spec(name).origin] for name in kept}
report = {"before": state(), "importable_before": find_spec("finegan_lib") is not None, "cells": []}
shell = InteractiveShell.instance()
for code in cells:
    with redirect_stdout(io.StringIO()) as printed:
        result = shell.run_cell(code)
    error = result.error_before_exec or result.error_in_exec
    report["cells"].append([printed.getvalue(), error and repr(error)])
found = find_spec("finegan_lib")
report |= {"after": state(), "library": found and found.origin}
json.dump(report, open(report_path, "w"))
"""


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A repository with the working tree's files and the release tag, as the course's address."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("needs git and a checkout to clone")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folder = tmp_path / "repository"
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    # In a copy: setuptools builds no package whose pyproject.toml holds a file:// address.
    address = shutil.copy(ROOT / "pyproject.toml", tmp_path / "address.toml")
    monkeypatch.setattr(colab, "PYPROJECT", Path(address))
    colab._write(colab._ADDRESS, folder.as_uri())
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        [*identity, "-c", "commit.gpgsign=false", "commit", "-q", "--no-verify", "-m", "all"],
        ["-c", "tag.gpgsign=false", "tag", colab.release_tag()],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def bare_python(tmp_path):
    """The Python of an environment like Colab's."""
    if os.name == "nt":
        pytest.skip("an environment of symbolic links")
    packages = tmp_path / "packages"  # outside the environment, so pip will not touch it
    packages.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not MISSING_ON_COLAB.match(path.name) and path.suffix != ".pth":
            (packages / path.name).symlink_to(path)
    stand_in = tmp_path / "stand_in"  # no google/__init__.py: others share that namespace
    (stand_in / "google" / "colab").mkdir(parents=True)
    (stand_in / "google" / "colab" / "__init__.py").write_text("")
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "preinstalled.pth").write_text(f"{packages}\n{stand_in}\n")
    return environment / "bin" / "python"


def first_cell(lesson):
    """The text of the bootstrap cell, and the extra packages that it installs."""
    notebook = source.make_notebook(lesson, solved=False)
    (cell,) = (c for c in notebook.cells if "bootstrap" in c.metadata.get("tags", []))
    line, fallback = (line for line in cell.source.splitlines() if "%pip" in line)
    address = re.escape(f"git+{colab.repository()}@{colab.release_tag()}")
    found = re.fullmatch(rf' +%pip install -q --no-deps "{address}"(.*)', line)[1]
    assert fallback.strip() == f'%pip install -q --no-deps "git+{colab.repository()}"{found}'
    return cell.source, found.split()


def imports_of(lesson):
    """Every import statement of a lesson's notebook, to see that Colab can follow it."""
    lines = []
    for cell in source.make_notebook(lesson, solved=True).cells:
        if cell.cell_type == "code" and "%pip" not in cell.source:
            nodes = ast.walk(ast.parse(cell.source))
            lines += [ast.unparse(n) for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)]
    return "\n".join(dict.fromkeys(lines))


def run_cells(python, cells, folder):
    """The report of RUNNER, run in an empty folder, and what the process printed."""
    (folder / "empty").mkdir()
    (folder / "runner.py").write_text(RUNNER)
    (folder / "cells.json").write_text(json.dumps([KEPT, cells, str(folder / "report.json")]))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment |= {"IPYTHONDIR": str(folder / "ipython"), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [python, folder / "runner.py", folder / "cells.json"],
        cwd=folder / "empty",
        env=environment,
        capture_output=True,
        text=True,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert not list((folder / "empty").iterdir())
    return json.loads((folder / "report.json").read_text()), printed


def test_only_pure_python_extras_are_installed_and_never_with_their_dependencies(clone):
    for lesson in lesson_names():
        assert set(first_cell(lesson)[1]) <= EXTRAS, lesson


def without_tag(clone):
    """The repository with the release's tag taken away, on a branch that is not called main."""
    for command in (["tag", "-d", colab.release_tag()], ["branch", "-m", "trunk"]):
        subprocess.run(["git", *command], cwd=clone, check=True, capture_output=True)


def test_badges_open_the_releases_tag_or_else_the_default_branch(clone):
    colab._write(colab._REVISION, "something else")
    assert colab.choose_revision() == colab.revision() == colab.release_tag()
    assert f"/blob/{colab.release_tag()}/notebooks/01_gan.ipynb" in colab.badge_cell(
        "notebooks", "01_gan"
    )
    without_tag(clone)
    assert colab.choose_revision() == colab.revision() == "trunk"
    assert "/blob/trunk/notebooks/01_gan.ipynb" in colab.badge_cell("notebooks", "01_gan")
    shutil.rmtree(clone)
    with pytest.raises(InputError, match=r"gives no answer; got .*Badges keep opening 'trunk'"):
        colab.choose_revision()
    assert colab.revision() == "trunk"


def test_the_first_cell_installs_the_default_branch_where_there_is_no_tag(
    clone, bare_python, tmp_path
):
    without_tag(clone)
    lesson = lesson_names()[0]
    report, printed = run_cells(bare_python, [first_cell(lesson)[0]], tmp_path)
    ((said, error),) = report["cells"]
    found = UNREACHABLE.search(printed + said)
    if found and report["library"] is None:
        pytest.skip(f"pip cannot reach the package registry for setuptools: {found[0]}")
    assert error is None, printed + said
    assert str(bare_python.parents[1]) in str(report["library"])
    assert f"finegan_lib {version('finegan-lib')}" in said


def test_the_first_cells_work_on_colab(clone, bare_python, tmp_path):
    # The first lesson's cell installs the library. The others' would install it again: theirs
    # install their extras only. Lessons with extras come last, so that no other profits by them.
    lessons = sorted(lesson_names(), key=lambda lesson: bool(first_cell(lesson)[1]))
    cells = []
    for lesson in lessons:
        code, extras = first_cell(lesson)
        if cells:
            line = f"%pip install -q --no-deps {' '.join(extras)}" if extras else "pass"
            code = re.sub(r"%pip .*", line, code, count=1)
        cells += [code, imports_of(lesson), f'course.hint("{lesson[:2]}.1")']
    assert not first_cell(lessons[0])[1]
    report, printed = run_cells(bare_python, cells, tmp_path)

    assert not report["importable_before"]
    found = UNREACHABLE.search(printed + report["cells"][0][0])
    if found and report["library"] is None:
        pytest.skip(f"pip cannot reach the package registry for setuptools: {found[0]}")
    assert str(bare_python.parents[1]) in str(report["library"]), printed + report["cells"][0][0]
    assert report["after"] == report["before"]
    for i, lesson in enumerate(lessons):
        for text, error in report["cells"][3 * i : 3 * i + 3]:
            assert error is None, f"{lesson}: {error}\n{text}\n{printed}"
        said = report["cells"][3 * i][0]
        assert f"finegan_lib {version('finegan-lib')}, torch {colab._version('torch')}" in said
        assert f"numpy {colab._version('numpy')}" in said
        assert re.search(r"· CPU, \d+ cores, no GPU · ", said)
        assert "GPU off: Runtime → Change runtime type → T4 GPU." in said
        minutes = r"about \d+ minutes? on a CPU" if lesson in timings() else "not measured yet"
        assert re.search(minutes, said)
