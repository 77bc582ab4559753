"""Wrong answers as students write them, with what to say to each, and other right ones."""

import torch

from ....systems import update_average
from ...engine.exercises import Mistake
from . import lab

# ------------------------------------------------------------------------------------- verdicts


def for_verdicts():
    """One batch of real pictures and one of generated ones, of other colours."""
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.rand(2, 4, 3, 32, 32, generator=rng) - 0.5
    return [(real, (0.5 * fake + 0.4).clamp(-1, 1))]


def split_passes(d_child, real, fake):
    """Right: the generated pictures first."""
    drawn = d_child(fake)
    return [d_child(real), drawn]


def _evaluated(d_child, real, fake):
    d_child.eval()
    return d_child(real), d_child(fake)


def _halves(d_child, real, fake):
    half = len(real) // 2
    first, second = (
        d_child(torch.cat([real[part], fake[part]])) for part in (slice(half), slice(half, None))
    )
    return tuple(
        torch.cat([a, b]) for a, b in zip(first.split(half), second.split(half), strict=True)
    )


def _one_by_one(d_child, real, fake):
    return tuple(torch.cat([d_child(x[None]) for x in batch]) for batch in (real, fake))


def _first_in_company(d_child, real, fake):
    return lab.one_pass(d_child, real, fake)[0], d_child(fake)


VERDICTS = (
    Mistake(
        lambda d, real, fake: (d(fake), d(real)), "the order is wrong: real first, then generated"
    ),
    Mistake(
        _evaluated,
        "eval() uses the running statistics; in training, D uses the statistics of its batch",
    ),
    Mistake(
        lambda d, real, fake: (d(real).sigmoid(), d(fake).sigmoid()),
        "these are probabilities: the losses take logits",
    ),
    Mistake(
        lambda d, real, fake: (d(real).mean(), d(fake).mean()),
        "return one logit for each picture; the loss takes the mean itself",
    ),
    Mistake(_one_by_one, "now each picture is a batch of its own: two passes are enough"),
    Mistake(_halves, "these are two passes, but each still contains real and generated pictures"),
    Mistake(
        lambda d, real, fake: (d(real), d(fake.detach())),
        "no gradient reaches the generated pictures: leave detach() to the caller",
    ),
    Mistake(lambda d, real, fake: (d(real), d(real)), "D_c never gets the generated pictures"),
    Mistake(
        _first_in_company,
        "only the generated pictures have a pass of their own; the real ones do not",
    ),
)

# ------------------------------------------------------------------------------------- averages

AVERAGES = (
    Mistake(
        lambda average, live, decay: (1 - decay) * average + decay * live,
        "with this, a decay of 0.999 remembers a single step: the two factors are swapped",
    ),
    Mistake(
        lambda average, live, decay: decay * average + live,
        "the factors must add up to 1, or the average grows beyond every weight",
    ),
    Mistake(
        lambda average, live, decay: (average + live) / 2,
        "this is the plain mean of the two: the decay is missing",
    ),
    Mistake(
        lambda average, live, decay: average - (1 - decay) * (live - average),
        "it runs away from the live weights: check the sign",
    ),
    Mistake(lambda average, live, decay: decay * average, "the live weights are missing"),
    Mistake(lambda average, live, decay: average, "the average does not move"),
    Mistake(lambda average, live, decay: live, "these are the live weights: nothing is averaged"),
    Mistake(
        lambda average, live, decay: decay * average - (1 - decay) * live,
        "take the sum of the two products, not the difference",
    ),
    Mistake(
        lambda average, live, decay: average + (1 - decay) * live,
        "the old average needs a factor, too: the factors must add up to 1",
    ),
    Mistake(
        lambda average, live, decay: decay * (average + (1 - decay) * live),
        "the brackets are wrong: the decay is a factor of the average alone",
    ),
)


def _pairs(average, live):
    return zip(average.parameters(), live.parameters(), strict=True)


def _statistics(average, live):
    return zip(average.buffers(), live.buffers(), strict=True)


@torch.no_grad()
def follow_with_averaged_statistics(average, live, decay):
    """Right: the running statistics are averaged like the weights."""
    update_average(average, live, decay, buffers=True)


def _follower(weights=lambda kept, new, d: kept.lerp_(new, 1 - d), statistics=None):
    @torch.no_grad()
    def follow(average, live, decay):
        for kept, new in _pairs(average, live):
            weights(kept, new, decay)
        for kept, new in _statistics(average, live):
            statistics(kept, new)

    return follow


def _mean_alone(average, live, decay):
    lab.follow_weights(average, live, decay)
    average[1].running_mean.copy_(live[1].running_mean)


def _both_twice(average, live, decay):
    lab.follow_all(average, live, decay)
    lab.follow_weights(average, live, decay)


def _copied(kept, new):
    kept.copy_(new)


FOLLOWERS = (
    Mistake(
        lambda average, live, decay: average.load_state_dict(live.state_dict()) and None,
        "now the weights are copied, too: copy only the buffers",
    ),
    Mistake(
        _follower(lambda kept, new, d: kept.lerp_(new, d), _copied),
        "the old average must keep the share decay: lerp_(new, 1 - decay), as before",
    ),
    Mistake(
        _follower(statistics=lambda kept, new: new.copy_(kept)),
        "the direction is wrong: this overwrites the live network's statistics",
    ),
    Mistake(_mean_alone, "the running variance must follow, too: go through all buffers"),
    Mistake(
        _follower(lambda kept, new, d: None, _copied), "now the weights do not follow any more"
    ),
    Mistake(_both_twice, "the average of the weights is updated twice in a step"),
    Mistake(
        lambda average, live, decay: live.load_state_dict(average.state_dict()) and None,
        "the direction is wrong: the average overwrites the live network",
    ),
    Mistake(
        _follower(lambda kept, new, d: new.lerp_(kept, 1 - d), _copied),
        "the live weights move towards the average: the wrong network is changed",
    ),
    Mistake(
        _follower(lambda kept, new, d: kept.mul_(d).add_(new), _copied),
        "the weights were right: the factors must add up to 1",
    ),
)

# ------------------------------------------------------------------------------------- hard codes

_BEST = "these are the ones that D_c reads best: log Q is near 0 there"
HARDEST = (
    Mistake(lambda log_q, n: log_q.argsort(descending=True)[:n], _BEST),
    Mistake(lambda log_q, n: log_q.abs().argsort()[:n], _BEST),
    Mistake(lambda log_q, n: log_q.topk(n).indices, _BEST),
    Mistake(
        lambda log_q, n: log_q.sort()[0][:n],
        "these are the values; the numbers of the rows are wanted",
    ),
    Mistake(
        lambda log_q, n: log_q.argsort(),
        "this is the whole pool, in the right order: keep only the first n",
    ),
    Mistake(
        lambda log_q, n: log_q.argsort()[:n].flip(0),
        "these are the right rows in the wrong order: the worst must come first",
    ),
    Mistake(
        lambda log_q, n: torch.arange(n), "these are the first n of the pool: log_q is not used"
    ),
    Mistake(
        lambda log_q, n: log_q.argsort()[-n:], "the order is rising, so the last rows are read best"
    ),
    Mistake(
        lambda log_q, n: log_q.argsort()[1 : n + 1], "the worst row is missing: begin at row 0"
    ),
    Mistake(
        lambda log_q, n: log_q < log_q.sort()[0][n],
        "this is a mask of True and False; the numbers of the rows are wanted",
    ),
)
