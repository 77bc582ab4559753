"""Right and wrong networks, steps and losses as students write them, for the tests."""

import torch
import torch.nn.functional as F
from torch import nn

from .... import losses
from ....codes import one_hot
from ....losses import finegan_generator_loss, information_loss
from ....models.finegan import FineGANOutput, stitch
from ....systems import descend
from . import lab

# ------------------------------------------------------------------------------------- networks


class OtherLayer(nn.Module):
    """The library's layer, written differently; its parts are changed for the mistakes."""

    paint, opacity, lay = map(staticmethod, (torch.tanh, torch.sigmoid, stitch))
    conv_bias, mask_channels, padding = False, 1, 1

    def __init__(self, channels, bias):
        super().__init__()
        more = {"padding": self.padding, "bias": self.conv_bias}
        self.m = nn.Conv2d(channels, self.mask_channels, 3, **more)
        self.f = nn.Conv2d(channels, 3, 3, **more)
        self.bias = bias

    def shift(self, x):
        return x + self.bias

    def forward(self, features, behind):
        mask = self.opacity(self.shift(self.m(features)))
        return self.lay(self.paint(self.f(features)), mask, behind)


def changed(parent, changes):
    """A class with other attributes; functions of one or several tensors are no methods."""
    own = ("shift",)
    made = {k: v if k in own or not callable(v) else staticmethod(v) for k, v in changes.items()}
    return type(parent.__name__, (parent,), made)


def layer(**changes):
    return changed(OtherLayer, changes)


class OtherGenerator(nn.Module):
    """The library's generator of parts, written differently."""

    background = staticmethod(lambda codes: codes.b)
    child = staticmethod(lambda codes: codes.c)
    behind_parent = staticmethod(lambda b: b)
    behind_child = staticmethod(lambda b, parent: parent.image)
    into_child = staticmethod(lambda stem, features: features)
    paint, as_stage = map(staticmethod, (torch.tanh, lab.as_stage))
    made = staticmethod(FineGANOutput)
    p_twice, order, canvas_bias, child_bias = True, (0, 1, 2), False, None

    def __init__(self, config, stem, code_stage, layer):
        super().__init__()
        g, blocks, (wide, narrow) = config.g_dim, config.residual_blocks, lab.head_widths(config)
        stems = [
            stem(n, config.z_dim, config.image_size, g)
            for n in (config.n_children, config.n_parents)
        ]
        self.stems = nn.ModuleList(stems)
        self.canvas = nn.Conv2d(g, 3, 3, padding=1, bias=self.canvas_bias)
        self.joins = nn.ModuleList(
            [
                code_stage(config.n_parents, g, wide, blocks),
                code_stage(config.n_children, wide, narrow, blocks),
            ]
        )
        below = config.mask_bias if self.child_bias is None else self.child_bias
        self.layers = nn.ModuleList([layer(wide, config.mask_bias), layer(narrow, below)])

    def forward(self, codes):
        b = self.paint(self.canvas(self.stems[0](self.background(codes), codes.z)))
        stem = self.stems[1](codes.p, codes.z)
        again = codes.p if self.p_twice else torch.zeros_like(codes.p)
        features = self.joins[0](again, stem)
        parent = self.layers[0](features, self.behind_parent(b))
        deeper = self.joins[1](self.child(codes), self.into_child(stem, features))
        child = self.layers[1](deeper, self.behind_child(b, parent))
        stages = self.as_stage(b), parent, child
        return self.made(*(stages[i] for i in self.order))


def generator(**changes):
    return changed(OtherGenerator, changes)


def for_layers():
    rng = torch.Generator().manual_seed(0)
    return [
        (
            torch.randn(2, 4, 5, 6, generator=rng),
            torch.rand(2, 3, 5, 6, generator=rng) * 2 - 1,
        )
    ]


def for_generators():
    rng = torch.Generator().manual_seed(0)
    z, c = torch.randn(4, 4, generator=rng), torch.arange(4)
    b, p = one_hot((c + 1) % 4, 4), one_hot(c % 2, 2)  # all different, so that none can be mixed up
    return [(z, b, p, one_hot(c, 4))]


