"""Right and wrong answers of this lesson as students write them, for the tests."""

import torch

from ....applications import inversion_loss

# ------------------------------------------------------------------------- what a code gives away


def tables():
    return [
        (torch.tensor([[8.0, 1, 1], [2, 3, 5], [0, 10, 0]]),),
        (torch.tensor([[3.0, 1], [1, 1], [0, 2], [4, 0]]),),
        (torch.tensor([[5.0, 1, 0], [6, 4, 1], [0, 1, 2]]),),
    ]


def best_mapping(counts):
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    return counts[rows, columns].sum() / counts.sum()


# ------------------------------------------------------------------------- transfer


def transfer(**parts):
    """A function that takes each code from the bird "shape" or the bird "appearance"."""
    parts = {"z": "shape", "b": "shape", "p": "shape", "c": "appearance"} | parts

    def answer(shape, appearance, hierarchy):
        givers = {"shape": shape, "appearance": appearance}
        return shape._replace(
            **{name: getattr(givers[giver], name) for name, giver in parts.items()}
        )

    return answer


def own_parent(shape, appearance, hierarchy):
    return hierarchy.codes(shape.z, appearance.c_index, b_index=shape.b_index)


def half_and_half(shape, appearance, hierarchy):
    return shape._replace(c=(shape.c + appearance.c) / 2)


def mean_pose(shape, appearance, hierarchy):
    return shape._replace(z=(shape.z + appearance.z) / 2, c=appearance.c)


def indices(shape, appearance, hierarchy):
    return shape.z, shape.b_index, shape.p_index, appearance.c_index


# ------------------------------------------------------------------------- the search for codes


def pictures():
    rng = torch.Generator().manual_seed(0)
    cases = [(2, 4, 3), (1, 2, 5)]
    return [
        (
            torch.rand(n, 3, s, s, generator=rng),
            torch.rand(n, 3, s, s, generator=rng),
            torch.randn(n, d, generator=rng),
            prior,
        )
        for (n, s, d), prior in zip(cases, (0.1, 2.0), strict=True)
    ]


def in_place(pictures, images, z, prior):
    pictures -= images
    return pictures.square().mean((1, 2, 3)) + prior * z.square().mean(1)


def descent(
    *, clear="before", total=torch.sum, sign=1, copy=True, more=0, prior_share=1, moved=True
):
    """Gradient descent on z; the options make it wrong."""

    def answer(generate, images, z, steps, rate, prior):
        first, z = z, (z.clone() if copy else z).requires_grad_()
        for _ in range(steps + more):
            total(inversion_loss(generate(z), images, z, prior_share * prior)).backward()
            if clear == "too early":
                z.grad.zero_()
            with torch.no_grad():
                z -= sign * rate * z.grad
            if clear == "before":
                z.grad = None
        return z.detach() if moved else first

    return answer


def generated_once(generate, images, z, steps, rate, prior):
    z = z.clone().requires_grad_()
    mover = torch.optim.SGD([z], rate)
    losses = inversion_loss(generate(z), images, z, prior)
    for _ in range(steps):
        mover.zero_grad()
        losses.sum().backward()
        mover.step()
    return z.detach()


def after_one_step(generate, images, z, steps, rate, prior):
    return descent()(generate, images, z, min(steps, 1), rate, prior)


def by_autograd(generate, images, z, steps, rate, prior):
    for _ in range(steps):
        z = z.detach().requires_grad_()
        losses = inversion_loss(generate(z), images, z, prior)
        z = z - rate * torch.autograd.grad(losses.sum(), z)[0]
    return z.detach()
