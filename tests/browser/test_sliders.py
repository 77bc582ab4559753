"""The sliders of the lessons in a real browser: a key moves each, and its figure changes.

Needs Chromium and websocket-client; run only with FINEGAN_BROWSER=1. Screenshots: runs/browser/.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from chromium import Page
from lab_server import CONNECTED, ON_DEMAND, PICTURE, PIXELS, SHOTS, exists, serve

pytestmark = ON_DEMAND
CELL = """from finegan_lib import course
from finegan_lib.course import sliders
from finegan_lib.data import ToyBirds

gan, start = course.lab("gan"), course.lab("start_here")
snapshots, _, _ = gan.ring_gan(steps=20, keep=[10])
birds = ToyBirds(60, image_size=32, seed=7, progress=False)
sliders.slide(gan.best_figure, "mean of the generator", [0.0, 1.5, 3.0], 0.0)
sliders.slide(lambda step: gan.ring_figure(snapshots, step), "step", sorted(snapshots), 10)
sliders.slide(lambda width: start.window_figure(birds, width), "width", [4, 8, 32], 4)"""


def test_a_key_moves_every_slider_and_its_figure_changes(tmp_path):
    with (
        serve(tmp_path, CELL) as address,
        Page(tmp_path / "page", on_failure=SHOTS / "failure.png") as page,
    ):
        page.open(address)
        page.wait_for(exists(".jp-Notebook .jp-CodeCell .cm-content"), 180)
        page.wait_for(CONNECTED, 120)  # a click before that is lost
        page.click("[title^='Run this cell']")
        page.wait_for(f"{PICTURE}.length == 3", 400)
        for i in range(3):
            before = page.wait_for(PIXELS % (PICTURE, i))
            page.value(f"document.querySelectorAll('.jp-OutputArea [role=slider]')[{i}].focus()")
            page.press("ArrowRight")
            page.wait_for(f"{PIXELS % (PICTURE, i)} != {before!r}", 60)
        page.screenshot(SHOTS / "sliders.png")
