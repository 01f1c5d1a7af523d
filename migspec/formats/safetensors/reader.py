"""Reading one safetensors file.

It is checked as strictly as by the reference implementation: values fill the rest of the file without gap or overlap.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from migspec import dtypes
from migspec.formats.base import Extent
from migspec.formats.input import InputFile, check_shape, damaged, unsupported
from migspec.formats.safetensors.layout import CODES, DTYPES, HEADER_LIMIT, OPAQUE_BITS, is_unicode
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy

FORMAT = "safetensors"


class SafetensorsReader:
    """An open safetensors file; the names are its keys, in the order of their values. `metadata` is its `__metadata__`."""

    def __init__(self, path: str) -> None:
        self._file = InputFile(path)
        try:
            header, self._start = _read_header(self._file)
            self.metadata = _metadata(path, header.pop("__metadata__", {}))
            entries = sorted((_entry(path, name, value) for name, value in header.items()), key=lambda entry: entry.place)
            _check_places(self._file, self._start, entries)
        except BaseException:
            self._file.close()
            raise
        self._entries = {entry.variable.name: entry for entry in entries}
        self._map = VariableMap.of(path, [entry.variable for entry in entries])

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def files(self) -> tuple[str, ...]:
        return (self._file.path,)

    @property
    def variables(self) -> VariableMap:
        return self._map

    def extent(self, name: str) -> Extent | None:
        entry = self._entries[name]
        if entry.variable.dtype not in CODES:
            return None
        begin, end = entry.place
        return Extent(self.path, self._start + begin, end - begin)

    def read(self, name: str) -> numpy.ndarray:
        extent, variable = self.extent(name), self._map[name]
        if extent is None:
            raise unsupported(self.path, f"`{name}` has the dtype {variable.dtype}, which migspec lists but does not read")
        import numpy

        stored = dtypes.numpy_dtype(variable.dtype).newbyteorder("<")
        values = numpy.frombuffer(self._file.exactly(extent.length, extent.offset), stored)
        return values.astype(dtypes.numpy_dtype(variable.dtype)).reshape(variable.shape)

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class _Entry:
    variable: Variable
    place: tuple[int, int]  # first byte and the one behind the last, counted from the end of the header


def _read_header(file: InputFile) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(file.exactly(8, 0), "little")
    if length > HEADER_LIMIT or 8 + length > file.size:
        raise damaged(file.path, f"it claims a header of {length} bytes", f"the file has {file.size} bytes")
    try:
        header = json.loads(file.exactly(length, 8).decode(), object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError) as error:
        raise damaged(file.path, f"its header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise damaged(file.path, "its header is no JSON object")
    return header, 8 + length


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json.loads`: an object, or ValueError if one of its keys stands in it twice."""
    unique = dict(pairs)
    if len(unique) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r} stands in it twice")
    return unique


def _metadata(path: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise damaged(path, "its `__metadata__` does not map texts to texts")
    return value


def _entry(path: str, name: str, value: object) -> _Entry:
    if not is_unicode(name):
        raise damaged(path, f"its header has the key {name!r}, which is no text")
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise damaged(path, f"the header's entry of `{name}` does not say dtype, shape and data_offsets")
    code, shape, place = value["dtype"], value["shape"], value["data_offsets"]
    if not _is_sizes(shape) or not _is_sizes(place) or len(place) != 2 or not isinstance(code, str):
        raise damaged(path, f"the header's entry of `{name}` is malformed")
    if code not in DTYPES and code not in OPAQUE_BITS:
        raise unsupported(path, f"`{name}` has the dtype {code!r}, which this version of migspec does not know")
    variable = Variable(name, tuple(shape), DTYPES.get(code, code.lower()))
    check_shape(path, variable)
    bits = OPAQUE_BITS.get(code) or 8 * dtypes.itemsize(variable.dtype)
    if (place[1] - place[0]) * 8 != variable.size * bits:
        raise damaged(path, f"`{name}` is said to be {variable.dtype} {shape}, but has {place[1] - place[0]} bytes")
    return _Entry(variable, (place[0], place[1]))


def _is_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(size) is int and 0 <= size < 1 << 63 for size in value)


def _check_places(file: InputFile, start: int, entries: list[_Entry]) -> None:
    expected = 0
    for entry in entries:
        begin, end = entry.place
        if begin != expected:
            relation = "overlap those before" if begin < expected else "leave a gap before them"
            raise damaged(file.path, f"the values of `{entry.variable.name}` {relation}")
        expected = end
    if start + expected != file.size:
        raise damaged(file.path, f"its header asks for {start + expected} bytes", f"the file has {file.size} bytes")
