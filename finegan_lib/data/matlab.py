"""Matlab files of strangers.

scipy's reader is compiled code, which damaged files can bring down together with the process that
it runs in. Therefore it runs in a process of its own, and a crash there is an ordinary error here.
"""

import json
import subprocess
import sys
from pathlib import Path

from ..base.errors import InputError

CHILD = Path(__file__).with_name("matlab_child.py")
MOST_BYTES = 100 * 10**6
SECONDS = 300


def read_matlab(path) -> dict:
    """The variables of a ``.mat`` file (up to version 7) as plain lists, dicts, texts and numbers.

    Structs are dicts, struct and cell arrays lists; those of one element are that element.

    Raises:
        InputError: if the file is missing, damaged, too large, or crashes the reader.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        # -I: nothing from the environment or the current folder is imported.
        command = [sys.executable, "-I", str(CHILD), str(path.resolve())]
        child = subprocess.run(command, capture_output=True, timeout=SECONDS)
        if child.returncode:
            said = child.stderr.decode("utf-8", "replace").strip().splitlines()
            raise ValueError(said[-1] if said else f"the reader ended with {child.returncode}")
        return json.loads(child.stdout)
    except (OSError, ValueError, RecursionError, subprocess.TimeoutExpired) as error:
        raise InputError(f"cannot read {path}", seen=str(error), cure="Fetch it again.") from error
