# ---
# jupyter:
#   lesson:
#     title: Discovery
#     part: is it any good?
#     about: "sorting birds; Table 3"
#     question: "How good are the species that it found?"
#     afterwards: "find species in real pictures, and score what you found"
#     card: "shown = np.argsort(-np.bincount"
#     play: discovery
#     play_in: "Two scores by hand"
#     t4_seconds: 40
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · Discovery: species that nobody named
#
# Lesson {{start_here}} asked whether a network can find species that nobody has named. Since then
# we have trained a network that *generates* them. Now we use it to make training data. It generates
# pictures of each of its codes. A second network learns to recognise the codes in these pictures.
# Then we apply the second network to real pictures. In all these steps, no person has named a
# species.
#
# **You need** lessons {{start_here}} and {{child}}, the codes of lesson {{codes}}, and entropies
# (lesson {{infogan}}).
#
# **Afterwards you can** train classifiers on generated images and use them on real ones, compute
# NMI and the accuracy of the best mapping by hand, say how both can be misleading, explain JULE and
# DEPICT with one equation each, and say what Table 3 of the paper shows and what it does not show.
#
# {{runtime}}.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

from finegan_lib.course import style
from finegan_lib.data import ToyBirds
from finegan_lib.discovery import code_classifiers as discovery
from finegan_lib.discovery.depict import DEPICTConfig, answers, balanced_targets, depict
from finegan_lib.discovery.jule import JULEConfig, jule
from finegan_lib.experiments.digits import digit_images, table
from finegan_lib.experiments.paper import dice_at_the_papers_sizes, toy_table
from finegan_lib.figures import image_figure
from finegan_lib.metrics import ami, hungarian_accuracy, kmeans_labels, nmi
from finegan_lib.metrics.clustering import centre_crop, raw_pixels
from finegan_lib.training.pretrained import load_finegan

lab = course.lab("discovery")
style.use_style()
generator = load_finegan("toy")
birds = ToyBirds(800, image_size=generator.config.image_size, seed=7, progress=False)
crops, species, shape = birds.evaluation_crops(), birds.child_index, birds.parent_index

# %% [markdown]
# ## The task
#
# *Fine-grained* categories are parts of an everyday category: not "a bird", but which kind of bird.
# The slides name two neighbouring tasks. *Fine-grained category recognition* learns such categories
# from experts' labels. *Visual object discovery and clustering* finds categories without labels,
# but these are rarely as fine. The paper's task combines both and is called *fine-grained object
# category discovery*: given photographs, boxes and the number of categories, sort the photographs.
# The true labels are used for the scores only. The paper uses these data:
#
# | data | images | categories = $N_c$ | $N_p$ |
# | --- | --- | --- | --- |
# | CUB-200-2011, birds | 11,788 | 200 | 20 |
# | Stanford Dogs | 12,000 (training part) | 120 | 12 |
# | Stanford Cars | 8,144 (training part) | 196 | 20 |
#
# The paper compares with **JULE** and **DEPICT**, which learn features and clusters of the
# photographs together, and with a larger form of each, **JULE-ResNet-50** and **DEPICT-Large**. The
# scores are **NMI** and the **accuracy** of the best mapping from clusters to labels.
#
# ## Pictures that come with their answer
#
# Sample codes, generate pictures from them, and keep both. This gives a labelled training set of
# any size without any work of people. Two classifiers learn from it with cross-entropy: $\phi_p$
# learns the parent code and $\phi_c$ the child code of the **finished** picture (paper, section
# 3.3). $z$ and $b$ are sampled independently, so pose and background do not show the answer. For
# $\phi_c$, $p$ stays the parent of $c$.
#
# $D_c$ already contains a reader of the child code: its head was trained to read it for thousands
# of steps. Why do we train another one? The next cell shows the inputs of each of them.

# %%
made = lab.generated_views(generator, 1500, seed=0)
real = discovery.shrink(crops.float() / 127.5 - 1, made["final"].shape[-1])
rows = {
    "finished C,\nfor $φ_c$": list(made["final"][:9]),
    "$M_c F_c$, all that\n$D_c$'s head saw": list(made["masked"][:9]),
    "real birds": list(real[:9]),
}
image_figure(list(rows.values()), list(rows), None, "What a reader of the child code is shown")
plt.show()

