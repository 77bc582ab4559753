# ---
# jupyter:
#   lesson:
#     title: GAN
#     part: the ancestors
#     about: "painter and critic"
#     question: "How can a network learn to paint without being told what is wrong with a picture?"
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
# A painter who never sees a painting, and a critic who never paints. The critic looks at one
# picture at a time, some from a museum and some from the painter, and says which is which. The
# painter hears only *how the verdict would change* if a stroke were moved. From this alone a
# network learns to paint. It is the engine of FineGAN, and of this lesson.
#
# **You need** lesson {{start_here}}, derivatives, and to have trained some network in PyTorch.
#
# **Afterwards you can** write down the two-player game and its losses, say why nobody minimises the
# loss of the formula, recognise a mode collapse when you see one, and compute the best
# discriminator there can be.
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
# A **generative model** describes how data come about, in terms of probability: it is a
# distribution $q(x)$ that should be the distribution $p_\text{data}(x)$ of the data. There are two
# kinds. An **explicit** (probabilistic) model gives $q(x)$ as a formula: a Gaussian, say. You can
# ask it how probable a picture is, and you train it by making the data probable. An **implicit**
# model only *draws*: it turns a random $z$ into a picture, and nobody can compute $q(x)$. A GAN is
# implicit. So the data cannot simply be made more probable, and the training needs another idea:
# compare what is drawn with what is real.
#
# The generator $G$ turns noise $z$ into a point $G(z)$. The discriminator $D$ gives every point a
# probability $D(x)$ of being real. Both play for one number:
#
# $$\min_G \max_D V(D, G) = \mathbb{E}_{x \sim p_\text{data}}[\log D(x)]
# + \mathbb{E}_{z}[\log(1 - D(G(z)))].$$
#
# ($\mathbb{E}$ is the mean over the points that are drawn: $x$ from the data, $z$ from the noise.)
# Read it from $D$'s side: $\log D(x)$ is large (near 0) if real points are called real, and
# $\log(1 - D(G(z)))$ is large if fakes are called fake. $D$ wants both, $G$ wants to spoil the
# second. (One of the slides has $\log(1 - \log D)$ in FineGAN's background loss. That is a slip of
# the pen: $\log D$ is negative, so $1 - \log D$ is more than 1 and no probability, and the term
# would grow without bound as $D \to 0$. The formula above is meant; more in lesson {{background}}.)
#
# A network gives a **logit** $s$, any real number, and $D = \sigma(s) = 1/(1 + e^{-s})$. All our
# losses take logits, because $\log \sigma(s) = -\mathrm{softplus}(-s)$ never meets $\log 0$:

# %% tags=["nbval-check-output"]
sure = torch.tensor(-200.0)
print("log σ(−200), in two steps:", sure.sigmoid().log().item())
print("log σ(−200), by softplus: ", -F.softplus(-sure).item())
unsure = torch.zeros(5)
print(f"D's loss if it always says 1/2: {losses.discriminator_loss(unsure, unsure):.3f} = log 4")

# %% [markdown]
# ### Exercise {{number}}.1 (fill in): D's loss
#
# $D$ maximises $V$, an optimiser minimises: so the loss is $-V$. The library's version, which every
# model of this course uses, is `losses.discriminator_loss`. Your result must have the right
# gradients, too.


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
# Our museum is a ring of eight Gaussians in the plane, so that every point can be seen. Both
# players are small networks. One round: $D$ takes a step on its loss, then $G$ on its own. The
# whole game is a loop of twenty lines, `shared_lab.train_gan`; please read it once, with
# `shared_lab.train_gan??`. Mind the `.detach()`: in $D$'s step the fakes are mere points, so that
# no gradient reaches $G$. (`blur` and `extra` do nothing yet.) The real training of FineGAN has the
# same bones.
#
# A mode counts as *found* if at least a quarter of its fair share of the points lie within three
# widths of its centre (`lab.modes_found`). That says nothing of the points that lie *between* the
# modes. So each title also says which share of all points lies in one of the modes; of real points
# nearly all do (`lab.mode_shares`).

# %%
moments = [100, 300, 700, 1500]
snapshots, generator, discriminator = lab.ring_gan(keep=range(50, 1501, 50))
figure, axes = plt.subplots(1, 4, figsize=(9.6, 3.9), layout="constrained", sharey=True)
for axis, step in zip(axes, moments, strict=True):
    lab.draw_ring(axis, snapshots[step], f"step {step}: {lab.found(snapshots[step])}")
