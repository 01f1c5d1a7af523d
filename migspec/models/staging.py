"""Filling a live model all at once or not at all, whatever its framework."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from migspec import dtypes
from migspec.diagnostics import SpecError, file_error
from migspec.expression import Shape
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy

_ALIGNMENT = 64  # bytes: enough for every framework to take an array as it is, instead of copying it once more
_PAGE = 2 << 20  # a huge page, which numpy asks the system for; what lies before the first whole one comes in 4 KiB pages
_LARGE = 4 * _PAGE


class Holder(Protocol):
    """The variables of a live model, as what fills them sees them."""

    def described(self, name: str) -> tuple[Shape, str] | None:
        """Shape and dtype that a variable has now; None if there is none of this name."""

    def portions(self, names: Sequence[str]) -> Iterable[Sequence[str]]:
        """All of `names`, in the portions in which they are assigned; the old values of one portion are kept at a time."""

    def keep(self, names: Sequence[str]) -> Mapping[str, object]:
        """What `restore` needs to give each of these variables back the value that it has now."""

    def assign(self, values: Mapping[str, numpy.ndarray]) -> None:
        """Set the values. The arrays are the variables' from now on: nobody else writes to them."""

    def restore(self, kept: Mapping[str, object]) -> None:
        """Give variables back the values that `keep` kept."""

    def settle(self) -> None:
        """Make anew what the framework derives from its variables; called when some have changed."""


