"""One training step of each family, one file each: networks, optimisers, losses.

A system samples its codes, updates its discriminators, then its generator, and reports its losses.
The loop around it (:mod:`finegan_lib.training`) is the same for all.
"""

from .finegan import FineGANSystem
from .gan import GANSystem
from .infogan import InfoGANSystem
from .lr_gan import LRGANSystem
from .parts import System, descend, follow, frozen, update_average
from .recipe import Recipe
from .simple_gan import InfoGANBaselineSystem, SimpleGANSystem
from .stackgan import StackGANSystem
from .views import code_view

__all__ = [
    "FineGANSystem",
    "GANSystem",
    "InfoGANBaselineSystem",
    "InfoGANSystem",
    "LRGANSystem",
    "Recipe",
    "SimpleGANSystem",
    "StackGANSystem",
    "System",
    "code_view",
    "descend",
    "follow",
    "frozen",
    "update_average",
]
