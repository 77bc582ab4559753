"""What this lesson measures and shows: committed results, stored figures, parents that fail."""

import os
from pathlib import Path

import numpy as np
from torch import Tensor

from .... import figures
from ....applications.interpolate import slerp as great_circle
from ....base.files import RESULTS, read_json
from ....experiments.paper import TABLES
from ....experiments.table_text import table_text
from ....figures import draw, noise
from ....metrics.clustering import ami, nmi
from ....models import FineGANGenerator
from ....scoring.photographs import summary
from ....scoring.variety import mask_summary

FIGURES = Path(__file__).parent / "figures"
SCORES = RESULTS / "birds_scores.json"
SPECIES, EACH = 50, 46  # as many photographs as the 50 species of the lesson have, about
# What `get_cub.py --species 50 --shrink 152` writes, or whatever FINEGAN_PHOTOGRAPHS names.
PLACES = (os.environ.get("FINEGAN_PHOTOGRAPHS", ""), "data/cub50", "../data/cub50")

COMMANDS = {
    "transfer.png": "transfer FOLDER FOLDER --checkpoint birds --n 8 --out runs/transfer",
    "strip.png": "interpolate PHOTOGRAPH PHOTOGRAPH --checkpoint birds --out runs/walk",
    "segment.png": "segment FOLDER --checkpoint birds --n 200 --out runs/segment",
}


def photographs() -> Path | None:
    """The folder of photographs, if it lies in one of `PLACES`; None if there is none."""
    for place in PLACES:
        if place and (Path(place) / "images.txt").is_file():
            return Path(place)
    return None


def committed_table(number: int) -> str:
    """A table of the paper on these photographs as it was committed, or how to make it."""
    path = TABLES / f"table{number}_cub50.json"
    if path.is_file():
        return table_text(read_json(path, "systems"))
    return f"not run yet: python -m finegan_lib table {number} --data cub50 --folder FOLDER --run"


def committed_scores() -> str:
    """The scores of the network ``birds`` on the photographs, or how to make them."""
    if SCORES.is_file():
        return summary(read_json(SCORES))
    command = f"evaluate --checkpoint birds --data FOLDER --json {SCORES.name}"
    return f"not scored yet: python -m finegan_lib {command}"


def stored(name: str):
    """A figure that was made from photographs and is kept with the lesson; else how to make it."""
    from IPython.display import Image

    if (FIGURES / name).is_file():
        return Image(filename=str(FIGURES / name))
    print(f"no stored figure; to make it: python -m finegan_lib {COMMANDS[name]}")
    return None


# ------------------------------------------------------------------------------- exercises


def over_any_background(
    parent_paint: Tensor,
    parent_mask: Tensor,
    child_paint: Tensor,
    child_mask: Tensor,
    background: Tensor,
) -> Tensor:
    """A bird laid over a background that it was not drawn with: (N, 3, S, S).

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
    both = (found * truth).sum((1, 2, 3))
    either = (found + truth).sum((1, 2, 3)) - both
    return both / either


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """`finegan_lib.applications.interpolate.slerp`: a (D,), b (D,), t (n,) → (n, D)."""
    return great_circle(a, b, t)


def dice_scores(k: int, seed: int = 0) -> dict[str, float]:
    """What labels thrown with a die of k sides score against 50 species of 46 photographs."""
    truth = np.repeat(np.arange(SPECIES), EACH)
    thrown = np.random.default_rng(seed).integers(k, size=len(truth))
    return {"nmi": nmi(truth, thrown), "ami": ami(truth, thrown)}


def dice_problem(k, wanted: float = 0.5) -> str | None:
    """Why a number of sides does not make labels of no worth look good, or None."""
    if isinstance(k, bool) or not isinstance(k, int) or not 2 <= k <= SPECIES * EACH:
        return f"the number of sides is a whole number from 2 to {SPECIES * EACH}"
    scores = dice_scores(k)
    if scores["nmi"] < wanted:
        return f"with {k} sides NMI is {scores['nmi']:.2f}: not yet above {wanted}"
    return None


# ------------------------------------------------------------------------------- where it fails


def parents_figure(generator: FineGANGenerator, seed: int = 0, columns: int = 6):
    """Every parent a row: masks of one child with several z; and what its shape is like.

    Beside a row stand the share of the mask's area that is in one piece, and the share of the
    picture's rim that it touches. A bird is one piece and touches little; a ribbon touches much.
    """
    hierarchy = generator.config.hierarchy()
    facts = mask_summary(generator, n=4 * hierarchy.n_children, seed=seed)["per_parent"]
    z = noise(generator, columns, seed)
    grid, names = [], []
    for p, fact in enumerate(facts):
        out = draw(generator, hierarchy.codes(z, hierarchy.children_of(p)[0]))
        pairs = zip(out.parent.mask, out.child.image, strict=True)
        grid.append([image for pair in pairs for image in pair])
        names.append(f"p={p}: one piece {fact['one_piece']:.0%},\nrim {fact['rim']:.0%}")
    title = "Every parent: its mask and a child in it, for six z"
    return figures.image_figure(grid, names, None, title, 0.55)
