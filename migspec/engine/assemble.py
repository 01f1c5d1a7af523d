"""Making a stretch of a target from its copies, in memory of a bounded size.

A stretch (a band of the target, or of an intermediate) is written once, front to back or criss-cross, in an array that
stays put; the sources are what is read piece by piece. For the copies from one input there are three ways, and the
cheapest is taken by counting bytes (a call counts as `Input.cost_of_fetch`):

- direct: each contiguous run is fetched to its place. Nothing is touched twice; for long runs without arithmetic.
- staged: the loops with the longest strides in the source are run through; for each round of them the span of the
  others is fetched, gaps and all, into a stage of about a megabyte, and goes from there to its places. This is what a
  transpose takes: the stage is in the cache while it is turned. Which loops are spanned is again a count of bytes.
- window: if the copies of several pieces (gates in another order) share one stretch of the source, that is fetched once
  for all; if it is longer than a stage and rows of it are shared (gates in another order, transposed), some rows at a time.

Measured (2-core Xeon, 2 MiB second-level cache a core, 32 MiB of float32, rows of 512 to 32768): staged transposes ran
at 1.5 to 2.8 GB/s with a stage of 1 MiB, at 0.6 to 2.9 with 256 KiB, at 0.5 to 2.8 with 128 KiB and at 1.3 to 2.7 with
2 MiB; `numpy.copyto` of a whole 8192 x 8192 transpose ran at 0.3. tests/benchmarks/engine_transpose.py measures again.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy

from migspec.dtypes import numpy_dtype
from migspec.elementwise import Step, apply_step
from migspec.engine.gather import GatherInput
from migspec.engine.inputs import FillInput, Input
from migspec.engine.workspace import Workspace
from migspec.expression import Fill, Read
from migspec.lower import Buffer, Copy, Gather, Leaf
from migspec.routes import Axis, Route, cut, is_local, restricted

STAGE = 1 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a copy: its targets are counted from the start of the stretch that is made."""

    route: Route
    steps: tuple[Step, ...]


