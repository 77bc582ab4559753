"""Training: the configuration of a run, its parts, the loop, and its folder.

Start with :func:`.loop.train`. Named configurations are in :mod:`.presets`. :mod:`.pretrained`
reads the networks of a training, and :mod:`.export` writes them for other programs.
"""

from .build import build_dataset, build_system, start_from
from .config import LoopConfig, RunConfig
from .loop import anneal, train
from .order import StepSampler, hash_seed

__all__ = [
    "LoopConfig",
    "RunConfig",
    "StepSampler",
    "anneal",
    "build_dataset",
    "build_system",
    "hash_seed",
    "start_from",
    "train",
]
