"""JULE: clusters and features are learned in turns (Yang, Parikh and Batra, CVPR 2016).

*Forward*: clusters of a graph of nearest neighbours are merged, two at a time. *Backward*: a
network learns features in which members of a cluster are near each other and other images far.
Better features give a better graph; better clusters give better features (paper: section 3.3,
arXiv 1604.03628). The number of clusters is given.

Where this departs from the authors' Torch code (github.com/jwyang/JULE.torch), and why:

* the triplet loss goes through autograd. In theirs, the backward pass scales the anchor in place
  by γ − 1 = 0 before the gradients of positive and negative are taken from it, so that only
  anchors learn;
* the affinities of a merged cluster are computed anew, from sparse sums, instead of by their
  approximation (the sum of the two rows); the graph is sparse throughout, never N × N;
* batches are filled with pieces of clusters. In a random batch of 100 images out of 3,000 clusters
  there would hardly be a pair;
* a batch with fewer than ``n_negatives`` negatives uses all of them (the authors' code then draws
  without end); both halves of the symmetric affinity are searched;
* clusters without any neighbour left join the nearest one whatever their number.
"""

import heapq
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import torch
import torch.nn.functional as F
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torchvision.models import resnet50

from ..base.options import option
from .bookmark import clustering, repeat, seed_epoch


@dataclass(frozen=True)
class JULEConfig:
    """The defaults are the authors' script's, unless said otherwise."""

    backbone: str = option("cnn", "network of the features", choices=("cnn", "resnet50"))
    width: int = option(50, "channels of a convolution")
    padding: int = option(0, "pixels round each convolution's input; ours for tiny images: 2")
    features: int = option(160, "length of the unit feature vector")
    neighbours: int = option(20, "K_s: neighbours of an image in the graph")
    cluster_neighbours: int = option(5, "K_c: neighbouring clusters in the merging criterion")
    contrast_above: int = option(100, "the criterion's 2nd term acts above so many clusters")
    unrolling: float = option(0.9, "η: share of the clusters merged in one forward pass")
    epochs: int = option(20, "passes over the images in one backward pass")
    batch_size: int = option(100, "images")
    piece: int = option(10, "images of one cluster side by side in a batch, at most (ours)")
    n_negatives: int = option(20, "strangers for each pair of a cluster")
    gamma: float = option(1.0, "γ: weight of the pairs in the triplet loss (paper: 2)")
    margin: float = option(0.2, "margin of the triplet loss, in squared distance")
    learning_rate: float = option(0.01, "SGD with momentum 0.9; falls as (1 + 1e-4 · it)^-0.75")
    weight_decay: float = option(5e-5, "of SGD")


# ------------------------------------------------------------------------- the graph


def nearest_neighbours(features: np.ndarray, k: int):
    """Squared distances and indices, both (N, k), of every row's k nearest others."""
    search = NearestNeighbors(n_neighbors=min(k, len(features) - 1)).fit(features)
    distances, indices = search.kneighbors()  # without arguments, a row is not its own neighbour
    return distances**2, indices


def graph_weights(features: np.ndarray, k: int) -> sparse.csr_matrix:
    """Directed weights between images (paper, equation 1), N·k numbers in a sparse (N, N) matrix.

    ``W_ij = exp(−‖x_i − x_j‖² / σ²)`` if x_j is one of the k nearest neighbours of x_i, else 0;
    ``σ²`` is the mean of all these squared distances (the paper's a = 1).
    """
    squared, indices = nearest_neighbours(features, k)
    sigma2 = max(squared.mean(), 1e-12)  # 0 if every image has k copies
    weights = np.exp(-squared / sigma2)
    starts = np.arange(len(features) + 1) * indices.shape[1]
    shape = (len(features), len(features))
    return sparse.csr_matrix((weights.ravel(), indices.ravel(), starts), shape)


