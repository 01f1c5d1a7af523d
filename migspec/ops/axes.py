"""Ops that reorder axes: `transpose`, `permute`, `flip`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from migspec.expression import Permute, Slice
from migspec.ops import arguments
from migspec.ops.base import (
    Bundle,
    Context,
    Exactness,
    Lost,
    OpError,
    Tensor,
    Wanted,
    Wants,
    Word,
    axis_of,
    each,
    each_wanted,
    moved_gates,
    shape_text,
    word,
)
from migspec.syntax import tree


@word
@dataclass(frozen=True, slots=True)
class Transpose:
    """`transpose` reverses the axes; `transpose 2 3 1 0` makes axis 2 the first, as `numpy.transpose`."""

    word: ClassVar[str] = "transpose"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = True
    axes: tuple[int, ...] | None = None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        axes = arguments.integers(op, "axes")
        if axes is not None and sorted(axes) != list(range(len(axes))):
            raise OpError(
                "MIG107",
                f"{' '.join(map(str, axes))} is no permutation of the axes",
                helps=(f"name each of the axes 0 to {len(axes) - 1} once",),
            )
        return cls(axes)

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        del context
        return each(bundle, lambda tensor: permuted(tensor, self._axes(len(tensor.shape))))

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return each_wanted(wants, lambda wanted: unpermuted(wanted, self.axes))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (Transpose(None if self.axes is None else inverse_permutation(self.axes)),)

    def _axes(self, rank: int) -> tuple[int, ...]:
        axes = tuple(reversed(range(rank))) if self.axes is None else self.axes
        if len(axes) != rank:
            raise OpError(
                "MIG302",
                f"`transpose` names {len(axes)} axes, and the tensor has {rank}",
                helps=(
                    f"name each of the axes 0 to {rank - 1} once, or write `transpose` alone to reverse them"
                    if rank > 1
                    else "a tensor with fewer than two axes has nothing to transpose: take the op out",
                ),
            )
        return axes


@word
@dataclass(frozen=True, slots=True)
class PermuteLetters:
    """`permute OIHW -> HWIO`: the same as `transpose`, with one letter an axis."""

    word: ClassVar[str] = "permute"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = True
    old: str
    new: str

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        old, new = arguments.text(op, "old"), arguments.text(op, "new")
        if len(set(old)) != len(old) or sorted(old) != sorted(new):
            raise OpError(
                "MIG107",
                f"`{new}` does not have each letter of `{old}` once",
                helps=("write each axis' letter once on both sides",),
            )
        return cls(old, new)

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(self.old.index(letter) for letter in self.new)

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        del context
        return each(bundle, self._apply)

    def _apply(self, tensor: Tensor) -> Tensor:
        if len(tensor.shape) != len(self.old):
            raise OpError(
                "MIG302",
                f"`{self.old}` names {len(self.old)} axes, and the tensor has {len(tensor.shape)}: {shape_text(tensor.shape)}",
                helps=("write one letter for each axis of the tensor",),
            )
        return permuted(tensor, self.axes)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return each_wanted(wants, lambda wanted: unpermuted(wanted, self.axes))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (PermuteLetters(self.new, self.old),)


@word
@dataclass(frozen=True, slots=True)
class Flip:
    """`flip AXIS`: the elements along an axis in the opposite order."""

    word: ClassVar[str] = "flip"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    axis: int

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.integer(op, "axis"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        del context
        return each(bundle, self._apply)

    def _apply(self, tensor: Tensor) -> Tensor:
        axis = axis_of(self.axis, len(tensor.shape), "`flip`")
        length = tensor.shape[axis]
        kept = tensor.gates if tensor.gates is None or tensor.gates.axis != axis else None
        return tensor.with_(Slice(tensor.expression, axis, max(length - 1, 0), length, -1), kept)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return wants

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (self,)


def permuted(tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The tensor with its axes, and the axis that `gates` has cut, in another order."""
    if axes == tuple(range(len(axes))):
        return tensor
    return tensor.with_(Permute(tensor.expression, axes), moved_gates(tensor.gates, axes.index))


def unpermuted(wanted: Wanted, axes: tuple[int, ...] | None) -> Wanted:
    """What must be given so that permuting by `axes` (reversing, if None) yields `wanted`."""
    if wanted.shape is None:
        return wanted
    if axes is None:
        axes = tuple(reversed(range(len(wanted.shape))))
    if len(axes) != len(wanted.shape):
        return Wanted(None, wanted.dtype)
    return Wanted(tuple(wanted.shape[place] for place in inverse_permutation(axes)), wanted.dtype)


def inverse_permutation(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(axes.index(axis) for axis in range(len(axes)))


def reordering(axes: tuple[int, ...]) -> str:
    """The op that puts axes in this order, as it is best written: with the letters of a convolution where they are its axes."""
    letters = {(2, 3, 1, 0): "permute OIHW -> HWIO", (3, 2, 0, 1): "permute HWIO -> OIHW"}
    if axes in letters:
        return letters[axes]
    return "transpose" if axes == tuple(reversed(range(len(axes)))) else f"transpose {' '.join(map(str, axes))}"
