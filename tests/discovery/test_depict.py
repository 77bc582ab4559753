import numpy as np
import pytest
import torch

from finegan_lib.base.errors import InputError
from finegan_lib.discovery import bookmark
from finegan_lib.discovery.depict import (
    DEPICT_LARGE,
    DEPICTConfig,
    DEPICTNet,
    Training,
    answers,
    balanced_targets,
    cross_entropy,
    depict,
    embeddings,
    signed,
)
from finegan_lib.metrics import nmi

SMALL = DEPICTConfig(
    widths=(6, 6),
    learning_rate=5e-3,
    batch_size=16,
    pretrain_epochs=25,
    warm_epochs=5,
    epochs=5,
    kmeans_starts=5,
)


@pytest.fixture(scope="module")
def patterns():
    """63 images of 3 patterns, noisy, and their kinds."""
    rng = torch.Generator().manual_seed(0)
    kinds = torch.arange(63) % 3
    base = torch.stack([torch.rand(1, 8, 8, generator=rng) for _ in range(3)])
    noise = 0.15 * torch.randn(63, 1, 8, 8, generator=rng)
    return ((base[kinds] + noise).clamp(0, 1) * 255).byte(), kinds.numpy()


# ------------------------------------------------------------------------- targets


def test_targets_by_hand():
    p = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.4, 0.6]])  # column sums 2 and 1
    q = balanced_targets(p)
    first = 0.8 / np.sqrt(2) / (0.8 / np.sqrt(2) + 0.2)
    last = 0.4 / np.sqrt(2) / (0.4 / np.sqrt(2) + 0.6)
    assert q[:, 0].tolist() == pytest.approx([first, first, last])
    q = balanced_targets(p, "code")
    assert q[0, 0].item() == pytest.approx(0.32 / (0.32 + 0.04))
    assert q[2, 0].item() == pytest.approx(0.08 / (0.08 + 0.36))
    assert torch.allclose(q.sum(1), torch.ones(3))


def test_targets_take_from_the_large_and_give_to_the_small():
    p = torch.rand(200, 4, generator=torch.Generator().manual_seed(0)) + torch.tensor([2, 0, 0, 0])
    p = p / p.sum(1, keepdim=True)
    q = balanced_targets(p)
    assert p.mean(0)[0] > 0.6 and q.mean(0)[0] < p.mean(0)[0] - 0.1
    assert (q.mean(0)[1:] > p.mean(0)[1:]).all()


def test_equal_clusters_are_left_alone_by_the_papers_form_and_sharpened_by_the_codes():
    p = torch.tensor([[0.7, 0.3], [0.3, 0.7]])
    assert torch.allclose(balanced_targets(p), p)
    assert balanced_targets(p, "code")[0, 0] == pytest.approx(0.49 / 0.58)


def test_the_form_must_be_known():
    with pytest.raises(InputError, match="squared"):
        balanced_targets(torch.ones(2, 2), "squared")


def test_cross_entropy_is_kl_up_to_a_constant():
    rng = torch.Generator().manual_seed(0)
    q = torch.rand(5, 3, generator=rng).softmax(1)
    first, second = torch.randn(2, 5, 3, generator=rng)

    def kl(logits):
        return (q * (q.log() - logits.log_softmax(1))).sum(1).mean()

    assert cross_entropy(q, first) - cross_entropy(q, second) == pytest.approx(
        (kl(first) - kl(second)).item(), abs=1e-5
    )


# ------------------------------------------------------------------------- network


def test_the_decoder_mirrors_the_encoder():
    network = DEPICTNet((3, 16, 8), 5, DEPICTConfig(widths=(4, 6)))
    layers = network.encode(torch.rand(2, 3, 16, 8), noisy=False)
    assert [tuple(x.shape[1:]) for x in layers] == [(3, 16, 8), (4, 8, 4), (6, 4, 2), (5,)]
    rebuilt = network.decode(layers[-1])
    assert [x.shape for x in rebuilt] == [x.shape for x in layers[:-1]]
    assert rebuilt[0].abs().max() <= 1


def test_only_the_noisy_path_is_noisy():
    network, x = DEPICTNet((1, 8, 8), 3, SMALL), torch.rand(4, 1, 8, 8)
    clean = [network.encode(x, noisy=False)[-1] for _ in range(2)]
    noisy = [network.encode(x, noisy=True)[-1] for _ in range(2)]
    assert clean[0].equal(clean[1]) and not noisy[0].equal(noisy[1])


def test_reconstruction_loss_by_its_parts():
    network, x = DEPICTNet((1, 8, 8), 3, SMALL), torch.rand(4, 1, 8, 8)
    clean = network.encode(x, noisy=False)
    rebuilt = network.decode(clean[-1])
    parts = [((a - b) ** 2).mean() for a, b in zip(clean[:-1], rebuilt, strict=True)]
    logits, loss = network.losses(x, 0.1, noisy=False)
    assert loss.item() == pytest.approx((parts[0] + 0.1 * (parts[1] + parts[2])).item())
    assert torch.allclose(logits, network(x))


