"""Options that were given and would not be used: no command passes over one without a word."""

import json
import shlex
from contextlib import closing

import pytest

from finegan_lib.__main__ import main
from finegan_lib.base.errors import InputError
from finegan_lib.systems import Recipe
from finegan_lib.systems.recipe import NEEDS
from finegan_lib.training.config import LoopConfig, RunConfig
from finegan_lib.training.presets import TOY
from finegan_lib.training.run import Run


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("evaluate --keep-out 0.3", "evaluate on ToyBirds does not use --keep-out; got 0.3"),
        ("evaluate --networks own", "evaluate on ToyBirds does not use --networks"),
        ("evaluate --whiten 0", "evaluate on ToyBirds does not use --whiten; got 0"),
        ("evaluate --device cpu", "evaluate on ToyBirds does not use --device"),
        ("evaluate --reader-width 4", "evaluate on ToyBirds does not use --reader-width"),
        ("evaluate --data birds --n-images 9", "evaluate --data FOLDER does not use --n-images"),
        ("demo --checkpoint toy --minutes 3", "demo --checkpoint does not use --minutes; got 3"),
        ("demo --checkpoint toy --seed 3", "demo --checkpoint does not use --seed; got 3"),
        ("ablation --preset birds", "ablation on ToyBirds does not use --preset; got birds"),
        ("ablation --more-seeds 2", "ablation on ToyBirds does not use --more-seeds"),
        ("classifier --out a --backbone small", "classifier on ToyBirds does not use --backbone"),
        ("classifier --out a --from-scratch", "classifier on ToyBirds does not use --from-scratch"),
        ("quality --inception-weights a.pth", "--network toy does not use --inception-weights"),
        (
            "cluster toybirds --out a --method kmeans --n-clusters 2 --checkpoint birds",
            "cluster --method kmeans does not use --checkpoint; got birds",
        ),
        ("cluster photos --out a --n-images 9", "cluster of a folder does not use --n-images"),
        ("bench step --set code_flip=no", "bench step has no --set;"),
        ("bench step --image-size 32", "bench step has no --image-size; got 32"),
        ("train --data birds --n-images 9", "n_images is for ToyBirds; got n_images=9, data=birds"),
        ("train --data birds --world-parents 3", "world_parents is for ToyBirds"),
        ("train --crop-scale 2", "crop_scale is for folders of photographs; got crop_scale=2.0"),
        ("train --full-scale 2", "full_scale is for folders of photographs"),
        ("train --restart-every 5", "restart_every has no effect without child_restart"),
        ("train --pose-dims 2", "pose_dims has no effect without pose_info"),
    ],
)
def test_it_is_refused_before_any_work(command, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 2
    error = capsys.readouterr().err
    assert message in error and "eave the option out" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NEEDS)
def test_an_option_of_a_switch_needs_the_switch(name):
    values = {"augment_target": 0.5, "augment_strength": 0.5, "restart_until": 0.3}
    value = values.get(name, getattr(Recipe, name) * 2)
    switched = {"augment": ("colour",), "augment_target": 0.5}
    on = {NEEDS[name]: switched.get(NEEDS[name], 0.3)}
    Recipe(**{name: value}).refuse_idle({"learning_rate"})
    Recipe(**{name: value, **on}).refuse_idle({name})
    with pytest.raises(InputError, match=f"{name} has no effect without {NEEDS[name]}"):
        Recipe(**{name: value}).refuse_idle({name})


def test_restart_at_takes_the_place_of_two_others():
    recipe = Recipe(child_restart=0.3, restart_at=(0.5,), restart_every=9)
    with pytest.raises(InputError, match="restart_at takes the place of restart_every"):
        recipe.refuse_idle({"restart_every"})
    recipe.refuse_idle({"restart_at"})


def test_a_preset_of_another_family_is_not_passed_over(tmp_path, capsys):
    run = tmp_path / "a run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps(TOY.to_dict()))
    assert main(["train", "--run", str(run), "--resume", "--preset", "gan"]) == 2
    assert "must keep its family (finegan); got --preset gan" in capsys.readouterr().err


def test_a_resumed_run_that_is_not_there_is_said_to_start(tmp_path, capsys):
    run = tmp_path / "misspelt"
    words = shlex.split("--preset gan --n-images 8 --batch-size 4 --steps 1 --no-progress")
    assert main(["train", "--run", str(run), "--resume", *words]) == 0
    assert f"{run} holds no run yet: a new one starts." in capsys.readouterr().err


def test_a_command_to_copy_has_quotes_round_a_path_with_spaces(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split("--preset gan --n-images 8 --batch-size 4 --steps 5 --no-progress")
    assert main(["train", "--run", "a run", *words, "--minutes", "1e-9"]) == 0
    assert "train --run 'a run' --resume --minutes 0" in capsys.readouterr().out
    with closing(Run(RunConfig.load("a run"), "a run", resume=True, progress=False)) as run:
        assert run.how_to_resume == "python -m finegan_lib train --run 'a run' --resume"


@pytest.mark.parametrize("name", ["seed", "data_seed"])
def test_a_seed_that_torch_cannot_take_is_refused(name):
    LoopConfig(**{name: 2**63 - 1})
    with pytest.raises(InputError, match=rf"{name} must be below 2\*\*63; got 9223372036854775808"):
        LoopConfig(**{name: 2**63})
