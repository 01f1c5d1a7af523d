"""The wire format of protocol buffers, read in place: https://protobuf.dev/programming-guides/encoding/.

Why not the protobuf library: it makes an object of every field of a message, so that a graph of 2 GB would take several times
that in memory before its first name is known; and it does not say where in the file a field's bytes lie, which is what lets
values be copied straight from there. This walk gives one field after the other and leaves the bytes of long ones where they
are. What a field means stays with the reader of each format.

A field is a plain tuple of four integers, because files have hundreds of thousands of them:

    number, wire type, value, end

For `VARINT`, `FIXED64` and `FIXED32`, `value` is the unsigned integer and `end` the position behind it. For `LENGTH`, the bytes
of the field are those from `value` to `end`. Positions count from the start of the bytes or the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from migspec.formats.input import InputFile, damaged
from migspec.formats.varint import read_varint

VARINT = 0
FIXED64 = 1
LENGTH = 2
FIXED32 = 5
_GROUPS = (3, 4)

Field: TypeAlias = tuple[int, int, int, int]

_WINDOW = 8192  # bytes read at a time; small, because long values lie between the fields that are looked at
_LONGEST_HEAD = 20  # bytes that a tag and the varint or number behind it take at most
_LAST_NUMBER = (1 << 29) - 1


class FileBytes:
    """A file as bytes that are read where they are looked at. One thread at a time."""

    def __init__(self, file: InputFile) -> None:
        self.file = file
        self._start = 0
        self._window = b""

    def __len__(self) -> int:
        return self.file.size

    def __getitem__(self, place: slice) -> bytes:
        """The bytes of `file_bytes[start:end]`; MIG503 if the file does not have them all."""
        start, end = place.start, place.stop
        if end - start > _WINDOW:
            return self.file.exactly(end - start, start)
        self._look_at(start, end)
        return self._window[start - self._start : end - self._start]

    def window(self, position: int) -> tuple[bytes, int]:
        """Bytes of the file and the position of the first: from `position` or before it to where the longest head of a field
        ends, or the file. MIG503 if the file has become shorter."""
        self._look_at(position, min(position + _LONGEST_HEAD, self.file.size))
        return self._window, self._start

    def _look_at(self, start: int, end: int) -> None:
        """Have the window hold the bytes from `start` to `end`."""
        if not self._start <= start or end > self._start + len(self._window):
            self._start, self._window = start, self.file.some(_WINDOW, start)
            if end > start + len(self._window):
                raise damaged(self.file.path, "it was cut short while it was read")


Source: TypeAlias = bytes | FileBytes
"""Where a message is walked: in memory or in a file. `source[start:end]` are its bytes."""


def fields(source: Source, start: int, end: int, *, may_be_cut: bool = False) -> Iterator[Field]:
    """The fields of the message that fills `source` from `start` to `end`, in their order.

    ValueError if that is no message: a field reaches beyond its end, or has a number or wire type that there is not. Groups are
    refused as well, as no format that is read here has any. With `may_be_cut`, a field of bytes may reach beyond the end, and is
    then the last: what is left of a file that was cut short still shows what it was.
    """
    if not 0 <= start <= end <= len(source):
        raise ValueError(f"a message from byte {start} to {end} does not lie in {len(source)} bytes")
    # `data` is a part of the source from `base` on; `position`, `limit` and `safe` count from there. A field that begins
    # before `safe` has its head in `data`.
    base, position, safe, limit = start, 0, 0, end - start
    data = b""
    while True:
        if position >= safe:
            if position >= limit:
                return
            data, new_base = (source, 0) if isinstance(source, bytes) else source.window(base + position)
            position += base - new_base
            base, limit = new_base, end - new_base
            safe = limit if limit <= len(data) else len(data) - _LONGEST_HEAD + 1
        tag = data[position]
        if tag < 0x80:
            position += 1
        else:
            tag, position = read_varint(data, position, limit)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number <= _LAST_NUMBER:
            raise ValueError(f"a field has the number {number}")
        if wire_type == LENGTH:
            if position < limit and data[position] < 0x80:
                length = data[position]
                position += 1
            else:
                length, position = read_varint(data, position, limit)
            if length > limit - position and not may_be_cut:
                raise ValueError(f"field {number} takes {length} bytes where its message has {limit - position} left")
            value = base + position
            position += length
        elif wire_type == VARINT:
            if position < limit and data[position] < 0x80:
                value = data[position]
                position += 1
            else:
                value, position = read_varint(data, position, limit)
        elif wire_type in (FIXED64, FIXED32):
            head = position
            position += 8 if wire_type == FIXED64 else 4
            if position > limit:
                raise ValueError(f"field {number} reaches beyond its message")
            value = int.from_bytes(data[head:position], "little")
        elif wire_type in _GROUPS:
            raise ValueError(f"field {number} is a group")
        else:
            raise ValueError(f"field {number} has the wire type {wire_type}")
        yield number, wire_type, value, base + position


def expect(wire_type: int, expected: int, what: str) -> None:
    """ValueError if a field is not of the wire type that its declaration asks for."""
    if wire_type != expected:
        raise ValueError(f"{what} has the wire type {wire_type}")


def signed(value: int) -> int:
    """An unsigned varint as the int64 (or int32, or enum) that was written: two's complement in 64 bits."""
    return value - (1 << 64) if value >> 63 else value


def text(source: Source, start: int, end: int) -> str:
    """The bytes of a field of type string. ValueError if they are no UTF-8."""
    try:
        return source[start:end].decode()
    except UnicodeDecodeError:
        raise ValueError(f"the text at byte {start} is not UTF-8") from None
