"""The protobuf messages of a V2 bundle, decoded into plain data.

The messages are declared at run time, in a descriptor pool of their own: TensorFlow registers messages of the same names in
the default pool, and both may be loaded in one process. Only the fields that are used are declared, under the numbers of

- https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/tensor_bundle.proto
- https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/tensor_shape.proto
- https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/tensor_slice.proto
- https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/versions.proto
- https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/trackable_object_graph.proto

An enum is declared as the integer that it is on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

SliceExtent: TypeAlias = tuple[int, int | None]
"""Start and length of a slice along one axis; the length None means the whole axis."""

# message -> its fields: name, number, type (a scalar or another message), whether repeated
_SCHEMA: dict[str, tuple[tuple[str, int, str, bool], ...]] = {
    "VersionDef": (("producer", 1, "int32", False), ("min_consumer", 2, "int32", False)),
    "BundleHeaderProto": (
        ("num_shards", 1, "int32", False),
        ("endianness", 2, "int32", False),
        ("version", 3, "VersionDef", False),
    ),
    "Dim": (("size", 1, "int64", False),),
    "Shape": (("dim", 2, "Dim", True), ("unknown_rank", 3, "bool", False)),
    "Extent": (("start", 1, "int64", False), ("length", 2, "int64", False)),
    "Slice": (("extent", 1, "Extent", True),),
    "BundleEntryProto": (
        ("dtype", 1, "int32", False),
        ("shape", 2, "Shape", False),
        ("shard_id", 3, "int32", False),
        ("offset", 4, "int64", False),
        ("size", 5, "int64", False),
        ("crc32c", 6, "fixed32", False),
        ("slices", 7, "Slice", True),
    ),
    "Attribute": (("full_name", 2, "string", False), ("checkpoint_key", 3, "string", False)),
    "Node": (("attributes", 2, "Attribute", True),),
    "TrackableObjectGraph": (("nodes", 1, "Node", True),),
}
_PACKAGE = "migspec.tensorflow_bundle"


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
    message = _parse("BundleHeaderProto", data)
    return Header(message.num_shards, message.endianness == 1, message.version.min_consumer)


def parse_entry(data: bytes) -> Entry:
    """The value under any other key of a bundle. ValueError if it is none, or of unknown rank."""
    message = _parse("BundleEntryProto", data)
    shape = message.shape
    if shape.unknown_rank:
        raise ValueError("the rank is unknown")
    return Entry(
        message.dtype,
        tuple([dim.size for dim in shape.dim]),
        message.shard_id,
        message.offset,
        message.size,
        message.crc32c,
        tuple([_slice(part) for part in message.slices]),
    )


def parse_full_names(data: bytes) -> dict[str, str]:
    """A TrackableObjectGraph: checkpoint key -> full name, where one is recorded. ValueError if it is none."""
    return {
        attribute.checkpoint_key: attribute.full_name
        for node in _parse("TrackableObjectGraph", data).nodes
        for attribute in node.attributes
        if attribute.full_name
    }


def _slice(part: Any) -> tuple[SliceExtent, ...]:
    # A length of -1 means the same as none: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/
    # tensor_slice.cc
    return tuple(
        (extent.start, extent.length) if extent.HasField("length") and extent.length != -1 else (0, None)
        for extent in part.extent
    )


def _parse(name: str, data: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return _message_class(name).FromString(data)
    except DecodeError:
        raise ValueError(f"{len(data)} bytes are no message {name}") from None


@cache
def _message_class(name: str) -> Any:
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(name="migspec/tensorflow_bundle.proto", package=_PACKAGE, syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto.Type
    labels = descriptor_pb2.FieldDescriptorProto.Label
    for message_name, fields in _SCHEMA.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind, repeated in fields:
            field = message.field.add(name=name, number=number)
            field.label = labels.Value("LABEL_REPEATED" if repeated else "LABEL_OPTIONAL")
            if kind in _SCHEMA:
                field.type = kinds.Value("TYPE_MESSAGE")
                field.type_name = f".{_PACKAGE}.{kind}"
            else:
                field.type = kinds.Value(f"TYPE_{kind.upper()}")
            if (message_name, name) == ("Extent", "length"):
                # In a oneof, because 0 and "not there" differ for this field alone.
                message.oneof_decl.add(name="has_length")
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool
