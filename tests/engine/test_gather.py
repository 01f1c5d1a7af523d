"""Gathers: rows in any order, by each of the ways that the engine has, are what numpy takes; and they read little more than they need."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from fakes import MemoryReader, MemoryWriter, RawReader, reads_of, sides
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_expressions import expressions, same, value_of

from migspec import lower as lowering
from migspec.engine import Target, run
from migspec.evaluate import evaluate
from migspec.expression import (
    Affine,
    Cast,
    Concat,
    Constant,
    Expression,
    Fill,
    Normal,
    Permute,
    Read,
    Reshape,
    Slice,
    Sum,
    Take,
)
from migspec.gathering import as_slices, moved_down
from migspec.indices import Indices
from migspec.lower import Gather, lower

MEGABYTE = 1 << 20
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
budgets = st.sampled_from((1, 40, 400, 4000, 64 * MEGABYTE))


@pytest.fixture
def gathers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a few runs are gathered."""
    monkeypatch.setattr(lowering, "_MOST_SLICES", 0)


def made(node: Expression, readers: dict, budget: int = 64 * MEGABYTE) -> numpy.ndarray:
    writer = MemoryWriter()
    run([Target("t", node)], readers, writer, budget=budget)
    return writer.array("t", node)


@pytest.mark.usefixtures("gathers_only")
@many
@given(expressions(), budgets)
def test_from_memory(node: Expression, budget: int) -> None:
    readers = {side: MemoryReader(values) for side, values in sides(reads_of(node), value_of).items()}
    assert same(made(node, readers, budget), evaluate(node, value_of))


@pytest.mark.usefixtures("gathers_only")
@many
@given(expressions(), budgets)
def test_from_files(tmp_path: Path, node: Expression, budget: int) -> None:
    readers = {side: RawReader(tmp_path / side, values) for side, values in sides(reads_of(node), value_of).items()}
    assert same(made(node, readers, budget), evaluate(node, value_of))


def shuffled(length: int, count: int | None = None) -> Indices:
    generator = numpy.random.default_rng(length)
    places = generator.permutation(length) if count is None else generator.integers(0, length, count)
    return Indices.of(places.tolist())


def table(*shape: int, dtype: str = "float32", name: str = "w") -> Read:
    return Read(f"{name}_{'x'.join(map(str, shape))}_{dtype}", shape, dtype)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "complex128", "int8"])
@pytest.mark.parametrize("budget", [4 << 10, 64 << 10, 64 * MEGABYTE])
@pytest.mark.parametrize(
    "shape_and_axis",
    [((3000, 5), 0), ((500, 700), 0), ((7, 900), 1), ((900, 40), 1), ((6, 300, 11), 1), ((3000,), 0), ((2, 3, 400), 2)],
    ids=str,
)
def test_every_shape_dtype_and_budget(
    tmp_path: Path, shape_and_axis: tuple[tuple[int, ...], int], budget: int, dtype: str
) -> None:
    shape, axis = shape_and_axis
    read = table(*shape, dtype=dtype)
    new = Fill(Normal(0.02, 7, "w"), (*shape[:axis], 9, *shape[axis + 1 :]), dtype) if dtype == "float32" else read
    whole = Concat((read, new), axis)
    node = Take(whole, axis, shuffled(whole.shape[axis], shape[axis] + 3))
    reader = RawReader(tmp_path / "raw", {read.variable: value_of(read)})
    assert any(isinstance(copy.leaf, Gather) for copy in lower(node)) or shape[axis] < 100
    assert same(made(node, {"source": reader}, budget), evaluate(node, value_of), arithmetic=False)


def test_a_gather_and_then_a_transpose(tmp_path: Path) -> None:
    read = table(700, 300)
    node = Permute(Take(read, 0, shuffled(700)), (1, 0))
    reader = RawReader(tmp_path / "raw", {read.variable: value_of(read)})
    for budget in (16 << 10, 64 * MEGABYTE):
        assert same(made(node, {"source": reader}, budget), evaluate(node, value_of), arithmetic=False)


W = table(200, 6)
ORDER = shuffled(200)
NEW = Fill(Constant(0.5), (3, 6), "float32")


