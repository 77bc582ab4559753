"""The exercises of this lesson, with answers that must be told apart."""

import torch

from ...engine.exercises import Choice, Debug, Exploration, Fill, Mistake
from . import lab, wrong

EXERCISES = (
    Choice(
        "1",
        "predict: what few photographs do to D_c",
        "my_guess",
        "b",
        mistakes=(
            Mistake("a", "G gets no photograph as an input; D gets each of them many times"),
            Mistake("c", "fewer photographs are easier to memorise, not harder"),
        ),
        alternative=" B",
        praise=(
            "For this reason, some photographs are kept out, and D's score on them is in the log."
        ),
    ),
    Debug(
        "2",
        "find the mistake: a bird over another background",
        "my_over",
        lab.over_any_background,
        mistakes=(
            Mistake(
                wrong.masked_twice,
                "parent_paint and child_paint already contain their masks, M F: do not "
                "multiply again",
            ),
            Mistake(
                wrong.nothing_hidden,
                "the child is over the parent: where M_c is 1, the parent must not be visible",
            ),
            Mistake(
                wrong.parent_on_top, "now the parent is on top, but the child is the top layer"
            ),
            Mistake(
                wrong.over(parent=lambda paint, mask, background: paint + background),
                "the background is visible through the parent: it needs (1 − M_p)",
            ),
            Mistake(
                wrong.over(parent=lambda paint, mask, background: paint),
                "the background is missing: add (1 − M_p) B to the parent's paint",
            ),
            Mistake(
                wrong.over(child=lambda paint, mask, parent, background: paint + mask * parent),
                "the mask is inverted: the parent is visible where M_c is 0, so use (1 − M_c)",
            ),
            Mistake(
                wrong.over(child=lambda paint, mask, parent, background: paint + parent),
                "the parent is visible through the child: it needs (1 − M_c)",
            ),
            Mistake(
                wrong.over(child=lambda paint, mask, parent, background: parent),
                "this is the parent image; the child must be put over it",
            ),
            Mistake(
                wrong.cut_hard,
                "use no threshold: where a mask is one half, half of each layer is visible",
            ),
        ),
        alternative=wrong.by_layers,
        praise=(
            "With masks of 0 and 1 this mistake would hardly be visible; "
            "half-transparent edges show it."
        ),
        inputs=wrong.three_layers,
        broken=wrong.over(
            child=lambda paint, mask, parent, background: paint + (1 - mask) * background
        ),
    ),
    Choice(
        "3",
        "predict: does the answer stay with the bird?",
        "my_swap",
        "b",
        mistakes=(
            Mistake("a", "the bird stays, but the reader sees the whole picture"),
            Mistake(
                "c",
                "the reader learnt from free backgrounds, so its answer depends mostly on the bird",
            ),
        ),
        alternative="(b)",
        praise="The pixels of the bird are the same, but the reader sees the whole picture.",
    ),
    Exploration(
        "4",
        "explore: a hybrid with a clean outline",
        "my_bird",
        {"p": 3, "c": 41},
        mistakes=(
            Mistake({"p": 8, "c": 40}, "is the parent of c=40"),
            Mistake({"p": 1, "c": 21}, "in one piece"),
            Mistake({"p": 4, "c": 36}, "in one piece"),
            Mistake({"p": 8, "c": 99}, "between 0 and 49"),
            Mistake({"p": 10, "c": 6}, "between 0 and 9"),
            Mistake({"p": 8}, "a dictionary with p and c"),
            Mistake((8, 6), "a dictionary with p and c"),
            Mistake({"p": 8.5, "c": 6}, "whole numbers"),
        ),
        alternative={"c": torch.tensor([43]), "p": torch.tensor(6)},
        praise="No loss required such an outline, and few of the 450 hybrids have one.",
        starts=({"p": 0, "c": 0}, {"p": 0, "c": 16}),
        grade=lab.outline_problem,
    ),
    Fill(
        "5",
        "fill in: the way between two z",
        "my_slerp",
        lab.slerp,
        mistakes=(
            Mistake(wrong.straight, "this is the straight line: in its middle z is too short"),
            Mistake(
                wrong.arc_of(swapped=True),
                "at t = 0 it must be a: the weights are swapped",
            ),
            Mistake(
                wrong.arc_of(undivided=True),
                "divide by the sine of the whole angle: at t = 0 it must be a itself",
            ),
            Mistake(
                wrong.arc_of(wave=torch.cos),
                "use sines, not cosines: at t = 0, the weight of b must be 0",
            ),
            Mistake(
                wrong.arc_of(angle=lambda a, b: torch.arccos(torch.dot(a, b))),
                "the cosine of the angle is a·b divided by both lengths",
            ),
            Mistake(
                wrong.arc_of(angle=lambda a, b: torch.dot(a, b) / (a.norm() * b.norm())),
                "this is the cosine of the angle; arccos gives the angle",
            ),
            Mistake(
                wrong.arc_of(
                    angle=lambda a, b: torch.arcsin(torch.dot(a, b) / (a.norm() * b.norm()))
                ),
                "the scalar product gives the cosine, so use arccos, not arcsin",
            ),
            Mistake(
                wrong.arc_of(angle=lambda a, b: torch.rad2deg(wrong.angle_between(a, b))),
                "torch.sin takes radians, not degrees",
            ),
            Mistake(
                wrong.stretched,
                "this is the straight line with a corrected length: its angle does not "
                "change evenly; use the sines",
            ),
            Mistake(
                wrong.without_a_column, "t needs a dimension for z's numbers: t[:, None] is (n, 1)"
            ),
        ),
        alternative=wrong.by_turning,
        praise=(
            "Nearly all samples of N(0, I) have about the same length, and this path keeps it."
        ),
        inputs=wrong.arcs,
    ),
    Debug(
        "6",
        "find the mistake: how well do masks agree?",
        "my_overlap",
        lab.overlap,
        mistakes=(
            Mistake(wrong.one_for_all, "every pair needs its own score: keep dimension 0"),
            Mistake(
                wrong.shared_out(lambda a, b, both: (a + b) / 2),
                "this is the Dice score, 2·both / (sum of both areas), not the IoU",
            ),
            Mistake(
                wrong.shared_out(lambda a, b, both: a),
                "this divides by the found mask alone: it is the precision, and a tiny mask "
                "could get 1",
            ),
            Mistake(
                wrong.shared_out(lambda a, b, both: b),
                "this divides by the true mask alone: it is the recall, and a full mask "
                "would get 1",
            ),
            Mistake(
                wrong.shared_out(lambda a, b, both: a + b - 2 * both),
                "now pixels in both masks are not counted at all: subtract `both` once",
            ),
            Mistake(
                wrong.shared_out(lambda a, b, both: torch.maximum(a, b)),
                "the union is not the larger area: it also has the pixels of the other mask",
            ),
            Mistake(
                lambda found, truth: (found == truth).float().mean((1, 2, 3)),
                "this is the share of equal pixels: for a small bird, an empty mask would "
                "get a good score",
            ),
            Mistake(
                lambda found, truth: lab.overlap(found, truth).mean(),
                "this is the mean; one number for each pair is wanted",
            ),
            Mistake(
                lambda found, truth: 1 - lab.overlap(found, truth),
                "two equal masks must get 1, not 0",
            ),
        ),
        alternative=wrong.by_extremes,
        praise="Check such a score with two equal masks first: it must be 1.",
        inputs=wrong.masks,
        broken=wrong.shared_out(lambda a, b, both: a + b),
    ),
)
