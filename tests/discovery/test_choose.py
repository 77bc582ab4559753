"""A number of children without labels: the method finds the known number."""

import json
import math

import numpy as np
import pytest
import torch

from finegan_lib.__main__ import main
from finegan_lib.base.errors import InputError
from finegan_lib.data import BirdsFolder, ToyBirds
from finegan_lib.data.kept_out import evenly
from finegan_lib.discovery import choose
from finegan_lib.metrics.code_classifiers import DiscoveryConfig
from finegan_lib.models import InfoGANBaselineConfig, InfoGANBaselineGenerator


def confused(groups, n=400, sure=6.0, seed=0):
    """Logits and codes of a classifier that guesses within each group of codes."""
    n_codes = sum(len(group) for group in groups)
    rng = torch.Generator().manual_seed(seed)
    codes = torch.arange(n) % n_codes
    logits = torch.randn(n, n_codes, generator=rng)
    for group in groups:
        inside = torch.isin(codes, torch.tensor(group))
        for code in group:
            logits[inside, code] += sure
    return logits, codes


def test_codes_that_draw_the_same_are_merged():
    groups = [[0, 3, 5], [1], [2, 4], [6], [7]]
    assert choose.merge_codes(*confused(groups)) == groups


def test_nothing_is_merged_that_is_told_apart():
    alone = [[k] for k in range(6)]
    assert choose.merge_codes(*confused(alone)) == alone


def test_guesses_leave_one_group():
    assert choose.merge_codes(*confused([list(range(5))])) == [list(range(5))]


def test_a_threshold_between_guessing_and_knowing():
    """Right three times of five and wrong twice: two codes if 0.55 is enough, one if 0.75 is."""
    right = torch.tensor([1, 1, 1, 0, 0] * 2)
    codes = torch.arange(2).repeat_interleave(5)
    logits = torch.zeros(10, 2)
    logits[torch.arange(10), torch.where(right == 1, codes, 1 - codes)] = math.log(3)
    assert choose.merge_codes(logits, codes, 0.55) == [[0], [1]]
    assert choose.merge_codes(logits, codes) == [[0, 1]]


def test_a_group_answers_with_one_voice():
    """Code 2's images give 0.4 to it, 0.3 each to 0 and 1: against the two together it loses."""
    q = torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.3, 0.3, 0.4]]) + 1e-6
    logits, codes = q.log().repeat(30, 1), torch.arange(3).repeat(30)
    assert choose.merge_codes(logits, codes, 0.55) == [[0, 1, 2]]


def test_both_curves_peak_at_the_number_of_clumps():
    """Six clumps, seen by two classifiers with noise of their own."""
    centres = 10 * torch.eye(6)[torch.arange(240) % 6]
    seen = [(centres + torch.randn(240, 6, generator=seeded(i))).numpy() for i in range(2)]
    agreement, silhouette = choose.sorting_curves(seen, range(2, 11))
    for curve in (agreement, silhouette):
        assert list(curve) == list(range(2, 11))
        assert max(curve, key=curve.get) == 6
    assert agreement[6] == pytest.approx(1) and agreement[10] < 0.95
    assert silhouette[6] > 0.6


def test_of_equals_the_largest_number():
    assert choose.highest({2: 1.0, 4: 0.996, 5: 0.9}) == 4
    assert choose.highest({2: 0.8, 4: 0.95, 5: 0.9}) == 4
    assert choose.highest({2: 0.96, 4: 0.95}) == 2


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


COLOURS = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1]]) * 0.8


class Painter(InfoGANBaselineGenerator):
    """Twelve codes, four colours: every colour has three codes."""

    def forward(self, z, code):
        colour = COLOURS[code.argmax(1) % 4] + 0.1 * z[:, :3]
        return colour[:, :, None, None].expand(-1, -1, 32, 32)


