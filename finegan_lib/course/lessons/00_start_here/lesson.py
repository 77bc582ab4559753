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
# Show twenty photographs of birds to a person who does not know the name of a single bird. The
# person will soon say *this kind again!* Can a network do the same? Such a network would be useful:
# only experts can label two hundred species of birds, and experts are expensive. FineGAN (Singh,
# Ojha and Lee, CVPR 2019) needs no labels, and its way is surprising: it learns to **paint** birds.
# It has only a few inputs, and with these it must paint many different birds that look real. To do
# this, it must use the properties in which pictures of birds differ: the background, the shape, the
# plumage. This course builds that network, piece by piece.
#
# **You need** Python and a little experience with PyTorch tensors. You need no GPU and no download.
#
# **Afterwards you can** say what ToyBirds is made of, measure how well a grouping agrees with the
# truth, and explain when simple features fail here and when they work.
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
# Run the cells from top to bottom. Where a cell contains `...`, you do something: you predict
# before you look, or you write a few lines. `course.check` compares your answer with the library's
# and tells you what differs. `course.hint` gives a small hint first, and a larger one when you ask
# again. You may leave an exercise open: then the notebook continues with the library's own
# function.
#
# A question with options has one right letter. Write the letter as text, for example
# `my_prediction = "b"`. The notebooks contain the pictures of a finished run, and some of them show
# the answer. To hide them before you begin, choose *Edit → Clear Outputs of All Cells*.
#
# ## A world whose truth is known
#
# For real photographs of birds, the truth is not known: nobody can say *exactly* where the shape
# ends and the plumage begins. For this reason, the course has a world of its own, drawn by code:
# `finegan_lib.data.ToyBirds`. Each bird has
#
# * a **parent**: its silhouette, one of 5;
# * a **child**: its plumage, one of 20. Every child belongs to one parent;
# * a **background** from one of 6 families, independent of the bird;
# * a **pose**: its place, its size, and the direction in which it looks.
#
# "Parent" and "child" are the paper's words: a parent is a coarse category, and a child is a fine
# category (a species) within it. The figure shows all children in one pose before one background.

# %%
# `redraw` picture 0 twenty times, each time with another child (and the parent it belongs to).
parents = large.hierarchy.parent_of.numpy()
family, _ = large.redraw(np.zeros(20, int), parent=parents, child=np.arange(20), background=3)
rows = shared_lab.as_signed(family).split(4)
image_figure(rows, large.parent_names, None, "5 parents (rows), 4 children each")
plt.show()

# %% [markdown]
# Look at neighbours in a row: two children form a pair. They have **the same two main colours in
# swapped places**. All colours occur in the backgrounds, too. To tell the species apart, one must
# see *where* a colour is. We made the toy difficult on purpose.
#
# ## One factor at a time
#
# `redraw` paints a picture again with one factor replaced and all others kept. No data set of
# photographs can do this. FineGAN will learn exactly this: one code for one factor. The literature
# calls such codes **disentangled**. (In the last row, the reeds differ, too: each picture has its
# own random numbers for them.)

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
# The **whole picture** shows more than the bird. A **box** says where the bird is; people have
# drawn such boxes for real data sets. FineGAN gets no other help. A box tells which patches are
# *surely background*. It also tells where to cut: the last stage learns to paint the **crop** round
# the box. The **mask** marks the pixels that show the bird. It is the exact truth, and only a toy
# has it. We use it for scores and never train on it.

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
# Now nobody tells you the species. You get 600 crops and the task: *there are twenty kinds; sort
# them*. The simplest way has two steps: describe each picture by some numbers (**features**), then
# form twenty groups of neighbours with **k-means**. The result depends on the features. A very
# short description of a picture is its mean colour.
#
# ### Exercise {{number}}.1 (fill in): the mean colour
#
# Let $x_{nkij}$ be the pixel of picture $n$, channel $k$, row $i$ and column $j$, in 0 … 255. Let
# $S$ be the side of a picture in pixels. Then
#
# $$f_{nk} = \frac{1}{255\,S^2} \sum_{i=1}^{S} \sum_{j=1}^{S} x_{nkij}$$
#
# The library's version is `shared_lab.mean_colour`.


# %% exercise="1"
def my_mean_colour(crops: torch.Tensor) -> torch.Tensor:
    """(N, 3, S, S) uint8 pictures → (N, 3) float32, the mean of each channel in [0, 1]."""
    ### HINT Which of the four dimensions does the result still have?
    ### HINT PyTorch computes no mean of uint8: convert to float first. `mean` takes a tuple of
    ###      dimensions.
    ### HINT Average over dimensions 2 and 3, then divide by 255.
    ### BEGIN SOLUTION
    return crops.float().mean((2, 3)) / 255
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_mean_colour)

