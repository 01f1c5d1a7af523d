"""Arrays that are folders of their own: zarr version 2, https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

from migspec import dtypes
from migspec.formats.base import Extent
from migspec.formats.input import damaged
from migspec.formats.orbax.metadata import read_json

HEADER = ".zarray"


@dataclass(frozen=True, slots=True)
class ZarrArray:
    """What a header says. `chunk_bytes` is what one chunk takes uncompressed; `values` are all the values, if they lie in one file as
    they are."""

    shape: tuple[int, ...]
    dtype: str
    chunk_bytes: int
    values: Extent | None


def read_header(folder: Path) -> ZarrArray:
    """The header of the array in a folder. MIG501, MIG503."""
    path = str(folder / HEADER)
    content = read_json(path)
    shape, chunks, code = content.get("shape"), content.get("chunks"), content.get("dtype")
    if not _is_sizes(shape) or not _is_sizes(chunks) or len(shape) != len(chunks) or content.get("zarr_format") != 2:
        raise damaged(path, "it is no header of zarr version 2")
    dtype, order = _dtype(code)
    itemsize = dtypes.itemsize(dtype) or 1
    return ZarrArray(tuple(shape), dtype, _product(chunks) * itemsize, _values(folder, content, dtype, order))


def header(shape: tuple[int, ...], dtype: str) -> dict[str, Any]:
    """The header of an array whose values lie in one file, as they are."""
    code = dtypes.numpy_dtype(dtype).newbyteorder("<").str if dtype not in _NAMED else dtype
    return {
        "zarr_format": 2,
        "shape": list(shape),
        "chunks": list(shape),
        "dtype": code,
        "compressor": None,
        "fill_value": None,
        "filters": None,
        "order": "C",
        "dimension_separator": ".",
    }


def first_chunk(axes: int, separator: str = ".") -> str:
    """The name of the first chunk's file."""
    return separator.join("0" * axes) or "0"


_NAMED = ("bfloat16", "float8_e4m3fn", "float8_e5m2")  # dtypes that tensorstore adds to those of zarr, under their own names
_CODES: dict[str, str] = {dtypes.numpy_dtype(name).str[1:]: name for name in dtypes.NAMES if name not in (*_NAMED, "string")}


def _dtype(code: object) -> tuple[str, Literal["little", "big"]]:
    """The dtype of a code (`<f4`, `bfloat16`) and its byte order; one that migspec does not know keeps its code, so it is opaque."""
    if isinstance(code, str) and code[:1] in ("<", ">", "|") and code[1:] in _CODES:
        return _CODES[code[1:]], "big" if code[0] == ">" else "little"
    if isinstance(code, str) and (code in _NAMED or code not in dtypes.NAMES):
        return code, "little"
    return f"zarr {code}", "little"


def _values(folder: Path, content: dict[str, Any], dtype: str, order: Literal["little", "big"]) -> Extent | None:
    shape, separator = content["shape"], content.get("dimension_separator", ".")
    is_plain = not content.get("compressor") and not content.get("filters") and dtype in dtypes.NAMES
    in_order = content.get("order") == "C" or len(shape) < 2
    if not is_plain or not in_order or shape != content["chunks"] or separator not in (".", "/") or 0 in shape:
        return None
    length = _product(shape) * dtypes.itemsize(dtype)
    return Extent(str(folder / first_chunk(len(shape), separator)), 0, length, order)


def _is_sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(size) is int and 0 <= size < 1 << 63 for size in value)


def _product(sizes: list[int]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product
