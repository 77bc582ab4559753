"""The playground in JupyterLab, in a real browser: a key moves a slider, and the picture changes.

Needs Chromium (``apt-get install chromium``) and websocket-client, which JupyterLab brings along;
run only with FINEGAN_BROWSER=1. Screenshots: runs/browser/.
"""

import importlib.util
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

sys.path.insert(0, str(Path(__file__).parent))
from chromium import Page, find_chromium, stop, wait

ROOT = Path(__file__).resolve().parents[2]
SHOTS = ROOT / "runs" / "browser"
missing = [p for p in ("jupyterlab", "ipywidgets", "websocket") if not importlib.util.find_spec(p)]
if not find_chromium():
    missing.append("chromium")
pytestmark = [
    # Minutes on a busy machine, and nothing but a browser's start to wait for: on demand.
    pytest.mark.skipif(not os.environ.get("FINEGAN_BROWSER"), reason="set FINEGAN_BROWSER=1"),
    pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}"),
    pytest.mark.xdist_group("browser"),
]
CELL = """from finegan_lib.course import playground
from finegan_lib.training.pretrained import load_finegan

playground.play(load_finegan("toy"))"""
# Of the notebook, whether or not it has the focus: without a window system it may have none.
CONNECTED = """typeof jupyterapp !== 'undefined' && [...jupyterapp.shell.widgets('main')].some(
widget => widget.sessionContext?.session?.kernel?.connectionStatus === 'connected')"""
PICTURE = "document.querySelectorAll('.jp-OutputArea img.widget-image')"
PIXELS = """(() => {const i = %s[%d]; if (!i || !i.naturalWidth) return null;
const c = document.createElement('canvas'); c.width = i.naturalWidth; c.height = i.naturalHeight;
c.getContext('2d').drawImage(i, 0, 0); return c.toDataURL()})()"""


def exists(selector: str) -> str:
    return f"document.querySelector('{selector}') !== null"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab on an empty folder with one notebook."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = new_notebook(cells=[new_code_cell(CELL)])
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


def test_a_key_moves_a_slider_and_the_picture_changes(lab, tmp_path):
    with Page(tmp_path, on_failure=SHOTS / "failure.png") as page:
        page.open(lab)
        page.wait_for(exists(".jp-Notebook .jp-CodeCell .cm-content"), 180)
        page.wait_for(CONNECTED, 120)  # a click before that is lost
        page.click("[title^='Run this cell']")
        page.wait_for(f"{PICTURE}.length == 2", 400)
        before = page.wait_for(PIXELS % (PICTURE, 0))
        page.screenshot(SHOTS / "playground_before.png")

        page.value("document.querySelector('.jp-OutputArea [role=slider]').focus()")
        slider = "document.activeElement.getAttribute('aria-valuenow')"
        start = float(page.wait_for(slider))
        for _ in range(10):
            page.press("ArrowLeft" if start > 0 else "ArrowRight")
        page.wait_for(f"Math.abs({slider} - ({start})) > 0.5", 30)
        page.wait_for(f"{PIXELS % (PICTURE, 0)} != {before!r}", 60)
        page.screenshot(SHOTS / "playground_after.png")
        words = page.value("document.querySelector('.jp-OutputArea [role=status]').textContent")
        assert "c = 0" in words

        mixture = page.value(PIXELS % (PICTURE, 1))
        page.click(".jp-OutputArea button[title^='Exchange']")
        page.wait_for(f"{PIXELS % (PICTURE, 1)} != {mixture!r}", 60)
        page.value(f"{PICTURE}[1].scrollIntoView({{block: 'center'}})")
        page.screenshot(SHOTS / "mix.png")
