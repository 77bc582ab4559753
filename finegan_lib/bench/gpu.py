"""A training step on a GPU: measured on this machine's, and estimated on paper for others."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..base.files import RESULTS, read_json
from ..speed.devices import choose, multiplies_bfloat16, pick_device
from ..systems import FineGANSystem
from ..training import build_system
from ..training.presets import finegan_preset
from .clock import compare, facts
from .count import Traffic, n_trained
from .doctor import random_batch
from .step import CASES, fast_step_way, forget_compiled, plain_step_way

# What `bench gpu` compares: each row adds one option of speed; then float16, for older cards.
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
STEPS = 5  # in a turn: only at its end, Python waits for the GPU


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
        By image size the seconds of a step and the GB of the card's memory that such a training
        takes up, for the plain implementation in float32 and for each of :data:`GPU_WAYS` that the
        card computes in;
        ``speedup`` of "auto" over the plain one; and at 128 pixels the minutes that an epoch of CUB
        takes with it.

    Raises:
        InputError: if torch sees no GPU.
    """
    device = pick_device("cuda")
    ways = {"plain": None} | GPU_WAYS
    if not multiplies_bfloat16(device):  # it would compute in float16 under the name of bfloat16
        ways = {name: way for name, way in ways.items() if "bfloat16" not in name}
    if compiled:
        ways["compiled"] = {"memory_format": "auto", "compile": True}
    results = {}
    for size in sizes:
        made, memory = {}, {}
        if compiled:
            forget_compiled()
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
        step = plain_step_way(system, batch)
    else:
        execution.prepare(system)
        step = fast_step_way(system, batch, execution)

    def way():
        execution.allow_tf32()
        for _ in range(STEPS):
            step()

    return way


N_CUB = 11_788  # images
# Published peaks: TFLOP/s of dense half-precision matrix products, TB/s of memory.
GPUS = {"T4": (65, 0.32), "A100": (312, 1.555), "H100": (989, 3.35)}
# What convolutions and memory traffic reach of a peak. Their ratio is a guess. Their height was
# measured: with it, an H100 takes 18 ms for a step, as `bench gpu` found.
REACHED = (0.24, 0.42)


def gpu_model(preset: str = "cub", batch_size: int = 16, n_images: int = N_CUB) -> dict:
    """Time per epoch and per run on paper: **estimates**, until somebody measures (:func:`gpu`).

    The operations and the bytes of one training step are counted, on tensors without memory. A
    step takes at least as long as its operations at the card's peak and as its traffic at the
    memory's peak; both are divided by the share of a peak that programs reach, and added:
    operations limit some of the kernels, and traffic limits the others. Below 128 pixels many
    kernels are too small to fill a card. What the measured H100 needed there beyond its own
    estimate is added for every card.

    Args:
        preset: of a FineGAN.
        batch_size: number of images of a step (paper: 16).
        n_images: of an epoch.

    Raises:
        InputError: for a preset of another family.
    """
    config = finegan_preset(preset)
    flops, n_bytes, adam = _counted(config, batch_size)
    half, small = n_bytes / 2 + adam, _small_kernels_s(config.model.image_size)
    steps = n_images // batch_size
    cards = {}
    for name, (tflops, terabytes) in GPUS.items():
        compute, memory = _limits_s(name, flops, half)
        step = compute + memory + small
        cards[name] = {
            "peak_tflop_per_s": tflops,
            "memory_tb_per_s": terabytes,
            "step_ms": 1e3 * step,
            "of_that_memory_ms": 1e3 * memory,
            "of_that_small_kernels_ms": 1e3 * small,
            "minutes_per_epoch": steps * step / 60,
            "minutes_per_run": config.loop.steps * step / 60,
        }
    return facts(
        estimate=True,
        assumption=f"{REACHED[0]} of peak operations, {REACHED[1]} of peak traffic, half precision",
        step_tflop=flops / 1e12,
        step_gb_float32=(n_bytes + adam) / 1e9,
        step_gb_half=half / 1e9,
        batch_size=batch_size,
        steps_per_epoch=steps,
        cards=cards,
        config=config.to_dict(),
    )


def _counted(config, batch_size: int) -> tuple[float, float, float]:
    """Operations of a training step, the bytes it moves in float32, and Adam's bytes."""
    with torch.device("meta"):
        system = FineGANSystem(config.model, config.recipe)
    # The codes are sampled and the steps counted on the CPU, as always.
    system.hierarchy, system.updates = config.model.hierarchy(), torch.tensor(0)
    for optimiser in system.optimisers.values():
        optimiser.step = lambda: None  # Adam's fused kernel does not know tensors without memory
    batch = random_batch(config.model.image_size, batch_size, "meta")
    way = lambda: system.step(batch, torch.Generator().manual_seed(0))  # noqa: E731
    with FlopCounterMode(display=False) as operations, Traffic() as traffic:
        way()
    # Adam reads weight, gradient and two moments, and writes all but the gradient, in float32.
    return operations.get_total_flops(), traffic.n_bytes, 7 * 4 * n_trained(system)


def _limits_s(card: str, flops: float, n_bytes: float) -> tuple[float, float]:
    """Seconds of these operations, and of this traffic, on one of :data:`GPUS`."""
    tflops, terabytes = GPUS[card]
    return flops / (tflops * 1e12 * REACHED[0]), n_bytes / (terabytes * 1e12 * REACHED[1])


def _small_kernels_s(image_size: int) -> float:
    """Seconds of a step that the measured H100 needed beyond its estimate; 128 pixels: 0.

    :data:`REACHED` was set at 128 pixels, where the two agree.
    """
    if image_size >= max(CASES):
        return 0.0
    measured = read_json(RESULTS / "bench_gpu.json", "sizes", "batch_size")
    flops, n_bytes, adam = _counted(CASES[image_size][0], measured["batch_size"])
    estimate = sum(_limits_s("H100", flops, n_bytes / 2 + adam))
    return max(0.0, measured["sizes"][str(image_size)]["step_s"]["auto"] - estimate)
