"""Generators out of files, and their uses: samples, the demo, the doctor's look."""

import csv
import dataclasses
import functools
import json

import numpy as np
import pytest
import torch
from PIL import Image

from finegan_lib import families, figures
from finegan_lib.base import checkpoints
from finegan_lib.base.checkpoints import load_checkpoint, read_metadata, save_checkpoint
from finegan_lib.base.errors import InputError
from finegan_lib.bench import doctor
from finegan_lib.discovery import DiscoveryConfig
from finegan_lib.experiments import demo
from finegan_lib.experiments.sampling import write_samples
from finegan_lib.metrics.judges import Judges, JudgesConfig
from finegan_lib.models import FineGANConfig, FineGANGenerator, GANConfig, InfoGANConfig
from finegan_lib.scoring.scores import EvaluationConfig
from finegan_lib.systems import Recipe, covering
from finegan_lib.training import LoopConfig, RunConfig, train
from finegan_lib.training.export import export
from finegan_lib.training.pretrained import load_finegan, load_generator

TINY = {"image_size": 32, "z_dim": 3, "g_dim": 4, "d_dim": 4}
FINEGAN = FineGANConfig(**TINY, n_parents=5, n_children=20, residual_blocks=1)
LOOP = LoopConfig(n_images=12, batch_size=4, steps=2, device="cpu", sample_every=100)
# As little as can be scored.
QUICK = EvaluationConfig(
    n_images=40,
    n_pairs=20,
    discovery=DiscoveryConfig(n_images=100, epochs=1, width=2, n_real=40),
)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One run of two steps of every family: name → folder."""
    folder = tmp_path_factory.mktemp("runs")
    models = {
        "gan": GANConfig(**TINY),
        "infogan": InfoGANConfig(**TINY, n_categories=3),
        "finegan": FINEGAN,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        for name, model in models.items():
            train(RunConfig(model, Recipe(), LOOP), folder / name, progress=False)
    return {name: folder / name for name in models}


def averages(folder):
    networks = load_checkpoint(checkpoints.checkpoint_path(folder))[0]["networks"]
    return {k[8:]: v for k, v in networks.items() if k.startswith("average.")}


@pytest.mark.parametrize("family", ["gan", "infogan", "finegan"])
def test_the_averaged_generator_comes_back(runs, family, tmp_path):
    exported = export(runs[family], tmp_path / "small.safetensors", command="make it so")
    expected = averages(runs[family])
    for source in (runs[family], str(exported)):
        generator = load_generator(source)
        assert not generator.training
        assert not any(p.requires_grad for p in generator.parameters())
        found = generator.state_dict()
        assert found.keys() == expected.keys()
        assert all(found[name].equal(expected[name]) for name in expected)
    assert read_metadata(exported)["command"] == "make it so"
    assert read_metadata(exported)["step"] == 2
    run = checkpoints.checkpoint_path(runs[family])
    assert exported.stat().st_size < run.stat().st_size / 2


def test_the_average_is_not_the_live_generator(runs):
    networks = load_checkpoint(checkpoints.checkpoint_path(runs["finegan"]))[0]["networks"]
    live = networks["generator.child_image.weight"]
    assert not live.equal(load_finegan(runs["finegan"]).child_image.weight)


def test_a_finegan_is_asked_for(runs):
    with pytest.raises(InputError, match=r"needs a FineGAN; got .*infogan \(InfoGANGenerator\)"):
        load_finegan(runs["infogan"])


def test_an_existing_file_is_not_overwritten(runs, tmp_path):
    path = export(runs["gan"], tmp_path / "a.safetensors")
    before = path.read_bytes()
    with pytest.raises(InputError, match="this file exists"):
        export(runs["finegan"], path)
    assert path.read_bytes() == before


def rewrite(run, path, **model):
    """A copy of a run's checkpoint that claims other sizes."""
    state, metadata = load_checkpoint(checkpoints.checkpoint_path(run))
    metadata["config"]["model"] |= model
    return save_checkpoint(path, state, **metadata)


