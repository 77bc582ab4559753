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
# We have a background and, in front of it, a shape: the parent image, a hollow bird. One stage is
# missing. It is the only stage whose image is compared with real birds. With this stage, FineGAN is
# complete: three stages, three discriminators, one loss.
#
# **You need** lessons {{background}} and {{parent}}: patches, masks, stitching, and the information
# loss.
#
# **Afterwards you can** build and train the whole generator, write down FineGAN's whole loss, draw
# its architecture from memory, say which weights learn from which term (and why some must not), and
# explain why the code is read from the masked foreground alone.
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
# The child stage does not start from noise. It takes the **features** of the parent stage, which
# already contain the shape. It joins the child code $c$ to them at every pixel
# (`models.finegan.CodeStage`), and makes a second foreground $F_c$ with a second mask $M_c$. Then
# it stitches once more:
#
# $$C = M_c \odot F_c + (1 - M_c) \odot P.$$
#
# The next cell computes this step by step, with the trained generator's own parts. Compare the
# second paragraph of the cell, from `stem` to `by_hand`, with the equation. (`parent_gain` is a
# factor on $p$, as `background_gain` is one on $b$; here it is 1. With `mask_bias`, masks start
# small. The first three numbers of $z$ are set to 0. Some of our networks use them to shift and
# mirror the finished foreground, and we do not need this here.)

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
# Put $P = M_p F_p + (1 - M_p) B$ into the equation. Then $C$ is a weighted mean of three layers,
# $B$, $F_p$ and $F_c$. The weights differ from pixel to pixel.
#
# ### Exercise {{number}}.1 (fill in): what each layer supplies
#
# Compute the three weights from the two masks. The library's version is `lab.layer_shares`.


# %% exercise="1"
def my_shares(parent_mask: torch.Tensor, child_mask: torch.Tensor) -> torch.Tensor:
    """Masks (N, 1, H, W) in [0, 1] → (N, 3, H, W): the weights of B, F_p and F_c in C."""
    ### HINT Multiply out M_c F_c + (1 − M_c)(M_p F_p + (1 − M_p) B). What is each layer's factor?
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
# Look at the share of $F_p$. The parent's own colours are visible only where the child's mask does
# not cover them: along the outline and in a few details. These colours need not look like a bird,
# because no discriminator classifies $P$ as real or fake. The paper's Figure 3, which the slides
# show, has the same "hollow" parents. The child fills them.
#
# ## Two masks, one bird
#
# The second mask may differ from the first: it can add a beak or a crest. But if $M_c$ did not
# depend on $M_p$ at all, $p$ would no longer determine the visible shape. No loss of the paper
# prevents this. Our small networks use one more term, the switch `mask_pull` of `systems.Recipe`:
#
# $$\mathcal{L}_\text{pull} = \mathbb{E}\,\bigl|M_c - \mathrm{sg}(M_p)\bigr|.$$
#
# sg, *stop gradient*, means: use the value, but pass no gradient back. The term changes the child's
# mask and not the parent's. (With `mask_pull_back`, the preset also pulls the parent's mask towards
# the child's, with a smaller weight. Only the child is compared with real birds. With this term,
# the parent's mask learns from this comparison, too.)
#
# ### Exercise {{number}}.2 (fill in): the child's mask follows
#
# The library's version is `losses.mask_pull_loss`.


