"""Find kinds of real image that no child draws, and lead idle children to them, without labels.

FineGAN's loss does not distribute the real categories over the children: two children draw some of
them, and no child draws others. If twins start anew (:mod:`finegan_lib.systems.siblings`), chance
decides what they draw next. But the real images show what is missing:

1. **Sort.** Classifiers learn the child and the parent codes of generated images, as in category
   discovery. k-means on the child classifier's features sorts real images into N_c kinds. Those
   that no child draws are clusters like the others: features that tell the drawn kinds apart tell
   new ones apart as well.
2. **Match.** Children and kinds are paired off, by the mean of q(c|x) over the images x of a kind.
   A child with less than ``claimed`` of its kind is *idle*, and so is that kind *missing*. The
   missing kinds are given to idle children of the parents whose shapes they show.
3. **Lead.** Of an idle child c only its column w of the weights where c enters the generator is
   changed: by gradient descent on

       −E[log q(k|x)] − realism · E[D_c(x)],   x = an image of c, tied p, free b,

   with q(k|x) a classifier that has learnt the kinds on real images, and all networks fixed.

The result is a start, not yet a good bird. The usual training continues from there. The column only
has to be nearer to the missing kind than to any other.

    python -m finegan_lib cover --checkpoint runs/toy --out runs/covered.safetensors
    python -m finegan_lib train --preset toy --start-from runs/covered.safetensors --run runs/toy2
"""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.func import functional_call
from tqdm.auto import tqdm

from ..base.checkpoints import checkpoint_path, read_metadata, save_checkpoint
from ..base.errors import InputError
from ..base.files import refuse_to_overwrite
from ..metrics.clustering import kmeans_labels
from ..systems import frozen, siblings
from ..training import RunConfig, build_dataset, build_system, start_from
from .code_classifiers import (
    DiscoveryConfig,
    augment,
    classify,
    real_inputs,
    shrink,
    train_code_classifier,
    training_sets,
)

COLUMNS = "child_stage.join.conv.weight"  # (2·channels, N_c + channels, 3, 3): one column per child


@dataclass(frozen=True)
class CoverConfig:
    """Settings: how idle children are found and led."""

    n_real: int = 3000  # real images that are sorted
    claimed: float = 0.5  # share of a kind's images from which on a child is said to draw it
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


def sort_real(generator, images: Tensor, config=None, *, seed: int = 0, progress=False) -> Sorting:
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
        said = logits.softmax(1).numpy()
        means[level] = np.stack([said[kinds == k].mean(0) for k in range(hierarchy.n_children)])
    return Sorting(torch.as_tensor(kinds).long(), means["child"], means["parent"])


def match(sorting: Sorting, hierarchy, claimed: float = 0.5) -> tuple[dict, dict]:
    """Which child draws which kind, and which idle child should be led to which missing kind.

    Returns:
        ``drawn`` and ``led``, from child to kind.
    """
    of_kind, of_child = linear_sum_assignment(sorting.child, maximize=True)
    pairs = [(int(c), int(k)) for k, c in zip(of_kind, of_child, strict=True)]
    drawn = {c: k for c, k in pairs if sorting.child[k, c] >= claimed}
    idle = sorted({c for c, _ in pairs} - drawn.keys())
    missing = sorted({k for _, k in pairs} - set(drawn.values()))
    fits = sorting.parent[np.ix_(missing, hierarchy.parent_of[idle].numpy())]
    of_missing, of_idle = linear_sum_assignment(fits, maximize=True)
    led = {idle[j]: missing[i] for i, j in zip(of_missing, of_idle, strict=True)}
    return drawn, dict(sorted(led.items()))


class Painter:
    """A FineGAN that draws one child from a column of weights that is not its own (yet).

    Args:
        generator: in evaluation mode; not changed.
        child: index of the child.
        seed: of z and of the backgrounds.
    """

    def __init__(self, generator, child: int, seed: int):
        self.generator, self.child = generator, child
        self.hierarchy = generator.config.hierarchy()
        self.random = torch.Generator().manual_seed(seed)
        self.weight = generator.get_parameter(COLUMNS).detach()
        self.columns = self.weight[:, : self.hierarchy.n_children]

    def draw(self, column: Tensor, n: int) -> Tensor:
        """n images (n, 3, S, S) of the child, p its parent and b drawn freely."""
        z = torch.randn(n, self.generator.config.z_dim, generator=self.random)
        b = torch.randint(self.hierarchy.n_children, (n,), generator=self.random)
        weight = self.weight.index_copy(1, torch.tensor([self.child]), column[:, None])
        codes = self.hierarchy.codes(z, self.child, b_index=b)
        return functional_call(self.generator, {COLUMNS: weight}, (codes,)).child.image


