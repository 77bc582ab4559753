"""Scores on photographs: a small folder of drawn ones, tiny networks, and scores by hand."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from finegan_lib.__main__ import main
from finegan_lib.base.checkpoints import save_checkpoint
from finegan_lib.base.errors import InputError
from finegan_lib.data import ToyBirds
from finegan_lib.data.kept_out import is_kept_out
from finegan_lib.discovery.cluster import cluster
from finegan_lib.metrics.code_classifiers import DiscoveryConfig
from finegan_lib.models import (
    FineGANConfig,
    FineGANGenerator,
    InfoGANBaselineConfig,
    InfoGANBaselineGenerator,
    SimpleGANConfig,
    SimpleGANGenerator,
)
from finegan_lib.scoring import photographs
from finegan_lib.scoring.photographs import (
    PhotoConfig,
    discovery_scores,
    evaluate_photographs,
    own_classifier,
    read_scored,
    summary,
)
from finegan_lib.training.presets import PRESETS

TINY = {"image_size": 32, "g_dim": 4, "d_dim": 4, "z_dim": 4}
QUICK = PhotoConfig(
    n_generated=24,
    n_swapped=20,
    n_masks=20,
    classifier_steps=2,
    splits=2,
    subsets=2,
    discovery=DiscoveryConfig(n_images=50, epochs=1, width=2),
)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 drawn birds of four kinds as a folder in CUB's layout."""
    root = tmp_path_factory.mktemp("photographs") / "birds"
    cache = tmp_path_factory.mktemp("cache")
    birds = ToyBirds(60, image_size=32, n_parents=2, n_children=4, cache_dir=cache, progress=False)
    birds.write_cub(root, progress=False)
    return root


def checkpoint(path, family, model, generator, data="photos", keep_out=0.2):
    """An exported file of an untrained generator that says it saw photographs."""
    loop = dataclasses.replace(PRESETS["birds32"].loop, data=data, keep_out=keep_out)
    config = {"family": family, "model": dataclasses.asdict(model)}
    config |= {"recipe": {}, "loop": dataclasses.asdict(loop)}
    torch.manual_seed(0)
    state = {"generator": generator(model).state_dict()}
    return save_checkpoint(path / f"{family}.safetensors", state, config=config)


@pytest.fixture(scope="module")
def finegan(tmp_path_factory):
    model = FineGANConfig(**TINY, n_parents=2, n_children=4)
    return checkpoint(tmp_path_factory.mktemp("net"), "finegan", model, FineGANGenerator)


def test_every_part_of_a_finegan(folder, finegan):
    scores = evaluate_photographs(
        finegan, folder, networks=("own",), seeds=(0, 1), config=QUICK, progress=False
    )
    json.dumps(scores)
    kept = sum(
        is_kept_out(p.name, 0.2) for p in read_scored(folder, 32, progress=False).birds.paths
    )
    assert scores["images"] == 60 and scores["classes"] == 4
    assert scores["kept_out_images"] == kept > 4
    assert scores["left_out"] == {}
    quality = scores["quality"]["own"]
    assert next(iter(quality)) == "kid" and quality["n"] == 24 and quality["n_real"] == 60
    assert np.isfinite([quality["kid"], quality["fid"], quality["kid_kept_out"]]).all()
    parts = ("all", "trained", "trained_as_many", "kept_out", "dice")
    assert set(scores["discovery"]) == set(parts)
    assert set(scores["discovery_whitened"]) == set(parts) - {"dice"}
    assert scores["whiten"] == 48 and scores["readers"]["n_images"] == 50
    assert abs(scores["discovery"]["dice"]["ami"]) < 0.2
    assert set(scores["background"]) == {
        "code_generated",
        "surroundings_generated",
        "surroundings_real",
    }
    assert scores["variety"]["children"] == 4 and scores["variety"]["parents"] == 2
    assert len(scores["masks"]["per_parent"]) == 2
    text = summary(scores)
    for said in (
        "KID",
        "kept out",
        "labels by dice",
        "other surroundings",
        "masks: area",
        "whitened",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("family", "model", "generator", "parts"),
    [
        (
            "infogan_baseline",
            InfoGANBaselineConfig(**TINY, n_children=4),
            InfoGANBaselineGenerator,
            {"discovery", "background", "told_apart"},
        ),
        ("simple_gan", SimpleGANConfig(**TINY), SimpleGANGenerator, set()),
    ],
)
def test_other_families_get_what_they_allow(folder, tmp_path, family, model, generator, parts):
    file = checkpoint(tmp_path, family, model, generator, keep_out=0.0)
    scores = evaluate_photographs(
        file, folder, networks=("own",), seeds=(0,), config=QUICK, progress=False
    )
    assert parts == scores.keys() & {"discovery", "background", "told_apart", "variety", "masks"}
    assert {"variety", "masks", "kept out"} <= scores["left_out"].keys()
    assert ("discovery" in scores["left_out"]) is (not parts)
    assert "code_generated" not in scores.get("background", {})
    assert "left out: masks (this family has no masks)" in summary(scores)


