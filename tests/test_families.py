"""A new family needs a network and a step, nothing else, and appears wherever the others do."""

import dataclasses
import json
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from finegan_lib import families
from finegan_lib.__main__ import main
from finegan_lib.base.checkpoints import read_metadata
from finegan_lib.base.errors import InputError
from finegan_lib.base.options import option
from finegan_lib.experiments.demo import draw_figures
from finegan_lib.experiments.sampling import write_samples
from finegan_lib.experiments.tables import Settings, generation_systems
from finegan_lib.systems import Recipe, descend, follow, frozen
from finegan_lib.systems.parts import System, adam, average_of
from finegan_lib.training import LoopConfig, RunConfig, presets, train
from finegan_lib.training.pretrained import load_generator


@dataclass(frozen=True)
class LinearConfig:
    """Sizes of the smallest generator there is."""

    image_size: int = 32
    z_dim: int = 4
    slope: float = option(1.0, "factor before tanh")


class LinearGenerator(nn.Module):
    """z (N, z_dim) → (N, 3, S, S): one linear layer."""

    def __init__(self, config: LinearConfig):
        super().__init__()
        self.config = config
        self.linear = nn.Linear(config.z_dim, 3 * config.image_size**2)

    def sample_codes(self, n: int, rng: torch.Generator):
        return (torch.randn(n, self.config.z_dim, generator=rng),)

    def forward(self, z):
        size = self.config.image_size
        return torch.tanh(self.config.slope * self.linear(z)).view(-1, 3, size, size)


class LinearSystem(System):
    """A least-squares GAN with a linear critic."""

    def __init__(self, config: LinearConfig, recipe: Recipe):
        super().__init__(recipe)
        self.config = config
        self.generator = LinearGenerator(config)
        self.critic = nn.Linear(3 * config.image_size**2, 1)
        self.average = average_of(self.generator)
        self.optimisers = {
            "G": adam(self.generator.parameters(), recipe),
            "D": adam(self.critic.parameters(), recipe),
        }

    def real_logits(self, images):
        return self.critic(images.flatten(1)).flatten()

    def step(self, batch, rng, hard=False):
        real = batch.child_crop
        (z,) = self.generator.sample_codes(len(real), rng)
        fake = self.generator(z.to(real))
        d = (self.real_logits(real) - 1).square().mean() + self.real_logits(
            fake.detach()
        ).square().mean()
        descend(self.optimisers["D"], d)
        with frozen(self.critic):
            g = (self.real_logits(fake) - 1).square().mean()
            descend(self.optimisers["G"], g)
        follow(self)
        return {"D": d, "G": g}


ROW = families.Family(
    key="linear_gan",
    title="Linear GAN",
    config=LinearConfig,
    generator=LinearGenerator,
    system=LinearSystem,
    presets=("linear_gan", ""),
    options="model of linear_gan",
)
LOOP = LoopConfig(n_images=8, batch_size=4, steps=2, device="cpu", checkpoint_every=1, log_every=1)


@pytest.fixture
def run(monkeypatch):
    """The family has its row and its preset."""
    config = RunConfig(LinearConfig(), Recipe(), LOOP)
    monkeypatch.setattr(families, "ROWS", [*families.ROWS, ROW])
    monkeypatch.setitem(presets.PRESETS, "linear_gan", config)
    return config


def test_a_new_family_trains_resumes_samples_and_draws(run, tmp_path):
    train(run, tmp_path / "run", progress=False)
    longer = dataclasses.replace(run, loop=dataclasses.replace(LOOP, steps=3))
    newest = train(longer, tmp_path / "run", resume=True, progress=False)
    assert read_metadata(newest)["step"] == 3
    assert json.loads((tmp_path / "run" / "config.json").read_text())["family"] == "linear_gan"
    assert isinstance(load_generator(newest), LinearGenerator)
    assert len(write_samples(newest, tmp_path / "samples", 3)) == 3
    assert [path.name for path in draw_figures(newest, tmp_path / "figures")] == ["samples.png"]


def test_a_new_familys_sizes_are_options_of_train(run, tmp_path):
    words = ["train", "--preset", "linear_gan", "--slope", "0.5", "--run", str(tmp_path / "run")]
    assert main([*words, "--no-progress"]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"]["slope"] == 0.5


def test_a_new_family_has_its_row_in_table_1(run):
    systems = generation_systems(Settings(steps=2))
    assert isinstance(systems["Linear GAN"].model, LinearConfig)
    assert systems["Linear GAN"].loop.steps == systems["FineGAN"].loop.steps
    photographs = generation_systems(Settings(data="cub", steps=2))
    assert "Linear GAN" not in photographs


def test_without_a_row_it_is_refused():
    with pytest.raises(InputError, match="belongs to no family"):
        families.of(LinearConfig())


def test_former_spellings_stay_readable():
    for former, key in (("simplegan", "simple_gan"), ("lrgan", "lr_gan")):
        assert families.named(former).key == key
        assert presets.PRESETS[key].family == key
    values = presets.LR_GAN.to_dict() | {"family": "lrgan"}
    assert RunConfig.from_dict(values) == presets.LR_GAN
    with pytest.raises(InputError, match="no such family"):
        families.named("perceptron")
