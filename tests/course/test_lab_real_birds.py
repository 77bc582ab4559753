"""The laboratory of the lesson on photographs."""

import torch

from finegan_lib import course
from finegan_lib.applications.mixing import mix
from finegan_lib.applications.segment import iou
from finegan_lib.figures import draw
from finegan_lib.training.pretrained import load_finegan

lab = course.lab("real_birds")


def test_a_bird_over_another_background_is_the_mixture():
    toy = load_finegan("toy")
    rng = torch.Generator().manual_seed(0)
    birds, behind = (toy.config.hierarchy().sample(2, 8, rng=rng) for _ in range(2))
    front, back = draw(toy, birds), draw(toy, behind)
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
    assert lab.dice_problem(1600) is None
    assert "not yet above" in lab.dice_problem(50)  # what the exercise starts from
    for nonsense in (1, True, 5000, 0.5, "many"):
        assert "whole number" in lab.dice_problem(nonsense)


def test_photographs_are_found_where_they_are_said_to_lie(tmp_path, monkeypatch):
    monkeypatch.setattr(lab, "PLACES", ("", str(tmp_path)))
    assert lab.photographs() is None
    (tmp_path / "images.txt").write_text("")
    assert lab.photographs() == tmp_path


def test_what_was_not_run_is_not_claimed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lab, "TABLES", tmp_path)
    monkeypatch.setattr(lab, "SCORES", tmp_path / "birds_scores.json")
    monkeypatch.setattr(lab, "FIGURES", tmp_path)
    assert "not run yet: python -m finegan_lib table 3 --data cub50" in lab.committed_table(3)
    assert "not scored yet: python -m finegan_lib evaluate" in lab.committed_scores()
    assert lab.stored("strip.png") is None
    assert "python -m finegan_lib interpolate" in capsys.readouterr().out


def test_the_picture_of_the_parents_names_each():
    figure = lab.parents_figure(load_finegan("toy"), columns=2)
    names = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert [name.split(":")[0] for name in names] == [f"p={p}" for p in range(5)]
    assert all("one piece" in name and "rim" in name for name in names)
