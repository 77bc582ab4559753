"""What the generators of all families have in common: random codes go in, one image comes out."""

import torch
from torch import Tensor, nn

from .models import FineGANGenerator, FineGANOutput, LRGANOutput


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


def final_image(output: Tensor | FineGANOutput | LRGANOutput | list[Tensor]) -> Tensor:
    """The finished image, (N, 3, S, S) in [-1, 1], in what any family's generator returns."""
    if isinstance(output, FineGANOutput):
        return output.child.image
    if isinstance(output, LRGANOutput):
        return output.image
    return output[-1] if isinstance(output, list) else output


@torch.no_grad()
def random_output(generator: nn.Module, n: int, seed: int):
    """What any family's generator, in the mode it is in, makes of n random codes of a seed."""
    codes = random_codes(generator, n, torch.Generator().manual_seed(seed))
    device = next(generator.parameters()).device
    return generator(*(code.to(device) for code in codes))
