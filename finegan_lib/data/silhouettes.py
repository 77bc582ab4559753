"""The shapes of ToyBirds: every parent is one silhouette, put together from a few solids.

A silhouette is written down in a canonical frame: x to the right, y *down*, the bird looks to the
right and is about 2 units long. Each solid knows its signed distance (negative inside), so that a
bird can be drawn at any resolution with smooth edges and nothing is ever resampled.
"""

from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
from scipy.spatial import ConvexHull

from ..base.errors import InputError

MAX_PARENTS = 40


# ---------------------------------------------------------------------------- solids


@dataclass(frozen=True)
class Ellipse:
    """Centre (x, y), radii and the angle in degrees by which the first axis points *up*."""

    x: float
    y: float
    rx: float
    ry: float
    angle: float = 0.0

    def distance(self, x, y):
        """Signed distance, first-order exact near the outline."""
        cos, sin = _cos_sin(-self.angle)
        dx, dy = x - self.x, y - self.y
        a = (dx * cos + dy * sin) * _f32(1 / self.rx)
        b = (dy * cos - dx * sin) * _f32(1 / self.ry)
        radius = np.sqrt(a * a + b * b)
        slope = np.hypot(a * _f32(1 / self.rx), b * _f32(1 / self.ry))
        # At the centre both vanish; the small terms make their ratio the shorter radius there.
        tiny = 1e-6
        ratio = (radius + _f32(tiny)) / (slope + _f32(tiny / min(self.rx, self.ry)))
        return ratio * (radius - _f32(1))


@dataclass(frozen=True)
class Capsule:
    """A line from (ax, ay) to (bx, by) whose radius runs from ``ra`` to ``rb``."""

    ax: float
    ay: float
    bx: float
    by: float
    ra: float
    rb: float

    def distance(self, x, y):
        """Distance to the line less the radius at the nearest point."""
        bx, by = _f32(self.bx - self.ax), _f32(self.by - self.ay)
        dx, dy = x - _f32(self.ax), y - _f32(self.ay)
        along = np.clip((dx * bx + dy * by) / (bx * bx + by * by), _f32(0), _f32(1))
        dx -= along * bx
        dy -= along * by
        return np.sqrt(dx * dx + dy * dy) - (_f32(self.ra) + along * _f32(self.rb - self.ra))


@dataclass(frozen=True)
class Polygon:
    """A convex polygon; ``points`` in either direction. ``rounding`` puffs it up by a radius."""

    points: tuple
    rounding: float = 0.0

    def distance(self, x, y):
        """Largest distance to an edge's line: exact inside and beside the edges."""
        points = np.asarray(self.points, dtype=np.float64)
        following = np.roll(points, -1, axis=0)
        area = np.sum(points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1])
        nearest = None
        for (px, py), (qx, qy) in zip(points, following, strict=True):
            length = np.hypot(qx - px, qy - py) * np.sign(area)
            nx, ny = _f32((qy - py) / length), _f32((px - qx) / length)
            edge = x * nx + y * ny - _f32(px * nx + py * ny)
            nearest = edge if nearest is None else np.maximum(nearest, edge)
        return nearest - _f32(self.rounding)


def union(distances):
    """Distance to the nearest of several solids."""
    nearest = distances[0]
    for distance in distances[1:]:
        nearest = np.minimum(nearest, distance)
    return nearest


def smooth_union(distances, blend):
    """A union whose joints are filled over a width of ``blend``, as with clay."""
    nearest = distances[0]
    for distance in distances[1:]:
        overlap = np.maximum(_f32(blend) - np.abs(nearest - distance), _f32(0))
        nearest = np.minimum(nearest, distance) - overlap * overlap * _f32(0.25 / blend)
    return nearest


def _f32(value):
    return np.float32(value)


def _cos_sin(degrees):
    return _f32(np.cos(np.deg2rad(degrees))), _f32(np.sin(np.deg2rad(degrees)))


# ---------------------------------------------------------------------------- silhouettes


