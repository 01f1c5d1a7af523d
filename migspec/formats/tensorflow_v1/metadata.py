"""What a V1 checkpoint says of its variables: the entry under the empty key of each of its files.

Messages: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/saved_tensor_slice.proto. The version:
TF_CHECKPOINT_VERSION in tensorflow/core/public/version.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from migspec.formats.protobuf_wire import LENGTH, VARINT, Source, expect, fields, signed, text
from migspec.formats.tensorflow_proto.datatypes import dtype_name
from migspec.formats.tensorflow_proto.shape import SliceExtent, parse_shape, parse_slice
from migspec.formats.tensorflow_proto.slices import Box, box, slice_key, tile

VERSION = 1
"""The newest version that is read here, and the last that there is."""


@dataclass(frozen=True, slots=True)
class SavedSlices:
    """SavedSliceMeta: one variable, and those of its slices that are in one file."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    slices: tuple[tuple[SliceExtent, ...], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One slice: the number of the file that has it, its key there, its name, dtype, and place in the variable."""

    shard: int
    key: bytes
    name: str
    dtype: str
    box: Box


@dataclass(frozen=True, slots=True)
class Tensor:
    """A variable and its slices, which tile it; most have one."""

    shape: tuple[int, ...]
    dtype: str
    parts: tuple[Part, ...]


def parse_metadata(source: Source, start: int, end: int) -> tuple[list[SavedSlices], int]:
    """The variables of one file, and the oldest reader that can read them. ValueError if the message is no such metadata."""
    variables: list[SavedSlices] = []
    oldest_reader = 0
    for number, wire_type, meta, meta_end in fields(source, start, end):
        if number != 1:
            continue
        expect(wire_type, LENGTH, "the list of variables")
        for inner, inner_type, value, stop in fields(source, meta, meta_end):
            if inner == 1:
                expect(inner_type, LENGTH, "a variable")
                variables.append(_variable(source, value, stop))
            elif inner == 2:
                expect(inner_type, LENGTH, "the version")
                oldest_reader = _oldest_reader(source, value, stop)
    return variables, oldest_reader


def _variable(source: Source, start: int, end: int) -> SavedSlices:
    name, dtype = "", 0
    shape: tuple[int, ...] = ()
    slices = []
    for number, wire_type, value, stop in fields(source, start, end):
        if number == 3:
            expect(wire_type, VARINT, "the dtype of a variable")
            dtype = value
        elif number in (1, 2, 4):
            expect(wire_type, LENGTH, "the name, shape or slice of a variable")
            if number == 1:
                name = text(source, value, stop)
            elif number == 2:
                shape += parse_shape(source, value, stop)
            else:
                slices.append(parse_slice(source, value, stop))
    if min(shape, default=0) < 0:
        raise ValueError(f"the shape of `{name}` is {list(shape)}")
    return SavedSlices(name, shape, dtype_name(dtype), tuple(slices))


def _oldest_reader(source: Source, start: int, end: int) -> int:
    oldest = 0
    for number, wire_type, value, _ in fields(source, start, end):
        if number == 2:
            expect(wire_type, VARINT, "the version")
            oldest = signed(value)
    return oldest


def gather(shards: list[list[SavedSlices]]) -> Iterator[tuple[str, Tensor]]:
    """The variables of all files by name, in their order. ValueError if the files do not agree, or slices are missing."""
    first: dict[str, SavedSlices] = {}
    parts: dict[str, list[Part]] = {}
    for number, variables in enumerate(shards):
        for saved in variables:
            known = first.setdefault(saved.name, saved)
            if (known.shape, known.dtype) != (saved.shape, saved.dtype):
                raise ValueError(
                    f"`{saved.name}` is {known.dtype} {list(known.shape)} and {saved.dtype} {list(saved.shape)} in one checkpoint"
                )
            for extents in saved.slices:
                key = slice_key(saved.name.encode(), extents)
                part = Part(number, key, saved.name, saved.dtype, box(saved.shape, extents))
                parts.setdefault(saved.name, []).append(part)
    for name, saved in first.items():
        slices = parts.get(name, [])
        if not tile(saved.shape, [part.box for part in slices]):
            raise ValueError(f"the {len(slices)} slices of `{name}` do not cover {list(saved.shape)}, each element once")
        yield name, Tensor(saved.shape, saved.dtype, tuple(slices))
