"""Scoring a network: the trainings of its classifiers, and the real birds that they sort."""

import tempfile

import torch
import torch.nn.functional as F

from ..base.random_numbers import seeded
from ..data import ToyBirds
from ..metrics.code_classifiers import (
    CodeClassifier,
    DiscoveryConfig,
    perturb,
    train_code_classifiers,
)
from .clock import compare, facts


def scoring(n_images: int = 500, rounds: int = 3, progress: bool = True) -> dict:
    """What ``evaluate`` spends its time on, at 32 pixels.

    Args:
        n_images: that the classifiers learn, and birds that are drawn.
        rounds: turns of each way.
        progress: show a progress bar.

    Returns:
        ``classifiers``: one epoch of the two classifiers that learn the same images, the method's
        and its control with shuffled codes. ``plain_s`` is one after the other, each with images of
        its own and the channels outermost; ``speedup`` is what training them together gains.
        ``birds``: pictures per second, drawn and then read from the cache, and the ratio.
    """
    config = DiscoveryConfig(epochs=1)
    images = torch.rand(n_images, 3, 32, 32) * 2 - 1
    codes = torch.arange(n_images) % 20
    answers = [codes, codes.flip(0)]
    ways = {
        "fast": lambda: train_code_classifiers(images, answers, 20, config),
        "plain": lambda: [plain_training(images, each, 20, config) for each in answers],
    }
    seconds = compare(ways, rounds, "classifiers", progress)
    classifiers = {f"{name}_s": value for name, value in seconds.items()}
    classifiers["speedup"] = seconds["plain"] / seconds["fast"]
    return facts(
        rounds=rounds,
        n_images=n_images,
        classifiers=classifiers,
        birds=_birds(n_images, rounds, progress),
    )


def plain_training(images, codes, n_codes: int, config, seed: int = 0) -> CodeClassifier:
    """One classifier's training as the equations have it, to compare with."""
    with seeded(seed):
        classifier = CodeClassifier(n_codes, config.width).train()
        optimiser = torch.optim.AdamW(
            classifier.parameters(), config.learning_rate, weight_decay=1e-2
        )
        per_epoch = len(images) // config.batch_size
        n_steps = config.epochs * per_epoch
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, n_steps)
        for _ in range(config.epochs):
            order = torch.randperm(len(images))[: per_epoch * config.batch_size]
            for rows in order.split(config.batch_size):
                features = classifier.trunk(perturb(images[rows]).contiguous())
                loss = F.cross_entropy(classifier.head(features), codes[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
    return classifier.eval()


def _birds(n_images: int, rounds: int, progress: bool) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        seeds = iter(range(rounds + 1))

        def drawn():
            ToyBirds(n_images, seed=next(seeds), cache_dir=folder, progress=False)

        def cached():
            ToyBirds(n_images, seed=0, cache_dir=folder, progress=False).evaluation_crops()

        seconds = compare({"drawn": drawn, "cached": cached}, rounds, "birds", progress)
    return {f"{name}_images_per_s": n_images / value for name, value in seconds.items()} | {
        "speedup": seconds["drawn"] / seconds["cached"]
    }