@dataclass(frozen=True)
class Silhouette:
    """One parent's shape.

    Attributes:
        name: what a person calls it.
        body: solids of trunk, neck and head; they flow into one another over ``blend``.
        wing: solids of the wings; those of a flying bird reach far out of the body.
        tail, legs, beak, crest: solids of the other parts, each may be empty.
        head: x, y, radius of the head: where caps, masks, collars and hoods go.
        eyes: x, y, radius of each eye.
        trunk: x, y, angle of the trunk in degrees upwards: the axes of patterns.
        waterline: nothing is drawn below this y (a swimming bird).
    """

    name: str
    body: tuple
    wing: tuple
    tail: tuple
    legs: tuple
    beak: tuple
    head: tuple
    eyes: tuple
    trunk: tuple
    crest: tuple = ()
    blend: float = 0.18
    waterline: float | None = None
    flying: bool = field(default=False)

    def parts(self, x, y):
        """Signed distances of body, wing, tail, legs and beak at the points (x, y).

        Args:
            x, y: float32 arrays of one shape, canonical coordinates.

        Returns:
            dict from part name to an array of that shape; parts without solids are left out.
        """
        parts = {"body": smooth_union([s.distance(x, y) for s in self.body], self.blend)}
        if self.crest:
            crest = union([s.distance(x, y) for s in self.crest])
            parts["body"] = smooth_union([parts["body"], crest], 0.06)
        for name in ("wing", "tail", "legs", "beak"):
            solids = getattr(self, name)
            if solids:
                parts[name] = union([s.distance(x, y) for s in solids])
        if self.waterline is not None:
            below = y - _f32(self.waterline)
            parts = {name: np.maximum(part, below) for name, part in parts.items()}
        return parts

    def distance(self, x, y):
        """Signed distance to the whole bird, its mask's edge at 0."""
        return union(list(self.parts(x, y).values()))

    @cached_property
    def hull(self):
        """(K, 2) float64 corners of the convex hull, enough to bound the bird at every tilt."""
        step = 2.0**-6
        axis = np.arange(-1.75, 1.75, step, dtype=np.float32)
        x, y = np.meshgrid(axis, axis)
        d = self.distance(x, y)
        points = []
        for near, far, dx, dy in (
            (np.s_[:, :-1], np.s_[:, 1:], step, 0.0),
            (np.s_[:-1], np.s_[1:], 0.0, step),
        ):
            crossed = (d[near] < 0) != (d[far] < 0)  # the outline runs between two grid points
            part = d[near][crossed] / (d[near][crossed] - d[far][crossed])
            points.append(
                np.stack([x[near][crossed] + part * dx, y[near][crossed] + part * dy], axis=1)
            )
        points = np.concatenate(points).astype(np.float64)
        return points[ConvexHull(points).vertices]

    @cached_property
    def frame(self):
        """Centre x, centre y and longer side of the upright box, in canonical units."""
        low, high = self.hull.min(0), self.hull.max(0)
        return (*((low + high) / 2).tolist(), float((high - low).max()))

    def mask(self, size):
        """(size, size) bool: the upright bird, centred, its longer side filling the square."""
        cx, cy, length = self.frame
        axis = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * _f32(length)
        x, y = np.meshgrid(axis + _f32(cx), axis + _f32(cy))
        return self.distance(x, y) < 0


SONGBIRD = Silhouette(
    name="songbird",
    body=(Ellipse(-0.05, 0.12, 0.56, 0.44, 25), Ellipse(0.36, -0.30, 0.33, 0.31)),
    wing=(Ellipse(-0.22, 0.10, 0.42, 0.23, 12),),
    tail=(Polygon(((-0.40, 0.05), (-0.25, 0.35), (-1.05, -0.38), (-0.86, -0.56))),),
    legs=(
        Capsule(0.02, 0.45, 0.06, 0.82, 0.045, 0.045),
        Capsule(0.06, 0.82, 0.22, 0.84, 0.045, 0.035),
        Capsule(-0.18, 0.45, -0.16, 0.82, 0.045, 0.045),
        Capsule(-0.16, 0.82, 0.0, 0.84, 0.045, 0.035),
    ),
    beak=(Polygon(((0.62, -0.42), (0.62, -0.20), (0.93, -0.27))),),
    head=(0.36, -0.30, 0.33),
    eyes=((0.45, -0.37, 0.085),),
    trunk=(-0.05, 0.12, 25),
)

