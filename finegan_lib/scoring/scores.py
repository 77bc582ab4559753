"""Every score of a generator against ToyBirds' ground truth, in one dictionary.

The judges (`judges`) read generated images, `factor_matrix` measures the factors, and classifiers
that are trained on generated images (`finegan_lib.discovery.code_classifiers`) sort real ones. Each
score is the mean over several sampling seeds; the value of every seed is kept, too.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from tqdm.auto import tqdm

from ..base.errors import InputError
from ..discovery.code_classifiers import TRAININGS, discover_categories
from ..metrics.clustering import (
    CONTROL_FEATURES,
    ami,
    control_features,
    hungarian_accuracy,
    kmeans_labels,
    majority_matches,
    nmi,
)
from ..metrics.code_classifiers import DiscoveryConfig, shrink
from ..metrics.factors import CODE_NAMES, FACTOR_NAMES, disentanglement_margins, factor_matrix
from ..metrics.masks import iou


@dataclass(frozen=True)
class EvaluationConfig:
    """How many images are sampled, per seed."""

    n_images: int = 1000  # generated images that the judges read, the same number per child
    n_pairs: int = 500  # pairs of codes for the factor matrix; each costs 6 images
    agreement: float = 0.5  # share of a code's images that must show a category for it to count
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)


def evaluate_generator(
    generator,
    hierarchy,
    dataset,
    judges,
    *,
    z_dim=None,
    seeds=(0, 1, 2),
    config=None,
    trainings=TRAININGS,
    tell=lambda line: None,
    progress=True,
) -> dict:
    """All scores of a generator trained on ToyBirds.

    Args:
        generator: maps `Codes` to a `FineGANOutput`; put into evaluation mode by the caller.
        hierarchy: the generator's `CodeHierarchy`.
        dataset: real ToyBirds with ground truth, for the scores on real images.
        judges: `Judges` of the generator's image size.
        z_dim: length of z; None: ``generator.config.z_dim``.
        seeds: sampling seeds.
        trainings: of the classifiers: the method itself, "generated", and which controls.
        tell: called with a line of text as soon as a part of the scores is there.

    Returns:
        A dictionary that ``json.dumps`` accepts. Numbers, each the mean over the seeds:

        ``mask_iou``            child mask ≥ 0.5 against the segmenter's on the child image
        ``mask_iou_parent``     the same for the parent mask, on the same image
        ``mask_iou_union``      the same for the larger of the two masks
        ``nmi_parent``          NMI(parent code, shape seen by the judge), tied codes
        ``nmi_child``           NMI(child code, appearance seen by the judge), tied codes
        ``parents_found``       real shapes that are the majority of some parent code's images
        ``children_found``      real children that are the majority of some child code's images
        ``leak``                share of the background stage's pixels that the segmenter calls bird
        ``real_child_nmi``, ``real_child_ami``, ``real_child_accuracy``, and the same of the parent
                                of classifiers trained on generated images, on real ones, by
                                argmax; with ``_kmeans`` appended, by k-means on their features

        ``factor_matrix`` is a 4 × 4 list of lists (rows ``code_names``, columns
        ``factor_names``), with ``factor_floor`` and ``factor_movement`` beside it
        (see `factors`). ``controls`` holds, for each control, the scores on real images that
        it reaches. ``per_seed`` and ``sd`` hold every number's values and their standard
        deviation (n − 1).

    Raises:
        InputError: if the data set lacks labels or has another image size than the judges.
    """
    config = config or EvaluationConfig()
    z_dim = generator.config.z_dim if z_dim is None else z_dim
    _check(dataset, judges)
    real = _real_images(dataset, config.discovery)
    runs = []
    for seed in tqdm(seeds, "sampling seeds", disable=not progress):
        scores = judge_images(generator, hierarchy, judges, z_dim, config, seed=seed)
        tell(
            f"generated birds: mask IoU {scores['mask_iou']:.2f}, {scores['children_found']:g} of "
            f"{hierarchy.n_children} kinds, {scores['parents_found']:g} of "
            f"{hierarchy.n_parents} shapes"
        )
        factors = factor_matrix(
            generator, hierarchy, judges, z_dim=z_dim, n_images=config.n_pairs, seed=seed
        )
        tell(f"the shape code moves the plumage by {factors['matrix'][1, 2]:.2f} (0 is best)")
        options = {"seed": seed, "trainings": trainings, "progress": progress}
        found = discover_categories(generator, hierarchy, z_dim, *real, config.discovery, **options)
        scores |= _flat_real_scores(found.pop("generated"))
        tell(
            f"new drawn birds, sorted by classifiers of generated ones: NMI of the kind "
            f"{scores['real_child_nmi']:.2f}, of the shape {scores['real_parent_nmi']:.2f}"
        )
        controls = {name: _flat_real_scores(result) for name, result in found.items()}
        controls |= {name: control_scores(real, name, seed) for name in CONTROL_FEATURES}
        runs.append({"scores": scores, "factors": factors, "controls": controls})
    return _summary(runs, seeds, judges)


@torch.no_grad()
def judge_images(generator, hierarchy, judges, z_dim, config=None, *, seed=0, batch_size=100):
    """The scores that need generated images and judges only (see `evaluate_generator`)."""
    config = config or EvaluationConfig()
    rng = torch.Generator().manual_seed(seed)
    sums, seen = {}, []
    for start in range(0, config.n_images, batch_size):
        n = min(batch_size, config.n_images - start)
        c_index = (torch.arange(n) + start) % hierarchy.n_children
        codes = hierarchy.codes(torch.randn(n, z_dim, generator=rng), c_index)
        output = generator(codes)
        readings = judges.readings(output.child.image)
        seen.append((codes.c_index, codes.p_index, *(readings[k].argmax(1) for k in SEEN)))
        for name, value in _mask_scores(output, judges).items():
            sums[name] = sums.get(name, 0.0) + float(value.sum())
    c_code, p_code, appearance, shape = (
        torch.cat(part).numpy() for part in zip(*seen, strict=True)
    )
    children = majority_matches(c_code, appearance, hierarchy.n_children, config.agreement)
    parents = majority_matches(p_code, shape, hierarchy.n_parents, config.agreement)
    return {name: total / config.n_images for name, total in sums.items()} | {
        "nmi_child": nmi(c_code, appearance),
        "nmi_parent": nmi(p_code, shape),
        "children_found": float(len(set(children) - {-1})),
        "parents_found": float(len(set(parents) - {-1})),
    }


SEEN = ("appearance", "shape")


def _mask_scores(output, judges) -> dict:
    """Per image: the IoU of the generator's masks with the segmenter's, and the leak."""
    seen = judges.masks(output.child.image) >= 0.5
    child, parent = output.child.mask >= 0.5, output.parent.mask >= 0.5
    leak = (judges.masks(output.background.image) >= 0.5).float().mean((1, 2, 3))
    return {
        "mask_iou": iou(child, seen),
        "mask_iou_parent": iou(parent, seen),
        "mask_iou_union": iou(child | parent, seen),
        "leak": leak,
    }


def real_scores(generator, hierarchy, z_dim, dataset, config: DiscoveryConfig, *, seed=0) -> dict:
    """The ``real_…`` scores of :func:`evaluate_generator` alone, from one sampling seed."""
    real = _real_images(dataset, config)
    found = discover_categories(
        generator, hierarchy, z_dim, *real, config, seed=seed, trainings=("generated",)
    )
    return _flat_real_scores(found["generated"])


def control_scores(real, kind: str, seed: int) -> dict:
    """k-means on features that need no learning, scored like the method's own k-means."""
    images, true_child, true_parent = real
    features = control_features(images.add(1).mul(127.5).round().byte(), kind)
    scores = {}
    for level, truth in (("child", true_child), ("parent", true_parent)):
        clusters = kmeans_labels(features, len(np.unique(truth)), seed)
        scores[f"real_{level}_nmi"] = nmi(truth, clusters)
        scores[f"real_{level}_ami"] = ami(truth, clusters)
        scores[f"real_{level}_accuracy"] = hungarian_accuracy(truth, clusters)
    return scores


