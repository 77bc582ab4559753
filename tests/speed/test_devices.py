"""Options of speed: what "auto" means, that they change how but not what, scaled losses."""

import contextlib
import dataclasses
import subprocess
import sys
import warnings

import pytest
import torch

from finegan_lib.base.errors import InputError
from finegan_lib.bench.doctor import random_batch
from finegan_lib.speed import devices, distributed, recording
from finegan_lib.systems import FineGANSystem, descend, views
from finegan_lib.training.presets import TOY

MODEL = dataclasses.replace(TOY.model, g_dim=4, d_dim=4)
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def system(size=32):
    torch.manual_seed(0)
    return FineGANSystem(dataclasses.replace(MODEL, image_size=size), TOY.recipe)


def one_step(execution, backend="eager", size=32):
    """The losses of a step, and the system after it."""
    made = system(size)
    execution.prepare(made, backend)
    batch = execution.move(random_batch(size, 4, "cpu"))
    with execution.autocast():
        return made.step(batch, torch.Generator().manual_seed(0)), made


def test_auto_on_a_cpu_changes_nothing():
    assert devices.choose(CPU) == devices.Execution(
        device=CPU,
        half=None,
        tf32=False,
        channels_last=False,
        compile=False,
        pinned=False,
        graphs=False,
    )


@pytest.mark.parametrize(("capability", "half"), [(7, torch.float16), (8, torch.bfloat16)])
def test_auto_on_a_gpu(monkeypatch, capability, half):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (capability, 0))
    assert devices.choose(GPU) == devices.Execution(
        device=GPU,
        half=half,
        tf32=True,
        channels_last=True,
        compile=False,
        pinned=True,
        graphs=True,
    )


