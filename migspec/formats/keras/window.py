"""A part of an output as an HDF5 file that h5py writes to."""

from __future__ import annotations

import contextlib
import io
import os
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from migspec.diagnostics.model import SpecError
from migspec.formats.keras.hdf5 import hdf5_errors, import_h5py
from migspec.formats.output import WritableFile

if TYPE_CHECKING:
    import h5py
    from typing_extensions import Buffer


class OpenOutput:
    """The HDF5 file at `start` of an output, open for h5py as `file`: the one of `size` bytes that is there, or a new one."""

    def __init__(self, output: WritableFile, start: int, size: int | None) -> None:
        """Raises `SpecError`: MIG503, MIG513, MIG514."""
        self._path = output.path
        self._window = _Window(output, start, size or 0)
        library = import_h5py(output.path)
        with hdf5_errors(output.path):
            self.file: h5py.File = library.File(self._window, "w" if size is None else "r+")
        # libhdf5 crashes at the end of the process if a file behind a Python object is still open.
        self._discard = weakref.finalize(self, _discard, self._path, self._window, self.file)

    def raise_failure(self) -> None:
        """Raise what went wrong in writing, if anything did."""
        if self._window.failure is not None:
            raise self._window.failure

    def close(self) -> int:
        """Close the file; its length. MIG514 if it could not be written."""
        with hdf5_errors(self._path):
            self.file.close()
        self.raise_failure()
        return self._window.size

    def discard(self) -> None:
        """Close the file without writing any more. Does nothing after `close`, or a second time."""
        self._discard()


def _discard(path: str, window: _Window, file: h5py.File) -> None:
    window.is_discarding = True
    with contextlib.suppress(SpecError), hdf5_errors(path):
        file.close()


class _Window(io.RawIOBase):
    """The part of an output from `start` on, as a file of its own that may grow.

    libhdf5 crashes later on if it cannot write (it tries again at the end of the process). So a failure is kept here until it has
    closed the file, and what it still writes is dropped.
    """

    def __init__(self, output: WritableFile, start: int, size: int) -> None:
        self._output, self._start, self.size = output, start, size
        self._position = 0
        self.failure: SpecError | None = None
        self.is_discarding = False

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
        length = max(0, min(len(target), self.size - self._position))
        data = self._output.pread(length, self._start + self._position)
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
        if self.failure is None and not self.is_discarding:
            try:
                action()
            except SpecError as failure:
                self.failure = failure
