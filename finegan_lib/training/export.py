"""Generators for other programs: one file in the format safetensors, TorchScript or ONNX.

TorchScript and ONNX files hold the network itself, with named inputs and outputs (`INPUTS`,
:func:`named_outputs`), so that they run without this library. float16 halves the file: the weights
of convolutions and linear layers are stored in float16, and everything is computed in float32.
"""

import contextlib
import copy
import io
import json
import os
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

from ..base.checkpoints import checkpoint_path, load_checkpoint, save_checkpoint
from ..base.errors import InputError
from ..base.files import disk_errors, make_folder, refuse_to_overwrite
from ..models.generators import final_image, inputs_of
from . import RunConfig
from .pretrained import averaged_weights, load_generator

FORMATS = {  # format → its file endings
    "safetensors": (".safetensors",),
    "torchscript": (".pt", ".torchscript"),
    "onnx": (".onnx",),
}
PRECISIONS = ("float32", "float16")
LICENCE = "MIT"


def export(
    name_or_file, path, *, format: str = "", precision: str = "float32", command: str = ""
) -> Path:
    """Write the averaged generator alone to a file.

    Args:
        name_or_file: a shipped name, a checkpoint, or the folder of a run.
        path: the new file; not overwritten if it exists.
        format: one of `FORMATS`; "": what the file's ending says, safetensors without an ending.
        precision: of the stored weights, "float32" or "float16".
        command: the command that trained it, kept in the file.

    Raises:
        InputError: if the file exists, its ending contradicts the format, a package is missing, or
            there is no such checkpoint.
    """
    path = Path(path)
    format = format_of(path, format)
    refuse_to_overwrite(path)
    if precision not in PRECISIONS:
        raise InputError(
            "unknown precision", seen=precision, cure=f"Choose {' or '.join(PRECISIONS)}."
        )
    source = checkpoint_path(name_or_file)
    generator = load_generator(source)  # first see whether the file can be loaded
    state, metadata = load_checkpoint(source)
    if command:
        metadata["command"] = command
    loop = metadata.get("config", {}).get("loop", {})
    for name in {"data", "start_from"} & loop.keys():  # where the user keeps files is private
        loop[name] = Path(loop[name]).name
    if format == "safetensors":
        weights = averaged_weights(state)
        weights = {k: w.half() if is_halved(w, precision) else w for k, w in weights.items()}
        return save_checkpoint(path, {"generator": weights}, **metadata)
    family = RunConfig.from_dict(metadata["config"]).family
    named = Named(generator, inputs_of(generator).names, precision)
    facts = described(named, family, metadata, precision)
    write = write_onnx if format == "onnx" else write_torchscript
    write(named, path, facts)
    return path


def format_of(path: Path, format: str = "") -> str:
    """The format that a file's ending and the user's choice agree on.

    Raises:
        InputError: if they do not agree, or name no format.
    """
    ending = path.suffix.lower()
    said = next((name for name, endings in FORMATS.items() if ending in endings), "")
    if format and format not in FORMATS:
        raise InputError("unknown format", seen=format, cure=f"Choose one of {', '.join(FORMATS)}.")
    if format and ending and said != format:
        raise InputError(
            "the file's ending contradicts the format",
            seen=f"{path.name} and {format}",
            cure=f"End it in {FORMATS[format][0]}, or leave the format out.",
        )
    if not format and ending and not said:
        known = ", ".join(ending for endings in FORMATS.values() for ending in endings)
        raise InputError(
            "this ending names no format", seen=path.name, cure=f"End the file in one of {known}."
        )
    return format or said or "safetensors"


def is_halved(weight: Tensor, precision: str) -> bool:
    """Whether a weight is stored in float16: on request, those of convolutions and linear layers.

    BatchNorm's numbers stay as they are: they are few, and a small variance would become 0.
    """
    return precision == "float16" and weight.ndim > 1 and weight.is_floating_point()


class FromHalf(nn.Module):
    """A parametrization: a weight that is stored in float16 and read in float32."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight.float()

    def right_inverse(self, weight: Tensor) -> tuple[Tensor]:
        return (weight.half(),)  # torch lets the dtype change only in a tuple


class Named(nn.Module):
    """A generator with tensors for inputs and a dict of tensors for output: the exported network.

    It uses the plain forms of layers (``UpBlock.plain``, ``CodeConv.plain``): other programs have
    their own fast forms.

    Args:
        generator: of any family; a copy is taken, in evaluation mode.
        inputs: names of its inputs.
        precision: of the stored weights; see :func:`is_halved`.
    """

    def __init__(self, generator: nn.Module, inputs: tuple[str, ...], precision: str = "float32"):
        super().__init__()
        self.generator, self.inputs = copy.deepcopy(generator).eval(), inputs
        self.config = generator.config
        for module in list(self.generator.modules()):
            if hasattr(type(module), "plain"):
                module.forward = module.plain
            for name, weight in list(module.named_parameters(recurse=False)):
                if is_halved(weight, precision):
                    register_parametrization(module, name, FromHalf(), unsafe=True)
        self.requires_grad_(False)

    def forward(self, *codes: Tensor) -> dict[str, Tensor]:
        """Codes in the order of ``inputs`` → the named outputs of :func:`named_outputs`."""
        return named_outputs(self.generator(*inputs_of(self.generator).of_flat(codes)))

    def example(self, n: int = 2, seed: int = 0) -> tuple[Tensor, ...]:
        """Random inputs for n images; a FineGAN's codes are free."""
        rng = torch.Generator().manual_seed(seed)
        kind = inputs_of(self.generator)
        return kind.flat(kind.free(self.generator, n, rng))


