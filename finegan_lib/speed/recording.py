"""A step's thousand small kernels recorded once and started together: a CUDA graph."""

import gc
import warnings

import torch
from torch import Tensor, nn


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

    def __call__(self, batch, codes, rng: torch.Generator) -> dict[str, Tensor]:
        if self.steps == self.WARM_UP:
            self.try_to_record(batch, codes)
        self.steps += 1
        given = [*batch, *codes]
        if self.graph is None or [t.shape for t in given] != [t.shape for t in self.given]:
            if self.steps == self.WARM_UP:
                self.random = rng = RecordedNumbers(self.device, rng)
            return self.as_ever(batch, codes, rng)
        torch._foreach_copy_(self.given, given)
        self.random.refill(rng)
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


class RecordedNumbers:
    """Stands for the generator of a step's random numbers, so that the step can be recorded.

    In the first step it returns random numbers and keeps the tensors on the device that hold them.
    In the recorded step it returns the same tensors again. Before each replay it fills them with
    the numbers that the step would have made: on the CPU and in the same order.

    (Tensors that a recorded step allocates itself cannot hold them: an earlier part of the step may
    use the same memory, and every replay would overwrite the numbers.)
    """

    def __init__(self, device: torch.device, rng: torch.Generator):
        self.device, self.generator = device, rng
        self.kept, self.again = [], None

    def place(self, function, shape) -> Tensor:
        """Where the numbers of ``function(shape, generator=…)`` are, or will be."""
        if self.again is not None:
            return next(self.again)
        numbers = function(shape, generator=self.generator).to(self.device)
        self.kept.append((function, shape, numbers))
        return numbers

    def rewind(self) -> "RecordedNumbers":
        """From now on, hand out the existing places again, beginning with the first."""
        self.again = iter([place for _, _, place in self.kept])
        return self

    def refill(self, rng: torch.Generator) -> None:
        """Fill all places, in the order in which they were handed out."""
        for function, shape, place in self.kept:
            numbers = function(shape, generator=rng)
            if self.device.type == "cuda":  # page-locked memory: the copy runs in the background
                numbers = numbers.pin_memory()
            place.copy_(numbers, non_blocking=True)
