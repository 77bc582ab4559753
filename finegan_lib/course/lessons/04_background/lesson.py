# ---
# jupyter:
#   lesson:
#     title: Background
#     part: FineGAN
#     about: "patches, and no birds"
#     question: "How can a stage paint the background when every picture contains a bird?"
#     afterwards: "train a background stage on patches without birds"
#     card: "background_patch_weights(windows.box"
#     play: background
#     play_in: "From the box to the patches"
#     t4_seconds: 60
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · The background: painting what nobody photographed
#
# Somebody asks you to paint a pond *without* ducks, but all your pictures show ducks on ponds. You
# would look at the corners of the pictures. FineGAN's first stage does the same. It never sees an
# empty scene, but it learns to paint one. The reason is its critic, which classifies a picture
# **patch by patch**. A box round the bird shows which patches are surely background.
#
# **You need** lesson {{gan}} (the two losses) and a rough idea of what a convolution does.
#
# **Afterwards you can** compute what a cell of a convolutional critic sees, turn a box into a grid
# of kept and forbidden patches, and write down the loss of the background stage (and find the
# errors on the slide). You can build its stem, its critic and its training step, and explain the
# critic's second head, $D_\text{aux}$.
#
# {{runtime}}.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from finegan_lib import losses
from finegan_lib.course import sliders, style
from finegan_lib.data import ToyBirds
from finegan_lib.figures import generate, image_figure, show
from finegan_lib.metrics.judges import Judges
from finegan_lib.models.blocks import PatchGeometry, UpBlock
from finegan_lib.models.finegan import BACKGROUND_LAYERS, BackgroundDiscriminator, FineGANConfig
from finegan_lib.training.pretrained import load_finegan

lab = course.lab("background")
style.use_style()
birds = ToyBirds(600, image_size=32, seed=7, progress=False)  # to train on
large = ToyBirds(20, image_size=64, seed=7, progress=False)  # to look at

# %% [markdown]
# ## Why does the background have a stage of its own?
#
# A generator with one stage paints everything at once, and its codes control the largest thing in
# the picture. This is the background: in lesson {{start_here}}, k-means sorted birds by their
# backgrounds. For this reason, FineGAN paints the background first, with a code of its own, $B =
# G_b(z, b)$. The codes of the bird are no input of this stage.
#
# But how can a discriminator learn about $B$? It compares fakes with real examples, and there are
# **no real examples**: each picture in a collection of birds contains a bird. But we have a box
# round each bird. Everything outside of the box is surely background. (A pixel *inside* may show
# the bird or the background.)
#
# ## A critic of patches
#
# A usual discriminator reduces a picture to one number. If it has fewer layers, a small grid of
# numbers remains: the **cells**. Each cell is computed from a small square of the picture, its
# **receptive field**. Such a critic is called PatchGAN (Isola et al., 2017). It gives a separate
# answer for each patch. FineGAN's $D_b$ is a PatchGAN: three or four convolutions without padding.
# It has two last layers side by side, its **heads**. One head answers *real or fake?* We explain
# the other head, *aux*, below. The sizes are in `models.finegan.BACKGROUND_LAYERS`.
#
# How large is the field? Count the layers from the picture upwards, $l = 1, \dots, L$. Layer $l$
# has a kernel of $k_l \times k_l$ and the stride $s_l$. A cell of the last map sees $k_L$ cells of
# the map before. Each earlier layer adds $k_l - 1$ steps. A step in layer $l$ has a length in
# pixels: the product of all strides before this layer. Together:
#
# $$f = 1 + \sum_{l=1}^{L} (k_l - 1) \prod_{m<l} s_m .$$
#
# ### Exercise {{number}}.1 (fill in): the receptive field
#
# The library's version is in `PatchGeometry.of`, together with the number of cells and their
# **stride**, the $s = \prod_l s_l$ pixels from one cell's patch to the next.


# %% exercise="1"
def my_receptive_field(layers) -> int:
    """Pixels along one side that an output cell sees; layers: (kernel, stride) pairs in order."""
    ### HINT Go through the layers from the picture upwards, and keep two numbers: the field so far,
    ###      and how many pixels one step in the current map is.
    ### HINT Start with field = 1 and jump = 1. A layer adds (kernel − 1) · jump.
    ### HINT After that, use the layer's own stride: jump = jump · stride.
    ### BEGIN SOLUTION
    field, jump = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
    return field
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_receptive_field)

# %% [markdown]
# We can test such a formula with the network itself. Take one output of $D_b$. Autograd shows which
# pixels it depends on (`lab.pixels_that_count`). The left figure shows these pixels for two cells.
# The right figure shows the centres of all patches.

