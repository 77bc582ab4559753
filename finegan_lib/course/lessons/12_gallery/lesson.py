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
# You have built, trained and measured the network. This lesson shows what one can do with it: the
# paper's pictures that no lesson has shown yet, the two applications of the authors, and a
# playground. At the end, it lists the weaknesses, and later papers that worked on them.
#
# **You need** lessons {{child}} and {{codes}}; {{infogan}} for the comparison with InfoGAN,
# {{discovery}} for the clustering.
#
# **Afterwards you can** read the paper's figures as experiments, measure what a code gives away
# (how much it tells about a picture), generate one bird in the plumage of another, also for real
# birds, and say what FineGAN cannot do.
#
# {{runtime}}.

# %%
import matplotlib.pyplot as plt
import torch

from finegan_lib import figures
from finegan_lib.applications import inversion_loss, invert, mix, repaint
from finegan_lib.course import playground, style
from finegan_lib.course.lessons import shared_lab
from finegan_lib.data import ToyBirds
from finegan_lib.discovery import code_classifiers as discovery
from finegan_lib.metrics import Judges, ami, nmi
from finegan_lib.metrics.clustering import control_features, kmeans_labels
from finegan_lib.training.pretrained import load_finegan, load_generator

lab = course.lab("gallery")
style.use_style()
plt.rcParams |= {"figure.dpi": 100, "image.interpolation": "nearest"}  # pixels stay pixels
generator = load_finegan("toy")
hierarchy = generator.config.hierarchy()
judges = Judges.load("toy", generator.config.image_size)  # readers of single factors

# %% [markdown]
# ## The paper's figures
#
# | figure | what it shows | where to see it |
# | --- | --- | --- |
# | 3 | an image, stage by stage | lesson {{start_here}}, at the end |
# | 4 | p against c against z | lesson {{codes}} |
# | 5 | any parent with any child | lesson {{codes}} |
# | slide (4) | bird and background are separate | below |
# | 6 | InfoGAN's codes beside FineGAN's | below |
#
# ## Bird and background
#
# This is the slides' fourth pair of pictures: (a) fixed $b$, varying $p$ and $c$; (b) fixed $p$ and
# $c$, varying $b$. Each of the upper rows has one background and several birds. Each of the lower
# rows has one bird and several backgrounds. In the lower rows we need no measurement: $b$ is no
# input of $M_p$, $F_p$, $M_c$ and $F_c$. For this reason, the bird is exactly the same, except
# where a mask is half transparent.

# %%
figures.background_swap(generator, columns=5)
plt.show()

# %% [markdown]
# ## Mixing birds
#
# To mix birds that the network has generated, we only choose codes: shape and pose $(p, z)$ of one
# bird, appearance $c$ of a second, background $(b, z)$ of a third. The background keeps its own
# $z$. This is possible because no foreground depends on the background (`applications.mix`).
#
# In the paper's training, every child occurs only with its own parent. (In our recipe, the readers
# of codes get some hybrids, lesson {{codes}}, but $D_c$'s real/fake head gets none.) In a mixture,
# p and c are free.
#
# ### Exercise {{number}}.1 (predict)
#
# We make 200 mixtures of three birds each. The judges of lesson {{codes}} classify each mixture and
# its three birds. Which part of a mixture agrees **least** often with the bird that it comes from?
#
# * **(a)** the shape
# * **(b)** the appearance
# * **(c)** the background

# %% exercise="1"
### HINT Which network is trained on birds with a p that is not the parent of c?
### HINT How many shapes, appearances and families of backgrounds must a judge distinguish?
### BEGIN SOLUTION
my_weakest = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.1", my_weakest)

# %%
rows = lab.mixtures(generator)
title = "The shape of one bird, the appearance of another, the background of a third"
figures.image_figure([list(row) for row in rows.values()], list(rows), None, title)
plt.show()
scores = lab.mixture_scores(generator, judges)
print("200 mixtures: the judges see the same as in the bird that gave it, and (by chance)")
for factor in ("shape", "appearance", "background"):
    print(f"{factor:12} {scores[factor]:4.0%}  ({scores['chance'][factor]:.0%})")

