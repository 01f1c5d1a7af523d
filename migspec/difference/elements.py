"""Arithmetic on the elements that two sides have: which differ, and how far they are apart."""

from __future__ import annotations

import math

import numpy

from migspec.dtypes import is_lossy, kind
from migspec.elementwise import convert

_SQUARABLE = (1e-250, 1e250)  # sums of squares in this range lost nothing to overflow or underflow


def other_bits(left: numpy.ndarray, right: numpy.ndarray) -> numpy.ndarray:
    """Which elements of two flat arrays of one dtype have not the same bits."""
    size = left.itemsize
    if size <= 8:
        differing: numpy.ndarray = left.view(f"u{size}") != right.view(f"u{size}")
        return differing
    words: numpy.ndarray = (left.view("u8") != right.view("u8")).reshape(-1, size // 8).any(axis=1)
    return words


def distances(left: numpy.ndarray, right: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """`|left - right|` and `max(|left|, |right|)` of each element, as float64; the arrays are flat and of any dtypes of numbers.

    The distance is 0 exactly if both are the same number or both are NaN, and infinite if one of them is NaN. That of integers is at
    least 1, and right to 53 bits.
    """
    kinds = {kind(left.dtype.name), kind(right.dtype.name)}
    with numpy.errstate(all="ignore"):
        if kinds <= {"integer", "boolean"}:
            return _distances_of_integers(left, right)
        if "complex" in kinds:
            wide = [array.astype(numpy.complex128) for array in (left, right)]
            real, imaginary = (_distances_of_floats(*(getattr(array, part) for array in wide)) for part in ("real", "imag"))
            return numpy.hypot(real, imaginary), numpy.fmax(numpy.abs(wide[0]), numpy.abs(wide[1]))
        old, new = left.astype(numpy.float64), right.astype(numpy.float64)
        return _distances_of_floats(old, new), numpy.fmax(numpy.abs(old), numpy.abs(new))


def ratios(distance: numpy.ndarray, scale: numpy.ndarray) -> numpy.ndarray:
    """The relative differences that belong to the results of `distances`."""
    with numpy.errstate(all="ignore"):
        ratio: numpy.ndarray = distance / scale
    ratio[distance == 0] = 0.0
    ratio[numpy.isinf(distance)] = math.inf
    return ratio


def is_rounded(left: numpy.ndarray, right: numpy.ndarray) -> numpy.ndarray | None:
    """Which elements are one value in a long and a short dtype, rounded in the short one; None if the dtypes are not such a pair.

    A finite value that the short dtype cannot hold, so that it came out as infinite or NaN, is lost and not rounded.
    """
    names = left.dtype.name, right.dtype.name
    if kind(names[0]) != kind(names[1]) or kind(names[0]) not in ("float", "complex"):
        return None
    losses = is_lossy(*names), is_lossy(names[1], names[0])
    if losses == (True, False):
        long, short = left, right
    elif losses == (False, True):
        long, short = right, left
    else:
        return None
    rounded = convert(long, short.dtype.name)
    same: numpy.ndarray = (distances(rounded, short)[0] == 0) & _stays_finite(long, rounded)
    return same


def norm(values: numpy.ndarray) -> float:
    """The L2 norm of a flat array of numbers, in float64, without overflow."""
    with numpy.errstate(all="ignore"):
        if kind(values.dtype.name) == "complex":
            wide = values.astype(numpy.complex128).view(numpy.float64)
        else:
            wide = values.astype(numpy.float64)
        total = float(numpy.square(wide).sum())  # not `dot`, whose order of adding depends on the number of threads
        if _SQUARABLE[0] < total < _SQUARABLE[1]:
            return math.sqrt(total)
        largest = float(numpy.abs(wide).max(initial=0.0))
        if largest == 0 or not math.isfinite(largest):
            return largest
        return largest * math.sqrt(float(numpy.square(wide / largest).sum()))


def together(norms: float, more: float) -> float:
    """The L2 norm of two parts from the norms of each."""
    return math.nan if math.isnan(norms) or math.isnan(more) else math.hypot(norms, more)


def _stays_finite(long: numpy.ndarray, rounded: numpy.ndarray) -> numpy.ndarray:
    """Where a cast made nothing infinite or NaN that was not the same before; of complex numbers, neither part."""
    if kind(long.dtype.name) == "complex":
        both: numpy.ndarray = _stays_finite(long.real, rounded.real) & _stays_finite(long.imag, rounded.imag)
        return both
    with numpy.errstate(all="ignore"):  # float8_e4m3fn has no infinities: there they become NaN
        old, new = long.astype(numpy.float64), rounded.astype(numpy.float64)
        kept: numpy.ndarray = numpy.isfinite(new) | (_distances_of_floats(old, new) == 0)
        return kept


def _distances_of_floats(left: numpy.ndarray, right: numpy.ndarray) -> numpy.ndarray:
    distance: numpy.ndarray = numpy.abs(left - right)
    distance[(left == right) | (numpy.isnan(left) & numpy.isnan(right))] = 0.0
    distance[numpy.isnan(distance)] = math.inf
    return distance


def _distances_of_integers(left: numpy.ndarray, right: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """By way of sign and magnitude, which hold all of int64 and of uint64."""
    (left_negative, left_magnitude), (right_negative, right_magnitude) = _signed(left), _signed(right)
    larger, smaller = numpy.maximum(left_magnitude, right_magnitude), numpy.minimum(left_magnitude, right_magnitude)
    apart = (larger - smaller).astype(numpy.float64)
    scale = larger.astype(numpy.float64)
    return numpy.where(left_negative == right_negative, apart, scale + smaller.astype(numpy.float64)), scale


def _signed(values: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Which integers are below zero, and how large they are, as uint64."""
    if values.dtype.kind != "i":
        return numpy.zeros(values.shape, bool), values.astype(numpy.uint64)
    wide = values.astype(numpy.int64)
    negative = wide < 0
    magnitude = numpy.where(negative, numpy.uint64(0) - wide.view(numpy.uint64), wide.view(numpy.uint64))
    return negative, magnitude
