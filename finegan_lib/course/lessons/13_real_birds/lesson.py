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
# All birds so far were drawn by a program, so we knew the truth about each. This lesson leaves the
# drawn world. The network is called `birds`: a FineGAN of 64 pixels that was trained on
# photographs of 50 species from CUB-200-2011, with boxes and without any label. One command made it
# in an hour on one CPU core.
#
# **You need** lessons {{child}} and {{codes}}; {{training}} for the training, {{discovery}} for the
# scores, {{gallery}} for transfer between drawn birds.
#
# **Afterwards you can** say what a small set of photographs needs, find where such a network fails,
# tell a score from what chance would score, move appearance from one photograph to another, and
# train on photographs of your own.
#
# The lesson runs without any photograph: its network is shipped, its pictures of photographs are
# stored. Where the photographs lie on your disk, it does more. {{runtime}}.

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
# The photographs may not be handed on, so they are not part of this course. The command below
# fetches CUB-200-2011 from its authors' page, checks it, and keeps 50 species at a small size. If
# you want them, run it in a terminal in the folder of the repository (1.2 GB are downloaded).
#
# ```
# python data_scripts/get_cub.py --help          # the options --species and --shrink
# python data_scripts/get_cub.py --species 50 --shrink 152
# ```
#
# Put the folder that it writes into the environment variable `FINEGAN_PHOTOGRAPHS`, or name it
# `data/cub50`.
#
# ## What changes
#
# | | ToyBirds | photographs |
# | --- | --- | --- |
# | how many | as many as we draw | 2,308 in 50 species |
# | shape | five silhouettes, always whole | no two alike; cut by the frame, hidden by leaves |
# | one species | one plumage | male and female, young and old, light and shadow |
# | background | six families | everything outdoors, mostly out of focus |
# | truth | shape, plumage, mask, pose | the species' name and a box |
#
# ### Exercise {{number}}.1 (predict)
#
# The training of `birds` had 8,000 steps of 16 photographs, so it saw each of its 2,100 photographs
# about 60 times. Let such a training go on and on. What goes wrong first, if nothing is done about
# it?
#
# * **(a)** G learns photographs by heart and draws copies of them
# * **(b)** D_c learns photographs by heart: it is sure of those it has seen, and G's slope dies
# * **(c)** nothing: few photographs are the easier task

# %% exercise="1"
### HINT Which of the networks ever sees a photograph?
### HINT Whoever sees one picture sixty times need not understand it to recognise it.
### BEGIN SOLUTION
my_guess = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_guess)

# %% [markdown]
# Three things help, and each is a switch of `python -m finegan_lib train` (`--help` names its
# source):
#
# * **Augmentation of what D judges** (`finegan_lib/systems/augmentation.py`): D never sees a
#   picture as it is, but moved, recoloured, partly covered. Real and drawn pictures are treated
#   alike, and the change can be differentiated, so G still has a slope and does not learn to draw
#   the changes.
# * **Gradient penalties**: D must not be steep at real pictures (R1) or at drawn ones (R2).
# * **Pairs** (the relativistic loss): D need only find the real picture more real than the drawn
#   one.
#
# With `--keep-out 0.1` a tenth of the photographs is never trained on. The log then has D's score
# on both kinds. If D comes to find the trained ones more real than the others, it has begun to
# learn by heart. In the training of `birds` it had not: the page of the shipped networks
# (`finegan_lib/weights/README.md`) has both scores at its end.
#
# ## Stage by stage

# %%
figures.stagewise(generator, columns=6)
plt.show()

# %% [markdown]
# Read it downwards as in lesson {{gallery}}. Ask of each column: would you know the mask alone for
# a bird's? And what does the background know of birds?
#
# ## Any shape with any appearance

# %%
figures.parent_by_child(generator, parents=5, children=7)
plt.show()

# %% [markdown]
# Along a row the shape should stay, down a column the colours. Look for a cell where it does not.
#
# ## Another background
#
# To lay a bird over a background that it was not drawn with, we need what the masks let through.
# `applications.layers` takes generated birds apart in this way, once, and then any bird goes over
# any background for the price of an addition.
#
# ### Exercise {{number}}.2 (debug)
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
rows = [list(drawn.over([i] * 6, range(6))) for i in (0, 2, 4)]
names = [f"p={int(codes.p_index[i])}, c={int(codes.c_index[i])}" for i in (0, 2, 4)]
figures.image_figure(rows, names, None, "Three birds, each over six backgrounds")
plt.show()

# %% [markdown]
# ### Exercise {{number}}.3 (predict)
#
# A classifier has learnt to read the child code from generated birds. It names a bird, and then the
# same bird with another background code $b$. What does the swap change in the bird itself, the
# pixels with $M_c = 1$?
#
# * **(a)** nothing
# * **(b)** its colours, a little: light falls in from the background
# * **(c)** its kind, if the new background belongs to another species

# %% exercise="3"
### HINT Which codes are inputs of the child stage?
### HINT C = M_c F_c + (1 − M_c) P: what is left of P where M_c is 1?
### BEGIN SOLUTION
my_swap = "a"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_swap)

