"""The laboratory of the lesson on the background: FineGAN's first stage by itself, and its patches.

The losses and networks come from the library or from the student. This file has the training loop,
a few measurements, and functions that draw on a picture. Everything has a seed.
"""

import copy
import itertools
import math
from functools import partial
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from .... import losses
from ....data import ToyBirds
from ....figures import show
from ....models import FineGANConfig
from ....models.blocks import PatchGeometry, conv3x3, initialise
from ....models.finegan import BackgroundDiscriminator, Stem
from ....systems import update_average
from ... import style
from ...engine.probing import Watched, look_at, set_weights
from ..shared_lab import descend

# With these sizes, the stage alone learns something in seconds: six codes b.
BACKGROUND = FineGANConfig(
    image_size=32,
    n_parents=1,
    n_children=6,
    z_dim=8,
    g_dim=8,
    d_dim=32,
    residual_blocks=0,
    background_gain=2.0,
)

# ------------------------------------------------------------------------------------- patches


def receptive_field(layers) -> int:
    """Pixels along one side that a cell sees, after (kernel, stride) convolutions without padding.

    f = 1 + Σ_l (k_l − 1) · Π_{m<l} s_m; the same as ``PatchGeometry.of(...).receptive_field``.
    """
    strides = itertools.accumulate((stride for _, stride in layers), lambda a, b: a * b, initial=1)
    return 1 + sum((kernel - 1) * jump for (kernel, _), jump in zip(layers, strides, strict=False))


def pixels_that_count(discriminator: BackgroundDiscriminator, row: int, column: int) -> Tensor:
    """(S_b, S_b) bool: the input pixels that the real/fake logit of one cell depends on.

    They come from the gradient at a random image (autograd), not from the layers' sizes.
    """
    side = discriminator.input_size
    rng = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, side, side, generator=rng).requires_grad_()
    _, logits = discriminator(image)
    (gradient,) = torch.autograd.grad(logits[0, row, column], image)
    return (gradient[0] != 0).any(0)


def free_shares(birds: ToyBirds, layer_sets, n: int = 200) -> list[float]:
    """For each stack of (kernel, stride) layers, the share of patches that are surely background.

    Counted over the first n windows of the whole images, with the boxes of the data set.
    """
    box = birds.batch(range(n)).box
    geometries = [PatchGeometry.of(layers, birds.background_size) for layers in layer_sets]
    return [losses.background_patch_weights(box, g).mean().item() for g in geometries]


def bird_share(masks: Tensor, geometry: PatchGeometry) -> Tensor:
    """(N, cells, cells): how much of every patch is bird, for masks (N, S_b, S_b) of 0 and 1."""
    field, stride, _ = geometry
    return F.avg_pool2d(masks.float()[:, None], field, stride)[:, 0]


def window_masks(birds: ToyBirds, indices) -> Tensor:
    """(N, S_b, S_b) bool: where the bird is in the windows of ``birds.batch(indices)``."""
    side = birds.background_size
    masks = []
    for index, mask in zip(indices, birds.scene_masks(indices), strict=True):
        _, _, (x, y), flip = birds.random_view(int(index))
        window = mask[y : y + side, x : x + side]
        masks.append(window.flip(1) if flip else window)
    return torch.stack(masks)


def cells_extent(geometry: PatchGeometry) -> tuple[float, float, float, float]:
    """Where a map of cells lies on its picture, each at the centre of its patch.

    For ``imshow(map, extent=...)`` over ``imshow(picture)``: left, right, bottom, top in pixels.
    """
    field, stride, cells = geometry
    first = field / 2 - 0.5 - stride / 2
    last = first + cells * stride
    return first, last, last, first


def draw_box(axis, box, colour: str = style.FAKE) -> None:
    """The outline x1, y1, x2, y2 (pixels) on a picture shown by ``imshow``."""
    x1, y1, x2, y2 = (float(value) - 0.5 for value in box)  # imshow's pixel 0 is [−0.5, 0.5]
    for width, line in ((3.5, "white"), (1.8, colour)):
        axis.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=line, lw=width)


