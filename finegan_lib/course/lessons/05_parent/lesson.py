# ---
# jupyter:
#   lesson:
#     title: Parent
#     part: FineGAN
#     about: "a mask: the shape"
#     question: "Where does a shape come from?"
#     afterwards: "train a mask that becomes a shape"
#     card: "codes_for_parents(generator, 6"
#     play: parent
#     play_in: "Two heads on one stage"
#     t4_seconds: 45
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · The parent: where does a shape come from?
#
# Take scissors and paper of any colour. Cut out a bird and put it on the pond that lesson
# {{background}} has painted. This is the result of FineGAN's second stage, the **parent** image
# $P$: a silhouette without its plumage. FineGAN's authors call such pictures *hollow*. No
# photograph looks like this, so no discriminator can compare it with real examples. But this stage
# must still learn the outline of a heron.
#
# **You need** lesson {{infogan}} (the information loss) and lesson {{background}} (the background).
#
# **Afterwards you can** build the stage that joins a code to features, stitch two layers with a
# mask, and say where the gradients go. You can write down the parent's loss (the slide has errors),
# explain what its discriminator must *not* see, and name the typical faults of masks with a remedy
# for each.
#
# {{runtime}}.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from finegan_lib import losses
from finegan_lib.course import sliders, style
from finegan_lib.figures import generate, image_figure, noise
from finegan_lib.models.blocks import ResidualBlock, SameBlock
from finegan_lib.models.finegan import stitch
from finegan_lib.systems import Recipe, code_view
from finegan_lib.training.pretrained import load_finegan

lab = course.lab("parent")
style.use_style()
generator = load_finegan("toy")
config, hierarchy = generator.config, generator.config.hierarchy()
n_parents = config.n_parents

# %% [markdown]
# ## Two heads on one stage
#
# The stage takes the noise $z$ and the parent code $p$ and computes a map of features at full size
# (`models.finegan.Stem`, which you know from lesson {{background}}, then `CodeStage`, which you
# build below). Two small heads read the features. $G_{p,f}$ makes a picture, the **foreground**
# $F_p$. $G_{p,m}$ makes the **mask** $M_p$, one number between 0 and 1 for each pixel. The mask is
# an *alpha channel*, as in drawing programs: it says how opaque the foreground is at each pixel.
#
# $$P_{f,m} = M_p \odot F_p, \qquad P = P_{f,m} + (1 - M_p) \odot B .$$
#
# ($\odot$ multiplies pixel by pixel, $B$ is the background of lesson {{background}}, and $P_{f,m}$
# is the paper's name for the masked foreground.) This is one line of code, and the library has it
# at one place only.
#
# ### Exercise {{number}}.1 (fill in): stitching
#
# The library's version, `models.finegan.stitch`, returns all four: foreground, mask, masked
# foreground and image. Your function returns only the image.


# %% exercise="1"
def my_stitch(foreground: torch.Tensor, mask: torch.Tensor, behind: torch.Tensor) -> torch.Tensor:
    """Foreground and behind (N, 3, H, W), mask (N, 1, H, W) in [0, 1] → P (N, 3, H, W)."""
    ### HINT Where the mask is 1, P shows the foreground. Where the mask is 0, P shows the picture
    ###      behind.
    ### HINT PyTorch repeats the mask's one channel for the three channels of a picture.
    ### HINT mask * foreground + (1 - mask) * ...
    ### BEGIN SOLUTION
    return mask * foreground + (1 - mask) * behind
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_stitch)

# %%
codes = lab.codes_for_parents(generator, 1, seed=3)
codes = codes._replace(z=noise(generator, n_parents, seed=5))
output = generate(generator, codes)
stage, behind = output.parent, output.background.image
rows = {
    "$B$": behind,
    "$F_p$": stage.foreground,
    "$M_p$": stage.mask,
    "$M_p F_p$": stage.masked_foreground,
    "$(1-M_p)\\,B$": (1 - stage.mask) * behind,
    "$P$": stage.image,
    "$P$, with $M_p/2$": stitch(stage.foreground, stage.mask / 2, behind).image,
    "$P$, with $M_p/4$": stitch(stage.foreground, stage.mask / 4, behind).image,
}
columns = [f"p={p}" for p in range(n_parents)]
title = "The parent stage of the trained network, and thinner masks"
image_figure([list(images) for images in rows.values()], list(rows), columns, title, size=0.8)
plt.show()
layers = stage.foreground, stage.mask, behind
sliders.slide(lambda a: lab.opacity_figure(*layers, a), "opacity", [i / 10 for i in range(11)], 0.5)

