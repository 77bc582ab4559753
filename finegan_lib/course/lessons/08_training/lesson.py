# ---
# jupyter:
#   lesson:
#     title: Training
#     part: is it any good?
#     about: "the loop, its failures"
#     question: "What does the real training loop look like, and how does it fail?"
#     afterwards: "read a training's curves, and recognise a failing one"
#     card: "moments = [176"
#     play: training
#     play_in: "The same picture, tomorrow: an average of weights"
#     t4_seconds: 40
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · Training: the real loop, and how it fails
#
# You know the losses, and you have built the networks. The training loop is still missing. It has
# only a dozen lines, but a mistake in it can waste three days on a GPU. In this lesson you read the
# real trainer of the library, part by part. Then you see five runs with wrong settings, so that you
# can recognise each failure in your own runs.
#
# **You need** lessons {{gan}} to {{child}}.
#
# **Afterwards you can** say which update changes which weights, say why the pictures come from an
# average, read the curves of a run, and recognise five failures. Lesson {{long_runs}} shows how to
# continue a run after a power cut, and what a GPU changes.
#
# {{runtime}}.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown
from torch import nn

from finegan_lib import losses, training
from finegan_lib.course import style
from finegan_lib.figures import image_figure, show
from finegan_lib.models.blocks import Encoder
from finegan_lib.systems import FineGANSystem

lab = course.lab("training")
style.use_style()
temporary = tempfile.TemporaryDirectory()
runs = Path(temporary.name)  # gone when the notebook is closed

# %% [markdown]
# ## One loop for all
#
# GAN, InfoGAN and FineGAN are trained by the same function, `finegan_lib.training.train`. It does
# not depend on the model. It fetches a batch, calls the *system* for one step, and stores the
# losses. The next cell prints its source from the library:

# %%
print(lab.excerpt(training.train, "for batch in stop.until", 12))

# %% [markdown]
# (`stop` checks for Ctrl-C between two steps. `hard` has a section of its own below. Lesson
# {{long_runs}} explains `hash_seed` and `distributed`.) Each family has its own step, in
# `finegan_lib/systems/`. This is FineGAN's step:

# %%
print(lab.excerpt(FineGANSystem.step, "n, device =", 7))
print("\n# and learn:\n")
print(lab.excerpt(FineGANSystem.learn, "fake =", 6))

# %% [markdown]
# The order is: codes, fakes, $D_b$, $D_c$, then $G$, and at last the average. (The lines for
# contrast and restarts belong to switches that are off here.) Note three things.
#
# **The fakes are generated once.** $D_b$ and $D_c$ see them detached. Then $G$ is updated through
# the same pictures, because their graph still exists. In this way, $G$ runs once in a step and not
# twice. $D$ is updated **first**, so $G$ learns from a critic that has just been updated. In the
# other order, $G$ would learn from a critic that is one step old.
#
# **Every weight belongs to one optimiser.** There are four optimisers (Adam, $\beta = (0.5,
# 0.999)$). In $G$'s update, gradients must flow *through* $D$ to the pictures, but the update must
# not change the weights that $D$ uses for real/fake. The function `systems.frozen` prevents this.
#
# **Not every network may share a pass.** $D_b$ and $D_c$ see real pictures and generated ones, in
# one pass or in two. One pass is faster. If a network computes every image separately, the result
# is the same. $D_b$ has no BatchNorm, so it gets both batches at once (`torch.cat` in
# `update_d_background`). With spectral normalisation, $D_c$'s trunk gets both batches at once, too.
# The paper's $D_c$ has BatchNorm. In one pass, its means and variances would mix real and generated
# pictures. For this reason, the convolutions share a pass, but every BatchNorm sees the two batches
# one after the other (`Encoder.each`).
#
# ### Exercise {{number}}.1 (predict)
#
# $D_c$ has a trunk (the convolutions) and two heads: real/fake, and the code reader $Q(c|x)$. The
# generator's update minimises $L_b + L_p + L_c$. Which weights of $D_c$ does this update change?
#
# * **(a)** none: it is the generator's update
# * **(b)** the code head alone
# * **(c)** the code head and the trunk

