# ---
# jupyter:
#   lesson:
#     title: Image quality
#     part: is it any good?
#     about: "IS, FID; Tables 1 and 2"
#     question: "How good are the pictures?"
#     afterwards: "compute IS and FID, and distrust them"
#     card: "strengths = np.array([0, 0.15"
#     play: image_quality
#     play_in: "The Fréchet distance"
#     t4_seconds: 40
#     extras: [torchmetrics, lightning-utilities]
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · Image quality: how good are the pictures?
#
# Two painters show you ten thousand pictures each. Whose are better? A loss cannot say: it tells
# how a painter fares against *its own* critic. The eye can say, but it tires, forgets, and never
# agrees with the neighbour's. So the field asks a third network that was trained for something else
# altogether, and papers rank methods by the second decimal of what it says. This lesson builds both
# of the famous scores by hand, and then tries to fool them. It is easier than one would like.
#
# **You need** lessons {{start_here}}, {{infogan}} (mutual information) and {{child}},
# means and covariances, and a little patience with matrices.
#
# **Afterwards you can** compute an Inception Score and a Fréchet Inception distance, say what each
# cannot see, name the usual ways to get them wrong, and read the paper's Tables 1 and 2.
#
# {{runtime}}.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

from finegan_lib.course import style
from finegan_lib.data import ToyBirds
from finegan_lib.experiments.paper import paper_tables, toy_table
from finegan_lib.metrics.feature_networks import load_network
from finegan_lib.scoring.quality import fid, inception_score, kid
from finegan_lib.training.pretrained import load_finegan

lab = course.lab("image_quality")
style.use_style()

# %% [markdown]
# ## Who competes
#
# The paper compares FineGAN with four others, and each takes one thing away from it.
#
# * **Simple-GAN** paints the whole picture in one go, with FineGAN's layers but no stages, no masks
#   and no codes: lesson {{gan}}, only larger.
# * **InfoGAN** adds a child code $c$ and the loss that keeps it readable, lesson {{infogan}}'s
#   $L_I$. But $Q$ reads the *whole* picture, so a code may just as well mean a background.
# * **LR-GAN** (Yang et al., 2017) has stages: a background first, then an object with a mask, which
#   an affine transform turns and shifts before it is pasted on. No codes, and shape and appearance
#   come in one piece.
# * **StackGAN-v2** (Zhang et al., 2018), in its unconditional form, has stages of *resolution*:
#   small, larger, full, each with a critic of its own, and a loss that keeps the colours of
#   neighbouring scales alike.
# * **FineGAN** has stages of *meaning*: background, shape, plumage. Note that its $D_p$ is no
#   critic at all: it only reads the code.
#
# All five were trained on our birds, for the same small number of steps and with generators of
# about the same size (`finegan_lib/experiments/tables.py`; the numbers come at the end). On the
# right is what each paints. Before you run the cell: which of the four others will come nearest to
# FineGAN?

# %%
lab.family_portrait()
plt.show()

# %% [markdown]
# ## Whose eyes?
#
# Both scores look at pictures through a network. The paper used two: for the Inception Score an
# Inception-v3 that was fine-tuned on the birds (or dogs, or cars), for the FID the ImageNet one as
# everybody has it. Ours is a small classifier of ToyBirds (`python -m finegan_lib classifier`). It
# turns a picture into 64 **features** and, from these, into 20 **logits**, one for each species. It
# was taught background and pose, too, or its features would forget them.
#
# Three sets of pictures: real birds to compare with, other real birds, and generated ones.

# %%
generator = load_finegan("toy")
size, n = generator.config.image_size, 1200
network = load_network("toy", size)
birds = ToyBirds(n, image_size=size, seed=8, progress=False)
others = ToyBirds(n, image_size=size, seed=9, progress=False)
species = torch.from_numpy(birds.child_index)

real = lab.statistics(network, lab.training_views(birds))
other = lab.statistics(network, lab.training_views(others))
fake = lab.statistics(network, lab.generated(generator, n))

