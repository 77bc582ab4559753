"""ToyBirds: birds drawn by code, with the truth about every factor.

A picture has a parent (the silhouette), a child (the plumage; every child belongs to one parent), a
background family independent of both, and a pose. Nothing is downloaded: the whole world follows
from (seed, index). It is drawn once, kept on disk as memory-mapped arrays and read from there.
"""

import hashlib
import json
import shutil

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from ..base.errors import InputError
from ..codes import CodeHierarchy
from .cub_folder import write_drawn
from .example import TrainingExample, background_size, split_keys, to_float
from .files import cache_folder_for, fill_cache, make_writable
from .plumage import paint, plumages
from .scenery import FAMILIES, N_RANDOM, move_box, paint_background, to_bird, to_world
from .silhouettes import silhouettes

# Part of the cache's name: raise it whenever a picture changes.
DRAWING_VERSION = 6

POSE = np.dtype(
    [
        ("x", "f4"),  # where the bird is, in sides of the scene, y down
        ("y", "f4"),
        ("scale", "f4"),  # longer side of the bird's upright box, in sides of the scene
        ("flip", "?"),  # True: it looks to the left
        ("tilt", "f4"),  # degrees; positive lifts the beak
        ("stretch", "f4"),  # the bird is this many times wider, and as many times less high
    ]
)
_SCALE = 1 / 3  # mean pose scale: the box is about a third of the scene's side
_CROP = 1.2  # side of the child crop, in longer sides of the box
_MARGIN = 76 / 64  # the stored crop is this much larger, so that random crops can move


def scene_size(image_size):
    """Side in pixels of the whole image, from which ``full_image`` is a random window.

    With it a pixel of the whole image covers as much as one of the child crop, 1.2 · 1/3 · 5/2 = 1.
    So a texture looks the same to the background discriminator, which sees windows, and to the
    child discriminator, which sees crops; otherwise no background could match both.
    """
    return 5 * image_size // 2


def stored_crop_size(image_size):
    """Side of the stored child crop, from which S x S are cut: the paper's 76/64 of the side."""
    return 76 * image_size // 64


