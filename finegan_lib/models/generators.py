"""The common interface of all families' generators: random codes in, one image out."""

from typing import Any

import torch
from torch import Tensor, nn

from .inputs import Noise


def inputs_of(generator: nn.Module) -> Noise:
    """The kind of a generator's input (:mod:`.inputs`); z alone if its class does not say."""
    return getattr(generator, "inputs", None) or Noise()


def random_codes(generator: nn.Module, n: int, rng: torch.Generator) -> tuple:
    """Input for n images of any family's generator, sampled as in training, on the CPU.

    Returns:
        The arguments of the generator: a FineGAN's tied :class:`~finegan_lib.codes.Codes`, or the
        noise and, where there is one, the code.
    """
    sample_codes: Any = generator.sample_codes  # of every family's generator
    return tuple(sample_codes(n, rng))


def sample_freely(generator: nn.Module, n: int, rng: torch.Generator) -> tuple[tuple, dict]:
    """Independent codes for n images of a family that has a categorical code.

    Returns:
        The arguments of the generator, and the same by name: ``c``, and ``b`` and ``p`` of a
        FineGAN, (n,) int64; ``z0``, ``z1`` … and InfoGAN's continuous ``u0`` …, (n,) float32.

    Raises:
        InputError: for a family without such a code.
    """
    kind = inputs_of(generator)
    inputs = kind.free(generator, n, rng)
    return inputs, kind.named(generator.config, inputs)


def balanced_codes(generator: nn.Module, index: Tensor, rng: torch.Generator) -> tuple:
    """`random_codes` in which picture i has child (or category) i modulo their number."""
    inputs = random_codes(generator, len(index), rng)
    return inputs_of(generator).balanced(generator.config, inputs, index)


def final_image(output: Any) -> Tensor:
    """The finished image, (N, 3, S, S) in [-1, 1], in the output of any family's generator.

    Args:
        output: the image itself; a list of images, the last of which is it; or an object with the
            attribute ``image``.
    """
    if isinstance(output, list):
        return output[-1]
    return output if isinstance(output, Tensor) else output.image


@torch.no_grad()
def random_output(generator: nn.Module, n: int, seed: int) -> Any:
    """The output of any family's generator, in its present mode, for n random codes of a seed."""
    codes = random_codes(generator, n, torch.Generator().manual_seed(seed))
    device = next(generator.parameters()).device
    return generator(*(code.to(device) for code in codes))
