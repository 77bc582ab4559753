"""Pure scores: of clusterings, of factors, and the networks that the scores need.

:mod:`finegan_lib.scoring` scores a trained generator.
"""

from .clustering import ami, ari, hungarian_accuracy, kmeans_labels, nmi
from .judges import Judges

__all__ = ["Judges", "ami", "ari", "hungarian_accuracy", "kmeans_labels", "nmi"]
