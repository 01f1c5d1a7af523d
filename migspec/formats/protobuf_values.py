"""The elements of a repeated field: of numbers, packed or one by one, as numpy arrays; of bytes, as a list."""

from __future__ import annotations

from collections.abc import Iterator

import numpy

from migspec.formats.protobuf_wire import FIXED32, FIXED64, LENGTH, VARINT, Source, expect, fields

_PIECE = 1 << 20  # bytes decoded at a time, so that what decoding needs besides its result stays small
_LONGEST = 10  # bytes of a varint
_WIDTHS = {FIXED32: 4, FIXED64: 8}


def repeated(source: Source, start: int, end: int, number: int, wire_type: int, dtype: numpy.dtype) -> numpy.ndarray:
    """Every element of the field `number` of a message, in their order: one axis, of `dtype`.

    `wire_type` is that of one number. Numbers of a fixed width are taken bit by bit, varints modulo the range of `dtype`; a
    complex element is two numbers. ValueError if the field is not of that type.
    """
    if dtype.kind == "c":
        parts = repeated(source, start, end, number, wire_type, numpy.dtype(f"f{dtype.itemsize // 2}"))
        if parts.size % 2:
            raise ValueError(f"{parts.size} numbers are no whole number of complex ones")
        return parts.view(dtype)
    pieces: list[numpy.ndarray] = []
    single: list[int] = []
    for found, found_type, value, stop in fields(source, start, end):
        if found != number:
            continue
        if found_type == wire_type:
            single.append(value)
            if len(single) == _PIECE:
                pieces.append(_from_integers(single, wire_type, dtype))
                single = []
        elif found_type == LENGTH:
            if single:
                pieces.append(_from_integers(single, wire_type, dtype))
                single = []
            pieces.extend(_packed(source, value, stop, wire_type, dtype))
        else:
            raise ValueError(f"field {number} has the wire type {found_type}")
    if single:
        pieces.append(_from_integers(single, wire_type, dtype))
    return numpy.concatenate(pieces) if pieces else numpy.empty(0, dtype)


def byte_fields(source: Source, start: int, end: int, wanted: int) -> list[bytes]:
    """Every element of the field `wanted` of a message, which is of type bytes or string. ValueError if it is not."""
    elements = []
    for number, wire_type, value, stop in fields(source, start, end):
        if number == wanted:
            expect(wire_type, LENGTH, f"field {number}")
            elements.append(source[value:stop])
    return elements


def object_array(elements: list[bytes]) -> numpy.ndarray:
    """One axis of `bytes` objects."""
    array = numpy.empty(len(elements), object)
    array[:] = elements
    return array


def _packed(source: Source, start: int, end: int, wire_type: int, dtype: numpy.dtype) -> Iterator[numpy.ndarray]:
    if wire_type == VARINT:
        for values in varints(source, start, end):
            yield _narrowed(values, dtype)
        return
    width = _WIDTHS[wire_type]
    if (end - start) % width:
        raise ValueError(f"{end - start} bytes are no whole number of elements of {width} bytes")
    yield numpy.frombuffer(source[start:end], f"<u{width}").astype(f"u{width}").view(dtype)


def varints(source: Source, start: int, end: int) -> Iterator[numpy.ndarray]:
    """The varints that fill `source` from `start` to `end`, as uint64, some thousands at a time. ValueError if they do not."""
    while start < end:
        data = numpy.frombuffer(source[start : min(end, start + _PIECE)], numpy.uint8)
        last = numpy.flatnonzero(data < 0x80)  # the last byte of each varint
        if not last.size:
            raise ValueError(f"no integer can be read at byte {start}")
        first = numpy.empty_like(last)
        first[0], first[1:] = 0, last[:-1] + 1
        lengths = last - first + 1
        longest = int(lengths.max())
        if longest > _LONGEST or (longest == _LONGEST and data[last[lengths == _LONGEST]].max() > 1):
            raise ValueError(f"an integer behind byte {start} has more than 64 bits")
        values = (data[first] & 0x7F).astype(numpy.uint64)
        for index in range(1, longest):
            longer = numpy.flatnonzero(lengths > index)
            values[longer] |= (data[first[longer] + index] & 0x7F).astype(numpy.uint64) << numpy.uint64(7 * index)
        yield values
        start += int(last[-1]) + 1


def _from_integers(values: list[int], wire_type: int, dtype: numpy.dtype) -> numpy.ndarray:
    if wire_type == VARINT:
        return _narrowed(numpy.array(values, numpy.uint64), dtype)
    return numpy.array(values, f"u{_WIDTHS[wire_type]}").view(dtype)


def _narrowed(values: numpy.ndarray, dtype: numpy.dtype) -> numpy.ndarray:
    """The low bytes of 64-bit integers; a boolean is whether any bit is set."""
    return values != 0 if dtype == numpy.bool_ else values.astype(f"u{dtype.itemsize}").view(dtype)
