"""How fast things are, as ratios within one run: ``python -m finegan_lib bench WHAT``.

Two ways of doing one thing take turns, A B A B …, and the medians are compared, so that a machine
which is busy elsewhere, warms up or slows down does so for both. On one CPU thread the clock counts
the processor time of this process alone; with more threads, and on a GPU, it is the wall's.

The reference that a training step and sampling are compared with is the plain implementation in
``tests/reference``, so those two need a checkout of the repository.
"""

import dataclasses
import importlib.util
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import nullcontext
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from ..base.errors import InputError
from ..data import BirdsFolder, ToyBirds
from ..data.cache import CachedBirds
from ..speed.devices import Execution, choose, has_bfloat16, keep_memory, pick_device
from ..speed.threads import share_processors
from ..systems import FineGANSystem
from ..training import StepSampler, build_system
from ..training.presets import CUB, TOY, TOY64
from .doctor import random_batch

# What a step and sampling are measured at: the presets' sizes, and the batch of the paper's sizes
# that two CPU cores can bear.
CASES = {32: (TOY, 16), 64: (TOY64, 16), 128: (CUB, 4)}


def facts(**more) -> dict:
    """What a figure depends on: this machine and its software, and what is added."""
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "clock": _clock_name(),
        **more,
    }


def compare(ways: dict, rounds: int, label: str = "", progress: bool = True, clock=None) -> dict:
    """Seconds that each way takes, the median of ``rounds`` turns; one more to warm up.

    Args:
        ways: functions without arguments, by name.
        rounds: turns of each.
        clock: () → seconds; None: :func:`_now`.
    """
    clock = clock or _now
    seconds = {name: [] for name in ways}
    for turn in tqdm(range(rounds + 1), label, disable=not progress, leave=False):
        for name, way in ways.items():
            start = clock()
            way()
            if turn:
                seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def _clock_name() -> str:
    return "processor" if _on_one_thread() else "wall"


def _on_one_thread() -> bool:
    return torch.get_num_threads() == 1 and not torch.cuda.is_available()


def _now() -> float:
    if _on_one_thread():
        return time.process_time()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _reference(name: str):
    """A module of the plain implementation."""
    path = Path(__file__).parents[2] / "tests" / "reference" / f"{name}.py"
    if not path.is_file():
        raise InputError(
            "the plain implementation to compare with is not here",
            seen=str(path),
            cure="Run this in a checkout of the repository, installed with pip install -e .",
        )
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --------------------------------------------------------------------------------- training step


def step(
    sizes=(32, 64, 128), rounds: int = 5, compiled: bool = False, progress: bool = True
) -> dict:
    """A whole training step of FineGAN against the plain one, in float32.

    Args:
        sizes: of the images, in pixels.
        rounds: turns of each way.
        compiled: time the step under ``train --compile`` too; compiling takes minutes.
        progress: show a progress bar.

    Returns:
        By image size: ``speedup``, both times in seconds, the operations of both (and their ratio,
        ``bound``: the speedup if every operation took as long as before), the rate reached, and
        ``share``: the time that this step's convolutions take on their own, one by one and on
        tensors that nothing else touches, as a fraction of the step's time. ``bf16_speedup`` is
        that of the same step under ``train --precision bf16``, on a CPU that has it: other numbers,
        so no part of ``speedup``. ``compiled_speedup`` is float32 again.
    """
    results = {}
    for size in sizes:
        config, n = CASES[size]
        ways = {"fast": _step_way(size, plain=False), "plain": _step_way(size, plain=True)}
        flops = {name: _flops(way) for name, way in ways.items()}
        convolutions = Convolutions.of(ways["fast"])
        ways["convolutions"] = convolutions.run
        if has_bfloat16():
            ways["bf16"] = _step_way(size, plain=False, precision="bf16")
        if compiled:
            _forget_compiled()
            ways["compiled"] = _step_way(size, plain=False, compile=True)
        seconds = compare(ways, rounds, f"step at {size} px", progress)
        results[str(size)] = {
            "speedup": seconds["plain"] / seconds["fast"],
            **{
                f"{name}_speedup": seconds["plain"] / seconds[name]
                for name in ("bf16", "compiled")
                if name in seconds
            },
            "fast_s": seconds["fast"],
            "plain_s": seconds["plain"],
            "images_per_s": n / seconds["fast"],
            "fast_gflop": flops["fast"] / 1e9,
            "plain_gflop": flops["plain"] / 1e9,
            "bound": flops["plain"] / flops["fast"],
            "fast_gflop_per_s": flops["fast"] / seconds["fast"] / 1e9,
            "plain_gflop_per_s": flops["plain"] / seconds["plain"] / 1e9,
            "convolutions_s": seconds["convolutions"],
            "convolutions_gflop_per_s": convolutions.flops / seconds["convolutions"] / 1e9,
            "share": seconds["convolutions"] / seconds["fast"],
            "batch_size": n,
            "config": config.to_dict(),
        }
    return facts(rounds=rounds, sizes=results)


