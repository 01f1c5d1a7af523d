"""Files of JAX' libraries, written and read by flax and Orbax themselves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")

Tree = dict[str, Any]


def flax_serialization() -> Any:
    return pytest.importorskip("flax.serialization", reason="needs flax")


def orbax() -> Any:
    return pytest.importorskip("orbax.checkpoint", reason="needs orbax-checkpoint")


def nested(arrays: Mapping[str, Any]) -> Tree:
    """Names cut at `/` into nested dictionaries."""
    tree: Tree = {}
    for name, value in arrays.items():
        *above, last = name.split("/")
        node = tree
        for key in above:
            node = node.setdefault(key, {})
        node[last] = value
    return tree


def flat(tree: Any, name: str = "") -> dict[str, Any]:
    """The leaves of dictionaries and lists, with keys joined by `/`."""
    if isinstance(tree, dict | list | tuple):
        pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return {
            key: leaf for part, value in pairs for key, leaf in flat(value, f"{name}/{part}" if name else str(part)).items()
        }
    return {name: tree}


def save_flax(path: Path, arrays: Mapping[str, Any]) -> None:
    path.write_bytes(flax_serialization().to_bytes(nested(arrays)))


def load_flax(path: Path) -> dict[str, numpy.ndarray]:
    return flat(flax_serialization().msgpack_restore(path.read_bytes()))


def save_orbax(path: Path, tree: Mapping[str, Any], **options: Any) -> None:
    """As `PyTreeCheckpointer` does with these options: by default into the one store of all arrays."""
    checkpoints = orbax()
    with checkpoints.Checkpointer(checkpoints.PyTreeCheckpointHandler(**options)) as checkpointer:
        checkpointer.save(path.absolute(), nested(tree), force=True)


def save_orbax_folders(path: Path, tree: Mapping[str, Any]) -> None:
    save_orbax(path, tree, use_ocdbt=False)


def restore_orbax(path: Path) -> Any:
    checkpoints = orbax()
    with checkpoints.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(path.absolute())


def load_orbax(path: Path) -> dict[str, numpy.ndarray]:
    return flat(restore_orbax(path))
