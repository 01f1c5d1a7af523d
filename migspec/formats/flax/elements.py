"""msgpack, element by element: a header is read or made, and its payload stays where it lies.

The layout: https://github.com/msgpack/msgpack/blob/master/spec.md. The package `msgpack` is not used: it hands out values,
not their places, and takes a whole file into memory to do so.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal, Protocol

from migspec.formats.input import InputFile, damaged

Kind = Literal["nil", "boolean", "integer", "float", "text", "bytes", "extension", "array", "map"]

_SIZED: dict[int, tuple[Kind, int]] = {
    0xC4: ("bytes", 1), 0xC5: ("bytes", 2), 0xC6: ("bytes", 4),
    0xC7: ("extension", 1), 0xC8: ("extension", 2), 0xC9: ("extension", 4),
    0xD9: ("text", 1), 0xDA: ("text", 2), 0xDB: ("text", 4),
    0xDC: ("array", 2), 0xDD: ("array", 4), 0xDE: ("map", 2), 0xDF: ("map", 4),
}  # fmt: skip
_FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip

_WINDOW = 4096


@dataclass(frozen=True, slots=True)
class Element:
    """One element. `start` is where its header begins, `place` where its payload does. `length` counts the bytes of the payload, or
    the elements of an array, or the pairs of a map. `code` is the type of an extension, `number` the value of a number or boolean.
    """

    kind: Kind
    start: int
    place: int
    length: int = 0
    code: int = 0
    number: int | float | bool = 0

    @property
    def end(self) -> int:
        """The byte behind it; for an array or a map, where its content begins."""
        return self.place if self.kind in ("array", "map") else self.place + self.length


class Bytes(Protocol):
    """Bytes at places, of which there are `size`."""

    @property
    def size(self) -> int: ...

    @property
    def path(self) -> str: ...

    def at(self, place: int, length: int) -> bytes:
        """Exactly these bytes; MIG503 if they are not all there."""


class Window:
    """A file as `Bytes`, read a few thousand at a time."""

    def __init__(self, file: InputFile) -> None:
        self._file = file
        self._start = 0
        self._data = b""

    @property
    def size(self) -> int:
        return self._file.size

    @property
    def path(self) -> str:
        return self._file.path

    def at(self, place: int, length: int) -> bytes:
        begin = place - self._start
        if begin < 0 or begin + length > len(self._data):
            self._data = self._file.exactly(max(length, min(_WINDOW, self.size - place)), place)
            self._start, begin = place, 0
        return self._data[begin : begin + length]


def element_at(source: Bytes, place: int) -> Element:
    """The element whose header begins at `place`. MIG503 if there is none, or if it claims more than the file has."""
    [first] = source.at(place, 1)
    after = place + 1
    if first < 0x80 or first >= 0xE0:
        return Element("integer", place, after, number=first if first < 0x80 else first - 0x100)
    if first < 0x90:
        return _checked(source, Element("map", place, after, first & 0x0F))
    if first < 0xA0:
        return _checked(source, Element("array", place, after, first & 0x0F))
    if first < 0xC0:
        return _checked(source, Element("text", place, after, first & 0x1F))
    if first == 0xC0:
        return Element("nil", place, after)
    if first in (0xC2, 0xC3):
        return Element("boolean", place, after, number=first == 0xC3)
    if first in _NUMBERS:
        layout = _NUMBERS[first]
        width = struct.calcsize(layout)
        [number] = struct.unpack(layout, source.at(after, width))
        return Element("float" if first in (0xCA, 0xCB) else "integer", place, after + width, number=number)
    if first in _FIXED_EXTENSIONS:
        [code] = source.at(after, 1)
        return _checked(source, Element("extension", place, after + 1, _FIXED_EXTENSIONS[first], code))
    if first not in _SIZED:
        raise damaged(source.path, f"byte {place} begins no msgpack element")
    kind, width = _SIZED[first]
    length = int.from_bytes(source.at(after, width), "big")
    after += width
    if kind == "extension":
        [code] = source.at(after, 1)
        return _checked(source, Element(kind, place, after + 1, length, code))
    return _checked(source, Element(kind, place, after, length))


def _checked(source: Bytes, element: Element) -> Element:
    least = element.length * 2 if element.kind == "map" else element.length  # an element takes a byte or more
    if element.place + least > source.size:
        raise damaged(
            source.path,
            f"at byte {element.start} it claims {_claim(element)}",
            f"the file ends at byte {source.size}",
        )
    return element


def _claim(element: Element) -> str:
    unit = {"map": "pairs", "array": "elements"}.get(element.kind, "bytes")
    return f"{element.length} {unit}"


def map_header(pairs: int) -> bytes:
    """The header of a map; keys and values in turn follow."""
    return bytes([0x80 | pairs]) if pairs < 16 else _sized(pairs, {2: 0xDE, 4: 0xDF})


def array_header(elements: int) -> bytes:
    """The header of an array; its elements follow."""
    return bytes([0x90 | elements]) if elements < 16 else _sized(elements, {2: 0xDC, 4: 0xDD})


def bytes_header(length: int) -> bytes:
    """The header of a byte string."""
    return _sized(length, {1: 0xC4, 2: 0xC5, 4: 0xC6})


def extension_header(code: int, length: int) -> bytes:
    """The header of an extension of a type; msgpack has shorter ones for a few lengths, which no reader asks for."""
    return _sized(length, {1: 0xC7, 2: 0xC8, 4: 0xC9}) + bytes([code])


def text(value: bytes) -> bytes:
    """A whole text, given in UTF-8."""
    header = bytes([0xA0 | len(value)]) if len(value) < 32 else _sized(len(value), {1: 0xD9, 2: 0xDA, 4: 0xDB})
    return header + value


def integer(value: int) -> bytes:
    """A whole number from 0 to 2**64 - 1."""
    return bytes([value]) if value < 0x80 else _sized(value, {1: 0xCC, 2: 0xCD, 4: 0xCE, 8: 0xCF})


def _sized(value: int, codes: dict[int, int]) -> bytes:
    """The code of the narrowest width that holds a value, and the value in it."""
    width = next(width for width in codes if value < 1 << (8 * width))
    return bytes([codes[width]]) + value.to_bytes(width, "big")
