"""The texts, bytes and integers of a pickle. Short ones are read; long ones are left in the file, and only their place is kept."""

from __future__ import annotations

from codecs import escape_decode

from migspec.formats.input import damaged
from migspec.formats.pickled.place import Cursor
from migspec.formats.pickled.stand_ins import PickledBytes

SHORT_BYTES = 512  # as long as a Python 2 name may be
SHORT_TEXT = 1 << 12  # a longer text is no name, but may be the bytes of an array (protocol 2 in Python 3)
_LONG_INTEGER = 1 << 10  # bytes: states of random generators have 16


def read_text(cursor: Cursor, length: int) -> str | PickledBytes:
    """A text of `length` bytes of UTF-8. Surrogates may stand alone, as in Python's own pickles."""
    if length <= SHORT_TEXT:
        return cursor.take(length).decode("utf-8", "surrogatepass")
    left = PickledBytes(cursor.position, length, "utf-8", None)
    cursor.skip(length)
    return left


def read_bytes(cursor: Cursor, length: int) -> PickledBytes:
    """`length` bytes as they are."""
    begin = cursor.position
    if length <= SHORT_BYTES:
        return PickledBytes(begin, length, "bytes", cursor.take(length))
    cursor.skip(length)
    return PickledBytes(begin, length, "bytes", None)


def read_quoted(cursor: Cursor) -> PickledBytes:
    """A line with bytes as Python 2 writes a string: protocol 0. ValueError if it is none."""
    begin, length = cursor.long_line()
    ends = cursor.place.some(1, begin), cursor.place.some(1, begin + length - 1)
    if length < 2 or ends not in ((b"'", b"'"), (b'"', b'"')):
        raise ValueError("a string without its quotes")
    begin, length = begin + 1, length - 2
    if length > 4 * SHORT_BYTES:
        return PickledBytes(begin, length, "escape_decode", None)
    return PickledBytes(begin, length, "escape_decode", escape_decode(cursor.place.some(length, begin))[0])


def read_escaped_text(cursor: Cursor) -> str | PickledBytes:
    """A line with a text whose characters beyond latin-1 are escaped: protocol 0."""
    begin, length = cursor.long_line()
    if length > SHORT_TEXT:
        return PickledBytes(begin, length, "raw_unicode_escape", None)
    return cursor.place.some(length, begin).decode("raw-unicode-escape")


def read_long(cursor: Cursor, length: int) -> int:
    """An integer of `length` bytes, the lowest first. MIG503 if it is longer than any that a file of weights needs."""
    if length > _LONG_INTEGER:
        raise damaged(cursor.place.path, f"its pickle has an integer of {length} bytes")
    return int.from_bytes(cursor.take(length), "little", signed=True)


def read_integer(cursor: Cursor) -> int | bool:
    """A line with an integer, or with a truth value: protocol 0. ValueError if it is none."""
    line = cursor.line()
    if line in (b"00", b"01"):
        return line == b"01"
    return int(line.removesuffix(b"L"))
