# ---
# jupyter:
#   lesson:
#     title: Start here
#     part: the ancestors
#     about: "the question, ToyBirds"
#     question: "Can a network find species that nobody named?"
#     afterwards: "say why sorting pictures without labels finds backgrounds"
#     card: "kept = {\"parent\""
#     play: start
#     play_in: "The question"
#     t4_seconds: 30
# ---
# ruff: noqa: E402, F821
# %% [markdown]
# # {{number}} · Start here: can a network find species that nobody named?
#
# Show a child twenty photographs of birds and it will soon say *that one again!*, without knowing a
# single name. Can a network do the same? It would be worth having: to label two hundred species of
# birds takes experts, and experts are expensive. FineGAN (Singh, Ojha and Lee, CVPR 2019) does
# without them, in a surprising way: it learns to **paint** birds. To paint many of them
# convincingly with a handful of switches, it must find out which switches nature uses: what stands
# behind, which shape, which plumage. This course builds that network, piece by piece.
#
# **You need** Python and a first acquaintance with PyTorch tensors. No GPU, no download.
#
# **Afterwards you can** say what ToyBirds is made of, measure how well a grouping agrees with the
# truth, and explain why simple features fail here, and when they do not.
#
# {{runtime}}.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from finegan_lib.course import sliders, style
from finegan_lib.course.lessons import shared_lab
from finegan_lib.data import ToyBirds
from finegan_lib.figures import image_figure
from finegan_lib.metrics import kmeans_labels, nmi
from finegan_lib.metrics.clustering import raw_pixels

lab = course.lab("start_here")
style.use_style()
birds = ToyBirds(600, image_size=32, seed=7, progress=False)  # to measure
large = ToyBirds(20, image_size=64, seed=7, progress=False)  # to look at

# %% [markdown]
# ## How to work with these notebooks
#
# Run the cells from top to bottom. Where a cell says `...`, it is your turn: predict before you
# look, or write a few lines. `course.check` compares your answer with the library's and tells you
# what differs; `course.hint` gives a nudge first and more when you ask again. Nothing breaks if you
# leave an exercise open: the notebook goes on with the library's own function.
#
# ## A world whose truth is known
#
# Real bird photographs come without the truth: who can say where *exactly* the shape ends and the
# plumage begins? So the course has a world of its own, drawn by code:
# `finegan_lib.data.ToyBirds`. Each bird has
#
# * a **parent**: its silhouette, one of 5;
# * a **child**: its plumage, one of 20. Every child belongs to one parent;
# * a **background**, of one of 6 families, independent of the bird;
# * a **pose**: where it is, how large, which way it looks.
#
# "Parent" and "child" are the paper's words: a child is a fine category (the species) within a
# coarse one. Here is the whole family, all in one pose before one background.

# %%
# `redraw` picture 0 twenty times, each time with another child (and the parent it belongs to).
parents = large.hierarchy.parent_of.numpy()
family, _ = large.redraw(np.zeros(20, int), parent=parents, child=np.arange(20), background=3)
rows = shared_lab.as_signed(family).split(4)
image_figure(rows, large.parent_names, None, "5 parents (rows), 4 children each")
plt.show()

# %% [markdown]
# Look at neighbours in a row: children come in pairs that wear **the same two main colours in
# swapped places**. And all colours occur in the backgrounds, too. Whoever wants to tell the species
# apart must see *where* a colour is. The toy was made nasty on purpose.
#
# ## One factor at a time
#
# `redraw` paints a picture again with one factor replaced and all others kept. No data set of
# photographs can do this, and it is exactly what FineGAN will have learnt to do in the end: one
# code for one factor. The literature calls such codes **disentangled**. (In the last row the reeds
# differ, too: every picture has its own random numbers for them.)

