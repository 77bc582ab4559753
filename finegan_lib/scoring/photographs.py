"""Every score of a generator on photographs, where no truth of shapes and masks exists.

``python -m finegan_lib evaluate --checkpoint NAME --data FOLDER``, for any folder in CUB's layout:

====================  ==========================================================================
part                  question
====================  ==========================================================================
``quality``           do generated pictures look like the photographs? KID first: unlike FID it does
                      not depend on the number of pictures; FID and IS beside it, through the set's
                      own classifier and through a pretrained network
``discovery``         do the photographs fall into the true categories? The paper's route:
                      classifiers that learnt to read codes from generated images, k-means on their
                      features; ``discovery_whitened``: the same on whitened features
``background``        how often does a named category stay when the background is swapped?
``variety``           how many children, how many parents differ from each other? which are twins?
``masks``             how large are the masks, how sure, in one piece?
====================  ==========================================================================

Only the scores and the set's own classifier use labels. Photographs that the training kept out (its
``keep_out``) have scores of their own: their category is the nearest of the k-means centres found
on the trained photographs. They are compared with an equal number of trained photographs, because
few images score differently from many.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..base.checkpoints import checkpoint_path, read_metadata
from ..base.errors import InputError
from ..base.files import cache_folder
from ..base.random_numbers import seeded
from ..data.cache import CachedBirds
from ..data.kept_out import is_kept_out, validate_keep_out
from ..data.memory import PictureSet
from ..discovery.cluster import folder_labels
from ..discovery.code_classifiers import code_readers, reader_features
from ..metrics.chance import dice_labels
from ..metrics.clustering import agreement, kmeans_labels, whitening
from ..metrics.code_classifiers import DiscoveryConfig, real_inputs
from ..metrics.feature_networks import SmallClassifier, load_network, network_digest, save_network
from ..metrics.image_quality import compare_statistics, further_metrics, kid
from ..metrics.imagenet_features import available
from ..models.generators import inputs_of
from ..speed.devices import pick_device
from ..training import RunConfig
from ..training.pretrained import load_generator
from .classifier_training import train_small_classifier
from .means import mean_scores
from .quality import (
    cached_statistics,
    pictures_digest,
    read_statistics,
    real_pictures,
    sample_pictures,
)
from .surroundings import code_swap_scores, fresh_images, named, surroundings_scores
from .variety import mask_summary, told_apart, variety

OWN_VERSION = 1  # of the set's own classifier: another number, another training


@dataclass(frozen=True)
class PhotoConfig:
    """How many images are generated and scored."""

    n_generated: int | None = None  # pictures of the quality (None: as many as photographs)
    n_swapped: int = 1000  # generated images whose backgrounds are swapped, and that readers name
    n_masks: int = 500  # generated images whose masks are looked at
    classifier_steps: int = 400  # of the set's own classifier
    splits: int = 10  # of the Inception Score
    subsets: int = 10  # of as many trained photographs as are kept out
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)
    whiten: int = 48  # components of the whitened features (0: no scores of these)


@dataclass(frozen=True)
class ScoredFolder:
    """A folder's photographs at one size.

    ``birds`` reads them; ``crops`` (N, 3, S, S) uint8, the middle of each; ``labels`` (N,) or None;
    ``kept_out`` (N,) booleans; ``root``: the folder, or the pictures in memory.
    """

    birds: CachedBirds | PictureSet
    crops: Tensor
    labels: np.ndarray | None
    kept_out: np.ndarray
    root: Path | PictureSet

    def __len__(self):
        return len(self.crops)


def read_scored(data, image_size: int, keep_out: float = 0.0, progress=True) -> ScoredFolder:
    """A folder in CUB's layout, or pictures in memory, with what is needed to score on it.

    Labels are those of ``image_class_labels.txt``; without it, of one folder a class.

    Args:
        data: the folder, or a :class:`~finegan_lib.data.PictureSet`, whose pictures all count as
            trained: without file names, none can be kept out.

    Raises:
        InputError: if the folder cannot be read, the pictures have another image size, or
            ``keep_out`` is no share.
    """
    validate_keep_out(keep_out)
    if hasattr(data, "evaluation_crops"):
        if data.image_size != image_size or keep_out:
            raise InputError(
                "pictures in memory must have the generator's image size, and keep none out",
                seen=f"image_size {data.image_size} for {image_size}, keep_out {keep_out}",
                cure="Make the PictureSet with that image_size, and score without keep_out.",
            )
        kept = np.zeros(len(data), bool)
        return ScoredFolder(data, data.evaluation_crops(), data.child_index, kept, data)
    root = Path(data)
    birds = CachedBirds(root, image_size=image_size, progress=progress)
    labels = birds.child_index
    if labels is None:
        labels = folder_labels([path.relative_to(root / "images") for path in birds.paths])
    kept = np.array([is_kept_out(path.name, keep_out) for path in birds.paths])
    return ScoredFolder(birds, birds.evaluation_crops(), labels, kept, root)


def evaluate_photographs(
    checkpoint,
    data,
    *,
    networks=("own", "pretrained"),
    keep_out: float | None = None,
    seeds=(0, 1, 2),
    config: PhotoConfig | None = None,
    device: str = "auto",
    progress: bool = True,
) -> dict:
    """All scores above of a generator of any family.

    Args:
        checkpoint: a shipped name, a file or the folder of a run.
        data: folder in CUB's layout, or a :class:`~finegan_lib.data.PictureSet`.
        networks: the feature networks: "own" (trained on the folder's labels and kept in the
            cache), or a name of
            :func:`~finegan_lib.metrics.feature_networks.load_network`.
        keep_out: share of the photographs that the training did not see; None: as its run says.
        seeds: of the readers' trainings; the scores are means over them.

    Returns:
        A dictionary that ``json.dumps`` accepts: what was scored, ``left_out`` with the reason
        for every part that this generator or this folder does not allow, and the parts of the
        module's table as far as they apply.

    Raises:
        InputError: for a checkpoint, a folder or a network that cannot be read.
    """
    config = config or PhotoConfig()
    device = pick_device(device)
    generator = load_generator(checkpoint)
    named = _named_networks(networks, generator.config.image_size)
    run = RunConfig.from_dict(read_metadata(checkpoint_path(checkpoint)).get("config", {}))
    keep_out = run.loop.keep_out if keep_out is None else keep_out
    photos = read_scored(data, generator.config.image_size, keep_out, progress)
    scores = {
        "checkpoint": str(checkpoint),
        "family": run.family,
        "image_size": generator.config.image_size,
        "data": type(data).__name__ if hasattr(data, "evaluation_crops") else str(data),
        "images": len(photos),
        "classes": None if photos.labels is None else len(np.unique(photos.labels)),
        "keep_out": keep_out,
        "kept_out_images": int(photos.kept_out.sum()),
        "trained_on": run.loop.data,
        "seeds": list(seeds),
        "readers": asdict(config.discovery),
        "whiten": config.whiten,
        "left_out": _left_out(generator, photos, networks),
    }
    if photos.labels is not None and "own" in networks:
        named["own"] = own_classifier(photos, config, progress)
    named = {name: named[name] for name in networks if name in named}
    scores["quality"] = _quality(generator, photos, named, config, device, progress)
    if inputs_of(generator).n_children(generator.config):
        scores |= _readers_scores(generator, photos, seeds, config, progress)
    if inputs_of(generator).hierarchical:
        scores["variety"] = variety(generator) | scores.pop("told_apart")
        scores["masks"] = mask_summary(generator, n=config.n_masks)
    return scores


def _left_out(generator, photos, networks) -> dict[str, str]:
    """Which parts are missing, and why."""
    missing = {}
    if "pretrained" in networks and not available():
        missing["pretrained"] = 'not installed: pip install "finegan-lib[pretrained]"'
    if photos.labels is None:
        missing |= dict.fromkeys(("own", "discovery"), "the folder has no labels")
    if not inputs_of(generator).n_children(generator.config):
        missing |= dict.fromkeys(("discovery", "background"), "this family has no child code")
    if not inputs_of(generator).hierarchical:
        missing |= dict.fromkeys(("variety", "masks"), "this family has no masks")
    if not photos.kept_out.any():
        missing["kept out"] = "the training kept no photographs out"
    elif "discovery" not in missing and _too_few_trained(photos.labels, photos.kept_out):
        missing["kept out"] = _too_few_trained(photos.labels, photos.kept_out)
    return missing


def _too_few_trained(labels, kept_out) -> str:
    """Why the trained photographs cannot be compared with those kept out; "": they can be."""
    out, k = int(kept_out.sum()), len(np.unique(labels))
    trained = len(kept_out) - out
    if trained >= max(k, out):
        return ""
    return (
        f"too few trained photographs to compare with: {trained} trained, {out} kept out, "
        f"{k} classes"
    )


# ------------------------------------------------------------------------------------- quality


def _named_networks(networks, image_size: int) -> dict:
    """The feature networks that need no training, by name, but for those left out (`_left_out`).

    Read before any work: a misspelt name is refused at once.
    """
    left_out = {"own"} | (set() if available() else {"pretrained"})
    return {name: load_network(name, image_size) for name in networks if name not in left_out}


def _quality(generator, photos, networks: dict, config, device, progress) -> dict:
    """KID, FID and IS through each network, by its name in ``networks``."""
    size, n = generator.config.image_size, config.n_generated or len(photos)
    real = real_pictures(photos.root, size, progress=progress)
    drawn = torch.cat(list(sample_pictures(generator.to(device), n)))
    generator.cpu()
    return {
        name: quality_through(
            network.to(device), real, drawn, photos.kept_out, config.splits, progress
        )
        for name, network in networks.items()
    }


def quality_through(
    network: nn.Module, real: Tensor, drawn: Tensor, kept_out, splits=10, progress=True
) -> dict:
    """KID first, then FID and IS, of uint8 pictures (N, 3, S, S) seen by one network.

    Returns:
        :func:`~finegan_lib.metrics.image_quality.compare_statistics`, the distances first;
        ``kid_kept_out``, to the photographs that were not trained on, where there are some; and
        what it was made of.
    """
    seen = cached_statistics(network, real, progress=progress)
    made = read_statistics(network, drawn.split(100), len(drawn), progress)
    splits = min(splits, len(drawn), len(real))
    compared = compare_statistics(seen, made, splits=splits)
    first = ("kid", "kid_sd", "fid")
    scores = {name: compared[name] for name in first} | compared
    chosen = np.flatnonzero(np.asarray(kept_out)[: len(seen.features)])
    if len(chosen) > 1:
        scores["kid_kept_out"] = kid(seen.features[chosen], made.features)[0]
    facts = {"network": network.name, "network_digest": network_digest(network)}
    if accuracy := getattr(network, "metadata", {}).get("child_accuracy"):
        facts["classifier_accuracy"] = accuracy
    return scores | facts | {"n": len(drawn), "n_real": len(real)}


def own_classifier(photos: ScoredFolder, config: PhotoConfig, progress=True) -> SmallClassifier:
    """The set's own classifier at this size: out of the cache, or trained, a minute or two.

    It learns from nine tenths of the photographs, chosen by their names and independent of what a
    generator was trained on. Its metadata have its accuracy on the others.
    """
    labels, size = photos.labels, photos.crops.shape[-1]
    digest = pictures_digest(torch.cat([photos.crops.flatten(), _bytes(labels)])[None])
    name = f"own-{size}px-{config.classifier_steps}steps-v{OWN_VERSION}-{digest}.safetensors"
    path = cache_folder() / "classifiers" / name
    if not path.is_file():
        with seeded(0):
            network = SmallClassifier(size, len(np.unique(labels)))
        rows = [i for i, p in enumerate(photos.birds.paths) if not is_kept_out(p.name, 0.1)]
        steps = config.classifier_steps
        facts = train_small_classifier(
            network, photos.birds, labels, np.array(rows), steps=steps, progress=progress
        )
        save_network(network, path, **facts)
    return load_network(path)


def _bytes(labels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(labels, dtype=np.int64)).view(torch.uint8)


# ------------------------------------------------------------------------------------- readers


def _readers_scores(generator, photos, seeds, config, progress) -> dict:
    """``discovery``, ``background`` and ``told_apart``: means over the readers' seeds."""
    runs = []
    for seed in tqdm(seeds, "readers", disable=not progress):
        readers = code_readers(generator, config.discovery, seed=seed, progress=progress)
        images, codes, n_codes = fresh_images(generator, config.n_swapped, seed=seed)
        reader = readers["child"]
        run = {"background": _background(generator, photos, reader, images, config, seed)}
        answers = named(reader, images, config.discovery.image_size)
        run["told_apart"] = {"children_told_apart": told_apart(answers, codes, n_codes)}
        if photos.labels is not None:
            features = reader_features(readers, photos.crops, config.discovery).numpy()
            facts = (features, photos.labels, photos.kept_out)
            options = {"seed": seed, "subsets": config.subsets}
            run["discovery"] = discovery_scores(*facts, **options)
            if config.whiten:
                found = discovery_scores(*facts, **options, whiten=config.whiten)
                found.pop("dice")  # the same as above
                run["discovery_whitened"] = found
        runs.append(run)
    return mean_scores(runs) | {"per_seed": runs}


