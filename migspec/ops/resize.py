"""Ops that change how long axes are: `crop`, `pad`, `repeat`. On an axis that `gates` has cut, `crop` and `pad` work block by block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Self

from migspec.expression import Concat, Distribution, Expression, Fill, Reshape, Shape, Slice
from migspec.ops import arguments
from migspec.ops.base import (
    Bundle,
    Context,
    Exactness,
    Lost,
    OpError,
    Tensor,
    Unsettled,
    Wanted,
    Wants,
    Word,
    axis_of,
    each,
    each_wanted,
    moved_gates,
    reshaped_wanted,
    shape_text,
    word,
)
from migspec.ops.values import refused_fill
from migspec.syntax import tree


@word
@dataclass(frozen=True, slots=True)
class Crop:
    """`crop`, `crop to [DIMS]`: the longer axes cut at their end, to the target's lengths or these."""

    word: ClassVar[str] = "crop"
    exactness: ClassVar[Exactness] = "lossy"
    settles_layout: ClassVar[bool] = False
    dims: tree.Dims | None = None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.dims(op, "dims"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        shapes = _shapes(self.word, self.dims, bundle, context)
        return tuple(_cropped(tensor, shape) for tensor, shape in zip(bundle, shapes, strict=True))

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return each_wanted(wants, _open_all)

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return Lost("`crop` leaves the ends of the axes behind")


@word
@dataclass(frozen=True, slots=True)
class Pad:
    """`pad zeros`, `pad ones`, `pad 0.5`, `pad normal 0.02 seed 7` (`to [DIMS]`): the shorter axes grown at their end, to the target's
    lengths or these."""

    word: ClassVar[str] = "pad"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    content: tree.Content
    dims: tree.Dims | None = None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.content(op, "content"), arguments.dims(op, "dims"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        shapes = _shapes(self.word, self.dims, bundle, context)
        for dtype in dict.fromkeys(tensor.dtype for tensor in bundle):
            reason = refused_fill(self.content, dtype, context)
            if reason:
                raise OpError("MIG402", f"the tensor is {dtype}{reason}", helps=("pad it with a value that it can hold",))
        return tuple(
            self._padded(tensor, shape, partial(context.distribution, self.content, place, len(bundle)))
            for place, (tensor, shape) in enumerate(zip(bundle, shapes, strict=True))
        )

    def _padded(self, tensor: Tensor, shape: Shape, distribution: Callable[[], Distribution]) -> Tensor:
        for axis, length in enumerate(shape):
            tensor = self._grown(tensor, axis, length, distribution)
        return tensor

    def _grown(self, tensor: Tensor, axis: int, length: int, distribution: Callable[[], Distribution]) -> Tensor:
        if length <= tensor.shape[axis]:
            return tensor
        blocks = _blocks(tensor, axis, length, self.word)
        old, new = tensor.shape[axis] // blocks, length // blocks
        grown: list[Expression] = []
        for block in range(blocks):
            grown.append(Slice(tensor.expression, axis, block * old, old) if blocks > 1 else tensor.expression)
            missing = (*tensor.shape[:axis], new - old, *tensor.shape[axis + 1 :])
            grown.append(Fill(distribution(), missing, tensor.dtype))
        return tensor.with_(Concat(tuple(grown), axis), tensor.gates)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return each_wanted(wants, _open_all)

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        if inputs is None:
            return (Crop(),)
        shapes = {tensor.shape for tensor in inputs}
        if len(shapes) != 1 or any(tensor.gates is not None for tensor in inputs):
            return Lost("`pad` of different shapes, or gate by gate, is no one `crop` to a shape")
        return (Crop(tuple(tree.Number(length) for length in shapes.pop())),)


_MOST_TIMES = 1 << 20
"""Each time is a part of the expression: more of them are a slip of the pen, and would fill the memory."""


@word
@dataclass(frozen=True, slots=True)
class Repeat:
    """`repeat AXIS k`: each element k times, as `numpy.repeat`."""

    word: ClassVar[str] = "repeat"
    exactness: ClassVar[Exactness] = "lossy"
    settles_layout: ClassVar[bool] = False
    axis: int
    count: tree.Arithmetic

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.integer(op, "axis"), arguments.expression(op, "count"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        count = context.whole(self.count, "the number of times")
        if count < 1:
            raise OpError(
                "MIG302",
                "`repeat` needs a number of times of at least 1",
                helps=("1 leaves the tensor as it is, 2 doubles it",),
            )
        if count > _MOST_TIMES:
            message = f"`repeat` takes a number of times up to {_MOST_TIMES:,}, not {count:,}"
            raise OpError("MIG302", message, helps=("1 leaves the tensor as it is, 2 doubles it",))
        return each(bundle, lambda tensor: self._apply(tensor, count))

    def _apply(self, tensor: Tensor, count: int) -> Tensor:
        axis = axis_of(self.axis, len(tensor.shape), "`repeat`")
        before, length, after = tensor.shape[:axis], tensor.shape[axis], tensor.shape[axis + 1 :]
        # Beside itself `count` times along a new axis, then that axis merged into the one before it.
        column = Reshape(tensor.expression, (*before, length, 1, *after))
        gates = moved_gates(tensor.gates, lambda old: old)
        return tensor.with_(Reshape(Concat((column,) * count, axis + 1), (*before, length * count, *after)), gates)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        count = context.known(self.count)
        if count is None:
            return Wanted()

        def divide(shape: list[int | None]) -> None:
            length = shape[self.axis]
            shape[self.axis] = None if length is None or not count or length % count else length // count

        return each_wanted(wants, lambda wanted: reshaped_wanted(wanted, divide))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return Lost("`repeat` keeps every element several times, which may have grown apart since")


def _shapes(what: str, dims: tree.Dims | None, bundle: Bundle, context: Context) -> list[Shape]:
    """The shape that each tensor is to have."""
    if dims is not None:
        shape = tuple(context.whole(dim, f"a length of `{what}`") for dim in dims)
        shapes = [shape] * len(bundle)
    else:
        shapes = []
        for wanted in context.wanted(len(bundle)):
            full = wanted.full_shape
            if full is None:
                raise Unsettled(
                    "MIG304",
                    f"what follows does not settle the shape of `{what}`",
                    helps=(f"write it: `{what} ... to [..., ...]`",),
                )
            shapes.append(full)
    for tensor, shape in zip(bundle, shapes, strict=True):
        if len(shape) != len(tensor.shape):
            raise OpError(
                "MIG302",
                f"`{what}` cannot make {shape_text(shape)} of {shape_text(tensor.shape)}: their ranks differ",
                helps=("bring it to as many axes first: `expand AXIS`, `squeeze AXIS` or `reshape [...]`",),
            )
    return shapes


def _cropped(tensor: Tensor, shape: Shape) -> Tensor:
    for axis, length in enumerate(shape):
        if length >= tensor.shape[axis]:
            continue
        blocks = _blocks(tensor, axis, length, "crop")
        old, new = tensor.shape[axis] // blocks, length // blocks
        cut = tuple(Slice(tensor.expression, axis, block * old, new) for block in range(blocks))
        tensor = tensor.with_(cut[0] if blocks == 1 else Concat(cut, axis), tensor.gates)
    return tensor


def _blocks(tensor: Tensor, axis: int, length: int, what: str) -> int:
    """How many blocks an axis has: one, or one a gate."""
    if tensor.gates is None or tensor.gates.axis != axis:
        return 1
    count = len(tensor.gates.order)
    if length % count:
        raise OpError(
            "MIG302",
            f"`{what}` cannot make {length} of an axis of {count} gates",
            notes=(f"{length} is no multiple of {count}: each gate's block has one length",),
            helps=("check that the axis that `gates` cuts is that of the target's gates, too",),
        )
    return count


def _open_all(wanted: Wanted) -> Wanted:
    return Wanted(None if wanted.shape is None else (None,) * len(wanted.shape), wanted.dtype)
