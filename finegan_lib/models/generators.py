"""The common interface of all families' generators: random codes in, one image out."""

import torch
from torch import Tensor, nn

from ..base.errors import InputError
from . import (
    FineGANGenerator,
    FineGANOutput,
    InfoGANBaselineGenerator,
    InfoGANGenerator,
    LRGANOutput,
)


def random_codes(generator: nn.Module, n: int, random: torch.Generator) -> tuple:
    """Input for n images of any family's generator, drawn as in training, on the CPU.

    Returns:
        What to call the generator with: a FineGAN's tied :class:`~finegan_lib.codes.Codes`,
        or the noise and, where there is one, the code.
    """
    if isinstance(generator, FineGANGenerator):
        config = generator.config
        return (config.hierarchy().sample(n, config.z_dim, generator=random),)
    return generator.draw_codes(n, random)


def draw_freely(generator: nn.Module, n: int, random: torch.Generator) -> tuple[tuple, dict]:
    """Independent codes for n images of a family that has a categorical code.

    Returns:
        What to call the generator with, and the same by name: ``c``, and ``b`` and ``p`` of a
        FineGAN, (n,) int64; ``z0``, ``z1`` … and InfoGAN's continuous ``u0`` …, (n,) float32.

    Raises:
        InputError: for a family without such a code.
    """
    config = generator.config
    if isinstance(generator, FineGANGenerator):
        codes = config.hierarchy().sample(n, config.z_dim, tied=False, generator=random)
        inputs, z = (codes,), codes.z
        named = {"b": codes.b_index, "p": codes.p_index, "c": codes.c_index}
    elif isinstance(generator, InfoGANBaselineGenerator):
        inputs = z, code = generator.draw_codes(n, random)
        named = {"c": code.argmax(1)}
    elif isinstance(generator, InfoGANGenerator):
        inputs = z, code = generator.draw_codes(n, random)
        named = {"c": code[:, : config.n_categories].argmax(1)}
        named |= {f"u{i}": u for i, u in enumerate(code[:, config.n_categories :].T)}
    else:
        raise InputError(
            "this generator has no categorical code",
            seen=type(generator).__name__,
            cure="Give a FineGAN or an InfoGAN.",
        )
    return inputs, named | {f"z{i}": number for i, number in enumerate(z.T)}


def final_image(output: Tensor | FineGANOutput | LRGANOutput | list[Tensor]) -> Tensor:
    """The finished image, (N, 3, S, S) in [-1, 1], in what any family's generator returns."""
    if isinstance(output, FineGANOutput):
        return output.child.image
    if isinstance(output, LRGANOutput):
        return output.image
    return output[-1] if isinstance(output, list) else output


@torch.no_grad()
def random_output(generator: nn.Module, n: int, seed: int):
    """The output of any family's generator, in its present mode, for n random codes of a seed."""
    codes = random_codes(generator, n, torch.Generator().manual_seed(seed))
    device = next(generator.parameters()).device
    return generator(*(code.to(device) for code in codes))
