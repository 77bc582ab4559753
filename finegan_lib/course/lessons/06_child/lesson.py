# ---
# jupyter:
#   lesson:
#     title: Child
#     part: FineGAN
#     about: "looks; the whole model"
#     question: "How does the plumage keep to the shape?"
#     afterwards: "put the three stages and their losses together"
#     card: "film = course.recorded("
#     play: child
#     play_in: "Three layers, one picture"
#     t4_seconds: 40
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · The child: plumage, and the whole FineGAN
#
# We have a background, and before it a shape: the parent image, a hollow bird. One stage is
# missing. It is the smallest of the three, and the only one whose work is ever compared with a real
# bird. With it FineGAN is complete: three stages, three discriminators, one loss.
#
# **You need** lessons {{background}} and {{parent}}: patches, masks, stitching, and the information
# loss.
#
# **Afterwards you can** build the whole generator and its training step and train them, write down
# FineGAN's whole loss, draw its architecture from memory, say which weights learn from which term
# (and why some must not), and explain why the code is read off the masked foreground alone.
#
# {{runtime}}.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from finegan_lib import figures, losses
from finegan_lib.base.files import RESULTS, read_json
from finegan_lib.course import style
from finegan_lib.data import ToyBirds
from finegan_lib.figures import image_figure, noise
from finegan_lib.models.finegan import FineGANConfig, FineGANOutput, stitch
from finegan_lib.systems import FineGANSystem, descend
from finegan_lib.training.presets import TOY
from finegan_lib.training.pretrained import load_finegan

lab = course.lab("child")
style.use_style()
generator = load_finegan("toy")
config, hierarchy = generator.config, generator.config.hierarchy()

# %% [markdown]
# ## The last stage
#
# The child stage does not start from noise. It takes the **features** that the parent stage has
# just made, in which the shape is already laid out, joins the child code $c$ to them at every
# pixel (`models.finegan.CodeStage`), and makes a second foreground $F_c$ with a second mask $M_c$.
# Then it stitches once more:
#
# $$C = M_c \odot F_c + (1 - M_c) \odot P.$$
#
# Here it is by hand, with the trained generator's own parts. Please read the second paragraph of
# the cell, from `stem` to `by_hand`, beside the equation. (The first three numbers of $z$ are set
# to 0, because some of our networks use them to shift and mirror the finished foreground, which is
# not the point here.)

# %% tags=["nbval-check-output"]
z = noise(generator, 5, seed=3)
z[:, :3] = 0
codes = hierarchy.codes(z, np.linspace(0, config.n_children - 1, 5).round().astype(int))
output = generator(codes)

stem = generator.foreground_stem(config.parent_gain * codes.p, codes.z)
parent_features = generator.parent_stage(codes.p, stem)
features = generator.child_stage(codes.c, parent_features)
child_image = torch.tanh(generator.child_image(features))  # F_c
child_mask = torch.sigmoid(generator.child_mask(features) + config.mask_bias)  # M_c
by_hand = stitch(child_image, child_mask, output.parent.image).image  # C

print("the same as the generator's C:", torch.allclose(by_hand, output.child.image, atol=1e-4))
other = generator(codes._replace(c=codes.c.roll(1, 0)))
print("another c leaves P as it is:", torch.equal(other.parent.image, output.parent.image))
print("and repaints C:", (other.child.image - output.child.image).abs().max().item() > 0.2)

# %% [markdown]
# ## Three layers, one picture
#
# Put $P = M_p F_p + (1 - M_p) B$ into the equation, and $C$ turns out to be a weighted mean of
# three layers, with other weights at every pixel: so much of $B$, so much of $F_p$, so much of
# $F_c$.
#
# ### Exercise {{number}}.1 (fill in): what each layer supplies
#
# Write the three weights down, from the two masks. The library's version is
# `lab.layer_shares`.


# %% exercise="1"
def my_shares(parent_mask: torch.Tensor, child_mask: torch.Tensor) -> torch.Tensor:
    """Masks (N, 1, H, W) in [0, 1] → (N, 3, H, W): the weights of B, F_p and F_c in C."""
    ### HINT Multiply out M_c F_c + (1 − M_c)(M_p F_p + (1 − M_p) B). What stands before each layer?
    ### HINT F_c has the weight M_c. The other two are both multiplied by 1 − M_c.
    ### HINT torch.cat([(1 − M_c)(1 − M_p), (1 − M_c) M_p, M_c], 1)
    ### BEGIN SOLUTION
    through = 1 - child_mask
    return torch.cat([through * (1 - parent_mask), through * parent_mask, child_mask], 1)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_shares)

