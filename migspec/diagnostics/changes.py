"""What a fix does to a spec, line by line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from migspec.diagnostics.display import DisplayLine, clip
from migspec.diagnostics.excerpt import WIDTH
from migspec.diagnostics.model import Edit
from migspec.text import Text


@dataclass(frozen=True, slots=True)
class Change:
    """One line that is taken away or added: its number before or after the fix, and its text as it is printed."""

    number: int
    line: str
    added: bool


def changed_lines(text: Text, edits: Iterable[Edit]) -> tuple[Change, ...]:
    """The lines that the edits change, block by block: first as they are, then as they will be."""
    changes: list[Change] = []
    shift = 0
    for block in _blocks(text, _in_order(text, edits)):
        first, last = text.position(block[0][0])[0], text.position(block[-1][1])[0]
        base = block[0][0] - text.position(block[0][0])[1] + 1
        old = [text.line(number) for number in range(first, last + 1)]
        content = text.content[base : base + len("\n".join(_raw_lines(text, first, last)))]
        for start, end, replacement in reversed(block):
            content = content[: start - base] + replacement + content[end - base :]
        new = [line.rstrip("\r") for line in content.split("\n")]
        lead, tail = _unchanged(old, new)
        removed, added = old[lead : len(old) - tail], new[lead : len(new) - tail]
        column = _first_difference(removed, added)
        changes.extend(Change(first + lead + i, _shown(line, column), False) for i, line in enumerate(removed))
        changes.extend(Change(first + shift + lead + i, _shown(line, column), True) for i, line in enumerate(added))
        shift += len(new) - len(old)
    return tuple(changes)


def _in_order(text: Text, edits: Iterable[Edit]) -> list[tuple[int, int, str]]:
    length = len(text.content)
    ordered: list[tuple[int, int, str]] = []
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)):
        start = min(max(edit.span.start, 0), length)
        end = min(max(edit.span.end, start), length)
        if not ordered or start >= ordered[-1][1]:
            ordered.append((start, end, edit.replacement))
    return ordered


def _blocks(text: Text, edits: list[tuple[int, int, str]]) -> list[list[tuple[int, int, str]]]:
    """The edits in groups that touch the same or neighbouring lines."""
    blocks: list[list[tuple[int, int, str]]] = []
    for edit in edits:
        if blocks and text.position(edit[0])[0] <= text.position(blocks[-1][-1][1])[0] + 1:
            blocks[-1].append(edit)
        else:
            blocks.append([edit])
    return blocks


def _raw_lines(text: Text, first: int, last: int) -> list[str]:
    return text.content.split("\n")[first - 1 : last]


def _unchanged(old: list[str], new: list[str]) -> tuple[int, int]:
    """How many lines are the same at the beginning, and how many at the end."""
    most = min(len(old), len(new))
    lead = 0
    while lead < most and old[lead] == new[lead]:
        lead += 1
    tail = 0
    while tail < most - lead and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return lead, tail


def _first_difference(removed: list[str], added: list[str]) -> int:
    """The character of a line at which the first removed and the first added line part."""
    if not removed or not added:
        return 0
    column = 0
    while column < min(len(removed[0]), len(added[0])) and removed[0][column] == added[0][column]:
        column += 1
    return column


def _shown(line: str, column: int) -> str:
    display = DisplayLine.of(line)
    place = display.columns[min(column, len(line))]
    return clip(display, (place, place), WIDTH).text
