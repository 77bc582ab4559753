# ---
# jupyter:
#   lesson:
#     title: Training
#     part: is it any good?
#     about: "the loop, its failures"
#     question: "What does the real training loop look like, and how does it fail?"
#     afterwards: "run, resume and read a training, and recognise a failing one"
#     card: "moments = [176"
#     play: training
#     play_in: "The same picture, tomorrow: an average of weights"
#     t4_seconds: 60
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · Training: the real loop, and how it fails
#
# The losses are understood, the networks are built. What is left is a loop of a dozen lines, and it
# decides whether three days on a GPU end in birds or in grey. This lesson takes the real trainer
# of the library apart, cuts its power, throws a NaN at it, and then ruins five runs on purpose, so
# that you know each failure when you meet it.
#
# **You need** lessons {{gan}} to {{child}}.
#
# **Afterwards you can** say which update moves which weights, why the pictures come from an
# average, what a checkpoint must hold, read the curves of a run, name five failures by their look,
# and plan a training on a GPU.
#
# {{runtime}}.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from finegan_lib import losses, training
from finegan_lib.base import checkpoints, errors
from finegan_lib.course import style
from finegan_lib.figures import image_figure, show
from finegan_lib.models.blocks import Encoder
from finegan_lib.systems import FineGANSystem
from finegan_lib.training.presets import PRESETS

lab = course.lab("training")
style.use_style()
temporary = tempfile.TemporaryDirectory()
runs = Path(temporary.name)  # gone when the notebook is closed

# %% [markdown]
# ## One loop for all
#
# GAN, InfoGAN and FineGAN are trained by the same function, `finegan_lib.training.train`. It knows
# nothing of birds or codes: it fetches a batch, asks the *system* for one step, and writes down
# what came of it. Here it is, read from the library as it stands:

# %%
print(lab.excerpt(training.train, "for batch in stop.until", 12))

# %% [markdown]
# (`stop` hears Ctrl-C between two steps; `hash_seed` and `hard` get sections of their own below,
# and `distributed` matters when several processes train together, near the end.) What one step
# *is*, each family says for itself, in `finegan_lib/systems.py`. FineGAN's:

# %%
print(lab.excerpt(FineGANSystem.step, "n, device =", 7))
print("\n# and learn:\n")
print(lab.excerpt(FineGANSystem.learn, "fake =", 6))

# %% [markdown]
# Codes, fakes, $D_b$, $D_c$, then $G$; at last the average follows. (Contrast and restarts are
# switches that stay off here.) Three things are easy to miss.
#
# **The fakes are drawn once.** $D_b$ and $D_c$ see them detached; then $G$ is updated through the
# very same pictures, whose graph is still there. So $G$ runs once a step and not twice. And $D$
# goes **first**: what $G$ hears about its pictures is the verdict of a critic that has just looked
# at them, and at real ones. The other way round it would follow advice that is one step old.
#
# **Everybody owns some weights.** Four optimisers (Adam, $\beta = (0.5, 0.999)$) share the
# networks. While $G$ learns, gradients must flow *through* $D$ to the pictures, and yet not one
# weight of $D$'s judgement may move; `systems.frozen` sees to that.
#
# **Not everybody may share a pass.** $D_b$ and $D_c$ see real pictures and drawn ones: in one pass
# or in two? One is quicker, and where a network works out every image by itself, nothing changes.
# So $D_b$, which has no BatchNorm, gets both at once (`torch.cat` in `update_d_background`), and so
# does $D_c$'s trunk with spectral normalisation. With BatchNorm, as in the paper's $D_c$, means and
# variances would be taken over real and drawn together, and each picture would be judged by the
# company it keeps. There the convolutions may share a pass, but every BatchNorm sees the batches
# one by one (`Encoder.each`).
#
# ### Exercise {{number}}.1 (predict)
#
# $D_c$ has a trunk (the convolutions), and on it two heads: real/fake, and the code reader
# $Q(c|x)$. The generator's update minimises $L_b + L_p + L_c$. Which weights of $D_c$ does it move?
#
# * **(a)** none: it is the generator's update
# * **(b)** the code head alone
# * **(c)** the code head and the trunk on which it stands