# %% exercise="2"
def my_mask_pull(child_mask: torch.Tensor, parent_mask: torch.Tensor) -> torch.Tensor:
    """E|M_c − sg(M_p)| over all pixels of (N, 1, H, W) masks; a scalar."""
    ### HINT In torch, "stop gradient" is `.detach()`. Which of the two masks must get no gradient?
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
# You have a stem and a stage that joins a code. You still need a **layer**: two heads and a stitch.
# With this layer you can put the three stages together.
#
# ### Exercise {{number}}.3 (build): two heads and a stitch
#
# The foreground is a $3 \times 3$ convolution to three channels, and a tanh. The convolution has no
# bias and keeps the side. The mask is another such convolution to one channel, plus the number
# `bias`, and a sigmoid. Then call `models.finegan.stitch`. It returns a whole `Stage`, a tuple with
# names: `foreground`, `mask`, `masked_foreground` and `image`.


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
# `stem`, `code_stage` and `layer` are classes: yours, or the library's. Their arguments are
# `stem(code_dim, *sizes)`, `code_stage(code_dim, channels, out_channels, blocks)` and
# `layer(channels, bias)`, with `config.mask_bias` as the bias of both layers. Every stage has its
# own code and its own width. The codes are `codes.z`, `codes.b`, `codes.p` and `codes.c`; $p$ has
# `config.n_parents` numbers, and $b$ and $c$ have `config.n_children` each. The stems make
# `config.g_dim` channels. `lab.head_widths(config)` gives the number of channels that the parent's
# and the child's heads read.
#
# The background is a stem for $b$, a convolution to three channels as in the layer, and a tanh. The
# parent is a stem for $p$, a code stage for $p$, and a layer over $B$. The child is a code stage
# for $c$ on the parent's features, and a layer over $P$. In `FineGANOutput`, all three are stages:
# `lab.as_stage(B)` makes a stage of the image $B$, with a mask of ones. (The library's
# `models.finegan.FineGANGenerator` has a few more switches.)


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
        ### HINT Background first: a stem with codes.b and codes.z, the convolution, torch.tanh.
        ### HINT The child stage reads the parent's *features*, the output of its code stage.
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
# You know $\mathcal{L}_b$ and $\mathcal{L}_p$ from lessons {{background}} and {{parent}}, with the
# errors of the slides in both. The child has both kinds of loss:
#
# $$\mathcal{L}_{c\_adv} = \min_G \max_{D_c}\; \mathbb{E}_x[\log D_c(x)]
# + \mathbb{E}_{z,b,p,c}[\log(1 - D_c(C))],$$
#
# with crops $x$ of real birds. **Only this term compares a generated bird with real birds.** The
# second is
#
# $$\mathcal{L}_{c\_info} = \max_{G,\,D_c}\; \mathbb{E}_{z,p,c}[\log D_c(c \mid M_c F_c)],$$
#
# InfoGAN's bound, on the masked foreground $M_c F_c$ (the paper's $C_{f,m}$). The generator
# minimises the sum of all its terms. With the non-saturating form of lesson {{gan}} and the
# authors' weight of 10, this sum is (`losses.finegan_generator_loss`)
#
# $$\underbrace{-10\,\mathbb{E}\log D_b(B) - \mathbb{E}\log D_\text{aux}(B)}_{\mathcal{L}_b}
# \;\underbrace{-\,\mathbb{E}\log D_p(p \mid M_p F_p)}_{\mathcal{L}_p}
# \;\underbrace{-\,\mathbb{E}\log D_c(C) - \mathbb{E}\log D_c(c \mid M_c F_c)}_{\mathcal{L}_c}.$$
#
# ### Exercise {{number}}.5 (fill in): five verdicts, one number
#
# You are given the discriminators' logits. The first three are logits of a yes or no, with the
# probability $\sigma$(logit). The last two are logits of a softmax over the codes.


# %% exercise="5"
def my_generator_loss(
    aux, background_logits, child_logits, parent_code_logits, child_code_logits, p_index, c_index
) -> torch.Tensor:
    """FineGAN's generator loss, a scalar.

    aux and background_logits: (N, cells, cells), D_b on B. child_logits: (N,), D_c on C.
    The codes' logits are (N, N_p) and (N, N_c); the indices (N,) say which codes were sampled.
    """
    ### HINT −log σ(s) is F.softplus(−s). Use it for three of the five terms.
    ### HINT `losses.information_loss(logits, index)` is −E[log Q]. Use it for the other two.
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
# Every box has the name that is used in `finegan_lib.systems.FineGANSystem`, or in its `generator`.
# Follow one code at a time: $z$ goes into both stems, $b$ into the top lane only, $p$ twice into
# the middle, $c$ into the bottom lane only. No picture and no feature flows upwards. The sign ×
# makes the masked foreground of $F$ and $M$. One reader gets it as it is; the stitch adds what is
# behind.

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
# * **(c)** the child: it generates the plumage, in 200 kinds
# * **(d)** all about the same