axes[0].set_ylabel("$x_2$")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
figure.suptitle("The generator finds the ring")
plt.show()

# %% [markdown]
# In a running notebook, this slider goes through the whole training.

# %%
sliders.slide(lambda step: lab.ring_figure(snapshots, step), "step", sorted(snapshots), 50)

# %% [markdown]
# Nobody told the generator that there are eight heaps, nor where. What it knows of the data it
# learnt through the slope of $D$ at its own points. It has not finished: all eight modes are found,
# and yet many points lie on the way from one mode to the next, where no real point is.
#
# ## Two ways to lose
#
# By the formula, $G$ minimises $\mathbb{E}[\log(1 - D(G(z)))]$, the **minimax** loss
# (`losses.minimax_generator_loss`). In practice nearly everybody minimises
# $-\mathbb{E}[\log D(G(z))]$, the **non-saturating** loss
# (`losses.non_saturating_generator_loss`). Both fall as $D(G(z))$ rises. But training does not feel
# the loss, it feels the slope. With respect to the logit $s$ of one fake point, the two slopes are
#
# $$\frac{\partial}{\partial s} \log(1 - \sigma(s)) = -\sigma(s) = -D,
# \qquad
# \frac{\partial}{\partial s} \bigl(-\log \sigma(s)\bigr) = \sigma(s) - 1 = -(1 - D).$$
#
# ### Exercise {{number}}.2 (predict)
#
# Early in training the fakes are poor and $D$ sees through them: $D(G(z)) = 0.001$. How many times
# harder does the non-saturating loss pull at the generator?
#
# * **(a)** just as hard: both lead to the same end
# * **(b)** about twice as hard
# * **(c)** about a thousand times as hard

# %% exercise="2"
### HINT The pull is the size of the slope by the logit: D for one, 1 − D for the other.
### HINT Their ratio is (1 − D)/D.
### BEGIN SOLUTION
my_ratio = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_ratio)

# %% [markdown]
# ### Exercise {{number}}.3 (fill in): the loss that does not let go


# %% exercise="3"
def my_generator_loss(fake_logits: torch.Tensor) -> torch.Tensor:
    """−E[log D(G(z))] with D = σ(logit); a scalar to be minimised."""
    ### HINT It is half of exercise {{number}}.1, with the fakes in the place of the real ones.
    ### HINT −log σ(s) = softplus(−s), then the mean.
    ### BEGIN SOLUTION
    return F.softplus(-fake_logits).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_generator_loss)

# %% [markdown]
# Left: the slopes, by autograd, of the library's two losses. Right: the same thing in a real
# network. The generator stands still, as it was initialised, while $D$ alone learns; after every
# twenty moves we measure the gradient that would reach the generator's weights.

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
left.set_title("Left of 0, D sees through the fake")
right.set(xlabel="moves of D alone", ylabel="gradient norm at G's weights", yscale="log")
right.set_title("The better D, the less minimax pulls")
left.legend(loc="center left")
right.legend(loc="lower left")
plt.show()

# %% tags=["nbval-check-output"]
weaker = pulls["non-saturating"][-1] / pulls["minimax"][-1]
print("D sees through the fakes:", fooled[-1] < 0.05)
print("minimax pulls at least 20 times less:", weaker > 20)
logit = torch.tensor(0.3, requires_grad=True)
both = (losses.minimax_generator_loss, losses.non_saturating_generator_loss)
slopes = [torch.autograd.grad(loss(logit), logit)[0].item() for loss in both]
print("descending either loss raises D(G(z)):", max(slopes) < 0)

# %% [markdown]
# That is **saturation**: the minimax loss is flat exactly where the generator has most to learn. So
# from here on $G$ uses the non-saturating loss, in this course as in FineGAN.
#
# ## The best discriminator there is
#
# Hold $G$ still. Its points have some density $q$, the data have $p$. The value
#
# $$V = \int p(x) \log D(x) + q(x) \log(1 - D(x)) \, dx$$
#
# can be made largest at each $x$ by itself. There $p$ and $q$ are two fixed numbers; set the
# derivative by $D$ to zero: $p/D - q/(1 - D) = 0$. Solve this for $D$. (Both terms fall as $D$
# rises, so it is a maximum.)
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
# Does a *trained* network get there? On a line, with two Gaussians whose densities we know, we can
# look. No density is ever shown to the network, only points and the question *real or fake?*

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
# In a running notebook, move the generator's mean (both Gaussians are equally wide here). Where
# they coincide, $D^*$ is 1/2 everywhere: the best discriminator can only toss a coin.

