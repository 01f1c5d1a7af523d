"""A LevelDB table: the container of a V2 bundle's index.

The layout is described in https://github.com/google/leveldb/blob/main/doc/table_format.md: data blocks, an index block with the
place of each, and a footer of 48 bytes that ends in a magic number. Every block is followed by a byte for its compression
(0 none, 1 snappy) and the masked CRC-32C of the block and that byte.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from migspec.diagnostics import file_error
from migspec.formats.tensorflow_bundle.checksum import crc32c, unmask
from migspec.formats.tensorflow_bundle.pointer import pointer_helps
from migspec.formats.tensorflow_bundle.varint import read_varint

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER = 48
_TRAILER = 5

# A file of a megabyte may not grow into gigabytes. Snappy's widest copy makes 64 bytes out of 3; a key may repeat all of the
# key before it, but LevelDB writes every 16th key in full, so that keys never grow more than sixteenfold.
_SNAPPY_GROWTH = 32
_KEY_GROWTH = 64


def has_footer(path: Path) -> bool:
    """Whether the file ends in the footer of a table. OSError if it cannot be read."""
    if not path.is_file():  # never wait on a pipe
        return False
    with path.open("rb") as file:
        if file.seek(0, 2) < _FOOTER:
            return False
        file.seek(-len(MAGIC), 2)
        return file.read() == MAGIC


def read_table(path: str) -> Iterator[tuple[bytes, bytes]]:
    """The entries (key, value), keys strictly ascending, one block in memory at a time.

    Raises SpecError: MIG501 if the file cannot be read, MIG503 if it is damaged, MIG504 if a block's checksum differs, MIG505
    for a compression that is not snappy.
    """
    try:
        if not Path(path).is_file():
            raise file_error("MIG501", path, "the index of the checkpoint is missing")
        with Path(path).open("rb") as file:
            yield from _entries(path, file)
    except OSError as error:
        raise file_error("MIG501", path, f"the index cannot be read: {error.strerror}") from None


def _entries(path: str, file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    size = file.seek(0, 2)
    file.seek(max(0, size - _FOOTER))
    footer = file.read(_FOOTER)
    if len(footer) < _FOOTER or not footer.endswith(MAGIC):
        raise file_error(
            "MIG503",
            path,
            "the index does not end in the footer of a LevelDB table",
            notes=(f"{path} has {size} bytes: it is cut short, or it is no index of a TensorFlow checkpoint",),
            helps=pointer_helps(path),
        )
    end = size - _FOOTER
    try:
        _, position = _handle(footer, 0)
        index, _ = _handle(footer, position)
        previous = None
        free = 0
        for _, value in _block_entries(_block(path, file, index, end)):
            block, _ = _handle(value, 0)
            if block[0] < free:
                raise ValueError(f"the block at byte {block[0]} overlaps the one before it")
            free = block[0] + block[1]
            for entry in _block_entries(_block(path, file, block, end)):
                if previous is not None and entry[0] <= previous:
                    raise ValueError(f"the key {entry[0]!r} is out of order")
                previous = entry[0]
                yield entry
    except ValueError as error:
        raise file_error("MIG503", path, f"the index is damaged: {error}") from None


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """The offset and size of a block, and the position behind them."""
    offset, position = read_varint(data, position, len(data))
    size, position = read_varint(data, position, len(data))
    return (offset, size), position


def _block(path: str, file: BinaryIO, handle: tuple[int, int], end: int) -> bytes:
    """The content of one block, its checksum verified, decompressed. `end` is where the blocks of the file end."""
    offset, size = handle
    if offset + size + _TRAILER > end:
        raise ValueError(f"a block of {size} bytes at byte {offset} reaches beyond the {end} bytes of blocks")
    file.seek(offset)
    data = file.read(size + _TRAILER)
    if len(data) != size + _TRAILER:
        raise ValueError("the file became shorter while it was read")
    if crc32c(data[:-4]) != unmask(int.from_bytes(data[-4:], "little")):
        raise file_error("MIG504", path, f"the checksum of the index block at byte {offset} differs")
    match data[size]:
        case 0:  # plain
            return data[:size]
        case 1:  # snappy
            return _decompress(data[:size])
        case other:
            raise file_error("MIG505", path, f"the index is compressed by method {other}, which is neither none nor snappy")


def _decompress(data: bytes) -> bytes:
    import cramjam

    try:
        length = cramjam.snappy.decompress_raw_len(data)
        if length > _SNAPPY_GROWTH * len(data):
            raise ValueError(f"{len(data)} bytes of snappy claim to be {length} bytes")
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise ValueError(str(error)) from None


def _block_entries(data: bytes) -> list[tuple[bytes, bytes]]:
    """The entries of one block: each is the length of the prefix that its key shares with the key before it, the length of
    the rest, the length of the value, the rest, the value. Behind them stand the places of the keys that are written in full.
    """
    restarts = int.from_bytes(data[-4:], "little") if len(data) >= 4 else -1
    limit = len(data) - 4 * (restarts + 1)
    if restarts < 0 or limit < 0:
        raise ValueError(f"a block of {len(data)} bytes claims {restarts} restart points")
    entries = []
    key = b""
    grown = 0
    position = 0
    while position < limit:
        header = data[position : position + 3]
        # Lengths below 128 take one byte each, and nearly all are: a call for each varint would double the time.
        if max(header) < 0x80 and len(header) == 3:
            shared, rest, length = header
            position += 3
        else:
            shared, position = read_varint(data, position, limit)
            rest, position = read_varint(data, position, limit)
            length, position = read_varint(data, position, limit)
        start = position + rest
        position = start + length
        if shared > len(key) or position > limit:
            raise ValueError("an entry reaches beyond its block")
        key = key[:shared] + data[start - rest : start]
        grown += len(key)
        if grown > _KEY_GROWTH * len(data):
            raise ValueError(f"{len(data)} bytes expand to more than {grown} bytes of keys")
        entries.append((key, data[start:position]))
    return entries
