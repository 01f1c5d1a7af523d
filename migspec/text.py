"""Source text, and places in it.

Everything that a diagnostic points at is a `Span`: a half-open range of character offsets in one `Text`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """The text of one spec: `name` is what an error shows (a path as the user wrote it, or `<stdin>`)."""

    name: str
    content: str
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0]
        starts.extend(i + 1 for i, character in enumerate(self.content) if character == "\n")
        object.__setattr__(self, "_starts", tuple(starts))

    def position(self, offset: int) -> tuple[int, int]:
        """The line and column of a character offset, both counted from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its line end."""
        start = self._starts[number - 1]
        end = self._starts[number] if number < len(self._starts) else len(self.content)
        return self.content[start:end].rstrip("\r\n")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` (end excluded) of `text`."""

    text: Text
    start: int
    end: int

    @property
    def content(self) -> str:
        return self.text.content[self.start : self.end]

    @property
    def line(self) -> int:
        return self.text.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.text.position(self.start)[1]

    def __str__(self) -> str:
        line, column = self.text.position(self.start)
        return f"{self.text.name}:{line}:{column}"

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.text, self.start, other.end)
