# ---
# jupyter:
#   lesson:
#     title: Pictures
#     part: the ancestors
#     about: "convolutions that paint"
#     question: "How do a hundred numbers become a picture of a bird?"
#     afterwards: "build a stem, an up-block and a critic, and train them until you see birds"
#     card: "From noise to owls"
#     play: pictures
#     play_in: "Making a map larger"
#     t4_seconds: 40
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · From a vector to a picture: convolutions that paint
#
# The generator gets a vector $z$ of a few numbers. A picture of 32 × 32 pixels has 3 · 32 · 32 =
# 3,072 numbers. The generator must turn the vector into a picture, and the discriminator must
# classify the picture. In this lesson you write both networks. A **stem** makes a small map, an
# **up-block** doubles its side, and a **critic** (a discriminator without a sigmoid) halves the
# side again. FineGAN consists of such blocks. At the end of the lesson, your generator generates
# birds.
#
# **You need** lesson {{gan}}: the game, its step, and `nn.Module`.
#
# **Afterwards you can** explain the use of convolution, BatchNorm, GLU, spectral norm and the hinge
# loss, avoid checkerboards, and train a convolutional GAN.
#
# {{runtime}}.

# %%
import copy

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from finegan_lib import losses
from finegan_lib.course import style
from finegan_lib.figures import image_figure

lab = course.lab("vector_to_picture")
style.use_style()

# %% [markdown]
# ## Why linear layers are not enough
#
# In lesson {{gan}}, the generator of digits ended with a **linear** layer. Such a layer has
# separate weights for each pixel, and it connects each pixel with each hidden unit. This has two
# disadvantages. Both become worse when the picture is larger.
#
# * **The number of weights.** It grows with the number of pixels.
# * **It learns each place separately.** The weights at the left learn a feather. The weights at the
#   right must learn the same feather again. If a bird moves by three pixels, other weights must
#   paint it.
#
# A **convolution** has one small kernel that slides over the map. Its number of weights does not
# depend on the picture's size. It uses the same weights at all places. The next cell counts the
# weights of a generator's last layer: a linear layer from 256 hidden units, and a convolution from
# 64 maps.

# %% tags=["nbval-check-output"]
for side in (8, 32, 128):
    linear = 256 * 3 * side**2 + 3 * side**2  # weights and biases
    convolution = sum(w.numel() for w in nn.Conv2d(64, 3, 3, padding=1).parameters())
    print(f"{side:3} pixels: linear {linear:12,}   convolution {convolution:6,}")

# %% [markdown]
# ## Making a map larger
#
# A generator starts from a small map and enlarges it step by step. There are two usual ways.
#
# * A **transposed convolution**: each pixel of the small map multiplies the kernel by its value
#   and adds this copy to the large map. The copies are `stride` pixels apart, and overlapping
#   copies are added.
# * **Nearest, then convolve**: repeat each pixel in a 2 × 2 square, then apply an ordinary 3 × 3
#   convolution.
#
# ### Exercise {{number}}.1 (predict)
#
# A constant map goes through a transposed convolution with a 3 × 3 kernel of equal weights and a
# stride of two. What does the large map look like, away from its border?
#
# * **(a)** constant
# * **(b)** a checkerboard of brighter and darker pixels
# * **(c)** smooth waves

# %% exercise="1"
### HINT Think of one dimension: copies of length 3, one at every second pixel. How many cover each
###      pixel?
### HINT Two copies cover every second pixel, and one copy covers each pixel between.
### BEGIN SOLUTION
my_prediction = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_prediction)

# %%
stamped = lab.overlaps(kernel=3)[4:12, 4:12]
nearest = F.interpolate(torch.ones(1, 1, 8, 8), scale_factor=2.0)
convolved = F.conv2d(nearest, torch.ones(1, 1, 3, 3), padding=1)[0, 0, 4:12, 4:12]
figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.1), layout="constrained")
names = ("transposed, kernel 3, stride 2", "nearest, then 3 × 3")
for axis, values, name in zip(axes, (stamped, convolved), names, strict=True):
    axis.imshow(values, cmap="viridis", vmin=0, vmax=9)
    for (row, column), value in zip(
        [(r, c) for r in range(8) for c in range(8)], values.flatten().tolist(), strict=True
    ):
        colour = "black" if value > 6 else "white"
        axis.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=8)
    axis.set(title=name, xlabel="column", ylabel="row")
