"""The playground in JupyterLab, in a real browser: a key moves a slider, and the picture changes.

Needs Chromium (``apt-get install chromium``) and websocket-client, which JupyterLab brings along;
run only with FINEGAN_BROWSER=1. Screenshots: runs/browser/.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from chromium import Page
from lab_server import CONNECTED, ON_DEMAND, PICTURE, PIXELS, SHOTS, exists, serve

pytestmark = ON_DEMAND
CELL = """from finegan_lib.course import playground
from finegan_lib.training.pretrained import load_finegan

playground.play(load_finegan("toy"))"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab whose notebook shows the playground."""
    with serve(tmp_path_factory.mktemp("lab"), CELL) as address:
        yield address


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
