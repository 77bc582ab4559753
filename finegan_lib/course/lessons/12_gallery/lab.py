"""What the gallery measures: what a code gives away, what a transfer keeps, and walks of codes."""

from itertools import pairwise

import torch
from torch import Tensor

from ....applications import mix
from ....codes import CodeHierarchy, Codes
from ....figures import draw, noise
from ....metrics import Judges
from ....models import FineGANGenerator, InfoGANGenerator

ORDER = ("b", "p", "c")


def counts_of(codes: Tensor, seen: Tensor, n_codes: int, n_seen: int) -> Tensor:
    """(n_codes, n_seen) how often each code went with each thing seen, float32."""
    cells = torch.as_tensor(codes) * n_seen + torch.as_tensor(seen)
    return torch.bincount(cells, minlength=n_codes * n_seen).view(n_codes, n_seen).float()


def guessed_share(counts: Tensor) -> Tensor:
    """The share of pictures whose second property is guessed right from the first, at best.

    Whoever knows only the code of a picture guesses what was seen most often with it:
    Σ_k max_s counts[k, s] / Σ counts. A scalar in (0, 1].

    Args:
        counts: (K, S) non-negative.
    """
    return counts.max(1).values.sum() / counts.sum()


@torch.no_grad()
def infogan_pictures(generator: InfoGANGenerator, per_code: int, seed: int = 0):
    """Pictures (K·per_code, 3, S, S) of every category in turn, and their categories."""
    k = generator.config.n_categories
    index = torch.arange(k).repeat_interleave(per_code)
    code = torch.nn.functional.one_hot(index, generator.config.code_dim).float()
    return generator(noise(generator, len(index), seed), code), index


def finegan_pictures(generator: FineGANGenerator, per_code: int, seed: int = 0):
    """The same of every child c: p its parent, but b drawn freely."""
    hierarchy = generator.config.hierarchy()
    index = torch.arange(hierarchy.n_children).repeat_interleave(per_code)
    rng = torch.Generator().manual_seed(seed)
    b_index = torch.randint(hierarchy.n_children, (len(index),), generator=rng)
    codes = hierarchy.codes(noise(generator, len(index), seed), index, b_index=b_index)
    return draw(generator, codes).child.image, index


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
        seen = seen_in(judges, draw(generator, giver).child.image)[factor]
        scores[factor] = float((mixed[factor] == seen).float().mean())
        chance[factor] = float((mixed[factor] == seen.roll(1)).float().mean())
    return scores | {"chance": chance}


def with_child(codes: Codes, c_index, hierarchy: CodeHierarchy) -> Codes:
    """The same codes with another c."""
    return hierarchy.codes(codes.z, c_index, p_index=codes.p_index, b_index=codes.b_index)


def walk_problem(walk, generator: FineGANGenerator, least: float = 0.01) -> str | None:
    """What is wrong with a walk from bird to bird, or None.

    A walk is a list of at least four (b, p, c). From step to step exactly one code changes, and
    so does the picture, by ``least`` of the range of a pixel on average; in the end all three
    codes differ from the first.
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
    return draw(generator, codes).child.image