# %% tags=["nbval-check-output"]
print("features of a picture:", real.features.shape[1], " logits:", real.logits.shape[1])
right = (real.logits.argmax(1) == species).float().mean().item()
print("the network knows real birds:", right > 0.95)

# %% [markdown]
# ## The Inception Score
#
# Salimans and others (2016) asked for two things. Every picture should be clearly *something*: its
# $p(y|x)$, the softmax of the logits, should be sharp. And all together should be *many* things:
# the mean $p(y) = \mathbb{E}_x\, p(y|x)$ should be flat. Both at once mean that the two
# distributions are far apart, picture for picture:
#
# $$\mathrm{IS} = \exp\Bigl(\mathbb{E}_x\, \mathrm{KL}\bigl(p(y|x)\,\|\,p(y)\bigr)\Bigr),
# \qquad \mathrm{KL}(p\,\|\,q) = \sum_y p(y) \log\frac{p(y)}{q(y)}.$$
#
# The exponent is an old acquaintance: it is $I(y; x)$, the mutual information of lesson
# {{infogan}}. So the score runs from 1 to the number of classes. The library's version is
# `quality.inception_score`.
#
# ### Exercise {{number}}.1 (fill in): the Inception Score


# %% exercise="1"
def my_inception_score(probabilities: torch.Tensor) -> float:
    """exp E_x KL(p(y|x) ‖ p(y)) of (N, K) rows p(y|x), none of them 0."""
    ### HINT p(y) is the mean of the rows. Which dimension does the mean run over?
    ### HINT KL of one row: (p * (p.log() - marginal.log())).sum(1).
    ### HINT Mean over the pictures first, exp last, and .item() makes a number of it.
    ### BEGIN SOLUTION
    marginal = probabilities.mean(0, keepdim=True)
    divergence = (probabilities * (probabilities.log() - marginal.log())).sum(1)
    return divergence.mean().exp().item()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_inception_score)

# %% [markdown]
# Four imaginary painters, five classes. In the upper panels each row is one picture, and bright
# means probable; below is the mean of the rows, $p(y)$. Guess, before you run the cell: which of a
# sure painter with one favourite and an unsure one who paints everything scores higher?

# %%
opinions = lab.example_opinions()
lab.opinions_figure(opinions)
plt.show()

# %% tags=["nbval-check-output"]
score = {name: lab.score_of_probabilities(p) for name, p in opinions.items()}
best = max(score, key=score.get)
print("best:", best, "| worst:", min(score, key=score.get))
twenty = lab.score_of_probabilities(torch.eye(20))
print(f"twenty sure pictures of twenty classes: {twenty:.2f}")

# %% [markdown]
# ### Exercise {{number}}.2 (predict): twenty postcards
#
# A lazy painter copies **one** real photograph of each of the 20 species and shows these twenty
# cards again and again. The classifier is sure of each. What is its Inception Score?
#
# * **(a)** about 1, since there is no variety within a species
# * **(b)** as high as that of real birds
# * **(c)** somewhere between, about half of what real birds get

# %% exercise="2"
### HINT Write down p(y|x) for each card, and the mean over the cards.
### HINT Does the formula ever compare two pictures of the same class?
### BEGIN SOLUTION
my_postcards = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_postcards)

# %%
views = lab.training_views(birds)
postcards = lab.statistics(network, lab.copies(views, species, per_species=1))
sets = {"other real birds": other, "the shipped FineGAN": fake, "twenty postcards": postcards}
for name, seen in sets.items():
    mean, sd = inception_score(seen.logits)
    print(f"{name:20}  IS {mean:5.2f} ± {sd:.2f}")

# %% tags=["nbval-check-output"]
cheat = inception_score(postcards.logits)[0]
print("postcards score as well as real birds:", cheat > inception_score(other.logits)[0] - 0.3)