# %% tags=["nbval-check-output"]
print(
    "P again, by stitch:", torch.equal(stitch(stage.foreground, stage.mask, behind)[3], stage.image)
)
masked = stage.mask * stage.foreground
print("what D_p is shown is M_p F_p:", torch.equal(stage.masked_foreground, masked))
other = generate(generator, codes._replace(c=codes.c.roll(1, 0), b=codes.b.roll(1, 0)))
print("another c and another b leave the mask alone:", torch.equal(other.parent.mask, stage.mask))
other = generate(generator, codes._replace(p=codes.p.roll(1, 0)))
print("another p does not:", (other.parent.mask - stage.mask).abs().max().item() > 0.5)

# %% [markdown]
# (In the rows with a product, grey is the number 0: pictures go from −1 to 1.) Outside of its mask,
# $F_p$ has arbitrary colours, because no picture shows them.
#
# The mask is soft on purpose. A hard mask of 0 and 1 has no gradient, so it could not learn. From
# $P = M_p F_p + (1 - M_p) B$ we get, for each pixel,
#
# $$\frac{\partial P}{\partial M_p} = F_p - B, \qquad
# \frac{\partial (M_p F_p)}{\partial M_p} = F_p .$$
#
# A loss on $P$ (or on $C$, which contains $P$) gives the mask a gradient only at pixels where bird
# and background *differ*. $\mathcal{L}_p$, the parent's loss below, is a loss on $M_p F_p$. There
# the derivative is $F_p$: the mask gets a gradient at all pixels where the foreground is not
# grey (0), for every background.
#
# ## The stage that joins a code
#
# The stage itself lies between the stem and the heads. It **joins** the code to the features: each
# number of the code becomes a channel, repeated at every pixel, in front of the features. A $3
# \times 3$ convolution to twice the channels, BatchNorm and GLU follow, then some residual blocks
# ($x + f(x)$, `ResidualBlock(channels)`), and at last a `SameBlock(channels, out_channels)`
# (convolution, BatchNorm, GLU) to the number of channels that the heads read. The convolution
# before the BatchNorm has no bias.
#
# ### Exercise {{number}}.2 (build): the stage that joins a code
#
# The library's version is `models.finegan.CodeStage`. (It does not repeat the code in memory, which
# saves time; the numbers are the same.)


