from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from finegan_lib.base.checkpoints import save_checkpoint
from finegan_lib.models import FineGANGenerator
from finegan_lib.training.presets import TOY
from tests.applications.small import CONFIG


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def generator():
    """Untrained, but its pictures have colours and its masks edges."""
    torch.manual_seed(0)
    generator = FineGANGenerator(CONFIG)
    with torch.no_grad():
        for image in (generator.background_image, generator.parent_image, generator.child_image):
            image.weight.mul_(20)  # else every picture is nearly grey
        for _ in range(20):  # statistics for BatchNorm
            generator(CONFIG.hierarchy().sample(50, CONFIG.z_dim, tied=False))
    return generator.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def checkpoint(generator, tmp_path_factory):
    """The same generator as a file."""
    path = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    config = replace(TOY, model=CONFIG).to_dict()
    return save_checkpoint(path, {"generator": generator.state_dict()}, config=config)


@pytest.fixture
def pictures(tmp_path):
    """A folder of six pictures of noise in several sizes."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(6):
        pixels = random.integers(0, 256, (36 + i, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"bird {i}.png")
    return folder
