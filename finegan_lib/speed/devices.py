"""The fastest settings of a device: number formats, layout, compilation, recording, transfers.

On a CPU nothing changes: float32, and channels before pixels (:mod:`finegan_lib.models.blocks`
changes the layout itself where the other one is faster). On a GPU, "auto" means:

- half precision for what may be rounded: bfloat16 from Ampere on, float16 with scaled losses
  before;
- TF32 for what stays float32;
- channels after pixels;
- a batch is copied while the previous step runs;
- the thousand small kernels of a step are recorded once and started together (a CUDA graph).

Autocast keeps BatchNorm's statistics, softmaxes, resampling and weight updates in float32. The
losses in :mod:`finegan_lib.losses` convert to float32 themselves.
"""

import contextlib
import os
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..base.errors import InputError
from ..data.example import TrainingExample
from .memory import keep_memory
from .recording import RecordedUpdates

# A training needs some operations that some releases of torch do not compute on Apple's GPUs
# (pytorch issues 77764 and 141287). The CPU computes them (PYTORCH_ENABLE_MPS_FALLBACK, which
# finegan_lib/__init__.py sets). These GPUs have neither float64 nor a sampled grid's border: no
# step needs them. Nobody has tried this library on such a GPU yet.
MPS_FALLBACK = ("aten::grid_sampler_2d_backward",)
ABSENT = {"cuda": "no NVIDIA or AMD GPU", "mps": "no GPU of Apple's", "xpu": "no GPU of Intel's"}