figure.suptitle("A constant map, enlarged: how often each pixel is painted")
plt.show()

# %% [markdown]
# On the left, some pixels are painted once, some twice and some four times: this is the
# **checkerboard**. A network must learn to compensate for it in each kernel. Many pictures of
# early GANs show the pattern (Odena, Dumoulin and Olah, 2016). On the right, all pixels away from
# the border are painted equally often. For this reason, FineGAN uses nearest, then convolve.
#
# ### Exercise {{number}}.2 (explore): a transposed convolution without a checkerboard
#
# Some transposed convolutions have no checkerboard. The stride is 2. Find a `kernel` and a
# `padding` (it cuts off `padding` rows at each side) with three properties: a side of 8 becomes
# **exactly 16**, each pixel away from the border is painted equally often, and neighbouring copies
# of the kernel overlap. Your answer is a dictionary, `{"kernel": …, "padding": …}`.

# %% exercise="2"
### HINT A side of n becomes (n − 1) · 2 + kernel − 2 · padding.
### HINT The copies cover all pixels equally often if the kernel is a multiple of the stride.
### HINT The copies of a kernel of 2 do not overlap. Try the next multiple of 2, and solve for the
###      padding.
### BEGIN SOLUTION
my_enlarger = {"kernel": 4, "padding": 1}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_enlarger)

# %% [markdown]
# ## The up-block
#
# The generator repeats one block: **enlarge, convolve, normalise, gate**.
#
# **BatchNorm** works on each channel separately. It subtracts the channel's mean over the batch and
# all pixels, divides by its standard deviation, and then applies a scale $\gamma$ and a shift
# $\beta$. Both are learnt:
#
# $$y_{nkij} = \gamma_k \, \frac{x_{nkij} - \mu_k}{\sqrt{\sigma_k^2 + \epsilon}} + \beta_k.$$
#
# In this way, the next layer always gets numbers of a known size. This helps to train a deep
# generator. (The convolution before it needs no bias: $\mu_k$ would remove it.)
#
# **GLU**, the gated linear unit, splits the channels into two halves $a$ and $b$ and returns $a
# \odot \sigma(b)$. For each pixel, the second half controls how much of the first half passes. In
# this way, a map can have large values at one place and values near 0 at another. GLU halves the
# number of channels. For this reason, the convolution before it makes twice as many channels as
# the block returns.

# %% tags=["nbval-check-output"]
maps = 5 + 3 * torch.randn(16, 2, 8, 8, generator=torch.Generator().manual_seed(0))
normal = nn.BatchNorm2d(2)(maps)
print("mean and sd before:", [round(v.item(), 1) for v in (maps.mean(), maps.std())])
print("and after BatchNorm:", [abs(round(v.item(), 1)) for v in (normal.mean(), normal.std())])
values, gates = torch.tensor([[2.0, 2.0, 2.0]]), torch.tensor([[-9.0, 0.0, 9.0]])
passed = F.glu(torch.cat([values, gates], 1), 1)[0]
print("gate closed, half open, open:", [round(v.item(), 1) for v in passed])

# %% [markdown]
# ### Exercise {{number}}.3 (build): an up-block
#
# Build nearest ×2, a 3 × 3 convolution without bias that keeps the side, BatchNorm, and GLU. The
# library's version is `models.blocks.UpBlock`.


