"""The variables of a checkpoint or model as a mapping, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from migspec.formats.base import Reader
from migspec.names import NameIndex, normal_name
from migspec.sides import open_side
from migspec.variables import Variable, VariableMap

if TYPE_CHECKING:
    import numpy


class Weights(Mapping[str, "numpy.ndarray"]):
    """The variables of a checkpoint by name, each read when it is asked for.

    It iterates over each variable's one name. A variable is found under its aliases, too, and whether `/` or `.` stands between
    the segments, as in a spec. KeyError if no variable, or more than one, has a name.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader

    def __getitem__(self, name: str) -> numpy.ndarray:
        found = self._called(name)
        if len(found) == 1:
            return self.reader.read(found[0].name)
        if found:
            raise KeyError(f"`{name}` fits several variables: {', '.join(one.name for one in found)}")
        from migspec.diagnostics.suggest import nearest

        names = [called for variable in self.variables for called in (variable.name, *variable.aliases)]
        near = ", ".join(f"`{one}`" for one in nearest(str(name), names))
        raise KeyError(f"no variable of {self.reader.path} is called `{name}`{f'; did you mean {near}?' if near else ''}")

    def __contains__(self, name: object) -> bool:
        """Whether a variable would be found; reads nothing."""
        return isinstance(name, str) and len(self._called(name)) == 1

    def __iter__(self) -> Iterator[str]:
        return (variable.name for variable in self.reader.variables)

    def __len__(self) -> int:
        return len(self.reader.variables)

    def __repr__(self) -> str:
        return f"<weights of {self.reader.path}: {len(self)} variables>"

    @property
    def variables(self) -> VariableMap:
        return self.reader.variables

    def close(self) -> None:
        """Close the file: read nothing after that. Arrays that were read stay valid."""
        self.reader.close()

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @cached_property
    def _index(self) -> NameIndex:
        return NameIndex(self.variables)

    def _called(self, name: str) -> tuple[Variable, ...]:
        if name in self.variables:
            return (self.variables[name],)
        return tuple(found.variable for found in self._index.lookup(normal_name(str(name))))


def open_weights(path: object) -> Weights:
    """Open a checkpoint, a model file or a live model as a lazy mapping; raises SpecError (MIG5xx)."""
    return Weights(open_side(path))
