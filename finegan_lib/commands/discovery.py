"""Categories without labels."""

from functools import partial

from ..base.errors import InputError
from .arguments import (
    command,
    readers_of,
    readers_options,
    recurring,
    refuse_unused,
    weights_file,
)

RUN_DATA = "the photographs that it was trained on, in CUB's layout (none: where the run says)"


def add(commands) -> None:
    """Add these commands to argparse's subparsers."""
    _add_cluster(commands)
    _add_choose(commands)
    _add_cover(commands)


def _add_cluster(commands) -> None:
    from ..discovery.cluster import METHODS

    parser = command(
        commands,
        "cluster",
        _cluster,
        "sort a folder of images into categories",
        "Writes a contact sheet (clusters.png) and a table (clusters.csv).",
    )
    parser.add_argument("source", metavar="FOLDER|toybirds", help="images; CUB's layout is known")
    parser.add_argument("--method", choices=METHODS, default="finegan", help="how to sort")
    parser.add_argument(
        "--n-clusters",
        type=int,
        metavar="K",
        help="number of clusters (none: as many as the checkpoint's children)",
    )
    recurring(parser, "--out", required=True, help="for the result")
    recurring(parser, "--image-size", default=64, help="pixels that the method sees")
    recurring(parser, "--n-images", default=2000, help="number of toybirds, others than trained on")
    recurring(parser, "--seed", help="seed, of the toybirds, too")
    recurring(parser, "--device")
    readers_options(
        parser,
        "finegan only",
        0,
        "principal components of the whitened features (0: as in the paper, not whitened)",
    )
    parser.add_argument(
        "--cut",
        action="store_true",
        help="finegan only: further classifiers see the objects cut out, by a segmenter that "
        "learns from generated pictures",
    )


def _cluster(parsed) -> dict:
    from ..applications.cut_discovery import cut_features
    from ..discovery.cluster import cluster
    from ..metrics.code_classifiers import DiscoveryConfig

    config = readers_of(parsed, DiscoveryConfig())
    changed = config != DiscoveryConfig()
    if changed and parsed.method != "finegan":
        raise InputError(
            "only finegan sorts by classifiers of codes",
            seen=f"--reader-images or --reader-width with {parsed.method}",
            cure="Leave these options out, or take --method finegan.",
        )
    if parsed.method != "finegan":
        by = f"cluster --method {parsed.method}"
        refuse_unused(parsed, ["checkpoint"], by, "take --method finegan")
    if parsed.source != "toybirds":
        refuse_unused(parsed, ["n_images"], "cluster of a folder", "sort toybirds")
    result = cluster(
        parsed.source,
        parsed.method,
        parsed.n_clusters,
        parsed.out,
        checkpoint=parsed.checkpoint,
        image_size=parsed.image_size,
        n_images=parsed.n_images,
        seed=parsed.seed,
        device=parsed.device,
        config=config if changed else None,
        whiten=parsed.whiten,
        features=partial(cut_features, checkpoint=parsed.checkpoint) if parsed.cut else None,
        progress=not parsed.no_progress,
    )
    found = sum(n > 0 for n in result["sizes"])
    print(f"{result['images']} images in {found} clusters: {parsed.out}")
    for name, value in result.get("agreement", {}).items():
        print(f"{name:15} {value:.3f}")
    return result


def _add_choose(commands) -> None:
    parser = command(
        commands,
        "choose-n-children",
        _choose,
        "propose a number of children, without labels",
        "This needs a run with clearly more child codes than there can be children.",
        checkpoint=False,
    )
    recurring(
        parser, "--checkpoint", required=True, help="checkpoint of a run with too many children"
    )
    recurring(parser, "--data", help=RUN_DATA)
    recurring(parser, "--n-real", default=2000)
    recurring(parser, "--seed")


def _choose(parsed) -> dict:
    from ..discovery.choose import ChoiceConfig, choose_for_checkpoint, summary

    found = choose_for_checkpoint(
        parsed.checkpoint,
        data=parsed.data,
        config=ChoiceConfig(n_real=parsed.n_real),
        seed=parsed.seed,
        progress=not parsed.no_progress,
    )
    print(summary(found))
    return found


def _add_cover(commands) -> None:
    parser = command(
        commands,
        "cover",
        _cover,
        "lead idle children to kinds of real image that no child generates",
        "Without labels. Writes a checkpoint to train on from.",
        checkpoint=False,
    )
    recurring(
        parser,
        "--checkpoint",
        required=True,
        metavar="FILE",
        help="checkpoint of a FineGAN's run, or the run's folder",
    )
    weights_file(parser, "new checkpoint")
    recurring(parser, "--data", help=RUN_DATA)
    recurring(parser, "--n-real", default=3000, help="real images that are sorted")
    parser.add_argument(
        "--parents", action="store_true", help="lead idle parents, with their children, too"
    )
    recurring(parser, "--seed")


def _cover(parsed) -> dict:
    from ..discovery.cover import CoverConfig, cover, summary

    found = cover(
        parsed.checkpoint,
        parsed.out,
        CoverConfig(n_real=parsed.n_real),
        data=parsed.data,
        parents=parsed.parents,
        seed=parsed.seed,
        progress=not parsed.no_progress,
    )
    print(summary(found))
    return found
