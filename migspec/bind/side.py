"""One side of a scope: its names, and what errors call it."""

from __future__ import annotations

from dataclasses import dataclass

from migspec.names import NameIndex
from migspec.patterns import Matcher
from migspec.syntax.tree import Pattern
from migspec.text import Span


@dataclass(frozen=True, slots=True)
class Side:
    """The names of one side; `word` is `source` or `target`."""

    index: NameIndex
    word: str

    @property
    def label(self) -> str:
        return self.index.map.label


def span_of(pattern: Pattern) -> Span:
    assert pattern.span is not None
    return pattern.span


def fitting(pattern: Pattern, side: Side) -> set[str]:
    """The variables that a pattern fits, in whichever way; nothing is reported."""
    matcher = Matcher(pattern)
    if matcher.exact is not None:
        return {found.variable.name for found in side.index.lookup(matcher.exact)}
    return {found.variable.name for name, found in side.index.candidates(matcher.query) if matcher.fits(name)}
