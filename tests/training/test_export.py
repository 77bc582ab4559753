"""Generators for other programs: ONNX and TorchScript say what PyTorch says, with names."""

import json
import re

import onnx
import onnxruntime
import pytest
import torch

from finegan_lib import families
from finegan_lib.__main__ import main
from finegan_lib.base.checkpoints import save_checkpoint
from finegan_lib.base.errors import InputError
from finegan_lib.codes import Codes
from finegan_lib.models import (
    FineGANConfig,
    GANConfig,
    InfoGANBaselineConfig,
    InfoGANConfig,
    LRGANConfig,
    SimpleGANConfig,
    StackGANConfig,
)
from finegan_lib.systems import Recipe
from finegan_lib.training import LoopConfig, RunConfig
from finegan_lib.training import export as exporting
from finegan_lib.training.export import Named, export, format_of, named_outputs
from finegan_lib.training.pretrained import load_generator

TINY = {"image_size": 32, "z_dim": 5, "g_dim": 4, "d_dim": 4}
STAGES = {"residual_blocks": 1, "min_head_channels": 4}
CODES = {"n_parents": 3, "n_children": 7, "children_per_parent": (1, 2, 4)}
CONFIGS = {
    "finegan": FineGANConfig(**TINY, **STAGES, **CODES, background_gain=2.0, mask_bias=-0.5),
    "view": FineGANConfig(**TINY, **STAGES, **CODES, view=True),
    "gan": GANConfig(**TINY | {"z_dim": 200}),  # many weights in few layers
    "infogan": InfoGANConfig(**TINY, n_categories=3, n_continuous=2),
    "simple_gan": SimpleGANConfig(**TINY, **STAGES),
    "infogan_baseline": InfoGANBaselineConfig(**TINY, **STAGES, n_children=7),
    "lr_gan": LRGANConfig(**TINY, layers=3),
    "stackgan": StackGANConfig(**TINY, **STAGES),
}
THREE = ("foreground", "mask", "image")
FINEGAN = ["background_image", *(f"{s}_{k}" for s in ("parent", "child") for k in THREE)]
LR_GAN = ["background_image", *(f"object_{t}_{k}" for t in (2, 3) for k in THREE)]
NAMES = {  # inputs, outputs
    "finegan": (list("zbpc"), FINEGAN),
    "gan": (["z"], ["image"]),
    "infogan": (["z", "code"], ["image"]),
    "simple_gan": (["z"], ["image"]),
    "infogan_baseline": (["z", "c"], ["image"]),
    "lr_gan": (["z"], LR_GAN),
    "stackgan": (["z"], ["image_16", "image_32"]),
}
NAMES["view"] = NAMES["finegan"]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A generator of random weights of every family, none of them at its special start."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for seed, (name, config) in enumerate(CONFIGS.items()):
        torch.manual_seed(seed)
        run = RunConfig(config, Recipe(), LoopConfig())
        state = families.named(run.family).generator(config).state_dict()
        for weight in state.values():
            if weight.is_floating_point():
                weight += 0.2 * (torch.rand_like(weight) - 0.5 * (weight.ndim > 1))
        facts = {"config": run.to_dict(), "step": 9, "command": "trained so"}
        save_checkpoint(folder / f"{name}.safetensors", {"generator": state}, **facts)
    return folder


