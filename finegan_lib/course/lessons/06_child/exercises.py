"""The exercises of this lesson, with answers that must be told apart."""

import torch
import torch.nn.functional as F

from .... import losses
from ....codes import Codes, one_hot
from ....losses import finegan_generator_loss, mask_pull_loss
from ....models.finegan import stitch
from ...engine.exercises import Build, Choice, Debug, Exploration, Fill, Mistake
from . import lab, wrong

TERMS = {
    "background": "L_b classifies B alone; which stage generates B?",
    "parent_info": (
        "D_p sees M_p·F_p, with nothing of B behind it; which stage generates these two?"
    ),
    "child": (
        "C = M_c·F_c + (1 − M_c)·P, and P contains B; which of these parts does D_c not see?"
    ),
    "child_info": (
        "D_c's code head sees M_c·F_c, with nothing of P behind it; from which stage does the "
        "child stage get its features?"
    ),
}


def _masks():
    rng = torch.Generator().manual_seed(0)
    soft = [torch.rand(2, 1, 3, 4, generator=rng) for _ in range(2)]
    hard = [torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]]), torch.tensor([[[[0.0, 1.0, 0.0, 1.0]]]])]
    return [tuple(soft), tuple(hard)]


def generator_loss(
    aux, background_logits, child_logits, parent_code_logits, child_code_logits, p_index, c_index
):
    """The sum of the terms of `losses.finegan_generator_loss`, in the paper's form."""
    c = one_hot(c_index, child_code_logits.shape[1])
    codes = Codes(c, c, one_hot(p_index, parent_code_logits.shape[1]), c)
    terms = finegan_generator_loss(
        aux, background_logits, child_logits, parent_code_logits, child_code_logits, codes
    )
    return sum(terms.values())


def _verdicts():
    rng = torch.Generator().manual_seed(1)
    made = []
    for n, cells, parents, children in ((3, 2, 2, 4), (2, 3, 3, 3)):
        sizes = (n, cells, cells), (n, cells, cells), (n,), (n, parents), (n, children)
        logits = [2 * torch.randn(size, generator=rng) for size in sizes]
        made.append((*logits, torch.arange(n) % parents, torch.arange(n).flip(0)))
    return made


def _routes(answer):
    if not isinstance(answer, dict) or set(answer) != set(TERMS):
        return f"answer with a dictionary that has the keys {', '.join(TERMS)}"
    right = lab.stages_reached()
    for term, hint in TERMS.items():
        letters = set("".join(answer[term]).lower()) - set(" ,")
        if not letters <= set("bpc"):
            return f"{term}: use the letters b, p and c only"
        if letters != set(right[term]):
            return f"{term}: not quite. {hint}"
    return None


def _alpha_over(parent_mask, child_mask):
    background = 1 - parent_mask - child_mask + parent_mask * child_mask
    return torch.cat([background, parent_mask - parent_mask * child_mask, child_mask], 1)


