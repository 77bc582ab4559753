import pytest
import torch

from finegan_lib.applications import inversion_loss, invert, mix, repaint
from finegan_lib.base.errors import InputError
from finegan_lib.figures import generate
from tests.applications.small import CONFIG


@pytest.fixture(scope="module")
def birds():
    rng = torch.Generator().manual_seed(1)
    return [CONFIG.hierarchy().sample(3, 4, tied=False, rng=rng) for _ in range(3)]


def test_a_mixture_takes_each_part_from_its_bird(generator, birds):
    shape, appearance, background = birds
    mixture = mix(generator, shape, appearance, background)
    assert torch.equal(mixture.background.image, generate(generator, background).background.image)
    parent = generate(generator, shape).parent
    assert torch.equal(mixture.parent.mask, parent.mask)
    assert torch.equal(mixture.parent.foreground, parent.foreground)
    child = generate(generator, shape._replace(c=appearance.c)).child
    assert torch.equal(mixture.child.mask, child.mask)
    assert torch.equal(mixture.child.foreground, child.foreground)
    by_hand = parent.mask * parent.foreground + (1 - parent.mask) * mixture.background.image
    by_hand = child.mask * child.foreground + (1 - child.mask) * by_hand
    torch.testing.assert_close(mixture.child.image, by_hand)


def test_a_bird_mixed_with_itself_is_itself(generator, birds):
    one = birds[0]
    same = mix(generator, one, one, one)
    torch.testing.assert_close(same.child.image, generate(generator, one).child.image)


def test_repainting_lays_the_child_over_the_picture(generator, birds):
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    child = generate(generator, birds[0]).child
    painted = repaint(generator, birds[0], images)
    expected = child.mask * child.foreground + (1 - child.mask) * images
    torch.testing.assert_close(painted.image, expected)


def test_the_inversion_loss_by_hand():
    pictures, images = torch.zeros(2, 3, 2, 2), torch.full((2, 3, 2, 2), 0.5)
    z = torch.tensor([[1.0, 3.0], [0.0, 0.0]])
    loss = inversion_loss(pictures, images, z, prior=0.1)
    torch.testing.assert_close(loss, torch.tensor([0.25 + 0.5, 0.25]))


def error(generator, images, bird, behind):
    return (mix(generator, bird, bird, behind).child.image - images).square().mean((1, 2, 3))


def test_gradient_descent_comes_closer_than_the_search(generator, birds):
    images = mix(generator, birds[0], birds[0], birds[1]).child.image
    options = {"pool": 200, "candidates": 3, "prior": 0.0}
    searched = error(generator, images, *invert(generator, images, steps=0, **options))
    found = error(generator, images, *invert(generator, images, steps=60, **options))
    assert (found < 0.9 * searched).all() and found.mean() < 0.6 * searched.mean()


def test_the_search_finds_what_is_in_the_pool(generator):
    rng = torch.Generator().manual_seed(7)
    pool = CONFIG.hierarchy().sample(50, 4, tied=False, rng=rng)
    images = generate(generator, pool.select(slice(10, 14))).child.image
    bird, _ = invert(generator, images, steps=0, seed=7, pool=50, candidates=1)
    assert torch.equal(bird.z, pool.z[10:14]) and torch.equal(bird.c, pool.c[10:14])


def test_known_indices_are_kept(generator, birds):
    images = generate(generator, birds[0]).child.image
    p_index, c_index = torch.tensor([0, 1, 1]), torch.tensor([3, 0, 2])
    options = {"steps": 2, "pool": 200, "candidates": 2}
    bird, _ = invert(generator, images, p_index=p_index, c_index=c_index, **options)
    assert bird.p_index.tolist() == [0, 1, 1] and bird.c_index.tolist() == [3, 0, 2]


def test_the_prior_keeps_z_small(generator, birds):
    images = torch.ones(2, 3, 32, 32)  # no bird: without a prior z runs far away
    options = {"steps": 40, "pool": 50, "candidates": 1}
    loose, _ = invert(generator, images, prior=0.0, **options)
    tight, _ = invert(generator, images, prior=1.0, **options)
    assert tight.z.square().mean() < 0.5 * loose.z.square().mean()


def test_the_same_seed_gives_the_same_codes_and_the_generator_is_left_alone(generator, birds):
    images = generate(generator, birds[0]).child.image
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    generator.train()
    options = {"steps": 3, "pool": 30, "candidates": 2}
    one, other = (invert(generator, images, seed=5, **options) for _ in range(2))
    assert generator.training
    generator.eval()
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a.z, b.z)
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_what_cannot_be_inverted_is_said(generator):
    with pytest.raises(InputError, match="3, 32, 32"):
        invert(generator, torch.zeros(1, 3, 64, 64))
    with pytest.raises(InputError, match="too few birds"):
        invert(generator, torch.zeros(1, 3, 32, 32), c_index=[0], pool=8, candidates=8)
