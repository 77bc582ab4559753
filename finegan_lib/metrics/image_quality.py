"""How good generated pictures are: Inception Score, FID and KID, out of a network's readings.

**Inception Score** (Salimans et al. 2016, arXiv 1606.03498). A classifier reads every picture x:

    IS = exp( E_x KL( p(y|x) ‖ p(y) ) ),  p(y) = E_x p(y|x)

between 1 and the number of classes; high when every picture is clearly *something* and all
together are *many things*. It never looks at a real picture.

**Fréchet Inception distance** (Heusel et al. 2017, arXiv 1706.08500). A Gaussian (mean μ,
covariance Σ) describes the features of real pictures, another one those of generated pictures:

    FID = |μ_r − μ_g|² + tr(Σ_r + Σ_g − 2 (Σ_r Σ_g)^½)

0 for equal Gaussians. Its estimate is too large by about 1/N, so compare equal N only.

**Kernel Inception distance** (Bińkowski et al. 2018, arXiv 1801.01401): the squared maximum mean
discrepancy of the features under the kernel (x·y/D + 1)³, estimated without bias; may be negative.

torchmetrics computes the three formulas. :mod:`finegan_lib.scoring.quality` reads the pictures and
prepares these inputs. :data:`METRICS` has a row for each score. After one function and one row are
added, the new score appears in ``quality``, in the tables and in every JSON.
"""

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..base.errors import InputError
from ..base.random_numbers import seeded


