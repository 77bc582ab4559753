"""Generated images and the paper's figures."""

from pathlib import Path

from .arguments import command, recurring


def add(commands) -> None:
    """Add these commands to argparse's subparsers."""
    _add_sample(commands)
    _add_figures(commands)
    _add_parents(commands)


def _add_sample(commands) -> None:
    parser = command(commands, "sample", _sample, "write generated images into a folder")
    recurring(parser, "--out", required=True)
    parser.add_argument("--n", type=int, default=64, help="number of images")
    recurring(parser, "--seed", help="seed of the codes")
    parser.add_argument("--free", action="store_true", help="sample b, p and c independently")
    for name, meaning in (("b", "background"), ("p", "parent"), ("c", "child")):
        parser.add_argument(f"--{name}", type=int, help=f"fix the {meaning} code to this index")


def _sample(parsed) -> dict:
    from ..experiments.sampling import write_samples

    fixed = {name: getattr(parsed, name) for name in "bpc" if getattr(parsed, name) is not None}
    rows = write_samples(
        parsed.checkpoint, parsed.out, parsed.n, seed=parsed.seed, tied=not parsed.free, **fixed
    )
    print(f"{len(rows)} images and codes.csv in {parsed.out}")
    return {"folder": str(parsed.out), "images": rows}


def _add_figures(commands) -> None:
    parser = command(commands, "figures", _figures, "draw the paper's figures as PNGs")
    recurring(parser, "--out", default=Path("runs/figures"), help="folder")
    recurring(parser, "--seed", help="seed of the codes")


def _figures(parsed) -> dict:
    from ..experiments.demo import draw_figures

    paths = [str(path) for path in draw_figures(parsed.checkpoint, parsed.out, parsed.seed)]
    print(*paths, sep="\n")
    return {"figures": paths}


def _add_parents(commands) -> None:
    parser = command(
        commands,
        "parents",
        _parents,
        "draw every parent as a sheet that people can judge",
        "Writes the sheet (parents.png) and a form for one person's answers (answers.csv).",
    )
    recurring(parser, "--out", default=Path("runs/parents"), help="folder")
    recurring(parser, "--seed", help="seed of the codes")
    parser.add_argument("--columns", type=int, default=6, help="pairs of mask and picture in a row")
    parser.add_argument(
        "--question",
        default="Which rows show the shape of one whole object?",
        metavar="TEXT",
        help="what the people are asked; it stands above the sheet",
    )


def _parents(parsed) -> dict:
    from ..experiments.sampling import write_parents

    options = {"seed": parsed.seed, "columns": parsed.columns, "question": parsed.question}
    paths = [str(path) for path in write_parents(parsed.checkpoint, parsed.out, **options)]
    print(*paths, sep="\n")
    return {"files": paths}
