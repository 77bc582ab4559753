"""The search for columns of weights with which codes generate given kinds of real images.

This is step 3 of :mod:`.covering`. For a child c, only one thing changes: its column w of the
weights where c enters the generator. It changes by gradient descent on

   −E[log q(k|x)] − realism · E[D_c(x)],   x = an image of c, tied p, free b,

with q(k|x) a classifier that has learnt the kinds on real images, and all networks fixed. For a
parent without a shape of its own, the search finds its columns and those of its children together:
the children must generate the kinds of one group. The loss then has one term more, the difference
between their masks and the silhouette of the group (:func:`.silhouettes.difference`): without it,
the children get the plumages of the group, but keep the old shape.

The result is a start, not yet a good bird. The training that continues from there makes it one. It
is enough that the columns are nearer to the missing kind than to any other.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from ..base.random_numbers import seeded
from ..codes import Codes
from ..metrics.code_classifiers import CodeClassifier, classify, perturb, shrink
from ..models.finegan import FineGANGenerator, Stage
from .silhouettes import difference
from .sorting import CoverConfig

RealFake = Callable[[Tensor], Tensor]  # D_c's logits of images
COLUMNS = "child_stage.join.conv.weight"  # (2·channels, N_c + channels, 3, 3): one column per child
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

    def generate_family(self, columns: dict[str, Tensor], children: Tensor) -> Stage:
        """The child stage of n images of some of the children (n,), b sampled freely."""
        index = {name: torch.tensor([self.parent]) for name in PARENT_COLUMNS}
        index[COLUMNS] = torch.tensor(self.children)
        weights = {
            name: self.generator.get_parameter(name)
            .detach()
            .index_copy(1, at, columns[name] if name == COLUMNS else columns[name][:, None])
            for name, at in index.items()
        }
        return functional_call(self.generator, weights, (self.codes(children),)).child


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

    with seeded(seed):  # the augmentation takes torch's own numbers
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
    silhouette: Tensor,
    config: CoverConfig | None = None,
    *,
    seed: int = 0,
) -> dict:
    """The columns with which a parent and its children generate the kinds of a group best.

    The search starts from the columns of one parent and its children: those with the best result.

    Args:
        kinds: from each child of the parent to a kind.
        silhouette: (s, s) in [0, 1], of the group; the others as for :func:`lead`.

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
        stage = painter.generate_family(columns, drawn)
        masks = shrink(stage.mask, silhouette.shape[-1])[:, 0]
        distance = _distance(stage.image, target, classifier, real_fake, config)
        return distance + config.silhouette * difference(masks, silhouette)

    with seeded(seed):
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
def family_images(
    generator: FineGANGenerator, children: list[int], columns: dict | None = None
) -> tuple[Tensor, Tensor]:
    """64 images of the children of one parent, and the child (64,) of each; with other columns, if
    they are given."""
    parent = int(generator.config.hierarchy().parent_of[children[0]])
    painter = FamilyPainter(generator, parent, seed=1)
    drawn = torch.tensor(children)[torch.arange(64) % len(children)]
    return painter.generate_family(columns or painter.columns_of(parent), drawn).image, drawn


def family_share(
    generator: FineGANGenerator,
    classifier: CodeClassifier,
    kinds: dict,
    columns: dict | None = None,
    config: CoverConfig | None = None,
) -> float:
    """The share of 64 images of a parent's children that a classifier takes for their kinds."""
    images, drawn = family_images(generator, sorted(kinds), columns)
    target = torch.tensor([kinds[c] for c in drawn.tolist()])
    return _share(images, target, classifier, config)


@torch.no_grad()
def _share(
    images: Tensor, kinds: Tensor, classifier: CodeClassifier, config: CoverConfig | None
) -> float:
    images = shrink(images, (config or CoverConfig()).discovery.image_size)
    return float((classify(classifier, images)[0].argmax(1) == kinds).float().mean())
