"""Checkpoints that are written whole or not at all, verified when read, and hold no code.

A checkpoint is one safetensors file: the tensors of a nested state (dicts, lists, numbers, strings
and tensors), and in its header the state's skeleton and digests of both. Nothing is ever unpickled.
"""

import hashlib
import json
import os
import re
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .errors import InputError
from .files import WEIGHTS, disk_error

STEP_NAME = r"step_(\d{8,})\.safetensors"


class Damaged(InputError):
    """The bytes of a file differ from those of the checkpoint that was written."""


def save_checkpoint(path, state, **metadata) -> Path:
    """Write a nested state to ``path``, atomically.

    The file gets its name only when it is complete and on the disk: a temporary file beside it is
    written, synced and renamed. A kill at any moment leaves the old file or the new one.

    Args:
        path: the file; its folder is created.
        state: dicts, lists, tuples, tensors, numbers, strings, booleans and None, nested.
        metadata: further JSON values for the header; read back by :func:`read_metadata`.

    Raises:
        InputError: if the disk is full or cannot be written. Then nothing of the new file remains,
            and an old file is unchanged.
    """
    path = Path(path)
    tensors = {}
    skeleton = _flatten(state, "", tensors)
    header = {"skeleton": json.dumps(skeleton), "metadata": json.dumps(metadata)}
    header |= {"header_sha256": _header_digest(header), "sha256": _digest(tensors)}
    write_tensors(path, tensors, header)
    return path


def write_tensors(path, tensors: dict[str, Tensor], header: dict[str, str]) -> None:
    """Write tensors and a header to a safetensors file, whole or not at all.

    A temporary file beside it is written, synced and renamed. The folder is made.

    Raises:
        InputError: if the disk is full or cannot be written. Then nothing of the new file remains,
            and an old file is unchanged.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial, metadata=header)
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except (OSError, SafetensorError) as error:
        size = sum(tensor.nbytes for tensor in tensors.values())
        cure = "Free some space, or write to another disk; what was there is untouched."
        raise disk_error("write", path, error, needs=size, cure=cure) from error
    finally:
        _remove(partial)


def load_checkpoint(path) -> tuple[object, dict]:
    """(state, metadata) of a file written by :func:`save_checkpoint`; tensors on the CPU.

    Raises:
        InputError: if the file is missing or of another kind; `Damaged` if it is truncated or
            altered.
    """
    header, tensors = _read(path, with_tensors=True)
    if _digest(tensors) != header["sha256"]:
        raise _damaged(path, "its digest does not match its contents")
    try:
        state = _unflatten(json.loads(header["skeleton"]), tensors)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, f"its skeleton makes no sense: {error}") from error
    return state, _metadata(path, header)


def read_metadata(path) -> dict:
    """The metadata of a checkpoint, without reading its tensors.

    Raises:
        InputError: if the file is missing, of another kind, or its header is damaged.
    """
    return _metadata(path, _read(path, with_tensors=False)[0])


def run_checkpoints(folder) -> list[Path]:
    """The checkpoints that a run has written into a folder, by their step, the newest last.

    Only files with the names that a run gives are listed: ``best.safetensors`` is not.
    """
    named = [p for p in Path(folder).glob("step_*") if re.fullmatch(STEP_NAME, p.name)]
    return sorted(named, key=step_of)


def step_of(path: Path) -> int:
    """The step in the name of a run's checkpoint."""
    return int(re.fullmatch(STEP_NAME, path.name)[1])


def newest_intact(folder) -> tuple[Path, object, dict] | None:
    """(path, state, metadata) of a run's newest checkpoint that is whole; None if there is none.

    ``.damaged`` is added to the name of a damaged one, with a warning. Nothing is deleted.
    """
    for path in reversed(run_checkpoints(folder)):
        try:
            return path, *load_checkpoint(path)
        except Damaged as error:
            aside, more = path.with_name(f"{path.name}.damaged"), 1
            while aside.exists():
                more += 1
                aside = path.with_name(f"{path.name}.damaged{more}")
            path.rename(aside)
            warnings.warn(
                f"{error} It is now called {aside.name}; the one before it is tried.", stacklevel=2
            )
    return None