# ------------------------------------------------------------------------------------- steps


def for_steps():
    rng = torch.Generator().manual_seed(0)
    images, full = torch.rand(2, 4, 3, 32, 32, generator=rng) * 2 - 1
    return [(images, full, torch.tensor([[4.0, 6.0, 20.0, 20.0]]).expand(4, 4).contiguous())]


def step(
    *,
    detach_b=lambda image: image.detach(),
    detach_c=lambda image: image.detach(),
    shown=lambda fake: fake.child.image,
    seen_p=lambda fake: fake.parent.masked_foreground,
    seen_c=lambda fake: fake.child.masked_foreground,
    kept=lambda weights: weights,
    real=lambda batch: batch.child_crop,
    of_fake=lambda verdict: verdict[1],
    last=("G", "info"),
    together=True,
    with_additions=lambda additions: additions is not None,
    recipe_for=("D_b", "G"),
    d_loss=losses.hinge_discriminator_loss,
    returned=True,
):
    """FineGAN's step with something changed."""

    def step(generator, critics, move, batch, codes, additions=None, **given):
        recipe = {name: given if name in recipe_for else {} for name in ("D_b", "G")}
        d_b, d_p, d_c = critics
        fake = generator(codes)
        weights = kept(losses.background_patch_weights(batch.box, d_b.geometry))
        verdicts = *d_b(batch.full_image), of_fake(d_b(detach_b(fake.background.image)))
        made = {"D_b": losses.background_discriminator_loss(*verdicts, weights, **recipe["D_b"])}
        descend(move["D_b"], made["D_b"])
        pair = real(batch), detach_c(shown(fake))
        made["D_c"] = d_loss(*map(d_c.real_fake_logits, pair))
        descend(move["D_c"], made["D_c"])
        terms = finegan_generator_loss(
            *d_b(fake.background.image),
            d_c.real_fake_logits(shown(fake)),
            d_p.code_logits(seen_p(fake)),
            d_c.code_logits(seen_c(fake)),
            codes,
            **recipe["G"],
        )
        if with_additions(additions):
            terms |= additions(fake, codes)
        for names in [last] if together else [(name,) for name in last]:
            descend([move[name] for name in names], sum(terms.values()))
        return made | terms if returned else None

    return step


def update(*, zero=("G", "info"), step=("G", "info"), late=False, terms=None):
    """The last update with something changed."""

    def update(given, move):
        loss = terms(given) if terms else sum(given[name] for name in sorted(given))
        if late:
            loss.backward()
        for name in zero:
            move[name].zero_grad()
        if not late:
            loss.backward()
        for name in step:
            move[name].step()

    return update


def update_apart(given, move):
    """The last update in two descents, each on the terms that its optimiser seems to need."""
    descend(move["info"], given["parent_info"] + given["child_info"])
    descend(move["G"], sum(given.values()))


def for_laying():
    rng = torch.Generator().manual_seed(0)
    b, fp, fc = torch.rand(3, 2, 3, 4, 4, generator=rng) * 2 - 1
    mp, mc = torch.rand(2, 2, 1, 4, 4, generator=rng)
    return [(b, fp, mp, fc, mc)]


def lay(child):
    """P as it is, and C by a function of (B, P, F_p, M_p, F_c, M_c)."""

    def answer(b, parent, own):
        p = lab.lay(b, parent, own)[0]
        return [p, child(b, p, *parent, *own)]

    return answer


# ------------------------------------------------------------------------------------- losses


def total(
    bg=10.0,
    aux=1.0,
    adv=1.0,
    p=1.0,
    c=1.0,
    *,
    yes=lambda s: F.softplus(-s),
    mean=torch.mean,
    turned=(),
    minimax=(),
    read=lambda logits: logits,
):
    """The generator's loss with other weights, or with signs turned inside of some softplus."""

    def loss(a, b, d, parent, child, i, j):
        def wants_yes(name, logits):
            if name in minimax:
                return -mean(F.softplus(logits))
            return mean(yes(-logits if name in turned else logits))

        return (
            bg * wants_yes("bg", b)
            + aux * wants_yes("aux", a)
            + adv * wants_yes("adv", d)
            + p * information_loss(read(parent), i)
            + c * information_loss(read(child), j)
        )

    return loss


