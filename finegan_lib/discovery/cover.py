"""Lead idle children and parents of a finished training to kinds that no code generates.

How they are found and led, without labels, is in :mod:`finegan_lib.systems.covering`. A training
can do it by itself (``lead_children`` and ``lead_parents`` of the recipe). This module does the
same for a checkpoint:

    python -m finegan_lib cover --checkpoint runs/toy --out runs/covered.safetensors
    python -m finegan_lib train --preset toy --start-from runs/covered.safetensors --run runs/toy2
"""

from ..base.checkpoints import checkpoint_path, read_metadata, save_checkpoint
from ..base.errors import InputError
from ..base.files import refuse_to_overwrite
from ..systems.covering import CoverConfig, cover_system
from ..systems.covering import summary as summary  # the caller of cover prints it
from ..training import RunConfig, build_system, start_from
from ..training.build import trained_crops


def cover(
    checkpoint,
    out,
    config=None,
    *,
    data=None,
    parents: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> dict:
    """:func:`cover_system` for a run: its networks, and the images that it was trained on.

    Args:
        checkpoint: file or folder of a run; not changed.
        out: new file, for ``train --start-from``.
        data: where these images are; None: where the run says.
        parents: lead idle parents, too, each with its children.

    Returns:
        That function's, with ``checkpoint`` and ``out``.

    Raises:
        InputError: if ``out`` exists, the images are not there, or the checkpoint is no FineGAN's
            or has no discriminators.
    """
    config = config or CoverConfig()
    refuse_to_overwrite(out)
    path = checkpoint_path(checkpoint)
    metadata = read_metadata(path)
    run = RunConfig.from_dict(metadata.get("config", {}))
    system = build_system(run)
    state = start_from(path, system, run)
    if run.family != "finegan" or "networks" not in state:
        raise InputError(
            "this needs a FineGAN with its discriminators",
            seen=f"{path} (family {run.family}, holds {', '.join(state)})",
            cure="Give the folder of a run of the finegan family, or a checkpoint in it.",
        )
    _, images = trained_crops(run, config.n_real, data, progress)
    steps = run.loop.steps + run.loop.hard_steps
    # The noise that D_c was trained with at the end of this run.
    system.advance(min(1.0, metadata.get("step", steps) / max(1, steps)))
    found = cover_system(system, images, config, parents=parents, seed=seed, progress=progress)
    save_checkpoint(out, {"networks": system.state_dict()}, **metadata, covered=found)
    return {"checkpoint": str(checkpoint), "out": str(out), **found}
