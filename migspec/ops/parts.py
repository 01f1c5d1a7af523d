"""Ops that cut and join along an axis: `split`, `concat`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
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
    each_wanted,
    moved_gates,
    reshaped_wanted,
    shape_text,
    word,
)
from migspec.ops.remarks import axis_name, axis_text, dtypes_note, shapes_note, sum_text
from migspec.syntax import tree


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
            if not isinstance(wants, Wanted) and len(wants) % count == 0:
                context.equations.append((self.count, len(wants) // count))
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
            return each_wanted(wants, lambda wanted: reshaped_wanted(wanted, lambda shape: opened(shape, self.axis)))
        if self.sizes is not None:
            share: int | None = len(self.sizes)
        else:
            share = len(wants) if self.count is None else context.known(self.count)
        if not share or len(wants) % share:
            return Wanted()
        return tuple(self._joined(wants[start : start + share]) for start in range(0, len(wants), share))

    def _joined(self, parts: Sequence[Wanted]) -> Wanted:
        lengths = [_length(one, self.axis) for one in parts]
        total = None if any(length is None for length in lengths) else sum(length for length in lengths if length is not None)
        return reshaped_wanted(parts[0], lambda shape: _set(shape, self.axis, total))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        if inputs is not None and len(inputs) != 1:
            return Lost("`split` of several tensors leaves parts that `concat` would join into one")
        return (Join(self.axis, self.sizes, self.count),)


@word
@dataclass(frozen=True, slots=True)
class Join:
    """`concat AXIS`: the whole bundle joined along an axis; `concat AXIS [inputs, units]`, `concat AXIS in 4`: of parts of these
    lengths, of so many parts of one length."""

    word: ClassVar[str] = "concat"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    axis: int
    sizes: tree.Dims | None = None
    count: tree.Arithmetic | None = None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.integer(op, "axis"), arguments.dims(op, "sizes"), arguments.optional_expression(op, "count"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        axis = axis_of(self.axis, len(bundle[0].shape), "`concat`")
        others = {(tensor.shape[:axis], tensor.shape[axis + 1 :]) for tensor in bundle}
        if len(others) > 1:
            raise OpError(
                "MIG302",
                f"tensors of different shapes do not join along {axis_name(self.axis, len(bundle[0].shape))}",
                notes=(shapes_note(bundle), "they may differ in the axis along which they are joined, and in no other"),
                helps=_joining(bundle),
            )
        self._check_parts(bundle, [tensor.shape[axis] for tensor in bundle], context)
        same_dtype(bundle, "`concat`")
        gates = bundle[0].gates
        if gates is not None and (gates.axis == axis or any(tensor.gates != gates for tensor in bundle)):
            gates = None
        return (Tensor(Concat(tuple(tensor.expression for tensor in bundle), axis), (), gates),)

    def _check_parts(self, bundle: Bundle, lengths: Sequence[int], context: Context) -> None:
        """Raise OpError unless the parts are those that are written, which settles the sizes in them."""
        if self.count is not None:
            context.equations.append((self.count, len(lengths)))
            stated = context.whole(self.count, "the number of parts")
            if stated != len(lengths) or len(set(lengths)) > 1:
                raise self._other_parts(bundle, lengths, f"{stated} parts of one length")
        if self.sizes is not None:
            if len(self.sizes) == len(lengths):
                context.equations.extend(zip(self.sizes, lengths, strict=True))
            sizes = [context.whole(size, "a size of `concat`") for size in self.sizes]
            if sizes != list(lengths):
                raise self._other_parts(bundle, lengths, f"parts of {_listed(sizes)}")

    def _other_parts(self, bundle: Bundle, lengths: Sequence[int], stated: str) -> OpError:
        return OpError(
            "MIG302",
            f"`concat` is to join {stated} along {axis_name(self.axis, len(bundle[0].shape))}, and is given {_listed(lengths)}",
            notes=(shapes_note(bundle),),
            helps=(
                f"check which tensors come here, and in which order, or write `concat {axis_text(self.axis)} {shape_text(lengths)}`",
            ),
        )

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        one = wants if isinstance(wants, Wanted) else wants[0]
        lengths = self._stated(_length(one, self.axis), context)
        if lengths is None:
            return reshaped_wanted(one, lambda shape: opened(shape, self.axis))
        return tuple([reshaped_wanted(one, partial(_set, axis=self.axis, length=length)) for length in lengths])

    def _stated(self, whole: int | None, context: Context) -> list[int | None] | None:
        """The lengths of the parts as far as they are known; None where nothing is."""
        if self.count is not None:
            parts = context.known(self.count)
            return [whole // parts] * parts if parts and whole and whole % parts == 0 else None
        if self.sizes is None:
            return None
        lengths = [context.known(size) for size in self.sizes]
        known = [length for length in lengths if length is not None]
        if whole is not None and len(known) == len(lengths) - 1 and sum(known) <= whole:
            return [whole - sum(known) if length is None else length for length in lengths]
        return lengths

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        if inputs is None or self.sizes is not None or self.count is not None:
            return (Split(self.axis, self.sizes, self.count),)
        axis = self.axis % len(inputs[0].shape)
        return (Split(self.axis, tuple(tree.Number(tensor.shape[axis]) for tensor in inputs)),)


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


def _listed(lengths: Sequence[int]) -> str:
    return " + ".join(map(str, lengths))


def opened(shape: list[int | None], axis: int) -> None:
    """Leave the length of an axis open."""
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
