"""Orbax checkpoints that are damaged, lie, or hold what no variable can stand for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jax_files
import numpy
import pytest
from writing_values import map_of, write_values

from migspec.diagnostics.model import Diagnostic, SpecError
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.writing import create_writer


def error_of(path: Path) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        reader = open_reader(str(path))
        for variable in reader.variables:
            reader.read(variable.name)
    [diagnostic] = caught.value.diagnostics
    return diagnostic


def checkpoint(folder: Path) -> Path:
    values = {"w": numpy.arange(6.0).reshape(2, 3), "b": numpy.ones(3)}
    writer = create_writer(Destination(str(folder / "x")), map_of(values), format="orbax")
    write_values(writer, values)
    writer.commit()
    return folder / "x"


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


HEADERS: dict[str, dict[str, Any]] = {
    "a shape that is none": {"shape": [-2, 3]},
    "chunks of another rank": {"chunks": [6]},
    "another version": {"zarr_format": 3},
    "2^60 elements": {"shape": [1 << 60, 1], "chunks": [1 << 60, 1]},
    "an impossible shape": {"shape": [1 << 62, 1 << 62], "chunks": [2, 3]},
    "more than the file has": {"shape": [3, 3], "chunks": [3, 3]},
    "less than the file has": {"shape": [1, 3], "chunks": [1, 3]},
    "a huge chunk": {"chunks": [1 << 40, 3]},
    "compressed, and it is not": {"compressor": {"id": "zstd", "level": 1}},
}


@pytest.mark.parametrize("lie", HEADERS)
def test_a_header_that_lies(tmp_path: Path, lie: str) -> None:
    pytest.importorskip("tensorstore", reason="needs tensorstore")
    path = checkpoint(tmp_path)
    change(path / "w" / ".zarray", **HEADERS[lie])
    assert error_of(path).code == "MIG503"


def test_an_array_that_is_missing(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    shutil.rmtree(path / "w")
    found = error_of(path)
    assert found.code == "MIG501"
    assert str(path / "w") in found.message


def test_values_that_are_missing_are_no_zeros(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    (path / "w" / "0.0").unlink()
    reader = open_reader(str(path))  # its header is enough to check a spec
    with pytest.raises(SpecError) as caught:
        reader.read("w")
    assert caught.value.diagnostics[0].code == "MIG501"
    reader.close()
    jax_files.save_orbax_folders(tmp_path / "y", {"w": numpy.ones((2, 3))})
    (tmp_path / "y" / "w" / "0.0").unlink()
    assert error_of(tmp_path / "y").code == "MIG503"


def test_values_that_an_older_orbax_left_out_are_the_fill_value(tmp_path: Path) -> None:
    pytest.importorskip("tensorstore", reason="needs tensorstore")
    path = checkpoint(tmp_path)
    change(path / "_METADATA", store_array_data_equal_to_fill_value=False)
    (path / "w" / "0.0").unlink()
    reader = open_reader(str(path))
    assert reader.extent("w") is None
    assert reader.read("w").tolist() == [[0] * 3] * 2
    assert reader.extent("b") is not None
    reader.close()


def test_values_in_the_other_byte_order(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    change(path / "w" / ".zarray", dtype=">f8")
    (path / "w" / "0.0").write_bytes(numpy.arange(6, dtype=">f8").tobytes())
    reader = open_reader(str(path))
    assert reader.extent("w").byte_order == "big"  # type: ignore[union-attr]
    assert reader.read("w").tolist() == [[0, 1, 2], [3, 4, 5]]
    reader.close()


def test_values_in_the_order_of_fortran(tmp_path: Path) -> None:
    pytest.importorskip("tensorstore", reason="needs tensorstore")
    path = checkpoint(tmp_path)
    change(path / "w" / ".zarray", order="F")
    (path / "w" / "0.0").write_bytes(numpy.arange(6.0).reshape(2, 3).tobytes("F"))
    reader = open_reader(str(path))
    assert reader.extent("w") is None
    assert reader.read("w").tolist() == [[0, 1, 2], [3, 4, 5]]
    reader.close()


@pytest.mark.parametrize("code", ["<M8[ns]", "int4", "string", "float32", 3, [["a", "<f4"]]])
def test_arrays_of_other_dtypes_are_listed(tmp_path: Path, code: Any) -> None:
    path = checkpoint(tmp_path)
    change(path / "w" / ".zarray", dtype=code)
    reader = open_reader(str(path))
    with pytest.raises(SpecError) as caught:
        reader.read("w")
    assert caught.value.diagnostics[0].code == "MIG505"
    reader.close()


def entry(*keys: Any, value_type: str = "np.ndarray", kind: Any = 2) -> dict[str, Any]:
    return {"key_metadata": [{"key": key, "key_type": kind} for key in keys], "value_metadata": {"value_type": value_type}}


TREES: dict[str, tuple[Any, str, str]] = {
    "no tree": (3, "MIG503", "no `tree_metadata`"),
    "an entry that is none": ({"w": 3}, "MIG503", "malformed"),
    "an entry without keys": ({"w": entry()}, "MIG505", "one value without a name"),
    "a key of another kind": ({"w": entry("w", kind=7)}, "MIG503", "malformed"),
    "a type that is none": ({"w": entry("w", value_type=3)}, "MIG503", "malformed"),  # type: ignore[arg-type]
    "two of one name": ({"1": entry("a/b"), "2": entry("a", "b")}, "MIG505", "2 of its values are called `a/b`"),
    "out of the folder": ({"w": entry("../w")}, "MIG505", "'../w', which is not in its folder"),
    "elsewhere": ({"w": entry("/etc")}, "MIG505", "'/etc', which is not in its folder"),
    "a text without its file": ({"w": entry("w", value_type="string")}, "MIG501", "_strings.json"),
}


@pytest.mark.parametrize("lie", TREES)
def test_a_tree_that_lies(tmp_path: Path, lie: str) -> None:
    tree, code, cause = TREES[lie]
    path = checkpoint(tmp_path)
    change(path / "_METADATA", tree_metadata=tree)
    found = error_of(path)
    assert (found.code, cause in found.message) == (code, True), found.message


@pytest.mark.parametrize("strings", ["{}", '{"w": 3}', "[]", "{"])
def test_a_text_that_is_none(tmp_path: Path, strings: str) -> None:
    path = checkpoint(tmp_path)
    change(path / "_METADATA", tree_metadata={"w": entry("w", value_type="string")})
    (path / "_strings.json").write_text(strings)
    assert error_of(path).code == "MIG503"
