"""The 64-bit fingerprint of FarmHash, by which a SavedModel's `fingerprint.pb` knows the index of its variables.

The function, `farmhashna::Hash64`, is defined in https://github.com/google/farmhash/blob/master/src/farmhash.cc.
"""

from __future__ import annotations

import struct

_ALL = (1 << 64) - 1
_K0 = 0xC3A5C85C97CB3127
_K1 = 0xB492B66FBE98F273
_K2 = 0x9AE16A3B2F90404F
_SEED = 81


def fingerprint64(data: bytes) -> int:
    """The fingerprint of some bytes, from 0 to 2**64 - 1."""
    length = len(data)
    if length <= 16:
        return _to_16(data)
    multiplier = (_K2 + 2 * length) & _ALL
    if length <= 32:
        first, second = _word(data, 0) * _K1, _word(data, 8)
        third, fourth = _word(data, length - 8) * multiplier, _word(data, length - 16) * _K2
        return _mix(
            _rotate(first + second, 43) + _rotate(third, 30) + fourth,
            first + _rotate(second + _K2, 18) + third,
            multiplier,
        )
    return _to_64(data, multiplier) if length <= 64 else _longer(data)


def _to_16(data: bytes) -> int:
    length = len(data)
    if length >= 8:
        multiplier = (_K2 + 2 * length) & _ALL
        first, second = _word(data, 0) + _K2, _word(data, length - 8)
        third = _rotate(second, 37) * multiplier + first
        return _mix(third, (_rotate(first, 25) + second) * multiplier, multiplier)
    if length >= 4:
        multiplier = (_K2 + 2 * length) & _ALL
        first, last = (int.from_bytes(part, "little") for part in (data[:4], data[-4:]))
        return _mix(length + (first << 3), last, multiplier)
    if length:
        low = data[0] + (data[length >> 1] << 8)
        high = length + (data[-1] << 2)
        return _shift_mix((low * _K2 ^ high * _K0) & _ALL) * _K2 & _ALL
    return _K2


def _to_64(data: bytes, multiplier: int) -> int:
    length = len(data)
    first, second = _word(data, 0) * _K2, _word(data, 8)
    third, fourth = _word(data, length - 8) * multiplier, _word(data, length - 16) * _K2
    low = _rotate(first + second, 43) + _rotate(third, 30) + fourth
    high = _mix(low, first + _rotate(second + _K2, 18) + third, multiplier)
    fifth, sixth = _word(data, 16) * multiplier, _word(data, 24)
    seventh = (low + _word(data, length - 32)) * multiplier
    eighth = (high + _word(data, length - 24)) * multiplier
    return _mix(
        _rotate(fifth + sixth, 43) + _rotate(seventh, 30) + eighth,
        fifth + _rotate(sixth + first, 18) + seventh,
        multiplier,
    )


def _longer(data: bytes) -> int:
    """More than 64 bytes: a state of 56 bytes that takes in 64 at a time, the last 64 once more than the others."""
    x = _SEED
    y = (_SEED * _K1 + 113) & _ALL
    z = _shift_mix((y * _K2 + 113) & _ALL) * _K2 & _ALL
    v = w = (0, 0)
    x = (x * _K2 + _word(data, 0)) & _ALL
    rest = (len(data) - 1) & 63
    end = len(data) - 1 - rest
    for words in struct.iter_unpack("<8Q", data[:end]):
        x = _rotate(x + y + v[0] + words[1], 37) * _K1
        y = _rotate(y + v[1] + words[6], 42) * _K1
        x = (x ^ w[1]) & _ALL
        y = (y + v[0] + words[5]) & _ALL
        z = _rotate(z + w[0], 33) * _K1 & _ALL
        v = _absorb(words[:4], v[1] * _K1, x + w[0])
        w = _absorb(words[4:], z + w[1], y + words[2])
        z, x = x, z
    multiplier = (_K1 + ((z & 0xFF) << 1)) & _ALL
    words = struct.unpack("<8Q", data[-64:])
    w = ((w[0] + rest) & _ALL, w[1])
    v = ((v[0] + w[0]) & _ALL, v[1])
    w = ((w[0] + v[0]) & _ALL, w[1])
    x = _rotate(x + y + v[0] + words[1], 37) * multiplier
    y = _rotate(y + v[1] + words[6], 42) * multiplier
    x = (x ^ w[1] * 9) & _ALL
    y = (y + v[0] * 9 + words[5]) & _ALL
    z = _rotate(z + w[0], 33) * multiplier & _ALL
    v = _absorb(words[:4], v[1] * multiplier, x + w[0])
    w = _absorb(words[4:], z + w[1], y + words[2])
    z, x = x, z
    return _mix(
        _mix(v[0], w[0], multiplier) + _shift_mix(y) * _K0 + z,
        _mix(v[1], w[1], multiplier) + x,
        multiplier,
    )


def _absorb(words: tuple[int, ...], first: int, second: int) -> tuple[int, int]:
    """Four words into two."""
    first += words[0]
    second = _rotate(second + first + words[3], 21)
    before = first
    first += words[1] + words[2]
    return (first + words[3]) & _ALL, (second + _rotate(first, 44) + before) & _ALL


def _mix(first: int, second: int, multiplier: int) -> int:
    mixed = ((first ^ second) & _ALL) * multiplier & _ALL
    mixed = ((second ^ mixed ^ mixed >> 47) & _ALL) * multiplier & _ALL
    return (mixed ^ mixed >> 47) * multiplier & _ALL


def _shift_mix(value: int) -> int:
    return value ^ value >> 47


def _rotate(value: int, shift: int) -> int:
    value &= _ALL
    return (value >> shift | value << 64 - shift) & _ALL


def _word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 8], "little")
