"""The training loop, one for all families, and the configuration of a run.

A run is a folder: ``config.json``, ``checkpoints/step_*.safetensors``, ``history.jsonl`` (losses),
``samples/*.png`` and TensorBoard's event files. Every random number of iteration i is drawn from a
generator seeded by (seed, i), so a run that was stopped goes on exactly as if it had not been.
"""

import dataclasses
import json
import shutil
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.utils import save_image
from tqdm.auto import tqdm

from .base.checkpoints import (
    checkpoint_path,
    load_checkpoint,
    newest_intact,
    run_checkpoints,
    save_checkpoint,
    step_of,
)
from .base.errors import InputError, TrainingDiverged, TrainingStopped
from .base.files import DISK_FULL, disk_errors, write_whole
from .base.options import from_dict, option
from .baselines import InfoGANBaselineSystem, LRGANSystem, SimpleGANSystem, StackGANSystem
from .data import ToyBirds
from .data.cache import CachedBirds
from .data.folder import MARGIN
from .data.kept_out import split as kept_out_split
from .models import (
    FineGANConfig,
    GANConfig,
    InfoGANBaselineConfig,
    InfoGANConfig,
    LRGANConfig,
    SimpleGANConfig,
    StackGANConfig,
)
from .speed import devices, distributed
from .speed.devices import pick_device
from .stopping import StopRequest, ignore_interrupts
from .systems import FineGANSystem, GANSystem, InfoGANSystem, Recipe
from .watch import Watch

COMPARE_EVERY = 5  # lines of the history between two looks at D on kept-out photographs

ModelConfig = GANConfig | InfoGANConfig | FineGANConfig | SimpleGANConfig | LRGANConfig
ModelConfig = ModelConfig | InfoGANBaselineConfig | StackGANConfig
# What each family's training step is, by the configuration of its networks.
SYSTEMS = {
    GANConfig: GANSystem,
    InfoGANConfig: InfoGANSystem,
    FineGANConfig: FineGANSystem,
    SimpleGANConfig: SimpleGANSystem,
    InfoGANBaselineConfig: InfoGANBaselineSystem,
    LRGANConfig: LRGANSystem,
    StackGANConfig: StackGANSystem,
}


