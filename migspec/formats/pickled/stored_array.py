"""An array that lies in a file: where its values are, how they are laid out, and how to read them."""

from __future__ import annotations

import zlib
from codecs import escape_decode
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy

from migspec import dtypes
from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.base import Extent
from migspec.formats.input import damaged, unsupported
from migspec.formats.pickled.place import Place
from migspec.formats.pickled.stand_ins import PickledBytes

_PIECE = 1 << 20
_REPEATED = 16  # times that values may be repeated by a view before it is refused
_SMALL = 1 << 26  # bytes that any view may have


@dataclass(frozen=True, slots=True)
class PlacedBytes:
    """Values at `offset` of a place, as they are. `crc32` is the CRC-32 of all of them, where one is recorded."""

    place: Place
    offset: int
    length: int
    crc32: int | None = None

    def read(self, start: int, length: int) -> numpy.ndarray:
        """These bytes (uint8), their checksum verified if they are all. MIG503 if the file ends before, MIG504 if it differs."""
        values = numpy.empty(length, numpy.uint8)
        crc = 0
        for done in range(0, length, _PIECE):
            want = min(_PIECE, length - done)
            piece = self.place.some(want, self.offset + start + done)
            if len(piece) != want:
                raise damaged(self.place.path, "it was cut short while it was read")
            values[done : done + want] = numpy.frombuffer(piece, numpy.uint8)
            crc = zlib.crc32(piece, crc)
        if self.crc32 is not None and length == self.length and crc != self.crc32:
            raise _wrong_checksum(self.place.path, self.crc32, crc)
        return values


@dataclass(frozen=True, slots=True)
class EncodedBytes:
    """`length` bytes of values that the pickle holds as a text: only to be had whole."""

    place: Place
    written: PickledBytes
    length: int

    def read(self, start: int, length: int) -> numpy.ndarray:
        """These bytes (uint8). MIG503 if the text is not one of that many bytes."""
        text = self.place.some(self.written.length, self.written.offset)
        try:
            match self.written.coding:
                case "utf-8":
                    content = text.decode().encode("latin-1")
                case "raw_unicode_escape":
                    content = text.decode("raw_unicode_escape").encode("latin-1")
                case _:
                    content = escape_decode(text)[0]
        except ValueError as error:
            raise damaged(
                self.place.path, f"the text at byte {self.written.offset} of its pickle stands for no bytes"
            ) from error
        if len(content) != self.length:
            raise damaged(self.place.path, f"an array of its pickle needs {self.length} bytes and has {len(content)}")
        return numpy.frombuffer(content, numpy.uint8)[start : start + length]


@dataclass(frozen=True, slots=True)
class KnownBytes:
    """Values that were read with the pickle, because they are few, and that lie nowhere in the file as they are."""

    content: bytes

    @property
    def length(self) -> int:
        return len(self.content)

    def read(self, start: int, length: int) -> numpy.ndarray:
        return numpy.frombuffer(self.content, numpy.uint8)[start : start + length]


Values: TypeAlias = PlacedBytes | EncodedBytes | KnownBytes


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array whose element [i, j, ...] is element `first + i * strides[0] + j * strides[1] + ...` of its values.

    `dtype` is one that migspec moves, stored in `byte_order`. `change` is what PyTorch put off when it saved the view: the complex
    conjugate, the sign, or both.
    """

    shape: tuple[int, ...]
    dtype: str
    values: Values
    byte_order: Literal["little", "big"] = "little"
    first: int = 0
    strides: tuple[int, ...] | None = None  # None: C order
    change: tuple[Literal["conj", "neg"], ...] = ()

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie one after the other, in C order."""
        expected = c_strides(self.shape)
        strides = expected if self.strides is None else self.strides
        relevant = ((stride, right) for length, stride, right in zip(self.shape, strides, expected, strict=True) if length != 1)
        return 0 in self.shape or all(stride == right for stride, right in relevant)

    @property
    def size(self) -> int:
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def span(self) -> int:
        """Elements from its first to its last one in the values, both counted; 0 if it has none."""
        if 0 in self.shape:
            return 0
        strides = c_strides(self.shape) if self.strides is None else self.strides
        return 1 + sum((length - 1) * stride for length, stride in zip(self.shape, strides, strict=True))


@dataclass(frozen=True, slots=True)
class UnreadableArray:
    """An array that is listed and not read: its shape as far as it is known, what takes the place of a dtype, and what would help."""

    shape: tuple[int, ...]
    dtype: str
    help: str


AnyArray: TypeAlias = StoredArray | UnreadableArray


def c_strides(shape: tuple[int, ...], fortran: bool = False) -> tuple[int, ...]:
    """The strides, in elements, of an array of this shape in C order, or in Fortran order."""
    strides, step = [], 1
    for length in shape if fortran else reversed(shape):
        strides.append(step)
        step *= length
    return tuple(strides if fortran else reversed(strides))


def extent_of(array: AnyArray) -> Extent | None:
    """Where the values lie in the file in C order, if they do."""
    if not isinstance(array, StoredArray) or not array.is_contiguous or array.change:
        return None
    values = array.values
    if not isinstance(values, PlacedBytes):
        return None
    offset = values.place.file_offset(values.offset)
    if offset is None:
        return None
    itemsize = dtypes.itemsize(array.dtype)
    length = array.size * itemsize
    crc32 = values.crc32 if length == values.length else None
    return Extent(values.place.path, offset + array.first * itemsize, length, array.byte_order, crc32=crc32)


def read_array(path: str, name: str, array: AnyArray) -> numpy.ndarray:
    """The values in C order and native byte order. Raises SpecError: MIG503, MIG504, or MIG505 for what migspec only lists."""
    if isinstance(array, UnreadableArray):
        raise unsupported(path, f"`{name}` ({array.dtype}) is listed, but not read", array.help)
    itemsize = dtypes.itemsize(array.dtype)
    span = array.span
    if array.size > max(span * _REPEATED, _SMALL // itemsize):
        raise unsupported(
            path,
            f"`{name}` is a view that repeats {span} elements until they are {array.size}",
            "save a copy of it (`.contiguous()` in PyTorch), if its size is meant",
        )
    native = dtypes.numpy_dtype(array.dtype)
    stored = native.newbyteorder("<" if array.byte_order == "little" else ">")
    values = array.values.read(array.first * itemsize, span * itemsize).view(stored)
    if array.is_contiguous:
        shaped = values.reshape(array.shape)
    else:
        pairs = zip(array.shape, array.strides or (), strict=True)
        strides = tuple(stride * itemsize if length > 1 else 0 for length, stride in pairs)
        shaped = numpy.ndarray(array.shape, stored, values, strides=strides)
    result = shaped.astype(native, order="C", copy=not values.flags.writeable)
    if "conj" in array.change:
        numpy.conjugate(result, out=result)
    if "neg" in array.change:
        numpy.negative(result, out=result)
    return result


def _wrong_checksum(path: str, recorded: int, found: int) -> SpecError:
    return file_error(
        "MIG504",
        path,
        "the values of a variable do not have the checksum that the zip records for them",
        notes=[f"the CRC-32 is {found:08x}, recorded is {recorded:08x}"],
        helps=["the file was damaged after it was written: copy or download it again"],
    )
