"""V1 checkpoints made by hand, byte by byte, also such as no writer makes any more. Independent of the reader under test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tensorflow_bundle_builder import Item, block, message, number, table, varint

Extents = Sequence[tuple[int, int] | None]


def ordered(value: int) -> bytes:
    """A signed number below 2**13 in size in OrderedCode: one byte to 63, else two."""
    if -64 <= value < 64:
        return bytes([value & 0xFF ^ 0x80])
    return (value & 0xFFFF ^ 0xC000).to_bytes(2, "big")


def key(name: str, extents: Extents) -> bytes:
    places = b"".join(ordered(part) for extent in extents for part in (extent or (0, -1)))
    rank = bytes([1, len(extents)]) if extents else b"\0"
    return b"\0" + name.encode() + b"\0\1" + rank + places


def shape_message(shape: Sequence[int]) -> bytes:
    return b"".join(message(2, number(1, length)) for length in shape)


def slice_message(extents: Extents) -> bytes:
    return b"".join(message(1, b"" if e is None else number(1, e[0]) + number(2, e[1])) for e in extents)


def meta(*variables: tuple[str, Sequence[int], int, Sequence[Extents]], min_consumer: int = 0) -> Item:
    """The entry that lists (name, shape, number of the dtype, slices)."""
    listed = b"".join(
        message(
            1,
            message(1, name.encode())
            + message(2, shape_message(shape))
            + number(3, dtype)
            + b"".join(message(4, slice_message(part)) for part in slices),
        )
        for name, shape, dtype, slices in variables
    )
    return b"", message(1, listed + message(2, number(1, 1) + number(2, min_consumer)))


def values(name: str, extents: Extents, tensor: bytes, *, said: str | None = None) -> Item:
    """The entry of one slice. `tensor` are fields of a TensorProto, `said` the name in it if that is another."""
    saved = message(1, (said or name).encode()) + message(2, slice_message(extents)) + message(3, tensor)
    return key(name, extents), message(2, saved)


def packed(field: int, data: bytes) -> bytes:
    return message(field, data)


def varints(field: int, *numbers: int) -> bytes:
    return message(field, b"".join(map(varint, numbers)))


def write(path: Path | str, *items: Item, compression: int = 0) -> str:
    """A checkpoint of one block, its keys sorted; the path."""
    content = block(sorted(items))
    if compression:
        import cramjam

        content = bytes(cramjam.snappy.compress_raw(content))
    Path(path).write_bytes(table([(content, compression)]))
    return str(path)
