"""What a training survives: kills at any moment, signals, a full disk, damaged checkpoints.

``python tests/survival.py [--kills 50] [--seed 0] [--out tests/survival_report.md]``

Each trial is a run of a tiny GAN or FineGAN on the CPU in a process of its own, forked from this
one so that nothing is imported twice. It is disturbed once (or again and again), then resumed by
the same command, and its last checkpoint is compared, to the last bit of every network and
optimiser, with that of a run that was left alone.

Exit status: 0 if every trial came out right, else 1.
"""

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import torch.utils.tensorboard

from finegan_lib.__main__ import build_parser
from finegan_lib.__main__ import main as command_line
from finegan_lib.base import checkpoints
from finegan_lib.base.checkpoints import load_checkpoint, run_checkpoints, save_checkpoint, step_of
from finegan_lib.base.errors import InputError
from finegan_lib.data import ToyBirds
from finegan_lib.training import run as running

STEPS = 10
SAMPLE_EVERY = 4
COMMON = "--n-images 12 --batch-size 4 --log-every 1 --checkpoint-every 1 "
COMMON += f"--sample-every {SAMPLE_EVERY} "
COMMON += f"--steps {STEPS} --g-dim 4 --d-dim 4 --z-dim 3 --device cpu --no-progress"
COMMANDS = {
    "gan": f"train --preset gan {COMMON}",
    "finegan": f"train --preset toy {COMMON} --n-parents 2 --n-children 4 --min-head-channels 4",
}


class Trial(NamedTuple):
    """One disturbance: what was done, what it hit, and what is wrong with the outcome, if any."""

    what: str
    hit: str
    resumed_from: int
    problem: str


