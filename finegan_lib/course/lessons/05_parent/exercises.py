"""The exercises of this lesson, with right answers and typical mistakes."""

from functools import cache

import torch
import torch.nn.functional as F

from ....losses import information_loss, mask_area_loss
from ....models.finegan import CodeStage, stitch
from ....systems import Recipe
from ...engine.exercises import Build, Choice, Debug, Exploration, Fill, Mistake
from . import lab, wrong

LIMITS = {"mask_area": 20, "mask_binary": 10, "silhouette": 1, "code_noise": 1, "mask_largest": 0.5}


def _layers():
    rng = torch.Generator().manual_seed(0)
    foreground, behind = torch.rand(2, 3, 3, 4, 5, generator=rng) * 2 - 1
    return [(foreground, torch.rand(3, 1, 4, 5, generator=rng), behind)]


def _image(foreground, mask, behind):
    return stitch(foreground, mask, behind).image


def _logits_and_codes():
    rng = torch.Generator().manual_seed(0)
    return [
        (3 * torch.randn(6, k, generator=rng), F.one_hot(torch.arange(6) % k, k)) for k in (5, 3)
    ] + [(torch.tensor([[300.0, 0.0], [-200.0, 50.0]]), F.one_hot(torch.tensor([1, 1])))]


def _parent_loss(logits, p):
    return information_loss(logits, p.argmax(1))


def _masks():
    rng = torch.Generator().manual_seed(0)
    size = torch.tensor([0.1, 0.5, 0.9, 1.6, 1.99]).view(5, 1, 1, 1)  # areas from 0.05 to 1
    mask = (torch.rand(5, 1, 6, 4, generator=rng) * size).clamp(max=1)
    return [(mask, 0.1, 0.5), (mask[:2], 0.3, 0.4)]


@cache
def _orderly(values: tuple):
    run = lab.train_parent(Recipe(**dict(values)), steps=200, seed=1)
    hierarchy, z_dim = run.generator.config.hierarchy(), run.generator.config.z_dim
    codes = hierarchy.sample(400, z_dim, tied=False, rng=torch.Generator().manual_seed(1))
    stage = run.generate(codes)
    area, crisp = stage.mask.mean((1, 2, 3)), lab.crispness(stage.mask)
    read = (run.read(stage, mask_only=True) == codes.p_index).float().mean().item()
    if area.min() < 0.05 or area.max() > 0.35:
        return f"the areas of the masks go from {area.min():.0%} to {area.max():.0%}"
    if crisp < 0.5:
        return f"the masks are grey: their crispness is {crisp:.2f}, and 0.5 is wanted"
    if read < 0.9:
        return f"only {read:.0%} of the codes can be read from the mask alone"
    return None


def _recipe(values):
    if not isinstance(values, dict) or set(values) - set(LIMITS):
        return f"answer with a dictionary that has only the keys {', '.join(LIMITS)}"
    for key, value in values.items():
        if not 0 <= float(value) <= LIMITS[key]:
            return f"{key} must lie between 0 and {LIMITS[key]}"
    if values.get("mask_largest", 0.5) < 0.1:
        return "mask_largest must be at least 0.1, the smallest area that mask_area allows"
    return _orderly(tuple(sorted((key, float(value)) for key, value in values.items())))