def test_a_compiled_step_is_recorded_on_demand_only(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert not devices.choose(GPU, compile=True).graphs
    assert devices.choose(GPU, compile=True, cuda_graphs="yes").graphs
    assert not devices.choose(GPU, cuda_graphs="no").graphs
    assert not devices.choose(CPU, cuda_graphs="yes").graphs


def test_every_option_can_be_said(has_bfloat16):
    no = {"tf32": "no", "prefetch": "no", "cuda_graphs": "no"}
    plain = devices.choose(GPU, precision="fp32", memory_format="contiguous", **no)
    assert plain == dataclasses.replace(devices.choose(CPU), device=GPU)
    chosen = devices.choose(CPU, precision="bf16", memory_format="channels_last", compile=True)
    assert chosen == dataclasses.replace(
        devices.choose(CPU), half=torch.bfloat16, channels_last=True, compile=True
    )


@pytest.fixture
def has_bfloat16(monkeypatch):
    monkeypatch.setattr(devices, "has_bfloat16", lambda: True)


def test_bfloat16_needs_a_processor_that_has_it(monkeypatch):
    assert devices.has_bfloat16() in (True, False)
    monkeypatch.setattr(devices, "has_bfloat16", lambda: False)
    with pytest.warns(UserWarning, match="does not compute in bfloat16"):
        assert devices.choose(CPU, precision="bf16").half is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert devices.choose(GPU, precision="bf16").half is torch.bfloat16


def test_bfloat16_becomes_float16_on_a_gpu_before_ampere(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    with pytest.warns(UserWarning, match="does not multiply in bfloat16; training in float16"):
        assert devices.choose(GPU, precision="bf16").half is torch.float16


def test_float16_is_not_for_cpus():
    with pytest.raises(InputError, match="fp16 is for GPUs"):
        devices.choose(CPU, precision="fp16")


@pytest.mark.parametrize("options", [{"memory_format": "channels_last"}, {"compile": True}])
def test_layout_and_compilation_change_no_numbers(options):
    expected, plain = one_step(devices.choose(CPU))
    got, changed = one_step(devices.choose(CPU, **options))
    assert got.keys() == expected.keys()
    for name, loss in expected.items():
        torch.testing.assert_close(got[name], loss, atol=1e-4, rtol=1e-4)
    assert changed.state_dict().keys() == plain.state_dict().keys()
    changed.load_state_dict(plain.state_dict())


def test_compilation_reaches_what_the_step_calls():
    seen = []

    def backend(graph, inputs):
        seen.append(graph)
        return graph.forward

    one_step(devices.choose(CPU, compile=True), backend)
    nodes = [(graph, node) for graph in seen for node in graph.graph.nodes]
    assert sum(is_convolution(graph, node) for graph, node in nodes) > 20


def test_compilation_takes_every_size_of_image_as_it_is():
    """Inductor fails on maps of a size that it is told may change; so none is."""
    torch.compiler.reset()
    seen = []

    def backend(graph, inputs):
        seen.extend(inputs)
        return graph.forward

    for size in (32, 64):
        one_step(devices.choose(CPU, compile=True), backend, size)
    # A size that may change would come in as a number, or stand in a tensor's shape as a symbol.
    assert all(isinstance(x, torch.Tensor) for x in seen)
    assert {32, 64} <= {x.shape[-1] for x in seen if x.ndim == 4}
    assert all(type(length) is int for x in seen for length in x.shape)


def is_convolution(graph, node) -> bool:
    """As a function, or, before torch 2.5, as a layer."""
    layer = node.op == "call_module" and graph.get_submodule(node.target)
    return isinstance(layer, torch.nn.Conv2d) or "conv2d" in str(node.target)


def test_channels_last_reaches_weights_and_images():
    execution = devices.choose(CPU, memory_format="channels_last")
    made = system()
    execution.prepare(made)
    weight = made.generator.background_image.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    batch = execution.move(random_batch(32, 4, "cpu"))
    assert batch.child_crop.is_contiguous(memory_format=torch.channels_last)


def test_delicate_parts_stay_in_float32(has_bfloat16):
    losses, made = one_step(devices.choose(CPU, precision="bf16"))
    for name in ("D_b", "D_c", "area", "binary", "lean"):
        assert losses[name].dtype == torch.float32, name
    for name, tensor in made.state_dict().items():
        if tensor.is_floating_point():
            assert tensor.dtype == torch.float32, name


def test_random_numbers_of_a_recorded_step_are_those_of_the_step(monkeypatch):
    """Its places are filled with as many numbers, in the same order, as the step itself draws."""
    recipe = dataclasses.replace(TOY.recipe, silhouette=0.3, code_colour=0.1, code_affine=0.2)
    made, drawn = FineGANSystem(MODEL, recipe), []

    def sample(*arguments, **options):
        drawn.append(distributed.sample(*arguments, **options))
        return drawn[-1]

    monkeypatch.setattr(views, "sample", sample)
    batch, codes = random_batch(32, 4, "cpu"), made.sample_codes(4, torch.Generator())
    for seed in (1, 2):
        drawn.clear()
        rng = torch.Generator().manual_seed(seed)
        made.learn(batch, codes, rng)
        expected = [numbers.clone() for numbers in drawn]
        drawn.clear()
        redrawn = recording.RecordedNumbers(CPU, torch.Generator().manual_seed(3))
        made.learn(batch, codes, redrawn)
        assert not any(map(torch.equal, expected, drawn))
        drawn.clear()
        made.learn(batch, codes, redrawn.rewind())
        again = torch.Generator().manual_seed(seed)
        redrawn.refill(again)
        assert len(redrawn.kept) >= len(expected) > 5
        assert all(map(torch.equal, expected, drawn))
        assert torch.equal(again.get_state(), rng.get_state())


def test_a_step_that_cannot_be_recorded_runs_as_ever(monkeypatch):
    """And its random numbers are those that it would have had. (What can: tests/test_gpu.py.)"""

    class Stream:
        def wait_stream(self, other):
            pass

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream())
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())

    def record(self, batch, codes):
        assert codes.z.shape == (4, MODEL.z_dim)
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    monkeypatch.setattr(devices.RecordedUpdates, "record", record)
    plain, other = system(), system()
    other.learn = devices.RecordedUpdates(other, CPU)
    other.optimisers["D_b"].scaler = scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    warned = []
    for step in range(6):
        batch = random_batch(32, 4, "cpu", seed=step)
        expected = plain.step(batch, torch.Generator().manual_seed(step))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            got = other.step(batch, torch.Generator().manual_seed(step))
        warned.append([str(warning.message) for warning in caught])
        assert got.keys() == expected.keys()
        for name, loss in expected.items():
            torch.testing.assert_close(got[name], loss.detach(), atol=1e-4, rtol=1e-4)
    assert [len(messages) for messages in warned] == [0, 0, 0, 1, 0, 0]
    assert "(operation not permitted)" in warned[3][0]
    assert other.optimisers["D_b"].scaler is not scaler
    assert other.optimisers["D_b"].scaler.get_scale() == 8.0


