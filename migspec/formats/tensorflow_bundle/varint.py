"""Integers of variable length: seven bits a byte, the lowest first, the top bit set on all bytes but the last."""

from __future__ import annotations

_LONGEST = 10  # bytes that 64 bits take


def read_varint(data: bytes, position: int, limit: int) -> tuple[int, int]:
    """The integer (below 2**64) at `position`, and the position behind it. ValueError if it is not complete before `limit`."""
    value = 0
    for index, byte in enumerate(data[position : min(limit, position + _LONGEST)]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if value >> 64:
                break
            return value, position + index + 1
    raise ValueError(f"no integer can be read at byte {position}")