# %% [markdown]
# ### Exercise {{number}}.1 (predict)
#
# The same small network is trained twice: once on finished pictures, and once on masked
# foregrounds. (The second one stands for $D_c$'s head.) On its own kind of picture, each network
# reads nearly every code correctly. How well will the second one read real birds?
#
# * **(a)** better than the first: it saw nothing but the bird
# * **(b)** about the same: it is the same bird
# * **(c)** much worse

# %% exercise="1"
### HINT What is around the bird in the middle row, and in the bottom row?
### HINT In the training of this network, did a picture contain waves or reeds?
### BEGIN SOLUTION
my_reader = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_reader)

# %%
hierarchy = generator.config.hierarchy()
settings = discovery.DiscoveryConfig(n_images=1500, epochs=6)
n_c, n_p = hierarchy.n_children, hierarchy.n_parents
train = discovery.train_code_classifier
phi_c = train(made["final"], made["child"], n_c, settings)
phi_p = train(made["final"], made["parent"], n_p, settings)
like_d_c = train(made["masked"], made["child"], n_c, settings)


def right(reader, images, codes):
    """Share of generated images whose code is read correctly."""
    return (discovery.classify(reader, images)[0].argmax(1) == codes).float().mean().item()


def on_real(reader):
    """NMI of a reader's answers on real birds with their species."""
    return nmi(species, discovery.classify(reader, real)[0].argmax(1).numpy())


own, other = (right(like_d_c, made[k], made["child"]) for k in ("masked", "final"))
print(f"the reader of masked birds, on masked birds: {own:.0%}; on finished ones: {other:.0%}")
print(f"NMI with real species: {on_real(like_d_c):.2f}; of φ_c: {on_real(phi_c):.2f}")

# %% tags=["nbval-check-output"]
print("it reads masked birds well:", own > 0.9)
print("and finished ones of the very same codes badly:", other < 0.7)
print("φ_c does far better on real birds:", on_real(phi_c) > on_real(like_d_c) + 0.15)

# %% [markdown]
# A real photograph has no mask. The reader of masked foregrounds treats every background as a part
# of the bird. The training of FineGAN needs the masks: without them, the codes would not separate
# the factors. But a reader of photographs must be trained without masks.
#
# ### Exercise {{number}}.2 (find the mistake): codes for $\phi_c$
#
# The function below samples the codes for $\phi_c$'s pictures. If a reader is trained on such
# pictures, its answers on real birds agree with the *backgrounds* of these birds. Find the mistake
# and correct it. (`hierarchy.codes(z, c_index, p_index=…, b_index=…)` turns indices into codes.
# Lesson {{codes}} says which codes are tied to each other.) After the check, the next cell trains a
# reader on pictures of your codes.


# %% exercise="2"
def my_codes(hierarchy, n: int, z_dim: int, rng):
    """Codes of n pictures for φ_c: every child, each with its own parent, over any background."""
    ### HINT Which codes does hierarchy.codes(z, c_index) tie together?
    ### HINT `free` contains a background for each picture: free.b_index. Is it used?
    ### HINT hierarchy.codes(free.z, free.c_index, b_index=…)
    ### BEGIN SOLUTION
    free = hierarchy.sample(n, z_dim, tied=False, rng=rng)
    return hierarchy.codes(free.z, free.c_index, b_index=free.b_index)
    ### INSTEAD
    free = hierarchy.sample(n, z_dim, tied=False, rng=rng)
    return hierarchy.codes(free.z, free.c_index)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_codes)

# %%
mine, short = lab.pictures_of(my_codes, generator, 400), replace(settings, epochs=4)
my_phi_c = train(mine["final"], mine["child"], n_c, short)
answers_on_real = discovery.classify(my_phi_c, real)[0].argmax(1).numpy()
for name, truth in (("species", species), ("backgrounds", birds.background_index)):
    print(f"agreement of its answers with the real {name}: NMI {nmi(truth, answers_on_real):.2f}")

# %% tags=["nbval-check-output"]
known = nmi(made["background"], made["child"])
print("in the library's pictures the background tells nothing of the child:", known < 0.2)

