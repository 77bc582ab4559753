# ---
# jupyter:
#   lesson:
#     title: Gallery
#     part: and then?
#     about: "play; what came after"
#     question: "What can one do with it, and what came after?"
#     afterwards: "mix birds by hand; what FineGAN cannot do, what came after"
#     card: "dressed ="
#     play: playground
#     play_in: "The playground"
#     t4_seconds: 40
# ---
# ruff: noqa: F821
# %% [markdown]
# # {{number}} · Gallery: what one can do with it, and what came after
#
# The network is built, trained and measured. This lesson is a walk through its pictures: the
# figures of the paper, drawn by the network that comes with the course; then the uses that the
# authors had in mind; then the weaknesses, and who took up which of them.
#
# **You need** lessons {{child}} and {{codes}}; {{infogan}} for the comparison with InfoGAN,
# {{discovery}} for the clustering.
#
# **Afterwards you can** read the paper's figures as experiments, measure what a code gives away,
# paint one bird in the plumage of another, even a real one, and say what FineGAN cannot do.
#
# {{runtime}}.

# %%
import matplotlib.pyplot as plt
import torch

from finegan_lib import figures
from finegan_lib.applications import invert, mix, repaint
from finegan_lib.course import playground, style
from finegan_lib.course.lessons import shared_lab
from finegan_lib.data import ToyBirds
from finegan_lib.discovery import code_classifiers as discovery
from finegan_lib.metrics import Judges, nmi
from finegan_lib.metrics.clustering import control_features, kmeans_labels
from finegan_lib.training.pretrained import load_finegan, load_generator

lab = course.lab("gallery")
style.use_style()
plt.rcParams |= {"figure.dpi": 71, "image.interpolation": "nearest"}  # pixels stay pixels
generator = load_finegan("toy")
hierarchy = generator.config.hierarchy()
judges = Judges.load("toy", generator.config.image_size)  # readers of single factors

# %% [markdown]
# ## Stage by stage
#
# The paper's Figure 3. Read it downwards: a background with nothing in it; a shape; a hollow bird,
# which never had to look real; the same shape filled in. Each stage only lays something over the
# last, and the background shows to the end wherever both masks are black:
# $C = M_c F_c + (1 - M_c)\,P$ with $P = M_p F_p + (1 - M_p)\,B$ (`models.finegan.stitch`).

# %%
figures.stagewise(generator, columns=5)
plt.show()

# %% [markdown]
# ## p, c and z
#
# The paper's Figure 4. Rows come in pairs with one parent, each row another of its children; each
# column has its own noise. Look along a row: same kind, other poses. Look at a pair: same shape,
# two appearances.

# %%
figures.parent_child_noise(generator, columns=4, parents=3, children=2)
plt.show()

# %% [markdown]
# ## Cutting the tie
#
# So far every child was with its own parent, as in the paper's training. Now we choose p and c
# freely.
#
# ### Exercise {{number}}.1 (predict)
#
# Only with its own parent did child $c$ ever have to look real (our recipe shows some hybrids to
# the readers of codes, lesson {{codes}}, but none to $D_c$'s real/fake head). What is drawn for $c$
# with a *foreign* $p$?
#
# * **(a)** the shape of $p$ in the appearance of $c$
# * **(b)** the whole bird of $c$: it is laid over the parent, so it wins
# * **(c)** a smear, since nobody asked for such a bird to look real

# %% exercise="1"
### HINT Which features does the child stage start from?
### HINT M_c is computed from the parent stage's features, and so is F_c. What does c add?
### BEGIN SOLUTION
my_bird = "a"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_bird)

# %% [markdown]
# The paper's Figure 5: parents down, children across, one z and one b everywhere. On the slide the
# shape is retained over the column and the appearance over the row; here it is the other way
# round, as the labels say. Then the judges of lesson {{codes}} read 400 birds with free codes, and
# we ask which code their answers follow.

# %%
figures.parent_by_child(generator, children=4)
plt.show()