def test_without_labels_the_rest_is_scored(folder, finegan, tmp_path):
    import shutil

    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    (bare / "image_class_labels.txt").unlink()
    moved = [line.split(" ", 1) for line in (bare / "images.txt").read_text().splitlines()]
    (bare / "images" / "flat").mkdir()
    lines = []
    for number, name in moved:
        (bare / "images" / name).rename(bare / "images" / "flat" / f"{number}.png")
        lines.append(f"{number} flat/{number}.png")
    (bare / "images.txt").write_text("\n".join(lines) + "\n")
    scores = evaluate_photographs(
        finegan, bare, networks=("own",), seeds=(0,), config=QUICK, keep_out=0.0, progress=False
    )
    assert scores["classes"] is None and scores["quality"] == {}
    assert scores["left_out"]["own"] == scores["left_out"]["discovery"]
    assert "discovery" not in scores and scores["background"]["code_generated"]["kept"] <= 1


def test_one_folder_a_class_has_labels(folder, tmp_path):
    import shutil

    sorted_ = tmp_path / "sorted"
    shutil.copytree(folder, sorted_)
    (sorted_ / "image_class_labels.txt").rename(sorted_ / "answers.txt")
    lines = [line.split() for line in (sorted_ / "images.txt").read_text().splitlines()]
    labels = dict(line.split() for line in (sorted_ / "answers.txt").read_text().splitlines())
    for number, name in lines:
        place = sorted_ / "images" / f"kind{labels[number]}" / f"{number}.png"
        place.parent.mkdir(exist_ok=True)
        (sorted_ / "images" / name).rename(place)
    rows = [f"{number} kind{labels[number]}/{number}.png" for number, _ in lines]
    (sorted_ / "images.txt").write_text("\n".join(rows) + "\n")
    photos = read_scored(sorted_, 32, progress=False)
    assert photos.labels.tolist() == [int(labels[number]) - 1 for number, _ in lines]


@pytest.mark.parametrize("share", [1.5, 1, -0.1])
def test_what_is_no_share_cannot_be_kept_out(folder, share):
    with pytest.raises(InputError, match=rf"keep_out must be in \[0, 1\); got {share}"):
        read_scored(folder, 32, share, progress=False)


def test_the_sets_own_classifier_is_trained_once(folder, monkeypatch):
    photos = read_scored(folder, 32, progress=False)
    config = dataclasses.replace(QUICK, classifier_steps=3)
    first = own_classifier(photos, config, progress=False)
    assert first.metadata["n_test"] == sum(is_kept_out(p.name, 0.1) for p in photos.birds.paths)
    monkeypatch.setattr(photographs, "train_small_classifier", None)
    again = own_classifier(photos, config, progress=False)
    assert first.child.weight.equal(again.child.weight)
    other = dataclasses.replace(photos, labels=photos.labels[::-1].copy())
    with pytest.raises(TypeError):  # other labels, another classifier
        own_classifier(other, config, progress=False)


def test_discovery_by_hand():
    """Features that equal the class; those of kept-out photographs have no information."""
    labels = np.repeat(np.arange(5), 40)
    kept = np.arange(200) % 8 == 0
    features = np.eye(5)[labels] + 0.01 * np.random.default_rng(0).normal(size=(200, 5))
    features[kept] = np.eye(5)[np.random.default_rng(1).integers(5, size=kept.sum())]
    found = discovery_scores(features, labels, kept)
    assert found["trained"]["ami"] == pytest.approx(1)
    assert found["trained_as_many"]["accuracy"] == pytest.approx(1)
    assert found["kept_out"]["ami"] < 0.3 and found["all"]["accuracy"] < 0.95
    assert abs(found["dice"]["ami"]) < 0.05 < found["dice"]["nmi_arithmetic"] + 0.05
    whole = discovery_scores(features, labels, np.zeros(200, bool))
    assert set(whole) == {"all", "dice"}
    assert set(discovery_scores(features, labels, ~kept)) == {"all", "dice"}  # 25 trained of 200