# %% [markdown]
# ## From answers to categories
#
# $\phi_c$ reads a child code from a real bird, and its **likeliest answer** is a category. There is
# a second way. Take the features of both networks (the output of the layer before the last) and
# concatenate them. Then run **k-means** on them with any number of clusters. The paper does this,
# because $N_c$ can differ from the number of true categories. Each score needs controls:
#
# * *shuffled codes*: the same training, but each picture has the code of another picture;
# * *untrained*: the same network, random weights;
# * *centre crop*, *raw pixels*: k-means on pixels, as in lesson {{start_here}}.
#
# NMI is above 0 even for random labels. The **adjusted mutual information** (AMI, `metrics.ami`)
# subtracts the expected value of random labels with clusters of the same sizes:
#
# $$\mathrm{AMI} = \frac{I - \mathbb{E}[I]}{\mathrm{mean}(H(\text{rows}), H(\text{columns})) -
# \mathbb{E}[I]},$$
#
# with $I$ and $H$ as in the next section. It is 1 for equal groupings, and 0 on average for random
# ones. The figure shows both scores.

# %%
untrained = discovery.untrained_classifier(made["final"], n_c, settings)
no_use = train(made["final"], lab.shuffled(made["child"]), n_c, settings)
read = {r: discovery.classify(r, real) for r in (phi_c, phi_p, untrained, no_use)}
both = torch.cat([read[phi_p][1], read[phi_c][1]], 1)
found = {"child": read[phi_c][0].argmax(1).numpy(), "parent": read[phi_p][0].argmax(1).numpy()}
features = {
    "φ: k-means on both features": both,
    "control: shuffled codes": read[no_use][1],
    "control: untrained": read[untrained][1],
    "control: centre crop": centre_crop(crops),
    "control: raw pixels": raw_pixels(crops),
}
truths = {"child": species, "parent": shape}
groups = {"φ: likeliest answer": found}
for name, values in features.items():
    sizes = {level: len(np.unique(truth)) for level, truth in truths.items()}
    groups[name] = {level: kmeans_labels(values, k, seed=0) for level, k in sizes.items()}
scores, adjusted = (
    {n: {level: score(truths[level], g[level]) for level in truths} for n, g in groups.items()}
    for score in (nmi, ami)
)
lab.draw_bars(scores, "Real birds, sorted by networks that never saw one", adjusted)
plt.show()

# %% tags=["nbval-check-output"]
best = {level: max(s[level] for n, s in scores.items() if n[0] == "φ") for level in truths}
for name in ("control: shuffled codes", "control: untrained", "control: raw pixels"):
    print(f"{name}: beaten", all(best[level] > scores[name][level] + 0.1 for level in truths))
print("AMI is below NMI:", all(adjusted[n][k] < scores[n][k] for n in scores for k in truths))

# %% [markdown]
# The answer to lesson {{start_here}} is **yes**. But look at the controls, too. None of them is at
# 0 for the child, because even random filters react to colours. The centre crop contains only the
# middle of the picture. In a drawn world with few colours, the colours there say much about the
# species. (The centre crop needs a box drawn by a person, as FineGAN does.) Shapes are harder to
# find than plumages, above all for k-means. The concatenated features also contain the plumage.
# Here $\phi_p$ may use the plumage, too, because each of its pictures has the parent of $c$ as $p$.
# In the library's scores on ToyBirds (`discovery.discover_categories`), $\phi_p$'s pictures have a
# free $p$, so only the shape shows the answer. For photographs and in table 3, its pictures are as
# here.
#
# ## Two scores by hand
#
# Both scores start from a table of counts $n_{kj}$: the number of images of class $k$ in cluster
# $j$. With $P_{kj} = n_{kj}/N$ and its row and column sums $P_k$, $P_j$,
#
# $$I = \sum_{k,j} P_{kj} \log \frac{P_{kj}}{P_k P_j} = H(\text{rows}) + H(\text{columns})
# - H(\text{cells}), \qquad H = -\sum P \log P,$$
#
# and $\mathrm{NMI} = I / \mathrm{mean}(H(\text{rows}), H(\text{columns}))$. Which mean? Our scores
# and newer versions of scikit-learn use the arithmetic mean. JULE's authors use the geometric mean.
# C3-GAN's authors use the **larger** of the two entropies. FineGAN's paper does not say.
# (`metrics.nmi` has them all.)
#
# ### Exercise {{number}}.3 (fill in): the strict NMI


