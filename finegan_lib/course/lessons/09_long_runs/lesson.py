# ---
# jupyter:
#   lesson:
#     title: Long runs
#     part: is it any good?
#     about: "GPU, resuming, speed"
#     question: "How does a run of days survive accidents, and how does a GPU make it short?"
#     afterwards: "resume a run exactly, plan its hours, and use a GPU well"
#     card: "figure = lab.gpu_figure()"
#     t4_seconds: 40
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · Long runs: a GPU, resuming, speed
#
# The paper's training has 442,000 steps. That takes two months on two CPU cores and some hours on a
# GPU, and on a free machine it is cut off several times. This lesson interrupts a run on purpose
# and lets it go on, to the last bit. Then it follows one step onto a GPU, and counts what a whole
# run costs.
#
# **You need** lesson {{training}}: the loop, its optimisers and the average of weights.
#
# **Afterwards you can** say what a checkpoint must hold and why, mend a run that does not resume
# exactly, say which numbers need 32 bits, average gradients over processes, and plan the hours of a
# training before you start it.
#
# {{runtime}}.

# %%
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown

from finegan_lib import training
from finegan_lib.base import checkpoints, errors
from finegan_lib.course import style
from finegan_lib.models import FineGANGenerator
from finegan_lib.training import hash_seed
from finegan_lib.training.presets import PRESETS

lab = course.lab("long_runs")
style.use_style()
temporary = tempfile.TemporaryDirectory()
runs = Path(temporary.name)  # gone when the notebook is closed

# %% [markdown]
# ## A run that can be killed
#
# Machines crash, and Colab disconnects. Most trainers then go on *approximately*. Ours goes on
# **exactly**, to the last bit (on the same CPU). The reason is a single line of the loop: the
# random numbers of step $i$ come from a new generator that is seeded by $(\text{seed}, i)$. No step
# depends on what was drawn before. The order of the images follows from (seed, epoch), their crops
# from (image, epoch).
#
# ### Exercise {{number}}.1 (predict)
#
# What must a checkpoint hold, so that step $i + 1$ comes out the same as if nothing had happened?
#
# * **(a)** the weights of all networks, and $i$
# * **(b)** these, the averaged weights, and the optimisers' moments
# * **(c)** all of (b), and the states of the random number generators

# %% exercise="1"
### HINT Adam divides by a running mean of squared gradients. Where does it live?
### HINT Step i + 1 draws from a generator seeded by (seed, i + 1). Is there a state to be kept?
### BEGIN SOLUTION
my_checkpoint = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_checkpoint)

# %% [markdown]
# Now the experiment: a run of 30 steps, with a checkpoint every 5; the same run, with a power cut
# after step 18, resumed; and once more resumed, from a checkpoint without Adam's moments.

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
# replaced. One trap is left: `final_decay` and `d_noise` depend on the *length* of a run. If you
# resume a finished run with more steps, its schedule changes from there on.
#
# ### Exercise {{number}}.2 (find the mistake): a run that does not resume
#
# Here is a training in six lines: one weight, and noise in place of a batch. Its two curves should
# be one: the second run was stopped at step 60 and resumed. Mend `my_train`, with `hash_seed`.

# %%
lab.resumed_figure(lab.train_with_one_stream)
plt.show()


# %% exercise="2"
def my_train(weight: torch.Tensor, first: int, last: int, seed: int) -> torch.Tensor:
    """The weight (n,) after the steps first, …, last − 1 of a run with this seed."""
    ### HINT Which numbers does step 60 draw in the whole run, and which in the resumed one?
    ### HINT The generator must be made anew inside the loop. Of what must its seed be made?
    ### HINT seed + step is not enough: step 1 of seed 0 would draw what step 0 of seed 1 draws.
    ### BEGIN SOLUTION
    for step in range(first, last):
        rng = torch.Generator().manual_seed(hash_seed(seed, step))
        noise = torch.randn(weight.shape, generator=rng)
        weight = weight - 0.1 * (weight - noise)
    ### INSTEAD
    rng = torch.Generator().manual_seed(seed)
    for _ in range(first, last):
        noise = torch.randn(weight.shape, generator=rng)
        weight = weight - 0.1 * (weight - noise)
    ### END SOLUTION
    return weight


# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_train)

# %% [markdown]
# What if the power fails in the moment in which the checkpoint is written? `save_checkpoint` writes
# a second file, waits until it is on the disk, and then renames it. A rename happens completely or
# not at all. A digest in the header finds a file that the disk has damaged.

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
# not finite, it stops with `TrainingDiverged` and keeps the good files. Here are two accidents: a
# step size that is far too large, and one weight of $G$ that becomes NaN after step 13.

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
# Resuming repairs the second run, because the accident came from outside. It does not repair the
# first: with the same learning rate it would diverge again, to the last bit. Change the recipe.
#
# ## On a GPU
#
# **Mixed precision** (`--precision`; left alone, it is half precision on a GPU and float32 on a
# CPU, see `finegan_lib.speed.devices`). A bfloat16 has float32's exponent and 8 instead of 24 bits
# of mantissa, the hidden first bit included: half the memory traffic, and a GPU's matrix units run
# many times faster on it. `torch.autocast` casts the inputs of convolutions and matrix products;
# weights, gradients and Adam stay in float32. So does every loss (`losses.py` calls `.float()`
# first). Which parts run in which type?

# %% tags=["nbval-check-output"]
kinds = lab.autocast_dtypes(lab.MODEL)
for name in ("Conv2d", "image C", "weights", "loss"):
    print(f"{name:8} {kinds[name]}")

# %% [markdown]
# Why not everything? Predict: a running average in bfloat16 starts at 1, the live weight is 2 and
# $d = 0.999$. Where is it after 3000 steps? (`lab.averaged` is the library's `update_average`.)

