"""Integers of variable length: seven bits a byte, the lowest first, the top bit set on all bytes but the last."""

from __future__ import annotations

_LONGEST = 10  # bytes that 64 bits take


def read_varint(data: bytes, position: int, limit: int) -> tuple[int, int]:
    """The integer (below 2**64) at `position`, and the position behind it. ValueError if it is not complete before `limit`."""
    first = position
    limit = min(limit, position + _LONGEST)
    value = shift = 0
    while position < limit:
        byte = data[position]
        position += 1
        if byte < 0x80:
            value |= byte << shift
            if value >> 64:
                break
            return value, position
        value |= (byte & 0x7F) << shift
        shift += 7
    raise ValueError(f"no integer can be read at byte {first}")
