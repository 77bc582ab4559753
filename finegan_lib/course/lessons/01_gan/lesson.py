# ---
# jupyter:
#   lesson:
#     title: GAN
#     part: the ancestors
#     about: "painter and critic"
#     question: "How can a network learn to paint when nobody tells it the faults of a picture?"
#     afterwards: "write down the game, and see saturation and mode collapse"
#     card: "ring_gan(keep="
#     play: gan
#     play_in: "The best discriminator there is"
#     t4_seconds: 40
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · GAN: learning to paint from a critic
#
# Think of a painter who never sees a painting, and a critic who never paints. The critic looks at
# one picture at a time. Some pictures come from a museum, some from the painter, and the critic
# says which is which. The painter learns only *how a small change of the picture would change the
# critic's answer*. This is enough: a network can learn to paint in this way. FineGAN is built on
# it, and this lesson explains it.
#
# **You need** lesson {{start_here}} and derivatives. You should have trained a network in PyTorch
# before.
#
# **Afterwards you can** write down the two-player game and its losses, say why people minimise
# another loss than the formula's, recognise a mode collapse, and compute the best possible
# discriminator.
#
# {{runtime}}.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

from finegan_lib import losses
from finegan_lib.course import sliders, style
from finegan_lib.course.lessons import shared_lab

lab = course.lab("gan")
style.use_style()

# %% [markdown]
# ## The game
#
# A **generative model** is a probability distribution $q(x)$. It should equal the distribution
# $p_\text{data}(x)$ of the data. There are two kinds. An **explicit** model gives $q(x)$ as a
# formula, for example a Gaussian. It can compute how probable a picture is, and its
# training makes the data more probable. An **implicit** model only *samples*: it turns a random $z$
# into a picture, and nobody can compute $q(x)$. A GAN is implicit. Its training cannot use the
# probability of the data. It needs another idea: compare generated pictures with real ones.
#
# The generator $G$ turns noise $z$ into a point $G(z)$. The discriminator $D$ gives every point a
# probability $D(x)$ of being real. Both networks change the same number: $D$ makes it large, $G$
# makes it small.
#
# $$\min_G \max_D V(D, G) = \mathbb{E}_{x \sim p_\text{data}}[\log D(x)]
# + \mathbb{E}_{z}[\log(1 - D(G(z)))].$$
#
# ($\mathbb{E}$ is the mean over the sampled points: $x$ from the data, $z$ from the noise.)
# Look at the two terms: $\log D(x)$ is large (near 0) if $D$ calls real points real, and $\log(1 -
# D(G(z)))$ is large if $D$ calls fakes fake. $D$ makes both terms large, $G$ makes the second term
# small. (One of the slides has $\log(1 - \log D)$ in FineGAN's background loss. This is a writing
# error: $\log D$ is negative, so $1 - \log D$ is more than 1 and no probability. The term would
# grow without limit as $D \to 0$. The formula above is the right one; see lesson {{background}}.)
#
# A network gives a **logit** $s$, any real number, and $D = \sigma(s) = 1/(1 + e^{-s})$. All our
# losses take logits, because the form $\log \sigma(s) = -\mathrm{softplus}(-s)$ never computes
# $\log 0$:

# %% tags=["nbval-check-output"]
sure = torch.tensor(-200.0)
print("log σ(−200), in two steps:", sure.sigmoid().log().item())
print("log σ(−200), by softplus: ", -F.softplus(-sure).item())
unsure = torch.zeros(5)
print(f"D's loss if it always says 1/2: {losses.discriminator_loss(unsure, unsure):.3f} = log 4")

# %% [markdown]
# ### Exercise {{number}}.1 (fill in): D's loss
#
# $D$ maximises $V$, but an optimiser minimises. Therefore the loss is $-V$. The library's version,
# which every model of this course uses, is `losses.discriminator_loss`. Your result must have the
# right gradients, too.


# %% exercise="1"
def my_discriminator_loss(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """−E[log D(x)] − E[log(1 − D(G(z)))] with D = σ(logit); a scalar to be minimised."""
    ### HINT 1 − σ(s) = σ(−s).
    ### HINT `F.softplus(-s)` is −log σ(s). Which one is −log(1 − σ(s))?
    ### HINT Two terms: softplus(−real) and softplus(fake), each averaged over its batch.
    ### BEGIN SOLUTION
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_discriminator_loss)

