"""Ops that join and cut along a new axis: `stack`, `unstack`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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

_SHOWN = 4  # choices of a capture that an error lists


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
        return (Unstack(self.axis, self.capture),)


@word
@dataclass(frozen=True, slots=True)
class Unstack:
    """`unstack AXIS`: one tensor for each place on the axis, which goes; `unstack {e} 0`: that for the targets in which `e` has the
    choice of this place."""

    word: ClassVar[str] = "unstack"
    exactness: ClassVar[Exactness] = "exact"
    settles_layout: ClassVar[bool] = False
    axis: int
    capture: str | None = None

    @classmethod
    def read(cls, op: tree.Op) -> Self:
        return cls(arguments.integer(op, "axis"), arguments.optional_text(op, "capture"))

    def apply(self, bundle: Bundle, context: Context) -> Bundle:
        parts = [self._parts(tensor) for tensor in bundle]
        if self.capture is None:
            return tuple(part for several in parts for part in several)
        choices = self._choices(bundle, context)
        for tensor, several in zip(bundle, parts, strict=True):
            if len(several) != len(choices):
                raise OpError(
                    "MIG303",
                    f"`unstack {{{self.capture}}}` has {len(choices)} choices of `{{{self.capture}}}` for the {len(several)} places "
                    f"of {axis_name(self.axis, len(tensor.shape))}",
                    notes=(
                        f"in the targets, `{{{self.capture}}}` is {', '.join(choices[:_SHOWN])}{', ...' if choices[_SHOWN:] else ''}",
                    ),
                    helps=("check the axis, and which targets the pattern fits",),
                )
        return tuple(
            replace(part, coordinates=(*part.coordinates, (self.capture, choice)))
            for several in parts
            for choice, part in zip(choices, several, strict=True)
        )

    def _choices(self, bundle: Bundle, context: Context) -> tuple[str, ...]:
        """The values of the capture in the targets, in their order."""
        made = list(dict.fromkeys(name for target in context.targets for name, _ in target))
        if self.capture not in made or any(self.capture in dict(tensor.coordinates) for tensor in bundle):
            what = "makes no bundle of targets here" if self.capture not in made else "is taken apart already"
            others = [name for name in made if not any(name in dict(tensor.coordinates) for tensor in bundle)]
            raise OpError(
                "MIG111",
                f"`{{{self.capture}}}` {what}",
                notes=(
                    "for `unstack`, a capture makes a bundle if it stands on the right side of the rule only",
                    f"captures that make one here: {', '.join(f'`{{{name}}}`' for name in made) or 'none'}",
                ),
                helps=(
                    f"did you mean `unstack {{{others[0]}}} {self.axis}`?"
                    if others
                    else f"`unstack {self.axis}` takes apart whatever the rule has",
                ),
            )
        return tuple(dict.fromkeys(value for target in context.targets for name, value in target if name == self.capture))

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
        if inputs is not None and len(inputs) != 1 and self.capture is None:
            return Lost("`unstack` of several tensors leaves parts that `stack` would join into one")
        return (Stack(self.axis, self.capture),)


def dealt(bundle: Bundle, targets: Sequence[tuple[tuple[str, str], ...]]) -> Bundle:
    """The tensors in the order of the targets (their captures) whose choices `unstack {e}` gave them, once there is one for each."""
    made = {name for target in targets for name, _ in target}
    named = {name for tensor in bundle for name, _ in tensor.coordinates if name in made}
    if not named or len(bundle) != len(targets):
        return bundle
    waiting: dict[frozenset[tuple[str, str]], list[Tensor]] = {}
    for tensor in reversed(bundle):
        waiting.setdefault(frozenset(one for one in tensor.coordinates if one[0] in made), []).append(tensor)
    result = []
    for target in targets:
        choices = [one for one in target if one[0] in named]
        left = waiting.get(frozenset(choices))
        if not left:
            said = ", ".join(f"`{name}` = {value}" for name, value in choices)
            raise OpError(
                "MIG303",
                f"fewer tensors than targets have {said}",
                helps=("check which targets the patterns of the rule fit",),
            )
        result.append(left.pop())
    return tuple(result)
