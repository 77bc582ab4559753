import json

import pytest
import torch
from PIL import Image

from finegan_lib.__main__ import main
from finegan_lib.applications import mix
from finegan_lib.applications.readers import load_readers
from finegan_lib.applications.transfer import summary, transfer, transfer_images
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
    with pytest.raises(InputError, match="no such folder"):
        transfer(tmp_path / "nowhere", pictures, tmp_path / "out", **options)
    with pytest.raises(InputError, match="needs a FineGAN"):
        transfer(pictures, pictures, tmp_path / "out", checkpoint="infogan", progress=False)
    for path in list(pictures.iterdir())[1:]:
        path.unlink()
    with pytest.raises(InputError, match="two photographs"):
        transfer(pictures, pictures, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
