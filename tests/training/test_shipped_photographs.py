"""The shipped networks of photographs: their files, and what commands do with them."""

import re
import shlex

import pytest
from PIL import Image

from finegan_lib.__main__ import build_parser, main
from finegan_lib.base.checkpoints import checkpoint_path, read_metadata
from finegan_lib.base.files import WEIGHTS
from finegan_lib.training import RunConfig
from finegan_lib.training.presets import PRESETS

README = (WEIGHTS / "README.md").read_text(encoding="utf-8")
NAMES = [
    name for name in ("birds", "vehicles", "dogs") if (WEIGHTS / f"{name}.safetensors").exists()
]


def test_there_are_some():
    assert "birds" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_its_command_makes_this_network(name):
    """One command, of the file and of the README, trains a network of these sizes."""
    metadata = read_metadata(checkpoint_path(name))
    words = shlex.split(metadata["command"])
    assert words[:4] == ["python", "-m", "finegan_lib", "train"]
    parsed = build_parser().parse_args(words[3:])
    preset, run = PRESETS[parsed.preset], RunConfig.from_dict(metadata["config"])
    assert (run.model, run.recipe) == (preset.model, preset.recipe)
    assert run.loop.steps == (parsed.steps or preset.loop.steps) == metadata["step"]
    assert run.loop.keep_out == 0.1 and run.loop.data != "toybirds"
    row = re.search(rf"^\| `{name}` \|.*$", README, re.MULTILINE)[0]
    assert f"train --preset {parsed.preset} --data data/{run.loop.data}" in row
    assert (WEIGHTS / f"{name}.safetensors").stat().st_size <= 8e6


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_photographs_of_its_name_does_not_hide_it(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name / "images").mkdir(parents=True)
    assert checkpoint_path(name) == WEIGHTS / f"{name}.safetensors"


@pytest.mark.parametrize("name", NAMES)
def test_it_samples(name, tmp_path):
    arguments = ["sample", "--checkpoint", name, "--n", "2", "--c", "1"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    side = PRESETS["birds" if name == "birds" else "birds32"].model.image_size
    assert Image.open(tmp_path / "out/00001.png").size == (side, side)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", ["evaluate", "disentangle", "demo"])
def test_it_has_no_scores_against_toybirds(name, command, tmp_path, capsys):
    more = ["--out", str(tmp_path)] if command == "demo" else []
    assert main([command, "--checkpoint", name, "--no-progress", *more]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "trained on photographs" in error
    assert f"evaluate --checkpoint {name} --data FOLDER" in error
