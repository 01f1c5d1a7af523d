"""The op that takes a part of an axis: `slice`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from migspec.ops import arguments
from migspec.ops.base import (
    Bundle,
    Context,
    Exactness,
    Lost,
    OpError,
    Tensor,
    Wants,
    Word,
    axis_of,
    each,
    each_wanted,
    reshaped_wanted,
    shape_text,
    word,
)
from migspec.ops.parts import opened, part
from migspec.ops.remarks import axis_name
from migspec.syntax import tree
from migspec.syntax.spelling import arithmetic_text


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
        return each_wanted(wants, lambda wanted: reshaped_wanted(wanted, lambda shape: opened(shape, self.axis)))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return Lost("`slice` leaves the rest of the axis behind")
