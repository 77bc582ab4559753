"""The paper's tables, run: train what is missing, score it, print it beside what the paper printed.

=====  ==============================================  ===========================================
table  rows                                            scores
=====  ==============================================  ===========================================
1      Simple-GAN, InfoGAN, LR-GAN, StackGAN-v2,       Inception Score, FID, on photographs KID
       FineGAN                                         first; and for those with a child code what
                                                       it finds in real images
2      FineGAN with other numbers of parents           the same
3      JULE, DEPICT, each in two sizes, FineGAN, and   agreement with the true categories
       ours: sorting by the crop's middle, FineGAN's
       features whitened, its classifiers for objects
       cut out as well, FineGAN with a contrastive
       child head; on photographs k-means on
       pretrained features
=====  ==============================================  ===========================================

Every table has a row of labels by dice, and beside NMI the AMI, which is 0 on average for dice.
:mod:`.table_systems` says what is trained, and at which equal budget.

A folder holds everything: ``runs/`` (one run a system and seed), ``results/`` (one file a system
and seed, written when it is complete) and ``table1_toy.json`` (all seeds together). Whatever is
there is not done again, so a table that was stopped goes on.
"""

import platform
import subprocess
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..applications.cut_discovery import cut_features
from ..base.checkpoints import read_metadata
from ..base.errors import InputError
from ..base.files import PACKAGE, folder_for, read_json, refuse_other_facts, slug, write_json
from ..discovery.cluster import cluster_images, read_images
from ..discovery.code_classifiers import agreement_with_truth, child_images
from ..discovery.depict import DEPICT_LARGE
from ..metrics.chance import dice_labels
from ..metrics.clustering import agreement, kmeans_labels
from ..metrics.code_classifiers import DiscoveryConfig, real_inputs, train_code_classifier
from ..metrics.feature_networks import load_network
from ..metrics.image_quality import scores_among
from ..models.generators import inputs_of
from ..scoring.photographs import PhotoConfig, evaluate_photographs
from ..scoring.quality import evaluate_quality
from ..speed.devices import pick_device
from ..training import RunConfig, train
from ..training.pretrained import load_generator
from .digits import DEPICT_DIGITS, JULE_DIGITS
from .table_systems import (
    DATA,
    DICE,
    Row,
    Settings,
    base_config,
    count_parameters,
    generation_systems,
    hierarchy_systems,
    match_width,
    mixed_sizes,
    parameter_counts,
    result_path,
    table_rows,
)
from .table_text import budget, mean_and_sd, paper_columns, table_text, verdict

__all__ = [
    "DATA",
    "Row",
    "Settings",
    "base_config",
    "budget",
    "count_parameters",
    "gather",
    "generation_systems",
    "hierarchy_systems",
    "match_width",
    "mean_and_sd",
    "mixed_sizes",
    "paper_columns",
    "run_table",
    "slug",
    "table_text",
    "verdict",
]

DISCOVERY = DiscoveryConfig()  # of the classifiers that read child codes
PHOTOS = PhotoConfig()  # of the scores on photographs
# The authors' thousands of epochs would take days on a CPU. These settings were chosen on other
# images, so they favour no method on ToyBirds.
TOY_SORTING = {
    "jule": JULE_DIGITS,
    "jule_resnet50": replace(JULE_DIGITS, backbone="resnet50"),
    "depict": DEPICT_DIGITS,
    "depict_large": replace(DEPICT_DIGITS, widths=DEPICT_LARGE.widths),
    "finegan": DISCOVERY,
}
# On photographs, the authors' own settings, except for the larger DEPICT, which would take days
# with them.
PHOTO_SORTING = {"depict_large": TOY_SORTING["depict_large"]}
DISCOVERY_SEED = 1  # of the real ToyBirds that are sorted: a world of pictures not trained on


# ------------------------------------------------------------------------------- one row, one seed


def generate(config: RunConfig, settings: Settings, folder, progress=True) -> dict:
    """Train one system, and score its images."""
    newest = train(config, folder, resume=True, progress=progress)
    trained = time.monotonic()
    score = photograph_scores if settings.photographs else image_scores
    scores = score(newest, config, settings, progress)
    return {
        "config": portable(config.to_dict(), settings),
        "parameters": parameter_counts(config),
        "seconds_training": read_metadata(newest)["seconds"],
        "seconds_scoring": time.monotonic() - trained,
        "scores": scores,
    }


