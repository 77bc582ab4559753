"""Small files of values that a run or a command wrote earlier, read with care."""

import json
from pathlib import Path

from .errors import InputError


def read_json(path, *keys: str) -> dict:
    """The JSON object in a file.

    Args:
        path: the file.
        keys: that it must have.

    Raises:
        InputError: if it cannot be read, is no JSON object, or lacks a key.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError(f"a {type(values).__name__}, not an object")
        if missing := [key for key in keys if key not in values]:
            raise ValueError(f"without {missing[0]!r}")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            "this file of results cannot be read",
            seen=f"{path} ({error})",
            cure="Move it away; what it held is then made again.",
        ) from error
    return values
