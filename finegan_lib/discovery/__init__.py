"""Finding categories without labels."""

from .finegan import DiscoveryConfig, discover_categories

__all__ = ["DiscoveryConfig", "discover_categories"]
