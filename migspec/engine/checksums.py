"""Checksums verified on the way: the bytes that are read anyway, in order, are the bytes that are summed."""

from __future__ import annotations

from migspec.diagnostics import file_error
from migspec.engine.files import OpenFile
from migspec.formats.base import Extent
from migspec.formats.crc32c import crc32c

SUMMED = 256 << 10
"""Bytes that are read before they are summed: still in the cache of a core then (2 GB: 0.1 s; of megabytes at a time 0.2 to 0.3)."""


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

    def saw(self, offset: int, data: memoryview) -> None:
        """These bytes were read at this offset in the extent. Raises SpecError, MIG504, once the sum is known
        and wrong.
        """
        if offset == self._passed:
            self._extend(data)
        elif offset + len(data) > self._passed:
            self.finish()

    def finish(self) -> None:
        """Read what is missing. Raises SpecError, MIG504, if the sum is wrong."""
        memory = memoryview(bytearray(min(SUMMED, self._extent.length - self._passed)))
        while self._passed < self._extent.length:
            piece = memory[: self._extent.length - self._passed]
            self._file.read(self._extent.offset + self._passed, piece)
            self._extend(piece)

    def _extend(self, data: memoryview) -> None:
        if self._kind == "CRC-32C":
            self._sum = crc32c(data, self._sum)
        else:
            import zlib

            self._sum = zlib.crc32(data, self._sum)
        self._passed += len(data)
        extent = self._extent
        if len(data) and self._passed == extent.length and self._sum != self._recorded:
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
