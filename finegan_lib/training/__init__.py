"""Training: the configuration of a run, what it is built of, the loop, and its folder.

Start with :func:`.loop.train`. Named configurations are in :mod:`.presets`. What a training leaves
is read by :mod:`.pretrained` and handed on by :mod:`.export`.
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
