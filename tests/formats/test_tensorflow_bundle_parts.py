"""The parts of the writer by themselves: values cut into slices, the table, the messages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.formats.leveldb_table import read_table
from migspec.formats.tensorflow_bundle.cuts import Cut
from migspec.formats.tensorflow_bundle.encode import encode_entry, encode_header, encode_partitioned, varint
from migspec.formats.tensorflow_bundle.records import parse_entry, parse_header
from migspec.formats.tensorflow_bundle.strings import encode_strings, parse_strings
from migspec.formats.tensorflow_bundle.table_builder import build_table
from migspec.formats.tensorflow_proto.slices import Box
from migspec.formats.varint import read_varint


@st.composite
def cut_tensors(draw) -> tuple[tuple[int, ...], list[Box]]:
    """A shape, and the boxes that cuts across some of its axes leave; some of them empty."""
    shape = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple))
    boxes = [Box((0,) * len(shape), shape)]
    for axis in draw(st.lists(st.integers(0, len(shape) - 1), max_size=3)):
        divided = []
        for box in boxes:
            place = draw(st.integers(box.start[axis], box.stop[axis]))
            below = Box(box.start, (*box.stop[:axis], place, *box.stop[axis + 1 :]))
            divided += [below, Box((*box.start[:axis], place, *box.start[axis + 1 :]), box.stop)]
        boxes = divided
    return shape, draw(st.permutations(boxes))


@settings(max_examples=150, deadline=None)
@given(cut_tensors(), st.sampled_from(["u1", "u2", "u8"]), st.integers(1, 200))
def test_values_are_cut_as_numpy_cuts_them(cut, dtype, band):
    shape, boxes = cut
    values = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    data = np.frombuffer(values.tobytes(), np.uint8)
    pieces: list[bytes] = [b""] * len(boxes)
    cutter = Cut(shape, values.itemsize, boxes)
    for start in range(0, len(data), band):
        for number, piece in cutter.split(start, data[start : start + band]):
            assert piece.flags.c_contiguous
            pieces[number] += piece.tobytes()
    assert pieces == [np.ascontiguousarray(values[box.region]).tobytes() for box in boxes]


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.binary(max_size=30), st.binary(max_size=30), max_size=60))
def test_a_table_gives_what_was_put_in(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("table") / "t"
    path.write_bytes(build_table(sorted(entries.items())))
    assert list(read_table(str(path))) == sorted(entries.items())


def test_a_table_of_many_blocks(tmp_path):
    entries = [(b"%06d" % i + b"x" * (i % 90), bytes(i % 200)) for i in range(20_000)]
    (tmp_path / "t").write_bytes(build_table(entries))
    assert list(read_table(str(tmp_path / "t"))) == entries


def test_keys_out_of_order_are_a_mistake_of_the_caller():
    for keys in ((b"b", b"a"), (b"a", b"a")):
        with pytest.raises(ValueError, match="out of order"):
            build_table([(key, b"") for key in keys])
    large = bytes(1 << 18)  # the first entry fills a block
    with pytest.raises(ValueError, match="out of order"):
        build_table([(b"b", large), (b"a", b"")])


@given(st.integers(0, (1 << 64) - 1))
def test_a_varint_reads_as_it_was_written(number):
    encoded = varint(number)
    assert read_varint(encoded, 0, len(encoded)) == (number, len(encoded))


SIZE = st.integers(0, (1 << 63) - 1)


@given(st.integers(1, 33), st.lists(SIZE, max_size=5).map(tuple), SIZE, SIZE, st.integers(0, (1 << 32) - 1))
def test_an_entry_reads_as_it_was_written(dtype, shape, offset, size, crc32c):
    entry = parse_entry(encode_entry(dtype, shape, offset, size, crc32c))
    assert (entry.dtype, entry.shape, entry.shard, entry.offset, entry.size) == (dtype, shape, 0, offset, size)
    assert (entry.crc32c, entry.slices) == (crc32c, ())


@given(st.lists(st.lists(st.tuples(SIZE, SIZE) | st.just((0, None)), min_size=1, max_size=3).map(tuple), max_size=4).map(tuple))
def test_slices_read_as_they_were_written(slices):
    entry = parse_entry(encode_partitioned(1, (7, 7), slices))
    assert (entry.dtype, entry.shape, entry.slices) == (1, (7, 7), slices)


def test_the_header_reads_as_it_was_written():
    header = parse_header(encode_header())
    assert (header.shard_count, header.big_endian, header.min_consumer) == (1, False, 0)


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_strings_read_as_they_were_written(values):
    data, checksum = encode_strings(values)
    assert parse_strings(data, len(values), "little", checksum) == values
