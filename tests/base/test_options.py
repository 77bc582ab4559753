"""Dataclass fields as command-line options."""

import argparse
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from finegan_lib.base.errors import InputError
from finegan_lib.base.options import (
    add_options,
    file_of,
    flag,
    folder_of,
    from_dict,
    option,
    with_options,
)
from finegan_lib.models import FineGANConfig


@dataclass(frozen=True)
class Oven:
    heat: float = option(180.0, "degrees Celsius")
    minutes: int = option(20, "minutes")
    fan: bool = option(False, "with the fan")
    rack: str = option("middle", "where to bake", choices=("top", "middle"))
    tins: tuple[int, ...] = option((), "sizes of the tins, cm")
    note: str | None = option(None, "a remark")


@dataclass(frozen=True)
class Dough:
    minutes: int = option(60, "minutes of rest, 20 % more in winter")
    flour: int = option(500, "grams")


def parser_for(*config_classes):
    parser = argparse.ArgumentParser()
    parser.add_argument("--verbose", action="store_true")
    for config_class in config_classes or (Oven,):
        add_options(parser, config_class, config_class.__name__)
    return parser


def parsed(*words, config=None):
    return with_options({"oven": config or Oven()}, parser_for().parse_args(words))["oven"]


def test_help_shows_every_option_with_its_help_and_default():
    shown = " ".join(parser_for().format_help().split())
    for text in (
        "--heat FLOAT degrees Celsius (default: 180.0)",
        "--minutes INT minutes (default: 20)",
        "--fan, --no-fan with the fan (default: False)",
        "--rack {top,middle} where to bake (default: middle)",
        "sizes of the tins, cm (default: none)",
        "a remark (default: none)",
    ):
        assert text in shown


def test_every_field_of_the_model_is_an_option_with_help():
    shown = " ".join(parser_for(FineGANConfig).format_help().split())
    for field in dataclasses.fields(FineGANConfig):
        assert flag(field.name) in shown
        assert field.metadata["help"] in shown


def test_nothing_typed_changes_nothing():
    config = Oven(heat=90.0, fan=True, tins=(3,), note="low")
    assert parsed(config=config) == config


def test_what_is_typed_replaces():
    typed = parsed("--heat", "200", "--fan", "--tins", "20", "26", "--note", "hot")
    assert typed == Oven(heat=200.0, fan=True, tins=(20, 26), note="hot")
    assert isinstance(typed.heat, float)
    assert parsed("--no-fan", config=Oven(fan=True)) == Oven()


def test_falsy_values_replace_too():
    assert parsed("--minutes", "0", "--heat", "0") == Oven(minutes=0, heat=0.0)


@pytest.mark.parametrize("words", [("--rack", "bottom"), ("--minutes", "2.5"), ("--colour", "red")])
def test_bad_words_end_with_a_message(words, capsys):
    with pytest.raises(SystemExit):
        parsed(*words)
    assert words[-1] in capsys.readouterr().err


def test_per_cent_signs_are_shown_as_they_are():
    shown = " ".join(parser_for(Dough).format_help().split())
    assert "minutes of rest, 20 % more in winter (default: 60)" in shown


def test_an_option_goes_to_every_config_that_has_it():
    parts = {"oven": Oven(), "dough": Dough()}
    words = ["--minutes", "5", "--flour", "250", "--verbose"]
    changed = with_options(parts, parser_for(Oven, Dough).parse_args(words))
    assert changed == {"oven": Oven(minutes=5), "dough": Dough(minutes=5, flour=250)}


def test_option_of_no_config_is_refused():
    arguments = parser_for(Oven, Dough).parse_args(["--flour", "250"])
    with pytest.raises(InputError, match=r"another model family.*got --flour"):
        with_options({"oven": Oven()}, arguments)


def test_flag():
    assert flag("n_parents") == "--n-parents"


def test_from_dict_inverts_json():
    config = Oven(heat=5.0, tins=(20, 26), note="x")
    assert from_dict(Oven, json.loads(json.dumps(dataclasses.asdict(config)))) == config
    model = FineGANConfig(n_parents=2, n_children=5, children_per_parent=(1, 4))
    assert from_dict(FineGANConfig, json.loads(json.dumps(dataclasses.asdict(model)))) == model


def test_from_dict_takes_defaults_for_what_is_missing():
    assert from_dict(Oven, {"minutes": 3}) == Oven(minutes=3)


def test_from_dict_names_an_unknown_field():
    with pytest.raises(InputError, match="unknown field in a saved Oven; got steam"):
        from_dict(Oven, {"heat": 1.0, "steam": True})


# ---------------------------------------------------------------------------------- endings


@pytest.mark.parametrize("name", ["a.json", "a.JSON", "/dev/stdout", "a"])
def test_an_ending_that_fits_or_none_is_taken(name):
    assert file_of(".json")(name) == Path(name)


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor", "--seconds", "0", "--json", "a.csv"],
        ["judges", "--out", "a.pt"],
        ["classifier", "--out", "a.onnx"],
        ["cover", "--checkpoint", "toy", "--out", "a.pth"],
        ["bench", "scaling", "--figure", "a.pdf"],
    ],
)
def test_no_command_writes_another_format_than_the_name_says(arguments, capsys):
    """The command fails before it starts to work, and names the endings that fit."""
    from finegan_lib.__main__ import main

    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert f"what is written is no {Path(arguments[-1]).suffix} file" in error
    assert "Let its name end in " in error


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "--out", "a.jpg"],
        ["train", "--preset", "toy", "--run", "a.safetensors"],
        ["interpolate", "0", "1", "--out", "a.gif"],
        ["cluster", "--method", "kmeans", "--out", "a.csv"],
        ["segment", "--out", "a.png"],
    ],
)
def test_no_folder_is_named_like_a_file(arguments, capsys):
    """The command fails before it starts to work; an existing folder may have such a name."""
    from finegan_lib.__main__ import main

    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "what is written is a folder of files, no ." in capsys.readouterr().err


def test_other_names_of_folders_are_taken(tmp_path):
    (tmp_path / "a.png").mkdir()
    for name in (tmp_path / "a.png", "runs/v1.2", "runs"):
        assert folder_of(str(name)) == Path(name)
