"""Networks that score ToyBirds: a segmenter, and one judge for each factor.

They are trained on *real* ToyBirds, whose ground truth is known. For any image, real or generated,
they then predict the bird's mask, background, shape, appearance and pose. Each judge sees only what
its answer may depend on:

==========  =======================  ===========================================================
judge       sees                     why
==========  =======================  ===========================================================
segmenter   the image                trained under strong changes of colour
shape       the silhouette alone     a heron in a duck's colours must still be a heron
pose        the silhouette alone     flip, position and tilt mean the same for every shape
appearance  patches of the bird      small receptive field, averaged over the mask, and bird
                                     parts cut out at random: colours and patterns, no outline
background  what is not bird         the bird and a second bird's silhouette are blanked out
==========  =======================  ===========================================================

At test time, silhouettes always come from the segmenter; in training, half of them do.
"""

import json
import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from ..base.checkpoints import write_tensors
from ..base.errors import InputError
from ..base.files import WEIGHTS

FORMAT_VERSION = 1
POSE_NAMES = ("flip", "x", "y", "tilt")
# One standard deviation of each part of the pose over real training crops: flip is ±1; the random
# crop moves the object by up to ±12/128 of the side, uniformly; tilt is in degrees, measured by
# `ToyBirds`. (Position and scale in the *scene* cannot be seen in a crop round the object.)
POSE_SPREAD = {"flip": 1.0, "x": 12 / 128 / 3**0.5, "y": 12 / 128 / 3**0.5}


@dataclass(frozen=True)
class JudgesConfig:
    """Sizes of the judges, and the numbers of classes that they distinguish."""

    image_size: int = 32  # pixels: 32 or 64
    n_parents: int = 5
    n_children: int = 20
    n_backgrounds: int = 6
    width: int = 12  # channels of the factor judges' first layer
    segmenter_width: int = 12  # channels of the segmenter's first layer


def conv_block(n_in: int, n_out: int, stride: int = 1) -> nn.Sequential:
    """3×3 convolution, BatchNorm, ReLU."""
    conv = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


