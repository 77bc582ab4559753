"""The paper's tables, run: train what is missing, score it, print it beside what the paper printed.

=====  ==============================================  ===========================================
table  rows                                            scores
=====  ==============================================  ===========================================
1      Simple-GAN, InfoGAN, LR-GAN, StackGAN-v2,       Inception Score, FID, and for those with a
       FineGAN                                         child code what it finds in real images
2      FineGAN with other numbers of parents           the same
3      JULE, DEPICT, each in two sizes, FineGAN, and   agreement with the true categories
       ours: sorting by the crop's middle, FineGAN
       with a contrastive child head
=====  ==============================================  ===========================================

**Equal budget.** All generators of one table get as many steps of as many images. On ToyBirds they
also get as many weights, to within a tenth (:func:`match_width`), and the same recipe but for what
only FineGAN has. The discriminators are not matched: whatever judges a finished image is equally
wide in all systems, and FineGAN's D_b and D_p come on top (the table counts them). On photographs,
where the paper's numbers are to be met, their authors' widths.

A folder holds everything: ``runs/`` (one run a system and seed), ``results/`` (one file a system
and seed, written when it is complete) and ``table1_toy.json`` (all seeds together). Whatever is
there is not done again, so a table that was stopped goes on.
"""

import itertools
import json
import platform
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from .. import presets
from ..base.checkpoints import read_metadata
from ..base.errors import InputError
from ..base.files import PACKAGE, read_json, slug, write_json
from ..discovery.cluster import agreement, cluster_images, read_images
from ..discovery.code_classifiers import (
    DiscoveryConfig,
    agreement_with_truth,
    child_images,
    real_inputs,
    train_code_classifier,
)
from ..discovery.depict import DEPICT_LARGE
from ..models import FineGANGenerator, InfoGANBaselineConfig, InfoGANBaselineGenerator
from ..pretrained import GENERATORS, load_generator
from ..scoring.quality import evaluate_quality
from ..training import RunConfig, build_system, family_of, pick_device, train
from .digits import DEPICT_DIGITS, JULE_DIGITS
from .paper import clustering_elsewhere, paper_tables

DATA = {"toy": "birds", "cub": "birds", "dogs": "dogs", "cars": "cars"}  # the paper's column
CLUSTERINGS = {
    "JULE": "jule",
    "JULE-ResNet-50": "jule_resnet50",
    "DEPICT": "depict",
    "DEPICT-Large": "depict_large",
    "k-means on pixels": "kmeans",  # ours: what needs no learning
}
# Ours, too: the same methods told where the bird is. A crop's middle half holds little background;
# on whole crops it is mostly the background that they sort by.
CENTRED = ("JULE", "DEPICT", "k-means on pixels")
PAPER_PARENTS = ("5", "10", "20", "40", "mixed")  # table 2's rows, of 200 children
QUALITY = ("inception_score", "inception_score_sd", "fid", "kid", "kid_sd")
QUALITY += ("real_inception_score", "real_halves_fid")
DISCOVERY = DiscoveryConfig()  # of the classifiers that read child codes
# The authors' thousands of epochs would take days on a CPU. These settings were chosen on other
# images, so they favour no method on ToyBirds.
TOY_SORTING = {
    "jule": JULE_DIGITS,
    "jule_resnet50": replace(JULE_DIGITS, backbone="resnet50"),
    "depict": DEPICT_DIGITS,
    "depict_large": replace(DEPICT_DIGITS, widths=DEPICT_LARGE.widths),
    "finegan": DISCOVERY,
}
DISCOVERY_SEED = 1  # of the real ToyBirds that are sorted: a world of pictures not trained on


@dataclass(frozen=True)
class Settings:
    """What holds for all rows of a table."""

    data: str = "toy"  # a key of DATA
    image_size: int = 32  # pixels, of "toy"; the photographs' is the preset's
    steps: int | None = None  # of each training; None: the preset's
    folder: str = ""  # of the photographs; "": the preset's
    network: str = ""  # of IS and FID; "": "toy" for ToyBirds, "inception" for photographs
    n_images: int = 5000  # generated images of IS and FID
    n_real: int = 2000  # ToyBirds to be sorted
    device: str = "auto"


# ------------------------------------------------------------------------------- what is trained


