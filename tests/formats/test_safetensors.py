"""safetensors files beyond what every format has in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy
import pytest

from migspec.diagnostics.model import SpecError
from migspec.formats.output import Destination
from migspec.formats.safetensors import SafetensorsReader, SafetensorsWriter
from migspec.formats.writing import create_writer
from migspec.variables import Variable, VariableMap

safetensors = pytest.importorskip("safetensors")


def file_of(path: Path, header: Any, values: bytes = b"", length: int | None = None) -> str:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + values)
    return str(path)


def entry(dtype: str = "F32", shape: Any = (1,), begin: Any = 0, end: Any = 4) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


DAMAGED: list[tuple[Any, bytes]] = [
    ({"a": entry()}, b"123"),
    ({"a": entry()}, b"12345"),
    ({"a": entry(shape=[2])}, b"1234"),
    ({"a": entry(begin=4, end=8)}, b"12345678"),
    ({"a": entry(), "b": entry()}, b"1234"),
    ({"a": entry(), "b": entry(begin=2, end=6)}, b"123456"),
    ({"a": entry(), "b": entry(begin=5, end=9)}, b"123456789"),
    ({"a": entry(begin=4, end=0)}, b"1234"),
    ({"a": entry(shape=[-1])}, b"1234"),
    ({"a": entry(shape=1.0)}, b"1234"),
    ({"a": {"dtype": "F32", "shape": [1]}}, b"1234"),
    ({"a": 3}, b"1234"),
    ([], b""),
    (b"{", b""),
    (b'{"a": 1e5', b""),
    (b"[" * 100_000, b""),
    (b'{"\\ud800": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}', b"1234"),
    ({"__metadata__": {"format": 3}}, b""),
]


@pytest.mark.parametrize(("header", "values"), DAMAGED, ids=range(len(DAMAGED)))
def test_a_header_that_lies_is_refused_as_the_reference_refuses_it(tmp_path: Path, header: Any, values: bytes) -> None:
    path = file_of(tmp_path / "a.safetensors", header, values)
    with pytest.raises(SpecError) as caught:
        SafetensorsReader(path)
    assert caught.value.diagnostics[0].code == "MIG503"
    with pytest.raises(safetensors.SafetensorError), safetensors.safe_open(path, framework="numpy"):
        pass


def test_a_shape_that_numpy_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="impossible shape") as caught:
        SafetensorsReader(file_of(tmp_path / "a.safetensors", {"a": entry(shape=[0, 1 << 62], end=0)}))
    assert caught.value.diagnostics[0].code == "MIG503"


def test_one_key_twice_is_refused(tmp_path: Path) -> None:
    text = b'{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, "a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}}'
    with pytest.raises(SpecError, match="'a' stands in it twice"):
        SafetensorsReader(file_of(tmp_path / "a.safetensors", text, b"12"))


@pytest.mark.parametrize("length", [0, 1, 100_000_001, 1 << 40, (1 << 64) - 1])
def test_a_header_of_impossible_length(tmp_path: Path, length: int) -> None:
    with pytest.raises(SpecError) as caught:
        SafetensorsReader(file_of(tmp_path / "a.safetensors", {"a": entry()}, b"1234", length))
    assert caught.value.diagnostics[0].code == "MIG503"


def test_a_dtype_of_the_future_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="'F3_E1M1'") as caught:
        SafetensorsReader(file_of(tmp_path / "a.safetensors", {"a": entry("F3_E1M1")}, b"1234"))
    assert caught.value.diagnostics[0].code == "MIG505"


def test_dtypes_that_cannot_be_moved_are_listed(tmp_path: Path) -> None:
    header = {"a": entry("F8_E8M0", [4]), "b": entry("F4", [2, 4], 4, 8), "c": entry("U8", [1], 8, 9)}
    reader = SafetensorsReader(file_of(tmp_path / "a.safetensors", header, b"123456789"))
    assert [variable.dtype for variable in reader.variables] == ["f8_e8m0", "f4", "uint8"]
    assert reader.read("c").tolist() == [ord("9")]
    assert reader.extent("a") is None
    with pytest.raises(SpecError) as caught:
        reader.read("a")
    assert caught.value.diagnostics[0].code == "MIG505"
    reader.close()


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_small_floats_are_written_and_read(tmp_path: Path, name: str) -> None:
    values = numpy.linspace(-4, 4, 7).astype(getattr(ml_dtypes, name))
    variables = VariableMap.of("x", [Variable("a", (7,), name)])
    writer = SafetensorsWriter(Destination(str(tmp_path / "a.safetensors")), variables)
    writer.write("a", 0, memoryview(values.tobytes()))
    writer.commit()
    reader = SafetensorsReader(str(tmp_path / "a.safetensors"))
    assert reader.read("a").dtype == values.dtype
    assert reader.read("a").tobytes() == values.tobytes()
    reader.close()
    with safetensors.safe_open(str(tmp_path / "a.safetensors"), framework="numpy") as file:
        code = {"bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2"}[name]
        assert file.get_slice("a").get_dtype() == code


def test_values_are_aligned_and_the_metadata_is_the_templates(tmp_path: Path) -> None:
    variables = VariableMap.of(
        "x", [Variable("b", (3,), "uint8"), Variable("d", (1,), "float64"), Variable("h", (1,), "float16")]
    )
    plain = tmp_path / "plain.safetensors"
    SafetensorsWriter(Destination(str(plain)), variables).commit()
    template = file_of(tmp_path / "template.safetensors", {"__metadata__": {"format": "flax", "by": "me"}})
    reader = SafetensorsReader(template)
    create_writer(Destination(str(tmp_path / "after.safetensors")), variables, template=reader).commit()
    reader.close()
    with safetensors.safe_open(str(plain), framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
    with safetensors.safe_open(str(tmp_path / "after.safetensors"), framework="numpy") as file:
        assert file.metadata() == {"format": "flax", "by": "me"}
    written = SafetensorsReader(str(plain))
    assert {name: written.extent(name).offset % size for name, size in (("d", 8), ("h", 2))} == {"d": 0, "h": 0}
    written.close()


@pytest.mark.parametrize(
    "variable",
    [
        Variable("a", (2,), "complex128"),
        Variable("a", (), "string"),
        Variable("__metadata__", (), "float32"),
        Variable("\ud800", (), "int8"),
    ],
)
def test_what_it_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path, variable: Variable) -> None:
    with pytest.raises(SpecError) as caught:
        SafetensorsWriter(Destination(str(tmp_path / "a.safetensors")), VariableMap.of("x", [variable]))
    assert caught.value.diagnostics[0].code == "MIG508"
    assert list(tmp_path.iterdir()) == []
