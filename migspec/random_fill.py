"""Random tensors whose element k depends on (seed, stream, k) alone.

Not on the machine, the version of numpy or of the C library, the block that is asked for, or the order of asking:

- Element k takes the k-th 64-bit word of a Philox4x64-10 stream (Salmon et al., "Parallel random numbers: as easy as 1,
  2, 3", 2011), whose key is a hash of the seed and the stream's name. Philox counts, so any block can be had at once.
  Only numpy's raw words are used: its documentation guarantees for `Philox` that "a fixed seed will always produce the
  same random integer stream", and NEP 19 (numpy's policy on random numbers) holds bit generators to stream
  compatibility. What numpy's `Generator` makes of the words has no such promise, and is not used.
- From there on there are only additions, subtractions, multiplications, divisions, square roots and `frexp` on float64,
  one operation for each numpy call (nothing that a compiler could fuse). IEEE 754 says the result of each exactly. No
  function of libm takes part, in particular no `log` and no `cos`, whose last bits differ between libraries and
  processors.

The draws are float64; the caller rounds them once to the dtype that is filled.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TypeAlias, assert_never

import numpy
from numpy.random import Philox

from migspec.expression import Normal, Uniform

Floats: TypeAlias = "numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]]"

_WORDS_A_COUNT = 4
_BLOCK = 1 << 15  # elements worked on at once: the temporaries then fit a core's cache

# Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37 (1988), 477-484, PPND16:
# numerators and denominators of the three rational approximations, highest power first.
_CENTRE = (
    (
        2509.0809287301226727,
        33430.575583588128105,
        67265.770927008700853,
        45921.953931549871457,
        13731.693765509461125,
        1971.5909503065514427,
        133.14166789178437745,
        3.387132872796366608,
    ),
    (
        5226.495278852854561,
        28729.085735721942674,
        39307.89580009271061,
        21213.794301586595867,
        5394.1960214247511077,
        687.1870074920579083,
        42.313330701600911252,
        1.0,
    ),
)
_TAIL = (
    (
        7.7454501427834140764e-4,
        0.0227238449892691845833,
        0.24178072517745061177,
        1.27045825245236838258,
        3.64784832476320460504,
        5.7694972214606914055,
        4.6303378461565452959,
        1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9,
        5.475938084995344946e-4,
        0.0151986665636164571966,
        0.14810397642748007459,
        0.68976733498510000455,
        1.6763848301838038494,
        2.05319162663775882187,
        1.0,
    ),
)
_FAR_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        0.0012426609473880784386,
        0.026532189526576123093,
        0.29656057182850489123,
        1.7848265399172913358,
        5.4637849111641143699,
        6.6579046435011037772,
    ),
    (
        2.04426310338993978564e-15,
        1.4215117583164458887e-7,
        1.8463183175100546818e-5,
        7.868691311456132591e-4,
        0.0148753612908506148525,
        0.13692988092273580531,
        0.59983220655588793769,
        1.0,
    ),
)
# log 2 in two parts, the first with enough zero bits at its end that its product with an exponent is exact (the split
# that fdlibm uses).
_LOG2_HIGH, _LOG2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
_SQRT_HALF = float.fromhex("0x1.6a09e667f3bcdp-1")


def draw(distribution: Normal | Uniform, start: int, count: int) -> Floats:
    """Elements `start` to `start + count` of a distribution, as float64.

    A uniform draw stays below `high` here; rounded to a narrower dtype it may become `high` itself.
    """
    result = numpy.empty(count, numpy.float64)
    for first in range(0, count, _BLOCK):
        length = min(_BLOCK, count - first)
        words = _words(distribution.seed, distribution.stream, start + first, length)
        result[first : first + length] = _values(distribution, words)
    return result


def _values(distribution: Normal | Uniform, words: numpy.ndarray) -> Floats:
    match distribution:
        case Uniform(low, high):
            # 53 bits over 2**53: every value in [0, 1) is exact
            fractions = (words >> numpy.uint64(11)).astype(numpy.float64) * 2.0**-53
            values = fractions * (high - low) + low
            return numpy.minimum(values, numpy.nextafter(high, low))
        case Normal(stddev):
            # 52 bits and a half over 2**52: exact, symmetric, never 0 or 1
            probabilities = ((words >> numpy.uint64(12)).astype(numpy.float64) + 0.5) * 2.0**-52
            return standard_normal_quantiles(probabilities) * stddev
        case _:
            assert_never(distribution)


def _words(seed: int, stream: str, start: int, count: int) -> numpy.ndarray:
    digest = sha256(f"migspec random fill 1\n{seed}\n{stream}".encode("utf-8", "surrogatepass")).digest()
    skipped = start % _WORDS_A_COUNT
    generator = Philox(key=int.from_bytes(digest[:16], "little"), counter=start // _WORDS_A_COUNT)
    words: numpy.ndarray = generator.random_raw(skipped + count)
    return words[skipped:]


def standard_normal_quantiles(probabilities: Floats) -> Floats:
    """The quantiles of the standard normal distribution, to about 1 part in 1e16."""
    centred = probabilities - 0.5
    result = centred * _ratio(_CENTRE, 0.180625 - centred * centred)
    outside = numpy.flatnonzero(numpy.abs(centred) > 0.425)
    smaller = numpy.minimum(probabilities[outside], 1.0 - probabilities[outside])
    root = numpy.sqrt(-_log(smaller))
    tail = numpy.where(root <= 5.0, _ratio(_TAIL, root - 1.6), _ratio(_FAR_TAIL, root - 5.0))
    result[outside] = numpy.copysign(tail, centred[outside])
    return result


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Floats) -> Floats:
    return _polynomial(coefficients[0], x) / _polynomial(coefficients[1], x)


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    value = numpy.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value *= x
        value += coefficient
    return value


def _log(x: Floats) -> Floats:
    """The natural logarithm, by the series 2 (s + s**3/3 + s**5/5 + ...) of s = (m - 1) / (m + 1), m the mantissa in
    [0.7, 1.4).
    """
    mantissa, exponent = numpy.frexp(x)
    low = mantissa < _SQRT_HALF
    mantissa = numpy.where(low, mantissa * 2.0, mantissa)
    exponents = (exponent - low).astype(numpy.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    series = _polynomial(tuple(1.0 / n for n in range(23, 0, -2)), s * s)  # |s| < 0.172: the next term is below 2**-63
    return exponents * _LOG2_HIGH + (s * series * 2.0 + exponents * _LOG2_LOW)