def _step_way(size: int, plain: bool, **options):
    """A function that does one training step; ``options``: see :func:`.devices.choose`."""
    config, n = CASES[size]
    system, batch = build_system(config), random_batch(size, n, "cpu")
    if plain:
        return _plain_step_way(system, batch)
    execution = choose(torch.device("cpu"), **options)
    execution.fuse(system)
    return _fast_step_way(system, batch, execution)


def _forget_compiled() -> None:
    """Each size compiles as in a process of its own: torch takes a function eight times at most."""
    torch.compiler.reset()


def _fast_step_way(system: FineGANSystem, batch, execution: Execution):
    def way():
        with execution.autocast():
            system.step(batch, torch.Generator().manual_seed(0))

    return way


def _plain_step_way(system: FineGANSystem, batch):
    reference = _reference("plain_training")
    reference.plain_optimisers(system)
    return lambda: reference.plain_step(system, batch, torch.Generator().manual_seed(0))


def sample(sizes=(32, 64, 128), rounds: int = 5, progress: bool = True) -> dict:
    """Images of the averaged generator against those of the plain form, by image size."""
    results = {}
    for size in sizes:
        n = CASES[size][1]
        ways = {"fast": _sample_way(size, plain=False), "plain": _sample_way(size, plain=True)}
        flops = {name: _flops(way) for name, way in ways.items()}
        seconds = compare(ways, rounds, f"sampling at {size} px", progress)
        results[str(size)] = {
            "speedup": seconds["plain"] / seconds["fast"],
            "fast_s": seconds["fast"],
            "plain_s": seconds["plain"],
            "images_per_s": n / seconds["fast"],
            "bound": flops["plain"] / flops["fast"],
            "fast_gflop_per_s": flops["fast"] / seconds["fast"] / 1e9,
            "batch_size": n,
        }
    return facts(rounds=rounds, sizes=results)


def _sample_way(size: int, plain: bool):
    """A function that draws one batch."""
    config, n = CASES[size]
    generator = build_system(config).average
    codes = config.model.hierarchy().sample(n, config.model.z_dim)

    forms = _reference("plain_training").plain_forms if plain else nullcontext

    def way():
        with torch.no_grad(), forms():
            generator(codes)

    return way


def _flops(way) -> int:
    with FlopCounterMode(display=False) as counter:
        way()
    return counter.get_total_flops()


