"""CRC-32C, the masked form in which TensorFlow and LevelDB store it, and the checksum of a part told from that of the whole.

The mask is described in https://github.com/google/leveldb/blob/main/util/crc32c.h: a checksum of bytes that hold checksums
themselves would otherwise be weak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy

_MASK_DELTA = 0xA282EAD8

# The polynomial (RFC 3720, appendix B.4) with its lowest power in the highest bit, as the checksums themselves.
_POLYNOMIAL = 0x82F63B78
_ONE = 1 << 31
_PERIOD = (1 << 31) - 1  # the least n > 0 for which x**n is 1: the polynomial is x + 1 times a primitive one of degree 31


class ChecksumError(ValueError):
    """Bytes do not have the checksum that is stored with them."""


def crc32c(data: bytes | memoryview | numpy.ndarray, start: int = 0) -> int:
    """The plain CRC-32C of `data` (an array must be contiguous), going on from `start`, the checksum of what came before."""
    import google_crc32c

    if isinstance(data, memoryview):  # the library takes none, and an array of the same memory
        import numpy

        data = numpy.frombuffer(data, numpy.uint8)
    return int(google_crc32c.extend(start, data))


def mask(checksum: int) -> int:
    """The form in which a plain checksum is stored; both are 32 bits wide."""
    return ((checksum >> 15 | checksum << 17) + _MASK_DELTA) & 0xFFFFFFFF


def unmask(masked: int) -> int:
    """The plain checksum behind a stored one; both are 32 bits wide."""
    rotated = (masked - _MASK_DELTA) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


def checksum_of_middle(whole: int, before: int, length: int, after: int, after_length: int) -> int:
    """The checksum of `length` bytes, from that of the `whole` they are a part of, of the bytes before, and of those after.

    A checksum is a polynomial over two elements. n bytes behind it multiply it by x**(8 n), and theirs is added. As x has an
    inverse, the sum can be taken apart as well.
    """
    rest = whole ^ after ^ _product(before, _power(8 * (length + after_length)))
    return _product(rest, _power(-8 * after_length))


def _power(exponent: int) -> int:
    """X to a power, also a negative one."""
    result, factor = _ONE, _ONE >> 1
    exponent %= _PERIOD
    while exponent:
        if exponent & 1:
            result = _product(result, factor)
        factor = _product(factor, factor)
        exponent >>= 1
    return result


def _product(first: int, second: int) -> int:
    result = 0
    for bit in range(31, -1, -1):
        if first >> bit & 1:
            result ^= second
        second = second >> 1 ^ (_POLYNOMIAL if second & 1 else 0)
    return result