def checkpoint_path(name_or_file, run_subfolder: str = "checkpoints") -> Path:
    """The path of a checkpoint: of a shipped name ("toy"), a file, or a run's folder (its newest).

    Raises:
        InputError: if there is none.
    """
    path = Path(name_or_file)
    if path.is_dir():
        found = run_checkpoints(path / run_subfolder)
        if found:
            return found[-1]
    elif path.exists():
        return path
    shipped = WEIGHTS / f"{name_or_file}.safetensors"
    if shipped.exists():
        return shipped
    names = ", ".join(sorted(p.stem for p in WEIGHTS.glob("*.safetensors"))) or "none"
    raise InputError(
        "no such checkpoint",
        seen=str(name_or_file),
        cure=f"Give a .safetensors file, the folder of a run, or a shipped name ({names}).",
    )


def _flatten(node, path: str, tensors: dict[str, Tensor]):
    if isinstance(node, Tensor):
        while path in tensors:  # keys may hold a slash: "a/b" is not "b" in "a"
            path += "+"
        tensors[path] = node.detach().cpu().contiguous().clone()
        return {"tensor": path}
    if isinstance(node, dict):  # pairs, because JSON would turn an optimiser's int keys to strings
        pairs = [[key, _flatten(value, f"{path}/{key}", tensors)] for key, value in node.items()]
        return {"dict": pairs}
    if isinstance(node, list | tuple):
        return {"list": [_flatten(value, f"{path}/{i}", tensors) for i, value in enumerate(node)]}
    return {"value": node}


def _unflatten(node, tensors: dict[str, Tensor]):
    ((kind, value),) = node.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _unflatten(child, tensors) for key, child in value}
    if kind == "list":
        return [_unflatten(child, tensors) for child in value]
    return value


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _header_digest(header: dict) -> str:
    return hashlib.sha256((header["skeleton"] + header["metadata"]).encode()).hexdigest()


def _read(path, with_tensors: bool) -> tuple[dict, dict[str, Tensor]]:
    if not Path(path).is_file():
        raise InputError(
            "no such checkpoint file", seen=str(path), cure="Check the path for a typing error."
        )
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {k: file.get_tensor(k) for k in file.keys()} if with_tensors else {}  # noqa: SIM118
    except OSError as error:  # the file may be intact: no permission, no memory
        raise InputError(
            "this checkpoint cannot be read",
            seen=f"{path} ({error})",
            cure="Look at the file's permissions and at the disk.",
        ) from error
    except Exception as error:  # the reader's own errors, and those of kinds torch does not know
        raise _damaged(path, str(error)) from error
    if not {"skeleton", "metadata", "sha256"} <= header.keys():
        raise Damaged(
            "this safetensors file is not a checkpoint of finegan_lib",
            seen=str(path),
            cure="Load files of the original authors with finegan_lib.models.official.",
        )
    if header.get("header_sha256") not in (None, _header_digest(header)):
        raise _damaged(path, "its digest does not match its header")
    return header, tensors


def _metadata(path, header: dict) -> dict:
    try:
        metadata = json.loads(header["metadata"])
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its metadata make no sense: {error}") from error
    if not isinstance(metadata, dict):
        raise _damaged(path, "its metadata are not named")
    return metadata


def _sync_folder(folder: Path) -> None:
    """Write a folder's new names to the disk, so that they survive a power cut, where possible."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _remove(partial: Path) -> None:
    try:
        partial.unlink(missing_ok=True)
    except OSError:  # its folder could not even be made
        return


def _damaged(path, reason: str) -> Damaged:
    return Damaged(
        "this checkpoint cannot be read",
        seen=f"{path} ({reason})",
        cure="It is truncated, damaged or not a safetensors file: use an earlier one.",
    )
