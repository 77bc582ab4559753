"""The two pictures of the README, drawn: the map of the course, and what its network draws."""

from collections import Counter
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from ... import figures
from ...base.files import WEIGHTS
from ...training.pretrained import load_finegan
from .. import style
from .colab import ROOT
from .contents import lesson_facts
from .folders import lesson_names

COLOURS = (style.SKY, style.GREEN, style.ORANGE, style.PURPLE)  # of the parts of the course
WIDTH, HEIGHT, STEP_X, STEP_Y = 2.5, 1.0, 2.95, 1.75


FILE = ROOT / "notebooks" / "course_map.png"
STAGES_FILE = ROOT / "notebooks" / "stages.png"


# What each network of the front picture learned from; those that are not shipped are left out.
FRONT = {"toy": "learned from drawn birds", "birds": "learned from photographs"}
# The front picture shows these children of "birds", each with the seed of its z: chosen by eye
# among 50 children and 16 seeds each, because the front page is to show what the network can do.
# Lesson "Real birds" shows children that nobody chose.
CHOSEN = {"birds": {10: 4, 19: 1, 28: 0, 34: 4, 41: 1}}
GAP, HEADING = 0.3, 0.25  # between two networks and above them, in inches


def draw_stages(checkpoints=None, columns: int | None = None) -> plt.Figure:
    """Background, shape and finished bird of some children, one column each.

    Args:
        checkpoints: names of FineGANs, side by side; by default the shipped ones of ``FRONT``.
        columns: children of each, evenly spread. None: nine of one network, or five of each of
            several, those of :data:`CHOSEN` if there are any.
    """
    checkpoints = checkpoints or [
        name for name in FRONT if (WEIGHTS / f"{name}.safetensors").exists()
    ]
    chosen = CHOSEN if columns is None and len(checkpoints) > 1 else {}
    columns = columns or (9 if len(checkpoints) == 1 else 5)
    rows = {"background": [], "shape": [], "appearance": []}
    for name in checkpoints:
        generator = load_finegan(name)
        if name in chosen:
            children = list(chosen[name])
            z = torch.cat([figures.noise(generator, 1, seed) for seed in chosen[name].values()])
        else:
            children = figures.spread(generator.config.n_children, columns)
            z = figures.noise(generator, len(children), 0)
        out = figures.generate(generator, generator.config.hierarchy().codes(z, children))
        rows["background"] += out.background.image
        rows["shape"] += out.parent.mask
        rows["appearance"] += out.child.image
    title = "Generated in three stages, learned without a single name of a species"
    figure = figures.image_figure(list(rows.values()), list(rows), None, title, 1.0)
    if len(checkpoints) > 1:
        _part(figure, columns, [FRONT.get(name, name) for name in checkpoints])
    return figure


def _part(figure, columns, headings):
    """Move the networks' columns apart and write a heading above each."""
    width, height = figure.get_size_inches()
    places = [axis.get_position() for axis in figure.axes]
    wider, taller = width + GAP * (len(headings) - 1), height + HEADING
    figure.set_size_inches(wider, taller)
    n_columns = columns * len(headings)
    for k, (axis, place) in enumerate(zip(figure.axes, places, strict=True)):
        block, column = divmod(k % n_columns, columns)
        left = place.x0 * width + GAP * block
        inches = left, place.y0 * height, place.width * width, place.height * height
        axis.set_position([a / b for a, b in zip(inches, (wider, taller) * 2, strict=True)])
        if k < n_columns and column == 0:
            y = (place.y1 * height + 0.06) / taller
            figure.text(left / wider, y, headings[block], fontsize=9, va="bottom")
    figure.suptitle(figure.get_suptitle(), fontsize=11, y=1 - 0.08 / taller, va="top")


def stations() -> list[tuple[str, str, str, str, int, int]]:
    """Every lesson: number, title, what it is about, part; and its column and row on the map.

    A part of the course is a row, the first on top. Read from the lessons' headers.
    """
    headers = {lesson: lesson_facts(lesson) for lesson in lesson_names()}
    parts = list(dict.fromkeys(facts["part"] for facts in headers.values()))
    placed, columns = [], Counter()
    for lesson, facts in headers.items():
        part = facts["part"]
        row = len(parts) - 1 - parts.index(part)
        placed.append((lesson[:2], facts["title"], facts["about"], part, columns[part], row))
        columns[part] += 1
    return placed


def draw_map(checkpoint: str = "toy") -> plt.Figure:
    """The lessons in reading order, a row for each part, and a bird in its three stages.

    Args:
        checkpoint: whose bird.
    """
    placed = stations()
    rows = {part: row for *_, part, _, row in placed}
    columns = max(4, 1 + max(column for *_, column, _ in placed))
    last = sum(row == 0 for *_, row in placed)  # lessons in the lowest row
    size = (columns - 1) * STEP_X + WIDTH, (len(rows) - 1) * STEP_Y + HEIGHT
    figure, axis = plt.subplots(figsize=(0.98 * (size[0] + 1.9), 1.03 * (size[1] + 0.5)))
    axis.set_axis_off()
    axis.set_aspect("equal")
    for part, row in rows.items():
        y = row * STEP_Y + HEIGHT / 2
        axis.text(-0.3, y, part, ha="right", va="center", color=_colour(rows, row), fontsize=12)
    corners = [(column * STEP_X, row * STEP_Y) for *_, column, row in placed]
    for (number, title, about, _, _, row), (x, y) in zip(placed, corners, strict=True):
        colour = _colour(rows, row)
        box = FancyBboxPatch(
            (x, y), WIDTH, HEIGHT, boxstyle="round,pad=0.06", fc=colour + "33", ec=colour, lw=1.6
        )
        axis.add_patch(box)
        axis.text(
            x + 0.1, y + 0.68, f"{number}  {title}", va="center", fontsize=11.5, weight="bold"
        )
        axis.text(x + 0.1, y + 0.27, about, va="center", fontsize=9)
    for before, after in pairwise(corners):
        _arrow(axis, before, after)
    if last < columns:
        _bird(axis, checkpoint, (columns - 1) * STEP_X - 0.1, 0.12)
    axis.set(xlim=(-1.75, size[0] + 0.2), ylim=(-0.25, size[1] + 0.2))
    return figure


def _colour(rows, row) -> str:
    return COLOURS[(len(rows) - 1 - row) % len(COLOURS)]


def _arrow(axis, start, end):
    (x, y), (u, v) = start, end
    if y == v:
        ends = (x + WIDTH + 0.07, y + HEIGHT / 2), (u - 0.07, v + HEIGHT / 2)
    else:  # on to the next row
        ends = (x + WIDTH / 2, y - 0.07), (u + WIDTH / 2, v + HEIGHT + 0.07)
    patch = FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=12, color=style.GREY, lw=1.2)
    axis.add_patch(patch)


@torch.no_grad()
def _bird(axis, checkpoint, left, bottom):
    generator = load_finegan(checkpoint)
    hierarchy = generator.config.hierarchy()
    z = torch.zeros(1, generator.config.z_dim)
    z[0, 0] = -1.0
    codes = hierarchy.codes(z, torch.tensor([6]))
    out = generator(codes)
    pictures = {
        "background": out.background.image,
        "shape": out.parent.mask,
        "finished": out.child.image,
    }
    side = 0.88
    for i, (name, picture) in enumerate(pictures.items()):
        x, y = left + i * (side + 0.06), bottom
        place = (x, x + side, y, y + side)
        figures.show(axis, picture[0], extent=place, interpolation="nearest", zorder=3)
        axis.text(x + side / 2, y - 0.14, name, ha="center", va="center", fontsize=8.5)
