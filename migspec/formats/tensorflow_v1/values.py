"""The values in one file of a V1 checkpoint, found by key.

An entry is the message SavedTensorSlices with a SavedSlice of one variable: https://github.com/tensorflow/tensorflow/blob/
master/tensorflow/core/util/saved_tensor_slice.proto. TensorFlow ends a block at 256 KiB and never splits an entry, so that a
block is small, or little more than one large variable (tensorflow/core/lib/io/table_builder.cc and table_options.h).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy

from migspec.diagnostics.model import file_error
from migspec.formats.base import Extent
from migspec.formats.crc32c import checksum_of_middle, crc32c
from migspec.formats.leveldb_table import Block, Table, block_entries
from migspec.formats.protobuf_wire import LENGTH, FileBytes, Source, expect, fields, text
from migspec.formats.tensorflow_proto.tensor import TensorMessage, parse_tensor, read_values
from migspec.formats.tensorflow_v1.metadata import VERSION, Part, SavedSlices, parse_metadata

_LARGE = 1 << 20  # bytes of a plain block above which it is never brought into memory whole
_KEPT = 8  # small blocks that are kept in memory, as neighbours are asked for one after the other
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an entry's value lies in the content of its block; in the file, if that block is large. `extent` is the place in
    the file of the bare elements, if they stand there as in memory."""

    block: int
    start: int
    end: int
    extent: Extent | None


