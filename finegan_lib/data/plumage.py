"""The appearances of ToyBirds: every child is one plumage, painted onto its parent's silhouette.

All birds, and the backgrounds too, share one small palette. The two main colours of a plumage come
from a short list of pairs, and every pair is used both ways round by several parents: knowing
*which* colours are in a picture says little about the child; it matters *where* they are.
"""

from dataclasses import dataclass

import numpy as np

# Distinguishable under the common colour-vision deficiencies: they differ in lightness too.
PALETTE = {
    "charcoal": (54, 52, 62),
    "cream": (240, 231, 211),
    "brick": (187, 78, 48),
    "gold": (232, 176, 64),
    "blue": (52, 98, 160),
    "sky": (146, 194, 224),
    "teal": (40, 128, 116),
    "umber": (122, 84, 58),
}
RGB = {name: np.array(rgb, dtype=np.float32) / 255 for name, rgb in PALETTE.items()}

PAIRS = (
    ("brick", "cream"),
    ("blue", "gold"),
    ("charcoal", "sky"),
    ("teal", "cream"),
    ("umber", "gold"),
    ("brick", "sky"),
    ("charcoal", "cream"),
    ("teal", "gold"),
    ("blue", "cream"),
    ("charcoal", "gold"),
)
PATTERNS = ("plain", "striped", "spotted", "two-tone", "scaled", "hooded")
MARKS = ("bare", "capped", "masked", "collared")


@dataclass(frozen=True)
class Plumage:
    """One child's looks. Colours are names of ``PALETTE``.

    Attributes:
        main, second: the colour of the body, and of the pattern, wing and head mark.
        pattern: one of ``PATTERNS``.
        mark: what the head wears, one of ``MARKS``.
        belly, bar: colour of the belly and of the wing bar, or None.
        beak: colour of beak and legs.
    """

    main: str
    second: str
    pattern: str
    mark: str
    belly: str | None
    bar: str | None
    beak: str

    def __str__(self):
        mark = "" if self.mark == "bare" else f", {self.mark}"
        bar = f", {self.bar} wing bar" if self.bar else ""
        return f"{self.pattern}, {self.second} on {self.main}{mark}{bar}"


def plumages(hierarchy):
    """One plumage per child of a ``CodeHierarchy``, all different; a list.

    Siblings 0 and 1 wear the same two colours, swapped; so do 2 and 3, and so on. The
    neighbouring parent wears them too: again the other way round, and in the same patterns.
    """
    chosen = []
    for parent in range(hierarchy.n_parents):
        for sibling in range(len(hierarchy.children_of(parent))):
            chosen.append(_plumage(parent, sibling, taken=set(chosen)))
    # children_of lists each parent's children in increasing order; put them back in child order.
    order = [c for p in range(hierarchy.n_parents) for c in hierarchy.children_of(p)]
    return [plumage for _, plumage in sorted(zip(order, chosen, strict=True), key=lambda x: x[0])]