# %% exercise="3"
def my_nmi(counts: torch.Tensor) -> torch.Tensor:
    """I / max(H(rows), H(columns)) of a (classes, clusters) table; some counts are 0."""
    ### HINT Three entropies are enough: of the row sums, of the column sums, of all cells.
    ### HINT 0 · log 0 counts as 0: `torch.xlogy(p, p)` returns 0, p * p.log() returns nan.
    ### HINT I is the first two entropies minus the third; divide by the larger of the first two.
    ### BEGIN SOLUTION
    p = counts / counts.sum()
    rows, columns, cells = (-torch.xlogy(q, q).sum() for q in (p.sum(1), p.sum(0), p))
    return (rows + columns - cells) / torch.maximum(rows, columns)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_nmi)

# %% [markdown]
# For the **accuracy**, each cluster must belong to a class, but clusters have no names. For this
# reason, we take the best of all one-to-one mappings $m$ from clusters to classes,
#
# $$\mathrm{acc} = \max_{m} \frac{1}{N} \sum_j n_{m(j)\,j},$$
#
# and the images of a cluster without a class count as wrong. There are $200!$ mappings for 200
# classes, too many to try. The *Hungarian algorithm* finds the best one in milliseconds
# (`scipy.optimize.linear_sum_assignment`; `metrics.hungarian_accuracy` uses it).
#
# ### Exercise {{number}}.4 (fill in): the best mapping
#
# The tables may have more columns than rows, or fewer. Each class gets one cluster at most.


# %% exercise="4"
def my_accuracy(counts: torch.Tensor) -> float:
    """The best-mapping accuracy from a (classes, clusters) table."""
    ### HINT Import linear_sum_assignment from scipy.optimize inside the function.
    ### HINT It takes a numpy array and minimises; with maximize=True it maximises.
    ### HINT It returns rows and columns: sum counts[rows, columns], divide by all images, .item().
    ### BEGIN SOLUTION
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(counts.numpy(), maximize=True)
    return (counts[rows, columns].sum() / counts.sum()).item()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_accuracy)

# %% [markdown]
# Here is the table of our real birds. At the left, the columns are in the order of the codes'
# numbers. Without the mapping, the accuracy is near chance. At the right, the same columns are
# matched. White lines separate the silhouettes: each has four species. The left table has blocks,
# too. The children of one parent code have neighbouring numbers, and most of them generate birds of
# one silhouette.

# %%
counts = lab.table_of_counts(species, found["child"])
parent_of_row = shape[np.unique(species, return_index=True)[1]]
lab.draw_confusion(counts, birds.parent_names, parent_of_row, "Real birds, likeliest child code")
plt.show()
accuracy = hungarian_accuracy(species, found["child"])
print(f"accuracy {accuracy:.2f}, NMI {nmi(species, found['child']):.2f}", end=", ")
print(f"AMI {ami(species, found['child']):.2f}")

# %% tags=["nbval-check-output"]
same = lab.accuracy_of_counts(counts) == accuracy
unmapped = float((species == found["child"]).mean())
print("the library's accuracy is that of the table:", same)
print("without the mapping it would be below 0.25:", unmapped < 0.25)
halves = hungarian_accuracy([0, 0, 1, 1], [0, 1, 2, 3])  # four pure clusters for two classes
print("surplus clusters count as wrong:", halves == 0.5)

# %% [markdown]
# ### Exercise {{number}}.5 (explore): two scores that disagree
#
# Sixty images show three species, twenty of each. Two people sort them. Write down two tables of
# counts, one row for each species. **The first table must have the higher NMI, and the second table
# must have the higher accuracy**, each by at least 0.05. A table may have any number of columns
# (clusters); each row adds up to 20. (Two perfect sortings are no solution, because both scores
# agree on them.) `lab.nmi_of_counts(table)` and `lab.accuracy_of_counts(table)` take a table as a
# tensor. Your answer is the pair `(first, second)`, and each table is a list of three rows.

# %% exercise="5"
### HINT Accuracy gives each class one cluster. If a class has two pure clusters, what is lost?
### HINT For NMI, a pure cluster determines the class, even if the cluster is small.
### HINT First: each species in two clusters of ten. Second: three clusters with 14 of 20 right.
### BEGIN SOLUTION
my_sortings = (
    [[10, 10, 0, 0, 0, 0], [0, 0, 10, 10, 0, 0], [0, 0, 0, 0, 10, 10]],
    [[14, 3, 3], [3, 14, 3], [3, 3, 14]],
)
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_sortings)

