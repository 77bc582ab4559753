"""Measurements and figures: committed results, stored figures, parents that fail."""

import os
from pathlib import Path

import numpy as np
from torch import Tensor

from .... import figures
from ....applications.interpolate import slerp as great_circle
from ....applications.readers import load_readers
from ....applications.segment import iou
from ....base.files import RESULTS, read_json
from ....experiments.ablation import PAPERS, WHOLE
from ....experiments.committed_tables import committed
from ....experiments.table_text import table_text
from ....figures import generate, noise
from ....metrics.clustering import ami, nmi
from ....models import FineGANGenerator
from ....scoring.photographs import summary
from ....scoring.surroundings import code_swap_scores
from ....scoring.variety import mask_summary, shape_of
from ....training.pretrained import load_finegan

FIGURES = Path(__file__).parent / "figures"
SCORES = RESULTS / "birds_scores.json"
SPECIES, EACH = 50, 46  # as many photographs as the 50 species of the lesson have, about
# What the command of the lesson writes, or whatever FINEGAN_PHOTOGRAPHS names.
PLACES = (os.environ.get("FINEGAN_PHOTOGRAPHS", ""), "data/cub50", "../data/cub50")

# Rows of the ablation on photographs that the lesson shows; the others are in results/README.md.
SHOWN = (
    WHOLE,
    "augmentation",
    "strength that follows D's overfitting",
    "with R1",
    "with R1 and R2",
    "with pairs (relativistic), R1 and R2",
    "silhouettes",
    "background weight 1",
    "code noise",
    "free children",
    PAPERS,
)

# Of each stored figure its command, and the command and the lines of the number beside it.
NUMBERS = FIGURES / "numbers.json"


def photographs() -> Path | None:
    """The folder of photographs, if it lies in one of `PLACES`; None if there is none."""
    for place in PLACES:
        if place and (Path(place) / "images.txt").is_file():
            return Path(place)
    return None


def committed_table(number: int) -> str:
    """A table of the paper on these photographs as it was committed, or how to make it."""
    table = committed(number, "cub50")
    if table:
        return table_text(table)
    return f"not run yet: python -m finegan_lib table {number} --data cub50 --folder FOLDER --run"


def committed_scores() -> str:
    """The scores of the network ``birds`` on the photographs, or how to make them."""
    if SCORES.is_file():
        scores = read_json(SCORES)
        scores.pop("discovery_whitened", None)  # the lesson has these in a table of their own
        return summary(scores)
    command = f"evaluate --checkpoint birds --data FOLDER --json {SCORES.name}"
    return f"not scored yet: python -m finegan_lib {command}"


def ablation_figure():
    """The preset of photographs with one switch changed at a time: a dot for each training."""
    measured = read_json(RESULTS / "ablation_cub50.json", "results")["results"]
    return figures.ablation({name: measured[name] for name in SHOWN}, figures.PHOTO_PANELS)


def cut_scores() -> str:
    """How well ``birds`` sorts the photographs by three routes, as a Markdown table."""
    by_route = read_json(RESULTS / "birds_whitened.json", "discovery", "discovery_whitened")
    cut = read_json(RESULTS / "birds_cut.json", "agreement")["agreement"]
    rows = {
        "the paper's route": by_route["discovery"]["all"],
        "whitened features": by_route["discovery_whitened"]["all"],
        "whitened features, birds cut out as well": cut,
    }
    lines = ["| features for k-means | AMI | NMI | accuracy |", "| --- | --- | --- | --- |"]
    for name, found in rows.items():
        numbers = (found[key] for key in ("ami", "nmi_arithmetic", "accuracy"))
        lines.append(f"| {name} | {' | '.join(f'{number:.3f}' for number in numbers)} |")
    return "\n".join(lines)


def toy_overlap() -> str:
    """How well a segmenter, trained on images of ``toy`` and their masks, cuts drawn birds out."""
    found = read_json(RESULTS / "segment_toy.json", "iou", "n")
    return f"mean IoU with the true masks of {found['n']} drawn birds: {found['iou']:.2f}"


def stored(name: str):
    """A figure that was made from photographs and is kept with the lesson.

    Prints the command that made it, and the number that belongs to it with its command.
    """
    from IPython.display import Image

    facts = read_json(NUMBERS)[name]
    print(f"made by: {facts['command']}")
    if facts.get("measured_by"):
        print(f"measured by: {facts['measured_by']}")
    for line in facts["says"]:
        print(f"    {line}")
    return Image(filename=str(FIGURES / name))


def kept_readers(generator: FineGANGenerator):
    """The readers that are shipped with ``birds``; they would be trained if they were not there."""
    return load_readers("birds", generator)


def background_stays(generator: FineGANGenerator, n: int = 100, seed: int = 0) -> dict:
    """`scoring.surroundings.code_swap_scores` of the shipped network with its shipped reader."""
    readers = kept_readers(generator)
    return code_swap_scores(generator, readers.child, n=n, image_size=readers.image_size, seed=seed)


