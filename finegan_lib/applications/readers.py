"""The networks that read codes from pictures, for one checkpoint: an encoder and two classifiers.

The encoder gives the start of a search for codes (:mod:`.encoder`). The classifiers are those of
the paper's category discovery (:mod:`finegan_lib.discovery.code_classifiers`). They are trained
separately and on other pictures: they score results, and no network scores its own results.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor, nn

from ..metrics.code_classifiers import (
    CodeClassifier,
    DiscoveryConfig,
    classify,
    shrink,
    train_code_classifier,
    training_sets,
)
from ..models import FineGANGenerator
from .encoder import CodeEncoder, EncoderConfig, train_encoder
from .kept import trained_once


@dataclass(frozen=True)
class ReadersConfig:
    """How the encoder and the classifiers are trained."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    classifiers: DiscoveryConfig = field(default_factory=DiscoveryConfig)


class Readers(NamedTuple):
    """The networks that read one generator's codes.

    Attributes:
        encoder: `CodeEncoder`.
        parent, child: `CodeClassifier` φ_p and φ_c.
        image_size: pixels that the classifiers see.
    """

    encoder: CodeEncoder
    parent: CodeClassifier
    child: CodeClassifier
    image_size: int

    def read(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The indices p and c that the classifiers see in images (N, 3, S, S): (N,) int64 each."""
        images = shrink(images, self.image_size)
        return tuple(classify(net, images)[0].argmax(1) for net in (self.parent, self.child))


def load_readers(
    checkpoint,
    generator: FineGANGenerator,
    config: ReadersConfig | None = None,
    *,
    seed: int = 0,
    keep=None,
    progress: bool = False,
) -> Readers:
    """The readers of a checkpoint: kept ones, or trained now, which takes some minutes.

    Args:
        checkpoint: name or file.
        generator: out of it.
        config: `ReadersConfig`.
        seed: of the trainings.
        keep: folder for what is trained; None: in the cache.
    """
    config = config or ReadersConfig()
    options = {"seed": seed, "progress": progress}
    encoder = trained_once(
        checkpoint,
        generator,
        "encoder",
        config.encoder,
        lambda: CodeEncoder(generator.config, config.encoder.width),
        lambda: train_encoder(generator, config.encoder, **options),
        seed=seed,
        keep=keep,
    )
    pair = trained_once(
        checkpoint,
        generator,
        "classifiers",
        config.classifiers,
        lambda: _classifiers(generator, config.classifiers),
        lambda: _train_classifiers(generator, config.classifiers, **options),
        seed=seed,
        keep=keep,
    )
    return Readers(encoder, pair["parent"], pair["child"], config.classifiers.image_size)


def _classifiers(generator, config: DiscoveryConfig) -> nn.ModuleDict:
    sizes = {"parent": generator.config.n_parents, "child": generator.config.n_children}
    return nn.ModuleDict({level: CodeClassifier(n, config.width) for level, n in sizes.items()})


def _train_classifiers(generator, config, *, seed: int, progress: bool) -> nn.ModuleDict:
    hierarchy, z_dim = generator.config.hierarchy(), generator.config.z_dim
    options = {"seed": seed, "progress": progress}
    sets = training_sets(generator, hierarchy, z_dim, config, **options)
    return nn.ModuleDict(
        {
            level: train_code_classifier(made, codes, n, config, name=level, **options)
            for level, made, codes, n in sets
        }
    )
