"""The exercises of this lesson, with answers that must be told apart."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from ....data import ToyBirds
from ....losses import (
    background_discriminator_loss,
    background_generator_loss,
    background_patch_weights,
)
from ....models.blocks import PatchGeometry, UpBlock
from ....models.finegan import BACKGROUND_LAYERS, BackgroundDiscriminator, Stem
from ...engine.exercises import Build, Choice, Debug, Exploration, Fill, Mistake
from ..shared_lab import descend
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
    field, stride, cells = PatchGeometry.of(layers, 32)
    if field < 18:
        return f"its patches are {field} pixels wide: at least 18 are wanted"
    if (rest := 32 - field - (cells - 1) * stride) > 0:
        return f"its patches leave {rest} pixels of every row unseen"
    if cells < 8:
        return f"it has {cells} × {cells} patches, and 8 × 8 are wanted: where is the stride spent?"
    birds = ToyBirds(600, image_size=32, seed=7, progress=False)
    (share,) = lab.free_shares(birds, [layers])
    if share < 0.5:
        return f"only {share:.0%} of its patches of {field} pixels are free of the box"
    return None


# ------------------------------------------------------------------------------------- networks


class _Stem(nn.Module):
    """The library's stem, written differently; its parts are changed for the mistakes."""

    bias, norm, tail = False, True, None

    def __init__(self, code_dim, z_dim, image_size, width):
        super().__init__()
        widths = lab.stem_widths(image_size, width)
        self.ups = nn.ModuleList(UpBlock(a, b) for a, b in pairwise(widths))
        self.start = nn.Linear(code_dim + z_dim, 32 * widths[0], bias=self.bias)
        if self.norm:
            self.batch = nn.BatchNorm1d(32 * widths[0])

    def gate(self, x):
        value, gate = x.chunk(2, 1)
        return value * gate.sigmoid()

    def together(self, code, z):
        return torch.cat([code, z], 1)

    def unfold(self, x):
        return x.unflatten(1, (-1, 4, 4))

    def forward(self, code, z):
        x = self.start(self.together(code, z))
        x = self.unfold(self.gate(self.batch(x) if self.norm else x))
        for up in self.ups:
            x = up(x)
        return self.tail(x) if self.tail else x


def _stem(**changes):
    return type("Stem", (_Stem,), changes)


class _Shallow(_Stem):
    def __init__(self, code_dim, z_dim, image_size, width):
        super().__init__(code_dim, z_dim, image_size, width)
        self.ups = self.ups[:-1]


class _Critic(nn.Module):
    """The library's patch critic at 32 pixels, written differently."""

    padding, slope, bias, norm, heads = 0, 0.2, False, None, 2
    finish = staticmethod(lambda logits: logits[:, 0])
    activation = nn.LeakyReLU

    def __init__(self, config):
        super().__init__()
        d, layers, channels = config.d_dim, [], 3
        *trunk, (kernel, _) = BACKGROUND_LAYERS[config.image_size]
        for i, (k, stride) in enumerate(trunk):
            width = d * 2**i
            layers.append(nn.Conv2d(channels, width, k, stride, self.padding, bias=self.bias))
            if self.norm:
                layers.append(self.norm(width))
            if self.activation:
                layers.append(self.activation(*((self.slope,) if self.slope else ())))
            channels = width
        self.body = nn.Sequential(*layers)
        self.tops = nn.ModuleList(nn.Conv2d(channels, 1, kernel) for _ in range(self.heads))

    def forward(self, images):
        x = self.body(images)
        aux, logits = self.finish(self.tops[0](x)), self.finish(self.tops[-1](x))
        return aux, logits


def _critic_with(**changes):
    return type("Critic", (_Critic,), changes)


class _OneCritic(_Critic):
    heads = 1

    def forward(self, images):
        return super().forward(images)[0]


def _networks():
    random = torch.Generator().manual_seed(0)
    code = F.one_hot(torch.arange(6) % 3, 3).float()
    return [(code, torch.randn(6, 5, generator=random), 32, 2)]


def _images():
    return [(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1,)]


# ------------------------------------------------------------------------------------- steps


def _batch():
    random = torch.Generator().manual_seed(0)
    real = torch.rand(4, 3, 32, 32, generator=random) * 2 - 1
    box = torch.tensor([[4.0, 6.0, 20.0, 20.0]]).expand(4, 4)
    weights = background_patch_weights(box, BackgroundDiscriminator(lab.PROBE).geometry)
    b = F.one_hot(torch.arange(4) % 3, 3).float()
    return [(real, weights, b, torch.randn(4, 4, generator=random))]