HERON = Silhouette(
    name="heron",
    body=(
        Ellipse(-0.16, -0.04, 0.52, 0.34, 16),
        Capsule(0.16, -0.16, 0.41, -0.36, 0.22, 0.14),
        Capsule(0.41, -0.36, 0.25, -0.72, 0.14, 0.115),
        Ellipse(0.33, -0.86, 0.22, 0.16, -8),
    ),
    crest=(Capsule(0.26, -0.90, -0.10, -0.80, 0.06, 0.01),),
    wing=(Ellipse(-0.27, -0.02, 0.44, 0.22, 18),),
    tail=(Polygon(((-0.5, -0.04), (-0.42, 0.22), (-0.86, 0.30), (-0.86, 0.20))),),
    legs=(
        Capsule(-0.02, 0.18, 0.10, 0.58, 0.055, 0.045),
        Capsule(0.10, 0.58, 0.02, 1.00, 0.045, 0.04),
        Capsule(0.02, 1.00, 0.20, 1.02, 0.04, 0.03),
        Capsule(-0.22, 0.18, -0.16, 0.58, 0.055, 0.045),
        Capsule(-0.16, 0.58, -0.30, 1.00, 0.045, 0.04),
        Capsule(-0.30, 1.00, -0.12, 1.02, 0.04, 0.03),
    ),
    beak=(Capsule(0.46, -0.85, 0.98, -0.74, 0.075, 0.012),),
    head=(0.34, -0.85, 0.19),
    eyes=((0.41, -0.90, 0.06),),
    trunk=(-0.16, -0.04, 14),
    blend=0.12,
)

DUCK = Silhouette(
    name="duck",
    body=(
        Ellipse(-0.12, 0.14, 0.80, 0.46, 4),
        Capsule(0.44, 0.05, 0.56, -0.38, 0.23, 0.18),
        Ellipse(0.60, -0.48, 0.28, 0.26),
    ),
    wing=(Ellipse(-0.28, 0.06, 0.48, 0.22, -6),),
    tail=(Polygon(((-0.72, -0.08), (-0.62, 0.28), (-1.12, -0.20))),),
    legs=(),
    beak=(Capsule(0.80, -0.43, 1.10, -0.34, 0.10, 0.075),),
    head=(0.60, -0.48, 0.28),
    eyes=((0.67, -0.56, 0.08),),
    trunk=(-0.12, 0.16, 4),
    waterline=0.47,
)

OWL = Silhouette(
    name="owl",
    body=(Ellipse(-0.02, 0.20, 0.43, 0.70), Ellipse(0.0, -0.46, 0.48, 0.37)),
    crest=(
        Polygon(((-0.46, -0.50), (-0.44, -1.02), (-0.10, -0.74))),
        Polygon(((0.46, -0.50), (0.46, -1.02), (0.10, -0.74))),
    ),
    wing=(Ellipse(-0.31, 0.26, 0.56, 0.17, 80), Ellipse(0.37, 0.26, 0.52, 0.10, 98)),
    tail=(Polygon(((-0.20, 0.70), (0.14, 0.70), (0.06, 1.06), (-0.18, 1.06))),),
    legs=(
        Capsule(-0.26, 0.72, -0.28, 0.95, 0.07, 0.08),
        Capsule(0.20, 0.76, 0.22, 0.95, 0.07, 0.08),
    ),
    beak=(Polygon(((-0.02, -0.42), (0.14, -0.42), (0.07, -0.22))),),
    head=(0.0, -0.48, 0.46),
    eyes=((-0.14, -0.50, 0.13), (0.25, -0.50, 0.12)),
    trunk=(0.0, 0.2, 90),
)

SWALLOW = Silhouette(
    name="swallow",
    body=(
        Capsule(-0.40, 0.06, 0.30, 0.02, 0.13, 0.25),
        Ellipse(0.52, 0.0, 0.24, 0.22),
    ),
    wing=(
        Capsule(0.22, -0.06, 0.10, -0.48, 0.20, 0.17),
        Capsule(0.10, -0.48, -0.36, -1.00, 0.17, 0.02),
        Capsule(0.20, 0.10, 0.06, 0.50, 0.20, 0.16),
        Capsule(0.06, 0.50, -0.42, 0.94, 0.16, 0.02),
    ),
    tail=(
        Capsule(-0.36, 0.04, -1.02, -0.22, 0.12, 0.02),
        Capsule(-0.36, 0.10, -1.04, 0.30, 0.12, 0.02),
    ),
    legs=(),
    beak=(Polygon(((0.70, -0.09), (0.70, 0.10), (0.90, 0.02))),),
    head=(0.52, 0.0, 0.22),
    eyes=((0.58, -0.06, 0.065),),
    trunk=(-0.05, 0.05, 2),
    blend=0.14,
    flying=True,
)

DESIGNED = (SONGBIRD, HERON, DUCK, OWL, SWALLOW)