class ToyBirds(Dataset):
    """A data set of drawn birds.

    ``dataset[i]`` or ``dataset[i, view]`` is a ``TrainingExample``; ``view`` (int >= 0, default 0)
    picks the random crops and flips, and the same ``(i, view)`` always gives the same example.

    Args:
        n_images: how many pictures. Picture i does not depend on it.
        image_size: S in pixels, one of ``example.IMAGE_SIZES``.
        n_parents, n_children: sizes of an equal hierarchy; ignored if ``hierarchy`` is given.
        hierarchy: any ``CodeHierarchy`` with at most 40 parents.
        n_backgrounds: background families that appear, at most 10.
        seed: another seed gives other pictures of the same birds.
        cache_dir: where the drawn pictures are kept; by default the environment variable
            FINEGAN_CACHE, or else ``~/.cache/finegan_lib``.
        progress: show a progress bar while drawing.

    Attributes:
        parent_index, child_index, background_index: (n_images,) int64, the truth.
        pose: (n_images,) structured array of dtype ``POSE``.
        boxes: (n_images, 4) float32 x1, y1, x2, y2, tight round the bird, in pixels of the scene.
        parent_names, child_names, background_names: lists of str.

    Raises:
        InputError: for sizes that cannot be, or a cache folder that cannot be written.
    """

    def __init__(
        self,
        n_images=8000,
        *,
        image_size=32,
        n_parents=5,
        n_children=20,
        hierarchy=None,
        n_backgrounds=6,
        seed=0,
        cache_dir=None,
        progress=True,
    ):
        if n_images < 1:
            raise InputError(
                "n_images must be at least 1", seen=n_images, cure="Ask for one picture or more."
            )
        if seed < 0:
            raise InputError(
                "seed cannot be negative", seen=seed, cure="Choose a whole number from 0 up."
            )
        if not 1 <= n_backgrounds <= len(FAMILIES):
            raise InputError(
                f"n_backgrounds must lie in [1, {len(FAMILIES)}]",
                seen=n_backgrounds,
                cure=f"There are {len(FAMILIES)} background families.",
            )
        self.n_backgrounds = int(n_backgrounds)
        self.background_size = background_size(image_size)
        self.n_images, self.image_size, self.seed = int(n_images), int(image_size), int(seed)
        self.hierarchy = hierarchy or CodeHierarchy.equal(n_parents, n_children)
        self.silhouettes = silhouettes(self.hierarchy.n_parents)
        self.plumages = plumages(self.hierarchy)
        self._describe()
        self._folder = self._prepare_cache(cache_dir, progress)
        self._crops, self._scenes, self._masks = self._load(self._folder)

    def __getstate__(self):
        # A worker process opens the memory-mapped files itself instead of being sent copies.
        return {k: v for k, v in vars(self).items() if k not in ("_crops", "_scenes", "_masks")}

    def __setstate__(self, state):
        vars(self).update(state)
        self._crops, self._scenes, self._masks = self._load(self._folder)

    # ------------------------------------------------------------------ the truth

    def _describe(self):
        """Draws every factor of every picture from (seed, index)."""
        n, n_children = self.n_images, self.hierarchy.n_children
        rounds = -(-n // n_children)  # every round of n_children pictures has every child once
        rngs = (np.random.default_rng((self.seed, 1, k)) for k in range(rounds))
        self.child_index = np.concatenate([rng.permutation(n_children) for rng in rngs])[:n]
        self.parent_index = self.hierarchy.parent_of.numpy()[self.child_index]
        random = np.stack(
            [
                np.random.default_rng((self.seed, 2, i)).random(N_RANDOM + 12, dtype=np.float32)
                for i in range(n)
            ]
        )
        self._background_random, u = random[:, :N_RANDOM], random[:, N_RANDOM:]
        self.background_index = (u[:, 0] * self.n_backgrounds).astype(np.int64)
        self.pose = np.empty(n, POSE)
        self.pose["x"] = 0.29 + 0.42 * u[:, 1]
        self.pose["y"] = 0.29 + 0.42 * u[:, 2]
        self.pose["scale"] = _SCALE * (0.90 + 0.20 * u[:, 3])
        self.pose["flip"] = u[:, 4] < 0.5
        self.pose["tilt"] = -8 + 16 * u[:, 5]
        self.pose["stretch"] = 0.95 + 0.10 * u[:, 6]
        self._tint = (0.92 + 0.16 * u[:, 7:8]) * (0.96 + 0.08 * u[:, 8:11])
        self._world_boxes = self._find_boxes()
        self.boxes = self._world_boxes * np.float32(scene_size(self.image_size))

    def _find_boxes(self):
        """(n, 4) float32: the tight box of every bird, in sides of the scene."""
        boxes = np.empty((self.n_images, 4), np.float32)
        for parent, bird in enumerate(self.silhouettes):
            rows = np.flatnonzero(self.parent_index == parent)
            cx, cy, length = bird.frame
            corner = (bird.hull - (cx, cy)) / length
            x, y = to_world(self.pose[rows, None], corner[:, 0], corner[:, 1])
            boxes[rows] = np.stack([x.min(1), y.min(1), x.max(1), y.max(1)], axis=1)
        return boxes

    @property
    def n_children(self):
        """How many children there are."""
        return self.hierarchy.n_children

    @property
    def n_parents(self):
        """How many parents there are."""
        return self.hierarchy.n_parents

    @property
    def parent_names(self):
        """One name per parent, such as "heron"."""
        return [bird.name for bird in self.silhouettes]

    @property
    def child_names(self):
        """One name per child, such as "heron 2: striped, blue on cream"."""
        names = []
        for child, plumage in enumerate(self.plumages):
            parent = int(self.hierarchy.parent_of[child])
            number = self.hierarchy.children_of(parent).index(child) + 1
            names.append(f"{self.silhouettes[parent].name} {number}: {plumage}")
        return names

    @property
    def background_names(self):
        """One name per family of backgrounds."""
        return [name for name, _ in FAMILIES[: self.n_backgrounds]]

    # ------------------------------------------------------------------ drawing

    def render(self, rows, corner, side, size, *, parent=None, child=None, background=None):
        """Draws square windows of the world from scratch.

        Args:
            rows: (N,) indices of pictures.
            corner: (N, 2) x, y of each window's upper left corner, in sides of the scene.
            side: (N,) the windows' sides, in sides of the scene.
            size: pixels along a side.
            parent, child, background: (N,) indices or one int that replace the pictures' own, to
                see one factor changed and all else kept. Any plumage fits any silhouette.

        Returns:
            images: (N, 3, size, size) uint8.
            masks: (N, size, size) bool, True where the bird covers at least half of the pixel.
        """
        rows = np.atleast_1d(rows)
        parent = np.broadcast_to(self.parent_index[rows] if parent is None else parent, rows.shape)
        child = np.broadcast_to(self.child_index[rows] if child is None else child, rows.shape)
        if background is None:
            background = self.background_index[rows]
        background = np.broadcast_to(background, rows.shape)
        grid = ((np.arange(size, dtype=np.float32) + 0.5) / size)[None]
        x = np.float32(corner[:, :1]) + np.float32(side)[:, None] * grid
        y = np.float32(corner[:, 1:]) + np.float32(side)[:, None] * grid

        images = np.empty((len(rows), 3, size, size), np.float32)
        masks = np.zeros((len(rows), size, size), bool)
        for family in np.unique(background):
            here = np.flatnonzero(background == family)
            random = self._background_random[rows[here]]
            images[here] = paint_background(family, x[here, None, :], y[here, :, None], random)
        for kind in np.unique(np.stack([parent, child], axis=1), axis=0):
            here = np.flatnonzero((parent == kind[0]) & (child == kind[1]))
            bird, plumage = self.silhouettes[kind[0]], self.plumages[kind[1]]
            self._add_birds(images, masks, here, bird, plumage, rows[here], x[here], y[here])
        return (images * 255 + 0.5).astype(np.uint8), masks

    def _add_birds(self, images, masks, here, bird, plumage, rows, x, y):
        """Paints birds of one kind into ``images[here]``, each only where it can be."""
        pose, pixel = self.pose[rows], (x[:, 1] - x[:, 0])
        size = x.shape[1]
        reach = 0.5 * 1.5 * pose["scale"] + pixel  # the longest diagonal, whatever the tilt
        patch = min(size, int(np.ceil(2 * (reach / pixel).max())) + 1)
        left = np.clip(((pose["x"] - reach - x[:, 0]) / pixel).astype(int), 0, size - patch)
        top = np.clip(((pose["y"] - reach - y[:, 0]) / pixel).astype(int), 0, size - patch)
        columns, lines = left[:, None] + np.arange(patch), top[:, None] + np.arange(patch)
        x, y = np.take_along_axis(x, columns, 1), np.take_along_axis(y, lines, 1)
        cx, cy, length = bird.frame
        u, v = to_bird(pose[:, None, None], x[:, None, :], y[:, :, None])
        u, v = u * np.float32(length) + np.float32(cx), v * np.float32(length) + np.float32(cy)
        unit = (pixel / pose["scale"] * np.float32(length))[:, None, None]
        colour, coverage = paint(bird, plumage, u, v, unit)
        colour = np.clip(colour * self._tint[rows][:, :, None, None], 0, 1)
        image, line, column = here[:, None, None], lines[:, :, None], columns[:, None, :]
        behind = np.moveaxis(images[image, :, line, column], 3, 1)
        mixed = behind + (colour - behind) * coverage[:, None]
        images[image, :, line, column] = np.moveaxis(mixed, 1, 3)
        masks[image, line, column] = coverage >= 0.5

    def crop_window(self, rows):
        """Corner (N, 2) and side (N,) of the stored child crops, in sides of the scene."""
        box = self._world_boxes[rows]
        centre = (box[:, :2] + box[:, 2:]) / 2
        side = (box[:, 2:] - box[:, :2]).max(1) * np.float32(_CROP * _MARGIN)
        return centre - side[:, None] / 2, side

    def redraw(self, indices, *, parent=None, child=None, background=None):
        """The evaluation crops again, with some factors replaced (see ``render``).

        Returns:
            images (N, 3, S, S) uint8 tensor and masks (N, S, S) bool tensor.
        """
        rows = np.atleast_1d(indices)
        corner, side = self.crop_window(rows)
        size, margin = stored_crop_size(self.image_size), self._margin
        images, masks = self.render(
            rows, corner, side, size, parent=parent, child=child, background=background
        )
        centre = slice(margin, margin + self.image_size)
        return (
            torch.from_numpy(images[:, :, centre, centre].copy()),
            torch.from_numpy(masks[:, centre, centre].copy()),
        )

    def scenes(self, indices=None):
        """(N, 3, side, side) uint8 tensor: whole images, ``side = scene_size(image_size)``."""
        return torch.from_numpy(np.array(self._scenes[self._rows(indices)]))

    def scene_masks(self, indices=None):
        """(N, side, side) bool tensor: where the bird is in the whole images."""
        rows = self._rows(indices)
        size = scene_size(self.image_size)
        masks = [self.render([row], np.zeros((1, 2)), np.ones(1), size)[1] for row in rows]
        return torch.from_numpy(np.concatenate(masks))

    # ------------------------------------------------------------------ reading

    def __len__(self):
        return self.n_images

    def __getitem__(self, key):
        batch = self.batch(*split_keys([key]))
        return TrainingExample(*(field[0] for field in batch[:3]), int(batch.index[0]))

    def __getitems__(self, keys):
        """The examples of one batch, as a list. A ``DataLoader`` calls this."""
        batch = self.batch(*split_keys(keys))
        return [TrainingExample(a, b, c, int(i)) for a, b, c, i in zip(*batch, strict=True)]

    def batch(self, indices, views=0):
        """A batch of examples at once: a ``TrainingExample`` whose fields have a leading N.

        Args:
            indices: (N,) ints in [0, len(self)).
            views: (N,) ints >= 0 or one for all, which random crops and flips to take.

        Raises:
            IndexError: for an index outside the data set.
        """
        indices = np.atleast_1d(indices)
        views = np.broadcast_to(views, indices.shape)
        outside = indices[(indices < 0) | (indices >= len(self))]
        if len(outside):
            raise IndexError(f"index {outside[0]} is outside of 0..{len(self) - 1}")
        s, s_b = self.image_size, self.background_size
        crops = np.empty((len(indices), 3, s, s), np.uint8)
        windows = np.empty((len(indices), 3, s_b, s_b), np.uint8)
        boxes = np.empty((len(indices), 4), np.float32)
        for k, (i, view) in enumerate(zip(indices.tolist(), views.tolist(), strict=True)):
            (cx, cy), crop_flip, (wx, wy), window_flip = self.random_view(i, view)
            crop = self._crops[i, :, cy : cy + s, cx : cx + s]
            window = self._scenes[i, :, wy : wy + s_b, wx : wx + s_b]
            crops[k] = crop[:, :, ::-1] if crop_flip else crop
            windows[k] = window[:, :, ::-1] if window_flip else window
            boxes[k] = move_box(self.boxes[i], (wx, wy), s_b, window_flip)
        return TrainingExample(
            to_float(crops), to_float(windows), torch.from_numpy(boxes), torch.from_numpy(indices)
        )

    def random_view(self, index, view=0):
        """The random choices of one example, in the order in which they are made.

        Returns:
            (x, y) of the crop in the stored crop, its flip, (x, y) of the window in the scene, its
            flip; whole pixels and bools.
        """
        rng = np.random.default_rng((self.seed, 3, index, view))
        crop = rng.integers(2 * self._margin, size=2, endpoint=True).tolist()
        slack = scene_size(self.image_size) - self.background_size
        window = rng.integers(slack, size=2, endpoint=True).tolist()
        crop_flip, window_flip = (rng.random(2) < 0.5).tolist()
        return tuple(crop), crop_flip, tuple(window), window_flip

    def evaluation_crops(self, indices=None):
        """(N, 3, S, S) uint8 tensor: the centres of the child crops, not flipped, for scoring."""
        centre = slice(self._margin, self._margin + self.image_size)
        return torch.from_numpy(np.array(self._crops[self._rows(indices)][:, :, centre, centre]))

    def masks(self, indices=None):
        """(N, S, S) bool tensor: where the bird is in ``evaluation_crops(indices)``."""
        centre = slice(self._margin, self._margin + self.image_size)
        return torch.from_numpy(np.array(self._masks[self._rows(indices)][:, centre, centre]))

    @property
    def _margin(self):
        return (stored_crop_size(self.image_size) - self.image_size) // 2

    def _rows(self, indices):
        if indices is None:
            return np.arange(self.n_images)
        return np.atleast_1d(np.asarray(indices))

    # ------------------------------------------------------------------ cache

    def _prepare_cache(self, cache_dir, progress):
        """The folder of the three arrays; draws them first if they are missing or damaged."""
        folder = cache_folder_for(self._cache_name(), cache_dir)
        if self._load(folder) is None:
            make_writable(folder.parent)
            self._build(folder, progress)
        return folder

    def _cache_name(self):
        parents = json.dumps(self.hierarchy.parent_of.tolist()).encode()
        digest = hashlib.sha256(parents).hexdigest()[:8]
        sizes = f"{self.n_parents}x{self.n_children}"
        return (
            f"toybirds-v{DRAWING_VERSION}-{self.image_size}px-{self.n_images}-{sizes}-{digest}"
            f"-{self.n_backgrounds}backgrounds-seed{self.seed}"
        )

    def _shapes(self):
        crop, scene = stored_crop_size(self.image_size), scene_size(self.image_size)
        return {
            "crops.npy": ((self.n_images, 3, crop, crop), np.uint8),
            "scenes.npy": ((self.n_images, 3, scene, scene), np.uint8),
            "masks.npy": ((self.n_images, crop, crop), np.bool_),
        }

    def _load(self, folder):
        arrays = []
        for name, (shape, dtype) in self._shapes().items():
            try:
                array = np.load(folder / name, mmap_mode="r")
            except (OSError, ValueError):  # missing, cut short or not an array
                return None
            if array.shape != shape or array.dtype != dtype:
                return None
            arrays.append(array)
        return arrays

    def _build(self, folder, progress):
        """Draws everything, if the disk has room for it (:func:`.files.fill_cache`)."""
        need = sum(int(np.prod(s)) * np.dtype(d).itemsize for s, d in self._shapes().values())
        free = shutil.disk_usage(folder.parent).free
        if free < 1.05 * need:
            raise InputError(
                f"the cache needs {need / 1e6:.0f} MB of disk",
                seen=f"{free / 1e6:.0f} MB free in {folder.parent}",
                cure="Free some space, name another folder in FINEGAN_CACHE, or lower n_images.",
            )
        fill_cache(
            folder,
            lambda temporary: self._draw_into(temporary, progress),
            lambda: self._load(folder) is not None,
        )

    def _draw_into(self, folder, progress):
        crops, scenes, masks = (
            np.lib.format.open_memmap(folder / name, mode="w+", dtype=dtype, shape=shape)
            for name, (shape, dtype) in self._shapes().items()
        )
        # Pictures of one kind are drawn together, few enough at once to stay in the CPU's cache.
        order = np.lexsort([self.background_index, self.child_index])
        chunk = max(1, 2**16 // scenes.shape[2] ** 2)
        bar = tqdm(total=self.n_images, desc="drawing birds", unit="img", disable=not progress)
        with bar:
            for start in range(0, self.n_images, chunk):
                rows = order[start : start + chunk]
                corner, side = self.crop_window(rows)
                crops[rows], masks[rows] = self.render(rows, corner, side, crops.shape[2])
                whole, unit = np.zeros((len(rows), 2)), np.ones(len(rows))
                scenes[rows] = self.render(rows, whole, unit, scenes.shape[2])[0]
                bar.update(len(rows))
        for array in (crops, scenes, masks):
            array.flush()

    # ------------------------------------------------------------------ writing

    def write_cub(self, folder, progress=True):
        """Writes the whole images as a folder in the format of CUB-200-2011; a class is a child.

        ``images/001.Heron_1/Heron_1_0001.jpg`` (JPEG quality 95), and CUB's lists; every second
        picture of a class is for training.

        Raises:
            InputError: if ``folder`` exists and is not empty.
        """
        write_drawn(self, folder, progress)


def mean_colour_baseline(dataset, seed=0):
    """How far colour alone gets: NMI of k-means clusters (k = number of classes) with the truth.

    Birds and backgrounds share one palette, so the mean colour of a crop says next to nothing.

    Args:
        dataset: a ``ToyBirds``; its first 4,000 pictures are used.
        seed: of k-means.

    Returns:
        Floats in [0, 1]: ``child`` and ``parent`` from the mean crop colour,
        ``child_masked`` from that inside the mask, ``child_pixels`` and ``parent_pixels`` from all.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import normalized_mutual_info_score

    rows = np.arange(min(len(dataset), 4000))
    images = dataset.evaluation_crops(rows).float() / 255
    masks = dataset.masks(rows).float()[:, None]
    mean = images.mean((2, 3))
    masked = (images * masks).sum((2, 3)) / masks.sum((2, 3))
    pixels = torch.nn.functional.adaptive_avg_pool2d(images, 16).flatten(1)
    child, parent = dataset.child_index[rows], dataset.parent_index[rows]

    def score(features, truth):
        k = min(int(truth.max()) + 1, len(rows))
        clusters = KMeans(k, n_init=3, random_state=seed).fit_predict(features.numpy())
        return float(normalized_mutual_info_score(truth, clusters))

    return {
        "child": score(mean, child),
        "parent": score(mean, parent),
        "child_masked": score(masked, child),
        "child_pixels": score(pixels, child),
        "parent_pixels": score(pixels, parent),
    }
