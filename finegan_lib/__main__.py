"""The command line: ``python -m finegan_lib COMMAND``. It parses, calls one function, prints."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from .base.errors import InputError, TrainingDiverged, TrainingStopped, WorkerLost
from .base.files import print_anywhere, write_json
from .base.options import add_options, file_of, with_options
from .commands.applications import add_applications
from .speed.threads import share_processors


def main(arguments=None) -> int:
    """Run one command.

    Returns:
        The exit status: 0; 1 when a training diverged or lost another process, or ``check`` refuses
        something; 2 when the user's input cannot be used; 130 or 143 when SIGINT (Ctrl-C) or
        SIGTERM stopped it.
    """
    share_processors()
    print_anywhere()
    try:
        parser = build_parser()
    except (ImportError, OSError, RuntimeError, TypeError, AttributeError) as error:
        # A broken installation: say what to mend, on any command.
        from .base.checkup import problems

        found = problems() or [f"the library cannot be imported: {error}"]
        print(f"error: {found[0]}", file=sys.stderr)
        return 2
    parsed = parser.parse_args(arguments)
    try:
        if parsed.json and parsed.json.is_dir():  # said before hours of work, not after
            raise InputError("--json needs a file", seen=str(parsed.json), cure="Add a file name.")
        _keep_memory()
        result = parsed.command(parsed)
        if parsed.json and _is_first():
            write_json(parsed.json, result)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (TrainingDiverged, WorkerLost) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except TrainingStopped as stopped:
        print(f"\n{stopped}", file=sys.stderr)
        return stopped.status
    except KeyboardInterrupt:
        print("\nstopped; a run goes on from its newest checkpoint with --resume", file=sys.stderr)
        return 130
    return parsed.status


def _keep_memory() -> None:
    from .speed.devices import keep_memory

    keep_memory()


def _is_first() -> bool:
    """Whether this process is the one that writes, of those that torchrun started."""
    from .speed.distributed import is_first

    return is_first()


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m finegan_lib",
        description="FineGAN, the course: train, sample, draw, score.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands)
    _add_sample(commands)
    _add_figures(commands)
    _add_evaluate(commands)
    _add_disentangle(commands)
    _add_quality(commands)
    _add_demo(commands)
    _add_ablate(commands)
    _add_cluster(commands)
    add_applications(commands, _command)
    _add_choose(commands)
    _add_cover(commands)
    _add_table(commands)
    _add_judges(commands)
    _add_classifier(commands)
    _add_export(commands)
    _add_toybirds(commands)
    _add_check(commands)
    _add_doctor(commands)
    _add_bench(commands)
    return parser


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Adds the default to an option's help, unless it is stated there already."""

    def _get_help_string(self, action):
        stated = any(mark in action.help for mark in ("default:", "none:"))
        if action.required or stated or action.default is argparse.SUPPRESS:
            return action.help
        if action.default in (None, "", []):
            return f"{action.help} (default: none)"
        if action.default is False:
            return f"{action.help} (default: no)"
        return super()._get_help_string(action)


def _command(
    commands, name: str, function, help: str, more: str = "", checkpoint: bool = True, **options
):
    about = f"{help[0].upper()}{help[1:]}. {more}"
    options |= {"help": help, "description": about, "formatter_class": _Help}
    parser = commands.add_parser(name, **options)
    parser.set_defaults(command=function, status=0)
    parser.add_argument(
        "--json", type=file_of(".json"), metavar="FILE", help="write the result there as JSON"
    )
    parser.add_argument("--no-progress", action="store_true", help="show no progress bars")
    if checkpoint:
        parser.add_argument(
            "--checkpoint",
            default="toy",
            metavar="NAME|FILE",
            help='"toy" (shipped), a .safetensors file, or the folder of a run',
        )
    return parser


# ------------------------------------------------------------------------------------- train


