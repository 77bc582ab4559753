"""What is counted, without a clock: operations, convolutions, bytes, trained weights."""

from collections import Counter

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


def operations_of(way) -> int:
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
        noted.flops = operations_of(noted.run)
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


def n_trained(system: nn.Module) -> int:
    groups = [g for optimiser in system.optimisers.values() for g in optimiser.param_groups]
    return sum(p.numel() for group in groups for p in group["params"])
