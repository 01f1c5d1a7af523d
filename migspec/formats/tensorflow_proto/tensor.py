"""TensorProto: where its values lie, and what they are.

Field numbers: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/tensor.proto. Which field holds
which dtype, and that a list which is too short repeats its last value: Tensor::FromProto in tensorflow/core/framework/tensor.cc
and `tf.make_ndarray` in tensorflow/python/framework/tensor_util.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy

from migspec.dtypes import itemsize, kind, numpy_dtype
from migspec.formats.protobuf_values import byte_fields, object_array, repeated
from migspec.formats.protobuf_wire import FIXED32, FIXED64, LENGTH, VARINT, Source, expect, fields
from migspec.formats.tensorflow_proto.shape import parse_shape
from migspec.formats.varint import read_varint

_DTYPE, _SHAPE, _CONTENT, _STRINGS, _FLOAT8 = 1, 2, 4, 8, 18

_FIELDS: dict[str, tuple[int, int]] = {
    "float32": (5, FIXED32),
    "float64": (6, FIXED64),
    **dict.fromkeys(("int32", "int16", "int8", "uint8", "uint16"), (7, VARINT)),
    "string": (_STRINGS, LENGTH),
    "complex64": (9, FIXED32),
    "int64": (10, VARINT),
    "bool": (11, VARINT),
    "complex128": (12, FIXED64),
    **dict.fromkeys(("float16", "bfloat16"), (13, VARINT)),  # the bits of each as an integer
    "uint32": (16, VARINT),
    "uint64": (17, VARINT),
    **dict.fromkeys(("float8_e4m3fn", "float8_e5m2"), (_FLOAT8, LENGTH)),
}
"""For each dtype the field that holds its values one by one, and the wire type of one."""


class RepeatsTooOftenError(ValueError):
    """A tensor lists fewer values than it has, and what they stand for is more than its reader wants to make of so little."""


@dataclass(frozen=True, slots=True)
class TensorMessage:
    """A TensorProto that fills its source from `start` to `end`. `dtype` is the number in the enum DataType, `shape` as written.

    `content` is the place of the field tensor_content, if it is there and not empty. `packed` are the fields that hold several
    elements in one piece, by number: the place of the piece, or None if there are several pieces.
    """

    start: int
    end: int
    dtype: int
    shape: tuple[int, ...]
    content: tuple[int, int] | None
    packed: dict[int, tuple[int, int] | None]

    def place(self, dtype: str, count: int) -> tuple[int, int] | None:
        """Where `count` elements of this dtype lie one after the other, as in memory and little endian; else None."""
        if kind(dtype) in ("string", "opaque"):
            return None
        place = self.content
        if place is None:
            number, wire_type = _FIELDS[dtype]
            place = self.packed.get(number) if wire_type != VARINT else None
        return place if place is not None and place[1] - place[0] == count * itemsize(dtype) else None


def parse_tensor(source: Source, start: int, end: int) -> TensorMessage:
    """The tensor of a message. ValueError if it is none, or of unknown rank. No value is looked at."""
    dtype = 0
    shape: tuple[int, ...] = ()
    content = None
    packed: dict[int, tuple[int, int] | None] = {}
    for number, wire_type, value, stop in fields(source, start, end):
        if number == _DTYPE:
            expect(wire_type, VARINT, "the dtype of a tensor")
            dtype = value
        elif number == _SHAPE:
            expect(wire_type, LENGTH, "the shape of a tensor")
            shape += parse_shape(source, value, stop)
        elif number == _CONTENT:
            expect(wire_type, LENGTH, "the content of a tensor")
            content = (value, stop) if stop > value else None
        elif number > _CONTENT:
            packed[number] = (value, stop) if wire_type == LENGTH and number not in packed else None
    return TensorMessage(start, end, dtype, shape, content, packed)


def read_values(
    source: Source, tensor: TensorMessage, dtype: str, shape: tuple[int, ...], *, repeats_up_to: int
) -> numpy.ndarray:
    """The values as an array of this dtype (not an opaque one) and shape; strings are an object array of `bytes`.

    If the tensor lists fewer values than the shape has, the last one fills the rest, or zero if there is none: but only to
    `repeats_up_to` bytes (RepeatsTooOftenError), as a few bytes can claim any shape. ValueError if the values do not fit the shape.
    """
    count = prod(shape)
    values = _strings(source, tensor, count) if dtype == "string" else _numbers(source, tensor, dtype)
    if values.size > count or (tensor.content is not None and values.size != count):
        raise ValueError(f"{values.size} values do not fill the shape {list(shape)}")
    if values.size < count:
        size = count * values.itemsize
        if size > repeats_up_to:
            raise RepeatsTooOftenError(f"it lists {values.size} values for the shape {list(shape)}")
        whole = numpy.full(count, b"" if dtype == "string" else 0, values.dtype)
        if values.size:
            whole[: values.size] = values
            whole[values.size :] = values[-1]
        values = whole
    return values.reshape(shape)


def _numbers(source: Source, tensor: TensorMessage, dtype: str) -> numpy.ndarray:
    element = numpy_dtype(dtype)
    if tensor.content is not None:
        start, end = tensor.content
        if (end - start) % element.itemsize:
            raise ValueError(f"{end - start} bytes are no whole number of elements of {dtype}")
        return numpy.frombuffer(source[start:end], element.newbyteorder("<")).astype(element)
    number, wire_type = _FIELDS[dtype]
    if number == _FLOAT8:
        return numpy.frombuffer(b"".join(byte_fields(source, tensor.start, tensor.end, number)), element)
    return repeated(source, tensor.start, tensor.end, number, wire_type, element)


def _strings(source: Source, tensor: TensorMessage, count: int) -> numpy.ndarray:
    if tensor.content is not None:
        return object_array(_packed_strings(source, tensor.content, count))
    return object_array(byte_fields(source, tensor.start, tensor.end, _STRINGS))


def _packed_strings(source: Source, content: tuple[int, int], count: int) -> list[bytes]:
    """`count` strings from tensor_content: all lengths as varints, then all bytes. Source: EncodeStringList in
    https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/platform/tensor_coding.cc."""
    data = source[content[0] : content[1]]
    if count > len(data):
        raise ValueError(f"{len(data)} bytes cannot be {count} strings")
    position = 0
    lengths = []
    for _ in range(count):
        length, position = read_varint(data, position, len(data))
        lengths.append(length)
    if position + sum(lengths) != len(data):
        raise ValueError(f"{count} strings take {position + sum(lengths)} bytes where {len(data)} are stored")
    strings = []
    for length in lengths:
        strings.append(data[position : position + length])
        position += length
    return strings
