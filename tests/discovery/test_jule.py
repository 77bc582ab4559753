import numpy as np
import pytest
import torch
from scipy import sparse

from finegan_lib.base.errors import InputError
from finegan_lib.discovery import bookmark
from finegan_lib.discovery.jule import (
    ClusterGraph,
    FeatureNet,
    JULEConfig,
    Recurrence,
    _nearest_centres,
    agglomerate,
    cluster_batches,
    extract,
    first_clusters,
    graph_weights,
    jule,
    merge_score,
    raw_features,
    weighted_triplet_loss,
)
from finegan_lib.metrics import nmi

SMALL = JULEConfig(
    width=4, padding=2, features=8, neighbours=5, epochs=2, contrast_above=0, unrolling=0.5
)


def dense_affinity(weights, labels):
    """Equation 2, word for word, with full matrices."""
    n = labels.max() + 1
    affinity = np.zeros((n, n))
    for a in range(n):
        for b in range(n):
            if a != b:
                w_ab = weights[np.ix_(labels == a, labels == b)]
                w_ba = weights[np.ix_(labels == b, labels == a)]
                affinity[a, b] = (w_ab @ w_ba).sum() / len(w_ab) ** 2
                affinity[a, b] += (w_ba @ w_ab).sum() / len(w_ba) ** 2
    return affinity


def as_matrix(graph):
    names = sorted(graph.members)
    return np.array([[graph.affinity[a].get(b, 0.0) for b in names] for a in names])


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def patterns():
    """60 images of 3 patterns, noisy and of random brightness, and their kinds."""
    rng = torch.Generator().manual_seed(0)
    kinds = torch.arange(60) % 3
    base = torch.stack([torch.rand(1, 8, 8, generator=rng) for _ in range(3)])
    noise = 0.15 * torch.randn(60, 1, 8, 8, generator=rng)
    images = (base[kinds] + noise).clamp(0, 1) * 255
    return images.byte(), kinds.numpy()


def test_weights_by_hand():
    # On a line: 0, 1 and 3. Squared distances to the nearest: 1, 1, 4; their mean is 2.
    weights = graph_weights(np.array([[0.0], [1.0], [3.0]]), k=1).toarray()
    expected = np.zeros((3, 3))
    expected[0, 1] = expected[1, 0] = np.exp(-1 / 2)
    expected[2, 1] = np.exp(-4 / 2)  # directed: 1 does not point back at 2
    assert np.allclose(weights, expected)


def test_weights_are_sparse():
    weights = graph_weights(np.random.default_rng(0).normal(size=(500, 2)), k=7)
    assert weights.nnz == 500 * 7
    assert np.isfinite(graph_weights(np.zeros((9, 2)), k=3).data).all()  # nothing but copies


def test_first_clusters_follow_the_nearest_neighbour():
    # 0-1 and 5-6 are mutual; 2 points to 1, 3.2 to 2; 8 to 6.
    x = np.array([0.0, 1, 2.1, 3.4, 10, 11, 12.5])[:, None]
    labels = first_clusters(x)
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_affinity_equals_brute_force(points):
    weights = graph_weights(points, k=8)
    labels = np.arange(60) % 13
    found = as_matrix(ClusterGraph(weights, labels))
    expected = dense_affinity(weights.toarray(), labels)
    assert expected.max() > 0.05
    assert np.allclose(found, expected)


def test_merging_equals_starting_anew(points):
    weights = graph_weights(points, k=8)
    graph = ClusterGraph(weights, first_clusters(points))
    start = len(graph)
    while len(graph) > 3:
        graph.merge(*graph.best_pair())
        labels = np.unique(graph.labels, return_inverse=True)[1]
        assert np.allclose(as_matrix(graph), dense_affinity(weights.toarray(), labels))
        fresh = ClusterGraph(weights, labels)
        assert np.allclose(graph.scores[sorted(graph.members)], fresh.scores)
    assert start > 8


def test_merge_score_by_hand():
    # 0.9 + ((0.9 − 0.5) + (0.9 − 0.1)) / 2
    assert merge_score([0.9, 0.5, 0.1], k=3) == pytest.approx(1.5)
    assert merge_score([0.9, 0.5], k=3) == pytest.approx(0.9 + (0.4 + 0.9) / 2)  # a missing one: 0
    assert merge_score([0.9, 0.5, 0.1], k=3, contrast=False) == pytest.approx(0.9)
    assert merge_score([0.9], k=1) == pytest.approx(0.9)
    assert merge_score([], k=3) == -np.inf


