"""Time to quality: when a score counts as reached, settings, resumption, and the figure."""

import json
from dataclasses import replace

import pytest

from finegan_lib.__main__ import main
from finegan_lib.base.errors import InputError, TrainingDiverged
from finegan_lib.bench import quality
from finegan_lib.bench.run import summary
from finegan_lib.discovery import DiscoveryConfig
from finegan_lib.training import train
from finegan_lib.training.presets import PRESETS

TINY = ["g_dim=4", "d_dim=4", "n_images=64", "batch_size=8", "min_head_channels=4"]


def row(step, **scores):
    return {
        "step": step,
        "images": 16 * step,
        "minutes": step / 100,
        "wall_minutes": step / 50,
        **scores,
    }


def test_a_score_is_reached_where_it_never_falls_again():
    rows = [row(1, a=0.9, b=0.1), row(2, a=0.5, b=0.6), row(3, a=0.7, b=0.8), row(4, a=0.7, b=0.5)]
    found = quality.reached(rows, {"a": 0.6, "b": 0.5})
    assert found["a"] == {"step": 3, "images": 48, "minutes": 0.03, "wall_minutes": 0.06}
    assert found["b"]["step"] == 2
    assert found["every_score"] == found["a"]
    assert quality.reached(rows, {"a": 0.6, "b": 0.55})["every_score"] is None
    assert quality.reached(rows[:1], {"a": 0.9})["a"]["step"] == 1
    assert quality.reached([], {"a": 0.9})["a"] is None


def test_settings_replace_those_of_the_preset():
    settings = ["lead_children=0.4,0.6", "code_flip=no", "batch_size=32", "g_dim=12", "r1=0.5"]
    config = quality.configured("toy", 64, settings)
    assert config.recipe.lead_children == (0.4, 0.6)
    assert not config.recipe.code_flip
    assert (config.loop.batch_size, config.model.g_dim, config.recipe.r1) == (32, 12, 0.5)
    assert config.model.image_size == 64
    options = ["tf32=no", "cuda-graphs=yes", "compile=yes", "ema-buffers=no"]
    other = quality.configured("toy", 32, options)
    loop = other.loop
    assert quality.PRESETS["toy"].recipe.ema_buffers and not other.recipe.ema_buffers
    assert (loop.tf32, loop.cuda_graphs, loop.compile) == ("no", "yes", True)
    assert replace(config.recipe, lead_children=(), code_flip=True, r1=0.0) == (
        quality.PRESETS["toy"].recipe
    )
    for wrong in ("nonsense=3", "r1=much", "lead_children=2", "r1"):
        with pytest.raises(InputError):
            quality.configured("toy", 32, [wrong])


@pytest.fixture
def scored(monkeypatch):
    """The steps that were scored, by scores that rise with them."""
    seen = []

    class Scoring:
        def __init__(self, *_):
            pass

        def __call__(self, path):
            step = quality.step_of(path)
            seen.append(step)
            return {name: step / 4 * target for name, target in quality.TARGETS.items()}

    monkeypatch.setattr(quality, "Scoring", Scoring)
    return seen


def test_trainings_are_scored_at_regular_steps_and_go_on(scored, tmp_path, capsys):
    command = ["bench", "quality", "--seeds", "0", "1", "--steps", "5", "--every", "2"]
    command += ["--run", str(tmp_path / "run"), "--no-progress", "--json", str(tmp_path / "q.json")]
    command += ["--figure", str(tmp_path / "q.png"), "--set", *TINY]
    assert main(command) == 0
    assert scored == [2, 4, 5, 2, 4, 5]
    result = json.loads((tmp_path / "q.json").read_text())
    assert list(result["seeds"]) == ["0", "1"]
    for found in result["seeds"].values():
        assert [row["images"] for row in found["scores"]] == [16, 32, 40]
        assert found["all"]["every_score"]["step"] == 4
        for name in ("minutes", "wall_minutes"):
            assert found["scores"][-1][name] >= found["scores"][0][name] > 0
        assert found["repairs"] == [] and "diverged" not in found
    assert result["config"]["loop"]["batch_size"] == 8
    assert "seeds 0 all every_score images" in capsys.readouterr().out
    assert (tmp_path / "q.png").stat().st_size > 10_000
    checkpoints = sorted((tmp_path / "run" / "seed_1" / "checkpoints").iterdir())
    assert [path.stem for path in checkpoints] == ["step_00000005"]

    assert main(command) == 0  # again: nothing is left to do
    assert len(scored) == 6
    assert json.loads((tmp_path / "q.json").read_text())["seeds"] == result["seeds"]
    other = [word.replace("d_dim=4", "d_dim=8") for word in command]
    assert main(other) == 2  # the folder holds trainings of other settings
    assert "must keep its d_dim" in capsys.readouterr().err
    for option, value in (("--steps", "6"), ("--every", "3")):
        other = [*command]
        other[other.index(option) + 1] = value
        assert main(other) == 2
        message = f"a result with another {option[2:]}; got {tmp_path / 'run' / 'seed_0'}"
        error = capsys.readouterr().err
        assert message in error and "with --run" in error
    assert len(scored) == 6