def _step(
    *,
    fake_for_d=lambda fake: fake.detach(),
    fake_for_g=lambda fake: fake,
    kept=lambda w: w,
    forget=(),
    leave_out=(),
    swap=False,
    recipe=None,
    with_aux=True,
    first="D_b",
):
    """A training step with something changed."""

    def step(stage, critic, move, real, weights, b, z, **given):
        given = given if recipe is None else recipe
        fake, made = stage(b, z), {}

        def update(name, loss):
            made[name] = loss
            if name not in forget:
                move[name].zero_grad()
            loss.backward()
            if name not in leave_out:
                move[{"G": "D_b", "D_b": "G"}[name] if swap else name].step()

        def d_turn():
            real_aux, real_logits = critic(real)
            logits = critic(fake_for_d(fake))[1]
            parts = real_aux, real_logits, logits, kept(weights)
            update("D_b", background_discriminator_loss(*parts, **given))

        def g_turn():
            aux, logits = critic(fake_for_g(fake))
            if not with_aux:
                update("G", -logits.mean())
            else:
                update("G", background_generator_loss(aux, logits, **given))

        for turn in (d_turn, g_turn) if first == "D_b" else (g_turn, d_turn):
            turn()
        return {"D_b": made["D_b"], "G": made["G"]}

    return step


def _stale_step(stage, critic, move, real, weights, b, z, **recipe):
    fake = stage(b, z)
    real_aux, real_logits = critic(real)
    _, for_d = critic(fake.detach())
    aux, logits = critic(fake)  # judged by the critic as it was before its update
    loss_d = background_discriminator_loss(real_aux, real_logits, for_d, weights, **recipe)
    descend(move["D_b"], loss_d)
    loss_g = background_generator_loss(aux, logits, **recipe)
    descend(move["G"], loss_g)
    return {"D_b": loss_d, "G": loss_g}


def _silent_step(*arguments, **recipe):
    lab.background_step(*arguments, **recipe)


UNDETACHED = (
    "D_b's loss went back into G as well: give D_b the picture alone, fake.detach(), "
    "and keep fake itself for G"
)
DEAF = "G's update has nothing to learn from: what critic(...) is given there was detached"
STEP_MISTAKES = (
    Mistake(_step(fake_for_d=lambda fake: fake), UNDETACHED),
    Mistake(_step(fake_for_g=lambda fake: fake.detach()), DEAF),
    Mistake(
        _step(forget=("D_b", "G")),
        "zero_grad() is missing: each update also follows all gradients of the steps before",
    ),
    Mistake(
        _step(forget=("D_b",)),
        "zero_grad() is missing before D_b's update: G's backward() has left gradients in D_b",
    ),
    Mistake(
        _step(forget=("G",)), "zero_grad() is missing before G's update: its gradients pile up"
    ),
    Mistake(
        _step(kept=torch.ones_like), "the patch weights are not used: birds count as background"
    ),
    Mistake(
        _step(leave_out=("G",)), "G never moves: move['G'].step() is missing after its backward()"
    ),
    Mistake(_step(leave_out=("D_b",)), "D_b never moves: move['D_b'].step() is missing"),
    Mistake(_step(swap=True), "the optimisers are swapped: each loss moves the other network"),
    Mistake(_step(recipe={}), "pass **recipe on to both losses: without it they are the paper's"),
    Mistake(_step(with_aux=False), "G's loss lacks aux: background_generator_loss takes both"),
    Mistake(_step(first="G"), "D_b moves first, then G asks the critic anew"),
    Mistake(
        _stale_step,
        "ask the critic about fake anew, after its update: its weights have changed",
    ),
    Mistake(_silent_step, "it returns no dictionary with both losses"),
)


# ------------------------------------------------------------------------------------- patches


def _by_geometry(weights):
    return lambda box, field, stride, cells: weights(box, PatchGeometry(field, stride, cells))


