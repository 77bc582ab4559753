# ---
# jupyter:
#   lesson:
#     title: Real birds
#     part: and then?
#     about: "photographs, cutting out"
#     question: "Does all this work on photographs?"
#     afterwards: "say what changes with photographs, read chance off a table, train on your own"
#     t4_seconds: 60
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · Real birds: what changes when the pictures are photographs
#
# All birds so far were drawn by a program, so we knew the truth about each of them. This lesson is
# about photographs. Its network is called `birds`: a FineGAN of 64 pixels, trained on photographs
# of 50 species from CUB-200-2011, with boxes and without any label. One command made it in an hour
# on one CPU core (`finegan_lib/weights/README.md`).
#
# **You need** lessons {{child}} and {{codes}}; {{training}} for the training, {{discovery}} for the
# scores, {{gallery}} for transfer between drawn birds.
#
# **Afterwards you can** say what a small set of photographs needs, find where such a network fails,
# tell a score from what chance would score, move appearance from one photograph to another, and
# train on photographs of your own.
#
# The lesson runs without any photograph: its networks are shipped, and its pictures of photographs
# are stored. Where the photographs lie on your disk, it does more. {{runtime}}.

# %%
import matplotlib.pyplot as plt
import torch

from finegan_lib import figures
from finegan_lib.applications.mixing import layers
from finegan_lib.course import style
from finegan_lib.training.pretrained import load_finegan

lab = course.lab("real_birds")
style.use_style()
plt.rcParams |= {"figure.dpi": 71, "image.interpolation": "nearest"}
generator = load_finegan("birds")
hierarchy = generator.config.hierarchy()
folder = lab.photographs()
print(f"{hierarchy.n_parents} parents, {hierarchy.n_children} children")

# %% [markdown]
# The licence of the photographs does not let us ship them. The second command below fetches
# CUB-200-2011 from its authors' page, checks it, and keeps 50 species at a small size. Run it in a
# terminal, in the folder of the repository (1.2 GB are downloaded). You do not need it for this
# lesson.
#
# ```
# python data_scripts/get_cub.py --help          # the options --species and --shrink
# python data_scripts/get_cub.py --species 50 --shrink 152
# ```
#
# Then name the folder that it writes `data/cub50`, or put its path into the environment variable
# `FINEGAN_PHOTOGRAPHS`.
#
# ## What changes
#
# | | ToyBirds | photographs |
# | --- | --- | --- |
# | how many | as many as we draw | 2,308 in 50 species |
# | shape | five silhouettes, always whole | all different; some cut by the frame or hidden |
# | one species | one plumage | male and female, young and old, light and shadow |
# | background | six families | everything outdoors, mostly out of focus |
# | truth | shape, plumage, mask, pose | the species' name and a box |
#
# ### Exercise {{number}}.1 (predict)
#
# The training of `birds` had 8,000 steps of 16 photographs, so it saw each of its photographs about
# 60 times. Suppose that such a training goes on for much longer. What goes wrong first?
#
# * **(a)** G learns photographs by heart and draws copies of them
# * **(b)** D_c learns photographs by heart: it is sure of those it has seen, and G's slope vanishes
# * **(c)** nothing: few photographs are the easier task

# %% exercise="1"
### HINT Which of the networks ever sees a photograph?
### HINT To recognise a picture that one has seen sixty times, one need not know what a bird is.
### BEGIN SOLUTION
my_guess = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_guess)

# %% [markdown]
# Three things help, and each is a switch of `python -m finegan_lib train` (`--help` names its
# source):
#
# * **Augmentation of what D judges** (`finegan_lib/systems/augmentation.py`): pictures are moved,
#   recoloured or partly covered before D sees them. Real and drawn pictures are treated alike, so G
#   does not learn to draw the changes. The changes can be differentiated, so G still has a slope.
# * **Gradient penalties**: D must not be steep at real pictures (R1) or at drawn ones (R2).
# * **Pairs** (the relativistic loss): D only has to find the real picture more real than the drawn
#   one.
#
# With `--keep-out 0.1` a tenth of the photographs is never trained on. The log then has D's score
# on both kinds. If D finds the trained ones more real than the others, it has begun to learn by
# heart. In the training of `birds` it had not: `finegan_lib/weights/README.md` has both scores at
# its end.
#
# ## Stage by stage

# %%
figures.stagewise(generator, columns=5)
plt.show()

# %% [markdown]
# Read it downwards, as in lesson {{child}}. Look at each column: would you recognise the bird from
# its mask alone? Is there anything of a bird in the background?
#
# ## Any shape with any appearance

# %%
figures.parent_by_child(generator, parents=5, children=4)
plt.show()

