"""The sliders of the lessons in a real browser: a key moves each, and its figure changes.

Needs Chromium and websocket-client; run only with FINEGAN_BROWSER=1. Screenshots: runs/browser/.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from chromium import Page
from lab_server import CONNECTED, ON_DEMAND, PICTURE, PIXELS, SHOTS, exists, serve

pytestmark = ON_DEMAND
CELL = """import torch
from finegan_lib import course
from finegan_lib.course import sliders
from finegan_lib.data import ToyBirds
from finegan_lib.models.blocks import PatchGeometry
from finegan_lib.scoring.quality import FeatureSums

names = "gan", "start_here", "background", "parent", "image_quality"
gan, start, background, parent, quality = map(course.lab, names)
snapshots, _, _ = gan.ring_gan(steps=20, keep=[10])
birds = ToyBirds(60, image_size=32, seed=7, progress=False)
picture, patches = torch.zeros(3, 32, 32), PatchGeometry(14, 2, 10)
stage = torch.full((2, 3, 8, 8), 0.6), torch.ones(2, 1, 8, 8), torch.zeros(2, 3, 8, 8)
real, *others = torch.randn(3, 200, 8)
real, sets = FeatureSums.of(real), dict(zip(("other", "drawn"), others))
sliders.slide(gan.best_figure, "mean of the generator", [0.0, 1.5, 3.0], 0.0)
sliders.slide(lambda step: gan.ring_figure(snapshots, step), "step", sorted(snapshots), 10)
sliders.slide(lambda width: start.window_figure(birds, width), "width", [4, 8, 32], 4)
sliders.slide(lambda x: background.box_figure(picture, patches, x), "left edge", [0, 8, 24], 0)
sliders.slide(lambda a: parent.opacity_figure(*stage, a), "opacity", [0.0, 0.5, 1.0], 0.0)
sliders.slide(lambda n: quality.fid_figure(real, sets, n), "pictures", [20, 50, 200], 20)"""
N_SLIDERS = CELL.count("sliders.slide(")


def test_a_key_moves_every_slider_and_its_figure_changes(tmp_path):
    with (
        serve(tmp_path, CELL) as address,
        Page(tmp_path / "page", on_failure=SHOTS / "failure.png") as page,
    ):
        page.open(address)
        page.wait_for(exists(".jp-Notebook .jp-CodeCell .cm-content"), 180)
        page.wait_for(CONNECTED, 120)  # a click before that is lost
        page.click("[title^='Run this cell']")
        page.wait_for(f"{PICTURE}.length == {N_SLIDERS}", 400)
        for i in range(N_SLIDERS):
            before = page.wait_for(PIXELS % (PICTURE, i))
            page.value(f"document.querySelectorAll('.jp-OutputArea [role=slider]')[{i}].focus()")
            page.press("ArrowRight")
            page.wait_for(f"{PIXELS % (PICTURE, i)} != {before!r}", 60)
        page.screenshot(SHOTS / "sliders.png")
