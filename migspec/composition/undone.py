"""What the second of two specs undoes of the first is left out of both."""

from __future__ import annotations

from collections.abc import Sequence

from migspec.rules import Operation
from migspec.syntax import tree

_UNDOABLE = frozenset({"transpose", "permute", "flip", "gates"})
"""The ops whose inverse is one op without a size in it: equal words mean the same in both specs. (The labels of `rearrange` may be sizes.)"""
_BY_BLOCKS = frozenset({"pad", "crop", "add"})
"""The ops that look for the `gates` before them."""


def without_undone(
    ops: Sequence[tree.Op], first: Sequence[Operation], theirs: Sequence[tree.Op], second: Sequence[Operation]
) -> tuple[tuple[tree.Op, ...], tuple[tree.Op, ...]]:
    """The ops of two rules without the last of the one and the first of the other, as long as these undo each other."""
    count = 0
    for before, after, op in zip(reversed(first), second, theirs, strict=False):
        if op.word not in _UNDOABLE or before.word.inverse() != (after.word,):
            break
        count += 1
    undone, left = theirs[:count], (*ops[: len(ops) - count], *theirs[count:])
    if any(op.word == "gates" for op in undone) and any(op.word in _BY_BLOCKS for op in left):
        return tuple(ops), tuple(theirs)
    return tuple(ops[: len(ops) - count]), tuple(theirs[count:])