def test_the_true_number_is_found():
    config = InfoGANBaselineConfig(image_size=32, n_children=12, g_dim=4, d_dim=4, z_dim=3)
    generator = Painter(config).eval()
    colours = COLOURS[torch.arange(120) % 4] + 0.1 * torch.randn(120, 3, generator=seeded())
    real = ((colours + 1) * 127.5).clamp(0, 255).round().byte()[:, :, None, None]
    few = choose.ChoiceConfig(
        images_per_code=60,
        discovery=DiscoveryConfig(epochs=3, width=4, batch_size=20),
    )
    real = real.expand(-1, -1, 32, 32)
    found = choose.choose_n_children(generator, real, few)
    assert found["n_children"] == 4 and found["n_codes"] == 12
    assert found["by_merging"] == found["by_silhouette"] == 4
    assert found["groups"] == [[k, k + 4, k + 8] for k in range(4)]
    assert list(found["curves"]["silhouette"]) == list(range(2, 13))
    with pytest.raises(InputError, match="too few images"):
        choose.choose_n_children(generator, real[:3], few)


def test_the_command(tmp_path, tmp_path_factory, monkeypatch, capsys):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    small = DiscoveryConfig(epochs=1, width=2)
    quick = choose.ChoiceConfig(images_per_code=20, n_real=60, discovery=small)
    monkeypatch.setattr(choose, "ChoiceConfig", lambda n_real: quick)
    sizes = "--image-size 32 --g-dim 4 --d-dim 4 --z-dim 4 --n-parents 2 --n-children 8"
    sizes += " --world-children 4 --world-parents 2"
    loop = "--n-images 64 --batch-size 4 --steps 1 --device cpu --no-progress"
    run = tmp_path / "run"
    assert main(["train", "--run", str(run), *sizes.split(), *loop.split()]) == 0
    arguments = ["choose-n-children", "--checkpoint", str(run), "--no-progress"]
    assert main([*arguments, "--json", str(tmp_path / "found.json")]) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["true_children"] == 4 and found["n_codes"] == 8
    assert 2 <= found["n_children"] <= 8
    assert sorted(k for group in found["groups"] for k in group) == list(range(8))
    assert np.isfinite(list(found["curves"]["agreement"].values())).all()
    assert f"proposed number of children: {found['n_children']}" in capsys.readouterr().out


def test_a_generator_without_codes_is_refused(tmp_path, tmp_path_factory, monkeypatch, capsys):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    run, sizes = tmp_path / "run", "--preset gan --image-size 32 --g-dim 4 --d-dim 4 --z-dim 4"
    loop = "--n-images 64 --batch-size 4 --steps 1 --device cpu --no-progress"
    assert main(["train", "--run", str(run), *sizes.split(), *loop.split()]) == 0
    assert main(["choose-n-children", "--checkpoint", str(run), "--no-progress"]) == 2
    assert "no categorical code; got GAN. Give a FineGAN" in capsys.readouterr().err


def test_photographs_that_lie_elsewhere_now(tmp_path, tmp_path_factory, monkeypatch, capsys):
    """A shipped network names a folder that the user has elsewhere, or not at all."""
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    birds = ToyBirds(24, image_size=32, n_parents=2, n_children=4, progress=False)
    birds.write_cub(tmp_path / "birds", progress=False)
    sizes = "--image-size 32 --g-dim 4 --d-dim 4 --z-dim 4 --n-parents 2 --n-children 8"
    loop = "--batch-size 4 --steps 1 --device cpu --no-progress"
    run, data = str(tmp_path / "run"), ["--data", str(tmp_path / "birds")]
    assert main(["train", "--run", run, *data, *sizes.split(), *loop.split()]) == 0
    (tmp_path / "birds").rename(tmp_path / "moved")
    seen, found = [], {"curves": {"agreement": {2: 1.0}}, "n_children": 2, "n_codes": 8}
    found |= {"by_silhouette": 2, "by_merging": 2.0}
    monkeypatch.setattr(
        choose, "choose_n_children", lambda _, x, *__, **___: seen.append(x) or found
    )
    arguments = ["choose-n-children", "--checkpoint", run, "--n-real", "10", "--no-progress"]
    assert main(arguments) == 2
    assert "--data FOLDER" in capsys.readouterr().err
    assert main([*arguments, "--data", str(tmp_path / "moved")]) == 0
    moved = BirdsFolder(tmp_path / "moved", image_size=32)
    assert seen[0].equal(moved.evaluation_crops(evenly(range(24), 10)))
