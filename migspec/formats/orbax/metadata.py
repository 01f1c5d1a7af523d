"""`_METADATA`: the tree of a checkpoint, and how its arrays are stored.

Its fields, and how the name of an array's folder comes from its keys: orbax/checkpoint/_src/metadata/tree.py,
https://github.com/google/orbax.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from migspec.formats.input import InputFile, damaged, unsupported
from migspec.formats.orbax.location import METADATA

_LIMIT = 100_000_000  # bytes of a metadata file

SEQUENCE, DICT = 1, 2
"""What a key is of: `KeyType`."""

_WITHOUT_VALUE = frozenset({"None", "Dict", "List", "Tuple", "NamedTuple", "Unknown"})

Kind = Literal["array", "scalar", "string", "empty"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A leaf of the tree. `keys` are pairs of a key and what it is of; an `empty` one is an empty container or None."""

    keys: tuple[tuple[str, int], ...]
    kind: Kind
    value_type: str

    @property
    def name(self) -> str:
        return "/".join(key for key, _ in self.keys)

    @property
    def parameter(self) -> str:
        """The name of its folder."""
        return ".".join(key for key, _ in self.keys)

    def to_json(self) -> dict[str, Any]:
        """The entry as Orbax writes it. Arrays are said to be numpy's: those of JAX would ask for the devices that they were on."""
        value_type = "np.ndarray" if self.kind == "array" else self.value_type
        return {
            "key_metadata": [{"key": key, "key_type": kind} for key, kind in self.keys],
            "value_metadata": {"value_type": value_type, "skip_deserialize": self.kind == "empty"},
        }


@dataclass(frozen=True, slots=True)
class Tree:
    """The leaves, and how their arrays are stored: in zarr version 3 or 2, and whether all their chunks are (those that hold nothing
    but the fill value too)."""

    entries: tuple[Entry, ...]
    zarr3: bool
    complete: bool


def read_tree(folder: str) -> Tree:
    """The tree of a checkpoint. MIG501, MIG503, MIG505."""
    path = str(Path(folder) / METADATA)
    content = read_json(path)
    entries = content.get("tree_metadata")
    if not isinstance(entries, dict):
        raise damaged(path, "it has no `tree_metadata`")
    found = tuple(_entry(path, value) for value in entries.values())
    [(name, count)] = Counter(entry.name for entry in found if entry.kind != "empty").most_common(1) or [("", 0)]
    if count > 1:
        raise unsupported(path, f"{count} of its values are called `{name}`")
    complete = content.get("store_array_data_equal_to_fill_value") is True
    return Tree(found, content.get("use_zarr3") is True, complete)


def read_json(path: str) -> dict[str, Any]:
    """The object in a JSON file of a checkpoint. MIG501, MIG503."""
    file = InputFile(path)
    try:
        if file.size > _LIMIT:
            raise damaged(path, f"{file.size} bytes of metadata are not to be believed")
        content = json.loads(file.exactly(file.size, 0).decode())
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no JSON: {error}") from error
    finally:
        file.close()
    if not isinstance(content, dict):
        raise damaged(path, "it is no JSON object")
    return content


def _entry(path: str, value: object) -> Entry:
    try:
        keys = tuple((str(key["key"]), int(key["key_type"])) for key in value["key_metadata"])  # type: ignore[index]
        about = value["value_metadata"]  # type: ignore[index]
        value_type, skipped = about["value_type"], about.get("skip_deserialize", False)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise damaged(path, "an entry of its `tree_metadata` is malformed") from error
    if not keys:
        raise unsupported(path, "the checkpoint holds one value without a name", "save a dictionary of arrays")
    if not isinstance(value_type, str) or any(kind not in (SEQUENCE, DICT) for _, kind in keys):
        raise damaged(path, "an entry of its `tree_metadata` is malformed")
    kind: Kind = "array"
    if skipped or value_type in _WITHOUT_VALUE:
        kind = "empty"
    elif value_type in ("scalar", "string"):
        kind = "scalar" if value_type == "scalar" else "string"
    return Entry(keys, kind, value_type)
