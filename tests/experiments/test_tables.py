"""The tables: which rows, at which budget, what is done once, and what is printed."""

import dataclasses
import functools
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from finegan_lib import families
from finegan_lib.__main__ import build_parser, main
from finegan_lib.applications import cut_discovery
from finegan_lib.base.checkpoints import read_metadata
from finegan_lib.base.errors import InputError
from finegan_lib.base.files import WEIGHTS
from finegan_lib.codes import CodeHierarchy
from finegan_lib.data import ToyBirds
from finegan_lib.discovery import DiscoveryConfig
from finegan_lib.discovery.depict import DEPICTConfig
from finegan_lib.discovery.jule import JULEConfig
from finegan_lib.experiments import committed_tables, table_systems, tables
from finegan_lib.experiments.paper import TABLES, toy_table
from finegan_lib.experiments.tables import Settings
from finegan_lib.models import InfoGANBaselineConfig, InfoGANBaselineGenerator
from finegan_lib.training import presets
from finegan_lib.training.pretrained import load_generator
from tests.applications.small import QUICK_SEGMENTER

SYSTEMS = ["Simple-GAN", "InfoGAN", "LR-GAN", "StackGAN-v2", "FineGAN"]
QUICK = Settings(steps=2, n_images=40, n_real=60, device="cpu")
TINY = {"g_dim": 4, "d_dim": 4, "z_dim": 3}


@pytest.fixture(autouse=True)
def quick(tmp_path, tmp_path_factory, monkeypatch):
    """Small networks and few images; everything else is the real path."""
    monkeypatch.setenv("FINEGAN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def small(monkeypatch):
    toy = presets.TOY
    model = dataclasses.replace(toy.model, **TINY, min_head_channels=4, background_gain=1.0)
    loop = dataclasses.replace(toy.loop, n_images=40, batch_size=4)
    toy = dataclasses.replace(toy, model=model, loop=loop)
    monkeypatch.setattr(presets, "TOY", toy)
    monkeypatch.setitem(presets.PRESETS, "toy", toy)
    quality = functools.partial(tables.evaluate_quality, n_real=40, splits=2)
    monkeypatch.setattr(tables, "evaluate_quality", quality)
    quick_discovery = DiscoveryConfig(n_images=100, epochs=1, width=2)
    monkeypatch.setattr(tables, "DISCOVERY", quick_discovery)
    sorting = {
        "finegan": quick_discovery,
        "jule": JULEConfig(width=4, padding=2, features=8, neighbours=5, epochs=1),
        "depict": DEPICTConfig(
            widths=(4, 4), pretrain_epochs=1, warm_epochs=1, epochs=1, kmeans_starts=1
        ),
    }
    monkeypatch.setattr(tables, "TOY_SORTING", sorting)


# ------------------------------------------------------------------------------ rows and budgets


@pytest.mark.parametrize("image_size", [32, 64])
def test_equal_budget(image_size):
    """Steps, images and world the same; the generators' weights within a tenth."""
    systems = tables.generation_systems(Settings(image_size=image_size))
    assert list(systems) == SYSTEMS
    ours = systems["FineGAN"]
    weights = {
        name: tables.count_parameters(families.named(c.family).generator, c.model)
        for name, c in systems.items()
    }
    for name, config in systems.items():
        assert weights[name] == pytest.approx(weights["FineGAN"], rel=0.1)
        assert config.loop == ours.loop
        assert config.model.image_size == image_size
        assert config.model.d_dim == ours.model.d_dim
    assert systems["InfoGAN"].model.n_children == ours.model.n_children


def test_the_toy_presets_are_the_tables_rows():
    systems = tables.generation_systems(Settings())
    names = ("simple_gan", "infogan_baseline", "lr_gan", "stackgan")
    for name, preset in zip(SYSTEMS, names, strict=False):
        assert systems[name].model == presets.PRESETS[preset].model


def test_counting_allocates_nothing_and_is_right():
    model = presets.LR_GAN.model
    expected = sum(p.numel() for p in families.named("lr_gan").generator(model).parameters())
    assert tables.count_parameters(families.named("lr_gan").generator, model) == expected


def test_hard_negatives_are_ordinary_steps_for_the_others():
    systems = tables.generation_systems(Settings(data="cub"))
    ours = systems.pop("FineGAN").loop
    assert (ours.steps, ours.hard_steps) == (442_000, 1_500)
    assert all((c.loop.steps, c.loop.hard_steps) == (443_500, 0) for c in systems.values())
    assert all(c.loop.batch_size == 16 for c in systems.values())


def test_other_photographs_have_their_own_codes():
    systems = tables.generation_systems(Settings(data="dogs", folder="my/dogs", steps=7))
    assert systems["InfoGAN"].model.n_children == 120
    assert {c.loop.data for c in systems.values()} == {"my/dogs"}
    assert {c.loop.steps + c.loop.hard_steps for c in systems.values()} == {1507}


def test_numbers_of_parents():
    """The paper's 5, 10, 20 and 40 of 200, and as many for ToyBirds' 20."""
    paper = tables.hierarchy_systems(Settings(data="cub"))
    assert list(paper) == ["5", "10", "20", "40", "mixed"]
    assert paper["mixed"].model.hierarchy() == CodeHierarchy.mixed()
    toy = tables.hierarchy_systems(Settings())
    assert {name: c.model.n_parents for name, c in toy.items()} == {
        "1": 1,
        "2": 2,
        "5": 5,
        "10": 10,
        "mixed": 5,
    }
    assert sorted(toy["mixed"].model.children_per_parent) == [2, 2, 4, 4, 8]
    assert toy["5"] == tables.base_config(Settings())
    for config in toy.values():  # other codes, the same birds
        assert (config.loop.world_parents, config.loop.world_children) == (5, 20)


def test_mixed_sizes_by_hand():
    assert tables.mixed_sizes(5, 20) == (2, 2, 8, 4, 4)
    assert tables.mixed_sizes(12, 120) == (5,) * 4 + (20,) * 2 + (10,) * 6
    cars = tables.mixed_sizes(20, 196)  # mean 9: 4, 18 and 9 make 177; 19 more, one each
    assert cars == (5,) * 6 + (19,) * 3 + (10,) * 10 + (9,)
    assert sum(cars) == 196


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"data": "cats"}, "cats"), ({"image_size": 128}, "128")],
)
def test_unknown_settings_are_named(settings, named):
    with pytest.raises(InputError, match=f"got {named}"):
        tables.base_config(Settings(**settings))


