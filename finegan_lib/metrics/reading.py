"""What goes into a feature network, and what comes out of it."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..base.errors import InputError


class Reading(NamedTuple):
    """The outputs of a network: ``features`` (N, D) and class ``logits`` (N, K), float32."""

    features: Tensor
    logits: Tensor


def to_uint8(images: Tensor) -> Tensor:
    """Pictures in [-1, 1] as uint8: clamped and **rounded** to 0 … 255, as a PNG would hold them.

    Without the clamp, a value of 1.01 would become black.
    """
    return images.add(1).mul(127.5).round().clamp(0, 255).byte()


def resized(images: Tensor, size: int) -> Tensor:
    """(N, 3, H, W) uint8 as (N, 3, size, size) float in [0, 255].

    Bilinear, corners not aligned, and antialiased. Without antialiasing, a shrunk photograph has
    patterns that a generated picture does not have.
    """
    if images.dtype != torch.uint8:
        raise InputError(
            "a feature network reads uint8 pictures",
            seen=str(images.dtype),
            cure="Quantise them first: finegan_lib.metrics.reading.to_uint8.",
        )
    images = images.float()
    if images.shape[-2:] == (size, size):
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)
