"""The exercises of this lesson, with right answers and typical mistakes."""

import math

import torch
import torch.nn.functional as F

from ....losses import categorical_information_bound, gaussian_information_loss, information_loss
from ...engine.exercises import Choice, Exploration, Fill, Mistake
from . import lab

Q_SETTINGS = {"hidden": (0, 8), "steps": (1, 2000), "rate": (1e-5, 1)}
LARGEST_GAP = 0.01


def _tables():
    rng = torch.Generator().manual_seed(0)
    any_table = torch.rand(3, 4, generator=rng, dtype=torch.float64)
    return [
        (any_table / any_table.sum(),),
        (torch.eye(3, dtype=torch.float64) / 3,),
        (torch.tensor([[0.5, 0.0, 0.0], [0.2, 0.3, 0.0]], dtype=torch.float64),),
    ]


def _conditional_entropy(joint):
    p_y = joint.sum(0)
    return lab.entropy(joint.flatten()) - lab.entropy(p_y)


def _unweighted(joint):
    given = joint / joint.sum(0).clamp(min=1e-300)
    return lab.entropy(joint.sum(1)) - lab.entropy(given, 0).mean()


def _readings():
    rng = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(6, 4, generator=rng)
    return [
        (logits, torch.tensor([0, 3, 1, 1, 2, 0])),
        (torch.zeros(3, 10), torch.tensor([0, 5, 9])),
        (torch.tensor([[-200.0, 200.0], [0.3, -0.4]]), torch.tensor([0, 1])),
    ]


def _own_log(logits, index):
    return logits.log_softmax(1).gather(1, index[:, None])


def _continuous_readings():
    rng = torch.Generator().manual_seed(0)
    mean, log_variance, code = torch.randn(3, 5, 2, generator=rng)
    one = torch.tensor([[0.5]])
    return [(mean, log_variance, code), (one, torch.tensor([[-1.0]]), -one)]


def _gaussian(mean, log_variance, code):
    """Each number's −log density, (N, K)."""
    squared = (code - mean) ** 2 / log_variance.exp()
    return 0.5 * (squared + log_variance + math.log(2 * math.pi))


def _closes_the_gap(settings):
    if not isinstance(settings, dict) or set(settings) - set(Q_SETTINGS):
        return f"answer with a dictionary that has only the keys {', '.join(Q_SETTINGS)}"
    if "hidden" not in settings:
        return "say how many units: hidden, a whole number from 0 to 8"
    for key, value in settings.items():
        low, high = Q_SETTINGS[key]
        if not low <= value <= high or (key != "rate" and value != int(value)):
            kind = "a number" if key == "rate" else "a whole number"
            return f"{key} is {kind} from {low} to {high}"
    line = lab.LineGenerator()
    q = list(lab.train_q(line, **settings).values())[-1]
    terms = lab.exact_terms(line, q)
    if terms["gap"] < LARGEST_GAP:
        return None
    short = f"a gap of {terms['gap']:.3f} nats is left, and less than {LARGEST_GAP} is wanted. "
    if settings.get("hidden") == 0:
        return short + (
            "Without a hidden layer, Q's log-odds are straight lines in x; for Gaussians of "
            "different widths, the true log-odds are parabolas"
        )
    return short + "Is Q large enough? Does it learn long enough, and fast enough?"


def _divided(joint):
    p_y = joint.sum(0)
    conditional = torch.special.entr(joint / p_y).sum(0)
    return torch.special.entr(joint.sum(1)).sum() - (p_y * conditional).sum()