# %% exercise="3"
class MyUpBlock(nn.Module):
    """Maps (N, in_channels, H, W) → (N, out_channels, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        ### HINT The convolution makes 2 · out_channels, because the GLU halves them. Padding 1
        ###      keeps the side. Write `bias=False`.
        ### HINT `nn.BatchNorm2d` is for maps. Its argument is the number of channels of its input.
        ### BEGIN SOLUTION
        self.conv = nn.Conv2d(in_channels, 2 * out_channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(2 * out_channels)
        ### END SOLUTION

    def forward(self, x):
        ### HINT `F.interpolate(x, scale_factor=2.0)` repeats the nearest pixel.
        ### HINT `F.glu(x, 1)` halves dimension 1, the channels.
        ### BEGIN SOLUTION
        larger = F.interpolate(x, scale_factor=2.0)
        return F.glu(self.norm(self.conv(larger)), 1)
        ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", MyUpBlock)

# %% [markdown]
# ## The stem
#
# A vector has no pixels, so the first step is a linear layer. For $K$ channels, it makes
# $2K \cdot 4 \cdot 4$ numbers from $z$. BatchNorm (for vectors: `nn.BatchNorm1d`) and GLU follow.
# The remaining $16 K$ numbers become $K$ maps of 4 × 4.
#
# ### Exercise {{number}}.4 (build): the stem
#
# The library's version is the beginning of `models.finegan.Stem`.


# %% exercise="4"
class MyStem(nn.Module):
    """z (N, z_dim) → maps (N, channels, 4, 4)."""

    def __init__(self, z_dim: int, channels: int):
        super().__init__()
        ### HINT The linear layer (no bias: BatchNorm follows) makes 2 · channels · 4 · 4 numbers.
        ### HINT Keep `channels`: forward needs it to reshape.
        ### BEGIN SOLUTION
        self.channels = channels
        self.linear = nn.Linear(z_dim, 2 * channels * 4 * 4, bias=False)
        self.norm = nn.BatchNorm1d(2 * channels * 4 * 4)
        ### END SOLUTION

    def forward(self, z):
        ### HINT Linear, BatchNorm, `F.glu(…, 1)`: now there are (N, channels · 16).
        ### HINT `.view(-1, self.channels, 4, 4)` turns them into maps.
        ### BEGIN SOLUTION
        x = F.glu(self.norm(self.linear(z)), 1)
        return x.view(-1, self.channels, 4, 4)
        ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.4", MyStem)

# %% [markdown]
# ## The critic
#
# The critic makes a number from a picture. A convolution with **stride** 2 moves its kernel by two
# pixels, so it halves the side: 32 → 16 → 8 → 4. A last convolution with a kernel of 4 × 4 sees the
# whole 4 × 4 map and returns one number.
#
# If the critic's gradients are too large, the generator's training becomes unstable. **Spectral
# norm** (Miyato et al., 2018) writes all weights of a layer as one matrix $W$, and divides them by
# the largest singular value of $W$. Then a change of a layer's input changes its output by at most
# (about) the same amount. This is also true for the whole critic. In PyTorch you put it round a
# layer: `spectral_norm(layer)`. Do not combine it with BatchNorm, because BatchNorm changes the
# scale again.
#
# ### Exercise {{number}}.5 (build): the critic
#
# Build three convolutions 4 × 4 with stride 2 and padding 1, to `width`, `2 * width` and `4 *
# width` channels, with LeakyReLU(0.2) after each. Then add a convolution 4 × 4 to one channel. Put
# `spectral_norm` on all four, and keep their biases.


# %% exercise="5"
class MyCritic(nn.Module):
    """Images (N, 3, 32, 32) → logits (N,)."""

    def __init__(self, width: int):
        super().__init__()
        ### HINT `spectral_norm(nn.Conv2d(3, width, 4, stride=2, padding=1))` is the first.
        ### HINT The last has no padding and no stride: `nn.Conv2d(4 * width, 1, 4)`.
        ### BEGIN SOLUTION
        self.layers = nn.Sequential(
            spectral_norm(nn.Conv2d(3, width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(4 * width, 1, 4)),
        )
        ### END SOLUTION

    def forward(self, images):
        ### HINT The last convolution returns (N, 1, 1, 1): `.flatten()` turns it into (N,).
        ### BEGIN SOLUTION
        return self.layers(images).flatten()
        ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.5", MyCritic)

# %% [markdown]
# ## The hinge loss
#
# The critic's logit $s$ needs no sigmoid here. The **hinge** loss is zero if $s \ge 1$ on real
# pictures and $s \le -1$ on generated ones:
#
# $$L_D = \mathbb{E}_x[\max(0, 1 - s(x))] + \mathbb{E}_z[\max(0, 1 + s(G(z)))],
# \qquad L_G = -\mathbb{E}_z[s(G(z))].$$
#
# A picture beyond these limits gives $D$ no gradient. The derivative of $G$'s loss with respect
# to each $s$ does not depend on $s$. Many GANs train faster with this loss. The paper of FineGAN
# uses lesson {{gan}}'s loss; our `toy` preset uses this one.
#
# ### Exercise {{number}}.6 (fill in): D's hinge loss
#
# The library's version is `losses.hinge_discriminator_loss`.


# %% exercise="6"
def my_hinge_loss(real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
    """E[max(0, 1 − s(x))] + E[max(0, 1 + s(G(z)))], a scalar to be minimised."""
    ### HINT max(0, x) is `F.relu(x)`.
    ### HINT Two means, one over the real logits and one over the fake ones, added.
    ### BEGIN SOLUTION
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_hinge_loss)

# %% [markdown]
# ## Train until you see birds
#
# We use a small data set, so a minute of training is enough. It shows owls in four plumages and
# many poses, before one background (`lab.owls`). The generator has a stem, three up-blocks, and a
# last convolution to three colours: 4 → 8 → 16 → 32 pixels. The next cell uses your parts if they
# have passed their checks. We generate the pictures with a **running average** of the generator's
# weights. The average changes less from step to step (lesson {{training}}).

# %%
Stem = course.use("vector_to_picture", "MyStem", MyStem)
UpBlock = course.use("vector_to_picture", "MyUpBlock", MyUpBlock)
Critic = course.use("vector_to_picture", "MyCritic", MyCritic)
d_loss = course.use("vector_to_picture", "my_hinge_loss", my_hinge_loss)


class Painter(nn.Module):
    """z (N, 32) → images (N, 3, 32, 32) in [-1, 1]."""

    def __init__(self, width: int = 64):
        super().__init__()
        ups = [UpBlock(width // 2**i, width // 2 ** (i + 1)) for i in range(3)]
        self.maps = nn.Sequential(Stem(32, width), *ups)
        self.colours = nn.Conv2d(width // 8, 3, 3, padding=1)

    def forward(self, z):
        return torch.tanh(self.colours(self.maps(z)))


# %%
museum, rng = lab.owls(400), torch.Generator().manual_seed(0)
torch.manual_seed(0)
painter, critic = Painter(), Critic(24)
average = copy.deepcopy(painter)  # of the painter's weights
move_g = torch.optim.Adam(painter.parameters(), 1e-3, (0.0, 0.9))
move_d = torch.optim.Adam(critic.parameters(), 1e-3, (0.0, 0.9))
fixed, album, steps = torch.randn(40, 32, generator=rng), {}, 640
for i in range(1, steps + 1):
    real = museum[torch.randint(len(museum), (16,), generator=rng)]
    fake = painter(torch.randn(16, 32, generator=rng))
    move_d.zero_grad()
    d_loss(critic(real), critic(fake.detach())).backward()
    move_d.step()
    move_g.zero_grad()
    losses.hinge_generator_loss(critic(fake)).backward()
    move_g.step()
    with torch.no_grad():
        for mean, weight in zip(average.parameters(), painter.parameters(), strict=True):
            mean.lerp_(weight, 0.02)
        if i in (1, 80, 160, 320, steps):
            album[f"step {i}"] = average(fixed)[:10]

# %%
rows = [*album.values(), museum[:10]]
image_figure(rows, [*album, "real"], None, "From noise to owls: each column is one z", size=0.85)
plt.show()

# %% [markdown]
# The network first generates the colours of the background. Then a spot appears in the middle,
# then an outline with two ears, and at last eyes and plumage. The network learnt the look of an
# owl from the pictures alone.
#
# Note three things. First, the columns differ: $z$ determines the owl's plumage and pose. Second,
# some pictures mix two plumages. Third, there is only *one* kind of bird before *one* background.
# With all birds and all backgrounds, the same network needs much more time, and then $z$
# determines all factors together. The next lessons show how to separate these factors.
#
# ## Recap
#
# * A linear layer needs more weights for a larger picture. A convolution uses the same few weights
#   at all places.
# * Stem, up-blocks, colours: 4 → 8 → 16 → 32. The critic halves the side with strides.
# * Nearest, then convolve paints all pixels equally often. A transposed convolution also does
#   this if its kernel is a multiple of its stride.
# * BatchNorm keeps the numbers in a known range. GLU controls where a map has large values.
# * Spectral norm limits the critic's gradients. $D$'s hinge loss is zero for real logits above 1
#   and for fake logits below −1.
#
# **Continue with** `{{infogan}}_infogan`: a code with a meaning.

# %% tags=["nbval-check-output"]
course.progress()