# %% exercise="1"
### HINT The information loss is minimised by G and by Q together. D_c's real/fake game is not.
### HINT In `FineGANSystem.__init__`, look for the optimiser "info" and for the owner of the trunk.
### BEGIN SOLUTION
my_weights = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_weights)

# %% [markdown]
# The next cell tests this with a tiny FineGAN: 3 parents, 6 children, 32 pixels. `lab.who_moves`
# does the updates of one step, one after the other. It compares every weight before and after each
# update.

# %%
config = lab.tiny_run(1)
system = training.build_system(config)
birds = training.build_dataset(config, progress=False)
moved = lab.who_moves(system, birds.batch(range(8)))
table = np.array([list(row.values()) for row in moved.values()])
figure, axis = plt.subplots(figsize=(8, 2.9), layout="constrained")
axis.imshow(table, cmap="Blues", vmax=1.6, aspect="auto")
for i, j in np.argwhere(table):
    axis.text(j, i, "moves", ha="center", va="center", fontsize=9)
axis.set(xticks=range(table.shape[1]), yticks=range(len(moved)), yticklabels=list(moved))
axis.set_xticklabels(list(next(iter(moved.values()))), rotation=25, ha="right")
axis.set(xlabel="weights", ylabel="update", title="Whose weights does each update move?")
plt.show()

# %% tags=["nbval-check-output"]
print("no weight is moved twice in a step:", (table.sum(0) <= 1).all())
print("moved by no update:", [name for name in lab.parts(system) if not any(
    row[name] for row in moved.values())])  # fmt: skip
calls = []
system.generator.register_forward_hook(lambda *_: calls.append(1))
system.step(birds.batch(range(8)), torch.Generator().manual_seed(0))
print("G runs in one step:", len(calls), "time")
print("weights owned by each optimiser:", lab.owned(system))

# %% [markdown]
# No update changes $D_p$'s real/fake head. There are no real parent images, so no loss uses this
# head. It exists because the authors' network has it. $D_c$'s trunk learns from real/fake alone.
# Its code head must use these features, so the *generator* must make the code visible in them.
#
# The next cell tests the shared pass. A trunk gets eight real pictures, once alone and once
# together with eight grey ones:

# %% tags=["nbval-check-output"]
real = birds.batch(range(8)).child_crop
company = torch.cat([real, torch.zeros_like(real)])
for norm in ("none", "batch"):
    trunk = Encoder(real.shape[-1], 8, norm)
    same = torch.allclose(trunk(real), trunk(company)[: len(real)], atol=1e-4)
    print(f"norm={norm}: the same features alone and in a batch: {same}")

# %% [markdown]
# ### Exercise {{number}}.2 (find the mistake): logits that depend on the other pictures
#
# A student wants to save time. In the student's code, the paper's $D_c$, which has BatchNorm, gets
# both batches in one pass. The logits of the *same* eight photographs should not depend on the
# generated pictures. The figure should show a horizontal line. It does not:

# %%
lab.company_figure(lab.one_pass)
plt.show()

# %% [markdown]
# The photographs are always the same, but their logits change with the other pictures in the batch.
# In this way, $D$ can lower its loss by a comparison of the two halves of a batch. In $G$'s update
# there is no real picture in the batch, so the same $D$ gives other logits there. Correct the
# function. Keep the order of the two results.


# %% exercise="2"
def my_verdicts(d_child, real: torch.Tensor, fake: torch.Tensor):
    """D_c's logits of real pictures (N, 3, S, S) and of generated ones: two tensors (N,)."""
    ### HINT BatchNorm takes its mean over the whole batch that it is given. What is in this batch?
    ### HINT Call d_child twice, with one kind of pictures each.
    ### BEGIN SOLUTION
    return d_child(real), d_child(fake)
    ### INSTEAD
    logits = d_child(torch.cat([real, fake]))
    return logits[: len(real)], logits[len(real) :]
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_verdicts)