# %%
critic = BackgroundDiscriminator(FineGANConfig(image_size=64, n_parents=5, n_children=20, d_dim=8))
geometry, window = critic.geometry, large.batch([3])
figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 4), layout="constrained")
counted = {}
for (row, column), colour in {(1, 2): style.REAL, (7, 6): style.PURPLE}.items():
    counted[row, column] = lab.pixels_that_count(critic, row, column)
    y, x = counted[row, column].nonzero().T.numpy()
    left.scatter(x, y, s=16, marker="s", color=colour, alpha=0.3, lw=0)
    lab.draw_box(left, (x.min(), y.min(), x.max() + 1, y.max() + 1), colour)
    left.text(x.min() + 1, y.min() + 3.5, f"cell ({row}, {column})", color="white", weight="bold")
show(left, window.full_image[0])
show(right, window.full_image[0])
lab.draw_cells(right, torch.ones(geometry.cells, geometry.cells), geometry)
for axis in (left, right):
    axis.set(xlabel="x, pixels", ylabel="y, pixels", xlim=(-0.5, 61.5), ylim=(61.5, -0.5))
left.set_title("What two cells see, by autograd")
right.set_title(f"The centres of all {geometry.cells} × {geometry.cells} patches")
figure.suptitle(
    f"$D_b$ at 64 pixels: patches of {geometry.receptive_field} pixels, {geometry.stride} apart"
)
plt.show()

# %% tags=["nbval-check-output"]
for (row, column), seen in counted.items():
    sides = seen.any(0).sum().item(), seen.any(1).sum().item()
    corner = seen.any(0).nonzero()[0].item(), seen.any(1).nonzero()[0].item()
    print(f"cell ({row}, {column}) sees {sides[0]} × {sides[1]} pixels from (x, y) = {corner}")
print("by the formula:", geometry.receptive_field, "pixels, from cell index times", geometry.stride)
paper = PatchGeometry.of(BACKGROUND_LAYERS[128], 126)
print("the paper's, at 128 pixels:", paper)

# %% [markdown]
# Along each side, cell $i$ sees the $f$ pixels from $i s$ on. (At 128 pixels, $D_b$ reads pictures
# of 126 pixels. In this way, the 24 patches of a row cover them exactly: $23 \cdot 4 + 34 = 126$.)
#
# A patch critic has a disadvantage. It does not see the whole picture: it accepts two horizons, one
# high above the other, if each patch looks real. For a background, this is acceptable. Also, in
# lesson {{child}}, another critic sees the whole finished picture.
#
# ## From the box to the patches
#
# Now we use the box. $D_b$ gets a window of a real picture and the bird's box in it. A patch
# outside of the box surely shows background, and counts as real: it gets the weight $w = 1$.
#
# ### Exercise {{number}}.2 (predict)
#
# One column of a patch lies in the box; all its other pixels are outside. How should we use this
# patch when $D_b$ learns *real or fake*?
#
# * **(a)** it counts as real background, because nearly all of it is background
# * **(b)** we leave it out
# * **(c)** it counts as fake, because it may show a bird, and this stage must not paint birds

# %% exercise="2"
### HINT A box is tight: some part of the bird, a beak or a tail, touches each of its four sides.
### HINT This patch *is* a part of a real photograph. What would D_b learn if you called it fake?
### BEGIN SOLUTION
my_verdict = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_verdict)

# %% [markdown]
# ### Exercise {{number}}.3 (fill in): kept and forbidden patches
#
# A patch that meets the box gets $w = 0$. Cell $i$ along x meets the box $[x_1, x_2]$ if it starts
# before the box ends, and ends after the box starts. Touching also counts, as in the authors' code:
#
# $$i s + f \ge x_1 \quad\text{and}\quad i s \le x_2 .$$
#
# A patch is forbidden if it meets the box along x **and** along y. A box without area
# ($x_1 = x_2$ or $y_1 = y_2$: the bird is outside of the window) forbids nothing. The library's
# version is `losses.background_patch_weights`.


