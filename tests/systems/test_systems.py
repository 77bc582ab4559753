"""What one training step changes, and what it must leave alone."""

import pytest
import torch
from torch import nn

from finegan_lib.base.errors import InputError
from finegan_lib.codes import CodeHierarchy, Codes
from finegan_lib.data.example import TrainingExample
from finegan_lib.losses import background_discriminator_loss
from finegan_lib.models import FineGANConfig, FineGANOutput, GANConfig, InfoGANConfig, Stage
from finegan_lib.systems import (
    FineGANSystem,
    GANSystem,
    InfoGANSystem,
    Recipe,
    code_view,
    frozen,
    update_average,
)
from finegan_lib.systems.parts import image_grid

GAN = {"image_size": 32, "z_dim": 4, "g_dim": 4, "d_dim": 4}
SIZES = GAN | {"n_parents": 2, "n_children": 6}
NOISY = Recipe(code_noise=0.2, code_flip=True, code_affine=0.2, silhouette=0.5)
MASKED = Recipe(adversarial="hinge", mask_pull=2.0, mask_binary=1.0, mask_area=5.0, code_noise=0.2)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def real_batch(n=4, seed=3):
    draw = torch.rand(2, n, 3, 32, 32, generator=seeded(seed)) * 2 - 1
    box = torch.tensor([[0.0, 0.0, 4.0, 32.0]]).expand(n, 4)  # covers the columns of cells 0 to 2
    return TrainingExample(draw[0], draw[1], box, torch.arange(n))


def finegan(recipe=None, **changes):
    torch.manual_seed(0)
    return FineGANSystem(FineGANConfig(**(SIZES | changes)), recipe or Recipe())


def snapshot(system):
    return {name: value.detach().clone() for name, value in system.state_dict().items()}


def changed(system, before):
    """Names of the parameters that differ from a snapshot, without the average's."""
    return {
        name
        for name, value in system.named_parameters()
        if not name.startswith("average.") and not torch.equal(value, before[name])
    }


def parameters_of(system, *prefixes):
    return {name for name, _ in system.named_parameters() if name.startswith(prefixes)}


# ------------------------------------------------------------------------------------- FineGAN


@pytest.mark.parametrize("child_norm", ["batch", "spectral"])
def test_every_update_changes_its_own_weights_only(child_norm):
    system = finegan(child_norm=child_norm)
    batch = real_batch()
    codes = system.sample_codes(4, seeded())
    fake = system.generator(codes)

    before = snapshot(system)
    system.update_d_background(batch, fake)
    assert changed(system, before) == parameters_of(system, "d_background.")

    before = snapshot(system)
    system.update_d_child(batch, fake, seeded())
    expected = parameters_of(system, "d_child.trunk.", "d_child.real_fake.")
    assert changed(system, before) == expected

    before = snapshot(system)
    system.update_generator(fake, codes, seeded())
    expected = parameters_of(
        system, "generator.", "d_parent.trunk.", "d_parent.code.", "d_child.code."
    )
    assert changed(system, before) == expected


def test_the_contrastive_head_is_there_when_asked_for_only():
    off, on = finegan(), finegan(Recipe(contrastive_child=0.5))
    before, after = off.state_dict(), on.state_dict()
    assert all(name.startswith("contrastive.") for name in after.keys() - before.keys())
    assert after.keys() > before.keys()
    torch.testing.assert_close({name: after[name] for name in before}, dict(before))


def test_contrast_teaches_the_trunk_and_its_head_and_then_the_generator():
    system = finegan(Recipe(contrastive_child=1.0), child_norm="spectral")
    batch, codes = real_batch(), system.sample_codes(4, seeded())
    fake = system.generator(codes)
    before = snapshot(system)
    first = system.update_contrast(batch, fake, codes, seeded())
    assert changed(system, before) == parameters_of(system, "d_child.trunk.", "contrastive.")
    for _ in range(8):
        last = system.update_contrast(batch, fake, codes, seeded())
    assert last < first

    loss = system.contrast(fake, codes, seeded())
    head = [*system.contrastive.parameters()]
    kept = {"allow_unused": True, "retain_graph": True}
    assert torch.autograd.grad(loss, head, **kept) == (None,) * len(head)
    (gradient,) = torch.autograd.grad(loss, system.generator.child_image.weight)
    assert gradient.abs().sum() > 0
    report = system.step(batch, seeded())
    assert {"contrast", "contrast_D"} <= report.keys()
    assert all(torch.isfinite(value) for value in report.values())


