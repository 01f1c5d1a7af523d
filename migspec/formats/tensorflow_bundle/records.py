"""The protobuf messages of a V2 bundle, decoded into plain data. Field numbers:

- https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/tensor_bundle.proto
- https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/versions.proto
- https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/trackable_object_graph.proto
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from migspec.formats.protobuf_wire import FIXED32, LENGTH, VARINT, expect, fields, signed, text
from migspec.formats.tensorflow_proto.shape import SliceExtent, parse_shape, parse_slice


@dataclass(frozen=True, slots=True)
class Header:
    """BundleHeaderProto: the number of data files, the byte order of their values, the oldest reader that can read them."""

    shard_count: int
    big_endian: bool
    min_consumer: int


@dataclass(frozen=True, slots=True)
class Entry:
    """BundleEntryProto. `dtype` is the number in the enum DataType, `crc32c` is masked as it is in the file.

    With `slices` it is the entry of a partitioned variable: dtype and shape are those of the whole, and each slice has an
    entry of its own.
    """

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc32c: int
    slices: tuple[tuple[SliceExtent, ...], ...]


def parse_header(data: bytes) -> Header:
    """The value under a bundle's empty key. ValueError if it is none."""
    shard_count = endianness = min_consumer = 0
    for number, wire_type, value, end in fields(data, 0, len(data)):
        match number:
            case 1 | 2:
                expect(wire_type, VARINT, "the header's number of shards or byte order")
                if number == 1:
                    shard_count = signed(value)
                else:
                    endianness = value
            case 3:
                expect(wire_type, LENGTH, "the header's version")
                for inner, inner_type, inner_value, _ in fields(data, value, end):
                    if inner == 2:
                        expect(inner_type, VARINT, "the header's oldest reader")
                        min_consumer = signed(inner_value)
    return Header(shard_count, endianness == 1, min_consumer)


_ENTRY_TYPES = {1: VARINT, 2: LENGTH, 3: VARINT, 4: VARINT, 5: VARINT, 6: FIXED32, 7: LENGTH}


def parse_entry(data: bytes) -> Entry:
    """The value under any other key of a bundle. ValueError if it is none, or of unknown rank."""
    dtype = shard = offset = size = crc32c = 0
    shape: tuple[int, ...] = ()
    slices = []
    for number, wire_type, value, end in fields(data, 0, len(data)):
        if _ENTRY_TYPES.get(number, wire_type) != wire_type:
            raise ValueError(f"field {number} of an entry has the wire type {wire_type}")
        if number == 1:
            dtype = value
        elif number == 2:
            shape += _shape(data[value:end])  # protobuf merges what is written in two parts
        elif number == 3:
            shard = signed(value)
        elif number == 4:
            offset = signed(value)
        elif number == 5:
            size = signed(value)
        elif number == 6:
            crc32c = value
        elif number == 7:
            slices.append(parse_slice(data, value, end))
    return Entry(dtype, shape, shard, offset, size, crc32c, tuple(slices))


@lru_cache(maxsize=4096)  # a model has many variables and few shapes, and this is half of the time that an entry takes
def _shape(data: bytes) -> tuple[int, ...]:
    return parse_shape(data, 0, len(data))


def parse_full_names(data: bytes) -> dict[str, str]:
    """A TrackableObjectGraph: checkpoint key -> full name, where one is recorded. ValueError if it is none."""
    names = {}
    for number, wire_type, node, node_end in fields(data, 0, len(data)):
        if number != 1:
            continue
        expect(wire_type, LENGTH, "a node")
        for inner, inner_type, attribute, attribute_end in fields(data, node, node_end):
            if inner != 2:
                continue
            expect(inner_type, LENGTH, "an attribute of a node")
            full_name, checkpoint_key = _attribute(data, attribute, attribute_end)
            if full_name:
                names[checkpoint_key] = full_name
    return names


def _attribute(data: bytes, start: int, end: int) -> tuple[str, str]:
    full_name = checkpoint_key = ""
    for number, wire_type, value, stop in fields(data, start, end):
        if number in (2, 3):
            expect(wire_type, LENGTH, "a name of a variable")
            if number == 2:
                full_name = text(data, value, stop)
            else:
                checkpoint_key = text(data, value, stop)
    return full_name, checkpoint_key