def first_clusters(features: np.ndarray) -> np.ndarray:
    """(N,) labels: every image with its nearest neighbour (section 3.2, "initial clusters").

    The links form chains that end in a mutual pair; a chain is a cluster.
    """
    _, nearest = nearest_neighbours(features, 1)
    n = len(features)
    links = sparse.csr_matrix((np.ones(n), (np.arange(n), nearest[:, 0])), (n, n))
    return sparse.csgraph.connected_components(links, directed=False)[1].astype(np.int64)


def first_labels(features: np.ndarray, n_clusters: int) -> np.ndarray:
    """:func:`first_clusters`; where they are fewer than are wanted, every image by itself."""
    labels = first_clusters(features)
    return labels if labels.max() + 1 >= n_clusters else np.arange(len(features))


class ClusterGraph:
    """Clusters of a graph and the affinities between them, merged two at a time.

    The affinity of clusters a and b (paper, equation 2) is

        A(a, b) = 1ᵀ W_ab W_ba 1 / |a|² + 1ᵀ W_ba W_ab 1 / |b|²

    Written out, ``1ᵀ W_ab W_ba 1 = Σ_{k∈b} out_a(k) · in_a(k)`` with ``out_a(k) = Σ_{i∈a} W_ik``
    and ``in_a(k) = Σ_{j∈a} W_kj``: an image k of b counts as far as a points to it **and** it
    points to a. Both sums have few entries that are not 0, and add up when clusters merge.

    Args:
        weights: sparse (N, N), from `graph_weights`.
        labels: (N,) cluster of every image, 0 … C − 1.
        cluster_neighbours, contrast_above: see `JULEConfig`.
    """

    def __init__(self, weights, labels, cluster_neighbours: int = 5, contrast_above: int = 0):
        self.labels = np.asarray(labels).copy()
        self.cluster_neighbours, self.contrast_above = cluster_neighbours, contrast_above
        n_clusters = int(self.labels.max()) + 1
        members = sparse.csr_matrix(
            (np.ones(len(self.labels)), (self.labels, np.arange(len(self.labels))))
        )
        self.members = {c: _row(members, c)[0].tolist() for c in range(n_clusters)}
        out, into = (members @ weights).tocsr(), (members @ weights.T).tocsr()
        self._out = {c: dict(zip(*_row(out, c), strict=True)) for c in range(n_clusters)}
        self._into = {c: dict(zip(*_row(into, c), strict=True)) for c in range(n_clusters)}
        mutual = (out.multiply(into) @ members.T).tocsr()
        # _mutual[a][b] = Σ_{k∈b} out_a(k) · in_a(k), the first term before its division
        self._mutual = {c: dict(zip(*_row(mutual, c), strict=True)) for c in range(n_clusters)}
        self.affinity = {c: {} for c in range(n_clusters)}
        for a, row in self._mutual.items():
            for b in row:
                self._set_affinity(a, b)
        self.scores = np.array([self._score(c) for c in range(n_clusters)])

    def __len__(self):
        return len(self.members)

    def best_pair(self) -> tuple[int, int] | None:
        """The clusters to merge next: the highest `merge_score`, and its nearest neighbour.

        None if no cluster has a neighbour.
        """
        a = int(self.scores.argmax())
        if np.isneginf(self.scores[a]):  # of none that is left; a need not be one of them
            return None
        return a, max(self.affinity[a], key=self.affinity[a].get)

    def merge(self, a: int, b: int) -> None:
        """Make b a part of a; every affinity is then what a computation from scratch would give."""
        self.members[a] += self.members.pop(b)
        self.labels[self.members[a]] = a
        for sums in (self._out, self._into):
            for k, value in sums.pop(b).items():
                sums[a][k] = sums[a].get(k, 0.0) + value
        around = (self.affinity[a].keys() | self.affinity.pop(b).keys()) - {a, b}
        del self._mutual[b]
        for x in around:  # their sums over a's and over b's images add up
            row = self._mutual[x]
            total = row.pop(a, 0.0) + row.pop(b, 0.0)
            if total:
                row[a] = total
            self.affinity[x].pop(a, None), self.affinity[x].pop(b, None)
        # a's own row has cross terms, out_a · in_b: computed anew
        self._mutual[a] = {}
        for k in self._out[a].keys() & self._into[a].keys():
            row, c = self._mutual[a], self.labels[k]
            row[c] = row.get(c, 0.0) + self._out[a][k] * self._into[a][k]
        self.affinity[a] = {}
        around |= self._mutual[a].keys() - {a}
        for x in around:
            self._set_affinity(a, x)
        self.scores[b] = -np.inf
        for x in (a, *around):
            self.scores[x] = self._score(x)

    def _set_affinity(self, a, b):
        if a != b:
            there = self._mutual[a].get(b, 0.0) / len(self.members[a]) ** 2
            back = self._mutual[b].get(a, 0.0) / len(self.members[b]) ** 2
            if there + back > 0:
                self.affinity[a][b] = self.affinity[b][a] = there + back

    def _score(self, a):
        nearest = heapq.nlargest(self.cluster_neighbours, self.affinity[a].values())
        contrast = len(self) > self.contrast_above
        return merge_score(nearest, self.cluster_neighbours, contrast)


