"""Time to quality: how many images a training needs until its scores are reached and held.

A training from nothing is scored at regular steps against the truth of ToyBirds. A score counts as
reached at the first of these steps from which on it never falls below its target again. What a
recipe costs is counted in images that passed the training step (steps × batch): that depends
neither on the machine nor on its other work. Minutes of processor time, over all threads, and of
the clock stand beside them.

The scorings are cheaper than those of ``evaluate``, and a little lower on real images: they take
fewer images, one sampling seed and shorter trainings of the classifiers.
"""

import argparse
import dataclasses
import json
import typing
from pathlib import Path

from tqdm.auto import tqdm

from ..base.checkpoints import read_metadata, run_checkpoints, step_of
from ..base.errors import InputError, TrainingDiverged
from ..base.files import read_json, refuse_other_facts, write_json
from ..base.options import add_options, flag, typed_options, with_options
from ..data import ToyBirds
from ..discovery import DiscoveryConfig
from ..metrics import Judges
from ..metrics.chance import chance_scores, equal_sizes
from ..scoring.scores import EvaluationConfig, judge_images, real_scores
from ..systems import Recipe
from ..training import LoopConfig, RunConfig, train
from ..training.presets import PRESETS
from ..training.pretrained import load_finegan
from .clock import facts

TARGETS = {
    "mask_iou": 0.85,
    "children_found": 18.0,
    "nmi_child": 0.90,
    "parents_found": 5.0,
    "nmi_parent": 0.85,
    "real_child_nmi": 0.85,
    "real_parent_nmi": 0.75,
}
# What a demo of minutes should reach: three quarters of each score, but every shape.
DEMO_TARGETS = {name: 0.75 * target for name, target in TARGETS.items()} | {"parents_found": 5.0}
OF_SIZE = {32: "toy", 64: "toy64"}  # presets
CHEAP = EvaluationConfig(
    n_images=600, discovery=DiscoveryConfig(n_images=3000, epochs=4, n_real=1000)
)
REAL_SEED = 1  # of the real birds that are sorted; no preset trains on them
# Settings that this bench makes itself, or that would be another world than the one that is scored.
ITS_OWN = ("image_size", "n_parents", "n_children", "children_per_parent", "world_parents")
ITS_OWN += ("world_children", "data_seed", "seed", "start_from", "minutes", "checkpoint_every")
ITS_OWN += ("keep",)


def quality(
    seeds=(0, 1, 2, 3, 4),
    image_size: int = 32,
    preset: str = "",
    settings=(),
    steps: int | None = None,
    every: int = 500,
    run="runs/quality",
    progress: bool = True,
) -> dict:
    """Train from nothing, once for each seed, and note when each score is reached and held.

    Finished work is kept in ``run``, so a call that was stopped goes on from there.

    Args:
        seeds: of the trainings.
        image_size: 32 or 64 pixels.
        preset: its name; empty: the one of this size in :data:`OF_SIZE`.
        settings: "name=value" each, in place of the preset's.
        steps: of each training; None: the preset's.
        every: steps between two scorings.
        run: folder of the trainings, one inside for each seed.

    Returns:
        The configuration; the targets; ``chance``, the scores of random labels; and ``seeds``: for
        each its ``scores`` (a list, by step), what its ``repairs`` found, and, for the full and for
        the demo's targets, what :func:`reached` returns. A training that diverged has ``diverged``,
        the error's text, has reached nothing, and is named once more at the end, under the same
        name.

    Raises:
        InputError: for settings that no preset has or that the bench makes itself, or a folder of
            other trainings.
    """
    refuse_its_own(settings)
    config = configured(preset or OF_SIZE[image_size], image_size, settings)
    loop = dataclasses.replace(config.loop, steps=steps or config.loop.steps, minutes=0.0)
    if every < 1 or loop.data != "toybirds" or not hasattr(config.model, "hierarchy"):
        raise InputError(
            "time to quality is that of a FineGAN on ToyBirds, scored every 1 step or more",
            seen=f"every={every}, data={loop.data}, family {config.family}",
            cure="Choose a preset such as toy, and leave data alone.",
        )
    loop = dataclasses.replace(loop, checkpoint_every=every, keep=max(2, loop.steps))
    found, diverged = {}, {}
    for seed in tqdm(seeds, "seeds", disable=not progress):
        one = dataclasses.replace(config, loop=dataclasses.replace(loop, seed=seed))
        row = found[str(seed)] = of_seed(one, Path(run) / f"seed_{seed}", progress)
        diverged |= {f"seed {seed}": row["diverged"]} if "diverged" in row else {}
    result = facts(
        image_size=image_size,
        preset=preset or OF_SIZE[image_size],
        settings=list(settings),
        steps=loop.steps,
        every=every,
        config=dataclasses.replace(config, loop=loop).to_dict(),
        targets=TARGETS,
        demo_targets=DEMO_TARGETS,
        chance=chance(config.model),
        seeds=found,
    )
    return result | ({"diverged": diverged} if diverged else {})


