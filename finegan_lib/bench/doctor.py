"""A look at the machine: versions, device, threads, free disk, and a short speed check."""

import os
import platform
import shutil
import time
from importlib.metadata import PackageNotFoundError, version

import torch

from ..base import checkup
from ..base.checkpoints import checkpoint_path, read_metadata
from ..base.errors import InputError
from ..speed.devices import device_name, pick_device
from ..training.pretrained import load_generator

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "matplotlib", "safetensors")


def doctor(folder=".", seconds: float = 10.0, checkpoint="toy") -> dict:
    """Facts about this machine, and the training speed that the ``toy`` preset reaches on it.

    Args:
        folder: where free disk space is measured.
        seconds: length of the speed check; 0 skips it.
        checkpoint: name, file or run folder that is read and verified.

    Returns:
        A dictionary for JSON; ``warnings`` lists what is wrong with its cure, the first thing to
        mend first (:mod:`.checkup`); ``notes`` lists what is worth knowing and needs no cure.
    """
    device = pick_device("auto")
    facts = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in PACKAGES},
        "device": str(device),
        "device_name": device_name(device),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "free_disk_gb": round(shutil.disk_usage(folder).free / 1e9, 1),
    }
    facts["checkpoint"], unusable = describe_checkpoint(checkpoint)
    if seconds > 0:
        facts["toy_images_per_s"] = round(toy_speed(seconds), 1)
    facts["warnings"] = checkup.problems(folder)
    if unusable:
        facts["warnings"].insert(0, f"the checkpoint cannot be used: {facts['checkpoint']}")
    facts["notes"] = checkup.devices()
    return facts


def describe_checkpoint(name_or_file) -> tuple[str, bool]:
    """One line on a checkpoint: its family, image size and steps, or what is wrong with it.

    Returns:
        The line, and whether something is wrong.
    """
    try:
        generator = load_generator(name_or_file)
        step = read_metadata(checkpoint_path(name_or_file)).get("step", "unknown")
    except InputError as error:
        return str(error), True
    config = generator.config
    family = type(config).__name__.removesuffix("Config")
    return f"{name_or_file}: intact, {family}, {config.image_size} pixels, {step} steps", False


def toy_speed(seconds: float) -> float:
    """Training images per second of the ``toy`` preset on random images, measured for so long."""
    from ..speed.devices import choose
    from ..training import build_system
    from ..training.presets import TOY

    device, model, n = pick_device("auto"), TOY.model, TOY.loop.batch_size
    execution, system = choose(device), build_system(TOY).to(device)
    execution.prepare(system)
    batch = execution.move(random_batch(model.image_size, n, "cpu"))

    def step(seed: int) -> None:
        with execution.autocast():
            report = system.step(batch, torch.Generator().manual_seed(seed))
        report["D_c"].item()  # waits for the device

    for seed in range(execution.warm_up):
        step(seed)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step(steps)
        steps += 1
    return steps * n / (time.perf_counter() - start)


def random_batch(image_size: int, n: int, device, seed: int = 0):
    """A batch of noise in the shapes that the trainer reads."""
    from ..data.example import TrainingExample, background_size

    rng = torch.Generator().manual_seed(seed)
    side = background_size(image_size)
    box = torch.tensor([side * 0.3, side * 0.3, side * 0.7, side * 0.7]).repeat(n, 1)
    crop, full = (torch.rand(n, 3, s, s, generator=rng) * 2 - 1 for s in (image_size, side))
    return TrainingExample(*(x.to(device) for x in (crop, full, box, torch.arange(n))))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
