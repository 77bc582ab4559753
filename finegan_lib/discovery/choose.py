"""How many children are there? A number proposed without labels (FineGAN is given it).

Train a FineGAN with clearly more children than there can be, for example twice as many. Classifiers
learn the child codes of its images and then classify real images, as in category discovery. Three
numbers can be read from their answers:

* **Agreement**, the method (``n_children``). Two classifiers are trained on the same images, from
  different random weights. k-means sorts the real images by the features of each classifier into
  the same number k of clusters. With too few clusters, chance decides which species share one; with
  too many, chance decides which species is divided. The two sortings therefore agree best at the
  number of species. The agreement is the adjusted mutual information (Vinh, Epps and Bailey 2010),
  which does not rise with k by itself. Ben-Hur, Elisseeff and Guyon (2002) had the idea that a
  right number is a stable one.
* **Silhouette** (Rousseeuw 1987), for comparison: (b − a) / max(a, b), with a a bird's mean
  distance to its own cluster and b the one to the nearest other.
* **Merging**, for comparison: codes of *generated* images that a classifier confuses become one
  (:func:`merge_codes`), until the classifier is right about every two of them in at least
  :data:`DISTINCT` of the images (half way from guessing to certainty). It counts what the generator
  generates. Most surplus codes do not repeat a bird; they divide a species by something that a
  classifier can see, and this method counts the parts.

None of them has a setting that depends on the data. They were measured on ToyBirds with twice as
many codes as children, 2,000 steps (``results/choose_n_children.json``, with its command). For 10,
20 and 40 children the agreement proposed 5, 19 and 42, the silhouette 7, 17 and 32, and merging 18,
37 and 77. The 5 has a reason: those ten children have five shapes, two children each, and a sorting
by shape is stable, too. A hierarchy has more than one right number, and this method finds the most
stable one. Look at the curve as well, and trust a number only if its agreement is high (0.96, 0.92
and 0.80 here).

    python -m finegan_lib choose-n-children --checkpoint runs/too_many

Its error on ToyBirds of known numbers, training included:

    python -m finegan_lib.discovery.choose --runs runs/choose --out FILE
"""

import argparse
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score
from torch import Tensor
from tqdm.auto import tqdm

from ..base.checkpoints import checkpoint_path, read_metadata
from ..base.errors import InputError
from ..base.files import write_json
from ..base.options import file_of
from ..data import ToyBirds
from ..metrics.code_classifiers import DiscoveryConfig, classify, real_inputs, train_code_classifier
from ..training import RunConfig, train
from ..training.build import trained_crops
from ..training.presets import TOY
from ..training.pretrained import load_generator
from .code_classifiers import as_finegan, child_images

TIE = 0.005  # of the agreement, a share of the information
DISTINCT = 0.75  # accuracy of telling two codes apart, from which on they count as two


@dataclass(frozen=True)
class ChoiceConfig:
    """How many images, classifiers and starts are used."""

    images_per_code: int = 150  # generated; two thirds train the classifiers, one third tests them
    classifiers: int = 2  # of different seeds; two or more
    n_real: int = 2000  # real images
    kmeans_starts: int = 4  # of which the best is kept
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)


# ------------------------------------------------------------------------- generated images


def merge_codes(logits: Tensor, codes, distinct: float = DISTINCT) -> list[list[int]]:
    """Groups of codes that a classifier can distinguish from each other.

    The accuracy for two groups A and B is the mean, over both, of the share of the group's images
    for which Σ_{k in it} q_k is larger than the other group's sum. The pair with the lowest is
    merged, again and again, while that is below ``distinct``.

    Args:
        logits: (N, K), of a classifier on images that it was not trained on.
        codes: (N,) the code of each image; every code must appear.
        distinct: from 1/2 (only codes that are confused more than by chance are merged) to 1.

    Returns:
        Groups of codes, in the order of their first.
    """
    log_q, codes = logits.double().log_softmax(1).numpy(), np.asarray(codes).copy()
    groups = {k: [k] for k in range(log_q.shape[1])}

    def accuracy(a: int, b: int) -> float:
        of = {k: np.logaddexp.reduce(log_q[:, groups[k]], axis=1) for k in (a, b)}
        right = (of[a] > of[b])[codes == a].mean(), (of[b] > of[a])[codes == b].mean()
        return float(np.mean(right))

    apart = {(a, b): accuracy(a, b) for a in groups for b in groups if a < b}
    while apart and min(apart.values()) < distinct:
        a, b = min(apart, key=apart.get)
        groups[a] += groups.pop(b)
        codes[codes == b] = a
        apart = {pair: value for pair, value in apart.items() if not {a, b} & set(pair)}
        apart |= {(min(a, c), max(a, c)): accuracy(*sorted((a, c))) for c in groups if c != a}
    return [sorted(group) for group in groups.values()]


