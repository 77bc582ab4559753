"""Sliders that draw a picture anew: one kind of panel for all lessons.

``show_sliders`` shows the panel where there is a live front end (`playground.live`). Elsewhere, on
a web page say, it shows nothing: each lesson has a figure of a few positions beside it.
"""

from collections.abc import Callable

from torch import Tensor

from .playground import live, picture, say


class SliderPanel:
    """Sliders, the pictures that they make, and the same in a sentence.

    Args:
        sliders: name → (value at the start, least, most, step).
        draw: (name=value, …) → caption → image (3, S, S) in [-1, 1] or mask (1, S, S) in [0, 1].
        words: (name=value, …) → a sentence on the picture.
        columns: pictures in a row.

    Attributes:
        sliders: name → ``ipywidgets.FloatSlider``.
        image: the picture, an ``ipywidgets.Image``; sentence: below it; box: all of it.
    """

    def __init__(
        self,
        sliders: dict[str, tuple[float, float, float, float]],
        draw: Callable[..., dict[str, Tensor]],
        words: Callable[..., str],
        columns: int = 3,
    ):
        import ipywidgets as widgets

        self.draw, self.words, self.columns = draw, words, columns
        self.sliders = {
            name: widgets.FloatSlider(value, min=least, max=most, step=step, description=name)
            for name, (value, least, most, step) in sliders.items()
        }
        self.image, self.sentence = widgets.Image(format="png"), widgets.HTML()
        for slider in self.sliders.values():
            slider.observe(lambda _: self.update(), "value")
        self.box = widgets.VBox([*self.sliders.values(), self.image, self.sentence])
        self.update()

    def update(self) -> None:
        """Draw what the sliders say."""
        values = {name: slider.value for name, slider in self.sliders.items()}
        self.image.value = picture(self.draw(**values), self.columns)
        say(self.sentence, self.words(**values))


def show_sliders(sliders, draw, words, columns: int = 3) -> None:
    """Show a :class:`SliderPanel` of these, if somebody is there to move it."""
    if live():
        from IPython.display import display

        display(SliderPanel(sliders, draw, words, columns).box)
