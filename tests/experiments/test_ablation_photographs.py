"""The ablation on photographs: its rows, that it goes on, and what is kept of the scores."""

import dataclasses
import json
import shlex

import pytest

from finegan_lib.__main__ import build_parser, main
from finegan_lib.base.errors import InputError
from finegan_lib.base.files import RESULTS
from finegan_lib.experiments import ablation
from finegan_lib.models import FineGANGenerator
from finegan_lib.systems import Recipe
from finegan_lib.training.presets import CUB, PRESETS

BIRDS = PRESETS["birds32"]


@pytest.fixture
def pretended(monkeypatch):
    """Trainings and scores that only count: the configurations that were asked for."""
    trained = []

    def train(config, folder, **_):
        trained.append(config)
        return folder

    def evaluate(newest, data, **options):
        value = float(len(trained))
        part = {"ami": value, "nmi_arithmetic": value, "accuracy": value}
        return {
            "quality": {"own": {"kid": 9.0, "fid": 9.0}, "pretrained": {"kid": 0.1, "fid": 2.0}},
            "discovery": {"all": part, "kept_out": part, "trained_as_many": part},
            "background": {
                "code_generated": {"kept": 0.9},
                "surroundings_generated": {"kept": 0.8},
            },
            "variety": {"children_differ": 40, "parents_differ": 9},
            "masks": {"area": 0.3},
        }

    monkeypatch.setattr(ablation, "train", train)
    monkeypatch.setattr(ablation, "evaluate_photographs", evaluate)
    return trained


def test_every_row_changes_the_preset_and_the_papers_row_all_of_it():
    rows = ablation.switches(BIRDS)
    assert next(iter(rows.items())) == (ablation.WHOLE, {})
    for name, changes in rows.items():
        assert (ablation.changed(BIRDS, **changes) == BIRDS) is (name == ablation.WHOLE)
    recipe = ablation.changed(BIRDS, **rows[ablation.PAPERS]).recipe
    papers = CUB.recipe
    free = ("learning_rate", "ema_decay", "ema_warmup")  # lengths of a run, not additions
    same = {f.name for f in dataclasses.fields(recipe)} - set(free)
    assert {n for n in same if getattr(recipe, n) != getattr(papers, n)} == set()
    assert {"augmentation", "with R1"} <= rows.keys() and "R1 and R2" not in rows
    assert ("with strength that follows D's overfitting" in rows) is (
        BIRDS.recipe.augment_target == 0
    )
    toy = ablation.switches(PRESETS["toy"])  # no augmentation, so no strength of it
    assert "with strength that follows D's overfitting" not in toy
    wide = ablation.changed(BIRDS, **rows[ablation.TWICE]).model
    weights = [ablation.count_parameters(FineGANGenerator, m) for m in (BIRDS.model, wide)]
    assert weights[1] == pytest.approx(2 * weights[0], rel=0.1)
    sizes = ["a z twice as long", "half the step size", "twice the step size", "tighter crops"]
    assert {f"with {name}" for name in [*sizes, "twice the children"]} <= rows.keys()
    assert rows["with half the step size"] == {"learning_rate": BIRDS.recipe.learning_rate / 2}
    tight = ablation.changed(BIRDS, **rows["with tighter crops"]).loop.crop_scale
    assert 1 < tight < BIRDS.loop.crop_scale
    with_r1 = ablation.changed(BIRDS, r1=0.1)
    assert "R1 and R2" in ablation.switches(with_r1) and "with R1" not in ablation.switches(with_r1)


def test_every_addition_of_the_recipe_has_a_row():
    rows = (ablation.TOY_ROWS | ablation.PHOTO_WITHOUT | ablation.PHOTO_WITH).values()
    changed = {name for changes in rows for name in changes}
    recipe = {field.name for field in dataclasses.fields(Recipe)}
    papers = {"learning_rate", "information_weight", "colour_weight", "ema_decay", "hard_pool"}
    details = {"augment_ramp", "pose_dims", "mask_smallest", "mask_largest"}
    details |= {"restart_every", "restart_until", "restart_at"}
    assert recipe - changed == papers | details


