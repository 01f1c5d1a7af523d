"""Colour, as ANSI escape sequences (ECMA-48, SGR), or none: rows of cells that are painted last."""

from __future__ import annotations

from enum import Enum

from migspec.diagnostics.model import Severity


class Style(Enum):
    """What a piece of output is; the value is its SGR parameters."""

    PLAIN = ""
    STRONG = "1"
    ERROR = "1;31"
    WARNING = "1;33"
    NOTE = "1;36"
    FRAME = "1;34"
    REMOVED = "31"
    ADDED = "32"


SEVERITY_STYLE = {Severity.ERROR: Style.ERROR, Severity.WARNING: Style.WARNING, Severity.NOTE: Style.NOTE}


def paint(text: str, style: Style, color: bool) -> str:
    """`text` in `style`, unchanged without colour."""
    return f"\x1b[{style.value}m{text}\x1b[0m" if color and text and style is not Style.PLAIN else text


class Row:
    """One row of output, a cell a column. Later writes replace earlier ones; the last write may be text of any width."""

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells: list[tuple[str, Style]] = []

    def put(self, column: int, text: str, style: Style) -> None:
        """Write `text` from `column` on."""
        end = column + len(text)
        self._cells.extend([(" ", Style.PLAIN)] * (end - len(self._cells)))
        self._cells[column:end] = [(character, style) for character in text]

    def render(self, color: bool) -> str:
        """The row as text, without blanks at its end."""
        count = len(self._cells)
        while count and self._cells[count - 1][0] == " ":
            count -= 1
        cells = self._cells[:count]
        parts: list[str] = []
        start = 0
        for i in range(1, count + 1):
            if i == count or cells[i][1] is not cells[start][1]:
                parts.append(paint("".join(character for character, _ in cells[start:i]), cells[start][1], color))
                start = i
        return "".join(parts)