# %% tags=["nbval-check-output"]
rng = torch.Generator().manual_seed(0)
free = hierarchy.sample(400, generator.config.z_dim, tied=False, rng=rng)
seen = lab.seen_in(judges, figures.draw(generator, free).child.image)
by_p, by_c = (nmi(code, seen["shape"]) for code in (free.p_index, free.c_index))
print("the shape follows p, even with a foreign c:", by_p > 3 * by_c)
by_p, by_c = (nmi(code, seen["appearance"]) for code in (free.p_index, free.c_index))
print("the appearance follows c, even with a foreign p:", by_c > 3 * by_p)

# %% [markdown]
# ## Bird and background
#
# The slides' fourth pair of pictures: fixed $b$, varying $p$ and $c$, and the reverse. Each of the
# upper rows has one background and many birds, each of the lower ones one bird and several
# backgrounds. Nothing needs to be measured in the lower rows: $M_p$, $F_p$, $M_c$ and $F_c$ do not
# have $b$ among their inputs, so the bird is the same to the last bit, except where a mask is half
# transparent.

# %%
figures.background_swap(generator, columns=4)
plt.show()

# %% [markdown]
# ## InfoGAN on the same birds
#
# Is all this machinery needed? InfoGAN (lesson {{infogan}}) has a code, too, and a loss that makes
# it readable. We have trained one on ToyBirds: 20 codes, as many as there are species. (It is
# shipped as `infogan`, and was made by `python -m finegan_lib train --preset infogan --g-dim 12
# --d-dim 32 --final-decay 0.3 --steps 12000`.)
#
# ### Exercise {{number}}.2 (predict)
#
# Nobody told InfoGAN what its 20 codes should be about. What will they stand for?
#
# * **(a)** the species: there are 20 of them, too
# * **(b)** the backgrounds
# * **(c)** the poses

# %% exercise="2"
### HINT Q reads the code from the whole picture. What in a picture is easiest to read?
### HINT Lesson {{start_here}}: what did k-means on raw pixels find?
### BEGIN SOLUTION
my_codes = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_codes)

# %%
infogan = load_generator("infogan")
pictures, codes = {}, {}
pictures["InfoGAN"], codes["InfoGAN"] = lab.infogan_pictures(infogan, per_code=20)
pictures["FineGAN"], codes["FineGAN"] = lab.finegan_pictures(generator, per_code=20)
figure, axes = plt.subplots(4, 9, figsize=(7, 3.5), gridspec_kw={"wspace": 0.05, "hspace": 0.05})
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
for name, first in (("InfoGAN", 0), ("FineGAN", 5)):
    for row, code in enumerate(figures.spread(int(codes[name].max()) + 1, 4)):
        axes[row, first].set_ylabel(f"c={code}", rotation=0, ha="right", va="center", fontsize=8)
        images = pictures[name][codes[name] == code][:4]
        for axis, image in zip(axes[row, first:], images, strict=False):
            figures.show(axis, image)
axes[0, 0].set_title("InfoGAN: one code a row", loc="left", fontsize=10)
axes[0, 5].set_title("FineGAN: one child a row, b free", loc="left", fontsize=10)
figure.suptitle("The same code, four times", y=1.0)
plt.show()

# %% [markdown]
# This is the paper's Figure 6. On the slide InfoGAN's birds are the same within a group, but so are
# their backgrounds: the code takes both in. In ours the background is what a row shares most
# plainly. FineGAN's $c$ cannot mean a background: it is read from the masked foreground $M_c F_c$
# alone, and the background is drawn by a stage that never sees $c$.
#
# Let us put a number on it. How well can somebody guess the background of a picture who knows only
# its code? Let $n_{ks}$ be the number of pictures with code $k$ in which the judge sees background
# $s$. The best guess for code $k$ is the most frequent $s$, so the share of hits is
#
# $$\frac{\sum_k \max_s n_{ks}}{\sum_k \sum_s n_{ks}}.$$
#
# ### Exercise {{number}}.3 (fill in): what a code gives away
#
# The library's version is `lab.guessed_share`.


# %% exercise="3"
def my_guessed_share(counts: torch.Tensor) -> torch.Tensor:
    """Counts (K codes, S things seen) → the share of pictures guessed right from the code."""
    ### HINT One guess for each row of the table. How often is it right?
    ### HINT `counts.max(1).values` are the hits of each code.
    ### BEGIN SOLUTION
    return counts.max(1).values.sum() / counts.sum()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_guessed_share)