# %% [markdown]
# Along a row the shape should stay, and down a column the colours. Look for a cell where they do
# not.
#
# ## Another background
#
# To lay a bird over a background that it was not drawn with, we need to know what the masks let
# through. `applications.layers` computes this once for each bird. Then laying any bird over any
# background costs one multiplication and one addition.
#
# ### Exercise {{number}}.2 (find the mistake): a bird over another background
#
# This function has a mistake. It shows at the rims of birds, where masks are neither 0 nor 1. Find
# it, and mend one line.


# %% exercise="2"
def my_over(parent_paint, parent_mask, child_paint, child_mask, background):
    """Paints M_p F_p and M_c F_c (N, 3, S, S), masks (N, 1, S, S) → C over another background."""
    ### HINT Three layers lie on each other. Which is right below the child?
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
# A classifier has learnt to read the child code from generated birds over free backgrounds (lesson
# {{discovery}}). It names a bird, and then the same bird, with the same $z$, over the background of
# another code $b$. In the pixels with $M_c = 1$ nothing changes. How often does the classifier's
# *answer* stay?
#
# * **(a)** always
# * **(b)** in most pictures, about three of four
# * **(c)** in few pictures, about one of four

# %% exercise="3"
### HINT What does the classifier see: the masked bird, or the whole picture?
### HINT In its training, could the background tell it the answer?
### BEGIN SOLUTION
my_swap = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_swap)

# %%
stays = lab.background_stays(generator)
print(f"the answer stays when the background is another: {stays['kept']:.0%} of 100 birds")
print(f"the answer is the code that drew the bird: {stays['right']:.0%}")

# %% tags=["nbval-check-output"]
print("the answer mostly stays with the bird:", 0.6 < stays["kept"] < 1)

# %% [markdown]
# For InfoGAN this cannot be measured so: it has no code for the background. `evaluate --data` moves
# the middle of one picture into the surroundings of another instead, for every family of
# generators, and counts in the same way. Where this was measured, table 1 below has it in a column.
#
# ## How good is it?
#
# The command `evaluate --checkpoint birds --data FOLDER` made these scores. It needs no truth about
# shapes. It uses the species' names for the scores only. Look at the row of dice first.

# %%
print(lab.committed_scores())

# %% [markdown]
# How to read it. Dice have an AMI of 0, but not an NMI of 0. The kept-out photographs are few, and
# few photographs in 50 clusters raise the NMI. So compare "kept out" with "as many of these", which
# are as many photographs that the network was trained on. If the two agree, the categories are not
# learnt by heart. "Twins" are children that draw the same bird.
#
# The next two cells print tables 1 and 3 of the paper on these photographs, or the command that
# makes them.

# %%
print(lab.committed_table(1))

# %%
print(lab.committed_table(3))

# %% [markdown]
# Labels by dice know nothing, and yet their NMI is not 0 (lesson {{discovery}}). Here are dice at
# the size of these photographs, 50 species with 46 photographs each.

# %%
dice = lab.dice_scores(50)
print(f"50 random labels: NMI {dice['nmi']:.2f}, AMI {dice['ami']:.2f}")

# %% [markdown]
# AMI subtracts what dice of the same sizes would score. Compare methods by AMI, with the same
# number of photographs and of clusters.
#
# **The honest comparison.** Table 3 on photographs has a row that the paper does not have: k-means
# on the features of a network that was trained with ImageNet's labels. If you want to sort
# photographs today, this is what you would use. But among ImageNet's thousand classes are dozens of
# birds, while FineGAN was given no label. Both facts belong beside the numbers.
#
# ## Where it fails
#
# Each row is a parent. Beside it stand two numbers: how much of its mask is in one piece, and how
# much of the picture's rim it touches. A bird's shape is one piece and touches little of the rim; a
# ribbon touches much. Which parents are no birds? Which masks are grey?

# %%
lab.parents_figure(generator)
plt.show()

# %% [markdown]
# Legs and beaks are mostly missing, and some masks are grey: the network does not decide where the
# bird ends. Where a mask is half transparent, colours bleed: the rim is a mixture of the bird and
# the background.
#
# No loss asks for a bird's shape. The parent is judged by information alone (lesson {{parent}}):
# its masked foreground must tell $p$, and a ribbon tells it as well as a bird does. Only the child
# has to look real, and a child can hide a bad parent by painting it in the colours of the
# background. So look at such a picture after every training of your own.
#
# ### Exercise {{number}}.4 (explore): a hybrid with a clean outline
#
# Find a parent p and a child c of **another** parent whose bird has a clean outline in six poses:
# at least 95 % of the mask in one piece, at most 15 % of the rim touched, at least 10 % of the
# picture covered, and at most 20 % of the pixels half transparent. Answer with a dictionary with
# `p` and `c`. `lab.outline(generator, p, c)` measures a bird; the figure above says which parents
# to try.

# %% exercise="4"
### HINT Start from a parent whose masks in the figure are white and in one piece.
### HINT Then try children, one after the other: a loop over c with lab.outline.
### HINT Parents 6 and 9 have such masks with some of the last children.
### BEGIN SOLUTION
my_bird = {"p": 9, "c": 40}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_bird)

