"""Inception Score, FID and KID: by hand, against the reference implementations, and controls."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import linalg
from torch import nn

from finegan_lib.base import checkup
from finegan_lib.base.errors import InputError
from finegan_lib.data import ToyBirds
from finegan_lib.metrics import feature_networks
from finegan_lib.metrics.feature_networks import (
    PhotoClassifier,
    ToyClassifier,
    inception_weights,
    load_network,
    network_digest,
    save_network,
)
from finegan_lib.metrics.reading import resized, to_uint8
from finegan_lib.models import (
    FineGANConfig,
    FineGANGenerator,
    GANConfig,
    GANGenerator,
    InfoGANBaselineConfig,
    InfoGANBaselineGenerator,
    InfoGANConfig,
    InfoGANGenerator,
    LRGANConfig,
    LRGANGenerator,
    SimpleGANConfig,
    SimpleGANGenerator,
    StackGANConfig,
    StackGANGenerator,
)
from finegan_lib.scoring import quality
from finegan_lib.scoring.classifier_training import train_and_save_classifier, views_with_truth
from finegan_lib.scoring.judge_training import train_and_save_judges
from finegan_lib.scoring.quality import (
    FeatureSums,
    balanced_codes,
    cached_statistics,
    compare_statistics,
    evaluate_quality,
    fid,
    inception_score,
    kid,
    pictures_digest,
    quality_table,
    read_statistics,
    real_pictures,
    sample_pictures,
)


def normal(n, d, seed, scale=1.0, shift=0.0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=rng) * scale + shift


# ------------------------------------------------------------------------------ Inception Score


def test_score_of_sure_and_varied_pictures_is_the_number_of_classes():
    sure = 200 * torch.eye(4).repeat(25, 1)
    assert inception_score(sure, splits=1) == pytest.approx((4, 0))


def test_score_of_one_class_or_of_no_idea_is_1():
    one = torch.tensor([[50.0, 0, 0]]).repeat(30, 1)
    assert inception_score(one, splits=1)[0] == pytest.approx(1)
    assert inception_score(torch.zeros(30, 3), splits=1)[0] == pytest.approx(1)


def test_score_by_hand():
    """p(y|x) is (0.9, 0.1) or (0.1, 0.9), half each: exp(ln 2 − H(0.9))."""
    logits = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).log().repeat(10, 1)
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert inception_score(logits, splits=1)[0] == pytest.approx(2 * math.exp(-entropy))


def test_class_order_does_not_matter():
    logits = 200 * torch.eye(10).repeat_interleave(100, 0)  # all of class 0, then all of class 1 …
    assert inception_score(logits, splits=10)[0] > 9
    assert inception_score(logits, splits=10, seed=3) == inception_score(logits, 10, seed=3)


def test_score_is_torch_fidelitys():
    from torch_fidelity.metric_isc import isc_features_to_metric

    logits = normal(1000, 20, 0, scale=3)
    torch.manual_seed(5)
    shuffled = logits[torch.randperm(1000)]
    for splits in (1, 10):
        wanted = isc_features_to_metric(shuffled, splits=splits, shuffle=False)
        found = inception_score(logits, splits, seed=5)
        assert found == pytest.approx(tuple(wanted.values()), abs=1e-6)


def test_the_deviation_is_over_the_parts_that_there_are():
    """Of 11 pictures, 10 splits make 6 parts, of two each and one."""
    logits = normal(11, 4, 0, scale=3)
    torch.manual_seed(2)
    parts = logits[torch.randperm(11)].double().chunk(10)
    assert len(parts) == 6
    scores = [inception_score(part, splits=1)[0] for part in parts]
    wanted = (np.mean(scores), np.std(scores))
    assert inception_score(logits, splits=10, seed=2) == pytest.approx(wanted, abs=1e-6)


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    inception_score(normal(20, 3, 0), 2)
    kid(normal(20, 3, 0), normal(20, 3, 1), subsets=2)
    assert before.equal(torch.random.get_rng_state())


def test_too_many_splits_are_refused():
    with pytest.raises(InputError, match="11 splits, N=10"):
        inception_score(torch.zeros(10, 2), splits=11)


# ------------------------------------------------------------------------------ FID


def with_moments(mean, deviations):
    """Features (2D, D) whose mean and covariance (over N − 1) are exactly these."""
    d = len(mean)
    corners = torch.cat([torch.eye(d), -torch.eye(d)]) * math.sqrt((2 * d - 1) / 2)
    return corners * torch.tensor(deviations) + torch.tensor(mean)


def test_fid_of_gaussians_by_hand():
    """Diagonal Gaussians: Σ (μ₁ − μ₂)² + (σ₁ − σ₂)²."""
    a, b = with_moments([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]), with_moments([0.5, 1, 0], [1, 1, 0.5])
    assert fid(a, b) == pytest.approx(0.25 + 4 + 1 + 2.5**2)
    assert fid(a, a) == pytest.approx(0, abs=1e-9)


def test_fid_sees_a_correlation():
    """Σ₁ = I, Σ₂ with eigenvalues 1 ± r: tr = 4 − 2 (√(1+r) + √(1−r))."""
    white = with_moments([0.0, 0.0], [1.0, 1.0])
    turned = (
        with_moments([0.0, 0.0], [math.sqrt(1.6), math.sqrt(0.4)])
        @ torch.tensor([[1.0, 1.0], [-1.0, 1.0]])
        / math.sqrt(2)
    )
    assert fid(white, turned) == pytest.approx(4 - 2 * (math.sqrt(1.6) + math.sqrt(0.4)), rel=1e-5)


def test_fid_is_pytorch_fids_and_torch_fidelitys(monkeypatch):
    from pytorch_fid import fid_score
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    a = normal(300, 16, 0) @ normal(16, 16, 2)
    b = normal(250, 16, 1, scale=1.2, shift=0.3) @ normal(16, 16, 3)
    moments = [m for s in (a, b) for m in (s.double().mean(0), s.double().T.cov())]

    def sqrtm(matrix, disp):  # pytorch-fid asks scipy for what it no longer has from 1.18 on
        return linalg.sqrtm(matrix), None

    monkeypatch.setattr(fid_score, "linalg", SimpleNamespace(sqrtm=sqrtm))
    one = fid_score.calculate_frechet_distance(*(m.numpy() for m in moments))
    statistics = (fid_features_to_statistics(s.double()) for s in (a, b))
    two = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert fid(a, b) == pytest.approx(one, abs=1e-3)
    assert fid(a, b) == pytest.approx(two, abs=1e-6)


def test_fid_of_fewer_pictures_than_features_is_pytorch_fids():
    """Singular covariances: 40 pictures in 64 features."""
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    a, b = normal(40, 64, 0), normal(40, 64, 1, shift=0.1)
    statistics = (fid_features_to_statistics(s.double()) for s in (a, b))
    wanted = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert fid(a, b) == pytest.approx(wanted, abs=1e-3)


def test_fid_falls_with_the_number_of_pictures():
    reference = normal(20_000, 16, 0)
    distances = [fid(reference, normal(n, 16, 9)) for n in (50, 200, 1000, 5000)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 20 * distances[3]


def test_shards_add_up():
    features = normal(100, 5, 0, scale=3, shift=100)  # a large mean: float32 sums would not do
    whole = FeatureSums.of(features)
    parts = FeatureSums.of(features[:33]) + FeatureSums.of(features[33:])
    assert parts.covariance.numpy() == pytest.approx(np.cov(features.double().T), abs=1e-8)
    assert fid(whole, parts) == pytest.approx(0, abs=1e-8)


def test_fid_names_sets_that_do_not_fit():
    with pytest.raises(InputError, match="1 × 3 and 5 × 3"):
        fid(torch.zeros(1, 3), torch.zeros(5, 3))
    with pytest.raises(InputError, match="5 × 3 and 5 × 4"):
        fid(torch.zeros(5, 3), torch.zeros(5, 4))


# ------------------------------------------------------------------------------ KID


def test_kid_by_hand():
    """One feature, x = (0, 2), y = (1, 3), k = (xy + 1)³: without the diagonal for xx and yy."""
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [3.0]])
    wanted = 1 + 4**3 - 2 * (1 + 1 + 3**3 + 7**3) / 4
    assert kid(x, y, subsets=1) == pytest.approx((wanted, 0))


def test_kid_is_torch_fidelitys():
    from torch_fidelity.metric_kid import kid_features_to_metric

    a, b = normal(200, 8, 0), normal(200, 8, 1, shift=0.3)
    options = {"kid_subsets": 1, "kid_subset_size": 200, "verbose": False}
    wanted = kid_features_to_metric(a.double(), b.double(), **options)
    assert kid(a, b, subsets=1)[0] == pytest.approx(
        wanted["kernel_inception_distance_mean"], abs=1e-6
    )


def test_kid_of_equal_distributions_is_near_zero_whatever_the_number():
    values = [kid(normal(n, 8, 0), normal(n, 8, 1), subset_size=200)[0] for n in (100, 400)]
    assert values == pytest.approx([0, 0], abs=0.1)
    assert kid(normal(500, 8, 0), normal(500, 8, 1, shift=1))[0] > 1


# ------------------------------------------------------------------------------ pictures


def test_quantisation_rounds_and_clamps():
    values = torch.tensor([-1.5, -1.0, 0.0, 126.6 / 127.5 - 1, 1.0, 1.01])
    assert to_uint8(values).tolist() == [0, 0, 128, 127, 255, 255]


SMALL = {"image_size": 32, "z_dim": 4, "g_dim": 4, "d_dim": 4}


@pytest.fixture(scope="module")
def generators():
    """An untrained generator of every family."""
    torch.manual_seed(0)
    made = [
        GANGenerator(GANConfig(**SMALL)),
        InfoGANGenerator(InfoGANConfig(**SMALL, n_categories=5, n_continuous=2)),
        FineGANGenerator(FineGANConfig(**SMALL, n_parents=2, n_children=6)),
        SimpleGANGenerator(SimpleGANConfig(**SMALL)),
        InfoGANBaselineGenerator(InfoGANBaselineConfig(**SMALL, n_children=3)),
        LRGANGenerator(LRGANConfig(**SMALL)),
        StackGANGenerator(StackGANConfig(**SMALL)),
    ]
    return {type(g).__name__.removesuffix("Generator"): g.eval() for g in made}


FAMILIES = ["GAN", "InfoGAN", "FineGAN", "SimpleGAN", "InfoGANBaseline", "LRGAN", "StackGAN"]


@pytest.mark.parametrize("family", FAMILIES)
def test_any_generator_can_be_sampled(generators, family):
    batches = list(sample_pictures(generators[family], 25, seed=1, batch_size=10))
    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert all(b.dtype == torch.uint8 and b.shape[1:] == (3, 32, 32) for b in batches)
    again = torch.cat(list(sample_pictures(generators[family], 25, seed=1, batch_size=10)))
    assert torch.cat(batches).equal(again)
    assert len(again.unique(dim=0)) > 20


def test_every_child_gets_its_share(generators):
    rng = torch.Generator().manual_seed(0)
    (codes,) = balanced_codes(generators["FineGAN"], torch.arange(3, 15), rng)
    assert codes.c_index.tolist() == [3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2]
    assert codes.b_index.equal(codes.c_index)  # tied
    assert codes.p_index.tolist() == [1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0]
    _, code = balanced_codes(generators["InfoGAN"], torch.arange(10), rng)
    assert code[:, :5].argmax(1).tolist() == [0, 1, 2, 3, 4] * 2
    assert code[:, :5].sum() == 10
    assert code.shape == (10, 7) and len(code[:, 5].unique()) == 10
    _, code = balanced_codes(generators["InfoGANBaseline"], torch.arange(4), rng)
    assert code.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert len(balanced_codes(generators["SimpleGAN"], torch.arange(4), rng)) == 1


def test_real_pictures_out_of_any_folder(tmp_path):
    for k in range(3):
        pixels = np.full((20 + 4 * k, 60, 3), 40 * k, np.uint8)
        pixels[:, 28:32] = 255
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
    pictures = real_pictures(tmp_path, 16, progress=False)
    assert pictures.shape == (3, 3, 16, 16)
    assert (pictures[:, 0, :, 0] == torch.tensor([0, 40, 80])[:, None]).all()
    assert (pictures[0, 0, :, 7:9] > 150).all()  # the middle stays in the middle
    with pytest.raises(InputError, match=r"3 in .*, 4 wanted"):
        real_pictures(tmp_path, 16, 4, progress=False)
    with pytest.raises(InputError, match="no such folder"):
        real_pictures(tmp_path / "nothing", 16, progress=False)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="no pictures"):
        real_pictures(tmp_path / "nothing", 16, progress=False)


def test_real_toybirds_are_training_views(birds, tmp_path, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path))
    pictures = real_pictures("toybirds", 32, 40, progress=False)
    same = ToyBirds(40, image_size=32, seed=quality.TOY_SEED, progress=False)
    views = same.batch(range(40)).child_crop
    assert (pictures.float() / 127.5 - 1 - views).abs().max() < 1e-5
    assert not pictures.equal(same.evaluation_crops())


# ------------------------------------------------------------------------------ networks


@pytest.mark.parametrize("size", [32, 64])
def test_the_shipped_classifier_knows_its_birds(size, tmp_path):
    network = load_network("toy", size)
    birds = ToyBirds(100, image_size=size, seed=123, cache_dir=tmp_path, progress=False)
    images, (child, background, pose) = views_with_truth(birds, np.arange(100), views=1)
    reading = network(to_uint8(images))
    assert reading.features.shape == (100, 64) and reading.logits.shape == (100, 20)
    assert (reading.logits.argmax(1) == child).float().mean() > 0.95
    assert (network.background(reading.features).argmax(1) == background).float().mean() > 0.95
    found = network.pose(reading.features)
    for k in range(3):  # flip, x, y: the signs above all
        assert torch.corrcoef(torch.stack([found[:, k], pose[:, k]]))[0, 1] > 0.7
    assert reading.features.var(0).mean() == pytest.approx(1, abs=0.2)
    assert network.metadata["command"].startswith("python -m finegan_lib classifier --data toy")


def test_pose_targets_follow_the_bird(birds):
    rows = np.arange(120)
    _, (_, _, pose) = views_with_truth(birds, rows, views=2)
    centre = birds.masks(rows).float().sum(1) @ ((torch.arange(32) + 0.5) / 32 - 0.5)
    mean = centre / birds.masks(rows).sum((1, 2))  # of the unmoved bird, small
    shift = pose[:, 1].abs().max() * 12 / 128 / 3**0.5
    assert mean.abs().max() < 0.15 and 0.05 < shift <= 6 / 64 + 1e-3
    flips = torch.tensor([-1.0 if birds.random_view(i, 2)[1] else 1.0 for i in rows.tolist()])
    facing = torch.from_numpy(np.where(birds.pose["flip"], -1.0, 1.0)).float()
    assert pose[:, 0].equal(flips * facing)


def test_resizing_is_antialiased_and_wants_uint8():
    stripes = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 255
    assert resized(stripes, 16)[..., 2:-2].sub(127.5).abs().max() < 1
    assert resized(stripes, 64).equal(stripes.float())
    with pytest.raises(InputError, match=r"uint8 pictures; got torch\.float32"):
        resized(stripes.float(), 32)


def test_training_a_toy_classifier(tmp_path, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path))
    out = tmp_path / "new" / "classifier.safetensors"
    facts = train_and_save_classifier(out, steps=3, n_images=60, n_test=40, progress=False)
    assert 0 <= facts["child_accuracy"] <= 1
    network = load_network(out)
    assert isinstance(network, ToyClassifier) and not network.training
    assert network.metadata["command"] == facts["command"]
    assert "--image-size 32 --steps 3 --batch-size 64 --seed 0" in facts["command"]
    picture = real_pictures("toybirds", 32, 4, progress=False)
    assert network(picture).logits.shape == (4, 20)


def test_fine_tuning_on_a_folder(tmp_path):
    world = ToyBirds(
        40, image_size=32, n_parents=1, n_children=2, cache_dir=tmp_path, progress=False
    )
    world.write_cub(tmp_path / "birds", progress=False)
    out = tmp_path / "photo.safetensors"
    options = {"backbone": "resnet18", "pretrained": False, "steps": 2, "batch_size": 4}
    facts = train_and_save_classifier(out, data=tmp_path / "birds", **options, progress=False)
    assert (facts["n_images"], facts["n_test"]) == (36, 4)
    assert facts["command"] == (
        f"python -m finegan_lib classifier --data {tmp_path / 'birds'} --backbone resnet18 "
        "--from-scratch --image-size 128 --steps 2 --batch-size 4 --seed 0 --out FILE"
    )
    network = load_network(out)
    assert network.config == {"n_classes": 2, "backbone": "resnet18"}
    reading = network(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    assert reading.features.shape == (2, 512) and reading.logits.shape == (2, 2)


def test_missing_imagenet_weights_are_said_clearly(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models.get_model", offline)
    with pytest.raises(InputError, match=r"resnet18 could not be fetched; got no route.*--from-s"):
        PhotoClassifier(3, "resnet18", pretrained=True)
    with pytest.raises(InputError, match="inception_v3"):
        PhotoClassifier(3, "vgg")


def test_inception_weights_are_checked_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"no such file .*--inception-weights"):
        inception_weights(tmp_path / "absent.pth")
    other = tmp_path / "other.pth"
    other.write_bytes(b"not weights")
    with pytest.raises(InputError, match="not the public file"):
        inception_weights(other)

    def offline(url, path, hash_prefix):
        assert hash_prefix == feature_networks.INCEPTION_SHA256
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(InputError, match=r"could not be fetched; got no route.*pytorch-fid"):
        load_network("inception")
    digest = checkup.sha256(other)
    monkeypatch.setattr(feature_networks, "INCEPTION_SHA256", digest)
    assert inception_weights(other) == other


def test_the_standard_network_gives_features_and_logits(tmp_path, monkeypatch):
    """With weights drawn at random in the place of the public ones."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    monkeypatch.setattr(feature_networks, "inception_weights", lambda path: path)
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: None)
    monkeypatch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *args: None)
    network = load_network("inception", inception="weights.pth")
    pictures = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    reading = network(pictures)
    assert reading.features.shape == (2, 2048) and reading.logits.shape == (2, 1008)
    bias_free = reading.features @ network.network.fc.weight.T
    assert torch.allclose(reading.logits, bias_free, atol=1e-4)


