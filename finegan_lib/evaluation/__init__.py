"""Scores: how well clusterings, generators and codes agree with the truth.

`scores`, which puts everything together, also uses `finegan_lib.discovery` and so is imported by
its own name: ``from finegan_lib.evaluation.scores import evaluate_generator``.
"""

from .clustering import ari, hungarian_accuracy, kmeans_labels, nmi
from .judges import Judges

__all__ = ["Judges", "ari", "hungarian_accuracy", "kmeans_labels", "nmi"]
