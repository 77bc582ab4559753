"""Score a network, and train the networks that the scores need."""

from .arguments import (
    command,
    is_first,
    readers_of,
    readers_options,
    recurring,
    refuse_unused,
    weights_file,
)

OF_PHOTOGRAPHS = ("networks", "keep_out", "device", "whiten", "reader_images", "reader_width")


def add(commands) -> None:
    """Add these commands to argparse's subparsers."""
    _add_evaluate(commands)
    _add_disentangle(commands)
    _add_quality(commands)
    _add_judges(commands)
    _add_classifier(commands)


def _add_evaluate(commands) -> None:
    parser = command(
        commands,
        "evaluate",
        _evaluate,
        "score a FineGAN against ToyBirds' truth, or any generator on photographs",
        "On photographs (--data): KID, FID and IS; the categories that it finds, on trained and on "
        "kept-out photographs; whether they stay when the background is swapped; twins; masks.",
    )
    recurring(parser, "--n-images", default=2000, help="ToyBirds only: how many to score on")
    recurring(parser, "--seeds", default=[0, 1, 2], help="sampling seeds")
    recurring(parser, "--data")
    parser.add_argument(
        "--networks",
        nargs="+",
        default=["own", "pretrained"],
        metavar="NAME|FILE",
        help="photographs only: feature networks; own is the folder's own classifier, pretrained "
        "knows ImageNet's labels, inception is the standard network",
    )
    parser.add_argument(
        "--keep-out",
        type=float,
        help="photographs only: share that the training did not see (none: as the run says)",
    )
    recurring(parser, "--device", help="photographs only: auto, cpu, cuda, mps, …")
    readers_options(
        parser,
        "photographs only",
        48,
        "principal components of the whitened features, whose scores stand beside those of the "
        "paper's route (0: no such scores)",
    )


def _evaluate(parsed) -> dict:
    from ..experiments.demo import evaluate, summary

    if parsed.data not in (None, "toybirds"):
        refuse_unused(parsed, ["n_images"], "evaluate --data FOLDER", "score on ToyBirds")
        return _evaluate_photographs(parsed)
    refuse_unused(parsed, OF_PHOTOGRAPHS, "evaluate on ToyBirds", "give --data FOLDER")
    scores = evaluate(
        parsed.checkpoint,
        n_images=parsed.n_images,
        seeds=tuple(parsed.seeds),
        progress=not parsed.no_progress,
    )
    print(summary(scores))
    return scores


def _evaluate_photographs(parsed) -> dict:
    from dataclasses import replace

    from ..scoring.photographs import (
        PhotoConfig,
        evaluate_photographs,
        summary,
        validate_folder_given,
    )

    validate_folder_given(parsed.data)
    config = PhotoConfig()
    readers = readers_of(parsed, config.discovery)
    scores = evaluate_photographs(
        parsed.checkpoint,
        parsed.data,
        networks=tuple(parsed.networks),
        keep_out=parsed.keep_out,
        seeds=tuple(parsed.seeds),
        config=replace(config, discovery=readers, whiten=parsed.whiten),
        device=parsed.device,
        progress=not parsed.no_progress,
    )
    print(summary(scores))
    return scores


def _add_disentangle(commands) -> None:
    parser = command(
        commands,
        "disentangle",
        _disentangle,
        "MIG, DCI and background leakage of a FineGAN or an InfoGAN, on ToyBirds",
    )
    recurring(parser, "--n-images", default=3000, help="generated images with codes")
    recurring(parser, "--n-real", default=2000, help="real birds, not trained on")
    recurring(parser, "--seeds", default=[0, 1, 2], help="sampling seeds")


def _disentangle(parsed) -> dict:
    from ..scoring.disentanglement import DisentanglementConfig, evaluate_disentanglement, summary

    scores = evaluate_disentanglement(
        parsed.checkpoint,
        seeds=tuple(parsed.seeds),
        config=DisentanglementConfig(n_generated=parsed.n_images, n_real=parsed.n_real),
        progress=not parsed.no_progress,
    )
    print(summary(scores))
    return scores