# %% [markdown]
# The "±" is the spread over **ten splits** of the pictures, a custom of 2016; it says how much the
# tenths differ, not how sure the mean is. (A tenth of ours is 120 pictures for 20 classes, which is
# few: by chance some classes are short, so $p(y)$ is never quite flat and nobody reaches 20. In one
# split the same real birds score higher, as a later figure shows.)
#
# ### Exercise {{number}}.3 (find the mistake): a score in ten parts
#
# Somebody wrote the score of ten splits below. On real birds as they come it is near the library's,
# even a little higher. Put the same birds in order of species, and it falls to about 2, though
# nothing is wrong with the pictures. The cell after the check shows both with your function. Find
# the mistake and mend it. (`lab.score_of_probabilities` is exercise {{number}}.1.)


# %% exercise="3"
def my_score(logits: torch.Tensor, splits: int) -> float:
    """Mean Inception Score of (N, K) logits in `splits` parts, whatever their order."""
    ### HINT Which species are in the first tenth of a list that is in order of species?
    ### HINT What is p(y) in such a part? It should be as flat as that of all the pictures.
    ### HINT p[torch.randperm(len(p))] is p with its rows shuffled.
    ### BEGIN SOLUTION
    p = logits.softmax(1)
    parts = p[torch.randperm(len(p))].chunk(splits)
    return float(np.mean([lab.score_of_probabilities(part) for part in parts]))
    ### INSTEAD
    p = logits.softmax(1)
    parts = p.chunk(splits)
    return float(np.mean([lab.score_of_probabilities(part) for part in parts]))
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_score)

# %%
torch.manual_seed(0)
in_order = other.logits[others.child_index.argsort()]
print("real birds                  library    mine")
for name, seen in (("as they come", other.logits), ("species by species", in_order)):
    print(f"{name:24}  {inception_score(seen)[0]:9.2f}  {my_score(seen, 10):6.2f}")

# %% tags=["nbval-check-output"]
print("without a shuffle, order ruins the score of real birds:",
      lab.mean_of_parts(in_order.softmax(1), 10) < 5)  # fmt: skip

# %% [markdown]
# Above all: **the score never saw a real bird.** It asks whether pictures are clear and various,
# not whether they are right.
#
# ## The Fréchet distance
#
# Heusel and others (2017) put the real pictures back in. Read features of both sets, sum up each
# set by its mean $\mu$ and covariance $\Sigma$, and ask how far apart two Gaussians with these are:
#
# $$\mathrm{FID} = \underbrace{\|\mu_r - \mu_g\|^2}_{\text{means}}
# + \underbrace{\mathrm{tr}\bigl(\Sigma_r + \Sigma_g
# - 2\,(\Sigma_r \Sigma_g)^{1/2}\bigr)}_{\text{spread}}.$$
#
# It is the squared Wasserstein distance of the two Gaussians: the least mean squared way along
# which one heap of sand can be carried into the other. In one dimension it is simply
# $(\mu_r - \mu_g)^2 + (\sigma_r - \sigma_g)^2$. In two, it can be drawn. The points are two of
# the 64 features; first other real birds are compared with ours, then ours with themselves, shifted
# or squeezed together.

# %%
first, second = real.features.var(0).argsort(descending=True)[:2].tolist()
pair = real.features[:, [first, second]]
lab.gaussians_figure(
    pair,
    {
        "other real birds": other.features[:, [first, second]],
        "shifted": pair + torch.tensor([1.5, 0.8]),
        "half as varied": (pair - pair.mean(0)) / 2 + pair.mean(0),
    },
)
plt.show()

# %% [markdown]
# ### Exercise {{number}}.4 (fill in): the Fréchet distance
#
# The matrix root is less frightening than it looks. Only its trace is needed, and the trace of a
# root is the sum of the roots of the eigenvalues:
#
# $$\mathrm{tr}\,(\Sigma_r \Sigma_g)^{1/2} = \sum_i \sqrt{\lambda_i},
# \qquad \lambda_i \text{ the eigenvalues of } \Sigma_r \Sigma_g.$$
#
# They are real and not negative, because the symmetric $\Sigma_r^{1/2} \Sigma_g \Sigma_r^{1/2}$ has
# the same ones. But rounding may make them a little complex or negative: take the real part, and
# clamp at 0. The library's version is `quality.fid`.