# %% [markdown]
# ## Let them play
#
# Our real data form a ring of eight Gaussians in the plane. In this way we can see every point.
# Both players are small networks. In one round, $D$ takes a step on its loss, and then $G$ takes a
# step on its loss. The whole game is a loop of twenty lines, `shared_lab.train_gan`. Please read it
# once, with `shared_lab.train_gan??`. Note the `.detach()`: in $D$'s step, no gradient goes through
# the fakes to $G$. (`blur` and `extra` do nothing yet.) The real training of FineGAN has the same
# structure.
#
# A **mode** is one of the eight Gaussians. Its fair share is an eighth of the points. A mode counts
# as *found* if at least a quarter of this share lies within three widths of its centre
# (`lab.modes_found`). This number says nothing about points *between* the modes. For this reason,
# each title also gives the share of all points that lie in a mode (`lab.mode_shares`). For real
# points, this share is nearly 100 %.

# %%
moments = [100, 300, 700, 1500]
snapshots, generator, discriminator = lab.ring_gan(keep=range(50, 1501, 50))
figure, axes = plt.subplots(1, 4, figsize=(9.6, 3.9), layout="constrained", sharey=True)
for axis, moment in zip(axes, moments, strict=True):
    lab.draw_ring(axis, snapshots[moment], f"round {moment}: {lab.found(snapshots[moment])}")
axes[0].set_ylabel("$x_2$")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
figure.suptitle("The generator finds the ring")
plt.show()

# %% [markdown]
# In a running notebook, this slider goes through the whole training.

# %%
sliders.slide(lambda moment: lab.ring_figure(snapshots, moment), "round", sorted(snapshots), 50)

# %% [markdown]
# Nobody told the generator the number of the modes or their places. It learnt both from one source:
# the gradient of $D$ at its own points. It has not finished. It has found all eight modes, but many
# points lie between two modes, and no real point lies there.
#
# ## Two losses for the generator
#
# By the formula, $G$ minimises $\mathbb{E}[\log(1 - D(G(z)))]$, the **minimax** loss
# (`losses.minimax_generator_loss`). In practice nearly everybody minimises $-\mathbb{E}[\log
# D(G(z))]$, the **non-saturating** loss (`losses.non_saturating_generator_loss`). Both losses fall
# as $D(G(z))$ rises. But a training step depends on the gradient of a loss, not on its value. The
# derivatives of the two losses by the logit $s$ of one fake point are
#
# $$\frac{\partial}{\partial s} \log(1 - \sigma(s)) = -\sigma(s) = -D,
# \qquad
# \frac{\partial}{\partial s} \bigl(-\log \sigma(s)\bigr) = \sigma(s) - 1 = -(1 - D).$$
#
# ### Exercise {{number}}.2 (predict)
#
# Early in training the fakes are poor, and $D$ recognises them: $D(G(z)) = 0.001$. By how much is
# the gradient of the non-saturating loss larger than that of the minimax loss?
#
# * **(a)** not at all: both are equal, because both losses have the same aim
# * **(b)** about twice as large
# * **(c)** about a thousand times as large

# %% exercise="2"
### HINT The size of the derivative by the logit is D for the minimax loss and 1 − D for the
###      non-saturating loss.
### HINT Their ratio is (1 − D)/D.
### BEGIN SOLUTION
my_ratio = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_ratio)

# %% [markdown]
# ### Exercise {{number}}.3 (fill in): the non-saturating loss


# %% exercise="3"
def my_generator_loss(fake_logits: torch.Tensor) -> torch.Tensor:
    """−E[log D(G(z))] with D = σ(logit); a scalar to be minimised."""
    ### HINT It is the first term of exercise {{number}}.1, with the fakes in place of the real
    ###      points.
    ### HINT −log σ(s) = softplus(−s), then the mean.
    ### BEGIN SOLUTION
    return F.softplus(-fake_logits).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_generator_loss)

# %% [markdown]
# The left figure shows the derivatives of the library's two losses, computed by autograd. The right
# figure shows the effect in a real network. Here only $D$ learns, and the generator keeps its
# initial weights. After every twenty steps of $D$ we measure the gradient by the generator's
# weights.

