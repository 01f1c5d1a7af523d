"""String tensors: the lengths as varints, a masked CRC-32C of the lengths, then the bytes of all strings.

Source: ReadStringTensor and WriteStringTensor in https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/util/tensor_bundle/tensor_bundle.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from migspec.formats.crc32c import ChecksumError, crc32c, mask, unmask
from migspec.formats.tensorflow_bundle.encode import varint
from migspec.formats.varint import read_varint

_CHECKSUM = 4


def least_size(count: int) -> int:
    """The fewest bytes that `count` strings take in a file."""
    return count + _CHECKSUM if count else 0


def parse_strings(data: bytes, count: int, byte_order: Literal["little", "big"], checksum: int) -> list[bytes]:
    """The `count` strings that fill `data`. `checksum` is the plain CRC-32C of the tensor, `byte_order` that of its writer.

    ValueError if the lengths do not add up, ChecksumError if one of the two checksums differs.
    """
    if not data and not count:
        return []
    lengths = []
    position = 0
    for _ in range(count):
        length, position = read_varint(data, position, len(data))
        lengths.append(length)
    start = position + _CHECKSUM
    if start + sum(lengths) != len(data):
        raise ValueError(f"{count} strings take {start + sum(lengths)} bytes where {len(data)} are stored")
    actual = _checksum(lengths, byte_order)
    if actual != unmask(int.from_bytes(data[position:start], byte_order)):
        raise ChecksumError("the checksum of the lengths of its strings differs")
    if crc32c(data[position:], actual) != checksum:
        raise ChecksumError("the checksum of its strings differs")
    strings = []
    for length in lengths:
        strings.append(data[start : start + length])
        start += length
    return strings


def encode_strings(values: Sequence[bytes]) -> tuple[bytes, int]:
    """What a little-endian bundle stores for these strings, and the plain CRC-32C of the tensor."""
    lengths = [len(value) for value in values]
    checksum = _checksum(lengths, "little")
    stored = mask(checksum).to_bytes(_CHECKSUM, "little")
    content = b"".join(values)
    return b"".join(map(varint, lengths)) + stored + content, crc32c(content, crc32c(stored, checksum))


def _checksum(lengths: Sequence[int], byte_order: Literal["little", "big"]) -> int:
    """The lengths are summed as integers of four bytes, or of eight where four do not hold them, in the writer's byte order."""
    return crc32c(b"".join([length.to_bytes(4 if length < 1 << 32 else 8, byte_order) for length in lengths]))