class StagedWriter:
    """A `Writer` that gathers the new values in arrays of its own, and assigns them on `commit`, all or none.

    `label` is what an error calls the model. Raises MIG516 at once if `variables` asks for what `holder` lacks.
    """

    def __init__(self, label: str, variables: VariableMap, holder: Holder) -> None:
        self._label = label
        self._holder = holder
        self._variables = {variable.name: variable for variable in variables}
        for variable in variables:
            self._check(variable)
        self._staged = {variable.name: _aligned(variable) for variable in variables}
        self._received = dict.fromkeys(self._staged, 0)

    @property
    def concurrent(self) -> bool:
        """Each variable has an array of its own, so several may be written at once."""
        return True

    def memory(self, name: str) -> memoryview:
        """Where the bytes of a variable go. Whoever makes them there hands that same memory to `write`, which copies nothing."""
        return _bytes_of(self._staged[name]).data

    def write(self, name: str, offset: int, data: memoryview) -> None:
        """Bytes of one variable's values, in C order and little endian."""
        import numpy

        given = numpy.frombuffer(data, numpy.uint8)
        place = _bytes_of(self._staged[name])[offset : offset + given.size]
        if place.ctypes.data != given.ctypes.data:
            place[:] = given
        self._received[name] += given.size

    def write_strings(self, name: str, values: numpy.ndarray) -> None:  # noqa: ARG002
        """Refused: no live model holds strings in a variable that can be filled."""
        raise self._refused((name,), "it holds strings")

    def commit(self) -> None:
        """Assign everything, or nothing: after an error every variable has its old value again."""
        for name, variable in self._variables.items():
            if self._received[name] != variable.nbytes:
                raise RuntimeError(f"{self._received[name]} of the {variable.nbytes} bytes of {name} were written")
            self._check(variable)
        kept: list[Mapping[str, object]] = []
        names: Sequence[str] = ()
        try:
            for names in self._holder.portions(tuple(self._variables)):
                kept.append(self._holder.keep(names))
                self._holder.assign({name: _native(self._staged.pop(name)) for name in names})
            self._holder.settle()
        except BaseException as error:
            notes = self._restore(kept)
            if not isinstance(error, Exception):  # Ctrl-C: the caller's, but the model is whole
                raise
            raise self._refused(names, cause(error), notes) from error

    def abort(self) -> None:
        """Let go of what was gathered; the model is as it was."""
        self._staged.clear()

    def _check(self, variable: Variable) -> None:
        found = self._holder.described(variable.name)
        if found is None:
            raise self._refused((variable.name,), "the model has no such variable")
        shape, dtype = found
        if found != (variable.shape, variable.dtype):
            has = f"{dtype} {list(shape)}"
            raise self._refused((variable.name,), f"it is {has}, and the value is {variable.dtype} {list(variable.shape)}")
        if dtypes.itemsize(variable.dtype) == 0:
            raise self._refused((variable.name,), f"values of dtype {variable.dtype} cannot be moved")

    def _restore(self, kept: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
        """Give the variables their old values back; what to tell the user about it."""
        lost = []
        for portion in kept:
            why = self._restore_one(portion)
            if why is not None:
                lost.append(f"{_listed(tuple(portion))} could not get the old value back: {why}")
        with suppress(Exception):
            self._holder.settle()
        return tuple(lost) or ("every variable of the model has its old value",)

    def _restore_one(self, portion: Mapping[str, object]) -> str | None:
        """None if these variables have their old values, else why not. Ctrl-C does not keep them from that, only twice."""
        for last in (False, True):
            try:
                self._holder.restore(portion)
            except Exception as error:
                return cause(error)
            except BaseException:
                if last:
                    raise
            else:
                return None
        return None

    def _refused(self, names: Sequence[str], why: str, notes: tuple[str, ...] = ()) -> SpecError:
        return file_error("MIG516", self._label, f"{_listed(names)} cannot be assigned", notes=(why, *notes))


class Destination(Protocol):
    """One variable of a live model whose variables are assigned one by one."""

    @property
    def shape(self) -> Shape: ...

    @property
    def dtype(self) -> str: ...

    def assign(self, value: numpy.ndarray) -> None:
        """Set the value. The array is the variable's from now on: nobody else writes to it."""

    def keep(self) -> object:
        """The value now, as `restore` takes it: in the cheapest form that does not change with the variable."""

    def restore(self, kept: object) -> None:
        """Set the value to what was kept."""


class OneByOne:
    """A `Holder` of variables that know by themselves how they are assigned; `derive` is its `settle`."""

    def __init__(self, destinations: Mapping[str, Destination], derive: Callable[[], None] = lambda: None) -> None:
        self._destinations = destinations
        self._derive = derive

    def described(self, name: str) -> tuple[Shape, str] | None:
        destination = self._destinations.get(name)
        return None if destination is None else (destination.shape, destination.dtype)

    def portions(self, names: Sequence[str]) -> Iterable[Sequence[str]]:
        return ((name,) for name in names)

    def keep(self, names: Sequence[str]) -> Mapping[str, object]:
        return {name: self._destinations[name].keep() for name in names}

    def assign(self, values: Mapping[str, numpy.ndarray]) -> None:
        for name, value in values.items():
            self._destinations[name].assign(value)

    def restore(self, kept: Mapping[str, object]) -> None:
        for name, value in kept.items():
            self._destinations[name].restore(value)

    def settle(self) -> None:
        self._derive()


def cause(error: BaseException) -> str:
    """An exception in one line of at most 500 characters, with its type."""
    words = " ".join(str(error).split())
    text = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return text if len(text) <= 500 else text[:499] + "…"


def _listed(names: Sequence[str]) -> str:
    """One name, or the first of a portion of which it is not known which one is to blame."""
    if not names:  # before the first portion
        return "the model"
    return f"`{names[0]}`" if len(names) == 1 else f"`{names[0]}` or one of {len(names) - 1} variables assigned with it"


def _aligned(variable: Variable) -> numpy.ndarray:
    import numpy

    alignment = _PAGE if variable.nbytes >= _LARGE else _ALIGNMENT
    memory = numpy.empty(variable.nbytes + alignment, numpy.uint8)
    start = -memory.ctypes.data % alignment
    values = memory[start : start + variable.nbytes].view(dtypes.numpy_dtype(variable.dtype))
    return values.reshape(variable.shape)


def _bytes_of(array: numpy.ndarray) -> numpy.ndarray:
    import numpy

    return array.reshape(-1).view(numpy.uint8)


def _native(array: numpy.ndarray) -> numpy.ndarray:
    """Little-endian bytes as this machine's values, in place."""
    return array.byteswap(inplace=True) if sys.byteorder == "big" else array
