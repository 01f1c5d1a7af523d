"""Checksums verified on the way: the bytes that are read anyway, in order, are the bytes that are summed."""

from __future__ import annotations

import numpy

from migspec.diagnostics import file_error
from migspec.engine.files import OpenFile
from migspec.formats.base import Extent

_PIECE = 1 << 20


class RunningChecksum:
    """The CRC-32C (or, of a member of a zip, the CRC-32) of one extent, as far as it has been read from its start.

    Reads that go on where the last one ended cost no second look at the file. At the first one that does not, the rest of the
    extent is read once for the checksum alone.
    """

    def __init__(self, variable: str, extent: Extent, file: OpenFile) -> None:
        self._variable = variable
        self._extent = extent
        self._file = file
        self._passed = 0  # bytes from the start of the extent
        self._kind, self._recorded = ("CRC-32C", extent.crc32c) if extent.crc32c is not None else ("CRC-32", extent.crc32)
        self._sum = 0 if self._kind == "CRC-32C" else extent.crc32_before

    @property
    def done(self) -> bool:
        """Whether the whole extent has been summed, and found right."""
        return self._passed == self._extent.length

    def saw(self, offset: int, data: numpy.ndarray) -> None:
        """These bytes (uint8) were read at this offset in the extent. Raises SpecError, MIG504, once the sum is known
        and wrong.
        """
        if offset == self._passed:
            self._extend(data)
        elif offset + data.size > self._passed:
            self.finish()

    def finish(self) -> None:
        """Read what is missing. Raises SpecError, MIG504, if the sum is wrong."""
        memory = numpy.empty(min(_PIECE, self._extent.length - self._passed), numpy.uint8)
        while self._passed < self._extent.length:
            piece = memory[: self._extent.length - self._passed]
            self._file.read_runs([(self._extent.offset + self._passed, 0)], piece.size, piece.data)
            self._extend(piece)

    def _extend(self, data: numpy.ndarray) -> None:
        if self._kind == "CRC-32C":
            import google_crc32c

            self._sum = google_crc32c.extend(self._sum, data)
        else:
            import zlib

            self._sum = zlib.crc32(data.data, self._sum)
        self._passed += data.size
        extent = self._extent
        if data.size and self._passed == extent.length and self._sum != self._recorded:
            raise file_error(
                "MIG504",
                extent.path,
                f"the values of `{self._variable}` do not have the checksum that is recorded for them",
                notes=[
                    f"the {self._kind} of bytes {extent.offset} to {extent.offset + extent.length} is {self._sum:08x}, "
                    f"recorded is {self._recorded:08x}"
                ],
                helps=["the file was damaged after it was written: copy or download it again"],
            )