# ---------------------------------------------------------------------------- further parents


def grow(rng, name="bird"):
    """A random silhouette: posture, neck, head, beak, tail, legs, crest and wings all vary.

    Args:
        rng: a numpy Generator; the same state grows the same bird.
    """
    flying = rng.random() < 0.25
    swimming = not flying and rng.random() < 0.2
    tilt = rng.uniform(-5, 20) if flying or swimming else rng.uniform(-5, 80)
    length, girth = rng.uniform(0.40, 0.62), rng.uniform(0.20, 0.42)
    cos, sin = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
    chest = np.array([length * 0.75 * cos, -length * 0.75 * sin])
    rump = -chest

    neck = rng.choice([0.10, 0.10, 0.35, 0.65]) * (0.6 if flying else 1.0)
    neck_angle = np.deg2rad(rng.uniform(0, 20) if flying else rng.uniform(40, 95))
    head_radius = rng.uniform(0.16, 0.30)
    head = chest + (neck + head_radius * 0.6) * np.array([np.cos(neck_angle), -np.sin(neck_angle)])
    body = [Ellipse(0.0, 0.0, length, girth, tilt)]
    if neck > 0.2:
        body.append(Capsule(*chest, *head, min(girth, 0.18), head_radius * 0.6))
    body.append(Ellipse(*head, head_radius, head_radius * 0.92))

    beak_length = rng.choice([0.18, 0.25] if flying else [0.18, 0.25, 0.50, 0.75])
    droop = rng.uniform(-0.05, 0.45) * beak_length
    beak_root = head + np.array([head_radius * 0.8, 0.0])
    beak_tip = head + np.array([head_radius + beak_length, droop])
    depth = rng.uniform(0.06, 0.11) * (1.5 if beak_length < 0.3 else 1.0)
    beak = (Capsule(*beak_root, *beak_tip, depth, rng.choice([0.012, 0.06])),)

    tail_length = rng.choice([0.15, 0.40, 0.75])
    tail_angle = np.deg2rad(180 - tilt * 0.7 + rng.uniform(-35, 45))
    fork = np.deg2rad(rng.choice([0, 0, 14, 26]))
    tail = []
    for side in (-fork, fork) if fork else (0.0,):
        tip = rump + tail_length * np.array([np.cos(tail_angle + side), np.sin(tail_angle + side)])
        tip = tip * 1.0 + rump * 0.3
        wide = rng.uniform(0.03, 0.14) if not fork else 0.03
        tail.append(Capsule(*rump * 0.8, *tip, min(girth * 0.6, 0.2), wide))

    legs = []
    if not flying and not swimming:
        leg_length = rng.choice([0.25, 0.35, 0.85])
        foot = girth * 0.7 * max(cos, 0.3) + length * sin * 0.5 + leg_length
        for x in (-0.10, 0.10):
            legs.append(Capsule(x, girth * 0.5, x + 0.02, foot, 0.055, 0.045))
            legs.append(Capsule(x + 0.02, foot, x + 0.2, foot + 0.02, 0.045, 0.03))

    if flying:
        span, sweep = rng.uniform(0.8, 1.1), rng.uniform(-0.1, 0.6)
        wing = [
            Capsule(0.12, 0.0, -0.05 - sweep * 0.3, -span * 0.5, 0.17, 0.14),
            Capsule(-0.05 - sweep * 0.3, -span * 0.5, -0.15 - sweep, -span, 0.14, 0.03),
        ]
        if rng.random() < 0.5:  # seen from above: the other wing points the other way
            wing += [Capsule(w.ax, -w.ay, w.bx, -w.by, w.ra, w.rb) for w in wing]
    else:
        wing = [Ellipse(*(rump * 0.25), length * 0.72, girth * 0.52, tilt - 6)]

    crest = []
    if rng.random() < 0.35:
        lift = rng.uniform(0.2, 0.4)
        root = head - head_radius * np.array([0.3, 0.6])
        crest = [Capsule(*root, *(root - lift * np.array([1.0, 0.8])), 0.10, 0.02)]
    return Silhouette(
        name=name,
        body=tuple(body),
        wing=tuple(wing),
        tail=tuple(tail),
        legs=tuple(legs),
        beak=beak,
        crest=tuple(crest),
        head=(*head, head_radius),
        eyes=((head[0] + head_radius * 0.3, head[1] - head_radius * 0.2, head_radius * 0.28),),
        trunk=(0.0, 0.0, tilt),
        blend=0.14,
        waterline=girth * 0.62 if swimming else None,
        flying=flying,
    )


