"""The table of families: a row contains all differences between one family of GANs and another.

To add a family, write its network (a file in ``models/``) and its step (a file in ``systems/``),
add a row here and a preset in :mod:`finegan_lib.training.presets`. The existing commands then
train, resume, sample, score and export it, draw its figures, and write its row of table 1.

What a family must have
-----------------------
configuration
    A frozen dataclass of plain values with ``image_size`` and ``z_dim``; its fields are options of
    ``train``.
generator
    ``Generator(config)``: ``config``; ``sample_codes(n, rng)``, the random input for n images, a
    tuple; ``forward(*inputs)``, which returns the image, (N, 3, S, S) in [-1, 1], a list of images
    that ends in it, or an object with the attribute ``image``. ``inputs``, one of
    :mod:`finegan_lib.models.inputs`, if there is more than noise.
system
    ``System(config, recipe)``, a :class:`finegan_lib.systems.parts.System`: ``generator``,
    ``average``, ``optimisers``; ``step(batch, rng, hard=False)`` → losses; ``real_logits``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import models, systems
from .base.errors import InputError


@dataclass(frozen=True)
class Family:
    """One row.

    Attributes:
        key: its one spelling: in files, as a preset's name, in messages to programs.
        title: as the tables print it.
        config: the class of its sizes.
        generator: the class of its generator.
        system: the class of its training step.
        figures: what ``figures`` draws, by file name: a function of (generator, seed), or the name
            of one in :mod:`finegan_lib.figures`, which is imported when it is needed.
        masks: the mean mask areas that a step reports, and the name of each mask.
        mask_cure: a remedy for an empty or full mask, if the recipe's switches do not help.
        presets: its presets for table 1, of ToyBirds and of photographs; "": none.
        options: the heading of its own sizes among the options of ``train``; "": it has no sizes of
            its own.
        former: spellings of the key in files of earlier versions.
    """

    key: str
    title: str
    config: type
    generator: type
    system: type
    figures: dict[str, str | Callable] = field(default_factory=lambda: {"samples": "samples"})
    masks: dict[str, str] = field(default_factory=dict)
    mask_cure: str = ""
    presets: tuple[str, str] = ("", "")
    options: str = ""
    former: tuple[str, ...] = ()

    def drawings(self) -> dict[str, Callable]:
        """The functions that draw its figures, by file name."""
        from . import figures

        return {
            name: getattr(figures, drawn) if isinstance(drawn, str) else drawn
            for name, drawn in self.figures.items()
        }


ROWS = [
    Family(
        key="gan",
        title="GAN",
        config=models.GANConfig,
        generator=models.GANGenerator,
        system=systems.GANSystem,
    ),
    Family(
        key="infogan",
        title="InfoGAN of the course",
        config=models.InfoGANConfig,
        generator=models.InfoGANGenerator,
        system=systems.InfoGANSystem,
        options="model of the presets gan and infogan",
    ),
    Family(
        key="simple_gan",
        title="Simple-GAN",
        config=models.SimpleGANConfig,
        generator=models.SimpleGANGenerator,
        system=systems.SimpleGANSystem,
        presets=("simple_gan", "cub_simple_gan"),
        former=("simplegan",),
    ),
    Family(
        key="infogan_baseline",
        title="InfoGAN",
        config=models.InfoGANBaselineConfig,
        generator=models.InfoGANBaselineGenerator,
        system=systems.InfoGANBaselineSystem,
        figures={"samples": "samples", "infogan_codes": "infogan_codes"},
        presets=("infogan_baseline", "cub_infogan"),
        former=("infoganbaseline",),
    ),
    Family(
        key="lr_gan",
        title="LR-GAN",
        config=models.LRGANConfig,
        generator=models.LRGANGenerator,
        system=systems.LRGANSystem,
        figures={"samples": "samples", "lr_gan_layers": "lr_gan_layers"},
        masks={"area": "pasted"},
        mask_cure=(
            "a lower learning_rate, or another seed: no term of LR-GAN's loss controls its masks"
        ),
        presets=("lr_gan", "cub_lr_gan"),
        options="model of lr_gan",
        former=("lrgan",),
    ),
    Family(
        key="stackgan",
        title="StackGAN-v2",
        config=models.StackGANConfig,
        generator=models.StackGANGenerator,
        system=systems.StackGANSystem,
        figures={"samples": "samples", "stackgan_pyramid": "stackgan_pyramid"},
        presets=("stackgan", "cub_stackgan"),
        options="model of stackgan",
    ),
    Family(
        key="finegan",
        title="FineGAN",
        config=models.FineGANConfig,
        generator=models.FineGANGenerator,
        system=systems.FineGANSystem,
        figures={
            name: name
            for name in ("stagewise", "parent_child_noise", "parent_by_child", "background_swap")
        },
        masks={"area_p": "parent", "area_c": "child"},
        options="model",
    ),
]


def named(key: str) -> Family:
    """The row of a key, or of a former spelling of one.

    Raises:
        InputError: if there is no such family.
    """
    for family in ROWS:
        if key == family.key or key in family.former:
            return family
    raise InputError(
        "no such family of GANs",
        seen=str(key),
        cure=f"Choose one of {', '.join(family.key for family in ROWS)}.",
    )


def of(config_or_network: Any) -> Family:
    """The row of a configuration, or of a generator or system that has one as ``config``.

    Raises:
        InputError: if its class is in no row.
    """
    config = getattr(config_or_network, "config", config_or_network)
    for family in ROWS:
        if type(config) is family.config:
            return family
    raise InputError(
        "this configuration belongs to no family of GANs",
        seen=type(config).__name__,
        cure="Add a row to finegan_lib/families.py.",
    )
