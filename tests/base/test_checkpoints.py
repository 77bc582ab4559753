"""Checkpoints: whole or not at all, and never silently wrong."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file

from finegan_lib.base import checkpoints
from finegan_lib.base.checkpoints import (
    checkpoint_path,
    load_checkpoint,
    read_metadata,
    save_checkpoint,
)
from finegan_lib.base.errors import InputError

STATE = {
    "networks": {
        "weight": torch.arange(6.0).view(2, 3),
        "scalar": torch.tensor(2.5),
        "count": torch.tensor([7, -1]),
        "half": torch.tensor([0.5, -3.0], dtype=torch.float16),
        "flags": torch.tensor([True, False, True]),
        "empty": torch.zeros(0, 4),
    },
    "optimisers": {"state": {0: {"step": torch.tensor(3.0)}, 1: {}}, "lr": 1e-3, "fused": None},
    "list": [1, "two", [False, torch.ones(1)], {}],
}


@pytest.fixture
def path(tmp_path):
    return save_checkpoint(tmp_path / "deep" / "a.safetensors", STATE, step=3, config={"z": [1]})


def same(a, b):
    """Equal to the last bit, with equal types, dtypes and shapes."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and a.equal(b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def test_a_nested_state_comes_back(path):
    state, metadata = load_checkpoint(path)
    assert same(STATE, state)
    assert metadata == {"step": 3, "config": {"z": [1]}} == read_metadata(path)


def test_an_optimisers_integer_keys_survive(tmp_path):
    layer = torch.nn.Linear(3, 2)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1, betas=(0.5, 0.999))
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    path = save_checkpoint(tmp_path / "a.safetensors", optimiser.state_dict())
    state, _ = load_checkpoint(path)
    assert list(state["state"]) == [0, 1]
    fresh = torch.optim.Adam(layer.parameters())
    fresh.load_state_dict(state)
    assert fresh.state[layer.weight]["exp_avg"].equal(optimiser.state[layer.weight]["exp_avg"])
    assert fresh.param_groups[0]["lr"] == 0.1


def test_tensors_of_views_and_of_clashing_names_are_kept_apart(tmp_path):
    whole = torch.arange(12.0).view(3, 4)
    state = {"a": {"b": whole[:, 1]}, "a/b": whole.t(), "c": whole, "d": whole}
    loaded, _ = load_checkpoint(save_checkpoint(tmp_path / "a.safetensors", state))
    assert same(state, loaded)


def test_what_was_saved_does_not_change_with_the_weights(tmp_path):
    weight = torch.ones(3)
    path = save_checkpoint(tmp_path / "a.safetensors", {"weight": weight})
    weight.zero_()
    assert load_checkpoint(path)[0]["weight"].tolist() == [1, 1, 1]


# ------------------------------------------------------------------------------ atomic


def crash(*args, **kwargs):
    raise OSError("no space left on device")


def half_written(tensors, path, metadata):
    with open(path, "wb") as file:
        file.write(b"half")
    crash()


@pytest.mark.parametrize(
    ("target", "name", "fault"),
    [
        (checkpoints, "save_file", half_written),
        (os, "fsync", crash),
        (os, "replace", crash),
    ],
)
def test_a_crash_while_saving_leaves_the_old_file(path, monkeypatch, target, name, fault):
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(target, name, fault)
        with pytest.raises(InputError, match=r"cannot write .*; got no space.* MB are free"):
            save_checkpoint(path, {"other": torch.zeros(1)}, step=4)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_file_takes_its_name_only_when_it_is_complete(path, monkeypatch):
    seen = []
    original = os.replace

    def watched(source, target):
        seen.append((read_metadata(source)["step"], read_metadata(target)["step"]))
        load_checkpoint(source)
        original(source, target)

    monkeypatch.setattr(os, "replace", watched)
    save_checkpoint(path, STATE, step=4)
    assert seen == [(4, 3)]
    assert read_metadata(path)["step"] == 4


# ------------------------------------------------------------------------------ damage


