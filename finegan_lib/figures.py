"""Every figure of the paper: one function each, from a generator and a seed to a matplotlib Figure.

No function trains. Figure numbers are the paper's. ``size`` is the side of one image in inches.
"""

import re
import textwrap
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from matplotlib.figure import Figure
from torch import Tensor

from .codes import Codes
from .losses import colour_statistics
from .models import (
    FineGANGenerator,
    FineGANOutput,
    InfoGANBaselineGenerator,
    LRGANGenerator,
    StackGANGenerator,
)
from .models.generators import final_image, random_output

# Okabe and Ito's palette (2008): colour-blind people can tell these colours apart.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")


@torch.no_grad()
def generate(generator: FineGANGenerator, codes: Codes) -> FineGANOutput:
    """The generator's output for some codes, in evaluation mode. Its own mode does not change."""
    training = generator.training
    generator.eval()
    try:
        return generator(codes.to(next(generator.parameters()).device))
    finally:
        generator.train(training)


def noise(generator: FineGANGenerator, n: int, seed: int) -> Tensor:
    """z (n, z_dim) of a seed."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, generator.config.z_dim, generator=rng)


def spread(n: int, most: int) -> list[int]:
    """At most ``most`` of the indices 0 … n − 1, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)).tolist()


def stagewise(
    generator: FineGANGenerator, seed: int = 0, columns: int = 10, size: float = 0.9
) -> Figure:
    """Figure 3: how an image is made, stage by stage. One column per image.

    From top to bottom: background B; parent mask, parent image P; child mask, child foreground
    under its mask, child image C.
    """
    children = spread(generator.config.n_children, columns)
    codes = generator.config.hierarchy().codes(noise(generator, len(children), seed), children)
    out = generate(generator, codes)
    rows = {
        "background\n$B$": out.background.image,
        "parent mask\n$M_p$": out.parent.mask,
        "parent\n$P$": out.parent.image,
        "child mask\n$M_c$": out.child.mask,
        "masked child\n$M_c F_c$": out.child.masked_foreground,
        "child\n$C$": out.child.image,
    }
    grid = [list(images) for images in rows.values()]
    title = "Stage by stage: background, then shape, then appearance"
    return image_figure(grid, list(rows), [f"c={c}" for c in children], title, size)


def parent_child_noise(
    generator: FineGANGenerator,
    seed: int = 0,
    columns: int = 8,
    parents: int = 5,
    children: int = 3,
    size: float = 0.9,
) -> Figure:
    """Figure 4: p against c against z.

    Rows come in groups of one parent p, each row another child c; every column has its own z. The
    background code is the same everywhere.
    """
    hierarchy = generator.config.hierarchy()
    rows = [
        (p, c)
        for p in spread(hierarchy.n_parents, parents)
        for c in hierarchy.children_of(p)[:children]
    ]
    z = noise(generator, columns, seed).repeat(len(rows), 1)
    c = torch.tensor([c for _, c in rows]).repeat_interleave(columns)
    images = generate(generator, hierarchy.codes(z, c, b_index=0)).child.image
    grid = [list(row) for row in images.split(columns)]
    names = [f"p={p}, c={c}" for p, c in rows]
    columns = [f"$z_{{{i}}}$" for i in range(columns)]
    return image_figure(
        grid, names, columns, "p sets the shape, c the appearance, z the pose", size
    )


def parent_by_child(
    generator: FineGANGenerator,
    seed: int = 0,
    parents: int = 5,
    children: int = 10,
    size: float = 0.9,
) -> Figure:
    """Figure 5: every parent (row) with every child (column), so p and c are not tied.

    A row has one shape, a column one appearance. z and b are the same everywhere.
    """
    hierarchy = generator.config.hierarchy()
    p = torch.tensor(spread(hierarchy.n_parents, parents))
    c = torch.tensor(spread(hierarchy.n_children, children))
    z = noise(generator, 1, seed).expand(len(p) * len(c), -1)
    p_index, c_index = p.repeat_interleave(len(c)), c.repeat(len(p))
    codes = hierarchy.codes(z, c_index, p_index=p_index, b_index=0)
    images = generate(generator, codes).child.image
    grid = [list(row) for row in images.split(len(c))]
    title = "Any shape with any appearance: parent codes (rows) × child codes (columns)"
    names = [f"p={i}" for i in p.tolist()], [f"c={i}" for i in c.tolist()]
    return image_figure(grid, *names, title, size)


