"""A slider under a figure of a lesson: move it, and the figure is drawn anew.

A lesson always draws a static figure of the same thing, too, for readers of a web page.
"""

import io

import matplotlib.pyplot as plt

from .playground import live


class Slider:
    """A slider, a picture and a sentence.

    Args:
        draw: value → figure.
        label: what the value is, with its unit.
        values: that the slider can stand at.
        start: where it stands at first; the middle one by default.

    ``box`` is the widget to display, ``slider`` and ``image`` its parts.
    """

    def __init__(self, draw, label: str, values, start=None):
        import ipywidgets as widgets

        values = list(values)
        self.draw = draw
        self.slider = widgets.SelectionSlider(
            options=values,
            value=values[len(values) // 2] if start is None else start,
            description=label,
            continuous_update=False,
            style={"description_width": "initial"},
            layout={"width": "32em"},
        )
        self.image = widgets.Image(format="png")
        self.box = widgets.VBox([self.slider, self.image])
        self.slider.observe(lambda _: self.update(), "value")
        self.update()

    def update(self) -> None:
        """Draw for the value that the slider stands at."""
        figure, file = self.draw(self.slider.value), io.BytesIO()
        figure.savefig(file, format="png", dpi=80, bbox_inches="tight")
        plt.close(figure)
        self.image.value = file.getvalue()
        # As wide as it was drawn: the front end would stretch it to the page.
        self.image.width = int.from_bytes(self.image.value[16:20], "big")  # of a PNG's header


def slide(draw, label: str, values, start=None) -> None:
    """Show a :class:`Slider`; nothing where there is no live front end to move it."""
    if live():
        from IPython.display import display

        display(Slider(draw, label, values, start).box)