def base_config(settings: Settings) -> RunConfig:
    """FineGAN's own configuration, which sets the budget of all others."""
    if settings.data not in DATA:
        raise InputError(
            "unknown data", seen=settings.data, cure=f"Choose one of {', '.join(DATA)}."
        )
    base = presets.PRESETS[settings.data]
    if settings.data == "toy":
        sizes = {c.model.image_size: c for c in (presets.TOY, presets.TOY64)}
        if settings.image_size not in sizes:
            raise InputError(
                "there is no toy preset of this size",
                seen=settings.image_size,
                cure=f"Choose one of {', '.join(map(str, sizes))}.",
            )
        base = sizes[settings.image_size]
    loop = replace(base.loop, minutes=0.0, device=settings.device)
    if settings.data == "toy":  # one world, whatever the codes of a row are
        model = base.model
        loop = replace(loop, world_parents=model.n_parents, world_children=model.n_children)
    if settings.folder:
        loop = replace(loop, data=settings.folder)
    if settings.steps is not None:
        loop = replace(loop, steps=settings.steps)
    return replace(base, loop=loop)


def generation_systems(settings: Settings) -> dict[str, RunConfig]:
    """Table 1: every system's run, by the paper's name."""
    base, toy = base_config(settings), settings.data == "toy"
    named = {
        "Simple-GAN": presets.SIMPLE_GAN if toy else presets.CUB_SIMPLE_GAN,
        "InfoGAN": presets.INFOGAN_BASELINE if toy else presets.CUB_INFOGAN,
        "LR-GAN": presets.LR_GAN if toy else presets.CUB_LR_GAN,
        "StackGAN-v2": presets.STACKGAN if toy else presets.CUB_STACKGAN,
    }
    # Hard negatives are FineGAN's: the others get their steps as ordinary ones.
    loop = replace(base.loop, steps=base.loop.steps + base.loop.hard_steps, hard_steps=0)
    systems = {}
    for name, preset in named.items():
        model = replace(preset.model, image_size=base.model.image_size, d_dim=base.model.d_dim)
        if isinstance(model, InfoGANBaselineConfig):
            model = replace(model, n_children=base.model.n_children)
        if toy:
            model = match_width(model, count_parameters(GENERATORS["finegan"], base.model))
        recipe = replace(base.recipe, **dict.fromkeys(presets.FINEGANS_OWN, 0.0))
        systems[name] = RunConfig(model, recipe, loop)
    return systems | {"FineGAN": base}


