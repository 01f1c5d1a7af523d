"""An output is held against what it should be: every byte counts, and the first difference is told with its place."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest
from fakes import MemoryReader, RawReader

from migspec.diagnostics import Diagnostic, SpecError
from migspec.engine.comparison import compare
from migspec.engine.target import Target
from migspec.expression import Permute, Read
from migspec.formats.base import Reader
from migspec.variables import Variable, VariableMap

SHAPE = (300, 1000)
VALUES = {
    "a": numpy.arange(300_000, dtype="float32").reshape(SHAPE),
    "b": numpy.arange(300_000, dtype="int16").reshape(SHAPE),
    "c": numpy.array(2.5, "float64"),
    "none": numpy.zeros((0, 3), "float32"),
}
WRITTEN = {"a": numpy.ascontiguousarray(VALUES["a"].T), "b": VALUES["b"], "c": VALUES["c"], "none": VALUES["none"]}
TARGETS = [
    Target("a", Permute(Read("a", SHAPE, "float32"), (1, 0))),
    Target("b", Read("b", SHAPE, "int16")),
    Target("c", Read("c", (), "float64")),
    Target("none", Read("none", (0, 3), "float32")),
]
VARIABLES = VariableMap.of("new", [Variable(name, value.shape, value.dtype.name) for name, value in WRITTEN.items()])


def changed(name: str, *index: int, to: float) -> dict[str, numpy.ndarray]:
    values = dict(WRITTEN)
    values[name] = values[name].copy()
    values[name][index] = to
    return values


def compared(output: Reader, jobs: int = 1, variables: VariableMap = VARIABLES) -> int:
    """How many bytes were compared."""
    counts: list[int] = []
    with ThreadPoolExecutor(jobs) as executor:
        pool = executor if jobs > 1 else None
        compare(TARGETS, variables, {"source": MemoryReader(VALUES)}, output, executor=pool, progress=counts.append)
    return sum(counts)


def difference(output: Reader, jobs: int = 1) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        compared(output, jobs)
    [found] = caught.value.diagnostics
    assert (found.code, found.file) == ("MIG517", output.path)
    assert found.helps
    return found


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("kind", ["memory", "raw", "big-endian"])
def test_what_is_right(tmp_path: Path, kind: str, jobs: int) -> None:
    output = MemoryReader(WRITTEN) if kind == "memory" else RawReader(tmp_path / "out", WRITTEN)
    if kind == "big-endian":
        output = BigEndian(tmp_path / "out", WRITTEN)
    assert compared(output, jobs) == sum(value.nbytes for value in WRITTEN.values())


class BigEndian(RawReader):
    """Values in the other byte order can only be had whole."""

    def __init__(self, path: Path, values: dict[str, numpy.ndarray]) -> None:
        super().__init__(path, values, big=True)

    def read(self, name: str) -> numpy.ndarray:
        return self.values[name]


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (999, 299), (500, 7)])
def test_one_element(tmp_path: Path, row: int, column: int, jobs: int) -> None:
    output = RawReader(tmp_path / "out", changed("a", row, column, to=-1.0))
    found = difference(output, jobs)
    assert found.message == "`a` in the output is not what was planned"
    planned = WRITTEN["a"][row, column]
    place = output.extents["a"].offset + (row * 300 + column) * 4
    bytes_of = [numpy.float32(value).tobytes() for value in (-1.0, planned)]
    first = next(index for index in range(4) if bytes_of[0][index] != bytes_of[1][index])
    assert found.notes == (
        f"element [{row}, {column}] is -1.0, and should be {planned}",
        f"the first byte that differs is byte {place + first} of `{output.path}`",
    )


@pytest.mark.parametrize("jobs", [1, 3])
def test_the_first_variable_in_the_order_of_the_plan(tmp_path: Path, jobs: int) -> None:
    values = changed("a", 999, 299, to=1.0) | {"b": VALUES["b"] + 1, "c": numpy.array(3.5)}
    found = difference(RawReader(tmp_path / "out", values), jobs)
    assert "`a`" in found.message
    assert found.notes[-1] == "3 of 4 variables differ; the others are `b`, `c`"


def test_a_scalar_and_values_that_look_alike(tmp_path: Path) -> None:
    assert difference(MemoryReader(WRITTEN | {"c": numpy.array(3.5)})).notes == ("its value is 3.5, and should be 2.5",)
    zero = {**VALUES, "c": numpy.array(0.0)}
    with pytest.raises(SpecError) as caught:
        compare(TARGETS, VARIABLES, {"source": MemoryReader(zero)}, MemoryReader(WRITTEN | {"c": numpy.array(-0.0)}))
    [note] = caught.value.diagnostics[0].notes
    assert note == "its value is -0.0, and should be 0.0"


def test_nans_are_compared_by_their_bits() -> None:
    one, other = (numpy.array([0x7FF8000000000000 + bits], "uint64").view("float64")[0] for bits in (0, 1))
    sources = {"source": MemoryReader({**VALUES, "c": numpy.array(one)})}
    compare(TARGETS, VARIABLES, sources, MemoryReader(WRITTEN | {"c": numpy.array(one)}))
    with pytest.raises(SpecError) as caught:
        compare(TARGETS, VARIABLES, sources, MemoryReader(WRITTEN | {"c": numpy.array(other)}))
    assert "01 00 00 00 00 00 f8 7f" in caught.value.diagnostics[0].notes[0]


def test_a_checksum_that_is_wrong_beside_values_that_are_right(tmp_path: Path) -> None:
    """No framework would load such an output."""
    output = RawReader(tmp_path / "out", WRITTEN)
    extent = output.extents["b"]
    output.extents["b"] = type(extent)(extent.path, extent.offset, extent.length, crc32c=1)
    with pytest.raises(SpecError) as caught:
        compared(output)
    assert [one.code for one in caught.value.diagnostics] == ["MIG504"]


def test_a_variable_that_is_not_there(tmp_path: Path) -> None:
    found = difference(MemoryReader({name: value for name, value in WRITTEN.items() if name != "b"}))
    assert found.message == "the output has no `b`"


@pytest.mark.parametrize("value", [VALUES["b"].T, VALUES["b"].astype("int32")])
def test_another_shape_or_dtype(value: numpy.ndarray) -> None:
    found = difference(MemoryReader(WRITTEN | {"b": value}))
    assert "`b`" in found.message and "and should be int16 [300, 1000]" in found.notes[0]


def test_another_name(tmp_path: Path) -> None:
    """The output may call a variable by one of its aliases; one that fits two variables is none of them."""
    values = {"x/vars/0" if name == "b" else name: value for name, value in WRITTEN.items()}
    named = VariableMap.of(
        "new", [Variable(one.name, one.shape, one.dtype, ("y.vars.0", "x.vars.0") * (one.name == "b")) for one in VARIABLES]
    )
    assert compared(MemoryReader(values), variables=named) > 0


def test_strings() -> None:
    words = numpy.array([b"one", b"two"], object)
    targets = [Target("words", Read("words", (2,), "string"))]
    variables = VariableMap.of("new", [Variable("words", (2,), "string")])

    class Words(MemoryReader):
        @property
        def variables(self) -> VariableMap:
            return variables

    compare(targets, variables, {"source": Words({"words": words})}, Words({"words": words.copy()}))
    with pytest.raises(SpecError) as caught:
        compare(targets, variables, {"source": Words({"words": words})}, Words({"words": words[::-1].copy()}))
    assert caught.value.diagnostics[0].notes == ("element [0] is b'two', and should be b'one'",)


def test_an_output_that_was_cut_short(tmp_path: Path) -> None:
    output = RawReader(tmp_path / "out", WRITTEN)
    path = tmp_path / "out"
    path.write_bytes(path.read_bytes()[:1_300_000])
    with pytest.raises(SpecError) as caught:
        compared(output)
    assert [one.code for one in caught.value.diagnostics] == ["MIG503"]
