"""The laboratory of the lesson on image quality: changes of pictures, and figures of their scores.

All pictures are (N, 3, S, S) uint8; every function has a seed.
"""

import copy
import io

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from ....experiments.tables import slug
from ....figures import image_figure
from ....metrics.judges import Judges
from ....metrics.reading import Reading, to_uint8
from ....models.generators import final_image, random_output
from ....scoring.quality import (
    FeatureSums,
    Statistics,
    fid,
    inception_score,
    read_statistics,
    sample_pictures,
)
from ....training.pretrained import load_generator
from ... import style

SYSTEMS = ("Simple-GAN", "InfoGAN", "LR-GAN", "StackGAN-v2", "FineGAN")
SYSTEM_COLOURS = dict(
    zip(SYSTEMS, (style.GREY, style.ORANGE, style.PURPLE, style.SKY, style.REAL), strict=True)
)
CORRUPTIONS = ("blur", "noise", "missing species")


# ------------------------------------------------------------------------------------- by hand


def score_of_probabilities(probabilities: Tensor) -> float:
    """The Inception Score, in one split, of a classifier's probabilities (N, K); rows sum to 1."""
    return inception_score(probabilities.double().clamp_min(1e-30).log(), splits=1)[0]


def example_opinions(n: int = 40, classes: int = 5) -> dict[str, Tensor]:
    """Four generators as a classifier may see them: name → (n, classes) probabilities p(y|x)."""
    shown = torch.arange(n) * classes // n  # in class order, to be looked at

    def opinions(index, sureness):
        rest = (1 - sureness) / (classes - 1)
        return torch.full((n, classes), rest).scatter(1, index[:, None], sureness)

    return {
        "sure, varied": opinions(shown, 0.96),
        "unsure, varied": opinions(shown, 0.50),
        "sure, one favourite": opinions(shown * (torch.arange(n) % 3 == 0), 0.96),
        "sure, all the same": opinions(shown * 0, 0.96),
    }


def mean_of_parts(probabilities: Tensor, splits: int) -> float:
    """Mean Inception Score of parts of the list without a shuffle."""
    return float(np.mean([score_of_probabilities(p) for p in probabilities.chunk(splits)]))


def score_in_parts(logits: Tensor, splits: int) -> float:
    """Mean Inception Score of ``splits`` parts of shuffled (N, K) logits (exercise 3)."""
    probabilities = logits.softmax(1)
    return mean_of_parts(probabilities[torch.randperm(len(probabilities))], splits)


def probe_score(answer, seed: int):
    """The values of a score in parts for sure pictures (exercise 3). Large mistakes show first."""
    torch.manual_seed(int(seed))

    def told(classes, splits, good):
        score = float(answer(30 * torch.eye(max(classes) + 1)[classes], splits))
        return "as it should be" if good[0] <= score <= good[1] else f"{score:.2g}"

    first = answer(30 * torch.eye(10), 1)
    if first is ...:
        return ...
    if isinstance(first, list | tuple) or np.size(first) != 1:
        return {"what it returns": "no single number"}
    ten, two = torch.arange(400) * 10 // 400, torch.arange(160) * 2 // 160
    return {
        "what it returns": "a number",
        "the score of one picture of each of ten classes, in one part": told(
            list(range(10)), 1, (9.9, 10.1)
        ),
        "the score of 400 pictures in class order, in five parts": told(ten.tolist(), 5, (8.8, 10)),
        "the score of 400 pictures, class after class in turn, in five parts": told(
            (torch.arange(400) % 10).tolist(), 5, (8.8, 10)
        ),
        "the score of pictures of ten classes, two in a part": told(
            (torch.arange(160) % 10).sort().values.tolist(), 80, (1.3, 2.1)
        ),
        "the score of pictures of two classes, two in a part": told(two.tolist(), 80, (1.3, 1.7)),
    }


