# ---
# jupyter:
#   lesson:
#     title: Image quality
#     part: is it any good?
#     about: "IS, FID; Tables 1 and 2"
#     question: "How good are the pictures?"
#     afterwards: "compute IS and FID, and know their limits"
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
# Two generators give you ten thousand pictures each. Which pictures are better? A loss cannot
# answer: it compares a generator only with *its own* discriminator. People can answer, but they
# become tired, they forget, and they disagree. For this reason, researchers use a third network
# that was trained for another task, and papers rank methods by small differences of its scores. In
# this lesson you write two well-known scores yourself. Then you try to *fool* them: you look for
# bad pictures with a good score. They are easy to find.
#
# **You need** lessons {{start_here}}, {{infogan}} (mutual information) and {{child}}, means,
# covariances and matrices.
#
# **Afterwards you can** compute an Inception Score and a Fréchet Inception distance, say what each
# score does not measure, name the usual errors, and read the paper's Tables 1 and 2.
#
# {{runtime}}.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown

from finegan_lib.course import sliders, style
from finegan_lib.data import ToyBirds
from finegan_lib.experiments.paper import paper_tables, toy_table
from finegan_lib.metrics.feature_networks import load_network
from finegan_lib.scoring.quality import fid, inception_score, kid
from finegan_lib.training.pretrained import load_finegan

lab = course.lab("image_quality")
style.use_style()

# %% [markdown]
# ## Five methods
#
# The paper compares FineGAN with four other methods. Each of them lacks some part of FineGAN.
#
# * **Simple-GAN** paints the whole picture at once. It has FineGAN's layers, but no stages, no
#   masks and no codes. It is a larger form of lesson {{gan}}'s GAN.
# * **InfoGAN** adds a child code $c$ and lesson {{infogan}}'s loss $L_I$, which makes the code
#   readable. But $Q$ reads the *whole* picture, so a code may also mean a background.
# * **LR-GAN** (Yang et al., 2017) has stages: first a background, then an object with a mask. An
#   affine transform turns and shifts the object before it is put on the background. There are no
#   codes, and one stage paints shape and appearance together.
# * **StackGAN-v2** (Zhang et al., 2018), in its unconditional form, has stages of *resolution*:
#   small, larger, full. Each has its own critic, and a loss keeps the colours of neighbouring
#   scales similar.
# * **FineGAN** has stages of *meaning*: background, shape, plumage. Note that its $D_p$ is not a
#   critic: it only reads the code.
#
# All five were trained on our birds, for the same small number of steps and with generators of
# about the same size (`finegan_lib/experiments/tables.py`; the numbers are at the end). The second
# figure shows pictures of each. FineGAN has the best pictures here. Before you run the cell: which
# method is second?

# %%
lab.family_portrait()
plt.show()

# %%
lab.first_birds_figure()
plt.show()

# %% [markdown]
# ## Which network computes the scores?
#
# Both scores look at pictures through a network. The paper used two: for the Inception Score an
# Inception-v3 that was fine-tuned on the birds (or dogs, or cars), and for the FID the usual
# Inception-v3 of ImageNet. Our network is a small classifier of ToyBirds (`python -m finegan_lib
# classifier`). It computes 64 **features** of a picture, and from these 20 **logits**, one for each
# species. It was also trained on background and pose. Without this, its features would not contain
# them.
#
# We use three sets of pictures: real birds for the comparison, other real birds, and generated
# birds.

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
# Salimans and others (2016) require two things. Each single picture should clearly show *one*
# class: its $p(y|x)$, the softmax of the logits, should be sharp. All pictures together should show
# *many* classes: the mean $p(y) = \mathbb{E}_x\, p(y|x)$ should be flat. If both are true, then the
# two distributions differ much for each picture:
#
# $$\mathrm{IS} = \exp\Bigl(\mathbb{E}_x\, \mathrm{KL}\bigl(p(y|x)\,\|\,p(y)\bigr)\Bigr),
# \qquad \mathrm{KL}(p\,\|\,q) = \sum_y p(y) \log\frac{p(y)}{q(y)}.$$
#
# You know the exponent: it is $I(y; x)$, the mutual information of lesson {{infogan}}. Therefore
# the score goes from 1 to the number of classes. The library's version is
# `quality.inception_score`.
#
# ### Exercise {{number}}.1 (fill in): the Inception Score


# %% exercise="1"
def my_inception_score(probabilities: torch.Tensor) -> float:
    """exp E_x KL(p(y|x) ‖ p(y)) of (N, K) rows p(y|x), none of them 0."""
    ### HINT p(y) is the mean of the rows. Which dimension does the mean run over?
    ### HINT KL of one row: (p * (p.log() - marginal.log())).sum(1).
    ### HINT First take the mean over the pictures, then exp. .item() turns it into a number.
    ### BEGIN SOLUTION
    marginal = probabilities.mean(0, keepdim=True)
    divergence = (probabilities * (probabilities.log() - marginal.log())).sum(1)
    return divergence.mean().exp().item()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_inception_score)