def family_of(model_class: type) -> str:
    """The name of a family, of the class of its configuration: ``FineGANConfig`` → "finegan"."""
    return model_class.__name__.removesuffix("Config").lower()


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
    hard_steps: int = option(0, "further steps, every second one on hard negatives")
    minutes: float = option(0.0, "stop after so many minutes of training (0: no limit)")
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
        "of convolutions (auto: fp32 on a CPU; bf16, or fp16 before Ampere, on a GPU)",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    tf32: str = option("auto", "shorter mantissas on a GPU", choices=("auto", "yes", "no"))
    memory_format: str = option(
        "auto",
        "of images (auto: channels_last on a GPU)",
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
        # A batch of one has no variance for BatchNorm to divide by.
        least = {"batch_size": 2, "steps": 0, "hard_steps": 0, "minutes": 0, "seed": 0}
        least |= {
            "data_seed": 0,
            "world_parents": 0,
            "world_children": 0,
            "workers": 0,
            "log_every": 1,
            "sample_every": 1,
        }
        least |= {"checkpoint_every": 1, "keep": 2}
        for name, smallest in least.items():
            if not getattr(self, name) >= smallest:
                raise InputError(
                    f"{name} must be at least {smallest}",
                    seen=getattr(self, name),
                    cure="Choose a larger value.",
                )
        if not 0 <= self.keep_out < 1:
            raise InputError(
                "keep_out must be in [0, 1)",
                seen=self.keep_out,
                cure="Choose 0.1, or leave it out.",
            )
        if self.keep_out and self.data == "toybirds":
            raise InputError(
                "keep_out is for folders of photographs",
                seen=f"keep_out={self.keep_out}, data={self.data}",
                cure="Leave keep_out out, or give --data FOLDER.",
            )


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run."""

    model: ModelConfig
    recipe: Recipe
    loop: LoopConfig

    @property
    def family(self) -> str:
        """ "gan", "infogan", "finegan", "simplegan", "infoganbaseline", "lrgan" or "stackgan"."""
        return family_of(type(self.model))

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return {"family": self.family, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: dict) -> "RunConfig":
        """The inverse of :meth:`to_dict`.

        Raises:
            InputError: if these are not the values of a run, or those of another version.
        """
        families = {family_of(model_class): model_class for model_class in SYSTEMS}
        try:
            return cls(
                from_dict(families[values["family"]], values["model"]),
                from_dict(Recipe, values["recipe"]),
                from_dict(LoopConfig, values["loop"]),
            )
        except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
            raise InputError(
                "this is not the configuration of a run",
                seen=f"{type(error).__name__}: {error}",
                cure="Give the checkpoint or the folder of a run of finegan_lib.",
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


def build_system(config: RunConfig) -> torch.nn.Module:
    """The networks and optimisers of a run (a value of SYSTEMS), freshly initialised from its seed.

    Whatever the family, it has ``step``, ``picture``, ``generator``, ``average``, ``recipe`` and
    ``optimisers``.
    """
    torch.manual_seed(config.loop.seed)
    return SYSTEMS[type(config.model)](config.model, config.recipe)


def build_dataset(config: RunConfig, progress: bool = True, data=None) -> Dataset:
    """The images that a run trains on; ``data``: a data set in place of the one that it names."""
    model, loop = config.model, config.loop
    if data is not None:
        if data.image_size != model.image_size:
            raise InputError(
                "the data set has another image size than the model",
                seen=f"{data.image_size}, not {model.image_size}",
                cure="Make it with the model's image_size.",
            )
        return data
    if loop.data != "toybirds":
        return CachedBirds(
            loop.data,
            image_size=model.image_size,
            seed=loop.seed,
            crop_scale=loop.crop_scale,
            full_scale=loop.full_scale or MARGIN,
            progress=progress,
        )
    sizes = {}
    if loop.world_parents or loop.world_children:
        drawn = {"n_parents": loop.world_parents, "n_children": loop.world_children}
        drawn = {name: n or getattr(model, name, 0) for name, n in drawn.items()}
        sizes = {name: n for name, n in drawn.items() if n}
    elif isinstance(model, FineGANConfig):
        sizes = {"hierarchy": model.hierarchy()}
    return ToyBirds(
        loop.n_images,
        image_size=model.image_size,
        seed=loop.data_seed,
        progress=progress,
        **sizes,
    )


class StepSampler:
    """For every step from ``start`` on, the (index, draw) pairs of its batch.

    Each epoch is one random order of all images, without the last incomplete batch; ``draw`` is
    the epoch's number, so an image is cropped anew each time.
    """

    def __init__(self, n_images: int, batch_size: int, seed: int, start: int, stop: int):
        if n_images < batch_size:
            raise InputError(
                "the data set must have at least one batch of images",
                seen=f"{n_images} images for batch_size={batch_size}",
                cure="Lower batch_size or add images.",
            )
        self.n_images, self.batch_size, self.seed = n_images, batch_size, seed
        self.start, self.stop = start, stop

    def __len__(self):
        return max(0, self.stop - self.start)

    def __iter__(self):
        per_epoch = self.n_images // self.batch_size
        order, order_of = None, None
        for step in range(self.start, self.stop):
            epoch, place = divmod(step, per_epoch)
            if order_of != epoch:
                shuffle = torch.Generator().manual_seed(hash_seed(self.seed, epoch, 1))
                order, order_of = torch.randperm(self.n_images, generator=shuffle), epoch
            rows = order[place * self.batch_size : (place + 1) * self.batch_size]
            yield [(index, epoch) for index in distributed.own(rows).tolist()]


def hash_seed(*numbers: int) -> int:
    """One seed from several numbers, well mixed."""
    seed = 0x9E3779B97F4A7C15
    for number in numbers:
        seed = (seed ^ (number + 0x7F4A7C15)) * 0xBF58476D1CE4E5B9 % 2**64
        seed ^= seed >> 31
    return seed % 2**63


def rate_factor(step: int, stop: int, final_decay: float) -> float:
    """1, then a straight line to 0 over the last fraction ``final_decay`` of the steps."""
    return min(1.0, (stop - step) / (final_decay * stop)) if final_decay > 0 else 1.0


def anneal(system, step: int, stop: int) -> None:
    """Set what changes over a run: step sizes, the noise that D_c is shown, and how far it is."""
    factor = rate_factor(step, stop, system.recipe.final_decay)
    for optimiser in system.optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = factor * group.setdefault("initial_lr", group["lr"])
    system.elapsed = step / stop
    system.noise_sd = system.recipe.d_noise * (1 - system.elapsed)


@distributed.joined()
def train(
    config: RunConfig,
    folder,
    *,
    resume: bool = False,
    progress: bool = True,
    picture: Path | None = None,
    data=None,
) -> Path:
    """Train, and return the newest checkpoint.

    Args:
        config: of the run.
        folder: of the run; must not hold a run already, unless ``resume``.
        resume: go on from the folder's newest intact checkpoint (from the start if there is none).
            A damaged one is set aside under another name.
        progress: show a progress bar.
        picture: a PNG that always shows the newest sample picture (None: none but those in
            ``samples/``).
        data: a :class:`~finegan_lib.data.PictureSet`, or another data set whose items are training
            examples, in place of the one that ``config`` names.

    Raises:
        InputError: if the folder holds another run, the data are too few or an image cannot be
            read, ``start_from`` does not fit, or the disk is full.
        TrainingDiverged: if a loss or a weight becomes infinite or NaN, or a loss explodes.
        TrainingStopped: after SIGINT or SIGTERM, when the step was finished and is on the disk.
    """
    first = progress and distributed.is_first()
    run = Run(config, folder, resume, first, picture, data)
    loop, system = config.loop, run.system
    batches = DataLoader(
        run.dataset,
        batch_sampler=run.sampler,
        num_workers=loop.workers,
        pin_memory=run.execution.pinned,
        worker_init_fn=ignore_interrupts,
    )
    cure = f"Free some space, then: {run.how_to_resume}."
    full = disk_errors("write", run.folder, cure=cure, only=DISK_FULL)
    with full, StopRequest() as stop, closing(run), run.progress_bar() as bar:
        for batch in stop.until(batches, distributed.agree):
            if distributed.agree(run.out_of_time()):
                break
            batch = run.execution.move(batch)
            generator = torch.Generator().manual_seed(hash_seed(loop.seed, run.step, 2))
            hard = run.step >= loop.steps and (run.step - loop.steps) % 2 == 1
            anneal(system, run.step, run.stop)
            with run.execution.autocast():
                report = system.step(batch, generator, hard)
            run.step += 1
            run.after_step(distributed.averaged(report), bar)
        run.checkpoint()
    told = distributed.gather((run.newest, stop.signal))
    newest, signals = told[0][0], [signal for _, signal in told if signal]
    if signals:  # of whichever process: all of them stopped
        raise TrainingStopped(
            f"stopped by {signals[0].name} after step {run.step}, which is kept in {newest}. "
            f"Go on with: {run.how_to_resume}",
            signals[0],
        )
    return newest


class Run:
    """The folder of a run: where it stands, and what it writes."""

    def __init__(
        self, config: RunConfig, folder, resume: bool, progress: bool, picture=None, data=None
    ):
        self.config, self.folder, self.progress = config, Path(folder), progress
        self.picture = picture and Path(picture)
        self.device = pick_device(config.loop.device)
        self.step, self.newest, self.seconds_before = 0, None, 0.0
        self._check_folder(resume)
        self.watch = Watch(config.family)
        self.system = build_system(config).to(self.device)
        speed = ("precision", "tf32", "memory_format", "compile", "prefetch", "cuda_graphs")
        options = {name: getattr(config.loop, name) for name in speed}
        self.execution = devices.choose(self.device, **options)
        self.execution.prepare(self.system)
        distributed.check_batch(config.loop.batch_size, self.system)
        distributed.synchronise_batch_norms(self.system)
        checkpoints, kept = self.folder / "checkpoints", None
        if resume:  # the first process sets damaged ones aside
            kept = distributed.in_turn(lambda: newest_intact(checkpoints))
        if kept:
            self._resume(*kept)
        elif config.loop.start_from:
            start_from(config.loop.start_from, self.system, config)
        # Last of all: it may have to be drawn, and by one process only.
        self.dataset = distributed.in_turn(lambda: build_dataset(config, progress, data))
        if distributed.is_first() and hasattr(self.dataset, "tell_background"):
            self.dataset.tell_background()
        loop, self.compared = config.loop, {}
        if loop.keep_out:
            self.dataset, kept_out = kept_out_split(self.dataset, loop.keep_out)
            self.compared = {
                "D_on_trained": _some_crops(self.dataset),
                "D_on_kept_out": _some_crops(kept_out),
            }
        self.stop = loop.steps + loop.hard_steps
        self.sampler = StepSampler(
            len(self.dataset), loop.batch_size, loop.seed, self.step, self.stop
        )
        self.started = time.monotonic()
        if not distributed.is_first():
            return
        # From here on the folder is taken: nothing above may have failed.
        cure = "Free some space, or choose another folder."
        with disk_errors("write", self.folder, cure=cure, only=DISK_FULL):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / "config.json", json.dumps(config.to_dict(), indent=2) + "\n")
            _remove_leftovers(self.folder)
            self._open_logs()

    def close(self) -> None:
        """Write out what TensorBoard still holds back, and close the files."""
        if not distributed.is_first():
            return
        self.board.close()
        self.history.close()

    @property
    def how_to_resume(self) -> str:
        """The command that goes on with this run."""
        return f"python -m finegan_lib train --run {self.folder} --resume"

    @property
    def seconds(self) -> float:
        """Training time so far, in s, over all resumptions."""
        return self.seconds_before + time.monotonic() - self.started

    def out_of_time(self) -> bool:
        """Whether the run's limit of minutes has passed."""
        return 0 < self.config.loop.minutes * 60 <= self.seconds

    def progress_bar(self) -> tqdm:
        """A tqdm bar that starts where the run stands."""
        return tqdm(
            total=self.stop,
            initial=self.step,
            unit="step",
            disable=not self.progress,
            smoothing=0.05,
        )

    def after_step(self, report: dict, bar: tqdm) -> None:
        """History, pictures and checkpoints, each when it is due."""
        loop = self.config.loop
        bar.update()
        if not distributed.is_first():
            return
        log = self.step % loop.log_every == 0
        if log or self.watch.due(self.step):
            values = _floats(report)
            self._look(values, bar)
            if log:
                self._log(values, bar)
        if self.step % loop.sample_every == 0:
            self._sample()
        if self.step % loop.checkpoint_every == 0:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Write where the run stands; drop checkpoints beyond the newest ``keep``.

        Never dropped is the newest one from before anything looked wrong (:mod:`.watch`), nor any
        file under another name, such as a copy of the one that you like best.

        Raises:
            TrainingDiverged: instead of writing anything, if a weight is not a number.
            InputError: if the disk is full; the checkpoints before are intact.
        """
        path = self.folder / "checkpoints" / f"step_{self.step:08d}.safetensors"
        if path == self.newest or not distributed.is_first():
            return
        optimisers = self.system.optimisers
        state = {
            "networks": self.system.state_dict(),
            "optimisers": {name: optimisers[name].state_dict() for name in optimisers},
        }
        # The losses of this step say nothing about the weights that it has made.
        for name, tensor in state["networks"].items():
            if not tensor.isfinite().all():
                raise self._diverged(f"{name} has values that are not numbers", self.newest)
        facts = {"config": self.config.to_dict(), "step": self.step, "seconds": self.seconds}
        self.newest = save_checkpoint(path, state, healthy=self.watch.healthy_step, **facts)
        held = run_checkpoints(path.parent)
        for old in held[: -self.config.loop.keep]:
            if old != self._newest_healthy(held):
                old.unlink()

    def _newest_healthy(self, held: list[Path]) -> Path | None:
        healthy = [path for path in held if step_of(path) <= self.watch.healthy_step]
        return healthy[-1] if healthy else None

    def _check_folder(self, resume: bool) -> None:
        held = (self.folder / "config.json").exists()
        if held and not resume:
            raise InputError(
                "this folder already holds a run",
                seen=str(self.folder),
                cure="Choose another folder, or resume the run with --resume.",
            )
        if held:
            _check_same_run(RunConfig.load(self.folder), self.config)

    def _resume(self, path: Path, state, metadata: dict) -> None:
        try:
            self.system.load_state_dict(state["networks"])
            for name, optimiser in self.system.optimisers.items():
                optimiser.load_state_dict(state["optimisers"][name])
                _lay_out_as_weights(optimiser)
            self.step, self.seconds_before = metadata["step"], metadata["seconds"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                "this checkpoint is not one of this run",
                seen=f"{path} ({str(error).splitlines()[0]})",
                cure="Take it out of the folder, then resume again.",
            ) from error
        self.newest, self.watch.healthy_step = path, metadata.get("healthy", 0)

    def _open_logs(self) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import, needed here only

        history = self.folder / "history.jsonl"
        if history.exists():  # lines after the checkpoint that the run goes on from
            lines = history.read_text(errors="replace").splitlines()
            kept = [line for line in lines if 0 < _step_of_line(line) <= self.step]
            write_whole(history, "".join(line + "\n" for line in kept))
        self.history = open(history, "a", buffering=1)  # noqa: SIM115
        self.board = SummaryWriter(self.folder, purge_step=self.step + 1)
        self.last_log = (self.step, time.monotonic())

    def _look(self, values: dict[str, float], bar: tqdm) -> None:
        """Stop, or warn, when the watch sees that something goes wrong."""
        for symptom in self.watch.look(self.step, values):
            if symptom.kind == "exploded":
                held = run_checkpoints(self.folder / "checkpoints")
                raise self._diverged(symptom.text, self._newest_healthy(held))
            if symptom.fatal:
                raise self._diverged(symptom.text, self.newest)
            kept = self._newest_healthy(run_checkpoints(self.folder / "checkpoints"))
            message = f"step {self.step}: {symptom.message(self.config.family)} "
            message += f"The newest checkpoint from before, which stays: {kept or 'none yet'}."
            bar.write(message, file=sys.stderr)
            self.board.add_text("warnings", message, self.step)

    @torch.no_grad()
    def _compare(self) -> dict[str, float]:
        """D's mean logit on photographs that it trains on, and on others like them.

        As long as D learns what birds look like, the two agree; where it learns its photographs by
        heart, they part.
        """
        means, training = {}, self.system.training
        self.system.eval()  # a look must not move a running statistic
        for name, crops in self.compared.items():
            crops = crops.to(self.device)
            with self.execution.autocast():
                means[name] = float(self.system.real_logits(crops).float().mean())
        self.system.train(training)
        self.system.average.eval()
        return means

    def _log(self, values: dict[str, float], bar: tqdm) -> None:
        if self.step % (COMPARE_EVERY * self.config.loop.log_every) == 0:
            values |= self._compare()
        if hasattr(self.system, "augment_strength"):
            values["augment"] = float(self.system.augment_strength)
        step, moment = self.last_log
        self.last_log = (self.step, time.monotonic())
        steps_per_s = (self.step - step) / (self.last_log[1] - moment)
        values["images_per_s"] = steps_per_s * self.config.loop.batch_size
        line = {"step": self.step, "seconds": round(self.seconds, 2)}
        line |= {name: round(value, 5) for name, value in values.items()}
        if self.watch.present:
            line["warnings"] = self.watch.present
        self.history.write(json.dumps(line) + "\n")
        for name, value in values.items():
            self.board.add_scalar(name, value, self.step)
        bar.set_postfix_str(
            " ".join([*self.watch.present, ""])
            + " ".join(f"{k}={v:.3g}" for k, v in values.items() if k != "images_per_s")
            + f" {values['images_per_s']:.0f} img/s",
            refresh=False,
        )

    def _diverged(self, what: str, good: Path | None = None) -> TrainingDiverged:
        start = f"The newest good checkpoint is {good}. Start a new run from it"
        if good is None:
            start = "There is no good checkpoint yet. Start a new run"
        return TrainingDiverged(
            f"{what} at step {self.step}. {start} with a lower learning_rate, or with "
            'adversarial="hinge" and spectral normalisation.'
        )

    def _sample(self) -> None:
        picture = self.system.picture()
        folder = self.folder / "samples"
        folder.mkdir(exist_ok=True)
        partial = folder / ".partial.png"
        save_image(picture, partial)
        if self.picture:
            self.picture.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(partial, self.picture.with_suffix(".partial"))
            self.picture.with_suffix(".partial").replace(self.picture)
        partial.replace(folder / f"step_{self.step:08d}.png")
        self.board.add_image("samples", picture, self.step)


def _some_crops(part, most: int = 64) -> torch.Tensor:
    """Child crops of up to ``most`` photographs, evenly out of all: (N, 3, S, S)."""
    step = max(1, len(part) // most)
    return torch.stack([part[i].child_crop for i in range(0, len(part), step)][:most])


def _lay_out_as_weights(optimiser: torch.optim.Optimizer) -> None:
    """Keep Adam's moments in the memory format of their weights: its fused kernels rely on it."""
    for weight, kept in optimiser.state.items():
        for name, tensor in kept.items():
            if tensor.shape == weight.shape:
                kept[name] = torch.empty_like(weight).copy_(tensor)


def start_from(name_or_file, system, config: RunConfig) -> dict:
    """Give a fresh system the weights of a checkpoint; the optimisers stay fresh.

    A checkpoint of a run gives every network, an exported file the generator: both the live one
    and its running average start from the averaged weights.

    Returns:
        What the checkpoint holds.

    Raises:
        InputError: if there is no such checkpoint, or its sizes are others than the config's.
    """
    path = checkpoint_path(name_or_file)
    state, metadata = load_checkpoint(path)
    saved = RunConfig.from_dict(metadata.get("config", {}))
    if saved.family != config.family:
        raise InputError(
            f"the checkpoint to start from is of the family {saved.family}",
            seen=f"{config.family} to train, {path}",
            cure="Choose a checkpoint, or a preset, of the same family.",
        )
    try:
        if "generator" in state:
            system.generator.load_state_dict(state["generator"])
            system.average.load_state_dict(state["generator"])
        else:
            system.load_state_dict(state["networks"])
    except (KeyError, RuntimeError) as error:
        sizes = dataclasses.asdict(saved.model), dataclasses.asdict(config.model)
        other = [name for name in sizes[0] if sizes[0][name] != sizes[1][name]]
        here = ", ".join(f"{name}={sizes[0][name]}" for name in other) or str(error)
        wanted = ", ".join(f"{name}={sizes[1][name]}" for name in other) or "the same sizes"
        raise InputError(
            "the checkpoint to start from has other sizes than the networks to train",
            seen=f"{here} in {path}, {wanted} to train",
            cure="Set these options to the checkpoint's values, or start fresh.",
        ) from error
    return state


def _remove_leftovers(folder: Path) -> None:
    """What kills in the middle of writing a file have left: they would fill the disk.

    ``.tmp…`` are safetensors' own, before it gives them the name that we asked for.
    """
    patterns = ["checkpoints/.step_*.safetensors.*.partial", "checkpoints/.tmp??????"]
    patterns += [f".{name}.*.partial" for name in ("config.json", "history.jsonl")]
    for pattern in patterns:
        for partial in folder.glob(pattern):
            partial.unlink(missing_ok=True)


def _step_of_line(line: str) -> int:
    """The step of a line of the history; 0 if the line was cut off or damaged."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return 0
    return step if isinstance(step, int) else 0


def _floats(report: dict) -> dict[str, float]:
    """Values of a step as numbers: one transfer from the device for all of them."""
    stacked = torch.stack([value.detach().float() for value in report.values()])
    return dict(zip(report, stacked.tolist(), strict=True))


def _check_same_run(saved: RunConfig, wanted: RunConfig) -> None:
    """A run may be resumed for longer, elsewhere or with other bookkeeping, but not changed."""
    free = ("steps", "hard_steps", "minutes", "device", "workers", "log_every")
    free += ("sample_every", "checkpoint_every", "keep")
    free += ("tf32", "memory_format", "compile", "prefetch", "cuda_graphs")
    kept = {name: getattr(saved.loop, name) for name in free}
    wanted = dataclasses.replace(wanted, loop=dataclasses.replace(wanted.loop, **kept))
    if saved == wanted:
        return
    if saved.family != wanted.family:
        raise InputError(
            f"a resumed run must keep its family ({saved.family})",
            seen=wanted.family,
            cure="Start a new run in another folder.",
        )
    old, new = saved.to_dict(), wanted.to_dict()
    for part in ("model", "recipe", "loop"):
        for name in old[part]:
            if old[part][name] != new[part][name]:
                raise InputError(
                    f"a resumed run must keep its {name} ({old[part][name]})",
                    seen=f"{name}={new[part][name]}",
                    cure="Leave the option out, or start a new run in another folder.",
                )
