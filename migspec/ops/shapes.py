"""Ops that change the shape and leave every element in its place: `reshape`, `squeeze`, `expand`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from migspec.expression import Reshape, Shape, size_of
from migspec.ops import arguments
from migspec.ops.base import (
    Bundle,
    Context,
    Exactness,
    GateAxis,
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
from migspec.syntax import tree

_REST = tree.Negative(tree.Number(1))


@word
@dataclass(frozen=True, slots=True)
class ReshapeTo:
    """`reshape [heads, -1, 64]`: the same elements in row-major order under this shape, -1 for what remains; `reshape` alone: the
    shape that what follows needs (at the end, the target's); `reshape from [heads, -1, 64]`: the same, of a tensor of this shape."""

    word: ClassVar[str] = "reshape"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    dims: tree.Dims | None = None
    old: tree.Dims | None = None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        dims, old = arguments.dims(op, "dims"), arguments.dims(op, "old")
        if sum(map(_is_rest, dims or old or ())) > 1:
            raise OpError(
                "MIG107", "more than one length of `reshape` is -1", helps=("leave one length to be worked out, at most",)
            )
        return cls(dims, old)

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        wanted = context.wanted(len(bundle))
        return tuple(self._apply(tensor, one, context) for tensor, one in zip(bundle, wanted, strict=True))

    def _apply(self, tensor: Tensor, wanted: Wanted, context: Context) -> Tensor:
        if self.old is not None:
            self._check_old(self.old, tensor, context)
        shape = self._shape(tensor, wanted, context)
        if shape == tensor.shape:
            return tensor
        if size_of(shape) != size_of(tensor.shape):
            raise OpError(
                "MIG302",
                f"{shape_text(tensor.shape)} does not reshape to {shape_text(shape)}",
                notes=(
                    f"{shape_text(tensor.shape)} has {size_of(tensor.shape)} elements, {shape_text(shape)} has {size_of(shape)}",
                ),
                helps=("a reshape keeps every element: `crop`, `pad` or `slice` changes their number",),
            )
        return tensor.with_(Reshape(tensor.expression, shape), _reshaped_gates(tensor, shape))

    def _shape(self, tensor: Tensor, wanted: Wanted, context: Context) -> Shape:
        if self.dims is None:
            if wanted.shape is None or sum(length is None for length in wanted.shape) > 1:
                raise Unsettled(
                    "MIG304",
                    "what follows does not settle the shape of `reshape`",
                    helps=("write the shape: `reshape [..., ...]`",),
                )
            return _with_rest(tensor.shape, wanted.shape)
        _equate(self.dims, wanted.shape, context)
        return _with_rest(tensor.shape, _lengths(self.dims, context))

    def _check_old(self, old: tree.Dims, tensor: Tensor, context: Context) -> None:
        """Raise OpError unless the tensor has the shape that is written, which settles the sizes in it."""
        _equate(old, tensor.shape, context)
        lengths = _lengths(old, context)
        if len(lengths) != len(tensor.shape) or any(
            length not in (None, found) for length, found in zip(lengths, tensor.shape, strict=True)
        ):
            raise OpError(
                "MIG302",
                f"`reshape from` is for {shape_text(lengths)}, and is given {shape_text(tensor.shape)}",
                helps=(f"check what comes before it, or write `reshape from {shape_text(tensor.shape)}`",),
            )

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        return each_wanted(wants, lambda wanted: Wanted(self._old_shape(wanted, context), wanted.dtype))

    def _old_shape(self, wanted: Wanted, context: Context) -> tuple[int | None, ...] | None:
        if self.old is None:
            return None
        lengths = tuple([None if _is_rest(dim) else context.known(dim) for dim in self.old])
        if wanted.full_shape is None or lengths.count(None) != 1:
            return lengths
        try:
            return _with_rest(wanted.full_shape, lengths)
        except OpError:
            return lengths

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        if inputs is None or self.old is not None:
            return (ReshapeTo(self.old, self.dims),)
        shapes = {tensor.shape for tensor in inputs}
        if len(shapes) != 1:
            return Lost("`reshape` of different shapes is no one `reshape` back")
        return (ReshapeTo(tuple(tree.Number(length) for length in shapes.pop())),)


@word
@dataclass(frozen=True, slots=True)
class Squeeze:
    """`squeeze AXIS`: without an axis of length 1, as `numpy.squeeze`."""

    word: ClassVar[str] = "squeeze"
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
        axis = axis_of(self.axis, len(tensor.shape), "`squeeze`")
        if tensor.shape[axis] != 1:
            raise OpError(
                "MIG302",
                f"axis {self.axis} of {shape_text(tensor.shape)} has length {tensor.shape[axis]}: only a length of 1 can be squeezed",
                helps=("`slice` takes one of its places, `sum` or `mean` merges tensors, `reshape` merges axes",),
            )
        shape = tensor.shape[:axis] + tensor.shape[axis + 1 :]
        gates = moved_gates(tensor.gates, lambda old: None if old == axis else old - (old > axis))
        return tensor.with_(Reshape(tensor.expression, shape), gates)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return each_wanted(wants, lambda wanted: reshaped_wanted(wanted, lambda shape: insert(shape, self.axis, 1)))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (Expand(self.axis),)


@word
@dataclass(frozen=True, slots=True)
class Expand:
    """`expand AXIS`: with a new axis of length 1 there, as `numpy.expand_dims`."""

    word: ClassVar[str] = "expand"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    axis: int

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.integer(op, "axis"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        del context
        return each(bundle, lambda tensor: expanded(tensor, self.axis, "`expand`"))

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return each_wanted(wants, lambda wanted: reshaped_wanted(wanted, lambda shape: remove(shape, self.axis)))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (Squeeze(self.axis),)


def expanded(tensor: Tensor, axis: int, what: str) -> Tensor:
    """The tensor with a new axis of length 1."""
    place = axis_of(axis, len(tensor.shape) + 1, what)
    shape = (*tensor.shape[:place], 1, *tensor.shape[place:])
    return tensor.with_(Reshape(tensor.expression, shape), moved_gates(tensor.gates, lambda old: old + (old >= place)))


def insert(shape: list[int | None], axis: int, length: int | None) -> None:
    """Put a length where axis `axis` of the longer shape is to be."""
    rank = len(shape) + 1
    if not -rank <= axis < rank:
        raise IndexError(axis)
    shape.insert(axis % rank, length)


def remove(shape: list[int | None], axis: int) -> None:
    """Take the length of an axis out."""
    del shape[axis]


def _equate(dims: tree.Dims, shape: tuple[int | None, ...] | None, context: Context) -> None:
    """Note what a shape tells of the sizes in its notation."""
    if shape is None or len(shape) != len(dims):
        return
    for dim, length in zip(dims, shape, strict=True):
        if length is not None and not _is_rest(dim):
            context.equations.append((dim, length))


def _lengths(dims: tree.Dims, context: Context) -> tuple[int | None, ...]:
    """The lengths that are written, None for -1."""
    return tuple([None if _is_rest(dim) else context.whole(dim, "a length of `reshape`") for dim in dims])


def _is_rest(dim: tree.Arithmetic) -> bool:
    return dim in (_REST, tree.Number(-1))


def _with_rest(old: Shape, lengths: tuple[int | None, ...]) -> Shape:
    """The lengths with the open one, if there is one, worked out from the number of elements."""
    if None not in lengths:
        return tuple(length for length in lengths if length is not None)
    known = size_of(tuple(length for length in lengths if length is not None))
    size = size_of(old)
    if known == 0 or size % known:
        raise OpError(
            "MIG302",
            f"{shape_text(old)} does not reshape to {shape_text(lengths)}",
            notes=(f"{size} elements are no multiple of {known}",),
            helps=("a reshape keeps every element: `crop`, `pad` or `slice` changes their number",),
        )
    return tuple(size // known if length is None else length for length in lengths)


def _reshaped_gates(tensor: Tensor, shape: Shape) -> GateAxis | None:
    """The gate axis, if it stands in the new shape as it did: as long, with as many elements before it."""

    def place(axis: int) -> int | None:
        before = size_of(tensor.shape[:axis])
        for new, length in enumerate(shape):
            if length == tensor.shape[axis] and size_of(shape[:new]) == before:
                return new
        return None

    return moved_gates(tensor.gates, place)