def chance(model) -> dict[str, float]:
    """The NMI of labels by dice, for as many images and classes as are scored."""
    sizes = {"child": model.n_children, "parent": model.n_parents}
    numbers = {"nmi_{}": CHEAP.n_images, "real_{}_nmi": CHEAP.discovery.n_real}
    return {
        name.format(code): round(chance_scores(equal_sizes(n, k), full=False)["nmi_arithmetic"], 4)
        for name, n in numbers.items()
        for code, k in sizes.items()
    }


def of_seed(config: RunConfig, folder: Path, progress: bool = True) -> dict:
    """The row of one seed in the result of :func:`quality`."""
    more = {}
    try:
        rows = train_and_score(config, folder, progress)
    except TrainingDiverged as error:
        rows = score_new(config, folder, progress)  # what there was before
        more["diverged"] = str(error)
    held = [] if more else rows
    found = {"all": reached(held, TARGETS), "demo": reached(held, DEMO_TARGETS), "scores": rows}
    return found | {"repairs": repairs(folder)} | more


def repairs(folder: Path) -> list[dict]:
    """What each repair of a run found, by step (:meth:`.systems.additions.Repairs.repair`)."""
    history = folder / "history.jsonl"
    lines = map(json.loads, history.read_text().splitlines()) if history.exists() else ()
    return [{"step": line["step"], **line["repair"]} for line in lines if "repair" in line]


def refuse_its_own(settings) -> None:
    """Refuse settings that this bench makes itself (:data:`ITS_OWN`).

    Raises:
        InputError: for the first of them.
    """
    for setting in settings:
        if setting.partition("=")[0].replace("-", "_") in ITS_OWN:
            raise InputError(
                "this setting belongs to the bench, or to the world that it scores",
                seen=setting,
                cure="Leave it out; see --seeds, --image-size and --every.",
            )


class _Settings(argparse.ArgumentParser):
    def error(self, message):
        raise InputError(
            "this is no setting of the preset",
            seen=message,
            cure="Write name=value, with the names of train --help; commas between several values.",
        )


def configured(preset: str, image_size: int, settings=()) -> RunConfig:
    """A preset with some of its settings replaced.

    Args:
        settings: "name=value" each; several values have commas between them, and a switch is
            "yes" or "no": "lead_children=0.4,0.6", "code_flip=no".

    Raises:
        InputError: for a setting that there is not or that the family ignores, or a value that it
            cannot have.
    """
    config = PRESETS[preset]
    parser = _Settings(add_help=False, allow_abbrev=False)
    switches = set()
    for part in (type(config.model), Recipe, LoopConfig):
        add_options(parser, part, part.__name__)
        switches |= {name for name, kind in typing.get_type_hints(part).items() if kind is bool}
    words = ["--image-size", str(image_size)]
    for setting in settings:
        name, _, value = setting.partition("=")
        if name.replace("-", "_") in switches and value in ("yes", "no"):
            words.append(flag(name) if value == "yes" else "--no-" + flag(name)[2:])
        else:
            words += [flag(name), *value.split(",")]
    parts = {name: getattr(config, name) for name in ("model", "recipe", "loop")}
    arguments = parser.parse_args(words)
    changed = RunConfig(**with_options(parts, arguments))
    changed.refuse_ignored(typed_options(arguments))
    return changed


def train_and_score(config: RunConfig, folder: Path, progress: bool = True) -> list[dict]:
    """Train, or go on with it; then score every checkpoint that was not scored yet.

    Returns:
        A row for each scored step: ``step``, ``images``, ``minutes`` of processor time,
        ``wall_minutes`` of the clock, the scores.

    Raises:
        InputError: if the folder holds a training with other steps or scored at other ones.
        TrainingDiverged: the checkpoints before are on the disk, and not scored.
    """
    if (folder / "config.json").exists():
        kept, asked = (
            {
                "steps": loop["steps"],
                "hard_steps": loop["hard_steps"],
                "every": loop["checkpoint_every"],
            }
            for loop in (read_json(folder / "config.json", "loop")["loop"], vars(config.loop))
        )
        refuse_other_facts(folder, kept, asked, option="--run")
    train(config, folder, resume=True, progress=progress)
    return score_new(config, folder, progress)