# %% exercise="3"
def my_patch_weights(box: torch.Tensor, field: int, stride: int, cells: int) -> torch.Tensor:
    """Boxes (N, 4), x1, y1, x2, y2 → (N, cells, cells) float, rows are y: 1 kept, 0 forbidden."""
    start = torch.arange(cells) * stride  # (cells,): where each cell's patch starts
    x1, y1, x2, y2 = (side[:, None] for side in box.T)  # each (N, 1)
    ### HINT meets_x = (start + field >= x1) & (start <= x2) has the shape (N, cells).
    ### HINT Rows are y: meets_y[:, :, None] & meets_x[:, None, :] has the shape (N, cells, cells).
    ### HINT Treat an empty box last: empty = (x1 >= x2) | (y1 >= y2), then
    ###      1 - (meets & ~empty[:, :, None]).float().
    ### BEGIN SOLUTION
    meets_x = (start + field >= x1) & (start <= x2)
    meets_y = (start + field >= y1) & (start <= y2)
    empty = (x1 >= x2) | (y1 >= y2)
    forbidden = meets_y[:, :, None] & meets_x[:, None, :] & ~empty[:, :, None]
    return 1 - forbidden.float()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_patch_weights)

# %% [markdown]
# The figure shows $w$ on four windows. A dot marks the middle of each kept patch, a cross marks the
# middle of each forbidden patch. Some crosses lie outside of the box, by up to half a patch: the
# *middle* of a patch may be outside while its edge is inside.

# %%
some = [1, 3, 10, 18]
windows = large.batch(some)
weights = losses.background_patch_weights(windows.box, geometry)
figure, axes = plt.subplots(1, 4, figsize=(9.6, 2.9), layout="constrained")
for axis, image, box, kept in zip(axes, windows.full_image, windows.box, weights, strict=True):
    show(axis, image)
    lab.draw_box(axis, box)
    lab.draw_cells(axis, kept, geometry)
    axis.set(title=f"{kept.mean():.0%} kept", xticks=[], yticks=[])
figure.suptitle("Patches that may train $D_b$ (dots), and patches that may not (crosses)")
plt.show()
scene = windows.full_image[0]
sliders.slide(lambda x: lab.box_figure(scene, geometry, x), "left edge, pixels", range(0, 60, 2))

# %% tags=["nbval-check-output"]
everywhere = large.batch(range(20))
weights = losses.background_patch_weights(everywhere.box, geometry)
bird = lab.bird_share(lab.window_masks(large, range(20)), geometry)
print("patches kept, of 20 windows:", int((weights == 1).sum()), "of", weights.numel())
print("of those, patches with a pixel of bird:", int((bird[weights == 1] > 0).sum()))
print("some forbidden patches hold no bird:", bool((bird[weights == 0] == 0).any()))

# %% [markdown]
# No kept patch contains a pixel of a bird. Some forbidden patches contain no bird either: a box is
# coarse, and only its outside is certain. (The windows of ToyBirds are small compared with the
# scene, so a few contain no bird. In the paper, a window has 126 pixels, and the picture's shorter
# side has 149. There, nearly every window contains the bird.)
#
# ## The loss, and the errors on the slide
#
# Let $x$ be a kept patch of a real picture, and $G_b(z, b)$ a patch of a painted background.
# (Painted backgrounds have no box, so **all** their patches count.) The losses are
#
# $$\mathcal{L}_{bg\_adv} = \min_{G_b} \max_{D_b} \; \mathbb{E}_x[\log D_b(x)]
# + \mathbb{E}_{z,b}[\log(1 - D_b(G_b(z, b)))],
# \qquad
# \mathcal{L}_{bg\_aux} = \min_{G_b} \; \mathbb{E}_{z,b}[\log(1 - D_\text{aux}(G_b(z, b)))].$$
#
# The first is the loss of lesson {{gan}} for each patch. In the second, $D_\text{aux}(x)$ is the
# probability that $x$ is *background*. This head is a plain classifier. It learns only from real
# windows, from all their patches, and its label is $w$. $G_b$'s loss is small if $D_\text{aux}$
# calls **every** painted patch background. ($\mathbb{E}_{z,b}$ means $z \sim$ noise, $b \sim P(b)$;
# see lesson {{infogan}}.)
#
# The slide prints $\mathbb{E}_x[\log D_\text{aux}(x)] + \mathbb{E}_{z,b}[\log(1 - \log D_b(G_b(z,
# b)))]$ and has three errors. First, its $D_\text{aux}$ must be $D_b$. Second, the second term must
# be $\log(1 - D_b)$: as $D_b \to 0$, $\log(1 - \log D_b)$ grows without limit, and the best $D_b$
# is no longer lesson {{gan}}'s $p/(p + q)$. Third, the slide adds $\mathcal{L}_{bg\_aux}$ to the
# parent's loss, and this is wrong (lesson {{parent}}).
#
# The code uses logits and softplus, as always. The generator minimises $-\log D$ in place of
# $\log(1 - D)$. The authors give real/fake ten times the weight of aux. With $\tilde{x} = G_b(z,
# b)$,
#
# $$L_{D_b} = 10 \left( \frac{\sum w \, (-\log D_b(x))}{\max(1, \sum w)}
# + \operatorname{mean}\bigl(-\log(1 - D_b(\tilde{x}))\bigr) \right)
# + \operatorname{mean}\bigl(-w \log D_\text{aux}(x) - (1 - w) \log(1 - D_\text{aux}(x))\bigr),$$
#
# $$L_{G_b} = 10 \operatorname{mean}\bigl(-\log D_b(\tilde{x})\bigr)
# + \operatorname{mean}\bigl(-\log D_\text{aux}(\tilde{x})\bigr).$$
#
# ### Exercise {{number}}.4 (fill in): D_b's loss
#
# The library's versions are `losses.background_discriminator_loss` and, for $L_{G_b}$,
# `losses.background_generator_loss`.