@lru_cache(maxsize=8)
def silhouettes(n_parents):
    """The first ``n_parents`` silhouettes: the designed ones, then grown ones far from all others.

    The next grown bird is always the candidate whose largest overlap (IoU of the centred masks)
    with a bird already chosen is smallest, so a longer list begins with the shorter one.

    Raises:
        InputError: unless 1 <= n_parents <= MAX_PARENTS.
    """
    if not 1 <= n_parents <= MAX_PARENTS:
        raise InputError(
            f"ToyBirds has between 1 and {MAX_PARENTS} silhouettes",
            seen=n_parents,
            cure=f"Choose n_parents in [1, {MAX_PARENTS}].",
        )
    chosen = list(DESIGNED[:n_parents])
    if n_parents <= len(DESIGNED):
        return tuple(chosen)
    rng = np.random.default_rng(2019)
    candidates = [grow(rng) for _ in range(240)]
    masks = np.stack([_thumbnail(c).ravel() for c in candidates]).astype(np.float32)
    # Slivers and blobs are both dull: keep birds that fill a fair part of their square.
    filled = masks.mean(1)
    candidates = [c for c, f in zip(candidates, filled, strict=True) if 0.2 < f < 0.5]
    masks = masks[(filled > 0.2) & (filled < 0.5)]
    overlap = np.max([_iou(masks, _thumbnail(bird).ravel()) for bird in chosen], axis=0)
    while len(chosen) < n_parents:
        best = int(overlap.argmin())
        name = _common_name(candidates[best], [bird.name for bird in chosen])
        chosen.append(_renamed(candidates[best], name))
        overlap = np.maximum(overlap, _iou(masks, masks[best]))
    return tuple(chosen)


def _thumbnail(bird):
    """The bird's mask at 40 x 40, roughly centred: quicker than the exact ``Silhouette.mask``."""
    axis = np.linspace(-1.75, 1.75, 90, dtype=np.float32)
    inside = bird.distance(*np.meshgrid(axis, axis)) < 0
    xs, ys = axis[inside.any(0)], axis[inside.any(1)]
    length = max(xs[-1] - xs[0], ys[-1] - ys[0]) + (axis[1] - axis[0])
    step = (np.arange(40, dtype=np.float32) + 0.5) / 40 - 0.5
    x, y = (xs[0] + xs[-1]) / 2 + step * length, (ys[0] + ys[-1]) / 2 + step * length
    return bird.distance(*np.meshgrid(x, y)) < 0


def _iou(masks, mask):
    both = masks @ mask.astype(np.float32)
    return both / (masks.sum(1) + mask.sum() - both)


def _renamed(bird, name):
    return Silhouette(**{**{k: getattr(bird, k) for k in bird.__dataclass_fields__}, "name": name})


def _common_name(bird, taken):
    """A name that fits the shape: the first free one of the group the bird belongs to."""
    beak = bird.beak[0]
    long_beak = np.hypot(beak.bx - beak.ax, beak.by - beak.ay) > 0.45
    long_neck = any(isinstance(solid, Capsule) for solid in bird.body)
    long_legs = bool(bird.legs) and bird.legs[0].by > 0.9
    if bird.flying:
        group = ("tern", "kite", "swift", "gull", "falcon", "albatross", "skua", "petrel", "hawk")
    elif bird.waterline is not None:
        group = ("swan", "grebe", "coot", "teal", "loon", "pelican", "eider", "pochard")
    elif long_legs:
        group = ("stilt", "crane", "ibis", "flamingo", "avocet", "stork", "egret", "rail", "curlew")
    elif long_beak:
        group = ("snipe", "woodpecker", "kingfisher", "hornbill", "toucan", "kiwi", "hoopoe")
    elif long_neck:
        group = ("goose", "cormorant", "anhinga", "turkey", "bustard", "rhea", "emu", "guineafowl")
    elif bird.crest:
        group = ("cardinal", "waxwing", "cockatoo", "jay", "titmouse", "quail", "hoatzin")
    else:
        group = ("wren", "robin", "magpie", "penguin", "parrot", "cuckoo", "thrush", "finch")
    others = ("lapwing", "oriole", "drongo", "pitta", "trogon", "bulbul", "shrike", "dipper")
    for name in group + others:
        if name not in taken:
            return name
    return f"bird {len(taken) + 1}"