def test_an_unknown_network_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.*finegan_lib classifier"):
        load_network("nowhere")
    with pytest.raises(InputError, match=r"classifier_128"):
        load_network("toy", 128)


# ------------------------------------------------------------------------------ statistics


@pytest.fixture(scope="module")
def network():
    return load_network("toy", 32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINEGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        return real_pictures("toybirds", 32, 600, progress=False)


def test_controls(network, pictures):
    halves = [read_statistics(network, half.split(70), progress=False)
              for half in (pictures[::2], pictures[1::2])]  # fmt: skip
    noise = torch.randint(256, (300, 3, 32, 32), dtype=torch.uint8)
    scores = {
        "noise": compare_statistics(halves[0], read_statistics(network, [noise], progress=False)),
        "real": compare_statistics(*halves),
    }
    assert scores["real"]["fid"] < 5
    assert scores["noise"]["fid"] > 10 * scores["real"]["fid"]
    assert abs(scores["real"]["kid"]) < 0.1 < scores["noise"]["kid"]
    assert scores["real"]["inception_score"] > 10 > scores["noise"]["inception_score"]
    assert scores["real"]["real_inception_score"] == pytest.approx(
        scores["real"]["inception_score"], rel=0.15
    )


def test_halves_do_not_depend_on_the_batches(network, pictures):
    one = read_statistics(network, pictures[:50].split(7), progress=False)
    two = read_statistics(network, [pictures[:50]], progress=False)
    assert (one.even.count, one.odd.count, one.sums.count) == (25, 25, 50)
    assert torch.allclose(one.even.total, two.even.total, atol=1e-3)
    assert torch.allclose(one.sums.total, two.features.double().sum(0), atol=1e-3)
    with pytest.raises(InputError, match="got 3"):
        read_statistics(network, [pictures[:3]], progress=False)


def test_statistics_are_kept_by_content(network, pictures, tmp_path):
    some = pictures[:40]
    calls = []

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network

        def forward(self, images):
            calls.append(len(images))
            return self.inner(images)

    counting = Counting()
    first = cached_statistics(counting, some, folder=tmp_path, progress=False)
    again = cached_statistics(counting, some.clone(), folder=tmp_path, progress=False)
    assert calls == [40]
    assert first.sums.total.equal(again.sums.total) and first.even.outer.equal(again.even.outer)
    assert first.logits.equal(again.logits) and first.features.equal(again.features)
    changed = some.clone()
    changed[0, 0, 0, 0] ^= 1  # one bit of one pixel
    cached_statistics(counting, changed, folder=tmp_path, progress=False)
    assert calls == [40, 40]
    assert pictures_digest(some) != pictures_digest(some.flip(0))
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])  # damaged: read anew, no error
    cached_statistics(counting, some, folder=tmp_path, progress=False)
    assert calls == [40, 40, 40]
    assert not list(tmp_path.glob("*.partial"))


