"""Small variables that stay as they are, fetched together and written together."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy
import pytest
from fakes import MemoryWriter, RawReader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migspec.diagnostics import SpecError
from migspec.engine.files import OpenFile
from migspec.engine.run import run
from migspec.engine.target import Target
from migspec.expression import Permute, Read
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.safetensors import SafetensorsWriter
from migspec.variables import Variable, VariableMap

SHAPES = st.sampled_from([(), (3,), (0,), (2, 5), (300, 300), (1, 70000)])  # the last two are too large to go with others


class Gathering(MemoryWriter):
    """Counts how many values come at once."""

    def __init__(self) -> None:
        super().__init__()
        self.together: list[int] = []

    def write_many(self, values: list[tuple[str, memoryview]]) -> None:
        self.together.append(len(values))
        for name, value in values:
            self.write(name, 0, value)


def arrays(shapes: list[tuple[int, ...]], dtype: str = "float32") -> dict[str, numpy.ndarray]:
    rng = numpy.random.default_rng(0)
    return {f"v{place}": numpy.asarray(rng.normal(size=shape)).astype(dtype) for place, shape in enumerate(shapes)}


def targets_of(values: dict[str, numpy.ndarray], turned: set[str]) -> list[Target]:
    targets = []
    for name, value in values.items():
        read = Read(name, value.shape, value.dtype.name)
        axes = tuple(reversed(range(value.ndim)))
        targets.append(Target(f"new/{name}", Permute(read, axes) if name in turned and value.ndim > 1 else read))
    return targets


@given(
    shapes=st.lists(SHAPES, max_size=12), turned=st.sets(st.integers(0, 11)), big=st.booleans(), order=st.randoms(),
    budget=st.sampled_from([64, 4096, 64 << 20]), workers=st.sampled_from([None, 2]),
)  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mixture_is_what_numpy_makes(tmp_path: Path, shapes, turned, big, order, budget, workers) -> None:
    values = arrays(shapes)
    reader = RawReader(tmp_path / "raw", values, big=big)
    targets = targets_of(values, {f"v{place}" for place in turned})
    order.shuffle(targets)
    writer = Gathering()
    with ThreadPoolExecutor(2) as pool:
        run(targets, {"source": reader}, writer, budget=budget, executor=pool if workers else None)
    for target in targets:
        value = values[target.name.removeprefix("new/")]
        expected = value.T if isinstance(target.expression, Permute) else value
        assert numpy.array_equal(writer.array(target.name, target.expression), expected)


def test_neighbours_take_one_read_and_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = arrays([(4, 4)] * 1000)
    reader = RawReader(tmp_path / "raw", values, checksums=False)
    reads: list[int] = []
    original = OpenFile.read_runs

    def counted(self: OpenFile, runs, length: int, memory: memoryview) -> None:
        reads.append(length)
        original(self, runs, length, memory)

    monkeypatch.setattr(OpenFile, "read_runs", counted)
    writer = Gathering()
    run(targets_of(values, set()), {"source": reader}, writer)
    assert len(reads) == len(writer.together) == 1
    assert writer.together == [1000]


@pytest.mark.parametrize("wrong", ["v0", "v7", "v19"])
def test_the_variable_with_the_wrong_checksum_is_named(tmp_path: Path, wrong: str) -> None:
    reader = RawReader(tmp_path / "raw", arrays([(5,)] * 20))
    data = bytearray((tmp_path / "raw").read_bytes())
    data[reader.extents[wrong].offset + 3] ^= 1
    (tmp_path / "raw").write_bytes(data)
    writer = Gathering()
    with pytest.raises(SpecError) as caught:
        run(targets_of(reader.values, set()), {"source": reader}, writer)
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.code == "MIG504"
    assert f"`{wrong}`" in diagnostic.message
    assert writer.values == {}


def test_a_file_cut_short_within_a_group_is_an_error(tmp_path: Path) -> None:
    reader = RawReader(tmp_path / "raw", arrays([(5,)] * 20))
    data = (tmp_path / "raw").read_bytes()
    (tmp_path / "raw").write_bytes(data[:-1])
    with pytest.raises(SpecError) as caught:
        run(targets_of(reader.values, set()), {"source": reader}, Gathering())
    assert caught.value.diagnostics[0].code == "MIG503"


@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=30), order=st.randoms())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_safetensors_file_gets_each_value_at_its_place(tmp_path: Path, sizes: list[int], order) -> None:
    values = {f"v{place}": numpy.full(size, place, "uint16") for place, size in enumerate(sizes)}
    path = tmp_path / "out.safetensors"
    variables = VariableMap.of("x", [Variable(name, value.shape, "uint16") for name, value in values.items()])
    writer = SafetensorsWriter(Destination(str(path), overwrite=True, sync=False), variables)
    chosen = [(name, value.data.cast("B")) for name, value in values.items() if value.size]
    order.shuffle(chosen)
    writer.write_many(chosen)
    writer.commit()
    reader = open_reader(str(path))
    assert all(numpy.array_equal(reader.read(name), value) for name, value in values.items())
    reader.close()


def test_more_pieces_than_one_system_call_takes(tmp_path: Path) -> None:
    values = arrays([(3,)] * 5000)
    path = tmp_path / "out.safetensors"
    reader = RawReader(tmp_path / "raw", values)
    variables = VariableMap.of("x", [Variable(f"new/{name}", value.shape, "float32") for name, value in values.items()])
    writer = SafetensorsWriter(Destination(str(path)), variables)
    run(targets_of(values, set()), {"source": reader}, writer)
    writer.commit()
    again = open_reader(str(path))
    assert all(numpy.array_equal(again.read(f"new/{name}"), value) for name, value in values.items())
    again.close()


@given(
    sizes=st.lists(st.sampled_from([0, 1, 5, 70000, 300000]), max_size=10), order=st.randoms(), threads=st.sampled_from([0, 1, 3]), cut=st.booleans()
)  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_stays_as_it_is_is_passed_on(tmp_path: Path, sizes: list[int], order, threads: int, cut: bool) -> None:
    """Small variables together and large ones in bands, in any order, on any number of threads; a source that is cut short is an error."""
    values = {f"v{place}": numpy.random.default_rng(place).random(size, "float32") for place, size in enumerate(sizes)}
    source, path = tmp_path / "old.safetensors", tmp_path / "out.safetensors"
    old = SafetensorsWriter(
        Destination(str(source), overwrite=True),
        VariableMap.of("x", [Variable(n, v.shape, "float32") for n, v in values.items()]),
    )
    for name, value in values.items():
        if value.size:
            old.write(name, 0, value.data.cast("B"))
    old.commit()
    reader = open_reader(str(source))
    targets = targets_of(values, set())
    order.shuffle(targets)
    variables = [Variable(target.name, target.expression.shape, "float32") for target in targets]
    writer = SafetensorsWriter(Destination(str(path), overwrite=True, sync=False), VariableMap.of("x", variables))
    with ThreadPoolExecutor(threads) if threads else nullcontext() as executor:
        if cut and sum(sizes):
            os.truncate(source, source.stat().st_size - 1)
            with pytest.raises(SpecError) as caught:
                run(targets, {"source": reader}, writer, executor=executor)
            assert caught.value.diagnostics[0].code == "MIG503"
            writer.abort()
        else:
            progress: list[int] = []
            run(targets, {"source": reader}, writer, executor=executor, progress=progress.append)
            writer.commit()
            assert sum(progress) == sum(value.nbytes for value in values.values())
            again = open_reader(str(path))
            assert all(numpy.array_equal(again.read(f"new/{name}"), value) for name, value in values.items())
            again.close()
    reader.close()
