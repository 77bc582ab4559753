import csv

import numpy as np
import pytest
import torch
from PIL import Image

from finegan_lib.__main__ import main
from finegan_lib.base.errors import InputError
from finegan_lib.data import ToyBirds
from finegan_lib.discovery.cluster import (
    METHODS,
    agreement,
    cluster,
    cluster_images,
    contact_sheet,
    finegan_features,
    folder_labels,
    middle_square,
    read_images,
    with_title,
)
from finegan_lib.discovery.depict import DEPICTConfig
from finegan_lib.discovery.jule import JULEConfig
from finegan_lib.metrics.clustering import whitening
from finegan_lib.metrics.code_classifiers import DiscoveryConfig
from finegan_lib.models import FineGANConfig, FineGANGenerator

QUICK = {
    "jule": JULEConfig(width=4, features=8, epochs=1, neighbours=5),
    "jule_resnet50": JULEConfig(backbone="resnet50", features=8, epochs=1, unrolling=1.0),
    "depict": DEPICTConfig(widths=(4,), pretrain_epochs=2, warm_epochs=1, epochs=1),
    "depict_large": DEPICTConfig(widths=(4, 4, 4, 4), pretrain_epochs=1, warm_epochs=1, epochs=1),
    "finegan": DiscoveryConfig(n_images=100, epochs=1, width=2),
    "kmeans": None,
}
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 30), "blue": (30, 30, 220)}


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """A folder of 24 plain pictures in three colours, of several sizes and kinds of file."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(24):
        name, colour = list(COLOURS.items())[i % 3]
        size = (int(rng.integers(36, 60)), int(rng.integers(36, 60)), 3)
        pixels = np.clip(rng.normal(colour, 12, size), 0, 255).astype(np.uint8)
        path = folder / name / f"{i:02d}.{'png' if i % 2 else 'jpg'}"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_every_method_sorts_a_folder(method, colours, tmp_path):
    result = cluster(
        colours, method, 3, tmp_path, image_size=32, config=QUICK[method], progress=False
    )
    assert result["images"] == 24 and sum(result["sizes"]) == 24 and len(result["sizes"]) == 3
    with open(tmp_path / "clusters.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24 and set(rows[0]) == {"file", "cluster"}
    assert {row["cluster"] for row in rows} <= {"0", "1", "2"}
    assert all((colours / row["file"]).is_file() for row in rows)
    with Image.open(tmp_path / "clusters.png") as sheet:
        assert sheet.size[0] > 800


def test_one_folder_a_category_is_scored(colours, tmp_path):
    result = cluster(colours, "kmeans", 3, tmp_path, image_size=32, progress=False)
    assert result["agreement"]["ami"] == pytest.approx(1)


def test_labels_of_folders():
    names = ["train/robin/1.jpg", "test/robin/2.jpg", "train/wren/1.jpg"]
    assert folder_labels(names).tolist() == [0, 0, 1]
    assert folder_labels([*names, "stray.jpg"]) is None
    assert folder_labels(["all/1.jpg", "all/2.jpg"]) is None


def test_colours_are_told_apart(colours, tmp_path):
    for method in ("kmeans", "jule"):
        cluster(colours, method, 3, tmp_path / method, image_size=32, config=QUICK[method])
        with open(tmp_path / method / "clusters.csv") as file:
            found = {(r["file"].split("/")[0], r["cluster"]) for r in csv.DictReader(file)}
        assert len(found) == 3, method


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path / "cache"))
    arguments = "cluster toybirds --method kmeans --n-clusters 4 --image-size 32 --n-images 40"
    assert main([*arguments.split(), "--out", str(tmp_path / "out"), "--no-progress"]) == 0
    said = capsys.readouterr().out
    assert "40 images in 4 clusters" in said and "nmi_max" in said and "ari" in said
    assert (tmp_path / "out/clusters.png").is_file()
    assert main([*arguments.split(), "--out", str(tmp_path / "out/clusters.csv")]) == 2
    assert "this is a file" in capsys.readouterr().err


def test_the_toybirds_that_are_sorted_are_none_that_a_preset_trains_on(tmp_path, monkeypatch):
    seen = []

    def sort(images, *_, **__):
        seen.append(images)
        return np.zeros(len(images), np.int64)

    monkeypatch.setattr("finegan_lib.discovery.cluster.cluster_images", sort)
    cluster("toybirds", "kmeans", 2, tmp_path / "out", image_size=32, n_images=6)
    trained = ToyBirds(6, image_size=32, seed=0, progress=False).evaluation_crops()
    assert not any(a.equal(b) for a, b in zip(seen[0], trained, strict=True))


def test_without_a_number_there_are_as_many_clusters_as_children(colours, tmp_path):
    result = cluster(
        colours, "finegan", None, tmp_path / "a", image_size=32, config=QUICK["finegan"]
    )
    assert result["n_clusters"] == 20  # of toy
    with pytest.raises(InputError, match="--n-clusters"):
        cluster(colours, "kmeans", None, tmp_path / "b", image_size=32)


def test_a_title_stands_above_the_sheet():
    sheet = Image.new("RGB", (400, 50), "blue")
    titled = np.array(with_title(sheet, "a title"))
    assert titled.shape == (80, 400, 3) and (titled[30:] == (0, 0, 255)).all()
    assert (titled[:30] < 128).all(2).any()  # letters


def test_toybirds_and_cub_folders_come_with_their_truth(tmp_path, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path / "cache"))
    from finegan_lib.data import ToyBirds

    images, names, truth = read_images("toybirds", 32, n_images=20, seed=3)
    assert images.shape == (20, 3, 32, 32) and len(names) == len(truth) == 20
    ToyBirds(20, image_size=32, seed=3, progress=False).write_cub(tmp_path / "cub", progress=False)
    images, names, truth_again = read_images(tmp_path / "cub", 32)
    assert images.shape == (20, 3, 32, 32)
    assert all((tmp_path / "cub" / name).is_file() for name in names)
    assert agreement(truth, truth_again)["nmi_max"] == pytest.approx(1)


def test_the_middle_square():
    image = Image.new("RGB", (60, 30), "black")
    image.paste("white", (15, 0, 45, 30))
    assert (middle_square(image, 10)[:, :, 1:-1] == 255).all()
    assert middle_square(image.rotate(90, expand=True), 10).shape == (3, 10, 10)


def test_features_of_both_classifiers_stand_side_by_side():
    generator = FineGANGenerator(
        FineGANConfig(image_size=32, g_dim=4, z_dim=4, n_parents=2, n_children=4)
    ).eval()
    images = torch.randint(256, (6, 3, 32, 32), dtype=torch.uint8)
    features = finegan_features(images, generator, QUICK["finegan"])
    assert features.shape == (6, 2 * 4 * 2)
    assert features.equal(finegan_features(images, generator, QUICK["finegan"]))


def test_whitened_features_are_what_is_sorted(colours, tmp_path, monkeypatch):
    seen = []

    def watch(features, k, seed):
        seen.append(np.asarray(features))
        return np.arange(len(features)) % k

    monkeypatch.setattr("finegan_lib.discovery.cluster.kmeans_labels", watch)
    options = {"image_size": 32, "config": QUICK["finegan"], "progress": False}
    plain = cluster(colours, "finegan", 3, tmp_path / "a", **options)
    whitened = cluster(colours, "finegan", 3, tmp_path / "b", whiten=5, **options)
    assert (plain["whiten"], whitened["whiten"]) == (0, 5)
    assert seen[1].shape == (24, 5)
    np.testing.assert_allclose(np.linalg.norm(seen[1], axis=1), 1, rtol=1e-4)
    np.testing.assert_allclose(seen[1], whitening(seen[0], 5).transform(seen[0]), atol=1e-4)
    with pytest.raises(InputError, match="--whiten 5 with kmeans"):
        cluster(colours, "kmeans", 3, tmp_path / "c", image_size=32, whiten=5)


def test_options_of_the_classifiers(colours, tmp_path, capsys, monkeypatch):
    asked = {}

    def watch(*_, **options):
        asked.update(options)
        return {"images": 1, "sizes": [1]}

    monkeypatch.setattr("finegan_lib.discovery.cluster.cluster", watch)
    words = ["cluster", str(colours), "--out", str(tmp_path / "out"), "--no-progress"]
    assert main(words) == 0
    assert asked["config"] is None and asked["whiten"] == 0
    words += ["--reader-images", "90", "--reader-width", "3"]
    assert main([*words, "--whiten", "7"]) == 0
    assert asked["config"] == DiscoveryConfig(n_images=90, width=3) and asked["whiten"] == 7
    assert main([*words, "--method", "kmeans"]) == 2
    assert "only finegan sorts by classifiers" in capsys.readouterr().err


def test_agreement_by_hand():
    scores = agreement([0, 1, 2, 3], [0, 0, 1, 1])
    assert scores["nmi_arithmetic"] == pytest.approx(1 / 1.5)
    assert scores["nmi_geometric"] == pytest.approx(1 / np.sqrt(2))
    assert scores["nmi_max"] == pytest.approx(0.5)
    assert scores["accuracy"] == 0.5 and scores["ari"] == pytest.approx(0)


def test_the_sheet_shows_members_of_the_largest_cluster_first():
    images = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
    images[3:] = 255
    sheet = np.array(contact_sheet(images, np.array([2, 2, 2, 0, 0]), 3, columns=4))
    assert sheet.shape == (2 * 68 + 4, 92 + 4 * 68 + 4, 3)  # cluster 1 is empty: no line
    assert (sheet[4:68, 92:156] == 0).all()  # the black ones, three of them
    assert (sheet[72:136, 92:156] == 255).all()


@pytest.mark.parametrize(
    ("source", "method", "said"),
    [("nowhere", "kmeans", "no such folder"), ("empty", "kmeans", "no image in this folder")],
)
def test_bad_folders_are_named(source, method, said, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=said):
        cluster(tmp_path / source, method, 3, tmp_path / "out", progress=False)


@pytest.mark.parametrize("size", [0, -7])
def test_a_size_that_no_picture_has_is_named(size, colours):
    with pytest.raises(InputError, match=f"image_size must be at least 1; got {size}"):
        read_images(colours, size)


def test_an_unknown_method_is_named():
    images = torch.zeros(5, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(InputError, match="magic"):
        cluster_images(images, "magic", 2)