def pick_device(name: str) -> torch.device:
    """Where to compute: the one answer for every command.

    "auto" means CUDA where there is one, else Apple's GPU ("mps"), else the CPU. On Apple's GPUs
    everything is float32, what torch lacks there is computed on the CPU (``MPS_FALLBACK``), and
    several processes compute on the CPU.

    Args:
        name: "auto", "cpu", "cuda", "cuda:1", "mps", "xpu".

    Raises:
        InputError: if there is no such device, or this torch does not see it.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
        return torch.device("mps" if alone and _is_there("mps") else "cpu")
    try:
        device = torch.device(name)
        known = device.type in ("cpu", *ABSENT)
    except (RuntimeError, TypeError):
        known = False
    if not known:
        cure = 'Use "auto", "cpu", "cuda", "mps" or "xpu".'
        raise InputError("no such device", seen=name, cure=cure)
    if device.type != "cpu" and not _is_there(device.type, device.index or 0):
        number = f" number {device.index}" if device.index else ""
        called = device.type.upper() if device.type == "cuda" else device.type
        raise InputError(
            f"this torch sees no {called} device{number}",
            seen=f"{name} ({ABSENT[device.type]}, or a torch that was built without it)",
            cure='Use device "auto" or "cpu".',
        )
    return device


def device_name(device: torch.device) -> str:
    """What the device is called."""
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    return (
        "Apple's GPU (untried: --device cpu is the safe choice)" if device.type == "mps" else "CPU"
    )


def _is_there(kind: str, number: int = 0) -> bool:
    """Whether torch sees that many devices of a kind."""
    if kind == "mps":
        return torch.backends.mps.is_available() and number == 0
    module = getattr(torch, kind, None)
    return module is not None and module.is_available() and number < module.device_count()


@dataclass(frozen=True)
class Execution:
    """How a training runs on its device; made by :func:`choose`.

    Attributes:
        device: where.
        half: the 16-bit type of convolutions and matrix products, or None: float32.
        tf32: let float32 products on a GPU use 10 bits of mantissa.
        channels_last: keep images with their channels innermost.
        compile: let torch.compile fuse the networks.
        pinned: read batches into page-locked memory, and copy them while the device works.
        graphs: record FineGAN's step as a CUDA graph (:class:`RecordedUpdates`).
    """

    device: torch.device
    half: torch.dtype | None
    tf32: bool
    channels_last: bool
    compile: bool
    pinned: bool
    graphs: bool

    def autocast(self):
        """The context that a training step runs in."""
        if self.half is None and self.device.type not in ("cpu", "cuda"):
            return contextlib.nullcontext()  # not every torch has an autocast for every device
        return torch.autocast(
            self.device.type, self.half or torch.bfloat16, enabled=self.half is not None
        )

    @property
    def warm_up(self) -> int:
        """How many steps a training takes to come up to speed, the recording among them."""
        return RecordedUpdates.WARM_UP + 1 if self.graphs else 1

    def move(self, batch) -> TrainingExample:
        """A batch on the device, its images in the layout that the networks like."""
        parts = [part.to(self.device, non_blocking=self.pinned) for part in batch]
        if self.channels_last:
            parts = [self._laid_out(part) for part in parts]
        return TrainingExample(*parts)

    def prepare(self, system: nn.Module, backend: str = "inductor") -> None:
        """Make a system ready, in place: the names of its weights stay as they are.

        Args:
            system: on the device.
            backend: of torch.compile.
        """
        if self.device.type == "cpu":
            keep_memory()
        self.allow_tf32()
        if self.channels_last:
            system.to(memory_format=torch.channels_last)
        if self.half == torch.float16:
            for optimiser in system.optimisers.values():
                optimiser.scaler = torch.amp.GradScaler(self.device.type)
        self.fuse(system, backend)
        several = torch.distributed.is_available() and torch.distributed.is_initialized()
        if self.graphs and not several and hasattr(system, "learn"):
            system.learn = RecordedUpdates(system, self.device)

    def allow_tf32(self) -> None:
        """Set for this process whether float32 products on a GPU may be shortened."""
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = self.tf32
            torch.backends.cudnn.allow_tf32 = self.tf32

    def fuse(self, system: nn.Module, backend: str = "inductor") -> None:
        """Have torch.compile fuse the networks of a system, in place, if that was chosen."""
        if not self.compile:
            return
        for network in system.children():
            if network is system.average:
                continue  # it draws a picture now and then
            # What the step calls: a network, or the parts of those that have several heads.
            for part in [network, *network.children()]:
                part.compile(backend=backend, dynamic=False)

    @staticmethod
    def _laid_out(part: Tensor) -> Tensor:
        return part.contiguous(memory_format=torch.channels_last) if part.ndim == 4 else part


def choose(
    device: torch.device,
    *,
    precision: str = "auto",
    tf32: str = "auto",
    memory_format: str = "auto",
    compile: bool = False,
    prefetch: str = "auto",
    cuda_graphs: str = "auto",
) -> Execution:
    """What the options mean on a device.

    Args:
        device: to run on.
        precision: "auto", "fp32", "bf16" or "fp16".
        tf32, prefetch, cuda_graphs: "auto", "yes" or "no".
        memory_format: "auto", "contiguous" or "channels_last".
        compile: whether to use torch.compile. With it, steps are recorded only if ``cuda_graphs``
            is "yes": nobody has tried both together.

    Raises:
        InputError: for float16 on a CPU, which is slow there and gains nothing.

    Warns:
        UserWarning: for bfloat16 on a CPU that has no instructions for it: float32 is used, which
            is many times faster there. For bfloat16 on a GPU before Ampere, such as a T4: float16
            with scaled losses is used.
    """
    cuda = device.type == "cuda"
    if precision == "fp16" and not cuda:
        raise InputError(
            "fp16 is for GPUs only", seen=str(device), cure="Use fp32, or bf16 where it is fast."
        )
    if precision == "bf16" and device.type not in ("cpu", "cuda"):
        raise InputError(
            "half precision is tried on CUDA and on CPUs only", seen=str(device), cure="Use fp32."
        )
    if precision == "bf16" and not cuda and not has_bfloat16():
        warnings.warn(
            "this processor does not compute in bfloat16; training in float32 instead", stacklevel=2
        )
        precision = "fp32"
    if precision == "bf16" and cuda and not multiplies_bfloat16(device):
        warnings.warn(
            "this GPU does not multiply in bfloat16; training in float16 with scaled losses "
            "instead",
            stacklevel=2,
        )
        precision = "fp16"
    half = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
    if precision == "auto":
        precision = "fp32"
        if cuda:
            precision = "bf16" if multiplies_bfloat16(device) else "fp16"
    return Execution(
        device=device,
        half=half[precision],
        tf32=cuda and tf32 != "no",
        channels_last=cuda if memory_format == "auto" else memory_format == "channels_last",
        compile=compile,
        pinned=cuda and prefetch != "no",
        graphs=cuda and (cuda_graphs == "yes" or (cuda_graphs == "auto" and not compile)),
    )


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether this GPU has matrix units for bfloat16: from Ampere on.

    torch emulates them on older ones.
    """
    return torch.cuda.get_device_capability(device)[0] >= 8


def has_bfloat16() -> bool:
    """Whether this CPU computes convolutions in bfloat16, as those with AVX-512 or Arm's BF16 do.

    Where it does not, torch emulates them one number at a time.
    """
    mkldnn = torch.backends.mkldnn.is_available()
    return mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
