"""The two protocols that every format and every live model implements, and where bytes lie in a file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from migspec.variables import VariableMap

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True, slots=True)
class Extent:
    """Where the values of one variable lie in a file, in C order and uncompressed.

    `crc32c` is the plain (unmasked) CRC-32C of exactly these bytes, where the format records one. `crc32` is what a zip
    records, the CRC-32 of these bytes and those before them in the member; `crc32_before` is that of those before them.
    """

    path: str
    offset: int
    length: int
    byte_order: Literal["little", "big"] = "little"
    crc32c: int | None = None
    crc32: int | None = None
    crc32_before: int = 0


class Reader(Protocol):
    """One open checkpoint, file or model to read from.

    Opening reads headers only. Whatever is wrong with the file is raised as `SpecError` with a MIG5xx diagnostic, at opening
    or at reading, never as another exception.
    """

    @property
    def format(self) -> str:
        """The format's name as `--format` spells it."""

    @property
    def path(self) -> str:
        """The path as the user wrote it."""

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that reading may touch (an output is never written onto one of them)."""

    @property
    def variables(self) -> VariableMap:
        """The variables, from headers alone."""

    def extent(self, name: str) -> Extent | None:
        """Where the bytes of a variable lie, or None if it can only be had through `read` (compressed, sliced, strings)."""

    def read(self, name: str) -> numpy.ndarray:
        """The whole value: C order, native byte order, the variable's shape and dtype; checksums verified. Strings are an
        object array of `bytes`."""

    def close(self) -> None: ...


class Writer(Protocol):
    """One output in the making. Nothing is visible under the final name before `commit`."""

    @property
    def concurrent(self) -> bool:
        """Whether `write` may be called for different variables at once, from several threads. If not, variables come one
        after the other in the order of the map that the writer was created with."""

    def write(self, name: str, offset: int, data: memoryview) -> None:
        """Bytes `offset` .. `offset + len(data)` of the variable's values, in C order and little endian. For one variable
        the calls come in ascending order, without gap or overlap; a variable without elements gets no call. The memory
        behind `data` is used again once `write` returns."""

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        """The whole value of a `string` variable, an object array of `bytes`; called instead of `write`."""

    def commit(self) -> None:
        """Make the output durable and visible under its final name, all of it or nothing."""

    def abort(self) -> None:
        """Take back what was written; the old output stands. May be called after a failed `commit`."""


@runtime_checkable
class GatheringWriter(Protocol):
    """A writer that takes many small values at once for less than one by one."""

    def write_many(self, values: Sequence[tuple[str, memoryview]]) -> None:
        """The whole values of several variables, each as `Writer.write` takes it."""


@runtime_checkable
class HoldingWriter(Protocol):
    """A writer that gathers whole values in memory of its own before it does anything with them."""

    def memory(self, name: str) -> memoryview:
        """Where the bytes of a variable go. Values that are made there are given to `write` all the same, which then copies nothing."""


@runtime_checkable
class AnnouncedReader(Protocol):
    """A reader for which several variables at once cost less than one by one."""

    def read_ahead(self, names: Sequence[str]) -> AbstractContextManager[None]:
        """While the context lasts, `read` is called for these variables, once each and in about this order, and its values may be
        as old as the context."""


def write_many(writer: Writer, values: Sequence[tuple[str, memoryview]]) -> None:
    """Give a writer the whole values of several variables, at once if it can."""
    if isinstance(writer, GatheringWriter):
        writer.write_many(values)
    else:
        for name, value in values:
            writer.write(name, 0, value)