# %% exercise="4"
def my_d_b_loss(real_aux, real_logits, fake_logits, weights) -> torch.Tensor:
    """D_b's loss, a scalar; all arguments (N, cells, cells), the first three are logits."""
    log_loss = torch.nn.functional.softplus  # −log σ(s) = log_loss(−s)
    ### HINT Real patches: the sum of w · log_loss(−real_logits), divided by the sum of w, not by
    ###      the number of all patches. `.clamp(min=1)` avoids 0/0.
    ### HINT Fakes: the plain mean of log_loss(fake_logits).
    ### HINT aux: the mean of w · log_loss(−real_aux) + (1 − w) · log_loss(real_aux). At the end
    ###      10 · (real + fake) + aux.
    ### BEGIN SOLUTION
    real = (weights * log_loss(-real_logits)).sum() / weights.sum().clamp(min=1)
    fake = log_loss(fake_logits).mean()
    aux = (weights * log_loss(-real_aux) + (1 - weights) * log_loss(real_aux)).mean()
    return 10 * (real + fake) + aux
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_d_b_loss)

# %% [markdown]
# ## Build it
#
# $G_b$ has two parts. A **stem** turns numbers into a map of features. It joins the code and the
# noise. A linear layer makes a small map of $4 \times 4$ pixels from them. BatchNorm and GLU
# follow. Then up-blocks double the side until it equals the picture's side. A **head**, one
# convolution and a tanh, paints the picture. (The GLU, *gated linear unit*, multiplies the first
# half of the channels by the sigmoid of the second half. For this reason, the layer before it makes
# twice as many channels.)
#
# ### Exercise {{number}}.5 (build): the stem
#
# Write the class. `lab.stem_widths` says how many channels each map has; `UpBlock(a, b)` makes $b$
# channels of twice the side out of $a$. A linear or convolutional layer before a BatchNorm has no
# bias, because BatchNorm subtracts the mean and adds a bias of its own. The library's version is
# `models.finegan.Stem`.


