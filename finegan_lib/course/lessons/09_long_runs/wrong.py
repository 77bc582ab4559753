"""Wrong answers as students write them, with a message for each, and other right answers."""

import torch

from ....training import hash_seed
from ...engine.exercises import Mistake
from . import lab

# ------------------------------------------------------------------------------------- resuming


def train_forward(weight, first, last, seed):
    """Right, but slow: it makes the random numbers of all earlier steps, too."""
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
        _trainer(lambda seed, step, first: seed), "every step makes the same numbers: add the step"
    ),
    Mistake(
        _trainer(lambda seed, step, first: step), "the seed is missing: two seeds give the same run"
    ),
    Mistake(
        _trainer(lambda seed, step, first: seed + step),
        "step 1 of seed 5 and step 0 of seed 6 get the same numbers; use hash_seed(seed, step)",
    ),
    Mistake(
        _trainer(lambda seed, step, first: seed * step),
        "seed · step is 0 in step 0 for every seed; use hash_seed(seed, step)",
    ),
    Mistake(
        _trainer(lambda seed, step, first: hash_seed(seed, step - first)),
        "you count the steps from the resumed step: count them from the start of the whole run",
    ),
    Mistake(_unseeded, "without a seed, you cannot repeat a run"),
    Mistake(
        _at_the_end,
        "one rng serves all steps, and its seed depends on the last step: make rng inside the loop",
    ),
    Mistake(
        _trainer(_right_seed, lambda weight, noise: noise),
        "the old weight is missing: a step changes it by a tenth of the difference",
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
        "the old average needs a factor, too: both factors add up to 1",
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
        "this is the plain mean of all steps: the decay is missing",
    ),
    Mistake(
        _averaged(lambda live: live[0], lambda decay: (1 - decay, decay)),
        "this is nearly the current weight: the factors are swapped",
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
        "this is the mean of the means: a patch counts more if its process has few patches",
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
        "you also divide by the number of processes: do not",
    ),
    Mistake(
        lambda means, counts: means.sum() / counts.sum(),
        "first turn the means into sums: multiply each by its number",
    ),
    Mistake(
        lambda means, counts: means[counts.argmax()],
        "you use only the process with the most patches",
    ),
    Mistake(
        lambda means, counts: means * counts / counts.sum(),
        "return one number: add these shares up",
    ),
    Mistake(
        lambda means, counts: (means * counts.flip(0)).sum() / counts.sum(),
        "you multiply each mean by the number of another process",
    ),
)
