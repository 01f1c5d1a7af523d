"""safetensors: a length, a JSON header, the values. The layout: https://github.com/huggingface/safetensors#format.

Files are checked as strictly as by the reference implementation: values fill the rest of the file without gap or overlap.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy

from migspec import dtypes
from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.base import Extent
from migspec.formats.input import InputFile, check_shape, damaged, unsupported
from migspec.formats.output import Destination, OutputFile
from migspec.variables import Variable, VariableMap

FORMAT = "safetensors"

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
    "C64": "complex64",
}
_CODES = {name: code for code, name in _DTYPES.items()}

_OPAQUE_BITS = {"F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4}
"""Dtypes of the format that migspec lists but does not move, with the bits of an element."""

_HEADER_LIMIT = 100_000_000  # bytes; the reference implementation's own

_DEFAULT_METADATA = {"format": "pt"}
"""What a file without a template says of itself. safetensors gives the metadata no meaning; transformers refuses a file whose
`format` it does not know, or, in older versions, that has none, and reads "pt" for all its frameworks."""


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
        if entry.variable.dtype not in _CODES:
            return None
        begin, end = entry.place
        return Extent(self.path, self._start + begin, end - begin)

    def read(self, name: str) -> numpy.ndarray:
        extent, variable = self.extent(name), self._map[name]
        if extent is None:
            raise unsupported(self.path, f"`{name}` has the dtype {variable.dtype}, which migspec lists but does not read")
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
    if length > _HEADER_LIMIT or 8 + length > file.size:
        raise damaged(file.path, f"it claims a header of {length} bytes", f"the file has {file.size} bytes")
    try:
        header = json.loads(file.exactly(length, 8).decode(), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise damaged(file.path, f"its header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise damaged(file.path, "its header is no JSON object")
    return header, 8 + length


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
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
    if not _is_unicode(name):
        raise damaged(path, f"its header has the key {name!r}, which is no text")
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise damaged(path, f"the header's entry of `{name}` does not say dtype, shape and data_offsets")
    code, shape, place = value["dtype"], value["shape"], value["data_offsets"]
    if not _is_sizes(shape) or not _is_sizes(place) or len(place) != 2 or not isinstance(code, str):
        raise damaged(path, f"the header's entry of `{name}` is malformed")
    if code not in _DTYPES and code not in _OPAQUE_BITS:
        raise unsupported(path, f"`{name}` has the dtype {code!r}, which this version of migspec does not know")
    variable = Variable(name, tuple(shape), _DTYPES.get(code, code.lower()))
    check_shape(path, variable)
    bits = _OPAQUE_BITS.get(code) or 8 * dtypes.itemsize(variable.dtype)
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


class SafetensorsWriter:
    """A safetensors file in the making. Variables with larger elements come first, so that each is aligned to its element."""

    def __init__(self, destination: Destination, variables: VariableMap, metadata: dict[str, str] | None = None) -> None:
        """`metadata` is that of the template, if there is one. Raises `SpecError`: MIG508 if a name or dtype does not fit, else
        as `OutputFile`."""
        for variable in variables:
            cause = _refusal(variable)
            if cause is not None:
                raise file_error(
                    "MIG508", destination.path, f"safetensors cannot hold {cause}", helps=["change the spec so that it fits"]
                )
        header: dict[str, object] = {"__metadata__": _DEFAULT_METADATA if metadata is None else metadata}
        begin = 0
        offsets = {}
        for variable in sorted(variables, key=lambda variable: -dtypes.itemsize(variable.dtype)):
            offsets[variable.name] = begin
            place = [begin, begin + variable.nbytes]
            header[variable.name] = {"dtype": _CODES[variable.dtype], "shape": list(variable.shape), "data_offsets": place}
            begin += variable.nbytes
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        if len(text) > _HEADER_LIMIT:
            raise file_error(
                "MIG508", destination.path, f"safetensors cannot hold {len(variables)} variables: its header would be too long"
            )
        self._output = OutputFile(destination)
        self._places = {name: 8 + len(text) + offset for name, offset in offsets.items()}
        try:
            self._output.pwrite(len(text).to_bytes(8, "little") + text, 0)
            self._output.truncate(8 + len(text) + begin)
        except SpecError:
            self._output.abort()
            raise

    @property
    def concurrent(self) -> bool:
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        self._output.pwrite(data, self._places[name] + offset)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:  # noqa: ARG002
        raise ValueError(f"`{name}`: safetensors holds no strings")  # refused when the writer was made

    def commit(self) -> None:
        self._output.commit()

    def abort(self) -> None:
        self._output.abort()


def _refusal(variable: Variable) -> str | None:
    if variable.dtype not in _CODES:
        return f"`{variable.name}`: it has no dtype {variable.dtype}"
    if variable.name == "__metadata__" or not _is_unicode(variable.name):
        return f"a variable called {variable.name!r}"
    return None


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
