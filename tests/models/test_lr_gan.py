"""LR-GAN: what the affine map does to an object, what is laid over what, and who reads which z."""

import dataclasses

import pytest
import torch

from finegan_lib.base.errors import InputError
from finegan_lib.models import LRGANConfig, LRGANGenerator
from finegan_lib.models.lr_gan import Pose, warp

TINY = LRGANConfig(image_size=32, z_dim=4, g_dim=4, d_dim=4)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def theta(*rows):
    return torch.tensor([rows], dtype=torch.float32)


def lone_pixel(row, column, side=5):
    image = torch.zeros(1, 1, side, side)
    image[0, 0, row, column] = 1.0
    return image


def place(image):
    """Row and column of the one bright pixel."""
    assert image.sum().item() == pytest.approx(1)
    return divmod(int(image[0, 0].argmax()), image.shape[-1])


def centre_and_area(mask):
    """(x, y) of a mask's centre of mass, in pixels, and its area."""
    mask = mask[0, 0]
    grid = torch.arange(len(mask), dtype=torch.float32)
    area = mask.sum()
    return (mask.sum(0) @ grid / area).item(), (mask.sum(1) @ grid / area).item(), area.item()


# ------------------------------------------------------------------------------ the affine map


def test_the_identity_changes_nothing():
    images = torch.randn(2, 3, 8, 8, generator=random())
    same = theta([1, 0, 0], [0, 1, 0]).expand(2, -1, -1)
    torch.testing.assert_close(warp(images, same), images)


def test_a_shift_by_hand():
    """5 pixels have centres −1, −½, 0, ½, 1: a shift of ½ looks one pixel further right.

    So what was at column 3 is seen at column 2. Rows are untouched: the first row of θ is x.
    """
    assert place(warp(lone_pixel(1, 3), theta([1, 0, 0.5], [0, 1, 0]))) == (1, 2)
    assert place(warp(lone_pixel(1, 3), theta([1, 0, 0], [0, 1, 0.5]))) == (0, 3)


def test_a_scale_above_one_shrinks():
    """Scale 2: the corner at ±1 is looked up at ±2, outside; what was at ±1 is now at ±½."""
    assert place(warp(lone_pixel(2, 4), theta([2, 0, 0], [0, 1, 0]))) == (2, 3)
    full = warp(torch.ones(1, 1, 5, 5), theta([2, 0, 0], [0, 2, 0]))[0, 0]
    expected = torch.zeros(5, 5)
    expected[1:4, 1:4] = 1  # zero outside
    torch.testing.assert_close(full, expected)


def test_the_off_diagonal_shears():
    """k_x = ½: row y looks up x + y/2, so the bottom row's pixel moves one to the left."""
    shear = theta([1, 0.5, 0], [0, 1, 0])
    assert place(warp(lone_pixel(4, 2), shear)) == (4, 1)
    assert place(warp(lone_pixel(0, 2), shear)) == (0, 3)


def test_the_pose_moves_and_shrinks_the_pasted_object():
    """A shift of ¼ is ¼·(S − 1)/2 pixels to the left of a half-size object: over its scale 2."""
    torch.manual_seed(0)
    config = dataclasses.replace(TINY, smallest_scale=1.0)
    generator = LRGANGenerator(config).eval()
    torch.nn.init.zeros_(generator.foreground_mask.weight)
    codes = generator.sample_codes(1, random())

    def pasted(scale, shift):
        with torch.no_grad():
            generator.pose.linear.bias.copy_(torch.tensor([scale, 0, shift, 0, scale, 0]))
            return centre_and_area(generator(*codes).objects[0].pasted.mask)

    x, y, area = pasted(1.0, 0.0)
    assert (x, y, area) == pytest.approx((15.5, 15.5, 32 * 32 * 0.5), rel=1e-4)
    x, y, small = pasted(2.0, 0.0)
    assert (x, y) == pytest.approx((15.5, 15.5), abs=1e-3)
    assert small == pytest.approx(area / 4, rel=0.1)
    x, y, _ = pasted(2.0, 0.25)
    assert x == pytest.approx(15.5 - 0.25 * 15.5 / 2, abs=0.1)
    assert y == pytest.approx(15.5, abs=1e-3)


# ------------------------------------------------------------------------------ the pose


@pytest.mark.parametrize("soft", [False, True])
def test_every_pose_lies_in_its_range(soft):
    pose = Pose(dataclasses.replace(TINY, soft_pose=soft))
    torch.nn.init.normal_(pose.linear.weight, std=5.0, generator=random())
    found = pose(torch.randn(200, 4, generator=random(1)))
    limits = torch.tensor([[[1.2, 2.4], [-0.1, 0.1], [-1, 1]], [[-0.1, 0.1], [1.2, 2.4], [-1, 1]]])
    low, high = found.amin(0), found.amax(0)
    assert (low >= limits[..., 0] - 1e-6).all() and (high <= limits[..., 1] + 1e-6).all()
    assert (high - low > 0.9 * (limits[..., 1] - limits[..., 0])).all()


