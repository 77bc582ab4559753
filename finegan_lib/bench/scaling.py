"""Time and memory against sizes, and their figure."""

import dataclasses
from collections import Counter

import numpy as np
import torch
from torch import nn

from ..systems import FineGANSystem
from ..training.presets import TOY
from .clock import compare, facts
from .count import Convolutions, n_trained
from .doctor import random_batch

# What is changed, and the sizes that it takes; the last two count rows of features.
SCALES = {
    "batch size": (4, 8, 16, 32, 64),
    "image size": (32, 64, 128),
    "child codes": (20, 200, 2000, 20_000),
    "width": (4, 8, 16, 32),
    "FID sums": (1000, 10_000, 100_000),
    "k-means": (1000, 10_000, 100_000),
}


def scaling(rounds: int = 3, progress: bool = True) -> dict:
    """Step time and memory against batch, image size, N_c and width; scores against N.

    Everything starts from the toy preset at 32 pixels and changes one size at a time. ``curves``
    holds, by name, ``x`` and the seconds ``s`` of a step (or a score); of a step also those of its
    convolutions alone, and its memory: weights, optimisers, and what is kept for backward passes.
    """
    curves = {}
    for name in ("batch size", "image size", "child codes", "width"):
        curve = {"x": [], "s": [], "convolutions_s": [], "memory_mb": []}
        for x in SCALES[name]:
            config = dataclasses.replace(TOY.model, **_changed(name, x))
            system = FineGANSystem(config, TOY.recipe)
            batch = random_batch(config.image_size, x if name == "batch size" else 16, "cpu")
            way = lambda s=system, b=batch: s.step(b, torch.Generator().manual_seed(0))  # noqa: E731
            ways = {"step": way, "convolutions": Convolutions.of(way).run}
            seconds = compare(ways, rounds, f"{name} {x}", progress)
            curve["x"].append(x)
            curve["s"].append(seconds["step"])
            curve["convolutions_s"].append(seconds["convolutions"])
            curve["memory_mb"].append(_memory_of_step(system, way) / 1e6)
        curves[name] = curve
    curves |= _score_curves(rounds, progress)
    return facts(rounds=rounds, curves=curves)


def _changed(name: str, x: int) -> dict:
    changes = {"image size": {"image_size": x}, "child codes": {"n_children": x}}
    return (changes | {"width": {"g_dim": x, "d_dim": 4 * x}}).get(name, {})


def _memory_of_step(system: nn.Module, way) -> int:
    """Bytes of weights and optimisers, and of what a backward pass of the step has kept for it."""
    kept, peak = Counter(), [0]

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        peak[0] = max(peak[0], sum(kept.values()))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        way()
    fixed = sum(t.numel() * t.element_size() for t in system.state_dict().values())
    # A gradient and two moments of Adam's for each weight, in float32.
    return fixed + 3 * 4 * n_trained(system) + peak[0]


def _score_curves(rounds: int, progress: bool) -> dict:
    """Seconds of an FID (512 features, its running sums) and of a k-means, against N."""
    from sklearn.cluster import MiniBatchKMeans

    from ..metrics.image_quality import FeatureSums

    rng = np.random.default_rng(0)
    curves = {
        "FID sums": {"x": list(SCALES["FID sums"]), "s": [], "features": 512},
        "k-means": {"x": list(SCALES["k-means"]), "s": [], "features": 64, "clusters": 20},
    }
    for n in SCALES["FID sums"]:
        wide = torch.from_numpy(rng.standard_normal((n, 512), dtype=np.float32))

        def sums(wide=wide):
            total = FeatureSums.of(wide[:1000])
            for part in wide[1000:].split(1000):
                total = total + FeatureSums.of(part)

        curves["FID sums"]["s"].append(compare({"": sums}, rounds, f"{n} rows", progress)[""])
    for n in SCALES["k-means"]:
        narrow = rng.standard_normal((n, 64), dtype=np.float32)

        def cluster(narrow=narrow):
            MiniBatchKMeans(20, n_init=1, random_state=0).fit(narrow)

        curves["k-means"]["s"].append(compare({"": cluster}, rounds, f"{n} rows", progress)[""])
    return curves


def scaling_figure(result: dict):
    """The curves of :func:`scaling`, one panel each, on logarithmic axes."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter, NullFormatter

    from ..course.style import FAKE, GREEN, REAL

    curves = result["curves"]
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    axes = figure.subplots(2, 3)
    for axis, (name, curve) in zip(axes.flat, curves.items(), strict=True):
        axis.loglog(curve["x"], curve["s"], "o-", color=REAL, label="all of it")
        if "convolutions_s" in curve:
            axis.loglog(
                curve["x"], curve["convolutions_s"], "s--", color=FAKE, label="convolutions"
            )
            beside = axis.twinx()
            beside.loglog(curve["x"], curve["memory_mb"], "^:", color=GREEN, label="memory")
            beside.set_ylabel("memory (MB)")
            lines = axis.get_lines() + beside.get_lines()
            axis.legend(lines, [line.get_label() for line in lines], fontsize=8)
        is_score = "convolutions_s" not in curve
        axis.set_title(name if is_score else f"training step: {name}")
        units = {"image size": " (pixels)", "batch size": " (images)", "width": " (channels, g)"}
        axis.set_xlabel("number of feature rows" if is_score else name + units.get(name, ""))
        axis.set_xticks(curve["x"], [f"{x:,}" for x in curve["x"]])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_ylabel(f"{result['clock']} time (s)")
        for scale in figure.axes:
            scale.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 1.0)))
    return figure
