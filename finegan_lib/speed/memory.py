"""Memory that is kept instead of given back."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
LARGEST = 2**30  # bytes; the arrays of a training step are smaller


def keep_memory(largest: int = LARGEST) -> bool:
    """Let this process keep the memory of arrays that it has freed, up to ``largest`` bytes each.

    The C library asks the system for every array of 32 MiB or more, and gives it back at once when
    it is freed. At the paper's sizes a training step makes hundreds of such arrays, and clearing
    them takes the system a good part of the step, of sampling even more (``bench memory``). What is
    kept, the next array uses: the process becomes no larger than it is at its largest anyway.

    Does something on Linux with glibc only; elsewhere nothing. Returns whether it did.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    done = libc.mallopt(M_MMAP_THRESHOLD, largest) and libc.mallopt(M_TRIM_THRESHOLD, largest)
    return bool(done)
