"""Finding categories without labels."""

from .code_classifiers import DiscoveryConfig, discover_categories

__all__ = ["DiscoveryConfig", "discover_categories"]