# %% exercise="2"
class MyCodeStage(nn.Module):
    """A code (N, code_dim) and features (N, channels, H, W) → (N, out_channels, H, W)."""

    def __init__(self, code_dim: int, channels: int, out_channels: int, residual_blocks: int):
        super().__init__()
        ### HINT Four parts: self.join (nn.Conv2d), self.norm, self.refine, self.out.
        ### HINT self.join reads code_dim + channels maps and makes 2 * channels; the GLU halves
        ###      them.
        ### HINT nn.Sequential(*(ResidualBlock(channels) for _ in range(residual_blocks))) and
        ###      SameBlock(channels, out_channels).
        ### BEGIN SOLUTION
        self.join = nn.Conv2d(code_dim + channels, 2 * channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(2 * channels)
        self.refine = nn.Sequential(*(ResidualBlock(channels) for _ in range(residual_blocks)))
        self.out = SameBlock(channels, out_channels)
        ### END SOLUTION

    def forward(self, code: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        ### HINT code[:, :, None, None].expand(-1, -1, height, width) repeats it at every pixel.
        ### BEGIN SOLUTION
        height, width = features.shape[2:]
        repeated = code[:, :, None, None].expand(-1, -1, height, width)
        x = F.glu(self.norm(self.join(torch.cat([repeated, features], 1))), 1)
        return self.out(self.refine(x))
        ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.2", MyCodeStage)

# %% [markdown]
# From here on, the lesson's small parent stages use your parts if they have passed their checks:
# the stem from your notebook of lesson {{background}}, and the stage above.

# %% tags=["nbval-check-output"]
mine = {
    "stem": course.use("background", "MyStem"),
    "code_stage": course.use("parent", "MyCodeStage", MyCodeStage),
}

# %% [markdown]
# ## Which picture should $D_p$ read?
#
# The parent code $p$ is one of $N_p$ values, as a **one-hot** vector: a 1 at its place, 0
# elsewhere. Lesson {{infogan}} showed how a code gets a meaning: a network, here $D_p$, reads the
# code from the picture, and the generator's loss is small if $D_p$ reads it well.
#
# Should it read $P$? In training, the codes are **tied**: first we sample the child code $c$ (for
# lesson {{child}}), $p$ is the parent of $c$, and $b = c$. Therefore the background alone already
# determines $p$. We now train two generators with this one loss, each with its own $D_p$
# (`lab.train_parent`, 150 steps). In the first, $D_p$ reads $P$. In the second, it reads only
# $P_{f,m} = M_p \odot F_p$. In both, the masks start with an opacity of 5 %. Then we test with
# untied codes: $b$ is sampled freely, and mostly it does not fit $p$.
#
# ### Exercise {{number}}.3 (predict)
#
# In this test, which code does the first $D_p$ (it reads $P$) name?
#
# * **(a)** $p$, because it was trained to name $p$
# * **(b)** mostly the parent that was tied to $b$, because it looks at the background
# * **(c)** neither, because the new pictures are unknown to it

# %% exercise="3"
### HINT Two stages can write the code into P: the parent stage with its mask, and the background
###      stage.
### HINT Which of them covers more of P when the mask starts at 5 %? And did b always fit p in
###      training?
### BEGIN SOLUTION
my_suspicion = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_suspicion)

# %%
small = replace(lab.PARENT, mask_bias=-3.0)  # masks start at σ(−3) = 0.05
readers = {
    "$D_p$ reads $P$": lab.train_parent(shown="image", config=small, steps=150, **mine),
    "$D_p$ reads $M_p F_p$": lab.train_parent(config=small, steps=150, **mine),
}
tiny = small.hierarchy()
free = tiny.sample(400, small.z_dim, tied=False, rng=torch.Generator().manual_seed(1))
follows = {}
for name, run in readers.items():
    named = run.read(run.generate(free))
    follows[name] = [
        (named == index).float().mean().item()
        for index in (free.p_index, tiny.parent_of[free.b_index])
    ]

# %%
figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
for i, (label, colour) in enumerate(
    {"$p$": style.REAL, "the parent tied to $b$": style.FAKE}.items()
):
    heights = [shares[i] for shares in follows.values()]
    bars = axis.bar(torch.arange(2) + 0.3 * i - 0.15, heights, 0.28, color=colour, label=label)
    axis.bar_label(bars, fmt="%.2f", padding=5)
axis.axhline(1 / small.n_parents, color=style.GREY, ls=":", zorder=0, label="by chance")
axis.set(xticks=[0, 1], xticklabels=list(follows), ylim=(0, 1.3), ylabel="share of its answers")
axis.set_xlabel("in training, and in this test")
axis.set_title("$b$ and $p$ disagree: which of them does $D_p$ name?")
axis.legend(loc="upper center", ncols=3)
plt.show()

# %% tags=["nbval-check-output"]
seen_p, seen_foreground = follows.values()
print("reading P, D_p follows the background more than p:", seen_p[1] > seen_p[0])
print("reading M·F, it follows p:", seen_foreground[0] > 0.8 and seen_foreground[1] < 0.4)

# %% [markdown]
# When $D_p$ reads $P$, the generator writes the code **into the background**. The loss is small,
# and the mask learns nothing. (When the masks start at one half, the foreground may be faster than
# the background. But we do not want to depend on this.) For this reason, $D_p$ sees only the masked
# foreground. Then no gradient of this loss reaches the background stage. This holds exactly, and
# the next cell tests it.

# %% tags=["nbval-check-output"]
reached = {}
for shown, run in zip(("image", "masked_foreground"), readers.values(), strict=True):
    view = getattr(run.generator(free.select(slice(8))).parent, shown)
    loss = losses.information_loss(run.discriminator.code_logits(view), free.p_index[:8])
    weights = list(run.generator.background_stem.parameters())
    slopes = torch.autograd.grad(loss, weights, allow_unused=True)
    reached[shown] = any(slope is not None and bool(slope.any()) for slope in slopes)
print("L_p on P reaches the weights of G_b:", reached["image"])
print("L_p on M·F reaches the weights of G_b:", reached["masked_foreground"])

# %% [markdown]
# ## The loss, and the errors on the slide
#
# $$\mathcal{L}_p = \mathcal{L}_{p\_info} = \max_{D_p,\, G_{p,f},\, G_{p,m}} \;
# \mathbb{E}_{z,p}\bigl[\log D_p(p \mid P_{f,m})\bigr]$$
#
# This is InfoGAN's bound (without the constant $H(p)$), and nothing else. The slide has
#
# $$\mathcal{L}_p = \mathcal{L}_c^{p\_info} \equiv
# \max_{G_b} \; \mathbb{E}_{z,p}[\log D_c(p \mid G_b(z, b))]
# + \mathbb{E}_{z,b}[\log(1 - D_\text{aux}(G_b(z, b)))] .$$
#
# This cannot be right: it rewards a *background* that shows $p$, and we have just excluded this.
# $G_b$ must be $G_{p,f}$ and $G_{p,m}$, $D_c$ must be $D_p$, and $D_p$ must read $P_{f,m}$. The
# second term is $\mathcal{L}_{bg\_aux}$. It belongs to lesson {{background}} (and a generator would
# *minimise* it).
#
# $p$ is one-hot, and $D_p$ is a softmax over $N_p$ logits $s$. Only one term of this sum is not
# zero:
#
# $$\log D_p(p \mid P_{f,m}) = \sum_{k=1}^{N_p} p_k \, \log \operatorname{softmax}(s)_k .$$
#
# ### Exercise {{number}}.4 (fill in): the parent's loss
#
# The library's version is `losses.information_loss`, with the index in place of the one-hot vector.


# %% exercise="4"
def my_parent_loss(logits: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    """−E[log D_p(p | P_fm)]: logits (N, N_p), p one-hot (N, N_p) int64; a scalar to minimise."""
    ### HINT `logits.log_softmax(1)` are all the log D_p(k | ·).
    ### HINT After the product with p, only one term is not 0: sum over dimension 1.
    ### HINT Then the mean over the batch, and the sign of a loss.
    ### BEGIN SOLUTION
    return -(p * logits.log_softmax(1)).sum(1).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_parent_loss)

# %% [markdown]
# ## Why does no loss compare P with real pictures?
#
# $P$ should not look real. Photographs show finished birds. If a loss compared $P$ with
# photographs, $P$ would need the plumage, too, and the child stage would have nothing to add. And
# there are no photographs of *hollow* birds. (In the authors' code, $D_p$ has a head for real and
# fake. No loss uses it.)
#
# But **no term of $\mathcal{L}_p$ requires a bird**. With five parents, it requires only five
# pictures that $D_p$ can tell apart.
#
# ### Exercise {{number}}.5 (predict)
#
# We train the parent stage on $\mathcal{L}_p$ alone, with the paper's form. What will the five
# codes show?
#
# * **(a)** five sharp outlines, but not of birds
# * **(b)** five colours or textures, with a mask that is grey nearly everywhere
# * **(c)** nothing that $D_p$ could read, because without real pictures it can learn nothing

# %% exercise="5"
### HINT The product M·F must differ between the codes. Which of its two factors learns this faster?
### HINT F can have any colour at any place, and a mask of 1/2 shows half of it.
### BEGIN SOLUTION
my_expectation = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_expectation)