# %%
known = {"InfoGAN": Judges.load("toy", infogan.config.image_size), "FineGAN": judges}
shares = {}
print(f"{'from the code of':18} {'background':>11} {'shape':>7} {'appearance':>11}")
for name, images in pictures.items():
    seen = lab.seen_in(known[name], images)
    for factor, n in (("background", 6), ("shape", 5), ("appearance", 20)):
        counts = lab.counts_of(codes[name], seen[factor], int(codes[name].max()) + 1, n)
        shares[name, factor] = float(lab.guessed_share(counts))
    row = [shares[name, factor] for factor in ("background", "shape", "appearance")]
    print(f"{name:18} {row[0]:11.0%} {row[1]:7.0%} {row[2]:11.0%}")

# %% tags=["nbval-check-output"]
print("InfoGAN's code gives the background away:", shares["InfoGAN", "background"] > 0.7)
print("FineGAN's child code does not:", shares["FineGAN", "background"] < 0.5)
print("but it does give away the appearance:", shares["FineGAN", "appearance"] > 0.5)

# %% [markdown]
# How much is nothing? With six families of backgrounds, a guesser without any code hits about one
# in five, and with only twenty pictures a code luck lifts that to nearly 30 %. So FineGAN's code
# gives away next to nothing of the background. InfoGAN's gives it away almost for certain, and
# something of the bird besides.
#
# A fair reader objects: FineGAN was given boxes and InfoGAN was not. Quite so, and that is the
# point of the boxes. They tell nothing about species, only where it is not worth looking for them.
#
# ## Application 1: style transfer
#
# For birds that the network has painted itself, mixing is choosing: shape and pose $(p, z)$ of one,
# appearance $c$ of another, background $(b, z)$ of a third. The background may even keep its own
# $z$, because no foreground depends on it (`applications.mix`).

# %%
scores = lab.mixture_scores(generator, judges)
print("200 mixtures: the judges see the same as in the giver, and (by chance)")
for factor in ("shape", "appearance", "background"):
    print(f"{factor:12} {scores[factor]:4.0%}  ({scores['chance'][factor]:.0%})")

# %% tags=["nbval-check-output"]
for factor in ("shape", "appearance", "background"):
    print(f"{factor} comes over:", scores[factor] > 2 * scores["chance"][factor])

# %% [markdown]
# The appearance comes over less surely than the rest. No critic ever asked a hybrid to look real,
# and a judge has to tell 20 plumages apart, but only a handful of shapes and backgrounds.
#
# A **real** bird has no codes. They must be found: an image $x$ is given, and we look for
#
# $$\min_z \; \overline{(C(z, b, p, c) - x)^2} + \lambda \, \overline{z^2}.$$
#
# The bars are means over pixels and over the numbers of $z$. Gradient descent does it for $z$. But
# $b$, $p$ and $c$ are one-hot, so there is no slope to go down: they are found by search, or, for
# $c$, by the classifier of lesson {{discovery}}, whose answer is its argmax. `applications.invert`
# does both.
#
# ### Exercise {{number}}.4 (fill in): the loss that finds codes
#
# The library's version is `applications.inversion_loss`.


# %% exercise="4"
def my_inversion_loss(pictures, images, z, prior: float) -> torch.Tensor:
    """Pictures and images (N, 3, S, S), z (N, D) → (N,): mean (C − x)² + prior · mean z²."""
    ### HINT Every picture of the batch has a loss of its own: the result has N numbers.
    ### HINT `mean((1, 2, 3))` averages over all but the first dimension; z needs `mean(1)`.
    ### BEGIN SOLUTION
    return (pictures - images).square().mean((1, 2, 3)) + prior * z.square().mean(1)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_inversion_loss)

# %% [markdown]
# First the classifier: it learns to read $c$ from generated pictures and then looks at real ones
# (lesson {{discovery}}, in small).

# %%
config = discovery.DiscoveryConfig(n_images=2000, epochs=4)
generated, c_codes, _ = discovery.generate_labelled_images(
    generator, hierarchy, generator.config.z_dim, config
)
classifier = discovery.train_code_classifier(generated, c_codes, hierarchy.n_children, config)
birds = ToyBirds(600, image_size=generator.config.image_size, seed=7, progress=False)
real = shared_lab.as_signed(birds.evaluation_crops())
logits, _ = discovery.classify(classifier, discovery.shrink(real, config.image_size))
found_c = logits.argmax(1)