# %%
logits = torch.linspace(-8, 8, 81)
counts, fooled, pulls = lab.pull_while_d_learns()
colours = {"minimax": style.FAKE, "non-saturating": style.REAL}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for name, colour in colours.items():
    dashes = "--" if name == "minimax" else "-"
    left.plot(logits, lab.pull_by_logit(name, logits), dashes, color=colour, label=name)
    right.plot(counts, pulls[name], dashes, color=colour, label=name)
left.set(xlabel="logit $s$ of a fake point", ylabel=r"$|\partial\,$loss$\,/\,\partial s|$")
left.set_title("Left of 0, D recognises the fake")
right.set(xlabel="moves of D alone", ylabel="gradient norm at G's weights", yscale="log")
right.set_title("A better D leaves minimax a smaller gradient")
left.legend(loc="center left")
right.legend(loc="lower left")
plt.show()

# %% tags=["nbval-check-output"]
weaker = pulls["non-saturating"][-1] / pulls["minimax"][-1]
print("D recognises the fakes:", fooled[-1] < 0.05)
print("the gradient of minimax is at least 20 times smaller:", weaker > 20)
logit = torch.tensor(0.3, requires_grad=True)
both = (losses.minimax_generator_loss, losses.non_saturating_generator_loss)
slopes = [torch.autograd.grad(loss(logit), logit)[0].item() for loss in both]
print("descending either loss raises D(G(z)):", max(slopes) < 0)

# %% [markdown]
# This is **saturation**: the minimax loss is nearly flat where the fakes are worst, and there the
# generator must learn most. For this reason, $G$ uses the non-saturating loss in the rest of this
# course and in FineGAN.
#
# ## The best discriminator there is
#
# Keep $G$ fixed. Its points have a density $q$, and the data have the density $p$. We can maximise
# the value
#
# $$V = \int p(x) \log D(x) + q(x) \log(1 - D(x)) \, dx$$
#
# at each $x$ separately. At one $x$, $p$ and $q$ are two fixed numbers. Set the derivative by $D$
# to zero: $p/D - q/(1 - D) = 0$. Solve this for $D$. (The derivative falls as $D$ rises, so the
# solution is a maximum.)
#
# ### Exercise {{number}}.4 (fill in): D*
#
# The library's version is `lab.optimal_discriminator`.


# %% exercise="4"
def my_best_d(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """The D in [0, 1] that maximises p log D + q log(1 − D), for densities of the same shape."""
    ### HINT From p/D = q/(1 − D) follows p (1 − D) = q D.
    ### HINT Collect D: p = (p + q) D.
    ### BEGIN SOLUTION
    return p / (p + q)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_best_d)

# %% [markdown]
# Does a *trained* network come close to $D^*$? We test this on a line, with two Gaussians whose
# densities we know. The network never sees a density. It sees only points, and for each point the
# label *real* or *fake*.

# %%
x = torch.linspace(-4, 5, 181)
data, model = (0.0, 1.0), (1.5, 0.7)
p, q = (shared_lab.gaussian_density(x, *shape) for shape in (data, model))
best = lab.optimal_discriminator(p, q)
learnt = lab.trained_discriminator(data, model)(x[:, None])[:, 0].sigmoid().detach()
figure, axis = plt.subplots(figsize=(6.4, 3.3), layout="constrained")
axis.fill_between(x, p, color=style.REAL, alpha=0.25, label="density of the data, $p$")
axis.fill_between(x, q, color=style.FAKE, alpha=0.25, label="density of the fakes, $q$")
axis.plot(x, best, color="black", lw=2, label="$D^* = p/(p+q)$")
axis.plot(x, learnt, "--", color=style.GREEN, lw=2, label="trained D")
axis.set(xlabel="x", ylabel="D(x), or density", title="A trained D finds the ratio of densities")
axis.set_ylim(0, 1.45)
axis.legend(loc="upper right", ncols=2, fontsize=8)
plt.show()

# %% tags=["nbval-check-output"]
seen = p + q > 0.02
print(
    "trained D within 0.1 of D* where there are points:",
    ((learnt - best)[seen].abs() < 0.1).all().item(),
)
same = lab.optimal_discriminator(p, p)
print("if the fakes are perfect, D* is 1/2:", torch.allclose(same, torch.tensor(0.5)))
print(f"and the value of the game is {2 * np.log(0.5):.3f}, minus log 4")

