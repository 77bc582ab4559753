"""One training on several devices, with one process for each.

``torchrun --local-addr localhost --nproc-per-node 2 -m -- finegan_lib train …`` starts the
processes. Each builds the same networks from the same seed, takes every size-th image of each
batch, and averages its gradients with the others', so that all make the same step (data
parallelism; Li et al., *PyTorch Distributed*, VLDB 2020). ``batch_size`` stays the number of images
of a step, however many share it, and the run equals the run of a single process up to rounding:

* every process makes the random numbers of the whole batch and takes its own rows;
* BatchNorm's mean and variance are those of the whole batch;
* an average over a number that differs between the processes is divided by the number's mean.

Without torchrun every function here does nothing.
"""

import contextlib
import os
import socket
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..base.errors import InputError, WorkerLost
from .recording import RecordedNumbers

PATIENCE = timedelta(minutes=10)  # how long a process waits for the others in a step
MEETING = timedelta(minutes=3)  # how long the processes have to find each other at the start


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes files and shows progress."""
    started = rank() if dist.is_initialized() else int(os.environ.get("RANK", "0"))
    return started == 0


@contextlib.contextmanager
def joined():
    """A context in which the processes that torchrun started are connected.

    Raises:
        InputError: if they do not find each other within MEETING.
        WorkerLost: when another process ends before this one.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ or dist.is_initialized():
        yield
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    _meet("nccl" if cuda else "gloo")
    try:
        yield
    except RuntimeError as error:
        if not _is_of_the_connection(error):
            raise
        raise WorkerLost(
            f"process {rank()} of {size()} has lost another one, which failed or was killed; see "
            "above for its reason. Go on from the newest checkpoint with --resume."
        ) from error
    finally:
        dist.destroy_process_group()


def _meet(backend: str) -> None:
    """Start the process group.

    Raises:
        InputError: if the first process's address is unknown here, or not all come in time.
    """
    place = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
    cure = (
        "On one machine start them with: torchrun --local-addr localhost --nproc-per-node 2 -m -- "
        "finegan_lib train …; on several, give --rdzv-endpoint an address that all of them reach."
    )
    try:
        socket.getaddrinfo(os.environ["MASTER_ADDR"], None)
    except OSError as error:
        raise InputError(
            "the address of the first process is not known on this machine",
            seen=f"{place} ({error.strerror or error})",
            cure=cure,
        ) from error
    seconds = float(os.environ.get("FINEGAN_MEETING", MEETING.total_seconds()))
    try:
        meeting = dist.rendezvous("env://", timeout=timedelta(seconds=seconds))
        store, number, together = next(meeting)
        # Count the processes first: the group would wait for a missing one as long as for a step.
        here = f"here-{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
        store.set(f"{here}/{number}", "yes")
        store.wait([f"{here}/{k}" for k in range(together)], timedelta(seconds=seconds))
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"the processes of this training have not met within {seconds:g} s",
            seen=f"{place}: {str(error).splitlines()[0][:200]}",
            cure=f"{cure} FINEGAN_MEETING sets the seconds.",
        ) from error
    dist.init_process_group(
        backend, store=store, rank=number, world_size=together, timeout=PATIENCE
    )


def _is_of_the_connection(error: RuntimeError) -> bool:
    text = str(error).lower()
    return isinstance(error, dist.DistError) or "connection" in text or "gloo" in text


