"""DEPICT: an autoencoder whose code is read by a softmax (Ghasedi Dizaji et al., ICCV 2017).

The softmax gives the cluster of an image. It has no labels: targets Q are made from its own answers
P. They are sharper than P, and give small clusters more weight, so that no cluster takes all
images. A decoder has to rebuild the image, so the code keeps the image's content (arXiv 1704.06327,
section 3).

Four steps: (1) the autoencoder alone; (2) k-means on its codes; (3) the softmax learns k-means's
labels; (4) new targets and training alternate.

Where this departs from the authors' Theano code (github.com/herandy/DEPICT), and why:

* the validation split is random. Theirs is stratified by the true labels, which a clustering
  method must not know;
* no image is dropped, neither from a last small batch nor from the targets, and the targets are
  computed from one network, not from one that changes during the pass;
* the rows of the softmax are k-means's centres in k-means's order, so step 3 starts from right
  answers (theirs has the labels shifted by one against the centres);
* kernels are 4 × 4 with stride 2 and padding 1 throughout, so that every even size fits; theirs
  are chosen by data set. Initial clusters are k-means's on every data set; on some, theirs come
  from an agglomerative method.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import Tensor, nn

from ..base.errors import InputError
from ..base.options import option
from ..metrics.clustering import nmi
from .bookmark import clustering, repeat, seed_epoch


@dataclass(frozen=True)
class DEPICTConfig:
    """The defaults are the authors' code's, unless said otherwise."""

    widths: tuple[int, ...] = option((50, 50), "channels of the encoder's convolutions")
    dropout: float = option(0.1, "share of the values dropped at every layer of the noisy path")
    layer_weight: float = option(0.1, "weight of a hidden layer's reconstruction")
    learning_rate: float = option(1e-4, "Adam")
    batch_size: int = option(100, "images")
    pretrain_epochs: int = option(4000, "step 1, at most")
    pretrain_patience: int = option(100, "step 1: epochs without a better validation loss")
    warm_epochs: int = option(1000, "step 3, at most")
    warm_patience: int = option(5, "step 3: epochs without better agreement with k-means")
    epochs: int = option(4000, "step 4, at most")
    tolerance: float = option(1e-7, "step 4 ends when the targets' mean squared change is below")
    held_out: float = option(0.1, "share of the images for validation in steps 1 and 3")
    targets: str = option("paper", "p/√Σp, or p²/Σp as in the code", choices=("paper", "code"))
    kmeans_starts: int = option(40, "initialisations of k-means, of which the best is kept")


DEPICT = DEPICTConfig()
# FineGAN's table 3 has a larger DEPICT and does not describe it. These sizes are our guess.
DEPICT_LARGE = replace(DEPICT, widths=(64, 128, 256, 512))


# ------------------------------------------------------------------------- the targets


def balanced_targets(p: Tensor, form: str = "paper") -> Tensor:
    """The targets Q for answers P: sharper, and with more weight for small clusters.

    ``q_ik ∝ p_ik / √(Σ_i' p_i'k)``, rows normalised to 1 (paper, section 3.1: the minimum over Q of
    KL(Q ‖ P) plus a penalty for clusters of unequal size). A large cluster's column is divided by
    more. The authors' code has ``p_ik² / Σ_i' p_i'k`` instead ("code"), which also sharpens.

    Args:
        p: (N, K) probabilities, rows adding up to 1.
    """
    if form not in ("paper", "code"):
        raise InputError("unknown form of the targets", seen=form, cure="Give 'paper' or 'code'.")
    sizes = p.sum(0).clamp_min(1e-12)
    q = p / sizes.sqrt() if form == "paper" else p**2 / sizes
    return q / q.sum(1, keepdim=True)


def cross_entropy(q: Tensor, logits: Tensor) -> Tensor:
    """``−1/N Σ_i Σ_k q_ik log p_ik``: for fixed Q the same as KL(Q ‖ P), up to a constant."""
    return -(q * logits.log_softmax(1)).sum(1).mean()


# ------------------------------------------------------------------------- the network


class DEPICTNet(nn.Module):
    """Encoder, decoder and softmax.

    The encoder runs twice with the same weights: a *noisy* path with dropout, from which the
    decoder rebuilds, and a *clean* one that gives the decoder's target at each layer. The embedding
    has K = ``n_clusters`` units, as in the authors' code.
    """

    def __init__(self, image_shape, n_clusters: int, config: DEPICTConfig):
        super().__init__()
        channels, height, width = image_shape
        times = 2 ** len(config.widths)
        if height % times or width % times:
            raise InputError(
                f"the sides of an image must be multiples of {times}",
                seen=f"{height} × {width} pixels",
                cure="Resize the images, or give fewer widths.",
            )
        sizes = [channels, *config.widths]
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(sizes)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 4, stride=2, padding=1) for a, b in pairwise(sizes)
        )
        self.map_shape = (sizes[-1], height // times, width // times)
        n = int(np.prod(self.map_shape))
        self.embed, self.unembed = nn.Linear(n, n_clusters), nn.Linear(n_clusters, n)
        self.softmax = nn.Linear(n_clusters, n_clusters)
        self.dropout = config.dropout
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def encode(self, x: Tensor, noisy: bool) -> list[Tensor]:
        """[x, maps of every convolution …, embedding (N, K) in (−1, 1)]."""
        layers = [x]
        for convolution in self.down:
            x = F.dropout(x, self.dropout, training=noisy)
            x = F.leaky_relu(convolution(x), 0.01)
            layers.append(x)
        return [*layers, self.embed(x.flatten(1)).tanh()]

    def decode(self, z: Tensor) -> list[Tensor]:
        """[image, maps …] rebuilt from embeddings: one for every layer of `encode` but the last."""
        x = F.leaky_relu(self.unembed(z), 0.01).view(-1, *self.map_shape)
        layers = [x]
        for i, convolution in reversed(list(enumerate(self.up))):
            x = convolution(x)
            x = F.leaky_relu(x, 0.01) if i else x.tanh()
            layers.append(x)
        return layers[::-1]

    def forward(self, x: Tensor) -> Tensor:
        """(N, K) logits of the clean path."""
        return self.softmax(self.encode(x, noisy=False)[-1])

    def losses(self, x: Tensor, layer_weight: float, noisy: bool = True):
        """Logits of the noisy path (N, K), and the reconstruction loss.

        ``Σ_l w_l · mean (z_l − ẑ_l)²``: w = 1 for the image, ``layer_weight`` for hidden layers;
        z_l from the clean path, ẑ_l from the decoder on the noisy one.
        """
        clean = self.encode(x, noisy=False)
        code = self.encode(x, noisy=True)[-1] if noisy else clean[-1]
        # strict=False: the embedding itself has no counterpart
        pairs = zip(clean, self.decode(code), strict=False)
        errors = [F.mse_loss(rebuilt, wanted) for wanted, rebuilt in pairs]
        return self.softmax(code), errors[0] + layer_weight * sum(errors[1:])


def signed(images: Tensor, device="cpu") -> Tensor:
    """uint8 images as floats in [−1, 1]."""
    return images.to(device).float() / 127.5 - 1


@torch.no_grad()
def embeddings(network: DEPICTNet, images: Tensor, device="cpu", batch_size: int = 250) -> Tensor:
    """(N, K) clean embeddings of uint8 images, on the CPU."""
    parts = [network.encode(signed(b, device), noisy=False)[-1] for b in images.split(batch_size)]
    return torch.cat(parts).cpu()


@torch.no_grad()
def answers(network: DEPICTNet, images: Tensor, device="cpu") -> Tensor:
    """(N, K) probabilities P of the clean path, on the CPU."""
    codes = embeddings(network, images, device).to(device)
    return network.softmax(codes).softmax(1).cpu()


# ------------------------------------------------------------------------- the four steps


class Training:
    """The network, its optimiser, and how far the four steps have come."""

    def __init__(self, images: Tensor, n_clusters: int, config: DEPICTConfig, seed, device):
        self.images, self.config, self.seed, self.device = images, config, seed, device
        self.n_clusters = n_clusters
        seed_epoch(seed, 0)
        self.network = DEPICTNet(images.shape[1:], n_clusters, config).to(device)
        self.renew_optimiser()
        self.step, self.epoch = 1, 0
        self.best, self.waited, self.kept = float("inf"), 0, {}
        self.targets = torch.zeros(len(images), n_clusters)
        order = torch.randperm(len(images))
        n_held = max(1, int(config.held_out * len(images)))
        self.held, self.rest = order[:n_held], order[n_held:]

    @property
    def steps(self):
        """The four steps; each does one epoch, and says whether it is over."""
        return (self.pretrain, self.start_clusters, self.warm_up, self.alternate)

    def renew_optimiser(self):
        """A fresh Adam, as at the start of every step."""
        self.optimiser = torch.optim.Adam(self.network.parameters(), self.config.learning_rate)

    def state(self) -> dict:
        """What `restore` needs."""
        names = ("step", "epoch", "best", "waited", "kept", "targets")
        return {name: getattr(self, name) for name in names} | {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict) -> None:
        """Go back to a `state`."""
        self.network.load_state_dict(state.pop("network"))
        self.optimiser.load_state_dict(state.pop("optimiser"))
        for name, value in state.items():
            setattr(self, name, value)

    # One epoch of any step: images → loss → Adam.

    def train_epoch(self, rows: Tensor, with_targets: bool) -> None:
        """One pass over some images: reconstruction, and cross-entropy with the targets."""
        seed_epoch(self.seed, self.step, self.epoch)
        self.network.train()
        for batch in rows[torch.randperm(len(rows))].split(self.config.batch_size):
            x = signed(self.images[batch], self.device)
            logits, loss = self.network.losses(x, self.config.layer_weight)
            if with_targets:
                loss = loss + cross_entropy(self.targets[batch].to(self.device), logits)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
        self.epoch += 1

    def better(self, value: float) -> None:
        """Keep the network if a validation value is the lowest so far."""
        self.waited += 1
        if value < self.best:
            self.best, self.waited = value, 0
            self.kept = {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    def next_step(self) -> None:
        """Go on with the best network, a fresh optimiser and fresh counters."""
        if self.kept:
            self.network.load_state_dict(self.kept)
        self.renew_optimiser()
        self.step, self.epoch = self.step + 1, 0
        self.best, self.waited, self.kept = float("inf"), 0, {}

    # The steps. Each method does one part of a step and returns whether the step is finished.

    def pretrain(self) -> bool:
        """Step 1, one epoch: the autoencoder alone."""
        config = self.config
        if self.epoch == config.pretrain_epochs or self.waited >= config.pretrain_patience:
            return True
        self.train_epoch(self.rest, with_targets=False)
        with torch.no_grad():
            held = signed(self.images[self.held], self.device)
            self.better(self.network.losses(held, config.layer_weight, noisy=False)[1].item())
        return False

    def start_clusters(self) -> bool:
        """Step 2: k-means on the codes; its centres, with length 1, become the softmax's rows."""
        codes = embeddings(self.network, self.images, self.device).double().numpy()
        kmeans = KMeans(self.n_clusters, n_init=self.config.kmeans_starts, random_state=self.seed)
        labels = torch.from_numpy(kmeans.fit_predict(codes)).long()
        centres = F.normalize(torch.from_numpy(kmeans.cluster_centers_).float(), dim=1)
        with torch.no_grad():
            self.network.softmax.weight.copy_(centres)
            self.network.softmax.bias.zero_()
        self.targets = F.one_hot(labels, self.n_clusters).float()
        return True

    def warm_up(self) -> bool:
        """Step 3, one epoch: learn k-means's labels."""
        config = self.config
        if self.epoch == config.warm_epochs or self.waited >= config.warm_patience:
            return True
        self.train_epoch(self.rest, with_targets=True)
        said = answers(self.network, self.images[self.held], self.device).argmax(1)
        self.better(-nmi(self.targets[self.held].argmax(1), said))
        return False

    def alternate(self) -> bool:
        """Step 4, one epoch: new targets from the clean answers of all images, then learn them."""
        old = self.targets
        p = answers(self.network, self.images, self.device)
        self.targets = balanced_targets(p, self.config.targets)
        change = F.mse_loss(self.targets, old).item()
        if self.epoch == self.config.epochs or change < self.config.tolerance:
            return True
        self.train_epoch(torch.arange(len(self.images)), with_targets=True)
        return False


