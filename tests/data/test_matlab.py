"""Matlab files are read in a process of their own, which may crash without harm."""

import numpy as np
import pytest
from scipy.io import savemat

from finegan_lib.base.errors import InputError
from finegan_lib.data import matlab
from finegan_lib.data.matlab import read_matlab


@pytest.fixture
def file(tmp_path):
    records = np.empty((1, 2), dtype=[("fname", object), ("class", object)])
    records[0, 0], records[0, 1] = ("a.jpg", 3), ("ß.jpg", 4)
    cells = np.array([["one", "two"]], dtype=object)
    values = {"annotations": records, "names": cells, "half": 0.5, "grid": np.eye(2)}
    savemat(tmp_path / "x.mat", values | {"lone": records[:, :1], "word": "owl"})
    return tmp_path / "x.mat"


def test_structs_cells_texts_and_numbers(file):
    assert read_matlab(file) == {
        "annotations": [{"fname": "a.jpg", "class": 3}, {"fname": "ß.jpg", "class": 4}],
        "names": ["one", "two"],
        "half": 0.5,
        "grid": [[1, 0], [0, 1]],
        "lone": {"fname": "a.jpg", "class": 3},
        "word": "owl",
    }


def test_files_that_are_refused(file, tmp_path, monkeypatch):
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cannot read .*x\.mat; got .*Fetch it again"):
        read_matlab(file)
    with pytest.raises(InputError, match="No such file"):
        read_matlab(tmp_path / "nothing.mat")
    monkeypatch.setattr(matlab, "MOST_BYTES", 10)
    with pytest.raises(InputError, match="more than 10 bytes"):
        read_matlab(file)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.abort()", "the reader ended with -"),  # as a segmentation fault does
        ("print('{')", "Expecting property name"),
        ("import time; time.sleep(60)", "timed out after"),
    ],
)
def test_a_crash_of_the_reader_is_an_error_like_any_other(
    file, tmp_path, monkeypatch, code, message
):
    (tmp_path / "child.py").write_text(code)
    monkeypatch.setattr(matlab, "CHILD", tmp_path / "child.py")
    monkeypatch.setattr(matlab, "SECONDS", 1 if "sleep" in code else 60)
    with pytest.raises(InputError, match=f"cannot read .*{message}"):
        read_matlab(file)


def test_nothing_is_imported_from_the_current_folder(file, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert read_matlab(file)["word"] == "owl"
