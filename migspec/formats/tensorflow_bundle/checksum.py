"""CRC-32C, and the masked form in which TensorFlow and LevelDB store it.

The mask is described in https://github.com/google/leveldb/blob/main/util/crc32c.h: a checksum of bytes that hold checksums
themselves would otherwise be weak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy

_MASK_DELTA = 0xA282EAD8


class ChecksumError(ValueError):
    """Bytes do not have the checksum that is stored with them."""


def crc32c(data: bytes | numpy.ndarray, start: int = 0) -> int:
    """The plain CRC-32C of `data` (an array must be contiguous), going on from `start`, the checksum of what came before."""
    import google_crc32c

    return int(google_crc32c.extend(start, data))


def unmask(masked: int) -> int:
    """The plain checksum behind a stored one; both are 32 bits wide."""
    rotated = (masked - _MASK_DELTA) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF
