"""Training a small network beside the GANs: a classifier, an encoder, a segmenter, the judges."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..base.errors import InputError


def validate_steps(steps: int) -> None:
    """Raise :class:`InputError` for less than one step. Callers that draw data ask it first."""
    if steps < 1:
        raise InputError(
            "a training needs at least one step", seen=steps, cure="Choose more steps, such as 800."
        )


def fit(
    network: nn.Module,
    losses: Callable[[int], Tensor | dict[str, Tensor]],
    steps: int,
    rate: float,
    *,
    name: str,
    weight_decay: float = 1e-2,
    rise: float = 0.3,
    schedule_steps: int | None = None,
    progress: bool = True,
    leave: bool = True,
) -> None:
    """Train a network with AdamW (Loshchilov and Hutter, 2019) and one cycle of the step size.

    The step size rises to ``rate`` and falls to almost nothing (Smith and Topin, 2019).

    Args:
        network: put into training mode, and left in it.
        losses: takes the batch of a step, given the step's number, and returns its loss, or several
            losses by name, whose sum is minimised.
        steps: how many.
        rate: the largest step size.
        name: of the progress bar.
        weight_decay: AdamW's.
        rise: share of the steps in which the step size rises.
        schedule_steps: of the cycle; None: ``steps``.
        progress: show the bar.
        leave: keep it on the screen afterwards.

    Raises:
        InputError: for less than one step.
    """
    validate_steps(steps)
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, schedule_steps or steps, pct_start=rise
    )
    network.train()
    for step in (bar := tqdm(range(steps), name, disable=not progress, leave=leave)):
        found = losses(step)
        parts = found if isinstance(found, dict) else {"loss": found}
        optimiser.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        optimiser.step()
        schedule.step()
        bar.set_postfix({key: f"{part.item():.2f}" for key, part in parts.items()}, refresh=False)
