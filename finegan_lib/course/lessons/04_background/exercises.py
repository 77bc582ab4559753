"""The exercises of this lesson, with right answers and typical mistakes."""

import torch
import torch.nn.functional as F
from torch import nn

from ....data import ToyBirds
from ....losses import (
    background_discriminator_loss,
    background_patch_weights,
)
from ....models.blocks import PatchGeometry
from ....models.finegan import BACKGROUND_LAYERS, BackgroundDiscriminator, Stem
from ...engine.exercises import Build, Choice, Debug, Exploration, Fill, Mistake
from . import lab, wrong


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


def _flat_empty(*arguments):
    x, y, empty = _meets(*arguments)
    return 1 - (y[:, :, None] & x[:, None, :] & ~empty[:, :, 0]).float()


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


def _critic(layers):
    try:
        layers = tuple((int(kernel), int(stride)) for kernel, stride in layers)
    except (TypeError, ValueError):
        return "answer with (kernel, stride) pairs, such as ((4, 2), (4, 1))"
    if not 1 <= len(layers) <= 6 or any(k < 1 or s < 1 or k > 32 or s > 8 for k, s in layers):
        return "use 1 to 6 layers, kernels from 1 to 32 and strides from 1 to 8"
    if lab.receptive_field(layers) > 32:
        return "its patches are larger than the window of 32 pixels"
    field, stride, cells = PatchGeometry.of(layers, 32)
    if field < 18:
        return f"its patches are {field} pixels wide: at least 18 are wanted"
    if (rest := 32 - field - (cells - 1) * stride) > 0:
        return f"its patches leave {rest} pixels of every row unseen"
    if cells < 8:
        return f"it has {cells} × {cells} patches, and 8 × 8 are wanted: look at your strides"
    birds = ToyBirds(600, image_size=32, seed=7, progress=False)
    (share,) = lab.free_shares(birds, [layers])
    if share < 0.5:
        return f"only {share:.0%} of its patches of {field} pixels are free of the box"
    return None


# ------------------------------------------------------------------------------------- patches


def _by_geometry(weights):
    return lambda box, field, stride, cells: weights(box, PatchGeometry(field, stride, cells))


def _geometries():
    (box, *sizes), (other, *more) = _boxes()
    return [(box, PatchGeometry(*sizes)), (other, PatchGeometry(*more))]