# %% [markdown]
# In a running notebook, move the generator's mean (both Gaussians have the same width here). When
# both means are equal, $D^*$ is 1/2 everywhere: the best discriminator can only guess.

# %%
sliders.slide(lab.best_figure, "mean of the generator", [m / 2 for m in range(-6, 9)], 1.5)

# %% [markdown]
# Put $D^*$ back into $V$ and you get $V(D^*, G) = 2\,\mathrm{JSD}(p, q) - \log 4$, where
#
# $$\mathrm{JSD}(p, q) = \tfrac12 \int p \log \frac{p}{m} \, dx
# + \tfrac12 \int q \log \frac{q}{m} \, dx, \qquad m = \tfrac12 (p + q),$$
#
# is the **Jensen–Shannon divergence**. It is 0 if $q = p$ and positive otherwise. With a perfect
# discriminator, the generator minimises this divergence between its pictures and the real ones. It
# reaches $-\log 4$ only with $q = p$ (Goodfellow et al., 2014, theorem 1). This is the theory of
# the minimax loss. The non-saturating loss also has its equilibrium at $q = p$, but before that
# point it does not follow this divergence. Look at the right end of the figure, too: there are
# nearly no points, and $D$ can differ much from $D^*$.
#
# ## When the generator makes only one kind of point
#
# Until now, $D$ could follow $G$ (the theorem even assumes that $D$ is always the best one). Now
# $G$ takes five steps for each step of $D$. Soon $G$ puts all points at one place: the place with
# the largest $D$ at that time. This is **mode collapse**.
#
# ### Exercise {{number}}.5 (predict)
#
# The generator has put all its points on one mode. What happens in the next few hundred rounds?
#
# * **(a)** they stay: there are real points in this mode, so they look right
# * **(b)** they all leave this mode and appear at another place
# * **(c)** they spread over several modes, because $D$ rewards variety

# %% exercise="5"
### HINT Half of D's batch is fake and lies in this mode. What does D learn about this place?
### HINT D classifies one point at a time. Can it see that all other points are in the same place?
### BEGIN SOLUTION
my_guess = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_guess)

# %%
moments = [500, 600, 700, 900]
collapsed, _, _ = lab.ring_gan(steps=900, g_steps=5, keep=moments)
figure, axes = plt.subplots(1, 4, figsize=(9.6, 3.2), layout="constrained", sharey=True)
for axis, moment in zip(axes, moments, strict=True):
    lab.draw_ring(axis, collapsed[moment], f"round {moment}: {lab.found(collapsed[moment])}")
axes[0].set_ylabel("$x_2$")
figure.suptitle("Mode collapse: G takes five steps for every one of D")
plt.show()

# %% [markdown]
# All points jump together: $D$ learns that this place is fake, $G$ moves its points to another
# place, and this repeats. Each single point may look real, but all samples together are far from
# the data. A loss curve does not show this. Look at many samples.
#
# ### Exercise {{number}}.6 (explore): bring the modes back
#
# The generator keeps its five steps in a round. Find settings that balance the game: after 600
# rounds, the generator finds at least 7 of the 8 modes, and no mode has more than a third of the
# points. The keys are `d_steps` (steps of $D$ in a round, 1 to 5), `g_rate` and `d_rate` (learning
# rates, 1e-3 each by default). Your answer is a dictionary of keys that you change; the settings of
# the figure above are `{"d_steps": 1, "g_rate": 1e-3, "d_rate": 1e-3}`. Each check plays the game
# for some seconds and says how many modes it finds. Try several settings. Which network learns too
# fast?

# %% exercise="6"
### HINT G takes five steps in a round. D may take more steps, or larger ones; or G may take smaller
###      ones.
### HINT A learning rate sets the size of a step. Try a fifth of the present rate for G.
### HINT Several answers are right, for example {"d_steps": 3}.
### BEGIN SOLUTION
my_settings = {"d_steps": 3}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_settings)

# %% [markdown] tags=["solution"]
# *Discussion.* The ratio of both speeds decides. Three steps of $D$ bring all eight modes back.
# Larger steps of $D$ (`d_rate` 5e-3) or smaller steps of $G$ (`g_rate` 2e-4) do this, too. (All
# this with seed 0.) No setting is best for every data set and every length of training. FineGAN's
# authors had to tune their settings, too.

