"""From what a file calls its arrays to variables, each with one name that no other has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from migspec.formats.keras.tree import StoredArray
from migspec.names import normal_name
from migspec.variables import Variable


@dataclass(frozen=True, slots=True)
class NamedArray:
    """A variable and the dataset that holds it; `copies` are further datasets of the same variable, which Keras saves twice."""

    variable: Variable
    array: StoredArray
    copies: tuple[StoredArray, ...] = ()

    @property
    def places(self) -> tuple[StoredArray, ...]:
        """Every dataset that holds it."""
        return (self.array, *self.copies)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An array with the name and the aliases that it would have if no other had them too."""

    array: StoredArray
    copies: tuple[StoredArray, ...]
    name: str
    aliases: tuple[str | None, ...]


def settled(candidates: Sequence[Candidate]) -> tuple[NamedArray, ...]:
    """The variables. Where two would have one name, the path in the file is the name of both.

    An alias stands for one variable, and is no other's name.
    """
    shared = Counter(normal_name(candidate.name) for candidate in candidates)
    names = [candidate.name if shared[normal_name(candidate.name)] == 1 else candidate.array.path for candidate in candidates]
    uses = Counter(normal_name(name) for name in names)
    for candidate in candidates:
        uses.update({normal_name(alias) for alias in candidate.aliases if alias is not None})
    return tuple(
        NamedArray(_variable(name, candidate, uses), candidate.array, candidate.copies)
        for name, candidate in zip(names, candidates, strict=True)
    )


def _variable(name: str, candidate: Candidate, uses: Counter[str]) -> Variable:
    aliases = dict.fromkeys(
        alias
        for alias in candidate.aliases
        if alias is not None and normal_name(alias) != normal_name(name) and uses[normal_name(alias)] == 1
    )
    return Variable(name, candidate.array.shape, candidate.array.dtype, tuple(aliases))