# %% tags=["nbval-check-output"]
for factor in ("shape", "appearance", "background"):
    print(f"{factor} comes over:", scores[factor] > 2 * scores["chance"][factor])
print(
    "least surely the appearance:",
    min(scores["shape"], scores["background"]) > scores["appearance"],
)

# %% [markdown]
# In training, no critic compared hybrids with real birds. And a judge must distinguish 20 plumages,
# but only a few shapes and backgrounds.
#
# ### Exercise {{number}}.2 (find the mistake): the wrong body
#
# The function below should give the birds of `shape` the appearance of other birds. Pose,
# background and plumage are right, but the *shape* is that of the other bird. Correct the function.


# %% exercise="2"
def my_transfer(shape, appearance, hierarchy):
    """Codes of two batches of birds → codes: z, b and p of the first, c of the second."""
    ### HINT hierarchy.codes(z, c_index, p_index=None, b_index=None): which p does None give?
    ### HINT Lesson {{codes}}: p is the parent of c, unless you pass p_index.
    ### HINT p_index=shape.p_index
    ### BEGIN SOLUTION
    z, b, p = shape.z, shape.b_index, shape.p_index
    return hierarchy.codes(z, appearance.c_index, p_index=p, b_index=b)
    ### INSTEAD
    z, b = shape.z, shape.b_index
    return hierarchy.codes(z, appearance.c_index, b_index=b)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.2", my_transfer)

# %% [markdown]
# ## InfoGAN on the same birds
#
# Are three stages necessary for this? InfoGAN (lesson {{infogan}}) has a code, too, and a loss that
# makes it readable. We have trained one on ToyBirds, with 20 codes, one for each species. (It is
# shipped as `infogan`; its command is in `finegan_lib/weights/README.md`.) It generates 32 × 32
# pixels. For this reason, we shrink FineGAN's pictures to 32 × 32, too, and one judge reads both.
# The trainings were not equal: FineGAN's was longer, and its network is larger. Compare only what
# the codes *determine*, not how good the birds look.

# %%
infogan = load_generator("infogan")
pictures, codes = {}, {}
pictures["InfoGAN"], codes["InfoGAN"] = lab.infogan_pictures(infogan, per_code=20)
for name, tied in (("FineGAN, b free", False), ("FineGAN, b = c", True)):
    made, codes[name] = lab.finegan_pictures(generator, per_code=20, tied=tied)
    pictures[name] = discovery.shrink(made, infogan.config.image_size)
rows = {}
for name in ("InfoGAN", "FineGAN, b free"):
    for code in figures.spread(int(codes[name].max()) + 1, 3):
        rows[f"{name.partition(',')[0]} c={code}"] = list(pictures[name][codes[name] == code][:8])
figures.image_figure(list(rows.values()), list(rows), None, "One code a row, eight times", 0.7)
plt.show()

# %% [markdown]
# This is the paper's Figure 6. Its caption says of InfoGAN: "Images in each group have same child
# code. The birds are the same, but so are their backgrounds. This strongly suggests InfoGAN takes
# background into consideration when categorizing the images. In contrast, FineGAN's generated
# images (Fig. 4) for same c show reasonable variety in background." In our InfoGAN, the pictures of
# a row share the background most clearly. In FineGAN's rows, the bird stays the same and the
# background varies.
#
# FineGAN differs from InfoGAN in two ways. Its $c$ is read from the masked foreground $M_c F_c$
# alone, and a separate stage generates the background. In training, the paper ties $b = c$ (lesson
# {{child}}), so every child has one background. After the training, we can choose $b$ freely, as in
# the lower rows. In InfoGAN this is not possible, because it has a single code.
#
# We measure this. A person knows only the code of a picture and guesses its background. How often
# is the guess right? Let $n_{ks}$ be the number of pictures with code $k$ in which the judge sees
# background $s$. The best guess for code $k$ is the most frequent $s$, so the share of right
# guesses is
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
    ### HINT `counts.max(1).values` are the right guesses of each code.
    ### BEGIN SOLUTION
    return counts.max(1).values.sum() / counts.sum()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.3", my_guessed_share)

