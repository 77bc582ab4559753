"""The main job: train a small FineGAN from nothing and show what it has taken apart."""

import dataclasses
from pathlib import Path

import matplotlib.pyplot as plt

from .. import figures
from ..base.errors import InputError
from ..base.files import WEIGHTS, write_json
from ..codes import CodeHierarchy
from ..data import ToyBirds
from ..discovery import cover
from ..metrics import Judges
from ..models import FineGANGenerator, InfoGANBaselineGenerator, LRGANGenerator, StackGANGenerator
from ..presets import TOY
from ..pretrained import load_finegan, load_generator
from ..scoring.scores import evaluate_generator
from ..training import train

FIGURES = {
    "stagewise": figures.stagewise,
    "parent_child_noise": figures.parent_child_noise,
    "parent_by_child": figures.parent_by_child,
    "background_swap": figures.background_swap,
}
# The demo trains in two parts, with idle children led in between, and cuts both off in time for all
# to be done in 12 minutes on two cores: (share of the preset's steps, share of its minutes).
FIRST, SECOND = (1.0, 0.68), (0.4, 0.28)
BASELINE_FIGURES = {
    InfoGANBaselineGenerator: {"infogan_codes": figures.infogan_codes},
    LRGANGenerator: {"lr_gan_layers": figures.lr_gan_layers},
    StackGANGenerator: {"stackgan_pyramid": figures.stackgan_pyramid},
}


def demo(folder, *, minutes: float | None = None, seed: int = 0, progress: bool = True) -> dict:
    """Train the ``toy`` preset, draw its figures and score it; then the same for the shipped one.

    The training has two parts. In between, children that draw nothing of their own are led to kinds
    of bird that none draws (:mod:`finegan_lib.discovery.cover`).

    Args:
        folder: where everything goes: ``training/``, ``covered.safetensors``, ``training_on/``,
            ``from_scratch/``, ``shipped/``. A demo that was interrupted goes on where it stood.
        minutes: of training; None: the preset's.
        seed: of the training.

    Returns:
        The scores, ``{"from_scratch": …, "shipped": …}``.
    """
    folder = Path(folder)
    loop = dataclasses.replace(TOY.loop, seed=seed)
    if minutes is not None:
        loop = dataclasses.replace(loop, minutes=minutes)
    print(f"1/4  training the toy preset, at most {loop.minutes:g} minutes in all")
    trained = _train_part(FIRST, loop, folder / "training", progress)
    print("2/4  leading children that draw nothing of their own, and training on")
    covered = folder / "covered.safetensors"
    if not covered.exists():
        print(cover.summary(cover.cover(trained, covered, seed=seed, progress=progress)))
    loop = dataclasses.replace(loop, start_from=str(covered), seed=seed + 1)
    trained = _train_part(SECOND, loop, folder / "training_on", progress)
    print("3/4  what it learnt")
    results = {"from_scratch": show(trained, folder / "from_scratch", progress=progress)}
    if (WEIGHTS / "toy.safetensors").exists():
        print("4/4  the same for the shipped checkpoint")
        results["shipped"] = show("toy", folder / "shipped", progress=progress)
    return results


def _train_part(part, loop, folder, progress) -> Path:
    steps, minutes = round(part[0] * loop.steps), part[1] * loop.minutes
    config = dataclasses.replace(TOY, loop=dataclasses.replace(loop, steps=steps, minutes=minutes))
    return train(config, folder, resume=True, progress=progress)


def show(checkpoint, folder, *, seeds=(0, 1, 2), progress: bool = True) -> dict:
    """Draw every figure of a FineGAN trained on ToyBirds, score it, and write both to a folder."""
    folder = Path(folder)
    scores = evaluate(checkpoint, seeds=seeds, progress=progress)
    draw_figures(checkpoint, folder)
    save_figure(figures.factor_matrix(scores["factor_matrix"]), folder / "factor_matrix.png")
    write_json(folder / "scores.json", scores)
    return scores


def evaluate(
    checkpoint, *, n_images: int = 2000, data_seed: int = 1, seeds=(0, 1, 2), progress: bool = True
) -> dict:
    """Scores against ground truth of a FineGAN trained on ToyBirds.

    Args:
        checkpoint: name, file or run folder.
        n_images: real ToyBirds that are scored, none of which was trained on.
        data_seed: of those birds; differs from the training's.
        seeds: sampling seeds; the scores are means over them.

    Raises:
        InputError: if there is no such checkpoint, or the judges know another world than its codes.
    """
    generator = load_finegan(checkpoint)
    config = generator.config
    judges = Judges.load("toy", config.image_size)
    hierarchy = config.hierarchy()
    known = judges.config.n_parents, judges.config.n_children
    if hierarchy != CodeHierarchy.equal(*known):
        raise InputError(
            "the judges know another world than this checkpoint's codes",
            seen=f"{hierarchy}, judges of {known[0]} parents with equal shares of {known[1]}",
            cure="Score a FineGAN that was trained with the judges' sizes.",
        )
    birds = ToyBirds(
        n_images,
        image_size=config.image_size,
        hierarchy=hierarchy,
        seed=data_seed,
        progress=progress,
    )
    scores = evaluate_generator(generator, hierarchy, birds, judges, seeds=seeds, progress=progress)
    return {"checkpoint": str(checkpoint), "image_size": config.image_size, **scores}


def draw_figures(checkpoint, folder, seed: int = 0) -> list[Path]:
    """Every figure of a generator as a PNG in a folder; their paths."""
    generator = load_generator(checkpoint)
    drawn = FIGURES
    if not isinstance(generator, FineGANGenerator):
        drawn = {"samples": figures.samples, **BASELINE_FIGURES.get(type(generator), {})}
    return [
        save_figure(figure(generator, seed), Path(folder) / f"{name}.png")
        for name, figure in drawn.items()
    ]


def save_figure(figure, path: Path) -> Path:
    """Write a figure as a PNG and close it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


def summary(scores: dict) -> str:
    """The scores as a table to print: the generated images, the real ones, the controls."""
    lines = [
        f"generated  mask IoU {scores['mask_iou']:.3f}   NMI child {scores['nmi_child']:.3f} "
        f"({scores['children_found']:g} found)   NMI parent {scores['nmi_parent']:.3f} "
        f"({scores['parents_found']:g} found)",
        f"real       NMI child {scores['real_child_nmi']:.3f}   "
        f"accuracy {scores['real_child_accuracy']:.3f}   "
        f"NMI parent {scores['real_parent_nmi']:.3f}",
    ]
    for name, control in scores["controls"].items():
        lines.append(
            f"  control: {name:18} NMI child {control['real_child_nmi']:.3f}   "
            f"NMI parent {control['real_parent_nmi']:.3f}"
        )
    lines.append("factors moved   " + "  ".join(f"{name:>10}" for name in scores["factor_names"]))
    for code, row in zip(scores["code_names"], scores["factor_matrix"], strict=True):
        lines.append(f"  by {code} alone    " + "  ".join(f"{value:10.2f}" for value in row))
    return "\n".join(lines)