def kid_by_hand(real: Tensor, fake: Tensor) -> float:
    """KID of all (N, D) and (M, D) features at once, no picture paired with itself (exercise 6)."""
    real, fake = real.double(), fake.double()

    def inside(x):
        pairs = kernel(x, x)
        return (pairs.sum() - pairs.trace()) / (len(x) * (len(x) - 1))

    return float(inside(real) + inside(fake) - 2 * kernel(real, fake).mean())


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """KID's (x · y / D + 1)³ for all pairs of (N, D) and (M, D) features: (N, M)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


# ------------------------------------------------------------------------------------- pictures


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of ``sigma`` pixels; 0 changes nothing."""
    if sigma <= 0:
        return pictures
    kernel = 2 * int(np.ceil(2.5 * sigma)) + 1
    return gaussian_blur(pictures, kernel, sigma)


def noisy(pictures: Tensor, deviation: float, seed: int = 0) -> Tensor:
    """Gaussian noise of ``deviation`` grey levels on every value."""
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(pictures.shape, generator=rng) * deviation
    return (pictures + noise).round().clamp(0, 255).byte()


def with_species_missing(labels, share: float, seed: int = 0) -> Tensor:
    """(N,) rows to show when a share of the species is missing, and other species take their
    places.

    Args:
        labels: (N,) species of the pictures.
        share: 0 … 1; at least one species stays.
    """
    labels = torch.as_tensor(labels)
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(int(labels.max()) + 1, generator=rng)
    kept = order[: max(1, round(len(order) * (1 - share)))]
    rows = torch.isin(labels, kept).nonzero().flatten()
    more = rows[torch.randint(len(rows), (len(labels) - len(rows),), generator=rng)]
    return torch.cat([rows, more])


def corrupted(pictures: Tensor, labels, kind: str, strength: float) -> Tensor:
    """Damaged pictures: strength 0 changes nothing, 1 is the strongest damage.

    "blur": up to 1/12 of the side; "noise": up to 60 grey levels; "missing species": up to all
    but one.
    """
    if kind == "blur":
        return blurred(pictures, strength * pictures.shape[-1] / 12)
    if kind == "noise":
        return noisy(pictures, 60 * strength)
    return pictures[with_species_missing(labels, strength)]


def ladder(network, real: Statistics, pictures: Tensor, labels, strengths) -> dict:
    """Inception Score and FID of pictures that are damaged step by step.

    Returns:
        kind → {"inception_score": […], "fid": […]}, one value for every strength.
    """
    found = {}
    for kind in CORRUPTIONS:
        seen = [statistics(network, corrupted(pictures, labels, kind, float(s))) for s in strengths]
        found[kind] = {
            "inception_score": [inception_score(s.logits, splits=1)[0] for s in seen],
            "fid": [fid(real.sums, s.sums) for s in seen],
        }
    return found


def statistics(network, pictures: Tensor) -> Statistics:
    """`quality.read_statistics` of pictures in memory."""
    return read_statistics(network, pictures.split(100), progress=False)