# %% [markdown]
# ## How good is a sorting?
#
# The groups of k-means have no names, so we cannot count right answers. Instead we measure how much
# the group $B$ of a picture tells about its true kind $A$. This is the **mutual information**
#
# $$I(A; B) = \sum_{a,b} p(a, b) \log \frac{p(a, b)}{p(a)\,p(b)}.$$
#
# It is 0 if $A$ and $B$ are independent. Its largest value depends on the number of kinds. For this
# reason we divide it by the mean of the **entropies** $H(A)$ and $H(B)$. The entropy $H(A) =
# -\sum_a p(a) \log p(a)$ says how uncertain the kind is before one knows the group.
#
# $$\mathrm{NMI}(A, B) = \frac{I(A; B)}{\tfrac12 \left(H(A) + H(B)\right)} \in [0, 1].$$
#
# This is the score of the paper's Table 3. (There FineGAN reaches 0.403 on 200 species of birds.
# Some people divide by another mean than the arithmetic one, and the paper does not say which one
# it used: see lesson {{discovery}}.) In lesson {{infogan}}, mutual information is a part of the
# loss. The library's version is `finegan_lib.metrics.nmi`.
#
# ### Exercise {{number}}.2 (fill in): NMI
#
# The first lines make the table `joint[a, b]` $= p(a, b)$ for you. Take care with empty cells: $0
# \log 0$ counts as 0.


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
# Now k-means gets the **raw pixels**: all 3 · 32 · 32 = 3072 numbers of each picture. What will the
# pictures of one group have in common?
#
# * **(a)** the species: all pixels are there, so the plumage is there, too
# * **(b)** the silhouette: a large outline counts more than a small pattern
# * **(c)** the background
#
# ### Exercise {{number}}.3 (predict)

# %% exercise="3"
### HINT Two pictures are neighbours if the sum of all squared pixel differences is small.
### HINT The bird covers about a fifth of the crop. What do the other pixels show?
### BEGIN SOLUTION
my_prediction = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_prediction)

# %% [markdown]
# Now look. Each row shows pictures of one group. The next figure compares the groups with the three
# truths. For each truth, k-means forms the true number of groups: 20 for the species, 5 for the
# silhouettes, 6 for the backgrounds.

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
# With both features, k-means sorts the pictures **by their backgrounds**. It sorts well, but by the
# wrong thing. The pixels do not say that a wing is more important than a wave of the water.
#
# ## A way out, and its price
#
# What happens if we use only the middle of the crop? The box puts the bird there.
#
# The figure shows NMI for square windows in the middle of the 32-pixel crop. The widths go from 2
# pixels to the whole crop. There are always twenty groups. (For this reason several groups share a
# background, and the grey curve ends lower than the bar above.)

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
# Now move the window, too. Find **two** windows of 4 to 10 pixels. In the first, the groups follow
# the species: NMI is at least 0.7 with the species and at most 0.2 with the background. In the
# second, they follow the background: NMI is at least 0.5 with the background and at most 0.3 with
# the species. A window is `(left, top, width)` in pixels, counted from the upper left corner of the
# 32-pixel crop. `lab.window_scores(birds, (left, top, width))` returns both NMIs, species first:
# try some. Your answer is a dictionary: `{"species": (left, top, width), "background": (left, top,
# width)}`.

# %% exercise="4"
### HINT The box has put the bird in the middle. Which places show no bird?
### HINT A window in the middle that is w wide begins at (32 − w) / 2.
### HINT A corner of the crop shows the background alone.
### BEGIN SOLUTION
my_windows = {"species": (13, 13, 6), "background": (0, 0, 8)}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_windows)

