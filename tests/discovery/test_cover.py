"""Idle children and missing kinds: matched, led, and nothing else touched."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from finegan_lib.__main__ import main
from finegan_lib.base.checkpoints import checkpoint_path, read_metadata
from finegan_lib.base.errors import InputError
from finegan_lib.data import BirdsFolder, ToyBirds
from finegan_lib.discovery import cover
from finegan_lib.metrics.clustering import nmi
from finegan_lib.metrics.code_classifiers import (
    DiscoveryConfig,
    real_inputs,
    shrink,
    train_code_classifier,
)
from finegan_lib.models import FineGANConfig
from finegan_lib.systems import FineGANSystem, Recipe, leading
from finegan_lib.systems.covering import cover_system
from finegan_lib.systems.sorting import CoverConfig, sort_real
from finegan_lib.training import LoopConfig, RunConfig, train
from finegan_lib.training.export import export
from finegan_lib.training.pretrained import load_finegan

SMALL = FineGANConfig(
    image_size=32, n_parents=2, n_children=4, z_dim=4, g_dim=4, d_dim=4, residual_blocks=1
)
QUICK = CoverConfig(
    n_real=600, steps=40, discovery=DiscoveryConfig(n_images=1500, epochs=3, n_real=600)
)


class Redness(nn.Module):
    """A classifier of two kinds: 1 if a picture is red on the average, 0 if it is blue."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(1, 2)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[-40.0], [40.0]]))
            self.head.bias.zero_()

    def features(self, images):
        return images.mean((2, 3))[:, :1] - images.mean((2, 3))[:, 2:]

    def forward(self, images):
        return self.head(self.features(images))


@pytest.fixture
def system():
    torch.manual_seed(0)
    return FineGANSystem(SMALL, Recipe())


@pytest.mark.parametrize("kind", [0, 1])
def test_leading_goes_where_the_classifier_says(system, kind):
    generator, classifier = system.average, Redness()
    config = replace(QUICK, steps=60, realism=0.0)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    column = leading.lead(generator, lambda images: images.sum(), classifier, 1, kind, config)
    assert column.shape == generator.get_parameter(leading.COLUMNS)[:, 1].shape
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    own, painter = [], leading.Painter(generator, 1, seed=3)
    with torch.no_grad():
        for weights in (*painter.columns.unbind(1), column):
            images = painter.generate(weights, 64)
            own.append(classifier(images).softmax(1)[:, kind].mean().item())
    assert own[-1] > max(own[:-1]) + 0.1  # better than any column there was


def test_the_same_seed_leads_to_the_same_column(system):
    classifier = Redness()

    def led(seed):
        config = replace(QUICK, steps=5)
        judge = system.d_child.eval().real_fake_logits
        return leading.lead(system.average, judge, classifier, 2, 1, config, seed=seed)

    state = torch.random.get_rng_state()
    first, again, other = led(0), led(0), led(1)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)  # nobody else's numbers are used up


def test_realism_listens_to_the_judge(system):
    def dark(images):  # a judge that takes dark pictures for real ones
        return -20 * images.mean((1, 2, 3))

    def judged(realism):
        config = replace(QUICK, steps=40, realism=realism)
        column = leading.lead(system.average, dark, Redness(), 1, 1, config)
        with torch.no_grad():
            return (
                dark(leading.Painter(system.average, 1, seed=3).generate(column, 64)).mean().item()
            )

    assert judged(5.0) > judged(0.0)


def test_a_child_that_drew_what_its_sibling_draws_is_led_to_what_it_drew_before():
    generator, birds = load_finegan("toy"), ToyBirds(600, image_size=64, seed=1, progress=False)
    real, truth = real_inputs(birds.evaluation_crops(range(600)), 32), birds.child_index
    kinds = torch.as_tensor(truth).long()
    classifier = train_code_classifier(real, kinds, 20, DiscoveryConfig(epochs=15))
    lost, sibling = 0, 1

    def seen(column=None):  # the mean of what the classifier says of the child's pictures
        painter = leading.Painter(generator, lost, seed=9)
        column = painter.columns[:, lost] if column is None else column
        with torch.no_grad():
            return classifier(shrink(painter.generate(column, 32), 32)).softmax(1).mean(0)

    kind = int(seen().argmax())
    with torch.no_grad():
        columns = generator.get_parameter(leading.COLUMNS)
        columns[:, lost] = columns[:, sibling]
    assert seen()[kind] < 0.2
    assert leading.share(generator, classifier, lost, kind) < 0.2
    config = replace(QUICK, steps=40, batch_size=8)
    column = leading.lead(generator, lambda images: torch.zeros(1), classifier, lost, kind, config)
    assert seen(column)[kind] > 0.5
    assert leading.share(generator, classifier, lost, kind, column) > 0.5


