"""Values: byte orders, strings, slices, dtypes that cannot be moved, and data files that are missing, short or changed."""

from __future__ import annotations

import sys
from math import prod
from pathlib import Path

import numpy as np
import pytest
import tensorflow_bundle_builder as build
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.diagnostics import SpecError
from migspec.dtypes import NAMES, itemsize, numpy_dtype
from migspec.formats.base import Extent
from migspec.formats.tensorflow_bundle import open_bundle
from migspec.formats.tensorflow_proto.datatypes import dtype_name
from migspec.formats.tensorflow_proto.slices import Box, slice_key, tile

DTYPES = {dtype_name(number): number for number in range(1, 34)}
NUMERIC = [name for name in NAMES if name != "string"]


def code_of(action, *arguments) -> str:
    with pytest.raises(SpecError) as error:
        action(*arguments)
    return error.value.diagnostics[0].code


def slice_item(name: str, start: int, data: np.ndarray, **place) -> build.Item:
    """The entry of a slice along the first of two axes; lengths below 64 take one byte in OrderedCode, and 0x7f is -1."""
    key = b"\0" + name.encode() + b"\0\1\1\2" + bytes([0x80 + start, 0x80 + len(data), 0x80, 0x7F])
    return build.entry(key, shape=data.shape, data=data.tobytes(), **place)


@pytest.mark.parametrize("name", NUMERIC)
@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_both_byte_orders(tmp_path, name, byte_order):
    dtype = numpy_dtype(name)
    little = np.random.default_rng(0).integers(0, 256, 6 * itemsize(name), np.uint8)
    if name == "bool":
        little %= 2
    width = itemsize(name) // (2 if name.startswith("complex") else 1)
    stored = little.reshape(-1, width)[:, :: 1 if byte_order == "little" else -1].tobytes()
    head = build.header(big_endian=byte_order == "big")
    items = [build.entry("v", DTYPES[name], (2, 3), stored, offset=1), build.entry("w", DTYPES[name], (0, 3))]
    reader = open_bundle(build.write(tmp_path / "m", items, b"x" + stored, head=head))
    value = reader.read("v")
    assert value.dtype == dtype
    assert value.shape == (2, 3)
    assert sys.byteorder == "little"
    assert value.tobytes() == little.tobytes()
    extent = reader.extent("v")
    assert extent == Extent(reader.files[1], 1, len(stored), byte_order, extent.crc32c)
    assert build.masked(stored) == ((extent.crc32c >> 15 | extent.crc32c << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert reader.read("w").shape == (0, 3)
    assert reader.extent("w").length == 0


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.binary(max_size=200), max_size=20), byte_order=st.sampled_from("<>"))
def test_strings(tmp_path_factory, values, byte_order):
    data, crc32c = build.strings(values, byte_order)
    item = build.entry("v", build.STRING, [len(values)], data, crc32c=crc32c)
    prefix = build.write(tmp_path_factory.mktemp("s") / "m", [item], data, head=build.header(big_endian=byte_order == ">"))
    reader = open_bundle(prefix)
    assert list(reader.read("v")) == values
    assert reader.extent("v") is None
    assert reader.variables["v"].dtype == "string"


def test_strings_of_every_shape(tmp_path):
    one, one_crc = build.strings([b"a\0\xff\0"])
    six, six_crc = build.strings([b"", b"b", b"\0", b"dd", b"", b""])
    items = [
        build.entry("none", build.STRING, [0]),
        build.entry("one", build.STRING, [], one, crc32c=one_crc),
        build.entry("six", build.STRING, [2, 3], six, crc32c=six_crc, offset=len(one)),
    ]
    reader = open_bundle(build.write(tmp_path / "m", items, one + six))
    assert reader.read("one")[()] == b"a\0\xff\0"
    assert reader.read("six").tolist() == [[b"", b"b", b"\0"], [b"dd", b"", b""]]
    assert reader.read("none").shape == (0,)


