"""Sort real images into kinds, and match them with the codes: steps 1 and 2 of :mod:`.covering`."""

from collections.abc import Sequence
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
    generate_labelled_images,
    train_code_classifier,
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
    silhouette: float = 10.0  # weight of the difference from the silhouette, for a parent
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)


# A parent has its group's shape if the difference of their silhouettes (1 - likeness) is at most
# this much of the difference from the next group.
CLEARLY = 0.7
# A child may generate a kind of another shape than its parent's. It is matched with that kind only
# if its share there is larger by more than this.
SAME_SHAPE = 0.25


@dataclass(frozen=True)
class Sorting:
    """Real images in kinds, and the answers of a classifier of generated images for each kind.

    ``kinds`` (N,) int64; ``child`` (K, N_c): the mean probability of each child over the images of
    a kind.
    """

    kinds: Tensor
    child: np.ndarray


@dataclass(frozen=True)
class Matched:
    """Which kind each code should generate, and which codes do.

    ``shapes`` (N_p, S, S): the silhouette of the group of kinds that each parent is matched with.
    ``idle``: the parents whose images are not clearly most similar to their own group
    (:func:`has_shape_of`).
    ``settled``: from each child that generates a kind to this kind. ``led``: from each other child
    to a missing kind of its parent's group, if there is one. ``families``: for each parent that is
    to be led as a whole, from all its children to the kinds of its group.
    """

    shapes: Tensor
    idle: list[int]
    settled: dict[int, int]
    led: dict[int, int]
    families: dict[int, dict[int, int]]


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
    hierarchy, discovery = generator.config.hierarchy(), config.discovery
    options = {"seed": seed, "progress": progress}
    made, codes, _ = generate_labelled_images(
        generator, hierarchy, generator.config.z_dim, discovery, **options
    )
    n = hierarchy.n_children
    classifier = train_code_classifier(made, codes, n, discovery, name="child", **options)
    logits, features = classify(classifier, images)
    kinds = kmeans_labels(features, n, seed)
    return Sorting(torch.as_tensor(kinds).long(), mean_by_kind(logits.softmax(1), kinds, n))


def mean_by_kind(rows: Tensor, kinds: np.ndarray, n_kinds: int) -> np.ndarray:
    """(K, D): the mean of the rows (N, D) of each kind, none of which is empty."""
    return np.stack([rows.numpy()[kinds == k].mean(0) for k in range(n_kinds)])


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


def match(
    sorting: Sorting,
    shapes: Tensor,
    drawn: Tensor,
    hierarchy: CodeHierarchy,
    claimed: float = 0.5,
    *,
    parents: bool = False,
    seed: int = 0,
) -> Matched:
    """Match the kinds with the children, and their groups with the parents.

    The kinds are grouped by shape. Each group is matched with a parent by the similarity of their
    silhouettes. A parent is *idle* if its images are not clearly most similar to its own group:
    then it has another parent's shape, or one between two. Children are matched with kinds by their
    shares, and with kinds of their parent's group in the first place.

    Args:
        shapes: (K, S, S), the kinds' silhouettes (:func:`silhouettes`).
        drawn: (N_p, S, S), the parents'.
        claimed: a child with at least this share of a kind's images generates it.
        parents: idle parents are to be led as a whole, with the kinds of their groups. Otherwise
            their children are matched as all others are.
    """
    wanted, parent_of_kind = _match_parents(shapes, drawn, hierarchy, seed)
    has_it = has_shape_of(wanted, drawn, range(hierarchy.n_parents))
    idle = [p for p in range(hierarchy.n_parents) if not has_it[p]]
    moving, parent_of_child = idle if parents else [], hierarchy.parent_of.numpy()
    families = {}
    for p in moving:
        kinds, children = np.flatnonzero(parent_of_kind == p), np.array(hierarchy.children_of(p))
        families[p] = _pairs(sorting.child[np.ix_(kinds, children)], kinds, children)
    kinds = np.flatnonzero(~np.isin(parent_of_kind, moving))
    children = np.flatnonzero(~np.isin(parent_of_child, moving))
    same_shape = parent_of_kind[kinds][:, None] == parent_of_child[children]
    likes = sorting.child[np.ix_(kinds, children)] + SAME_SHAPE * same_shape
    settled, led = {}, {}
    for c, k in _pairs(likes, kinds, children).items():
        if sorting.child[k, c] >= claimed:
            settled[c] = k
        elif parent_of_kind[k] == parent_of_child[c]:
            led[c] = k
    return Matched(wanted, idle, settled, led, families)


def has_shape_of(
    wanted: Tensor, drawn: Tensor, groups: Sequence[int], clearly: float = CLEARLY
) -> list[bool]:
    """Whether silhouettes are clearly most similar to one of several.

    Args:
        wanted: (G, S, S), of the groups.
        drawn: (N, S, S).
        groups: for each of the N the index of the group that it should have.
        clearly: a factor. The difference from this group is at most this factor times the
            difference from the next one; 1: it is enough that no other group is nearer.
    """
    apart, rows = 1 - likeness(wanted, drawn), []
    for i, group in enumerate(groups):
        others = torch.cat([apart[:group, i], apart[group + 1 :, i]])
        rows.append(len(others) == 0 or bool(apart[group, i] <= clearly * others.min()))
    return rows


def _match_parents(
    shapes: Tensor, drawn: Tensor, hierarchy: CodeHierarchy, seed: int
) -> tuple[Tensor, np.ndarray]:
    """The silhouette (N_p, S, S) that each parent should have, and the parent of each kind."""
    sizes = np.array(hierarchy.children_count)
    groups = group_kinds(shapes, hierarchy.children_count, seed)
    # the birds of two kinds may look to different sides
    means = torch.stack([oriented(shapes[groups == g]).mean(0) for g in range(len(sizes))])
    alike = likeness(means, drawn).numpy()
    alike = np.where(sizes[:, None] == sizes, alike, -1.0)  # a parent cannot have fewer children
    parent_of_group = linear_sum_assignment(alike, maximize=True)[1]
    return means[np.argsort(parent_of_group)], parent_of_group[groups]


def _pairs(likes: np.ndarray, kinds: np.ndarray, children: np.ndarray) -> dict[int, int]:
    """From child to kind, by the assignment with the largest sum of ``likes`` (kinds, children)."""
    pairs = zip(*linear_sum_assignment(likes, maximize=True), strict=True)
    return dict(sorted((int(children[j]), int(kinds[i])) for i, j in pairs))
