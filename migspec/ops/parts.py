"""Ops that cut and join along an axis: `split`, `concat`, `slice`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from migspec.expression import Concat, Slice
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
from migspec.ops.remarks import axis_name, axis_text, dtypes_note, shapes_note, sum_text
from migspec.syntax import tree
from migspec.syntax.spelling import arithmetic_text


@word
@dataclass(frozen=True, slots=True)
class Split:
    """`split AXIS`, `split AXIS [inputs, units]`, `split AXIS in 4`: consecutive parts; without sizes, those that what follows needs."""

    word: ClassVar[str] = "split"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    axis: int
    sizes: tree.Dims | None = None
    count: tree.Arithmetic | None = None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.integer(op, "axis"), arguments.dims(op, "sizes"), arguments.optional_expression(op, "count"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        wants = context.wants()
        results: list[Tensor] = []
        for index, tensor in enumerate(bundle):
            axis = axis_of(self.axis, len(tensor.shape), "`split`")
            for start, length in _places(self._lengths(tensor, axis, index, len(bundle), wants, context)):
                results.append(part(tensor, axis, start, length))
        return tuple(results)

    def _lengths(self, tensor: Tensor, axis: int, index: int, count: int, wants: Wants, context: Context) -> tuple[int, ...]:
        whole = tensor.shape[axis]
        if self.count is not None:
            parts = context.whole(self.count, "the number of parts")
            if parts < 1 or whole % parts:
                raise OpError(
                    "MIG302",
                    f"{axis_name(self.axis, len(tensor.shape))} of {shape_text(tensor.shape)} does not split in {parts}",
                    notes=(f"{whole} is no multiple of {parts}",),
                    helps=(
                        f"write the lengths of the parts: `split {axis_text(self.axis)} {self._needed(whole, index, count, wants)}`",
                    ),
                )
            return (whole // parts,) * parts
        lengths: tuple[int, ...]
        if self.sizes is not None:
            total = self.sizes[0]
            for size in self.sizes[1:]:
                total = tree.Binary("+", total, size)
            context.equations.append((total, whole))
            for size, one in zip(self.sizes, self._outputs(index, count, wants), strict=False):
                wanted = _length(one, self.axis)
                if wanted is not None:
                    context.equations.append((size, wanted))
            lengths = tuple(context.whole(size, "a size of `split`") for size in self.sizes)
        else:
            found = [_length(one, self.axis) for one in self._outputs(index, count, wants)]
            if isinstance(wants, Wanted):  # as many parts of this length as there are
                length = _length(wants, self.axis)
                found = [length] * (whole // length) if length and whole % length == 0 else []
            if not found or any(length is None for length in found):
                raise Unsettled(
                    "MIG304",
                    "what follows does not settle the sizes of `split`",
                    helps=(f"write them: `split {axis_text(self.axis)} [..., ...]`, or `in` and a number",),
                )
            lengths = tuple(length for length in found if length is not None)
        if sum(lengths) != whole:
            raise OpError(
                "MIG302",
                f"{axis_name(self.axis, len(tensor.shape))} of {shape_text(tensor.shape)} does not split into {shape_text(lengths)}",
                notes=(
                    f"{'the targets need' if self.sizes is None else 'the parts have'} {sum_text(lengths)}, the axis has {whole}",
                ),
                helps=("check that these are the parts of this tensor; `slice` before it takes a piece of the axis",),
            )
        return lengths

    def _needed(self, whole: int, index: int, count: int, wants: Wants) -> str:
        """The lengths that what follows needs, where they make up the axis; else dots."""
        found = [_length(one, self.axis) for one in self._outputs(index, count, wants)]
        known = [length for length in found if length is not None]
        return shape_text(known) if len(known) == len(found) and sum(known) == whole else "[..., ...]"

    def _outputs(self, index: int, count: int, wants: Wants) -> Sequence[Wanted]:
        """What is wanted of the parts of tensor `index` of `count`."""
        if isinstance(wants, Wanted):
            return [wants] * len(self.sizes) if self.sizes is not None else []
        share = len(wants) // count
        return wants[index * share : (index + 1) * share] if share * count == len(wants) else []

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        if isinstance(wants, Wanted):
            return each_wanted(wants, lambda wanted: reshaped_wanted(wanted, lambda shape: _open(shape, self.axis)))
        try:
            share = (
                len(self.sizes)
                if self.sizes is not None
                else len(wants)
                if self.count is None
                else context.whole(self.count, "parts")
            )
        except OpError:
            return Wanted()
        if share == 0 or len(wants) % share:
            return Wanted()
        return tuple(self._joined(wants[start : start + share]) for start in range(0, len(wants), share))

    def _joined(self, parts: Sequence[Wanted]) -> Wanted:
        lengths = [_length(one, self.axis) for one in parts]
        total = None if any(length is None for length in lengths) else sum(length for length in lengths if length is not None)
        return reshaped_wanted(parts[0], lambda shape: _set(shape, self.axis, total))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        if inputs is not None and len(inputs) != 1:
            return Lost("`split` of several tensors leaves parts that `concat` would join into one")
        return (Join(self.axis),)


@word
@dataclass(frozen=True, slots=True)
class Join:
    """`concat AXIS`: the whole bundle joined along an axis."""

    word: ClassVar[str] = "concat"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    axis: int

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.integer(op, "axis"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        del context
        axis = axis_of(self.axis, len(bundle[0].shape), "`concat`")
        others = {(tensor.shape[:axis], tensor.shape[axis + 1 :]) for tensor in bundle}
        if len(others) > 1:
            raise OpError(
                "MIG302",
                f"tensors of different shapes do not join along {axis_name(self.axis, len(bundle[0].shape))}",
                notes=(shapes_note(bundle), "they may differ in the axis along which they are joined, and in no other"),
                helps=_joining(bundle),
            )
        same_dtype(bundle, "`concat`")
        gates = bundle[0].gates
        if gates is not None and (gates.axis == axis or any(tensor.gates != gates for tensor in bundle)):
            gates = None
        return (Tensor(Concat(tuple(tensor.expression for tensor in bundle), axis), (), gates),)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        one = wants if isinstance(wants, Wanted) else wants[0]
        return reshaped_wanted(one, lambda shape: _open(shape, self.axis))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        if inputs is None:
            return (Split(self.axis),)
        axis = self.axis % len(inputs[0].shape)
        return (Split(self.axis, tuple(tree.Number(tensor.shape[axis]) for tensor in inputs)),)


@word
@dataclass(frozen=True, slots=True)
class SliceOf:
    """`slice AXIS [a:b]`: the places a to b (b excluded); ends may be left out, negative ones count from the end."""

    word: ClassVar[str] = "slice"
    exactness: ClassVar[Exactness] = "lossy"
    settles_layout: ClassVar[bool] = False
    axis: int
    start: tree.Arithmetic | None
    stop: tree.Arithmetic | None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(
            arguments.integer(op, "axis"), arguments.optional_expression(op, "start"), arguments.optional_expression(op, "stop")
        )

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        return each(bundle, lambda tensor: self._apply(tensor, context))

    def _apply(self, tensor: Tensor, context: Context) -> Tensor:
        axis = axis_of(self.axis, len(tensor.shape), "`slice`")
        length = tensor.shape[axis]
        start = 0 if self.start is None else self._end(self.start, length, context)
        stop = length if self.stop is None else self._end(self.stop, length, context)
        if not 0 <= start < stop <= length:
            raise OpError(
                "MIG302",
                f"{axis_name(self.axis, len(tensor.shape))} of {shape_text(tensor.shape)} has no part [{self._text()}]",
                notes=(f"the axis has {length} places: the part would be from {start} to {stop}",),
                helps=(f"places count from 0 to {length}, the end excluded; negative ones count from the end",),
            )
        return part(tensor, axis, start, stop - start)

    def _end(self, end: tree.Arithmetic, length: int, context: Context) -> int:
        value = context.number(end, "an end of `slice`")
        if isinstance(value, float):
            raise OpError(
                "MIG114", f"an end of `slice` is {value}, no whole number", helps=("write a whole number, or a `size`",)
            )
        return value + length if value < 0 else value

    def _text(self) -> str:
        return f"{'' if self.start is None else arithmetic_text(self.start)}:{'' if self.stop is None else arithmetic_text(self.stop)}"

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        return each_wanted(wants, lambda wanted: reshaped_wanted(wanted, lambda shape: _open(shape, self.axis)))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return Lost("`slice` leaves the rest of the axis behind")


def part(tensor: Tensor, axis: int, start: int, count: int) -> Tensor:
    """`count` places from `start` along an axis; a gate axis that is cut is one no longer."""
    if start == 0 and count == tensor.shape[axis]:
        return tensor
    gates = moved_gates(tensor.gates, lambda old: None if old == axis else old)
    return tensor.with_(Slice(tensor.expression, axis, start, count), gates)


def same_dtype(bundle: Bundle, what: str) -> None:
    """Raises OpError unless all tensors have one dtype."""
    dtypes = {tensor.dtype: None for tensor in bundle}
    if len(dtypes) > 1:
        raise OpError(
            "MIG401",
            f"{what} needs tensors of one dtype, and these are {', '.join(dtypes)}",
            notes=(dtypes_note(bundle),),
            helps=(f"put `cast {next(iter(dtypes))}`, or another dtype, before it",),
        )


def one_gate_axis(bundle: Bundle) -> GateAxis | None:
    """The gate axis that all tensors share."""
    return bundle[0].gates if all(tensor.gates == bundle[0].gates for tensor in bundle) else None


def _places(lengths: Sequence[int]) -> list[tuple[int, int]]:
    start = 0
    places = []
    for length in lengths:
        places.append((start, length))
        start += length
    return places


def _length(wanted: Wanted, axis: int) -> int | None:
    if wanted.shape is None or not -len(wanted.shape) <= axis < len(wanted.shape):
        return None
    return wanted.shape[axis]


def _open(shape: list[int | None], axis: int) -> None:
    shape[axis] = None


def _set(shape: list[int | None], axis: int, length: int | None) -> None:
    shape[axis] = length


def _joining(bundle: Bundle) -> tuple[str, ...]:
    """The `concat` that would do, where there is one."""
    shapes = {tensor.shape for tensor in bundle}
    rank = len(bundle[0].shape)
    if all(len(shape) == rank for shape in shapes):
        for axis in range(rank):
            if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) == 1:
                return (f"`concat {axis_text(axis if axis < rank - 1 or rank == 1 else -1)}` would join them",)
    return ("check that these tensors belong together, or make them alike first with `pad`, `crop` or `reshape`",)
