"""A part of a file as a file of its own, for h5py."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from migspec.formats.input import InputFile
from migspec.formats.keras.heaps import GLOBAL_HEAP, LOCAL_HEAP, GlobalHeap, Layout, is_sound_local_heap

if TYPE_CHECKING:
    from typing_extensions import Buffer

_HEAP_STARTS = (GLOBAL_HEAP[0], LOCAL_HEAP[0])


class Part(io.RawIOBase):
    """Bytes `start` to `start + size` of an open file, as a file of its own, for h5py."""

    def __init__(self, file: InputFile, start: int, size: int) -> None:
        self.file, self.start, self.size = file, start, size
        self._position = 0
        self._is_guarded = False
        self._layout: Layout | None = None

    @property
    def layout(self) -> Layout | None:
        """What the superblock says of addresses, None if there is no superblock."""
        if self._layout is None:
            self._layout = Layout.of(self)
        return self._layout

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
        place = self._position
        if place + len(target) > self.size:
            target = target[: max(0, self.size - place)]
        filled = self.file.into(target, self.start + place)
        if self._is_guarded and filled > 3 and target[0] in _HEAP_STARTS and not self._is_sound(place, bytes(target[:4])):
            target[:filled] = bytes(filled)  # without its signature libhdf5 refuses it
        self._position = place + filled
        return filled

    def at(self, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset`."""
        return self.file.some(max(0, min(length, self.size - offset)), self.start + offset)

    def fill(self, buffer: memoryview, offset: int) -> int:
        """Fill `buffer` with the bytes from `offset`; how many there were."""
        filled = 0
        while filled < len(buffer) and (count := self.file.into(buffer[filled:], self.start + offset + filled)):
            filled += count
        return filled

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """While structure is read and no values: hides from libhdf5 the heaps that it would read for ever."""
        self._is_guarded = True
        try:
            yield
        finally:
            self._is_guarded = False

    def _is_sound(self, place: int, signature: bytes) -> bool:
        if signature == GLOBAL_HEAP:
            return GlobalHeap(self, place).is_sound
        return signature != LOCAL_HEAP or (self.layout is not None and is_sound_local_heap(self, place, self.layout))
