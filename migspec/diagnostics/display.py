"""How text looks in a terminal: which column each character takes, and nothing that could steer the terminal.

Columns are counted from 0. A tab takes four; East Asian wide characters take two and combining ones none (Unicode Standard
Annex 11, through `unicodedata`). Control and invisible characters, which a name in somebody's checkpoint may hold, are shown as
symbols: they must neither move the cursor nor reorder the line nor hide.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_TAB = "    "
_ELLIPSIS = "..."
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class DisplayLine:
    """One line of source as it is printed: `columns[i]` is where character i starts, `columns[-1]` the width of the line."""

    glyphs: tuple[str, ...]
    columns: tuple[int, ...]

    @classmethod
    def of(cls, line: str) -> DisplayLine:
        glyphs = tuple(_glyph(character) for character in line)
        columns = [0]
        for glyph in glyphs:
            columns.append(columns[-1] + _width(glyph))
        return cls(glyphs, tuple(columns))


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a `DisplayLine` that is printed: `text`, and how columns of the line become columns of `text`."""

    text: str
    low: int
    high: int
    left: int  # columns taken by the ellipsis before the text

    def column(self, column: int) -> int:
        """Where a column of the whole line is printed; one outside the window falls onto the ellipsis."""
        if column < self.low:
            return 0
        return self.left + min(column, self.high) - self.low


def clip(line: DisplayLine, focus: tuple[int, int], width: int) -> Window:
    """At most `width` columns of `line` (which must be at least 20), with the columns `focus` in the middle if they fit."""
    total = line.columns[-1]
    if total <= width:
        return Window("".join(line.glyphs), 0, total, 0)
    room = width - 2 * len(_ELLIPSIS)
    start, end = focus
    middle = (start + end) // 2 if end - start <= room else start + room // 2
    low = max(0, min(middle - room // 2, total - room))
    kept = [i for i in range(len(line.glyphs)) if low <= line.columns[i] and line.columns[i + 1] <= low + room]
    first, last = kept[0], kept[-1] + 1
    before = _ELLIPSIS if first > 0 else ""
    after = _ELLIPSIS if last < len(line.glyphs) else ""
    text = before + "".join(line.glyphs[first:last]) + after
    return Window(text, line.columns[first], line.columns[last], len(before))


def one_line(text: str) -> str:
    """`text` on one line: white space that breaks lines becomes a blank, control characters become symbols."""
    return "".join(" " if character in "\r\n\t" else _glyph(character) for character in text)


def several_lines(text: str) -> list[str]:
    """The lines of `text`, each of them harmless to print."""
    return [one_line(line) for line in text.split("\n")]


def _glyph(character: str) -> str:
    if character == "\t":
        return _TAB
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if code < 0x7F:
        return character
    if unicodedata.category(character) in _INVISIBLE:
        return "\ufffd"
    return character


def _width(glyph: str) -> int:
    if glyph == _TAB:
        return len(_TAB)
    if glyph.isascii():
        return 1
    if unicodedata.category(glyph) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(glyph) in ("W", "F") else 1