# %% [markdown]
# ## Now you build it: digits
#
# Until now, functions of `lab` did the work. Now write the three parts of a GAN: the two networks,
# and the step that trains them. From here on, a point has 64 coordinates: the pixels of a
# handwritten digit. scikit-learn contains these digits of 8 × 8 pixels. Black is $-1$, and white is
# $+1$.
#
# ### Exercise {{number}}.7 (build): the generator
#
# Build two hidden layers of `width` units with LeakyReLU(0.2) after each, and a last layer with 64
# outputs. The pixels lie in $[-1, 1]$: which function maps every number to this range?


# %% exercise="7"
class MyGenerator(torch.nn.Module):
    """z (N, z_dim) → images (N, 64) in [-1, 1]."""

    def __init__(self, z_dim: int = 16, width: int = 256):
        super().__init__()
        ### HINT Three `torch.nn.Linear` layers: z_dim → width → width → 64.
        ### HINT `torch.nn.Sequential` puts layers in a row; the last of them is `torch.nn.Tanh()`.
        ### BEGIN SOLUTION
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(z_dim, width),
            torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(width, width),
            torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(width, 64),
            torch.nn.Tanh(),
        )
        ### END SOLUTION

    def forward(self, z):
        ### BEGIN SOLUTION
        return self.layers(z)
        ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.7", MyGenerator)

# %% [markdown]
# ### Exercise {{number}}.8 (build): the discriminator
#
# This network has the opposite direction: 64 pixels in, two hidden layers, **one logit** out. Use
# no sigmoid, because the losses take logits.


# %% exercise="8"
class MyDiscriminator(torch.nn.Module):
    """Images (N, 64) → logits (N, 1), high for real."""

    def __init__(self, width: int = 256):
        super().__init__()
        ### HINT 64 → width → width → 1, LeakyReLU(0.2) after the first two layers.
        ### HINT Nothing after the last layer.
        ### BEGIN SOLUTION
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(64, width),
            torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(width, width),
            torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(width, 1),
        )
        ### END SOLUTION

    def forward(self, images):
        ### BEGIN SOLUTION
        return self.layers(images)
        ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.8", MyDiscriminator)

# %% [markdown]
# ### Exercise {{number}}.9 (build): the training step
#
# Write one round of the game: first $D$ moves, then $G$. Each network has an optimiser of its own.
# A move has three parts: `zero_grad` (PyTorch *adds* new gradients to old ones), `backward` and
# `step`. `course.check` plays 50 rounds with your step. It tests that $D$'s move leaves $G$
# unchanged, and that $G$'s move leaves $D$ unchanged.


# %% exercise="9"
def my_step(generator, discriminator, move_g, move_d, real, z) -> None:
    """One round: D moves on the discriminator's loss, then G on the non-saturating loss.

    ``real``: a batch of data. ``z``: the noise of the fakes, the same in both moves. ``move_g`` and
    ``move_d``: the optimisers of the two networks. Losses: ``losses.discriminator_loss`` and
    ``losses.non_saturating_generator_loss``.
    """
    ### HINT D's move: the loss of D(real) and D(fake), with fake = generator(z).detach().
    ### HINT Without .detach() D's loss would send a gradient into G as well.
    ### HINT G's move: no .detach() now, because the gradient must go through D to G. Only move_g
    ###      takes a step, so D stays as it is.
    ### BEGIN SOLUTION
    move_d.zero_grad()
    fake = generator(z).detach()
    losses.discriminator_loss(discriminator(real), discriminator(fake)).backward()
    move_d.step()
    move_g.zero_grad()
    losses.non_saturating_generator_loss(discriminator(generator(z))).backward()
    move_g.step()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.9", my_step)

# %% [markdown]
# The next cell uses each of your three parts if it has passed its check. Otherwise it uses the
# library's part. Solve the exercise and run the cell again to use yours. One thing is new: we add a
# little noise to all pictures that $D$ sees, real or fake (`lab.Blurred`). Without it, $D$ would
# soon memorise its 1,797 real pictures.

