"""The laboratory of the first lesson: what k-means finds in a window of the crop."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ....data import ToyBirds
from ....figures import show
from ....metrics import kmeans_labels, nmi
from ....metrics.clustering import raw_pixels
from ..shared_lab import as_signed


def window_scores(birds: ToyBirds, window: tuple[int, int, int]) -> tuple[float, float]:
    """NMI of twenty groups of k-means with the species, and with the background.

    Args:
        birds: whose crops are sorted.
        window: (left, top, width) in pixels of the crop; k-means sees the pixels inside.
    """
    left, top, width = window
    part = birds.evaluation_crops()[:, :, top : top + width, left : left + width]
    groups = kmeans_labels(raw_pixels(part), 20, seed=0)
    return nmi(birds.child_index, groups), nmi(birds.background_index, groups)


def window_figure(birds: ToyBirds, width: int) -> Figure:
    """What k-means sees in a window of ``width`` pixels in the middle, and what it finds there."""
    edge = (32 - width) // 2
    species, background = window_scores(birds, (edge, edge, width))
    figure, axes = plt.subplots(1, 7, figsize=(8, 1.9), layout="constrained")
    for axis, picture in zip(axes, as_signed(birds.evaluation_crops())[:7], strict=True):
        show(axis, picture[:, edge : edge + width, edge : edge + width])
        axis.set(xticks=[], yticks=[])
    figure.suptitle(f"A window of {width} pixels in the middle")
    axes[3].set_title(f"NMI: species {species:.2f}, background {background:.2f}", fontsize=10)
    return figure
