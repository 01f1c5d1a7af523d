"""From flat elements back to coordinates: a route as boxes of a tensor.

To push a route through a permutation, a slice or a concatenation, each of its loops must run along one dimension of the
tensor. A reshape in between is why that is not given: it leaves the flat elements alone, but a loop over one dimension
may have become a loop over several, or over part of one. Loops are split where a dimension ends (a loop of 24 over
dimensions of 4 and 6 is two loops), and where the loop does not come out even it is cut, so that a route may become
several boxes. Where that takes more than a given number, nothing is gained over a gather element by element, and there
is no answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from migspec.expression import Shape
from migspec.routes import Axis, Route, cut, split


@dataclass(frozen=True, slots=True)
class BoxAxis:
    """A loop of `count` rounds along one dimension of the tensor, `stride` coordinates a round, `target` elements a round."""

    count: int
    dimension: int
    stride: int
    target: int


@dataclass(frozen=True, slots=True)
class Box:
    """A route whose source is told in coordinates: it starts at `start` (one coordinate a dimension)."""

    start: tuple[int, ...]
    target: int
    axes: tuple[BoxAxis, ...]

    def extent(self, dimension: int) -> tuple[int, int]:
        """The lowest and the highest coordinate along a dimension; strides are taken to be positive."""
        low = self.start[dimension]
        return low, low + sum((axis.count - 1) * axis.stride for axis in self.axes if axis.dimension == dimension)


def align(route: Route, shape: Shape, limit: int) -> list[Box] | None:
    """The boxes of a tensor of this shape that make up a route over its flat elements; None if they are more than `limit`.

    All strides of the boxes are positive. No source stride of the route may be 0.
    """
    places = place_values(shape)
    pending = [route]
    boxes: list[Box] = []
    while pending:
        if len(pending) + len(boxes) > limit:
            return None
        result = _aligned(_upwards(pending.pop()), shape, places)
        if isinstance(result, Box):
            boxes.append(result)
        else:
            pending.extend(result)
    return boxes


def flat(box: Box, shape: Shape) -> Route:
    """The route of a box over the flat elements of a tensor of this shape."""
    places = place_values(shape)
    source = sum(coordinate * place for coordinate, place in zip(box.start, places, strict=True))
    axes = tuple(Axis(axis.count, axis.stride * places[axis.dimension], axis.target) for axis in box.axes)
    return Route(source, box.target, axes)


def divided(box: Box, dimension: int, boundary: int) -> tuple[list[Box], list[Box]]:
    """The parts of a box below a coordinate of one dimension, and those at or above it."""
    below: list[Box] = []
    above: list[Box] = []
    pending = [box]
    while pending:
        part = pending.pop()
        low, high = part.extent(dimension)
        if high < boundary:
            below.append(part)
        elif low >= boundary:
            above.append(part)
        else:
            pending.extend(_halves(part, dimension, boundary, high))
    return below, above


def place_values(shape: Shape) -> tuple[int, ...]:
    """How many flat elements one step along each dimension is."""
    places = [1] * len(shape)
    for dimension in range(len(shape) - 1, 0, -1):
        places[dimension - 1] = places[dimension] * shape[dimension]
    return tuple(places)


def _upwards(route: Route) -> Route:
    """The same route with its loops running upwards in the source, those with short strides first, those of one round gone."""
    source, target, axes = route.source, route.target, []
    for axis in route.axes:
        if axis.count > 1 and axis.source < 0:
            source += (axis.count - 1) * axis.source
            target += (axis.count - 1) * axis.target
            axes.append(Axis(axis.count, -axis.source, -axis.target))
        elif axis.count > 1:
            axes.append(axis)
    return Route(source, target, tuple(sorted(axes, key=lambda axis: axis.source)))


def _aligned(route: Route, shape: Shape, places: tuple[int, ...]) -> Box | list[Route]:
    """The box of a route; or routes that are one step nearer to boxes, where one loop leaves its dimension."""
    start = tuple(route.source // place % length for place, length in zip(places, shape, strict=True))
    reached = list(start)  # the highest coordinates of the loops so far
    axes = []
    for index, axis in enumerate(route.axes):
        dimension = next(d for d, place in enumerate(places) if place <= axis.source and shape[d] > 1)
        stride, skew = divmod(axis.source, places[dimension])
        if skew:  # a diagonal: no loop along one dimension
            return [cut(route, index, 0, 1), cut(route, index, 1, axis.count)]
        length = shape[dimension]
        fitting = (length - 1 - reached[dimension]) // stride + 1
        if axis.count > fitting:
            if length % stride == 0 and reached[dimension] < stride:  # it wraps around evenly every `fitting` rounds
                whole = axis.count - axis.count % fitting
                if whole == axis.count:
                    return [split(route, index, fitting)]
                return [cut(route, index, 0, whole), cut(route, index, whole, axis.count)]
            return [cut(route, index, 0, fitting), cut(route, index, fitting, axis.count)]
        reached[dimension] += stride * (axis.count - 1)
        axes.append(BoxAxis(axis.count, dimension, stride, axis.target))
    return Box(start, route.target, tuple(axes))


def _halves(box: Box, dimension: int, boundary: int, high: int) -> list[Box]:
    """A box that lies on both sides of a boundary, cut along its longest loop of that dimension, at the boundary if
    that can be.
    """
    index = max((k for k, axis in enumerate(box.axes) if axis.dimension == dimension), key=lambda k: box.axes[k].stride)
    axis = box.axes[index]
    rest = high - (axis.count - 1) * axis.stride  # the highest coordinate of the first round
    rounds_below = (boundary - 1 - rest) // axis.stride + 1
    if rounds_below <= 0:
        rounds_below = min(-((box.start[dimension] - boundary) // axis.stride), axis.count)
        if rounds_below == axis.count:
            rounds_below = 1
    return [_cut(box, index, 0, rounds_below), _cut(box, index, rounds_below, axis.count)]


def _cut(box: Box, index: int, start: int, stop: int) -> Box:
    axis = box.axes[index]
    others = (*box.axes[:index], *box.axes[index + 1 :])
    axes = (replace(axis, count=stop - start), *others) if stop - start > 1 else others
    coordinates = list(box.start)
    coordinates[axis.dimension] += start * axis.stride
    return Box(tuple(coordinates), box.target + start * axis.target, axes)
