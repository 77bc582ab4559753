"""The exercises of this lesson, with answers that must be told apart."""

import torch

from ....applications import inversion_loss
from ....training.pretrained import load_finegan
from ...engine.exercises import Choice, Exploration, Fill, Mistake
from . import lab


def _tables():
    return [
        (torch.tensor([[8.0, 1, 1], [2, 3, 5], [0, 10, 0]]),),
        (torch.tensor([[3.0, 1], [1, 1], [0, 2], [4, 0]]),),
    ]


def _pictures():
    rng = torch.Generator().manual_seed(0)
    cases = [(2, 4, 3), (1, 2, 5)]
    return [
        (
            torch.rand(n, 3, s, s, generator=rng),
            torch.rand(n, 3, s, s, generator=rng),
            torch.randn(n, d, generator=rng),
            prior,
        )
        for (n, s, d), prior in zip(cases, (0.1, 2.0), strict=True)
    ]


def _walk(walk):
    if not isinstance(walk, list | tuple):
        return "a walk is a list of triples (b, p, c), such as [(0, 0, 0), (0, 0, 1)]"
    return lab.walk_problem(walk, load_finegan("toy"))


EXERCISES = (
    Choice(
        "1",
        "predict: a parent with a stranger's child",
        "my_bird",
        "a",
        mistakes=(
            Mistake("b", "c is laid last, but within a mask that was drawn from p's features"),
            Mistake("c", "in training the two were tied, but each had its own loss to obey"),
        ),
        alternative=" A",
        praise="Neither code was ever told about the other; the losses kept them apart.",
    ),
    Choice(
        "2",
        "predict: what InfoGAN's codes are about",
        "my_codes",
        "b",
        mistakes=(
            Mistake(
                "a", "nothing in InfoGAN's loss knows what a bird is; count the pixels of each"
            ),
            Mistake("c", "a pose is a matter of few pixels, and of degree; look for easy classes"),
        ),
        alternative="(b)",
        praise="The code is read from the whole picture, and most of the picture is background.",
    ),
    Fill(
        "3",
        "fill in: what a code gives away",
        "my_guessed_share",
        lab.guessed_share,
        mistakes=(
            Mistake(
                lambda counts: counts.max(0).values.sum() / counts.sum(),
                "this guesses the code from the background; it is the other way round: one guess "
                "for every row",
            ),
            Mistake(
                lambda counts: (counts.max(1).values / counts.sum(1)).mean(),
                "the mean of the rows' shares counts rare codes as much as frequent ones: add up "
                "the hits, then divide by all pictures",
            ),
            Mistake(
                lambda counts: counts.sum(0).max() / counts.sum(),
                "this is the best guess of somebody who does not know the code",
            ),
            Mistake(
                lambda counts: counts.max(1).values.sum(),
                "these are the hits; the share is what is asked for",
            ),
        ),
        alternative=lambda counts: sum(max(row) for row in counts.tolist()) / float(counts.sum()),
        praise="Clustering papers call the same number purity.",
        inputs=_tables,
    ),
    Fill(
        "4",
        "fill in: the loss that finds codes",
        "my_inversion_loss",
        inversion_loss,
        mistakes=(
            Mistake(
                lambda pictures, images, z, prior: (
                    (pictures - images).square().mean() + prior * z.square().mean()
                ),
                "one number for the whole batch: each picture needs its own, so keep dimension 0",
            ),
            Mistake(
                lambda pictures, images, z, prior: (
                    (pictures - images).square().mean((1, 2, 3)) - prior * z.square().mean(1)
                ),
                "the sign: this rewards a z far from 0, where the generator was never trained",
            ),
            Mistake(
                lambda pictures, images, z, prior: (
                    (pictures - images).square().mean((1, 2, 3)) + prior * z.square().sum(1)
                ),
                "the second term is a mean over the numbers of z, not a sum",
            ),
            Mistake(
                lambda pictures, images, z, prior: (pictures - images).square().mean((1, 2, 3)),
                "the second term is missing: nothing holds z near 0",
            ),
            Mistake(
                lambda pictures, images, z, prior: (
                    (pictures - images).abs().mean((1, 2, 3)) + prior * z.square().mean(1)
                ),
                "squares, not absolute values, in the first term",
            ),
        ),
        alternative=lambda pictures, images, z, prior: (
            ((pictures - images).flatten(1) ** 2).mean(1) + prior * (z * z).mean(1)
        ),
        praise="Up to constants it is −log p(image | z) − log p(z): the most probable z is sought.",
        inputs=_pictures,
        gradients=True,
    ),
    Exploration(
        "5",
        "explore: a walk of your own",
        "my_walk",
        [(0, 0, 0), (0, 0, 9), (0, 3, 9), (12, 3, 9)],
        mistakes=(
            Mistake([(0, 0, 0), (0, 1, 1), (1, 1, 1), (1, 1, 2)], "change exactly one code"),
            Mistake([(0, 0, 0), (0, 0, 9), (0, 0, 5), (0, 0, 7)], "still has the first one's"),
            Mistake([(0, 0, 0), (0, 0, 999), (0, 3, 999), (1, 3, 999)], "must lie between"),
            Mistake([(0, 0, 0), (0, 0, 0), (0, 3, 0), (1, 3, 0)], "nothing changes"),
            Mistake([(0, 0, 0), (0, 0, 1)], "at least four"),
            Mistake("0 0 0", "a list of triples"),
        ),
        alternative=((3, 4, 16), (3, 0, 16), (3, 0, 2), (8, 0, 2), (8, 2, 2)),
        praise="No photograph shows most of these birds, and yet each step is one you understand.",
        judge=_walk,
    ),
)