def inception_score(logits: Tensor, splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """Mean and standard deviation of the Inception Score over random splits.

    Args:
        logits: (N, K) of a classifier. They are shuffled (by ``seed``) before they are split: in
            class order, each split would hold a few classes only, and score low.
        splits: how many parts; each needs many more pictures than there are classes.

    Returns:
        The mean, and the population standard deviation (over n, as in the first implementation). It
        measures how much the parts differ, not the error of the mean.

    Raises:
        InputError: if there are fewer pictures than splits.
    """
    metrics = _torchmetrics()
    if not 1 <= splits <= len(logits):
        raise InputError(
            "the Inception Score needs between 1 and N splits",
            seen=f"{splits} splits, N={len(logits)}",
            cure="Lower the splits or give more pictures.",
        )
    with _seeded_and_quiet(seed):
        metric = metrics.inception.InceptionScore(feature=nn.Identity(), splits=splits)
        metric.update(logits.double())
        mean, sd = metric.compute()
    n = len(logits.chunk(splits))  # few pictures make fewer parts: 11 in 10 splits are 6
    return float(mean), float(sd) * ((n - 1) / n) ** 0.5 if n > 1 else 0.0  # torch's is over n − 1


@dataclass(frozen=True)
class FeatureSums:
    """Running sums of (N, D) features in float64, enough for an FID. They can be added.

    ``count`` N; ``total`` (D,) the sum of the rows; ``outer`` (D, D) the sum of their outer
    products.
    """

    count: int
    total: Tensor
    outer: Tensor

    @classmethod
    def of(cls, features: Tensor) -> "FeatureSums":
        """The sums of (N, D) features."""
        features = features.cpu().double()
        return cls(len(features), features.sum(0), features.T @ features)

    def __add__(self, other: "FeatureSums") -> "FeatureSums":
        return FeatureSums(
            self.count + other.count, self.total + other.total, self.outer + other.outer
        )

    @property
    def mean(self) -> Tensor:
        """(D,)."""
        return self.total / self.count

    @property
    def covariance(self) -> Tensor:
        """(D, D), over N − 1."""
        return (self.outer - self.count * torch.outer(self.mean, self.mean)) / (self.count - 1)


def fid(real: Tensor | FeatureSums, fake: Tensor | FeatureSums) -> float:
    """The Fréchet distance of two sets of features, (N, D) and (M, D), or of their sums.

    Raises:
        InputError: for fewer than 2 rows, or different D.
    """
    metrics = _torchmetrics()
    real, fake = (s if isinstance(s, FeatureSums) else FeatureSums.of(s) for s in (real, fake))
    if min(real.count, fake.count) < 2 or real.total.shape != fake.total.shape:
        raise InputError(
            "an FID needs two sets of at least 2 pictures in the same features",
            seen=f"{real.count} × {len(real.total)} and {fake.count} × {len(fake.total)}",
            cure="Give more pictures, read by one network.",
        )
    identity = nn.Identity()
    identity.num_features = len(real.total)
    metric = metrics.fid.FrechetInceptionDistance(feature=identity)
    metric.orig_dtype = torch.float64  # what the result is cast to; update() would have set it
    for name, sums in (("real", real), ("fake", fake)):
        setattr(metric, f"{name}_features_sum", sums.total)
        setattr(metric, f"{name}_features_cov_sum", sums.outer)
        setattr(metric, f"{name}_features_num_samples", torch.tensor(sums.count))
    metric._update_count = 1  # the sums were made elsewhere; keeps compute() from warning
    return float(metric.compute())


def kid(
    real: Tensor, fake: Tensor, *, subsets: int = 50, subset_size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Kernel Inception distance of (N, D) and (M, D) features: mean and sd over random subsets.

    Subsets are at most as large as the smaller set. With very few pictures they overlap so much
    that the standard deviation has no meaning.
    """
    metrics = _torchmetrics()
    size = min(subset_size, len(real), len(fake))
    with _seeded_and_quiet(seed):
        metric = metrics.kid.KernelInceptionDistance(
            nn.Identity(), subsets=subsets, subset_size=size
        )
        metric.update(real.double(), real=True)
        metric.update(fake.double(), real=False)
        mean, sd = metric.compute()
    return float(mean), float(sd)


def _torchmetrics():
    try:
        import torchmetrics.image.fid
        import torchmetrics.image.inception
        import torchmetrics.image.kid
    except ImportError as error:
        raise InputError(
            "image quality needs torchmetrics",
            seen="not installed",
            cure='Install it: pip install "finegan-lib[metrics]".',
        ) from error
    return torchmetrics.image


@contextlib.contextmanager
def _seeded_and_quiet(seed: int):
    """A context for torchmetrics, which has no seed of its own: seeded, without two warnings."""
    with seeded(seed), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Metric `.*` will save all extracted features")
        warnings.filterwarnings("ignore", r"std\(\): degrees of freedom")  # one split
        yield


# ------------------------------------------------------------------------------------- of two sets


@dataclass(frozen=True)
class Statistics:
    """All that the three scores need of one set of pictures.

    ``sums`` of every second picture, from the first and from the second one on (their FID is what
    a perfect generator would get at half the number); ``features`` (≤ KID_ROWS, D) float32;
    ``logits`` (N, K) float32.
    """

    even: FeatureSums
    odd: FeatureSums
    features: Tensor
    logits: Tensor

    @property
    def sums(self) -> FeatureSums:
        """Of all pictures."""
        return self.even + self.odd


@dataclass(frozen=True)
class Comparison:
    """What a score may be made of: two sets of pictures, the number of splits, and the seed."""

    real: Statistics
    fake: Statistics
    splits: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Metric:
    """A score of generated pictures: a row of :data:`METRICS`.

    ``key`` is its name in JSON and ``title`` its name in texts and tables; ``of`` computes it: a
    number, or a pair of a number and its standard deviation (``key`` with ``_sd``). ``control``
    computes the score of the real pictures alone, under ``control_key``; ``note`` says how.
    ``digits`` are those after the point in ``quality``.
    """

    key: str
    title: str
    of: Callable[[Comparison], float | tuple[float, float]]
    control_key: str = ""
    control: Callable[[Comparison], float] | None = None
    note: str = ""
    digits: int = 3


METRICS = [
    Metric(
        "inception_score",
        "Inception Score",
        lambda sets: inception_score(sets.fake.logits, sets.splits, sets.seed),
        "real_inception_score",  # more than the real pictures' would be suspicious
        lambda sets: inception_score(sets.real.logits, sets.splits, sets.seed)[0],
        digits=2,
    ),
    Metric(
        "fid",
        "FID",
        lambda sets: fid(sets.real.sums, sets.fake.sums),
        "real_halves_fid",
        lambda sets: fid(sets.real.even, sets.real.odd),
        "two halves",
    ),
    Metric(
        "kid",
        "KID",
        lambda sets: kid(sets.real.features, sets.fake.features, seed=sets.seed),
        digits=4,
    ),
]
STANDARD = ("inception_score", "fid", "kid")  # for which texts and tables have a place of their own


def further_metrics() -> list[Metric]:
    """The rows beyond :data:`STANDARD`: texts and tables put them at the end."""
    return [metric for metric in METRICS if metric.key not in STANDARD]


def compare_statistics(real: Statistics, fake: Statistics, *, splits=10, seed=0) -> dict:
    """Every score of :data:`METRICS` of two sets, with the real set's own values after them.

    Returns:
        By key: ``inception_score``, ``inception_score_sd``, ``fid``, ``kid``, ``kid_sd``; and the
        controls ``real_inception_score`` (what real pictures get: more would be suspicious) and
        ``real_halves_fid`` (of one half of the real pictures to the other).
    """
    sets, scores = Comparison(real, fake, splits, seed), {}
    for metric in METRICS:
        found = metric.of(sets)
        if isinstance(found, tuple):
            found, scores[f"{metric.key}_sd"] = found
        scores[metric.key] = found
    controls = {m.control_key: m.control(sets) for m in METRICS if m.control}
    return scores_among(scores | controls)


def scores_among(values: dict) -> dict:
    """The entries that belong to :data:`METRICS`: scores and deviations, then controls."""
    names = [name for metric in METRICS for name in (metric.key, f"{metric.key}_sd")]
    names += [metric.control_key for metric in METRICS]
    return {name: values[name] for name in names if name in values}
