"""From one bird to another, through birds that do not exist: a strip and an animation.

Other codes lie between two codes. z goes along the great circle between its two ends, since vectors
of N(0, I) all have about the same length. b, p and c are one-hot at both ends and blended in
between; no training used blended codes. Pictures do not change evenly along such a path: they jump
where another code becomes the stronger one. Therefore many pictures are generated, and those that
lie evenly apart *as pictures* are kept.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..base.errors import InputError
from ..base.files import empty_folder, make_folder
from ..codes import Codes
from ..figures import image_figure, noise
from ..models import FineGANGenerator
from ..training.pretrained import load_finegan
from .inversion import invert, validate_search
from .mixing import mix
from .photographs import read_pictures
from .readers import Readers, ReadersConfig, load_readers

STRIP = 9  # frames in the strip
DENSE = 4  # pictures generated for each frame that is kept
GIF_SIDE = 256  # pixels
CODE = re.compile(r"(seed|b|p|c)=(\d+)")


@dataclass(frozen=True)
class End:
    """One end of a path: the codes of its bird and background, one each, and what they stand for.

    ``photograph`` (1, 3, S, S) is what was inverted, None for codes that were given.
    """

    bird: Codes
    behind: Codes
    name: str
    photograph: Tensor | None = None


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Points on the great circle from a to b, with lengths in between.

    Args:
        a, b: (D,).
        t: (n,) in [0, 1].

    Returns:
        (n, D): sin((1 − t)ω)/sin ω · a + sin(tω)/sin ω · b, ω the angle between a and b; where that
        is next to 0 or π, the straight line.
    """
    cosine = torch.dot(a, b) / (a.norm() * b.norm()).clamp_min(1e-12)
    omega, t = torch.arccos(cosine.clamp(-1, 1)), t[:, None]
    if omega.sin() < 1e-4:
        return (1 - t) * a + t * b
    return (((1 - t) * omega).sin() * a + (t * omega).sin() * b) / omega.sin()


def between(a: Codes, b: Codes, t: Tensor) -> Codes:
    """Codes on the way from one bird to another: z by :func:`slerp`, the others blended.

    Args:
        a, b: codes of one bird each.
        t: (n,) in [0, 1].
    """
    z = slerp(a.z[0], b.z[0], t)
    blended = [(1 - t)[:, None] * x + t[:, None] * y for x, y in zip(a[1:], b[1:], strict=True)]
    return Codes(z, *blended)


def even_steps(images: Tensor, n: int) -> Tensor:
    """Which n of many pictures lie evenly apart, the first and the last among them: (n,) int64.

    Args:
        images: (m, 3, S, S) along a path, m ≥ n.
        n: at least 2.

    The length of the path up to picture i is Σ_{j ≤ i} |x_j − x_{j−1}|, in root mean squares.
    """
    steps = (images[1:] - images[:-1]).square().mean((1, 2, 3)).sqrt()
    length = torch.cat([torch.zeros(1), steps.cumsum(0)])
    wanted = torch.linspace(0, float(length[-1]), n)
    found = (length[None] - wanted[:, None]).abs().argmin(1)
    found[0], found[-1] = 0, len(images) - 1
    return found


@dataclass(frozen=True)
class Walk:
    """The frames of a walk: ``images`` (n, 3, S, S); ``t`` (n,), how far along the codes; and
    ``evenness``, the largest step between neighbours over the mean one: 1 if all are equal."""

    images: Tensor
    t: Tensor
    evenness: float


def interpolate_images(
    generator: FineGANGenerator, a: End, b: End, frames: int = 33, *, even: bool = True
) -> Walk:
    """The pictures on the way from one end to the other.

    Args:
        generator: a FineGAN.
        a, b: the ends.
        frames: n, at least 2.
        even: evenly apart as pictures; False: as codes.
    """
    _validate_frames(frames)
    t = torch.linspace(0, 1, DENSE * (frames - 1) + 1)
    bird = between(a.bird, b.bird, t)
    images = mix(generator, bird, bird, between(a.behind, b.behind, t)).child.image.cpu()
    rows = even_steps(images, frames) if even else torch.arange(0, len(t), DENSE)
    images = images[rows]
    steps = (images[1:] - images[:-1]).square().mean((1, 2, 3)).sqrt()
    return Walk(images, t[rows], float(steps.max() / steps.mean().clamp_min(1e-12)))


def _validate_frames(frames: int) -> None:
    if frames < 2:
        raise InputError("a walk needs two frames", seen=frames, cure="Ask for 2 or more.")


def walk_scores(walk: Walk, readers: Readers) -> dict:
    """What a walk keeps, by the classifiers.

    Returns:
        ``parent`` and ``child``: the share of frames in which a classifier reads the kind of the
        first or of the last frame; the other frames show third kinds. ``evenness``: see `Walk`.
    """
    shares = {}
    for level, seen in zip(("parent", "child"), readers.read(walk.images), strict=True):
        ends = (seen == seen[0]) | (seen == seen[-1])
        shares[level] = float(ends.float().mean())
    return shares | {"evenness": walk.evenness}


