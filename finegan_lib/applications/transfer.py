"""Shape and pose of one photograph, appearance of another.

Both photographs are inverted (:func:`.invert`): an encoder says where to start, gradient descent
moves z. The transfer then has p and z of the first bird, c of the second, and the background of the
first:

    mix(generator, shape, appearance, background)
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.utils import save_image

from ..base.errors import InputError
from ..base.files import empty_folder, make_folder, slug
from ..codes import Codes
from ..figures import image_figure
from ..metrics import Judges
from ..models import FineGANGenerator
from ..training.pretrained import load_finegan, refuse_toybirds
from .inversion import invert, validate_search
from .mixing import mix, repaint
from .photographs import Pictures, read_pictures
from .readers import Readers, ReadersConfig, load_readers

SHOWN = 8  # pairs in the figure


@dataclass(frozen=True)
class Transfer:
    """N transfers: what was found, and what was generated.

    Attributes:
        shape, appearance: codes found for the birds of the N givers of each.
        behind: codes of the backgrounds of the first.
        copies_of_shape, copies_of_appearance: (N, 3, S, S), generated from the codes found.
        image: (N, 3, S, S), the transfers.
        repainted: (N, 3, S, S), the transferred bird laid over the first photograph.
    """

    shape: Codes
    appearance: Codes
    behind: Codes
    copies_of_shape: Tensor
    copies_of_appearance: Tensor
    image: Tensor
    repainted: Tensor


def transfer_images(
    generator: FineGANGenerator,
    readers: Readers,
    shape: Tensor,
    appearance: Tensor,
    *,
    steps: int = 40,
    candidates: int = 1,
    progress: bool = False,
) -> Transfer:
    """Shape and pose of N pictures in the appearance of N others.

    Args:
        generator: a FineGAN.
        readers: its readers.
        shape, appearance: (N, 3, S, S) in [-1, 1].
        steps: of gradient descent; 0: what the encoder says.
        candidates: the likeliest pairs (p, c) that are tried for each picture.
        progress: show a bar.

    Raises:
        InputError: for pictures of another size than the generator's.
    """
    n = len(shape)
    bird, behind = invert(
        generator,
        torch.cat([shape, appearance]),
        encoder=readers.encoder,
        steps=steps,
        candidates=candidates,
        progress=progress,
    )
    first, second = slice(n), slice(n, None)
    copies = mix(generator, bird, bird, behind).child.image
    a, b, back = bird.select(first), bird.select(second), behind.select(first)
    image = mix(generator, a, b, back).child.image
    repainted = repaint(generator, a._replace(c=b.c), shape).image
    return Transfer(a, b, back, copies[first], copies[second], image, repainted)


def transfer_scores(
    made: Transfer, readers: Readers, shape: Pictures, appearance: Pictures
) -> dict:
    """What N transfers keep, by classifiers that had no part in making them.

    Returns:
        ``as_asked``: shares of transfers in which the classifiers read the ``parent`` and ``child``
        that the generator was given. ``as_in_photograph``: shares in which they read the same kinds
        as in the givers. Of ToyBirds also ``as_in_truth``, by judges that know the true kinds; in
        its place ``left_out``, with the reason, if there are no judges of this image size. Each
        with ``by_chance``, the same against the givers of the next transfer (not for one alone).
        ``copy_error``: mean abs(copy − photograph) over the range of a pixel, of both givers.
    """
    p, c = readers.read(made.image)
    givers = readers.read(shape.images)[0], readers.read(appearance.images)[1]
    asked = made.shape.p_index, made.appearance.c_index
    copies = torch.cat([made.copies_of_shape, made.copies_of_appearance])
    error = (copies - torch.cat([shape.images, appearance.images])).abs().mean() / 2
    scores = {
        "n": len(p),
        "as_asked": _shares((p, c), asked),
        "as_in_photograph": _shares((p, c), givers),
        "copy_error": float(error),
    }
    if "child" in shape.truth and "child" in appearance.truth:
        size = made.image.shape[-1]
        if not Judges.are_shipped(size):
            return scores | {"left_out": {"as_in_truth": f"there are no judges for {size} pixels"}}
        seen = Judges.load("toy", size).readings(made.image)
        seen = seen["shape"].argmax(1), seen["appearance"].argmax(1)
        truth = shape.truth["parent"], appearance.truth["child"]
        scores["as_in_truth"] = _shares(seen, truth)
    return scores


def _shares(seen, wanted) -> dict:
    shares, chance = {}, {}
    for level, a, b in zip(("parent", "child"), seen, wanted, strict=True):
        shares[level] = float((a == b).float().mean())
        chance[level] = float((a == b.roll(1)).float().mean())
    return shares | ({"by_chance": chance} if len(seen[0]) > 1 else {})


def transfer_figure(made: Transfer, shape: Pictures, appearance: Pictures, rows=None):
    """One transfer a column: the givers, their copies, the transfer. At most eight."""
    rows = list(range(min(len(made.image), SHOWN))) if rows is None else rows
    grid = {
        "gives shape\nand pose": shape.images,
        "as painted\nfrom its codes": made.copies_of_shape,
        "gives\nappearance": appearance.images,
        "as painted\nfrom its codes ": made.copies_of_appearance,
        "transfer": made.image,
        "transfer laid over\nthe photograph": made.repainted,
    }
    title = "Shape and pose of one photograph, appearance of another"
    names = [f"p={int(made.shape.p_index[i])}, c={int(made.appearance.c_index[i])}" for i in rows]
    return image_figure(
        [[images[i] for i in rows] for images in grid.values()], list(grid), names, title
    )


def transfer(
    shape,
    appearance,
    out,
    *,
    checkpoint="toy",
    n: int = 16,
    steps: int = 40,
    candidates: int = 1,
    seed: int = 0,
    config: ReadersConfig | None = None,
    progress: bool = True,
) -> dict:
    """Transfer appearance between photographs, and write the results.

    ``out`` gets ``transfer.png`` (:func:`transfer_figure`) and every transfer as a picture of the
    generator's size.

    Args:
        shape, appearance: a photograph, a folder of them, or "toybirds"; see
            :func:`.read_pictures`.
        out: new or empty folder.
        checkpoint: of a FineGAN: name, file or run folder.
        n: how many random pairs are taken from folders; 1 if neither is a folder.
        steps, candidates: of the inversion.
        seed: of the pairs.
        config: of the readers.

    Returns:
        :func:`transfer_scores`, with one row per transfer in ``transfers``.

    Raises:
        InputError: for photographs, a checkpoint or numbers that cannot be used, a folder that
            holds files, or "toybirds" for a network that was trained on photographs.
    """
    out = empty_folder(out)
    generator = load_finegan(checkpoint)
    refuse_toybirds(checkpoint, shape, appearance)
    validate_search(generator.config, steps, candidates)
    a, b = _pairs(shape, appearance, generator.config.image_size, n, seed)
    readers = load_readers(checkpoint, generator, config, progress=progress)
    made = transfer_images(
        generator,
        readers,
        a.images,
        b.images,
        steps=steps,
        candidates=candidates,
        progress=progress,
    )
    make_folder(out)
    figure = transfer_figure(made, a, b)
    figure.savefig(out / "transfer.png", dpi=150)
    rows = []
    for i, image in enumerate(made.image / 2 + 0.5):
        name = f"{i:03d}_{stem_of(a.names[i])}_as_{stem_of(b.names[i])}.png"
        save_image(image, out / name)
        rows.append(
            {
                "file": name,
                "shape": a.names[i],
                "appearance": b.names[i],
                "p": int(made.shape.p_index[i]),
                "c": int(made.appearance.c_index[i]),
            }
        )
    scores = transfer_scores(made, readers, a, b)
    return (
        {"checkpoint": str(checkpoint), "steps": steps, "seed": seed} | scores | {"transfers": rows}
    )


def stem_of(name: str) -> str:
    """A photograph's name as part of a file's."""
    return slug(Path(name).stem)[:40]


def _pairs(shape, appearance, image_size: int, n: int, seed: int):
    """As many photographs for each of the two roles; a single one is used for all pairs."""
    single = [Path(source).is_file() for source in (shape, appearance)]
    if all(single):
        n = 1
    # A small folder is taken whole, and in its own order the pairs would be the same for all seeds.
    options = {"shuffled": True}
    if _same(shape, appearance) and not any(single):  # one folder: no photograph twice
        both = read_pictures(shape, image_size, n=2 * n, seed=seed, **options)
        if len(both) < 2:
            raise InputError(
                "a transfer needs two photographs", seen=len(both), cure="Add one to the folder."
            )
        half = len(both) // 2
        return both.select(list(range(half))), both.select(list(range(half, 2 * half)))
    a = read_pictures(shape, image_size, n=n, seed=seed, **options)
    b = read_pictures(appearance, image_size, n=n, seed=seed + 1, **options)
    n = max(len(a), len(b)) if any(single) else min(len(a), len(b))
    return tuple(some.select([i % len(some) for i in range(n)]) for some in (a, b))


def _same(a, b) -> bool:
    """Whether two sources are the same: photos and photos/ are one folder."""
    if "toybirds" in (str(a), str(b)):
        return str(a) == str(b)
    return Path(a).resolve() == Path(b).resolve()


def summary(result: dict) -> str:
    """The scores, in lines to print."""
    lines = [f"{result['n']} transfers; mean error of the copies {result['copy_error']:.3f}"]
    lines += [f"left out: {name} ({why})" for name, why in result.get("left_out", {}).items()]
    if result["n"] == 1:
        row = result["transfers"][0]
        said = result["as_asked"]
        for level, code in (("parent", "p"), ("child", "c")):
            answer = "is" if said[level] else "is not"
            lines.append(f"{level} {code}={row[code]} {answer} what a classifier reads in it")
        return "\n".join(lines)
    titles = {
        "as_asked": "as the generator was told",
        "as_in_photograph": "as in the photograph",
        "as_in_truth": "as in truth (judges)",
    }
    lines.append(f"{'read in the transfers':26} {'parent':>14} {'child':>14}   (by chance)")
    for name, title in titles.items():
        if name in result:
            shares, chance = result[name], result[name]["by_chance"]
            row = [f"{shares[level]:6.0%} ({chance[level]:4.0%})" for level in ("parent", "child")]
            lines.append(f"{title:26} {row[0]:>14} {row[1]:>14}")
    return "\n".join(lines)
