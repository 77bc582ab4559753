"""What tests/test_distributed.py computes in one process and in two."""

import dataclasses

import torch

from finegan_lib.bench.doctor import random_batch
from finegan_lib.codes import Codes
from finegan_lib.data.example import TrainingExample
from finegan_lib.speed import distributed
from finegan_lib.systems import FineGANSystem
from finegan_lib.training.presets import TOY

MODEL = dataclasses.replace(TOY.model, g_dim=4, d_dim=4)
# Everything that draws random numbers or divides by a number is on.
RECIPE = dataclasses.replace(TOY.recipe, code_colour=0.1, pose_info=0.1, pose_dims=2, hard_pool=2)


class DoubleSystem(FineGANSystem):
    """In float64: Adam's first steps are as long for a gradient of rounding noise as for any."""

    def sample_codes(self, n, generator):
        return Codes(*(code.double() for code in super().sample_codes(n, generator)))


def double_system():
    torch.manual_seed(0)
    return DoubleSystem(MODEL, RECIPE).double()


def whole_batch():
    """8 images of noise, whose boxes leave a different number of patches free in each."""
    batch = random_batch(32, 8, "cpu")
    box = batch.box + torch.arange(8.0)[:, None] * torch.tensor([0, 0, 1.5, 0.5])
    return TrainingExample(
        batch.child_crop.double(), batch.full_image.double(), box.clamp(max=32), batch.index
    )


def two_steps(system):
    """A plain step and one on hard negatives, on this process's rows."""
    batch = TrainingExample(*map(distributed.own, whole_batch()))
    for step in range(2):
        system.step(batch, torch.Generator().manual_seed(step), hard=step == 1)


def statistics():
    """Feature statistics of 50 pictures of noise, in batches of 8."""
    from finegan_lib.metrics.feature_networks import ToyClassifier
    from finegan_lib.scoring.quality import read_statistics

    torch.manual_seed(0)
    network = ToyClassifier(32, 4, 2).eval()
    pictures = torch.randint(256, (50, 3, 32, 32), dtype=torch.uint8)
    return read_statistics(network, pictures.split(8), progress=False)
