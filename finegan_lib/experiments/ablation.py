"""The effect of each addition to the paper's recipe: one is left out at a time, at equal budget.

On ToyBirds, :func:`ablate` leaves out the additions of the preset ``toy``, switches on those that
it does not use, and scores against the truth. On photographs, :func:`ablate_photographs` leaves out
those of ``birds32``, or of any preset, and uses the scores that need no truth.
"""

import dataclasses
from pathlib import Path

from ..base.errors import InputError
from ..base.files import folder_for, read_json, refuse_other_facts, slug, write_json
from ..models import FineGANGenerator
from ..scoring.photographs import PhotoConfig, evaluate_photographs
from ..training import RunConfig, train
from ..training.presets import TOY, finegan_preset
from .demo import evaluate
from .table_systems import count_parameters, match_width

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
# What fits the toy preset to short runs of narrow networks. The paper's row keeps these two.
FITTED = {
    "average that starts short": {"ema_warmup": False},
    "8 channels before each image": {"min_head_channels": 0},
}
# Additions that the toy preset does not use, each switched on.
TOY_WITH = {
    "with slower discriminators": {"slower_d": 0.5},
    "with a factor 4 on p": {"parent_gain": 4.0},
    "with pose read from z": {"pose_info": 1.0},
    "with children led": {"lead_children": (0.4, 0.6)},
    "with parents led": {"lead_parents": (0.4, 0.6)},
}
TOY_ROWS = WITHOUT | FITTED | TOY_WITH

WHOLE = "everything on"
PAPERS = "all of them (the paper's recipe)"
ENDS = (WHOLE, PAPERS)  # the rows with further seeds
# What the presets for photographs add to those, each set back to what the paper does.
PHOTO_WITHOUT = {
    "augmentation": {"augment": ()},
    "strength that follows D's overfitting": {"augment_target": 0.0, "augment_strength": 1.0},
    "R1 and R2": {"r1": 0.0, "r2": 0.0},
    "pairs (relativistic)": {"relativistic": False},
    "contrastive child": {"contrastive_child": 0.0},
    "children that start anew": {"child_restart": 0.0},
    "pose read from z": {"pose_info": 0.0},
    "code colour": {"code_colour": 0.0},
    "slower discriminators": {"slower_d": 1.0},
}
# Additions that they do not use, each switched on (a preset that uses one has no such row).
PHOTO_WITH = {
    "with strength that follows D's overfitting": {"augment_target": 0.6},
    "with cutout": {"augment": ("colour", "translation", "cutout")},
    "with R1": {"r1": 0.1},
    "with R1 and R2": {"r1": 0.1, "r2": 0.1},
    "with pairs (relativistic), R1 and R2": {"relativistic": True, "r1": 0.1, "r2": 0.1},
    "with code colour": {"code_colour": 0.2},
    "with a contrastive child": {"contrastive_child": 1.0},
    "with children that start anew": {"child_restart": 0.3},
}
TWICE = "with twice the weights"  # of the generator, by its width
PHOTOS = PhotoConfig()  # of the scores on photographs

COLUMNS = (
    "mask_iou",
    "nmi_parent",
    "nmi_child",
    "children_found",
    "real_child_nmi",
    "real_parent_nmi",
)


