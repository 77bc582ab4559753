"""torch's own random numbers, seeded for a while."""

import pytest
import torch

from finegan_lib.base.random_numbers import seeded


def test_numbers_are_those_of_the_seed_and_the_callers_go_on():
    torch.manual_seed(7)
    torch.rand(2)
    expected = torch.rand(3)
    torch.manual_seed(3)
    of_the_seed = torch.rand(3)
    torch.manual_seed(7)
    torch.rand(2)
    with seeded(3):
        assert torch.rand(3).equal(of_the_seed)
    assert torch.rand(3).equal(expected)


def test_an_error_inside_leaves_the_callers_numbers_alone():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), seeded(0):
        torch.rand(int(1 / 0))
    assert torch.get_rng_state().equal(before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpus_numbers_are_left_alone():
    before = torch.cuda.get_rng_state()
    with seeded(12345):
        torch.rand(1)
    assert torch.cuda.get_rng_state().equal(before)