def _add_train(commands) -> None:
    from .models import FineGANConfig, InfoGANConfig, LRGANConfig, StackGANConfig
    from .systems import Recipe
    from .training import LoopConfig
    from .training.presets import PRESETS

    parser = _command(
        commands,
        "train",
        _train,
        "train a FineGAN or another GAN",
        "A preset gives the settings; every option replaces one of them. The defaults shown for "
        "model, recipe and loop are the paper's.",
        checkpoint=False,
    )
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), default="toy", help="settings to start from"
    )
    parser.add_argument(
        "--run", metavar="FOLDER", help="folder of the run (none: runs/ and the preset's name)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    parser.add_argument(
        "--checkpoint",
        dest="start_from",
        metavar="NAME|FILE",
        help="start from these weights (a new run, with fresh optimisers)",
    )
    add_options(parser, FineGANConfig, "model")
    add_options(parser, InfoGANConfig, "model of the presets gan and infogan")
    add_options(parser, LRGANConfig, "model of lr_gan")
    add_options(parser, StackGANConfig, "model of stackgan")
    add_options(parser, Recipe, "recipe")
    add_options(parser, LoopConfig, "loop")


def _train(parsed) -> dict:
    from .training import RunConfig, train
    from .training.presets import PRESETS

    folder = Path(parsed.run or f"runs/{parsed.preset}")
    preset = PRESETS[parsed.preset]
    if parsed.resume and (folder / "config.json").exists():
        preset = RunConfig.load(folder)  # so that nothing has to be typed again
    parts = {name: getattr(preset, name) for name in ("model", "recipe", "loop")}
    config = replace(preset, **with_options(parts, parsed))
    newest = train(config, folder, resume=parsed.resume, progress=not parsed.no_progress)
    if _is_first():
        print(f"newest checkpoint: {newest}")
    return {"run": str(folder), "checkpoint": str(newest), "config": config.to_dict()}


# ------------------------------------------------------------------------------------- look


def _add_sample(commands) -> None:
    parser = _command(commands, "sample", _sample, "write generated images into a folder")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder")
    parser.add_argument("--n", type=int, default=64, help="number of images")
    parser.add_argument("--seed", type=int, default=0, help="seed of the codes")
    parser.add_argument("--free", action="store_true", help="draw b, p and c independently")
    for name, meaning in (("b", "background"), ("p", "parent"), ("c", "child")):
        parser.add_argument(f"--{name}", type=int, help=f"fix the {meaning} code to this index")


def _sample(parsed) -> dict:
    from .experiments.sampling import write_samples

    fixed = {name: getattr(parsed, name) for name in "bpc" if getattr(parsed, name) is not None}
    rows = write_samples(
        parsed.checkpoint, parsed.out, parsed.n, seed=parsed.seed, tied=not parsed.free, **fixed
    )
    print(f"{len(rows)} images and codes.csv in {parsed.out}")
    return {"folder": str(parsed.out), "images": rows}


def _add_figures(commands) -> None:
    parser = _command(commands, "figures", _figures, "draw the paper's figures as PNGs")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/figures"), metavar="FOLDER", help="folder"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the codes")


def _figures(parsed) -> dict:
    from .experiments.demo import draw_figures

    paths = [str(path) for path in draw_figures(parsed.checkpoint, parsed.out, parsed.seed)]
    print(*paths, sep="\n")
    return {"figures": paths}


# ------------------------------------------------------------------------------------- score


