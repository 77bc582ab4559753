"""The clock: ways of doing one thing take turns, A B A B …, and the medians are compared.

If the machine is busy elsewhere, warms up or slows down, this affects all ways alike. On one CPU
thread the clock counts the processor time of this process alone; with more threads, and on a GPU,
it counts the time that passes.
"""

import platform
import statistics
import time

import torch
from tqdm.auto import tqdm


def facts(**more) -> dict:
    """What a figure depends on: this machine and its software, and what is added."""
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "clock": clock_name(),
        **more,
    }


def compare(ways: dict, rounds: int, label: str = "", progress: bool = True, clock=None) -> dict:
    """Seconds that each way takes, the median of ``rounds`` turns; one more to warm up.

    Args:
        ways: functions without arguments, by name.
        rounds: turns of each.
        clock: () → seconds; None: :func:`now`.
    """
    clock = clock or now
    seconds = {name: [] for name in ways}
    for turn in tqdm(range(rounds + 1), label, disable=not progress, leave=False):
        for name, way in ways.items():
            start = clock()
            way()
            if turn:
                seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def clock_name() -> str:
    return "processor" if on_one_thread() else "wall"


def on_one_thread() -> bool:
    return torch.get_num_threads() == 1 and not torch.cuda.is_available()


def now() -> float:
    if on_one_thread():
        return time.process_time()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
