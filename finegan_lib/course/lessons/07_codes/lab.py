"""The laboratory of the lesson on codes: the information in codes, and a riddle."""

from collections.abc import Sequence
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from ....codes import CodeHierarchy, Codes, one_hot
from ....data import ToyBirds
from ....figures import generate, image_figure, noise
from ....metrics.code_classifiers import DiscoveryConfig, generate_labelled_images
from ....metrics.factors import CODE_NAMES, FACTOR_NAMES
from ....models.finegan import (
    FineGANGenerator,
    FineGANOutput,
    Stage,
)
from ....systems import siblings
from ... import style

# ------------------------------------------------------------------------------------- codes


def code_bits(sizes: Sequence[int]) -> tuple[float, float]:
    """H(p) and H(c|p) in bits when c is uniform, and parent k has ``sizes[k]`` children.

    Their sum is H(c) = log₂ of the number of children, for all sizes, because p is a function of c.
    """
    sizes = torch.as_tensor(sizes).double()
    share = sizes / sizes.sum()
    return float(-(share * share.log2()).sum()), float((share * sizes.log2()).sum())


def hierarchy_figure(hierarchies: dict[str, CodeHierarchy]) -> Figure:
    """Each hierarchy as a tree: parents above, their children below, and the bits of either."""
    figure, axes = plt.subplots(
        len(hierarchies), 1, figsize=(8.6, 1.6 * len(hierarchies)), layout="constrained"
    )
    palette = (style.REAL, style.ORANGE, style.GREEN, style.PURPLE)
    for axis, (name, hierarchy) in zip(np.atleast_1d(axes), hierarchies.items(), strict=True):
        for parent in range(hierarchy.n_parents):
            x = (np.array(hierarchy.children_of(parent)) + 0.5) / hierarchy.n_children
            colour = palette[parent % len(palette)]
            axis.fill([x[0], x.mean(), x[-1]], [0, 1, 0], color=colour, alpha=0.3, lw=0)
            if hierarchy.n_children <= 40:
                axis.plot([x, np.full_like(x, x.mean())], [0, 1], color=colour, lw=1)
            axis.scatter(x, np.zeros_like(x), s=14, color=colour, zorder=3)
            axis.scatter(x.mean(), 1, s=90, color=colour, zorder=3)
            axis.text(
                x.mean(), 1, parent, zorder=4, ha="center", va="center", fontsize=7, color="white"
            )
        parent_bits, child_bits = code_bits(hierarchy.children_count)
        axis.set(xlim=(-0.01, 1.01), ylim=(-0.25, 1.35), xticks=[], yticks=[0, 1])
        axis.set_yticklabels(["children", "parents"])
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        bits = f"H(p) = {parent_bits:.2f} bits, H(c | p) = {child_bits:.2f} bits"
        axis.set_title(f"{name}: {bits}", fontsize=9.5)
    figure.suptitle("Which child belongs to which parent")
    return figure


def occupancy(hierarchy: CodeHierarchy, tied: bool, n: int = 4000, seed: int = 0):
    """How often every pair of codes is sampled: counts (N_p, N_c) of (p, c), and (N_b, N_c)."""
    rng = torch.Generator().manual_seed(seed)
    codes = hierarchy.sample(n, 1, tied=tied, rng=rng)
    return codes.p.T @ codes.c, codes.b.T @ codes.c


def total_effect(before: Tensor, changed: Tensor, after: Tensor) -> float:
    """E‖f(A) − f(A[k])‖² / E‖f(A) − f(A')‖²: one entry of `metrics.factors.factor_matrix`.

    Args:
        before, changed, after: (N, D) readings of one factor with the first codes, with a new value
            of code k alone, with new values of all codes.
    """
    moved, most = ((before - other).square().sum(1).mean() for other in (changed, after))
    return float(moved / most)


class PaperBirds:
    """An imaginary generator, and perfect judges of its "images".

    An "image" is a row of four numbers: b, p, c and the pose, −1 (left) or 1 (right), the sign of
    z's first number. If ``mirrored``, every odd parent looks the other way.
    """

    def __init__(self, hierarchy: CodeHierarchy, mirrored: bool = False):
        self.hierarchy, self.mirrored = hierarchy, mirrored

    def __call__(self, codes: Codes) -> FineGANOutput:
        pose = codes.z[:, 0].sign()
        if self.mirrored:
            pose = pose * (1 - 2 * (codes.p_index % 2))
        image = torch.stack([codes.b_index, codes.p_index, codes.c_index, pose], 1)
        stage = Stage(image, image, image, image)
        return FineGANOutput(stage, stage, stage)

    def readings(self, images: Tensor) -> dict[str, Tensor]:
        """The readings of four perfect judges (see `Judges.readings`)."""
        b, p, c, pose = images.unbind(1)
        children, parents = self.hierarchy.n_children, self.hierarchy.n_parents
        return {
            "background": one_hot(b.long(), children),
            "shape": one_hot(p.long(), parents),
            "appearance": one_hot(c.long(), children),
            "pose": pose[:, None],
        }