# %%
start, n = 2, 5
same = np.full(n, start)
kept = {"parent": 1, "child": 5, "background": 4}
changes = {
    "background": {**kept, "background": np.array([4, 0, 1, 2, 5])},
    "child\n(plumage)": {**kept, "child": np.array([5, 0, 10, 13, 16])},
    "parent\n(silhouette)": {**kept, "parent": np.array([1, 0, 2, 3, 4])},
}
rows = [shared_lab.as_signed(large.redraw(same, **factors)[0]) for factors in changes.values()]
rows.append(shared_lab.as_signed(large.redraw(np.arange(start, start + n), **kept)[0]))
image_figure(rows, [*changes, "pose"], None, "Each row changes one factor of the left bird")
plt.show()

# %% [markdown]
# ## What the network is given: pictures and boxes
#
# The **whole picture** shows more than the bird. A **box** says where the bird is; real data sets
# have such boxes, drawn by people, and they are all the help that FineGAN gets. They tell it which
# patches are *surely background*, and where to cut: the **crop** round the box is what the last
# stage learns to paint. The **mask** is the exact truth, which only a toy has; we keep it for
# scoring and never train on it.

# %%
some = [0, 1, 4]
figure, axes = plt.subplots(3, 3, figsize=(5.2, 5.4), layout="constrained")
pictures = [
    (large.scenes(some), "whole picture, box"),
    (large.evaluation_crops(some), "crop"),
    (large.masks(some)[:, None].expand(-1, 3, -1, -1) * 255, "mask of the crop"),
]
for column, (images, title) in zip(axes.T, pictures, strict=True):
    column[0].set_title(title)
    for axis, image in zip(column, images, strict=True):
        axis.imshow(image.permute(1, 2, 0).numpy().astype(np.uint8))
        axis.set_axis_off()
for axis, (x1, y1, x2, y2) in zip(axes[:, 0], large.boxes[some], strict=True):
    axis.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color="white", lw=3)
    axis.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=style.FAKE, lw=1.5)
figure.suptitle("Three birds: where they are, what is cut out, what is true")
plt.show()

# %% [markdown]
# ## The question
#
# Take the names away. Someone hands you 600 crops and says: *there are twenty kinds; sort them*.
# The plainest way: describe each picture by some numbers (**features**) and let **k-means** form
# twenty groups of neighbours. Everything depends on the features. The shortest description of a
# bird is its mean colour.
#
# ### Exercise {{number}}.1 (fill in): the mean colour
#
# With $x_{nkij}$ the pixel of picture $n$, channel $k$, row $i$ and column $j$, in 0 … 255, and
# $S$ the side of a picture in pixels:
#
# $$f_{nk} = \frac{1}{255\,S^2} \sum_{i=1}^{S} \sum_{j=1}^{S} x_{nkij}$$
#
# The library's version is `shared_lab.mean_colour`.


# %% exercise="1"
def my_mean_colour(crops: torch.Tensor) -> torch.Tensor:
    """(N, 3, S, S) uint8 pictures → (N, 3) float32, the mean of each channel in [0, 1]."""
    ### HINT Which of the four dimensions shall still be there in the end?
    ### HINT uint8 has no mean: make it float first. `mean` takes a tuple of dimensions.
    ### HINT Average over dimensions 2 and 3, then divide by 255.
    ### BEGIN SOLUTION
    return crops.float().mean((2, 3)) / 255
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_mean_colour)