def ablate(folder, *, steps: int = 4000, seeds=(0,), only=(), progress: bool = True) -> dict:
    """Train and score the toy preset with each addition left out, and with each further one.

    Runs that are finished already are not trained again, so a stopped ablation goes on.

    Args:
        folder: for the runs, and a file of scores for each.
        steps: of each training.
        seeds: of the trainings, one after the other.
        only: names of :data:`TOY_ROWS` to do; empty: all.

    Returns:
        :func:`read_results` of the folder.

    Raises:
        InputError: for a name that is not one of them, or a folder with results of other steps.
    """
    folder, unknown = folder_for(folder), sorted(set(only) - TOY_ROWS.keys())
    if unknown:
        raise InputError(
            "no such row of the ablation",
            seen=unknown[0],
            cure=f"Choose of: {', '.join(TOY_ROWS)}.",
        )
    for seed in seeds:
        for name, changes in TOY_ROWS.items():
            result = _result(folder, name, seed)
            if only and name not in only:
                continue
            if result.exists():
                _read(result, (), {"steps": steps})
                continue
            config = changed(TOY, **changes, steps=steps, minutes=0.0, seed=seed)
            newest = train(config, result.with_suffix(""), resume=True, progress=progress)
            scores = evaluate(newest, seeds=(0,), progress=progress)
            kept = {key: scores[key] for key in COLUMNS}
            write_json(result, {"without": name, "steps": steps, "seed": seed, **kept})
    return read_results(folder)


PHOTO_COLUMNS = (
    "ami",
    "nmi",
    "accuracy",
    "ami_kept_out",
    "ami_as_many",
    "kid",
    "kid_kept_out",
    "fid",
    "kept_by_code",
    "kept_surroundings",
    "children_differ",
    "parents_differ",
    "mask_area",
)


def switches(config: RunConfig) -> dict[str, dict]:
    """The rows of an ablation of a preset: what is changed in each, by name.

    The first row changes nothing. Then come every row of :data:`WITHOUT` and :data:`PHOTO_WITHOUT`
    that would change the preset, one row with all of these changes, the additions of
    :data:`PHOTO_WITH`, and other sizes: a generator with twice the weights (to within a tenth), a
    longer z, more children, other step sizes, and crops that leave less around each box.
    """
    out = {n: c for n, c in (WITHOUT | PHOTO_WITHOUT).items() if n not in ENDS}
    rows = {name: _changing(config, changes) for name, changes in out.items()}
    rows = {name: changes for name, changes in rows.items() if changes}
    rows = {WHOLE: {}} | rows
    rows[PAPERS] = {k: v for changes in rows.values() for k, v in changes.items()}
    added = {name: changes for name, changes in PHOTO_WITH.items() if _adds(config, changes)}
    if not config.recipe.augment:
        added.pop("with strength that follows D's overfitting", None)
    return rows | added | _sizes(config)


def _sizes(config: RunConfig) -> dict[str, dict]:
    """Rows with another size of the networks, the codes, the step or the crops."""
    twice = 2 * count_parameters(FineGANGenerator, config.model)
    step = config.recipe.learning_rate
    return {
        TWICE: {"g_dim": match_width(config.model, twice).g_dim},
        "with a z twice as long": {"z_dim": 2 * config.model.z_dim},
        "with twice the children": {"n_children": 2 * config.model.n_children},
        "with half the step size": {"learning_rate": step / 2},
        "with twice the step size": {"learning_rate": step * 2},
        "with tighter crops": {"crop_scale": round(0.8 * config.loop.crop_scale, 3)},
    }


def _adds(config: RunConfig, changes: dict) -> bool:
    """Whether changes switch something on. A new weight of something that is on does not count."""
    changing = _changing(config, changes)
    return any(not isinstance(v, float) or _value(config, k) == 0 for k, v in changing.items())


def _changing(config: RunConfig, changes: dict) -> dict:
    """Those changes that make a difference to a run."""
    return {name: value for name, value in changes.items() if _value(config, name) != value}


