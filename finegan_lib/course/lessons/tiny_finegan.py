"""A FineGAN whose step takes a few hundredths of a second, for the lessons on training."""

import dataclasses

from torch import Tensor, nn

from ...models import FineGANConfig
from ...systems import Recipe, update_average
from ...training import LoopConfig, RunConfig

# As the preset "toy" was when the runs of this lesson were chosen, and smaller. Its own values, so
# that a better preset does not change what goes wrong here.
MODEL = FineGANConfig(
    image_size=32,
    n_parents=3,
    n_children=6,
    z_dim=8,
    g_dim=4,
    d_dim=8,
    residual_blocks=1,
    min_head_channels=8,
    background_gain=4.0,
    mask_bias=-0.5,
    child_norm="spectral",
)
RECIPE = Recipe(
    learning_rate=2e-3,
    final_decay=0.3,
    adversarial="hinge",
    background_weight=1.0,
    ema_decay=0.998,
    ema_warmup=True,
    ema_buffers=True,
    d_noise=0.3,
    free_background=True,
    mask_pull=2.0,
    mask_binary=1.0,
    mask_area=5.0,
    code_noise=0.2,
    code_flip=True,
    code_affine=0.2,
    silhouette=0.5,
)


def tiny_run(steps: int, *, model=(), recipe=(), **loop) -> RunConfig:
    """A FineGAN on ToyBirds whose step takes a few hundredths of a second.

    Args:
        steps: of the run.
        model, recipe: settings that differ from ``MODEL`` and ``RECIPE``, as dictionaries.
        loop: settings of the loop that differ.
    """
    values = {"n_images": 400, "batch_size": 8, "device": "cpu", "log_every": 1}
    return RunConfig(
        dataclasses.replace(MODEL, **dict(model)),
        dataclasses.replace(RECIPE, **dict(recipe)),
        LoopConfig(steps=steps, **(values | loop)),
    )


def averaged(average: Tensor, live: Tensor, decay: float) -> Tensor:
    """What :func:`~finegan_lib.systems.update_average` makes of one weight; both are left alone."""
    kept, new = nn.Module(), nn.Module()
    kept.weight, new.weight = (nn.Parameter(w.detach().clone()) for w in (average, live))
    update_average(kept, new, decay, buffers=False)
    return kept.weight.detach()
