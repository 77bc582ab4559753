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

__all__ = [
    "BackgroundDiscriminator",
    "CodeDiscriminator",
    "FineGANConfig",
    "FineGANGenerator",
    "FineGANOutput",
    "GANConfig",
    "GANDiscriminator",
    "GANGenerator",
    "InfoGANConfig",
    "InfoGANDiscriminator",
    "InfoGANGenerator",
    "InfoGANPosterior",
    "Stage",
]