# %% [markdown]
# ## Two traps
#
# **The mapping** is chosen with the true labels: accuracy takes the best of many mappings. **NMI**
# has another trap. Suppose that we sort the pictures by *dice*, without a look at them, into more
# and more groups. Before you run the next cell: which of the five curves stay at 0?

# %%
sizes = np.array([2, 5, 10, 20, 40, 80, 160, 320, 640])
curves = lab.scores_of_dice(species, sizes)
lab.draw_dice(curves, sizes, len(species), len(np.unique(species)))
plt.show()

# %% tags=["nbval-check-output"]
print("NMI rises with every step:", bool((np.diff(curves["NMI"]) > 0).all()))
print("AMI and ARI do not:", max(np.abs(curves["AMI"] + curves["ARI"])) < 0.05)

# %%
fair, unequal = dice_at_the_papers_sizes(), dice_at_the_papers_sizes(unequal=True)
print(
    "random labels at the paper's sizes: NMI and accuracy; with clusters as unequal as JULE's, NMI"
)
for name, dice in fair.items():
    alone = unequal[name]["nmi_arithmetic"]
    print(f"{name:6} {dice['nmi_arithmetic']:.3f}  {dice['accuracy']:.3f}     {alone:.3f}")

# %% [markdown]
# The first line has CUB's size: 11,788 images of 200 classes. Random labels get a higher NMI there
# than the 0.204 that Table 3 has for JULE. Their accuracy is also close to JULE's accuracy of
# 0.045, although one in 200 is only 0.005. The reason is the best mapping: it chooses the cells
# that are large by chance. For this reason, compare NMIs only at equal numbers of clusters and
# images, and also print **AMI** or the **adjusted Rand index** (`metrics.ari`). ARI counts pairs of
# images, and subtracts the expected value of random labels.
#
# ## Look at them
#
# A score does not show what went wrong, but pictures do. Here are five of the clusters, the largest
# first. The name at the left is the most frequent silhouette of the cluster. (For your own
# photographs: `python -m finegan_lib cluster FOLDER --n-clusters 20 --out sorted`.)

