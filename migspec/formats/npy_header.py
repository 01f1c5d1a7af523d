"""The header of a `.npy` file, versions 1.0 to 3.0: numpy.lib.format says how it is written."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy

from migspec import dtypes
from migspec.formats.input import damaged

MAGIC = b"\x93NUMPY"

_GUESS = 512  # most headers fit; a longer one is read in a second go
_LIMIT = 12 + 10_000  # numpy's own limit on the text of a header
_MOVED = frozenset(dtypes.NAMES) - {"string", "bfloat16", "float8_e4m3fn", "float8_e5m2"}


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """Shape, order of the axes and numpy dtype of an array, and the bytes that the header takes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: numpy.dtype
    length: int


def read_npy_header(path: str, what: str, size: int, start: Callable[[int], bytes]) -> NpyHeader:
    """The header of an array that has `size` bytes with it; `start` gives the first ones. MIG503 if there is none.

    `what` is what errors call the array: a member of a zip, or the file itself.
    """
    head = start(_GUESS)
    length = _header_length(head)
    if length is None or length > min(_LIMIT, size):
        raise damaged(path, f"{what} does not begin with a numpy header")
    stream = io.BytesIO(head if length <= len(head) else start(length))
    try:
        version = numpy.lib.format.read_magic(stream)
        parse = numpy.lib.format.read_array_header_1_0 if version[0] == 1 else numpy.lib.format.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy advises to save files of Python 2 again: they are read as they are
            shape, fortran, dtype = parse(stream)
    except Exception as error:  # numpy evaluates the header's text: a damaged one fails in ways that are not listed
        raise damaged(path, f"the numpy header of {what} cannot be parsed") from error
    if any(type(extent) is not int or extent < 0 for extent in shape):
        raise damaged(path, f"the numpy header of {what} has the shape {list(shape)}")
    return NpyHeader(shape, fortran, dtype, length)


def dtype_name(dtype: numpy.dtype) -> str:
    """The name of a dtype in migspec; one that only numpy has keeps numpy's (`<U5`, `datetime64[ns]`), so it is opaque."""
    return dtype.name if dtype.name in _MOVED else dtype.str if dtype.names is None else str(dtype)


def is_moved(dtype: str) -> bool:
    """Whether a `.npy` file can hold this dtype of migspec."""
    return dtype in _MOVED


def _header_length(start: bytes) -> int | None:
    """The bytes before the values, from the first ones of a member; None if that is no header."""
    if start[:6] != MAGIC or len(start) < 12:
        return None
    return 10 + int.from_bytes(start[8:10], "little") if start[6] == 1 else 12 + int.from_bytes(start[8:12], "little")
