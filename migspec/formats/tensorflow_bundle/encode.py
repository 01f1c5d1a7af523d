"""The protobuf messages of a V2 bundle's index, encoded as TensorFlow encodes them: fields in order, zeros left out.

Field numbers: see `records`, which reads the same messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from migspec.formats.protobuf_wire import FIXED32, LENGTH, VARINT
from migspec.formats.tensorflow_proto.shape import SliceExtent

_PRODUCER = 1  # the version of the format, which each writer stores
_CRC32C_TAG = bytes((6 << 3 | FIXED32,))


def varint(number: int) -> bytes:
    """A number from 0 to 2**64 - 1."""
    if number < 0x80:
        return bytes((number,))
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def encode_header() -> bytes:
    """BundleHeaderProto of a bundle with one data file, whose values are little endian."""
    return _number(1, 1) + _message(3, _number(1, _PRODUCER))


def encode_entry(dtype: int, shape: tuple[int, ...], offset: int, size: int, crc32c: int) -> bytes:
    """BundleEntryProto of values that lie in the first data file. `crc32c` is masked."""
    return _tensor(dtype, shape) + _number(4, offset) + _number(5, size) + _CRC32C_TAG + crc32c.to_bytes(4, "little")


def encode_partitioned(dtype: int, shape: tuple[int, ...], slices: Sequence[Sequence[SliceExtent]]) -> bytes:
    """BundleEntryProto of a partitioned variable, whose slices have entries of their own."""
    return _tensor(dtype, shape) + b"".join(_message(7, b"".join(map(_extent, extents))) for extents in slices)


@lru_cache(maxsize=4096)  # a model has many variables and few shapes, and this is half of the time that an entry takes
def _tensor(dtype: int, shape: tuple[int, ...]) -> bytes:
    return _number(1, dtype) + _message(2, b"".join(_message(2, _number(1, length)) for length in shape))


def _extent(extent: SliceExtent) -> bytes:
    start, length = extent
    # The length stands in a oneof, which is written even where it is 0; nothing at all is the whole axis.
    return _message(1, b"" if length is None else _number(1, start) + varint(2 << 3 | VARINT) + varint(length))


def _number(field: int, value: int) -> bytes:
    return bytes((field << 3 | VARINT,)) + varint(value) if value else b""


def _message(field: int, content: bytes) -> bytes:
    return bytes((field << 3 | LENGTH,)) + varint(len(content)) + content
