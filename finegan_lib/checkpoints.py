"""Checkpoints that are written whole or not at all, verified when read, and hold no code.

A checkpoint is one safetensors file: the tensors of a nested state (dicts, lists, numbers, strings
and tensors), and in its header the state's skeleton and digests of both. Nothing is ever unpickled.
"""

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .errors import InputError

WEIGHTS = Path(__file__).parent / "weights"


def save_checkpoint(path, state, **metadata) -> Path:
    """Write a nested state to ``path``, atomically.

    The file appears under its name only when it is complete and on the disk: it is written beside
    it, synced and renamed, so that a kill at any moment leaves the old file or the new one.

    Args:
        path: the file; its folder is created.
        state: dicts, lists, tuples, tensors, numbers, strings, booleans and None, nested.
        metadata: further JSON values for the header; read back by :func:`read_metadata`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {}
    skeleton = _flatten(state, "", tensors)
    header = {"skeleton": json.dumps(skeleton), "metadata": json.dumps(metadata)}
    header |= {"header_sha256": _header_digest(header), "sha256": _digest(tensors)}
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        save_file(tensors, partial, metadata=header)
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def load_checkpoint(path) -> tuple[object, dict]:
    """(state, metadata) of a file written by :func:`save_checkpoint`; tensors on the CPU.

    Raises:
        InputError: if the file is missing, truncated, damaged or of another kind.
    """
    header, tensors = _read(path, with_tensors=True)
    if _digest(tensors) != header["sha256"]:
        raise _damaged(path, "its digest does not match its contents")
    try:
        return _unflatten(json.loads(header["skeleton"]), tensors), json.loads(header["metadata"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, f"its skeleton makes no sense: {error}") from error


def read_metadata(path) -> dict:
    """The metadata of a checkpoint, without reading its tensors.

    Raises:
        InputError: if the file is missing, of another kind, or its header is damaged.
    """
    return json.loads(_read(path, with_tensors=False)[0]["metadata"])


def checkpoint_path(name_or_file, run_subfolder: str = "checkpoints") -> Path:
    """Where a checkpoint lies: a shipped name ("toy"), a file, or a run's folder (its newest).

    Raises:
        InputError: if there is no such thing.
    """
    path = Path(name_or_file)
    if path.is_dir():
        found = sorted((path / run_subfolder).glob("step_*.safetensors"))
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
    except (SafetensorError, OSError) as error:
        raise _damaged(path, str(error)) from error
    if not {"skeleton", "metadata", "sha256"} <= header.keys():
        raise InputError(
            "this safetensors file is not a checkpoint of finegan_lib",
            seen=str(path),
            cure="Load files of the original authors with finegan_lib.models.official.",
        )
    if header.get("header_sha256") not in (None, _header_digest(header)):
        raise _damaged(path, "its digest does not match its header")
    return header, tensors


def _damaged(path, reason: str) -> InputError:
    return InputError(
        "this checkpoint cannot be read",
        seen=f"{path} ({reason})",
        cure="It is truncated, damaged or not a safetensors file: use an earlier one.",
    )
