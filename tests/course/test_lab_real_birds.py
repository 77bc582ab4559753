"""The laboratory of the lesson on photographs."""

from dataclasses import asdict

import torch

from finegan_lib import course
from finegan_lib.applications.mixing import mix
from finegan_lib.base.files import read_json, write_json
from finegan_lib.experiments import committed_tables
from finegan_lib.experiments.table_systems import Settings
from finegan_lib.figures import generate
from finegan_lib.metrics.masks import iou
from finegan_lib.training.pretrained import load_finegan

lab = course.lab("real_birds")


def test_a_bird_over_another_background_is_the_mixture():
    toy = load_finegan("toy")
    rng = torch.Generator().manual_seed(0)
    birds, behind = (toy.config.hierarchy().sample(2, 8, rng=rng) for _ in range(2))
    front, back = generate(toy, birds), generate(toy, behind)
    parent, child = front.parent, front.child
    found = lab.over_any_background(
        parent.masked_foreground,
        parent.mask,
        child.masked_foreground,
        child.mask,
        back.background.image,
    )
    torch.testing.assert_close(found, mix(toy, birds, birds, behind).child.image)


def test_the_overlap_is_the_librarys():
    rng = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 5, 1, 6, 6, generator=rng) < 0.5
    torch.testing.assert_close(lab.overlap(a.float(), b.float()), iou(a, b))


def test_dice_look_better_with_more_sides_but_ami_is_not_fooled():
    few, many = lab.dice_scores(50), lab.dice_scores(1600)
    assert few["nmi"] < 0.2 and many["nmi"] > 0.5
    assert abs(few["ami"]) < 0.02 and abs(many["ami"]) < 0.05


def test_a_clean_outline_is_measured_and_asked_of_a_hybrid():
    toy = load_finegan("toy")
    seen = lab.outline(toy, 0, 0, n=2)
    assert 0 < seen["one_piece"] <= 1 and 0 <= seen["rim"] <= 1 and 0 < seen["area"] < 1
    assert lab.outline_problem({"p": 0, "c": 9}, toy) is None  # drawn birds are clean
    assert "p=0 is the parent of c=0" in lab.outline_problem({"p": 0, "c": 0}, toy)
    assert "between 0 and 4" in lab.outline_problem({"p": 5, "c": 0}, toy)
    for nonsense in (8, [8, 6], {"p": 1}):
        assert "a dictionary" in lab.outline_problem(nonsense, toy)


def test_photographs_are_found_where_they_are_said_to_lie(tmp_path, monkeypatch):
    monkeypatch.setattr(lab, "PLACES", ("", str(tmp_path)))
    assert lab.photographs() is None
    (tmp_path / "images.txt").write_text("")
    assert lab.photographs() == tmp_path


def test_what_was_not_run_is_not_claimed(tmp_path, monkeypatch):
    monkeypatch.setattr(committed_tables, "TABLES", tmp_path)
    monkeypatch.setattr(lab, "SCORES", tmp_path / "birds_scores.json")
    assert "not run yet: python -m finegan_lib table 3 --data cub50" in lab.committed_table(3)
    assert "not scored yet: python -m finegan_lib evaluate" in lab.committed_scores()


def test_a_committed_table_is_printed(tmp_path, monkeypatch):
    monkeypatch.setattr(committed_tables, "TABLES", tmp_path)
    facts = asdict(Settings(data="cub50", folder="cub50", steps=7)) | {"table": 1, "command": "…"}
    facts["systems"] = {"FineGAN": {"kid": [0.1234], "seed": [0]}}
    write_json(tmp_path / "cub50" / "table1_cub50.json", facts)
    assert "| FineGAN | – | – | 0.123 |" in lab.committed_table(1)


def test_the_lead_in_kid_is_stated_beside_the_spread_of_two_trainings(lesson_text):
    systems = read_json(lab.RESULTS / "tables" / "cub50" / "table1_cub50.json")["systems"]
    kid = {name: systems[name]["kid"] for name in ("InfoGAN", "FineGAN")}
    lead = sum(kid["InfoGAN"]) / 2 - sum(kid["FineGAN"]) / 2
    spread = max(kid["InfoGAN"]) - min(kid["InfoGAN"])
    text = lesson_text("real_birds")
    assert f"FineGAN is ahead in KID by {lead:.3f}." in text
    assert f"the two trainings of InfoGAN alone differ by {spread:.3f}, too" in text


def test_what_the_scores_print_is_explained(lesson_text):
    """Names of scores that no other lesson explains; and the control of the transfers."""
    text, printed = lesson_text("real_birds"), lab.committed_scores()
    names = "moved by a pixel", "goes with the surroundings", "told apart by a reader"
    for name in (*names, "undecided pixels", "twins"):
        assert name in printed and f'"{name.capitalize()}"' in text
    assert "by chance" not in text and "codes of the *next* of the 32 transfers" in text


def test_no_parent_touches_much_of_the_rim(lesson_text):
    """The text above the figure says so; a mask with a ribbon would touch 30 % or more."""
    figure = lab.parents_figure(load_finegan("birds"))
    rims = [axes.get_ylabel().split("rim ")[1] for axes in figure.axes if axes.get_ylabel()]
    assert len(rims) == 10 and max(int(rim.rstrip("%")) for rim in rims) < 10
    assert "Here no parent touches much of it." in lesson_text("real_birds")


def test_the_routes_stand_in_one_table():
    lines = lab.cut_scores().splitlines()
    found = read_json(lab.RESULTS / "birds_cut.json")
    assert found["features"] == "cut_features" and found["whiten"] == 48
    assert lines[4].startswith("| whitened features, birds cut out as well |")
    assert lines[4].split(" | ")[1] == f"{found['agreement']['ami']:.3f}"
    assert len(lines) == 5 and len({line.count("|") for line in lines}) == 1


def test_stored_figures_stand_beside_their_command_and_number(capsys):
    names = sorted(path.name for path in lab.FIGURES.iterdir() if path.suffix != ".json")
    assert names == ["cluster.jpg", "segment.jpg", "strip.jpg", "transfer.jpg"]
    assert names == sorted(read_json(lab.NUMBERS))
    for name in names:
        lab.stored(name)
        printed = capsys.readouterr().out
        assert printed.startswith("made by: python -m finegan_lib")
        assert any(character.isdigit() for character in printed)


def test_the_picture_of_the_parents_names_each():
    figure = lab.parents_figure(load_finegan("toy"), columns=2)
    names = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert [name.split(":")[0] for name in names] == [f"p={p}" for p in range(5)]
    assert all("one piece" in name and "rim" in name for name in names)


def test_the_segmenter_of_drawn_birds_is_measured():
    assert lab.toy_overlap() == "mean IoU with the true masks of 500 drawn birds: 0.95"
