"""Measurements and figures of the lesson on discovery."""

import json

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix
from torch import Tensor

from ....base.files import RESULTS
from ....codes import CodeHierarchy, Codes
from ....discovery.depict import balanced_targets
from ....discovery.jule import ClusterGraph, first_clusters, graph_weights
from ....experiments.paper import PUBLISHED, dice_at_the_papers_sizes, paper_tables
from ....metrics.clustering import ami, ari, nmi
from ....metrics.code_classifiers import DiscoveryConfig, generate_labelled_images, shrink
from ... import style

MEANS = {"arithmetic": lambda a, b: (a + b) / 2, "max": max, "min": min}

# ------------------------------------------------------------------------- pictures with codes


def generated_views(generator, n: int, seed: int = 0, size: int = 32) -> dict[str, Tensor]:
    """Generated birds as two readers see them, with the codes that made them.

    Returns:
        ``final`` and ``masked`` (n, 3, size, size) in [-1, 1]: the finished picture C, and the
        masked foreground M_c·F_c, which is all that D_c's code head ever saw; ``child``,
        ``parent`` and ``background`` (n,) int64, their codes. p is the parent of c, b is free.
    """
    masked, background = [], []

    def watched(codes):
        output = generator(codes)
        masked.append(shrink(output.child.masked_foreground, size))
        background.append(codes.b_index)
        return output

    hierarchy, config = generator.config.hierarchy(), DiscoveryConfig(n_images=n, image_size=size)
    final, child, parent = generate_labelled_images(
        watched, hierarchy, generator.config.z_dim, config, seed=seed
    )
    views = {"final": final, "masked": torch.cat(masked), "child": child, "parent": parent}
    return views | {"background": torch.cat(background)}


def shuffled(codes: Tensor, seed: int = 0) -> Tensor:
    """The codes of other images: a classifier cannot learn categories from these."""
    return codes[torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))]


def free_backgrounds(hierarchy: CodeHierarchy, n: int, z_dim: int, rng) -> Codes:
    """Codes of n pictures for φ_c: c uniform, p its parent, z and b sampled by themselves."""
    free = hierarchy.sample(n, z_dim, tied=False, rng=rng)
    return hierarchy.codes(free.z, free.c_index, b_index=free.b_index)


@torch.no_grad()
def pictures_of(
    sample_codes, generator, n: int, seed: int = 0, size: int = 32
) -> dict[str, Tensor]:
    """The pictures ``final`` of codes that a function samples, and their ``child`` codes."""
    hierarchy, rng = generator.config.hierarchy(), torch.Generator().manual_seed(seed)
    codes = sample_codes(hierarchy, n, generator.config.z_dim, rng)
    parts = [generator(codes.select(slice(i, i + 50))).child.image for i in range(0, n, 50)]
    return {"final": torch.cat([shrink(part, size) for part in parts]), "child": codes.c_index}


def probe_codes(answer, n: int):
    """What a function that samples codes for φ_c does, from the coarse to the fine (exercise 2)."""
    hierarchy, rng = CodeHierarchy.equal(3, 6), torch.Generator().manual_seed(0)
    codes = answer(hierarchy, n, 4, rng)
    if codes is ...:
        return ...
    if not isinstance(codes, Codes):
        return {"what it returns": f"a {type(codes).__name__}"}
    b, p, c = codes.b_index, codes.p_index, codes.c_index
    equal = float((b == c).float().mean())
    return {
        "what it returns": "Codes",
        "how many pictures": len(codes.z),
        "how many children are sampled": len(c.unique()),
        "p is the parent of c": "always" if p.equal(hierarchy.parent_of[c]) else "at times",
        "how many backgrounds are sampled": len(b.unique()),
        "b tells c": "yes" if nmi(b, c) > 0.2 else "no",
        "b is c": {0.0: "never", 1.0: "always"}.get(equal, "at times"),
        "how much z varies": round(float(codes.z.std(0, correction=0).mean()), 1),
    }


