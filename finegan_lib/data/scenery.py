"""The backgrounds of ToyBirds: ten textured families, each picture of a family a little different.

A background is a function of world coordinates (x to the right, y down, the scene is the unit
square): any window of it can be drawn at any resolution. Its colours are those of the birds.
:func:`to_world` and :func:`to_bird` turn a bird's own coordinates into these, and back.
"""

import numpy as np

from .plumage import RGB, mix, over

N_RANDOM = 24  # uniform random numbers that one background may use


def paint_background(family, x, y, r):
    """Draws one family of backgrounds.

    Args:
        family: index into ``FAMILIES``.
        x, y: float32 world coordinates, broadcastable to (N, H, W).
        r: (N, N_RANDOM) float32 in [0, 1): what varies within the family.

    Returns:
        (N, 3, H, W) float32 in [0, 1].
    """
    x, y = np.broadcast_arrays(x, y)
    r = r[:, :, None, None]
    colour = FAMILIES[family][1](x, y, r)
    light = 1 + np.float32(0.24) * (r[:, 0] - np.float32(0.5))
    return np.clip(colour * light[:, None], 0, 1)


def _noise(x, y, r, scale, first=4):
    """Smooth noise of about unit amplitude: three plane waves that shift each other's phases."""
    two_pi = np.float32(2 * np.pi)
    f = np.float32(two_pi * scale)
    a = np.sin(f * (x * 0.9 + y * 0.4) + two_pi * r[:, first])
    b = np.sin(f * (y * 1.1 - x * 0.5) + two_pi * r[:, first + 1] + a)
    c = np.sin(f * 1.9 * (x * 0.6 + y * 0.7) + two_pi * r[:, first + 2] + b)
    return (a + b + c * np.float32(0.6)) * np.float32(0.5)


def _step(value, softness):
    return np.clip(value / np.float32(softness) + np.float32(0.5), 0, 1)


def _sky(x, y, r):
    colour = mix(RGB["blue"] * 0.5 + RGB["sky"] * 0.5, RGB["sky"], y + 0.2)
    cloud = _noise(x, y * np.float32(2.2), r, 1.3)
    return over(colour, RGB["cream"] * 0.6 + 0.4, _step(cloud - 0.25, 0.5) * np.float32(0.9))


def _foliage(x, y, r):
    leaves = _noise(x, y, r, 3.2)
    fine = _noise(y, x, r, 5.5, first=8)
    light = RGB["teal"] * 0.65 + RGB["gold"] * 0.35
    colour = mix(RGB["teal"] * 0.75, light, _step(leaves, 0.5))
    return over(colour, RGB["charcoal"], _step(fine - 0.55, 0.4) * np.float32(0.7))


def _water(x, y, r):
    swell = np.sin(np.float32(9) * x + np.float32(6.3) * r[:, 5] + np.sin(np.float32(7) * y))
    ripple = np.sin(np.float32(2 * np.pi * 8) * (y + np.float32(0.022) * swell) + 6 * r[:, 6])
    deep = (RGB["teal"] + RGB["blue"]) * 0.5
    colour = mix(RGB["blue"], deep, np.clip(y * r[:, 7] * 1.5, 0, 1))
    return over(colour, RGB["sky"], _step(ripple - 0.35, 0.7) * np.float32(0.8))


def _sand(x, y, r):
    bend = _noise(x, y, r, 0.8)
    ridge = np.sin(np.float32(2 * np.pi * 5) * (y + (r[:, 8] - 0.5) * x) + np.float32(1.6) * bend)
    bright = RGB["gold"] * 0.55 + RGB["cream"] * 0.45
    dark = RGB["gold"] * 0.65 + RGB["umber"] * 0.35
    return mix(bright, dark, ridge * 0.5 + 0.5)


def _branches(x, y, r):
    haze = RGB["sky"] * 0.6 + RGB["cream"] * 0.4
    colour = mix(RGB["cream"], haze, _step(_noise(x, y, r, 1.0), 1.6))
    for k in range(4):
        slope = (r[:, 8 + k] - 0.5) * np.float32(1.6)
        bow = np.float32(0.04) * np.sin(np.float32(7) * x + 6 * r[:, 12 + k])
        height = np.float32(0.12 + 0.25 * k) + np.float32(0.14) * r[:, 16 + k]
        distance = np.abs(y - height - slope * (x - 0.5) - bow)
        thick = np.float32(0.012) + np.float32(0.022) * r[:, 20 + k]
        colour = over(colour, RGB["umber"], _step(thick - distance, 0.014))
    return colour


def _reeds(x, y, r):
    haze = RGB["cream"] * 0.7 + RGB["sky"] * 0.3
    colour = mix(haze, RGB["teal"] * 0.5 + RGB["cream"] * 0.5, y)
    for k, name in enumerate(("teal", "umber", "gold")):
        lean = (r[:, 8 + k] - 0.5) * np.float32(0.5)
        bent = x + lean * (1 - y) * (1 - y)
        wave = np.sin(np.float32(2 * np.pi * (4.2 + k)) * bent + 6.3 * r[:, 5 + k])
        colour = over(colour, RGB[name], _step(wave - 0.62, 0.35))
    return colour


