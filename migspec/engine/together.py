"""Small variables that stay as they are, moved many at once.

A checkpoint with many thousand small variables costs by the call, not by the byte: one read and one write for each of them,
and what Python does around it. Neighbours in the source file whose bytes go to their targets unchanged are fetched with one
read, and given to the writer together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from migspec.engine.sources import Sources
from migspec.engine.target import Target
from migspec.expression import Read
from migspec.formats.base import Extent

_MOST = 2 << 20
"""Bytes that are fetched at once."""

_SMALL = 256 << 10
"""A variable of more bytes goes alone: its own call costs nothing beside its bytes."""

_GAP = 4 << 10
"""So many bytes between two variables (padding, headers of a zip) are read along with them."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Targets whose values lie one after the other in a file, each with the variable that is read and its place."""

    moves: Sequence[tuple[str, Read, Extent]]

    @property
    def offset(self) -> int:
        """The first byte of the first value."""
        return self.moves[0][2].offset

    @property
    def span(self) -> int:
        """The bytes from the first value's first to the last value's last."""
        last = self.moves[-1][2]
        return last.offset + last.length - self.offset


def in_groups(targets: Iterable[Target], sources: Sources, most: int) -> Iterator[Target | Neighbours]:
    """The targets in their order, neighbours as one; a group spans at most `most` bytes."""
    group: list[tuple[str, Read, Extent]] = []
    first = end = 0  # of the group's bytes in its file
    alone: Target | None = None  # the target of a group of one
    for target in targets:
        expression = target.expression
        extent = sources.unchanged(expression)
        if extent and not 0 < extent.length <= _SMALL:
            extent = None
        if group and extent and 0 <= extent.offset - end <= _GAP and extent.path == group[0][2].path:
            assert isinstance(expression, Read)
            if extent.offset + extent.length - first <= min(most, _MOST):
                group.append((target.name, expression, extent))
                end = extent.offset + extent.length
                continue
        if alone is not None:
            yield alone if len(group) == 1 else Neighbours(group)
        group, alone = [], None
        if extent:
            assert isinstance(expression, Read)
            group, alone = [(target.name, expression, extent)], target
            first, end = extent.offset, extent.offset + extent.length
        else:
            yield target
    if alone is not None:
        yield alone if len(group) == 1 else Neighbours(group)
