"""The exercises of this lesson, with right answers and typical mistakes."""

from functools import cache

import numpy as np
import torch
from scipy import linalg

from ....scoring.quality import fid, inception_score
from ...engine.exercises import Choice, Debug, Exploration, Fill, Mistake
from . import lab, wrong


def _opinions():
    rng = torch.Generator().manual_seed(0)
    rows = [
        (2 * torch.randn(n, k, generator=rng)).softmax(1) for n, k in ((30, 5), (8, 3), (50, 2))
    ]
    return [(p,) for p in rows]


def _features():
    rng = torch.Generator().manual_seed(0)
    turn = torch.randn(4, 4, generator=rng)
    a = torch.randn(60, 4, generator=rng) @ turn
    b = torch.randn(45, 4, generator=rng) * 1.5 + torch.tensor([1.0, 0.0, -0.5, 0.2])
    return [(a, b), (b, a), (a, a[:30] + 2)]


def _near_features():
    """As above, and two sets so similar that their KID is below 0."""
    cases, rng = _features(), torch.Generator().manual_seed(1)
    x = torch.randn(40, 4, generator=rng)
    return [*cases, (x, torch.cat([-x, x])[:50])]


def _kid_by_mask(real, fake):
    def inside(x):
        return lab.kernel(x, x)[~torch.eye(len(x), dtype=torch.bool)].mean()

    real, fake = real.double(), fake.double()
    return (inside(real) + inside(fake) - 2 * lab.kernel(real, fake).mean()).item()


def _parts(real, fake):
    a, b = real.double(), fake.double()
    means, cov_a, cov_b = (a.mean(0) - b.mean(0)), a.T.cov(), b.T.cov()
    root = torch.linalg.eigvals(cov_a @ cov_b).real.clamp_min(0).sqrt().sum()
    return means, cov_a, cov_b, root


def _with_matrix_root(real, fake):
    means, cov_a, cov_b, _ = _parts(real, fake)
    root = np.real(linalg.sqrtm((cov_a @ cov_b).numpy()))
    return float(means @ means + (cov_a + cov_b).trace() - 2 * np.trace(root))


def _own_divergence(p, weights=None):
    marginal = p.mean(0, keepdim=True)
    return (p * (p.log() - marginal.log())).sum(1)


def _swapped(p):
    marginal = p.mean(0, keepdim=True)
    return (marginal * (marginal.log() - p.log())).sum(1).mean().exp().item()


def _entropies(p):
    """exp(H(y) − H(y|x)), the same score written as mutual information."""
    marginal = p.mean(0)
    conditional = -(p * p.log()).sum(1).mean()
    return float((-(marginal * marginal.log()).sum() - conditional).exp())


@cache
def _exhibition():
    """Small real pictures; their size does not depend on the shipped generator."""
    from ....data import ToyBirds
    from ....metrics.feature_networks import load_network

    network = load_network("toy", 32)
    birds, others = (ToyBirds(1500, image_size=32, seed=s, progress=False) for s in (8, 9))
    real, other = (lab.statistics(network, lab.training_views(world)) for world in (birds, others))
    floor, best = fid(real.sums, other.sums), inception_score(other.logits, splits=1)[0]
    return network, real, lab.training_views(others), others.child_index, floor, best


def _forgery(settings):
    if not isinstance(settings, dict) or set(settings) != {"per_species", "blur"}:
        return "answer with a dictionary that has the keys per_species and blur"
    if settings["per_species"] not in range(2, 76) or not 0 <= settings["blur"] <= 4:
        return "per_species is a whole number from 2 to 75, blur a number from 0 to 4"
    network, real, pictures, labels, floor, best = _exhibition()
    shown = lab.forged(pictures, labels, settings["per_species"], settings["blur"])
    seen = lab.statistics(network, shown)
    score = inception_score(seen.logits, splits=1)[0] / best
    distance = fid(real.sums, seen.sums) / floor
    if score < 0.97:
        return (
            f"the Inception Score fell to {score:.2f} of what real birds get: the classifier is "
            "no longer sure. How did you change the pictures?"
        )
    if distance < 5:
        return (
            f"the FID is only {distance:.1f} times that of other real birds: the variety is still "
            "too large"
        )
    return None


