"""The engine makes what `evaluate` says, from any reader, in any budget, on any executor, in bounded memory."""

from __future__ import annotations

import sys
import threading
import tracemalloc
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy
import pytest
from fakes import MemoryReader, MemoryWriter, RawReader, reads_of, sides
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_expressions import MOVABLE, expressions, same, value_of

from migspec.diagnostics import SpecError
from migspec.dtypes import numpy_dtype
from migspec.engine import Target, assemble, run
from migspec.engine.files import OpenFile
from migspec.evaluate import evaluate
from migspec.expression import (
    Affine,
    Cast,
    Concat,
    Expression,
    Fill,
    Normal,
    Permute,
    Read,
    Reshape,
    Slice,
    Sum,
    size_of,
)

MEGABYTE = 1 << 20
budgets = st.sampled_from((1, 8, 40, 200, 1000, 64 * MEGABYTE))
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def result(node: Expression, readers: dict, **options) -> numpy.ndarray:
    writer = MemoryWriter()
    run([Target("t", node)], readers, writer, **options)
    return writer.array("t", node)


@many
@given(expressions(), budgets)
def test_from_memory_the_engine_equals_the_evaluation(node: Expression, budget: int) -> None:
    readers = {side: MemoryReader(values) for side, values in sides(reads_of(node), value_of).items()}
    assert same(result(node, readers, budget=budget), evaluate(node, value_of))


@many
@given(expressions(), budgets, st.sampled_from((16, 100, assemble.STAGE)), st.booleans(), st.booleans())
def test_from_files_the_engine_equals_the_evaluation(
    tmp_path: Path, node: Expression, budget: int, stage: int, big: bool, checksums: bool
) -> None:
    readers = {
        side: RawReader(tmp_path / side, values, big, checksums) for side, values in sides(reads_of(node), value_of).items()
    }
    with mock.patch.object(assemble, "STAGE", stage):  # so that even small tensors are made in stages and windows
        assert same(result(node, readers, budget=budget), evaluate(node, value_of))


@many
@given(expressions(arithmetic=False), budgets)
def test_what_only_moves_keeps_every_bit(tmp_path: Path, node: Expression, budget: int) -> None:
    readers = {side: RawReader(tmp_path / side, values) for side, values in sides(reads_of(node), value_of).items()}
    assert same(result(node, readers, budget=budget), evaluate(node, value_of), arithmetic=False)


@pytest.mark.parametrize("dtype", MOVABLE)
@pytest.mark.parametrize("big", [False, True])
def test_every_dtype_is_transposed_and_renamed(tmp_path: Path, dtype: str, big: bool) -> None:
    read = Read("w", (37, 53), dtype)
    reader = RawReader(tmp_path / "raw", {"w": value_of(read)}, big)
    for node in (read, Permute(read, (1, 0))):
        for budget in (4096, 64 * MEGABYTE):
            assert same(result(node, {"source": reader}, budget=budget), evaluate(node, value_of), arithmetic=False)


def larger(*shape: int, name: str = "w", dtype: str = "float32") -> tuple[Read, numpy.ndarray]:
    values = numpy.arange(size_of(shape), dtype=numpy.uint32).view(numpy.float32).astype(numpy_dtype(dtype)).reshape(shape)
    return Read(name, shape, dtype), values


def gates(node: Expression, axis: int, order: tuple[int, ...]) -> Expression:
    width = node.shape[axis] // len(order)
    return Concat(tuple(Slice(node, axis, block * width, width) for block in order), axis)