def _row(matrix, i):
    """Column indices and values of a row of a csr matrix."""
    here = slice(matrix.indptr[i], matrix.indptr[i + 1])
    return matrix.indices[here], matrix.data[here]


def merge_score(affinities, k: int, contrast: bool = True) -> float:
    """How good it is to merge a cluster with its nearest neighbour (section 3.3, forward pass).

    ``A_1 + 1/(K_c − 1) · Σ_{k=2..K_c} (A_1 − A_k)``: the nearest neighbour should be near, and the
    next ones should be farther. −inf without a neighbour.

    Args:
        affinities: to the nearest clusters, falling; missing ones count as 0.
        k: K_c.
        contrast: False leaves the second term out.
    """
    if not affinities:
        return -np.inf
    first, *others = [*affinities, *[0.0] * (k - len(affinities))][:k]
    return first + (sum(first - a for a in others) / len(others) if contrast and others else 0.0)


def agglomerate(features, labels, n_merges: int, config: JULEConfig, report=None) -> np.ndarray:
    """The forward pass: merge the clusters ``labels`` of (N, D) ``features`` n times.

    Args:
        report: called after every merge.

    Returns:
        (N,) new labels, 0 … C − n_merges − 1.
    """
    weights = graph_weights(features, config.neighbours)
    graph = ClusterGraph(weights, labels, config.cluster_neighbours, config.contrast_above)
    for _ in range(n_merges):
        graph.merge(*(graph.best_pair() or _nearest_centres(features, graph)))
        if report:
            report()
    return np.unique(graph.labels, return_inverse=True)[1].astype(np.int64)


def _nearest_centres(features, graph):
    """For clusters that no link joins: the smallest, and the one whose centre is nearest."""
    names = list(graph.members)
    centres = np.stack([features[graph.members[c]].mean(0) for c in names])
    small = min(range(len(names)), key=lambda i: len(graph.members[names[i]]))
    distance = ((centres - centres[small]) ** 2).sum(1)
    distance[small] = np.inf
    return names[int(distance.argmin())], names[small]


# ------------------------------------------------------------------------- the features


class FeatureNet(nn.Module):
    """(N, C, S, S) in [0, 1] → (N, features) of length 1.

    "cnn": blocks of 5 × 5 convolution, BatchNorm, ReLU and pooling, as many as fit (2 at 32
    pixels, 4 at 128, as in the authors' models), then one linear layer. "resnet50": torchvision's
    ResNet-50, *untrained* (with ImageNet's weights, labels would come in), with such a layer.
    """

    def __init__(self, image_shape, config: JULEConfig):
        super().__init__()
        channels, height, width = image_shape
        if config.backbone == "resnet50":
            self.trunk = resnet50(weights=None)
            self.trunk.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
            self.trunk.fc = nn.Linear(2048, config.features)
            return
        layers, side = [], min(height, width)
        while side > 5:
            layers += [nn.Conv2d(channels, config.width, 5, padding=config.padding)]
            layers += [nn.BatchNorm2d(config.width), nn.ReLU()]
            layers += [nn.MaxPool2d(2, ceil_mode=True)]
            channels, side = config.width, -(-(side + 2 * config.padding - 4) // 2)
        self.trunk = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(config.features))
        for layer in layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
        with torch.no_grad():
            self.trunk(torch.zeros(2, *image_shape))  # now the last layer knows its size

    def forward(self, images: Tensor) -> Tensor:
        """(N, features), each of Euclidean length 1."""
        return F.normalize(self.trunk(images), dim=1)