# %%
shares = lab.layer_shares(output.parent.mask, output.child.mask)
layers = [output.background.image, output.parent.foreground, output.child.foreground]
rows = {
    "$B$": layers[0],
    "share of $B$": shares[:, :1],
    "$F_p$": layers[1],
    "share of $F_p$": shares[:, 1:2],
    "$F_c$": layers[2],
    "share of $F_c$": shares[:, 2:],
    "$C$": output.child.image,
}
columns = [f"c={c}" for c in codes.c_index.tolist()]
image_figure([list(r) for r in rows.values()], list(rows), columns, "Three layers and their shares")
plt.show()

# %% tags=["nbval-check-output"]
mean = sum(shares[:, i : i + 1] * layer for i, layer in enumerate(layers))
print("the shares add up to 1:", torch.allclose(shares.sum(1), torch.ones(1), atol=1e-5))
print("C is the mean of the layers:", torch.allclose(mean, output.child.image, atol=1e-4))

# %% [markdown]
# Look at the share of $F_p$. The parent's own colours come through only where the child's mask does
# not cover them, along the outline and in a few details. They need not look like anything: no
# discriminator ever calls $P$ real or fake. In the paper's Figure 3, which the slides show, it is
# the same: "hollow" parents, which the child fills.
#
# ## Two masks, one bird
#
# The second mask may differ from the first: a beak of its own, a crest. But if $M_c$ went its own
# way altogether, $p$ would no longer say what shape one sees. In the paper nothing but the
# smallness of the child stage prevents that. Our small networks get a little help, the switch
# `mask_pull` of `systems.Recipe`:
#
# $$\mathcal{L}_\text{pull} = \mathbb{E}\,\bigl|M_c - \mathrm{sg}(M_p)\bigr|.$$
#
# sg, *stop gradient*, means: take the number, and let no gradient through. The parent leads, the
# child follows. (With `mask_pull_back` the preset also pulls the other way, more gently: only the
# child is ever compared with real birds, and this is how the parent hears of their silhouettes.)
#
# ### Exercise {{number}}.2 (fill in): the child's mask follows
#
# The library's version is `losses.mask_pull_loss`.


# %% exercise="2"
def my_mask_pull(child_mask: torch.Tensor, parent_mask: torch.Tensor) -> torch.Tensor:
    """E|M_c − sg(M_p)| over all pixels of (N, 1, H, W) masks; a scalar."""
    ### HINT In torch, "stop gradient" is `.detach()`. Which of the two masks should stand still?
    ### HINT (child_mask - parent_mask.detach()), its absolute value, and the mean.
    ### BEGIN SOLUTION
    return (child_mask - parent_mask.detach()).abs().mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_mask_pull)