# ------------------------------------------------------------------------- scores by hand


def table_of_counts(true, found) -> Tensor:
    """(classes, clusters) float64: how many images of a class lie in a cluster."""
    return torch.from_numpy(contingency_matrix(true, found)).double()


def nmi_of_counts(counts: Tensor, mean: str = "arithmetic") -> float:
    """NMI from a (classes, clusters) table: I / mean of the two entropies; 0 where both are 0.

    Args:
        mean: "arithmetic", "max" or "min".
    """
    joint = counts / counts.sum()
    rows, columns = joint.sum(1), joint.sum(0)

    def entropy(p):
        return -torch.xlogy(p, p).sum()

    information = entropy(rows) + entropy(columns) - entropy(joint.flatten())
    scale = MEANS[mean](entropy(rows), entropy(columns))
    return float(information / scale) if scale > 0 else 0.0


def accuracy_of_counts(counts: Tensor) -> float:
    """Best-mapping accuracy from a (classes, clusters) table, each cluster used at most once."""
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    return float(counts[rows, columns].sum() / counts.sum())


def random_groups(n: int, k: int, seed: int = 0) -> np.ndarray:
    """(n,) random labels: k groups, by dice."""
    return np.random.default_rng(seed).integers(k, size=n)


def scores_of_dice(truth, sizes, seed: int = 0) -> dict[str, list[float]]:
    """What random groups score, for each number of groups: NMI, NMI (max), accuracy, ARI, AMI."""
    names = ("NMI", "NMI, by the larger entropy", "accuracy", "ARI", "AMI")
    curves = {name: [] for name in names}
    for k in sizes:
        dice = random_groups(len(truth), int(k), seed)
        counts = table_of_counts(truth, dice)
        curves["NMI"].append(nmi_of_counts(counts))
        curves["NMI, by the larger entropy"].append(nmi_of_counts(counts, "max"))
        curves["accuracy"].append(accuracy_of_counts(counts))
        curves["ARI"].append(ari(truth, dice))
        curves["AMI"].append(ami(truth, dice))
    return curves


def disagreement(answer, least: float = 0.05) -> str | None:
    """Why NMI does not prefer the first and accuracy the second of two tables, or None.

    Args:
        answer: two tables of counts, each with three rows (species) that add up to 20 images.
        least: by how much each score has to prefer its table.
    """
    if not isinstance(answer, list | tuple | Tensor) or len(answer) != 2:
        return "answer with a pair of tables: two lists of three rows each"
    tables = []
    for name, rows in zip(("first", "second"), answer, strict=True):
        try:
            table = torch.as_tensor(rows).double()
        except (TypeError, ValueError, RuntimeError):
            return f"answer with a pair of tables: the {name} cannot be read as rows of numbers"
        if table.ndim != 2 or len(table) != 3:
            return f"the {name} table needs three rows, one for each species"
        if (table < 0).any() or (table != table.round()).any():
            return f"the {name} table must have counts: whole numbers, not negative"
        if (table.sum(1) != 20).any():
            return f"each row of the {name} table must add up to 20 images"
        tables.append(table)
    scores = [(nmi_of_counts(table), accuracy_of_counts(table)) for table in tables]
    (nmi_1, accuracy_1), (nmi_2, accuracy_2) = scores
    if nmi_2 > nmi_1 + least and accuracy_1 > accuracy_2 + least:
        return "they disagree, but the other way round: swap the tables"
    if nmi_1 < nmi_2 + least:
        return f"the first table's NMI is {nmi_1:.2f}, the second's {nmi_2:.2f}: raise the first"
    if accuracy_2 < accuracy_1 + least:
        return (
            f"the second table's accuracy is {accuracy_2:.2f}, the first's {accuracy_1:.2f}: "
            "raise the second"
        )
    return None


# ------------------------------------------------------------------------- JULE's picture


