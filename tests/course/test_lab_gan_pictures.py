"""The laboratories of lessons on GANs and on pictures: steps are watched, stamps are counted."""

import torch

from finegan_lib import course
from finegan_lib.losses import discriminator_loss

gan, pictures = course.lab("gan"), course.lab("vector_to_picture")


def test_a_right_step_leaves_the_other_player_alone():
    seen = gan.play(gan.gan_step, 3)
    assert seen["who moves, in two rounds"] == "D, G, D, G"
    assert seen["G is untouched by D's move"] and seen["D is untouched by G's move"]
    assert not seen["a gradient of D's loss in G"]
    again = gan.play(gan.gan_step, 3)
    for a, b in zip(
        seen["the weights after 3 rounds"], again["the weights after 3 rounds"], strict=True
    ):
        assert a.equal(b)


def test_a_step_that_moves_both_is_seen():
    def both(generator, discriminator, move_g, move_d, real, z):
        move_d.zero_grad()
        discriminator_loss(discriminator(real), discriminator(generator(z))).backward()
        move_d.step()
        move_g.step()

    seen = gan.play(both, 2)
    assert seen["a gradient of D's loss in G"]
    assert gan.play(lambda *_: ..., 2) is ...
    assert gan.play(lambda *_: None, 2)["who moves, in two rounds"] == ""


def test_a_picture_of_the_ring_counts_rounds(lesson_text):
    """With five steps of G a round, a number of steps could be any of two."""
    figure = gan.ring_figure({40: torch.zeros(9, 2)}, 40)
    assert figure.axes[0].get_title().startswith("round 40: ")
    assert 'f"step {' not in lesson_text("gan")


def test_blurred_adds_noise_of_the_stated_width():
    rng = torch.Generator().manual_seed(0)
    seen = gan.Blurred(torch.nn.Identity(), 0.2, rng)(torch.zeros(1000, 64))
    assert abs(seen.std().item() - 0.2) < 0.01


def test_stamps_overlap_evenly_if_the_kernel_is_a_multiple_of_the_stride():
    assert set(pictures.overlaps(3)[2:-2, 2:-2].unique().tolist()) == {1, 2, 4}
    assert set(pictures.overlaps(4)[2:-2, 2:-2].unique().tolist()) == {4}
    assert set(pictures.overlaps(2).unique().tolist()) == {1}


def test_the_bricks_have_the_shapes_that_the_lesson_says():
    maps = pictures.Stem(8, 6)(torch.randn(3, 8))
    assert maps.shape == (3, 6, 4, 4)
    assert pictures.UpBlock(6, 3)(maps).shape == (3, 3, 8, 8)
    assert pictures.Critic(4)(torch.randn(3, 3, 32, 32)).shape == (3,)


def test_the_museum_is_of_owls_in_signed_colours():
    owls = pictures.owls(12)
    assert owls.shape == (12, 3, 32, 32)
    assert owls.min() >= -1 and owls.max() <= 1
    assert pictures.owls(12).equal(owls)
    assert owls.flatten(1).unique(dim=0).shape[0] == 12  # twelve poses