# ------------------------------------------------------------------------------------- mistakes


def labelled_codes(hierarchy: CodeHierarchy, n: int, rng: torch.Generator) -> Codes:
    """Codes of n pictures, all four independent."""
    return hierarchy.sample(n, 2, tied=False, rng=rng)


def tied_background_codes(hierarchy: CodeHierarchy, n: int, rng: torch.Generator) -> Codes:
    """The mistake of an exercise: p and c are free, and b is c."""
    free = hierarchy.sample(n, 2, tied=False, rng=rng)
    return hierarchy.codes(free.z, free.c_index, p_index=free.p_index)


def probe_labelled_codes(answer, n: Tensor) -> dict:
    """Which codes depend on each other in the samples of a function like :func:`labelled_codes`."""
    hierarchy = CodeHierarchy.equal(5, 20)
    codes = answer(hierarchy, n.item(), torch.Generator().manual_seed(0))
    if codes is ...:
        return ...

    def tells(a: Tensor, b: Tensor) -> str:
        shared = normalized_mutual_info_score(a.numpy(), b.numpy())
        return "something" if shared > 0.1 else "nothing"

    return {
        "the number of pictures": len(codes.z),
        "values of c": len(codes.c_index.unique()),
        "values of p": len(codes.p_index.unique()),
        "values of b": len(codes.b_index.unique()),
        "z of all pictures": "apart" if len(codes.z.unique(dim=0)) == len(codes.z) else "repeated",
        "what b tells of c": tells(codes.b_index, codes.c_index),
        "what p tells of c": tells(codes.p_index, codes.c_index),
        "what b tells of p": tells(codes.b_index, codes.p_index),
    }


def share_with_own_background(hierarchy: CodeHierarchy, n: int = 2000) -> float:
    """The share of the library's labelled pictures whose b is their c."""

    def paint(codes: Codes):
        """Pictures (N, 3, 8, 8); every pixel is the number of the background."""
        image = codes.b_index.float()[:, None, None, None].expand(-1, 3, 8, 8)
        return SimpleNamespace(child=SimpleNamespace(image=image))

    config = DiscoveryConfig(n_images=n, image_size=8)
    images, children, _ = generate_labelled_images(paint, hierarchy, 1, config)
    return (images[:, 0, 0, 0] == children).float().mean().item()


def change_one(before: Codes, after: Codes, name: str) -> Codes:
    """A[k]: one code taken from ``after``, as :func:`factor_matrix` takes it."""
    return before._replace(**{name: getattr(after, name)})


def change_the_others(before: Codes, after: Codes, name: str) -> Codes:
    """The mistake of an exercise: all codes but one are taken from ``after``."""
    return after._replace(**{name: getattr(before, name)})


def probe_change(answer, n: Tensor) -> dict:
    """Which codes a function like :func:`change_one` changes, and how."""
    hierarchy, rng = CodeHierarchy.equal(5, 20), torch.Generator().manual_seed(0)
    before, after = (hierarchy.sample(n.item(), 2, tied=False, rng=rng) for _ in range(2))
    seen = {}
    for name in CODE_NAMES:
        changed = answer(before, after, name)
        if changed is ...:
            return ...
        state = {}
        for field in CODE_NAMES:
            got, old, new = (getattr(codes, field) for codes in (changed, before, after))
            known = {"old": old, "new": new, "mixed": (old + new) / 2, "empty": 0 * old}
            words = [word for word, value in known.items() if got.equal(value)]
            state[field] = words[0] if words else "another"
        seen[f"with {name}"] = " ".join(f"{field}:{word}" for field, word in state.items())
    return seen


def matrix_text(change, n: int = 2000) -> str:
    """The factor matrix of a perfect imaginary network as text; ``change`` makes A[k]."""
    hierarchy, rng = CodeHierarchy.equal(5, 20), torch.Generator().manual_seed(0)
    before, after = (hierarchy.sample(n, 2, tied=False, rng=rng) for _ in range(2))
    birds = PaperBirds(hierarchy)
    read = [birds.readings(birds(codes).child.image) for codes in (before, after)]
    lines = ["".join(f"{name:>12}" for name in ("code", *FACTOR_NAMES))]
    for name in CODE_NAMES:
        changed = birds.readings(birds(change(before, after, name)).child.image)
        row = [total_effect(read[0][f], changed[f], read[1][f]) for f in FACTOR_NAMES]
        lines.append(f"{name:>12}" + "".join(f"{value:12.2f}" for value in row))
    return "\n".join(lines)


def between(start: Codes, end: Codes, names: str, steps: int = 7) -> Codes:
    """Codes on the way from one image's to another's: (1 − t)·start + t·end, t from 0 to 1.

    Args:
        start, end: codes of one image each.
        names: which codes move ("c", "pz", …); the others stay at ``start``. A one-hot code becomes
            soft on the way: (0.5, 0.5) is half of each.
        steps: number of images, both ends included.
    """
    t = torch.linspace(0, 1, steps)[:, None]
    moved = {
        name: torch.lerp(a, b, t) if name in names else a.expand(steps, -1)
        for name, a, b in zip(Codes._fields, start, end, strict=True)
    }
    return Codes(**moved)