KERNEL = Read("w", (60, 80), "float32")
PIPELINES = {
    "transpose": Permute(KERNEL, (1, 0)),
    "gates": gates(KERNEL, 1, (0, 2, 1, 3)),
    "gates of rows, transposed": Permute(gates(KERNEL, 0, (0, 2, 1)), (1, 0)),
    "rows": Slice(KERNEL, 0, 20, 30),
    "columns backwards": Slice(KERNEL, 1, 79, 40, -2),
    "rope": Reshape(Permute(Reshape(KERNEL, (5, 6, 2, 80)), (0, 2, 1, 3)), (60, 80)),
    "convolution": Permute(Reshape(KERNEL, (20, 60, 2, 2)), (2, 3, 1, 0)),
    "repeat": Reshape(Concat((Reshape(KERNEL, (60, 80, 1)),) * 3, 2), (60, 240)),
    "cast": Cast(Permute(KERNEL, (1, 0)), "bfloat16"),
    "forget bias": Concat((Slice(KERNEL, 1, 0, 20), Affine(Slice(KERNEL, 1, 20, 20), offset=1.0)), 1),
    "pad": Concat((KERNEL, Fill(Normal(0.02, 7, "w"), (60, 20), "float32")), 1),
    "sum": Sum((KERNEL, Permute(Reshape(KERNEL, (80, 60)), (1, 0)))),
    "mean, transposed": Permute(Affine(Sum((KERNEL, KERNEL, KERNEL)), 1 / 3), (1, 0)),
    "crossed": Permute(Reshape(Permute(KERNEL, (1, 0)), (60, 80)), (1, 0)),
    "sum of crossed": Sum((KERNEL, Permute(Reshape(Permute(KERNEL, (1, 0)), (80, 60)), (1, 0)))),
}


@pytest.mark.parametrize("budget", [600, 5000, 30_000, 64 * MEGABYTE])
@pytest.mark.parametrize("name", PIPELINES)
def test_known_pipelines_in_bands_of_any_size(tmp_path: Path, name: str, budget: int) -> None:
    _, values = larger(60, 80)
    node = PIPELINES[name]
    expected = evaluate(node, lambda _: values)
    for reader in (RawReader(tmp_path / "raw", {"w": values}), MemoryReader({"w": values})):
        assert same(result(node, {"source": reader}, budget=budget), expected)


def test_strings_are_moved_whole() -> None:
    words = numpy.array([[b"a", b"\0"], [b"", b"long"]], object)
    writer = MemoryWriter()
    run([Target("t", Read("s", (2, 2), "string"))], {"source": MemoryReader({"s": words})}, writer)
    assert (writer.strings["t"] == words).all()


def test_a_variable_without_elements_is_not_written() -> None:
    writer = MemoryWriter()
    run([Target("t", Read("w", (0, 3), "float32"))], {"source": MemoryReader({})}, writer)
    assert writer.values == {}


def test_a_scalar_is_written() -> None:
    read, values = larger()
    assert result(read, {"source": MemoryReader({"w": values})}) == values


# --- damaged files


