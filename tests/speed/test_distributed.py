"""Two processes against one: training steps, runs and statistics; and a process that is killed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from finegan_lib.base.checkpoints import load_checkpoint, run_checkpoints, step_of
from finegan_lib.base.errors import InputError
from finegan_lib.models import GANConfig
from finegan_lib.speed import distributed
from finegan_lib.systems import FineGANSystem, GANSystem, Recipe
from finegan_lib.training import RunConfig, train
from tests.distributed_cases import MODEL, double_system, statistics, two_steps

ROOT = Path(__file__).parents[2]
COMMAND = """train --preset toy --steps 5 --batch-size 4 --n-images 12 --g-dim 4 --d-dim 4
--free-child 0 --device cpu --log-every 1 --checkpoint-every 2 --no-progress"""


def in_two_processes(what, folder):
    """Run tests/distributed_worker.py twice, as torchrun would; the two (status, stderr)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = {
        "TORCHELASTIC_RUN_ID": "test",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "FINEGAN_CACHE": str(folder / "cache"),
    }
    command = [sys.executable, "tests/distributed_worker.py", what, str(folder)]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | together | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    results = []
    try:
        for process in processes:
            out, error = process.communicate(timeout=900)
            results.append((process.returncode, out, error))
    finally:
        for process in processes:
            process.kill()
    return results


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The folder in which two processes made two steps and read statistics."""
    folder = tmp_path_factory.mktemp("steps")
    for status, _, error in in_two_processes("steps", folder):
        assert status == 0, error
    return folder


def test_two_processes_make_the_steps_of_one(shared):
    """Every weight, running statistic and average, in float64, hard negatives included."""
    system = double_system()
    two_steps(system)
    found = torch.load(shared / "state.pt")
    assert found.keys() == system.state_dict().keys()
    for name, tensor in system.state_dict().items():
        torch.testing.assert_close(found[name], tensor, atol=1e-6, rtol=1e-6, msg=name)


def test_the_two_steps_depend_on_every_row(shared):
    """Control: half of the batch alone ends elsewhere."""
    system = double_system()
    half = system.generator.background_image.weight.detach().clone()
    two_steps(system)
    found = torch.load(shared / "state.pt")["generator.background_image.weight"]
    assert (found - half).abs().max() > 1e-3


def test_statistics_are_shared_out(shared):
    whole = statistics()
    for rank in (0, 1):
        found = torch.load(shared / f"statistics_{rank}.pt", weights_only=False)
        assert (found.even.count, found.odd.count) == (25, 25)
        for half in ("even", "odd"):
            ours, theirs = getattr(whole, half), getattr(found, half)
            torch.testing.assert_close(theirs.total, ours.total)
            torch.testing.assert_close(theirs.outer, ours.outer)
        torch.testing.assert_close(found.features, whole.features)
        torch.testing.assert_close(found.logits, whole.logits)


def history(run):
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def test_a_run_in_two_processes_is_a_run(tmp_path):
    """Written once; its losses are those of one process, which goes on with it."""
    (tmp_path / "command.txt").write_text(COMMAND)
    results = in_two_processes("train", tmp_path)
    for status, _, error in results:
        assert status == 0, error
    assert "newest checkpoint" in results[0][1]
    assert results[1][1] == ""
    shared = history(tmp_path / "run")
    assert [line["step"] for line in shared] == [1, 2, 3, 4, 5]
    config = RunConfig.load(tmp_path / "run")
    alone = train(config, tmp_path / "alone", progress=False)
    for a, b in zip(history(tmp_path / "alone")[:2], shared[:2], strict=True):
        for name in ("D_b", "D_c", "child", "pull", "area_p"):
            if name in a:
                assert b[name] == pytest.approx(a[name], abs=0.02), name
    together = load_checkpoint(tmp_path / "run" / "checkpoints" / alone.name)[0]
    state = load_checkpoint(alone)[0]
    assert together["networks"].keys() == state["networks"].keys()
    train(config, tmp_path / "run", resume=True, progress=False)


def test_a_killed_process_ends_the_run_and_leaves_the_checkpoint(tmp_path):
    (tmp_path / "command.txt").write_text(COMMAND)
    (status, _, error), (killed, _, _) = in_two_processes("killed", tmp_path)
    assert (status, killed) == (1, -9)
    assert "error: process 0 of 2 has lost another one" in error
    assert "--resume" in error
    assert "Traceback" not in error
    _, metadata = load_checkpoint(tmp_path / "run" / "checkpoints" / "step_00000002.safetensors")
    assert metadata["step"] == 2


def test_a_signal_to_one_process_stops_all_after_the_same_step(tmp_path):
    """Both say so; and the run goes on as if nothing had happened."""
    (tmp_path / "command.txt").write_text(COMMAND)
    (first, second) = in_two_processes("told", tmp_path)
    assert (first[0], second[0]) == (143, 143)
    assert "stopped by SIGTERM after step 3" in first[2]
    _, metadata = load_checkpoint(tmp_path / "run" / "checkpoints" / "step_00000003.safetensors")
    assert metadata["step"] == 3
    (tmp_path / "command.txt").write_text(f"{COMMAND} --resume")
    assert [status for status, _, _ in in_two_processes("train", tmp_path)] == [0, 0]
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    (undisturbed / "command.txt").write_text(COMMAND)
    assert [status for status, _, _ in in_two_processes("train", undisturbed)] == [0, 0]
    ours, theirs = (
        load_checkpoint(folder / "run" / "checkpoints" / "step_00000005.safetensors")[0]["networks"]
        for folder in (tmp_path, undisturbed)
    )
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_a_signal_to_the_group_of_torchrun_keeps_the_step(tmp_path):
    """As from a terminal. torchrun gets it, and sends it on to its processes, each in a session of
    its own; both finish the step that they are in, and nothing stays behind."""
    (tmp_path / "command.txt").write_text(COMMAND.replace("--steps 5", "--steps 500"))
    (tmp_path / "cache").mkdir()
    environment = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment |= {"FINEGAN_CACHE": str(tmp_path / "cache")}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    worker = ["tests/distributed_worker.py", "slow", str(tmp_path)]
    with open(tmp_path / "said", "w") as said:
        group = subprocess.Popen(
            [*torchrun, "--nproc-per-node", "2", *worker],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 600
        while not all((tmp_path / f"started_{rank}").exists() for rank in (0, 1)):
            assert group.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(group.pid, signal.SIGTERM)
        assert group.wait(timeout=600) != 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group.pid, signal.SIGKILL)
    text = (tmp_path / "said").read_text()
    newest = run_checkpoints(tmp_path / "run" / "checkpoints")[-1]
    assert load_checkpoint(newest)[1]["step"] == step_of(newest) >= 3
    kept = f"stopped by SIGTERM after step {step_of(newest)}, which is kept in {newest}"
    assert text.count(kept) == 2, text
    assert not list(newest.parent.glob(".*"))


# ------------------------------------------------------------------------------ one process


def test_alone_nothing_is_changed():
    numbers = torch.arange(5)
    assert distributed.own(numbers) is not None and distributed.own(numbers).tolist() == [*range(5)]
    assert (distributed.rank(), distributed.size(), distributed.is_first()) == (0, 1, True)
    assert distributed.mean_of(numbers) is numbers
    assert distributed.gather("a") == ["a"]
    assert distributed.in_turn(lambda: 7) == 7
    assert distributed.agree(True) and not distributed.agree(False)
    system = double_system()
    kinds = [type(layer) for layer in system.modules()]
    distributed.synchronise_batch_norms(system)
    assert [type(layer) for layer in system.modules()] == kinds


@pytest.fixture
def second_of_two(monkeypatch):
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(distributed, "size", lambda: 2)


def test_each_process_takes_its_rows_of_one_draw(second_of_two):
    whole = torch.rand(6, 2, generator=torch.Generator().manual_seed(0))
    own = distributed.sample(torch.rand, 3, 2, rng=torch.Generator().manual_seed(0))
    assert torch.equal(own, whole[1::2])
    whole = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    own = distributed.sample(torch.randn, 4, 3, rng=torch.Generator().manual_seed(0), batch_dim=1)
    assert torch.equal(own, whole[:, 1::2])


def test_uneven_shares_and_other_families_are_refused(second_of_two):
    system = FineGANSystem(MODEL, Recipe(free_child=0.25))
    distributed.validate_batch(8, system)  # 6 of 8 are judged, 3 of each 4
    for batch_size in (7, 12):  # 9 of 12 are judged
        with pytest.raises(InputError, match="must split evenly"):
            distributed.validate_batch(batch_size, system)
    gan = GANSystem(GANConfig(image_size=32, z_dim=3, g_dim=4, d_dim=4), Recipe())
    distributed.validate_batch(8, gan)
    with pytest.raises(InputError, match="must split evenly"):
        distributed.validate_batch(7, gan)


# ------------------------------------------------------------------------ how processes meet


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("no-such-host.invalid", "the address of the first process is not known"),
        ("127.0.0.1", "have not met within 2 s"),
    ],
)
def test_processes_that_do_not_meet_are_told_so(tmp_path, address, says):
    """One of two starts alone: it says what is wrong and how to start both, and stops waiting."""
    (tmp_path / "command.txt").write_text(COMMAND)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone = {"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": address, "MASTER_PORT": str(port)}
    alone |= {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "FINEGAN_MEETING": "2"}
    result = subprocess.run(
        [sys.executable, "tests/distributed_worker.py", "train", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | alone | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 2, result.stderr
    assert says in result.stderr and "--local-addr localhost" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "preset", ["gan", "infogan", "simple_gan", "infogan_baseline", "lr_gan", "stackgan"]
)
def test_a_baseline_in_two_processes_is_one_run(tmp_path, preset):
    """The losses of the first steps are those of one process."""
    command = COMMAND.replace("--free-child 0 ", "").replace(
        "--preset toy", f"--preset {preset} --image-size 32 --data toybirds"
    )
    (tmp_path / "command.txt").write_text(command)
    for status, _, error in in_two_processes("train", tmp_path):
        assert status == 0, error
    config = RunConfig.load(tmp_path / "run")
    train(config, tmp_path / "alone", progress=False)
    ours, theirs = history(tmp_path / "run"), history(tmp_path / "alone")
    assert [line["step"] for line in ours] == [1, 2, 3, 4, 5]
    for a, b in zip(theirs[:2], ours[:2], strict=True):
        for name in set(a) - {"step", "seconds", "images_per_s", "warnings"}:
            assert b[name] == pytest.approx(a[name], abs=0.02), name
