"""The sources of a run, shared by its threads: where the values of a variable come from."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING

from migspec.diagnostics import SpecError, file_error
from migspec.dtypes import itemsize, kind
from migspec.engine.checksums import RunningChecksum
from migspec.engine.files import Files, OpenFile
from migspec.expression import Expression, Read, Side, size_of
from migspec.formats.base import Extent, Reader

if TYPE_CHECKING:
    import numpy


class Sources:
    """The variables of both sides.

    Each checksum is verified by whoever asks first for the variable, once in a run. What a reader can only give whole
    (compressed, sliced) is kept for the next target that takes a part of it, up to `kept` bytes; readers are called by one
    thread at a time.
    """

    def __init__(self, readers: Mapping[Side, Reader], files: Files, kept: int) -> None:
        self._readers = readers
        self._files = files
        self._kept = kept
        self._claimed: set[tuple[Side, str]] = set()
        self._claim_lock = Lock()
        self._arrays: OrderedDict[tuple[Side, str], numpy.ndarray] = OrderedDict()
        self._read_lock = Lock()

    def extent(self, read: Read) -> Extent | None:
        """Where a variable's values lie, if they lie in a file as they are. MIG503 if they cannot be what the variable says."""
        extent = self._readers[read.side].extent(read.variable)
        if extent is not None and extent.length != size_of(read.shape) * itemsize(read.dtype):
            raise _wrong_length(read, extent)
        return extent

    def unchanged(self, expression: Expression) -> Extent | None:
        """The place of a value whose bytes are the target's as they are."""
        if not isinstance(expression, Read) or kind(expression.dtype) in ("string", "opaque"):
            return None
        extent = self.extent(expression)
        return extent if extent is not None and extent.byte_order == "little" == sys.byteorder else None

    def file(self, extent: Extent) -> OpenFile:
        """The file of an extent, open. Raises SpecError, MIG501, if it cannot be opened."""
        return self._files.open(extent.path)

    def checksum(self, read: Read, extent: Extent) -> RunningChecksum | None:
        """What verifies the bytes of a variable, for whoever asks first; None if its format records none."""
        return RunningChecksum(read.variable, extent, self.file(extent)) if self._claims(read, extent) else None

    def values(self, read: Read) -> numpy.ndarray:
        """The whole value of a variable."""
        key = (read.side, read.variable)
        with self._read_lock:
            values = self._arrays.pop(key, None)
            if values is None:
                values = self._readers[read.side].read(read.variable)
            if values.nbytes <= self._kept:
                self._arrays[key] = values
            while sum(array.nbytes for array in self._arrays.values()) > self._kept:
                self._arrays.popitem(last=False)
            return values

    def _claims(self, read: Read, extent: Extent) -> bool:
        if extent.crc32c is None and extent.crc32 is None:
            return False
        key = (read.side, read.variable)
        with self._claim_lock:
            if key in self._claimed:
                return False
            self._claimed.add(key)
            return True


def _wrong_length(read: Read, extent: Extent) -> SpecError:
    needed = size_of(read.shape) * itemsize(read.dtype)
    return file_error(
        "MIG503",
        extent.path,
        f"the values of `{read.variable}` take {extent.length} bytes, where {read.dtype} {list(read.shape)} takes {needed}",
        helps=["the file is damaged or was written wrongly: write it again from the original"],
    )