def ablate_photographs(
    folder,
    data,
    *,
    preset: str = "birds32",
    steps: int = 4000,
    seeds=(0, 1),
    more_seeds: int = 1,
    only=(),
    networks=("own", "pretrained"),
    progress: bool = True,
) -> dict:
    """Train and score a preset on photographs, one switch of its recipe changed at a time.

    Runs that are finished already are not trained again, and scores not made again, so a stopped
    ablation goes on.

    Args:
        folder: for the runs, a file of scores for each, and ``ablation.json`` with all of them and
            the command.
        data: folder in CUB's layout.
        preset: whose switches are changed (:func:`switches`).
        steps: of each training.
        seeds: of the trainings, one after the other.
        more_seeds: further ones of the whole and of the paper's recipe alone.
        only: names of :func:`switches` to do; empty: all.
        networks: of the quality, see
            :func:`~finegan_lib.scoring.photographs.evaluate_photographs`; KID and FID use the last
            one.

    Returns:
        ``command`` (a list), ``preset``, ``data``, ``steps``, ``columns``, ``seeds`` of each row,
        and ``results``, as :func:`read_results` has them.

    Raises:
        InputError: for a name that is no row, a preset that is no FineGAN's, or a folder with
            results of another budget.
    """
    base, folder = finegan_preset(preset), folder_for(folder)
    rows = switches(base)
    unknown = sorted(set(only) - rows.keys())
    if unknown:
        raise InputError(
            "no such row of the ablation", seen=unknown[0], cure=f"Choose of: {', '.join(rows)}."
        )
    further = range(max(seeds) + 1, max(seeds) + 1 + more_seeds)
    for seed in (*seeds, *further):
        for name, changes in rows.items():
            if (only and name not in only) or (seed in further and name not in ENDS):
                continue
            loop = {"data": str(data), "steps": steps, "minutes": 0.0, "seed": seed}
            config = changed(base, **changes, **loop)
            _photo_row(folder, name, config, preset, networks, progress)
    return photo_results(folder, preset, Path(data).name, steps)


def _photo_row(folder: Path, name: str, config: RunConfig, preset, networks, progress) -> None:
    """One training of the ablation and its scores, unless they are there."""
    result = _result(folder, name, config.loop.seed)
    asked = {"preset": preset, "data": Path(config.loop.data).name, "steps": config.loop.steps}
    for part in ("model", "recipe"):  # a preset may have changed since
        asked[part] = dataclasses.asdict(getattr(config, part))
    if result.exists():
        _read(result, (), asked)
        return
    if progress:
        print(f"{name}, seed {config.loop.seed}", flush=True)
    newest = train(config, result.with_suffix(""), resume=True, progress=progress)
    options = {"networks": networks, "seeds": (0,), "config": PHOTOS, "progress": progress}
    scores = evaluate_photographs(newest, config.loop.data, **options)
    write_json(result, {"changed": name, "seed": config.loop.seed, **asked, **kept_scores(scores)})


def kept_scores(scores: dict) -> dict[str, float]:
    """The columns of the ablation, as far as the scores on photographs have them.

    Args:
        scores: of :func:`~finegan_lib.scoring.photographs.evaluate_photographs`.
    """
    found, quality = scores.get("discovery", {}), list(scores["quality"].values())
    part = found.get("all", {})
    kept = {"ami": part.get("ami"), "nmi": part.get("nmi_arithmetic")}
    kept |= {"accuracy": part.get("accuracy")}
    kept |= {"ami_kept_out": found.get("kept_out", {}).get("ami")}
    kept |= {"ami_as_many": found.get("trained_as_many", {}).get("ami")}
    seen = quality[-1] if quality else {}
    kept |= {name: seen.get(name) for name in ("kid", "kid_kept_out", "fid")}
    background = scores["background"]
    kept["kept_by_code"] = background["code_generated"]["kept"]
    kept["kept_surroundings"] = background["surroundings_generated"]["kept"]
    kept |= {name: scores["variety"][name] for name in ("children_differ", "parents_differ")}
    kept["mask_area"] = scores["masks"]["area"]
    return {name: value for name, value in kept.items() if value is not None}