def _rocks(x, y, r):
    nearest = second = None
    for k in range(10):  # the borders of ten Voronoi cells are the cracks
        px = np.float32(((k * 0.618) % 1) * 1.0) + np.float32(0.22) * (r[:, 4 + k] - 0.5)
        py = np.float32((k + 0.5) / 10) + np.float32(0.22) * (r[:, 14 + (k * 7) % 10] - 0.5)
        distance = np.hypot(x - px, (y - py) * np.float32(1.3))
        if nearest is None:
            nearest, second = distance, np.full_like(distance, 9)
        else:
            second = np.minimum(second, np.maximum(nearest, distance))
            nearest = np.minimum(nearest, distance)
    stone = RGB["charcoal"] * 0.45 + RGB["cream"] * 0.45
    colour = mix(stone * 1.12, stone * 0.7, np.clip(nearest * 3.2, 0, 1))
    return over(colour, RGB["charcoal"] * 0.8, _step(0.028 - (second - nearest), 0.025))


def _sunset(x, y, r):
    colour = mix(RGB["brick"] * 0.8 + RGB["gold"] * 0.2, RGB["gold"], np.clip(y * 1.3, 0, 1))
    colour = over(colour, RGB["blue"] * 0.5 + RGB["brick"] * 0.3, np.clip(0.7 - y * 1.6, 0, 1))
    sun = np.hypot(x - 0.15 - 0.7 * r[:, 8], y - 0.45 - 0.3 * r[:, 9])
    colour = over(colour, np.float32((1.0, 0.92, 0.66)), _step(0.10 - sun, 0.03))
    bars = _noise(x * np.float32(0.4), y * np.float32(3), r, 1.6)
    cloud = RGB["brick"] * 0.6 + RGB["umber"] * 0.2
    return over(colour, cloud, _step(bars - 0.6, 0.3) * np.float32(0.75))


def _snow(x, y, r):
    colour = mix(RGB["sky"] * 0.5 + RGB["charcoal"] * 0.4, RGB["sky"] * 0.8 + 0.1, y)
    hill = np.float32(0.06) * np.sin(5 * x + 6.3 * r[:, 8])
    for k in range(3):
        edge = np.float32(0.42 + 0.2 * k) + np.float32(0.1) * r[:, 9 + k]
        edge = edge + (hill if k % 2 else -hill)
        white = mix(np.float32((0.98, 0.98, 1.0)), RGB["sky"], np.clip((y - edge) * 3, 0, 1))
        hidden = _step(y - edge, 0.015)
        colour = colour + (white - colour) * hidden[:, None]
    flake_x = np.sin(np.float32(2 * np.pi * 6) * (x + 0.15 * y) + 6.3 * r[:, 12])
    flake_y = np.sin(np.float32(2 * np.pi * 6) * (y - 0.1 * x) + 6.3 * r[:, 13])
    return over(colour, np.float32((1, 1, 1)), _step(flake_x * flake_y - 0.72, 0.3))


def _meadow(x, y, r):
    bent = x + np.float32(0.03) * np.sin(9 * y)
    blades = np.sin(np.float32(2 * np.pi * 7) * bent + 6.3 * r[:, 5])
    grass = RGB["teal"] * 0.55 + RGB["gold"] * 0.45
    colour = mix(grass, grass * 0.78, _step(blades, 1.2))
    for k, name in enumerate(("cream", "brick", "sky")):
        u = np.sin(np.float32(2 * np.pi * 2.6) * (x + 0.3 * y) + 6.3 * r[:, 8 + k])
        v = np.sin(np.float32(2 * np.pi * 2.6) * (y - 0.3 * x) + 6.3 * r[:, 12 + k])
        colour = over(colour, RGB[name], _step(u * v - 0.74, 0.16))
    return colour


FAMILIES = (
    ("cloudy sky", _sky),
    ("foliage", _foliage),
    ("rippled water", _water),
    ("sand", _sand),
    ("reeds", _reeds),
    ("sunset", _sunset),
    ("branches", _branches),
    ("rocks", _rocks),
    ("snow", _snow),
    ("meadow", _meadow),
)


# ---------------------------------------------------------------------------- geometry


def to_world(pose, u, v):
    """Bird coordinates (longer side 1, centred, looking right) to scene coordinates."""
    u, v = u * pose["stretch"], v / pose["stretch"]
    tilt = np.deg2rad(pose["tilt"])
    a, b = u * np.cos(tilt) + v * np.sin(tilt), v * np.cos(tilt) - u * np.sin(tilt)
    a = np.where(pose["flip"], -a, a)
    return pose["x"] + pose["scale"] * a, pose["y"] + pose["scale"] * b


def to_bird(pose, x, y):
    """The inverse of ``to_world``, float32."""
    a, b = (x - pose["x"]) / pose["scale"], (y - pose["y"]) / pose["scale"]
    a = np.where(pose["flip"], -a, a)
    tilt = np.deg2rad(pose["tilt"])
    u, v = a * np.cos(tilt) - b * np.sin(tilt), b * np.cos(tilt) + a * np.sin(tilt)
    return u / pose["stretch"], v * pose["stretch"]


def move_box(box, corner, size, flip):
    """A box of the scene, seen in a window of it.

    Args:
        box: (4,) x1, y1, x2, y2 in pixels of the scene.
        corner: x, y of the window's upper left corner, in pixels of the scene.
        size: the window's side in pixels.
        flip: whether the window is mirrored left to right.

    Returns:
        (4,) float32, clipped to [0, size]; empty if the box lies outside the window.
    """
    x, y = corner
    x1, x2 = np.clip((box[0] - x, box[2] - x), 0, size)
    y1, y2 = np.clip((box[1] - y, box[3] - y), 0, size)
    if flip:
        x1, x2 = size - x2, size - x1
    return np.array([x1, y1, x2, y2], np.float32)