class Convolutions(TorchDispatchMode):
    """Notes every convolution that runs, forwards and backwards, to run them again on their own."""

    KINDS = (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default)

    def __init__(self):
        super().__init__()
        self.seen = Counter()

    @classmethod
    def of(cls, way) -> "Convolutions":
        """Those of a function without arguments."""
        with cls() as noted:
            way()
        noted.tensors = [noted._tensors(arguments) for _, arguments in noted.seen]
        noted.flops = _flops(noted.run)
        return noted

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in self.KINDS:
            self.seen[func, tuple(map(self._frozen, args))] += 1
        return func(*args, **(kwargs or {}))

    def run(self) -> None:
        """All of them, in the order of their first appearance."""
        for (function, _), times, arguments in zip(
            self.seen, self.seen.values(), self.tensors, strict=True
        ):
            for _ in range(times):
                function(*arguments)

    @staticmethod
    def _frozen(argument):
        if isinstance(argument, torch.Tensor):
            return ("tensor", tuple(argument.shape), argument.dtype)
        return tuple(argument) if isinstance(argument, list) else argument

    @staticmethod
    def _tensors(arguments) -> list:
        def thawed(argument):
            if isinstance(argument, tuple) and argument and argument[0] == "tensor":
                return torch.rand(argument[1], dtype=argument[2]) - 0.5
            return list(argument) if isinstance(argument, tuple) else argument

        return [thawed(argument) for argument in arguments]


# ------------------------------------------------------------------------------------------ data


def data(n_images: int = 100, rounds: int = 5, progress: bool = True) -> dict:
    """Batches of 16 crops of photograph-sized JPEGs (500 × 375), decoded anew or from the cache.

    The photographs are ToyBirds, enlarged. ``share`` is the time for one batch as a fraction of
    the training step at 32 pixels, the fastest step that there is; a GPU's step is shorter still.
    """
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        photographs = _photographs(Path(folder), n_images, progress)
        config = CASES[32][0]
        system, batch = build_system(config), random_batch(32, 16, "cpu")
        train = lambda: system.step(batch, torch.Generator().manual_seed(0))  # noqa: E731
        for size in (32, 128):
            birds = BirdsFolder(photographs, image_size=size)
            start = time.perf_counter()
            cached = CachedBirds(
                photographs, image_size=size, cache_dir=Path(folder) / "cache", progress=progress
            )
            built = time.perf_counter() - start
            batches = list(StepSampler(n_images, 16, 0, 0, 4))

            def decode(birds=birds, batches=batches):
                for keys in batches:
                    torch.utils.data.default_collate([birds[key] for key in keys])

            def read(cached=cached, batches=batches):
                for keys in batches:
                    cached.batch(keys)

            ways = {"decoded": decode, "cached": read} | ({"step": train} if size == 32 else {})
            seconds = compare(ways, rounds, f"data at {size} px", progress)
            per_batch = seconds["cached"] / len(batches)
            results[str(size)] = {
                "speedup": seconds["decoded"] / seconds["cached"],
                "decoded_images_per_s": 16 * len(batches) / seconds["decoded"],
                "cached_images_per_s": 16 * len(batches) / seconds["cached"],
                "build_images_per_s": n_images / built,
                "bytes_per_image": cached.n_bytes / n_images,
                "gb_of_12000_images": 12_000 * cached.n_bytes / n_images / 1e9,
            }
            if size == 32:
                results["32"]["share_of_toy_step"] = per_batch / seconds["step"]
    return facts(rounds=rounds, n_images=n_images, sizes=results)


def _photographs(folder: Path, n: int, progress: bool) -> Path:
    birds = ToyBirds(n, image_size=128, cache_dir=folder / "drawn", progress=progress)
    birds.write_cub(folder / "photographs", progress=progress)
    root = folder / "photographs"
    boxes = []
    for line in (root / "images.txt").read_text().splitlines():
        path = root / "images" / line.split(maxsplit=1)[1]
        with Image.open(path) as image:
            scale = np.array([500, 375]) / image.size
            image.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
        boxes.append(scale)
    lines = []
    text = (root / "bounding_boxes.txt").read_text().splitlines()
    for line, scale in zip(text, boxes, strict=True):
        id_, *box = line.split()
        lines.append(
            " ".join([id_, *(f"{v:.2f}" for v in np.array(box, float) * np.tile(scale, 2))])
        )
    (root / "bounding_boxes.txt").write_text("\n".join(lines) + "\n")
    return root


# --------------------------------------------------------------------------------------- scaling