def copies(pictures: Tensor, labels, per_species: int) -> Tensor:
    """As many pictures as given, but only ``per_species`` different ones of each species."""
    labels = torch.as_tensor(labels)
    rows = [(labels == k).nonzero().flatten()[:per_species] for k in labels.unique()]
    shown = torch.cat(rows)
    return pictures[shown.repeat(-(-len(pictures) // len(shown)))[: len(pictures)]]


def forged(pictures: Tensor, labels, per_species: int, blur: float = 0.0) -> Tensor:
    """Few different pictures of each species, shown again and again, blurred."""
    return blurred(copies(pictures, labels, per_species), blur)


def prepared(pictures: Tensor, how: str) -> Tensor:
    """The same pictures after a usual preparation.

    "JPEG": quality 75; "shrunk" and "shrunk, no antialias": to half the side and back, bilinear;
    "cut off": one grey level darker in half of the values, as when 127.6 becomes 127; anything
    else: as they are.
    """
    if how == "JPEG":
        return torch.stack([_jpeg(picture) for picture in pictures])
    if how == "cut off":
        rng = torch.Generator().manual_seed(0)
        down = torch.randint(2, pictures.shape, generator=rng)
        return (pictures.int() - down).clamp_min(0).byte()
    if how in ("shrunk", "shrunk, no antialias"):
        size = pictures.shape[-1]
        options = {"mode": "bilinear", "antialias": how == "shrunk"}
        small = F.interpolate(pictures.float(), scale_factor=0.5, **options)
        large = F.interpolate(small.round(), (size, size), mode="bilinear")
        return large.round().clamp(0, 255).byte()
    return pictures


def preparation_distances(network, pictures: Tensor) -> dict[str, float]:
    """FID of pictures to *themselves* after another preparation, in the bars of the figure."""
    kinds = ("nothing", "cut off", "JPEG", "shrunk", "shrunk, no antialias")
    sums = {how: statistics(network, prepared(pictures, how)).sums for how in kinds}
    return {
        "cut off, not rounded": fid(sums["nothing"], sums["cut off"]),
        "JPEG, quality 75": fid(sums["nothing"], sums["JPEG"]),
        "half size and back": fid(sums["nothing"], sums["shrunk"]),
        "half size: with or\nwithout antialiasing": fid(
            sums["shrunk"], sums["shrunk, no antialias"]
        ),
    }


def _jpeg(picture: Tensor) -> Tensor:
    memory = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(memory, "JPEG", quality=75)
    return torch.from_numpy(np.array(Image.open(memory))).permute(2, 0, 1)


# ------------------------------------------------------------------------------------- features


class PlumageEyes(nn.Module):
    """A network that sees only the bird's plumage: the judge of appearances.

    Its 72 features are averages of small patches over the bird (see
    `metrics.judges.PatchJudge`). It does not see the background or the outline.
    """

    name = "plumage only"

    def __init__(self, image_size: int):
        super().__init__()
        self.judges = Judges.load("toy", image_size)
        self.features = copy.deepcopy(self.judges.appearance)
        self.features.head = nn.Identity()

    def forward(self, images: Tensor) -> Reading:
        images = images.float() / 127.5 - 1
        features = self.features(images, self.judges.masks(images))
        return Reading(features, self.judges.appearance.head(features))


def score_against_n(score, real, features: Tensor, counts, repeats: int = 5, seed: int = 0):
    """FID or KID of random subsets of N rows, for growing N.

    Args:
        score: (real, rows of the features) → a number.
        real: the other set, in the form that the score needs.
        features: (N, D) of the pictures to draw the subsets from.
        counts: the numbers of rows.

    Returns:
        mean and standard deviation over the repeats, an array each, one value for every count.
    """
    rng = torch.Generator().manual_seed(seed)
    values = [
        [
            score(real, features[torch.randperm(len(features), generator=rng)[:n]])
            for _ in range(repeats)
        ]
        for n in counts
    ]
    return np.mean(values, 1), np.std(values, 1)


def distance_parts(real: Tensor, fake: Tensor) -> tuple[float, float]:
    """The two terms of the FID: squared distance of the means, and the difference in spread."""
    a, b = FeatureSums.of(real), FeatureSums.of(fake)
    means = float((a.mean - b.mean).square().sum())
    return means, fid(a, b) - means


def generated(generator, n: int, seed: int = 0) -> Tensor:
    """n pictures of a generator in one tensor (`quality.sample_pictures`)."""
    return torch.cat(list(sample_pictures(generator, n, seed=seed)))


def training_views(birds) -> Tensor:
    """The real pictures of a training: the crops with their random shifts and flips."""
    return to_uint8(birds.batch(range(len(birds))).child_crop)


# ------------------------------------------------------------------------------------- figures


def _box(axis, x, y, text, colour="#FFFFFF", width=1.0, height=0.56, size=8):
    axis.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            width,
            height,
            boxstyle="round,pad=0.02,rounding_size=0.12",
            facecolor=colour,
            edgecolor="#333333",
            lw=1,
        )
    )
    axis.text(x, y, text, ha="center", va="center", fontsize=size)


def _arrow(axis, start, end, bend=0.0):
    axis.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            connectionstyle=f"arc3,rad={bend}",
            mutation_scale=9,
            color="#333333",
            lw=1.1,
            linestyle="--" if bend else "-",
            shrinkA=0,
            shrinkB=0,
        )
    )


