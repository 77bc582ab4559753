"""The networks and methods of a FineGAN's system that the groups of additions use."""

import torch
from torch import Tensor

from ..codes import CodeHierarchy, Codes
from ..models.finegan import (
    BackgroundDiscriminator,
    CodeDiscriminator,
    ContrastiveHead,
    FineGANConfig,
    FineGANGenerator,
    PoseReader,
)
from .parts import System


class FineGANNetworks(System):
    """The names that the paper's step and its additions share; :mod:`.finegan` fills them.

    ``contrastive`` and ``pose_reader`` exist if the recipe uses them.
    """

    unused: tuple[str, ...] = ("colour_weight",)  # StackGAN's
    config: FineGANConfig
    hierarchy: CodeHierarchy
    generator: FineGANGenerator
    average: FineGANGenerator
    d_background: BackgroundDiscriminator
    d_parent: CodeDiscriminator
    d_child: CodeDiscriminator
    contrastive: ContrastiveHead
    pose_reader: PoseReader

    def sample_codes(self, n: int, rng: torch.Generator) -> Codes:
        """The codes of a step."""
        raise NotImplementedError

    def n_real_fake(self, n: int) -> int:
        """How many images of n D_c's real/fake head sees."""
        raise NotImplementedError

    def child_logits(self, *batches: Tensor) -> tuple[Tensor, ...]:
        """D_c's real/fake logits of several batches."""
        raise NotImplementedError
