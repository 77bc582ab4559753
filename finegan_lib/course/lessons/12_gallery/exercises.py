"""The exercises of this lesson, with answers that must be told apart."""

import torch

from ....applications import inversion_loss
from ....training.pretrained import load_finegan
from ...engine.exercises import Choice, Debug, Exploration, Fill, Mistake
from . import lab, wrong


def _walk(walk):
    if not isinstance(walk, list | tuple | torch.Tensor):
        return "a walk is a list of triples (b, p, c), such as [(0, 0, 0), (0, 0, 1)]"
    return lab.walk_problem(walk, load_finegan("toy"))


EXERCISES = (
    Choice(
        "1",
        "predict: what comes over least surely",
        "my_weakest",
        "b",
        mistakes=(
            Mistake(
                "a", "there are five shapes and each was drawn with many children: easy to see"
            ),
            Mistake("c", "the background is made by a stage of its own, from its own b and z"),
        ),
        alternative=" B",
        praise="No loss asks that a hybrid looks real, and twenty plumages are easy to confuse.",
    ),
    Debug(
        "2",
        "find the mistake: the wrong body",
        "my_transfer",
        lab.dressed_as,
        broken=wrong.own_parent,
        probe="probe_transfer",
        inputs=lambda: [(8,)],
        mistakes=(
            Mistake(
                wrong.transfer(c="shape"), "this is the first bird itself: c is the appearance"
            ),
            Mistake(
                wrong.transfer(z="appearance", b="appearance", p="appearance"),
                "this is the second bird itself: shape and pose are p and z of the first",
            ),
            Mistake(
                wrong.transfer(p="appearance", c="shape"),
                "p and c changed roles: p is the shape, c the appearance",
            ),
            Mistake(
                wrong.transfer(z="appearance"),
                "the pose belongs to the shape: take z of the first bird",
            ),
            Mistake(
                wrong.transfer(b="appearance"),
                "the background came along with the appearance: name b_index, or it is tied to c",
            ),
            Mistake(
                wrong.half_and_half,
                "c is one plumage, one-hot: no child is half one species and half another",
            ),
            Mistake(wrong.mean_pose, "a mean of two z is the pose of neither bird"),
            Mistake(
                wrong.transfer(z="appearance", p="appearance", c="shape", b="appearance"),
                "the two birds changed places: the first gives the shape",
            ),
            Mistake(wrong.indices, "return Codes, which hierarchy.codes(…) makes"),
        ),
        about={"what it returns": "Return Codes, which hierarchy.codes(…) makes."},
        alternative=wrong.transfer(),
        praise="Ties are for the training; who mixes codes has to name each of them.",
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
                "these are the hits; the share is wanted: divide by all pictures",
            ),
            Mistake(
                lambda counts: counts.max(1).values / counts.sum(1),
                "one share for each code; one number for all pictures is wanted",
            ),
            Mistake(
                lambda counts: counts.max() / counts.sum(),
                "this counts the hits of a single code: every row has a guess",
            ),
            Mistake(
                lambda counts: 1 - counts.max(1).values.sum() / counts.sum(),
                "this is the share of wrong guesses",
            ),
            Mistake(
                wrong.best_mapping,
                "two codes may have the same guess: this is the accuracy of a one-to-one mapping",
            ),
            Mistake(
                lambda counts: counts.max(1).values.mean() / counts.sum(),
                "the hits of all codes are added up, not averaged",
            ),
        ),
        alternative=lambda counts: [sum(max(row) for row in counts.tolist()) / float(counts.sum())],
        praise="Clustering papers call the same number purity.",
        inputs=wrong.tables,
    ),
    Choice(
        "4",
        "predict: how much is nothing?",
        "my_floor",
        "b",
        mistakes=(
            Mistake("a", "this holds for new pictures; here the guess is chosen on these pictures"),
            Mistake("c", "luck helps, but not that much: compute it with lab.luck(20, 20, 6)"),
        ),
        alternative="(b)",
        praise="A best guess is chosen on the same pictures, so luck is always in it.",
    ),
    Fill(
        "5",
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
                "the second term is missing: nothing keeps z near 0",
            ),
            Mistake(
                lambda pictures, images, z, prior: (
                    (pictures - images).abs().mean((1, 2, 3)) + prior * z.square().mean(1)
                ),
                "squares, not absolute values, in the first term",
            ),
            Mistake(
                lambda pictures, images, z, prior: (
                    (pictures - images).square().sum((1, 2, 3)) + prior * z.square().mean(1)
                ),
                "the first term is a mean over the pixels, not a sum",
            ),
            Mistake(
                lambda pictures, images, z, prior: (
                    (pictures - images).square().mean((1, 2, 3)) + z.square().mean(1)
                ),
                "the second term has a weight, prior",
            ),
            Mistake(
                lambda pictures, images, z, prior: prior * z.square().mean(1),
                "the first term is missing: the picture is not looked at",
            ),
            Mistake(
                lambda pictures, images, z, prior: (
                    (pictures.detach() - images).square().mean((1, 2, 3))
                    + prior * z.square().mean(1)
                ),
                "the gradients do not: the picture is detached, so z never hears of it",
            ),
        ),
        alternative=wrong.in_place,
        praise="Up to constants it is −log p(image | z) − log p(z): the most probable z is sought.",
        inputs=wrong.pictures,
        gradients=True,
    ),
    Debug(
        "6",
        "find the mistake: a search that runs away",
        "my_descent",
        lab.descent,
        broken=wrong.descent(clear="never"),
        probe="probe_descent",
        inputs=lambda: [(6,)],
        mistakes=(
            Mistake(wrong.descent(sign=-1), "this goes uphill: subtract the slope"),
            Mistake(
                wrong.descent(clear="too early"),
                "z comes back as it was: is its slope cleared too early, or the first z returned?",
            ),
            Mistake(
                wrong.descent(total=torch.mean),
                "the mean makes each picture's step shorter in a larger batch: add the losses up",
            ),
            Mistake(
                wrong.descent(copy=False), "the z that was given has changed: work on a copy of it"
            ),
            Mistake(wrong.after_one_step, "it returns after its first step: mind the indentation"),
            Mistake(
                wrong.generated_once,
                "the loss must be computed anew in each step, at the new z",
            ),
            Mistake(wrong.descent(prior_share=0), "the term with prior is gone: z may go anywhere"),
            Mistake(wrong.descent(more=1), "one step too many"),
            Mistake(
                wrong.descent(moved=False),
                "z comes back as it was: is its slope cleared too early, or the first z returned?",
            ),
        ),
        about={"z after one step": "Compare the order: loss, zero_grad, backward, step."},
        alternative=wrong.by_autograd,
        praise="PyTorch adds gradients up; without zero_grad the old slopes push on.",
    ),
    Exploration(
        "7",
        "explore: a walk of your own",
        "my_walk",
        [(0, 0, 0), (0, 0, 9), (12, 0, 9), (12, 2, 9)],
        starts=([(0, 0, 0)], [(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)]),
        mistakes=(
            Mistake([(0, 0, 0), (0, 1, 1), (1, 1, 1), (1, 1, 2)], "change exactly one code"),
            Mistake([(0, 0, 0), (0, 0, 9), (0, 0, 5), (0, 0, 1)], "still has the first one's"),
            Mistake([(0, 0, 0), (0, 0, 999), (0, 3, 999), (1, 3, 999)], "must lie between"),
            Mistake([(0, 0, 0), (0, 0, 0), (0, 3, 0), (1, 3, 0)], "nothing changes"),
            Mistake([(0, 0, 0), (0, 0, 1)], "at least four"),
            Mistake([(0, 0, 0), (0, 0, 9), (0, 3, 9), (12, 3, 9)], "the last bird is a hybrid"),
            Mistake([(0, 0, 9), (0, 2, 9), (1, 2, 9), (1, 2, 8)], "the first bird is a hybrid"),
            Mistake([(0, 0, 0), (12, 0, 0), (12, 0, 9), (12, 2, 9)], "two hybrids"),
            Mistake("0 0 0", "a list of triples"),
        ),
        alternative=torch.tensor([(3, 4, 16), (3, 0, 16), (8, 0, 16), (8, 0, 2)]),
        praise="No picture that the network was trained on shows the birds in the middle.",
        grade=_walk,
    ),
)
