"""Many names as few: `layer_0/w`, `layer_1/w`, ... as `layer_{0..11}/w`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NUMBER = re.compile(r"(?<![0-9])(0|[1-9][0-9]{0,17})(?![0-9])")


@dataclass(frozen=True, slots=True)
class Folded:
    """One line for several names: `text` has ranges in place of numbers, `names` are those that it stands for, in order."""

    text: str
    names: tuple[str, ...]


def fold(names: Iterable[str]) -> tuple[Folded, ...]:
    """The names with numbers folded into ranges, in the order of their first members.

    Numbers fold one place at a time, from the left, and only whole runs: what a folded text says stands for exactly its names.
    """
    groups = [Folded(name, (name,)) for name in names]
    place = 0
    while True:
        folded, deeper = _fold_place(groups, place)
        if not deeper:
            return tuple(folded)
        groups, place = folded, place + 1


def fold_texts(names: Iterable[str], limit: int = 6) -> str:
    """Names folded and joined with commas; after `limit` of them, how many more there are."""
    folded = fold(names)
    texts = [f"`{one.text}`" for one in folded[:limit]]
    more = sum(len(one.names) for one in folded[limit:])
    return ", ".join(texts) + (f" and {more} more" if more else "")


def _fold_place(groups: Sequence[Folded], place: int) -> tuple[list[Folded], bool]:
    """Fold the groups that differ in number `place` of their text alone; and whether any text has a number there."""
    buckets: dict[tuple[str, str], list[tuple[int, int]]] = {}
    result: list[tuple[int, Folded]] = []
    deeper = False
    for position, group in enumerate(groups):
        numbers = [match for match in _NUMBER.finditer(group.text) if not _in_range(group.text, match.start())]
        folded_before = group.text.count("{")
        index = place - folded_before
        if not 0 <= index < len(numbers):
            result.append((position, group))
            continue
        deeper = True
        match = numbers[index]
        key = (group.text[: match.start()], group.text[match.end() :])
        buckets.setdefault(key, []).append((int(match.group()), position))
    for (before, after), members in buckets.items():
        members.sort()
        start = 0
        while start < len(members):
            stop = start + 1
            while stop < len(members) and members[stop][0] == members[stop - 1][0] + 1:
                stop += 1
            run = members[start:stop]
            first = min(position for _, position in run)
            if len(run) == 1:
                result.append((first, groups[first]))
            else:
                text = f"{before}{{{run[0][0]}..{run[-1][0]}}}{after}"
                result.append((first, Folded(text, tuple(name for _, position in run for name in groups[position].names))))
            start = stop
    result.sort(key=lambda entry: entry[0])
    return [group for _, group in result], deeper


def _in_range(text: str, position: int) -> bool:
    """Whether a position lies inside braces."""
    return text.rfind("{", 0, position) > text.rfind("}", 0, position)
