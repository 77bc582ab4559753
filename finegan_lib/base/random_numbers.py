"""torch's own random numbers, which new networks and many functions draw from."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A context in which torch's own random numbers on the CPU start from a seed.

    Afterwards they go on as if nothing had been drawn: a function of a library must not change
    what its caller draws next. A GPU's random numbers stay as they are, too: `torch.manual_seed`
    would seed them, and ``fork_rng(devices=[])`` does not restore them.

    Args:
        seed: any whole number that `torch.manual_seed` takes.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))
        yield