def petals(n: int = 150, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) points on two interlocked arcs and a heap, and which is which: no case for k-means."""
    rng = np.random.default_rng(seed)
    kind = np.arange(n) % 3
    angle = rng.uniform(0, np.pi, n)
    x = np.where(kind == 0, np.cos(angle), 1 - np.cos(angle))
    y = np.where(kind == 0, np.sin(angle), 0.5 - np.sin(angle))
    points = np.stack([x, y], 1)
    points[kind == 2] = (2.3, 0.95)
    return points + np.where(kind == 2, 0.16, 0.07)[:, None] * rng.normal(size=(n, 2)), kind


def affinity(weights: Tensor, a: list[int], b: list[int]) -> Tensor:
    """The affinity of two clusters of a graph (paper of JULE, equation 2), a scalar.

    Args:
        weights: W (N, N), an arrow from row to column.
        a, b: the members of both clusters.
    """
    there, back = weights[a][:, b], weights[b][:, a]
    return (there @ back).sum() / len(a) ** 2 + (back @ there).sum() / len(b) ** 2


def merge_story(points: np.ndarray, moments, k: int = 8):
    """JULE's forward pass on points: the labels at several numbers of clusters.

    Returns:
        weights: the sparse graph.
        labels: a dictionary from the number of clusters to (N,) labels; "first" has those of the
            nearest-neighbour chains.
    """
    weights = graph_weights(points, k)
    labels = {"first": first_clusters(points)}
    graph = ClusterGraph(weights, labels["first"])
    while len(graph) > min(moments):
        graph.merge(*graph.best_pair())
        if len(graph) in moments:
            labels[len(graph)] = np.unique(graph.labels, return_inverse=True)[1]
    return weights, labels


# ------------------------------------------------------------------------- tables


def elsewhere() -> dict:
    """Discovery on the paper's data as measured by the authors of C3-GAN: ``nmi``, ``accuracy``."""
    path = PUBLISHED / "clustering_elsewhere.json"
    return json.loads(path.read_text(encoding="utf-8"))


def digits_results() -> dict | None:
    """What ``python -m finegan_lib.experiments.digits`` found, or None if it has not been run."""
    path = RESULTS / "digits_clustering.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


# ------------------------------------------------------------------------- figures


def draw_bars(scores: dict[str, dict[str, float]], title: str, adjusted: dict | None = None):
    """Horizontal bars: name → level ("child", "parent") → NMI; and a diamond at the AMI.

    Args:
        adjusted: the same of AMI; None: no diamonds.
    """
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.1), layout="constrained", sharey=True)
    names = list(scores)
    for axis, level in zip(axes, ("child", "parent"), strict=True):
        values = [scores[name][level] for name in names]
        colours = [style.REAL if name.startswith("φ: ") else style.GREY for name in names]
        bars = axis.barh(range(len(names)), values, color=colours)
        axis.bar_label(bars, fmt="%.2f", padding=8)
        if adjusted:
            values = [adjusted[name][level] for name in names]
            axis.scatter(values, range(len(names)), marker="D", color=style.FAKE, zorder=3)
        truth = {"child": "species", "parent": "silhouette"}[level]
        axis.set(xlim=(-0.03, 1.16), xlabel="NMI (bars) and AMI (diamonds) with the truth")
        axis.set_title(f"{level} ({truth})")
    axes[0].set_yticks(range(len(names)), [n.removeprefix("φ: ") for n in names])
    axes[0].invert_yaxis()
    figure.suptitle(title)
    return figure


def draw_dice(curves: dict[str, list[float]], sizes, n: int, classes: int):
    """`scores_of_dice` against the number of groups."""
    figure, axis = plt.subplots(figsize=(6.4, 3.1), layout="constrained")
    marks = dict(zip(curves, "os^vx", strict=False))
    for name, values in curves.items():
        axis.plot(sizes, values, marker=marks[name], ms=4, label=name)
    axis.axvline(classes, color=style.GREY, lw=1, ls=":")
    axis.text(classes * 1.05, 0.93, f"{classes} classes", color=style.GREY)
    axis.set(xscale="log", ylim=(-0.05, 1), xlabel="number of random groups", ylabel="score")
    axis.set_title(f"Groups drawn by dice, {n} images: which score is fooled?")
    axis.legend(loc="upper left", fontsize=8)
    return figure


