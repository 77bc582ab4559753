"""What a trained FineGAN is good for: mixing birds, finding a picture's codes, repainting it.

Shape and pose of one bird, appearance of another, background of a third: for generated birds that
is a matter of choosing codes (:func:`mix`). A real bird has no codes; they are found by search and
gradient descent (:func:`invert`), and then the real picture can be repainted (:func:`repaint`).
"""

import torch
from torch import Tensor

from ..base.errors import InputError
from ..codes import Codes
from ..figures import draw
from ..models import FineGANGenerator, FineGANOutput
from ..models.finegan import Stage, stitch


def mix(
    generator: FineGANGenerator, shape: Codes, appearance: Codes, background: Codes
) -> FineGANOutput:
    """Shape and pose (p, z) of one bird, appearance (c) of another, background (b, z) of a third.

    The background keeps a z of its own and so comes over pixel by pixel: a foreground depends on no
    background and can be laid over any.

    Args:
        shape, appearance, background: codes of N birds each.

    Returns:
        The three stages of the N mixtures.
    """
    return lay(draw(generator, shape._replace(c=appearance.c)), draw(generator, background))


def lay(front: FineGANOutput, back: FineGANOutput) -> FineGANOutput:
    """The foregrounds of one output over the background of another."""
    parent = stitch(front.parent.foreground, front.parent.mask, back.background.image)
    child = stitch(front.child.foreground, front.child.mask, parent.image)
    return FineGANOutput(back.background, parent, child)


def repaint(generator: FineGANGenerator, codes: Codes, images: Tensor) -> Stage:
    """Lay the child that codes describe over given pictures: M_c·F_c + (1 − M_c)·image.

    Args:
        codes: of N birds, for instance :func:`invert`'s with another c.
        images: (N, 3, S, S) in [-1, 1].
    """
    child = draw(generator, codes).child
    return stitch(child.foreground, child.mask, images)


def invert(
    generator: FineGANGenerator,
    images: Tensor,
    *,
    p_index=None,
    c_index=None,
    steps: int = 60,
    seed: int = 0,
    pool: int = 1500,
    candidates: int = 4,
    prior: float = 0.003,
) -> tuple[Codes, Codes]:
    """Codes whose picture comes close to a given one: those of its bird and of its background.

    The two have a z each, as in :func:`mix`, which draws the result: ``mix(generator, bird, bird,
    behind)``. First a search among ``pool`` random codes: for the background with the smallest mean
    of abs(B − image), a distance that forgives a bird in the way; and for the ``candidates`` birds
    that, laid over it, have the smallest mean (C − image)². Then gradient descent (Adam) from each
    of them, on both z, since a one-hot code has no slope:

        loss = mean (C − image)² + prior · mean z²      (:func:`inversion_loss`)

    The candidate that ends lowest is kept.

    Args:
        images: (N, 3, S, S) in [-1, 1], S the generator's image size.
        p_index, c_index: (N,) indices that are known, say from classifiers
            (:mod:`finegan_lib.discovery`); None: to be searched for, too.
        steps: of gradient descent; 0: the search alone.
        seed: of the random codes.
        pool, candidates: how many codes are drawn, and how many birds are tried for each image.
        prior: weight of the second term.

    Returns:
        ``bird`` and ``behind``, N codes each, on the CPU.

    Raises:
        InputError: for images of another shape, or a pool with too few birds of the known codes.
    """
    size = generator.config.image_size
    if images.ndim != 4 or images.shape[1:] != (3, size, size):
        raise InputError(
            f"this generator needs images of shape (N, 3, {size}, {size})",
            seen=tuple(images.shape),
            cure="Resize them first, and scale them to [-1, 1].",
        )
    random = torch.Generator().manual_seed(seed)
    hierarchy = generator.config.hierarchy()
    codes = hierarchy.sample(pool, generator.config.z_dim, tied=False, generator=random)
    backgrounds, paint, gap = _layers(generator, codes)
    birds, behinds = [], []
    for i, image in enumerate(images.cpu()):
        behind = (backgrounds - image).abs().mean((1, 2, 3)).argmin()
        rows = torch.ones(pool, dtype=torch.bool)
        for index, of_pool in ((p_index, codes.p_index), (c_index, codes.c_index)):
            if index is not None:
                rows &= of_pool == int(index[i])
        rows = rows.nonzero().flatten()
        if len(rows) < candidates:
            raise InputError(
                "the pool holds too few birds of the known codes",
                seen=f"{len(rows)} for image {i}, {candidates} needed",
                cure="Enlarge the pool, lower the candidates, or give one of the indices only.",
            )
        pictures = paint[rows] + gap[rows] * backgrounds[behind]
        errors = (pictures - image).square().mean((1, 2, 3))
        birds.append(rows[errors.argsort(stable=True)[:candidates]])
        behinds.append(behind.expand(candidates))
    bird, behind = (codes.select(torch.cat(rows)) for rows in (birds, behinds))
    return _descend(generator, bird, behind, images, steps, prior)


