"""Every command in a temporary folder: what it writes, says and returns."""

import argparse
import dataclasses
import functools
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from finegan_lib import families, figures
from finegan_lib.__main__ import build_parser, main
from finegan_lib.base import checkpoints, files
from finegan_lib.base.checkpoints import load_checkpoint, read_metadata, save_checkpoint
from finegan_lib.base.errors import InputError
from finegan_lib.discovery import DiscoveryConfig
from finegan_lib.experiments import demo
from finegan_lib.metrics.judges import Judges, JudgesConfig
from finegan_lib.models import FineGANConfig, GANConfig, InfoGANConfig
from finegan_lib.scoring import judge_training, scores
from finegan_lib.scoring.scores import EvaluationConfig
from finegan_lib.systems import FineGANSystem, Recipe
from finegan_lib.training import LoopConfig, RunConfig
from finegan_lib.training.presets import PRESETS

SIZES = shlex.split("--image-size 32 --g-dim 4 --d-dim 4 --z-dim 4")
SHORT = [*SIZES, *shlex.split("--batch-size 4 --steps 3 --device cpu --no-progress")]
TINY = [*SHORT, "--n-images", "64"]
QUICK = EvaluationConfig(
    n_images=40,
    n_pairs=20,
    discovery=DiscoveryConfig(n_images=100, epochs=1, width=2, n_real=40),
)
COMMANDS = shlex.split("train sample figures evaluate demo ablate cluster judges export")
COMMANDS += shlex.split("toybirds check doctor quality classifier table")
COMMANDS += shlex.split("disentangle choose-n-children cover bench")
COMMANDS += shlex.split("ablation transfer interpolate segment readers parents")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, tmp_path_factory, monkeypatch):
    """Every test in a folder of its own, with ToyBirds kept away from the user's own cache."""
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a FineGAN of 3 steps, trained by the command."""
    folder = tmp_path_factory.mktemp("run") / "toy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert main(["train", "--run", str(folder), *TINY]) == 0
    return folder


def fails(capsys, *arguments, status=2):
    """What a command that must fail says: one line on stderr, no traceback."""
    capsys.readouterr()  # what was said before
    assert main([str(a) for a in arguments]) == status
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and "\n" not in error
    return error


def result(path="result.json"):
    return json.loads(Path(path).read_text())


# ------------------------------------------------------------------------------ train


@pytest.mark.parametrize("preset", ["toy", "gan", "infogan"])
def test_train(preset, capsys):
    assert main(["train", "--preset", preset, *TINY, "--json", "deep/result.json"]) == 0
    newest = Path(f"runs/{preset}/checkpoints/step_00000003.safetensors")
    assert newest.is_file()
    assert str(newest) in capsys.readouterr().out
    found = result("deep/result.json")
    assert (found["run"], found["checkpoint"]) == (f"runs/{preset}", str(newest))
    assert found["config"]["model"]["g_dim"] == 4
    expected = PRESETS[preset].recipe.learning_rate
    assert found["config"]["recipe"]["learning_rate"] == expected  # what was not typed
    assert found["config"] == read_metadata(newest)["config"]


def test_train_goes_on_without_a_word_about_the_run(run, capsys):
    """With --resume alone: the settings are the folder's, not the preset's."""
    assert main(["train", "--run", "a", *TINY, "--learning-rate", "0.5"]) == 0
    assert main(["train", "--run", "a", "--resume", "--steps", "5", "--json", "result.json"]) == 0
    found = result()
    assert found["checkpoint"].endswith("step_00000005.safetensors")
    assert found["config"]["recipe"]["learning_rate"] == 0.5
    assert found["config"]["loop"]["steps"] == 5
    error = fails(capsys, "train", "--run", "a", "--resume", "--learning-rate", "0.1")
    assert "keep its learning_rate (0.5); got learning_rate=0.1" in error
    error = fails(capsys, "train", "--run", "a", "--resume", "--seed", "4")
    assert "keep its seed (0); got seed=4" in error


def test_train_says_that_the_limit_of_minutes_stopped_it(capsys):
    assert main(["train", "--run", "a", *TINY, "--minutes", "1e-9"]) == 0
    said = capsys.readouterr().out
    assert "limit of 1e-09 minutes stopped the run at step 0 of 3" in said
    command = said[said.index("python -m finegan_lib ") :].split(" (no limit)")[0]
    assert main([*shlex.split(command)[3:], "--no-progress"]) == 0
    said = capsys.readouterr().out
    assert "step_00000003" in said and "limit" not in said


def test_train_refuses_a_taken_folder(run, capsys):
    before = (run / "config.json").read_text()
    error = fails(capsys, "train", "--run", run, *TINY)
    assert "already holds a run" in error and str(run) in error and "--resume" in error
    assert (run / "config.json").read_text() == before


def test_train_from_a_checkpoint(run, capsys):
    arguments = ["train", *TINY, "--steps", "0", "--checkpoint", str(run)]
    assert main([*arguments, "--run", "a", "--seed", "9"]) == 0
    started, source = (
        load_checkpoint(path / "checkpoints" / name)[0]["networks"]
        for path, name in (
            (Path("a"), "step_00000000.safetensors"),
            (run, "step_00000003.safetensors"),
        )
    )
    assert all(started[name].equal(source[name]) for name in source)
    error = fails(capsys, *arguments, "--run", "b", "--n-children", "25")
    assert "n_children=20" in error and "n_children=25" in error
    assert not Path("b").exists()
    error = fails(capsys, *arguments, "--run", "b", "--preset", "gan")
    assert "family finegan" in error


def test_train_refuses_an_option_of_another_family(capsys):
    error = fails(capsys, "train", "--preset", "gan", *TINY, "--n-parents", "3")
    assert "another model family" in error and "--n-parents" in error
    error = fails(capsys, "train", "--preset", "toy", *TINY, "--n-continuous", "3")
    assert "--n-continuous" in error
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--n-images", "3"], "3 images for batch_size=4"),
        (["--batch-size", "1"], "batch_size"),
        (["--n-parents", "30"], "n_parents=30, n_children=20"),
        (["--image-size", "50"], "50"),
        (["--device", "abacus"], "abacus"),
        (["--learning-rate", "-1"], "learning_rate must be above 0; got -1.0"),
        (["--ema-decay", "2"], "ema_decay"),
        (["--checkpoint", "nowhere"], "nowhere"),
        (["--g-dim", "-1"], "g_dim must be at least 1; got -1"),
        (["--pose-info", "1", "--pose-dims", "0"], "pose_dims must be at least 1; got 0"),
    ],
)
def test_train_names_a_bad_value_and_leaves_nothing(capsys, options, named):
    assert named in fails(capsys, "train", *TINY, *options)
    assert not Path("runs").exists()


def test_a_diverged_training_is_one_line_and_status_1(capsys, monkeypatch):
    original = FineGANSystem.step

    def poisoned(self, *args):
        report = original(self, *args)
        with torch.no_grad():
            self.generator.child_image.weight[0, 0, 0, 0] = torch.nan
        return report

    monkeypatch.setattr(FineGANSystem, "step", poisoned)
    error = fails(capsys, "train", *TINY, "--checkpoint-every", "1", status=1)
    for part in ("generator.child_image.weight", "step 1", "no good checkpoint"):
        assert part in error
    assert not Path("runs/toy/checkpoints").exists()


def test_train_on_a_folder(capsys):
    sizes = shlex.split("--n-images 8 --image-size 32 --no-progress")
    assert main(["toybirds", "--out", "birds", *sizes]) == 0
    assert main(["train", *SHORT, "--data", "birds", "--crop-scale", "1.2"]) == 0
    config = RunConfig.load("runs/toy")
    assert (config.loop.data, config.loop.crop_scale) == ("birds", 1.2)
    image = next(Path("birds").glob("images/*/*.jpg"))
    image.write_bytes(image.read_bytes()[:300])
    error = fails(capsys, "train", *SHORT, "--data", "birds", "--run", "b", "--workers", "1")
    assert str(image) in error


# ------------------------------------------------------------------------------ look


def test_sample(run, capsys):
    arguments = ["sample", "--checkpoint", str(run), "--out", "out", "--n", "3"]
    assert main([*arguments, "--c", "7", "--json", "result.json"]) == 0
    found = result()
    assert [image["file"] for image in found["images"]] == [f"{i:05d}.png" for i in range(3)]
    assert {image["c"] for image in found["images"]} == {7}
    assert Image.open("out/00002.png").size == (32, 32)
    assert len(Path("out/codes.csv").read_text().splitlines()) == 4
    before = sorted(path.name for path in Path("out").iterdir())
    assert "holds files already" in fails(capsys, *arguments)
    assert sorted(path.name for path in Path("out").iterdir()) == before


@pytest.mark.parametrize("seed", ["-1", "4294967296", "99999999999999999999999", "1.5"])
@pytest.mark.parametrize("command", ["sample --out out", "cluster toybirds --out out", "evaluate"])
def test_a_seed_that_some_library_refuses_is_refused_at_once(command, seed, capsys):
    option = "--seeds" if command == "evaluate" else "--seed"
    with pytest.raises(SystemExit, match="2"):
        main([*shlex.split(command), f"{option}={seed}"])
    assert f"from 0 to 4294967295; got {seed}" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize("option", ["--reader-images", "--reader-width"])
def test_classifiers_of_codes_that_cannot_be_are_refused(option, capsys):
    words = ["cluster", "toybirds", "--n-images", "20", "--out", "out", option]
    assert "must be at least 1; got 0" in fails(capsys, *words, "0")
    assert not Path("out").exists()


@pytest.mark.parametrize(("option", "last"), [("b", 19), ("p", 4), ("c", 19)])
def test_sample_names_an_index_out_of_range(run, capsys, option, last):
    for value in (last + 1, 99, -1):
        error = fails(capsys, "sample", "--checkpoint", run, "--out", "out", f"--{option}={value}")
        assert f"[0, {last}]" in error and f"got {value}" in error
    assert not Path("out").exists()


def test_figures(run):
    arguments = ["figures", "--checkpoint", str(run), "--json", "result.json"]
    assert main(arguments) == 0
    paths = [Path(path) for path in result()["figures"]]
    assert [path.stem for path in paths] == list(families.named("finegan").figures)
    assert all(path.parent == Path("runs/figures") for path in paths)
    assert all(Image.open(path).width > 300 for path in paths)


def test_parents(run, capsys):
    arguments = ["parents", "--checkpoint", str(run), "--columns", "2", "--json", "result.json"]
    assert main(arguments) == 0
    sheet, form = map(Path, result()["files"])
    assert Image.open(sheet).width > 300 and sheet == Path("runs/parents/parents.png")
    assert form.read_text().split() == ["parent,answer", *(f"{p}," for p in range(5))]
    form.write_text("parent,answer\n0,yes\n")
    assert "answers.csv" in fails(capsys, *arguments)
    assert "yes" in form.read_text()
    assert "columns must be" in fails(capsys, "parents", "--columns", "0", "--out", "other")
    assert not Path("other").exists()


# ------------------------------------------------------------------------------ score


@pytest.fixture
def untrained_judges(tmp_path, monkeypatch):
    """In the place of the shipped ones; and evaluation with tiny settings."""
    torch.manual_seed(0)
    judges = Judges(JudgesConfig(32, width=4), {"tilt_spread": 8.0})
    judges.save(tmp_path / "weights" / "judges_32.safetensors")
    monkeypatch.setattr("finegan_lib.metrics.judges.WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(demo, "EvaluationConfig", lambda: QUICK)


def test_evaluate(run, untrained_judges, capsys):
    arguments = ["evaluate", "--checkpoint", str(run), "--n-images", "40", "--no-progress"]
    assert main([*arguments, "--seeds", "4", "--json", "result.json"]) == 0
    scores = result()
    keys = {"mask_iou", "nmi_parent", "nmi_child", "factor_matrix"}
    keys |= {"real_child_nmi", "real_child_accuracy", "real_parent_nmi"}
    assert keys <= scores.keys()
    assert scores["seeds"] == [4]
    assert "mask IoU" in capsys.readouterr().out


def test_evaluate_scores_on_as_many_birds_as_asked_for(run, untrained_judges, monkeypatch):
    few = dataclasses.replace(QUICK, discovery=dataclasses.replace(QUICK.discovery, n_real=30))
    for module in (demo, scores):
        monkeypatch.setattr(module, "EvaluationConfig", lambda: few)
    seen, original = [], scores.discover_categories

    def counted(generator, hierarchy, z_dim, images, *others, **options):
        seen.append(len(images))
        return original(generator, hierarchy, z_dim, images, *others, **options)

    monkeypatch.setattr(scores, "discover_categories", counted)
    arguments = ["evaluate", "--checkpoint", str(run), "--n-images", "40", "--seeds", "0"]
    assert main([*arguments, "--no-progress"]) == 0
    assert seen == [40]


def test_evaluate_without_judges(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("finegan_lib.metrics.judges.WEIGHTS", tmp_path)
    error = fails(capsys, "evaluate", "--checkpoint", run, "--n-images", "40")
    assert "no judges found" in error and "finegan_lib judges" in error


def test_demo_of_a_checkpoint(run, untrained_judges, monkeypatch, capsys):
    monkeypatch.setattr(demo, "evaluate", functools.partial(demo.evaluate, n_images=40))
    drawn = {"stagewise": figures.stagewise}
    monkeypatch.setattr(families.Family, "drawings", lambda row: drawn)
    arguments = ["demo", "--checkpoint", str(run), "--out", "shown", "--no-progress"]
    assert main([*arguments, "--json", "result.json"]) == 0
    assert result()["shown"] == result("shown/scores.json")
    names = {path.name for path in Path("shown").iterdir()}
    assert names == {"scores.json", "stagewise.png", "factor_matrix.png"}
    assert "Pictures and scores: shown" in capsys.readouterr().out


def test_demo_passes_its_options_on(monkeypatch, capsys):
    seen = []

    def pretend(folder, **options):
        seen.append((folder, options))
        return {}

    monkeypatch.setattr(demo, "demo", pretend)
    assert main(shlex.split("demo --minutes 2 --seed 3 --no-progress")) == 0
    assert main(["demo"]) == 0
    assert seen == [
        (Path("runs/demo"), {"minutes": 2.0, "seed": 3, "progress": False}),
        (Path("runs/demo"), {"minutes": None, "seed": 0, "progress": True}),
    ]


def test_ablate_passes_its_options_on(monkeypatch, capsys):
    from finegan_lib.experiments import ablation

    seen = []

    def pretend(folder, **options):
        seen.append((folder, options))
        return {"hinge loss": {key: [0.25, 0.5] for key in ablation.COLUMNS}}

    monkeypatch.setattr(ablation, "ablate", pretend)
    arguments = ["ablate", "--steps", "9", "--only", "hinge loss", "code flip", "--seeds", "0", "1"]
    assert main([*arguments, "--no-progress", "--json", "result.json"]) == 0
    options = {"steps": 9, "seeds": (0, 1), "only": ("hinge loss", "code flip"), "progress": False}
    assert seen == [(Path("runs/ablation"), options)]
    assert result()["results"]["hinge loss"]["mask_iou"] == [0.25, 0.5]
    assert "| hinge loss | 2 | 0.38 |" in capsys.readouterr().out


def test_an_ablation_goes_on_where_it_was_stopped(monkeypatch, tmp_path):
    from finegan_lib.experiments import ablation

    trained = []

    def pretend(config, folder, **_):
        trained.append((config, folder.name))
        return folder

    monkeypatch.setattr(ablation, "train", pretend)
    scores = iter(range(10))
    monkeypatch.setattr(
        ablation, "evaluate", lambda *_, **__: dict.fromkeys(ablation.COLUMNS, float(next(scores)))
    )
    names, folder = ("everything on", "code noise"), tmp_path / "ablation"
    ablation.ablate(folder, steps=9, only=names[:1], progress=False)
    found = ablation.ablate(folder, steps=9, seeds=(0, 10, 2), only=names, progress=False)
    assert [name for _, name in trained[:3]] == [
        "everything_on_seed0",
        "code_noise_seed0",
        "everything_on_seed10",
    ]
    assert len(trained) == 6
    assert [config.recipe.code_noise > 0 for config, _ in trained] == [True, False] * 3
    assert all(config.loop.steps == 9 for config, _ in trained)
    assert found["everything on"]["mask_iou"] == [0, 4, 2]  # seeds 0, 2, 10
    assert list(found) == list(names)
    with pytest.raises(InputError, match="no such row"):
        ablation.ablate(folder, only=("hinge",))
    with pytest.raises(InputError, match="another steps"):
        ablation.ablate(folder, steps=10, only=names, progress=False)


def test_the_readme_has_the_ablation_as_it_was_printed():
    from finegan_lib.experiments import ablation

    measured = json.loads((files.RESULTS / "ablation.json").read_text())["results"]
    readme = (files.RESULTS / "README.md").read_text()
    assert ablation.table(measured) in readme


def test_judges(monkeypatch):
    few = functools.partial(judge_training.train_and_save_judges, n_images=48, n_test=48)
    monkeypatch.setattr(judge_training, "train_and_save_judges", few)
    arguments = ["judges", "--steps", "2", "--out", "deep/judges.safetensors", "--no-progress"]
    assert main([*arguments, "--json", "result.json"]) == 0
    assert 0 <= result()["mask_iou"] <= 1
    judges = Judges.load("deep/judges.safetensors", 32)
    assert judges.config.n_children == 20
    assert "--steps 2" in judges.metadata["command"]


# ------------------------------------------------------------------------------ files


def test_export(run, capsys):
    arguments = ["export", "--checkpoint", str(run), "--out", "small.safetensors"]
    assert main([*arguments, "--note", "train …", "--json", "result.json"]) == 0
    path = Path("small.safetensors")
    assert result() == {"file": str(path), "bytes": path.stat().st_size}
    assert read_metadata(path)["command"] == "train …"
    assert main(["sample", "--checkpoint", str(path), "--out", "out", "--n", "1"]) == 0
    assert "this file exists" in fails(capsys, *arguments)


def test_toybirds(capsys):
    sizes = shlex.split("--n-images 12 --image-size 32 --n-parents 2 --n-children 6 --no-progress")
    assert main(["toybirds", "--out", "birds", *sizes, "--json", "result.json"]) == 0
    assert result() == {"folder": "birds", "images": 12}
    assert len(Path("birds/images.txt").read_text().splitlines()) == 12
    assert len(Path("birds/classes.txt").read_text().splitlines()) == 6
    assert len(list(Path("birds/images").glob("*/*.jpg"))) == 12
    assert "new or an empty folder" in fails(capsys, "toybirds", "--out", "birds", *sizes)


def test_doctor(run, capsys):
    arguments = ["doctor", "--seconds", "0", "--json", "result.json"]
    assert main([*arguments, "--checkpoint", str(run)]) == 0
    assert "intact, FineGAN" in result()["checkpoint"]
    assert "free_disk_gb" in capsys.readouterr().out
    assert main([*arguments, "--checkpoint", "nowhere"]) == 0  # it is there to say what is wrong
    assert "nowhere" in capsys.readouterr().out
    assert "cannot be used" in result()["warnings"][0]


# ------------------------------------------------------------------------------ all commands


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "--out", "out"],
        ["figures"],
        ["evaluate"],
        ["export", "--out", "out.safetensors"],
        ["demo"],
        ["train"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_unknown_checkpoint_is_named(capsys, arguments):
    error = fails(capsys, *arguments, "--checkpoint", "nowhere")
    assert "no such checkpoint; got nowhere. Give a .safetensors file" in error
    assert list(Path().iterdir()) == []


def test_a_checkpoint_of_wrong_sizes_is_named(run, capsys):
    state, metadata = load_checkpoint(checkpoints.checkpoint_path(run))
    metadata["config"]["model"]["n_children"] = 30
    save_checkpoint("wrong.safetensors", state, **metadata)
    for command in ("sample", "figures", "export"):
        error = fails(capsys, command, "--checkpoint", "wrong.safetensors", "--out", "out")
        assert "do not fit the sizes" in error and "wrong.safetensors" in error
    assert not Path("out").exists()


def test_json_must_be_a_file(capsys):
    Path("folder").mkdir()
    error = fails(capsys, "doctor", "--seconds", "0", "--json", "folder")
    assert "--json" in error and "folder" in error


def test_the_keyboard_stops_a_command(capsys, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("finegan_lib.training.train", interrupted)
    assert main(["train", *TINY]) == 130
    assert "--resume" in capsys.readouterr().err


def test_the_keyboard_stops_a_command_that_is_still_being_imported(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("finegan_lib.__main__.build_parser", interrupted)
    assert main(["train", *TINY]) == 130
    assert capsys.readouterr().err == "\nstopped before anything was done\n"


def parser_of(command):
    """The sub-parser of a command."""
    (commands,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    assert sorted(commands.choices) == sorted(COMMANDS)
    return commands.choices[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_every_option_with_its_default(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "--json FILE" in capsys.readouterr().out
    parser = parser_of(command)
    formatter = parser._get_formatter()
    for action in parser._actions:
        if action.required or action.dest == "help":
            continue
        help = formatter._expand_help(action)
        assert "(default: " in help or "(none: " in help, action.option_strings
        assert len(help.split("(")[0]) > 3, action.option_strings


def test_the_help_of_train_has_every_setting(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for config in (FineGANConfig, InfoGANConfig, GANConfig, Recipe, LoopConfig):
        for field in dataclasses.fields(config):
            assert f"--{field.name.replace('_', '-')} " in shown, field.name
    assert "--keep INT newest checkpoints that are kept (2 at least) (default: 2)" in shown
    assert "--ema-buffers, --no-ema-buffers" in shown


def test_the_command_of_the_readme_works():
    """Once in a process of its own: python -m finegan_lib."""
    command = [sys.executable, "-m", "finegan_lib"]
    root = files.PACKAGE.parent
    done = subprocess.run(
        [*command, "figures", "--checkpoint", "nowhere"], capture_output=True, text=True, cwd=root
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and done.stderr.startswith("error: no such checkpoint")