# %% exercise="1"
### HINT The information loss is minimised by G and by Q together. D_c's real/fake game is not.
### HINT In `FineGANSystem.__init__`, look for the optimiser "info", and at who owns the trunk.
### BEGIN SOLUTION
my_weights = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_weights)

# %% [markdown]
# Now the truth, from a tiny FineGAN: 3 parents, 6 children, 32 pixels. `lab.who_moves` does the
# updates of one step one after the other and compares every weight before and after.

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
print("moved by nobody:", [name for name in lab.parts(system) if not any(
    row[name] for row in moved.values())])  # fmt: skip
calls = []
system.generator.register_forward_hook(lambda *_: calls.append(1))
system.step(birds.batch(range(8)), torch.Generator().manual_seed(0))
print("G runs in one step:", len(calls), "time")
print("weights owned by each optimiser:", lab.owned(system))

# %% [markdown]
# $D_p$'s real/fake head is moved by nobody: a parent image has no real counterpart, so no loss
# reads it. It is there because the authors' network has it. $D_c$'s trunk learns from real/fake
# alone; its code head must make do with those features, and *asks the generator* to make the code
# visible in them.
#
# And the shared pass? Eight real pictures, once alone and once with eight grey ones beside them:

# %% tags=["nbval-check-output"]
real = birds.batch(range(8)).child_crop
company = torch.cat([real, torch.zeros_like(real)])
for norm in ("none", "batch"):
    trunk = Encoder(real.shape[-1], 8, norm)
    same = torch.allclose(trunk(real), trunk(company)[: len(real)], atol=1e-4)
    print(f"norm={norm}: the same features alone and in company: {same}")

# %% [markdown]
# ## The same picture, tomorrow: an average of weights
#
# The two players chase each other, so $G$'s weights never rest. The picture of one code changes
# from step to step, and not only for the better. So a second generator trails behind the first:
#
# $$\bar\theta_n = d\,\bar\theta_{n-1} + (1 - d)\,\theta_n.$$
#
# It remembers about $1/(1-d)$ steps (1000 for the paper's $d = 0.999$), never has a gradient, and
# is the one that is kept: all pictures of this course come from $\bar\theta$. In the library it is
# `systems.update_average`, weight by weight.
#
# ### Exercise {{number}}.2 (fill in): the running average


# %% exercise="2"
def my_average(average: torch.Tensor, live: torch.Tensor, decay: float) -> torch.Tensor:
    """The new average, of the same shape; ``decay`` near 1 is a long memory."""
    ### HINT With decay = 1 the average never changes. With decay = 0 it is the live weight.
    ### HINT Two products and a sum: the decay belongs to what is remembered.
    ### BEGIN SOLUTION
    return decay * average + (1 - decay) * live
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_average)

# %% [markdown]
# One run now for the whole lesson: 200 steps, ten to twenty seconds. `lab.play` is the loop
# above without its folder (a test makes sure that the weights come out the same). The `Album`
# photographs both generators every four steps, always with the same codes.

# %%
moments = [176, 180, 184, 188, 192, 196, 200]
sizes = {"g_dim": 8, "d_dim": 16}
config = lab.tiny_run(200, model=sizes, recipe={"final_decay": 0.0}, batch_size=16)
hierarchy = config.model.hierarchy()
z = torch.randn(3, config.model.z_dim, generator=torch.Generator().manual_seed(3))
album = lab.Album(moments, hierarchy.codes(z, [0, 2, 4]))
healthy = lab.play(config, album)
rows = [[shots[m][i] for m in moments] for i in range(2) for shots in (album.live, album.average)]
names = ["live $\\theta$", "average $\\bar\\theta$"] * 2
image_figure(
    rows,
    names,
    [f"step {m}" for m in moments],
    "The live weights fidget, their average strolls",
    0.72,
)
plt.show()

# %% tags=["nbval-check-output"]
restless = lab.restlessness(album.live) / lab.restlessness(album.average)
print("from one photograph to the next the live pictures change 1.5 times as much:", restless > 1.5)

# %% [markdown]
# There is a price. The average starts at the *initial* weights and clings to them: after $n$ steps
# their share is $d^n$, still 37 % at $n = 1/(1-d)$. In a run of 442,000 steps nobody notices. In a
# run of minutes one looks at noise. Hence `ema_warmup`: in step $n$ the decay is
# $\min\bigl(d, \tfrac{1+n}{10+n}\bigr)$ (`systems.follow`).