def test_sixteen_bit_weights_are_not_kept_beyond_an_update(has_bfloat16):
    layer = torch.nn.Linear(4, 4)
    optimiser = torch.optim.SGD(layer.parameters(), 1.0)
    x = torch.randn(2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        before = layer(x)
        descend(optimiser, before.float().square().sum())
        after = layer(x)
    assert not torch.equal(after, before)


def test_a_count_stays_on_the_cpu():
    made = system().to("meta")
    assert next(made.parameters()).device.type == "meta"
    assert made.updates.device.type == "cpu"


def test_a_scaled_loss_makes_the_same_step():
    """And one whose gradients overflow makes none."""
    weights = [torch.tensor([1.0, 2.0], requires_grad=True) for _ in range(2)]
    optimisers = [torch.optim.Adam([weight], 0.1) for weight in weights]
    optimisers[1].scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for weight, optimiser in zip(weights, optimisers, strict=True):
        for _ in range(3):
            descend(optimiser, weight.square().sum())
    torch.testing.assert_close(weights[1], weights[0])
    assert (weights[0] != torch.tensor([1.0, 2.0])).all()
    before = weights[1].detach().clone()
    descend(optimisers[1], weights[1].sum() * float("inf"))
    assert torch.equal(weights[1], before)
    assert optimisers[1].scaler.get_scale() == 512.0


KEPT = """
import resource, torch
from finegan_lib.speed.devices import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.zeros(2**24).add_(1)  # 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

default = faults()
assert keep_memory()
faults()
print(default, faults())
"""


@pytest.mark.skipif(not devices.keep_memory(), reason="only with glibc")
def test_memory_is_kept():
    """Arrays made again and again are cleared by the system once, not every time."""
    ran = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    default, kept = map(int, ran.stdout.split())
    assert kept < default / 4


# ------------------------------------------------------------------------- which device there is


@pytest.mark.parametrize("name", ["mps", "xpu", "cuda", "cuda:7", "mps:3"])
def test_a_device_that_is_absent_is_one_message(name, monkeypatch):
    for module in (torch.cuda, torch.backends.mps, torch.xpu):
        monkeypatch.setattr(module, "is_available", lambda: False)
    with pytest.raises(InputError, match=rf"sees no \w+ device.*{name} .*\"auto\" or \"cpu\""):
        devices.pick_device(name)


@pytest.mark.parametrize("name", ["abacus", "meta", "hpu", ""])
def test_a_name_that_is_none_is_told_the_names(name):
    with pytest.raises(InputError, match=r'no such device; got .*Use "auto", "cpu", "cuda"'):
        devices.pick_device(name)


@pytest.mark.parametrize(
    ("cuda", "mps", "together", "chosen"),
    [
        (True, True, "1", "cuda"),
        (False, True, "1", "mps"),
        (False, True, "2", "cpu"),
        (False, False, "1", "cpu"),
    ],
)
def test_auto_takes_what_there_is(monkeypatch, cuda, mps, together, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setenv("WORLD_SIZE", together)
    assert devices.pick_device("auto").type == chosen


@pytest.mark.parametrize("command", ["quality", "classifier", "cluster", "train"])
def test_every_command_says_it_alike(command, tmp_path, capsys, monkeypatch):
    from finegan_lib.__main__ import main

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    more = {
        "quality": ["--n", "8"],
        "classifier": ["--out", str(tmp_path / "a.safetensors"), "--steps", "1"],
        "cluster": ["toybirds", "--n-clusters", "2", "--n-images", "8", "--out", str(tmp_path)],
        "train": ["--run", str(tmp_path / "run"), "--steps", "1"],
    }
    assert main([command, *more[command], "--device", "cuda", "--no-progress"]) == 2
    assert "error: this torch sees no CUDA device" in capsys.readouterr().err


# ------------------------------------------------------------------------------- Apple's GPUs


def test_on_apples_gpus_all_is_float32():
    mps = torch.device("mps")
    execution = devices.choose(mps)
    assert (execution.half, execution.pinned, execution.graphs) == (None, False, False)
    assert not execution.channels_last
    with execution.autocast():
        pass
    for precision in ("fp16", "bf16"):
        with pytest.raises(InputError):
            devices.choose(mps, precision=precision)


class Recorded(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes every operation, and every float64 that one makes."""

    def __init__(self):
        super().__init__()
        self.operations, self.doubles = set(), set()

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        name = str(function).rsplit(".", 1)[0].replace("aten.", "aten::")
        self.operations.add(name)
        for made in result if isinstance(result, tuple | list) else [result]:
            if isinstance(made, torch.Tensor) and made.dtype == torch.float64:
                self.doubles.add(name)
        return result


def test_a_step_asks_apples_gpus_for_nothing_that_cannot_be():
    """No float64; and the steps really use what is on the list of fallbacks."""
    model = dataclasses.replace(MODEL, view=True)
    recipe = dataclasses.replace(TOY.recipe, code_affine=0.1)
    torch.manual_seed(0)
    made = FineGANSystem(model, recipe)
    with Recorded() as recorded:
        made.step(random_batch(32, 4, "cpu"), torch.Generator().manual_seed(0))
        made.picture()
    assert not recorded.doubles
    assert set(devices.MPS_FALLBACK) <= recorded.operations


@pytest.mark.parametrize("gradient", [False, True])
def test_places_moved_inside_are_the_border(gradient):
    """What stands for the border on Apple's GPUs gives the same pixels, and gradients by z."""
    from finegan_lib.models import finegan

    torch.manual_seed(0)
    z = (3 * torch.randn(5, 3)).requires_grad_(gradient)
    maps, found = torch.rand(5, 2, 8, 8), []
    for sample in (
        finegan.fetched,
        lambda m, v: torch.nn.functional.grid_sample(
            m,
            finegan.inside(v),
            mode="bilinear" if v.requires_grad else "nearest",
            align_corners=False,
        ),
    ):
        image = sample(maps, finegan.view_grid(z, 8))
        slope = torch.autograd.grad(image.square().sum(), z)[0] if gradient else torch.zeros(1)
        found.append((image, slope))
    torch.testing.assert_close(found[0], found[1])
