# ---
# jupyter:
#   lesson:
#     title: InfoGAN
#     part: the ancestors
#     about: "codes that mean a thing"
#     question: "How does a code get a meaning?"
#     afterwards: "derive the bound on mutual information, and measure its gap"
#     card: "strengths = {\"bright walls\""
#     play: infogan
#     play_in: "Why it is hard, and which bound helps"
#     t4_seconds: 60
# ---
# ruff: noqa: E402, F821
# %% [markdown]
# # {{number}} · InfoGAN: a code that means something
#
# Lesson {{gan}} ended with a generator of digits, and we could not ask it for a seven. Sixteen
# numbers of noise decided the digit together. InfoGAN (Chen et al., 2016) adds a second input, the
# code $c$, and one rule: *another network must be able to read the code from the picture.* This
# lesson shows which meaning such a code gets, and the result may surprise you. FineGAN uses this
# rule for two of its codes: the parent's and the child's.
#
# **You need** lessons {{start_here}} and {{gan}}, logarithms, and Bayes' rule.
#
# **Afterwards you can** compute mutual information, and derive the lower bound that InfoGAN
# maximises. You can say how far this bound lies below the true value, and turn a GAN into an
# InfoGAN with one more term. You know what this term does *not* require.
#
# {{runtime}}.

# %%
import inspect
import math
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

from finegan_lib import losses
from finegan_lib.course import style
from finegan_lib.course.lessons import shared_lab
from finegan_lib.metrics import kmeans_labels, nmi

lab = course.lab("infogan")
style.use_style()

# %% [markdown]
# ## How much does a picture say about the code?
#
# Someone samples a code $c$ from eight equally likely codes. You do not see the code. Its
# **entropy** measures how uncertain it is for you: $H(c) = -\sum_c P(c) \log P(c) = \log 8$. Then
# you see the
# picture $x$, and the code is less uncertain: its entropy is $H(c|x)$, averaged over the pictures.
# The difference is the **mutual information**. It is defined for any two quantities:
#
# $$I(X; Y) = H(X) - H(X|Y) = H(Y) - H(Y|X),
# \qquad H(X|Y) = -\sum_y p(y) \sum_x p(x|y) \log p(x|y).$$
#
# Lesson {{start_here}} wrote the same $I$ as $\sum p(x,y) \log \frac{p(x,y)}{p(x)\,p(y)}$. Put
# $p(x,y) = p(x|y)\,p(y)$ into this sum and split the logarithm: you get the first form. Exchange
# $X$ and $Y$: you get the second form. With natural logarithms, the unit is the **nat**: 1 nat =
# 1.44 bits.
#
# ### Exercise {{number}}.1 (fill in): mutual information of a table
#
# `joint[x, y]` is $p(x, y)$. The library's version is `lab.mutual_information`. The table may
# contain zeros. `torch.special.entr(p)` is $-p \log p$, and it is 0 at 0.


# %% exercise="1"
def my_information(joint: torch.Tensor) -> torch.Tensor:
    """I(X; Y) in nats of a table p(x, y), rows x, columns y; some columns may be all 0."""
    ### HINT H(X) is the sum of entr(p_x), and p_x = joint.sum(1).
    ### HINT You can compute H(X|Y) without division: it is H(X, Y) − H(Y), the entropy of the table
    ###      less that of p_y.
    ### HINT All together: H(X) + H(Y) − H(X, Y), each a sum of torch.special.entr(...).
    ### BEGIN SOLUTION
    h_x, h_y, h_xy = (torch.special.entr(p).sum() for p in (joint.sum(1), joint.sum(0), joint))
    return h_x - (h_xy - h_y)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_information)

# %% [markdown]
# ### Exercise {{number}}.2 (predict): two codes, one picture
#
# A generator without noise has eight codes but paints only four pictures. Each picture belongs to
# two codes. How much does the picture tell about the code?
#
# * **(a)** $\log 8$: there is no noise, so no information is lost
# * **(b)** $\log 4$
# * **(c)** $0$: the code cannot be told from the picture

# %% exercise="2"
### HINT What is H(c)? And how many codes are possible after you have seen the picture?
### HINT H(c) = log 8. Two codes are possible after you have seen the picture, so H(c|x) = log 2.
### BEGIN SOLUTION
my_guess = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_guess)