# %%
figure, axis = plt.subplots(figsize=(6, 2.9), layout="constrained")
ways = {"$d$ = 0.999, from the start": (False, style.FAKE, "--")}
ways["$d$ = 0.999 with ema_warmup"] = (True, style.REAL, "-")
share = {}
for name, (warm, colour, dashes) in ways.items():
    recipe = replace(lab.RECIPE, ema_decay=0.999, ema_warmup=warm)
    share[warm] = lab.average_decays(3000, recipe).cumprod(0)
    axis.plot(range(1, 3001), share[warm], dashes, color=colour, label=name)
axis.set(xlabel="step $n$", ylabel="share of the initial weights", xscale="log")
axis.set_title("How long the average remembers how it was born")
axis.legend()
plt.show()

# %% tags=["nbval-check-output"]
print(f"initial weights in the average after 300 steps: {share[False][299]:.0%} without warm-up,")
print("with it less than a millionth:", bool(share[True][299] < 1e-6))

# %% [markdown]
# BatchNorm's running statistics are not weights, and the authors' code copies them from the live
# network. Averaged weights with somebody else's statistics fit badly in a short run, so
# `ema_buffers` averages them, too.
#
# ## A run that can be killed
#
# Machines go down, Colab disconnects. Most trainers then go on *somehow*. Ours goes on **exactly**,
# to the last bit (on one and the same CPU), and the idea is a single line of the loop: the random
# numbers of step $i$ come from a fresh generator that is seeded by $(\text{seed}, i)$. No step
# depends on what was drawn before. The order of the images follows from (seed, epoch), their crops
# from (image, epoch).
#
# ### Exercise {{number}}.3 (predict)
#
# What must a checkpoint hold, so that step $i + 1$ comes out the same as if nothing had happened?
#
# * **(a)** the weights of all networks, and $i$
# * **(b)** these, the averaged weights, and the optimisers' moments
# * **(c)** all of (b), and the states of the random number generators

# %% exercise="3"
### HINT Adam divides by a running mean of squared gradients. Where does it live?
### HINT Step i + 1 draws from a generator seeded by (seed, i + 1). Is there a state to be kept?
### BEGIN SOLUTION
my_checkpoint = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_checkpoint)

# %% [markdown]
# Let us pull the plug. A run of 30 steps, with a checkpoint every 5; the same run, with a power cut
# after step 18, resumed; and once more resumed, from a checkpoint whose Adam has lost its memory.

# %%
config = lab.tiny_run(30, checkpoint_every=5, keep=9)
whole = training.train(config, runs / "whole", progress=False)
with lab.accident(18, lab.power_cut):
    try:
        training.train(config, runs / "cut", progress=False)
    except KeyboardInterrupt:
        last = checkpoints.checkpoint_path(runs / "cut")
lab.forget_moments(last, runs / "forgetful", config)
again, forgetful = (
    training.train(config, runs / name, resume=True, progress=False)
    for name in ("cut", "forgetful")
)

# %% tags=["nbval-check-output"]
print("the power went at step 18, the newest checkpoint was", last.name)
print("resumed, all weights equal to the last bit:", lab.same_weights(whole, again))
print("without Adam's moments:", lab.same_weights(whole, forgetful))
losses_of = [(runs / name / "history.jsonl").read_text().count("\n") for name in ("whole", "cut")]
print("lines in the two histories:", *losses_of)

# %% [markdown]
# Steps 16, 17 and 18 were done twice, with the same outcome; their lines in the history were
# replaced. One trap is left: `final_decay` and `d_noise` depend on the *length* of a run. Whoever
# resumes a finished run "for a bit longer" has another schedule from there on.
#
# And if the power goes in the very moment in which the checkpoint is written? `save_checkpoint`
# writes a file beside it, waits until the disk has it, and then renames: a rename happens or does
# not. A digest in the header catches what the disk itself spoils.

