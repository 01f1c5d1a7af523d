"""The index of Keras weights in several files, `model.weights.json`, and the files' groups as those of one file.

Keras writes it with `model.save_weights(path, max_shard_size=...)`: `weight_map` gives for each group `vars` (`/layers/dense/vars`) the
file beside the index that holds it, or a list if its weights lie in several. A group has its `name` in the first of them only
(keras/src/saving/saving_lib.py, `ShardedH5IOStore`, Keras 3.10 to 3.15).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from migspec.formats.input import InputFile, damaged, unsupported
from migspec.formats.keras.tree import Group, StoredArray, number_order, split_number

_LARGEST = 1 << 28  # bytes of an index; a model of 100,000 layers has about 10 MB


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """What the index at `path` says. `groups` are its groups `vars` with the names of the files that hold them, in order."""

    path: str
    metadata: object
    groups: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, path: str) -> ShardIndex:
        """Raises `SpecError`: MIG501, MIG503 if it is no index, MIG505 if it names files of other folders."""
        file = InputFile(path)
        try:
            if file.size > _LARGEST:
                raise damaged(path, "it is too large for an index")
            text = file.exactly(file.size, 0)
        finally:
            file.close()
        try:
            value = json.loads(text.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise damaged(path, f"it is no JSON: {error}") from error
        entries = value.get("weight_map") if isinstance(value, dict) else None
        if not isinstance(entries, dict) or not entries:
            raise damaged(path, "its `weight_map` names no files")
        return cls(path, value.get("metadata"), {group: _names(path, group, names) for group, names in entries.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files, each once."""
        return tuple(dict.fromkeys(name for names in self.groups.values() for name in names))

    @property
    def files(self) -> tuple[str, ...]:
        """The same as paths: they lie beside the index."""
        folder = Path(self.path).parent
        return tuple(str(folder / name) for name in self.names)


def _names(path: str, group: str, names: object) -> tuple[str, ...]:
    listed = [name for name in (names if isinstance(names, list) else [names]) if isinstance(name, str) and name]
    if not listed or (isinstance(names, list) and len(listed) < len(names)):
        raise damaged(path, f"its `weight_map` names no file for `{group}`")
    for name in listed:
        if name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise unsupported(
                path, f"it names the file {name!r}, which does not lie beside it", "put all its files into one folder"
            )
    return tuple(listed)


def merged(index: ShardIndex, shards: Sequence[Group]) -> Group:
    """The root groups of all files as one. MIG503 if a group is not in a file that the index names, or a weight in two."""
    place = {name: number for number, name in enumerate(index.names)}
    held = [_objects(shard) for shard in shards]
    for group, names in index.groups.items():
        for name in names:
            if group.strip("/").removesuffix("vars").rstrip("/") not in held[place[name]]:
                raise damaged(index.files[place[name]], f"it has no group `{group}`, though `{index.path}` says so")
    return _merge(index, [_of_shard(shard, number) for number, shard in enumerate(shards)])


def _objects(group: Group) -> frozenset[str]:
    below = (path for child in group.children for path in _objects(child))
    return frozenset([group.path, *below] if group.is_object else below)


def _of_shard(group: Group, number: int) -> Group:
    return replace(
        group,
        arrays=tuple(replace(array, shard=number) for array in group.arrays),
        others=tuple(replace(array, shard=number) for array in group.others),
        children=tuple(_of_shard(child, number) for child in group.children),
    )


def _merge(index: ShardIndex, groups: Sequence[Group]) -> Group:
    children: dict[str, list[Group]] = {}
    for group in groups:
        for child in group.children:
            children.setdefault(child.path, []).append(child)
    return Group(
        groups[0].path,
        any(group.is_object for group in groups),
        next((group.name for group in groups if group.name is not None), None),
        _together(index, [group.arrays for group in groups]),
        tuple(
            _merge(index, children[path]) for path in sorted(children, key=lambda path: split_number(path.rpartition("/")[2]))
        ),
        _together(index, [group.others for group in groups]),
    )


def _together(index: ShardIndex, lists: Sequence[tuple[StoredArray, ...]]) -> tuple[StoredArray, ...]:
    arrays: dict[str, StoredArray] = {}
    for array in (array for arrays in lists for array in arrays):
        if array.path in arrays:
            raise damaged(index.path, f"two of its files hold `{array.path}`")
        arrays[array.path] = array
    return tuple(sorted(arrays.values(), key=lambda array: number_order(array.key)))
