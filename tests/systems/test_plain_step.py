"""A whole training step against the plain one: losses, weights and running averages."""

import dataclasses

import pytest
import torch
from torch.nn.utils import parametrize

from finegan_lib.bench.doctor import random_batch
from finegan_lib.codes import Codes
from finegan_lib.models import FineGANConfig
from finegan_lib.systems import FineGANSystem
from finegan_lib.training.presets import CUB, TOY
from tests.reference.plain_training import plain_optimisers, plain_step

PAPER = FineGANConfig(n_parents=3, n_children=7, z_dim=5, g_dim=4, d_dim=4)
TOY_SMALL = dataclasses.replace(TOY.model, g_dim=4, d_dim=4)


class DoubleSystem(FineGANSystem):
    """In float64: Adam's first steps are as long for a gradient of rounding noise as for any."""

    def __init__(self, config, recipe):
        torch.manual_seed(0)
        super().__init__(config, recipe)
        self.double()

    def sample_codes(self, n, generator):
        return Codes(*(code.double() for code in super().sample_codes(n, generator)))


@pytest.mark.parametrize(("config", "recipe"), [(PAPER, CUB.recipe), (TOY_SMALL, TOY.recipe)])
def test_a_step_equals_the_plain_one(config, recipe):
    """Two steps, so that Adam's memory and the averages count."""
    ours, plain = DoubleSystem(config, recipe), DoubleSystem(config, recipe)
    plain_optimisers(plain)
    batch = random_batch(config.image_size, 4, "cpu")
    batch = batch._replace(
        child_crop=batch.child_crop.double(), full_image=batch.full_image.double()
    )
    for step in range(2):
        got = ours.step(batch, torch.Generator().manual_seed(step))
        expected = plain_step(plain, batch, torch.Generator().manual_seed(step), parametrize.cached)
        for name, value in expected.items():
            torch.testing.assert_close(got[name], value, atol=1e-6, rtol=1e-6)
    plain_state = plain.state_dict()
    # The plain step runs heads that ours leaves out, so the running statistics of the
    # discriminators' BatchNorms differ; no training step ever reads them.
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    for name, tensor in ours.state_dict().items():
        if name.startswith("d_") and name.endswith(statistics):
            continue
        torch.testing.assert_close(tensor, plain_state[name], atol=1e-5, rtol=1e-5, msg=name)
