"""The slices of a partitioned variable: the key of each, and whether together they are the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from migspec.formats.tensorflow_proto.shape import SliceExtent

SLICE_MARK = b"\0"
"""The first byte of every slice's key, and of no variable's."""

_MOST_CORNERS = 1 << 22


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a tensor: from `start` to `stop` (excluded) along each axis."""

    start: tuple[int, ...]
    stop: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(stop - start for start, stop in zip(self.start, self.stop, strict=True))

    @property
    def region(self) -> tuple[slice, ...]:
        """The index that selects the part."""
        return tuple(slice(start, stop) for start, stop in zip(self.start, self.stop, strict=True))


def slice_key(name: bytes, extents: Sequence[SliceExtent]) -> bytes:
    """The key of one slice of the variable `name` (in UTF-8), in the encoding OrderedCode.

    Source: EncodeTensorNameSlice in https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/
    saved_tensor_slice_util.cc and the format in tensorflow/core/lib/strings/ordered_code.cc.
    """
    escaped = name.replace(b"\0", b"\0\xff")  # the byte 0xff would be escaped as well, but UTF-8 has none
    numbers = [_ordered(number) for start, length in extents for number in (start, -1 if length is None else length)]
    axes = bytes([1, len(extents)]) if extents else b"\0"  # an unsigned number: how many bytes it takes, and these
    return SLICE_MARK + escaped + b"\0\1" + axes + b"".join(numbers)


def box(shape: tuple[int, ...], extents: Sequence[SliceExtent]) -> Box:
    """The part of a tensor of this shape. ValueError if it does not lie inside."""
    if len(extents) != len(shape):
        raise ValueError(f"a slice has {len(extents)} axes, its variable {len(shape)}")
    start = tuple(begin for begin, _ in extents)
    stop = tuple(axis if length is None else begin + length for (begin, length), axis in zip(extents, shape, strict=True))
    if any(not 0 <= begin <= end <= axis for begin, end, axis in zip(start, stop, shape, strict=True)):
        raise ValueError(f"a slice from {start} to {stop} does not lie in {shape}")
    return Box(start, stop)


def tile(shape: tuple[int, ...], boxes: Sequence[Box]) -> bool:
    """Whether the boxes cover a tensor of this shape, each element once. ValueError if they are too many to tell.

    The function that counts the boxes at each place is determined by its signed corners (+1 at the start, -1 at the stop,
    multiplied over the axes). It is 1 on the whole tensor if and only if its corners are those of the whole tensor. This
    takes one step a corner, where comparing the boxes in pairs would take hours for a table of a million hostile slices.
    """
    cut = [axis for axis, length in enumerate(shape) if any((b.start[axis], b.stop[axis]) != (0, length) for b in boxes)]
    if len(boxes) << len(cut) > _MOST_CORNERS:
        raise ValueError(f"it is cut into {len(boxes)} slices along {len(cut)} axes")
    whole = Box((0,) * len(shape), shape)
    corners: Counter[tuple[int, ...]] = Counter()
    for weight, one in [(-1, whole), *((1, one) for one in boxes)]:
        for ends in product((True, False), repeat=len(cut)):
            corner = tuple(one.start[axis] if first else one.stop[axis] for axis, first in zip(cut, ends, strict=True))
            corners[corner] += weight * (-1) ** ends.count(False)
    return not any(corners.values())


def _ordered(number: int) -> bytes:
    """A signed integer so that the bytes sort as the integers do.

    n bytes hold the number in 7 * n bits of two's complement, sign included. The n bits in front of these, all equal and the
    opposite of the sign bit, say n.
    """
    length = max(1, -(-((number if number >= 0 else ~number).bit_length() + 1) // 7))
    header = ((1 << length) - 1) << 7 * length
    return (number & ((1 << 8 * length) - 1) ^ header).to_bytes(length, "big")