@pytest.mark.parametrize("recipe", [Recipe(), MASKED, NOISY])
def test_a_step_changes_everything_but_the_unused_head(recipe):
    system = finegan(recipe)
    before = snapshot(system)
    report = system.step(real_batch(), seeded())
    everything = parameters_of(system, "generator.", "d_")
    moved = changed(system, before)
    if recipe.adversarial == "hinge":  # real and fake may push this one equally
        moved |= {"d_child.real_fake.bias"}
    assert moved == everything - parameters_of(system, "d_parent.real_fake.")
    assert all(torch.isfinite(value) for value in report.values())
    assert all(parameter.requires_grad for parameter in system.generator.parameters())
    assert all(p.requires_grad for p in system.d_child.parameters())


def test_every_weight_belongs_to_one_optimiser():
    system = finegan()
    owned = [
        parameter
        for optimiser in system.optimisers.values()
        for group in optimiser.param_groups
        for parameter in group["params"]
    ]
    assert len({id(p) for p in owned}) == len(owned)
    names = {id(parameter): name for name, parameter in system.named_parameters()}
    expected = parameters_of(system, "generator.", "d_")
    expected -= parameters_of(system, "d_parent.real_fake.")
    assert {names[id(p)] for p in owned} == expected
    for optimiser in system.optimisers.values():
        assert optimiser.defaults["betas"] == (0.5, 0.999)
        assert optimiser.defaults["lr"] == 2e-4


def test_information_about_the_pose():
    """The reader is trained, on what the parent's mask alone says about the first numbers of z."""
    system = finegan(Recipe(pose_info=0.5, pose_dims=2))
    before = snapshot(system)
    report = system.step(real_batch(), seeded())
    assert parameters_of(system, "pose_reader.") <= changed(system, before)
    assert torch.isfinite(report["pose_info"])
    codes = system.sample_codes(4, seeded())
    fake = system.generator(codes)
    loss = system.pose_loss(fake, codes, seeded())
    mean, log_variance = system.pose_reader(fake.parent.mask)
    assert mean.shape == log_variance.shape == (4, 2)
    variance = log_variance.exp()
    by_hand = 0.5 * ((codes.z[:, :2] - mean) ** 2 / variance + (2 * torch.pi * variance).log())
    torch.testing.assert_close(loss, by_hand.mean())
    with pytest.raises(InputError, match="pose_dims cannot exceed z_dim"):
        finegan(Recipe(pose_info=1.0, pose_dims=99))


def test_discriminators_do_not_train_the_generator():
    system = finegan()
    fake = system.generator(system.sample_codes(4, seeded()))
    system.update_d_background(real_batch(), fake)
    system.update_d_child(real_batch(), fake, seeded())
    assert all(parameter.grad is None for parameter in system.generator.parameters())


@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_every_network_is_shown_its_own_pictures(norm):
    """D_b sees B, D_c sees C, and the code heads see the masked foregrounds alone (paper).

    In as few passes as there can be; but no BatchNorm sees two batches as one.
    """
    system = finegan(child_norm=norm)
    batch, codes = real_batch(), system.sample_codes(4, seeded())
    fake = system.generator(codes)
    seen = {}

    def watch(name, network):
        seen[name] = []
        network.register_forward_pre_hook(lambda _, inputs: seen[name].append(inputs[0]))

    watch("D_b", system.d_background)
    watch("D_p", system.d_parent.trunk)
    watch("D_c", system.d_child.trunk)
    norms = [layer for layer in system.d_child.trunk if isinstance(layer, torch.nn.BatchNorm2d)]
    assert len(norms) == (3 if norm == "batch" else 0)
    for layer in norms:
        watch(layer, layer)
    system.update_d_background(batch, fake)
    system.update_d_child(batch, fake, seeded())
    system.update_generator(fake, codes, seeded())
    child = fake.child
    d_child = [[batch.child_crop, child.image], [child.image, child.masked_foreground]]
    expected = {
        "D_b": [[batch.full_image, fake.background.image], [fake.background.image]],
        "D_p": [[fake.parent.masked_foreground]],
        "D_c": d_child,
    }
    for name, passes in expected.items():
        for got, pictures in zip(seen[name], passes, strict=True):
            assert torch.equal(got, torch.cat(pictures)), name
    for layer in norms:
        assert [len(inputs) for inputs in seen[layer]] == [len(batch.child_crop)] * 4


