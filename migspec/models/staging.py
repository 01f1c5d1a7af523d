"""Filling a live model all at once or not at all, whatever its framework."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from migspec import dtypes
from migspec.diagnostics import SpecError, file_error
from migspec.expression import Shape
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy

_ALIGNMENT = 64  # bytes: enough for every framework to take an array as it is, instead of copying it once more


class Destination(Protocol):
    """One variable of a live model."""

    @property
    def shape(self) -> Shape: ...

    @property
    def dtype(self) -> str: ...

    def read(self) -> numpy.ndarray:
        """The value now, as an array that does not change with the variable."""

    def assign(self, value: numpy.ndarray) -> None:
        """Set the value. The array is the variable's from now on: nobody else writes to it."""


class StagedWriter:
    """A `Writer` that gathers the new values in arrays of its own, and assigns them on `commit`, all or none.

    `label` is what an error calls the model. `settle` is called when variables have changed, for what the framework derives
    from them. Raises MIG516 at once if `variables` asks for what `destinations` lacks.
    """

    def __init__(
        self,
        label: str,
        variables: VariableMap,
        destinations: Mapping[str, Destination],
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        self._label = label
        self._settle = settle
        self._destinations = destinations
        self._variables = {variable.name: variable for variable in variables}
        for variable in variables:
            self._check(variable)
        self._staged = {variable.name: _aligned(variable) for variable in variables}
        self._received = dict.fromkeys(self._staged, 0)

    @property
    def concurrent(self) -> bool:
        """Each variable has an array of its own, so several may be written at once."""
        return True

    def write(self, name: str, offset: int, data: memoryview) -> None:
        """Bytes of one variable's values, in C order and little endian."""
        _bytes_of(self._staged[name])[offset : offset + data.nbytes] = data.cast("B")
        self._received[name] += data.nbytes

    def write_strings(self, name: str, values: numpy.ndarray) -> None:  # noqa: ARG002
        """Refused: no live model holds strings in a variable that can be filled."""
        raise self._refused(name, "it holds strings")

    def commit(self) -> None:
        """Assign everything, or nothing: after an error every variable has its old value again."""
        for name, variable in self._variables.items():
            if self._received[name] != variable.nbytes:
                raise RuntimeError(f"{self._received[name]} of the {variable.nbytes} bytes of {name} were written")
            self._check(variable)
        old: dict[str, numpy.ndarray] = {}
        name = ""
        try:
            for name in self._variables:
                old[name] = self._destinations[name].read()
                self._destinations[name].assign(_native(self._staged.pop(name)))
            self._settle()
        except BaseException as error:
            notes = self._restore(old)
            if not isinstance(error, Exception):  # Ctrl-C: the caller's, but the model is whole
                raise
            raise self._refused(name, cause(error), notes) from error

    def abort(self) -> None:
        """Let go of what was gathered; the model is as it was."""
        self._staged.clear()

    def _check(self, variable: Variable) -> None:
        destination = self._destinations.get(variable.name)
        if destination is None:
            raise self._refused(variable.name, "the model has no such variable")
        if (destination.shape, destination.dtype) != (variable.shape, variable.dtype):
            has = f"{destination.dtype} {list(destination.shape)}"
            raise self._refused(variable.name, f"it is {has}, and the value is {variable.dtype} {list(variable.shape)}")
        if dtypes.itemsize(variable.dtype) == 0:
            raise self._refused(variable.name, f"values of dtype {variable.dtype} cannot be moved")

    def _restore(self, old: Mapping[str, numpy.ndarray]) -> tuple[str, ...]:
        """Give the variables their old values back; what to tell the user about it."""
        lost = []
        for name, value in old.items():
            try:
                self._destinations[name].assign(value)
            except Exception as error:
                lost.append(f"{name} could not get its old value back: {cause(error)}")
        with suppress(Exception):
            self._settle()
        return tuple(lost) or ("every variable of the model has its old value",)

    def _refused(self, name: str, why: str, notes: tuple[str, ...] = ()) -> SpecError:
        return file_error("MIG516", self._label, f"`{name}` cannot be assigned", notes=(why, *notes))


def cause(error: BaseException) -> str:
    """An exception in one line of at most 500 characters, with its type."""
    words = " ".join(str(error).split())
    text = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return text if len(text) <= 500 else text[:499] + "…"


def _aligned(variable: Variable) -> numpy.ndarray:
    import numpy

    memory = numpy.empty(variable.nbytes + _ALIGNMENT, numpy.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    values = memory[start : start + variable.nbytes].view(dtypes.numpy_dtype(variable.dtype))
    return values.reshape(variable.shape)


def _bytes_of(array: numpy.ndarray) -> numpy.ndarray:
    import numpy

    return array.reshape(-1).view(numpy.uint8)


def _native(array: numpy.ndarray) -> numpy.ndarray:
    """Little-endian bytes as this machine's values, in place."""
    return array.byteswap(inplace=True) if sys.byteorder == "big" else array
