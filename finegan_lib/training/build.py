"""The parts of a run: networks and optimisers, images, the weights that it starts from."""

import dataclasses
from pathlib import Path

import torch
from torch.utils.data import Dataset

from .. import families
from ..base.checkpoints import checkpoint_path, load_checkpoint
from ..base.errors import InputError
from ..base.random_numbers import seeded
from ..data import ToyBirds
from ..data.cache import CachedBirds
from ..data.kept_out import evenly, is_kept_out
from ..data.plausible import MARGIN
from ..systems.recipe import HELD
from .config import IN_MEMORY, RunConfig


def build_system(config: RunConfig) -> torch.nn.Module:
    """The networks and optimisers of a run freshly initialised from its seed.

    Whatever the family, it has ``step``, ``picture``, ``generator``, ``average``, ``recipe`` and
    ``optimisers``.
    """
    with seeded(config.loop.seed):
        return families.of(config.model).system(config.model, config.recipe)


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
    if loop.data == IN_MEMORY:
        raise InputError(
            f"this run was trained on {IN_MEMORY}",
            seen="no data",
            cure="Resume it in Python: train(config, folder, resume=True, data=…).",
        )
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
    elif hasattr(model, "hierarchy"):
        sizes = {"hierarchy": model.hierarchy()}
    return ToyBirds(
        loop.n_images,
        image_size=model.image_size,
        seed=loop.data_seed,
        progress=progress,
        **sizes,
    )


def named_data(config: RunConfig, data) -> RunConfig:
    """The configuration of a run that is given ``data``: it says that no name leads to them.

    Otherwise the run would be resumed on what ``config`` names, and scored against its truth.
    ToyBirds, and None, keep the name.
    """
    if data is None or isinstance(data, ToyBirds):
        return config
    return dataclasses.replace(config, loop=dataclasses.replace(config.loop, data=IN_MEMORY))


def trained_crops(config: RunConfig, most: int, data=None, progress: bool = True):
    """The images of a run, and crops of some that it was trained on.

    Args:
        config: of the run.
        most: how many crops. Of ToyBirds, which are drawn independently of each other, the first
            ones; of photographs, which may be sorted by class, some evenly spread over all that
            the training did not keep out.
        data: a folder in CUB's layout, or a data set, in place of the one that the run names.

    Returns:
        The data set, and (N, 3, S, S) uint8.

    Raises:
        InputError: if there is no such folder, or it cannot be read.
    """
    if isinstance(data, str | Path):
        config = dataclasses.replace(config, loop=dataclasses.replace(config.loop, data=str(data)))
        data = None
    folder, share = config.loop.data, config.loop.keep_out
    if data is None and folder != "toybirds" and not Path(folder).is_dir():
        raise InputError(
            "the photographs to look at are not there",
            seen=folder if folder == IN_MEMORY else f"no folder {folder}",
            cure="Say where this run's photographs are: --data FOLDER.",
        )
    dataset = build_dataset(config, progress, data)
    if isinstance(dataset, ToyBirds):
        return dataset, dataset.evaluation_crops(range(max(0, min(most, len(dataset)))))
    rows = [i for i, path in enumerate(dataset.paths) if not is_kept_out(path.name, share)]
    return dataset, dataset.evaluation_crops(evenly(rows, most))


def start_from(name_or_file, system, config: RunConfig) -> dict:
    """Give a fresh system the weights of a checkpoint; the optimisers stay fresh.

    A checkpoint of a run gives every network, an exported file the generator: both the live one
    and its running average start from the averaged weights.

    Returns:
        What the checkpoint holds.

    Raises:
        InputError: if there is no such checkpoint, or the config has other sizes, or other switches
            of those that add weights.
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
        raise _does_not_fit(path, saved, config, error) from error
    return state


def _does_not_fit(path, saved: RunConfig, config: RunConfig, error: Exception) -> InputError:
    """Names what a checkpoint and the networks to train differ in: sizes, switches, or neither."""
    sizes = [field.name for field in dataclasses.fields(saved.model)]
    kinds = {"sizes": ("model", sizes), "switches": ("recipe", HELD)}
    held, asked, kept = [], [], []
    for kind, (part, names) in kinds.items():
        here, wanted = getattr(saved, part), getattr(config, part)
        other = [name for name in names if getattr(here, name) != getattr(wanted, name)]
        held += [f"{name}={getattr(here, name)}" for name in other]
        asked += [f"{name}={getattr(wanted, name)}" for name in other]
        kept += [kind] if other else []
    if not kept:
        return InputError(
            "the checkpoint to start from does not hold the networks to train",
            seen=f"{path} ({str(error).splitlines()[0]})",
            cure="Choose another checkpoint, or start fresh.",
        )
    fresh = "start fresh"
    if kept == ["switches"]:
        fresh = "start from an exported file (export), which holds the generator only"
    return InputError(
        f"the checkpoint to start from was trained with other {' and '.join(kept)}",
        seen=f"{', '.join(held)} in {path}, {', '.join(asked)} to train",
        cure=f"Set these options to the checkpoint's values, or {fresh}.",
    )