def test_the_criterion_prefers_a_clear_neighbour():
    # The second pair has the higher affinity, but the first knows whom it belongs to.
    assert merge_score([0.8, 0.1], k=2) > merge_score([0.9, 0.9], k=2)


def test_islands_join_the_nearest_centre():
    rng = np.random.default_rng(0)
    x = np.concatenate([c + rng.normal(size=(n, 2)) for c, n in ((0, 9), (50, 9), (80, 5))])
    labels = np.repeat([0, 1, 2], [9, 9, 5])
    joined = agglomerate(x, labels, 1, JULEConfig(neighbours=3))  # no link between any two
    assert joined.tolist() == [0] * 9 + [1] * 14


def test_triplet_loss_by_hand():
    # Pair (0, 1): squared distance 1; strangers 2 and 3 at 4 and 9 from the anchor.
    x = torch.tensor([[0.0], [1.0], [2.0], [-3.0]], requires_grad=True)
    labels = torch.tensor([0, 0, 1, 2])
    loss = weighted_triplet_loss(x, labels, n_negatives=2, gamma=1.0, margin=4.0)
    assert loss.item() == pytest.approx(((1 - 4 + 4) + 0) / 2)
    heavier = weighted_triplet_loss(x, labels, n_negatives=2, gamma=2.0, margin=4.0)
    assert heavier.item() == pytest.approx((2 - 4 + 4) / 2)
    # More strangers wanted than there are: the same two.
    many = weighted_triplet_loss(x, labels, n_negatives=20, gamma=1.0, margin=4.0)
    assert many.item() == pytest.approx(loss.item())


def test_triplet_loss_moves_anchor_positive_and_negative():
    x = torch.tensor([[0.0], [1.0], [1.5]], requires_grad=True)
    weighted_triplet_loss(x, torch.tensor([0, 0, 1]), margin=3.0).backward()
    # d/da (a − p)² − (a − n)² = 2(a − p) − 2(a − n) = 1; d/dp = 2(p − a) = 2; d/dn = −2(n − a) = −3
    assert x.grad[:, 0].tolist() == pytest.approx([1, 2, -3])


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_triplet_loss_without_pairs_or_strangers_is_nothing(labels):
    x = torch.randn(3, 2, requires_grad=True)
    loss = weighted_triplet_loss(x, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0 and (x.grad == 0).all()


def test_batches_hold_every_image_once_and_pairs():
    labels = torch.randint(40, (230,), generator=torch.Generator().manual_seed(0))
    batches = cluster_batches(labels, 50, piece=5, rng=torch.Generator().manual_seed(1))
    assert [len(b) for b in batches] == [50] * 4 + [30]
    assert torch.cat(batches).sort().values.equal(torch.arange(230))

    def pairs(batches):
        return sum(int((labels[b][:, None] == labels[b]).triu(1).sum()) for b in batches)

    plain = torch.randperm(230, generator=torch.Generator().manual_seed(2)).split(50)
    assert pairs(batches) > 2 * pairs(plain)


@pytest.mark.parametrize(
    ("shape", "config", "convolutions"),
    [
        ((1, 8, 8), SMALL, 1),
        ((3, 32, 32), JULEConfig(width=4), 2),
        ((3, 128, 128), JULEConfig(width=2), 4),
    ],
)
def test_features_have_length_one(shape, config, convolutions):
    network = FeatureNet(shape, config)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in network.modules()) == convolutions
    features = extract(network, torch.randint(256, (4, *shape), dtype=torch.uint8))
    assert features.shape == (4, config.features)
    assert np.allclose((features**2).sum(1), 1, atol=1e-5)


def test_resnet50_is_an_option():
    config = JULEConfig(backbone="resnet50", features=16)
    features = extract(FeatureNet((3, 32, 32), config), torch.zeros(2, 3, 32, 32).byte())
    assert features.shape == (2, 16)


def test_raw_features_are_capped():
    images = torch.tensor([255, 1], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 4, 4)
    lengths = np.linalg.norm(raw_features(images), axis=1)
    assert lengths == pytest.approx([1, 1 / 255 * np.sqrt(48)])


def test_jule_finds_patterns(patterns):
    images, kinds = patterns
    labels = jule(images, 3, SMALL, progress=False)
    assert labels.dtype == np.int64 and set(labels) == {0, 1, 2}
    assert nmi(kinds, labels) > 0.9
    shuffled = np.random.default_rng(0).permutation(kinds)
    assert nmi(shuffled, labels) < 0.2