# %% tags=["nbval-check-output"]
system = FineGANSystem(TOY.model, TOY.recipe)
drawn = system.sample_codes(16, torch.Generator().manual_seed(0))
masks = torch.rand(2, 16, 1, 32, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
layers = [stitch(torch.zeros(16, 3, 32, 32), mask, torch.zeros(())) for mask in masks]
terms = system.mask_terms(FineGANOutput(layers[0], *layers), drawn)
for name in ("pull", "pull_back"):
    slope = torch.autograd.grad(terms[name], masks, retain_graph=True)[0]
    who = [word for word, g in zip(("the parent's", "the child's"), slope, strict=True) if g.any()]
    print(f"{name} moves {' and '.join(who)} mask")

# %% [markdown]
# ## Build the generator
#
# You have a stem and a stage that joins a code. What is missing is a **layer**: two heads and a
# stitch. With it the three stages can be put together.
#
# ### Exercise {{number}}.3 (build): two heads and a stitch
#
# A $3 \times 3$ convolution without bias to three channels, and a tanh: the foreground. Another one
# to one channel, plus the number `bias`, and a sigmoid: the mask. Then `models.finegan.stitch`,
# which gives a whole *stage*: foreground, mask, masked foreground, image.


# %% exercise="3"
class MyLayer(nn.Module):
    """Features (N, channels, S, S) and what is behind, (N, 3, S, S) → a stage."""

    def __init__(self, channels: int, bias: float):
        super().__init__()
        ### HINT Two convolutions, nn.Conv2d(channels, 3 or 1, 3, padding=1, bias=False).
        ### BEGIN SOLUTION
        self.image = nn.Conv2d(channels, 3, 3, padding=1, bias=False)
        self.mask = nn.Conv2d(channels, 1, 3, padding=1, bias=False)
        self.bias = bias
        ### END SOLUTION

    def forward(self, features: torch.Tensor, behind: torch.Tensor):
        ### HINT tanh for the picture, sigmoid for the opacity; the bias is added before that.
        ### HINT return stitch(foreground, mask, behind)
        ### BEGIN SOLUTION
        mask = torch.sigmoid(self.mask(features) + self.bias)
        return stitch(torch.tanh(self.image(features)), mask, behind)
        ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", MyLayer)

# %% [markdown]
# ### Exercise {{number}}.4 (build): the whole generator
#
# `stem`, `code_stage` and `layer` are classes: yours, or the library's. Every stage has its code
# and its width; `lab.head_widths(config)` says how many channels the parent's and the child's heads
# read. The background is a stem for $b$, a convolution to three channels, and a tanh. The parent is
# a stem for $p$, a code stage for $p$, and a layer over $B$. The child is a code stage for $c$ on
# the parent's features, and a layer over $P$. (The library's `models.finegan.FineGANGenerator` has
# a few switches more.)


# %% exercise="4"
class MyGenerator(nn.Module):
    """Codes → FineGANOutput(background, parent, child)."""

    def __init__(self, config, stem, code_stage, layer):
        super().__init__()
        sizes, blocks = (config.z_dim, config.image_size, config.g_dim), config.residual_blocks
        wide, narrow = lab.head_widths(config)
        ### HINT stem(n_codes, *sizes), code_stage(n_codes, width in, width out, blocks),
        ###      layer(width in, config.mask_bias). N_b = N_c = config.n_children.
        ### BEGIN SOLUTION
        self.background_stem = stem(config.n_children, *sizes)
        self.background_image = nn.Conv2d(config.g_dim, 3, 3, padding=1, bias=False)
        self.parent_stem = stem(config.n_parents, *sizes)
        self.parent_stage = code_stage(config.n_parents, config.g_dim, wide, blocks)
        self.parent_layer = layer(wide, config.mask_bias)
        self.child_stage = code_stage(config.n_children, wide, narrow, blocks)
        self.child_layer = layer(narrow, config.mask_bias)
        ### END SOLUTION

    def forward(self, codes):
        ### HINT Background first; lab.as_stage(B) makes a stage of it, with a mask of ones.
        ### HINT The child stage reads the parent's *features*, what the parent's code stage gives.
        ### BEGIN SOLUTION
        b = torch.tanh(self.background_image(self.background_stem(codes.b, codes.z)))
        features = self.parent_stage(codes.p, self.parent_stem(codes.p, codes.z))
        parent = self.parent_layer(features, b)
        child = self.child_layer(self.child_stage(codes.c, features), parent.image)
        return FineGANOutput(lab.as_stage(b), parent, child)
        ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.4", MyGenerator)

# %% [markdown]
# ## The whole loss
#
# $$\mathcal{L} = \mathcal{L}_b + \mathcal{L}_p + \mathcal{L}_c, \qquad
# \mathcal{L}_b = \mathcal{L}_{bg\_adv} + \mathcal{L}_{bg\_aux}, \quad
# \mathcal{L}_p = \mathcal{L}_{p\_info}, \quad
# \mathcal{L}_c = \mathcal{L}_{c\_adv} + \mathcal{L}_{c\_info}.$$
#
# The first two you know from lessons {{background}} and {{parent}} (the slides print $\log(1 - \log
# D)$ in the one, and $G_b$ in the other where the parent's $G_{p,f}$ and $G_{p,m}$ are meant). The
# child has both kinds:
#
# $$\mathcal{L}_{c\_adv} = \min_G \max_{D_c}\; \mathbb{E}_x[\log D_c(x)]
# + \mathbb{E}_{z,b,p,c}[\log(1 - D_c(C))],$$
#
# with crops $x$ of real birds: **the one place where anything of ours meets a real bird**; and
#
# $$\mathcal{L}_{c\_info} = \max_{G,\,D_c}\; \mathbb{E}_{z,p,c}[\log D_c(c \mid M_c F_c)],$$
#
# InfoGAN's bound, on the masked foreground $M_c F_c$ (the paper's $C_{f,m}$). As losses to be
# minimised, with the non-saturating form of lesson {{gan}} and the authors' weight of 10, the
# generator's whole sum is (`losses.finegan_generator_loss`)
#
# $$\underbrace{-10\,\mathbb{E}\log D_b(B) - \mathbb{E}\log D_\text{aux}(B)}_{\mathcal{L}_b}
# \;\underbrace{-\,\mathbb{E}\log D_p(p \mid M_p F_p)}_{\mathcal{L}_p}
# \;\underbrace{-\,\mathbb{E}\log D_c(C) - \mathbb{E}\log D_c(c \mid M_c F_c)}_{\mathcal{L}_c}.$$
#
# ### Exercise {{number}}.5 (fill in): five verdicts, one number
#
# You are given the discriminators' logits. The first three stand for a yes or no, with the
# probability $\sigma$(logit); the last two are the logits of a softmax over the codes.


# %% exercise="5"
def my_generator_loss(
    aux, background_logits, child_logits, parent_code_logits, child_code_logits, p_index, c_index
) -> torch.Tensor:
    """FineGAN's generator loss, a scalar.

    aux and background_logits: (N, cells, cells), D_b on B. child_logits: (N,), D_c on C.
    The codes' logits are (N, N_p) and (N, N_c); the indices (N,) say which codes were drawn.
    """
    ### HINT −log σ(s) is F.softplus(−s), for three of the five terms.
    ### HINT `losses.information_loss(logits, index)` is −E[log Q]: the other two.
    ### HINT 10·softplus(−background_logits).mean() + softplus(−aux).mean()
    ###      + softplus(−child_logits).mean() + both information losses.
    ### BEGIN SOLUTION
    background = 10 * F.softplus(-background_logits).mean() + F.softplus(-aux).mean()
    parent = losses.information_loss(parent_code_logits, p_index)
    child = F.softplus(-child_logits).mean() + losses.information_loss(child_code_logits, c_index)
    return background + parent + child
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_generator_loss)

