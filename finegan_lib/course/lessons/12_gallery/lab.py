"""Measurements of the gallery: what a code gives away, what a transfer keeps, walks of codes."""

from itertools import pairwise

import torch
from torch import Tensor

from ....applications import inversion_loss, mix
from ....codes import CodeHierarchy, Codes
from ....figures import generate, noise
from ....metrics import Judges
from ....models import FineGANGenerator, InfoGANGenerator

ORDER = ("b", "p", "c")


def counts_of(codes: Tensor, seen: Tensor, n_codes: int, n_seen: int) -> Tensor:
    """(n_codes, n_seen) how often each code went with each thing seen, float32."""
    cells = torch.as_tensor(codes) * n_seen + torch.as_tensor(seen)
    return torch.bincount(cells, minlength=n_codes * n_seen).view(n_codes, n_seen).float()


def guessed_share(counts: Tensor) -> Tensor:
    """The share of pictures whose second property is guessed right from the first, at best.

    The best guess from a code is what was seen most often with it:
    Σ_k max_s counts[k, s] / Σ counts. A scalar in (0, 1].

    Args:
        counts: (K, S) non-negative.
    """
    return counts.max(1).values.sum() / counts.sum()


def luck(codes: int, per_code: int, kinds: int, repeats: int = 200, seed: int = 0) -> float:
    """`guessed_share` of codes without information: the pictures show equally likely kinds."""
    rng = torch.Generator().manual_seed(seed)
    index = torch.arange(codes).repeat_interleave(per_code)
    shares = [
        guessed_share(
            counts_of(index, torch.randint(kinds, index.shape, generator=rng), codes, kinds)
        )
        for _ in range(repeats)
    ]
    return float(torch.stack(shares).mean())


@torch.no_grad()
def infogan_pictures(generator: InfoGANGenerator, per_code: int, seed: int = 0):
    """Pictures (K·per_code, 3, S, S) of every category in turn, and their categories."""
    k = generator.config.n_categories
    index = torch.arange(k).repeat_interleave(per_code)
    code = torch.nn.functional.one_hot(index, generator.config.code_dim).float()
    return generator(noise(generator, len(index), seed), code), index


def finegan_pictures(
    generator: FineGANGenerator, per_code: int, seed: int = 0, *, tied: bool = False
):
    """The same of every child c: p its parent; b = c if ``tied``, else b is sampled freely."""
    hierarchy = generator.config.hierarchy()
    index = torch.arange(hierarchy.n_children).repeat_interleave(per_code)
    rng = torch.Generator().manual_seed(seed)
    b_index = torch.randint(hierarchy.n_children, (len(index),), generator=rng)
    b_index = index if tied else b_index
    codes = hierarchy.codes(noise(generator, len(index), seed), index, b_index=b_index)
    return generate(generator, codes).child.image, index


def seen_in(judges: Judges, images: Tensor) -> dict[str, Tensor]:
    """What the judges see: (N,) indices of ``background``, ``shape`` and ``appearance``, and pose.

    ``pose`` is (N, 4), in standard deviations.
    """
    with torch.no_grad():
        readings = judges.readings(images)
    return {k: v if k == "pose" else v.argmax(1) for k, v in readings.items()}


def mixture_scores(generator: FineGANGenerator, judges: Judges, n: int = 200, seed: int = 0):
    """How often `mix` of three random birds shows each part as in the bird that it came from.

    Returns:
        ``shape``, ``appearance`` and ``background``: shares of n mixtures in which the judges see
        the same as in the giver; ``chance``: the same for givers of another mixture.
    """
    hierarchy, z_dim = generator.config.hierarchy(), generator.config.z_dim
    rng = torch.Generator().manual_seed(seed)
    givers = [hierarchy.sample(n, z_dim, rng=rng) for _ in range(3)]
    mixed = seen_in(judges, mix(generator, *givers).child.image)
    scores, chance = {}, {}
    for factor, giver in zip(("shape", "appearance", "background"), givers, strict=True):
        seen = seen_in(judges, generate(generator, giver).child.image)[factor]
        scores[factor] = float((mixed[factor] == seen).float().mean())
        chance[factor] = float((mixed[factor] == seen.roll(1)).float().mean())
    return scores | {"chance": chance}


def with_child(codes: Codes, c_index, hierarchy: CodeHierarchy) -> Codes:
    """The same codes with another c."""
    return hierarchy.codes(codes.z, c_index, p_index=codes.p_index, b_index=codes.b_index)


# ------------------------------------------------------------------------- transfer


def dressed_as(shape: Codes, appearance: Codes, hierarchy: CodeHierarchy) -> Codes:
    """Codes of the birds of ``shape`` in the appearance of others: only c changes."""
    return with_child(shape, appearance.c_index, hierarchy)


def probe_transfer(answer, n: int):
    """Whose codes a transfer takes (exercise 2): a word for each code."""
    hierarchy, rng = CodeHierarchy.equal(3, 6), torch.Generator().manual_seed(0)
    shape, appearance = (hierarchy.sample(n, 4, rng=rng) for _ in range(2))
    made = answer(shape, appearance, hierarchy)
    if made is ...:
        return ...
    if not isinstance(made, Codes):
        return {"what it returns": f"a {type(made).__name__}"}
    seen = {"what it returns": "Codes"}
    for name in ("c", "p", "z", "b"):
        first, second, got = (getattr(codes, name) for codes in (shape, appearance, made))
        giver = "the first bird's" if got.equal(first) else "neither bird's"
        seen[name] = "the second bird's" if got.equal(second) else giver
    return seen