def _add_quality(commands) -> None:
    parser = command(
        commands,
        "quality",
        _quality,
        "Inception Score, FID and KID of a generator of any family",
        "Codes are tied, and every child gets the same number of pictures.",
    )
    recurring(
        parser,
        "--data",
        default="toybirds",
        metavar="NAME|FOLDER",
        help="toybirds, or a folder: the reals",
    )
    parser.add_argument(
        "--network",
        default="toy",
        metavar="NAME|FILE",
        help='network of the features: "toy", "inception", or a file that classifier wrote',
    )
    parser.add_argument(
        "--inception-weights",
        metavar="FILE",
        help="inception only: local copy of the network's weights",
    )
    parser.add_argument("--n", type=int, default=5000, help="generated pictures; the paper: 30000")
    recurring(parser, "--n-real", help="real pictures (none: 5000, or the folder's)")
    parser.add_argument(
        "--splits", type=int, default=10, help="number of parts for the Inception Score"
    )
    recurring(parser, "--seed", help="seed of the codes and the splits")
    recurring(parser, "--device")


def _quality(parsed) -> dict:
    from ..scoring.quality import evaluate_quality, quality_table

    if parsed.network != "inception":
        network = f"quality --network {parsed.network}"
        refuse_unused(parsed, ["inception_weights"], network, "give --network inception")
    scores = evaluate_quality(
        parsed.checkpoint,
        data=parsed.data,
        network=parsed.network,
        inception=parsed.inception_weights,
        n=parsed.n,
        n_real=parsed.n_real,
        splits=parsed.splits,
        seed=parsed.seed,
        device=parsed.device,
        progress=not parsed.no_progress,
    )
    if is_first():
        print(quality_table(scores))
    return scores


def _add_judges(commands) -> None:
    parser = command(
        commands, "judges", _judges, "train the networks that score ToyBirds", checkpoint=False
    )
    recurring(parser, "--image-size", default=32, help="pixels: 32 or 64")
    recurring(parser, "--steps", default=3000)
    recurring(parser, "--seed")
    weights_file(parser)


def _judges(parsed) -> dict:
    from ..scoring.judge_training import train_and_save_judges

    return train_and_save_judges(
        parsed.out,
        image_size=parsed.image_size,
        steps=parsed.steps,
        seed=parsed.seed,
        progress=not parsed.no_progress,
    )


def _add_classifier(commands) -> None:
    from ..metrics.feature_networks import BACKBONES

    parser = command(
        commands,
        "classifier",
        _classifier,
        "train the network whose features quality uses",
        checkpoint=False,
    )
    recurring(
        parser,
        "--data",
        default="toybirds",
        metavar="NAME|FOLDER",
        help="toybirds, or a labelled folder",
    )
    recurring(
        parser,
        "--image-size",
        help="size of the crops (none: 32 for ToyBirds, 128 for a folder, 64 for small)",
    )
    parser.add_argument(
        "--backbone",
        choices=("small", *BACKBONES),
        default="inception_v3",
        help="for a folder; small is trained from nothing",
    )
    parser.add_argument(
        "--from-scratch", action="store_true", help="for a folder: without ImageNet's weights"
    )
    recurring(parser, "--steps", default=1000)
    parser.add_argument("--batch-size", type=int, default=64, help="pictures in a step")
    recurring(parser, "--seed")
    recurring(parser, "--device")
    weights_file(parser)


def _classifier(parsed) -> dict:
    from ..scoring.classifier_training import train_and_save_classifier

    if parsed.data == "toybirds":
        of_folder = ("backbone", "from_scratch")
        refuse_unused(parsed, of_folder, "classifier on ToyBirds", "give --data FOLDER")
    facts = train_and_save_classifier(
        parsed.out,
        data=parsed.data,
        image_size=parsed.image_size,
        backbone=parsed.backbone,
        pretrained=not parsed.from_scratch,
        steps=parsed.steps,
        batch_size=parsed.batch_size,
        seed=parsed.seed,
        device=parsed.device,
        progress=not parsed.no_progress,
    )
    print(f"{parsed.out}  child accuracy {facts['child_accuracy']:.3f}")
    return facts
