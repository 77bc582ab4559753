"""Play with a FineGAN: choose b, p, c and z, see every stage; mix two birds.

``play(generator)`` shows widgets where there is a live front end (JupyterLab, Notebook, Colab) and
a plain figure where there is none: without ipywidgets, outside of a notebook, and when notebooks
are run to be stored or tested (the environment variables FINEGAN_STATIC and CI say so).

Every change draws one picture anew, a PNG without matplotlib: that keeps an update under a tenth of
a second.
"""

import io
import os
from functools import cache
from importlib.util import find_spec

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..applications import mix
from ..codes import Codes
from ..figures import generate, image_figure, noise, spread
from ..models import FineGANGenerator, FineGANOutput

TILE = 160  # side of an enlarged image, in screen pixels, or the next whole multiple of its own
CAPTION = 20  # height of a caption, in screen pixels
GAP = 8  # between tiles
SLIDERS = 4  # at most so many numbers of z get a slider


# ------------------------------------------------------------------------------------ pictures


def stage_tiles(output: FineGANOutput) -> dict[str, Tensor]:
    """The six pictures of one image's making by their captions, in reading order."""
    return {
        "1  background": output.background.image[0],
        "2  parent mask": output.parent.mask[0],
        "3  parent": output.parent.image[0],
        "4  child mask": output.child.mask[0],
        "5  masked child": output.child.masked_foreground[0],
        "6  child: finished": output.child.image[0],
    }