# %% [markdown]
# So the bird stays, but does the *answer*? A reader sees the whole picture, and may have learnt to
# look at the meadow. `evaluate --data` counts how often its answer stays, for FineGAN by swapping
# the code, and for every generator, InfoGAN too, by moving the middle of one picture into the
# surroundings of another. Table 1 below has both where they were measured.
#
# ## How good is it?
#
# The command below needs no truth about shapes; it uses the species' names for scoring only. Look
# at the row of dice first.

# %%
print(lab.committed_scores())

# %%
print(lab.committed_table(1))

# %%
print(lab.committed_table(3))

# %% [markdown]
# Labels by dice know nothing, and yet their NMI is not 0. How far can that go?
#
# ### Exercise {{number}}.4 (explore)
#
# There are 50 species with 46 photographs each. Every photograph gets a label from a die. Find a
# number of sides for which the NMI of these worthless labels is above 0.5. (50 is not enough.)

# %% exercise="4"
### HINT Try twice as many sides, and half as many. Which way does NMI go?
### HINT In the extreme every photograph is a cluster of its own. Is such a clustering pure?
### BEGIN SOLUTION
my_sides = 1600
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_sides)

# %%
print("sides    NMI    AMI")
for sides in (10, 50, 200, 800, 2000):
    found = lab.dice_scores(sides)
    print(f"{sides:5}  {found['nmi']:5.2f}  {found['ami']:5.2f}")

# %% [markdown]
# AMI takes off what dice of the same sizes would score, so dice have 0 whatever their number of
# sides. Compare methods by AMI, with the same number of photographs and of clusters.
#
# **The honest comparison.** Table 3 has a row that the paper does not have: k-means on the features
# of a network that was trained with ImageNet's labels. If you want to sort photographs today, that
# is what you would use, and among ImageNet's thousand classes are dozens of birds. FineGAN was
# told no label. Both facts belong beside the numbers.
#
# ## Where it fails
#
# Every parent in a row. Beside it stand two numbers: how much of its mask is in one piece, and how
# much of the picture's rim it touches. A bird's shape is one piece and touches little; a ribbon
# touches much. Which parents are no birds? Which masks are grey?

# %%
lab.parents_figure(generator)
plt.show()

# %% [markdown]
# Legs and beaks are mostly missing, and some masks are grey: the network is not sure where the bird
# ends. Where a mask is half transparent, colours bleed: the rim of the bird is a mixture of it and
# what is behind.
#
# No loss asks for a bird's shape. The parent is judged by information alone (lesson {{parent}}):
# its masked foreground must tell $p$, and a ribbon tells it as well as a bird does. Only the child
# has to look real, and a child can hide a bad parent by painting it in the colours of the
# background. So look at such a picture after every training of your own.
#
# ## From photograph to photograph
#
# A photograph has no codes. Lesson {{gallery}} searched for them. Here an **encoder** starts the
# search: a network that was trained to read $z, b, p, c$ off generated pictures, where they are
# known (`applications.encoder`). Gradient descent goes on from there for some steps, and a transfer
# takes seconds:
#
# ```
# python -m finegan_lib transfer SHAPE.jpg APPEARANCE.jpg --checkpoint birds --out runs/transfer
# ```

# %%
lab.stored("transfer.png")

# %% [markdown]
# Compare each photograph with its copy, "as painted from its codes". What the generator cannot
# paint, it cannot move. The command also prints a number: in what share of the transfers two
# classifiers, which had no part in making them, read the parent and the child that were wanted, and
# how often that would happen by chance.
#
# ## From bird to bird
#
# Between two birds lie others. $b$, $p$ and $c$ are blended. But $z$ should not go straight:
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
print(
    "lengths of the ends {:.1f} and {:.1f}, halfway: straight {:.1f}, arc {:.1f}".format(*lengths)
)

# %%
lab.stored("strip.png")

# %% [markdown]
# `python -m finegan_lib interpolate A B` draws this strip and an animation, between two photographs
# or between two codes. Its frames lie evenly apart *as pictures*: evenly spaced codes would stand
# still for a while and then jump.
#
# ## Cutting birds out
#
# The network draws each bird with its mask, so it is an endless set of pictures with masks that
# nobody had to draw. A small U-Net learns from such pairs alone, and is then asked about
# photographs (`applications.segment`). With FineGAN's idea later work segments without labels.

# %%
lab.stored("segment.png")

# %% [markdown]
# How good are such masks? On drawn birds the true masks are known, so the overlap can be measured.
#
# ### Exercise {{number}}.6 (debug)
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
# If they lie on your disk, this cell transfers appearance between photographs drawn at random. The
# first time it trains the encoder and two classifiers, unless they are shipped with the network;
# that takes some minutes.

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
# A folder of photographs with one box each is all that is needed:
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
# says what a step takes there. `--resume` goes on after a runtime was taken away.
#
# Some advice from our own trainings. Boxes should leave room for background: where objects fill the
# frame, no patch is free for D_b. Begin with the preset `birds32`, half the side, to see whether
# the masks find the objects. Look at the sample grids, not at the losses: if masks cover everything
# or nothing, stop.
#
# ## What to take along
#
# * Photographs are few, and D learns them by heart; keep some out, and look.
# * The three stages come apart on photographs, too. But information is not shape: look at every
#   parent.
# * A number without its chance level says little. AMI, and a row of dice.
# * Whoever can paint can label: an encoder, a sorter and a segmenter learnt from generated pictures
#   alone.

# %% tags=["nbval-check-output"]
course.progress()
