"""Generators from files: the averaged weights of a run, and the small files that are shipped."""

import dataclasses
import shlex

import torch

from .. import families
from ..base.checkpoints import checkpoint_path, load_checkpoint, read_metadata
from ..base.errors import InputError
from ..models import FineGANGenerator
from ..models.generators import inputs_of
from . import RunConfig


def load_generator(name_or_file):
    """The averaged generator of a checkpoint, in evaluation mode, on the CPU.

    Args:
        name_or_file: a shipped name ("toy"), a checkpoint or exported file, or a run's folder.

    Raises:
        InputError: if there is no such file, or it is damaged.
    """
    path = checkpoint_path(name_or_file)
    state, metadata = load_checkpoint(path)
    config = RunConfig.from_dict(metadata.get("config", {}))
    weights = averaged_weights(state)
    build = families.of(config.model).generator
    try:
        _validate_stated_sizes(config.model, weights)
        with torch.device("meta"):  # a file that states huge sizes must not fill the memory
            build(config.model).load_state_dict(weights, assign=True)
        generator = build(config.model)
        generator.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError, MemoryError, OverflowError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise InputError(
            "the weights do not fit the sizes that the checkpoint states",
            seen=f"{path} ({lines[min(1, len(lines) - 1)] if lines else type(error).__name__})",
            cure="The file was altered, or written by another version: use another checkpoint.",
        ) from error
    return generator.eval().requires_grad_(False)


def _validate_stated_sizes(model, weights: dict) -> None:
    """Every layer has weights of its own, and every size is the length of some weight. A network
    that is larger than the file would only cost time to build.
    """
    numbers = [weight.numel() for weight in weights.values() if isinstance(weight, torch.Tensor)]
    for name, value in dataclasses.asdict(model).items():
        most = len(numbers) if name == "residual_blocks" else max([1024, *numbers])
        if isinstance(value, int) and value > most:
            raise RuntimeError(f"{name}={value} is more than the file holds")


def load_finegan(name_or_file) -> FineGANGenerator:
    """:func:`load_generator` for commands that need b, p and c.

    Raises:
        InputError: also if the checkpoint is of another family.
    """
    generator = load_generator(name_or_file)
    if not inputs_of(generator).hierarchical:
        raise InputError(
            "this needs a FineGAN",
            seen=f"{name_or_file} ({type(generator).__name__})",
            cure="Give the checkpoint of a run of the finegan family.",
        )
    return generator


def need_toybirds(name_or_file, what: str) -> None:
    """Refuse a network that was trained on photographs where ToyBirds' truth is needed.

    Args:
        name_or_file: of the checkpoint.
        what: the thing that needs the truth, for the message.

    Raises:
        InputError: if its run read a folder.
    """
    data = _trained_on(name_or_file)
    if data != "toybirds":
        raise InputError(
            f"{what} needs ToyBirds' truth, and this network was trained on photographs",
            seen=f"{name_or_file}, trained on {data}",
            cure="Score it on photographs: python -m finegan_lib evaluate --checkpoint "
            f"{shlex.quote(str(name_or_file))} --data FOLDER.",
        )


def refuse_toybirds(name_or_file, *sources) -> None:
    """Refuse drawn birds for a network that was trained on photographs.

    Args:
        name_or_file: of the checkpoint.
        *sources: of the pictures that it is given; only the name "toybirds" can be refused.

    Raises:
        InputError: if one of them is "toybirds", and the checkpoint's run read a folder.
    """
    if "toybirds" not in map(str, sources):
        return
    data = _trained_on(name_or_file)
    if data != "toybirds":
        raise InputError(
            "a network of photographs has learnt nothing about drawn birds",
            seen=f"toybirds for {name_or_file}, trained on {data}",
            cure="Give photographs, or a checkpoint that was trained on ToyBirds, such as toy.",
        )


def _trained_on(name_or_file) -> str:
    """The data of a checkpoint's run: "toybirds", or a folder."""
    metadata = read_metadata(checkpoint_path(name_or_file))
    return RunConfig.from_dict(metadata.get("config", {})).loop.data


def averaged_weights(state: dict) -> dict:
    """The averaged generator's weights in a checkpoint's state: of a run, or exported."""
    known = isinstance(state, dict) and {"generator", "networks"} & state.keys()
    if not known or not all(isinstance(state[name], dict) for name in known):
        raise InputError(
            "this checkpoint holds no generator",
            seen=", ".join(map(str, state)) or "nothing" if isinstance(state, dict) else "no names",
            cure="Give the checkpoint of a run, or a file written by export.",
        )
    if "generator" in state:
        return state["generator"]
    prefix = "average."
    networks = state["networks"]
    return {k.removeprefix(prefix): v for k, v in networks.items() if k.startswith(prefix)}
