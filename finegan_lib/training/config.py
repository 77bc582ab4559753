"""The configuration of a run: everything that determines it, and how it is kept as JSON."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from .. import families
from ..base.errors import InputError
from ..base.options import from_dict, option, require_at_least
from ..data.kept_out import validate_keep_out
from ..systems import Recipe

# What a run that was given a data set in Python has as its ``data``: no name leads back to it.
IN_MEMORY = "pictures in memory"
# The options of the loop that only one kind of data uses.
OF_TOYBIRDS = ("n_images", "data_seed", "world_parents", "world_children")
OF_FOLDERS = ("crop_scale", "keep_out", "full_scale")


@dataclass(frozen=True)
class LoopConfig:
    """Data, length and bookkeeping of a run."""

    data: str = option("toybirds", '"toybirds", or a folder in the layout of CUB-200-2011')
    n_images: int = option(8000, "ToyBirds only: number of images")
    data_seed: int = option(0, "ToyBirds only: seed of the world that is drawn")
    world_parents: int = option(
        0, "ToyBirds only: silhouettes that are drawn (0: as many as the model's parent codes)"
    )
    world_children: int = option(
        0, "ToyBirds only: appearances that are drawn (0: as many as the model's child codes)"
    )
    batch_size: int = option(16, "images per step")
    steps: int = option(250_000, "training steps before the hard-negative phase")
    hard_steps: int = option(0, "further steps, every second one on hard negatives (FineGAN)")
    minutes: float = option(0.0, "minutes of training after which the run stops (0: no limit)")
    seed: int = option(0, "seed of weights, codes, order and augmentation")
    start_from: str = option("", "checkpoint whose weights the networks start from (none: fresh)")
    crop_scale: float = option(
        1.5, "folders only: side of the child crop in units of the longer box side"
    )
    keep_out: float = option(
        0.0,
        "folders only: share of the photographs, chosen by their file names, that is not trained "
        "on; the log then shows D on both kinds",
    )
    full_scale: float = option(
        0.0,
        "folders only: shorter side of the stored full image, in units of the background "
        "discriminator's input (0: the paper's 76/64)",
    )
    device: str = option(
        "auto", '"auto" (CUDA or Apple\'s GPU where present), "cpu", "cuda", "mps", …'
    )
    precision: str = option(
        "auto",
        "format of convolutions (auto: fp32 on a CPU; bf16, or fp16 before Ampere, on a GPU)",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    tf32: str = option("auto", "shorter mantissas on a GPU", choices=("auto", "yes", "no"))
    memory_format: str = option(
        "auto",
        "layout of images (auto: channels_last on a GPU)",
        choices=("auto", "contiguous", "channels_last"),
    )
    compile: bool = option(False, "fuse the networks with torch.compile; takes minutes at first")
    prefetch: str = option(
        "auto", "pinned memory and overlapping copies on a GPU", choices=("auto", "yes", "no")
    )
    cuda_graphs: str = option(
        "auto",
        "start a step's kernels all at once on a GPU (FineGAN)",
        choices=("auto", "yes", "no"),
    )
    workers: int = option(0, "processes that read images")
    log_every: int = option(20, "steps between two lines of the history")
    sample_every: int = option(500, "steps between two sample pictures")
    checkpoint_every: int = option(500, "steps between two checkpoints")
    keep: int = option(2, "newest checkpoints that are kept (2 at least)")

    def __post_init__(self):
        require_at_least(
            self,
            batch_size=2,  # a batch of one has no variance for BatchNorm to divide by
            steps=0,
            hard_steps=0,
            minutes=0,
            seed=0,
            data_seed=0,
            world_parents=0,
            world_children=0,
            workers=0,
            log_every=1,
            sample_every=1,
            checkpoint_every=1,
            keep=2,
        )
        for name in ("seed", "data_seed"):  # torch, and checkpoints' JSON, hold no more
            if getattr(self, name) >= 2**63:
                raise InputError(
                    f"{name} must be below 2**63",
                    seen=getattr(self, name),
                    cure="Choose a smaller one.",
                )
        validate_keep_out(self.keep_out)
        if self.keep_out and self.data == "toybirds":
            raise InputError(
                "keep_out is for folders of photographs",
                seen=f"keep_out={self.keep_out}, data={self.data}",
                cure="Leave keep_out out, or give --data FOLDER.",
            )


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run."""

    model: object  # of a family's configuration class
    recipe: Recipe
    loop: LoopConfig

    def __post_init__(self):
        if self.loop.hard_steps and self.family != "finegan":
            raise InputError(
                "only FineGAN has a phase of hard negatives",
                seen=f"hard_steps={self.loop.hard_steps} for {self.family}",
                cure="Add them to steps, and leave hard_steps out.",
            )

    @property
    def family(self) -> str:
        """The key of its row in :mod:`finegan_lib.families`."""
        return families.of(self.model).key

    def refuse_ignored(self, typed) -> None:
        """Refuse options that a user set although this run does not use them.

        The family's step ignores them, although a preset may have them on (see
        :class:`finegan_lib.systems.parts.System`); they belong to a switch that is off; or they
        are for another kind of data.

        Args:
            typed: the names of the options that the user set.

        Raises:
            InputError: for the first such option that has another value than its default.
        """
        row = families.of(self.model)
        names = (*row.system.unused, *row.system.ignored)
        self.recipe.refuse(tuple(name for name in names if name in typed), row.title)
        self.recipe.refuse_idle(typed)
        toybirds = self.loop.data == "toybirds"
        for name in OF_FOLDERS if toybirds else OF_TOYBIRDS:
            if name in typed and getattr(self.loop, name) != getattr(LoopConfig, name):
                raise InputError(
                    f"{name} is for {'folders of photographs' if toybirds else 'ToyBirds'}",
                    seen=f"{name}={getattr(self.loop, name)}, data={self.loop.data}",
                    cure="Leave the option out, or choose other data.",
                )

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return {"family": self.family, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: dict) -> "RunConfig":
        """The inverse of :meth:`to_dict`.

        Raises:
            InputError: if these are not the values of a run, or those of another version.
        """
        cure = "Give the checkpoint or the folder of a run of finegan_lib."
        try:
            model_class = families.named(values["family"]).config
        except (InputError, KeyError, TypeError) as error:
            raise InputError(
                "this is not the configuration of a run", seen=str(error), cure=cure
            ) from error
        try:
            return cls(
                from_dict(model_class, values["model"]),
                from_dict(Recipe, values["recipe"]),
                from_dict(LoopConfig, values["loop"]),
            )
        except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
            raise InputError(
                "this is not the configuration of a run",
                seen=f"{type(error).__name__}: {error}",
                cure=cure,
            ) from error

    @classmethod
    def load(cls, folder) -> "RunConfig":
        """The configuration of the run in a folder.

        Raises:
            InputError: if the folder's ``config.json`` cannot be read.
        """
        path = Path(folder) / "config.json"
        try:
            return cls.from_dict(json.loads(path.read_text()))
        except (OSError, ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                "the configuration of this run cannot be read",
                seen=f"{path} ({error})",
                cure="Start a new run in another folder.",
            ) from error
