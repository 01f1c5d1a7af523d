"""What happens to single values: casts and affine steps, each rounded once, to nearest even, NaN and infinities kept.

This is the one definition of that arithmetic: the reference evaluation and the engine both call it, so that they agree
bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

import numpy

from migspec.dtypes import kind, numpy_dtype


@dataclass(frozen=True, slots=True)
class Convert:
    """The value in another dtype."""

    dtype: str


@dataclass(frozen=True, slots=True)
class Scale:
    """`value * factor`, the factor first rounded to the value's dtype."""

    factor: float


@dataclass(frozen=True, slots=True)
class Offset:
    """`value + amount`, the amount first rounded to the value's dtype."""

    amount: float


_SHORT_FLOATS = frozenset({"bfloat16", "float8_e4m3fn", "float8_e5m2"})
_WIDER_THAN_FLOAT32 = frozenset({"float64", "int64", "int32", "uint64", "uint32"})

Step: TypeAlias = Convert | Scale | Offset


def apply_step(values: numpy.ndarray, step: Step) -> numpy.ndarray:
    """The values after one step, as a new array (or the same one, where a cast changes nothing) of the same memory layout."""
    with numpy.errstate(all="ignore"):
        match step:
            case Convert(dtype):
                return convert(values, dtype)
            case Scale(factor):
                product: numpy.ndarray = numpy.multiply(values, _scalar(factor, values.dtype))
                return product
            case Offset(amount):
                total: numpy.ndarray = numpy.add(values, _scalar(amount, values.dtype))
                return total
            case _:
                assert_never(step)


def convert(values: numpy.ndarray, dtype: str) -> numpy.ndarray:
    """The values in another dtype, rounded to nearest even; integers that do not fit wrap around, as in numpy.

    ml_dtypes casts to bfloat16 and float8 by way of float32, and so rounds twice where the source is wider than
    float32: 1 + 2**-8 + 2**-40 in float64 became 1 instead of 1 + 2**-7 (seen with ml_dtypes 0.6.0). So such sources
    are first brought to float32 with rounding to odd, after which rounding to a shorter format gives what rounding once
    would have given (Boldo, Melquiond: "When double rounding is odd", 2005).
    """
    new = numpy_dtype(dtype)
    if values.dtype == new:
        return values
    with numpy.errstate(all="ignore"):
        if dtype in _SHORT_FLOATS and values.dtype.name in _WIDER_THAN_FLOAT32:
            values = _rounded_to_odd(values)
        return values.astype(new)


def affine_steps(dtype: str, scale: float, offset: float) -> tuple[Step, ...]:
    """The steps of `value * scale + offset`; one that would change nothing is left out, so that -0.0 and NaN payloads pass.

    Raises ValueError for a dtype that is no float: the language has arithmetic on floats only.
    """
    if kind(dtype) != "float":
        raise ValueError(f"no arithmetic on {dtype}")
    scales = (Scale(scale),) if scale != 1.0 else ()
    offsets = (Offset(offset),) if offset != 0.0 else ()
    return scales + offsets


def _scalar(value: float, dtype: numpy.dtype) -> numpy.ndarray:
    return convert(numpy.array(value, numpy.float64), dtype.name)


def _rounded_to_odd(values: numpy.ndarray) -> numpy.ndarray:
    """float64 or integers as float32: exact, or else that one of the two neighbours whose last bit is set."""
    if values.dtype.kind in "iu":
        values = _as_float64(values)
    nearest = values.astype(numpy.float32)
    back = nearest.astype(numpy.float64)
    bits = nearest.view(numpy.uint32)
    inexact = (back != values) & ~numpy.isnan(values)
    too_far = inexact & (numpy.abs(back) > numpy.abs(values))
    odd: numpy.ndarray = ((bits - too_far) | inexact).astype(numpy.uint32).view(numpy.float32)
    return odd


def _as_float64(values: numpy.ndarray) -> numpy.ndarray:
    """Integers as float64, rounded to odd: beyond 53 bits the last 11 are folded into one."""
    if values.dtype.itemsize < 8:
        return values.astype(numpy.float64)
    one, eleven, mask = (values.dtype.type(number) for number in (1, 11, 2**11 - 1))
    inexact = ((values & mask) != 0).astype(values.dtype)
    folded = ((values >> eleven) | (inexact & one)) << eleven
    wide = (values > values.dtype.type(2**53)) | (values < values.dtype.type(-(2**53) if values.dtype.kind == "i" else 0))
    return numpy.where(wide, folded, values).astype(numpy.float64)
