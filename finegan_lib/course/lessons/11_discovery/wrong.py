"""Right and wrong scores, codes and affinities as students write them, for the tests."""

from itertools import permutations

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

from ....discovery.depict import balanced_targets

# ------------------------------------------------------------------------- two scores


def tables():
    return [
        (torch.tensor(table, dtype=torch.float64),)
        for table in (
            [[30, 2, 0], [1, 20, 9], [0, 18, 20]],
            [[10, 12], [0, 9]],  # purest is not best
            [[0, 8, 0, 3], [6, 0, 2, 0], [4, 1, 1, 1]],  # more clusters than classes
            [[9, 1], [8, 2], [0, 7]],  # fewer
            [[0, 5, 0], [0, 0, 5], [5, 0, 0]],  # perfect, numbered otherwise
        )
    ]


def entropies(counts):
    """Of the rows, of the columns and of the cells."""
    p = counts / counts.sum()
    return [-torch.xlogy(q, q).sum() for q in (p.sum(1), p.sum(0), p)]


def information(counts):
    p = counts / counts.sum()
    return (torch.xlogy(p, p) - torch.xlogy(p, p.sum(1, keepdim=True) * p.sum(0))).sum()


def over(mean):
    """I, divided by some mean of the three entropies."""
    return lambda counts: information(counts) / mean(*entropies(counts))


def nmi_by_ratio(counts):
    p = counts / counts.sum()
    both = [-(q[q > 0] * q[q > 0].log2()).sum() for q in (p.sum(0), p.sum(1))]
    return [information(counts) / torch.tensor(2.0).log() / max(both)]


def nmi_with_log_of_zero(counts):
    p = counts / counts.sum()
    rows, columns, cells = (-(q * q.log()).sum() for q in (p.sum(1), p.sum(0), p))
    return (rows + columns - cells) / torch.maximum(rows, columns)


def nmi_of_counts_themselves(counts):
    rows, columns, cells = (
        -torch.xlogy(q, q).sum() for q in (counts.sum(1), counts.sum(0), counts)
    )
    return (rows + columns - cells) / torch.maximum(rows, columns)


def try_all(counts):
    if counts.shape[0] > counts.shape[1]:
        counts = counts.T
    rows = torch.arange(counts.shape[0])
    choices = permutations(range(counts.shape[1]), len(rows))
    best = max(float(counts[rows, list(c)].sum()) for c in choices) / float(counts.sum())
    return torch.tensor([best])


def greedy(counts):
    left, total = counts.clone(), 0.0
    for _ in range(min(counts.shape)):
        row, column = divmod(int(left.argmax()), left.shape[1])
        total += float(left[row, column])
        left[row], left[:, column] = -1, -1
    return total / float(counts.sum())


def matched(counts, maximize=True):
    """The counts that the best (or the worst) mapping keeps, and its rows and columns."""
    rows, columns = linear_sum_assignment(counts.numpy(), maximize=maximize)
    return counts[rows, columns], rows, columns


def over_mapped_clusters(counts):
    kept, _, columns = matched(counts)
    return kept.sum() / counts[:, columns].sum()


def mean_over_classes(counts):
    kept, rows, _ = matched(counts)
    return (kept / counts.sum(1)[rows]).sum() / len(counts)


# ------------------------------------------------------------------------- two tables that disagree

CLEAN = [[20, 0, 0], [0, 20, 0], [0, 0, 20]]
SPLIT = [[10, 10, 0, 0, 0, 0], [0, 0, 10, 10, 0, 0], [0, 0, 0, 0, 10, 10]]
BLURRED = [[14, 3, 3], [3, 14, 3], [3, 3, 14]]
CRUMBS = [[1] * 20 + [0] * 40, [0] * 20 + [1] * 20 + [0] * 20, [0] * 40 + [1] * 20]


# ------------------------------------------------------------------------- codes for φ_c


def codes(**changes):
    """A function that samples codes for φ_c, with other indices in some places."""

    def answer(hierarchy, n, z_dim, rng):
        free = hierarchy.sample(n, z_dim, tied=False, rng=rng)
        indices = {"b_index": free.b_index} | {
            name: change(free, hierarchy) for name, change in changes.items()
        }
        z, c_index = indices.pop("z", free.z), indices.pop("c_index", free.c_index)
        return hierarchy.codes(z, c_index, **indices)

    return answer


def tied_codes(hierarchy, n, z_dim, rng):
    free = hierarchy.sample(n, z_dim, tied=False, rng=rng)
    return hierarchy.codes(free.z, free.c_index)


def shuffled_backgrounds(hierarchy, n, z_dim, rng):
    tied = hierarchy.sample(n, z_dim, rng=rng)
    return tied._replace(b=tied.b[torch.randperm(n, generator=rng)])


def indices_alone(hierarchy, n, z_dim, rng):
    free = hierarchy.sample(n, z_dim, tied=False, rng=rng)
    return free.z, free.b_index, free.c_index


def one_picture(hierarchy, n, z_dim, rng):
    free = hierarchy.sample(1, z_dim, tied=False, rng=rng)
    return hierarchy.codes(free.z, free.c_index, b_index=free.b_index)


# ------------------------------------------------------------------------- JULE's affinity


def graphs():
    rng = torch.Generator().manual_seed(0)
    weights = torch.rand(7, 7, generator=rng) * (torch.rand(7, 7, generator=rng) < 0.6)
    return [(weights, [0, 1, 2], [3, 4]), (weights.round(decimals=1), [5], [0, 2, 3, 6])]


def blocks(answer):
    """An affinity out of W_ab, W_ba, |a| and |b|."""

    def affinity(weights, a, b):
        return answer(weights[a][:, b], weights[b][:, a], len(a), len(b))

    return affinity


# ------------------------------------------------------------------------- DEPICT's targets


def for_targets():
    rng = torch.Generator().manual_seed(0)
    lopsided = torch.rand(12, 4, generator=rng) + torch.tensor([2.0, 0, 0, 0])
    return [
        (torch.rand(6, 3, generator=rng).softmax(1),),
        (lopsided / lopsided.sum(1, keepdim=True),),
        (torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.4, 0.6]]),),
    ]


def rows_to_one(q):
    return q / q.sum(1, keepdim=True)


def counted_sizes(p):
    sizes = F.one_hot(p.argmax(1), p.shape[1]).sum(0).clamp(min=1)
    return rows_to_one(p / sizes.sqrt())


def in_place(p):
    p /= p.sum(0).sqrt()
    p /= p.sum(1, keepdim=True)
    return p


def of_the_code(p):
    return balanced_targets(p, "code")
