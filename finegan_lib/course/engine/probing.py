"""Tools of the laboratories that try out a student's networks and training steps.

Two networks with the same layers may have registered them in another order and under other names.
So weights are set, and gradients are compared, by shape alone.
"""

import itertools
from collections import defaultdict

import torch
from torch import Tensor, nn


@torch.no_grad()
def set_weights(module: nn.Module) -> nn.Module:
    """Give every weight a value that depends on its shape and on "weight" or "bias" alone.

    Matrices and kernels become random with variance 1/fan-in, what scales about 1, biases small.
    """
    for name, weight in module.named_parameters():
        rng = torch.Generator().manual_seed(sum(weight.shape) + weight.ndim)
        values = torch.randn(weight.shape, generator=rng)
        if weight.ndim > 1:
            weight.copy_(values / weight[0].numel() ** 0.5)
        else:
            weight.copy_(0.2 * values + name.endswith("weight"))
    return module


def shapes_of(module: nn.Module) -> dict[str, int]:
    """How many weights of each shape a network has: ``{"weight (8, 3, 3, 3)": 1, …}``."""
    found = defaultdict(int)
    for name, weight in module.named_parameters():
        found[_kind(name, weight)] += 1
    return dict(sorted(found.items()))


def gradients_of(module: nn.Module) -> dict[str, Tensor]:
    """The gradients in a network by kind and shape, those of one shape added up."""
    found = {}
    for name, weight in module.named_parameters():
        gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
        kind = _kind(name, weight)
        found[kind] = found.get(kind, 0) + gradient
    return dict(sorted(found.items()))


def _kind(name: str, weight: Tensor) -> str:
    return f"{name.rpartition('.')[2]} {tuple(weight.shape)}"


def projection(outputs: Tensor) -> Tensor:
    """A scalar made of every number of ``outputs`` with weights of its own, to derive by.

    (The plain sum of what a BatchNorm gives out is constant, and its gradient 0.)
    """
    ramp = torch.linspace(-1, 1, outputs.numel()).cos() * torch.arange(outputs.numel()).sin()
    return (outputs.flatten() * ramp).sum()


def look_at(module, *inputs: Tensor, more: dict | None = None):
    """What a network does, from the coarse to the fine, as `exercises.Build` compares it.

    Args:
        module: an ``nn.Module``, whatever its weights.
        inputs: what it is called with; floating-point ones are derived by.
        more: name → function of the module, looked at first.

    Returns:
        A dictionary of plain values; ``...`` if the module is or returns that.
    """
    if module is ...:
        return ...
    if not isinstance(module, nn.Module):
        return {"what it is": f"a {type(module).__name__}, no nn.Module"}
    set_weights(module).train()
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    out = module(*inputs)
    if out is ...:
        return ...
    outs = out if isinstance(out, tuple | list) else (out,)
    seen = {"what it is": "an nn.Module"}
    seen |= {name: function(module) for name, function in (more or {}).items()}
    seen["how many weights of each shape"] = shapes_of(module)
    seen["the shape of what it returns"] = ", ".join(str(tuple(x.shape)) for x in outs)
    seen["what it returns"] = [x.detach() for x in outs]
    module.zero_grad()
    if live := [x for x in outs if x.requires_grad]:
        sum(map(projection, live)).backward()
    seen["the gradient by its inputs"] = [
        torch.zeros_like(x) if x.grad is None else x.grad for x in inputs
    ]
    seen["the gradient by its weights"] = gradients_of(module)
    with torch.no_grad():
        out = module.eval()(*[x.detach() for x in inputs])
    seen["what it returns in evaluation mode"] = list(out) if isinstance(out, tuple) else [out]
    return seen


class Watched(torch.optim.SGD):
    """Plain gradient descent that writes down, at every step, which gradients it was given.

    Args:
        name: of this optimiser in the log.
        module: whose weights it moves.
        log: list to which every step adds (name, gradients by shape, were there any elsewhere).
        others: name → module whose gradients are looked at, too.
    """

    def __init__(self, name: str, weights, log: list, others: dict[str, nn.Module]):
        super().__init__(list(weights), lr=0.05)
        self.name, self.log, self.others = name, log, others

    @torch.no_grad()
    def step(self, closure=None):
        weights = list(itertools.chain(*(group["params"] for group in self.param_groups)))
        own = [0.0 if w.grad is None else w.grad.norm().item() for w in weights]
        elsewhere = {
            name: any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())
            for name, module in self.others.items()
        }
        self.log.append((self.name, sum(own), elsewhere))
        return super().step(closure)
