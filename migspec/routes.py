"""Routes: which elements of one flat array go where in another, as a nest of strided loops.

A tensor in C order is a flat array of elements, so a pair of strided views of one shape, one of the source's flat
elements and one of the target's, says of a whole copy which element goes where. Both views are kept in one object, axis
by axis: whatever is done to an axis (splitting it in two, cutting a part off) is done to both sides at once, and the
loops may run in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod


@dataclass(frozen=True, slots=True)
class Axis:
    """A loop of `count` rounds; one round further is `source` elements further in the source and `target` in the target."""

    count: int
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Route:
    """For all i: element `source + sum(i[k] * axes[k].source)` goes to `target + sum(i[k] * axes[k].target)`, k over the axes.

    No two elements go to one place. A route without axes moves one element.
    """

    source: int
    target: int
    axes: tuple[Axis, ...]

    @property
    def size(self) -> int:
        """The number of elements that move."""
        return prod(axis.count for axis in self.axes)

    @property
    def source_range(self) -> tuple[int, int]:
        """The first source element of the route, and the one after the last."""
        first = self.source + sum((axis.count - 1) * axis.source for axis in self.axes if axis.source < 0)
        last = self.source + sum((axis.count - 1) * axis.source for axis in self.axes if axis.source > 0)
        return first, last + 1

    @property
    def target_range(self) -> tuple[int, int]:
        """The first target element of the route, and the one after the last."""
        first = self.target + sum((axis.count - 1) * axis.target for axis in self.axes if axis.target < 0)
        last = self.target + sum((axis.count - 1) * axis.target for axis in self.axes if axis.target > 0)
        return first, last + 1


def straight(size: int) -> Route:
    """Element k to place k, for `size` elements."""
    return Route(0, 0, (Axis(size, 1, 1),))


def cut(route: Route, index: int, start: int, stop: int) -> Route:
    """The rounds `start` to `stop` of one axis."""
    axis = route.axes[index]
    axes = (*route.axes[:index], Axis(stop - start, axis.source, axis.target), *route.axes[index + 1 :])
    return Route(route.source + start * axis.source, route.target + start * axis.target, axes)


def split(route: Route, index: int, inner: int) -> Route:
    """The same route with one axis as two, the inner one of `inner` rounds; these divide the axis."""
    axis = route.axes[index]
    two = (Axis(axis.count // inner, axis.source * inner, axis.target * inner), Axis(inner, axis.source, axis.target))
    return Route(route.source, route.target, (*route.axes[:index], *two, *route.axes[index + 1 :]))


def simplified(route: Route) -> Route:
    """The same route in its one simplest form.

    Loops run upwards in the target, the one with the longest stride there first; loops of one round are gone, and two
    loops that run on into each other on both sides are one. A contiguous piece is then one axis with strides 1 and 1.
    """
    source, target = route.source, route.target
    axes: list[Axis] = []
    for axis in route.axes:
        if axis.count == 1:
            continue
        if axis.target < 0:
            source += (axis.count - 1) * axis.source
            target += (axis.count - 1) * axis.target
            axes.append(Axis(axis.count, -axis.source, -axis.target))
        else:
            axes.append(axis)
    axes.sort(key=lambda axis: -axis.target)
    merged: list[Axis] = []
    for axis in axes:
        outer = merged[-1] if merged else None
        if outer and (outer.source, outer.target) == (axis.source * axis.count, axis.target * axis.count):
            merged[-1] = Axis(outer.count * axis.count, axis.source, axis.target)
        else:
            merged.append(axis)
    return Route(source, target, tuple(merged))


def is_local(route: Route, room: int) -> bool:
    """Whether stretches of `room` elements of the target each come from their own stretch of the source.

    That is so if reading, for each of them, the source from its first element to its last, gaps and all, reads at most an eighth
    of the source twice. It holds for slices and for gates in another order, and not for the transpose of a large matrix.
    """
    parts = list(restricted(route, route.target, route.target + room))
    first = min(part.source_range[0] for part in parts)
    end = max(part.source_range[1] for part in parts)
    moved = sum(part.size for part in parts)
    all_first, all_end = route.source_range
    return 8 * (end - first) * route.size <= 9 * (all_end - all_first) * moved


def restricted(route: Route, start: int, stop: int) -> Iterator[Route]:
    """The parts of a simplified route whose target lies in `start` to `stop`, in ascending order, as few boxes as there
    can be.
    """
    first, end = route.target_range
    if end <= start or stop <= first:
        return
    if start <= first and end <= stop:
        yield route
        return
    outer = route.axes[0]
    one_round = Route(route.source, route.target, route.axes[1:])
    extent = one_round.target_range[1] - first  # what one round of the outermost loop covers
    touched = max(0, (start - first - extent) // outer.target + 1), min(outer.count, -((first - stop) // outer.target))
    whole = max(0, -((first - start) // outer.target)), min(outer.count, (stop - first - extent) // outer.target + 1)
    for index in range(touched[0], min(whole[0], touched[1])):
        yield from restricted(_round(route, index), start, stop)
    if whole[0] < whole[1]:
        yield simplified(cut(route, 0, *whole))
    for index in range(max(whole[1], whole[0], touched[0]), touched[1]):
        yield from restricted(_round(route, index), start, stop)


def joined(first: Route, second: Route) -> Route | None:
    """One simplified route for two, the first of which starts lower in the target; None if one nest of loops cannot say it."""
    gap = Axis(2, second.source - first.source, second.target - first.target)
    axes: tuple[Axis, ...] | None = None
    if first.axes == second.axes:
        axes = (gap, *first.axes)
    else:
        axes = _lengthened(first.axes, second.axes, gap)
    if axes is None:
        return None
    route = simplified(Route(first.source, first.target, axes))
    return route if _is_nested(route) else None


def _round(route: Route, index: int) -> Route:
    outer = route.axes[0]
    return Route(route.source + index * outer.source, route.target + index * outer.target, route.axes[1:])


def _lengthened(first: tuple[Axis, ...], second: tuple[Axis, ...], gap: Axis) -> tuple[Axis, ...] | None:
    """The loops of `first` with one of them run on through `second`, where the two differ by the length of that loop alone."""
    for index, axis in enumerate(first):
        rest = (*first[:index], *first[index + 1 :])
        if (gap.source, gap.target) != (axis.count * axis.source, axis.count * axis.target):
            continue
        if second == rest:
            return (Axis(axis.count + 1, axis.source, axis.target), *rest)
        for other, longer in enumerate(second):
            same_loop = (longer.source, longer.target) == (axis.source, axis.target)
            if same_loop and (*second[:other], *second[other + 1 :]) == rest:
                return (Axis(axis.count + longer.count, axis.source, axis.target), *rest)
    for index, axis in enumerate(second):
        if (axis.source, axis.target) == (gap.source, gap.target) and first == (*second[:index], *second[index + 1 :]):
            return (Axis(axis.count + 1, axis.source, axis.target), *first)
    return None


def _is_nested(route: Route) -> bool:
    """Whether each loop of a simplified route steps over all that the inner ones cover in the target, as `restricted`
    needs it.
    """
    covered = 0
    for axis in reversed(route.axes):
        if axis.target <= covered:
            return False
        covered += (axis.count - 1) * axis.target
    return True
