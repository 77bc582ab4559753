"""FineGAN's category discovery: classifiers trained on generated images, used on real ones.

The codes of a generated image are known. Two small networks learn to predict them, one the child
code and one the parent code. Real images, which they have never seen and which have no labels, then
get a category from the networks' answers, or from k-means on their features (paper, section 3.3).

:mod:`finegan_lib.metrics.code_classifiers` trains these networks, and says what the paper leaves
open.
"""

import numpy as np
import torch
from torch import Tensor

from ..base.random_numbers import seeded
from ..codes import CodeHierarchy
from ..metrics.clustering import ami, hungarian_accuracy, kmeans_labels, nmi
from ..metrics.code_classifiers import (
    CodeClassifier,
    DiscoveryConfig,
    classify,
    generate_labelled_images,
    real_inputs,
    shrink,
    train_code_classifier,
    train_code_classifiers,
    training_sets,
)
from ..models.finegan import FineGANOutput, whole_image
from ..models.generators import final_image, inputs_of
from ..models.inputs import no_categorical_code


def as_finegan(generator, seed: int = 0):
    """A generator with one child code, called as a FineGAN is: p and b are ignored.

    Returns:
        ``generate``, from :class:`~finegan_lib.codes.Codes` to a `FineGANOutput` whose three stages
        are the one image (a FineGAN is returned as it is); and the hierarchy of its codes, one
        parent of all children. InfoGAN's continuous codes are random, from ``seed``.

    Raises:
        InputError: for a generator without a categorical code.
    """
    config = generator.config
    kind = inputs_of(generator)
    if kind.hierarchical:
        return generator, config.hierarchy()
    n_children, n_continuous = kind.n_children(config), kind.n_continuous(config)
    if n_children == 0:
        raise no_categorical_code(config)
    rng = torch.Generator().manual_seed(seed)

    def generate(codes):
        continuous = torch.rand(len(codes.z), n_continuous, generator=rng) * 2 - 1
        images = final_image(generator(codes.z, torch.cat([codes.c, continuous], 1)))
        return FineGANOutput(*[whole_image(images)] * 3)

    return generate, CodeHierarchy.equal(1, n_children)


def child_images(generator, config=None, *, seed=0):
    """Images of a generator of any family with a child code, and that code: what a child
    classifier learns from.

    Returns:
        images (N, 3, s, s) in [-1, 1], codes (N,) int64, and how many codes there are.
    """
    generate, hierarchy = as_finegan(generator, seed)
    images, codes, _ = generate_labelled_images(
        generate, hierarchy, generator.config.z_dim, config, seed=seed
    )
    return images, codes, hierarchy.n_children


def code_readers(generator, config=None, *, seed=0, progress=False) -> dict:
    """The paper's classifiers (section 3.3), trained on one set of generated images.

    Both learn from the child's images, where p is the parent of c (unless the config frees p).
    :func:`finegan_lib.metrics.code_classifiers.training_sets` gives the parent classifier images
    of its own, with a free p.

    Args:
        generator: of any family with a child code, in evaluation mode.
        config: `DiscoveryConfig`.

    Returns:
        ``{"parent": φ_p, "child": φ_c}``, each a `CodeClassifier`; without the first for a family
        that has no parent code.
    """
    config = config or DiscoveryConfig()
    generate, hierarchy = as_finegan(generator, seed)
    images, child, parent = generate_labelled_images(
        generate, hierarchy, generator.config.z_dim, config, seed=seed, progress=progress
    )
    levels = {"child": (child, hierarchy.n_children)}
    if inputs_of(generator).hierarchical:
        levels = {"parent": (parent, hierarchy.n_parents)} | levels
    return {
        name: train_code_classifier(
            images, codes, n, config, seed=seed, name=name, progress=progress
        )
        for name, (codes, n) in levels.items()
    }


def reader_features(readers: dict, images: Tensor, config=None) -> Tensor:
    """The features of all classifiers side by side: (N, D) of real images (N, 3, S, S) uint8."""
    real = real_inputs(images, (config or DiscoveryConfig()).image_size)
    return torch.cat([classify(reader, real)[1] for reader in readers.values()], 1)


def agreement_with_truth(classifier, images, truth, *, seed=0) -> dict:
    """How well a classifier's answers on real images agree with their true categories.

    Returns:
        ``nmi``, ``ami`` and ``accuracy`` of the most likely code, and the same with ``_kmeans``
        appended of k-means on the features, with as many clusters as there are true categories.
    """
    logits, features = classify(classifier, images)
    answers = logits.argmax(1).numpy()
    clusters = kmeans_labels(features, len(np.unique(truth)), seed)
    return {
        "nmi": nmi(truth, answers),
        "ami": ami(truth, answers),
        "accuracy": hungarian_accuracy(truth, answers),
        "nmi_kmeans": nmi(truth, clusters),
        "ami_kmeans": ami(truth, clusters),
        "accuracy_kmeans": hungarian_accuracy(truth, clusters),
    }


TRAININGS = ("generated", "shuffled_codes", "untrained")


def discover_categories(
    generator,
    hierarchy,
    z_dim,
    real_images,
    true_child,
    true_parent,
    config=None,
    *,
    seed=0,
    trainings=TRAININGS,
    progress=False,
) -> dict:
    """Train the two classifiers on generated images and score them on real ones.

    Args:
        real_images: (N, 3, S, S) real child crops in [-1, 1].
        true_child, true_parent: (N,) categories, used for scoring only.
        trainings: "generated" is the method; the others are controls, broken on purpose:
            "shuffled_codes" trains on codes that belong to other images, "untrained" leaves the
            random weights and only adapts the BatchNorm statistics.

    Returns:
        For each training ``{"child": scores, "parent": scores}``, scores as in
        `agreement_with_truth`.
    """
    config = config or DiscoveryConfig()
    real_images = shrink(real_images, config.image_size)
    scores = {training: {} for training in trainings}
    truths = {"child": true_child, "parent": true_parent}
    sets = training_sets(generator, hierarchy, z_dim, config, seed=seed, progress=progress)
    for level, images, codes, n_codes in sets:
        answers = {"generated": codes}
        if "shuffled_codes" in trainings:
            shuffle = torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))
            answers["shuffled_codes"] = codes[shuffle]
        answers = {name: answers[name] for name in trainings if name in answers}
        trained = train_code_classifiers(
            images,
            list(answers.values()),
            n_codes,
            config,
            seed=seed,
            name=level,
            progress=progress,
        )
        classifiers = dict(zip(answers, trained, strict=True))
        if "untrained" in trainings:
            classifiers["untrained"] = untrained_classifier(images, n_codes, config, seed=seed)
        for training in trainings:
            scores[training][level] = agreement_with_truth(
                classifiers[training], real_images, truths[level], seed=seed
            )
    return scores


@torch.no_grad()
def untrained_classifier(images, n_codes, config=None, *, seed=0) -> CodeClassifier:
    """A control: random weights, BatchNorm statistics of ``images``, in evaluation mode."""
    config = config or DiscoveryConfig()
    with seeded(seed):
        classifier = CodeClassifier(n_codes, config.width).train()
    for batch in images[: 40 * config.batch_size].split(config.batch_size):
        classifier(batch)
    return classifier.eval()