# %% exercise="6"
### HINT A stem begins with a linear layer to 4 × 4 maps of 2·16·64 channels. Which stages have one?
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
# The paper's child stage has half a per cent of the generator's weights. Nearly all weights are in
# the other two stages, and most of them in the stems. The parent's stem determines *where* the bird
# is and which pose it has. The parent's features already contain this, so a few thin convolutions
# are enough for the plumage. The small size is also a **constraint**: such a
# small stage, without noise of its own, can hardly change the shape.
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
# Look at the third update. The readers of the codes learn *together* with the generator, and they
# minimise the same loss. The generator and the readers cooperate here; they are not opponents.
#
# ### Exercise {{number}}.7 (build): FineGAN's training step
#
# Write the whole step. `systems.descend(optimiser, loss)` calls what you wrote in lesson
# {{background}}: `zero_grad`, `backward` and `step`. It also takes a list of optimisers. This is
# what you have:
#
# * `batch.full_image`: windows of real images for $D_b$, with their boxes `batch.box`;
#   `batch.child_crop`: crops of real birds for $D_c$;
# * `d_b(images)`, which gives (aux, real/fake) as in lesson {{background}};
#   `d_p.code_logits(images)`, `d_c.code_logits(images)` and `d_c.real_fake_logits(images)`;
# * `losses.background_discriminator_loss` and `losses.finegan_generator_loss`. Pass `**recipe` to
#   both. The second takes the logits in the order of exercise {{number}}.5, then `codes`, and
#   returns a dictionary of terms;
# * `d_loss(real_logits, fake_logits)`, the loss of $D_c$;
# * `additions`, which may be `None`. Otherwise `additions(fake, codes)` returns a dictionary of
#   further terms of the generator's loss, for example the terms on the masks.


# %% exercise="7"
def my_step(generator, critics, move, batch, codes, additions=None, **recipe) -> dict:
    """FineGAN's three updates; returns the losses "D_b", "D_c" and the generator's terms."""
    d_b, d_p, d_c = critics
    weights = losses.background_patch_weights(batch.box, d_b.geometry)
    d_loss = losses.adversarial_losses(recipe.get("adversarial", "bce"))[0]
    ### HINT Generate once: fake = generator(codes). Detach B for D_b's update and C for D_c's.
    ### HINT D_c's loss: d_loss(d_c.real_fake_logits(batch.child_crop), the same of the detached C);
    ###      then descend(move["D_c"], it). D_p and D_c's code head read masked_foreground.
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
# Gradients flow against the arrows of the figure. For each term of the generator's loss, write down
# the stages whose weights get a gradient from it. Use the letters `b`, `p` and `c` for the
# background, parent and child stage, for example `"bc"`. `my_routes` is a dictionary with the keys
# of `losses.finegan_generator_loss`: `"background"` ($\mathcal{L}_b$), `"parent_info"`
# ($\mathcal{L}_p$), `"child"` ($\mathcal{L}_{c\_adv}$) and `"child_info"`
# ($\mathcal{L}_{c\_info}$). The checker computes the right answer with autograd.

# %% exercise="8"
### HINT Start at the loss and follow every arrow backwards. A stage's features count as an arrow.
### HINT M_c·F_c contains no pixel of P or B. But the child stage reads the parent's features.
### HINT D_c classifies C, and B is visible in C wherever no mask covers it.
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
# This table shows four things:
#
# * The background learns from **two** critics. $D_b$ classifies its patches. $D_c$ classifies the
#   finished picture, and the background is a part of it.
# * $\mathcal{L}_{c\_info}$ passes *through* the trunk of $D_c$ but does not change it. Otherwise
#   the trunk would learn to tell codes apart, from generated pictures alone. For this reason, the
#   code head can only use the features that the trunk learns for real/fake. The generator must
#   write the code into features by which $D_c$ tells real birds from generated ones.
# * For $D_p$ this is different. No loss uses its real/fake output. (This head exists, as in the
#   authors' release, but it is never trained.) Its trunk and its code head can both learn to read
#   the code.
# * The parent's weights learn from three terms, $\mathcal{L}_p$, $\mathcal{L}_{c\_adv}$ and
#   $\mathcal{L}_{c\_info}$. For this reason, shapes become bird-like, although no discriminator
#   classifies $P$.

