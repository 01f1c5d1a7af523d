"""Lowering: the copies of an expression, run one element at a time, are the expression; and they are few."""

from __future__ import annotations

import itertools

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_expressions import expressions, same, value_of

from migspec.dtypes import numpy_dtype
from migspec.elementwise import Convert, Offset, Scale, apply_step
from migspec.evaluate import evaluate
from migspec.expression import Affine, Cast, Concat, Constant, Expression, Fill, Permute, Read, Reshape, Slice, Sum, size_of
from migspec.lower import Buffer, Copy, Gather, Part, lower
from migspec.routes import Axis, Route, restricted, straight


def places(route: Route) -> list[tuple[int, int]]:
    """Every (source, target) of a route, in the order of its loops."""
    return [
        (
            route.source + sum(i * axis.source for i, axis in zip(index, route.axes, strict=True)),
            route.target + sum(i * axis.target for i, axis in zip(index, route.axes, strict=True)),
        )
        for index in itertools.product(*(range(axis.count) for axis in route.axes))
    ]


def run_slowly(copies: tuple[Copy, ...], size: int, dtype: str) -> numpy.ndarray:
    result = numpy.zeros(size, numpy_dtype(dtype))
    written = numpy.zeros(size, int)
    for copy in copies:
        match copy.leaf:
            case Buffer(addends, length, buffer_dtype):
                parts = [run_slowly(addend, length, buffer_dtype) for addend in addends]
                values = parts[0]
                for part in parts[1:]:
                    with numpy.errstate(all="ignore"):
                        values = values + part
            case Gather(parts, outer, inner, indices):
                tables = [part_slowly(part, outer, inner) for part in parts]
                values = numpy.concatenate(tables, axis=1).take(list(indices), axis=1).reshape(-1)
            case leaf:
                values = evaluate(leaf, value_of).reshape(-1)
        for step in copy.steps:
            values = apply_step(values, step)
        sources, targets = zip(*places(copy.route), strict=True)
        numpy.add.at(written, list(targets), 1)
        result[list(targets)] = values[list(sources)]
    assert (written == 1).all()
    return result


def part_slowly(part: Part, outer: int, inner: int) -> numpy.ndarray:
    size = outer * part.length * inner
    values = run_slowly((Copy(part.leaf, straight(size), part.steps),), size, part_dtype(part))
    return values.reshape(outer, part.length, inner)


def part_dtype(part: Part) -> str:
    return next((step.dtype for step in reversed(part.steps) if isinstance(step, Convert)), part.leaf.dtype)


@settings(max_examples=300, deadline=None)
@given(expressions())
def test_copies_make_the_expression(expression: Expression) -> None:
    expected = evaluate(expression, value_of)
    got = run_slowly(lower(expression), size_of(expression.shape), expression.dtype)
    assert same(got.reshape(expression.shape), expected)


@settings(max_examples=150, deadline=None)
@given(expressions(dtypes=("float32",), arithmetic=False), st.data())
def test_a_band_is_the_part_of_the_route_that_ends_in_it(expression: Expression, data: st.DataObject) -> None:
    size = size_of(expression.shape)
    start = data.draw(st.integers(0, size))
    stop = data.draw(st.integers(start, size))
    for copy in lower(expression):
        whole = [pair for pair in places(copy.route) if start <= pair[1] < stop]
        parts = [pair for part in restricted(copy.route, start, stop) for pair in places(part)]
        assert sorted(parts) == sorted(whole)
        assert [target for _, target in parts] == sorted(target for _, target in parts)


def read(*shape: int, dtype: str = "float32", name: str = "w") -> Read:
    return Read(name, shape, dtype)


def blocks(node: Expression, axis: int, order: tuple[int, ...]) -> Expression:
    width = node.shape[axis] // len(order)
    return Concat(tuple(Slice(node, axis, block * width, width) for block in order), axis)


ONE_RUN = Route(0, 0, (Axis(24, 1, 1),))