@pytest.mark.parametrize("name", PIPELINES)
def test_a_wrong_checksum_names_the_variable_and_the_file(tmp_path: Path, name: str) -> None:
    _, values = larger(60, 80)
    reader = RawReader(tmp_path / "model.raw", {"w": values})
    data = bytearray((tmp_path / "model.raw").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.raw").write_bytes(data)
    with pytest.raises(SpecError) as caught:
        result(PIPELINES[name], {"source": reader})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "MIG504"
    assert diagnostic.file == reader.path
    assert "`w`" in diagnostic.message


@pytest.mark.parametrize("name", ["transpose", "rows", "gates"])
def test_a_file_that_is_cut_short_is_an_error(tmp_path: Path, name: str) -> None:
    _, values = larger(60, 80)
    reader = RawReader(tmp_path / "model.raw", {"w": values})
    with (tmp_path / "model.raw").open("r+b") as file:
        file.truncate(10_000)
    with pytest.raises(SpecError) as caught:
        result(PIPELINES[name], {"source": reader})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "MIG503"
    assert diagnostic.file == reader.path
    assert "byte 10000" in diagnostic.notes[0]


def test_a_header_that_lies_about_the_length_is_an_error(tmp_path: Path) -> None:
    _, values = larger(30)
    reader = RawReader(tmp_path / "model.raw", {"w": values})
    with pytest.raises(SpecError, match=r"MIG503.*120 bytes"):
        result(Read("w", (31,), "float32"), {"source": reader})


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    _, values = larger(30)
    reader = RawReader(tmp_path / "model.raw", {"w": values})
    (tmp_path / "model.raw").unlink()
    with pytest.raises(SpecError, match="MIG501"):
        result(Read("w", (30,), "float32"), {"source": reader})


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    _, values = larger(30)
    reader = RawReader(tmp_path / "model.raw", {"w": values})
    (tmp_path / "model.raw").unlink()
    (tmp_path / "model.raw").mkdir()
    with pytest.raises(SpecError, match="MIG501"):
        result(Read("w", (30,), "float32"), {"source": reader})


def test_each_variable_is_summed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import google_crc32c

    _, values = larger(60, 80)
    reader = RawReader(tmp_path / "model.raw", {"w": values})
    seen = []
    extend = google_crc32c.extend
    monkeypatch.setattr(google_crc32c, "extend", lambda crc, data: seen.append(len(data)) or extend(crc, data))
    targets = [Target(name, node) for name, node in PIPELINES.items()]
    run(targets, {"source": reader}, MemoryWriter(), budget=5000)
    assert sum(seen) == values.nbytes


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (0, 3, 1, 2), (2, 0, 3, 1), (1, 0)])
def test_gates_that_are_transposed_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...]
) -> None:
    rows, units = 600, 150
    kernel = Read("w", (rows, units * len(order)), "float32", "source")
    values = numpy.random.default_rng(0).random(kernel.shape, numpy.float32)
    reader = RawReader(tmp_path / "model.raw", {"w": values})
    gates = tuple(Slice(kernel, 1, gate * units, units) for gate in order)
    taken: list[int] = []
    read_runs = OpenFile.read_runs

    def counting(file: OpenFile, runs: Iterable[tuple[int, int]], length: int, memory: memoryview) -> None:
        listed = list(runs)
        taken.append(len(listed) * length)
        read_runs(file, listed, length, memory)

    monkeypatch.setattr(OpenFile, "read_runs", counting)
    monkeypatch.setattr(assemble, "STAGE", 64 << 10)
    made = result(Permute(Concat(gates, 1), (1, 0)), {"source": reader})
    blocks = numpy.split(values, len(order), axis=1)
    assert numpy.array_equal(made, numpy.concatenate([blocks[gate] for gate in order], axis=1).T)
    assert sum(taken) == values.nbytes


def test_without_preadv_the_same_bytes_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.preadv")
    _, values = larger(60, 80)
    reader = RawReader(tmp_path / "model.raw", {"w": values})
    assert same(result(PIPELINES["transpose"], {"source": reader}), numpy.ascontiguousarray(values.T))


def test_what_a_reader_gives_whole_is_read_once_for_neighbouring_targets() -> None:
    _, values = larger(60, 80)
    reader = MemoryReader({"w": values})
    targets = [Target(f"t{k}", Slice(KERNEL, 0, k * 6, 6)) for k in range(10)]
    run(targets, {"source": reader}, MemoryWriter())
    assert reader.calls == ["w"]


# --- executors


@pytest.mark.parametrize("concurrent", [False, True])
@pytest.mark.parametrize("workers", [None, 1, 4])
def test_executors_make_the_same(tmp_path: Path, workers: int | None, concurrent: bool) -> None:
    _, values = larger(60, 80)
    reader = RawReader(tmp_path / "model.raw", {"w": values})
    targets = [Target(f"{name} {k}", node) for name, node in PIPELINES.items() for k in range(5)]
    writer = MemoryWriter(concurrent)
    written: list[int] = []
    executor = ThreadPoolExecutor(workers) if workers else None
    run(targets, {"source": reader}, writer, executor=executor, progress=written.append, budget=10_000)
    if executor:
        executor.shutdown()
    expected = {name: evaluate(node, lambda _: values) for name, node in PIPELINES.items()}
    for target in targets:
        assert same(writer.array(target.name, target.expression), expected[target.name.rsplit(" ", 1)[0]])
    assert sum(written) == sum(len(value) for value in writer.values.values())
    if not concurrent or not workers:
        assert list(writer.values) == [target.name for target in targets]