# %% [markdown]
# ## The whole machine
#
# Every box bears the name that it has in `finegan_lib.systems.FineGANSystem`, or in its
# `generator`. Follow one code at a time: $z$ goes into both stems, $b$ into the top lane only, $p$
# twice into the middle, $c$ into the bottom lane only. No picture and no feature flows upwards.

# %%
lab.architecture_figure()
plt.show()

# %% [markdown]
# ### Exercise {{number}}.6 (predict): where the weights are
#
# The paper's generator (128 pixels, 20 parents, 200 children) has 39.7 million weights. Which stage
# has the most?
#
# * **(a)** the background: a stem that reads $z$ and the 200 numbers of $b$
# * **(b)** the parent: a stem that reads $z$ and the 20 numbers of $p$, and a stage that refines it
# * **(c)** the child: it paints what everybody looks at, in 200 kinds
# * **(d)** all about the same

# %% exercise="6"
### HINT A stem begins with a linear layer to 4 × 4 maps of 2·16·64 channels. Who has a stem?
### HINT The linear layer has (length of the code + 100) · 32,768 weights.
### BEGIN SOLUTION
my_stage = "a"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_stage)

# %% tags=["nbval-check-output"]
paper = lab.parameter_counts(FineGANConfig())
small = lab.parameter_counts(TOY.model)
print("weights            the paper's     preset toy")
for name in paper:
    print(f"{name:<14}{paper[name]:>16,}{small[name]:>15,}")
print("generator     ", f"{sum(list(paper.values())[:3]):>15,}{sum(list(small.values())[:3]):>15,}")

# %% [markdown]
# The paper's child stage has half a per cent of the generator. To know *where* the bird is, and how
# it stands, is the expensive part; once the parent's features say so, plumage is a matter of a few
# thin convolutions. It is also a **constraint**: so small a stage, without noise of its own, can
# hardly redraw the shape.
#
# ## Who learns from what
#
# A training step (`FineGANSystem.step`) makes three updates with four optimisers:
#
# | update | minimises | moves |
# | --- | --- | --- |
# | 1 | loss of $D_b$ | `D_b`: all of $D_b$ |
# | 2 | loss of $D_c$ (real/fake) | `D_c`: trunk and real/fake head of $D_c$ |
# | 3 | $\mathcal{L}_b + \mathcal{L}_p + \mathcal{L}_c$ | `G`: the generator |
# | 3, too | the same | `info`: $D_p$ and the code head of $D_c$ |
#
# Mind the third update. The readers of the codes learn *together* with the generator, on the very
# same loss: writer and reader want the same thing, so this is no duel.
#
# ### Exercise {{number}}.7 (build): FineGAN's training step
#
# Write it, with everything that you have met. `systems.descend(optimiser, loss)` is what you wrote
# out in lesson {{background}}, `zero_grad`, `backward` and `step`; it takes a list of optimisers,
# too. As there, `**recipe` goes to the losses of the background and of the generator; $D_c$'s is
# given as `d_loss`. `additions(fake, codes)`, if there is such a function, is a dictionary of
# further terms of the generator's loss, those on the masks for example.