def as_numpy(inputs, codes):
    return dict(zip(inputs, (code.numpy() for code in codes), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("family", CONFIGS)
def test_onnx_says_what_pytorch_says(checkpoints, family, precision, tmp_path):
    """In float16 too: PyTorch then has the same weights, rounded."""
    if precision == "float16" and family not in ("view", "lr_gan", "infogan"):
        pytest.skip("the layers are those of the three")
    source = checkpoints / f"{family}.safetensors"
    path = export(source, tmp_path / "g.onnx", precision=precision)
    generator = load_generator(source)
    with torch.no_grad():
        for weight in generator.parameters():
            if precision == "float16" and weight.ndim > 1:
                weight.copy_(weight.half())
    session = onnxruntime.InferenceSession(path)
    inputs, outputs = NAMES[family]
    assert [i.name for i in session.get_inputs()] == list(inputs)
    assert [o.name for o in session.get_outputs()] == outputs
    for n in (1, 3):
        codes = Named(generator, inputs).example(n, seed=n)
        found = session.run(None, as_numpy(inputs, codes))
        codes = (Codes(*codes),) if "finegan" in family or family == "view" else codes
        expected = named_outputs(generator(*codes))
        assert list(expected) == outputs
        for name, image in zip(outputs, found, strict=True):
            assert image.shape == expected[name].shape, name
            assert torch.from_numpy(image).sub(expected[name]).abs().max() < 1e-4, name
        assert expected[outputs[-1]].std() > 0.01  # there is something to compare


@pytest.mark.slow
def test_an_onnx_file_describes_itself(checkpoints, tmp_path):
    path = export(checkpoints / "view.safetensors", tmp_path / "g.onnx", command="made so")
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    facts = {fact.key: fact.value for fact in model.metadata_props}
    assert facts["family"] == "finegan" and facts["image_size"] == "32" and facts["z_dim"] == "5"
    assert json.loads(facts["parent_of"]) == [0, 1, 1, 2, 2, 2, 2]
    assert json.loads(facts["config"])["view"] is True
    assert facts["command"] == "made so" and facts["step"] == "9" and facts["licence"] == "MIT"
    assert facts["precision"] == "float32"
    assert json.loads(facts["inputs"]) == list("zbpc")
    # Nothing says on whose machine it was made.
    assert not re.search(rb"/(home|work|root|usr|tmp)/|site-packages", path.read_bytes())


@pytest.mark.slow
def test_float16_halves_the_weights(checkpoints, tmp_path):
    source = checkpoints / "gan.safetensors"
    weights = sum(w.numel() for w in load_generator(source).parameters() if w.ndim > 1)
    for ending in ("onnx", "pt", "safetensors"):
        files = [tmp_path / f"{precision}.{ending}" for precision in ("float32", "float16")]
        large, small = (export(source, f, precision=f.stem).stat().st_size for f in files)
        # Two bytes a weight, less BatchNorm's numbers, which ONNX folds away in float32 only.
        assert large - small > 1.5 * weights, ending


@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
@pytest.mark.parametrize("family", CONFIGS)
def test_torchscript_says_what_pytorch_says(checkpoints, family, tmp_path):
    source = checkpoints / f"{family}.safetensors"
    path = export(source, tmp_path / "g.pt")
    files = {"facts.json": ""}
    network = torch.jit.load(path, _extra_files=files)
    inputs, outputs = NAMES[family]
    assert json.loads(files["facts.json"])["outputs"] == json.dumps(outputs)
    named = Named(load_generator(source), inputs)
    for n in (1, 3):
        codes = named.example(n, seed=n)
        found, expected = network(*codes), named(*codes)
        assert list(found) == outputs
        assert all(found[k].sub(expected[k]).abs().max() < 1e-4 for k in outputs)


def test_safetensors_in_float16_come_back(checkpoints, tmp_path):
    source = checkpoints / "finegan.safetensors"
    path = export(source, tmp_path / "g.safetensors", precision="float16")
    before, after = load_generator(source).state_dict(), load_generator(path).state_dict()
    for name, weight in before.items():
        wanted = weight.half().float() if weight.ndim > 1 else weight
        assert after[name].dtype == weight.dtype and after[name].equal(wanted), name


def test_the_ending_says_the_format(tmp_path):
    said = {".onnx": "onnx", ".pt": "torchscript", ".torchscript": "torchscript"}
    for ending, format in said.items():
        assert format_of(tmp_path / f"g{ending}") == format == format_of(tmp_path / "g", format)
        assert format_of(tmp_path / f"g{ending.upper()}", format) == format
    assert format_of(tmp_path / "g.safetensors") == format_of(tmp_path / "g") == "safetensors"


def test_a_contradiction_is_refused(checkpoints, tmp_path, capsys):
    source = str(checkpoints / "gan.safetensors")
    arguments = ["export", "--checkpoint", source, "--out"]
    for name, format in (("g.onnx", "safetensors"), ("g.safetensors", "onnx"), ("g.zip", "onnx")):
        assert main([*arguments, str(tmp_path / name), "--format", format]) == 2
        assert f"contradicts the format; got {name} and {format}" in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "g.onxx")]) == 2
    assert "names no format; got g.onxx. End the file in one of" in capsys.readouterr().err
    with pytest.raises(InputError, match="unknown precision; got int8"):
        export(source, tmp_path / "g.onnx", precision="int8")
    assert not list(tmp_path.iterdir())


def test_an_existing_file_stays(checkpoints, tmp_path):
    (tmp_path / "g.onnx").write_text("mine")
    with pytest.raises(InputError, match="this file exists"):
        export(checkpoints / "gan.safetensors", tmp_path / "g.onnx")
    assert (tmp_path / "g.onnx").read_text() == "mine"


def test_without_the_packages(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[export\]'"):
        export(checkpoints / "gan.safetensors", tmp_path / "g.onnx")
    monkeypatch.undo()
    monkeypatch.setattr(torch, "__version__", "2.5.1")
    with pytest.raises(InputError, match=r"needs PyTorch 2\.6 or newer; got 2\.5\.1"):
        export(checkpoints / "gan.safetensors", tmp_path / "g.onnx")
    assert not list(tmp_path.iterdir())


def test_no_file_tells_where_the_photographs_lay(tmp_path):
    home = tmp_path / "at home"
    loop = LoopConfig(data=str(home / "birds"), start_from=str(home / "led.safetensors"))
    run = RunConfig(CONFIGS["view"], Recipe(), loop).to_dict()
    weights = families.named("finegan").generator(CONFIGS["view"]).state_dict()
    source = save_checkpoint(tmp_path / "run.safetensors", {"generator": weights}, config=run)
    out = export(source, tmp_path / "out.safetensors")
    assert b"at home" in source.read_bytes() and b"at home" not in out.read_bytes()
    kept = out.read_bytes().replace(b"\\", b"")
    assert b'"data": "birds"' in kept and b'"start_from": "led.safetensors"' in kept
