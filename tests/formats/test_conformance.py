"""What every format's reader and writer must do, held against the framework's own."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import mutate_files
import numpy
import pytest
from format_cases import CASES, Arrays, FormatCase, dtype_of, sample

from migspec import dtypes
from migspec.diagnostics.model import SpecError
from migspec.formats.base import Reader
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.writing import create_writer
from migspec.variables import VariableMap

pytestmark = pytest.mark.parametrize("case", CASES, ids=lambda case: case.file)

SHAPES = ((), (3,), (2, 3), (0, 4), (2, 1, 3))


def arrays_of(case: FormatCase) -> dict[str, numpy.ndarray]:
    """Every dtype of the format in every shape."""
    prefix = "holder/" if case.name in ("weights.h5", "weights.json", "keras", "keras-h5") else "layer/"
    pairs = itertools.product(case.dtypes, (shape for shape in SHAPES if case.holds_empty or 0 not in shape))
    return {f"{prefix}{number}": sample(dtype, shape, number) for number, (dtype, shape) in enumerate(pairs)}


def saved(case: FormatCase, folder: Path, arrays: Arrays) -> str:
    case.save(folder / case.file, arrays)
    return str(folder / case.file)


def bytes_of(reader: Reader, name: str) -> bytes | None:
    """What lies where the reader says that a variable lies, in little-endian order."""
    extent = reader.extent(name)
    if extent is None:
        return None
    with Path(extent.path).open("rb") as file:
        data = os.pread(file.fileno(), extent.length, extent.offset)
    stored = dtypes.numpy_dtype(reader.variables[name].dtype).newbyteorder(">" if extent.byte_order == "big" else "<")
    return numpy.frombuffer(data, stored).astype(stored.newbyteorder("<")).tobytes()


def assert_same(actual: numpy.ndarray, expected: numpy.ndarray) -> None:
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    assert actual.tobytes() == expected.tobytes()


def test_reads_what_the_framework_wrote(case: FormatCase, tmp_path: Path) -> None:
    arrays = arrays_of(case)
    reader = open_reader(saved(case, tmp_path, arrays))
    assert reader.format == case.name
    assert {variable.name for variable in reader.variables} == set(arrays)
    for name, expected in arrays.items():
        variable = reader.variables[name]
        assert (variable.shape, dtypes.numpy_dtype(variable.dtype)) == (expected.shape, expected.dtype)
        value = reader.read(name)
        assert_same(value, expected)
        assert value.flags.c_contiguous
        assert value.dtype.isnative
    reader.close()


def test_an_extent_holds_what_read_gives(case: FormatCase, tmp_path: Path) -> None:
    reader = open_reader(saved(case, tmp_path, arrays_of(case)))
    in_place = 0
    for variable in reader.variables:
        data = bytes_of(reader, variable.name)
        if data is not None:
            in_place += variable.size > 0
            assert data == reader.read(variable.name).tobytes()
    expected = sum(one.size > 0 and not case.scattered(one.dtype, one.shape) for one in reader.variables)
    assert in_place == (0 if case.file == "deflated.npz" else expected)
    reader.close()


def test_the_framework_reads_what_is_written(case: FormatCase, tmp_path: Path) -> None:
    if not case.writable or case.load is None:
        pytest.skip("this version does not write the format")
    arrays = arrays_of(case)
    template = open_reader(saved(case, tmp_path, {name: numpy.zeros_like(value) for name, value in arrays.items()}))
    path = tmp_path / f"out-{case.file}"
    writer = create_writer(Destination(str(path)), template.variables, template=template)
    for variable in template.variables:
        data = memoryview(numpy.frombuffer(arrays[variable.name].tobytes(), numpy.uint8))
        half = variable.size // 2 * dtypes.itemsize(variable.dtype)
        for start, end in ((0, half), (half, len(data))):
            if end > start:
                writer.write(variable.name, start, data[start:end])
    assert not path.exists()
    writer.commit()
    template.close()
    loaded = case.load(path)
    assert set(loaded) == set(arrays)
    for name, expected in arrays.items():
        assert_same(numpy.asarray(loaded[name]), expected)
    again = open_reader(str(path))
    assert {name: again.read(name).tobytes() for name in arrays} == {name: value.tobytes() for name, value in arrays.items()}
    again.close()


def test_an_aborted_output_leaves_nothing(case: FormatCase, tmp_path: Path) -> None:
    if not case.writable:
        pytest.skip("this version does not write the format")
    arrays = {name: value for name, value in arrays_of(case).items() if value.size}
    template = open_reader(saved(case, tmp_path, arrays))
    before = sorted(tmp_path.iterdir())
    writer = create_writer(Destination(str(tmp_path / f"out-{case.file}")), template.variables, template=template)
    first = template.variables.variables[0]
    writer.write(first.name, 0, memoryview(arrays[first.name].tobytes())[: dtypes.itemsize(first.dtype)])
    writer.abort()
    writer.abort()
    template.close()
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux' count of the bytes that a process reads")
def test_opening_reads_headers_only(case: FormatCase, tmp_path: Path) -> None:
    name = "holder/0" if case.name in ("weights.h5", "weights.json", "keras", "keras-h5") else "big"
    values = numpy.random.default_rng(0).standard_normal((1 << 20,)).astype(dtype_of("float32"))
    path = saved(case, tmp_path, {name: values})
    open_reader(path).close()  # imports are done after this
    before = _bytes_read()
    reader = open_reader(path)
    read = _bytes_read() - before
    reader.close()
    assert values.nbytes > 10 * read or (case.file == "deflated.npz" and values.nbytes > 4 * read)


def _bytes_read() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"])


def test_a_missing_file_is_an_error_with_the_nearest_name(case: FormatCase, tmp_path: Path) -> None:
    path = saved(case, tmp_path, {"holder/0": sample("float32", (3,))})
    wrong = str(tmp_path / f"x{Path(path).name}")
    with pytest.raises(SpecError) as caught:
        open_reader(wrong)
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "MIG501"
    assert wrong in diagnostic.message
    assert any(path in text for text in diagnostic.helps)


def test_a_file_cut_short_is_an_error(case: FormatCase, tmp_path: Path) -> None:
    path = saved(case, tmp_path, {f"holder/{number}": sample("float32", (50, 7), number) for number in range(3)})
    whole = _read_all(path)
    largest = max(case.on_disk(tmp_path), key=lambda file: file.stat().st_size)
    content = largest.read_bytes()
    for share in (0.02, 0.3, 0.6, 0.9, 0.99):
        largest.write_bytes(content[: int(len(content) * share)])
        try:
            read = _read_all(path)
        except SpecError as error:
            assert error.diagnostics[0].code in ("MIG502", "MIG503", "MIG504")
        else:
            assert case.has_unused_bytes
            assert read == whole
    largest.write_bytes(content)
    assert _read_all(path) == whole


def _read_all(path: str) -> dict[str, bytes]:
    reader = open_reader(path)
    try:
        return {variable.name: reader.read(variable.name).tobytes() for variable in reader.variables}
    finally:
        reader.close()


def test_damage_never_gives_another_exception(case: FormatCase, tmp_path: Path) -> None:
    """A process of its own: were libhdf5 to crash or hang, it would take the tests with it."""
    arrays = {f"holder/{number}": sample("float32", (4, number), number) for number in range(0 if case.holds_empty else 1, 4)}
    path = saved(case, tmp_path, arrays)
    command = [sys.executable, mutate_files.__file__, str(case.mutations), path, *map(str, case.on_disk(tmp_path))]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]
    outcomes = json.loads(result.stdout)
    assert outcomes["read"] > 0
    assert outcomes["MIG503"] + outcomes.get("MIG504", 0) > case.mutations // 10


def test_a_map_can_be_made_of_it(case: FormatCase, tmp_path: Path) -> None:
    """A map in JSON of any format gives the same variables again."""
    from migspec.formats.variable_map_json import to_json

    reader = open_reader(saved(case, tmp_path, arrays_of(case)))
    file = tmp_path / "map.json"
    file.write_text(json.dumps(to_json(reader.variables)))
    again = open_reader(str(file))
    assert again.variables == VariableMap.of(str(file), reader.variables, has_values=False)
    reader.close()
