"""Idle parents and children in a training: found, led at the right steps, nothing else touched."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from finegan_lib.base.checkpoints import load_checkpoint
from finegan_lib.base.errors import InputError
from finegan_lib.codes import CodeHierarchy
from finegan_lib.metrics.code_classifiers import DiscoveryConfig
from finegan_lib.models import FineGANConfig
from finegan_lib.systems import FineGANSystem, Recipe, leading, silhouettes
from finegan_lib.systems.additions import is_due
from finegan_lib.systems.sorting import CoverConfig, Sorting, group_kinds, match, match_families
from finegan_lib.training import LoopConfig, RunConfig, train

SMALL = FineGANConfig(
    image_size=32, n_parents=2, n_children=4, z_dim=4, g_dim=4, d_dim=4, residual_blocks=1
)
QUICK = CoverConfig(n_real=64, steps=40, discovery=DiscoveryConfig(n_images=100, epochs=1))


class Colours(nn.Module):
    """A classifier of four kinds: the lower one of red and blue, each dark or bright in green."""

    def features(self, images):
        red, green, blue = images.mean((2, 3)).unbind(1)
        redness = 40 * (red - blue)
        return torch.stack([redness + 40 * green, redness - 40 * green, -redness, -redness], 1)

    def head(self, features):
        return features

    def forward(self, images):
        return self.features(images)


@pytest.fixture
def system():
    torch.manual_seed(0)
    return FineGANSystem(SMALL, Recipe())


def bar(*where, size=8):
    """A silhouette: the rows and columns from … to …."""
    top, bottom, left, right = where
    mask = torch.zeros(size, size)
    mask[top:bottom, left:right] = 1
    return mask


FLAT, TALL, SMALL_ONE = bar(3, 5, 0, 8), bar(0, 8, 3, 5), bar(3, 5, 3, 5)


def test_kinds_of_one_shape_come_together_in_groups_of_the_given_sizes():
    rng = torch.Generator().manual_seed(0)
    truth = [0, 1, 2, 1, 0, 2, 2, 0, 1]
    shape = torch.stack([[FLAT, TALL, SMALL_ONE][t] for t in truth])
    shape = shape + 0.2 * torch.rand(shape.shape, generator=rng)
    groups = group_kinds(shape, [3, 3, 3])
    assert len({(t, g) for t, g in zip(truth, groups, strict=True)}) == 3
    # three are flat and one is tall, but the groups must have two each
    uneven = torch.stack([FLAT, FLAT, 0.8 * FLAT + 0.2 * TALL, TALL])
    groups = group_kinds(uneven, [2, 2])
    assert groups[0] == groups[1] != groups[2] == groups[3]


def test_a_silhouette_does_not_depend_on_place_and_side():
    one = bar(2, 4, 0, 5) + bar(4, 6, 0, 1)
    moved = torch.roll(one, (1, 2), (0, 1))
    middle = silhouettes.centred(torch.stack([one, moved]))
    assert torch.equal(middle[0], middle[1])
    both = silhouettes.oriented(torch.stack([middle[0], middle[0].flip(-1)]))
    assert torch.equal(both[0], both[1])
    alike = silhouettes.likeness(torch.stack([one, FLAT]), torch.stack([one.flip(-1), TALL]))
    assert alike[0, 0] == pytest.approx(1)
    assert alike[1, 1] == pytest.approx(4 / 16)  # four of sixteen pixels are in both


def test_a_mask_reader_of_generated_images_reads_masks():
    """Of a generator whose bird is white, before black, where its mask is."""

    class Bars(nn.Module):
        config = SMALL

        def forward(self, codes):
            place = torch.arange(32).expand(len(codes.z), 1, 32, 32)
            mask = ((place - 16 - 4 * codes.z[:, :1, None, None]).abs() < 5).float()
            image = (2 * mask - 1).expand(-1, 3, -1, -1)
            return SimpleNamespace(child=SimpleNamespace(image=image, mask=mask))

    config = DiscoveryConfig(n_images=300, batch_size=20)
    mask_reader = silhouettes.train_mask_reader(Bars(), config)
    codes = SMALL.hierarchy().sample(40, 4, rng=torch.Generator().manual_seed(9))
    drawn = Bars()(codes).child
    with torch.no_grad():
        read = mask_reader(drawn.image).sigmoid()
    assert (read - drawn.mask).abs().mean() < 0.1
    kinds = torch.arange(40) % 2
    found = silhouettes.silhouettes(mask_reader, drawn.image, kinds, 2)
    assert found.shape == (2, 32, 32)
    assert found[:, :, 13:19].mean() > 0.8 > 0.2 > found[:, :, :8].mean()
    assert silhouettes.parent_silhouettes(mask_reader, Bars(), 32).shape == (2, 32, 32)
    again = silhouettes.train_mask_reader(Bars(), config)
    for name, value in mask_reader.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


# Kinds 0 and 1 are flat, 2 and 3 are tall; both parents draw something flat.
CHILD = np.array([[0.8, 0.1, 0.1, 0], [0.2, 0.6, 0.2, 0], [0.1, 0.4, 0, 0.5], [0, 0.2, 0.3, 0.5]])
PARENT = np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.8, 0.2]])
SHAPES = torch.stack([FLAT, FLAT, TALL, TALL])
BOTH_FLAT = torch.stack([FLAT, 0.9 * FLAT + 0.1 * TALL])
DOUBLE = Sorting(torch.arange(64) % 4, CHILD, PARENT)


def test_a_parent_without_a_shape_of_its_own_is_led_with_its_children():
    hierarchy = CodeHierarchy([0, 0, 1, 1])
    idle, settled, families = match_families(DOUBLE, SHAPES, BOTH_FLAT, hierarchy)
    assert idle == [1]
    assert settled == {0: 0, 1: 1}
    assert families == {1: {2: 3, 3: 2}}  # 0.3 + 0.5, and not 0 + 0.5


def test_a_parent_with_its_shape_is_led_only_if_a_child_is_idle():
    hierarchy, own = CodeHierarchy([0, 0, 1, 1]), torch.stack([FLAT, TALL])
    idle, settled, families = match_families(DOUBLE, SHAPES, own, hierarchy)
    assert (idle, settled) == ([], {0: 0, 1: 1, 3: 2})
    assert families == {1: {2: 3, 3: 2}}
    assert match_families(DOUBLE, SHAPES, own, hierarchy, claimed=0.3)[2] == {}


def test_a_parent_is_led_only_to_as_many_kinds_as_it_has_children():
    uneven = CodeHierarchy([0, 1, 1, 1])
    shapes = torch.stack([TALL, FLAT, FLAT, FLAT])
    drawn = torch.stack([FLAT, TALL])
    _, _, families = match_families(DOUBLE, shapes, drawn, uneven, claimed=0.9)
    assert {p: (sorted(k), sorted(k.values())) for p, k in families.items()} == {
        0: ([0], [0]),
        1: ([1, 2, 3], [1, 2, 3]),
    }


def test_what_is_settled_is_left_out_of_the_match():
    hierarchy = CodeHierarchy([0, 0, 1, 1])
    drawn, led = match(DOUBLE, hierarchy, claimed=0.7, settled={2: 2, 3: 3})
    assert drawn == {0: 0}
    assert led == {1: 1}


def test_a_family_goes_where_the_classifier_says(system):
    generator, classifier = system.average, Colours()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    kinds = {2: 0, 3: 2}  # red and bright green; blue
    config = replace(QUICK, steps=80, realism=0.0)
    columns = leading.lead_family(generator, torch.sum, classifier, kinds, config)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    for name in leading.PARENT_COLUMNS:
        assert columns[name].shape == generator.get_parameter(name)[:, 1].shape
    assert columns[leading.COLUMNS].shape == generator.get_parameter(leading.COLUMNS)[:, 2:4].shape
    found = leading.family_share(generator, classifier, kinds, columns)
    assert found > leading.family_share(generator, classifier, kinds) + 0.2
    again = leading.lead_family(generator, torch.sum, classifier, kinds, config)
    assert all(torch.equal(again[name], column) for name, column in columns.items())


def covered(system, monkeypatch, better=True, **options):
    """A system in which parent 1 and its children are to be led; which entries changed."""
    monkeypatch.setattr(leading, "sort_real", lambda *_, **__: DOUBLE)
    monkeypatch.setattr(leading, "train_mask_reader", lambda *_: None)
    monkeypatch.setattr(leading, "silhouettes", lambda *_: SHAPES)
    monkeypatch.setattr(leading, "parent_silhouettes", lambda *_: BOTH_FLAT)
    shares = iter([0.1, 0.9] if better else [0.5, 0.5])
    monkeypatch.setattr(leading, "family_share", lambda *_, **__: next(shares))
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
    for reader in (system.d_child.code[-1], system.d_parent.code[-1]):
        reader.bias.data.normal_()
    before = {name: value.clone() for name, value in system.state_dict().items()}
    found = leading.cover_system(system, images, replace(QUICK, steps=3), **options)
    changed = {}
    for name, value in system.state_dict().items():
        different = value != before[name]
        if different.any():
            along = 0 if ".code." in name else 1
            other = [dim for dim in range(different.ndim) if dim != along]
            rows = different.any(dim=other[0]) if len(other) == 1 else different
            while rows.ndim > 1:
                rows = rows.any(dim=-1) if along == 0 else rows.any(dim=0 if rows.ndim == 2 else -1)
            changed[name] = rows.nonzero().flatten().tolist()
    return found, changed


def test_a_led_parent_changes_its_own_entries_and_its_children_s(system, monkeypatch):
    found, changed = covered(system, monkeypatch, parents=True)
    assert (found["idle_parents"], found["n_drawn"]) == ([1], 2)
    assert [(row["parent"], row["kinds"]) for row in found["families"]] == [(1, {2: 3, 3: 2})]
    expected = {"d_child.code.3.weight": [2, 3], "d_child.code.3.bias": [2, 3]}
    expected |= {"d_parent.code.3.weight": [1], "d_parent.code.3.bias": [1]}
    for network in ("generator", "average"):
        expected[f"{network}.{leading.COLUMNS}"] = [2, 3]
        expected |= {f"{network}.{name}": [1] for name in leading.PARENT_COLUMNS}
    assert changed == expected
    assert system.training and not system.average.training


def test_a_parent_that_the_search_brought_no_nearer_stays(system, monkeypatch):
    found, changed = covered(system, monkeypatch, better=False, parents=True)
    assert changed == {}
    assert "left as it was" in leading.summary(found)


def test_adam_keeps_the_second_moments_of_what_was_led(system, monkeypatch):
    weight = system.generator.get_parameter(leading.COLUMNS)
    state = system.optimisers["G"].state[weight]
    state |= {name: torch.ones_like(weight) for name in ("exp_avg", "exp_avg_sq")}
    covered(system, monkeypatch, parents=True)
    assert state["exp_avg"][:, 2:4].abs().max() == 0
    assert state["exp_avg"][:, :2].min() == 1
    assert state["exp_avg_sq"].min() == 1


@pytest.mark.parametrize(
    ("fractions", "steps"), [((), []), ((0.5,), [5]), ((0.01, 0.74), [1, 7]), ((0.5, 0.51), [5])]
)
def test_fractions_name_steps(fractions, steps):
    assert [step for step in range(1, 11) if is_due(fractions, step, 10)] == steps


def tiny(**recipe):
    loop = LoopConfig(n_images=64, batch_size=8, steps=6, checkpoint_every=1, keep=9, device="cpu")
    return RunConfig(SMALL, Recipe(**recipe), loop)


EVERYTHING = {
    "child_restart": 3.0,
    "restart_at": (0.2,),
    "lead_parents": (0.5,),
    "lead_children": (0.5, 0.8),
}


@pytest.fixture
def quick(monkeypatch):
    config = replace(QUICK, steps=2, claimed=0.9)
    monkeypatch.setattr(leading, "IN_TRAINING", config)


def test_a_training_with_repairs_goes_on_bit_for_bit(quick, tmp_path, monkeypatch, capsys):
    whole = train(tiny(**EVERYTHING), tmp_path / "whole", progress=False)
    for step in (3, 5):  # just after a repair, and in between
        folder = tmp_path / f"stopped{step}"
        short = tiny(**EVERYTHING)
        train(short, folder, progress=False)
        for path in (folder / "checkpoints").iterdir():
            if int(path.stem.removeprefix("step_")) > step:
                path.unlink()
        again = train(short, folder, resume=True, progress=False)
        expected, found = load_checkpoint(whole)[0], load_checkpoint(again)[0]
        for name, value in expected["networks"].items():
            assert torch.equal(value, found["networks"][name]), name
    plain = train(tiny(), tmp_path / "plain", progress=False)
    column = load_checkpoint(plain)[0]["networks"][f"generator.{leading.COLUMNS}"]
    assert not torch.equal(
        column, load_checkpoint(whole)[0]["networks"][f"generator.{leading.COLUMNS}"]
    )


def test_the_repairs_act_when_they_are_due(monkeypatch, tmp_path, capsys):
    seen = []

    def found(system, images, config, *, parents, seed):
        seen.append((int(system.updates), parents, images.dtype, len(images)))
        return {"n_drawn": 4, "led": []}

    monkeypatch.setattr(leading, "cover_system", found)
    train(tiny(**EVERYTHING), tmp_path / "run")
    assert seen == [(3, True, torch.uint8, 64), (5, False, torch.uint8, 64)]
    told = capsys.readouterr().err
    assert "step 1: 2 children generated the same as a sibling" in told
    assert "step 5: 4 children generate a kind of their own" in told
    seen.clear()
    train(tiny(), tmp_path / "plain", progress=False)
    assert seen == []


@pytest.mark.parametrize(
    "wrong", [{"lead_parents": (0.0,)}, {"lead_children": (0.5, 1.0)}, {"restart_at": (-0.1,)}]
)
def test_fractions_outside_a_run_are_refused(wrong):
    with pytest.raises(InputError, match="between 0 and 1"):
        Recipe(**wrong)
