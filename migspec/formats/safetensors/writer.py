"""Writing safetensors: one file, or several with an index."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migspec import dtypes
from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.output import Destination, OutputFile, WritableFile
from migspec.formats.output_files import OutputFiles
from migspec.formats.safetensors.layout import CODES, DEFAULT_METADATA, HEADER_LIMIT, is_unicode
from migspec.formats.safetensors.shards import Family
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy


class SafetensorsWriter:
    """A safetensors file in the making. Variables with larger elements come first, so that each is aligned to its element."""

    def __init__(self, destination: Destination, variables: VariableMap, metadata: Mapping[str, str] | None = None) -> None:
        """`metadata` is that of the template, if there is one. An index beside it, of the same output in several files, is part
        of what it replaces. Raises `SpecError`: MIG508 if a name or dtype does not fit, else as `OutputFile`."""
        layout = _lay_out(destination.path, variables, metadata)
        self._stale = Family.of(destination.path).replaced_by_one(destination)
        self._output = OutputFile(destination)
        self._part = _Part(self._output, layout)
        try:
            self._part.begin()
        except SpecError:
            self._output.abort()
            raise

    @property
    def concurrent(self) -> bool:
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        self._part.write(name, offset, data)

    def write_many(self, values: Sequence[tuple[str, memoryview]]) -> None:
        self._part.write_many(values)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:  # noqa: ARG002
        raise ValueError(f"`{name}`: safetensors holds no strings")  # refused when the writer was made

    def commit(self) -> None:
        self._output.commit()
        for path in self._stale:  # the index first
            with contextlib.suppress(OSError):
                path.unlink()

    def abort(self) -> None:
        self._output.abort()


class ShardedSafetensorsWriter:
    """A checkpoint in several files and their index, which come into view together."""

    def __init__(
        self,
        destination: Destination,
        shards: Sequence[Sequence[Variable]],
        metadata: Mapping[str, str] | None = None,
        index_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """`shards` are the variables of each file. Errors as `SafetensorsWriter`."""
        family = Family.of(destination.path)
        layouts = [_lay_out(destination.path, shard, metadata) for shard in shards]
        names = [family.shard(number, len(shards)) for number in range(1, len(shards) + 1)]
        self._stale = family.replaced_by_several(destination)
        self._output = OutputFiles(destination, [*names, family.index])
        self._parts = [_Part(file, layout) for file, layout in zip(self._output.files, layouts, strict=False)]
        self._part_of = {variable.name: part for part, shard in zip(self._parts, shards, strict=True) for variable in shard}
        weight_map = {variable.name: Path(name).name for name, shard in zip(names, shards, strict=True) for variable in shard}
        total = sum(variable.nbytes for shard in shards for variable in shard)
        index = {"metadata": {**(index_metadata or {}), "total_size": total}, "weight_map": weight_map}
        try:
            for part in self._parts:
                part.begin()
            self._output.index.pwrite((json.dumps(index, indent=2, sort_keys=True) + "\n").encode(), 0)
        except BaseException:
            self._output.abort()
            raise

    @property
    def concurrent(self) -> bool:
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        self._part_of[name].write(name, offset, data)

    def write_many(self, values: Sequence[tuple[str, memoryview]]) -> None:
        stretch: list[tuple[str, memoryview]] = []
        for name, value in values:
            if stretch and self._part_of[name] is not self._part_of[stretch[0][0]]:
                self._part_of[stretch[0][0]].write_many(stretch)
                stretch = []
            stretch.append((name, value))
        if stretch:
            self._part_of[stretch[0][0]].write_many(stretch)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:  # noqa: ARG002
        raise ValueError(f"`{name}`: safetensors holds no strings")

    def commit(self) -> None:
        self._output.commit(self._stale)

    def abort(self) -> None:
        self._output.abort()


@dataclass(frozen=True, slots=True)
class _Layout:
    header: bytes
    places: dict[str, int]
    size: int


class _Part:
    """One file and where its variables go."""

    def __init__(self, file: WritableFile, layout: _Layout) -> None:
        self._file = file
        self._layout = layout

    def begin(self) -> None:
        self._file.pwrite(self._layout.header, 0)
        self._file.truncate(self._layout.size)

    def write(self, name: str, offset: int, data: memoryview) -> None:
        self._file.pwrite(data, self._layout.places[name] + offset)

    def write_many(self, values: Sequence[tuple[str, memoryview]]) -> None:
        pieces: list[memoryview] = []  # of one stretch of the file, which ends before `end`
        start = end = 0
        for name, value in values:
            place = self._layout.places[name]
            if place != end:
                self._file.pwrite_all(pieces, start)
                pieces, start = [], place
            pieces.append(value)
            end = place + len(value)
        self._file.pwrite_all(pieces, start)


def _lay_out(path: str, variables: Iterable[Variable], metadata: Mapping[str, str] | None) -> _Layout:
    """Header and places of the variables of one file; MIG508 if one does not fit."""
    ordered = sorted(variables, key=lambda variable: -dtypes.itemsize(variable.dtype))
    header: dict[str, object] = {"__metadata__": DEFAULT_METADATA if metadata is None else dict(metadata)}
    begin = 0
    offsets = {}
    for variable in ordered:
        cause = _refusal(variable)
        if cause is not None:
            raise file_error("MIG508", path, f"safetensors cannot hold {cause}", helps=["change the spec so that it fits"])
        offsets[variable.name] = begin
        place = [begin, begin + variable.nbytes]
        header[variable.name] = {"dtype": CODES[variable.dtype], "shape": list(variable.shape), "data_offsets": place}
        begin += variable.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_LIMIT:
        raise file_error("MIG508", path, f"safetensors cannot hold {len(ordered)} variables: its header would be too long")
    start = 8 + len(text)
    places = {name: start + offset for name, offset in offsets.items()}
    return _Layout(len(text).to_bytes(8, "little") + text, places, start + begin)


def _refusal(variable: Variable) -> str | None:
    if variable.dtype not in CODES:
        return f"`{variable.name}`: it has no dtype {variable.dtype}"
    if variable.name == "__metadata__" or not is_unicode(variable.name):
        return f"a variable called {variable.name!r}"
    return None