# %% [markdown]
# ### Exercise {{number}}.4 (predict): a code without information
#
# Before you see the shares: there are 20 codes, 20 pictures of each, and six families of
# backgrounds, all equally frequent. Suppose that a code has *no* information about the background.
# Which share does the formula give?
#
# * **(a)** 17 %, one in six
# * **(b)** about 30 %
# * **(c)** about 50 %

# %% exercise="4"
### HINT The guess for a code is chosen on the same 20 pictures on which it is counted.
### HINT Throw a die 20 times. How often do you get its most frequent side?
### BEGIN SOLUTION
my_floor = "b"
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.4", my_floor)

# %%
judge, shares = Judges.load("toy", infogan.config.image_size), {}
print(f"{'from the code of':18} {'background':>11} {'shape':>7} {'appearance':>11}")
kinds = {"background": 6, "shape": 5, "appearance": 20}
for name, images in pictures.items():
    seen = lab.seen_in(judge, images)
    for factor, n in kinds.items():
        counts = lab.counts_of(codes[name], seen[factor], int(codes[name].max()) + 1, n)
        shares[name, factor] = float(lab.guessed_share(counts))
    row = [shares[name, factor] for factor in kinds]
    print(f"{name:18} {row[0]:11.0%} {row[1]:7.0%} {row[2]:11.0%}")
row = [lab.luck(20, 20, n) for n in kinds.values()]
print(f"{'nothing':18} {row[0]:11.0%} {row[1]:7.0%} {row[2]:11.0%}")

# %% tags=["nbval-check-output"]
print("InfoGAN's code gives the background away:", shares["InfoGAN", "background"] > 0.7)
print("FineGAN's child code with a free b does not:", shares["FineGAN, b free", "background"] < 0.5)
print("but it does give away the appearance:", shares["FineGAN, b free", "appearance"] > 0.5)
print("tied as in training it gives both away:", shares["FineGAN, b = c", "background"] > 0.7)

# %% [markdown]
# With a free $b$, FineGAN's code gives away almost nothing about the background. InfoGAN's code
# gives away the background almost always, and also something about the bird.
#
# Is the comparison fair? FineGAN gets boxes, and InfoGAN does not. The boxes have no information
# about species. They only show where the background is.
#
# ## Application 1: style transfer
#
# Above we mixed birds with known codes. A **real** bird has no codes, so we must find them. Given
# an image $x$, we look for
#
# $$\min_z \; \overline{(C(z, b, p, c) - x)^2} + \lambda \, \overline{z^2}.$$
#
# The bars are means over pixels and over the numbers of $z$. Gradient descent finds $z$. But $b$,
# $p$ and $c$ are one-hot, so gradient descent cannot find them. We find them by a search among many
# codes. For $c$ there is also the classifier of lesson {{discovery}}: we take its likeliest answer.
# `applications.invert` does both.
#
# ### Exercise {{number}}.5 (fill in): the loss that finds codes
#
# The library's version is `applications.inversion_loss`.


# %% exercise="5"
def my_inversion_loss(pictures, images, z, prior: float) -> torch.Tensor:
    """Pictures and images (N, 3, S, S), z (N, D) → (N,): mean (C − x)² + prior · mean z²."""
    ### HINT Every picture of the batch has a loss of its own: the result has N numbers.
    ### HINT `mean((1, 2, 3))` averages over all but the first dimension; z needs `mean(1)`.
    ### BEGIN SOLUTION
    return (pictures - images).square().mean((1, 2, 3)) + prior * z.square().mean(1)
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.5", my_inversion_loss)

# %% [markdown]
# ### Exercise {{number}}.6 (find the mistake): a search that runs away
#
# This function does gradient descent on this loss. (It calls the library's `inversion_loss`.) The
# cell after the check prints the loss after more and more steps, for two birds with known codes.
# With the mistake, the loss does not fall steadily but goes up and down. Find the mistake: one line
# is missing.


