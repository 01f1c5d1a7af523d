"""The HDF5 file of an output: a template's file, byte for byte, with other values in its datasets."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy

from migspec.diagnostics.model import file_error
from migspec.formats.input import damaged
from migspec.formats.keras.hdf5 import Hdf5File, hdf5_errors
from migspec.formats.keras.rows import Rows
from migspec.formats.keras.tree import StoredArray
from migspec.formats.keras.window import OpenOutput
from migspec.formats.output import WritableFile

_PIECE = 1 << 20  # bytes that are copied at once


class Hdf5Image:
    """An HDF5 file in the making at `start` of an output: the template, whose arrays `replaced` get new values.

    Values that lie plain in the file are written in place, and the template's own bytes there are never copied: one pass over the
    bytes. What is compressed, in chunks, big-endian or not allocated goes through HDF5, a few chunks at a time.
    """

    def __init__(self, template: Hdf5File, output: WritableFile, start: int, replaced: Sequence[StoredArray]) -> None:
        """MIG503 if two arrays of the template lie in the same bytes, or HDF5 could not write over one; MIG514."""
        part = template.part
        self._output = output
        self._start = start
        self._size = part.size
        in_place = _ranges(part.file.path, replaced)
        through_hdf5 = [array for array in replaced if not array.is_plain and (array.nbytes or array.dtype == "string")]
        for array in through_hdf5:
            template.check(array)
        output.truncate(start + part.size)
        for begin, end in _gaps(in_place, part.size):
            for offset in range(begin, end, _PIECE):
                output.pwrite(part.at(offset, min(_PIECE, end - offset)), start + offset)
        self._hdf5 = OpenOutput(output, start, part.size) if through_hdf5 else None
        self._rows: dict[str, Rows] = {}
        self._lock = threading.Lock()

    def write(self, array: StoredArray, offset: int, data: memoryview) -> None:
        """Bytes of the array's values from `offset`, C order, little-endian. Safe from several threads for different arrays."""
        if array.offset is not None and array.is_plain:
            self._output.pwrite(data, self._start + array.offset + offset)
            return
        with self._lock:
            rows = self._rows.get(array.path)
            if rows is None:
                with hdf5_errors(self._output.path):
                    rows = self._rows[array.path] = Rows(array, self._opened().file[array.path])
        with hdf5_errors(self._output.path):
            rows.write(data)
        self._opened().raise_failure()
        if rows.is_complete:
            with self._lock:
                del self._rows[array.path]

    def write_strings(self, array: StoredArray, values: numpy.ndarray) -> None:
        """The whole value of an array of strings."""
        hdf5 = self._opened()
        with hdf5_errors(self._output.path):
            dataset = hdf5.file[array.path]
            width = dataset.dtype.itemsize if dataset.dtype.kind == "S" else None
            longest = max((len(value) for value in values.reshape(-1)), default=0)
            if width is not None and longest > width:
                cause = f"a string of `{array.path}` has {longest} bytes, and the template holds at most {width}"
                raise file_error("MIG508", self._output.path, cause)
            dataset[...] = (values if width is None else values.astype(dataset.dtype)).reshape(dataset.shape)
        hdf5.raise_failure()

    def finish(self) -> int:
        """Close the file for HDF5; its length, which may have grown."""
        if self._hdf5 is not None:
            self._rows.clear()  # libhdf5 crashes on what is closed after its file
            self._size = self._hdf5.close()
        return self._size

    def abort(self) -> None:
        """Close the file for HDF5, which writes nothing more. May be called twice, and after `finish`."""
        if self._hdf5 is not None:
            self._rows.clear()
            self._hdf5.discard()

    def _opened(self) -> OpenOutput:
        if self._hdf5 is None:
            raise ValueError("the image was made without these arrays")
        return self._hdf5


def _ranges(path: str, replaced: Iterable[StoredArray]) -> list[tuple[int, int]]:
    ranges = sorted(
        (array.offset, array.offset + array.nbytes, array.path)
        for array in replaced
        if array.offset is not None and array.is_plain
    )
    for (_, end, first), (begin, _, second) in pairwise(ranges):
        if begin < end:
            raise damaged(path, f"the values of `{first}` and `{second}` lie in the same bytes")
    return [(begin, end) for begin, end, _ in ranges]


def _gaps(ranges: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    position = 0
    for begin, end in ranges:
        if begin > position:
            yield position, begin
        position = end
    if position < size:
        yield position, size
