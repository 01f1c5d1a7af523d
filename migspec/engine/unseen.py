"""Values that the operating system copies from file to file, without bringing them here.

`copy_file_range` (Linux) costs what `cp` costs, and on file systems that share blocks nothing. It is for values that nobody has
to see: they go as they are, the source records no checksum of them, and the writer needs none.
"""

from __future__ import annotations

from collections.abc import Callable

from migspec.engine.sources import Sources
from migspec.engine.together import Neighbours
from migspec.formats.base import Extent, PlacingWriter, Writer

_STEP = 16 << 20  # bytes between two looks at whether to stop, and two reports of progress


def copy_value(name: str, extent: Extent, sources: Sources, writer: Writer, wrote: Callable[[int], None]) -> bool:
    """Copy one value; False if that cannot be done so: then it is to be written from its start. `wrote` is called with the bytes
    of each step."""
    if _is_summed(extent) or not isinstance(writer, PlacingWriter):
        return False
    file, place = writer.place(name)
    for done in range(0, extent.length, _STEP):
        length = min(_STEP, extent.length - done)
        if sources.copy(extent.path, extent.offset + done, length, file, place + done) < length:
            return False
        wrote(length)
    return True


def copy_values(group: Neighbours, sources: Sources, writer: Writer) -> bool:
    """Copy the values of neighbours that will be neighbours again; False if they will not, or it cannot be done so."""
    if not isinstance(writer, PlacingWriter) or any(_is_summed(extent) for _, _, extent in group.moves):
        return False
    first_file, first_place = writer.place(group.moves[0][0])
    shift = first_place - group.offset
    for name, _, extent in group.moves:
        file, place = writer.place(name)
        if file is not first_file or place - extent.offset != shift:
            return False
    length = sum(extent.length for _, _, extent in group.moves)
    return length == group.span and sources.copy(group.path, group.offset, length, first_file, first_place) == length


def _is_summed(extent: Extent) -> bool:
    return extent.crc32c is not None or extent.crc32 is not None