# %% [markdown]
# ## Who else could know the code?
#
# Both information losses see a **masked foreground** alone. Lesson {{parent}} showed the reason for
# the parent. In the paper's training, $b = c$, and $p$ is the parent of $c$. The input of the
# background stage determines both other codes. If a reader sees the background, it learns to read
# the background in place of the bird.
#
# Is it enough to untie $b$? Suppose that the code head of $D_c$ gets the whole finished image $C$,
# but $b$ is shuffled among the images of a batch. Then $b$ says nothing about $c$.
#
# ### Exercise {{number}}.9 (predict)
#
# Where will the generator write $c$?
#
# * **(a)** still into the background: it has most of the pixels
# * **(b)** into the child's layer, $F_c$ and $M_c$, and nowhere else
# * **(c)** nowhere: a background that changes at random hides every sign of the code

# %% exercise="9"
### HINT If b is independent of c, which stages have an input that depends on c?
### HINT A stage without information on c cannot write c into its pixels.
### BEGIN SOLUTION
my_hiding_place = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.9", my_hiding_place)

# %% [markdown]
# The next cell tests this in seconds. A small generator and a reader learn $\mathcal{L}_{c\_info}$
# alone, without a real/fake loss. Such a generator writes the code where it is easiest. After the
# training, we generate the bird with $c$ and the background with a different $b$. Which of the two
# codes does the reader name?

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
    title="$b$ and $c$ differ: which of them does it name?",
)
axis.legend(loc="upper center", ncols=3)
plt.show()

# %% tags=["nbval-check-output"]
masked, whole, free = follows.values()
print("masked foreground: the reader follows the bird:", masked[0] > 0.6 > 0.3 > masked[1])
print("whole image: it follows the background:", whole[1] > 0.5 > whole[0])
print("whole image, b sampled freely: the bird again:", free[0] > 0.6 > 0.3 > free[1])
print("L_c_info on C reaches the stages:", lab.stages_reached("image")["child_info"])

# %% [markdown]
# In the middle, the reader sees the whole of $C$, and $b = c$. It has learnt to read the
# background. InfoGAN has the same weakness: in the paper's Figure 6, the images of one code share
# the bird *and* its surroundings. On the right, without the tie, only the child stage can write $c$
# into the image.
#
# A free $b$ is therefore enough if birds and backgrounds are independent, as in ToyBirds. Our
# preset shuffles $b$ among the images of a batch (lesson {{codes}}). In photographs, birds and
# backgrounds are not independent, and the paper keeps the tie. The masked foreground works in both
# cases, because it contains no pixel of the background stage. But one failure is still possible:
# the *child's mask* covers everything, and the code is in the corners of the picture. The real/fake
# loss on $C$ works against this failure. In our preset, the terms on the masks do so, too: those of
# lesson {{parent}}, and the pull.
#
# ## What the paper leaves to us
#
# This is the whole model. We train on ToyBirds, and for minutes instead of days. With the paper's
# recipe alone, such a short training does not separate background, shape and plumage. For this
# reason, our preset has additions. Each addition is a switch of `Recipe` or of the model
# (`FineGANConfig`), and it is off in the presets of the paper. Lesson {{parent}} has shown some of
# them, and these two classes have a line of text on each one. How much does each addition help? To
# measure this, we leave out one at a time and train again, with the same birds and the same number
# of steps. The program is `finegan_lib/experiments/ablation.py`. The numbers, and the commands that
# made them, are in `finegan_lib/results/ablation.json`.
#
# There are four scores. The best value of each is 1.
#
# * **Mask**: how well the child's mask agrees with the mask of lesson {{background}}'s segmenter
#   (IoU, *intersection over union*: the area of the overlap, divided by the area of the union).
# * **Shape**: how much information $p$ has about the generated shape (NMI, lesson {{start_here}}).
# * **Appearance**: how much information $c$ has about the generated appearance (NMI, too).
# * **Real birds**: how well a network sorts real birds after it has learnt from generated birds
#   (lesson {{discovery}}).
#
# Before you look: which omission lowers the scores most?

