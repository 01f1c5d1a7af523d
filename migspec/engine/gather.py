"""Rows taken in any order: fetched one by one, or out of stretches that are read from front to back, whichever moves fewer bytes.

A table is blocks of rows (`outer` of them), each row some elements (`inner`). Rows of a few kilobytes are fetched each from its place. Short
rows cost more by the call than by the byte: then the rows that are wanted are sorted, stretches of the table are read in their
order, and each row goes from there to its place. Blocks that are small as a whole (the columns of a matrix, by token) are read several at
once, and all their rows taken together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy

from migspec.dtypes import numpy_dtype
from migspec.elementwise import Step, apply_step
from migspec.engine.inputs import Input
from migspec.engine.workspace import Workspace
from migspec.lower import Gather, Leaf

_ROW_COST = 64  # bytes of what is kept of each row while rows are sorted: numbers of 8 bytes


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the tensors whose rows are taken: `rows` in each block. `wanted` are the places among the new rows of a block that come
    from it, `sources` the rows that they are."""

    source: Input
    steps: tuple[Step, ...]
    rows: int
    wanted: numpy.ndarray
    sources: numpy.ndarray


class GatherInput:
    """The rows that a `Gather` takes, as one flat array."""

    cost_of_fetch = 16 << 10

    def __init__(
        self, gather: Gather, open_input: Callable[[Leaf], Input], workspace: Workspace, depth: int, limit: int
    ) -> None:
        self.dtype = numpy_dtype(gather.dtype)
        self._inner = gather.inner
        self._indices = numpy.frombuffer(gather.indices.packed, numpy.int64)
        self._workspace = workspace
        self._depth = depth
        self._limit = limit
        self._ends = numpy.cumsum([part.length for part in gather.parts])
        owners = numpy.searchsorted(self._ends, self._indices, "right")
        self._parts: list[_Part] = []
        for number, part in enumerate(gather.parts):
            wanted = numpy.flatnonzero(owners == number)
            first = int(self._ends[number]) - part.length
            self._parts.append(_Part(open_input(part.leaf), part.steps, part.length, wanted, self._indices[wanted] - first))

    def fetch(self, runs: Iterable[tuple[int, int]], length: int, out: numpy.ndarray) -> None:
        inner = self._inner
        pieces: list[tuple[int, int]] = []  # what lies within one row, fetched together
        for start, place in runs:
            if start % inner + length <= inner:
                pieces.append((start, place))
                if len(pieces) == self._most_rows:
                    self._fetch_pieces(pieces, length, out)
                    pieces = []
            else:
                self._fetch_stretch(start, out[place : place + length])
        if pieces:
            self._fetch_pieces(pieces, length, out)

    def finish(self) -> None:
        for part in self._parts:
            part.source.finish()

    @property
    def _most_rows(self) -> int:
        return max(1, self._limit // _ROW_COST)

    def _fetch_pieces(self, pieces: Sequence[tuple[int, int]], length: int, out: numpy.ndarray) -> None:
        starts, places = numpy.array(pieces, numpy.int64).T
        rows, offsets = numpy.divmod(starts, self._inner)
        for part, sources, which in self._owned(rows):
            self._from_part(part, sources * self._inner + offsets[which], places[which], length, out)

    def _fetch_stretch(self, start: int, out: numpy.ndarray) -> None:
        """The elements from `start` on: what is left of a row, then whole rows, then a part of one."""
        inner = self._inner
        head = min(-start % inner, out.size)
        if head:
            self._fetch_pieces([(start, 0)], head, out)
        row, count = (start + head) // inner, (out.size - head) // inner
        tail = head + count * inner
        self._fetch_rows(row, count, out[head:tail])
        if tail < out.size:
            self._fetch_pieces([(start + tail, 0)], out.size - tail, out[tail:])

    def _fetch_rows(self, row: int, count: int, out: numpy.ndarray) -> None:
        """`count` whole rows: those of whole blocks together, if these are small."""
        each = len(self._indices)
        done = 0
        while done < count:
            place = (row + done) % each
            blocks = (count - done) // each if place == 0 and self._blocks_together else 0
            size = blocks * each if blocks else min(count - done, each - place, self._most_rows)
            piece = out[done * self._inner : (done + size) * self._inner]
            if blocks:
                self._fetch_blocks((row + done) // each, blocks, piece)
            else:
                for part, sources, which in self._owned(numpy.arange(row + done, row + done + size)):
                    self._from_part(part, sources * self._inner, which * self._inner, self._inner, piece)
            done += size

    @property
    def _blocks_together(self) -> bool:
        """Whether reading a whole block is less than fetching its rows one by one, and it fits."""
        row = self._inner * self.dtype.itemsize
        read = sum(part.rows * row for part in self._parts if len(part.wanted))
        fetched = sum(len(part.wanted) * (part.source.cost_of_fetch + row) for part in self._parts)
        return read <= min(self._limit, fetched)

    def _fetch_blocks(self, block: int, count: int, out: numpy.ndarray) -> None:
        rows = _bits(out).reshape(count, len(self._indices), self._inner)
        for part in self._parts:
            if not len(part.wanted):
                continue
            size = part.rows * self._inner
            together = max(1, self._limit // (size * part.source.dtype.itemsize))
            for first in range(0, count, together):
                some = min(together, count - first)
                table = _bits(self._read(part, (block + first) * size, some * size)).reshape(some, part.rows, self._inner)
                if len(part.wanted) == len(self._indices):
                    numpy.take(table, part.sources, axis=1, out=rows[first : first + some], mode="clip")  # else it would buffer
                else:
                    rows[first : first + some, part.wanted] = table[:, part.sources]

    def _owned(self, rows: numpy.ndarray) -> Iterable[tuple[_Part, numpy.ndarray, numpy.ndarray]]:
        """For each part the rows of it, counted through all of its blocks, that these rows of the result are, and which these are."""
        blocks, places = numpy.divmod(rows, len(self._indices))
        taken = self._indices[places]
        if len(self._parts) == 1:
            yield self._parts[0], blocks * self._parts[0].rows + taken, numpy.arange(len(rows))
            return
        owners = numpy.searchsorted(self._ends, taken, "right")
        for number, part in enumerate(self._parts):
            which = numpy.flatnonzero(owners == number)
            if which.size:
                first = int(self._ends[number]) - part.rows
                yield part, blocks[which] * part.rows + taken[which] - first, which

    def _from_part(self, part: _Part, starts: numpy.ndarray, places: numpy.ndarray, length: int, out: numpy.ndarray) -> None:
        """`length` elements from each of the starts go to the places: out of stretches, where that is less, or one by one."""
        size = part.source.dtype.itemsize
        room = max(length, self._limit // size)
        one = part.source.cost_of_fetch + length * size
        span = int(starts.max()) + length - int(starts.min())
        if len(starts) == 1 or len(starts) * one <= span * size:
            self._one_by_one(part, starts, places, length, out)
            return
        order = numpy.argsort(starts, kind="stable")
        starts, places = starts[order], places[order]
        first = 0
        while first < len(starts):
            low = int(starts[first])
            end = int(numpy.searchsorted(starts, low + room - length, "right"))
            span = int(starts[end - 1]) + length - low
            if span * size + part.source.cost_of_fetch < (end - first) * one:
                table = self._read(part, low, span)
                _rows(out, length)[places[first:end]] = _rows(table, length)[starts[first:end] - low]
            else:
                self._one_by_one(part, starts[first:end], places[first:end], length, out)
            first = end

    def _one_by_one(self, part: _Part, starts: numpy.ndarray, places: numpy.ndarray, length: int, out: numpy.ndarray) -> None:
        if not part.steps:
            part.source.fetch(zip(starts.tolist(), places.tolist(), strict=True), length, out)
            return
        together = max(1, self._limit // (length * part.source.dtype.itemsize))
        for first in range(0, len(starts), together):
            some = starts[first : first + together].tolist()
            table = self._memory(len(some) * length, part.source.dtype)
            part.source.fetch(zip(some, range(0, len(some) * length, length), strict=True), length, table)
            values = reduce(apply_step, part.steps, table)
            _rows(out, length)[places[first : first + together]] = _rows(values, length)[::length]

    def _read(self, part: _Part, start: int, count: int) -> numpy.ndarray:
        table = self._memory(count, part.source.dtype)
        part.source.fetch([(start, 0)], count, table)
        return reduce(apply_step, part.steps, table)

    def _memory(self, count: int, dtype: numpy.dtype) -> numpy.ndarray:
        return self._workspace.array(("gather", self._depth), count, dtype)


def _rows(values: numpy.ndarray, length: int) -> numpy.ndarray:
    """The stretches of so many elements that begin at each element of a flat array, as rows: they overlap, and nothing is copied."""
    bits = _bits(values)
    if length == 1:
        return bits
    return numpy.ndarray((bits.size - length + 1, length), bits.dtype, bits, 0, (bits.itemsize, bits.itemsize))


def _bits(values: numpy.ndarray) -> numpy.ndarray:
    """As plain bits: numpy's loops for foreign dtypes such as bfloat16 are slow."""
    return values if values.itemsize > 8 else values.view(f"u{values.itemsize}")