def test_depict_large_is_larger():
    assert DEPICT_LARGE.widths == (64, 128, 256, 512)
    count = [
        sum(p.numel() for p in DEPICTNet((3, 32, 32), 20, config).parameters())
        for config in (DEPICTConfig(), DEPICT_LARGE)
    ]
    assert count[1] > 10 * count[0]
    with pytest.raises(InputError, match="multiples of 16"):
        DEPICTNet((3, 40, 40), 20, DEPICT_LARGE)


# ------------------------------------------------------------------------- steps


def test_the_softmax_starts_from_kmeans(patterns):
    images, kinds = patterns
    training = Training(images, 3, SMALL, seed=0, device="cpu")
    while not training.pretrain():
        pass
    training.next_step()
    training.start_clusters()
    labels = training.targets.argmax(1)
    assert nmi(kinds, labels) > 0.5
    weight = training.network.softmax.weight.detach()
    assert torch.allclose(weight.norm(dim=1), torch.ones(3))
    # Row k is the centre of the images that k-means gave to k: not shifted, not transposed.
    codes = embeddings(training.network, images)
    for k in range(3):
        centre = codes[labels == k].mean(0)
        assert torch.allclose(weight[k], centre / centre.norm(), atol=1e-4)
    agree = answers(training.network, images).argmax(1) == labels
    assert agree.float().mean() > 0.9


def test_every_image_gets_a_target(patterns):
    images, _ = patterns  # 63 is no multiple of 16
    training = Training(images, 3, SMALL, seed=0, device="cpu")
    training.step = 4
    training.alternate()
    assert torch.allclose(training.targets.sum(1), torch.ones(63))
    assert sorted(torch.cat([training.held, training.rest]).tolist()) == list(range(63))
    assert len(training.held) == 6


def test_the_best_network_is_kept(patterns):
    training = Training(patterns[0], 3, SMALL, seed=0, device="cpu")
    training.better(1.0)
    best = training.network.embed.weight.detach().clone()
    with torch.no_grad():
        training.network.embed.weight.add_(1)
    training.better(2.0)
    assert training.waited == 1
    training.next_step()
    assert training.network.embed.weight.equal(best)
    assert (training.step, training.epoch, training.waited) == (2, 0, 0)


def test_patience_ends_the_pretraining(patterns):
    config = DEPICTConfig(widths=(2,), pretrain_epochs=9, pretrain_patience=3)
    training = Training(patterns[0], 3, config, seed=0, device="cpu")
    training.best = -1.0  # cannot be beaten
    epochs = 0
    while not training.pretrain():
        epochs += 1
    assert epochs == 3


def test_unchanged_targets_end_the_last_step(patterns):
    training = Training(patterns[0], 3, SMALL, seed=0, device="cpu")
    training.step = 4
    training.targets = balanced_targets(answers(training.network, patterns[0]))
    assert training.alternate()
    assert training.epoch == 0


def test_depict_finds_patterns(patterns):
    images, kinds = patterns
    labels = depict(images, 3, SMALL, progress=False)
    assert labels.dtype == np.int64
    assert nmi(kinds, labels) > 0.9
    assert nmi(np.random.default_rng(0).permutation(kinds), labels) < 0.2


@pytest.mark.parametrize("stop_at", [7, 28])  # in the pretraining, and later
def test_a_stopped_run_goes_on_as_if_nothing_had_been(patterns, tmp_path, monkeypatch, stop_at):
    monkeypatch.setattr(bookmark, "SECONDS", 0)
    images, _ = patterns
    seen = []
    expected = depict(images, 4, SMALL, 5, False, watch=lambda t: seen.append((t.step, t.epoch)))
    whole = len(seen)
    last = {}

    def stop(training):
        seen.append(training.step)
        if len(seen) == whole + stop_at:
            raise KeyboardInterrupt

    def watch(training):
        seen.append(training.step)
        last["p"] = answers(training.network, images)

    with pytest.raises(KeyboardInterrupt):
        depict(images, 4, SMALL, 5, False, folder=tmp_path, watch=stop)
    labels = depict(images, 4, SMALL, 5, False, folder=tmp_path, watch=watch)
    assert len(seen) == 2 * whole  # not one epoch was done twice
    assert (labels == expected).all()
    again = depict(images, 4, SMALL, 5, False, watch=lambda t: last.update(q=t))
    assert (again == expected).all()
    assert last["p"].equal(answers(last["q"].network, images))  # the very probabilities


def test_a_folder_of_another_run_is_refused(patterns, tmp_path):
    images, _ = patterns
    quick = DEPICTConfig(widths=(2,), pretrain_epochs=1, warm_epochs=1, epochs=1)
    depict(images, 3, quick, progress=False, folder=tmp_path)
    with pytest.raises(InputError, match="another n_clusters"):
        depict(images, 4, quick, progress=False, folder=tmp_path)


def test_bad_images_are_named(patterns):
    with pytest.raises(InputError, match="uint8"):
        depict(signed(patterns[0]), 3, SMALL, progress=False)
