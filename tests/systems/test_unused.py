"""An option that is accepted and does nothing would be taken for one that does not help."""

from dataclasses import fields, replace

import pytest
import torch

from finegan_lib import families
from finegan_lib.__main__ import main
from finegan_lib.base.errors import InputError
from finegan_lib.base.options import flag
from finegan_lib.bench.doctor import random_batch
from finegan_lib.bench.quality import configured
from finegan_lib.systems import Recipe
from finegan_lib.training import LoopConfig, RunConfig, build_system
from finegan_lib.training.presets import PRESETS

# Every option that some family does not use, with another value than its default.
SET = {
    **{"background_weight": 3.0, "information_weight": 3.0, "colour_weight": 3.0, "hard_pool": 2},
    **{"free_background": True, "free_child": 0.25, "silhouette": 0.5},
    **{"code_noise": 0.2, "code_colour": 0.1, "code_flip": True, "code_affine": 0.2},
    **{"mask_pull": 1.0, "mask_pull_back": 1.0, "mask_binary": 1.0, "mask_area": 5.0},
    **{"mask_smallest": 0.2, "mask_largest": 0.4, "pose_dims": 2, "augment_strength": 0.5},
    **{"augment_ramp": 1000, "restart_every": 5, "restart_until": 0.5},
    **{"mask_lean": 1.0, "contrastive_child": 1.0, "pose_info": 1.0},
    **{"relativistic": True, "r1": 2.0, "r2": 2.0, "augment": ("colour",), "augment_target": 0.5},
    **{"d_noise": 0.3, "child_restart": 0.3, "restart_at": (0.5,)},
    **{"lead_children": (0.4,), "lead_parents": (0.5,)},
}
SIZES = {"image_size": 32, "z_dim": 4, "g_dim": 4, "d_dim": 4, "residual_blocks": 1}
SIZES |= {"n_parents": 2, "n_children": 4, "n_categories": 4}
KEYS = [row.key for row in families.ROWS]
every_family = pytest.mark.parametrize("row", families.ROWS, ids=KEYS)


def run_of(row, **options):
    """A small run of a family with some options of the recipe set."""
    known = {field.name for field in fields(row.config)}
    model = row.config(**{name: value for name, value in SIZES.items() if name in known})
    return RunConfig(model, Recipe(**options), LoopConfig())


def preset_of(row):
    return "toy" if row.key == "finegan" else row.key


@every_family
def test_what_a_family_does_not_use_is_refused(row):
    unused = [name for name in SET if name in row.system.unused]
    assert set(unused) == set(row.system.unused)
    for name in unused:
        needed = {"restart_at": "child_restart"}.get(name, name)  # no recipe has one without it
        config = run_of(row, **{name: SET[name], needed: SET[needed]})
        with pytest.raises(InputError, match=f"does not use the option {needed}") as error:
            build_system(config)
        assert f"{needed}={SET[needed]}" in str(error.value)
        assert RunConfig.from_dict(config.to_dict()) == config  # files of it can still be read


@every_family
def test_all_else_is_accepted(row):
    build_system(run_of(row, **{n: SET[n] for n in SET if n not in row.system.unused}))


@every_family
def test_what_is_called_unused_has_no_effect(row, monkeypatch):
    monkeypatch.setattr(Recipe, "refuse", lambda *_: None)
    idle = (*row.system.unused, *row.system.ignored)
    found = []
    for options in ({}, {name: SET[name] for name in idle}):
        system = build_system(run_of(row, **options))
        report = system.step(random_batch(32, 4, "cpu"), torch.Generator().manual_seed(0))
        weights = system.generator.state_dict()
        found.append(report | {name: value.clone() for name, value in weights.items()})
    assert found[0].keys() == found[1].keys()
    assert all(found[0][name].equal(found[1][name]) for name in found[0])


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_be_trained_and_nobody_typed_anything(preset):
    config = PRESETS[preset]
    config.refuse_ignored(())
    config.recipe.refuse(families.of(config.model).system.unused, preset)


@every_family
def test_the_commands_refuse_what_the_family_ignores(row, tmp_path, capsys):
    """Even where the preset has the option on, as the baselines' presets have."""
    for name in (row.system.unused[0], *row.system.ignored):
        value = SET[name]
        words = [flag(name)]
        words += [] if value is True else map(str, value if isinstance(value, tuple) else [value])
        run = ["train", "--preset", preset_of(row), "--run", str(tmp_path / "run"), *words]
        assert main(run) == 2
        error = capsys.readouterr().err
        assert f"the training step of {row.title} does not use the option {name}" in error
        assert not (tmp_path / "run").exists()


def test_settings_of_the_bench_are_refused_like_options():
    with pytest.raises(InputError, match="Simple-GAN does not use the option code_noise"):
        configured("simple_gan", 32, ["code_noise=0.3"])
    assert configured("infogan_baseline", 32, ["code_noise=0.3"]).recipe.code_noise == 0.3
    assert not configured("simple_gan", 32, ["code_flip=no"]).recipe.code_flip  # the truth


def test_a_resumed_run_may_have_what_its_family_ignores():
    """Older runs of the baselines have it, too: only what is typed is refused."""
    config = PRESETS["stackgan"]
    assert config.recipe.code_noise and config.recipe.free_background
    config.refuse_ignored({"steps", "learning_rate"})
    with pytest.raises(InputError, match="StackGAN-v2 does not use the option free_background"):
        config.refuse_ignored({"free_background"})
    off = replace(config, recipe=replace(config.recipe, free_background=False))
    off.refuse_ignored({"free_background"})
