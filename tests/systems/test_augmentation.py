"""What D_c judges: augmented, penalised, in pairs; and photographs that are kept out."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from finegan_lib import losses
from finegan_lib.base.errors import InputError
from finegan_lib.data.example import TrainingExample
from finegan_lib.data.kept_out import is_kept_out, split
from finegan_lib.models import FineGANConfig, GANConfig, SimpleGANConfig, StackGANConfig
from finegan_lib.models.blocks import Encoder
from finegan_lib.models.convolutions import differentiable_twice
from finegan_lib.systems import FineGANSystem, GANSystem, Recipe
from finegan_lib.systems.adversarial import (
    Discriminated,
    adapt_strength,
    discriminate,
    shown_to_d,
)
from finegan_lib.systems.augmentation import POLICIES, augment, next_strength, overfitting
from finegan_lib.training import LoopConfig, RunConfig, build_system, train
from finegan_lib.training.presets import PRESETS

SIZES = {"image_size": 32, "z_dim": 4, "g_dim": 4, "d_dim": 4}
FINEGAN = FineGANConfig(**SIZES, n_parents=2, n_children=4, child_norm="spectral")
every_family = pytest.mark.parametrize(
    "model",
    [
        FINEGAN,
        SimpleGANConfig(**SIZES, residual_blocks=1),
        StackGANConfig(**SIZES, residual_blocks=1),
    ],
    ids=["finegan", "simple_gan", "stackgan"],
)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch_of(n=4):
    images = torch.rand(2, n, 3, 32, 32, generator=seeded(3)) * 2 - 1
    box = torch.tensor([[0.0, 0.0, 4.0, 32.0]]).expand(n, 4)
    return TrainingExample(images[0], images[1], box, torch.arange(n))


# ------------------------------------------------------------------------------ augmentation


def test_colour_is_brightness_saturation_and_contrast():
    """Checked against the three definitions, with the same random numbers."""
    images = torch.rand(5, 3, 8, 8, generator=seeded(1)) * 2 - 1
    brightness, saturation, contrast = torch.rand(3, 5, 1, 1, 1, generator=seeded(2))
    wanted = images + (brightness - 0.5)
    grey = wanted.mean(1, keepdim=True)
    wanted = (wanted - grey) * saturation * 2 + grey
    mean = wanted.mean((1, 2, 3), keepdim=True)
    wanted = (wanted - mean) * (contrast + 0.5) + mean
    torch.testing.assert_close(POLICIES["colour"](images, seeded(2)), wanted)


def test_translation_moves_whole_pixels_and_fills_with_grey():
    images = torch.arange(1.0, 16 * 16 + 1).view(1, 1, 16, 16).expand(40, 3, 16, 16)
    moved = POLICIES["translation"](images, seeded())
    shifts = set()
    for image in moved[:, 0]:
        rows, columns = np.nonzero(image.numpy())
        dy, dx = rows[0], columns[0]
        source = int(image[dy, dx]) - 1
        shift = (dy - source // 16, dx - source % 16)
        shifts.add(shift)
        assert max(map(abs, shift)) <= 2  # an eighth of 16 pixels
        there = torch.roll(images[0, 0], shift, (0, 1))
        kept = image != 0
        assert torch.equal(image[kept], there[kept])
        assert kept.sum() == (16 - abs(shift[0])) * (16 - abs(shift[1]))
    assert len(shifts) > 10


def test_cutout_leaves_a_square_grey():
    cut = POLICIES["cutout"](torch.ones(60, 3, 16, 16), seeded()) == 0
    assert (cut[:, 0] == cut[:, 2]).all()
    areas = cut[:, 0].sum((1, 2))
    assert areas.max() == 64 and areas.min() >= 16  # 8 x 8; at least half of a side stays inside


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_is_differentiable_and_seeded(name):
    images = torch.rand(6, 3, 32, 32, generator=seeded(1), requires_grad=True)
    once = augment(images, (name,), 1.0, seeded(5))
    (gradient,) = torch.autograd.grad(once.square().sum(), images)
    assert gradient.abs().sum() > 0
    assert torch.equal(once, augment(images, (name,), 1.0, seeded(5)))
    assert not torch.equal(once, augment(images, (name,), 1.0, seeded(6)))


def test_strength_is_the_share_of_images_that_change():
    images = torch.rand(400, 3, 8, 8, generator=seeded(1))
    for strength, low, high in ((0.0, 0, 0), (0.3, 0.2, 0.4), (1.0, 1, 1)):
        changed = augment(images, ("colour",), strength, seeded()) != images
        assert low <= changed.any(3).any(2).any(1).float().mean() <= high
    assert torch.equal(augment(images, (), 1.0, seeded()), images)


def test_strength_follows_overfitting():
    assert overfitting(torch.tensor([2.0, 0.1, -1.0, 3.0])) == 0.5
    assert overfitting(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 1.0])) == 0
    half = torch.tensor(0.5)
    assert next_strength(half, torch.tensor(0.9), 0.6, 0.01) == pytest.approx(0.51)
    assert next_strength(half, torch.tensor(0.1), 0.6, 0.01) == pytest.approx(0.49)
    assert next_strength(torch.tensor(1.0), torch.tensor(0.9), 0.6, 0.01) == 1


def test_real_and_drawn_images_are_augmented_in_both_updates(monkeypatch):
    """D's step on real and drawn images, G's on drawn ones: the same changes, anew each time."""
    from finegan_lib.systems import adversarial

    seen = []
    monkeypatch.setattr(
        adversarial,
        "augment",
        lambda images, policies, strength, rng: (seen.append((len(images), policies)), images)[1],
    )
    system = FineGANSystem(FINEGAN, Recipe(augment=("cutout",), free_child=0.5))
    system.step(batch_of(), seeded())
    assert seen == [(4, ("cutout",)), (2, ("cutout",)), (2, ("cutout",))]


def test_the_strength_is_kept_in_checkpoints_and_moves():
    recipe = Recipe(augment=("colour",), augment_target=0.6, augment_strength=0.5, augment_ramp=40)
    system = FineGANSystem(FINEGAN, recipe)
    for step in range(3):
        system.step(batch_of(), seeded(step))
    after = float(system.augment_strength)
    assert after == pytest.approx(0.2) or after == pytest.approx(0.4) or after >= 0.6
    other = FineGANSystem(FINEGAN, recipe)
    other.load_state_dict(system.state_dict())
    assert float(other.augment_strength) == after
    assert "augment_strength" not in FineGANSystem(FINEGAN, Recipe()).state_dict()


@pytest.mark.parametrize(("start", "logit", "after"), [(0, 1.0, 0.4), (1, -1.0, 0.6)])
def test_the_strength_moves_from_a_whole_number_too(start, logit, after):
    options = {"augment_strength": start, "augment_target": 0.5, "augment_ramp": 10}
    system = FineGANSystem(FINEGAN, Recipe(augment=("colour",), **options))
    logits = torch.full((4,), logit)
    adapt_strength(system, Discriminated(torch.zeros(()), logits, logits))
    assert float(system.augment_strength) == pytest.approx(after)


@every_family
def test_the_strength_moves_once_a_step_in_every_family(model):
    """However many discriminators there are: by 4 images of 40."""
    recipe = Recipe(augment=("colour",), augment_target=0.5, augment_strength=0.5, augment_ramp=40)
    system = build_system(RunConfig(model, recipe, LoopConfig()))
    system.step(batch_of(), seeded())
    assert abs(float(system.augment_strength) - 0.5) == pytest.approx(0.1)


# ------------------------------------------------------------------------------ pairs, penalties


def test_a_relativistic_loss_knows_only_differences():
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    d = losses.relativistic_discriminator_loss(real, fake)
    assert d == pytest.approx(float(-torch.sigmoid(real - fake).log().mean()))
    torch.testing.assert_close(losses.relativistic_discriminator_loss(real + 7, fake + 7), d)
    g = losses.relativistic_generator_loss(real, fake)
    torch.testing.assert_close(g, losses.relativistic_discriminator_loss(fake, real))


@pytest.mark.parametrize("norm", ["spectral", "batch"])
def test_the_gradient_penalty_has_the_gradient_of_finite_differences(norm):
    torch.manual_seed(0)
    encoder = Encoder(32, 4, norm).double().eval()
    weight = torch.randn(encoder.out_channels, 4, 4, dtype=torch.double) / 10
    images = torch.rand(2, 3, 32, 32, dtype=torch.double, generator=seeded(1))
    scale = torch.ones((), dtype=torch.double, requires_grad=True)

    def penalty(factor):
        shown = images.clone().requires_grad_()
        with differentiable_twice():
            logits = (encoder(shown * factor) * weight).sum((1, 2, 3)).tanh()
            return losses.gradient_penalty(logits, shown)

    (gradient,) = torch.autograd.grad(penalty(scale), scale)
    step = 1e-3
    slope = (penalty(scale.detach() + step) - penalty(scale.detach() - step)) / (2 * step)
    assert float(gradient) == pytest.approx(float(slope.detach()), rel=1e-2)


def test_penalties_weigh_half_gamma_and_touch_their_own_images():
    """A linear D with gradient w: both penalties are gamma / 2 times the square of its length."""
    system = GANSystem(GANConfig(**SIZES), Recipe())
    system.noise_sd, w = 0.0, torch.randn(3, 32, 32, generator=seeded(1))
    real, fake = torch.rand(2, 4, 3, 32, 32, generator=seeded(2))

    def logits_of(*batches):
        return tuple((images * w).sum((1, 2, 3)) for images in batches)

    system.recipe = Recipe()
    plain = discriminate(system, logits_of, real, fake, seeded()).loss
    for name in ("r1", "r2"):
        system.recipe = Recipe(**{name: 0.3})
        loss = discriminate(system, logits_of, real, fake, seeded()).loss
        torch.testing.assert_close(loss - plain, 0.15 * w.square().sum(), rtol=1e-3, atol=1e-3)


@every_family
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_all_switches_together_train_every_family(model, precision):
    recipe = Recipe(
        relativistic=True,
        r1=1.0,
        r2=1.0,
        augment=("colour", "translation", "cutout"),
        augment_target=0.5,
        d_noise=0.1,
    )
    system = build_system(RunConfig(model, recipe, LoopConfig()))
    before = {name: value.clone() for name, value in system.generator.state_dict().items()}
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        report = system.step(batch_of(), seeded())
    assert all(torch.isfinite(value).all() for value in report.values())
    after = system.generator.state_dict()
    assert any(not torch.equal(after[name], value) for name, value in before.items())
    assert system.real_logits(batch_of().child_crop).shape == (4,)


def test_without_switches_nothing_is_drawn_and_nothing_changes():
    """The earlier presets train as before: they draw not one random number more."""
    system = FineGANSystem(FINEGAN, Recipe())
    images, rng = torch.rand(4, 3, 32, 32), seeded()
    assert torch.equal(shown_to_d(system, images, rng), images)
    assert torch.equal(rng.get_state(), seeded().get_state())
    for name in ("toy", "toy64", "cub", "dogs", "cars", "simple_gan", "stackgan"):
        recipe = PRESETS[name].recipe
        assert not (recipe.augment or recipe.r1 or recipe.r2 or recipe.relativistic)


@pytest.mark.parametrize(
    "options",
    [
        {"augment": ("blur",)},
        {"augment": ("colour", "colour")},
        {"augment_strength": 1.5},
        {"r1": -1.0},
        {"augment_ramp": 0},
        {"d_noise": -0.3},
        {"background_weight": float("inf")},
        {"mask_area": float("nan")},
        {"information_weight": -1.0},
        {"code_affine": -0.2},
        {"pose_dims": 0},
    ],
)
def test_a_recipe_that_cannot_be_is_refused(options):
    with pytest.raises(InputError, match=next(iter(options))):
        Recipe(**options)


# ------------------------------------------------------------------------------ kept out


def folder_of_photographs(root, n=24):
    """A folder in CUB's layout, of coloured squares."""
    (root / "images" / "bird").mkdir(parents=True)
    rng, lines, boxes = np.random.default_rng(0), [], []
    for i in range(1, n + 1):
        pixels = rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / "bird" / f"photo_{i}.png")
        lines.append(f"{i} bird/photo_{i}.png")
        boxes.append(f"{i} 12 12 20 20")
    (root / "images.txt").write_text("\n".join(lines) + "\n")
    (root / "bounding_boxes.txt").write_text("\n".join(boxes) + "\n")
    return root


