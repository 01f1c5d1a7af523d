"""A part of a file as a file of its own, for h5py."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from migspec.formats.input import InputFile

if TYPE_CHECKING:
    from typing_extensions import Buffer

_HEAP_SIGNATURE = b"GCOL"
_HEAP_HEADER = 16  # bytes, of the heap and of each object in it


class Part(io.RawIOBase):
    """Bytes `start` to `start + size` of an open file, as a file of its own, for h5py."""

    def __init__(self, file: InputFile, start: int, size: int) -> None:
        self.file, self.start, self.size = file, start, size
        self._position = 0
        self._is_guarded = False

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence] + offset
        return self._position

    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer).cast("B")
        data = self.at(self._position, len(target))
        if self._is_guarded and data.startswith(_HEAP_SIGNATURE) and not self._is_sound_heap(data):
            data = bytes(len(data))  # without its signature libhdf5 refuses it
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def at(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset`."""
        return self.file.some(max(0, min(length, self.size - offset)), self.start + offset)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """While structure is read and no values: hides from libhdf5 what it would read for ever.

        libhdf5 1.14 does not end on a global heap (where it keeps texts) whose objects are longer than it,
        or have no length. The layout:
        https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html, "Disk Format: Level 1E - Global Heap".
        """
        self._is_guarded = True
        try:
            yield
        finally:
            self._is_guarded = False

    def _is_sound_heap(self, start: bytes) -> bool:
        size = int.from_bytes(start[8:16], "little")
        if size > self.size - self._position:
            return False
        heap = self.at(self._position, size)
        place = _HEAP_HEADER
        while place + _HEAP_HEADER <= size:
            number = int.from_bytes(heap[place : place + 2], "little")
            length = int.from_bytes(heap[place + 8 : place + 16], "little")
            occupied = length if number == 0 else _HEAP_HEADER + (length + 7) // 8 * 8
            if occupied < _HEAP_HEADER or place + occupied > size:
                return False
            place += occupied
        return True
