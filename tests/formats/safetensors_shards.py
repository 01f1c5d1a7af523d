"""safetensors checkpoints in several files, made and loaded by the reference implementation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest
from writing_values import map_of, write_values

from migspec.diagnostics.model import Diagnostic, SpecError
from migspec.formats.output import Destination
from migspec.formats.registry import open_reader
from migspec.formats.writing import create_writer

safetensors = pytest.importorskip("safetensors")

INDEX = "model.safetensors.index.json"
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def values(*names: str, first: int = 0) -> dict[str, numpy.ndarray]:
    """A matrix of 24 bytes for each name, no two alike."""
    return {name: numpy.arange(6, dtype="float32").reshape(2, 3) + 10 * number for number, name in enumerate(names, first)}


def save(path: Path, arrays: Mapping[str, numpy.ndarray]) -> None:
    from safetensors.numpy import save_file

    save_file(dict(arrays), path, {"format": "pt"})


def save_sharded(folder: Path, weight_map: Any = None, text: str | None = None) -> str:
    """`a` and `b` in the first file, `c` in the second."""
    save(folder / FIRST, values("a", "b"))
    save(folder / SECOND, values("c", first=2))
    wanted = {"a": FIRST, "b": FIRST, "c": SECOND} if weight_map is None else weight_map
    path = folder / INDEX
    path.write_text(json.dumps({"metadata": {"total_size": 72}, "weight_map": wanted}) if text is None else text)
    return str(path)


def load(path: Path) -> dict[str, numpy.ndarray]:
    """As transformers does: the index, then each file."""
    arrays = {}
    for name, file in json.loads(path.read_text())["weight_map"].items():
        with safetensors.safe_open(path.with_name(file), "numpy") as shard:
            arrays[name] = shard.get_tensor(name)
    return arrays


def write(path: Path, arrays: Mapping[str, numpy.ndarray], *, force: bool = False, **options: Any) -> None:
    writer = create_writer(Destination(str(path), overwrite=force), map_of(arrays), **options)
    try:
        write_values(writer, arrays)
        writer.commit()
    finally:
        writer.abort()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def same(actual: Mapping[str, numpy.ndarray], expected: Mapping[str, numpy.ndarray]) -> bool:
    return actual.keys() == expected.keys() and all((actual[name] == expected[name]).all() for name in expected)


def error_of(path: str | Path) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        open_reader(str(path))
    [diagnostic] = caught.value.diagnostics
    return diagnostic