# %% [markdown]
# Then the codes. Sixteen birds give their shape, sixteen others their appearance. The last row
# keeps the real picture and lays the repainted bird over it: $M_c F_c + (1 - M_c)\,x$
# (`applications.repaint`).

# %%
n = 16
bird, behind = invert(generator, real[:n], c_index=found_c[:n], steps=30, candidates=2)
dressed = lab.with_child(bird, found_c[n : 2 * n], hierarchy)
rows = {
    "real: gives\nits shape": real[:n],
    "from the\ncodes found": mix(generator, bird, bird, behind).child.image,
    "real: gives its\nappearance": real[n : 2 * n],
    "transfer": mix(generator, bird, dressed, behind).child.image,
    "repainted": repaint(generator, dressed, real[:n]).image,
}
title = "Style transfer between real birds, by way of codes"
figures.image_figure([list(images[:5]) for images in rows.values()], list(rows), None, title)
plt.show()

# %%
truth = {"shape": birds.parent_index[:n], "appearance": birds.child_index[n : 2 * n]}
hits = {}
for name in ("transfer", "repainted"):
    seen = lab.seen_in(judges, rows[name])
    for factor, wanted in truth.items():
        hits[name, factor] = float((seen[factor].numpy() == wanted).mean())
        print(f"{name:10} {factor:10} as wanted in {hits[name, factor]:4.0%} of {n}")

# %% tags=["nbval-check-output"]
print("the new appearance is seen, by chance 5 %:", hits["transfer", "appearance"] > 0.1)
print("the shape is kept in the repainted ones, by chance 20 %:", hits["repainted", "shape"] > 0.3)

# %% [markdown]
# Honest work, and no magic. Hold these shares beside those of the network's own birds above. On
# real ones two more things can go wrong. Each code must be *found*, and a wrong $c$ dresses the
# bird in the wrong coat. And what the generator cannot paint, it cannot copy: the pictures of the
# second row are its nearest paintings, not photographs. (The repainted birds keep their shape
# partly because their old outline still shows.) MixNMatch, below, was made for just this.
#
# ## Application 2: sorting real pictures
#
# The same classifier, asked about 600 real birds, sorts them by discovered child. Each row shows
# birds that it put under one code. These are the four *largest* groups, so perhaps the worst: a
# group grows by taking in a second species. Where that has happened, what do the two have in
# common?

# %%
largest = torch.bincount(found_c, minlength=hierarchy.n_children).argsort(descending=True)[:4]
sheet = [list(real[found_c == code][:5]) for code in largest]
names = [f"c={int(code)}" for code in largest]
figures.image_figure(sheet, names, None, "Real birds, sorted by discovered child")
plt.show()

# %%
controls = {}
for kind in ("centre_crop", "raw_pixels"):
    groups = kmeans_labels(control_features(birds.evaluation_crops(), kind), 20, seed=0)
    controls[kind] = nmi(birds.child_index, groups)
agreement = nmi(birds.child_index, found_c)
print(f"NMI with the species: {agreement:.2f}")
print("controls, k-means:   ", ", ".join(f"{k} {v:.2f}" for k, v in controls.items()))

# %% tags=["nbval-check-output"]
print("far more about species than raw pixels tell:", agreement > 2 * controls["raw_pixels"])

# %% [markdown]
# ## The playground
#
# Your turn to play. With widgets, there are dropdowns for the codes (untick a tie to choose p or b
# freely), sliders for $z$, and below a panel that mixes two birds. The arrow keys move a slider,
# the tab key goes on to the next control. Without a live front end you see one walk of moves.

# %%
playground.play(generator)

# %% [markdown]
# ### Exercise {{number}}.5 (explore): a walk of your own
#
# Compose a walk from one bird to another that has nothing in common with it, one change at a time:
# a list of at least four triples $(b, p, c)$, each differing from the one before in exactly one
# code, visibly, and the last from the first in all three. Find birds that you like in the
# playground. Which of your birds would no photograph show?