# What is changed, and the sizes that it takes; the last two count rows of features.
SCALES = {
    "batch size": (4, 8, 16, 32, 64),
    "image size": (32, 64, 128),
    "child codes": (20, 200, 2000, 20_000),
    "width": (4, 8, 16, 32),
    "FID sums": (1000, 10_000, 100_000),
    "k-means": (1000, 10_000, 100_000),
}


def scaling(rounds: int = 3, progress: bool = True) -> dict:
    """Step time and memory against batch, image size, N_c and width; scores against N.

    Everything starts from the toy preset at 32 pixels and changes one size at a time. ``curves``
    holds, by name, ``x`` and the seconds ``s`` of a step (or a score); of a step also those of its
    convolutions alone, and its memory: weights, optimisers, and what is kept for backward passes.
    """
    curves = {}
    for name in ("batch size", "image size", "child codes", "width"):
        curve = {"x": [], "s": [], "convolutions_s": [], "memory_mb": []}
        for x in SCALES[name]:
            config = dataclasses.replace(TOY.model, **_changed(name, x))
            system = FineGANSystem(config, TOY.recipe)
            batch = random_batch(config.image_size, x if name == "batch size" else 16, "cpu")
            way = lambda s=system, b=batch: s.step(b, torch.Generator().manual_seed(0))  # noqa: E731
            ways = {"step": way, "convolutions": Convolutions.of(way).run}
            seconds = compare(ways, rounds, f"{name} {x}", progress)
            curve["x"].append(x)
            curve["s"].append(seconds["step"])
            curve["convolutions_s"].append(seconds["convolutions"])
            curve["memory_mb"].append(_memory_of_step(system, way) / 1e6)
        curves[name] = curve
    curves |= _score_curves(rounds, progress)
    return facts(rounds=rounds, curves=curves)


def _changed(name: str, x: int) -> dict:
    changes = {"image size": {"image_size": x}, "child codes": {"n_children": x}}
    return (changes | {"width": {"g_dim": x, "d_dim": 4 * x}}).get(name, {})


def _memory_of_step(system: nn.Module, way) -> int:
    """Bytes of weights and optimisers, and of what a backward pass of the step has kept for it."""
    kept, peak = Counter(), [0]

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        peak[0] = max(peak[0], sum(kept.values()))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        way()
    fixed = sum(t.numel() * t.element_size() for t in system.state_dict().values())
    # A gradient and two moments of Adam's for each weight, in float32.
    return fixed + 3 * 4 * _n_trained(system) + peak[0]


def _n_trained(system: nn.Module) -> int:
    groups = [g for optimiser in system.optimisers.values() for g in optimiser.param_groups]
    return sum(p.numel() for group in groups for p in group["params"])


def _score_curves(rounds: int, progress: bool) -> dict:
    """Seconds of an FID (512 features, its running sums) and of a k-means, against N."""
    from sklearn.cluster import MiniBatchKMeans

    from ..scoring.quality import FeatureSums

    random = np.random.default_rng(0)
    curves = {
        "FID sums": {"x": list(SCALES["FID sums"]), "s": [], "features": 512},
        "k-means": {"x": list(SCALES["k-means"]), "s": [], "features": 64, "clusters": 20},
    }
    for n in SCALES["FID sums"]:
        wide = torch.from_numpy(random.standard_normal((n, 512), dtype=np.float32))

        def sums(wide=wide):
            total = FeatureSums.of(wide[:1000])
            for part in wide[1000:].split(1000):
                total = total + FeatureSums.of(part)

        curves["FID sums"]["s"].append(compare({"": sums}, rounds, f"{n} rows", progress)[""])
    for n in SCALES["k-means"]:
        narrow = random.standard_normal((n, 64), dtype=np.float32)

        def cluster(narrow=narrow):
            MiniBatchKMeans(20, n_init=1, random_state=0).fit(narrow)

        curves["k-means"]["s"].append(compare({"": cluster}, rounds, f"{n} rows", progress)[""])
    return curves


