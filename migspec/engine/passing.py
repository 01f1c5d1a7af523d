"""Values that stay as they are: bytes from a file to a writer, without asking what goes where, and without numpy.

Most of what a migration moves is only renamed. A process that moves nothing else does not load numpy, which would take a tenth
of a second: as long as a fifth of 2 GB.
"""

from __future__ import annotations

from migspec.dtypes import itemsize
from migspec.engine.checksums import SUMMED
from migspec.engine.sources import Sources
from migspec.engine.together import Neighbours
from migspec.engine.watch import Watch
from migspec.expression import Read
from migspec.formats.base import Extent, HoldingWriter, Writer, write_many

_BAND = 1 << 20
"""What was just read is still in the cache when it is written."""

_HELD = 16 << 20
"""Where the writer has the memory, nothing is written from a cache: fewer and longer bands leave the other threads alone."""


class Passer:
    """Passes values on, for one thread, through memory that is used again: at most `most` bytes of it."""

    def __init__(self, sources: Sources, writer: Writer, most: int, watch: Watch) -> None:
        self._sources = sources
        self._writer = writer
        self._holding = writer if isinstance(writer, HoldingWriter) else None
        self._most = most
        self._watch = watch
        self._memory = memoryview(b"")

    def pass_on(self, name: str, read: Read, extent: Extent) -> None:
        """Write the value of one variable, which lies at `extent`."""
        file = self._sources.file(extent)
        checksum = self._sources.checksum(read, extent)
        held = None if self._holding is None else self._holding.memory(name)
        element = itemsize(read.dtype)
        room = max(1, min(self._most, _BAND if held is None else _HELD) // element) * element
        for start in range(0, extent.length, room):
            self._watch.heed()
            length = min(room, extent.length - start)
            band = self._room(length) if held is None else held[start : start + length]
            piece = length if checksum is None else SUMMED
            for first in range(0, length, piece):
                part = band[first : first + piece]
                file.read(extent.offset + start + first, part)
                if checksum is not None:
                    checksum.saw(start + first, part)
            self._writer.write(name, start, band)
            self._watch.wrote(length)
        if checksum is not None:
            checksum.finish()

    def pass_together(self, group: Neighbours) -> None:
        """Write variables that lie one after the other, from one read."""
        self._watch.heed()
        memory = self._room(group.span)
        self._sources.file(group.moves[0][2]).read(group.offset, memory)
        values: list[tuple[str, memoryview]] = []
        for name, read, extent in group.moves:
            begin = extent.offset - group.offset
            value = memory[begin : begin + extent.length]
            checksum = self._sources.checksum(read, extent)
            if checksum is not None:
                checksum.saw(0, value)
            values.append((name, value))
        write_many(self._writer, values)
        self._watch.wrote(sum(len(value) for _, value in values))

    def _room(self, length: int) -> memoryview:
        if len(self._memory) < length:
            self._memory = memoryview(bytearray(length))
        return self._memory[:length]
