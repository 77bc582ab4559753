"""Generators and discriminators. Every discriminator returns logits, never probabilities."""

from .finegan import (
    BackgroundDiscriminator,
    CodeDiscriminator,
    FineGANConfig,
    FineGANGenerator,
    FineGANOutput,
    Stage,
)
from .gan import GANConfig, GANDiscriminator, GANGenerator
from .infogan import InfoGANConfig, InfoGANDiscriminator, InfoGANGenerator, InfoGANPosterior
from .lr_gan import LRGANConfig, LRGANGenerator, LRGANOutput
from .simple_gan import (
    InfoGANBaselineConfig,
    InfoGANBaselineGenerator,
    SimpleGANConfig,
    SimpleGANGenerator,
)
from .stackgan import StackGANConfig, StackGANGenerator

__all__ = [
    "BackgroundDiscriminator",
    "CodeDiscriminator",
    "FineGANConfig",
    "FineGANGenerator",
    "FineGANOutput",
    "GANConfig",
    "GANDiscriminator",
    "GANGenerator",
    "InfoGANBaselineConfig",
    "InfoGANBaselineGenerator",
    "InfoGANConfig",
    "InfoGANDiscriminator",
    "InfoGANGenerator",
    "InfoGANPosterior",
    "LRGANConfig",
    "LRGANGenerator",
    "LRGANOutput",
    "SimpleGANConfig",
    "SimpleGANGenerator",
    "StackGANConfig",
    "StackGANGenerator",
    "Stage",
]