# ------------------------------------------------------------------------------ running


def test_table_1_runs_goes_on_and_prints(small, tmp_path, capsys, monkeypatch):
    only = ("InfoGAN", "FineGAN")
    summary = tables.run_table(1, QUICK, tmp_path, seeds=(0, 1), only=only, progress=False)
    assert list(summary["systems"]) == list(only)
    for scores in summary["systems"].values():
        assert scores["seed"] == [0, 1]
        for name in ("inception_score", "fid", "kid", "real_child_nmi"):
            assert len(scores[name]) == 2 and all(np.isfinite(scores[name]))
    assert json.loads((tmp_path / "table1_toy.json").read_text()) == summary
    one = json.loads((tmp_path / "results" / "images_finegan_seed1.json").read_text())
    assert one["config"]["loop"]["seed"] == one["seed"] == 1
    assert {"commit", "device", "torch", "seconds_training", "seconds_scoring"} <= one.keys()
    ours = summary["systems"]["FineGAN"]
    assert one["parameters"]["generator"] == ours["parameters"]
    assert one["parameters"]["discriminators"] == ours["discriminator_parameters"]

    # What is there is not done again; what is new joins it.
    monkeypatch.setattr(tables, "train", None)
    again = tables.run_table(1, QUICK, tmp_path, seeds=(0, 1), only=only, progress=False)
    assert again == summary
    with pytest.raises(TypeError):
        tables.run_table(1, QUICK, tmp_path, seeds=(2,), only=only, progress=False)

    text = tables.table_text(summary)
    assert "52.53 ± 0.45" in text and "13.20" in text  # the paper's FineGAN and InfoGAN
    assert f"{np.mean(summary['systems']['FineGAN']['fid']):.2f} ±" in text
    assert f"| {ours['discriminator_parameters']:,} |" in text
    assert "Every generator: 2 steps" in text
    assert "FID: FineGAN is" in text and "Child NMI: FineGAN is" in text