class Assembler:
    """Makes stretches of one target; used by one thread.

    `limit` bounds the memory in bytes that is taken beside the stretch itself: windows and stages, of each level of
    intermediates.
    """

    def __init__(self, open_input: Callable[[Read], Input], workspace: Workspace, limit: int) -> None:
        self._open = open_input
        self._workspace = workspace
        self._limit = limit
        self._inputs: dict[Leaf, Input] = {}

    def assemble(self, copies: Sequence[Copy], start: int, out: numpy.ndarray, depth: int = 0) -> None:
        """Fill `out`, contiguous, with the elements from `start` on of what these copies make (ascending by target)."""
        pieces: dict[Leaf, list[Piece]] = {}
        for copy in copies:
            if copy.route.target >= start + out.size:
                break
            for part in restricted(copy.route, start, start + out.size):
                here = Route(part.source, part.target - start, part.axes)
                pieces.setdefault(copy.leaf, []).append(Piece(here, copy.steps))
        for leaf, group in pieces.items():
            if leaf not in self._inputs:
                self._inputs[leaf] = self._input(leaf, copies, out.size, depth)
            self._move(self._inputs[leaf], group, out, depth)

    def finish(self) -> None:
        """All stretches are made: check what is left to be checked."""
        for source in self._inputs.values():
            source.finish()

    def _input(self, leaf: Leaf, copies: Sequence[Copy], room: int, depth: int) -> Input:
        """The input of a leaf; an intermediate that none of the copies reads is wanted in any order."""
        match leaf:
            case Read():
                return self._open(leaf)
            case Fill():
                return FillInput(leaf)
            case Buffer():
                in_order = bool(copies) and all(is_local(copy.route, room) for copy in copies if copy.leaf is leaf)
                return BufferInput(leaf, self, self._workspace, depth + 1, whole=not in_order)
            case Gather():
                return GatherInput(
                    leaf, partial(self._input, copies=(), room=room, depth=depth + 1), self._workspace, depth, self._limit
                )

    def _move(self, source: Input, pieces: list[Piece], out: numpy.ndarray, depth: int) -> None:
        if len(pieces) == 1 and not pieces[0].steps and _run(pieces[0].route) == pieces[0].route.size:
            _fetch_runs(pieces[0].route, source, out)
            return
        costs = [(piece, _direct_cost(piece, source), _plan(piece.route, source)) for piece in pieces]
        if len(pieces) > 1:
            windows = _windows(pieces, self._limit // source.dtype.itemsize, STAGE // source.dtype.itemsize)
            fetched = sum(end - first for first, end in map(_hull, windows)) * source.dtype.itemsize
            moved = sum(piece.route.size for piece in pieces) * source.dtype.itemsize
            apart = sum(min(direct, plan.cost) for _, direct, plan in costs)
            if windows and len(windows) * source.cost_of_fetch + fetched + moved < apart:
                for window in windows:
                    self._share(source, window, out, depth)
                return
        for piece, direct, plan in costs:
            if direct <= plan.cost:
                _fetch_runs(piece.route, source, out)
            else:
                self._stage(piece, plan, source, out, depth)

    def _share(self, source: Input, pieces: list[Piece], out: numpy.ndarray, depth: int) -> None:
        """Fetch the stretch of the source that holds all of these pieces, once."""
        first, end = _hull(pieces)
        window = self._workspace.array(("window", depth), end - first, source.dtype)
        source.fetch([(first, 0)], window.size, window)
        for piece in pieces:
            strides = [axis.source for axis in piece.route.axes]
            _put(_strided(window, piece.route.source - first, strides, piece.route), piece, out)

    def _stage(self, piece: Piece, plan: Plan, source: Input, out: numpy.ndarray, depth: int) -> None:
        room = max(1, min(max(STAGE, 64 * source.cost_of_fetch), self._limit) // source.dtype.itemsize)
        if plan.rounds * plan.span > room:
            index, count = plan.portion(piece.route, room)
            length = piece.route.axes[index].count
            for first in range(0, length, count):
                part = cut(piece.route, index, first, min(first + count, length))
                self._stage(Piece(part, piece.steps), _plan(part, source), source, out, depth)
            return
        stage = self._workspace.array(("stage", depth), plan.rounds * plan.span, source.dtype)
        lowest = piece.route.source_range[0]
        offsets = _offsets(lowest, [(axis.count, abs(axis.source)) for axis in plan.outer(piece.route)])
        source.fetch(zip(offsets, itertools.count(0, plan.span), strict=False), plan.span, stage)
        for step in piece.steps:
            stage = apply_step(stage, step)
        strides = plan.strides(piece.route)
        start = sum((axis.count - 1) * -stride for axis, stride in zip(piece.route.axes, strides, strict=True) if stride < 0)
        _put(_strided(stage, start, strides, piece.route), Piece(piece.route, ()), out)


class BufferInput:
    """An intermediate. Made as it is fetched, if it is wanted in its order; else made whole at the first fetch, and kept."""

    cost_of_fetch = 256 << 10

    def __init__(self, buffer: Buffer, assembler: Assembler, workspace: Workspace, depth: int, whole: bool) -> None:
        self.dtype = numpy_dtype(buffer.dtype)
        self._buffer = buffer
        self._assembler = assembler
        self._workspace = workspace
        self._depth = depth
        self._whole = whole
        self._values: numpy.ndarray | None = None

    def fetch(self, runs: Iterable[tuple[int, int]], length: int, out: numpy.ndarray) -> None:
        if self._whole and self._values is None:
            self._values = numpy.empty(self._buffer.size, self.dtype)
            self._make(0, self._values)
        for start, place in runs:
            if self._values is None:
                self._make(start, out[place : place + length])
            else:
                out[place : place + length] = self._values[start : start + length]

    def finish(self) -> None:
        pass

    def _make(self, start: int, out: numpy.ndarray) -> None:
        first, *others = self._buffer.addends
        self._assembler.assemble(first, start, out, self._depth)
        for addend in others:
            term = self._workspace.array(("addend", self._depth), out.size, self.dtype)
            self._assembler.assemble(addend, start, term, self._depth)
            with numpy.errstate(all="ignore"):
                numpy.add(out, term, out=out)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a route is staged: `rounds` rounds of its outer loops, each fetching the `span` elements that the others move in.

    `order` has the axes by the length of their strides in the source, longest first, without those that stand still; the first
    `outer_count` of them are the outer loops. `cost` is in bytes.
    """

    order: tuple[int, ...]
    outer_count: int
    rounds: int
    span: int
    cost: int

    def outer(self, route: Route) -> tuple[Axis, ...]:
        return tuple(route.axes[index] for index in self.order[: self.outer_count])

    def portion(self, route: Route, room: int) -> tuple[int, int]:
        """Which axis to run through in portions, and how many rounds a portion has, so that `room` elements hold its stage.

        Where even one round does not fit, the next axis is portioned in turn.
        """
        longest = route.axes[self.order[0]]
        if self.outer_count:
            return self.order[0], max(1, room * longest.count // (self.rounds * self.span))
        rest = self.span - (longest.count - 1) * abs(longest.source)
        return self.order[0], max(1, (room - rest) // abs(longest.source) + 1)

    def strides(self, route: Route) -> list[int]:
        """The strides of the route's axes in the stage."""
        strides = [axis.source for axis in route.axes]
        place = self.span
        for index in reversed(self.order[: self.outer_count]):
            strides[index] = place if route.axes[index].source > 0 else -place
            place *= route.axes[index].count
        return strides


def _plan(route: Route, source: Input) -> Plan:
    itemsize = source.dtype.itemsize
    moving = (index for index, axis in enumerate(route.axes) if axis.source and axis.count > 1)
    order = tuple(sorted(moving, key=lambda index: -abs(route.axes[index].source)))
    rounds, span, kept = prod(route.axes[index].count for index in order), 1, route.size * itemsize
    best = Plan(order, len(order), rounds, span, rounds * (source.cost_of_fetch + itemsize) + kept)
    for outer_count in reversed(range(len(order))):
        axis = route.axes[order[outer_count]]
        rounds //= axis.count
        span += (axis.count - 1) * abs(axis.source)
        cost = rounds * (source.cost_of_fetch + span * itemsize) + kept
        if cost < best.cost:
            best = Plan(order, outer_count, rounds, span, cost)
    return best


def _direct_cost(piece: Piece, source: Input) -> int:
    if piece.steps:
        return sys.maxsize
    size = piece.route.size
    return size // _run(piece.route) * source.cost_of_fetch + size * source.dtype.itemsize


def _run(route: Route) -> int:
    """How many elements at a time are contiguous on both sides."""
    last = route.axes[-1] if route.axes else None
    return last.count if last and last.source == last.target == 1 else 1


def _fetch_runs(route: Route, source: Input, out: numpy.ndarray) -> None:
    run = _run(route)
    axes = route.axes[:-1] if run > 1 else route.axes
    sources = _offsets(route.source, [(axis.count, axis.source) for axis in axes])
    targets = _offsets(route.target, [(axis.count, axis.target) for axis in axes])
    source.fetch(zip(sources, targets, strict=True), run, out)


def _hull(pieces: list[Piece]) -> tuple[int, int]:
    ranges = [piece.route.source_range for piece in pieces]
    return min(first for first, _ in ranges), max(end for _, end in ranges)


def _windows(pieces: list[Piece], most: int, room: int) -> list[list[Piece]]:
    """The pieces in groups that share a stretch of the source: some rounds of the outermost loop that all of them have, as many as
    `room` elements hold; all at once if they fit, or if there is no such loop. Empty if a stretch is longer than `most` elements.
    """
    first, end = _hull(pieces)
    loops = [max(enumerate(piece.route.axes), key=lambda loop: abs(loop[1].source), default=None) for piece in pieces]
    shared = {(loop[1].count, loop[1].source) for loop in loops if loop is not None and loop[1].source}
    if end - first <= room or None in loops or len(shared) != 1:
        return [pieces] if end - first <= most else []
    ((count, stride),) = shared
    rounds = max(1, room // abs(stride))
    windows = [
        [
            Piece(cut(piece.route, loop[0], start, min(start + rounds, count)), piece.steps)
            for piece, loop in zip(pieces, loops, strict=True)
            if loop is not None
        ]
        for start in range(0, count, rounds)
    ]
    return windows if all(end - first <= most for first, end in map(_hull, windows)) else []


def _put(values: numpy.ndarray, piece: Piece, out: numpy.ndarray) -> None:
    for step in piece.steps:
        values = apply_step(values, step)
    target = _strided(out, piece.route.target, [axis.target for axis in piece.route.axes], piece.route)
    if values.dtype.itemsize <= 8:  # as plain bits: numpy's loops for foreign dtypes such as bfloat16 are slow
        bits = numpy.dtype(f"u{values.dtype.itemsize}")
        values, target = values.view(bits), target.view(bits)
    numpy.copyto(target, values)


def _strided(array: numpy.ndarray, start: int, strides: Sequence[int], route: Route) -> numpy.ndarray:
    """The elements of a flat array that the loops of a route pass, with these strides."""
    size = array.dtype.itemsize
    shape = tuple(axis.count for axis in route.axes)
    return numpy.ndarray(shape, array.dtype, array.view(numpy.uint8), start * size, tuple(stride * size for stride in strides))


def _offsets(start: int, loops: Sequence[tuple[int, int]]) -> Iterator[int]:
    """The offsets of nested loops given by count and stride, the first one the outermost."""
    if not loops:
        return iter((start,))
    (count, stride), *inner = loops
    if not inner:
        return iter(range(start, start + count * stride, stride) if stride else (start,) * count)
    return itertools.chain.from_iterable(_offsets(start + index * stride, inner) for index in range(count))
