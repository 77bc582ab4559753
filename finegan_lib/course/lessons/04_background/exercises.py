"""The exercises of this lesson, with answers that must be told apart."""

import torch
import torch.nn.functional as F

from ....data import ToyBirds
from ....losses import background_discriminator_loss, background_patch_weights
from ....models.blocks import PatchGeometry
from ....models.finegan import BACKGROUND_LAYERS
from ...engine.exercises import Choice, Exploration, Fill, Mistake
from . import lab


def _stacks():
    return [(layers,) for layers in BACKGROUND_LAYERS.values()] + [(((3, 1), (5, 3), (2, 2)),)]


def _boxes():
    box = torch.tensor(
        [
            [20.0, 10.0, 30.0, 14.0],  # wider than high: rows and columns must not be swapped
            [14.0, 3.0, 18.0, 40.0],  # touches the first patch along x
            [0.0, 5.0, 0.0, 20.0],  # no area
            [7.5, 31.0, 26.3, 31.0],  # no area
            [25.0, 25.0, 32.0, 32.0],
        ]
    )
    return [(box, 14, 2, 10), (2 * box[:, [1, 0, 3, 2]], 22, 4, 11)]


def _patch_weights(box, field, stride, cells):
    return background_patch_weights(box, PatchGeometry(field, stride, cells))


def _meets(box, field, stride, cells, *, touching=True, whole=False):
    """What several wrong answers share: (meets_x, meets_y, empty)."""
    start = torch.arange(cells) * stride
    x1, y1, x2, y2 = (side[:, None] for side in box.T)
    slack = 0.0 if touching else -1e-6
    reach = 0 if whole else field
    x, y = (
        (start + reach >= low - slack) & (start + (field if whole else 0) <= high + slack)
        for low, high in ((x1, x2), (y1, y2))
    )
    return x, y, ((x1 >= x2) | (y1 >= y2))[:, :, None]


def _transposed(*arguments):
    return _patch_weights(*arguments).transpose(1, 2)


def _cross(*arguments):
    x, y, empty = _meets(*arguments)
    return 1 - ((y[:, :, None] | x[:, None, :]) & ~empty).float()


def _strict(*arguments):
    x, y, empty = _meets(*arguments, touching=False)
    return 1 - (y[:, :, None] & x[:, None, :] & ~empty).float()


def _only_inside(*arguments):
    x, y, empty = _meets(*arguments, whole=True)
    return 1 - (y[:, :, None] & x[:, None, :] & ~empty).float()


def _empty_forbids(*arguments):
    x, y, _ = _meets(*arguments)
    return 1 - (y[:, :, None] & x[:, None, :]).float()


