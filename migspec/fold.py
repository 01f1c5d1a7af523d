"""Many names as few: `layer_0/w`, `layer_1/w`, ... as `layer_{0..11}/w`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NUMBER = re.compile(r"(?<![0-9])(0|[1-9][0-9]*)(?![0-9])")


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
    buckets: dict[tuple[str, str], list[tuple[int, Folded]]] = {}
    order: list[tuple[str, str] | Folded] = []
    deeper = False
    for group in groups:
        numbers = [match for match in _NUMBER.finditer(group.text) if not _in_range(group.text, match.start())]
        folded_before = group.text.count("{")
        index = place - folded_before
        if not 0 <= index < len(numbers):
            order.append(group)
            continue
        deeper = True
        match = numbers[index]
        key = (group.text[: match.start()], group.text[match.end() :])
        if key not in buckets:
            buckets[key] = []
            order.append(key)
        buckets[key].append((int(match.group()), group))
    result: list[Folded] = []
    for entry in order:
        if isinstance(entry, Folded):
            result.append(entry)
            continue
        members = sorted(buckets[entry], key=lambda member: member[0])
        start = 0
        while start < len(members):
            stop = start + 1
            while stop < len(members) and members[stop][0] == members[stop - 1][0] + 1:
                stop += 1
            run = members[start:stop]
            if len(run) == 1:
                result.append(run[0][1])
            else:
                text = f"{entry[0]}{{{run[0][0]}..{run[-1][0]}}}{entry[1]}"
                result.append(Folded(text, tuple(name for _, member in run for name in member.names)))
            start = stop
    return result, deeper


def _in_range(text: str, position: int) -> bool:
    """Whether a position lies inside braces."""
    return text.rfind("{", 0, position) > text.rfind("}", 0, position)
