"""The exercises of this lesson, with answers that must be told apart."""

from functools import cache

import torch
import torch.nn.functional as F

from ....losses import information_loss, mask_area_loss
from ....models.finegan import stitch
from ....systems import Recipe
from ...engine.exercises import Choice, Exploration, Fill, Mistake
from . import lab

LIMITS = {"mask_area": 10, "mask_binary": 10, "silhouette": 1, "code_noise": 1, "code_affine": 1}


def _layers():
    random = torch.Generator().manual_seed(0)
    foreground, behind = torch.rand(2, 3, 3, 4, 5, generator=random) * 2 - 1
    return [(foreground, torch.rand(3, 1, 4, 5, generator=random), behind)]


def _image(foreground, mask, behind):
    return stitch(foreground, mask, behind).image


def _logits_and_codes():
    random = torch.Generator().manual_seed(0)
    return [
        (3 * torch.randn(6, k, generator=random), F.one_hot(torch.arange(6) % k, k)) for k in (5, 3)
    ] + [(torch.tensor([[300.0, 0.0], [-200.0, 50.0]]), F.one_hot(torch.tensor([1, 1])))]


def _parent_loss(logits, p):
    return information_loss(logits, p.argmax(1))


def _masks():
    random = torch.Generator().manual_seed(0)
    size = torch.tensor([0.1, 0.5, 0.9, 1.6, 1.99]).view(5, 1, 1, 1)  # areas from 0.05 to 1
    mask = (torch.rand(5, 1, 6, 4, generator=random) * size).clamp(max=1)
    return [(mask, 0.1, 0.5), (mask[:2], 0.3, 0.4)]


@cache
def _orderly(values: tuple):
    run = lab.train_parent(Recipe(**dict(values)), steps=200, seed=1)
    hierarchy, z_dim = run.generator.config.hierarchy(), run.generator.config.z_dim
    codes = hierarchy.sample(400, z_dim, tied=False, generator=torch.Generator().manual_seed(1))
    stage = run.draw(codes)
    area, crisp = stage.mask.mean((1, 2, 3)), lab.crispness(stage.mask)
    read = (run.read(stage, mask_only=True) == codes.p_index).float().mean().item()
    if area.min() < 0.05 or area.max() > 0.65:
        return f"the areas of the masks go from {area.min():.0%} to {area.max():.0%}"
    if crisp < 0.5:
        return f"the masks are grey: their crispness is {crisp:.2f}, and 0.5 is wanted"
    if read < 0.9:
        return f"only {read:.0%} of the codes can be read off the mask alone"
    return None


def _recipe(values):
    if not isinstance(values, dict) or set(values) - set(LIMITS):
        return f"answer with a dictionary that has only the keys {', '.join(LIMITS)}"
    for key, value in values.items():
        if not 0 <= float(value) <= LIMITS[key]:
            return f"{key} must lie between 0 and {LIMITS[key]}"
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
                "the mask is upside down: where it is 1, the foreground should be seen",
            ),
            Mistake(
                lambda f, m, b: m * f + b,
                "the background shines through where it should be covered: it needs (1 − M)",
            ),
            Mistake(
                lambda f, m, b: m * f,
                "this is the masked foreground, which D_p is shown; P has a background, too",
            ),
            Mistake(
                lambda f, m, b: torch.where(m > 0.5, f, b),
                "a hard cut has no slope by the mask, so the mask could never learn: use it as a "
                "weight",
            ),
        ),
        alternative=lambda f, m, b: torch.lerp(b, f, m),
        praise="Every layer of the model is laid on with this one line.",
        inputs=_layers,
        gradients=True,
    ),
    Choice(
        "2",
        "predict: a reader that sees the background",
        "my_suspicion",
        "b",
        mistakes=(
            Mistake(
                "a",
                "it was trained to name p, but on pictures in which b said the same: it is not "
                "paid for looking at the harder one",
            ),
            Mistake(
                "c",
                "the new pictures are made of parts that it knows well; it only has to choose "
                "which part to believe",
            ),
        ),
        alternative="(b)",
        praise="Information goes where it is cheapest, unless you bar the way.",
    ),
    Fill(
        "3",
        "fill in: the parent's loss",
        "my_parent_loss",
        _parent_loss,
        mistakes=(
            Mistake(
                lambda s, p: -_parent_loss(s, p),
                "the sign: log D_p should be large, and a loss is minimised",
            ),
            Mistake(
                lambda s, p: -(p * s.log_softmax(1)).mean(),
                "the mean runs over the batch only; over k it is a sum, of which one term is left",
            ),
            Mistake(
                lambda s, p: -(p * s.log_softmax(0)).sum(1).mean(),
                "the softmax runs over the codes, dimension 1, not over the batch",
            ),
            Mistake(
                lambda s, p: -(p * s).sum(1).mean(),
                "logits are not log-probabilities yet: without softmax they may simply all grow",
            ),
            Mistake(
                lambda s, p: F.binary_cross_entropy_with_logits(s, p.float()),
                "the codes exclude one another: one softmax over all of them, not a yes or no for "
                "each",
            ),
            Mistake(
                lambda s, p: -(p * s.softmax(1).log()).sum(1).mean(),
                "right for small logits, but where D_p is sure, log meets 0: use log_softmax",
            ),
        ),
        alternative=lambda s, p: (s.logsumexp(1) - (p * s).sum(1)).mean(),
        praise="The cross-entropy of a plain classifier, whose labels the generator drew itself.",
        inputs=_logits_and_codes,
        gradients=True,
    ),
    Choice(
        "4",
        "predict: a parent stage without any bird",
        "my_expectation",
        "b",
        mistakes=(
            Mistake(
                "a",
                "an outline is hard work for a mask, and nobody asks for it, as long as a colour "
                "will do",
            ),
            Mistake(
                "c",
                "generator and reader are on the same side: they only have to agree on signs for "
                "five codes",
            ),
        ),
        alternative=" B",
        praise="A secret sign between two friends need not look like anything.",
    ),
    Fill(
        "5",
        "fill in: the area of a mask",
        "my_area_loss",
        mask_area_loss,
        mistakes=(
            Mistake(
                lambda m, low, high: F.relu(low - m.mean()) + F.relu(m.mean() - high),
                "this is the mean area of the whole batch: a full and an empty mask cancel in it",
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
                "the signs: this costs something within the range, and nothing is ever right",
            ),
            Mistake(
                lambda m, low, high: (
                    F.relu(low - m.mean((1, 2, 3))) + F.relu(m.mean((1, 2, 3)) - high)
                ).sum(),
                "a mean over the batch, not a sum",
            ),
        ),
        alternative=lambda m, low, high: (
            (m.flatten(1).mean(1) - m.flatten(1).mean(1).clamp(low, high)).abs().mean()
        ),
        praise="It is silent within the range, so that the other losses decide there.",
        inputs=_masks,
        gradients=True,
    ),
    Exploration(
        "6",
        "explore: bring the masks to order",
        "my_recipe",
        {"mask_area": 5, "mask_binary": 2, "silhouette": 0.5},
        mistakes=(
            Mistake({"mask_binary": 2}, "the areas of the masks"),
            Mistake({"silhouette": 3}, "between 0 and 1"),
            Mistake({"learning_rate": 0.1}, "only the keys"),
            Mistake(5, "a dictionary"),
        ),
        alternative={"mask_area": 10, "mask_binary": 3, "silhouette": 0.6, "code_noise": 0.1},
        praise="Still no birds: information makes signs; it takes a critic of birds to make birds.",
        judge=_recipe,
    ),
)
