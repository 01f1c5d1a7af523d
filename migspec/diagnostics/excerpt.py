"""The lines of one spec that a diagnostic speaks of, with its labels drawn under them.

An excerpt has a column of line numbers, then a *lane* of two columns for each span over several lines that is open there, then
the text. Labels on one line are laid out without collisions: the last one stands beside its mark, the others hang below theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from migspec.diagnostics.display import DisplayLine, Window, clip, one_line
from migspec.diagnostics.model import Label
from migspec.diagnostics.paint import Row, Style, paint
from migspec.text import Text

WIDTH = 120
"""Columns of source text that are shown of a line; a longer one is cut around what is marked."""

_WHOLE = 6  # a span over more lines than this is shown by its first three and its last two


@dataclass(frozen=True, slots=True)
class Mark:
    """A label resolved to lines (from 1) and characters within them (from 0, `end` excluded)."""

    first_line: int
    start: int
    last_line: int
    end: int
    text: str
    primary: bool
    style: Style
    lane: int = -1  # of a mark over several lines

    @property
    def symbol(self) -> str:
        return "^" if self.primary else "-"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The marks of one text, and the numbers of the lines to show."""

    text: Text
    marks: tuple[Mark, ...]
    lines: tuple[int, ...]

    @classmethod
    def of(cls, text: Text, labels: Iterable[tuple[Label, bool]], primary_style: Style) -> Excerpt:
        """The excerpt that shows `labels` of one text, each with whether it is the primary one."""
        marks = _with_lanes([_mark(text, label, primary, primary_style) for label, primary in labels])
        return cls(text, marks, _shown(marks))

    @property
    def gutter(self) -> int:
        """The digits of the largest line number shown."""
        return len(str(self.lines[-1]))

    def render(self, gutter: int, color: bool) -> list[str]:
        """The rows of the excerpt, from the empty one above the first line; `gutter` is the width of the line numbers."""
        lanes = 1 + max(mark.lane for mark in self.marks)
        rows = [_framed("", Row(), gutter, color)]
        previous = self.lines[0]
        for number in self.lines:
            if number > previous + 1:
                gap = Row()
                _draw_open_lanes(gap, [mark for mark in self._open_marks(number) if mark.first_line < number])
                rows.append((paint("...", Style.FRAME, color) + " " * gutter + gap.render(color)).rstrip())
            rows.extend(_framed(label, row, gutter, color) for label, row in self._line(number, lanes))
            previous = number
        return rows

    def _open_marks(self, number: int) -> list[Mark]:
        return [mark for mark in self.marks if mark.lane >= 0 and mark.first_line <= number <= mark.last_line]

    def _line(self, number: int, lanes: int) -> list[tuple[str, Row]]:
        """Line `number` and the rows of marks under it, each with what stands in the column of line numbers."""
        line = DisplayLine.of(self.text.line(number))
        here = [mark for mark in self.marks if mark.lane < 0 and mark.first_line == number]
        tall = self._open_marks(number)
        window = clip(line, _focus(line, here, tall, number), WIDTH)
        margin = 2 * lanes

        source = Row()
        passing = [mark for mark in tall if mark.first_line < number]
        _draw_open_lanes(source, passing)
        opening = [mark for mark in tall if mark.first_line == number]
        for mark in opening:
            if _starts_line(self.text, mark):
                source.put(2 * mark.lane, "/", mark.style)
                passing.append(mark)
        source.put(margin, window.text, Style.PLAIN)
        rows = [(str(number), source)]

        for row in _underlines(line, window, margin, here):
            _draw_open_lanes(row, passing)
            rows.append(("", row))
        for mark in opening:
            if mark not in passing:
                rows.append(("", _bracket(mark, margin + window.column(line.columns[mark.start]), passing, opens=True)))
                passing.append(mark)
        for mark in [mark for mark in tall if mark.last_line == number]:
            passing.remove(mark)
            column = margin + window.column(line.columns[max(mark.end - 1, 0)])
            rows.append(("", _bracket(mark, column, passing, opens=False)))
        return rows


def _mark(text: Text, label: Label, primary: bool, primary_style: Style) -> Mark:
    length = len(text.content)
    start = min(max(label.span.start, 0), length)
    end = min(max(label.span.end, start), length)
    while end > start and text.content[end - 1] in "\r\n":  # a line's end is no part of what a reader sees
        end -= 1
    first_line, first_column = text.position(start)
    last_line, last_column = text.position(end)
    return Mark(
        first_line,
        min(first_column - 1, len(text.line(first_line))),
        last_line,
        min(last_column - 1, len(text.line(last_line))),
        one_line(label.text),
        primary,
        primary_style if primary else Style.FRAME,
    )


