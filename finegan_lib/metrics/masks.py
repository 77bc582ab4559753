"""How well masks agree."""

from torch import Tensor


def iou(masks: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of N pairs of masks: the pixels of both over the pixels of either.

    Two empty masks have no union, so the quotient is not defined; here they score **0**. The
    masks are of images with an object. If neither a generator's mask nor the judges' mask shows
    one, the generator has failed: a score of 1 would reward it for images without objects.

    Args:
        masks, others: (N, 1, S, S) bool.

    Returns:
        (N,) float32 in [0, 1]; 1 for two equal masks that are not empty.
    """
    both, either = (masks & others).sum((1, 2, 3)), (masks | others).sum((1, 2, 3))
    return both / either.clamp_min(1)
