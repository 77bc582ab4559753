"""For the lesson on long runs: the gradient of one batch, by one process and by two.

It is a separate module because each process imports it, and it imports little else.
"""

import os
import socket
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing
from torch import Tensor

from .... import losses
from ....models.finegan import CodeDiscriminator, FineGANConfig

SIZES = FineGANConfig(image_size=32, n_parents=3, n_children=6, d_dim=8)


def gradient(norm: str, rows: slice) -> Tensor:
    """D_c's real/fake gradient on some rows of one fixed batch of 16, flattened.

    Args:
        norm: of D_c's trunk, "spectral" or "batch".
        rows: of the batch; the same seed gives every process the same weights and batch.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        d_child = CodeDiscriminator(SIZES, SIZES.n_children, norm)
        real, fake = torch.rand(2, 16, 3, SIZES.image_size, SIZES.image_size) * 2 - 1
    real, fake = real[rows], fake[rows] ** 2
    logits = d_child.real_fake_logits(real), d_child.real_fake_logits(fake)
    losses.discriminator_loss(*logits).backward()
    return torch.cat([p.grad.flatten() for p in d_child.parameters() if p.grad is not None])


def gradients_of_two_processes(norms=("spectral", "batch")) -> dict[str, Tensor]:
    """The gradient of :func:`gradient` by two processes, half a batch each, averaged by gloo.

    `DistributedDataParallel` does this in every backward pass; here it is done by hand.
    """
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_one_of_two, (folder, tuple(norms)), nprocs=2)
        return torch.load(Path(folder) / "gradients.pt", weights_only=True)


def _one_of_two(rank: int, folder: str, norms) -> None:
    loopback = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    if loopback:  # the processes use only this machine's own address
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback[0])
    torch.set_num_threads(1)
    store = dist.FileStore(str(Path(folder) / "meeting"), 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    averages = {}
    for norm in norms:
        mine = gradient(norm, slice(8 * rank, 8 * rank + 8))
        dist.all_reduce(mine)  # now the sum, in both processes
        averages[norm] = mine / 2
    if rank == 0:
        torch.save(averages, Path(folder) / "gradients.pt")
    dist.destroy_process_group()
