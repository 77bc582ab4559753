import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from finegan_lib import course
from finegan_lib.discovery.jule import ClusterGraph, first_clusters, graph_weights
from finegan_lib.experiments.paper import paper_tables, toy_table
from finegan_lib.metrics import hungarian_accuracy, nmi
from finegan_lib.metrics.code_classifiers import shrink
from finegan_lib.models import FineGANConfig, FineGANGenerator

lab = course.lab("discovery")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def labels():
    rng = np.random.default_rng(0)
    true = rng.integers(4, size=200)
    return true, np.where(rng.random(200) < 0.7, (true + 1) % 4, rng.integers(6, size=200))


def test_views_belong_together():
    generator = FineGANGenerator(
        FineGANConfig(image_size=32, g_dim=4, z_dim=4, n_parents=2, n_children=4)
    ).eval()
    made = lab.generated_views(generator, 60, seed=3, size=16)
    assert made["final"].shape == made["masked"].shape == (60, 3, 16, 16)
    parents = generator.config.hierarchy().parent_of[made["child"]]
    assert made["parent"].equal(parents)
    # the first batch again, by hand
    hierarchy, rng = generator.config.hierarchy(), torch.Generator().manual_seed(3)
    free = hierarchy.sample(50, 4, tied=False, rng=rng)
    with torch.no_grad():
        child = generator(hierarchy.codes(free.z, free.c_index, b_index=free.b_index)).child
    assert made["child"][:50].equal(free.c_index)
    assert made["background"][:50].equal(free.b_index)
    assert made["final"][:50].equal(shrink(child.image, 16))
    assert made["masked"][:50].equal(shrink(child.mask * child.foreground, 16))
    again = lab.generated_views(generator, 60, seed=3, size=16)
    assert again["masked"].equal(made["masked"])


def test_the_text_says_that_phi_ps_pictures_are_tied_here(lesson_text):
    """As ``generated_views`` makes them: the test before. So the plumage shows the parent, too."""
    text = lesson_text("discovery")
    assert "depend on the shape alone" not in text
    assert "each of its pictures has the parent of $c$ as $p$" in text


def test_shuffling_keeps_the_codes_and_loses_the_order():
    codes = torch.arange(50) % 5
    mixed = lab.shuffled(codes)
    assert mixed.sort().values.equal(codes.sort().values)
    assert (mixed == codes).float().mean() < 0.5


@pytest.mark.parametrize("mean", ["arithmetic", "max", "min"])
def test_nmi_of_counts_is_the_librarys(labels, mean):
    counts = lab.table_of_counts(*labels)
    assert lab.nmi_of_counts(counts, mean) == pytest.approx(nmi(*labels, mean))


def test_nmi_of_counts_by_hand():
    # Two classes of 2; cluster 0 holds one of each, clusters 1 and 2 the others.
    counts = torch.tensor([[1.0, 1, 0], [1, 0, 1]])
    # H(rows) = 1 bit, H(columns) = 1.5, H(cells) = 2: I = 0.5.
    assert lab.nmi_of_counts(counts) == pytest.approx(0.5 / 1.25)
    assert lab.nmi_of_counts(counts, "max") == pytest.approx(0.5 / 1.5)
    assert lab.nmi_of_counts(torch.tensor([[5.0]])) == 0


def test_accuracy_of_counts(labels):
    assert lab.accuracy_of_counts(lab.table_of_counts(*labels)) == pytest.approx(
        hungarian_accuracy(*labels)
    )
    greedy_is_worse = torch.tensor([[10.0, 12], [0, 9]])
    assert lab.accuracy_of_counts(greedy_is_worse) == pytest.approx(19 / 31)


def test_matching_brings_the_counts_to_the_diagonal(labels):
    counts = lab.table_of_counts(*labels)
    matched = lab.matched_columns(counts)
    assert matched.shape == counts.shape
    assert matched.diagonal().sum() / counts.sum() == pytest.approx(hungarian_accuracy(*labels))
    assert matched.sum(0).sort().values.equal(counts.sum(0).sort().values)


def test_dice_fool_nmi_and_not_ari():
    truth = np.arange(400) % 20
    curves = lab.scores_of_dice(truth, [5, 50, 300])
    assert curves["NMI"][0] < 0.2 < curves["NMI"][1] < curves["NMI"][2]
    assert max(map(abs, curves["ARI"])) < 0.05
    strict = curves["NMI, by the larger entropy"]
    assert all(a <= b for a, b in zip(strict, curves["NMI"], strict=True))
    assert max(map(abs, curves["AMI"])) < 0.05


def test_two_scores_disagree_where_clusters_are_small_and_pure():
    split, blurred = torch.eye(3).repeat_interleave(2, 1) * 10, torch.eye(3) * 11 + 3
    assert lab.disagreement((split, blurred)) is None
    assert "other way round" in lab.disagreement((blurred, split))
    assert "add up to 20" in lab.disagreement((split, 2 * blurred))


def test_the_affinity_is_that_of_the_graph():
    points, _ = lab.petals(30)
    labels = first_clusters(points)
    weights = graph_weights(points, 4)
    graph = ClusterGraph(weights, labels)
    dense = torch.from_numpy(weights.toarray())
    (a, near), *_ = ((a, row) for a, row in graph.affinity.items() if row)
    for b, value in near.items():
        assert lab.affinity(dense, graph.members[a], graph.members[b]).item() == pytest.approx(
            value
        )