def weighted_triplet_loss(features, labels, n_negatives=20, gamma=1.0, margin=0.2, rng=None):
    """The backward pass's loss (section 3.3): pairs of a cluster together, other images apart.

    ``mean of max(0, γ ‖a − p‖² − ‖a − n‖² + margin)`` over the pairs (a, p) of a batch that share
    a cluster, a before p, and ``n_negatives`` images n of other clusters for each, drawn without
    replacement (all, if there are fewer).

    Args:
        features: (N, D).
        labels: (N,) int64 clusters.
        rng: a torch generator on the CPU for the negatives.

    Returns:
        A scalar; 0 (with a gradient of 0) if the batch has no pair, or only one cluster.
    """
    squared = (features[:, None] - features[None]).pow(2).sum(2)
    same = labels[:, None] == labels[None]
    anchors, positives = same.triu(1).nonzero(as_tuple=True)
    if not len(anchors) or same.all():
        return features.sum() * 0
    # The largest of uniform random numbers, of other clusters only: a sample without replacement.
    chance = torch.rand(len(anchors), len(labels), generator=rng).to(features.device)
    chance = chance.masked_fill(same[anchors], -1)
    drawn = chance.topk(min(n_negatives, len(labels))).indices
    real = chance.gather(1, drawn) >= 0  # False where there were too few other images
    near = squared[anchors, positives][:, None]
    far = squared[anchors[:, None], drawn]
    return F.relu(gamma * near - far + margin)[real].mean()


def cluster_batches(labels: Tensor, batch_size: int, piece: int, rng) -> list[Tensor]:
    """One epoch: every image once, in batches that keep clusters together.

    Each cluster is shuffled and cut into pieces of at most ``piece`` images; the pieces are
    shuffled and laid end to end.
    """
    order = torch.randperm(len(labels), generator=rng)
    order = order[labels[order].argsort(stable=True)]
    pieces = [p for c in order.split(labels.bincount().tolist()) for p in c.split(piece)]
    shuffled = [pieces[i] for i in torch.randperm(len(pieces), generator=rng)]
    return list(torch.cat(shuffled).split(batch_size))


@torch.no_grad()
def extract(network: nn.Module, images: Tensor, device="cpu", batch_size: int = 250) -> np.ndarray:
    """(N, D) features of uint8 images, in evaluation mode."""
    network.eval()
    parts = [network(_floats(batch, device)).cpu() for batch in images.split(batch_size)]
    return torch.cat(parts).numpy()


def _floats(images, device):
    return images.to(device).float() / 255


def raw_features(images: Tensor) -> np.ndarray:
    """(N, C·H·W) pixels, scaled down to length 1 if longer: where the first clusters come from."""
    pixels = images.flatten(1).float() / 255
    return (pixels / pixels.norm(dim=1, keepdim=True).clamp_min(1)).numpy()


# ------------------------------------------------------------------------- the recurrence


