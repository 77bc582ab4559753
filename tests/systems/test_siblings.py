"""Children that draw the same bird: found, started anew, and nothing else touched."""

import pytest
import torch

from finegan_lib.base.errors import InputError
from finegan_lib.data.example import TrainingExample
from finegan_lib.models import FineGANConfig
from finegan_lib.models.finegan import Stage
from finegan_lib.systems import FineGANSystem, Recipe, siblings

CONFIG = FineGANConfig(
    image_size=32, n_parents=2, n_children=6, z_dim=4, g_dim=4, d_dim=4, residual_blocks=1
)


@pytest.fixture
def system():
    torch.manual_seed(0)
    return FineGANSystem(CONFIG, Recipe())


def make_batch(n=4, size=32):
    rng = torch.Generator().manual_seed(5)
    images = torch.rand(2, n, 3, size, size, generator=rng) * 2 - 1
    box = torch.tensor([[8.0, 8.0, 24.0, 24.0]]).repeat(n, 1)
    fields = {"child_crop": images[0], "full_image": images[1], "box": box}
    others = set(TrainingExample._fields) - fields.keys()
    return TrainingExample(**fields, **{name: torch.zeros(n, dtype=torch.long) for name in others})


def column(network, c):
    return network.child_stage.join.conv.weight[:, c]


def copy_child(system, source, target):
    with torch.no_grad():
        for network in (system.generator, system.average):
            column(network, target).copy_(column(network, source))


def stage(value, mask):
    foreground = torch.full((1, 3, 2, 2), float(value))
    mask = torch.tensor(mask).view(1, 1, 2, 2)
    return Stage(foreground, mask, mask * foreground, foreground)


def test_the_distance_by_hand():
    one, other = stage(0.5, [1.0, 1, 0, 0]), stage(-0.1, [1.0, 0, 0, 0])
    # one pixel differs by 0.6, one by 0.5 (nothing there counts as 0); two of the four are covered
    expected = ((0.6**2 + 0.5**2) / 2) ** 0.5
    assert siblings.foreground_distance(one, other).item() == pytest.approx(expected, abs=1e-6)
    assert siblings.foreground_distance(one, one).item() == 0


def test_only_siblings_that_are_drawn_alike_are_duplicates(system):
    rng = torch.Generator().manual_seed(0)
    assert siblings.duplicates(system.average, 1e-4, rng) == []
    copy_child(system, 3, 5)
    copy_child(system, 0, 4)  # of another parent: no sibling
    assert siblings.duplicates(system.average, 1e-4, rng) == [5]
    assert siblings.duplicates(system.average, 3.0, rng) == [1, 2, 4, 5]


def test_a_restart_changes_the_children_s_own_entries_and_no_others(system):
    system.step(make_batch(24), torch.Generator().manual_seed(1))  # so that Adam has moments
    before = {name: value.clone() for name, value in system.state_dict().items()}
    moments = system.optimisers["G"].state[system.generator.child_stage.join.conv.weight]
    kept = moments["exp_avg"][:, 1].clone()
    siblings.restart(system, [2, 5], torch.Generator().manual_seed(2))
    rows = [2, 5]
    for name, value in system.state_dict().items():
        if name.endswith("child_stage.join.conv.weight"):
            changed = (value != before[name]).flatten(2).any(2).any(0).nonzero().flatten().tolist()
            assert changed == rows
        elif name.startswith("d_child.code.3"):
            others = [c for c in range(6) if c not in rows]
            assert torch.equal(value[others], before[name][others])
            torch.testing.assert_close(value[2], before[name][others].mean(0))
        elif not name.startswith("d_child.trunk"):  # spectral norm iterates whenever it is asked
            assert torch.equal(value, before[name]), name
    assert moments["exp_avg"][:, rows].abs().max() == 0
    assert moments["exp_avg_sq"][:, rows].abs().max() == 0
    assert torch.equal(moments["exp_avg"][:, 1], kept)
    assert kept.abs().max() > 0


def test_a_reader_forgets_all_codes_if_all_of_them_move(system):
    reader = system.d_child.code[-1]
    mean = reader.weight.mean(0)
    siblings.blank_reader(system, list(range(6)))
    torch.testing.assert_close(reader.weight, mean.expand_as(reader.weight))
    before = reader.weight.clone()
    siblings.blank_reader(system, [])
    assert torch.equal(reader.weight, before)


def test_a_restarted_child_is_no_duplicate_any_more(system):
    copy_child(system, 3, 5)
    assert siblings.duplicates(system.average, 1e-4, torch.Generator().manual_seed(1)) == [5]
    siblings.restart(system, [5], torch.Generator().manual_seed(0))
    assert siblings.duplicates(system.average, 1e-4, torch.Generator().manual_seed(1)) == []


def test_the_new_column_is_a_mixture_of_two_others(system):
    """w̄ + (w_i + w_j − 2 w̄)/√2, the same i and j in the generator and in its average."""
    with torch.no_grad():
        for network, factor in ((system.generator, 1.0), (system.average, 10.0)):
            for c in range(6):
                column(network, c).fill_(factor * 2.0**c)
    siblings.restart(system, [2], torch.Generator().manual_seed(3))
    mean = (1 + 2 + 8 + 16 + 32) / 5
    new = column(system.generator, 2).unique()
    assert len(new) == 1
    pairs = [a + b for a in (1, 2, 8, 16, 32) for b in (1, 2, 8, 16, 32) if a < b]
    possible = torch.tensor([mean + (pair - 2 * mean) / 2**0.5 for pair in pairs])
    assert (possible - new).abs().min() < 1e-4
    torch.testing.assert_close(column(system.average, 2), 10 * column(system.generator, 2))


def test_a_contrastive_head_s_point_moves_between_two_others():
    torch.manual_seed(0)
    system = FineGANSystem(CONFIG, Recipe(contrastive_child=1.0))
    system.step(make_batch(), torch.Generator().manual_seed(0))  # so that Adam has moments
    points = system.contrastive.centroids
    moments = system.optimisers["D_c"].state[points]["exp_avg"]
    with torch.no_grad():
        points.copy_(2.0 ** torch.arange(6)[:, None])
    siblings.restart(system, [2], torch.Generator().manual_seed(3))
    (sum_of_two,) = (points[2] * 2**0.5).unique().tolist()
    assert bin(round(sum_of_two)).count("1") == 2
    assert points[3].unique() == 8
    assert moments[2].abs().max() == 0 < moments[3].abs().max()


@pytest.mark.parametrize(("elapsed", "restarted"), [(0.05, False), (0.5, True), (0.7, False)])
def test_the_system_restarts_when_it_is_due_neither_early_nor_late(elapsed, restarted, monkeypatch):
    torch.manual_seed(0)
    system = FineGANSystem(CONFIG, Recipe(child_restart=3.0, restart_every=2))
    system.elapsed, seen = elapsed, []
    monkeypatch.setattr(siblings, "restart", lambda _, children, *__: seen.append(children))
    for seed in range(3):
        system.step(make_batch(), torch.Generator().manual_seed(seed))
    assert seen == ([[1, 2, 4, 5]] if restarted else [])


def test_switched_off_nothing_is_compared(monkeypatch, system):
    monkeypatch.setattr(siblings, "duplicates", lambda *_: pytest.fail("compared"))
    system.step(make_batch(), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("wrong", [{"restart_every": 0}, {"restart_until": 1.5}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(InputError):
        Recipe(**wrong)
