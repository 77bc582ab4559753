"""A command that writes a folder refuses a file in its place, before its work, in one message."""

import pytest

from finegan_lib.__main__ import main
from finegan_lib.base.errors import InputError
from finegan_lib.base.files import empty_folder, make_folder, write_text
from finegan_lib.course.__main__ import main as course

COMMANDS = (
    "figures --out",
    "demo --out",
    "demo --checkpoint toy --out",
    "sample --n 1 --out",
    "train --preset toy --steps 1 --device cpu --run",
    "ablation --steps 1 --out",
    "table 1 --run --steps 1 --out",
    "cluster toybirds --n-images 20 --method finegan --out",
    "interpolate p=1 p=2 --out",
    "transfer toybirds toybirds --n 1 --out",
    "segment toybirds --n 1 --out",
    "toybirds --n-images 4 --out",
    "bench quality --preset toy --steps 1 --run",
)


@pytest.fixture
def mine(tmp_path):
    """A file of the user's, which every command must leave as it is."""
    file = tmp_path / "mine.png"
    file.write_bytes(b"mine")
    yield file
    assert file.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("inside", ["", "deeper/still"], ids=["file", "in-a-file"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_where_a_folder_must_be_is_refused(command, inside, mine, capsys, monkeypatch):
    monkeypatch.setenv("FINEGAN_CACHE", str(mine.parent / "none"))  # nothing may be cached first
    assert main([*command.split(), str(mine / inside), "--no-progress"]) == 2
    said = capsys.readouterr().err
    assert said == (
        f"error: this is a file, and a folder is needed; got {mine}. Name another folder.\n"
    )


@pytest.mark.parametrize("command", ["book", "page"])
def test_so_do_the_courses_commands(command, mine, capsys):
    assert course([command, "--out", str(mine)]) == 2
    assert "this is a file, and a folder is needed" in capsys.readouterr().err


def test_a_folder_is_made_with_those_above_it_and_once(tmp_path):
    made = make_folder(tmp_path / "a" / "b")
    assert made.is_dir() and make_folder(made) == made


def test_a_files_folder_may_be_no_file_either(mine):
    with pytest.raises(InputError, match="this is a file, and a folder is needed"):
        write_text(mine / "text.txt", "text")


def test_an_empty_folder_is_not_made_yet(tmp_path):
    assert not empty_folder(tmp_path / "new").exists()
    assert empty_folder(tmp_path) == tmp_path
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="this folder holds files already"):
        empty_folder(tmp_path)
