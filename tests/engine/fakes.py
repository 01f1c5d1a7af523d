"""Readers and writers as small as they can be, for tests of the engine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from threading import Lock

import google_crc32c
import numpy

from migspec.dtypes import kind, numpy_dtype
from migspec.expression import Affine, Cast, Concat, Expression, Permute, Read, Reshape, Side, Slice, Sum, Take
from migspec.formats.base import Extent
from migspec.variables import Variable, VariableMap


def reads_of(node: Expression) -> set[Read]:
    match node:
        case Read():
            return {node}
        case Concat() | Sum():
            return set().union(*(reads_of(part) for part in node.inputs))
        case Permute() | Reshape() | Slice() | Take() | Cast() | Affine():
            return reads_of(node.input)
    return set()


class MemoryReader:
    """Whole arrays, as from a compressed file."""

    format = "memory"
    path = "memory"
    files: tuple[str, ...] = ()

    def __init__(self, values: dict[str, numpy.ndarray]) -> None:
        self.values = values
        self.calls: list[str] = []

    @property
    def variables(self) -> VariableMap:
        return VariableMap.of(self.path, (Variable(name, v.shape, v.dtype.name) for name, v in self.values.items()))

    def extent(self, name: str) -> Extent | None:
        return None

    def read(self, name: str) -> numpy.ndarray:
        self.calls.append(name)
        return self.values[name]

    def close(self) -> None: ...


class RawReader(MemoryReader):
    """The bytes of all variables one after the other in a file, each after a few bytes of something else."""

    format = "raw"

    def __init__(self, path: Path, values: dict[str, numpy.ndarray], big: bool = False, checksums: bool = True) -> None:
        super().__init__(values)
        self.path = str(path)
        self.extents: dict[str, Extent] = {}
        with path.open("wb") as file:
            for name, value in values.items():
                file.write(b"gap")
                data = big_endian(value) if big else value.tobytes()
                crc = google_crc32c.value(data) if checksums else None
                self.extents[name] = Extent(str(path), file.tell(), len(data), "big" if big else "little", crc)
                file.write(data)

    def extent(self, name: str) -> Extent | None:
        return self.extents[name]

    def read(self, name: str) -> numpy.ndarray:
        raise AssertionError("what has an extent is not read whole")


def big_endian(value: numpy.ndarray) -> bytes:
    width = value.dtype.itemsize // (2 if kind(value.dtype.name) == "complex" else 1)
    return value.reshape(-1).view(f"u{width}").byteswap().tobytes()


class MemoryWriter:
    """Keeps what it is given, and holds the engine to the order that a writer may rely on."""

    def __init__(self, concurrent: bool = True) -> None:
        self.concurrent = concurrent
        self.values: dict[str, bytearray] = {}
        self.strings: dict[str, numpy.ndarray] = {}
        self.sizes: dict[str, list[int]] = {}
        self.lock = Lock()

    def write(self, name: str, offset: int, data: memoryview) -> None:
        with self.lock:
            assert data.format == "B"
            assert data.nbytes > 0
            value = self.values.setdefault(name, bytearray())
            assert offset == len(value)
            value += data
            self.sizes.setdefault(name, []).append(data.nbytes)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        self.strings[name] = values

    def commit(self) -> None:
        raise AssertionError("the caller commits")

    def abort(self) -> None:
        raise AssertionError("the caller aborts")

    def array(self, name: str, node: Expression) -> numpy.ndarray:
        return numpy.frombuffer(bytes(self.values.get(name, b"")), numpy_dtype(node.dtype)).reshape(node.shape)


def sides(reads: Iterable[Read], value_of) -> dict[Side, dict[str, numpy.ndarray]]:
    values: dict[Side, dict[str, numpy.ndarray]] = {"source": {}, "target": {}}
    for read in sorted(reads, key=lambda read: read.variable):
        values[read.side][read.variable] = value_of(read)
    return values
