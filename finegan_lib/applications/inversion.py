"""The codes of a given picture: a search, or an encoder's reading, and then gradient descent."""

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ..base.errors import InputError
from ..codes import Codes
from ..models import FineGANConfig, FineGANGenerator
from .mixing import lay, layers


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
    encoder=None,
    progress: bool = False,
) -> tuple[Codes, Codes]:
    """Codes whose picture comes close to a given one: those of its bird and of its background.

    The two have a z each, as in :func:`mix`, which generates the result: ``mix(generator, bird,
    bird, behind)``. First the codes to start from:

    - with an encoder, those that it finds the likeliest: quick, and it knows every code;
    - else a search among ``pool`` random codes: for the background with the smallest mean of
      abs(B − image), a distance that a bird in front changes little; and for the ``candidates``
      birds that, laid over it, have the smallest mean (C − image)².

    Then gradient descent (Adam) from each of them, on both z, since a one-hot code has no slope:

        loss = mean (C − image)² + prior · mean z²      (:func:`inversion_loss`)

    The candidate that ends lowest is kept.

    Args:
        images: (N, 3, S, S) in [-1, 1], S the generator's image size.
        p_index, c_index: (N,) indices that are known, say from classifiers
            (:mod:`finegan_lib.discovery`); None: to be searched for, too.
        steps: of gradient descent; 0: the start alone.
        seed: of the random codes.
        pool, candidates: how many codes are sampled, and how many birds are tried for each image.
        prior: weight of the second term.
        encoder: a :class:`~finegan_lib.applications.encoder.CodeEncoder` of this generator; None:
            the search.
        progress: show a bar.

    Returns:
        ``bird`` and ``behind``, N codes each, on the CPU.

    Raises:
        InputError: for images of another shape, numbers of steps or candidates that cannot be, or
            a pool with too few birds of the known codes.
    """
    validate_search(generator.config, steps, candidates)
    size = generator.config.image_size
    if images.ndim != 4 or images.shape[1:] != (3, size, size):
        raise InputError(
            f"this generator needs images of shape (N, 3, {size}, {size})",
            seen=tuple(images.shape),
            cure="Resize them first, and scale them to [-1, 1].",
        )
    known = {"p_index": p_index, "c_index": c_index}
    if encoder is not None:
        bird, behind = encoder.candidates(images.cpu(), candidates, **known)
    else:
        bird, behind = _search(generator, images, known, pool, candidates, seed)
    return _descend(generator, bird, behind, images, steps, prior, progress)


def validate_search(config: FineGANConfig, steps: int, candidates: int = 1) -> None:
    """Refuse numbers that no inversion can have; a command calls this before its work.

    Raises:
        InputError: for fewer than 0 steps, or candidates that are not from 1 to N_p · N_c, the
            number of pairs (p, c).
    """
    if steps < 0:
        raise InputError("steps must be 0 or more", seen=steps, cure="Choose 40, or 0 for none.")
    pairs = config.n_parents * config.n_children
    if not 1 <= candidates <= pairs:
        raise InputError(
            f"candidates must be from 1 to {pairs}, the number of pairs of p and c",
            seen=candidates,
            cure="Choose 1, or a few.",
        )


def _search(generator, images: Tensor, known: dict, pool: int, candidates: int, seed: int):
    """The codes of a random pool that come closest: ``candidates`` of every image in turn."""
    rng = torch.Generator().manual_seed(seed)
    hierarchy = generator.config.hierarchy()
    codes = hierarchy.sample(pool, generator.config.z_dim, tied=False, rng=rng)
    backgrounds, paint, gap = layers(generator, codes)
    birds, behinds = [], []
    for i, image in enumerate(images.cpu()):
        behind = (backgrounds - image).abs().mean((1, 2, 3)).argmin()
        rows = torch.ones(pool, dtype=torch.bool)
        for name, index in known.items():
            if index is not None:
                rows &= getattr(codes, name) == int(index[i])
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
    return tuple(codes.select(torch.cat(rows)) for rows in (birds, behinds))


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


def _descend(generator, bird, behind, images: Tensor, steps: int, prior: float, progress: bool):
    """Move both z by gradient descent, then keep the best of the candidates for each image.

    Of every candidate the best z on its way is kept: a bird moves by whole pixels, so the loss has
    jumps and may end above where it has been. ``bird`` and ``behind`` hold the same number of
    candidates for every image, one after another.
    """
    n, candidates = len(images), len(bird.z) // len(images)
    device = next(generator.parameters()).device
    bird, behind = bird.to(device), behind.to(device)
    targets = images.to(device).repeat_interleave(candidates, 0)
    z = torch.cat([bird.z, behind.z], 1).requires_grad_()
    lowest, best_z = torch.full((len(z),), torch.inf, device=device), z.detach().clone()
    optimiser = torch.optim.Adam([z], lr=0.05)
    training = generator.training
    generator.eval()
    for step in tqdm(range(steps + 1), "codes", disable=not progress, leave=False):
        z_bird, z_behind = z.chunk(2, 1)
        front = generator(bird._replace(z=z_bird))
        back = front._replace(background=generator.generate_background(z_behind, behind.b))
        losses = inversion_loss(lay(front, back).child.image, targets, z, prior)
        lower = losses.detach() < lowest
        lowest[lower], best_z[lower] = losses.detach()[lower], z.detach()[lower]
        if step < steps:
            (z.grad,) = torch.autograd.grad(losses.sum(), z)
            optimiser.step()
    generator.train(training)
    best = candidates * torch.arange(n, device=device) + lowest.view(n, candidates).argmin(1)
    z_bird, z_behind = best_z.chunk(2, 1)
    found = (bird._replace(z=z_bird), behind._replace(z=z_behind))
    return tuple(codes.select(best).to("cpu") for codes in found)