def test_it_goes_on_and_adds_seeds_to_both_ends(pretended, tmp_path):
    names = (ablation.WHOLE, "augmentation", ablation.PAPERS)
    options = {"steps": 9, "only": names, "progress": False}
    ablation.ablate_photographs(tmp_path, "my/birds", seeds=(0,), more_seeds=0, **options)
    assert len(pretended) == 3
    found = ablation.ablate_photographs(tmp_path, "my/birds", seeds=(0, 1), **options)
    assert len(pretended) == 3 + 3 + 2
    assert found["seeds"] == {names[0]: [0, 1, 2], names[1]: [0, 1], names[2]: [0, 1, 2]}
    assert found["results"]["augmentation"]["ami"] == [2.0, 5.0]
    assert found["results"]["augmentation"]["kid"] == [0.1, 0.1]  # through the last network
    assert pretended[1].recipe.augment == () and pretended[0].recipe.augment != ()
    assert {config.loop.data for config in pretended} == {"my/birds"}
    kept = json.loads((tmp_path / "ablation.json").read_text())
    assert kept == found and kept["data"] == "birds"
    parsed = [build_parser().parse_args(shlex.split(line)[3:]) for line in kept["command"]]
    assert [(p.seeds, p.more_seeds, p.steps, p.only) for p in parsed] == [
        ([0, 1, 2], 0, 9, [names[0], names[2]]),
        ([0, 1], 0, 9, [names[1]]),
    ]
    with pytest.raises(InputError, match="another steps"):
        ablation.ablate_photographs(tmp_path, "my/birds", seeds=(0,), steps=8, only=names[:1])
    with pytest.raises(InputError, match="another steps"):  # nor beside them in one table
        ablation.ablate_photographs(tmp_path, "my/birds", seeds=(0,), steps=8, only=("lean",))
    (tmp_path / "lean_seed0.json").unlink()
    other = ablation.changed(BIRDS, d_noise=0.7)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError, match="another recipe"):
        patch.setitem(PRESETS, "birds32", other)
        ablation.ablate_photographs(tmp_path, "my/birds", seeds=(0,), **options)
    with pytest.raises(InputError, match="no such row"):
        ablation.ablate_photographs(tmp_path, "my/birds", only=("hinge",))


def test_the_command(pretended, tmp_path, capsys):
    arguments = ["ablation", "--data", "my/birds", "--out", str(tmp_path), "--only"]
    arguments += [ablation.WHOLE, "--no-progress", "--json", str(tmp_path / "result.json")]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "| changed | seeds | ami |" in shown and "| everything on | 3 |" in shown
    assert json.loads((tmp_path / "result.json").read_text())["preset"] == "birds32"
    assert main(["ablation", "--data", "my/birds", "--preset", "gan"]) == 2
    assert "no such preset of a FineGAN" in capsys.readouterr().err


def test_what_is_committed_names_its_commands_and_stands_in_the_readme():
    kept = json.loads((RESULTS / "ablation_cub50.json").read_text())
    readme = (RESULTS / "README.md").read_text()
    columns = ("ami", "accuracy", "kid", "kept_by_code", "kept_surroundings")
    columns += ("children_differ", "parents_differ", "mask_area")
    assert ablation.table(kept["results"], columns, digits=3, title="changed") in readme
    (line,) = kept["command"]
    asked = build_parser().parse_args(shlex.split(line)[3:])
    assert (asked.steps, asked.preset, asked.only) == (kept["steps"], "birds32", [])
    assert line.replace("--data cub50", "--data data/cub50") in readme
    made = dict.fromkeys(ablation.switches(BIRDS), asked.seeds)
    longer = [*asked.seeds, *range(len(asked.seeds), len(asked.seeds) + asked.more_seeds)]
    made |= {ablation.WHOLE: longer, ablation.PAPERS: longer}
    assert made == kept["seeds"]
    assert len(asked.seeds) == 2 and len(longer) == 3