def test_real_images_are_sorted_by_what_generated_ones_taught():
    generator, birds = load_finegan("toy"), ToyBirds(600, image_size=64, seed=1, progress=False)
    real = real_inputs(birds.evaluation_crops(range(600)), 32)
    sorting = sort_real(generator, real, QUICK)
    assert nmi(birds.child_index, sorting.kinds.numpy()) > 0.6  # pixels: 0.2
    assert sorting.child.shape == (20, 20)
    np.testing.assert_allclose(sorting.child.sum(1), 1, rtol=1e-4)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cover") / "run"
    loop = LoopConfig(n_images=64, batch_size=8, steps=3)
    train(RunConfig(SMALL, Recipe(), loop), folder, progress=False)
    return folder


def test_the_command_writes_a_checkpoint_to_go_on_from(run, tmp_path, capsys, monkeypatch):
    quick = partial(cover.CoverConfig, steps=3, discovery=DiscoveryConfig(n_images=200, epochs=1))
    monkeypatch.setattr(cover, "CoverConfig", quick)
    out, result = tmp_path / "covered.safetensors", tmp_path / "result.json"
    arguments = ["cover", "--checkpoint", str(run), "--out", str(out), "--n-real", "64"]
    assert main([*arguments, "--json", str(result), "--no-progress"]) == 0
    assert "children generate a kind of their own" in capsys.readouterr().out
    assert read_metadata(out)["covered"]["led"] is not None
    sizes = "--image-size 32 --n-parents 2 --n-children 4 --z-dim 4 --g-dim 4 --d-dim 4"
    sizes += " --residual-blocks 1 --steps 2 --batch-size 8 --n-images 64"
    go_on = ["train", "--preset", "cub", "--data", "toybirds", "--hard-steps", "0", *sizes.split()]
    go_on += ["--start-from", str(out), "--run", str(tmp_path / "next"), "--no-progress"]
    assert main(go_on) == 0
    assert main([*arguments, "--no-progress"]) == 2  # the file is there, and stays
    assert "exists" in capsys.readouterr().err


def test_the_command_looks_at_the_photographs_that_it_is_given(run, tmp_path, monkeypatch):
    ToyBirds(12, image_size=32, n_parents=2, n_children=4, progress=False).write_cub(
        tmp_path / "birds", progress=False
    )
    seen = []
    found = {"n_drawn": 4, "idle_parents": [], "led": []}
    monkeypatch.setattr(cover, "cover_system", lambda _, x, *__, **___: seen.append(x) or found)
    arguments = ["cover", "--checkpoint", str(run), "--out", str(tmp_path / "a.safetensors")]
    arguments += ["--data", str(tmp_path / "birds"), "--n-real", "5", "--no-progress"]
    assert main(arguments) == 0
    birds = BirdsFolder(tmp_path / "birds", image_size=32)
    assert seen[0].equal(birds.evaluation_crops([0, 2, 5, 8, 11]))


def test_what_cannot_be_covered_says_so(run, tmp_path, system):
    exported = export(run, tmp_path / "generator.safetensors")
    with pytest.raises(InputError, match="with its discriminators"):
        cover.cover(exported, tmp_path / "out.safetensors", progress=False)
    with pytest.raises(InputError, match="fewer real images than children"):
        cover_system(system, torch.zeros(3, 3, 32, 32, dtype=torch.uint8))
    assert not (tmp_path / "out.safetensors").exists()
    assert checkpoint_path(run).exists()
