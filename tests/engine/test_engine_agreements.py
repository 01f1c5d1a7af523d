"""What a writer or a reader may offer beyond the protocol: memory to make values in, and to be told what will be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy
import pytest
from fakes import MemoryReader, RawReader, reads_of, sides
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_expressions import expressions, same, value_of

from migspec.dtypes import numpy_dtype
from migspec.engine import Target, run
from migspec.evaluate import evaluate
from migspec.expression import Cast, Concat, Expression, Permute, Read, size_of


class Gathering:
    """A writer that has memory for each value, and sees that the engine makes values there and nowhere else."""

    concurrent = True

    def __init__(self, targets: Sequence[Target]) -> None:
        self.arrays = {
            target.name: numpy.empty(size_of(target.expression.shape), numpy_dtype(target.expression.dtype))
            for target in targets
        }
        self.seen = dict.fromkeys(self.arrays, 0)

    def memory(self, name: str) -> memoryview:
        return self.arrays[name].view(numpy.uint8).data

    def write(self, name: str, offset: int, data: memoryview) -> None:
        assert offset == self.seen[name]
        given = numpy.frombuffer(data, numpy.uint8)
        place = self.arrays[name].view(numpy.uint8)[offset : offset + given.size]
        if given.ctypes.data != place.ctypes.data:
            assert given.size <= 256 << 10  # small neighbours are read together
            place[:] = given
        self.seen[name] += given.size

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        raise AssertionError(name)

    def commit(self) -> None: ...

    def abort(self) -> None: ...


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(expressions(), st.sampled_from((40, 1000, 64 << 20)), st.booleans())
def test_values_are_made_where_the_writer_gathers_them(tmp_path: Path, node: Expression, budget: int, files: bool) -> None:
    values = sides(reads_of(node), value_of)
    readers = {side: RawReader(tmp_path / side, some) if files else MemoryReader(some) for side, some in values.items()}
    targets = [Target("t", node)]
    writer = Gathering(targets)
    run(targets, readers, writer, budget=budget)
    assert same(writer.arrays["t"].reshape(node.shape), evaluate(node, value_of))
    assert writer.seen["t"] == writer.arrays["t"].nbytes


@pytest.mark.parametrize("threads", [0, 3])
def test_many_bands_and_threads(tmp_path: Path, threads: int) -> None:
    values = {f"v{i}": numpy.arange(700_000, dtype="float32").reshape(700, 1000) + i for i in range(4)}
    reader = RawReader(tmp_path / "raw", values)
    reads = [Read(name, (700, 1000), "float32", "source") for name in values]
    targets = [
        Target("same", reads[0]),
        Target("turned", Permute(reads[1], (1, 0))),
        Target("joined", Concat((reads[2], reads[3]), 0)),
        Target("half", Cast(reads[0], "float16")),
    ]
    writer = Gathering(targets)
    if threads:
        with ThreadPoolExecutor(threads) as executor:
            run(targets, {"source": reader}, writer, executor=executor)
    else:
        run(targets, {"source": reader}, writer)
    for target in targets:
        expected = evaluate(target.expression, lambda read: values[read.variable])
        assert numpy.array_equal(writer.arrays[target.name].reshape(expected.shape), expected)


class Told(MemoryReader):
    """A reader that wants to know what will be read."""

    told: tuple[str, ...] | None = None

    @contextmanager
    def read_ahead(self, names: Sequence[str]) -> Iterator[None]:
        self.told = tuple(names)
        yield
        self.told = None

    def read(self, name: str) -> numpy.ndarray:
        assert self.told is not None and name in self.told
        return super().read(name)


def test_a_reader_is_told_what_will_be_read_in_this_order() -> None:
    values = {name: numpy.ones((2, 2), "float32") for name in "abc"}
    source, target = Told(values), Told(values)
    a, b, c = (Read(name, (2, 2), "float32", "source") for name in "abc")
    kept = Read("b", (2, 2), "float32", "target")
    targets = [Target("x", Concat((c, a), 0)), Target("y", kept), Target("z", Permute(a, (1, 0))), Target("w", b)]
    run(targets, {"source": source, "target": target}, Gathering(targets))
    assert source.calls == ["c", "a", "b"] and target.calls == ["b"]
    assert source.told is None and target.told is None