# %% [markdown]
# The figure shows four tables. The bar under a table shows the two parts of $H(c)$. Blue is the
# information in the picture.

# %%
tables = lab.example_tables()
figure, axes = plt.subplots(
    2, 4, figsize=(9.6, 3.9), layout="constrained", height_ratios=(5, 1), sharey="row"
)
for column, (name, joint) in zip(axes.T, tables.items(), strict=True):
    told, h_c = lab.mutual_information(joint).item(), lab.entropy(joint.sum(1)).item()
    column[0].imshow(joint, cmap="Greys", vmin=0, vmax=0.18)
    column[0].set(title=name, xticks=[], yticks=range(8), xlabel="picture x")
    column[1].barh(0, told, color=style.REAL)
    column[1].barh(0, h_c - told, left=told, color="#cccccc")
    column[1].text(0.06, 0, f"I = {told:.2f}", va="center", color="white" if told else "black")
    column[1].set(xlim=(0, h_c), yticks=[], xticks=[0, 1, 2], xlabel="nats")
axes[0, 0].set_ylabel("code c")
figure.suptitle("The joint table P(c, x), and H(c) = I (blue) + H(c|x) (grey)")
plt.show()

# %% tags=["nbval-check-output"]
for name, joint in tables.items():
    by_x, by_y = (lab.mutual_information(table).item() for table in (joint, joint.T))
    name = name.replace("\n", " ")
    print(f"{name:32} H(X)−H(X|Y) = {by_x:.3f}   H(Y)−H(Y|X) = {by_y:.3f}")

# %% [markdown]
# ## Why it is hard, and which bound helps
#
# A GAN with a code can begin at the last table, and InfoGAN's training leads it to the first. It
# **maximises** the information between the code and the picture:
#
# $$\min_G \max_D V_I(D, G) = V(D, G) - \lambda\, I(c; G(z, c)).$$
#
# To compute $I$ we need $H(c|x)$, and for it the **posterior** $P(c|x)$: *given this picture, which
# code was it?* By Bayes' rule $P(c|x) \propto P(c)\, p(x|c)$. But a GAN is an *implicit* model: it
# can sample from $p(x|c)$, but it cannot compute $p(x|c)$. (The slides say "the posterior of
# $P(c|x)$"; $P(c|x)$ itself is the posterior.)
#
# For this reason, a second network **estimates** it: $Q(c|x)$, a distribution over the codes for
# each picture. The slides derive the bound in four lines. We explain one line after the other, and
# compute the terms for the second table above (*a slip now and then*).
#
# "$x \sim G(z, c)$" means three steps: sample $c \sim P(c)$, sample $z$, paint $x = G(z, c)$. (The
# slides do not write the first two steps. In FineGAN's losses they write no $\sim$ at all:
# $\mathbb{E}_{z,b}$ there means $z \sim$ noise, $b \sim P(b)$. They also call $c$ a code "with
# label information". But no label is used: $c$ is sampled at random, and its meaning is learnt.)
# $c'$ is a *second* code. It is sampled from the posterior: a code that could also have made the
# same picture.

# %% [markdown]
# ### Lines 1 and 2: write the information as a mean of logarithms
#
# Line 1 is the definition of mutual information in its first form:
#
# $$I(c; G(z,c)) = H(c) - H(c\,|\,G(z,c)).$$
#
# Line 2 uses the definition of conditional entropy (its minus sign and ours give plus):
#
# $$I(c; G(z,c)) = H(c) + \mathbb{E}_{x \sim G(z,c)}\,\mathbb{E}_{c' \sim P(c|x)}[\log P(c'|x)].$$

# %% tags=["nbval-check-output"]
joint = tables["a slip\nnow and then"]  # P(c, x), rows c, columns x
p_x = joint.sum(0)
posterior = joint / p_x  # P(c'|x), one column for each x
h_c = lab.entropy(joint.sum(1))
mean_log = (p_x * (posterior * posterior.log()).sum(0)).sum()
print(f"H(c) − H(c|x): {lab.mutual_information(joint):.4f}   line 2: {h_c + mean_log:.4f}")

