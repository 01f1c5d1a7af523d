"""The LevelDB table, and every way in which an index can lie."""

from __future__ import annotations

import struct
from pathlib import Path

import cramjam
import pytest
import tensorflow_bundle_builder as build
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.diagnostics import SpecError
from migspec.formats.leveldb_table import read_table
from migspec.formats.tensorflow_bundle import is_bundle, open_bundle

ENTRY = build.entry("a", shape=[2], data=b"12345678")
KEYS = st.binary(max_size=40) | st.binary(min_size=120, max_size=200)


def code(error: pytest.ExceptionInfo[SpecError]) -> str:
    assert len(error.value.diagnostics) == 1
    diagnostic = error.value.diagnostics[0]
    assert diagnostic.file
    assert "\n" not in diagnostic.message
    return diagnostic.code


def snappy(content: bytes) -> tuple[bytes, int]:
    return bytes(cramjam.snappy.compress_raw(content)), 1


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(KEYS, st.binary(max_size=300), min_size=1, max_size=40),
    st.integers(1, 20),
    st.integers(1, 16),
    st.booleans(),
)
def test_every_entry_of_a_table_is_read(tmp_path_factory, entries, block_length, interval, compressed):
    items = sorted(entries.items())
    chunks = [items[start : start + block_length] for start in range(0, len(items), block_length)]
    contents = [build.block(chunk, interval) for chunk in chunks]
    path = tmp_path_factory.mktemp("table") / "t"
    path.write_bytes(build.table([snappy(content) if compressed else (content, 0) for content in contents]))
    assert list(read_table(str(path))) == items


def test_a_file_that_is_no_table_or_not_there(tmp_path):
    with pytest.raises(SpecError) as error:
        list(read_table(str(tmp_path / "none")))
    assert code(error) == "MIG501"
    (tmp_path / "short").write_bytes(b"short")
    with pytest.raises(SpecError) as error:
        list(read_table(str(tmp_path / "short")))
    assert code(error) == "MIG503"


def test_a_git_lfs_pointer_in_place_of_the_index_is_named(tmp_path):
    (tmp_path / "m.index").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(SpecError) as error:
        open_bundle(str(tmp_path / "m.index"))
    assert "git lfs pull" in error.value.diagnostics[0].helps[0]


@pytest.mark.parametrize("at", range(0, 200, 7))
def test_one_flipped_bit_of_a_block_is_noticed(tmp_path, at):
    prefix = build.write(tmp_path / "m", [build.entry(f"variable/{i}") for i in range(4)])
    index = Path(prefix + ".index")
    data = bytearray(index.read_bytes())
    at %= len(data) - 48
    data[at] ^= 1 << at % 8
    index.write_bytes(data)
    with pytest.raises(SpecError) as error:
        open_bundle(prefix)
    assert code(error) in ("MIG503", "MIG504", "MIG505")


@pytest.mark.parametrize("length", range(0, 300, 11))
def test_a_truncated_index_is_noticed(tmp_path, length):
    prefix = build.write(tmp_path / "m", [ENTRY], b"12345678")
    index = Path(prefix + ".index")
    index.write_bytes(index.read_bytes()[: min(length, index.stat().st_size - 1)])
    assert is_bundle(prefix), "its data file says what it is"
    with pytest.raises(SpecError) as error:
        open_bundle(prefix)
    assert code(error) == "MIG503"


def growing_keys(count: int) -> bytes:
    entries = b"".join(build.varint(i) + build.varint(1) + build.varint(0) + b"k" for i in range(count))
    return entries + struct.pack("<II", 0, 1)


