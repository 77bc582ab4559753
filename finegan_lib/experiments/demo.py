"""The main job: train a small FineGAN from nothing and show what it has separated."""

import dataclasses
import statistics
import time
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from .. import families, figures
from ..base.checkpoints import run_checkpoints, step_of
from ..base.errors import InputError
from ..base.files import WEIGHTS, folder_for, make_folder, write_json
from ..codes import CodeHierarchy
from ..data import ToyBirds
from ..data.example import TrainingExample, background_size
from ..discovery import DiscoveryConfig
from ..metrics import Judges
from ..scoring.scores import EvaluationConfig, evaluate_generator
from ..training import build_system, train
from ..training.presets import DEMO
from ..training.pretrained import load_finegan, load_generator, need_toybirds

SAFETY_MINUTES = 90.0  # several times what two busy cores need
PICTURE_EVERY = 200  # steps
# One sampling seed, and classifiers that stop when they hardly gain any more: a tenth of the
# training's time. `evaluate` takes three seeds and longer trainings.
QUICK = EvaluationConfig(n_pairs=300, discovery=DiscoveryConfig(n_images=3000, epochs=4))


def demo(folder, *, minutes: float | None = None, seed: int = 0, progress: bool = True) -> dict:
    """Show the shipped network, then train the ``demo`` preset from nothing, show and score it.

    In the training, idle parents and children, which generate no kind of their own, are led to
    kinds of bird that no code generates (:mod:`finegan_lib.systems.covering`).

    Args:
        folder: where everything goes: ``shipped/``, ``run/``, ``training.png``,
            ``from_scratch/``. A demo that was interrupted goes on where it stood.
        minutes: of training, after which it is stopped wherever it is; None: a limit that only a
            very busy machine reaches.
        seed: of the training.

    Returns:
        The scores, ``{"from_scratch": …}``.
    """
    folder = folder_for(folder)
    if (WEIGHTS / "toy.safetensors").exists():
        print("1/3  pictures of the shipped network, which was trained for longer")
        for path in draw_figures("toy", folder / "shipped"):
            print(f"     {path}{LOOK_AT.get(path.stem, '')}", flush=True)
    loop = dataclasses.replace(
        DEMO.loop,
        seed=seed,
        minutes=SAFETY_MINUTES if minutes is None else minutes,
        sample_every=min(PICTURE_EVERY, DEMO.loop.sample_every),
    )
    left = steps_left(folder / "run", loop.steps)
    wait = left * seconds_per_step(DEMO) / 60
    picture = folder / "training.png"
    of = "" if left == loop.steps else f" left of {loop.steps:,}"
    n_leads = len(DEMO.recipe.lead_parents)
    print(
        f"2/3  training from nothing: {left:,} steps{of}, about {wait:.0f} minutes at the speed "
        f"that this machine has now\n     {n_leads} pauses of about a minute each come on top: "
        "idle codes are led to kinds of bird that no code generates\n"
        f"     {picture} shows every {loop.sample_every} steps what it generates: backgrounds, "
        "parents, children, masks",
        flush=True,
    )
    config = dataclasses.replace(DEMO, loop=loop)
    trained = train(config, folder / "run", resume=True, progress=progress, picture=picture)
    if step_of(trained) < loop.steps:
        print(
            f"     the limit of {loop.minutes:g} minutes stopped the training after step "
            f"{step_of(trained)} of {loop.steps}: what follows is worse than it would be. Start "
            "the demo again with more --minutes, and it goes on from here."
        )
    print("3/3  what it learnt", flush=True)
    scores = show(
        trained,
        folder / "from_scratch",
        seeds=(0,),
        config=QUICK,
        trainings=("generated",),
        tell=lambda line: print(f"     {line}", flush=True),
        progress=progress,
    )
    return {"from_scratch": scores}


LOOK_AT = {
    "stagewise": "\n       look at: the background, the parent's shape on it, the child's colours",
    "parent_by_child": "\n       look at: one shape a row, one plumage a column, mixed freely",
}


def steps_left(run: Path, steps: int) -> int:
    """How many of its steps a training in this folder still has to do; the folder may be new."""
    held = run_checkpoints(run / "checkpoints")
    return max(0, steps - (step_of(held[-1]) if held else 0))


