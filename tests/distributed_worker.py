"""What one of several processes does in tests/test_distributed.py: WHAT FOLDER."""

import os
import signal
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

from distributed_cases import double_system, statistics, two_steps

from finegan_lib import distributed
from finegan_lib.__main__ import main
from finegan_lib.systems import FineGANSystem


def steps(folder):
    with distributed.joined():
        distributed.check_batch(8, system := double_system())
        distributed.synchronise_batch_norms(system)
        two_steps(system)
        if distributed.is_first():
            torch.save(system.state_dict(), folder / "state.pt")
        torch.save(statistics(), folder / f"statistics_{distributed.rank()}.pt")


def train(folder):
    sys.exit(main([*(folder / "command.txt").read_text().split(), "--run", str(folder / "run")]))


def killed(folder):
    """Training, in which the second process is killed in the middle of its fourth step."""
    step, done = FineGANSystem.step, []

    def fatal(self, *arguments):
        done.append(1)
        if distributed.rank() == 1 and len(done) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, *arguments)

    FineGANSystem.step = fatal
    train(folder)


def told(folder):
    """Training, in which the second process alone gets a SIGTERM in its third step."""
    step, done = FineGANSystem.step, []

    def heard(self, *arguments):
        done.append(1)
        if distributed.rank() == 1 and len(done) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *arguments)

    FineGANSystem.step = heard
    train(folder)


def slow(folder):
    """Training that says when it is in its third step, and takes its time from there on."""
    step, done = FineGANSystem.step, []

    def slowly(self, *arguments):
        done.append(1)
        if len(done) == 3:
            (folder / f"started_{distributed.rank()}").touch()
        time.sleep(0.2 if len(done) >= 3 else 0)
        return step(self, *arguments)

    FineGANSystem.step = slowly
    train(folder)


if __name__ == "__main__":
    parts = (steps, train, killed, told, slow)
    {part.__name__: part for part in parts}[sys.argv[1]](Path(sys.argv[2]))