# %% tags=["nbval-check-output"]
file = runs / "precious.safetensors"
checkpoints.save_checkpoint(file, {"weight": torch.ones(1000)}, step=1)
with mock.patch("os.replace", side_effect=KeyboardInterrupt):  # the power goes just before it
    try:
        checkpoints.save_checkpoint(file, {"weight": torch.zeros(1000)}, step=2)
    except KeyboardInterrupt:
        print("power cut while writing step 2")
state, facts = checkpoints.load_checkpoint(file)
print("still there: step", facts["step"], "and whole:", bool((state["weight"] == 1).all()))
file.write_bytes(file.read_bytes()[:-100])
try:
    checkpoints.load_checkpoint(file)
except errors.InputError:
    print("cut off by 100 bytes: refused")

# %% [markdown]
# ## A run that stops in time
#
# A NaN spreads: from one weight to one layer, and after a step of Adam to the whole network. The
# training checks every loss that it logs, and every weight before it writes a checkpoint. If one is
# not finite, it stops with `TrainingDiverged` and does not replace good files by bad ones. Two
# accidents: a step size that is far too large; and one weight of $G$, which becomes NaN after
# step 13.

# %%
absurd = lab.tiny_run(30, recipe={"learning_rate": 1e20})
try:
    training.train(absurd, runs / "absurd", progress=False)
except errors.TrainingDiverged as error:
    print("1.", lab.first_sentences(error, runs))
with lab.accident(13, lab.cosmic_ray):
    try:
        training.train(config, runs / "struck", progress=False)
    except errors.TrainingDiverged as error:
        print("2.", lab.first_sentences(error, runs))

# %% tags=["nbval-check-output"]
print("newest good checkpoint:", checkpoints.checkpoint_path(runs / "struck").name)
healed = training.train(config, runs / "struck", resume=True, progress=False)
print("resumed after the cosmic ray, equal to the run without:", lab.same_weights(whole, healed))

# %% [markdown]
# The cosmic ray heals by resuming: it was not the run's fault. The learning rate does not: resumed,
# it would diverge again, to the last bit. There one must change the recipe.
#
# ## Reading the curves
#
# Every run leaves `history.jsonl`, one line of JSON every `log_every` steps (and the same for
# TensorBoard: `tensorboard --logdir runs`). A line of ours:

# %%
print((runs / "whole" / "history.jsonl").read_text().splitlines()[-1].replace(', "', ',\n "'))

# %% [markdown]
# `background` and `child` are $G$'s side of the two games, against $D_b$ and $D_c$; `pull`,
# `binary` and `area` are the mask terms of lessons {{parent}} and {{child}}; `area_p` and `area_c`
# are no losses, but the mean areas of $M_p$ and $M_c$.
#
# Before one reads a curve, one must know where it *starts*: what a network scores that knows
# nothing.
#
# | curve | knows nothing | perfect |
# | --- | --- | --- |
# | `D_c`, hinge loss | 2 | 0 |
# | `D_c`, BCE | $\log 4 = 1.39$ | 0 |
# | `child`, $G$'s side, BCE | $\log 2 = 0.69$ | 0; under hinge it has no bounds |
# | `parent_info`, `child_info` | *exercise {{number}}.4* | 0 |
# | `area_p`, `area_c` | | the birds' share of a crop, a fifth or so |
#
# ### Exercise {{number}}.4 (predict)
#
# On CUB there are $N_p = 20$ parents. $D_p$ is asked for the code, and the generator ignores it
# altogether. What does `parent_info`, $-\mathbb{E}[\log Q(p|x)]$, read at best?
#
# * **(a)** 0: there is nothing to be learnt
# * **(b)** $1/20 = 0.05$
# * **(c)** $\log 20 = 3.00$

# %% exercise="4"
### HINT The best that a reader can say of a picture that shows nothing: every parent is as likely.
### HINT Then Q(p|x) = 1/20, whatever p was. Put that into −log Q.
### BEGIN SOLUTION
my_level = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_level)