def _add_evaluate(commands) -> None:
    parser = _command(
        commands,
        "evaluate",
        _evaluate,
        "score a FineGAN against ToyBirds' truth, or any generator on photographs",
        "On photographs (--data): KID, FID and IS; the categories that it finds, on trained and on "
        "kept-out photographs; whether they stay when the background is swapped; twins; masks.",
    )
    parser.add_argument("--n-images", type=int, default=2000, help="ToyBirds to score on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="sampling seeds")
    parser.add_argument("--data", metavar="FOLDER", help="photographs in CUB's layout")
    parser.add_argument(
        "--networks",
        nargs="+",
        default=["own", "pretrained"],
        metavar="NAME|FILE",
        help="photographs only: whose features; own is the folder's own classifier, pretrained "
        "knows ImageNet's labels, inception is the standard network",
    )
    parser.add_argument(
        "--keep-out",
        type=float,
        help="photographs only: share that the training did not see (none: as the run says)",
    )
    parser.add_argument("--device", default="auto", help="photographs only: auto, cpu or cuda")


def _evaluate(parsed) -> dict:
    from .experiments.demo import evaluate, summary

    if parsed.data not in (None, "toybirds"):
        return _evaluate_photographs(parsed)
    scores = evaluate(
        parsed.checkpoint,
        n_images=parsed.n_images,
        seeds=tuple(parsed.seeds),
        progress=not parsed.no_progress,
    )
    print(summary(scores))
    return scores


def _evaluate_photographs(parsed) -> dict:
    from .scoring.photographs import check_folder_given, evaluate_photographs, summary

    check_folder_given(parsed.data)
    scores = evaluate_photographs(
        parsed.checkpoint,
        parsed.data,
        networks=tuple(parsed.networks),
        keep_out=parsed.keep_out,
        seeds=tuple(parsed.seeds),
        device=parsed.device,
        progress=not parsed.no_progress,
    )
    print(summary(scores))
    return scores


def _add_disentangle(commands) -> None:
    parser = _command(
        commands,
        "disentangle",
        _disentangle,
        "MIG, DCI and background leakage of a FineGAN or an InfoGAN, on ToyBirds",
    )
    parser.add_argument("--n-images", type=int, default=3000, help="generated images with codes")
    parser.add_argument("--n-real", type=int, default=2000, help="real birds, not trained on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="sampling seeds")


def _disentangle(parsed) -> dict:
    from .scoring.disentanglement import DisentanglementConfig, evaluate_disentanglement, summary

    scores = evaluate_disentanglement(
        parsed.checkpoint,
        seeds=tuple(parsed.seeds),
        config=DisentanglementConfig(n_generated=parsed.n_images, n_real=parsed.n_real),
        progress=not parsed.no_progress,
    )
    print(summary(scores))
    return scores


def _add_quality(commands) -> None:
    parser = _command(
        commands,
        "quality",
        _quality,
        "Inception Score, FID and KID of a generator of any family",
        "Codes are tied, and every child gets the same number of pictures.",
    )
    parser.add_argument(
        "--data", default="toybirds", metavar="NAME|FOLDER", help="toybirds, or a folder: the reals"
    )
    parser.add_argument(
        "--network",
        default="toy",
        metavar="NAME|FILE",
        help='whose features: "toy", "inception", or a file that classifier wrote',
    )
    parser.add_argument(
        "--inception-weights", metavar="FILE", help="local copy of the standard network's weights"
    )
    parser.add_argument("--n", type=int, default=5000, help="generated pictures; the paper: 30000")
    parser.add_argument("--n-real", type=int, help="real pictures (none: 5000, or the folder's)")
    parser.add_argument("--splits", type=int, default=10, help="of the Inception Score")
    parser.add_argument("--seed", type=int, default=0, help="seed of the codes and the splits")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, …")


def _quality(parsed) -> dict:
    from .scoring.quality import evaluate_quality, quality_table

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
    if _is_first():
        print(quality_table(scores))
    return scores


def _add_demo(commands) -> None:
    parser = _command(
        commands, "demo", _demo, "train the toy preset, draw and score it", checkpoint=False
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), metavar="FOLDER", help="folder"
    )
    parser.add_argument(
        "--minutes", type=float, help="stop the training after so many (none: when it is done)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the training")
    parser.add_argument(
        "--checkpoint", metavar="NAME|FILE", help="show this one only, train nothing"
    )


def _demo(parsed) -> dict:
    from .experiments.demo import TOY, demo, in_words, show, summary

    progress = not parsed.no_progress
    if parsed.checkpoint:
        results = {"shown": show(parsed.checkpoint, parsed.out, progress=progress)}
    else:
        results = demo(parsed.out, minutes=parsed.minutes, seed=parsed.seed, progress=progress)
    for name, scores in results.items():
        print(f"\n{name}\n{summary(scores)}")
    if "from_scratch" in results:
        sizes = TOY.model.n_parents, TOY.model.n_children
        print("\n" + in_words(results["from_scratch"], *sizes))
    print(f"\nPictures and scores: {parsed.out}")
    return results


def _add_ablate(commands) -> None:
    parser = _command(
        commands,
        "ablate",
        _ablate,
        "leave out each addition of the toy preset; with --data, of one for photographs",
        "One addition at a time, the same steps for all. What is finished is not done again.",
        checkpoint=False,
        aliases=["ablation"],
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="folder (none: runs/ablation, or with --data's)"
    )
    parser.add_argument("--steps", type=int, default=4000, help="training steps of each run")
    parser.add_argument(
        "--seeds", type=int, nargs="+", help="of the trainings (none: 0; of photographs 0 1)"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these rows only")
    parser.add_argument("--data", metavar="FOLDER", help="photographs in CUB's layout")
    parser.add_argument(
        "--preset", default="birds32", help="photographs only: whose switches are changed"
    )
    parser.add_argument(
        "--more-seeds",
        type=int,
        default=1,
        help="photographs only: further seeds of the whole and of the paper's recipe",
    )


def _ablate(parsed) -> dict:
    from .experiments.ablation import PHOTO_COLUMNS, ablate, ablate_photographs, table

    options = {"steps": parsed.steps, "only": tuple(parsed.only)}
    options["progress"] = not parsed.no_progress
    if parsed.data:
        _check_photo_preset(parsed.preset)
        found = ablate_photographs(
            parsed.out or Path("runs/ablation") / Path(parsed.data).name,
            parsed.data,
            preset=parsed.preset,
            seeds=tuple(parsed.seeds or (0, 1)),
            more_seeds=parsed.more_seeds,
            **options,
        )
        print(table(found["results"], PHOTO_COLUMNS, digits=3, title="changed"))
        return found
    seeds = tuple(parsed.seeds or (0,))
    results = ablate(parsed.out or Path("runs/ablation"), seeds=seeds, **options)
    print(table(results))
    return {"steps": parsed.steps, "results": results}


def _check_photo_preset(name: str) -> None:
    from .training.presets import PRESETS

    known = [key for key, run in PRESETS.items() if run.family == "finegan"]
    if name not in known:
        raise InputError(
            "no such preset of a FineGAN", seen=name, cure=f"Choose one of {', '.join(known)}."
        )


def _add_cluster(commands) -> None:
    from .discovery.cluster import METHODS

    parser = _command(
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
        help="how many (none: the children of the checkpoint)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for the result")
    parser.add_argument("--image-size", type=int, default=64, help="pixels that the method sees")
    parser.add_argument("--n-images", type=int, default=2000, help="of toybirds")
    parser.add_argument("--seed", type=int, default=0, help="seed")
    parser.add_argument("--device", default="auto", help='"auto", "cpu" or "cuda"')


def _cluster(parsed) -> dict:
    from .discovery.cluster import cluster

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
        progress=not parsed.no_progress,
    )
    found = sum(n > 0 for n in result["sizes"])
    print(f"{result['images']} images in {found} clusters: {parsed.out}")
    for name, value in result.get("agreement", {}).items():
        print(f"{name:15} {value:.3f}")
    return result


def _add_choose(commands) -> None:
    parser = _command(
        commands,
        "choose-n-children",
        _choose,
        "propose a number of children, without labels",
        "From a run with clearly more child codes than there can be children.",
        checkpoint=False,
    )
    parser.add_argument(
        "--checkpoint", required=True, metavar="NAME|FILE", help="of a run with too many children"
    )
    parser.add_argument("--n-real", type=int, default=2000, help="real images that are looked at")
    parser.add_argument("--seed", type=int, default=0, help="seed")


def _choose(parsed) -> dict:
    from .discovery.choose import ChoiceConfig, choose_for_checkpoint, summary

    found = choose_for_checkpoint(
        parsed.checkpoint,
        config=ChoiceConfig(n_real=parsed.n_real),
        seed=parsed.seed,
        progress=not parsed.no_progress,
    )
    print(summary(found))
    return found


def _add_cover(commands) -> None:
    parser = _command(
        commands,
        "cover",
        _cover,
        "lead children that draw nothing of their own to kinds of real image that none draws",
        "Without labels. Writes a checkpoint to train on from.",
        checkpoint=False,
    )
    parser.add_argument(
        "--checkpoint", required=True, metavar="FILE", help="of a FineGAN's run, or its folder"
    )
    parser.add_argument(
        "--out",
        type=file_of(".safetensors"),
        required=True,
        metavar="FILE",
        help="new checkpoint",
    )
    parser.add_argument("--n-real", type=int, default=3000, help="real images that are sorted")
    parser.add_argument("--seed", type=int, default=0, help="seed")


def _cover(parsed) -> dict:
    from .discovery.cover import CoverConfig, cover, summary

    found = cover(
        parsed.checkpoint,
        parsed.out,
        CoverConfig(n_real=parsed.n_real),
        seed=parsed.seed,
        progress=not parsed.no_progress,
    )
    print(summary(found))
    return found


def _add_table(commands) -> None:
    from .experiments.table_systems import DATA

    parser = _command(
        commands,
        "table",
        _table,
        "show one of the paper's tables, or run it",
        "1: generators; 2: numbers of parents; 3: categories of real images. Shows the committed "
        "results at once where they answer what is asked for; else, or with --run, trains and "
        "scores what the folder does not hold yet.",
        checkpoint=False,
    )
    parser.add_argument("number", type=int, choices=(1, 2, 3), help="of the table")
    parser.add_argument("--run", action="store_true", help="make the results anew")
    parser.add_argument("--data", choices=tuple(DATA), default="toy", help="data set")
    parser.add_argument("--folder", metavar="FOLDER", help="of the photographs")
    known = "(none: as the committed results, else"
    parser.add_argument("--image-size", type=int, help=f"pixels of toy: 32 or 64 {known} 32)")
    parser.add_argument("--steps", type=int, help=f"of each training {known} the preset's)")
    parser.add_argument("--seeds", type=int, nargs="+", help=f"of the trainings {known} 0 1)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these rows only")
    parser.add_argument(
        "--n-images", type=int, help=f"generated {known} 5000; of cub50 as many as photographs)"
    )
    parser.add_argument("--n-real", type=int, help=f"ToyBirds that are sorted {known} 2000)")
    parser.add_argument(
        "--network",
        metavar="NAME|FILE",
        help="that IS and FID are made with (none: toy for ToyBirds, inception for the paper's "
        "data; cub50 has its own classifier and a pretrained network)",
    )
    parser.add_argument("--device", help="auto, cpu or cuda (none: auto)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="of runs, results and tables (none: runs/tables/ and the set's name)",
    )


def _table(parsed) -> dict:
    from dataclasses import fields

    from .experiments.committed_tables import committed, cost, nothing_new
    from .experiments.tables import Settings, run_table, table_text

    names = [field.name for field in fields(Settings)]
    asked = {name: getattr(parsed, name) for name in names}
    had = committed(parsed.number, parsed.data)
    here = not parsed.run and not parsed.out
    if had and here and nothing_new(had, asked, parsed.seeds, parsed.only):
        hours, machine = cost(parsed.number, parsed.data)
        print(table_text(had))
        print(f"\nCommitted results of: {had['command']}")
        print(f"To make them anew takes about {hours:.1f} hours on one such machine: {machine}.")
        return had
    settings = {name: had[name] for name in names if name != "folder"} if had else {}
    settings |= {name: value for name, value in asked.items() if value is not None}
    rows = had["systems"].values() if had else [{"seed": [0, 1]}]
    seeds = parsed.seeds or sorted({seed for row in rows for seed in row["seed"]})
    summary = run_table(
        parsed.number,
        Settings(**settings),
        parsed.out or Path("runs/tables") / parsed.data,
        seeds=tuple(seeds),
        only=tuple(parsed.only),
        progress=not parsed.no_progress,
    )
    print(table_text(summary))
    return summary


def _add_judges(commands) -> None:
    parser = _command(
        commands, "judges", _judges, "train the networks that score ToyBirds", checkpoint=False
    )
    parser.add_argument("--image-size", type=int, default=32, help="pixels: 32 or 64")
    parser.add_argument("--steps", type=int, default=3000, help="training steps")
    parser.add_argument("--seed", type=int, default=0, help="seed")
    parser.add_argument(
        "--out",
        type=file_of(".safetensors"),
        required=True,
        metavar="FILE",
        help=".safetensors file",
    )


def _judges(parsed) -> dict:
    from .scoring.judge_training import train_and_save_judges

    return train_and_save_judges(
        parsed.out,
        image_size=parsed.image_size,
        steps=parsed.steps,
        seed=parsed.seed,
        progress=not parsed.no_progress,
    )


def _add_classifier(commands) -> None:
    from .metrics.feature_networks import BACKBONES

    parser = _command(
        commands,
        "classifier",
        _classifier,
        "train the network that quality looks through",
        checkpoint=False,
    )
    parser.add_argument(
        "--data", default="toybirds", metavar="NAME|FOLDER", help="toybirds, or a labelled folder"
    )
    parser.add_argument(
        "--image-size",
        type=int,
        help="of the crops (none: 32 for ToyBirds, 128 for a folder, 64 for small)",
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
    parser.add_argument("--steps", type=int, default=1000, help="training steps")
    parser.add_argument("--batch-size", type=int, default=64, help="pictures in a step")
    parser.add_argument("--seed", type=int, default=0, help="seed")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, …")
    parser.add_argument(
        "--out",
        type=file_of(".safetensors"),
        required=True,
        metavar="FILE",
        help=".safetensors file",
    )


def _classifier(parsed) -> dict:
    from .scoring.classifier_training import train_and_save_classifier

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


# ------------------------------------------------------------------------------------- files


def _add_export(commands) -> None:
    from .training.export import FORMATS, PRECISIONS

    parser = _command(
        commands,
        "export",
        _export,
        "write a run's averaged generator to one file",
        "safetensors goes on in this library; torchscript and onnx run without it.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="new file")
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="",
        help="of the file (default: what its ending says, .safetensors, .pt or .onnx)",
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default=PRECISIONS[0], help="of the stored weights"
    )
    parser.add_argument("--note", default="", help="the command that trained it, kept in the file")


def _export(parsed) -> dict:
    from .training.export import export, format_of

    format = format_of(parsed.out, parsed.format)
    path = export(
        parsed.checkpoint,
        parsed.out,
        format=format,
        precision=parsed.precision,
        command=parsed.note,
    )
    size = path.stat().st_size
    print(f"{path}  {format}, {parsed.precision}, {size / 1e6:.1f} MB")
    return {"file": str(path), "bytes": size}


def _add_toybirds(commands) -> None:
    from .data.example import SIZES

    parser = _command(
        commands,
        "toybirds",
        _toybirds,
        "write ToyBirds as a folder in CUB's layout",
        checkpoint=False,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="new folder")
    parser.add_argument("--n-images", type=int, default=1000, help="number of images")
    parser.add_argument("--image-size", type=int, default=64, help=SIZES)
    parser.add_argument("--n-parents", type=int, default=5, help="silhouettes")
    parser.add_argument("--n-children", type=int, default=20, help="appearances")
    parser.add_argument("--seed", type=int, default=0, help="seed")


def _toybirds(parsed) -> dict:
    from .data import ToyBirds

    birds = ToyBirds(
        parsed.n_images,
        image_size=parsed.image_size,
        n_parents=parsed.n_parents,
        n_children=parsed.n_children,
        seed=parsed.seed,
        progress=not parsed.no_progress,
    )
    birds.write_cub(parsed.out, progress=not parsed.no_progress)
    print(f"{len(birds)} images in {parsed.out}")
    return {"folder": str(parsed.out), "images": len(birds)}


def _add_check(commands) -> None:
    parser = _command(
        commands,
        "check",
        _check,
        "list every problem of a folder of photographs",
        "One pass over all images and annotations; exit status 1 if anything is refused.",
        checkpoint=False,
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="in the layout of CUB-200-2011")
    parser.add_argument(
        "--headers-only", action="store_true", help="do not decode the images: quick, sees less"
    )
    parser.add_argument(
        "--image-size",
        type=int,
        nargs="+",
        default=[32, 64, 128],
        metavar="S",
        help="of the trainings for which the share of windows with background is told, in pixels",
    )
    parser.add_argument(
        "--full-scale", type=float, default=76 / 64, help="of these trainings, as in train"
    )


def _check(parsed) -> dict:
    from .data.check import check_folder, report_text

    result = check_folder(
        parsed.folder,
        decode=not parsed.headers_only,
        progress=not parsed.no_progress,
        image_sizes=parsed.image_size,
        full_scale=parsed.full_scale,
    )
    print(report_text(result))
    parsed.status = 1 if result["refused"] else 0
    return result


def _add_doctor(commands) -> None:
    parser = _command(commands, "doctor", _doctor, "look at this machine, and at a checkpoint")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the speed check, s")


def _doctor(parsed) -> dict:
    from .bench.doctor import doctor

    facts = doctor(seconds=parsed.seconds, checkpoint=parsed.checkpoint)
    for name, value in facts.items():
        if name not in ("warnings", "notes"):
            print(f"{name:18} {value}")
    for note in facts["notes"]:
        print(f"note: {note}")
    for i, warning in enumerate(facts["warnings"]):
        print(f"{'to mend' if i else 'to mend first'}: {warning}")
    return facts


def _add_bench(commands) -> None:
    parser = _command(
        commands,
        "bench",
        _bench,
        "measure how fast things are, as ratios within one run",
        "step and sample: against the plain implementation in tests/reference. data: decoding "
        "against the cache. scaling: time against sizes. gpu: a step on this machine's GPU under "
        "each option of speed. gpu-model: time per epoch on GPUs, estimated on paper. "
        "import: what importing costs. memory: what it gains to keep it. crowd: a step beside a "
        "busy program. playground: a slider's move to the new picture.",
        checkpoint=False,
    )
    whats = ("step", "sample", "data", "scaling", "gpu", "gpu-model", "import", "memory")
    whats += ("crowd", "playground")
    parser.add_argument("what", choices=whats, help="what to measure")
    parser.add_argument("--rounds", type=int, help="turns of each way (none: 3 or 5)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", choices=(32, 64, 128), help="pixels (none: all three)"
    )
    parser.add_argument(
        "--compiled",
        action="store_true",
        default=None,
        help="step, gpu: with torch.compile too (no)",
    )
    parser.add_argument(
        "--figure", type=file_of(".png"), metavar="FILE", help="PNG of scaling (none: none)"
    )


def _bench(parsed) -> dict:
    from .bench.run import bench, summary

    result = bench(
        parsed.what,
        rounds=parsed.rounds,
        sizes=parsed.sizes,
        compiled=parsed.compiled,
        figure=parsed.figure,
        progress=not parsed.no_progress,
    )
    print(summary(result))
    return result


if __name__ == "__main__":
    sys.exit(main())
