"""Recorded trainings: what takes too long in a lesson is trained once, and its pictures are kept.

A lesson with such trainings has a file ``recorded.py`` with ``RECORDINGS``, a tuple of `Plan`. The
command ``python -m finegan_lib.course record`` trains them and writes into the folder ``figures``
of the lesson: ``NAME.png``, all pictures in a grid, pixel by pixel, and ``recorded.json``, the
names of rows and columns, the losses, the settings and the command.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...base.errors import InputError
from ...base.files import read_json, write_json
from .folders import LESSONS, find_lesson, lesson_module, lesson_names

FACTS = "recorded.json"


@dataclass(frozen=True)
class Recording:
    """Pictures of a training in rows and columns, and its losses.

    Args:
        pictures: (rows, columns, 3, S, S) in [-1, 1]. Kept in steps of 1/127.5.
        rows, columns: their names.
        steps: of the training.
        settings: all other settings of the training; values that JSON can hold.
        start: losses of the first step. A test compares them with what the lesson gives today.
        curves: name → numbers: losses, as means over equal parts of the training, and others.
    """

    pictures: Tensor
    rows: list[str]
    columns: list[str]
    steps: int
    settings: dict
    start: dict[str, float]
    curves: dict[str, list[float]]

    def __post_init__(self):
        if self.pictures.shape[:2] != (len(self.rows), len(self.columns)):
            raise InputError(
                "a recording needs a name for each row and column of its pictures",
                seen=f"{tuple(self.pictures.shape)}, {len(self.rows)}, {len(self.columns)}",
                cure="Give as many names as there are rows and columns.",
            )


@dataclass(frozen=True)
class Plan:
    """One training that a lesson records.

    Args:
        names: of the recordings that it gives.
        run: number of steps → name → `Recording`. A test calls it with a few steps.
        steps: of the training that is kept.
    """

    names: tuple[str, ...]
    run: Callable[[int], dict[str, Recording]]
    steps: int


def thin(values: list[float], points: int = 60) -> list[float]:
    """Means over equal parts of a curve, about so many; what is left over at its end is dropped."""
    part = max(1, len(values) // points)
    whole = torch.tensor(values[: len(values) // part * part], dtype=torch.float64)
    return whole.reshape(-1, part).mean(1).tolist()


def rgb(images: Tensor) -> Tensor:
    """Pictures (N, 3, S, S) as they are; masks (N, 1, S, S) in [0, 1] as grey ones in [-1, 1]."""
    return images if images.shape[1] == 3 else (2 * images - 1).expand(-1, 3, -1, -1)


def command(lesson: str) -> str:
    """The command that makes the recordings of a lesson."""
    return f"python -m finegan_lib.course record {lesson[3:]}"


def folder(lesson: str) -> Path:
    """Where a lesson's recordings lie."""
    return LESSONS / lesson / "figures"


def plans(lesson: str) -> tuple[Plan, ...]:
    """What a lesson records; empty if it records nothing."""
    if not (LESSONS / lesson / "recorded.py").is_file():
        return ()
    return lesson_module(lesson, "recorded").RECORDINGS


def record(names: Iterable[str] = (), only: Iterable[str] = (), report=print) -> None:
    """Train what lessons record and keep it, with one thread on the CPU.

    Args:
        names: of lessons; all that record something by default.
        only: of recordings; all of these lessons by default.
        report: called with a line for each recording.

    Raises:
        InputError: for a lesson that records nothing, or a recording that no lesson makes.
    """
    lessons = [find_lesson(name) for name in names] or lesson_names()
    made_there = {name for lesson in lessons for plan in plans(lesson) for name in plan.names}
    unknown = sorted(set(only) - made_there)
    if unknown or not made_there:
        raise InputError(
            "no training of this name is recorded",
            seen=f"{', '.join(lessons)}: {', '.join(unknown) or 'nothing'}",
            cure=f"Choose of {', '.join(sorted(made_there)) or 'lessons with a recorded.py'}.",
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for lesson in lessons:
            for plan in plans(lesson):
                if only and not set(only) & set(plan.names):
                    continue
                for name, made in plan.run(plan.steps).items():
                    report(f"{keep(lesson, name, made).name}: {made.steps:,} steps")
    finally:
        torch.set_num_threads(threads)


def keep(lesson: str, name: str, made: Recording) -> Path:
    """Write one recording; returns the file of its pictures."""
    place = folder(lesson)
    facts = {key: value for key, value in asdict(made).items() if key not in ("pictures", "curves")}
    size = made.pictures.shape[-1]
    facts = {"command": command(lesson), "size": size} | facts
    facts["start"] = {k: float(f"{v:.5g}") for k, v in made.start.items()}
    facts["curves"] = {k: [float(f"{v:.4g}") for v in values] for k, values in made.curves.items()}
    path = place / FACTS
    known = read_json(path) if path.exists() else {}
    bytes_ = ((made.pictures.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    n_rows, n_columns = bytes_.shape[:2]
    sheet = bytes_.permute(0, 3, 1, 4, 2).reshape(n_rows * size, n_columns * size, 3)
    place.mkdir(exist_ok=True)
    Image.fromarray(sheet.numpy()).save(place / f"{name}.png", optimize=True)
    write_json(path, dict(sorted((known | {name: facts}).items())))
    return place / f"{name}.png"


def load(lesson: str, name: str) -> Recording:
    """A recording as it was kept.

    Args:
        lesson: "child", "06" or "06_child".
        name: of the recording.

    Raises:
        InputError: if there is none of this name.
    """
    lesson = find_lesson(lesson)
    facts = read_json(folder(lesson) / FACTS)
    if name not in facts:
        raise InputError(
            "there is no such recording", seen=name, cure=f"Choose one of {', '.join(facts)}."
        )
    found, shape = facts[name], (len(facts[name]["rows"]), len(facts[name]["columns"]))
    sheet = np.asarray(Image.open(folder(lesson) / f"{name}.png").convert("RGB"))
    size = found["size"]
    tiles = torch.tensor(sheet).reshape(shape[0], size, shape[1], size, 3).permute(0, 2, 4, 1, 3)
    kept = {key: found[key] for key in ("rows", "columns", "steps", "settings", "start", "curves")}
    return Recording(tiles.float() / 127.5 - 1, **kept)


def recorded(lesson: str, name: str) -> Recording:
    """:func:`load`, and a line that says that these pictures are recorded, and by which command."""
    found = load(lesson, name)
    print(f"{name}: recorded, {found.steps:,} steps, by {command(find_lesson(lesson))}")
    return found
