"""Films the page that mixes birds for the README:

python tests/browser/make_gif.py                  # notebooks/playground.gif

Needs what tests/browser/test_page.py needs.
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from chromium import Page

from finegan_lib.course.page import build_page

FILE = Path(__file__).resolve().parents[2] / "notebooks" / "playground.gif"
WIDTH, HEIGHT = 900, 610  # of the window, pixels
SHOWN = 480  # pixels of the film's width
SETTLED = "document.querySelector('.playground').playground.shown"
# What is clicked, or how far the bird is dragged; and the seconds to look at what has become of it.
MOVES = [
    *((f"input[name=fg-c][value='{c}']", 0.9) for c in (6, 12)),
    *((f"input[name=fg-p][value='{p}']", 0.9) for p in (4, 2)),
    *((f"input[name=fg-b][value='{b}']", 0.9) for b in (7, 10)),
    *(((dx, dy), 0.15) for dx, dy in [(12, 5)] * 3 + [(-14, -6)] * 4),
    *(("[data-do=random]", 0.9) for _ in range(2)),
]


def film(page: Page, address: str) -> list[tuple[Image.Image, float]]:
    """Pictures of the page between the moves, and the seconds for each."""
    page.resize(WIDTH, HEIGHT)
    page.open(address)
    page.wait_for("document.querySelector('.playground')?.dataset.milliseconds", 120)
    page.value("document.querySelector('.fg-status').scrollIntoView()")
    frames = [(photograph(page), 1.2)]
    for move, seconds in MOVES:
        if isinstance(move, str):
            page.value(f'document.querySelector("{move}").click()')
        else:
            playground = "document.querySelector('.playground').playground"
            page.value(f"{playground}.move({move[0] / 320}, {move[1] / 320})")
        page.send("Runtime.evaluate", expression=SETTLED, awaitPromise=True)
        frames.append((photograph(page), seconds))
    return frames


def photograph(page: Page) -> Image.Image:
    """What the window shows, made smaller, in few colours."""
    image = Image.open(io.BytesIO(page.picture())).convert("RGB")
    size = (SHOWN, round(image.height * SHOWN / image.width))
    return image.resize(size, Image.Resampling.LANCZOS).quantize(64, dither=Image.Dither.NONE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--page", type=Path, help="a page that is built already")
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start, problem = (parsed.page or Path(folder) / "page").resolve() / "index.html", ""
        if not parsed.page:
            start, problem = build_page(start.parent)
        if problem:
            sys.exit(f"error: {problem}")
        with Page(Path(folder) / "profile") as page:
            frames = film(page, start.as_uri())
    first, *others = [image for image, _ in frames]
    durations = [round(1000 * seconds) for _, seconds in frames]
    first.save(parsed.out, save_all=True, append_images=others, duration=durations, loop=0)
    print(f"{parsed.out.name}: {len(frames)} pictures, {parsed.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