# %% exercise="5"
### HINT Start where you like, then change c, then p, then b: that makes four birds.
### HINT Children of one parent can look alike at first sight: take steps that can be seen.
### BEGIN SOLUTION
my_walk = [(0, 0, 0), (0, 0, 9), (0, 3, 9), (12, 3, 9)]
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_walk)

# %% [markdown]
# ## Strengths and weaknesses
#
# From the slides, with what this course has seen of each:
#
# | strength | seen in |
# | --- | --- |
# | background, shape and appearance come apart | Figures 3 to 6 above; lesson {{codes}} |
# | realistic and diverse images | Table 1, lesson {{image_quality}} (IS of cars: StackGAN-v2) |
# | clusters better than earlier unsupervised methods | Table 3, lesson {{discovery}} |
#
# | weakness | seen in |
# | --- | --- |
# | $N_c$ must be chosen, the true number is unknown | a stable number need not be *the* number |
# | what it discovers need not be what people name | twins and missing species, lesson {{codes}} |
# | far behind supervised recognition | accuracy 0.126 on 200 birds, lesson {{discovery}} |
# | it needs boxes (not on the slide) | D_b and its patches, lesson {{background}} |
# | no way from a picture to its codes (not on the slide) | the search above |
#
# (On the first: `python -m finegan_lib choose-n-children` proposes a number without labels, the one
# at which two sortings agree best. Of ten ToyBirds species in five shapes it counted the shapes.)
#
# The slides close with two contributions: an unsupervised model that paints background, shape and
# appearance one after the other, and a representation that sorts real pictures. By now you have
# built both, and you know the footnote to "unsupervised": no labels, but boxes.
#
# ## What came after
#
# * **MixNMatch** (Li, Singh, Ojha and Lee, CVPR 2020, [arXiv
#   1911.11758](https://arxiv.org/abs/1911.11758)) builds on FineGAN and adds what we missed:
#   encoders that read background, pose, shape and texture from a *real* picture, trained by
#   adversarial matching of image-code pairs. It still needs boxes for the background.
# * **OneGAN** (Benny and Wolf, ECCV 2020, [arXiv 1912.13471](https://arxiv.org/abs/1912.13471))
#   generates, segments and clusters in two levels without boxes; it asks for a set of pictures of
#   empty backgrounds instead.
# * **Furry cars** (Ojha, Singh and Lee, ICLR 2021, [arXiv
#   2104.02052](https://arxiv.org/abs/2104.02052)) swaps shape and appearance *across* kinds, dogs
#   and cars. The appearance is held by a differentiable histogram of features.
# * **C3-GAN** (Kim and Ha, ICLR 2022, [arXiv 2112.14971](https://arxiv.org/abs/2112.14971)) makes
#   InfoGAN's code contrastive, moves the foreground by a random affine map to part it from its
#   background, and clusters by distance in the discriminator's own embedding. In its authors'
#   table FineGAN scores NMI 0.37 and accuracy 0.069 on CUB, against 0.403 and 0.126 in FineGAN's
#   own: protocols differ, and lesson {{discovery}} says how.
#
# ## Recap of the whole journey
#
# * **{{start_here}}** Pictures have factors; pixels alone speak of backgrounds.
# * **{{gan}}** A critic teaches a painter through its slope; the loss must not saturate.
# * **{{infogan}}** A code gets a meaning if it must stay readable: a bound on mutual information.
# * **{{background}}** Patches outside the boxes teach what a background is.
# * **{{parent}}** The parent is judged by information alone, on its masked foreground: there is no
#   real picture of a shape.
# * **{{child}}** The child fills it in, and only the finished bird must look real.
# * **{{codes}}** What is tied in training can be cut afterwards.
# * **{{training}}** The loop, its curves, and how it fails.
# * **{{image_quality}}** Scores have traps; print what was compared with what.
# * **{{discovery}}** Whoever can paint a species to order can teach another to recognise it.
# * **{{gallery}}** And can repaint the world a little.
#
# **Go on with** lesson {{real_birds}}, photographs; and with your own: a folder in CUB's layout,
# with boxes, is all that
# `python -m finegan_lib train --preset cub --data FOLDER` needs. And a GPU, and patience.

# %% tags=["nbval-check-output"]
course.progress()