# %% [markdown]
# A narrow window scores well, perhaps too well. When the place of the bird is known, the colours in
# its middle nearly determine a *toy* species. We learn two things from this.
#
# * **Print the control beside the score.** When lesson {{discovery}} reports a high NMI on
#   ToyBirds, compare it with the NMI of this window. The library always prints both
#   (`finegan_lib.metrics.clustering.centre_crop`).
# * **Separating the bird from its background is most of the work.** Here a person drew a box round
#   every bird, and the window used it. But a window four pixels wide contains no outline and cannot
#   paint one. (The orange curve for the silhouette follows from the curve for the species: each
#   species has one silhouette. Twenty perfect groups would score $2 \ln 5 / (\ln 5 + \ln 20) =
#   0.70$ on the silhouette.) FineGAN starts from the same boxes. It learns which pixels are the
#   bird, its shape and its plumage. It gets no names.
#
# ## Words and letters
#
# A picture of $S \times S$ pixels is a point in a space of $3S^2$ dimensions. Most points of that
# space look like noise. Pictures of birds fill a tiny part of it. Within this part, a few numbers
# describe a picture: the bird's kind, its pose, its plumage, the background. Such a number is
# called a **latent** variable: the picture does not show it, but it decides how the picture looks
# (*latent* means hidden). All possible values of the latent variables form the **latent space**. A
# generator maps the latent space to pictures, $x = G(z)$. Here its input is a vector $z$ of random
# numbers, together with codes. A **latent code** is an input with a *meaning*: one code for the
# plumage, another code for the background.
#
# Where FineGAN is meant, these letters and words are the same in all lessons. If a lesson uses a
# letter for something else, it says so.
#
# | letter | meaning |
# | --- | --- |
# | $x$ | a picture, real or generated; $\tilde{x}$ only a generated picture |
# | $z$ | noise: random numbers in the generator's input; no loss of the paper gives it a meaning |
# | $b, p, c$ | the codes of background, parent (shape) and child (appearance), each one-hot |
# | $N_b, N_p, N_c$ | how many values each code has |
# | $G$; $G_b, G_p, G_c$ | the generator; its stages for background, parent and child |
# | $D$; $D_b, D_c$ | a discriminator; for patches of backgrounds; for finished pictures |
# | $D_\text{aux}$ | a head (an output) of $D_b$: background, or not? |
# | $D_p$, $D_c$'s code head | the readers of $p$ and of $c$; InfoGAN's reader is $Q$ |
# | $s$, $\sigma(s)$ | a logit; the probability computed from it |
# | $F$, $M$ | a stage's foreground (colours) and mask (opacity, 0 to 1) |
# | $B, P, C$ | the pictures after the three stages |
# | $p_\text{data}(x)$, $q(x)$ | densities of real and of generated data; $P(\cdot)$ a probability |
# | $\mathbb{E}$, $H$, $I$ | a mean; entropy; mutual information (in nats) |
# | $\mathcal{L}$, $\lambda$ | a loss, to be minimised; the weight of a term |
#
# A $p$ before a bracket, as in $p(x)$, is a density or a probability. A $p$ without a bracket is
# the parent code.
#
# | word | meaning |
# | --- | --- |
# | generator, discriminator | it generates pictures; it classifies them as real or fake |
# | reader | a network, or a head of a network, that estimates a code from a picture |
# | fake | made by a generator (only as the opposite of *real*) |
# | parent, child | a shape that several children share; an appearance that belongs to one parent |
# | tied, free codes | $p$ is the parent of $c$, and $b = c$; each code is sampled independently |
# | stitching | $M \odot F + (1 - M) \odot$ what is behind |
# | disentangled | one code changes one factor of the picture |
# | unconditional | generated without any label as input |
#
# ## Where we are going
#
# FineGAN paints in three layers. First it paints a **background** B. Then it puts a **parent** P on
# it: a shape with a mask. Then it puts a **child** C on that: the plumage. Four inputs control the
# picture: the codes b (background), p (parent) and c (child), and the noise z. The noise will
# control the pose. If your library contains a trained network, the next cell shows what it paints.
# Two things may surprise you. The network numbers its children in its own way: nobody told it our
# numbers. And its parents have strange colours, because no loss compares a parent with real
# pictures (lesson {{parent}}).

# %%
from finegan_lib.base.files import WEIGHTS
from finegan_lib.figures import stagewise
from finegan_lib.training.pretrained import load_finegan

if (WEIGHTS / "toy.safetensors").exists():
    stagewise(load_finegan("toy"), columns=7)
    plt.show()
else:
    print("No trained network here yet: `make demo` trains one.")

# %% [markdown]
# {{lessons}}
#
# ## Recap
#
# * A picture of a bird has independent factors: background, shape, plumage, pose.
# * NMI says how much a grouping tells about the truth: 1 is all, 0 is nothing.
# * k-means on whole pictures finds backgrounds, because most pixels are background.
# * It helps much to know *where* the bird is. A box says this roughly. FineGAN will also learn the
#   outline.
#
# **Continue with** `{{gan}}_gan`: two networks play a game, and one of them learns to paint.

# %% tags=["nbval-check-output"]
course.progress()