# %% [markdown]
# The figure shows four imaginary generators and five classes. In the upper panels, each row is one
# picture, and bright means probable. The lower panels show the mean of the rows, $p(y)$. Compare
# two of them: one paints clear pictures, but mostly of one class; one paints unclear pictures of
# all classes. Guess before you run the cell: which of the two has the higher score?

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
# A generator copies **one** real picture of each of the 20 species, and shows these twenty
# postcards again and again. The classifier is sure of each. What is the Inception Score?
#
# * **(a)** about 1, because there is no variety within a species
# * **(b)** as high as that of real birds
# * **(c)** about half of the score of real birds

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
# The "±" is the standard deviation over **ten splits** of the pictures, as in the article of 2016.
# It says how much the tenths differ, not how certain the mean is. (A tenth of our pictures is 120
# pictures for 20 classes. This is few: by chance, some classes are rare, $p(y)$ is not completely
# flat, and no set reaches 20. In one split, the same real birds score higher, as a later figure
# shows.)
#
# ### Exercise {{number}}.3 (find the mistake): a score in ten parts
#
# Somebody wrote the score of ten splits below. For real birds in random order, it is near the
# library's score, even a little higher. For the same birds in order of species, it falls to about
# 2, but the pictures are the same. The cell after the check shows both with your function. Find the
# mistake and correct it. (`lab.score_of_probabilities` is exercise {{number}}.1.)


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
# Remember above all: **the Inception Score uses no real picture.** It measures whether pictures are
# clear and diverse. It does not measure whether they look like real birds.
#
# ## The Fréchet distance
#
# Heusel and others (2017) compare with real pictures. Compute the features of both sets, and the
# mean $\mu$ and covariance $\Sigma$ of each set. Then compute the distance of two Gaussians with
# these values:
#
# $$\mathrm{FID} = \underbrace{\|\mu_r - \mu_g\|^2}_{\text{means}}
# + \underbrace{\mathrm{tr}\bigl(\Sigma_r + \Sigma_g
# - 2\,(\Sigma_r \Sigma_g)^{1/2}\bigr)}_{\text{spread}}.$$
#
# This is the squared Wasserstein distance of the two Gaussians. (Think of one Gaussian as a heap of
# sand. You move each grain until the heap has the form of the other Gaussian. The FID is the
# smallest possible mean of the squared distances that the grains move.) In one dimension it is
# simply $(\mu_r - \mu_g)^2 + (\sigma_r - \sigma_g)^2$. We can draw it in two dimensions. The points
# are two of the 64 features. The first panel compares other real birds with ours. The other panels
# compare our birds with themselves, but shifted or with a smaller spread.

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
# You need only the trace of the matrix root. The trace of a root is the sum of the roots of the
# eigenvalues:
#
# $$\mathrm{tr}\,(\Sigma_r \Sigma_g)^{1/2} = \sum_i \sqrt{\lambda_i},
# \qquad \lambda_i \text{ the eigenvalues of } \Sigma_r \Sigma_g.$$
#
# They are real and not negative, because the symmetric matrix $\Sigma_r^{1/2} \Sigma_g
# \Sigma_r^{1/2}$ has the same eigenvalues. But rounding may make them a little complex or negative.
# Take the real part, and clamp at 0. The library's version is `quality.fid`.


# %% exercise="4"
def my_fid(real_features: torch.Tensor, fake_features: torch.Tensor) -> float:
    """The Fréchet distance of (N, D) and (M, D) features, in float64."""
    a, b = real_features.double(), fake_features.double()
    ### HINT Means: a.mean(0). Covariances with N − 1: a.T.cov(), which needs the features in rows.
    ### HINT torch.linalg.eigvals(cov_a @ cov_b).real.clamp_min(0).sqrt().sum() is the trace of the
    ###      root.
    ### HINT |μ_a − μ_b|² + tr Σ_a + tr Σ_b − 2 · that; trace() sums a diagonal. Put .item() at the
    ###      end.
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
# `quality.kid` is a third score, the **kernel Inception distance** (Bińkowski et al., 2018). It
# uses no Gaussians. It compares two mean similarities: of two pictures from one set, and of two
# pictures from different sets. With the features $x, x'$ of real pictures and $y, y'$ of generated
# ones,
#
# $$\mathrm{KID} = \mathbb{E}\,k(x, x') + \mathbb{E}\,k(y, y') - 2\,\mathbb{E}\,k(x, y),
# \qquad k(x, y) = (x \cdot y / D + 1)^3,$$
#
# where $D$ is the number of features. A picture is never compared with itself. The next section
# shows KID's advantage.
#
# ## Trap 1: how many pictures?
#
# ### Exercise {{number}}.5 (predict)
#
# We compare *real birds with real birds*, as if a generator were perfect. The true distance is 0.
# Now we use only 100 pictures instead of 1,200. How does the measured FID change, on average?
#
# * **(a)** it is about the same, but it varies more
# * **(b)** it is smaller, because fewer pictures differ less
# * **(c)** it is several times as large

