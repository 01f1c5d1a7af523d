"""What elements are fetched from: byte ranges of files, arrays that a reader made, distributions.

An input is a flat array that is not there: any run of its elements can be fetched, in the dtype and byte order that the
machine computes in.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Protocol

import numpy

from migspec.dtypes import kind, numpy_dtype
from migspec.elementwise import convert
from migspec.engine.checksums import SUMMED, RunningChecksum
from migspec.engine.files import OpenFile
from migspec.engine.sources import Sources
from migspec.expression import Constant, Fill, Read
from migspec.formats.base import Extent
from migspec.random_fill import draw

_DRAWN = 1 << 16


class Input(Protocol):
    """A flat array to fetch elements from; used by one thread."""

    @property
    def dtype(self) -> numpy.dtype:
        """The dtype of the elements, in native byte order."""

    @property
    def cost_of_fetch(self) -> int:
        """What one call costs more than its bytes, told in bytes that could be moved meanwhile."""

    def fetch(self, runs: Iterable[tuple[int, int]], length: int, out: numpy.ndarray) -> None:
        """For each (start, place): `length` elements from `start` on go to `out`, contiguous, at `place`."""

    def finish(self) -> None:
        """All that is wanted has been fetched: check what is left to be checked."""


class FileInput:
    """The values of a variable, straight from its file."""

    cost_of_fetch = 8 << 10  # a call of preadv and what Python adds: about 2 microseconds

    def __init__(self, dtype: str, extent: Extent, file: OpenFile, checksum: RunningChecksum | None) -> None:
        self.dtype = numpy_dtype(dtype)
        self._offset = extent.offset
        self._file = file
        self._checksum = checksum
        width = self.dtype.itemsize // 2 if kind(dtype) == "complex" else self.dtype.itemsize
        self._swapped = numpy.dtype(f"u{width}") if extent.byte_order != sys.byteorder and width > 1 else None

    def fetch(self, runs: Iterable[tuple[int, int]], length: int, out: numpy.ndarray) -> None:
        size, begin, data = self.dtype.itemsize, self._offset, out.view(numpy.uint8)
        if self._checksum is None and self._swapped is None:
            places = ((begin + start * size, place * size) for start, place in runs)
            self._file.read_runs(places, length * size, data.data)
            return
        for start, place in runs:
            run = data[place * size : (place + length) * size]
            for first in range(0, run.size, SUMMED):
                piece = run[first : first + SUMMED]
                self._file.read(begin + start * size + first, piece.data)
                if self._checksum:
                    self._checksum.saw(start * size + first, piece.data)
                    self._checksum = None if self._checksum.done else self._checksum
            if self._swapped:
                run.view(self._swapped).byteswap(inplace=True)

    def finish(self) -> None:
        if self._checksum:
            self._checksum.finish()


def open_input(sources: Sources, read: Read) -> Input:
    """The input for a variable. Raises SpecError for whatever is wrong with its file."""
    extent = sources.extent(read)
    if extent is None:
        return ArrayInput(sources.values(read))
    return FileInput(read.dtype, extent, sources.file(extent), sources.checksum(read, extent))


class ArrayInput:
    """Values that are in memory already."""

    cost_of_fetch = 2 << 10

    def __init__(self, values: numpy.ndarray) -> None:
        self.dtype = values.dtype
        self._values = values.reshape(-1)

    def fetch(self, runs: Iterable[tuple[int, int]], length: int, out: numpy.ndarray) -> None:
        for start, place in runs:
            out[place : place + length] = self._values[start : start + length]

    def finish(self) -> None:
        pass


class FillInput:
    """Values made anew."""

    cost_of_fetch = 64 << 10

    def __init__(self, fill: Fill) -> None:
        self.dtype = numpy_dtype(fill.dtype)
        self._fill = fill

    def fetch(self, runs: Iterable[tuple[int, int]], length: int, out: numpy.ndarray) -> None:
        match self._fill.distribution:
            case Constant(value):
                constant = convert(numpy.array(value, numpy.float64), self._fill.dtype)
                for _, place in runs:
                    out[place : place + length] = constant
            case distribution:
                for start, place in runs:
                    for first in range(0, length, _DRAWN):  # the draws are float64: not all of them at once
                        part = out[place + first : place + min(first + _DRAWN, length)]
                        part[:] = convert(draw(distribution, start + first, part.size), self._fill.dtype)

    def finish(self) -> None:
        pass
