"""The messages TensorShapeProto and TensorSliceProto.

Field numbers: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/tensor_shape.proto and
tensor_slice.proto beside it.
"""

from __future__ import annotations

from typing import TypeAlias

from migspec.formats.protobuf_wire import LENGTH, VARINT, Source, expect, fields, signed

SliceExtent: TypeAlias = tuple[int, int | None]
"""Start and length of a slice along one axis; the length None means the whole axis."""


def parse_shape(source: Source, start: int, end: int) -> tuple[int, ...]:
    """The lengths of the axes, as they are written: also negative ones. ValueError if the rank is unknown."""
    shape = []
    for number, wire_type, value, stop in fields(source, start, end):
        if number == 2:
            expect(wire_type, LENGTH, "an axis")
            length = 0
            for inner, inner_type, size, _ in fields(source, value, stop):
                if inner == 1:
                    expect(inner_type, VARINT, "the length of an axis")
                    length = size
            shape.append(signed(length))
        elif number == 3 and value:
            raise ValueError("the rank is unknown")
    return tuple(shape)


def parse_slice(source: Source, start: int, end: int) -> tuple[SliceExtent, ...]:
    """One extent an axis."""
    extents: list[SliceExtent] = []
    for number, wire_type, value, stop in fields(source, start, end):
        if number == 1:
            expect(wire_type, LENGTH, "an extent")
            extents.append(_extent(source, value, stop))
    return tuple(extents)


def _extent(source: Source, start: int, end: int) -> SliceExtent:
    begin, length = 0, -1
    for number, wire_type, value, _ in fields(source, start, end):
        if number in (1, 2):
            expect(wire_type, VARINT, "a bound of a slice")
            if number == 1:
                begin = signed(value)
            else:
                length = signed(value)
    # A length of -1 means the same as none: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/
    # tensor_slice.cc
    return (0, None) if length == -1 else (begin, length)