def descent(generate, images: Tensor, z: Tensor, steps: int, rate: float, prior: float) -> Tensor:
    """z (N, D) after some steps of plain gradient descent on `inversion_loss`, one for each image.

    Args:
        generate: z → pictures (N, 3, S, S).
        images: (N, 3, S, S).
        rate: length of a step, times the slope.
    """
    z = z.clone().requires_grad_()
    mover = torch.optim.SGD([z], rate)
    for _ in range(steps):
        losses = inversion_loss(generate(z), images, z, prior)
        mover.zero_grad()
        losses.sum().backward()
        mover.step()
    return z.detach()


def probe_descent(answer, steps: int):
    """Where a search for z goes, on pictures that are a linear function of z (exercise 6)."""
    rng = torch.Generator().manual_seed(0)
    z, to_pixels = torch.randn(3, 5, generator=rng), torch.randn(5, 48, generator=rng)
    images = torch.rand(3, 3, 4, 4, generator=rng)

    def generate(z):
        return (z @ to_pixels / 2).view(-1, 3, 4, 4)

    seen = {}
    for name, many in (("one step", 1), (f"{steps} steps", steps)):
        given = z.clone()
        found = answer(generate, images, given, many, 0.3, 0.1)
        if found is ...:
            return ...
        seen[f"z after {name}"] = found
        seen[f"the z that it was given, after {name}"] = given
    return seen


def error_on_the_way(search, generator: FineGANGenerator, moments=(0, 2, 5, 10, 20), rate=3.0):
    """The mean loss after some steps of a search for the z of two birds whose codes are known."""
    hierarchy, z_dim = generator.config.hierarchy(), generator.config.z_dim
    rng = torch.Generator().manual_seed(1)
    codes = hierarchy.sample(2, z_dim, rng=rng)
    images, z = generate(generator, codes).child.image, torch.randn(2, z_dim, generator=rng)

    def paint(z):
        return generator(codes._replace(z=z)).child.image

    losses = {}
    for steps in moments:
        found = search(paint, images, z, steps, rate, 0.003)
        with torch.no_grad():
            losses[steps] = float(inversion_loss(paint(found), images, found, 0.003).mean())
    return losses


def mixtures(generator: FineGANGenerator, n: int = 6, seed: int = 4) -> dict[str, Tensor]:
    """Three birds and their mixture, n times: rows for a figure."""
    hierarchy, rng = generator.config.hierarchy(), torch.Generator().manual_seed(seed)
    givers = [hierarchy.sample(n, generator.config.z_dim, rng=rng) for _ in range(3)]
    names = ("gives shape\nand pose", "gives its\nappearance", "gives its\nbackground")
    rows = {
        name: generate(generator, codes).child.image
        for name, codes in zip(names, givers, strict=True)
    }
    return rows | {"mixture": mix(generator, *givers).child.image}


# ------------------------------------------------------------------------- walks


def walk_problem(walk, generator: FineGANGenerator, least: float = 0.01) -> str | None:
    """What is wrong with a walk from bird to bird, or None.

    A walk is a list of at least four (b, p, c). The first and the last bird have p the parent of
    c, and no code in common; at least two birds between them are hybrids, whose p is not. From
    step to step exactly one code changes, and so does the picture, by ``least`` of the range of a
    pixel on average.
    """
    hierarchy = generator.config.hierarchy()
    sizes = (hierarchy.n_children, hierarchy.n_parents, hierarchy.n_children)
    walk = [tuple(int(index) for index in step) for step in walk]
    if len(walk) < 4 or {len(step) for step in walk} != {3}:
        return "a walk is a list of at least four triples (b, p, c)"
    for number, step in enumerate(walk, start=1):
        for name, index, size in zip(ORDER, step, sizes, strict=True):
            if not 0 <= index < size:
                return f"bird {number}: {name} must lie between 0 and {size - 1}, not {index}"
    for number, (here, there) in enumerate(pairwise(walk), start=1):
        changed = [n for n, a, b in zip(ORDER, here, there, strict=True) if a != b]
        if len(changed) != 1:
            what = " and ".join(changed) or "nothing"
            return f"from bird {number} to {number + 1} {what} changes: change exactly one code"
    same = [n for n, a, b in zip(ORDER, walk[0], walk[-1], strict=True) if a == b]
    if same:
        return f"the last bird still has the first one's {' and '.join(same)}"
    hybrid = [int(hierarchy.parent_of[c]) != p for _, p, c in walk]
    for name, is_hybrid in (("first", hybrid[0]), ("last", hybrid[-1])):
        if is_hybrid:
            return f"the {name} bird is a hybrid: its p is not the parent of its c"
    if sum(hybrid) < 2:
        return "there must be two hybrids or more between the first bird and the last"
    images = walk_pictures(walk, generator) / 2
    moved = (images[1:] - images[:-1]).abs().mean((1, 2, 3))
    if moved.min() < least:
        return f"bird {int(moved.argmin()) + 1} and the next look the same: take another code"
    return None


def walk_pictures(walk, generator: FineGANGenerator, seed: int = 0) -> Tensor:
    """(N, 3, S, S): the birds of a walk, all with one z."""
    b, p, c = torch.tensor(walk).T
    z = noise(generator, 1, seed).expand(len(walk), -1)
    codes = generator.config.hierarchy().codes(z, c, p_index=p, b_index=b)
    return generate(generator, codes).child.image
