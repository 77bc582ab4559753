"""Which code moves which factor: a 4 × 4 matrix of Sobol indices.

Change one code, keep the other three, and watch background, shape, appearance and pose. In a
perfectly disentangled generator only the diagonal moves.

**The measure.** Let ``f(b, p, c, z)`` be a judge's answer for the child image: a vector of class
probabilities (background, shape, appearance) or the standardised pose. Draw two independent sets of
codes A and A', and let ``A[k]`` be A with only code k from A'. Then

    matrix[k, factor] = E ||f(A) - f(A[k])||² / E ||f(A) - f(A')||²

This is the *total-effect Sobol index* of code k in Jansen's form (Jansen 1999; Saltelli et al.
2010, eq. f of table 2): the share of the factor's variance that is lost when code k is frozen at
the value it has. 0: the code does not touch the factor; 1: it moves the factor as much as
resampling everything. Rows do not add up to 1, and a column's sum exceeds 1 when codes interact
(a pose code that means "left" for one shape and "right" for another counts in both rows).

If a judge is certain, ``||f - f'||²`` is 2 where the category changed and 0 elsewhere. The first
three columns are therefore probabilities of a changed category, relative to a full resampling.

**The zero.** Judges are deterministic, so equal codes give exactly 0. They are not perfect: on real
pictures, the predicted shape differs a little between two birds of the same shape. This error
(``Judges.metadata["factor_floor"]``) is reported beside the matrix. It is not subtracted.
"""

import numpy as np
import torch

from ..codes import Codes

CODE_NAMES = ("b", "p", "c", "z")
FACTOR_NAMES = ("background", "shape", "appearance", "pose")


@torch.no_grad()
def factor_matrix(generator, hierarchy, judges, *, z_dim, n_images=1000, seed=0, batch_size=100):
    """The matrix above on ``n_images`` freely sampled pairs of codes.

    Args:
        generator: maps `Codes` to an output whose ``child.image`` is (N, 3, S, S) in [-1, 1].
        judges: gives one (N, D) reading per name in ``FACTOR_NAMES``, as `Judges.readings` does.

    Returns:
        dict with ``matrix`` (4, 4) array, rows ``CODE_NAMES``, columns ``FACTOR_NAMES``, and
        ``movement`` (4,), the mean squared distance when everything is resampled: a factor with a
        tiny movement hardly varies, and its column has little meaning.
    """
    rng = torch.Generator().manual_seed(seed)
    moved = np.zeros((len(CODE_NAMES) + 1, len(FACTOR_NAMES)))
    for start in range(0, n_images, batch_size):
        n = min(batch_size, n_images - start)
        before = hierarchy.sample(n, z_dim, tied=False, rng=rng)
        after = hierarchy.sample(n, z_dim, tied=False, rng=rng)
        variants = [before._replace(**{name: getattr(after, name)}) for name in CODE_NAMES]
        reference = _readings(generator, judges, before)
        for row, codes in enumerate([*variants, after]):
            moved[row] += squared_distances(reference, _readings(generator, judges, codes))
    moved /= n_images
    return {"matrix": moved[:-1] / np.maximum(moved[-1], 1e-9), "movement": moved[-1]}


def squared_distances(readings_a: dict, readings_b: dict) -> np.ndarray:
    """(4,) sum over the images of the squared distance between two readings, factor by factor."""
    return np.array([float((readings_a[f] - readings_b[f]).square().sum()) for f in FACTOR_NAMES])


def disentanglement_margins(matrix) -> np.ndarray:
    """(4,) how many times stronger each code acts on its own factor than on any other one."""
    matrix = np.asarray(matrix, dtype=float)
    others = matrix.copy()
    np.fill_diagonal(others, 0)
    return matrix.diagonal() / np.maximum(others.max(1), 1e-9)


def _readings(generator, judges, codes: Codes) -> dict:
    return judges.readings(generator(codes).child.image)