# %% [markdown]
# ## The same picture, tomorrow: an average of weights
#
# $G$'s weights change in every step, and the picture of one code changes with them. It does not
# become better in every step. For this reason, a second generator slowly follows the first one:
#
# $$\bar\theta_n = d\,\bar\theta_{n-1} + (1 - d)\,\theta_n.$$
#
# It averages over about $1/(1-d)$ steps (1000 for the paper's $d = 0.999$) and has no gradient.
# After the training, we keep this second generator: all pictures of this course come from
# $\bar\theta$. The library computes it in `systems.update_average`, weight by weight.
#
# ### Exercise {{number}}.3 (fill in): the running average


# %% exercise="3"
def my_average(average: torch.Tensor, live: torch.Tensor, decay: float) -> torch.Tensor:
    """The new average, of the same shape; ``decay`` near 1 is a long memory."""
    ### HINT With decay = 1 the average never changes. With decay = 0 it is the live weight.
    ### HINT Two products and a sum: the decay is the factor of the old average.
    ### BEGIN SOLUTION
    return decay * average + (1 - decay) * live
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_average)

# %% [markdown]
# The next cell trains one run for the whole lesson: 200 steps, ten to twenty seconds. `lab.play` is
# the loop above without its folder. (A test checks that both give the same weights.) The `Album`
# keeps pictures of both generators every four steps, always of the same codes.

# %%
moments = [176, 180, 184, 188, 192, 196, 200]
sizes = {"g_dim": 8, "d_dim": 16}
config = lab.tiny_run(200, model=sizes, recipe={"final_decay": 0.0}, batch_size=16)
hierarchy = config.model.hierarchy()
z = torch.randn(3, config.model.z_dim, generator=torch.Generator().manual_seed(3))
album = lab.Album(moments, hierarchy.codes(z, [0, 2, 4]))
healthy = lab.play(config, album)

# %% [markdown]
# After 200 steps there is no bird yet. For this reason, a longer training was **recorded**: the
# recipe of the preset `toy`, in a world of three shapes and six species. Its pictures are stored
# with the course. The cell prints its number of steps, and the command that made it. Each pair of
# rows shows one bird. In the middle of the training, the two rows differ. At the end, the learning
# rate falls to 0, and the rows agree. The last four columns are four steps apart. The number below
# the figure belongs to the run of 200 steps.

# %%
film = course.recorded("training", "album")
title = "Two birds of the live generator and of its average (recorded)"
image_figure(film.pictures, film.rows, film.columns, title, 0.72)
plt.show()

# %% tags=["nbval-check-output"]
restless = lab.restlessness(album.live) / lab.restlessness(album.average)
print("from one picture to the next the live ones change 1.5 times as much:", restless > 1.5)

# %% [markdown]
# The average has a disadvantage. It starts at the *initial* weights. After $n$ steps, their share
# is $d^n$. It is still 37 % at $n = 1/(1-d)$. In a run of 442,000 steps this does not matter. In a
# run of minutes, the pictures would still show noise. The switch `ema_warmup` solves this: in step
# $n$ the decay is $\min\bigl(d, \tfrac{1+n}{10+n}\bigr)$ (`systems.follow`).

# %% tags=["nbval-check-output"]
share = {}
for warm in (False, True):
    recipe = replace(lab.RECIPE, ema_decay=0.999, ema_warmup=warm)
    share[warm] = lab.initial_share(300, recipe)[-1].item()
print(f"initial weights in the average after 300 steps: {share[False]:.0%} without warm-up,")
print("with it less than a millionth:", share[True] < 1e-6)

# %% [markdown]
# ### Exercise {{number}}.4 (find the mistake): an average with bad pictures
#
# The average generates in evaluation mode, where BatchNorm uses its *running* mean and variance. A
# student wrote the update below. The loss curves are normal, and the live generator's images are
# good. The lower row shows the images of the average, which is the generator that we keep. (This is
# recorded, too, at the end of the longer training.)

# %%
kept = course.recorded("training", "kept")
image_figure(kept.pictures, kept.rows, kept.columns, "What is trained, and what is kept", 0.9)
plt.show()


