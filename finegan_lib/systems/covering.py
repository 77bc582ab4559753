"""Find kinds of real images that no code generates, and lead idle children and parents to them.

FineGAN's loss does not distribute the real categories over the codes: two children may generate the
same category, and another category has no child. Parents and shapes have the same problem. If twins
start anew (:mod:`.siblings`), chance decides what they generate next. But real images show what is
missing, without labels:

1. **Sort.** A classifier learns the child codes of generated images, as in category discovery.
   k-means on its features sorts real images into N_c kinds. A kind that no child generates also
   forms a cluster: features that separate the generated kinds separate new ones.
2. **Match.** The kinds are grouped by their silhouettes (:mod:`.silhouettes`), and each group is
   matched with a parent. A parent whose images are not clearly most similar to its group is
   *idle*. Each child is matched with a kind, by the mean of q(c|x) over the images x of a kind. A
   child with less than ``claimed`` of its kind is *idle*; its kind is *missing*, if it has the
   parent's shape. All of this is in :mod:`.sorting`.
3. **Lead.** A search finds columns of weights with which an idle child generates a missing kind
   (:mod:`.leading`). For an idle parent, it finds the parent's columns and those of all its
   children, and also follows the silhouette of the group. A parent that has its shape stays as it
   is, and so do the children that generate a kind.
4. **Confirm.** The search follows one classifier of the kinds, and may find images that only this
   one takes for the kind. A second classifier, from another random start, must take more images for
   their kinds than before. If it takes a child's images for the kind already, the child is not led.
   After the move of a parent, its images must also have the silhouette of its group. Otherwise the
   code stays as it was.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..base.errors import InputError
from ..metrics.code_classifiers import (
    CodeClassifier,
    DiscoveryConfig,
    real_inputs,
    shrink,
    train_code_classifier,
)
from ..metrics.judges import StridedUNet
from ..models.finegan import FineGANGenerator
from ..speed import distributed
from . import siblings
from .leading import (
    COLUMNS,
    RealFake,
    family_images,
    family_share,
    lead,
    lead_family,
    share,
)
from .networks import FineGANNetworks
from .silhouettes import parent_silhouettes, silhouettes, train_mask_reader
from .sorting import CoverConfig, Matched, Sorting, has_shape_of, match, sort_real

# The training continues afterwards, so a third of `cover`'s time is enough here.
IN_TRAINING = CoverConfig(steps=60, discovery=DiscoveryConfig(n_images=3000, epochs=4))


def cover_system(
    system: FineGANNetworks,
    images: Tensor,
    config: CoverConfig | None = None,
    *,
    parents: bool = False,
    seed: int = 0,
    progress: bool = False,
) -> dict:
    """Lead the idle codes of a FineGAN system to missing kinds. This changes the system.

    The search works on copies of the networks on the CPU, so the system may be on any device.

    Args:
        system: a ``FineGANSystem``.
        images: (N, 3, S, S) uint8, real.
        config: `CoverConfig`.
        parents: also lead idle parents, each together with its children.

    Returns:
        ``n_drawn``, the children that generate a kind of their own; ``idle_parents``, their
        indices; ``led``, one row for each child that was to be led: ``child``, ``kind``, how many
        real ``images`` the kind has, the share of the child's images that the second classifier of
        kinds takes for it, ``before`` and ``after``, and whether it was ``moved``. With
        ``parents``, their children count as neither drawn nor led; ``families`` has one row for
        each idle parent: ``parent``, ``kinds`` by child, ``before``, ``after``, whether the images
        then had the ``shape`` of the group, and ``moved``.

    Raises:
        InputError: for fewer real images than children.
    """
    config = config or CoverConfig()
    if len(images) < system.hierarchy.n_children:
        raise InputError(
            "there are fewer real images than children",
            seen=f"{len(images)} images, {system.hierarchy.n_children} children",
            cure="Give at least some tens of images per child.",
        )
    generator = fixed_copy(system.average)
    real = real_inputs(images, config.discovery.image_size)
    mask_reader = train_mask_reader(generator, config.discovery, seed)
    sorting = sort_real(generator, real, config, seed=seed, progress=progress)
    matched = _matched(generator, mask_reader, real, sorting, config, parents, seed)
    found: dict = {"n_drawn": len(matched.settled), "idle_parents": matched.idle, "led": []}
    found |= {"families": []} if parents else {}
    if not matched.led and not matched.families:
        return found
    n_kinds = system.hierarchy.n_children
    followed, second = kind_classifiers(real, sorting.kinds, n_kinds, config, seed, progress)
    search = Search(generator, judge_of(system), followed, second, config, seed)
    moves: list[tuple] = []
    rows = tqdm(matched.families.items(), "families", disable=not progress, leave=False)
    for parent, kinds in rows:
        columns, facts = search.family(kinds, mask_reader, matched.shapes)
        found["families"].append({"parent": parent, **facts})
        moves += [(columns, parent, sorted(kinds))] if facts["moved"] else []
    for child, kind in tqdm(matched.led.items(), "children", disable=not progress, leave=False):
        column, facts = search.child(child, kind)
        n_images = int((sorting.kinds == kind).sum())
        found["led"].append({"child": child, "kind": kind, "images": n_images, **facts})
        moves += [({COLUMNS: column[:, None]}, None, [child])] if facts["moved"] else []
    move_in(system, distributed.gather(moves)[0])  # several processes make the same moves
    return found


def _matched(
    generator: FineGANGenerator,
    mask_reader: StridedUNet,
    real: Tensor,
    sorting: Sorting,
    config: CoverConfig,
    parents: bool,
    seed: int,
) -> Matched:
    hierarchy = generator.config.hierarchy()
    shapes = silhouettes(mask_reader, real, sorting.kinds, hierarchy.n_children)
    drawn = parent_silhouettes(mask_reader, generator, config.discovery.image_size, seed)
    return match(sorting, shapes, drawn, hierarchy, config.claimed, parents=parents, seed=seed)


def kind_classifiers(
    real: Tensor,
    kinds: Tensor,
    n_kinds: int,
    config: CoverConfig,
    seed: int,
    progress: bool = False,
) -> tuple[CodeClassifier, CodeClassifier]:
    """Two classifiers of the kinds (N,) of real images (N, 3, s, s), from different seeds."""
    options = {"name": "kinds", "progress": progress}
    first, second = (
        train_code_classifier(real, kinds, n_kinds, config.discovery, seed=one, **options)
        for one in (seed, seed + 1)
    )
    return first.requires_grad_(False), second.requires_grad_(False)


def judge_of(system: FineGANNetworks) -> RealFake:
    """D_c's real/fake logits on the CPU, of images with the noise with which it is trained now."""
    d_child, noise_sd = fixed_copy(system.d_child), system.noise_sd

    def judge(images: Tensor) -> Tensor:
        noise = noise_sd * torch.randn_like(images) if noise_sd else 0.0
        return d_child.real_fake_logits(images + noise)

    return judge


