"""A perfect generator, made of ToyBirds themselves, and a useless one."""

from types import SimpleNamespace

import pytest
import torch

from finegan_lib.data import ToyBirds


@pytest.fixture(scope="session")
def birds(tmp_path_factory):
    """120 real ToyBirds at 32 px which no judge has seen."""
    folder = tmp_path_factory.mktemp("birds")
    return ToyBirds(120, image_size=32, seed=99, cache_dir=folder, progress=False)


@pytest.fixture(scope="session")
def oracle(birds):
    """b → family, p → silhouette, c → plumage, z → pose: every code does its own job, drawn."""

    def generate(codes):
        # z[:, 0] in (-inf, inf) → one of the data set's poses
        rows = (codes.z[:, 0].sigmoid() * len(birds)).long().clamp(max=len(birds) - 1).numpy()
        factors = {
            "parent": codes.p_index.numpy(),
            "child": codes.c_index.numpy(),
            "background": codes.b_index.numpy() % len(birds.background_names),
        }
        images, masks = birds.redraw(rows, **factors)
        corner, side = birds.crop_window(rows)
        corner[:, 0] += 1  # a scene further on: no bird there
        empty, _ = birds.render(rows, corner, side, 32, background=factors["background"])
        image, mask = images.float() / 127.5 - 1, masks[:, None].float()
        background = torch.from_numpy(empty).float() / 127.5 - 1
        return SimpleNamespace(
            background=SimpleNamespace(image=background),
            parent=SimpleNamespace(image=image, mask=mask),
            child=SimpleNamespace(image=image, mask=mask),
        )

    return generate


@pytest.fixture(scope="session")
def noise():
    """Smooth noise whatever the codes; the mask is the left half."""

    def generate(codes):
        image = torch.nn.functional.interpolate(codes.z[:, :3, None, None].tanh(), size=(32, 32))
        mask = torch.zeros(len(image), 1, 32, 32)
        mask[..., :16] = 1
        stage = SimpleNamespace(image=image, mask=mask)
        return SimpleNamespace(background=stage, parent=stage, child=stage)

    return generate
