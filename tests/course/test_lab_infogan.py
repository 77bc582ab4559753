"""The lesson on InfoGAN: values known by hand, and what the lesson claims."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from finegan_lib import course
from finegan_lib.course.lessons import shared_lab
from finegan_lib.losses import categorical_information_bound

lab = course.lab("infogan")
gan_lab = course.lab("gan")

ONE_MODE = lab.LineGenerator(means=(0.0, 0.0), widths=(1.0, 1.0))
FAR_APART = lab.LineGenerator(means=(-50.0, 50.0), widths=(1.0, 1.0))


class Known(nn.Module):
    """The line's true posterior, as logits."""

    def __init__(self, line):
        super().__init__()
        self.line = line

    def forward(self, x):
        return self.line.densities(x[:, 0].double()).log()


# ------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("joint", "expected"),
    [
        (torch.eye(8) / 8, math.log(8)),
        (torch.eye(4).repeat_interleave(2, 0) / 8, math.log(4)),
        (torch.outer(torch.tensor([0.3, 0.7]), torch.tensor([0.2, 0.5, 0.3])), 0.0),
        # A bit sent through a channel that flips a quarter: log 2 less the entropy of (1/4, 3/4).
        (torch.tensor([[0.375, 0.125], [0.125, 0.375]]), math.log(2) - 0.562335),
        (torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]), math.log(2)),  # an empty column
    ],
)
def test_mutual_information_of_tables_known_by_hand(joint, expected):
    assert lab.mutual_information(joint).item() == pytest.approx(expected, abs=1e-5)
    assert lab.mutual_information(joint.T).item() == pytest.approx(expected, abs=1e-5)


def test_the_example_tables_are_distributions_over_eight_equal_codes():
    for joint in lab.example_tables().values():
        assert joint.sum(1).allclose(torch.full((8,), 1 / 8))


def test_count_table_counts():
    table = lab.count_table([0, 0, 1, 1], np.array([2, 2, 0, 1]), 2, 3)
    assert table.tolist() == [[0, 0, 0.5], [0.25, 0.25, 0]]


# ------------------------------------------------------------------------------------- the line


def test_information_on_the_line_at_its_two_ends():
    nothing = lab.exact_terms(ONE_MODE, Known(ONE_MODE))
    everything = lab.exact_terms(FAR_APART, Known(FAR_APART))
    assert nothing["information"] == pytest.approx(0, abs=1e-6)
    assert everything["information"] == pytest.approx(math.log(2), abs=1e-6)


def test_the_true_posterior_leaves_no_gap_and_a_wrong_one_the_kl():
    line = lab.LineGenerator()
    assert lab.exact_terms(line, Known(line))["gap"] == pytest.approx(0, abs=1e-9)
    flat = nn.Linear(1, 2)
    nn.init.zeros_(flat.weight)
    flat.bias.data = torch.tensor([0.9, 0.1]).log()
    terms = lab.exact_terms(ONE_MODE, flat)
    # Every posterior is (1/2, 1/2): KL = −log 2 − (log 0.9 + log 0.1)/2 = 0.5108.
    assert terms["gap"] == pytest.approx(0.510826, abs=1e-5)
    assert terms["bound"] == pytest.approx(-0.510826, abs=1e-5)


def test_the_identity_holds_for_any_q_and_samples_agree():
    line = lab.LineGenerator()
    q = lab.train_q(line, steps=20)[20]
    terms = lab.exact_terms(line, q)
    assert terms["information"] == pytest.approx(terms["bound"] + terms["gap"], abs=1e-9)
    x, c = line.sample(100_000, torch.Generator().manual_seed(0))
    with torch.no_grad():
        sampled = categorical_information_bound(q(x), c).item()
    assert sampled == pytest.approx(terms["bound"], abs=0.02)


def test_q_learns_and_a_linear_one_never_closes_the_gap():
    line = lab.LineGenerator()
    kept = lab.train_q(line, steps=800, keep=[0])
    first, last = (lab.exact_terms(line, kept[step])["gap"] for step in (0, 800))
    linear = lab.exact_terms(line, lab.train_q(line, hidden=0, steps=800)[800])["gap"]
    assert last < 0.02 < 0.05 < linear < first


# ------------------------------------------------------------------------------------- the code


def test_a_layout_joins_what_it_splits():
    layout = lab.CodeLayout(z_dim=3, n_categories=4, n_continuous=2)
    inputs = layout.sample(50, torch.Generator().manual_seed(0))
    assert inputs.shape == (50, layout.length) == (50, 9)
    z, index, continuous = layout.split(inputs)
    assert layout.join(z, index, continuous).equal(inputs)
    assert set(index.tolist()) == {0, 1, 2, 3}
    assert -1 <= continuous.min() < -0.8 and 0.8 < continuous.max() <= 1