# %% exercise="6"
def my_descent(generate, images, z, steps: int, rate: float, prior: float):
    """Start z (N, D), `generate`: z → pictures; → z after some steps of gradient descent."""
    ### HINT PyTorch adds a new gradient to the one that is already there.
    ### HINT Compare with your training step of lesson {{gan}}: what is before backward()?
    ### BEGIN SOLUTION
    z = z.clone().requires_grad_()
    mover = torch.optim.SGD([z], rate)
    for _ in range(steps):
        losses = inversion_loss(generate(z), images, z, prior)
        mover.zero_grad()
        losses.sum().backward()
        mover.step()
    return z.detach()
    ### INSTEAD
    z = z.clone().requires_grad_()
    mover = torch.optim.SGD([z], rate)
    for _ in range(steps):
        losses = inversion_loss(generate(z), images, z, prior)
        losses.sum().backward()
        mover.step()
    return z.detach()
    ### END SOLUTION


# %% tags=["nbval-check-output"]
course.check("{{number}}.6", my_descent)

# %%
for name, search in (("yours", my_descent), ("the library's", lab.descent)):
    losses = lab.error_on_the_way(search, generator)
    print(f"{name:14}", ", ".join(f"after {k} steps {v:.3f}" for k, v in losses.items()))

# %% [markdown]
# Now we use real birds. First we need the classifier. It learns to read $c$ from generated
# pictures, and then we apply it to real ones (as in lesson {{discovery}}, but with a shorter
# training).

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
# Then we find the codes. Sixteen birds give their shape, and sixteen others give their appearance.
# The last row keeps the real picture and puts the repainted bird over it: $M_c F_c + (1 - M_c)\,x$
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
# Compare these shares with those of the network's own birds above. With real birds there are two
# more sources of errors. The codes must be *found*, and a wrong $c$ gives the bird a wrong plumage.
# And the generator cannot generate every picture: the second row shows the nearest pictures that
# the search found, not the real pictures. (The repainted birds keep their shape partly because
# their old outline is still visible.) MixNMatch, below, was made for this task.
#
# ## Application 2: sorting real pictures
#
# The same classifier sorts 600 real birds by discovered child. Each row shows birds that got the
# same code. These are the four *largest* groups. They may be the worst ones, because a group with
# two species is large. If a row has two species, what do the two have in common?

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
print(f"NMI with the species: {agreement:.2f}, AMI {ami(birds.child_index, found_c):.2f}")
print("controls, k-means, NMI:", ", ".join(f"{k} {v:.2f}" for k, v in controls.items()))

# %% tags=["nbval-check-output"]
print("far more about species than raw pixels tell:", agreement > 2 * controls["raw_pixels"])

# %% [markdown]
# ## The playground
#
# Try it yourself. In Jupyter there are menus for the codes, sliders for $z$, and below them a panel
# that mixes two birds. (Remove the tick of a tie to choose p or b freely.) The arrow keys move a
# slider, and the tab key goes to the next control. On a web page you see a few examples instead,
# stage by stage.

# %%
playground.play(generator)

# %% [markdown]
# ### Exercise {{number}}.7 (explore): a walk of your own
#
# Compose a walk from one bird to another bird. The two birds must have no code in common. Your
# answer is a list of at least four triples $(b, p, c)$.
#
# * The first and the last bird are of the kind that the network was trained on: p is the parent of
#   c.
# * At least two birds between them are **hybrids**: p is not the parent of c.
# * From each bird to the next, exactly one code changes, and the change is visible.
#
# Find birds that you like in the playground. (`hierarchy.parent_of[c]` is the parent of child c.)

# %% exercise="7"
### HINT Change c first, to a child of another parent. Which p does the last bird then need?
### HINT Between these two changes, change b. Take backgrounds that look different.
### BEGIN SOLUTION
my_walk = [(0, 0, 0), (0, 0, 9), (12, 0, 9), (12, 2, 9)]
### END SOLUTION

# %% tags=["nbval-check-output"]
course.check("{{number}}.7", my_walk)