def readers_swapped(a, b, d, parent, child, i, j):
    """The whole loss with the verdicts of the two readers of codes in each other's place."""
    return total()(a, b, d, child, parent, i, j)


def without_means(a, b, d, parent, child, i, j):
    """The whole loss without the means over patches and batch."""
    information = information_loss(parent, i) + information_loss(child, j)
    return 10 * F.softplus(-b) + F.softplus(-a) + F.softplus(-d) + information


LOSS_MISTAKES = {
    "in the paper, D_b's real/fake term counts ten times": total(bg=1),
    "the 10 belongs to D_b's real/fake term alone, not to aux": total(aux=10),
    "aux and background_logits are swapped: the 10 belongs to real/fake": total(bg=1, aux=10),
    "the 10 belongs to L_bg_adv, not to L_c_adv": total(bg=1, adv=10),
    "only D_b's real/fake term counts ten times": total(10, 10, 10, 10, 10),
    "L_bg_adv is missing: D_b's real/fake logits on B": total(bg=0),
    "L_bg_aux is missing: every patch of B must count as background": total(aux=0),
    "L_c_adv is missing: D_c's logits on the finished image": total(adv=0),
    "L_p is missing: the information about p": total(p=0),
    "L_c_info is missing: the information about c": total(c=0),
    "both information terms are missing": total(p=0, c=0),
    (
        "p and c are swapped: each reader's logits belong to the index of its own code"
    ): readers_swapped,
    "L_bg_adv counts twice: its factor is 10, not 20": total(bg=20),
    "L_bg_aux counts twice": total(aux=2),
    "L_p counts twice": total(p=2),
    "L_c_info counts twice": total(c=2),
    "L_c_adv counts twice": total(adv=2),
    "L_c_adv: this is the minimax loss log(1 − D); use −log D, as in lesson {{gan}}": total(
        minimax=("adv",)
    ),
    (
        "L_bg_adv and L_c_adv: this is the minimax loss log(1 − D); use −log D, as in lesson "
        "{{gan}}"
    ): total(minimax=("bg", "adv")),
    "the 10 belongs to L_bg_adv alone, not to L_c_adv, too": total(adv=10),
    "the sign of the whole loss is wrong: each term is −log of a probability": total(
        -10, -1, -1, -1, -1
    ),
    "a logit is no probability: take log σ(logit), for which there is F.logsigmoid": total(
        yes=lambda s: -torch.log(s)
    ),
    "the logarithms are missing: −log σ(s), not −σ(s)": total(yes=lambda s: -torch.sigmoid(s)),
    "the softmax is taken twice: information_loss and F.cross_entropy want logits": total(
        read=lambda logits: logits.softmax(1)
    ),
    "over the patches, too, E is a mean, not a sum": total(
        mean=lambda s: s.reshape(len(s), -1).sum(1).mean()
    ),
    "each term is a mean: over patches and batch for D_b, over the batch for D_c": without_means,
    "the sign of both information terms is wrong: cross-entropy is −E[log Q] already": total(
        p=-1, c=-1
    ),
    "the sign of L_p is wrong: cross-entropy is −E[log Q] already": total(p=-1),
    "the sign of L_c_info is wrong: cross-entropy is −E[log Q] already": total(c=-1),
    "three signs are wrong, so G learns to look fake: −log σ(s) is softplus(−s)": total(
        turned=("bg", "aux", "adv")
    ),
    "the sign in L_bg_adv is wrong, so it rewards fake patches: −log σ(s) is softplus(−s)": total(
        turned=("bg",)
    ),
    "the sign in L_bg_aux is wrong, so it rewards birds: −log σ(s) is softplus(−s)": total(
        turned=("aux",)
    ),
    "the sign in L_c_adv is wrong, so it rewards fake birds: −log σ(s) is softplus(−s)": total(
        turned=("adv",)
    ),
    "E is a mean over patches and batch, not a sum": total(mean=torch.sum),
}