def inversion_loss(pictures: Tensor, images: Tensor, z: Tensor, prior: float) -> Tensor:
    """How far codes are from explaining images: (N,), mean (C − image)² + prior · mean z².

    The second term holds z where N(0, I) has its mass: elsewhere the generator was never trained.
    Up to constants it is −log p(image | z) − log p(z) for Gaussian noise on the pixels.

    Args:
        pictures: C of the codes, (N, 3, S, S).
        images: (N, 3, S, S).
        z: (N, D).
        prior: weight of the second term, not negative.
    """
    return (pictures - images).square().mean((1, 2, 3)) + prior * z.square().mean(1)


def _layers(generator, codes: Codes) -> tuple[Tensor, Tensor, Tensor]:
    """The backgrounds; what both foregrounds paint, and how much of a background they let through.

    A bird over any background B is then paint + gap·B.
    """
    backgrounds, paint, gap = [], [], []
    for start in range(0, len(codes.z), 50):
        output = draw(generator, codes.select(slice(start, start + 50)))
        parent, child = output.parent, output.child
        backgrounds.append(output.background.image)
        paint.append(child.masked_foreground + (1 - child.mask) * parent.masked_foreground)
        gap.append((1 - child.mask) * (1 - parent.mask))
    return tuple(torch.cat(parts).cpu() for parts in (backgrounds, paint, gap))


def _descend(generator, bird: Codes, behind: Codes, images: Tensor, steps: int, prior: float):
    """Move both z by gradient descent, then keep the best of the candidates for each image.

    ``bird`` and ``behind`` hold the same number of candidates for every image, one after another.
    """
    n, candidates = len(images), len(bird.z) // len(images)
    device = next(generator.parameters()).device
    bird, behind = bird.to(device), behind.to(device)
    targets = images.to(device).repeat_interleave(candidates, 0)
    z = torch.cat([bird.z, behind.z], 1).requires_grad_()
    optimiser = torch.optim.Adam([z], lr=0.05)
    training = generator.training
    generator.eval()
    for step in range(steps + 1):
        z_bird, z_behind = z.chunk(2, 1)
        front = generator(bird._replace(z=z_bird))
        back = front._replace(background=generator.draw_background(z_behind, behind.b))
        losses = inversion_loss(lay(front, back).child.image, targets, z, prior)
        if step < steps:
            (z.grad,) = torch.autograd.grad(losses.sum(), z)
            optimiser.step()
    generator.train(training)
    first = candidates * torch.arange(n, device=device)
    best = first + losses.detach().view(n, candidates).argmin(1)
    found = (bird._replace(z=z_bird.detach()), behind._replace(z=z_behind.detach()))
    return tuple(codes.select(best).to("cpu") for codes in found)
