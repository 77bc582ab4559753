"""A small part of ``python tests/survival.py``: what a training survives."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from finegan_lib.training.stopping import StopRequest, ignore_interrupts


@pytest.fixture(autouse=True)
def ctrl_c_has_its_usual_effect():
    """Also where the tests themselves run in the background, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


PROGRAM = Path(__file__).parents[1] / "survival.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the trials are forked")
def test_kills_signals_full_disks_and_damage(tmp_path):
    out = tmp_path / "report.md"
    ran = subprocess.run(
        [sys.executable, str(PROGRAM), "--kills", "8", "--seed", "1", "--out", str(out)],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "WRONG" not in ran.stdout + ran.stderr
    rows = [line for line in out.read_text().splitlines() if line.startswith("| ")][2:]
    kills = [row for row in rows if row.startswith("| kill -9 at a random moment")]
    assert sum(int(row.split("|")[3]) for row in kills) == 8
    assert any("while a checkpoint was being written" in row for row in kills)
    for kind in ("SIGTERM", "SIGINT", "full disk", "cut off", "a bit flipped", "half written"):
        assert any(kind in row for row in rows), kind


def test_a_wish_to_stop_is_heard_once_and_the_second_has_its_usual_effect():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert stop.signal is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup and "&" leave it
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.signal is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_changes():
    seen = []

    def work():
        with StopRequest() as stop:
            seen.append((signal.getsignal(signal.SIGINT), list(stop.until([1, 2]))))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(signal.getsignal(signal.SIGINT), [1, 2])]


def test_batches_end_after_the_one_in_which_the_wish_came():
    with StopRequest() as stop:
        done = []
        for batch in stop.until(range(10)):
            done.append(batch)
            if batch == 3:
                signal.raise_signal(signal.SIGTERM)
    assert done == [0, 1, 2, 3]


@pytest.mark.parametrize("asked", [True, False])
def test_a_loader_that_the_signal_ended_is_no_error_if_the_wish_was_there(asked):
    def loader():
        yield 1
        raise RuntimeError("DataLoader worker (pid 7) exited unexpectedly")

    stop = StopRequest()
    batches = stop.until(loader())
    assert next(batches) == 1
    if asked:
        stop.signal = signal.SIGINT
        assert list(batches) == []
    else:
        with pytest.raises(RuntimeError, match="exited unexpectedly"):
            list(batches)


def test_a_loaders_process_leaves_ctrl_c_to_the_run():
    before = signal.getsignal(signal.SIGINT)
    try:
        ignore_interrupts(0)
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
