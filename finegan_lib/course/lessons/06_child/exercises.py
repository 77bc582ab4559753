"""The exercises of this lesson, with answers that must be told apart."""

import torch
import torch.nn.functional as F

from ....codes import Codes, one_hot
from ....losses import (
    background_generator_loss,
    finegan_generator_loss,
    information_loss,
    mask_pull_loss,
)
from ...engine.exercises import Choice, Exploration, Fill, Mistake
from . import lab

TERMS = {
    "background": "L_b judges B alone; which stage paints B?",
    "parent_info": "D_p sees M_p·F_p and nothing else; who paints those two?",
    "child": "C = M_c·F_c + (1 − M_c)·P, and P holds B; what of it can D_c's verdict not reach?",
    "child_info": "D_c's code head sees M_c·F_c; of whose features does the child stage make it?",
}


def _masks():
    random = torch.Generator().manual_seed(0)
    soft = [torch.rand(2, 1, 3, 4, generator=random) for _ in range(2)]
    hard = [torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]]), torch.tensor([[[[0.0, 1.0, 0.0, 1.0]]]])]
    return [tuple(soft), tuple(hard)]


def generator_loss(
    aux, background_logits, child_logits, parent_code_logits, child_code_logits, p_index, c_index
):
    """The sum of the terms of `losses.finegan_generator_loss`, in the paper's form."""
    c = one_hot(c_index, child_code_logits.shape[1])
    codes = Codes(c, c, one_hot(p_index, parent_code_logits.shape[1]), c)
    terms = finegan_generator_loss(
        aux, background_logits, child_logits, parent_code_logits, child_code_logits, codes
    )
    return sum(terms.values())


def _verdicts():
    random = torch.Generator().manual_seed(1)
    made = []
    for n, cells, parents, children in ((3, 2, 2, 4), (2, 3, 3, 3)):
        sizes = (n, cells, cells), (n, cells, cells), (n,), (n, parents), (n, children)
        logits = [2 * torch.randn(size, generator=random) for size in sizes]
        made.append((*logits, torch.arange(n) % parents, torch.arange(n).flip(0)))
    return made


def _information(parent_logits, child_logits, p_index, c_index):
    return information_loss(parent_logits, p_index) + information_loss(child_logits, c_index)


def _routes(answer):
    if not isinstance(answer, dict) or set(answer) != set(TERMS):
        return f"answer with a dictionary that has the keys {', '.join(TERMS)}"
    right = lab.stages_reached()
    for term, hint in TERMS.items():
        letters = set("".join(answer[term])) - set(" ,")
        if not letters <= set("bpc"):
            return f"{term}: use the letters b, p and c only"
        if letters != set(right[term]):
            return f"{term}: not quite. {hint}"
    return None


def _alpha_over(parent_mask, child_mask):
    background = 1 - parent_mask - child_mask + parent_mask * child_mask
    return torch.cat([background, parent_mask - parent_mask * child_mask, child_mask], 1)