# %% exercise="5"
### HINT The means of two samples differ by chance. Can a squared difference average out to 0?
### HINT Each of the 64 means has an error of about 1/√N. How does the sum of the squared errors
###      depend on N?
### BEGIN SOLUTION
my_bias = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_bias)

# %% [markdown]
# ### Exercise {{number}}.6 (find the mistake): a KID that falls with N
#
# KID should not depend on N. The function below depends on N. The middle of the next figure
# compares real birds with real birds: the function's curve falls as N grows, and the library's
# curve stays near 0. Compare the function with the equation above, find the mistake, and correct it
# for **both** sets. (`lab.kernel(x, y)` contains $k$ of every row of x with every row of y. The
# mask of all pairs except $k(x_i, x_i)$ is `~torch.eye(len(x), dtype=torch.bool)`.)


# %% exercise="6"
def my_kid(real_features: torch.Tensor, fake_features: torch.Tensor) -> float:
    """KID of (N, D) and (M, D) features, all pairs at once."""
    x, y = real_features.double(), fake_features.double()
    ### HINT How large is k(x, x) of a picture with itself, compared with k of two different
    ###      pictures?
    ### HINT N of the N² pairs are such pairs. Their share is 1/N, and so the curve falls like 1/N.
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

# %% [markdown]
# In a running notebook, this slider chooses N. Each point is the FID of other N pictures.

# %%
pairs = {"other real birds": other.features, "the shipped FineGAN": fake.features}
sliders.slide(lambda n: lab.fid_figure(real.sums, pairs, n), "N, pictures", counts.tolist(), 100)

# %% tags=["nbval-check-output"]
print("a perfect generator, 100 pictures: FID several times larger:", floor[1] > 3 * floor[-1])
rounding, _, half, antialias = changes.values()
print("rounding matters little:", rounding < floor[-1])
print("half the pixels cost much more than other birds:", half > 10 * floor[-1])
print("antialiasing alone costs more than other birds:", antialias > floor[-1])

# %% [markdown]
# The left panel shows why papers give the number of generated pictures (FineGAN: 30,000, equally
# many for each child code, with tied codes). You cannot compare an FID of 1,000 pictures with an
# FID of 30,000. And with Inception's 2048 features, fewer than 2048 pictures do not give a
# covariance of full rank. KID has no such bias: on average it is right for every N (middle panel).
# For a perfect generator, it varies around 0, and it can be a little *negative*: look at the table
# above. (Our KID is a little below 0 at large N, too. Both sets contain 60 birds of every species,
# so they are a little more similar than two random sets.)
#
# ## Trap 2: how were the pictures prepared?
#
# The right panel uses **only real pictures**: it compares the same pictures before and after a
# preparation. Papers often do not mention such a step, for example a file format or a resize. The
# last bar compares two ways to halve the side of a picture: with antialiasing (it averages
# neighbours before it drops pixels) and without. Their results look similar. Common FID programs
# use *no* antialiasing when they resize to Inception's 299 pixels. In this way, large photographs
# lose quality, 128-pixel generated pictures do not, and this changes the FID. Our rules in
# `quality.py` are therefore: **uint8, rounded, for both sets; one resize, inside the network; real
# pictures with the same crop that the generator learnt.**
#
# ## Trap 3: which network?
#
# We make two wrong sets with `birds.redraw`, which changes one factor alone. The first set has only
# one kind of background. The second set has random plumages on each shape. We compare them with two
# networks: our classifier, and a network that sees only the plumage (`lab.PlumageEyes`).

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
# The two networks disagree about the worse set, and both are *right*. A network sees the
# differences that it was trained to see. Inception was trained on a thousand kinds of things. Among
# them are more than a hundred breeds of dogs, but none of our birds. This is another reason why the
# paper fine-tuned it for the Inception Score: without fine-tuning, birds score about 4.
#
# ### Exercise {{number}}.7 (predict): a perfect copy
#
# A generator has memorised its training set and paints only copies. We compare it with the training
# set, as papers do. What is its FID?
#
# * **(a)** large, because nothing is new
# * **(b)** as large as that of other real birds
# * **(c)** 0, better than other real birds

# %% exercise="7"
### HINT It was printed above, in the last row of the table.
### HINT Can μ and Σ tell a copy from its original?
### BEGIN SOLUTION
my_copyist = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.7", my_copyist)