# %% exercise="4"
@torch.no_grad()
def my_follow(average: nn.Module, live: nn.Module, decay: float) -> None:
    """One step of the average behind the live network: ``average`` is changed in place."""
    ### HINT A network has parameters, and something more. Print [*live.buffers()].
    ### HINT The running statistics must come from the live network, copied or averaged.
    ### HINT A second loop over zip(average.buffers(), live.buffers()), with kept.copy_(new).
    for kept, new in zip(average.parameters(), live.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
    ### BEGIN SOLUTION
    for kept, new in zip(average.buffers(), live.buffers(), strict=True):
        kept.copy_(new)
    ### INSTEAD
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_follow)

# %% [markdown]
# The authors' code copies the running statistics from the live network. In a short run, these
# statistics do not fit the averaged weights well. For this reason, our `ema_buffers` averages the
# statistics, too.
#
# ## Reading the curves
#
# Every run writes the file `history.jsonl`, one line of JSON every `log_every` steps. (It writes
# the same for TensorBoard: `tensorboard --logdir runs`.) The next cell runs three steps of the real
# trainer and prints the last line:

# %%
training.train(lab.tiny_run(3), runs / "short", progress=False)
print((runs / "short" / "history.jsonl").read_text().splitlines()[-1].replace(', "', ',\n "'))

# %% [markdown]
# `background` and `child` are $G$'s losses in the two games against $D_b$ and $D_c$. `pull`,
# `binary` and `area` are the mask terms of lessons {{parent}} and {{child}}. `area_p` and `area_c`
# are not losses. They are the mean areas of $M_p$ and $M_c$.
#
# Before you read a curve, you must know two levels. The first is the value of a network that has
# learnt nothing: there the curve *starts*. The second is the best possible value.
#
# | curve | has learnt nothing | perfect |
# | --- | --- | --- |
# | `D_c`, hinge loss | 2 | 0 |
# | `D_c`, BCE | $\log 4 = 1.39$ | 0 |
# | `child`, $G$'s side, BCE | $\log 2 = 0.69$ | 0; with the hinge loss it has no bounds |
# | `parent_info`, `child_info` | *exercise {{number}}.5* | 0 |
# | `area_p`, `area_c` | | the birds' share of a crop, about a fifth |
#
# ### Exercise {{number}}.5 (predict)
#
# On CUB there are $N_p = 20$ parents. Suppose that the generator ignores the code $p$ completely.
# $D_p$ must still predict it. What is the lowest possible value of `parent_info`, $-\mathbb{E}[\log
# Q(p|x)]$?
#
# * **(a)** 0: there is nothing to learn
# * **(b)** $1/20 = 0.05$
# * **(c)** $\log 20 = 3.00$

# %% exercise="5"
### HINT If a picture does not show p, the best answer is: all parents are equally likely.
### HINT Then Q(p|x) = 1/20 for every p. Put this into −log Q.
### BEGIN SOLUTION
my_level = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_level)

# %% [markdown]
# The next figure shows the run of 200 steps from above. The curves are smoothed, and the levels of
# the table are dashed.


# %%
def level(axis, height, text, top, up=3):
    """A dashed line for what knows nothing, and room above it up to ``top``."""
    axis.axhline(height, ls="--", color=style.GREY, lw=1)
    axis.set_ylim(top=top)
    axis.annotate(text, (0.98, height), (0, up), xycoords=("axes fraction", "data"),
                  textcoords="offset points", ha="right", fontsize=8, color=style.GREY)  # fmt: skip


curves = {name: lab.smooth(values) for name, values in healthy.history.items()}
figure, axes = plt.subplots(1, 3, figsize=(9.6, 3.1), layout="constrained")
panels = [("D_c", "child"), ("parent_info", "child_info"), ("area_p", "area_c")]
titles = ["the game: no loss runs away", "information: below log N", "masks: inside the band"]
units = ["loss", "loss, nats", "mean mask area"]
for axis, names, title, unit in zip(axes, panels, titles, units, strict=True):
    for name, colour, dashes in zip(names, (style.REAL, style.FAKE), ("-", "-."), strict=True):
        axis.plot(curves[name], dashes, color=colour, label=name)
    axis.set(xlabel="step", ylabel=unit, title=title)
    axis.legend(fontsize=8, loc="upper right")
