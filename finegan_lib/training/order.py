"""The order of a run's images, and the seed of each of its random numbers."""

import torch

from ..base.errors import InputError
from ..speed import distributed


class StepSampler:
    """For every step from ``start`` on, the (index, view) pairs of its batch.

    Each epoch is one random order of all images, without the last incomplete batch; ``view`` is
    the epoch's number, so an image is cropped anew each time.
    """

    def __init__(self, n_images: int, batch_size: int, seed: int, start: int, stop: int):
        if n_images < batch_size:
            raise InputError(
                "the data set must have at least one batch of images",
                seen=f"{n_images} images for batch_size={batch_size}",
                cure="Lower batch_size or add images.",
            )
        self.n_images, self.batch_size, self.seed = n_images, batch_size, seed
        self.start, self.stop = start, stop

    def __len__(self):
        return max(0, self.stop - self.start)

    def __iter__(self):
        per_epoch = self.n_images // self.batch_size
        order, order_of = None, None
        for step in range(self.start, self.stop):
            epoch, place = divmod(step, per_epoch)
            if order_of != epoch:
                shuffle = torch.Generator().manual_seed(hash_seed(self.seed, epoch, 1))
                order, order_of = torch.randperm(self.n_images, generator=shuffle), epoch
            rows = order[place * self.batch_size : (place + 1) * self.batch_size]
            yield [(index, epoch) for index in distributed.own(rows).tolist()]


def hash_seed(*numbers: int) -> int:
    """One seed from several numbers, well mixed."""
    seed = 0x9E3779B97F4A7C15
    for number in numbers:
        seed = (seed ^ (number + 0x7F4A7C15)) * 0xBF58476D1CE4E5B9 % 2**64
        seed ^= seed >> 31
    return seed % 2**63