@pytest.mark.parametrize("adversarial", ["bce", "hinge"])
def test_training_moves_the_logits_the_right_way(adversarial):
    """D_b and D_c learn to tell real from fake; then G, alone, learns to undo it."""
    system = finegan(Recipe(adversarial=adversarial, learning_rate=2e-3))
    batch, codes = real_batch(), system.sample_codes(4, seeded())

    def margins():
        with torch.no_grad():
            fake = system.generator(codes)
            real_b = system.d_background(batch.full_image)[1][:, :, 3:].mean()
            fake_b = system.d_background(fake.background.image)[1].mean()
            real_c = system.d_child.real_fake_logits(batch.child_crop).mean()
            fake_c = system.d_child.real_fake_logits(fake.child.image).mean()
        return (real_b - fake_b).item(), (real_c - fake_c).item(), fake_b.item(), fake_c.item()

    start = margins()
    for _ in range(5):
        fake = system.generator(codes)
        system.update_d_background(batch, fake)
        system.update_d_child(batch, fake, seeded())
    told_apart = margins()
    assert told_apart[0] > start[0]
    assert told_apart[1] > start[1]
    for _ in range(5):
        report = system.update_generator(system.generator(codes), codes, seeded())
    fooled = margins()
    assert fooled[2] > told_apart[2]
    assert fooled[3] > told_apart[3]
    assert report["parent_info"] < 1.0


def test_covered_patches_are_the_columns_of_the_box():
    """D_b's loss with the weights written by hand: rows are y, columns x."""
    system = finegan(Recipe(background_weight=3.0))
    batch, codes = real_batch(), system.sample_codes(4, seeded())
    fake = system.generator(codes)
    weights = torch.ones(4, 10, 10)
    weights[:, :, :3] = 0
    real_aux, real_logits = system.d_background(batch.full_image)
    _, fake_logits = system.d_background(fake.background.image)
    expected = background_discriminator_loss(
        real_aux, real_logits, fake_logits, weights, background_weight=3.0
    )
    loss = system.update_d_background(batch, fake)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_aux_head_learns_the_box():
    """On noise everywhere but in the box, which is black."""
    system = finegan(Recipe(learning_rate=2e-3))
    batch = real_batch()
    batch.full_image[:, :, :, :4] = -1
    fake = system.generator(system.sample_codes(4, seeded()))

    def contrast():
        aux = system.d_background(batch.full_image)[0]
        return (aux[:, :, 3:].mean() - aux[:, :, :3].mean()).item()

    before = contrast()
    for _ in range(15):
        system.update_d_background(batch, fake)
    assert contrast() > before + 0.1


def test_step_reports_losses_and_areas():
    report = finegan().step(real_batch(), seeded())
    names = ["D_b", "D_c", "background", "parent_info", "child", "child_info", "area_p", "area_c"]
    assert list(report) == names
    assert 0 < report["area_p"] < 1
    report = finegan(MASKED).step(real_batch(), seeded())
    assert {"pull", "binary", "area"} <= report.keys()


def test_mask_terms_by_hand():
    """M_p = 0.8 and M_c = 0.6 everywhere."""
    system = finegan(MASKED)
    images = torch.zeros(2, 3, 4, 4)
    stages = [Stage(images, torch.full((2, 1, 4, 4), m), images, images) for m in (1.0, 0.8, 0.6)]
    codes = system.sample_codes(2, seeded())
    fake = type(system.generator(codes))(*stages)
    terms = {name: term.item() for name, term in system.mask_terms(fake, codes).items()}
    assert terms == pytest.approx(
        {"pull": 2 * 0.2, "binary": 0.8 * 0.2 + 0.6 * 0.4, "area": 5 * (0.3 + 0.1)}, rel=1e-5
    )
    assert finegan().mask_terms(fake, codes) == {}