EXERCISES = (
    Fill(
        "1",
        "fill in: what each layer supplies",
        "my_shares",
        lab.layer_shares,
        mistakes=(
            Mistake(
                lambda p, c: torch.cat([1 - p, p, c], 1),
                "these are the masks themselves: where the child covers a pixel, neither B "
                "nor F_p is visible",
            ),
            Mistake(
                lambda p, c: torch.cat([(1 - c) * (1 - p), p, c], 1),
                "F_p is visible only where the child does not cover it: multiply M_p by "
                "which factor?",
            ),
            Mistake(
                lambda p, c: torch.cat([(1 - p) * (1 - c), p, (1 - p) * c], 1),
                "the order of the layers: the child lies on top of the parent, not below it",
            ),
            Mistake(
                lambda p, c: lab.layer_shares(p, c).flip(1),
                "right numbers in the wrong order: B first, then F_p, then F_c",
            ),
            Mistake(
                lambda p, c: torch.stack([(1 - c) * (1 - p), (1 - c) * p, c], 1),
                "stack makes a new dimension; cat along dimension 1 gives (N, 3, H, W)",
            ),
            Mistake(
                lambda p, c: torch.cat([1 - p, (1 - c) * p, c], 1),
                "B, too, is visible only where the child does not cover it: (1 − M_c)(1 − M_p)",
            ),
            Mistake(
                lambda p, c: torch.cat([(1 - c) * (1 - p), (1 - c) * p, c * p], 1),
                "the child's share is M_c; it does not depend on the parent's mask",
            ),
            Mistake(
                lambda p, c: lab.layer_shares(c, p),
                "the two masks are swapped: the first argument is the parent's",
            ),
            Mistake(
                lambda p, c: torch.cat([1 - p - c, p, c], 1),
                "they add up to 1, but where both masks are 1, B gets −1 and both F count in full: "
                "put P into the equation and multiply out",
            ),
            Mistake(
                lambda p, c: torch.cat([1 - c, (1 - c) * p, c], 1),
                "the three do not add up to 1: 1 − M_c is the weight of the whole P, and P is only "
                "partly B",
            ),
            Mistake(
                lambda p, c: ((1 - c) * (1 - p), (1 - c) * p, c),
                "these are three tensors; join them with torch.cat(…, 1)",
            ),
            Mistake(
                lambda p, c: torch.cat([(1 - c) * (1 - p), (1 - c) * p, c], 0),
                "cat along dimension 1, the channels; dimension 0 is the batch",
            ),
        ),
        alternative=_alpha_over,
        praise="Three numbers a pixel that add up to 1: C is a mean of three layers.",
        inputs=_masks,
        gradients=True,
    ),
    Fill(
        "2",
        "fill in: the child's mask follows",
        "my_mask_pull",
        mask_pull_loss,
        mistakes=(
            Mistake(
                lambda c, p: (c - p).abs().mean(),
                "this pulls both masks: detach the parent's mask, so that only the child's "
                "mask changes",
            ),
            Mistake(
                lambda c, p: (c.detach() - p).abs().mean(),
                "the other way round: here the parent's mask follows the child's",
            ),
            Mistake(lambda c, p: ((c - p.detach()) ** 2).mean(), "an absolute value, not a square"),
            Mistake(
                lambda c, p: (c - p.detach()).mean(),
                "|·| is missing: without it, too much in one place cancels too little in another",
            ),
            Mistake(lambda c, p: (c - p.detach()).abs().sum(), "E is a mean over all pixels"),
            Mistake(
                lambda c, p: F.relu(c - p.detach()).mean(),
                "a child's mask that is too small must count, too: take |·|, not max(0, ·)",
            ),
            Mistake(
                lambda c, p: (c - p.detach()).mean().abs(),
                "take |·| of every pixel, then the mean: here, too much and too little cancel",
            ),
            Mistake(
                lambda c, p: (c.detach() - p.detach()).abs().mean(),
                "this pulls neither mask: detach only the parent's mask",
            ),
            Mistake(
                lambda c, p: (c - p.detach()).abs(),
                "one number for each pixel; the mean over all of them is missing",
            ),
        ),
        alternative=lambda c, p: F.l1_loss(c, p.detach()),
        praise=(
            "Only the child's mask changes; without sg, the parent's mask would change as much."
        ),
        inputs=_masks,
        gradients=True,
    ),
    Build(
        "3",
        "build: two heads and a stitch",
        "MyLayer",
        lab.Layer,
        probe="probe_layer",
        inputs=wrong.for_layers,
        mistakes=(
            Mistake(
                wrong.layer(paint=torch.sigmoid),
                "pictures go from −1 to 1: the foreground needs tanh",
            ),
            Mistake(
                wrong.layer(opacity=torch.tanh),
                "an opacity lies between 0 and 1: use sigmoid, not tanh",
            ),
            Mistake(wrong.layer(paint=lambda x: x), "the foreground's tanh is missing"),
            Mistake(
                wrong.layer(opacity=lambda x: x.clamp(0, 1)),
                "clamp has no gradient outside of [0, 1]: use sigmoid",
            ),
            Mistake(
                wrong.layer(shift=lambda self, x: x),
                "the bias is not used: it lets masks start small",
            ),
            Mistake(
                wrong.layer(shift=lambda self, x: x - self.bias),
                "the bias is added, not subtracted",
            ),
            Mistake(
                wrong.layer(conv_bias=True), "the heads' convolutions have no bias: bias=False"
            ),
            Mistake(
                wrong.layer(lay=lambda f, m, behind: stitch(behind, m, f)),
                "foreground and what is behind are swapped in stitch",
            ),
            Mistake(
                wrong.layer(lay=lambda f, m, behind: stitch(f, m, behind).image),
                "return the whole stage: foreground, mask, masked foreground and image, as stitch "
                "does",
            ),
            Mistake(
                wrong.layer(mask_channels=3),
                "the mask needs only one channel; broadcasting repeats it over three",
            ),
            Mistake(
                wrong.layer(padding=0),
                "a 3 × 3 convolution without padding makes the picture smaller: padding=1",
            ),
            Mistake(
                wrong.layer(shift=lambda self, x: x, opacity=lambda x: x.sigmoid() - 0.5),
                "the bias is added before the sigmoid, so that the mask stays in [0, 1]",
            ),
            Mistake(
                wrong.layer(lay=lambda f, m, behind: tuple(stitch(f, m, behind))),
                "return what stitch returns: the generator needs its names, such as .image",
            ),
        ),
        alternative=wrong.layer(),
        praise="The same class makes parent and child; only what is behind them differs.",
        about={"the shape of what it returns": "stitch gives the four tensors in their order."},
    ),
    Build(
        "4",
        "build: the whole generator",
        "MyGenerator",
        lab.PartsGenerator,
        probe="probe_generator",
        inputs=wrong.for_generators,
        mistakes=(
            Mistake(
                wrong.generator(behind_child=lambda b, parent: b),
                "the child is laid over B: it belongs on the parent's image P",
            ),
            Mistake(
                wrong.generator(into_child=lambda stem, features: features.detach()),
                "the parent's features are detached: the parent gets no gradient from the "
                "child's features",
            ),
            Mistake(
                wrong.generator(p_twice=False), "p goes in twice: into the stem and into the stage"
            ),
            Mistake(
                wrong.generator(background=lambda codes: codes.c),
                "the background stage reads b, not c: in training they are equal, but later "
                "they differ",
            ),
            Mistake(wrong.generator(child=lambda codes: codes.b), "the child stage reads c, not b"),
            Mistake(
                wrong.generator(behind_parent=torch.zeros_like),
                "the parent is laid over nothing: B is behind it",
            ),
            Mistake(wrong.generator(paint=lambda x: x), "the background's tanh is missing"),
            Mistake(wrong.generator(paint=torch.sigmoid), "pictures go from −1 to 1: B needs tanh"),
            Mistake(wrong.generator(order=(1, 0, 2)), "the order: background, parent, child"),
            Mistake(wrong.generator(order=(0, 2, 1)), "the order: background, parent, child"),
            Mistake(
                wrong.generator(as_stage=lambda b: b),
                "all three are stages, and B is only an image: lab.as_stage(B) makes one of it",
            ),
            Mistake(
                wrong.generator(behind_child=lambda b, parent: parent),
                "what is behind is an image, not a whole stage: take its .image",
            ),
            Mistake(
                wrong.generator(canvas_bias=True),
                "the background's convolution has no bias, like those of the layer",
            ),
            Mistake(
                wrong.generator(child_bias=0.0), "the child's layer gets config.mask_bias, too"
            ),
            Mistake(
                wrong.generator(made=lambda b, p, c: c.image),
                "return FineGANOutput(background, parent, child)",
            ),
            Mistake(
                wrong.generator(made=lambda *stages: stages),
                "return FineGANOutput(background, parent, child), not a plain tuple",
            ),
        ),
        alternative=wrong.generator(),
        praise="Four codes, three stages, and no picture flows upwards.",
        about={"how many weights of each shape": "Which stage has which code, and which width?"},
    ),
    Fill(
        "5",
        "fill in: the generator's whole loss",
        "my_generator_loss",
        generator_loss,
        mistakes=tuple(Mistake(answer, hint) for hint, answer in wrong.LOSS_MISTAKES.items()),
        alternative=lambda a, b, d, p, c, i, j: (
            -10 * F.logsigmoid(b).mean()
            - F.logsigmoid(a).mean()
            - F.logsigmoid(d).mean()
            - p.log_softmax(1).gather(1, i[:, None]).mean()
            - c.log_softmax(1).gather(1, j[:, None]).mean()
        ),
        praise="The generator gets no other information than the gradient of this number.",
        inputs=_verdicts,
        gradients=True,
    ),
    Choice(
        "6",
        "predict: where the weights are",
        "my_stage",
        "a",
        mistakes=(
            Mistake("b", "nearly, but the stem that reads the longer code has more weights"),
            Mistake(
                "c", "the child stage has only a few thin convolutions, and no stem of its own"
            ),
            Mistake("d", "the stems begin with 16·64 channels at 4 × 4; the child stage has none"),
        ),
        alternative="A",
        praise="The child stage has half a per cent: it gets its features from the parent.",
        options="abcd",
    ),
    Build(
        "7",
        "build: FineGAN's training step",
        "my_step",
        lab.step,
        probe="probe_step",
        inputs=wrong.for_steps,
        mistakes=(
            *(
                Mistake(
                    wrong.step(**dict.fromkeys(left_out, lambda image: image)),
                    "the losses of D_b and D_c send a gradient into G: detach B and C for the "
                    "first two updates, and compute new logits for the third",
                )
                for left_out in (("detach_c",), ("detach_b", "detach_c"))
            ),
            Mistake(
                wrong.step(together=False),
                "one descend for both, with a list of optimisers: after the first backward(), the "
                "graph is gone",
            ),
            Mistake(
                wrong.step(of_fake=lambda verdict: verdict),
                "D_b(images) returns two maps, (aux, real/fake); D_p and D_c have a method for "
                "each head",
            ),
            Mistake(
                wrong.step(shown=lambda fake: fake.parent.image),
                "D_c classifies P as real or fake: give it C, the finished image",
            ),
            Mistake(
                wrong.step(seen_c=lambda fake: fake.child.image),
                "D_c's code head gets C: give it the masked foreground alone",
            ),
            Mistake(
                wrong.step(seen_p=lambda fake: fake.parent.image),
                "D_p gets P: give it the masked foreground alone",
            ),
            Mistake(
                wrong.step(last=("G",)),
                "the readers never move: the last update is of G *and* info",
            ),
            Mistake(
                wrong.step(last=("info",)), "G never moves: the last update is of G *and* info"
            ),
            Mistake(
                wrong.step(with_additions=lambda additions: False),
                "the further terms of additions(fake, codes) are missing",
            ),
            Mistake(
                wrong.step(with_additions=lambda additions: True),
                "additions may be None; then there are no further terms",
            ),
            Mistake(
                wrong.step(kept=torch.ones_like),
                "the boxes are not used: birds count as background",
            ),
            Mistake(
                wrong.step(recipe_for=()),
                "pass **recipe on to both of FineGAN's losses; without it they are BCE",
            ),
            Mistake(
                wrong.step(recipe_for=("G",)),
                "pass **recipe on to D_b's loss, too; without it, it is BCE with a weight of 10",
            ),
            Mistake(
                wrong.step(recipe_for=("D_b",)),
                "pass **recipe on to the generator's losses, too; without it they are BCE",
            ),
            Mistake(
                wrong.step(d_loss=lambda r, f: losses.hinge_discriminator_loss(f, r)),
                "d_loss takes the logits of the real crops first, then those of C",
            ),
            Mistake(
                wrong.step(seen_p=lambda fake: fake.parent.foreground),
                "D_p gets F_p without its mask: give it M_p·F_p, masked_foreground",
            ),
            Mistake(
                wrong.step(seen_c=lambda fake: fake.child.foreground),
                "D_c's code head gets F_c without its mask: give it M_c·F_c, masked_foreground",
            ),
            Mistake(
                wrong.step(d_loss=losses.discriminator_loss),
                "D_c's loss is BCE here; losses.adversarial_losses(...)[0] follows the recipe",
            ),
            Mistake(
                wrong.step(real=lambda batch: batch.full_image),
                "D_c compares C with the crops of real birds, batch.child_crop",
            ),
            Mistake(wrong.step(returned=False), "it returns no dictionary of the losses"),
        ),
        alternative=wrong.step(),
        praise="This is the paper's method, all of it.",
        about={
            "who is moved": "Four optimisers: D_b, D_c, and together G and info.",
            "the order of the updates": "D_b, then D_c, then G and info together.",
            "the losses": "The step is tried twice: item 0 is the first time.",
        },
    ),
    Exploration(
        "8",
        "explore: which loss reaches which stage",
        "my_routes",
        {"background": "b", "parent_info": "p", "child": "bpc", "child_info": "pc"},
        mistakes=(
            Mistake(
                {"background": "b", "parent_info": "p", "child": "c", "child_info": "c"},
                "child: not quite",
            ),
            Mistake(
                {"background": "b", "parent_info": "p", "child": "bpc", "child_info": "c"},
                "child_info: not quite",
            ),
            Mistake(
                {"background": "b", "parent_info": "bp", "child": "bpc", "child_info": "bpc"},
                "parent_info: not quite",
            ),
            Mistake(
                {"background": "G_b", "parent_info": "p", "child": "bpc", "child_info": "pc"},
                "use the letters b, p and c only",
            ),
            Mistake({"background": "b"}, "a dictionary that has the keys"),
            Mistake(
                {"background": "c", "parent_info": "p", "child": "bpc", "child_info": "pc"},
                "background: not quite",
            ),
            Mistake(
                {"background": "b", "parent_info": "p", "child": "bp", "child_info": "pc"},
                "child: not quite",
            ),
            Mistake("bpc", "a dictionary that has the keys"),
        ),
        alternative={
            "background": ["b"],
            "parent_info": "P",
            "child": ("c", "b", "p"),
            "child_info": {"p", "c"},
        },
        praise=(
            "A term reaches every stage whose result or features are in what its "
            "discriminator sees."
        ),
        grade=_routes,
        starts=(dict.fromkeys(TERMS, "bpc"),),
    ),
    Choice(
        "9",
        "predict: where the code goes without the tie",
        "my_hiding_place",
        "b",
        mistakes=(
            Mistake("a", "the background stage gets b and z; now neither of them depends on c"),
            Mistake("c", "a random background is noise, but a reader can learn to ignore it"),
        ),
        alternative=" (B)",
        praise="Only the child stage gets c, so only its pixels can contain it.",
    ),
    Debug(
        "10",
        "find the mistake: losses that hardly fall",
        "my_mended_update",
        lab.last_update,
        probe="probe_update",
        broken=lab.faulty_update,
        inputs=lambda: [(torch.tensor([[1.0], [0.5]]),)],
        mistakes=(
            Mistake(wrong.update(step=("info",)), "now the readers move, and G does not"),
            Mistake(wrong.update(step=()), "now neither of the two moves"),
            Mistake(wrong.update(zero=("G",)), "zero_grad() is missing for the readers"),
            Mistake(wrong.update(zero=("info",)), "zero_grad() is missing for G"),
            Mistake(wrong.update(zero=()), "zero_grad() is missing: its gradients add up"),
            Mistake(
                wrong.update_apart,
                "one backward() on the sum, for both: after the first one, the graph is gone",
            ),
            Mistake(wrong.update(step=("G", "info", "info")), "the readers move twice"),
            Mistake(wrong.update(step=("G", "G", "info")), "G moves twice"),
            Mistake(
                wrong.update(late=True), "zero_grad() after backward() deletes the new gradients"
            ),
            Mistake(
                wrong.update(terms=lambda terms: terms["child"]),
                "only one of the terms is left: the loss is their sum",
            ),
            Mistake(
                wrong.update(step=("G", "info", "D_c")),
                "D_c's real/fake has an update of its own; here, only G and info move",
            ),
            Mistake(
                wrong.update(terms=lambda terms: -sum(terms.values())),
                "the loss is minimised: descend it, not its negative",
            ),
        ),
        alternative=wrong.update(step=("info", "G")),
        about={"who moves": "Two optimisers must move: G and info."},
        praise=(
            "A flat curve at log N means that the reader does not learn: 3.0 is log 20. L_p falls "
            "all the same, but slowly, because G alone can lower it."
        ),
    ),
    Debug(
        "11",
        "find the mistake: a layer that has vanished",
        "my_mended_layers",
        lab.lay,
        broken=lab.lay_on_nothing,
        probe="probe_layers",
        inputs=wrong.for_laying,
        mistakes=(
            Mistake(
                wrong.lay(lambda b, p, fp, mp, fc, mc: mc * fc + (1 - mc) * p.detach()),
                "P is detached: B and the parent get no gradient from C",
            ),
            Mistake(
                wrong.lay(lambda b, p, fp, mp, fc, mc: mc * fc + (1 - mc) * fp),
                "the parent's image P is behind the child, not its foreground alone",
            ),
            Mistake(
                wrong.lay(lambda b, p, fp, mp, fc, mc: mc * fc + (1 - mc) * mp * fp),
                "P is behind the child, with its background, not the masked foreground alone",
            ),
            Mistake(
                wrong.lay(lambda b, p, fp, mp, fc, mc: mc * fc + p),
                "P needs the factor (1 − M_c)",
            ),
            Mistake(
                wrong.lay(lambda b, p, fp, mp, fc, mc: mc * p + (1 - mc) * fc),
                "where the child's mask is 1, the child must be visible",
            ),
            Mistake(
                wrong.lay(lambda b, p, fp, mp, fc, mc: mp * fc + (1 - mp) * p),
                "use the child's own mask M_c, not the parent's",
            ),
            Mistake(
                wrong.lay(lambda b, p, fp, mp, fc, mc: mc * fc), "this is the masked child alone"
            ),
            Mistake(wrong.lay(lambda b, p, fp, mp, fc, mc: p), "now the child is missing"),
            Mistake(lambda b, parent, child: lab.lay(b, parent, child)[::-1], "P first, then C"),
        ),
        alternative=lambda b, parent, child: [
            torch.lerp(b, parent[0], parent[1]),
            torch.lerp(torch.lerp(b, parent[0], parent[1]), child[0], child[1]),
        ],
        praise="With a mask near 1 this mistake is invisible, so test with a small mask, too.",
    ),
)