@pytest.mark.parametrize(
    ("data", "count", "crc32c", "expected"),
    [
        (b"\x05" + b"\0" * 4, 1, None, "MIG503"),  # longer than what is there
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\0" * 4, 1, None, "MIG503"),
        (b"\xff" * 9, 1, None, "MIG503"),  # a length without end
        (build.strings([b"ab"])[0] + b"rest", 1, None, "MIG503"),
        (build.strings([b"ab"])[0], 1, 0, "MIG504"),
        (b"\x02" + b"\0" * 4 + b"ab", 1, None, "MIG504"),  # the checksum of the lengths
    ],
)
def test_strings_that_lie(tmp_path, data, count, crc32c, expected):
    prefix = build.write(tmp_path / "m", [build.entry("v", build.STRING, [count], data, crc32c=crc32c)], data)
    assert code_of(open_bundle(prefix).read, "v") == expected


@pytest.mark.parametrize("number", [*(n for n in range(1, 34) if dtype_name(n) not in NAMES), 34, 101, 5000])
def test_dtypes_that_cannot_be_moved_are_listed_and_refused(tmp_path, number):
    reader = open_bundle(build.write(tmp_path / "m", [build.entry("v", number, [3], b"123")], b"123"))
    assert reader.variables["v"].dtype == dtype_name(number)
    assert reader.variables["v"].shape == (3,)
    assert reader.extent("v") is None
    assert code_of(reader.read, "v") == "MIG505"


@pytest.mark.parametrize("shape", [(0, 1 << 62, 1 << 62), (1,) * 100])
def test_shapes_that_numpy_cannot_hold_are_refused(tmp_path, shape):
    data = bytes(4 * prod(shape))
    reader = open_bundle(build.write(tmp_path / "m", [build.entry("v", shape=shape, data=data)], data))
    assert reader.variables["v"].shape == shape
    assert code_of(reader.read, "v") == "MIG505"


def test_a_variable_that_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    reader = open_bundle(build.write(tmp_path / "m", [build.entry("v", shape=[2], data=b"12345678")], b"12345678"))

    def refuse(*_arguments):
        raise MemoryError("no memory")

    monkeypatch.setattr(np, "empty", refuse)
    assert code_of(reader.read, "v") == "MIG505"


def test_a_data_file_that_is_no_file_is_an_error(tmp_path):
    items = [build.entry("v", shape=[2], data=b"12345678"), build.entry("none", shape=[0])]
    prefix = build.write(tmp_path / "m", items)
    Path(f"{prefix}.data-00000-of-00001").mkdir()
    assert code_of(open_bundle(prefix).read, "v") == "MIG501"
    assert open_bundle(prefix).read("none").shape == (0,)


def test_without_its_data_files_a_checkpoint_opens_and_lists_but_does_not_read(tmp_path):
    graph, crc32c = build.strings([build.object_graph({"model/w/.ATTRIBUTES/VARIABLE_VALUE": "dense/kernel"})])
    items = [
        build.entry("_CHECKPOINTABLE_OBJECT_GRAPH", build.STRING, [], graph, crc32c=crc32c),
        build.entry("model/w/.ATTRIBUTES/VARIABLE_VALUE", shape=[2], data=b"12345678", shard=1),
    ]
    prefix = build.write(tmp_path / "m", items, graph, b"12345678")
    assert [(v.name, v.aliases) for v in open_bundle(prefix).variables] == [("dense/kernel", ("model/w",))]

    Path(f"{prefix}.data-00000-of-00002").unlink()
    reader = open_bundle(prefix)
    assert [(v.name, v.aliases) for v in reader.variables] == [("model/w", ())]
    assert reader.read("model/w").tobytes() == b"12345678"

    Path(f"{prefix}.data-00001-of-00002").unlink()
    reader = open_bundle(prefix)
    assert reader.variables["model/w"].shape == (2,)
    assert reader.files == (f"{prefix}.index", f"{prefix}.data-00000-of-00002", f"{prefix}.data-00001-of-00002")
    assert code_of(reader.extent, "model/w") == "MIG501"
    assert code_of(reader.read, "model/w") == "MIG501"


@pytest.mark.parametrize("graph", [b"\xff\xff\xff", b"\x0a\x05ab"])
def test_a_damaged_object_graph_is_an_error(tmp_path, graph):
    data, crc32c = build.strings([graph])
    items = [build.entry("_CHECKPOINTABLE_OBJECT_GRAPH", build.STRING, [], data, crc32c=crc32c)]
    assert code_of(open_bundle, build.write(tmp_path / "m", items, data)) == "MIG503"
    items = [build.entry("_CHECKPOINTABLE_OBJECT_GRAPH", build.FLOAT32, [1], b"1234")]
    assert code_of(open_bundle, build.write(tmp_path / "n", items, b"1234")) == "MIG503"


