"""The folder of a run: its progress, and the files that it writes.

``config.json``, ``checkpoints/step_*.safetensors``, ``history.jsonl`` (losses, and what each repair
found), ``samples/*.png`` and TensorBoard's event files. Every random number of iteration i comes
from an rng seeded by (seed, i), so a run that was stopped continues exactly as one that was not.
"""

import dataclasses
import json
import shlex
import shutil
import sys
import time
from pathlib import Path

import torch
from torchvision.utils import save_image
from tqdm.auto import tqdm

from ..base.checkpoints import newest_intact, run_checkpoints, save_checkpoint, step_of
from ..base.errors import InputError, TrainingDiverged
from ..base.files import DISK_FULL, disk_errors, folder_for, make_folder, write_whole
from ..data.kept_out import evenly
from ..data.kept_out import split as kept_out_split
from ..speed import devices, distributed
from .build import build_dataset, build_system, named_data, start_from
from .config import IN_MEMORY, RunConfig
from .order import StepSampler, hash_seed
from .signs import Signs

COMPARE_EVERY = 5  # lines of the history between two looks at D on kept-out photographs


class Run:
    """The folder of a run: its progress, and the files that it writes.

    Args:
        config: of the run.
        folder: of the run; it is made, or gets its files, when everything else has succeeded.
        resume: go on from the folder's newest intact checkpoint, if it has one. Without it, the
            folder must hold no run.
        progress: show progress bars.
        picture: a PNG that always shows the newest sample picture; None: only those in
            ``samples/``.
        data: a data set whose items are training examples, in place of the one that ``config``
            names.

    Raises:
        InputError: if the folder holds another run or cannot be written, the data cannot be read
            or are too few, or ``start_from`` does not fit.
    """

    def __init__(
        self, config: RunConfig, folder, resume: bool, progress: bool, picture=None, data=None
    ):
        config = named_data(config, data)
        self.config, self.folder, self.progress = config, Path(folder), progress
        self.picture = picture and Path(picture)
        self.device = devices.pick_device(config.loop.device)
        self.step, self.newest = 0, None
        self.seconds_before = self.processor_before = 0.0
        self._check_folder(resume)
        self.signs = Signs(config.family)
        self.system = build_system(config).to(self.device)
        speed = ("precision", "tf32", "memory_format", "compile", "prefetch", "cuda_graphs")
        options = {name: getattr(config.loop, name) for name in speed}
        self.execution = devices.choose(self.device, **options)
        self.execution.prepare(self.system)
        distributed.validate_batch(config.loop.batch_size, self.system)
        distributed.synchronise_batch_norms(self.system)
        checkpoints, kept = self.folder / "checkpoints", None
        if resume:  # the first process sets damaged ones aside
            kept = distributed.in_turn(lambda: newest_intact(checkpoints))
        if kept:
            self._resume(*kept)
        elif config.loop.start_from:
            start_from(config.loop.start_from, self.system, config)
        # The data come last: they may have to be drawn, by one process only.
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
        self.started, self.started_processor = time.monotonic(), time.process_time()
        if not distributed.is_first():
            return
        # From here on the folder belongs to this run: everything above has succeeded.
        cure = "Free some space, or choose another folder."
        with disk_errors("write", self.folder, cure=cure, only=DISK_FULL):
            make_folder(self.folder)
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
        """The command, or the call, that goes on with this run."""
        if self.config.loop.data == IN_MEMORY:
            return f"train(config, {str(self.folder)!r}, resume=True, data=…) in Python"
        return f"python -m finegan_lib train --run {shlex.quote(str(self.folder))} --resume"

    @property
    def seconds(self) -> float:
        """Training time so far, in s, over all resumptions."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def processor_seconds(self) -> float:
        """The same in s of processor time, of all threads of this process."""
        return self.processor_before + time.process_time() - self.started_processor

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

    def repair(self, bar: tqdm) -> None:
        """Let the system's additions act between two steps, and report what they did.

        The history gets a line of its own, which has ``repair`` in place of losses.
        """
        seed = hash_seed(self.config.loop.seed, self.step, 3)
        facts = self.system.repair(self.step, self.stop, self._real_images, seed)
        if not facts or not distributed.is_first():
            return
        told = facts.pop("told")
        self.board.add_text("repairs", told, self.step)
        line = {"step": self.step, "seconds": round(self.seconds, 2), "repair": facts}
        self.history.write(json.dumps(line) + "\n")
        if self.progress:
            bar.write(f"step {self.step}: {told}", file=sys.stderr)

    def _real_images(self, most: int) -> torch.Tensor:
        """Up to ``most`` child crops of the training's images, (n, 3, S, S) uint8."""
        return _some_crops(self.dataset, most).add(1).mul(127.5).round().byte()

    def after_step(self, report: dict, bar: tqdm) -> None:
        """History, pictures and checkpoints, each when it is due."""
        loop = self.config.loop
        bar.update()
        if not distributed.is_first():
            return
        log = self.step % loop.log_every == 0
        if log or self.signs.due(self.step):
            values = _floats(report)
            self._look(values, bar)
            if log:
                self._log(values, bar)
        if self.step % loop.sample_every == 0:
            self._sample()
        if self.step % loop.checkpoint_every == 0:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Write a checkpoint; delete those beyond the newest ``keep``.

        The newest checkpoint from before the first warning (:mod:`.signs`) is never deleted, nor is
        a file with another name, such as a copy of your best one.

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
        if scalers := _scalers(self.system):
            state["scalers"] = {name: scalers[name].state_dict() for name in scalers}
        # The losses of this step belong to the weights before it, so look at the new weights, too.
        for name, tensor in state["networks"].items():
            if not tensor.isfinite().all():
                raise self._diverged(f"{name} has values that are not numbers", self.newest)
        facts = {"config": self.config.to_dict(), "step": self.step, "seconds": self.seconds}
        facts["processor_seconds"] = self.processor_seconds
        self.newest = save_checkpoint(path, state, healthy=self.signs.healthy_step, **facts)
        held = run_checkpoints(path.parent)
        for old in held[: -self.config.loop.keep]:
            if old != self._newest_healthy(held):
                old.unlink()

    def _newest_healthy(self, held: list[Path]) -> Path | None:
        healthy = [path for path in held if step_of(path) <= self.signs.healthy_step]
        return healthy[-1] if healthy else None

    def _check_folder(self, resume: bool) -> None:
        held = (folder_for(self.folder) / "config.json").exists()
        if held and not resume:
            raise InputError(
                "this folder already holds a run",
                seen=str(self.folder),
                cure="Choose another folder, or resume the run with --resume.",
            )
        if held:
            _validate_same_run(RunConfig.load(self.folder), self.config)

    def _resume(self, path: Path, state, metadata: dict) -> None:
        try:
            self.system.load_state_dict(state["networks"])
            for name, optimiser in self.system.optimisers.items():
                optimiser.load_state_dict(state["optimisers"][name])
                _lay_out_as_weights(optimiser)
            for name, scaler in _scalers(self.system).items():
                if name in state.get("scalers", {}):  # older checkpoints have none
                    scaler.load_state_dict(state["scalers"][name])
            self.step, self.seconds_before = metadata["step"], metadata["seconds"]
            self.processor_before = metadata.get("processor_seconds", 0.0)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                "this checkpoint is not one of this run",
                seen=f"{path} ({str(error).splitlines()[0]})",
                cure="Take it out of the folder, then resume again.",
            ) from error
        self.newest, self.signs.healthy_step = path, metadata.get("healthy", 0)

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
        """Stop, or warn, when there are signs that something goes wrong."""
        for symptom in self.signs.look(self.step, values):
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

        The two agree while D learns what birds look like. They differ when it memorises its
        photographs.
        """
        means, training = {}, self.system.training
        self.system.eval()  # this look must not change a running statistic
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
        if self.signs.present:
            line["warnings"] = self.signs.present
        self.history.write(json.dumps(line) + "\n")
        for name, value in values.items():
            self.board.add_scalar(name, value, self.step)
        bar.set_postfix_str(
            " ".join([*self.signs.present, ""])
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
            make_folder(self.picture.parent)
            shutil.copyfile(partial, self.picture.with_suffix(".partial"))
            self.picture.with_suffix(".partial").replace(self.picture)
        partial.replace(folder / f"step_{self.step:08d}.png")
        self.board.add_image("samples", picture, self.step)


def _some_crops(part, most: int = 64) -> torch.Tensor:
    """Child crops of up to ``most`` photographs, evenly spread over all: (N, 3, S, S)."""
    return torch.stack([part[i].child_crop for i in evenly(range(len(part)), most)])


def _scalers(system) -> dict[str, torch.amp.GradScaler]:
    """The factors of the losses in float16 (:func:`.parts.descend`), by the optimiser's name."""
    optimisers = system.optimisers
    return {name: o.scaler for name, o in optimisers.items() if hasattr(o, "scaler")}


def _lay_out_as_weights(optimiser: torch.optim.Optimizer) -> None:
    """Keep Adam's moments in the memory format of their weights: its fused kernels rely on it."""
    for weight, kept in optimiser.state.items():
        for name, tensor in kept.items():
            if tensor.shape == weight.shape:
                kept[name] = torch.empty_like(weight).copy_(tensor)


def _remove_leftovers(folder: Path) -> None:
    """The partial files of processes that were killed while they wrote. They would fill the disk.

    safetensors writes to ``.tmp…`` before it renames the file.
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


def _validate_same_run(saved: RunConfig, wanted: RunConfig) -> None:
    """A resumed run may have more steps, another device or other bookkeeping, but nothing else."""
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