def test_masks_pull_each_other_apart_from_nothing_else():
    """``mask_pull`` moves M_c alone towards M_p, ``mask_pull_back`` M_p alone towards M_c."""
    images = torch.zeros(2, 3, 4, 4)
    for recipe, moved in ((Recipe(mask_pull=1.0), "child"), (Recipe(mask_pull_back=1.0), "parent")):
        system = finegan(recipe)
        masks = {
            name: torch.full((2, 1, 4, 4), value, requires_grad=True)
            for name, value in (("background", 1.0), ("parent", 0.8), ("child", 0.6))
        }
        stages = {name: Stage(images, mask, images, images) for name, mask in masks.items()}
        codes = system.sample_codes(2, seeded())
        (term,) = system.mask_terms(FineGANOutput(**stages), codes).values()
        term.backward()
        assert {name for name, mask in masks.items() if mask.grad is not None} == {moved}
        towards = 1 if moved == "parent" else -1  # the gradient's sign; descent goes against it
        assert (masks[moved].grad * towards > 0).all()


def test_lean_goes_with_the_sign_of_the_first_number():
    system = finegan(Recipe(mask_lean=2.0))
    codes = system.sample_codes(2, seeded())
    z = codes.z.clone()
    z[:, 0] = torch.tensor([0.3, -0.3])
    images, mask = torch.zeros(2, 3, 8, 8), torch.eye(8).flip(1).expand(2, 1, 8, 8)
    fake = FineGANOutput(*(Stage(images, mask, images, images) for _ in range(3)))
    terms = system.mask_terms(fake, codes._replace(z=z))
    # The first leans to the right, as it should; the second, by 1 the wrong way.
    assert terms["lean"].item() == pytest.approx(2.0 * (0 + 1.05) / 2, rel=1e-4)


def test_information_weight_reaches_the_loss():
    reports = [
        finegan(Recipe(information_weight=weight)).step(real_batch(), seeded())
        for weight in (1.0, 3.0)
    ]
    for name in ("parent_info", "child_info"):
        assert reports[1][name].item() == pytest.approx(3 * reports[0][name].item(), rel=1e-5)


def test_steps_are_determined_by_the_generator():
    def after(seed):
        system = finegan(NOISY)
        system.step(real_batch(), seeded(seed))
        return snapshot(system)

    first, again, other = after(1), after(1), after(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_drawn_codes_are_tied():
    system = finegan(children_per_parent=(1, 5))
    codes = system.sample_codes(50, seeded())
    parent_of = CodeHierarchy.of_sizes([1, 5]).parent_of
    assert torch.equal(codes.p_index, parent_of[codes.c_index])
    assert torch.equal(codes.b, codes.c)


def test_hard_codes_are_the_ones_read_worst():
    """Every network in evaluation mode, so that an image is judged alike in any batch."""
    system = finegan(Recipe(hard_pool=5)).eval()
    hard = system.hard_codes(3, seeded(1))
    generator = seeded(1)
    pool = [system.sample_codes(3, generator) for _ in range(5)]
    pool = Codes(*(torch.cat(parts) for parts in zip(*pool, strict=True)))
    with torch.no_grad():
        seen = system.generator(pool).child.masked_foreground
        probability = system.d_child.code_logits(seen).softmax(1)
    correct = probability[torch.arange(15), pool.c_index]
    worst = pool.select(correct.argsort()[:3])
    for a, b in zip(hard, worst, strict=True):
        assert torch.equal(a, b)


FREE = Recipe(free_child=0.25, hard_pool=5)


def test_free_children_come_last():
    system = finegan(FREE)
    assert [system.n_real_fake(n) for n in (16, 4, 2)] == [12, 3, 2]
    own = []
    for seed in range(20):
        codes = system.sample_codes(16, seeded(seed))
        own.append(codes.p_index == system.hierarchy.parent_of[codes.c_index])
    own = torch.stack(own)
    assert own[:, :12].all()
    assert 0.2 < own[:, 12:].float().mean() < 0.8  # two parents: half of them by chance


def test_free_children_are_for_the_code_readers_only():
    """Rows past the first change neither D_c's loss nor get a gradient from its real/fake head."""
    system = finegan(FREE)
    batch, codes = real_batch(4), system.sample_codes(4, seeded())
    fake = system.generator(codes)
    image = fake.child.image.detach().clone()
    image[3] = 1.0
    other = fake._replace(child=fake.child._replace(image=image))
    state = snapshot(system)
    loss = system.update_d_child(batch, fake, seeded())
    system.load_state_dict(state)
    assert torch.equal(loss, system.update_d_child(batch, other, seeded()))
    image[2] = 1.0
    system.load_state_dict(state)
    assert not torch.equal(loss, system.update_d_child(batch, other, seeded()))
    image = fake.child.image.detach().requires_grad_()
    fake = system.generator(codes)
    fake = fake._replace(child=fake.child._replace(image=image))
    report = system.update_generator(fake, codes, seeded())
    assert report["child"] != 0
    assert image.grad[3].abs().max() == 0
    assert (image.grad[:3].flatten(1).abs().amax(1) > 0).all()


def test_hard_codes_keep_free_children_last():
    system = finegan(FREE).eval()
    codes = system.hard_codes(8, seeded(1))
    own = codes.p_index == system.hierarchy.parent_of[codes.c_index]
    assert len(own) == 8
    assert own[:6].all()
    assert not own[6:].all()


def test_hard_step_trains():
    system = finegan()
    before = snapshot(system)
    system.step(real_batch(2), seeded(), hard=True)
    assert changed(system, before) >= parameters_of(system, "generator.")


# ------------------------------------------------------------------------------------- others


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(adversarial="hinge")])
def test_gan_step_changes_everything(recipe):
    torch.manual_seed(0)
    system = GANSystem(GANConfig(**GAN), recipe)
    before = snapshot(system)
    report = system.step(real_batch(), seeded())
    assert list(report) == ["D", "G"]
    moved = changed(system, before)
    if recipe.adversarial == "hinge":  # inside the margin real and fake push it equally
        moved |= {"discriminator.real_fake.bias"}
    assert moved == parameters_of(system, "generator.", "discriminator.")
    assert all(p.requires_grad for p in system.discriminator.parameters())


