"""Parts that the steps of all families are made of."""

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torchvision.utils import make_grid

from ..models.generators import final_image, random_output
from ..speed import distributed
from .recipe import Recipe

Network = TypeVar("Network", bound=nn.Module)


class System(nn.Module):
    """Networks, optimisers and losses of one training step: the common part of all families.

    A family's own class makes ``generator``, ``average`` and ``optimisers``, and defines
    ``step(batch, rng, hard=False)``, which returns the losses, and ``real_logits(images)``. It
    names in ``unused`` the options of the recipe that its step does not use and that it refuses.

    ``ignored`` names those that it does not use either, but that its presets have on: the systems
    of table 1 have one recipe, and their results say so. A command refuses them where they are
    typed (``RunConfig.refuse_ignored``).

    The count of updates stays on the CPU. Reading it from a GPU would wait, in every step, until
    the GPU has finished its work.
    """

    generator: nn.Module
    average: nn.Module
    optimisers: dict[str, torch.optim.Optimizer]
    updates: Tensor
    augment_strength: Tensor  # if the recipe lets it follow D's overfitting
    unused: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def __init__(self, recipe: Recipe):
        super().__init__()
        recipe.refuse(self.unused, type(self).__name__.removesuffix("System"))
        self.recipe = recipe
        self.noise_sd = recipe.d_noise  # of the noise on what D judges; falls to 0
        self.elapsed = 0.0  # the fraction of the run that is over
        self.register_buffer("updates", torch.tensor(0))
        if recipe.augment_target:
            strength = float(recipe.augment_strength)  # 0 or 1 would make a buffer of whole numbers
            self.register_buffer("augment_strength", torch.tensor(strength))

    def advance(self, elapsed: float) -> None:
        """Set what changes over a run, given the fraction of it that is over."""
        self.elapsed = elapsed
        self.noise_sd = self.recipe.d_noise * (1 - elapsed)

    def repair(self, step: int, stop: int, real_images: Callable[[int], Tensor], seed: int) -> dict:
        """What a family's additions do between two steps; here nothing.

        Args:
            step: how many steps are over.
            stop: how many there will be.
            real_images: from a number to at most so many real images, (n, 3, S, S) uint8.
            seed: of this repair's random numbers.

        Returns:
            What was found and done, values for JSON, with ``told``, lines to print; empty if
            nothing was due.
        """
        return {}

    def _apply(self, *args: Any, **kwargs: Any) -> "System":
        count = self.updates
        moved = super()._apply(*args, **kwargs)
        self.updates = count
        return moved

    @torch.no_grad()
    def picture(self, seed: int = 0) -> Tensor:
        """64 images of the averaged generator in one, (3, H, W) in [0, 1]."""
        return image_grid(final_image(self.drawn(64, seed)), columns=8)

    def drawn(self, n: int, seed: int) -> Any:
        """The averaged generator's output for n random codes."""
        return random_output(self.average, n, seed)


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """A context in which gradients flow through the modules but not into their weights."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@torch.no_grad()
def update_average(average: nn.Module, live: nn.Module, decay: float, buffers: bool) -> None:
    """average ← decay·average + (1 − decay)·live, weight by weight.

    BatchNorm's running statistics are averaged too if ``buffers``, else copied.
    """
    pairs: list[tuple[Tensor, Tensor]]
    pairs = list(zip(average.parameters(), live.parameters(), strict=True))
    copied = list(zip(average.buffers(), live.buffers(), strict=True))
    if buffers:
        pairs += [(kept, new) for kept, new in copied if kept.is_floating_point()]
        copied = [(kept, new) for kept, new in copied if not kept.is_floating_point()]
    torch._foreach_lerp_([kept for kept, _ in pairs], [new for _, new in pairs], 1 - decay)
    if copied:
        torch._foreach_copy_([kept for kept, _ in copied], [new for _, new in copied])


def follow(system: "System") -> None:
    """One step of a system's average behind its generator, as its recipe says.

    With ``ema_warmup`` the decay rises as (1 + n)/(10 + n) in step n until it reaches
    ``ema_decay``: the first pictures then show what was learned, not the initial weights.
    """
    system.updates += 1
    recipe, n = system.recipe, int(system.updates)
    decay = min(recipe.ema_decay, (1 + n) / (10 + n)) if recipe.ema_warmup else recipe.ema_decay
    update_average(system.average, system.generator, decay, recipe.ema_buffers)


def image_grid(images: Tensor, columns: int) -> Tensor:
    """Images (N, 3, S, S) in [-1, 1] as one picture, (3, H, W) in [0, 1], on the CPU."""
    return make_grid(images.float().cpu() / 2 + 0.5, nrow=columns, padding=1).clamp(0, 1)


def average_of(generator: Network) -> Network:
    """A copy to hold the running average: in evaluation mode, never trained."""
    return copy.deepcopy(generator).eval().requires_grad_(False)


def adam(
    parameters: Iterable[nn.Parameter], recipe: Recipe, factor: float = 1.0
) -> torch.optim.Optimizer:
    """The paper's Adam, betas (0.5, 0.999), with ``factor`` times the recipe's step size."""
    parameters = list(parameters)
    fused = not any(p.is_meta for p in parameters)  # torch 2.4 refuses it where there is no memory
    rate = factor * recipe.learning_rate
    return torch.optim.Adam(parameters, lr=rate, betas=(0.5, 0.999), fused=fused)


def total(terms: Iterable[Tensor]) -> Tensor:
    """The sum of the terms of a loss, one at least."""
    first, *others = terms
    return sum(others, first)


def weights_of(*networks: nn.Module) -> list[nn.Parameter]:
    """The weights of several networks, one after the other."""
    return [weight for network in networks for weight in network.parameters()]


def descend(optimisers: torch.optim.Optimizer | list[torch.optim.Optimizer], loss: Tensor) -> None:
    """One step of one optimiser, or of several, down a loss's gradient.

    In float16, gradients below 6e-8 would become 0. The loss is therefore multiplied by a large
    number first, and the gradients are divided by it (Micikevicius et al., 2018). If gradients
    overflow, the step is skipped and the number halved.
    """
    optimisers = optimisers if isinstance(optimisers, list) else [optimisers]
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    scaler = getattr(optimisers[0], "scaler", None)
    (loss if scaler is None else scaler.scale(loss)).backward()
    distributed.average_gradients(optimisers)
    for optimiser in optimisers:
        optimiser.step() if scaler is None else scaler.step(optimiser)
    torch.clear_autocast_cache()  # it holds the weights from before, in 16 bits
    if scaler is not None:
        scaler.update()