def scaling_figure(result: dict):
    """The curves of :func:`scaling`, one panel each, on logarithmic axes."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter, NullFormatter

    from ..course.style import FAKE, GREEN, REAL

    curves = result["curves"]
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    axes = figure.subplots(2, 3)
    for axis, (name, curve) in zip(axes.flat, curves.items(), strict=True):
        axis.loglog(curve["x"], curve["s"], "o-", color=REAL, label="all of it")
        if "convolutions_s" in curve:
            axis.loglog(
                curve["x"], curve["convolutions_s"], "s--", color=FAKE, label="convolutions"
            )
            beside = axis.twinx()
            beside.loglog(curve["x"], curve["memory_mb"], "^:", color=GREEN, label="memory")
            beside.set_ylabel("memory (MB)")
            lines = axis.get_lines() + beside.get_lines()
            axis.legend(lines, [line.get_label() for line in lines], fontsize=8)
        is_score = "convolutions_s" not in curve
        axis.set_title(name if is_score else f"training step: {name}")
        units = {"image size": " (pixels)", "batch size": " (images)", "width": " (channels, g)"}
        axis.set_xlabel("number of feature rows" if is_score else name + units.get(name, ""))
        axis.set_xticks(curve["x"], [f"{x:,}" for x in curve["x"]])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_ylabel(f"{result['clock']} time (s)")
        for scale in figure.axes:
            scale.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 1.0)))
    return figure


# -------------------------------------------------------------------------------------------- GPU

# What `bench gpu` compares: one option of speed more each time; then float16, for older cards.
GPU_WAYS = {
    "float32": {"precision": "fp32", "tf32": "no"},
    "TF32": {"precision": "fp32"},
    "bfloat16": {"precision": "bf16"},
    "bfloat16, channels_last": {"precision": "bf16", "memory_format": "auto"},
    "auto": {"memory_format": "auto", "cuda_graphs": "auto"},
    "float16": {"precision": "fp16", "memory_format": "auto", "cuda_graphs": "auto"},
    "float32, recorded": {"precision": "fp32", "tf32": "no", "cuda_graphs": "auto"},
}
ONE_BY_ONE = {"memory_format": "contiguous", "cuda_graphs": "no"}  # unless a way says otherwise
STEPS = 5  # in a turn: a GPU is waited for at its end only


def gpu(
    sizes=(32, 64, 128),
    rounds: int = 5,
    compiled: bool = False,
    batch_size: int = 16,
    progress: bool = True,
) -> dict:
    """A training step on this machine's GPU under the options of speed (:mod:`.devices`), measured.

    Args:
        sizes: of the images, in pixels.
        rounds: turns of each way.
        compiled: with torch.compile too, in place of recording; compiling takes minutes.
        batch_size: number of images of a step (paper: 16).
        progress: show a progress bar.

    Returns:
        By image size the seconds of a step and the GB of the card's memory that a training so takes
        up, for the plain implementation in float32 and for each of :data:`GPU_WAYS`; ``speedup`` of
        "auto" over the plain one; and at 128 pixels the minutes that an epoch of CUB takes with it.

    Raises:
        InputError: if torch sees no GPU.
    """
    device = pick_device("cuda")
    ways = {"plain": None} | GPU_WAYS
    if compiled:
        ways["compiled"] = {"memory_format": "auto", "compile": True}
    results = {}
    for size in sizes:
        made, memory = {}, {}
        if compiled:
            _forget_compiled()
        for name, options in ways.items():
            torch.cuda.empty_cache()
            before = torch.cuda.memory_reserved()
            made[name] = _gpu_way(size, batch_size, device, options)
            made[name]()
            memory[name] = (torch.cuda.memory_reserved() - before) / 1e9
        seconds = compare(made, rounds, f"GPU step at {size} px", progress)
        seconds = {name: value / STEPS for name, value in seconds.items()}
        results[str(size)] = {
            "speedup": seconds["plain"] / seconds["auto"],
            "images_per_s": batch_size / seconds["auto"],
            "step_s": seconds,
            "memory_gb": memory,
        }
        if size == max(CASES):
            results[str(size)]["minutes_per_epoch_of_cub"] = (
                seconds["auto"] * (N_CUB // batch_size) / 60
            )
        del made
    return facts(
        device=torch.cuda.get_device_name(), rounds=rounds, batch_size=batch_size, sizes=results
    )


def _gpu_way(size: int, n: int, device: torch.device, options: dict | None):
    """A function that does :data:`STEPS` training steps; options None: the plain ones."""
    config = CASES[size][0]
    system = build_system(config).to(device)
    execution = choose(device, **(ONE_BY_ONE | (options or GPU_WAYS["float32"])))
    batch = execution.move(random_batch(size, n, "cpu"))
    if options is None:
        step = _plain_step_way(system, batch)
    else:
        execution.prepare(system)
        step = _fast_step_way(system, batch, execution)

    def way():
        execution.allow_tf32()
        for _ in range(STEPS):
            step()

    return way


# ----------------------------------------------------------------------------------- GPU on paper

N_CUB = 11_788  # images

# Published peaks: TFLOP/s of dense half-precision matrix products, TB/s of memory.
GPUS = {"T4": (65, 0.32), "A100": (312, 1.555), "H100": (989, 3.35)}
# What convolutions and memory traffic reach of a peak. Their ratio is a guess, their height was
# measured: so an H100 takes the 18 ms for a step that `bench gpu` found.
REACHED = (0.24, 0.42)


def gpu_model(batch_size: int = 16, n_images: int = N_CUB) -> dict:
    """Time per epoch of CUB on paper: **estimates**, until somebody measures (:func:`gpu`).

    The operations and the bytes of one training step are counted, on tensors without memory. A
    step takes at least as long as its operations at the card's peak and as its traffic at the
    memory's peak; both are divided by the share of a peak that programs reach, and added: of the
    kernels here some are bound by the one, some by the other.
    """
    with torch.device("meta"):
        system = FineGANSystem(CUB.model, CUB.recipe)
    # The codes are drawn and the steps counted on the CPU, as always.
    system.hierarchy, system.updates = CUB.model.hierarchy(), torch.tensor(0)
    for optimiser in system.optimisers.values():
        optimiser.step = lambda: None  # Adam's fused kernel does not know tensors without memory
    batch = random_batch(128, batch_size, "meta")
    way = lambda: system.step(batch, torch.Generator().manual_seed(0))  # noqa: E731
    with FlopCounterMode(display=False) as operations, Traffic() as traffic:
        way()
    # Adam reads weight, gradient and two moments, and writes all but the gradient, in float32.
    adam = 7 * 4 * _n_trained(system)
    flops, half = operations.get_total_flops(), traffic.n_bytes / 2 + adam
    steps = n_images // batch_size
    cards = {}
    for name, (tflops, terabytes) in GPUS.items():
        compute = flops / (tflops * 1e12 * REACHED[0])
        memory = half / (terabytes * 1e12 * REACHED[1])
        cards[name] = {
            "peak_tflop_per_s": tflops,
            "memory_tb_per_s": terabytes,
            "step_ms": 1e3 * (compute + memory),
            "of_that_memory_ms": 1e3 * memory,
            "minutes_per_epoch": steps * (compute + memory) / 60,
        }
    return facts(
        estimate=True,
        assumption=f"{REACHED[0]} of peak operations, {REACHED[1]} of peak traffic, half precision",
        step_tflop=flops / 1e12,
        step_gb_float32=(traffic.n_bytes + adam) / 1e9,
        step_gb_half=half / 1e9,
        batch_size=batch_size,
        steps_per_epoch=steps,
        cards=cards,
        config=CUB.to_dict(),
    )


class Traffic(TorchDispatchMode):
    """Counts the bytes that all operations read and write, each by itself, nothing fused."""

    def __init__(self):
        super().__init__()
        self.n_bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        views = func.is_view or func in (torch.ops.aten.detach.default,)
        if not views:
            leaves = torch.utils._pytree.tree_leaves((args, kwargs, out))
            self.n_bytes += sum(
                t.numel() * t.element_size() for t in leaves if isinstance(t, torch.Tensor)
            )
        return out


# ---------------------------------------------------------------------------------------- import


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


# ---------------------------------------------------------------------------------------- memory


PROCESSES = {"keeping": (True, False), "giving_back": (False, False), "plain": (False, True)}


def memory(sizes=(32, 64, 128), rounds: int = 5, progress: bool = True) -> dict:
    """A step and sampling: keeping the memory of large arrays, giving it back, and in the plain
    form in a program that does not call :func:`.devices.keep_memory`.

    Each turn is a process of its own: what one way has kept, the other would use.

    Returns:
        By image size, for ``step`` and ``sample``, the seconds of all three; ``speedup``, what
        keeping gains; and ``speedup_over_plain``, what this library as its commands run it gains
        over the plain form.
    """
    results = {}
    for size, what in product(sizes, ("step", "sample")):
        label = f"memory, {what} at {size} px"
        # Small images take turn after turn, until that is about as long as for large ones.
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
    call = (
        f"from finegan_lib.bench import run as bench; print(bench.{seconds_of.__name__}{arguments})"
    )
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
    make = {"step": _step_way, "sample": _sample_way}[what]
    return compare({what: make(size, plain)}, rounds, progress=False)[what]


# ----------------------------------------------------------------------------------------- crowd


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


# ------------------------------------------------------------------------------------ playground


def playground(rounds: int = 20, progress: bool = True) -> dict:
    """Seconds from a slider's move to the new picture, of the shipped network (64 pixels)."""
    from ..course.playground import CodePanel, MixPanel
    from ..training.pretrained import load_finegan

    generator = load_finegan("toy")
    ways = {panel.__name__: panel(generator).update for panel in (CodePanel, MixPanel)}
    seconds = compare(ways, rounds, "playground", progress)
    return facts(rounds=rounds, image_size=generator.config.image_size, update_s=seconds)


