"""Ops on gates, rotary pairs and values, each against a formula written down apart from it."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from op_running import (
    ALL_FLOATS,
    FLOATS,
    applied,
    bits,
    bundle_of,
    check,
    dtypes,
    numbers,
    run,
    same_bits,
    same_numbers,
    seeds,
    shapes,
    some_axes,
    values_of,
    words,
)

from migspec.dtypes import NAMES, holds, is_lossy, kind, largest, numpy_dtype, vanishes
from migspec.elementwise import convert
from migspec.ops import OpError

quick = settings(max_examples=25, deadline=None)
LSTM = ("ifco", "icfo", "iofc", "ifgo", "ijfo", "ofci")
GRU = ("zrh", "rzh", "urn", "zrn", "ruc")
ONE_LETTER = {"g": "c", "j": "c", "u": "z", "n": "h"}


def gate(letter: str, order: str) -> str:
    if letter == "c" and set(order) <= set("zrhucn"):
        return "h"
    return ONE_LETTER.get(letter, letter)


@given(
    orders=st.one_of(*(st.tuples(*[st.sampled_from(all_orders)] * 2) for all_orders in (LSTM, GRU))),
    shape=some_axes(),
    dtype=dtypes,
    seed=seeds,
    data=st.data(),
)
@quick
def test_gates(orders, shape, dtype, seed, data) -> None:
    old, new = orders
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    cut = list(shape)
    cut[axis] *= len(old)
    values = bits(tuple(cut), dtype, seed)
    blocks = dict(zip((gate(letter, old) for letter in old), numpy.split(values, len(old), axis=axis), strict=True))
    expected = numpy.concatenate([blocks[gate(letter, new)] for letter in new], axis=axis)
    check(f"gates {old} -> {new} on {axis}", [values], [expected])
    if axis in (-1, len(shape) - 1):
        check(f"gates {old} -> {new}", [values], [expected])


def test_tf1_s_gates_by_hand() -> None:
    fused = numpy.array([[10, 11, 20, 21, 30, 31, 40, 41]], "float32")  # i c f o
    check("gates icfo -> ifco", [fused], [numpy.array([[10, 11, 30, 31, 20, 21, 40, 41]], "float32")])


def rotated(vectors: numpy.ndarray, positions: numpy.ndarray, layout: str) -> numpy.ndarray:
    """Rotary embedding (Su et al., "RoFormer", 2021): pair k of a head turns by position * 10000 ** (-2k / dim).

    `vectors` is [positions, heads, dim]; the pairs are neighbours (interleaved) or one from each half.
    """
    dim = vectors.shape[-1]
    angles = positions[:, None, None] * 10000.0 ** (-2 * numpy.arange(dim // 2) / dim)
    if layout == "interleaved":
        x, y = vectors[..., 0::2], vectors[..., 1::2]
    else:
        x, y = vectors[..., : dim // 2], vectors[..., dim // 2 :]
    turned = x * numpy.cos(angles) - y * numpy.sin(angles), x * numpy.sin(angles) + y * numpy.cos(angles)
    if layout == "interleaved":
        return numpy.stack(turned, axis=-1).reshape(vectors.shape)
    return numpy.concatenate(turned, axis=-1)


@pytest.mark.parametrize(("old", "new"), [("interleaved", "half"), ("half", "interleaved"), ("half", "half")])
@pytest.mark.parametrize("stored_as_rows", [False, True])
@given(heads=st.integers(1, 3), pairs=st.integers(1, 4), width=st.integers(1, 5), seed=seeds)
@settings(max_examples=10, deadline=None)
def test_rope_keeps_what_attention_sees(old, new, stored_as_rows, heads, pairs, width, seed) -> None:
    dim = 2 * pairs
    queries, keys = numbers((width, heads * dim), "float64", seed), numbers((width, heads * dim), "float64", seed + 1)
    inputs, positions = numbers((4, width), "float64", seed + 2), numpy.array([0, 1, 5, 17])

    def scores(query_weights: numpy.ndarray, key_weights: numpy.ndarray, layout: str) -> numpy.ndarray:
        q, k = ((inputs @ weights).reshape(4, heads, dim) for weights in (query_weights, key_weights))
        return numpy.einsum("qhd,khd->hqk", rotated(q, positions, layout), rotated(k, positions, layout))

    if stored_as_rows:
        moved = [run(f"rope {old} -> {new} on rows heads {heads}", one.T)[0].T for one in (queries, keys)]
    else:
        moved = [run(f"rope {old} -> {new} on columns heads {heads}", one)[0] for one in (queries, keys)]
    numpy.testing.assert_allclose(scores(*moved, new), scores(queries, keys, old), atol=1e-9)


def test_rope_by_hand() -> None:
    rows = numpy.arange(8, dtype="int32")  # two heads: x0 y0 x1 y1
    check("rope interleaved -> half on 0 heads 2", [rows], [numpy.array([0, 2, 1, 3, 4, 6, 5, 7], "int32")])
    check("rope half -> interleaved on 0 heads 1", [rows], [numpy.array([0, 4, 1, 5, 2, 6, 3, 7], "int32")])


@given(
    shape=shapes,
    dtype=st.sampled_from(ALL_FLOATS),
    seed=seeds,
    value=st.sampled_from(("1.0", "-0.1", "1 / 3", "1e-9", "0.0", "-x")),
)
@quick
def test_add_is_in_the_dtype_at_its_place(shape, dtype, seed, value) -> None:
    values = bits(shape, dtype, seed)
    number = {"1 / 3": 1 / 3, "-x": -2.5}.get(value) or float(value)
    (result,) = run(f"add {value}", values, values={"x": 2.5})
    with numpy.errstate(all="ignore"):
        expected = values + numpy.array(number).astype(values.dtype) if number else values
    assert same_numbers(result, expected)


@given(
    shape=shapes,
    dtype=st.sampled_from(ALL_FLOATS),
    seed=seeds,
    value=st.sampled_from(("0.5", "-2", "1 / 3", "1 / s", "1", "1e-30")),
)
@quick
def test_scale_is_in_the_dtype_at_its_place(shape, dtype, seed, value) -> None:
    values = bits(shape, dtype, seed)
    number = {"1 / 3": 1 / 3, "1 / s": 1 / 8}.get(value) or float(value)
    assume(numpy.array(number).astype(values.dtype) != 0)  # that is an error, below
    (result,) = run(f"scale {value}", values, values={"s": 8})
    with numpy.errstate(all="ignore"):
        expected = values * numpy.array(number).astype(values.dtype) if number != 1 else values
    assert same_numbers(result, expected)


def test_where_the_op_stands_says_in_which_dtype_it_computes() -> None:
    half = numpy.array([2048.0], "float16")  # the next one up is 2050
    check("add 1.0 cast float32", [half], [numpy.array([2048.0], "float32")])
    check("cast float32 add 1.0", [half], [numpy.array([2049.0], "float32")])


@pytest.mark.parametrize(
    ("op", "dtype"),
    [
        ("scale 1e-30", "float16"),
        ("scale 1e-9", "float8_e4m3fn"),
        ("scale 1e5", "float16"),
        ("add 1e39", "float32"),
        ("add -500", "float8_e4m3fn"),
    ],
)
def test_a_value_that_is_zero_or_infinite_in_the_dtype_at_its_place(op, dtype) -> None:
    with pytest.raises(OpError) as caught:
        run(op, numpy.ones(2, numpy_dtype(dtype)))
    assert caught.value.code == "MIG409"


@given(st.sampled_from(ALL_FLOATS), st.floats(allow_nan=False, allow_infinity=False))
def test_what_a_dtype_of_floats_holds(dtype, value) -> None:
    with numpy.errstate(all="ignore"):
        there = convert(numpy.array(value), dtype)
    assert vanishes(dtype, value) == (there == 0)
    assert holds(dtype, value) <= bool(numpy.isfinite(there))


@pytest.mark.parametrize("dtype", [name for name in NAMES if kind(name) in ("float", "integer")])
def test_the_largest_value_is_numpys(dtype: str) -> None:
    import ml_dtypes

    info = numpy.iinfo if kind(dtype) == "integer" else ml_dtypes.finfo
    assert largest(dtype) == int(float(info(numpy_dtype(dtype)).max) if kind(dtype) == "float" else info(dtype).max)


def test_adding_nothing_and_scaling_by_one_keep_every_bit() -> None:
    for dtype in FLOATS:
        values = bits((3, 40), dtype, 1)
        check("add 0.0", [values], [values])
        check("scale 1.0", [values], [values])
        check("scale 3 / 3", [values], [values])


@given(order=st.sampled_from((*LSTM, *GRU)), data=st.data(), dtype=st.sampled_from(FLOATS), seed=seeds, block=st.integers(0, 3))
@quick
def test_add_to_one_gate(order, data, dtype, seed, block) -> None:
    letter = data.draw(st.sampled_from(order))
    values = numbers((2, len(order) * block), dtype, seed)
    place = order.index(letter)
    expected = values.copy()
    expected[:, place * block : (place + 1) * block] += values.dtype.type(1.5)
    check(f"gates {order} -> {order} add 1.5 to {letter}", [values], [expected])


def test_a_gate_is_known_by_each_of_its_letters() -> None:
    values = numbers((2, 8))
    (as_c,) = run("gates ifco -> ifco add 1.0 to c", values)
    for letter in "gj":
        assert same_bits(run(f"gates ifco -> ifco add 1.0 to {letter}", values)[0], as_c)


def test_gates_survive_what_keeps_their_blocks() -> None:
    values = numbers((4, 2))
    expected = values.T.copy()
    expected[:, 1] += numpy.float32(1)
    check("gates icfo -> icfo on rows transpose add 1.0 to c", [values], [expected])
    with pytest.raises(OpError) as error:
        run("gates icfo -> icfo on rows flip rows add 1.0 to c", values)
    assert error.value.code == "MIG408"


@given(
    order=st.sampled_from((*LSTM, *GRU)),
    old=st.integers(1, 3),
    new=st.integers(1, 5),
    rows=st.integers(1, 4),
    axis=st.sampled_from((0, 1)),
    seed=seeds,
)
@quick
def test_pad_and_crop_work_gate_by_gate(order, old, new, rows, axis, seed) -> None:
    count = len(order)
    shape = (3, count * old) if axis else (count * old, 3)
    goal = (rows, count * new) if axis else (count * new, rows)
    values = numbers(shape, "float32", seed)
    named = f"gates {order} -> {order} on {axis}"
    blocks = numpy.split(values, count, axis)

    def each_block(change):
        return numpy.concatenate([change(block) for block in blocks], axis)

    def padded(block):
        return numpy.pad(
            block, [(0, max(0, want - have)) for have, want in zip(block.shape, one_goal, strict=True)], constant_values=7
        )

    one_goal = (rows, new) if axis else (new, rows)
    check(f"{named} pad 7 to [{goal[0]}, {goal[1]}]", [values], [each_block(padded)])
    check(f"{named} crop to [{goal[0]}, {goal[1]}]", [values], [each_block(lambda block: block[: one_goal[0], : one_goal[1]])])


@pytest.mark.parametrize("op", ["pad zeros to [2, 10]", "crop to [2, 6]"])
def test_a_length_that_is_no_multiple_of_the_gates(op) -> None:
    with pytest.raises(OpError) as error:
        run(f"gates ifco -> ifco {op}", numbers((2, 8)))
    assert error.value.code == "MIG302"


def test_random_padding_is_drawn_anew_for_each_place_and_again_the_same() -> None:
    values = numbers((2, 8))
    (first,), (second,) = (run("gates ifco -> ifco pad normal 0.02 seed 7 to [2, 16]", values) for _ in range(2))
    assert same_bits(first, second)
    drawn = first.reshape(2, 4, 4)[:, :, 2:]
    assert len(numpy.unique(drawn)) == drawn.size
    assert abs(drawn).max() < 0.2
    (other,) = run("gates ifco -> ifco pad normal 0.02 seed 8 to [2, 16]", values)
    assert not (other.reshape(2, 4, 4)[:, :, 2:] == drawn).any()
    (uniform,) = run("pad uniform -0.1 0.1 seed 7 to [40, 40]", numbers((2, 8)))
    assert -0.1 <= uniform[2:].min() < -0.05 < 0.05 < uniform[2:].max() <= 0.1


NATIVE = [name for name in NAMES if name not in ("bfloat16", "float8_e4m3fn", "float8_e5m2", "string")]


@pytest.mark.parametrize("old", [name for name in NAMES if name != "string"])
@pytest.mark.parametrize("new", [name for name in NAMES if name != "string"])
def test_cast_is_numpy_s_or_refused(old, new) -> None:
    values = bits((50,), old, 3)
    old_kind, new_kind = kind(old), kind(new)
    refused = (
        (old_kind in ("float", "complex") and new_kind in ("integer", "boolean"))
        or (old_kind == "complex" and new_kind == "float")
        or (old_kind == "integer" and new_kind == "boolean")
    )
    if refused:
        with pytest.raises(OpError) as error:
            run(f"cast {new}", values)
        assert error.value.code == "MIG402"
        return
    (result,) = run(f"cast {new}", values)
    assert result.dtype == numpy_dtype(new)
    if old in NATIVE and new in NATIVE:
        with numpy.errstate(all="ignore"):
            assert same_numbers(result, values.astype(new))
    if old_kind == "float" and new_kind == "float":
        assert nearest(values, result)
    if not is_lossy(old, new) and old_kind != "complex" and new_kind != "complex":
        with numpy.errstate(all="ignore"):
            assert same_numbers(result.astype(values.dtype), values)


def nearest(values: numpy.ndarray, rounded: numpy.ndarray) -> bool:
    """Whether each rounded value is one of the nearest that its dtype has, halfway cases to the even one."""
    every = numpy.arange(2 ** min(16, 8 * rounded.dtype.itemsize), dtype=numpy.uint32)
    with numpy.errstate(all="ignore"):
        if rounded.dtype.itemsize > 2:
            return same_numbers(values.astype(rounded.dtype), rounded)
        known = every.astype(f"uint{8 * rounded.dtype.itemsize}").view(rounded.dtype)
        as_double = known.astype(numpy.float64)
        finite = numpy.isfinite(as_double)
        known, as_double = known[finite], as_double[finite]
        for value, result in zip(values.astype(numpy.float64), rounded, strict=True):
            if not numpy.isfinite(value) or abs(value) > as_double.max():
                continue  # what is too large is up to the dtype: infinity, NaN or the largest
            distance = abs(as_double - value)
            best = known[distance == distance.min()]
            even = [one for one in best if not int(one.view(f"uint{8 * one.dtype.itemsize}")) & 1]
            if float(result) not in [float(one) for one in (even if len({float(one) for one in best}) > 1 else best)]:
                return False
    return True


@given(shape=shapes, dtype=st.sampled_from((*FLOATS, "complex64", "complex128")), seed=seeds, count=st.integers(1, 4))
@quick
def test_sum_is_from_left_to_right(shape, dtype, seed, count) -> None:
    arrays = [numbers(shape, dtype, seed + k) for k in range(count)]
    total = arrays[0]
    for one in arrays[1:]:
        total = numpy.asarray(total + one)
    check("sum", arrays, [total])


@given(shape=shapes, dtype=st.sampled_from(("float64", "float32")), seed=seeds, count=st.integers(1, 4))
@quick
def test_mean(shape, dtype, seed, count) -> None:
    arrays = [numbers(shape, dtype, seed + k) for k in range(count)]
    (result,) = run("mean", *arrays)
    assert result.shape == shape
    assert result.dtype == arrays[0].dtype
    numpy.testing.assert_allclose(result, numpy.mean(numpy.stack(arrays), axis=0), rtol=1e-5, atol=1e-6)


def test_the_mean_of_powers_of_two_is_exact() -> None:
    check(
        "mean", [numpy.array([1.0, 3.0], "float16"), numpy.array([2.0, 5.0], "float16")], [numpy.array([1.5, 4.0], "float16")]
    )


@pytest.mark.parametrize("op", ["add 1.0", "scale 0.5", "mean"])
@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "complex64", "complex128", "string"])
def test_arithmetic_is_for_floats(op, dtype) -> None:
    with pytest.raises(OpError) as error:
        run(op, bits((2, 3), dtype))
    assert error.value.code == "MIG409"
    assert error.value.helps


@pytest.mark.parametrize("dtype", ["int32", "bool", "string"])
def test_sum_is_for_what_can_be_added(dtype) -> None:
    with pytest.raises(OpError) as error:
        run("sum", bits((2, 3), dtype), bits((2, 3), dtype))
    assert error.value.code == "MIG409"


def test_every_op_of_the_language_is_a_word() -> None:
    from migspec.ops import WORDS

    assert set(WORDS) == {
        "transpose", "permute", "rearrange", "reshape", "squeeze", "expand", "flip", "gates", "split_gates", "concat_gates", "rope", "split", "concat",
        "stack", "unstack", "slice", "crop", "pad", "repeat", "remap", "add", "scale", "cast", "sum", "mean", "as_is",
    }  # fmt: skip
    assert all(cls.__doc__ for cls in WORDS.values())


def test_gates_of_a_bundle_go_through_what_joins_it() -> None:
    left, right = numbers((2, 4), seed=1), numbers((3, 4), seed=2)
    expected = numpy.concatenate([left, right])
    expected[:, 2] += numpy.float32(1)
    check("gates icfo -> icfo concat rows add 1.0 to f", [left, right], [expected])
    (joined,) = applied(words("gates icfo -> ifco concat columns"), bundle_of([left, left]))
    assert joined.gates is None
    assert values_of((joined,), [left, left])[0].shape == (2, 8)


@pytest.mark.parametrize(
    ("op", "dtype"),
    [
        ("pad 0.5", "int32"),
        ("pad normal 0.1 seed 1", "int8"),
        ("pad 300", "int8"),
        ("pad -1", "uint8"),
        ("pad 2", "bool"),
        ("pad zeros", "string"),
    ],
)
def test_padding_that_the_dtype_cannot_hold(op, dtype) -> None:
    with pytest.raises(OpError) as error:
        run(f"{op} to [4]", bits((2,), dtype))
    assert error.value.code == "MIG402"
