import json

import pytest
import torch
from PIL import Image

from finegan_lib.__main__ import main
from finegan_lib.applications import mix
from finegan_lib.applications.photographs import read_pictures
from finegan_lib.applications.readers import load_readers
from finegan_lib.applications.transfer import _pairs, summary, transfer, transfer_images
from finegan_lib.base.errors import InputError
from tests.applications.small import QUICK


def test_shape_of_one_appearance_of_the_other(generator, checkpoint):
    readers = load_readers(checkpoint, generator, QUICK)
    rng = torch.Generator().manual_seed(4)
    a, b = (torch.rand(3, 3, 32, 32, generator=rng) * 2 - 1 for _ in range(2))
    made = transfer_images(generator, readers, a, b, steps=2)
    assert made.shape.p_index.equal(readers.encoder(a).p.argmax(1))
    assert made.appearance.c_index.equal(readers.encoder(b).c.argmax(1))
    expected = mix(generator, made.shape, made.appearance, made.behind).child.image
    torch.testing.assert_close(made.image, expected)
    copies = mix(generator, made.shape, made.shape, made.behind).child.image
    torch.testing.assert_close(made.copies_of_shape, copies)


def test_two_folders_give_pairs_and_a_file_goes_with_all(checkpoint, pictures, tmp_path):
    options = {"checkpoint": checkpoint, "config": QUICK, "steps": 1, "progress": False}
    result = transfer(pictures, pictures, tmp_path / "a", n=16, **options)
    assert result["n"] == 3  # six pictures, none twice
    used = [row[role] for row in result["transfers"] for role in ("shape", "appearance")]
    assert len(set(used)) == 6
    assert all((tmp_path / "a" / row["file"]).is_file() for row in result["transfers"])
    assert 0 < result["copy_error"] < 1
    for name in ("as_asked", "as_in_photograph"):
        assert set(result[name]) == {"parent", "child", "by_chance"}
    with Image.open(tmp_path / "a/transfer.png") as figure:
        assert figure.size[0] > 300
    one = pictures / "bird 2.png"
    result = transfer(one, pictures, tmp_path / "b", n=4, **options)
    assert [row["shape"] for row in result["transfers"]] == ["bird 2.png"] * 4
    result = transfer(one, pictures / "bird 1.png", tmp_path / "c", n=4, **options)
    assert result["n"] == 1 and "by_chance" not in result["as_asked"]
    assert "what a classifier reads" in summary(result)


def test_the_pairs_of_small_folders_are_random(pictures, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    for i in range(3):
        (few / f"other {i}.png").write_bytes((pictures / f"bird {i}.png").read_bytes())

    def names(a, b, seed):
        return list(zip(*(some.names for some in _pairs(a, b, 32, 16, seed)), strict=True))

    two = [names(pictures, few, seed) for seed in range(8)]
    assert all(len({a for a, _ in pairs}) == len({b for _, b in pairs}) == 3 for pairs in two)
    assert len({frozenset(pairs) for pairs in two}) > 3
    one = [names(pictures, pictures, seed) for seed in range(8)]
    assert all(len({name for pair in pairs for name in pair}) == 6 for pairs in one)
    assert len({frozenset(pairs) for pairs in one}) > 3


def test_one_folder_under_two_names_pairs_no_photograph_with_itself(pictures, monkeypatch):
    monkeypatch.chdir(pictures.parent)
    for other in (f"{pictures}/", "pictures", "./pictures"):
        a, b = _pairs(pictures, other, 32, 16, 0)
        assert not set(a.names) & set(b.names)


def test_the_pairs_of_large_folders_are_those_of_read_pictures(pictures):
    """As in the stored figure of lesson Real birds: the first of a random order."""
    a, b = _pairs(pictures, pictures, 32, 2, 4)
    assert a.names + b.names == read_pictures(pictures, 32, n=4, seed=4).names


def test_without_judges_the_truth_is_left_out(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("finegan_lib.metrics.judges.WEIGHTS", tmp_path)
    options = {"checkpoint": checkpoint, "config": QUICK, "steps": 0, "progress": False}
    for n in (1, 4):
        result = transfer("toybirds", "toybirds", tmp_path / str(n), n=n, **options)
        assert "as_in_truth" not in result and "no judges" in result["left_out"]["as_in_truth"]
        assert "left out: as_in_truth (there are no judges for 32 pixels)" in summary(result)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"steps": -1}, "steps must be 0 or more; got -1"),
        ({"candidates": 0}, "candidates must be from 1 to 8, .*; got 0"),
        ({"candidates": -1}, "got -1"),
        ({"candidates": 9}, "got 9"),
    ],
)
def test_numbers_are_looked_at_before_any_work(
    numbers, said, checkpoint, pictures, tmp_path, monkeypatch
):
    monkeypatch.setattr("finegan_lib.applications.transfer.load_readers", lambda *_, **__: 1 / 0)
    with pytest.raises(InputError, match=said):
        transfer(pictures, pictures, tmp_path / "out", checkpoint=checkpoint, **numbers)


def test_of_toybirds_the_truth_is_known(checkpoint, tmp_path):
    options = {"checkpoint": checkpoint, "config": QUICK, "steps": 0, "progress": False}
    result = transfer("toybirds", "toybirds", tmp_path / "out", n=4, **options)
    assert set(result["as_in_truth"]) == {"parent", "child", "by_chance"}
    assert "as in truth" in summary(result)


def test_the_command(checkpoint, pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("finegan_lib.applications.transfer.ReadersConfig", lambda: QUICK)
    monkeypatch.setattr("finegan_lib.applications.readers.ReadersConfig", lambda: QUICK)
    a, b = (str(pictures / f"bird {i}.png") for i in range(2))
    command = ["transfer", a, b, "--checkpoint", str(checkpoint), "--steps", "1", "--no-progress"]
    command += ["--out", str(tmp_path / "out"), "--json", str(tmp_path / "result.json")]
    assert main(command) == 0
    assert "1 transfers" in capsys.readouterr().out
    assert (
        json.loads((tmp_path / "result.json").read_text())["transfers"][0]["shape"] == "bird 0.png"
    )
    assert main(command) == 2  # the folder holds files now
    assert "holds files already" in capsys.readouterr().err


def test_what_cannot_be_transferred_is_said(checkpoint, pictures, tmp_path):
    options = {"checkpoint": checkpoint, "config": QUICK, "progress": False}
    with pytest.raises(InputError, match="no such file or folder"):
        transfer(tmp_path / "nowhere", pictures, tmp_path / "out", **options)
    with pytest.raises(InputError, match="needs a FineGAN"):
        transfer(pictures, pictures, tmp_path / "out", checkpoint="infogan", progress=False)
    for path in list(pictures.iterdir())[1:]:
        path.unlink()
    with pytest.raises(InputError, match="two photographs"):
        transfer(pictures, pictures, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
