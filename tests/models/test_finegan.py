"""FineGAN's networks at the three sizes: shapes, stitching, what depends on which code."""

import pytest
import torch

from finegan_lib.base.errors import InputError
from finegan_lib.codes import CodeHierarchy
from finegan_lib.data.example import background_size
from finegan_lib.losses import mask_lean, mask_lean_loss
from finegan_lib.models.finegan import (
    BackgroundDiscriminator,
    CodeDiscriminator,
    FineGANConfig,
    FineGANGenerator,
    build_discriminators,
    fetched,
    stitch,
    view_grid,
)

SIZES = {"n_parents": 3, "n_children": 7, "z_dim": 5, "g_dim": 4, "d_dim": 4}


def build(image_size=32, **changes):
    torch.manual_seed(0)
    config = FineGANConfig(**(SIZES | {"image_size": image_size} | changes))
    return config, FineGANGenerator(config)


def sample(config, n=4, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return config.hierarchy().sample(n, config.z_dim, tied=False, rng=rng)


@pytest.mark.parametrize("image_size", [32, 64, 128])
def test_generator_shapes_ranges_and_stitching(image_size):
    config, generator = build(image_size)
    output = generator(sample(config))
    shape = (4, 3, image_size, image_size)
    behind = output.background.image
    assert behind.shape == shape
    assert behind is output.background.foreground
    assert output.background.mask.eq(1).all()
    for stage in (output.parent, output.child):
        assert stage.foreground.shape == stage.image.shape == shape
        assert stage.mask.shape == (4, 1, image_size, image_size)
        assert stage.mask.min() >= 0
        assert stage.mask.max() <= 1
        torch.testing.assert_close(stage.masked_foreground, stage.mask * stage.foreground)
        torch.testing.assert_close(
            stage.image, stage.mask * stage.foreground + (1 - stage.mask) * behind
        )
        behind = stage.image
    for stage in output:
        assert stage.image.abs().max() <= 1
        assert stage.image.std() > 0.01


def test_stitch_by_hand():
    foreground, behind = torch.full((1, 3, 1, 2), 0.8), torch.full((1, 3, 1, 2), -0.4)
    mask = torch.tensor([0.25, 1.0]).view(1, 1, 1, 2)
    stage = stitch(foreground, mask, behind)
    assert stage.masked_foreground[0, 0, 0].tolist() == pytest.approx([0.2, 0.8])
    assert stage.image[0, 0, 0].tolist() == pytest.approx([0.2 - 0.75 * 0.4, 0.8])


def test_every_code_reaches_its_own_stages_only():
    config, generator = build()
    generator.eval()
    codes = sample(config)
    before = generator(codes)

    def changed(**new):
        after = generator(codes._replace(**new))
        return {
            "B": not torch.equal(after.background.image, before.background.image),
            "M_p": not torch.equal(after.parent.mask, before.parent.mask),
            "F_p": not torch.equal(after.parent.foreground, before.parent.foreground),
            "M_c": not torch.equal(after.child.mask, before.child.mask),
            "F_c": not torch.equal(after.child.foreground, before.child.foreground),
        }

    everything = dict.fromkeys(("B", "M_p", "F_p", "M_c", "F_c"), True)
    nothing = dict.fromkeys(everything, False)
    assert changed(z=codes.z.flip(0)) == everything
    assert changed(b=codes.b.roll(1, 1)) == nothing | {"B": True}
    assert changed(p=codes.p.roll(1, 1)) == everything | {"B": False}
    assert changed(c=codes.c.roll(1, 1)) == nothing | {"M_c": True, "F_c": True}


def test_background_can_be_drawn_alone():
    config, generator = build()
    codes = sample(config)
    alone = generator.generate_background(codes.z, codes.b).image
    assert torch.equal(alone, generator(codes).background.image)


def test_mask_bias_shifts_the_logits():
    config, plain = build()
    _, biased = build(mask_bias=-0.5)
    codes = sample(config)
    for stage in ("parent", "child"):
        a, b = getattr(plain(codes), stage).mask, getattr(biased(codes), stage).mask
        torch.testing.assert_close(b.logit(), a.logit() - 0.5, atol=1e-4, rtol=0)


def seen(generator, codes, *view):
    z = codes.z.clone()
    z[:, :3] = torch.tensor(view)
    return generator(codes._replace(z=z))


def test_view_mirrors_and_shifts_the_foreground_and_does_only_that():
    config, generator = build(view=True)
    generator.eval()
    codes = sample(config)
    # Φ(0.5244) = 0.7, of ±3 pixels at 32: 1.2, rounded to one pixel, to the right or down.
    one = 0.5244
    views = [(1.0, 0.0, 0.0), (-0.1, 0.0, 0.0), (2.0, one, 0.0), (2.0, 0.0, one), (-2.0, one, 0.0)]
    outputs = [seen(generator, codes, *view) for view in views]
    for stage in ("parent", "child"):
        for part in ("foreground", "mask"):
            plain, mirrored, right, down, both = (
                getattr(getattr(output, stage), part) for output in outputs
            )
            torch.testing.assert_close(mirrored, plain.flip(3))
            torch.testing.assert_close(right[..., 1:], plain[..., :-1])
            torch.testing.assert_close(down[:, :, 1:], plain[:, :, :-1])
            torch.testing.assert_close(both[..., 1:], mirrored[..., :-1])
            assert (mirrored - plain).abs().max() > 1e-3
    turned = outputs[1]
    stitched = stitch(turned.parent.foreground, turned.parent.mask, turned.background.image)
    torch.testing.assert_close(turned.parent.image, stitched.image)


@pytest.mark.parametrize("size", [32, 64, 128])
def test_a_view_fetches_whole_pixels(size):
    """So the nearest pixel, which training fetches, is what interpolation gives as well."""
    torch.manual_seed(0)
    view, maps = view_grid(torch.randn(16, 3), size), torch.randn(16, 2, size, size)
    nearest = fetched(maps, view)
    torch.testing.assert_close(fetched(maps, view.requires_grad_()), nearest, atol=1e-3, rtol=0)


def test_a_view_needs_three_numbers():
    with pytest.raises(InputError, match=r"first 3 numbers of z.*got 2"):
        FineGANConfig(**(SIZES | {"z_dim": 2}), view=True)


def test_a_shift_has_a_gradient():
    config, generator = build(view=True)
    codes = sample(config)
    z = codes.z.clone().requires_grad_()
    generator.eval()(codes._replace(z=z)).child.mask.square().sum().backward()
    assert (z.grad[:, 1:3].abs() > 0).all()


def test_without_a_view_those_numbers_are_like_any_others():
    config, generator = build()
    generator.eval()
    codes = sample(config)
    plain = seen(generator, codes, 0.3, 0.0, 0.0)
    turned = seen(generator, codes, -0.3, 0.0, 0.0)
    assert (turned.parent.mask - plain.parent.mask.flip(3)).abs().max() > 1e-3


@pytest.mark.parametrize(("least", "widths"), [(0, (8, 4)), (6, (8, 6)), (12, (12, 12))])
def test_least_head_channels(least, widths):
    config, generator = build(g_dim=16, min_head_channels=least)
    heads = (generator.parent_image, generator.child_image)
    assert tuple(head.in_channels for head in heads) == widths
    assert generator(sample(config)).child.image.shape == (4, 3, 32, 32)


def test_residual_blocks():
    _, generator = build(residual_blocks=1)
    assert len(generator.parent_stage.residual) == len(generator.child_stage.residual) == 1
    _, generator = build()
    assert len(generator.parent_stage.residual) == len(generator.child_stage.residual) == 2


@pytest.mark.parametrize("name", ["z", "b", "p", "c"])
def test_code_of_a_wrong_length_is_named(name):
    config, generator = build()
    codes = sample(config)
    longer = torch.cat([getattr(codes, name)] * 2, 1)
    with pytest.raises(InputError, match=rf"code {name} must have shape \(N, "):
        generator(codes._replace(**{name: longer}))


@pytest.mark.parametrize("image_size", [32, 64, 128])
@pytest.mark.parametrize("child_norm", ["batch", "spectral"])
def test_discriminator_shapes(image_size, child_norm):
    config, _ = build(image_size, child_norm=child_norm)
    d_background, d_parent, d_child = build_discriminators(config)
    images = torch.rand(2, 3, image_size, image_size) * 2 - 1
    cells = d_background.geometry.cells
    for logits in d_background(images):
        assert logits.shape == (2, cells, cells)
    assert [x.shape for x in d_parent(images)] == [(2,), (2, 3)]
    assert [x.shape for x in d_child(images)] == [(2,), (2, 7)]


def test_spectral_normalisation_is_of_d_child_only():
    config, _ = build(child_norm="spectral")
    _, d_parent, d_child = build_discriminators(config)
    kinds = [
        sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.trunk)
        for network in (d_parent, d_child)
    ]
    assert kinds == [3, 0]
    assert any(isinstance(layer, torch.nn.BatchNorm2d) for layer in d_child.code)