def image_scores(newest, config: RunConfig, settings: Settings, progress=True) -> dict:
    """IS, FID and KID of a trained system, and what its child code finds in real images."""
    scores = evaluate_quality(
        newest,
        data=config.loop.data,
        network=settings.network or ("toy" if settings.data == "toy" else "inception"),
        n=settings.n_images,
        seed=config.loop.seed,
        device=settings.device,
        progress=progress,
    )
    scores = scores_among(scores)
    generator = load_generator(newest)
    if "c" in inputs_of(generator).codes:
        images, truth = real_images(settings)
        if truth is not None:
            found = child_discovery(generator, images, truth, DISCOVERY, seed=config.loop.seed)
            scores |= {f"real_child_{name}": value for name, value in found.items()}
    return scores


def photograph_scores(newest, config: RunConfig, settings: Settings, progress=True) -> dict:
    """The scores of :func:`~finegan_lib.scoring.photographs.evaluate_photographs`, in one list.

    KID and FID through the pretrained network (``own_…`` through the set's own classifier), IS
    through the own one; categories by the paper's route as ``real_child_…``.
    """
    asked = None if settings.n_images == Settings.n_images else settings.n_images
    found = evaluate_photographs(
        newest,
        config.loop.data,
        networks=("own", "pretrained"),
        seeds=(config.loop.seed,),
        config=replace(PHOTOS, n_generated=asked),
        device=settings.device,
        progress=progress,
    )
    own, seen = found["quality"]["own"], found["quality"]["pretrained"]
    scores = {name: value for name, value in scores_among(own).items() if "inception" in name}
    further = {name: seen[name] for name in ("kid_kept_out",) if name in seen}
    scores |= scores_among(seen) | further | scores
    scores |= {f"own_{name}": own[name] for name in ("kid", "fid")}
    if "discovery" in found:
        scores |= as_child_scores(found["discovery"]["all"])
        for part in ("trained_as_many", "kept_out"):
            if part in found["discovery"]:
                scores[f"{part}_ami"] = found["discovery"][part]["ami"]
    for name, swapped in found.get("background", {}).items():
        scores[f"kept_{name}"] = swapped["kept"]
    kinds = found.get("variety", found.get("told_apart", {}))
    names = ("children_differ", "parents_differ", "children_told_apart")
    scores |= {name: kinds[name] for name in names if name in kinds}
    return scores | ({"mask_area": found["masks"]["area"]} if "masks" in found else {})


def as_child_scores(found: dict) -> dict:
    """Scores of a sorting under the names that tables 1 and 2 have for a child code's."""
    names = {"nmi_arithmetic": "nmi", "ami": "ami", "ari": "ari", "accuracy": "accuracy"}
    return {f"real_child_{short}": found[name] for name, short in names.items()}


def portable(values: dict, settings: Settings) -> dict:
    """A configuration to be kept: of the photographs' folder only its name."""
    if settings.data == "toy":
        return values
    loop = values["loop"] | {"data": Path(values["loop"]["data"]).name}
    return values | {"loop": loop}


def real_images(settings: Settings, side: int = 0):
    """Real images to be sorted, (N, 3, S, S) uint8, and their categories, or None.

    ``side`` is S; 0: the generators' image size.
    """
    base = base_config(settings)
    images, _, truth = read_images(
        base.loop.data, side or base.model.image_size, n_images=settings.n_real, seed=DISCOVERY_SEED
    )
    return images, truth