EXERCISES = (
    Fill(
        "1",
        "fill in: mutual information of a table",
        "my_information",
        lab.mutual_information,
        mistakes=(
            Mistake(
                _conditional_entropy,
                "this is H(X|Y); I is H(X) − H(X|Y)",
            ),
            Mistake(
                lambda joint: lab.entropy(joint.sum(1)) - lab.entropy(joint.flatten()),
                "this is H(X) less the entropy of the whole table; but H(X|Y) = H(X, Y) − H(Y)",
            ),
            Mistake(
                _unweighted,
                "H(X|Y) is a mean with the weights p(y): an empty column must not count",
            ),
            Mistake(
                lambda joint: lab.mutual_information(joint) / math.log(2),
                "this is in bits; the course uses nats, with natural logarithms",
            ),
            Mistake(lambda joint: lab.entropy(joint.sum(1)), "this is H(X) alone: subtract H(X|Y)"),
            Mistake(
                lambda joint: lab.entropy(joint.flatten()),
                "this is the entropy of the whole table, H(X, Y)",
            ),
            Mistake(
                lambda joint: -lab.mutual_information(joint),
                "your sign is wrong: mutual information is never negative",
            ),
            Mistake(
                lambda joint: lab.entropy(joint.flatten()) - lab.entropy(joint.sum(1)),
                "this is H(Y|X); I is H(Y) − H(Y|X)",
            ),
            Mistake(
                lambda joint: (joint * (joint / (joint.sum(1, True) * joint.sum(0))).log()).sum(),
                "0 log 0 became nan: `torch.special.entr` counts it as 0",
            ),
            Mistake(
                _divided,
                "a column of zeros became 0 / 0: H(X|Y) = H(X, Y) − H(Y) needs no division",
            ),
        ),
        alternative=lambda joint: (
            torch.special.entr(joint.sum(1)).sum()
            + torch.special.entr(joint.sum(0)).sum()
            - torch.special.entr(joint).sum()
        ),
        praise="H(Y) − H(Y|X) gives the same number: mutual information is symmetric.",
        inputs=_tables,
    ),
    Choice(
        "2",
        "predict: two codes, one picture",
        "my_guess",
        "b",
        mistakes=(
            Mistake("a", "two codes share a picture: do you know which of the two codes made it?"),
            Mistake(
                "c",
                "the picture tells which pair the code belongs to, and this is some information",
            ),
        ),
        alternative="(B)",
        praise="log 8 − log 2 = log 4: after the picture, two codes are still possible.",
    ),
    Fill(
        "3",
        "fill in: the lower bound",
        "my_bound",
        categorical_information_bound,
        mistakes=(
            Mistake(
                information_loss,
                "this is −E[log Q], the loss. The bound is E[log Q] + H(c): check the sign, and "
                "add H(c)",
            ),
            Mistake(
                lambda logits, index: (
                    math.log(logits.shape[1]) + logits.log_softmax(1)[:, index].mean()
                ),
                "[:, index] takes all N codes for each picture; [torch.arange(N), index] takes "
                "each picture's own code",
            ),
            Mistake(
                lambda logits, index: (
                    math.log(logits.shape[1]) + logits[torch.arange(len(index)), index].log().mean()
                ),
                "logits are not probabilities, and some are negative: take log_softmax first",
            ),
            Mistake(
                lambda logits, index: (
                    math.log(logits.shape[1])
                    + logits.softmax(1)[torch.arange(len(index)), index].log().mean()
                ),
                "right for small logits, but for large ones this computes log 0: use log_softmax",
            ),
            Mistake(
                lambda logits, index: -information_loss(logits, index),
                "E[log Q] is there; H(c) = log K is missing",
            ),
            Mistake(
                lambda logits, index: math.log(logits.shape[1]) + information_loss(logits, index),
                "your sign is wrong: F.cross_entropy is −E[log Q]. A better reader must raise "
                "the bound",
            ),
            Mistake(
                lambda logits, index: (
                    math.log(logits.shape[1]) + logits.gather(1, index[:, None]).mean()
                ),
                "logits are not log-probabilities: apply log_softmax first",
            ),
            Mistake(
                lambda logits, index: (
                    math.log(logits.shape[1]) + _own_log(logits, index).exp().mean().log()
                ),
                "the mean of logarithms is wanted, not the logarithm of the mean",
            ),
            Mistake(
                lambda logits, index: (
                    math.log(logits.shape[1]) - F.cross_entropy(logits, index, reduction="sum")
                ),
                "E[…] is a mean over the images, not a sum",
            ),
            Mistake(
                lambda logits, index: math.log2(logits.shape[1]) - information_loss(logits, index),
                "bits and nats are mixed: H(c) is the natural logarithm of K",
            ),
            Mistake(
                lambda logits, index: (
                    math.log(logits.shape[1]) + _own_log(logits, index).exp().mean()
                ),
                "the logarithm is missing: E[log Q] is wanted, not E[Q]",
            ),
            Mistake(
                lambda logits, index: math.log(len(index)) - information_loss(logits, index),
                "H(c) = log K, with K the number of codes, not of images",
            ),
        ),
        alternative=lambda logits, index: (
            math.log(logits.shape[1]) + _own_log(logits, index).mean()
        ),
        praise="A Q without knowledge gives 1/K for every code, and its bound is exactly 0.",
        inputs=_readings,
        gradients=True,
    ),
    Exploration(
        "4",
        "explore: a Q that closes the gap",
        "my_q",
        {"hidden": 8, "steps": 1500, "rate": 0.1},
        mistakes=(
            Mistake({"hidden": 0, "steps": 2000}, "parabolas"),
            Mistake({"hidden": 8, "steps": 50, "rate": 0.1}, "long enough"),
            Mistake({"hidden": 8, "rate": 1e-4}, "fast enough"),
            Mistake({"hidden": 32}, "a whole number from 0 to 8"),
            Mistake({"hidden": 3.5}, "a whole number from 0 to 8"),
            Mistake({}, "say how many units"),
            Mistake({"width": 32}, "only the keys"),
            Mistake(32, "a dictionary"),
        ),
        alternative={"hidden": 8, "steps": 2000, "rate": 0.1},
        praise="The bound now equals the information within 0.01 nats.",
        grade=_closes_the_gap,
        starts=({"hidden": 32}, {"hidden": 8, "steps": 1500, "rate": 0.03}),
    ),
    Fill(
        "5",
        "fill in: the loss of a continuous code",
        "my_gaussian_loss",
        gaussian_information_loss,
        mistakes=(
            Mistake(
                lambda mean, log_variance, code: -_gaussian(mean, log_variance, code).sum(1).mean(),
                "your sign is wrong: this is E[log Q], and it must become large; an optimiser "
                "minimises a loss",
            ),
            Mistake(
                lambda mean, log_variance, code: _gaussian(mean, log_variance, code).mean(),
                "sum over the codes of one image, and average only over the images",
            ),
            Mistake(
                lambda mean, log_variance, code: (
                    (_gaussian(mean, log_variance, code) - 0.5 * log_variance).sum(1).mean()
                ),
                "½ log σ² is missing: without it, a larger σ always lowers the loss",
            ),
            Mistake(
                lambda mean, log_variance, code: (
                    (_gaussian(mean, log_variance, code) - 0.5 * math.log(2 * math.pi))
                    .sum(1)
                    .mean()
                ),
                "½ log 2π is missing. It has no gradient, but without it this is no log-density, "
                "and you cannot compute a bound from it",
            ),
            Mistake(
                lambda mean, log_variance, code: _gaussian(mean, log_variance, code).sum(),
                "E[…] is a mean over the images, not a sum",
            ),
            Mistake(
                lambda mean, log_variance, code: (
                    2 * _gaussian(mean, log_variance, code).sum(1).mean()
                ),
                "the factor ½ is missing",
            ),
            Mistake(
                lambda mean, log_variance, code: (
                    _gaussian(mean, log_variance.log(), code).sum(1).mean()
                ),
                "the network gives log σ², and you use it as σ²: σ² is log_variance.exp()",
            ),
            Mistake(
                lambda mean, log_variance, code: 0.5 * ((code - mean) ** 2).sum(1).mean(),
                "this is the squared error: divide it by σ², and add log σ² and log 2π",
            ),
            Mistake(
                lambda mean, log_variance, code: (
                    _gaussian(mean, 2 * log_variance, code).sum(1).mean()
                ),
                "the network gives log σ², not log σ: σ² is its exponential, without a square",
            ),
        ),
        alternative=lambda mean, log_variance, code: (
            F.gaussian_nll_loss(mean, code, log_variance.exp(), full=True) * code.shape[1]
        ),
        praise="With a constant σ, this loss is a squared error plus a constant.",
        inputs=_continuous_readings,
        gradients=True,
    ),
    Choice(
        "6",
        "predict: a code without a loss",
        "my_prediction",
        "c",
        mistakes=(
            Mistake("a", "which term of the plain GAN's loss rewards this?"),
            Mistake("b", "D classifies one picture at a time, and never sees the code"),
        ),
        alternative=" (C) ",
        praise="No term of V rewards the use of c, so the code has almost no effect.",
    ),
)
