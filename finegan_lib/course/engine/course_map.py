"""The two pictures of the README, drawn: the map of the course, and what its network draws."""

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from ... import figures
from ...base.files import WEIGHTS
from ...pretrained import load_finegan
from .. import style
from .colab import ROOT

# Number, name, what it is about, column, row.
STATIONS = (
    ("00", "Start here", "the question, ToyBirds", 0, 2),
    ("01", "GAN", "painter and critic", 1, 2),
    ("02", "InfoGAN", "codes that mean a thing", 2, 2),
    ("03", "Background", "patches, and no birds", 0, 1),
    ("04", "Parent", "a mask: the shape", 1, 1),
    ("05", "Child", "looks; the whole model", 2, 1),
    ("06", "Codes", "sweeps and factors", 3, 1),
    ("07", "Training", "the loop, its failures", 0, 0),
    ("08", "Image quality", "IS, FID; Tables 1 and 2", 1, 0),
    ("09", "Discovery", "sorting birds; Table 3", 2, 0),
    ("10", "Gallery", "play; what came after", 3, 0),
)
ROWS = {
    2: ("the ancestors", style.SKY),
    1: ("FineGAN", style.GREEN),
    0: ("is it any good?", style.ORANGE),
}
WIDTH, HEIGHT, STEP_X, STEP_Y = 2.5, 1.0, 2.95, 1.75


FILE = ROOT / "notebooks" / "course_map.png"
STAGES_FILE = ROOT / "notebooks" / "stages.png"


# What each network of the front picture learned from; those that are not shipped are left out.
FRONT = {"toy": "learned from drawn birds", "birds": "learned from photographs"}
GAP, HEADING = 0.3, 0.25  # between two networks and above them, in inches


def draw_stages(checkpoints=None, columns: int | None = None) -> plt.Figure:
    """Background, shape and finished bird of some children, one column each.

    Args:
        checkpoints: names of FineGANs, side by side; by default the shipped ones of ``FRONT``.
        columns: children of each, evenly spread; by default nine for one network, five for several.
    """
    checkpoints = checkpoints or [
        name for name in FRONT if (WEIGHTS / f"{name}.safetensors").exists()
    ]
    columns = columns or (9 if len(checkpoints) == 1 else 5)
    rows = {"background": [], "shape": [], "appearance": []}
    for name in checkpoints:
        generator = load_finegan(name)
        children = figures.spread(generator.config.n_children, columns)
        z = figures.noise(generator, len(children), 0)
        out = figures.draw(generator, generator.config.hierarchy().codes(z, children))
        rows["background"] += out.background.image
        rows["shape"] += out.parent.mask
        rows["appearance"] += out.child.image
    title = "Drawn in three stages, learned without a single name of a species"
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


def draw_map(checkpoint: str = "toy") -> plt.Figure:
    """The eleven lessons in reading order, and in the corner a bird in its three stages.

    Args:
        checkpoint: whose bird.
    """
    figure, axis = plt.subplots(figsize=(11.6, 5.2))
    axis.set(xlim=(-1.75, 3 * STEP_X + WIDTH + 0.1), ylim=(-0.45, 2 * STEP_Y + HEIGHT + 0.75))
    axis.set_aspect("equal")
    axis.axis("off")
    axis.set_title("The course: eleven notebooks", fontsize=15)
    for row, (name, colour) in ROWS.items():
        axis.text(
            -0.3,
            row * STEP_Y + HEIGHT / 2,
            name,
            ha="right",
            va="center",
            color=colour,
            fontsize=12,
        )
    corners = [(column * STEP_X, row * STEP_Y) for *_, column, row in STATIONS]
    for (number, name, about, _, row), (x, y) in zip(STATIONS, corners, strict=True):
        colour = ROWS[row][1]
        box = FancyBboxPatch(
            (x, y), WIDTH, HEIGHT, boxstyle="round,pad=0.06", fc=colour + "33", ec=colour, lw=1.6
        )
        axis.add_patch(box)
        axis.text(x + 0.1, y + 0.68, f"{number}  {name}", va="center", fontsize=11.5, weight="bold")
        axis.text(x + 0.1, y + 0.27, about, va="center", fontsize=9)
    for before, after in zip(range(10), range(1, 11), strict=True):
        _arrow(axis, corners[before], corners[after])
    _bird(axis, checkpoint)
    return figure


def _arrow(axis, start, end):
    (x, y), (u, v) = start, end
    if y == v:
        ends = (x + WIDTH + 0.07, y + HEIGHT / 2), (u - 0.07, v + HEIGHT / 2)
    else:  # on to the next row
        ends = (x + WIDTH / 2, y - 0.07), (u + WIDTH / 2, v + HEIGHT + 0.07)
    patch = FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=12, color=style.GREY, lw=1.2)
    axis.add_patch(patch)


@torch.no_grad()
def _bird(axis, checkpoint):
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
    left, side = 3 * STEP_X - 0.1, 0.88
    for i, (name, picture) in enumerate(pictures.items()):
        x, y = left + i * (side + 0.06), 2 * STEP_Y + 0.12
        place = (x, x + side, y, y + side)
        figures.show(axis, picture[0], extent=place, interpolation="nearest", zorder=3)
        axis.text(x + side / 2, y - 0.14, name, ha="center", va="center", fontsize=8.5)
    axis.set(xlim=(-1.75, 3 * STEP_X + WIDTH + 0.2), ylim=(-0.25, 2 * STEP_Y + HEIGHT + 0.2))
