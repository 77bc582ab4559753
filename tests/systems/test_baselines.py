"""The paper's generation baselines: losses, who learns from what, resuming, samples, figures."""

import dataclasses
import itertools

import matplotlib.pyplot as plt
import pytest
import torch

from finegan_lib import families, figures, losses
from finegan_lib.base.checkpoints import load_checkpoint
from finegan_lib.base.errors import InputError
from finegan_lib.data import TrainingExample
from finegan_lib.experiments import demo
from finegan_lib.experiments.sampling import write_samples
from finegan_lib.models import (
    FineGANConfig,
    InfoGANBaselineConfig,
    LRGANConfig,
    SimpleGANConfig,
    StackGANConfig,
)
from finegan_lib.models.generators import final_image, random_codes, random_output
from finegan_lib.systems import Recipe, simple_gan, stackgan
from finegan_lib.training import LoopConfig, RunConfig, build_dataset, build_system, presets, train
from finegan_lib.training.pretrained import load_generator

TINY = {"image_size": 32, "z_dim": 3, "g_dim": 4, "d_dim": 4}
MODELS = {
    "simple_gan": SimpleGANConfig(**TINY, residual_blocks=1, norm="spectral"),
    "infogan_baseline": InfoGANBaselineConfig(
        **TINY, residual_blocks=1, norm="spectral", n_children=4
    ),
    "lr_gan": LRGANConfig(**TINY, soft_pose=True, norm="spectral"),
    "stackgan": StackGANConfig(**TINY, residual_blocks=1, scales=3, norm="spectral"),
}
RECIPE = Recipe(
    learning_rate=2e-3,
    adversarial="hinge",
    ema_decay=0.9,
    ema_warmup=True,
    ema_buffers=True,
    d_noise=0.3,
    final_decay=0.5,
    code_noise=0.1,
    code_flip=True,
    code_affine=0.2,
)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def run_of(family, recipe=RECIPE, **loop):
    values = {"n_images": 12, "batch_size": 4, "steps": 4, "device": "cpu"} | loop
    return RunConfig(MODELS[family], recipe, LoopConfig(**values))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One run of two steps of every family: name → folder."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        for family in MODELS:
            train(run_of(family, steps=2), folder / family, progress=False)
    return {family: folder / family for family in MODELS}


def batch_of(n=4, seed=0):
    crops = torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return TrainingExample(crops, crops, torch.zeros(n, 4), torch.arange(n))


def one_step(config, **recipe):
    """A fresh system, and what its networks were, before and after one step."""
    config = dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, **recipe))
    system = build_system(config)
    before = {name: p.detach().clone() for name, p in system.named_parameters()}
    report = system.step(batch_of(), torch.Generator().manual_seed(0))
    after = {name: p.detach().clone() for name, p in system.named_parameters()}
    return system, before, after, report


# ------------------------------------------------------------------------------ colours


def test_colour_statistics_by_hand():
    """Red is 0 and 1, green twice that, blue constant: means ½, 1, ¼; variances ¼ and 1."""
    red = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    image = torch.stack([red, 2 * red, torch.full((2, 2), 0.25)])[None]
    mean, covariance = losses.colour_statistics(image)
    torch.testing.assert_close(mean, torch.tensor([[0.5, 1.0, 0.25]]))
    expected = torch.tensor([[[0.25, 0.5, 0], [0.5, 1.0, 0], [0, 0, 0]]])
    torch.testing.assert_close(covariance, expected)


def test_colour_consistency_by_hand():
    """Means 0.4 apart in one of three channels: 50 · 0.16 / 3; a variance ¼ apart: 250/16/9."""
    fine, coarse = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 1, 1)
    fine[:, 0] = 0.4
    found = losses.colour_consistency_loss(fine, coarse)
    assert found.item() == pytest.approx(50 * 0.16 / 3)
    fine[0, 0] = torch.tensor([[-0.5, 0.5], [0.5, -0.5]])  # mean 0, variance 1/4
    found = losses.colour_consistency_loss(fine, coarse)
    assert found.item() == pytest.approx(250 / 16 / 9)
    alone = losses.colour_consistency_loss(fine, coarse, covariance_weight=0.0)
    assert alone.item() == pytest.approx(0)
    assert losses.colour_consistency_loss(fine, fine).item() == 0


