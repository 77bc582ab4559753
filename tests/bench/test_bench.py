"""Benchmarks: that they compare what they say, count right, and hand over what was asked for."""

import json
import os
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from finegan_lib.__main__ import main
from finegan_lib.base.errors import InputError
from finegan_lib.base.files import RESULTS
from finegan_lib.bench import clock, count, gpu, processes, scaling, scoring, step
from finegan_lib.bench import data as reading
from finegan_lib.bench import run as bench
from finegan_lib.speed import devices
from finegan_lib.speed.devices import Execution, has_bfloat16
from finegan_lib.speed.threads import SPIN, share_processors


def test_ways_take_turns(monkeypatch):
    """One turn to warm up, then the median of the rest: by a clock that each way moves by hand."""
    hands, order = [0.0], []
    monkeypatch.setattr(clock, "now", lambda: hands[0])

    def way(name, seconds):
        order.append(name)
        hands[0] += seconds.pop(0)

    slow, quick = [99.0, 3.0, 8.0, 4.0], [50.0, 1.0, 2.0, 1.0]
    ways = {"slow": lambda: way("slow", slow), "quick": lambda: way("quick", quick)}
    assert clock.compare(ways, 3, progress=False) == {"slow": 4.0, "quick": 1.0}
    assert order == ["slow", "quick"] * 4


def test_the_clock_of_one_thread_is_the_processors(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = clock.now()
    time.sleep(0.2)
    assert clock.now() - before < 0.1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert clock.facts()["clock"] == "wall"


def test_convolutions_are_run_again():
    """By hand: 2·(2·3·9) operations for each of 2·16 pixels forwards; backwards twice that."""
    x, weight = torch.randn(2, 2, 4, 4, requires_grad=True), torch.randn(3, 2, 3, 3)
    weight.requires_grad_()

    def way():
        for _ in range(2):
            F.conv2d(x, weight, padding=1).sum().backward()

    noted = count.Convolutions.of(way)
    assert sum(noted.seen.values()) == 4
    assert noted.flops == 2 * 3 * (2 * 2 * 3 * 9 * 2 * 16)


def test_traffic_is_what_goes_in_and_out():
    with count.Traffic() as traffic:
        a = torch.zeros(10)
        (a.view(2, 5) + 1).clone()
    assert traffic.n_bytes == 4 * (10 + 20 + 20)


def test_steps_and_samples_have_a_speedup():
    for measure in (step.step, step.sample):
        result = measure(sizes=(32,), rounds=1, progress=False)
        size = json.loads(json.dumps(result))["sizes"]["32"]
        assert size["speedup"] == size["plain_s"] / size["fast_s"]
        assert size["images_per_s"] == 16 / size["fast_s"]
        assert size["bound"] > 1.01  # fewer operations; that needs no clock
        assert ("bf16_speedup" in size) == (measure is step.step and has_bfloat16())
    assert {"torch", "threads", "clock"} <= result.keys()


def test_bfloat16_is_measured_only_where_it_is_had(monkeypatch):
    for had in (True, False):
        monkeypatch.setattr(devices, "has_bfloat16", lambda had=had: had)
        monkeypatch.setattr(step, "has_bfloat16", lambda had=had: had)
        size = step.step(sizes=(32,), rounds=1, progress=False)["sizes"]["32"]
        assert ("bf16_speedup" in size) == had


def test_a_step_is_compiled_only_on_demand(monkeypatch):
    fused = []
    fuse = lambda execution, system: fused.append(execution.compile)  # noqa: E731
    monkeypatch.setattr(Execution, "fuse", fuse)
    monkeypatch.setattr(step, "has_bfloat16", lambda: False)
    result = bench.bench("step", sizes=(32,), rounds=1, compiled=True, progress=False)
    assert fused == [False, True]
    assert result["sizes"]["32"]["compiled_speedup"] > 0


def test_data(monkeypatch, tmp_path):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path))
    result = reading.data(n_images=16, rounds=1, progress=False)
    assert result["sizes"]["128"]["bytes_per_image"] == pytest.approx(
        3 * (152 * 152 + 149 * 198), rel=0.3
    )
    assert {"32", "128"} == result["sizes"].keys()


def test_scaling_curves_and_their_figure(monkeypatch, tmp_path):
    """Every curve with its smallest size only."""
    monkeypatch.setattr(scaling, "SCALES", {name: xs[:1] for name, xs in scaling.SCALES.items()})
    result = bench.bench("scaling", rounds=1, figure=tmp_path / "s.png", progress=False)
    assert result["curves"].keys() == scaling.SCALES.keys()
    for name, curve in result["curves"].items():
        assert curve["x"] == list(scaling.SCALES[name])
        assert len(curve["s"]) == 1
    assert (tmp_path / "s.png").stat().st_size > 10_000


def test_the_gpu_model_counts_a_step():
    result = gpu.gpu_model(batch_size=2)
    assert result["estimate"] is True
    assert 0.1 < result["step_tflop"] < 1
    cards = result["cards"]
    assert cards["T4"]["step_ms"] > cards["A100"]["step_ms"] > cards["H100"]["step_ms"]


def test_the_gpu_model_of_small_images_adds_what_was_measured_beyond_it():
    """At the sizes that were measured, the estimate of that card is the measurement."""
    measured = json.loads((RESULTS / "bench_gpu.json").read_text())["sizes"]["64"]
    birds = gpu.gpu_model(preset="birds", batch_size=2)
    assert birds["config"]["model"]["image_size"] == 64
    for card in birds["cards"].values():
        assert card["step_ms"] > card["of_that_small_kernels_ms"] > card["of_that_memory_ms"] > 0
        assert card["minutes_per_run"] == pytest.approx(12_000 * card["step_ms"] / 60_000)
    card = gpu.gpu_model(preset="toy64")["cards"]["H100"]
    assert card["step_ms"] == pytest.approx(1e3 * measured["step_s"]["auto"], rel=0.01)
    assert gpu.gpu_model(batch_size=2)["cards"]["T4"]["of_that_small_kernels_ms"] == 0
    with pytest.raises(InputError, match="no such preset of a FineGAN"):
        gpu.gpu_model(preset="infogan")