EXERCISES = (
    Fill(
        "1",
        "fill in: stitching",
        "my_stitch",
        _image,
        mistakes=(
            Mistake(
                lambda f, m, b: _image(b, m, f),
                "the mask is inverted: where it is 1, P must show the foreground",
            ),
            Mistake(
                lambda f, m, b: m * f + b,
                "the background is visible where the foreground should cover it: it needs (1 − M)",
            ),
            Mistake(
                lambda f, m, b: m * f,
                "this is the masked foreground, which D_p sees; P has a background, too",
            ),
            Mistake(
                lambda f, m, b: torch.where(m > 0.5, f, b),
                "a hard mask has no gradient, so it could never learn: use the mask as a weight",
            ),
            Mistake(
                lambda f, m, b: stitch(f, m, b),
                "this is the library's whole result, four tensors: take its .image",
            ),
            Mistake(
                lambda f, m, b: m * f + (1 - m) * b * m,
                "you mask the background twice: it needs only (1 − M)",
            ),
            Mistake(
                lambda f, m, b: m.detach() * f + (1 - m.detach()) * b,
                "the values agree, but the mask is detached: no gradient reaches it",
            ),
            Mistake(
                lambda f, m, b: (f + b) / 2,
                "this is a mean of both pictures for every mask: use the mask",
            ),
            Mistake(
                lambda f, m, b: (m * f + (1 - m) * b).clamp(0, 1),
                "do not clamp: a mean of two pictures stays between them, and black is −1 here",
            ),
        ),
        alternative=lambda f, m, b: torch.lerp(b, f, m),
        praise="The model adds every layer with this one line.",
        inputs=_layers,
        gradients=True,
    ),
    Build(
        "2",
        "build: the stage that joins a code",
        "MyCodeStage",
        CodeStage,
        probe="probe_stage",
        inputs=wrong.for_stages,
        mistakes=(
            Mistake(wrong.stage(bias=True), "no bias in front of a BatchNorm: bias=False"),
            Mistake(wrong.stage(norm=False), "the BatchNorm between the convolution and the gate"),
            Mistake(
                wrong.stage(together=wrong.swapped),
                "the code comes first, then the features: torch.cat([repeated, features], 1)",
            ),
            Mistake(
                wrong.stage(
                    together=wrong.added, joined_channels=lambda self, code, channels: channels
                ),
                "you add the code to the features: *join* it to them, as separate channels",
            ),
            Mistake(
                wrong.stage(together=wrong.without_code), "the code does not change the result"
            ),
            Mistake(
                wrong.stage(together=wrong.one_pixel),
                "the code is (N, code_dim, 1, 1): repeat it at every pixel, with "
                ".expand(-1, -1, height, width)",
            ),
            Mistake(
                wrong.stage(one_block=True),
                "there is only one residual block: `residual_blocks` says how many",
            ),
            Mistake(
                wrong.stage(together=wrong.in_a_corner),
                "the code is at one pixel only: repeat it at every pixel",
            ),
            Mistake(wrong.stage(gate=lambda self, x: x.chunk(2, 1)[0].relu()), "a GLU, not a ReLU"),
            Mistake(
                wrong.stage(refine=lambda self, x: x),
                "you make the residual blocks but never use them",
            ),
            Mistake(
                wrong.stage(refine=wrong.without_shortcut),
                "x + f(x): the x of the residual blocks is missing",
            ),
            Mistake(wrong.stage(kernel=1), "a 3 × 3 convolution joins them, with padding 1"),
            Mistake(
                wrong.stage(finish=lambda self, x: torch.tanh(self.last(x))),
                "no tanh here: a stage makes features, and its heads turn them into pictures",
            ),
        ),
        alternative=wrong.OtherStage,
        praise="The child stage is the same class again, with c in place of p.",
        about={
            "what it returns in evaluation mode": "nn.BatchNorm2d keeps running statistics for it.",
            "what it is": "Make it a class that inherits from nn.Module.",
        },
    ),
    Choice(
        "3",
        "predict: a reader that sees the background",
        "my_suspicion",
        "b",
        mistakes=(
            Mistake(
                "a",
                "it was trained to name p, but in training b always gave the same answer, and b "
                "is easier to see",
            ),
            Mistake(
                "c",
                "it knows all parts of the new pictures: what does it read, the background or "
                "the foreground?",
            ),
        ),
        alternative="(b)",
        praise=(
            "The code goes to the place where it is easiest to read, unless the loss cannot see "
            "this place."
        ),
    ),
    Fill(
        "4",
        "fill in: the parent's loss",
        "my_parent_loss",
        _parent_loss,
        mistakes=(
            Mistake(
                lambda s, p: -_parent_loss(s, p),
                "your sign is wrong: log D_p must become large, and an optimiser minimises a loss",
            ),
            Mistake(
                lambda s, p: -(p * s.log_softmax(1)).mean(),
                "the mean runs over the batch only; over k it is a sum, and only one of its "
                "terms is not 0",
            ),
            Mistake(
                lambda s, p: -(p * s.log_softmax(0)).sum(1).mean(),
                "the softmax runs over the codes, dimension 1, not over the batch",
            ),
            Mistake(
                lambda s, p: F.cross_entropy(s, p),
                "F.cross_entropy takes integers for indices, (N,): write p.float() or p.argmax(1)",
            ),
            Mistake(
                lambda s, p: -(p * s.log()).sum(1).mean(),
                "logits are not probabilities, and some are negative: take log_softmax(1)",
            ),
            Mistake(
                lambda s, p: -(p * s).sum(1).mean(),
                "logits are not log-probabilities: without softmax, all logits could just grow",
            ),
            Mistake(
                lambda s, p: F.binary_cross_entropy_with_logits(s, p.float()),
                "only one code is right: use one softmax over all codes, not a yes or no for each",
            ),
            Mistake(
                lambda s, p: -(p * s.softmax(1).log()).sum(1).mean(),
                "right for small logits, but for large ones this computes log 0: use log_softmax",
            ),
            Mistake(
                lambda s, p: -(p * s.log_softmax(1)).sum(),
                "take a mean over the batch, not a sum: a sum grows with the batch",
            ),
            Mistake(
                lambda s, p: -(p * s.log_softmax(1)).sum(1),
                "one number for each image; the mean over the batch is missing",
            ),
            Mistake(
                lambda s, p: (1 - (p * s.softmax(1)).sum(1)).mean(),
                "this is one minus the probability: it is bounded, and its gradient is almost 0 "
                "where D_p is wrong",
            ),
        ),
        alternative=lambda s, p: (s.logsumexp(1) - (p * s).sum(1)).mean(),
        praise=(
            "This is the cross-entropy of a plain classifier; its labels are the generator's codes."
        ),
        inputs=_logits_and_codes,
        gradients=True,
    ),
    Choice(
        "5",
        "predict: a parent stage without any bird",
        "my_expectation",
        "b",
        mistakes=(
            Mistake(
                "a",
                "an outline is hard to learn for a mask, and a colour already makes the loss small",
            ),
            Mistake(
                "c",
                "generator and D_p minimise the same loss: they only need five different pictures",
            ),
        ),
        alternative=" B",
        praise="Generator and D_p share one loss, so any five different pictures are enough.",
    ),
    Fill(
        "6",
        "fill in: the area of a mask",
        "my_area_loss",
        mask_area_loss,
        mistakes=(
            Mistake(
                lambda m, low, high: F.relu(low - m.mean()) + F.relu(m.mean() - high),
                "this is the mean area of the whole batch: a full and an empty mask cancel out",
            ),
            Mistake(
                lambda m, low, high: (
                    max(0, low - m.mean((1, 2, 3))) + max(0, m.mean((1, 2, 3)) - high)
                ).mean(),
                "Python's max compares whole tensors; F.relu(x) is max(0, x) for each number",
            ),
            Mistake(
                lambda m, low, high: (F.relu(low - m) + F.relu(m - high)).mean(),
                "this bounds every pixel, but pixels should be 0 or 1: bound each mask's mean",
            ),
            Mistake(
                lambda m, low, high: F.relu(m.mean((1, 2, 3)) - high).mean(),
                "a mask may not be too small either",
            ),
            Mistake(
                lambda m, low, high: (
                    F.relu(m.mean((1, 2, 3)) - low) + F.relu(high - m.mean((1, 2, 3)))
                ).mean(),
                "your signs are wrong: this loss is positive within the range, too",
            ),
            Mistake(
                lambda m, low, high: (
                    F.relu(low - m.mean((1, 2, 3))) + F.relu(m.mean((1, 2, 3)) - high)
                ).sum(),
                "a mean over the batch, not a sum",
            ),
            Mistake(
                lambda m, low, high: F.relu(low - m.mean((1, 2, 3))).mean(),
                "a mask may not be too large either",
            ),
            Mistake(
                lambda m, low, high: (
                    F.relu(low - m.sum((1, 2, 3))) + F.relu(m.sum((1, 2, 3)) - high)
                ).mean(),
                "an area is a share of the picture: the mean over its pixels, not their sum",
            ),
            Mistake(
                lambda m, low, high: (
                    F.relu(low - m.mean((1, 2, 3))) + F.relu(m.mean((1, 2, 3)) - high)
                ),
                "one number for each mask; the mean over the batch is missing",
            ),
            Mistake(
                lambda m, low, high: (m.mean((1, 2, 3)) - (low + high) / 2).abs().mean(),
                "this moves every mask to the middle of the range; within the range, the loss "
                "must be 0",
            ),
        ),
        alternative=lambda m, low, high: (
            (m.flatten(1).mean(1) - m.flatten(1).mean(1).clamp(low, high)).abs().mean()
        ),
        praise="Within the range it is 0, and the other losses decide there.",
        inputs=_masks,
        gradients=True,
    ),
    Exploration(
        "7",
        "explore: small masks",
        "my_recipe",
        {"mask_area": 10, "mask_binary": 2, "silhouette": 0.5, "mask_largest": 0.25},
        mistakes=(
            Mistake({"mask_binary": 2}, "the areas of the masks"),
            Mistake(
                {"mask_area": 5, "mask_binary": 2, "silhouette": 0.5}, "the areas of the masks"
            ),
            Mistake({"silhouette": 3}, "between 0 and 1"),
            Mistake({"mask_largest": 0.02}, "at least 0.1"),
            Mistake({"learning_rate": 0.1}, "only the keys"),
            Mistake(5, "a dictionary"),
            Mistake({"mask_area": -1}, "mask_area must lie between 0 and"),
            Mistake({"mask_largest": 0.9}, "mask_largest must lie between 0 and"),
        ),
        alternative={"mask_area": 15, "mask_binary": 2, "silhouette": 0.5, "mask_largest": 0.25},
        praise="There are still no birds: for birds, a discriminator must compare with real birds.",
        grade=_recipe,
        starts=({"mask_binary": 2, "silhouette": 0.5},),
    ),
    Debug(
        "8",
        "find the mistake: silhouettes that teach nothing",
        "my_mended_silhouettes",
        lab.silhouettes,
        broken=lab.faulty_silhouettes,
        gradients=True,
        inputs=wrong.for_silhouettes,
        mistakes=(
            Mistake(
                lambda masked, mask, flat, colour: lab.silhouettes(masked, mask, ~flat, colour),
                "torch.where(condition, a, b) takes a where the condition holds: flat, not its "
                "opposite",
            ),
            Mistake(
                wrong.flat(lambda masked, mask, colour: (mask > 0.5) * colour),
                "a threshold has no gradient either: use the mask itself, times the colour",
            ),
            Mistake(wrong.flat(lambda masked, mask, colour: mask), "the flat colour is missing"),
            Mistake(
                wrong.flat(lambda masked, mask, colour: colour * torch.ones_like(masked)),
                "now the colour fills the whole picture: the mask is missing",
            ),
            Mistake(
                wrong.flat(lambda masked, mask, colour: masked * colour),
                "this changes the foreground's colour, but its pattern is still visible: a "
                "silhouette has no pattern",
            ),
            Mistake(
                lambda masked, mask, flat, colour: mask * colour,
                "now all pictures are silhouettes, and D_p never sees the foregrounds",
            ),
            Mistake(
                lambda masked, mask, flat, colour: masked,
                "no silhouettes at all: D_p may read the colours as before",
            ),
            Mistake(
                lambda masked, mask, flat, colour: lab.silhouettes(
                    masked.detach(), mask, flat, colour
                ),
                "the unchanged foregrounds need their gradient, too",
            ),
        ),
        alternative=lambda masked, mask, flat, colour: torch.cat(
            [(mask[i] * colour[i] if flat[i] else masked[i])[None] for i in range(len(masked))]
        ),
        praise="The silhouette's gradient must reach the mask.",
    ),
    Debug(
        "9",
        "find the mistake: a mask below zero",
        "my_mended_heads",
        lab.heads,
        broken=lab.crossed_heads,
        inputs=wrong.for_heads,
        mistakes=(
            Mistake(
                lambda f, m, bias: [torch.tanh(f), torch.tanh(m + bias)],
                "the foreground is right now; but an opacity lies between 0 and 1, and tanh goes "
                "below 0",
            ),
            Mistake(
                lambda f, m, bias: [torch.sigmoid(f), torch.sigmoid(m + bias)],
                "the mask is right now; but pictures go from −1 to 1, and sigmoid never goes "
                "below 0",
            ),
            Mistake(
                lambda f, m, bias: [torch.sigmoid(m + bias), torch.tanh(f)],
                "the foreground comes first, then the mask",
            ),
            Mistake(
                lambda f, m, bias: [torch.tanh(f), torch.sigmoid(m)],
                "the bias is missing: with it, masks start small",
            ),
            Mistake(
                lambda f, m, bias: [torch.tanh(f), torch.sigmoid(m) + bias],
                "put the bias into the sigmoid; otherwise the mask leaves [0, 1]",
            ),
            Mistake(
                lambda f, m, bias: [torch.tanh(f + bias), torch.sigmoid(m + bias)],
                "the bias belongs to the mask, not to the foreground",
            ),
            Mistake(
                lambda f, m, bias: [torch.tanh(f), (m + bias).clamp(0, 1)],
                "clamp has no gradient outside of [0, 1], so an empty mask stays empty: use "
                "sigmoid",
            ),
            Mistake(
                lambda f, m, bias: [torch.tanh(f), (torch.sigmoid(m + bias) > 0.5).float()],
                "a hard mask has no gradient: keep the sigmoid's own numbers",
            ),
            Mistake(
                lambda f, m, bias: [f, torch.sigmoid(m + bias)],
                "the foreground's tanh is missing: without it, the foreground can leave [-1, 1]",
            ),
        ),
        alternative=lambda f, m, bias: (2 * torch.sigmoid(2 * f) - 1, 1 / (1 + (-m - bias).exp())),
        praise="The range decides the activation: tanh for pictures, sigmoid for opacities.",
    ),
)