def _plumage(parent, sibling, taken):
    pair = PAIRS[(parent + sibling // 2) % len(PAIRS)]
    main, second = pair if (sibling + parent) % 2 == 0 else pair[::-1]
    # Steps of two keep together what contrasts: plain with striped, spotted with two-tone, ...
    pattern = (sibling + 2 * parent + 2 * (sibling // len(PATTERNS))) % len(PATTERNS)
    mark = (parent + sibling + sibling // 4) % len(MARKS)
    # Walk on from here until the combination is new; marks change first, then patterns.
    for step in range(len(MARKS) * len(PATTERNS) * 2):
        name = PATTERNS[(pattern + step // len(MARKS)) % len(PATTERNS)]
        has_bar = (sibling // 2 + parent + step // (len(MARKS) * len(PATTERNS))) % 2 == 0
        plumage = Plumage(
            main=main,
            second=second,
            pattern=name,
            mark=MARKS[(mark + step) % len(MARKS)],
            belly=_other(("cream", "gold", "sky"), pair) if (sibling + parent) % 3 == 1 else None,
            bar=_other(("cream", "charcoal", "gold"), pair) if has_bar else None,
            beak=_other((("gold", "brick", "charcoal")[(parent + sibling) % 3], "gold"), (main,)),
        )
        if plumage not in taken:
            return plumage
    raise AssertionError("more children than there are plumages")  # hierarchy limits keep us below


def _other(wanted, used):
    """The first wanted colour that is not in use."""
    return next((colour for colour in wanted if colour not in used), "charcoal")


# ---------------------------------------------------------------------------- painting


def paint(bird, plumage, x, y, pixel):
    """Draws one kind of bird at given points.

    Args:
        bird: a ``Silhouette``.
        plumage: a ``Plumage``.
        x, y: (N, H, W) float32 canonical coordinates of the pixel centres.
        pixel: (N, 1, 1) float32, a pixel's side in canonical units; edges are this soft.

    Returns:
        colour: (N, 3, H, W) float32 in [0, 1], also defined outside the bird.
        coverage: (N, H, W) float32 in [0, 1], the part of each pixel that the bird covers.
    """

    def inside(distance):
        return np.clip(np.float32(0.5) - distance / pixel, 0, 1)

    parts = bird.parts(x, y)
    wing = inside(parts["wing"])
    trunk_x, trunk_y, angle = bird.trunk
    cos, sin = np.float32(np.cos(np.deg2rad(angle))), np.float32(np.sin(np.deg2rad(angle)))
    dx, dy = x - np.float32(trunk_x), y - np.float32(trunk_y)
    along, across = dx * cos - dy * sin, dx * sin + dy * cos  # towards the head, the belly
    head_x, head_y, head_radius = bird.head
    from_head = np.hypot(x - np.float32(head_x), y - np.float32(head_y))

    amount = _pattern(plumage.pattern, bird, along, across, from_head, wing, inside)
    head = inside(from_head - np.float32(1.08 * head_radius))
    _, eye_y, eye_radius = bird.eyes[0]
    if plumage.mark == "capped":
        amount = _blend(amount, 1 - amount, head * inside(y - np.float32(eye_y - 0.4 * eye_radius)))
    elif plumage.mark == "masked":
        band = np.abs(y - np.float32(eye_y)) - np.float32(1.5 * eye_radius)
        amount = _blend(amount, 1 - amount, head * inside(band))
    elif plumage.mark == "collared":
        ring = np.abs(from_head - np.float32(1.2 * head_radius)) - np.float32(0.22 * head_radius)
        amount = _blend(amount, 1 - amount, inside(ring) * (1 - wing))

    colour = mix(RGB[plumage.main], RGB[plumage.second], amount)
    if plumage.belly:
        girth = np.float32(0.10)
        belly = inside(girth - across) * (1 - wing) * (1 - head)
        colour = over(colour, RGB[plumage.belly], belly)
    if plumage.bar:
        colour = over(colour, RGB[plumage.bar], wing * inside(_bar(bird, x, y, along)))
    crease = wing * inside(np.float32(-0.05) - parts["wing"]) * inside(parts["body"])
    light = 1 - np.float32(0.3) * crease

    beak = RGB[plumage.beak]
    if parts.get("legs") is not None:
        legs = inside(parts["legs"]) * (1 - inside(parts["body"]))
        colour = over(colour, beak, legs)
    for eye in bird.eyes:
        colour = _draw_eye(colour, eye, x, y, inside)
    colour = over(colour, beak, inside(parts["beak"]) * (1 - head * np.float32(0.5)))

    edge = np.minimum.reduce(list(parts.values()))
    # Light falls from above; a thin darker line follows the outline.
    light -= np.float32(0.16) * np.clip(across, -0.5, 0.5)
    light -= np.float32(0.45) * np.clip(1 + edge / np.float32(0.07), 0, 1)
    colour *= light[:, None]
    return np.clip(colour, 0, 1), inside(edge)


def _pattern(name, bird, along, across, from_head, wing, inside):
    """How much of the second colour each point gets: (N, H, W) in [0, 1]."""
    unit = bird.frame[2] / 2  # patterns are as coarse on a small bird as on a large one
    if name == "plain":
        return wing
    if name == "striped":
        # A triangle wave is a signed distance to the stripes' edges, so they stay sharp.
        period = np.float32(0.40 * unit)
        phase = (along + np.float32(0.25) * across * across) / period
        wave = np.abs(phase - np.floor(phase) - np.float32(0.5)) - np.float32(0.25)
        return inside(wave * period)
    if name == "spotted":
        lattices = _staggered(along, across, period=0.36 * unit, rows=0.29 * unit)
        nearest = np.minimum(*(np.hypot(u, v) for u, v in lattices))
        return inside(nearest - np.float32(0.115 * unit))
    if name == "scaled":
        # Like roof tiles: half circles as wide as they are far apart, each row half a tile on.
        radius = np.float32(0.23 * unit)
        lattices = _staggered(along, across, period=2 * radius, rows=radius)
        arcs = [
            np.maximum(np.abs(np.hypot(u, v) - radius), -v) - np.float32(0.055 * unit)
            for u, v in lattices
        ]
        return inside(np.minimum(*arcs))
    if name == "two-tone":
        return inside(along - np.float32(0.08))
    hood = inside(from_head - np.float32(1.45 * bird.head[2]))
    return np.maximum(hood, inside(along + np.float32(0.42)))


def _staggered(u, v, period, rows):
    """Offsets (u, v) to the nearest point of either half of a staggered lattice.

    Points are ``period`` apart along u; neighbouring rows, ``rows`` apart, are moved by half of it.
    """
    for shift in (np.float32(0), np.float32(0.5)):
        du, dv = u / np.float32(period) - shift, v / np.float32(2 * rows) - shift
        yield (du - np.round(du)) * np.float32(period), (dv - np.round(dv)) * np.float32(2 * rows)


def _bar(bird, x, y, along):
    """Signed distance to the wing bar: a band across the wing."""
    if bird.flying:
        return np.abs(np.abs(y) - np.float32(0.5)) - np.float32(0.09)
    return np.abs(along + np.float32(0.14)) - np.float32(0.08)


def _draw_eye(colour, eye, x, y, inside):
    eye_x, eye_y, radius = (np.float32(value) for value in eye)
    distance = np.hypot(x - eye_x, y - eye_y)
    black = np.float32((0.08, 0.07, 0.10))
    colour = over(colour, RGB["cream"], inside(distance - radius * np.float32(1.25)))
    colour = over(colour, black, inside(distance - radius * np.float32(0.8)))
    glint = np.hypot(x - eye_x - radius * np.float32(0.3), y - eye_y + radius * np.float32(0.3))
    return over(colour, np.float32((1, 1, 1)), inside(glint - radius * np.float32(0.28)))


def _blend(a, b, weight):
    return a + (b - a) * weight


def mix(first, second, weight):
    """From one colour (3,) to another (3,) by a weight (N, H, W): (N, 3, H, W)."""
    return first[:, None, None] + (second - first)[:, None, None] * weight[:, None]


def over(picture, colour, weight):
    """A colour (3,) laid over a picture (N, 3, H, W) with opacity ``weight`` (N, H, W)."""
    return picture + (colour[:, None, None] - picture) * weight[:, None]
