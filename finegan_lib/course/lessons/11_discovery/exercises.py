"""The exercises of this lesson, with answers that must be told apart."""

from itertools import permutations

import torch

from ....discovery.depict import balanced_targets
from ...engine.exercises import Choice, Exploration, Fill, Mistake
from . import lab


def _tables():
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


def _strict_nmi(counts):
    return lab.nmi_of_counts(counts, "max")


def _information(counts):
    p = counts / counts.sum()
    return (torch.xlogy(p, p) - torch.xlogy(p, p.sum(1, keepdim=True) * p.sum(0))).sum()


def _nmi_by_ratio(counts):
    p = counts / counts.sum()
    entropies = [-(q[q > 0] * q[q > 0].log()).sum() for q in (p.sum(0), p.sum(1))]
    return _information(counts) / max(entropies)


def _nmi_with_log_of_zero(counts):
    p = counts / counts.sum()
    rows, columns, cells = (-(q * q.log()).sum() for q in (p.sum(1), p.sum(0), p))
    return (rows + columns - cells) / torch.maximum(rows, columns)


def _try_all(counts):
    if counts.shape[0] > counts.shape[1]:
        counts = counts.T
    rows = torch.arange(counts.shape[0])
    choices = permutations(range(counts.shape[1]), len(rows))
    return max(float(counts[rows, list(c)].sum()) for c in choices) / float(counts.sum())


def _greedy(counts):
    left, total = counts.clone(), 0.0
    for _ in range(min(counts.shape)):
        row, column = divmod(int(left.argmax()), left.shape[1])
        total += float(left[row, column])
        left[row], left[:, column] = -1, -1
    return total / float(counts.sum())


def _answers():
    rng = torch.Generator().manual_seed(0)
    lopsided = torch.rand(12, 4, generator=rng) + torch.tensor([2.0, 0, 0, 0])
    return [
        (torch.rand(6, 3, generator=rng).softmax(1),),
        (lopsided / lopsided.sum(1, keepdim=True),),
        (torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.4, 0.6]]),),
    ]


def _dice(k):
    if isinstance(k, bool | str) or k != int(k) or not 2 <= k <= 2000:
        return "answer with a whole number of groups from 2 to 2000"
    score, adjusted = lab.fooled(k)
    if score >= 0.5:
        return None
    return f"with {int(k)} groups dice reach an NMI of {score:.2f} (ARI {adjusted:.2f}); 0.5 wanted"


EXERCISES = (
    Choice(
        "1",
        "predict: a reader of masked foregrounds",
        "my_reader",
        "c",
        mistakes=(
            Mistake("a", "nothing distracted it, so it never learnt to leave distractions aside"),
            Mistake("b", "the bird is the same, but what stands around it is not"),
        ),
        alternative="C",
        praise="It has never seen a background, so it takes one for part of a bird.",
    ),
    Fill(
        "2",
        "fill in: NMI from a table of counts",
        "my_nmi",
        _strict_nmi,
        mistakes=(
            Mistake(
                lab.nmi_of_counts,
                "this divides by the arithmetic mean of the entropies; the larger one is wanted",
            ),
            Mistake(
                lambda counts: lab.nmi_of_counts(counts, "min"),
                "this divides by the smaller entropy; the larger one is wanted",
            ),
            Mistake(_information, "this is I, the mutual information itself: divide by an entropy"),
            Mistake(
                _nmi_with_log_of_zero,
                "an empty cell gives 0 · log 0, which floating point does not know: "
                "torch.xlogy(p, p) makes it 0",
            ),
        ),
        alternative=_nmi_by_ratio,
        praise="The strictest of the usual means: it is 1 only if both groupings are the same.",
        inputs=_tables,
    ),
    Fill(
        "3",
        "fill in: accuracy of the best mapping",
        "my_accuracy",
        lab.accuracy_of_counts,
        mistakes=(
            Mistake(
                lambda counts: counts.max(0).values.sum() / counts.sum(),
                "this is purity: it lets several clusters claim the same class",
            ),
            Mistake(
                lambda counts: counts.max(1).values.sum() / counts.sum(),
                "here one cluster may serve several classes; the mapping must be one-to-one",
            ),
            Mistake(
                lambda counts: counts.diagonal().sum() / counts.sum(),
                "this takes cluster 0 for class 0: but clusters are numbered by chance",
            ),
            Mistake(
                _greedy,
                "taking the largest count first is greedy: an early grab can cost more later",
            ),
        ),
        alternative=_try_all,
        praise="Surplus clusters count as wrong, however pure they are.",
        inputs=_tables,
    ),
    Exploration(
        "4",
        "explore: make dice look clever",
        "my_groups",
        700,
        mistakes=(
            Mistake(20, "0.5 wanted"),
            Mistake(300, "0.5 wanted"),
            Mistake(5000, "from 2 to 2000"),
            Mistake("many", "a whole number"),
        ),
        alternative=1500.0,
        praise="The same dice have an ARI of about 0. Ask for it.",
        judge=_dice,
    ),
    Fill(
        "5",
        "fill in: DEPICT's fair targets",
        "my_targets",
        balanced_targets,
        mistakes=(
            Mistake(
                lambda p: p / p.sum(0).sqrt(),
                "the columns are right, but a target is a distribution: each row must add up to 1",
            ),
            Mistake(
                lambda p: balanced_targets(p, "code"),
                "this is the form of the authors' code, p² / Σp; the paper's is wanted, p / √Σp",
            ),
            Mistake(
                lambda p: (p / p.sum(0)) / (p / p.sum(0)).sum(1, keepdim=True),
                "the size of a cluster goes in by its square root",
            ),
            Mistake(
                lambda p: (p / p.sum(1, keepdim=True).sqrt()) / p.sum(1, keepdim=True),
                "the rows add up to 1 already; the size of a cluster is the sum of its column",
            ),
            Mistake(
                lambda p: (p * p.sum(0).sqrt()) / (p * p.sum(0).sqrt()).sum(1, keepdim=True),
                "the rich get richer: divide by the root, do not multiply",
            ),
        ),
        alternative=lambda p: torch.nn.functional.normalize(p * p.sum(0) ** -0.5, p=1, dim=1),
        praise="Equal clusters are left as they are: the correction only resists imbalance.",
        inputs=_answers,
    ),
    Choice(
        "6",
        "predict: what JULE sorts ToyBirds by",
        "my_sorting",
        "c",
        mistakes=(
            Mistake("a", "on digits, neighbours in pixels share a digit; what do birds share?"),
            Mistake("b", "the same silhouette in another place shares few pixels with itself"),
        ),
        alternative=" (c) ",
        praise="It learns to see well what it saw first.",
    ),
)
