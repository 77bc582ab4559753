"""The command line: ``python -m finegan_lib COMMAND``. It parses, calls one function, prints."""

import argparse
import sys
from importlib import import_module

from .base.errors import InputError, TrainingDiverged, TrainingStopped, WorkerLost
from .base.files import print_anywhere, write_json
from .commands.arguments import is_first
from .speed.threads import share_processors

# The files of commands/, in the order in which --help lists their commands.
GROUPS = (
    "training",
    "pictures",
    "scores",
    "experiments",
    "discovery",
    "applications",
    "data",
    "machine",
)


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
        # A broken installation: every command says how to repair it.
        from .base.checkup import problems

        found = problems() or [f"the library cannot be imported: {error}"]
        print(f"error: {found[0]}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:  # torch's import takes seconds
        print("\nstopped before anything was done", file=sys.stderr)
        return 130
    parsed = parser.parse_args(arguments)
    try:
        if parsed.json and parsed.json.is_dir():  # checked before hours of work, not after
            raise InputError("--json needs a file", seen=str(parsed.json), cure="Add a file name.")
        _keep_memory()
        result = parsed.command(parsed)
        if parsed.json and is_first():
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


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m finegan_lib",
        description="FineGAN, the course: train, sample, draw, score.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in GROUPS:
        import_module(f".commands.{group}", __package__).add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
