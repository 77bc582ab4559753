"""A small, repeatable part of ``python tests/fuzz.py``: any bytes are read or refused."""

import importlib.util
from pathlib import Path

import pytest
from hypothesis import strategies as st

from finegan_lib.base.errors import InputError
from finegan_lib.course.engine import compare

SPEC = importlib.util.spec_from_file_location("fuzz", Path(__file__).with_name("fuzz.py"))
fuzz = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(fuzz)


@pytest.mark.parametrize("make", fuzz.MAKERS, ids=lambda make: make.__name__)
def test_any_bytes_are_read_or_refused(make, tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "observe_apart", compare.observe_apart)  # fuzz sets another
    target = make(tmp_path / "files")
    count = fuzz.Count(target)
    for example in target.examples:
        count(example)
    count = fuzz.by_hypothesis(target, 80, seed=None)
    assert count.total >= 80
    assert count.refused > 0
    assert count.read > 0


@pytest.mark.filterwarnings("ignore:.*boxes reach beyond", "ignore:Non-unique cell id")
def test_examples_are_read(tmp_path):
    """So that the damage starts from a file that is read almost to the end."""
    for target in fuzz.all_targets(tmp_path):
        target.read(target.examples[0])


def test_another_error_than_inputerror_is_not_hidden(tmp_path):
    def stumbles(data):
        if data.startswith(b"1"):
            raise KeyError("x")
        raise InputError("no", seen=1, cure="No.")

    target = fuzz.Target("broken", stumbles, [b"1 2", b"{}"], st.binary(max_size=3))
    with pytest.raises(KeyError):
        fuzz.by_hypothesis(target, 200, seed=None)