# %%
Painter = course.use("gan", "MyGenerator", MyGenerator)
Critic = course.use("gan", "MyDiscriminator", MyDiscriminator)
step = course.use("gan", "my_step", my_step)
images, labels = shared_lab.digits()
rng = torch.Generator().manual_seed(0)
torch.manual_seed(0)
generator, discriminator = Painter(), lab.Blurred(Critic(), 0.2, rng)
move_g = torch.optim.Adam(generator.parameters(), 1e-3, (0.5, 0.999))
move_d = torch.optim.Adam(discriminator.parameters(), 1e-3, (0.5, 0.999))
fixed, album = torch.randn(14, 16, generator=rng), {}
for i in range(1, 2501):
    real = images[torch.randint(len(images), (64,), generator=rng)]
    step(generator, discriminator, move_g, move_d, real, torch.randn(64, 16, generator=rng))
    if i in (1, 100, 500, 2500):
        album[i] = generator(fixed).detach()

# %% [markdown]
# Each row shows the digits of the same fourteen $z$, at four moments of the training. Below each
# painted digit of the last round you see the nearest real digit. If these pairs were equal, the
# generator would only have memorised the real digits.

# %%
nearest = images[torch.cdist(album[2500], images).argmin(1)]
rows = {f"round {i:,}": pictures for i, pictures in album.items()} | {"nearest\nreal": nearest}
figure, axes = plt.subplots(len(rows), 14, figsize=(9.6, 3.7), layout="constrained")
for line, (name, pictures) in zip(axes, rows.items(), strict=True):
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for axis, picture in zip(line, pictures, strict=True):
        axis.imshow(picture.view(8, 8), cmap="gray", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
figure.suptitle("Handwritten digits, 8 × 8 pixels: a painter learns")
plt.show()

# %% [markdown]
# ### Exercise {{number}}.10 (debug): a step that learns nothing
#
# A colleague's step runs without an error. After 2,500 rounds, her digits are still noise, as in
# the first row above. The loss of her $D$ is near 0: it is sure about every picture. **One line is
# wrong.** Find it and correct it.


# %% exercise="10"
def mended_step(generator, discriminator, move_g, move_d, real, z) -> None:
    """One round of the game, as in the exercise before."""
    ### HINT D learns. Look at G's move: which gradient do G's weights get?
    ### HINT Without a gradient, a network does not change. Which line cuts the gradient off?
    ### BEGIN SOLUTION
    move_d.zero_grad()
    fake = generator(z)
    losses.discriminator_loss(discriminator(real), discriminator(fake.detach())).backward()
    move_d.step()
    move_g.zero_grad()
    losses.non_saturating_generator_loss(discriminator(fake)).backward()
    move_g.step()
    ### INSTEAD
    move_d.zero_grad()
    fake = generator(z).detach()
    losses.discriminator_loss(discriminator(real), discriminator(fake)).backward()
    move_d.step()
    move_g.zero_grad()
    losses.non_saturating_generator_loss(discriminator(fake)).backward()
    move_g.step()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.10", mended_step)

# %% [markdown]
# ## What the digits do not show
#
# Your layers connect every input with every output. For 64 pixels this works well. A picture of a
# bird has 32 × 32 pixels in three colours. A fully connected last layer would need 48 times as many
# weights, and it would have to learn the same feather again at every place. The next lesson builds
# networks for pictures.
#
# And we cannot choose the digit that the next $z$ gives. The sixteen numbers of noise determine the
# digit, its slant and its thickness together. Lesson {{infogan}} shows how **one** number gets
# **one** meaning.
#
# ## Recap
#
# * $D$ is a classifier of real and fake; $G$ learns from $D$'s gradient at its own points.
# * The derivative by a fake logit has the size $D$ for the minimax loss and $1 - D$ for the
#   non-saturating loss. Use the non-saturating loss.
# * The best $D$ is $p/(p + q)$; trained networks come close where there are points.
# * A generator that learns too fast for its discriminator collapses. No loss curve shows this. Look
#   at samples.
# * A training step does `zero_grad`, `backward` and `step` twice, with two optimisers and one
#   `detach`.
#
# FineGAN uses this lesson's loss of $D$ and the non-saturating loss of $G$ twice: for the whole
# child image, and for each patch of the background (lesson {{background}}).
#
# **Continue with** `{{vector_to_picture}}_vector_to_picture`: networks that paint birds.

# %% tags=["nbval-check-output"]
course.progress()