def fixed_copy(network: Any) -> Any:
    """A copy of a network on the CPU, in float32 and evaluation mode, with fixed weights."""
    return copy.deepcopy(network).cpu().float().eval().requires_grad_(False)


@dataclass
class Search:
    """The search for columns, and what decides whether the system gets them.

    ``followed`` is the classifier of kinds that the search follows, ``second`` the one that it does
    not see. All networks are on the CPU, with fixed weights.
    """

    generator: FineGANGenerator
    judge: Callable[[Tensor], Tensor]
    followed: CodeClassifier
    second: CodeClassifier
    config: CoverConfig
    seed: int

    def child(self, child: int, kind: int) -> tuple[Tensor, dict]:
        """A child's column for a kind; ``before``, ``after`` and ``moved``.

        If the second classifier takes the child's images for the kind already, the child keeps its
        column.
        """
        generator, second = self.generator, self.second
        before = share(generator, second, child, kind, None, self.config)
        if before >= self.config.claimed:
            column = generator.get_parameter(COLUMNS).detach()[:, child]
            return column, {"before": before, "after": before, "moved": False}
        column = lead(
            generator, self.judge, self.followed, child, kind, self.config, seed=self.seed
        )
        after = share(generator, second, child, kind, column, self.config)
        return column, {"before": before, "after": after, "moved": after > before}

    def family(self, kinds: dict, mask_reader: StridedUNet, shapes: Tensor) -> tuple[dict, dict]:
        """The columns of a parent and its children for their kinds; the facts about them.

        Args:
            kinds: from all children of the parent to kinds.
            mask_reader: reads the silhouette of what they generate.
            shapes: (N_p, S, S), the silhouettes that the parents should have.
        """
        networks = self.generator, self.judge, self.followed
        shape = shapes[int(self.generator.config.hierarchy().parent_of[min(kinds)])]
        columns = lead_family(*networks, kinds, shape, self.config, seed=self.seed)
        before, after = (
            family_share(self.generator, self.second, kinds, c, self.config)
            for c in (None, columns)
        )
        right = self.has_shape(kinds, columns, mask_reader, shapes)
        facts = {"kinds": kinds, "before": before, "after": after, "shape": right}
        return columns, facts | {"moved": right and after > before}

    def has_shape(
        self, kinds: dict, columns: dict, mask_reader: StridedUNet, shapes: Tensor
    ) -> bool:
        """Whether a parent's images are most similar to the silhouette of its group.

        A parent that has its shape must have it clearly. A led parent need not: the training
        continues from here, and makes the shape clearer.
        """
        parent = int(self.generator.config.hierarchy().parent_of[min(kinds)])
        images, _ = family_images(self.generator, sorted(kinds), columns)
        images = shrink(images, self.config.discovery.image_size)
        one = silhouettes(mask_reader, images, torch.zeros(len(images)).long(), 1)
        return has_shape_of(shapes, one, [parent], clearly=1.0)[0]