def test_the_finer_scale_alone_is_pulled():
    coarse, fine = (torch.full((1, 3, n, n), v) for n, v in ((2, 0.5), (4, -0.5)))
    for images in (coarse, fine):
        images.requires_grad_()
    losses.colour_consistency_loss(fine, coarse).backward()
    assert coarse.grad is None
    assert (fine.grad < 0).all()  # downhill is towards the coarse image's 0.5


def test_the_colour_loss_pulls_the_scales_together():
    """Trained on real and fake as always; measured on fresh noise, with and without the loss."""
    apart = {}
    for weight in (0.0, 1.0):
        config = run_of("stackgan", Recipe(learning_rate=2e-3, colour_weight=weight))
        system = build_system(config)
        for step in range(25):
            system.step(batch_of(seed=step), torch.Generator().manual_seed(step))
        pyramid = random_output(system.generator, 16, seed=99)
        means = [images.mean((2, 3)) for images in pyramid]
        gaps = [(b - a).abs().mean().item() for a, b in itertools.pairwise(means)]
        apart[weight] = max(gaps)
    assert apart[1.0] < 0.6 * apart[0.0]


def test_every_scale_has_a_discriminator_of_its_own(monkeypatch):
    """Each sees the real crop averaged to its own size, and nothing else."""
    config = run_of("stackgan", Recipe())
    system, seen = build_system(config), []
    monkeypatch.setattr(
        stackgan,
        "update_d",
        lambda system, name, d, real, fake, rng, adapt: (
            seen.append((d, real, fake)),
            losses.discriminator_loss(d(real), d(fake.detach())),
        )[1],
    )
    batch = batch_of()
    report = system.step(batch, torch.Generator().manual_seed(0))
    assert [d for d, _, _ in seen] == list(system.discriminators)
    for (_, real, fake), size in zip(seen, (8, 16, 32), strict=True):
        assert real.shape == fake.shape == (4, 3, size, size)
        torch.testing.assert_close(real.mean((2, 3)), batch.child_crop.mean((2, 3)))
    names = {"D_8", "D_16", "D_32", "G_8", "G_16", "G_32", "colour_16", "colour_32"}
    assert report.keys() == names


# ------------------------------------------------------------------------------ who learns what


@pytest.mark.parametrize("family", MODELS)
def test_every_weight_has_exactly_one_optimiser(family):
    system = build_system(run_of(family))
    held = [p for o in system.optimisers.values() for g in o.param_groups for p in g["params"]]
    trained = {id(p) for p in system.parameters() if p.requires_grad}
    assert len(held) == len({id(p) for p in held})
    assert {id(p) for p in held} == trained
    assert not any(p.requires_grad for p in system.average.parameters())


@pytest.mark.parametrize("family", MODELS)
def test_one_step_moves_every_network(family):
    _, before, after, report = one_step(run_of(family))
    moved = {name for name in before if not before[name].equal(after[name])}
    for network in {name.split(".")[0] for name in before}:
        assert any(name.startswith(f"{network}.") for name in moved), network
    assert all(torch.isfinite(value) for value in report.values())


def test_the_code_loss_trains_generator_and_code_head_but_not_the_trunk():
    """The same step with and without it: the trunk and real/fake head stay equal."""
    off = one_step(run_of("infogan_baseline"), information_weight=0.0)
    on = one_step(run_of("infogan_baseline"), information_weight=5.0)
    for name in on[1]:
        assert off[1][name].equal(on[1][name])  # the same start
        same = off[2][name].equal(on[2][name])
        if name.startswith(("discriminator.trunk.", "discriminator.real_fake.")):
            assert same, name
            assert name.endswith("bias") or not on[2][name].equal(on[1][name])  # but it did learn
        if name.startswith("discriminator.code."):
            assert off[2][name].equal(off[1][name]), name  # nothing else trains the head
    for part in ("generator.stem.linear.weight", "discriminator.code.0.weight"):
        assert not off[2][part].equal(on[2][part])


def test_the_code_head_reads_the_whole_image(monkeypatch):
    """No mask: what it is shown is the image that the discriminator judges."""
    shown = []
    original = simple_gan.code_view

    def watched(stage, recipe, generator):
        shown.append(stage)
        return original(stage, recipe, generator)

    monkeypatch.setattr(simple_gan, "code_view", watched)
    recipe = dataclasses.replace(RECIPE, code_noise=0.0, code_flip=False, code_affine=0.0)
    system = build_system(run_of("infogan_baseline", recipe))
    system.step(batch_of(), torch.Generator().manual_seed(0))
    (stage,) = shown
    assert (stage.mask == 1).all()
    assert original(stage, recipe, None) is stage.image