def _background(generator, photos, reader, made, config, seed) -> dict:
    size = config.discovery.image_size
    real = real_inputs(photos.crops, size)
    options = {"image_size": size, "seed": seed}
    found = {
        "surroundings_generated": surroundings_scores(reader, made, **options),
        "surroundings_real": surroundings_scores(reader, real, **options),
    }
    if inputs_of(generator).hierarchical:
        swapped = code_swap_scores(generator, reader, n=config.n_swapped, **options)
        found = {"code_generated": swapped} | found
    return found


def discovery_scores(
    features, labels, kept_out, *, seed: int = 0, subsets: int = 10, whiten: int = 0
) -> dict:
    """How well k-means on features of photographs agrees with their classes.

    Args:
        features: (N, D).
        labels: (N,) classes, used for scoring only; k is their number.
        kept_out: (N,) which photographs the generator was not trained on.
        seed: of k-means.
        subsets: of as many trained photographs.
        whiten: components of the features'
            :func:`~finegan_lib.metrics.clustering.whitening`, fitted to the same photographs as
            the k-means (0: the features as they are).

    Returns:
        :func:`~finegan_lib.metrics.clustering.agreement` under ``all`` (k-means on all
        photographs) and ``dice`` (labels by dice on all); and where some are kept out, but no more
        than are trained, under ``trained`` (k-means on these alone), ``kept_out`` (each with the
        nearest of those centres) and ``trained_as_many`` (the first's labels on as many
        photographs; mean over the subsets).
    """
    features, labels = np.asarray(features, dtype=np.float32), np.asarray(labels)
    kept_out, k = np.asarray(kept_out), len(np.unique(labels))

    def prepared(fitted_to, used):
        return whitening(fitted_to, whiten, seed).transform(used) if whiten else used

    scores = {"all": agreement(labels, kmeans_labels(prepared(features, features), k, seed))}
    trained = ~kept_out
    if kept_out.any() and not _too_few_trained(labels, kept_out):
        seen = prepared(features[trained], features)
        means = KMeans(k, n_init=4, random_state=seed).fit(seen[trained])
        scores["trained"] = agreement(labels[trained], means.labels_)
        scores["kept_out"] = agreement(labels[kept_out], means.predict(seen[kept_out]))
        rng, runs = np.random.default_rng(seed), []
        for _ in range(subsets):
            rows = rng.choice(int(trained.sum()), int(kept_out.sum()), replace=False)
            runs.append(agreement(labels[trained][rows], means.labels_[rows]))
        scores["trained_as_many"] = mean_scores(runs)
    scores["dice"] = agreement(labels, dice_labels(len(labels), k, seed))
    return scores