def draw_cells(axis, weights: Tensor, geometry: PatchGeometry) -> None:
    """A mark at the centre of every patch: a dot where it is kept, a cross where it is not.

    Args:
        weights: (cells, cells), 1 for a patch that is kept.
    """
    field, stride, cells = geometry
    centre = np.arange(cells) * stride + field / 2 - 0.5
    x, y = np.meshgrid(centre, centre)
    kept = weights.numpy() > 0
    for here, mark, colour, size in ((kept, "o", style.SKY, 16), (~kept, "x", style.FAKE, 18)):
        axis.scatter(x[here], y[here], marker=mark, s=size + 14, color="white", lw=2.6)
        axis.scatter(x[here], y[here], marker=mark, s=size, color=colour, lw=1.4)


def box_figure(image: Tensor, geometry: PatchGeometry, left: float) -> Figure:
    """A picture (3, S, S) with a box of a third of its side, and the patches that the box forbids.

    Args:
        left: where the box begins along x, pixels.
    """
    size = image.shape[-1]
    box = torch.tensor([[left, size / 3, min(left + size / 3, size), 2 * size / 3]])
    kept = losses.background_patch_weights(box, geometry)[0]
    figure, axis = plt.subplots(figsize=(3.4, 3.6), layout="constrained")
    show(axis, image)
    draw_box(axis, box[0])
    draw_cells(axis, kept, geometry)
    axis.set(title=f"{kept.mean():.0%} kept", xticks=[], yticks=[])
    return figure


# ------------------------------------------------------------------------------------- stage 1

HINGE = {"adversarial": "hinge", "background_weight": 1.0}  # as in the preset `toy`