def test_a_code_can_be_learnt():
    """A few steps of the information loss alone: the head reads the code from fresh images."""
    torch.manual_seed(0)
    system = build_system(run_of("infogan_baseline", Recipe(learning_rate=2e-3)))
    optimisers = [system.optimisers["G"], system.optimisers["info"]]
    rng = torch.Generator().manual_seed(0)
    for _ in range(40):
        z, c = system.generator.sample_codes(16, rng)
        logits = system.discriminator.code_logits(system.generator(z, c))
        for optimiser in optimisers:
            optimiser.zero_grad()
        losses.information_loss(logits, c.argmax(1)).backward()
        for optimiser in optimisers:
            optimiser.step()
    z, c = system.generator.sample_codes(64, rng)
    with torch.no_grad():
        read = system.discriminator.code_logits(system.generator(z, c)).argmax(1)
    assert (read == c.argmax(1)).float().mean() > 0.9


# ------------------------------------------------------------------------------ the trainer


def flat(node, path=""):
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    leaves = {}
    for key, value in pairs:
        here = f"{path}/{key}"
        leaves |= flat(value, here) if isinstance(value, dict | list) else {here: value}
    return leaves


@pytest.mark.parametrize("family", MODELS)
def test_a_resumed_run_equals_an_uninterrupted_one(family, tmp_path):
    # Decay and noise depend on a run's end, so both runs have the same: the first is cut short.
    recipe = dataclasses.replace(RECIPE, d_noise=0.0, final_decay=0.0)
    whole = run_of(family, recipe, checkpoint_every=1)
    expected = train(whole, tmp_path / "whole", progress=False)
    short = dataclasses.replace(whole, loop=dataclasses.replace(whole.loop, steps=2))
    train(short, tmp_path / "cut", progress=False)
    found = train(whole, tmp_path / "cut", resume=True, progress=False)
    a, b = (flat(load_checkpoint(path)[0]) for path in (expected, found))
    assert a.keys() == b.keys()
    for key, value in a.items():
        assert value.equal(b[key]) if isinstance(value, torch.Tensor) else value == b[key], key


@pytest.mark.parametrize("family", MODELS)
def test_configuration_and_average_come_back(runs, family):
    config = RunConfig.load(runs[family])
    assert config.family == family
    assert config.model == MODELS[family]
    generator = load_generator(runs[family])
    assert isinstance(generator, families.named(family).generator)
    images = final_image(random_output(generator, 3, seed=0))
    assert images.shape == (3, 3, 32, 32)
    assert images.equal(final_image(random_output(generator, 3, seed=0)))
    assert not images.equal(final_image(random_output(generator, 3, seed=1)))


@pytest.mark.parametrize("family", MODELS)
def test_pictures_are_drawn(family):
    picture = build_system(run_of(family)).picture()
    assert picture.shape[0] == 3 and picture.min() >= 0 and picture.max() <= 1


def test_the_world_may_differ_from_the_codes():
    """Table 2 changes the number of parent codes, not the birds."""
    model = FineGANConfig(**TINY, n_parents=2, n_children=20)
    loop = LoopConfig(n_images=8, world_parents=5, world_children=20)
    birds = build_dataset(RunConfig(model, Recipe(), loop), progress=False)
    assert (birds.n_parents, birds.n_children) == (5, 20)
    as_coded = dataclasses.replace(loop, world_parents=0, world_children=0)
    birds = build_dataset(RunConfig(model, Recipe(), as_coded), progress=False)
    assert (birds.n_parents, birds.n_children) == (2, 20)
    half = dataclasses.replace(loop, world_parents=4, world_children=0)
    birds = build_dataset(RunConfig(model, Recipe(), half), progress=False)
    assert (birds.n_parents, birds.n_children) == (4, 20)


# ------------------------------------------------------------------------------ samples, figures


def test_samples_of_every_family(runs, tmp_path):
    for family, folder in runs.items():
        rows = write_samples(folder, tmp_path / family, 5, batch_size=2)
        columns = {"file", "c"} if family == "infogan_baseline" else {"file"}
        assert [row.keys() for row in rows] == [columns] * 5
        assert len(list((tmp_path / family).glob("*.png"))) == 5


