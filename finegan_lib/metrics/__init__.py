"""Scores by themselves: clusterings, factors, judges and the networks whose features are compared.

A trained generator is scored in :mod:`finegan_lib.scoring`.
"""

from .clustering import ari, hungarian_accuracy, kmeans_labels, nmi
from .judges import Judges

__all__ = ["Judges", "ari", "hungarian_accuracy", "kmeans_labels", "nmi"]
