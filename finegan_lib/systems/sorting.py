"""Sort real images into kinds and find each kind's child: the first half of :mod:`.leading`."""

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ..codes import CodeHierarchy
from ..metrics.clustering import kmeans_labels
from ..metrics.code_classifiers import (
    DiscoveryConfig,
    classify,
    train_code_classifier,
    training_sets,
)
from ..models.finegan import FineGANGenerator
from .silhouettes import likeness, oriented


@dataclass(frozen=True)
class CoverConfig:
    """Settings: how idle children and parents are found and led."""

    n_real: int = 3000  # real images that are sorted
    claimed: float = 0.5  # a child with at least this share of a kind's images generates it
    steps: int = 150  # of the search for a column
    batch_size: int = 16  # images per step
    step_size: float = 0.1  # Adam's, in standard deviations of the columns
    realism: float = 0.5  # weight of D_c's real/fake logits
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)


@dataclass(frozen=True)
class Sorting:
    """Real images in kinds, and the answers of classifiers of generated images for each kind.

    ``kinds`` (N,) int64; ``child`` (K, N_c) and ``parent`` (K, N_p): the mean probability of each
    code over the images of a kind.
    """

    kinds: Tensor
    child: np.ndarray
    parent: np.ndarray


def sort_real(
    generator: FineGANGenerator,
    images: Tensor,
    config: CoverConfig | None = None,
    *,
    seed: int = 0,
    progress: bool = False,
) -> Sorting:
    """Sort real images (N, 3, s, s) in [-1, 1] into as many kinds as a FineGAN has children."""
    config = config or CoverConfig()
    hierarchy, means = generator.config.hierarchy(), {}
    options = {"seed": seed, "progress": progress}
    sets = training_sets(generator, hierarchy, generator.config.z_dim, config.discovery, **options)
    for level, made, codes, n_codes in sets:
        classifier = train_code_classifier(
            made, codes, n_codes, config.discovery, name=level, **options
        )
        logits, features = classify(classifier, images)
        if level == "child":
            kinds = kmeans_labels(features, n_codes, seed)
        means[level] = mean_by_kind(logits.softmax(1), kinds, hierarchy.n_children)
    return Sorting(torch.as_tensor(kinds).long(), means["child"], means["parent"])


def mean_by_kind(rows: Tensor, kinds: np.ndarray, n_kinds: int) -> np.ndarray:
    """(K, D): the mean of the rows (N, D) of each kind, none of which is empty."""
    return np.stack([rows.numpy()[kinds == k].mean(0) for k in range(n_kinds)])


def match(
    sorting: Sorting, hierarchy: CodeHierarchy, claimed: float = 0.5, settled: dict | None = None
) -> tuple[dict, dict]:
    """Which child generates which kind, and which idle child should be led to which missing kind.

    Args:
        settled: from child to kind; these children and kinds are left out.

    Returns:
        ``drawn`` and ``led``, from child to kind.
    """
    settled = settled or {}
    kinds = sorted(set(range(len(sorting.child))) - set(settled.values()))
    children = sorted(set(range(hierarchy.n_children)) - settled.keys())
    likes = sorting.child[np.ix_(kinds, children)]
    of_kind, of_child = linear_sum_assignment(likes, maximize=True)
    pairs = [(children[j], kinds[i]) for i, j in zip(of_kind, of_child, strict=True)]
    drawn = {c: k for c, k in pairs if sorting.child[k, c] >= claimed}
    idle = sorted({c for c, _ in pairs} - drawn.keys())
    missing = sorted({k for _, k in pairs} - set(drawn.values()))
    fits = sorting.parent[np.ix_(missing, hierarchy.parent_of[idle].numpy())]
    of_missing, of_idle = linear_sum_assignment(fits, maximize=True)
    led = {idle[j]: missing[i] for i, j in zip(of_missing, of_idle, strict=True)}
    return drawn, dict(sorted(led.items()))


def group_kinds(shape: Tensor, sizes: list[int], seed: int = 0, tries: int = 50) -> np.ndarray:
    """The kinds in groups of one shape each: k-means whose clusters have given sizes.

    In each round the kinds are assigned to the groups' means so that the sizes are right and the
    sum of the squared distances is smallest (Bradley, Bennett and Demiriz, *Constrained k-means
    clustering*, 2000). The best of ``tries`` random starts counts.

    Args:
        shape: (K, S, S), the silhouette of each kind.
        sizes: how many kinds each group has; their sum is K.

    Returns:
        (K,) the group of each kind, in [0, len(sizes)).
    """
    points = oriented(shape).flatten(1).numpy()
    rng, slots = np.random.default_rng(seed), np.repeat(np.arange(len(sizes)), sizes)
    best, least = slots, np.inf
    for _ in range(tries):
        means = points[rng.permutation(len(points))[: len(sizes)]]
        for _ in range(20):
            apart = ((points[:, None] - means[slots]) ** 2).sum(2)
            groups = slots[linear_sum_assignment(apart)[1]]
            means = np.stack([points[groups == g].mean(0) for g in range(len(sizes))])
        spread = float(((points - means[groups]) ** 2).sum())
        if spread < least:
            best, least = groups, spread
    return best


def match_families(
    sorting: Sorting,
    shapes: Tensor,
    drawn: Tensor,
    hierarchy: CodeHierarchy,
    claimed: float = 0.5,
    seed: int = 0,
) -> tuple[list, dict, dict]:
    """Which group of kinds each parent should generate, and which of its kinds each child.

    The kinds are grouped by shape. Each group is matched with a parent by the similarity of their
    silhouettes. A parent is *idle* if its images are more similar to another group than to its own:
    then another parent has that group. In each group, kinds and children are matched as in
    :func:`match`.

    Args:
        shapes: (K, S, S), the kinds' silhouettes (:func:`silhouettes`).
        drawn: (N_p, S, S), the parents'.

    Returns:
        The idle parents; from each child that generates its kind to this kind; and for each
        parent that is idle or has an idle child, from all its children to their kinds.
    """
    groups = group_kinds(shapes, hierarchy.children_count, seed)
    kinds = [np.flatnonzero(groups == g) for g in range(hierarchy.n_parents)]
    alike = likeness(torch.stack([shapes[group].mean(0) for group in kinds]), drawn).numpy()
    sizes = np.array(hierarchy.children_count)
    alike = np.where(sizes[:, None] == sizes, alike, -1.0)  # a parent cannot have fewer children
    idle: list[int] = []
    settled: dict = {}
    families: dict = {}
    for g, p in zip(*linear_sum_assignment(alike, maximize=True), strict=True):
        children = hierarchy.children_of(int(p))
        likes = sorting.child[np.ix_(kinds[g], children)]
        pairs = zip(*linear_sum_assignment(likes, maximize=True), strict=True)
        family = {children[j]: int(kinds[g][i]) for i, j in pairs}
        own = {c: k for c, k in family.items() if sorting.child[k, c] >= claimed}
        if alike[:, p].argmax() != g:
            idle.append(int(p))
        else:
            settled |= own
        if alike[:, p].argmax() != g or len(own) < len(family):
            families[int(p)] = dict(sorted(family.items()))
    return sorted(idle), settled, dict(sorted(families.items()))