def infogan(recipe=None, n_continuous=1):
    torch.manual_seed(0)
    config = InfoGANConfig(**GAN, n_categories=3, n_continuous=n_continuous)
    return InfoGANSystem(config, recipe or Recipe())


@pytest.mark.parametrize("n_continuous", [0, 2])
def test_infogan_step_changes_everything(n_continuous):
    system = infogan(n_continuous=n_continuous)
    before = snapshot(system)
    report = system.step(real_batch(), seeded())
    assert list(report) == ["D", "G", "info"]
    assert changed(system, before) == parameters_of(system, "generator.", "discriminator.")


def test_posterior_never_trains_the_trunk():
    """For any weight of the information, trunk and real/fake head change in the same way."""
    trained = []
    for weight in (0.0, 100.0):
        system = infogan(Recipe(information_weight=weight))
        system.step(real_batch(), seeded())
        trained.append(snapshot(system))
    shared = [
        name
        for name in parameters_of(system, "discriminator.")
        if not name.startswith("discriminator.posterior.")
    ]
    assert shared
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in shared)
    last = "discriminator.posterior.layers.3.weight"
    assert not torch.equal(trained[0][last], trained[1][last])


def test_infogan_codes():
    z, index, continuous = infogan(n_continuous=2).sample_codes(300, seeded())
    assert z.shape == (300, 4)
    assert set(index.tolist()) == {0, 1, 2}
    assert continuous.shape == (300, 2)
    assert continuous.min() < -0.9
    assert continuous.max() > 0.9
    assert continuous.abs().max() <= 1


# ------------------------------------------------------------------------------------- helpers


def test_frozen_passes_gradients_through_and_restores():
    layer, fixed = nn.Linear(2, 1), nn.Linear(2, 1)
    fixed.bias.requires_grad_(False)
    x = torch.ones(1, 2, requires_grad=True)
    with pytest.raises(ZeroDivisionError), frozen(layer, fixed):
        (layer(x) + fixed(x)).sum().backward()
        raise ZeroDivisionError
    assert x.grad.abs().sum() > 0
    assert all(p.grad is None for p in (*layer.parameters(), *fixed.parameters()))
    assert [p.requires_grad for p in (*layer.parameters(), *fixed.parameters())] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("buffers", [False, True])
def test_average_arithmetic(buffers):
    average, live = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    nn.init.constant_(average.weight, 2.0)
    nn.init.constant_(live.weight, 6.0)
    average.running_mean.fill_(2.0), live.running_mean.fill_(6.0)
    live.num_batches_tracked.fill_(7)
    update_average(average, live, 0.75, buffers)
    assert average.weight.item() == 3.0
    assert average.running_mean.item() == (3.0 if buffers else 6.0)
    assert average.num_batches_tracked == 7
    assert live.weight.item() == 6.0


