from types import SimpleNamespace

import numpy as np
import pytest

from finegan_lib.codes import CodeHierarchy
from finegan_lib.metrics.factors import disentanglement_margins, factor_matrix

HIERARCHY = CodeHierarchy.equal(4, 8)


def codes_as_image(codes):
    """A generator whose "image" is its codes, so that a judge can be any function of them."""
    return SimpleNamespace(child=SimpleNamespace(image=codes))


def judges_that_read(**changes):
    def readings(codes):
        truth = {"background": codes.b, "shape": codes.p, "appearance": codes.c, "pose": codes.z}
        return truth | {factor: read(codes) for factor, read in changes.items()}

    return SimpleNamespace(readings=readings)


def measure(judges, n_images=4000):
    found = factor_matrix(codes_as_image, HIERARCHY, judges, z_dim=2, n_images=n_images, seed=1)
    return found["matrix"], found["movement"]


def test_a_perfect_generator_has_the_identity_matrix():
    matrix, movement = measure(judges_that_read(), n_images=300)
    assert np.array_equal(matrix, np.eye(4))
    # E|z - z'|² = 2 per dimension; two different one-hot codes are 2 apart.
    assert movement[3] == pytest.approx(4, rel=0.15)
    assert movement[1] == pytest.approx(2 * 3 / 4, rel=0.15)


def test_additive_factor_shares_its_variance():
    # pose = z_0 + 2·sign(c): Var 1 from z, Var 4 from c, so total-effect indices 0.2 and 0.8.
    def pose(codes):
        return codes.z[:, :1] + 2 * (1 - 2 * (codes.c_index % 2)).float()[:, None]

    matrix, _ = measure(judges_that_read(pose=pose))
    assert matrix[:, 3] == pytest.approx([0, 0, 0.8, 0.2], abs=0.03)


def test_interaction_counts_in_both_rows():
    # "Left" of an odd shape is "right" of an even one: each of p and z alone turns the bird.
    def pose(codes):
        return codes.z[:, :1].sign() * (1 - 2 * (codes.p_index % 2)).float()[:, None]

    matrix, _ = measure(judges_that_read(pose=pose))
    assert matrix[:, 3] == pytest.approx([0, 1, 0, 1], abs=0.06)


def test_a_factor_that_never_moves_reads_zero():
    matrix, movement = measure(judges_that_read(shape=lambda codes: codes.p * 0), n_images=100)
    assert matrix[:, 1].tolist() == [0, 0, 0, 0]
    assert movement[1] == 0


def test_margin_compares_within_a_row():
    matrix = np.eye(4)
    matrix[1, 2] = 0.25  # the parent code also moves appearance
    matrix[3, 3] = 0.1
    matrix[3, 0] = 0.2
    margins = disentanglement_margins(matrix)
    assert margins[1] == pytest.approx(4)
    assert margins[3] == pytest.approx(0.5)