# %%
plain = lab.train_parent(seed=1, **mine)
shapes = lab.codes_for_parents(plain.generator, 2)
stage = plain.generate(shapes)
rows = {"$F_p$": stage.foreground, "$M_p$": stage.mask, "$M_p F_p$": stage.masked_foreground}
columns = [f"p={p}" for p in shapes.p_index.tolist()]
title = "The parent stage on $L_p$ alone: five codes, two z each"
image_figure([list(images) for images in rows.values()], list(rows), columns, title, size=0.7)
plt.show()

# %% tags=["nbval-check-output"]
right = plain.read(stage) == shapes.p_index
blind = plain.read(plain.generate(free), mask_only=True) == free.p_index
print("D_p reads the code off M·F:", right.float().mean().item() >= 0.8)
print("and off the mask alone:", blind.float().mean().item() > 0.7)
print("masks mostly near 0 or 1:", lab.crispness(stage.mask) > 0.4)

# %% [markdown]
# The loss is small, but there is no shape. The *colours* contain the code, and the mask is grey.
# The authors trained this stage together with the child stage, at the paper's size, and got birds
# without further losses. A small network with a few minutes of training needs more. Our `toy`
# preset adds switches that are not in the paper. They are switches of `systems.Recipe`, and all are
# off by default.
#
# ## Help with the mask
#
# | what goes wrong | switch | what it adds |
# | --- | --- | --- |
# | the mask is grey | `mask_binary` | $\mathbb{E}[M(1 - M)]$: 0 for masks of 0 and 1 |
# | the mask is full or empty | `mask_area` | how far each mask's area is from a range |
# | the code is in a colour | `silhouette` | $D_p$ sees some masks in a flat random colour |
# | the code is in a weak pattern | `code_noise` | Gaussian noise on what $D_p$ sees |
# | two codes are one shape, turned | `code_flip`, `code_affine` | random flips and other views |
#
# The first two are losses, `losses.mask_binary_loss` and `losses.mask_area_loss`. The others change
# the picture that $D_p$ sees (`systems.code_view`). Lesson {{child}} adds more for the second mask.
#
# ### Exercise {{number}}.6 (fill in): the area of a mask
#
# Let $a_n$ be the mean of mask $n$ over its pixels. Its range goes from $a_\text{min}$ to
# $a_\text{max}$ (by default from a tenth to a half of the picture). Then
#
# $$L_\text{area} = \frac1N \sum_{n=1}^N \bigl[\max(0,\, a_\text{min} - a_n)
# + \max(0,\, a_n - a_\text{max})\bigr] .$$
#
# Each image counts separately. The reason: a batch of half-full masks and a batch of full and empty
# masks have the same mean. The library's version is `losses.mask_area_loss`.


