"""Data sets: the drawn birds, and folders of photographs in CUB's format."""

from importlib import import_module

_HOMES = {
    "BirdsFolder": "folder",
    "PictureSet": "memory",
    "ToyBirds": "toybirds",
    "TrainingExample": "example",
    "background_size": "example",
}
__all__ = ["BirdsFolder", "PictureSet", "ToyBirds", "TrainingExample", "background_size"]


def __getattr__(name):
    # Imported when asked for: PyTorch takes seconds to import, and a download does not need it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