# %% [markdown]
# ### Line 3: replace P by Q
#
# Line 3 uses only $\log P = \log \frac{P}{Q} + \log Q$. The mean of $\log \frac{P}{Q}$ under $P$
# **is** $D_\mathrm{KL}(P \| Q)$, by definition:
#
# $$I(c; G(z,c)) = H(c) + \mathbb{E}_{x \sim G(z,c)}\bigl[
# \underbrace{D_\mathrm{KL}(P(\cdot|x) \,\|\, Q(\cdot|x))}_{\ge 0}
# + \mathbb{E}_{c' \sim P(c|x)}[\log Q(c'|x)]\bigr].$$

# %% [markdown]
# ### Line 4: leave out the divergence, and compute what is lost
#
# Jensen's inequality shows that $D_\mathrm{KL} \ge 0$: $-\mathbb{E}_P[\log \tfrac{Q}{P}] \ge -\log
# \mathbb{E}_P[\tfrac{Q}{P}] \ge -\log 1$. (The mean of $\tfrac{Q}{P}$ is the sum of $Q$ over all
# codes with $P > 0$: at most 1.) Line 4 leaves $D_\mathrm{KL}$ out:
#
# $$I(c; G(z,c)) \ge H(c) + \mathbb{E}_{x \sim G(z,c)}\,\mathbb{E}_{c' \sim P(c|x)}[\log Q(c'|x)]
# \;=:\; L_I(G, Q).$$
#
# $L_I$ is never larger than $I$. Line 3 gives the **size of the gap** for every $Q$:
#
# $$I(c; G(z,c)) = L_I(G, Q)
# + \mathbb{E}_x\bigl[D_\mathrm{KL}(P(\cdot|x) \,\|\, Q(\cdot|x))\bigr].$$

# %% tags=["nbval-check-output"]
guesses = {"Q knows nothing": torch.full((8, 8), 1 / 8), "Q = P": posterior}
guesses["Q half way"] = 0.5 * posterior + 0.5 / 8
for name, q in guesses.items():
    bound = h_c + (p_x * (posterior * q.log()).sum(0)).sum()
    gap = (p_x * (posterior * (posterior / q).log()).sum(0)).sum()
    print(f"{name:16} L_I = {bound:.3f}   E KL = {gap:.3f}   sum = {bound + gap:.3f}")

# %% [markdown]
# ### One problem is left: c′ is sampled from the posterior, and we do not know it
#
# We do not need $c'$. The pair $(c, x)$ has the density $P(c)\,p(x|c) = p(x)\,P(c|x)$. We can
# sample a code and then its picture, or a picture and then one of its possible codes: both ways
# give the same pairs. Therefore **our input $c$ is already a sample from $P(c|x)$**. The InfoGAN
# paper's lemma 5.1 says this for any function $f$, for example $\log Q$:
#
# $$\mathbb{E}_{c,\,x}[f(c, x)] = \mathbb{E}_{c,\,x}\,\mathbb{E}_{c' \sim P(c|x)}[f(c', x)]
# \quad\Longrightarrow\quad
# L_I(G, Q) = \mathbb{E}_{c \sim P(c),\; x \sim G(z,c)}[\log Q(c|x)] + H(c).$$
#
# Now we can compute everything: sample a code, paint the picture, compute $Q$, take the logarithm.
#
# ### Exercise {{number}}.3 (fill in): the lower bound
#
# For a code with $K$ equally likely values, $H(c) = \log K$. $Q$ is a network with $K$ logits.
# Their softmax is $Q(c|x)$. The library's versions are `losses.information_loss` ($-\mathbb{E}[\log
# Q(c|x)]$) and `losses.categorical_information_bound` ($L_I$).


# %% exercise="3"
def my_bound(logits: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """L_I in nats: logits (N, K) of Q(·|x) for N pictures, index (N,) the codes they came from."""
    ### HINT F.cross_entropy(logits, index) is the mean of −log Q(c|x).
    ### HINT K is logits.shape[1]. The result is a scalar: log K minus the cross-entropy.
    ### BEGIN SOLUTION
    return math.log(logits.shape[1]) - F.cross_entropy(logits, index)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_bound)

# %% [markdown]
# ## Measure the gap
#
# Is the identity true, and how large is the gap? We test it with a very simple generator: $G(z,
# c) = \mu_c + \sigma_c z$ on a line, with four codes and four Gaussians (`lab.LineGenerator`). For
# it, Bayes' rule gives $P(c|x)$ exactly. $Q$ is a network with one hidden layer. It learns only
# from pairs $(c, x)$, with `losses.information_loss`.