EXERCISES = (
    Fill(
        "1",
        "fill in: what each layer supplies",
        "my_shares",
        lab.layer_shares,
        mistakes=(
            Mistake(
                lambda p, c: torch.cat([1 - p, p, c], 1),
                "these are the masks themselves: what the child covers, neither B nor F_p shows",
            ),
            Mistake(
                lambda p, c: torch.cat([(1 - c) * (1 - p), p, c], 1),
                "F_p shows only where the child lets it through: M_p is multiplied by what?",
            ),
            Mistake(
                lambda p, c: torch.cat([(1 - p) * (1 - c), p, (1 - p) * c], 1),
                "the order of the layers: the child lies on top of the parent, not below it",
            ),
            Mistake(
                lambda p, c: lab.layer_shares(p, c).flip(1),
                "right numbers in the wrong order: B first, then F_p, then F_c",
            ),
            Mistake(
                lambda p, c: torch.stack([(1 - c) * (1 - p), (1 - c) * p, c], 1),
                "stack makes a new dimension; cat along dimension 1 gives (N, 3, H, W)",
            ),
        ),
        alternative=_alpha_over,
        praise="Three numbers a pixel that add up to 1: C is a mean of three layers.",
        inputs=_masks,
        gradients=True,
    ),
    Fill(
        "2",
        "fill in: the child's mask follows",
        "my_mask_pull",
        mask_pull_loss,
        mistakes=(
            Mistake(
                lambda c, p: (c - p).abs().mean(),
                "both masks are pulled: detach the parent's, which shall lead",
            ),
            Mistake(
                lambda c, p: (c.detach() - p).abs().mean(),
                "the other way round: here the parent's mask follows the child's",
            ),
            Mistake(lambda c, p: ((c - p.detach()) ** 2).mean(), "an absolute value, not a square"),
            Mistake(
                lambda c, p: (c - p.detach()).mean(),
                "|·| is missing: too much in one place makes up for too little in another",
            ),
            Mistake(lambda c, p: (c - p.detach()).abs().sum(), "E is a mean over all pixels"),
        ),
        alternative=lambda c, p: F.l1_loss(c, p.detach()),
        praise="One leads, one follows: without sg the parent would give way as readily.",
        inputs=_masks,
        gradients=True,
    ),
    Fill(
        "3",
        "fill in: the generator's whole loss",
        "my_generator_loss",
        generator_loss,
        mistakes=(
            Mistake(
                lambda a, b, d, p, c, i, j: (
                    background_generator_loss(a, b, background_weight=1.0)
                    + F.softplus(-d).mean()
                    + _information(p, c, i, j)
                ),
                "in the paper, D_b's real/fake term counts ten times",
            ),
            Mistake(
                lambda a, b, d, p, c, i, j: (
                    10 * background_generator_loss(a, b, background_weight=1.0)
                    + F.softplus(-d).mean()
                    + _information(p, c, i, j)
                ),
                "the 10 belongs to D_b's real/fake term alone, not to aux",
            ),
            Mistake(
                lambda a, b, d, p, c, i, j: (
                    background_generator_loss(a, b)
                    - F.softplus(d).mean()
                    + _information(p, c, i, j)
                ),
                "L_c_adv: this is the minimax loss log(1 − D); lesson {{gan}} chose −log D",
            ),
            Mistake(
                lambda a, b, d, p, c, i, j: (
                    background_generator_loss(a, b) + F.softplus(-d).mean() + information_loss(c, j)
                ),
                "L_p is missing: the information about p",
            ),
            Mistake(
                lambda a, b, d, p, c, i, j: (
                    background_generator_loss(a, b)
                    + F.softplus(-d).mean()
                    - _information(p, c, i, j)
                ),
                "the sign of the information: −E[log Q] is the loss, and cross-entropy has it",
            ),
        ),
        alternative=lambda a, b, d, p, c, i, j: (
            -10 * F.logsigmoid(b).mean()
            - F.logsigmoid(a).mean()
            - F.logsigmoid(d).mean()
            - p.log_softmax(1).gather(1, i[:, None]).mean()
            - c.log_softmax(1).gather(1, j[:, None]).mean()
        ),
        praise="Five verdicts, one number: this is all that the generator ever hears.",
        inputs=_verdicts,
        gradients=True,
    ),
    Choice(
        "4",
        "predict: where the weights are",
        "my_stage",
        "a",
        mistakes=(
            Mistake("b", "close, but the stem that reads the longer code has more weights"),
            Mistake("c", "the child stage is a handful of thin convolutions: no stem of its own"),
            Mistake("d", "the stems begin with 16·64 channels at 4 × 4; the child stage has none"),
        ),
        alternative="A",
        praise="The child stage holds half a per cent: it inherits its features from the parent.",
        options="abcd",
    ),
    Exploration(
        "5",
        "explore: which loss reaches which stage",
        "my_routes",
        {"background": "b", "parent_info": "p", "child": "bpc", "child_info": "pc"},
        mistakes=(
            Mistake(
                {"background": "b", "parent_info": "p", "child": "c", "child_info": "c"},
                "child: not quite",
            ),
            Mistake(
                {"background": "b", "parent_info": "p", "child": "bpc", "child_info": "c"},
                "child_info: not quite",
            ),
            Mistake(
                {"background": "b", "parent_info": "bp", "child": "bpc", "child_info": "bpc"},
                "parent_info: not quite",
            ),
            Mistake(
                {"background": "B", "parent_info": "p", "child": "bpc", "child_info": "pc"},
                "use the letters b, p and c only",
            ),
            Mistake({"background": "b"}, "a dictionary that has the keys"),
        ),
        alternative={
            "background": ["b"],
            "parent_info": "p",
            "child": "c, b, p",
            "child_info": "cp",
        },
        praise="Every term pulls at exactly what its discriminator can see, and at what that saw.",
        judge=_routes,
    ),
    Choice(
        "6",
        "predict: where the code goes without the tie",
        "my_hiding_place",
        "b",
        mistakes=(
            Mistake("a", "the background stage sees b and z; neither says anything about c now"),
            Mistake("c", "a random background is noise, but a reader can learn to look past it"),
        ),
        alternative=" (B)",
        praise="Only the child stage knows c, so only its pixels can give it away.",
    ),
)
