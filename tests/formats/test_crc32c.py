"""CRC-32C of parts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.formats.crc32c import checksum_of_middle, crc32c

pieces = st.one_of(st.binary(max_size=9), st.integers(0, 3000).map(lambda length: b"\x5a\x00" * length))


@settings(max_examples=100, deadline=None)
@given(pieces, pieces, pieces)
def test_the_checksum_of_a_part_follows_from_the_rest(before: bytes, middle: bytes, after: bytes) -> None:
    whole = crc32c(before + middle + after)
    assert checksum_of_middle(whole, crc32c(before), len(middle), crc32c(after), len(after)) == crc32c(middle)


def test_a_part_in_front_of_much() -> None:
    zeros = bytes(1 << 20)
    whole, after = crc32c(b"before" + b"values"), 0
    for _ in range(200):
        whole, after = crc32c(zeros, whole), crc32c(zeros, after)
    assert checksum_of_middle(whole, crc32c(b"before"), 6, after, 200 << 20) == crc32c(b"values")
