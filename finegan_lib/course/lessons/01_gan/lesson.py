# ---
# jupyter:
#   lesson:
#     title: GAN
#     part: the ancestors
#     about: "painter and critic"
#     question: "How can a network learn to paint without being told what is wrong with a picture?"
#     afterwards: "write down the game, and see saturation and mode collapse"
#     card: "ring_gan(keep=moments)"
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
from finegan_lib.course import style
from finegan_lib.course.lessons import shared_lab

lab = course.lab("gan")
style.use_style()

# %% [markdown]
# ## The game
#
# The generator $G$ turns noise $z$ into a point $G(z)$: a **generative model**, and an *implicit*
# one, since it can draw points and cannot say how probable they are. The discriminator $D$ gives
# every point a probability $D(x)$ of being real. Both play for one number:
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
# widths of its centre (`lab.modes_found`).

# %%
moments = [100, 300, 700, 1500]
snapshots, generator, discriminator = lab.ring_gan(keep=moments)


def show_ring(axis, points, title):
    """Generated points over the centres of the ring."""
    centres = lab.ring_centres()
    axis.scatter(*centres.T, s=170, facecolors="none", edgecolors=style.REAL, label="real modes")
    axis.scatter(*points.T, s=3, alpha=0.4, color=style.FAKE, label="generated")
    axis.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", title=title, xlabel="$x_1$")


figure, axes = plt.subplots(1, 4, figsize=(9.6, 3.8), layout="constrained", sharey=True)
for axis, step in zip(axes, moments, strict=True):
    show_ring(axis, snapshots[step], f"step {step}: {lab.modes_found(snapshots[step])} of 8 modes")
axes[0].set_ylabel("$x_2$")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
figure.suptitle("The generator finds the ring")
plt.show()

# %% [markdown]
# Nobody told the generator that there are eight heaps, nor where. What it knows of the data it
# learnt through the slope of $D$ at its own points.
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
    show_ring(axis, collapsed[step], f"step {step}: {lab.modes_found(collapsed[step])} of 8 modes")
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
# Find settings with which the generator paints at least 7 of the 8 modes after 1500 rounds. The
# keys are `g_steps` and `d_steps` (moves of each in a round, 1 to 5), `g_rate` and `d_rate`
# (learning rates, 1e-3 each by default) and `loss` ("minimax" or "non-saturating"). Try more than
# one: is a stronger $D$ always better?

# %% exercise="6"
### HINT In the collapse, G moved five times for each move of D. Who should catch up?
### HINT A fair game is a good start: {"g_steps": 1, "d_steps": 1}.
### BEGIN SOLUTION
my_settings = {"g_steps": 1, "d_steps": 1}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_settings)

# %% tags=["solution"] [markdown]
# *Discussion.* One move each finds all eight. Three moves of $D$ for one of $G$ find most of them
# sooner, and then lose some again. A much slower $G$ has not finished after 1500 rounds. And even
# the minimax loss gets there: with players so evenly matched, $D$ does not see through the fakes
# well enough for saturation to hurt. (All this with seed 0.) No setting is best whatever the
# budget, and so FineGAN's authors, like everybody, had to tune theirs.

# %% [markdown]
# ## From points to pictures
#
# The same loop, the same losses; only the points now have 64 coordinates, the pixels of the
# handwritten digits that come with scikit-learn. One trick is new: everything that $D$ sees, real
# or fake, gets a little noise (`blur` in the loop), or $D$ would soon know its 1,797 real pictures
# by heart. Under each painted digit stands the real one that is nearest to it. If the pairs were
# equal, the generator would have learnt its museum by heart.

# %%
images, labels = shared_lab.digits()
painted = list(lab.digits_gan()[0].values())[-1][:14]
nearest = images[torch.cdist(painted, images).argmin(1)]
figure, axes = plt.subplots(3, 14, figsize=(9.6, 2.5), layout="constrained")
rows = {"real": images[:14], "painted": painted, "nearest\nreal": nearest}
for line, (name, pictures) in zip(axes, rows.items(), strict=True):
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    for axis, picture in zip(line, pictures, strict=True):
        axis.imshow(picture.view(8, 8), cmap="gray", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
figure.suptitle("Handwritten digits, 8 × 8 pixels: the museum, the painter, and its models")
plt.show()

# %% [markdown]
# Which digit will the next $z$ give? We cannot choose: somewhere in sixteen numbers of noise
# lies the *which*, mixed with slant and thickness. To give **one** number **one** meaning is the
# subject of the next lesson.
#
# ## Recap
#
# * $D$ is a classifier of real and fake; $G$ learns through $D$'s slope at its own points.
# * The minimax loss pulls with $D$, the non-saturating one with $1 - D$: use the latter.
# * The best $D$ is $p/(p + q)$; trained networks come close where there are points.
# * A generator that outruns its critic collapses, and no loss curve says so. Look at samples.
#
# In FineGAN the same two losses judge the finished child image as a whole, and the background
# patch by patch (`losses.background_discriminator_loss`, lesson {{background}}).
#
# **Go on with** `{{infogan}}_infogan`: a code that means something.

# %% tags=["nbval-check-output"]
course.progress()
