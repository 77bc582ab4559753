"""A new metric needs a function and a row, nothing else, and appears wherever the others do."""

import json
from dataclasses import asdict

import pytest
import torch

from finegan_lib.__main__ import main
from finegan_lib.experiments import tables
from finegan_lib.metrics.feature_networks import load_network
from finegan_lib.metrics.image_quality import METRICS, Metric, Statistics
from finegan_lib.models.inputs import Noise
from finegan_lib.scoring.photographs import quality_through


def distance_of_means(real: Statistics, fake: Statistics) -> float:
    """How far the mean features of two sets of pictures are apart."""
    return float((real.sums.mean - fake.sums.mean).norm())


ROW = Metric(
    "mean_distance", "Distance of means", lambda sets: distance_of_means(sets.real, sets.fake)
)


@pytest.fixture(autouse=True)
def row(monkeypatch, tmp_path):
    """The metric has its row."""
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path / "cache"))
    METRICS.append(ROW)
    yield
    METRICS.remove(ROW)


def test_a_new_metric_stands_in_quality_in_json_and_in_tables(tmp_path, monkeypatch, capsys):
    out = tmp_path / "scores.json"
    sizes = ["--n", "40", "--n-real", "40", "--splits", "2", "--device", "cpu", "--no-progress"]
    assert main(["quality", *sizes, "--json", str(out)]) == 0
    scores = json.loads(out.read_text())
    assert scores["mean_distance"] > 0
    assert f"Distance of means  {scores['mean_distance']:9.3f}" in capsys.readouterr().out

    monkeypatch.setattr(tables, "evaluate_quality", lambda *_, **__: scores)
    monkeypatch.setattr(tables, "load_generator", lambda _: None)
    monkeypatch.setattr(tables, "inputs_of", lambda _: Noise())
    settings = tables.Settings()
    kept = tables.image_scores("toy", tables.base_config(settings), settings, progress=False)
    assert kept["mean_distance"] == scores["mean_distance"]
    assert list(kept)[:2] == ["inception_score", "inception_score_sd"]

    systems = {"FineGAN": {name: [value, value + 1] for name, value in kept.items()}}
    summary = asdict(settings) | {"table": 1, "steps": 9, "systems": systems}
    header, _, row = tables.table_text(summary).splitlines()[:3]
    column = [cell.strip() for cell in header.split("|")].index("Distance of means")
    mean = scores["mean_distance"] + 0.5
    assert row.split("|")[column].strip().startswith(f"{mean:.2f}")


def test_a_new_metric_stands_in_the_scores_on_photographs():
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randint(256, (2, 20, 3, 32, 32), generator=rng, dtype=torch.uint8)
    network = load_network("toy", 32)
    scores = quality_through(network, real, fake // 2, [False] * 20, splits=2, progress=False)
    assert next(iter(scores)) == "kid"
    assert scores["mean_distance"] > 0