@torch.no_grad()
def move_in(system: FineGANNetworks, moves: list[tuple]) -> None:
    """Put found columns into a system, live and average; reset the readers' rows of these codes.

    Adam's first moments of the columns are set to 0. The second moments stay: without them, the
    next steps would be much larger than the learning rate, and would destroy the result.

    Args:
        system: a ``FineGANSystem``.
        moves: each the columns by the name of their weights, (…, k) of k children and (…) of a
            parent; the parent whose columns these are, or None; and the children, indices.
    """
    for columns, parent, children in moves:
        for name, column in columns.items():
            where = (slice(None), children if name == COLUMNS else parent)
            for network in (system.generator, system.average):
                weight = network.get_parameter(name)
                weight[where] = column.to(weight)
            live = system.generator.get_parameter(name)
            siblings.forget(system.optimisers["G"], live, where, siblings.FIRST)
    moved = {c for _, _, children in moves for c in children}
    siblings.blank_reader(system, sorted(moved), siblings.FIRST)
    parents = {parent for _, parent, _ in moves if parent is not None}
    siblings.blank_rows(system, system.d_parent.code[-1], sorted(parents), siblings.FIRST)


def summary(found: dict) -> str:
    """The result of :func:`cover_system` as lines to print."""
    lines = [
        f"{len(found['idle_parents'])} parents generate no shape of their own, "
        f"{found['n_drawn']} children generate a kind of their own"
    ]
    for row in found.get("families", ()):
        lines.append(
            f"  parent {row['parent']}: its {len(row['kinds'])} children led to kinds of one "
            f"shape; {_outcome(row, 'them')}" + ("" if row["shape"] else " (not in this shape)")
        )
    for row in found["led"]:
        lines.append(
            f"  child {row['child']}: led to a kind of {row['images']} real images; "
            + _outcome(row, "it")
        )
    return "\n".join(lines)


def _outcome(row: dict, what: str) -> str:
    end = "" if row["moved"] else ", left as it was"
    return f"taken for {what} {row['before']:.0%} -> {row['after']:.0%}{end}"
