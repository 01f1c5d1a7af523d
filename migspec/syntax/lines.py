"""Text -> logical statements: an indented line continues the one above it, and comments are set aside."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

BYTE_ORDER_MARK = "\ufeff"

# A closed quote, an open quote (up to the line's end), or a comment: whichever comes first decides what the rest means.
_QUOTE_OR_COMMENT = re.compile(r'(?P<closed>"(?:[^"\\]|\\.)*")|(?P<open>".*)|(?P<comment>(?<!\S)#.*)')

Comments = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """One statement as written, from its first to its last character that is neither white space nor comment.

    `code` is the text from offset `start` on with comments and line ends replaced by as many spaces, so that an offset in it plus
    `start` is an offset in the whole text. `open_quote` is the offset (in the whole text) of a quote that its line does not close.
    `orphan` says that it is indented with no statement above it. `leading` and `trailing` are as in `tree.Statement`.
    """

    start: int
    code: str
    leading: Comments = ()
    trailing: str | None = None
    open_quote: int | None = None
    orphan: bool = False


@dataclass(slots=True)
class _Group:
    """A logical line while its physical lines are gathered."""

    start: int
    orphan: bool
    leading: list[str | None]
    pieces: list[str] = field(default_factory=list)
    trailing: str | None = None
    open_quote: int | None = None

    def finished(self) -> LogicalLine:
        code = "".join(self.pieces).rstrip()
        return LogicalLine(self.start, code, tuple(self.leading), self.trailing, self.open_quote, self.orphan)


def logical_lines(content: str) -> tuple[tuple[LogicalLine, ...], Comments]:
    """The statements of a text in order, and the comments and blank lines after the last one.

    A byte-order mark at the start is skipped. Runs of blank lines count as one; those at the start and the end of the text are
    dropped, for they separate nothing.
    """
    groups: list[_Group] = []
    pending: list[str | None] = []
    between = ""  # what lies between the last piece of the current group and this line, as spaces
    offset = 1 if content.startswith(BYTE_ORDER_MARK) else 0
    for line in content[offset:].split("\n"):
        code, comment, open_quote = _cut(line)
        if not code.strip():
            _note(pending, comment, at_start=not groups)
            between += " " * (len(line) + 1)
        elif groups and code[0].isspace():
            group = groups[-1]
            _continue(group, pending, comment, None if open_quote is None else offset + open_quote)
            group.pieces += [between, code, " " * (len(line) - len(code) + 1)]
            pending, between = [], ""
        else:
            indent = len(code) - len(code.lstrip())
            group = _Group(offset + indent, indent > 0, pending, [code[indent:], " " * (len(line) - len(code) + 1)])
            group.trailing = comment
            group.open_quote = None if open_quote is None else offset + open_quote
            groups.append(group)
            pending, between = [], ""
        offset += len(line) + 1
    while pending and pending[-1] is None:
        pending.pop()
    return tuple(group.finished() for group in groups), tuple(pending)


def _cut(line: str) -> tuple[str, str | None, int | None]:
    """The code of a physical line, its comment, and where a quote opens that it does not close."""
    for match in _QUOTE_OR_COMMENT.finditer(line):
        if match["comment"] is not None:
            return line[: match.start()], _comment(match["comment"]), None
        if match["open"] is not None:
            return line, None, match.start()
    return line, None, None


def _comment(written: str) -> str:
    return written[1:].removeprefix(" ").rstrip()


def _note(pending: list[str | None], comment: str | None, at_start: bool) -> None:
    """Remember a comment line, or a blank line (None) unless it repeats one or begins the text."""
    if comment is None and ((pending and pending[-1] is None) or (at_start and not pending)):
        return
    pending.append(comment)


def _continue(group: _Group, pending: list[str | None], comment: str | None, open_quote: int | None) -> None:
    """Comments that stand between the lines of one statement move above it."""
    if group.trailing is not None:
        group.leading.append(group.trailing)
    group.leading.extend(text for text in pending if text is not None)
    group.trailing = comment
    if group.open_quote is None:
        group.open_quote = open_quote