# %% exercise="4"
def my_fid(real_features: torch.Tensor, fake_features: torch.Tensor) -> float:
    """The Fréchet distance of (N, D) and (M, D) features, in float64."""
    a, b = real_features.double(), fake_features.double()
    ### HINT Means: a.mean(0). Covariances over N − 1: a.T.cov(), features in rows.
    ### HINT torch.linalg.eigvals(cov_a @ cov_b).real.clamp_min(0).sqrt().sum() is tr of the root.
    ### HINT |μ_a − μ_b|² + tr Σ_a + tr Σ_b − 2 · that; trace() sums a diagonal, .item() in the end.
    ### BEGIN SOLUTION
    cov_a, cov_b = a.T.cov(), b.T.cov()
    root = torch.linalg.eigvals(cov_a @ cov_b).real.clamp_min(0).sqrt().sum()
    means = (a.mean(0) - b.mean(0)).square().sum()
    return (means + cov_a.trace() + cov_b.trace() - 2 * root).item()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_fid)

# %%
print("                       FID      KID")
for name, seen in sets.items():
    print(
        f"{name:20}  {fid(real.sums, seen.sums):6.2f}  {kid(real.features, seen.features)[0]:7.3f}"
    )
copied = lab.statistics(network, views)
print(f"{'the same real birds':20}  {abs(fid(real.sums, copied.sums)):6.2f}")

# %% tags=["nbval-check-output"]
distances = {name: fid(real.sums, seen.sums) for name, seen in sets.items()}
print("FID tells postcards from real birds:",
      distances["twenty postcards"] > 5 * distances["other real birds"])  # fmt: skip
print("other real birds are nearest:", min(distances, key=distances.get) == "other real birds")

# %% [markdown]
# `quality.kid` is a third score, the **kernel Inception distance** (Bińkowski et al., 2018). No
# Gaussians: it asks how alike two pictures of one set are on average, and how alike two of
# different sets. With the features $x, x'$ of real pictures and $y, y'$ of generated ones,
#
# $$\mathrm{KID} = \mathbb{E}\,k(x, x') + \mathbb{E}\,k(y, y') - 2\,\mathbb{E}\,k(x, y),
# \qquad k(x, y) = (x \cdot y / D + 1)^3,$$
#
# where $D$ is the number of features and a picture is never paired with itself. Its merit comes up
# next.
#
# ## Trap 1: how many pictures?
#
# ### Exercise {{number}}.5 (predict)
#
# We compare *real birds with real birds*: a perfect painter. The true distance is 0. With only 100
# pictures instead of 1,200, what will the measured FID be, on average?
#
# * **(a)** about the same, only it scatters more
# * **(b)** smaller: fewer pictures, less difference
# * **(c)** larger: several times as large

# %% exercise="5"
### HINT The means of two samples differ by chance. Can a squared difference average out to 0?
### HINT Each of the 64 means is off by about 1/√N. What does the sum of their squares grow like?
### BEGIN SOLUTION
my_bias = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_bias)

# %% [markdown]
# ### Exercise {{number}}.6 (find the mistake): a KID that falls with N
#
# KID should not depend on N. The function below does: in the next figure, in the middle, its curve
# for real birds against real birds falls as N grows, while the library's stays near 0. Compare it
# with the equation above, find the mistake, and mend it in **both** sets. (`lab.kernel(x, y)` holds
# $k$ of every row of x with every row of y; the mask of all pairs but $k(x_i, x_i)$ is
# `~torch.eye(len(x), dtype=torch.bool)`.)


