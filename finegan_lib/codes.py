"""The latent codes of FineGAN: ``z``, ``b``, ``p``, ``c`` and the child→parent hierarchy.

A FineGAN image is generated from four codes (paper, section 3.1):

=====  ==========================  ================  ===================================
name   what it is asked to hold    values            in training
=====  ==========================  ================  ===================================
``z``  pose, and whatever is left  N(0, I)           always free
``b``  background                  one-hot, N_b      tied: ``b = c`` (so N_b = N_c)
``p``  parent: the shape           one-hot, N_p      tied: the parent of ``c``
``c``  child: the appearance       one-hot, N_c      uniform over the children
=====  ==========================  ================  ===================================

After training, every code can be chosen freely.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .base.errors import InputError


class Codes(NamedTuple):
    """One batch of latent codes. ``b``, ``p`` and ``c`` are one-hot, in the dtype of ``z``.

    Shapes: ``z`` (N, z_dim), ``b`` (N, N_b), ``p`` (N, N_p), ``c`` (N, N_c).
    """

    z: Tensor
    b: Tensor
    p: Tensor
    c: Tensor

    @property
    def b_index(self) -> Tensor:
        """Background indices, (N,) int64."""
        return self.b.argmax(1)

    @property
    def p_index(self) -> Tensor:
        """Parent indices, (N,) int64."""
        return self.p.argmax(1)

    @property
    def c_index(self) -> Tensor:
        """Child indices, (N,) int64."""
        return self.c.argmax(1)

    def to(self, *args: Any, **kwargs: Any) -> "Codes":
        """Every code moved by ``Tensor.to(*args, **kwargs)``."""
        return Codes(*(code.to(*args, **kwargs) for code in self))

    def select(self, rows: Any) -> "Codes":
        """The codes of some images: ``rows`` indexes the batch, as in ``tensor[rows]``."""
        return Codes(*(code[rows] for code in self))


def one_hot(index: Tensor, n: int, name: str = "code") -> Tensor:
    """(N,) whole numbers in [0, n), of any type, as (N, n) float32 one-hot rows.

    Raises:
        InputError: if an index lies outside [0, n), is a fraction, or is True or False (a mask
            is no list of indices); ``name`` says of which code.
    """
    index = torch.as_tensor(index)
    odd = index if index.dtype == torch.bool else index[index != index.trunc()]
    if odd.numel():
        first = odd.flatten()[0].item()
        raise InputError(
            f"{name} index must be a whole number",
            seen=first if isinstance(first, bool) else f"{first:.6g}",
            cure=f"Choose one of 0 to {n - 1}.",
        )
    bad = (index < 0) | (index >= n)
    if bad.any():
        raise InputError(
            f"{name} index must lie in [0, {n - 1}]",
            seen=index[bad][0].item(),
            cure=f"Choose one of the {n} values that this model was built with.",
        )
    return F.one_hot(index.long(), n).float()


class CodeHierarchy:
    """Which parent every child belongs to: any map from children onto parents.

    Args:
        parent_of: for each child its parent's index. Every parent from 0 to the largest index
            must have at least one child (the map is surjective).

    Raises:
        InputError: if the map is empty, has a negative entry or leaves a parent childless.

    Example::

        >>> CodeHierarchy.equal(n_parents=20, n_children=196).children_count[:3]
        [10, 10, 10]
    """

    def __init__(self, parent_of: Sequence[int]):
        parent_of = [int(parent) for parent in parent_of]
        if not parent_of:
            raise InputError(
                "a hierarchy needs at least one child",
                seen=parent_of,
                cure="Give one parent index per child, for example [0, 0, 1, 1].",
            )
        if min(parent_of) < 0:
            raise InputError(
                "parent indices cannot be negative",
                seen=min(parent_of),
                cure="Number the parents from 0.",
            )
        childless = sorted(set(range(max(parent_of) + 1)) - set(parent_of))
        if childless:
            raise InputError(
                "every parent needs at least one child",
                seen=f"no child for parent {childless[0]}",
                cure="Number the parents from 0 without gaps.",
            )
        self.parent_of = torch.tensor(parent_of)
        self.n_children = len(parent_of)
        self.n_parents = max(parent_of) + 1

    @classmethod
    def equal(cls, n_parents: int, n_children: int) -> "CodeHierarchy":
        """Distribute the children in order and as evenly as possible.

        With a remainder the first parents get one child more (196 children over 20 parents:
        sixteen parents with 10, four with 9).
        """
        if not 1 <= n_parents <= n_children:
            raise InputError(
                "n_parents must lie in [1, n_children]",
                seen=f"n_parents={n_parents}, n_children={n_children}",
                cure="Every parent needs a child: lower n_parents or raise n_children.",
            )
        share, remainder = divmod(n_children, n_parents)
        sizes = [share + (parent < remainder) for parent in range(n_parents)]
        return cls.of_sizes(sizes)

    @classmethod
    def of_sizes(cls, sizes: Sequence[int]) -> "CodeHierarchy":
        """Parent k has ``sizes[k]`` children, numbered consecutively.

        Raises:
            InputError: for a size below 1.
        """
        if sizes and min(sizes) < 1:
            raise InputError(
                "every parent needs at least one child",
                seen=f"sizes {list(sizes)}",
                cure="Give each parent a size of 1 or more.",
            )
        return cls([parent for parent, size in enumerate(sizes) for _ in range(int(size))])

    @classmethod
    def mixed(cls) -> "CodeHierarchy":
        """The unequal hierarchy of the paper's Table 2.

        6 parents with 5 children, 3 with 20 and 11 with 10: 20 parents, 200 children.
        """
        return cls.of_sizes([5] * 6 + [20] * 3 + [10] * 11)

    @property
    def children_count(self) -> list[int]:
        """How many children each parent has."""
        return torch.bincount(self.parent_of, minlength=self.n_parents).tolist()

    def children_of(self, parent: int) -> list[int]:
        """Indices of the children of one parent.

        Raises:
            InputError: for an index that is no whole number from 0 to N_p − 1.
        """
        if not 0 <= parent < self.n_parents or parent != int(parent):
            raise InputError(
                f"a parent index is a whole number and must lie in [0, {self.n_parents - 1}]",
                seen=parent,
                cure=f"This hierarchy has {self.n_parents} parents.",
            )
        return torch.nonzero(self.parent_of == parent).flatten().tolist()

    def codes(
        self,
        z: Tensor,
        c_index: Tensor | int,
        *,
        p_index: Tensor | int | None = None,
        b_index: Tensor | int | None = None,
    ) -> Codes:
        """Codes with chosen indices. A missing index is tied (p the parent of c, b = c).

        Args:
            z: (N, z_dim) noise.
            c_index, p_index, b_index: (N,) indices, or one int for the whole batch.

        Raises:
            InputError: for an index that is no whole number in its range, or a wrong number of
                them.
        """
        c_index = self._indices(c_index, len(z), "child (c)")
        c = one_hot(c_index, self.n_children, "child (c)")
        if p_index is None:
            p_index = self.parent_of[c_index.cpu().long()]
        p_index = self._indices(p_index, len(z), "parent (p)")
        b_index = c_index if b_index is None else self._indices(b_index, len(z), "background (b)")
        p = one_hot(p_index, self.n_parents, "parent (p)")
        b = one_hot(b_index, self.n_children, "background (b)")
        return Codes(z, b.to(z), p.to(z), c.to(z))

    def sample(
        self, n: int, z_dim: int, *, tied: bool = True, rng: torch.Generator | None = None
    ) -> Codes:
        """n random codes on the CPU.

        Tied (training): ``c`` uniform, ``p`` its parent, ``b = c``. Free (test time): ``b``, ``p``
        and ``c`` sampled independently (paper, section 3.2, "relaxing the constraints").
        """
        z = torch.randn(n, z_dim, generator=rng)
        c_index = torch.randint(self.n_children, (n,), generator=rng)
        if tied:
            return self.codes(z, c_index)
        p_index = torch.randint(self.n_parents, (n,), generator=rng)
        b_index = torch.randint(self.n_children, (n,), generator=rng)
        return self.codes(z, c_index, p_index=p_index, b_index=b_index)

    @staticmethod
    def _indices(index: Tensor | int, n: int, name: str) -> Tensor:
        index = torch.as_tensor(index)
        if index.ndim == 0:
            index = index.expand(n)
        if index.shape != (n,):
            raise InputError(
                f"{name} needs one index per row of z, shape ({n},)",
                seen=tuple(index.shape),
                cure="Pass one index, or as many as z has rows.",
            )
        return index

    def __eq__(self, other):
        return isinstance(other, CodeHierarchy) and self.parent_of.equal(other.parent_of)

    def __repr__(self):
        return f"CodeHierarchy(n_parents={self.n_parents}, n_children={self.n_children})"