def test_wrong_sizes_in_a_checkpoint_are_named(runs, tmp_path):
    path = rewrite(runs["finegan"], tmp_path / "a.safetensors", n_children=21)
    with pytest.raises(InputError, match=r"do not fit the sizes.*size mismatch"):
        load_generator(path)
    path = rewrite(runs["finegan"], tmp_path / "b.safetensors", children_per_parent=[20])
    with pytest.raises(InputError, match="children_per_parent must have n_parents entries"):
        load_generator(path)
    path = rewrite(runs["finegan"], tmp_path / "c.safetensors", colour="red")
    with pytest.raises(InputError, match=r"unknown field .*got colour"):
        load_generator(path)


def test_huge_sizes_in_a_checkpoint_take_no_memory(runs, tmp_path):
    """Nor time: what is stated is compared with the file before anything is made of it."""
    sizes = [("g_dim", 512, "size mismatch"), ("g_dim", 10**8, "g_dim=100000000 is more than")]
    sizes += [("residual_blocks", 10**6, "residual_blocks=1000000 is more than the file holds")]
    for name, size, why in sizes:
        path = rewrite(runs["finegan"], tmp_path / f"{name}{size}.safetensors", **{name: size})
        with pytest.raises(InputError, match=rf"do not fit the sizes.*{why}"):
            load_generator(path)


def test_checkpoints_of_something_else_are_told_apart(runs, tmp_path):
    path = save_checkpoint(tmp_path / "a.safetensors", {"weight": torch.ones(1)})
    with pytest.raises(InputError, match="not the configuration of a run"):
        load_generator(path)
    _, metadata = load_checkpoint(checkpoints.checkpoint_path(runs["gan"]))
    path = save_checkpoint(tmp_path / "b.safetensors", {"weight": torch.ones(1)}, **metadata)
    with pytest.raises(InputError, match="holds no generator; got weight"):
        load_generator(path)


# ------------------------------------------------------------------------------ samples