def test_a_seed_that_diverges_is_noted_and_the_others_go_on(scored, tmp_path, monkeypatch):
    def stop(config, folder, **_):
        if config.loop.seed == 1:
            raise TrainingDiverged("D_c is not a number at step 3.")
        (folder / "checkpoints").mkdir(parents=True)
        lines = ({"step": 1, "D_c": 0.1}, {"step": 1, "repair": {"restarted": [2]}})
        (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    monkeypatch.setattr(quality, "train", stop)
    result = quality.quality((0, 1, 2), steps=4, run=tmp_path / "run", progress=False)
    assert list(result["seeds"]) == ["0", "1", "2"]
    assert result["seeds"]["2"]["repairs"] == [{"step": 1, "restarted": [2]}]
    assert result["seeds"]["1"]["diverged"] == "D_c is not a number at step 3."
    assert result["diverged"] == {"seed 1": "D_c is not a number at step 3."}
    assert summary(result).splitlines()[-1].startswith("diverged seed 1")


def test_a_training_that_diverged_has_reached_nothing(monkeypatch, tmp_path):
    rows = [row(1, **quality.TARGETS)]
    monkeypatch.setattr(quality, "score_new", lambda *_: rows)
    monkeypatch.setattr(quality, "train", lambda *_, **__: None)
    config = quality.configured("toy", 32)
    assert quality.of_seed(config, tmp_path)["all"]["every_score"]["step"] == 1

    def diverge(*_, **__):
        raise TrainingDiverged("over")

    monkeypatch.setattr(quality, "train", diverge)
    found = quality.of_seed(config, tmp_path)
    assert found["scores"] == rows and found["all"]["every_score"] is None


@pytest.mark.parametrize(
    "setting",
    ["image_size=64", "n-parents=4", "n_children=30", "start_from=a", "data_seed=1", "seed=3"],
)
def test_settings_of_the_bench_itself_are_refused(setting, tmp_path):
    with pytest.raises(InputError, match="belongs to the bench"):
        quality.quality(run=tmp_path / "run", settings=[setting], progress=False)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_scored_is_refused(tmp_path):
    for options in ({"every": 0}, {"settings": ["data=photos"]}, {"preset": "gan"}):
        with pytest.raises(InputError, match="time to quality"):
            quality.quality(seeds=(0,), run=tmp_path / "run", progress=False, **options)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_gets_every_score(monkeypatch, tmp_path):
    discovery = DiscoveryConfig(n_images=40, epochs=1, batch_size=20, n_real=40)
    cheap = replace(quality.CHEAP, n_images=20, discovery=discovery)
    monkeypatch.setattr(quality, "CHEAP", cheap)
    config = quality.configured("toy", 32, [*TINY, "steps=1", "checkpoint_every=1"])
    newest = train(config, tmp_path, progress=False)
    scores = quality.Scoring(config.model, progress=False)(newest)
    assert scores.keys() == quality.TARGETS.keys()
    assert all(0 <= scores[name] <= 1 for name in scores if not name.endswith("found"))
    assert scores["children_found"] <= 20


def test_random_labels_score_less_with_fewer_classes_and_more_images():
    found = quality.chance(PRESETS["toy"].model)
    assert set(found) <= set(quality.TARGETS)
    assert 0 < found["real_parent_nmi"] < found["nmi_parent"] < found["nmi_child"] < 0.2
    assert found["real_child_nmi"] < found["nmi_child"]


def test_the_figure_says_what_it_shows():
    rows = [row(s, **dict.fromkeys(quality.TARGETS, 0.1 * s)) for s in (1, 2, 3)]
    result = {"image_size": 32, "preset": "toy", "settings": ["r1=1"], "targets": quality.TARGETS}
    result |= {"demo_targets": quality.DEMO_TARGETS}
    result |= {"seeds": {str(seed): {"scores": rows} for seed in range(3)}}
    axes = quality.quality_figure(result).axes
    for axis in axes[: len(quality.TARGETS)]:
        assert axis.get_title() and axis.get_xlabel() and axis.get_ylabel()
        assert len(axis.get_lines()) == 5  # three seeds, two targets
    assert [text.get_text() for text in axes[-1].get_legend().texts][:2] == ["seed 0", "seed 1"]
