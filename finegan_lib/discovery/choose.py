"""How many children are there? A number proposed without labels (FineGAN is given it).

Train a FineGAN with clearly more children than there can be, say twice as many; then ask

* the **real images**: classifiers learn the child codes of generated images, and see real ones.
  Their features are clustered into 2, 3, … groups; the number with the highest *silhouette*
  (Rousseeuw 1987) is proposed. A real bird's silhouette is (b − a) / max(a, b), with a its mean
  distance to its own cluster and b the one to the nearest other: it falls when two species share a
  cluster, and when one species is cut in two. This is the method (``n_children``);
* the **generated images**: codes that draw the same bird are merged (``distinct_codes``). A
  classifier trained on half of the generated images reads the other half; the two groups of codes
  that it confuses most become one, until it tells every pair apart in at least
  :data:`DISTINCT` of the images. It counts what the generator draws: codes beyond the number of
  children either repeat a bird or split a species, and a split is counted here.

:data:`DISTINCT` is 3/4, half way between guessing which of two codes drew an image (1/2) and
knowing it (1). Neither method has a setting that depends on the data.

    python -m finegan_lib choose-n-children --checkpoint runs/too_many

Its error on ToyBirds of known numbers, training included:

    python -m finegan_lib.discovery.choose --runs runs/choose --out FILE
"""

import argparse
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score
from torch import Tensor
from tqdm.auto import tqdm

from ..checkpoints import checkpoint_path, load_checkpoint
from ..data import ToyBirds
from ..errors import InputError
from ..presets import TOY
from ..pretrained import load_generator
from ..training import RunConfig, build_dataset, train
from .finegan import DiscoveryConfig, child_images, classify, shrink, train_code_classifier

DISTINCT = 0.75  # accuracy of telling two codes apart, from which on they count as two


@dataclass(frozen=True)
class ChoiceConfig:
    """How much is looked at."""

    images_per_code: int = 150  # generated; two thirds are learnt from, one third is read
    classifiers: int = 2  # trained with different seeds; their features stand side by side
    n_real: int = 2000  # real images
    kmeans_starts: int = 4  # of which the best is kept
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)


# ------------------------------------------------------------------------- generated images


