"""`Take` on its way down to where elements come from: past what it commutes with, or as slices where its places form a few runs.

A `Take` commutes with everything that leaves its axis whole. So it is moved down until it stands right above a variable, where it is a
gather of rows: the engine can then fetch just the rows that a band of the target needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy

from migspec.expression import Affine, Cast, Concat, Expression, Fill, Permute, Read, Reshape, Slice, Sum, Take
from migspec.indices import Indices


def as_slices(take: Take, most: int) -> Expression | None:
    """The same as slices joined together, if `most` of them or fewer do; None otherwise.

    A run of places that go up or down by equal steps is one slice.
    """
    runs: list[tuple[int, int, int]] = []
    for run in _runs(numpy.frombuffer(take.indices.packed, numpy.int64)):
        if len(runs) == most:
            return None
        runs.append(run)
    parts = tuple(Slice(take.input, take.axis, *run) for run in runs)
    return parts[0] if len(parts) == 1 else Concat(parts, take.axis)


def _runs(places: numpy.ndarray) -> Iterator[tuple[int, int, int]]:
    """First place, count and step of each run; from left to right each as long as can be."""
    steps = numpy.diff(places)
    changes = numpy.flatnonzero(numpy.diff(steps)) + 1  # the step here is another one than that before it
    place, last = 0, len(places) - 1
    while place <= last:
        step = int(steps[place]) if place < last else 0
        end = place  # the last place of the run
        if step:
            after = numpy.searchsorted(changes, place, "right")
            end = int(changes[after]) if after < len(changes) else last
        yield int(places[place]), end - place + 1, step or 1
        place = end + 1


def moved_down(take: Take) -> Expression | None:
    """The same with the `Take` one step nearer to the variables; None where it stands still: above a variable, a fill, tensors that are
    joined along its own axis, or a reshape that it cannot pass."""
    axis, indices = take.axis, take.indices
    match take.input:
        case Cast(tensor):
            return replace(take.input, input=Take(tensor, axis, indices))
        case Affine(tensor):
            return replace(take.input, input=Take(tensor, axis, indices))
        case Sum(inputs):
            return Sum(tuple(Take(tensor, axis, indices) for tensor in inputs))
        case Permute(tensor, axes):
            return Permute(Take(tensor, axes[axis], indices), axes)
        case Slice(tensor, other, start, count, step) if other != axis:
            return Slice(Take(tensor, axis, indices), other, start, count, step)
        case Slice(tensor, _, start, _, step):
            return Take(tensor, axis, _mapped(indices, start, step))
        case Take(tensor, other, inner) if other == axis:
            return Take(tensor, axis, _through(inner, indices))
        case Concat(inputs, other) if other != axis:
            return Concat(tuple(Take(tensor, axis, indices) for tensor in inputs), other)
        case Concat():
            return _below_permutation(take, tuple(joined_parts(take.input, axis)))
        case Reshape(tensor, shape):
            return _below_reshape(take, tensor, shape)
        case Read() | Fill() | Take():
            return None


def joined_parts(expression: Expression, axis: int) -> Iterator[Expression]:
    """The tensors that an expression joins along an axis; itself, if it joins none."""
    if isinstance(expression, Concat) and expression.axis == axis:
        for one in expression.inputs:
            yield from joined_parts(one, axis)
    else:
        yield expression


def _below_permutation(take: Take, inputs: tuple[Expression, ...]) -> Expression | None:
    """Tensors joined along the axis of a `Take`, the longest of which is permuted: all are joined in the order of that one's axes instead,
    so that its rows can be gathered where they lie."""
    longest = max(inputs, key=lambda one: one.shape[take.axis])
    if not isinstance(longest, Permute):
        return None
    axes = longest.axes
    back = tuple(axes.index(axis) for axis in range(len(axes)))
    joined = Concat(
        tuple(one.input if isinstance(one, Permute) and one.axes == axes else Permute(one, back) for one in inputs),
        axes[take.axis],
    )
    return Permute(Take(joined, axes[take.axis], take.indices), axes)


def _below_reshape(take: Take, tensor: Expression, shape: tuple[int, ...]) -> Expression | None:
    """Past a reshape that leaves the axis whole. One of a variable itself is left: there nothing is gained."""
    if isinstance(tensor, Read | Fill | Reshape):
        return replace(take, input=Reshape(tensor.input, shape)) if isinstance(tensor, Reshape) else None
    before, length = prod(shape[: take.axis]), shape[take.axis]
    for axis, own in enumerate(tensor.shape):
        if own == length and prod(tensor.shape[:axis]) == before:
            return Reshape(Take(tensor, axis, take.indices), take.shape)
    return None


def _mapped(indices: Indices, start: int, step: int) -> Indices:
    return Indices((numpy.frombuffer(indices.packed, numpy.int64) * step + start).tobytes())


def _through(inner: Indices, outer: Indices) -> Indices:
    places = numpy.frombuffer(inner.packed, numpy.int64)
    return Indices(places[numpy.frombuffer(outer.packed, numpy.int64)].tobytes())