def parse_code(text: str, generator: FineGANGenerator) -> End:
    """Codes written as "p=3,c=10,b=2,seed=5": c is needed. If left out, p is its parent and b is c.

    Raises:
        InputError: for something else, an index that the generator does not have, or a seed from
            2**32 on.
    """
    parts = [part.strip() for part in text.split(",")]
    found = [CODE.fullmatch(part) for part in parts]
    given = {match[1]: int(match[2]) for match in found if match}
    if not all(found) or "c" not in given or len(given) < len(parts):
        raise InputError(
            "this is neither a photograph nor codes",
            seen=text,
            cure='Give an image file, or codes such as "c=10" or "p=3,c=10,b=2,seed=5".',
        )
    if max(given.values()) >= 2**32:
        raise InputError(
            "a number among these codes is too large",
            seen=text,
            cure=f"A seed is at most {2**32 - 1}; an index is less than the number of its codes.",
        )
    z = noise(generator, 1, given.get("seed", 0))
    indices = {f"{name}_index": given[name] for name in "pb" if name in given}
    codes = generator.config.hierarchy().codes(z, given["c"], **indices)
    return End(codes, codes, text)


def walk_figure(walk: Walk, a: End, b: End):
    """The strip: frames evenly out of the walk, with the photographs at its ends."""
    rows = torch.linspace(0, len(walk.images) - 1, min(STRIP, len(walk.images))).round().long()
    strip = list(walk.images[rows])
    names = [f"{float(walk.t[row]):.0%}" for row in rows]
    for end, place in ((a, 0), (b, len(strip))):
        if end.photograph is not None:
            at = place if place == 0 else len(strip)
            strip.insert(at, end.photograph[0])
            names.insert(at, "photograph")
    title = "From one bird to another (how far along the codes, evenly as pictures)"
    return image_figure([strip], None, names, title)


def write_gif(images: Tensor, path, *, seconds: float = 3.0) -> Path:
    """An animation of (n, 3, S, S) in [-1, 1], there and back again, without end."""
    pixels = ((images / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    side = GIF_SIDE // pixels.shape[1] * pixels.shape[1] or pixels.shape[1]
    frames = [Image.fromarray(p).resize((side, side), Image.Resampling.BICUBIC) for p in pixels]
    frames += frames[-2:0:-1]
    each = max(20, round(1000 * seconds / len(images)))  # milliseconds; below 20 viewers slow down
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=each, loop=0)
    return Path(path)


def interpolate(
    a,
    b,
    out,
    *,
    checkpoint="toy",
    frames: int = 33,
    steps: int = 40,
    even: bool = True,
    config: ReadersConfig | None = None,
    progress: bool = True,
) -> dict:
    """Walk from one photograph or code to another; writes ``strip.png`` and ``walk.gif``.

    Args:
        a, b: each an image file, or codes as in :func:`parse_code`.
        out: new or empty folder.
        checkpoint: of a FineGAN.
        frames: of the animation, one way.
        steps: of the inversion of photographs.
        even: frames evenly apart as pictures; False: as codes.
        config: of the readers.

    Returns:
        :func:`walk_scores`, and for photographs ``copy_error``: mean abs(copy − photograph) over
        the range of a pixel, of both ends.

    Raises:
        InputError: for what cannot be used.
    """
    out = empty_folder(out)
    _validate_frames(frames)
    generator = load_finegan(checkpoint)
    validate_search(generator.config, steps)
    given = [_given(end, generator) for end in (a, b)]
    readers = load_readers(checkpoint, generator, config, progress=progress)
    ends = [_inverted(end, generator, readers, steps, progress) for end in given]
    walk = interpolate_images(generator, *ends, frames, even=even)
    make_folder(out)
    walk_figure(walk, *ends).savefig(out / "strip.png", dpi=150)
    write_gif(walk.images, out / "walk.gif")
    errors = [
        float((image - end.photograph[0]).abs().mean() / 2)
        for end, image in zip(ends, (walk.images[0], walk.images[-1]), strict=True)
        if end.photograph is not None
    ]
    result = {"checkpoint": str(checkpoint), "ends": [str(a), str(b)], "frames": frames}
    return result | walk_scores(walk, readers) | ({"copy_error": errors} if errors else {})


def _given(end, generator):
    """The `End` of codes, or the photograph, before anything takes long."""
    if Path(end).is_file():
        return read_pictures(end, generator.config.image_size)
    if "=" in str(end):
        return parse_code(str(end), generator)
    raise InputError(
        "no such photograph",
        seen=str(end),
        cure='Give an image file, or codes such as "p=3,c=10,b=2,seed=5".',
    )


def _inverted(given, generator, readers, steps: int, progress: bool) -> End:
    if isinstance(given, End):
        return given
    options = {"encoder": readers.encoder, "candidates": 1, "steps": steps, "progress": progress}
    return End(*invert(generator, given.images, **options), given.names[0], given.images)


def summary(result: dict) -> str:
    """The scores, in lines to print."""
    lines = [
        f"{result['frames']} frames; the largest step is {result['evenness']:.1f} times the mean",
        f"frames in which the kind of an end is read: parent {result['parent']:.0%}, child "
        f"{result['child']:.0%}",
    ]
    if "copy_error" in result:
        lines.append(f"mean error of the copies {max(result['copy_error']):.3f}")
    return "\n".join(lines)