def child_discovery(generator, images, truth, config=None, *, seed=0) -> dict:
    """How well a generator's child code sorts real images: agreement with the truth.

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
    side: int = 0,
    whiten: int = 0,
    cut: bool = False,
) -> dict:
    """Sort real images with one method and one seed, and compare with the truth.

    The clustering methods learn from the very images that they sort, FineGAN's classifiers from
    generated ones. With ``centre`` the method sees the middle half of each image; ``side`` is
    the images' side in pixels (0: the generators'); ``whiten`` as in
    :func:`~finegan_lib.discovery.cluster.cluster_images`. With ``cut`` its features are
    :func:`~finegan_lib.applications.cut_discovery.cut_features`.
    """
    started = time.monotonic()
    images, truth = real_images(settings, **({"side": side} if side else {}))
    if centre:
        quarter = images.shape[-1] // 4
        images = images[..., quarter:-quarter, quarter:-quarter].contiguous()
    if truth is None:
        raise InputError(
            "table 3 needs images whose categories are known",
            seen=base_config(settings).loop.data,
            cure="Add image_class_labels.txt to the folder.",
        )
    k, config = len(np.unique(truth)), None
    if method == "dice":
        labels = dice_labels(len(images), k, seed)
    elif method == "pretrained":
        labels = kmeans_labels(pretrained_features(images), k, seed)
    else:
        config = (TOY_SORTING if settings.data == "toy" else PHOTO_SORTING).get(method)
        labels = cluster_images(
            images,
            method,
            k,
            config=config,
            checkpoint=checkpoint,
            seed=seed,
            folder=folder,
            device=settings.device,
            whiten=whiten,
            features=partial(cut_features, checkpoint=checkpoint) if cut else None,
            progress=progress,
        )
    return {
        "config": config and asdict(config),
        "images": len(images),
        "sizes": np.bincount(labels, minlength=k).tolist(),
        "seconds_scoring": time.monotonic() - started,
        "scores": agreement(truth, labels),
    }


@torch.no_grad()
def pretrained_features(images: torch.Tensor) -> np.ndarray:
    """(N, 1280) features of uint8 images, by a network that knows ImageNet's labels."""
    network = load_network("pretrained")
    return torch.cat([network(part).features for part in images.split(100)]).numpy()


# ------------------------------------------------------------------------------- a whole table


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
    folder, rows = folder_for(folder), table_rows(number, settings)
    unknown = sorted(set(only) - {row.name for row in rows})
    if unknown:
        raise InputError(
            f"table {number} has no such row",
            seen=unknown[0],
            cure=f"Its rows: {', '.join(row.name for row in rows)}.",
        )
    chosen = [row for row in rows if not only or row.name in only]
    require_what_scores_need(settings, chosen)
    for seed in seeds:
        for row in chosen:
            run_row(row, settings, seed, folder, progress)
    return gather(number, settings, folder)


def require_what_scores_need(settings: Settings, rows) -> None:
    """Before hours of training: the packages and labels that the rows' scores on photographs need.

    Raises:
        InputError: if a package or the photographs' labels are missing.
    """
    if not settings.photographs:
        return
    generated = any(not row.method for row in rows)
    if generated or any(row.method == "pretrained" for row in rows):
        load_network("pretrained")
    if generated and real_images(settings)[1] is None:
        raise InputError(
            "the scores on photographs need to know their categories",
            seen=f"{settings.folder} has no image_class_labels.txt, and no folder for each class",
            cure="Add image_class_labels.txt, or sort the photographs into a folder a class.",
        )


def run_row(row: Row, settings: Settings, seed: int, folder, progress=True) -> dict:
    """The result of one row with one seed: read, or made and written.

    Raises:
        InputError: if there is one that was made with other settings.
    """
    path = result_path(folder, row, seed)
    if path.exists():
        result = read_result(path, row, settings)
        if not made_before_ami(result):
            return result
    if progress:
        print(f"{row.name}, seed {seed}", flush=True)
    config = row.config and replace(row.config, loop=replace(row.config.loop, seed=seed))
    run = Path(folder) / "runs" / f"{row.run or row.files}_seed{seed}"
    if row.method:
        newest = config and train(config, run, resume=True, progress=progress)
        sorting = run / "sorting"
        names = ("centre", "side", "whiten", "cut")
        options = {name: getattr(row, name) for name in names}
        result = sort_images(row.method, settings, seed, sorting, newest, progress, **options)
        if config:
            result |= {
                "training": portable(config.to_dict(), settings),
                "parameters": parameter_counts(config),
                # that of another row is counted there
                "seconds_training": 0 if row.run else read_metadata(newest)["seconds"],
            }
    else:
        result = generate(config, settings, run, progress)
    machine = {"commit": commit(), "device": device_name(settings.device)}
    machine["torch"] = torch.__version__
    result = {"name": row.name, "seed": seed, **result, **machine}
    result["asked"] = describe(row, settings, seed)
    write_json(path, result)
    return result