def test_backward_and_forward_passes_take_turns(patterns):
    """Some epochs for the features, then one merging; a restored state goes on from there."""
    images, _ = patterns
    with torch.random.fork_rng(devices=[]):
        recurrence = Recurrence(images, 3, SMALL, 0, "cpu")
        sizes = [len(recurrence)]
        while recurrence.advance() is not None:
            sizes.append(len(recurrence))
        other = Recurrence(images, 3, SMALL, 1, "cpu")
    merged = [i for i in range(1, len(sizes)) if sizes[i] < sizes[i - 1]]
    assert merged == [*range(SMALL.epochs + 1, max(merged) + 1, SMALL.epochs + 1)]
    assert sizes[-1] == 3 and len(sizes) == max(merged) + SMALL.epochs + 1
    other.restore(recurrence.state())
    assert other.advance() is None and (other.labels == recurrence.labels).all()


def test_training_pulls_clusters_together(patterns):
    images, kinds = patterns
    seen = []
    jule(images, 3, SMALL, progress=False, watch=lambda labels, features: seen.append(features))

    def contrast(x):
        d = ((x[:, None] - x) ** 2).sum(2)
        same = kinds[:, None] == kinds
        return d[~same].mean() / d[same].mean()

    untrained = FeatureNet(images.shape[1:], SMALL)
    assert contrast(seen[-1]) > 1.5 * contrast(extract(untrained, images))


def test_a_stopped_run_goes_on_as_if_nothing_had_been(patterns, tmp_path, monkeypatch):
    monkeypatch.setattr(bookmark, "SECONDS", 0)
    images, _ = patterns
    whole, passes = [], []
    expected = jule(images, 4, SMALL, 5, False, watch=lambda *seen: whole.append(seen))

    def stop(*seen):
        passes.append(seen)
        if len(passes) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jule(images, 4, SMALL, 5, False, folder=tmp_path, watch=stop)
    rest = []
    labels = jule(images, 4, SMALL, 5, False, folder=tmp_path, watch=lambda *s: rest.append(s))
    assert len(rest) < len(whole)  # it did not start from the beginning
    assert (labels == expected).all()
    assert np.array_equal(rest[-1][1], whole[-1][1])  # the very features


def test_a_folder_of_another_run_is_refused(patterns, tmp_path):
    images, _ = patterns
    jule(images, 3, SMALL, progress=False, folder=tmp_path)
    with pytest.raises(InputError, match="another seed"):
        jule(images, 3, SMALL, seed=1, progress=False, folder=tmp_path)
    with pytest.raises(InputError, match="another images"):
        jule(images.flip(0), 3, SMALL, progress=False, folder=tmp_path)


@pytest.mark.parametrize(
    ("images", "n", "said"),
    [
        (torch.zeros(5, 1, 8, 8), 2, "uint8"),
        (torch.zeros(5, 8, 8, dtype=torch.uint8), 2, "uint8"),
        (torch.zeros(5, 1, 8, 8, dtype=torch.uint8), 6, "n_clusters=6, 5 images"),
        (torch.zeros(5, 1, 8, 8, dtype=torch.uint8), 1, "n_clusters=1"),
    ],
)
def test_bad_input_is_named(images, n, said):
    with pytest.raises(InputError, match=said):
        jule(images, n, SMALL, progress=False)


def test_the_seed_is_all_the_randomness(patterns):
    torch.manual_seed(1)
    before = torch.rand(1)
    torch.manual_seed(1)
    first = jule(patterns[0], 3, SMALL, 2, False)
    assert torch.rand(1) == before  # the caller's random numbers are his own
    assert (first == jule(patterns[0], 3, SMALL, 2, False)).all()


def test_clusters_that_nothing_links_are_joined_by_their_centres():
    """Also when the first cluster of all has been merged into another."""
    links = np.zeros((4, 4))
    links[0, 1] = links[1, 0] = 1
    graph = ClusterGraph(sparse.csr_matrix(links), np.arange(4))
    graph.merge(1, 0)
    assert graph.best_pair() is None
    features = np.array([[0.0], [1.0], [5.0], [5.5]])
    graph.merge(*_nearest_centres(features, graph))
    assert graph.labels[2] == graph.labels[3] and graph.labels[0] == graph.labels[1] == 1
