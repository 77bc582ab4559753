"""Find kinds of real images that no code generates, and lead idle children and parents to them.

FineGAN's loss does not distribute the real categories over the codes: two children generate some of
them, and no child generates others; two parents have one shape, and no parent has another. If twins
start anew (:mod:`.siblings`), chance decides what they generate next. But real images show what is
missing, without labels:

1. **Sort.** Classifiers learn the child and the parent codes of generated images, as in category
   discovery. k-means on the child classifier's features sorts real images into N_c kinds. A kind
   that no child generates also forms a cluster: features that separate the generated kinds separate
   new ones.
2. **Match.** Each child is matched with a kind, by the mean of q(c|x) over the images x of a kind.
   A child with less than ``claimed`` of its kind is *idle*, and its kind is *missing*. An idle
   child gets a missing kind that shows the shape of its parent.
3. **Lead.** For an idle child c, only one thing changes: its column w of the weights where c enters
   the generator. It changes by gradient descent on

       −E[log q(k|x)] − realism · E[D_c(x)],   x = an image of c, tied p, free b,

   with q(k|x) a classifier that has learnt the kinds on real images, and all networks fixed.

For parents, the kinds are grouped by their silhouettes (:mod:`.silhouettes`), and each group is
matched with a parent. A search then finds the columns of a parent and of its children together: the
children must generate the kinds of the group, in its shape. The search treats each parent that
is idle or has an idle child.

The result is a start, not yet a good bird. The training that continues from there makes it one. It
is enough that the columns are nearer to the missing kind than to any other.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call
from tqdm.auto import tqdm

from ..base.errors import InputError
from ..codes import Codes
from ..metrics.code_classifiers import (
    CodeClassifier,
    DiscoveryConfig,
    classify,
    perturb,
    real_inputs,
    shrink,
    train_code_classifier,
)
from ..models.finegan import FineGANGenerator
from ..speed import distributed
from . import siblings
from .networks import FineGANNetworks
from .silhouettes import parent_silhouettes, silhouettes, train_mask_reader
from .sorting import CoverConfig, match, match_families, sort_real

RealFake = Callable[[Tensor], Tensor]  # D_c's logits of images
COLUMNS = "child_stage.join.conv.weight"  # (2·channels, N_c + channels, 3, 3): one column per child
# The training continues afterwards, so a third of `cover`'s time is enough here.
IN_TRAINING = CoverConfig(steps=60, discovery=DiscoveryConfig(n_images=3000, epochs=4))
# The weights with one column per parent: where p meets the noise, and where it meets the features.
PARENT_COLUMNS = ("foreground_stem.linear.weight", "parent_stage.join.conv.weight")


class Painter:
    """A FineGAN that generates one child from a column of weights that is not its own (yet).

    Args:
        generator: in evaluation mode; not changed.
        child: index of the child.
        seed: of z and of the backgrounds.
    """

    def __init__(self, generator: FineGANGenerator, child: int, seed: int):
        self.generator, self.child = generator, child
        self.hierarchy = generator.config.hierarchy()
        self.random = torch.Generator().manual_seed(seed)
        self.weight = generator.get_parameter(COLUMNS).detach()
        self.columns = self.weight[:, : self.hierarchy.n_children]

    def generate(self, column: Tensor, n: int) -> Tensor:
        """n images (n, 3, S, S) of the child, p its parent and b sampled freely."""
        codes = self.codes(torch.full((n,), self.child))
        weight = self.weight.index_copy(1, torch.tensor([self.child]), column[:, None])
        return functional_call(self.generator, {COLUMNS: weight}, (codes,)).child.image

    def codes(self, children: Tensor) -> Codes:
        """Random z and b for children (n,), p their parents."""
        n = len(children)
        z = torch.randn(n, self.generator.config.z_dim, generator=self.random)
        b = torch.randint(self.hierarchy.n_children, (n,), generator=self.random)
        return self.hierarchy.codes(z, children, b_index=b)


class FamilyPainter(Painter):
    """A FineGAN that generates the children of one parent, from columns that are not theirs (yet).

    Args:
        parent: index of the parent; the others as for `Painter`.
    """

    def __init__(self, generator: FineGANGenerator, parent: int, seed: int):
        super().__init__(generator, 0, seed)
        self.parent, self.children = parent, self.hierarchy.children_of(parent)

    def columns_of(self, parent: int) -> dict[str, Tensor]:
        """Copies of a parent's columns, (…) each, and of its children's, (2·channels, k, 3, 3)."""
        columns = {
            name: self.generator.get_parameter(name).detach()[:, parent].clone()
            for name in PARENT_COLUMNS
        }
        children = self.hierarchy.children_of(parent)
        return columns | {COLUMNS: self.weight[:, children].clone()}

    def generate_family(self, columns: dict[str, Tensor], children: Tensor) -> Tensor:
        """Images (n, 3, S, S) of some of the children (n,), b sampled freely."""
        index = {name: torch.tensor([self.parent]) for name in PARENT_COLUMNS}
        index[COLUMNS] = torch.tensor(self.children)
        weights = {
            name: self.generator.get_parameter(name)
            .detach()
            .index_copy(1, at, columns[name] if name == COLUMNS else columns[name][:, None])
            for name, at in index.items()
        }
        return functional_call(self.generator, weights, (self.codes(children),)).child.image


def lead(
    generator: FineGANGenerator,
    real_fake: RealFake,
    classifier: CodeClassifier,
    child: int,
    kind: int,
    config: CoverConfig | None = None,
    *,
    seed: int = 0,
) -> Tensor:
    """The column with which a child generates a kind best: (2·channels, 3, 3).

    The search starts from one of the children's columns: the one with the best result.

    Args:
        generator: in evaluation mode; not changed.
        real_fake: from images (N, 3, S, S) to logits (N,), high for real.
        classifier: a `CodeClassifier` that tells the kinds of real images apart.
        child, kind: indices.
        seed: of the pictures and of their random shifts.
    """
    config = config or CoverConfig()
    painter, target = Painter(generator, child, seed), torch.full((config.batch_size,), kind)
    columns = painter.columns

    def loss_of(column: Tensor) -> Tensor:
        images = painter.generate(column, config.batch_size)
        return _distance(images, target, classifier, real_fake, config)

    with torch.random.fork_rng(devices=[]):  # the augmentation takes torch's own numbers
        torch.manual_seed(seed)
        with torch.no_grad():
            starts = columns[:, :: max(1, columns.shape[1] // 40)].unbind(1)  # 79 at the most
            best = torch.stack([loss_of(column) for column in starts]).argmin()
        column = starts[int(best)].clone().requires_grad_()
        spread = (columns - columns.mean(1, keepdim=True)).std()
        optimiser = torch.optim.Adam([column], lr=config.step_size * float(spread))
        for _ in range(config.steps):
            _descend(optimiser, loss_of(column))
    return column.detach()


def lead_family(
    generator: FineGANGenerator,
    real_fake: RealFake,
    classifier: CodeClassifier,
    kinds: dict,
    config: CoverConfig | None = None,
    *,
    seed: int = 0,
) -> dict:
    """The columns with which a parent and its children generate the kinds of a group best.

    The search starts from the columns of one parent and its children: those with the best result.

    Args:
        kinds: from each child of the parent to a kind; the others as for :func:`lead`.

    Returns:
        The columns by the name of their weights, as :meth:`FamilyPainter.columns_of` gives them.
    """
    config, children = config or CoverConfig(), sorted(kinds)
    hierarchy = generator.config.hierarchy()
    painter = FamilyPainter(generator, int(hierarchy.parent_of[children[0]]), seed)
    rows = torch.arange(max(config.batch_size, len(children))) % len(children)
    target = torch.tensor([kinds[c] for c in children])[rows]
    drawn = torch.tensor(children)[rows]

    def loss_of(columns: dict) -> Tensor:
        images = painter.generate_family(columns, drawn)
        return _distance(images, target, classifier, real_fake, config)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        alike = [p for p, k in enumerate(hierarchy.children_count) if k == len(children)]
        with torch.no_grad():
            starts = [painter.columns_of(p) for p in alike]
            columns = starts[int(torch.stack([loss_of(start) for start in starts]).argmin())]
        groups = []
        for name, column in columns.items():
            n = hierarchy.n_children if name == COLUMNS else hierarchy.n_parents
            every = generator.get_parameter(name).detach()[:, :n]
            spread = float((every - every.mean(1, keepdim=True)).std())
            groups.append({"params": [column.requires_grad_()], "lr": config.step_size * spread})
        optimiser = torch.optim.Adam(groups)
        for _ in range(config.steps):
            _descend(optimiser, loss_of(columns))
    return {name: column.detach() for name, column in columns.items()}


def _distance(
    images: Tensor,
    target: Tensor,
    classifier: CodeClassifier,
    real_fake: RealFake,
    config: CoverConfig,
) -> Tensor:
    """−E[log q(k|x)] − realism · E[D_c(x)] of images and the kinds k that they should show."""
    logits = classifier(perturb(shrink(images, config.discovery.image_size)))
    return F.cross_entropy(logits, target) - config.realism * real_fake(images).mean()


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


@torch.no_grad()
def share(
    generator: FineGANGenerator,
    classifier: CodeClassifier,
    child: int,
    kind: int,
    column: Tensor | None = None,
    config: CoverConfig | None = None,
) -> float:
    """The share of 64 images of a child that a classifier takes for a kind; with another column, if
    one is given."""
    painter = Painter(generator, child, seed=1)
    column = painter.columns[:, child] if column is None else column
    return _share(painter.generate(column, 64), torch.full((64,), kind), classifier, config)


@torch.no_grad()
def family_share(
    generator: FineGANGenerator,
    classifier: CodeClassifier,
    kinds: dict,
    columns: dict | None = None,
    config: CoverConfig | None = None,
) -> float:
    """The share of 64 images of a parent's children that a classifier takes for their kinds."""
    children = sorted(kinds)
    parent = int(generator.config.hierarchy().parent_of[children[0]])
    painter, rows = FamilyPainter(generator, parent, seed=1), torch.arange(64) % len(children)
    columns = columns or painter.columns_of(parent)
    images = painter.generate_family(columns, torch.tensor(children)[rows])
    target = torch.tensor([kinds[c] for c in children])[rows]
    return _share(images, target, classifier, config)


