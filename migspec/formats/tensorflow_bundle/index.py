"""What the index of a bundle says: the data files, and each tensor's dtype, shape and place. No data file is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias

from migspec.diagnostics import file_error
from migspec.dtypes import itemsize, kind
from migspec.formats.leveldb_table import read_table
from migspec.formats.tensorflow_bundle.location import index_path, shard_path
from migspec.formats.tensorflow_bundle.records import Entry, Header, parse_entry, parse_header
from migspec.formats.tensorflow_bundle.strings import least_size
from migspec.formats.tensorflow_proto.datatypes import dtype_name
from migspec.formats.tensorflow_proto.shape import SliceExtent
from migspec.formats.tensorflow_proto.slices import SLICE_MARK, Box, box, slice_key, tile

# The version of the format: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/tensor_bundle/tensor_bundle.h
_VERSION = 1
_MOST_SHARDS = 100_000  # the number in a data file's name has five digits


@dataclass(frozen=True, slots=True)
class Whole:
    """A tensor that lies in one piece: `size` bytes from `offset` in the data file `path`. `crc32c` is masked."""

    dtype: str
    shape: tuple[int, ...]
    path: str
    offset: int
    size: int
    crc32c: int


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A tensor that lies in slices, which tile it; `slices` are their bounds as the index has them, in the order of `parts`."""

    dtype: str
    shape: tuple[int, ...]
    parts: tuple[tuple[Box, Whole], ...]
    slices: tuple[tuple[SliceExtent, ...], ...]


Tensor: TypeAlias = Whole | Partitioned


@dataclass(frozen=True, slots=True)
class Index:
    """The index at `path`: its data files, the byte order of their values, and the tensors by key in the order of the keys."""

    path: str
    shards: tuple[str, ...]
    byte_order: Literal["little", "big"]
    tensors: Mapping[str, Tensor]


def read_index(prefix: str) -> Index:
    """Read `prefix + ".index"`. SpecError with MIG501, MIG503, MIG504 or MIG505."""
    path = index_path(prefix)
    entries: dict[bytes, Entry] = {}
    header: Header | None = None
    key = b""
    try:
        for key, value in read_table(path):
            if header is None:
                header = _header(path, key, value)
            else:
                entries[key] = parse_entry(value)
        if header is None:
            raise ValueError("it is empty")
        shards = tuple(shard_path(prefix, number, header.shard_count) for number in range(header.shard_count))
        tensors: dict[str, Tensor] = {}
        used: set[bytes] = set()
        for key, entry in entries.items():
            if key.startswith(SLICE_MARK):
                continue
            tensors[_name(path, key)] = (
                _partitioned(key, entry, entries, shards, used) if entry.slices else _whole(entry, shards)
            )
        for key in entries:
            if key.startswith(SLICE_MARK) and key not in used:
                raise ValueError("it is a slice of no variable")
    except ValueError as error:
        place = f"the entry {key.decode('utf-8', 'backslashreplace')!r} of the index" if key else "the index"
        raise file_error("MIG503", path, f"{place} is damaged: {error}") from None
    return Index(path, shards, "big" if header.big_endian else "little", tensors)


def _header(path: str, key: bytes, value: bytes) -> Header:
    """The first entry of the index."""
    if key:
        raise ValueError("the header of a checkpoint does not stand before it")
    header = parse_header(value)
    if not 0 < header.shard_count <= _MOST_SHARDS:
        raise ValueError(f"it claims {header.shard_count} data files")
    if header.min_consumer > _VERSION:
        raise file_error(
            "MIG505", path, f"the checkpoint wants a reader of version {header.min_consumer}, this one is {_VERSION}"
        )
    return header


def _name(path: str, key: bytes) -> str:
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError:
        raise file_error("MIG505", path, f"the variable name {key!r} is not UTF-8") from None


def _whole(entry: Entry, shards: tuple[str, ...]) -> Whole:
    dtype = dtype_name(entry.dtype)
    if min(entry.shape, default=0) < 0:
        raise ValueError(f"its shape is {list(entry.shape)}")
    if not 0 <= entry.shard < len(shards):
        raise ValueError(f"it lies in data file {entry.shard} of {len(shards)}")
    if entry.offset < 0 or entry.size < 0:
        raise ValueError(f"it takes {entry.size} bytes from byte {entry.offset}")
    count = prod(entry.shape)
    match kind(dtype):
        case "opaque":
            right = True
        case "string":
            right = entry.size >= least_size(count)
        case _:
            right = entry.size == count * itemsize(dtype)
    if not right:
        raise ValueError(f"{dtype} {list(entry.shape)} cannot take {entry.size} bytes")
    return Whole(dtype, entry.shape, shards[entry.shard], entry.offset, entry.size, entry.crc32c)


def _partitioned(
    key: bytes, entry: Entry, entries: Mapping[bytes, Entry], shards: tuple[str, ...], used: set[bytes]
) -> Partitioned | Whole:
    """The tensor of an entry with slices. The keys of these are added to `used`."""
    dtype = dtype_name(entry.dtype)
    if min(entry.shape, default=0) < 0:
        raise ValueError(f"its shape is {list(entry.shape)}")
    parts = []
    for extents in entry.slices:
        part = box(entry.shape, extents)
        if all(length is None for _, length in extents):
            # A slice without bounds is the variable itself: the entry has the place of its data, as TensorFlow reads it.
            return _whole(entry, shards)
        part_key = slice_key(key, extents)
        if part_key not in entries:
            raise ValueError(f"its slice from {list(part.start)} to {list(part.stop)} is missing")
        used.add(part_key)
        whole = _whole(entries[part_key], shards)
        if (whole.dtype, whole.shape) != (dtype, part.shape):
            raise ValueError(f"its slice of {dtype} {list(part.shape)} is {whole.dtype} {list(whole.shape)}")
        parts.append((part, whole))
    if not tile(entry.shape, [part for part, _ in parts]):
        raise ValueError(f"its {len(parts)} slices do not cover {list(entry.shape)}, each element once")
    return Partitioned(dtype, entry.shape, tuple(parts), entry.slices)