level(axes[0], 2.0, "hinge loss of a blind D", 3)
level(axes[1], np.log(3), "log 3", 2.8)
level(axes[1], np.log(6), "log 6", 2.8)
axes[2].axhspan(0.1, 0.5, color=style.SKY, alpha=0.2)
axes[2].set_ylim(0, 1)
plt.show()

# %% tags=["nbval-check-output"]
end = {name: float(curve[-1]) for name, curve in curves.items()}
print("D_c neither blind nor perfect:", 0.5 < end["D_c"] < 1.95)
print("the parent code is read:", end["parent_info"] < 0.5 * np.log(3))
print("the child code is read:", end["child_info"] < 0.5 * np.log(6))
print("the masks keep to their range:", all(0.1 < end[name] < 0.5 for name in panels[2]))

# %% [markdown]
# * **The losses of the game do not fall.** $D$ and $G$ work against each other. If a curve stays
#   constant, both networks may be improving. Here, the loss of $D_c$ soon leaves the level of a
#   network that has learnt nothing, and then goes up and down. (Its task also becomes easier: the
#   noise on its inputs, `d_noise`, falls to 0 by the end of a run.) A curve that goes steadily to 0
#   or to large values is a sign of failure.
# * **Information falls** from $\log N$ towards 0. This shows that the code is *readable*. It does
#   not show that the code is a bird's shape.
# * **Areas** give the earliest warning. They show a failure within the first hundred steps.
# * No curve shows whether the pictures are good. Look at `samples/`.
#
# ## A gallery of failures
#
# The next figure shows the recorded healthy run from above, and five runs with a few wrong
# settings. Each was **recorded** until its failure was visible. Its number of steps is beside the
# row. (The networks of these five are a little wider than those of the live runs below, and their
# batches are larger.) The first four pictures of a row belong to one bird. Then there are two
# pictures for each of the three parents. Compare the rows. Which of the five failures would you
# *not* notice in the curves? Answer before you read the table below the figure.

# %%
names = ["healthy", "masks_full", "masks_empty", "d_too_strong", "mode_collapse", "code_ignored"]
rows = [course.recorded("training", name) for name in names]
image_figure(
    [row.pictures[0] for row in rows],
    [f"{row.rows[0]},\n{row.steps} steps" for row in rows],
    rows[0].columns,
    "A healthy run, and five that are not (recorded)",
    0.72,
)
plt.show()

# %%
Markdown(lab.failure_table())

# %% [markdown]
# (`slower_d` is the learning rate of the discriminators, divided by that of $G$; the paper has 1.
# The exact settings are in `lab.FAILURES`.) The next cell trains the five, and a healthy run of
# their size, **live**, with 100 steps each. This is too short for birds, but long enough for the
# curves. The curves of the healthy run are blue. In mode collapse, `D_c` stays at 2, the level of a
# network that has learnt nothing, because $D$ learns too slowly. But `D_c` would also stay at 2 if
# the generated pictures were perfect. Only the pictures show *what* went wrong. For this reason,
# the fourth panel has no curve: it shows how much the mean colour varies between pictures.

# %%
wrecks = {f.name: lab.wreck(f, 100) for f in (lab.HEALTHY, *lab.FAILURES)}

# %%
figure, axes = plt.subplots(1, 5, figsize=(10.6, 2.8), layout="constrained")
telltales = ["area_c", "area_c", "D_c", "", "child_info"]
for axis, failure, name in zip(axes, lab.FAILURES, telltales, strict=True):
    good, bad = wrecks["healthy"], wrecks[failure.name]
    if name:
        axis.plot(lab.smooth(good.history[name]), color=style.REAL)
        axis.plot(lab.smooth(bad.history[name]), "--", color=style.FAKE)
        axis.set(xlabel="step", ylabel=name)
    else:
        axis.bar(
            ["healthy", "collapsed"], [good.variety, bad.variety], color=[style.REAL, style.FAKE]
        )
        axis.set(ylabel="sd of the mean colour", xlabel="run")
    axis.set_title(failure.name)
for axis in axes[:2]:
    axis.set_ylim(0, 1)