# %% [markdown]
# ## How good is a sorting?
#
# Group 7 of k-means has no name, so we cannot simply count hits. We ask instead how much the group
# $B$ of a picture tells about its true kind $A$: the **mutual information**
#
# $$I(A; B) = \sum_{a,b} p(a, b) \log \frac{p(a, b)}{p(a)\,p(b)}.$$
#
# It is 0 if the two are independent. How large it can get depends on the number of kinds, so it is
# divided by the mean of the **entropies** $H(A) = -\sum_a p(a) \log p(a)$ (how unsure one is of the
# kind beforehand) and $H(B)$:
#
# $$\mathrm{NMI}(A, B) = \frac{I(A; B)}{\tfrac12 \left(H(A) + H(B)\right)} \in [0, 1].$$
#
# This is the score of the paper's Table 3. (There FineGAN reaches 0.403 on 200 species of birds.
# Other means than the arithmetic one are in use, and the paper does not say which it took: more in
# lesson {{discovery}}.) Mutual information comes back in lesson {{infogan}}, in the loss itself.
# The library's version is `finegan_lib.metrics.nmi`.
#
# ### Exercise {{number}}.2 (fill in): NMI
#
# The table of joint shares `joint[a, b]` $= p(a, b)$ is made for you. Beware of empty cells:
# $0 \log 0$ counts as 0.


# %% exercise="2"
def my_nmi(a, b) -> float:
    """NMI of two labellings: sequences of N non-negative integers."""
    a, b = np.asarray(a), np.asarray(b)
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    ### HINT p(a) and p(b) are sums of `joint` along one axis; `np.outer` gives all p(a) p(b).
    ### HINT Take logarithms only where `joint > 0`: with `seen = joint > 0`, use `joint[seen]`.
    ### HINT H(A) is -(p_a[p_a > 0] * np.log(p_a[p_a > 0])).sum(); at the end divide by the mean of
    ###      H(A) and H(B).
    ### BEGIN SOLUTION
    p_a, p_b, seen = joint.sum(1), joint.sum(0), joint > 0
    information = (joint[seen] * np.log(joint[seen] / np.outer(p_a, p_b)[seen])).sum()
    h_a, h_b = (-(p[p > 0] * np.log(p[p > 0])).sum() for p in (p_a, p_b))
    return float(information / ((h_a + h_b) / 2))
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_nmi)

# %% [markdown]
# ## Predict before you look
#
# Now k-means gets the **raw pixels**: 3 · 32 · 32 = 3072 numbers a picture, nothing left out.
# What will its twenty groups have in common?
#
# * **(a)** the species: all pixels are there, so the plumage is, too
# * **(b)** the silhouette: large outlines come before small patterns
# * **(c)** the background
#
# ### Exercise {{number}}.3 (predict)

# %% exercise="3"
### HINT Two pictures are neighbours if the sum of all squared pixel differences is small.
### HINT The bird covers a fifth of the crop or so. What do the other pixels show?
### BEGIN SOLUTION
my_prediction = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_prediction)

# %% [markdown]
# Now look. Each row shows members of one group. Below, every sorting is scored against the three
# truths; for each, k-means may form as many groups as there really are: 20 species, 5 silhouettes,
# 6 backgrounds.

# %%
crops = birds.evaluation_crops()
groups = kmeans_labels(raw_pixels(crops), 20, seed=0)
largest = np.bincount(groups).argsort()[::-1][:5]
rows = [shared_lab.as_signed(crops[groups == g][:9]) for g in largest]
names = [f"group {i + 1}" for i in range(5)]
image_figure(rows, names, None, "k-means on raw pixels: five of its groups", size=0.7)
plt.show()

# %%
features = {"mean colour": shared_lab.mean_colour(crops).numpy(), "raw pixels": raw_pixels(crops)}
truths = {
    "species": (birds.child_index, 20, style.REAL),
    "silhouette": (birds.parent_index, 5, style.ORANGE),
    "background": (birds.background_index, 6, style.GREY),
}
scores = {
    (feature, truth): nmi(index, kmeans_labels(numbers, k, seed=0))
    for feature, numbers in features.items()
    for truth, (index, k, _) in truths.items()
}
figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
for i, (truth, (_, _, colour)) in enumerate(truths.items()):
    heights = [scores[feature, truth] for feature in features]
    bars = axis.bar(np.arange(2) + 0.27 * (i - 1), heights, 0.25, color=colour, label=truth)
    axis.bar_label(bars, fmt="%.2f")