@pytest.mark.parametrize(
    "node",
    [
        read(24),
        read(4, 6),
        Reshape(read(4, 6), (3, 8)),
        Permute(Permute(read(4, 6), (1, 0)), (1, 0)),
        Permute(read(1, 24), (1, 0)),
        Permute(Reshape(Permute(read(4, 6), (1, 0)), (2, 3, 4)), (2, 0, 1)),
        Slice(read(10, 6), 0, 0, 4),
        blocks(read(4, 6), 1, (0, 1, 2)),
        Concat((Slice(read(4, 6), 0, 0, 1), Slice(read(4, 6), 0, 1, 3)), 0),
        Concat((Slice(read(4, 6), 1, 0, 1), Slice(read(4, 6), 1, 1, 5)), 1),
        Slice(Slice(read(24), 0, 23, 24, -1), 0, 23, 24, -1),
        Affine(Cast(read(24), "float32")),
        Slice(Concat((read(2, 6, name="a"), read(4, 6)), 0), 0, 2, 4),
        Sum((read(24),)),
    ],
)
def test_what_moves_nothing_is_one_contiguous_copy(node: Expression) -> None:
    assert [copy.route for copy in lower(node)] == [ONE_RUN]


def test_gates_are_at_most_one_copy_a_block_and_neighbours_stay_together() -> None:
    assert len(lower(blocks(read(5, 16), 1, (0, 2, 1, 3)))) <= 4
    assert len(lower(blocks(read(5, 16), 1, (1, 2, 3, 0)))) == 2
    assert len(lower(blocks(read(5, 16), 1, (2, 3, 0, 1)))) == 1


def test_rope_is_one_copy() -> None:
    heads, half, width = 4, 3, 5
    pairs = Reshape(read(heads * half * 2, width), (heads, half, 2, width))
    copies = lower(Reshape(Permute(pairs, (0, 2, 1, 3)), (heads * half * 2, width)))
    assert len(copies) == 1
    assert isinstance(copies[0].leaf, Read)


def test_repeat_is_one_copy_that_stands_still_in_the_source() -> None:
    column = Reshape(read(7), (7, 1))
    (copy,) = lower(Reshape(Concat((column,) * 50, 1), (350,)))
    assert copy.route == Route(0, 0, (Axis(7, 1, 50), Axis(50, 0, 1)))


def test_pad_is_two_copies_and_a_constant_is_read_at_one_place() -> None:
    copies = lower(Concat((read(4, 3), Fill(Constant(0.5), (4, 2), "float32")), 1))
    assert [copy.route for copy in copies] == [
        Route(0, 0, (Axis(4, 3, 5), Axis(3, 1, 1))),
        Route(0, 3, (Axis(4, 0, 5), Axis(2, 0, 1))),
    ]


def test_steps_come_in_the_order_of_the_pipeline_through_structure() -> None:
    node = Permute(Affine(Permute(Cast(read(2, 3), "float64"), (1, 0)), 2.0, 1.0), (1, 0))
    assert lower(Cast(node, "float16"))[0].steps == (Convert("float64"), Scale(2.0), Offset(1.0), Convert("float16"))


def test_steps_of_one_part_stay_with_that_part() -> None:
    bias = read(8)
    node = Concat((Slice(bias, 0, 0, 2), Affine(Slice(bias, 0, 2, 2), offset=1.0), Slice(bias, 0, 4, 4)), 0)
    assert [(copy.route.target, copy.steps) for copy in lower(node)] == [(0, ()), (2, (Offset(1.0),)), (4, ())]


def test_arithmetic_on_what_is_no_float_is_refused() -> None:
    with pytest.raises(ValueError, match="int32"):
        lower(Affine(read(2, dtype="int32"), 2.0))


def test_a_sum_is_made_in_the_order_of_the_target() -> None:
    total = Sum((read(4, 6, name="a"), Permute(read(6, 4, name="b"), (1, 0))))
    (copy,) = lower(Permute(total, (1, 0)))
    assert copy.route == ONE_RUN
    assert isinstance(copy.leaf, Buffer)
    first, second = copy.leaf.addends
    assert [c.route for c in first] == [Route(0, 0, (Axis(6, 1, 4), Axis(4, 6, 1)))]
    assert [c.route for c in second] == [ONE_RUN]


def test_only_a_reshape_across_permutations_needs_an_intermediate_and_one_is_enough() -> None:
    crossed = Permute(Reshape(Permute(read(50, 70), (1, 0)), (50, 70)), (1, 0))
    copies = lower(Concat((crossed, crossed), 0))
    leaves = {id(copy.leaf): copy.leaf for copy in copies}
    assert [type(leaf) for leaf in leaves.values()] == [Buffer]
    assert all(isinstance(copy.leaf, Read) for copy in next(iter(leaves.values())).addends[0])


def test_nothing_is_lowered_to_nothing() -> None:
    assert lower(read(3, 0)) == ()
    assert lower(Slice(read(3, 2), 0, 1, 0)) == ()