# %% [markdown]
# A low FID does not prove that pictures are new. Show nearest neighbours with it, as in lesson
# {{gan}}. Or compare with real pictures that are not in the training set, as `python -m finegan_lib
# quality` does.
#
# ## How do the scores react to damage?
#
# We damage real pictures step by step in three ways: blur, noise, or missing species (other species
# take their places; this is mode collapse). Before you look at the curves: which score reacts to
# which damage?

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
# At full strength, both scores react to all three, but not equally. The first step of noise hardly
# changes the Inception Score, but it multiplies the FID. The first step of blur changes the FID
# more than the loss of more than half of the species. For a person, this small blur is unimportant,
# and the lost species are important. A network's score does not have a person's priorities.
#
# ### Exercise {{number}}.8 (explore): fool a score
#
# Make a false exhibition from real pictures. It has only `per_species` different pictures of each
# species (2 to 75; the twenty postcards had 1), blurred by `blur` pixels (0 to 4). Find settings
# with two properties: the **Inception Score is at least 0.97 of the score of real birds, and the
# FID is at least 5 times** the FID of other real birds. This shows that one of the scores does not
# see a fault. Answer with a dictionary: `{"per_species": …, "blur": …}`.

# %% exercise="8"
### HINT Which of the two changes left the Inception Score unchanged in exercise {{number}}.2?
### HINT With fewer different pictures, the covariance is further from that of real birds. Blur
###      makes the classifier unsure.
### BEGIN SOLUTION
my_forgery = {"per_species": 2, "blur": 0.0}
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.8", my_forgery)

# %% [markdown]
# ## The paper's Table 1
#
# Now you can read the paper's table. A high IS is good (↑), a low FID is good (↓). "±" is the
# spread over splits. The paper gives none for the FID.

# %%
tables = paper_tables()
Markdown(lab.table1(tables))

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
# Note these points:
#
# * FineGAN has the best FID three times, and the best IS twice: on cars StackGAN-v2 scores higher.
#   The caption's words "compare favorably" are right.
# * From Simple-GAN to InfoGAN, the Inception Score grows much: one code and its loss cause this.
#   From InfoGAN to FineGAN, it grows less. But FineGAN also separates background, shape and
#   appearance, and no row of the table shows this.
# * Simple-GAN on dogs (FID 262) and LR-GAN's Inception Scores look like collapsed trainings, not
#   like the limits of these methods. We do not know how each method was tuned.
#
# **Others have measured, too** (the last lines below the table): with the authors' released model,
# one user got IS 43.20 ± 0.54 and FID 22.08, and another got FID 18.79. The paper says 52.53 and
# 11.25. You know the possible reasons. The first user compared with *uncropped* photographs, but
# the model paints crops (trap 2). The second used another program for the FID (trap 2). No text
# says how pictures were normalised for the fine-tuned network (trap 3). A training that was stopped
# at epoch 400 had FID 32; the authors answer that a good FID needs the last phase, on hard
# negatives. This does not make the paper wrong. It shows that *a number without its recipe* says
# little.
#
# ## Table 2 and our own numbers
#
# How many parents should there be? The paper kept 200 children and varied $N_p$ (left). "Mixed" has
# 6 parents with 5 children, 3 with 20 and 11 with 10. From 10 to 40 parents, the score changes by 6
# percent; at 5 parents, it falls by 11 percent. The exact number of parents is not critical. The
# other panels show our birds. The shipped generator's scores were computed in this notebook.

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
# The star shows the scores of other real birds: a perfect generator of ToyBirds would reach them
# with the same number of pictures. Lesson {{start_here}} said it: print such a control beside every
# score.
#
# Our own tables use another N and smaller pictures. Do not compare their FIDs with the FID above.
# Their networks had far fewer training steps than the shipped network, because all five got the
# same small number. Compare only within a panel. The question before the pictures of the five
# methods has this answer: **LR-GAN** is second, after FineGAN. In the paper, LR-GAN is last on
# birds and cars. But *these* birds were made in LR-GAN's way: an object put on a background. A
# ranking is valid only for its data. In our Table 2, only the network with five parents was trained
# three times. Look at the distance of these three points before you compare the single points.
#
# ## Recap
#
# * **IS** $= \exp I(y; x)$: it measures whether pictures are clear and diverse for a classifier. It
#   uses no real picture, and twenty postcards score as high as real birds.
# * **FID**: distance of two Gaussians in feature space. It reacts to variety, blur and missing
#   species. Copies of the training set have the best FID. The measured FID falls when N grows.
# * Both scores depend on *a network*. Fix the network, the crop, the resize, the rounding and N,
#   and report all of them.
# * In the paper's Table 1, FineGAN has the best FID on all three data sets. The next lesson
#   measures its main advantage.
#
# **Continue with** `{{discovery}}_discovery`: from painted birds to the species of real birds.

# %% tags=["nbval-check-output"]
course.progress()
