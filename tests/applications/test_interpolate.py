import math

import pytest
import torch
from PIL import Image

from finegan_lib.__main__ import main
from finegan_lib.applications.interpolate import (
    between,
    even_steps,
    interpolate,
    interpolate_images,
    parse_code,
    slerp,
)
from finegan_lib.base.errors import InputError
from finegan_lib.figures import generate
from tests.applications.small import QUICK


def test_slerp_goes_along_the_circle():
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    half = slerp(a, b, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(half, torch.tensor([[2, 0], [math.sqrt(2), math.sqrt(2)], [0, 2]]))
    same = slerp(a, a, torch.tensor([0.3]))
    torch.testing.assert_close(same, a[None])
    against = slerp(a, -a, torch.tensor([0.25]))  # no circle is the shortest: a straight line
    torch.testing.assert_close(against, a[None] / 2)


def test_codes_are_blended(generator):
    a, b = (parse_code(text, generator).bird for text in ("c=0", "p=1,c=3,b=2,seed=1"))
    quarter = between(a, b, torch.tensor([0.25]))
    assert quarter.c.tolist() == [[0.75, 0, 0, 0.25]] and quarter.p.tolist() == [[0.75, 0.25]]
    assert quarter.b.tolist() == [[0.75, 0, 0.25, 0]]


def test_frames_lie_evenly_apart_as_pictures():
    heights = torch.tensor([0.0, 0.0, 0.1, 0.2, 0.3, 2.0, 2.1, 3.0])
    images = heights[:, None, None, None].expand(-1, 3, 4, 4)
    assert even_steps(images, 4).tolist() == [0, 4, 5, 7]  # 0, 1, 2, 3 are wanted


def test_a_walk_begins_and_ends_at_its_ends(generator):
    a, b = (parse_code(text, generator) for text in ("c=0", "p=1,c=3,b=2,seed=1"))
    for even in (True, False):
        walk = interpolate_images(generator, a, b, 7, even=even)
        assert walk.images.shape == (7, 3, 32, 32)
        torch.testing.assert_close(walk.images[:1], generate(generator, a.bird).child.image)
        torch.testing.assert_close(walk.images[-1:], generate(generator, b.bird).child.image)
        assert walk.t[0] == 0 and walk.t[-1] == 1 and walk.evenness >= 1
    evenly = interpolate_images(generator, a, b, 7)
    assert evenly.evenness < walk.evenness


def test_the_command_between_codes(checkpoint, tmp_path, capsys, monkeypatch):
    for module in ("interpolate", "readers"):
        monkeypatch.setattr(f"finegan_lib.applications.{module}.ReadersConfig", lambda: QUICK)
    command = ["interpolate", "c=0", "p=1,c=3", "--checkpoint", str(checkpoint), "--no-progress"]
    assert main([*command, "--frames", "5", "--out", str(tmp_path / "out")]) == 0
    assert "5 frames" in capsys.readouterr().out
    with Image.open(tmp_path / "out/walk.gif") as walk:
        assert walk.n_frames == 8 and walk.size == (256, 256)  # there and back
    assert (tmp_path / "out/strip.png").is_file()


def test_between_photographs(checkpoint, pictures, tmp_path):
    ends = pictures / "bird 0.png", pictures / "bird 4.png"
    options = {"checkpoint": checkpoint, "config": QUICK, "steps": 1, "progress": False}
    result = interpolate(*ends, tmp_path / "out", frames=4, **options)
    assert len(result["copy_error"]) == 2 and 0 < result["parent"] <= 1
    assert len(interpolate(ends[0], "c=1", tmp_path / "b", frames=3, **options)["copy_error"]) == 1


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("nowhere.png", "no such photograph"),
        ("c=9", "child"),
        ("p=1", "neither a photograph nor codes"),
        ("c=1,c=2", "neither a photograph nor codes"),
        ("c=1,q=2", "neither a photograph nor codes"),
        ("c=1,seed=99999999999999999999", "a number among these codes is too large"),
        ("c=99999999999999999999", "a number among these codes is too large"),
    ],
)
def test_what_is_no_end_is_said(end, said, checkpoint, tmp_path):
    with pytest.raises(InputError, match=said):
        interpolate("c=0", end, tmp_path / "out", checkpoint=checkpoint, config=QUICK)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("numbers", "said"), [({"frames": 1}, "two frames"), ({"steps": -1}, "steps must be 0 or more")]
)
def test_one_frame_is_no_walk(numbers, said, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("finegan_lib.applications.interpolate.load_readers", lambda *_, **__: 1 / 0)
    with pytest.raises(InputError, match=said):
        interpolate("c=0", "c=1", tmp_path / "out", checkpoint=checkpoint, **numbers)
