"""What may have gone wrong with moved variables: each possibility as a change that would put it right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from migspec.verify.blame.suspects import Suspect

if TYPE_CHECKING:
    import numpy

Change: TypeAlias = Callable[[Mapping[str, "numpy.ndarray"]], dict[str, "numpy.ndarray"]]


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """A change of the values of some variables. `words` say what is wrong with them, after their names."""

    suspects: tuple[Suspect, ...]
    words: str
    change: Change

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.suspects)


def each(suspects: Sequence[Suspect], words: str, changed: Callable[[numpy.ndarray], numpy.ndarray]) -> Correction:
    """One change made to each of several variables by itself."""

    def change(values: Mapping[str, numpy.ndarray]) -> dict[str, numpy.ndarray]:
        return {one.name: changed(values[one.name]) for one in suspects}

    return Correction(tuple(suspects), words, change)