def validate_batch(batch_size: int, system: nn.Module) -> None:
    """Refuse a training that cannot be shared out evenly.

    Raises:
        InputError: for a batch, or a part of it that FineGAN's D_c judges, that does not split.
    """
    n = size()
    if n == 1:
        return
    n_real_fake = getattr(system, "n_real_fake", lambda batch: batch)
    if batch_size % n or n_real_fake(batch_size) != n * n_real_fake(batch_size // n):
        raise InputError(
            "batch_size, and the part of it that D_c sees as real or fake, must split evenly",
            seen=f"{n_real_fake(batch_size)} of {batch_size} images, {n} processes",
            cure="Choose another batch_size or free_child, or another number of processes.",
        )


def own(rows):
    """This process's rows of the whole batch's tensor: every size-th row, from its rank on."""
    return rows[rank() :: size()]


def own_codes(sample_codes, n: int, rng: torch.Generator):
    """This process's n codes, out of those that ``sample_codes`` returns for the whole batch."""
    return sample_codes(n * size(), rng).select(slice(rank(), None, size()))


def own_parts(sample_codes, n: int, rng: torch.Generator) -> tuple[Tensor, ...]:
    """This process's n rows of each tensor that ``sample_codes`` returns for the whole batch."""
    return tuple(map(own, sample_codes(n * size(), rng)))


def sample(function, *shape: int, rng: torch.Generator, batch_dim: int = 0) -> Tensor:
    """Random numbers for this process's rows, out of those made for the whole batch.

    Args:
        function: ``torch.rand`` or ``torch.randn``.
        shape: of what is returned.
        rng: in the same state in every process; or :class:`.recording.RecordedNumbers`.
        batch_dim: which dimension counts the images.
    """
    shape = list(shape)
    shape[batch_dim] *= size()
    if isinstance(rng, RecordedNumbers):
        return rng.place(function, shape)
    numbers = function(shape, generator=rng)
    return own(numbers.transpose(0, batch_dim)).transpose(0, batch_dim)


def sample_signs(*shape: int, rng: torch.Generator) -> Tensor:
    """:func:`sample` of −1 and 1, int64, equally likely."""

    def signs(shape, generator):  # called as torch.rand is
        return torch.randint(2, shape, generator=generator) * 2 - 1

    return sample(signs, *shape, rng=rng)


@torch.no_grad()
def mean_of(number: Tensor) -> Tensor:
    """A number's mean over the processes; no gradient flows through it."""
    if size() == 1:
        return number
    total = number.detach().clone()
    dist.all_reduce(total)
    return total / size()


@torch.no_grad()
def averaged(report: dict[str, Tensor]) -> dict[str, Tensor]:
    """A step's losses, scalars, each ← its mean over the processes."""
    if size() == 1:
        return report
    values = mean_of(torch.stack([value.float() for value in report.values()]))
    return dict(zip(report, values, strict=True))


def agree(wish: bool) -> bool:
    """Whether any process asks to stop. All of them then stop after the same step."""
    if size() == 1:
        return wish
    wishes = torch.tensor(float(wish), device=_device())
    dist.all_reduce(wishes, dist.ReduceOp.MAX)
    return bool(wishes)


def in_turn(function):
    """``function()`` in the first process, then in the others, which use what the first cached."""
    result = function() if is_first() else None
    if size() > 1:
        dist.barrier()
    return result if is_first() else function()


@torch.no_grad()
def average_gradients(optimisers) -> None:
    """Every gradient ← its mean over the processes."""
    if size() == 1:
        return
    parameters = [p for o in optimisers for group in o.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])  # one message, not hundreds
    dist.all_reduce(flat)
    for gradient, part in zip(
        gradients, flat.div_(size()).split([g.numel() for g in gradients]), strict=True
    ):
        gradient.copy_(part.view_as(gradient))


def gather(values) -> list:
    """What each process has, in the order of their ranks, in every process."""
    if size() == 1:
        return [values]
    found = [None] * size()
    dist.all_gather_object(found, values)
    return found


def synchronise_batch_norms(module: nn.Module) -> None:
    """Let every BatchNorm of a module see the whole batch, in training. Names stay as they are.

    This works on CPUs and GPUs; ``torch.nn.SyncBatchNorm`` works on GPUs only.
    """
    if size() == 1:
        return
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d):
            layer.__class__ = _SyncBatchNorm1d
        elif isinstance(layer, nn.BatchNorm2d):
            layer.__class__ = _SyncBatchNorm2d


class _Mean(torch.autograd.Function):
    """The mean over the processes; the gradient of a mean over the processes, likewise."""

    @staticmethod
    def forward(ctx, values):
        total = values.clone()
        dist.all_reduce(total)
        return total / size()

    @staticmethod
    def backward(ctx, upstream):
        return _Mean.forward(ctx, upstream)


@contextlib.contextmanager
def all_have_the_whole_batch():
    """A context in which every process has all rows, so that BatchNorm exchanges nothing."""
    before, _WholeBatch.shared = _WholeBatch.shared, False
    try:
        yield
    finally:
        _WholeBatch.shared = before


class _WholeBatch:
    """BatchNorm's forward pass with the statistics of all processes (Ioffe, Szegedy, 2015)."""

    shared = True

    def forward(self, x: Tensor) -> Tensor:
        if not (self.training and _WholeBatch.shared):
            return super().forward(x)
        axes = [0, *range(2, x.ndim)]
        values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        mean = _Mean.apply(values.mean(axes))
        shape = [1, -1, *[1] * (x.ndim - 2)]
        centred = values - mean.view(shape)
        variance = _Mean.apply(centred.square().mean(axes))
        with torch.no_grad():
            n = size() * x.numel() / x.shape[1]
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
            unbiased = variance * (n / (n - 1))
            self.running_var.lerp_(unbiased.to(self.running_var), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)


class _SyncBatchNorm1d(_WholeBatch, nn.BatchNorm1d):
    pass


class _SyncBatchNorm2d(_WholeBatch, nn.BatchNorm2d):
    pass


def _device() -> str:
    return "cuda" if dist.get_backend() == "nccl" else "cpu"