@pytest.mark.parametrize("buffers", [False, True])
def test_step_updates_the_average(buffers):
    system = finegan(Recipe(ema_decay=0.9, ema_buffers=buffers, learning_rate=0.01))
    before = snapshot(system)
    system.step(real_batch(), seeded())
    live = dict(system.generator.named_parameters())
    for name, average in system.average.named_parameters():
        expected = 0.9 * before[f"average.{name}"] + 0.1 * live[name]
        torch.testing.assert_close(average, expected, atol=1e-6, rtol=0)
        assert not average.requires_grad
    key = "parent_stage.join_norm.running_mean"
    new, old = system.generator.state_dict()[key], before[f"average.{key}"]
    expected = 0.9 * old + 0.1 * new if buffers else new
    torch.testing.assert_close(system.average.state_dict()[key], expected)


def test_a_warmed_up_average_starts_short():
    """Decays 2/11, 3/12, … until ema_decay: the first steps nearly copy the generator."""
    system = finegan(Recipe(ema_decay=0.24, ema_warmup=True, learning_rate=0.01))
    for decay in (2 / 11, 0.24, 0.24):
        before = snapshot(system)
        system.step(real_batch(), seeded())
        live = dict(system.generator.named_parameters())
        for name, average in system.average.named_parameters():
            expected = decay * before[f"average.{name}"] + (1 - decay) * live[name]
            torch.testing.assert_close(average, expected, atol=1e-6, rtol=0)


def test_a_freed_background_is_the_batchs_in_another_order():
    tied = finegan(Recipe()).sample_codes(64, seeded())
    assert torch.equal(tied.b_index, tied.c_index)
    system = finegan(Recipe(free_background=True))
    free = system.sample_codes(64, seeded())
    assert not torch.equal(free.b_index, free.c_index)
    assert torch.equal(free.b_index.sort()[0], free.c_index.sort()[0])
    assert torch.equal(free.p_index, system.hierarchy.parent_of[free.c_index])


# ------------------------------------------------------------------------------------- views


def drawn_stage(n=6, side=16):
    """A blob of many greys off the centre, on a mask that is 0 round it."""
    mask = torch.zeros(n, 1, side, side)
    mask[:, :, 5:12, 4:9] = 0.9
    foreground = torch.rand(n, 3, side, side, generator=seeded(8)) * 0.8 + 0.1
    return Stage(foreground, mask, mask * foreground, torch.zeros(n, 3, side, side))


def test_view_of_the_paper_is_the_masked_foreground():
    stage = drawn_stage()
    assert torch.equal(code_view(stage, Recipe(), seeded()), stage.masked_foreground)


def test_silhouette_shows_the_mask_only():
    stage = drawn_stage(n=40)
    view = code_view(stage, Recipe(), seeded(), silhouette=1.0)
    assert torch.equal(view.abs(), stage.mask.expand(-1, 3, -1, -1))
    colours = {tuple(row) for row in view[:, :, 8, 6].sign().tolist()}
    assert len(colours) == 8
    other = code_view(stage._replace(foreground=-stage.foreground), Recipe(), seeded(), 1.0)
    assert torch.equal(view, other)


def test_a_tint_is_one_colour_over_the_foreground_only():
    images, mask = torch.zeros(200, 3, 4, 4), torch.zeros(200, 1, 4, 4)
    mask[..., :2] = 1.0
    stage = Stage(images, mask, images, images)
    view = code_view(stage, Recipe(code_colour=0.5), seeded())
    assert (view[..., 2:] == 0).all()
    assert torch.equal(view[..., :2], view[..., :1, :1].expand(-1, -1, 4, 2))
    tints = view[..., 0, 0]
    assert tints.std(0).tolist() == pytest.approx([0.5] * 3, abs=0.08)
    assert abs(torch.corrcoef(tints.T)[0, 1]) < 0.2
    assert torch.equal(code_view(stage, Recipe(), seeded()), images)


def test_silhouette_passes_gradients_to_the_mask_only():
    stage = drawn_stage(n=2)
    foreground, mask = stage.foreground.requires_grad_(), stage.mask.requires_grad_()
    stage = Stage(foreground, mask, mask * foreground, stage.image)
    code_view(stage, Recipe(), seeded(), silhouette=1.0).square().sum().backward()
    assert mask.grad.abs().sum() > 0
    assert not foreground.grad.any()