# ------------------------------------------------------------------------------------- a riddle

HIDDEN = {"b": 4, "p": 3, "c": 6}
RIDDLE_SEED = 5


def riddle_codes(generator: FineGANGenerator, b, p, c) -> Codes:
    """Codes of the riddle's z: b, p and c are indices, one each or (N,) of them."""
    indices = [torch.atleast_1d(torch.as_tensor(i)) for i in (b, p, c)]
    b, p, c = torch.broadcast_tensors(*indices)
    z = noise(generator, 1, RIDDLE_SEED).expand(len(c), -1)
    return generator.config.hierarchy().codes(z, c, p_index=p, b_index=b)


def riddle_figure(generator: FineGANGenerator) -> Figure:
    """A bird generated from hidden b, p and c, and pictures of each value of each code."""
    config, hidden = generator.config, HIDDEN
    target = generate(generator, riddle_codes(generator, **hidden)).child.image
    rows, names = [], []
    sweeps = {"b": config.n_children, "p": config.n_parents, "c": config.n_children}
    for name, count in sweeps.items():
        chosen = {"b": 0, "p": 0, "c": 0} | {name: torch.arange(count)}
        out = generate(generator, riddle_codes(generator, **chosen))
        pictures = {"b": out.background.image, "p": out.child.mask}
        pictures = list(pictures.get(name, out.child.masked_foreground))
        for first in range(0, count, 10):
            rows.append(pictures[first : first + 10])
            names.append(f"{name} = {first} + …" if first else f"{name} = …")
    rows.append(list(target))
    names.append("which b,\np and c?")
    columns = [str(i) for i in range(10)]
    title = "What every value looks like with one z, and below a bird from hidden codes"
    return image_figure(rows, names, columns, title, size=0.6)


def riddle_differences(generator: FineGANGenerator, answer: dict[str, int]) -> dict[str, float]:
    """How far the picture of each guessed code is from the hidden one's.

    For each code: the mean absolute difference of its picture (B, M_c or M_c·F_c), divided by the
    median difference over all its other values. 0 means equal, 1 means a typical other value.
    """
    config, found = generator.config, {}
    counts = {"b": config.n_children, "p": config.n_parents, "c": config.n_children}
    for name, count in counts.items():
        out = generate(generator, riddle_codes(generator, **HIDDEN | {name: torch.arange(count)}))
        pictures = {
            "b": out.background.image,
            "p": out.child.mask,
            "c": out.child.masked_foreground,
        }[name]
        distance = (pictures - pictures[HIDDEN[name]]).abs().mean((1, 2, 3))
        others = distance[torch.arange(count) != HIDDEN[name]]
        found[name] = (distance[answer[name]] / others.median()).item()
    return found


def sibling_tables(generator: FineGANGenerator, seed: int = 0) -> list[Tensor]:
    """For every parent, the distances between its children, ``siblings.distances``."""
    z = noise(generator, siblings.NOISES, seed)
    return [siblings.distances(generator, p, z) for p in range(generator.config.n_parents)]


def real_sibling_tables(image_size: int, n_poses: int = 8) -> list[Tensor]:
    """The same of ToyBirds, each child drawn again in the poses of some pictures."""
    birds, tables = ToyBirds(n_poses, image_size=image_size, progress=False), []
    for parent in range(birds.hierarchy.n_parents):
        drawn = []
        for child in birds.hierarchy.children_of(parent):
            images, masks = birds.redraw(np.arange(n_poses), parent=parent, child=child)
            foreground, mask = images / 127.5 - 1, masks[:, None].float()
            drawn.append(Stage(foreground, mask, mask * foreground, foreground))
        tables.append(siblings.distance_table(drawn))
    return tables


def siblings_figure(rows: dict[str, list[Tensor]]) -> Figure:
    """Tables of distances as heat maps, one row a name, one column a parent."""
    n_parents = max(map(len, rows.values()))
    figure, axes = plt.subplots(
        len(rows), n_parents, figsize=(1.75 * n_parents, 2 * len(rows)), layout="constrained"
    )
    for i, (name, tables) in enumerate(rows.items()):
        for p, table in enumerate(tables):
            axis = axes[i, p]
            shown = axis.imshow(table, cmap="cividis", vmin=0, vmax=0.8)
            k = range(len(table))
            for (a, b), value in np.ndenumerate(table.numpy()):
                colour = "white" if value < 0.4 else "black"
                axis.text(b, a, f"{value:.1f}", ha="center", va="center", color=colour, fontsize=7)
            axis.set(xticks=k, yticks=k, title=f"p={p}" if i == 0 else "")
            axis.grid(False)
            if p == 0:
                axis.set_ylabel(f"{name}\nchild of p")
            if i == len(rows) - 1:
                axis.set_xlabel("child of p")
    figure.colorbar(shown, ax=axes, shrink=0.7, label="rms difference of $M_c F_c$")
    figure.suptitle("How different the children of one parent look")
    return figure