def test_a_gpu_is_needed_to_measure_one(monkeypatch):
    """What it then measures: tests/test_gpu.py, and results/bench_gpu.json."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no CUDA device"):
        bench.bench("gpu", sizes=(32,), rounds=1, progress=False)


def test_import_cost(monkeypatch):
    monkeypatch.setattr(processes, "PROGRAMS", dict.fromkeys(processes.PROGRAMS, "pass"))
    result = processes.import_cost(rounds=1, progress=False)
    assert result["torch_s"] > 0
    assert abs(result["finegan_lib_beyond_torch_s"]) < 1


def test_memory_runs_every_way_in_processes_of_their_own(monkeypatch):
    answers = {"True, False": "2.0\n", "False, False": "3.0\n", "False, True": "5.0\n"}

    def run(command, **_):
        (answer,) = (said for way, said in answers.items() if way in command[2])
        return subprocess.CompletedProcess(command, 0, stdout=answer)

    monkeypatch.setattr(subprocess, "run", run)
    result = processes.memory(rounds=2, progress=False)
    assert list(result["sizes"]) == ["32", "64", "128"]
    for size, what in product(result["sizes"].values(), ("step", "sample")):
        assert size[what] == {
            "keeping_s": 2.0,
            "giving_back_s": 3.0,
            "plain_s": 5.0,
            "speedup": 1.5,
            "speedup_over_plain": 2.5,
        }


@pytest.mark.parametrize("what", ["step", "sample"])
def test_the_seconds_of_one_way(what, monkeypatch):
    kept = []
    monkeypatch.setattr(processes, "CASES", {32: processes.CASES[32]})
    monkeypatch.setattr(processes, "keep_memory", lambda: kept.append(1))
    assert processes.seconds_of(what, False, True, 32, rounds=1) > 0
    assert not kept
    assert processes.seconds_of(what, True, False, 32, rounds=1) > 0
    assert kept == [1]


def test_a_crowd_is_there_and_gone(monkeypatch):
    """Busy programs run while the second half is measured, and no longer."""
    running, seen = [], []

    class Program:
        def __init__(self, command):
            running.append(self)

        def kill(self):
            running.remove(self)

    def run(command, env, **_):
        seen.append((len(running), env.get("GOMP_SPINCOUNT")))
        return subprocess.CompletedProcess(command, 0, stdout="1.0" if len(seen) % 2 else "0.5")

    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(subprocess, "Popen", Program)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    result = processes.crowd(rounds=1, progress=False)
    assert seen == [(0, None), (0, "3000"), (2, None), (2, "3000")]
    assert not running
    for where in ("alone", "beside"):
        assert (result[where]["spinning_s"], result[where]["sleeping_s"]) == (1.0, 0.5)
        assert result[where]["speedup"] == 2.0


def test_the_busy_program_is_python():
    compile(processes.BUSY, "busy", "exec")


def test_how_threads_wait_is_the_users_choice_first():
    for chosen in ({"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "5"}):
        environment = dict(chosen)
        share_processors(environment)
        assert environment == chosen
    share_processors(environment := {})
    assert environment == {"GOMP_SPINCOUNT": SPIN}
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    assert f"GOMP_SPINCOUNT:-{SPIN}" in makefile


def test_commands_say_how_threads_wait_before_torch_is_loaded():
    program = (
        "import os, sys, finegan_lib.__main__ as cli\n"
        "build, cli.build_parser = cli.build_parser, lambda: check() or build()\n"
        "def check(): print('torch' in sys.modules, os.environ['GOMP_SPINCOUNT'])\n"
        "cli.main(['presets'])\n"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GOMP", "OMP_WAIT"))}
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, env=clean)
    assert ran.stdout.splitlines()[0] == f"False {SPIN}"


def test_scoring():
    result = scoring.scoring(n_images=100, rounds=1, progress=False)
    classifiers, birds = result["classifiers"], result["birds"]
    assert classifiers["speedup"] == pytest.approx(classifiers["plain_s"] / classifiers["fast_s"])
    cached, drawn = birds["cached_images_per_s"], birds["drawn_images_per_s"]
    assert birds["speedup"] == pytest.approx(cached / drawn)


def test_playground():
    result = bench.playground(rounds=1, progress=False)
    assert result["image_size"] == 64
    assert set(result["update_s"]) == {"CodePanel", "MixPanel"}
    assert min(result["update_s"].values()) > 0


def test_options_that_a_bench_does_not_have(capsys):
    with pytest.raises(InputError, match="gpu-model has no --rounds"):
        bench.bench("gpu-model", rounds=3)
    with pytest.raises(InputError, match="rounds must be at least 1; got 0"):
        bench.bench("step", rounds=0)
    assert main(["bench", "data", "--sizes", "32"]) == 2
    assert "bench data has no --sizes" in capsys.readouterr().err


def test_without_a_checkout_there_is_no_reference(monkeypatch, tmp_path):
    monkeypatch.setattr(step, "__file__", str(tmp_path / "finegan_lib" / "bench" / "step.py"))
    with pytest.raises(InputError, match="plain implementation"):
        step.step(sizes=(32,))


def test_summary():
    text = bench.summary({"a": {"b": 1.23456, "config": {"c": 1}}, "d": 2, "e": [1]})
    assert text.splitlines() == [f"{'a b':40} 1.235", f"{'d':40} 2"]