def score_new(config: RunConfig, folder: Path, progress: bool = True) -> list[dict]:
    """Score every checkpoint of a run that was not scored yet. Returns the rows of all."""
    kept = folder / "scores.json"
    rows = json.loads(kept.read_text()) if kept.exists() else []
    checkpoints, known = run_checkpoints(folder / "checkpoints"), {row["step"] for row in rows}
    new = [path for path in checkpoints if step_of(path) not in known]
    measure = Scoring(config.model, progress) if new else None
    for path in tqdm(new, "scoring", disable=not progress, leave=False):
        step, metadata = step_of(path), read_metadata(path)
        row = {"step": step, "images": step * config.loop.batch_size}
        row["minutes"] = metadata.get("processor_seconds", 0.0) / 60
        row["wall_minutes"] = metadata.get("seconds", 0.0) / 60
        rows.append(row | measure(path))
        write_json(kept, rows)
        if path != checkpoints[-1]:
            path.unlink()  # it is scored, and not needed any more
    return sorted(rows, key=lambda row: row["step"])


class Scoring:
    """The scores of :data:`TARGETS`, of a checkpoint of FineGANs with these sizes.

    Args:
        model: their configuration.
        progress: show a progress bar.
    """

    def __init__(self, model, progress: bool = True):
        self.judges = Judges.load("toy", model.image_size)
        self.birds = ToyBirds(
            CHEAP.discovery.n_real,
            image_size=model.image_size,
            hierarchy=model.hierarchy(),
            seed=REAL_SEED,
            progress=progress,
        )

    def __call__(self, checkpoint) -> dict:
        generator = load_finegan(checkpoint)
        hierarchy, z_dim = generator.config.hierarchy(), generator.config.z_dim
        scores = judge_images(generator, hierarchy, self.judges, z_dim, CHEAP)
        scores |= real_scores(generator, hierarchy, z_dim, self.birds, CHEAP.discovery)
        return {name: round(scores[name], 4) for name in TARGETS}


def reached(rows: list[dict], targets: dict) -> dict:
    """Where each target is reached and held, and where all of them are.

    Args:
        rows: of scored steps, in their order.

    Returns:
        By the score's name, and for all as ``every_score``: ``step``, ``images``, ``minutes`` and
        ``wall_minutes`` of the first row from which on no row is below the target; None if the last
        one is.
    """

    def first(names) -> dict | None:
        below = [
            i for i, row in enumerate(rows) if any(row[name] < targets[name] for name in names)
        ]
        after = below[-1] + 1 if below else 0
        if after >= len(rows):
            return None
        names = ("step", "images", "minutes", "wall_minutes")  # older rows lack the last
        return {name: rows[after][name] for name in names if name in rows[after]}

    return {name: first([name]) for name in targets} | {"every_score": first(list(targets))}


def quality_figure(result: dict):
    """Every score against images, a line for each seed, with the targets."""
    from matplotlib.figure import Figure

    from ..course.style import PALETTE

    figure = Figure(figsize=(12, 6), layout="constrained")
    axes = figure.subplots(2, 4).flat
    for axis, (name, target) in zip(axes, result["targets"].items(), strict=False):
        for i, (seed, found) in enumerate(result["seeds"].items()):
            x = [row["images"] / 1000 for row in found["scores"]]
            y = [row[name] for row in found["scores"]]
            axis.plot(x, y, ".-", color=PALETTE[i % len(PALETTE)], label=f"seed {seed}")
        axis.axhline(target, color="0.3", linestyle="--", label="target")
        axis.axhline(result["demo_targets"][name], color="0.6", linestyle=":", label="demo's")
        axis.set_title(name.replace("_", " "))
        axis.set_xlabel("images (thousands)")
        axis.set_ylabel("number" if name.endswith("found") else "score")
        axis.set_ylim(bottom=0)
    empty = figure.axes[-1]
    empty.axis("off")
    empty.legend(*figure.axes[0].get_legend_handles_labels(), loc="center")
    what = ", ".join([f"{result['image_size']} pixels", result["preset"], *result["settings"]])
    figure.suptitle(f"Scores of trainings from nothing: {what}")
    return figure