class Shard:
    """One open file of a checkpoint. Errors are `SpecError`: MIG502 if it is the index of a V2 checkpoint, MIG505 if it asks for
    a newer reader, else as `Table`."""

    def __init__(self, path: str) -> None:
        self._table = Table(path, "the checkpoint")
        self._wanted: dict[bytes, Part] = {}
        self._places: dict[bytes, _Place] = {}
        self._walked: set[int] = set()
        self._verified: set[int] = set()
        self._content = lru_cache(_KEPT)(self._read_content)
        try:
            self.variables = self._metadata()
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> str:
        return self._table.path

    def want(self, parts: Iterable[Part]) -> None:
        """Say which entries will be asked for."""
        self._wanted = {part.key: part for part in parts}

    def extent(self, part: Part) -> Extent | None:
        """Where the elements of a slice lie in the file, if they stand there as in memory."""
        return self._place(part).extent

    def read(self, part: Part) -> numpy.ndarray:
        """The values of a slice, in its own shape, their checksum verified."""
        place = self._place(part)
        block = self._table.block(place.block)
        if _in_file(block):
            self._verify(block, place)
        try:
            source = self._source(place.block, block)
            tensor = self._tensor(source, place.start, place.end, part)
            return read_values(source, tensor, part.dtype, part.box.shape, repeats_up_to=0)
        except ValueError as error:
            raise self._damaged(part, error) from None

    def close(self) -> None:
        self._content.cache_clear()
        self._table.close()

    def _metadata(self) -> list[SavedSlices]:
        block = self._table.block(0) if self._table.find(b"") is not None else None
        try:
            if block is None:
                raise ValueError("it is empty")
            source = self._source(0, block)
            key, start, end = next(block_entries(source, *_bounds(source, block)), (b"?", 0, 0))
            if key:
                raise ValueError("it has no list of its variables")
            if source[start : start + 1] == b"\x08":  # BundleHeaderProto begins with a number, this message with a message
                raise file_error(
                    "MIG502",
                    self.path,
                    f"`{self.path}` is the index of a TensorFlow V2 checkpoint",
                    helps=["give it its name back, which ends in `.index`, and put its data files beside it"],
                )
            variables, oldest_reader = parse_metadata(source, start, end)
        except ValueError as error:
            raise self._table.damaged(error) from None
        if oldest_reader > VERSION:
            raise file_error(
                "MIG505", self.path, f"the checkpoint wants a reader of version {oldest_reader}, this one is {VERSION}"
            )
        return variables

    def _place(self, part: Part) -> _Place:
        if part.key not in self._places:
            number = self._table.find(part.key)
            if number is not None and number not in self._walked:
                self._walk(number)
            if part.key not in self._places:
                raise self._table.damaged(f"the values of `{part.name}` are missing")
        return self._places[part.key]

    def _walk(self, number: int) -> None:
        """Find every entry of a block that will be asked for."""
        block = self._table.block(number)
        source = self._source(number, block)
        try:
            for key, start, end in block_entries(source, *_bounds(source, block)):
                if part := self._wanted.get(key):
                    extent = self._extent(part, source, start, end, block)
                    self._places[key] = _Place(number, start, end, extent)
        except ValueError as error:
            raise self._table.damaged(error) from None
        self._walked.add(number)

    def _extent(self, part: Part, source: Source, start: int, end: int, block: Block) -> Extent | None:
        place = self._tensor(source, start, end, part).place(part.dtype, prod(part.box.shape)) if block.plain else None
        if place is None:
            return None
        length = place[1] - place[0]
        if isinstance(source, bytes):
            return Extent(self.path, block.offset + place[0], length, crc32c=crc32c(source[place[0] : place[1]]))
        if length * 2 < block.size:  # a small neighbour of a large one: read, with the whole block summed once
            return None
        # The checksum of the values follows from those of the block and of what stands around them.
        before = self._sum(block.offset, place[0])
        block_end = block.offset + block.size + 1
        after = self._sum(place[1], block_end)
        values = checksum_of_middle(block.crc32c, before, length, after, block_end - place[1])
        return Extent(self.path, place[0], length, crc32c=values)

    def _tensor(self, source: Source, start: int, end: int, part: Part) -> TensorMessage:
        """The tensor in the entry of a slice. ValueError if there is none, or it is another variable's."""
        for number, wire_type, value, stop in fields(source, start, end):
            if number != 2:
                continue
            expect(wire_type, LENGTH, "an entry")
            name, tensor = "", None
            for inner, inner_type, inner_value, inner_stop in fields(source, value, stop):
                if inner in (1, 3):
                    expect(inner_type, LENGTH, "a part of an entry")
                    if inner == 1:
                        name = text(source, inner_value, inner_stop)
                    else:
                        tensor = parse_tensor(source, inner_value, inner_stop)
            if name != part.name or tensor is None:
                raise ValueError(f"the values of `{part.name}` are those of `{name}`" if tensor else "an entry has no values")
            return tensor
        raise ValueError(f"the entry of `{part.name}` is empty")

    def _verify(self, block: Block, place: _Place) -> None:
        """Sum what is about to be read of a large block: the values alone if they have a checksum, else the whole block."""
        extent = place.extent
        if place.block in self._verified:
            return
        if extent is None:
            differs = self._sum(block.offset, block.offset + block.size + 1) != block.crc32c
        else:
            differs = self._sum(extent.offset, extent.offset + extent.length) != extent.crc32c
        if differs:
            raise self._table.checksum_differs(block)
        if extent is None:
            self._verified.add(place.block)

    def _sum(self, start: int, end: int) -> int:
        checksum = 0
        while start < end:
            piece = self._table.file.exactly(min(_PIECE, end - start), start)
            checksum = crc32c(piece, checksum)
            start += len(piece)
        return checksum

    def _source(self, number: int, block: Block) -> Source:
        return FileBytes(self._table.file) if _in_file(block) else self._content(number)

    def _read_content(self, number: int) -> bytes:
        return self._table.content(self._table.block(number))

    def _damaged(self, part: Part, error: ValueError) -> Exception:
        return file_error("MIG503", self.path, f"the values of `{part.name}` are damaged: {error}")


def _in_file(block: Block) -> bool:
    """Whether a block is read where it lies: what is compressed cannot be, and what is small is checked first."""
    return block.plain and block.size > _LARGE


def _bounds(source: Source, block: Block) -> tuple[int, int]:
    """Where the content of a block begins and ends in its source."""
    return (0, len(source)) if isinstance(source, bytes) else (block.offset, block.offset + block.size)