def read_result(path, row: Row, settings: Settings) -> dict:
    """A kept result of a row.

    Raises:
        InputError: if it was made with other settings.
    """
    result = read_json(path, "asked", "seed", "scores")
    asked, had = describe(row, settings, result["seed"]), result["asked"]
    for part in {"model", "recipe"} & had.keys() & asked.keys():
        # A switch that is younger than the result was off: it had its default.
        had = had | {part: asdict(type(getattr(row.config, part))()) | had[part]}
    refuse_other_facts(path, had, asked)
    return result


def made_before_ami(result: dict) -> bool:
    """Whether a result has an NMI without the AMI that now stands beside it: it is made again."""
    names = result["scores"].keys()
    return any("nmi" in name for name in names) and not any("ami" in name for name in names)


def describe(row: Row, settings: Settings, seed: int) -> dict:
    """What a result depends on. A result with other facts is never used in its place."""
    asked = {"data": settings.data, "n_real": settings.n_real, "method": row.method, "seed": seed}
    if row.centre:
        asked["centre"] = True
    if row.side:
        asked["side"] = row.side
    if row.whiten:
        asked["whiten"] = row.whiten
    if row.cut:
        asked["cut"] = True
    if not row.config and settings.image_size != Settings.image_size:
        asked["image_size"] = settings.image_size  # else it is the model's
    if not row.method:
        asked |= {"n_images": settings.n_images, "network": settings.network}
    if row.config:
        asked |= {"model": asdict(row.config.model), "recipe": asdict(row.config.recipe)}
        asked |= {name: getattr(row.config.loop, name) for name in ("steps", "hard_steps", "data")}
        if settings.data != "toy":
            asked["data"] = Path(asked["data"]).name
    return asked


def gather(number: int, settings: Settings, folder) -> dict:
    """All results of a table that a folder holds, whatever the seeds; written beside them."""
    systems = {}
    for row in table_rows(number, settings):
        paths = Path(folder).glob(result_path("", row, 0).as_posix().replace("seed0", "seed*"))
        results = [read_result(path, row, settings) for path in paths]
        results.sort(key=lambda result: result["seed"])
        if not results:
            continue
        scores = [r["scores"] for r in results]
        if row.method == "dice" and number < 3:
            scores = [as_child_scores(one) for one in scores]
        names = [n for n, v in scores[0].items() if not isinstance(v, str)]
        names = [n for n in names if all(n in one for one in scores)]
        systems[row.name] = {n: [one[n] for one in scores] for n in names}
        systems[row.name]["seed"] = [r["seed"] for r in results]
        if "parameters" in results[0] and number < 3:
            count = results[0]["parameters"]
            systems[row.name]["parameters"] = count["generator"]
            systems[row.name]["discriminator_parameters"] = count["discriminators"]
    kept = asdict(settings)
    if settings.folder:
        kept["folder"] = Path(settings.folder).name
    steps = base_config(settings).loop.steps
    summary = {"command": command(number, settings, systems), "table": number, **kept}
    summary |= {"steps": steps, "systems": systems}
    write_json(Path(folder) / f"table{number}_{settings.data}.json", summary)
    return summary


def command(number: int, settings: Settings, systems: dict) -> str:
    """What to type for a table with these results."""
    seeds = sorted({s for name in systems if name != DICE for s in systems[name]["seed"]})
    words = [f"python -m finegan_lib table {number} --run"]
    for name, value in asdict(settings).items():
        if value != getattr(Settings, name):
            value = "FOLDER" if name == "folder" else value
            words.append(f"--{name.replace('_', '-')} {value}")
    words += ["--seeds", *map(str, seeds)]
    names = [row.name for row in table_rows(number, settings)]
    if not set(names) <= systems.keys():
        words += ["--only", *(f'"{name}"' for name in names if name in systems)]
    return " ".join(words)


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
    threads = torch.get_num_threads()
    s = "" if threads == 1 else "s"
    return f"{platform.processor() or platform.machine()}, {threads} thread{s}"
