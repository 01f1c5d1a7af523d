"""Two values measured piece by piece: numpy, over the whole of both, is the oracle."""

from __future__ import annotations

import math
import warnings

import ml_dtypes
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from migspec.difference.elements import distances, norm
from migspec.difference.measure import Measure, is_measurable
from migspec.difference.result import Measurement, Tolerance

INTEGERS = ("int64", "int32", "int8", "uint64", "uint32", "uint8", "bool")
NUMBERS = (*INTEGERS, "float64", "float32", "float16", "complex64", "complex128")


def measured(left: numpy.ndarray, right: numpy.ndarray, piece: int = 1 << 20, **tolerance: float) -> Measurement:
    """Both arrays handed over so many elements at a time."""
    measure = Measure(left.shape, left.dtype.name, right.dtype.name, Tolerance(**tolerance))
    old, new = (numpy.ascontiguousarray(one).reshape(-1) for one in (left, right))
    for begin in range(0, old.size, piece):
        measure.add(*(one[begin : begin + piece].view(numpy.uint8) for one in (old, new)))
    return measure.result()


@st.composite
def pairs(draw: st.DrawFn) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Two arrays of one shape and any dtypes, many of whose elements are the same."""
    dtypes = draw(st.sampled_from(NUMBERS)), draw(st.sampled_from(NUMBERS))
    if draw(st.booleans()):
        dtypes = (dtypes[0], dtypes[0])
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=3, max_side=4))
    left, right = (draw(arrays.arrays(dtype, shape)) for dtype in dtypes)
    mask = draw(arrays.arrays("bool", shape))
    with numpy.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", numpy.exceptions.ComplexWarning)
        return left, numpy.where(mask, left.astype(right.dtype), right)


def apart(left: numpy.generic, right: numpy.generic) -> float:
    """How far two elements are apart, in Python's numbers."""
    if left.dtype.kind in "iub" and right.dtype.kind in "iub":
        return float(abs(int(left) - int(right)))
    one, other = complex(left), complex(right)
    return math.hypot(apart_in_part(one.real, other.real), apart_in_part(one.imag, other.imag))


def apart_in_part(left: float, right: float) -> float:
    if left == right or (math.isnan(left) and math.isnan(right)):
        return 0.0
    return math.inf if math.isnan(left) or math.isnan(right) else abs(left - right)


def larger(left: numpy.generic, right: numpy.generic) -> float:
    with numpy.errstate(all="ignore"):
        sizes = [
            float(abs(int(one))) if one.dtype.kind in "iub" else float(numpy.abs(numpy.complex128(one)))
            for one in (left, right)
        ]
    return float(numpy.fmax(*sizes))


@given(pairs(), st.integers(1, 7), st.sampled_from((0.0, 0.5, 1e3)), st.sampled_from((0.0, 1e-3, 1.0)))
@settings(max_examples=300, deadline=None)
def test_against_python(pair: tuple[numpy.ndarray, numpy.ndarray], piece: int, absolute: float, relative: float) -> None:
    left, right = pair
    found = measured(left, right, piece, absolute=absolute, relative=relative)
    elements = list(zip(left.reshape(-1), right.reshape(-1), strict=True))
    distance = [apart(*both) for both in elements]
    if left.dtype == right.dtype:
        differs = [one.tobytes() != other.tobytes() for one, other in elements]
    else:
        differs = [one > 0 for one in distance]
    assert (found.size, found.differing) == (left.size, sum(differs))
    if not any(differs):
        assert (found.largest, found.beyond, found.relative) == (None, 0, 0.0)
    else:
        place = max(
            (index for index in range(left.size) if differs[index]), key=lambda index: distance[index]
        )  # the first of them
        assert found.largest is not None and found.largest.absolute == pytest.approx(distance[place], rel=1e-12)
        if distance.count(distance[place]) == 1 or not distance[place]:
            assert found.largest.index == numpy.unravel_index(place, left.shape)
        ratios = [
            0.0 if one == 0 else math.inf if one == math.inf else one / larger(*both)
            for one, both in zip(distance, elements, strict=True)
        ]
        assert found.relative == pytest.approx(max(ratios), rel=1e-9)
    allowed = [absolute + relative * larger(*both) for both in elements]
    close = [one == 0 or (one <= most and one < math.inf) for one, most in zip(distance, allowed, strict=True)]
    if left.dtype == right.dtype or not {left.dtype.kind, right.dtype.kind} & set("fc"):
        assert found.beyond == close.count(False)
    else:
        assert found.beyond <= close.count(False)  # what is rounded is close, too
    mirrored = measured(right, left, piece, absolute=absolute, relative=relative)
    assert (mirrored.differing, mirrored.beyond, mirrored.relative) == (found.differing, found.beyond, found.relative)


@given(pairs(), st.integers(1, 7))
@settings(max_examples=100, deadline=None)
def test_norms_against_numpy(pair: tuple[numpy.ndarray, numpy.ndarray], piece: int) -> None:
    found = measured(*pair, piece).norms
    assert found is not None
    for length, values in ((found.left, pair[0]), (found.right, pair[1])):
        wide = values.astype("complex128" if values.dtype.kind == "c" else "float64").reshape(-1)
        if not numpy.abs(wide).max(initial=0.0) > 1e100:
            assert length == pytest.approx(float(numpy.linalg.norm(wide)), rel=1e-9, abs=1e-140, nan_ok=True)


@given(pairs(), st.integers(1, 7))
@settings(max_examples=100, deadline=None)
def test_the_size_of_the_pieces_does_not_matter(pair: tuple[numpy.ndarray, numpy.ndarray], piece: int) -> None:
    whole, cut = measured(*pair), measured(*pair, piece)
    assert (whole.differing, whole.beyond, whole.largest, whole.relative) == (
        cut.differing,
        cut.beyond,
        cut.largest,
        cut.relative,
    )