def test_the_first_pose_is_the_largest_object_unmoved():
    hidden = torch.randn(3, 4, generator=random())
    first = torch.tensor([[1.2, 0, 0], [0, 1.2, 0]]).expand(3, -1, -1)
    torch.testing.assert_close(Pose(TINY)(hidden), first)
    soft = Pose(dataclasses.replace(TINY, soft_pose=True))(hidden)
    torch.testing.assert_close(soft, first, atol=0.06, rtol=0)
    assert not soft.equal(first)


def test_clamps_kill_the_gradient_and_the_soft_range_does_not():
    hidden = torch.zeros(1, 4)
    for soft in (False, True):
        pose = Pose(dataclasses.replace(TINY, soft_pose=soft))
        with torch.no_grad():
            pose.linear.bias.copy_(torch.tensor([3.0, 0.2, 1.5, -0.2, 0.5, -1.5]))
        pose(hidden).sum().backward()
        alive = pose.linear.bias.grad != 0
        assert alive.all() if soft else not alive.any()


def test_a_pose_learns_where_to_put_its_object():
    """A square of half the side shall lie three quarters of its width further left.

    A positive shift looks further right, so the shift must become positive; y must stay.
    """
    pose = Pose(dataclasses.replace(TINY, soft_pose=True))
    square, wanted = torch.zeros(2, 4, 1, 32, 32)
    square[..., 8:24, 8:24] = 1.0
    wanted[..., 8:24, 2:14] = 1.0
    optimiser = torch.optim.Adam(pose.parameters(), 0.05)
    hidden = torch.randn(4, 4, generator=random())
    for _ in range(60):
        theta = pose(hidden)
        loss = (warp(square, theta) - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (theta[:, 0, 2] > 0.4).all()
    assert (theta[:, 1, 2].abs() < 0.2).all()


# ------------------------------------------------------------------------------ the layers


@pytest.mark.parametrize(("image_size", "layers"), [(32, 2), (64, 3), (128, 2)])
def test_shapes(image_size, layers):
    torch.manual_seed(0)
    config = dataclasses.replace(TINY, image_size=image_size, layers=layers, g_dim=2)
    generator = LRGANGenerator(config)
    output = generator(*generator.sample_codes(2, random()))
    assert output.image.shape == output.background.shape == (2, 3, image_size, image_size)
    assert len(output.objects) == layers - 1
    for drawn in output.objects:
        assert drawn.foreground.shape == (2, 3, image_size, image_size)
        assert drawn.mask.shape == drawn.pasted.mask.shape == (2, 1, image_size, image_size)
        assert drawn.theta.shape == (2, 2, 3)


def test_layers_are_laid_over_one_another():
    """x_t = m̂·f̂ + (1 − m̂)·x_{t−1}, with both warped by the same θ."""
    torch.manual_seed(0)
    generator = LRGANGenerator(dataclasses.replace(TINY, layers=3)).eval()
    output = generator(*generator.sample_codes(2, random()))
    image = output.background
    for drawn in output.objects:
        mask, foreground = warp(drawn.mask, drawn.theta), warp(drawn.foreground, drawn.theta)
        image = mask * foreground + (1 - mask) * image
        torch.testing.assert_close(drawn.pasted.image, image)
    torch.testing.assert_close(output.image, image)


def test_nothing_is_pasted_outside_the_object_frame():
    """At scale 2 the frame is the middle half: the rest of the background is left alone."""
    torch.manual_seed(0)
    generator = LRGANGenerator(TINY).eval()
    with torch.no_grad():
        generator.pose.linear.bias.copy_(torch.tensor([2.0, 0, 0, 0, 2.0, 0]))
        output = generator(*generator.sample_codes(2, random()))
    changed = (output.image != output.background).any(1)
    assert changed[:, 8:24, 8:24].all()
    changed[:, 7:25, 7:25] = False
    assert not changed.any()


def test_who_reads_which_noise():
    """The background reads z_1 alone; an object remembers every z up to its own."""
    torch.manual_seed(0)
    generator = LRGANGenerator(dataclasses.replace(TINY, layers=3)).eval()
    (z,) = generator.sample_codes(2, random())
    z.requires_grad_()
    output = generator(z)
    readers = {"background": output.background} | {
        f"object {t}": drawn.foreground for t, drawn in enumerate(output.objects, 2)
    }
    expected = {
        "background": [True, False, False],
        "object 2": [True, True, False],
        "object 3": [True, True, True],
    }
    for name, image in readers.items():
        (gradient,) = torch.autograd.grad(image.sum(), z, retain_graph=True)
        assert (gradient != 0).any(2).any(0).tolist() == expected[name]


def test_wrong_sizes_are_named():
    generator = LRGANGenerator(TINY)
    with pytest.raises(InputError, match=r"shape \(N, 2, 4\); got \(3, 4\)"):
        generator(torch.zeros(3, 4))
    with pytest.raises(InputError, match="layers must be at least 2; got 1"):
        LRGANConfig(layers=1)
    with pytest.raises(InputError, match="smallest_scale=3"):
        LRGANConfig(smallest_scale=3.0)