GENERATOR_BLUE, IMAGE_GREEN, JUDGE_RED = "#D6E6F2", "#D3EDE2", "#F9DDC8"


def first_birds(system: str, n: int = 8, seed: int = 0) -> Tensor:
    """The first pictures of a system of our own Table 1, without selection: (n, 3, 32, 32) in [-1,
    1].

    Args:
        system: one of :data:`SYSTEMS`; its shipped network is that of the table's seed 0.
        n: number of images.
        seed: of the codes.
    """
    return final_image(random_output(load_generator(f"tables/{slug(system)}"), n, seed))


def family_portrait():
    """The five systems of Table 1: the inputs and critics of each."""
    figure, axis = plt.subplots(figsize=(8.6, 4.9), layout="constrained")
    for row, name in enumerate(SYSTEMS):
        y = 4.75 - row * 1.16 - (0.2 if name == "FineGAN" else 0)
        axis.text(-0.75, y, name, ha="right", va="center", fontsize=10, weight="bold")
        _DRAWINGS[name](axis, y)
    axis.set(xlim=(-2.3, 9.0), ylim=(-0.95, 5.6), aspect="equal")
    axis.set_axis_off()
    for x, colour, text in (
        (-0.9, GENERATOR_BLUE, "learnt layers of G"),
        (1.8, IMAGE_GREEN, "an image or a layer of one"),
        (5.3, JUDGE_RED, "a critic (or reader of a code)"),
    ):
        _box(axis, x, 5.32, "", colour, 0.34, 0.2)
        axis.text(x + 0.28, 5.32, text, va="center", fontsize=8)
    figure.suptitle("The five systems of Table 1")
    return figure


def first_birds_figure():
    """The first eight birds of each system's network, a row each."""
    rows = [list(first_birds(name)) for name in SYSTEMS]
    title = "The first eight birds of each, after equal training"
    return image_figure(rows, list(SYSTEMS), None, title, 0.85)


def _plain(axis, y, codes, judges):
    _box(axis, 0, y, codes, width=0.8)
    _box(axis, 1.7, y, "G", GENERATOR_BLUE)
    _box(axis, 3.6, y, "image", IMAGE_GREEN)
    _arrow(axis, (0.42, y), (1.18, y))
    _arrow(axis, (2.22, y), (3.08, y))
    for k, text in enumerate(judges):
        at = y + (0.3 - 0.6 * k if len(judges) > 1 else 0)
        _box(axis, 6.1, at, text, JUDGE_RED, 2.3, 0.42 if len(judges) > 1 else 0.56)
        _arrow(axis, (4.12, y), (4.93, at))


def _simple(axis, y):
    _plain(axis, y, "$z$", ["D: real or fake?"])


def _info(axis, y):
    _plain(axis, y, "$z, c$", ["D: real or fake?", "Q: which $c$?"])


def _lr(axis, y):
    _box(axis, 0, y, "$z_1, z_2$", width=0.8)
    _box(axis, 1.7, y + 0.29, "background", GENERATOR_BLUE, 1.25, 0.4, 7.5)
    _box(axis, 1.7, y - 0.29, "object, mask", GENERATOR_BLUE, 1.25, 0.4, 7.5)
    _box(axis, 3.4, y - 0.29, "turn, shift", GENERATOR_BLUE, 1.1, 0.4, 7.5)
    _box(axis, 5.0, y, "pasted", IMAGE_GREEN, 0.95)
    _box(axis, 7.35, y, "D: real or fake?", JUDGE_RED, 2.3)
    _arrow(axis, (0.42, y), (1.05, y + 0.29))
    _arrow(axis, (0.42, y), (1.05, y - 0.29))
    _arrow(axis, (2.35, y - 0.29), (2.83, y - 0.29))
    _arrow(axis, (3.97, y - 0.29), (4.5, y - 0.08))
    _arrow(axis, (2.35, y + 0.29), (4.5, y + 0.1))
    _arrow(axis, (5.5, y), (6.18, y))