# %% exercise="5"
class MyStem(nn.Module):
    """A code (N, code_dim) and z (N, z_dim) → features (N, width, image_size, image_size)."""

    def __init__(self, code_dim: int, z_dim: int, image_size: int, width: int):
        super().__init__()
        widths = lab.stem_widths(image_size, width)  # [64, 32, 16, 8] for 32 pixels and width 8
        ### HINT Three parts: self.linear, self.norm (nn.BatchNorm1d) and self.up (nn.Sequential).
        ### HINT The first map has 16 · widths[0] numbers; the GLU needs twice as many.
        ### HINT self.up = nn.Sequential(*(UpBlock(a, b) for a, b in pairwise(widths)))
        ### BEGIN SOLUTION
        self.linear = nn.Linear(code_dim + z_dim, 2 * 16 * widths[0], bias=False)
        self.norm = nn.BatchNorm1d(2 * 16 * widths[0])
        self.up = nn.Sequential(*(UpBlock(a, b) for a, b in pairwise(widths)))
        ### END SOLUTION

    def forward(self, code: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        ### HINT torch.cat([code, z], 1), then linear, norm, F.glu(x, 1), view, up.
        ### BEGIN SOLUTION
        x = F.glu(self.norm(self.linear(torch.cat([code, z], 1))), 1)
        return self.up(x.view(len(x), -1, 4, 4))
        ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.5", MyStem)

# %% [markdown]
# ### Exercise {{number}}.6 (build): the patch critic
#
# For 32 pixels, `BACKGROUND_LAYERS[32]` is $(4, 2), (3, 1), (4, 1)$. The first two layers are the
# **trunk**: $d$ and $2d$ channels ($d$ is `config.d_dim`), no padding, no bias, no normalisation,
# each followed by `LeakyReLU(0.2)`. The last layer exists twice, as two heads. Each has one channel
# and a bias. The library's version is `models.finegan.BackgroundDiscriminator`.


# %% exercise="6"
class MyPatchCritic(nn.Module):
    """Images (N, 3, 32, 32) → (aux, real/fake), logits (N, cells, cells) each."""

    def __init__(self, config: FineGANConfig):
        super().__init__()
        d = config.d_dim
        (k1, s1), (k2, s2), (k3, _) = BACKGROUND_LAYERS[32]
        ### HINT self.trunk = nn.Sequential(conv, activation, conv, activation)
        ### HINT nn.Conv2d(3, d, k1, s1, bias=False) is the first layer.
        ### HINT self.aux = nn.Conv2d(2 * d, 1, k3), and self.real_fake likewise.
        ### BEGIN SOLUTION
        first = [nn.Conv2d(3, d, k1, s1, bias=False), nn.LeakyReLU(0.2)]
        second = [nn.Conv2d(d, 2 * d, k2, s2, bias=False), nn.LeakyReLU(0.2)]
        self.trunk = nn.Sequential(*first, *second)
        self.aux = nn.Conv2d(2 * d, 1, k3)
        self.real_fake = nn.Conv2d(2 * d, 1, k3)
        ### END SOLUTION

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        ### HINT Each head gives (N, 1, cells, cells); [:, 0] takes the one channel away.
        ### BEGIN SOLUTION
        features = self.trunk(images)
        return self.aux(features)[:, 0], self.real_fake(features)[:, 0]
        ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.6", MyPatchCritic)

# %% [markdown]
# ### Exercise {{number}}.7 (build): one training step
#
# A step has two updates. First, $D_b$ learns to tell the kept patches from painted ones. $G_b$ does
# not change in this update, so $D_b$ gets the picture *detached*. Second, $G_b$ learns from the new
# $D_b$. Each network has its own optimiser: `move["D_b"]` and `move["G"]`.
#
# Use the library's losses, and pass `**recipe` to both. With it, the training below uses the weight
# 1 in place of the paper's 10, and the *hinge* loss for real/fake
# (`losses.hinge_discriminator_loss`): $\max(0, 1 - s)$ for a real logit $s$ and $\max(0, 1 + s)$
# for a fake one. This loss has no gradient beyond ±1. The library's version of the step is
# `lab.background_step`.


# %% exercise="7"
def my_background_step(stage, critic, move, real, weights, b, z, **recipe) -> dict:
    """One update of D_b, one of G_b; returns both losses, {"D_b": ..., "G": ...}.

    stage(b, z) paints B. critic(images) gives (aux, real/fake). real: windows (N, 3, 32, 32);
    weights: (N, cells, cells), 1 for the patches that are kept.
    """
    ### HINT Paint once. critic(real), critic(fake.detach()), then
    ###      losses.background_discriminator_loss(real_aux, real_logits, fake_logits, weights, ...).
    ### HINT An update is zero_grad(), loss.backward(), step(), in this order.
    ### HINT Then compute critic(fake) again, for losses.background_generator_loss(aux, logits,
    ###      ...).
    ### BEGIN SOLUTION
    fake = stage(b, z)
    real_aux, real_logits = critic(real)
    _, fake_logits = critic(fake.detach())
    d_inputs = real_aux, real_logits, fake_logits, weights
    made = {"D_b": losses.background_discriminator_loss(*d_inputs, **recipe)}
    move["D_b"].zero_grad()
    made["D_b"].backward()
    move["D_b"].step()
    made["G"] = losses.background_generator_loss(*critic(fake), **recipe)
    move["G"].zero_grad()
    made["G"].backward()
    move["G"].step()
    return made
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.7", my_background_step)

# %% [markdown]
# ## Train it
#
# We can train $G_b$ and $D_b$ without the other stages. `lab.train_background` contains the loop,
# at 32 pixels and with six codes $b$. It uses **your** parts if they have passed their checks;
# `course.use` says which. (Lesson {{child}} uses your parts again.)

# %% tags=["nbval-check-output"]
mine = {
    "stem": course.use("background", "MyStem", MyStem),
    "critic": course.use("background", "MyPatchCritic", MyPatchCritic),
    "step": course.use("background", "my_background_step", my_background_step),
}

# %% [markdown]
# An experiment shows how much the box helps. We train a second pair. For it, **every** patch of a
# real window counts as background: $w = 1$ everywhere.
#
# ### Exercise {{number}}.8 (predict)
#
# What will this second generator paint?
#
# * **(a)** clean backgrounds, because few patches contain a bird
# * **(b)** whole birds, with their background
# * **(c)** parts of birds, at many places of the background

# %% exercise="8"
### HINT Now D_b learns that patches of birds are real. It can recognise a generator that never
###      paints them.
### HINT A patch is 14 pixels wide, a bird about 27. Can D_b see that a bird has no head?
### BEGIN SOLUTION
my_painting = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.8", my_painting)

# %%
outside = lab.train_background(birds, **mine)
anywhere = lab.train_background(birds, outside_only=False, **mine)
painted = {
    "outside of\nthe box only": outside.generate(120),
    "all\npatches": anywhere.generate(120),
}
grid = [list(images[i : i + 12]) for images in painted.values() for i in (0, 12)]
names = [name for name in painted for _ in range(2)]  # each fills two rows
title = "What two generators paint (six b, four times each), by the real patches shown to $D_b$"
image_figure(grid, names, None, title, size=0.7)
plt.show()

# %% [markdown]
# Are those really parts of birds? We ask an independent network: the library's **segmenter**
# (`metrics.judges`). It was trained on ToyBirds with the true masks, and it marks the pixels that
# look like a bird.

# %% tags=["nbval-check-output"]
judges = Judges.load("toy", image_size=32)
area = {name: judges.masks(images).mean().item() for name, images in painted.items()}
with_box, without_box = area.values()
print("bird on less than 5 % of B with the box:", with_box < 0.05)
print("at least twice as much without:", without_box > 2 * with_box)

# %% [markdown]
# ## What does aux add?
#
# According to lesson {{gan}}, the real/fake head is enough: at the end, painted patches have the
# distribution of real background patches, and those contain no bird. But remember the figure of
# $D^*$ in that lesson. At its right end there are neither real nor fake points, and no loss
# determines $D$. The real/fake head has never seen a real patch with a bird. In a good run, it sees
# no fake patch with a bird either. What does it say about birds? The figure shows windows from
# outside the training set, and the answers of both heads for each patch.

# %%
new = ToyBirds(60, image_size=32, seed=8, progress=False)
unseen, patches = new.batch(range(60)), PatchGeometry.of(BACKGROUND_LAYERS[32], 32)
share = lab.bird_share(lab.window_masks(new, range(60)), patches)
with torch.no_grad():
    aux, real_fake = outside.discriminator(unseen.full_image)
chosen = share.mean((1, 2)).argsort(descending=True)[:8].tolist()

# %%
maps = {
    "window": None,
    "aux: is it\nbackground?": (aux.sigmoid(), {"vmin": 0, "vmax": 1}, "σ(logit)"),
    "real/fake:\nis it real?": (real_fake, {"vmin": -1, "vmax": 2}, "logit"),
}
figure, axes = plt.subplots(3, 8, figsize=(9.6, 3.9), layout="constrained")
for row, (name, drawn) in zip(axes, maps.items(), strict=True):
    row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for axis, i in zip(row, chosen, strict=True):
        show(axis, unseen.full_image[i])
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        if drawn:
            place = {"extent": lab.cells_extent(patches), "cmap": "cividis"}
            picture = axis.imshow(drawn[0][i], **place, **drawn[1])
            axis.set(xlim=(-0.5, 31.5), ylim=(31.5, -0.5))
    if drawn:
        figure.colorbar(picture, ax=row, label=drawn[2])
figure.suptitle("Both heads of $D_b$ on patches with a bird, each verdict at its patch's centre")
plt.show()

# %% tags=["nbval-check-output"]
on_bird = share > 0.25
surely_background = losses.background_patch_weights(unseen.box, patches) == 1
print("patches more than a quarter bird:", int(on_bird.sum()))
print("patches outside of the boxes:", int(surely_background.sum()))
print("aux says no to most of the first:", (aux[on_bird] < 0).float().mean().item() > 0.7)
print("and yes to most of the second:", (aux[surely_background] > 0).float().mean().item() > 0.7)
higher = real_fake[on_bird].mean() > real_fake[surely_background].mean()
print("real/fake finds birds more real than background:", higher.item())

# %% [markdown]
# We see two things. First, **aux has become a detector of birds**. It never saw an outline. It saw
# only boxes, and it learnt what the insides of the boxes have in common.
#
# Second, **real/fake gives birds a higher logit than backgrounds**, on average (the last line of
# the output; the figure cannot show this, because every patch of its eight windows meets the box).
# The reason is probably this: it has learnt that fakes are a little blurred, and a bird has sharp
# edges. Its gradient would lead the generator to paint a bird. Later, $D_b$ would see this fake
# bird and learn, and the generator would change again, as in the game of lesson {{gan}}. The data
# do not determine what $D_b$ says about birds, and the generator must not paint birds.
# $D_\text{aux}$ solves this: it *has* seen real birds, and it says that they are no background.
#
# (ToyBirds is easy: here, training without the aux term also gives a good result. Try
# `lab.train_background(birds, with_aux=False)`. The authors train on photographs. There, fakes
# differ from real patches for a much longer time, and the authors kept the term.)
#
# ## How large should a patch be?
#
# A small patch shows a colour. A large patch shows a wave, a reed, or a part of the shore. But more
# of the large patches touch the box.
#
# ### Exercise {{number}}.9 (explore): design a critic
#
# The figure shows the share of kept patches for critics of one to three layers on 32-pixel windows.
# Design a new critic: `my_layers` is a tuple of (kernel, stride) pairs, and the layer at the
# picture comes first. Four conditions: the patches are at least 18 pixels wide (a wave of ToyBirds
# is about 10, and a patch should show nearly two). At least half of the patches are free of the
# box. There are at least 8 × 8 patches. Together they cover the window's 32 pixels exactly.

# %%
stacks = [((4, 2),), ((4, 2), (2, 1)), ((4, 2), (3, 1)), ((4, 2), (4, 1)), ((4, 2), (3, 1), (3, 1))]
stacks += [BACKGROUND_LAYERS[32], ((4, 2), (4, 1), (4, 1)), ((4, 2), (4, 2), (3, 1))]
stacks += [((4, 2), (4, 2), (4, 1)), ((4, 2), (4, 2), (5, 1)), ((4, 2), (4, 2), (6, 1))]
fields = [lab.receptive_field(layers) for layers in stacks]
shares = lab.free_shares(birds, stacks)
figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
axis.plot(fields, shares, marker="o", color=style.REAL)
ours = stacks.index(BACKGROUND_LAYERS[32])
axis.plot(fields[ours], shares[ours], "o", ms=11, color=style.FAKE, label="ours at 32 pixels")
axis.set(xlabel="receptive field, pixels", ylabel="share of patches kept", ylim=(0, 1))
axis.set_title("The more a patch sees, the fewer patches are free")
axis.legend()
plt.show()

# %% exercise="9"
### HINT A kernel adds (kernel − 1) pixels times the strides before it: a first stride of 2 helps.
### HINT The number of cells halves with every stride of 2: use only one.
### HINT With the stride 2, f must be even: (cells − 1) · 2 + f = 32. Try ((4, 2), (?, 1), (?, 1)).
### BEGIN SOLUTION
my_layers = ((4, 2), (4, 1), (5, 1))
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.9", my_layers)

# %% [markdown]
# ## Find the mistake
#
# Two pieces of code run without any error message, but they are wrong. In practice you see the
# symptoms first: here, curves and pictures. Look at them, make a guess, and then read the code.

# %%
faulty = lab.train_background(birds, steps=150, step=lab.faulty_step)
lab.two_mistakes_figure(outside, faulty, new.batch(chosen[:4]))
plt.show()

# %% [markdown]
# ### Exercise {{number}}.10 (find the mistake): a training step
#
# $D_b$'s loss falls from 2 to 0.6 (what is left is the aux term, which does not depend on the
# fakes), and $G$'s loss rises to 16. After 150 steps, the pictures are still grey noise. Which
# network does not learn? Correct the code below.


# %% exercise="10"
def my_mended_step(stage, critic, move, real, weights, b, z, **recipe) -> dict:
    """As exercise {{number}}.7: one update of D_b, then one of G_b."""
    ### HINT Follow the gradient of G's loss backwards: from the loss to the critic, and from there?
    ### HINT After .detach(), no loss sends a gradient to the network that made the tensor.
    ### HINT Paint without detach, and detach in the call for D_b's loss only.
    ### BEGIN SOLUTION
    fake = stage(b, z)
    real_aux, real_logits = critic(real)
    _, fake_logits = critic(fake.detach())
    ### INSTEAD
    fake = stage(b, z).detach()
    real_aux, real_logits = critic(real)
    _, fake_logits = critic(fake)
    ### END SOLUTION
    d_inputs = real_aux, real_logits, fake_logits, weights
    made = {"D_b": losses.background_discriminator_loss(*d_inputs, **recipe)}
    move["D_b"].zero_grad()
    made["D_b"].backward()
    move["D_b"].step()
    made["G"] = losses.background_generator_loss(*critic(fake), **recipe)
    move["G"].zero_grad()
    made["G"].backward()
    move["G"].step()
    return made


# %% tags=["nbval-check-output"]
course.check("{{number}}.10", my_mended_step)

# %% [markdown]
# ### Exercise {{number}}.11 (find the mistake): which patches are kept
#
# This is exercise {{number}}.3 as the authors compute it: the first and the last forbidden cell
# along each side. Crosses are missing at some places. On which sides are dots in the box, or too
# near to it? What would a generator learn from them?


# %% exercise="11"
def my_mended_weights(box: torch.Tensor, geometry: PatchGeometry) -> torch.Tensor:
    """Boxes (N, 4) → (N, cells, cells): 1 for a patch outside of the box, 0 for the others."""
    ### HINT Dots are in the box on its left and upper side, not on its right and lower side.
    ### HINT A cell i sees the pixels from i·s to i·s + f. Which i is the first to reach x1?
    ### HINT i·s + f ≥ x1, so i ≥ (x1 − f)/s.
    field, stride, cells = geometry
    ### BEGIN SOLUTION
    first = ((box[:, :2] - field) / stride).ceil().clamp(min=0)
    ### INSTEAD
    first = (box[:, :2] / stride).ceil().clamp(min=0)
    ### END SOLUTION
    last = (box[:, 2:] / stride).floor().clamp(max=cells - 1)
    empty = (box[:, :2] >= box[:, 2:]).any(1)
    cell = torch.arange(cells)
    inside = (cell >= first[..., None]) & (cell <= last[..., None])
    covered = inside[:, 1, :, None] & inside[:, 0, None, :] & ~empty[:, None, None]
    return 1 - covered.float()


# %% tags=["nbval-check-output"]
course.check("{{number}}.11", my_mended_weights)

# %% [markdown]
# ## The background stage of the trained network
#
# The whole FineGAN trains the background stage as here, with one more critic: the child's
# discriminator sees the whole finished picture with its background. No information loss reads the
# code $b$. It gets a meaning without such a loss: backgrounds differ most in the kind of scene, and
# $b$ is the strongest input of this stage. (Our presets make it strong: `background_gain`
# multiplies $b$. In the paper it is 1.)
#
# (The *network* `toy` has 64 pixels. The *preset* `toy` is a recipe for 32 pixels. The network was
# trained with the larger preset `toy64`, in several parts.)
#
# Before you look at the rows below: how much does $z$ change the background?

# %%
trained = load_finegan("toy")
config = trained.config
hierarchy, n_codes = config.hierarchy(), min(10, config.n_children)
z = torch.randn(3, config.z_dim, generator=torch.Generator().manual_seed(0))
codes = hierarchy.codes(z.repeat_interleave(n_codes, 0), torch.arange(n_codes).repeat(3))
empty_scenes = generate(trained, codes).background.image
rows = [list(images) for images in empty_scenes.split(n_codes)]
names, columns = [f"$z_{i}$" for i in range(3)], [f"b={b}" for b in range(n_codes)]
image_figure(
    rows, names, columns, "B of the trained network: empty scenes that nobody photographed"
)
plt.show()

# %% tags=["nbval-check-output"]
leak = Judges.load("toy", image_size=config.image_size).masks(empty_scenes).mean().item()
print("bird on less than 3 % of the trained network's B:", leak < 0.03)
grid = empty_scenes.unflatten(0, (3, n_codes))  # (z, b, 3, S, S)
by_z, by_b = grid.var(0).mean(), grid.var(1).mean()
print("z varies B less than a tenth as much as b does:", bool(by_z < by_b / 10))

# %% [markdown]
# Almost not at all: all pictures of a column show the same scene. There are about as many
# backgrounds as codes, but ToyBirds has any number of ponds and dunes. This is a small mode
# collapse (lesson {{gan}}). A large `background_gain` is probably the reason. Lesson {{child}}
# shows its advantage.
#
# ## Recap
#
# * There is no picture of a background alone. For this reason, $D_b$ classifies patches, and learns
#   *real* from those that do not meet the box.
# * A cell of a convolutional critic sees $f = 1 + \sum (k_l - 1) \prod s_m$ pixels.
# * $D_b$ compares real patches outside of the box with all patches of $B$: $\log D_b + \log(1 -
#   D_b)$.
# * $D_\text{aux}$ learns from all real patches, with the box as label. It has seen birds; the
#   real/fake head has not. $G_b$'s loss is small if $D_\text{aux}$ calls every patch of $B$
#   background.
# * FineGAN uses no other supervision than boxes.
#
# **Continue with** `{{parent}}_parent`: a shape on this background.

# %% tags=["nbval-check-output"]
course.progress()