EXERCISES = (
    Fill(
        "1",
        "fill in: the Inception Score",
        "my_inception_score",
        lab.score_of_probabilities,
        mistakes=(
            Mistake(
                lambda p: _own_divergence(p).mean().item(),
                "this is the mean divergence, in nats; the score is its exponential",
            ),
            Mistake(
                lambda p: _own_divergence(p).exp().mean().item(),
                "mean first, exp last: exp(E[KL]), not E[exp(KL)]",
            ),
            Mistake(
                _swapped,
                "the divergence runs from each p(y|x) to p(y), weighted by p(y|x): "
                "KL is not symmetric",
            ),
            Mistake(
                lambda p: float((-(p.mean(0) * p.mean(0).log()).sum()).exp()),
                "this is the variety alone, exp H(y): the score also needs p(y|x) of each picture",
            ),
            Mistake(
                lambda p: _own_divergence(p).sum().exp().item(),
                "E over the pictures is a mean, not a sum",
            ),
            *wrong.SCORES,
        ),
        alternative=_entropies,
        praise="It is the exp of a mutual information: of a picture and its class.",
        inputs=_opinions,
    ),
    Choice(
        "2",
        "predict: the score of twenty postcards",
        "my_postcards",
        "b",
        mistakes=(
            Mistake("a", "no term of the formula measures variety within a species"),
            Mistake(
                "c",
                "a postcard is a real picture: is its p(y|x) less sharp than that of other real "
                "birds?",
            ),
        ),
        alternative="B",
        praise="p(y|x) is sharp for every card, and p(y) is flat: this gives a high score.",
    ),
    Debug(
        "3",
        "find the mistake: a score in ten parts",
        "my_score",
        lab.score_in_parts,
        broken=wrong.unshuffled,
        probe="probe_score",
        inputs=lambda: [(torch.tensor(0),)],
        mistakes=wrong.IN_PARTS,
        alternative=lambda logits, splits: inception_score(logits, splits)[0],
        praise="Each part must contain all species: shuffle before you cut.",
    ),
    Fill(
        "4",
        "fill in: the Fréchet distance",
        "my_fid",
        fid,
        mistakes=(
            Mistake(
                lambda real, fake: float((_parts(real, fake)[0] ** 2).sum()),
                "this is the distance of the means alone; the spread is missing",
            ),
            Mistake(
                lambda real, fake: float(
                    _parts(real, fake)[0].norm()
                    + _parts(real, fake)[1].trace()
                    + _parts(real, fake)[2].trace()
                    - 2 * _parts(real, fake)[3]
                ),
                "the distance of the means must be squared",
            ),
            Mistake(
                lambda real, fake: float(
                    (_parts(real, fake)[0] ** 2).sum()
                    + _parts(real, fake)[1].trace()
                    + _parts(real, fake)[2].trace()
                    - _parts(real, fake)[3]
                ),
                "the root has the factor 2, − 2 tr(Σ_r Σ_g)^½; without it, equal sets would not "
                "have the distance 0",
            ),
            Mistake(
                lambda real, fake: float(
                    (_parts(real, fake)[0] ** 2).sum()
                    + _parts(real, fake)[1].trace()
                    + _parts(real, fake)[2].trace()
                    - 2 * (_parts(real, fake)[1] @ _parts(real, fake)[2]).diagonal().sqrt().sum()
                ),
                "the root of a matrix is not the root of its entries: "
                "sum the roots of the eigenvalues",
            ),
            Mistake(
                lambda real, fake: float(
                    (_parts(real, fake)[0] ** 2).sum()
                    + (real.double().std(0, correction=1) - fake.double().std(0, correction=1))
                    .square()
                    .sum()
                ),
                "this takes each feature separately, without correlations: use the whole "
                "covariance",
            ),
            *wrong.DISTANCES,
        ),
        alternative=_with_matrix_root,
        praise=(
            "With equal means and equal covariances, the distance is 0, even if the pictures "
            "differ."
        ),
        inputs=_features,
    ),
    Choice(
        "5",
        "predict: FID with few pictures",
        "my_bias",
        "c",
        mistakes=(
            Mistake(
                "a",
                "it does vary more, but a squared distance is never negative, so its errors do "
                "not cancel",
            ),
            Mistake(
                "b",
                "two small samples of the same birds differ more by chance than two large samples",
            ),
        ),
        alternative="(c)",
        praise="The error falls like 1/N and is always positive: compare equal N, or use KID.",
    ),
    Debug(
        "6",
        "find the mistake: a KID that falls with N",
        "my_kid",
        lab.kid_by_hand,
        broken=wrong.with_itself,
        mistakes=wrong.PAIRS,
        alternative=_kid_by_mask,
        praise="A picture equals itself. Without these pairs, the mean is right for every N.",
        inputs=_near_features,
    ),
    Choice(
        "7",
        "predict: the FID of a perfect copy",
        "my_copyist",
        "c",
        mistakes=(
            Mistake(
                "a", "no term of the formula rewards new pictures: what are μ and Σ of the copies?"
            ),
            Mistake("b", "other real birds differ from the training set by chance; do copies?"),
        ),
        alternative=" c",
        praise="FID measures similarity, and a copy is the most similar picture.",
    ),
    Exploration(
        "8",
        "explore: fool a score",
        "my_forgery",
        {"per_species": 2, "blur": 0.0},
        mistakes=(
            Mistake({"per_species": 75, "blur": 0.0}, "is still too large"),
            Mistake({"per_species": 2, "blur": 4.0}, "no longer sure"),
            # Twenty postcards: their scores are printed above the exercise.
            Mistake({"per_species": 1, "blur": 0.0}, "from 2 to 75"),
            Mistake({"blur": 1.0}, "the keys"),
            Mistake({"per_species": 2.5, "blur": 0.0}, "a whole number from 2 to 75"),
            Mistake({"per_species": 2, "blur": -1.0}, "a number from 0 to 4"),
            Mistake({"per_species": 76, "blur": 0.0}, "from 2 to 75"),
            Mistake((2, 0.0), "a dictionary"),
        ),
        alternative={"blur": 0, "per_species": 5},
        praise="The Inception Score does not measure variety within a class. The FID does.",
        grade=_forgery,
        starts=({"per_species": 75, "blur": 0},),
    ),
)