# %% [markdown]
# ## Strengths and weaknesses
#
# These are the strengths and weaknesses of the slides, with the place in this course that shows
# each:
#
# | strength | seen in |
# | --- | --- |
# | background, shape and appearance are separate | the first table above; lesson {{codes}} |
# | realistic and diverse images | Table 1, lesson {{image_quality}} (IS of cars: StackGAN-v2) |
# | clusters better than earlier unsupervised methods | Table 3, lesson {{discovery}} |
#
# | weakness | seen in |
# | --- | --- |
# | $N_c$ must be chosen, the true number is unknown | the note below |
# | its categories can differ from those of people | twins and missing species, lesson {{codes}} |
# | much worse than supervised recognition | accuracy 0.126 on 200 species, lesson {{discovery}} |
# | it needs boxes (not on the slide) | D_b and its patches, lesson {{background}} |
# | no way from a picture to its codes (not on the slide) | the search above |
#
# (For the first weakness, the command `python -m finegan_lib choose-n-children` proposes a number
# without labels. Two classifiers with different random weights sort the pictures, into 2 clusters,
# 3 clusters and so on. The command proposes the number at which the two sortings agree best. For
# ToyBirds with 10, 20 and 40 species it proposed 5, 19 and 42. It proposed 5 because the ten
# species have five shapes.)
#
# The slides end with two contributions. The first is an unsupervised model that learns to generate
# background, shape and appearance one after the other. The second is a disentangled representation
# that sorts real pictures. You have now built both. You also know that "unsupervised" means here:
# without labels, but with boxes.
#
# ## What came after
#
# * **MixNMatch** (Li, Singh, Ojha and Lee, CVPR 2020, [arXiv
#   1911.11758](https://arxiv.org/abs/1911.11758)) builds on FineGAN and adds what is missing here:
#   encoders that read background, pose, shape and texture from a *real* picture, trained by
#   adversarial matching of image-code pairs. It still needs boxes for the background.
# * **OneGAN** (Benny and Wolf, ECCV 2020, [arXiv 1912.13471](https://arxiv.org/abs/1912.13471))
#   generates, segments and clusters in two levels without boxes. Instead, it needs a set of
#   pictures of empty backgrounds.
# * **Furry cars** (Ojha, Singh and Lee, ICLR 2021, [arXiv
#   2104.02052](https://arxiv.org/abs/2104.02052)) swaps shape and appearance *across* kinds, dogs
#   and cars. A differentiable histogram of features describes the appearance.
# * **C3-GAN** (Kim and Ha, ICLR 2022, [arXiv 2112.14971](https://arxiv.org/abs/2112.14971)) makes
#   InfoGAN's code contrastive. It moves the foreground by a random affine map to separate it from
#   its background, and it clusters by distance in the discriminator's own embedding. In the table
#   of its authors, FineGAN has NMI 0.37 and accuracy 0.069 on CUB. FineGAN's paper has 0.403 and
#   0.126. The protocols differ, and lesson {{discovery}} says how.
#
# ## Recap of the whole journey
#
# * **{{start_here}}** Pictures have factors; k-means on pixels finds backgrounds.
# * **{{gan}}** G learns from the gradient of D; the loss must not saturate.
# * **{{vector_to_picture}}** Convolutions turn vectors into pictures.
# * **{{infogan}}** A code gets a meaning if it must stay readable: a bound on mutual information.
# * **{{background}}** Patches outside the boxes teach what a background is.
# * **{{parent}}** The parent learns from the information loss on its masked foreground, because
#   there is no real picture of a shape.
# * **{{child}}** The child fills the parent's shape, and only the finished bird must look real.
# * **{{codes}}** After the training, each code can be chosen freely.
# * **{{training}}** The training loop has typical curves and typical failures.
# * **{{long_runs}}** A long run must resume exactly; on a GPU, small networks wait for Python.
# * **{{image_quality}}** Scores have traps; always print which sets were compared.
# * **{{discovery}}** Generated pictures have labels, so a classifier can learn from them.
# * **{{gallery}}** We can mix codes, and find codes for real birds.
#
# **Continue with** lesson {{real_birds}}: photographs.

# %% tags=["nbval-check-output"]
course.progress()
