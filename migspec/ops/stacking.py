"""Ops that join and cut along a new axis: `stack`, `unstack`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

from migspec.expression import Concat, Reshape, Slice
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
    moved_gates,
    reshaped_wanted,
    shape_text,
    word,
)
from migspec.ops.parts import same_dtype
from migspec.ops.remarks import axis_name, shapes_note
from migspec.ops.shapes import expanded, insert, remove
from migspec.syntax import tree


@word
@dataclass(frozen=True, slots=True)
class Stack:
    """`stack AXIS`: the bundle along a new axis, as `numpy.stack`; `stack {e} 0`: one stack for all tensors that differ in `e` alone."""

    word: ClassVar[str] = "stack"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    axis: int
    capture: str | None = None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.integer(op, "axis"), arguments.optional_text(op, "capture"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        del context
        for tensor in bundle:
            if self.capture is not None and self.capture not in dict(tensor.coordinates):
                made = [name for name, _ in tensor.coordinates]
                raise OpError(
                    "MIG111",
                    f"`{{{self.capture}}}` makes no bundle here",
                    notes=(
                        "a capture makes a bundle if it stands on one side of the rule only",
                        f"captures that make one here: {', '.join(f'`{{{name}}}`' for name in made) or 'none'}",
                    ),
                    helps=(
                        f"did you mean `stack {{{made[0]}}} {self.axis}`?"
                        if made
                        else f"`stack {self.axis}` stacks whatever the rule has",
                    ),
                )
        return tuple(self._stacked(rest, tuple(group)) for run in self._runs(bundle) for rest, group in self._groups(run))

    def _runs(self, bundle: Bundle) -> Iterator[Bundle]:
        """The tensors of each name, where a list of names makes a bundle of the capture several times."""
        run: dict[tuple[tuple[str, str], ...], Tensor] = {}
        if self.capture is None:
            yield bundle
            return
        for tensor in bundle:
            if tensor.coordinates in run:
                yield tuple(run.values())
                run = {}
            run[tensor.coordinates] = tensor
        yield tuple(run.values())

    def _groups(self, run: Bundle) -> Iterator[tuple[tuple[tuple[str, str], ...], list[Tensor]]]:
        """What is stacked together: all, or what differs in the capture alone."""
        groups: dict[tuple[tuple[str, str], ...], list[Tensor]] = {}
        for tensor in run:
            rest = () if self.capture is None else tuple(pair for pair in tensor.coordinates if pair[0] != self.capture)
            groups.setdefault(rest, []).append(tensor)
        yield from groups.items()

    def _stacked(self, rest: tuple[tuple[str, str], ...], group: Bundle) -> Tensor:
        if len({tensor.shape for tensor in group}) > 1:
            raise OpError(
                "MIG302",
                "tensors of different shapes do not stack",
                notes=(shapes_note(group),),
                helps=("leave the odd one out, or make them alike first with `pad`, `crop` or `reshape`",),
            )
        same_dtype(group, "`stack`")
        parts = [expanded(tensor, self.axis, "`stack`") for tensor in group]
        gates = parts[0].gates if all(part.gates == parts[0].gates for part in parts) else None
        return Tensor(Concat(tuple(one.expression for one in parts), self.axis % len(parts[0].shape)), rest, gates)

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        if not isinstance(wants, Wanted) and len(set(wants)) > 1:
            return Wanted()
        one = wants if isinstance(wants, Wanted) else wants[0]
        return reshaped_wanted(one, lambda shape: remove(shape, self.axis))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        del inputs
        return (
            (Unstack(self.axis),)
            if self.capture is None
            else Lost(f"`stack {{{self.capture}}}` needs the order of its tensors")
        )


@word
@dataclass(frozen=True, slots=True)
class Unstack:
    """`unstack AXIS`: one tensor for each place on the axis, which goes."""

    word: ClassVar[str] = "unstack"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    axis: int

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        if op.argument("capture") is not None:
            raise OpError(
                "MIG107", "`unstack` takes no capture", helps=("write `unstack` once for each axis, the slowest capture first",)
            )
        return cls(arguments.integer(op, "axis"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        del context
        return tuple(part for tensor in bundle for part in self._parts(tensor))

    def _parts(self, tensor: Tensor) -> list[Tensor]:
        axis = axis_of(self.axis, len(tensor.shape), "`unstack`")
        if tensor.shape[axis] == 0:
            raise OpError(
                "MIG302",
                f"`unstack` finds nothing along {axis_name(self.axis, len(tensor.shape))} of {shape_text(tensor.shape)}",
                helps=("an axis of length 0 holds no tensors: `drop` the variable",),
            )
        shape = tensor.shape[:axis] + tensor.shape[axis + 1 :]
        gates = moved_gates(tensor.gates, lambda old: None if old == axis else old - (old > axis))
        return [
            tensor.with_(Reshape(Slice(tensor.expression, axis, place, 1), shape), gates) for place in range(tensor.shape[axis])
        ]

    def pull_back(self, wants: Wants, context: Context) -> Wants:
        del context
        one = wants if isinstance(wants, Wanted) else wants[0]
        return reshaped_wanted(one, lambda shape: insert(shape, self.axis, None))

    def inverse(self, inputs: Bundle | None = None) -> tuple[Word, ...] | Lost:
        if inputs is not None and len(inputs) != 1:
            return Lost("`unstack` of several tensors leaves parts that `stack` would join into one")
        return (Stack(self.axis),)
