"""Variables and variable maps: what a checkpoint or a model holds, without its values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from migspec.dtypes import itemsize


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: its one name, its shape, its dtype by name (`float32`, `bfloat16`, `string`, ...), its aliases in order.

    `of_optimizer` marks the variables of a live model's optimizer: a spec that does not speak of the optimizer leaves them alone.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    aliases: tuple[str, ...] = ()
    of_optimizer: bool = field(default=False, compare=False)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def nbytes(self) -> int:
        """The number of bytes of the values (0 for strings, whose size a shape does not tell)."""
        return self.size * itemsize(self.dtype)


@dataclass(frozen=True, slots=True)
class VariableMap:
    """The variables of one side, in the order of their file or model.

    `label` is what an error calls the side: the path as the user wrote it, or the model's name. `has_values` is False for a
    bare map in JSON, which says what variables look like but holds none.
    """

    label: str
    variables: tuple[Variable, ...]
    has_values: bool = True
    _by_name: dict[str, Variable] = field(init=False, repr=False, compare=False)
    _places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {variable.name: variable for variable in self.variables})
        object.__setattr__(self, "_places", {variable.name: place for place, variable in enumerate(self.variables)})

    def __getitem__(self, name: str) -> Variable:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Variable]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)

    def place(self, name: str) -> int:
        """Where a variable stands in the order of the map, from 0."""
        return self._places[name]

    @classmethod
    def of(cls, label: str, variables: Iterable[Variable], has_values: bool = True) -> VariableMap:
        return cls(label, tuple(variables), has_values)
