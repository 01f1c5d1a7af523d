"""Text -> syntax tree: statement by statement, so that each bad one gives exactly one diagnostic and the others are read."""

from __future__ import annotations

from migspec.diagnostics.model import Applicability, Diagnostic, Edit, Fix, SpecError
from migspec.syntax.lines import LogicalLine, logical_lines
from migspec.syntax.problem import Malformed, malformed
from migspec.syntax.tree import Body, Pattern, Spec, Statement, Version
from migspec.syntax.typography import typographic
from migspec.text import Span, Text


def parse(text: Text) -> tuple[Spec, tuple[Diagnostic, ...]]:
    """The spec that a text says, without its bad statements, and one diagnostic (MIG1xx) for each of those, in order.

    Never raises for anything that a text can hold. Spans are offsets in the text as it was given.
    """
    lines, closing = logical_lines(text.content)
    statements: list[Statement] = []
    diagnostics: list[Diagnostic] = []
    for number, line in enumerate(lines):
        try:
            body = _body(text, line)
            span = _span(text, line)
            if isinstance(body, Version) and number > 0:
                raise malformed("MIG101", "`mig` stands first in a spec, once", span, helps=("move it to the first line",))
        except Malformed as error:
            diagnostics.append(error.diagnostic)
        else:
            statements.append(Statement(body, line.leading, line.trailing, span))
    return Spec(text, tuple(statements), closing), tuple(diagnostics)


def parse_pattern(text: Text) -> Pattern:
    """The one name or pattern, quoted or not, that a text consists of; SpecError if it cannot be read.

    Unlike in a spec, a text without quotes may hold any characters, as a command line's argument does.
    """
    from lark import Token

    from migspec.syntax.arithmetic import Place
    from migspec.syntax.patterns import pattern

    content = text.content
    kind = "QUOTED" if len(content) > 1 and content.startswith('"') and content.endswith('"') else "PATTERN"
    try:
        return pattern(Token(kind, content, start_pos=0), Place(text, 0, "MIG106"))
    except Malformed as error:
        raise SpecError([error.diagnostic]) from None


def _body(text: Text, line: LogicalLine) -> Body:
    """What one logical line says. Lark is imported here, at the first use."""
    slip = typographic(text, line)
    if slip is not None:
        raise Malformed(slip)
    from lark import UnexpectedInput

    from migspec.syntax.arithmetic import Place
    from migspec.syntax.grammar import parser
    from migspec.syntax.transform import body

    place = Place(text, line.start)
    if line.orphan:
        raise _orphan(text, line)
    if line.open_quote is not None:
        raise _open_quote(Span(text, line.open_quote, line.open_quote + 1))
    try:
        parsed = parser().parse(line.code, start="statement")
    except UnexpectedInput as error:
        from migspec.syntax.expectation import unexpected

        raise unexpected(line.code, error, place) from None
    return body(parsed, place)


def _orphan(text: Text, line: LogicalLine) -> Malformed:
    first = line.code.split(maxsplit=1)[0]
    start = text.content.rfind("\n", 0, line.start) + 1
    return malformed(
        "MIG109",
        "an indented line continues the statement above it, and there is none",
        Span(text, line.start, line.start + len(first)),
        helps=("begin the statement at the start of the line",),
        fixes=(Fix("take out the indentation", (Edit(Span(text, start, line.start), ""),), Applicability.SAFE),),
    )


def _open_quote(span: Span) -> Malformed:
    return malformed(
        "MIG101", "a quote is never closed", span, 'no `"` follows on this line', helps=('close it with `"` on the same line',)
    )


def _span(text: Text, line: LogicalLine) -> Span:
    return Span(text, line.start, line.start + len(line.code))