# ------------------------------------------------------------------------------- exercises


def over_any_background(
    parent_paint: Tensor,
    parent_mask: Tensor,
    child_paint: Tensor,
    child_mask: Tensor,
    background: Tensor,
) -> Tensor:
    """A bird put over a background that it was not generated with: (N, 3, S, S).

        P = M_p F_p + (1 − M_p) B,    C = M_c F_c + (1 − M_c) P

    Args:
        parent_paint, child_paint: M_p F_p and M_c F_c, (N, 3, S, S).
        parent_mask, child_mask: (N, 1, S, S) in [0, 1].
        background: B, (N, 3, S, S).
    """
    parent = parent_paint + (1 - parent_mask) * background
    return child_paint + (1 - child_mask) * parent


def overlap(found: Tensor, truth: Tensor) -> Tensor:
    """Intersection over union of N pairs of masks (N, 1, S, S), 0 or 1: (N,)."""
    return iou(found > 0.5, truth > 0.5)


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """`finegan_lib.applications.interpolate.slerp`: a (D,), b (D,), t (n,) → (n, D)."""
    return great_circle(a, b, t)


def dice_scores(k: int, seed: int = 0) -> dict[str, float]:
    """The scores of random labels, of a die with k sides, against 50 species of 46 photographs."""
    truth = np.repeat(np.arange(SPECIES), EACH)
    thrown = np.random.default_rng(seed).integers(k, size=len(truth))
    return {"nmi": nmi(truth, thrown), "ami": ami(truth, thrown)}


def outline(generator: FineGANGenerator, p: int, c: int, n: int = 6, seed: int = 0) -> dict:
    """Measures of the masks of a bird, for n poses z.

    Returns:
        ``one_piece``: the smallest share of the area in one piece; ``rim``: the largest share of
        the picture's rim that is touched; ``area``: the smallest share of the picture; ``grey``:
        the mean share of pixels with a mask between 0.1 and 0.9. The first two are of the masks
        cut at 0.5.
    """
    codes = generator.config.hierarchy().codes(noise(generator, n, seed), c, p_index=p)
    mask = generate(generator, codes).child.mask
    pieces, rims = zip(*[shape_of(one[0].numpy() >= 0.5) for one in mask], strict=True)
    return {
        "one_piece": min(pieces),
        "rim": max(rims),
        "area": float(mask.mean((1, 2, 3)).min()),
        "grey": float(((mask > 0.1) & (mask < 0.9)).float().mean()),
    }


def outline_problem(answer, generator: FineGANGenerator | None = None) -> str | None:
    """Why a bird {"p": …, "c": …} is no hybrid with a clean outline in six poses, or None."""
    if not isinstance(answer, dict) or set(answer) != {"p", "c"}:
        return "answer with a dictionary with p and c"
    generator = generator or load_finegan("birds")
    hierarchy, index = generator.config.hierarchy(), {}
    for name, size in (("p", hierarchy.n_parents), ("c", hierarchy.n_children)):
        value = float(answer[name])
        if value != int(value):
            return "p and c are whole numbers"
        if not 0 <= value < size:
            return f"{name} must lie between 0 and {size - 1}"
        index[name] = int(value)
    if hierarchy.parent_of[index["c"]] == index["p"]:
        return f"p={index['p']} is the parent of c={index['c']}: take a child of another parent"
    seen = outline(generator, **index)
    if seen["one_piece"] < 0.95:
        return f"in one of the poses only {seen['one_piece']:.0%} of the mask is in one piece"
    if seen["rim"] > 0.15:
        return f"in one of the poses it touches {seen['rim']:.0%} of the rim, as a ribbon does"
    if seen["area"] < 0.1:
        return f"in one of the poses it covers only {seen['area']:.0%} of the picture"
    if seen["grey"] > 0.2:
        return f"{seen['grey']:.0%} of the pixels are half transparent"
    return None


# ------------------------------------------------------------------------------- where it fails


def parents_figure(generator: FineGANGenerator, seed: int = 0, columns: int = 3):
    """Every parent a row: masks of one child with several z; and what its shape is like.

    Beside a row stand the share of the mask's area that is in one piece, and the share of the
    picture's rim that it touches. A bird is one piece and touches little; a ribbon touches much.
    """
    hierarchy = generator.config.hierarchy()
    facts = mask_summary(generator, n=4 * hierarchy.n_children, seed=seed)["per_parent"]
    z = noise(generator, columns, seed)
    grid, names = [], []
    for p, fact in enumerate(facts):
        out = generate(generator, hierarchy.codes(z, hierarchy.children_of(p)[0]))
        pairs = zip(out.parent.mask, out.child.image, strict=True)
        grid.append([image for pair in pairs for image in pair])
        names.append(f"p={p}: one piece {fact['one_piece']:.0%},\nrim {fact['rim']:.0%}")
    title = f"Every parent: its mask and a child in it, for {columns} z"
    return figures.image_figure(grid, names, None, title, 0.5)