# %% exercise="6"
def my_area_loss(mask: torch.Tensor, smallest: float, largest: float) -> torch.Tensor:
    """(N, 1, H, W) in [0, 1] → scalar, 0 if every mask's area lies in [smallest, largest]."""
    ### HINT First compute the area of each mask: a mean over all dimensions but the first.
    ### HINT `torch.relu(x)` is max(0, x).
    ### HINT (relu(smallest − area) + relu(area − largest)), then the mean over the batch.
    ### BEGIN SOLUTION
    area = mask.mean((1, 2, 3))
    return (torch.relu(smallest - area) + torch.relu(area - largest)).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_area_loss)

# %% [markdown]
# The figure shows what $D_p$ sees of the trained network's parent stage: first the paper's view,
# then the view with each switch.

# %%
views = {
    "M·F (paper)": Recipe(),
    "code_noise": Recipe(code_noise=0.2),
    "code_flip": Recipe(code_flip=True),
    "code_affine": Recipe(code_affine=0.2),
    "silhouette": Recipe(silhouette=1.0),
}
rng = torch.Generator().manual_seed(4)
codes = lab.codes_for_parents(generator, 1)._replace(z=noise(generator, n_parents, seed=2))
stage = generate(generator, codes).parent
rows = [list(code_view(stage, r, rng, r.silhouette).clamp(-1, 1)) for r in views.values()]
columns = [f"p={p}" for p in range(n_parents)]
image_figure(rows, list(views), columns, "What $D_p$ is shown", size=0.8)
plt.show()

# %% tags=["nbval-check-output"]
shown = stage.masked_foreground
flips = [code_view(stage, Recipe(code_flip=True, code_affine=a), rng) for a in (0.0, 1e-3)]
for name, view in zip(("code_flip", "with code_affine"), flips, strict=True):
    distance = [(view - s).abs().mean((1, 2, 3)) for s in (shown, shown.flip(3))]
    mirrored = distance[1] < distance[0]
    print(f"{name}: {int(mirrored.sum())} of {len(mirrored)} are mirrored")
mask = stage.mask.clone().requires_grad_()
view = code_view(stage._replace(mask=mask), Recipe(), rng, silhouette=1.0)
(slope,) = torch.autograd.grad(view.square().sum(), mask)
print("a silhouette teaches the mask:", bool(slope.any()))

# %% [markdown]
# Now we train a parent stage alone, as before, with one more switch in each row. The figure shows
# only the masks.

# %%
recipes = {
    "paper": None,
    "mask_binary": Recipe(mask_binary=2.0),
    "+ mask_area": Recipe(mask_binary=2.0, mask_area=5.0),
    "+ silhouette": Recipe(mask_binary=2.0, mask_area=5.0, silhouette=0.5),
}
runs = {"paper": plain}
for name, recipe in recipes.items():
    if recipe:
        runs[name] = lab.train_parent(recipe, seed=1, **mine)