axis.set(xticks=[0, 1], xticklabels=list(features), ylim=(0, 1.1))
axis.set(xlabel="features", ylabel="NMI with the truth", title="What k-means finds on its own")
axis.legend(loc="upper left", ncols=3)
plt.show()

# %% tags=["nbval-check-output"]
print("groups follow the background:", scores["raw pixels", "background"] > 0.6)
print("groups follow the species:", scores["raw pixels", "species"] > 0.6)

# %% [markdown]
# Both descriptions sort the pictures by **what stands behind the bird**. It is a good sorting, of
# the wrong thing. Nothing in the pixels says that a wing matters more than a wave.
#
# ## A way out, and its price
#
# Could one look at the middle of the crop only? The box has put the bird there.
#
# The figure shows NMI for square windows in the middle of the 32-pixel crop, from 2 pixels wide to
# all of it. The groups are twenty throughout. (So several of them share a background, and the grey
# curve ends lower than the bar above.)

# %%
widths = np.array([2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32])
curves = {"species": [], "silhouette": [], "background": []}
for width in widths:
    edge = (32 - width) // 2
    window = crops[:, :, edge : edge + width, edge : edge + width]
    groups = kmeans_labels(raw_pixels(window), 20, seed=0)
    for truth, (index, _, _) in truths.items():
        curves[truth].append(nmi(index, groups))
figure, axis = plt.subplots(figsize=(6, 3), layout="constrained")
for (truth, (_, _, colour)), marker in zip(truths.items(), "os^", strict=True):
    axis.plot(widths, curves[truth], marker=marker, color=colour, label=truth)
axis.set(xlabel="width of the window, pixels", ylabel="NMI with 20 groups", ylim=(0, 1.15))
axis.set_title("What k-means finds in the middle of the crop")
axis.legend(loc="upper center", ncols=3)
plt.show()

# %% [markdown]
# In a running notebook, this slider shows what k-means sees in each of these windows.

# %%
sliders.slide(lambda width: lab.window_figure(birds, width), "width, pixels", widths.tolist(), 8)

# %% [markdown]
# ### Exercise {{number}}.4 (explore): two windows
#
# Now move the window, too. Find **two** windows of 4 to 10 pixels: one at which the groups follow
# the species (NMI with the species at least 0.7, with the background at most 0.2), and one at which
# they follow the background (at least 0.5) and hardly the species (at most 0.3). A window is
# `(left, top, width)` in pixels, counted from the upper left corner of the 32-pixel crop.
# `lab.window_scores(birds, (left, top, width))` returns both NMIs, species first: try some.

# %% exercise="4"
### HINT The box has put the bird in the middle. Where is no bird?
### HINT A window in the middle that is w wide begins at (32 − w) / 2.
### HINT A corner of the crop shows the background alone.
### BEGIN SOLUTION
my_windows = {"species": (13, 13, 6), "background": (0, 0, 8)}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_windows)

