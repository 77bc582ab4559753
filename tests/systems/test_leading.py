"""Idle parents and children in a training: found, led at the right steps, nothing else touched."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from finegan_lib.base.checkpoints import load_checkpoint
from finegan_lib.base.errors import InputError
from finegan_lib.codes import CodeHierarchy
from finegan_lib.metrics.code_classifiers import DiscoveryConfig, shrink
from finegan_lib.models import FineGANConfig
from finegan_lib.systems import FineGANSystem, Recipe, covering, leading, silhouettes
from finegan_lib.systems.additions import is_due
from finegan_lib.systems.sorting import CoverConfig, Sorting, group_kinds, has_shape_of, match
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
SHAPES = torch.stack([FLAT, FLAT, TALL, TALL])
BOTH_FLAT = torch.stack([FLAT, 0.9 * FLAT + 0.1 * TALL])
EACH_ITS_OWN = torch.stack([FLAT, TALL])
PAIRS = CodeHierarchy([0, 0, 1, 1])
DOUBLE = Sorting(torch.arange(64) % 4, CHILD)


def test_a_parent_without_a_shape_of_its_own_is_led_with_its_children():
    found = match(DOUBLE, SHAPES, BOTH_FLAT, PAIRS, parents=True)
    assert found.idle == [1]
    assert found.settled == {0: 0, 1: 1}
    assert found.families == {1: {2: 3, 3: 2}}  # 0.3 + 0.5, and not 0 + 0.5
    assert found.led == {}
    assert torch.equal(found.shapes, EACH_ITS_OWN)
    alone = match(DOUBLE, SHAPES, BOTH_FLAT, PAIRS)  # its children may be led without it
    assert (alone.idle, alone.families, alone.led) == ([1], {}, {2: 3})


def test_a_parent_between_two_shapes_is_idle():
    between = torch.stack([FLAT, 0.51 * TALL + 0.49 * FLAT])
    assert silhouettes.likeness(EACH_ITS_OWN, between).argmax(0).tolist() == [0, 1]
    found = match(DOUBLE, SHAPES, between, PAIRS, parents=True)
    assert (found.idle, list(found.families)) == ([1], [1])
    mostly = torch.stack([FLAT, 0.9 * TALL + 0.1 * FLAT])
    assert match(DOUBLE, SHAPES, mostly, PAIRS, parents=True).idle == []


def test_a_shape_is_clear_if_it_is_nearer_than_every_other_group_by_far():
    drawn = torch.stack([TALL, FLAT, 0.51 * TALL + 0.49 * FLAT])
    assert has_shape_of(EACH_ITS_OWN, drawn, [1, 1, 1]) == [True, False, False]
    assert has_shape_of(EACH_ITS_OWN, drawn, [1, 1, 1], clearly=1.0) == [True, False, True]
    assert has_shape_of(EACH_ITS_OWN[:1], drawn, [0, 0, 0]) == [True] * 3  # there is one shape only


def test_a_groups_silhouette_is_sharp_when_its_kinds_look_to_different_sides():
    wedge = torch.ones(32, 32).tril() * (torch.arange(32) > 15)[:, None]
    step = torch.zeros(32, 32).index_fill(0, torch.arange(8), 1.0) * (torch.arange(32) < 12)
    shapes = torch.stack([wedge, wedge.flip(-1), step, step.flip(-1)])
    found = match(DOUBLE, shapes, torch.stack([wedge, step]), PAIRS)
    likes = silhouettes.likeness(found.shapes, torch.stack([wedge, step]))
    torch.testing.assert_close(likes.diagonal(), torch.ones(2))


def test_of_a_parent_with_its_shape_only_the_idle_children_are_led():
    found = match(DOUBLE, SHAPES, EACH_ITS_OWN, PAIRS, parents=True)
    assert (found.idle, found.families) == ([], {})
    assert found.settled == {0: 0, 1: 1, 3: 2}
    assert found.led == {2: 3}
    swapped = match(DOUBLE, SHAPES.flip(0), EACH_ITS_OWN.flip(0), PAIRS, parents=True)
    assert torch.equal(swapped.shapes, EACH_ITS_OWN.flip(0))
    assert swapped.settled | swapped.led == found.settled | found.led
    assert match(DOUBLE, SHAPES, EACH_ITS_OWN, PAIRS, claimed=0.3, parents=True).led == {}


def test_a_child_is_led_to_no_kind_of_another_shape():
    """Child 1 is of the flat parent, and generates the tall kind 2; kind 1 is then missing."""
    child = np.array([[0.9, 0, 0.1, 0], [0.3, 0, 0, 0.3], [0, 0.9, 0, 0.1], [0, 0, 1.0, 0]])
    found = match(Sorting(DOUBLE.kinds, child), SHAPES, EACH_ITS_OWN, PAIRS)
    assert found.settled == {0: 0, 1: 2, 2: 3}
    assert found.led == {}  # child 3 is idle, but what is missing is flat
    child[2, 1] = 0.2  # little more than nothing: the shape decides
    found = match(Sorting(DOUBLE.kinds, child), SHAPES, EACH_ITS_OWN, PAIRS)
    assert found.led == {1: 1, 3: 2}


def test_a_parent_is_led_only_to_as_many_kinds_as_it_has_children():
    uneven = CodeHierarchy([0, 1, 1, 1])
    shapes = torch.stack([TALL, FLAT, FLAT, FLAT])
    found = match(DOUBLE, shapes, EACH_ITS_OWN, uneven, claimed=0.9, parents=True)
    assert {p: (sorted(k), sorted(k.values())) for p, k in found.families.items()} == {
        0: ([0], [0]),
        1: ([1, 2, 3], [1, 2, 3]),
    }


def test_a_family_goes_where_the_classifier_says(system):
    generator, classifier = system.average, Colours()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    kinds = {2: 0, 3: 2}  # red and bright green; blue
    config = replace(QUICK, steps=80, realism=0.0, silhouette=0.0)
    columns = leading.lead_family(generator, torch.sum, classifier, kinds, FLAT, config)
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    for name in leading.PARENT_COLUMNS:
        assert columns[name].shape == generator.get_parameter(name)[:, 1].shape
    assert columns[leading.COLUMNS].shape == generator.get_parameter(leading.COLUMNS)[:, 2:4].shape
    found = leading.family_share(generator, classifier, kinds, columns)
    assert found > leading.family_share(generator, classifier, kinds) + 0.2
    again = leading.lead_family(generator, torch.sum, classifier, kinds, FLAT, config)
    assert all(torch.equal(again[name], column) for name, column in columns.items())


def test_a_family_gets_the_silhouette_of_its_group(system):
    generator, kinds = system.average, {2: 0, 3: 2}

    def apart(columns):
        painter = leading.FamilyPainter(generator, 1, seed=1)
        stage = painter.generate_family(columns or painter.columns_of(1), torch.tensor([2, 3] * 8))
        return float(silhouettes.difference(shrink(stage.mask, 8)[:, 0], TALL))

    def searched(weight):
        config = replace(QUICK, steps=60, step_size=2.0, realism=0.0, silhouette=weight)
        return leading.lead_family(generator, torch.sum, Colours(), kinds, TALL, config)

    assert apart(searched(100.0)) < 0.8 * min(apart(None), apart(searched(0.0)))


def test_the_difference_from_a_silhouette_forgives_place_and_side():
    wedge = torch.zeros(16, 16)
    wedge[4:10, 3:9] = torch.ones(6, 6).tril()
    masks = silhouettes.centred(torch.stack([wedge, wedge.flip(-1), wedge.roll((3, 4), (0, 1))]))
    assert float(silhouettes.difference(masks, masks[0])) == 0.0
    assert float(silhouettes.difference(masks.roll((-1, 2), (1, 2)), masks[0])) == 0.0
    nothing = torch.zeros(2, 16, 16, requires_grad=True)
    found = silhouettes.difference(nothing, masks[0])
    assert found.item() == pytest.approx(1.0)  # all of the silhouette's area is missing
    found.backward()
    assert (nothing.grad[:, masks[0] > 0] < 0).all()


@pytest.fixture
def said(monkeypatch):
    """What the classifiers and the mask reader say: parent 1 is idle, and every search succeeds."""
    answers = {"drawn": BOTH_FLAT, "after": 0.9, "shape": TALL}
    monkeypatch.setattr(covering, "sort_real", lambda *_, **__: DOUBLE)
    monkeypatch.setattr(covering, "train_mask_reader", lambda *_: None)
    monkeypatch.setattr(covering, "parent_silhouettes", lambda *_: answers["drawn"])
    monkeypatch.setattr(
        covering,
        "silhouettes",
        lambda *of: SHAPES if of[3] == 4 else answers["shape"][None],
    )
    first, second = Colours(), Colours()
    monkeypatch.setattr(covering, "kind_classifiers", lambda *_: (first, second))

    def taken(generator, classifier, *of):
        assert classifier is second  # the search has followed the first
        return 0.2 if of[-2] is None else answers["after"]

    monkeypatch.setattr(covering, "share", taken)
    monkeypatch.setattr(covering, "family_share", taken)
    return answers


def covered(system, **options):
    """What is found, and which entries of the system changed."""
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8)
    for reader in (system.d_child.code[-1], system.d_parent.code[-1]):
        reader.bias.data.normal_()
    before = {name: value.clone() for name, value in system.state_dict().items()}
    found = covering.cover_system(system, images, replace(QUICK, steps=3), **options)
    changed = {}
    for name, value in system.state_dict().items():
        different = (value != before[name]).movedim(int(".code." not in name and value.ndim > 1), 0)
        if different.any():
            changed[name] = (
                different.reshape(len(different), -1).any(1).nonzero().flatten().tolist()
            )
    return found, changed


def entries(children, parents=()):
    """The entries of a system that belong to some children and parents."""
    found = {f"d_child.code.3.{name}": children for name in ("weight", "bias")}
    found |= {f"{network}.{leading.COLUMNS}": children for network in ("generator", "average")}
    if parents:
        found |= {f"d_parent.code.3.{name}": parents for name in ("weight", "bias")}
        for network in ("generator", "average"):
            found |= {f"{network}.{name}": parents for name in leading.PARENT_COLUMNS}
    return found


def test_a_led_parent_changes_its_own_entries_and_its_children_s(system, said):
    found, changed = covered(system, parents=True)
    assert (found["idle_parents"], found["n_drawn"], found["led"]) == ([1], 2, [])
    assert [(row["parent"], row["kinds"]) for row in found["families"]] == [(1, {2: 3, 3: 2})]
    assert changed == entries([2, 3], [1])
    assert system.training and not system.average.training


@pytest.mark.parametrize("parents", [False, True])
def test_a_parent_with_its_shape_and_its_settled_children_stay(system, said, parents):
    said["drawn"] = EACH_ITS_OWN
    found, changed = covered(system, parents=parents)
    assert [(row["child"], row["kind"], row["moved"]) for row in found["led"]] == [(2, 3, True)]
    assert changed == entries([2])
    assert found.get("families", []) == []


@pytest.mark.parametrize("drawn", [BOTH_FLAT, EACH_ITS_OWN])
def test_a_move_that_the_second_classifier_does_not_confirm_is_not_made(system, said, drawn):
    said |= {"drawn": drawn, "after": 0.2}
    found, changed = covered(system, parents=True)
    assert changed == {}
    assert len(found["families"] + found["led"]) == 1
    assert "20% -> 20%, left as it was" in covering.summary(found)


def test_a_family_that_loses_the_shape_of_its_group_is_not_moved(system, said):
    said["shape"] = FLAT
    found, changed = covered(system, parents=True)
    assert changed == {}
    assert "left as it was (not in this shape)" in covering.summary(found)


def test_the_search_follows_the_first_classifier_the_second_decides(system, monkeypatch):
    asked = {"lead": [], "share": []}
    shares = iter([0.4, 0.6, 0.5])
    monkeypatch.setattr(covering, "lead", lambda *of, **_: asked["lead"].append(of[2]))
    monkeypatch.setattr(covering, "share", lambda *of: asked["share"].append(of[1]) or next(shares))
    search = covering.Search(system.average, torch.sum, "first", "second", QUICK, 0)
    assert search.child(0, 1)[1] == {"before": 0.4, "after": 0.6, "moved": True}
    assert asked == {"lead": ["first"], "share": ["second", "second"]}
    column, facts = search.child(2, 1)  # it generates its kind already: no search
    assert facts == {"before": 0.5, "after": 0.5, "moved": False}
    assert torch.equal(column, system.average.get_parameter(leading.COLUMNS)[:, 2])
    assert asked["lead"] == ["first"]


def test_the_two_classifiers_differ_and_know_the_kinds():
    red = torch.rand(80, 1, 1, 1) * torch.ones(80, 3, 32, 32)
    red[:40, 0], red[40:, 2] = -1, -1
    kinds = torch.arange(80) // 40
    config = replace(QUICK, discovery=DiscoveryConfig(epochs=3, batch_size=20))
    pair = covering.kind_classifiers(red, kinds, 2, config, seed=0)
    for classifier in pair:
        assert (classifier(red).argmax(1) == kinds).float().mean() > 0.9
        assert not any(p.requires_grad for p in classifier.parameters())
    assert not torch.equal(pair[0].head.weight, pair[1].head.weight)


@pytest.mark.parametrize("elapsed", [0.5, 1.0])
def test_d_c_judges_images_with_the_noise_that_it_is_trained_with(elapsed, monkeypatch):
    torch.manual_seed(0)
    system = FineGANSystem(SMALL, Recipe(d_noise=0.4))
    system.advance(elapsed)
    seen = []
    kind = type(system.d_child)
    monkeypatch.setattr(kind, "real_fake_logits", lambda _, images: seen.append(images))
    covering.judge_of(system)(torch.zeros(16, 3, 32, 32))
    assert float(seen[0].std()) == pytest.approx(0.4 * (1 - elapsed), rel=0.05)


def test_adam_keeps_the_second_moments_of_what_was_led(system, said):
    weight = system.generator.get_parameter(leading.COLUMNS)
    state = system.optimisers["G"].state[weight]
    state |= {name: torch.ones_like(weight) for name in ("exp_avg", "exp_avg_sq")}
    covered(system, parents=True)
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
    monkeypatch.setattr(covering, "IN_TRAINING", config)


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
        return {"n_drawn": 4, "idle_parents": [], "led": []}

    monkeypatch.setattr(covering, "cover_system", found)
    train(tiny(**EVERYTHING), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/history.jsonl").open()]
    covered = {"covered": {"n_drawn": 4, "idle_parents": [], "led": []}}
    assert [(line["step"], line["repair"]) for line in lines if "repair" in line] == [
        (1, {"restarted": [1, 3]}),
        (3, covered),
        (5, covered),
    ]
    assert seen == [(3, True, torch.uint8, 64), (5, False, torch.uint8, 64)]
    told = capsys.readouterr().err
    assert "step 1: 2 children generated the same as a sibling" in told
    assert "step 5: 0 parents generate no shape of their own, 4 children" in told
    seen.clear()
    train(tiny(), tmp_path / "plain", progress=False)
    assert seen == []


@pytest.mark.parametrize(
    "wrong", [{"lead_parents": (0.0,)}, {"lead_children": (0.5, 1.0)}, {"restart_at": (-0.1,)}]
)
def test_fractions_outside_a_run_are_refused(wrong):
    with pytest.raises(InputError, match="between 0 and 1"):
        Recipe(**wrong)


def test_fractions_to_restart_at_need_a_distance():
    with pytest.raises(InputError, match="Set child_restart, too"):
        Recipe(restart_at=(0.5,))
    assert Recipe(restart_at=(0.5,), child_restart=0.3).restart_at == (0.5,)