def parents_sheet(
    generator: FineGANGenerator,
    seed: int = 0,
    columns: int = 6,
    question: str = "Which rows show the shape of one whole object?",
    size: float = 0.8,
) -> Figure:
    """Every parent a row, as a sheet that people can judge: pairs of parent mask and child image.

    Each pair has a z of its own, and the parent's children take turns.
    """
    hierarchy, z = generator.config.hierarchy(), noise(generator, columns, seed)
    grid = []
    for parent in range(hierarchy.n_parents):
        children = torch.as_tensor(hierarchy.children_of(parent))
        out = generate(
            generator, hierarchy.codes(z, children[torch.arange(columns) % len(children)])
        )
        pairs = zip(out.parent.mask, out.child.image, strict=True)
        grid.append([image for pair in pairs for image in pair])
    names = [f"parent {parent}" for parent in range(hierarchy.n_parents)]
    return image_figure(grid, names, ["mask", "picture"] * columns, question, size)


def background_swap(
    generator: FineGANGenerator, seed: int = 0, columns: int = 8, size: float = 0.9
) -> Figure:
    """Background against foreground: b fixed while p and c vary, then b varied for one bird."""
    hierarchy = generator.config.hierarchy()
    z = noise(generator, 1, seed).expand(columns, -1)
    some = torch.tensor(spread(hierarchy.n_children, columns))
    z, same = z[: len(some)], torch.zeros(len(some), dtype=torch.long)
    rows = {
        f"b={b} fixed,\np and c vary": hierarchy.codes(z, some, b_index=b)
        for b in some[:2].tolist()
    }
    for c in spread(hierarchy.n_children, 4)[1:3]:
        rows[f"c={c} fixed,\nb varies"] = hierarchy.codes(z, same + c, b_index=some)
    grid = [list(generate(generator, codes).child.image) for codes in rows.values()]
    return image_figure(grid, list(rows), None, "The bird and its background come apart", size)


def factor_matrix(matrix, codes="bpcz", factors=("background", "shape", "appearance", "pose")):
    """Heat map: how much each factor changes (column) when one code alone is sampled again (row).

    Args:
        matrix: (4, 4) array, 1 where a factor changes as much as when every code is sampled again.
    """
    figure, axes = plt.subplots(figsize=(4.6, 3.8), layout="constrained")
    sns.heatmap(
        np.asarray(matrix),
        annot=True,
        fmt=".2f",
        vmin=0,
        vmax=1,
        cmap="viridis",
        square=True,
        xticklabels=list(factors),
        yticklabels=list(codes),
        cbar_kws={"label": "change, 1 = all codes sampled again"},
        ax=axes,
    )
    axes.set(
        xlabel="factor of the image", ylabel="code sampled again", title="Which code moves what"
    )
    axes.tick_params(axis="y", rotation=0)
    return figure


# ------------------------------------------------------------------------------- baselines


def samples(generator: torch.nn.Module, seed: int = 0, columns: int = 10, rows: int = 4) -> Figure:
    """Random images of a generator of any family."""
    images = final_image(random_output(generator, rows * columns, seed))
    grid = [list(row) for row in images.split(columns)]
    return image_figure(grid, title="Images of random codes")