# ------------------------------------------------------------------------------------- as text


def summary(scores: dict) -> str:
    """The scores as lines to print."""
    classes = "no labels" if scores["classes"] is None else f"{scores['classes']} classes"
    lines = [
        f"{scores['checkpoint']} ({scores['family']}, {scores['image_size']} px) on "
        f"{scores['images']} photographs, {classes}, {scores['kept_out_images']} kept out: "
        f"{scores['data']}"
    ]
    for name, q in scores["quality"].items():
        known = q.get("classifier_accuracy")
        known = f", accuracy {known:.3f}" if known else ""
        lines += [
            f"quality through {name}: {q['network']}{known}; {q['n']} generated, "
            f"{q['n_real']} real",
            f"  KID {q['kid']:.4f} ± {q['kid_sd']:.4f}"
            + (f" (kept out {q['kid_kept_out']:.4f})" if "kid_kept_out" in q else "")
            + f"   FID {q['fid']:.2f} (two halves of the real ones {q['real_halves_fid']:.2f})"
            f"   IS {q['inception_score']:.2f} (real {q['real_inception_score']:.2f})",
            *(f"  {m.title} {q[m.key]:.{m.digits}f}" for m in further_metrics() if m.key in q),
        ]
    if "discovery" in scores:
        lines += _discovery_lines(scores)
    lines += _background_lines(scores.get("background", {}))
    if "told_apart" in scores:
        lines.append(
            f"children told apart by a reader {scores['told_apart']['children_told_apart']:g}"
        )
    if "variety" in scores:
        lines += _variety_lines(scores["variety"], scores["masks"])
    lines += [f"left out: {name} ({why})" for name, why in scores["left_out"].items()]
    return "\n".join(lines)


