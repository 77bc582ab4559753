"""Memory that is kept instead of given back."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
LARGEST = 2**30  # bytes; the arrays of a training step are smaller


def keep_memory(largest: int = LARGEST) -> bool:
    """Let this process keep the memory of arrays that it has freed, up to ``largest`` bytes each.

    The C library requests the memory of every array of 32 MiB or more from the system, and returns
    it when the array is freed. At the paper's sizes a training step makes hundreds of such arrays.
    The system clears each of them, which takes a good part of the step, and more of sampling
    (``bench memory``). The next array uses the kept memory, so the process never becomes larger
    than its peak without this.

    It works on Linux with glibc only. Returns whether it did something.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    done = libc.mallopt(M_MMAP_THRESHOLD, largest) and libc.mallopt(M_TRIM_THRESHOLD, largest)
    return bool(done)