# %% [markdown]
# ## From photograph to photograph
#
# A photograph has no codes. Lesson {{gallery}} searched for them. Here an **encoder** gives the
# search its start: a network that was trained to read $z, b, p, c$ from generated pictures, where
# they are known (`applications.encoder`). Gradient descent continues from there for some steps. A
# transfer takes seconds:
#
# ```
# python -m finegan_lib transfer SHAPE.jpg APPEARANCE.jpg --checkpoint birds --out runs/transfer
# ```
#
# The figure has random pairs of photographs. The number beside it: in what share of
# transfers do two classifiers, which had no part in making them, read the parent and the child that
# were wanted, and how often would that happen by chance?

# %%
lab.stored("transfer.png")

# %% [markdown]
# Compare each photograph with its copy, "as painted from its codes". The generator cannot move what
# it cannot paint.
#
# ## From bird to bird
#
# One can walk from one bird to another. $b$, $p$ and $c$ are blended. But $z$ should not go on a
# straight line, since its middle is too short (see below). It goes on an arc:
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
lab.stored("strip.png")

# %% [markdown]
# `python -m finegan_lib interpolate A B` draws this strip and an animation, between two photographs
# or between two codes. Its frames have equal distances *as pictures*. With equal distances of the
# codes, the pictures would hardly change for a while and then change at once.
#
# ## Cutting birds out
#
# The network draws each bird together with its mask. So it gives any number of pictures with masks,
# and nobody had to draw a mask. A small U-Net learns from such pairs alone, and then cuts birds out
# of photographs (`applications.segment`). Later work made methods of segmentation out of this idea.
# Drawn masks of these photographs do not exist here, so the number is the overlap of the mask's
# frame with the box.

# %%
lab.stored("segment.png")

# %% [markdown]
# The birds that stand out from their background are cut out well; where twigs and leaves look like
# the bird, the mask fails. On drawn birds the true masks are known, so the overlap can be measured.
#
# ### Exercise {{number}}.6 (find the mistake): how well do masks agree?
#
# This function should give 1 for two equal masks. It gives one half. Mend it.


# %% exercise="6"
def my_overlap(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Masks (N, 1, S, S) of 0 and 1 → intersection over union of each pair, (N,)."""
    ### HINT Put two equal masks in by hand. What is `both`, what is `either`?
    ### HINT A pixel in both masks is counted how often in `found + truth`?
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
# If they lie on your disk, this cell transfers appearance between random photographs. The
# encoder and the classifiers are shipped with the network.

# %% tags=["nbval-skip"]
if folder is None:
    print("no photographs here: the stored pictures above have to do")
else:
    from finegan_lib.applications.photographs import read_photographs
    from finegan_lib.applications.readers import load_readers
    from finegan_lib.applications.transfer import transfer_figure, transfer_images, transfer_scores

    both = read_photographs(folder, generator.config.image_size, n=16, seed=1)
    shape, appearance = both.select(list(range(8))), both.select(list(range(8, 16)))
    readers = load_readers("birds", generator, progress=True)
    made = transfer_images(generator, readers, shape.images, appearance.images)
    transfer_figure(made, shape, appearance)
    plt.show()
    print(transfer_scores(made, readers, shape, appearance))

# %% [markdown]
# ## Train on your own
#
# You need a folder of photographs with one box each:
#
# ```
# python data_scripts/prepare_folder.py --help           # from your annotations to this layout
# python -m finegan_lib check FOLDER                     # lists every problem, before the hours
# python -m finegan_lib train --preset birds --data FOLDER --keep-out 0.1 --run runs/mine
# python -m finegan_lib evaluate --checkpoint runs/mine --data FOLDER
# python -m finegan_lib cluster FOLDER --checkpoint runs/mine --out runs/sorted
# ```
#
# On Colab, choose a runtime with a T4, put `!` before each line, and start with
# `!python data_scripts/get_cub.py --species 50 --shrink 152`. `python -m finegan_lib bench gpu`
# measures what a step takes there. If Colab ends the runtime, `--resume` continues the training.
#
# Some advice from our own trainings. Boxes should leave room for background: where objects fill the
# frame, no patch is free for D_b. Begin with the preset `birds32`, half the side, to see whether
# the masks find the objects. Look at the sample grids, not at the losses. If masks cover everything
# or nothing, stop.
#
# ## What to take along
#
# * Photographs are few, and D learns them by heart; keep some out, and compare D's scores.
# * The three stages come apart on photographs, too. But no loss asks for a bird's shape: look at
#   every parent.
# * A number without its chance level says little. Print AMI, and a row of dice.
# * Generated pictures have labels and masks: an encoder, a sorter and a segmenter learnt from
#   generated pictures alone.

# %% tags=["nbval-check-output"]
course.progress()
