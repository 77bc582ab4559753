"""How well a network separates the factors of an image: MIG, DCI, leakage of the background.

The scores take *codes* (what a generator was given, or what an encoder makes of an image) and
*factors* (what is true of the image), image by image.

=====================  ==========================================================================
score                  question
=====================  ==========================================================================
MIG                    does one code say much more about a factor than any other code?
DCI disentanglement    does each code serve one factor only?
DCI completeness       is each factor served by one code only?
DCI informativeness    can the factor be told from the codes at all?
background leakage     does the category that a classifier names depend on the background?
=====================  ==========================================================================

MIG is Chen et al., *Isolating Sources of Disentanglement in VAEs*, 2018 (arXiv 1802.04942, section
4); DCI is Eastwood and Williams, *A Framework for the Quantitative Evaluation of Disentangled
Representations*, ICLR 2018. Both suppose that the factors are independent of each other: codes are
sampled freely, and the real birds are drawn anew in any plumage on any silhouette.

Choices that the papers leave open: numbers that are not whole are cut into :data:`BINS` bins of
equal width between their smallest and their largest value; information is the plug-in estimate in
nats, a little too high for few images; DCI's importances come from random forests.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.stats import entropy
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score, mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from tqdm.auto import tqdm

from ..base.errors import InputError
from ..base.options import require_at_least
from ..data import ToyBirds
from ..discovery.code_classifiers import child_images, untrained_classifier
from ..metrics.code_classifiers import DiscoveryConfig, classify, real_inputs, train_code_classifier
from ..metrics.judges import POSE_NAMES, Judges
from ..metrics.masks import iou
from ..models.generators import final_image, inputs_of, sample_freely
from ..training.pretrained import load_generator, need_toybirds
from .means import mean_scores
from .surroundings import moved

BINS = 20


@dataclass(frozen=True)
class DisentanglementConfig:
    """How many images are used, per seed."""

    n_generated: int = 3000  # images with known codes
    n_real: int = 2000  # ToyBirds, not trained on
    trees: int = 30  # of each of DCI's forests
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)

    def __post_init__(self):
        # Half of the images teach a probe or a forest, which needs several kinds among them.
        require_at_least(self, n_generated=20, n_real=20, trees=1)


# ------------------------------------------------------------------------- codes against factors


def discretise(values) -> np.ndarray:
    """(N,) whole numbers as they are; others as the index of their bin, 0 … BINS − 1."""
    values = np.asarray(values)
    if values.dtype.kind in "iub":
        return values.astype(np.int64)
    edges = np.linspace(values.min(), values.max(), BINS + 1)[1:-1]
    return np.digitize(values, edges)


def information_matrix(codes: dict, factors: dict) -> np.ndarray:
    """I(code; factor) in nats, (codes, factors).

    Args:
        codes, factors: arrays (N,) by name, discretised by :func:`discretise`.
    """
    columns = [discretise(code) for code in codes.values()]
    rows = [discretise(factor) for factor in factors.values()]
    return np.array([[mutual_info_score(code, factor) for factor in rows] for code in columns])


def mig(codes: dict, factors: dict) -> dict:
    """Mutual information gap: (I of the best code − I of the second best) / H(factor).

    1: one code determines the factor, and the others do not depend on it. 0: two codes depend on it
    equally, or none does.

    Returns:
        ``mig``, the mean over the factors, and ``mig_per_factor``. A factor that never varies
        counts as 0: no code moves it.
    """
    information = information_matrix(codes, factors)
    best = np.sort(np.vstack([np.zeros((1, len(factors))), information]), axis=0)[-2:]
    uncertainty = np.array([_entropy(factor) for factor in factors.values()])
    gaps = (best[1] - best[0]) / np.maximum(uncertainty, 1e-12)
    return {
        "mig": float(gaps.mean()),
        "mig_per_factor": dict(zip(factors, gaps.tolist(), strict=True)),
    }


def dci(codes: dict, factors: dict, *, trees: int = 30, seed: int = 0) -> dict:
    """Disentanglement, completeness and informativeness (Eastwood and Williams 2018, section 2).

    For each factor j a random forest learns it from all codes, on half of the images. R_ij is the
    importance of code i for it (mean decrease of impurity), P_ij = R_ij / Σ_j R_ij and
    P'_ij = R_ij / Σ_i R_ij:

        D = Σ_i ρ_i (1 − H(P_i·) / log K),   ρ_i = Σ_j R_ij / Σ_ij R_ij     for K factors
        C = 1/K · Σ_j (1 − H(P'_·j) / log D)                               for D codes

    Informativeness is the forest's accuracy on the other half, scaled: 0 is the accuracy of naming
    the most frequent value, and 1 means never wrong. It is the mean over the factors.

    Args:
        codes: (N,) arrays by name; whole numbers are categories. The trees read categories as
            numbers, so a tree may need two splits to separate one category.
        factors: (N,) arrays by name, discretised by :func:`discretise`; at least two.

    Returns:
        ``disentanglement``, ``completeness``, ``informativeness``, each in [0, 1], and
        ``informativeness_per_factor``.
    """
    if len(factors) < 2 or len(codes) < 2:
        raise InputError(
            "DCI compares codes and factors, at least two of each",
            seen=f"{len(codes)} codes, {len(factors)} factors",
            cure="Add some, or use mig.",
        )
    table = np.stack([np.asarray(code, dtype=np.float64) for code in codes.values()], 1)
    train, test = _halves(len(table), seed)
    importance, informative = [], {}
    for name, factor in factors.items():
        factor = discretise(factor)
        # Every split chooses among all codes, so a code that determines the factor is chosen.
        forest = RandomForestClassifier(trees, max_features=None, random_state=seed)
        forest.fit(table[train], factor[train])
        importance.append(forest.feature_importances_)
        informative[name] = _above_guessing(forest.predict(table[test]), factor[test])
    importance = np.stack(importance, 1)  # (codes, factors)
    total = max(importance.sum(), 1e-12)
    by_code = 1 - _rows_entropy(importance) / np.log(len(factors))
    by_factor = 1 - _rows_entropy(importance.T) / np.log(len(codes))
    return {
        "disentanglement": float((importance.sum(1) / total * by_code).sum()),
        "completeness": float(by_factor.mean()),
        "informativeness": float(np.mean(list(informative.values()))),
        "informativeness_per_factor": informative,
    }


def _halves(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """range(n) in random order: one half for training and one for testing."""
    order = np.random.default_rng(seed).permutation(n)
    return order[: n // 2], order[n // 2 :]


def _above_guessing(predicted, truth) -> float:
    """Accuracy, scaled: 0 for naming the most frequent value (or worse), 1 for never wrong."""
    guess = np.bincount(truth).max() / len(truth)
    accuracy = float((predicted == truth).mean())
    return float(max(0.0, (accuracy - guess) / max(1 - guess, 1e-12)))


def _entropy(values) -> float:
    return float(entropy(np.unique(discretise(values), return_counts=True)[1]))


def _rows_entropy(importance) -> np.ndarray:
    """Entropy of every row, scaled to add up to 1; a row of zeros counts as uniform."""
    return entropy(np.where(importance.sum(1, keepdims=True) > 0, importance, 1.0), axis=1)


# ------------------------------------------------------------------------- background leakage


def shared_information(labels, background) -> float:
    """I(labels; background) / H(background), corrected for chance: 0 independent, 1 determined.

    (I − E[I]) / (H(background) − E[I]), E[I] over random orders of one of the two: the adjusted
    mutual information of Vinh, Epps and Bailey (2010). The divisor is the smaller entropy where
    the labels have fewer values than the background.
    """
    return float(adjusted_mutual_info_score(background, labels, average_method="min"))


def swap_rate(answers, answers_swapped) -> float:
    """How often the predicted category changes when only the background changes, in [0, 1]."""
    return float((np.asarray(answers) != np.asarray(answers_swapped)).mean())


def probe_accuracy(features, background, seed: int = 0) -> float:
    """How well a linear probe predicts the background from features: accuracy above chance.

    Logistic regression on standardised features, trained on half of the images and tested on the
    other half. 0: as good as the most frequent background, 1: never wrong.

    Args:
        features: (N, D).
        background: (N,) families.
    """
    features, background = np.asarray(features), np.asarray(background)
    train, test = _halves(len(features), seed)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    probe.fit(features[train], background[train])
    return _above_guessing(probe.predict(features[test]), background[test])


def swap_backgrounds(birds: ToyBirds, rows, seed: int = 0) -> Tensor:
    """(N, 3, S, S) uint8: the same birds in the same poses, a background of another family."""
    shift = np.random.default_rng(seed).integers(1, birds.n_backgrounds, size=len(rows))
    background = (birds.background_index[rows] + shift) % birds.n_backgrounds
    return birds.redraw(rows, background=background)[0]


def background_leakage(
    classifier,
    birds: ToyBirds,
    *,
    n_images: int = 2000,
    image_size: int = DiscoveryConfig.image_size,
    seed: int = 0,
) -> dict:
    """How much of the background a child classifier reads, on real images.

    Args:
        classifier: reads a child code, trained on generated images
            (:func:`finegan_lib.metrics.code_classifiers.train_code_classifier`).
        birds: real ToyBirds; their background is independent of their species.

    Returns:
        ``answer``: :func:`shared_information` of the category that it names and the background;
        ``swap``: :func:`swap_rate` of that category;
        ``swap_control``: the same when the image is only moved by a pixel: how undecided it is;
        ``probe``: :func:`probe_accuracy` of its features.
    """
    rows = np.arange(min(n_images, len(birds)))
    images, background = birds.evaluation_crops(rows), birds.background_index[rows]
    logits, features = real_features(classifier, images, image_size)
    answers, *others = (
        read.argmax(1).numpy()
        for read in (
            logits,
            real_features(classifier, swap_backgrounds(birds, rows, seed), image_size)[0],
            real_features(classifier, moved(images), image_size)[0],
        )
    )
    return {
        "answer": shared_information(answers, background),
        "swap": swap_rate(answers, others[0]),
        "swap_control": swap_rate(answers, others[1]),
        "probe": probe_accuracy(features.numpy(), background, seed),
    }


def real_features(classifier, images: Tensor, image_size: int = DiscoveryConfig.image_size):
    """Logits and features of uint8 images, shrunk to the size that the classifier learnt at."""
    return classify(classifier, real_inputs(images, image_size))


# ------------------------------------------------------------------------- a generator's scores


@torch.no_grad()
def judged_codes(generator, judges: Judges, n: int, seed: int = 0, batch_size: int = 100):
    """Freely sampled codes, and the judges' answers for the images generated from them.

    Returns:
        ``codes``: b, p and c as far as the family has them, and every number of z;
        ``factors``: background, shape, appearance (the judges' most likely value), and flip, x
        and y of the pose; (n,) arrays by name.
    """
    rng = torch.Generator().manual_seed(seed)
    codes, factors = [], []
    for start in range(0, n, batch_size):
        inputs, named = sample_freely(generator, min(batch_size, n - start), rng)
        readings = judges.readings(final_image(generator(*inputs)))
        pose = dict(zip(POSE_NAMES, readings["pose"].T, strict=True))
        seen = {k: readings[k].argmax(1) for k in ("background", "shape", "appearance")}
        seen |= {"flip": (pose["flip"] > 0).long(), "x": pose["x"], "y": pose["y"]}
        codes.append(named)
        factors.append(seen)
    return _join(codes), _join(factors)


def _join(parts: list[dict]) -> dict:
    return {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}


def redrawn_factors(birds: ToyBirds, n: int, seed: int = 0) -> tuple[Tensor, dict]:
    """Real birds with silhouette, plumage and background drawn independently of each other.

    Returns:
        images (n, 3, S, S) uint8, and ``parent``, ``child``, ``background`` and ``flip``.
    """
    rng, rows = np.random.default_rng(seed), np.arange(min(n, len(birds)))
    sizes = {"parent": birds.n_parents, "child": birds.n_children}
    sizes["background"] = birds.n_backgrounds
    factors = {name: rng.integers(size, size=len(rows)) for name, size in sizes.items()}
    images = birds.redraw(rows, **factors)[0]
    return images, factors | {"flip": birds.pose["flip"][rows].astype(np.int64)}


def evaluate_disentanglement(
    checkpoint, *, seeds=(0, 1, 2), data_seed: int = 1, config=None, progress: bool = True
) -> dict:
    """Every score of this file for a generator of any family that has a child code.

    Args:
        checkpoint: name, file or run folder, of a generator trained on ToyBirds.
        seeds: sampling seeds; the scores are means over them.
        data_seed: of the real birds; differs from the training's.
        config: `DisentanglementConfig`.

    Returns:
        A dictionary that ``json.dumps`` accepts: ``codes`` (MIG and DCI of the generator's codes
        against what the judges see), ``features`` (DCI of the child classifier's features on real
        birds), ``mask_iou`` (FineGAN only), and ``leakage``:

        ``code``    :func:`shared_information` of c and the background that the judges see
        ``answer``, ``swap``, ``swap_control``, ``probe``   see :func:`background_leakage`
        ``probe_untrained``   the same probe on a classifier that learnt nothing

        The measure of leakage is ``answer``: how much of the background is in the category. The
        probe finds some background in all features, also in those of an untrained network.

        ``per_seed`` has the same for every seed.

    Raises:
        InputError: for a generator without a categorical code, one that was trained on
            photographs, or one of an image size that there are no judges for.
    """
    config = config or DisentanglementConfig()
    need_toybirds(checkpoint, "disentanglement")
    generator = load_generator(checkpoint)
    sample_freely(generator, 2, torch.Generator().manual_seed(0))  # refuses other families
    size = generator.config.image_size
    judges = Judges.load("toy", size)
    known = {"n_parents": judges.config.n_parents, "n_children": judges.config.n_children}
    birds = ToyBirds(config.n_real, image_size=size, seed=data_seed, progress=progress, **known)
    runs = [
        _one_seed(generator, judges, birds, config, seed, progress)
        for seed in tqdm(seeds, "sampling seeds", disable=not progress)
    ]
    return {
        "checkpoint": str(checkpoint),
        "image_size": size,
        "seeds": list(seeds),
        **mean_scores(runs),
        "per_seed": runs,
    }


def _one_seed(generator, judges, birds, config, seed, progress) -> dict:
    codes, factors = judged_codes(generator, judges, config.n_generated, seed)
    scores = {
        "codes": mig(codes, factors) | dci(codes, factors, trees=config.trees, seed=seed),
    }
    options = {"seed": seed, "progress": progress}
    made, made_from, n_codes = child_images(generator, config.discovery, seed=seed)
    classifier = train_code_classifier(made, made_from, n_codes, config.discovery, **options)
    images, truth = redrawn_factors(birds, config.n_real, seed)
    side = config.discovery.image_size
    features = real_features(classifier, images, side)[1].T.numpy()
    features = {f"feature {i}": feature for i, feature in enumerate(features)}
    scores["features"] = dci(features, truth, trees=config.trees, seed=seed)
    blank = untrained_classifier(made, n_codes, config.discovery, seed=seed)
    untrained = real_features(blank, birds.evaluation_crops(), side)[1].numpy()
    scores["leakage"] = {
        "code": shared_information(codes["c"], factors["background"]),
        **background_leakage(classifier, birds, n_images=config.n_real, image_size=side, seed=seed),
        "probe_untrained": probe_accuracy(untrained, birds.background_index, seed),
    }
    if inputs_of(generator).hierarchical:
        scores["mask_iou"] = _generated_mask_iou(generator, judges, seed)
    return scores


@torch.no_grad()
def _generated_mask_iou(generator, judges, seed: int, n: int = 200) -> float:
    """IoU of the child mask with the segmenter's, tied codes."""
    codes = generator.config.hierarchy().sample(
        n, generator.config.z_dim, rng=torch.Generator().manual_seed(seed)
    )
    child = generator(codes).child
    return float(iou(child.mask >= 0.5, judges.masks(child.image) >= 0.5).mean())


def summary(scores: dict) -> str:
    """The scores as lines to print."""
    codes, features, leakage = scores["codes"], scores["features"], scores["leakage"]
    gaps = "  ".join(f"{name} {gap:.2f}" for name, gap in codes["mig_per_factor"].items())
    lines = [f"MIG of the codes         {codes['mig']:.3f}   ({gaps})"]
    for title, values in (("codes", codes), ("classifier's features", features)):
        lines.append(
            f"DCI of the {title:21} disentanglement {values['disentanglement']:.3f}   "
            f"completeness {values['completeness']:.3f}   "
            f"informativeness {values['informativeness']:.3f}"
        )
    if "mask_iou" in scores:
        lines.append(f"mask IoU {scores['mask_iou']:.3f}")
    lines += [
        "how much of the background is in",
        f"  the child code (generated images)        {leakage['code']:.3f}",
        f"  the named category (real images)         {leakage['answer']:.3f}",
        f"  its change when the background changes   {leakage['swap']:.3f}"
        f"   moved by a pixel: {leakage['swap_control']:.3f}",
        f"  the classifier's features (linear probe) {leakage['probe']:.3f}"
        f"   untrained: {leakage['probe_untrained']:.3f}",
    ]
    return "\n".join(lines)