class Bench:
    """A folder of trials, and the undisturbed runs they are compared with."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.random = folder, random.Random(seed)
        os.environ["FINEGAN_CACHE"] = str(folder / "cache")
        ToyBirds(12, n_parents=2, n_children=4, progress=False)
        ToyBirds(12, progress=False)
        build_parser()  # imports what all commands need
        self.expected, self.seconds, self.count = {}, {}, 0
        for family in COMMANDS:
            for run in ("warm", "whole"):
                start = time.monotonic()
                status, text = self.finish(family, folder / family / run)
                assert status == 0, text
                self.seconds[family] = time.monotonic() - start
            self.expected[family] = flat(load_checkpoint(newest(folder / family / "whole"))[0])

    def fork(self, family: str, run: Path, hook=lambda: None) -> int:
        """Start (or resume) a run in another process, which first calls the hook."""
        run.parent.mkdir(parents=True, exist_ok=True)
        pid = os.fork()
        if pid:
            return pid
        status = 99
        try:
            log = os.open(f"{run}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1), os.dup2(log, 2)
            # A shell that puts this program into the background has Ctrl-C ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            hook()
            arguments = COMMANDS[family].split()
            status = command_line([*arguments, "--run", str(run), "--resume"])
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(status)

    def finish(self, family: str, run: Path, hook=lambda: None) -> tuple[int, str]:
        """Run to the end: the exit status (minus a signal's number) and what was printed."""
        _, status = os.waitpid(self.fork(family, run, hook), 0)
        text = Path(f"{run}.log").read_text(errors="replace")
        return os.waitstatus_to_exitcode(status), text

    def new_run(self, family: str) -> Path:
        """The folder of the next trial; the one before is removed."""
        shutil.rmtree(self.folder / family / f"trial{self.count}", ignore_errors=True)
        self.count += 1
        return self.folder / family / f"trial{self.count}"

    def resume(self, family: str, run: Path, what: str, hit: str) -> Trial:
        """Resume a disturbed run, and compare what comes out."""
        status, text = self.finish(family, run)
        start = resumed_from(run, text)
        if status != 0:
            return Trial(what, hit, start, f"resuming ended with status {status}: {text[-300:]}")
        found = newest(run)
        if found is None or step_of(found) != STEPS:
            return Trial(what, hit, start, f"the last checkpoint is {found}")
        state = flat(load_checkpoint(found)[0])
        wrong = [k for k, v in self.expected[family].items() if not same(v, state.get(k))]
        if wrong or len(state) != len(self.expected[family]):
            return Trial(what, hit, start, f"{len(wrong)} values differ, first {wrong[:1]}")
        lines = (run / "history.jsonl").read_text().splitlines()
        steps = [running._step_of_line(line) for line in lines]
        if steps != list(range(1, STEPS + 1)):
            return Trial(what, hit, start, f"the history has the steps {steps}")
        if left := list((run / "checkpoints").glob(".*")):
            return Trial(what, hit, start, f"left behind: {left[0].name}")
        return Trial(what, hit, start, "")

    # ------------------------------------------------------------------------- kill -9

    def kill(self, family: str, while_writing: bool) -> Trial:
        """kill -9 at a random moment, or when a random checkpoint begins to be written."""
        while True:
            run = self.new_run(family)
            pid = self.fork(family, run)
            if while_writing:
                step = self.random.randrange(STEPS)
                before = run / "checkpoints" / f"step_{step:08d}.safetensors"
                while os.waitpid(pid, os.WNOHANG) == (0, 0):
                    if (before.exists() or not step) and partials(run):
                        break
                else:
                    continue  # it finished unseen
                time.sleep(self.random.random() * 0.001)
            else:
                time.sleep(self.random.random() * self.seconds[family])
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            if os.waitstatus_to_exitcode(status) == -signal.SIGKILL:
                break  # else it had finished before: that was no kill
        hit = "in a step or at the start"
        if partials(run):
            hit = "while a checkpoint was being written"
        elif not run_checkpoints(run / "checkpoints"):
            hit = "before the first checkpoint"
        return self.resume(family, run, "kill -9 at a random moment", hit)

    def kill_at(self, family: str, moment: str) -> Trial:
        """The process kills itself at a named moment of the writing after a random step."""
        step = self.random.randrange(2, STEPS)
        run = self.new_run(family)
        cut = self.random.random()

        def hook():
            due = [step]
            original = {name: getattr(os, name) for name in ("fsync", "replace")}
            save, unlink = checkpoints.save_file, Path.unlink

            def die_half_written(tensors, path, metadata):
                due[0] -= 1
                save(tensors, path, metadata=metadata)
                if due[0] == 0:
                    os.truncate(path, int(cut * os.path.getsize(path)))
                    os.kill(os.getpid(), signal.SIGKILL)

            def die_in(name, before):
                def dying(*args, **kwargs):
                    checkpoint = name == "fsync" or str(args[1]).endswith("safetensors")
                    due[0] -= checkpoint
                    if due[0] == 0 and before:
                        os.kill(os.getpid(), signal.SIGKILL)
                    original[name](*args, **kwargs)
                    if due[0] == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

                return dying

            def die_rotating(path, missing_ok=False):
                unlink(path, missing_ok=missing_ok)
                if path.name == f"step_{step - 1:08d}.safetensors":
                    os.kill(os.getpid(), signal.SIGKILL)

            if moment == "half written":
                checkpoints.save_file = die_half_written
            elif moment == "written, not synced":
                os.fsync = die_in("fsync", before=True)
            elif moment == "synced, not renamed":
                os.replace = die_in("replace", before=True)
            elif moment == "renamed, old ones still there":
                os.replace = die_in("replace", before=False)
            else:
                Path.unlink = die_rotating

        status, text = self.finish(family, run, hook)
        if status != -signal.SIGKILL:
            return Trial("kill -9 in the writing", moment, -1, f"ended with {status}: {text}")
        return self.resume(family, run, "kill -9 in the writing", moment)

    def kill_again_and_again(self, family: str, most: int = 12) -> Trial:
        """One run, killed after a random time, resumed, killed, …, then left to finish."""
        run, kills = self.new_run(family), 0
        for _ in range(most):
            pid = self.fork(family, run)
            time.sleep(self.random.random() * self.seconds[family])
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            kills += os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        return self.resume(family, run, "kill -9, resumed, again and again", f"{most} rounds")

    # ------------------------------------------------------------------------- signals

    def stop(self, family: str, number: signal.Signals) -> Trial:
        """SIGTERM or SIGINT after a random step."""
        run, step = self.new_run(family), self.random.randrange(1, STEPS)
        what = f"{number.name}, exit status {128 + number}"

        def hook():
            done, original = [], running.Run.after_step

            def after_step(self, *args):
                done.append(1)
                if len(done) == step:
                    os.kill(os.getpid(), number)
                original(self, *args)

            running.Run.after_step = after_step

        status, text = self.finish(family, run, hook)
        found = newest(run)
        if status != 128 + number or f"stopped by {number.name} after step {step}" not in text:
            return Trial(what, "a step", -1, f"ended with {status}: {text}")
        if f"--run {run} --resume" not in text or step_of(found) != step:
            return Trial(what, "a step", -1, f"kept {found}, said {text}")
        return self.resume(family, run, what, "after a random step")

    # ------------------------------------------------------------------------- full disk

    def full_disk(self, family: str, what: str) -> Trial:
        """No file may grow beyond half a checkpoint, from a random step on."""
        last = STEPS - STEPS % SAMPLE_EVERY if what == "picture" else STEPS - 1  # that is written
        run, step = self.new_run(family), self.random.randrange(2, last + 1)
        size = newest(self.folder / family / "whole").stat().st_size

        def hook():
            done, original = [], running.Run.after_step

            def full(*args, **kwargs):
                raise OSError(28, "No space left on device", "somewhere")

            def after_step(self, *args):
                done.append(1)
                if len(done) == step:
                    if what == "checkpoint":
                        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
                    elif what == "history":
                        self.history = open("/dev/full", "w", buffering=1)  # noqa: SIM115
                    else:
                        running.save_image = full
                original(self, *args)

            running.Run.after_step = after_step

        status, text = self.finish(family, run, hook)
        name = f"full disk while writing the {what}"
        told = "cannot write" in text and "MB are free" in text
        if what == "checkpoint":
            told = told and f"step_{step:08d}.safetensors" in text
        if status != 2 or not told or "Traceback" in text:
            return Trial(name, "", -1, f"ended with {status}: {text}")
        if partials(run):
            return Trial(name, "", -1, "the partial file was left behind")
        load_checkpoint(newest(run))
        return self.resume(family, run, name, "said so, left no partial file")

    # ------------------------------------------------------------------------- damage

    def damage(self, family: str, how: str, both: bool = False) -> Trial:
        """The newest checkpoint of a stopped run is cut off, or a bit of it flipped."""
        run, step = self.new_run(family), self.random.randrange(3, STEPS)
        shutil.copytree(self.folder / family / "whole", run)
        held = self.folder / family / f"at{step}"
        if not held.exists():
            self.finish(family, held, lambda: stop_at(step))
        shutil.rmtree(run)
        shutil.copytree(held, run)
        whole = newest(run).read_bytes()
        for path in run_checkpoints(run / "checkpoints")[-2 if both else -1 :]:
            data = bytearray(path.read_bytes())
            if how == "cut off":
                del data[self.random.randrange(len(data)) :]
            else:
                data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
            path.write_bytes(data)
        damaged = newest(run).read_bytes()
        what = f"{'both checkpoints' if both else 'newest checkpoint'}: {how}"
        trial = self.resume(family, run, what, "set aside, not deleted")
        aside = list((run / "checkpoints").glob("*.damaged"))
        if not trial.problem and damaged != whole:
            harmless = trial.resumed_from == step  # a flipped bit that changes nothing
            if not harmless and (not aside or damaged not in [p.read_bytes() for p in aside]):
                return trial._replace(problem="the damaged file was not set aside")
        return trial


def stop_at(step: int):
    """In a run's process: SIGTERM after a step."""
    original = running.Run.after_step

    def after_step(self, *args):
        if self.step == step:
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, *args)

    running.Run.after_step = after_step


