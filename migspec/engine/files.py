"""Reading byte ranges of files into memory that is there already: one descriptor a file, no mapping.

With a mapping, a file that is cut short while it is read would kill the process; here it is an error like any other.
"""

from __future__ import annotations

import os
from threading import Lock
from types import TracebackType

import numpy

from migspec.diagnostics import SpecError, file_error

_MOST_BYTES = 1 << 30  # Linux moves no more than about 2 GiB in one call


class Files:
    """Files opened for reading, each once, until the context ends. May be used from several threads."""

    def __init__(self) -> None:
        self._descriptors: dict[str, int] = {}
        self._lock = Lock()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    def read_into(self, path: str, offset: int, memory: numpy.ndarray) -> None:
        """Fill `memory` (contiguous, uint8) with the bytes of a file from `offset` on.

        Raises SpecError: MIG501 if the file cannot be read, MIG503 if it ends too early.
        """
        descriptor = self._descriptor(path)
        done = 0
        while done < memory.size:
            try:
                count = self._read(descriptor, memory[done : done + _MOST_BYTES], offset + done)
            except OSError as error:
                raise _unreadable(path, error) from error
            if count == 0:
                raise file_error(
                    "MIG503",
                    path,
                    "the file is cut short",
                    notes=[f"it ends at byte {offset + done}, and bytes {offset} to {offset + memory.size} are needed"],
                    helps=["copy or download the file again, and compare its size with the original's"],
                )
            done += count

    def _descriptor(self, path: str) -> int:
        with self._lock:
            if path not in self._descriptors:
                try:
                    self._descriptors[path] = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
                except OSError as error:
                    raise _unreadable(path, error) from error
            return self._descriptors[path]

    def _read(self, descriptor: int, memory: numpy.ndarray, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(descriptor, [memory], offset)
        with self._lock:  # where a read has no offset of its own, the descriptor's is shared
            os.lseek(descriptor, offset, os.SEEK_SET)
            data = os.read(descriptor, memory.size)
        memory[: len(data)] = numpy.frombuffer(data, numpy.uint8)
        return len(data)


def _unreadable(path: str, error: OSError) -> SpecError:
    return file_error("MIG501", path, "the file cannot be read", notes=[error.strerror or str(error)])