# %%
line = lab.LineGenerator()
learnt = lab.train_q(line, keep=[0, 3, 6, 12, 25, 50, 100, 200, 400, 800])
x = torch.linspace(-4.2, 4.2, 400)
colours = [style.REAL, style.ORANGE, style.GREEN, style.PURPLE]
figure, axes = plt.subplots(1, 4, figsize=(9.6, 3.3), layout="constrained")
for c, colour in enumerate(colours):
    axes[0].fill_between(x, line.densities(x)[:, c] / 4, color=colour, alpha=0.5)
    axes[0].text(line.means[c], 0.01, f"{c}", ha="center", fontweight="bold")
    for axis, step in zip(axes[1:], [0, 12, 1500], strict=True):
        axis.plot(x, line.posterior(x)[:, c], color=colour, lw=4, alpha=0.35)
        axis.plot(x, learnt[step](x[:, None]).softmax(1)[:, c].detach(), "--", color=colour)
        axis.set(title=f"Q after {step} steps", xlabel="x", ylim=(-0.02, 1.02))
axes[0].set(title="G paints: $P(c)\\,p(x|c)$", xlabel="x", ylabel="density")
axes[1].set_ylabel("probability of each code")
axes[1].plot([], [], color="black", lw=4, alpha=0.35, label="true P(c|x)")
axes[1].plot([], [], "--", color="black", label="Q(c|x)")
figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower right", ncols=2)
figure.suptitle("A posterior that can be written down, and a network that guesses it")
plt.show()

# %% [markdown]
# The points of code 2 lie wide apart, among the points of the other codes. Even the best $Q$ cannot
# be sure about them. For this reason, $I$ is less than $\log 4$. The next figure shows the three
# terms of the identity. `lab.exact_terms` integrates each over the line **separately**. While $Q$
# learns, $G$ does not change, and $I$ does not change either:

# %%
terms = {step: lab.exact_terms(line, q) for step, q in learnt.items()}
steps = np.array(list(terms))
information, bound, gap = (
    np.array([t[name] for t in terms.values()]) for name in ("information", "bound", "gap")
)
figure, axis = plt.subplots(figsize=(7, 3.4), layout="constrained")
axis.axhline(math.log(4), color=style.GREY, ls=":", label="$H(c) = \\log 4$")
axis.plot(steps, information, color="black", lw=2, label="$I(c; G(z, c))$")
axis.fill_between(steps, bound, information, color=style.ORANGE, alpha=0.25)
axis.plot(steps, bound, "o-", color=style.REAL, label="bound $L_I$")
axis.plot(steps, gap, "s-", color=style.ORANGE, label="E KL(P‖Q), integrated by itself")
axis.set_xscale("symlog", linthresh=3)
axis.set(xlabel="steps of Q", ylabel="nats", xlim=(0, 1700), xticks=steps, xticklabels=steps)
axis.minorticks_off()
axis.set_title("The gap closes: what is shaded is as high as the orange curve")
axis.legend(loc="center right")
plt.show()

# %% [markdown]
# A GAN has only samples. The next cell computes the bound from samples, with the library's
# function. It does so twice: with the codes that made the points, and with new codes $c'$ from the
# true posterior. By lemma 5.1, both results must agree.

# %% tags=["nbval-check-output"]
print("I − L_I = E KL(P‖Q) at every step:", np.allclose(information - bound, gap, atol=1e-9))
print("the bound is never above the information:", bool((bound <= information).all()))
print("the gap shrinks a hundredfold:", bool(gap[-1] < gap[0] / 100))
points, codes = line.sample(200_000, torch.Generator().manual_seed(1))
other = line.posterior(points[:, 0]).multinomial(1, generator=torch.Generator().manual_seed(2))
with torch.no_grad():
    logits = learnt[50](points)
sampled = losses.categorical_information_bound(logits, codes).item()
redrawn = losses.categorical_information_bound(logits, other[:, 0]).item()
print(f"new codes that differ from the first: {(other[:, 0] != codes).float().mean():.0%}")
print("lemma 5.1, sampled c as good as c':", abs(sampled - redrawn) < 0.01)
print("samples agree with the integral:", abs(sampled - terms[50]["bound"]) < 0.01)

