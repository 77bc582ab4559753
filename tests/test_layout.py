"""The layout: imports between the parts of finegan_lib run one way, and few files lie outside."""

import ast
import inspect
import re
from graphlib import TopologicalSorter
from pathlib import Path

import finegan_lib
from finegan_lib.systems import FineGANSystem

PACKAGE = Path(finegan_lib.__file__).parent


def imported(path: Path):
    """The parts of this package that a file imports from, inside functions too."""
    inside = path.relative_to(PACKAGE).parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".") if node.module else []
            if node.level:
                parts = [*inside[: len(inside) - node.level], *parts]
            elif parts[0] != "finegan_lib":
                continue
            else:
                parts = parts[1:]
            yield from [parts[0]] if parts else [alias.name for alias in node.names]


def arrows() -> dict[str, set[str]]:
    """part → the parts that it imports from; a file at the top is a part of its own."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        targets = {name for name in imported(path) if name != part and not name.startswith("__")}
        found.setdefault(part, set()).update(targets)
    return found


def test_no_import_runs_back_up():
    """Somebody who reads a part needs the parts below it only: there is no circle."""
    order = list(TopologicalSorter(arrows()).static_order())  # raises CycleError otherwise
    assert order.index("base") < order.index("models") < order.index("systems")
    assert order.index("systems") < order.index("families") < order.index("training")


def test_a_part_needs_lower_rows_of_the_readme_only():
    """finegan_lib/README.md lists every part, from the top down."""
    text = (PACKAGE / "README.md").read_text(encoding="utf-8").split("## Two walks")[0]
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    parts = [re.findall(r"`([\w.]+?)(?:\.py|/)?`", row) for row in rows]
    place = {part: i for i, row in enumerate(parts) for part in row}
    assert place.keys() == arrows().keys() - {"__init__"}
    for part, targets in arrows().items():
        assert all(place[part] <= place[target] for target in targets), part


def test_few_files_lie_outside_the_parts():
    assert len([path for path in PACKAGE.iterdir() if path.is_file()]) <= 8


def test_the_papers_step_reads_alone():
    """From the four optimisers to the three updates: at most a hundred lines, and no switch."""
    source = inspect.getsource(FineGANSystem)
    step = source[source.index("self.optimisers = {") :]
    assert len(step.splitlines()) <= 100
    tree = ast.parse("class Step:\n" + source.split("\n", 1)[1])
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.If | ast.IfExp)]


def test_the_library_is_small_enough_to_know():
    assert len(arrows()) <= 20
    assert sum(map(len, arrows().values())) <= 120


def test_a_file_has_at_most_500_lines():
    """Lessons are exempt: they are texts."""
    lengths = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
        if "lessons" not in path.parts
    }
    assert {name: n for name, n in lengths.items() if n > 500} == {}


def test_a_name_has_one_meaning():
    """Of classes, and of functions that once had a namesake in another part."""
    functions = {"read_pictures", "read_scored", "train_segmenter", "train_mask_reader"}
    functions |= {"read_photographs", "augment", "perturb"}
    homes: dict[str, list[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        if "lessons" in path.parts:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) or getattr(node, "name", None) in functions:
                homes.setdefault(node.name, []).append(path.relative_to(PACKAGE).as_posix())
    # A file of annotations, and a data set on the web: no module needs both.
    assert sorted(homes.pop("Source")) == ["data/annotations.py", "data/sources.py"]
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}