HEAD = build.block([build.header()])
BODY = build.block([build.header(), ENTRY])
TABLES = {
    "no header": (build.table([(build.block([ENTRY]), 0)]), "MIG503"),
    "no entries at all": (build.table([(struct.pack("<II", 0, 1), 0)]), "MIG503"),
    "keys out of order": (build.table([(build.block([build.header(), build.entry("b"), build.entry("a")]), 0)]), "MIG503"),
    "one key twice": (build.table([(BODY, 0), (build.block([ENTRY]), 0)]), "MIG503"),
    "one block listed again and again": (build.table([(HEAD, 0)], [(0, len(HEAD))] * 9), "MIG503"),
    "a block beyond the end": (build.table([(HEAD, 0)], [(0, 1 << 60)]), "MIG503"),
    "a block that starts beyond the end": (build.table([(HEAD, 0)], [((1 << 64) - 1, 5)]), "MIG503"),
    "an empty block": (build.table([(b"", 0)]), "MIG503"),
    "more restart points than bytes": (build.table([(struct.pack("<I", 0xFFFFFFFF), 0)]), "MIG503"),
    "lengths beyond the block": (build.table([(b"\0\x7f\x7f" + struct.pack("<II", 0, 1), 0)]), "MIG503"),
    "an endless varint": (build.table([(b"\xff" * 30 + struct.pack("<II", 0, 1), 0)]), "MIG503"),
    "a prefix that is longer than the key before": (build.table([(b"\5\1\0k" + struct.pack("<II", 0, 1), 0)]), "MIG503"),
    "keys that grow without end": (build.table([(growing_keys(20_000), 0)]), "MIG503"),
    "an unknown compression": (build.table([(HEAD, 2)]), "MIG505"),
    "snappy that is none": (build.table([(b"\xff" * 20, 1)]), "MIG503"),
    "snappy that claims four gigabytes": (build.table([(b"\xff\xff\xff\xff\x0f" + b"\0" * 20, 1)]), "MIG503"),
    "a header that is no message": (build.table([(build.block([(b"", b"\xff")]), 0)]), "MIG503"),
}


@pytest.mark.parametrize("name", TABLES)
def test_hostile_tables(tmp_path, name):
    data, expected = TABLES[name]
    (tmp_path / "m.index").write_bytes(data)
    with pytest.raises(SpecError) as error:
        open_bundle(str(tmp_path / "m"))
    assert code(error) == expected


ENTRIES = {
    "a negative axis": ([build.entry("a", shape=[-1])], "MIG503"),
    "an unknown rank": ([build.entry("a", extra_shape=build.number(3, 1), data=b"1234")], "MIG503"),
    "another size than the shape has": ([build.entry("a", shape=[2], data=b"1234")], "MIG503"),
    "an absurd shape": ([build.entry("a", shape=[1 << 62] * 200, data=b"1234")], "MIG503"),
    "more strings than bytes": ([build.entry("a", build.STRING, [1 << 40], size=1 << 30)], "MIG503"),
    "a negative offset": ([build.entry("a", offset=-4, data=b"1234")], "MIG503"),
    "a negative size": ([build.entry("a", build.STRING, [0], size=-1)], "MIG503"),
    "a data file that the header does not count": ([build.entry("a", shard=1, data=b"1234")], "MIG503"),
    "a negative data file": ([build.entry("a", shard=-1, data=b"1234")], "MIG503"),
    "no dtype": ([build.entry("a", dtype=0, data=b"1234")], "MIG503"),
    "no message": ([(b"a", b"\xff\xff")], "MIG503"),
    "a name that is not UTF-8": ([build.entry(b"a\xff", data=b"1234")], "MIG505"),
    "a slice without its variable": ([build.entry(b"\0a\0\1\1\1\x80\x82", shape=[2], data=b"12345678")], "MIG503"),
    "a slice that is missing": ([build.entry("a", shape=[4], slices=[[(0, 4)]])], "MIG503"),
    "a slice of another rank": ([build.entry("a", shape=[4], slices=[[None, (0, 4)]])], "MIG503"),
    "a slice that reaches out": ([build.entry("a", shape=[4], slices=[[(2, 3)]])], "MIG503"),
    "a slice from before the start": ([build.entry("a", shape=[4], slices=[[(-1, 3)]])], "MIG503"),
    "a partitioned variable of a negative shape": ([build.entry("a", shape=[-4], slices=[[None]])], "MIG503"),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_hostile_entries(tmp_path, name):
    entries, expected = ENTRIES[name]
    with pytest.raises(SpecError) as error:
        open_bundle(build.write(tmp_path / "m", entries))
    assert code(error) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (build.header(shards=0), "MIG503"),
        (build.header(shards=-1), "MIG503"),
        (build.header(shards=(1 << 31) - 1), "MIG503"),
        (build.header(min_consumer=2), "MIG505"),
    ],
)
def test_hostile_headers(tmp_path, head, expected):
    with pytest.raises(SpecError) as error:
        open_bundle(build.write(tmp_path / "m", [], head=head))
    assert code(error) == expected
