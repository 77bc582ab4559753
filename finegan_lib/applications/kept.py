"""Networks that are trained once for a checkpoint, and then kept.

Their files are named by a digest of the generator's weights. They are therefore found again if the
checkpoint gets another name, and never used for another checkpoint. The folder ``readers`` beside
the checkpoint is searched first, then the cache. New ones go to the cache.
"""

import dataclasses
import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path

from torch import nn

from ..base.checkpoints import Damaged, checkpoint_path, load_checkpoint, save_checkpoint
from ..base.errors import InputError
from ..base.files import cache_folder

FOLDER = "readers"


def fingerprint(generator: nn.Module) -> str:
    """16 hexadecimal digits that stand for a generator's weights."""
    digest = hashlib.sha256()
    for name, weight in sorted(generator.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def kept_name(generator: nn.Module, kind: str, config, seed: int) -> str:
    """The file of a kind of network: its name tells generator, kind, settings and seed apart."""
    settings = json.dumps([dataclasses.asdict(config), seed], sort_keys=True)
    settings = hashlib.sha256(settings.encode()).hexdigest()[:8]
    return f"{kind}_{fingerprint(generator)}_{settings}.safetensors"


def places(checkpoint) -> list[Path]:
    """The folders in which the networks of a checkpoint may lie, in the order of the search."""
    return [checkpoint_path(checkpoint).parent / FOLDER, cache_folder() / FOLDER]


def trained_once(
    checkpoint,
    generator: nn.Module,
    kind: str,
    config,
    build: Callable[[], nn.Module],
    train: Callable[[], nn.Module],
    *,
    seed: int = 0,
    keep=None,
) -> nn.Module:
    """A network for a generator, out of a file where there is one, else trained and kept.

    Args:
        checkpoint: name or file that the generator came from.
        generator: that it is for.
        kind: a word for the file's name, such as "encoder".
        config: a dataclass, all that the training depends on besides generator and seed.
        build: makes the network with any weights.
        train: makes it by training.
        seed: of the training.
        keep: folder for a network that has been trained; None: in the cache.

    Returns:
        The network in evaluation mode, its weights frozen.

    Warns:
        UserWarning: if a kept file is damaged (it is trained anew), or the new one cannot be kept.
    """
    name = kept_name(generator, kind, config, seed)
    folders = places(checkpoint) if keep is None else [Path(keep)]
    for folder in folders:
        path = folder / name
        if not path.is_file():
            continue
        try:
            network = build()
            network.load_state_dict(load_checkpoint(path)[0])
            return network.eval().requires_grad_(False)
        except (Damaged, RuntimeError, TypeError, AttributeError) as error:
            warnings.warn(f"{path} cannot be used ({error}); it is trained anew", stacklevel=2)
    network = train().eval().requires_grad_(False)
    path = (cache_folder() / FOLDER if keep is None else Path(keep)) / name
    try:
        save_checkpoint(path, network.state_dict(), kind=kind, config=dataclasses.asdict(config))
    except InputError as error:
        warnings.warn(f"the trained {kind} is not kept: {error}", stacklevel=2)
    return network
