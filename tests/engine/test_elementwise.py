"""Casts round once, to nearest even, whatever numpy and ml_dtypes do."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migspec.dtypes import numpy_dtype
from migspec.elementwise import Convert, Offset, Scale, affine_steps, apply_step, convert

SHORT = ("bfloat16", "float16", "float8_e5m2", "float8_e4m3fn")


def finite(dtype: str) -> tuple[list[Fraction], list[float]]:
    """All finite values of a short dtype that are not negative, ascending: bit pattern k has value k."""
    values = numpy.arange(2 ** (8 * numpy_dtype(dtype).itemsize - 1)).astype(f"u{numpy_dtype(dtype).itemsize}")
    with numpy.errstate(invalid="ignore"):
        floats = values.view(numpy_dtype(dtype)).astype(numpy.float64)
    numbers = [float(value) for value in floats[numpy.isfinite(floats)]]
    return [Fraction(number) for number in numbers], numbers


TABLES = {dtype: finite(dtype) for dtype in SHORT}


def nearest_even(value: Fraction, dtype: str) -> float:
    """By the book: the nearest value; of two as near, the one with the even bit pattern."""
    fractions, numbers = TABLES[dtype]
    low, high = 0, len(fractions) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fractions[middle] <= abs(value) else (low, middle)
    below, above = abs(value) - fractions[low], fractions[high] - abs(value)
    chosen = low if below < above or (below == above and low % 2 == 0) else high
    return -numbers[chosen] if value < 0 else numbers[chosen]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(SHORT), st.data())
def test_float64_is_rounded_once(dtype: str, data: st.DataObject) -> None:
    numbers = TABLES[dtype][1]
    index = data.draw(st.integers(0, len(numbers) - 2))
    middle = (numbers[index] + numbers[index + 1]) / 2
    value = middle * (1 + data.draw(st.sampled_from((0.0, 2.0**-52, -(2.0**-52), 2.0**-30, -(2.0**-30), 2.0**-12))))
    value *= data.draw(st.sampled_from((1.0, -1.0)))
    assert float(convert(numpy.array([value]), dtype)[0]) == nearest_even(Fraction(value), dtype)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(("int64", "uint64", "int32", "uint32")), st.data())
def test_integers_are_rounded_once_to_bfloat16(dtype: str, data: st.DataObject) -> None:
    limits = numpy.iinfo(dtype)
    value = data.draw(st.integers(int(limits.min), int(limits.max)))
    shift = data.draw(st.integers(0, 62))
    value = max(int(limits.min), min(int(limits.max), (value >> shift << shift) + data.draw(st.integers(-1, 1))))
    assert float(convert(numpy.array([value], dtype), "bfloat16")[0]) == nearest_even(Fraction(value), "bfloat16")


def test_twice_rounding_would_have_shown() -> None:
    halfway_and_a_bit = numpy.array([1 + 2.0**-8 + 2.0**-40])
    assert float(halfway_and_a_bit.astype(numpy.float32).astype(ml_dtypes.bfloat16)[0]) == 1
    assert float(convert(halfway_and_a_bit, "bfloat16")[0]) == 1 + 2.0**-7


@pytest.mark.parametrize("old", ["float32", "float64"])
@pytest.mark.parametrize("new", ["float16", "bfloat16", "float32", "float64", "float8_e5m2"])
def test_infinities_nan_and_signed_zeros_are_kept(old: str, new: str) -> None:
    values = convert(numpy.array([numpy.inf, -numpy.inf, numpy.nan, 0.0, -0.0], old), new).astype(numpy.float64)
    assert values[:2].tolist() == [numpy.inf, -numpy.inf]
    assert numpy.isnan(values[2])
    assert numpy.signbit(values[3:]).tolist() == [False, True]


def test_overflow_is_infinity_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    assert convert(numpy.array([1e300, -1e300]), "bfloat16").astype(float).tolist() == [numpy.inf, -numpy.inf]
    assert convert(numpy.array([1e6], numpy.float32), "float16").tolist() == [numpy.inf]
    assert not recwarn.list


def test_integers_wrap_around() -> None:
    assert convert(numpy.array([300, -1]), "uint8").tolist() == [44, 255]


def test_complex_and_bool() -> None:
    assert convert(numpy.array([1 + 2j]), "complex64").tolist() == [1 + 2j]
    assert convert(numpy.array([True, False]), "bfloat16").astype(float).tolist() == [1, 0]
    assert convert(numpy.array([1.5], numpy.float32), "complex64").tolist() == [1.5]


def test_a_layout_in_memory_is_kept() -> None:
    turned = numpy.arange(12, dtype=numpy.float32).reshape(3, 4).T
    assert convert(turned, "bfloat16").strides == (2, 8)


def test_factors_are_rounded_to_the_dtype_first() -> None:
    ones = numpy.ones(1, numpy_dtype("bfloat16"))
    assert float(apply_step(ones, Scale(1 + 2.0**-8 + 2.0**-40))[0]) == 1 + 2.0**-7
    assert float(apply_step(ones, Offset(2.0**-10))[0]) == 1


def test_steps_that_change_nothing_are_left_out() -> None:
    assert affine_steps("float32", 1.0, 0.0) == ()
    assert affine_steps("float32", 2.0, 0.0) == (Scale(2.0),)
    assert affine_steps("float32", 2.0, 1.0) == (Scale(2.0), Offset(1.0))
    values = numpy.ones(2)
    assert apply_step(values, Convert("float64")) is values