def _real_images(dataset, config: DiscoveryConfig):
    """Real child crops in [-1, 1] at the classifiers' size, with child and parent labels."""
    indices = np.arange(min(config.n_real, len(dataset)))
    images = dataset.evaluation_crops(indices).float().div(127.5).sub(1)
    images = shrink(images, config.image_size)
    return images, dataset.child_index[indices], dataset.parent_index[indices]


def _flat_real_scores(found: dict) -> dict:
    """``{"child": {"nmi": …}}`` as ``{"real_child_nmi": …}``."""
    return {
        f"real_{level}_{name}": value for level in found for name, value in found[level].items()
    }


def _summary(runs, seeds, judges) -> dict:
    scores = {name: [run["scores"][name] for run in runs] for name in runs[0]["scores"]}
    matrices = np.array([run["factors"]["matrix"] for run in runs])
    controls = {
        control: {
            name: float(np.mean([run["controls"][control][name] for run in runs]))
            for name in runs[0]["controls"][control]
        }
        for control in runs[0]["controls"]
    }
    spread = {name: float(np.std(values, ddof=1)) for name, values in scores.items() if seeds[1:]}
    mean_matrix = matrices.mean(0)
    return {name: float(np.mean(values)) for name, values in scores.items()} | {
        "factor_matrix": mean_matrix.tolist(),
        "code_names": list(CODE_NAMES),
        "factor_names": list(FACTOR_NAMES),
        "factor_margins": disentanglement_margins(mean_matrix).tolist(),
        "factor_movement": np.mean([run["factors"]["movement"] for run in runs], 0).tolist(),
        "factor_floor": judges.metadata.get("factor_floor"),
        "controls": controls,
        "seeds": list(seeds),
        "per_seed": scores | {"factor_matrix": matrices.tolist()},
        "sd": spread,
    }


def _check(dataset, judges):
    if dataset.child_index is None or dataset.parent_index is None:
        raise InputError(
            "scores against ground truth need a labelled data set",
            seen="no child or parent labels",
            cure="Use ToyBirds, or a folder with labels.",
        )
    if dataset.image_size != judges.config.image_size:
        raise InputError(
            "the judges were trained for another image size",
            seen=f"images of {dataset.image_size}, judges for {judges.config.image_size}",
            cure='Load them with Judges.load("toy", image_size).',
        )
