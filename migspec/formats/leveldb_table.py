"""A LevelDB table: the container of a V2 bundle's index, and of a whole V1 checkpoint.

The layout is described in https://github.com/google/leveldb/blob/main/doc/table_format.md: data blocks, an index block with the
place of each, and a footer of 48 bytes that ends in a magic number. Every block is followed by a byte for its compression
(0 none, 1 snappy) and the masked CRC-32C of the block and that byte.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from migspec.diagnostics import SpecError, file_error
from migspec.formats.crc32c import crc32c, unmask
from migspec.formats.input import InputFile
from migspec.formats.lfs_pointer import pointer_helps
from migspec.formats.protobuf_wire import Source
from migspec.formats.varint import read_varint

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER = 48
_TRAILER = 5
_LONGEST_ENTRY_HEAD = 30  # three varints

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


@dataclass(frozen=True, slots=True)
class Block:
    """A block: where its `size` bytes lie, whether they are plain (else snappy), the checksum of them and the byte behind."""

    offset: int
    size: int
    plain: bool
    crc32c: int


class Table:
    """An open table. Opening reads its index block only; every block that is read has its checksum verified.

    `what` is what errors call the file, such as "the index". Errors are `SpecError`: MIG501 if the file cannot be read, MIG503
    if it is damaged, MIG504 if a block's checksum differs, MIG505 for a compression that is not snappy.
    """

    def __init__(self, path: str, what: str) -> None:
        self.path = path
        self._what = what
        self.file = InputFile(path)
        try:
            footer = self._footer()
            self._end = self.file.size - _FOOTER
            self._last_keys: list[bytes] = []  # for each block a key that is not below its own, and below those of the next
            self._places: list[tuple[int, int]] = []
            self._read_index(footer)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Table:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Every entry (key, value), keys strictly ascending, one block in memory at a time."""
        previous = None
        for number in range(len(self._places)):
            content = self.content(self.block(number))
            try:
                for key, start, end in block_entries(content, 0, len(content)):
                    if previous is not None and key <= previous:
                        raise ValueError(f"the key {key!r} is out of order")
                    previous = key
                    yield key, content[start:end]
            except ValueError as error:
                raise self.damaged(error) from None

    def find(self, key: bytes) -> int | None:
        """The number of the block where the key stands if it is in the table."""
        number = bisect_left(self._last_keys, key)
        return number if number < len(self._places) else None

    def block(self, number: int) -> Block:
        """The place of the block of this number, counted from 0."""
        return self._block(*self._places[number])

    def content(self, block: Block) -> bytes:
        """What is in a block, decompressed."""
        data = self.file.exactly(block.size + 1, block.offset)
        if crc32c(data) != block.crc32c:
            raise self.checksum_differs(block)
        return data[:-1] if block.plain else self._decompressed(data[:-1])

    def damaged(self, error: object) -> SpecError:
        """The diagnostic (MIG503) for what is wrong with the table."""
        return file_error("MIG503", self.path, f"{self._what} is damaged: {error}")

    def checksum_differs(self, block: Block) -> SpecError:
        """The diagnostic (MIG504) for a block that has changed."""
        return file_error("MIG504", self.path, f"the checksum of the block at byte {block.offset} of {self._what} differs")

    def _footer(self) -> bytes:
        size = self.file.size
        footer = self.file.some(_FOOTER, max(0, size - _FOOTER))
        if len(footer) < _FOOTER or not footer.endswith(MAGIC):
            raise file_error(
                "MIG503",
                self.path,
                f"{self._what} does not end in the footer of a LevelDB table",
                notes=(f"{self.path} has {size} bytes: it is cut short, or it is no TensorFlow checkpoint",),
                helps=pointer_helps(self.path),
            )
        return footer

    def _read_index(self, footer: bytes) -> None:
        try:
            _, position = _handle(footer, 0)
            handle, _ = _handle(footer, position)
            index = self.content(self._block(*handle))
            free = 0
            for key, start, _ in block_entries(index, 0, len(index)):
                (offset, size), _ = _handle(index, start)
                if offset < free:
                    raise ValueError(f"the block at byte {offset} overlaps the one before it")
                if self._last_keys and key <= self._last_keys[-1]:
                    raise ValueError(f"the key {key!r} of a block is out of order")
                free = offset + size
                self._last_keys.append(key)
                self._places.append((offset, size))
        except ValueError as error:
            raise self.damaged(error) from None

    def _block(self, offset: int, size: int) -> Block:
        if offset + size + _TRAILER > self._end:
            raise self.damaged(f"a block of {size} bytes at byte {offset} reaches beyond the {self._end} bytes of blocks")
        compression, *checksum = self.file.exactly(_TRAILER, offset + size)
        if compression not in (0, 1):
            # The checksum comes first: a method that does not exist is rather damage than a new kind of file.
            if crc32c(self.file.exactly(size + 1, offset)) != unmask(int.from_bytes(bytes(checksum), "little")):
                raise self.checksum_differs(Block(offset, size, True, 0))
            raise file_error(
                "MIG505", self.path, f"{self._what} is compressed by method {compression}, which is neither none nor snappy"
            )
        return Block(offset, size, compression == 0, unmask(int.from_bytes(bytes(checksum), "little")))

    def _decompressed(self, data: bytes) -> bytes:
        import cramjam

        try:
            length = cramjam.snappy.decompress_raw_len(data)
            if length > _SNAPPY_GROWTH * len(data):
                raise self.damaged(f"{len(data)} bytes of snappy claim to be {length} bytes")
            return bytes(cramjam.snappy.decompress_raw(data))
        except cramjam.DecompressionError as error:
            raise self.damaged(error) from None