def _stack(axis, y):
    _box(axis, 0, y, "$z$", width=0.8)
    for k, (x, side) in enumerate(((1.7, "S/4"), (3.9, "S/2"), (6.1, "S"))):
        _box(axis, x, y + 0.27, f"G{k + 1}", GENERATOR_BLUE, 0.8, 0.42)
        _box(axis, x, y - 0.3, side, IMAGE_GREEN, 0.34 + 0.16 * k, 0.22 + 0.1 * k, 7)
        _box(axis, x + 1.1, y - 0.3, f"D{k + 1}", JUDGE_RED, 0.62, 0.42)
        _arrow(axis, (x, y + 0.04), (x, y - 0.17 + 0.05 * k))
        _arrow(axis, (x + 0.2 + 0.08 * k, y - 0.3), (x + 0.77, y - 0.3))
    _arrow(axis, (0.42, y), (1.28, y + 0.27))
    _arrow(axis, (2.12, y + 0.27), (3.48, y + 0.27))
    _arrow(axis, (4.32, y + 0.27), (5.68, y + 0.27))


def _fine(axis, y):
    stages = (
        ("$z, b$", "background", "$D_b$: real patches?"),
        ("$p$", "+ shape", "$D_p$: which $p$?"),
        ("$c$", "+ plumage", "$D_c$: real? which $c$?"),
    )
    for k, (code, layer, judge) in enumerate(stages):
        x = 0.55 + 3.1 * k
        _box(axis, x - 0.85, y + 0.34, code, width=0.62, height=0.4)
        _box(axis, x, y + 0.34, f"G{k + 1}", GENERATOR_BLUE, 0.62, 0.42)
        _box(axis, x + 1.08, y + 0.34, layer, IMAGE_GREEN, 1.05, 0.42, 7.5)
        _box(axis, x + 0.85, y - 0.46, judge, JUDGE_RED, 2.0, 0.42)
        _arrow(axis, (x - 0.53, y + 0.34), (x - 0.33, y + 0.34))
        _arrow(axis, (x + 0.33, y + 0.34), (x + 0.54, y + 0.34))
        _arrow(axis, (x + 1.08, y + 0.11), (x + 0.95, y - 0.23))
        if k:  # the next stage also gets this layer and its features
            _arrow(axis, (x - 2.02, y + 0.57), (x - 0.05, y + 0.57), bend=-0.22)


_DRAWINGS = {
    "Simple-GAN": _simple,
    "InfoGAN": _info,
    "LR-GAN": _lr,
    "StackGAN-v2": _stack,
    "FineGAN": _fine,
}


def opinions_figure(opinions: dict[str, Tensor]):
    """Each generator's p(y|x), a row for every picture, over their mean p(y)."""
    figure, axes = plt.subplots(
        2,
        len(opinions),
        figsize=(9.4, 3.9),
        layout="constrained",
        sharex="col",
        sharey="row",
        gridspec_kw={"height_ratios": [2.4, 1]},
    )
    for (above, below), (name, p) in zip(axes.T, opinions.items(), strict=True):
        shown = above.imshow(p.numpy(), aspect="auto", vmin=0, vmax=1, cmap="viridis")
        above.set_title(f"{name}\nIS = {score_of_probabilities(p):.2f}")
        below.bar(np.arange(p.shape[1]), p.mean(0).numpy(), color=style.SKY)
        below.set(xlabel="class y", ylim=(0, 1), xticks=range(p.shape[1]))
    axes[0, 0].set_ylabel("picture")
    axes[1, 0].set_ylabel("mean p(y)")
    figure.colorbar(shown, ax=axes[0], label="p(y|x)")
    figure.suptitle("What a classifier says of four generators with five classes")
    return figure