def test_data_files_that_are_short_or_changed(tmp_path):
    prefix = build.write(tmp_path / "m", [build.entry("v", shape=[2], data=b"12345678")], b"12345678")
    shard = Path(f"{prefix}.data-00000-of-00001")
    reader = open_bundle(prefix)
    shard.write_bytes(b"12345679")
    assert code_of(reader.read, "v") == "MIG504"
    shard.write_bytes(b"1234567")
    assert code_of(reader.read, "v") == "MIG503"
    assert code_of(reader.extent, "v") == "MIG503"
    shard.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    reader = open_bundle(build.write(tmp_path / "m", [build.entry("v", shape=[99], data=bytes(396))]))
    with pytest.raises(SpecError, match="cut short") as error:
        reader.read("v")
    assert "git lfs pull" in error.value.diagnostics[0].helps[0]


def test_slices_of_several_data_files_are_assembled(tmp_path):
    value = np.arange(15, dtype=np.float32).reshape(5, 3)
    items = [
        build.entry("v", shape=value.shape, slices=[[(2, 3), None], [(0, 2), None]]),
        slice_item("v", 0, value[:2]),
        slice_item("v", 2, value[2:], shard=1),
    ]
    reader = open_bundle(build.write(tmp_path / "m", items, value[:2].tobytes(), value[2:].tobytes()))
    assert [variable.name for variable in reader.variables] == ["v"]
    assert reader.variables["v"].shape == (5, 3)
    assert reader.extent("v") is None
    np.testing.assert_array_equal(reader.read("v"), value)
    Path(reader.files[2]).write_bytes(bytes(36))
    assert code_of(reader.read, "v") == "MIG504"


@pytest.mark.parametrize(
    ("slices", "parts"),
    [
        ([[(0, 2), None]], [(0, 2)]),  # a gap
        ([[(0, 3), None], [(2, 3), None]], [(0, 3), (2, 3)]),  # two over one place
        ([[(0, 2), None], [(0, 2), None], [(2, 3), None]], [(0, 2), (2, 3)]),  # one twice
        ([[(0, 5), None]], [(0, 4)]),  # a slice of another shape than its entry
    ],
)
def test_slices_that_are_not_the_whole(tmp_path, slices, parts):
    value = np.zeros((5, 3), np.float32)
    items = [build.entry("v", shape=value.shape, slices=slices)]
    items += [slice_item("v", start, value[start : start + length]) for start, length in parts]
    assert code_of(open_bundle, build.write(tmp_path / "m", items, value.tobytes())) == "MIG503"


def test_slices_that_share_bytes_cannot_make_a_large_array_of_a_small_file(tmp_path):
    value = np.zeros((30, 3), np.float32)
    items = [build.entry("v", shape=(60, 3), slices=[[(0, 30), None], [(30, 30), None]])]
    items += [slice_item("v", 0, value), slice_item("v", 30, value)]
    assert code_of(open_bundle(build.write(tmp_path / "m", items, value.tobytes())).read, "v") == "MIG503"


BOXES = st.lists(
    st.tuples(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.tuples(st.integers(0, 4), st.integers(0, 4))).map(
        lambda ends: (ends[0], tuple(max(a, b) for a, b in zip(*ends, strict=True)))
    ),
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(BOXES, st.integers(0, 4), st.integers(0, 4))
def test_tiling_is_what_counting_each_element_says(boxes, row, column):
    shape = (4, 4)
    count = np.zeros(shape, int)
    # Four boxes that tile, then the drawn ones: both answers occur.
    quarters = [((0, 0), (row, column)), ((row, 0), (4, column)), ((0, column), (row, 4)), ((row, column), (4, 4))]
    chosen = [Box(*ends) for ends in quarters + boxes]
    for one in chosen:
        count[one.region] += 1
    assert tile(shape, chosen) == bool((count == 1).all())


def test_a_variable_cut_along_many_axes_is_refused_at_once(tmp_path):
    item = build.entry("v", shape=[2] * 40, slices=[[(0, 1)] * 40])
    key = slice_key(b"v", [(0, 1)] * 40)
    assert (
        code_of(open_bundle, build.write(tmp_path / "m", [item, build.entry(key, shape=[1] * 40, data=b"1234")], b"1234"))
        == "MIG503"
    )
