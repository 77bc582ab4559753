"""What commands share: how one is made, and the arguments that recur."""

import argparse
from dataclasses import replace

from ..base.errors import InputError
from ..base.options import file_of, flag, folder_of


def seed_of(text: str) -> int:
    """A type for argparse: a seed that NumPy, scikit-learn and torch all accept."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(
            f"a seed is a whole number from 0 to {2**32 - 1}; got {text}. Choose another one."
        )
    return int(text)


# Each argument by its name, as most commands have it.
RECURRING = {
    "--checkpoint": {
        "metavar": "NAME|FILE",
        "help": '"toy" (shipped), a .safetensors file, or the folder of a run',
    },
    "--data": {"metavar": "FOLDER", "help": "photographs in CUB's layout"},
    "--device": {"default": "auto", "help": "auto, cpu, cuda, mps, …"},
    "--image-size": {"type": int, "help": "pixels"},
    "--n-images": {"type": int, "help": "number of images"},
    "--n-real": {"type": int, "help": "real images that are looked at"},
    "--only": {"nargs": "+", "default": [], "metavar": "NAME", "help": "these rows only"},
    "--out": {"type": folder_of, "metavar": "FOLDER", "help": "new folder"},
    "--seed": {"type": seed_of, "default": 0, "help": "seed"},
    "--seeds": {"type": seed_of, "nargs": "+", "help": "seeds of the trainings"},
    "--steps": {"type": int, "help": "training steps"},
}


def recurring(parser: argparse.ArgumentParser, name: str, **changes) -> None:
    """Add one of :data:`RECURRING`; ``changes`` are the settings that differ in this command."""
    parser.add_argument(name, **{**RECURRING[name], **changes})


def weights_file(parser: argparse.ArgumentParser, help: str = ".safetensors file") -> None:
    """Add ``--out`` of a command that writes weights."""
    kind = file_of(".safetensors")
    recurring(parser, "--out", type=kind, required=True, metavar="FILE", help=help)


def readers_options(parser: argparse.ArgumentParser, when: str, whiten: int, help: str) -> None:
    """Add the options of the classifiers that read codes, and of the k-means on their features.

    Args:
        when: a word for when they are used, the first of each help.
        whiten: components of the whitening, unless the user says otherwise.
        help: what ``--whiten`` does in this command.
    """
    from ..metrics.code_classifiers import DiscoveryConfig

    known, more = DiscoveryConfig(), {"type": int, "metavar": "N"}
    parser.add_argument("--whiten", default=whiten, help=f"{when}: {help}", **more)
    parser.add_argument(
        "--reader-images",
        help=f"{when}: generated images that the classifiers of codes learn from (none: "
        f"{known.n_images})",
        **more,
    )
    parser.add_argument(
        "--reader-width",
        help=f"{when}: channels of these classifiers' first layer (none: {known.width})",
        **more,
    )


def readers_of(parsed: argparse.Namespace, config):
    """A `DiscoveryConfig` with what the user asked for by :func:`readers_options`."""
    asked = {"n_images": parsed.reader_images, "width": parsed.reader_width}
    return replace(config, **{name: value for name, value in asked.items() if value is not None})


def command(
    commands, name: str, function, help: str, more: str = "", checkpoint: bool = True, **options
) -> argparse.ArgumentParser:
    """Add one command, with the options that all have.

    Args:
        commands: argparse's subparsers.
        name: the user types it.
        function: from the parsed arguments to a dictionary for ``--json``.
        help: one line, without a full stop.
        more: sentences that ``COMMAND --help`` adds.
        checkpoint: whether it has ``--checkpoint``, "toy" unless the user says otherwise.
        **options: of argparse's ``add_parser``.
    """
    about = f"{help[0].upper()}{help[1:]}. {more}"
    options = {**options, "help": help, "description": about, "formatter_class": _Help}
    parser = commands.add_parser(name, **options)
    parser.set_defaults(command=function, status=0, default_of=parser.get_default)
    parser.add_argument(
        "--json", type=file_of(".json"), metavar="FILE", help="write the result there as JSON"
    )
    parser.add_argument("--no-progress", action="store_true", help="show no progress bars")
    if checkpoint:
        recurring(parser, "--checkpoint", default="toy")
    return parser


def refuse_unused(parsed: argparse.Namespace, names, why: str, cure: str) -> None:
    """Refuse options that the user gave, although a command does not use them with the others.

    Args:
        parsed: the arguments of a :func:`command`.
        names: of the options that are not used.
        why: what does not use them.
        cure: what to do, but for leaving the option out.

    Raises:
        InputError: for the first of them that has another value than its default.
    """
    for name in names:
        if getattr(parsed, name) != parsed.default_of(name):
            raise InputError(
                f"{why} does not use {flag(name)}",
                seen=getattr(parsed, name),
                cure=f"Leave the option out, or {cure}.",
            )


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


def is_first() -> bool:
    """Whether this process writes. Of those that torchrun started, only one does."""
    from ..speed import distributed

    return distributed.is_first()