def _with_lanes(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """The marks, those over several lines each with the leftmost lane that is free from its first line to its last."""
    taken: list[int] = []  # the last line of the mark that holds each lane
    placed: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.first_line, -mark.last_line)):
        if mark.first_line == mark.last_line:
            placed.append(mark)
            continue
        lane = next((i for i, last in enumerate(taken) if last < mark.first_line), len(taken))
        taken[lane : lane + 1] = [mark.last_line]
        placed.append(replace(mark, lane=lane))
    return tuple(placed)


def _shown(marks: Iterable[Mark]) -> tuple[int, ...]:
    numbers: set[int] = set()
    for mark in marks:
        if mark.last_line - mark.first_line < _WHOLE:
            numbers.update(range(mark.first_line, mark.last_line + 1))
        else:
            numbers.update(range(mark.first_line, mark.first_line + 3), (mark.last_line - 1, mark.last_line))
    # A gap of one line is filled: `...` in its place would tell less in as much room.
    numbers.update(number + 1 for number in tuple(numbers) if number + 2 in numbers)
    return tuple(sorted(numbers))


def _focus(line: DisplayLine, here: Sequence[Mark], tall: Sequence[Mark], number: int) -> tuple[int, int]:
    """The columns of a line that must be seen: all of its marks, or the primary one if they are too far apart."""
    ranges = [(line.columns[mark.start], line.columns[mark.end], mark.primary) for mark in here]
    for mark in tall:
        if mark.first_line == number:
            ranges.append((line.columns[mark.start], line.columns[mark.start], mark.primary))
        if mark.last_line == number:
            ranges.append((line.columns[mark.end], line.columns[mark.end], mark.primary))
    if not ranges:
        return 0, 0
    start, end = min(low for low, _, _ in ranges), max(high for _, high, _ in ranges)
    if end - start < WIDTH - 6:
        return start, end
    start, end, _ = next((one for one in ranges if one[2]), ranges[0])
    return start, end


def _underlines(line: DisplayLine, window: Window, margin: int, marks: Sequence[Mark]) -> list[Row]:
    """The marks of one line, then the labels that do not fit beside them."""
    if not marks:
        return []
    placed: list[tuple[int, int, Mark]] = []
    for mark in marks:
        start = margin + window.column(line.columns[mark.start])
        end = margin + window.column(line.columns[mark.end])
        placed.append((start, max(end, start + 1), mark))
    placed.sort(key=lambda item: (item[0], -item[1], item[2].primary))

    under = Row()
    for start, end, mark in sorted(placed, key=lambda item: item[2].primary):
        under.put(start, mark.symbol * (end - start), mark.style)
    rows = [under]

    edge = max(end for _, end, _ in placed)
    beside = next((item for item in reversed(placed) if item[2].text and item[1] == edge), None)
    if beside is not None:
        under.put(edge + 1, beside[2].text, beside[2].style)
    hanging = [item for item in placed if item[2].text and item is not beside]
    if hanging:
        rows.append(_connectors(hanging))
    while hanging:
        start, _, mark = hanging.pop()
        row = _connectors([item for item in hanging if item[0] < start])
        row.put(start, mark.text, mark.style)
        rows.append(row)
    return rows


def _connectors(items: Iterable[tuple[int, int, Mark]]) -> Row:
    row = Row()
    for start, _, mark in items:
        row.put(start, "|", mark.style)
    return row


def _starts_line(text: Text, mark: Mark) -> bool:
    return not text.line(mark.first_line)[: mark.start].strip()


def _bracket(mark: Mark, column: int, passing: Iterable[Mark], opens: bool) -> Row:
    """The row that joins a mark's lane to the column where the mark begins or ends."""
    row = Row()
    lane = 2 * mark.lane
    row.put(lane, " " if opens else "|", mark.style)
    row.put(lane + 1, "_" * (column - lane - 1), mark.style)
    _draw_open_lanes(row, passing)
    row.put(column, mark.symbol, mark.style)
    if not opens and mark.text:
        row.put(column + 2, mark.text, mark.style)
    return row


def _draw_open_lanes(row: Row, marks: Iterable[Mark]) -> None:
    for mark in marks:
        row.put(2 * mark.lane, "|", mark.style)


def _framed(label: str, row: Row, gutter: int, color: bool) -> str:
    return f"{paint(f'{label:>{gutter}} |', Style.FRAME, color)} {row.render(color)}".rstrip()