def merge_codes(logits: Tensor, codes, distinct: float = DISTINCT) -> list[list[int]]:
    """Codes grouped so that a classifier tells every two groups apart.

    The accuracy for two groups A and B is the mean, over both, of the share of the group's images
    for which Σ_{k in it} q_k is larger than the other group's sum. The pair with the lowest is
    merged, again and again, while that is below ``distinct``.

    Args:
        logits: (N, K), of a classifier on images that it was not trained on.
        codes: (N,) the code of each image; every code must appear.
        distinct: from 1/2 (nothing is merged but what is confused more than by chance) to 1.

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


def silhouettes(features, numbers, *, seed: int = 0, starts: int = 4, progress=False) -> dict:
    """The mean silhouette of k-means clusters, for every number of clusters asked for.

    Args:
        features: (N, D).
        numbers: of clusters, each from 2 to N − 1.
    """
    features, curve = np.asarray(features, dtype=np.float32), {}
    for k in tqdm(numbers, "numbers of clusters", disable=not progress, leave=False):
        labels = KMeans(k, n_init=starts, random_state=seed).fit_predict(features)
        curve[int(k)] = float(silhouette_score(features, labels))
    return curve


def choose_n_children(generator, images: Tensor, config=None, *, seed: int = 0, progress=False):
    """Propose a number of children for a set of real images.

    Args:
        generator: a FineGAN (or InfoGAN) with more codes than there are children, trained on such
            images.
        images: (N, 3, S, S) uint8, real.
        config: `ChoiceConfig`.

    Returns:
        ``n_children``, the number proposed, and how it came about: ``silhouettes``, one for each
        number from 2 to that of the codes; ``distinct_codes``, what the generated images say, with
        ``groups`` of codes that draw the same; ``n_codes``.
    """
    config = config or ChoiceConfig()
    if len(images) < 4:
        raise InputError(
            "there are too few images to be sorted", seen=len(images), cure="Give some hundreds."
        )
    discovery = config.discovery
    n_codes = child_images(generator, replace(discovery, n_images=1, batch_size=1))[2]
    discovery = replace(discovery, n_images=config.images_per_code * n_codes)
    made, codes, _ = child_images(generator, discovery, seed=seed)
    n_learnt = 2 * len(made) // 3
    real = shrink(images.float() / 127.5 - 1, discovery.image_size)
    features, groups = [], []
    for i in range(config.classifiers):
        classifier = train_code_classifier(
            made[:n_learnt], codes[:n_learnt], n_codes, discovery, seed=seed + i, progress=progress
        )
        features.append(classify(classifier, real)[1])
        groups.append(merge_codes(classify(classifier, made[n_learnt:])[0], codes[n_learnt:]))
    numbers = range(2, min(n_codes, len(images) - 1) + 1)
    curve = silhouettes(
        torch.cat(features, 1), numbers, seed=seed, starts=config.kmeans_starts, progress=progress
    )
    return {
        "n_children": max(curve, key=curve.get),
        "n_codes": n_codes,
        "silhouettes": curve,
        "distinct_codes": float(np.mean([len(found) for found in groups])),
        "groups": groups[0],
    }


def choose_for_checkpoint(checkpoint, *, config=None, seed: int = 0, progress: bool = True) -> dict:
    """:func:`choose_n_children` for a run: its generator and the images that it was trained on.

    Returns:
        That function's, with ``checkpoint`` and, for ToyBirds, ``true_children``: the number that
        was drawn, which no part of the method sees.
    """
    config = config or ChoiceConfig()
    generator = load_generator(checkpoint)
    run = RunConfig.from_dict(load_checkpoint(checkpoint_path(checkpoint))[1]["config"])
    data = build_dataset(run, progress)
    images = data.evaluation_crops(range(min(config.n_real, len(data))))
    found = choose_n_children(generator, images, config, seed=seed, progress=progress)
    truth = {"true_children": data.n_children} if isinstance(data, ToyBirds) else {}
    return {"checkpoint": str(checkpoint), **truth, **found}


def summary(found: dict) -> str:
    """What was found, in lines to print."""
    curve, best = found["silhouettes"], found["n_children"]
    near = [k for k in curve if abs(k - best) <= 4]
    lines = [
        f"proposed number of children: {best}   (of {found['n_codes']} codes)",
        "silhouettes: " + "  ".join(f"{k}: {curve[k]:.3f}" for k in near),
        f"codes that draw something of their own: {found['distinct_codes']:g}",
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
        codes_per_child: how many times too many codes the FineGAN gets.
        steps: of each training of the preset "toy".

    Returns:
        ``worlds``: :func:`choose_for_checkpoint`'s answer for each; ``log2_error``: the mean of
        abs(log2(proposed / true)) of the method ("silhouette") and of merging ("merging").
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
        results[str(world)] = choose_for_checkpoint(run, progress=progress)
        if progress:
            print(summary(results[str(world)]), flush=True)

    def error(name: str) -> float:
        ratios = [found[name] / found["true_children"] for found in results.values()]
        return float(np.abs(np.log2(ratios)).mean())

    errors = {"silhouette": error("n_children"), "merging": error("distinct_codes")}
    return {"steps": steps, "worlds": results, "log2_error": errors}


def main(arguments=None) -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description="The error of choose-n-children on ToyBirds")
    parser.add_argument("--runs", type=Path, required=True, metavar="FOLDER", help="of the runs")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="for the results")
    parser.add_argument("--worlds", type=int, nargs="+", default=[10, 20, 40], help="true numbers")
    parser.add_argument("--steps", type=int, default=7000, help="of each training")
    parsed = parser.parse_args(arguments)
    results = measure(parsed.runs, worlds=tuple(parsed.worlds), steps=parsed.steps)
    command = "python -m finegan_lib.discovery.choose --runs FOLDER --out FILE"
    command += f" --steps {parsed.steps} --worlds {' '.join(map(str, parsed.worlds))}"
    parsed.out.parent.mkdir(parents=True, exist_ok=True)
    parsed.out.write_text(json.dumps({"command": command, **results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