def seconds_per_step(config, steps: int = 5) -> float:
    """Seconds that a training step takes on this machine now: the median of a few, after two.

    The images are noise: a step takes as long on them as on birds.
    """
    side, n = config.model.image_size, config.loop.batch_size
    system, times = build_system(config), []
    box = torch.tensor([[0.3, 0.3, 0.6, 0.6]]).repeat(n, 1) * side
    images = torch.rand(n, 3, side, side), torch.rand(n, 3, *[background_size(side)] * 2)
    batch = TrainingExample(*images, box, torch.arange(n))
    for step in range(steps + 2):
        start = time.perf_counter()
        system.step(batch, torch.Generator().manual_seed(step))
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def show(checkpoint, folder, *, progress: bool = True, **options) -> dict:
    """Draw every figure of a FineGAN trained on ToyBirds, score it, and write both to a folder.

    ``options`` are those of :func:`evaluate`.
    """
    folder = folder_for(folder)
    draw_figures(checkpoint, folder)
    scores = evaluate(checkpoint, progress=progress, **options)
    save_figure(figures.factor_matrix(scores["factor_matrix"]), folder / "factor_matrix.png")
    write_json(folder / "scores.json", scores)
    return scores


def evaluate(
    checkpoint,
    *,
    n_images: int = 2000,
    data_seed: int = 1,
    seeds=(0, 1, 2),
    config: EvaluationConfig | None = None,
    progress: bool = True,
    **options,
) -> dict:
    """Scores against ground truth of a FineGAN trained on ToyBirds.

    Args:
        checkpoint: name, file or run folder.
        n_images: real ToyBirds that are scored, none of which was trained on.
        data_seed: of those birds; differs from the training's.
        seeds: sampling seeds; the scores are means over them.
        config: of the generated images and the classifiers; its ``n_real`` becomes ``n_images``.
        options: ``trainings`` and ``tell`` of :func:`evaluate_generator`.

    Raises:
        InputError: if there is no such checkpoint, it was trained on photographs, or the judges
            know another world than its codes.
    """
    need_toybirds(checkpoint, "this score")
    generator = load_finegan(checkpoint)
    image_size, hierarchy = generator.config.image_size, generator.config.hierarchy()
    judges = Judges.load("toy", image_size)
    known = judges.config.n_parents, judges.config.n_children
    if hierarchy != CodeHierarchy.equal(*known):
        raise InputError(
            "the judges know another world than this checkpoint's codes",
            seen=f"{hierarchy}, judges of {known[0]} parents with equal shares of {known[1]}",
            cure="Score a FineGAN that was trained with the judges' sizes.",
        )
    birds = ToyBirds(
        n_images,
        image_size=image_size,
        hierarchy=hierarchy,
        seed=data_seed,
        progress=progress,
    )
    config = config or EvaluationConfig()
    discovery = dataclasses.replace(config.discovery, n_real=n_images)
    options |= {"config": dataclasses.replace(config, discovery=discovery), "seeds": seeds}
    scores = evaluate_generator(generator, hierarchy, birds, judges, progress=progress, **options)
    return {"checkpoint": str(checkpoint), "image_size": image_size, **scores}


def draw_figures(checkpoint, folder, seed: int = 0) -> list[Path]:
    """Every figure of a generator as a PNG in a folder; their paths."""
    folder, generator = folder_for(folder), load_generator(checkpoint)
    return [
        save_figure(figure(generator, seed), folder / f"{name}.png")
        for name, figure in families.of(generator).drawings().items()
    ]


def save_figure(figure, path: Path) -> Path:
    """Write a figure as a PNG and close it."""
    make_folder(path.parent)
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path


def in_words(scores: dict, n_parents: int, n_children: int) -> str:
    """What the scores of a FineGAN on ToyBirds say, in plain words."""
    found = f"{scores['children_found']:g} of {n_children}"
    return "\n".join(
        [
            "What the numbers mean:",
            "- The masks cut the birds out. Of all pixels that the mask or a trained judge calls "
            f"bird, both call {scores['mask_iou']:.0%} bird.",
            f"- The child codes generate {found} kinds of plumage, the parent codes "
            f"{scores['parents_found']:g} of {n_parents} shapes. Nobody told the network which "
            "kinds there are.",
            "- A classifier learnt from generated birds alone. It names the kind of "
            f"{scores['real_child_accuracy']:.0%} of new drawn birds correctly. Dice would name "
            f"about {1 / n_children:.0%}.",
            "- If only the shape code changes, the plumage changes by "
            f"{scores['factor_matrix'][1][2]:.2f} of the difference between two random birds. 0 is "
            "best: shape and plumage are then fully separate.",
        ]
    )


def summary(scores: dict) -> str:
    """The scores as a table to print: the generated images, the real ones, the controls."""
    lines = [
        f"generated  mask IoU {scores['mask_iou']:.3f}   NMI child {scores['nmi_child']:.3f} "
        f"({scores['children_found']:g} found)   NMI parent {scores['nmi_parent']:.3f} "
        f"({scores['parents_found']:g} found)",
        f"real       NMI child {scores['real_child_nmi']:.3f}   "
        f"AMI {scores.get('real_child_ami', float('nan')):.3f}   "
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
