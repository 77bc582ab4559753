"""What every data set of this library hands to the trainer."""

from typing import NamedTuple

from torch import Tensor

from ..base.errors import InputError

# Side of the background discriminator's input for each image side S. At 128 it is the paper's
# 126 (24 x 24 patches of 34 px, stride 4); 62 keeps those patches at half size; at 32 px the
# patches are 14 px wide, stride 2, and tile 32 exactly (10 x 10).
_BACKGROUND_SIZES = {32: 32, 64: 62, 128: 126}


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


def background_size(image_size: int) -> int:
    """S_b, the side of ``full_image`` in pixels, for images of side S = ``image_size``.

    Raises:
        InputError: for an image size other than 32, 64 and 128.
    """
    if image_size not in _BACKGROUND_SIZES:
        raise InputError(
            "image_size must be 32, 64 or 128 pixels",
            seen=image_size,
            cure="Choose one of the three sizes.",
        )
    return _BACKGROUND_SIZES[image_size]