def stem_widths(image_size: int, width: int) -> list[int]:
    """Channels of a stem's maps, from the one of 4 × 4 pixels on: [64, 32, 16, 8] for 32 and 8.

    They begin with at most 16 times the width, and halve when the side doubles.
    """
    n_up = int(math.log2(image_size // 4))
    return [width * 2 ** max(min(n_up, 4) - i, 0) for i in range(n_up + 1)]


class BackgroundStage(nn.Module):
    """G_b by itself: a stem, and a convolution to three channels.

    Codes b (N, N_b) and noise z (N, z_dim) → B (N, 3, S, S) in [-1, 1].
    """

    def __init__(self, config: FineGANConfig, stem=Stem):
        super().__init__()
        self.config = config
        self.stem = stem(config.n_children, config.z_dim, config.image_size, config.g_dim)
        self.head = conv3x3(config.g_dim, 3)
        initialise(self)

    def forward(self, b: Tensor, z: Tensor) -> Tensor:
        return torch.tanh(self.head(self.stem(self.config.background_gain * b, z)))


def background_step(
    stage, critic, move, real: Tensor, weights: Tensor, b: Tensor, z: Tensor, *, aux=True, **recipe
) -> dict[str, Tensor]:
    """One update of D_b, then one of G_b.

    Args:
        stage, critic: G_b and D_b.
        move: their optimisers, "G" and "D_b".
        real: (N, 3, S, S) windows; weights: (N, cells, cells), 1 for the patches that are kept.
        b, z: codes of N backgrounds to be generated.
        aux: G_b's loss also contains aux, which must call every patch background (the paper).
        recipe: of the losses, ``adversarial`` and ``background_weight``.

    Returns:
        Both losses, "D_b" and "G".
    """
    fake = stage(b, z)
    real_aux, real_logits = critic(real)
    _, fake_logits = critic(fake.detach())
    loss_d = losses.background_discriminator_loss(
        real_aux, real_logits, fake_logits, weights, **recipe
    )
    descend(move["D_b"], loss_d)
    fake_aux, fake_logits = critic(fake)
    loss_g = losses.background_generator_loss(fake_aux, fake_logits, **recipe)
    if not aux:
        loss_g = losses.hinge_generator_loss(fake_logits)
    descend(move["G"], loss_g)
    return {"D_b": loss_d, "G": loss_g}


class BackgroundRun(NamedTuple):
    """A background stage (its averaged weights) and its discriminator, in evaluation mode.

    ``curves`` holds both losses of every step.
    """

    generator: BackgroundStage
    discriminator: nn.Module
    curves: dict[str, list[float]]

    @torch.no_grad()
    def generate(self, n: int, seed: int = 0) -> Tensor:
        """(n, 3, S, S) backgrounds in [-1, 1]: the codes b in order, each with a z of its own."""
        config = self.generator.config
        b = F.one_hot(torch.arange(n) % config.n_children, config.n_children).float()
        z = torch.randn(n, config.z_dim, generator=torch.Generator().manual_seed(seed))
        return self.generator(b, z)


def train_background(
    birds: ToyBirds,
    *,
    stem=Stem,
    critic=BackgroundDiscriminator,
    step=None,
    patch_weights=losses.background_patch_weights,
    outside_only: bool = True,
    with_aux: bool = True,
    steps: int = 600,
    seed: int = 0,
    config: FineGANConfig = BACKGROUND,
    rate: float = 2e-3,
    batch: int = 16,
) -> BackgroundRun:
    """Train G_b against D_b without the other stages. No loss requires a bird.

    Args:
        birds: of the image size of ``config``.
        stem, critic, step: the library's `Stem`, `BackgroundDiscriminator` and
            :func:`background_step`, or others that do the same.
        patch_weights: (box, geometry) → weights of the real patches.
        outside_only: use only real patches outside of the box (the paper); otherwise every patch of
            a real window counts as background.
        with_aux: as in :func:`background_step`.
        rate: Adam's, for both players, with betas (0.5, 0.999). The losses are those of the ``toy``
            preset: hinge, with weight 1; the weights of G_b are averaged with decay 0.98.
    """
    step = step or partial(background_step, aux=with_aux)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        stage, d_b = BackgroundStage(config, stem), initialised(critic(config))
        geometry = BackgroundDiscriminator(config).geometry
    average, curves = copy.deepcopy(stage), {"D_b": [], "G": []}
    players = {"G": stage, "D_b": d_b}
    move = {k: torch.optim.Adam(v.parameters(), rate, (0.5, 0.999)) for k, v in players.items()}
    hierarchy, rng = config.hierarchy(), torch.Generator().manual_seed(seed)
    for now in range(steps):
        real = birds.batch(torch.randint(len(birds), (batch,), generator=rng).numpy(), now)
        weights = patch_weights(real.box, geometry)
        if not outside_only:
            weights = torch.ones_like(weights)
        codes = hierarchy.sample(batch, config.z_dim, rng=rng)
        for name, loss in step(
            stage, d_b, move, real.full_image, weights, codes.b, codes.z, **HINGE
        ).items():
            curves[name].append(loss.item())
        update_average(average, stage, 0.98, buffers=True)
    return BackgroundRun(average.eval(), d_b.eval(), curves)


def initialised(module: nn.Module) -> nn.Module:
    """The module with the library's initial weights. A student's module need not set them."""
    initialise(module)
    return module


# ---------------------------------------------------------------------------------- with a mistake


def late_patch_weights(box: Tensor, geometry: PatchGeometry, shift=(0.0, 0.0)) -> Tensor:
    """`losses.background_patch_weights` with a mistake in it, for the exercise.

    ``shift`` moves the first forbidden cell along x and y, in fields. With (1, 1) it would be
    right.
    """
    field, stride, cells = geometry
    first = ((box[:, :2] - torch.tensor(shift) * field) / stride).ceil().clamp(min=0)
    last = (box[:, 2:] / stride).floor().clamp(max=cells - 1)
    empty = (box[:, :2] >= box[:, 2:]).any(1)
    cell = torch.arange(cells)
    inside = (cell >= first[..., None]) & (cell <= last[..., None])
    covered = inside[:, 1, :, None] & inside[:, 0, None, :] & ~empty[:, None, None]
    return 1 - covered.float()


def faulty_step(stage, critic, move, real, weights, b, z, **recipe) -> dict[str, Tensor]:
    """:func:`background_step` with a mistake in it, for the exercise."""
    fake = stage(b, z).detach()
    real_aux, real_logits = critic(real)
    _, fake_logits = critic(fake)
    loss_d = losses.background_discriminator_loss(
        real_aux, real_logits, fake_logits, weights, **recipe
    )
    descend(move["D_b"], loss_d)
    loss_g = losses.background_generator_loss(*critic(fake), **recipe)
    descend(move["G"], loss_g)
    return {"D_b": loss_d, "G": loss_g}


def two_mistakes_figure(correct: BackgroundRun, faulty: BackgroundRun, windows) -> Figure:
    """Symptoms of two mistakes: curves and pictures of a training, and marks on four windows.

    Args:
        correct, faulty: runs, the second with :func:`faulty_step`.
        windows: four windows of ToyBirds with their boxes, for :func:`late_patch_weights`.
    """
    figure = plt.figure(figsize=(9.6, 5.2), layout="constrained")
    above, below = figure.subfigures(2, 1)
    curves, *pictures = above.subplots(1, 3, width_ratios=(1.5, 1, 1))
    for name, run, line in (("correct", correct, "-"), ("with a mistake", faulty, "--")):
        length = len(faulty.curves["G"])
        for player, colour in (("D_b", style.REAL), ("G", style.FAKE)):
            smooth = torch.tensor(run.curves[player][:length]).unfold(0, 10, 10).mean(1)
            label = f"${player}$, {name}"
            curves.plot(torch.arange(len(smooth)) * 10 + 5, smooth, line, color=colour, label=label)
    curves.set(xlabel="step", ylabel="loss, mean of 10 steps", title="Both losses")
    curves.legend(fontsize=9, loc="right", bbox_to_anchor=(1, 0.4))
    for axis, (name, run) in zip(
        pictures, (("correct", correct), ("with a mistake", faulty)), strict=True
    ):
        drawn = (
            run.generate(12).unflatten(0, (2, 6)).permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)
        )
        show(axis, drawn)
        axis.set(xticks=[], yticks=[], title=f"$B$, {name}")
    above.suptitle("Case 1: a training step")
    geometry = BackgroundDiscriminator(BACKGROUND).geometry
    kept = late_patch_weights(windows.box, geometry)
    for axis, image, box, weights in zip(
        below.subplots(1, 4), windows.full_image, windows.box, kept, strict=True
    ):
        show(axis, image)
        draw_box(axis, box)
        draw_cells(axis, weights, geometry)
        axis.set(xticks=[], yticks=[])
    below.suptitle("Case 2: which patches are kept (dots)")
    return figure


# ------------------------------------------------------------------------------------- probes

PROBE = FineGANConfig(image_size=32, n_parents=1, n_children=3, z_dim=4, g_dim=2, d_dim=4)


def probe_stem(answer, code: Tensor, z: Tensor, image_size: int, width: int):
    """What a stem does (see `exercises.Build`)."""
    return look_at(answer(code.shape[1], z.shape[1], image_size, width), code, z)


def probe_critic(answer, images: Tensor):
    """What a patch critic does."""
    return look_at(answer(PROBE), images)


def probe_step(answer, real: Tensor, weights: Tensor, b: Tensor, z: Tensor):
    """What a training step of the background stage does, three times in a row."""
    stage = set_weights(BackgroundStage(PROBE)).train()
    critic, log = set_weights(BackgroundDiscriminator(PROBE)), []
    move = {
        "D_b": Watched("D_b", critic.parameters(), log, {"G": stage}),
        "G": Watched("G", stage.parameters(), log, {}),
    }
    returned = [answer(stage, critic, move, real, weights, b, z, **HINGE) for _ in range(3)]
    if any(made is ... for made in returned):
        return ...
    seen = {"the order of the updates": ", ".join(name for name, *_ in log)}
    seen["whether G has gradients when D_b first moves"] = bool(log) and log[0][2].get("G", False)
    seen["what it returns"] = [
        {k: torch.as_tensor(v).item() for k, v in made.items()}
        if isinstance(made, dict)
        else f"a {type(made).__name__}"
        for made in returned
    ]
    seen["the size of the gradients, update by update"] = [size for _, size, _ in log]
    for name, player in (("D_b", critic), ("G", stage)):
        moved = [p.detach().norm().item() for p in player.parameters()]
        seen[f"the weights of {name} afterwards"] = moved
    return seen
