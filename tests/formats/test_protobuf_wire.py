"""The walk over protobuf's wire format, held against the protobuf library."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.diagnostics.model import SpecError
from migspec.formats import protobuf_wire
from migspec.formats.input import InputFile
from migspec.formats.protobuf_values import byte_fields, repeated, varints
from migspec.formats.protobuf_wire import FIXED32, FIXED64, LENGTH, VARINT, FileBytes, fields, signed, text
from migspec.formats.varint import read_varint

descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2", reason="needs protobuf, which TensorFlow brings along")


def all_fields(data: bytes) -> list[tuple[int, int, int, int]]:
    return list(fields(data, 0, len(data)))


def in_file(tmp_path: Path, data: bytes) -> FileBytes:
    (tmp_path / "message").write_bytes(data)
    return FileBytes(InputFile(str(tmp_path / "message")))


def test_every_wire_type() -> None:
    option = descriptor_pb2.UninterpretedOption(
        positive_int_value=2**64 - 1, negative_int_value=-1, double_value=1.5, string_value=b"x" * 200
    )
    data = option.SerializeToString()
    found = {number: (wire_type, value, end) for number, wire_type, value, end in all_fields(data)}
    assert found[4][:2] == (VARINT, 2**64 - 1)
    assert signed(found[5][1]) == -1
    assert found[6][:2] == (FIXED64, int.from_bytes(numpy.float64(1.5).tobytes(), "little"))
    wire_type, start, end = found[7]
    assert (wire_type, data[start:end]) == (LENGTH, b"x" * 200)
    assert all_fields(b"\x0d\x01\x02\x03\x04") == [(1, FIXED32, 0x04030201, 5)]
    assert all_fields(b"") == []


numbers = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))
messages = st.lists(
    st.tuples(st.integers(1, 2**29 - 1), st.one_of(st.tuples(st.just(VARINT), numbers), st.tuples(st.just(LENGTH), st.binary(max_size=90))))
)  # fmt: skip


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


@settings(max_examples=100, deadline=None)
@given(message=messages, window=st.integers(20, 64), lead=st.binary(max_size=40))
def test_a_file_gives_the_same_fields_as_memory(tmp_path_factory, message, window, lead) -> None:
    """Whatever part of a message a window of the file happens to hold."""
    body = b"".join(
        varint(number << 3 | kind) + (varint(value) if kind == VARINT else varint(len(value)) + value)
        for number, (kind, value) in message
    )
    data = lead + body + b"behind"
    source = in_file(tmp_path_factory.mktemp("wire"), data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protobuf_wire, "_WINDOW", window)
        found = list(fields(source, len(lead), len(lead) + len(body)))
        assert found == list(fields(data, len(lead), len(lead) + len(body)))
        assert [(number, kind, value if kind == VARINT else source[value:end]) for number, kind, value, end in found] == [
            (number, kind, value) for number, (kind, value) in message
        ]
    source.file.close()


def test_long_fields_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        for _ in range(20):
            file.write(b"\x0a" + varint(1 << 30))
            file.seek(1 << 30, 1)
        file.write(b"\x10\x07")
    source = FileBytes(InputFile(str(path)))
    found = list(fields(source, 0, len(source)))
    assert len(found) == 21
    assert found[-1][:3] == (2, VARINT, 7)
    source.file.close()


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"\x0a\x05abc", "field 1 takes 5 bytes where its message has 3 left"),
        (b"\x0a" + b"\xff" * 9 + b"\x01", "field 1 takes 18446744073709551615 bytes"),
        (b"\x0a", "no integer can be read"),
        (b"\x08", "no integer can be read"),
        (b"\x08\xff", "no integer can be read"),
        (b"\x08" + b"\x80" * 10 + b"\x01", "no integer can be read"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "no integer can be read"),
        (b"\x80", "no integer can be read"),
        (b"\x0d\x01\x02\x03", "field 1 reaches beyond its message"),
        (b"\x09\x01\x02\x03", "field 1 reaches beyond its message"),
        (b"\x02\x00", "a field has the number 0"),
        (b"\x80\x80\x80\x80\x20\x00", "a field has the number 1073741824"),
        (b"\x0b\x0c", "field 1 is a group"),
        (b"\x0c", "field 1 is a group"),
        (b"\x0e\x00", "field 1 has the wire type 6"),
        (b"\x0f\x00", "field 1 has the wire type 7"),
    ],
)
def test_what_is_no_message(tmp_path: Path, data: bytes, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        all_fields(data)
    source = in_file(tmp_path, data)
    with pytest.raises(ValueError, match=cause):
        list(fields(source, 0, len(source)))
    with pytest.raises(ValueError, match=cause):  # in the middle of a file that goes on
        list(fields(data + b"\x00" * 30, 0, len(data)))
    source.file.close()


def test_places_outside_of_the_source() -> None:
    for start, end in ((0, 4), (2, 1), (-1, 2)):
        with pytest.raises(ValueError, match="does not lie in 3 bytes"):
            list(fields(b"\x08\x01\x00", start, end))


def test_what_is_left_of_a_file_that_was_cut() -> None:
    data = b"\x08\x01\x12\x90\x01abc"
    with pytest.raises(ValueError, match="field 2 takes 144 bytes"):
        all_fields(data)
    assert list(fields(data, 0, len(data), may_be_cut=True)) == [(1, VARINT, 1, 2), (2, LENGTH, 5, 149)]


def test_a_file_that_shrinks_is_damaged(tmp_path: Path) -> None:
    source = in_file(tmp_path, b"\x0a\x64" + b"x" * 100 + b"\x10\x01")
    (tmp_path / "message").write_bytes(b"\x0a\x64")
    with pytest.raises(SpecError) as caught:
        list(fields(source, 0, len(source)))
    assert caught.value.diagnostics[0].code == "MIG503"
    source.file.close()


def test_text() -> None:
    assert text("größe".encode(), 0, 7) == "größe"
    with pytest.raises(ValueError, match="not UTF-8"):
        text(b"\xff", 0, 1)


@given(st.integers(0, 2**64 - 1))
def test_varints_one_by_one(number: int) -> None:
    data = varint(number)
    assert read_varint(data + b"\xff", 0, len(data)) == (number, len(data))
    with pytest.raises(ValueError):
        read_varint(data, 0, len(data) - 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(numbers, max_size=60), st.integers(10, 40))
def test_varints_many_at_once(values: list[int], piece: int) -> None:
    data = b"".join(map(varint, values))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("migspec.formats.protobuf_values._PIECE", piece)
        assert [int(value) for part in varints(data, 0, len(data)) for value in part] == values


@pytest.mark.parametrize(
    "data", [b"\x80", b"\x01\xff", b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x00", b"\x01" + b"\xff" * 30 + b"\x01"]
)
def test_what_is_no_list_of_varints(data: bytes) -> None:
    with pytest.raises(ValueError):
        list(varints(data, 0, len(data)))


@pytest.mark.parametrize(
    ("wire_type", "dtype", "values"),
    [
        (VARINT, "int32", [0, -1, 2**31 - 1, -(2**31)]),
        (VARINT, "int8", [0, -1, 127, -128]),
        (VARINT, "uint8", [0, 255]),
        (VARINT, "uint64", [0, 2**64 - 1]),
        (VARINT, "bool", [True, False, True]),
        (FIXED32, "float32", [0.5, -1e30, float("inf")]),
        (FIXED64, "float64", [0.5, -1e300]),
        (FIXED32, "complex64", [1 + 2j, -3j]),
    ],
)
def test_numbers_packed_and_one_by_one(wire_type: int, dtype: str, values: list[object]) -> None:
    expected = numpy.array(values, dtype)
    if wire_type == VARINT:
        parts = [varint(int(value) & (2**64 - 1)) for value in values]  # type: ignore[call-overload]
    else:
        width = 4 if wire_type == FIXED32 else 8
        parts = [expected.tobytes()[i : i + width] for i in range(0, expected.nbytes, width)]
    single = b"".join(varint(5 << 3 | wire_type) + part for part in parts)
    packed = b"".join(parts)
    both = varint(5 << 3 | LENGTH) + varint(len(packed)) + packed + b"\x08\x01" + single
    for message, times in ((single, 1), (both, 2), (both + both, 4)):
        actual = repeated(message, 0, len(message), 5, wire_type, expected.dtype)
        assert actual.dtype == expected.dtype
        assert actual.tobytes() == expected.tobytes() * times
    assert repeated(b"\x08\x01", 0, 2, 5, wire_type, expected.dtype).size == 0
    with pytest.raises(ValueError):
        wrong = varint(5 << 3 | (FIXED32 if wire_type != FIXED32 else VARINT)) + b"\x01\0\0\0"
        repeated(wrong, 0, len(wrong), 5, wire_type, expected.dtype)


def test_parts_of_a_number() -> None:
    with pytest.raises(ValueError, match="no whole number of elements"):
        repeated(b"\x2a\x03abc", 0, 5, 5, FIXED32, numpy.dtype("float32"))
    with pytest.raises(ValueError, match="no whole number of complex"):
        repeated(b"\x2a\x04abcd", 0, 6, 5, FIXED32, numpy.dtype("complex64"))


def test_byte_fields() -> None:
    assert byte_fields(b"\x0a\x01a\x12\x01b\x0a\x00", 0, 8, 1) == [b"a", b""]
    with pytest.raises(ValueError, match="wire type"):
        byte_fields(b"\x08\x01", 0, 2, 1)
