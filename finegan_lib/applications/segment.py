"""Cut real objects out, with a network that was trained on generated pictures only.

A FineGAN generates a picture together with its mask, 1 − (1 − M_c)(1 − M_p). It can therefore make
any number of pictures with masks. A small U-Net is trained on them and then applied to photographs.
Later work made a method of this: Voynov et al. (ICML 2021) and Melas-Kyriazi et al. (2021) segment
with masks out of generators.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.utils import save_image

from ..base.files import empty_folder, make_folder
from ..base.random_numbers import seeded
from ..figures import image_figure, spread
from ..metrics.code_classifiers import recolour, shift_and_flip, turn_and_scale
from ..metrics.fit import fit
from ..metrics.masks import iou
from ..models import FineGANGenerator
from ..models.blocks import conv3x3, initialise
from ..training.pretrained import load_finegan, refuse_toybirds
from .kept import trained_once
from .mixing import free_layers
from .photographs import Pictures, read_pictures
from .transfer import stem_of

SHOWN = 10  # photographs in the sheet


@dataclass(frozen=True)
class SegmenterConfig:
    """How a segmenter is trained."""

    n_birds: int = 3000  # generated birds, each laid over the backgrounds of others again and again
    steps: int = 800
    batch_size: int = 32  # pictures
    learning_rate: float = 3e-3  # peak of a one-cycle schedule, AdamW
    width: int = 8  # channels at full resolution; doubled by every halving of the side


class Segmenter(nn.Module):
    """A U-Net (Ronneberger et al., 2015): pictures (N, 3, S, S) in [-1, 1] → logits (N, 1, S, S).

    Three halvings of the side, each with two convolutions, then the way back, where every level
    also sees what its level saw on the way down.

    Args:
        width: channels at full resolution.
    """

    def __init__(self, width: int = 8):
        super().__init__()
        widths = [width * 2**i for i in range(4)]
        self.down = nn.ModuleList(_pair(a, b) for a, b in pairwise([3, *widths]))
        self.up = nn.ModuleList(_pair(a + b, b) for b, a in reversed(list(pairwise(widths))))
        self.out = nn.Conv2d(width, 1, 1)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        seen, x = [], images
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            seen.append(x)
        for block, beside in zip(self.up, seen[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2), beside], 1))
        return self.out(x)

    @torch.no_grad()
    def masks(self, images: Tensor, batch_size: int = 100) -> Tensor:
        """(N, 1, S, S) in [0, 1]: the mean over each picture and its mirror image."""
        parts = []
        for batch in images.split(batch_size):
            mirrored = self(batch.flip(3)).sigmoid().flip(3)
            parts.append((self(batch).sigmoid() + mirrored) / 2)
        return torch.cat(parts)


def _pair(in_channels: int, out_channels: int) -> nn.Sequential:
    layers = []
    for channels in (in_channels, out_channels):
        layers += [conv3x3(channels, out_channels), nn.BatchNorm2d(out_channels)]
        layers += [nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def segmenter_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy of every pixel, and 1 − the soft Dice score of every mask; one number.

        BCE(m, M) + mean_i [1 − 2 Σ m_i M_i / (Σ m_i + Σ M_i)],   m = sigmoid(logits)

    With cross-entropy alone, a small bird has little weight: most pixels are background.

    Args:
        logits: (N, 1, S, S).
        masks: M, (N, 1, S, S) in [0, 1].
    """
    m = logits.sigmoid()
    overlap, total = (m * masks).sum((1, 2, 3)), (m + masks).sum((1, 2, 3))
    return F.binary_cross_entropy_with_logits(logits, masks) + (1 - 2 * overlap / total).mean()


def clear_cut(masks: Tensor) -> Tensor:
    """Masks (N, 1, S, S) made black and white: 1 above half of their own maximum.

    Some generators paint with half-transparent masks. Their most opaque part is still the bird.
    """
    return (masks > masks.amax((1, 2, 3), keepdim=True) / 2).to(masks)


