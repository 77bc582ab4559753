"""The training loop, one for all families."""

from contextlib import closing
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from ..base.errors import TrainingStopped
from ..base.files import DISK_FULL, disk_errors
from ..speed import distributed
from .config import RunConfig
from .order import hash_seed
from .run import Run
from .stopping import StopRequest, ignore_interrupts


def rate_factor(step: int, stop: int, final_decay: float) -> float:
    """1, then a straight line to 0 over the last fraction ``final_decay`` of the steps."""
    return min(1.0, (stop - step) / (final_decay * stop)) if final_decay > 0 else 1.0


def anneal(system, step: int, stop: int) -> None:
    """Set what changes over a run: step sizes, the noise on D_c's input, the elapsed fraction."""
    factor = rate_factor(step, stop, system.recipe.final_decay)
    for optimiser in system.optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = factor * group.setdefault("initial_lr", group["lr"])
    system.advance(step / stop)


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
        picture: a PNG that always shows the newest sample picture (None: only those in
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
            rng = torch.Generator().manual_seed(hash_seed(loop.seed, run.step, 2))
            hard = run.step >= loop.steps and (run.step - loop.steps) % 2 == 1
            anneal(system, run.step, run.stop)
            with run.execution.autocast():
                report = system.step(batch, rng, hard)
            run.step += 1
            run.repair(bar)
            run.after_step(distributed.averaged(report), bar)
        run.checkpoint()
    told = distributed.gather((run.newest, stop.signal))
    newest, signals = told[0][0], [signal for _, signal in told if signal]
    if signals:  # whichever process received it, all of them stopped
        raise TrainingStopped(
            f"stopped by {signals[0].name} after step {run.step}, which is kept in {newest}. "
            f"Go on with: {run.how_to_resume}",
            signals[0],
        )
    return newest
