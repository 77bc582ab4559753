"""What one of several processes does in tests/test_distributed.py: WHAT FOLDER."""

import itertools
import os
import signal
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

from distributed_cases import double_system, statistics, two_steps

from finegan_lib.__main__ import main
from finegan_lib.speed import distributed
from finegan_lib.systems import FineGANSystem


def steps(folder):
    with distributed.joined():
        distributed.validate_batch(8, system := double_system())
        distributed.synchronise_batch_norms(system)
        two_steps(system)
        if distributed.is_first():
            torch.save(system.state_dict(), folder / "state.pt")
        torch.save(statistics(), folder / f"statistics_{distributed.rank()}.pt")


def train(folder):
    sys.exit(main([*(folder / "command.txt").read_text().split(), "--run", str(folder / "run")]))


def train_with(folder, before_step):
    """Training, in which ``before_step(n)`` is called at the start of the n-th step."""
    step, counted = FineGANSystem.step, itertools.count(1)

    def watched(self, *arguments):
        before_step(next(counted))
        return step(self, *arguments)

    FineGANSystem.step = watched
    train(folder)


def killed(folder):
    """Training, in which the second process is killed in the middle of its fourth step."""

    def fatal(n):
        if distributed.rank() == 1 and n == 4:
            os.kill(os.getpid(), signal.SIGKILL)

    train_with(folder, fatal)


def told(folder):
    """Training, in which the second process alone gets a SIGTERM in its third step."""

    def heard(n):
        if distributed.rank() == 1 and n == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    train_with(folder, heard)


def slow(folder):
    """Training that says when it is in its third step, and is slow from there on."""

    def slowly(n):
        if n == 3:
            (folder / f"started_{distributed.rank()}").touch()
        time.sleep(0.2 if n >= 3 else 0)

    train_with(folder, slowly)


if __name__ == "__main__":
    parts = (steps, train, killed, told, slow)
    {part.__name__: part for part in parts}[sys.argv[1]](Path(sys.argv[2]))
