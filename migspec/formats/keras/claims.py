"""Attributes as the file itself has them: how long their texts claim to be, and single texts.

libhdf5 takes as much memory as a text of variable length claims to have, up to 4 GiB, and fills it with zeros before it finds the claim
to be false. So the claim is looked at before libhdf5 is asked; and a single text, of which a file has one for each layer, is had here
in a third of the time. The layout:
https://docs.hdfgroup.org/hdf5/v1_14/_f_m_t3.html, "Disk Format: Level 2A - Data Object Headers" and "The Attribute Message".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migspec.formats.keras.heaps import Layout
from migspec.formats.keras.part import Part

_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10  # types of messages
_TEXT, _VARIABLE_LENGTH = 3, 9  # classes of datatypes
_MOST_BLOCKS = 1000  # of one header


@dataclass(frozen=True, slots=True)
class RawAttribute:
    """The three parts of an attribute message: what its elements are, how many, and their bytes."""

    datatype: bytes
    dataspace: bytes
    data: bytes

    @property
    def is_variable(self) -> bool:
        """Whether its elements are references to what has a length of its own."""
        return self.datatype[:1] != b"" and self.datatype[0] & 0x0F == _VARIABLE_LENGTH

    @property
    def is_text(self) -> bool:
        """Whether it is a single text, of fixed or of variable length."""
        if (
            len(self.datatype) < 8
            or len(self.dataspace) < 4
            or self.dataspace[1]
            or self.dataspace[0] == 2 == self.dataspace[3]
        ):
            return False
        kind = self.datatype[0] & 0x0F
        return kind == _TEXT or (kind == _VARIABLE_LENGTH and self.datatype[1] & 0x0F == 1)


def raw_attribute(part: Part, layout: Layout, address: int, name: bytes) -> RawAttribute | None:
    """An attribute of the object whose header is at `address`.

    None if it is not found there: HDF5 keeps many attributes of one object, or those that share their datatype, elsewhere.
    """
    for kind, message in _messages(part, layout, address):
        if kind == _ATTRIBUTE and (found := _parse(message, name)) is not None:
            return found
    return None


def claimed_by(references: bytes, layout: Layout) -> int:
    """The bytes that texts of variable length have together; each reference has a length, an address and an index."""
    step = 4 + layout.offset_size + 4
    return sum(int.from_bytes(references[place : place + 4], "little") for place in range(0, len(references) - step + 1, step))


def _messages(part: Part, layout: Layout, address: int) -> Iterator[tuple[int, bytes]]:
    """The messages of an object header, with their types."""
    start = layout.base + address
    head = part.at(start, 40)
    if head[:1] == b"\x01":
        is_new, prefix = False, 8
        blocks = [(start + 16, int.from_bytes(head[8:12], "little"))]
    elif head[:4] == b"OHDR":
        flags = head[5]
        place = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        is_new, prefix = True, 6 if flags & 0x04 else 4
        blocks = [(start + place + width, int.from_bytes(head[place : place + width], "little"))]
    else:
        return
    for number in range(_MOST_BLOCKS):
        if number == len(blocks):
            return
        begin, length = blocks[number]
        block = part.at(begin, length)
        place = 0
        while place + prefix <= len(block):
            kind = block[place] if is_new else int.from_bytes(block[place : place + 2], "little")
            at = place + (1 if is_new else 2)
            size = int.from_bytes(block[at : at + 2], "little")
            message = block[place + prefix : place + prefix + size]
            if kind == _CONTINUATION:
                width = layout.offset_size
                more = layout.base + int.from_bytes(message[:width], "little")
                count = int.from_bytes(message[width : width + layout.length_size], "little")
                blocks.append((more + 4, count - 8) if is_new else (more, count))  # a signature before, a checksum behind
            yield kind, message
            place += prefix + size


def _parse(message: bytes, name: bytes) -> RawAttribute | None:
    """An attribute message; None if it is of another name, or its datatype lies elsewhere."""
    version, flags = (message[0], message[1]) if len(message) > 8 else (0, 0)
    sizes = [int.from_bytes(message[place : place + 2], "little") for place in (2, 4, 6)]
    padded = [(size + 7) // 8 * 8 if version == 1 else size for size in sizes]
    place = 9 if version == 3 else 8
    own = message[place : place + sizes[0]].split(b"\0", 1)[0]
    if own != name or version not in (1, 2, 3) or (version > 1 and flags & 1):
        return None
    second = place + padded[0]
    third = second + padded[1]
    return RawAttribute(message[second : second + sizes[1]], message[third : third + sizes[2]], message[third + padded[2] :])