@torch.no_grad()
def infogan_codes(
    generator: InfoGANBaselineGenerator, seed: int = 0, columns: int = 10, rows: int = 4
) -> Figure:
    """The InfoGAN baseline: one child code a column, one noise a row.

    The loss does not say that the code is about the bird: see what else is equal in a column.
    """
    children = spread(generator.config.n_children, columns)
    z = noise(generator, rows, seed).repeat_interleave(len(children), 0)
    c = torch.eye(generator.config.n_children)[children].repeat(rows, 1)
    grid = [list(row) for row in generator(z, c).split(len(children))]
    names = [f"$z_{{{i}}}$" for i in range(rows)]
    title = "InfoGAN: one code (columns) for the whole image, background and all"
    return image_figure(grid, names, [f"c={c}" for c in children], title)


def lr_gan_layers(generator: LRGANGenerator, seed: int = 0, columns: int = 8) -> Figure:
    """LR-GAN: background; each object and its mask as generated; both as pasted; the image.

    One image a column. The scale of the pose is above its object: 1.5 draws it at 2/3 of its size.
    """
    output = random_output(generator, columns, seed)
    rows = {"background\n$x_1$": output.background}
    for t, drawn in enumerate(output.objects, start=2):
        pasted = drawn.pasted
        rows |= {
            f"object\n$f_{t}$": drawn.foreground,
            f"mask\n$m_{t}$": drawn.mask,
            f"warped mask\n$\\hat{{m}}_{t}$": pasted.mask,
            f"pasted\n$\\hat{{m}}_{t} \\hat{{f}}_{t}$": pasted.masked_foreground,
            f"image\n$x_{t}$": pasted.image,
        }
    theta = output.objects[0].theta
    scales = (theta[:, 0, 0] + theta[:, 1, 1]) / 2
    names = [f"scale {scale:.2f}" for scale in scales.tolist()]
    title = "LR-GAN: an object is generated, shrunk and moved by a learned pose, and pasted"
    return image_figure([list(images) for images in rows.values()], list(rows), names, title)


def stackgan_pyramid(generator: StackGANGenerator, seed: int = 0, columns: int = 8) -> Figure:
    """StackGAN-v2: every image at every scale, and its mean colour at each, side by side.

    If the parts of a swatch have no visible border, the scales agree on the colours.
    """
    pyramid = random_output(generator, columns, seed)
    sizes = generator.config.sizes
    rows = {f"{size} px": images for size, images in zip(sizes, pyramid, strict=True)}
    means = [colour_statistics(images)[0] for images in pyramid]
    swatches = torch.stack(means, 2)[:, :, None].repeat_interleave(12, 3)
    rows["mean colour\n" + " | ".join(map(str, sizes))] = swatches.expand(
        -1, -1, 12 * len(sizes), -1
    )
    title = "StackGAN-v2: one image at several scales, each with a discriminator of its own"
    return image_figure([list(images) for images in rows.values()], list(rows), None, title)


class Panel(NamedTuple):
    """A column of dots in :func:`ablation`: its label, its range, and which end is better."""

    label: str
    limits: tuple[float, float] = (0, 1)
    lower_is_better: bool = False


ABLATION_PANELS = {
    "mask_iou": Panel("Mask: IoU"),
    "nmi_parent": Panel("Shape: NMI with p"),
    "nmi_child": Panel("Appearance: NMI with c"),
    "real_child_nmi": Panel("Real birds: NMI of the child"),
}
PHOTO_PANELS = {
    "kid": Panel("KID\n(lower is better)", (0, 0.2), lower_is_better=True),
    "ami": Panel("AMI of the\ncategories", (0, 0.2)),
    "kept_surroundings": Panel("category kept in\nother surroundings"),
    "parents_differ": Panel("parents that\ndiffer, of 10", (0, 10)),
    "children_differ": Panel("children that\ndiffer, of 50", (0, 50)),
}