def loader_trials(every_bit: bool) -> list[Trial]:
    """Every truncation and flipped bits of a small checkpoint, read by the loader itself."""
    trials = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step_00000001.safetensors"
        state = {"w": torch.arange(6.0), "n": [1, "a"]}
        whole = save_checkpoint(path, state, step=1).read_bytes()
        expected = load_checkpoint(path)[0]
        refused, wrong = 0, []
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            try:
                load_checkpoint(path)
                wrong.append(length)
            except InputError:
                refused += 1
        trials.append(
            Trial(
                "a small file cut off at every byte, read",
                f"{refused} of {len(whole)} refused",
                -1,
                f"loaded when cut at {wrong[:3]}" if wrong else "",
            )
        )
        refused, wrong, n = 0, [], 0
        for bit in range(0, 8 * len(whole), 1 if every_bit else 11):
            data = bytearray(whole)
            data[bit // 8] ^= 1 << bit % 8
            path.write_bytes(data)
            n += 1
            try:
                found = load_checkpoint(path)[0]
                if list(map(repr, flat(found).items())) != list(map(repr, flat(expected).items())):
                    wrong.append(bit)
            except InputError:
                refused += 1
        trials.append(
            Trial(
                "a small file with one bit flipped, read",
                f"{refused} of {n} refused, the others load the same values",
                -1,
                f"another state at bits {wrong[:3]}" if wrong else "",
            )
        )
    return trials


def flat(node, path="") -> dict:
    """Every leaf of a nested state by its path."""
    if not isinstance(node, dict | list):
        return {path: node}
    leaves = {}
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        leaves |= flat(value, f"{path}/{key}")
    return leaves


def same(a, b) -> bool:
    """Whether two leaves are equal to the last bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and a.equal(b)
    return a == b


def newest(run: Path) -> Path | None:
    """The newest checkpoint of a run."""
    return (run_checkpoints(run / "checkpoints") or [None])[-1]


def partials(run: Path) -> list[str]:
    """Checkpoints that are being written."""
    try:
        return [name for name in os.listdir(run / "checkpoints") if name.startswith(".")]
    except OSError:
        return []


def resumed_from(run: Path, text: str) -> int:
    """The step that a resumed run went on from, by its TensorBoard files' last purge step."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    files = sorted(run.glob("events*"), key=lambda p: p.stat().st_mtime_ns)
    for event in EventFileLoader(str(files[-1])).Load() if files else ():
        if event.HasField("session_log"):
            return event.step - 1
    return 0


def wait_until(moment: float) -> None:
    """Sleep up to a moment of time.monotonic()."""
    time.sleep(max(0.0, moment - time.monotonic()))


MOMENTS = (
    "half written",
    "written, not synced",
    "synced, not renamed",
    "renamed, old ones still there",
    "an old one removed",
)


def run_all(kills: int, seed: int, folder: Path) -> list[Trial]:
    """Every trial; the number of kills at random moments is given, the rest follows from it."""
    bench = Bench(folder, seed)
    families = list(COMMANDS)
    some = max(1, kills // 10)
    trials = [bench.kill(families[k % 2], while_writing=k % 4 > 1) for k in range(kills)]
    for moment in MOMENTS:
        trials += [bench.kill_at(families[k % 2], moment) for k in range(some)]
    for family in families[:some]:
        trials.append(bench.kill_again_and_again(family, 12 if kills >= 50 else 4))
    for number in (signal.SIGTERM, signal.SIGINT):
        trials += [bench.stop(families[k % 2], number) for k in range(some)]
    for what in ("checkpoint", "history", "picture"):
        trials += [bench.full_disk(families[k % 2], what) for k in range(max(1, some // 2))]
    for how in ("cut off", "a bit flipped"):
        trials += [bench.damage(families[k % 2], how) for k in range(some)]
    trials.append(bench.damage("gan", "cut off", both=True))
    return trials + loader_trials(every_bit=kills >= 50)


def table(trials: list[Trial]) -> str:
    """The outcomes, one line for each kind of trial, in Markdown."""
    lines = ["| disturbance | it hit | trials | resumed from step | final weights equal |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for (what, hit), n in Counter((t.what, t.hit) for t in trials).items():
        mine = [t for t in trials if (t.what, t.hit) == (what, hit)]
        starts = sorted({t.resumed_from for t in mine if t.resumed_from >= 0})
        shown = f"{starts[0]} … {starts[-1]}" if len(starts) > 1 else "".join(map(str, starts))
        good = sum(not t.problem for t in mine)
        equal = f"{good} of {n}" if mine[0].resumed_from >= 0 else ("—" if good == n else "WRONG")
        lines.append(f"| {what} | {hit} | {n} | {shown or '—'} | {equal} |")
    return "\n".join(lines)


def main(arguments=None) -> int:
    """Run the trials and print the table."""
    parser = argparse.ArgumentParser(description="What a training survives.")
    parser.add_argument("--kills", type=int, default=50, help="at random moments")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, help="write the table there")
    parsed = parser.parse_args(arguments)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        trials = run_all(parsed.kills, parsed.seed, Path(folder))
    problems = [t for t in trials if t.problem]
    text = table(trials)
    print(text)
    for trial in problems:
        print(f"WRONG: {trial.what}, {trial.hit}: {trial.problem}", file=sys.stderr)
    print(f"{len(trials) - len(problems)} of {len(trials)} right, {time.monotonic() - start:.0f} s")
    if parsed.out:
        parsed.out.write_text(
            "# What a training survives\n\n"
            f"`python tests/survival.py --kills {parsed.kills} --seed {parsed.seed} "
            f"--out {parsed.out}`\n\n"
            f"Runs of {STEPS} steps of a tiny GAN and a tiny FineGAN on a CPU, a checkpoint after "
            'every step. "Final weights equal": all networks and optimisers, to the last bit, '
            "after `train --resume`, and the history has every step once.\n\n"
            f"{text}\n\n{len(trials) - len(problems)} of {len(trials)} trials came out right.\n"
        )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