def test_the_rule_looks_at_the_name_alone_and_grows_with_the_share():
    names = [f"bird_{i}.jpg" for i in range(4000)]
    few = {name for name in names if is_kept_out(name, 0.1)}
    more = {name for name in names if is_kept_out(name, 0.3)}
    assert few < more and 0.08 < len(few) / 4000 < 0.12
    assert not any(is_kept_out(name, 0.0) for name in names)
    assert all(is_kept_out(name, 1.0) for name in names)


def test_a_run_shows_d_on_both_kinds_and_trains_on_one(tmp_path, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path / "cache"))
    root = folder_of_photographs(tmp_path / "birds")
    loop = LoopConfig(
        data=str(root), keep_out=0.4, batch_size=4, steps=10, log_every=1, checkpoint_every=10
    )
    train(RunConfig(FINEGAN, Recipe(), loop), tmp_path / "run", progress=False)
    lines = [json.loads(line) for line in (tmp_path / "run/history.jsonl").read_text().splitlines()]
    told = [line for line in lines if "D_on_kept_out" in line]
    assert [line["step"] for line in told] == [5, 10]
    assert all("D_on_trained" in line for line in told)


def test_the_two_parts_are_the_whole_folder_once():
    from pathlib import Path
    from types import SimpleNamespace

    folder = SimpleNamespace(paths=[Path(f"x/{i}.jpg") for i in range(50)])
    trained, kept_out = split(folder, 0.3)
    assert sorted(trained.rows + kept_out.rows) == list(range(50))
    assert all(is_kept_out(f"{i}.jpg", 0.3) for i in kept_out.rows)
    with pytest.raises(InputError, match="keep_out"):
        split(SimpleNamespace(paths=[Path("1.jpg")]), 0.3)


def test_keep_out_is_for_folders():
    with pytest.raises(InputError, match=r"keep_out=0\.1, data=toybirds"):
        LoopConfig(keep_out=0.1)
    with pytest.raises(InputError, match="keep_out"):
        LoopConfig(keep_out=1.0, data="birds")