def summary(result: dict) -> str:
    """A few lines to print: everything that is a number, with the path that leads to it."""

    def lines(node, path=""):
        for name, value in node.items():
            here = f"{path}{name}"
            if isinstance(value, dict) and name != "config":
                yield from lines(value, f"{here} ")
            elif isinstance(value, int | float | str) and not isinstance(value, bool):
                yield f"{here:40} {value:.4g}" if isinstance(value, float) else f"{here:40} {value}"

    return "\n".join(lines(result))


BENCHES = {
    "step": step,
    "sample": sample,
    "data": data,
    "scaling": scaling,
    "gpu": gpu,
    "gpu-model": gpu_model,
    "import": import_cost,
    "memory": memory,
    "crowd": crowd,
    "playground": playground,
}


def bench(
    what: str, *, rounds=None, sizes=None, compiled=None, figure=None, progress: bool = True
) -> dict:
    """Run one of :data:`BENCHES`.

    Args:
        what: its name.
        rounds: turns of each way; None: the bench's own number.
        sizes: of the images, for "step", "sample", "memory" and "gpu".
        compiled: also with torch.compile, for "step" and "gpu".
        figure: PNG file for the curves of "scaling".

    Raises:
        InputError: for an option that this bench does not have.
    """
    given = {"rounds": rounds, "sizes": sizes, "compiled": compiled, "figure": figure}
    takes = {
        "gpu-model": (),
        "sample": ("rounds", "sizes"),
        "memory": ("rounds", "sizes"),
        "step": ("rounds", "sizes", "compiled"),
        "gpu": ("rounds", "sizes", "compiled"),
    }
    takes = takes.get(what, ("rounds", "figure") if what == "scaling" else ("rounds",))
    for name, value in given.items():
        if value is not None and name not in takes:
            raise InputError(
                f"bench {what} has no --{name}", seen=value, cure="Leave the option out."
            )
    options = {name: given[name] for name in takes if name != "figure" and given[name] is not None}
    if what != "gpu-model":
        options["progress"] = progress
    result = BENCHES[what](**options)
    if figure is not None:
        Path(figure).parent.mkdir(parents=True, exist_ok=True)
        scaling_figure(result).savefig(figure, dpi=100)
    return result


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