def _corner(dx, dy):
    """Patch weights whose first forbidden cell is off along x or y."""

    def weights(box, geometry):
        field, stride, cells = geometry
        shift = torch.tensor([dx, dy]) * field
        first = ((box[:, :2] - shift) / stride).ceil().clamp(min=0)
        last = (box[:, 2:] / stride).floor().clamp(max=cells - 1)
        empty = (box[:, :2] >= box[:, 2:]).any(1)
        cell = torch.arange(cells)
        inside = (cell >= first[..., None]) & (cell <= last[..., None])
        covered = inside[:, 1, :, None] & inside[:, 0, None, :] & ~empty[:, None, None]
        return 1 - covered.float()

    return weights


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
            Mistake(
                lambda layers: lab.receptive_field(layers[::-1]),
                "the layers are gone through from the top: start at the picture",
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
            Mistake(
                _by_geometry(lab.late_patch_weights),
                "a patch that starts before the box may reach into it: where is the field?",
            ),
            Mistake(
                lambda *a: 0.5 + _patch_weights(*a) / 2,
                "a forbidden patch counts for nothing: its weight is 0",
            ),
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
    Build(
        "5",
        "build: the stem",
        "MyStem",
        Stem,
        probe="probe_stem",
        inputs=_networks,
        mistakes=(
            Mistake(
                _stem(bias=True),
                "the linear layer has a bias, which the BatchNorm behind it takes away again: "
                "bias=False",
            ),
            Mistake(_stem(norm=False), "the BatchNorm between the linear layer and the gate"),
            Mistake(
                _stem(together=lambda self, code, z: torch.cat([z, code], 1)),
                "the code comes first, then z: torch.cat([code, z], 1)",
            ),
            Mistake(
                _stem(gate=lambda self, x: x.chunk(2, 1)[1] * x.chunk(2, 1)[0].sigmoid()),
                "the gate is the second half: first half × sigmoid(second half)",
            ),
            Mistake(
                _stem(gate=lambda self, x: x.chunk(2, 1)[0].relu()),
                "a GLU, not a ReLU: half of the numbers are the gate of the other half",
            ),
            Mistake(
                _stem(gate=lambda self, x: x.chunk(2, 1)[0] * x.chunk(2, 1)[1]),
                "the gate lacks its sigmoid",
            ),
            Mistake(
                _stem(unfold=lambda self, x: x.unflatten(1, (4, 4, -1)).permute(0, 3, 1, 2)),
                "channels come first: view(-1, widths[0], 4, 4)",
            ),
            Mistake(_stem(tail=torch.tanh), "no tanh here: a stem gives features, the head paints"),
            Mistake(_Shallow, "up-blocks are missing: one for each pair in pairwise(widths)"),
            Mistake(
                lambda *sizes: _Stem(*sizes).forward, "return a module: class MyStem(nn.Module)"
            ),
        ),
        alternative=_Stem,
        praise="The foreground has the same stem, with p in the place of b.",
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
        inputs=_images,
        mistakes=(
            Mistake(
                _critic_with(padding=1),
                "no padding: cells at the border would see pixels that are not there",
            ),
            Mistake(
                _critic_with(bias=True), "the convolutions of the trunk have no bias: bias=False"
            ),
            Mistake(_critic_with(norm=nn.BatchNorm2d), "D_b has no normalisation"),
            Mistake(_critic_with(activation=nn.ReLU, slope=None), "LeakyReLU(0.2), not ReLU"),
            Mistake(_critic_with(slope=0.01), "the slope of its LeakyReLU is 0.2, not torch's own"),
            Mistake(
                _critic_with(activation=None),
                "the activations are missing: two convolutions in a row are one convolution",
            ),
            Mistake(
                _critic_with(heads=1),
                "both verdicts come from one head: aux and real/fake have weights of their own",
            ),
            Mistake(
                _critic_with(finish=staticmethod(lambda logits: logits)),
                "take the one channel away: (N, 1, cells, cells) → (N, cells, cells)",
            ),
            Mistake(
                _critic_with(finish=staticmethod(lambda logits: logits[:, 0].sigmoid())),
                "it returns logits: the losses have the sigmoid inside",
            ),
            Mistake(
                _critic_with(finish=staticmethod(lambda logits: logits.mean((1, 2, 3)))),
                "a verdict for every patch, not one for the whole picture",
            ),
            Mistake(_OneCritic, "it returns one verdict: (aux, real/fake) are wanted"),
        ),
        alternative=_Critic,
        praise="Without padding and normalisation a cell sees its patch and nothing else.",
    ),
    Build(
        "7",
        "build: one training step",
        "my_background_step",
        lab.background_step,
        probe="probe_step",
        inputs=_batch,
        mistakes=STEP_MISTAKES,
        alternative=_step(),
        praise="FineGAN's step is this one, with two more critics.",
        about={
            "the order of the updates": "D_b first, then G, each once.",
            "what it returns": 'Return {"D_b": its loss, "G": its loss}.',
            "the size of the gradients, update by update": "Is zero_grad() where it must be?",
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
            Mistake(((6, 2), (4, 2), (3, 1)), "where is the stride spent"),
            Mistake(((8, 1), (8, 1), (8, 1)), "are free of the box"),
            Mistake(((16, 4), (16, 1)), "larger than the window"),
            Mistake((4, 2), "pairs"),
            Mistake(((0, 1),), "kernels from 1"),
        ),
        alternative=((6, 2), (7, 1)),
        praise="Large enough for a wave, small enough to find room beside the bird.",
        judge=_critic,
    ),
    Debug(
        "10",
        "find the mistake: a training step",
        "my_mended_step",
        lab.background_step,
        probe="probe_step",
        broken=lab.deaf_step,
        inputs=_batch,
        mistakes=tuple(m for m in STEP_MISTAKES if m.hint != DEAF),
        alternative=_step(),
        praise="A detached picture is right for one of the two players only.",
    ),
    Debug(
        "11",
        "find the mistake: which patches are kept",
        "my_mended_weights",
        background_patch_weights,
        broken=lab.late_patch_weights,
        inputs=_geometries,
        mistakes=(
            Mistake(_corner(1, 0), "along x it is right now; y has the same mistake"),
            Mistake(_corner(0, 1), "along y it is right now; x has the same mistake"),
            Mistake(
                _corner(0.5, 0.5),
                "half a field is not enough: the patch's last pixel may touch the box",
            ),
            Mistake(
                _corner(2, 2), "two fields: a patch that ends before the box begins is innocent"
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
                "upside down: 1 is for the patches that are kept",
            ),
            Mistake(
                lambda box, geometry: background_patch_weights(box, geometry).transpose(1, 2),
                "rows and columns are swapped: rows are y",
            ),
        ),
        alternative=lambda box, geometry: _by_the_formula(box, *geometry),
        praise="One letter, and birds are taught as background: look at the kept patches.",
    ),
)