# %% exercise="7"
def my_step(generator, critics, move, batch, codes, additions=None, **recipe) -> dict:
    """FineGAN's three updates; returns the losses "D_b", "D_c" and the generator's terms."""
    d_b, d_p, d_c = critics
    weights = losses.background_patch_weights(batch.box, d_b.geometry)
    d_loss = losses.adversarial_losses(recipe.get("adversarial", "bce"))[0]
    ### HINT Draw once: fake = generator(codes). Detach B for D_b's update and C for D_c's.
    ### HINT d_c.real_fake_logits(images) and d_c.code_logits(images) are D_c's two heads.
    ### HINT terms = losses.finegan_generator_loss(*d_b(B), D_c on C, D_p on M_p·F_p, D_c's code
    ###      head on M_c·F_c, codes, **recipe); then descend([move["G"], move["info"]], their sum).
    ### BEGIN SOLUTION
    fake = generator(codes)
    b, c, real = fake.background.image, fake.child.image, batch.full_image
    d_inputs = *d_b(real), d_b(b.detach())[1], weights
    made = {"D_b": losses.background_discriminator_loss(*d_inputs, **recipe)}
    descend(move["D_b"], made["D_b"])
    made["D_c"] = d_loss(d_c.real_fake_logits(batch.child_crop), d_c.real_fake_logits(c.detach()))
    descend(move["D_c"], made["D_c"])
    read_p = d_p.code_logits(fake.parent.masked_foreground)
    read_c = d_c.code_logits(fake.child.masked_foreground)
    verdicts = *d_b(b), d_c.real_fake_logits(c), read_p, read_c
    terms = losses.finegan_generator_loss(*verdicts, codes, **recipe)
    terms |= additions(fake, codes) if additions else {}
    descend([move["G"], move["info"]], sum(terms.values()))
    return made | terms
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.7", my_step)

# %% [markdown]
# ### Exercise {{number}}.8 (explore): which term reaches which stage?
#
# Gradients flow against the arrows of the figure. For each term of the generator's loss write down
# the stages whose weights it pulls at: the letters `b`, `p` and `c` for the background, parent and
# child stage, for example `"bc"`. `my_routes` is a dictionary with the keys of
# `losses.finegan_generator_loss`: `"background"` ($\mathcal{L}_b$), `"parent_info"`
# ($\mathcal{L}_p$), `"child"` ($\mathcal{L}_{c\_adv}$) and `"child_info"`
# ($\mathcal{L}_{c\_info}$). The checker asks autograd.

# %% exercise="8"
### HINT Start at the loss and walk back along every arrow. A stage's features count as an arrow.
### HINT M_c·F_c contains no pixel of P or B. But the child stage reads the parent's features.
### HINT D_c judges C, and B shines through wherever no mask covers it.
### BEGIN SOLUTION
my_routes = {"background": "b", "parent_info": "p", "child": "bpc", "child_info": "pc"}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.8", my_routes)

# %%
terms, parts, table = lab.tiny_routes()
lab.routes_figure(terms, parts, table)
plt.show()

# %% tags=["nbval-check-output"]
state = {(term, part): table[i, j] for i, term in enumerate(terms) for j, part in enumerate(parts)}
print("no discriminator's own loss moves G:", not table[:2, :3].any())
print("L_c_adv reaches all three stages:", (table[terms.index("child"), :3] > 0).all())
print("L_c_info reaches the background:", bool(state["child_info", "G: background"]))
print("anything reaches D_p's real/fake head:", bool(table[:, parts.index("D_p: real_fake")].any()))

# %% [markdown]
# This table is worth a long look:
#
# * The background learns from **two** critics: patch by patch from $D_b$, and as part of the
#   finished picture from $D_c$.
# * $\mathcal{L}_{c\_info}$ passes *through* the trunk of $D_c$ but does not move it. If it did, the
#   critic's eyes would be trained to tell codes apart, on generated pictures alone. So the code
#   head must make do with what the trunk sees for its own purpose: the code has to be written in
#   features that matter to a judge of real birds.
# * $D_p$ has no such duty. No loss ever asks it for real or fake (that head exists, as in the
#   authors' release, and is never trained), so trunk and code head may both learn to read the code.
# * The parent's weights learn from three terms, $\mathcal{L}_p$, $\mathcal{L}_{c\_adv}$ and
#   $\mathcal{L}_{c\_info}$. That is how shapes become bird-like, though nobody judges $P$.

