"""Reading a safetensors checkpoint in several files: the index that Hugging Face's libraries write, and the files that it names.

The index: `metadata` (`total_size`, ...) and `weight_map`, from variables to files;
https://huggingface.co/docs/huggingface_hub/package_reference/serialization. `total_size` is not checked: no loader looks at it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from migspec.diagnostics.model import SpecError, file_error
from migspec.formats.base import Extent
from migspec.formats.input import InputFile, damaged, unsupported
from migspec.formats.safetensors.layout import HEADER_LIMIT
from migspec.formats.safetensors.reader import FORMAT, SafetensorsReader, without_duplicates
from migspec.variables import VariableMap

if TYPE_CHECKING:
    import numpy

_INDEX_LIMIT = HEADER_LIMIT
_MOST_NAMED = 5


class ShardedSafetensorsReader:
    """An open index with the files that it names. `shards` are these in the order of their names, `metadata` is the `__metadata__`
    of the first, `index_metadata` the `metadata` of the index."""

    def __init__(self, path: str) -> None:
        """Raises `SpecError`: MIG501 if a file is missing, MIG503 if index and files do not agree, MIG505 if it names a file that
        is none of its own."""
        self._path = path
        weight_map, self.index_metadata = _read_index(path)
        folder = Path(path).parent
        names = sorted(set(weight_map.values()))
        for name in names:
            _check_place(path, folder, name)
        self.shards: dict[str, SafetensorsReader] = {}
        try:
            for name in names:
                self.shards[name] = SafetensorsReader(str(folder / name))
            _check_agreement(path, weight_map, self.shards)
        except BaseException:
            self.close()
            raise
        self.metadata = self.shards[names[0]].metadata
        self._shard_of = weight_map
        self._map = VariableMap.of(path, (variable for shard in self.shards.values() for variable in shard.variables))

    @property
    def format(self) -> str:
        return FORMAT

    @property
    def path(self) -> str:
        return self._path

    @property
    def files(self) -> tuple[str, ...]:
        return (self._path, *(shard.path for shard in self.shards.values()))

    @property
    def variables(self) -> VariableMap:
        return self._map

    def shard_of(self, name: str) -> str:
        """The name of the file that holds a variable."""
        return self._shard_of[name]

    def extent(self, name: str) -> Extent | None:
        return self.shards[self._shard_of[name]].extent(name)

    def read(self, name: str) -> numpy.ndarray:
        return self.shards[self._shard_of[name]].read(name)

    def close(self) -> None:
        for shard in self.shards.values():
            shard.close()


def _read_index(path: str) -> tuple[dict[str, str], dict[str, Any]]:
    file = InputFile(path)
    try:
        if file.size > _INDEX_LIMIT:
            raise damaged(path, f"an index of {file.size} bytes is none")
        text = file.exactly(file.size, 0)
    finally:
        file.close()
    try:
        index = json.loads(text.decode("utf-8-sig"), object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no JSON: {error}") from error
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
        raise damaged(path, "its `weight_map` does not map names to files")
    if not weight_map:
        raise damaged(path, "its `weight_map` is empty")
    metadata = index.get("metadata")
    return weight_map, metadata if isinstance(metadata, dict) else {}


def _check_place(path: str, folder: Path, name: str) -> None:
    """That a file lies in the folder of the index and is there."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name:
        raise unsupported(path, f"it names the file {name!r}, which is not in its folder")
    place = folder / name
    if not os.path.lexists(place):
        raise _missing(path, str(place))
    real, home = Path(os.path.realpath(place)), Path(os.path.realpath(folder))
    if not any(real.is_relative_to(allowed) for allowed in _homes(home)):
        raise unsupported(path, f"`{place}` is a link to `{real}`, which is not in its folder", "copy the file into the folder")
    if not real.is_file():
        raise _missing(path, str(place))


def _homes(folder: Path) -> tuple[Path, ...]:
    """Where the files of an index may lie: in its folder, and in the cache of huggingface_hub in `blobs`, to which links in
    `snapshots/REVISION` point: https://huggingface.co/docs/huggingface_hub/guides/manage-cache."""
    return (folder, folder.parent.parent / "blobs") if folder.parent.name == "snapshots" else (folder,)


def _missing(path: str, place: str) -> SpecError:
    return file_error(
        "MIG501", place, f"`{place}` is missing, a part of `{path}`", helps=["download or copy all files of the checkpoint"]
    )


def _check_agreement(path: str, weight_map: Mapping[str, str], shards: Mapping[str, SafetensorsReader]) -> None:
    """That each variable is in the file that the index says, and in no other."""
    held = {file: {variable.name for variable in shard.variables} for file, shard in shards.items()}
    absent = [(name, file) for name, file in weight_map.items() if name not in held[file]]
    if absent:
        name, file = absent[0]
        others = [other for other, names in held.items() if name in names]
        where = f"it is in `{others[0]}`" if others else "no file has it"
        raise damaged(path, f"`{name}` is not in `{file}`, as the index says: {where}", *_also(name for name, _ in absent))
    unlisted = [(name, file) for file, names in held.items() for name in sorted(names) if weight_map.get(name) != file]
    if unlisted:
        name, file = unlisted[0]
        what = f"the index says it is in `{weight_map[name]}`" if name in weight_map else "the index does not list it"
        raise damaged(path, f"`{file}` has `{name}` too: {what}", *_also(name for name, _ in unlisted))


def _also(names: Iterable[str]) -> list[str]:
    _, *others = names
    if not others:
        return []
    shown = ", ".join(f"`{name}`" for name in others[:_MOST_NAMED])
    more = len(others) - _MOST_NAMED
    return [f"so it is with {shown}" + (f" and {more} more" if more > 0 else "")]
