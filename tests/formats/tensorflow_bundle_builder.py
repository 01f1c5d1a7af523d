"""Bundles made by hand, byte by byte, also such as no writer makes. Independent of the reader under test."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import google_crc32c

FLOAT32, STRING, BFLOAT16 = 1, 7, 14

Item = tuple[bytes, bytes]


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def masked(data: bytes) -> int:
    checksum = google_crc32c.value(data)
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def header(shards: int = 1, big_endian: bool = False, min_consumer: int = 0) -> Item:
    return b"", number(1, shards) + number(2, int(big_endian)) + message(3, number(1, 1) + number(2, min_consumer))


def entry(
    key: bytes | str,
    dtype: int = FLOAT32,
    shape: Sequence[int] = (),
    data: bytes = b"",
    *,
    shard: int = 0,
    offset: int = 0,
    size: int | None = None,
    crc32c: int | None = None,
    slices: Sequence[Sequence[tuple[int, int] | None]] = (),
    extra_shape: bytes = b"",
) -> Item:
    dims = b"".join(message(2, number(1, length)) for length in shape) + extra_shape
    parts = [b"".join(message(1, b"" if e is None else number(1, e[0]) + number(2, e[1])) for e in part) for part in slices]
    content = (
        number(1, dtype)
        + message(2, dims)
        + number(3, shard)
        + number(4, offset)
        + number(5, len(data) if size is None else size)
        + varint(6 << 3 | 5)
        + struct.pack("<I", masked(data) if crc32c is None else crc32c)
        + b"".join(message(7, part) for part in parts)
    )
    return key.encode() if isinstance(key, str) else key, content


def strings(values: Sequence[bytes], byte_order: str = "<") -> tuple[bytes, int]:
    """The bytes of a string tensor and its masked checksum."""
    lengths = b"".join(struct.pack(byte_order + "I", len(value)) for value in values)
    checksum = struct.pack(byte_order + "I", masked(lengths))
    rest = checksum + b"".join(values)
    return b"".join(varint(len(value)) for value in values) + rest, masked(lengths + rest)


def object_graph(full_names: dict[str, str]) -> bytes:
    attributes = [
        message(1, b"VARIABLE_VALUE") + message(2, name.encode()) + message(3, key.encode()) for key, name in full_names.items()
    ]
    return message(1, b"") + b"".join(message(1, message(2, attribute)) for attribute in attributes)


def block(items: Sequence[Item], interval: int = 16) -> bytes:
    out = bytearray()
    restarts = []
    previous = b""
    for index, (key, value) in enumerate(items):
        shared = 0
        if index % interval == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        previous = key
    restarts = restarts or [0]
    return bytes(out) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def trailer(content: bytes, kind: int) -> bytes:
    return bytes([kind]) + struct.pack("<I", masked(content + bytes([kind])))


def table(blocks: Sequence[tuple[bytes, int]], handles: Sequence[tuple[int, int]] | None = None) -> bytes:
    """A table of finished blocks (content as stored, compression). `handles` replaces their true places."""
    out = bytearray()
    places = []
    for content, kind in blocks:
        places.append((len(out), len(content)))
        out += content + trailer(content, kind)
    index = block([(bytes([255, i]), varint(offset) + varint(size)) for i, (offset, size) in enumerate(handles or places)])
    footer = varint(0) + varint(0) + varint(len(out)) + varint(len(index))
    return bytes(out) + index + trailer(index, 0) + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def write(prefix: Path | str, items: Sequence[Item], *shards: bytes, head: Item | None = None) -> str:
    """A bundle of one plain block, its keys sorted; the prefix."""
    content = block(sorted([head or header(max(1, len(shards))), *items]))
    Path(f"{prefix}.index").write_bytes(table([(content, 0)]))
    for index, data in enumerate(shards):
        Path(f"{prefix}.data-{index:05d}-of-{len(shards):05d}").write_bytes(data)
    return str(prefix)
