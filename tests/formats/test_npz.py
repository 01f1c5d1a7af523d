"""npz files beyond what every format has in common."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from migspec.diagnostics.model import SpecError
from migspec.formats.npz import NpzReader, NpzWriter
from migspec.formats.output import Destination
from migspec.variables import Variable, VariableMap


def npy(value: numpy.ndarray, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    numpy.lib.format.write_array(stream, value, version)
    return stream.getvalue()


def error_of(path: Path) -> tuple[str, str]:
    with pytest.raises(SpecError) as caught:
        NpzReader(str(path))
    [diagnostic] = caught.value.diagnostics
    return diagnostic.code, diagnostic.message


@settings(max_examples=50, deadline=None)
@given(
    value=hypothesis_numpy.arrays(
        hypothesis_numpy.integer_dtypes(endianness="?") | hypothesis_numpy.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
        hypothesis_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    fortran=st.booleans(),
    version=st.sampled_from([(1, 0), (2, 0), (3, 0)]),
    deflated=st.booleans(),
)
def test_any_array_reads_as_numpy_reads_it(
    tmp_path_factory: pytest.TempPathFactory, value: numpy.ndarray, fortran: bool, version: tuple[int, int], deflated: bool
) -> None:
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    kind = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("a.npy", npy(numpy.array(value, order="F" if fortran else "C"), version))
    reader = NpzReader(str(path))
    read = reader.read("a")
    assert (read.shape, read.dtype) == (value.shape, value.dtype.newbyteorder("="))
    assert read.dtype.isnative
    assert read.tobytes() == value.astype(read.dtype).tobytes()
    extent = reader.extent("a")
    if extent is not None:
        stored = path.read_bytes()[extent.offset : extent.offset + extent.length]
        assert stored == value.tobytes()
        assert extent.byte_order == "big" or value.dtype.newbyteorder("<") == value.dtype
    reader.close()


def test_keys_are_the_names_whatever_they_are(tmp_path: Path) -> None:
    names = ["a/b/c", "0.weight", "ä b", "x.npy", "a.b"]
    numpy.savez(tmp_path / "a.npz", **{name: numpy.float32(number) for number, name in enumerate(names)})
    reader = NpzReader(str(tmp_path / "a.npz"))
    assert [variable.name for variable in reader.variables] == names
    assert [float(reader.read(name)) for name in names] == [0, 1, 2, 3, 4]
    reader.close()


def test_what_is_no_plain_number_is_listed_and_not_read(tmp_path: Path) -> None:
    records = numpy.zeros(2, [("a", "f4"), ("b", "i4")])
    objects = numpy.array([1, "two"], object)
    texts = numpy.array(["one", "three"])
    numpy.savez(tmp_path / "a.npz", records=records, objects=objects, texts=texts, allow_pickle=True)
    reader = NpzReader(str(tmp_path / "a.npz"))
    assert reader.variables["texts"].dtype == "<U5"
    for name in ("records", "objects", "texts"):
        assert reader.extent(name) is None
        with pytest.raises(SpecError) as caught:
            reader.read(name)
        assert caught.value.diagnostics[0].code == "MIG505"
    reader.close()


@pytest.mark.parametrize(
    ("shape", "content"),
    [
        ("(1000000000000,)", b"1234"),
        ("(-1,)", b"1234"),
        ("(True,)", b"1234"),
        ("(2,)", b"1234"),
        ("(0, 9999999999999999999)", b""),
    ],
)
def test_a_header_that_claims_what_is_not_there(tmp_path: Path, shape: str, content: bytes) -> None:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode().ljust(117) + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + content)
    assert error_of(tmp_path / "a.npz")[0] == "MIG503"


def test_a_member_that_claims_to_unpack_to_terabytes(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", npy(numpy.zeros(1000, numpy.float32)))
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\1\2")
    content[directory + 24 : directory + 28] = struct.pack("<I", 0xFFFFFF00)
    path.write_bytes(content)
    assert error_of(path)[0] == "MIG503"


def test_values_that_changed_are_noticed_by_the_zip_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    numpy.savez(path, a=numpy.arange(100, dtype=numpy.float32))
    content = bytearray(path.read_bytes())
    content[400] ^= 1
    path.write_bytes(content)
    reader = NpzReader(str(path))
    with pytest.raises(SpecError) as caught:
        reader.read("a")
    assert caught.value.diagnostics[0].code == "MIG504"
    reader.close()


def test_an_empty_npz_has_no_variables(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "a.npz")
    reader = NpzReader(str(tmp_path / "a.npz"))
    assert len(reader.variables) == 0
    reader.close()


@pytest.mark.parametrize(
    "variable",
    [
        Variable("a", (2,), "bfloat16"),
        Variable("a", (), "string"),
        Variable("a\0b", (), "float32"),
        Variable("", (), "float32"),
    ],
)
def test_what_npz_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path, variable: Variable) -> None:
    with pytest.raises(SpecError) as caught:
        NpzWriter(Destination(str(tmp_path / "a.npz")), VariableMap.of("x", [Variable("good", (), "float32"), variable]))
    assert caught.value.diagnostics[0].code == "MIG508"
    assert list(tmp_path.iterdir()) == []


def test_equal_inputs_give_equal_files(tmp_path: Path) -> None:
    variables = VariableMap.of(
        "x", [Variable("empty", (0, 3), "int8"), Variable("b", (3,), "uint8"), Variable("a", (), "float32")]
    )
    for name in ("one.npz", "two.npz"):
        writer = NpzWriter(Destination(str(tmp_path / name)), variables)
        writer.write("b", 0, memoryview(b"ab"))
        writer.write("b", 2, memoryview(b"c"))
        writer.write("a", 0, memoryview(struct.pack("<f", 2.5)))
        writer.commit()
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with numpy.load(tmp_path / "one.npz", allow_pickle=False) as file:
        assert file.files == ["empty", "b", "a"]
        assert file["empty"].shape == (0, 3)
        assert file["b"].tolist() == [97, 98, 99]
        assert file["a"] == 2.5