# %%
sorted_birds = kmeans_labels(both, n_c, seed=0)
shown = np.argsort(-np.bincount(sorted_birds))[:: max(1, n_c // 5)][:5]
names = lab.dominant_names(sorted_birds, shape, birds.parent_names, shown)
rows = lab.example_images(crops, sorted_birds, shown)
image_figure(rows, names, None, "Real birds in clusters found without labels")
plt.show()

# %% [markdown]
# ## JULE: merge, learn, merge again
#
# *Joint Unsupervised LEarning* (Yang, Parikh and Batra, 2016) works on the photographs themselves.
# Every image points to its nearest neighbours, with weights $W_{ij} = \exp(-\|x_i - x_j\|^2 /
# \sigma^2)$. Let $W_{ab}$ be the block of arrows from members of cluster $a$ to members of $b$, and
# $|a|$ the number of members. Two clusters are near if arrows go in **both directions**:
#
# $$A(a, b) = \frac{\mathbf 1^\top W_{ab} W_{ba} \mathbf 1}{|a|^2}
# + \frac{\mathbf 1^\top W_{ba} W_{ab} \mathbf 1}{|b|^2}.$$
#
# ### Exercise {{number}}.6 (find the mistake): arrows that go one way
#
# The function below should compute $A(a, b)$, but it has a mistake. With it, clusters merge with
# popular images: many arrows go to such an image, but no arrow goes back from it. Correct the
# function. (An image counts in $W_{ab} W_{ba}$ only if an arrow of $a$ goes to it *and* an arrow
# goes back.)


# %% exercise="6"
def my_affinity(weights: torch.Tensor, a: list, b: list) -> torch.Tensor:
    """W (N, N), an arrow from row to column; members of two clusters → A(a, b), a scalar."""
    ### HINT `there` is W_ab, `back` is W_ba. Which product of the two does the formula have?
    ### HINT there.T is W_ab transposed: the same arrows again, not the arrows back.
    ### BEGIN SOLUTION
    there, back = weights[a][:, b], weights[b][:, a]
    return (there @ back).sum() / len(a) ** 2 + (back @ there).sum() / len(b) ** 2
    ### INSTEAD
    there, back = weights[a][:, b], weights[b][:, a]
    return (there @ there.T).sum() / len(a) ** 2 + (back @ back.T).sum() / len(b) ** 2
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_affinity)

# %% [markdown]
# *Forward*: merge the nearest pair, again and again (`discovery.jule.ClusterGraph`). JULE merges
# first where the nearest neighbour of a cluster is near *and* its next neighbours are far
# (`merge_score`). The next figure shows this on points:

# %%
points, truth = lab.petals()
weights, story = lab.merge_story(points, [10, 3])
stages = {f"{len(np.unique(v))} clusters": v for v in story.values()}
lab.draw_merging(points, weights, stages, "JULE's forward pass: merge along the arrows")
plt.show()

# %% tags=["nbval-check-output"]
print("JULE's graph finds the three:", nmi(truth, story[3]) > 0.9)
print("k-means does:", nmi(truth, kmeans_labels(points, 3, seed=0)) > 0.9)

# %% [markdown]
# *Backward*: a convolutional network learns features in which the members of one cluster are nearer
# to each other than to other images. Let $x$ be the features of an image, $x_+$ those of a member
# of the same cluster, and $x_-$ those of an image of another cluster. The loss is $\max(0, \|x -
# x_+\|^2 - \|x - x_-\|^2 + m)$ (`discovery.jule.weighted_triplet_loss`): $x_-$ must be further away
# by a margin $m$. Then JULE builds a new graph on the new features and merges again. It stops at
# the wanted number of clusters.
#
# The next cell runs JULE on handwritten digits, with a fraction of the usual training:

# %%
digits, which = digit_images()
quick = JULEConfig(width=16, padding=2, unrolling=0.6, epochs=2, contrast_above=0)
by_jule = jule(digits, 10, quick, progress=False)
by_kmeans = kmeans_labels(raw_pixels(digits), 10, seed=0)
print(f"NMI on digits: JULE {nmi(which, by_jule):.2f}, k-means {nmi(which, by_kmeans):.2f}")

# %% tags=["nbval-check-output"]
print("JULE does better than k-means:", nmi(which, by_jule) > nmi(which, by_kmeans) + 0.03)

# %% [markdown]
# ## DEPICT: targets out of its own answers
#
# DEPICT (Ghasedi Dizaji et al., 2017) puts a softmax on the features of an autoencoder. Its answer
# for image $i$ is a probability $p_{ik}$ for each cluster $k$. There are no labels, so DEPICT
# computes its **targets** from its own answers, with one correction: the answers for a large
# cluster are divided by a larger number.
#
# $$q_{ik} = \frac{\tilde q_{ik}}{\sum_{k'} \tilde q_{ik'}}, \qquad
# \tilde q_{ik} = \frac{p_{ik}}{\sqrt{\sum_{i'} p_{i'k}}}$$
#
# Without the division, all images could end in one cluster, which is useless. The network learns
# $q$ from a *noisy* view of the image (dropout), and computes $p$ from a clean one. A decoder must
# reconstruct the picture, so that the features keep the picture's content.
#
# ### Exercise {{number}}.7 (fill in): fair targets
#
# The library's version is `discovery.depict.balanced_targets`.


# %% exercise="7"
def my_targets(p: torch.Tensor) -> torch.Tensor:
    """DEPICT's targets q (N, K) for answers p (N, K), whose rows add up to 1."""
    ### HINT The size of cluster k is the sum of column k: p.sum(0), one number for each cluster.
    ### HINT Divide by its square root, then make each row add up to 1 again.
    ### HINT A row's sum as a column, for the division: q.sum(1, keepdim=True).
    ### BEGIN SOLUTION
    q = p / p.sum(0).sqrt()
    return q / q.sum(1, keepdim=True)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.7", my_targets)

# %%
seen = {}


def keep_answers(training):
    """Note the answers P of the last step's third epoch."""
    if (training.step, training.epoch) == (4, 3):
        seen["p"] = answers(training.network, digits)


quick = DEPICTConfig(
    learning_rate=2e-3,
    dropout=0.3,
    pretrain_epochs=25,
    warm_epochs=5,
    epochs=25,
    targets="code",
    kmeans_starts=5,
)
by_depict = depict(digits, 10, quick, progress=False, watch=keep_answers)
lab.draw_targets(seen["p"], digits[:8])
plt.show()
print(f"NMI on digits: DEPICT {nmi(which, by_depict):.2f}, k-means {nmi(which, by_kmeans):.2f}")

# %% tags=["nbval-check-output"]
p, q = seen["p"], balanced_targets(seen["p"])
print("targets are fairer than answers:", bool(q.sum(0).std() < p.sum(0).std()))
print("DEPICT does better than k-means:", nmi(which, by_depict) > nmi(which, by_kmeans) + 0.02)

# %% [markdown]
# The paper's targets make the large clusters a little smaller and the small ones a little larger.
# The targets of the authors' code, $q \propto p^2 / \sum p$, make every answer **surer**, but they
# are not fairer. On the digits they work better, so the run above uses them. This run is short.
# Here are the means of three seeds with longer training (`finegan_lib/experiments/digits.py`). The
# settings were chosen on the same digits. For this reason, the table shows that both methods work,
# but not which one is better. (The table has ARI, which subtracts the effect of chance, as AMI
# does.)

# %%
results = lab.digits_results()
print(table(results) if results else "not measured here: python -m finegan_lib.experiments.digits")

# %% [markdown]
# Both are better than k-means on pixels. On these small, clean pictures, JULE's graph alone is
# nearly as good as the whole method (second line).
#
# ### Exercise {{number}}.8 (predict)
#
# Digits are white on black. Now JULE sorts ToyBirds into 20 clusters. With which factor will its
# clusters agree most?
#
# * **(a)** the species, as on digits
# * **(b)** the silhouette
# * **(c)** the background

# %% exercise="8"
### HINT The first clusters come from nearest neighbours in raw pixels. Think of lesson
###      {{start_here}}.
### HINT The network then learns features in which just these clusters are tight.
### BEGIN SOLUTION
my_sorting = "c"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.8", my_sorting)

# %%
quick = JULEConfig(width=16, unrolling=0.8, epochs=2, contrast_above=0)
small = ToyBirds(400, image_size=32, seed=7, progress=False)
by_jule = jule(small.evaluation_crops(), 20, quick, progress=False)
behind, kind = (nmi(t, by_jule) for t in (small.background_index, small.child_index))
print(f"JULE on ToyBirds: NMI with the background {behind:.2f}, with the species {kind:.2f}")
behind, kind = (ami(t, by_jule) for t in (small.background_index, small.child_index))
print(f"                  AMI with the background {behind:.2f}, with the species {kind:.2f}")

# %% tags=["nbval-check-output"]
print("it sorts by what stands behind the bird:", behind > kind + 0.15)

# %% [markdown]
# JULE has no information about the factor that we want. A method that starts from whole pictures
# can sort by the background as well as by the bird. FineGAN separates background and bird first,
# and the sorting comes later. This is probably an important reason why FineGAN has the best scores
# in Table 3.

# %%
lab.draw_table3()
plt.show()

# %% [markdown]
# Note four things.
#
# **The order**: FineGAN is the best on all three data sets, and its lead is largest on birds. A
# larger network hardly helps JULE or DEPICT, so the size of the network was not their problem.
#
# **The values**: 12.6 % of the birds are in the right one of 200 clusters. This is three times the
# accuracy of the random labels above. But a supervised network classifies most of them correctly.
# This field of research was still at its beginning.
#
# **Chance**: random labels do not get a score of 0 here. The section "Two traps" printed their
# scores at the paper's sizes: an NMI of 0.266 on birds, 0.139 on dogs and 0.318 on cars, and an
# accuracy of 0.042, 0.038 and 0.052 (`dice_at_the_papers_sizes` in `experiments/paper.py`, means of
# three repeats). JULE's NMI is lower than this on birds and on cars. On dogs it is 0.142, almost
# the same. JULE's clusters differ much in size, and random clusters of unequal sizes get a lower
# NMI. Random clusters that are as unequal as JULE's on photographs of birds get 0.190, 0.103 and
# 0.235. This means that JULE found very little. DEPICT (0.290, 0.182, 0.329) is somewhat above
# chance on birds and dogs. On cars, its NMI is above chance by only 0.011. FineGAN (0.403, 0.233,
# 0.354) is clearly above chance on birds and dogs, and by 0.036 on cars. The paper claims that
# FineGAN sorts best, and this is right. But these NMIs do not show how *much* better it sorts,
# because a large part of each NMI is chance. The paper does not give AMI. AMI cannot be computed
# from NMI alone, because it needs the sizes of the clusters.
#
# **A later measurement** (the marks in the figure): C3-GAN's authors (arXiv 2112.14971) trained
# FineGAN again. They report 0.37 and 6.9 % on birds, and the paper has 0.403 and 12.6 %. On birds,
# their InfoGAN is even a little better than their FineGAN; on dogs and cars, their FineGAN has the
# slightly higher NMI. There are some possible reasons. First, they use another mean in the NMI: the
# larger entropy, which gives lower values. Second, their classifiers and features may differ:
# FineGAN's paper describes them in a few lines, and their code was never released. Third, they may
# form clusters in another way (k-means on features, or the likeliest code). On dogs and cars, the
# two results are nearer to each other. C3-GAN itself reaches 0.53 and 27.6 %. Its discriminator's
# features are *trained* to be clustered: every code has a point in feature space, and a contrastive
# loss pulls a generated picture to its own point and pushes it away from all others. The features
# are computed from whole pictures, so no second network has to be trained.
#
# ## Our own Table 3
#
# The next cell prints the same comparison on ToyBirds. All methods sort the same pictures, with one
# seed each (the dice with three). With "middle of the crop", a method gets a smaller picture, which
# the bird nearly fills. "FineGAN, contrastive" is our own addition: its child head is trained with
# a contrastive loss, as in C3-GAN. A dash means that AMI was not measured. ARI subtracts the effect
# of chance, too.

# %%
ours = toy_table(3)
if ours is None:
    print("not run here yet; this makes it: python -m finegan_lib table 3 --data toy")
else:
    print(f"{'':38} NMI    AMI    accuracy  ARI")
    for system, row in ours["systems"].items():
        names = ("nmi_arithmetic", "ami", "accuracy", "ari")
        means = [f"{np.mean(row[name]):.3f}" if name in row else "—" for name in names]
        print(f"{system:38} {means[0]}  {means[1]:5}  {means[2]}     {means[3]}")

# %% [markdown]
# In the paper, DEPICT is better than JULE. Here the result depends on the crop. If the bird fills
# the picture ("middle of the crop"), DEPICT is better in NMI and ARI, and JULE is slightly better
# in accuracy. On whole crops, JULE is better in all three. A likely reason is DEPICT's autoencoder.
# It must reconstruct every pixel, so its features keep the background as well as the bird. JULE
# reconstructs nothing. The large versions are worse than the small ones. Perhaps two thousand
# pictures, mostly of background, are too few for so many weights. The separation of bird and
# background has a larger effect than all these differences.
#
# ## What the sorting gives back
#
# A generator may leave out some species (lesson {{codes}}). But $\phi_c$ sorts the real birds of
# these species as well as the others: features that distinguish twelve plumages also distinguish a
# thirteenth. For this reason, the sorted real birds show which species the generator does not
# generate. `discovery.cover` uses this. It matches each cluster of real birds with a code. If
# $\phi_c$ reads this code in only few pictures of the cluster, the cluster is a missing species,
# and the code is *idle*. `cover` changes the weights of the idle codes until they generate missing
# species. After this step, the network that you have used generates all species. FineGAN helps
# discovery, and discovery helps FineGAN.
#
# ## Recap
#
# * Generated pictures come with their codes. This is a labelled training set without any work of
#   people.
# * $D_c$'s head cannot read photographs, because it was trained on masked foregrounds only.
#   $\phi_p$ and $\phi_c$ can, because they learn from finished pictures with free backgrounds.
# * NMI grows with the number of clusters, and there are several NMIs. Accuracy takes the best
#   mapping, so chance raises it, too. Also print AMI or ARI, and controls.
# * JULE merges mutual neighbours, and between these steps it learns features. DEPICT learns from
#   its own answers, after a correction for the size of the clusters. Both sort whole pictures, so
#   both can sort by background.
# * Two weaknesses remain. A person must give the number of categories. And the categories of a
#   network can differ from the categories that people name.
#
# **Continue with** `{{gallery}}_gallery`: what one can do with the network.

# %% tags=["nbval-check-output"]
course.progress()