def matched_columns(counts: Tensor) -> Tensor:
    """The table with its clusters reordered so that matched ones stand on the diagonal."""
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    rest = sorted(set(range(counts.shape[1])) - set(columns))
    return counts[:, [*columns[np.argsort(rows)], *rest]]


def draw_confusion(counts: Tensor, names, groups, title: str):
    """A table of counts before and after matching, in shares of each class.

    Args:
        names: of the groups of classes, at the left; ``groups`` says to which each row belongs.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.3), layout="constrained", sharey=True)
    tables = {"as numbered": counts, "after the best mapping": matched_columns(counts)}
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        shares = (table / table.sum(1, keepdim=True)).numpy()
        image = axis.imshow(shares, vmin=0, vmax=1, cmap="viridis", aspect="equal")
        axis.set(xlabel="cluster", title=name, xticks=[])
        for edge in np.flatnonzero(np.diff(groups)) + 0.5:
            axis.axhline(edge, color="white", lw=0.8)
            axis.axvline(edge, color="white", lw=0.8)
    middles = [np.flatnonzero(np.asarray(groups) == g).mean() for g in range(len(names))]
    axes[0].set_yticks(middles, names)
    axes[0].set_ylabel("true child, by its parent")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the class")
    figure.suptitle(title)
    return figure


def draw_merging(points, weights, stages: dict, title: str):
    """The graph with its arrows, and clusters at several moments."""
    figure, axes = plt.subplots(2, 2, figsize=(8.2, 4.6), layout="constrained")
    axes = axes.ravel()
    graph = weights.tocoo()
    start, end = points[graph.row], points[graph.col]
    axes[0].quiver(
        *start.T,
        *(end - start).T,
        graph.data,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.0025,
        headwidth=5,
        cmap="Blues",
        clim=(-0.5, 1),
    )
    axes[0].set_title(f"the graph W: {len(graph.data)} arrows, dark where near")
    colours = plt.get_cmap("tab20").colors
    for axis, (name, labels) in zip(axes[1:], stages.items(), strict=True):
        axis.scatter(*points.T, s=16, c=[colours[label % 20] for label in labels])
        axis.set_title(name)
    for axis in axes:
        axis.set(xticks=[], yticks=[], aspect="equal")
        axis.spines[:].set_visible(False)
    figure.suptitle(title)
    return figure


def draw_targets(p: Tensor, images: Tensor):
    """Answers P and both forms of targets Q: for a few images, and summed up for each cluster."""
    n = len(images)
    likeliest = p[:n].argmax(1)
    rows = {
        "answer p": (p, style.ORANGE),
        "target q": (balanced_targets(p), style.REAL),
        "target q, as in the authors' code": (balanced_targets(p, "code"), style.SKY),
    }
    figure, axes = plt.subplots(
        1, 3, figsize=(9.2, 4.2), layout="constrained", width_ratios=(0.3, 1.4, 1.6)
    )
    axes[0].imshow(images[:, 0].reshape(-1, images.shape[3]).numpy(), cmap="gray", aspect="auto")
    axes[0].hlines(
        np.arange(1, n) * images.shape[2] - 0.5, -0.5, images.shape[3] - 0.5, color="white", lw=3
    )
    axes[0].set(xticks=[], yticks=[], title="image")
    order = (-p.sum(0)).argsort().numpy()
    for i, (name, (values, colour)) in enumerate(rows.items()):
        values, shift = values.numpy(), 0.27 * (i - 1)
        axes[1].barh(np.arange(n) + shift, values[range(n), likeliest], 0.26, color=colour)
        places = np.arange(p.shape[1]) + shift
        axes[2].bar(places, values.sum(0)[order], 0.26, color=colour, label=name)
    axes[1].set(xlim=(0, 1), ylim=(n - 0.5, -0.5), yticks=[], title="one image at a time")
    axes[1].set_xlabel("probability of its likeliest cluster")
    axes[2].set(xticks=[], title="all images", xlabel="cluster, the largest first")
    axes[2].set_ylabel("images (sum of the probabilities)")
    figure.legend(*axes[2].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle("DEPICT: targets out of the network's own answers")
    return figure


TABLE3_ORDER = ("JULE", "JULE-ResNet-50", "DEPICT", "DEPICT-Large", "FineGAN")


def draw_table3():
    """Table 3 of the paper, NMI and accuracy, with the scores of random labels at its sizes.

    Beside it what C3-GAN's authors measured later.
    """
    paper, later, chance = paper_tables(), elsewhere(), dice_at_the_papers_sizes()
    data = {"birds": "CUB birds", "dogs": "dogs", "cars": "cars"}
    figure, axes = plt.subplots(2, 1, figsize=(9.4, 5.4), layout="constrained", sharex=True)
    shades = dict(
        zip(TABLE3_ORDER, ("#BBBBBB", "#999999", style.SKY, "#2E86C1", style.REAL), strict=True)
    )
    marks = {"FineGAN": "D", "InfoGAN": "s", "C3-GAN": "*"}
    for axis, score in zip(axes, ("nmi", "accuracy"), strict=True):
        for i, name in enumerate(TABLE3_ORDER):
            heights = [paper[f"table3_{score}"][name][d] for d in data]
            bars = axis.bar(
                np.arange(3) + 0.13 * (i - 2.5), heights, 0.12, color=shades[name], label=name
            )
            numbers = axis.bar_label(bars, fmt="%.3f", fontsize=6.5, zorder=4)
            for number in numbers:  # legible where the line of chance passes behind
                number.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.3})
        for i, (name, mark) in enumerate(marks.items()):
            heights = [later[score][name][d] for d in data]
            axis.scatter(
                np.arange(3) + 0.40 + 0.06 * (i - 1),
                heights,
                marker=mark,
                s=90 if mark == "*" else 36,
                color=style.FAKE,
                label=f"{name}, measured by C3-GAN's authors",
                zorder=3,
            )
        dice = [chance[d][{"nmi": "nmi_arithmetic"}.get(score, score)] for d in data]
        axis.hlines(
            dice,
            np.arange(3) - 0.40,
            np.arange(3) + 0.52,
            color="black",
            linestyles="dashed",
            linewidth=1.4,
            label="random labels (dice)",
            zorder=2.5,
        )
        axis.set_ylabel({"nmi": "NMI", "accuracy": "accuracy"}[score])
    axes[1].set_xticks(np.arange(3), data.values())
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.suptitle("Table 3 of the paper (bars), chance (lines), a later measurement (marks)")
    return figure


def example_images(images: Tensor, labels, clusters, n: int = 9) -> list[list[Tensor]]:
    """Rows of up to n images of each cluster, as floats in [-1, 1]."""
    rows = []
    for c in clusters:
        members = np.flatnonzero(np.asarray(labels) == c)
        few = np.unique(np.linspace(0, len(members) - 1, min(n, len(members))).astype(int))
        rows.append(list(images[members[few]].float() / 127.5 - 1))
    return rows


def dominant_names(labels, truth, names, clusters) -> list[str]:
    """For each cluster: the commonest true category among its members, and its share."""
    texts = []
    for c in clusters:
        values, counts = np.unique(np.asarray(truth)[np.asarray(labels) == c], return_counts=True)
        best = counts.argmax()
        texts.append(f"{names[values[best]]}\n{counts[best]} of {counts.sum()}")
    return texts
