"""What the tests of PyTorch files put together by hand have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
from format_cases import sample
from pickle_assembler import storage, tensor

from migspec.diagnostics.model import Diagnostic, SpecError
from migspec.formats.base import Reader
from migspec.formats.registry import open_reader


def refusal(path: Path, name: str | None = None) -> Diagnostic:
    with pytest.raises(SpecError) as caught:
        reader = open_reader(str(path))
        try:
            reader.read(name or "")
        finally:
            reader.close()
    [diagnostic] = caught.value.diagnostics
    return diagnostic


def names_of(reader: Reader) -> dict[str, tuple[str, ...]]:
    return {variable.name: variable.aliases for variable in reader.variables}


def in_place(reader: Reader, name: str) -> bytes | None:
    extent = reader.extent(name)
    return None if extent is None else Path(extent.path).read_bytes()[extent.offset : extent.offset + extent.length]


VALUES = sample("float32", (4, 6))

ONE = tensor(storage("0", 24), (4, 6))
"""A tensor of `VALUES`, if they are the storage `0`."""