# %% [markdown]
# $L_I$ grows in two ways. **$Q$ reads the code better**: the gap becomes smaller, and $I$ stays.
# **$G$ paints pictures with a more readable code**: $I$ itself grows. InfoGAN does both at once. A
# gap is no problem as long as $I$ grows together with $L_I$.
#
# ### Exercise {{number}}.4 (explore): a Q that closes the gap
#
# The $Q$ above has 32 hidden units. Use **at most 8** units, and find settings with a gap below
# 0.01 nats on this line. The keys are `hidden` (units, 0 to 8; 0 is a linear reader), `steps` (1 to
# 2000) and `rate` (learning rate; 0.03 above). Try `{"hidden": 0}` first: does a longer training
# help this $Q$?

# %% exercise="4"
### HINT For two Gaussians of different width, log P(1|x) − log P(0|x) is a parabola in x.
### HINT A straight line cannot fit a parabola, even after a long training. Give Q a hidden layer.
### HINT Eight units are enough for the curve. Then find the right rate: try 0.01, 0.03, 0.1.
### BEGIN SOLUTION
my_q = {"hidden": 8, "steps": 1500, "rate": 0.1}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_q)

# %% [markdown] tags=["solution"]
# *Discussion.* The gap of the linear reader stays at about 0.07 nats, even after a long training.
# No linear reader equals the posterior, and the gap is $\mathbb{E}\,D_\mathrm{KL}$ from the
# posterior to the best linear one. Eight units are enough if they learn fast enough: after 1,500
# steps, the gap is 0.017 nats with the rate 0.03, and 0.003 nats with the rate 0.1.

# %% [markdown]
# ## The game, with one more term
#
# $$\min_{G,\,Q} \max_D V_\text{InfoGAN}(D, G, Q) = V(D, G) - \lambda\, L_I(G, Q)$$
#
# **Check the sign.** $L_I$ must become *large*, but $G$ and $Q$ *minimise*. For this reason we
# subtract it. $H(c)$ is a constant and has no gradient. The rest of $-\lambda L_I$ is $+\lambda$
# times the cross-entropy of the code. $D$'s loss does not change. In the loop of lesson {{gan}}
# (`shared_lab.train_gan`), this is one more term in $G$'s step, `extra`. $G$'s optimiser also
# updates $Q$'s weights. The next cell prints this step, and below it the term. (`code` in the first
# and `inputs` in the second are the whole input of $G$: noise and codes in one vector.
# `layout.split` divides it into its parts.)

# %%
lines = inspect.getsource(shared_lab.train_gan).splitlines()
first = next(i for i, text in enumerate(lines) if "for _ in range(g_steps)" in text)
print("\n".join(text.removeprefix("        ") for text in lines[first : first + 10]))
term = inspect.getsource(lab.Information.forward).split('"""')[2]
print("# extra(seen, code):" + textwrap.indent(textwrap.dedent(term).rstrip(), "    "))

# %% [markdown]
# Our code has a part with ten values, one-hot, and two **continuous** numbers, uniform on $[-1,
# 1]$. For the continuous codes, $Q(c|x)$ is a density: the network gives the mean $\mu$ and $\log
# \sigma^2$ of a Gaussian, and
#
# $$-\log Q(c|x) = \tfrac12 \Bigl[\frac{(c - \mu)^2}{\sigma^2} + \log \sigma^2 + \log 2\pi\Bigr].$$
#
# The derivation is the same, with $H(c) = \log 2$ for each continuous code
# (`losses.gaussian_information_bound`). Note two things. First, $\sigma$ must not go to 0, because
# the loss would then fall without limit (the library keeps $\log \sigma^2$ within ±3). Second,
# log-densities have another scale than log-probabilities: InfoGAN's paper recommends a smaller
# $\lambda$ for continuous codes. We multiply this term by 0.1.
#
# ### Exercise {{number}}.5 (fill in): the loss of a continuous code
#
# The library's version is `losses.gaussian_information_loss`.


# %% exercise="5"
def my_gaussian_loss(mean, log_variance, code):
    """−E[log Q(c|x)], all (N, K): summed over the K codes of a picture, averaged over pictures."""
    ### HINT σ² is log_variance.exp().
    ### HINT 0.5 * (squared / variance + log_variance + math.log(2 * math.pi)) has the shape (N, K).
    ### HINT Then .sum(1) over the codes and .mean() over the pictures.
    ### BEGIN SOLUTION
    squared = (code - mean) ** 2 / log_variance.exp()
    return 0.5 * (squared + log_variance + math.log(2 * math.pi)).sum(1).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_gaussian_loss)