def test_heads_answer_alike_together_and_alone():
    config, _ = build()
    network = CodeDiscriminator(config, 7).eval()
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    real_fake, code = network(images)
    assert torch.equal(real_fake, network.real_fake_logits(images))
    assert torch.equal(code, network.code_logits(images))


@pytest.mark.parametrize("image_size", [64, 128])
def test_generated_backgrounds_are_resized_corner_to_corner(image_size):
    """A ramp from −1 to 1 along x is again one after the resize, on fewer pixels."""
    config, _ = build(image_size)
    network = BackgroundDiscriminator(config)

    def ramp(side):
        return torch.linspace(-1, 1, side).expand(1, 3, side, side)

    for a, b in zip(
        network(ramp(image_size)), network(ramp(background_size(image_size))), strict=True
    ):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_hierarchy_of_a_config():
    assert FineGANConfig(n_parents=20, n_children=196).hierarchy() == CodeHierarchy.equal(20, 196)
    sizes = (1, 4, 2)
    unequal = FineGANConfig(n_parents=3, n_children=7, children_per_parent=sizes)
    assert unequal.hierarchy() == CodeHierarchy.of_sizes(sizes)


@pytest.mark.parametrize("sizes", [(3, 4), (1, 4, 3), (1, 4, 1, 1), (3, 4, 0), (5, 4, -2)])
def test_children_per_parent_must_add_up(sizes):
    with pytest.raises(InputError, match=rf"{len(sizes)} entries, sum {sum(sizes)}"):
        FineGANConfig(n_parents=3, n_children=7, children_per_parent=sizes)


def test_other_image_sizes_are_refused():
    with pytest.raises(InputError, match="got 100"):
        FineGANConfig(image_size=100)


def test_where_z_is_above_0_a_bird_looks_the_way_that_its_mask_is_asked_to_lean():
    """The view's mirror and `mask_lean_loss` must mean the same side by z's first number."""
    mask = torch.zeros(1, 1, 32, 32)
    for i in range(8, 24):  # leans to the right: higher up is further to the right
        mask[0, 0, i, 30 - i : 36 - i] = 1
    assert mask_lean(mask).item() > 0.5
    z = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    seen = fetched(mask.expand(2, -1, -1, -1), view_grid(z, 32))
    assert torch.equal(seen[0], mask[0]) and torch.equal(seen[1], mask[0].flip(2))
    assert mask_lean_loss(seen, z[:, 0].sign()).item() == 0
    assert mask_lean_loss(seen, -z[:, 0].sign()).item() > 0.5