def test_a_networks_digest_follows_its_weights(tmp_path):
    torch.manual_seed(0)
    a = ToyClassifier()
    before = network_digest(a)
    with torch.no_grad():
        a.child.bias[0] += 1
    assert network_digest(a) != before
    save_network(a, tmp_path / "a.safetensors", command="by hand")
    b = load_network(tmp_path / "a.safetensors")
    assert network_digest(b) == network_digest(load_network(tmp_path / "a.safetensors"))
    assert b.metadata["command"] == "by hand"


def test_an_existing_file_is_refused_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr("finegan_lib.scoring.classifier_training.ToyBirds", lambda *_, **__: 1 / 0)
    (tmp_path / "runs").mkdir()
    with pytest.raises(InputError, match="this file exists"):
        train_and_save_classifier(tmp_path / "runs", progress=False)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    file, network = tmp_path / "a.safetensors", ToyClassifier()
    save_network(network, file, command="first")
    before = file.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("finegan_lib.base.checkpoints.os.replace", full)
        with pytest.raises(InputError, match="cannot write"):
            save_network(network, file, command="second")
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]
    with pytest.raises(InputError, match="cannot write"):
        save_network(network, tmp_path)


# ------------------------------------------------------------------------------ all together


def test_scores_of_the_shipped_generator(tmp_path, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path))
    options = {"n": 200, "n_real": 200, "splits": 2, "progress": False}
    scores = evaluate_quality("toy", **options)
    assert scores["generator"] == "FineGAN"
    assert scores["inception_score"] > 3
    assert scores["fid"] > 0
    assert scores == evaluate_quality("toy", **options)  # seeded, and out of the cache
    assert len(list((tmp_path / "statistics").glob("*.safetensors"))) == 1
    assert "Inception Score" in quality_table(scores)
    with pytest.raises(InputError, match="got 3"):
        evaluate_quality("toy", n=3)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"image_size": 48}, "32 or 64 pixels; got 48"),
        ({"image_size": 0}, "32 or 64 pixels; got 0"),
        ({"steps": 0}, "at least one step; got 0"),
        ({"batch_size": 1}, "batch_size must be at least 2; got 1"),
    ],
)
def test_a_classifier_that_cannot_be_trained_is_refused(options, named, tmp_path, monkeypatch):
    monkeypatch.setattr("finegan_lib.scoring.classifier_training.ToyBirds", None)  # none is drawn
    out = tmp_path / "classifier.safetensors"
    with pytest.raises(InputError, match=named):
        train_and_save_classifier(out, n_images=8, n_test=4, progress=False, **options)
    assert not out.exists()