# %% exercise="6"
def my_kid(real_features: torch.Tensor, fake_features: torch.Tensor) -> float:
    """KID of (N, D) and (M, D) features, all pairs at once."""
    x, y = real_features.double(), fake_features.double()
    ### HINT How large is k(x, x) of a picture with itself, beside k of two different pictures?
    ### HINT These pairs are N of N². Their share is 1/N: this is how the curve falls.
    ### HINT The mean over the other pairs: (k.sum() - k.trace()) / (len(x) * (len(x) - 1)).
    ### BEGIN SOLUTION
    k_x, k_y = lab.kernel(x, x), lab.kernel(y, y)
    inside_x = (k_x.sum() - k_x.trace()) / (len(x) * (len(x) - 1))
    inside_y = (k_y.sum() - k_y.trace()) / (len(y) * (len(y) - 1))
    ### INSTEAD
    inside_x, inside_y = lab.kernel(x, x).mean(), lab.kernel(y, y).mean()
    ### END SOLUTION
    return float(inside_x + inside_y - 2 * lab.kernel(x, y).mean())


# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_kid)

# %%
counts = np.array([70, 100, 150, 250, 400, 700, 1200])
curves = {
    name: lab.score_against_n(fid, real.sums, seen.features, counts)
    for name, seen in (("other real birds", other), ("the shipped FineGAN", fake))
}
kids = {
    name: lab.score_against_n(score, real.features, other.features, counts)
    for name, score in (("the library's", lab.kid_by_hand), ("my_kid", my_kid))
}
changes, floor = lab.preparation_distances(network, views), curves["other real birds"][0]
lab.bias_figure(counts, curves, kids, changes, floor[-1])
plt.show()

# %% tags=["nbval-check-output"]
print("a perfect painter, 100 pictures: FID several times larger:", floor[1] > 3 * floor[-1])
rounding, _, half, antialias = changes.values()
print("rounding matters little:", rounding < floor[-1])
print("half the pixels cost much more than other birds:", half > 10 * floor[-1])
print("antialiasing alone costs more than other birds:", antialias > floor[-1])

# %% [markdown]
# On the left is the reason why papers say how many pictures they drew (FineGAN: 30,000, as many for
# every species, codes tied). An FID of 1,000 pictures is not comparable with one of 30,000, and
# with Inception's 2048 features fewer than 2048 pictures do not even give a full covariance. KID
# has no such bias: on average it is right for any N (in the middle). So for a perfect painter it
# scatters round 0, and can come out a little *negative*: look at the table above. (Ours lies just
# below 0 at large N, too. Both sets hold 60 birds of every species, so they are a little more alike
# than two sets that are drawn by chance.)
#
# ## Trap 2: what happened on the way
#
# On the right is **nothing but real pictures**, the very same ones, twice. In between lies a step
# that no reader of a paper ever sees: a file format, a resize. The last bar compares two ways to
# halve a picture that look alike, with antialiasing (neighbours are averaged before pixels are
# dropped) and without. Common FID programs do *not* antialias when they fit a photograph to
# Inception's 299 pixels, so a photograph is shrunk roughly while a 128-pixel painting is enlarged
# smoothly, and part of the FID is that. Hence our rules, in `quality.py`: **uint8, rounded, for
# both sides; one resize, inside the network; real pictures cropped just as the painter saw them.**
#
# ## Trap 3: whose eyes, again
#
# Two ways to be wrong, made with `birds.redraw`, which can change one factor alone. The first set
# has one kind of background everywhere. The second wears any plumage on any shape. And two
# networks: ours, and one that sees nothing but plumage (`lab.PlumageEyes`).

# %%
rows, rng = np.arange(600), np.random.default_rng(0)
eyes = {"all-round": network, "plumage only": lab.PlumageEyes(size)}
wrong = {
    "other real birds": others.evaluation_crops(rows),
    "one background\nfor all": others.redraw(rows, background=3)[0],
    "any plumage\non any shape": others.redraw(rows, child=rng.integers(20, size=600))[0],
}
ratios = {}
for eye, look in eyes.items():
    truth = lab.statistics(look, birds.evaluation_crops(rows))
    distance = [fid(truth.sums, lab.statistics(look, p).sums) for p in wrong.values()]
    ratios[eye] = [d / distance[0] for d in distance]