axes[2].set_ylim(0, 2.1)
axes[4].axhline(np.log(6), ls=":", color=style.GREY, label="log 6")
axes[4].set_ylim(0, 2.4)
axes[4].legend(fontsize=8, loc="lower left")
figure.suptitle("How to recognise each: healthy (blue), spoilt (orange, dashed)")
plt.show()

# %% tags=["nbval-check-output"]
last = {
    run: {name: sum(values[-15:]) / 15 for name, values in wrecks[run].history.items()}
    for run in wrecks
}
print("masks full: ", last["masks full"]["area_c"] > 0.75)
print("masks empty:", last["masks empty"]["area_c"] < 0.1)
print("D too strong:", last["D too strong"]["D_c"] < 0.5 * last["healthy"]["D_c"])
print("collapsed: D_c stays near 2:", last["mode collapse"]["D_c"] > 1.7)
print("collapsed: ", wrecks["mode collapse"].variety < 0.6 * wrecks["healthy"].variety)
print("code ignored:", last["code ignored"]["child_info"] > 0.85 * np.log(6))
print("code read when healthy:", last["healthy"]["child_info"] < 0.5 * np.log(6))

# %% [markdown]
# In *code ignored*, the readers have their own Adam, and Adam's steps do not depend on a constant
# factor in the loss. For this reason, the readers learn as before. But the information has only a
# weight of 1/1000 in the *generator's* loss, so the generator does not make the code visible.
#
# A sixth failure, **birds in the background**, has its cause in the data: without boxes, patches
# with feathers count as real background for $D_b$, and $G_b$ learns to generate feathers. Lesson
# {{background}} shows such pictures. The next cell counts the patches that would have a wrong
# label.

# %% tags=["nbval-check-output"]
boxes, geometry = birds.batch(range(400)).box, system.d_background.geometry
covered = 1 - losses.background_patch_weights(boxes, geometry).mean()
forgotten = losses.background_patch_weights(torch.zeros_like(boxes), geometry)
print("without boxes every patch passes for background:", bool((forgotten == 1).all()))
print("more than a third of them touch a bird's box:", bool(covered > 1 / 3))

# %% [markdown]
# ### Exercise {{number}}.6 (explore): save the masks
#
# Start from *masks full* (`mask_bias` 2, `mask_area` 0, `mask_pull` 2, `mask_binary` 3,
# `information_weight` 1) and change as few settings as you can. After 40 steps, the child masks
# must cover between a tenth and a half of the picture. Each check trains a network, which takes two
# seconds. Your answer is a dictionary of the settings that you change.

# %% exercise="6"
### HINT Which setting determines the size of the masks at the start? sigmoid(2) = 0.88.
### HINT The term mask_area needs many steps. A better start needs none.
### HINT Try a mask_bias a little below 0. Too far below, and you get the second failure.
### BEGIN SOLUTION
my_rescue = {"mask_bias": -0.5}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_rescue)

# %% [markdown] tags=["solution"]
# *Discussion.* `mask_area` alone changes the masks in the right direction, but a weight of 20 is
# too small for 40 steps. A `mask_binary` of 3 works against it: a mask on its way from 1 to 0 must
# pass 1/2, where $M(1-M)$ is largest. `mask_pull` only makes the two masks agree, even if both are
# full.

# %% [markdown]
# ## Hard negatives: the last 1,500 steps
#
# The paper's training has a short second part (supplementary material, section 7.2). In every
# second step of this part, the codes are not 16 random ones. The library samples 160 codes and
# keeps the 16 that $D_c$ reads **worst**, those with the smallest
#
# $$\log Q(c \,|\, M_c F_c), \qquad c \text{ the sampled code.}$$
#
# The library does this in `FineGANSystem.hard_codes`. The setting `hard_steps` switches it on.
#
# ### Exercise {{number}}.7 (fill in): the hardest of the pool


# %% exercise="7"
def my_hardest(log_q: torch.Tensor, n: int) -> torch.Tensor:
    """Rows (n,) of the n images that are read worst, the worst first; log_q (N,) = log Q(c | x)."""
    ### HINT If an image is read badly, is log Q large or small?
    ### HINT `argsort` gives the rows from the smallest entry up. How many do you need?
    ### BEGIN SOLUTION
    return log_q.argsort()[:n]
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.7", my_hardest)

