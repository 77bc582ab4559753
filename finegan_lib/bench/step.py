"""A training step, and sampling, against the plain implementation in ``tests/reference``.

Both need a checkout of the repository, where that implementation is.
"""

import importlib.util
from contextlib import nullcontext
from pathlib import Path

import torch

from ..base.errors import InputError
from ..speed.devices import Execution, choose, has_bfloat16
from ..systems import FineGANSystem
from ..training import build_system
from ..training.presets import CUB, TOY, TOY64
from .clock import compare, facts
from .count import Convolutions, operations_of
from .doctor import random_batch

# What a step and sampling are measured at: the presets' sizes, and for the paper's sizes a batch
# that two CPU cores can handle.
CASES = {32: (TOY, 16), 64: (TOY64, 16), 128: (CUB, 4)}


def step(
    sizes=(32, 64, 128), rounds: int = 5, compiled: bool = False, progress: bool = True
) -> dict:
    """A whole training step of FineGAN against the plain one, in float32.

    Args:
        sizes: of the images, in pixels.
        rounds: turns of each way.
        compiled: time the step under ``train --compile`` too; compiling takes minutes.
        progress: show a progress bar.

    Returns:
        By image size: ``speedup``, both times in seconds, the operations of both (and their ratio,
        ``bound``: the speedup if every operation took as long as before), the rate reached, and
        ``share``: the time that this step's convolutions take on their own, one by one and on
        tensors that nothing else touches, as a fraction of the step's time. ``bf16_speedup`` is
        that of the same step under ``train --precision bf16``, on a CPU that has it. That step
        computes other numbers, so ``speedup`` leaves it out. ``compiled_speedup`` is float32 again.
    """
    results = {}
    for size in sizes:
        config, n = CASES[size]
        ways = {"fast": step_way(size, plain=False), "plain": step_way(size, plain=True)}
        flops = {name: operations_of(way) for name, way in ways.items()}
        convolutions = Convolutions.of(ways["fast"])
        ways["convolutions"] = convolutions.run
        if has_bfloat16():
            ways["bf16"] = step_way(size, plain=False, precision="bf16")
        if compiled:
            forget_compiled()
            ways["compiled"] = step_way(size, plain=False, compile=True)
        seconds = compare(ways, rounds, f"step at {size} px", progress)
        results[str(size)] = {
            "speedup": seconds["plain"] / seconds["fast"],
            **{
                f"{name}_speedup": seconds["plain"] / seconds[name]
                for name in ("bf16", "compiled")
                if name in seconds
            },
            "fast_s": seconds["fast"],
            "plain_s": seconds["plain"],
            "images_per_s": n / seconds["fast"],
            "fast_gflop": flops["fast"] / 1e9,
            "plain_gflop": flops["plain"] / 1e9,
            "bound": flops["plain"] / flops["fast"],
            "fast_gflop_per_s": flops["fast"] / seconds["fast"] / 1e9,
            "plain_gflop_per_s": flops["plain"] / seconds["plain"] / 1e9,
            "convolutions_s": seconds["convolutions"],
            "convolutions_gflop_per_s": convolutions.flops / seconds["convolutions"] / 1e9,
            "share": seconds["convolutions"] / seconds["fast"],
            "batch_size": n,
            "config": config.to_dict(),
        }
    return facts(rounds=rounds, sizes=results)


def sample(sizes=(32, 64, 128), rounds: int = 5, progress: bool = True) -> dict:
    """Images of the averaged generator against those of the plain form, by image size."""
    results = {}
    for size in sizes:
        n = CASES[size][1]
        ways = {"fast": sample_way(size, plain=False), "plain": sample_way(size, plain=True)}
        flops = {name: operations_of(way) for name, way in ways.items()}
        seconds = compare(ways, rounds, f"sampling at {size} px", progress)
        results[str(size)] = {
            "speedup": seconds["plain"] / seconds["fast"],
            "fast_s": seconds["fast"],
            "plain_s": seconds["plain"],
            "images_per_s": n / seconds["fast"],
            "bound": flops["plain"] / flops["fast"],
            "fast_gflop_per_s": flops["fast"] / seconds["fast"] / 1e9,
            "batch_size": n,
        }
    return facts(rounds=rounds, sizes=results)


def step_way(size: int, plain: bool, **options):
    """A function that does one training step; ``options``: see :func:`.devices.choose`."""
    config, n = CASES[size]
    system, batch = build_system(config), random_batch(size, n, "cpu")
    if plain:
        return plain_step_way(system, batch)
    execution = choose(torch.device("cpu"), **options)
    execution.fuse(system)
    return fast_step_way(system, batch, execution)


def sample_way(size: int, plain: bool):
    """A function that draws one batch."""
    config, n = CASES[size]
    generator = build_system(config).average
    codes = config.model.hierarchy().sample(n, config.model.z_dim)

    forms = _reference("plain_training").plain_forms if plain else nullcontext

    def way():
        with torch.no_grad(), forms():
            generator(codes)

    return way


def forget_compiled() -> None:
    """Each size compiles as in a process of its own: torch takes a function eight times at most."""
    torch.compiler.reset()


def fast_step_way(system: FineGANSystem, batch, execution: Execution):
    def way():
        with execution.autocast():
            system.step(batch, torch.Generator().manual_seed(0))

    return way


def plain_step_way(system: FineGANSystem, batch):
    reference = _reference("plain_training")
    reference.plain_optimisers(system)
    return lambda: reference.plain_step(system, batch, torch.Generator().manual_seed(0))


def _reference(name: str):
    """A module of the plain implementation."""
    path = Path(__file__).parents[2] / "tests" / "reference" / f"{name}.py"
    if not path.is_file():
        raise InputError(
            "the plain implementation to compare with is not here",
            seen=str(path),
            cure="Run this in a checkout of the repository, installed with pip install -e .",
        )
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