lab.eyes_figure(wrong, ratios)
plt.show()

# %% tags=["nbval-check-output"]
for eye, (_, background, plumage) in ratios.items():
    print(f"{eye}: the worse set has wrong", "backgrounds" if background > plumage else "plumage")

# %% [markdown]
# Ask two judges which painter is worse, and they contradict each other. Neither is *mistaken*. A
# network sees what it was trained to tell apart, and Inception was trained on a thousand kinds of
# things, more than a hundred breeds of dogs among them and not one of our birds. This is one more
# reason why the paper fine-tuned it for the Inception Score: without that, birds score about 4.
#
# ### Exercise {{number}}.7 (predict): the perfect copyist
#
# A generator has learnt its training set by heart and paints nothing else. We compare it, as papers
# do, with the training set. What is its FID?
#
# * **(a)** large, since nothing is new
# * **(b)** as large as that of other real birds
# * **(c)** 0, better than other real birds

# %% exercise="7"
### HINT It was printed above, in the last row of the table.
### HINT What do μ and Σ say about *which* pictures they come from?
### BEGIN SOLUTION
my_copyist = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.7", my_copyist)

# %% [markdown]
# So a low FID is no proof of imagination. Show nearest neighbours beside it, as lesson {{gan}} did,
# or compare with pictures that were held back, as `python -m finegan_lib quality` does.
#
# ## What the scores feel
#
# Real pictures again, spoilt step by step in three ways: blurred, made noisy, or with some species
# never shown (the other species fill their places; this is mode collapse). Before you look at the
# curves: which score notices what?

# %%
strengths = np.array([0, 0.15, 0.3, 0.6, 1])
damage = lab.ladder(network, real, lab.training_views(others), others.child_index, strengths)
floor_fid, best_score = (fid(real.sums, other.sums), inception_score(other.logits, 1)[0])
lab.ladder_figure(
    others.evaluation_crops(), others.child_index, strengths, damage, floor_fid, best_score
)
plt.show()

# %% tags=["nbval-check-output"]
for kind, found in damage.items():
    grows = found["fid"][-1] > 5 * found["fid"][0]
    falls = found["inception_score"][-1] < 0.7 * found["inception_score"][0]
    print(f"{kind}: FID grows: {grows}, IS falls: {falls}")

# %% [markdown]
# In the end both scores notice all three, but not in the same measure. The first step of noise
# leaves the Inception Score almost where it was, while the FID has already multiplied. And the
# first step of blur, which you would hardly mind, costs more FID than losing more than half of the
# species, which you would. *How much* a network minds something is not how much you do.
#
# ### Exercise {{number}}.8 (explore): a forger's handbook
#
# Forge an exhibition: real pictures, but only `per_species` different ones of every species (1 to
# 75), blurred by `blur` pixels (0 to 4). Find settings with which the **Inception Score is at least
# 0.97 of what real birds get, while the FID is at least 5 times** that of other real birds. You
# have then shown that one of the scores is blind to something.

# %% exercise="8"
### HINT Which of the two changes did the Inception Score not mind in exercise {{number}}.2?
### HINT The fewer postcards, the further their covariance is from the truth. Blur makes the
###      classifier unsure.
### BEGIN SOLUTION
my_forgery = {"per_species": 1, "blur": 0.0}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.8", my_forgery)

# %% [markdown]
# ## The paper's Table 1
#
# Now you can read it. Higher is better above, lower below. Bars are the spread over splits.

# %%
tables = paper_tables()
lab.table1_figure(tables)
plt.show()

# %% tags=["nbval-check-output"]
scores, distances = tables["table1_inception_score"], tables["table1_fid"]
for data, facts in tables["datasets"].items():
    best_is = max(scores, key=lambda system: scores[system][data][0])
    best_fid = min(distances, key=lambda system: distances[system][data])
    print(f"{facts['name']:14} best IS: {best_is:12} best FID: {best_fid}")