# %% [markdown]
# The next figure shows the choice from a pool of the recorded healthy run, after its last step. The
# pictures are masked foregrounds on grey, the input of the reader. After this training, $D_c$ reads
# nearly all of them with a probability near 1. The hardest are only a little less certain.

# %%
film = course.recorded("training", "hard")
figure = plt.figure(figsize=(9.2, 3), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.5])
axis = left.subplots()
bins = np.geomspace(1e-5, 10, 25)
for name, label, colour in (("all", "all 160", style.SKY), ("picked", "the 16 picked", style.FAKE)):
    axis.hist(np.clip(film.curves[name], 1e-5, 10), bins, color=colour, label=label)
axis.set(xlabel="$-$log Q(c | masked child), nats", ylabel="images", xscale="log")
axis.margins(y=0.35)  # room for the legend
axis.legend(loc="upper right")
for half, name, images in zip(right.subfigures(1, 2), film.rows, film.pictures, strict=True):
    for cell, image in zip(half.subplots(4, 4).flat, images, strict=True):
        show(cell, image)
        cell.set_axis_off()
    half.suptitle(f"the 16 {name}", fontsize=10)
figure.suptitle("Hard negatives: what D_c reads worst (recorded)")
plt.show()

# %% [markdown]
# The next cell shows the same for the live run of 200 steps, in numbers:

# %%
pool = lab.hard_pool(healthy.system, n=16)
surprise, easiest = -pool.log_q, pool.log_q.argsort(descending=True)[:16]

# %% tags=["nbval-check-output"]
print("images in the pool:", len(pool.log_q), " picked:", len(pool.picked))
others = torch.ones(160, dtype=torch.bool).index_fill(0, pool.picked, False)
print("every one is read worse than all others:",
      bool(pool.log_q[pool.picked].max() <= pool.log_q[others].min()))  # fmt: skip
print("the easiest are read without a doubt:", bool(surprise[easiest].max() < 0.1))

# %% [markdown]
# Hard negatives improve pictures that are nearly right. But children that are hard to read are then
# sampled too often. For this reason, hard negatives are used only in every second step, and only at
# the end.
#
# ## Two recipes side by side
#
# The preset `toy` trains in minutes on a CPU. (The network `toy` of the lessons so far was made
# with the preset `toy64`. Its pictures have twice the side, and it was trained for longer.) The
# preset `cub` is the paper's. The next cell compares the two in `finegan_lib.training.presets` and
# lists all settings in which they differ.

# %%
Markdown(lab.preset_table("toy", "cub"))

# %% [markdown]
# Many of these differences solve a problem of small trainings. With a recipe near the paper's,
# $D_c$ became too strong within minutes, and the masks filled the picture: the third and the first
# failure of the gallery. For this reason, `toy` has spectral normalisation, the hinge loss, noise
# for $D$, and the switches for the masks. Later we added `view`, `mask_lean` and `free_child`, so
# that $p$ determines the shape and nothing else (lesson {{codes}}). The paper trains for 442,000
# steps with 64 channels, and does not need these additions. All are options. The command `python -m
# finegan_lib train --help` lists them with their units.
#
# ## Recap
#
# * There is one loop, and each system has its own step. First $D$ is updated, then $G$ on the same
#   fakes. Every weight belongs to one optimiser, and the code heads are updated together with $G$.
# * Batches may share a pass only if the network computes every image separately. With BatchNorm it
#   does not.
# * The pictures come from a running average of $G$'s weights. Its BatchNorm statistics must follow,
#   too. Short runs need a warm-up of the average.
# * In a healthy run, the losses of the game stay near their level, information falls from $\log N$,
#   and areas stay within their range. No curve shows mode collapse.
# * Hard negatives: at the end, every second step uses the codes that $D_c$ reads worst.
#
# **Continue with** `{{long_runs}}_long_runs`: a run of days, on a GPU.

# %% tags=["nbval-check-output"]
course.progress()