# %% [markdown]
# ## Digits, with the term and without
#
# We train twice, with the same networks, data, number of steps and seed: with $\lambda = 1$ and
# with $\lambda = 0$.
#
# ### Exercise {{number}}.6 (predict): a code without a loss
#
# With $\lambda = 0$, the generator still gets $c$, together with sixteen numbers of noise. There
# are ten digits and ten codes. What will the code do?
#
# * **(a)** decide the digit, because both have ten values
# * **(b)** decide some other property, the same for all $z$
# * **(c)** almost nothing

# %% exercise="6"
### HINT Which term of V depends on c?
### HINT The noise already makes different pictures. Does V improve if G also uses c?
### BEGIN SOLUTION
my_prediction = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_prediction)

# %%
images, labels = shared_lab.digits()
layout = lab.CodeLayout()
painters = {weight: lab.train_infogan(images, weight=weight) for weight in (0, 1)}
readable = {w: lab.measured_bound(painter, layout) for w, (painter, _) in painters.items()}
figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.9), layout="constrained", sharey=True)
for axis, (weight, (painter, _)) in zip(axes, painters.items(), strict=True):
    lab.show_rows(axis, lab.code_grid(painter, layout, columns=10))
    name = "a GAN that is given a code" if weight == 0 else "InfoGAN"
    axis.set_title(f"λ = {weight}, {name}:\na reader gets {readable[weight]:.2f} of 2.30 nats")
    axis.set_xlabel("one z a column")
axes[0].set_ylabel("code c")
figure.suptitle("Rows share a code, columns share the noise")
plt.show()

# %% tags=["nbval-check-output"]
print("λ = 1: the code can be read:", readable[1] > 0.9 * math.log(10))
print("λ = 0: it cannot:", readable[0] < 0.2 * math.log(10))

# %% [markdown]
# On the left, all ten codes give nearly the same picture: the noise (the column) decides. On the
# right, the code (the row) decides, and the noise varies the rest. Both numbers are lower bounds of
# the information, because every $Q$ gives a lower bound. They come from a *new* $Q$, trained on the
# finished generator (`lab.measured_bound`). The reason: at $\lambda = 0$, the old $Q$ was never
# trained, and its bound would say nothing. In this way we measure both generators with the same
# method.
#
# ## Did it find the digits?
#
# No loss mentions digits. $Q$ has seen no real image until now. It now reads the code of each of
# the 1,797 **real** images, and this sorts them without a single label. The figure shows the table
# of the first section again, with the true digit in place of the picture.

# %%
found = painters[1][1].categories(images)
joint = lab.count_table(found, labels, 10, 10)
scores = {
    "Q's code": nmi(labels, found),
    "k-means on pixels": nmi(labels, kmeans_labels(images.numpy(), 10, seed=0)),
    "codes shuffled": nmi(labels, np.random.default_rng(0).permutation(found)),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.7), layout="constrained")
shown = left.imshow(joint * len(labels), cmap="Blues")
figure.colorbar(shown, ax=left, label="real images")
left.set(xlabel="true digit", ylabel="code read by Q", xticks=range(10), yticks=range(10))
left.set_title(f"Which code, which digit: I = {lab.mutual_information(joint):.2f} of 2.30 nats")
bars = right.barh(list(scores), list(scores.values()), color=[style.REAL, style.GREY, style.GREY])
right.bar_label(bars, fmt="%.2f", padding=3)
right.set(xlim=(0, 1), xlabel="NMI with the true digit", title="Beside its controls")
right.invert_yaxis()
plt.show()

# %% tags=["nbval-check-output"]
print("the code says much about the digit:", scores["Q's code"] > 0.4)
print("shuffled, it says nothing:", scores["codes shuffled"] < 0.05)

# %% [markdown]
# Read this figure with care. The code has found most of the digits: the digit is a property that
# makes pictures easy to read. But some rows spread over several digits, and some digits spread over
# several rows: *two codes, one picture*. And k-means on pixels, a method of 1957, sorts these small
# centred images about as well. InfoGAN has one ability that k-means does not have: it can **paint**
# each group.
#
# ## Change a continuous code
#
# One continuous code goes from $-1$ to $1$, and all other inputs stay the same. Before you look: no
# loss says what these numbers should mean. Which properties of handwriting vary?

