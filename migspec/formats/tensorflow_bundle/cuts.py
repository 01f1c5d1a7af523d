"""Values that come in the order of the whole tensor, taken apart into the slices of a partitioned variable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy

from migspec.formats.tensorflow_proto.slices import Box


class Cut:
    """A tensor of this shape (one axis or more), its elements of `itemsize` bytes, in `boxes` that tile it."""

    def __init__(self, shape: tuple[int, ...], itemsize: int, boxes: Sequence[Box]) -> None:
        cut = [axis for axis, length in enumerate(shape) if any((b.start[axis], b.stop[axis]) != (0, length) for b in boxes)]
        axis = max(cut, default=0)  # behind it, every box has the whole of each axis
        unit = prod(shape[axis + 1 :]) * itemsize
        self._outer = shape[:axis]
        self._row = shape[axis] * unit  # bytes
        self._boxes = [(box, box.start[axis] * unit, box.stop[axis] * unit) for box in boxes]

    def split(self, offset: int, data: numpy.ndarray) -> Iterator[tuple[int, numpy.ndarray]]:
        """The pieces of `data`, bytes (uint8) from `offset` of the whole: the number of a box, and the next bytes of its values.

        In C order a box has its elements in the order in which the whole has them, so that its pieces only follow each other.
        """
        while len(data):
            row, column = divmod(offset, self._row)
            rows = 0 if column else len(data) // self._row
            length = rows * self._row or min(self._row - column, len(data))  # some rows, or a part of one
            yield from self._pieces(row, column, data[:length].reshape(max(rows, 1), -1))
            offset += length
            data = data[length:]

    def _pieces(self, row: int, column: int, block: numpy.ndarray) -> Iterator[tuple[int, numpy.ndarray]]:
        """Those of the rows from `row` on, of which `block` has the bytes from `column` on."""
        places = numpy.unravel_index(numpy.arange(row, row + len(block)), self._outer) if self._outer else ()
        for number, (box, first, behind) in enumerate(self._boxes):
            inside = numpy.ones(len(block), bool)
            for place, start, stop in zip(places, box.start, box.stop, strict=False):
                inside &= (place >= start) & (place < stop)
            part = block[:, max(first - column, 0) : max(behind - column, 0)]
            if not inside.all():
                part = part[inside]
            if part.size:
                yield number, numpy.ascontiguousarray(part).reshape(-1)