# %% [markdown]
# Here is the run of 200 steps from above, smoothed, with those levels dashed.


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
titles = ["the game: nobody runs away", "information: below log N", "masks: inside the band"]
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
# * **The game has no downhill.** $D$ and $G$ pull at the same rope: a curve that stays where it is
#   may well mean that both are getting better. Here $D_c$ soon leaves the level of the blind, and
#   from then on it wavers. (Its task grows easier, too: the noise on what it judges, `d_noise`,
#   falls to 0 by the end of a run.) Trouble is a curve that *runs away*.
# * **Information falls** from $\log N$ towards 0. It says that the code is *readable*, not that it
#   is a bird's shape.
# * **Areas** are the earliest warning of all: they tell in the first hundred steps.
# * And no curve tells whether the pictures are good. Look at `samples/`.
#
# ## A gallery of failures
#
# Five runs, each with a few settings spoilt, 100 steps each. That is too short for birds, in the
# healthy run, too; but there the masks are neither full nor empty, and the pictures differ from one
# another. Compare row by row. Before you read on: which of the five would you *not* notice in the
# curves?

# %%
wrecks = {f.name: lab.wreck(f, 100) for f in (lab.HEALTHY, *lab.FAILURES)}
columns = ["B", "$M_p$", "P", "$M_c$", *(f"C, p={p}" for p in (0, 0, 1, 1, 2, 2))]
image_figure(
    [lab.portrait(run.generator) for run in wrecks.values()],
    list(wrecks),
    columns,
    "A healthy run after 100 steps, and five that are not",
    0.72,
)
plt.show()

# %%
Markdown(lab.failure_table())

# %% [markdown]
# (The exact settings are in `lab.FAILURES`.) Now the curves that tell, against the healthy run's
# (blue). In mode collapse `D_c` stays at the level of the blind, 2, for $D$ is asleep; but there it
# would stay before perfect pictures, too. *What* went wrong only samples show: measured here by how
# much the mean colour varies between pictures.

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
figure.suptitle("What gives each away: healthy (blue), spoilt (orange, dashed)")
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
# A word on *code ignored*. The readers own their weights and their own Adam, which is deaf to a
# factor in the loss: at a thousandth of the weight they read as hard as ever. It is the *generator*
# that no longer cares to be read. A code is a conversation.
#
# The sixth classic, **birds in the background**, has its cause in the data: without boxes, $D_b$
# takes patches with feathers for real background, and teaches $G_b$ to paint feathers. Lesson
# {{background}} shows what it looks like. How many patches would be mislabelled?

# %% tags=["nbval-check-output"]
boxes, geometry = birds.batch(range(400)).box, system.d_background.geometry
covered = 1 - losses.background_patch_weights(boxes, geometry).mean()
forgotten = losses.background_patch_weights(torch.zeros_like(boxes), geometry)
print("without boxes every patch passes for background:", bool((forgotten == 1).all()))
print("more than a third of them touch a bird's box:", bool(covered > 1 / 3))

# %% [markdown]
# ### Exercise {{number}}.5 (explore): save the masks
#
# Start from *masks full* (`mask_bias` 2, `mask_area` 0, `mask_pull` 2, `mask_binary` 3,
# `information_weight` 1) and change as little as you can, so that after 40 steps the child masks
# cover between a tenth and a half of the picture. Each check trains a network: it takes two
# seconds. Answer with a dictionary of the settings that you change.

# %% exercise="5"
### HINT Which setting decides where the masks are *born*? sigmoid(2) = 0.88.
### HINT A push (mask_area) needs time. A better start needs none.
### HINT Try a mask_bias a little below 0. Too far below, and you get the second failure.
### BEGIN SOLUTION
my_rescue = {"mask_bias": -0.5}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_rescue)

# %% tags=["solution"] [markdown]
# *Discussion.* `mask_area` alone pulls in the right direction, at 20 too slowly for 40 steps; a
# `mask_binary` of 3 holds against it, since a mask on its way from 1 to 0 must pass 1/2, where
# $M(1-M)$ is largest. Early on, a soft mask is a free one. `mask_pull` only makes the two masks
# agree, full ones, too.

# %% [markdown]
# ## Hard negatives: the last 1,500 steps
#
# When the paper's training is done, it goes on a little with a difference (supplementary material,
# section 7.2): in every second step the codes are not 16 random ones but the 16 of 160 that $D_c$
# reads **worst**, those with the smallest
#
# $$\log Q(c \,|\, M_c F_c), \qquad c \text{ the code that was drawn.}$$
#
# In the library: `FineGANSystem.hard_codes`, switched on by `hard_steps`.
#
# ### Exercise {{number}}.6 (fill in): the hardest of the pool


