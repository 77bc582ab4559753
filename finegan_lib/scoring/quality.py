"""Inception Score, FID and KID of a generator: generate pictures, read them, compare.

The formulas are :mod:`finegan_lib.metrics.image_quality`'s. This module prepares their inputs,
where most errors occur:

* pictures are **uint8**, rounded (not cut off) from [-1, 1], generated ones and real ones alike;
* the network resizes them itself, the same way for both (see `feature_networks`);
* real pictures are of the kind that the generator imitates: training crops, with their random
  shifts and flips, but of ToyBirds that were not trained on;
* generated ones have tied codes and the same number for every child, as in the paper (issue 8 of
  the authors' repository: 30,000 pictures, equal per child);
* running sums are float64 and can be added, so that shards may be read anywhere.
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..base.errors import InputError
from ..base.files import cache_folder, disk_error
from ..data import BirdsFolder, ToyBirds
from ..data.kept_out import TOY_SEED, evenly
from ..data.pictures import middle_square, need_pictures, read_rgb
from ..metrics.feature_networks import load_network, network_digest
from ..metrics.image_quality import (
    METRICS,
    FeatureSums,
    Statistics,
    compare_statistics,
    fid,
    inception_score,
    kid,
)
from ..metrics.reading import to_uint8
from ..models.generators import balanced_codes, final_image
from ..speed import distributed
from ..speed.devices import pick_device
from ..training.pretrained import load_generator, need_toybirds

# The names that belong to a comparison of pictures, formulas included.
__all__ = [
    "FeatureSums",
    "Statistics",
    "balanced_codes",
    "cached_statistics",
    "compare_statistics",
    "evaluate_quality",
    "fid",
    "inception_score",
    "kid",
    "pictures_digest",
    "quality_table",
    "read_statistics",
    "real_pictures",
    "sample_pictures",
    "unmade_pictures",
]

STATISTICS_VERSION = 1
KID_ROWS = 10_000  # feature rows kept for the KID, and with a real set's statistics


# ------------------------------------------------------------------------------------- pictures


def sample_pictures(
    generator: nn.Module, n: int, *, seed: int = 0, batch_size: int = 100
) -> Iterator[Tensor]:
    """n pictures of any generator of this library, in uint8 batches (B, 3, S, S) on the CPU.

    Codes are tied. The numbers of pictures of any two children (or categories) differ by one at
    most. A generator without codes gets noise only. If it has several outputs, the finished picture
    counts.
    """
    for batch in unmade_pictures(generator, n, seed=seed, batch_size=batch_size):
        yield batch.make()


@dataclass(frozen=True)
class UnmadeBatch:
    """``n`` pictures whose codes are sampled; ``make()`` generates the pictures."""

    n: int
    make: Callable[[], Tensor]

    def __len__(self):
        return self.n


def unmade_pictures(
    generator: nn.Module, n: int, *, seed: int = 0, batch_size: int = 100
) -> Iterator[UnmadeBatch]:
    """`sample_pictures`, each batch to be made or left out."""
    rng, device = torch.Generator().manual_seed(seed), next(generator.parameters()).device

    @torch.no_grad()
    def make(codes) -> Tensor:
        output = generator(*(code.to(device) for code in codes))
        return to_uint8(final_image(output).cpu())

    for start in range(0, n, batch_size):
        index = torch.arange(start, min(start + batch_size, n))
        codes = balanced_codes(generator, index, rng)
        yield UnmadeBatch(len(index), partial(make, codes))


def real_pictures(
    data, image_size: int, n: int | None = None, *, seed: int = TOY_SEED, progress=True
) -> Tensor:
    """Real pictures to compare with: (N, 3, S, S) uint8.

    Args:
        data: a :class:`~finegan_lib.data.PictureSet` or another data set of this library (training
            views of its crops); "toybirds" (training views of birds that no preset trains on); a
            folder in CUB's layout (training views of its crops); or any folder of pictures (shorter
            side resized to S with antialiasing, then the middle).
        n: how many; None: 5,000 ToyBirds, or the whole folder.

    Raises:
        InputError: if data set or folder hold no pictures, or fewer than n; if n is below 1; or if
            the data set has another image size.
    """
    if n is not None and n < 1:
        raise InputError("n must be at least 1", seen=n, cure="Ask for hundreds, better 5,000.")
    if hasattr(data, "evaluation_crops"):
        if data.image_size != image_size:
            raise InputError(
                "the data set has another image size than the generator",
                seen=f"{data.image_size}, not {image_size}",
                cure="Make it with the generator's image_size.",
            )
        rows = _chosen(range(len(data)), n, "the data set")
        bar = tqdm(rows, "reading pictures", disable=not progress)
        return torch.stack([to_uint8(data[i].child_crop) for i in bar])
    if data == "toybirds":
        birds = ToyBirds(n or 5000, image_size=image_size, seed=seed, progress=progress)
        parts = np.array_split(np.arange(len(birds)), -(-len(birds) // 500))
        return torch.cat([to_uint8(birds.batch(rows).child_crop) for rows in parts])
    folder = Path(data)
    if (folder / "images.txt").is_file():
        birds = BirdsFolder(folder, image_size=image_size)
        rows, read = range(len(birds)), lambda i: to_uint8(birds[i].child_crop)
    else:
        rows = need_pictures(folder, 2, "there are no pictures to compare with")
        read = lambda path: torch.from_numpy(middle_square(read_rgb(path), image_size))  # noqa: E731
    bar = tqdm(_chosen(rows, n, folder), "reading pictures", disable=not progress)
    return torch.stack([read(row) for row in bar])


def _chosen(rows, n: int | None, place):
    """n of the rows, evenly spread; None: all."""
    if n is not None and n > len(rows):
        raise InputError(
            "there are fewer pictures than asked for",
            seen=f"{len(rows)} in {place}, {n} wanted",
            cure="Ask for fewer: --n-real, or n_real in Python.",
        )
    return rows if n is None else evenly(rows, n)


# ------------------------------------------------------------------------------------- statistics


@torch.no_grad()
def read_statistics(network: nn.Module, batches: Iterable[Tensor], n=None, progress=True):
    """The `Statistics` of uint8 batches (B, 3, H, W), read by a feature network on its device.

    Each of several processes reads every size-th batch (`own_batches`); all get the same result.
    """
    halves, features, logits = [None, None], {}, {}
    device = next(network.parameters()).device
    bar = tqdm(total=n, desc="reading features", unit="img", disable=not progress)
    for start, batch in own_batches(batches):
        reading = network(batch.to(device))
        for parity in (0, 1):
            rows = reading.features[(parity + start) % 2 :: 2]
            if len(rows):
                sums = FeatureSums.of(rows)
                halves[parity] = sums if halves[parity] is None else halves[parity] + sums
        if start < KID_ROWS:
            features[start] = reading.features.float().cpu()[: KID_ROWS - start]
        logits[start] = reading.logits.float().cpu()
        bar.update(len(batch) * distributed.size())
    bar.close()
    return _whole(distributed.gather((halves, features, logits)))


def own_batches(batches: Iterable) -> Iterator[tuple[int, Tensor]]:
    """This process's batches, every size-th, each with the number of pictures that come before it.

    Of :class:`UnmadeBatch` those of the other processes are not made.
    """
    start = 0
    for number, batch in enumerate(batches):
        if number % distributed.size() == distributed.rank():
            yield start, batch.make() if isinstance(batch, UnmadeBatch) else batch
        start += len(batch)


def _whole(parts) -> Statistics:
    """The statistics of all processes' pictures, in the pictures' order."""
    halves = [[part[0][parity] for part in parts if part[0][parity]] for parity in (0, 1)]
    features, logits = (
        dict(sorted(item for part in parts for item in part[k].items())) for k in (1, 2)
    )
    seen = sum(len(rows) for rows in logits.values())
    if seen < 4:
        raise InputError(
            "too few pictures for a score", seen=seen, cure="Give hundreds at least, better 5,000."
        )
    even, odd = (sum(sums[1:], sums[0]) for sums in halves)
    return Statistics(even, odd, torch.cat([*features.values()]), torch.cat([*logits.values()]))


def cached_statistics(
    network: nn.Module, pictures: Tensor, *, folder=None, batch_size=100, progress=True
) -> Statistics:
    """`read_statistics` of a real set, kept on disk under a name made of its content.

    The name is the digest of every pixel and of the network's weights. Another picture, crop or
    network has another file, so a file is never out of date.

    Args:
        pictures: (N, 3, S, S) uint8.
        folder: of the cache; None: ``statistics`` in the library's cache folder.

    Warns:
        UserWarning: if they cannot be kept there.
    """
    folder = Path(folder) if folder else cache_folder() / "statistics"
    path = folder / f"{pictures_digest(pictures)}-{network_digest(network)}.safetensors"
    kept = _read_kept(path)
    if not distributed.agree(kept is None):
        return kept
    found = read_statistics(network, pictures.split(batch_size), len(pictures), progress)
    if distributed.is_first():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(f".{os.getpid()}.partial")
            save_file(_packed(found), unfinished)
            unfinished.replace(path)
        except (OSError, SafetensorError) as error:
            refused = disk_error("write", path, error)
            warnings.warn(f"the statistics are not kept: {refused}", stacklevel=2)
    return found


def _read_kept(path: Path) -> Statistics | None:
    """None: there is no such file, or it is damaged."""
    try:
        return _unpacked(load_file(path))
    except Exception:  # a damaged file can raise any error in its reader
        return None


def pictures_digest(pictures: Tensor) -> str:
    """16 hexadecimal digits of the pixels, shape and order of uint8 pictures."""
    digest = hashlib.sha256(f"{STATISTICS_VERSION} {tuple(pictures.shape)}".encode())
    for part in pictures.split(1000):
        digest.update(part.contiguous().numpy())
    return digest.hexdigest()[:16]


def _packed(found: Statistics) -> dict[str, Tensor]:
    tensors = {"features": found.features.contiguous(), "logits": found.logits.contiguous()}
    for name in ("even", "odd"):
        sums = getattr(found, name)
        tensors[f"{name}.count"] = torch.tensor([sums.count])
        tensors |= {f"{name}.total": sums.total, f"{name}.outer": sums.outer.contiguous()}
    return tensors


def _unpacked(tensors: dict[str, Tensor]) -> Statistics:
    even, odd = (
        FeatureSums(int(tensors[f"{n}.count"]), tensors[f"{n}.total"], tensors[f"{n}.outer"])
        for n in ("even", "odd")
    )
    return Statistics(even, odd, tensors["features"], tensors["logits"])


# ------------------------------------------------------------------------------------- all together


@distributed.joined()
def evaluate_quality(
    checkpoint,
    *,
    data="toybirds",
    network="toy",
    inception=None,
    n=5000,
    n_real=None,
    splits=10,
    seed=0,
    device="auto",
    batch_size=100,
    progress=True,
) -> dict:
    """The command ``python -m finegan_lib quality``: score one generator.

    Processes that torchrun starts divide the pictures among them.

    Args:
        checkpoint: a shipped name, a file or the folder of a run, of any family.
        data: real pictures, see `real_pictures`.
        network: see `load_network`.
        inception: a local file with the standard Inception weights.
        n, n_real: pictures; compare FIDs of equal numbers only.
        splits: of the Inception Score.
        seed: of the codes and of the splits.

    Returns:
        `compare_statistics`, with what it was made of.

    Raises:
        InputError: for fewer than 4 pictures of either kind, or what cannot be read.
    """
    progress = progress and distributed.is_first()
    for wanted in (n, n_real):
        if wanted is not None and wanted < 4:
            cure = "Ask for 5,000 or so."
            raise InputError("too few pictures for a score", seen=wanted, cure=cure)
    device = pick_device(str(device))
    if data == "toybirds":
        need_toybirds(checkpoint, "the comparison with ToyBirds")
    generator = load_generator(checkpoint).to(device)
    size = generator.config.image_size
    reader = load_network(network, size, inception).to(device).eval()
    pictures = distributed.in_turn(lambda: real_pictures(data, size, n_real, progress=progress))
    real = cached_statistics(reader, pictures, batch_size=batch_size, progress=progress)
    samples = unmade_pictures(generator, n, seed=seed, batch_size=batch_size)
    fake = read_statistics(reader, samples, n, progress)
    return {
        "checkpoint": str(checkpoint),
        "generator": type(generator).__name__.removesuffix("Generator"),
        "image_size": size,
        "data": type(data).__name__ if hasattr(data, "evaluation_crops") else str(data),
        "network": reader.name,
        "network_digest": network_digest(reader),
        "n": n,
        "n_real": len(pictures),
        "splits": splits,
        "seed": seed,
    } | compare_statistics(real, fake, splits=splits, seed=seed)


def quality_table(scores: dict) -> str:
    """The scores of `evaluate_quality` as a few lines to print."""
    lines = [
        f"{scores['n']} pictures of {scores['generator']} ({scores['checkpoint']}) against "
        f"{scores['n_real']} real ones of {scores['data']}, seen by: {scores['network']}",
        "                       generated           real",
    ]
    return "\n".join([*lines, *(_line(metric, scores) for metric in METRICS)])


def _line(metric, scores: dict) -> str:
    """One score: generated, ± its deviation, and what the real pictures get."""
    digits, sd = metric.digits, scores.get(f"{metric.key}_sd")
    deviation = "" if sd is None else f" ± {sd:.{digits}f}"
    line = f"{metric.title:15}  {scores[metric.key]:9.{digits}f}{deviation:9}"
    if metric.control:
        line += f"{scores[metric.control_key]:13.{digits}f}"
    return line.rstrip() + (f"  ({metric.note})" if metric.note else "")