def read_codes(folder):
    with open(folder / "codes.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_samples_are_written_with_their_codes(runs, tmp_path):
    rows = write_samples(runs["finegan"], tmp_path / "a", 5, seed=3, batch_size=2)
    assert [row["file"] for row in rows] == [f"{i:05d}.png" for i in range(5)]
    assert [{k: str(v) for k, v in row.items()} for row in rows] == read_codes(tmp_path / "a")
    assert sorted(p.name for p in (tmp_path / "a").glob("*.png")) == [r["file"] for r in rows]
    hierarchy = FINEGAN.hierarchy()
    assert all(row["b"] == row["c"] for row in rows)
    assert all(row["p"] == hierarchy.parent_of[row["c"]] for row in rows)
    # The image on the disk is the one of the codes in its row.
    codes = hierarchy.sample(5, FINEGAN.z_dim, rng=torch.Generator().manual_seed(3))
    images = figures.generate(load_finegan(runs["finegan"]), codes).child.image
    for i, row in enumerate(rows):
        found = np.asarray(Image.open(tmp_path / "a" / row["file"]))
        expected = (images[i].permute(1, 2, 0).numpy() / 2 + 0.5) * 255
        assert np.abs(found - expected).max() <= 1


def test_the_seed_of_samples_decides(runs, tmp_path):
    kinds = {"a": 0, "b": 0, "c": 1}
    for name, seed in kinds.items():
        write_samples(runs["finegan"], tmp_path / name, 2, seed=seed)
    a, b, c = ((tmp_path / name / "00001.png").read_bytes() for name in kinds)
    assert a == b != c


def test_codes_can_be_free_and_fixed(runs, tmp_path):
    free = write_samples(runs["finegan"], tmp_path / "a", 12, tied=False)
    assert any(row["b"] != row["c"] for row in free)
    fixed = write_samples(runs["finegan"], tmp_path / "b", 12, tied=False, p=4, b=0)
    assert {row["p"] for row in fixed} == {4} and {row["b"] for row in fixed} == {0}
    assert [row["c"] for row in fixed] == [row["c"] for row in free]
    child = write_samples(runs["finegan"], tmp_path / "c", 3, c=7)
    assert {(row["b"], row["p"], row["c"]) for row in child} == {(7, 1, 7)}


def test_samples_are_not_written_over_anything(runs, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    for taken, what in ((tmp_path, "holds files already"), (tmp_path / "note.txt", "is a file")):
        with pytest.raises(InputError, match=what):
            write_samples(runs["finegan"], taken, 1)
    with pytest.raises(InputError, match="n must be at least 1; got 0"):
        write_samples(runs["finegan"], tmp_path / "new", 0)
    with pytest.raises(InputError, match=r"child \(c\) index must lie in \[0, 19\]; got 99"):
        write_samples(runs["finegan"], tmp_path / "new", 1, c=99)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


# ------------------------------------------------------------------------------ demo, scores


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Untrained judges and tiny settings: the scores mean nothing, but the code path is the real
    one.
    """
    weights = tmp_path / "weights"
    torch.manual_seed(0)
    Judges(JudgesConfig(32, width=4), {"tilt_spread": 8.0}).save(weights / "judges_32.safetensors")
    monkeypatch.setattr("finegan_lib.metrics.judges.WEIGHTS", weights)
    monkeypatch.setattr(checkpoints, "WEIGHTS", weights)
    monkeypatch.setattr(demo, "WEIGHTS", weights)
    drawn = {"stagewise": figures.stagewise}
    monkeypatch.setattr(families.Family, "drawings", lambda row: drawn)
    loop = dataclasses.replace(LOOP, n_images=24)  # more than there are children
    recipe = Recipe(lead_parents=(0.5,))
    monkeypatch.setattr(demo, "DEMO", RunConfig(FINEGAN, recipe, loop))
    monkeypatch.setattr(demo, "QUICK", QUICK)
    monkeypatch.setattr(demo, "evaluate", functools.partial(demo.evaluate, n_images=40))
    few = covering.CoverConfig(steps=2, n_real=60, discovery=QUICK.discovery)
    monkeypatch.setattr(covering, "IN_TRAINING", few)
    return weights


def test_the_demo_trains_draws_and_scores(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "PICTURE_EVERY", 1)
    results = demo.demo(tmp_path / "demo", progress=False)
    assert list(results) == ["from_scratch"]
    scores = results["from_scratch"]
    folder = tmp_path / "demo" / "from_scratch"
    assert json.loads((folder / "scores.json").read_text()) == scores
    keys = {"mask_iou", "nmi_parent", "nmi_child", "factor_matrix"}
    keys |= {"real_child_nmi", "real_child_accuracy", "real_parent_nmi"}
    assert keys <= scores.keys()
    names = {"stagewise", "factor_matrix"}
    assert {path.stem for path in folder.glob("*.png")} == names
    table = demo.summary(scores)
    for name in ("mask IoU", *scores["controls"], *scores["factor_names"], "by z alone"):
        assert name in table
    assert f"{scores['nmi_child']:.3f}" in table
    history = (tmp_path / "demo" / "run" / "history.jsonl").read_text()
    assert history.count('"covered"') == 1
    out = capsys.readouterr().out
    assert "1 pauses of about a minute" in out
    assert "about 0 minutes at the speed" in out and str(tmp_path / "demo" / "training.png") in out
    for part in ("generated birds: mask IoU", "the shape code moves", "new drawn birds, sorted by"):
        assert out.count(part) == 1  # told as soon as it is there
    assert Image.open(tmp_path / "demo" / "training.png").width > 100
    words = demo.in_words(scores, 5, 20)
    assert f"{scores['mask_iou']:.0%}" in words and "Dice would name about 5%" in words


def test_a_demo_that_the_limit_stopped_goes_on_with_more_minutes(quick, tmp_path, capsys):
    demo.demo(tmp_path, minutes=1e-9, progress=False)
    assert "after step 0 of" in capsys.readouterr().out
    demo.demo(tmp_path, progress=False)
    whole = checkpoints.step_of(checkpoints.checkpoint_path(tmp_path / "run"))
    assert whole == demo.DEMO.loop.steps
    assert "what follows is worse" not in capsys.readouterr().out


def test_the_demo_shows_the_shipped_network_first(quick, runs, tmp_path, monkeypatch, capsys):
    export(runs["finegan"], quick / "toy.safetensors")
    seen = []

    def stop(*_, **__):
        seen.append({path.name for path in (tmp_path / "demo").rglob("*.png")})
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        demo.demo(tmp_path / "demo", progress=False)
    assert seen == [{"stagewise.png"}]
    assert "look at: the background" in capsys.readouterr().out


def test_the_demo_goes_on_where_it_stood(quick, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(demo, "show", lambda name, folder, **_: shown.append((str(name), folder)))
    demo.demo(tmp_path / "demo", progress=False)
    history = tmp_path / "demo" / "run" / "history.jsonl"
    before = history.read_text(), history.with_name("config.json").read_text()
    demo.demo(tmp_path / "demo", progress=False)
    first, again = shown
    assert first == again and first[1] == tmp_path / "demo" / "from_scratch"
    assert before == (history.read_text(), history.with_name("config.json").read_text())


@pytest.mark.parametrize(("step", "left"), [(None, 8), (0, 8), (5, 3), (8, 0), (9, 0)])
def test_a_demo_that_goes_on_counts_the_steps_that_are_left(step, left, tmp_path):
    if step is not None:
        (tmp_path / "checkpoints").mkdir(parents=True)
        (tmp_path / "checkpoints" / f"step_{step:08d}.safetensors").touch()
    assert demo.steps_left(tmp_path, 8) == left


def test_the_demo_says_when_the_limit_of_time_stops_it(quick, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "show", lambda *_, **__: {})
    demo.demo(tmp_path / "demo", minutes=1e-6, progress=False)
    assert capsys.readouterr().out.count("what follows is worse than it would be") == 1


def test_scores_need_judges_that_know_the_codes(quick, runs, tmp_path):
    config = dataclasses.replace(FINEGAN, n_children=10)
    torch.manual_seed(0)
    path = save_checkpoint(
        tmp_path / "other.safetensors",
        {"generator": FineGANGenerator(config).state_dict()},
        config=RunConfig(config, Recipe(), LOOP).to_dict(),
    )
    with pytest.raises(InputError, match=r"n_children=10.*judges of 5 parents"):
        demo.evaluate(path, progress=False)


# ------------------------------------------------------------------------------ doctor


def test_the_doctor_describes_a_checkpoint(runs, tmp_path):
    line, unusable = doctor.describe_checkpoint(runs["finegan"])
    assert not unusable
    assert line.endswith("intact, FineGAN, 32 pixels, 2 steps")
    whole = checkpoints.checkpoint_path(runs["gan"]).read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-10])
    line, unusable = doctor.describe_checkpoint(tmp_path / "cut.safetensors")
    assert unusable and "cannot be read" in line


def test_the_doctor_reports_facts_and_warnings(runs):
    facts = doctor.doctor(seconds=0, checkpoint=runs["gan"])
    assert facts["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert facts["threads"] == torch.get_num_threads()
    assert "toy_images_per_s" not in facts
    assert not any("checkpoint" in warning for warning in facts["warnings"])
    json.dumps(facts)
    facts = doctor.doctor(seconds=0, checkpoint="no such thing")
    assert facts["warnings"][0].startswith("the checkpoint cannot be used: no such checkpoint")


def test_the_doctor_knows_a_missing_package():
    assert doctor._version("no-such-package") == "missing"


def test_the_speed_check_trains(monkeypatch):
    """Two steps by the test's own clock: 16 images each in 3 s."""
    moments = iter([0.0, 0.0, 1.5, 3.0, 3.0])
    monkeypatch.setattr(doctor.time, "perf_counter", lambda: next(moments))
    assert doctor.toy_speed(2.0) == pytest.approx(2 * 16 / 3)
