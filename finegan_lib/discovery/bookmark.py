"""How a long clustering starts, goes on and stops: JULE's and DEPICT's driver.

Its state is kept in a folder, so that it can go on after a stop.

Every epoch has its own seed (`seed_epoch`). A run that is stopped and continued therefore gives the
same result as a run that is not stopped.
"""

import hashlib
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..base.checkpoints import load_checkpoint, save_checkpoint
from ..base.errors import InputError

SECONDS = 20.0  # between two saves; what a stop loses is computed again, with the same result


class Bookmark:
    """One checkpoint in a folder, replaced whole or not at all.

    Args:
        folder: None keeps nothing.
        method: name of the method.
        config: its dataclass.
        images: (N, C, H, W) uint8.
        facts: what else must agree before a run may go on (the seed, the number of clusters).
    """

    def __init__(self, folder, method: str, config, images: Tensor, **facts):
        self.path = None if folder is None else Path(folder) / f"{method}.safetensors"
        digest = hashlib.sha256(images.contiguous().cpu().numpy().tobytes()).hexdigest()
        self.about = {"config": asdict(config), **facts, "images": f"{len(images)}, {digest[:16]}"}
        self.saved = time.monotonic()

    def load(self):
        """The state that was saved last, or None.

        Raises:
            InputError: if the folder holds the state of another run.
        """
        if self.path is None or not self.path.exists():
            return None
        state, about = load_checkpoint(self.path)
        for name, value in self.about.items():
            # JSON turned the tuples into lists.
            if _as_lists(value) != about.get(name):
                raise InputError(
                    f"this folder holds a clustering with another {name}",
                    seen=f"{self.path.parent}: {about.get(name)}, not {value}",
                    cure="Give another folder, or the settings of that run.",
                )
        return state

    def save(self, make_state, always: bool = False) -> None:
        """Keep the nested state that ``make_state()`` gives, unless the last save was just now."""
        if self.path is not None and (always or time.monotonic() - self.saved >= SECONDS):
            save_checkpoint(self.path, make_state(), **self.about)
            self.saved = time.monotonic()


@contextmanager
def clustering(method: str, config, images: Tensor, n_clusters: int, seed: int, folder):
    """A context that checks what is to be clustered, and keeps torch's random numbers as they were.

    Yields:
        The :class:`Bookmark`.

    Raises:
        InputError: as :func:`validate_images`.
    """
    validate_images(images, n_clusters)
    bookmark = Bookmark(folder, method, config, images, seed=seed, n_clusters=n_clusters)
    with torch.random.fork_rng(devices=[]):
        yield bookmark


def repeat(advance, bookmark: Bookmark, state, title: str, progress: bool, after=None) -> None:
    """Do epoch after epoch, and keep the state.

    Args:
        advance: does one epoch. It returns what the bar shows, and whether the state must be kept
            at once; None if there was nothing more to do.
        state: the nested state that is kept, as a function.
        title: of the bar.
        after: called after every epoch, when the state is kept.
    """
    with tqdm(desc=title, disable=not progress, leave=False) as bar:
        while (done := advance()) is not None:
            shown, at_once = done
            bookmark.save(state, always=at_once)
            bar.set_postfix(shown, refresh=False)
            bar.update()
            if after:
                after()


def _as_lists(value):
    if isinstance(value, dict):
        return {key: _as_lists(item) for key, item in value.items()}
    return [_as_lists(item) for item in value] if isinstance(value, list | tuple) else value


def seed_epoch(seed: int, *place: int) -> None:
    """Seed torch for one piece of work, named by whole numbers such as (stage, epoch)."""
    words = hashlib.sha256(repr((seed, *place)).encode()).digest()
    torch.manual_seed(int.from_bytes(words[:7], "little"))


def validate_images(images: Tensor, n_clusters: int) -> None:
    """Refuse what cannot be clustered.

    Raises:
        InputError: for anything but a uint8 (N, C, H, W) tensor, or n_clusters outside of 2 … N.
    """
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
        shape = getattr(images, "shape", None)
        raise InputError(
            "images must be a uint8 tensor (N, C, H, W)",
            seen=f"{type(images).__name__} {getattr(images, 'dtype', '')} {tuple(shape or ())}",
            cure="Stack the images and convert them to torch.uint8.",
        )
    if not 2 <= n_clusters <= len(images):
        raise InputError(
            "n_clusters must be between 2 and the number of images",
            seen=f"n_clusters={n_clusters}, {len(images)} images",
            cure="Ask for fewer clusters, or give more images.",
        )