def gaussians_figure(real: Tensor, fakes: dict[str, Tensor]):
    """Two features of real and fake pictures as points, and their Gaussians as ellipses."""
    figure, axes = plt.subplots(
        1, len(fakes), figsize=(9.4, 4.1), layout="constrained", sharex=True, sharey=True
    )
    axes = np.atleast_1d(axes)
    for axis, (name, fake) in zip(axes, fakes.items(), strict=True):
        for points, colour, label in ((real, style.REAL, "real"), (fake, style.FAKE, name)):
            axis.scatter(*points[:250].T, s=4, alpha=0.35, color=colour)
            axis.add_patch(gaussian_ellipse(points, edgecolor=colour, label=label))
        means, spread = (max(part, 0.0) for part in distance_parts(real, fake))
        axis.set_title(f"{name}\nmeans {means:.2f} + spread {spread:.2f} = {means + spread:.2f}")
        axis.set(xlabel="feature 1", aspect="equal")
    axes[0].set_ylabel("feature 2")
    axes[0].autoscale_view()
    figure.suptitle("Two Gaussians, at two deviations: real birds (blue), another set (orange)")
    return figure


def gaussian_ellipse(points: Tensor, **kwargs) -> Ellipse:
    """The ellipse of two standard deviations of (N, 2) points."""
    sums = FeatureSums.of(points)
    values, vectors = torch.linalg.eigh(sums.covariance)
    angle = float(torch.rad2deg(torch.atan2(vectors[1, 1], vectors[0, 1])))
    width, height = (4 * float(v) ** 0.5 for v in (values[1], values[0]))
    return Ellipse(sums.mean.tolist(), width, height, angle=angle, fill=False, lw=2, **kwargs)


def ladder_figure(pictures: Tensor, labels, strengths, found: dict, floor: float, best: float):
    """A bird at each strength of damage, and both scores against the strength.

    Args:
        floor: FID of other real pictures; ``best``: their Inception Score.
    """
    figure = plt.figure(figsize=(9.4, 5.9), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.4])
    axes = top.subplots(3, len(strengths))
    for line, kind in zip(axes, CORRUPTIONS, strict=True):
        line[0].set_ylabel(kind.replace(" ", "\n"), rotation=0, ha="right", va="center")
        for axis, strength in zip(line, strengths, strict=True):
            few = corrupted(pictures[:400], labels[:400], kind, float(strength))[[0, 21, 33]]
            axis.imshow(torch.cat(list(few), 2).permute(1, 2, 0).numpy())
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
    for axis, strength in zip(axes[0], strengths, strict=True):
        axis.set_title(f"strength {strength:.3g}", fontsize=8)
    left, right = bottom.subplots(1, 2)
    looks = zip(CORRUPTIONS, (style.REAL, style.ORANGE, style.GREEN), "os^", strict=True)
    for kind, colour, marker in looks:
        for axis, score in ((left, "fid"), (right, "inception_score")):
            axis.plot(strengths, found[kind][score], marker=marker, color=colour, label=kind)
    left.axhline(floor, color=style.GREY, ls=":", label="other real pictures")
    right.axhline(best, color=style.GREY, ls=":")
    left.set(title="FID, lower is better", yscale="log", ylabel="FID (logarithmic)")
    right.set(title="Inception Score, higher is better", ylabel="Inception Score", ylim=(0, None))
    for axis in (left, right):
        axis.set_xlabel("strength of the damage")
    left.legend(loc="lower right", bbox_to_anchor=(1, 0.06), fontsize=8)
    figure.suptitle("Real pictures, spoilt step by step")
    return figure


