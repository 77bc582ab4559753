"""Which images are trained on, which are kept out, and which are looked at.

Some photographs are kept out of the training, to see whether D memorises the others.
"""

import hashlib

import numpy as np
from torch.utils.data import Dataset

from ..base.errors import InputError

TOY_SEED = 100  # of ToyBirds that no preset trains on: presets draw with seed 0


def validate_keep_out(share: float) -> None:
    """Raise :class:`InputError` unless a share of photographs to keep out is in [0, 1)."""
    if not 0 <= share < 1:
        raise InputError(
            "keep_out must be in [0, 1)",
            seen=share,
            cure="Give a share such as 0.1, or leave it out.",
        )


def is_kept_out(name: str, share: float) -> bool:
    """Whether the photograph with this file name is kept out, if ``share`` of them are.

    The rule looks at the name alone, without its folder: the same photographs are kept out in every
    run, on every machine, and with any other files in the folder.

    Args:
        name: such as "Laysan_Albatross_0002_1027.jpg".
        share: in [0, 1].
    """
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


def evenly(rows, most: int) -> list:
    """Up to ``most`` of some rows, evenly spread: the first and the last are among them.

    The photographs of a folder are often sorted by class. The first ones are then of a few classes.
    """
    places = np.linspace(0, len(rows) - 1, max(0, min(most, len(rows)))).astype(int)
    return [rows[i] for i in places.tolist()]


class FolderPart(Dataset):
    """Some photographs of a folder, as a data set whose indices run from 0 again.

    Args:
        folder: a :class:`.folder.BirdsFolder`.
        rows: which of its photographs, in which order.
    """

    def __init__(self, folder, rows):
        self.folder, self.rows = folder, list(rows)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, key):
        index, view = key if isinstance(key, tuple) else (key, 0)
        return self.folder[self.rows[index], view]

    def __getitems__(self, keys):
        return self.folder.__getitems__([(self.rows[i], view) for i, view in keys])


def split(folder, share: float) -> tuple[FolderPart, FolderPart]:
    """The photographs to train on, and those that are kept out.

    Raises:
        InputError: if either part would be empty.
    """
    kept = [is_kept_out(path.name, share) for path in folder.paths]
    parts = [[i for i, out in enumerate(kept) if out == wanted] for wanted in (False, True)]
    if not all(parts):
        raise InputError(
            "keep_out must leave photographs to train on, and keep some out",
            seen=f"{share} of {len(kept)} photographs: {sum(kept)} kept out",
            cure="Choose another keep_out (0.1 is usual), or add photographs.",
        )
    return FolderPart(folder, parts[0]), FolderPart(folder, parts[1])