class Broken(MemoryWriter):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def write(self, name: str, offset: int, data: memoryview) -> None:
        if name == "t3":
            raise self.error
        super().write(name, offset, data)


@pytest.mark.parametrize("workers", [None, 2])
@pytest.mark.parametrize("error", [SpecError([]), RuntimeError("a bug"), KeyboardInterrupt()])
def test_the_first_error_stops_the_rest(tmp_path: Path, workers: int | None, error: BaseException) -> None:
    _, values = larger(60, 80)
    reader = RawReader(tmp_path / "model.raw", {"w": values})
    targets = [Target(f"t{k}", KERNEL) for k in range(20_000)]
    writer = Broken(error)
    executor = ThreadPoolExecutor(workers) if workers else None
    with pytest.raises(type(error)) as caught:
        run(targets, {"source": reader}, writer, executor=executor)
    assert caught.value is error
    if executor:
        executor.shutdown()
    assert len(writer.values) < 10_000


def test_an_error_ends_variables_that_are_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["migspec.engine.run"], "_BATCH", 1)
    _, values = larger(60, 80)
    reader = RawReader(tmp_path / "model.raw", {"w": values})
    begun, failed = threading.Event(), threading.Event()

    class Slow(MemoryWriter):
        def write(self, name: str, offset: int, data: memoryview) -> None:
            if name == "bad":
                begun.wait(10)
                failed.set()
                raise RuntimeError("no space")
            begun.set()
            failed.wait(10)
            super().write(name, offset, data)

    writer = Slow()
    with ThreadPoolExecutor(2) as executor, pytest.raises(RuntimeError, match="no space"):
        run([Target("bad", KERNEL), Target("long", KERNEL)], {"source": reader}, writer, executor=executor, budget=2)
    assert len(writer.values["long"]) < values.nbytes


# --- memory


class Sink(MemoryWriter):
    def write(self, name: str, offset: int, data: memoryview) -> None:
        self.sizes.setdefault(name, []).append(data.nbytes)


@pytest.mark.parametrize(
    ("node", "most"),
    [
        (Read("w", (4096, 4096), "float32"), 3 * MEGABYTE),
        (gates(Read("w", (4096, 4096), "float32"), 1, (0, 2, 1, 3)), 6 * MEGABYTE),
        (Permute(Read("w", (4096, 4096), "float32"), (1, 0)), 16 * MEGABYTE),
        (Cast(Permute(Read("w", (4096, 4096), "float32"), (1, 0)), "bfloat16"), 16 * MEGABYTE),
        (Permute(Sum((Read("w", (4096, 4096), "float32"),) * 3), (1, 0)), 16 * MEGABYTE),
    ],
    ids=["identity", "gates", "transpose", "cast", "sum"],
)
def test_memory_does_not_grow_with_the_variable(tmp_path: Path, node: Expression, most: int) -> None:
    (tmp_path / "raw").touch()
    with (tmp_path / "raw").open("r+b") as file:
        file.truncate(3 + 64 * MEGABYTE)
    reader = RawReader(tmp_path / "small", {"w": numpy.zeros(1, numpy.float32)}, checksums=False)
    extent = reader.extents["w"]
    reader.extents["w"] = type(extent)(str(tmp_path / "raw"), 3, 64 * MEGABYTE)
    writer = Sink()
    tracemalloc.start()
    try:
        run([Target("t", node)], {"source": reader}, writer, budget=16 * MEGABYTE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(writer.sizes["t"]) == size_of(node.shape) * numpy_dtype(node.dtype).itemsize
    assert peak <= most
