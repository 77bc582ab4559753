"""A FineGAN whose step takes a few hundredths of a second, for the lessons on training."""

from dataclasses import replace

from torch import Tensor, nn

from ...systems import update_average
from ...training import LoopConfig, RunConfig
from ...training.presets import TOY

# The preset "toy", smaller, and without the additions that came after the runs of these lessons had
# been chosen. The lessons' printed outputs are tested, so a change of the preset that changes what
# goes wrong in these runs is found.
MODEL = replace(TOY.model, n_parents=3, n_children=6, g_dim=4, d_dim=8, view=False)
RECIPE = replace(TOY.recipe, free_child=0.0, mask_pull=2.0, mask_pull_back=0.0, mask_lean=0.0)


def tiny_run(steps: int, *, model=(), recipe=(), **loop) -> RunConfig:
    """A FineGAN on ToyBirds whose step takes a few hundredths of a second.

    Args:
        steps: of the run.
        model, recipe: settings that differ from ``MODEL`` and ``RECIPE``, as dictionaries.
        loop: settings of the loop that differ.
    """
    values = {"n_images": 400, "batch_size": 8, "device": "cpu", "log_every": 1}
    return RunConfig(
        replace(MODEL, **dict(model)),
        replace(RECIPE, **dict(recipe)),
        LoopConfig(steps=steps, **(values | loop)),
    )


def averaged(average: Tensor, live: Tensor, decay: float) -> Tensor:
    """What :func:`~finegan_lib.systems.update_average` makes of one weight; both are left alone."""
    kept, new = nn.Module(), nn.Module()
    kept.weight, new.weight = (nn.Parameter(w.detach().clone()) for w in (average, live))
    update_average(kept, new, decay, buffers=False)
    return kept.weight.detach()
