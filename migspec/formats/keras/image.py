"""The HDF5 file of an output: a template's file, byte for byte, with other values in its datasets."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy

from migspec import dtypes
from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.keras.hdf5 import hdf5_errors, import_h5py
from migspec.formats.keras.part import Part
from migspec.formats.keras.tree import StoredArray
from migspec.formats.output import OutputFile

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PIECE = 1 << 20  # bytes that are copied at once


class Hdf5Image:
    """An HDF5 file in the making at `start` of an output: the template `part`, whose arrays `replaced` get new values.

    Values that lie plain in the file are written in place, and the template's own bytes there are never copied: one pass over the
    bytes. What is compressed, in chunks, big-endian, not allocated or a string is gathered and handed to HDF5 by `finish`.
    """

    def __init__(self, part: Part, output: OutputFile, start: int, replaced: Iterable[StoredArray]) -> None:
        self._output = output
        self._start = start
        self._size = part.size
        self._gathered: dict[str, numpy.ndarray] = {}
        in_place = sorted(
            (array.offset, array.offset + nbytes(array)) for array in replaced if is_plain(array) and array.offset is not None
        )
        output.truncate(start + part.size)
        for begin, end in _gaps(in_place, part.size):
            for offset in range(begin, end, _PIECE):
                output.pwrite(part.at(offset, min(_PIECE, end - offset)), start + offset)

    def write(self, array: StoredArray, offset: int, data: memoryview) -> None:
        """Bytes of the array's values from `offset`, C order, little-endian. Safe from several threads for different arrays."""
        if is_plain(array) and array.offset is not None:
            self._output.pwrite(data, self._start + array.offset + offset)
            return
        gathered = self._gathered.get(array.path)
        if gathered is None:
            gathered = self._gathered[array.path] = numpy.empty(nbytes(array), numpy.uint8)
        gathered[offset : offset + len(data)] = numpy.frombuffer(data, numpy.uint8)

    def write_strings(self, array: StoredArray, values: numpy.ndarray) -> None:
        """The whole value of an array of strings."""
        self._gathered[array.path] = values

    def finish(self) -> int:
        """Put the gathered values in place; the length of the HDF5 file, which may have grown."""
        if self._gathered:
            library = import_h5py(self._output.path)
            window = _Window(self._output, self._start, self._size)
            with hdf5_errors(self._output.path), library.File(window, "r+") as file:
                for path, values in self._gathered.items():
                    dataset = file[path]
                    dataset[...] = self._as_stored(path, values, dataset.dtype).reshape(dataset.shape)
            window.raise_failure()
            self._size = window.size
        return self._size

    def _as_stored(self, path: str, values: numpy.ndarray, dtype: numpy.dtype) -> numpy.ndarray:
        """What was gathered as an array that h5py converts to the dataset's dtype (bfloat16 is stored as opaque bytes)."""
        if values.dtype != object:
            return values.view(dtype if dtype.kind == "V" else dtype.newbyteorder("<"))
        longest = max((len(value) for value in values.reshape(-1)), default=0)
        if dtype.kind == "S" and longest > dtype.itemsize:
            cause = f"a string of `{path}` has {longest} bytes, and the template holds at most {dtype.itemsize}"
            raise file_error("MIG508", self._output.path, cause)
        return values.astype(dtype) if dtype.kind == "S" else values


def is_plain(array: StoredArray) -> bool:
    """Whether little-endian bytes can be put where the array lies."""
    return array.offset is not None and array.byte_order == "little" and dtypes.itemsize(array.dtype) > 0


def nbytes(array: StoredArray) -> int:
    """The length of the array's values in bytes."""
    size = dtypes.itemsize(array.dtype)
    for length in array.shape:
        size *= length
    return size


def _gaps(ranges: list[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    position = 0
    for begin, end in ranges:
        if begin > position:
            yield position, begin
        position = max(position, end)
    if position < size:
        yield position, size


class _Window(io.RawIOBase):
    """The part of an output from `start` on, as a file of its own that may grow, for h5py to write to.

    libhdf5 crashes later on if it cannot write (it tries again at the end of the process). So a failure is kept here until it has
    closed the file, and what it still writes is dropped.
    """

    def __init__(self, output: OutputFile, start: int, size: int) -> None:
        self._output, self._start, self.size = output, start, size
        self._position = 0
        self._failure: SpecError | None = None

    def raise_failure(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._failure is not None:
            raise self._failure

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence] + offset
        return self._position

    def truncate(self, size: int | None = None) -> int:
        self.size = self._position if size is None else size
        self._attempt(lambda: self._output.truncate(self._start + self.size))
        return self.size

    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer).cast("B")
        data = self._output.pread(max(0, min(len(target), self.size - self._position)), self._start + self._position)
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def write(self, data: Buffer) -> int:
        length = memoryview(data).nbytes
        self._attempt(lambda: self._output.pwrite(data, self._start + self._position))
        self._position += length
        self.size = max(self.size, self._position)
        return length

    def _attempt(self, action: Callable[[], None]) -> None:
        if self._failure is None:
            try:
                action()
            except SpecError as failure:
                self._failure = failure
