"""What a device does quickest: number formats, memory layout, compilation, recording, transfers.

On a CPU everything stays as it is: float32, and channels before pixels (what is quicker the other
way round, :mod:`.models.blocks` lays out anew for itself). On a GPU "auto" means half precision for
what may be rounded (bfloat16 from Ampere on, float16 with scaled losses before), TF32 for what
stays float32, channels after pixels, batches copied while the step before runs, and a step's
thousand small kernels recorded once and started together (a CUDA graph). Autocast keeps BatchNorm's
statistics, softmaxes, resampling and weight updates in float32; the losses in
:mod:`finegan_lib.losses` ask for it themselves.
"""

import ctypes
import gc
import platform
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..base.errors import InputError
from ..data.example import TrainingExample


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

    def autocast(self) -> torch.autocast:
        """The context that a training step runs in."""
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

    A step is some two thousand small kernels, and starting each from Python takes longer than many
    of them run. A CUDA graph holds them all, and one call starts them. It reads and writes the same
    places in memory every time, so what changes from step to step is copied there first: the batch,
    the codes, the random numbers, the step sizes, and the standard deviation of D_c's noise.

    The first steps run as ever, while cuDNN chooses its kernels and Adam makes its moments; so does
    a step on a batch of another size than the one recorded. Not for several processes.

    Warns:
        UserWarning: if the step cannot be recorded; then every step runs as ever.
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
        """Without a graph, but on the stream that it will be recorded on: gradients stay there."""
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            report = self.learn(batch, codes, generator)
        current.wait_stream(self.stream)
        return {name: value.detach() for name, value in report.items()}

    def try_to_record(self, batch, codes) -> None:
        """:meth:`record`; if that fails, nothing has happened yet, and nothing is lost."""
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
        """Let Python go through a step once, while the GPU only notes what it is asked to do."""
        # Nothing may be given back to the GPU meanwhile: no weights cast to 16 bits before, and
        # nothing that an earlier run in this process has left to Python's garbage collector. Other
        # threads, such as the data loader's, may ask it for memory.
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

    In a first step it hands out numbers as the generator would, and keeps the places on the device
    where they are. In the step that is recorded it hands out the same places again, and before each
    replay it fills them with what the step would have drawn: on the CPU and in the same order.

    (Memory that a recorded step asks for itself is no place for that: what has used it earlier in
    the step would write over the numbers in each replay.)
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
            if self.device.type == "cuda":  # page-locked memory: the copy need not be waited for
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