def _discovery_lines(scores: dict) -> list[str]:
    names = {
        "all": "all",
        "trained": "trained on",
        "trained_as_many": "as many of these",
        "kept_out": "kept out",
        "dice": "labels by dice (all)",
    }
    lines = ["categories of the photographs      AMI    NMI    ARI    accuracy"]
    for part, more in (("discovery", ""), ("discovery_whitened", ", whitened")):
        for key, title in names.items():
            if s := scores.get(part, {}).get(key):
                lines.append(
                    f"  {title + more:32} {s['ami']:.3f}  {s['nmi_arithmetic']:.3f}  "
                    f"{s['ari']:.3f}  {s['accuracy']:.3f}"
                )
    return lines


def _background_lines(found: dict) -> list[str]:
    titles = {
        "code_generated": "another background code, generated",
        "surroundings_generated": "other surroundings, generated",
        "surroundings_real": "other surroundings, photographs",
    }
    lines = ["the named category stays with"] if found else []
    for name, scores in found.items():
        follows = ""
        if "follows" in scores:
            follows = f"; goes with the surroundings {scores['follows']:.3f}"
        lines.append(
            f"  {titles[name]:36} {scores['kept']:.3f} (moved by a pixel {scores['moved']:.3f})"
            + follows
        )
    return lines