@pytest.mark.parametrize("backbone", ["small", "resnet18"])
def test_two_pictures_are_too_few_for_a_classifier(backbone, tmp_path):
    """One was measured on, and batches of the other were looked for without end."""
    ToyBirds(2, image_size=32, cache_dir=tmp_path, progress=False).write_cub(tmp_path / "birds")
    options = {"image_size": 32, "backbone": backbone, "pretrained": False, "progress": False}
    with pytest.raises(InputError, match="needs three pictures at least; got 2 in"):
        train_and_save_classifier(tmp_path / "a", data=tmp_path / "birds", steps=1, **options)


def test_judges_that_cannot_be_trained_are_refused_before_birds_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr("finegan_lib.data.toybirds.ToyBirds", None)
    with pytest.raises(InputError, match="at least one step; got 0"):
        train_and_save_judges(tmp_path / "judges", steps=0)


def test_statistics_that_cannot_be_kept_do_not_end_the_scoring(tmp_path):
    (tmp_path / "file").touch()
    some = torch.randint(256, (8, 3, 32, 32), dtype=torch.uint8)
    with pytest.warns(UserWarning, match="the statistics are not kept: cannot write"):
        found = cached_statistics(
            load_network("toy", 32), some, folder=tmp_path / "file" / "in", progress=False
        )
    assert len(found.features) == 8


@pytest.mark.parametrize("n_real", [3, 0, -1])
def test_too_few_real_pictures_are_refused_before_any_work(n_real, tmp_path, monkeypatch):
    monkeypatch.setattr("finegan_lib.scoring.quality.load_generator", lambda _: 1 / 0)
    with pytest.raises(InputError, match=f"too few pictures for a score; got {n_real}"):
        evaluate_quality("toy", data=tmp_path, n_real=n_real)
    if n_real < 1:
        with pytest.raises(InputError, match=f"n must be at least 1; got {n_real}"):
            real_pictures("toybirds", 32, n_real, progress=False)


def test_quality_command(tmp_path, monkeypatch, capsys):
    from finegan_lib.__main__ import main

    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *a, **k: 1 / 0)
    out = tmp_path / "scores.json"
    options = ["--n", "40", "--n-real", "40", "--splits", "2", "--no-progress", "--device", "cpu"]
    assert main(["quality", *options, "--json", str(out)]) == 0
    assert '"fid"' in out.read_text() and "two halves" in capsys.readouterr().out
    (tmp_path / "nothing").mkdir()
    assert main(["quality", *options, "--data", str(tmp_path / "nothing")]) == 2
    assert "no pictures to compare with" in capsys.readouterr().err