class StridedUNet(nn.Module):
    """A small U-Net (Ronneberger et al. 2015): (N, 3, S, S) → mask logits (N, 1, S, S).

    Strided convolutions halve the side down to 4 pixels.
    """

    def __init__(self, image_size: int, width: int):
        super().__init__()
        n_down = int(math.log2(image_size // 4))
        widths = [width * min(2**i, 5) for i in range(n_down + 1)]
        pairs = list(pairwise(widths))
        self.first = conv_block(3, width)
        self.down = nn.ModuleList(conv_block(a, b, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(conv_block(a + b, a) for a, b in reversed(pairs))
        self.logits = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        skips = [self.first(images)]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for up in self.up:
            x = up(torch.cat([F.interpolate(x, scale_factor=2), skips.pop()], 1))
        return self.logits(x)


class GlobalJudge(nn.Module):
    """Three strided convolutions, then one linear layer: (N, C, S, S) → (N, n_out).

    Larger images are averaged down to 32 pixels first: silhouettes and kinds of background can be
    told apart at that size.
    """

    def __init__(self, n_in: int, n_out: int, width: int):
        super().__init__()
        widths = [n_in, width, 2 * width, 4 * width]
        pairs = pairwise(widths)
        self.trunk = nn.Sequential(*(conv_block(a, b, stride=2) for a, b in pairs))
        self.head = nn.Linear(widths[-1] * 16, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(F.adaptive_avg_pool2d(x, 32)).flatten(1))


class PatchJudge(nn.Module):
    """Averages the answers for small patches over a mask: images (N, 3, S, S), mask (N, 1, S, S).

    At 32 pixels, to which larger images are averaged, a cell sees a patch of 13; the average over
    the mask loses the order of the patches, and with it the outline.
    """

    def __init__(self, n_out: int, width: int):
        super().__init__()
        widths = [4, width, 2 * width, 4 * width, 6 * width]
        steps = zip(pairwise(widths), (1, 2, 1, 1), strict=True)
        self.trunk = nn.Sequential(*(conv_block(*pair, stride) for pair, stride in steps))
        self.head = nn.Linear(widths[-1], n_out)

    def forward(self, images: Tensor, mask: Tensor) -> Tensor:
        images, mask = F.adaptive_avg_pool2d(images, 32), F.adaptive_avg_pool2d(mask, 32)
        features = self.trunk(torch.cat([images * mask, mask], 1))
        weights = F.adaptive_avg_pool2d(mask, features.shape[-1])
        total = weights.sum((2, 3)).clamp_min(1e-3)
        return self.head((features * weights).sum((2, 3)) / total)


class Judges(nn.Module):
    """The five judges of one image size.

    Args:
        config: sizes.
        metadata: the command that made them and their scores; kept in the file.
    """

    def __init__(self, config: JudgesConfig, metadata: dict | None = None):
        super().__init__()
        self.config, self.metadata = config, metadata or {}
        width = config.width
        self.segmenter = StridedUNet(config.image_size, config.segmenter_width)
        self.shape = GlobalJudge(1, config.n_parents, 2 * width)
        self.pose = GlobalJudge(1, len(POSE_NAMES), 2 * width)
        self.appearance = PatchJudge(config.n_children, width)
        self.background = GlobalJudge(4, config.n_backgrounds, width)

    def masks(self, images: Tensor) -> Tensor:
        """(N, 1, S, S) probability that a pixel is bird, of images (N, 3, S, S) in [-1, 1]."""
        self._check(images)
        return self.segmenter(images).sigmoid()

    def readings(self, images: Tensor) -> dict[str, Tensor]:
        """The answers of the four judges, one row per image of (N, 3, S, S) in [-1, 1].

        Returns:
            ``background``, ``shape`` and ``appearance``: (N, K) class probabilities; ``pose``:
            (N, 4) flip, x, y, tilt, each in standard deviations over real crops.
        """
        masks = self.masks(images)
        return {
            "background": self.background(without_object(images, masks)).softmax(1),
            "shape": self.shape(masks).softmax(1),
            "appearance": self.appearance(images, masks).softmax(1),
            "pose": self.pose(masks),
        }

    def save(self, path: str | Path) -> None:
        """Write weights (float16) and metadata to one safetensors file.

        Raises:
            InputError: if the file cannot be written; an old one is then unchanged.
        """
        tensors = {
            name: tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in self.state_dict().items()
        }
        header = {"version": FORMAT_VERSION, "config": asdict(self.config), **self.metadata}
        write_tensors(path, tensors, {"judges": json.dumps(header)})

    @staticmethod
    def are_shipped(image_size: int) -> bool:
        """Whether there are shipped judges of this image size."""
        return _shipped(image_size).is_file()

    @classmethod
    def load(cls, name: str | Path = "toy", image_size: int = 32) -> "Judges":
        """The shipped judges ("toy") of an image size, or those in a file, ready to judge.

        Raises:
            InputError: if there is no such file, or it holds no judges of this size.
        """
        path = _shipped(image_size) if name == "toy" else Path(name)
        if not path.is_file():
            raise InputError(
                "no judges found",
                seen=str(path),
                cure="Shipped are judges for 32 and 64 pixels. For others: python -m finegan_lib "
                f"judges --image-size {image_size} --out FILE.",
            )
        try:
            with safe_open(path, "pt") as file:
                header = json.loads((file.metadata() or {}).get("judges", "{}"))
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            version = header.pop("version", None)
            judges = cls(JudgesConfig(**header.pop("config", {})), header)
            if version == FORMAT_VERSION:
                judges.load_state_dict(tensors)
        except Exception as error:  # a damaged file can raise any error in the readers
            raise InputError(
                "this file of judges cannot be read",
                seen=f"{path} ({type(error).__name__})",
                cure="Fetch it again, or train the judges again.",
            ) from error
        if version != FORMAT_VERSION:
            raise InputError(
                "not a judges file of this version", seen=str(path), cure="Train the judges again."
            )
        if judges.config.image_size != image_size:
            raise InputError(
                "the judges were trained for another image size",
                seen=f"{judges.config.image_size}, wanted {image_size}",
                cure="Load the file of the right size.",
            )
        return judges.eval().requires_grad_(False)

    def _check(self, images: Tensor) -> None:
        size = self.config.image_size
        if images.shape[1:] != (3, size, size):
            raise InputError(
                f"these judges read images of shape (N, 3, {size}, {size})",
                seen=tuple(images.shape),
                cure='Load the judges of your image size: Judges.load("toy", image_size).',
            )


def _shipped(image_size: int) -> Path:
    return WEIGHTS / f"judges_{image_size}.safetensors"


def without_object(images: Tensor, masks: Tensor) -> Tensor:
    """(N, 4, S, S): the image with the object grey, and the mask of what is grey.

    The mask is grown by S/16 pixels first, so that not even the object's outline is left.
    """
    reach = images.shape[-1] // 16
    hidden = F.max_pool2d(masks, 2 * reach + 1, stride=1, padding=reach)
    return torch.cat([images * (1 - hidden), hidden], 1)