# %%
measured = read_json(RESULTS / "ablation.json", "steps", "results")
figures.ablation(measured["results"])
plt.show()
print("training steps of each run:", measured["steps"])

# %% [markdown]
# Each dot is one training: one or two for most rows, four for the whole recipe and three for the
# paper's. The rows "with …" at the bottom switch on an addition that our preset does not use. (You
# need not know all rows. "Led" children or parents get new weights in the middle of the training.
# With these weights, they generate kinds of real birds that no code generated before.) In a blue
# row, at least one training is as good as the worst training with the whole recipe. Such a row
# shows no clear difference. In an orange row, all trainings are worse, so the change lowers this
# score. A single dot says little: the trainings with the whole recipe differ among themselves.
#
# The child's mask depends most on two additions. The first is its *pull* towards the parent's mask.
# The second is the free background: with $b = c$, the background stage can also generate a part of
# the bird. Without either of them, the mask covers the bird much less exactly. Two settings for
# small networks and short trainings matter as much: at the start, the average of the weights covers
# only the last few steps; and the heads read at least 8 channels. Some omissions lower the score of
# the shape: the *view*, the range of the mask's area, and others. (With the view, $p$ no longer
# determines the direction in which a bird looks.) The appearance needs a large factor on $b$ at the
# input of the background stage (*background gain*). The row of the paper's recipe is worse in all
# scores. For shape and appearance, no single omission is as bad. For the mask and the real birds,
# one is: the average without its short start.
#
# One addition needs a closer look, because it changes which codes are sampled. With `free_child`,
# the last quarter of a batch has any $p$, and mostly it is not the parent of $c$. There are no real
# birds of such a kind. For this reason, $D_c$ must not classify this quarter as real or fake. It
# classifies only the first three quarters (`FineGANSystem.n_real_fake`).

# %% tags=["nbval-check-output"]
tied = hierarchy.parent_of[drawn.c_index] == drawn.p_index
judged = system.n_real_fake(16)
print("D_c classifies the first", judged, "of 16")
print("those have their own parent's p:", bool(tied[:judged].all()))
print("of the others, with another p:", int((~tied[judged:]).sum()))

# %% [markdown]
# There are two limits to this comparison. First, these are short runs. They hardly show an addition
# that helps only late in a training, such as `free_child`. (It lets a plumage appear on the shapes
# of other parents, lesson {{codes}}.) Second, this is one world of drawn birds. The paper reaches
# its results on photographs without these additions, with more than 400,000 steps.
#
# ## Find the mistake
#
# There are two cases again. Case 1 is a training step like yours. Case 2 is a generator that puts
# its three layers together. In its pictures, the child's mask has a fifth of its opacity. With the
# full mask, the mistake would not be visible.

# %%
birds = ToyBirds(400, image_size=TOY.model.image_size, seed=0, progress=False)
family = TOY.model.hierarchy()
z = torch.randn(100, TOY.model.z_dim, generator=torch.Generator().manual_seed(1))
z[1] = z[0]
watched = family.codes(z, (3 + 7 * torch.arange(100)) % family.n_children)  # 3, 10, 17, …
moments = [30, 80, 200]
library = lab.train_library(birds, 200, watched, moments)
faulty = lab.train_own(lab.PartsGenerator, lab.faulty_step, birds, 60, watched)
lab.two_mistakes_figure(library, faulty, generator(watched.select(slice(8))))
plt.show()

# %% [markdown]
# ### Exercise {{number}}.10 (find the mistake): losses that hardly fall
#
# The loss of $D_c$ looks normal. But $\mathcal{L}_{c\_info}$ falls only from 3.2 to about 2.7. (A
# reader that only guesses among 20 codes has $\log 20 = 3.0$.) In the correct training it falls
# much faster. $\mathcal{L}_p$ starts near $\log 5 = 1.6$, for five codes, and falls much more
# slowly than in the correct training. Here is the step's last update.


