"""What each addition to the paper's recipe is worth: one left out at a time, at equal budget."""

import dataclasses
from pathlib import Path

from ..base.errors import InputError
from ..base.files import read_json, slug, write_json
from ..presets import TOY
from ..training import RunConfig, train
from .demo import evaluate

# The additions of the toy preset, each set back to what the paper does.
WITHOUT = {
    "everything on": {},
    "hinge loss": {"adversarial": "bce"},
    "spectral norm in D_c": {"child_norm": "batch"},
    "background weight 1": {"background_weight": 10.0},
    "averaged BatchNorm statistics": {"ema_buffers": False},
    "step sizes that fall to 0": {"final_decay": 0.0},
    "noise on what D_c judges": {"d_noise": 0.0},
    "free background": {"free_background": False},
    "free children": {"free_child": 0.0},
    "background gain": {"background_gain": 1.0},
    "view and lean": {"view": False, "mask_lean": 0.0},
    "lean": {"mask_lean": 0.0},
    "mask pull": {"mask_pull": 0.0},
    "mask pull back": {"mask_pull_back": 0.0},
    "crisp masks": {"mask_binary": 0.0},
    "mask area range": {"mask_area": 0.0},
    "small masks at the start": {"mask_bias": 0.0},
    "code noise": {"code_noise": 0.0},
    "code flip": {"code_flip": False},
    "code affine": {"code_affine": 0.0},
    "silhouettes": {"silhouette": 0.0},
}
WITHOUT["all of them (the paper's recipe)"] = {
    name: value for changes in WITHOUT.values() for name, value in changes.items()
}

COLUMNS = (
    "mask_iou",
    "nmi_parent",
    "nmi_child",
    "children_found",
    "real_child_nmi",
    "real_parent_nmi",
)


def ablate(folder, *, steps: int = 4000, seeds=(0,), only=(), progress: bool = True) -> dict:
    """Train and score the toy preset with each addition left out.

    Runs that are finished already are not trained again, so a stopped ablation goes on.

    Args:
        folder: for the runs, and a file of scores for each.
        steps: of each training.
        seeds: of the trainings, one after the other.
        only: names of :data:`WITHOUT` to do; empty: all.

    Returns:
        :func:`read_results` of the folder.

    Raises:
        InputError: for a name that is not one of them.
    """
    folder, unknown = Path(folder), sorted(set(only) - WITHOUT.keys())
    if unknown:
        raise InputError(
            "no such row of the ablation", seen=unknown[0], cure=f"Choose of: {', '.join(WITHOUT)}."
        )
    for seed in seeds:
        for name, changes in WITHOUT.items():
            result = _result(folder, name, seed)
            if result.exists() or (only and name not in only):
                continue
            config = changed(TOY, **changes, steps=steps, minutes=0.0, seed=seed)
            newest = train(config, result.with_suffix(""), resume=True, progress=progress)
            scores = evaluate(newest, seeds=(0,), progress=progress)
            kept = {key: scores[key] for key in COLUMNS}
            write_json(result, {"without": name, "steps": steps, "seed": seed, **kept})
    return read_results(folder)


def read_results(folder) -> dict:
    """The scores of every finished run: ``{name: {column: one value for each seed}}``.

    The names in the order of :data:`WITHOUT`, the values in that of the seeds.
    """
    results = {}
    for name in WITHOUT:
        files = Path(folder).glob(_result(Path(folder), name, "*").name)
        rows = sorted((read_json(f, "seed", *COLUMNS) for f in files), key=lambda row: row["seed"])
        if rows:
            results[name] = {key: [row[key] for row in rows] for key in COLUMNS}
    return results


def changed(config: RunConfig, **changes) -> RunConfig:
    """A run's configuration with some fields of its model, recipe or loop replaced."""
    for part in ("model", "recipe", "loop"):
        section = getattr(config, part)
        names = {field.name for field in dataclasses.fields(section)} & changes.keys()
        section = dataclasses.replace(section, **{name: changes.pop(name) for name in names})
        config = dataclasses.replace(config, **{part: section})
    if changes:
        raise TypeError(f"no such field: {', '.join(changes)}")
    return config


def table(results: dict) -> str:
    """The ablation as a Markdown table: means over the seeds."""
    lines = [
        "| left out | seeds | " + " | ".join(COLUMNS) + " |",
        "| --- " * (len(COLUMNS) + 2) + "|",
    ]
    for name, scores in results.items():
        numbers = " | ".join(f"{sum(scores[key]) / len(scores[key]):.2f}" for key in COLUMNS)
        lines.append(f"| {name} | {len(scores[COLUMNS[0]])} | {numbers} |")
    return "\n".join(lines)


def _result(folder: Path, name: str, seed) -> Path:
    return folder / f"{slug(name).strip('_')}_seed{seed}.json"
