"""Print a Matlab file as JSON. :mod:`finegan_lib.data.matlab` runs this in a separate process."""

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


def read(path) -> str:
    """The variables of a file as JSON."""
    values = loadmat(path, simplify_cells=True)
    return json.dumps({k: plain(v) for k, v in values.items() if not k.startswith("__")})


if __name__ == "__main__":
    sys.stdout.write(read(sys.argv[1]))