def test_every_truncation_is_noticed(path, tmp_path):
    whole = path.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in range(0, len(whole), 7):
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cannot be read|not a checkpoint"):
            load_checkpoint(cut)
    cut.write_bytes(whole + b"\0")
    with pytest.raises(InputError):
        load_checkpoint(cut)


def test_a_flipped_bit_never_changes_what_is_loaded(path, tmp_path):
    """Anywhere: in the header's length, in the header, in the tensors."""
    whole = path.read_bytes()
    flipped = tmp_path / "flipped.safetensors"
    refused = 0
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (5 * position + 3) % 8
        flipped.write_bytes(damaged)
        try:
            state, metadata = load_checkpoint(flipped)
        except InputError:
            refused += 1
        else:
            assert same(STATE, state), position
            assert metadata == {"step": 3, "config": {"z": [1]}}, position
        try:
            metadata = read_metadata(flipped)
        except InputError:
            continue
        assert metadata == {"step": 3, "config": {"z": [1]}}, position
    assert refused > 0.95 * len(whole)


def test_a_tensor_of_other_values_is_noticed(path):
    """In a file that is otherwise in order."""
    header, tensors = checkpoints._read(path, with_tensors=True)
    save_file(
        tensors | {"/networks/weight": tensors["/networks/weight"].flip(0)}, path, metadata=header
    )
    with pytest.raises(InputError, match="digest"):
        load_checkpoint(path)


def test_a_skeleton_that_makes_no_sense_is_noticed(path):
    header, tensors = checkpoints._read(path, with_tensors=True)
    for skeleton in ('{"tensor": "/nowhere"}', '{"value": 1, "list": []}', "[]", "{"):
        bad = header | {"skeleton": skeleton}
        bad["header_sha256"] = checkpoints._header_digest(bad)
        save_file(tensors, path, metadata=bad)
        with pytest.raises(InputError, match="cannot be read"):
            load_checkpoint(path)


def test_foreign_files_are_told_apart(tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.ones(2)}, foreign)
    with pytest.raises(InputError, match=r"not a checkpoint of finegan_lib.*official"):
        load_checkpoint(foreign)
    foreign.write_bytes(b"PK\x03\x04 a zip file of torch.save" * 10)
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(foreign)
    with pytest.raises(InputError, match="cannot be read"):
        read_metadata(foreign)


# ------------------------------------------------------------------------------ names


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    for missing in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(InputError, match="no such checkpoint file") as caught:
            load_checkpoint(missing)
        assert str(missing) in str(caught.value)


def test_checkpoint_path_knows_files_run_folders_and_shipped_names(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "WEIGHTS", tmp_path / "weights")
    shipped = save_checkpoint(tmp_path / "weights" / "bird.safetensors", STATE)
    run = tmp_path / "run"
    for step in (900, 1000, 20):
        save_checkpoint(run / "checkpoints" / f"step_{step:08d}.safetensors", STATE)
    (run / "checkpoints" / ".step_00002000.safetensors.1.partial").write_bytes(b"half")
    assert checkpoint_path("bird") == shipped
    assert checkpoint_path(shipped) == checkpoint_path(str(shipped)) == shipped
    assert checkpoint_path(run).name == "step_00001000.safetensors"
    with pytest.raises(InputError, match=r"no such checkpoint; got fish\. .*\(bird\)"):
        checkpoint_path("fish")
    (tmp_path / "empty" / "checkpoints").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no such checkpoint.*empty"):
        checkpoint_path(tmp_path / "empty")


def test_metadata_must_be_json(tmp_path):
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path / "a.safetensors", STATE, step=object())
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_the_metadata_come_back_exactly(tmp_path):
    numbers = [0.1, 1e-300, -0.0, 2**62]
    path = save_checkpoint(tmp_path / "a.safetensors", {}, numbers=numbers)
    assert read_metadata(path)["numbers"] == numbers
    assert json.dumps(load_checkpoint(path)[1]["numbers"]) == json.dumps(numbers)
