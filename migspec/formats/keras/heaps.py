"""The heaps in which HDF5 keeps texts and the names of links: whether libhdf5 comes to an end with them.

libhdf5 1.14 reads for ever, or until memory is used up, where a global heap has objects that are longer than it or have no length, and
where the list of free places in a local heap leads back to itself. The layout: https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html,
"Disk Format: Level 0A - Format Signature and Superblock", "Level 1D - Local Heaps" and "Level 1E - Global Heap".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

GLOBAL_HEAP, LOCAL_HEAP = b"GCOL", b"HEAP"  # how they begin

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEADER = 16  # bytes of a global heap's header, and of each object's in it
_NO_MORE = 1  # instead of the place of the next free block
_MOST_FREE = 100_000  # blocks in one list: names of links are added one after the other, and seldom removed


class _Bytes(Protocol):
    """The HDF5 file, to be read at places."""

    size: int

    def at(self, offset: int, length: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Layout:
    """Where addresses in the file count from, and how many bytes an address and a length have."""

    base: int
    offset_size: int
    length_size: int

    @classmethod
    def of(cls, part: _Bytes) -> Layout | None:
        """From the superblock; None if there is none."""
        place = 0
        while place < part.size:
            block = part.at(place, 48)
            if block.startswith(_SIGNATURE) and len(block) == 48:
                sizes, base = ((13, 14), 24 + 4 * block[8]) if block[8] < 2 else ((9, 10), 12)
                offset_size, length_size = block[sizes[0]], block[sizes[1]]
                return cls(int.from_bytes(block[base : base + offset_size], "little"), offset_size, length_size)
            place = place * 2 or 512
        return None


class GlobalHeap:
    """The global heap that begins at `place`: where its objects lie in the file. None of them if libhdf5 would not come to an end."""

    def __init__(self, part: _Bytes, place: int) -> None:
        self.is_sound = False
        self.objects: dict[int, tuple[int, int]] = {}
        size = int.from_bytes(part.at(place + 8, 8), "little")
        if size > part.size - place:
            return
        heap = part.at(place, size)
        at = _HEADER
        while at + _HEADER <= size:
            number = int.from_bytes(heap[at : at + 2], "little")
            length = int.from_bytes(heap[at + 8 : at + 16], "little")
            occupied = length if number == 0 else _HEADER + (length + 7) // 8 * 8
            if occupied < _HEADER or at + occupied > size:
                self.objects.clear()
                return
            if number:
                self.objects[number] = (place + at + _HEADER, length)
            at += occupied
        self.is_sound = heap.startswith(GLOBAL_HEAP)


def is_sound_local_heap(part: _Bytes, place: int, layout: Layout) -> bool:
    """The same for a local heap."""
    width = layout.length_size
    fields = part.at(place + 8, 2 * width + layout.offset_size)
    size = int.from_bytes(fields[:width], "little")
    free = int.from_bytes(fields[width : 2 * width], "little")
    start = layout.base + int.from_bytes(fields[2 * width :], "little")
    if start + size > part.size:
        return False
    for _ in range(_MOST_FREE):
        if free in (_NO_MORE, (1 << 8 * width) - 1):
            return True
        if free + 2 * width > size:
            return False
        free = int.from_bytes(part.at(start + free, width), "little")
    return False
