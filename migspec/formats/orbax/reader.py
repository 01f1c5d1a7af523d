"""Reading Orbax checkpoints."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import numpy

from migspec import dtypes
from migspec.formats.base import Extent
from migspec.formats.input import InputFile, check_shape, damaged, unsupported
from migspec.formats.orbax.location import MANIFEST
from migspec.formats.orbax.metadata import Entry, read_json, read_tree
from migspec.formats.orbax.stores import Stores
from migspec.formats.orbax.zarr import ZarrArray, read_header
from migspec.variables import Variable, VariableMap

FORMAT = "orbax"

STRINGS = "_strings.json"
_MOST_EXPANSION = 1 << 15  # of zstd, whose densest block makes 128 KiB of four bytes: RFC 8878, section 3.1.1.2


class OrbaxReader:
    """An open checkpoint; `path` is the folder with `_METADATA`. Names are the keys, joined with `/`; an index of a list is a key.
    `entries` is the whole tree, with what is no variable."""

    def __init__(self, path: str) -> None:
        """Raises `SpecError`: MIG501, MIG503, MIG505, MIG513 if tensorstore is missing and needed."""
        self._path = path
        self._tree = read_tree(path)
        self.entries = self._tree.entries
        sizes = _sizes(path)
        self._files = tuple(sorted(sizes))
        self._most = _MOST_EXPANSION * sum(sizes.values())
        self._entry_of = {entry.name: entry for entry in self.entries if entry.kind != "empty"}
        self._in_files = not self._tree.zarr3 and not (Path(path) / MANIFEST).is_file()
        self._stores: Stores | None = None
        self._strings = read_json(str(Path(path) / STRINGS)) if self._has_strings() else {}
        arrays = [entry for entry in self._entry_of.values() if entry.kind != "string"]
        self._arrays = dict(zip((entry.name for entry in arrays), self._headers(arrays), strict=True))
        self._map = VariableMap.of(path, [self._variable(entry) for entry in self._entry_of.values()])

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def path(self) -> str:
        return self._path

    @property
    def files(self) -> tuple[str, ...]:
        return (self._path, *self._files)

    @property
    def variables(self) -> VariableMap:
        return self._map

    def extent(self, name: str) -> Extent | None:
        array = self._arrays.get(name)
        if array is None or array.values is None:
            return None
        is_left_out = not self._tree.complete and not Path(array.values.path).exists()
        return None if is_left_out else array.values

    def read(self, name: str) -> numpy.ndarray:
        variable, entry = self._map[name], self._entry_of[name]
        if entry.kind == "string":
            value = numpy.empty((), object)
            value[()] = self._strings[entry.parameter].encode()
            return value
        if variable.dtype not in dtypes.NAMES:
            raise unsupported(self._path, f"`{name}` has the dtype {variable.dtype}, which migspec lists but does not read")
        extent = self.extent(name)
        return self._all_stores().read(entry.parameter, variable) if extent is None else _plain(extent, variable)

    def close(self) -> None:
        self._stores = None

    def _has_strings(self) -> bool:
        return any(entry.kind == "string" for entry in self.entries)

    def _all_stores(self) -> Stores:
        if self._stores is None:
            self._stores = Stores(self._path, self._tree)
        return self._stores

    def _headers(self, entries: list[Entry]) -> list[ZarrArray]:
        if not self._in_files:
            return self._all_stores().headers([entry.parameter for entry in entries]) if entries else []
        for entry in entries:
            if Path(entry.parameter).is_absolute() or ".." in Path(entry.parameter).parts or "\0" in entry.parameter:
                raise unsupported(self._path, f"it names the array {entry.parameter!r}, which is not in its folder")
        return [read_header(Path(self._path) / entry.parameter) for entry in entries]

    def _variable(self, entry: Entry) -> Variable:
        if entry.kind == "string":
            if not isinstance(self._strings.get(entry.parameter), str):
                raise damaged(self._path, f"the text `{entry.name}` is missing from `{STRINGS}`")
            return Variable(entry.name, (), "string")
        array = self._arrays[entry.name]
        variable = Variable(entry.name, array.shape, array.dtype)
        check_shape(self._path, variable)
        largest = max(array.chunk_bytes, variable.nbytes)
        if largest > self._most:
            raise damaged(self._path, f"`{entry.name}` is said to have {largest} bytes, which its files cannot hold")
        return variable


def _plain(extent: Extent, variable: Variable) -> numpy.ndarray:
    file = InputFile(extent.path)
    try:
        data = file.exactly(extent.length, 0)
        if file.size != extent.length:
            raise damaged(extent.path, f"it has {file.size} bytes, and `{variable.name}` has {extent.length}")
    finally:
        file.close()
    dtype = dtypes.numpy_dtype(variable.dtype)
    stored = dtype.newbyteorder(">" if extent.byte_order == "big" else "<")
    return numpy.frombuffer(data, stored).astype(dtype).reshape(variable.shape)


def _sizes(folder: str) -> dict[str, int]:
    """The length in bytes of every file below a folder."""
    sizes: dict[str, int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = f"{place}/{name}"
            with contextlib.suppress(OSError):  # whoever wants it says what is wrong with it
                sizes[path] = os.stat(path).st_size  # noqa: PTH116 (Path takes as long as all else together)
    return sizes