# %% tags=["nbval-check-output"]
for dtype in (torch.float32, torch.bfloat16):
    average, live = torch.ones((), dtype=dtype), torch.full((), 2.0, dtype=dtype)
    for _ in range(3000):
        average = lab.averaged(average, live, 0.999)
    print(f"the average in {str(dtype).removeprefix('torch.'):8} is {average.item():.2f}")
step = torch.finfo(torch.bfloat16).eps
print(f"the next bfloat16 after 1 is 1 + {step}: a step of 0.001 is rounded away")

# %% [markdown]
# Adam's small steps would be lost in the same way, and $\log(1 - D)$ where $D$ is near 0. (float16
# has a short *exponent* instead, so gradients underflow and need a loss scale; bfloat16 does not.)
#
# ### Exercise {{number}}.3 (find the mistake): an average that stands still
#
# To save memory, a student keeps the average in the type of the weights that he gets, bfloat16.
# The loss is fine, and the pictures of the average never change. Mend one line.


# %% exercise="3"
def my_long_average(live: torch.Tensor, decay: float) -> torch.Tensor:
    """The running average of one weight's values (steps,), from the first; a number ()."""
    ### HINT A product with 1 − decay = 0.002 changes a number near 1 by how much? eps is 0.0078.
    ### HINT In which dtype is `average` in the first line? Python's decay does not change it.
    ### BEGIN SOLUTION
    average = live[0].float()
    ### INSTEAD
    average = live[0]
    ### END SOLUTION
    for value in live[1:]:
        average = decay * average + (1 - decay) * value
    return average


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_long_average)

# %% [markdown]
# Is bfloat16 quicker? A processor without bfloat16 units would be slower, and stays with float32.
# One that has them is quicker, above all with wide networks. Measured here, on a GPU if there is
# one:

# %%
for precision in ("fp32", "bf16"):
    seconds = lab.step_seconds(lab.tiny_run(1, batch_size=16), precision)
    print(f"{precision}: {1000 * seconds:.0f} ms for a step of the tiny FineGAN")

# %% [markdown]
# **TF32** (`--tf32`, on by itself). On Ampere GPUs and newer, what stays in float32 may use the
# matrix units with 11 bits of mantissa, again with the hidden one.
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
# to 50 ms whatever the precision: Python starts kernels, and the GPU waits. bfloat16 even costs
# time there, because every cast is one kernel more. Recorded, the step at 32 pixels is seven times
# as fast. At 128 pixels there is enough to multiply, so the matrix units help; but without the
# recording they would wait half of the time.
#
# **`torch.compile`** (`--compile`) fuses the small operations between the convolutions (GLU,
# sigmoid, stitching) into one kernel. It needs code that can be traced in one piece, without a look
# at a tensor's value. The generator is such code. Here with the backend that only traces and
# compiles nothing, so the numbers must be the same; on a GPU leave `backend` away and expect a
# minute of compiling:

# %% tags=["nbval-check-output"]
generator = FineGANGenerator(lab.MODEL).eval()
rng = torch.Generator().manual_seed(0)
codes = lab.MODEL.hierarchy().sample(4, lab.MODEL.z_dim, rng=rng)
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
# (`distributed.synchronise_batch_norms`). The second exception is $D_b$.
#
# ### Exercise {{number}}.4 (fill in): a mean over different numbers
#
# $D_b$'s loss is a mean over *background patches*, and every process has another number of them.
# Each process knows the mean over its own patches and how many there are. What is the mean over
# all? (In the library, `losses.background_discriminator_loss` divides by the shared number.)


# %% exercise="4"
def my_shared_mean(means: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """The mean over all patches, (), of the processes' own means (P,) and their numbers (P,)."""
    ### HINT The mean of the means would count a patch more if its process has few of them.
    ### HINT A mean times its number is a sum. Add the sums, and divide by all the patches.
    ### BEGIN SOLUTION
    return (means * counts).sum() / counts.sum()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_shared_mean)

# %% [markdown]
# With both, two processes equal one, up to rounding.
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
# Look at `samples/` after an hour. If the masks are full or empty by then, they will stay so.
#
# ### Exercise {{number}}.5 (explore): a night on a T4
#
# You have one night on a T4, 12 hours, and want all 128 pixels and all 442,000 steps of `cub`. Find
# widths `g_dim` and `d_dim` (multiples of 8 from 8 to 128) with which the run takes **at least 9
# and at most 12 hours** by the estimate above. The paper's own 64 and 64 take 27 hours.
# `lab.night_hours({"g_dim": 64, "d_dim": 64})` counts, in a second.

# %% exercise="5"
### HINT Operations grow with the square of a width. How many of the 27 hours do you have?
### HINT The root of 10/27 is about 0.6. What is 0.6 times 64, as a multiple of 8?
### BEGIN SOLUTION
my_plan = {"g_dim": 40, "d_dim": 40}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_plan)

# %% [markdown]
# ## Recap
#
# * Random numbers from (seed, step), and atomic checkpoints with Adam's moments and the average: a
#   run goes on bit for bit.
# * A NaN stops the run, and the good checkpoint stays.
# * In float32: weights, averages, losses. In bfloat16: convolutions.
# * A small network waits for Python: record the step. A large one waits for its multiplications.
# * Processes may average their gradients where the loss is a mean over images. BatchNorm's
#   statistics and $D_b$'s number of patches are shared.
# * Count before you rent: operations a step, times steps, divided by a *sustained* speed.
#
# **Go on with** `{{image_quality}}_image_quality`: are the pictures any good?

# %% tags=["nbval-check-output"]
course.progress()