@pytest.mark.parametrize(
    "node",
    [
        Take(W, 0, ORDER),
        Take(Permute(W, (1, 0)), 1, ORDER),
        Take(Cast(Affine(W, 2.0, 1.0), "float16"), 0, ORDER),
        Take(Slice(table(200, 9), 1, 2, 6), 0, ORDER),
        Take(Slice(table(500, 6), 0, 450, 200, -2), 0, ORDER),
        Take(Reshape(Permute(table(2, 200, 3), (1, 0, 2)), (200, 6)), 0, ORDER),
        Take(Concat((W, table(200, 3)), 1), 0, ORDER),
        Take(Take(W, 0, ORDER), 0, ORDER),
        Take(Concat((W, NEW), 0), 0, shuffled(203)),
        Take(Concat((Cast(W, "float16"), Fill(Constant(0.5), (3, 6), "float16")), 0), 0, shuffled(203)),
        Take(Concat((Permute(table(6, 200), (1, 0)), NEW), 0), 0, shuffled(203)),
        Take(Concat((Permute(table(6, 200), (1, 0)), Concat((NEW, NEW), 0)), 0), 0, shuffled(206)),
        Take(Sum((W, table(200, 6, name="v"))), 0, ORDER),
    ],
    ids=lambda node: repr(node)[:60],
)
def test_it_is_moved_down_to_the_variables(node: Expression) -> None:
    """No intermediate is made of the whole table, so memory does not grow with it."""
    for copy in lower(node):
        leaves = [part.leaf for addend in getattr(copy.leaf, "addends", ()) for part in addend] or [copy.leaf]
        for leaf in leaves:
            assert isinstance(leaf, Gather)
            assert all(isinstance(part.leaf, Read | Fill) or part.length <= 6 for part in leaf.parts)
    assert same(
        made(node, {"source": MemoryReader({one.variable: value_of(one) for one in reads_of(node)})}), evaluate(node, value_of)
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.integers(0, 40))
def test_slices_are_the_places(places: list[int], most: int) -> None:
    take = Take(table(31), 0, Indices.of(places))
    slices = as_slices(take, most)
    if slices is None:
        assert as_slices(take, 40) is not None
        return
    assert numpy.array_equal(evaluate(slices, value_of), value_of(table(31))[places], equal_nan=True)
    assert len(slices.inputs if isinstance(slices, Concat) else (slices,)) <= most


def test_runs_are_strided_copies() -> None:
    def copies(*places: int) -> int:
        return len(lower(Take(table(40, 3), 0, Indices.of(places))))

    assert copies(*range(40)) == 1
    assert copies(*range(39, -1, -1)) == 1
    assert copies(*range(0, 40, 2)) == 1
    assert copies(*range(20, 40), *range(20)) <= 2
    assert not any(isinstance(copy.leaf, Gather) for copy in lower(Take(table(40, 3), 0, shuffled(40))))


def test_a_take_at_a_variable_stands_still() -> None:
    assert moved_down(Take(W, 0, ORDER)) is None


@pytest.mark.parametrize("width", [1, 16, 1024])
def test_a_table_is_not_read_many_times_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    from migspec.engine.files import OpenFile

    size = 8 * MEGABYTE if width > 1 else 2 * MEGABYTE
    rows = size // (4 * width)
    read = table(rows, width)
    values = {read.variable: numpy.arange(rows * width, dtype=numpy.float32).reshape(rows, width)}
    reader = RawReader(tmp_path / "raw", values, False, False)
    counted = [0, 0]
    real = OpenFile.read_runs

    def count(self: OpenFile, runs: object, length: int, memory: memoryview) -> None:
        listed = list(runs)  # type: ignore[call-overload]
        counted[0] += len(listed)
        counted[1] += len(listed) * length
        real(self, listed, length, memory)

    monkeypatch.setattr(OpenFile, "read_runs", count)
    order = shuffled(rows)
    got = made(Take(read, 0, order), {"source": reader}, 16 * MEGABYTE)
    assert numpy.array_equal(got, values[read.variable][list(order)])
    assert counted[1] <= 5 * size
    assert counted[0] <= max(rows if width == 1024 else 0, 4000)
