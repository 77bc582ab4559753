"""An encoder: from a picture to the codes that a FineGAN would generate it from, in one pass.

It is trained on generated pictures alone, whose codes are known, and then applied to photographs.
Its output for a photograph is a start, not the result: gradient descent continues from there
(:func:`finegan_lib.applications.invert`). MixNMatch (Li et al., CVPR 2020) trains its encoders
against the generator; here the generator stays as it is.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..base.random_numbers import seeded
from ..codes import Codes
from ..metrics.code_classifiers import recolour
from ..metrics.fit import fit
from ..models import FineGANConfig, FineGANGenerator
from ..models.blocks import Encoder, initialise
from .mixing import free_layers


@dataclass(frozen=True)
class EncoderConfig:
    """How an encoder is trained."""

    n_birds: int = 5000  # generated birds, each laid over the backgrounds of others again and again
    steps: int = 1000
    batch_size: int = 64  # pictures
    learning_rate: float = 2e-3  # peak of a one-cycle schedule, AdamW
    width: int = 16  # channels after the first convolution; doubled by every other
    z_weight: float = 1.0  # of the squared error of both z, beside the three cross-entropies


class Guess(NamedTuple):
    """The output of an encoder for N pictures.

    Attributes:
        z_bird, z_behind: (N, z_dim), the means of what z may have been.
        b, p, c: logits (N, N_b), (N, N_p), (N, N_c).
    """

    z_bird: Tensor
    z_behind: Tensor
    b: Tensor
    p: Tensor
    c: Tensor


class CodeEncoder(nn.Module):
    """Pictures (N, 3, S, S) in [-1, 1] → :class:`Guess`.

    Args:
        config: of the generator whose codes are read.
        width: channels after the first convolution.
    """

    def __init__(self, config: FineGANConfig, width: int = 16):
        super().__init__()
        self.config = config
        z, n_p, n_c = config.z_dim, config.n_parents, config.n_children
        self.parts = [z, z, n_c, n_p, n_c]
        self.trunk = Encoder(config.image_size, width)
        self.head = nn.Linear(self.trunk.out_channels * self.trunk.side**2, sum(self.parts))
        initialise(self)

    def forward(self, images: Tensor) -> Guess:
        return Guess(*self.head(self.trunk(images).flatten(1)).split(self.parts, 1))

    @torch.no_grad()
    def candidates(
        self, images: Tensor, n: int, *, p_index=None, c_index=None
    ) -> tuple[Codes, Codes]:
        """The n likeliest codes of every picture: of its bird, and of its background.

        Args:
            images: (N, 3, S, S).
            n: how many of the pairs (p, c), by the sum of their log-probabilities; at most
                N_p · N_c.
            p_index, c_index: (N,) indices that are known.

        Returns:
            ``bird`` and ``behind``, N·n codes each: the n of the first picture, then the second's.
        """
        guess, n_c = self(images), self.config.n_children
        log_p, log_c = guess.p.log_softmax(1), guess.c.log_softmax(1)
        for logits, index in ((log_p, p_index), (log_c, c_index)):
            if index is not None:  # all others become next to impossible
                known = torch.as_tensor(index, device=logits.device).long()
                logits -= 1e4 * (1 - F.one_hot(known, logits.shape[1]).to(logits))
        pairs = (log_p[:, :, None] + log_c[:, None]).flatten(1).topk(n).indices.flatten()
        z_bird, z_behind, b = (
            part.repeat_interleave(n, 0) for part in (guess.z_bird, guess.z_behind, guess.b)
        )
        hierarchy = self.config.hierarchy()
        p_index, c_index, b_index = (
            index.cpu() for index in (pairs // n_c, pairs % n_c, b.argmax(1))
        )
        bird = hierarchy.codes(z_bird.cpu(), c_index, p_index=p_index, b_index=b_index)
        return bird, bird._replace(z=z_behind.cpu())


def encoder_loss(guess: Guess, bird: Codes, behind: Codes, z_weight: float = 1.0) -> Tensor:
    """Cross-entropies of b, p and c, and the squared errors of both z; one number.

    The squared error makes an encoder answer with the mean of all z that would fit: numbers that
    cannot be seen in a picture come out near 0, where N(0, I) has its mass.

    Args:
        guess: of N pictures.
        bird, behind: the codes that they were generated from.
        z_weight: weight of the squared errors.
    """
    named = F.cross_entropy(guess.b, behind.b) + F.cross_entropy(guess.p, bird.p)
    named = named + F.cross_entropy(guess.c, bird.c)
    return named + z_weight * (
        F.mse_loss(guess.z_bird, bird.z) + F.mse_loss(guess.z_behind, behind.z)
    )


def train_encoder(
    generator: FineGANGenerator,
    config: EncoderConfig | None = None,
    *,
    seed: int = 0,
    progress: bool = False,
) -> CodeEncoder:
    """An encoder for a generator, in evaluation mode, on the CPU.

    It sees generated birds with free codes over the backgrounds of others, in changing colours and
    sharpness (:func:`~finegan_lib.metrics.code_classifiers.recolour`). Nothing is moved or
    mirrored: a bird's codes determine where it stands.

    Args:
        config: `EncoderConfig`.
        seed: of the codes, the weights and the order.
    """
    config = config or EncoderConfig()
    codes, drawn = free_layers(generator, config.n_birds, seed, progress)
    with seeded(seed):  # the colours come from torch's own numbers
        encoder = CodeEncoder(generator.config, config.width)

        def loss(step: int) -> Tensor:
            birds, behind = torch.randint(config.n_birds, (2, config.batch_size))
            guess = encoder(recolour(drawn.over(birds, behind)))
            return encoder_loss(guess, codes.select(birds), codes.select(behind), config.z_weight)

        options = {"name": "encoder", "progress": progress, "leave": False}
        fit(encoder, loss, config.steps, config.learning_rate, **options)
    return encoder.eval().requires_grad_(False)
