"""The original authors' FineGAN files, read into our networks and written back.

The tables below name our layer for each of their layers. The numbers are equal on both sides. No
weight is transposed or reordered, because both put the code *before* the other input, (b or p, z)
for the linear layers and (p or c, features) for the joint convolutions. Names of published files
may carry the prefix ``module.``.

Not in the files: the child→parent map. The configurations made here have equal shares,
:meth:`finegan_lib.codes.CodeHierarchy.equal`.
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..base.errors import InputError
from .finegan import (
    BackgroundDiscriminator,
    CodeDiscriminator,
    FineGANConfig,
    FineGANGenerator,
    build_discriminators,
)

Source = str | Path | Mapping[str, Tensor]
Table = Sequence[tuple[str, str]]
Network = TypeVar("Network", bound=nn.Module)

# A line names a layer, or a container whose layers are numbered alike on both sides: in an up-block
# 1 is the convolution and 2 its BatchNorm. If two lines match, the first counts.

GENERATOR = (
    # theirs, ours                                          what it does
    ("h_net1_bg.fc.0", "background_stem.linear"),  #        (b, z) → 2 · 16g · 4 · 4
    ("h_net1_bg.fc.1", "background_stem.norm"),
    ("h_net1_bg.upsample1", "background_stem.up.0"),  #     4 × 4 → 8 × 8, 16g → 8g
    ("h_net1_bg.upsample2", "background_stem.up.1"),
    ("h_net1_bg.upsample3", "background_stem.up.2"),
    ("h_net1_bg.upsample4", "background_stem.up.3"),
    ("h_net1_bg.upsample5", "background_stem.up.4"),  #     64 × 64 → 128 × 128, g → g
    ("img_net1_bg.img.0", "background_image"),  #           B
    ("h_net1.fc.0", "foreground_stem.linear"),  #           (p, z)
    ("h_net1.fc.1", "foreground_stem.norm"),
    ("h_net1.upsample1", "foreground_stem.up.0"),
    ("h_net1.upsample2", "foreground_stem.up.1"),
    ("h_net1.upsample3", "foreground_stem.up.2"),
    ("h_net1.upsample4", "foreground_stem.up.3"),
    ("h_net1.upsample5", "foreground_stem.up.4"),
    ("h_net2.jointConv.0", "parent_stage.join.conv"),  #    (p, features), g → g
    ("h_net2.jointConv.1", "parent_stage.join_norm"),
    ("h_net2.residual", "parent_stage.residual"),
    ("h_net2.samesample", "parent_stage.out"),  #           g → g/2
    ("img_net2.img.0", "parent_image"),  #                  F_p
    ("img_net2_mask.img.0", "parent_mask"),  #              M_p
    ("h_net3.jointConv.0", "child_stage.join.conv"),  #     (c, the parent's features)
    ("h_net3.jointConv.1", "child_stage.join_norm"),
    ("h_net3.residual", "child_stage.residual"),
    ("h_net3.samesample", "child_stage.out"),  #            g/2 → g/4
    ("img_net3.img.0", "child_image"),  #                   F_c
    ("img_net3_mask.img.0", "child_mask"),  #               M_c
)

BACKGROUND_DISCRIMINATOR = (
    ("patchgan_img_code_s16", "trunk"),
    ("uncond_logits1.0", "aux"),  #                         is this patch background?
    ("uncond_logits2.0", "real_fake"),
)

CODE_DISCRIMINATOR = (  # D_p and D_c
    ("img_code_s32.0", "trunk.11"),  #                      8 × 8 → 4 × 4, 8d → 16d
    ("img_code_s32.1", "trunk.12"),
    ("img_code_s32_1.0", "trunk.14"),  #                    3 × 3 convolution, 16d → 8d
    ("img_code_s32_1.1", "trunk.15"),
    ("img_code_s16", "trunk"),  #                           128 × 128 → 8 × 8, numbered alike
    ("uncond_logits.0", "real_fake"),
    ("logits.0", "code.3"),
    ("jointConv", "code"),  #                               3 × 3 convolution, BatchNorm
)


def load_official_generator(source: Source) -> FineGANGenerator:
    """The authors' generator as ours, on the CPU, in training mode and float32.

    Args:
        source: a ``.pth`` or ``.safetensors`` file, or a state dict.

    Returns:
        A generator whose N_p, N_c, z_dim, g_dim and image size were read from the tensors' shapes.

    Raises:
        InputError: if the file is missing, damaged or contains code, or if a tensor is missing,
            unexpected or of another shape.
    """
    state = _read_state(source)
    with torch.device("meta"):  # shapes only: every weight comes from the file
        generator = FineGANGenerator(_generator_config(state))
    return _fill(generator, state, GENERATOR)


def load_official_discriminators(
    background: Source, parent: Source, child: Source
) -> tuple[BackgroundDiscriminator, CodeDiscriminator, CodeDiscriminator]:
    """The authors' D_b, D_p and D_c as ours, on the CPU, in training mode and float32.

    Args:
        background, parent, child: files or state dicts, as for :func:`load_official_generator`;
            published as ``netD0``, ``netD1`` and ``netD2``.

    Raises:
        InputError: as :func:`load_official_generator`; also if the three differ in width.
    """
    states = [_read_state(source) for source in (background, parent, child)]
    config = _discriminator_config(*states)
    with torch.device("meta"):
        networks = build_discriminators(config)
    d_b, d_p, d_c = networks
    tables = (BACKGROUND_DISCRIMINATOR, CODE_DISCRIMINATOR, CODE_DISCRIMINATOR)
    return (
        _fill(d_b, states[0], tables[0]),
        _fill(d_p, states[1], tables[1]),
        _fill(d_c, states[2], tables[2]),
    )


def to_official_generator(generator: FineGANGenerator) -> dict[str, Tensor]:
    """Our generator's weights under the authors' names (no ``module.``), detached copies.

    Raises:
        InputError: if the generator has a view, or has a mask bias or code gains, for which their
            networks have no place.
    """
    paper = FineGANConfig()
    for name in ("mask_bias", "background_gain", "parent_gain", "view"):
        if getattr(generator.config, name) != getattr(paper, name):
            raise InputError(
                f"the authors' generator has no {name}",
                seen=getattr(generator.config, name),
                cure=f"Only a generator with {name}={getattr(paper, name):g} can be written "
                "under their names.",
            )
    return _to_official(generator, GENERATOR)


def to_official_discriminator(
    discriminator: BackgroundDiscriminator | CodeDiscriminator,
) -> dict[str, Tensor]:
    """One of our discriminators' weights under the authors' names, detached copies.

    Raises:
        InputError: if it is not a 128-pixel discriminator normalised as the authors' are.
    """
    if isinstance(discriminator, BackgroundDiscriminator):
        table: Table = BACKGROUND_DISCRIMINATOR
        same = discriminator.input_size == 126
    else:
        table = CODE_DISCRIMINATOR
        same = "trunk.14.weight" in discriminator.state_dict()
    if not same:
        raise InputError(
            "the authors' discriminators are for 128-pixel images, with BatchNorm in D_p and D_c",
            seen=f"a {type(discriminator).__name__} of other layers",
            cure='Build it with image_size=128 and child_norm="batch".',
        )
    return _to_official(discriminator, table)


# ------------------------------------------------------------------------------------- files


def _read_state(source: Source) -> dict[str, Tensor]:
    """A file or a state dict as {name without "module.": tensor}."""
    state = source if isinstance(source, Mapping) else _read_file(Path(source))
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise InputError(
            "a state dict must map names to tensors",
            seen=type(state).__name__ if not isinstance(state, Mapping) else "other values",
            cure="Give what network.state_dict() returns, or a file of it.",
        )
    for name, value in state.items():
        # A stretched tensor is small in its file, but its copy would fill the memory.
        dense = value.layout == torch.strided and not value.is_quantized
        if not dense or value.untyped_storage().nbytes() < value.numel() * value.element_size():
            raise InputError(
                f"{name} is not stored number by number",
                seen="a sparse, quantised or stretched tensor",
                cure="Give what network.state_dict() returns, or a file of it.",
            )
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return dict(state)


def _read_file(path: Path) -> Any:
    if not path.is_file():
        raise InputError(
            "no such file of weights", seen=str(path), cure="Check the path for a typing error."
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            "this file holds something else than tensors; nothing in it was run",
            seen=str(path),
            cure="Pickled code is refused. Ask for a file of network.state_dict(), best as "
            "safetensors.",
        ) from error
    except Exception as error:  # a damaged file can raise any error in the readers
        raise InputError(
            "this file of weights cannot be read",
            seen=f"{path} ({str(error).splitlines()[0] if str(error) else type(error).__name__})",
            cure="It is truncated or damaged: fetch it again.",
        ) from error


# ------------------------------------------------------------------------------------- sizes


def _generator_config(state: dict[str, Tensor]) -> FineGANConfig:
    g = _length(state, "img_net1_bg.img.0.weight", 1)
    parent_width = _length(state, "img_net2.img.0.weight", 1)
    child_width = _length(state, "img_net3.img.0.weight", 1)
    n_parents = _length(state, "h_net2.jointConv.0.weight", 1, less=g)
    n_children = _length(state, "h_net3.jointConv.0.weight", 1, less=parent_width)
    z_dim = _length(state, "h_net1.fc.0.weight", 1, less=n_parents)
    up_blocks = sum(f"h_net1.upsample{i}.1.weight" in state for i in range(1, 6))
    blocks = 0
    while f"h_net2.residual.{blocks}.block.0.weight" in state:
        blocks += 1
    halved = parent_width == g // 2 and child_width == parent_width // 2
    return FineGANConfig(
        image_size=4 * 2**up_blocks,
        n_parents=n_parents,
        n_children=n_children,
        z_dim=z_dim,
        g_dim=g,
        residual_blocks=blocks,
        min_head_channels=0 if halved else child_width,
    )


def _discriminator_config(
    background: dict[str, Tensor], parent: dict[str, Tensor], child: dict[str, Tensor]
) -> FineGANConfig:
    widths = [
        _length(background, "patchgan_img_code_s16.0.weight", 0),
        _length(parent, "img_code_s16.0.weight", 0),
        _length(child, "img_code_s16.0.weight", 0),
    ]
    if len(set(widths)) > 1:
        raise InputError(
            "the three discriminators must have the same width",
            seen="{} (D_b), {} (D_p), {} (D_c) channels".format(*widths),
            cure="Give three files of one training run.",
        )
    return FineGANConfig(
        n_parents=_length(parent, "logits.0.weight", 0),
        n_children=_length(child, "logits.0.weight", 0),
        d_dim=widths[0],
    )


def _length(state: dict[str, Tensor], name: str, axis: int, less: int = 0) -> int:
    """Length of one axis of a tensor, without the length of the other concatenated parts."""
    if name not in state:
        raise _missing(name)
    shape = tuple(state[name].shape)
    if len(shape) <= axis or shape[axis] <= less:
        raise InputError(
            f"{name} does not fit the other tensors",
            seen=f"shape {shape}",
            cure=f"Axis {axis} must be longer than {less}; give the file of a FineGAN network.",
        )
    return shape[axis] - less


# ------------------------------------------------------------------------------------- names


def _fill(network: Network, state: dict[str, Tensor], table: Table) -> Network:
    """Put an official state into a network built on the meta device, after checking all of it."""
    expected = _to_official(network, table)
    for name, tensor in expected.items():
        if name not in state:
            raise _missing(name)
        if state[name].shape != tensor.shape:
            raise InputError(
                f"{name} must have shape {tuple(tensor.shape)}",
                seen=tuple(state[name].shape),
                cure="The file's tensors do not fit one another: fetch it again.",
            )
        if state[name].is_floating_point() != tensor.is_floating_point():
            raise InputError(
                f"{name} must have values like {tensor.dtype}",
                seen=state[name].dtype,
                cure="The file is of another network, or was altered: fetch it again.",
            )
    unexpected = sorted(state.keys() - expected.keys())
    if unexpected:
        raise InputError(
            "a tensor that this network does not have",
            seen=f"{unexpected[0]} ({len(unexpected)} such)",
            cure="Check that the file is of the network asked for: generator, D_b, D_p or D_c.",
        )
    ours = {_renamed(name, table): _copy(tensor) for name, tensor in state.items()}
    network.load_state_dict(ours, assign=True)
    return network


def _copy(tensor: Tensor) -> Tensor:
    """On the CPU, floats as float32, sharing no memory."""
    floats = torch.float32 if tensor.is_floating_point() else None
    return tensor.detach().to("cpu", floats).clone()


def _to_official(network: nn.Module, table: Table) -> dict[str, Tensor]:
    swapped = [(ours, theirs) for theirs, ours in table]
    state = network.state_dict()
    return {_renamed(name, swapped): tensor.detach().clone() for name, tensor in state.items()}


def _renamed(name: str, table: Table) -> str:
    """A tensor's name, with the layer's name replaced by the other name in the table."""
    left, right = next(pair for pair in table if name.startswith(pair[0] + "."))
    return right + name.removeprefix(left)


def _missing(name: str) -> InputError:
    return InputError(
        "a tensor of the network is missing",
        seen=name,
        cure="Check that the file is of the network asked for: generator, D_b, D_p or D_c.",
    )