def depict(
    images: Tensor,
    n_clusters: int,
    config: DEPICTConfig | None = None,
    seed: int = 0,
    progress: bool = True,
    folder=None,
    device="cpu",
    watch=None,
) -> np.ndarray:
    """Cluster images with DEPICT.

    Args:
        images: (N, C, H, W) uint8, with sides that are multiples of 2 ** len(config.widths).
        n_clusters: how many clusters; the method cannot find the number.
        folder: where the state is kept; a run found there goes on.
        watch: called as ``watch(training)`` after every epoch.

    Returns:
        (N,) int64 labels, 0 … n_clusters − 1: the most likely cluster by the clean path. A cluster
        may stay empty.

    Raises:
        InputError: for images or a number of clusters that cannot be used, or a folder of another
            run.
    """
    config = config or DEPICT
    with clustering("depict", config, images, n_clusters, seed, folder) as bookmark:
        training = Training(images, n_clusters, config, seed, device)
        state = bookmark.load()
        if state:
            training.restore(state)

        def advance():
            if training.step > len(training.steps):
                return None
            finished = training.steps[training.step - 1]()
            if finished:
                training.next_step()
            return {"step": training.step, "epoch": training.epoch}, finished

        after = (lambda: watch(training)) if watch else None
        repeat(advance, bookmark, training.state, "DEPICT", progress, after)
        return answers(training.network, images, device).argmax(1).numpy()