def photo_results(folder, preset: str, data: str, steps: int) -> dict:
    """All that a folder of :func:`ablate_photographs` holds; also written to ``ablation.json``."""
    rows = switches(finegan_preset(preset))
    asked = {"preset": preset, "data": data, "steps": steps}
    kept = {name: _rows(folder, name, (), asked) for name in rows}
    results = {name: _columns(found, PHOTO_COLUMNS) for name, found in kept.items() if found}
    seeds = {name: [row["seed"] for row in kept[name]] for name in results}
    words = f"python -m finegan_lib ablation --data {data} --preset {preset} --steps {steps}"
    summary = {"command": _commands(words, seeds, rows), "preset": preset, "data": data}
    summary |= {"steps": steps, "columns": list(PHOTO_COLUMNS), "seeds": seeds, "results": results}
    write_json(Path(folder) / "ablation.json", summary)
    return summary


def _commands(words: str, seeds: dict[str, list[int]], rows) -> list[str]:
    """What to type for results with these seeds: one command for all, or one for each group."""
    if list(seeds) == list(rows):
        usual, longer = next(seeds[name] for name in rows if name not in ENDS), seeds[WHOLE]
        further = list(range(max(usual) + 1, max(usual) + 1 + len(longer) - len(usual)))
        asked = {name: usual + further if name in ENDS else usual for name in rows}
        if seeds == asked:
            return [f"{words} --seeds {' '.join(map(str, usual))} --more-seeds {len(further)}"]
    groups = {}
    for name, found in seeds.items():
        groups.setdefault(tuple(found), []).append(name)
    return [
        f"{words} --seeds {' '.join(map(str, found))} --more-seeds 0 --only "
        + " ".join(f'"{name}"' for name in names)
        for found, names in groups.items()
    ]


def read_results(folder, names=tuple(TOY_ROWS), columns=COLUMNS) -> dict:
    """The scores of every finished run: ``{name: {column: one value for each seed}}``.

    The names keep their order. The values have the order of the seeds. Columns that a result lacks
    are left out.
    """
    kept = {name: _rows(folder, name, columns if columns is COLUMNS else ()) for name in names}
    return {name: _columns(rows, columns) for name, rows in kept.items() if rows}


def _columns(rows: list[dict], columns) -> dict:
    """``{column: one value for each row}`` of the columns that all rows have."""
    held = [key for key in columns if all(key in row for row in rows)]
    return {key: [row[key] for row in rows] for key in held}


def _rows(folder, name: str, keys, asked=()) -> list[dict]:
    """The results of one row, in the order of their seeds."""
    files = Path(folder).glob(_result(Path(folder), name, "*").name)
    return sorted((_read(file, keys, asked) for file in files), key=lambda result: result["seed"])


def _read(file: Path, keys, asked=()) -> dict:
    """A kept result with these keys; an InputError if it was made with other facts than asked."""
    result = read_json(file, "seed", *keys)
    refuse_other_facts(file, result, dict(asked))
    return result


def _value(config: RunConfig, name: str):
    """A field of a run's model, recipe or loop; a KeyError if none has it."""
    for part in (config.model, config.recipe, config.loop):
        if name in {field.name for field in dataclasses.fields(part)}:
            return getattr(part, name)
    raise KeyError(name)


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


def table(results: dict, columns=COLUMNS, digits: int = 2, title: str = "left out") -> str:
    """The ablation as a Markdown table: means over the seeds."""
    columns = [key for key in columns if any(key in scores for scores in results.values())]
    lines = [
        f"| {title} | seeds | " + " | ".join(columns) + " |",
        "| --- " * (len(columns) + 2) + "|",
    ]
    for name, scores in results.items():
        numbers = " | ".join(_mean_text(scores.get(key), digits) for key in columns)
        lines.append(f"| {name} | {max(map(len, scores.values()))} | {numbers} |")
    return "\n".join(lines)


def _mean_text(values, digits: int) -> str:
    return f"{sum(values) / len(values):.{digits}f}" if values else "–"


def _result(folder: Path, name: str, seed) -> Path:
    return folder / f"{slug(name).strip('_')}_seed{seed}.json"
