"""Whether boxes are plausible: what they are measured in, and what the method finds round them.

A box alone may be anything. Together the boxes of a set show whether they are pixels, and FineGAN
needs windows with a patch that no box touches (:func:`background_share`).
"""

import numpy as np

# Images are resized to this much more than the window that is then cut out of them at random.
MARGIN = 76 / 64

# ------------------------------------------------------------------ what boxes are measured in

# As large as a photograph's shorter side must be for percentages to be told from pixels.
LARGE_SIDE = 200


def are_shares(boxes) -> bool:
    """Whether boxes x1, y1, x2, y2 are shares of their images: all lie between 0 and 1, or nearly.

    One box alone may hold a single pixel, but not every box of a file does. A box that was turned
    or enlarged by a program may reach a little beyond its image.
    """
    boxes = list(boxes)
    return bool(boxes) and all(-0.5 <= number <= 1.5 for box in boxes for number in box)


def is_like_a_share(box) -> bool:
    """Whether a box in pixels lies within the first pixel. Shares do; no drawn box does."""
    return are_shares([box]) and not all(float(number).is_integer() for number in box)


def suspicion(boxes, sizes) -> tuple[str, str] | None:
    """What the boxes of a set show together: (that they are no pixels, what to do), or None.

    Args:
        boxes: x1, y1, x2, y2, taken for pixels.
        sizes: (width, height) of the image that each was measured in.
    """
    x1, y1, x2, y2 = np.asarray(boxes, dtype=float).reshape(-1, 4).T
    width, height = np.asarray(sizes, dtype=float).reshape(-1, 2).T
    if len(x1) < 2:
        return None
    percent = min(x1.min(), y1.min()) >= 0 and max(x2.max(), y2.max()) <= 100
    if percent and min(width.min(), height.min()) >= LARGE_SIDE:
        return (
            "all boxes lie within the first 100 pixels of their images, as percentages would",
            "Say what the numbers are with --unit percent, or with --unit pixels.",
        )
    beyond = (x2 > 1.01 * width) | (y2 > 1.01 * height)
    with np.errstate(all="ignore"):  # of what is not finite, and refused elsewhere
        across, down = x2 - x1, y2 - y1  # as if these had been x2 and y2
    corners = (across > x1) & (down > y1) & (across <= 1.01 * width) & (down <= 1.01 * height)
    if corners.all() and beyond.mean() >= 0.5:
        return (
            f"{beyond.sum()} of {len(beyond)} boxes reach beyond their images, as they would if "
            "the right and lower edges (x2, y2) were taken for widths and heights",
            "Name the columns x1, y1, x2, y2, or give widths and heights; or say that they are "
            "right with --unit pixels.",
        )
    return None


# ----------------------------------------------------------------------------------- windows


def random_window(size, side, rng):
    """x, y, side of a square window in an image of ``size`` = (width, height)."""
    x, y = (int(rng.integers(0, length - side + 1)) for length in size)
    return x, y, side


def box_in_window(box, size, resized, window, flip):
    """A box of an image of ``size``, in the pixels of a window of the resized image.

    Returns x1, y1, x2, y2 clipped to [0, side]; x1 = x2 or y1 = y2 if the window misses the box.
    """
    scale = np.array(resized) / np.array(size)
    x, y, side = window
    x1, y1, x2, y2 = np.clip(box * np.tile(scale, 2) - (x, y, x, y), 0, side)
    if flip:
        x1, x2 = side - x2, side - x1
    return x1, y1, x2, y2


# ------------------------------------------------------------------- what D_b finds to learn from

# Below this share of windows with a background patch, D_b has almost no real images.
ENOUGH_BACKGROUND = 0.1
TOLD_SIZES = (32, 64, 128)


def has_background(box, geometry) -> bool:
    """Whether a patch of the background discriminator lies outside a box of a window.

    As :func:`finegan_lib.losses.background_patch_weights` has it, for one box x1, y1, x2, y2.
    """
    x1, y1, x2, y2 = box
    field, last = geometry.receptive_field, geometry.stride * (geometry.cells - 1)
    covered = x1 <= field and y1 <= field and x2 >= last and y2 >= last
    return not covered or x1 >= x2 or y1 >= y2


def background_share(
    sizes, boxes, image_size: int, full_scale: float = MARGIN, *, most: int = 400, windows: int = 8
) -> float:
    """The share of training windows with at least one background patch, from 0 to 1.

    Where there is none, the background discriminator learns nothing from a photograph. Measured on
    windows sampled as in training, of at most ``most`` photographs evenly spread; no pixel is read.

    Args:
        sizes, boxes: of the upright photographs, in pixels, as in :class:`BirdsFolder`.
        image_size, full_scale: of the training.
        windows: of each photograph.
    """
    from .example import background_size, patch_geometry  # PyTorch: slow to import

    geometry, side = patch_geometry(image_size), background_size(image_size)
    rng, short = np.random.default_rng(0), int(side * full_scale + 1e-6)
    found = []
    for k in np.unique(np.linspace(0, len(sizes) - 1, min(most, len(sizes))).astype(int)):
        least = min(sizes[k])
        resized = tuple(short * length // least for length in sizes[k])
        for _ in range(windows):
            window = random_window(resized, side, rng)
            box = box_in_window(np.asarray(boxes[k]), sizes[k], resized, window, flip=False)
            found.append(has_background(box, geometry))
    return float(np.mean(found)) if found else 0.0


def background_shares(sizes, boxes, full_scale: float = MARGIN, image_sizes=TOLD_SIZES) -> dict:
    """{image size: :func:`background_share`}."""
    return {size: background_share(sizes, boxes, size, full_scale) for size in image_sizes}


def background_warning(sizes, boxes, shares: dict, full_scale: float = MARGIN) -> str:
    """The cure if too few windows have background; "" if there are enough."""
    few = [size for size, share in shares.items() if share < ENOUGH_BACKGROUND]
    if not few or not len(sizes):
        return ""
    whole = sum(
        x2 - x1 >= 0.99 * width and y2 - y1 >= 0.99 * height
        for (x1, y1, x2, y2), (width, height) in zip(boxes, sizes, strict=True)
    )
    cures = []
    if whole > len(sizes) / 2:
        cures.append(
            f"{whole} of {len(sizes)} boxes are as large as their image: if they are the images' "
            "sizes by mistake, give the objects' boxes"
        )
    larger = [size for size, share in shares.items() if share >= ENOUGH_BACKGROUND]
    if larger and max(larger) > few[0]:
        size = min(size for size in larger if size > few[0])
        cures.append(f"train at {size} pixels, where it is {shares[size]:.0%}")
    for scale in (2.0, 3.0):
        share = background_share(sizes, boxes, few[0], scale) if scale > full_scale else 0
        if share >= ENOUGH_BACKGROUND:
            cures.append(f"train with --full-scale {scale:g}, which makes it {share:.0%}")
            break
    cures.append("draw the boxes close round the objects")
    cures.append("use photographs with room around the objects")
    return (
        f"at {few[0]} pixels only {shares[few[0]]:.0%} of the training windows hold a background "
        "patch, so the background discriminator has next to nothing to learn from. "
        f"Cures: {'; '.join(cures)}."
    )


def background_text(shares: dict) -> str:
    """One line: the share of windows with a background patch, by image size."""
    told = ", ".join(f"{share:.0%} at {size} pixels" for size, share in shares.items())
    return f"training windows with a background patch: {told}"