# %% [markdown]
# ## Who else could know the code?
#
# Both information losses see a **masked foreground** alone. Lesson {{parent}} showed why, for the
# parent: in the paper's training $b = c$ and $p$ is the parent of $c$, so the background stage
# knows all about the other two. A reader that is shown the background becomes a reader of
# backgrounds.
#
# Then why not simply untie $b$? Suppose that the code head of $D_c$ is shown the whole finished
# image $C$, but $b$ is sampled independently of $c$.
#
# ### Exercise {{number}}.9 (predict)
#
# Where will the generator write $c$?
#
# * **(a)** into the background all the same: it has most of the pixels
# * **(b)** into the child's foreground, and nowhere else
# * **(c)** nowhere: a background that changes at random drowns every sign

# %% exercise="9"
### HINT Which stages receive a number that tells them c, if b says nothing about it?
### HINT A painter who does not know a secret cannot give it away.
### BEGIN SOLUTION
my_hiding_place = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.9", my_hiding_place)

# %% [markdown]
# A test that takes seconds. A small generator and a reader learn $\mathcal{L}_{c\_info}$ alone,
# with no real/fake loss, so that nothing but the shortest way counts. Afterwards the bird is drawn
# with $c$ and the background with another $b$. Whose code does the reader name?

# %%
settings = {
    "$M_c F_c$, $b = c$\n(the paper)": ("masked", True),
    "$C$, $b = c$": ("image", True),
    "$C$, $b$ free": ("image", False),
}
follows = {}
for name, (view, tied) in settings.items():
    pair = lab.write_code_somewhere(view, tied)
    follows[name] = lab.whom_the_reader_follows(*pair, view)
figure, axis = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
places, heights = np.arange(3), np.array(list(follows.values()))
for i, (label, colour) in enumerate((("the bird's $c$", style.REAL), ("$b$", style.GREEN))):
    bars = axis.bar(places + 0.36 * i - 0.18, heights[:, i], 0.34, color=colour, label=label)
    axis.bar_label(bars, fmt="%.2f", padding=3, bbox={"color": "white", "pad": 1})
axis.axhline(1 / lab.TINY.n_children, color=style.GREY, ls=":", label="by chance", zorder=0)
axis.set(xticks=places, xticklabels=list(follows), ylim=(0, 1.3), ylabel="share of images")
axis.set(
    xlabel="training: what the reader saw, and the tie",
    title="$b$ and $c$ differ: whose code does it name?",
)
axis.legend(loc="upper center", ncols=3)
plt.show()

# %% tags=["nbval-check-output"]
masked, whole, free = follows.values()
print("masked foreground: the reader follows the bird:", masked[0] > 0.6 > 0.3 > masked[1])
print("whole image: it follows the background:", whole[1] > 0.5 > whole[0])
print("whole image, b drawn freely: the bird again:", free[0] > 0.6 > 0.3 > free[1])
print("L_c_info on C reaches the stages:", lab.stages_reached("image")["child_info"])

# %% [markdown]
# In the middle, where the reader sees all of $C$ and the tie holds, it has become a reader of
# backgrounds. InfoGAN has just this weakness: in the paper's Figure 6, the images of one code share
# the bird *and* its surroundings. On the right, without the tie, only the child stage can give $c$
# away.
#
# So a free $b$ would do, wherever birds and backgrounds are independent, as in ToyBirds; our preset
# frees it (lesson {{codes}}). In photographs they are not, and the paper keeps the tie. The masked
# foreground works either way, and exactly: it contains no pixel that the background stage painted.
# What neither of the two prevents is a *child's mask* that covers everything, and a code in the
# corners of the picture. Against that stand the duel over $C$ and, in our preset, the terms on the
# masks: those of lesson {{parent}}, and the pull.
#
# ## What the paper leaves to us
#
# That is the whole model. Trained just so, on birds that are drawn by code and for minutes instead
# of days, it does not keep background, shape and plumage apart. So our preset has additions, each a
# switch of `Recipe` or of the model (`FineGANConfig`) that is off in the presets of the paper.
# Lesson {{parent}} has shown some of them, and those two have a line on each. What is each one
# worth? Leave out one at a time and train anew: same birds, same number of steps
# (`finegan_lib/experiments/ablation.py`; the numbers, and the commands that made them, are in
# `finegan_lib/results/ablation.json`).
#
# Four scores, each 1 at best: how well the child's mask meets the bird that lesson {{background}}'s
# segmenter finds (IoU, *intersection over union*: the area that both cover, divided by the area
# that either does); how much $p$ says about the shape that is painted, and $c$ about the appearance
# (NMI, lesson {{start_here}}); and how well a network that was taught with the painted birds sorts
# real ones (lesson {{discovery}}).
#
# Before you look: which would you miss most? And what will the bottom row, the paper's own recipe,
# look like?