def test_a_stopped_training_goes_on(small, tmp_path, monkeypatch):
    """Killed while it scores: the run is not trained again from the start."""
    with monkeypatch.context() as patch:
        patch.setattr(tables, "evaluate_quality", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tables.run_table(1, QUICK, tmp_path, seeds=(0,), only=("LR-GAN",), progress=False)
    assert not list((tmp_path / "results").glob("*"))
    newest = next((tmp_path / "runs" / "lr_gan_seed0" / "checkpoints").glob("*2.safetensors"))
    before = newest.stat().st_mtime_ns
    tables.run_table(1, QUICK, tmp_path, seeds=(0,), only=("LR-GAN",), progress=False)
    assert newest.stat().st_mtime_ns == before
    assert [p.name for p in (tmp_path / "results").iterdir()] == ["images_lr_gan_seed0.json"]


def test_tables_1_and_2_share_the_usual_finegan(small, tmp_path, monkeypatch):
    tables.run_table(1, QUICK, tmp_path, seeds=(0,), only=("FineGAN",), progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "train", None)
        summary = tables.run_table(2, QUICK, tmp_path, seeds=(0,), only=("5",), progress=False)
    summary = tables.run_table(2, QUICK, tmp_path, seeds=(0,), only=("mixed",), progress=False)
    assert list(summary["systems"]) == ["5", "mixed"]
    text = tables.table_text(summary).splitlines()
    assert [line.split("|")[1].strip() for line in text[2:4]] == ["5", "mixed"]
    assert "52.53 (20)" in text[2] and "51.83 (mixed)" in text[3]


def test_table_3_sorts(small, tmp_path, monkeypatch):
    learn = functools.partial(cut_discovery.load_segmenter, config=QUICK_SEGMENTER)
    monkeypatch.setattr(cut_discovery, "load_segmenter", learn)
    cut = "FineGAN, whitened features, objects cut out as well"
    only = ("k-means on pixels", "JULE", "DEPICT", "FineGAN", "FineGAN, contrastive")
    only += ("JULE, middle of the crop", "FineGAN, whitened features", cut)
    summary = tables.run_table(3, QUICK, tmp_path, seeds=(0,), only=only, progress=False)
    assert set(summary["systems"]) == set(only)
    for scores in summary["systems"].values():
        assert 0 <= scores["nmi_arithmetic"][0] <= 1 and 0 < scores["accuracy"][0] <= 1
    text = tables.table_text(summary)
    assert "0.403" in text and "0.126" in text  # the paper's FineGAN on birds
    assert "0.37 (FineGAN)" in text and "0.53 (C3-GAN)" in text  # as C3-GAN's authors have it
    assert (tmp_path / "runs" / "jule_seed0" / "sorting").is_dir()
    whole, middle = (
        json.loads((tmp_path / "results" / f"sorting_jule{part}_seed0.json").read_text())
        for part in ("", "__middle_of_the_crop")
    )
    assert "centre" not in whole["asked"] and middle["asked"]["centre"]
    own, whitened = (
        json.loads((tmp_path / "results" / f"sorting_finegan{part}_seed0.json").read_text())
        for part in ("", "__whitened_features")
    )
    assert "whiten" not in own["asked"] and whitened["asked"]["whiten"] == 48
    assert own["seconds_training"] > 0 == whitened["seconds_training"]  # one run for both
    assert not (tmp_path / "runs/finegan__whitened_features_seed0").exists()
    cut_out = json.loads((tmp_path / "results/sorting_finegan_cut_out_seed0.json").read_text())
    assert cut_out["asked"] == whitened["asked"] | {"cut": True}
    assert (
        cut_out["seconds_training"] == 0 and not (tmp_path / "runs/finegan_cut_out_seed0").exists()
    )
    contrastive = tmp_path / "results/sorting_finegan_contrastive_seed0.json"
    contrastive = json.loads(contrastive.read_text())
    assert contrastive["training"]["recipe"]["contrastive_child"] == 1
    assert contrastive["seconds_training"] > 0 and contrastive["parameters"]["generator"] > 0


def test_the_middle_of_a_crop_is_what_is_sorted(monkeypatch):
    """Birds whose middle tells them apart, on backgrounds that do not."""
    truth = np.arange(40) % 2
    images = torch.randint(256, (40, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    images[:, :, 8:24, 8:24] = torch.tensor([0, 200], dtype=torch.uint8)[truth].view(-1, 1, 1, 1)
    monkeypatch.setattr(tables, "real_images", lambda settings: (images, truth))
    seen = []

    def watch(images, *args, **options):
        seen.append(images.shape)
        return truth

    monkeypatch.setattr(tables, "cluster_images", watch)
    tables.sort_images("kmeans", QUICK, 0, None, centre=True)
    tables.sort_images("kmeans", QUICK, 0, None)
    assert seen == [(40, 3, 16, 16), (40, 3, 32, 32)]


def test_a_result_of_other_settings_is_not_taken(small, tmp_path):
    only = ("Simple-GAN",)
    tables.run_table(1, QUICK, tmp_path, seeds=(0,), only=only, progress=False)
    longer = dataclasses.replace(QUICK, steps=3)
    with pytest.raises(InputError, match=r"another steps.*simple_gan_seed0"):
        tables.run_table(1, longer, tmp_path, seeds=(0,), only=only, progress=False)


def test_results_of_two_budgets_are_not_averaged(small, tmp_path):
    only = ("Simple-GAN",)
    tables.run_table(1, QUICK, tmp_path, seeds=(0,), only=only, progress=False)
    other = tmp_path / "results/images_simple_gan_seed1.json"
    result = json.loads((tmp_path / "results/images_simple_gan_seed0.json").read_text())
    asked = result["asked"] | {"steps": 7000, "seed": 1}
    other.write_text(json.dumps(result | {"seed": 1, "asked": asked}))
    with pytest.raises(InputError, match=r"another steps.*simple_gan_seed1"):
        tables.gather(1, QUICK, tmp_path)


def test_a_result_that_is_older_than_a_switch_is_taken(small, tmp_path, monkeypatch):
    only = ("Simple-GAN",)
    summary = tables.run_table(1, QUICK, tmp_path, seeds=(0,), only=only, progress=False)
    path = tmp_path / "results/images_simple_gan_seed0.json"
    result = json.loads(path.read_text())
    assert result["asked"]["recipe"].pop("code_colour") == 0
    path.write_text(json.dumps(result))
    monkeypatch.setattr(tables, "train", None)
    again = tables.run_table(1, QUICK, tmp_path, seeds=(0,), only=only, progress=False)
    assert again == summary
    result["asked"]["recipe"]["code_colour"] = 0.5
    path.write_text(json.dumps(result))
    with pytest.raises(InputError, match="another recipe"):
        tables.gather(1, QUICK, tmp_path)


def test_a_sorting_of_other_sizes_is_not_taken(small, tmp_path):
    only = ("k-means on pixels",)
    tables.run_table(3, QUICK, tmp_path, seeds=(0,), only=only, progress=False)
    larger = dataclasses.replace(QUICK, image_size=64)
    with pytest.raises(InputError, match="another image_size"):
        tables.run_table(3, larger, tmp_path, seeds=(0,), only=only, progress=False)


def test_an_unknown_row_is_named(tmp_path):
    with pytest.raises(InputError, match="no such row; got BigGAN"):
        tables.run_table(1, QUICK, tmp_path, only=("BigGAN",))
    with pytest.raises(InputError, match="1, 2 and 3; got 4"):
        tables.run_table(4, QUICK, tmp_path)


def test_the_command(small, tmp_path, capsys):
    arguments = "table 1 --steps 2 --seeds 0 --only Simple-GAN --n-images 40 --n-real 60"
    arguments += " --device cpu --no-progress --json result.json"
    assert main(arguments.split()) == 0
    shown = capsys.readouterr().out
    assert "| Simple-GAN |" in shown and "16.69" in shown
    found = json.loads((tmp_path / "result.json").read_text())
    assert found == json.loads((tmp_path / "runs/tables/toy/table1_toy.json").read_text())
    assert main([*arguments.split(), "--steps", "3"]) == 2
    assert "another steps" in capsys.readouterr().err


# ------------------------------------------------------------------------------ photographs


@pytest.fixture
def photographs(small, tmp_path, monkeypatch):
    """40 drawn birds of three kinds that pass for photographs, and a budget for them."""
    birds = presets.PRESETS["birds32"]
    model = dataclasses.replace(birds.model, **TINY, n_parents=2, n_children=6)
    model = dataclasses.replace(model, min_head_channels=4, background_gain=1.0)
    loop = dataclasses.replace(birds.loop, batch_size=4, keep_out=0.2)
    birds = dataclasses.replace(birds, model=model, loop=loop)
    monkeypatch.setitem(presets.PRESETS, "birds32", birds)
    monkeypatch.setattr(table_systems, "PARENTS_OF", {"cub50": (2, 3)})
    quick = DiscoveryConfig(n_images=60, epochs=1, width=2)
    config = {"n_swapped": 20, "n_masks": 12, "classifier_steps": 2, "splits": 2, "subsets": 2}
    monkeypatch.setattr(tables, "PHOTOS", tables.PhotoConfig(**config, discovery=quick))
    monkeypatch.setattr(tables, "PHOTO_SORTING", tables.TOY_SORTING)
    folder = tmp_path / "birds_of_mine"
    drawn = ToyBirds(40, image_size=32, n_parents=1, n_children=3, progress=False)
    drawn.write_cub(folder, progress=False)
    return Settings(data="cub50", steps=2, folder=str(folder), n_images=24, device="cpu")


def test_generators_of_photographs_have_one_budget_too():
    systems = tables.generation_systems(Settings(data="cub50", folder="f"))
    ours = systems["FineGAN"]
    for config in systems.values():
        weights = tables.count_parameters(families.named(config.family).generator, config.model)
        expected = tables.count_parameters(families.named("finegan").generator, ours.model)
        assert weights == pytest.approx(expected, rel=0.1)
        assert config.loop == ours.loop and config.loop.keep_out == 0.1
        assert config.recipe.augment == ours.recipe.augment != ()
    parents = tables.hierarchy_systems(Settings(data="cub50", folder="f"))
    assert list(parents) == ["5", "10", "25", "mixed"]
    assert sum(parents["mixed"].model.children_per_parent) == 50
    columns = tables.paper_columns(2, Settings(data="cub50", folder="f"))
    (cells,) = columns.values()  # 10 and 5 children a parent, as 20 and 40 parents of 200 have
    assert {name: cell.split()[1] for name, cell in cells.items()} == {
        "5": "(20)",
        "10": "(40)",
        "mixed": "(mixed)",
    }
    with pytest.raises(InputError, match="--folder"):
        tables.base_config(Settings(data="cub50"))


def test_table_1_on_photographs(photographs, tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite_pytorch")
    only = ("InfoGAN", "FineGAN", "labels by dice")
    out = tmp_path / "out"
    summary = tables.run_table(1, photographs, out, seeds=(0,), only=only, progress=False)
    assert list(summary["systems"]) == list(only)
    ours = summary["systems"]["FineGAN"]
    for name in ("kid", "fid", "inception_score", "real_child_ami", "kept_out_ami"):
        assert np.isfinite(ours[name]).all()
    assert "children_differ" in ours and "children_told_apart" in summary["systems"]["InfoGAN"]
    assert "fid" not in summary["systems"]["labels by dice"]
    one = (out / "results" / "images_finegan_seed0.json").read_text()
    assert json.loads(one)["config"]["loop"]["data"] == summary["folder"] == "birds_of_mine"
    assert str(tmp_path) not in one + json.dumps(summary)
    text = tables.table_text(summary)
    assert text.splitlines()[0].startswith("|  | weights of G | of all D | KID | FID | IS")
    assert "KID: FineGAN is" in text and "Child AMI: FineGAN is" in text
    monkeypatch.setattr(tables, "train", None)
    again = tables.run_table(1, photographs, out, seeds=(0,), only=only, progress=False)
    assert again == summary


def test_what_the_scores_need_is_asked_for_before_the_training(photographs, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "train", None)
    monkeypatch.setattr(tables, "load_network", lambda name: None)
    folder = Path(photographs.folder)
    (folder / "image_class_labels.txt").unlink()
    (folder / "images" / "all").mkdir()
    names = []
    for line in (folder / "images.txt").read_text().splitlines():
        number, name = line.split()
        moved = f"all/{number}_{Path(name).name}"
        (folder / "images" / name).rename(folder / "images" / moved)
        names.append(f"{number} {moved}")
    (folder / "images.txt").write_text("\n".join(names) + "\n")
    with pytest.raises(InputError, match="need to know their categories"):
        tables.run_table(1, photographs, tmp_path / "o", seeds=(0,), progress=False)

    def missing(name):
        raise InputError("the pretrained network needs two packages", seen=name, cure="")

    monkeypatch.setattr(tables, "load_network", missing)
    with pytest.raises(InputError, match="two packages"):
        tables.run_table(1, photographs, tmp_path / "o", seeds=(0,), progress=False)


def test_table_3_on_photographs(photographs, tmp_path):
    pytest.importorskip("efficientnet_lite_pytorch")
    rows = [row.name for row in tables.table_rows(3, photographs)]
    pretrained = [name for name in rows if "ImageNet's labels" in name]
    only = ("labels by dice", "k-means on pixels", *pretrained)
    summary = tables.run_table(3, photographs, tmp_path / "o", seeds=(0,), only=only)
    assert len(pretrained) == 2 and list(summary["systems"]) == list(only)
    for scores in summary["systems"].values():
        assert {"ami", "ari", "accuracy"} <= scores.keys()
    asked = json.loads((tmp_path / "o/results/sorting_pretrained_128_seed0.json").read_text())
    assert asked["asked"]["side"] == 128 and sum(asked["sizes"]) == 40
    text = tables.table_text(summary)
    assert "0.266 (ours)" in text and "as unequal as JULE's" in text


# ------------------------------------------------------------------------------ scores, text


def test_a_code_that_is_the_truth_is_discovered():
    """An InfoGAN baseline that paints its code's colour, and real images of these colours."""
    config = InfoGANBaselineConfig(image_size=32, n_children=4, g_dim=4, d_dim=4, z_dim=3)
    colours = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1]]) * 0.8

    class Painter(InfoGANBaselineGenerator):
        def forward(self, z, code):
            flat = (code @ colours)[:, :, None, None].expand(-1, -1, 32, 32)
            return flat + 0.1 * z[:, :1, None, None]

    truth = np.arange(80) % 4
    real = ((colours[truth] + 1) * 127.5).round().byte()[:, :, None, None].expand(-1, -1, 32, 32)
    found = tables.child_discovery(
        Painter(config).eval(), real, truth, DiscoveryConfig(n_images=400, epochs=2, width=4)
    )
    assert found["nmi"] > 0.9 and found["accuracy"] > 0.9


def test_mean_and_sd():
    assert tables.mean_and_sd([0.5, 0.7]) == "0.600 ± 0.141"
    assert tables.mean_and_sd([12.0, 14.0, 16.0]) == "14.00 ± 2.00"
    assert tables.mean_and_sd([3.14159]) == "3.14"
    assert tables.mean_and_sd(None) == "–"


def test_the_verdict_says_who_leads_and_by_how_much():
    systems = {
        "Simple-GAN": {"fid": [9.0, 11.0]},
        "InfoGAN": {"fid": [20.0, 22.0], "real_child_nmi": [0.5, 0.6]},
        "FineGAN": {"fid": [5.0, 7.0], "real_child_nmi": [0.4, 0.5]},
    }
    fid, nmi = tables.verdict(systems).splitlines()
    assert fid.startswith("FID: FineGAN is ahead of Simple-GAN, the best other, by 4, ")
    assert "2.8 standard deviations" in fid  # 4 / √2
    assert nmi.startswith("Child NMI: FineGAN is behind InfoGAN, the best other, by 0.1, ")
    assert tables.verdict({"FineGAN": {"fid": [1.0]}}) == ""


def test_where_it_was_made():
    assert tables.commit() is None or len(tables.commit().rstrip("+")) == 40
    assert "thread" in tables.device_name("cpu")


# ------------------------------------------------------------------------------ what is shipped


@pytest.mark.parametrize("number", [1, 2, 3])
def test_committed_results_are_shown_at_once(number, monkeypatch, capsys):
    """Without trainings, and with what these would cost."""
    monkeypatch.setattr(tables, "run_table", None)
    summary = committed_tables.committed(number, "toy")
    for arguments in ("", "--seeds 0", "--steps 3000", "--only FineGAN"):
        if number != 2 or "only" not in arguments:
            assert main(["table", str(number), *arguments.split()]) == 0
            shown = capsys.readouterr().out
            assert tables.table_text(summary) in shown
            assert summary["command"] in shown and "| labels by dice |" in shown
    hours, machine = committed_tables.cost(number, "toy")
    assert f"takes about {hours:.1f} hours" in shown and machine in shown
    seconds = [json.loads(p.read_text()) for p in (TABLES / "results").glob("images_*")]
    seconds = sum(r["seconds_training"] + r["seconds_scoring"] for r in seconds)
    if number == 1:
        assert 0 < hours < seconds / 3600 + 0.1
    for new in ("--run", "--steps 7", "--seeds 5", "--out elsewhere", "--only BigGAN"):
        with pytest.raises(TypeError):
            main(["table", str(number), *new.split()])


def test_a_table_without_committed_results_says_so(monkeypatch, capsys):
    monkeypatch.setattr(tables, "run_table", None)
    monkeypatch.setattr(committed_tables, "committed", lambda *_: None)
    assert main(["table", "2", "--data", "cub50", "--steps", "2000"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "no results of table 2 on cub50 come with" in said
    assert "--folder FOLDER" in said


def test_a_table_without_committed_results_is_run(monkeypatch, capsys):
    shipped = committed_tables.committed(1, "toy")
    monkeypatch.setattr(tables, "run_table", lambda *_, **__: shipped)
    monkeypatch.setattr(committed_tables, "committed", lambda *_: None)
    assert main(["table", "2", "--data", "cub50", "--folder", "mine"]) == 0
    assert capsys.readouterr().out.startswith("No results of table 2 on cub50 come with")


def test_rows_with_other_numbers_of_seeds_say_how_many():
    table = tables.table_text(committed_tables.committed(2, "toy")).splitlines()
    assert table[0].startswith("| N_p | seeds | ")
    counts = {line.split(" | ")[0]: line.split(" | ")[1] for line in table[2:7]}
    assert counts == {"| 1": "1", "| 2": "1", "| 5": "3", "| 10": "1", "| mixed": "1"}
    assert {line.count("|") for line in table if line[:1] == "|"} == {table[0].count("|")}
    assert "seeds" not in tables.table_text(committed_tables.committed(1, "toy")).splitlines()[0]


def test_what_was_made_before_ami_is_made_again(small, tmp_path):
    only = ("k-means on pixels",)
    tables.run_table(3, QUICK, tmp_path, seeds=(0,), only=only, progress=False)
    path = tmp_path / "results/sorting_k_means_on_pixels_seed0.json"
    result = json.loads(path.read_text())
    ami = result["scores"].pop("ami")
    path.write_text(json.dumps(result))
    before = tables.gather(3, QUICK, tmp_path)
    assert "| k-means on pixels | " in tables.table_text(before) and " – " in tables.table_text(
        before
    )
    after = tables.run_table(3, QUICK, tmp_path, seeds=(0,), only=only, progress=False)
    assert after["systems"]["k-means on pixels"]["ami"] == [ami]


@pytest.mark.parametrize(
    ("number", "data"), [(1, "toy"), (2, "toy"), (3, "toy"), (1, "cub50"), (3, "cub50")]
)
def test_the_shipped_table_is_that_of_its_results(number, data, tmp_path):
    """The file that lessons print follows from the results beside it, and says its command."""
    folder = TABLES if data == "toy" else TABLES / data
    shutil.copytree(folder / "results", tmp_path / "results")
    shipped = json.loads((folder / f"table{number}_{data}.json").read_text())
    asked = Settings(**{name: shipped[name] for name in dataclasses.asdict(Settings())})
    assert tables.gather(number, asked, tmp_path) == shipped
    parsed = build_parser().parse_args(shlex.split(shipped["command"])[3:])
    assert (parsed.number, parsed.steps) == (number, shipped["steps"])
    rows = {row.name for row in tables.table_rows(number, asked)}
    assert (set(parsed.only) or rows) == set(shipped["systems"])


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_shipped_networks_are_those_of_table_1(system):
    generator = load_generator(f"tables/{tables.slug(system)}")
    count = sum(p.numel() for p in generator.parameters())
    assert [count] == toy_table(1)["systems"][system]["parameters"]
    config = read_metadata(WEIGHTS / "tables" / f"{tables.slug(system)}.safetensors")["config"]
    result = TABLES / "results" / f"images_{tables.slug(system)}_seed0.json"
    assert config == json.loads(result.read_text())["config"]