def test_too_few_trained_photographs_are_a_reason(folder, finegan):
    options = {"networks": ("own",), "seeds": (0,), "config": QUICK, "progress": False}
    scores = evaluate_photographs(finegan, folder, keep_out=0.7, **options)
    kept = scores["kept_out_images"]
    assert kept > 30 and "kept_out" not in scores["discovery"]
    assert scores["left_out"] == {
        "kept out": f"too few trained photographs to compare with: {60 - kept} trained, "
        f"{kept} kept out, 4 classes"
    }
    assert "left out: kept out (too few trained" in summary(scores)


def test_whitening_is_fitted_to_what_is_clustered():
    """Two classes differ in a direction of small variance; a direction without meaning is large."""
    rng = np.random.default_rng(0)
    labels, kept = np.arange(200) % 2, np.arange(200) % 10 == 0
    features = np.stack([np.zeros(200), labels - 0.5], 1) + rng.normal(size=(200, 2)) * [9, 0.1]
    plain = discovery_scores(features, labels, kept)
    whitened = discovery_scores(features, labels, kept, whiten=2)
    assert plain["all"]["ami"] < 0.1 and plain["kept_out"]["ami"] < 0.2
    assert whitened["all"]["ami"] > 0.8 and whitened["kept_out"]["ami"] > 0.5
    features[kept] *= 1000  # must not enter the map that the others are seen by
    again = discovery_scores(features, labels, kept, whiten=2)
    assert again["trained"] == whitened["trained"]


def test_the_command(folder, finegan, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(photographs, "PhotoConfig", lambda: QUICK)
    arguments = ["evaluate", "--checkpoint", str(finegan), "--data", str(folder), "--seeds", "0"]
    arguments += ["--networks", "own", "--no-progress", "--json", str(tmp_path / "scores.json")]
    assert main(arguments) == 0
    assert "categories of the photographs" in capsys.readouterr().out
    assert json.loads((tmp_path / "scores.json").read_text())["keep_out"] == 0.2
    more = ["--whiten", "0", "--reader-images", "40", "--reader-width", "3"]
    assert main([*arguments, *more]) == 0
    found = json.loads((tmp_path / "scores.json").read_text())
    assert "discovery_whitened" not in found and "whitened" not in capsys.readouterr().out
    assert (found["readers"]["n_images"], found["readers"]["width"]) == (40, 3)
    assert main(["evaluate", "--checkpoint", str(finegan), "--data", str(tmp_path)]) == 2
    assert "need a folder in CUB's layout" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "disentangle", "quality", "demo"])
def test_toybirds_truth_is_refused_in_one_line(command, finegan, capsys, tmp_path):
    arguments = [command, "--checkpoint", str(finegan), "--no-progress"]
    arguments += ["--out", str(tmp_path)] if command == "demo" else []
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "trained on photographs" in error and "evaluate --checkpoint" in error


@pytest.mark.parametrize("source", ["transfer toybirds toybirds", "segment toybirds"])
def test_drawn_birds_are_refused_for_a_network_of_photographs(source, finegan, capsys, tmp_path):
    arguments = [*source.split(), "--out", str(tmp_path / "out"), "--no-progress"]
    assert main([*arguments, "--checkpoint", str(finegan)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "learnt nothing about drawn birds" in error
    assert not (tmp_path / "out").exists()


def test_drawn_birds_are_sorted_by_methods_without_a_network(finegan, tmp_path, monkeypatch):
    monkeypatch.setattr("finegan_lib.discovery.cluster.code_readers", lambda *_, **__: 1 / 0)
    options = {"checkpoint": finegan, "image_size": 32, "n_images": 6, "progress": False}
    with pytest.raises(InputError, match="learnt nothing about drawn birds"):
        cluster("toybirds", "finegan", None, tmp_path / "a", **options)
    assert cluster("toybirds", "kmeans", 2, tmp_path / "b", **options)["images"] == 6


def test_a_misspelt_network_is_refused_before_the_own_one_is_trained(folder, finegan, monkeypatch):
    monkeypatch.setattr(photographs, "own_classifier", lambda *_: 1 / 0)
    monkeypatch.setattr(photographs, "read_scored", lambda *_: 1 / 0)
    with pytest.raises(InputError, match="no feature network could be read; got pretraned"):
        evaluate_photographs(finegan, folder, networks=("own", "pretraned"), progress=False)


def test_a_folder_that_is_none_is_refused(finegan, tmp_path):
    with pytest.raises(InputError):
        evaluate_photographs(finegan, tmp_path / "nowhere", config=QUICK, progress=False)