rows = [list(run.generate(shapes).mask) for run in runs.values()]
columns = [f"p={p}" for p in shapes.p_index.tolist()]
title = "Masks of a parent stage trained on its own: one more addition in each row"
image_figure(rows, list(runs), columns, title, size=0.6)
plt.show()

# %% tags=["nbval-check-output"]
masks = {name: run.generate(free).mask for name, run in runs.items()}
areas = {name: mask.mean((1, 2, 3)) for name, mask in masks.items()}
binary, area, both = areas["mask_binary"], areas["+ mask_area"], runs["+ silhouette"]
print("mask_binary alone, some masks nearly empty:", (binary < 0.15).any().item())
print("and some nearly full:", (binary > 0.85).any().item())
print("with mask_area, all between 5 % and 65 %:", ((area > 0.05) & (area < 0.65)).all().item())
blind = both.read(both.generate(free), mask_only=True) == free.p_index
print("with silhouette, D_p reads p off the mask alone:", blind.float().mean().item() > 0.9)

# %% [markdown]
# Each remedy solves one problem, and the next problem appears. `mask_binary` alone allows masks
# that are completely *full* or *empty*. With `mask_area`, a mask covers a part of the picture, but
# the code can still be in the colour. `silhouette` removes the colour in some of the pictures. Then
# **the code is in the outline**: $D_p$ can read it from a flat silhouette.
#
# ### Exercise {{number}}.7 (explore): small masks
#
# The last row's masks are good, but large. Find a recipe with small masks: `my_recipe` is a
# dictionary with any of `mask_area` (0 to 20), `mask_binary` (0 to 10), `silhouette` (0 to 1),
# `code_noise` (0 to 1) and `mask_largest` (the upper end of the range of areas, 0.1 to 0.5). After
# 200 steps (`seed=1`, a few seconds) three things should hold: every mask's area lies between 5 %
# and **35 %**; the crispness, $1 - 4\,\mathbb{E}[M(1-M)]$, is at least 0.5; and $D_p$ reads $p$
# from the mask alone in at least 9 of 10 cases.

# %% exercise="7"
### HINT The table shows a switch for each fault. It covers all three conditions.
### HINT Start with the last row of the figure, and lower mask_largest.
### HINT If the areas are still too large, raise mask_area.
### BEGIN SOLUTION
my_recipe = {"mask_area": 10, "mask_binary": 2, "silhouette": 0.5, "mask_largest": 0.25}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.7", my_recipe)

# %% [markdown]
# ## Find the mistake
#
# There are two cases again. In case 1, we trained a parent stage as in the last row above, with
# silhouettes. The second row comes from a training with a mistake in the silhouettes. Case 2 shows
# the trained network's stage, with a mistake between the heads' convolutions and the picture.

# %%
helped = recipes["+ silhouette"]
faulty = lab.train_parent(helped, seed=1, view=lab.faulty_view, **mine)
lab.two_mistakes_figure(runs["+ silhouette"], faulty, shapes, stage, behind)
plt.show()

# %% [markdown]
# ### Exercise {{number}}.8 (find the mistake): silhouettes that teach nothing
#
# Half of the pictures that $D_p$ sees are silhouettes. The two rows look alike, so the picture does
# not show this mistake: the masks still learn from the other half, $M_p F_p$. But with the code
# below, a test further up ("a silhouette teaches the mask") would print False. Correct the code.


# %% exercise="8"
def my_mended_silhouettes(masked, mask, flat, colour) -> torch.Tensor:
    """Some masked foregrounds (N, 3, S, S) replaced by silhouettes in one flat colour.

    mask: (N, 1, S, S); flat: (N,) bool, which to replace; colour: (N, 3, 1, 1) of ±1.
    """
    ### HINT The values are right. Are the gradients right, too?
    ### HINT If D_p cannot read a silhouette, which weights must change?
    ### HINT .detach() takes the mask out of the graph.
    ### BEGIN SOLUTION
    silhouette = mask * colour
    ### INSTEAD
    silhouette = mask.detach() * colour
    ### END SOLUTION
    return torch.where(flat[:, None, None, None], silhouette, masked)


# %% tags=["nbval-check-output"]
course.check("{{number}}.8", my_mended_silhouettes)