# %% exercise="6"
def my_hardest(log_q: torch.Tensor, n: int) -> torch.Tensor:
    """Rows (n,) of the n images that are read worst, the worst first; log_q (N,) = log Q(c | x)."""
    ### HINT Read badly: is log Q large or small then?
    ### HINT `argsort` gives the rows from the smallest entry up. How many do you need?
    ### BEGIN SOLUTION
    return log_q.argsort()[:n]
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_hardest)

# %% [markdown]
# What does it pick from the healthy run's pool? (Its $D_c$ reads six children after 200 steps;
# masked foregrounds on grey, as the reader gets them.)

# %%
pool = lab.hard_pool(healthy.system, n=16)
figure = plt.figure(figsize=(9.2, 3), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.5])
axis = left.subplots()
surprise, bins = -pool.log_q, np.geomspace(1e-5, 10, 25)
axis.hist(surprise.clamp(min=1e-5), bins, color=style.SKY, label="all 160")
axis.hist(surprise[pool.picked], bins, color=style.FAKE, label="the 16 picked")
axis.set(xlabel="$-$log Q(c | masked child), nats", ylabel="images", xscale="log")
axis.margins(y=0.35)  # room for the legend
axis.legend(loc="upper right")
easiest = pool.log_q.argsort(descending=True)[:16]
shown = {"hardest": pool.picked, "easiest": easiest}
for half, (name, rows) in zip(right.subfigures(1, 2), shown.items(), strict=True):
    for cell, row in zip(half.subplots(4, 4).flat, rows, strict=True):
        show(cell, pool.images[row])
        cell.set_axis_off()
    half.suptitle(f"the 16 {name}", fontsize=10)
figure.suptitle("Hard negatives: what D_c cannot read")
plt.show()

# %% tags=["nbval-check-output"]
print("images in the pool:", len(pool.log_q), " picked:", len(pool.picked))
others = torch.ones(160, dtype=torch.bool).index_fill(0, pool.picked, False)
print("every one is read worse than all others:",
      bool(pool.log_q[pool.picked].max() <= pool.log_q[others].min()))  # fmt: skip
print("the easiest are read without a doubt:", bool(surprise[easiest].max() < 0.1))

# %% [markdown]
# Mining sharpens what is nearly right, and it biases: children that are hard to read come up too
# often, for good. Hence only every second step, and only at the end.
#
# ## Two recipes side by side
#
# `toy` trains in minutes on a CPU (the trained network of the lessons so far is `toy64`: the same
# at twice the size, and trained for longer); `cub` is the paper's. The table is computed from
# `finegan_lib.training.presets`: all settings in which they differ.

# %%
Markdown(lab.preset_table("toy", "cub"))

# %% [markdown]
# Read it as a diary of what went wrong. When the toy was built, near the paper's recipe $D_c$ won
# within minutes and the masks filled the picture: the first and the third failure of the gallery.
# Hence spectral normalisation, hinge loss, noise for $D$, and the switches that keep the masks in
# order; later `view`, `mask_lean` and `free_child`, so that $p$ is a shape and nothing else (lesson
# {{codes}}). With 442,000 steps and 64 channels the paper gets by without. All are options;
# `python -m finegan_lib train --help` lists them with their units.
#
# ## On a GPU
#
# **Mixed precision** (`--precision`; left alone, it is half precision on a GPU and float32 on a
# CPU, see `finegan_lib.speed.devices`). A bfloat16 has float32's exponent and 8 instead of 24 bits
# of mantissa: half the memory traffic, and a GPU's matrix units run many times faster on it.
# `torch.autocast` casts the inputs of convolutions and matrix products; weights, gradients and Adam
# stay in float32. So does every loss (`losses.py` calls `.float()` first). Where does what run?

# %% tags=["nbval-check-output"]
kinds = lab.autocast_dtypes(lab.MODEL)
for name in ("Conv2d", "image C", "weights", "loss"):
    print(f"{name:8} {kinds[name]}")

# %% [markdown]
# Why not everything? Predict: a running average in bfloat16 starts at 1, the live weight is 2 and
# $d = 0.999$. Where is it after 3000 steps?