def test_the_information_term_is_lower_for_a_reader_who_knows():
    layout = lab.CodeLayout(z_dim=2, n_categories=3, n_continuous=1)
    inputs = layout.sample(64, torch.Generator().manual_seed(0))
    _, index, continuous = layout.split(inputs)
    term = lab.Information(layout, pixels=4, weight=2.0)
    term.q = nn.Identity()
    quiet = torch.zeros(64, 1)
    knows = torch.cat([10 * torch.eye(3)[index], continuous, quiet - 1], 1)
    guesses = torch.zeros(64, 5)
    assert term(knows, inputs) < term(guesses, inputs)
    # log 3, and a tenth of (c² + log 2π)/2, all twice.
    expected = 2 * (math.log(3) + 0.05 * ((continuous**2).mean() + math.log(2 * math.pi)))
    assert term(guesses, inputs).item() == pytest.approx(expected.item(), abs=1e-5)


def test_infogan_makes_the_code_readable_and_a_gan_does_not():
    images, _ = shared_lab.digits()
    layout = lab.CodeLayout(z_dim=8, n_categories=10, n_continuous=0)
    bounds = {}
    for weight in (0.0, 1.0):
        painter, _ = lab.train_infogan(images, layout, weight=weight, steps=300, width=64)
        bounds[weight] = lab.measured_bound(painter, layout, steps=150, width=64)
    assert bounds[0.0] < 0.7 < 1.5 < bounds[1.0]


def test_a_term_that_says_nothing_leaves_the_game_as_it_was():
    """`extra` and `sample_input` are additions: with none of their own they change no weight."""

    class Nothing(nn.Module):
        def forward(self, images, inputs):
            return 0 * images.sum()

    def played(**more):
        torch.manual_seed(0)
        generator, discriminator = shared_lab.mlp(2, 8, 2), shared_lab.mlp(2, 8, 1)
        players = generator, discriminator
        shared_lab.train_gan(gan_lab.ring_points, *players, 2, steps=5, noise=0.1, **more)
        return torch.cat([p.flatten() for p in generator.parameters()])

    def sample(n, rng):
        return torch.randn(n, 2, generator=rng)

    assert played().equal(played(sample_input=sample, extra=Nothing()))


# ------------------------------------------------------------------------------------- looking


class Echo(nn.Module):
    """Paints its input, so that grids can be checked."""

    def forward(self, inputs):
        return inputs


def test_grids_hold_what_they_should():
    layout = lab.CodeLayout(z_dim=2, n_categories=3, n_continuous=2)
    grid = lab.code_grid(Echo(), layout, columns=4)
    assert grid.shape == (3, 4, 7)
    assert grid[:, :, 2:5].equal(torch.eye(3)[:, None].expand(3, 4, 3))
    assert grid[0, :, :2].equal(grid[2, :, :2]) and grid[0, :, 5:].equal(grid[2, :, 5:])
    sweep = lab.code_sweep(Echo(), layout, 1, torch.tensor([-1.0, 0.5]), n=5)
    assert sweep.shape == (3, 5, 2, 7)
    assert (sweep[..., 5] == 0).all()
    assert sweep[..., 6].flatten(0, 1).equal(torch.tensor([[-1.0, 0.5]]).expand(15, 2))
    assert sweep[0, :, 0, :2].equal(sweep[2, :, 1, :2])


def test_a_slash_leans_right_and_ink_counts_white():
    slash = torch.full((8, 8), -1.0)
    slash[torch.arange(8), 7 - torch.arange(8)] = 1
    upright = torch.full((8, 8), -1.0)
    upright[:, 3] = 1
    digits = torch.stack([slash, slash.flip(1), upright]).flatten(1)
    assert lab.slant(digits).tolist() == pytest.approx([1, -1, 0], abs=1e-5)
    assert lab.ink(digits).tolist() == pytest.approx([1 / 8] * 3)


def test_walls_are_behind_the_ink_and_fade_to_one_colour():
    images, _ = shared_lab.digits()
    pictures, wall = lab.on_walls(images[:200], 1.0)
    assert pictures.shape == (200, 192) and pictures.min() >= -1 and pictures.max() <= 1
    assert set(wall.tolist()) == set(range(10))
    black = (images[:200] == -1)[:, None].expand(-1, 3, -1).flatten(1)
    white = (images[:200] == 1)[:, None].expand(-1, 3, -1).flatten(1)
    assert (pictures[white] == 1).all()
    for k in (0, 9):
        shown = pictures[wall == k].view(-1, 3, 64)
        behind = black[wall == k].view(-1, 3, 64)
        assert shown[:, 0][behind[:, 0]].unique().numel() == 1
    faint, _ = lab.on_walls(images[:200], 0.0)
    assert faint.view(200, 3, 64)[:, 0][black.view(200, 3, 64)[:, 0]].std() < 1e-6