# %% [markdown]
# ### Exercise {{number}}.9 (find the mistake): a mask below zero
#
# The foreground is never darker than grey. At places that should show only background, the
# foreground is *subtracted* from $P$. Correct the code. (With `bias`, masks start small; ours is
# −0.5.)


# %% exercise="9"
def my_mended_heads(image: torch.Tensor, mask: torch.Tensor, bias: float):
    """What the heads' convolutions give, (N, 3, H, W) and (N, 1, H, W) → F and M."""
    ### HINT Which range do pictures have here? Which range does an opacity have?
    ### HINT tanh goes from −1 to 1, sigmoid from 0 to 1.
    ### BEGIN SOLUTION
    foreground = torch.tanh(image)
    opacity = torch.sigmoid(mask + bias)
    ### INSTEAD
    foreground = torch.sigmoid(image)
    opacity = torch.tanh(mask + bias)
    ### END SOLUTION
    return foreground, opacity


# %% tags=["nbval-check-output"]
course.check("{{number}}.9", my_mended_heads)

# %% [markdown]
# ## And the birds?
#
# These outlines are sharp and easy to tell apart, but none of them is a bird. The reason: this
# training has seen no bird. Compare them with the parent masks of the whole trained network. Each
# $p$ has two rows: its masks, and below them the child images $C$. The columns are six noises $z$.

# %%
codes = lab.codes_for_parents(generator, 6, seed=1)
output = generate(generator, codes)
rows, names = [], []
for p in range(n_parents):
    chosen = codes.p_index == p
    rows += [list(output.parent.mask[chosen]), list(output.child.image[chosen])]
    names += [f"p={p}: $M_p$", "$C$"]
columns = [f"$z_{i}$" for i in range(6)]
title = "Trained as a whole: parent masks, and their children"
image_figure(rows, names, columns, title, size=0.7)
plt.show()

# %% tags=["nbval-check-output"]
many = generate(generator, lab.codes_for_parents(generator, 40, seed=1)).parent.mask
side = noise(generator, 40, seed=1)[:, 0].sign().repeat(n_parents)
right_way = (losses.mask_lean(many) * side > 0).float().mean().item()
print("birds look to the side that z's first number says:", right_way > 0.8)

# %% [markdown]
# (The side to which a bird looks does not depend on its kind. In our trained network, $z$'s first
# number decides it: if it is below 0, the finished foreground is mirrored,
# `models.finegan.view_grid`. With the switch `mask_lean`, all parents look to the same side for the
# same sign.)
#
# The parent stage learns the shape of a bird through the **child** stage. $C$ is made from the
# parent's features and put on $P$, and a discriminator compares $C$ with real birds. Its gradient
# goes back through the child stage into the parent's features. It changes the outline until the
# *finished* bird looks real. $\mathcal{L}_p$ only keeps the five outlines different. The next cell
# tests this with autograd on an untrained network. It uses a simple number computed from $C$ in
# place of the discriminator's answer.

# %% tags=["nbval-check-output"]
live = type(generator)(config).train()  # the same sizes, weights as before any training
finished = live(codes.select(slice(0, len(codes.z), 3))).child.image
for name, part in {
    "the parent's mask head": live.parent_mask,
    "the parent's features": live.parent_stage,
    "the background stage": live.background_stem,
}.items():
    weights = list(part.parameters())
    slopes = torch.autograd.grad(finished.square().mean(), weights, retain_graph=True)
    print(f"a judgement on C reaches {name}:", any(bool(slope.any()) for slope in slopes))

# %% [markdown]
# ## Recap
#
# * A stage makes a foreground and a mask; $P = M_p F_p + (1 - M_p) B$.
# * $D_p$ reads the code from $M_p F_p$. If it read $P$, the code could go into the background.
# * $\mathcal{L}_p = \max_{D_p, G_{p,f}, G_{p,m}} \mathbb{E} \log D_p(p \mid P_{f,m})$: only
#   information, because there are no real hollow birds.
# * Information alone makes no shapes. Colour is easier to read, and masks become grey, full or
#   empty. `mask_binary`, `mask_area`, `silhouette`, `code_noise` and others each prevent one of
#   these faults.
# * The shapes become *birds* because a discriminator compares the child with real birds.
#
# **Continue with** `{{child}}_child`: the plumage, and the whole model.

# %% tags=["nbval-check-output"]
course.progress()