# %%
sliders.slide(lab.best_figure, "mean of the generator", [m / 2 for m in range(-6, 9)], 1.5)

# %% [markdown]
# Put $D^*$ back into $V$ and you get $V(D^*, G) = 2\,\mathrm{JSD}(p, q) - \log 4$, where
#
# $$\mathrm{JSD}(p, q) = \tfrac12 \int p \log \frac{p}{m} \, dx
# + \tfrac12 \int q \log \frac{q}{m} \, dx, \qquad m = \tfrac12 (p + q),$$
#
# is the **Jensen–Shannon divergence**, 0 if $q = p$ and positive otherwise. So with a perfect
# critic the painter would minimise the distance between its pictures and the museum, in this
# sense, and reach $-\log 4$ only with $q = p$ (Goodfellow et al., 2014, theorem 1). That is the
# theory of the minimax loss. The non-saturating one comes to rest at $q = p$, too, but on the way
# there it does not follow this divergence. And note the far right of the figure: where hardly a
# point ever falls, nothing holds $D$ to $D^*$.
#
# ## When the painter knows one trick
#
# The theorem needs a $D$ that keeps up. Let us break that: $G$ takes five steps for every one of
# $D$. It soon piles everything on the spot that $D$ currently likes best. This is **mode
# collapse**.
#
# ### Exercise {{number}}.5 (predict)
#
# The generator has put all its points on one mode. What happens in the next few hundred steps?
#
# * **(a)** it stays: the mode is real, so nothing is wrong with it
# * **(b)** it leaves that mode altogether and turns up elsewhere
# * **(c)** the heap splits, since $D$ rewards variety

# %% exercise="5"
### HINT Half of D's batch lies in that spot and is fake. What does D learn about the spot?
### HINT D judges one point at a time. Can it see that all the others are in the same place?
### BEGIN SOLUTION
my_guess = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_guess)

# %%
moments = [500, 600, 700, 900]
collapsed, _, _ = lab.ring_gan(steps=900, g_steps=5, keep=moments)
figure, axes = plt.subplots(1, 4, figsize=(9.6, 3.2), layout="constrained", sharey=True)
for axis, step in zip(axes, moments, strict=True):
    lab.draw_ring(axis, collapsed[step], f"step {step}: {lab.found(collapsed[step])}")
axes[0].set_ylabel("$x_2$")
figure.suptitle("Mode collapse: G takes five steps for every one of D")
plt.show()

# %% [markdown]
# The heap hops: $D$ unlearns the spot, $G$ flees, and the chase goes round. Every single point may
# be convincing, and yet the painting is hopeless. A loss curve would not tell you; a look at many
# samples does.
#
# ### Exercise {{number}}.6 (explore): make it honest again
#
# Leave the generator its five moves in a round and make the game fair all the same: find settings
# with which it paints at least 7 of the 8 modes after 600 rounds, with at most a third of the
# points in one of them. The keys are `d_steps` (moves of $D$ in a round, 1 to 5), `g_rate` and
# `d_rate` (learning rates, 1e-3 each by default). Try more than one: who is too fast for whom?

# %% exercise="6"
### HINT G moves five times in a round. D may move more often, or further; or G less far.
### HINT A learning rate is the length of a move. G's could be a fifth of what it is.
### HINT Several answers do, for example {"d_steps": 3}.
### BEGIN SOLUTION
my_settings = {"d_steps": 3}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_settings)

# %% tags=["solution"] [markdown]
# *Discussion.* What counts is how far $D$ gets while $G$ moves: three moves of $D$ bring all eight
# modes back, and so do longer moves of $D$ (`d_rate` 5e-3) or shorter ones of $G$ (`g_rate` 2e-4).
# (All this with seed 0.) No setting is best whatever the budget, and so FineGAN's authors, like
# everybody, had to tune theirs.

# %% [markdown]
# ## Now you build it: digits
#
# So far the laboratory has played for you. Now write the three pieces of a GAN: the two networks,
# and the step that trains them. The points have 64 coordinates from here on: the pixels of the 8 ×
# 8 handwritten digits that come with scikit-learn, black $-1$ and white $+1$.
#
# ### Exercise {{number}}.7 (build): the generator
#
# Two hidden layers of `width` units, LeakyReLU(0.2) after each, and a last layer with 64 outputs.
# The pixels lie in $[-1, 1]$: which function brings any number there?


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
# The mirror image: 64 pixels in, two hidden layers, **one logit** out. No sigmoid: the losses take
# logits.


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
# One round of the game: first $D$ moves, then $G$, each with an optimiser of its own. A move has
# three parts: `zero_grad` (PyTorch *adds* new gradients to old ones), `backward` and `step`.
# `course.check` plays 50 rounds with your step and looks whether $G$ is untouched by $D$'s move,
# and $D$ by $G$'s.


