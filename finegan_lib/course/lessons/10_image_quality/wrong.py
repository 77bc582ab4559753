"""Wrong answers as students write them, with a message for each."""

import numpy as np
import torch

from ...engine.exercises import Mistake
from . import lab

# ------------------------------------------------------------------------------------- the score


def _divergences(p, marginal=None):
    marginal = p.mean(0, keepdim=True) if marginal is None else marginal
    return (p * (p.log() - marginal.log())).sum(1)


SCORES = (
    Mistake(
        lambda p: _divergences(p, p.mean(1, keepdim=True)).mean().exp().item(),
        "p(y) is the mean over the pictures, the rows: mean(0), not mean(1)",
    ),
    Mistake(
        lambda p: (p * p.log()).sum(1).mean().exp().item(),
        "this uses only p(y|x) of each picture; p(y), the mean over all pictures, is missing",
    ),
    Mistake(
        lambda p: (2 ** _divergences(p).mean()).item(),
        "exp, not a power of 2: the logarithms are natural",
    ),
    Mistake(
        lambda p: (_divergences(p) / p.shape[1]).mean().exp().item(),
        "KL is a sum over the classes, not a mean",
    ),
)

# ------------------------------------------------------------------------------------- the distance


def _parts(real, fake):
    a, b = real.double(), fake.double()
    cov_a, cov_b = a.T.cov(), b.T.cov()
    root = torch.linalg.eigvals(cov_a @ cov_b).real.clamp_min(0).sqrt().sum()
    return (a.mean(0) - b.mean(0)).square().sum(), cov_a, cov_b, root


def _without_means(real, fake):
    _, a, b, root = _parts(real, fake)
    return float(a.trace() + b.trace() - 2 * root)


def _root_of_the_whole(real, fake):
    means, a, b, root = _parts(real, fake)
    return float((means + a.trace() + b.trace() - 2 * root).clamp_min(0).sqrt())


def _sum_of_covariances(real, fake):
    means, a, b, root = _parts(real, fake)
    return float(means + a.sum() + b.sum() - 2 * root)


def _added(real, fake):
    means, a, b, root = _parts(real, fake)
    return float(means + a.trace() + b.trace() + 2 * root)


DISTANCES = (
    Mistake(_without_means, "the distance of the means is missing"),
    Mistake(_root_of_the_whole, "the FID is the squared distance: no root of the whole"),
    Mistake(_sum_of_covariances, "tr is the sum of the diagonal, not of all entries"),
    Mistake(_added, "2 tr(Σ_r Σ_g)^½ is subtracted"),
)

# ------------------------------------------------------------------------------------- in parts


def unshuffled(logits, splits):
    return lab.mean_of_parts(logits.softmax(1), splits)


def _shuffled(p):
    return p[torch.randperm(len(p))]


def over_parts(combine, cut=torch.Tensor.chunk, order=_shuffled, read=lambda x: x.softmax(1)):
    """A score with another way to cut, order or combine the parts."""

    def answer(logits, splits):
        parts = cut(order(read(logits)), splits)
        return combine([lab.score_of_probabilities(part) for part in parts])

    return answer


IN_PARTS = (
    Mistake(
        over_parts(np.mean, order=lambda p: p[p.argmax(1).argsort()]),
        "this sorts the pictures by class: shuffle them",
    ),
    Mistake(
        over_parts(np.mean, cut=lambda p, n: [p[k::n] for k in range(n)], order=lambda p: p),
        "every k-th picture is not a shuffle: it fails for a list that repeats the classes in turn",
    ),
    Mistake(
        over_parts(np.mean, order=lambda p: p[torch.randint(len(p), (len(p),))]),
        "randint takes some pictures twice and others never: randperm is a shuffle",
    ),
    Mistake(
        over_parts(np.mean, cut=torch.Tensor.split),
        "split(n) makes parts of n pictures; chunk(n) makes n parts",
    ),
    Mistake(over_parts(np.mean, cut=lambda p, n: [p]), "the parts are missing: shuffle, then cut"),
    Mistake(over_parts(np.sum), "the mean over the parts is wanted, not their sum"),
    Mistake(over_parts(np.max), "the mean over the parts is wanted, not one of them"),
    Mistake(over_parts(lambda s: s[0]), "the mean over the parts is wanted, not one of them"),
    Mistake(over_parts(np.std), "this is the ± of the tables; the mean is wanted"),
    Mistake(over_parts(list), "return one number, the mean over the parts"),
    Mistake(
        over_parts(np.mean, read=lambda x: x.softmax(1).softmax(1)),
        "you apply softmax twice: its results are probabilities already",
    ),
    Mistake(
        over_parts(lambda s: np.log(s).mean()),
        "this is the mean information in nats; the parts' scores are exponentials",
    ),
)

# ------------------------------------------------------------------------------------- pairs


def _inside(x, pairs, divide=lambda n: n * (n - 1)):
    k = pairs(x, x)
    return (k.sum() - k.trace()) / divide(len(x))


def paired(real=_inside, fake=_inside, between=-2, pairs=lab.kernel, divide=None, whole=float):
    """A KID with another mean over pairs, weight of the pairs between, or kernel."""

    def answer(a, b):
        a, b = a.double(), b.double()
        more = [divide] if divide else []
        inside = real(a, pairs, *more) + fake(b, pairs, *more)
        return whole(inside + between * pairs(a, b).mean())

    return answer


def _all_pairs(x, pairs):
    return pairs(x, x).mean()


with_itself = paired(_all_pairs, _all_pairs)


def _sizes_of_real(a, b):
    a, b = a.double(), b.double()
    n = len(a)
    inside = sum(_inside(x, lab.kernel, lambda _: n * (n - 1)) for x in (a, b))
    return float(inside - 2 * lab.kernel(a, b).mean())


PAIRS = (
    Mistake(
        paired(fake=_all_pairs),
        "the real pictures are right now; a generated one is still paired with itself",
    ),
    Mistake(
        paired(real=_all_pairs),
        "the generated pictures are right now; a real one is still paired with itself",
    ),
    Mistake(
        paired(divide=lambda n: n * n),
        "you removed the diagonal, but then N (N − 1) pairs are left, not N²",
    ),
    Mistake(paired(divide=lambda n: n - 1), "divide by the number of pairs, N (N − 1)"),
    Mistake(_sizes_of_real, "the two sets have different numbers of pictures"),
    Mistake(paired(between=-1), "the pairs between the sets count twice: − 2 E k(x, y)"),
    Mistake(paired(between=2), "the pairs between the sets are subtracted"),
    Mistake(
        paired(pairs=lambda x, y: (x @ y.T / x.shape[1] + 1) ** 2),
        "the kernel's power is 3",
    ),
    Mistake(
        paired(pairs=lambda x, y: (x @ y.T + 1) ** 3),
        "the kernel divides x · y by D, the number of features",
    ),
    Mistake(
        paired(pairs=lambda x, y: (x @ y.T / x.shape[1]) ** 3),
        "the kernel adds 1 before the power",
    ),
    Mistake(
        paired(whole=lambda found: float(found.clamp_min(0))),
        "do not clamp: a KID may be below 0; with a clamp it would not be right on average",
    ),
)