def test_part_of_the_images_are_silhouettes():
    stage = drawn_stage(n=200)
    view = code_view(stage, Recipe(), seeded(), silhouette=0.25)
    plain = (view == stage.masked_foreground).flatten(1).all(1)
    assert 25 <= (~plain).sum() <= 75  # 50 expected, sd 6
    assert torch.equal(view[~plain].abs(), stage.mask[~plain].expand(-1, 3, -1, -1))


def test_flip_mirrors_some_images():
    stage = drawn_stage(n=20)
    view = code_view(stage, Recipe(code_flip=True), seeded())
    whole = stage.masked_foreground
    same = [torch.equal(a, b) for a, b in zip(view, whole, strict=True)]
    mirrored = [torch.equal(a, b) for a, b in zip(view, whole.flip(3), strict=True)]
    assert all(a != b for a, b in zip(same, mirrored, strict=True))
    assert 3 <= sum(mirrored) <= 17


def test_affine_of_almost_no_size_is_the_identity_or_a_flip():
    stage = drawn_stage(n=10)
    whole = stage.masked_foreground
    view = code_view(stage, Recipe(code_affine=1e-7), seeded())
    torch.testing.assert_close(view, whole, atol=1e-4, rtol=0)
    view = code_view(stage, Recipe(code_affine=1e-7, code_flip=True), seeded())
    exact = code_view(stage, Recipe(code_affine=0.0, code_flip=True), seeded())
    torch.testing.assert_close(view, exact, atol=1e-4, rtol=0)
    assert not torch.equal(exact, whole)


def test_affine_keeps_the_background_at_zero_and_moves_the_rest():
    stage = drawn_stage(n=10)
    view = code_view(stage, Recipe(code_affine=0.2), seeded())
    assert not view[:, :, [0, -1]].any()
    assert not view[:, :, :, [0, -1]].any()
    assert view.min() >= 0
    assert view.max() <= 0.9
    moved = (view - stage.masked_foreground).abs().amax((1, 2, 3))
    assert moved.min() > 0.1


def test_affine_stays_within_its_size():
    """A disc: scale within ±20 %, and its middle within ±5 % of the side."""
    side = 64
    axis = torch.arange(side) + 0.5 - side / 2
    disc = (axis[:, None] ** 2 + axis**2 < 12**2).float().expand(30, 3, side, side)
    mask = torch.ones(30, 1, side, side)
    view = code_view(Stage(disc, mask, disc, disc), Recipe(code_affine=0.2), seeded())[:, 0]
    area = view.sum((1, 2)) / disc[0, 0].sum()
    assert (area > 0.95 / 1.2**2).all()
    assert (area < 1.05 / 0.8**2).all()
    assert area.min() < 0.85
    assert area.max() > 1.2
    for weights in (view.sum(1), view.sum(2)):
        middle = (weights * axis).sum(1) / weights.sum(1)
        # shifts are in the scaled frame, at most 0.1 of half a side over a scale of 0.8; the
        # shift of both axes may be turned by 0.2 rad into one
        assert middle.abs().max() < 0.1 * side / 2 / 0.8 * 1.2
        assert middle.abs().max() > 1


def test_noise_has_its_deviation():
    stage = drawn_stage(n=50)
    noise = code_view(stage, Recipe(code_noise=0.3), seeded()) - stage.masked_foreground
    assert noise.std().item() == pytest.approx(0.3, rel=0.03)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)


def test_views_are_determined_by_the_generator():
    stage = drawn_stage()
    first, again, other = (code_view(stage, NOISY, seeded(seed), 0.5) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


# ------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("build", [finegan, infogan, lambda: GANSystem(GANConfig(**GAN), Recipe())])
def test_pictures(build):
    system = build()
    before = snapshot(system)
    picture = system.picture(seed=1)
    assert picture.ndim == 3
    assert picture.shape[0] == 3
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert torch.equal(picture, system.picture(seed=1))
    assert not torch.equal(picture, system.picture(seed=2))
    after = snapshot(system)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_image_grid_maps_the_range():
    images = torch.tensor([-1.0, 0.0, 1.0]).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    grid = image_grid(images, columns=3)
    assert grid.shape == (3, 2 + 2, 3 * 3 + 1)
    assert grid[0, 1, [1, 4, 7]].tolist() == [0, 0.5, 1]
