"""What processes of their own show: an import, memory that is kept, a busy program."""

import os
import statistics
import subprocess
import sys
from itertools import product

import torch
from tqdm.auto import tqdm

from ..speed.devices import keep_memory
from ..speed.threads import share_processors
from .clock import compare, facts
from .step import CASES, sample_way, step_way

PROGRAMS = {
    "torch": "import torch",
    "torch, finegan_lib": "import torch, finegan_lib",
    "torch, the models": "import torch, finegan_lib.models",
}


def import_cost(rounds: int = 5, progress: bool = True) -> dict:
    """Seconds of processor time that ``import finegan_lib`` costs beyond ``import torch``."""
    ways = {
        name: lambda program=program: subprocess.run([sys.executable, "-c", program], check=True)
        for name, program in PROGRAMS.items()
    }
    seconds = compare(ways, rounds, "imports", progress, _children_s)
    return facts(
        rounds=rounds,
        torch_s=seconds["torch"],
        finegan_lib_beyond_torch_s=seconds["torch, finegan_lib"] - seconds["torch"],
        models_beyond_torch_s=seconds["torch, the models"] - seconds["torch"],
    )


def _children_s() -> float:
    import resource  # only Unix has it

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


PROCESSES = {"keeping": (True, False), "giving_back": (False, False), "plain": (False, True)}


def memory(sizes=(32, 64, 128), rounds: int = 5, progress: bool = True) -> dict:
    """A step and sampling in three ways: with the memory of large arrays kept, with it given back,
    and in the plain form in a program that does not call :func:`.devices.keep_memory`.

    Each turn is a process of its own, because one way would use memory that another has kept.

    Returns:
        By image size, for ``step`` and ``sample``, the seconds of all three; ``speedup``, what
        keeping gains; and ``speedup_over_plain``, what this library as its commands run it gains
        over the plain form.
    """
    results = {}
    for size, what in product(sizes, ("step", "sample")):
        label = f"memory, {what} at {size} px"
        # Small images take more turns, until these take about as long as those of large images.
        turns = 3 * (max(CASES) // size) ** 2
        seconds = {name: [] for name in PROCESSES}
        for _ in tqdm(range(rounds), label, disable=not progress, leave=False):
            for name, way in PROCESSES.items():
                seconds[name].append(_elsewhere(what, *way, size, turns))
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        results.setdefault(str(size), {})[what] = {f"{n}_s": s for n, s in medians.items()} | {
            "speedup": medians["giving_back"] / medians["keeping"],
            "speedup_over_plain": medians["plain"] / medians["keeping"],
        }
    return facts(rounds=rounds, sizes=results)


def _elsewhere(*arguments, environment=None) -> float:
    """:func:`seconds_of` in a process of its own."""
    call = f"from {__name__} import seconds_of; print(seconds_of{arguments})"
    command = [sys.executable, "-c", call]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return float(ran.stdout)


def seconds_of(what: str, keep: bool, plain: bool, size: int, rounds: int) -> float:
    """How long a training step or sampling takes in this process, from now on.

    Args:
        what: "step" or "sample".
        keep: call :func:`finegan_lib.speed.devices.keep_memory` before. It cannot be taken back.
        plain: in the plain form.
        size: of the images, in pixels.
        rounds: times that it is done, of which the median counts.
    """
    if keep:
        keep_memory()
    make = {"step": step_way, "sample": sample_way}[what]
    return compare({what: make(size, plain)}, rounds, progress=False)[what]


def crowd(rounds: int = 3, progress: bool = True) -> dict:
    """A training step at 32 pixels, alone and beside a busy program, by how threads wait.

    Returns:
        Seconds, ``spinning_s`` with GNU OpenMP's default and ``sleeping_s`` as our commands have
        it (:func:`.threads.share_processors`), and their ratio ``speedup``: ``alone``,
        and ``beside`` as many busy programs as there are threads, less one.
    """
    clean = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    sleeping = dict(clean)
    share_processors(sleeping)
    ways = {"spinning_s": clean, "sleeping_s": sleeping}
    results = {}
    for where, n_busy in (("alone", 0), ("beside", max(1, torch.get_num_threads() - 1))):
        busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(n_busy)]
        try:
            seconds = {name: [] for name in ways}
            for _ in tqdm(range(rounds), where, disable=not progress, leave=False):
                for name, environment in ways.items():
                    way = ("step", True, False, min(CASES), 20)
                    seconds[name].append(_elsewhere(*way, environment=environment))
        finally:
            for program in busy:
                program.kill()
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        speedup = medians["spinning_s"] / medians["sleeping_s"]
        results[where] = medians | {"speedup": speedup, "busy_programs": n_busy}
    return facts(rounds=rounds, image_size=min(CASES), **results)


# A limit, in case the process that should end it is gone.
BUSY = "import time; end = time.time() + 600\nwhile time.time() < end: pass"
