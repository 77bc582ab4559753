"""Finding categories without labels."""

from ..metrics.code_classifiers import DiscoveryConfig
from .code_classifiers import discover_categories

__all__ = ["DiscoveryConfig", "discover_categories"]