def train_segmenter(
    generator: FineGANGenerator,
    config: SegmenterConfig | None = None,
    *,
    seed: int = 0,
    progress: bool = False,
) -> Segmenter:
    """A segmenter for what a generator makes, in evaluation mode, on the CPU.

    It sees generated birds with free codes over the backgrounds of others, mirrored, moved, turned,
    scaled and recoloured; and their masks, which move along (:func:`clear_cut`). It sees no
    photograph.

    Args:
        config: `SegmenterConfig`.
        seed: of the codes, the weights and the order.
    """
    config = config or SegmenterConfig()
    _, drawn = free_layers(generator, config.n_birds, seed, progress)
    with seeded(seed):  # the changes come from torch's own numbers
        segmenter = Segmenter(config.width)

        def loss(step: int) -> Tensor:
            birds, behind = torch.randint(config.n_birds, (2, config.batch_size))
            pairs = torch.cat([drawn.over(birds, behind), 1 - drawn.gap[birds]], 1)
            pairs = turn_and_scale(shift_and_flip(pairs, most=pairs.shape[-1] // 8))
            images, masks = pairs.split([3, 1], 1)
            return segmenter_loss(segmenter(recolour(images)), clear_cut(masks))

        options = {"name": "segmenter", "progress": progress, "leave": False}
        fit(segmenter, loss, config.steps, config.learning_rate, **options)
    return segmenter.eval().requires_grad_(False)


def load_segmenter(
    checkpoint,
    generator: FineGANGenerator,
    config: SegmenterConfig | None = None,
    *,
    seed: int = 0,
    keep=None,
    progress: bool = False,
) -> Segmenter:
    """The segmenter of a checkpoint: a kept one, or trained now, which takes some minutes."""
    config = config or SegmenterConfig()
    return trained_once(
        checkpoint,
        generator,
        "segmenter",
        config,
        lambda: Segmenter(config.width),
        lambda: train_segmenter(generator, config, seed=seed, progress=progress),
        seed=seed,
        keep=keep,
    )


# ------------------------------------------------------------------------------------- scores


def box_masks(boxes: Tensor, size: int) -> Tensor:
    """Boxes (N, 4), x1, y1, x2, y2 in pixels, as masks (N, 1, size, size) bool."""
    centres = torch.arange(size) + 0.5
    x1, y1, x2, y2 = boxes[:, :, None].unbind(1)
    across, down = (centres >= x1) & (centres < x2), (centres >= y1) & (centres < y2)
    return (down[:, :, None] & across[:, None])[:, None]


def frames_of(masks: Tensor) -> Tensor:
    """The smallest boxes (N, 4) that hold masks (N, 1, S, S) bool; zeros for an empty one."""
    sides = []
    for dim in (2, 3):  # what a column holds, what a row holds
        taken = masks[:, 0].any(dim - 1)
        first = taken.float().argmax(1)
        last = taken.shape[1] - taken.flip(1).float().argmax(1)
        sides.append(torch.stack([first, last], 1) * taken.any(1)[:, None])
    (x1, x2), (y1, y2) = (side.unbind(1) for side in sides)
    return torch.stack([x1, y1, x2, y2], 1).float()


def segment_scores(masks: Tensor, photographs: Pictures) -> dict:
    """How good masks (N, 1, S, S) in [0, 1] are, as far as something is known of the photographs.

    Returns:
        ``area``: the mean share of pixels above .5. With true masks ``iou``: the mean IoU. With
        boxes ``inside_box``: the share of the masks' pixels that lie in the box; ``box_iou``: the
        mean IoU of the box and the smallest frame of the mask; and ``box_iou_of_whole``: the same
        of a mask of the whole crop, as a control.
    """
    found = masks > 0.5
    scores = {"n": len(masks), "area": float(found.float().mean())}
    if "masks" in photographs.truth:
        scores["iou"] = float(iou(found, photographs.truth["masks"]).mean())
    if "boxes" in photographs.truth:
        size = masks.shape[-1]
        boxes = box_masks(photographs.truth["boxes"], size)
        scores["inside_box"] = float((found & boxes).sum() / found.sum().clamp_min(1))
        scores["box_iou"] = float(iou(box_masks(frames_of(found), size), boxes).mean())
        scores["box_iou_of_whole"] = float(iou(torch.ones_like(found), boxes).mean())
    return scores


# ------------------------------------------------------------------------------------- the command


def segment_figure(images: Tensor, masks: Tensor):
    """One photograph a column: the photograph, its mask, what is cut out (on white)."""
    rows = spread(len(images), SHOWN)
    hard = (masks[rows] > 0.5).float()
    cut = images[rows] * hard + (1 - hard)
    grid = [list(images[rows]), list(masks[rows]), list(cut)]
    title = "Cut out by a network that was trained on generated pictures alone"
    return image_figure(grid, ["photograph", "mask", "cut out"], None, title)


def segment(
    source,
    out,
    *,
    checkpoint="toy",
    n: int | None = None,
    seed: int = 0,
    config: SegmenterConfig | None = None,
    progress: bool = True,
) -> dict:
    """Cut the objects of photographs out.

    ``out`` gets ``segment.png`` (:func:`segment_figure`), and for every photograph the mask, in
    ``masks``, and the cut-out with a transparent background, in ``cut``, both in the generator's
    size.

    Args:
        source: a photograph, a folder of them, or "toybirds"; see :func:`.read_pictures`.
        out: new or empty folder.
        checkpoint: of a FineGAN.
        n: at most so many photographs, at random; None: all.
        seed: of that choice.
        config: of the segmenter.

    Returns:
        :func:`segment_scores`, with one row per photograph in ``photographs``.

    Raises:
        InputError: for what cannot be used, or "toybirds" for a network that was trained on
            photographs.
    """
    out = empty_folder(out)
    generator = load_finegan(checkpoint)
    refuse_toybirds(checkpoint, source)
    photographs = read_pictures(source, generator.config.image_size, n=n, seed=seed)
    segmenter = load_segmenter(checkpoint, generator, config, progress=progress)
    masks = segmenter.masks(photographs.images)
    for folder in ("masks", "cut"):
        make_folder(out / folder)
    segment_figure(photographs.images, masks).savefig(out / "segment.png", dpi=150)
    rows = []
    for i, (image, mask) in enumerate(zip(photographs.images / 2 + 0.5, masks, strict=True)):
        name = f"{i:05d}_{stem_of(photographs.names[i])}.png"
        save_image(mask, out / "masks" / name)
        save_image(torch.cat([image, mask]), out / "cut" / name)
        area = float((mask > 0.5).float().mean())
        rows.append({"file": name, "photograph": photographs.names[i], "area": area})
    result = {"checkpoint": str(checkpoint), "source": str(source)}
    return result | segment_scores(masks, photographs) | {"photographs": rows}


def summary(result: dict) -> str:
    """The scores, in lines to print."""
    lines = [f"{result['n']} photographs; masks cover {result['area']:.0%} of them"]
    if "iou" in result:
        lines.append(f"IoU with the true masks {result['iou']:.3f}")
    if "box_iou" in result:
        lines.append(
            f"{result['inside_box']:.0%} of the masks lie in the boxes; IoU of frame and box "
            f"{result['box_iou']:.2f} (of the whole crop {result['box_iou_of_whole']:.2f})"
        )
    return "\n".join(lines)