EXERCISES = (
    Fill(
        "1",
        "fill in: the receptive field",
        "my_receptive_field",
        lab.receptive_field,
        mistakes=(
            Mistake(
                lambda layers: 1 + sum(kernel - 1 for kernel, _ in layers),
                "the strides are missing: after a stride of 2, one step is two pixels of the "
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
            Mistake(
                lambda layers: lab.receptive_field(layers[::-1]),
                "your order is wrong: begin with the layer at the picture",
            ),
            Mistake(
                lambda layers: lab.receptive_field(layers[:-1]),
                "the last layer, the head, counts as well",
            ),
            Mistake(
                lambda layers: torch.tensor([s for _, s in layers]).prod().item(),
                "this is the stride of the whole stack, from one patch to the next",
            ),
            Mistake(
                lambda layers: torch.tensor([k for k, _ in layers]).prod().item(),
                "kernels do not multiply: each adds (kernel − 1) steps",
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
                "the bird touches the box's sides: this column may contain its beak, and D_b "
                "would learn that real backgrounds have beaks",
            ),
            Mistake(
                "c",
                "it is part of a real photograph: D_b would learn to call real reeds and waves "
                "near a bird fake",
            ),
        ),
        alternative="(B)",
        praise=(
            "The real/fake head learns only from patches that are surely background. Aux learns "
            "from all."
        ),
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
                "the weights are inverted: 1 is for the patches that are kept",
            ),
            Mistake(
                _cross,
                "this forbids too many patches, in the form of a cross: a patch must meet the "
                "box along x *and* along y",
            ),
            Mistake(
                _only_inside,
                "this forbids only patches completely within the box; a patch partly within it "
                "may contain a bird, too",
            ),
            Mistake(_empty_forbids, "a box without area forbids nothing"),
            Mistake(
                lambda *a: _empty_forbids(*a).transpose(1, 2),
                "rows and columns are swapped: rows are y. And a box without area forbids nothing",
            ),
            Mistake(
                _flat_empty,
                "`empty` is (N, 1), and the patches are (N, cells, cells): write empty[:, :, None]",
            ),
            Mistake(_strict, "a patch that only touches the box is forbidden, too: ≥ and ≤"),
            Mistake(
                _by_geometry(lab.late_patch_weights),
                "a patch that starts before the box may end in it: add the field",
            ),
            Mistake(
                lambda *a: 0.5 + _patch_weights(*a) / 2,
                "a forbidden patch has the weight 0",
            ),
        ),
        alternative=_by_the_formula,
        praise="It is better to forbid a good patch than to keep a patch with a beak.",
        inputs=_boxes,
    ),
    Fill(
        "4",
        "fill in: the loss of D_b",
        "my_d_b_loss",
        background_discriminator_loss,
        mistakes=(
            Mistake(
                wrong.loss_with(lambda real, w: (w * real).mean()),
                "the real term is a mean over the *kept* patches: divide by the sum of w; "
                "otherwise, with a large box, real patches count less than fakes",
            ),
            Mistake(
                wrong.loss_with(lambda real, w: real.mean()),
                "the forbidden patches count as real background: w is missing in the real term",
            ),
            Mistake(
                wrong.loss_with(lambda real, w: (w * real).sum() / w.sum()),
                "right, except for a box that covers everything: it gives 0/0, so use "
                ".clamp(min=1)",
            ),
            Mistake(
                wrong.loss_with(wrong.kept_mean, aux_label=torch.ones_like),
                "aux must learn to say no: its label is w, not 1 everywhere",
            ),
            Mistake(
                wrong.loss_with(wrong.kept_mean, aux_label=lambda w: 1 - w),
                "aux has the opposite sign: w = 1 means background, and aux must say yes there",
            ),
            Mistake(
                wrong.loss_with(wrong.kept_mean, sign=-1),
                "the fakes are called real: −log(1 − σ(s)) is softplus(s)",
            ),
            Mistake(
                wrong.loss_with(wrong.kept_mean, fake_weight=lambda w: w),
                "w belongs to the real picture; a generated background has no box, and all "
                "of its patches count",
            ),
            Mistake(
                wrong.loss_with(wrong.kept_mean, adversarial=1),
                "the authors give real/fake ten times the weight of aux",
            ),
            Mistake(
                wrong.loss_with(wrong.kept_mean, adversarial=1, aux_weight=10),
                "the factor 10 belongs to real/fake, not to aux",
            ),
            Mistake(
                wrong.slip, "this is log(1 − log D), the error of the slide: it must be log(1 − D)"
            ),
        ),
        alternative=lambda aux, real, fake, w: (
            10 * (F.softplus(-real[w > 0]).sum() / max(1, int(w.sum())) + F.softplus(fake).mean())
            + F.binary_cross_entropy_with_logits(aux, w)
        ),
        praise="Two classifiers share one trunk: real/fake, and background or not.",
        inputs=wrong.for_losses,
    ),
    Build(
        "5",
        "build: the stem",
        "MyStem",
        Stem,
        probe="probe_stem",
        inputs=wrong.for_stems,
        mistakes=(
            Mistake(
                wrong.stem(bias=True),
                "the linear layer has a bias, but the BatchNorm after it removes it again: "
                "bias=False",
            ),
            Mistake(wrong.stem(norm=False), "the BatchNorm between the linear layer and the gate"),
            Mistake(
                wrong.stem(together=lambda self, code, z: torch.cat([z, code], 1)),
                "the code comes first, then z: torch.cat([code, z], 1)",
            ),
            Mistake(
                wrong.stem(gate=lambda self, x: x.chunk(2, 1)[1] * x.chunk(2, 1)[0].sigmoid()),
                "the gate is the second half: first half × sigmoid(second half)",
            ),
            Mistake(
                wrong.stem(gate=lambda self, x: x.chunk(2, 1)[0].relu()),
                "a GLU, not a ReLU: half of the numbers are the gate of the other half",
            ),
            Mistake(
                wrong.stem(gate=lambda self, x: x.chunk(2, 1)[0] * x.chunk(2, 1)[1]),
                "the sigmoid of the gate is missing",
            ),
            Mistake(
                wrong.stem(unfold=lambda self, x: x.unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)),
                "channels come first: view(-1, widths[0], 4, 4)",
            ),
            Mistake(
                wrong.stem(tail=torch.tanh),
                "no tanh here: a stem makes features, and the head turns them into a picture",
            ),
            Mistake(
                wrong.ShallowStem, "up-blocks are missing: one for each pair in pairwise(widths)"
            ),
            Mistake(
                lambda *sizes: wrong.OtherStem(*sizes).forward,
                "return a module: class MyStem(nn.Module)",
            ),
        ),
        alternative=wrong.OtherStem,
        praise="The foreground has the same stem, with p in place of b.",
        about={
            "what it returns in evaluation mode": "nn.BatchNorm1d keeps running statistics for it.",
            "what it is": "Make it a class that inherits from nn.Module.",
        },
    ),
    Build(
        "6",
        "build: the patch critic",
        "MyPatchCritic",
        BackgroundDiscriminator,
        probe="probe_critic",
        inputs=wrong.for_critics,
        mistakes=(
            Mistake(
                wrong.critic(padding=1),
                "use no padding: with it, cells at the border would see zeros outside of the "
                "picture",
            ),
            Mistake(
                wrong.critic(bias=True), "the convolutions of the trunk have no bias: bias=False"
            ),
            Mistake(wrong.critic(norm=nn.BatchNorm2d), "D_b has no normalisation"),
            Mistake(wrong.critic(activation=nn.ReLU, slope=None), "LeakyReLU(0.2), not ReLU"),
            Mistake(wrong.critic(slope=0.01), "the slope of its LeakyReLU is 0.2, not torch's own"),
            Mistake(
                wrong.critic(activation=None),
                "the activations are missing: two convolutions in a row are one convolution",
            ),
            Mistake(
                wrong.critic(heads=1),
                "both answers come from one head: aux and real/fake need separate weights",
            ),
            Mistake(
                wrong.critic(finish=staticmethod(lambda logits: logits)),
                "take the one channel away: (N, 1, cells, cells) → (N, cells, cells)",
            ),
            Mistake(
                wrong.critic(finish=staticmethod(lambda logits: logits[:, 0].sigmoid())),
                "return logits: the losses contain the sigmoid",
            ),
            Mistake(
                wrong.critic(finish=staticmethod(lambda logits: logits.mean((1, 2, 3)))),
                "return a logit for every patch, not one for the whole picture",
            ),
            Mistake(wrong.OneCritic, "it returns one output: (aux, real/fake) are wanted"),
        ),
        alternative=wrong.OtherCritic,
        praise="Without padding and normalisation, a cell depends only on its patch.",
    ),
    Build(
        "7",
        "build: one training step",
        "my_background_step",
        lab.background_step,
        probe="probe_step",
        inputs=wrong.for_steps,
        mistakes=wrong.STEP_MISTAKES,
        alternative=wrong.step(),
        praise="FineGAN's step is this one, with two more critics.",
        about={
            "the order of the updates": "D_b first, then G, each once.",
            "what it returns": 'Return {"D_b": its loss, "G": its loss}.',
            "the size of the gradients, update by update": "Is zero_grad() at the right places?",
        },
    ),
    Choice(
        "8",
        "predict: a generator whose critic takes birds for background",
        "my_painting",
        "c",
        mistakes=(
            Mistake(
                "a",
                "they are few, but they are real: if a generator never generates such "
                "patches, D_b can tell real from fake",
            ),
            Mistake(
                "b", "D_b sees only 14 pixels at once, so its loss cannot require a whole bird"
            ),
        ),
        alternative="C)",
        praise="A patch critic requires that each patch looks real, and nothing more.",
    ),
    Exploration(
        "9",
        "explore: how large a patch may be",
        "my_layers",
        ((4, 2), (4, 1), (5, 1)),
        mistakes=(
            Mistake(((4, 2), (4, 1)), "at least 18 are wanted"),
            Mistake(BACKGROUND_LAYERS[32], "at least 18 are wanted"),
            Mistake(((4, 2), (4, 1), (4, 1)), "at least 18 are wanted"),
            Mistake(((5, 2), (4, 1), (5, 1)), "pixels of every row unseen"),
            Mistake(((4, 2), (4, 2), (3, 1)), "pixels of every row unseen"),
            Mistake(((6, 2), (4, 2), (3, 1)), "look at your strides"),
            Mistake(((8, 1), (8, 1), (8, 1)), "are free of the box"),
            Mistake(((16, 4), (16, 1)), "larger than the window"),
            Mistake((4, 2), "pairs"),
            Mistake(((0, 1),), "kernels from 1"),
        ),
        alternative=((6, 2), (7, 1)),
        praise=(
            "The patches are large enough for a wave, and small enough for the space beside the "
            "bird."
        ),
        grade=_critic,
        starts=(BACKGROUND_LAYERS[32],),
    ),
    Debug(
        "10",
        "find the mistake: a training step",
        "my_mended_step",
        lab.background_step,
        probe="probe_step",
        broken=lab.faulty_step,
        inputs=wrong.for_steps,
        mistakes=tuple(m for m in wrong.STEP_MISTAKES if m.hint != wrong.G_DETACHED),
        alternative=wrong.step(),
        praise="D_b needs the detached picture, and G needs the picture itself.",
    ),
    Debug(
        "11",
        "find the mistake: which patches are kept",
        "my_mended_weights",
        background_patch_weights,
        broken=lab.late_patch_weights,
        inputs=_geometries,
        mistakes=(
            Mistake(wrong.corner(1, 0), "along x it is right now; y has the same mistake"),
            Mistake(wrong.corner(0, 1), "along y it is right now; x has the same mistake"),
            Mistake(
                wrong.corner(0.5, 0.5),
                "half a field is not enough: the patch's last pixel may touch the box",
            ),
            Mistake(
                wrong.corner(2, 2),
                "you subtract two fields: a patch that ends before the box begins must be kept",
            ),
            Mistake(
                lambda box, geometry: torch.ones(len(box), geometry.cells, geometry.cells),
                "now everything is kept, bird or not",
            ),
            Mistake(
                lambda box, geometry: torch.zeros(len(box), geometry.cells, geometry.cells),
                "now nothing is kept at all",
            ),
            Mistake(
                lambda box, geometry: 1 - background_patch_weights(box, geometry),
                "the weights are inverted: 1 is for the patches that are kept",
            ),
            Mistake(
                lambda box, geometry: background_patch_weights(box, geometry).transpose(1, 2),
                "rows and columns are swapped: rows are y",
            ),
        ),
        alternative=lambda box, geometry: _by_the_formula(box, *geometry),
        praise=(
            "One wrong term, and G would learn that birds are background. Always look at the "
            "kept patches."
        ),
    ),
)
