"""The demo, the ablation, the paper's tables."""

from pathlib import Path

from ..base.errors import InputError
from .arguments import command, recurring, refuse_unused


def add(commands) -> None:
    """Add these commands to argparse's subparsers."""
    _add_demo(commands)
    _add_ablate(commands)
    _add_table(commands)


def _add_demo(commands) -> None:
    parser = command(
        commands, "demo", _demo, "train the toy preset, show and score it", checkpoint=False
    )
    recurring(parser, "--out", default=Path("runs/demo"), help="folder")
    parser.add_argument(
        "--minutes", type=float, help="stop after so many minutes (none: when the training is done)"
    )
    recurring(parser, "--seed", help="seed of the training")
    recurring(parser, "--checkpoint", help="show this one only, train nothing")


def _demo(parsed) -> dict:
    from ..experiments.demo import DEMO, demo, in_words, show, summary

    progress = not parsed.no_progress
    if parsed.checkpoint:
        refuse_unused(parsed, ("minutes", "seed"), "demo --checkpoint", "let the demo train")
        results = {"shown": show(parsed.checkpoint, parsed.out, progress=progress)}
    else:
        results = demo(parsed.out, minutes=parsed.minutes, seed=parsed.seed, progress=progress)
    for name, scores in results.items():
        print(f"\n{name}\n{summary(scores)}")
    if "from_scratch" in results:
        sizes = DEMO.model.n_parents, DEMO.model.n_children
        print("\n" + in_words(results["from_scratch"], *sizes))
    print(f"\nPictures and scores: {parsed.out}")
    return results


def _add_ablate(commands) -> None:
    parser = command(
        commands,
        "ablation",
        _ablate,
        "leave out each addition of the toy preset, or with --data of a preset for photographs",
        "One addition at a time, the same steps for all. What is finished is not done again.",
        checkpoint=False,
        aliases=["ablate"],  # its former name
    )
    recurring(parser, "--out", help="folder (none: runs/ablation, or with --data's)")
    recurring(parser, "--steps", default=4000, help="training steps of each run")
    recurring(parser, "--seeds", help="seeds of the trainings (none: 0; of photographs 0 1)")
    recurring(parser, "--only")
    recurring(parser, "--data")
    parser.add_argument(
        "--preset", default="birds32", help="photographs only: preset whose switches are changed"
    )
    parser.add_argument(
        "--more-seeds",
        type=int,
        default=1,
        help="photographs only: further seeds of the whole recipe and of the paper's",
    )


def _ablate(parsed) -> dict:
    from ..experiments.ablation import PHOTO_COLUMNS, ablate, ablate_photographs, table

    options = {"steps": parsed.steps, "only": tuple(parsed.only)}
    options["progress"] = not parsed.no_progress
    if parsed.data:
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
    of_photographs = ("preset", "more_seeds")
    refuse_unused(parsed, of_photographs, "ablation on ToyBirds", "give --data FOLDER")
    seeds = tuple(parsed.seeds or (0,))
    results = ablate(parsed.out or Path("runs/ablation"), seeds=seeds, **options)
    print(table(results))
    return {"steps": parsed.steps, "results": results}


def _add_table(commands) -> None:
    from ..experiments.table_systems import DATA

    parser = command(
        commands,
        "table",
        _table,
        "show one of the paper's tables, or run it",
        "1: generators; 2: numbers of parents; 3: categories of real images. Shows the committed "
        "results at once if they answer the question. Otherwise, or with --run, trains and scores "
        "what the folder does not hold yet.",
        checkpoint=False,
    )
    parser.add_argument("number", type=int, choices=(1, 2, 3), help="number of the table")
    parser.add_argument("--run", action="store_true", help="make the results anew")
    recurring(parser, "--data", choices=tuple(DATA), default="toy", metavar=None, help="data set")
    parser.add_argument("--folder", metavar="FOLDER", help="folder of the photographs")
    known = "(none: as the committed results, else"
    recurring(parser, "--image-size", help=f"pixels of toy: 32 or 64 {known} 32)")
    recurring(parser, "--steps", help=f"steps of each training {known} the preset's)")
    recurring(parser, "--seeds", help=f"seeds of the trainings {known} 0 1)")
    recurring(parser, "--only")
    recurring(
        parser, "--n-images", help=f"generated {known} 5000; of cub50 as many as photographs)"
    )
    recurring(parser, "--n-real", help=f"ToyBirds that are sorted {known} 2000)")
    parser.add_argument(
        "--network",
        metavar="NAME|FILE",
        help="feature network of IS and FID (none: toy for ToyBirds, inception for the paper's "
        "data; cub50 always has a classifier of its own and a pretrained network)",
    )
    recurring(parser, "--device", default=None, help="auto, cpu, cuda, … (none: auto)")
    recurring(
        parser,
        "--out",
        help="folder of runs, results and tables (none: runs/tables/ and the set's name)",
    )


def _table(parsed) -> dict:
    from dataclasses import fields

    from ..experiments.committed_tables import committed, cost, nothing_new
    from ..experiments.tables import Settings, run_table, table_text

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
    settings = Settings(**settings)
    if not had:
        said = f"no results of table {parsed.number} on {settings.data} come with the library"
        if settings.photographs and not settings.folder:
            raise InputError(
                said,
                seen=f"--data {parsed.data} without --folder",
                cure="Add --folder FOLDER, in the layout of CUB-200-2011, to make them.",
            )
        print(f"{said[0].upper()}{said[1:]}.", flush=True)
    summary = run_table(
        parsed.number,
        settings,
        parsed.out or Path("runs/tables") / parsed.data,
        seeds=tuple(seeds),
        only=tuple(parsed.only),
        progress=not parsed.no_progress,
    )
    print(table_text(summary))
    return summary