def read_table(path: str) -> Iterator[tuple[bytes, bytes]]:
    """The entries (key, value) of a bundle's index, keys strictly ascending, one block in memory at a time. Errors as `Table`."""
    if not Path(path).is_file():
        raise file_error("MIG501", path, "the index of the checkpoint is missing")
    with Table(path, "the index") as table:
        yield from table.entries()


def block_entries(source: Source, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The entries of the block that fills `source` from `start` to `end`: the key, and where the value begins and ends.

    An entry is the length of the prefix that its key shares with the key before it, the length of the rest, the length of the
    value, the rest, the value. Behind them stand the places of the keys that are written in full. ValueError if that is not so.
    """
    size = end - start
    restarts = int.from_bytes(source[end - 4 : end], "little") if size >= 4 else -1
    limit = end - 4 * (restarts + 1)
    if restarts < 0 or limit < start:
        raise ValueError(f"a block of {size} bytes claims {restarts} restart points")
    key = b""
    grown = 0
    position = start
    while position < limit:
        head = source[position : min(position + 3, limit)]
        # Lengths below 128 take one byte each, and nearly all are: a call for each varint would double the time.
        if len(head) == 3 and max(head) < 0x80:
            shared, rest, length = head
            position += 3
        else:
            head = source[position : min(position + _LONGEST_ENTRY_HEAD, limit)]
            shared, taken = read_varint(head, 0, len(head))
            rest, taken = read_varint(head, taken, len(head))
            length, taken = read_varint(head, taken, len(head))
            position += taken
        value = position + rest
        stop = value + length
        if shared > len(key) or stop > limit:
            raise ValueError("an entry reaches beyond its block")
        key = key[:shared] + source[position:value]
        grown += len(key)
        if grown > _KEY_GROWTH * size:
            raise ValueError(f"{size} bytes expand to more than {grown} bytes of keys")
        yield key, value, stop
        position = stop


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    """The offset and size of a block, and the position behind them."""
    offset, position = read_varint(data, position, len(data))
    size, position = read_varint(data, position, len(data))
    return (offset, size), position