# %% exercise="10"
def my_mended_update(terms: dict, move: dict) -> None:
    """G and the readers of the codes learn together, on the sum of the terms."""
    loss = sum(terms.values())
    for name in ("G", "info"):
        move[name].zero_grad()
    loss.backward()
    ### HINT Which networks read the codes, and which optimiser changes their weights?
    ### HINT A gradient alone changes nothing: the optimiser's step() must be called, too.
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
# Compare the two rows of $C$ with $P$. What is missing in the lower one, and which line of the code
# removes it? (What would the parent's mask learn from $\mathcal{L}_{c\_adv}$ in such a network?)


# %% exercise="11"
def my_mended_layers(background, parent, child) -> list:
    """B, and foreground and mask of two stages → [P, C]."""
    ### HINT C is laid over P, and P over B.
    ### HINT What is behind the child in the last line before `return`?
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
# Now put all parts together: the stem of lesson {{background}}, the stage of lesson {{parent}}, and
# the layer, the generator and the step of this lesson. If one of your parts has not passed its
# check yet, the cell uses the library's part.

# %% tags=["nbval-check-output"]
parts = {
    "stem": course.use("background", "MyStem"),
    "code_stage": course.use("parent", "MyCodeStage"),
    "layer": course.use("child", "MyLayer", MyLayer),
}
whole = course.use("child", "MyGenerator", MyGenerator)
own_step = course.use("child", "my_step", my_step)

# %% [markdown]
# Your FineGAN begins with the same weights as the library's, and gets the same birds and the same
# codes. It is trained for the first 200 of several thousand steps. The settings are those of our
# preset `toy`, without those that need random numbers of their own (`lab.OWN`): the hinge loss, and
# the terms on the masks as `additions`. The figure shows two birds with the same $z$ and different
# codes.

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
half_read = max(mean.values()) < 0.6 * np.log(family.n_children)
print("after 200 steps, both readers know much of the code:", half_read)
crispness = [
    (m * (1 - m)).mean().item() for m in (own.looks[30].parent.mask, own.looks[200].parent.mask)
]
print("its masks have become crisper:", crispness[1] < crispness[0])

# %% [markdown]
# The two programs were written separately, and the losses of the first step are the same. If the
# parts are yours, this is good evidence that you have understood the method. After the first step,
# the curves separate. The two programs add numbers in a different order, and this changes the last
# of seven digits. Adam's first step moves every weight by the same amount, up or down. If a
# gradient is nearly 0, the last digit decides the direction. The training of two opponents then
# makes every difference larger.
#
# After 200 steps there are colours, but no birds. The readers can already read many of the codes:
# **the information comes first, the good look later**. Generator and readers find a sign for each
# code within seconds. The game against $D_c$ then changes how this sign looks.
#
# The two trainings above run in this notebook. A longer training was **recorded**. It has the same
# three stages, the library's step and all additions of the preset `toy`, in a world of three shapes
# and six species. The cell prints its number of steps, and the command that made it.

# %%
film = course.recorded("training", "stages")
title = "Two birds, stage by stage, while a FineGAN is trained (recorded)"
image_figure(film.pictures, film.rows, film.columns, title, 0.72)
plt.show()

# %% [markdown]
# The parent stage puts a hollow shape on the background, and the child stage fills it. Lesson
# {{start_here}} ends with the same stages of the shipped network, which is larger and was trained
# for much longer. It is our version of the paper's Figure 3.
#
# ## Recap
#
# * The child stage joins $c$ to the parent's features; $C = M_c F_c + (1 - M_c) P$ is a weighted
#   mean of three layers.
# * $\mathcal{L} = \mathcal{L}_b + \mathcal{L}_p + \mathcal{L}_c$; only $C$ is compared with real
#   birds, and no term classifies $P$ as real or fake.
# * The code head of $D_c$ learns from the information loss, its trunk from real and fake only;
#   $D_p$, trunk and code head, learns from information alone.
# * The generator writes a code where it is easiest. If the reader sees only the masked foreground,
#   this is the bird.
#
# **Continue with** `{{codes}}_codes`: what each code determines, and what happens when all codes
# are free.

# %% tags=["nbval-check-output"]
course.progress()
