"""The exercises of this lesson, with answers that must be told apart."""

import torch

from ....discovery.depict import balanced_targets
from ...engine.exercises import Choice, Debug, Exploration, Fill, Mistake
from . import lab, wrong


def _strict_nmi(counts):
    return lab.nmi_of_counts(counts, "max")


EXERCISES = (
    Choice(
        "1",
        "predict: a reader of masked foregrounds",
        "my_reader",
        "c",
        mistakes=(
            Mistake("a", "it saw nothing but birds, so it never learnt to ignore a background"),
            Mistake("b", "the bird is the same, but its surroundings are not"),
        ),
        alternative="C",
        praise=(
            "Its training pictures had no background, so it treats a background as a "
            "part of the bird."
        ),
    ),
    Debug(
        "2",
        "find the mistake: codes for φ_c",
        "my_codes",
        lab.free_backgrounds,
        broken=wrong.tied_codes,
        probe="probe_codes",
        inputs=lambda: [(600,)],
        mistakes=(
            Mistake(
                lambda hierarchy, n, z_dim, rng: hierarchy.sample(n, z_dim, tied=False, rng=rng),
                "the background is free now, but p is free, too: leave p out, then it is "
                "c's parent",
            ),
            Mistake(
                wrong.codes(b_index=lambda free, hierarchy: 0),
                "now all pictures have one background, and φ_c never learns to ignore another",
            ),
            Mistake(
                wrong.codes(
                    b_index=lambda free, hierarchy: (free.c_index + 1) % hierarchy.n_children
                ),
                "b = c + 1 shows c as well as b = c does: sample b independently",
            ),
            Mistake(
                wrong.codes(b_index=lambda free, hierarchy: hierarchy.parent_of[free.c_index]),
                "this background shows the parent, which is half of the answer: sample b "
                "independently",
            ),
            Mistake(
                wrong.codes(z=lambda free, hierarchy: torch.zeros_like(free.z)),
                "all pictures have the same z: every picture needs its own",
            ),
            Mistake(
                wrong.codes(z=lambda free, hierarchy: free.z[:1].expand_as(free.z)),
                "all pictures have the same z: every picture needs its own",
            ),
            Mistake(
                wrong.codes(c_index=lambda free, hierarchy: free.p_index),
                "some children are never sampled: c_index must be the child's index",
            ),
            Mistake(wrong.one_picture, "n pictures are wanted"),
            Mistake(wrong.indices_alone, "return Codes, which hierarchy.codes(…) makes"),
        ),
        about={
            "what it returns": "Return Codes, which hierarchy.codes(…) makes.",
            "how many pictures": "n pictures are wanted.",
        },
        alternative=wrong.shuffled_backgrounds,
        praise=(
            "A network learns every sign of the answer, also a wrong one such as the background."
        ),
    ),
    Fill(
        "3",
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
            Mistake(
                wrong.over(lambda rows, columns, cells: (rows * columns).sqrt()),
                "this divides by the geometric mean of the entropies; the larger one is wanted",
            ),
            Mistake(
                wrong.over(lambda rows, columns, cells: cells),
                "this divides by the entropy of the cells: take the larger one of rows and columns",
            ),
            Mistake(
                wrong.over(lambda rows, columns, cells: rows + columns),
                "this divides by the sum of both entropies: two equal groupings would get one half",
            ),
            Mistake(
                wrong.information,
                "this is I, the mutual information itself: divide it by an entropy",
            ),
            Mistake(
                lambda counts: -wrong.over(lambda rows, columns, cells: max(rows, columns))(counts),
                "the sign is wrong: I is the entropies of rows and columns minus the "
                "entropy of the cells",
            ),
            Mistake(
                wrong.nmi_with_log_of_zero,
                "an empty cell gives 0 · log 0, which is nan in floating point: "
                "torch.xlogy(p, p) gives 0",
            ),
            Mistake(
                wrong.nmi_of_counts_themselves,
                "entropies need shares, not counts: divide the table by its sum first",
            ),
        ),
        alternative=wrong.nmi_by_ratio,
        praise="This is the strictest of the usual means: it is 1 only for two equal groupings.",
        inputs=wrong.tables,
    ),
    Fill(
        "4",
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
                "this takes cluster 0 for class 0, but the clusters' numbers mean nothing",
            ),
            Mistake(
                wrong.greedy,
                "the largest count first is greedy: a later choice can lose more than the "
                "first one gains",
            ),
            Mistake(
                lambda counts: wrong.matched(counts, maximize=False)[0].sum() / counts.sum(),
                "this is the worst mapping: linear_sum_assignment minimises unless maximize=True",
            ),
            Mistake(
                lambda counts: wrong.matched(counts)[0].sum(),
                "these are the images that are mapped right; divide by all images",
            ),
            Mistake(
                wrong.over_mapped_clusters,
                "divide by all images: those in clusters without a class count as wrong",
            ),
            Mistake(
                wrong.mean_over_classes,
                "this is the mean over classes, but a class with more images must count "
                "more: divide the sum of the hits by all images",
            ),
            Mistake(
                lambda counts: 1 - lab.accuracy_of_counts(counts),
                "this is the share of errors: the accuracy is 1 minus this",
            ),
        ),
        alternative=wrong.try_all,
        praise="Surplus clusters count as wrong, even if they are pure.",
        inputs=wrong.tables,
    ),
    Exploration(
        "5",
        "explore: two scores that disagree",
        "my_sortings",
        (wrong.SPLIT, wrong.BLURRED),
        starts=((wrong.CLEAN, wrong.CLEAN), (wrong.CLEAN, wrong.BLURRED)),
        mistakes=(
            Mistake((wrong.CLEAN, wrong.BLURRED), "the second table's accuracy is"),
            Mistake((wrong.SPLIT, wrong.CLEAN), "the first table's NMI is"),
            Mistake((wrong.BLURRED, wrong.SPLIT), "the other way round"),
            Mistake((wrong.SPLIT, wrong.SPLIT), "the first table's NMI is"),
            Mistake(wrong.SPLIT, "a pair of tables"),
            Mistake((wrong.SPLIT, [[14, 3], [3, 14]]), "three rows"),
            Mistake((wrong.SPLIT, [[14, 3, 2], [3, 14, 3], [3, 3, 14]]), "add up to 20"),
            Mistake((wrong.SPLIT, [[21, -1], [20, 0], [0, 20]]), "not negative"),
            Mistake((wrong.SPLIT, [[19.5, 0.5], [20, 0], [0, 20]]), "whole numbers"),
            Mistake("a good one and a bad one", "a pair of tables"),
        ),
        alternative=[torch.tensor(wrong.CRUMBS), torch.tensor(wrong.BLURRED)],
        praise=("Many small pure clusters lower the accuracy much more than the NMI: print both."),
        grade=lab.disagreement,
    ),
    Debug(
        "6",
        "find the mistake: arrows that go one way",
        "my_affinity",
        lab.affinity,
        broken=wrong.blocks(
            lambda there, back, a, b: (there @ there.T).sum() / a**2 + (back @ back.T).sum() / b**2
        ),
        inputs=wrong.graphs,
        mistakes=(
            Mistake(
                wrong.blocks(
                    lambda there, back, a, b: (
                        (there @ back).sum() / a**2 + (back @ back.T).sum() / b**2
                    )
                ),
                "the first term is right now; the second needs both ways, too",
            ),
            Mistake(
                wrong.blocks(
                    lambda there, back, a, b: (
                        (there @ there.T).sum() / a**2 + (back @ there).sum() / b**2
                    )
                ),
                "the second term is right now; the first needs both ways, too",
            ),
            Mistake(
                wrong.blocks(
                    lambda there, back, a, b: (
                        (there @ back).sum() / b**2 + (back @ there).sum() / a**2
                    )
                ),
                "the sizes are swapped: W_ab W_ba has a's rows and columns, so divide by |a|²",
            ),
            Mistake(
                wrong.blocks(
                    lambda there, back, a, b: (there @ back).sum() / a + (back @ there).sum() / b
                ),
                "divide by the square of the size, because the sum runs over pairs of members",
            ),
            Mistake(
                wrong.blocks(lambda there, back, a, b: (there @ back).sum() / a**2),
                "the second term is missing: A(a, b) must be equal to A(b, a)",
            ),
            Mistake(
                wrong.blocks(
                    lambda there, back, a, b: (
                        (there * back.T).sum() / a**2 + (back * there.T).sum() / b**2
                    )
                ),
                "W_ab W_ba is a product of matrices: write @, not *",
            ),
            Mistake(
                wrong.blocks(lambda there, back, a, b: there.sum() / a**2 + back.sum() / b**2),
                "this adds up arrows; an image counts only if arrows go to it and come from it",
            ),
            Mistake(
                wrong.blocks(lambda there, back, a, b: (there @ back).sum() + (back @ there).sum()),
                "without the sizes, a large cluster is near to all others: divide by |a|² and |b|²",
            ),
            Mistake(
                wrong.blocks(
                    lambda there, back, a, b: there.sum() * back.sum() * (1 / a**2 + 1 / b**2)
                ),
                "this multiplies two sums: multiply the matrices first, then add up",
            ),
        ),
        alternative=lambda weights, a, b: torch.stack(
            [(weights[x][:, y] @ weights[y][:, x]).mean().reshape(1) for x, y in ((a, b), (b, a))]
        ).sum(0),
        praise=(
            "Many arrows go to a popular image, but it is a neighbour only if arrows also go back."
        ),
    ),
    Fill(
        "7",
        "fill in: DEPICT's fair targets",
        "my_targets",
        balanced_targets,
        mistakes=(
            Mistake(
                lambda p: p / p.sum(0).sqrt(),
                "the columns are right, but a target is a distribution, so each row must "
                "add up to 1",
            ),
            Mistake(
                wrong.of_the_code,
                "this is the form of the authors' code, p² / Σp; the paper's is wanted, p / √Σp",
            ),
            Mistake(
                lambda p: wrong.rows_to_one(p / p.sum(0)),
                "divide by the square root of the size, not by the size",
            ),
            Mistake(
                lambda p: (p / p.sum(1, keepdim=True).sqrt()) / p.sum(1, keepdim=True),
                "the rows add up to 1 already; the size of a cluster is the sum of its column",
            ),
            Mistake(
                lambda p: wrong.rows_to_one(p * p.sum(0).sqrt()),
                "this makes large clusters larger: divide by the root, do not multiply",
            ),
            Mistake(
                lambda p: (p / p.sum(0).sqrt()) / (p / p.sum(0).sqrt()).sum(0),
                "now each column adds up to 1; a target is a row, so divide by the rows' sums",
            ),
            Mistake(
                lambda p: (p / p.sum(0).sqrt()).softmax(1),
                "do not use softmax: divide each row by its sum, as in the formula",
            ),
            Mistake(
                lambda p: wrong.rows_to_one(p.sqrt() / p.sum(0).sqrt()),
                "take the root of the cluster's size alone, not of p",
            ),
            Mistake(
                wrong.counted_sizes,
                "the size of a cluster is the sum of its probabilities, not a count of its members",
            ),
        ),
        alternative=wrong.in_place,
        praise=(
            "Clusters of equal size do not change: the correction works only against unequal sizes."
        ),
        inputs=wrong.for_targets,
    ),
    Choice(
        "8",
        "predict: what JULE sorts ToyBirds by",
        "my_sorting",
        "c",
        mistakes=(
            Mistake(
                "a",
                "on digits, nearest neighbours in pixels show the same digit; what do they "
                "share on birds?",
            ),
            Mistake("b", "two pictures of one silhouette in different places agree in few pixels"),
        ),
        alternative=" (c) ",
        praise=(
            "Its first clusters come from pixels, and its features then separate these "
            "clusters well."
        ),
    ),
)