for found in tables["outside_reproductions"]:
    print(f"others: IS {found.get('inception_score', ['–'])[0]}, FID {found.get('fid', '–')}:",
          found["what"])  # fmt: skip

# %% [markdown]
# What to see in it:
#
# * FineGAN has the best FID three times, and the best IS twice: on cars StackGAN-v2 scores higher.
#   "Compare favorably", as the caption has it, is the right word.
# * From Simple-GAN to InfoGAN the Inception Score leaps: one code and its loss. From InfoGAN to
#   FineGAN the step is smaller, but it also buys what no row shows, the *taking apart*.
# * Simple-GAN on dogs (FID 262) and LR-GAN's Inception Scores look like collapsed trainings, not
#   like the limits of a method. How each rival was tuned, one would have to ask.
#
# **Others have measured, too** (the crosses): with the authors' own released model one user got IS
# 43.20 ± 0.54 and FID 22.08, another FID 18.79, where the paper says 52.53 and 11.25. You know all
# the suspects by now. The first compared with *uncropped* photographs, while the model paints crops
# (trap 2). The second used another program for the FID (trap 2). How pictures were normalised for
# the fine-tuned network is written nowhere (trap 3). A training that was stopped at epoch 400 had
# FID 32: the authors answer that the last phase, on hard negatives, is needed for the FID. None of
# this makes the paper wrong. It makes *a number without its recipe* worth little.
#
# ## Table 2 and our own numbers
#
# How many parents should there be? The paper kept 200 children and varied $N_p$ (left). "Mixed" has
# 6 parents with 5 children, 3 with 20 and 11 with 10. From 10 to 40 the score moves by 6 percent,
# at 5 it drops by 11: the number of parents is a knob that forgives. Beside it, our birds, live.

# %%
shipped = {
    "inception_score": inception_score(fake.logits)[0],
    "fid": fid(real.sums, fake.sums),
    "real_inception_score": inception_score(other.logits)[0],
    "real_fid": fid(real.sums, other.sums),
}
table1, table2 = toy_table(1), toy_table(2)
lab.table2_figure(tables, shipped, table1, table2)
plt.show()
for number, table in ((1, table1), (2, table2)):
    if table is None:
        print(f"No table {number} of our own yet: python -m finegan_lib table {number} --data toy")

# %% tags=["nbval-check-output"]
print("real birds are ahead of the generator, in both scores:",
      shipped["real_inception_score"] > shipped["inception_score"]
      and shipped["real_fid"] < shipped["fid"])  # fmt: skip
by_parents = tables["table2_inception_score_cub"]
print("worst number of parents on CUB:", min(by_parents, key=by_parents.get))

# %% [markdown]
# The star is what a perfect painter of ToyBirds would reach with as many pictures. Print it beside
# every score, as lesson {{start_here}} asked: a number without its control says nothing.
#
# Our own tables have another N and smaller pictures, so their FIDs must not be held against the one
# above; and their networks were trained for a fraction of the shipped one's time, so that all five
# could have the same. Within a panel you may compare. Here is the answer to the first question of
# this lesson: **LR-GAN** comes nearest, which the paper has last on birds and cars. Pasting an
# object onto a background is just how *these* birds were made. A ranking belongs to its data. In
# our Table 2 only five parents were trained three times; see how far these three points lie apart
# before you read anything into the single ones beside them.
#
# ## Recap
#
# * **IS** $= \exp I(y; x)$: clear and various to a classifier. It never sees a real picture, and
#   twenty postcards beat it.
# * **FID**: distance of two Gaussians in feature space. It sees variety, blur and missing species;
#   it loves copyists, and it falls with N.
# * Both are scores *through a network*: fix the network, the crop, the resize, the rounding and N,
#   and say all of them.
# * FineGAN's Table 1 leads in FID on all three data sets. Its real merit is in what the next lesson
#   measures.
#
# **Go on with** `{{discovery}}_discovery`: from painted birds to the species of real ones.

# %% tags=["nbval-check-output"]
course.progress()
