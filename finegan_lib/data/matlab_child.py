"""Prints a Matlab file as JSON. Run by :mod:`finegan_lib.data.matlab`, as a process of its own."""

import json
import sys

import numpy as np
from scipy.io import loadmat


def plain(value):
    """Arrays as lists, numpy's numbers and texts as Python's."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, str | int | float) else str(value)


if __name__ == "__main__":
    values = loadmat(sys.argv[1], simplify_cells=True)
    json.dump({k: plain(v) for k, v in values.items() if not k.startswith("__")}, sys.stdout)
