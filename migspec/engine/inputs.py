"""What elements are fetched from: byte ranges of files, arrays that a reader made, distributions.

An input is a flat array that is not there: any run of its elements can be fetched, in the dtype and byte order that the
machine computes in.
"""

from __future__ import annotations

import sys
from typing import Protocol

import numpy

from migspec.dtypes import kind, numpy_dtype
from migspec.elementwise import convert
from migspec.engine.checksums import RunningChecksum
from migspec.engine.files import Files
from migspec.expression import Constant, Fill
from migspec.formats.base import Extent
from migspec.random_fill import draw


class Input(Protocol):
    """A flat array to fetch elements from; used by one thread."""

    @property
    def dtype(self) -> numpy.dtype:
        """The dtype of the elements, in native byte order."""

    @property
    def cost_of_fetch(self) -> int:
        """What one call costs more than its bytes, told in bytes that could be moved meanwhile."""

    def fetch(self, start: int, out: numpy.ndarray) -> None:
        """Fill `out`, contiguous, with the elements from `start` on."""

    def finish(self) -> None:
        """All that is wanted has been fetched: check what is left to be checked."""


class FileInput:
    """The values of a variable, straight from its file."""

    cost_of_fetch = 8 << 10  # a call of preadv and what Python adds: about 2 microseconds

    def __init__(self, dtype: str, extent: Extent, files: Files, checksum: RunningChecksum | None) -> None:
        self.dtype = numpy_dtype(dtype)
        self._extent = extent
        self._files = files
        self._checksum = checksum
        width = self.dtype.itemsize // 2 if kind(dtype) == "complex" else self.dtype.itemsize
        self._swapped = numpy.dtype(f"u{width}") if extent.byte_order != sys.byteorder and width > 1 else None

    def fetch(self, start: int, out: numpy.ndarray) -> None:
        data = out.view(numpy.uint8)
        offset = start * self.dtype.itemsize
        self._files.read_into(self._extent.path, self._extent.offset + offset, data)
        if self._checksum:
            self._checksum.saw(offset, data)
        if self._swapped:
            data.view(self._swapped).byteswap(inplace=True)

    def finish(self) -> None:
        if self._checksum:
            self._checksum.finish()


class ArrayInput:
    """Values that are in memory already."""

    cost_of_fetch = 2 << 10

    def __init__(self, values: numpy.ndarray) -> None:
        self.dtype = values.dtype
        self._values = values.reshape(-1)

    def fetch(self, start: int, out: numpy.ndarray) -> None:
        out[:] = self._values[start : start + out.size]

    def finish(self) -> None:
        pass


class FillInput:
    """Values made anew."""

    cost_of_fetch = 64 << 10

    def __init__(self, fill: Fill) -> None:
        self.dtype = numpy_dtype(fill.dtype)
        self._fill = fill

    def fetch(self, start: int, out: numpy.ndarray) -> None:
        match self._fill.distribution:
            case Constant(value):
                out[:] = convert(numpy.array(value, numpy.float64), self._fill.dtype)
            case distribution:
                piece = 1 << 16  # the draws are float64: not all of them at once
                for first in range(0, out.size, piece):
                    part = out[first : first + piece]
                    part[:] = convert(draw(distribution, start + first, part.size), self._fill.dtype)

    def finish(self) -> None:
        pass
