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
        "predict: what a mixture keeps least often",
        "my_weakest",
        "b",
        mistakes=(
            Mistake(
                "a",
                "there are only five shapes, and the network generated each with many "
                "children: a judge sees them easily",
            ),
            Mistake("c", "the background has a stage of its own, with its own b and z"),
        ),
        alternative=" B",
        praise=(
            "No loss requires that a hybrid looks real, and twenty plumages are easy to confuse."
        ),
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
                "p and c are swapped: p is the shape, c the appearance",
            ),
            Mistake(
                wrong.transfer(z="appearance"),
                "the pose belongs to the shape: take z of the first bird",
            ),
            Mistake(
                wrong.transfer(b="appearance"),
                "the background changed together with the appearance: pass b_index, or it "
                "is tied to c",
            ),
            Mistake(
                wrong.half_and_half,
                "c is one-hot: it must be one plumage, not half of one and half of another",
            ),
            Mistake(wrong.mean_pose, "a mean of two z is the pose of neither bird"),
            Mistake(
                wrong.transfer(z="appearance", p="appearance", c="shape", b="appearance"),
                "the two birds are swapped: the first gives the shape",
            ),
            Mistake(wrong.indices, "return Codes, which hierarchy.codes(…) makes"),
        ),
        about={"what it returns": "Return Codes, which hierarchy.codes(…) makes."},
        alternative=wrong.transfer(),
        praise="Ties are for the training; to mix codes, pass each of them.",
    ),
    Fill(
        "3",
        "fill in: what a code gives away",
        "my_guessed_share",
        lab.guessed_share,
        mistakes=(
            Mistake(
                lambda counts: counts.max(0).values.sum() / counts.sum(),
                "this guesses the code from the background; guess the background from the "
                "code, once for every row",
            ),
            Mistake(
                lambda counts: (counts.max(1).values / counts.sum(1)).mean(),
                "the mean of the rows' shares counts rare codes as much as frequent ones: "
                "add up the right guesses, then divide by all pictures",
            ),
            Mistake(
                lambda counts: counts.sum(0).max() / counts.sum(),
                "this is the best guess without the code: every row needs its own guess",
            ),
            Mistake(
                lambda counts: counts.max(1).values.sum(),
                "this is the number of right guesses; the share is wanted: divide by all pictures",
            ),
            Mistake(
                lambda counts: counts.max(1).values / counts.sum(1),
                "this is one share for each code; one number for all pictures is wanted",
            ),
            Mistake(
                lambda counts: counts.max() / counts.sum(),
                "this counts the right guesses of a single code: every row has a guess",
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
                "add up the right guesses of all codes, do not average them",
            ),
        ),
        alternative=lambda counts: [sum(max(row) for row in counts.tolist()) / float(counts.sum())],
        praise="Clustering papers call the same number purity.",
        inputs=wrong.tables,
    ),
    Choice(
        "4",
        "predict: a code without information",
        "my_floor",
        "b",
        mistakes=(
            Mistake(
                "a",
                "this is right for new pictures, but here the guess is chosen on the same pictures",
            ),
            Mistake("c", "chance helps, but not so much: compute it with lab.luck(20, 20, 6)"),
        ),
        alternative="(b)",
        praise=(
            "The best guess is chosen on the same pictures, so chance always raises the share."
        ),
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
                "the sign is wrong: this rewards a z far from 0, where the generator was "
                "never trained",
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
                "the first term has squares, not absolute values",
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
                "the first term is missing: this loss does not depend on the picture",
            ),
            Mistake(
                lambda pictures, images, z, prior: (
                    (pictures.detach() - images).square().mean((1, 2, 3))
                    + prior * z.square().mean(1)
                ),
                "the values agree, but the picture is detached, so z gets no gradient from it",
            ),
        ),
        alternative=wrong.in_place,
        praise=(
            "Up to constants, this is −log p(image | z) − log p(z): its minimum is the "
            "most probable z."
        ),
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
            Mistake(wrong.descent(sign=-1), "this raises the loss: subtract the gradient"),
            Mistake(
                wrong.descent(clear="too early"),
                "z has not changed: is its gradient cleared too early, or is the first z returned?",
            ),
            Mistake(
                wrong.descent(total=torch.mean),
                "with the mean, each picture's step is shorter in a larger batch: add up "
                "the losses",
            ),
            Mistake(
                wrong.descent(copy=False), "the z that was given has changed: work on a copy of it"
            ),
            Mistake(wrong.after_one_step, "it returns after its first step: check the indentation"),
            Mistake(
                wrong.generated_once,
                "compute the loss again in each step, at the new z",
            ),
            Mistake(
                wrong.descent(prior_share=0),
                "the term with prior is missing: nothing keeps z near 0",
            ),
            Mistake(wrong.descent(more=1), "this takes one step too many"),
            Mistake(
                wrong.descent(moved=False),
                "z has not changed: is its gradient cleared too early, or is the first z returned?",
            ),
        ),
        about={"z after one step": "Compare the order: loss, zero_grad, backward, step."},
        alternative=wrong.by_autograd,
        praise=(
            "PyTorch adds up gradients; without zero_grad, the old ones act in every later step."
        ),
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
        praise="No training picture shows the birds in the middle of your walk.",
        grade=_walk,
    ),
)