def hierarchy_systems(settings: Settings) -> dict[str, RunConfig]:
    """Table 2: FineGAN with other numbers of parents, by that number; as :data:`PAPER_PARENTS`.

    The paper's 5, 10, 20 and 40 parents are for 200 children, and 20 is its usual number. Other
    data get the same multiples of their own usual number: ToyBirds, with 5 for 20 children, get
    1, 2, 5 and 10. "mixed" has as many as usual, of unequal size (:func:`mixed_sizes`).
    """
    base = base_config(settings)
    usual, n_children = base.model.n_parents, base.model.n_children
    systems = {}
    for paper in PAPER_PARENTS[:-1]:
        n_parents = max(1, int(paper) * usual // 20)
        model = replace(base.model, n_parents=n_parents, children_per_parent=())
        systems[str(n_parents)] = replace(base, model=model)
    sizes = mixed_sizes(usual, n_children)
    model = replace(base.model, n_parents=len(sizes), children_per_parent=sizes)
    return systems | {"mixed": replace(base, model=model)}


def mixed_sizes(n_parents: int, n_children: int) -> tuple[int, ...]:
    """Table 2's unequal hierarchy: some parents have twice the mean, twice as many have half of it.

    "Some" are 3 in 20, as in the paper (:meth:`finegan_lib.codes.CodeHierarchy.mixed`); children
    that are left over when the mean is not even go to the first parents.
    """
    mean, many = n_children // n_parents, round(0.15 * n_parents)
    sizes = [mean // 2] * (2 * many) + [2 * mean] * many + [mean] * (n_parents - 3 * many)
    for i in range(n_children - sum(sizes)):
        sizes[i % n_parents] += 1
    return tuple(sizes)


def count_parameters(network_class, config) -> int:
    """How many weights a network of these sizes has; nothing is allocated."""
    with torch.device("meta"):
        return sum(p.numel() for p in network_class(config).parameters())


def match_width(model, n_parameters: int):
    """A generator's sizes with the ``g_dim`` that brings its weights nearest to a number."""
    generator = GENERATORS[family_of(type(model))]
    best, best_error = model, float("inf")
    for g_dim in itertools.count(4):
        candidate = replace(model, g_dim=g_dim)
        count = count_parameters(generator, candidate)
        if abs(count - n_parameters) < best_error:
            best, best_error = candidate, abs(count - n_parameters)
        if count >= n_parameters:
            return best


# ------------------------------------------------------------------------------- one row, one seed


def generate(config: RunConfig, settings: Settings, folder, progress=True) -> dict:
    """Train one system, and score its images."""
    newest = train(config, folder, resume=True, progress=progress)
    trained = time.monotonic()
    scores = evaluate_quality(
        newest,
        data=config.loop.data,
        network=settings.network or ("toy" if settings.data == "toy" else "inception"),
        n=settings.n_images,
        seed=config.loop.seed,
        device=settings.device,
        progress=progress,
    )
    scores = {name: scores[name] for name in QUALITY}
    generator = load_generator(newest)
    if isinstance(generator, FineGANGenerator | InfoGANBaselineGenerator):
        images, truth = real_images(settings)
        if truth is not None:
            found = child_discovery(generator, images, truth, DISCOVERY, seed=config.loop.seed)
            scores |= {f"real_child_{name}": value for name, value in found.items()}
    return {
        "config": config.to_dict(),
        "parameters": parameter_counts(config),
        "seconds_training": read_metadata(newest)["seconds"],
        "seconds_scoring": time.monotonic() - trained,
        "scores": scores,
    }


def real_images(settings: Settings):
    """Real images to be sorted, (N, 3, S, S) uint8, and their categories, or None."""
    base = base_config(settings)
    images, _, truth = read_images(
        base.loop.data, base.model.image_size, n_images=settings.n_real, seed=DISCOVERY_SEED
    )
    return images, truth


def child_discovery(generator, images, truth, config=None, *, seed=0) -> dict:
    """What a generator's child code has to say about real images: agreement with the truth.

    A classifier learns to read the child code of generated images, then answers for real ones.

    Args:
        generator: a FineGAN, or the InfoGAN baseline; in evaluation mode.
        images: (N, 3, S, S) uint8, real.
        truth: (N,) categories, used for scoring only.

    Returns:
        As :func:`finegan_lib.discovery.code_classifiers.agreement_with_truth`.
    """
    config = config or DiscoveryConfig()
    made, codes, n_codes = child_images(generator, config, seed=seed)
    classifier = train_code_classifier(made, codes, n_codes, config, seed=seed)
    real = real_inputs(images, config.image_size)
    return agreement_with_truth(classifier, real, truth, seed=seed)


def sort_images(
    method: str,
    settings: Settings,
    seed: int,
    folder,
    checkpoint=None,
    progress=True,
    centre: bool = False,
) -> dict:
    """Sort real images with one method and one seed, and compare with the truth.

    The clustering methods learn from the very images that they sort, FineGAN's classifiers from
    generated ones. With ``centre`` the method sees the middle half of each image.
    """
    started = time.monotonic()
    images, truth = real_images(settings)
    if centre:
        quarter = images.shape[-1] // 4
        images = images[..., quarter:-quarter, quarter:-quarter].contiguous()
    if truth is None:
        raise InputError(
            "table 3 needs images whose categories are known",
            seen=base_config(settings).loop.data,
            cure="Add image_class_labels.txt to the folder.",
        )
    config = TOY_SORTING.get(method) if settings.data == "toy" else None
    labels = cluster_images(
        images,
        method,
        len(np.unique(truth)),
        config=config,
        checkpoint=checkpoint,
        seed=seed,
        folder=folder,
        device=settings.device,
        progress=progress,
    )
    return {
        "config": config and asdict(config),
        "images": len(images),
        "seconds_scoring": time.monotonic() - started,
        "scores": agreement(truth, labels),
    }


def parameter_counts(config: RunConfig) -> dict[str, int]:
    """Weights of the generator and of all its discriminators together."""
    system = build_system(config)
    networks = {name: sum(p.numel() for p in n.parameters()) for name, n in system.named_children()}
    networks.pop("average")
    generator = networks.pop("generator")
    return {"generator": generator, "discriminators": sum(networks.values())}


# ------------------------------------------------------------------------------- a whole table


@dataclass(frozen=True)
class Row:
    """One row of a table.

    ``name`` as printed; ``files``, what its files are called (a FineGAN of two tables is one run);
    ``config`` of what is trained, if anything; ``method`` that sorts real images, if one does;
    ``centre``, whether it sees their middle only.
    """

    name: str
    files: str
    config: RunConfig | None = None
    method: str = ""
    centre: bool = False


def table_rows(number: int, settings: Settings) -> list[Row]:
    """The rows of a table, in the paper's order."""
    base = base_config(settings)
    if number == 1:
        return [Row(name, slug(name), c) for name, c in generation_systems(settings).items()]
    if number == 2:
        return [
            Row(name, "finegan" if config == base else f"finegan_{name}_parents", config)
            for name, config in hierarchy_systems(settings).items()
        ]
    if number == 3:
        sorters = [Row(name, slug(name), None, method) for name, method in CLUSTERINGS.items()]
        for name in CENTRED:
            title = f"{name}, middle of the crop"
            sorters.append(Row(title, slug(title), None, CLUSTERINGS[name], centre=True))
        contrast = replace(base, recipe=replace(base.recipe, contrastive_child=1.0))
        return [
            *sorters,
            Row("FineGAN", "finegan", base, "finegan"),
            Row("FineGAN, contrastive", "finegan_contrastive", contrast, "finegan"),
        ]
    raise InputError("the paper has tables 1, 2 and 3", seen=number, cure="Choose one of them.")


def run_table(
    number: int, settings: Settings, folder, *, seeds=(0, 1, 2), only=(), progress: bool = True
) -> dict:
    """Do what is missing of a table, and gather all of it that the folder holds.

    Args:
        number: 1, 2 or 3.
        settings: of all rows.
        folder: for ``runs/``, ``results/`` and ``table<number>_<data>.json``.
        seeds: of the trainings; one seed of all rows is done before the next seed.
        only: names of rows to do; empty: all.

    Returns:
        ``table``, ``data``, ``settings``, and ``systems``: for every row that there is a result
        of, ``{score: [one value a seed]}``. Also written to the folder.

    Raises:
        InputError: for an unknown row, or results in the folder that have other settings.
    """
    folder, rows = Path(folder), table_rows(number, settings)
    unknown = sorted(set(only) - {row.name for row in rows})
    if unknown:
        raise InputError(
            f"table {number} has no such row",
            seen=unknown[0],
            cure=f"Its rows: {', '.join(row.name for row in rows)}.",
        )
    for seed in seeds:
        for row in rows:
            if not only or row.name in only:
                run_row(row, settings, seed, folder, progress)
    return gather(number, settings, folder)


def run_row(row: Row, settings: Settings, seed: int, folder, progress=True) -> dict:
    """The result of one row with one seed: read, or made and written.

    Raises:
        InputError: if there is one that was made with other settings.
    """
    path = result_path(folder, row, seed)
    asked = json.loads(json.dumps(describe(row, settings, seed)))
    if path.exists():
        result = read_json(path, "asked")
        differ = [key for key in asked if result["asked"].get(key) != asked[key]]
        if differ:
            raise InputError(
                f"the folder holds a result with another {', '.join(differ)}",
                seen=str(path),
                cure="Give another folder with --out, or the settings that it was made with.",
            )
        return result
    if progress:
        print(f"{row.name}, seed {seed}", flush=True)
    config = row.config and replace(row.config, loop=replace(row.config.loop, seed=seed))
    run = Path(folder) / "runs" / f"{row.files}_seed{seed}"
    if row.method:
        newest = config and train(config, run, resume=True, progress=progress)
        sorting = run / "sorting"
        result = sort_images(row.method, settings, seed, sorting, newest, progress, row.centre)
        if config:
            result |= {
                "training": config.to_dict(),
                "parameters": parameter_counts(config),
                "seconds_training": read_metadata(newest)["seconds"],
            }
    else:
        result = generate(config, settings, run, progress)
    machine = {"commit": commit(), "device": device_name(settings.device)}
    machine["torch"] = torch.__version__
    result = {"name": row.name, "seed": seed, **result, **machine, "asked": asked}
    write_json(path, result)
    return result


def describe(row: Row, settings: Settings, seed: int) -> dict:
    """What a result depends on, so that one made otherwise is not taken for it."""
    asked = {"data": settings.data, "n_real": settings.n_real, "method": row.method, "seed": seed}
    if row.centre:
        asked["centre"] = True
    if not row.config and settings.image_size != Settings.image_size:
        asked["image_size"] = settings.image_size  # else it is the model's
    if not row.method:
        asked |= {"n_images": settings.n_images, "network": settings.network}
    if row.config:
        asked |= {"model": asdict(row.config.model), "recipe": asdict(row.config.recipe)}
        asked |= {name: getattr(row.config.loop, name) for name in ("steps", "hard_steps", "data")}
    return asked


def result_path(folder, row: Row, seed: int) -> Path:
    """Where the result of a row lies."""
    kind = "sorting" if row.method else "images"
    return Path(folder) / "results" / f"{kind}_{row.files}_seed{seed}.json"


def gather(number: int, settings: Settings, folder) -> dict:
    """All results of a table that a folder holds, whatever the seeds; written beside them."""
    systems = {}
    for row in table_rows(number, settings):
        paths = Path(folder).glob(result_path("", row, 0).as_posix().replace("seed0", "seed*"))
        results = sorted((read_json(p, "seed", "scores") for p in paths), key=lambda r: r["seed"])
        if results:
            numbers = [name for name, v in results[0]["scores"].items() if not isinstance(v, str)]
            systems[row.name] = {n: [r["scores"][n] for r in results] for n in numbers}
            systems[row.name]["seed"] = [r["seed"] for r in results]
            if "parameters" in results[0] and number < 3:
                count = results[0]["parameters"]
                systems[row.name]["parameters"] = count["generator"]
                systems[row.name]["discriminator_parameters"] = count["discriminators"]
    steps = base_config(settings).loop.steps
    summary = {"command": command(number, settings, systems), "table": number, **asdict(settings)}
    summary |= {"steps": steps, "systems": systems}
    write_json(Path(folder) / f"table{number}_{settings.data}.json", summary)
    return summary


def command(number: int, settings: Settings, systems: dict) -> str:
    """What to type for a table with these results."""
    seeds = sorted({seed for scores in systems.values() for seed in scores["seed"]})
    words = [f"python -m finegan_lib table {number}"]
    for name, value in asdict(settings).items():
        if value != getattr(Settings, name):
            words.append(f"--{name.replace('_', '-')} {value}")
    return " ".join([*words, "--seeds", *map(str, seeds)])


# ------------------------------------------------------------------------------- as text

COLUMNS = {
    1: {"IS": "inception_score", "FID": "fid", "child NMI": "real_child_nmi"},
    2: {"IS": "inception_score", "FID": "fid", "child NMI": "real_child_nmi"},
    3: {"NMI": "nmi_arithmetic", "accuracy": "accuracy", "ARI": "ari"},
}


def table_text(summary: dict) -> str:
    """A table as Markdown: ours, mean ± standard deviation over the seeds, beside the paper's."""
    number, systems = summary["table"], summary["systems"]
    settings = Settings(**{name: summary[name] for name in asdict(Settings())})
    columns, printed = COLUMNS[number], paper_columns(number, settings)
    weights = {"weights of G": "parameters", "of all D": "discriminator_parameters"}
    weights = weights if number < 3 else {}
    header = ["N_p" if number == 2 else "", *weights, *columns, *printed]
    lines = [" | ".join(header), " | ".join(["---"] * len(header))]
    for name, scores in systems.items():
        cells = [name, *(f"{scores[count]:,}" for count in weights.values())]
        cells += [mean_and_sd(scores.get(score)) for score in columns.values()]
        cells += [column.get(name, "") for column in printed.values()]
        lines.append(" | ".join(cells))
    any_scores = next(iter(systems.values()), {})
    if "real_inception_score" in any_scores:
        controls = [mean_and_sd(any_scores[f"real_{n}"]) for n in ("inception_score", "halves_fid")]
        empty = [""] * (len(header) - 1 - len(weights) - len(controls))
        row = ["real images (FID: two halves)", *[""] * len(weights), *controls, *empty]
        lines.append(" | ".join(row))
    text = "\n".join(f"| {line} |" for line in lines)
    if number == 1:
        text += f"\n\n{budget(summary)}\n{verdict(systems)}"
    return text


def budget(summary: dict) -> str:
    """What the generators of a table have in common, and what they have not."""
    equal = "as many weights to within a tenth" if summary["data"] == "toy" else "authors' widths"
    return (
        f"Every generator: {summary['steps']:,} steps of the preset's batches, {equal}. A judge of "
        "finished images is equally wide everywhere; FineGAN's D_b and D_p, which judge backgrounds"
        " and read p, and StackGAN's judges of coarser scales come on top."
    )


def mean_and_sd(values: list[float] | None) -> str:
    """Mean ± standard deviation (n − 1) of one value a seed."""
    if not values:
        return "–"
    mean = float(np.mean(values))
    digits = 3 if abs(mean) < 2 else 2
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {np.std(values, ddof=1):.{digits}f}"


def paper_columns(number: int, settings: Settings) -> dict[str, dict[str, str]]:
    """The paper's numbers as text: {column: {row: cell}}; of its birds, if ours are ToyBirds."""
    tables, column = paper_tables(), DATA[settings.data]
    of = f"paper ({column})"
    if number == 1:
        scores, fids = tables["table1_inception_score"], tables["table1_fid"]
        return {
            f"IS, {of}": {n: f"{v[column][0]:.2f} ± {v[column][1]:.2f}" for n, v in scores.items()},
            f"FID, {of}": {n: f"{v[column]:.2f}" for n, v in fids.items()},
        }
    if number == 2:
        scores = tables["table2_inception_score_cub"]
        pairs = zip(hierarchy_systems(settings), PAPER_PARENTS, strict=True)
        cells = {ours: f"{scores[paper]:.2f} ({paper})" for ours, paper in pairs}
        return {"IS, paper (its N_p, of 200 children)": cells}
    pairs = {"NMI": tables["table3_nmi"], "accuracy": tables["table3_accuracy"]}
    printed = {
        f"{name}, {of}": {n: f"{v[column]:.3f}" for n, v in values.items()}
        for name, values in pairs.items()
    }
    later = clustering_elsewhere()["nmi"]
    own = {"FineGAN": "FineGAN", "FineGAN, contrastive": "C3-GAN"}
    cells = {row: f"{later[name][column]:.2f} ({name})" for row, name in own.items()}
    return printed | {f"NMI, C3-GAN's paper ({column})": cells}


def verdict(systems: dict) -> str:
    """How far FineGAN is ahead in FID and in what its child code finds, and whether seeds matter.

    One sentence a score: the distance to the best other system, in the score's unit and in
    standard deviations of one training (n − 1, both systems pooled).
    """
    lines = []
    for title, score, sign in (("FID", "fid", -1), ("Child NMI", "real_child_nmi", 1)):
        values = {name: s[score] for name, s in systems.items() if score in s}
        ours = values.pop("FineGAN", None)
        if ours is None or not values:
            continue
        best = max(values, key=lambda name: sign * np.mean(values[name]))
        margin = sign * float(np.mean(ours) - np.mean(values[best]))
        line = f"{title}: FineGAN is {'ahead of' if margin > 0 else 'behind'} {best}, "
        line += f"the best other, by {abs(margin):.3g}"
        if min(len(ours), len(values[best])) > 1:
            noise = np.sqrt((np.var(ours, ddof=1) + np.var(values[best], ddof=1)) / 2)
            line += f", {abs(margin) / max(noise, 1e-12):.1f} standard deviations of a training"
        lines.append(line + ".")
    return "\n".join(lines)


# ------------------------------------------------------------------------------- small things


def commit() -> str | None:
    """The commit of this code, with a + if files differ from it; None outside a git checkout."""
    here = PACKAGE
    try:
        run = {"cwd": here, "capture_output": True, "text": True, "check": True}
        head = subprocess.run(["git", "rev-parse", "HEAD"], **run).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "."], **run).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed else "")


def device_name(device: str) -> str:
    """What computed it: the GPU's name, or the processor's and the number of threads."""
    if pick_device(device).type == "cuda":
        return torch.cuda.get_device_name()
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
