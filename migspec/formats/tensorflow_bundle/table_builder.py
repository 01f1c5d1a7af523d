"""Writing a LevelDB table: the file whose layout `leveldb_table` describes and reads.

Sizes and intervals are those with which TensorFlow writes an index, so that equal entries give equal files:
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/lib/io/table_options.h and table_builder.cc beside it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from migspec.formats.crc32c import crc32c, mask
from migspec.formats.leveldb_table import MAGIC
from migspec.formats.tensorflow_bundle.encode import varint

_BLOCK_SIZE = 262144  # bytes after which a block ends
_RESTART_INTERVAL = 16  # keys after which one is written in full
_HANDLES = 40  # bytes of the footer before its magic number
_PLAIN = b"\0"  # the trailer's byte for a block that is not compressed


def build_table(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A table of these entries (key, value), whose keys ascend strictly; else ValueError."""
    table = bytearray()
    index = _Block(interval=1)
    block = _Block(_RESTART_INTERVAL)
    waiting = None  # the place of a finished block: its entry in the index is a key between its last one and the next
    for key, value in entries:
        if waiting is not None:
            index.add(_separator(block.last_key, key), waiting)
            block, waiting = _Block(_RESTART_INTERVAL, block.last_key), None
        if block.last_key is not None and key <= block.last_key:
            raise ValueError(f"the key {key!r} is out of order")
        block.add(key, value)
        if block.size >= _BLOCK_SIZE:
            waiting = _append(table, block)
    if waiting is None and not block.is_empty:
        waiting = _append(table, block)
    metaindex = _append(table, _Block(_RESTART_INTERVAL))
    if waiting is not None:
        index.add(_successor(block.last_key), waiting)
    handles = metaindex + _append(table, index)
    return bytes(table) + handles.ljust(_HANDLES, b"\0") + MAGIC


class _Block:
    """Entries with the prefix that each key shares with the one before it left out."""

    def __init__(self, interval: int, last_key: bytes | None = None) -> None:
        self.last_key = last_key
        self._interval = interval
        self._count = 0
        self._content = bytearray()
        self._restarts = [0]

    @property
    def is_empty(self) -> bool:
        return not self._count

    @property
    def size(self) -> int:
        return len(self._content) + 4 * len(self._restarts) + 4

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self._count % self._interval:
            shared = _shared_length(key, self.last_key or b"")
        elif self._count:
            self._restarts.append(len(self._content))
        self._content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        self._count += 1
        self.last_key = key

    def finish(self) -> bytes:
        return bytes(self._content) + struct.pack(f"<{len(self._restarts) + 1}I", *self._restarts, len(self._restarts))


def _append(table: bytearray, block: _Block) -> bytes:
    """The place of a block that is put at the end of the table."""
    content = block.finish()
    handle = varint(len(table)) + varint(len(content))
    table += content + _PLAIN + mask(crc32c(content + _PLAIN)).to_bytes(4, "little")
    return handle


def _shared_length(left: bytes, right: bytes) -> int:
    for place, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return place
    return min(len(left), len(right))


def _separator(last: bytes | None, following: bytes) -> bytes:
    """A short key from `last` on and before `following`."""
    last = last or b""
    shared = _shared_length(last, following)
    if shared < min(len(last), len(following)) and last[shared] + 1 < following[shared]:
        return last[:shared] + bytes((last[shared] + 1,))
    return last


def _successor(last: bytes | None) -> bytes:
    """A short key from `last` on."""
    last = last or b""
    for place, byte in enumerate(last):
        if byte != 0xFF:
            return last[:place] + bytes((byte + 1,))
    return last
