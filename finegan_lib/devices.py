"""What a device does quickest: number formats, memory layout, compilation, transfers.

On a CPU everything stays as it is: float32, channels before pixels. On a GPU "auto" means half
precision for what may be rounded (bfloat16 from Ampere on, float16 with scaled losses before),
TF32 for what stays float32, channels after pixels, and batches copied while the step before runs.
Autocast keeps BatchNorm's statistics, softmaxes, resampling and weight updates in float32; the
losses in :mod:`finegan_lib.losses` ask for it themselves.
"""

import ctypes
import platform
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .data.example import TrainingExample
from .errors import InputError


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
    """

    device: torch.device
    half: torch.dtype | None
    tf32: bool
    channels_last: bool
    compile: bool
    pinned: bool

    def autocast(self) -> torch.autocast:
        """The context that a training step runs in."""
        return torch.autocast(
            self.device.type, self.half or torch.bfloat16, enabled=self.half is not None
        )

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
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = self.tf32
            torch.backends.cudnn.allow_tf32 = self.tf32
        if self.channels_last:
            system.to(memory_format=torch.channels_last)
        if self.half == torch.float16:
            for optimiser in system.optimisers.values():
                optimiser.scaler = torch.amp.GradScaler(self.device.type)
        self.fuse(system, backend)

    def fuse(self, system: nn.Module, backend: str = "inductor") -> None:
        """Have torch.compile fuse the networks of a system, in place, if that was chosen."""
        if not self.compile:
            return
        for network in system.children():
            if network is system.average:
                continue  # it draws a picture now and then
            # What the step calls: a network, or the parts of those that have several heads.
            for part in [network, *network.children()]:
                part.compile(backend=backend)

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
) -> Execution:
    """What the options mean on a device.

    Args:
        device: to run on.
        precision: "auto", "fp32", "bf16" or "fp16".
        tf32, prefetch: "auto", "yes" or "no".
        memory_format: "auto", "contiguous" or "channels_last".
        compile: whether to use torch.compile.

    Raises:
        InputError: for float16 on a CPU, which is slow there and gains nothing.

    Warns:
        UserWarning: for bfloat16 on a CPU that has no instructions for it: float32 is used, which
            is many times faster there.
    """
    cuda = device.type == "cuda"
    if precision == "fp16" and not cuda:
        raise InputError(
            "fp16 is for GPUs only", seen=str(device), cure="Use fp32, or bf16 where it is fast."
        )
    if precision == "bf16" and not cuda and not has_bfloat16():
        warnings.warn(
            "this processor does not compute in bfloat16; training in float32 instead", stacklevel=2
        )
        precision = "fp32"
    half = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
    if precision == "auto":
        precision = "fp32"
        if cuda:
            ampere = torch.cuda.get_device_capability(device)[0] >= 8
            precision = "bf16" if ampere else "fp16"
    return Execution(
        device=device,
        half=half[precision],
        tf32=cuda and tf32 != "no",
        channels_last=cuda if memory_format == "auto" else memory_format == "channels_last",
        compile=compile,
        pinned=cuda and prefetch != "no",
    )


def has_bfloat16() -> bool:
    """Whether this CPU computes convolutions in bfloat16, as those with AVX-512 or Arm's BF16 do.

    Where it does not, torch emulates them one number at a time.
    """
    mkldnn = torch.backends.mkldnn.is_available()
    return mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
LARGEST = 2**30  # bytes; the arrays of a training step are smaller


def keep_memory(largest: int = LARGEST) -> bool:
    """Let this process keep the memory of arrays that it has freed, up to ``largest`` bytes each.

    The C library asks the system for every array of 32 MiB or more, and gives it back at once when
    it is freed. At the paper's sizes a training step makes hundreds of such arrays, and clearing
    them takes the system a good part of the step, of sampling even more (``bench memory``). What is
    kept, the next array uses: the process becomes no larger than it is at its largest anyway.

    Does something on Linux with glibc only; elsewhere nothing. Returns whether it did.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    done = libc.mallopt(M_MMAP_THRESHOLD, largest) and libc.mallopt(M_TRIM_THRESHOLD, largest)
    return bool(done)
