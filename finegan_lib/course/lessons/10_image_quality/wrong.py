"""Wrong answers as students write them, with what to say to each."""

import torch

from ...engine.exercises import Mistake

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
        "this is how sure each picture is; p(y), what all of them show, is missing",
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