# %% tags=["nbval-check-output"]
for dtype in (torch.float32, torch.bfloat16):
    average, live = torch.ones((), dtype=dtype), torch.full((), 2.0, dtype=dtype)
    for _ in range(3000):
        average = lab.averaged(average, live, 0.999)
    print(f"the average in {str(dtype).removeprefix('torch.'):8} is {average.item():.2f}")
step = torch.finfo(torch.bfloat16).eps
print(f"the next bfloat16 after 1 is 1 + {step}: a step of 0.001 is rounded away")

# %% [markdown]
# The same would befall Adam's small steps, and $\log(1 - D)$ where $D$ is near 0. (float16 has a
# short *exponent* instead, so gradients underflow and need a loss scale; bfloat16 does not.) Does
# it pay? A processor without bfloat16 units would be slower, and stays with float32; one that has
# them is quicker, and the more so the wider the network. Measured here, on a GPU if there is one:

# %%
for precision in ("fp32", "bf16"):
    seconds = lab.step_seconds(lab.tiny_run(1, batch_size=16), precision)
    print(f"{precision}: {1000 * seconds:.0f} ms for a step of the tiny FineGAN")

# %% [markdown]
# **TF32** (`--tf32`, on by itself). On Ampere GPUs and newer, what stays in float32 may use the
# matrix units with 10 bits of mantissa.
#
# **CUDA graphs** (`--cuda-graphs`, on by themselves). A step of FineGAN is well over a thousand
# small programs ("kernels") that Python starts on the GPU one after the other. What the step *says*
# is the same every time; only the batch, the codes, the random numbers and the step sizes change.
# So `devices.RecordedUpdates` lets Python go through a step once, while the GPU takes notes, and
# from then on one call replays them all, on whatever lies in the noted places. Predict: at 32
# pixels a step took 43 ms on an H100, kernel by kernel. How long does the replay take? And where
# does recording gain less: at 32 pixels or at 128?

# %%
figure = lab.gpu_figure()
plt.show()

# %% [markdown]
# (`python -m finegan_lib bench gpu` measured it, for batches of 16; yours is another card.) From
# top to bottom, each bar has one option more. Kernel by kernel the small networks take the same 30
# to 50 ms whatever the precision: that is Python, starting kernels, while one of the quickest chips
# there are waits. bfloat16 even costs time there, for every cast is a kernel more. Recorded, the
# step at 32 pixels is seven times as fast. At 128 pixels there is enough to multiply, so the matrix
# units show; and yet without the recording they would idle half of the time.
#
# **`torch.compile`** (`--compile`) fuses the small operations between the convolutions (GLU,
# sigmoid, stitching) into one kernel. It needs code that can be traced in one piece, without a look
# at a tensor's value. The generator is such code. Here with the backend that only traces and
# compiles nothing, so the numbers must be the same; on a GPU leave `backend` away and expect a
# minute of compiling:

