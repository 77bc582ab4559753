"""Dataclass fields with one line of help, and the command-line options made from them."""

import argparse
import dataclasses
import types
import typing
from pathlib import Path

from .errors import InputError


def option(default, help: str, choices=None):
    """A dataclass field with a default and one line of help (with its unit)."""
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices})


def require_at_least(config, **least: float) -> None:
    """Refuse a config with a number below its smallest value, or one that is not a number.

    Args:
        config: a dataclass; its ``__post_init__`` calls this.
        least: the smallest value of each field, by its name.

    Raises:
        InputError: for the first of them.
    """
    for name, smallest in least.items():
        if not getattr(config, name) >= smallest:
            raise InputError(
                f"{name} must be at least {smallest}",
                seen=getattr(config, name),
                cure="Choose a larger value.",
            )


def file_of(*endings: str):
    """A type for argparse: the path of an output. Its ending must not be another format's.

    Args:
        endings: those that fit the output, such as ".json"; a path without an ending fits, too.
    """

    def path(text: str) -> Path:
        ending = Path(text).suffix.lower()
        if ending and ending not in endings:
            raise argparse.ArgumentTypeError(
                f"what is written is no {ending} file; got {text}. "
                f"Let its name end in {' or '.join(endings)}."
            )
        return Path(text)

    return path


# Endings of single files: the user who gives one does not expect a folder.
OF_FILES = ".png .jpg .jpeg .webp .gif .svg .pdf .mp4 .json .jsonl .csv .npz .npy .zip .md .txt"
OF_FILES = {
    *OF_FILES.split(),
    ".html",
    ".safetensors",
    ".pt",
    ".pth",
    ".ckpt",
    ".onnx",
    ".torchscript",
}


def folder_of(text: str) -> Path:
    """A type for argparse: the path of an output that is a folder, not named like a file.

    What exists already is left to the command: a folder may have any name, a file it refuses.
    """
    ending = Path(text).suffix.lower()
    if ending in OF_FILES and not Path(text).exists():
        raise argparse.ArgumentTypeError(
            f"what is written is a folder of files, no {ending} file; got {text}. "
            f"Name a folder, such as {Path(text).with_suffix('')}."
        )
    return Path(text)


def flag(name: str) -> str:
    """``n_parents`` → ``--n-parents``."""
    return "--" + name.replace("_", "-")


def add_options(parser: argparse.ArgumentParser, config_class, title: str) -> None:
    """Add one command-line option for every field of a dataclass. Existing names stay as they are.

    The options have no default of their own: in this way the values that the user typed differ from
    those of a preset. The help shows the field's default.
    """
    group = parser.add_argument_group(title)
    hints = typing.get_type_hints(config_class)
    made = parser.get_default("made") or []
    parser.set_defaults(made=made)
    for field in dataclasses.fields(config_class):
        if flag(field.name) in parser._option_string_actions:
            continue
        kwargs = {"dest": field.name, "default": None}
        kind, kwargs["help"] = hints[field.name], field.metadata.get("help", "")
        shown = "none" if field.default in (None, ()) else field.default
        kwargs["help"] = f"{kwargs['help']} (default: {shown})".replace("%", "%%")
        if kind is bool:
            kwargs["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(kind) is tuple:
            element = typing.get_args(kind)[0]
            kwargs |= {"type": element, "nargs": "+", "metavar": element.__name__.upper()}
        else:
            if isinstance(kind, types.UnionType):
                kind = next(t for t in typing.get_args(kind) if t is not type(None))
            kwargs |= {"type": kind, "choices": field.metadata.get("choices")}
            if not kwargs["choices"]:
                kwargs["metavar"] = kind.__name__.upper()
        group.add_argument(flag(field.name), **kwargs)
        made.append(field.name)


def typed_options(arguments: argparse.Namespace) -> dict:
    """What the user set of the options made by :func:`add_options`, by the fields' names."""
    typed = {k: v for k, v in vars(arguments).items() if k in arguments.made and v is not None}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in typed.items()}


def with_options(parts: dict, arguments: argparse.Namespace) -> dict:
    """Configs in which the fields that the user set on the command line are replaced.

    Args:
        parts: the configs, by name.
        arguments: parsed options made by :func:`add_options`; None where the user set nothing.

    Raises:
        InputError: for an option that none of the configs has (of another model family).
    """
    typed = typed_options(arguments)
    fields = {
        name: {field.name for field in dataclasses.fields(config)} for name, config in parts.items()
    }
    unused = sorted(set(typed).difference(*fields.values()))
    if unused:
        raise InputError(
            "this option belongs to another model family than the preset's",
            seen=flag(unused[0]),
            cure="Leave it out, or choose another preset.",
        )
    return {
        name: dataclasses.replace(config, **{k: v for k, v in typed.items() if k in fields[name]})
        for name, config in parts.items()
    }


def from_dict(config_class, values: dict):
    """A config from the dictionary that :func:`dataclasses.asdict` and JSON made of it.

    Raises:
        InputError: for a field that this version does not have, or a value of another type than
            the field's.
    """
    if not isinstance(values, dict):
        raise InputError(
            f"a saved {config_class.__name__} must be named values",
            seen=type(values).__name__,
            cure="Give the file that finegan_lib wrote.",
        )
    known = {field.name for field in dataclasses.fields(config_class)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(
            f"unknown field in a saved {config_class.__name__}",
            seen=unknown[0],
            cure="The file was written by another version of finegan_lib: update, or retrain.",
        )
    listed = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    hints = typing.get_type_hints(config_class)
    choices = {f.name: f.metadata.get("choices") for f in dataclasses.fields(config_class)}
    for name, value in listed.items():
        if not _fits(value, hints[name]) or (choices[name] and value not in choices[name]):
            raise InputError(
                f"{name} in a saved {config_class.__name__} has an impossible value",
                seen=repr(value)[:60],
                cure="The file was altered: use another one.",
            )
    return config_class(**listed)


def _fits(value, kind) -> bool:
    """Whether a JSON value has a field's type. Whole numbers are accepted as floats."""
    if isinstance(kind, types.UnionType):
        return any(_fits(value, one) for one in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        element = typing.get_args(kind)[0]
        return isinstance(value, tuple) and all(_fits(v, element) for v in value)
    if kind in (int, float):
        number = int if kind is int else int | float
        # JSON's floats hold whole numbers exactly up to 2**53 only, and torch's up to 2**63.
        return isinstance(value, number) and not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, kind)
