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
import ctypes
import gc
import os
import platform
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..base.errors import InputError
from ..data.example import TrainingExample

# What a training asks for and some releases of torch do not compute on Apple's GPUs (pytorch issues
# 77764 and 141287): done on the CPU in its place (PYTORCH_ENABLE_MPS_FALLBACK, which
# finegan_lib/__init__.py sets). Float64 and a sampled grid's border are not there at all: no step
# asks for them. Nobody has tried this library on such a GPU yet.
MPS_FALLBACK = ("aten::grid_sampler_2d_backward",)
ABSENT = {"cuda": "no NVIDIA or AMD GPU", "mps": "no GPU of Apple's", "xpu": "no GPU of Intel's"}


def pick_device(name: str) -> torch.device:
    """Where to compute: the one answer for every command.

    "auto" means CUDA where there is one, else Apple's GPU ("mps"), else the CPU. On Apple's GPUs
    everything is float32, what torch lacks there is computed on the CPU (``MPS_FALLBACK``), and
    several processes take the CPU.

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
            is many times faster there.
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
        graphs=cuda and (cuda_graphs == "yes" or (cuda_graphs == "auto" and not compile)),
    )


class RecordedUpdates:
    """Stands for ``FineGANSystem.learn`` on a GPU: records it once, and replays it from then on.

    A step consists of some two thousand small kernels. To start one from Python takes longer than
    many of them run. A CUDA graph holds all of them, and one call starts it. It reads and writes
    the same places in memory every time. What changes from step to step is therefore copied there
    first: the batch, the codes, the random numbers, the step sizes, and the standard deviation of
    D_c's noise.

    The first steps run without recording, while cuDNN chooses its kernels and Adam makes its
    moments. A step on a batch of another size also runs without. Several processes cannot record.

    Warns:
        UserWarning: if the step cannot be recorded; then every step runs without recording.
    """

    WARM_UP = 3  # steps

    def __init__(self, system: nn.Module, device: torch.device):
        self.system, self.device, self.learn = system, device, system.learn
        self.stream, self.graph, self.steps = torch.cuda.Stream(device), None, 0
        self.given = self.random = self.rates = None
        self.noise_sd = torch.zeros((), device=device)

    @property
    def groups(self) -> list[dict]:
        """The optimisers' groups of weights; a resumed run has others than it began with."""
        optimisers = self.system.optimisers.values()
        return [group for optimiser in optimisers for group in optimiser.param_groups]

    def __call__(self, batch, codes, generator: torch.Generator) -> dict[str, Tensor]:
        if self.steps == self.WARM_UP:
            self.try_to_record(batch, codes)
        self.steps += 1
        given = [*batch, *codes]
        if self.graph is None or [t.shape for t in given] != [t.shape for t in self.given]:
            if self.steps == self.WARM_UP:
                self.random = generator = Redrawn(self.device, generator)
            return self.as_ever(batch, codes, generator)
        torch._foreach_copy_(self.given, given)
        self.random.redraw(generator)
        self.noise_sd.fill_(self.system.noise_sd)
        for rate, group in zip(self.rates, self.groups, strict=True):
            rate.fill_(group["lr"])
        with torch.cuda.device(self.device):
            self.graph.replay()
        return dict(zip(self.names, self.values.clone(), strict=True))

    def as_ever(self, batch, codes, generator) -> dict[str, Tensor]:
        """One step without a graph, on the stream of the recording: gradients stay there."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            report = self.learn(batch, codes, generator)
        current.wait_stream(self.stream)
        return {name: value.detach() for name, value in report.items()}

    def try_to_record(self, batch, codes) -> None:
        """:meth:`record`. A recording that fails has changed nothing."""
        try:
            self.record(batch, codes)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            warnings.warn(
                f"this step cannot be recorded as a CUDA graph ({reason}); training goes on "
                "without, and slower. --cuda-graphs no says so from the start.",
                stacklevel=3,
            )
            for optimiser in self.system.optimisers.values():
                if hasattr(optimiser, "scaler"):  # it may stand in the middle of a step
                    scale = optimiser.scaler.get_scale()
                    optimiser.scaler = torch.amp.GradScaler(self.device.type, init_scale=scale)

    def record(self, batch, codes) -> None:
        """Run a step once in Python. The GPU does not compute it; it records the kernels."""
        # No GPU memory may be freed meanwhile: neither weights that were cast to 16 bits before,
        # nor what an earlier run in this process has left to Python's garbage collector. Other
        # threads, such as the data loader's, may allocate memory.
        torch.clear_autocast_cache()
        gc.collect()
        self.given = [tensor.clone() for tensor in (*batch, *codes)]
        batch = type(batch)(*self.given[: len(batch)])
        codes = type(codes)(*self.given[len(batch) :])
        before = self.system.noise_sd, [(g["lr"], g["capturable"]) for g in self.groups]
        if self.system.recipe.d_noise:
            self.system.noise_sd = self.noise_sd
        self.rates = [torch.zeros((), device=self.device) for _ in self.groups]
        for rate, group in zip(self.rates, self.groups, strict=True):
            group.update(lr=rate, capturable=True)
        graph = torch.cuda.CUDAGraph()
        recording = torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local")
        try:
            with torch.cuda.device(self.device), recording:
                report = self.learn(batch, codes, self.random.rewind())
                self.values = torch.stack([value.detach().float() for value in report.values()])
        finally:
            self.system.noise_sd, groups = before
            for (rate, capturable), group in zip(groups, self.groups, strict=True):
                group.update(lr=rate, capturable=capturable)
        self.names, self.graph = list(report), graph


class Redrawn:
    """Stands for the generator of a step's random numbers, so that the step can be recorded.

    In the first step it returns random numbers and keeps the tensors on the device that hold them.
    In the recorded step it returns the same tensors again. Before each replay it fills them with
    the numbers that the step would have drawn: on the CPU and in the same order.

    (Tensors that a recorded step allocates itself cannot hold them: an earlier part of the step may
    use the same memory, and every replay would overwrite the numbers.)
    """

    def __init__(self, device: torch.device, generator: torch.Generator):
        self.device, self.generator = device, generator
        self.kept, self.again = [], None

    def place(self, function, shape) -> Tensor:
        """Where the numbers of ``function(shape, generator=…)`` are, or will be."""
        if self.again is not None:
            return next(self.again)
        numbers = function(shape, generator=self.generator).to(self.device)
        self.kept.append((function, shape, numbers))
        return numbers

    def rewind(self) -> "Redrawn":
        """From now on, hand out the places that there are, from the first on."""
        self.again = iter([place for _, _, place in self.kept])
        return self

    def redraw(self, generator: torch.Generator) -> None:
        """Fill all places, in the order in which they were handed out."""
        for function, shape, place in self.kept:
            numbers = function(shape, generator=generator)
            if self.device.type == "cuda":  # page-locked memory: the copy runs in the background
                numbers = numbers.pin_memory()
            place.copy_(numbers, non_blocking=True)


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

    The C library requests the memory of every array of 32 MiB or more from the system, and returns
    it when the array is freed. At the paper's sizes a training step makes hundreds of such arrays.
    The system clears each of them, which takes a good part of the step, and more of sampling
    (``bench memory``). The next array uses the kept memory, so the process never becomes larger
    than its peak without this.

    It works on Linux with glibc only. Returns whether it did something.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    done = libc.mallopt(M_MMAP_THRESHOLD, largest) and libc.mallopt(M_TRIM_THRESHOLD, largest)
    return bool(done)
