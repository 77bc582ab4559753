"""Signs of a failing training, found in the losses and mask areas that every step reports.

========================  ======================================  ==========================
sign                      seen when                               the run
========================  ======================================  ==========================
not a number              a loss is NaN or infinite               stops at once
explosion                 a loss stays 1000 times as large        stops after 40 steps
                          as usual (and above 1000)
masks empty, masks full   the mean mask stays below 0.02          warns after 100 steps,
                          or above 0.98                           goes on
discriminator saturated   its loss stays below 0.02               warns after 100 steps,
                                                                  goes on
========================  ======================================  ==========================

A run with a warning may recover by itself (less noise, another phase), so the user decides. Its
last checkpoint from before the first sign is kept. The limits come from 34 healthy runs on
ToyBirds: no discriminator's loss stayed below 0.18 for 100 steps, every mask's mean stayed between
0.10 and 0.41, and no loss was above 5.
"""

import math
from collections import deque
from statistics import median
from typing import NamedTuple

from .. import families

LOOK_EVERY = 20  # steps; the values are copied from the device only then
EMPTY, FULL = 0.02, 0.98  # mean of a mask
SATURATED = 0.02  # a discriminator's loss: it is sure of all images, by either loss function
EXPLODED = 1000.0  # times the usual absolute value of a loss, or times 1 if that is smaller
LASTS = {"exploded": 40, "masks_empty": 100, "masks_full": 100, "saturated": 100}  # steps

STEADIER = (
    'a lower learning_rate, or adversarial="hinge" and spectral normalisation '
    '(norm="spectral", for a FineGAN child_norm="spectral")'
)
NOISE = ", noise on what it judges (d_noise=0.3)"
CURES = {
    "not_finite": STEADIER,
    "exploded": STEADIER,
    "masks_empty": "mask_area=5, which holds the masks' area in a range, or a higher mask_bias",
    "masks_full": "mask_area=5, which holds the masks' area in a range, or mask_bias=-0.5",
    "saturated": f"slower_d=0.5{NOISE}, or spectral normalisation "
    '(norm="spectral", for a FineGAN child_norm="spectral")',
}


class Symptom(NamedTuple):
    """``kind`` as in CURES; ``text`` in plain words; ``fatal``: the run cannot go on."""

    kind: str
    text: str
    fatal: bool

    def message(self, family: str) -> str:
        """The problem, and the likely cure."""
        row, cure = families.named(family), CURES[self.kind]
        if self.kind.startswith("masks"):
            cure = row.mask_cure or cure
        if "d_noise" in row.system.unused:
            cure = cure.replace(NOISE, "")
        return f"{self.text}. Likely cure: {cure}."


class Signs:
    """Looks at a run's values every LOOK_EVERY steps, and says when something lasts too long.

    Args:
        family: of the run; says which values are mask areas.
        healthy_step: of the last look at which nothing was wrong.
    """

    def __init__(self, family: str, healthy_step: int = 0):
        self.masks, self.healthy_step = families.named(family).masks, healthy_step
        self.present: list[str] = []  # kinds that have lasted, and were there at the last look
        self._since: dict[tuple[str, str], int] = {}  # (kind, name of the value) → first look
        self._told: set[str] = set()
        self._usual: dict[str, deque] = {}

    def due(self, step: int) -> bool:
        """Whether to look after this step."""
        return step % LOOK_EVERY == 0

    def look(self, step: int, values: dict[str, float]) -> list[Symptom]:
        """The signs that are new and have lasted: each kind once, but a fatal one every time.

        Args:
            step: number of steps done.
            values: losses and mask areas by name.
        """
        found = {}
        for name, value in values.items():
            for kind, text in self._signs(name, value):
                found[kind, name] = text
        self._since = {sign: self._since.get(sign, step) for sign in found}
        if not found:
            self.healthy_step = step
            for name, value in values.items():
                self._usual.setdefault(name, deque(maxlen=50)).append(abs(value))
        lasting = [
            (kind, text)
            for (kind, name), text in found.items()
            if step - self._since[kind, name] >= LASTS.get(kind, 0)
        ]
        self.present = sorted({kind for kind, _ in lasting})
        new = []
        for kind, text in lasting:
            fatal = kind in ("not_finite", "exploded")
            if fatal or kind not in self._told:
                new.append(Symptom(kind, text, fatal))
                self._told.add(kind)
        return new

    def _signs(self, name: str, value: float):
        if not math.isfinite(value):
            yield "not_finite", f"the loss {name} is {value}"
            return
        usual = max(1.0, median(self._usual.get(name) or [0.0]))
        if abs(value) > EXPLODED * usual:
            yield (
                "exploded",
                f"the loss {name} has grown to {value:.3g}, {EXPLODED:g} times and more",
            )
        mask = self.masks.get(name)
        if mask and value < EMPTY:
            yield (
                "masks_empty",
                f"the {mask} masks are empty (mean {value:.3f}), so nothing but background is seen",
            )
        if mask and value > FULL:
            yield (
                "masks_full",
                f"the {mask} masks fill the image (mean {value:.3f}), so no background is seen",
            )
        if (name == "D" or name.startswith("D_")) and 0 <= value < SATURATED:
            yield (
                "saturated",
                f"the discriminator {name} is sure of every image (loss {value:.3f}), so the "
                "generator learns next to nothing from it",
            )
