"""What only a GPU can show; without one, these tests are skipped.

On a machine that has one: ``python -m pytest tests/test_gpu.py``.
"""

import dataclasses

import pytest
import torch

from finegan_lib.base.checkpoints import load_checkpoint
from finegan_lib.bench import gpu as bench
from finegan_lib.bench.doctor import random_batch
from finegan_lib.codes import Codes
from finegan_lib.speed import devices
from finegan_lib.systems import FineGANSystem
from finegan_lib.training import anneal, train
from finegan_lib.training.presets import TOY

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

GPU = torch.device("cuda")
EXACT = {"precision": "fp32", "tf32": "no", "memory_format": "contiguous"}
SMALL = dataclasses.replace(TOY.model, g_dim=4, d_dim=8)
RECIPE = dataclasses.replace(TOY.recipe, final_decay=0.5, silhouette=0.3, code_colour=0.1)


@pytest.fixture(autouse=True)
def deterministic():
    kept = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    yield
    torch.backends.cudnn.deterministic = kept


def some_steps(n=8, device=GPU, recipe=RECIPE, **options):
    """The losses of n steps of an annealed training, and the system after them."""
    torch.manual_seed(0)
    system = FineGANSystem(SMALL, recipe).to(device)
    execution = devices.choose(device, **(EXACT | options))
    execution.prepare(system)
    reports = []
    for step in range(n):
        batch = execution.move(random_batch(32, 8, "cpu", seed=step))
        anneal(system, step, n)
        with execution.autocast():
            report = system.step(batch, torch.Generator().manual_seed(step), hard=step == 6)
        reports.append({name: value.item() for name, value in report.items()})
    return reports, system


def test_a_recorded_step_is_the_step():
    """Other batches, codes, noise, step sizes in every step: a replay must not reuse the first
    ones.
    """
    expected, plain = some_steps(cuda_graphs="no")
    got, recorded = some_steps()
    assert recorded.learn.graph is not None
    for step, (one, other) in enumerate(zip(expected, got, strict=True)):
        assert one == pytest.approx(other, rel=2e-3, abs=2e-4), f"step {step}"
    assert expected[4]["D_b"] != expected[5]["D_b"]
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(
            recorded.state_dict()[name], tensor, rtol=1e-2, atol=2e-3, msg=lambda m, n=name: n + m
        )


def test_a_gpus_step_is_the_cpus():
    expected, _ = some_steps(2, device=torch.device("cpu"), cuda_graphs="no")
    got, _ = some_steps(2, cuda_graphs="no")
    for one, other in zip(expected, got, strict=True):
        assert one == pytest.approx(other, rel=2e-3, abs=2e-4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_sixteen_bits(precision):
    expected, _ = some_steps(12, cuda_graphs="no")
    got, system = some_steps(12, precision=precision, memory_format="auto")
    assert system.learn.graph is not None
    # In float16 the first gradients overflow, until their factor is small enough: no step is made.
    alike = {"bf16": 5, "fp16": 1}[precision]
    for one, other in zip(expected[:alike], got[:alike], strict=True):
        for name in ("D_b", "D_c"):
            assert one[name] == pytest.approx(other[name], rel=0.1, abs=0.05)
    assert all(tensor.isfinite().all() for tensor in system.state_dict().values())


def test_gradients_that_overflow_make_no_step_when_recorded():
    _, system = some_steps(5, precision="fp16")
    scaler = system.optimisers["D_b"].scaler
    scaler._scale.fill_(2.0**120)
    before = [p.clone() for p in system.d_background.parameters()]
    batch = devices.choose(GPU).move(random_batch(32, 8, "cpu"))
    with torch.autocast("cuda", torch.float16):
        system.step(batch, torch.Generator().manual_seed(0))
    assert all(map(torch.equal, before, system.d_background.parameters()))
    assert scaler.get_scale() == 2.0**119


def test_a_batch_of_another_size_is_not_replayed():
    _, system = some_steps(5)
    batch = devices.choose(GPU, **EXACT).move(random_batch(32, 6, "cpu"))
    seen = []
    learn = system.learn.learn
    system.learn.learn = lambda *given: seen.append(len(given[0].child_crop)) or learn(*given)
    system.step(batch, torch.Generator().manual_seed(0))
    assert seen == [6]


def test_every_option_of_speed_is_measured(monkeypatch):
    monkeypatch.setattr(bench, "STEPS", 1)
    result = bench.gpu(sizes=(32,), rounds=5, batch_size=4, progress=False)["sizes"]["32"]
    assert result["step_s"].keys() == result["memory_gb"].keys() == {"plain", *bench.GPU_WAYS}
    assert result["speedup"] == result["step_s"]["plain"] / result["step_s"]["auto"]


def test_a_training_on_a_gpu_is_resumed_and_read_on_a_cpu(tmp_path):
    loop = dataclasses.replace(
        TOY.loop,
        steps=10,
        hard_steps=2,
        minutes=0.0,
        n_images=64,
        batch_size=8,
        device="auto",
        checkpoint_every=5,
        sample_every=5,
        log_every=5,
    )
    config = dataclasses.replace(TOY, model=SMALL, recipe=RECIPE, loop=loop)
    last = train(config, tmp_path / "run", progress=False)
    longer = dataclasses.replace(config, loop=dataclasses.replace(loop, hard_steps=6))
    newest = train(longer, tmp_path / "run", resume=True, progress=False)
    assert newest != last
    state, _ = load_checkpoint(newest)
    system = FineGANSystem(SMALL, RECIPE)
    system.load_state_dict(state["networks"])
    codes = SMALL.hierarchy().sample(2, SMALL.z_dim)
    assert isinstance(codes, Codes)
    assert system.average(codes).child.image.isfinite().all()
    assert int(system.updates) == 16
