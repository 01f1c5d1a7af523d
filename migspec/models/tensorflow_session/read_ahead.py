"""Values fetched before they are asked for, in the order in which they will be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy

AHEAD: Final = 64 << 20
"""Bytes that are fetched in one run."""


class ReadAhead:
    """The values of variables whose order of reading is known: each is given out once, and fetched with those that follow it.

    `fetch` gives the values of several variables. A variable that is asked for again is fetched alone.
    Used by one thread at a time.
    """

    def __init__(self, fetch: Callable[[Sequence[str]], Mapping[str, numpy.ndarray]], sizes: Mapping[str, int]) -> None:
        self._fetch = fetch
        self._sizes = sizes
        self._names = tuple(sizes)
        self._places = {name: place for place, name in enumerate(self._names)}
        self._given: set[str] = set()
        self._values: dict[str, numpy.ndarray] = {}

    def __contains__(self, name: str) -> bool:
        """Whether a variable is one of those whose order is known."""
        return name in self._places

    def take(self, name: str) -> numpy.ndarray:
        """The value of a variable. Raises what `fetch` raises for it."""
        if name not in self._values:
            self._values |= self._fetched(name)
        self._given.add(name)
        return self._values.pop(name)

    def _fetched(self, name: str) -> Mapping[str, numpy.ndarray]:
        together = self._together(name)
        if len(together) > 1:
            try:
                return self._fetch(together)
            except Exception:  # one of the others may be to blame, and nobody has asked for it yet
                self._given.update(together)
        return self._fetch([name])

    def _together(self, name: str) -> list[str]:
        if name not in self._places or name in self._given:
            return [name]
        together: list[str] = []
        size = 0
        for other in self._names[self._places[name] :]:
            size += self._sizes[other]
            if together and size > AHEAD:
                break
            if other not in self._given and other not in self._values:
                together.append(other)
        return together