def bias_figure(counts, curves: dict, kids: dict, changes: dict, floor: float):
    """FID and KID against the number of pictures, and the effect of preparation alone.

    Args:
        curves: name → (mean, sd) of the FID for every count, from `score_against_n`.
        kids: name → (mean, sd) of the KID of real birds, likewise.
        changes: from `preparation_distances`; ``floor``: FID of other real pictures.
    """
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained")
    for axis, found, colours in (
        (left, curves, ((style.REAL, 1.5), (style.FAKE, 1.5))),
        (middle, kids, (("#BBBBBB", 6), (style.PURPLE, 1.5))),  # the second may hide the first
    ):
        for (name, (mean, sd)), (colour, width) in zip(found.items(), colours, strict=True):
            axis.errorbar(counts, mean, sd, marker="o", ms=4, lw=width, color=colour, label=name)
        axis.set(xscale="log", xlabel="N, number of pictures")
        axis.set_xticks([100, 250, 1000], labels=["100", "250", "1000"])
        axis.tick_params(axis="x", which="minor", labelbottom=False)
        axis.legend(fontsize=8)
    left.set(yscale="log", ylabel="FID (logarithmic)", title="FID falls as N grows")
    middle.axhline(0, color="black", lw=0.8)
    middle.set(ylabel="KID", title="KID of other real birds")
    names, least = list(changes)[::-1], 1e-3
    bars = right.barh(names, [max(changes[n], 2 * least) for n in names], color=style.SKY)
    right.bar_label(bars, [f" {changes[n]:.3g}" for n in names], fontsize=8)
    right.axvline(floor, color=style.GREY, ls=":")
    right.text(floor * 1.12, 3.5, "other real birds", color=style.GREY, fontsize=8, va="bottom")
    right.set(xscale="log", xlabel="FID (logarithmic)", xlim=(least, 500), ylim=(-0.6, 3.9))
    right.set_title("The same pictures, prepared otherwise")
    return figure


def fid_figure(real: FeatureSums, sets: dict[str, Tensor], n: int):
    """The FID that n pictures give, for five choices of n pictures out of each set.

    Args:
        real: what all are compared with.
        sets: name → features (N, D), N ≥ n.
    """
    figure, axis = plt.subplots(figsize=(6.4, 2.2), layout="constrained")
    for y, (features, colour) in enumerate(
        zip(sets.values(), (style.REAL, style.FAKE), strict=True)
    ):
        found = [
            score_against_n(fid, real, features, [n], repeats=1, seed=seed)[0][0]
            for seed in range(5)
        ]
        axis.plot(found, [y] * len(found), "o", color=colour)
    axis.set(xscale="log", xlim=(0.3, 40), xlabel="FID (logarithmic)", ylim=(-0.6, len(sets) - 0.4))
    axis.set_yticks(range(len(sets)), labels=list(sets))
    axis.set_title(f"Five choices of {n} pictures each")
    return figure


