"""Typographic characters where the language has ASCII ones: one finding a statement, with the fix for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migspec.diagnostics.model import Applicability, Diagnostic, Edit, Fix, Label
from migspec.syntax.lines import LogicalLine
from migspec.text import Span, Text

_ARROW = "[\u2192\u27f6\u2794\u2799\u279b\u279c\u279d\u279e\u27a1\u21d2\u27f9]\ufe0f?|[\u2010-\u2015\u2212]+>"
_DOUBLE = "\u201c\u201d\u201e\u201f\u00ab\u00bb"
_SINGLE = "\u2018\u2019\u201a\u201b\u2039\u203a"
_MINUS = "\u2212|(?<!\\S)[\u2010-\u2015](?=[0-9.])"
_INVISIBLE = "\u00ad\u200b-\u200f\u2060\ufeff"

_FOUND = re.compile(
    rf'(?P<skip>"(?:[^"\\]|\\.)*")|(?P<arrow>{_ARROW})|(?P<quote>[{_DOUBLE}{_SINGLE}])|(?P<minus>{_MINUS})'
    rf"|(?P<invisible>[{_INVISIBLE}])"
)


def has_typography(word: str) -> bool:
    """Whether a name with these characters has to be quoted, because outside quotes they count as slips."""
    return any(match["skip"] is None for match in _FOUND.finditer(word))


def typographic(text: Text, line: LogicalLine) -> Diagnostic | None:
    """The finding (MIG104) for a statement with typographic arrows, quotes, minus signs or invisible characters outside quotes."""
    edits = tuple(_edits(text, line))
    if not edits:
        return None
    first = edits[0].span
    wanted = edits[0].replacement.strip()
    if wanted:
        message = f"typographic character `{first.content}` where `{wanted}` is meant"
    else:
        message = f"invisible character U+{ord(first.content):04X}"
    advice = "write it as ASCII" if len(edits) == 1 else f"write all {len(edits)} as ASCII"
    return Diagnostic(
        "MIG104",
        message,
        Label(first, f"write `{wanted}`" if wanted else "take it out"),
        tuple(Label(edit.span) for edit in edits[1:]),
        helps=("such characters come from word processors and web pages; in a name they are fine inside double quotes",),
        fixes=(Fix(advice, edits, Applicability.SAFE),),
    )


def _edits(text: Text, line: LogicalLine) -> Iterator[Edit]:
    position = 0
    while (match := _FOUND.search(line.code, position)) is not None:
        position = match.end()
        start = line.start + match.start()
        span = Span(text, start, line.start + match.end())
        if match["arrow"] is not None:
            before = "" if match.start() == 0 or line.code[match.start() - 1].isspace() else " "
            after = "" if line.code[position : position + 1].strip() == "" else " "
            yield Edit(span, f"{before}->{after}")
        elif match["quote"] is not None:
            yield Edit(span, '"')
            closing = _closing(line.code, position, match["quote"])
            if closing is not None:
                yield from _inside(text, line, position, closing)
                position = closing + 1
        elif match["minus"] is not None:
            yield Edit(span, "-")
        elif match["invisible"] is not None:
            yield Edit(span, "")


def _closing(code: str, position: int, opening: str) -> int | None:
    """Where the quote that `opening` opens is closed: by a typographic quote of its kind, or by the ASCII one."""
    match = re.compile(f'[{_DOUBLE}"]' if opening in _DOUBLE else f"[{_SINGLE}']").search(code, position)
    return None if match is None else match.start()


def _inside(text: Text, line: LogicalLine, start: int, closing: int) -> Iterator[Edit]:
    """Inside a typographic quote only an ASCII quote needs care; then the closing one."""
    for index in range(start, closing):
        if line.code[index] == '"':
            yield Edit(Span(text, line.start + index, line.start + index + 1), '\\"')
    if line.code[closing] != '"':
        yield Edit(Span(text, line.start + closing, line.start + closing + 1), '"')