# ------------------------------------------------------------------------- real images


def sorting_curves(features, numbers, *, seed: int = 0, starts: int = 4, progress=False):
    """How good k-means clusters are, for every number of clusters asked for.

    Args:
        features: one array (N, D) for each classifier; two or more.
        numbers: of clusters, each from 2 to N − 1.

    Returns:
        ``agreement`` and ``silhouette``, each a dictionary from the number to the score: the mean
        adjusted mutual information of two sortings, over the pairs of classifiers; and the mean
        silhouette over the classifiers.
    """
    agreement, silhouette = {}, {}
    for k in tqdm(numbers, "numbers of clusters", disable=not progress, leave=False):
        kmeans = KMeans(k, n_init=starts, random_state=seed)
        sorted_by = [kmeans.fit_predict(np.asarray(f, dtype=np.float32)) for f in features]
        pairs = combinations(sorted_by, 2)
        agreement[int(k)] = float(np.mean([adjusted_mutual_info_score(*pair) for pair in pairs]))
        pairs = zip(features, sorted_by, strict=True)
        silhouette[int(k)] = float(np.mean([silhouette_score(f, labels) for f, labels in pairs]))
    return agreement, silhouette


def highest(agreement: dict) -> int:
    """The number of clusters with the highest agreement, the largest if several tie.

    Two sortings by well separated families of species also agree; the larger number then says more.
    Differences up to :data:`TIE` count as ties.
    """
    best = max(agreement.values())
    return max(k for k, value in agreement.items() if value >= best - TIE)


