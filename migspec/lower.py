"""Expressions -> strided copies, straight from the flat elements of a leaf to the flat elements of the target.

A `Route` starts as "element k of the expression goes to place k of the target" and is pushed down the expression. Each
primitive turns the source side of it from its own flat elements into those of its inputs; the target side only follows
when a loop is split or cut:

- Reshape keeps the flat elements, so it keeps the route: it costs nothing, and no strides need to allow it.
- Permute, Slice and Concat need the route in coordinates of the tensor (`alignment`): then they rename, rescale or cut
  its loops.
- Take is moved down to the variables (`gathering`): there it is slices, if its places form a few runs, or else the leaf `Gather`.
- Cast and Affine commute with all of these and gather as steps; a Sum is an intermediate, made in the order in which
  the target wants it.

Only where a route cannot be had in coordinates (a reshape between two permutations that cuts across dimensions) an
intermediate is needed, of the smallest sub-expression that makes it possible: the tensor that could not be passed. So
no question "push the target backwards, or view the source forwards?" arises: a route is both at once.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from math import prod
from typing import TypeAlias, assert_never

from migspec.alignment import Box, align, divided, flat, place_values
from migspec.elementwise import Convert, Step, affine_steps
from migspec.expression import Affine, Cast, Concat, Constant, Expression, Fill, Permute, Read, Reshape, Slice, Sum, Take
from migspec.gathering import as_slices, joined_parts, moved_down
from migspec.indices import Indices
from migspec.routes import Axis, Route, joined, simplified, straight

_MOST_BOXES = 64
"""Into how many pieces the misfit of reshapes may cut one route. Each costs some 10 microseconds to run; an
intermediate costs memory.
"""


_MOST_SLICES = 64
"""Up to so many runs of places, a `Take` is slices joined together: strided copies, that need nothing beside them."""


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """An intermediate: a flat array of `size` elements, the sum (from left to right, in `dtype`) of its addends.

    Each addend is the copies that fill the array. One addend is a plain intermediate, several come from a `Sum`. Two
    buffers are equal only if they are one object: it is to be made once.
    """

    addends: tuple[tuple[Copy, ...], ...]
    size: int
    dtype: str


@dataclass(frozen=True, slots=True)
class Part:
    """One of the tensors that a `Gather` takes places of: `length` of its places come from `leaf`, each element through `steps`."""

    leaf: Leaf
    steps: tuple[Step, ...]
    length: int


@dataclass(frozen=True, slots=True)
class Gather:
    """Places of an axis taken in any order: of `outer` blocks of rows, each row of `inner` elements. The parts, joined along that axis,
    have the places that `indices` tells."""

    parts: tuple[Part, ...]
    outer: int
    inner: int
    indices: Indices
    dtype: str


Leaf: TypeAlias = Read | Fill | Buffer | Gather
"""What elements come from, counted in C order. A constant `Fill` is read at its element 0 alone, with source strides of 0.
"""


@dataclass(frozen=True, slots=True)
class Copy:
    """Take the elements of `leaf` along `route` (simplified), apply `steps` to each in turn, and put them into the target."""

    leaf: Leaf
    route: Route
    steps: tuple[Step, ...] = ()


def lower(expression: Expression) -> tuple[Copy, ...]:
    """The copies that make a tensor; together they write each of its elements once. Ascending by their first target element.

    Identities and contiguous pieces come out as one copy with one axis, of strides 1 and 1. A tensor without elements
    has no copies.
    """
    if prod(expression.shape) == 0:
        return ()
    if isinstance(expression, Read):  # the commonest case of all, there may be thousands
        return (Copy(expression, simplified(straight(prod(expression.shape)))),)
    return _Lowering({}).whole(expression)


@dataclass(frozen=True, slots=True)
class _Lowering:
    """One lowering in progress."""

    buffers: dict[Expression, Buffer]  # one for each sub-expression, however often it is used

    def whole(self, node: Expression) -> tuple[Copy, ...]:
        return self._along(node, straight(prod(node.shape)))

    def _along(self, node: Expression, route: Route) -> tuple[Copy, ...]:
        copies: list[Copy] = []
        self._push(node, route, (), _MOST_BOXES, copies)
        return _merged(copies)

    def _push(self, node: Expression, route: Route, steps: tuple[Step, ...], limit: int, copies: list[Copy]) -> None:
        match node:
            case Fill(Constant()):
                anywhere = tuple(replace(axis, source=0) for axis in route.axes)
                copies.append(Copy(node, simplified(Route(0, route.target, anywhere)), steps))
            case Read() | Fill():
                copies.append(Copy(node, simplified(route), steps))
            case Reshape(tensor):
                self._push(tensor, route, steps, limit, copies)
            case Cast(tensor, dtype):
                self._push(tensor, route, (Convert(dtype), *steps) if dtype != tensor.dtype else steps, limit, copies)
            case Affine(tensor):
                self._push(tensor, route, (*affine_steps(node.dtype, node.scale, node.offset), *steps), limit, copies)
            case Sum(inputs):
                if len(inputs) == 1:
                    self._push(inputs[0], route, steps, limit, copies)
                else:
                    copies.append(self._total(node, simplified(route), steps))
            case Take():
                self._take(node, route, steps, limit, copies)
            case Permute() | Slice() | Concat():
                boxes = align(route, node.shape, limit)
                if boxes is None:
                    copies.append(Copy(self._buffer(node), simplified(route), steps))
                    return
                for box in boxes:
                    self._push_box(node, box, steps, limit // len(boxes), copies)
            case _:
                assert_never(node)

    def _push_box(
        self, node: Permute | Slice | Concat, box: Box, steps: tuple[Step, ...], limit: int, copies: list[Copy]
    ) -> None:
        match node:
            case Permute(tensor, axes):
                start = [0] * len(axes)
                for dimension, axis in enumerate(axes):
                    start[axis] = box.start[dimension]
                renamed = tuple(replace(axis, dimension=axes[axis.dimension]) for axis in box.axes)
                self._push(tensor, flat(Box(tuple(start), box.target, renamed), tensor.shape), steps, limit, copies)
            case Slice(tensor, dimension, first, _, step):
                moved = _with_coordinate(box, dimension, first + step * box.start[dimension])
                strided = tuple(replace(a, stride=a.stride * step) if a.dimension == dimension else a for a in box.axes)
                self._push(tensor, flat(replace(moved, axes=strided), tensor.shape), steps, limit, copies)
            case Concat(inputs, dimension):
                rest, first = [box], 0
                for tensor in inputs:
                    end = first + tensor.shape[dimension]
                    parts = [divided(part, dimension, end) for part in rest]
                    rest = [above for _, aboves in parts for above in aboves]
                    for inside in (below for belows, _ in parts for below in belows):
                        part = _with_coordinate(inside, dimension, inside.start[dimension] - first)
                        self._push(tensor, flat(part, tensor.shape), steps, limit, copies)
                    first = end
            case _:
                assert_never(node)

    def _take(self, node: Take, route: Route, steps: tuple[Step, ...], limit: int, copies: list[Copy]) -> None:
        other = as_slices(node, min(limit, _MOST_SLICES)) or moved_down(node)
        if other is not None:
            self._push(other, route, steps, limit, copies)
            return
        outer, inner = prod(node.shape[: node.axis]), prod(node.shape[node.axis + 1 :])
        parts = tuple(
            self._part(one, one.shape[node.axis]) for one in joined_parts(node.input, node.axis) if one.shape[node.axis]
        )
        copies.append(Copy(Gather(parts, outer, inner, node.indices, node.dtype), simplified(route), steps))

    def _part(self, node: Expression, length: int) -> Part:
        """A tensor in the order of its elements: those of a leaf, if they stand there in that order, or else of an intermediate."""
        if not isinstance(node, Fill):  # the places of one that is constant are all one
            copies = self.whole(node)
            if len(copies) == 1 and copies[0].route == simplified(straight(prod(node.shape))):
                return Part(copies[0].leaf, copies[0].steps, length)
            return Part(self._buffer(node), (), length)
        return Part(node, (), length)

    def _buffer(self, node: Expression) -> Buffer:
        if node not in self.buffers:
            self.buffers[node] = Buffer((self.whole(node),), prod(node.shape), node.dtype)
        return self.buffers[node]

    def _total(self, node: Sum, route: Route, steps: tuple[Step, ...]) -> Copy:
        """A sum of just the elements that are wanted, laid out in the order of the target, so that it can be made band
        by band.
        """
        places = place_values(tuple(axis.count for axis in route.axes))
        there = tuple(Axis(axis.count, axis.source, place) for axis, place in zip(route.axes, places, strict=True))
        onward = tuple(Axis(axis.count, place, axis.target) for axis, place in zip(route.axes, places, strict=True))
        addends = tuple(self._along(tensor, Route(route.source, 0, there)) for tensor in node.inputs)
        return Copy(Buffer(addends, route.size, node.dtype), simplified(Route(0, route.target, onward)), steps)


def _with_coordinate(box: Box, dimension: int, coordinate: int) -> Box:
    return replace(box, start=(*box.start[:dimension], coordinate, *box.start[dimension + 1 :]))


def _merged(copies: list[Copy]) -> tuple[Copy, ...]:
    """The copies with neighbours made one: pieces of one run, and pieces at regular distances (the parts of a `repeat`)."""
    groups: dict[Hashable, list[Copy]] = {}
    for copy in copies:
        groups.setdefault((copy.leaf, copy.steps), []).append(copy)
    merged = [copy for group in groups.values() for copy in _joined_runs(sorted(group, key=_first_target))]
    return tuple(sorted(merged, key=_first_target))


def _joined_runs(copies: list[Copy]) -> list[Copy]:
    while True:
        result: list[Copy] = []
        for copy in copies:
            route = joined(result[-1].route, copy.route) if result else None
            if route is None:
                result.append(copy)
            else:
                result[-1] = replace(copy, route=route)
        if len(result) == len(copies):
            return result
        copies = result


def _first_target(copy: Copy) -> int:
    return copy.route.target
