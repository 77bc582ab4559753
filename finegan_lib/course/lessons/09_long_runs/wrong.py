"""Wrong answers as students write them, with what to say to each, and other right ones."""

import torch

from ....training import hash_seed
from ...engine.exercises import Mistake
from . import lab

# ------------------------------------------------------------------------------------- resuming


def train_forward(weight, first, last, seed):
    """Right, if slow: the stream is drawn from its beginning, up to where the run goes on."""
    rng = torch.Generator().manual_seed(hash_seed(seed, 7))
    noise = [torch.randn(weight.shape, generator=rng) for _ in range(last)]
    for step in range(first, last):
        weight = weight + 0.1 * (noise[step] - weight)
    return weight


def _trainer(seed_of, step_of=lambda weight, noise: 0.9 * weight + 0.1 * noise):
    def train(weight, first, last, seed):
        for step in range(first, last):
            rng = torch.Generator().manual_seed(seed_of(seed, step, first))
            weight = step_of(weight, torch.randn(weight.shape, generator=rng))
        return weight

    return train


def _unseeded(weight, first, last, seed):
    for _ in range(first, last):
        weight = 0.9 * weight + 0.1 * torch.randn(weight.shape)
    return weight


def _at_the_end(weight, first, last, seed):
    rng = torch.Generator().manual_seed(hash_seed(seed, last))
    for _ in range(first, last):
        weight = 0.9 * weight + 0.1 * torch.randn(weight.shape, generator=rng)
    return weight


def _right_seed(seed, step, first):
    return hash_seed(seed, step)


TRAININGS = (
    Mistake(
        _trainer(lambda seed, step, first: seed), "every step draws the same numbers: add the step"
    ),
    Mistake(
        _trainer(lambda seed, step, first: step), "the seed is lost: two seeds give the same run"
    ),
    Mistake(
        _trainer(lambda seed, step, first: seed + step),
        "step 1 of seed 5 then draws what step 0 of seed 6 draws; use hash_seed(seed, step)",
    ),
    Mistake(
        _trainer(lambda seed, step, first: seed * step),
        "seed · step is 0 in step 0, whatever the seed; use hash_seed(seed, step)",
    ),
    Mistake(
        _trainer(lambda seed, step, first: hash_seed(seed, step - first)),
        "the steps are counted from where the run was resumed: take the step of the whole run",
    ),
    Mistake(_unseeded, "without a seed no run can be done again"),
    Mistake(
        _at_the_end, "one stream for all steps, seeded by where it ends: make rng inside the loop"
    ),
    Mistake(
        _trainer(_right_seed, lambda weight, noise: noise),
        "the weight is lost: a step moves it by a tenth of the way",
    ),
    Mistake(
        _trainer(_right_seed, lambda weight, noise: weight + 0.1 * noise),
        "the step itself was right: weight − 0.1 · (weight − noise)",
    ),
)

# ------------------------------------------------------------------------------------- precision


def live_weights():
    """800 values of one weight, in bfloat16: 1 at first, then 2, and 0 in the second half."""
    live = torch.full((800,), 2.0, dtype=torch.bfloat16)
    live[0], live[400:] = 1, 0
    return [(live, 0.998)]


def _averaged(begin, factors=lambda decay: (decay, 1 - decay), dtype=torch.float32):
    def average(live, decay):
        kept = begin(live.to(dtype))
        old, new = factors(decay)
        for value in live[1:]:
            kept = old * kept + new * value.to(dtype)
        return kept

    return average


def _decay_in_bfloat16(live, decay):
    decay = torch.tensor(decay, dtype=torch.bfloat16).float()
    return lab.average_in_float32(live, decay)


LONG_AVERAGES = (
    Mistake(
        _averaged(lambda live: live[0], lambda decay: (1.0, 1 - decay)),
        "the old average must lose a share: the factors add up to 1",
    ),
    Mistake(
        _averaged(lambda live: live[0], lambda decay: (decay, decay - 1)),
        "a sum of the two products: 1 − decay, not decay − 1",
    ),
    Mistake(
        _averaged(lambda live: live[0], dtype=torch.float16),
        "float16 has 11 bits: better than 8, but the steps are still rounded. float32",
    ),
    Mistake(_decay_in_bfloat16, "the decay is rounded, too: 0.998 becomes 0.996 in bfloat16"),
    Mistake(
        lambda live, decay: live.float().mean(),
        "this is the plain mean of all steps: the decay is lost",
    ),
    Mistake(
        _averaged(lambda live: live[0], lambda decay: (1 - decay, decay)),
        "this is nearly the live weight: the factors are swapped",
    ),
    Mistake(_averaged(torch.zeros_like), "the average starts at the first value, not at 0"),
    Mistake(
        _averaged(lambda live: live[0], lambda decay: (decay, 1.0)),
        "the factors must add up to 1: (1 − decay) is missing",
    ),
)

# ------------------------------------------------------------------------------------- processes


def shares():
    """Means and numbers of patches of two, three and two processes, one of them without any."""
    return [
        (torch.tensor([1.0, 3.0]), torch.tensor([10.0, 30.0])),
        (torch.tensor([0.5, 0.2, 2.0]), torch.tensor([7.0, 1.0, 4.0])),
        (torch.tensor([0.0, 0.7]), torch.tensor([0.0, 12.0])),
    ]


SHARED_MEANS = (
    Mistake(
        lambda means, counts: means.mean(),
        "the mean of the means: a patch of a process with few of them counts more",
    ),
    Mistake(
        lambda means, counts: (means * counts).sum(),
        "this is the sum over all patches: divide by their number",
    ),
    Mistake(
        lambda means, counts: (means * counts).mean(),
        "divide by the number of patches, not by the number of processes",
    ),
    Mistake(
        lambda means, counts: (means * counts).sum() / counts.sum() / len(counts),
        "divided once too often: not by the number of processes",
    ),
    Mistake(
        lambda means, counts: means.sum() / counts.sum(),
        "the means must be turned into sums first: times their numbers",
    ),
    Mistake(
        lambda means, counts: means[counts.argmax()],
        "only the process with the most patches is heard",
    ),
    Mistake(
        lambda means, counts: means * counts / counts.sum(),
        "one number is wanted: add these shares up",
    ),
    Mistake(
        lambda means, counts: (means * counts.flip(0)).sum() / counts.sum(),
        "each mean has been weighed with another process's number",
    ),
)