def choose_n_children(generator, images: Tensor, config=None, *, seed: int = 0, progress=False):
    """Propose a number of children for a set of real images.

    Args:
        generator: a FineGAN (or InfoGAN) with more codes than there are children, trained on such
            images.
        images: (N, 3, S, S) uint8, real.
        config: `ChoiceConfig`.

    Returns:
        ``n_children``, the number proposed: see :func:`highest`; and
        ``by_silhouette`` and ``by_merging``, what the other two say. Numbers from 2 to that of the
        codes are tried, at most about 40 of them, evenly spaced. ``curves`` holds ``agreement``
        and ``silhouette`` by number; ``groups`` the codes that generate the same
        bird, of one classifier.

    Raises:
        InputError: for too few images.
    """
    config = config or ChoiceConfig()
    if len(images) < 4:
        raise InputError(
            "there are too few images to be sorted", seen=len(images), cure="Give some hundreds."
        )
    discovery = config.discovery
    n_codes = as_finegan(generator)[1].n_children
    discovery = replace(discovery, n_images=config.images_per_code * n_codes)
    made, codes, _ = child_images(generator, discovery, seed=seed)
    n_learnt = 2 * len(made) // 3
    real = real_inputs(images, discovery.image_size)
    features, groups = [], []
    for i in range(config.classifiers):
        classifier = train_code_classifier(
            made[:n_learnt], codes[:n_learnt], n_codes, discovery, seed=seed + i, progress=progress
        )
        features.append(classify(classifier, real)[1].numpy())
        groups.append(merge_codes(classify(classifier, made[n_learnt:])[0], codes[n_learnt:]))
    numbers = range(2, min(n_codes, len(images) - 1) + 1, max(1, n_codes // 40))
    agreement, silhouette = sorting_curves(
        features, numbers, seed=seed, starts=config.kmeans_starts, progress=progress
    )
    return {
        "n_children": highest(agreement),
        "by_silhouette": max(silhouette, key=silhouette.get),
        "by_merging": float(np.mean([len(found) for found in groups])),
        "n_codes": n_codes,
        "curves": {"agreement": agreement, "silhouette": silhouette},
        "groups": groups[0],
    }


def choose_for_checkpoint(
    checkpoint, *, data=None, config=None, seed: int = 0, progress: bool = True
) -> dict:
    """:func:`choose_n_children` for a run: its generator and the images that it was trained on.

    Args:
        checkpoint: name, file or folder of a run.
        data: where these images are; None: where the run says.

    Returns:
        That function's, with ``checkpoint`` and, for ToyBirds, ``true_children``: the number that
        was drawn, which no part of the method sees.
    """
    config = config or ChoiceConfig()
    generator = load_generator(checkpoint)
    as_finegan(generator)  # refuses one without codes, before any image is read
    run = RunConfig.from_dict(read_metadata(checkpoint_path(checkpoint))["config"])
    data, images = trained_crops(run, config.n_real, data, progress)
    found = choose_n_children(generator, images, config, seed=seed, progress=progress)
    truth = {"true_children": data.n_children} if isinstance(data, ToyBirds) else {}
    return {"checkpoint": str(checkpoint), **truth, **found}


def summary(found: dict) -> str:
    """What was found, in lines to print."""
    curve, best = found["curves"]["agreement"], found["n_children"]
    near = sorted(sorted(curve, key=lambda k: abs(k - best))[:7])
    lines = [
        f"proposed number of children: {best}   (of {found['n_codes']} codes)",
        "agreement of two sortings: " + "  ".join(f"{k}: {curve[k]:.3f}" for k in near),
        f"by silhouette: {found['by_silhouette']}   by merging codes: {found['by_merging']:g}",
    ]
    if "true_children" in found:
        lines.append(f"children in this world: {found['true_children']}")
    return "\n".join(lines)


# ------------------------------------------------------------------------- how wrong it is


def measure(
    folder, *, worlds=(10, 20, 40), codes_per_child: int = 2, steps: int = 7000, progress=True
) -> dict:
    """Worlds of known numbers of children: train with too many codes, and propose.

    Args:
        folder: of the runs; what is there already is not trained again.
        worlds: true numbers of children, of five parents each.
        codes_per_child: how many codes the FineGAN gets for each true child.
        steps: of each training of the preset "toy".

    Returns:
        ``worlds``: :func:`choose_for_checkpoint`'s answer for each; ``log2_error``: the mean of
        abs(log2(proposed / true)), of the method and of the two that it is compared with.
    """
    results = {}
    for world in worlds:
        config = replace(
            TOY,
            model=replace(TOY.model, n_children=codes_per_child * world),
            loop=replace(TOY.loop, world_parents=5, world_children=world, steps=steps, minutes=0.0),
        )
        run = Path(folder) / f"codes{codes_per_child * world}_world{world}"
        train(config, run, resume=True, progress=progress)
        found = choose_for_checkpoint(run, progress=progress)
        results[str(world)] = found | {"checkpoint": run.name}
        if progress:
            print(summary(results[str(world)]), flush=True)

    def error(name: str) -> float:
        ratios = [found[name] / found["true_children"] for found in results.values()]
        return float(np.abs(np.log2(ratios)).mean())

    errors = {name: error(name) for name in ("n_children", "by_silhouette", "by_merging")}
    return {"steps": steps, "worlds": results, "log2_error": errors}


def main(arguments=None) -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description="The error of choose-n-children on ToyBirds")
    parser.add_argument("--runs", type=Path, required=True, metavar="FOLDER", help="of the runs")
    parser.add_argument(
        "--out", type=file_of(".json"), required=True, metavar="FILE", help="results"
    )
    parser.add_argument("--worlds", type=int, nargs="+", default=[10, 20, 40], help="true numbers")
    parser.add_argument("--steps", type=int, default=7000, help="of each training")
    parsed = parser.parse_args(arguments)
    results = measure(parsed.runs, worlds=tuple(parsed.worlds), steps=parsed.steps)
    command = "python -m finegan_lib.discovery.choose --runs FOLDER --out FILE"
    command += f" --steps {parsed.steps} --worlds {' '.join(map(str, parsed.worlds))}"
    write_json(parsed.out, {"command": command, **results})


if __name__ == "__main__":
    main()