# %%
values = torch.linspace(-1, 1, 9)
painter, reader = painters[1]
figure, axes = plt.subplots(1, 2, figsize=(9.2, 4.9), layout="constrained", sharey=True)
for which, axis in enumerate(axes):
    swept = lab.code_sweep(painter, layout, which, values, n=50)
    lab.show_rows(axis, swept[:, 0])
    axis.set(xticks=4 + 18 * torch.arange(5), xticklabels=[f"{v:.1f}" for v in values[::2]])
    lean, ink = (f(swept).mean((0, 1)) for f in (lab.slant, lab.ink))
    axis.set_title(
        f"mean lean {lean[0]:+.2f} → {lean[-1]:+.2f},  ink {ink[0]:.2f} → {ink[-1]:.2f}",
        fontsize=10,
    )
    axis.set_xlabel(f"continuous code {which + 1}")
axes[0].set_ylabel("categorical code")
figure.suptitle("Continuous codes (columns) for every category (rows), one z")
plt.show()

# %% tags=["nbval-check-output"]
inputs = layout.sample(2000, torch.Generator().manual_seed(4))
with torch.no_grad():
    _, mean, log_variance = reader.read(painter(inputs))
code = layout.split(inputs)[2]
for which in range(2):
    read_back = torch.corrcoef(torch.stack([mean[:, which], code[:, which]]))[0, 1].item()
    print(f"continuous code {which + 1} can be read back:", read_back > 0.9)
bound = losses.gaussian_information_bound(mean, log_variance, code).item()
print("the bound for the two is at least half a nat:", bound > 0.5)
blind = torch.zeros_like(code), torch.full_like(code, -np.log(3.0))  # the codes' mean and variance
unread = losses.gaussian_information_bound(*blind, code).item()
print(f"a reader that knows nothing has a bound below 0: {unread:.1f} nats")

# %% [markdown]
# Both codes change the picture step by step, and $Q$ can read both. The titles give two averages
# over all categories and 50 noises: how far the digits lean (columns to the right per row upwards;
# a slash is positive) and their ink. Some code may change neither number much. It is still a good
# code: it controls a property that has no name. A category may contain several digits, and then a
# continuous code may even change one digit into another. With another seed, the codes get other
# meanings. The loss requires that a code is *readable*. It does not require that the code has a
# name.
#
# ## The library's InfoGAN
#
# `systems.InfoGANSystem` trains on pictures of birds, and it differs in two things. Its networks
# are convolutional. And $D$ and $Q$ share a **trunk**: the features that tell real from fake also
# help to read the code, so $Q$ needs only a second small head.
#
# ```
#   z ──┐                                   ┌── real/fake head ── D(x)     loss V
#       ├── G ── picture x ── trunk of D ───┤
#   c ──┘                                   └── Q head ────────── Q(c|x)   loss −λ·L_I
# ```
#
# The trunk learns only from real/fake. The information term changes $G$ and the Q head. Its
# gradient goes through the trunk but does not change the trunk. (FineGAN does the same with the
# child code. In InfoGAN's own code, both terms change the trunk, and $Q$ learns in $D$'s step.) We
# show this with one training step with $\lambda = 0$ and one with $\lambda = 1$, from the same
# seed:

# %% tags=["nbval-check-output"]
from finegan_lib.data import ToyBirds
from finegan_lib.models.infogan import InfoGANConfig
from finegan_lib.systems import InfoGANSystem, Recipe

sizes = InfoGANConfig(image_size=32, z_dim=16, g_dim=8, d_dim=8, n_categories=20, n_continuous=1)
birds = ToyBirds(16, image_size=32, seed=7, progress=False)
batch = torch.utils.data.default_collate([birds[i] for i in range(16)])
after = []
for weight in (0.0, 1.0):
    torch.manual_seed(0)
    system = InfoGANSystem(sizes, Recipe(information_weight=weight))
    system.step(batch, torch.Generator().manual_seed(1))
    after.append(dict(system.named_parameters()))