def picture(tiles: dict[str, Tensor], columns: int = 3) -> bytes:
    """A PNG of tiles under their captions, every pixel of theirs an even square.

    Args:
        tiles: caption → image (3, S, S) in [-1, 1] or mask (1, S, S) in [0, 1].
        columns: tiles in a row.
    """
    images = [_tile(image) for image in tiles.values()]
    side = images[0].width
    rows = -(-len(images) // columns)
    size = (columns * (side + GAP) - GAP, rows * (side + CAPTION + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for i, (caption, image) in enumerate(zip(tiles, images, strict=True)):
        x, y = i % columns * (side + GAP), i // columns * (side + CAPTION + GAP)
        pen.text((x, y + CAPTION / 2), caption, fill="black", font=_font(), anchor="lm")
        sheet.paste(image, (x, y + CAPTION))
    file = io.BytesIO()
    sheet.save(file, "PNG", compress_level=1)  # speed before size
    return file.getvalue()


def _tile(image: Tensor) -> Image.Image:
    """One image, enlarged by a whole factor."""
    image = image.detach().float().cpu()
    image = image.expand(3, -1, -1) if len(image) == 1 else image / 2 + 0.5
    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    factor = -(-TILE // pixels.shape[0])
    return Image.fromarray(pixels).resize((factor * pixels.shape[1],) * 2, Image.Resampling.NEAREST)


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(findfont("DejaVu Sans"), 13)  # comes with matplotlib


# ------------------------------------------------------------------------------------ widgets


class CodePanel:
    """Dropdowns for c, p and b, ties between them, sliders for z, and the six stages.

    Args:
        generator: whose codes are chosen.
        seed: of the first z; "new z" takes the next one.

    Attributes:
        c, p, b: dropdowns.
        p_follows, b_follows: checkboxes; ticked: p is the parent of c, b = c.
        sliders: for the first numbers of z; the others stay as "new z" made them.
        new_z: button.
        image: the picture, an ``ipywidgets.Image``.
        words: the same in a sentence, for screen readers and everybody.
        box: all of it.
    """

    def __init__(self, generator: FineGANGenerator, seed: int = 0):
        import ipywidgets as widgets

        config = generator.config
        self.generator, self.hierarchy, self.seed = generator, config.hierarchy(), seed
        self.c = _dropdown("c (child)", config.n_children)
        self.p = _dropdown("p (parent)", config.n_parents)
        self.b = _dropdown("b (background)", config.n_children)
        self.p_follows = widgets.Checkbox(True, description="p follows c", indent=False)
        self.b_follows = widgets.Checkbox(True, description="b follows c", indent=False)
        self.sliders = [
            widgets.FloatSlider(0, min=-3, max=3, step=0.1, description=f"z[{i}]")
            for i in range(min(SLIDERS, config.z_dim))
        ]
        self.new_z = _button("new z", "Sample another z")
        self.image, self.words = widgets.Image(format="png"), _words()
        self._quiet = False
        self._sample_z()
        for control in (self.c, self.p, self.b, self.p_follows, self.b_follows, *self.sliders):
            control.observe(self._changed, "value")
        self.new_z.on_click(self._another_z)
        kinds = widgets.VBox([self.c, self.p, self.p_follows, self.b, self.b_follows])
        numbers = widgets.VBox([*self.sliders, self.new_z])
        self.box = widgets.VBox([widgets.HBox([kinds, numbers]), self.image, self.words])
        self.update()

    def codes(self) -> Codes:
        """What is chosen, a batch of one."""
        z = self.z.clone()
        z[0, : len(self.sliders)] = torch.tensor([slider.value for slider in self.sliders])
        return self.hierarchy.codes(z, self.c.value, p_index=self.p.value, b_index=self.b.value)

    def update(self) -> None:
        """Let p and b follow if they are tied, and draw."""
        self._quiet = True
        for tie, code, index in (
            (self.p_follows, self.p, int(self.hierarchy.parent_of[self.c.value])),
            (self.b_follows, self.b, self.c.value),
        ):
            code.disabled = tie.value
            if tie.value:
                code.value = index
        self._quiet = False
        self.image.value = picture(stage_tiles(generate(self.generator, self.codes())))
        z = ", ".join(f"{slider.value:.1f}" for slider in self.sliders)
        _say(
            self.words,
            f"Six stages of one bird: c = {self.c.value}, p = {self.p.value}, b = {self.b.value}, "
            f"z = ({z}{', …' if self.z.shape[1] > len(self.sliders) else ''}).",
        )

    def _changed(self, _) -> None:
        if not self._quiet:
            self.update()

    def _sample_z(self) -> None:
        self.z = noise(self.generator, 1, self.seed).clamp(-3, 3)
        for slider, number in zip(self.sliders, self.z[0].tolist(), strict=False):
            slider.value = round(number, 1)

    def _another_z(self, _) -> None:
        self.seed += 1
        self._quiet = True
        self._sample_z()
        self.update()


class MixPanel:
    """Two birds and their mixture: shape and pose of the first, appearance of the second.

    Attributes:
        new_first, new_second: buttons that draw another bird (tied codes).
        swap: button that exchanges the two.
        background: toggle buttons, "first" or "second": whose background the mixture gets.
        image, words, box: as in `CodePanel`.
    """

    def __init__(self, generator: FineGANGenerator, seed: int = 0):
        import ipywidgets as widgets

        self.generator, self.seed = generator, seed
        self.birds = [self._another(), self._another()]
        self.new_first = _button("new first bird", "Sample another first bird")
        self.new_second = _button("new second bird", "Sample another second bird")
        self.swap = _button("swap them", "Exchange the first and the second bird")
        self.background = widgets.ToggleButtons(
            options=["first", "second"],
            description="background of the",
            style={"description_width": "initial"},
        )
        self.image, self.words = widgets.Image(format="png"), _words()
        self.new_first.on_click(lambda _: self._renew(0))
        self.new_second.on_click(lambda _: self._renew(1))
        self.swap.on_click(lambda _: self._swap())
        self.background.observe(lambda _: self.update(), "value")
        buttons = widgets.HBox([self.new_first, self.new_second, self.swap])
        self.box = widgets.VBox([buttons, self.background, self.image, self.words])
        self.update()

    def update(self) -> None:
        """Draw the two birds and their mixture."""
        first, second = self.birds
        behind = first if self.background.value == "first" else second
        mixture = mix(self.generator, first, second, behind).child.image[0]
        tiles = {
            "first: gives the shape": generate(self.generator, first).child.image[0],
            "second: the appearance": generate(self.generator, second).child.image[0],
            "their mixture": mixture,
        }
        self.image.value = picture(tiles)
        _say(
            self.words,
            f"Shape and pose of the first bird (p = {int(first.p_index)}), appearance of the "
            f"second (c = {int(second.c_index)}), background of the {self.background.value} "
            f"(b = {int(behind.b_index)}).",
        )

    def _another(self) -> Codes:
        self.seed += 1
        config = self.generator.config
        rng = torch.Generator().manual_seed(self.seed)
        return config.hierarchy().sample(1, config.z_dim, rng=rng)

    def _renew(self, which: int) -> None:
        self.birds[which] = self._another()
        self.update()

    def _swap(self) -> None:
        self.birds.reverse()
        self.update()


def _dropdown(description: str, n: int):
    import ipywidgets as widgets

    return widgets.Dropdown(
        options=list(range(n)), description=description, style={"description_width": "8.5em"}
    )


def _button(description: str, tooltip: str):
    import ipywidgets as widgets

    return widgets.Button(description=description, tooltip=tooltip)


def _words():
    import ipywidgets as widgets

    return widgets.HTML()


def _say(words, sentence: str) -> None:
    """Put a sentence below a picture, where screen readers announce it.

    Not into its tooltip: ipywidgets 8 cannot show an image that has one.
    """
    words.value = f'<span role="status" aria-live="polite">{sentence}</span>'


# ------------------------------------------------------------------------------------ showing


def live() -> bool:
    """True if widgets can be shown and used: ipywidgets is there, and somebody at a front end."""
    if os.environ.get("FINEGAN_STATIC") or os.environ.get("CI"):
        return False
    if not (find_spec("ipywidgets") and find_spec("IPython")):
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def play(generator: FineGANGenerator, seed: int = 0) -> None:
    """Show the playground: two panels of widgets, or a figure where there is no live front end."""
    if not live():
        static_figure(generator, seed)
        plt.show()
        return
    import ipywidgets as widgets
    from IPython.display import display

    panels = {"Choose the codes": CodePanel(generator, seed), "Mix two birds": MixPanel(generator)}
    for title, panel in panels.items():
        display(widgets.VBox([widgets.HTML(f"<h3>{title}</h3>"), panel.box]))


def static_figure(generator: FineGANGenerator, seed: int = 0) -> Figure:
    """What the playground shows at its start and after a few moves, in one figure.

    From row to row one more code changes: first c alone (p and b follow), then p, then b, then z.
    """
    hierarchy = generator.config.hierarchy()
    first, *_, last = spread(hierarchy.n_children, 4)
    z, another = noise(generator, 1, seed), noise(generator, 1, seed + 1)
    parent = int(hierarchy.parent_of[first])
    moves = {
        f"c={first},\ntied": hierarchy.codes(z, first),
        f"c={last},\ntied": hierarchy.codes(z, last),
        f"p={parent}": hierarchy.codes(z, last, p_index=parent),
        f"b={first}": hierarchy.codes(z, last, p_index=parent, b_index=first),
        "new z": hierarchy.codes(another, last, p_index=parent, b_index=first),
    }
    tiles = [stage_tiles(generate(generator, codes)) for codes in moves.values()]
    captions = [caption.partition("  ")[2].partition(":")[0] for caption in tiles[0]]
    title = "The playground standing still: one move from row to row"
    return image_figure([list(t.values()) for t in tiles], list(moves), captions, title)