def test_codes_for_a_classifier_keep_the_background_free():
    made = lab.probe_codes(lab.free_backgrounds, 600)
    assert made["b tells c"] == "no" and made["p is the parent of c"] == "always"
    tied = lab.probe_codes(lambda hierarchy, n, z, rng: hierarchy.sample(n, z, rng=rng), 600)
    assert tied["b tells c"] == "yes" and tied["b is c"] == "always"


def test_the_story_of_merging():
    points, truth = lab.petals()
    weights, story = lab.merge_story(points, [10, 3])
    assert weights.shape == (150, 150)
    counts = {name: len(np.unique(labels)) for name, labels in story.items()}
    assert counts["first"] > 10 and counts[10] == 10 and counts[3] == 3
    assert nmi(truth, story[3]) > 0.9
    # a merge never takes images apart
    for few, many in ((3, 10), (10, "first")):
        pairs = set(zip(story[many].tolist(), story[few].tolist(), strict=True))
        assert len(pairs) == counts[many]


def test_the_tables_elsewhere():
    later = lab.elsewhere()
    assert later["nmi"]["C3-GAN"]["birds"] == 0.53 and later["accuracy"]["C3-GAN"]["birds"] == 0.276
    assert "2112.14971" in later["source"]
    assert set(lab.TABLE3_ORDER) == set(paper_tables()["table3_nmi"])


def test_who_is_better_elsewhere_is_said_of_each_data_set(lesson_text):
    later = lab.elsewhere()
    ours, theirs = (later["nmi"][name] for name in ("FineGAN", "InfoGAN"))
    assert {data for data in ours if theirs[data] > ours[data]} == {"birds"}
    assert later["accuracy"]["InfoGAN"]["birds"] > later["accuracy"]["FineGAN"]["birds"]
    text = lesson_text("discovery")
    assert "On birds, their InfoGAN is even a little better than their FineGAN; on dogs and" in text


def test_the_rows_of_our_table_have_the_stated_seeds(lesson_text):
    seeds = {name: len(row["seed"]) for name, row in toy_table(3)["systems"].items()}
    assert seeds.pop("labels by dice") == 3 and set(seeds.values()) == {1}
    assert "with one seed each (the dice with three)" in lesson_text("discovery")


def test_results_on_digits_say_how_they_were_made():
    results = lab.digits_results()
    assert results["command"].startswith("python -m finegan_lib.experiments.digits")
    pixels = results["methods"]["k-means on pixels"]["nmi_arithmetic"]
    for method in ("JULE", "DEPICT"):
        values = results["methods"][method]["nmi_arithmetic"]
        assert len(values) == 3
        assert min(values) > max(pixels) + 0.03, method


def test_example_images_and_their_names():
    images = torch.zeros(6, 3, 4, 4, dtype=torch.uint8)
    rows = lab.example_images(images, np.array([0, 0, 0, 1, 1, 2]), [0, 2], n=2)
    assert [len(row) for row in rows] == [2, 1] and rows[0][0].min() == -1
    names = lab.dominant_names([0, 0, 0, 1], [1, 1, 0, 0], ["owl", "duck"], [0, 1])
    assert names == ["duck\n2 of 3", "owl\n1 of 1"]


def test_figures_show_what_they_are_given(labels):
    scores = {"φ: both": {"child": 0.8, "parent": 0.5}, "raw": {"child": 0.2, "parent": 0.1}}
    left, right = lab.draw_bars(scores, "t").axes
    assert [bar.get_width() for bar in left.patches] == [0.8, 0.2]
    assert [bar.get_width() for bar in right.patches] == [0.5, 0.1]

    counts = lab.table_of_counts(*labels)
    axes = lab.draw_confusion(counts, ["a", "b"], np.array([0, 0, 1, 1]), "t").axes
    shown = axes[1].images[0].get_array()
    assert shown.diagonal().mean() > 0.5 > axes[0].images[0].get_array().diagonal().mean()

    p = torch.rand(30, 4, generator=torch.Generator().manual_seed(0)).softmax(1)
    images = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    axes = lab.draw_targets(p, images).axes
    assert sum(bar.get_height() for bar in axes[2].patches) == pytest.approx(90, rel=1e-4)
    heights = [bar.get_height() for bar in axes[2].patches[:4]]
    assert heights == sorted(heights, reverse=True)
    assert axes[1].patches[0].get_width() == pytest.approx(p[0].max().item())

    axes = lab.draw_table3().axes
    heights = [round(bar.get_height(), 3) for bar in axes[0].patches]
    assert heights[0] == 0.204 and 0.403 in heights
    for axis, expected in zip(axes, ([0.266, 0.139, 0.318], [0.042, 0.038, 0.052]), strict=True):
        (lines,) = (c for c in axis.collections if c.get_label() == "random labels (dice)")
        assert [round(line[0][1], 3) for line in lines.get_segments()] == expected

    points, _ = lab.petals(30)
    weights, story = lab.merge_story(points, [5, 3], k=4)
    axes = lab.draw_merging(points, weights, story, "t").axes
    assert axes[0].collections[0].N == 30 * 4  # an arrow for every neighbour
    assert len({tuple(c) for c in axes[3].collections[0].get_facecolors()}) == 3
    assert len(lab.draw_dice({k: [0, 1] for k in "abcde"}, [2, 4], 9, 3).axes) == 1