parts = {"generator": "generator.", "trunk": "discriminator.trunk.", "Q head": "discriminator.post"}
parts["real/fake head"] = "discriminator.real_fake."
for part, prefix in parts.items():
    same = all(torch.equal(w, after[1][n]) for n, w in after[0].items() if n.startswith(prefix))
    print(f"{part:15} moved by the information term: {not same}")

# %% [markdown]
# `python -m finegan_lib train --preset infogan --run runs/infogan` trains it. FineGAN also has this
# second head: it reads the child code from the masked foreground, with the same
# `losses.information_loss`. A separate network, $D_p$, reads the parent code. No network reads the
# background code $b$. Lesson {{codes}} measures what $b$ controls.
#
# ## What the information term does not require
#
# Our digits had a black background. Birds have many backgrounds. We paint the same digits on walls:
# each wall has one of ten colours, and the colour is independent of the digit. Then we train the
# same InfoGAN again with ten codes: once with strong colours, once with weak ones. What will the
# code mean now?

# %%
strengths = {"bright walls": 1.0, "faint walls": 0.25}
figure, axes = plt.subplots(1, 2, figsize=(9.6, 5.5), layout="constrained", sharey=True)
finds, bounds = {}, []
for axis, (name, strength) in zip(axes, strengths.items(), strict=True):
    pictures, wall = lab.on_walls(images, strength)
    painter, reader = lab.train_infogan(pictures)
    read = reader.categories(pictures)
    finds[name] = {"wall": nmi(wall, read), "digit": nmi(labels, read)}
    grid = lab.code_grid(painter, layout, columns=10)
    lab.show_rows(axis, torch.cat([pictures[None, :10], grid]), ["real", *range(10)])
    found = ", ".join(f"{truth} {score:.2f}" for truth, score in finds[name].items())
    bounds.append(lab.measured_bound(painter, layout))
    axis.set(title=name, xlabel=f"one z a column\nNMI of the code, real pictures: {found}")
axes[0].set_ylabel("code c")
figure.suptitle("The same InfoGAN, the same digits: the code describes what is easiest to read")
plt.show()

# %% tags=["nbval-check-output"]
for name, scores in finds.items():
    winner = max(scores, key=scores.get)
    print(f"{name}: the code holds the {winner}:", scores[winner] > 2 * min(scores.values()))
print("both times the code can be read:", min(bounds) > 0.9 * math.log(10))

# %% [markdown]
# The first row shows real pictures, and each of the next ten rows shows one code. The scores come
# from $Q$ on real pictures. With bright walls, a row shares its **wall**, and the noise decides the
# digit. This is no error of the training: a colour on half the picture is easier to read than a
# stroke. Both bounds are nearly $\log 10$. With weaker colours, the same code finds the digits.
# $L_I$ measures *whether* the code can be read. It does not measure *what* the code is about.
#
# Figure 6 of the slides shows the same effect. There, each group of InfoGAN's birds shares one
# code: the birds are similar, *and their backgrounds are similar, too*. "This strongly suggests
# InfoGAN takes background into consideration when categorizing the images." (The caption goes on:
# "In contrast, FineGAN's generated images (Fig. 4) for same c show reasonable variety in
# background." Lesson {{gallery}} shows both.) k-means in lesson {{start_here}} had the same
# problem: it found backgrounds. A larger $\lambda$ does not help, because it only gives more weight
# to the same term.
#
# The solution: $Q$ must see **only the bird**. FineGAN gives the background a stage and a code of
# its own. It cuts the bird out with a mask, and its $Q$ sees only this part.
#
# ## Recap
#
# * $I(c; x) = H(c) - H(c|x)$ measures what a picture tells about the code. It is at most $H(c)$.
# * To compute $I$ one needs the posterior, and a GAN cannot compute it. Every $Q$ gives a lower
#   bound, and the gap is $\mathbb{E}\,D_\mathrm{KL}(P \| Q)$. We measured it. The input code is a
#   sample from the posterior, so the bound is a cross-entropy plus a constant.
# * $\min_{G,Q} \max_D V - \lambda L_I$: one more term for $G$, one more head on $D$'s trunk.
# * Without the term, the code does almost nothing. With the term, the code means the property that
#   is easiest to read.
#
# **Continue with** `{{background}}_background`: how to paint the background *behind* a bird when
# every picture contains a bird.

# %% tags=["nbval-check-output"]
course.progress()