class Recurrence:
    """The network, its optimiser and the clusters, and how far the passes have come.

    Args:
        images, n_clusters, config, seed, device, watch: as for :func:`jule`.
    """

    def __init__(self, images, n_clusters: int, config: JULEConfig, seed, device, watch=None):
        self.images, self.n_clusters, self.config = images, n_clusters, config
        self.seed, self.device, self.watch = seed, device, watch
        seed_epoch(seed, 0)
        self.network = FeatureNet(images.shape[1:], config).to(device)
        self.optimiser = torch.optim.SGD(
            self.network.parameters(), config.learning_rate, 0.9, weight_decay=config.weight_decay
        )
        self.labels = first_labels(raw_features(images), n_clusters)
        self.epoch = 0  # of training; every forward pass counts as one more

    def __len__(self):
        """How many clusters there are now."""
        return int(self.labels.max()) + 1

    def state(self) -> dict:
        """What `restore` needs."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "labels": torch.from_numpy(self.labels),
            "epoch": self.epoch,
        }

    def restore(self, state: dict) -> None:
        """Go back to a `state`."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.labels, self.epoch = state["labels"].numpy(), state["epoch"]

    def advance(self):
        """An epoch of a backward pass, or a whole forward pass; for :func:`.bookmark.repeat`."""
        if self.epoch % (self.config.epochs + 1) < self.config.epochs:
            self.backward()
        elif len(self) == self.n_clusters:
            return None
        else:
            self.forward()
        self.epoch += 1
        return {"clusters": len(self)}, False

    def backward(self) -> None:
        """One epoch: better features for these clusters."""
        train_epoch(
            *(self.network, self.optimiser, self.images, self.labels),
            *(self.config, self.seed, self.epoch, self.device),
        )

    def forward(self) -> None:
        """A share of the clusters is merged: better clusters for these features."""
        n = len(self)
        n_merges = min(int(np.ceil(self.config.unrolling * n)), n - self.n_clusters)
        self._merge(extract(self.network, self.images, self.device), n_merges)

    def merge_anew(self) -> None:
        """The end: from the first clusters of the final features, merge down to ``n_clusters``."""
        features = extract(self.network, self.images, self.device)
        self.labels = first_labels(features, self.n_clusters)
        self._merge(features, len(self) - self.n_clusters)

    def _merge(self, features, n_merges):
        self.labels = agglomerate(features, self.labels, n_merges, self.config)
        if self.watch:
            self.watch(self.labels, features)


def jule(
    images: Tensor,
    n_clusters: int,
    config: JULEConfig | None = None,
    seed: int = 0,
    progress: bool = True,
    folder=None,
    device="cpu",
    watch=None,
) -> np.ndarray:
    """Cluster images with JULE.

    Backward and forward passes alternate until ``n_clusters`` are left; then the merging starts
    anew from the first clusters of the final features (paper, algorithm 1, and its code).

    Args:
        images: (N, C, H, W) uint8.
        n_clusters: how many clusters; the method cannot find the number.
        folder: where the state is kept after every epoch; a run found there goes on.
        device: for the network; the graph is on the CPU.
        watch: called as ``watch(labels, features)`` after every forward pass, and at the end.

    Returns:
        (N,) int64 labels, 0 … n_clusters − 1.

    Raises:
        InputError: for images or a number of clusters that cannot be used, or a folder of another
            run.
    """
    config = config or JULEConfig()
    with clustering("jule", config, images, n_clusters, seed, folder) as bookmark:
        recurrence = Recurrence(images, n_clusters, config, seed, device, watch)
        state = bookmark.load()
        if state:
            recurrence.restore(state)
        repeat(recurrence.advance, bookmark, recurrence.state, "JULE", progress)
        bookmark.save(recurrence.state, always=True)
        recurrence.merge_anew()
    return recurrence.labels


def train_epoch(network, optimiser, images, labels, config, seed, epoch, device="cpu") -> float:
    """One pass over the images with `weighted_triplet_loss`; returns the mean loss."""
    seed_epoch(seed, 1, epoch)
    network.train()
    labels, losses = torch.from_numpy(labels), []
    batches = cluster_batches(labels, config.batch_size, config.piece, None)
    for i, rows in enumerate(batches):
        if len(rows) < 2:  # BatchNorm needs two; the next epoch has this image in another batch
            continue
        step = epoch * len(batches) + i
        rate = config.learning_rate * (1 + 1e-4 * step) ** -0.75
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = weighted_triplet_loss(
            network(_floats(images[rows], device)),
            labels[rows].to(device),
            config.n_negatives,
            config.gamma,
            config.margin,
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return float(np.mean(losses))