# %% [markdown]
# A narrow window does well: better than one would like. The colours in the very middle of the bird
# nearly give a *toy* species away, once someone has said where the bird is. Two lessons follow.
#
# * **Print the control beside the score.** When lesson {{discovery}} reports a high NMI on
#   ToyBirds, the fair question is what this window scores. The library therefore never prints one
#   without the other (`finegan_lib.metrics.clustering.centre_crop`).
# * **Separating the bird from its background is most of the work.** The window did it with a box
#   that a person drew round every bird. But a window four pixels wide cannot see an outline, let
#   alone paint one. (The orange curve is only borrowed light: whoever knows the species knows the
#   silhouette, and twenty perfect groups would score $2 \ln 5 / (\ln 5 + \ln 20) = 0.70$ on it.)
#   FineGAN starts from the same boxes and learns which pixels are the bird, its shape and its
#   plumage. It never hears a name.
#
# ## Words and letters
#
# A picture of $S \times S$ pixels is a point in a space of $3S^2$ dimensions, and most points of
# that space look like noise. Birds fill a tiny part of it, and few numbers would do to name a bird
# in it: its kind, its pose, its plumage, its background. A **latent** variable is such a number: it
# is not in the picture, yet it decides what the picture is (*latent* is Latin for hidden). All its
# values together are the **latent space**. A generator is a map from the latent space to pictures,
# $x = G(z)$; here its input is a vector $z$ of random numbers, and codes. A **latent code** is an
# input that shall *mean* something: this one the plumage, that one the background.
#
# These letters and words are the same in all lessons.
#
# | letter | meaning |
# | --- | --- |
# | $x$ | a picture, real or drawn; $\tilde{x}$ a drawn one, where the difference matters |
# | $z$ | noise: random numbers of the generator's input that no loss gives a meaning |
# | $b, p, c$ | the codes of background, parent (shape) and child (appearance), each one-hot |
# | $N_b, N_p, N_c$ | how many values each code has |
# | $G$; $G_b, G_p, G_c$ | the generator; its stages for background, parent and child |
# | $D$; $D_b, D_c$ | a discriminator: real or fake? Of patches; of finished pictures |
# | $D_\text{aux}$ | a head of $D_b$: background, or not? |
# | $D_p$, $D_c$'s code head | the readers of $p$ and of $c$; InfoGAN's reader is $Q$ |
# | $s$, $\sigma(s)$ | a logit; the probability made of it |
# | $F$, $M$ | a stage's foreground (colours) and mask (opacity, 0 to 1) |
# | $B, P, C$ | the pictures after the three stages |
# | $p_\text{data}(x)$, $q(x)$ | densities of real and of drawn data; $P(\cdot)$ a probability |
# | $\mathbb{E}$, $H$, $I$ | a mean; entropy; mutual information (in nats) |
# | $\mathcal{L}$, $\lambda$ | a loss, to be minimised; the weight of a term |
#
# A bare $p$ before a bracket, as in $p(x)$, is a density, and $p$ without one the parent code.
#
# | word | meaning |
# | --- | --- |
# | generator, discriminator | the network that draws; the one that judges what is drawn |
# | fake | drawn by a generator (only as the opposite of *real*) |
# | parent, child | a shape shared by several children; an appearance, of one parent |
# | tied, free codes | $p$ is the parent of $c$ and $b = c$; each code is drawn independently |
# | stitching | $M \odot F + (1 - M) \odot$ what is behind |
# | disentangled | one code changes one factor of the picture |
# | unconditional | drawn without any label as input |
#
# ## Where we are going
#
# FineGAN paints like a cut-out animator: first a **background** B; then a **parent** P, a shape
# with a mask, laid upon it; then a **child** C, the plumage, laid upon that. Four codes pull the
# strings: b (background), p (parent), c (child), and z, the noise, which ends up with the pose.
# If the library has come with a trained network, here is what it paints. Two things may puzzle you.
# It numbers its children in its own way: nobody told it ours. And its parents wear odd colours,
# since no loss ever asks whether a parent looks real (lesson {{parent}}).

# %%
from finegan_lib.base.files import WEIGHTS
from finegan_lib.figures import stagewise
from finegan_lib.training.pretrained import load_finegan

if (WEIGHTS / "toy.safetensors").exists():
    stagewise(load_finegan("toy"), columns=7)
    plt.show()
else:
    print("No trained network here yet: `make demo` trains one in a quarter of an hour.")

# %% [markdown]
# {{lessons}}
#
# ## Recap
#
# * A picture of a bird has independent factors: background, shape, plumage, pose.
# * NMI says how much a grouping tells about the truth: 1 is all, 0 is nothing.
# * k-means on whole pictures finds backgrounds, because most pixels are background.
# * Knowing *where* the bird is changes everything. A box says it roughly; the outline will be the
#   network's first discovery.
#
# **Go on with** `{{gan}}_gan`: two networks play a game, and one of them learns to paint.

# %% tags=["nbval-check-output"]
course.progress()