def test_a_code_is_fixed_where_there_is_one(runs, tmp_path):
    rows = write_samples(runs["infogan_baseline"], tmp_path / "c", 3, c=2)
    assert [row["c"] for row in rows] == [2, 2, 2]
    with pytest.raises(InputError, match=r"child \(c\) index must lie in \[0, 3\]; got 4"):
        write_samples(runs["infogan_baseline"], tmp_path / "d", 3, c=4)
    with pytest.raises(InputError, match="got p for a InfoGANBaselineGenerator"):
        write_samples(runs["infogan_baseline"], tmp_path / "d", 3, p=0)
    with pytest.raises(InputError, match="got c for a LRGANGenerator"):
        write_samples(runs["lr_gan"], tmp_path / "d", 3, c=0)
    assert not (tmp_path / "d").exists()


def test_random_codes_fit_every_generator():
    for family, generator_class in [(row.key, row.generator) for row in families.ROWS]:
        model = MODELS.get(family)
        if model is None:
            continue
        torch.manual_seed(0)
        generator = generator_class(model).eval()
        codes = random_codes(generator, 2, torch.Generator().manual_seed(0))
        assert final_image(generator(*codes)).shape == (2, 3, 32, 32)


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("simple_gan", {"samples"}),
        ("infogan_baseline", {"samples", "infogan_codes"}),
        ("lr_gan", {"samples", "lr_gan_layers"}),
        ("stackgan", {"samples", "stackgan_pyramid"}),
    ],
)
def test_every_family_has_its_figures(runs, family, names, tmp_path):
    paths = demo.draw_figures(runs[family], tmp_path)
    assert {path.stem for path in paths} == names
    assert all(path.stat().st_size > 1000 for path in paths)


def test_lr_gan_figure_shows_the_layers(runs):
    generator = load_generator(runs["lr_gan"])
    figure = figures.lr_gan_layers(generator, seed=1, columns=3)
    axes = [a for a in figure.axes if a.get_images()]
    assert len(axes) == 6 * 3
    output = random_output(generator, 3, seed=1)
    shown = axes[3].get_images()[0].get_array().data  # second row, first column: the object
    expected = (output.objects[0].foreground[0] / 2 + 0.5).permute(1, 2, 0).numpy()
    assert abs(shown - expected).max() < 1e-6
    titles = [a.get_title() for a in axes[:3]]
    assert all(title.startswith("scale 1.") for title in titles)
    plt.close(figure)


def test_stackgan_figure_shows_every_scale(runs):
    generator = load_generator(runs["stackgan"])
    figure = figures.stackgan_pyramid(generator, columns=2)
    sides = [a.get_images()[0].get_array().shape[0] for a in figure.axes]
    assert sides == [8, 8, 16, 16, 32, 32, 36, 36]
    coarse = random_output(generator, 2, seed=0)[0][0]
    swatch = figure.axes[6].get_images()[0].get_array()
    torch.testing.assert_close(
        torch.from_numpy(swatch.data[0, 0]), coarse.mean((1, 2)) / 2 + 0.5, atol=1e-5, rtol=0
    )
    plt.close(figure)


# ------------------------------------------------------------------------------ presets


@pytest.mark.parametrize("name", ["simple_gan", "infogan_baseline", "lr_gan", "stackgan"])
def test_toy_presets_have_finegans_budget(name):
    """Weights of the generator within a tenth; steps, batch, data and trunk of D the same."""
    preset, toy = presets.PRESETS[name], presets.TOY
    count = {
        c.family: sum(p.numel() for p in families.named(c.family).generator(c.model).parameters())
        for c in (preset, toy)
    }
    assert count[preset.family] == pytest.approx(count["finegan"], rel=0.1)
    for field in ("steps", "batch_size", "data", "n_images"):
        assert getattr(preset.loop, field) == getattr(toy.loop, field)
    for field in ("learning_rate", "adversarial", "d_noise", "final_decay", "ema_decay"):
        assert getattr(preset.recipe, field) == getattr(toy.recipe, field)
    assert (preset.model.image_size, preset.model.d_dim) == (
        toy.model.image_size,
        toy.model.d_dim,
    )
    assert preset.model.norm == toy.model.child_norm


def test_paper_presets():
    for name in ("cub_simple_gan", "cub_infogan", "cub_lr_gan", "cub_stackgan"):
        preset = presets.PRESETS[name]
        assert preset.recipe == Recipe()
        assert (preset.model.image_size, preset.model.z_dim) == (128, 100)
        assert preset.model.norm == "batch"
    assert presets.CUB_INFOGAN.model.n_children == 200
    assert presets.CUB_LR_GAN.loop.batch_size == 64
    assert not presets.CUB_LR_GAN.model.soft_pose
    assert presets.CUB_STACKGAN.model.sizes == [64, 128]