# %%
measured = read_json(RESULTS / "ablation.json", "steps", "results")
figures.ablation(measured["results"])
plt.show()
print("training steps of each run:", measured["steps"])

# %% [markdown]
# Each dot is one training: two for every row, three for the whole recipe and for the paper's. In a
# blue row at least one training did as well as the worst of the whole recipe's three, so nothing is
# shown either way; in an orange row none did, and something was lost.
#
# The child's mask depends most on two: without its *pull* towards the parent's, or with the
# background tied to the child ($b = c$: then the bird may as well hide in $B$), it meets the bird
# much worse. The shape suffers from many omissions: the free background again, the *view*, which
# takes the way a bird faces out of $p$'s hands, and others. The appearance needs a background that
# is told $b$ loudly (*background gain*). And the bottom row is worse in everything, nearly always
# by more than any single omission.
#
# One addition deserves a closer look, because it changes which codes are sampled. With `free_child`
# the last quarter of a batch has a $p$ that is not the parent of its $c$. No real bird is like
# these, so $D_c$ must not judge them real or fake; it judges the first three quarters only
# (`FineGANSystem.n_real_fake`).

# %% tags=["nbval-check-output"]
tied = hierarchy.parent_of[drawn.c_index] == drawn.p_index
judged = system.n_real_fake(16)
print("D_c judges the first", judged, "of 16")
print("those have their own parent's p:", bool(tied[:judged].all()))
print("of the others, with another p:", int((~tied[judged:]).sum()))

# %% [markdown]
# Two warnings. These are short runs; what pays late (`free_child`, say, which lets a plumage travel
# to foreign shapes, lesson {{codes}}) hardly shows. And it is one world of drawn birds: the paper
# got there on photographs without any of this, with more than 400,000 steps.
#
# ## Out of order: find the mistake
#
# The last two cases. The first is a training step like yours, the second a generator that lays
# its three layers. The second's picture is made with a child's mask at a fifth of its opacity: with
# the full mask nobody would have noticed anything.

# %%
birds = ToyBirds(400, image_size=TOY.model.image_size, seed=0, progress=False)
family = TOY.model.hierarchy()
z = torch.randn(100, TOY.model.z_dim, generator=torch.Generator().manual_seed(1))
z[1] = z[0]
watched = family.codes(z, (3 + 7 * torch.arange(100)) % family.n_children)  # 3, 10, 17, …
moments = [30, 80, 200]
library = lab.train_library(birds, 200, watched, moments)
mute = lab.train_own(lab.PartsGenerator, lab.mute_step, birds, 60, watched)
lab.out_of_order_figure(library, mute, generator(watched.select(slice(8))))
plt.show()

# %% [markdown]
# ### Exercise {{number}}.10 (find the mistake): losses that stand still
#
# $D_c$ plays on as if nothing were wrong, but both information losses stay where they began: near
# $\log 5 = 1.6$ and $\log 20 = 3.0$, which is what a reader pays that only guesses. Here is the
# step's last update.


# %% exercise="10"
def my_mended_update(terms: dict, move: dict) -> None:
    """G and the readers of the codes learn together, on the sum of the terms."""
    loss = sum(terms.values())
    for name in ("G", "info"):
        move[name].zero_grad()
    loss.backward()
    ### HINT Who reads the codes, and which optimiser moves those weights?
    ### HINT A gradient alone changes nothing: somebody has to call step().
    ### BEGIN SOLUTION
    for name in ("G", "info"):
        move[name].step()
    ### INSTEAD
    for name in ("G",):
        move[name].step()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.10", my_mended_update)

# %% [markdown]
# ### Exercise {{number}}.11 (find the mistake): a layer that has vanished
#
# Compare the two rows of $C$ with $P$. What is missing in the lower one, and where did it get lost?
# (What would the parent's mask learn from $\mathcal{L}_{c\_adv}$ in such a network?)


