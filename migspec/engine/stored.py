"""What a file or model holds, fetched piece by piece, to be held against something else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock, local

import numpy

from migspec.dtypes import itemsize
from migspec.engine.checksums import RunningChecksum
from migspec.engine.files import Files, OpenFile
from migspec.engine.workspace import Workspace
from migspec.formats.base import Extent, Reader
from migspec.variables import Variable


@dataclass(slots=True)
class Stored:
    """One variable: a place in a file, or, where the reader can only give it whole, its values in memory."""

    variable: Variable
    extent: Extent | None
    file: OpenFile | None = None
    checksum: RunningChecksum | None = None
    values: numpy.ndarray | None = None  # uint8, as `Writer.write` gets them


class StoredValues:
    """The variables of a reader by the names that someone else has for them: `called` says which is which.

    Memory: one piece for each thread, and whole what the reader can only give whole, from its first piece to `close`. May be used
    from several threads, each with its own variables.
    """

    def __init__(self, reader: Reader, called: Mapping[str, Variable], files: Files) -> None:
        self._reader = reader
        self._called = called
        self._files = files
        self._open: dict[str, Stored] = {}
        self._reading = Lock()  # readers are called by one thread at a time
        self._thread = local()

    def __getitem__(self, name: str) -> Stored:
        """The variable, opened if it is not. Raises SpecError as its reader does."""
        stored = self._open.get(name)
        if stored is None:
            stored = self._open[name] = self._opened(self._called[name])
        return stored

    def close(self, name: str) -> None:
        """The variable is not needed any more."""
        self._open.pop(name, None)

    def fetch(self, name: str, offset: int, length: int) -> numpy.ndarray:
        """Bytes of a variable in C order and little endian, as uint8; good until the next piece is fetched by this thread.

        Raises SpecError: MIG501 if the file cannot be read, MIG503 if it is cut short.
        """
        stored = self[name]
        if stored.values is not None:
            return stored.values[offset : offset + length]
        assert stored.file is not None and stored.extent is not None
        if not hasattr(self._thread, "workspace"):
            self._thread.workspace = Workspace()
        workspace: Workspace = self._thread.workspace
        found = workspace.array("found", length, numpy.dtype(numpy.uint8))
        stored.file.read(stored.extent.offset + offset, found.data)
        return found

    def read(self, name: str) -> numpy.ndarray:
        """The whole value, as `Reader.read` gives it."""
        with self._reading:
            return self._reader.read(self._called[name].name)

    def _opened(self, variable: Variable) -> Stored:
        extent = self._reader.extent(variable.name)
        if extent is None or (extent.byte_order == "big" and itemsize(variable.dtype) > 1):
            with self._reading:
                values = self._reader.read(variable.name)
            return Stored(variable, None, values=_as_written(values))
        file = self._files.open(extent.path)
        is_recorded = extent.crc32c is not None or extent.crc32 is not None
        return Stored(variable, extent, file, RunningChecksum(variable.name, extent, file) if is_recorded else None)


def _as_written(values: numpy.ndarray) -> numpy.ndarray:
    """A value as bytes, in C order and little endian."""
    flat = numpy.ascontiguousarray(values).reshape(-1)
    if sys.byteorder == "big":
        flat = flat.byteswap()
    return flat.view(numpy.uint8)
