"""JupyterLab for the browser's tests: a server with one notebook, and what is looked at in it."""

import os
import secrets
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import nbformat
from chromium import stop, wait
from nbformat.v4 import new_code_cell, new_notebook
from on_demand import on_demand

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "runs" / "browser"
ON_DEMAND = on_demand(("jupyterlab", "ipywidgets", "websocket"))
# Of the notebook, whether or not it has the focus: without a window system it may have none.
CONNECTED = """typeof jupyterapp !== 'undefined' && [...jupyterapp.shell.widgets('main')].some(
widget => widget.sessionContext?.session?.kernel?.connectionStatus === 'connected')"""
PICTURE = "document.querySelectorAll('.jp-OutputArea img.widget-image')"
PIXELS = """(() => {const i = %s[%d]; if (!i || !i.naturalWidth) return null;
const c = document.createElement('canvas'); c.width = i.naturalWidth; c.height = i.naturalHeight;
c.getContext('2d').drawImage(i, 0, 0); return c.toDataURL()})()"""


def exists(selector: str) -> str:
    return f"document.querySelector('{selector}') !== null"


@contextmanager
def serve(folder: Path, code: str):
    """The address of a JupyterLab on an empty folder with a notebook of one cell."""
    notebook = new_notebook(cells=[new_code_cell(code)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "play.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(8)
    quiet = ("CI", "FINEGAN_STATIC", "MPLBACKEND")  # somebody *is* looking
    environment = {k: v for k, v in os.environ.items() if k not in quiet}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment |= {f"JUPYTER_{k}_DIR": str(folder / k) for k in ("CONFIG", "DATA", "RUNTIME")}
    options = [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}"]
    options += [f"--ServerApp.root_dir={folder}", "--ServerApp.allow_root=True", "--no-browser"]
    options += ["--LabApp.expose_app_in_browser=True"]  # as the page's variable jupyterapp
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait(lambda: socket.create_connection(("127.0.0.1", port), 1).close() or True, "lab", 120)
        yield f"http://127.0.0.1:{port}/lab/tree/play.ipynb?token={token}"
    finally:
        stop(server)