# %% exercise="11"
def my_mended_layers(background, parent, child) -> list:
    """B, and foreground and mask of two stages → [P, C]."""
    ### HINT C is laid over P, and P over B.
    ### HINT What stands behind the child in the last line but one?
    parent_foreground, parent_mask = parent
    child_foreground, child_mask = child
    p = parent_mask * parent_foreground + (1 - parent_mask) * background
    ### BEGIN SOLUTION
    c = child_mask * child_foreground + (1 - child_mask) * p
    ### INSTEAD
    c = child_mask * child_foreground + (1 - child_mask) * background
    ### END SOLUTION
    return [p, c]


# %% tags=["nbval-check-output"]
course.check("{{number}}.11", my_mended_layers)

# %% [markdown]
# ## Your own FineGAN
#
# Now all of it together: the stem of lesson {{background}}, the stage of lesson {{parent}}, and
# today's layer, generator and step. Where one of them has not passed yet, the library's takes its
# place.

# %% tags=["nbval-check-output"]
parts = {
    "stem": course.use("background", "MyStem"),
    "code_stage": course.use("parent", "MyCodeStage"),
    "layer": course.use("child", "MyLayer", MyLayer),
}
whole = course.use("child", "MyGenerator", MyGenerator)
own_step = course.use("child", "my_step", my_step)

# %% [markdown]
# It begins with the very weights that the library's FineGAN begins with, sees the same birds and
# the same codes, and takes the first 200 of several thousand steps. The settings are those of our
# preset `toy` as far as they need no random numbers of their own (`lab.OWN`): the hinge loss, and
# the terms on the masks as `additions`. Two birds with the same $z$ and different codes:

# %%
own = lab.train_own(lambda config: whole(config, **parts), own_step, birds, 200, watched, moments)
lab.own_figure(own, library)
plt.show()

# %% tags=["nbval-check-output"]
early = max(
    abs(a - b)
    for term in ("D_b", "D_c", "background", "parent_info", "child", "child_info")
    for a, b in zip(own.curves[term][:1], library.curves[term][:1], strict=True)
)
print("the losses of the first step are the library's, to 0.001:", early < 0.001)
mean = {
    name: np.mean(run.curves["child_info"][-20:])
    for name, run in (("own", own), ("library", library))
}
print("after 200 steps the code is read as well, to 0.3:", abs(mean["own"] - mean["library"]) < 0.3)
crispness = [
    (m * (1 - m)).mean().item() for m in (own.looks[30].parent.mask, own.looks[200].parent.mask)
]
print("its masks have become crisper:", crispness[1] < crispness[0])

# %% [markdown]
# Two programs, written by different people, and the same losses in the first step: that is good
# evidence that you have understood the method. After that the curves part. The two programs add up
# sums in another order, which changes the last of seven digits. Adam's first step moves every
# weight by the same amount, up or down; where a gradient is nearly 0, that last digit decides the
# direction. And a duel of two networks magnifies every difference.
#
# After 200 steps there are colours, but no birds. And yet the readers can already tell many of the
# codes: **the information comes first, the beauty later**. Generator and readers agree on a sign
# within seconds; the game against $D_c$ then decides what the sign must look like.
#
# The two trainings above are live. A longer one was **recorded**: the same three stages with the
# library's step and all additions of the preset `toy`, in a world of three shapes and six species.
# The cell prints how many steps it took, and the command that made it.

# %%
film = course.recorded("training", "stages")
title = "Two birds, stage by stage, while a FineGAN is trained (recorded)"
image_figure(film.pictures, film.rows, film.columns, title, 0.72)
plt.show()

# %% [markdown]
# The background stays, the parent lays a hollow shape on it, and the child fills it in. Lesson
# {{start_here}} ends with the same stages of the shipped network, which is larger and was trained
# for much longer. It is our Figure 3.
#
# ## Recap
#
# * The child stage joins $c$ to the parent's features; $C = M_c F_c + (1 - M_c) P$ is a weighted
#   mean of three layers.
# * $\mathcal{L} = \mathcal{L}_b + \mathcal{L}_p + \mathcal{L}_c$; only $C$ meets real birds, and no
#   term calls $P$ real or fake.
# * The code head of $D_c$ learns from the information loss, its trunk from real and fake only;
#   $D_p$, trunk and code head, learns from information alone.
# * A code goes where it is cheapest to write. The masked foreground leaves it only the bird.
#
# **Go on with** `{{codes}}_codes`: what each code holds, and what happens when the ties are cut for
# good.

# %% tags=["nbval-check-output"]
course.progress()