def _variety_lines(v: dict, masks: dict) -> list[str]:
    def pairs(found):
        shown = ", ".join(f"{i}={j}" for i, j in found[:10])
        return f"; twins: {shown}{' …' if len(found) > 10 else ''}" if found else "; no twins"

    return [
        f"children that differ from every other {v['children_differ']} of {v['children']}, told "
        f"apart by a reader {v['children_told_apart']:g}{pairs(v['child_twins'])}",
        f"parents that differ from every other {v['parents_differ']} of {v['parents']}"
        f"{pairs(v['parent_twins'])}",
        f"masks: area {masks['area']:.2f} (parent's {masks['area_parent']:.2f}), undecided pixels "
        f"{masks['undecided']:.2f}, empty {masks['empty']:.2f}, full {masks['full']:.2f}, in one "
        f"piece {masks['one_piece']:.2f}, on the rim {masks['rim']:.2f}",
    ]


def validate_folder_given(data) -> None:
    """Refuse "toybirds", and a folder that is not in CUB's layout, before anything is computed."""
    if hasattr(data, "evaluation_crops"):
        return
    if not (Path(data) / "images.txt").is_file():
        raise InputError(
            "scores on photographs need a folder in CUB's layout",
            seen=str(data),
            cure="Make one with data_scripts/prepare_folder.py, or leave --data out for ToyBirds.",
        )
