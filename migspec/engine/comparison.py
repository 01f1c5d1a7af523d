"""An output held against what it should be: the same copies run once more, and compared instead of written.

Nothing is kept but one band for each thread, so the memory stays as flat as it was when the output was written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass

import numpy

from migspec.diagnostics import SpecError, file_error
from migspec.dtypes import itemsize, numpy_dtype
from migspec.engine.announcing import expecting
from migspec.engine.files import Files
from migspec.engine.run import run
from migspec.engine.stored import Stored, StoredValues
from migspec.engine.target import Target
from migspec.expression import Side
from migspec.formats.base import Reader
from migspec.names import NameIndex, normal_name
from migspec.variables import Variable, VariableMap

_PIECE = 1 << 20  # bytes that are read and compared at once


def compare(
    targets: Sequence[Target],
    variables: VariableMap,
    sources: Mapping[Side, Reader],
    output: Reader,
    *,
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Hold an output against the values of all targets, bit for bit; recorded checksums are verified on the way.

    `output` is the output opened anew. Its files are dropped from the page cache where the system does that, so that the disk
    is asked. `variables` has the targets under all their names, as the output may call them by another one. `executor` and
    `progress` are those of `run`. Raises SpecError: MIG517 for the first variable, in the order of `targets`, that differs or is
    missing, else what the readers raise.
    """
    called = _called_in(output, [variables[target.name] for target in targets])
    _drop_from_cache(output.files)
    with Files() as files, expecting(output, [called[target.name].name for target in targets]):
        comparison = _Comparison(output, called, files)
        run(targets, sources, comparison, executor=executor, progress=progress)
    differing = [comparison.differences[target.name] for target in targets if target.name in comparison.differences]
    if differing:
        raise _differs(output, differing, len(targets))


@dataclass(frozen=True, slots=True)
class _Difference:
    """The first place where a variable is not what it should be, in words."""

    variable: str
    notes: tuple[str, ...]


class _Comparison:
    """A `Writer` that writes nothing: `differences` has what it was given that is not there already."""

    def __init__(self, output: Reader, called: Mapping[str, Variable], files: Files) -> None:
        self.differences: dict[str, _Difference] = {}
        self._called = called
        self._stored = StoredValues(output, called, files)

    @property
    def concurrent(self) -> bool:
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        stored = self._stored[name]
        planned = numpy.frombuffer(data, numpy.uint8)
        for begin in range(0, planned.size, _PIECE):
            piece = planned[begin : begin + _PIECE]
            found = self._stored.fetch(name, offset + begin, piece.size)
            place = _first_difference(piece, found)
            if place is not None and name not in self.differences:
                self.differences[name] = _describe(name, stored, offset + begin, place, piece, found)
            if stored.checksum is not None and name not in self.differences:
                stored.checksum.saw(offset + begin, found.data)
        if offset + planned.size == stored.variable.nbytes:
            self._stored.close(name)

    def write_strings(self, name: str, values: numpy.ndarray) -> None:
        found = self._stored.read(name)
        for place, (planned, there) in enumerate(zip(values.reshape(-1), found.reshape(-1), strict=True)):
            if planned != there:
                element = _element(self._called[name].shape, place)
                self.differences[name] = _Difference(name, (f"{element} is {there!r}, and should be {planned!r}",))
                return

    def commit(self) -> None:
        """Nothing was written."""

    def abort(self) -> None:
        """Nothing was written."""


def _called_in(output: Reader, wanted: Iterable[Variable]) -> dict[str, Variable]:
    """Which variable of the output is which: the one of the same name, or the one that shares an alias.

    Two formats may give one variable different names: a `.weights.h5` file does not record the names of a model's layers.
    """
    index: NameIndex | None = None
    called: dict[str, Variable] = {}
    for variable in wanted:
        if variable.name in output.variables:
            found = output.variables[variable.name]
        else:
            index = index or NameIndex(output.variables)
            names = (index.lookup(normal_name(name)) for name in (variable.name, *variable.aliases))
            certain = [several[0].variable for several in names if len(several) == 1]
            if not certain:
                raise _refused(
                    output, f"the output has no `{variable.name}`", ["it was planned, and is under none of its names"]
                )
            found = certain[0]
        if (found.shape, found.dtype) != (variable.shape, variable.dtype):
            note = f"it is {found.dtype} {list(found.shape)}, and should be {variable.dtype} {list(variable.shape)}"
            raise _refused(output, f"`{variable.name}` in the output is not what was planned", [note])
        called[variable.name] = found
    return called


def _first_difference(left: numpy.ndarray, right: numpy.ndarray) -> int | None:
    """The first byte that differs."""
    whole = left.size // 8 * 8
    if numpy.array_equal(left[:whole].view(numpy.uint64), right[:whole].view(numpy.uint64)) and numpy.array_equal(
        left[whole:], right[whole:]
    ):
        return None
    return int(numpy.argmax(left != right))


def _describe(name: str, stored: Stored, offset: int, place: int, planned: numpy.ndarray, found: numpy.ndarray) -> _Difference:
    size = itemsize(stored.variable.dtype)
    begin = place // size * size
    values = [_value(array[begin : begin + size], stored.variable.dtype) for array in (found, planned)]
    if values[0] == values[1]:  # another NaN, or -0.0
        values = [
            f"{value} ({array[begin : begin + size].tobytes().hex(' ')})"
            for value, array in zip(values, (found, planned), strict=True)
        ]
    notes = [f"{_element(stored.variable.shape, (offset + place) // size)} is {values[0]}, and should be {values[1]}"]
    if stored.extent is not None:
        notes.append(f"the first byte that differs is byte {stored.extent.offset + offset + place} of `{stored.extent.path}`")
    return _Difference(name, tuple(notes))


def _element(shape: tuple[int, ...], place: int) -> str:
    if not shape:
        return "its value"
    return f"element [{', '.join(str(index) for index in numpy.unravel_index(place, shape))}]"


def _value(data: numpy.ndarray, dtype: str) -> str:
    little = numpy_dtype(dtype).newbyteorder("<")
    return str(data.copy().view(little)[0])


def _drop_from_cache(paths: Iterable[str]) -> None:
    """Ask the system to forget what it holds of these files. What is not on the disk yet stays; nothing here is an error."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in paths:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def _differs(output: Reader, differing: Sequence[_Difference], count: int) -> SpecError:
    first = differing[0]
    notes = list(first.notes)
    if len(differing) > 1:
        others = ", ".join(f"`{one.variable}`" for one in differing[1:4]) + (", ..." if len(differing) > 4 else "")
        notes.append(f"{len(differing)} of {count} variables differ; the others are {others}")
    return _refused(output, f"`{first.variable}` in the output is not what was planned", notes)


def _refused(output: Reader, message: str, notes: Sequence[str]) -> SpecError:
    return file_error(
        "MIG517",
        output.path,
        message,
        notes=notes,
        helps=["do not use this output: write it again, and if it differs again, test the disk and the memory of this machine"],
    )