def test_nans_and_zeros() -> None:
    nan, other = numpy.array([0x7FC00000, 0x7FC00001], "uint32").view("float32")
    same = numpy.array([nan, 1.0], "float32")
    assert measured(same, same.copy()).differing == 0

    found = measured(numpy.array([nan, 0.0], "float32"), numpy.array([other, -0.0], "float32"))
    assert (found.differing, found.beyond) == (2, 0)
    assert found.largest is not None and found.largest.absolute == 0.0
    assert (found.largest.left, found.largest.right) == ("nan (00 00 c0 7f)", "nan (01 00 c0 7f)")

    found = measured(numpy.array([1.0, 2.0, nan]), numpy.array([5.0, math.nan, nan]), absolute=1e300, relative=1e300)
    assert (found.differing, found.beyond) == (2, 1)
    assert found.largest is not None and (found.largest.index, found.largest.absolute) == ((1,), math.inf)
    assert found.norms is not None and math.isnan(found.norms.right) and found.norms.difference == math.inf


def test_infinities() -> None:
    values = numpy.array([math.inf, -math.inf, math.inf, math.inf])
    found = measured(values, numpy.array([math.inf, -math.inf, -math.inf, 1.0]), relative=10.0)
    assert (found.differing, found.beyond, found.relative) == (2, 2, math.inf)
    assert found.largest is not None and found.largest.index == (2,)


def test_integers_beyond_53_bits() -> None:
    left = numpy.array([2**62, -(2**63), 2**63 - 1])
    found = measured(left, left + numpy.array([1, 0, -3]))
    assert (found.differing, found.beyond) == (2, 2)
    assert found.largest is not None and (found.largest.index, found.largest.absolute) == ((2,), 3.0)
    distance, scale = distances(numpy.array([-(2**63), -1]), numpy.array([2**64 - 1, 2**63], "uint64"))
    assert list(distance) == [float(2**63 + 2**64 - 1), float(2**63 + 1)] and list(scale) == [2.0**64, 2.0**63]


@pytest.mark.parametrize("short", ["float16", "bfloat16", "float8_e4m3fn"])
def test_a_copy_in_a_shorter_dtype_is_close(short: str) -> None:
    dtype = getattr(ml_dtypes, short, None) or short
    left = numpy.random.default_rng(1).normal(size=(5, 7)).astype("float32")
    right = left.astype(dtype)
    found = measured(left, right)
    assert found.differing > 20 and found.beyond == 0
    assert measured(right, left).beyond == 0
    changed = right.copy()
    changed[3, 4] = numpy.nextafter(right[3, 4], dtype(9) if callable(dtype) else numpy.float16(9))
    found = measured(left, changed)
    assert found.beyond == 1


WIDE = {"float16": 7e4, "bfloat16": 3.4e38, "float8_e4m3fn": 500.0, "float8_e5m2": 7e4}
"""A value of float32 that the dtype cannot hold: it becomes infinite, or NaN where there are no infinities."""


@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_value_that_overflows_in_the_shorter_dtype_is_not_close(dtype: str, sign: float) -> None:
    short = getattr(ml_dtypes, dtype, None) or dtype
    left = numpy.array([1.0, WIDE[dtype] * sign, math.nan], "float32")
    with numpy.errstate(all="ignore"):
        right = left.astype(short)
    assert not numpy.isfinite(float(right[1]))
    for pair in ((left, right), (right, left)):
        found = measured(*pair, absolute=1e300, relative=1e300)
        assert (found.differing, found.beyond, found.relative) == (1, 1, math.inf)
        assert found.largest is not None and found.largest.index == (1,)


def test_what_is_not_finite_is_equal_to_itself_alone_in_two_dtypes() -> None:
    special = numpy.array([math.inf, -math.inf, math.nan, 1.0], "float32")
    left, right = (numpy.array(one).reshape(-1) for one in numpy.meshgrid(special, special.astype("float16")))
    for pair in ((left, right), (right, left)):
        found = measured(*pair, absolute=1e300, relative=1e300)
        assert (found.size, found.differing, found.beyond) == (16, 12, 12)
    infinities = numpy.array([math.inf, math.nan], "float32")
    short = numpy.array([math.nan, math.nan], ml_dtypes.float8_e4m3fn)
    assert measured(infinities, short).beyond == 1  # infinity is no NaN, though the cast makes it one


def test_an_overflow_in_one_part_of_a_complex_number_is_not_close() -> None:
    left = numpy.array([0.1 + 0.1j, complex(math.inf, 0.1), complex(0.1, 1e300), complex(1e300, math.inf)])
    with numpy.errstate(all="ignore"):
        right = left.astype("complex64")
    for pair in ((left, right), (right, left)):
        assert measured(*pair, absolute=1e-6).beyond == 2
        assert measured(*pair).beyond == 2  # rounding is close, beside an infinity too


def test_two_dtypes_neither_of_which_holds_the_other() -> None:
    left = numpy.array([1.0, 1.0009765625], "float16")
    assert measured(left, left.astype(ml_dtypes.bfloat16)).beyond == 1
    assert measured(left, left.astype(ml_dtypes.bfloat16), relative=1e-3).beyond == 0


def test_norms_do_not_overflow() -> None:
    for size in (1e200, 1e-200, 5e-324):
        assert norm(numpy.full(4, size)) == pytest.approx(2 * size)
    assert norm(numpy.array([])) == 0.0
    assert norm(numpy.array([3 + 4j])) == 5.0


def test_what_is_not_measured() -> None:
    assert is_measurable("float32", "bool") and is_measurable("string", "string")
    assert not is_measurable("string", "float32") and not is_measurable("resource", "resource")