def ablation(results: dict, panels: dict[str, Panel] = ABLATION_PANELS) -> Figure:
    """The scores after each change of the recipe, a dot for each training.

    Args:
        results: of :func:`finegan_lib.experiments.ablation.read_results`; the first row is the
            whole recipe. Its range over the seeds is shaded: smaller differences may be chance.
        panels: the scores to show, by their names in ``results``.
    """
    names, base = list(results), next(iter(results.values()))
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(10.4, 0.24 * len(names) + 1.2),
        sharey=True,
        layout="constrained",
    )
    for axis, (key, panel) in zip(axes, panels.items(), strict=True):
        axis.axvspan(min(base[key]), max(base[key]), color=PALETTE[5], alpha=0.35, lw=0)
        for row, name in enumerate(names):
            values = results[name][key]
            colour = PALETTE[1] if _all_worse(values, base[key], panel) else PALETTE[0]
            axis.plot(values, [row] * len(values), "o", ms=5, color=colour, alpha=0.9)
        low, high = panel.limits
        edge = 0.04 * (high - low)  # a dot on a limit is whole
        axis.set(xlabel=panel.label, xlim=(low - edge, high + edge))
        axis.set_xticks([low, (low + high) / 2, high])
        axis.grid(axis="y", color="0.9")
        axis.set_axisbelow(True)
    axes[0].set(
        yticks=range(len(names)), yticklabels=names, ylabel="left out, or switched on (with …)"
    )
    axes[0].get_yticklabels()[0].set_fontweight("bold")
    axes[0].invert_yaxis()
    figure.suptitle("What each addition is worth: one change at a time (shaded: no change)")
    return figure


def _all_worse(values, base, panel: Panel) -> bool:
    """Whether every training is worse than the worst one of the whole recipe."""
    return min(values) > max(base) if panel.lower_is_better else max(values) < min(base)


def image_figure(grid, row_names=None, column_names=None, title="", size=0.9) -> Figure:
    """A grid of images with names on its left and top.

    Args:
        grid: rows of tensors: (3, H, W) in [-1, 1], or masks (1, H, W) in [0, 1].
        row_names, column_names: one per row and column, or None.
        title: of the figure.
        size: of one image, in inches.
    """
    n_rows, n_columns = len(grid), max(map(len, grid))
    gap, edge = 0.04, 0.08
    # Inches: a letter is about 0.07 wide in the names (8 points), 0.09 in the title (11 points).
    letters = max(
        len(re.sub(r"[${}_]", "", line)) for line in "\n".join(row_names or [""]).split("\n")
    )
    left = edge + (0.1 + 0.07 * letters if row_names else 0)
    width = left + n_columns * (size + gap) - gap + edge
    lines = textwrap.wrap(title, int(width / 0.09))
    top = edge + 0.2 * len(lines) + (0.2 if column_names else 0.05)
    height = top + n_rows * (size + gap) - gap + edge
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(width, height),
        squeeze=False,
        gridspec_kw={
            "left": left / width,
            "right": 1 - edge / width,
            "top": 1 - top / height,
            "bottom": edge / height,
            "wspace": gap / size,
            "hspace": gap / size,
        },
    )
    for i, row in enumerate(grid):
        for j, cell in enumerate(axes[i]):
            cell.set(xticks=[], yticks=[])
            cell.spines[:].set_visible(False)
            if j < len(row):
                show(cell, row[j])
            if j == 0 and row_names:
                cell.set_ylabel(row_names[i], rotation=0, ha="right", va="center", fontsize=8)
            if i == 0 and column_names:
                cell.set_title(column_names[j], fontsize=8, pad=3)
    figure.suptitle("\n".join(lines), fontsize=11, y=1 - edge / height, va="top")
    return figure


def show(axes, image: Tensor, **options) -> None:
    """Draw (3, H, W) in [-1, 1] in colour, or a mask (1, H, W) in [0, 1] in grey.

    Options go to ``imshow``.
    """
    image = image.detach().float().cpu()
    if image.shape[0] == 1:
        axes.imshow(image[0].numpy(), cmap="gray", vmin=0, vmax=1, **options)
    else:
        axes.imshow((image / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy(), **options)
