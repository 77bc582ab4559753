"""Train a network, and write it to a file of its own."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path

from ..base.checkpoints import step_of
from ..base.errors import InputError
from ..base.options import add_options, folder_of, typed_options, with_options
from .arguments import command, is_first, recurring


def add(commands) -> None:
    """Add these commands to argparse's subparsers."""
    _add_train(commands)
    _add_export(commands)


def _add_train(commands) -> None:
    from .. import families
    from ..systems import Recipe
    from ..training import LoopConfig
    from ..training.presets import PRESETS

    parser = command(
        commands,
        "train",
        _train,
        "train a FineGAN or another GAN",
        "A preset gives the settings; every option replaces one of them. The defaults shown for "
        "model and recipe are the paper's.",
        checkpoint=False,
    )
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), default="toy", help="settings to start from"
    )
    parser.add_argument(
        "--run",
        type=folder_of,
        metavar="FOLDER",
        help="folder of the run (none: runs/ and the preset's name)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    recurring(
        parser,
        "--checkpoint",
        dest="start_from",
        help="start from these weights (a new run, with fresh optimisers)",
    )
    # FineGAN comes first: of an option that several families have, the help shows FineGAN's
    # default, which is the paper's.
    rows = sorted(families.ROWS, key=lambda row: row.key != "finegan")
    for row in rows:
        if row.options:
            add_options(parser, row.config, row.options)
    add_options(parser, Recipe, "recipe")
    add_options(parser, LoopConfig, "loop")


def _train(parsed) -> dict:
    from ..training import RunConfig, train
    from ..training.presets import PRESETS

    folder = Path(parsed.run or f"runs/{parsed.preset}")
    preset = PRESETS[parsed.preset]
    if parsed.resume and (folder / "config.json").exists():
        asked, preset = preset, RunConfig.load(folder)  # so that nothing has to be typed again
        if parsed.preset != parsed.default_of("preset") and asked.family != preset.family:
            raise InputError(
                f"a resumed run must keep its family ({preset.family})",
                seen=f"--preset {parsed.preset}",
                cure="Leave --preset out, or start a new run in another folder.",
            )
    elif parsed.resume and is_first():
        print(f"{folder} holds no run yet: a new one starts.", file=sys.stderr)
    parts = {name: getattr(preset, name) for name in ("model", "recipe", "loop")}
    config = replace(preset, **with_options(parts, parsed))
    config.refuse_ignored(typed_options(parsed))
    newest = train(config, folder, resume=parsed.resume, progress=not parsed.no_progress)
    if is_first():
        print(f"newest checkpoint: {newest}")
        reached, wanted = step_of(newest), config.loop.steps + config.loop.hard_steps
        if reached < wanted:
            print(
                f"The limit of {config.loop.minutes:g} minutes stopped the run at step {reached} "
                f"of {wanted}. To train on: python -m finegan_lib train --run "
                f"{shlex.quote(str(folder))} --resume --minutes 0 (no limit)"
            )
    return {"run": str(folder), "checkpoint": str(newest), "config": config.to_dict()}


def _add_export(commands) -> None:
    from ..training.export import FORMATS, PRECISIONS

    parser = command(
        commands,
        "export",
        _export,
        "write a run's averaged generator to one file",
        "This library reads safetensors; torchscript and onnx run without it.",
    )
    recurring(parser, "--out", type=Path, required=True, metavar="FILE", help="new file")
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="",
        help="format of the file (default: what its ending says, .safetensors, .pt or .onnx)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="format of the stored weights",
    )
    parser.add_argument("--note", default="", help="the command that trained it, kept in the file")


def _export(parsed) -> dict:
    from ..training.export import export, format_of

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
