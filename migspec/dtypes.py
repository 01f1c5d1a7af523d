"""Dtypes by name, the same names in every format, and what a cast from one to another costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy

Kind = Literal["float", "integer", "boolean", "complex", "string", "opaque"]

# name -> (kind, bytes an element, bits of precision: of the significand for floats, of the value for integers,
# bits of exponent for floats).  bfloat16 and the float8 formats as in https://github.com/jax-ml/ml_dtypes.
_TABLE: dict[str, tuple[Kind, int, int, int]] = {
    "float64": ("float", 8, 53, 11),
    "float32": ("float", 4, 24, 8),
    "float16": ("float", 2, 11, 5),
    "bfloat16": ("float", 2, 8, 8),
    "float8_e4m3fn": ("float", 1, 4, 4),
    "float8_e5m2": ("float", 1, 3, 5),
    "int64": ("integer", 8, 63, 0),
    "int32": ("integer", 4, 31, 0),
    "int16": ("integer", 2, 15, 0),
    "int8": ("integer", 1, 7, 0),
    "uint64": ("integer", 8, 64, 0),
    "uint32": ("integer", 4, 32, 0),
    "uint16": ("integer", 2, 16, 0),
    "uint8": ("integer", 1, 8, 0),
    "bool": ("boolean", 1, 1, 0),
    "complex64": ("complex", 8, 24, 8),
    "complex128": ("complex", 16, 53, 11),
    "string": ("string", 0, 0, 0),
}

NAMES: tuple[str, ...] = tuple(_TABLE)
"""Every dtype that can be moved byte for byte, and `string`. A format may show others (`qint8`, `resource`): those are opaque."""


def kind(name: str) -> Kind:
    """What sort of values a dtype holds; `opaque` for one that migspec can list but not move."""
    return _TABLE[name][0] if name in _TABLE else "opaque"


def itemsize(name: str) -> int:
    """Bytes an element takes; 0 for strings and opaque dtypes."""
    return _TABLE[name][1] if name in _TABLE else 0


def is_lossy(old: str, new: str) -> bool:
    """Whether a cast from `old` to `new` can change a value."""
    old_kind, _, old_precision, old_exponent = _TABLE[old]
    new_kind, _, new_precision, new_exponent = _TABLE[new]
    if old == new:
        return False
    if old_kind == "integer" and new_kind == "integer":
        signed_to_unsigned = not old.startswith("u") and new.startswith("u")
        return signed_to_unsigned or new_precision < old_precision
    if new_kind in ("integer", "boolean", "string"):
        return old_kind != "boolean" or new_kind == "string"
    if old_kind in ("integer", "boolean"):
        return new_precision < old_precision
    imaginary_part_lost = old_kind == "complex" and new_kind != "complex"
    return imaginary_part_lost or new_precision < old_precision or new_exponent < old_exponent


def holds(name: str, value: int | float) -> bool:
    """Whether a dtype of numbers has this value: whole and in range for integers, 0 or 1 for booleans, not beyond the largest for
    floats (which may round it)."""
    what, _, precision, _ = _TABLE[name]
    if what == "boolean":
        return value in (0, 1)
    if what == "integer":
        lowest = 0 if name.startswith("u") else -(2**precision)
        return lowest <= value < 2**precision and value == int(value)
    return -largest(name) <= value <= largest(name)


def largest(name: str) -> int:
    """The largest finite value of a dtype of numbers; of a complex one, of either part."""
    what, _, precision, exponent = _TABLE[name]
    if what in ("boolean", "integer"):
        return int(2**precision - 1)
    # float8_e4m3fn has no infinities, and one more exponent for finite values.
    return 448 if name == "float8_e4m3fn" else int((2**precision - 1) * 2 ** (2 ** (exponent - 1) - precision))


def vanishes(name: str, value: float) -> bool:
    """Whether a value is rounded to zero in a dtype of floats."""
    _, _, precision, exponent = _TABLE[name]
    smallest: float = 2.0 ** (3 - 2 ** (exponent - 1) - precision)
    return abs(value) <= smallest / 2


def numpy_dtype(name: str) -> numpy.dtype:
    """The numpy dtype of this name, in native byte order; `string` is numpy's object dtype (elements are `bytes`).

    bfloat16 and the float8 formats come from the package ml_dtypes, imported only when one of them is asked for.
    """
    import numpy

    if name == "string":
        return numpy.dtype(object)
    if name == "bfloat16" or name.startswith("float8"):
        import ml_dtypes

        dtype: numpy.dtype = numpy.dtype(getattr(ml_dtypes, name))
        return dtype
    return numpy.dtype(name)
