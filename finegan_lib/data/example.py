"""The example that every data set gives to the training, and the possible image sizes."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..base.errors import InputError

# The networks begin with a map of 4 to 7 pixels a side and double it.
IMAGE_SIZES = (*sorted(m * 2**n for n in range(3, 7) for m in (4, 5, 6, 7)), 512)
SIZES = "pixels: 32, 48, 64, 96, 128, 192, 256 or another of 4 to 7, doubled"
# (kernel, stride) of the background discriminator's convolutions, the head's included, by image
# size. 128 is the paper's; the others keep a patch to about a third of the image.
BACKGROUND_LAYERS = {
    32: ((4, 2), (3, 1), (4, 1)),
    64: ((4, 2), (4, 2), (4, 1)),
    128: ((4, 2), (4, 2), (4, 1), (4, 1)),
}


class TrainingExample(NamedTuple):
    """One image, or a batch of them (every field then has a leading N; ``index`` is (N,) int64).

    Attributes:
        child_crop: (3, S, S) float32 in [-1, 1], a square crop round the object.
        full_image: (3, S_b, S_b) float32 in [-1, 1], a random window of the whole image, for the
            background discriminator.
        box: (4,) float32 x1, y1, x2, y2 of the object in ``full_image`` pixels, clipped to
            [0, S_b]. An object outside the window gives an empty box: x1 = x2 or y1 = y2.
        index: position in the data set.
    """

    child_crop: Tensor
    full_image: Tensor
    box: Tensor
    index: int


class PatchGeometry(NamedTuple):
    """Where the cells of a convolutional patch discriminator look, in input pixels.

    Cell i, counted from 0 along one side, sees pixels [i·stride, i·stride + receptive_field).
    """

    receptive_field: int
    stride: int
    cells: int

    @classmethod
    def of(cls, layers, input_size: int) -> "PatchGeometry":
        """Geometry of (kernel, stride) convolutions without padding on a square input.

        Each layer widens the field by (kernel − 1) · (product of the strides before it).
        """
        field, jump, cells = 1, 1, input_size
        for kernel, stride in layers:
            field += (kernel - 1) * jump
            jump *= stride
            cells = (cells - kernel) // stride + 1
        return cls(field, jump, cells)


def validate_image_size(image_size: int) -> None:
    """Raise :class:`InputError` unless ``image_size`` is one of ``IMAGE_SIZES``, 32 to 512."""
    if image_size not in IMAGE_SIZES:
        near = min(IMAGE_SIZES, key=lambda size: abs(size - image_size))
        raise InputError(
            "image_size must be 4, 5, 6 or 7 pixels, doubled at least three times",
            seen=image_size,
            cure=f"The nearest size is {near}; the data are resized to it.",
        )


def background_layers(image_size: int) -> tuple[tuple[int, int], ...]:
    """(kernel, stride) of the background discriminator's convolutions for images of side S.

    Of the three stacks of ``BACKGROUND_LAYERS`` it is the one whose patch is nearest to a third of
    the image. Images above 128 pixels are first halved by further convolutions (4, 2), each of
    which doubles patch and stride; at 256 a patch has 70 pixels, and the cells are the 24 × 24 of
    128 pixels.

    Raises:
        InputError: for an image size that the networks are not built for.
    """
    validate_image_size(image_size)
    halvings, side = 0, image_size
    while side > 128:
        halvings, side = halvings + 1, side / 2

    def from_a_third(layers):
        return abs(PatchGeometry.of(layers, 128).receptive_field - side / 3)

    return ((4, 2),) * halvings + min(BACKGROUND_LAYERS.values(), key=from_a_third)


def background_size(image_size: int) -> int:
    """S_b, the side of ``full_image`` in pixels, for images of side S = ``image_size``.

    The largest side up to S that the patches of :func:`background_layers` tile exactly: 32 at 32
    pixels, 62 at 64, the paper's 126 at 128, 254 at 256.

    Raises:
        InputError: for an image size that the networks are not built for.
    """
    field, stride, _ = PatchGeometry.of(background_layers(image_size), image_size)
    return field + (image_size - field) // stride * stride


def patch_geometry(image_size: int) -> PatchGeometry:
    """Where the background discriminator's cells look, for images of side S."""
    return PatchGeometry.of(background_layers(image_size), background_size(image_size))


def split_keys(keys) -> tuple[list[int], list[int]]:
    """Keys ``i`` or ``(i, view)`` as two lists, indices and views."""
    pairs = [key if isinstance(key, tuple) else (key, 0) for key in keys]
    return [int(i) for i, _ in pairs], [int(view) for _, view in pairs]


def to_float(images: np.ndarray) -> Tensor:
    """uint8 0..255 to float32 -1..1."""
    return torch.from_numpy(images).float().div_(127.5).sub_(1)
