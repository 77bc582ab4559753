"""Data sets: the drawn birds, and folders of photographs in CUB's format."""

from .example import TrainingExample, background_size
from .folder import BirdsFolder
from .toybirds import ToyBirds

__all__ = ["BirdsFolder", "ToyBirds", "TrainingExample", "background_size"]
