"""TensorProto of ONNX: what a tensor is, and where its values lie. Sources: see the package."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy

from migspec.dtypes import itemsize, kind, numpy_dtype
from migspec.formats.protobuf_values import byte_fields, object_array, repeated, varints
from migspec.formats.protobuf_wire import FIXED32, FIXED64, LENGTH, VARINT, Source, expect, fields, signed, text

_DTYPES = (
    "", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64", "uint32",
    "uint64", "complex64", "complex128", "bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz",
    "uint4", "int4", "float4_e2m1fn", "float8_e8m0fnu", "uint2", "int2", "float6_e2m3fn", "float6_e3m2fn",
)  # fmt: skip
"""TensorProto.DataType by the names that migspec and ml_dtypes use."""

_NAME, _RAW, _STRINGS = 8, 9, 6

_FIELDS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("float32", "complex64"), (4, FIXED32)),
    **dict.fromkeys(("int32", "int16", "int8", "uint16", "uint8", "bool"), (5, VARINT)),
    **dict.fromkeys(("float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"), (5, VARINT)),  # their bits as an integer
    "string": (_STRINGS, LENGTH),
    "int64": (7, VARINT),
    **dict.fromkeys(("float64", "complex128"), (10, FIXED64)),
    **dict.fromkeys(("uint32", "uint64"), (11, VARINT)),
}
"""For each dtype the field that holds its values one by one, and the wire type of one number."""

_TYPED = {4, 5, 6, 7, 10, 11}
_LONGEST_DIMENSIONS = 10_000  # bytes of a packed shape


@dataclass(frozen=True, slots=True)
class Tensor:
    """A TensorProto that fills its source from `start` to `end`.

    `raw` is the place of raw_data, if it is there. `packed` are the fields that hold several numbers in one piece, by number:
    the place of the piece, or None if there are several. `external` are the keys and values of external_data, if the values
    lie in another file.
    """

    start: int
    end: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    raw: tuple[int, int] | None
    packed: dict[int, tuple[int, int] | None]
    external: dict[str, str] | None

    @property
    def place(self) -> tuple[int, int] | None:
        """Where the elements lie one after the other, as in memory and little endian; None if they do not, or are elsewhere."""
        if kind(self.dtype) in ("string", "opaque") or self.external is not None:
            return None
        if self.raw is not None:
            return self.raw
        number, wire_type = _FIELDS[self.dtype]
        place = self.packed.get(number) if wire_type != VARINT else None
        return place if place is not None and place[1] - place[0] == prod(self.shape) * itemsize(self.dtype) else None


def parse_tensor(source: Source, start: int, end: int) -> Tensor:
    """The tensor of a message. No value is looked at. ValueError if it is none, or does not have the values that it claims."""
    name, number_of_dtype, location, is_segment = "", 0, 0, False
    shape: list[int] = []
    raw = None
    packed: dict[int, tuple[int, int] | None] = {}
    external: dict[str, str] = {}
    for number, wire_type, value, stop in fields(source, start, end):
        if number == 1:
            shape += _dimensions(source, wire_type, value, stop)
        elif number in (2, 14):
            expect(wire_type, VARINT, "the dtype or place of a tensor")
            number_of_dtype, location = (value, location) if number == 2 else (number_of_dtype, value)
        elif number == _NAME:
            expect(wire_type, LENGTH, "the name of a tensor")
            name = text(source, value, stop)
        elif number == _RAW:
            expect(wire_type, LENGTH, "the content of a tensor")
            raw = (value, stop)
        elif number == 13:
            expect(wire_type, LENGTH, "the place of a tensor")
            external.update([_pair(source, value, stop)])
        elif number == 3:
            is_segment = True
        elif number in _TYPED:
            packed[number] = (value, stop) if wire_type == LENGTH and number not in packed else None
    if number_of_dtype == 0:
        raise ValueError(f"the tensor `{name}` has no dtype")
    dtype = _DTYPES[number_of_dtype] if number_of_dtype < len(_DTYPES) else f"datatype_{number_of_dtype}"
    if is_segment:
        dtype = f"segment_of_{dtype}"
    tensor = Tensor(start, end, name, tuple(shape), dtype, raw, packed, external if location == 1 else None)
    _check(tensor)
    return tensor


def sparse_values(source: Source, start: int, end: int) -> tuple[str, tuple[int, ...], str]:
    """Name, shape and dtype of a SparseTensorProto; its name is that of its values."""
    values = None
    shape: list[int] = []
    for number, wire_type, value, stop in fields(source, start, end):
        if number == 1:
            expect(wire_type, LENGTH, "the values of a sparse tensor")
            values = parse_tensor(source, value, stop)
        elif number == 3:
            shape += _dimensions(source, wire_type, value, stop)
    if values is None:
        raise ValueError("a sparse tensor has no values")
    return values.name, tuple(shape), f"sparse_{values.dtype}"


def read_tensor(source: Source, tensor: Tensor) -> numpy.ndarray:
    """The values, which are in the source; strings are an object array of `bytes`. ValueError if they do not fill the shape."""
    if tensor.dtype == "string":
        values = object_array(byte_fields(source, tensor.start, tensor.end, _STRINGS))
    elif tensor.raw is not None:
        values = little_endian(source[tensor.raw[0] : tensor.raw[1]], tensor.dtype)
    else:
        number, wire_type = _FIELDS[tensor.dtype]
        values = repeated(source, tensor.start, tensor.end, number, wire_type, numpy_dtype(tensor.dtype))
    if values.size != prod(tensor.shape):
        raise ValueError(f"{values.size} values do not fill the shape {list(tensor.shape)}")
    return values.reshape(tensor.shape)


def little_endian(data: bytes, dtype: str) -> numpy.ndarray:
    """The elements that `data` is, in native byte order."""
    element = numpy_dtype(dtype)
    return numpy.frombuffer(data, element.newbyteorder("<")).astype(element)


def _check(tensor: Tensor) -> None:
    if min(tensor.shape, default=0) < 0:
        raise ValueError(f"the tensor `{tensor.name}` has the shape {list(tensor.shape)}")
    count, what = prod(tensor.shape), f"the tensor `{tensor.name}` is said to be {tensor.dtype} {list(tensor.shape)}, but"
    if tensor.external is not None or kind(tensor.dtype) == "opaque":
        return
    if tensor.raw is not None:
        size = tensor.raw[1] - tensor.raw[0]
        if tensor.dtype == "string" or size != count * itemsize(tensor.dtype):
            raise ValueError(f"{what} has {size} bytes")
        if tensor.packed:
            raise ValueError(f"{what} has its values twice")
    elif count > tensor.end - tensor.start:  # each element takes a byte at least
        raise ValueError(f"{what} takes {tensor.end - tensor.start} bytes in all")
    elif tensor.packed.keys() - {_FIELDS[tensor.dtype][0]}:
        raise ValueError(f"{what} has values of another dtype")


def _dimensions(source: Source, wire_type: int, value: int, stop: int) -> list[int]:
    if wire_type == VARINT:
        return [signed(value)]
    expect(wire_type, LENGTH, "the shape of a tensor")
    if stop - value > _LONGEST_DIMENSIONS:
        raise ValueError(f"a shape takes {stop - value} bytes")
    return [signed(int(number)) for numbers in varints(source, value, stop) for number in numbers]


def _pair(source: Source, start: int, end: int) -> tuple[str, str]:
    key = content = ""
    for number, wire_type, value, stop in fields(source, start, end):
        if number in (1, 2):
            expect(wire_type, LENGTH, "the place of a tensor")
            if number == 1:
                key = text(source, value, stop)
            else:
                content = text(source, value, stop)
    return key, content