def named_outputs(output) -> dict[str, Tensor]:
    """What any family's generator returns, by name; the finished image is the last.

    Images and foregrounds (N, 3, S, S) in [-1, 1], masks (N, 1, S, S) in [0, 1]. FineGAN:
    ``background_image``, and ``foreground``, ``mask`` and ``image`` of ``parent`` and ``child``.
    LR-GAN: ``background_image`` and the same three of ``object_2`` …, as pasted. StackGAN-v2:
    ``image_32``, … by their sides. All others: ``image``.
    """
    if isinstance(output, list):
        return {f"image_{image.shape[-1]}": image for image in output}
    if not hasattr(output, "layers"):
        return {"image": final_image(output)}
    named = {"background_image": output.behind}
    for name, stage in output.layers.items():
        named |= {
            f"{name}_foreground": stage.foreground,
            f"{name}_mask": stage.mask,
            f"{name}_image": stage.image,
        }
    return named


def described(named: Named, family: str, metadata: dict, precision: str) -> dict[str, str]:
    """What is kept in the file beside the network: names and values, both strings."""
    outputs = named(*named.example(1))
    facts = {
        "family": family,
        "inputs": json.dumps(named.inputs),
        "outputs": json.dumps(list(outputs)),
        "image_size": str(named.config.image_size),
        "z_dim": str(named.config.z_dim),
        "config": json.dumps(metadata["config"]["model"]),
        "precision": precision,
        "command": metadata.get("command", ""),
        "step": str(metadata.get("step", "")),
        "licence": metadata.get("licence", LICENCE),
    }
    if inputs_of(named.generator).hierarchical:
        facts["parent_of"] = json.dumps(named.config.hierarchy().parent_of.tolist())
    return facts


def write_torchscript(named: Named, path: Path, facts: dict[str, str]) -> None:
    """Write a network that ``torch.jit.load`` reads; the facts lie in it as ``facts.json``."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer warns of sizes that do not change
        traced = torch.jit.trace(named, named.example(), strict=False, check_trace=False)
        file = io.BytesIO()
        torch.jit.save(traced, file, _extra_files={"facts.json": json.dumps(facts)})
    _write_whole(path, file.getvalue())


def write_onnx(named: Named, path: Path, facts: dict[str, str]) -> None:
    """Write a network in ONNX, for any number of images; the facts are its metadata.

    Raises:
        InputError: if the packages of the extra ``export`` are missing.
    """
    missing = [package for package in ("onnx", "onnxscript") if not find_spec(package)]
    if missing:
        raise InputError(
            "ONNX needs more packages",
            seen=f"no {', '.join(missing)}",
            cure="Install them: pip install -e '.[export]'",
        )
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6):
        raise InputError(
            "ONNX needs PyTorch 2.6 or newer",
            seen=torch.__version__,
            cure="Update it, or export to safetensors or TorchScript.",
        )
    model = _onnx_model(named)
    for name, value in facts.items():
        model.metadata_props.add(key=name, value=value)
    _write_whole(path, model.SerializeToString())


def _onnx_model(named: Named):
    """The ``onnx.ModelProto`` of a network, without traces of where it was made."""
    from onnxscript import optimizer

    example = named.example()
    batch = torch.export.Dim("n", min=1)
    with warnings.catch_warnings(), torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            named,
            example,
            input_names=list(named.inputs),
            output_names=list(named(*example)),
            dynamic_shapes=(tuple({0: batch} for _ in example),),
            dynamo=True,
            verbose=False,
            optimize=False,
        )
        # Only small constants are folded, so that weights in float16 stay in float16.
        optimizer.optimize(program.model, input_size_limit=64, output_size_limit=64)
    model = program.model_proto
    graph = model.graph
    # The exporter notes the lines of code behind every part, with the paths on this machine.
    parts = (graph.node, graph.input, graph.output, graph.value_info, graph.initializer)
    for part in (model, graph, *(part for group in parts for part in group)):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model


def _write_whole(path: Path, content: bytes) -> None:
    """A file of bytes, whole or not at all; its folder is made."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with disk_errors("write", path):
        try:
            make_folder(path.parent)
            partial.write_bytes(content)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
