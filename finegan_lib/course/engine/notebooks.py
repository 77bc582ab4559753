"""Build the notebooks from the lessons, and render them: run them and keep what they show."""

import base64
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from ...base.errors import InputError
from .colab import ROOT
from .contents import with_table
from .folders import TIMINGS, find_lesson, lesson_names, timings
from .guide import leader_guide
from .source import make_notebook

FOLDERS = {"notebooks": False, "solutions": True}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def notebook_path(lesson: str, solved: bool) -> Path:
    """Where a notebook lies."""
    return ROOT / ("solutions" if solved else "notebooks") / f"{lesson}.ipynb"


def build(check: bool = False) -> list[str]:
    """Write every notebook anew from its lesson, the leader's guide and the README's table.

    Outputs of unchanged cells stay.

    Args:
        check: change nothing.

    Returns:
        The notebooks that differed from their source.
    """
    different = []
    wanted = {notebook_path(n, s): (n, s) for n in lesson_names() for s in FOLDERS.values()}
    if not check:
        _renumber(wanted)
    for path, (lesson, solved) in wanted.items():
        old = read(path) if path.exists() else None
        new = keep_outputs(make_notebook(lesson, solved), old)
        if old is None or text(new) != path.read_text(encoding="utf-8"):
            different.append(str(path.relative_to(ROOT)))
            if not check:
                write(new, path)
    front = ROOT / "README.md"
    pages = {ROOT / "solutions" / "README.md": leader_guide()}
    pages[front] = with_table(front.read_text(encoding="utf-8"))
    for page, new in pages.items():
        if not page.exists() or page.read_text(encoding="utf-8") != new:
            different.append(str(page.relative_to(ROOT)))
            if not check:
                page.write_text(new, encoding="utf-8")
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).glob("*.ipynb")):
            if path not in wanted:
                different.append(f"{path.relative_to(ROOT)} (has no lesson)")
    return different


def _renumber(wanted) -> None:
    """Give the notebooks of lessons that got another number their new names."""
    by_name = {}
    for path in wanted:
        others = sorted(path.parent.glob(f"[0-9][0-9]{path.name[2:]}"))
        by_name[path] = [other for other in others if other not in wanted]
    moves = {old[0]: path for path, old in by_name.items() if not path.exists() and len(old) == 1}
    for old, path in moves.items():
        old.rename(path)


def keep_outputs(new, old):
    """Give a new notebook the outputs of the old one's cells with the same source."""
    if old is None:
        return new
    kept = {}
    for cell in old.cells:
        if cell.cell_type == "code":
            kept.setdefault(cell.source, []).append(cell)
    for cell in new.cells:
        if cell.cell_type == "code" and kept.get(cell.source):
            same = kept[cell.source].pop(0)
            cell.outputs, cell.execution_count = same.outputs, same.execution_count
    if "rendered" in old.metadata.get("finegan", {}):
        new.metadata.finegan.rendered = old.metadata.finegan.rendered
    return new


def fingerprint(notebook) -> str:
    """A digest of all code in a notebook. Outputs with another digest are stale."""
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def render(names=(), report=print) -> None:
    """Run notebooks on the CPU with one thread, keep their outputs, and measure their time.

    Args:
        names: of lessons ("01" or "01_gan"); all by default.
        report: called with a line for every notebook.

    Raises:
        InputError: if a cell fails; the notebook keeps its old outputs.
    """
    build()
    for lesson in [find_lesson(name) for name in names] or lesson_names():
        for folder, solved in FOLDERS.items():
            notebook = make_notebook(lesson, solved)
            seconds = execute(notebook)
            notebook.metadata.finegan.rendered = fingerprint(notebook)
            write(notebook, notebook_path(lesson, solved))
            if solved:
                note_time(lesson, seconds)
            report(f"{folder}/{lesson}.ipynb  {seconds:.0f} s of CPU time")
    build()


def note_time(lesson: str, seconds: float) -> None:
    """Write a lesson's time, in steps of 5 s, unless it is within a quarter of the one known."""
    known = timings()
    if abs(seconds - known.get(lesson, 0)) > max(3, 0.25 * known.get(lesson, 0)):
        known[lesson] = max(5, round(seconds / 5) * 5)
        TIMINGS.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


def execute(notebook) -> float:
    """Run a notebook beside the others of its kind, with nothing drawn yet; clean its outputs.

    Returns:
        Seconds of CPU time. With one thread that is what an idle core takes.
    """
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    environment |= ONE_THREAD | {"CUDA_VISIBLE_DEVICES": "", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    environment["FINEGAN_STATIC"] = "1"  # no widgets: they do not work in a rendered notebook
    paths = [str(ROOT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    before = _children_seconds()
    with tempfile.TemporaryDirectory() as folder:
        environment["FINEGAN_CACHE"] = f"{folder}/cache"
        beside = notebook_path(notebook.metadata.finegan.lesson, notebook.metadata.finegan.solved)
        for path in beside.parent.glob("*.ipynb"):  # a lesson may go on with another's parts
            shutil.copy(path, folder)
        client = NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            raise InputError(
                f"a cell of {notebook.metadata.finegan.lesson} fails",
                seen=f"{error.ename}: {error.evalue}",
                cure="Run the notebook in Jupyter to see where.",
            ) from error
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = [clean(output) for output in _merge(cell.outputs)]
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = nbformat.from_dict({"name": "python"})
    return _children_seconds() - before


def _children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _merge(outputs):
    """Outputs without stderr, with neighbouring pieces of printed text made one."""
    merged = []
    for output in outputs:
        if output.output_type == "stream" and output.name == "stderr":
            continue
        if merged and output.output_type == "stream" == merged[-1].output_type:
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def clean(output):
    """An output that says nothing about the machine it was made on."""
    if output.output_type == "stream":
        output.text = re.sub(re.escape(str(ROOT)) + r"/?", "", output.text)
    elif "data" in output:
        output.metadata = nbformat.from_dict({})
        output.data.pop("application/vnd.jupyter.widget-view+json", None)
        if "image/png" in output.data:
            output.data["image/png"] = smaller(output.data["image/png"])
    return output


def smaller(png: str) -> str:
    """A base64 PNG in 128 colours of its own choice: a third of the size, and looks the same."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    file = io.BytesIO()
    image.quantize(128, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def read(path: Path):
    """A notebook of a file.

    Raises:
        InputError: if it is missing or no notebook.
    """
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise InputError(
            "there is no such notebook", seen=str(path), cure="Check the file's name."
        ) from error
    except Exception as error:  # broken JSON, or JSON that is no notebook
        raise InputError(
            "this file is no notebook",
            seen=f"{path} ({(str(error).strip() or 'empty').splitlines()[0][:100]})",
            cure="Save it again in Jupyter, or take a fresh copy from notebooks/.",
        ) from error


def text(notebook) -> str:
    """A notebook as it stands in its file."""
    return nbformat.writes(notebook) + "\n"


def write(notebook, path: Path) -> None:
    """Write a notebook to its file."""
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(notebook), encoding="utf-8")
