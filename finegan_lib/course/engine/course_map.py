"""The two pictures of the README, drawn: the map of the course, and what its network draws."""

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from ... import figures
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


def draw_stages(checkpoint: str = "toy", columns: int = 9) -> plt.Figure:
    """Background, shape and finished bird of some children, one column each.

    Args:
        checkpoint: of a FineGAN.
        columns: children, evenly spread.
    """
    generator = load_finegan(checkpoint)
    children = figures.spread(generator.config.n_children, columns)
    z = figures.noise(generator, len(children), 0)
    out = figures.draw(generator, generator.config.hierarchy().codes(z, children))
    rows = {
        "background": out.background.image,
        "shape": out.parent.mask,
        "appearance": out.child.image,
    }
    title = "Drawn in three stages, learnt without a single name of a species"
    return figures.image_figure([list(row) for row in rows.values()], list(rows), None, title, 1.0)


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