# %% exercise="9"
def my_step(generator, discriminator, move_g, move_d, real, z) -> None:
    """One round: D moves on the discriminator's loss, then G on the non-saturating loss.

    ``real``: a batch of data. ``z``: the noise of the fakes, the same in both moves. ``move_g`` and
    ``move_d``: the optimisers of the two networks. Losses: ``losses.discriminator_loss`` and
    ``losses.non_saturating_generator_loss``.
    """
    ### HINT D's move: the loss of D(real) and D(fake), with fake = generator(z).detach().
    ### HINT Without .detach() D's loss would send a gradient into G as well.
    ### HINT G's move: no .detach() now, since the gradient has to reach G through D. Only move_g
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
# Each of the three that passes its check is used from here on; in place of the others stands the
# library's, until you have solved the exercise and run the cell again. One trick is new: everything
# that $D$ sees, real or fake, gets a little noise (`lab.Blurred`), or $D$ would soon know its 1,797
# real pictures by heart.

# %%
Painter = course.use("gan", "MyGenerator", MyGenerator)
Critic = course.use("gan", "MyDiscriminator", MyDiscriminator)
step = course.use("gan", "my_step", my_step)
images, labels = shared_lab.digits()
random = torch.Generator().manual_seed(0)
torch.manual_seed(0)
generator, discriminator = Painter(), lab.Blurred(Critic(), 0.2, random)
move_g = torch.optim.Adam(generator.parameters(), 1e-3, (0.5, 0.999))
move_d = torch.optim.Adam(discriminator.parameters(), 1e-3, (0.5, 0.999))
fixed, album = torch.randn(14, 16, generator=random), {}
for i in range(1, 2501):
    real = images[torch.randint(len(images), (64,), generator=random)]
    step(generator, discriminator, move_g, move_d, real, torch.randn(64, 16, generator=random))
    if i in (1, 100, 500, 2500):
        album[i] = generator(fixed).detach()

# %% [markdown]
# The rows are the same fourteen $z$ at four moments. Under the last one stands, for each painted
# digit, the real one that is nearest to it. If the pairs were equal, the generator would have
# learnt its museum by heart.

# %%
nearest = images[torch.cdist(album[2500], images).argmin(1)]
rows = {f"step {i:,}": pictures for i, pictures in album.items()} | {"nearest\nreal": nearest}
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
# A colleague's step runs without an error. After 2,500 rounds her digits still look like the first
# row above: noise. Her $D$ has a loss near 0 and is sure of everything. **One line is wrong.** Find
# it and mend it.


# %% exercise="10"
def mended_step(generator, discriminator, move_g, move_d, real, z) -> None:
    """One round of the game, as in the exercise before."""
    ### HINT D learns. So look at G's move: what reaches G's weights?
    ### HINT A network that is told nothing stays as it is. Where is the gradient cut off?
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
# Your networks join every input to every output. For 64 pixels that is no trouble. A bird has
# 32 × 32 pixels in three colours: a fully connected last layer would need 48 times as many weights,
# and it would have to learn the same feather anew at every place. The next lesson builds networks
# for pictures.
#
# And which digit will the next $z$ give? We cannot choose: somewhere in sixteen numbers of noise
# lies the *which*, mixed with slant and thickness. To give **one** number **one** meaning is the
# subject of lesson {{infogan}}.
#
# ## Recap
#
# * $D$ is a classifier of real and fake; $G$ learns through $D$'s slope at its own points.
# * The minimax loss pulls with $D$, the non-saturating one with $1 - D$: use the latter.
# * The best $D$ is $p/(p + q)$; trained networks come close where there are points.
# * A generator that outruns its critic collapses, and no loss curve says so. Look at samples.
# * A training step: `zero_grad`, `backward`, `step`, twice, with two optimisers and one `detach`.
#
# In FineGAN the same two losses judge the finished child image as a whole, and the background
# patch by patch (`losses.background_discriminator_loss`, lesson {{background}}).
#
# **Go on with** `{{vector_to_picture}}_vector_to_picture`: networks that paint birds.

# %% tags=["nbval-check-output"]
course.progress()
