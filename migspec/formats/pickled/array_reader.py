"""The reader of a file whose arrays have all been found: what is left is to hand them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from migspec import dtypes
from migspec.formats.base import Extent
from migspec.formats.input import check_shape, unsupported
from migspec.formats.pickled.stored_array import AnyArray, StoredArray, extent_of, read_array
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True, slots=True)
class NamedArray:
    """An array, the name that its variable goes by, and its aliases."""

    name: str
    array: AnyArray
    aliases: tuple[str, ...] = ()


class ArrayReader:
    """An open file of arrays that lie at known places. `close` is what there is to be closed, last opened first."""

    def __init__(self, format: str, path: str, arrays: Iterable[NamedArray], close: Sequence[Callable[[], None]]) -> None:
        """Raises SpecError: MIG503 for a shape that cannot be, MIG505 if two arrays have one name, or if there is none."""
        self._format = format
        self._path = path
        self._close = close
        self._arrays: dict[str, AnyArray] = {}
        variables = []
        for named in arrays:
            if named.name in self._arrays:
                raise unsupported(path, f"two arrays in it are called `{named.name}`", "save them under different keys")
            self._arrays[named.name] = named.array
            variables.append(variable_of(path, named))
        if not variables:
            raise unsupported(path, "its pickle holds no arrays", "name the file that the weights are in")
        self._map = VariableMap.of(path, variables)

    @property
    def format(self) -> str:
        return self._format

    @property
    def path(self) -> str:
        return self._path

    @property
    def files(self) -> tuple[str, ...]:
        return (self._path,)

    @property
    def variables(self) -> VariableMap:
        return self._map

    def extent(self, name: str) -> Extent | None:
        return extent_of(self._arrays[name])

    def read(self, name: str) -> numpy.ndarray:
        return read_array(self._path, name, self._arrays[name])

    def close(self) -> None:
        for close in self._close:
            close()


def variable_of(path: str, named: NamedArray) -> Variable:
    """The variable that an array is. MIG503 for a shape that cannot be."""
    variable = Variable(named.name, named.array.shape, named.array.dtype, named.aliases)
    check_shape(path, variable, dtypes.itemsize(named.array.dtype) if isinstance(named.array, StoredArray) else 1)
    return variable
