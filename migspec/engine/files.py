"""Reading byte ranges of files into memory that is there already: one descriptor a file, no mapping.

With a mapping, a file that is cut short while it is read would kill the process; here it is an error like any other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from threading import Lock
from types import TracebackType
from typing import TypeAlias

from migspec.diagnostics import SpecError, file_error

_MOST_BYTES = 1 << 30  # Linux moves no more than about 2 GiB in one call

_ReadAt: TypeAlias = Callable[[int, list[memoryview], int], int]


class OpenFile:
    """A file that is open for reading; any number of threads may read."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise _unreadable(path, error) from error
        self._lock = Lock()
        self._read_at: _ReadAt = getattr(os, "preadv", self._seek_and_read)

    def close(self) -> None:
        os.close(self._descriptor)

    def read(self, offset: int, memory: memoryview) -> None:
        """Fill `memory` with the bytes of the file from `offset` on. Raises as `read_runs`."""
        self.read_runs([(offset, 0)], len(memory), memory)

    def read_runs(self, runs: Iterable[tuple[int, int]], length: int, memory: memoryview) -> None:
        """For each (offset, place): the `length` bytes of the file at `offset` go to `memory` at `place`.

        Raises SpecError: MIG501 if the file cannot be read, MIG503 if it ends too early.
        """
        descriptor, read_at = self._descriptor, self._read_at
        try:
            for offset, place in runs:
                piece = memory[place : place + length]
                done = read_at(descriptor, [piece[:_MOST_BYTES]], offset)
                while done < length:
                    count = read_at(descriptor, [piece[done : done + _MOST_BYTES]], offset + done)
                    if count == 0:
                        raise self._too_short(offset, done, length)
                    done += count
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def _seek_and_read(self, descriptor: int, buffers: list[memoryview], offset: int) -> int:
        """`os.preadv` where there is none: the position is the descriptor's, so one thread at a time."""
        (memory,) = buffers
        with self._lock:
            os.lseek(descriptor, offset, os.SEEK_SET)
            data = os.read(descriptor, len(memory))
        memory[: len(data)] = data
        return len(data)

    def _too_short(self, offset: int, done: int, length: int) -> SpecError:
        return file_error(
            "MIG503",
            self._path,
            "the file is cut short",
            notes=[f"it ends at byte {offset + done}, and bytes {offset} to {offset + length} are needed"],
            helps=["copy or download the file again, and compare its size with the original's"],
        )


class Files:
    """Files opened for reading, each once, until the context ends. May be used from several threads."""

    def __init__(self) -> None:
        self._open: dict[str, OpenFile] = {}
        self._lock = Lock()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()

    def open(self, path: str) -> OpenFile:
        """The open file of this path. Raises SpecError, MIG501, if it cannot be opened."""
        with self._lock:
            if path not in self._open:
                self._open[path] = OpenFile(path)
            return self._open[path]


def _unreadable(path: str, error: OSError) -> SpecError:
    return file_error("MIG501", path, "the file cannot be read", notes=[error.strerror or str(error)])