def lead(generator, judge, classifier, child: int, kind: int, config=None, *, seed=0) -> Tensor:
    """The column with which a child draws a kind best: (2·channels, 3, 3).

    The search starts from the column, of those of all children, that does best as it is.

    Args:
        generator: in evaluation mode; not changed.
        judge: from images (N, 3, S, S) to logits (N,), high for real.
        classifier: a `CodeClassifier` that tells the kinds of real images apart.
        child, kind: indices.
        seed: of the pictures and of how they are moved about.
    """
    config = config or CoverConfig()
    painter, target = Painter(generator, child, seed), torch.full((config.batch_size,), kind)
    columns = painter.columns

    def loss_of(column: Tensor) -> Tensor:
        images = painter.draw(column, config.batch_size)
        logits = classifier(augment(shrink(images, config.discovery.image_size)))
        return F.cross_entropy(logits, target) - config.realism * judge(images).mean()

    with torch.random.fork_rng(devices=[]):  # the augmentation draws from torch's own numbers
        torch.manual_seed(seed)
        with torch.no_grad():
            starts = columns[:, :: max(1, columns.shape[1] // 40)].unbind(1)  # 79 at the most
            best = torch.stack([loss_of(column) for column in starts]).argmin()
        column = starts[int(best)].clone().requires_grad_()
        spread = (columns - columns.mean(1, keepdim=True)).std()
        optimiser = torch.optim.Adam([column], lr=config.step_size * float(spread))
        for _ in range(config.steps):
            loss = loss_of(column)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return column.detach()


@torch.no_grad()
def share(generator, classifier, child: int, kind: int, column=None, config=None) -> float:
    """Which part of 64 images of a child a classifier takes for a kind; with another column, if
    one is given."""
    config = config or CoverConfig()
    painter = Painter(generator, child, seed=1)
    column = painter.columns[:, child] if column is None else column
    images = shrink(painter.draw(column, 64), config.discovery.image_size)
    return float((classify(classifier, images)[0].argmax(1) == kind).float().mean())


def cover_system(system, images: Tensor, config=None, *, seed: int = 0, progress=False) -> dict:
    """Lead the idle children of a FineGAN system to the missing kinds; it is changed in place.

    Args:
        system: a ``FineGANSystem`` on the CPU.
        images: (N, 3, S, S) uint8, real.
        config: `CoverConfig`.

    Returns:
        ``n_drawn``, the children that draw a kind of their own; ``led``, one row for each
        of the others: ``child``, ``kind``, how many real ``images`` the kind has, and the share of
        the child's images that a classifier of kinds takes for it, ``before`` and ``after``.

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
    generator, judge, discovery = system.average, system.d_child, config.discovery
    real = real_inputs(images, discovery.image_size)
    sorting = sort_real(generator, real, config, seed=seed, progress=progress)
    drawn, pairs = match(sorting, system.hierarchy, config.claimed)
    led = []
    if pairs:
        classifier = train_code_classifier(
            real, sorting.kinds, n_children, discovery, seed=seed, name="kinds", progress=progress
        ).requires_grad_(False)
    training = judge.training
    judge.eval()
    with frozen(system):
        for c, k in tqdm(pairs.items(), "idle children", disable=not progress, leave=False):
            column = lead(generator, judge.real_fake_logits, classifier, c, k, config, seed=seed)
            facts = {"child": c, "kind": k, "images": int((sorting.kinds == k).sum())}
            facts["before"] = share(generator, classifier, c, k, config=config)
            facts["after"] = share(generator, classifier, c, k, column, config)
            led.append(facts)
            for network in (system.generator, system.average):
                network.get_parameter(COLUMNS)[:, c] = column
    judge.train(training)
    if drawn:  # else there is nothing to take a mean of
        siblings.blank_reader(system, list(pairs))
    return {"n_drawn": len(drawn), "led": led}


def cover(checkpoint, out, config=None, *, seed: int = 0, progress: bool = True) -> dict:
    """:func:`cover_system` for a run: its networks, and the images that it was trained on.

    Args:
        checkpoint: file or folder of a run; not changed.
        out: new file, for ``train --start-from``.

    Returns:
        That function's, with ``checkpoint`` and ``out``.

    Raises:
        InputError: if ``out`` exists, or the checkpoint is no FineGAN's or has no discriminators.
    """
    config = config or CoverConfig()
    refuse_to_overwrite(out)
    path = checkpoint_path(checkpoint)
    metadata = read_metadata(path)
    run = RunConfig.from_dict(metadata.get("config", {}))
    system = build_system(run)
    state = start_from(path, system, run)
    if run.family != "finegan" or "networks" not in state:
        raise InputError(
            "this needs a FineGAN with its discriminators",
            seen=f"{path} (family {run.family}, holds {', '.join(state)})",
            cure="Give the folder of a run of the finegan family, or a checkpoint in it.",
        )
    data = build_dataset(run, progress)
    images = data.evaluation_crops(range(min(config.n_real, len(data))))
    found = cover_system(system, images, config, seed=seed, progress=progress)
    save_checkpoint(out, {"networks": system.state_dict()}, **metadata, covered=found)
    return {"checkpoint": str(checkpoint), "out": str(out), **found}


def summary(found: dict) -> str:
    """What was found and done, in lines to print."""
    lines = [f"{found['n_drawn']} children draw a kind of their own, {len(found['led'])} do not"]
    for row in found["led"]:
        lines.append(
            f"  child {row['child']}: led to a kind of {row['images']} real images; taken for it "
            f"{row['before']:.0%} -> {row['after']:.0%}"
        )
    return "\n".join(lines)