# %% tags=["nbval-check-output"]
generator = healthy.system.average
codes = hierarchy.sample(4, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
traced = torch.compile(generator, backend="eager", fullgraph=True)
with torch.no_grad():
    same = torch.allclose(traced(codes).child.image, generator(codes).child.image, atol=1e-5)
print("traced in one piece, same picture:", same)

# %% [markdown]
# **Several GPUs.** `torchrun --nproc-per-node 2 -m -- finegan_lib train …` starts the training once
# per GPU. Each process has all weights and half of the batch, and after each backward pass the
# gradients are averaged (*all-reduce*, `distributed.average_gradients`). The loss is a mean over
# images, and the mean of the halves' means is the whole's:
#
# $$\nabla \tfrac{1}{16} \sum_{i=1}^{16} \ell_i
# = \tfrac12 \Bigl( \nabla \tfrac18 \sum_{i=1}^{8} \ell_i
# + \nabla \tfrac18 \sum_{i=9}^{16} \ell_i \Bigr).$$
#
# Is that so? Two real processes on this CPU, talking through gloo, each with half of one batch;
# $D_c$ once with spectral normalisation and once, as in the paper, with BatchNorm. (The helper,
# `lab.gradients_of_two_processes`, is thirty lines and leaves out what `train` adds.)

# %%
together = lab.gradients_of_two_processes()
alone = {norm: lab.gradient(norm, slice(None)) for norm in together}

# %% tags=["nbval-check-output"]
for norm in together:
    same = torch.allclose(together[norm], alone[norm], rtol=1e-4, atol=1e-5)
    print(f"{norm:8} two processes with half a batch = one with all of it: {same}")

# %% [markdown]
# BatchNorm is the exception: it normalises by the mean and variance of *its* half, so the loss is
# no sum over images. So under torchrun `train` lets the processes share these two numbers
# (`distributed.synchronise_batch_norms`). A second exception hides in $D_b$: its real/fake loss is
# divided by the number of background patches in the batch, and the halves have different numbers of
# them; they share that number, too. With both, two processes equal one, up to rounding.
#
# ## How long will it take?
#
# Count before you rent. PyTorch counts the operations of a step on the *meta* device, where tensors
# have shapes but no numbers, in a second and without the memory:

# %%
half = {"image_size": 64, "g_dim": 32, "d_dim": 32}
plans = {"cub": PRESETS["cub"]}
plans["cub, 64 pixels, half width"] = replace(
    plans["cub"], model=replace(plans["cub"].model, **half)
)
speeds = lab.sustained_speeds()  # TFLOP/s
lines = [f"| preset | TFLOP a step | steps | {' | '.join(speeds)} |", "| --- " * 7 + "|"]
totals = {}
for name, plan in plans.items():
    totals[name] = sum(lab.step_flops(plan).values()) / 1e12
    hours = [totals[name] * plan.loop.steps / speed / 3600 for speed in speeds.values()]
    cells = " | ".join(f"{h:,.1f} h" if h < 1000 else f"{h:,.0f} h" for h in hours)
    lines.append(f"| {name} | {totals[name]:.4f} | {plan.loop.steps:,} | {cells} |")
Markdown("\n".join(lines))

# %% tags=["nbval-check-output"]
print("a step of cub costs more than 1 TFLOP:", totals["cub"] > 1)
parts = lab.step_flops(plans["cub"])
share = (parts["draw fakes"] + parts["update G"]) / sum(parts.values())
print("more than 3/4 of it is drawing fakes and updating G:", share > 0.75)

# %% [markdown]
# **These hours are estimates**: the operations are counted, and divided by the *sustained* speed of
# whole steps of `cub`. Those of the CPU and of the H100 were measured (`bench step`, `bench gpu`);
# the T4 and the A100 are taken to reach the same share of what their makers print as the H100 does,
# about a tenth (`bench gpu-model`): BatchNorm, Adam and all else that moves numbers without
# multiplying them has its part. Narrower networks reach less. Time 100 steps on your machine
# (`images_per_s` in the history) and multiply.
#
# On Colab, with CUB-200-2011 on your Drive, start with the second row of the table, and let the run
# be cut off as often as Colab likes; `--resume` needs the same command and nothing else:
#
# ```
# python -m finegan_lib train --preset cub --data drive/MyDrive/CUB_200_2011 \
#     --image-size 64 --g-dim 32 --d-dim 32 --workers 2 \
#     --run drive/MyDrive/finegan/half --checkpoint-every 1000 --resume
# ```
#
# (A T4 has no matrix units for bfloat16, so "auto" takes float16 there, and scales the losses.)
# Look at `samples/` after an hour. If the masks are full or empty by then, they will still be
# tomorrow.
#
# ## Recap
#
# * One loop; a system says what a step is. $D$ first, then $G$ on the same fakes; every weight has
#   one owner, and the code heads belong to $G$'s side.
# * The pictures come from a running average of $G$'s weights. Warm it up in short runs.
# * Random numbers from (seed, step), atomic checkpoints with Adam's moments: a run goes on bit for
#   bit.
# * Curves: in the game nobody runs away, information falls from $\log N$, areas keep to their
#   range. Mode collapse is in no curve.
# * In float32: weights, averages, losses. In bfloat16: convolutions.
# * Batches may share a pass, and processes may average their gradients, where every image is worked
#   out by itself. With BatchNorm it is not: so it sees real and drawn apart, and processes share
#   its statistics.
#
# **Go on with** `{{image_quality}}_image_quality`: are the pictures any good?

# %% tags=["nbval-check-output"]
course.progress()
