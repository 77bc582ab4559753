"""The inputs of a generator: functions that draw, fix, balance and name its codes.

A generator says which of the four kinds it takes, in its class's ``inputs``:

===============  ======================  ==========================================
kind             input                   families
===============  ======================  ==========================================
:class:`Noise`   z                       GAN, Simple-GAN, LR-GAN, StackGAN-v2
:class:`Child`   z, c                    InfoGAN as FineGAN's baseline
:class:`Mixed`   z, code (category and   InfoGAN
                 continuous numbers)
:class:`Tied`    z, b, p, c              FineGAN
===============  ======================  ==========================================

``inputs`` below are always the generator's arguments: ``generator(*inputs)``; ``config`` is the
dataclass of its sizes.
"""

from typing import Any

import torch
from torch import Tensor

from ..base.errors import InputError
from ..codes import Codes, one_hot


def no_categorical_code(config: Any) -> InputError:
    """The error of what needs a categorical code, for a generator without one."""
    return InputError(
        "this generator has no categorical code",
        seen=type(config).__name__.removesuffix("Config"),
        cure="Give a FineGAN or an InfoGAN.",
    )


class Noise:
    """z alone: there is no code."""

    names: tuple[str, ...] = ("z",)  # of the tensors, in order
    codes: tuple[str, ...] = ()  # that an index can be given for
    hierarchical = False  # whether there are parents, backgrounds and masks

    def n_children(self, config: Any) -> int:
        """How many values the categorical code has; 0: there is none."""
        return 0

    def n_continuous(self, config: Any) -> int:
        """How many continuous numbers follow the categorical code."""
        return 0

    def balanced(self, config: Any, inputs: tuple, index: Tensor) -> tuple:
        """The inputs, with child ``index`` modulo their number: (n,) int64."""
        return inputs

    def free(self, generator: Any, n: int, rng: torch.Generator) -> tuple:
        """Inputs for n images, all codes independent."""
        return tuple(generator.sample_codes(n, rng))

    def named(self, config: Any, inputs: tuple) -> dict[str, Tensor]:
        """The codes by name, (n,): ``c``, …, ``z0``, ``z1``, …

        Raises:
            InputError: where there is no categorical code.
        """
        raise no_categorical_code(config)

    def fixed(
        self, generator: Any, n: int, rng: torch.Generator, tied: bool, values: dict
    ) -> tuple:
        """Inputs for n images, with some codes fixed to an index.

        Args:
            tied: whether b and p follow from c.
            values: of "b", "p" and "c", those that are fixed.

        Raises:
            InputError: for a code that the generator does not have, or an index out of its range.
        """
        unknown = set(values) - set(self.codes)
        if unknown:
            raise InputError(
                "this generator does not have the code to be fixed",
                seen=f"{min(unknown)} for a {type(generator).__name__}",
                cure="Leave the option out, or give a FineGAN's checkpoint.",
            )
        inputs = tuple(generator.sample_codes(n, rng))
        if "c" in values:
            index = torch.full((n,), values["c"])
            code = one_hot(index, self.n_children(generator.config), "child (c)")
            inputs = (inputs[0], code)
        return inputs

    def indices(self, inputs: tuple) -> dict[str, list[int]]:
        """The codes named in :attr:`codes`, as indices."""
        return {}

    def part(self, inputs: tuple, rows: slice) -> tuple:
        """Some rows of the inputs."""
        return tuple(tensor[rows] for tensor in inputs)

    def flat(self, inputs: tuple) -> tuple[Tensor, ...]:
        """The tensors named in :attr:`names`."""
        return tuple(inputs)

    def of_flat(self, tensors: tuple[Tensor, ...]) -> tuple:
        """The inverse of :meth:`flat`."""
        return tuple(tensors)


class Child(Noise):
    """z and a child code c, one-hot."""

    names = ("z", "c")
    codes: tuple[str, ...] = ("c",)

    def n_children(self, config: Any) -> int:
        return config.n_children

    def balanced(self, config: Any, inputs: tuple, index: Tensor) -> tuple:
        z, code = inputs  # one-hot, and perhaps continuous numbers after that
        n = self.n_children(config)
        return z, torch.cat([one_hot(index % n, n), code[:, n:]], 1)

    def named(self, config: Any, inputs: tuple) -> dict[str, Tensor]:
        z, code = inputs
        n = self.n_children(config)
        named = {"c": code[:, :n].argmax(1)}
        named |= {f"u{i}": u for i, u in enumerate(code[:, n:].T)}
        return named | {f"z{i}": number for i, number in enumerate(z.T)}

    def indices(self, inputs: tuple) -> dict[str, list[int]]:
        return {"c": inputs[1].argmax(1).tolist()}


class Mixed(Child):
    """z and InfoGAN's code: a category, one-hot, and continuous numbers in [-1, 1]."""

    names = ("z", "code")
    codes = ()

    def n_children(self, config: Any) -> int:
        return config.n_categories

    def n_continuous(self, config: Any) -> int:
        return config.n_continuous

    def indices(self, inputs: tuple) -> dict[str, list[int]]:
        return {}


class Tied(Noise):
    """FineGAN's :class:`~finegan_lib.codes.Codes`: z, b, p and c."""

    names = Codes._fields
    codes = ("b", "p", "c")
    hierarchical = True

    def n_children(self, config: Any) -> int:
        return config.n_children

    def balanced(self, config: Any, inputs: tuple, index: Tensor) -> tuple:
        return (config.hierarchy().codes(inputs[0].z, index % config.n_children),)

    def free(self, generator: Any, n: int, rng: torch.Generator) -> tuple:
        config = generator.config
        return (config.hierarchy().sample(n, config.z_dim, tied=False, rng=rng),)

    def named(self, config: Any, inputs: tuple) -> dict[str, Tensor]:
        (codes,) = inputs
        named = {"b": codes.b_index, "p": codes.p_index, "c": codes.c_index}
        return named | {f"z{i}": number for i, number in enumerate(codes.z.T)}

    def fixed(
        self, generator: Any, n: int, rng: torch.Generator, tied: bool, values: dict
    ) -> tuple:
        hierarchy = generator.config.hierarchy()
        codes = hierarchy.sample(n, generator.config.z_dim, tied=tied, rng=rng)
        c_index = values.get("c", codes.c_index)
        loose = {} if tied else {"p_index": codes.p_index, "b_index": codes.b_index}
        given = {f"{name}_index": values[name] for name in ("p", "b") if name in values}
        return (hierarchy.codes(codes.z, c_index, **{**loose, **given}),)

    def indices(self, inputs: tuple) -> dict[str, list[int]]:
        return {name: getattr(inputs[0], f"{name}_index").tolist() for name in self.codes}

    def part(self, inputs: tuple, rows: slice) -> tuple:
        return (inputs[0].select(rows),)

    def flat(self, inputs: tuple) -> tuple[Tensor, ...]:
        return tuple(inputs[0])

    def of_flat(self, tensors: tuple[Tensor, ...]) -> tuple:
        return (Codes(*tensors),)