def _by_the_formula(box, field, stride, cells):
    """The authors' arithmetic: first and last forbidden cell."""
    weights = torch.ones(len(box), cells, cells)
    for kept, (x1, y1, x2, y2) in zip(weights, box.tolist(), strict=True):
        if x1 < x2 and y1 < y2:
            rows, columns = (
                slice(max(0, -int((field - low) // stride)), int(high // stride) + 1)
                for low, high in ((y1, y2), (x1, x2))
            )
            kept[rows, columns] = 0
    return weights


def _logits():
    random = torch.Generator().manual_seed(0)
    cases = []
    for share in (0.3, 0.0):  # 0: the box covers everything, and nothing real is kept
        aux, real, fake = torch.randn(3, 4, 5, 5, generator=random) * 2
        cases.append((aux, real, fake, (torch.rand(4, 5, 5, generator=random) < share).float()))
    return cases


def _loss(real_term, *, aux_label=None, sign=1, adversarial=10, aux_weight=1, fake_weight=None):
    """D_b's loss with something changed."""

    def loss(aux, real, fake, w):
        fakes = F.softplus(sign * fake)
        fakes = fakes.mean() if fake_weight is None else (fake_weight(w) * fakes).mean()
        label = w if aux_label is None else aux_label(w)
        aux = F.binary_cross_entropy_with_logits(aux, label)
        return adversarial * (real_term(F.softplus(-real), w) + fakes) + aux_weight * aux

    return loss


def _kept_mean(real, w):
    return (w * real).sum() / w.sum().clamp(min=1)


def _slip(aux, real, fake, w):
    fakes = -(1 + F.softplus(-fake)).log().mean()
    aux = F.binary_cross_entropy_with_logits(aux, w)
    return 10 * (_kept_mean(F.softplus(-real), w) + fakes) + aux


def _critic(layers):
    try:
        layers = tuple((int(kernel), int(stride)) for kernel, stride in layers)
    except (TypeError, ValueError):
        return "answer with (kernel, stride) pairs, such as ((4, 2), (4, 1))"
    if not 1 <= len(layers) <= 6 or any(k < 1 or s < 1 or k > 32 or s > 8 for k, s in layers):
        return "use 1 to 6 layers, kernels from 1 to 32 and strides from 1 to 8"
    if lab.receptive_field(layers) > 32:
        return "its patches are larger than the window of 32 pixels"
    field, _, cells = PatchGeometry.of(layers, 32)
    if field < 12:
        return f"its patches are {field} pixels wide: at least 12 are wanted, to see a whole wave"
    if cells < 8:
        return f"it has {cells} × {cells} patches, and 8 × 8 are wanted: where is the stride spent?"
    birds = ToyBirds(600, image_size=32, seed=7, progress=False)
    (share,) = lab.free_shares(birds, [layers])
    if share < 0.5:
        return f"only {share:.0%} of its patches of {field} pixels are free of the box"
    return None


EXERCISES = (
    Fill(
        "1",
        "fill in: the receptive field",
        "my_receptive_field",
        lab.receptive_field,
        mistakes=(
            Mistake(
                lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
                "this forgets the strides: after a stride of 2, one step is two pixels of the "
                "picture",
            ),
            Mistake(
                lambda layers: lab.receptive_field(layers) - 1,
                "one too few: a stack without any layer sees 1 pixel, not 0",
            ),
            Mistake(
                lambda layers: (
                    1
                    + sum(
                        (k - 1) * torch.tensor([s for _, s in layers[: i + 1]]).prod().item()
                        for i, (k, _) in enumerate(layers)
                    )
                ),
                "a layer's own stride does not widen its own field: count the strides *before* it",
            ),
            Mistake(
                lambda layers: (
                    1
                    + sum(
                        k * torch.tensor([1, *[s for _, s in layers[:i]]]).prod().item()
                        for i, (k, _) in enumerate(layers)
                    )
                ),
                "a kernel of 1 adds nothing, so a layer adds (kernel − 1) steps",
            ),
        ),
        alternative=lambda layers: next(
            n for n in range(1, 200) if PatchGeometry.of(layers, n).cells >= 1
        ),
        praise="It is also the smallest picture for which one cell is left.",
        inputs=_stacks,
    ),
    Choice(
        "2",
        "predict: a patch that just touches the box",
        "my_verdict",
        "b",
        mistakes=(
            Mistake(
                "a",
                "the bird touches the box's sides: that column may hold its beak, and D_b would "
                "learn that real backgrounds have beaks",
            ),
            Mistake(
                "c",
                "it is part of a real photograph: D_b would learn to call real reeds and waves "
                "fake, whenever a bird is near",
            ),
        ),
        alternative="(B)",
        praise="What is not surely background teaches real/fake nothing; it only gets aux's label.",
    ),
    Fill(
        "3",
        "fill in: kept and forbidden patches",
        "my_patch_weights",
        _patch_weights,
        mistakes=(
            Mistake(_transposed, "rows and columns are swapped: rows are y"),
            Mistake(
                lambda *arguments: 1 - _patch_weights(*arguments),
                "upside down: 1 is for the patches that are kept",
            ),
            Mistake(
                _cross,
                "this forbids a whole cross of patches: a patch must meet the box along x *and* "
                "along y",
            ),
            Mistake(
                _only_inside,
                "this forbids only patches that lie within the box altogether; one that reaches in "
                "may hold a bird, too",
            ),
            Mistake(_empty_forbids, "a box without area forbids nothing"),
            Mistake(_strict, "a patch that only touches the box is forbidden, too: ≥ and ≤"),
        ),
        alternative=_by_the_formula,
        praise="Better one patch too many forbidden than one beak learnt.",
        inputs=_boxes,
    ),
    Fill(
        "4",
        "fill in: the loss of D_b",
        "my_d_b_loss",
        background_discriminator_loss,
        mistakes=(
            Mistake(
                _loss(lambda real, w: (w * real).mean()),
                "the real term is a mean over the *kept* patches: divide by the sum of w, or a "
                "large box makes real patches count less than fakes",
            ),
            Mistake(
                _loss(lambda real, w: real.mean()),
                "the forbidden patches count as real background: where is w in the real term?",
            ),
            Mistake(
                _loss(lambda real, w: (w * real).sum() / w.sum()),
                "right, but for a box that covers everything 0/0 comes out: use .clamp(min=1)",
            ),
            Mistake(
                _loss(_kept_mean, aux_label=torch.ones_like),
                "aux must learn to say no: its label is w, not 1 everywhere",
            ),
            Mistake(
                _loss(_kept_mean, aux_label=lambda w: 1 - w),
                "aux is upside down: 1 means background, which is where w = 1",
            ),
            Mistake(
                _loss(_kept_mean, sign=-1),
                "the fakes are called real: −log(1 − σ(s)) is softplus(s)",
            ),
            Mistake(
                _loss(_kept_mean, fake_weight=lambda w: w),
                "w belongs to the real picture; a painted background has no box, and all of its "
                "patches count",
            ),
            Mistake(
                _loss(_kept_mean, adversarial=1),
                "the authors weigh real/fake ten times as much as aux",
            ),
            Mistake(
                _loss(_kept_mean, adversarial=1, aux_weight=10),
                "the factor 10 belongs to real/fake, not to aux",
            ),
            Mistake(_slip, "this is the slide's log(1 − log D), a slip: it must be log(1 − D)"),
        ),
        alternative=lambda aux, real, fake, w: (
            10 * (F.softplus(-real[w > 0]).sum() / max(1, int(w.sum())) + F.softplus(fake).mean())
            + F.binary_cross_entropy_with_logits(aux, w)
        ),
        praise="Two classifiers on one trunk: one compares, the other one knows.",
        inputs=_logits,
    ),
    Choice(
        "5",
        "predict: a generator whose critic takes birds for background",
        "my_painting",
        "c",
        mistakes=(
            Mistake(
                "a",
                "a minority, but a real one: a generator that never paints such patches leaves D_b "
                "a way to tell real from fake",
            ),
            Mistake(
                "b", "nobody sees more than 14 pixels at once: who would ask for a whole bird?"
            ),
        ),
        alternative="C)",
        praise="A patch critic asks for plausible patches, and for nothing else.",
    ),
    Exploration(
        "6",
        "explore: how large a patch may be",
        "my_layers",
        ((4, 2), (3, 1), (3, 1)),
        mistakes=(
            Mistake(((4, 2), (4, 1)), "at least 12 are wanted"),
            Mistake(((4, 2), (4, 2), (3, 1)), "where is the stride spent"),
            Mistake(((8, 1), (8, 1), (8, 1)), "are free of the box"),
            Mistake(((16, 4), (16, 1)), "larger than the window"),
            Mistake((4, 2), "pairs"),
            Mistake(((0, 1),), "kernels from 1"),
        ),
        alternative=BACKGROUND_LAYERS[32],
        praise="Large enough for a wave, small enough to find room beside the bird.",
        judge=_critic,
    ),
)