def eyes_figure(wrong: dict[str, Tensor], ratios: dict[str, list[float]]):
    """Sets of pictures, and their FID with two networks.

    Args:
        wrong: name → pictures, the first set being right.
        ratios: name of a network → FID of each set, in FIDs of the first.
    """
    figure = plt.figure(figsize=(9.4, 4.6), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.05])
    axes = top.subplots(len(wrong), 12)
    for line, (name, pictures) in zip(axes, wrong.items(), strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        for axis, picture in zip(line, pictures, strict=False):
            axis.imshow(picture.permute(1, 2, 0).numpy())
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
    axis = bottom.subplots()
    for i, ((eye, values), colour) in enumerate(
        zip(ratios.items(), (style.REAL, style.ORANGE), strict=True)
    ):
        bars = axis.bar(np.arange(len(wrong)) + 0.36 * (i - 0.5), values, 0.34, color=colour)
        bars.set_label(eye)
        axis.bar_label(bars, fmt="%.1f", fontsize=8)
    axis.set_xticks(range(len(wrong)), labels=wrong)
    axis.set(yscale="log", ylabel="FID, in FIDs of\nother real birds")
    axis.margins(y=0.15)
    axis.legend(title="network", loc="upper left")
    figure.suptitle("Two ways to be wrong, seen by two networks")
    return figure


def table1(tables: dict) -> str:
    """The paper's Table 1 in Markdown: the Inception Score with its ±, and the FID."""
    names = [facts["name"] for facts in tables["datasets"].values()]
    columns = [f"IS ↑ {name}" for name in names] + [f"FID ↓ {name}" for name in names]
    lines = [f"| system | {' | '.join(columns)} |", "| --- " + "| ---: " * len(columns) + "|"]
    for system in SYSTEMS:
        score, distance = (
            tables[part][system] for part in ("table1_inception_score", "table1_fid")
        )
        cells = ["{:.2f} ± {:.2f}".format(*score[data]) for data in tables["datasets"]]
        cells += [f"{distance[data]:.2f}" for data in tables["datasets"]]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table2_figure(tables: dict, shipped: dict, table1: dict | None, table2: dict | None):
    """The paper's Table 2, the shipped generator, and our own Tables 1 and 2 if they were made.

    Each panel has one network and one number of pictures, because FIDs of different networks or
        numbers cannot be compared.

    Args:
        shipped: ``inception_score`` and ``fid`` of the shipped generator, and ``real_…`` values.
        table1, table2: from `experiments.paper.toy_table`.
    """
    n = 2 + (table1 is not None) + (table2 is not None)
    rows = 1 if n < 4 else 2
    figure, axes = plt.subplots(rows, n // rows, figsize=(9.4, 3.5 * rows), layout="constrained")
    paper, left, *others = axes.flatten()
    scores = tables["table2_inception_score_cub"]
    order = ["5", "10", "20", "40", "mixed"]
    bars = paper.bar(order, [scores[k] for k in order], color=style.SKY)
    paper.bar_label(bars, fmt="%.1f", fontsize=8)
    paper.set(title="CUB, 200 children (paper)", xlabel="parents $N_p$", ylabel="Inception Score")

    _fid_against_score(left, {"the shipped FineGAN": shipped}, "ToyBirds, now")
    real = shipped["real_fid"], shipped["real_inception_score"]
    left.plot(*real, "*", ms=13, color="black", label="other real birds")
    left.set(xlabel="← FID (logarithmic)", xscale="log", ylim=(0, 21))
    left.legend(fontsize=8)
    if table1 is not None:
        axis = others.pop(0)
        drawn = {name: s for name, s in table1["systems"].items() if "fid" in s}  # not dice
        _fid_against_score(axis, drawn, "ToyBirds, all systems (our Table 1)")
        axis.legend(fontsize=8)
    if table2 is not None:
        axis = others.pop(0)
        drawn = {n: s for n, s in table2["systems"].items() if "inception_score" in s}
        for i, found in enumerate(drawn.values()):
            values = found["inception_score"]
            axis.plot([i] * len(values), values, "o", color=style.REAL)
        axis.set_xticks(range(len(drawn)), labels=drawn)
        axis.set(title="ToyBirds (our Table 2)", xlabel="parents $N_p$", ylabel="Inception Score")
        axis.margins(y=0.15)
        axis.set_ylim(0, None)
    figure.suptitle("How many parents; and our own painters")
    return figure


def _fid_against_score(axis, systems: dict, title: str) -> None:
    """One point for every seed of every system: FID to the right, Inception Score upwards."""
    marks = "os^Dv"
    for k, (name, scores) in enumerate(systems.items()):
        colour = SYSTEM_COLOURS.get(name, style.FAKE)
        values = scores["fid"], scores["inception_score"]
        axis.plot(*values, marks[k % 5], ls="", color=colour, label=name)
    highest = max(np.max(scores["inception_score"]) for scores in systems.values())
    axis.set(title=title, xlabel="← FID", ylabel="Inception Score →", ylim=(0, 1.35 * highest))
    axis.margins(x=0.2)