def _share(
    images: Tensor, kinds: Tensor, classifier: CodeClassifier, config: CoverConfig | None
) -> float:
    images = shrink(images, (config or CoverConfig()).discovery.image_size)
    return float((classify(classifier, images)[0].argmax(1) == kinds).float().mean())


# ------------------------------------------------------------------------------------ in a system


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
        parents: also lead each parent that is idle or has an idle child, together with its
            children. A family does not change if the search brings its children no nearer to their
            kinds.

    Returns:
        ``n_drawn``, the children that generate a kind of their own; ``led``, one row for each
        of the others: ``child``, ``kind``, how many real ``images`` the kind has, and the share of
        the child's images that a classifier of kinds takes for it, ``before`` and ``after``. With
        ``parents``, in place of ``led``: ``idle_parents``, and ``families``, one row for each that
        is led: ``parent``, ``kinds`` by child, ``before`` and ``after``.

    Raises:
        InputError: for fewer real images than children.
    """
    config = config or CoverConfig()
    n_children = system.hierarchy.n_children
    if len(images) < n_children:
        raise InputError(
            "there are fewer real images than children",
            seen=f"{len(images)} images, {n_children} children",
            cure="Give at least some tens of images per child.",
        )
    generator, d_child = fixed_copy(system.average), fixed_copy(system.d_child)
    real = real_inputs(images, config.discovery.image_size)
    sorting = sort_real(generator, real, config, seed=seed, progress=progress)
    found: dict = {}
    families: dict = {}
    pairs: dict = {}
    moves: list[tuple] = []
    if parents:
        mask_reader = train_mask_reader(generator, config.discovery, seed)
        shapes = silhouettes(mask_reader, real, sorting.kinds, n_children)
        drawn = parent_silhouettes(mask_reader, generator, config.discovery.image_size, seed)
        idle, settled, families = match_families(
            sorting, shapes, drawn, system.hierarchy, config.claimed, seed
        )
        found = {"idle_parents": idle, "n_drawn": len(settled), "families": []}
    else:
        own, pairs = match(sorting, system.hierarchy, config.claimed)
        found = {"n_drawn": len(own), "led": []}
    if not families and not pairs:
        return found
    classifier = train_code_classifier(
        real,
        sorting.kinds,
        n_children,
        config.discovery,
        seed=seed,
        name="kinds",
        progress=progress,
    ).requires_grad_(False)
    networks = generator, d_child.real_fake_logits, classifier
    for p, kinds in tqdm(families.items(), "families", disable=not progress, leave=False):
        columns, facts = _led_family(networks, kinds, config, seed)
        found["families"].append({"parent": p, **facts})
        if facts["after"] > facts["before"]:
            moves.append((columns, p, sorted(kinds)))
    for c, k in tqdm(pairs.items(), "idle children", disable=not progress, leave=False):
        column, facts = _led_child(networks, c, k, config, seed)
        facts["images"] = int((sorting.kinds == k).sum())
        found["led"].append({"child": c, "kind": k, **facts})
        moves.append(({COLUMNS: column[:, None]}, None, [c]))
    move_in(system, distributed.gather(moves)[0])  # several processes make the same moves
    return found


def fixed_copy(network: Any) -> Any:
    """A copy of a network on the CPU, in float32 and evaluation mode, with fixed weights."""
    return copy.deepcopy(network).cpu().float().eval().requires_grad_(False)


def _led_child(
    networks: tuple, child: int, kind: int, config: CoverConfig, seed: int
) -> tuple[Tensor, dict]:
    generator, real_fake, classifier = networks
    column = lead(generator, real_fake, classifier, child, kind, config, seed=seed)
    return column, {
        "before": share(generator, classifier, child, kind, config=config),
        "after": share(generator, classifier, child, kind, column, config),
    }


def _led_family(networks: tuple, kinds: dict, config: CoverConfig, seed: int) -> tuple[dict, dict]:
    generator, real_fake, classifier = networks
    columns = lead_family(generator, real_fake, classifier, kinds, config, seed=seed)
    return columns, {
        "kinds": kinds,
        "before": family_share(generator, classifier, kinds, config=config),
        "after": family_share(generator, classifier, kinds, columns, config),
    }


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
    if "families" in found:
        lines = [
            f"{len(found['idle_parents'])} parents generate no shape of their own, "
            f"{found['n_drawn']} children a kind in its shape"
        ]
        for row in found["families"]:
            lines.append(
                f"  parent {row['parent']}: its {len(row['kinds'])} children led to kinds of one "
                f"shape; taken for them {row['before']:.0%} -> {row['after']:.0%}"
                + ("" if row["after"] > row["before"] else ", left as it was")
            )
        return "\n".join(lines)
    lines = [
        f"{found['n_drawn']} children generate a kind of their own, "
        f"{len(found['led'])} are led to one"
    ]
    for row in found["led"]:
        lines.append(
            f"  child {row['child']}: led to a kind of {row['images']} real images; taken for it "
            f"{row['before']:.0%} -> {row['after']:.0%}"
        )
    return "\n".join(lines)
